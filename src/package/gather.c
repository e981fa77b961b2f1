/*
 * Gathering the files of a package, whatever they come from.
 *
 * A path is relative and plain: names between single slashes, none of them "."
 * or "..", valid UTF-8 without control characters (nor those that turn the
 * direction of writing), no backslash and no drive letter, at most
 * PACKAGE_DEPTH_MAX directories.  No path comes twice, and none is a file here
 * and a directory there.  Names are compared as bytes.
 */
#include "package-int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hiclaw/secure.h"

#define NAME_BYTES_MAX	255

static char	is_file[] = "file", is_dir[] = "directory";

/* Bytes of the character at s, if it is one that no name may have; else 0. */
static size_t
bad_char(const char *s)
{
	const unsigned char *u = (const unsigned char *)s;

	if (u[0] < 0x20 || u[0] == 0x7f)
		return 1;
	if (u[0] == 0xc2 && u[1] >= 0x80 && u[1] < 0xa0)
		return 2;		/* C1 */
	if (u[0] == 0xe2 && ((u[1] == 0x80 && u[2] >= 0xa8 && u[2] <= 0xae) ||
	    (u[1] == 0x81 && u[2] >= 0xa6 && u[2] <= 0xa9)))
		return 3;		/* line ends, direction marks */
	return 0;
}

struct shown
show_name(const char *s)
{
	struct shown	 out;
	struct buf	 b = { 0 };
	bool		 valid = utf8_valid(s, strlen(s), NULL);
	size_t		 bad, keep;

	for (; *s != '\0' && b.len < sizeof(out.text); s++) {
		bad = bad_char(s);
		if (bad == 0 && !valid && (unsigned char)*s >= 0x80)
			bad = 1;
		if (bad == 0) {
			buf_putc(&b, *s);
			continue;
		}
		for (; bad > 1; bad--)
			buf_printf(&b, "\\x%02x", (unsigned char)*s++);
		buf_printf(&b, "\\x%02x", (unsigned char)*s);
	}
	keep = sizeof(out.text) - 1;
	if (b.len > keep) {
		keep = utf8_prefix(buf_str(&b), keep - 3);
		snprintf(out.text, sizeof(out.text), "%.*s...", (int)keep,
		    buf_str(&b));
	} else
		str_copy(out.text, buf_str(&b), sizeof(out.text));
	buf_release(&b);
	return out;
}

static bool
has_bad_char(const char *s)
{
	for (; *s != '\0'; s++)
		if (bad_char(s) != 0)
			return true;
	return false;
}

static bool
is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* What is wrong with the path, or NULL. */
static const char *
path_fault(const char *path)
{
	size_t	len, depth = 0;

	if (*path == '\0')
		return "has no name";
	if (!utf8_valid(path, strlen(path), NULL))
		return "its name is not UTF-8";
	if (has_bad_char(path))
		return "control characters in its name";
	if (strchr(path, '\\') != NULL)
		return "a backslash in its name";
	if (*path == '/' || (is_letter(path[0]) && path[1] == ':'))
		return "an absolute path";
	if (strlen(path) > PATH_BYTES_MAX)
		return "its path is too long";
	for (;;) {
		len = strcspn(path, "/");
		if (len == 0 || (len == 1 && *path == '.'))
			return "an empty name or \".\" in its path";
		if (len == 2 && memcmp(path, "..", 2) == 0)
			return "\"..\" in its path";
		if (len > NAME_BYTES_MAX)
			return "its name is too long";
		if (path[len] == '\0')
			return NULL;
		if (++depth > PACKAGE_DEPTH_MAX)
			return "too many directories deep";
		path += len + 1;
	}
}

int
path_allowed(const char *path, struct err *e)
{
	const char	*fault = path_fault(path);

	if (fault == NULL)
		return 0;
	return err_set(e, ERR_USER, "entry \"%s\": %s", show_name(path).text,
	    fault);
}

void
gather_init(struct gather *g, size_t bytes_max)
{
	memset(g, 0, sizeof(*g));
	g->bytes_max = bytes_max;
	g->seen = map_new(NULL);
}

void
gather_release(struct gather *g)
{
	struct package	p = { .files = g->files, .n = g->n };

	package_release(&p);
	map_free(g->seen);
	memset(g, 0, sizeof(*g));
}

