/*
 * The life of agents: see life.h.  Decisions are in life-rule.c; here is what is
 * known of each agent, one timer for the next thing that is due, and what is
 * done then.
 *
 * Agents are kept by name and read anew when what is declared has changed.  Who
 * was active is written down now and then, who fell asleep or silent at once:
 *
 *  "ops.life": {"seen": {name: ms}, "slept": {name: ms}, "silent": {name: ms}}
 */
#include "life-int.h"

#include <stdlib.h>
#include <string.h>

#include "hiclaw/clock.h"
#include "hiclaw/log.h"
#include "hiclaw/loop.h"

#define LIFE_KEY	"ops.life"
#define PASSED_MAX	256	/* messages to agents that were awake: more than
				 * come between two looks */

/* One agent.  Times are of the wall clock; 0: never, or not known. */
struct mate {
	char		*name, *user;
	enum agent_role	 role;
	enum agent_state state;		/* as declared */
	bool		 is_elsewhere;
	bool		 is_there;	/* found in what is declared now */
	int64_t		 timeout_ms;
	int64_t		 last_ms;	/* active */
	int64_t		 slept_ms;	/* put to sleep */
	int64_t		 heard_ms;	/* last report that we know of */
	int64_t		 until_ms;	/* when to see if its report still counts */
	int64_t		 silent_ms;	/* told to be silent, since then */
	bool		 is_back;	/* ... and reports again */
	bool		 is_news;	/* either is still to be told */
	int64_t		 not_before_ms;	/* of another try */
};

struct life {
	const struct ops *ops;
	struct life_news news;
	struct timer	*timer;
	int64_t		 idle_ms;
	struct map	*mates, *by_user;
	uint64_t	 version;	/* of what is declared */
	bool		 is_read, started;
	int64_t		 due_ms;	/* the timer's; 0: not armed */
	int64_t		 news_ms;	/* when to tell of who is silent; 0: none */
	int64_t		 told_ms;	/* when that was done last */
	struct json	*kept;		/* of an earlier life, until taken over */
	int64_t		 saved_ms, save_ms;
	struct strv	 passed;	/* ring of event ids */
	size_t		 passed_at;
};

static void
mate_free(void *arg)
{
	struct mate *m = arg;

	if (m == NULL)
		return;
	free(m->name);
	free(m->user);
	free(m);
}

/* --- what is written down -------------------------------------------------- */

static void
put_times(struct json *all, const char *key, const struct mate *m,
    int64_t ms)
{
	if (ms > 0)
		json_set_int(json_obj(all, key), m->name, ms);
}

static void
save(struct life *l)
{
	struct json *all = json_object();
	struct mate *m;
	char *text;
	void *at;

	for (at = NULL; (m = map_next(l->mates, &at, NULL)) != NULL;) {
		put_times(all, "seen", m, m->last_ms);
		put_times(all, "slept", m, m->slept_ms);
		put_times(all, "silent", m, m->silent_ms);
	}
	text = json_canonical(all);
	store_begin(l->ops->store);
	store_kv_set(l->ops->store, LIFE_KEY, text);
	l->saved_ms = clock_ms();
	free(text);
	json_free(all);
}

static void
load(struct life *l)
{
	char *text = store_kv_get(l->ops->store, LIFE_KEY);
	struct err err;

	if (text != NULL)
		l->kept = json_parse(text, strlen(text), &err);
	free(text);
	l->saved_ms = clock_ms();
}

static int64_t
kept(const struct life *l, const char *key, const char *name)
{
	return json_int(json_get(l->kept, key), name, 0);
}

/* --- who there is ---------------------------------------------------------- */

/* The object that is its container, or stands for it; NULL observed: none. */
static char *
runner_key(const struct mate *m)
{
	return xasprintf("%s:%s", m->is_elsewhere ? "remote" : "container",
	    m->name);
}

static struct json *
runner_observed(const struct life *l, const struct mate *m)
{
	char *key = runner_key(m);
	struct object_view v;
	struct json *form = NULL;
	struct err err;

	if (engine_object(l->ops->engine, key, &v) && v.observed != NULL)
		form = json_parse(v.observed, strlen(v.observed), &err);
	free(key);
	return form;
}

