/*
 * Values by their rows: what decode.c needs to turn metadata and spec into
 * JSON, and how it complains with a path.
 */
#ifndef HICLAW_API_DECODE_VALUE_H
#define HICLAW_API_DECODE_VALUE_H

#include "yaml-tree.h"

struct decode {
	struct yaml		*y;
	struct buf		 path;
	struct strv		 ignored;	/* paths that were dropped */
	const struct ynode	*ignored_at;
};

/* Adds ".name" (or "name" in front); give the result to path_pop. */
size_t	 path_push(struct decode *, const char *name);
void	 path_pop(struct decode *, size_t);
/* A problem at the node, with the path as it stands. */
void	 decode_error(struct decode *, const struct ynode *at, const char *, ...)
	    PRINTF(3, 4);
/*
 * The object by the rows.  `at` is where something missing is reported: the
 * key that the object stands under.  `ignored` names keys to drop with a
 * warning, or is NULL.  Never NULL; worthless when problems were added.
 */
struct json *decode_object(struct decode *, const struct ynode *at,
	    const struct ynode *map, const struct field *rows,
	    const char *const *ignored);
/* "a list", "a number": for sentences. */
const char *ynode_phrase(const struct ynode *);

#endif
