/*
 * Who may do what in a room: membership and power levels, as the authorisation
 * rules of room versions 11 and 12 have them.  What federation, restricted
 * joins and third-party invites add is left out: there is nobody else.  Pure.
 */
#include "homeserver-int.h"

#include <stdlib.h>
#include <string.h>

bool
rule_has_creators(const char *version)
{
	return version != NULL && strtol(version, NULL, 10) >= 12;
}

static bool
is_creator(const struct hs_room *r, const char *user)
{
	const struct json *more, *u;

	if (str_equal(r->creator, user))
		return true;
	more = json_get(hs_state_content(r, "m.room.create", ""),
	    "additional_creators");
	for (u = json_first(more); u != NULL; u = json_next(u))
		if (str_equal(json_value_str(u), user))
			return true;
	return false;
}

static const struct json *
levels_of(const struct hs_room *r)
{
	return hs_state_content(r, "m.room.power_levels", "");
}

int64_t
rule_power(const struct hs_room *r, const char *user)
{
	const struct json *levels = levels_of(r);

	if (rule_has_creators(r->version) && is_creator(r, user))
		return INT64_MAX;
	if (levels == NULL)
		return is_creator(r, user) ? 100 : 0;
	return json_int(json_get(levels, "users"), user,
	    json_int(levels, "users_default", 0));
}

static int64_t
level(const struct hs_room *r, const char *what, int64_t absent)
{
	return json_int(levels_of(r), what, absent);
}

static int64_t
level_to_send(const struct hs_room *r, const char *type, bool is_state)
{
	const struct json *levels = levels_of(r);
	int64_t dflt;

	if (levels == NULL)
		return 0;
	dflt = is_state ? level(r, "state_default", 50) :
	    level(r, "events_default", 0);
	return json_int(json_get(levels, "events"), type, dflt);
}

/* --- power levels -------------------------------------------------------- */

static const char *const numbers[] = { "users_default", "events_default",
	"state_default", "ban", "redact", "kick", "invite", NULL };

/* One level from old to new (NULL: not set), by somebody at own. */
static const char *
change_of(const struct json *was, const struct json *is, int64_t own,
    bool is_other)
{
	int64_t a = json_value_int(was, 0), b = json_value_int(is, 0);

	if (was != NULL && is != NULL && a == b)
		return NULL;
	if (is != NULL && !json_is(is, JSON_NUMBER))
		return "a power level must be a whole number";
	if (was != NULL && (is_other ? a >= own : a > own))
		return "you cannot change a level that is not below yours";
	if (is != NULL && b > own)
		return "you cannot give a level above yours";
	return NULL;
}

static const char *
change_of_map(const struct json *was, const struct json *is, int64_t own,
    const char *self)
{
	const struct json *v;
	const char *why = NULL;

	for (v = json_first(is); why == NULL && v != NULL; v = json_next(v))
		why = change_of(json_get(was, json_key(v)), v, own,
		    self != NULL && !str_equal(json_key(v), self));
	for (v = json_first(was); why == NULL && v != NULL; v = json_next(v))
		if (json_get(is, json_key(v)) == NULL)
			why = change_of(v, NULL, own,
			    self != NULL && !str_equal(json_key(v), self));
	return why;
}

static const char *
rule_levels(const struct hs_room *r, const char *sender,
    const struct json *content)
{
	const struct json *was = levels_of(r), *u;
	int64_t own = rule_power(r, sender);
	const char *why = NULL;

	for (u = json_first(json_get(content, "users")); u != NULL;
	    u = json_next(u))
		if (rule_has_creators(r->version) &&
		    is_creator(r, json_key(u)))
			return "creators of the room must not be listed";
	if (was == NULL)
		return NULL;
	for (size_t i = 0; why == NULL && numbers[i] != NULL; i++)
		why = change_of(json_get(was, numbers[i]),
		    json_get(content, numbers[i]), own, false);
	if (why == NULL)
		why = change_of_map(json_get(was, "events"),
		    json_get(content, "events"), own, NULL);
	if (why == NULL)
		why = change_of_map(json_get(was, "notifications"),
		    json_get(content, "notifications"), own, NULL);
	if (why == NULL)
		why = change_of_map(json_get(was, "users"),
		    json_get(content, "users"), own, sender);
	return why;
}