/* Until when its last report counts that was written down; 0: it has none. */
static int64_t
ready_until(const struct life *l, const struct mate *m)
{
	struct json *form = runner_observed(l, m);
	int64_t until = json_int(form, "ready_until", 0);

	json_free(form);
	return until;
}

static struct mate *
mate_get(struct life *l, const struct agent *a)
{
	struct mate *m = map_find(l->mates, a->name);
	int64_t now = clock_ms();

	if (m != NULL)
		return m;
	m = xcalloc(1, sizeof *m);
	m->name = xstrdup(a->name);
	m->state = agent_state(a);
	m->last_ms = now;
	if (kept(l, "seen", a->name) > 0)
		m->last_ms = kept(l, "seen", a->name);
	m->slept_ms = kept(l, "slept", a->name);
	m->silent_ms = kept(l, "silent", a->name);
	map_set(l->mates, a->name, m);
	return m;
}

static const struct resource *
manager_of(const struct resources *rs)
{
	const struct kind *kind = kind_find("Manager");

	for (size_t i = 0; i < resources_n(rs); i++)
		if (resources_at(rs, i)->kind == kind)
			return resources_at(rs, i);
	return NULL;
}

/* True if something of it must be written down. */
static bool
mate_set(struct life *l, struct mate *m, const struct agent *a,
    const struct resource *manager)
{
	enum agent_state state = agent_state(a), was = m->state;
	const struct resource *team = a->role == AGENT_WORKER ||
	    a->role == AGENT_LEADER ? a->resource : NULL;

	m->is_there = true;
	m->role = a->role;
	m->is_elsewhere = agent_is_remote(a);
	m->timeout_ms = idle_timeout(team, manager, l->idle_ms);
	if (!str_equal(m->user, a->user)) {
		free(m->user);
		m->user = xstrdup(a->user);
	}
	m->state = state;
	/* What was said to it before it fell asleep it has heard. */
	if (state == AGENT_SLEEPING && was != state)
		m->slept_ms = clock_ms();
	else if (state != AGENT_SLEEPING)
		m->slept_ms = 0;
	if (state == AGENT_RUNNING && was != state)
		m->last_ms = clock_ms();
	if (state != AGENT_RUNNING) {
		m->silent_ms = 0;
		m->is_back = m->is_news = false;
	}
	return was != state;
}

static void
drop_gone(struct life *l)
{
	struct mate *m;
	const char *key;
	void *at;

	for (at = NULL; (m = map_next(l->mates, &at, &key)) != NULL;)
		if (!m->is_there)
			map_remove(l->mates, key);
}

static void	arm(struct life *);

/* Read anew who there is, if that has changed. */
static void
refresh(struct life *l)
{
	const struct engine *e = l->ops->engine;
	const struct resources *rs = engine_resources(e);
	const struct resource *manager;
	struct agents as = { 0 };
	bool changed = false;
	int64_t shortest = 0;
	struct mate *m;
	void *at;

	if (l->is_read && l->version == engine_version(e))
		return;
	manager = manager_of(rs);
	l->version = engine_version(e);
	for (at = NULL; (m = map_next(l->mates, &at, NULL)) != NULL;)
		m->is_there = false;
	agents_list(engine_world_config(e), rs, &as);
	map_free(l->by_user);
	l->by_user = map_new(NULL);
	for (size_t i = 0; i < as.n; i++) {
		m = mate_get(l, &as.v[i]);
		changed |= mate_set(l, m, &as.v[i], manager);
		map_set(l->by_user, m->user, m);
		if (m->timeout_ms > 0 && (shortest == 0 ||
		    m->timeout_ms < shortest))
			shortest = m->timeout_ms;
	}
	agents_release(&as);
	drop_gone(l);
	l->save_ms = idle_save_ms(shortest);
	l->is_read = true;
	if (changed)
		save(l);
	if (l->started)
		arm(l);
}

static struct mate *
mate_named(struct life *l, const char *name)
{
	refresh(l);
	return map_find(l->mates, name);
}

/* --- time ------------------------------------------------------------------- */

/* Since when its container runs; 0: it does not.  Where that is not said, for
 * ever. */
