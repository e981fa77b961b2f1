/*
 * Rooms: `room:...`.
 *
 * A room is made with one createRoom that carries everything but the joins;
 * what is left, then and later, is what room_diff says, written one call per
 * difference.  So what a plan prints is what happens here, and where nothing
 * differs nothing is written.
 *
 * Creation is safe twice because of two things: the alias is a claim (or, for
 * rooms without one, a look through the bot's rooms comes first), and the
 * marker in the initial state proves later that the room is ours.  createRoom
 * is not atomic, so a room that holds our alias, was made by us and has no
 * marker is the half-built wreck of an earlier try: it is given up.
 *
 * `obs` is at each moment what we know to be true, so that dying or failing
 * half-way loses no more than the step in hand.
 */
#include "matrix-room.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "hiclaw/fault.h"

#define MAKING_MS	10000	/* for a createRoom that is under way */
#define MAKING_STEP_MS	500
#define CLOSE_REASON	"room closed by HiClaw"

const char *
room_id(const struct room_job *j)
{
	return json_str(j->obs, "room_id");
}

/* --- reading ------------------------------------------------------------ */

enum found { FOUND_NONE, FOUND_ROOM, FOUND_ERROR };

/* Nothing there, or nothing that we may see; not a homeserver in trouble. */
static bool
is_absent(const struct mx_answer *a)
{
	return (a->status == 403 && str_equal(a->errcode, "M_FORBIDDEN")) ||
	    (a->status == 404 && str_equal(a->errcode, "M_NOT_FOUND"));
}

/* a->body are the events. */
static enum found
read_state(const struct mx *mx, const char *room, struct mx_answer *a,
    struct err *e)
{
	char *path = mx_path(V3 "/rooms/%s/state", room);
	int rv;

	rv = mx_call(mx, "GET", path, NULL, NULL, a, e);
	free(path);
	if (rv == 0)
		return FOUND_ROOM;
	return is_absent(a) ? FOUND_NONE : FOUND_ERROR;
}

/*
 * Of what the state of a room cannot tell, keep what we knew: the space above,
 * and whether a person who once left has been asked back in since.
 */
static void
keep_known(struct json *obs, const struct json *old)
{
	struct strv asked = {0};
	struct json *left = json_get(obs, "left");
	const struct json *p, *members = json_get(old, "members");
	size_t i;

	if (!str_equal(room_handle(obs), room_handle(old)))
		return;
	json_set_str(obs, "parent", json_str(old, "parent"));
	json_set_str(obs, "direct", json_str(old, "direct"));
	for (p = json_first(left); p != NULL; p = json_next(p)) {
		if (json_get(members, json_key(p)) == NULL &&
		    !json_bool(json_get(old, "left"), json_key(p), false))
			strv_add(&asked, json_key(p));
	}
	for (i = 0; i < asked.n; i++)
		json_remove(left, asked.v[i]);
	strv_release(&asked);
}

static bool
bot_is_in(const struct mx *mx, const struct json *obs)
{
	return str_equal(json_str(json_get(obs, "members"), mx->bot), "join");
}

/* Look at the room that we know of.  FOUND_NONE: it is lost. */
static enum found
look_again(struct room_job *j, struct err *e)
{
	const char *room = room_handle(j->w->observed);
	struct mx_answer a = {0};
	struct json *obs = NULL;
	enum found found;
	int tries;

	for (tries = 0; tries < 2; tries++) {
		mx_answer_release(&a);
		found = read_state(j->mx, room, &a, e);
		if (found != FOUND_ROOM)
			break;
		json_free(obs);
		obs = room_from_state(a.body, j->w->instance);
		if (room_handle(obs) == NULL)
			json_set_str(obs, "room_id", room);
		if (bot_is_in(j->mx, obs))
			break;
		/* Who left may still read.  Somebody may have asked us in. */
		found = FOUND_NONE;
		if (mx_join(j->mx, NULL, room, e) == -1) {
			if (!was_refused(e))
				found = FOUND_ERROR;
			break;
		}
	}
	if (found == FOUND_ROOM) {
		keep_known(obs, j->w->observed);
		if (!str_equal(json_str(obs, "marker"), j->w->key))
			json_remove(obs, "marker");
		j->obs = obs;
		obs = NULL;
	}
	json_free(obs);
	mx_answer_release(&a);
	return found;
}

