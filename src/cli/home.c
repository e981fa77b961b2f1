/* The home of an agent on this machine: see home.h. */
#include "home.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hiclaw/file-rule.h"
#include "hiclaw/secure.h"

#define PATH_BYTES	1024
#define PART_BYTES	200
#define DEPTH_MAX	16
#define FILE_MAX	(64 * 1024 * 1024)
#define TEMP		".hiclaw-new"
#define LOCK_MS		15000	/* longer than a command may take to end */
#define LOCK_PAUSE_MS	100

/* --- what goes where: pure ------------------------------------------------ */

static bool
part_is_good(const char *p, size_t n)
{
	if (n == 0 || n > PART_BYTES || (n == 1 && p[0] == '.') ||
	    (n == 2 && p[0] == '.' && p[1] == '.'))
		return false;
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)p[i] < ' ' || p[i] == 0x7f)
			return false;
	return n <= strlen(TEMP) ||
	    memcmp(p + n - strlen(TEMP), TEMP, strlen(TEMP)) != 0;
}

bool
home_path_is_good(const char *path)
{
	static const char *const ours[] = { HOME_STATE, HOME_LOCK, HOME_TOKEN };
	size_t depth = 0, n;

	if (path == NULL || strlen(path) > PATH_BYTES)
		return false;
	for (size_t i = 0; i < NELEM(ours); i++) {
		n = strlen(ours[i]);
		if (strncmp(path, ours[i], n) == 0 &&
		    (path[n] == '\0' || path[n] == '/'))
			return false;
	}
	for (;; path += n + 1) {
		n = strcspn(path, "/");
		if (!part_is_good(path, n) || ++depth > DEPTH_MAX)
			return false;
		if (path[n] == '\0')
			return true;
	}
}

/* The bytes that the controller has; NULL: it gave none. */
static char *
given(const struct json *file, size_t *len)
{
	const char *text = json_str(file, "content");
	const char *base64 = json_str(file, "base64");

	if (text != NULL) {
		*len = strlen(text);
		return xstrdup(text);
	}
	return base64 != NULL ? base64_decode(base64, len) : NULL;
}

static bool
is_ours(const char *rule)
{
	return strcmp(rule, "owned") == 0 || strcmp(rule, "skill") == 0;
}

/* Did nobody touch it since we wrote it? */
static bool
is_as_written(const char *current, size_t len, const char *sha256)
{
	char now[SHA256_HEX];

	if (sha256 == NULL)
		return false;
	sha256_hex(current, len, now);
	return strcmp(now, sha256) == 0;
}

/* Ours and theirs in one file: the rule says what becomes of it. */
static int
decide_shared(const struct json *file, const struct json *secrets,
    const char *current, size_t current_len, char **data, size_t *len,
    struct err *e)
{
	*data = file_render(json_get(file, "form"), secrets, current,
	    current_len, e);
	if (*data == NULL)
		return -1;
	*len = strlen(*data);
	return 0;
}

int
home_decide(const struct json *file, const struct json *secrets,
    const char *current, size_t current_len, const char *sha256, char **data,
    size_t *len, struct err *e)
{
	const char *rule = json_strd(file, "rule", "owned");
	int rv = 0;

	*data = NULL;
	if (current != NULL && json_get(file, "form") != NULL)
		rv = decide_shared(file, secrets, current, current_len, data,
		    len, e);
	else if (current != NULL && !is_ours(rule) &&
	    (strcmp(rule, "package") != 0 ||
	    !is_as_written(current, current_len, sha256)))
		return 1;	/* the agent's own by now */
	else if ((*data = given(file, len)) == NULL)
		return err_set(e, ERR_BROKEN, "%.200s: the controller gave no "
		    "contents", json_strd(file, "path", "a file"));
	if (rv == 0 && current != NULL && *len == current_len &&
	    memcmp(*data, current, *len) == 0) {
		secret_free(*data);
		*data = NULL;
		return 1;
	}
	return rv;
}

/* --- files ---------------------------------------------------------------- */

static int
os_error(struct err *e, const char *path, const char *what)
{
	if (errno == ELOOP || errno == ENOTDIR)
		return err_set(e, ERR_CONFLICT, "%s: a link or something that "
		    "is no directory is in the way", path);
	return err_set(e, ERR_BROKEN, "%s: %s: %s", path, what,
	    strerror(errno));
}

