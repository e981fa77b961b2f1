/*
 * The world beside the items: what a plan shows and what makes it so are the same
 * walk over both, in order of keys.  It goes over all there is, for each change of
 * anything, so nothing in it looks anything up.
 */
#include "engine-int.h"

#include <stdlib.h>
#include <string.h>

/* --- items in order of keys ------------------------------------------------ */

static int
item_cmp(const void *a, const void *b)
{
	return strcmp((*(struct item *const *)a)->key,
	    (*(struct item *const *)b)->key);
}

static void
order_push(struct order *o, struct item *it)
{
	if (o->n == o->cap) {
		o->cap = o->cap == 0 ? 64 : o->cap * 2;
		o->v = xreallocarray(o->v, o->cap, sizeof *o->v);
	}
	o->v[o->n++] = it;
}

void
order_add(struct order *o, struct item *it)
{
	if (!o->is_stale)
		order_push(o, it);
}

void
order_drop(struct order *o)
{
	o->is_stale = true;
	o->n = o->sorted = 0;
}

/* What was added goes between what is in order, from the last one on. */
static void
order_merge(struct order *o)
{
	size_t i = o->sorted, at = o->n, n = o->n - o->sorted;
	struct item **added;

	if (n == 0)
		return;
	added = xreallocarray(NULL, n, sizeof *added);
	memcpy(added, o->v + i, n * sizeof *added);
	qsort(added, n, sizeof *added, item_cmp);
	while (n > 0)
		if (i > 0 && item_cmp(&o->v[i - 1], &added[n - 1]) > 0)
			o->v[--at] = o->v[--i];
		else
			o->v[--at] = added[--n];
	o->sorted = o->n;
	free(added);
}

struct item *const *
items_in_order(const struct engine *e, size_t *n)
{
	struct order *o = e->order;
	struct item *it;
	void *at;

	for (at = NULL; o->is_stale &&
	    (it = map_next(e->items, &at, NULL)) != NULL;)
		order_push(o, it);
	o->is_stale = false;
	order_merge(o);
	*n = o->n;
	return o->v;
}

/* --- the world ------------------------------------------------------------- */

/* Does it hold the very same, so that the same comes of it? */
static bool
is_same_set(const struct resources *a, const struct resources *b)
{
	if (resources_n(a) != resources_n(b))
		return false;
	for (size_t i = 0; i < resources_n(a); i++)
		if (resources_at(a, i) != resources_at(b, i))
			return false;
	return true;
}

void
planned_forget(struct engine *e)
{
	world_free(e->planned.world);
	resources_free(e->planned.of);
	e->planned.world = NULL;
	e->planned.of = NULL;
}

/* What was planned in this turn is most often what is applied in it; yours. */
static struct world *
world_of(struct engine *e, const struct resources *rs)
{
	struct world *w = NULL;

	if (e->planned.world != NULL && e->planned.inputs == e->inputs &&
	    is_same_set(e->planned.of, rs)) {
		w = e->planned.world;
		e->planned.world = NULL;
	}
	planned_forget(e);
	return w != NULL ? w :
	    world_compile_again(&e->cfg.world, rs, e->memo);
}

/* --- plan ------------------------------------------------------------------ */

static const struct object_kind *
plan_kind(const char *name)
{
	return object_kind_find(name, NULL);
}

struct plan *
engine_plan(struct engine *e, const struct resources *after)
{
	struct plan_input in = { 0 };
	struct item *const *items;
	struct object_view *views;
	struct world *world = world_of(e, after);
	struct plan *plan;
	size_t n;

	items = items_in_order(e, &n);
	views = xcalloc(n + 1, sizeof *views);
	for (size_t i = 0; i < n; i++)
		item_view(items[i], &views[i]);
	in.before = e->resources;
	in.after = after;
	in.world = world;
	in.current = views;
	in.current_n = n;
	in.kind = plan_kind;
	plan = plan_make(&in);
	free(views);
	e->planned.world = world;
	e->planned.of = resources_copy(after);
	e->planned.inputs = e->inputs;
	return plan;
}

struct plan *
engine_plan_now(struct engine *e)
{
	return engine_plan(e, e->resources);
}

