/*
 * Power levels: who may do what in a room.  The constants are those of the
 * design; only the users differ from room to room.  Pure.
 *
 * In rooms of version 12 and later the creator, our bot, has infinite power and
 * must not be listed; in older ones it is listed at 150, so that it can put
 * down anybody at 100.
 */
#include "hiclaw/matrix.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "matrix-int.h"

#define BOT_POWER	150
#define POWER_MAX	100	/* of anybody else */

/* Top-level keys: what we set, and what their absence means to a server. */
static const struct power_key {
	const char	*key;
	int		 want, absent;
} keys[] = {
	{ "users_default", 0, 0 },
	{ "events_default", 0, 0 },	/* 75 in spaces */
	{ "state_default", 75, 50 },
	{ "invite", 75, 0 },
	{ "kick", 75, 50 },
	{ "ban", 75, 50 },
	{ "redact", 50, 50 },
};
#define ROOM_PING	50		/* notifications.room */
#define SPACE_EVENTS	75

static const char *const guarded[] = {	/* at 100 */
	"m.room.power_levels", "m.room.tombstone", "m.room.server_acl",
	"m.room.encryption", "m.room.history_visibility", NULL
};

bool
version_has_creators(const char *version)
{
	char *end;
	long n;

	if (version == NULL)
		return false;
	n = strtol(version, &end, 10);
	return end != version && *end == '\0' && n >= 12;
}

static void
add_users(struct json *users, const struct json *wanted, const char *bot)
{
	const struct json *u;
	int64_t level;

	for (u = json_first(wanted); u != NULL; u = json_next(u)) {
		level = json_value_int(u, 0);
		/*
		 * One malformed id or level makes the whole event invalid, and
		 * createRoom then leaves a half-built room behind.
		 */
		if (json_key(u)[0] != '@' || !mxid_valid(json_key(u)) ||
		    str_equal(json_key(u), bot))
			continue;
		if (level < 0)
			level = 0;
		json_set_int(users, json_key(u),
		    level > POWER_MAX ? POWER_MAX : level);
	}
}

struct json *
power_make(const struct json *desired, const char *version, const char *bot)
{
	struct json *p = json_object(), *users, *events;
	bool is_space = json_bool(desired, "space", false);
	size_t i;

	for (i = 0; i < NELEM(keys); i++)
		json_set_int(p, keys[i].key, keys[i].want);
	if (is_space)
		json_set_int(p, "events_default", SPACE_EVENTS);
	json_set_int(json_obj(p, "notifications"), "room", ROOM_PING);
	events = json_obj(p, "events");
	for (i = 0; guarded[i] != NULL; i++)
		json_set_int(events, guarded[i], 100);
	users = json_obj(p, "users");
	add_users(users, json_get(desired, "power"), bot);
	if (bot != NULL && !version_has_creators(version))
		json_set_int(users, bot, BOT_POWER);
	return p;
}

struct json *
room_power(const struct json *desired, const char *bot)
{
	return power_make(desired, json_strd(desired, "version", "12"), bot);
}

/* --- differences -------------------------------------------------------- */

/* A level as text for people; what is no number is shown as such. */
static const char *
level_text(const struct json *v, int64_t absent, char *dst, size_t dstsize)
{
	if (v == NULL && absent < 0)
		str_copy(dst, "not set", dstsize);
	else if (v == NULL)
		snprintf(dst, dstsize, "%lld", (long long)absent);
	else if (json_is(v, JSON_NUMBER))
		snprintf(dst, dstsize, "%lld",
		    (long long)json_value_int(v, absent));
	else
		str_copy(dst, "?", dstsize);
	return dst;
}

/*
 * One level against another; NULL: not set, and what that means.  More power
 * for a user is the risk that plans are measured by.
 */
static void
level_diff(const char *what, const struct json *want, const struct json *have,
    int64_t absent, bool is_user, struct changes *out)
{
	char from[24], to[24];
	enum risk risk = RISK_UPDATE;

	level_text(have, absent, from, sizeof(from));
	level_text(want, absent, to, sizeof(to));
	if (strcmp(from, to) == 0)
		return;
	if (is_user && json_value_int(want, absent) >
	    json_value_int(have, absent))
		risk = RISK_PERMISSION;
	changes_add(out, risk, what, from, to);
}

static void
map_diff(const char *what, const struct json *want, const struct json *have,
    int64_t absent, bool is_user, struct changes *out)
{
	const struct json *v;
	char name[MX_ID_MAX + 32];

	if (!json_is(have, JSON_OBJECT))
		have = NULL;
	for (v = json_first(want); v != NULL; v = json_next(v)) {
		snprintf(name, sizeof(name), "%s %s", what, json_key(v));
		level_diff(name, v, json_get(have, json_key(v)), absent,
		    is_user, out);
	}
	for (v = json_first(have); v != NULL; v = json_next(v)) {
		if (json_get(want, json_key(v)) != NULL)
			continue;
		snprintf(name, sizeof(name), "%s %s", what, json_key(v));
		level_diff(name, NULL, v, absent, is_user, out);
	}
}

void
power_diff(const struct json *want, const struct json *have,
    struct changes *out)
{
	const struct json *notify;
	char name[64];
	size_t i;

	if (!json_is(have, JSON_OBJECT))
		have = NULL;
	map_diff("power", json_get(want, "users"), json_get(have, "users"),
	    0, true, out);
	for (i = 0; i < NELEM(keys); i++) {
		snprintf(name, sizeof(name), "power to %s", keys[i].key);
		level_diff(name, json_get(want, keys[i].key),
		    json_get(have, keys[i].key), keys[i].absent, false, out);
	}
	notify = json_get(have, "notifications");
	level_diff("power to notify", json_path(want, "notifications.room"),
	    json_is(notify, JSON_OBJECT) ? json_get(notify, "room") : NULL, 50,
	    false, out);
	/*
	 * An absent entry falls back to state_default or events_default, so
	 * it never equals one that is set; -1 says so.
	 */
	map_diff("power to send", json_get(want, "events"),
	    json_get(have, "events"), -1, false, out);
}
