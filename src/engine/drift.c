/*
 * Drift: somebody changed an object outside.  An event (or a bulk look) made
 * the observed form differ from the desired one while nobody here asked for
 * anything; the item goes to the front of its queue, is put right, and the
 * house is told once what was done and who had done it.
 *
 * When the same thing has to be put right over and over (somebody's bot fights
 * us), the repairs wait longer and longer, and that is said as well.  What ends
 * by itself (an agent that crashes) has a row of pauses of its own.
 */
#include "engine-int.h"

#include <stdlib.h>
#include <string.h>

#include "hiclaw/clock.h"
#include "hiclaw/log.h"

#define FIGHT_REPAIRS	5		/* the same, within the window */
#define FIGHT_WINDOW_MS	60000
#define FIGHT_WAIT_MS	10000		/* doubled each time, up to ... */
#define FIGHT_WAIT_MAX_MS 600000
#define CHANGES_TOLD	50		/* of one repair */
#define CALM_MS		600000	/* twice the longest pause of a crash loop: then
				 * it is over */

void
drift_found(struct engine *e, struct item *it, const char *sender)
{
	log_info("drift", "%s: changed by %s", it->key,
	    sender != NULL ? sender : "somebody");
	if (it->drift_by == NULL || (it->drift_by[0] == '\0' && sender)) {
		free(it->drift_by);
		it->drift_by = xstrdup(sender != NULL ? sender : "");
	}
	it->urgent = true;
	item_touch(e, it);
}

void
drift_forget(struct item *it)
{
	free(it->drift_by);
	it->drift_by = NULL;
	it->urgent = false;
	it->has_paused = false;
}

void
drift_begin_anew(struct item *it)
{
	it->repairs = it->fights = 0;
}

static void
tell_fight(struct engine *e, struct item *it, int64_t wait_ms)
{
	log_warn("drift", "%s: put right too often, waiting %lld s", it->key,
	    (long long)(wait_ms / 1000));
	TELL(e, fight, it->key, it->drift_by != NULL && it->drift_by[0] !=
	    '\0' ? it->drift_by : NULL, (int)(wait_ms / 1000));
}

/* Seconds of the kind before the next one. */
static int
pause_of(const struct item *it)
{
	int at = 0;

	while (at < it->repairs && it->kind->pauses_s[at + 1] != -1)
		at++;
	return it->kind->pauses_s[at];
}

/* The pause of the kind, once for each repair; a fight is told once. */
static int64_t
drift_pause(struct engine *e, struct item *it, int64_t now)
{
	int64_t wait;

	if (now - it->repairs_since > CALM_MS)
		drift_begin_anew(it);
	wait = (int64_t)pause_of(it) * 1000;
	if (wait == 0 || it->has_paused)
		return 0;
	it->has_paused = true;
	if (it->repairs >= FIGHT_REPAIRS - 1 && it->fights++ == 0)
		tell_fight(e, it, wait);
	return wait;
}

/* How long must the next repair of this item wait?  0: not at all. */
int64_t
drift_hold(struct engine *e, struct item *it)
{
	int64_t now = clock_mono_ms(), wait = FIGHT_WAIT_MS;

	if (it->drift_by == NULL)
		return 0;
	if (it->kind->pauses_s != NULL)
		return drift_pause(e, it, now);
	if (now - it->repairs_since > FIGHT_WINDOW_MS) {
		if (it->repairs < FIGHT_REPAIRS)
			it->fights = 0;
		it->repairs = 0;
		it->repairs_since = now;
	}
	if (it->repairs < FIGHT_REPAIRS)
		return 0;
	for (int i = 0; i < it->fights && wait < FIGHT_WAIT_MAX_MS; i++)
		wait *= 2;
	if (wait > FIGHT_WAIT_MAX_MS)
		wait = FIGHT_WAIT_MAX_MS;
	it->fights++;
	it->repairs = FIGHT_REPAIRS - 1;	/* one more try after the wait */
	it->repairs_since = now + wait;
	tell_fight(e, it, wait);
	return wait;
}

