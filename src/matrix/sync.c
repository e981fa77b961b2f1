/*
 * Catching up: one /sync as the bot reads the state of every room, or what is
 * new since the last one, in a single call whatever the number of rooms.  The
 * walkers below take its answer apart; they are pure and trust nothing in it.
 */
#include "hiclaw/matrix.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hiclaw/secure.h"
#include "matrix-int.h"

#define V3		"/_matrix/client/v3"
#define TIMELINE_MAX	50

/* State that room_absorb and the chat understand. */
static const char *const state_types[] = {
	"m.room.create", "m.room.member", "m.room.power_levels", "m.room.name",
	"m.room.topic", "m.room.avatar", "m.room.canonical_alias",
	"m.room.join_rules", "m.room.history_visibility",
	"m.room.guest_access", "m.room.tombstone", "m.room.encryption",
	"m.space.child", MARKER_TYPE, CONTROLLER_TYPE, NULL
};
static const char *const message_types[] = {
	"m.room.message", "m.reaction", "m.room.redaction", "m.room.encrypted",
	NULL
};

static void
push_all(struct json *list, const char *const *words)
{
	for (; *words != NULL; words++)
		json_push_str(list, *words);
}

static struct json *
nothing(void)
{
	struct json *none = json_object();

	json_push_str(json_set(none, "not_types", json_array()), "*");
	return none;
}

/*
 * Yours.  Later syncs leave out what the bot itself did: the results of its
 * calls said so already, and a room it made would come with its whole state.
 */
static char *
filter_text(const char *bot, bool is_first)
{
	struct json *f = json_object(), *room, *types, *part;
	char *text;

	json_set(f, "presence", nothing());
	json_set(f, "account_data", nothing());
	room = json_obj(f, "room");
	json_set(room, "account_data", nothing());
	part = json_obj(room, "ephemeral");
	json_push_str(json_set(part, "types", json_array()), "m.receipt");
	part = json_obj(room, "state");
	json_set_bool(part, "lazy_load_members", false);
	push_all(json_set(part, "types", json_array()), state_types);
	part = json_obj(room, "timeline");
	json_set_int(part, "limit", is_first ? 0 : TIMELINE_MAX);
	types = json_set(part, "types", json_array());
	push_all(types, state_types);
	push_all(types, message_types);
	if (!is_first) {
		json_push_str(json_set(part, "not_senders", json_array()), bot);
		json_push_str(json_set(json_get(room, "state"), "not_senders",
		    json_array()), bot);
	}
	text = json_canonical(f);
	json_free(f);
	return text;
}

int
mx_sync(const struct mx *mx, const char *since, struct json **answer,
    struct err *e)
{
	/*
	 * Synapse answers a first sync with the same parameters from a cache
	 * of two minutes, also after our restart, so a read for repair would
	 * see the past.  Another timeout makes another request of it, and a
	 * first sync never waits.
	 */
	struct mx_answer a = {0};
	char *filter = filter_text(mx->bot, since == NULL), *path;
	char wait[16];
	int rv;

	snprintf(wait, sizeof(wait), "%d", 1 + (int)(rand_unit() * 30000));
	if (since == NULL)
		path = mx_path(V3 "/sync?set_presence=offline&filter=%s"
		    "&timeout=%s", filter, wait);
	else
		path = mx_path(V3 "/sync?set_presence=offline&filter=%s"
		    "&timeout=0&since=%s", filter, since);
	rv = mx_call(mx, "GET", path, NULL, NULL, &a, e);
	if (rv == 0) {
		*answer = a.body;
		a.body = NULL;
	}
	mx_answer_release(&a);
	free(path);
	free(filter);
	return rv;
}

int
mx_messages(const struct mx *mx, const char *room, const char *from,
    int limit, struct json **answer, struct err *e)
{
	struct mx_answer a = {0};
	char n[16], *path;
	int rv;

	snprintf(n, sizeof(n), "%d", limit);
	if (from != NULL)
		path = mx_path(V3 "/rooms/%s/messages?dir=b&from=%s&limit=%s",
		    room, from, n);
	else
		path = mx_path(V3 "/rooms/%s/messages?dir=b&limit=%s", room, n);
	rv = mx_call(mx, "GET", path, NULL, NULL, &a, e);
	if (rv == 0) {
		*answer = a.body;
		a.body = NULL;
	}
	mx_answer_release(&a);
	free(path);
	return rv;
}

/* --- taking answers apart ----------------------------------------------- */

