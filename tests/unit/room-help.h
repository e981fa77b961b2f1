/* A room that is as it should be, for tests that have one changed. */
#ifndef ROOM_HELP_H
#define ROOM_HELP_H

#include <stdlib.h>
#include <string.h>

#include "hiclaw/matrix.h"

/* The observed form of a room of which room_diff says nothing; desired is
 * resolved, bot "@hiclaw:d". */
static inline struct json *
room_settled(const char *key, const struct json *desired, const char *bot)
{
	static const char *const same[] = { "version", "name", "topic",
	    "avatar", "join_rule", "history", "parent", "direct" };
	struct json *o = json_object(), *members;
	const struct json *m;

	json_set_strf(o, "room_id", "!%s", key);
	json_set_str(o, "creator", bot);
	json_set_str(o, "marker", key);
	json_set_str(o, "guest", "forbidden");
	for (size_t i = 0; i < NELEM(same); i++)
		json_set_str(o, same[i], json_str(desired, same[i]));
	if (json_str(desired, "alias") != NULL)
		json_set_strf(o, "alias", "#%s%s", json_str(desired, "alias"),
		    strchr(bot, ':'));
	json_set(o, "power", room_power(desired, bot));
	members = json_obj(o, "members");
	json_set_str(members, bot, "join");
	m = json_first(json_get(desired, "members"));
	for (; m != NULL; m = json_next(m))
		json_set_str(members, json_key(m), "join");
	return o;
}

#endif
