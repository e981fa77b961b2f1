/*
 * Fuzz target: any bytes as a package.
 *
 * Beyond not crashing: what is taken stays within the caps, its paths are plain,
 * sorted and there once, and the same holds for where the files of an agent go.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "hiclaw/package.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
demand(bool ok)
{
	if (!ok)
		abort();
}

static void
check_path(const char *path)
{
	int	depth = 0;
	size_t	len;

	demand(utf8_valid(path, strlen(path), NULL));
	demand(strchr(path, '\\') == NULL);
	for (;; path += len + 1, depth++) {
		len = strcspn(path, "/");
		demand(len > 0);
		demand(!(len == 1 && path[0] == '.'));
		demand(!(len == 2 && memcmp(path, "..", 2) == 0));
		if (path[len] == '\0')
			break;
	}
	demand(depth <= PACKAGE_DEPTH_MAX);
}

static void
check_package(const struct package *p)
{
	size_t	i, bytes = 0;

	demand(p->n > 0 && p->n <= PACKAGE_FILES_MAX);
	demand(strlen(p->digest) == 64);
	for (i = 0; i < p->n; i++) {
		check_path(p->files[i].path);
		demand(p->files[i].data[p->files[i].len] == '\0');
		demand(i == 0 || strcmp(p->files[i - 1].path,
		    p->files[i].path) < 0);
		bytes += p->files[i].len;
	}
	demand(bytes <= PACKAGE_BYTES_MAX);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct package	p = { 0 }, placed = { 0 };
	struct strv	notes = { 0 };
	struct err	e;
	size_t		i;

	memset(&e, 0, sizeof(e));
	if (package_unpack(data, size, &p, &e) == -1) {
		demand(p.files == NULL && p.n == 0 && e.msg[0] != '\0');
		demand(utf8_valid(e.msg, strlen(e.msg), NULL));
		return 0;
	}
	check_package(&p);
	if (package_layout(&p, "openclaw", &placed, &notes, &e) == 0)
		check_package(&placed);
	else
		demand(placed.n == 0 && notes.n == 0);
	for (i = 0; i < notes.n; i++)
		demand(utf8_valid(notes.v[i], strlen(notes.v[i]), NULL));
	strv_release(&notes);
	package_release(&placed);
	package_release(&p);
	return 0;
}
