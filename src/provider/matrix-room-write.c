/*
 * Rooms, one difference at a time: what room_diff calls it, one call writes it,
 * and `obs` says so from then on.
 */
#include "matrix-room.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hiclaw/fault.h"

#define KICK_REASON	"not a member of this room by HiClaw's plan"

/* --- writing one difference --------------------------------------------- */

/* The differences of one text, and what they are called in a report. */
static const struct text_write {
	const char	*what, *type, *field, *key, *did;
	bool		 shows;		/* the value, after `did` */
} text_writes[] = {
	{ "name", "m.room.name", "name", "name", "renamed to", true },
	{ "topic", "m.room.topic", "topic", "topic", "topic set", false },
	{ "avatar", "m.room.avatar", "url", "avatar", "avatar set", false },
	{ "join rule", "m.room.join_rules", "join_rule", "join_rule",
	    "join rule set to", true },
	{ "history", "m.room.history_visibility", "history_visibility",
	    "history", "history visibility set to", true },
	{ "guest access", "m.room.guest_access", "guest_access", "guest",
	    "guests shut out", false },
};

/* Report what was done, unless the room is new and "created" says it all. */
static void PRINTF(2, 3)
note(struct room_job *j, const char *fmt, ...)
{
	va_list ap;
	char *line;

	if (j->is_new)
		return;
	va_start(ap, fmt);
	line = xvasprintf(fmt, ap);
	va_end(ap);
	strv_add_unique(&j->out->did, line);
	free(line);
}

static int
write_text(struct room_job *j, const struct text_write *t, const char *value,
    struct err *e)
{
	struct json *content = json_object();
	int rv;

	json_set_str(content, t->field, value);
	rv = mx_put_state(j->mx, room_id(j), t->type, "", content, e);
	json_free(content);
	if (rv == -1)
		return -1;
	if (value[0] == '\0')
		json_remove(j->obs, t->key);
	else
		json_set_str(j->obs, t->key, value);
	note(j, "%s%s%.*s", t->did, t->shows ? " " : "",
	    t->shows ? (int)utf8_prefix(value, 100) : 0, value);
	return 0;
}

static int
write_marker(struct room_job *j, struct err *e)
{
	struct json *content = json_object();
	int rv;

	json_set_str(content, "key", j->w->key);
	rv = mx_put_state(j->mx, room_id(j), MARKER_TYPE, j->w->instance,
	    content, e);
	json_free(content);
	if (rv == -1)
		return -1;
	json_set_str(j->obs, "marker", j->w->key);
	json_remove(j->obs, "tampered");
	note(j, "marker set");
	return 0;
}

/* Refused where it would lock somebody out.  From the admin room commands are
 * given, so there it has to be somebody who has come. */
static int
may_write(const struct room_job *j, const struct json *power,
    const char *kick, struct err *e)
{
	const struct room_write w = { .bot = j->mx->bot,
	    .desired = j->w->desired, .observed = j->obs, .power = power,
	    .kick = kick, .joined = str_equal(j->w->key, "room:admin") };

	return room_may_write(&w, e);
}

/*
 * The whole event, ours over what is there: keys that we do not know, such as
 * Synapse's "historical", stay as they are.
 */
static int
write_power(struct room_job *j, struct err *e)
{
	struct json *d = json_copy(j->w->desired), *ours, *all;
	const struct json *v, *have = json_get(j->obs, "power");
	int rv;

	json_set_str(d, "version", json_strd(j->obs, "version", "1"));
	ours = room_power(d, j->mx->bot);
	all = json_is(have, JSON_OBJECT) ? json_copy(have) : json_object();
	for (v = json_first(ours); v != NULL; v = json_next(v))
		json_set(all, json_key(v), json_copy(v));
	rv = may_write(j, all, NULL, e);
	if (rv == 0)
		rv = mx_put_state(j->mx, room_id(j), "m.room.power_levels", "",
		    all, e);
	json_free(ours);
	json_free(d);
	if (rv == -1) {
		json_free(all);
		return -1;
	}
	json_set(j->obs, "power", all);
	note(j, "power levels set");
	return 0;
}