/* --- sync ------------------------------------------------------------------ */

static void
put_object(struct engine *e, const struct item *it)
{
	struct object_row row = { 0 };
	char *deps = strv_join(&it->deps, "\n");

	row.key = it->key;
	row.owner = it->owner->name;
	row.desired = it->desired;
	row.observed = it->observed;
	row.deps = deps;
	store_object_put(e->store, &row);
	free(deps);
}

/*
 * What is asked for is new: try at once, and what is done now is done for whoever
 * asked, not because of drift (but a repair in hand is still one).
 */
static void
reset(struct engine *e, struct item *it)
{
	left_end(e, it);
	it->retry_ms = 0;
	it->fails = 0;
	it->asked_for = true;
	if (it->state != OBJECT_BUSY)
		drift_forget(it);
	drift_begin_anew(it);
}

static void
set_desired(struct item *it, char *text)
{
	shared_hold(text);
	shared_drop(it->desired);
	it->desired = text;
}

static bool
is_same(const struct item *it, const struct object *o)
{
	if (!str_equal(it->desired, o->desired) || it->deps.n != o->deps.n ||
	    strcmp(it->owner->name, o->owner) != 0)
		return false;
	for (size_t i = 0; i < it->deps.n; i++)
		if (strcmp(it->deps.v[i], o->deps.v[i]) != 0)
			return false;
	return true;
}

/* What differs between the world and the items, by key.  A text that stays is held
 * once: that of the database goes with the first compile. */
struct todo {
	const struct object **wanted;	/* new, or another than the item's */
	struct item	**unwanted;
	size_t		 wanted_n, unwanted_n;
};

static void
todo_find(struct todo *t, const struct world *w, struct item *const *items,
    size_t n)
{
	size_t i = 0, j = 0;
	const struct object *o;
	struct item *it;
	int c;

	t->wanted = xcalloc(world_n(w) + 1, sizeof *t->wanted);
	t->unwanted = xcalloc(n + 1, sizeof *t->unwanted);
	while (i < world_n(w) || j < n) {
		o = world_at(w, i);
		it = j < n ? items[j] : NULL;
		c = o == NULL ? 1 : it == NULL ? -1 : strcmp(o->key, it->key);
		if (c < 0 || (c == 0 && !is_same(it, o)))
			t->wanted[t->wanted_n++] = o;
		else if (c == 0 && o->is_shared)
			set_desired(it, o->desired);
		else if (c > 0 && it->desired != NULL)
			t->unwanted[t->unwanted_n++] = it;
		i += c <= 0;
		j += c >= 0;
	}
}

/* There is an item for it, and its resource is the owner. */
static void
sync_item(struct engine *e, const struct object *o)
{
	struct item *it = item_find(e, o->key);

	if (it == NULL)
		item_add(e, o->key, o->owner);
	else if (strcmp(it->owner->name, o->owner) != 0)
		item_set_owner(e, it, o->owner);
}

/* The item shall be what the world says from now on. */
static void
sync_object(struct engine *e, const struct object *o)
{
	struct item *it = item_find(e, o->key);

	set_desired(it, o->desired);
	reset(e, it);
	item_set_deps(e, it, it->desired, &o->deps);
	put_object(e, it);
	item_touch(e, it);
}

static void
sync_unwanted(struct engine *e, struct item *it)
{
	set_desired(it, NULL);
	item_unwanted(e, it);
	reset(e, it);
	put_object(e, it);
	item_touch(e, it);
}

void
engine_sync(struct engine *e)
{
	struct world *w = world_of(e, e->resources);
	struct todo t = { 0 };
	struct item *const *items;
	size_t n;

	items = items_in_order(e, &n);
	todo_find(&t, w, items, n);
	/* All items first, so that dependencies find each other. */
	for (size_t i = 0; i < t.wanted_n; i++)
		sync_item(e, t.wanted[i]);
	for (size_t i = 0; i < t.wanted_n; i++)
		sync_object(e, t.wanted[i]);
	for (size_t i = 0; i < t.unwanted_n; i++)
		sync_unwanted(e, t.unwanted[i]);
	free(t.wanted);
	free(t.unwanted);
	world_free(w);
	items_check(e);
}