static int64_t
runs_since(const struct life *l, const struct mate *m)
{
	struct json *form = m->is_elsewhere ? NULL : runner_observed(l, m);
	int64_t since = !str_equal(json_str(form, "state"), "running") ? 0 :
	    json_int(form, "started_ms", 1);

	json_free(form);
	return since;
}

/* When it falls asleep; 0: never. */
static int64_t
sleep_due(const struct mate *m)
{
	const struct idle i = { m->role, m->state == AGENT_RUNNING &&
	    !m->is_elsewhere, m->last_ms, m->timeout_ms };
	int64_t due = idle_due(&i);

	return due > 0 && due < m->not_before_ms ? m->not_before_ms : due;
}

/* The timer goes off when the first of all is due; a later wish is seen then. */
static void
arm_at(struct life *l, int64_t due)
{
	int64_t in;

	if (!l->started || due <= 0 || (l->due_ms > 0 && l->due_ms <= due))
		return;
	in = due - clock_ms();
	l->due_ms = due;
	timer_arm(l->timer, in < COALESCE_MS ? COALESCE_MS : in);
}

static void
arm(struct life *l)
{
	struct mate *m;
	void *at;

	for (at = NULL; (m = map_next(l->mates, &at, NULL)) != NULL;) {
		arm_at(l, sleep_due(m));
		arm_at(l, m->until_ms);
	}
	arm_at(l, l->news_ms);
}

/*
 * Who falls silent, or reports again, is told of a little later with those that
 * do at about the same time: when our door is closed all do.
 */
static void
news_soon(struct life *l, struct mate *m, int64_t now)
{
	m->is_news = true;
	if (l->news_ms == 0)
		l->news_ms = now + GATHER_MS > l->told_ms + NEWS_MS ?
		    now + GATHER_MS : l->told_ms + NEWS_MS;
	arm_at(l, l->news_ms);
}

/* What it last reported does not count any more. */
static void
expire(struct life *l, struct mate *m, int64_t until, int64_t now)
{
	char *key = runner_key(m), *handle;
	struct json *event = json_object();

	m->until_ms = 0;
	json_set_str(event, "type", "unready");
	handle = xstrdup(engine_observed(l->ops->engine, key, "id"));
	if (handle != NULL)
		engine_event(l->ops->engine, handle, event);
	if (m->state == AGENT_RUNNING && m->silent_ms == 0) {
		m->silent_ms = m->heard_ms > 0 ? m->heard_ms : until;
		m->is_back = false;
		log_info("life", "%s: stopped reporting", m->name);
		news_soon(l, m, now);
	} else if (m->is_back)
		m->is_back = m->is_news = false;	/* as was told */
	json_free(event);
	free(handle);
	free(key);
}

static void
expire_due(struct life *l, int64_t now)
{
	struct mate *m;
	int64_t until;
	void *at;

	for (at = NULL; (m = map_next(l->mates, &at, NULL)) != NULL;) {
		if (m->until_ms == 0 || m->until_ms > now)
			continue;
		until = ready_until(l, m);
		if (until > now)
			m->until_ms = until;
		else if (until == 0)
			m->until_ms = 0;
		else
			expire(l, m, until, now);
	}
}

static void
tell_silent(struct life *l, int64_t now)
{
	struct strv gone = { 0 }, back = { 0 };
	int64_t last = 0, since = now;
	struct mate *m;
	void *at;

	if (l->news_ms == 0 || l->news_ms > now)
		return;
	l->news_ms = 0;
	l->told_ms = now;
	for (at = NULL; (m = map_next(l->mates, &at, NULL)) != NULL;) {
		if (!m->is_news)
			continue;
		m->is_news = false;
		strv_add(m->is_back ? &back : &gone, m->name);
		if (m->is_back && m->silent_ms < since)
			since = m->silent_ms;
		if (!m->is_back && m->heard_ms > last)
			last = m->heard_ms;
		if (m->is_back)
			m->silent_ms = 0;
	}
	if (gone.n > 0 && l->news.silent != NULL)
		l->news.silent(l->news.arg, &gone, last);
	if (back.n > 0 && l->news.reports != NULL)
		l->news.reports(l->news.arg, &back, since);
	save(l);
	strv_release(&gone);
	strv_release(&back);
}

