/*
 * Whom a write would lock out.  A room that nobody runs can be mended by nobody
 * but the server's own admin, so what we are about to send is tried first: the
 * controller stays above everybody, and of the people who are to run the room
 * one stays in it who can.  Pure.
 *
 * What took nobody's place away is never held up: a room that nobody ran before
 * is not made worse.
 */
#include "hiclaw/matrix.h"

#include <string.h>

#include "matrix-int.h"

#define RUNS_ROOM	75	/* asks in, puts out, names: see power.c */

static int64_t
level_of(const struct json *power, const char *user)
{
	return json_int(json_get(power, "users"), user,
	    json_int(power, "users_default", 0));
}

static bool
is_agent_here(const struct room_write *w, const char *user)
{
	return str_equal(json_str(json_get(w->desired, "members"), user),
	    "agent");
}

bool
room_has_been_in(const struct json *observed, const char *user)
{
	return str_equal(json_str(json_get(observed, "members"), user),
	    "join") || json_bool(json_get(observed, "left"), user, false);
}

/* --- the controller ------------------------------------------------------ */

static bool
is_above_all(const struct room_write *w)
{
	return version_has_creators(json_str(w->observed, "version")) &&
	    str_equal(json_str(w->observed, "creator"), w->bot);
}

/* The highest level that anything of ours needs. */
static int64_t
needed_level(const struct json *power)
{
	static const char *const keys[] = { "state_default", "kick", "ban",
	    "invite" };
	const struct json *v = json_first(json_get(power, "events"));
	int64_t need = 0, one;

	for (; v != NULL; v = json_next(v)) {
		one = json_value_int(v, 0);
		need = one > need ? one : need;
	}
	for (size_t i = 0; i < NELEM(keys); i++) {
		one = json_int(power, keys[i], 50);
		need = one > need ? one : need;
	}
	return need;
}

static int
check_controller(const struct room_write *w, struct err *e)
{
	const struct json *v = json_first(json_get(w->power, "users"));
	int64_t own, need = needed_level(w->power);

	if (is_above_all(w))
		return 0;
	own = level_of(w->power, w->bot);
	if (own < need)
		return err_set(e, ERR_CONFLICT, "the controller (%s) would be "
		    "at power %lld and needs %lld: it would be locked out of "
		    "this room", w->bot, (long long)own, (long long)need);
	for (; v != NULL; v = json_next(v))
		if (!str_equal(json_key(v), w->bot) &&
		    json_value_int(v, 0) >= own)
			return err_set(e, ERR_CONFLICT, "%s would be at power "
			    "%lld and the controller (%s) at %lld: it could "
			    "be locked out of this room", json_key(v),
			    (long long)json_value_int(v, 0), w->bot,
			    (long long)own);
	return 0;
}

/* --- the people ---------------------------------------------------------- */

static bool
runs_now(const struct room_write *w, const char *user)
{
	return !str_equal(user, w->bot) && !is_agent_here(w, user) &&
	    str_equal(json_str(json_get(w->observed, "members"), user),
	    "join") && level_of(json_get(w->observed, "power"), user) >=
	    RUNS_ROOM;
}

/* Who runs it now and would lose that by this write; or NULL. */
static const char *
who_loses(const struct room_write *w)
{
	const struct json *v;

	if (w->kick != NULL)
		return runs_now(w, w->kick) ? w->kick : NULL;
	v = json_first(json_path(w->observed, "power.users"));
	for (; v != NULL; v = json_next(v))
		if (runs_now(w, json_key(v)) &&
		    level_of(w->power, json_key(v)) < RUNS_ROOM)
			return json_key(v);
	return NULL;
}

/*
 * Is this one, who is to run it, there to do so?  Who left by their own will is
 * locked out by nobody.  An invitation is enough unless `joined` is asked for:
 * to an id with a slip of the pen in it nobody ever comes.
 */
static bool
can_run(const struct room_write *w, const char *user)
{
	const struct json *power = w->power != NULL ? w->power :
	    json_get(w->observed, "power");

	if (str_equal(user, w->bot) || str_equal(user, w->kick) ||
	    is_agent_here(w, user) || level_of(power, user) < RUNS_ROOM)
		return false;
	return room_has_been_in(w->observed, user) || (!w->joined &&
	    str_equal(json_str(json_get(w->observed, "members"), user),
	    "invite"));
}

static int
check_people(const struct room_write *w, struct err *e)
{
	const struct json *v = json_first(json_get(w->desired, "power"));
	const char *loser = who_loses(w), *waited = NULL;

	if (loser == NULL)
		return 0;
	for (; v != NULL; v = json_next(v)) {
		if (json_value_int(v, 0) < RUNS_ROOM ||
		    is_agent_here(w, json_key(v)))
			continue;
		if (can_run(w, json_key(v)))
			return 0;
		waited = json_key(v);
	}
	/* Nobody is to run this room: that was decided, and is no accident. */
	if (waited == NULL)
		return 0;
	return err_set(e, ERR_CONFLICT, "%s is the last person who can run "
	    "this room and stays until %s has %s", loser, waited,
	    w->joined ? "joined it" : "been asked in");
}

int
room_may_write(const struct room_write *w, struct err *e)
{
	if (str_equal(w->kick, w->bot) && w->kick != NULL)
		return err_set(e, ERR_CONFLICT, "the controller (%s) would "
		    "put itself out of this room", w->bot);
	if (w->power != NULL && check_controller(w, e) == -1)
		return -1;
	return check_people(w, e);
}
