/*
 * Rooms of the simulated homeserver: made, found by alias, entered and left,
 * written in and read.  What may be sent is decided in homeserver-rule.c.
 */
#include "homeserver-int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_VERSION	"12"
#define PAGE_MAX	500

void
hs_alias_free(void *arg)
{
	struct hs_alias *a = arg;

	free(a->room);
	free(a->maker);
	free(a);
}

static int
forbidden(struct hs_call *c, const char *why)
{
	return hs_refuse(c, 403, "M_FORBIDDEN", why);
}

static int
nothing_more(struct hs_call *c)
{
	c->answer = json_object();
	return 200;
}

static int
says_event(struct hs_call *c, const char *id)
{
	c->answer = json_object();
	json_set_str(c->answer, "event_id", id);
	return 200;
}

/* --- making -------------------------------------------------------------- */

static bool
is_given(const struct json *list, const char *type)
{
	const struct json *e;

	for (e = json_first(list); e != NULL; e = json_next(e))
		if (str_equal(json_str(e, "type"), type) &&
		    json_strd(e, "state_key", "")[0] == '\0')
			return true;
	return false;
}

static void
first_state(struct hs_call *c, struct hs_room *r, const char *type,
    const char *field, const char *value)
{
	struct json *content;

	if (value == NULL ||
	    is_given(json_get(c->body, "initial_state"), type))
		return;
	content = json_object();
	json_set_str(content, field, value);
	hs_emit(r, c->hs, c->user, type, "", content);
}

static struct json *
first_levels(const struct hs_call *c, const char *version)
{
	struct json *levels = json_must("{\"users_default\":0,"
	    "\"events_default\":0,\"state_default\":50,\"ban\":50,\"kick\":50,"
	    "\"redact\":50,\"invite\":0,\"events\":{"
	    "\"m.room.power_levels\":100,\"m.room.tombstone\":150,"
	    "\"m.room.server_acl\":100,\"m.room.encryption\":100,"
	    "\"m.room.history_visibility\":100}}");
	const struct json *v, *u, *invited = json_get(c->body, "invite");
	struct json *users = json_obj(levels, "users");

	if (!rule_has_creators(version))
		json_set_int(users, c->user, 100);
	if (str_equal(json_str(c->body, "preset"), "trusted_private_chat"))
		for (u = json_first(invited); u != NULL; u = json_next(u))
			json_set_int(users, json_value_str(u), 100);
	v = json_get(c->body, "power_level_content_override");
	for (v = json_first(v); v != NULL; v = json_next(v))
		json_set(levels, json_key(v), json_copy(v));
	return levels;
}

static struct hs_room *
new_room(struct hs_call *c, const char *version)
{
	struct hs_room *r = xcalloc(1, sizeof *r);
	struct json *create = json_copy(json_get(c->body,
	    "creation_content"));

	r->id = hs_serial(c->hs, "!");
	r->version = xstrdup(version);
	r->creator = xstrdup(c->user);
	r->state = map_new(NULL);
	map_set(c->hs->rooms, r->id, r);
	if (!json_is(create, JSON_OBJECT)) {
		json_free(create);
		create = json_object();
	}
	json_set_str(create, "room_version", version);
	hs_emit(r, c->hs, c->user, "m.room.create", "", create);
	hs_member(r, c->hs, c->user, c->user, "join", NULL);
	hs_emit(r, c->hs, c->user, "m.room.power_levels", "",
	    first_levels(c, version));
	return r;
}

static void
set_alias(struct hs_call *c, const char *alias, const char *room)
{
	struct hs_alias *a = xcalloc(1, sizeof *a);

	a->room = xstrdup(room);
	a->maker = xstrdup(c->user);
	map_set(c->hs->aliases, alias, a);
}