/* --- changing what is to be ------------------------------------------------ */

/* Names become the title: the receipt is all that people are told. */
static char *
title_of(const char *word, const struct strv *names, const char *why)
{
	struct buf b = { 0 };

	buf_puts(&b, word);
	for (size_t i = 0; i < names->n && i < NAMES_SHOWN; i++)
		buf_printf(&b, "%s %s", i > 0 ? "," : "", names->v[i]);
	if (names->n > NAMES_SHOWN)
		buf_printf(&b, " and %zu more", names->n - NAMES_SHOWN);
	if (why != NULL)
		buf_printf(&b, ": %s", why);
	return buf_take(&b);
}

/* Give them that state, in one run; -1: err. */
static int
set_state(struct life *l, const char *state, const struct strv *names,
    const char *actor, const char *title, const struct json *woken,
    struct err *err)
{
	struct json *action = change_state_action(state), *show;
	const struct run_request rq = { .actor = actor, .title = title };
	struct attempt ch;
	int rc;

	if (engine_frozen(l->ops->engine) != NULL) {
		json_free(action);
		return err_set(err, ERR_CONFLICT, "%s",
		    engine_frozen(l->ops->engine));
	}
	store_begin(l->ops->store);
	for (size_t i = 0; i < names->n; i++)
		change_state_add(action, names->v[i]);
	rc = change_try(l->ops->engine, action, NULL, &ch, err);
	if (rc == 0) {
		show = change_show(l->ops->engine, ch.plan, NULL);
		if (woken != NULL)
			json_set(show, LIFE_WOKEN, json_copy(woken));
		change_start(l->ops, &ch, show, NULL, &rq);
		json_free(show);
	}
	change_release(&ch);
	json_free(action);
	return rc;
}

/* One that has just been started, or cannot even run, is not idle. */
static bool
is_idle(const struct life *l, struct mate *m, int64_t now)
{
	int64_t since;

	if (sleep_due(m) == 0 || sleep_due(m) > now)
		return false;
	since = runs_since(l, m);
	if (since > m->last_ms)
		m->last_ms = since;
	else if (since == 0)
		m->not_before_ms = now + (m->timeout_ms < AGAIN_MS ?
		    m->timeout_ms : AGAIN_MS);
	return sleep_due(m) <= now;
}

static void
sleep_due_ones(struct life *l, int64_t now)
{
	struct strv names = { 0 };
	int64_t idle = 0;
	bool is_one = true;
	struct mate *m;
	char *title, *why, *bot, age[16];
	struct err err;
	void *at;

	for (at = NULL; (m = map_next(l->mates, &at, NULL)) != NULL;) {
		if (engine_frozen(l->ops->engine) != NULL &&
		    sleep_due(m) > 0 && sleep_due(m) <= now)
			m->not_before_ms = now + AGAIN_MS;
		if (!is_idle(l, m, now))
			continue;
		strv_add(&names, m->name);
		m->not_before_ms = now + AGAIN_MS;
		is_one &= idle == 0 || idle == m->timeout_ms;
		idle = m->timeout_ms;
	}
	if (names.n == 0)
		return;
	bot = bot_user(engine_world_config(l->ops->engine));
	why = is_one ? xasprintf("idle for %s", clock_age(idle, age)) :
	    xstrdup("idle");
	title = title_of("sleep", &names, why);
	if (set_state(l, "Sleeping", &names, bot, title, NULL, &err) == -1)
		log_warn("life", "%s: %s", title, err.msg);
	strv_release(&names);
	free(title);
	free(why);
	free(bot);
}

static void
on_timer(void *arg)
{
	struct life *l = arg;
	int64_t now = clock_ms();

	l->due_ms = 0;
	refresh(l);
	expire_due(l, now);
	tell_silent(l, now);
	sleep_due_ones(l, now);
	refresh(l);
	l->due_ms = 0;
	arm(l);
}

/* --- messages ---------------------------------------------------------------- */