/* --- making ------------------------------------------------------------- */

/* What the server has after createRoom took this body. */
static struct json *
obs_of_body(const struct room_job *j, const struct json *body,
    const char *room)
{
	const struct json *d = j->w->desired, *v;
	struct json *o = json_object(), *members;
	const char *alias = json_str(d, "alias");

	json_set_str(o, "room_id", room);
	json_set_str(o, "instance", j->w->instance);
	json_set_str(o, "marker", j->w->key);
	json_set_str(o, "version", json_str(body, "room_version"));
	json_set_str(o, "creator", j->mx->bot);
	if (alias != NULL)
		json_set_strf(o, "alias", "#%s:%s", alias, j->mx->domain);
	json_set_str(o, "name", json_str(d, "name"));
	json_set_str(o, "topic", json_str(body, "topic"));
	json_set_str(o, "avatar", json_str(d, "avatar"));
	json_set_str(o, "join_rule", json_strd(d, "join_rule", "invite"));
	json_set_str(o, "history", json_strd(d, "history", "shared"));
	json_set_str(o, "guest", "forbidden");
	json_set(o, "power",
	    json_copy(json_get(body, "power_level_content_override")));
	json_set(o, "left", json_object());
	members = json_set(o, "members", json_object());
	json_set_str(members, j->mx->bot, "join");
	for (v = json_first(json_get(body, "invite")); v != NULL;
	    v = json_next(v))
		json_set_str(members, json_value_str(v), "invite");
	return o;
}

static int
create_room(struct room_job *j, bool *in_use, struct err *e)
{
	struct json *body;
	struct mx_answer a = {0};
	const char *room;
	int rv;

	*in_use = false;
	body = room_create_body(j->w->desired, j->mx->bot, j->w->key,
	    j->w->instance);
	rv = mx_call(j->mx, "POST", V3 "/createRoom", NULL, body, &a, e);
	if (rv == -1) {
		*in_use = str_equal(a.errcode, "M_ROOM_IN_USE");
		goto out;
	}
	fault("matrix.after-create-room");
	room = json_str(a.body, "room_id");
	if (room == NULL) {
		rv = err_set(e, ERR_RETRY, "createRoom gave no room_id");
		goto out;
	}
	j->obs = obs_of_body(j, body, room);
	j->is_new = true;
	strv_add(&j->out->did, "created");
out:
	mx_answer_release(&a);
	json_free(body);
	return rv;
}

static char *
full_alias(const struct room_job *j)
{
	return xasprintf("#%s:%s", json_strd(j->w->desired, "alias", ""),
	    j->mx->domain);
}

int
room_alias_call(const struct mx *mx, const char *method, const char *alias,
    const char *room, struct mx_answer *a, struct err *e)
{
	struct json *body = NULL;
	char *path = mx_path(V3 "/directory/room/%s", alias);
	int rv;

	if (room != NULL) {
		body = json_object();
		json_set_str(body, "room_id", room);
	}
	rv = mx_call(mx, method, path, NULL, body, a, e);
	json_free(body);
	free(path);
	return rv;
}

/* Tolerates that it is gone, but not that nobody answers. */
static int
drop_alias(const struct mx *mx, const char *alias, struct err *e)
{
	struct mx_answer a = {0};
	int rv;

	rv = room_alias_call(mx, "DELETE", alias, NULL, &a, e);
	mx_answer_release(&a);
	return rv == -1 && !was_refused(e) ? -1 : 0;
}

/* --- whose is it? ------------------------------------------------------- */

/* Another controller of the same name may have been here before us. */
static bool
has_foreign_marker(const struct json *events, const char *instance)
{
	const struct json *ev;

	for (ev = json_first(events); ev != NULL; ev = json_next(ev)) {
		if (str_equal(json_str(ev, "type"), MARKER_TYPE) &&
		    !str_equal(json_str(ev, "state_key"), instance) &&
		    json_str(json_get(ev, "content"), "key") != NULL)
			return true;
	}
	return false;
}