/* Only the same repair again makes a fight; where pauses grow, any is one. */
static void
count_repair(struct item *it, const struct strv *did)
{
	char *text;

	if (it->kind->pauses_s != NULL) {
		it->repairs++;
		it->repairs_since = clock_mono_ms();
		return;
	}
	text = strv_join(did, "\n");

	if (!str_equal(text, it->repaired)) {
		it->repairs = 0;
		it->repairs_since = clock_mono_ms();
	}
	it->repairs++;
	free(it->repaired);
	it->repaired = text;
}

/* How it differed; yours. */
static struct json *
form_of(const struct object_kind *kind, const struct deed *d)
{
	struct json *was = json_object(), *list, *o;
	struct changes c = { 0 };

	list = json_set(was, "changes", json_array());
	kind->diff(d->work.desired, d->work.observed, &c);
	for (size_t i = 0; i < c.n && i < CHANGES_TOLD; i++) {
		o = json_push(list, json_object());
		json_set_str(o, "what", c.v[i].what);
		json_set_str(o, "from", c.v[i].from);
		json_set_str(o, "to", c.v[i].to);
	}
	changes_release(&c);
	json_set(was, "found", json_copy(d->out.found));
	return was;
}

void
drift_repaired(struct engine *e, struct item *it, const struct deed *d)
{
	char *by = it->drift_by;
	struct json *was;

	it->drift_by = NULL;
	it->has_paused = false;
	if (d->out.did.n > 0) {
		count_repair(it, &d->out.did);
		e->repairs++;
		was = form_of(it->kind, d);
		TELL(e, drift, it->key, by[0] != '\0' ? by : NULL,
		    &d->out.did, was);
		json_free(was);
	}
	free(by);
}

/* What was put right (or made) ended in the same moment: that, too, is told once
 * and then has its pauses. */
int64_t
drift_failed(struct engine *e, struct item *it)
{
	int64_t now = clock_mono_ms(), wait;
	struct strv did = { 0 };

	if (now - it->repairs_since > CALM_MS)
		drift_begin_anew(it);
	if (it->drift_by != NULL && it->repairs == 0) {
		strv_add(&did, "started again");
		TELL(e, drift, it->key, NULL, &did, NULL);
		strv_release(&did);
	}
	it->repairs++;
	it->repairs_since = now;
	wait = (int64_t)pause_of(it) * 1000;
	if (it->repairs >= FIGHT_REPAIRS && it->fights++ == 0)
		tell_fight(e, it, wait);
	return wait;
}

/* --- left as it is ---------------------------------------------------------- */

#define LEFT_KEY	"engine.left"

/* What is over is not kept. */
static void
left_set(struct engine *e, const char *key, int64_t until_ms)
{
	struct json *kept = json_object();
	const struct json *v;
	int64_t now = clock_ms();

	for (v = json_first(e->left); v != NULL; v = json_next(v))
		if (strcmp(json_key(v), key) != 0 &&
		    json_int(e->left, json_key(v), 0) > now)
			json_set(kept, json_key(v), json_copy(v));
	if (until_ms > now)
		json_set_int(kept, key, until_ms);
	json_free(e->left);
	e->left = kept;
	kept_save(e, LEFT_KEY, kept);
}

/* After the items. */
void
left_load(struct engine *e)
{
	const struct json *v;
	struct item *it;

	e->left = kept_load(e, LEFT_KEY);
	for (v = json_first(e->left); v != NULL; v = json_next(v))
		if ((it = item_find(e, json_key(v))) != NULL)
			it->left_ms = json_int(e->left, json_key(v), 0);
}

void
left_end(struct engine *e, struct item *it)
{
	if (it->left_ms == 0)
		return;
	it->left_ms = 0;
	it->retry_ms = 0;
	left_set(e, it->key, 0);
}

