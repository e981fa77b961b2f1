/* What others may ask the engine: counts, objects, phases, systems. */
#include "engine-int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
engine_counts(const struct engine *e, struct engine_counts *c)
{
	const struct item *it;
	const char *key;
	void *at;

	memset(c, 0, sizeof *c);
	for (at = NULL; (it = map_next(e->items, &at, &key)) != NULL;) {
		c->objects++;
		switch (it->state) {
		case OBJECT_SETTLED:	c->settled++; break;
		case OBJECT_BUSY:
		case OBJECT_DIRTY:	c->busy++; break;
		case OBJECT_WAITING:	c->waiting++; break;
		case OBJECT_BACKOFF:	c->backoff++; break;
		case OBJECT_FAILED:	c->failed++; break;
		case OBJECT_REMOVING:	c->removing++; break;
		}
	}
	for (const struct run *r = e->runs; r != NULL; r = r->next)
		c->runs++;
	c->ensures = e->ensures;
	c->repairs = e->repairs;
}

bool
engine_object(const struct engine *e, const char *key, struct object_view *v)
{
	const struct item *it = item_find(e, key);

	if (it != NULL)
		item_view(it, v);
	return it != NULL;
}

static int
item_cmp(const void *a, const void *b)
{
	return strcmp((*(struct item *const *)a)->key,
	    (*(struct item *const *)b)->key);
}

/* A copy: what is called for each may change the engine; yours. */
static struct item **
items_of(const struct engine *e, const char *owner, size_t *n)
{
	const struct owner *o = owner != NULL ? map_find(e->owners, owner) :
	    NULL;
	struct item *const *v = o != NULL ? o->items : NULL;
	struct item **list;

	*n = o != NULL ? o->n : 0;
	if (owner == NULL)
		v = items_in_order(e, n);
	list = xcalloc(*n + 1, sizeof(struct item *));
	if (*n > 0)
		memcpy(list, v, *n * sizeof *list);
	if (owner != NULL)
		qsort(list, *n, sizeof *list, item_cmp);
	return list;
}

void
engine_objects(const struct engine *e, const char *owner,
    void (*cb)(void *, const struct object_view *), void *arg)
{
	struct object_view v;
	struct item **list;
	size_t n;

	list = items_of(e, owner, &n);
	for (size_t i = 0; i < n; i++) {
		item_view(list[i], &v);
		cb(arg, &v);
	}
	free(list);
}

const char *
engine_observed(const struct engine *e, const char *key, const char *field)
{
	struct item *it = item_find(e, key);
	struct json *observed;
	struct err err;

	if (it == NULL || it->observed == NULL)
		return NULL;
	observed = json_parse(it->observed, strlen(it->observed), &err);
	free(it->lent);
	it->lent = xstrdup(json_str(observed, field));
	json_free(observed);
	return it->lent;
}

const char *
engine_find(const struct engine *e, const char *handle)
{
	const struct item *it = map_find(e->handles, handle);

	return it != NULL ? it->key : NULL;
}

/* --- phases ---------------------------------------------------------------- */

/* What runs an agent is what may wait for what it is for. */
static bool
is_runner(const struct item *it)
{
	return it->kind != NULL && it->kind->awaits != NULL;
}

static bool
form_says(const char *form, const char *field, const char *value)
{
	struct err err;
	struct json *o = form == NULL ? NULL :
	    json_parse(form, strlen(form), &err);
	bool says = str_equal(json_str(o, field), value);

	json_free(o);
	return says;
}

/* It ends again and again, and waits for the next try. */
static bool
is_crashing(const struct item *it)
{
	if (it->kind == NULL || it->kind->pauses_s == NULL)
		return false;
	return it->state == OBJECT_BACKOFF ? it->repairs > 0 :
	    it->state != OBJECT_SETTLED && it->state != OBJECT_FAILED &&
	    it->fights > 0;
}

static const char *
runner_phase(const struct item *it)
{
	if (it->desired == NULL)
		return it->state == OBJECT_FAILED ? "Failed" : "Stopping";
	if (is_crashing(it))
		return "CrashLoop";
	if (it->awaits)
		return it->kind->is_elsewhere ? "Waiting" : "Starting";
	switch (it->state) {
	case OBJECT_SETTLED:
		return form_says(it->observed, "state", "stopped") ?
		    "Sleeping" : "Ready";
	case OBJECT_FAILED:
		return "Failed";
	default:
		return it->observed != NULL ? "Updating" : "Pending";
	}
}

static const struct item *
runner_find(const struct engine *e, const char *agent)
{
	static const char *const kinds_that_run[] = { "container", "remote" };
	const struct item *it = NULL;

	for (size_t i = 0; i < NELEM(kinds_that_run) && it == NULL; i++) {
		char *key = xasprintf("%s:%s", kinds_that_run[i], agent);

		it = item_find(e, key);
		free(key);
	}
	return it;
}