static void
furnish(struct hs_call *c, struct hs_room *r, const char *alias)
{
	const char *preset = json_strd(c->body, "preset", "private_chat");
	const struct json *e, *invited = json_get(c->body, "invite");
	struct json *direct = json_object();

	json_set_bool(direct, "is_direct",
	    json_bool(c->body, "is_direct", false));
	first_state(c, r, "m.room.canonical_alias", "alias", alias);
	first_state(c, r, "m.room.join_rules", "join_rule",
	    str_equal(preset, "public_chat") ? "public" : "invite");
	first_state(c, r, "m.room.history_visibility", "history_visibility",
	    "shared");
	first_state(c, r, "m.room.guest_access", "guest_access",
	    str_equal(preset, "public_chat") ? "forbidden" : "can_join");
	e = json_get(c->body, "initial_state");
	for (e = json_first(e); e != NULL; e = json_next(e))
		if (json_str(e, "type") != NULL)
			hs_emit(r, c->hs, c->user, json_str(e, "type"),
			    json_strd(e, "state_key", ""),
			    json_copy(json_get(e, "content")));
	first_state(c, r, "m.room.name", "name", json_str(c->body, "name"));
	first_state(c, r, "m.room.topic", "topic", json_str(c->body, "topic"));
	for (e = json_first(invited); e != NULL; e = json_next(e))
		if (json_value_str(e) != NULL && rule_member(r, c->user,
		    json_value_str(e), "invite") == NULL)
			hs_member(r, c->hs, c->user, json_value_str(e),
			    "invite", direct);
	json_free(direct);
}

int
hs_create_room(struct hs_call *c)
{
	const char *name = json_str(c->body, "room_alias_name");
	char *alias = name == NULL ? NULL :
	    xasprintf("#%s:%s", name, c->hs->domain);
	struct hs_room *r;

	if (alias != NULL && map_find(c->hs->aliases, alias) != NULL) {
		free(alias);
		return hs_refuse(c, 400, "M_ROOM_IN_USE", "alias is taken");
	}
	if (map_size(c->hs->rooms) >= ROOMS_MAX) {
		free(alias);
		return hs_refuse(c, 429, "M_LIMIT_EXCEEDED", "too many rooms");
	}
	r = new_room(c, json_strd(c->body, "room_version", DEFAULT_VERSION));
	if (alias != NULL)
		set_alias(c, alias, r->id);
	furnish(c, r, alias);
	free(alias);
	c->answer = json_object();
	json_set_str(c->answer, "room_id", r->id);
	return 200;
}

/* directory/room/{alias} */
int
hs_directory(struct hs_call *c)
{
	const char *alias = c->n > 2 ? c->piece[2] : "";
	struct hs_alias *a = map_find(c->hs->aliases, alias);

	if (str_equal(c->method, "PUT")) {
		if (a != NULL)
			return hs_refuse(c, 409, "M_UNKNOWN",
			    "alias is taken");
		if (map_find(c->hs->rooms, json_strd(c->body, "room_id", ""))
		    == NULL)
			return hs_refuse(c, 404, "M_NOT_FOUND", "no such room");
		set_alias(c, alias, json_str(c->body, "room_id"));
		return nothing_more(c);
	}
	if (a == NULL)
		return hs_refuse(c, 404, "M_NOT_FOUND", "no such alias");
	if (str_equal(c->method, "DELETE")) {
		if (!str_equal(a->maker, c->user))
			return forbidden(c, "somebody else made that alias");
		map_remove(c->hs->aliases, alias);
		return nothing_more(c);
	}
	c->answer = json_object();
	json_set_str(c->answer, "room_id", a->room);
	json_push_str(json_set(c->answer, "servers", json_array()),
	    c->hs->domain);
	return 200;
}

/* --- members ------------------------------------------------------------- */

static int
to_membership(struct hs_call *c, struct hs_room *r, const char *target,
    const char *membership)
{
	const char *why = rule_member(r, c->user, target, membership);

	if (why != NULL)
		return forbidden(c, why);
	/* Joining again changes nothing. */
	if (!str_equal(hs_membership(r, target), membership) ||
	    json_str(c->body, "displayname") != NULL)
		hs_member(r, c->hs, c->user, target, membership, c->body);
	c->answer = json_object();
	json_set_str(c->answer, "room_id", r->id);
	json_set_str(c->answer, "event_id", json_str(hs_state(r,
	    "m.room.member", target)->json, "event_id"));
	return 200;
}