int64_t
left_for(struct engine *e, struct item *it)
{
	int64_t left = it->left_ms - clock_ms();

	if (left <= 0) {
		left_end(e, it);
		return 0;
	}
	/* Known after a restart as well: it is told when it is put right. */
	if (it->drift_by == NULL)
		it->drift_by = xstrdup("");
	return left;
}

bool
engine_leave(struct engine *e, const char *key, int64_t until_ms)
{
	struct item *it = item_find(e, key);

	if (it == NULL || it->desired == NULL)
		return false;
	if (until_ms <= clock_ms()) {
		bool was = it->left_ms > clock_ms();

		left_end(e, it);
		item_touch(e, it);
		return was;
	}
	it->left_ms = until_ms;
	it->retry_ms = 0;
	left_set(e, key, until_ms);
	item_touch(e, it);
	return true;
}

/* --- events that came before their object was known ----------------------- */

/* Only while something is in hand that may turn out to be meant. */
static bool
is_making(const struct engine *e)
{
	for (size_t i = 0; i < e->systems_n; i++)
		if (e->systems[i].in_hand > 0)
			return true;
	return false;
}

void
stray_keep(struct engine *e, const char *handle, const struct json *event)
{
	struct stray *s;

	if (!is_making(e))
		return;
	if (e->strays == NULL)
		e->strays = xcalloc(STRAYS_MAX, sizeof *e->strays);
	s = &e->strays[e->strays_at];
	e->strays_at = (e->strays_at + 1) % STRAYS_MAX;
	if (e->strays_n < STRAYS_MAX)
		e->strays_n++;
	free(s->handle);
	free(s->event);
	s->handle = xstrdup(handle);
	s->event = json_canonical(event);
}

/* The item has its handle now: what was said of it before is news. */
void
strays_replay(struct engine *e, struct item *it)
{
	size_t at = (e->strays_at + STRAYS_MAX - e->strays_n) % STRAYS_MAX;

	for (size_t i = 0; i < e->strays_n; i++) {
		struct stray *s = &e->strays[(at + i) % STRAYS_MAX];

		if (s->handle == NULL || strcmp(s->handle, it->handle) != 0)
			continue;
		if (it->news == NULL)
			it->news = json_array();
		json_push(it->news, json_must(s->event));
		free(s->handle);
		free(s->event);
		s->handle = s->event = NULL;
	}
}

/* --- bulk looks ----------------------------------------------------------- */

/* One look: a provider and copies of what was observed of some items. */
struct look {
	struct job	 job;
	struct engine	*engine;
	struct system	*system;
	struct observe_item *items;	/* copies */
	size_t		 n, cap;
	struct map	*changed;	/* key -> struct json, or &gone */
	int64_t		 started_ms;	/* wall clock */
	struct err	 err;
	int		 rc;
};
static char gone, mark;

static void
look_changed(void *arg, const char *key, struct json *observed)
{
	struct look *l = arg;

	map_set(l->changed, key, observed != NULL ? (void *)observed : &gone);
}

static void
look_run(struct job *job)
{
	struct look *l = (struct look *)job;

	l->rc = l->system->provider->observe(l->system->ctx, l->items, l->n,
	    look_changed, l, &l->err);
}

static void
look_free(struct look *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free((char *)l->items[i].key);
		free((char *)l->items[i].observed);
	}
	free(l->items);
	map_free(l->changed);
	free(l);
}

/* The pool is gone, and nobody takes over what was seen. */
static void
look_drop(struct job *job)
{
	struct look *l = (struct look *)job;
	void *at, *v;

	for (at = NULL; (v = map_next(l->changed, &at, NULL)) != NULL;)
		if (v != &gone)
			json_free(v);
	look_free(l);
}

void
suspect(struct system *s, const char *key)
{
	map_set(s->suspects, key, &mark);
}

