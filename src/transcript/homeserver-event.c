/*
 * Events of the simulated homeserver: one stream for all rooms, and for each
 * room its part of it and its current state.  An event is told as it is kept;
 * a redaction empties it in place, as homeservers do.
 */
#include "homeserver-int.h"

#include <stdlib.h>
#include <string.h>

#include "hiclaw/clock.h"

void
hs_event_free(struct hs_event *ev)
{
	json_free(ev->json);
	free(ev);
}

void
hs_room_free(void *arg)
{
	struct hs_room *r = arg;

	map_free(r->state);
	free(r->events);
	free(r->id);
	free(r->version);
	free(r->creator);
	free(r);
}

/* --- state --------------------------------------------------------------- */

static char *
state_name(const char *type, const char *state_key)
{
	return xasprintf("%s\x1f%s", type, state_key);
}

struct hs_event *
hs_state(const struct hs_room *r, const char *type, const char *state_key)
{
	char *name = state_name(type, state_key);
	struct hs_event *ev = map_find(r->state, name);

	free(name);
	return ev;
}

const struct json *
hs_state_content(const struct hs_room *r, const char *type,
    const char *state_key)
{
	const struct hs_event *ev = hs_state(r, type, state_key);

	return ev == NULL ? NULL : json_get(ev->json, "content");
}

const char *
hs_membership(const struct hs_room *r, const char *user)
{
	return json_strd(hs_state_content(r, "m.room.member", user),
	    "membership", "");
}

static bool
is_in(const char *membership)
{
	return str_equal(membership, "join") ||
	    str_equal(membership, "invite");
}

static void
set_state(struct hs_room *r, const struct homeserver *hs, struct hs_event *ev)
{
	const char *type = json_str(ev->json, "type");
	const char *key = json_str(ev->json, "state_key");
	struct hs_event *old = hs_state(r, type, key);
	struct json *more;
	char *name;

	if (old != NULL) {
		more = json_obj(ev->json, "unsigned");
		json_set(more, "prev_content",
		    json_copy(json_get(old->json, "content")));
		json_set_str(more, "prev_sender",
		    json_str(old->json, "sender"));
		json_set_str(more, "replaces_state",
		    json_str(old->json, "event_id"));
	}
	if (str_equal(type, "m.room.member") && hs_is_ours(hs, key))
		r->served += is_in(json_strd(json_get(ev->json, "content"),
		    "membership", "")) - is_in(hs_membership(r, key));
	name = state_name(type, key);
	map_set(r->state, name, ev);
	free(name);
}

struct json *
hs_stripped(const struct hs_room *r)
{
	static const char *const types[] = { "m.room.create", "m.room.name",
		"m.room.join_rules", "m.room.canonical_alias",
		"m.room.avatar", "m.room.encryption", NULL };
	static const char *const keys[] = { "type", "state_key", "content",
		"sender", NULL };
	struct json *list = json_array(), *e;

	for (size_t i = 0; types[i] != NULL; i++) {
		const struct hs_event *ev = hs_state(r, types[i], "");

		if (ev == NULL)
			continue;
		e = json_push(list, json_object());
		for (size_t k = 0; keys[k] != NULL; k++)
			json_set(e, keys[k],
			    json_copy(json_get(ev->json, keys[k])));
	}
	return list;
}

/* --- making -------------------------------------------------------------- */

static void
keep(struct homeserver *hs, struct hs_room *r, struct hs_event *ev)
{
	if (hs->n == hs->cap) {
		hs->cap = hs->cap == 0 ? 256 : hs->cap * 2;
		hs->stream = xreallocarray(hs->stream, hs->cap,
		    sizeof(struct hs_event *));
	}
	if (r->n == r->cap) {
		r->cap = r->cap == 0 ? 32 : r->cap * 2;
		r->events = xreallocarray(r->events, r->cap,
		    sizeof(struct hs_event *));
	}
	ev->at = (int64_t)hs->n;
	hs->stream[hs->n++] = ev;
	r->events[r->n++] = ev;
}

