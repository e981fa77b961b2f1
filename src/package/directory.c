/*
 * Reading below the directory of imports.
 *
 * Each name of a path is opened by itself and no symbolic link is followed, so
 * that nothing leads out, whatever changes meanwhile.  A directory is a package
 * with the same caps as a zip.
 */
#include "directory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "package-int.h"

static int
fail(const char *name, struct err *e)
{
	int		cause = errno;
	enum err_kind	kind = ERR_RETRY;

	if (cause == ELOOP)
		return err_set(e, ERR_DENIED, "\"%s\" is a link",
		    show_name(name).text);
	if (cause == ENOENT || cause == ENOTDIR)
		kind = ERR_NOTFOUND;
	else if (cause == EACCES || cause == EPERM)
		kind = ERR_DENIED;
	return err_set(e, kind, "\"%s\": %s", show_name(name).text,
	    strerror(cause));
}

/* O_DIRECTORY on a link says ENOTDIR, which would hide what it is. */
static int
open_at(int dir, const char *name, const char *path, struct err *e)
{
	int	fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK |
		    O_CLOEXEC);

	return fd != -1 ? fd : fail(path, e);
}

static int
open_below(const char *root, const char *path, struct err *e)
{
	char	*names = xstrdup(path), *name = names, *slash;
	int	 dir, fd;

	dir = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir == -1)
		fail(root, e);
	while (dir != -1 && name != NULL) {
		slash = strchr(name, '/');
		if (slash != NULL)
			*slash++ = '\0';
		fd = open_at(dir, name, path, e);
		close(dir);
		dir = fd;
		name = slash;
	}
	free(names);
	return dir;
}

/* Up to max bytes, and whether there was more. */
static int
read_bytes(int fd, char *data, size_t max, size_t *len, bool *more)
{
	size_t	got = 0;
	ssize_t	n = 1;
	char	c;

	while (got < max && n > 0) {
		n = read(fd, data + got, max - got);
		if (n == -1 && errno == EINTR)
			n = 1;
		else if (n > 0)
			got += (size_t)n;
	}
	if (n > 0)
		do
			n = read(fd, &c, 1);
		while (n == -1 && errno == EINTR);
	*len = got;
	*more = got == max && n > 0;
	return n == -1 ? -1 : 0;
}

static int
read_file(int fd, const struct stat *st, const char *path, struct gather *g,
    struct err *e)
{
	size_t	 size = (size_t)st->st_size, len;
	bool	 more;
	char	*data;

	if (gather_claim(g, path, (uint64_t)st->st_size, e) == -1)
		return -1;
	data = xmalloc(size + 1);
	if (read_bytes(fd, data, size, &len, &more) == -1) {
		free(data);
		return fail(path, e);
	}
	if (len != size || more) {
		free(data);
		return err_set(e, ERR_RETRY, "\"%s\" is being written",
		    show_name(path).text);
	}
	data[len] = '\0';
	gather_put(g, path, data, len, (st->st_mode & 0111) != 0);
	return 0;
}

static int	read_dir(int, const char *, struct gather *, struct err *);

/* Takes fd. */
static int
read_entry(int fd, const char *path, struct gather *g, struct err *e)
{
	struct stat	st;
	int		rc;

	if (fstat(fd, &st) == -1)
		rc = fail(path, e);
	else if (S_ISDIR(st.st_mode)) {
		rc = gather_dir(g, path, e);
		if (rc == 0)
			return read_dir(fd, path, g, e);
	} else if (S_ISREG(st.st_mode))
		rc = read_file(fd, &st, path, g, e);
	else
		rc = err_set(e, ERR_USER, "entry \"%s\": neither a file nor a "
		    "directory", show_name(path).text);
	close(fd);
	return rc;
}

/* Takes fd.  Depth ends with what gather_dir allows. */
static int
read_dir(int fd, const char *at, struct gather *g, struct err *e)
{
	DIR			*dir = fdopendir(fd);
	const struct dirent	*d;
	char			*path;
	int			 rc = 0, sub;

	if (dir == NULL) {
		rc = fail(at, e);
		close(fd);
		return rc;
	}
	while (rc == 0 && (d = readdir(dir)) != NULL) {
		if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
			continue;
		path = *at == '\0' ? xstrdup(d->d_name) :
		    xasprintf("%s/%s", at, d->d_name);
		sub = open_at(dirfd(dir), d->d_name, path, e);
		rc = sub == -1 ? -1 : read_entry(sub, path, g, e);
		free(path);
	}
	closedir(dir);
	return rc;
}

static int
read_tree(int fd, struct package *files, struct err *e)
{
	struct gather	g;
	int		rc;

	gather_init(&g, PACKAGE_BYTES_MAX);
	rc = read_dir(fd, "", &g, e);
	if (rc == 0 && g.n == 0)
		rc = err_set(e, ERR_USER, "no files in it");
	if (rc == 0) {
		gather_take(&g, files);
		package_digest(files);
	}
	gather_release(&g);
	return rc;
}

static int
read_zip(int fd, const struct stat *st, struct buf *zip, const char *path,
    struct err *e)
{
	char	block[65536];
	ssize_t	n;

	if (st->st_size > PACKAGE_ZIP_MAX)
		return err_set(e, ERR_USER, "a zip of more than %d MiB",
		    PACKAGE_ZIP_MAX / 1024 / 1024);
	while ((n = read(fd, block, sizeof(block))) != 0) {
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return fail(path, e);
		buf_add(zip, block, (size_t)n);
		if (zip->overflow)
			return err_set(e, ERR_USER, "a zip of more than %d MiB",
			    PACKAGE_ZIP_MAX / 1024 / 1024);
	}
	return 0;
}

int
directory_read(const char *root, const char *path, struct buf *zip,
    struct package *files, struct err *e)
{
	struct stat	st;
	int		fd, rc;

	if (path_allowed(path, e) == -1)
		return -1;
	fd = open_below(root, path, e);
	if (fd == -1)
		return -1;
	if (fstat(fd, &st) == -1)
		rc = fail(path, e);
	else if (S_ISDIR(st.st_mode))
		return read_tree(fd, files, e);
	else if (S_ISREG(st.st_mode))
		rc = read_zip(fd, &st, zip, path, e);
	else
		rc = err_set(e, ERR_USER, "\"%s\" is neither a zip nor a "
		    "directory", show_name(path).text);
	close(fd);
	return rc;
}
