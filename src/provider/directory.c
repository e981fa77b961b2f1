/*
 * A directory as the storage of agents' files: `file:agents/alice/SOUL.md`.
 *
 * Agents' containers will write in the same tree, so nothing below the root is
 * trusted: each component is opened on its own and never through a symbolic
 * link, so no path can lead outside whatever somebody puts there.  A file is
 * replaced by rename, whole or not at all; the temporary name is always the
 * same, so that a killed controller leaves at most one such file behind and
 * overwrites it next time.
 *
 * A version is inode, size and time of the last change, which only the kernel
 * sets.  Between the look at it and the rename lies a moment in which an
 * agent's own write is lost: a file system has no better promise.
 *
 * What others do is heard of and looked at, file by file.  What we do ourselves is
 * heard as well: it is kept in mind as we left it until then, and costs no more
 * than one look of the listening thread.
 */
#include "inotify.h"
#include "provider-int.h"
#include "storage.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hiclaw/http.h"

#define TEMP_SUFFIX	".hiclaw-new"
#define WALK_DEPTH	64	/* deeper than any path of ours */

struct directory_ctx {
	struct storage	 storage;	/* first */
	char		*root;
	struct file_watch *watch;
	pthread_mutex_t	 lock;
	struct map	*written;	/* path -> version as we left it, until
					 * that is heard; guarded by lock */
};

/* --- paths -------------------------------------------------------------- */
static int
os_error(struct err *e, const char *path, const char *what)
{
	enum err_kind kind = ERR_RETRY;	/* full, read-only: may be mended */

	if (errno == ELOOP || errno == ENOTDIR || errno == EISDIR ||
	    errno == EEXIST || errno == ENOTEMPTY)
		kind = ERR_CONFLICT;
	return err_set(e, kind, "%s: %s: %s", path, what,
	    errno == ELOOP ? "a symbolic link is in the way" :
	    errno == ENOTDIR ? "something that is no directory is in the way" :
	    strerror(errno));
}

static int
open_dir(int at, const char *name, bool make)
{
	int fd, tries;

	for (tries = 0; tries < 2; tries++) {
		fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW |
		    O_CLOEXEC);
		if (fd != -1 || errno != ENOENT || !make)
			return fd;
		if (mkdirat(at, name, 0700) == -1 && errno != EEXIST)
			return -1;
	}
	return fd;
}

/* The root is the operator's: links in it are theirs, and parents are made. */
static int
make_root(const char *root, struct err *e)
{
	char *path = xstrdup(root), *p;
	bool is_last = false;
	int rv = 0;

	for (p = path + 1; rv == 0 && !is_last; p++) {
		if (*p != '/' && *p != '\0')
			continue;
		is_last = *p == '\0';
		*p = '\0';
		if (mkdir(path, is_last ? 0700 : 0755) == -1 && errno != EEXIST)
			rv = err_set(e, ERR_BROKEN, "storage.url: %s: %s", path,
			    strerror(errno));
		if (!is_last)
			*p = '/';
	}
	free(path);
	return rv;
}