/* The directory of a good path; *name is its last part.  -1: errno says why. */
static int
open_place(const struct home *h, const char *path, bool make,
    const char **name)
{
	int fd = dup(h->fd), next;
	const char *slash;
	char *part;

	for (; fd != -1 && (slash = strchr(path, '/')) != NULL;
	    path = slash + 1) {
		part = xstrndup(path, (size_t)(slash - path));
		if (make && mkdirat(fd, part, 0700) == -1 && errno != EEXIST)
			next = -1;
		else
			next = openat(fd, part, O_RDONLY | O_DIRECTORY |
			    O_NOFOLLOW | O_CLOEXEC);
		free(part);
		close(fd);
		fd = next;
	}
	*name = path;
	return fd;
}

/* 0, 1 when there is no such file. */
static int
read_file(const struct home *h, const char *path, struct buf *data,
    struct err *e)
{
	const char *name;
	char chunk[16384];
	struct stat st;
	int dir, fd = -1, rv = -1;
	ssize_t n;

	dir = open_place(h, path, false, &name);
	if (dir != -1)
		fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK |
		    O_CLOEXEC);
	if (fd == -1) {
		rv = errno == ENOENT ? 1 : os_error(e, path, "open");
		goto out;
	}
	if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode)) {
		err_set(e, ERR_CONFLICT, "%s: something that is no file is in "
		    "the way", path);
		goto out;
	}
	buf_init(data, FILE_MAX);
	while ((n = read(fd, chunk, sizeof chunk)) > 0)
		buf_add(data, chunk, (size_t)n);
	if (n == -1)
		os_error(e, path, "read");
	else if (data->overflow)
		err_set(e, ERR_CONFLICT, "%s: too big", path);
	else
		rv = 0;
	secret_wipe(chunk, sizeof chunk);
out:
	if (fd != -1)
		close(fd);
	if (dir != -1)
		close(dir);
	return rv;
}

static int
write_all(int fd, const char *data, size_t len)
{
	ssize_t n;

	for (; len > 0; data += n, len -= (size_t)n)
		if ((n = write(fd, data, len)) == -1) {
			if (errno != EINTR)
				return -1;
			n = 0;
		}
	return 0;
}

/* Whole or not at all, durably. */
static int
write_file(const struct home *h, const char *path, const char *data,
    size_t len, mode_t mode, struct err *e)
{
	const char *name;
	char *temp;
	int dir, fd, rv = -1;

	dir = open_place(h, path, true, &name);
	if (dir == -1)
		return os_error(e, path, "make its directory");
	temp = xasprintf(".%s" TEMP, name);
	unlinkat(dir, temp, 0);
	fd = openat(dir, temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW |
	    O_CLOEXEC, 0600);
	if (fd == -1) {
		os_error(e, path, "create");
		goto out;
	}
	if (write_all(fd, data, len) == -1 || fchmod(fd, mode) == -1 ||
	    fsync(fd) == -1)
		os_error(e, path, "write");
	else if (renameat(dir, temp, dir, name) == -1)
		os_error(e, path, "put in place");
	else
		rv = 0;
	close(fd);
	if (rv == -1)
		unlinkat(dir, temp, 0);
	fsync(dir);
out:
	free(temp);
	close(dir);
	return rv;
}

/* --- opening -------------------------------------------------------------- */

/* Is nothing in it but what we put there? */
static bool
is_empty(int fd)
{
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = copy != -1 ? fdopendir(copy) : NULL;
	const struct dirent *ent;
	bool is = true;

	while (d != NULL && is && (ent = readdir(d)) != NULL)
		is = strcmp(ent->d_name, ".") == 0 ||
		    strcmp(ent->d_name, "..") == 0 ||
		    strcmp(ent->d_name, HOME_LOCK) == 0;
	if (d != NULL)
		closedir(d);
	return is;
}