/* The canonical alias; the directory's entry too where that is missing. */
static int
write_alias(struct room_job *j, const char *alias, struct err *e)
{
	struct json *content = json_object();
	struct mx_answer a = {0};
	int rv;

	json_set_str(content, "alias", alias);
	rv = mx_put_state(j->mx, room_id(j), "m.room.canonical_alias", "",
	    content, e);
	if (rv == -1 && (e->kind == ERR_USER || e->kind == ERR_NOTFOUND ||
	    e->kind == ERR_CONFLICT)) {
		rv = room_alias_call(j->mx, "PUT", alias, room_id(j), &a, e);
		if (rv == 0)
			rv = mx_put_state(j->mx, room_id(j),
			    "m.room.canonical_alias", "", content, e);
	}
	mx_answer_release(&a);
	json_free(content);
	if (rv == -1)
		return -1;
	json_set_str(j->obs, "alias", alias);
	note(j, "alias restored");
	return 0;
}

/* The space's word about us, and ours about it. */
static int
write_link(struct room_job *j, const char *space, bool is_in, bool is_new_room,
    struct err *e)
{
	struct json *child = json_object(), *parent = json_object();
	int rv;

	if (is_in) {
		json_push_str(json_set(child, "via", json_array()),
		    j->mx->domain);
		json_push_str(json_set(parent, "via", json_array()),
		    j->mx->domain);
		json_set_bool(parent, "canonical", true);
	}
	rv = mx_put_state(j->mx, space, "m.space.child", room_id(j), child, e);
	if (rv == 0 && !is_new_room)
		rv = mx_put_state(j->mx, room_id(j), "m.space.parent", space,
		    parent, e);
	json_free(child);
	json_free(parent);
	return rv;
}

static int
write_space(struct room_job *j, const struct change *c, struct err *e)
{
	struct err ignored = {0};

	if (c->to != NULL) {
		if (write_link(j, c->to, true, j->is_new, e) == -1)
			return -1;
		json_set_str(j->obs, "parent", c->to);
	}
	if (c->from != NULL) {
		/* That space may be gone, or never have been ours. */
		if (write_link(j, c->from, false, false, &ignored) == -1 &&
		    !was_refused(&ignored)) {
			*e = ignored;
			return -1;
		}
		if (c->to == NULL)
			json_remove(j->obs, "parent");
	}
	note(j, "%s", c->to != NULL ? "put into its space" :
	    "taken out of its space");
	return 0;
}

static int
write_direct(struct room_job *j, const char *person, struct err *e)
{
	if (mx_set_direct(j->mx, NULL, person, room_id(j), e) == -1)
		return -1;
	json_set_str(j->obs, "direct", person);
	note(j, "listed as a direct chat");
	return 0;
}

/* --- members ------------------------------------------------------------ */

static void
set_member(struct room_job *j, const char *user, const char *membership)
{
	struct json *members = json_obj(j->obs, "members");

	if (membership == NULL)
		json_remove(members, user);
	else
		json_set_str(members, user, membership);
	json_remove(json_obj(j->obs, "left"), user);
}

/* How it really is, when a membership call was refused.  NULL: not in. */
static int
read_member(struct room_job *j, const char *user, char **membership,
    struct err *e)
{
	struct mx_answer a = {0};
	char *path = mx_path(V3 "/rooms/%s/state/m.room.member/%s", room_id(j),
	    user);
	const char *m;
	int rv;

	*membership = NULL;
	rv = mx_call(j->mx, "GET", path, NULL, NULL, &a, e);
	m = json_str(a.body, "membership");
	if (rv == 0 && m != NULL && !str_equal(m, "leave"))
		*membership = xstrdup(m);
	else if (rv == -1 && a.status == 404)
		rv = 0;
	mx_answer_release(&a);
	free(path);
	return rv;
}

