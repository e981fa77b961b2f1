/*
 * "field=value" as people and phones write it: blanks around the "=", a blank
 * behind a comma, a wide equals sign.  Pure.
 */
#ifndef CHAT_PAIRS_H
#define CHAT_PAIRS_H

#include "hiclaw/err.h"

#define PAIRS_MAX	40	/* more is a manifest */

struct pair {
	char	*key;		/* "workers.bob.model" */
	char	*value;		/* NULL: take it away ("field=", "key-") */
	bool	 is_more;	/* "field+=x", or the key came before */
};
struct pairs { struct pair v[PAIRS_MAX]; size_t n; };

/* The words from `at` on.  ERR_USER names the word that is no pair. */
int	 pairs_read(const struct strv *words, size_t at, struct pairs *,
	    struct err *) MUST_CHECK;
void	 pairs_release(struct pairs *);
/* Takes the first with that key (any case) out; its value, yours; or NULL. */
char	*pairs_take(struct pairs *, const char *key);

#endif
