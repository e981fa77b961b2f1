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
 * Only whole files are ours: what else lies in the directories stays.
 */
#include "provider-int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hiclaw/http.h"
#include "hiclaw/secure.h"

#define FILE_MAX	(4 * 1024 * 1024)	/* of a file that we write */
#define PATH_BYTES	1024
#define DEPTH_MAX	16
#define TEMP_SUFFIX	".hiclaw-new"

struct directory_ctx {
	char	*root;
};

/* --- paths -------------------------------------------------------------- */

/* "a/b/c" into its parts; false unless it is relative, plain and short. */
static bool
split_path(const char *path, struct strv *parts)
{
	const char *p, *end;
	size_t n;

	if (path == NULL || path[0] == '\0' || strlen(path) > PATH_BYTES)
		return false;
	for (p = path; ; p = end + 1) {
		n = strcspn(p, "/");
		end = p + n;
		if (n == 0 || n > 200 || (n == 1 && p[0] == '.') ||
		    (n == 2 && p[0] == '.' && p[1] == '.') ||
		    parts->n == DEPTH_MAX)
			return false;
		strv_addf(parts, "%.*s", (int)n, p);
		if (*end == '\0')
			return true;
	}
}

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

static int
hash_fd(int fd, char hash[SHA256_HEX])
{
	struct buf b = {0};
	char chunk[16384];
	ssize_t n;
	int rv = 0;

	buf_init(&b, FILE_MAX);
	while ((n = read(fd, chunk, sizeof(chunk))) > 0 && !b.overflow)
		buf_add(&b, chunk, (size_t)n);
	if (n == -1)
		rv = -1;
	else if (b.overflow)	/* not ours, whatever it is */
		str_copy(hash, "too large", SHA256_HEX);
	else
		sha256_hex(buf_str(&b), b.len, hash);
	buf_release(&b);
	return rv;
}

static struct json *
observed_form(const char *path, const struct stat *st, const char *hash)
{
	struct json *o = json_object();

	json_set_str(o, "path", path);
	json_set_strf(o, "mode", "%04o", (unsigned)(st->st_mode & 07777));
	json_set_int(o, "size", (int64_t)st->st_size);
	/* As text: too large for a JSON number. */
	json_set_strf(o, "mtime_ns", "%lld%09ld", (long long)st->st_mtim.tv_sec,
	    (long)st->st_mtim.tv_nsec);
	json_set_strf(o, "ino", "%llu", (unsigned long long)st->st_ino);
	json_set_str(o, "sha256", hash);
	return o;
}

static bool
looks_same(const struct json *observed, const struct json *now)
{
	static const char *const fields[] = { "mode", "mtime_ns", "ino" };
	size_t i;

	for (i = 0; i < NELEM(fields); i++) {
		if (!str_equal(json_str(observed, fields[i]),
		    json_str(now, fields[i])))
			return false;
	}
	return json_int(observed, "size", -1) == json_int(now, "size", -2);
}

/*
 * What is at this path?  *now stays NULL when there is no regular file.  If it
 * looks like `known` it is not read, and its hash is the known one.
 */
static int
look(int dir, const char *name, const char *path, const struct json *known,
    struct json **now, struct err *e)
{
	char hash[SHA256_HEX] = "";
	struct stat st;
	struct json *o;
	int fd;

	fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd == -1) {
		if (errno == ENOENT || errno == ELOOP || errno == ENXIO)
			return 0;
		return os_error(e, path, "open");
	}
	if (fstat(fd, &st) == -1) {
		os_error(e, path, "stat");
		close(fd);
		return -1;
	}
	if (!S_ISREG(st.st_mode)) {
		close(fd);
		return 0;
	}
	o = observed_form(path, &st, NULL);
	if (known != NULL && looks_same(known, o))
		json_set_str(o, "sha256", json_str(known, "sha256"));
	else if (hash_fd(fd, hash) == -1) {
		os_error(e, path, "read");
		json_free(o);
		close(fd);
		return -1;
	} else
		json_set_str(o, "sha256", hash);
	close(fd);
	*now = o;
	return 0;
}