static void
each_event(const struct json *events, const char *room,
    void (*cb)(void *, struct json *event), void *arg)
{
	const struct json *ev;
	struct json *copy;

	if (!json_is(events, JSON_ARRAY))
		return;
	for (ev = json_first(events); ev != NULL; ev = json_next(ev)) {
		if (!json_is(ev, JSON_OBJECT) || json_str(ev, "type") == NULL ||
		    json_str(ev, "sender") == NULL)
			continue;
		copy = json_copy(ev);
		json_set_str(copy, "room_id", room);
		cb(arg, copy);
		json_free(copy);
	}
}

/*
 * The invitation among the stripped state, with all of that put into it.  Many
 * servers strip its id, too; then only the push tells of it, since what has no
 * id cannot be handled just once.
 */
static void
invite_event(const struct json *state, const char *room,
    void (*cb)(void *, struct json *event), void *arg)
{
	const struct json *ev;
	struct json *copy;

	if (!json_is(state, JSON_ARRAY))
		return;
	for (ev = json_first(state); ev != NULL; ev = json_next(ev)) {
		if (!str_equal(json_str(ev, "type"), "m.room.member") ||
		    !str_equal(json_str(json_get(ev, "content"), "membership"),
		    "invite") || json_str(ev, "sender") == NULL ||
		    json_str(ev, "event_id") == NULL)
			continue;
		copy = json_copy(ev);
		json_set_str(copy, "room_id", room);
		json_set(copy, "invite_room_state", json_copy(state));
		cb(arg, copy);
		json_free(copy);
		return;
	}
}

static bool
room_id_sane(const char *room)
{
	return room != NULL && room[0] == '!' && strlen(room) <= MX_ID_MAX;
}

void
sync_events(const struct json *answer,
    void (*cb)(void *, struct json *event), void *arg)
{
	static const char *const lists[] = { "rooms.join", "rooms.leave" };
	const struct json *r;
	size_t i;

	for (i = 0; i < NELEM(lists); i++) {
		for (r = json_first(json_path(answer, lists[i])); r != NULL;
		    r = json_next(r)) {
			if (!room_id_sane(json_key(r)))
				continue;
			each_event(json_path(r, "state.events"), json_key(r),
			    cb, arg);
			each_event(json_path(r, "timeline.events"),
			    json_key(r), cb, arg);
		}
	}
	for (r = json_first(json_path(answer, "rooms.invite")); r != NULL;
	    r = json_next(r)) {
		if (room_id_sane(json_key(r)))
			invite_event(json_path(r, "invite_state.events"),
			    json_key(r), cb, arg);
	}
}

void
sync_gaps(const struct json *answer,
    void (*cb)(void *, const char *room, const char *prev_batch), void *arg)
{
	const struct json *r, *timeline;
	const char *prev;

	for (r = json_first(json_path(answer, "rooms.join")); r != NULL;
	    r = json_next(r)) {
		timeline = json_get(r, "timeline");
		prev = json_str(timeline, "prev_batch");
		if (room_id_sane(json_key(r)) && prev != NULL &&
		    json_bool(timeline, "limited", false))
			cb(arg, json_key(r), prev);
	}
}

void
sync_devices(const struct json *answer,
    void (*cb)(void *, const char *user), void *arg)
{
	const struct json *list = json_path(answer, "device_lists.changed"), *v;

	if (!json_is(list, JSON_ARRAY))
		return;
	for (v = json_first(list); v != NULL; v = json_next(v))
		if (mxid_valid(json_value_str(v)))
			cb(arg, json_value_str(v));
}

/* {"$event": {"m.read": {"@user:d": {"ts": ...}}}} */
static void
each_receipt(const struct json *content, const char *room,
    void (*cb)(void *, const char *room, const char *event, const char *user),
    void *arg)
{
	const struct json *ev, *u;

	for (ev = json_first(content); ev != NULL; ev = json_next(ev)) {
		if (json_key(ev) == NULL || strlen(json_key(ev)) > MX_ID_MAX)
			continue;
		for (u = json_first(json_get(ev, "m.read")); u != NULL;
		    u = json_next(u)) {
			if (mxid_valid(json_key(u)))
				cb(arg, room, json_key(ev), json_key(u));
		}
	}
}

void
sync_receipts(const struct json *answer,
    void (*cb)(void *, const char *room, const char *event, const char *user),
    void *arg)
{
	const struct json *r, *list, *ev;

	for (r = json_first(json_path(answer, "rooms.join")); r != NULL;
	    r = json_next(r)) {
		list = json_path(r, "ephemeral.events");
		if (!room_id_sane(json_key(r)) || !json_is(list, JSON_ARRAY))
			continue;
		for (ev = json_first(list); ev != NULL; ev = json_next(ev)) {
			if (str_equal(json_str(ev, "type"), "m.receipt"))
				each_receipt(json_get(ev, "content"),
				    json_key(r), cb, arg);
		}
	}
}
