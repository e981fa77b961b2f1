/*
 * Hearing at once of what somebody does to files of ours, for providers whose
 * outside system is a directory (inotify(7), Linux only).
 *
 * Watched are directories; heard is what happens in them to files with names
 * that were given for them, so that an agent may write what it likes beside them.
 * What was heard is only a hint: the provider looks.
 */
#ifndef INOTIFY_H
#define INOTIFY_H

#include "hiclaw/provider.h"

struct file_watch;
struct file_watch *file_watch_new(void);
void	 file_watch_free(struct file_watch *);
/*
 * Listen for this file of this directory (absolute path) from now on; any
 * thread, cheap when known.  False when the system will not tell of it.  A
 * directory that goes takes its files along; who makes it again adds them again.
 */
bool	 file_watch_add(struct file_watch *, const char *dir,
	    const char *name);
/*
 * For struct provider.watch: until watch->is_over, calls `heard` some
 * milliseconds after something happened, with the paths of the files, each once.
 * NULL stands for any: at the start, and when the system lost count.  -1 with
 * ERR_BROKEN where there is no inotify.
 */
int	 file_watch_run(struct file_watch *, const struct watch *,
	    void (*heard)(void *arg, const struct strv *paths), void *arg,
	    struct err *);

#endif
