/*
 * The room as an object: what it should be, what it was seen to be, and the
 * difference.  Pure; the forms are described in hiclaw/matrix.h.
 *
 * Events may come late, twice, and with anything in them.  room_absorb takes
 * the facts that it understands and stays silent about the rest; people who are
 * out are not kept in `members`, only in `left` when it was their own will, so
 * the observed form does not grow with the history of a room.
 */
#include "hiclaw/matrix.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "matrix-int.h"

#define GUESTS	"forbidden"

/*
 * State events of one text, in the order of their repair.  An absent desired
 * value means "not ours to say", except for the topic, which is then empty.
 */
static const struct text_state {
	const char	*what;		/* for people, and for the repair */
	const char	*type, *field;	/* event and member of its content */
	const char	*key;		/* in both forms of the object */
	const char	*fixed;		/* desired, whatever the form says */
} texts[] = {
	{ "join rule", "m.room.join_rules", "join_rule", "join_rule", NULL },
	{ "history", "m.room.history_visibility", "history_visibility",
	    "history", NULL },
	{ "guest access", "m.room.guest_access", "guest_access", "guest",
	    GUESTS },
	{ "name", "m.room.name", "name", "name", NULL },
	{ "topic", "m.room.topic", "topic", "topic", NULL },
	{ "avatar", "m.room.avatar", "url", "avatar", NULL },
};

static bool
is_member(const char *membership)
{
	return str_equal(membership, "join") || str_equal(membership, "invite");
}

const char *
room_handle(const struct json *observed)
{
	return json_str(observed, "room_id");
}

/* --- difference --------------------------------------------------------- */

static void
text_diff(const struct text_state *t, const struct json *desired,
    const struct json *observed, struct changes *out)
{
	const char *want, *have = json_str(observed, t->key);

	want = t->fixed != NULL ? t->fixed : json_str(desired, t->key);
	if (want == NULL && str_equal(t->key, "topic") &&
	    json_get(desired, "topic") == NULL)
		want = "";
	if (want == NULL)
		return;
	if (strcmp(want, have == NULL ? "" : have) != 0)
		changes_add(out, RISK_UPDATE, t->what, have, want);
}

static void
alias_diff(const struct json *desired, const struct json *observed,
    struct changes *out)
{
	const char *local = json_str(desired, "alias");
	const char *domain = mxid_domain(json_str(observed, "creator"));
	const char *have = json_str(observed, "alias");
	char *want;

	if (local == NULL || domain == NULL)
		return;
	want = xasprintf("#%s:%s", local, domain);
	if (!str_equal(want, have))
		changes_add(out, RISK_UPDATE, "alias", have, want);
	free(want);
}

/* Absent: in no space.  Null: not known yet. */
static void
parent_diff(const struct json *desired, const struct json *observed,
    struct changes *out)
{
	const struct json *parent = json_get(desired, "parent");
	const char *want = json_value_str(parent);
	const char *have = json_str(observed, "parent");

	if (parent != NULL && want == NULL)
		return;
	if (!str_equal(want, have))
		changes_add(out, RISK_UPDATE, "space", have, want);
}

static void
member_diff(const char *user, const struct json *role,
    const struct json *observed, struct changes *out)
{
	const char *have = json_str(json_get(observed, "members"), user);
	bool is_agent = str_equal(json_value_str(role), "agent");
	char what[MX_ID_MAX + 16];

	if (json_is(role, JSON_NULL) || str_equal(have, "join"))
		return;
	if (!is_agent && (str_equal(have, "invite") ||
	    json_bool(json_get(observed, "left"), user, false)))
		return;
	snprintf(what, sizeof(what), "member %s", user);
	changes_add(out, RISK_UPDATE, what, have, is_agent ? "join" : "invite");
}

static void
members_diff(const struct json *desired, const struct json *observed,
    struct changes *out)
{
	const struct json *want = json_get(desired, "members");
	const struct json *have = json_get(observed, "members"), *m;
	const char *bot = json_str(observed, "creator");
	char what[MX_ID_MAX + 16];

	if (bot != NULL && !str_equal(json_str(have, bot), "join")) {
		snprintf(what, sizeof(what), "member %s", bot);
		changes_add(out, RISK_UPDATE, what, json_str(have, bot), "join");
	}
	for (m = json_first(want); m != NULL; m = json_next(m)) {
		if (!str_equal(json_key(m), bot))
			member_diff(json_key(m), m, observed, out);
	}
	for (m = json_first(have); m != NULL; m = json_next(m)) {
		if (!is_member(json_value_str(m)) ||
		    str_equal(json_key(m), bot) ||
		    json_get(want, json_key(m)) != NULL)
			continue;
		snprintf(what, sizeof(what), "member %s", json_key(m));
		changes_add(out, RISK_UPDATE, what, json_value_str(m), NULL);
	}
}

void
room_diff(const struct json *desired, const struct json *observed,
    struct changes *out)
{
	const char *direct = json_str(desired, "direct");
	struct json *power;
	size_t i;

