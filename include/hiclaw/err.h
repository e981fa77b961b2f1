/*
 * How a call fails.  The kind is chosen once, where the cause is known, because
 * it drives what follows: try again, tell the user, or give up.
 */
#ifndef HICLAW_ERR_H
#define HICLAW_ERR_H

#include "hiclaw/base.h"

enum err_kind {
	ERR_USER,	/* the input is wrong: tell whoever gave it */
	ERR_DENIED,	/* not allowed */
	ERR_NOTFOUND,	/* it is not there */
	ERR_CONFLICT,	/* somebody else's, or changed under us */
	ERR_RETRY,	/* may work later: network, 429, 5xx, locked */
	ERR_BROKEN	/* cannot go on: corrupt, misconfigured, a bug */
};

struct err {
	enum err_kind	kind;
	int		retry_s;	/* earliest retry asked for; 0: not said */
	char		msg[512];
};

/* Always returns -1, so that callers can write: return err_set(e, ...); */
int	err_set(struct err *, enum err_kind, const char *, ...) PRINTF(3, 4);
/* Put "what: " in front of the message; returns -1. */
int	err_prefix(struct err *, const char *, ...) PRINTF(2, 3);
const char *err_kind_name(enum err_kind);	/* "user", "retry", ... */

#endif
