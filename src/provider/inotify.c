/* See inotify.h. */
#include "inotify.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "hiclaw/log.h"

#define AGAIN_MS	250	/* between looks for a directory that went */
#define CALM_MS		50	/* one write is several events */
#define CALM_TRIES	20	/* who writes all the time is looked at as well */
#define AGAIN_LOOKS	20	/* it may be back */
#define EVENTS		(IN_CREATE | IN_DELETE | IN_CLOSE_WRITE | \
	IN_MOVED_FROM | IN_MOVED_TO | IN_ATTRIB | IN_DELETE_SELF | \
	IN_MOVE_SELF | IN_ONLYDIR | IN_DONT_FOLLOW | IN_EXCL_UNLINK)

struct file_watch {
	pthread_mutex_t	 lock;
	struct map	*dirs, *names;	/* sets; guarded by lock */
	struct strv	 fresh;		/* dirs not asked for yet; likewise */
	int		 fresh_fd;	/* eventfd(2): there are such */
	bool		 is_full;	/* the system gives no more; told once */
};
static char mark;

struct file_watch *
file_watch_new(void)
{
	struct file_watch *f = xcalloc(1, sizeof *f);

	pthread_mutex_init(&f->lock, NULL);
	f->dirs = map_new(NULL);
	f->names = map_new(NULL);
	f->fresh_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return f;
}

void
file_watch_free(struct file_watch *f)
{
	if (f == NULL)
		return;
	pthread_mutex_destroy(&f->lock);
	map_free(f->dirs);
	map_free(f->names);
	strv_release(&f->fresh);
	if (f->fresh_fd != -1)
		close(f->fresh_fd);
	free(f);
}

void
file_watch_add(struct file_watch *f, const char *dir, const char *name)
{
	pthread_mutex_lock(&f->lock);
	if (map_find(f->names, name) == NULL)
		map_set(f->names, name, &mark);
	if (map_find(f->dirs, dir) == NULL) {
		map_set(f->dirs, dir, &mark);
		strv_add(&f->fresh, dir);
		eventfd_write(f->fresh_fd, 1);
	}
	pthread_mutex_unlock(&f->lock);
}

static void
watch_dir(struct file_watch *f, int fd, const char *dir)
{
	if (inotify_add_watch(fd, dir, EVENTS) != -1 || errno != ENOSPC ||
	    f->is_full)
		return;
	f->is_full = true;
	log_warn("storage", "no more directories can be watched; changes in "
	    "others are found at the next resync (raise "
	    "fs.inotify.max_user_watches)");
}

/* Those that are new; all of them when one may have gone and come. */
static void
watch_dirs(struct file_watch *f, int fd, bool all)
{
	struct strv dirs = { 0 };
	const char *dir;
	void *at;

	pthread_mutex_lock(&f->lock);
	for (at = NULL; all && map_next(f->dirs, &at, &dir) != NULL;)
		strv_add(&dirs, dir);
	for (size_t i = 0; !all && i < f->fresh.n; i++)
		strv_add(&dirs, f->fresh.v[i]);
	strv_release(&f->fresh);
	pthread_mutex_unlock(&f->lock);
	for (size_t i = 0; i < dirs.n; i++)
		watch_dir(f, fd, dirs.v[i]);
	strv_release(&dirs);
}

/* Reads what there is; did any of it concern us?  *lost: a directory went. */
static bool
hear(struct file_watch *f, int fd, bool *lost)
{
	_Alignas(struct inotify_event) char buf[16384];
	const struct inotify_event *ev;
	bool any = false;
	ssize_t n;

	while ((n = read(fd, buf, sizeof buf)) > 0)
		for (const char *p = buf; p < buf + n;
		    p += sizeof *ev + ev->len) {
			ev = (const void *)p;
			if (ev->mask & (IN_DELETE_SELF | IN_MOVE_SELF |
			    IN_IGNORED | IN_Q_OVERFLOW)) {
				*lost = any = true;
				continue;
			}
			pthread_mutex_lock(&f->lock);
			any |= ev->len > 0 &&
			    map_find(f->names, ev->name) != NULL;
			pthread_mutex_unlock(&f->lock);
		}
	return any;
}

/* Waits for something to do; did any of it concern us? */
static bool
listen_once(struct file_watch *f, const struct watch *w, int fd, int wait_ms,
    bool *lost)
{
	struct pollfd p[] = { { .fd = fd, .events = POLLIN },
	    { .fd = f->fresh_fd, .events = POLLIN },
	    { .fd = w->over_fd, .events = POLLIN } };
	eventfd_t n;
	bool any = false;

	if (poll(p, 3, wait_ms) <= 0)
		return false;
	if (p[1].revents != 0)
		(void)eventfd_read(f->fresh_fd, &n);
	if (p[0].revents != 0)
		any = hear(f, fd, lost);
	for (int i = 0; any && i < CALM_TRIES && poll(p, 1, CALM_MS) > 0; i++)
		hear(f, fd, lost);
	return any;
}

int
file_watch_run(struct file_watch *f, const struct watch *w, struct err *e)
{
	int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC), again = 0;
	bool lost = true;

	if (fd == -1 || f->fresh_fd == -1) {
		err_set(e, ERR_BROKEN, "inotify: %s", strerror(errno));
		if (fd != -1)
			close(fd);
		return -1;
	}
	w->ready(w->arg);
	while (!w->is_over(w->arg)) {
		/* It may not be there again yet: now, soon, and later. */
		if (lost)
			again = AGAIN_LOOKS;
		watch_dirs(f, fd, again == AGAIN_LOOKS ||
		    again == AGAIN_LOOKS - 4 || again == 1);
		again -= again > 0;
		lost = false;
		if (listen_once(f, w, fd, again > 0 ? AGAIN_MS : -1, &lost))
			w->ready(w->arg);
	}
	close(fd);
	return 0;
}