static bool
has_company(const struct json *obs, const char *bot)
{
	const struct json *m;

	for (m = json_first(json_get(obs, "members")); m != NULL;
	    m = json_next(m)) {
		if (!str_equal(json_key(m), bot))
			return true;
	}
	return false;
}

enum claim { CLAIM_OURS, CLAIM_WRECK, CLAIM_FOREIGN };

static enum claim
judge_claim(const struct room_job *j, const struct json *events,
    const struct json *obs)
{
	const char *marker = json_str(obs, "marker");

	/* The one we knew and have lost: only its alias is left to us. */
	if (j->w->observed != NULL && room_handle(obs) != NULL &&
	    str_equal(room_handle(obs), room_handle(j->w->observed)) &&
	    !bot_is_in(j->mx, obs))
		return CLAIM_WRECK;
	if (!str_equal(json_str(obs, "creator"), j->mx->bot) ||
	    has_foreign_marker(events, j->w->instance))
		return CLAIM_FOREIGN;
	if (marker != NULL && !str_equal(marker, j->w->key))
		return CLAIM_FOREIGN;
	if (!bot_is_in(j->mx, obs))
		return marker != NULL ? CLAIM_WRECK : CLAIM_FOREIGN;
	if (marker != NULL)
		return CLAIM_OURS;
	return has_company(obs, j->mx->bot) ? CLAIM_FOREIGN : CLAIM_WRECK;
}

static int
foreign(const char *alias, const char *room, const struct json *obs,
    struct err *e)
{
	const char *maker = json_str(obs, "creator");

	return err_set(e, ERR_CONFLICT, "the alias %s leads to room %s, made by "
	    "%s and not by this controller for this purpose; take the alias "
	    "away from that room or choose another name", alias, room,
	    maker != NULL ? maker : "somebody else");
}

/*
 * The room of our alias may be in the making at this very moment: the homeserver
 * goes on with a createRoom whose answer never reached us, because it was slow
 * or because we died.  The alias is there first, the marker and the invitations
 * come last, so a room that is not readable or lacks its marker is looked at
 * for a while before it is judged.
 */
static bool
may_be_in_the_making(const struct room_job *j, enum found found,
    const struct json *events, const struct json *obs)
{
	if (!j->w->may_exist)
		return false;
	return found == FOUND_NONE || (found == FOUND_ROOM &&
	    json_str(obs, "marker") == NULL &&
	    judge_claim(j, events, obs) == CLAIM_WRECK);
}

static enum found
read_claim(struct room_job *j, const char *room, struct mx_answer *a,
    struct json **obs, struct err *e)
{
	const struct timespec pause = { .tv_nsec = MAKING_STEP_MS * 1000000L };
	enum found found;
	int waited;

	*obs = NULL;
	for (waited = 0;; waited += MAKING_STEP_MS) {
		mx_answer_release(a);
		json_free(*obs);
		found = read_state(j->mx, room, a, e);
		*obs = room_from_state(found == FOUND_ROOM ? a->body : NULL,
		    j->w->instance);
		if (room_handle(*obs) == NULL)
			json_set_str(*obs, "room_id", room);
		if (waited >= MAKING_MS ||
		    !may_be_in_the_making(j, found, a->body, *obs))
			return found;
		nanosleep(&pause, NULL);
	}
}

/*
 * The alias leads to nothing that we may see: a createRoom that the homeserver
 * did not survive leaves just this.  Only who made an alias may delete it, so
 * where that succeeds it was ours.
 */
static int
free_alias(struct room_job *j, const char *alias, const char *room,
    const struct json *obs, struct err *e)
{
	struct mx_answer a = {0};
	int rv;

	rv = room_alias_call(j->mx, "DELETE", alias, NULL, &a, e);
	mx_answer_release(&a);
	if (rv == 0 || e->kind == ERR_NOTFOUND)
		return 0;
	return e->kind == ERR_RETRY ? -1 : foreign(alias, room, obs, e);
}