	if (room_handle(observed) == NULL) {
		changes_add(out, RISK_CREATE, "room", NULL,
		    json_strd(desired, "name", "made"));
		return;
	}
	/* The version of a room is settled when it is made. */
	power = power_make(desired, json_str(observed, "version"),
	    json_str(observed, "creator"));
	power_diff(power, json_get(observed, "power"), out);
	json_free(power);
	if (json_str(observed, "marker") == NULL ||
	    json_bool(observed, "tampered", false))
		changes_add(out, RISK_UPDATE, "marker", NULL, "set");
	for (i = 0; i < NELEM(texts); i++)
		text_diff(&texts[i], desired, observed, out);
	alias_diff(desired, observed, out);
	members_diff(desired, observed, out);
	parent_diff(desired, observed, out);
	if (direct != NULL && !str_equal(direct, json_str(observed, "direct")))
		changes_add(out, RISK_UPDATE, "direct chat",
		    json_str(observed, "direct"), direct);
}

/* --- events ------------------------------------------------------------- */

/* Set or, for NULL and "", remove; true if that changed anything. */
static bool
set_text(struct json *obj, const char *key, const char *value)
{
	const char *old = json_str(obj, key);

	if (value != NULL && value[0] == '\0')
		value = NULL;
	if (str_equal(old, value))
		return false;
	if (value == NULL)
		json_remove(obj, key);
	else
		json_set_str(obj, key, value);
	return true;
}

static bool
absorb_member(struct json *observed, const char *user, const char *membership,
    const char *sender)
{
	struct json *members, *left;
	bool is_out, by_self, changed;

	if (!mxid_valid(user) || user[0] != '@' || membership == NULL)
		return false;
	is_out = str_equal(membership, "leave");
	if (!is_out && !is_member(membership) &&
	    !str_equal(membership, "ban") && !str_equal(membership, "knock"))
		return false;
	members = json_obj(observed, "members");
	left = json_obj(observed, "left");
	by_self = is_out && str_equal(sender, user);
	changed = set_text(members, user, is_out ? NULL : membership);
	if (by_self != json_bool(left, user, false)) {
		if (by_self)
			json_set_bool(left, user, true);
		else
			json_remove(left, user);
		changed = true;
	}
	return changed;
}

/*
 * The marker never changes, so one with another key is somebody's meddling; the
 * right key stays known, and the marker is written again.
 */
static bool
absorb_marker(struct json *observed, const char *instance, const char *key)
{
	const char *have = json_str(observed, "marker");
	bool is_foul;

	if (!str_equal(instance, json_str(observed, "instance")))
		return false;
	if (have == NULL)
		return set_text(observed, "marker", key);
	is_foul = !str_equal(have, key);
	if (is_foul == json_bool(observed, "tampered", false))
		return false;
	if (is_foul)
		json_set_bool(observed, "tampered", true);
	else
		json_remove(observed, "tampered");
	return true;
}

/* Event of the space above us. */
static bool
absorb_child(struct json *observed, const struct json *event)
{
	const struct json *via;
	const char *space = json_str(event, "room_id");
	const char *have = json_str(observed, "parent");
	bool is_child;

	if (space == NULL || room_handle(observed) == NULL ||
	    !str_equal(json_str(event, "state_key"), room_handle(observed)))
		return false;
	via = json_get(json_get(event, "content"), "via");
	is_child = json_is(via, JSON_ARRAY) && json_size(via) > 0;
	if (!is_child)
		return str_equal(have, space) &&
		    set_text(observed, "parent", NULL);
	/* People may keep our rooms in spaces of their own as well. */
	return have == NULL && set_text(observed, "parent", space);
}

static bool
absorb_create(struct json *observed, const struct json *event)
{
	const char *version = json_strd(json_get(event, "content"),
	    "room_version", "1");
	const char *sender = json_str(event, "sender");
	bool changed = false;

	if (json_str(observed, "version") == NULL)
		changed = set_text(observed, "version", version);
	if (json_str(observed, "creator") == NULL && mxid_valid(sender))
		changed |= set_text(observed, "creator", sender);
	return changed;
}

static bool
absorb_power(struct json *observed, const struct json *content)
{
	if (json_equal(json_get(observed, "power"), content))
		return false;
	json_set(observed, "power", json_copy(content));
	return true;
}

bool
room_absorb(struct json *observed, const struct json *event)
{
	const char *type = json_str(event, "type");
	const char *state_key = json_str(event, "state_key");
	const char *room = json_str(event, "room_id");
	const struct json *content = json_get(event, "content");
	size_t i;

	if (!json_is(observed, JSON_OBJECT) || type == NULL ||
	    state_key == NULL || !json_is(content, JSON_OBJECT))
		return false;
	if (str_equal(type, "m.space.child"))
		return absorb_child(observed, event);
	if (room != NULL && !str_equal(room, room_handle(observed)))
		return false;
	if (str_equal(type, "m.room.member"))
		return absorb_member(observed, state_key,
		    json_str(content, "membership"), json_str(event, "sender"));
	if (str_equal(type, MARKER_TYPE))
		return absorb_marker(observed, state_key,
		    json_str(content, "key"));
	if (state_key[0] != '\0')
		return false;
	if (str_equal(type, "m.room.power_levels"))
		return absorb_power(observed, content);
	if (str_equal(type, "m.room.create"))
		return absorb_create(observed, event);
	if (str_equal(type, "m.room.canonical_alias"))
		return set_text(observed, "alias", json_str(content, "alias"));
	for (i = 0; i < NELEM(texts); i++) {
		if (str_equal(type, texts[i].type))
			return set_text(observed, texts[i].key,
			    json_str(content, texts[i].field));
	}
	return false;
}

