/*
 * What to do about what somebody changed outside, in reply to the notice of it:
 *
 *   adopt   declare it, as far as a resource can say it: a plan like any other
 *   ignore  what others do to that object stays for a while
 *   revert  it no longer does
 *
 * By the time of the notice the change was put right, so what it was is kept with
 * the notice: the newest of them as "chat.drift" in the store, [{"message",
 * "key", "topic" or absent, "in": [user...], "out": [user...]}...].
 */
#include "chat-int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hiclaw/clock.h"
#include "hiclaw/life.h"

#include "cmd.h"

#define NOTICES_KEY	"chat.drift"
#define NOTICES_KEPT	50
#define USERS_KEPT	20		/* of one notice */
#define IGNORE_MS	(2 * 3600000LL)	/* when nothing else is said */
#define IGNORE_MAX_MS	(30 * 86400000LL)

/* --- what it was --------------------------------------------------------------- */

static bool
is_inside(const struct json *members, const char *user)
{
	const char *is = json_str(members, user);

	return str_equal(is, "join") || str_equal(is, "invite");
}

static void
push_user(struct json *list, const char *user)
{
	if (json_size(list) < USERS_KEPT)
		json_push_str(list, user);
}

/* Who came in, and which people were put out; who left has left. */
static void
take_members(struct json *notice, const struct json *desired,
    const struct json *found, const char *bot)
{
	const struct json *want = json_get(desired, "members"), *m;
	const struct json *have = json_get(found, "members");
	struct json *in = json_set(notice, "in", json_array());
	struct json *out = json_set(notice, "out", json_array());

	for (m = json_first(have); m != NULL; m = json_next(m))
		if (is_inside(have, json_key(m)) &&
		    json_get(want, json_key(m)) == NULL &&
		    strcmp(json_key(m), bot) != 0)
			push_user(in, json_key(m));
	for (m = json_first(want); m != NULL; m = json_next(m))
		if (!str_equal(json_value_str(m), "agent") &&
		    !is_inside(have, json_key(m)) &&
		    !json_bool(json_get(found, "left"), json_key(m), false))
			push_user(out, json_key(m));
}

static void
take_topic(struct json *notice, const struct json *desired,
    const struct json *found)
{
	const char *topic = json_strd(found, "topic", "");

	if (json_str(desired, "topic") != NULL &&
	    strcmp(topic, json_str(desired, "topic")) != 0)
		json_set_str(notice, "topic", topic);
}

static struct json *
notices_load(struct chat *c)
{
	char *text = store_kv_get(c->store, NOTICES_KEY);
	struct json *kept = NULL;
	struct err err;

	if (text != NULL)
		kept = json_parse(text, strlen(text), &err);
	free(text);
	if (json_is(kept, JSON_ARRAY))
		return kept;
	json_free(kept);
	return json_array();
}

void
drift_noted(struct chat *c, int64_t message, const char *key,
    const char *form)
{
	struct json *kept = notices_load(c), *all = json_array();
	struct json *notice, *desired = NULL, *found = NULL;
	const struct json *v = json_first(kept);
	struct object_view o;
	struct err err;
	char *text;

	if (message == 0)		/* muted: nobody can reply */
		goto out;
	for (size_t n = json_size(kept); v != NULL; v = json_next(v))
		if (n-- < NOTICES_KEPT)
			json_push(all, json_copy(v));
	notice = json_push(all, json_object());
	json_set_int(notice, "message", message);
	json_set_str(notice, "key", key);
	if (str_starts(key, "room:") && form != NULL &&
	    engine_object(c->engine, key, &o) && o.desired != NULL) {
		desired = json_must(o.desired);
		found = json_parse(form, strlen(form), &err);
	}
	if (found != NULL) {
		take_members(notice, desired, found, c->bot);
		if (str_starts(key, "room:team/"))
			take_topic(notice, desired, found);
	}
	text = json_canonical(all);
	store_kv_set(c->store, NOTICES_KEY, text);
	free(text);
	json_free(desired);
	json_free(found);
out:
	json_free(all);
	json_free(kept);
}

/* That notice; yours, or NULL. */
static struct json *
notice_of(struct chat *c, int64_t message)
{
	struct json *all = notices_load(c), *found = NULL;
	const struct json *v;

	for (v = json_first(all); v != NULL && message != 0; v = json_next(v))
		if (json_int(v, "message", 0) == message)
			found = json_copy(v);
	json_free(all);
	return found;
}

/* --- adopt ------------------------------------------------------------------------ */

