/*
 * Fuzz target: any bytes as a manifest.
 *
 * Beyond not crashing: refused means a reason and no resources, taken means
 * that each resource comes back the same from its own YAML, and what is said
 * about it is valid UTF-8 for a room.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "hiclaw/api.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
demand(bool ok)
{
	if (!ok)
		abort();
}

static void
unref_all(struct resource **v, size_t n)
{
	size_t	i;

	for (i = 0; i < n; i++)
		resource_unref(v[i]);
	free(v);
}

static void
render(struct problems *ps)
{
	char	*text = problems_text(ps);
	size_t	 bad;

	demand(utf8_valid(text, strlen(text), &bad));
	free(text);
}

static void
round_trip(const struct resource *r)
{
	struct resource	**v = NULL;
	struct problems	  ps = { 0 };
	size_t		  n = 0;
	char		 *yaml = resource_yaml(r);

	/* Text that grew beyond what one paste may have proves nothing. */
	if (strlen(yaml) <= MANIFEST_MAX) {
		demand(manifest_decode(yaml, strlen(yaml), &v, &n, &ps) == 0);
		demand(n == 1 && v[0]->kind == r->kind);
		demand(json_equal(v[0]->spec, r->spec));
		demand(json_equal(v[0]->metadata, r->metadata));
	}
	unref_all(v, n);
	problems_release(&ps);
	free(yaml);
}

static void
check(const char *text, size_t len, struct resource **v,
    struct place *places, size_t n, struct problems *ps)
{
	struct resources	*before = resources_new(), *after;
	struct field_changes	 changes = { 0 };
	size_t			 i;

	for (i = 0; i < n / 2; i++)
		resources_put(before, v[i]);
	after = resources_copy(before);
	for (i = 0; i < n; i++) {
		resources_put(after, v[i]);
		resource_diff(i > 0 && v[i - 1]->kind == v[i]->kind ?
		    v[i - 1] : NULL, v[i], &changes);
		round_trip(v[i]);
	}
	resources_check(before, after, v, places, n, "example.org",
	    "hiclaw_", ps);
	problems_locate(ps, text, len);
	resources_check_delete(before, v, n, ps);
	field_changes_release(&changes);
	resources_free(before);
	resources_free(after);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char	 *text = (const char *)data;
	struct resource	**v = NULL;
	struct place	 *places = NULL;
	struct problems	  ps = { 0 };
	size_t		  n = 0;

	(void)manifest_looks(text, size);
	if (manifest_decode_places(text, size, &v, &places, &n, &ps) == 0) {
		demand(n > 0 && ps.errors == 0);
		check(text, size, v, places, n, &ps);
	} else {
		demand(n == 0 && v == NULL && ps.errors > 0);
	}
	render(&ps);
	problems_release(&ps);
	unref_all(v, n);
	free(places);
	return 0;
}