static void
touch(struct life *l, struct mate *m, int64_t at_ms)
{
	int64_t now = clock_ms();

	if (at_ms <= 0 || at_ms > now)
		at_ms = now;
	if (at_ms <= m->last_ms)
		return;
	m->last_ms = at_ms;
	if (now - l->saved_ms >= l->save_ms)
		save(l);
}

/* To agents that were awake: they have it, whatever is declared later. */
static bool
is_passed(const struct life *l, const char *event)
{
	return strv_has(&l->passed, event);
}

static void
pass(struct life *l, const char *event)
{
	if (event == NULL || is_passed(l, event))
		return;
	if (l->passed.n < PASSED_MAX) {
		strv_add(&l->passed, event);
		return;
	}
	free(l->passed.v[l->passed_at]);
	l->passed.v[l->passed_at] = xstrdup(event);
	l->passed_at = (l->passed_at + 1) % PASSED_MAX;
}

static bool
is_message(const struct json *event)
{
	return str_equal(json_str(event, "type"), "m.room.message") &&
	    json_str(event, "sender") != NULL &&
	    json_str(event, "room_id") != NULL;
}

static bool
wants_waking(const struct life *l, const struct mate *m,
    const struct json *event)
{
	const char *id = json_str(event, "event_id");

	return m->state == AGENT_SLEEPING && !m->is_elsewhere &&
	    is_fresh(event, m->slept_ms) && (id == NULL || !is_passed(l, id));
}

bool
life_saw(struct life *l, const struct json *event)
{
	const struct world_config *wc = engine_world_config(l->ops->engine);
	int64_t at = json_int(event, "origin_server_ts", 0);
	struct strv ids = { 0 };
	struct mate *m, *sender;
	bool wakes = false, passes = false;

	if (!is_message(event))
		return false;
	refresh(l);
	sender = map_find(l->by_user, json_str(event, "sender"));
	if (sender != NULL)
		touch(l, sender, at);
	mentions_of(json_get(event, "content"), wc->domain, &ids);
	for (size_t i = 0; i < ids.n; i++) {
		m = map_find(l->by_user, ids.v[i]);
		if (m == NULL || m == sender)
			continue;
		if (m->state == AGENT_RUNNING) {
			touch(l, m, at);
			passes = true;
		} else
			wakes |= wants_waking(l, m, event);
	}
	strv_release(&ids);
	if (passes && !wakes)
		pass(l, json_str(event, "event_id"));
	return wakes;
}

/* In a room of ours only who is in it can answer. */
static bool
is_in_room(const struct life *l, const struct mate *m, const char *key)
{
	struct object_view v;
	struct json *form;
	const char *how;
	bool is;
	struct err err;

	if (!engine_object(l->ops->engine, key, &v) || v.observed == NULL)
		return false;
	form = json_parse(v.observed, strlen(v.observed), &err);
	how = json_str(json_get(form, "members"), m->user);
	is = str_equal(how, "join") || str_equal(how, "invite");
	json_free(form);
	return is;
}

static bool
may_wake(const struct life *l, const struct mate *m, const char *room,
    const char *sender)
{
	const struct engine *e = l->ops->engine;
	const struct world_config *wc = engine_world_config(e);
	const char *key = engine_find(e, room);
	struct agents as = { 0 };
	const struct agent *a;
	bool may = false;
	char *why = NULL;

	if (key != NULL && !is_in_room(l, m, key))
		return false;
	agents_list(wc, engine_resources(e), &as);
	a = agents_find(&as, m->name);
	if (a != NULL) {
		may = policy_may(wc, engine_resources(e), a, sender, false,
		    &why);
		log_debug("life", "%s: %s speaks to it: %s", m->name, sender,
		    why != NULL ? why : may ? "may" : "may not");
	}
	free(why);
	agents_release(&as);
	return may;
}

static void
wake(struct life *l, const struct json *event, const struct strv *names)
{
	struct json *woken = json_object();
	char *title = title_of("wake", names, NULL);
	struct err err;
	int rc;

	json_set_str(woken, "room", json_str(event, "room_id"));
	json_set_str(woken, "event", json_str(event, "event_id"));
	rc = set_state(l, "Running", names, json_str(event, "sender"), title,
	    woken, &err);
	if (rc == -1)
		log_warn("life", "%s: %s", title, err.msg);
	else
		log_info("life", "%s: %s spoke to %s", title,
		    json_str(event, "sender"), names->n > 1 ? "them" : "it");
	if (l->news.woken != NULL)
		l->news.woken(l->news.arg, json_str(event, "room_id"),
		    json_str(event, "event_id"), names,
		    rc == -1 ? err.msg : NULL);
	refresh(l);
	json_free(woken);
	free(title);
}