static int
count_entry(struct gather *g, struct err *e)
{
	if (++g->entries > PACKAGE_FILES_MAX)
		return err_set(e, ERR_USER, "more than %d entries",
		    PACKAGE_FILES_MAX);
	return 0;
}

/* Note the directories that path is in. */
static int
claim_parents(struct gather *g, const char *path, struct err *e)
{
	char		*up = xstrdup(path), *slash = up;
	const char	*what;
	int		 rc = 0;

	while (rc == 0 && (slash = strchr(slash, '/')) != NULL) {
		*slash = '\0';
		what = map_find(g->seen, up);
		if (what == is_file)
			rc = err_set(e, ERR_USER, "entry \"%s\": its directory "
			    "\"%s\" is a file", show_name(path).text,
			    show_name(up).text);
		else if (what == NULL)
			map_set(g->seen, up, is_dir);
		*slash++ = '/';
	}
	free(up);
	return rc;
}

int
gather_dir(struct gather *g, const char *path, struct err *e)
{
	if (count_entry(g, e) == -1 || path_allowed(path, e) == -1 ||
	    claim_parents(g, path, e) == -1)
		return -1;
	if (map_find(g->seen, path) == is_file)
		return err_set(e, ERR_USER,
		    "entry \"%s\": a file and a directory",
		    show_name(path).text);
	map_set(g->seen, path, is_dir);
	return 0;
}

int
gather_claim(struct gather *g, const char *path, uint64_t size, struct err *e)
{
	const char	*what;

	if (count_entry(g, e) == -1 || path_allowed(path, e) == -1 ||
	    claim_parents(g, path, e) == -1)
		return -1;
	what = map_find(g->seen, path);
	if (what != NULL)
		return err_set(e, ERR_USER, "entry \"%s\": %s",
		    show_name(path).text, what == is_dir ?
		    "a file and a directory" : "is there twice");
	if (size > PACKAGE_BYTES_MAX - g->bytes)
		return err_set(e, ERR_USER, "entry \"%s\": with it, more than "
		    "%d MiB unpacked", show_name(path).text,
		    PACKAGE_BYTES_MAX / 1024 / 1024);
	if (size > g->bytes_max - g->bytes)
		return err_set(e, ERR_USER, "entry \"%s\": with it, more than "
		    "%d times as large unpacked as packed",
		    show_name(path).text, PACKAGE_RATIO_MAX);
	map_set(g->seen, path, is_file);
	g->bytes += size;
	return 0;
}

void
gather_put(struct gather *g, const char *path, char *data, size_t len,
    bool executable)
{
	if (g->n == g->cap) {
		g->cap = g->cap == 0 ? 16 : 2 * g->cap;
		g->files = xreallocarray(g->files, g->cap, sizeof(*g->files));
	}
	g->files[g->n++] = (struct package_file){ .path = xstrdup(path),
	    .data = data, .len = len, .executable = executable };
}

static int
by_path(const void *a, const void *b)
{
	const struct package_file *x = a, *y = b;

	return strcmp(x->path, y->path);
}

void
gather_take(struct gather *g, struct package *out)
{
	memset(out, 0, sizeof(*out));
	if (g->n > 0)
		qsort(g->files, g->n, sizeof(*g->files), by_path);
	out->files = g->files;
	out->n = g->n;
	g->files = NULL;
	g->n = g->cap = 0;
}

void
package_digest(struct package *p)
{
	struct buf	all = { .max = SIZE_MAX / 2 };
	char		hash[SHA256_HEX];
	size_t		i;

	for (i = 0; i < p->n; i++) {
		sha256_hex(p->files[i].data, p->files[i].len, hash);
		buf_printf(&all, "%s %c %s\n", hash,
		    p->files[i].executable ? 'x' : '-', p->files[i].path);
	}
	sha256_hex(buf_str(&all), all.len, p->digest);
	buf_release(&all);
}

void
package_release(struct package *p)
{
	size_t	i;

	if (p == NULL)
		return;
	for (i = 0; i < p->n; i++) {
		free(p->files[i].path);
		free(p->files[i].data);
	}
	free(p->files);
	memset(p, 0, sizeof(*p));
}
