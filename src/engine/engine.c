/*
 * The engine's life and its decisions: load, plan, apply, take in news.  See
 * engine-int.h for the parts; sync.c has the world beside the items, item.c decides
 * where an item stands, queue.c puts items in hands, runs.c follows a plan, drift.c
 * puts right what others did.
 */
#include "engine-int.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "hiclaw/clock.h"
#include "hiclaw/fault.h"
#include "hiclaw/log.h"

#define TICK_MS		250	/* back-offs, run deadlines, live messages */
#define DMS_KEY		"engine.dms"

static void	tick(void *);

/* --- life ----------------------------------------------------------------- */

static void
load_resource(const struct resource_row *row, void *arg)
{
	struct engine *e = arg;
	const struct kind *kind = kind_find(row->kind);
	struct resource *r;
	struct err err;
	struct json *metadata, *spec;

	metadata = json_parse(row->metadata, strlen(row->metadata), &err);
	spec = json_parse(row->spec, strlen(row->spec), &err);
	if (kind == NULL || metadata == NULL || spec == NULL) {
		log_error("engine", "%s/%s in the database is not readable",
		    row->kind, row->name);
		json_free(metadata);
		json_free(spec);
		return;
	}
	r = resource_new(kind, metadata, spec);
	r->generation = row->generation;
	r->revision = row->revision;
	r->created_ms = row->created_ms;
	r->updated_ms = row->updated_ms;
	r->deleting = row->deleting;
	resources_put(r->deleting ? e->deleting : e->resources, r);
	resource_unref(r);
}

struct loaded { struct engine *e; struct strv keys, deps; };

static void
load_object(const struct object_row *row, void *arg)
{
	struct loaded *l = arg;
	struct item *it = item_add(l->e, row->key, row->owner);

	it->desired = row->desired != NULL ? shared_new(row->desired) : NULL;
	it->observed = xstrdup(row->observed);
	it->was_tried = it->unanswered = true;	/* perhaps, and we died */
	strv_add(&l->keys, row->key);
	strv_add(&l->deps, row->deps);
}

static void
load_handle(struct engine *e, struct item *it)
{
	struct json *observed;
	const char *handle;
	struct err err;

	if (it->observed == NULL || it->kind == NULL ||
	    it->kind->handle == NULL)
		return;
	observed = json_parse(it->observed, strlen(it->observed), &err);
	if ((handle = it->kind->handle(observed)) != NULL) {
		it->handle = xstrdup(handle);
		map_set(e->handles, handle, it);
	}
	json_free(observed);
}

static void
load_objects(struct engine *e)
{
	struct loaded l = { e, { 0 }, { 0 } };
	struct strv deps = { 0 };
	struct item *it;

	store_objects_each(e->store, load_object, &l);
	for (size_t i = 0; i < l.keys.n; i++) {
		it = item_find(e, l.keys.v[i]);
		strv_split(&deps, l.deps.v[i], '\n');
		item_set_deps(e, it, it->desired ? it->desired : "", &deps);
		strv_release(&deps);
		load_handle(e, it);
		item_touch(e, it);
	}
	strv_release(&l.keys);
	strv_release(&l.deps);
}

struct json *
kept_load(struct engine *e, const char *key)
{
	char *text = store_kv_get(e->store, key);
	struct json *kept = NULL;
	struct err err;

	if (text != NULL)
		kept = json_parse(text, strlen(text), &err);
	free(text);
	return kept != NULL ? kept : json_object();
}

void
kept_save(struct engine *e, const char *key, const struct json *kept)
{
	char *text = json_canonical(kept);

	e->inputs++;
	store_begin(e->store);
	store_kv_set(e->store, key, text);
	free(text);
}

static void
load_dms(struct engine *e)
{
	char *text = store_kv_get(e->store, DMS_KEY);

	if (text != NULL)
		strv_split(&e->dms, text, '\n');
	free(text);
	e->cfg.world.dms = &e->dms;
}

struct engine *
engine_new(struct loop *loop, struct store *store,
    const struct engine_config *cfg, struct err *err)
{
	struct engine *e = xcalloc(1, sizeof *e);

	e->loop = loop;
	e->store = store;
	e->cfg = *cfg;
	e->resources = resources_new();
	e->memo = world_memo_new();
	e->order = xcalloc(1, sizeof *e->order);
	e->deleting = resources_new();
	e->items = map_new(item_free);
	e->owners = map_new(NULL);
	e->handles = map_new(NULL);
	e->check = map_new(NULL);
	pthread_mutex_init(&e->said_lock, NULL);
	if (systems_open(e, err) == -1) {
		engine_free(e);
		return NULL;
	}
	load_dms(e);
	rotations_load(e);
	restarts_load(e);
	store_resources_each(store, load_resource, e);
	load_objects(e);
	left_load(e);
	runs_load(e);
	e->timer = timer_new(loop, tick, e);
	return e;
}

