/*
 * Every manifest of tests/data/bad must be refused with the words its .expect
 * file lists, and leave nothing behind; every one of tests/data/good and of the
 * samples must be taken, and come back the same from YAML.
 *
 * Files whose fault lies between resources decode and fail in
 * resources_check; they are the ones named ref-* and name-*.
 */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hiclaw/api.h"

static char *
path_of(const char *dir, const char *file)
{
	const char	*src = getenv("srcdir");

	return xasprintf("%s/%s/%s", src == NULL ? "." : src, dir, file);
}

static char *
slurp(const char *path, size_t *len)
{
	struct buf	b;
	char		chunk[4096];
	FILE		*f = fopen(path, "rb");
	size_t		n;

	if (f == NULL)
		fail_msg("cannot open %s", path);
	buf_init(&b, 0);
	while ((n = fread(chunk, 1, sizeof chunk, f)) > 0)
		buf_add(&b, chunk, n);
	fclose(f);
	*len = b.len;
	return buf_take(&b);
}

/* Names of the files that end so, in order. */
static void
list_dir(const char *dir, const char *ending, struct strv *names)
{
	char		*path = path_of(dir, "");
	DIR		*d = opendir(path);
	struct dirent	*entry;

	if (d == NULL)
		fail_msg("cannot open %s", path);
	while ((entry = readdir(d)) != NULL)
		if (str_ends(entry->d_name, ending))
			strv_add(names, entry->d_name);
	closedir(d);
	strv_sort(names);
	free(path);
}

static void
unref_all(struct resource **v, size_t n)
{
	size_t	i;

	for (i = 0; i < n; i++)
		resource_unref(v[i]);
	free(v);
}

/* The problems of a text on an empty instance, decoded and checked; yours. */
static char *
judge(const char *text, size_t len, bool *is_decoded)
{
	struct resources	 *before = resources_new(), *after;
	struct resource		**v = NULL;
	struct place		 *places = NULL;
	struct problems		  ps = { 0 };
	size_t			  n = 0, i;
	char			 *out;
	int			  rc;

	after = resources_copy(before);
	rc = manifest_decode_places(text, len, &v, &places, &n, &ps);
	*is_decoded = rc == 0;
	assert_int_equal(rc == 0, ps.errors == 0);
	if (rc != 0) {
		assert_null(v);
		assert_null(places);
		assert_int_equal(n, 0);
	}
	for (i = 0; i < n; i++)
		resources_put(after, v[i]);
	resources_check(before, after, v, places, n, "example.org",
	    "hiclaw_", &ps);
	problems_locate(&ps, text, len);
	out = ps.errors == 0 ? NULL : problems_text(&ps);
	problems_release(&ps);
	unref_all(v, n);
	free(places);
	resources_free(before);
	resources_free(after);
	return out;
}

static void
expect(const char *file, const char *got)
{
	struct strv	 want = { 0 };
	char		*name = xasprintf("%.*s.expect",
			    (int)(strlen(file) - strlen(".yaml")), file);
	char		*path = path_of("tests/data/bad", name), *text;
	size_t		 i, len;

	text = slurp(path, &len);
	strv_split(&want, text, '\n');
	assert_true(want.n > 0);
	for (i = 0; i < want.n; i++)
		if (strstr(got, want.v[i]) == NULL)
			fail_msg("%s: \"%s\" is not in:\n%s", file, want.v[i],
			    got);
	strv_release(&want);
	free(text);
	free(path);
	free(name);
}

static void
bad_manifests_are_refused(void **state)
{
	struct strv	 files = { 0 };
	char		*path, *text, *got;
	size_t		 i, len, bad;
	bool		 is_decoded;

	list_dir("tests/data/bad", ".yaml", &files);
	assert_true(files.n >= 60);
	for (i = 0; i < files.n; i++) {
		path = path_of("tests/data/bad", files.v[i]);
		text = slurp(path, &len);
		got = judge(text, len, &is_decoded);
		if (got == NULL)
			fail_msg("%s was taken", files.v[i]);
		if (is_decoded && !str_starts(files.v[i], "ref-") &&
		    !str_starts(files.v[i], "name-"))
			fail_msg("%s was decoded", files.v[i]);
		if (!utf8_valid(got, strlen(got), &bad))
			fail_msg("%s: the answer is not UTF-8", files.v[i]);
		expect(files.v[i], got);
		free(got);
		free(text);
		free(path);
	}
	strv_release(&files);
}

