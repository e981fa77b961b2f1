/*
 * Runs: one execution of a plan, on behalf of somebody.  A run waits for the
 * items of its plan; it ends when each is settled or failed in a way that
 * retrying cannot mend, or after run_limit_ms, while the engine goes on.  It
 * is in the store from start to end, so a restart goes on reporting.
 */
#include "engine-int.h"

#include <stdlib.h>
#include <string.h>

#include "hiclaw/clock.h"
#include "hiclaw/fault.h"
#include "hiclaw/log.h"

static char mark;		/* any pointer: the maps are used as sets */

static void
run_free(struct run *r)
{
	free(r->actor);
	free(r->room);
	free(r->command_event);
	free(r->title);
	free(r->hash);
	free(r->resources);
	map_free(r->open);
	map_free(r->troubled);
	free(r);
}

void
runs_free(struct engine *e)
{
	struct run *r;

	while ((r = e->runs) != NULL) {
		e->runs = r->next;
		run_free(r);
	}
}

static struct run *
run_new(struct engine *e)
{
	struct run *r = xcalloc(1, sizeof *r), **at = &e->runs;

	r->open = map_new(NULL);
	r->troubled = map_new(NULL);
	while (*at != NULL)
		at = &(*at)->next;
	*at = r;
	return r;
}

/* How far that one is, in the caller's memory. */
static void
run_progress(const struct engine *e, const struct item *it, struct run_view *v)
{
	pthread_mutex_t *lock = (pthread_mutex_t *)(uintptr_t)&e->said_lock;

	pthread_mutex_lock(lock);
	str_copy(v->progress, it->said, sizeof v->progress);
	pthread_mutex_unlock(lock);
}

/* Nothing of it is in hand: what else does it wait for?  Not for what waits for
 * others. */
static void
run_waits(const struct item *it, struct run_view *v)
{
	if (v->current != NULL || it->error == NULL ||
	    (it->state != OBJECT_BACKOFF && !it->awaits))
		return;
	v->current = it->key;
	str_copy(v->progress, it->error, sizeof v->progress);
}

static void
run_view(const struct engine *e, const struct run *r, struct run_view *v)
{
	struct item *it;
	const char *key;
	void *at;

	memset(v, 0, sizeof *v);
	v->engine = e;
	v->id = r->id;
	v->actor = r->actor;
	v->room = r->room;
	v->command_event = r->command_event;
	v->title = r->title;
	v->plan_hash = r->hash;
	v->resources = r->resources;
	v->live_message = r->live_message;
	v->started_ms = r->started_ms;
	v->total = r->total;
	v->failed = map_size(r->troubled);
	v->settled = r->total - map_size(r->open);
	v->creates = r->creates;
	v->updates = r->updates;
	v->deletes = r->deletes;
	v->over = r->over;
	v->timed_out = r->timed_out;
	for (at = NULL; map_next(r->open, &at, &key) != NULL;) {
		if ((it = item_find(e, key)) == NULL)
			continue;
		if (it->state == OBJECT_BUSY) {
			v->current = it->key;
			run_progress(e, it, v);
			break;
		}
		run_waits(it, v);
	}
}

void
run_troubles(const struct run_view *v, size_t max,
    void (*cb)(void *, const char *key, const char *error), void *arg)
{
	const struct run *r;
	const char *key;
	void *at;

	for (r = v->engine->runs; r != NULL && r->id != v->id; r = r->next)
		;
	if (r == NULL)
		return;
	for (at = NULL; max > 0 && map_next(r->open, &at, &key) != NULL;) {
		const struct item *it = item_find(v->engine, key);

		if (it == NULL)
			continue;
		cb(arg, key, it->error != NULL ? it->error : "still trying");
		max--;
	}
}

static void
run_tell(struct engine *e, struct run *r)
{
	struct run_view v;

	run_view(e, r, &v);
	TELL(e, run, &v);
	r->told_ms = clock_mono_ms();
	r->changed = false;
}

