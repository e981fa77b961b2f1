/* Reading small files whole: commands/, templates/. */
#ifndef HICLAW_FILE_H
#define HICLAW_FILE_H

#include "hiclaw/err.h"

/* The whole file, terminated, valid UTF-8, at most max bytes; yours.  NULL:
 * ERR_BROKEN with the path. */
char	*file_read(const char *path, size_t max, struct err *);
/* Names in the directory that end with suffix, sorted. */
int	 dir_list(const char *path, const char *suffix, struct strv *,
	    struct err *) MUST_CHECK;

#endif
