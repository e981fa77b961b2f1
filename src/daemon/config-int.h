/*
 * What config.c and registration.c share: reading a file that may hold secrets,
 * and saying what is wrong with it without them.
 */
#ifndef CONFIG_INT_H
#define CONFIG_INT_H

#include "hiclaw/err.h"

struct problems;

/* The whole file, at most max bytes; for secret_free. */
char	*config_file(const char *path, size_t max, size_t *len, struct err *)
	    MUST_CHECK;
/* Take secrets out; `secrets` are paths of values, NULL-terminated. */
void	 config_hide(struct problems *, const char *const *secrets);

#endif