/* invite, kick, unban.  `want` is what they lead to. */
static int
member_post(struct room_job *j, const char *verb, const char *user,
    const char *reason, const char *want, struct err *e)
{
	struct json *body = json_object();
	struct mx_answer a = {0};
	struct err second = {0};
	char *now = NULL;
	int rv;

	json_set_str(body, "user_id", user);
	json_set_str(body, "reason", reason);
	rv = room_post(j->mx, NULL, room_id(j), verb, body, &a, e);
	if (rv == 0)
		set_member(j, user, want);
	else if (a.status == 403 || a.status == 404) {
		/* Already so?  The texts differ; the state does not lie. */
		if (read_member(j, user, &now, &second) == 0) {
			if (str_equal(now, want) || (want != NULL &&
			    str_equal(now, "join")))
				rv = 0;
			set_member(j, user, now);
		}
	}
	free(now);
	mx_answer_release(&a);
	return rv;
}

/* Join with the name that the room shall show, in one call. */
static int
agent_join(struct room_job *j, const char *user, struct err *e)
{
	const char *name = json_str(json_get(j->w->desired, "names"), user);
	struct json *body = json_object();
	struct mx_answer a = {0};
	char *path = mx_path(V3 "/rooms/%s/state/m.room.member/%s", room_id(j),
	    user);
	int rv;

	json_set_str(body, "membership", "join");
	json_set_str(body, "displayname", name);
	rv = mx_call(j->mx, "PUT", path, user, body, &a, e);
	if (rv == -1 && was_refused(e))
		rv = mx_join(j->mx, user, room_id(j), e);
	if (rv == 0) {
		fault("matrix.after-join");
		set_member(j, user, "join");
	}
	mx_answer_release(&a);
	json_free(body);
	free(path);
	return rv;
}

static int
add_member(struct room_job *j, const char *user, const char *have,
    bool is_joiner, struct err *e)
{
	if (str_equal(have, "ban") &&
	    member_post(j, "unban", user, NULL, NULL, e) == -1)
		return -1;
	if (!str_equal(have, "invite") &&
	    member_post(j, "invite", user, NULL, "invite", e) == -1)
		return -1;
	if (!is_joiner) {
		note(j, "invited %s", user);
		return 0;
	}
	/* The invitation may have been refused because it is in already. */
	if (!str_equal(json_str(json_get(j->obs, "members"), user), "join") &&
	    agent_join(j, user, e) == -1)
		return -1;
	note(j, "%s joined", user);
	return 0;
}

static int
write_member(struct room_job *j, const struct change *c, struct err *e)
{
	const char *user = c->what + strlen("member ");

	if (c->to != NULL)
		return add_member(j, user, c->from, str_equal(c->to, "join"), e);
	if (may_write(j, NULL, user, e) == -1 ||
	    member_post(j, "kick", user, KICK_REASON, NULL, e) == -1)
		return -1;
	note(j, "removed %s", user);
	return 0;
}

int
room_write_change(struct room_job *j, const struct change *c, bool *power_done,
    struct err *e)
{
	size_t i;

	if (str_starts(c->what, "power")) {	/* one event has them all */
		if (*power_done)
			return 0;
		*power_done = true;
		return write_power(j, e);
	}
	if (str_starts(c->what, "member "))
		return write_member(j, c, e);
	if (str_equal(c->what, "alias"))
		return write_alias(j, c->to, e);
	if (str_equal(c->what, "space"))
		return write_space(j, c, e);
	if (str_equal(c->what, "marker"))
		return write_marker(j, e);
	if (str_equal(c->what, "direct chat"))
		return write_direct(j, c->to, e);
	for (i = 0; i < NELEM(text_writes); i++) {
		if (str_equal(c->what, text_writes[i].what))
			return write_text(j, &text_writes[i], c->to, e);
	}
	return err_set(e, ERR_BROKEN, "nobody can write \"%s\"", c->what);
}

