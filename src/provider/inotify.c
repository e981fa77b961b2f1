/*
 * See inotify.h.
 *
 * A directory is known by its path, and by its number at the kernel while it is
 * watched.  One that was deleted or moved away (then so are those below it) is
 * tried again a few times, because somebody may put it back, and then forgotten.
 */
#include "inotify.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "hiclaw/log.h"

#define AGAIN_MS	250	/* between looks for a directory that went */
#define AGAIN_LOOKS	20	/* it may be back */
#define CALM_MS		50	/* one write is several events */
#define CALM_TRIES	20	/* who writes all the time is looked at as well */
#define EVENTS		(IN_CREATE | IN_DELETE | IN_CLOSE_WRITE | \
	IN_MOVED_FROM | IN_MOVED_TO | IN_ATTRIB | IN_DELETE_SELF | \
	IN_MOVE_SELF | IN_ONLYDIR | IN_DONT_FOLLOW | IN_EXCL_UNLINK)

struct dir {
	const char	*path;		/* its key in file_watch.dirs */
	int		 wd;		/* -1: not watched */
	int		 again;		/* looks left for one that went */
	const char	**names;	/* keys of file_watch.names */
	size_t		 n;
};

struct file_watch {
	int		 fd;		/* inotify(7); -1: there is none */
	pthread_mutex_t	 lock;		/* guards what follows */
	struct map	*dirs;		/* path -> struct dir */
	struct map	*by_wd;		/* "17" -> the same, those watched */
	struct map	*names;		/* a set, for all directories */
	size_t		 lost;		/* dirs with looks left */
	bool		 is_full;	/* the system gives no more; told once */
};

/* What was heard and not told yet. */
struct news {
	struct map	*paths;		/* a set */
	bool		 is_any;
};
static char mark;

static void
dir_free(void *arg)
{
	struct dir *d = arg;

	free(d->names);
	free(d);
}

struct file_watch *
file_watch_new(void)
{
	struct file_watch *f = xcalloc(1, sizeof *f);

	f->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	pthread_mutex_init(&f->lock, NULL);
	f->dirs = map_new(dir_free);
	f->by_wd = map_new(NULL);
	f->names = map_new(NULL);
	return f;
}

void
file_watch_free(struct file_watch *f)
{
	if (f == NULL)
		return;
	if (f->fd != -1)
		close(f->fd);
	pthread_mutex_destroy(&f->lock);
	map_free(f->by_wd);
	map_free(f->dirs);
	map_free(f->names);
	free(f);
}

/* --- directories, under the lock ------------------------------------------- */

static const char *
wd_key(int wd, char dst[16])
{
	snprintf(dst, 16, "%d", wd);
	return dst;
}

static void
dir_set_wd(struct file_watch *f, struct dir *d, int wd)
{
	char key[16];

	if (d->wd == wd)
		return;
	if (d->wd != -1)
		map_remove(f->by_wd, wd_key(d->wd, key));
	d->wd = wd;
	if (wd != -1)
		map_set(f->by_wd, wd_key(wd, key), d);
}

/* False when it is not there, or no more can be watched. */
static bool
dir_watch(struct file_watch *f, struct dir *d)
{
	int wd = inotify_add_watch(f->fd, d->path, EVENTS);

	dir_set_wd(f, d, wd);
	if (wd == -1 && errno == ENOSPC && !f->is_full) {
		f->is_full = true;
		log_warn("storage", "no more directories can be watched; "
		    "changes in others are found at the next resync (raise "
		    "fs.inotify.max_user_watches)");
	}
	if (wd != -1 && d->again > 0) {
		d->again = 0;
		f->lost--;
	}
	return wd != -1;
}

static void
dir_news(const struct dir *d, struct news *news)
{
	for (size_t i = 0; i < d->n; i++) {
		char *path = xasprintf("%s/%s", d->path, d->names[i]);

		map_set(news->paths, path, &mark);
		free(path);
	}
}

static void
dir_lost(struct file_watch *f, struct dir *d, struct news *news)
{
	dir_set_wd(f, d, -1);
	if (d->again == 0)
		f->lost++;
	d->again = AGAIN_LOOKS;
	dir_news(d, news);
}

/* What is below it goes along, and is still watched where it is now. */
static void
dir_moved(struct file_watch *f, struct dir *moved, struct news *news)
{
	char *below = xasprintf("%s/", moved->path);
	struct dir *d;
	void *at;

	for (at = NULL; (d = map_next(f->dirs, &at, NULL)) != NULL;)
		if (d->wd != -1 && (d == moved || str_starts(d->path, below))) {
			inotify_rm_watch(f->fd, d->wd);
			dir_lost(f, d, news);
		}
	free(below);
}

static bool
dir_has(const struct dir *d, const char *name)
{
	for (size_t i = 0; i < d->n; i++)
		if (d->names[i] == name)
			return true;
	return false;
}