/* Our alias is taken: adopt that room, or clear it away, or refuse. */
static int
settle_claim(struct room_job *j, const char *alias, const char *room,
    struct err *e)
{
	struct mx_answer a = {0};
	struct json *obs = NULL;
	int rv = -1;

	switch (read_claim(j, room, &a, &obs, e)) {
	case FOUND_ERROR:
		goto out;
	case FOUND_NONE:
		rv = j->w->may_exist ? free_alias(j, alias, room, obs, e) :
		    foreign(alias, room, obs, e);
		goto out;
	case FOUND_ROOM:
		break;
	}
	switch (judge_claim(j, a.body, obs)) {
	case CLAIM_OURS:
		keep_known(obs, j->w->observed);
		j->obs = obs;
		obs = NULL;
		strv_add(&j->out->did, "adopted");
		rv = 0;
		break;
	case CLAIM_WRECK:
		rv = drop_alias(j->mx, alias, e);
		if (rv == 0)
			rv = room_quit(j->mx, NULL, room, e);
		break;
	case CLAIM_FOREIGN:
		rv = foreign(alias, room, obs, e);
		break;
	}
out:
	json_free(obs);
	mx_answer_release(&a);
	return rv;
}

static int
resolve_claim(struct room_job *j, struct err *e)
{
	struct mx_answer a = {0};
	char *alias = full_alias(j);
	const char *room;
	int rv;

	rv = room_alias_call(j->mx, "GET", alias, NULL, &a, e);
	if (rv == -1) {
		if (a.status == 404)	/* gone in the meantime */
			rv = 0;
		goto out;
	}
	room = json_str(a.body, "room_id");
	if (room == NULL || !mxid_valid(room))
		rv = err_set(e, ERR_RETRY, "%s leads to no room", alias);
	else
		rv = settle_claim(j, alias, room, e);
out:
	mx_answer_release(&a);
	free(alias);
	return rv;
}

/* --- rooms without an alias --------------------------------------------- */

struct search { const char *instance, *key; char *room; };

static void
search_event(void *arg, struct json *ev)
{
	struct search *s = arg;

	if (s->room == NULL && str_equal(json_str(ev, "type"), MARKER_TYPE) &&
	    str_equal(json_str(ev, "state_key"), s->instance) &&
	    str_equal(json_str(json_get(ev, "content"), "key"), s->key))
		s->room = xstrdup(json_str(ev, "room_id"));
}

/*
 * The room of the bot that carries our marker, yours, or NULL.  One call reads
 * the state of all rooms; it is made only where no alias can do the finding.
 */
static int
find_marked(const struct mx *mx, const struct work *w, char **room,
    struct err *e)
{
	struct search s = { .instance = w->instance, .key = w->key };
	struct json *answer = NULL;

	if (mx_sync(mx, NULL, &answer, e) == -1)
		return -1;
	sync_events(answer, search_event, &s);
	json_free(answer);
	*room = s.room;
	return 0;
}

static int
adopt_marked(struct room_job *j, struct err *e)
{
	struct mx_answer a = {0};
	struct json *obs;
	char *room = NULL;
	int rv;

	rv = find_marked(j->mx, j->w, &room, e);
	if (rv == -1 || room == NULL)
		return rv;
	if (read_state(j->mx, room, &a, e) == FOUND_ERROR) {
		rv = -1;
		goto out;
	}
	obs = room_from_state(a.body, j->w->instance);
	if (judge_claim(j, a.body, obs) == CLAIM_OURS) {
		j->obs = obs;
		strv_add(&j->out->did, "adopted");
	} else
		json_free(obs);
out:
	mx_answer_release(&a);
	free(room);
	return rv;
}

/* --- from nothing to a room --------------------------------------------- */

static int
make_room(struct room_job *j, struct err *e)
{
	bool in_use = false;
	int rv, tries;

	if (json_str(j->w->desired, "alias") == NULL) {
		rv = adopt_marked(j, e);
		if (rv == -1 || j->obs != NULL)
			return rv;
	}
	for (tries = 0; tries < 2; tries++) {
		rv = create_room(j, &in_use, e);
		if (!in_use)
			return rv;
		rv = resolve_claim(j, e);
		if (rv == -1 || j->obs != NULL)
			return rv;
	}
	return err_set(e, ERR_RETRY, "#%s stays in use although it was cleared",
	    json_strd(j->w->desired, "alias", ""));
}