static int
look_path(const struct directory_ctx *c, const char *path,
    const struct json *known, struct json **now, struct err *e)
{
	struct strv parts = {0};
	int dir = -1, rv = 0;

	if (!split_path(path, &parts)) {
		rv = err_set(e, ERR_BROKEN, "not a path that we write: \"%s\"",
		    path == NULL ? "" : path);
		goto out;
	}
	dir = open_parent(c, &parts, parts.n, false);
	if (dir == -1) {
		/* A directory that is gone or replaced took the file along. */
		if (errno != ENOENT && errno != ELOOP && errno != ENOTDIR)
			rv = os_error(e, path, "open");
		goto out;
	}
	rv = look(dir, parts.v[parts.n - 1], path, known, now, e);
	close(dir);
out:
	strv_release(&parts);
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

static int
write_file(int dir, const char *name, const char *path, mode_t mode,
    const char *content, struct err *e)
{
	char *temp = xasprintf(".%s" TEMP_SUFFIX, name);
	int fd, rv = -1;

	/* Ours by name: at most a piece of an earlier try of this object. */
	if (unlinkat(dir, temp, 0) == -1 && errno != ENOENT) {
		os_error(e, path, "clear the way");
		goto out;
	}
	fd = openat(dir, temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW |
	    O_CLOEXEC, 0600);
	if (fd == -1) {
		os_error(e, path, "create");
		goto out;
	}
	if (write_all(fd, content, strlen(content)) == -1 ||
	    fchmod(fd, mode) == -1 || fsync(fd) == -1)
		os_error(e, path, "write");
	else if (renameat(dir, temp, dir, name) == -1)
		os_error(e, path, "rename");
	else
		rv = 0;
	close(fd);
	if (rv == -1)
		unlinkat(dir, temp, 0);
	else
		fsync(dir);	/* the name is durable, too */
out:
	free(temp);
	return rv;
}

static mode_t
mode_of(const char *text)
{
	char *end;
	long mode = text == NULL ? 0600 : strtol(text, &end, 8);

	return mode <= 0 || mode > 0777 ? 0600 : (mode_t)mode;
}

static int
directory_ensure(void *arg, const struct work *w, struct outcome *out,
    struct err *e)
{
	const struct directory_ctx *c = arg;
	const char *path = json_str(w->desired, "path");
	const char *content = json_strd(w->desired, "text", "");
	mode_t mode = mode_of(json_str(w->desired, "mode"));
	struct strv parts = {0};
	struct json *now = NULL;
	char hash[SHA256_HEX], modetext[8];
	int dir = -1, rv = -1;

	if (!split_path(path, &parts) || strlen(content) > FILE_MAX) {
		err_set(e, ERR_USER, "%s: not a path or size that we write",
		    w->key);
		goto out;
	}
	dir = open_parent(c, &parts, parts.n, true);
	if (dir == -1) {
		os_error(e, path, "make its directory");
		goto out;
	}
	if (look(dir, parts.v[parts.n - 1], path, NULL, &now, e) == -1)
		goto out;
	sha256_hex(content, strlen(content), hash);
	snprintf(modetext, sizeof(modetext), "%04o", (unsigned)mode);
	if (str_equal(json_str(now, "sha256"), hash) &&
	    str_equal(json_str(now, "mode"), modetext)) {
		rv = 0;		/* adopted as it is */
		goto out;
	}
	rv = write_file(dir, parts.v[parts.n - 1], path, mode, content, e);
	if (rv == -1)
		goto out;
	strv_add(&out->did, now == NULL ? "written" : "rewritten");
	json_free(now);
	now = NULL;
	rv = look(dir, parts.v[parts.n - 1], path, NULL, &now, e);
out:
	if (dir != -1)
		close(dir);
	strv_release(&parts);
	out->observed = now != NULL ? now : json_copy(w->observed);
	return rv;
}

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
directory_remove(void *arg, const struct work *w, struct outcome *out,
    struct err *e)
{
	const struct directory_ctx *c = arg;
	const char *path = json_str(w->observed, "path");
	struct strv parts = {0};
	int dir = -1, rv = 0;

	if (path == NULL && strchr(w->key, ':') != NULL)
		path = strchr(w->key, ':') + 1;
	if (!split_path(path, &parts)) {
		rv = err_set(e, ERR_USER, "%s: not a path that we write",
		    w->key);
		goto out;
	}
	dir = open_parent(c, &parts, parts.n, false);
	if (dir == -1) {
		/* Gone, or replaced by something that is not ours. */
		if (errno != ENOENT && errno != ELOOP && errno != ENOTDIR)
			rv = os_error(e, path, "open its directory");
		goto out;
	}
	if (unlinkat(dir, parts.v[parts.n - 1], 0) == 0)
		strv_add(&out->did, "removed");
	else if (errno != ENOENT && errno != EISDIR)
		rv = os_error(e, path, "remove");
	if (rv == 0)
		prune(c, &parts);
out:
	if (dir != -1)
		close(dir);
	strv_release(&parts);
	if (rv == -1)
		out->observed = json_copy(w->observed);
	return rv;
}

/* --- comparing ---------------------------------------------------------- */

static void
directory_diff(const struct json *desired, const struct json *observed,
    struct changes *out)
{
	const char *content = json_str(desired, "text");
	char hash[SHA256_HEX], from[40], to[40], mode[8];

	snprintf(to, sizeof(to), "%zu bytes",
	    content == NULL ? (size_t)0 : strlen(content));
	if (json_str(observed, "path") == NULL) {
		changes_add(out, RISK_CREATE, "content", NULL, to);
		return;
	}
	snprintf(mode, sizeof(mode), "%04o",
	    (unsigned)mode_of(json_str(desired, "mode")));
	if (!str_equal(mode, json_str(observed, "mode")))
		changes_add(out, RISK_UPDATE, "mode",
		    json_str(observed, "mode"), mode);
	if (content == NULL)
		return;
	sha256_hex(content, strlen(content), hash);
	if (str_equal(hash, json_str(observed, "sha256")))
		return;
	snprintf(from, sizeof(from), "%lld bytes",
	    (long long)json_int(observed, "size", 0));
	changes_add(out, RISK_UPDATE, "content", from,
	    strcmp(from, to) == 0 ? "other text" : to);
}

static int
directory_observe(void *arg, const struct observe_item *items, size_t n,
    void (*changed)(void *arg, const char *key, struct json *observed),
    void *carg, struct err *e)
{
	const struct directory_ctx *c = arg;
	struct json *now, *was;
	int rv = 0;
	size_t i;

	for (i = 0; rv == 0 && i < n; i++) {
		now = NULL;
		was = json_must(items[i].observed);
		if (json_str(was, "path") != NULL)
			rv = look_path(c, json_str(was, "path"), was, &now, e);
		/* Also when only times differ: then they are known next time. */
		if (rv == 0 && json_str(was, "path") != NULL &&
		    (now == NULL || !looks_same(was, now)))
			changed(carg, items[i].key, now);
		else
			json_free(now);
		json_free(was);
	}
	return rv;
}

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
	*ctx = c;
	return 0;
}

static void
directory_close(void *arg)
{
	struct directory_ctx *c = arg;

	if (c == NULL)
		return;
	free(c->root);
	free(c);
}

static const struct object_kind kinds[] = {
	{ .name = "file", .label = "file", .diff = directory_diff,
	    .ensure = directory_ensure, .remove = directory_remove },
	{ .name = NULL }
};

const struct provider provider_directory = {
	.name = "directory",
	.concurrency = 2,
	.kinds = kinds,
	.open = directory_open,
	.close = directory_close,
	.observe = directory_observe,
};