/* Settled, failed or out of time: the run's last word. */
static void
run_end(struct engine *e, struct run *r, bool timed_out)
{
	bool failed = map_size(r->open) > 0;

	store_begin(e->store);
	fault("run.before-finish");
	r->over = true;
	r->timed_out = timed_out;
	log_info("run", "%lld: %s after %lld ms: %zu objects, %zu in trouble",
	    (long long)r->id, failed ? "failed" : "done",
	    (long long)(clock_ms() - r->started_ms), r->total,
	    map_size(r->open));
	run_tell(e, r);
	store_run_end(e->store, r->id, failed ? "failed" : "done");
	fault("run.after-finish");
}

static bool
run_is_finished(const struct run *r)
{
	return map_size(r->open) == map_size(r->troubled);
}

/* Made, and it ends again and again: nobody who waits is helped by waiting on. */
static bool
is_hopeless(const struct item *it)
{
	return it->state == OBJECT_BACKOFF && it->kind->pauses_s != NULL &&
	    it->fights > 0;
}

void
runs_item(struct engine *e, struct item *it)
{
	for (struct run *r = e->runs; r != NULL; r = r->next) {
		if (r->over || map_find(r->open, it->key) == NULL)
			continue;
		r->changed = true;
		if (it->state == OBJECT_FAILED || is_hopeless(it)) {
			map_set(r->troubled, it->key, &mark);
			continue;
		}
		if (it->state != OBJECT_BUSY)
			map_remove(r->troubled, it->key);
		if (it->state == OBJECT_SETTLED ||
		    (it->awaits && it->kind->is_elsewhere))
			map_remove(r->open, it->key);
	}
}

void
runs_item_gone(struct engine *e, const char *key)
{
	for (struct run *r = e->runs; r != NULL; r = r->next)
		if (!r->over && map_remove(r->open, key)) {
			map_remove(r->troubled, key);
			r->changed = true;
		}
}

/*
 * A word every live_interval at first, then ever less often: a run of minutes
 * is not watched by the second, and each edit costs the homeserver a message.
 */
static int64_t
tell_interval_ms(const struct engine *e, const struct run *r)
{
	int64_t part = (clock_ms() - r->started_ms) / 5;

	return part > e->cfg.live_interval_ms ? part : e->cfg.live_interval_ms;
}

/* Once per turn: end what is finished, tell the others at a bounded rate. */
void
runs_tick(struct engine *e)
{
	struct run *r, **at = &e->runs;
	int64_t now = clock_mono_ms();
	bool has_said = atomic_exchange(&e->has_said, false);

	for (r = e->runs; r != NULL; r = r->next) {
		r->changed |= has_said;
		if (r->over)
			continue;
		if (run_is_finished(r))
			run_end(e, r, false);
		else if (now >= r->deadline_ms && e->frozen == NULL)
			run_end(e, r, true);
		else if (r->changed &&
		    now - r->told_ms >= tell_interval_ms(e, r)) {
			store_begin(e->store);
			run_tell(e, r);
		}
	}
	while ((r = *at) != NULL) {
		if (r->over) {
			*at = r->next;
			run_free(r);
		} else
			at = &r->next;
	}
}

void
runs_extend(struct engine *e)
{
	int64_t until = clock_mono_ms() + e->cfg.run_limit_ms;

	for (struct run *r = e->runs; r != NULL; r = r->next)
		if (r->deadline_ms < until)
			r->deadline_ms = until;
}

/*
 * {"total","creates","updates","deletes","keys":[...]}: what is still open, so
 * that a restart knows both the whole and the rest.
 */
static char *
run_objects(const struct run *r)
{
	struct json *o = json_object(), *keys = json_array();
	const char *key;
	char *text;
	void *at;

	for (at = NULL; map_next(r->open, &at, &key) != NULL;)
		json_push_str(keys, key);
	json_set_int(o, "total", (int64_t)r->total);
	json_set_int(o, "creates", (int64_t)r->creates);
	json_set_int(o, "updates", (int64_t)r->updates);
	json_set_int(o, "deletes", (int64_t)r->deletes);
	json_set(o, "keys", keys);
	text = json_canonical(o);
	json_free(o);
	return text;
}