/* Cut anywhere, a text is refused or taken; it never harms. */
static void
cut_manifests_do_no_harm(void **state)
{
	struct resource	**v;
	struct problems	  ps;
	struct strv	  files = { 0 };
	char		 *path, *text, *copy;
	size_t		  i, len, cut, n;

	list_dir("tests/data/good", ".yaml", &files);
	for (i = 0; i < files.n; i++) {
		path = path_of("tests/data/good", files.v[i]);
		text = slurp(path, &len);
		for (cut = 0; cut < len; cut += 1 + cut / 64) {
			/* Exactly as long, so that a sanitizer sees beyond. */
			copy = xmalloc(cut + (cut == 0));
			memcpy(copy, text, cut);
			v = NULL;
			n = 0;
			memset(&ps, 0, sizeof ps);
			if (manifest_decode(copy, cut, &v, &n, &ps) != 0)
				assert_true(ps.errors > 0);
			(void)manifest_looks(copy, cut);
			unref_all(v, n);
			problems_release(&ps);
			free(copy);
		}
		free(text);
		free(path);
	}
	strv_release(&files);
}

static void
assert_same(const char *file, const struct resource *r)
{
	struct resource	**v = NULL;
	struct problems	  ps = { 0 };
	size_t		  n = 0;
	char		 *yaml = resource_yaml(r);

	if (manifest_decode(yaml, strlen(yaml), &v, &n, &ps) != 0)
		fail_msg("%s: came back bad:\n%s", file, yaml);
	assert_int_equal(n, 1);
	assert_ptr_equal(v[0]->kind, r->kind);
	if (!json_equal(v[0]->spec, r->spec) ||
	    !json_equal(v[0]->metadata, r->metadata))
		fail_msg("%s: came back otherwise:\n%s", file, yaml);
	unref_all(v, n);
	problems_release(&ps);
	free(yaml);
}

static void
take_all(const char *dir)
{
	struct resource	**v;
	struct problems	  ps;
	struct strv	  files = { 0 };
	char		 *path, *text, *got;
	size_t		  i, j, len, n;
	bool		  is_decoded;

	list_dir(dir, ".yaml", &files);
	assert_true(files.n > 0);
	for (i = 0; i < files.n; i++) {
		path = path_of(dir, files.v[i]);
		text = slurp(path, &len);
		assert_true(manifest_looks(text, len));
		got = judge(text, len, &is_decoded);
		if (got != NULL)
			fail_msg("%s: %s", files.v[i], got);
		v = NULL;
		n = 0;
		memset(&ps, 0, sizeof ps);
		assert_int_equal(manifest_decode(text, len, &v, &n, &ps), 0);
		for (j = 0; j < n; j++)
			assert_same(files.v[i], v[j]);
		unref_all(v, n);
		problems_release(&ps);
		free(text);
		free(path);
	}
	strv_release(&files);
}

static void
good_manifests_are_taken(void **state)
{
	take_all("tests/data/good");
}

static void
samples_are_taken(void **state)
{
	take_all("contrib/samples");
}

/* --- every field is shown by some file ----------------------------------- */

static void
note_fields(struct strv *seen, const char *prefix, const struct field *rows,
    const struct json *v)
{
	const struct field	*f;
	const struct json	*child, *item;
	char			*path;

	for (f = rows; f->name != NULL; f++) {
		if ((child = json_get(v, f->name)) == NULL)
			continue;
		path = xasprintf("%s.%s", prefix, f->name);
		strv_add_unique(seen, path);
		if (f->type == FIELD_OBJECT)
			note_fields(seen, path, f->fields, child);
		else if (f->fields != NULL)
			for (item = json_first(child); item != NULL;
			    item = json_next(item))
				note_fields(seen, path, f->fields, item);
		free(path);
	}
}

static void
demand_fields(const struct strv *seen, const char *prefix,
    const struct field *rows)
{
	const struct field	*f;
	char			*path;

	for (f = rows; f->name != NULL; f++) {
		path = xasprintf("%s.%s", prefix, f->name);
		if (!strv_has(seen, path))
			fail_msg("no good manifest has %s", path);
		/* Items of lists share tables: shown once is enough. */
		if (f->type == FIELD_OBJECT ||
		    strcmp(path, "Team.workers") == 0)
			demand_fields(seen, path, f->fields);
		free(path);
	}
}

static void
every_field_is_taken(void **state)
{
	struct resource	**v = NULL;
	struct problems	  ps = { 0 };
	struct strv	  files = { 0 }, seen = { 0 };
	char		 *path, *text;
	size_t		  i, len, n = 0;

	list_dir("tests/data/good", ".yaml", &files);
	for (i = 0; i < files.n; i++) {
		path = path_of("tests/data/good", files.v[i]);
		text = slurp(path, &len);
		assert_int_equal(manifest_decode(text, len, &v, &n, &ps), 0);
		free(text);
		free(path);
	}
	for (i = 0; i < n; i++)
		note_fields(&seen, v[i]->kind->name, v[i]->kind->spec,
		    v[i]->spec);
	for (i = 0; i < kinds_n; i++)
		demand_fields(&seen, kinds[i].name, kinds[i].spec);
	unref_all(v, n);
	problems_release(&ps);
	strv_release(&files);
	strv_release(&seen);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_manifests_are_refused),
		cmocka_unit_test(cut_manifests_do_no_harm),
		cmocka_unit_test(good_manifests_are_taken),
		cmocka_unit_test(samples_are_taken),
		cmocka_unit_test(every_field_is_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