static void
dir_add(struct file_watch *f, struct dir *d, const char *name)
{
	if (map_key(f->names, name) == NULL)
		map_set(f->names, name, &mark);
	name = map_key(f->names, name);
	if (dir_has(d, name))
		return;
	/* Grows by doubling: whenever n is a power of two. */
	if ((d->n & (d->n - 1)) == 0)
		d->names = xreallocarray(d->names, d->n == 0 ? 1 : d->n * 2,
		    sizeof *d->names);
	d->names[d->n++] = name;
}

bool
file_watch_add(struct file_watch *f, const char *dir, const char *name)
{
	struct dir *d;
	bool is_heard;

	if (f->fd == -1)
		return false;
	pthread_mutex_lock(&f->lock);
	d = map_find(f->dirs, dir);
	if (d == NULL) {
		d = xcalloc(1, sizeof *d);
		d->wd = -1;
		map_set(f->dirs, dir, d);
		d->path = map_key(f->dirs, dir);
	}
	dir_add(f, d, name);
	is_heard = d->wd != -1 || dir_watch(f, d);
	pthread_mutex_unlock(&f->lock);
	return is_heard;
}

/* --- in the watcher's thread ------------------------------------------------ */

static void
hear_one(struct file_watch *f, const struct inotify_event *ev,
    struct news *news)
{
	char key[16], *path;
	struct dir *d = map_find(f->by_wd, wd_key(ev->wd, key));

	if (ev->mask & (IN_Q_OVERFLOW | IN_UNMOUNT))
		news->is_any = true;
	if (d == NULL)
		return;
	if (ev->mask & IN_MOVE_SELF)
		dir_moved(f, d, news);
	else if (ev->mask & (IN_DELETE_SELF | IN_IGNORED))
		dir_lost(f, d, news);
	else if (ev->len > 0 && dir_has(d, map_key(f->names, ev->name))) {
		path = xasprintf("%s/%s", d->path, ev->name);
		map_set(news->paths, path, &mark);
		free(path);
	}
}

static void
hear(struct file_watch *f, struct news *news)
{
	_Alignas(struct inotify_event) char buf[16384];
	const struct inotify_event *ev;
	ssize_t n;

	while ((n = read(f->fd, buf, sizeof buf)) > 0) {
		pthread_mutex_lock(&f->lock);
		for (const char *p = buf; p < buf + n;
		    p += sizeof *ev + ev->len) {
			ev = (const void *)p;
			hear_one(f, ev, news);
		}
		pthread_mutex_unlock(&f->lock);
	}
}

/* Waits for something to happen, and for the end of it. */
static void
listen_once(struct file_watch *f, const struct watch *w, int wait_ms,
    struct news *news)
{
	struct pollfd p[] = { { .fd = f->fd, .events = POLLIN },
	    { .fd = w->over_fd, .events = POLLIN } };

	if (poll(p, 2, wait_ms) <= 0 || p[0].revents == 0)
		return;
	hear(f, news);
	for (int i = 0; i < CALM_TRIES && poll(p, 1, CALM_MS) > 0; i++)
		hear(f, news);
}

/* Now, soon and later; what was done to it until it was found is not known. */
static void
look_for_lost(struct file_watch *f, struct news *news)
{
	const char *path;
	struct dir *d;
	void *at;

	for (at = NULL; f->lost > 0 &&
	    (d = map_next(f->dirs, &at, &path)) != NULL;) {
		if (d->again == 0)
			continue;
		if ((d->again == AGAIN_LOOKS || d->again == AGAIN_LOOKS - 4 ||
		    d->again == 1) && dir_watch(f, d))
			dir_news(d, news);
		else if (--d->again == 0) {
			f->lost--;
			map_remove(f->dirs, path);
		}
	}
}

/* A directory may have come or gone untold. */
static void
watch_all(struct file_watch *f)
{
	struct dir *d;
	void *at;

	for (at = NULL; (d = map_next(f->dirs, &at, NULL)) != NULL;)
		dir_watch(f, d);
}

static void
tell(struct news *news, void (*heard)(void *, const struct strv *), void *arg)
{
	struct strv paths = { 0 };
	const char *path;
	void *at;

	if (!news->is_any && map_size(news->paths) == 0)
		return;
	for (at = NULL; map_next(news->paths, &at, &path) != NULL;)
		strv_add(&paths, path);
	heard(arg, news->is_any ? NULL : &paths);
	strv_release(&paths);
}

int
file_watch_run(struct file_watch *f, const struct watch *w,
    void (*heard)(void *arg, const struct strv *paths), void *arg,
    struct err *e)
{
	struct news news;
	bool has_lost = false;

	if (f->fd == -1)
		return err_set(e, ERR_BROKEN, "inotify: the system has none "
		    "(left) for us");
	heard(arg, NULL);
	while (!w->is_over(w->arg)) {
		news = (struct news){ .paths = map_new(NULL) };
		listen_once(f, w, has_lost ? AGAIN_MS : -1, &news);
		pthread_mutex_lock(&f->lock);
		if (news.is_any)
			watch_all(f);
		look_for_lost(f, &news);
		has_lost = f->lost > 0;
		pthread_mutex_unlock(&f->lock);
		tell(&news, heard, arg);
		map_free(news.paths);
	}
	return 0;
}
