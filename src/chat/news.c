/*
 * What the engine and life noticed by themselves, told in one line each: drift
 * and who had caused it, fights, systems that come and go; agents that die, are
 * woken, or fall silent.
 *
 * An agent that dies is told of once, then only written down, until it keeps
 * dying; that is told once as well, and when it is over.
 */
#include "chat-int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hiclaw/clock.h"

#include "container.h"
#include "watch.h"

#define HOMESERVER	"matrix"	/* without it nothing can be said */

#define QUIET_MS	60000	/* so long the same death is not told again */
#define STABLE_MS	300000	/* alive so long: the engine forgets it, too */
#define LAST_LINES	3	/* of its log */

/* The log of the object's owner; the house's own under the object. */
static void
log_object(struct chat *c, const char *key, const char *kind,
    const char *text)
{
	struct object_view o;
	const char *subject = key;

	if (engine_object(c->engine, key, &o) && o.owner[0] != '\0')
		subject = o.owner;
	store_log_add(c->store, subject, kind, text);
}

/* News of an object go where its owner's are heard; gives the outbox id, or 0. */
static int64_t
say_of(struct chat *c, const char *key, const char *template,
    const char *told, const struct fill *fill)
{
	struct strv subjects = { 0 };
	int64_t message;

	watch_subjects(c, key, &subjects);
	message = say_news_of(c, &subjects, template, told, fill);
	strv_release(&subjects);
	return message;
}

/* --- agents that die -------------------------------------------------------- */

/* One that died lately. */
struct dying {
	struct chat	*chat;
	char		*key;
	int		 n;		/* times */
	int64_t		 told_ms, last_ms;
	int64_t		 wait_ms;	/* before its next start */
	bool		 is_fight;	/* told that it keeps dying */
	bool		 is_asking;	/* for its last words */
	char		*words;		/* these, masked; or NULL */
};

static void
dying_free(void *arg)
{
	struct dying *d = arg;

	if (d == NULL)
		return;
	free(d->key);
	free(d->words);
	free(d);
}

struct map *
deaths_map(void)
{
	return map_new(dying_free);
}

const char *
words_of(struct chat *c, const char *agent)
{
	char *key = xasprintf("container:%s", agent);
	const struct dying *d = map_find(c->deaths, key);

	free(key);
	return d != NULL && d->words != NULL ? d->words : "";
}

static struct dying *
dying_get(struct chat *c, const char *key)
{
	struct dying *d = map_find(c->deaths, key);

	if (d == NULL) {
		d = xcalloc(1, sizeof *d);
		d->chat = c;
		d->key = xstrdup(key);
		map_set(c->deaths, key, d);
	}
	d->n++;
	d->last_ms = clock_ms();
	return d;
}

static const char *
agent_of(const char *key)
{
	return strchr(key, ':') + 1;
}

static struct json *
observed_of(struct chat *c, const char *key)
{
	struct object_view v;
	struct err err;

	if (!engine_object(c->engine, key, &v) || v.observed == NULL)
		return NULL;
	return json_parse(v.observed, strlen(v.observed), &err);
}

/* It ended by itself and was started again. */
static void
news_death(struct chat *c, const char *key, const char *did)
{
	struct dying *d = dying_get(c, key);
	struct json *o = observed_of(c, key);
	const struct json *died = json_get(o, "died");
	char *why = json_is(died, JSON_OBJECT) ? death_words(died) : NULL;
	char *line;

	if (d->n == 1 || (!d->is_fight && d->last_ms - d->told_ms >=
	    QUIET_MS)) {
		d->told_ms = d->last_ms;
		say_of(c, key, "died", "died", FILL(V("agent", agent_of(key)),
		    V("why", why != NULL ? why : did)));
	}
	line = xasprintf("%s died: %s; started again", agent_of(key),
	    why != NULL ? why : did);
	log_object(c, key, "died", line);
	free(line);
	free(why);
	json_free(o);
}

/* It keeps dying: what the pauses are for. */
static void
tell_dying(struct dying *d)
{
	struct chat *c = d->chat;
	struct json *o = observed_of(c, d->key);
	char *why = death_words(json_get(o, "died"));
	char age[16], count[16], *line;
	struct text words = { 0 };

	snprintf(count, sizeof count, "%lld",
	    (long long)json_int(o, "deaths", d->n));
	if (d->words != NULL && d->words[0] != '\0') {
		text_puts(&words, "Its last words:");
		text_pre(&words, NULL, d->words);
	}
	store_begin(c->store);
	say_of(c, d->key, "dying", "dying", FILL(
	    V("agent", agent_of(d->key)), V("why", why), V("count", count),
	    V("wait", clock_age(d->wait_ms, age)), B("words", &words)));
	line = xasprintf("%s keeps dying: %s, %s times; the pauses grow",
	    agent_of(d->key), why, count);
	log_object(c, d->key, "died", line);
	text_release(&words);
	free(line);
	free(why);
	json_free(o);
}