/* How the objects of one resource stand. */
struct standing {
	size_t		 n, settled, awaits, runners;
	const struct item *bad;		/* the one to name */
	const struct item *runner;	/* of the last agent */
	bool		 has_crashes;
};

static void
standing_add(struct standing *st, const struct item *it)
{
	st->n++;
	st->settled += it->state == OBJECT_SETTLED;
	st->awaits += it->awaits;
	if (is_runner(it)) {
		st->runners++;
		st->runner = it;
		st->has_crashes |= is_crashing(it);
	}
	/* What waits for another one is named only if nothing else is. */
	if (it->error != NULL && (st->bad == NULL ||
	    it->state == OBJECT_FAILED || (st->bad->state == OBJECT_WAITING &&
	    it->state != OBJECT_WAITING)))
		st->bad = it;
}

/* All its objects are in place: what do they do? */
static const char *
phase_at_rest(const struct resource *r, const struct standing *st)
{
	if (strcmp(r->kind->name, "Worker") != 0 &&
	    strcmp(r->kind->name, "Manager") != 0)
		return "Ready";
	if (st->runners == 1)
		return runner_phase(st->runner);
	return str_equal(json_str(r->spec, "state"), "Stopped") ? "Stopped" :
	    "Ready";
}

static const char *
phase_of(const struct resource *r, const struct standing *st)
{
	if (st->settled == st->n)
		return phase_at_rest(r, st);
	if (st->bad != NULL && st->bad->state == OBJECT_FAILED)
		return st->settled > 0 ? "Degraded" : "Failed";
	if (st->has_crashes)
		return st->runners == 1 ? "CrashLoop" : "Degraded";
	if (st->settled + st->awaits == st->n)
		return st->runners == 1 ? runner_phase(st->runner) :
		    "Starting";
	return st->settled > 0 ? "Updating" : "Pending";
}

static void
say_why(const struct item *bad, char *why, size_t whysize)
{
	if (why != NULL && whysize > 0)
		why[0] = '\0';
	if (bad != NULL && why != NULL)
		snprintf(why, whysize, "%s: %s", bad->key, bad->error);
}

const char *
engine_phase(const struct engine *e, const struct resource *r, char *why,
    size_t whysize)
{
	char *name = xasprintf("%s/%s", r->kind->name, r->name);
	const struct owner *o = map_find(e->owners, name);
	struct standing st = { 0 };

	free(name);
	for (size_t i = 0; o != NULL && i < o->n; i++)
		standing_add(&st, o->items[i]);
	say_why(st.bad, why, whysize);
	if (r->deleting || resources_find(e->resources, r->kind, r->name) ==
	    NULL)
		return "Deleting";
	return phase_of(r, &st);
}

const char *
engine_agent_phase(const struct engine *e, const struct resource *r,
    const char *agent, const struct json *spec, char *why, size_t whysize)
{
	const struct item *it = runner_find(e, agent);

	/* Of one alone all that it has counts. */
	if (strcmp(r->kind->name, "Team") != 0)
		return engine_phase(e, r, why, whysize);
	if (it == NULL && str_equal(json_str(spec, "state"), "Stopped")) {
		say_why(NULL, why, whysize);
		return "Stopped";
	}
	if (it == NULL || r->deleting)
		return engine_phase(e, r, why, whysize);
	say_why(it->error != NULL ? it : NULL, why, whysize);
	return runner_phase(it);
}

bool
engine_runner(const struct engine *e, const char *agent,
    struct object_view *v)
{
	const struct item *it = runner_find(e, agent);

	if (it != NULL)
		item_view(it, v);
	return it != NULL;
}

void
engine_systems(const struct engine *e,
    void (*cb)(void *, const struct system_view *), void *arg)
{
	for (size_t i = 0; i < e->systems_n; i++) {
		const struct system *s = &e->systems[i];
		struct system_view v = {
			.name = s->provider->name, .is_up = s->is_up,
			.since_ms = s->down_since_ms, .why = s->why,
			.in_flight = s->in_hand,
			.latency_ms = s->latency_ms,
			.jobs = s->jobs, .looks = s->looks,
			.last_error = s->last_error,
			.last_error_ms = s->last_error_ms,
		};

		if (s->ctx != NULL && !s->provider->is_inside)
			cb(arg, &v);
	}
}

char *
engine_secret(struct engine *e, const char *key, const char *name)
{
	char *full = xasprintf("%s/%s", key, name);
	char *secret = store_secret_get(e->store, full);

	free(full);
	return secret;
}

void
engine_secret_forget(struct engine *e, const char *key, const char *name)
{
	char *full = xasprintf("%s/%s", key, name);

	store_begin(e->store);
	store_secret_remove(e->store, full);
	free(full);
}