static int
room_join(struct hs_call *c, struct hs_room *r)
{
	return to_membership(c, r, c->user, "join");
}

static int
room_leave(struct hs_call *c, struct hs_room *r)
{
	/* As on real ones, leaving twice is fine. */
	if (str_equal(hs_membership(r, c->user), "leave"))
		return nothing_more(c);
	return to_membership(c, r, c->user, "leave");
}

static int
room_invite(struct hs_call *c, struct hs_room *r)
{
	return to_membership(c, r, json_strd(c->body, "user_id", ""),
	    "invite");
}

/* kick and unban: each only from where it leads out of. */
static int
room_kick(struct hs_call *c, struct hs_room *r)
{
	const char *target = json_strd(c->body, "user_id", "");
	bool banned = str_equal(hs_membership(r, target), "ban");

	if (banned != str_equal(c->piece[2], "unban") ||
	    hs_membership(r, target)[0] == '\0' ||
	    str_equal(hs_membership(r, target), "leave"))
		return forbidden(c, banned ? "is banned" :
		    "is not in the room");
	return to_membership(c, r, target, "leave");
}

static int
room_ban(struct hs_call *c, struct hs_room *r)
{
	return to_membership(c, r, json_strd(c->body, "user_id", ""), "ban");
}

static int
room_members(struct hs_call *c, struct hs_room *r)
{
	bool joined = str_equal(c->piece[2], "joined_members");
	struct json *list, *all;
	const struct hs_event *ev;
	void *it = NULL;

	c->answer = json_object();
	list = json_set(c->answer, joined ? "joined" : "chunk", joined ?
	    json_object() : json_array());
	while ((ev = map_next(r->state, &it, NULL)) != NULL) {
		if (!str_equal(json_str(ev->json, "type"), "m.room.member"))
			continue;
		if (!joined)
			json_push(list, json_copy(ev->json));
		else if (str_equal(json_str(json_get(ev->json, "content"),
		    "membership"), "join")) {
			all = json_obj(list, json_str(ev->json, "state_key"));
			json_set_str(all, "display_name", json_str(json_get(
			    ev->json, "content"), "displayname"));
		}
	}
	return 200;
}

/* --- state --------------------------------------------------------------- */

static int
get_state(struct hs_call *c, struct hs_room *r, const char *key)
{
	const struct json *content;
	const struct hs_event *ev;
	void *it = NULL;

	if (c->n > 3) {
		content = hs_state_content(r, c->piece[3], key);
		if (content == NULL)
			return hs_refuse(c, 404, "M_NOT_FOUND",
			    "no such state");
		c->answer = json_copy(content);
		return 200;
	}
	c->answer = json_array();
	while ((ev = map_next(r->state, &it, NULL)) != NULL)
		json_push(c->answer, json_copy(ev->json));
	return 200;
}

static int
room_state(struct hs_call *c, struct hs_room *r)
{
	const char *key = c->n > 4 ? c->piece[4] : "", *why;
	const struct hs_event *old;

	if (str_equal(c->method, "GET"))
		return get_state(c, r, key);
	if (c->n < 4 || c->body == NULL)
		return hs_refuse(c, 400, "M_BAD_JSON", "no state");
	if (str_equal(c->piece[3], "m.room.member"))
		return to_membership(c, r, key,
		    json_strd(c->body, "membership", ""));
	why = rule_send(r, c->user, c->piece[3], key, c->body);
	if (why != NULL)
		return forbidden(c, why);
	old = hs_state(r, c->piece[3], key);
	if (old != NULL && json_equal(json_get(old->json, "content"), c->body))
		return says_event(c, json_str(old->json, "event_id"));
	return says_event(c, json_str(hs_emit(r, c->hs, c->user, c->piece[3],
	    key, json_copy(c->body))->json, "event_id"));
}

/* --- messages ------------------------------------------------------------ */

/* One transaction id counts for one device of one user; yours. */
static char *
txn_name(const struct hs_call *c, const char *txn)
{
	char *device = httpd_query(c->req, "device_id"), *name;

	name = xasprintf("%s %s %s %s", c->user, device != NULL ? device :
	    str_equal(c->req->bearer, c->hs->as_token) ? "" : c->req->bearer,
	    c->piece[1], txn);
	free(device);
	return name;
}