static int
read_state(struct home *h, struct err *e)
{
	struct buf data = { 0 };
	struct err why;
	int rv = read_file(h, HOME_STATE, &data, e);

	if (rv == 0) {
		h->state = json_parse(buf_str(&data), data.len, &why);
		if (h->state == NULL)
			rv = err_set(e, ERR_BROKEN, "%s/" HOME_STATE ": %s",
			    h->dir, why.msg);
	} else if (rv == 1 && is_empty(h->fd)) {
		h->state = json_object();
		rv = 0;
	} else if (rv == 1)
		rv = err_set(e, ERR_CONFLICT, "%s is not empty, and no "
		    "agent's home: take a new directory", h->dir);
	secret_wipe(data.data, data.len);
	buf_release(&data);
	return rv;
}

/* Of whoever has the lock: it runs, as far as we can know. */
static bool
is_kept(int lock)
{
	char text[24] = "";
	ssize_t n = pread(lock, text, sizeof text - 1, 0);
	long pid = n > 0 ? strtol(text, NULL, 10) : 0;

	return pid <= 0 || kill((pid_t)pid, 0) == 0 || errno == EPERM;
}

/* The command of a keeper that was killed has the lock until it has ended. */
static int
lock_take(int lock)
{
	char text[24];
	int n;

	for (int waited = 0; flock(lock, LOCK_EX | LOCK_NB) == -1;
	    waited += LOCK_PAUSE_MS) {
		if (errno != EWOULDBLOCK || waited >= LOCK_MS || is_kept(lock))
			return -1;
		usleep(LOCK_PAUSE_MS * 1000);
	}
	n = snprintf(text, sizeof text, "%ld\n", (long)getpid());
	if (ftruncate(lock, 0) == -1 || pwrite(lock, text, (size_t)n, 0) != n)
		return -1;
	return 0;
}

