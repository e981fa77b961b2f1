/*
 * invite: people who left a room by themselves are asked again, because they
 * say so or an admin does.
 */
#include "chat-int.h"

#include <stdlib.h>
#include <string.h>

#include "hiclaw/matrix.h"

#include "cmd.h"

#define ROOMS_MAX	200	/* invitations from one command */

struct rooms {
	const char	*user, *only;	/* only: "team/x", alias, id, or NULL */
	struct strv	 keys;
	bool		 found;		/* a room of that name, at all */
};

static bool
is_meant(const struct object_view *v, const struct json *observed,
    const char *only)
{
	const char *name = v->key + strlen("room:");

	return only == NULL || strcmp(only, name) == 0 ||
	    strcmp(only, v->key) == 0 ||
	    str_equal(json_str(observed, "room_id"), only) ||
	    str_equal(json_str(observed, "alias"), only) ||
	    str_equal(json_str(observed, "name"), only);
}

/* Rooms that the person belongs to and has left. */
static void
look(void *arg, const struct object_view *v)
{
	struct rooms *r = arg;
	struct json *observed, *desired;
	struct err err;

	if (!str_starts(v->key, "room:") || v->observed == NULL ||
	    v->desired == NULL)
		return;
	/* Parsing thousands of rooms for one person is not worth it. */
	if (r->only == NULL && strstr(v->desired, r->user) == NULL)
		return;
	observed = json_parse(v->observed, strlen(v->observed), &err);
	desired = json_parse(v->desired, strlen(v->desired), &err);
	if (is_meant(v, observed, r->only)) {
		r->found = true;
		if (json_get(json_get(desired, "members"), r->user) != NULL &&
		    json_bool(json_get(observed, "left"), r->user, false) &&
		    r->keys.n < ROOMS_MAX)
			strv_add(&r->keys, v->key);
	}
	json_free(observed);
	json_free(desired);
}

static bool
ask_again(struct json *observed, void *user)
{
	return room_reinvite(observed, user);
}

static void
invite(struct request *q, const char *user, const char *only)
{
	struct rooms r = { .user = user, .only = only };
	struct text t = { 0 };
	size_t done = 0;

	engine_objects(q->chat->engine, NULL, look, &r);
	if (only != NULL && !r.found) {
		say_wrong(q, "I keep no room %.80s; `describe` lists them.",
		    only);
		goto out;
	}
	for (size_t i = 0; i < r.keys.n; i++) {
		char *title = object_title(r.keys.v[i]);

		if (engine_edit(q->chat->engine, r.keys.v[i], ask_again,
		    (void *)user)) {
			text_printf(&t, "- %s\n", title);
			done++;
		} else
			text_printf(&t, "- %s: busy just now, say it again\n",
			    title);
		free(title);
	}
	if (r.keys.n == 0 && str_equal(user, q->sender))
		text_printf(&t, "You have not left %s.", only != NULL ?
		    "that room" : "any of your rooms");
	else if (r.keys.n == 0)
		text_printf(&t, "%s has not left %s.", user, only != NULL ?
		    "that room" : "any of their rooms");
	else if (done > 0)
		text_printf(&t, "\nNew invitations for %s are on their way.",
		    user);
	say(q, REPLY_INFO, &t);
out:
	strv_release(&r.keys);
	text_release(&t);
}

void
cmd_invite(struct request *q)
{
	const struct strv *v = &q->words.v;
	const char *user = q->sender, *only;
	size_t at = 0;
	char *room;

	if (v->n > 0 && strcmp(v->v[0], "me") == 0) {
		at = 1;
	} else if (v->n > 0 && v->v[0][0] == '@') {
		if (!mxid_valid(v->v[0])) {
			say_usage(q, "That is no full Matrix ID.");
			return;
		}
		user = v->v[0];
		at = 1;
	}
	if (v->n > at + 2) {
		say_usage(q, "One person and one room at a time.");
		return;
	}
	/* "team frontend" and "team/frontend" are the same room. */
	room = v->n == at + 2 ? xasprintf("%s/%s", v->v[at], v->v[at + 1]) :
	    NULL;
	only = room != NULL ? room : v->n > at ? v->v[at] : NULL;
	invite(q, user, only);
	free(room);
}
