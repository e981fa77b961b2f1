/*
 * Shared by the files of src/plan and nobody else.
 */
#ifndef HICLAW_PLAN_INT_H
#define HICLAW_PLAN_INT_H

#include "hiclaw/plan.h"

/* Item `then` comes after item `first`; both are indexes. */
struct edge {
	size_t	 first, then;
};
/*
 * An order of 0..n-1 that obeys the edges and otherwise keeps to the numbers,
 * in out[n].  Edges are sorted in place.  A cycle is cut somewhere.
 */
void	 order_by_edges(struct edge *, size_t n_edges, size_t n, size_t *out);

/*
 * The digest of what is asked for: is_caused[i] tells whether the request
 * causes step i (others were under way already).
 */
void	 plan_hash(const struct plan *, const bool *is_caused,
	    const struct resources *before, const struct resources *after,
	    char out[SHA256_HEX]);

#endif