/* Opened by name each time: somebody may have moved the tree away. */
static int
open_root(const struct directory_ctx *c, bool make)
{
	struct err ignored = {0};
	int fd;

	fd = open(c->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd != -1 || errno != ENOENT || !make)
		return fd;
	if (make_root(c->root, &ignored) == -1)
		return -1;
	return open(c->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* The directory that holds parts[n - 1]; a descriptor for close, or -1. */
static int
open_parent(const struct directory_ctx *c, const struct strv *parts, size_t n,
    bool make)
{
	size_t i;
	int fd, next, saved;

	fd = open_root(c, make);
	for (i = 0; fd != -1 && i + 1 < n; i++) {
		next = open_dir(fd, parts->v[i], make);
		saved = errno;
		close(fd);
		errno = saved;
		fd = next;
	}
	return fd;
}

/* --- looking ------------------------------------------------------------ */

static void
fill_stat(const struct stat *st, struct storage_stat *out)
{
	memset(out, 0, sizeof(*out));
	out->size = (size_t)st->st_size;
	out->mode = (int)(st->st_mode & 07777);
	out->is_tree = S_ISDIR(st->st_mode);
	snprintf(out->version, sizeof(out->version), "%llu.%lld.%lld%09ld",
	    (unsigned long long)st->st_ino, (long long)st->st_size,
	    (long long)st->st_ctim.tv_sec, (long)st->st_ctim.tv_nsec);
}

/* Does errno say that there is no file of ours?  A directory that is gone or
 * was replaced took the file along; a link or a device is none. */
static bool
is_absence(void)
{
	return errno == ENOENT || errno == ELOOP || errno == ENOTDIR ||
	    errno == ENXIO;
}

static int
not_there(const char *path, struct err *e)
{
	return err_set(e, ERR_NOTFOUND, "%s: not there", path);
}

/* The directory of a path, for close; its name in there is the last part. */
static int
open_place(const struct directory_ctx *c, const char *path, bool make,
    struct strv *parts, struct err *e)
{
	int dir;

	if (!storage_split(path, parts))
		return err_set(e, ERR_USER, "\"%s\" is not a path that we "
		    "write", path);
	dir = open_parent(c, parts, parts->n, make);
	if (dir != -1)
		return dir;
	if (!make && is_absence())
		return not_there(path, e);
	return os_error(e, path, make ? "make its directory" : "open");
}

static int
read_all(int fd, const char *path, struct buf *data, struct err *e)
{
	char chunk[16384];
	ssize_t n;

	for (;;) {
		n = read(fd, chunk, sizeof(chunk));
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return os_error(e, path, "read");
		if (n == 0)
			return 0;
		if (data->len + (size_t)n > STORAGE_FILE_MAX)
			return 1;
		buf_add(data, chunk, (size_t)n);
	}
}

static int
directory_get(void *arg, const char *path, struct buf *data,
    struct storage_stat *out, struct err *e)
{
	const struct directory_ctx *c = arg;
	struct strv parts = {0};
	struct stat st;
	int dir, fd = -1, rv = -1;

	dir = open_place(c, path, false, &parts, e);
	if (dir == -1)
		goto out;
	fd = openat(dir, parts.v[parts.n - 1], O_RDONLY | O_NOFOLLOW |
	    O_NONBLOCK | O_CLOEXEC);
	if (fd == -1 && is_absence())
		not_there(path, e);
	else if (fd == -1 || fstat(fd, &st) == -1)
		os_error(e, path, "open");
	else if (S_ISDIR(st.st_mode))
		err_set(e, ERR_CONFLICT, "%s: a directory is in the way", path);
	else if (!S_ISREG(st.st_mode))
		not_there(path, e);
	else {
		fill_stat(&st, out);
		rv = read_all(fd, path, data, e);
	}
out:
	if (fd != -1)
		close(fd);
	if (dir != -1)
		close(dir);
	strv_release(&parts);
	return rv;
}

/* What is called so in this directory. */
static int
stat_at(int dir, const char *name, const char *path, struct storage_seen *out,
    struct err *e)
{
	struct stat st;

	out->is_there = fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
	if (!out->is_there)
		return is_absence() ? 0 : os_error(e, path, "look");
	out->is_there = S_ISREG(st.st_mode) || S_ISDIR(st.st_mode);
	fill_stat(&st, &out->st);
	return 0;
}

/* The directories that lead to the path that was looked at last. */
struct descent {
	int		 fds[WALK_DEPTH];	/* the root is the first */
	size_t		 ends[WALK_DEPTH];	/* of their names in path */
	size_t		 n;
	const char	*path;
};

/*
 * Down to the directory of this path, from the last one that it shares with the
 * path before.  Its name in there; NULL, and errno, when there is no way.
 */
static const char *
descend(const struct directory_ctx *c, struct descent *d, const char *path)
{
	const char *at, *slash;
	char *name;
	int fd, saved;

	while (d->n > 1 &&
	    strncmp(d->path, path, d->ends[d->n - 1]) != 0)
		close(d->fds[--d->n]);
	d->path = path;
	if (d->n == 0) {
		if ((fd = open_root(c, false)) == -1)
			return NULL;
		d->fds[d->n++] = fd;
	}
	for (at = path + d->ends[d->n - 1]; (slash = strchr(at, '/')) != NULL;
	    at = slash + 1) {
		name = xstrndup(at, (size_t)(slash - at));
		fd = open_dir(d->fds[d->n - 1], name, false);
		saved = errno;
		free(name);
		errno = saved;
		if (fd == -1)
			return NULL;
		d->fds[d->n] = fd;
		d->ends[d->n++] = (size_t)(slash - path) + 1;
	}
	return at;
}

static int
directory_look(void *arg, struct storage_seen *v, size_t n, struct err *e)
{
	const struct directory_ctx *c = arg;
	struct descent d = {0};
	const char *name;
	int rv = 0;

	for (size_t i = 0; rv == 0 && i < n; i++) {
		name = descend(c, &d, v[i].path);
		if (name != NULL)
			rv = stat_at(d.fds[d.n - 1], name, v[i].path, &v[i], e);
		else if (!is_absence())
			rv = os_error(e, v[i].path, "open");
	}
	while (d.n > 0)
		close(d.fds[--d.n]);
	return rv;
}

/* --- listing ------------------------------------------------------------ */

struct walk {
	int	(*cb)(void *arg, const char *path, const struct storage_stat *);
	void	*arg;
	struct err *e;
};

/* Takes fd over.  A directory that goes while we look is no error. */
static int
walk(const struct walk *w, int fd, const char *prefix, int depth)
{
	DIR *d = fdopendir(fd);
	const struct dirent *ent;
	struct storage_stat found;
	struct stat st;
	char *path;
	int rv = 0, sub;

	if (d == NULL) {
		close(fd);
		return os_error(w->e, prefix, "list");
	}
	while (rv == 0 && (ent = readdir(d)) != NULL) {
		if (strcmp(ent->d_name, ".") == 0 ||
		    strcmp(ent->d_name, "..") == 0 ||
		    fstatat(fd, ent->d_name, &st, AT_SYMLINK_NOFOLLOW) == -1)
			continue;
		path = xasprintf("%s%s%s", prefix, ent->d_name,
		    S_ISDIR(st.st_mode) ? "/" : "");
		if (S_ISREG(st.st_mode) && !str_ends(path, TEMP_SUFFIX)) {
			fill_stat(&st, &found);
			rv = w->cb(w->arg, path, &found);
		} else if (S_ISDIR(st.st_mode) && depth < WALK_DEPTH &&
		    (sub = open_dir(fd, ent->d_name, false)) != -1)
			rv = walk(w, sub, path, depth + 1);
		free(path);
	}
	closedir(d);
	return rv;
}

static int
directory_list(void *arg, const char *prefix, const char *after,
    int (*cb)(void *arg, const char *path, const struct storage_stat *),
    void *cbarg, struct err *e)
{
	const struct directory_ctx *c = arg;
	const struct walk w = { cb, cbarg, e };
	struct strv parts = {0};
	char *path = xasprintf("%s-", prefix);	/* its parent is the tree */
	int fd, rv = 0;

	(void)after;
	if (!storage_split(path, &parts))
		rv = err_set(e, ERR_USER, "\"%s\" is not a path that we read",
		    prefix);
	else if ((fd = open_parent(c, &parts, parts.n, false)) != -1)
		rv = walk(&w, fd, prefix, 0);
	else if (!is_absence())
		rv = os_error(e, prefix, "open");
	strv_release(&parts);
	free(path);
	return rv;
}

/* --- writing ------------------------------------------------------------ */

static int
write_all(int fd, const char *data, size_t len)
{
	ssize_t n;

	while (len > 0) {
		n = write(fd, data, len);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return -1;
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

/* The file beside its place, durable; -1 leaves nothing behind. */
static int
write_temp(int dir, const char *temp, const char *path, const void *data,
    size_t len, int mode, struct err *e)
{
	int fd, rv = 0;

	/* Ours by name: at most a piece of an earlier try of this object. */
	if (unlinkat(dir, temp, 0) == -1 && errno != ENOENT)
		return os_error(e, path, "clear the way");
	fd = openat(dir, temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW |
	    O_CLOEXEC, 0600);
	if (fd == -1)
		return os_error(e, path, "create");
	if (write_all(fd, data, len) == -1 || fchmod(fd, (mode_t)mode) == -1 ||
	    fsync(fd) == -1) {
		rv = os_error(e, path, "write");
		unlinkat(dir, temp, 0);
	}
	close(fd);
	return rv;
}

/*
 * Is what lies there as the condition wants it?  1 when not.  A link or a
 * device counts as nothing, and the rename replaces it.
 */
static int
check_place(int dir, const char *name, const char *path, enum storage_if cond,
    const char *version, struct err *e)
{
	struct storage_stat now;
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == -1) {
		if (errno != ENOENT)
			return os_error(e, path, "look");
		return cond == STORAGE_MATCH;
	}
	if (S_ISDIR(st.st_mode))
		return err_set(e, ERR_CONFLICT, "%s: a directory is in the way",
		    path);
	if (!S_ISREG(st.st_mode))
		return cond == STORAGE_MATCH;
	fill_stat(&st, &now);
	return cond == STORAGE_ABSENT ||
	    (cond == STORAGE_MATCH && !str_equal(now.version, version));
}

/* From beside to its place; 1 when the condition does not hold. */
static int
put_in_place(int dir, const char *temp, const char *name, const char *path,
    enum storage_if cond, const char *version, struct err *e)
{
	struct stat st;
	int rv;

	rv = check_place(dir, name, path, cond, version, e);
	if (rv != 0)
		return rv;
	/* Nothing there: whoever is quicker wins, as link() promises. */
	if (cond == STORAGE_ABSENT &&
	    fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == -1) {
		if (linkat(dir, temp, dir, name, 0) == 0) {
			unlinkat(dir, temp, 0);
			return 0;
		}
		if (errno == EEXIST)
			return 1;
		/* A file system without links: rename is nearly as good. */
	}
	if (renameat(dir, temp, dir, name) == -1)
		return os_error(e, path, "rename");
	return 0;
}

/* From now on what somebody does to it is heard; false: it is not. */
static bool
listen_for(const struct directory_ctx *c, const char *path)
{
	const char *slash = strrchr(path, '/');
	bool is_heard;
	char *dir;

	if (slash == NULL)
		return false;
	dir = xasprintf("%s/%.*s", c->root, (int)(slash - path), path);
	is_heard = file_watch_add(c->watch, dir, slash + 1);
	free(dir);
	return is_heard;
}

static void
directory_listen(void *arg, const char *path)
{
	listen_for(arg, path);
}

/* Heard of will be a file that is as we left it. */
static void
note_written(struct directory_ctx *c, const char *path, const char *version)
{
	pthread_mutex_lock(&c->lock);
	map_set(c->written, path, xstrdup(version));
	pthread_mutex_unlock(&c->lock);
}

static int
directory_put(void *arg, const char *path, const void *data, size_t len,
    int mode, enum storage_if cond, const char *version,
    struct storage_stat *out, struct err *e)
{
	struct directory_ctx *c = arg;
	struct strv parts = {0};
	const char *name;
	char *temp = NULL;
	struct stat st;
	bool is_heard;
	int dir, rv = -1;

	dir = open_place(c, path, true, &parts, e);
	if (dir == -1)
		goto out;
	name = parts.v[parts.n - 1];
	temp = xasprintf(".%s" TEMP_SUFFIX, name);
	/* Before anything is written: most of the time it is there. */
	rv = check_place(dir, name, path, cond, version, e);
	if (rv != 0)
		goto out;
	rv = write_temp(dir, temp, path, data, len, mode, e);
	if (rv == -1)
		goto out;
	is_heard = listen_for(c, path);
	rv = put_in_place(dir, temp, name, path, cond, version, e);
	if (rv != 0) {
		unlinkat(dir, temp, 0);
		goto out;
	}
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == -1)
		rv = os_error(e, path, "look");
	else {
		fill_stat(&st, out);
		if (is_heard)
			note_written(c, path, out->version);
	}
	fsync(dir);	/* the name is durable, too */
out:
	if (dir != -1)
		close(dir);
	free(temp);
	strv_release(&parts);
	return rv;
}

/* --- removing ----------------------------------------------------------- */

/* Directories that the file leaves empty go with it, never the root. */
static void
prune(const struct directory_ctx *c, const struct strv *parts)
{
	size_t n;
	int dir;

	for (n = parts->n - 1; n > 0; n--) {
		dir = open_parent(c, parts, n, false);
		if (dir == -1)
			return;
		if (unlinkat(dir, parts->v[n - 1], AT_REMOVEDIR) == -1) {
			close(dir);
			return;
		}
		close(dir);
	}
}

static int
remove_one(const struct directory_ctx *c, const char *path, struct err *e)
{
	struct strv parts = {0};
	int dir, rv = 0;

	dir = open_place(c, path, false, &parts, e);
	if (dir == -1) {
		/* Gone, or replaced by something that is not ours. */
		rv = e->kind == ERR_NOTFOUND ? 0 : -1;
		goto out;
	}
	if (unlinkat(dir, parts.v[parts.n - 1], 0) == -1 && errno != ENOENT &&
	    errno != EISDIR)
		rv = os_error(e, path, "remove");
	close(dir);
	if (rv == 0)
		prune(c, &parts);
out:
	strv_release(&parts);
	return rv;
}

static int
directory_remove(void *arg, const char *const *paths, size_t n, struct err *e)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (remove_one(arg, paths[i], e) == -1)
			return -1;
	return 0;
}

/* 1 when it was made. */
static int
directory_make_tree(void *arg, const char *path, int mode, struct err *e)
{
	const struct directory_ctx *c = arg;
	struct strv parts = {0};
	struct stat st;
	bool is_new;
	int dir, fd = -1, rv = -1;

	dir = open_place(c, path, true, &parts, e);
	if (dir == -1)
		goto out;
	is_new = mkdirat(dir, parts.v[parts.n - 1], 0700) == 0;
	fd = open_dir(dir, parts.v[parts.n - 1], true);
	if (fd == -1 || fstat(fd, &st) == -1 ||
	    ((int)(st.st_mode & 07777) != mode &&
	    fchmod(fd, (mode_t)mode) == -1))
		os_error(e, path, "make it");
	else
		rv = is_new;
out:
	if (fd != -1)
		close(fd);
	if (dir != -1)
		close(dir);
	strv_release(&parts);
	return rv;
}

/*
 * All that is in a directory, links and devices too, takes fd over.  What lies
 * deeper than we can hold descriptors for is moved up to the top, for the next
 * round.
 */
static void
clear_dir(int top, int fd, int depth, size_t *removed)
{
	DIR *d = fdopendir(fd);
	const struct dirent *ent;
	char *name;
	int sub;

	if (d == NULL) {
		close(fd);
		return;
	}
	while ((ent = readdir(d)) != NULL) {
		if (strcmp(ent->d_name, ".") == 0 ||
		    strcmp(ent->d_name, "..") == 0)
			continue;
		if (unlinkat(fd, ent->d_name, 0) == 0) {
			++*removed;
			continue;
		}
		if (depth == WALK_DEPTH) {
			name = xasprintf(".doomed%zu" TEMP_SUFFIX, *removed);
			if (renameat(fd, ent->d_name, top, name) == 0)
				++*removed;
			free(name);
			continue;
		}
		sub = open_dir(fd, ent->d_name, false);
		if (sub != -1)
			clear_dir(top, sub, depth + 1, removed);
		unlinkat(fd, ent->d_name, AT_REMOVEDIR);
	}
	closedir(d);
}

static int
directory_drop_tree(void *arg, const char *path, size_t *removed,
    struct err *e)
{
	const struct directory_ctx *c = arg;
	struct strv parts = {0};
	const char *name;
	size_t before;
	int dir, fd, rv = -1;

	dir = open_place(c, path, false, &parts, e);
	if (dir == -1) {
		rv = e->kind == ERR_NOTFOUND ? 0 : -1;
		goto out;
	}
	name = parts.v[parts.n - 1];
	do {
		before = *removed;
		fd = open_dir(dir, name, false);
		if (fd != -1)
			clear_dir(fd, dup(fd), 0, removed);
		if (fd != -1)
			close(fd);
		if (unlinkat(dir, name, AT_REMOVEDIR) == 0 || is_absence())
			rv = 0;
	} while (rv == -1 && errno == ENOTEMPTY && *removed > before);
	if (rv == -1 && errno == ENOTEMPTY)
		err_set(e, ERR_RETRY, "%s: somebody keeps writing there", path);
	else if (rv == -1)
		os_error(e, path, "remove");
	close(dir);
	if (rv == 0)
		prune(c, &parts);
out:
	strv_release(&parts);
	return rv;
}

static const struct storage_ops ops = {
	.get = directory_get,
	.put = directory_put,
	.remove = directory_remove,
	.list = directory_list,
	.look = directory_look,
	.listen = directory_listen,
	.make_tree = directory_make_tree,
	.drop_tree = directory_drop_tree,
};

/* --- opening ------------------------------------------------------------ */

static int
directory_open(const struct provider_env *env, void **ctx, struct err *e)
{
	const char *url = env->storage.url;
	struct directory_ctx *c;
	char *root;
	int fd;

	*ctx = NULL;
	if (!str_equal(env->storage.provider, "directory"))
		return 0;
	if (!str_starts(url, "file:///") || url[8] == '\0')
		return err_set(e, ERR_BROKEN, "storage.url: \"%s\" must read "
		    "file:///absolute/path", url);
	root = http_unescape(url + 7, strlen(url + 7));
	if (root == NULL)
		return err_set(e, ERR_BROKEN, "storage.url: \"%s\" is not "
		    "percent-encoded well", url);
	if (make_root(root, e) == -1) {
		free(root);
		return -1;
	}
	c = xcalloc(1, sizeof(*c));
	c->root = root;
	fd = open_root(c, false);
	if (fd == -1) {
		err_set(e, ERR_BROKEN, "storage.url: %s: %s", root,
		    strerror(errno));
		free(root);
		free(c);
		return -1;
	}
	close(fd);
	c->watch = file_watch_new();
	pthread_mutex_init(&c->lock, NULL);
	c->written = map_new(free);
	storage_init(&c->storage, &ops, env);
	*ctx = c;
	return 0;
}

static void
directory_close(void *arg)
{
	struct directory_ctx *c = arg;

	if (c == NULL)
		return;
	storage_release(&c->storage);
	file_watch_free(c->watch);
	map_free(c->written);
	pthread_mutex_destroy(&c->lock);
	free(c->root);
	free(c);
}

struct listening {
	struct directory_ctx	*c;
	const struct watch	*watch;
};

/* Is this file as we left it?  Asked once: what comes later is news. */
static bool
is_written(struct directory_ctx *c, const char *path)
{
	struct storage_seen now = { .path = xstrdup(path) };
	struct err ignored;
	char *version;
	bool is_same;

	pthread_mutex_lock(&c->lock);
	version = map_take(c->written, path);
	pthread_mutex_unlock(&c->lock);
	if (version != NULL && directory_look(c, &now, 1, &ignored) == -1)
		now.is_there = false;
	is_same = now.is_there && str_equal(version, now.st.version);
	free(version);
	free(now.path);
	return is_same;
}

/* paths are absolute, all below the root; NULL: look at all. */
static void
on_heard(void *arg, const struct strv *paths)
{
	const struct listening *l = arg;
	const struct watch *w = l->watch;
	struct strv keys = {0};
	const char *path;

	if (paths == NULL) {
		pthread_mutex_lock(&l->c->lock);
		map_free(l->c->written);
		l->c->written = map_new(free);
		pthread_mutex_unlock(&l->c->lock);
		w->ready(w->arg);
		return;
	}
	for (size_t i = 0; i < paths->n; i++) {
		path = paths->v[i] + strlen(l->c->root) + 1;
		if (!is_written(l->c, path))
			storage_keys(path, &keys);
	}
	for (size_t i = 0; i < keys.n; i++)
		w->look(w->arg, keys.v[i]);
	strv_release(&keys);
}

static int
directory_watch(void *arg, const struct watch *w, struct err *e)
{
	struct listening l = { arg, w };

	return file_watch_run(l.c->watch, w, on_heard, &l, e);
}

static const struct object_kind kinds[] = {
	STORAGE_KINDS,
	{ .name = NULL }
};

const struct provider provider_directory = {
	.name = "directory",
	.concurrency = 2,
	.kinds = kinds,
	.open = directory_open,
	.close = directory_close,
	.observe = storage_observe,
	.watch = directory_watch,
	.query = storage_query,
};
