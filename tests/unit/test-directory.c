/*
 * The directory provider in directories of its own, with links laid across its
 * way; and the functions that are true of objects of every kind.
 */
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "hiclaw/provider.h"

struct place {
	char	*top, *root;		/* root is top/store */
	void	*ctx;
	const struct provider *p;
	const struct object_kind *kind;
};

static int
open_place(void **state)
{
	struct place *t = xcalloc(1, sizeof(*t));
	struct provider_env env = { .instance = "hiclaw-1234abcd" };
	const char *dir = getenv("TMPDIR");
	struct err e = {0};
	char *url;

	t->top = xasprintf("%s/hiclaw-dir.XXXXXX", dir ? dir : "/tmp");
	if (mkdtemp(t->top) == NULL)
		return -1;
	t->root = xasprintf("%s/a b/store", t->top);
	url = xasprintf("file://%s/a%%20b/store", t->top);
	env.storage.provider = "directory";
	env.storage.url = url;
	t->kind = object_kind_find("file", &t->p);
	assert_non_null(t->kind);
	assert_int_equal(t->p->open(&env, &t->ctx, &e), 0);
	assert_non_null(t->ctx);
	free(url);
	*state = t;
	return 0;
}

static int
close_place(void **state)
{
	struct place *t = *state;
	char *cmd = xasprintf("rm -rf '%s'", t->top);
	int rv = system(cmd);

	t->p->close(t->ctx);
	free(cmd);
	free(t->top);
	free(t->root);
	free(t);
	return rv;
}

/* --- helpers ------------------------------------------------------------ */

static char *
at(const struct place *t, const char *path)
{
	return xasprintf("%s/%s", t->root, path);
}