/* --- writing all -------------------------------------------------------- */

static bool
is_remote(const struct room_job *j, const struct change *c)
{
	return c->to != NULL && str_starts(c->what, "member ") &&
	    !str_equal(mxid_domain(c->what), j->mx->domain);
}

/*
 * Somebody on another server cannot be asked in.  If our own homeserver said no,
 * that is the answer for now, and nobody should wait for another; if it could not
 * reach the other one, that is no trouble of ours.
 */
static void
explain_remote(const struct room_job *j, const struct change *c, struct err *e)
{
	const char *user = c->what + strlen("member ");

	if (!was_refused(e)) {
		err_prefix(e, "%s is on another server", user);
		return;
	}
	e->kind = ERR_USER;
	if (json_bool(j->w->desired, "federate", false))
		err_prefix(e, "%s is on another server", user);
	else
		err_prefix(e, "%s is on another server, and our rooms are closed "
		    "to those (homeserver.federate)", user);
}

/* What came of one difference; false: the homeserver is in trouble, stop. */
static bool
take_failure(struct room_job *j, const struct change *c, struct err *one,
    int *rv, struct err *e)
{
	if (is_remote(j, c) && one->kind != ERR_BROKEN) {
		explain_remote(j, c, one);
		j->out->has_answer = true;
	} else if (!was_refused(one)) {
		*e = *one;
		*rv = -1;
		j->out->has_answer = false;
		return false;
	}
	if (*rv == 0 || e->kind == ERR_RETRY)
		*e = *one;
	*rv = -1;
	return true;
}

static bool
takes_away(const struct change *c)
{
	return str_starts(c->what, "power") ||
	    (str_starts(c->what, "member ") && c->to == NULL);
}

/*
 * One difference that cannot be written must not keep back the others, unless
 * the homeserver is in trouble.  What takes something from people comes once
 * more after all else if it was refused: it may have locked somebody out only
 * because those who come in their place had not been asked in.
 */
static int
mend_room(struct room_job *j, struct err *e)
{
	struct changes ch = {0};
	struct err one = {0};
	const struct change *c;
	bool power_done = false, goes_on = true;
	size_t i, held_n = 0;
	size_t *held;
	int rv = 0;

	room_diff(j->w->desired, j->obs, &ch);
	held = xreallocarray(NULL, ch.n + 1, sizeof(*held));
	for (i = 0; i < ch.n && goes_on; i++) {
		c = &ch.v[i];
		if (room_write_change(j, c, &power_done, &one) == 0)
			continue;
		if (takes_away(c) && one.kind == ERR_CONFLICT)
			held[held_n++] = i;
		else
			goes_on = take_failure(j, c, &one, &rv, e);
	}
	power_done = false;
	for (i = 0; i < held_n && goes_on; i++) {
		c = &ch.v[held[i]];
		if (room_write_change(j, c, &power_done, &one) == -1)
			goes_on = take_failure(j, c, &one, &rv, e);
	}
	free(held);
	changes_release(&ch);
	return rv;
}

int
room_ensure(void *arg, const struct work *w, struct outcome *out,
    struct err *e)
{
	const struct matrix_ctx *c = arg;
	struct room_job j = { .mx = c->mx, .w = w, .out = out };
	int rv = 0;

	if (room_handle(w->observed) != NULL) {
		switch (look_again(&j, e)) {
		case FOUND_ERROR:
			rv = -1;
			break;
		case FOUND_NONE:
			strv_add(&out->did, "the old room was lost");
			break;
		case FOUND_ROOM:
			break;
		}
	}
	if (rv == 0 && j.obs == NULL)
		rv = make_room(&j, e);
	if (rv == 0)
		rv = mend_room(&j, e);
	if (rv == -1 && j.obs == NULL)
		strv_release(&out->did);	/* nothing came of it */
	out->observed = j.obs != NULL ? j.obs : json_copy(w->observed);
	return rv;
}

