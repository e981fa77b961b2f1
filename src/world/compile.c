/*
 * The compile: resources in, all objects they imply out.  A pure function; the
 * same input gives the same bytes, because the engine compares texts to find
 * out what a change touches.
 *
 * The parts: accounts of agents and people are here, rooms in topology.c,
 * files in files.c, what agents may use in grants.c and users.c.  Everything is written as canonical JSON straight away.
 */
#include "hiclaw/world.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "files-int.h"

struct world {
	struct object	*v;	/* by key once compiled */
	size_t		 n, cap;
	struct part	**parts; /* whose objects are in v as well */
	size_t		 parts_n, parts_cap;
};

/* --- canonical JSON ------------------------------------------------------- */

void
jw_open(struct buf *b)
{
	buf_putc(b, '{');
}

void
jw_close(struct buf *b)
{
	buf_putc(b, '}');
}

void
jw_key(struct buf *b, const char *key)
{
	/* No text ends with an open brace: strings end with a quote. */
	if (b->len > 0 && b->data[b->len - 1] != '{')
		buf_putc(b, ',');
	json_quote(b, key);
	buf_putc(b, ':');
}

void
jw_str(struct buf *b, const char *key, const char *value)
{
	jw_key(b, key);
	json_quote(b, value);
}

void
jw_int(struct buf *b, const char *key, int64_t value)
{
	jw_key(b, key);
	buf_printf(b, "%lld", (long long)value);
}

void
jw_bool(struct buf *b, const char *key, bool value)
{
	jw_key(b, key);
	buf_puts(b, value ? "true" : "false");
}

void
jw_raw(struct buf *b, const char *key, const char *json)
{
	jw_key(b, key);
	buf_puts(b, json);
}

void
jw_item(struct buf *b, const char *value)
{
	if (b->len > 0 && b->data[b->len - 1] != '[')
		buf_putc(b, ',');
	json_quote(b, value);
}

void
jw_names(struct buf *b, const char *key, struct strv *names)
{
	bool first = true;
	size_t i;

	jw_key(b, key);
	buf_putc(b, '[');
	if (names != NULL)
		strv_sort(names);
	for (i = 0; names != NULL && i < names->n; i++) {
		if (i > 0 && strcmp(names->v[i], names->v[i - 1]) == 0)
			continue;
		if (!first)
			buf_putc(b, ',');
		first = false;
		json_quote(b, names->v[i]);
	}
	buf_putc(b, ']');
}

void
jw_ref(struct buf *b, const char *key, const char *object, const char *field)
{
	jw_key(b, key);
	jw_open(b);
	jw_str(b, "$ref", object);
	jw_str(b, "field", field);
	jw_close(b);
}

char *
jw_done(struct buf *b)
{
	char *text = xstrndup(buf_str(b), b->len);

	assert(!b->overflow);
	buf_reset(b);
	return text;
}

/* --- the set of objects --------------------------------------------------- */

static struct object *
world_room(struct world *w)
{
	if (w->n == w->cap) {
		w->cap = w->cap == 0 ? 64 : w->cap * 2;
		w->v = xreallocarray(w->v, w->cap, sizeof(w->v[0]));
	}
	return &w->v[w->n++];
}

struct object *
world_add(struct world *w, char *key, const char *owner, char *desired)
{
	struct object *o = world_room(w);

	*o = (struct object){ .key = key, .owner = xstrdup(owner),
	    .desired = shared_new(desired) };
	free(desired);
	return o;
}

static void
add_part(struct world *w, struct part *part)
{
	if (w->parts_n == w->parts_cap) {
		w->parts_cap = w->parts_cap == 0 ? 64 : w->parts_cap * 2;
		w->parts = xreallocarray(w->parts, w->parts_cap,
		    sizeof(w->parts[0]));
	}
	w->parts[w->parts_n++] = part;
}

struct part *
world_share(struct world *w, size_t from)
{
	struct part *part = part_new(&w->v[from], w->n - from);

	for (size_t i = from; i < w->n; i++)
		w->v[i].is_shared = true;
	add_part(w, part);
	return part;
}