bool
room_reinvite(struct json *observed, const char *user)
{
	struct json *left = json_get(observed, "left");

	if (!json_bool(left, user, false))
		return false;
	json_remove(left, user);
	return true;
}

struct json *
room_from_state(const struct json *events, const char *instance)
{
	struct json *o = json_object();
	const struct json *ev;

	json_set_str(o, "instance", instance);
	json_set(o, "members", json_object());
	json_set(o, "left", json_object());
	for (ev = json_first(events); ev != NULL; ev = json_next(ev)) {
		/* A child of this room, if it is a space: not our concern. */
		if (str_equal(json_str(ev, "type"), "m.space.child"))
			continue;
		if (room_handle(o) == NULL)
			set_text(o, "room_id", json_str(ev, "room_id"));
		room_absorb(o, ev);
	}
	return o;
}

/* --- creation ----------------------------------------------------------- */

static void
add_state(struct json *list, const char *type, const char *state_key,
    struct json *content)
{
	struct json *ev = json_push(list, json_object());

	json_set_str(ev, "type", type);
	json_set_str(ev, "state_key", state_key);
	json_set(ev, "content", content);
}

static void
add_text_state(struct json *list, const char *type, const char *field,
    const char *value)
{
	struct json *content;

	if (value == NULL)
		return;
	content = json_object();
	json_set_str(content, field, value);
	add_state(list, type, "", content);
}

/*
 * The marker comes first: createRoom is not atomic, and a room that was left
 * half-built can be told to be ours from here on.
 */
static struct json *
initial_state(const struct json *desired, const char *bot, const char *key,
    const char *instance)
{
	struct json *list = json_array(), *content = json_object();
	const char *parent = json_str(desired, "parent");
	const char *rule = json_strd(desired, "join_rule", "invite");

	json_set_str(content, "key", key);
	add_state(list, MARKER_TYPE, instance, content);
	if (strcmp(rule, "invite") != 0)
		add_text_state(list, "m.room.join_rules", "join_rule", rule);
	add_text_state(list, "m.room.history_visibility", "history_visibility",
	    json_strd(desired, "history", "shared"));
	add_text_state(list, "m.room.guest_access", "guest_access", GUESTS);
	add_text_state(list, "m.room.avatar", "url",
	    json_str(desired, "avatar"));
	if (parent != NULL) {
		content = json_object();
		json_push_str(json_set(content, "via", json_array()),
		    mxid_domain(bot));
		json_set_bool(content, "canonical", true);
		add_state(list, "m.space.parent", parent, content);
	}
	return list;
}

/*
 * Only people of our own server: a remote one that cannot be reached fails the
 * whole call half-way.  They are invited afterwards.
 */
static struct json *
first_invites(const struct json *desired, const char *bot)
{
	struct json *list = json_array();
	const struct json *m;

	for (m = json_first(json_get(desired, "members")); m != NULL;
	    m = json_next(m)) {
		if (!json_is(m, JSON_NULL) && mxid_valid(json_key(m)) &&
		    json_key(m)[0] == '@' && !str_equal(json_key(m), bot) &&
		    str_equal(mxid_domain(json_key(m)), mxid_domain(bot)))
			json_push_str(list, json_key(m));
	}
	return list;
}

struct json *
room_create_body(const struct json *desired, const char *bot, const char *key,
    const char *instance)
{
	struct json *b = json_object(), *creation;
	const char *topic = json_str(desired, "topic");

	json_set_str(b, "preset", "private_chat");
	json_set_str(b, "room_version", json_strd(desired, "version", "12"));
	json_set_str(b, "name", json_str(desired, "name"));
	if (topic != NULL && topic[0] != '\0')
		json_set_str(b, "topic", topic);
	json_set_str(b, "room_alias_name", json_str(desired, "alias"));
	creation = json_obj(b, "creation_content");
	json_set_bool(creation, "m.federate",
	    json_bool(desired, "federate", false));
	if (json_bool(desired, "space", false))
		json_set_str(creation, "type", "m.space");
	json_set(b, "power_level_content_override", room_power(desired, bot));
	json_set(b, "initial_state", initial_state(desired, bot, key, instance));
	json_set(b, "invite", first_invites(desired, bot));
	if (json_str(desired, "direct") != NULL)
		json_set_bool(b, "is_direct", true);
	return b;
}
