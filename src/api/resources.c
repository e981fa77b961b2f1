/*
 * A set of resources: an array ordered by kind (as in kinds[]), then name.
 *
 * Copying it copies pointers, so a change is tried on a copy.  Ten thousand
 * resources put in ascending order append; in any other order they cost a
 * memmove of pointers each.
 */
#include "hiclaw/api.h"

#include <stdlib.h>
#include <string.h>

struct resources {
	struct resource	**v;
	size_t		  n, cap;
};

struct resources *
resources_new(void)
{
	return xcalloc(1, sizeof(struct resources));
}

struct resources *
resources_copy(const struct resources *from)
{
	struct resources	*rs = resources_new();
	size_t			 i;

	if (from->n == 0)
		return rs;
	rs->n = rs->cap = from->n;
	rs->v = xreallocarray(NULL, rs->cap, sizeof *rs->v);
	for (i = 0; i < rs->n; i++)
		rs->v[i] = resource_ref(from->v[i]);
	return rs;
}

void
resources_free(struct resources *rs)
{
	size_t	i;

	if (rs == NULL)
		return;
	for (i = 0; i < rs->n; i++)
		resource_unref(rs->v[i]);
	free(rs->v);
	free(rs);
}

static int
compare(const struct resource *r, const struct kind *kind, const char *name)
{
	if (r->kind != kind)
		return r->kind < kind ? -1 : 1;
	return strcmp(r->name, name);
}

/* Index of the resource, or where it belongs. */
static bool
search(const struct resources *rs, const struct kind *kind, const char *name,
    size_t *at)
{
	size_t	lo = 0, hi = rs->n, mid;
	int	c;

	if (hi > 0 && compare(rs->v[hi - 1], kind, name) < 0)
		lo = hi;	/* the common case when many are put */
	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if ((c = compare(rs->v[mid], kind, name)) == 0) {
			*at = mid;
			return true;
		}
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	*at = lo;
	return false;
}

void
resources_put(struct resources *rs, struct resource *r)
{
	size_t	at;

	resource_ref(r);
	if (search(rs, r->kind, r->name, &at)) {
		resource_unref(rs->v[at]);
		rs->v[at] = r;
		return;
	}
	if (rs->n == rs->cap) {
		rs->cap = rs->cap == 0 ? 16 : rs->cap * 2;
		rs->v = xreallocarray(rs->v, rs->cap, sizeof *rs->v);
	}
	memmove(rs->v + at + 1, rs->v + at, (rs->n - at) * sizeof *rs->v);
	rs->v[at] = r;
	rs->n++;
}

bool
resources_remove(struct resources *rs, const struct kind *kind,
    const char *name)
{
	size_t	at;

	if (!search(rs, kind, name, &at))
		return false;
	resource_unref(rs->v[at]);
	rs->n--;
	memmove(rs->v + at, rs->v + at + 1, (rs->n - at) * sizeof *rs->v);
	return true;
}

struct resource *
resources_find(const struct resources *rs, const struct kind *kind,
    const char *name)
{
	size_t	at;

	return search(rs, kind, name, &at) ? rs->v[at] : NULL;
}

size_t
resources_n(const struct resources *rs)
{
	return rs->n;
}

struct resource *
resources_at(const struct resources *rs, size_t i)
{
	return i < rs->n ? rs->v[i] : NULL;
}
