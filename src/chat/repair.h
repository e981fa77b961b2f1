/*
 * What phones and editors do to a manifest is undone here, and every repair is
 * written down, so that people see what was changed.  Pure.  A clean document
 * is never touched, and repairing twice is the same as once.
 */
#ifndef CHAT_REPAIR_H
#define CHAT_REPAIR_H

#include "hiclaw/base.h"

struct repair {
	int	 line;			/* from 1: the first of them */
	size_t	 times;
	const char *what;		/* "quotes", "line ends", ... */
	char	*before, *after;	/* shown; NULL when they look alike */
	bool	 is_value;		/* a value changed: needs an OK */
};
struct repairs {
	struct repair	*v;
	size_t		 n, cap;
	bool		 has_value;
};
#define REPAIRS_MAX	50	/* shown; more of them are counted only */

/* The repaired text, yours. */
char	*repair_manifest(const char *text, struct repairs *);
void	 repairs_release(struct repairs *);

/*
 * Damage that cannot be undone: the sentence that tells what happened and what
 * to do instead (indentation lost, Markdown escapes), or NULL.
 */
const char *repair_advice(const char *text);

#endif