void
engine_observe(struct engine *e, const struct engine_observer *obs)
{
	assert(e->obs_n < OBSERVERS_MAX);
	e->obs[e->obs_n++] = *obs;
}

void
engine_free(struct engine *e)
{
	struct owner *o;
	const char *key;
	void *at;

	if (e == NULL)
		return;
	watches_close(e);
	systems_close(e);
	batches_free(e);
	timer_free(e->timer);
	timer_free(e->rotation_timer);
	timer_free(e->period_timer);
	planned_forget(e);
	world_memo_free(e->memo);
	json_free(e->rotations);
	json_free(e->restarts);
	json_free(e->left);
	pthread_mutex_destroy(&e->said_lock);
	runs_free(e);
	map_free(e->items);
	free(e->order->v);
	free(e->order);
	for (at = NULL; (o = map_next(e->owners, &at, &key)) != NULL;) {
		free(o->name);
		free(o->items);
		free(o);
	}
	map_free(e->owners);
	map_free(e->handles);
	map_free(e->check);
	for (size_t i = 0; i < e->strays_n; i++) {
		free(e->strays[i].handle);
		free(e->strays[i].event);
	}
	free(e->strays);
	free(e->frozen);
	strv_release(&e->dms);
	resources_free(e->resources);
	resources_free(e->deleting);
	free(e);
}

static void
tick(void *arg)
{
	struct engine *e = arg;

	e->ticking = false;
	queue_tick(e);
}

void
engine_start(struct engine *e)
{
	e->started = true;
	/* What the program itself declares may have changed with its version. */
	store_begin(e->store);
	period_begin(e);
	engine_sync(e);
	rotations_arm(e);
	watches_start(e);
}

void
engine_drain(struct engine *e)
{
	e->draining = true;
}

void
engine_freeze(struct engine *e, const char *why)
{
	bool was = e->frozen != NULL;

	if (e->frozen != why) {
		free(e->frozen);
		e->frozen = xstrdup(why);
	}
	if (why != NULL) {
		log_warn("engine", "%s", why);
		return;
	}
	if (!was)
		return;
	log_info("engine", "no longer frozen");
	store_begin(e->store);
	runs_extend(e);
	if (e->started)
		engine_resync(e);
}

const char *
engine_frozen(const struct engine *e)
{
	return e->frozen;
}

bool
engine_is_idle(const struct engine *e)
{
	for (size_t i = 0; i < e->systems_n; i++)
		if (e->systems[i].in_hand > 0 || e->systems[i].observing)
			return false;
	return true;
}

void
engine_before_commit(struct engine *e)
{
	planned_forget(e);
	items_check(e);
	if (e->started)
		runs_tick(e);
	queue_select(e);
	/* Time matters only while something rests or is reported on. */
	if (e->started && !e->ticking && (e->resting > 0 || e->runs != NULL)) {
		e->ticking = true;
		timer_arm(e->timer, TICK_MS);
	}
}

void
engine_after_commit(struct engine *e)
{
	queue_submit(e);
}

/* --- deciding ------------------------------------------------------------- */

const struct resources *
engine_resources(const struct engine *e)
{
	return e->resources;
}

uint64_t
engine_version(const struct engine *e)
{
	return e->version;
}

const struct world_config *
engine_world_config(const struct engine *e)
{
	return &e->cfg.world;
}

/* Write a resource as it is from now on; gives it generation and revision. */
static void
put_resource(struct engine *e, struct resource *r, const char *actor)
{
	struct resource_row row = { 0 };
	char *metadata = json_canonical(r->metadata);
	char *spec = json_canonical(r->spec);

	row.kind = r->kind->name;
	row.name = r->name;
	row.metadata = metadata;
	row.spec = spec;
	row.generation = r->generation;
	row.created_ms = r->created_ms;
	row.updated_ms = r->updated_ms;
	row.deleting = r->deleting;
	r->revision = store_resource_put(e->store, &row, actor);
	free(metadata);
	free(spec);
}