void
world_take(struct world *w, struct part *part)
{
	size_t n;
	const struct object *v = part_objects(part, &n);

	for (size_t i = 0; i < n; i++) {
		struct object *o = world_room(w);

		*o = v[i];
		o->is_shared = true;
	}
	add_part(w, part_ref(part));
}

static int
object_cmp(const void *a, const void *b)
{
	return strcmp(((const struct object *)a)->key,
	    ((const struct object *)b)->key);
}

size_t
world_n(const struct world *w)
{
	return w->n;
}

const struct object *
world_at(const struct world *w, size_t i)
{
	return i < w->n ? &w->v[i] : NULL;
}

const struct object *
world_find(const struct world *w, const char *key)
{
	struct object want = { .key = (char *)(uintptr_t)key };

	if (w->n == 0)
		return NULL;
	return bsearch(&want, w->v, w->n, sizeof(w->v[0]), object_cmp);
}

void
object_release(struct object *o)
{
	free(o->key);
	free(o->owner);
	shared_drop(o->desired);
	strv_release(&o->deps);
}

void
world_free(struct world *w)
{
	size_t i;

	if (w == NULL)
		return;
	for (i = 0; i < w->n; i++)
		if (!w->v[i].is_shared)
			object_release(&w->v[i]);
	for (i = 0; i < w->parts_n; i++)
		part_unref(w->parts[i]);
	free(w->parts);
	free(w->v);
	free(w);
}

char *
owner_of(const struct resource *r)
{
	return xasprintf("%s/%s", r->kind->name, r->name);
}

/* --- accounts ------------------------------------------------------------- */

static void
add_account(struct world *w, const struct world_config *cfg,
    const struct agent *a, struct buf *b)
{
	char *owner = owner_of(a->resource);

	jw_open(b);
	jw_str(b, "device", cfg->device);
	jw_str(b, "displayname", a->runtime);
	jw_str(b, "user", a->user);
	jw_close(b);
	world_add(w, xasprintf("account:%s", a->runtime), owner, jw_done(b));
	free(owner);
}

static void
add_human(struct world *w, const struct person *p, const struct resource *r,
    struct buf *b)
{
	char *key = xasprintf("human:%s", resource_runtime_name(r));
	char *owner = owner_of(r);

	jw_open(b);
	jw_str(b, "displayname", json_strd(r->spec, "displayName", r->name));
	jw_str(b, "method", str_equal(p->account, key) ? "create" : "link");
	jw_str(b, "user", p->user);
	jw_close(b);
	world_add(w, key, owner, jw_done(b));
	free(owner);
}

struct world *
world_compile(const struct world_config *cfg, const struct resources *rs)
{
	return world_compile_again(cfg, rs, NULL);
}

struct world *
world_compile_again(const struct world_config *cfg, const struct resources *rs,
    struct world_memo *memo)
{
	const struct kind *human = kind_find("human");
	struct world *w = xcalloc(1, sizeof(*w));
	const struct resource *r;
	struct census c;
	struct buf b = { 0 };
	size_t i;

	census_take(&c, cfg, rs);
	for (i = 0; i < c.agents.n; i++)
		add_account(w, cfg, &c.agents.v[i], &b);
	for (i = 0; i < resources_n(rs); i++)
		if ((r = resources_at(rs, i))->kind == human)
			add_human(w, map_find(c.by_human, r->name), r, &b);
	buf_release(&b);
	if (cfg->storage.provider != NULL)
		files_add(w, &c, memo);
	if (cfg->gateway.provider != NULL)
		grants_add(w, &c);
	storage_add(w, &c);
	containers_add(w, &c);
	topology_add(w, &c);
	if (memo != NULL)
		memo_turn(memo, c.agents.n);
	census_release(&c);
	qsort(w->v, w->n, sizeof(w->v[0]), object_cmp);
	return w;
}
