/*
 * invite, join-me: people who left a room by themselves are asked again, because
 * they say so or an admin does.
 */
#include "chat-int.h"

#include <stdlib.h>
#include <string.h>

#include "hiclaw/matrix.h"

#include "cmd.h"
#include "watch.h"

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

/* --- join-me ------------------------------------------------------------------ */

/* The rooms of one agent, or of a team with all in it. */
struct joining {
	struct request	*q;
	const char	*agent;		/* "worker/wim", or NULL: all of them */
	struct strv	 again;		/* rooms to be asked to again */
	struct text	 text;
	size_t		 n;
};

static void
put_room(struct joining *j, const struct object_view *v,
    const struct json *observed)
{
	const char *who = j->q->sender;
	const char *is = json_str(json_get(observed, "members"), who);
	char *title = object_title(v->key);

	j->n++;
	if (json_bool(json_get(observed, "left"), who, false))
		strv_add(&j->again, v->key);
	else
		text_printf(&j->text, "- %s: %s\n", title,
		    str_equal(is, "join") ? "you are in it" :
		    str_equal(is, "invite") ? "the invitation waits for you" :
		    "the invitation is on its way");
	free(title);
}

static void
look_for_me(void *arg, const struct object_view *v)
{
	struct joining *j = arg;
	struct json *observed, *desired;
	struct err err;

	if (!str_starts(v->key, "room:") || v->observed == NULL ||
	    v->desired == NULL || (j->agent != NULL &&
	    strcmp(v->key + strlen("room:"), j->agent) != 0) ||
	    strstr(v->desired, j->q->sender) == NULL)
		return;
	observed = json_parse(v->observed, strlen(v->observed), &err);
	desired = json_parse(v->desired, strlen(v->desired), &err);
	if (json_get(json_get(desired, "members"), j->q->sender) != NULL)
		put_room(j, v, observed);
	json_free(observed);
	json_free(desired);
}

static void
join_again(struct joining *j)
{
	for (size_t i = 0; i < j->again.n; i++) {
		char *title = object_title(j->again.v[i]);

		text_printf(&j->text, "- %s: %s\n", title,
		    engine_edit(j->q->chat->engine, j->again.v[i], ask_again,
		    (void *)j->q->sender) ? "a new invitation is on its way" :
		    "busy just now, say it again");
		free(title);
	}
}

/* A member of a team has its room among those of the Team. */
static void
look_at_subject(struct joining *j, const char *subject)
{
	struct target t;
	const char *name = strchr(subject, '/') + 1;
	char *room = NULL, *owner;

	if (!str_starts(subject, "Worker/")) {
		engine_objects(j->q->chat->engine, subject, look_for_me, j);
		return;
	}
	target_find(engine_resources(j->q->chat->engine), NULL, name, &t);
	room = xasprintf("worker/%s", name);
	owner = t.team != NULL ? xasprintf("Team/%s", t.team->name) :
	    xstrdup(subject);
	j->agent = room;
	engine_objects(j->q->chat->engine, owner, look_for_me, j);
	free(room);
	free(owner);
}

void
cmd_join_me(struct request *q)
{
	struct joining j = { .q = q };
	char *subject = NULL;
	size_t at = 0;
	struct err err;

	if (q->words.v.n == 0 || subject_take(q, &at, &subject, &err) == -1) {
		say_usage(q, q->words.v.n == 0 ? "which agent or team?" :
		    err.msg);
		return;
	}
	look_at_subject(&j, subject);
	join_again(&j);
	if (j.n == 0)
		say_wrong(q, "You belong to no room of %s. Who may be where is "
		    "declared: accessibleTeams and accessibleWorkers of your "
		    "Human, or an admin of the Team.", subject);
	else
		say(q, REPLY_DONE, &j.text);
	strv_release(&j.again);
	text_release(&j.text);
	free(subject);
}