void
life_event(struct life *l, const struct json *event)
{
	const struct world_config *wc = engine_world_config(l->ops->engine);
	const char *sender = json_str(event, "sender");
	struct strv ids = { 0 }, names = { 0 };
	struct mate *m;

	if (!is_message(event))
		return;
	refresh(l);
	mentions_of(json_get(event, "content"), wc->domain, &ids);
	for (size_t i = 0; i < ids.n; i++) {
		m = map_find(l->by_user, ids.v[i]);
		if (m != NULL && !str_equal(m->user, sender) &&
		    wants_waking(l, m, event) &&
		    may_wake(l, m, json_str(event, "room_id"), sender))
			strv_add_unique(&names, m->name);
	}
	if (names.n > 0)
		wake(l, event, &names);
	strv_release(&ids);
	strv_release(&names);
}

/* --- reports ----------------------------------------------------------------- */

void
life_heard(struct life *l, const char *agent, int busy)
{
	struct mate *m = mate_named(l, agent);
	int64_t now = clock_ms(), until;

	if (m == NULL)
		return;
	/* While its container is in hand the report is not yet taken. */
	until = ready_until(l, m);
	m->until_ms = until > now ? until : now + GRACE_MS;
	m->heard_ms = now;
	if (busy == 1)
		touch(l, m, now);
	if (m->silent_ms > 0 && !m->is_back) {
		log_info("life", "%s: reports again", m->name);
		m->is_back = true;
		/* If nobody has heard of it, nobody needs to. */
		if (m->is_news)
			m->silent_ms = 0;
		else
			news_soon(l, m, now);
		m->is_news &= m->silent_ms > 0;
	}
	arm_at(l, m->until_ms);
}

int64_t
life_heard_ms(const struct life *l, const char *agent)
{
	const struct mate *m = map_find(l->mates, agent);

	return m != NULL ? m->heard_ms : 0;
}

bool
life_is_silent(const struct life *l, const char *agent)
{
	const struct mate *m = map_find(l->mates, agent);

	return m != NULL && m->silent_ms > 0 && !m->is_back;
}

int64_t
life_active_ms(const struct life *l, const char *agent)
{
	const struct mate *m = map_find(l->mates, agent);

	return m != NULL ? m->last_ms : 0;
}

/* --- beginning and end ------------------------------------------------------- */

struct life *
life_new(const struct ops *ops, struct loop *loop, int64_t idle_ms)
{
	struct life *l = xcalloc(1, sizeof *l);

	l->ops = ops;
	l->idle_ms = idle_ms;
	l->mates = map_new(mate_free);
	l->by_user = map_new(NULL);
	l->timer = timer_new(loop, on_timer, l);
	load(l);
	return l;
}

void
life_free(struct life *l)
{
	if (l == NULL)
		return;
	timer_free(l->timer);
	map_free(l->mates);
	map_free(l->by_user);
	json_free(l->kept);
	strv_release(&l->passed);
	free(l);
}

void
life_before_commit(struct life *l)
{
	if (l->started)
		refresh(l);
}

void
life_tell(struct life *l, const struct life_news *news)
{
	l->news = *news;
}

void
life_start(struct life *l)
{
	int64_t now = clock_ms();
	struct mate *m;
	void *at;

	refresh(l);
	for (at = NULL; (m = map_next(l->mates, &at, NULL)) != NULL;) {
		m->last_ms = idle_recall(m->last_ms, m->timeout_ms, now);
		m->until_ms = ready_until(l, m);
		if (m->until_ms > 0 && m->until_ms < now + GRACE_MS)
			m->until_ms = now + GRACE_MS;
	}
	json_free(l->kept);
	l->kept = NULL;
	l->started = true;
	arm(l);
}
