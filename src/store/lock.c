/*
 * One controller per database: an flock on "<path>.lock", held for the life of
 * the process.  The kernel drops it when we die, however we die; the pid in the
 * file is only for people.  The file stays, because removing it would let two
 * processes hold the lock of two files of the same name.
 */
#include "store-int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

static int
lock_held(int fd, const char *path, struct err *e)
{
	char	text[32];
	ssize_t	n;

	n = pread(fd, text, sizeof text - 1, 0);
	text[n > 0 ? n : 0] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return err_set(e, ERR_CONFLICT, "%s: another controller, process %s, "
	    "uses this database; stop it first, or give this one a database "
	    "of its own", path, text[0] != '\0' ? text : "unknown");
}

static int
lock_write_pid(int fd)
{
	char	text[32];
	int	n;

	n = snprintf(text, sizeof text, "%ld\n", (long)getpid());
	if (ftruncate(fd, 0) == -1 || pwrite(fd, text, (size_t)n, 0) != n)
		return -1;
	return 0;
}

int
lock_take(const char *path, struct err *e)
{
	char	*file = xasprintf("%s.lock", path);
	int	 fd, rc = -1;

	fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd == -1) {
		err_set(e, ERR_USER, "%s: %s; `database` must name a file in "
		    "a directory that exists and that we may write to", file,
		    strerror(errno));
	} else if (flock(fd, LOCK_EX | LOCK_NB) == -1) {
		if (errno == EWOULDBLOCK)
			lock_held(fd, path, e);
		else
			err_set(e, ERR_BROKEN, "%s: cannot lock: %s", file,
			    strerror(errno));
	} else if (lock_write_pid(fd) == -1) {
		err_set(e, ERR_BROKEN, "%s: %s", file, strerror(errno));
	} else {
		rc = 0;
	}
	if (rc == -1 && fd != -1)
		close(fd);
	free(file);
	return rc == 0 ? fd : -1;
}