struct adopting {
	struct chat	*chat;
	enum where	 where;
	char		*subject;	/* of the room */
	struct json	*docs;
	struct strv	 cannot;	/* sentences */
};

static struct json *
push_doc(struct adopting *a, const struct resource *r)
{
	return json_get(json_push(a->docs, resource_json(r)), "spec");
}

static bool
has_name(const struct json *list, const char *name)
{
	for (const struct json *v = json_first(list); v != NULL;
	    v = json_next(v))
		if (str_equal(json_value_str(v), name))
			return true;
	return false;
}

/* The list of the Human's spec that lets them into this room; NULL: none does. */
static const char *
list_of(const struct adopting *a, const struct resource *human)
{
	int64_t level = json_int(human->spec, "permissionLevel", 3);

	if (a->where == IN_TEAM && level == 2)
		return "accessibleTeams";
	if (a->where == IN_WORKER && level > 1)
		return "accessibleWorkers";
	return NULL;
}

static void
adopt_in(struct adopting *a, const char *user)
{
	const struct resource *human = NULL;
	const char *list;
	struct json *spec, *names;

	person_tier(engine_world_config(a->chat->engine),
	    engine_resources(a->chat->engine), user, &human);
	if (human == NULL) {
		strv_addf(&a->cannot, "%s is not declared: declare a Human "
		    "first", user);
		return;
	}
	if ((list = list_of(a, human)) == NULL) {
		strv_addf(&a->cannot, "Human/%s with its permissionLevel cannot "
		    "be let into this room alone", human->name);
		return;
	}
	if (has_name(json_get(human->spec, list), a->subject))
		return;
	spec = push_doc(a, human);
	if ((names = json_get(spec, list)) == NULL)
		names = json_set(spec, list, json_array());
	json_push_str(names, a->subject);
}

static void
adopt_out(struct adopting *a, const char *user)
{
	const struct resource *human = NULL;
	const struct json *v;
	const char *list = NULL;
	struct json *names;

	person_tier(engine_world_config(a->chat->engine),
	    engine_resources(a->chat->engine), user, &human);
	if (human != NULL)
		list = list_of(a, human);
	if (list == NULL || !has_name(json_get(human->spec, list),
	    a->subject)) {
		strv_addf(&a->cannot, "%s belongs there for another reason than "
		    "a name in a list", user);
		return;
	}
	names = json_array();
	v = json_first(json_get(human->spec, list));
	for (; v != NULL; v = json_next(v))
		if (!str_equal(json_value_str(v), a->subject))
			json_push(names, json_copy(v));
	json_set(push_doc(a, human), list, names);
}

static void
adopt_topic(struct adopting *a, const char *topic)
{
	const struct resource *team = resources_find(engine_resources(
	    a->chat->engine), kind_find("Team"), a->subject);
	struct json *spec;

	if (team == NULL || strcmp(json_strd(team->spec, "description", ""),
	    topic) == 0)
		return;
	spec = push_doc(a, team);
	if (topic[0] != '\0')
		json_set_str(spec, "description", topic);
	else
		json_remove(spec, "description");
}

static void
adopt_facts(struct adopting *a, const struct json *notice)
{
	const struct json *v;

	for (v = json_first(json_get(notice, "in")); v != NULL;
	    v = json_next(v))
		adopt_in(a, json_value_str(v));
	for (v = json_first(json_get(notice, "out")); v != NULL;
	    v = json_next(v))
		adopt_out(a, json_value_str(v));
	if (a->where == IN_TEAM && json_str(notice, "topic") != NULL)
		adopt_topic(a, json_str(notice, "topic"));
}

static void
adopt_decide(struct request *q, struct adopting *a, const char *object)
{
	struct json *action = json_object();
	struct attempt ch;
	struct err err;

	json_set_str(action, "do", "apply");
	json_set_strf(action, "title", "adopt what was done to %s", object);
	json_set(action, "docs", json_copy(a->docs));
	if (change_try(q->chat->engine, action, NULL, &ch, &err) == -1)
		say_wrong(q, "It cannot be adopted: %s", ch.problems.n > 0 ?
		    ch.problems.v[0].what : err.msg);
	else
		change_decide(q, action, &ch, &a->cannot);
	change_release(&ch);
	json_free(action);
}