int
home_open(const char *dir, struct home *h, struct err *e)
{
	char whole[PATH_MAX];

	*h = (struct home){ .fd = -1, .lock = -1 };
	if (mkdir(dir, 0700) == -1 && errno != EEXIST)
		return os_error(e, dir, "make it");
	if (realpath(dir, whole) == NULL)
		return os_error(e, dir, "find it");
	h->dir = xstrdup(whole);
	h->fd = open(h->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (h->fd == -1)
		return os_error(e, dir, "open");
	/* Before anything of ours is in there. */
	if (faccessat(h->fd, HOME_STATE, F_OK, AT_SYMLINK_NOFOLLOW) == -1 &&
	    !is_empty(h->fd))
		return read_state(h, e);
	h->lock = openat(h->fd, HOME_LOCK, O_RDWR | O_CREAT | O_NOFOLLOW |
	    O_CLOEXEC, 0600);
	if (h->lock == -1)
		return os_error(e, dir, "lock");
	if (lock_take(h->lock) == -1)
		return err_set(e, ERR_CONFLICT, is_kept(h->lock) ?
		    "%s: another hiclaw join keeps this home" :
		    "%s: a process that an earlier command began still runs; "
		    "end it first", h->dir);
	return read_state(h, e);
}

void
home_share(const struct home *h)
{
	fcntl(h->lock, F_SETFD, 0);
}

void
home_release(struct home *h)
{
	if (h->dir == NULL)
		return;
	if (h->fd != -1)
		close(h->fd);
	if (h->lock != -1)
		close(h->lock);
	json_wipe(h->state);
	free(h->dir);
	*h = (struct home){ .fd = -1, .lock = -1 };
}

bool
home_is_new(const struct home *h)
{
	return json_str(h->state, "token") == NULL;
}

int
home_save(struct home *h, struct err *e)
{
	const char *token = json_strd(h->state, "token", "");
	char *text = json_canonical(h->state);
	int rv;

	rv = write_file(h, HOME_STATE, text, strlen(text), 0600, e);
	if (rv == 0)
		rv = write_file(h, HOME_TOKEN, token, strlen(token), 0600, e);
	secret_free(text);
	return rv;
}

/* --- taking over ---------------------------------------------------------- */

static mode_t
mode_of(const struct json *file)
{
	long mode = strtol(json_strd(file, "mode", "0600"), NULL, 8);

	return mode & 0100 ? 0700 : 0600;
}

static void
note(struct home *h, const char *path, const char *rule, const char *data,
    size_t len)
{
	struct json *f = json_object();
	char sha256[SHA256_HEX];

	sha256_hex(data, len, sha256);
	json_set_str(f, "rule", rule);
	json_set_str(f, "sha256", sha256);
	json_set(json_obj(h->state, "files"), path, f);
}

static int
take_file(struct home *h, const struct json *file, const struct json *secrets,
    struct home_news *n, struct err *e)
{
	const char *path = json_str(file, "path");
	const char *rule = json_strd(file, "rule", "owned");
	const struct json *was;
	struct buf current = { 0 };
	size_t len = 0;
	char *data = NULL;
	int rv;

	if (!home_path_is_good(path))
		return err_set(e, ERR_DENIED, "\"%.200s\" is no path inside a "
		    "home", path != NULL ? path : "");
	if ((rv = read_file(h, path, &current, e)) == -1)
		goto out;
	was = json_get(json_get(h->state, "files"), path);
	rv = home_decide(file, secrets, rv == 1 ? NULL : buf_str(&current),
	    current.len, json_str(was, "sha256"), &data, &len, e);
	if (rv == 1) {
		n->kept++;
		if (is_ours(rule))
			note(h, path, rule, buf_str(&current), current.len);
		rv = 0;
	} else if (rv == 0) {
		rv = write_file(h, path, data, len, mode_of(file), e);
		n->written += rv == 0;
		if (rv == 0)
			note(h, path, rule, data, len);
	}
	if (data != NULL) {
		secret_wipe(data, len);
		free(data);
	}
out:
	secret_wipe(current.data, current.len);
	buf_release(&current);
	return rv;
}

static const struct json *
file_at(const struct json *bundle, const char *path)
{
	const struct json *f = json_first(json_get(bundle, "files"));

	while (f != NULL && !str_equal(json_str(f, "path"), path))
		f = json_next(f);
	return f;
}

static bool
is_left_out(const struct json *bundle, const char *path)
{
	const struct json *v = json_first(json_get(bundle, "left_out"));

	for (; v != NULL; v = json_next(v))
		if (str_equal(json_value_str(v), path))
			return true;
	return false;
}

/* Ours that is no longer given goes, if it still is what we wrote. */
static void
drop_file(struct home *h, const char *path, const char *sha256,
    struct home_news *n)
{
	struct buf current = { 0 };
	const char *name;
	struct err err;
	int dir;

	if (home_path_is_good(path) &&
	    read_file(h, path, &current, &err) == 0 &&
	    is_as_written(buf_str(&current), current.len, sha256) &&
	    (dir = open_place(h, path, false, &name)) != -1) {
		n->removed += unlinkat(dir, name, 0) == 0;
		close(dir);
	}
	buf_release(&current);
	json_remove(json_get(h->state, "files"), path);
}

static void
drop_files(struct home *h, const struct json *bundle, struct home_news *n)
{
	struct json *v, *next;

	/* None at all: they do not come this way (any more). */
	if (json_size(json_get(bundle, "files")) == 0)
		return;
	v = json_first(json_get(h->state, "files"));
	for (; v != NULL; v = next) {
		char *path = xstrdup(json_key(v));

		next = json_next(v);
		if (is_ours(json_strd(v, "rule", "")) &&
		    file_at(bundle, path) == NULL &&
		    !is_left_out(bundle, path))
			drop_file(h, path, json_strd(v, "sha256", ""), n);
		free(path);
	}
}

void
home_take(struct home *h, const struct json *bundle, struct home_news *n)
{
	static const char *const texts[] = { "name", "kind", "user", "state",
	    "digest", "restart" };
	const struct json *f;
	struct err err;

	*n = (struct home_news){ 0 };
	f = json_first(json_get(bundle, "files"));
	for (; f != NULL; f = json_next(f))
		if (take_file(h, f, json_get(bundle, "secrets"), n,
		    &err) == -1 && n->failed++ == 0)
			str_copy(n->why, err.msg, sizeof n->why);
	drop_files(h, bundle, n);
	for (size_t i = 0; i < NELEM(texts); i++)
		json_set_str(h->state, texts[i], json_str(bundle, texts[i]));
	if (n->failed > 0)
		json_set_str(h->state, "digest", "");
	json_set(h->state, "env", json_copy(json_get(bundle, "env")));
}