/* The event that was sent with this id before, or NULL. */
static const char *
sent_before(struct hs_call *c, const char *txn)
{
	char *name = txn_name(c, txn);
	const char *id = map_find(c->hs->sent, name);

	free(name);
	return id;
}

static void
remember(struct hs_call *c, const char *txn, const char *event_id)
{
	char *name = txn_name(c, txn);

	map_set(c->hs->sent, name, xstrdup(event_id));
	free(name);
}

/* The same tap by the same person on the same message, not taken back. */
static bool
has_tapped(const struct hs_call *c, const struct hs_room *r)
{
	const struct json *rel = json_get(c->body, "m.relates_to");

	for (size_t i = r->n; i-- > 0;) {
		const struct json *ev = r->events[i]->json, *old;

		if (!str_equal(json_str(ev, "type"), "m.reaction") ||
		    !str_equal(json_str(ev, "sender"), c->user))
			continue;
		old = json_path(ev, "content");
		old = json_get(old, "m.relates_to");
		if (old != NULL && str_equal(json_str(old, "event_id"),
		    json_str(rel, "event_id")) &&
		    str_equal(json_str(old, "key"), json_str(rel, "key")))
			return true;
	}
	return false;
}

static int
room_send(struct hs_call *c, struct hs_room *r)
{
	const char *why, *id;

	if (c->n < 5 || c->body == NULL)
		return hs_refuse(c, 400, "M_BAD_JSON", "no content");
	if ((id = sent_before(c, c->piece[4])) != NULL)
		return says_event(c, id);
	if (c->req->body_len > EVENT_BYTES_MAX - 1024)
		return hs_refuse(c, 413, "M_TOO_LARGE", "event too large");
	why = rule_send(r, c->user, c->piece[3], NULL, c->body);
	if (why != NULL)
		return forbidden(c, why);
	if (str_equal(c->piece[3], "m.reaction") && has_tapped(c, r))
		return hs_refuse(c, 400, "M_DUPLICATE_ANNOTATION",
		    "you reacted with that already");
	id = json_str(hs_emit(r, c->hs, c->user, c->piece[3], NULL,
	    json_copy(c->body))->json, "event_id");
	remember(c, c->piece[4], id);
	return says_event(c, id);
}

static int
room_redact(struct hs_call *c, struct hs_room *r)
{
	struct hs_event *ev, *done;
	struct json *content;
	const char *why, *id;

	if (c->n < 5)
		return hs_refuse(c, 400, "M_BAD_JSON", "no event");
	if ((id = sent_before(c, c->piece[4])) != NULL)
		return says_event(c, id);
	if ((ev = hs_event_find(c->hs, r, c->piece[3])) == NULL)
		return hs_refuse(c, 404, "M_NOT_FOUND", "no such event");
	if ((why = rule_redact(r, c->user, ev)) != NULL)
		return forbidden(c, why);
	content = json_object();
	json_set_str(content, "redacts", c->piece[3]);
	json_set_str(content, "reason", json_str(c->body, "reason"));
	done = hs_emit(r, c->hs, c->user, "m.room.redaction", NULL, content);
	/* Where older clients and rooms look for it. */
	json_set_str(done->json, "redacts", c->piece[3]);
	hs_prune(ev, done);
	id = json_str(done->json, "event_id");
	remember(c, c->piece[4], id);
	return says_event(c, id);
}

static int
room_event(struct hs_call *c, struct hs_room *r)
{
	const struct hs_event *ev = c->n < 4 ? NULL :
	    hs_event_find(c->hs, r, c->piece[3]);

	if (ev == NULL)
		return hs_refuse(c, 404, "M_NOT_FOUND", "no such event");
	c->answer = json_copy(ev->json);
	return 200;
}

static int64_t
query_int(const struct hs_call *c, const char *name, int64_t dflt)
{
	char *text = httpd_query(c->req, name);
	int64_t n = text == NULL || text[0] == '\0' ? dflt :
	    strtoll(text + (text[0] == 's'), NULL, 10);

	free(text);
	return n;
}

