/* Small files, read whole and checked.  Called when chat starts. */
#include "hiclaw/file.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *
file_read(const char *path, size_t max, struct err *e)
{
	FILE *f = fopen(path, "re");
	char *text = NULL;
	size_t n, bad;

	if (f == NULL) {
		err_set(e, ERR_BROKEN, "%s: %s", path, strerror(errno));
		return NULL;
	}
	text = xmalloc(max + 2);
	n = fread(text, 1, max + 1, f);
	text[n] = '\0';
	if (ferror(f))
		err_set(e, ERR_BROKEN, "%s: cannot be read", path);
	else if (n > max)
		err_set(e, ERR_BROKEN, "%s: larger than %zu bytes", path, max);
	else if (!utf8_valid(text, n, &bad))
		err_set(e, ERR_BROKEN, "%s: byte %zu is not UTF-8", path, bad);
	else {
		fclose(f);
		return xreallocarray(text, n + 1, 1);
	}
	fclose(f);
	free(text);
	return NULL;
}

int
dir_list(const char *path, const char *suffix, struct strv *out,
    struct err *e)
{
	DIR *dir = opendir(path);
	const struct dirent *d;

	if (dir == NULL)
		return err_set(e, ERR_BROKEN, "%s: %s", path, strerror(errno));
	while ((d = readdir(dir)) != NULL)
		if (d->d_name[0] != '.' && str_ends(d->d_name, suffix))
			strv_add(out, d->d_name);
	closedir(dir);
	strv_sort(out);
	return 0;
}