/* --- everything else ----------------------------------------------------- */

const char *
rule_send(const struct hs_room *r, const char *sender, const char *type,
    const char *state_key, const struct json *content)
{
	if (!str_equal(hs_membership(r, sender), "join"))
		return "you are not in the room";
	if (str_equal(type, "m.room.create"))
		return "a room is made once";
	if (rule_power(r, sender) < level_to_send(r, type, state_key != NULL))
		return "your power level is too low to send that";
	if (state_key != NULL && state_key[0] == '@' &&
	    !str_equal(state_key, sender))
		return "that state is somebody else's";
	if (str_equal(type, "m.room.power_levels"))
		return rule_levels(r, sender, content);
	return NULL;
}

static const char *
rule_leave(const struct hs_room *r, const char *sender, const char *target,
    const char *now)
{
	if (str_equal(sender, target))
		return str_equal(now, "join") || str_equal(now, "invite") ||
		    str_equal(now, "knock") ? NULL : "you are not in the room";
	if (!str_equal(hs_membership(r, sender), "join"))
		return "you are not in the room";
	if (str_equal(now, "ban") &&
	    rule_power(r, sender) < level(r, "ban", 50))
		return "your power level is too low to lift a ban";
	if (rule_power(r, sender) < level(r, "kick", 50))
		return "your power level is too low to put people out";
	if (rule_power(r, target) >= rule_power(r, sender))
		return "their power level is not below yours";
	return NULL;
}

static const char *
rule_ban(const struct hs_room *r, const char *sender, const char *target)
{
	if (!str_equal(hs_membership(r, sender), "join"))
		return "you are not in the room";
	if (rule_power(r, sender) < level(r, "ban", 50))
		return "your power level is too low to ban";
	if (rule_power(r, target) >= rule_power(r, sender))
		return "their power level is not below yours";
	return NULL;
}

static const char *
rule_invite(const struct hs_room *r, const char *sender, const char *now)
{
	if (!str_equal(hs_membership(r, sender), "join"))
		return "you are not in the room";
	if (str_equal(now, "join"))
		return "is already in the room";
	if (str_equal(now, "ban"))
		return "is banned from the room";
	if (rule_power(r, sender) < level(r, "invite", 0))
		return "your power level is too low to invite";
	return NULL;
}

static const char *
rule_join(const struct hs_room *r, const char *sender, const char *target,
    const char *now)
{
	const char *join = json_strd(hs_state_content(r, "m.room.join_rules",
	    ""), "join_rule", "invite");

	if (!str_equal(sender, target))
		return "nobody joins for somebody else";
	if (str_equal(now, "ban"))
		return "you are banned from this room";
	if (str_equal(now, "join") || str_equal(now, "invite") ||
	    str_equal(join, "public"))
		return NULL;
	return "you are not invited to this room";
}

const char *
rule_member(const struct hs_room *r, const char *sender, const char *target,
    const char *membership)
{
	const char *now = hs_membership(r, target);

	if (str_equal(membership, "join"))
		return rule_join(r, sender, target, now);
	if (str_equal(membership, "invite"))
		return rule_invite(r, sender, now);
	if (str_equal(membership, "leave"))
		return rule_leave(r, sender, target, now);
	if (str_equal(membership, "ban"))
		return rule_ban(r, sender, target);
	return "there is no such membership here";
}

const char *
rule_redact(const struct hs_room *r, const char *sender,
    const struct hs_event *ev)
{
	const char *why = rule_send(r, sender, "m.room.redaction", NULL, NULL);

	if (why != NULL)
		return why;
	if (str_equal(json_str(ev->json, "sender"), sender))
		return NULL;
	return rule_power(r, sender) < level(r, "redact", 50) ?
	    "your power level is too low to redact what others said" : NULL;
}