/* A token s5 stands before the event at place 5 of the stream. */
static int
room_messages(struct hs_call *c, struct hs_room *r)
{
	char *dir = httpd_query(c->req, "dir");
	char *text = httpd_query(c->req, "filter");
	struct err e;
	struct json *filter = text == NULL ? NULL :
	    json_parse(text, strlen(text), &e);
	bool back = !str_equal(dir, "f");
	int64_t from = query_int(c, "from", back ? (int64_t)c->hs->n : 0);
	int64_t limit = query_int(c, "limit", 10), at = from;
	struct json *chunk;
	size_t i, taken = 0;

	if (limit < 1 || limit > PAGE_MAX)
		limit = limit < 1 ? 1 : PAGE_MAX;
	c->answer = json_object();
	json_set_strf(c->answer, "start", "s%lld", (long long)from);
	chunk = json_set(c->answer, "chunk", json_array());
	for (i = 0; i < r->n && taken < (size_t)limit; i++) {
		const struct hs_event *ev = r->events[back ? r->n - 1 - i : i];

		if (back ? ev->at >= from : ev->at < from)
			continue;
		at = back ? ev->at : ev->at + 1;
		if (!hs_filter_passes(filter, ev->json))
			continue;
		json_push(chunk, json_copy(ev->json));
		taken++;
	}
	if (i < r->n)
		json_set_strf(c->answer, "end", "s%lld", (long long)at);
	json_free(filter);
	free(text);
	free(dir);
	return 200;
}

static int
room_ignored(struct hs_call *c, struct hs_room *r)
{
	(void)r;
	return nothing_more(c);
}

/* --- the table ----------------------------------------------------------- */

static const struct verb {
	const char	*name;
	int		(*run)(struct hs_call *, struct hs_room *);
	bool		 outside;	/* also for who is not in the room */
} verbs[] = {
	{ "join", room_join, true },
	{ "leave", room_leave, true },
	{ "forget", room_ignored, true },
	{ "invite", room_invite, false },
	{ "kick", room_kick, false },
	{ "ban", room_ban, false },
	{ "unban", room_kick, false },
	{ "members", room_members, false },
	{ "joined_members", room_members, false },
	{ "state", room_state, true },
	{ "send", room_send, false },
	{ "redact", room_redact, false },
	{ "event", room_event, false },
	{ "messages", room_messages, false },
	{ "typing", room_ignored, false },
	{ "receipt", room_ignored, false },
	{ "read_markers", room_ignored, false },
};

int
hs_rooms(struct hs_call *c)
{
	struct hs_room *r = c->n < 3 ? NULL :
	    map_find(c->hs->rooms, c->piece[1]);

	if (r == NULL)
		return hs_refuse(c, c->n < 3 ? 404 : 403, c->n < 3 ?
		    "M_UNRECOGNIZED" : "M_FORBIDDEN", "no such room");
	if (c->hs->n >= EVENTS_MAX)
		return hs_refuse(c, 429, "M_LIMIT_EXCEEDED",
		    "too many events");
	for (size_t i = 0; i < NELEM(verbs); i++) {
		if (!str_equal(verbs[i].name, c->piece[2]))
			continue;
		/* Joining by a PUT of one's own membership is from outside. */
		if ((!verbs[i].outside || str_equal(c->method, "GET")) &&
		    !str_equal(hs_membership(r, c->user), "join"))
			return forbidden(c, "you are not in the room");
		return verbs[i].run(c, r);
	}
	return hs_refuse(c, 404, "M_UNRECOGNIZED", "not simulated");
}

/* join/{room or alias} */
int
hs_join(struct hs_call *c)
{
	const struct hs_alias *a = c->n < 2 ? NULL :
	    map_find(c->hs->aliases, c->piece[1]);
	struct hs_room *r = c->n < 2 ? NULL : map_find(c->hs->rooms,
	    a != NULL ? a->room : c->piece[1]);

	return r == NULL ? hs_refuse(c, 404, "M_NOT_FOUND", "no such room") :
	    room_join(c, r);
}
