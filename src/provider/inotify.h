/*
 * Hearing at once of what somebody does to files of ours, for providers whose
 * outside system is a directory (inotify(7), Linux only).
 *
 * Watched are directories, by name; heard is what happens in them to files with
 * one of a set of names, so that an agent may write what it likes beside them.
 * What was heard is only a hint: the provider looks.
 */
#ifndef INOTIFY_H
#define INOTIFY_H

#include "hiclaw/provider.h"

struct file_watch;
struct file_watch *file_watch_new(void);
void	 file_watch_free(struct file_watch *);
/* Watch this directory (absolute path), and listen for this name in all of them,
 * from now on; any thread, cheap when known. */
void	 file_watch_add(struct file_watch *, const char *dir,
	    const char *name);
/*
 * For struct provider.watch: calls watch->ready at the start, and some
 * milliseconds after something was heard; until watch->is_over.  -1 with
 * ERR_BROKEN where the system has no inotify.
 */
int	 file_watch_run(struct file_watch *, const struct watch *, struct err *);

#endif
