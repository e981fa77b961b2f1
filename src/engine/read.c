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

void
engine_objects(const struct engine *e, const char *owner,
    void (*cb)(void *, const struct object_view *), void *arg)
{
	const struct owner *o;
	struct object_view v;
	struct item **list, *it;
	size_t n = 0;
	const char *key;
	void *at;

	list = xcalloc(map_size(e->items) + 1, sizeof(struct item *));
	if (owner == NULL) {
		for (at = NULL; (it = map_next(e->items, &at, &key)) != NULL;)
			list[n++] = it;
	} else if ((o = map_find(e->owners, owner)) != NULL && o->n > 0) {
		memcpy(list, o->items, o->n * sizeof *list);
		n = o->n;
	}
	qsort(list, n, sizeof *list, item_cmp);
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

const char *
engine_phase(const struct engine *e, const struct resource *r, char *why,
    size_t whysize)
{
	char *name = xasprintf("%s/%s", r->kind->name, r->name);
	const struct owner *o = map_find(e->owners, name);
	const struct item *bad = NULL;
	size_t settled = 0, n = o != NULL ? o->n : 0;

	free(name);
	if (why != NULL && whysize > 0)
		why[0] = '\0';
	for (size_t i = 0; i < n; i++) {
		const struct item *it = o->items[i];

		settled += it->state == OBJECT_SETTLED;
		if (it->error != NULL && (bad == NULL ||
		    it->state == OBJECT_FAILED))
			bad = it;
	}
	if (bad != NULL && why != NULL)
		snprintf(why, whysize, "%s: %s", bad->key, bad->error);
	if (r->deleting || resources_find(e->resources, r->kind, r->name) ==
	    NULL)
		return "Deleting";
	if (settled == n)
		return "Ready";
	if (bad != NULL && bad->state == OBJECT_FAILED)
		return settled > 0 ? "Degraded" : "Failed";
	return settled > 0 ? "Updating" : "Pending";
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

		if (s->ctx != NULL)
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