static void
put(const struct place *t, const char *path, const char *text)
{
	char *p = at(t, path);
	FILE *f = fopen(p, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	free(p);
}

static void
make_dir(const struct place *t, const char *path)
{
	char *p = at(t, path);

	assert_int_equal(mkdir(p, 0700), 0);
	free(p);
}

static void
make_link(const struct place *t, const char *to, const char *path)
{
	char *p = at(t, path);

	assert_int_equal(symlink(to, p), 0);
	free(p);
}

static bool
is_there(const struct place *t, const char *path)
{
	struct stat st;
	char *p = at(t, path);
	int rv = lstat(p, &st);

	free(p);
	return rv == 0;
}

static void
assert_file(const struct place *t, const char *path, const char *text,
    mode_t mode)
{
	char *p = at(t, path), got[256];
	struct stat st;
	size_t n;
	FILE *f;

	f = fopen(p, "r");
	assert_non_null(f);
	n = fread(got, 1, sizeof(got) - 1, f);
	got[n] = '\0';
	fclose(f);
	assert_string_equal(got, text);
	assert_int_equal(lstat(p, &st), 0);
	assert_true(S_ISREG(st.st_mode));
	assert_int_equal(st.st_mode & 07777, mode);
	free(p);
}

static struct json *
desired(const char *path, const char *mode, const char *content)
{
	struct json *d = json_object();

	json_set_str(d, "path", path);
	json_set_str(d, "mode", mode);
	json_set_str(d, "text", content);
	return d;
}

/* Ensure, and say what was done; the observed form is for json_free. */
static int
ensure(struct place *t, const char *path, const char *mode,
    const char *content, const char *did, struct json **observed,
    struct err *e)
{
	struct json *d = desired(path, mode, content);
	struct outcome out = {0};
	struct work w = { .key = "file:x", .desired = d };
	char *text;
	int rv;

	rv = t->kind->ensure(t->ctx, &w, &out, e);
	text = strv_join(&out.did, ", ");
	assert_string_equal(text, did);
	if (observed != NULL) {
		*observed = out.observed;
		out.observed = NULL;
	}
	free(text);
	outcome_release(&out);
	json_free(d);
	return rv;
}

static int
take_away(struct place *t, const char *key, const struct json *observed,
    struct err *e)
{
	struct outcome out = {0};
	struct work w = { .key = key, .observed = observed };
	int rv = t->kind->remove(t->ctx, &w, &out, e);

	outcome_release(&out);
	return rv;
}

struct seen { size_t n; bool is_gone; struct json *observed; };

static void
on_changed(void *arg, const char *key, struct json *observed)
{
	struct seen *s = arg;

	s->n++;
	s->is_gone = observed == NULL;
	json_free(s->observed);
	s->observed = observed;
}

static void
observe(struct place *t, const struct json *observed, struct seen *s)
{
	char *text = json_canonical(observed);
	struct observe_item item = { "file:x", text };
	struct err e = {0};

	json_free(s->observed);
	*s = (struct seen){0};
	assert_int_equal(t->p->observe(t->ctx, &item, 1, on_changed, s, &e), 0);
	free(text);
}

static size_t
differences(struct place *t, const struct json *d, const struct json *o)
{
	struct changes ch = {0};
	size_t n;

	t->kind->diff(d, o, &ch);
	n = ch.n;
	changes_release(&ch);
	return n;
}

#define SOUL	"agents/alice/SOUL.md"

/* --- the provider ------------------------------------------------------- */

static void
test_write(void **state)
{
	struct place *t = *state;
	struct json *o = NULL, *d = desired(SOUL, "0600", "one");
	struct stat st;
	struct err e = {0};
	char *p;

	assert_int_equal(ensure(t, SOUL, "0600", "one", "written", &o, &e), 0);
	assert_file(t, SOUL, "one", 0600);
	assert_int_equal(differences(t, d, o), 0);
	p = at(t, "agents/alice");
	assert_int_equal(stat(p, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	free(p);
	json_free(o);
	/* Again: nothing is written, the same is observed. */
	assert_int_equal(ensure(t, SOUL, "0600", "one", "", &o, &e), 0);
	assert_int_equal(differences(t, d, o), 0);
	json_set_str(d, "text", "two");
	assert_int_equal(differences(t, d, o), 1);
	json_set_str(d, "mode", "0640");
	assert_int_equal(differences(t, d, o), 2);
	assert_int_equal(differences(t, d, NULL), 1);
	json_free(o);
	assert_int_equal(ensure(t, SOUL, "0640", "two", "rewritten", &o, &e), 0);
	assert_file(t, SOUL, "two", 0640);
	assert_int_equal(differences(t, d, o), 0);
	assert_false(is_there(t, "agents/alice/.SOUL.md.hiclaw-new"));
	json_free(o);
	json_free(d);
}

static void
test_leftover(void **state)
{
	struct place *t = *state;
	struct err e = {0};

	/* A controller was killed in the middle of it. */
	make_dir(t, "agents");
	make_dir(t, "agents/alice");
	put(t, "agents/alice/.SOUL.md.hiclaw-new", "ha");
	assert_int_equal(ensure(t, SOUL, "0600", "one", "written", NULL, &e), 0);
	assert_file(t, SOUL, "one", 0600);
	assert_false(is_there(t, "agents/alice/.SOUL.md.hiclaw-new"));
}

static void
test_observe(void **state)
{
	struct place *t = *state;
	struct json *o = NULL, *d = desired(SOUL, "0600", "one");
	struct seen s = {0};
	struct err e = {0};
	char *p = at(t, SOUL);

	assert_int_equal(ensure(t, SOUL, "0600", "one", "written", &o, &e), 0);
	observe(t, o, &s);
	assert_int_equal(s.n, 0);
	put(t, SOUL, "hacked");
	observe(t, o, &s);
	assert_int_equal(s.n, 1);
	assert_false(s.is_gone);
	assert_int_equal(differences(t, d, s.observed), 1);
	assert_int_equal(chmod(p, 0644), 0);
	observe(t, o, &s);
	assert_int_equal(differences(t, d, s.observed), 2);
	unlink(p);
	observe(t, o, &s);
	assert_int_equal(s.n, 1);
	assert_true(s.is_gone);
	/* A link to a file of the same text is no file of ours. */
	put(t, "agents/other", "one");
	make_link(t, "../other", SOUL);
	observe(t, o, &s);
	assert_true(s.is_gone);
	json_free(s.observed);
	s.observed = NULL;
	/* The whole tree is gone, and made again. */
	{
		char *cmd = xasprintf("rm -rf '%s'", t->root);

		assert_int_equal(system(cmd), 0);
		free(cmd);
	}
	observe(t, o, &s);
	assert_true(s.is_gone);
	assert_int_equal(ensure(t, SOUL, "0600", "one", "written", NULL, &e), 0);
	assert_file(t, SOUL, "one", 0600);
	json_free(o);
	json_free(d);
	free(p);
}

static void
test_remove(void **state)
{
	struct place *t = *state;
	struct json *o = NULL;
	struct err e = {0};

	assert_int_equal(ensure(t, SOUL, "0600", "one", "written", &o, &e), 0);
	assert_int_equal(ensure(t, "agents/bob/SOUL.md", "0600", "b", "written",
	    NULL, &e), 0);
	put(t, "agents/bob/notes", "theirs");
	assert_int_equal(take_away(t, "file:" SOUL, o, &e), 0);
	assert_false(is_there(t, "agents/alice"));
	assert_int_equal(take_away(t, "file:" SOUL, o, &e), 0);
	/* By its key alone, when nothing was observed. */
	assert_int_equal(take_away(t, "file:agents/bob/SOUL.md", NULL, &e), 0);
	assert_false(is_there(t, "agents/bob/SOUL.md"));
	assert_true(is_there(t, "agents/bob/notes"));
	json_free(o);
}

static void
test_links(void **state)
{
	struct place *t = *state;
	struct err e = {0};
	char *out = xasprintf("%s/outside", t->top), *probe;
	struct stat st;

	assert_int_equal(mkdir(out, 0700), 0);
	/* A directory replaced by a link. */
	make_dir(t, "agents");
	make_link(t, out, "agents/alice");
	assert_int_equal(ensure(t, SOUL, "0600", "one", "", NULL, &e), -1);
	assert_int_equal(e.kind, ERR_CONFLICT);
	probe = xasprintf("%s/SOUL.md", out);
	assert_int_equal(stat(probe, &st), -1);
	/* Removal does not follow it either. */
	fclose(fopen(probe, "w"));
	assert_int_equal(take_away(t, "file:" SOUL, NULL, &e), 0);
	assert_int_equal(stat(probe, &st), 0);
	/* The file itself a link: the link is replaced, its target spared. */
	make_dir(t, "agents/bob");
	make_link(t, probe, "agents/bob/SOUL.md");
	assert_int_equal(ensure(t, "agents/bob/SOUL.md", "0600", "one",
	    "written", NULL, &e), 0);
	assert_file(t, "agents/bob/SOUL.md", "one", 0600);
	assert_int_equal(stat(probe, &st), 0);
	assert_int_equal(st.st_size, 0);
	/* A directory in the place of the file. */
	make_dir(t, "agents/bob/TOOLS.md");
	assert_int_equal(ensure(t, "agents/bob/TOOLS.md", "0600", "one", "",
	    NULL, &e), -1);
	assert_int_equal(e.kind, ERR_CONFLICT);
	/* A file in the place of a directory. */
	assert_int_equal(ensure(t, "agents/bob/SOUL.md/x", "0600", "one", "",
	    NULL, &e), -1);
	assert_int_equal(e.kind, ERR_CONFLICT);
	free(probe);
	free(out);
}

static void
test_paths(void **state)
{
	static const char *const bad[] = { "", "/etc/passwd", "../x", "a/../../x",
	    "a//b", "a/", "./a", "a/.", "..",
	    "1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17", NULL };
	struct place *t = *state;
	char longname[300];
	struct err e;
	size_t i;

	for (i = 0; bad[i] != NULL; i++) {
		e = (struct err){0};
		if (ensure(t, bad[i], "0600", "x", "", NULL, &e) != -1)
			fail_msg("\"%s\" was written", bad[i]);
		assert_int_equal(e.kind, ERR_USER);
	}
	memset(longname, 'a', sizeof(longname) - 1);
	longname[sizeof(longname) - 1] = '\0';
	assert_int_equal(ensure(t, longname, "0600", "x", "", NULL, &e), -1);
	/* An odd mode falls back to the closed one. */
	assert_int_equal(ensure(t, "f", "7777", "x", "written", NULL, &e), 0);
	assert_file(t, "f", "x", 0600);
}

static void
test_open(void **state)
{
	static const char *const bad[] = { "http://x", "file://host/x",
	    "file:relative", "/plain", "file:///", "file:///a%zz",
	    "file:///dev/null/x", NULL };
	const struct provider *p;
	struct provider_env env = {0};
	struct err e;
	void *ctx;
	size_t i;

	object_kind_find("file", &p);
	for (i = 0; bad[i] != NULL; i++) {
		e = (struct err){0};
		env.storage.provider = "directory";
		env.storage.url = bad[i];
		if (p->open(&env, &ctx, &e) != -1)
			fail_msg("\"%s\" was opened", bad[i]);
		assert_int_equal(e.kind, ERR_BROKEN);
		assert_null(ctx);
	}
	env.storage.provider = NULL;
	assert_int_equal(p->open(&env, &ctx, &e), 0);
	assert_null(ctx);
	p->close(ctx);
}

/* --- objects ------------------------------------------------------------ */

static const struct json *
lookup(void *arg, const char *key, const char *field)
{
	const struct json *all = arg;

	return json_get(json_get(all, key), field);
}

static void
test_resolve(void **state)
{
	struct json *all = json_must("{\"room:s\":{\"room_id\":\"!s\","
	    "\"none\":null},\"a\":{\"list\":[1,{\"x\":true}]}}");
	struct json *d = json_must("{\"parent\":{\"$ref\":\"room:s\","
	    "\"field\":\"room_id\"},\"m\":[{\"$ref\":\"a\",\"field\":\"list\"},"
	    "{\"$ref\":\"b\",\"field\":\"q\"},{\"$ref\":\"b\",\"field\":\"r\"},"
	    "{\"$ref\":\"room:s\",\"field\":\"none\"}],\"n\":{\"k\":null}}");
	struct strv missing = {0};
	struct json *r;
	char *text;

	r = object_resolve(d, lookup, all, &missing);
	text = json_canonical(r);
	assert_string_equal(text, "{\"m\":[[1,{\"x\":true}],null,null,null],"
	    "\"n\":{\"k\":null},\"parent\":\"!s\"}");
	assert_int_equal(missing.n, 2);
	assert_string_equal(missing.v[0], "b");
	assert_string_equal(missing.v[1], "room:s");
	free(text);
	json_free(r);
	r = object_resolve(d, lookup, all, NULL);
	json_free(r);
	assert_null(object_resolve(NULL, lookup, all, NULL));
	strv_release(&missing);
	json_free(d);
	json_free(all);
}

static void
test_names(void **state)
{
	const struct provider *p = NULL;
	char name[8];

	assert_string_equal(object_kind_name("room:team/x", name, sizeof(name)),
	    "room");
	assert_string_equal(object_kind_name("averylongname:x", name,
	    sizeof(name)), "averylo");
	assert_string_equal(object_kind_name("plain", name, sizeof(name)),
	    "plain");
	assert_string_equal(risk_name(RISK_PERMISSION), "permission");
	assert_string_equal(object_state_name(OBJECT_BACKOFF), "backoff");
	assert_non_null(object_kind_find("room", &p));
	assert_string_equal(p->name, "matrix");
	assert_null(object_kind_find("nonsense", NULL));
}

int
main(void)
{
#define IN_PLACE(f) cmocka_unit_test_setup_teardown(f, open_place, close_place)
	const struct CMUnitTest tests[] = {
		IN_PLACE(test_write),
		IN_PLACE(test_leftover),
		IN_PLACE(test_observe),
		IN_PLACE(test_remove),
		IN_PLACE(test_links),
		IN_PLACE(test_paths),
		cmocka_unit_test(test_open),
		cmocka_unit_test(test_resolve),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