/* --- removing ----------------------------------------------------------- */

static int
close_member(struct room_job *j, const char *user, struct err *e)
{
	struct json *body = json_object();
	struct mx_answer kicked = {0}, a = {0};
	int rv;

	json_set_str(body, "user_id", user);
	json_set_str(body, "reason", CLOSE_REASON);
	rv = room_post(j->mx, NULL, room_id(j), "kick", body, &kicked, e);
	mx_answer_release(&kicked);
	if (rv == -1 && !was_refused(e))
		return -1;
	if (!is_agent(j->mx, user))
		return 0;
	rv = room_post(j->mx, user, room_id(j), "forget", NULL, &a, e);
	mx_answer_release(&a);
	return rv == -1 && !was_refused(e) ? -1 : 0;
}

/* The members as they are now, not as we last saw them. */
static int
close_members(struct room_job *j, struct err *e)
{
	struct mx_answer a = {0};
	struct json *now = NULL;
	const struct json *m;
	enum found found;
	int rv = 0;

	found = read_state(j->mx, room_id(j), &a, e);
	if (found != FOUND_ROOM) {
		rv = found == FOUND_ERROR ? -1 : 0;
		goto out;
	}
	now = room_from_state(a.body, j->w->instance);
	for (m = json_first(json_get(now, "members")); m != NULL && rv == 0;
	    m = json_next(m)) {
		if (!str_equal(json_key(m), j->mx->bot) &&
		    (str_equal(json_value_str(m), "join") ||
		    str_equal(json_value_str(m), "invite")))
			rv = close_member(j, json_key(m), e);
	}
out:
	json_free(now);
	mx_answer_release(&a);
	return rv;
}

/* Alias and space first: nobody finds the room any more from then on. */
static int
close_room(struct room_job *j, struct err *e)
{
	const char *parent = json_str(j->obs, "parent");
	const char *alias = json_str(j->obs, "alias");
	struct json *none;
	int rv = 0;

	if (parent != NULL) {
		none = json_object();
		rv = mx_put_state(j->mx, parent, "m.space.child", room_id(j),
		    none, e);
		json_free(none);
		if (rv == -1 && !was_refused(e))
			return -1;
	}
	if (alias != NULL && drop_alias(j->mx, alias, e) == -1)
		return -1;
	if (close_members(j, e) == -1)
		return -1;
	return room_quit(j->mx, NULL, room_id(j), e);
}

/* We died after createRoom and before its record: what is there to close? */
static int
find_unrecorded(struct room_job *j, struct err *e)
{
	struct mx_answer a = {0};
	const struct json *ev;
	char *room = NULL;
	int rv;

	rv = find_marked(j->mx, j->w, &room, e);
	if (rv == -1 || room == NULL)
		return rv;
	if (read_state(j->mx, room, &a, e) == FOUND_ERROR)
		rv = -1;
	else {
		j->obs = room_from_state(a.body, j->w->instance);
		json_set_str(j->obs, "room_id", room);
		for (ev = json_first(a.body); ev != NULL; ev = json_next(ev)) {
			if (str_equal(json_str(ev, "type"), "m.space.parent"))
				json_set_str(j->obs, "parent",
				    json_str(ev, "state_key"));
		}
	}
	mx_answer_release(&a);
	free(room);
	return rv;
}

int
room_remove(void *arg, const struct work *w, struct outcome *out,
    struct err *e)
{
	const struct matrix_ctx *c = arg;
	struct room_job j = { .mx = c->mx, .w = w, .out = out };
	int rv = 0;

	if (room_handle(w->observed) != NULL)
		j.obs = json_copy(w->observed);
	else
		rv = find_unrecorded(&j, e);
	if (rv == 0 && j.obs != NULL) {
		rv = close_room(&j, e);
		if (rv == 0)
			strv_add(&out->did, "closed");
	}
	if (rv == -1)
		out->observed = json_copy(w->observed);
	json_free(j.obs);
	return rv;
}
