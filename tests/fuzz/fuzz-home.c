/*
 * What a controller answers to `hiclaw join`: whatever it says, a path that is
 * taken stays inside the home, and each file gets some contents, keeps its own, or
 * is refused with a reason.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "hiclaw/secure.h"

#include "../../src/cli/home.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
check_path(const char *path)
{
	if (!home_path_is_good(path))
		return;
	if (path[0] == '/' || path[0] == '\0' || strstr(path, "//") != NULL ||
	    strncmp(path, "../", 3) == 0 || strstr(path, "/../") != NULL ||
	    strcmp(path, "..") == 0 || str_ends(path, "/..") ||
	    str_ends(path, "/"))
		abort();
}

static void
check_file(const struct json *file, const struct json *secrets,
    const char *current)
{
	char sha256[SHA256_HEX], *data = NULL;
	struct err err = { .msg = "" };
	size_t len = 0;
	int rv;

	check_path(json_str(file, "path"));
	if (current != NULL)
		sha256_hex(current, strlen(current), sha256);
	rv = home_decide(file, secrets, current, current != NULL ?
	    strlen(current) : 0, current != NULL ? sha256 : NULL, &data, &len,
	    &err);
	if ((rv == 0) != (data != NULL) || (rv == -1 && err.msg[0] == '\0') ||
	    (rv == 1 && current == NULL))
		abort();
	secret_free(data);
}

/* The first line is what is there, the rest what comes. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *text = xstrndup((const char *)data, len);
	char *rest = strchr(text, '\n');
	const struct json *f;
	struct json *bundle;
	struct err err;

	if (rest != NULL) {
		*rest++ = '\0';
		bundle = json_parse(rest, strlen(rest), &err);
		f = json_first(json_get(bundle, "files"));
		for (; f != NULL; f = json_next(f)) {
			check_file(f, json_get(bundle, "secrets"), NULL);
			check_file(f, json_get(bundle, "secrets"), text);
		}
		json_free(bundle);
	}
	free(text);
	return 0;
}
