/*
 * Order: what must come first comes first, and everything else stays in the
 * order of its keys, so that two plans of the same change read the same.
 */
#include "plan-int.h"

#include <stdlib.h>

struct walk {
	const struct edge *edges;	/* by `then`, then `first` */
	size_t		 n_edges;
	bool		*is_seen;
	size_t		*out, n_out;
};

static int
edge_cmp(const void *pa, const void *pb)
{
	const struct edge *a = pa, *b = pb;

	if (a->then != b->then)
		return a->then < b->then ? -1 : 1;
	return a->first < b->first ? -1 : a->first > b->first;
}

static size_t
edges_of(const struct walk *w, size_t then)
{
	size_t lo = 0, hi = w->n_edges, mid;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (w->edges[mid].then < then)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* As deep as the longest chain of dependence: account, space, room. */
static void
visit(struct walk *w, size_t i)
{
	size_t e;

	if (w->is_seen[i])
		return;
	w->is_seen[i] = true;
	for (e = edges_of(w, i); e < w->n_edges && w->edges[e].then == i; e++)
		visit(w, w->edges[e].first);
	w->out[w->n_out++] = i;
}

void
order_by_edges(struct edge *edges, size_t n_edges, size_t n, size_t *out)
{
	struct walk w = { .edges = edges, .n_edges = n_edges, .out = out };
	size_t i;

	if (n == 0)
		return;
	if (n_edges > 0)
		qsort(edges, n_edges, sizeof(*edges), edge_cmp);
	w.is_seen = xcalloc(n, sizeof(*w.is_seen));
	for (i = 0; i < n; i++)
		visit(&w, i);
	free(w.is_seen);
}