/*
 * Is the run to wait for this item of its plan?  What was unfinished before and
 * has nothing to do with the request is not its affair; when nothing else was
 * asked for, asking again means trying again, now.
 */
static void
run_take(struct engine *e, struct run *r, const struct plan *plan,
    struct item *it)
{
	bool is_new;

	if (it == NULL || it->state == OBJECT_SETTLED)
		return;
	is_new = it->asked_for;
	it->asked_for = false;
	if (!is_new && plan->resources_n > 0) {
		r->total--;
		return;
	}
	if (!is_new) {
		left_end(e, it);
		it->retry_ms = 0;
		item_touch(e, it);
	}
	map_set(r->open, it->key, &mark);
	if (is_new && it->state == OBJECT_FAILED)
		map_set(r->troubled, it->key, &mark);
}

int64_t
run_start(struct engine *e, const struct plan *plan,
    const struct run_request *q)
{
	struct run *r = run_new(e);
	struct run_row row = { 0 };
	char *objects;

	fault("run.before-start");
	r->actor = xstrdup(q->actor);
	r->room = xstrdup(q->room);
	r->command_event = xstrdup(q->command_event);
	r->title = xstrdup(q->title);
	r->resources = xstrdup(q->resources);
	r->hash = xstrdup(plan->hash);
	r->started_ms = clock_ms();
	r->deadline_ms = clock_mono_ms() + e->cfg.run_limit_ms;
	r->creates = plan->creates;
	r->updates = plan->updates;
	r->deletes = plan->deletes;
	r->total = plan->steps_n;
	for (size_t i = 0; i < plan->steps_n; i++)
		run_take(e, r, plan, item_find(e, plan->steps[i].key));
	r->changed = true;
	row.actor = r->actor;
	row.room = r->room;
	row.command_event = r->command_event;
	row.title = r->title;
	row.plan_hash = r->hash;
	row.resources = r->resources;
	row.objects = objects = run_objects(r);
	row.state = "running";
	row.started_ms = r->started_ms;
	r->id = store_run_add(e->store, &row);
	free(objects);
	fault("run.after-start");
	return r->id;
}

int64_t
run_now(struct engine *e, const struct run_request *q, struct plan **plan)
{
	struct plan *made = engine_plan_now(e);
	int64_t run;

	engine_sync(e);
	run = run_start(e, made, q);
	if (plan != NULL)
		*plan = made;
	else
		plan_free(made);
	return run;
}

static void
run_load(const struct run_row *row, void *arg)
{
	struct engine *e = arg;
	struct run *r = run_new(e);
	struct json *o;
	const struct json *k;
	struct err err;

	r->id = row->id;
	r->actor = xstrdup(row->actor);
	r->room = xstrdup(row->room);
	r->command_event = xstrdup(row->command_event);
	r->title = xstrdup(row->title);
	r->hash = xstrdup(row->plan_hash);
	r->resources = xstrdup(row->resources);
	r->live_message = row->live_message;
	r->started_ms = row->started_ms;
	r->deadline_ms = clock_mono_ms() + e->cfg.run_limit_ms;
	r->changed = true;
	o = json_parse(row->objects, strlen(row->objects), &err);
	r->total = (size_t)json_int(o, "total", 0);
	r->creates = (size_t)json_int(o, "creates", 0);
	r->updates = (size_t)json_int(o, "updates", 0);
	r->deletes = (size_t)json_int(o, "deletes", 0);
	for (k = json_first(json_get(o, "keys")); k != NULL; k = json_next(k))
		if (json_value_str(k) != NULL &&
		    item_find(e, json_value_str(k)) != NULL)
			map_set(r->open, json_value_str(k), &mark);
	json_free(o);
}

/* After the items: what was running when we stopped goes on. */
void
runs_load(struct engine *e)
{
	store_runs_each(e->store, true, 0, run_load, e);
}

void
engine_run_live(struct engine *e, int64_t id, int64_t outbox_id)
{
	for (struct run *r = e->runs; r != NULL; r = r->next)
		if (r->id == id) {
			r->live_message = outbox_id;
			store_run_live(e->store, id, outbox_id);
		}
}