static void
take_words(void *arg, const struct json *answer, const struct err *err)
{
	struct dying *d = arg;

	(void)err;
	d->is_asking = false;
	free(d->words);
	d->words = last_lines(d->chat, agent_of(d->key),
	    json_get(answer, "lines"), LAST_LINES);
	tell_dying(d);
}

static void
news_dying(struct chat *c, const char *key, int wait_s)
{
	struct dying *d = dying_get(c, key);
	struct json *question = json_object();
	struct err err;

	d->is_fight = true;
	d->wait_ms = (int64_t)wait_s * 1000;
	json_set_str(question, "op", "logs");
	json_set_str(question, "name", agent_of(key));
	json_set_int(question, "tail", LAST_LINES);
	if (!d->is_asking) {
		d->is_asking = true;
		if (engine_query(c->engine, "container", question, take_words,
		    d, &err) == -1)
			take_words(d, NULL, &err);
	}
	json_free(question);
}

/* 1: alive for long enough; 0: not yet; -1: it is not to run any more. */
static int
is_stable(struct chat *c, const char *key, const struct dying *d,
    int64_t now)
{
	struct object_view v;
	struct json *o;
	bool runs;

	if (!engine_object(c->engine, key, &v) || v.desired == NULL)
		return -1;
	if (now - d->last_ms < STABLE_MS)
		return 0;
	o = json_must(v.desired);
	runs = !str_equal(json_str(o, "state"), "stopped");
	json_free(o);
	if (!runs)
		return -1;
	o = observed_of(c, key);
	runs = str_equal(json_str(o, "state"), "running") &&
	    (v.state == OBJECT_SETTLED || v.state == OBJECT_WAITING);
	json_free(o);
	return runs;
}

void
deaths_tick(struct chat *c, int64_t now)
{
	const char *key;
	struct dying *d;
	char age[16];
	void *at;
	int stable;

	if (map_size(c->deaths) == 0)
		return;
	for (at = NULL; (d = map_next(c->deaths, &at, &key)) != NULL;) {
		if (d->is_asking ||
		    (stable = is_stable(c, key, d, now)) == 0)
			continue;
		if (stable == 1 && d->is_fight) {
			store_begin(c->store);
			say_of(c, key, "stable", "stable", FILL(
			    V("agent", agent_of(key)), V("time",
			    clock_age(now - d->last_ms, age))));
			log_object(c, key, "died", "is stable again");
		}
		map_remove(c->deaths, key);
	}
}

/* --- drift -------------------------------------------------------------------- */

static bool
is_container(const char *key)
{
	return str_starts(key, "container:");
}

void
news_drift(void *arg, const char *key, const char *sender,
    const struct strv *did, const struct json *was)
{
	struct chat *c = arg;
	char *title, *line, *what, *fields = NULL;
	struct json *kept;

	store_begin(c->store);
	if (is_container(key) && sender == NULL && did->n > 0 &&
	    str_starts(did->v[0], "started")) {
		news_death(c, key, did->v[0]);
		return;
	}
	title = is_container(key) ? xasprintf("container of %s",
	    agent_of(key)) : object_title(key);
	line = strv_join(did, ", ");
	what = short_ids(c->engine, line);
	free(line);
	if (!mending_takes(c)) {
		/* What is replied counts in the admin room only. */
		kept = drift_keep(c, key, was, &fields);
		drift_noted(c, say_of(c, key, "drift", "drift-told", FILL(
		    V("object", title),
		    P("who", sender != NULL ? sender : "somebody"),
		    V("did", what), V("fields", fields))), kept);
		json_free(kept);
		free(fields);
	}
	line = xasprintf("%s: changed by %s; put back (%s)", title,
	    sender != NULL ? sender : "somebody", what);
	log_object(c, key, "drift", line);
	free(line);
	free(what);
	free(title);
}

void
news_fight(void *arg, const char *key, const char *sender, int wait_s)
{
	struct chat *c = arg;
	char *title, age[16], *line, *fields;
	struct json *kept;

	store_begin(c->store);
	if (is_container(key)) {
		news_dying(c, key, wait_s);
		return;
	}
	title = object_title(key);
	kept = drift_keep(c, key, NULL, &fields);
	drift_noted(c, say_of(c, key, "fight", "fight-told", FILL(
	    V("object", title),
	    P("who", sender != NULL ? sender : "somebody"),
	    V("wait", clock_age((int64_t)wait_s * 1000, age)),
	    V("fields", fields))), kept);
	json_free(kept);
	free(fields);
	line = xasprintf("%s: %s keeps changing it; waiting %d s", title,
	    sender != NULL ? sender : "somebody", wait_s);
	log_object(c, key, "drift", line);
	free(line);
	free(title);
}

static void
count_waiting(struct chat *c, char *dst, size_t dstsize)
{
	struct engine_counts n;
	size_t open;

	engine_counts(c->engine, &n);
	open = n.objects - n.settled;
	snprintf(dst, dstsize, "%zu object%s", open, open == 1 ? "" : "s");
}