static void
declare(struct engine *e, struct resource *r, const char *actor)
{
	const struct resource *old;

	old = resources_find(e->resources, r->kind, r->name);
	if (old == r)
		return;
	if (old != NULL && json_equal(old->spec, r->spec) &&
	    json_equal(old->metadata, r->metadata)) {
		r->generation = old->generation;
		r->revision = old->revision;
		r->created_ms = old->created_ms;
		r->updated_ms = old->updated_ms;
		return;
	}
	r->updated_ms = clock_ms();
	r->created_ms = old != NULL ? old->created_ms : r->updated_ms;
	r->generation = old == NULL ? 1 :
	    old->generation + !json_equal(old->spec, r->spec);
	put_resource(e, r, actor);
	resources_remove(e->deleting, r->kind, r->name);
}

static void
undeclare(struct engine *e, struct resource *r, const char *actor)
{
	r->deleting = true;
	put_resource(e, r, actor);
	resources_put(e->deleting, r);
}

/* A deleted resource that never had an object outside is gone at once. */
static void
bury_empty(struct engine *e)
{
	for (size_t i = resources_n(e->deleting); i-- > 0;) {
		struct resource *r = resources_at(e->deleting, i);
		char *name = xasprintf("%s/%s", r->kind->name, r->name);
		struct owner *o = map_find(e->owners, name);

		if (o == NULL || o->n == 0) {
			store_resource_remove(e->store, r->kind->name, r->name,
			    "controller");
			TELL(e, resource_gone, r->kind->name, r->name);
			resources_remove(e->deleting, r->kind, r->name);
		}
		free(name);
	}
}

int64_t
engine_apply(struct engine *e, const struct plan *plan,
    const struct resources *after, const struct run_request *q)
{
	struct resources *copy = resources_copy(after);

	store_begin(e->store);
	for (size_t i = 0; i < resources_n(copy); i++)
		declare(e, resources_at(copy, i), q->actor);
	for (size_t i = 0; i < resources_n(e->resources); i++) {
		struct resource *r = resources_at(e->resources, i);

		if (resources_find(copy, r->kind, r->name) == NULL)
			undeclare(e, r, q->actor);
	}
	resources_free(e->resources);
	e->resources = copy;
	e->version++;
	engine_sync(e);
	bury_empty(e);
	if (plan->steps_n == 0 && plan->resources_n == 0)
		return 0;
	return run_start(e, plan, q);
}

const char *
engine_dm(struct engine *e, const char *user)
{
	char *key = xasprintf("room:dm/%s", user), *text;
	struct item *it;

	if (strv_add_unique(&e->dms, user)) {
		e->inputs++;
		store_begin(e->store);
		text = strv_join(&e->dms, "\n");
		store_kv_set(e->store, DMS_KEY, text);
		free(text);
		engine_sync(e);
	}
	it = item_find(e, key);
	free(key);
	return it != NULL ? it->key : NULL;
}

void
engine_dms_restore(struct store *store, const struct strv *users)
{
	char *text = strv_join(users, "\n");

	store_kv_set(store, DMS_KEY, text);
	free(text);
}

/* --- news ----------------------------------------------------------------- */

void
engine_event(struct engine *e, const char *handle, const struct json *event)
{
	struct item *it = map_find(e->handles, handle);

	store_begin(e->store);
	if (it == NULL)
		stray_keep(e, handle, event);
	else
		item_absorb(e, it, event);
}

bool
engine_edit(struct engine *e, const char *key,
    bool (*edit)(struct json *observed, void *arg), void *arg)
{
	struct item *it = item_find(e, key);
	struct json *observed;
	bool changed;
	struct err err;

	if (it == NULL || it->observed == NULL || it->state == OBJECT_BUSY)
		return false;
	observed = json_parse(it->observed, strlen(it->observed), &err);
	if ((changed = edit(observed, arg))) {
		store_begin(e->store);
		item_set_observed(e, it, observed);
		it->retry_ms = 0;
		item_touch(e, it);
	}
	json_free(observed);
	return changed;
}

void
engine_resync(struct engine *e)
{
	observe_start(e);
}

void
engine_system(struct engine *e, const char *provider, bool is_up,
    const char *why)
{
	for (size_t i = 0; i < e->systems_n; i++)
		if (strcmp(e->systems[i].provider->name, provider) == 0) {
			store_begin(e->store);
			system_answer(e, &e->systems[i], is_up,
			    clock_ms(), why);
		}
}