static void
adopt(struct request *q, const struct json *notice)
{
	struct adopting a = { .chat = q->chat, .docs = json_array() };
	const char *key = json_strd(notice, "key", "");
	char *object = object_title(key), *why;

	a.where = room_about(q->chat, key, &a.subject);
	if (a.subject != NULL)
		adopt_facts(&a, notice);
	why = strv_join(&a.cannot, "; ");
	if (json_size(a.docs) > 0)
		adopt_decide(q, &a, object);
	else if (why[0] != '\0')
		say_wrong(q, "It cannot be adopted: %s.", why);
	else
		say_wrong(q, "Nothing of it can be declared, or it is already. "
		    "What can: who is in the room of a team or an agent, and "
		    "the topic of a team's room. `ignore 2h` leaves alone what "
		    "is done to %s.", object);
	free(why);
	free(object);
	free(a.subject);
	strv_release(&a.cannot);
	json_free(a.docs);
}

/* --- ignore, revert ------------------------------------------------------------------ */

static void
ignore(struct request *q, const struct json *notice, int64_t ms)
{
	const char *key = json_strd(notice, "key", "");
	char *object = object_title(key), *line, until[24];
	struct text t = { 0 };

	if (!engine_leave(q->chat->engine, key, clock_ms() + ms)) {
		say_wrong(q, "There is no %s any more.", object);
		free(object);
		return;
	}
	clock_utc(clock_ms() + ms, until);
	text_printf(&t, "Until %s what others do to ", until);
	text_value(&t, object);
	text_puts(&t, " is left alone, or until a change asks something else "
	    "of it; `revert` as a reply to the notice ends that. What was put "
	    "right already stays so.");
	say(q, REPLY_DONE, &t);
	text_release(&t);
	line = xasprintf("%s: left alone until %s, says %s", object, until,
	    q->sender);
	store_log_add(q->chat->store, "", "drift", line);
	free(line);
	free(object);
}

static void
revert(struct request *q, const struct json *notice)
{
	const char *key = json_strd(notice, "key", "");
	char *object = object_title(key);
	struct text t = { 0 };

	text_value(&t, object);
	text_puts(&t, engine_leave(q->chat->engine, key, 0) ?
	    " is put right now, and from now on." :
	    " was put right already.");
	say(q, REPLY_DONE, &t);
	text_release(&t);
	free(object);
}

/* --- by words --------------------------------------------------------------------------- */

/* What it replies to; NULL: that is none, and it was said. */
static struct json *
replied(struct request *q)
{
	struct json *notice = NULL;

	if (q->in.reply_to != NULL)
		notice = notice_of(q->chat, store_outbox_find(q->chat->store,
		    q->in.reply_to));
	if (notice == NULL)
		say_usage(q, "as a reply to my line that says what somebody "
		    "changed");
	return notice;
}

void
cmd_adopt(struct request *q)
{
	struct json *notice = replied(q);

	if (notice != NULL)
		adopt(q, notice);
	json_free(notice);
}

void
cmd_ignore(struct request *q)
{
	const struct strv *v = &q->words.v;
	int64_t ms = v->n == 0 ? IGNORE_MS : duration_ms(v->v[v->n - 1]);
	bool is_for = v->n == 2 && strcmp(v->v[0], "for") == 0;
	struct json *notice;

	if (ms <= 0 || ms > IGNORE_MAX_MS || (v->n > 1 && !is_for)) {
		say_usage(q, ms > IGNORE_MAX_MS ? "at most 30 days" :
		    "a time is like 30m, 2h or 1d");
		return;
	}
	if ((notice = replied(q)) != NULL)
		ignore(q, notice, ms);
	json_free(notice);
}

void
cmd_revert(struct request *q)
{
	struct json *notice = replied(q);

	if (notice != NULL)
		revert(q, notice);
	json_free(notice);
}

/* --- by taps ------------------------------------------------------------------------------ */

static const struct { const char *key, *command; } keys[] = {
	{ "\xf0\x9f\x93\xa5", "adopt" },		/* inbox tray */
	{ "\xf0\x9f\x94\x95", "ignore" },		/* bell with a stroke */
	{ "\xe2\x86\xa9", "revert" },			/* arrow back */
};

bool
drift_tap(struct request *q, int64_t message, const char *key)
{
	struct json *notice;
	size_t i = 0;

	while (i < NELEM(keys) && strcmp(keys[i].key, key) != 0)
		i++;
	if (i == NELEM(keys) || (notice = notice_of(q->chat, message)) == NULL)
		return false;
	q->command = commands_find(q->chat->commands, keys[i].command);
	/* Of others it means nothing. */
	if (q->command != NULL && request_gate(q, q->command) == GATE_OPEN) {
		if (i == 0)
			adopt(q, notice);
		else if (i == 1)
			ignore(q, notice, IGNORE_MS);
		else
			revert(q, notice);
	}
	json_free(notice);
	return true;
}