void
news_system(void *arg, const char *provider, bool is_up, int64_t since_ms,
    const char *why)
{
	struct chat *c = arg;
	char objects[40], time[32];
	bool is_homeserver = strcmp(provider, HOMESERVER) == 0;

	if (is_homeserver && !is_up)
		return;		/* when it is back there will be a word */
	count_waiting(c, objects, sizeof objects);
	took(clock_ms() - since_ms, time, sizeof time);
	if (is_homeserver)
		say_news(c, "homeserver-up", FILL(V("time", time),
		    V("objects", objects)));
	else if (is_up)
		say_news(c, "system-up", FILL(V("system", provider),
		    V("time", time), V("objects", objects)));
	else
		say_news(c, "system-down", FILL(V("system", provider),
		    V("why", why != NULL ? why : "no answer")));
}

void
news_gone(void *arg, const char *kind, const char *name)
{
	struct chat *c = arg;
	char *subject = xasprintf("%s/%s", kind, name);

	store_begin(c->store);
	store_log_add(c->store, subject, "gone", "nothing is left of it");
	watch_gone(c, subject);
	free(subject);
}

/* --- what life tells ---------------------------------------------------------- */

static void
news_woken(void *arg, const char *room, const char *event,
    const struct strv *names, const char *why_not)
{
	struct chat *c = arg;
	struct reply r = { .event = event, .state = why_not != NULL ?
	    REPLY_FAILED : REPLY_INFO };
	char *agents = strv_join(names, ", ");
	struct text t = { 0 };

	/* Two who talk alone: there I am not. */
	if (where_is(c, room, "") != IN_NONE) {
		store_begin(c->store);
		template_fill(c->templates, "waking", FILL(V("agents",
		    agents), V("why", why_not)), &t);
		reply_send(c, room, &r, &t);
		text_release(&t);
	}
	free(agents);
}

void
news_not_woken(struct chat *c, const struct json *woken, const char *title,
    const char *why)
{
	struct reply r = { .event = json_str(woken, "event"),
	    .state = REPLY_FAILED };
	const char *room = json_str(woken, "room");
	struct text t = { 0 };

	if (room == NULL || where_is(c, room, "") == IN_NONE)
		return;
	text_printf(&t, "%s: %s", title, why);
	reply_send(c, room, &r, &t);
	text_release(&t);
}

/* The log of the resource it is, or is in. */
static void
log_agent(struct chat *c, const char *name, const char *kind,
    const char *text)
{
	struct object_view v;

	if (engine_runner(c->engine, name, &v))
		store_log_add(c->store, v.owner, kind, text);
}

/* "alice", "alice, bob and 3 more": and how many these are. */
static char *
some_names(const struct strv *names)
{
	struct buf b = { 0 };

	for (size_t i = 0; i < names->n && i < NAMES_SHOWN; i++)
		buf_printf(&b, "%s%s", i > 0 ? ", " : "", names->v[i]);
	if (names->n > NAMES_SHOWN)
		buf_printf(&b, " and %zu more", names->n - NAMES_SHOWN);
	return buf_take(&b);
}

/* A line about several is said whoever of them is muted. */
static void
say_of_agents(struct chat *c, const struct strv *names, const char *template,
    const struct fill *fill)
{
	struct strv subjects = { 0 };

	for (size_t i = 0; i < names->n; i++)
		watch_subjects_of_agent(c, names->v[i], &subjects);
	if (names->n == 1)
		say_news_of(c, &subjects, template, template, fill);
	else {
		watch_tell(c, &subjects, template, fill);
		say_news(c, template, fill);
	}
	strv_release(&subjects);
}

static void
news_silent(void *arg, const struct strv *names, int64_t since_ms)
{
	struct chat *c = arg;
	char age[16], *agents = some_names(names);
	bool is_one = names->n == 1;

	store_begin(c->store);
	say_of_agents(c, names, "silent", FILL(V("agents", agents),
	    V("do", is_one ? "does not report" : "do not report"),
	    V("ago", since_ms > 0 ? clock_age(clock_ms() - since_ms, age) :
	    "some time")));
	for (size_t i = 0; i < names->n; i++)
		log_agent(c, names->v[i], "silent", "stopped reporting");
	free(agents);
}

static void
news_reports(void *arg, const struct strv *names, int64_t since_ms)
{
	struct chat *c = arg;
	char age[16], *agents = some_names(names);

	store_begin(c->store);
	say_of_agents(c, names, "reports", FILL(V("agents", agents),
	    V("do", names->n == 1 ? "reports" : "report"),
	    V("time", clock_age(clock_ms() - since_ms, age))));
	for (size_t i = 0; i < names->n; i++)
		log_agent(c, names->v[i], "reports", "reports again");
	free(agents);
}

struct life_news
chat_life_news(struct chat *c)
{
	return (struct life_news){ .arg = c, .woken = news_woken,
	    .silent = news_silent, .reports = news_reports };
}