/* The service hears what happens in its users' rooms, and to its users. */
static bool
concerns_service(const struct homeserver *hs, const struct hs_room *r,
    const struct hs_event *ev)
{
	return r->served > 0 || hs_is_ours(hs, json_str(ev->json, "sender")) ||
	    (str_equal(json_str(ev->json, "type"), "m.room.member") &&
	    hs_is_ours(hs, json_str(ev->json, "state_key")));
}

struct hs_event *
hs_emit(struct hs_room *r, struct homeserver *hs, const char *sender,
    const char *type, const char *state_key, struct json *content)
{
	struct hs_event *ev = xcalloc(1, sizeof *ev);
	char *id = hs_serial(hs, "$");

	ev->room = r;
	ev->json = json_object();
	json_set_str(ev->json, "event_id", id);
	json_set_str(ev->json, "type", type);
	json_set_str(ev->json, "sender", sender);
	json_set_str(ev->json, "room_id", r->id);
	json_set_int(ev->json, "origin_server_ts", clock_ms());
	json_set_str(ev->json, "state_key", state_key);
	json_set(ev->json, "content", content);
	free(id);
	if (str_equal(type, "m.room.member") &&
	    str_equal(json_str(content, "membership"), "invite"))
		json_set(json_obj(ev->json, "unsigned"), "invite_room_state",
		    hs_stripped(r));
	if (state_key != NULL)
		set_state(r, hs, ev);
	keep(hs, r, ev);
	if (concerns_service(hs, r, ev))
		hs_push(hs, ev);
	hs_sync_wake(hs);
	return ev;
}

void
hs_member(struct hs_room *r, struct homeserver *hs, const char *sender,
    const char *user, const char *membership, const struct json *body)
{
	const struct hs_user *u = map_find(hs->users, user);
	struct json *content = json_object();
	const char *name = json_str(body, "displayname");

	json_set_str(content, "membership", membership);
	if (name == NULL && u != NULL && is_in(membership))
		name = json_str(u->profile, "displayname");
	json_set_str(content, "displayname", name);
	json_set_str(content, "reason", json_str(body, "reason"));
	if (json_bool(body, "is_direct", false))
		json_set_bool(content, "is_direct", true);
	hs_emit(r, hs, sender, "m.room.member", user, content);
}

/* --- finding and emptying ------------------------------------------------ */

struct hs_event *
hs_event_find(struct homeserver *hs, const struct hs_room *r,
    const char *event_id)
{
	(void)hs;
	for (size_t i = r->n; i-- > 0;)
		if (str_equal(json_str(r->events[i]->json, "event_id"),
		    event_id))
			return r->events[i];
	return NULL;
}

/* What a redaction leaves of an event's content (room version 11). */
static const struct {
	const char	*type;
	const char	*keep[10];	/* "*": all */
} kept[] = {
	{ "m.room.create", { "*" } },
	{ "m.room.member", { "membership", "join_authorised_via_users_server" } },
	{ "m.room.join_rules", { "join_rule", "allow" } },
	{ "m.room.history_visibility", { "history_visibility" } },
	{ "m.room.power_levels", { "ban", "events", "events_default", "invite",
	    "kick", "redact", "state_default", "users", "users_default" } },
	{ "m.room.redaction", { "redacts" } },
};

static struct json *
pruned(const char *type, const struct json *content)
{
	struct json *left = json_object();

	for (size_t i = 0; i < NELEM(kept); i++) {
		if (!str_equal(kept[i].type, type))
			continue;
		for (size_t k = 0; k < NELEM(kept[i].keep) &&
		    kept[i].keep[k] != NULL; k++) {
			if (str_equal(kept[i].keep[k], "*")) {
				json_free(left);
				return json_copy(content);
			}
			if (json_get(content, kept[i].keep[k]) != NULL)
				json_set(left, kept[i].keep[k], json_copy(
				    json_get(content, kept[i].keep[k])));
		}
	}
	return left;
}

void
hs_prune(struct hs_event *ev, const struct hs_event *because)
{
	struct json *more = json_object();

	json_set(ev->json, "content", pruned(json_str(ev->json, "type"),
	    json_get(ev->json, "content")));
	json_set(more, "redacted_because", json_copy(because->json));
	json_set(ev->json, "unsigned", more);
}