static void
look_take(struct engine *e, struct item *it, struct json *observed)
{
	bool was_settled = it->state == OBJECT_SETTLED || it->awaits;

	/* Which is newer, this or its own result, is not known; what waits for
	 * its ensure is read again by that. */
	if (it->state == OBJECT_BUSY)
		suspect(it->system, it->key);
	if (was_settled) {
		item_set_observed(e, it, observed);
		drift_found(e, it, NULL);
	}
	json_free(observed);
}

/* In a quiet house a look is the only one to notice an outage, or its end. */
static void
look_heard(struct engine *e, const struct look *l)
{
	struct system *s = l->system;

	if (l->rc == 0) {
		system_answer(e, s, true, 0, NULL);
		return;
	}
	log_info("engine", "%s: looking: %s", s->provider->name, l->err.msg);
	system_failed(s, l->err.msg);
	if (l->err.kind == ERR_RETRY)
		system_answer(e, s, false, l->started_ms, l->err.msg);
}

static void
look_done(struct job *job)
{
	struct look *l = (struct look *)job;
	struct engine *e = l->engine;
	struct item *it;
	const char *key;
	void *at, *v;

	store_begin(e->store);
	l->system->observing = false;
	l->system->looks++;
	for (at = NULL; (v = map_next(l->changed, &at, &key)) != NULL;) {
		struct json *form = v == &gone ? NULL : v;

		if ((it = item_find(e, key)) != NULL)
			look_take(e, it, form);
		else
			json_free(form);
	}
	look_heard(e, l);
	if (l->system->observe_again) {
		l->system->observe_again = false;
		observe_system(e, l->system);
	}
	observe_suspects(e, l->system);
	look_free(l);
}

static void
look_add(struct look *l, const struct item *it)
{
	if (l->n == l->cap) {
		l->cap = l->cap == 0 ? 64 : l->cap * 2;
		l->items = xreallocarray(l->items, l->cap, sizeof *l->items);
	}
	l->items[l->n++] = (struct observe_item){ .key = xstrdup(it->key),
	    .observed = xstrdup(it->observed) };
}

static struct look *
look_new(struct engine *e, struct system *s)
{
	struct look *l = xcalloc(1, sizeof *l);

	l->changed = map_new(NULL);
	l->job.run = look_run;
	l->job.done = look_done;
	l->job.drop = look_drop;
	l->engine = e;
	l->system = s;
	l->started_ms = clock_ms();
	return l;
}

/* At nothing: at once. */
static void
look_start(struct look *l)
{
	if (l->n == 0) {
		look_free(l);
		return;
	}
	l->system->observing = true;
	pool_submit(l->system->pool, &l->job);
}

static bool
can_observe(const struct engine *e, const struct system *s)
{
	return !e->draining && s->ctx != NULL && s->provider->observe != NULL;
}

void
observe_system(struct engine *e, struct system *s)
{
	const struct item *it;
	struct look *l;
	const char *key;
	void *at;

	if (!can_observe(e, s))
		return;
	if (s->observing) {
		s->observe_again = true;
		return;
	}
	l = look_new(e, s);
	for (at = NULL; (it = map_next(e->items, &at, &key)) != NULL;)
		if (it->system == s && it->observed != NULL)
			look_add(l, it);
	look_start(l);
}

void
observe_suspects(struct engine *e, struct system *s)
{
	struct map *busy;
	const struct item *it;
	struct look *l;
	const char *key;
	void *at;

	if (map_size(s->suspects) == 0 || s->observing || !can_observe(e, s))
		return;
	l = look_new(e, s);
	busy = map_new(NULL);
	for (at = NULL; map_next(s->suspects, &at, &key) != NULL;) {
		it = item_find(e, key);
		if (it == NULL || it->system != s)
			continue;
		if (it->state == OBJECT_BUSY)
			map_set(busy, key, &mark);
		else if (it->observed != NULL)
			look_add(l, it);
	}
	map_free(s->suspects);
	s->suspects = busy;
	look_start(l);
}

void
observe_start(struct engine *e)
{
	for (size_t i = 0; i < e->systems_n; i++)
		if (!e->systems[i].observing)
			observe_system(e, &e->systems[i]);
}
