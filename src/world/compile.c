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

#include "world-int.h"

struct world {
	struct object	*v;	/* by key once compiled */
	size_t		 n, cap;
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

struct object *
world_add(struct world *w, char *key, const char *owner, char *desired)
{
	struct object *o;

	if (w->n == w->cap) {
		w->cap = w->cap == 0 ? 64 : w->cap * 2;
		w->v = xreallocarray(w->v, w->cap, sizeof(w->v[0]));
	}
	o = &w->v[w->n++];
	*o = (struct object){ .key = key, .owner = xstrdup(owner),
	    .desired = desired };
	return o;
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
world_free(struct world *w)
{
	size_t i;

	if (w == NULL)
		return;
	for (i = 0; i < w->n; i++) {
		free(w->v[i].key);
		free(w->v[i].owner);
		free(w->v[i].desired);
		strv_release(&w->v[i].deps);
	}
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
		files_add(w, &c);
	if (cfg->gateway.provider != NULL)
		grants_add(w, &c);
	storage_add(w, &c);
	containers_add(w, &c);
	topology_add(w, &c);
	census_release(&c);
	qsort(w->v, w->n, sizeof(w->v[0]), object_cmp);
	return w;
}
