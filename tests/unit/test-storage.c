/*
 * The storage kinds on a storage that misbehaves at a chosen moment, which a real
 * one does too seldom: somebody else writes between our look and our put, the
 * storage fails half-way.  And packages that many ask for at the same time.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "hiclaw/json.h"
#include "hiclaw/secure.h"
#include "../../src/provider/storage-int.h"

/* --- a storage in memory -------------------------------------------------- */

struct memory {
	struct storage	 s;		/* first */
	struct map	*files;		/* path -> text */
	int		 gets, puts, lists, removes;
	int		 fail_put;	/* the nth put fails; 0: none */
	bool		 is_down, has_no_bucket;
	/* Somebody else, called in front of each put. */
	void		(*other)(struct memory *);
	struct strv	 ranges;	/* "prefix after" of each list */
};

static void
version_of(const char *text, struct storage_stat *st)
{
	char hash[SHA256_HEX];

	memset(st, 0, sizeof(*st));
	sha256_hex(text, strlen(text), hash);
	st->size = strlen(text);
	str_copy(st->version, hash, 33);
}

static int
down(struct err *e)
{
	return err_set(e, ERR_RETRY, "connection refused");
}

static int
memory_get(void *ctx, const char *path, struct buf *data,
    struct storage_stat *st, struct err *e)
{
	struct memory *m = ctx;
	const char *text = map_find(m->files, path);

	m->gets++;
	if (m->is_down)
		return down(e);
	if (text == NULL)
		return err_set(e, ERR_NOTFOUND, "%s: not there", path);
	buf_puts(data, text);
	version_of(text, st);
	return 0;
}

static int
memory_put(void *ctx, const char *path, const void *data, size_t len, int mode,
    enum storage_if cond, const char *version, struct storage_stat *st,
    struct err *e)
{
	struct memory *m = ctx;
	struct storage_stat now;
	const char *text;

	(void)mode;
	m->puts++;
	if (m->other != NULL)
		m->other(m);
	if (m->is_down || m->puts == m->fail_put)
		return down(e);
	text = map_find(m->files, path);
	if (cond == STORAGE_ABSENT && text != NULL)
		return 1;
	if (cond == STORAGE_MATCH) {
		if (text == NULL)
			return 1;
		version_of(text, &now);
		if (strcmp(now.version, version) != 0)
			return 1;
	}
	map_set(m->files, path, xstrndup(data, len));
	version_of(map_find(m->files, path), st);
	return 0;
}

static int
memory_remove(void *ctx, const char *const *paths, size_t n, struct err *e)
{
	struct memory *m = ctx;
	size_t i;

	m->removes++;
	assert_true(n <= STORAGE_BATCH);
	if (m->is_down)
		return down(e);
	for (i = 0; i < n; i++)
		map_remove(m->files, paths[i]);
	return 0;
}

static int
memory_list(void *ctx, const char *prefix, const char *after,
    int (*cb)(void *arg, const char *path, const struct storage_stat *),
    void *arg, struct err *e)
{
	struct memory *m = ctx;
	struct strv paths = {0};
	struct storage_stat st;
	const char *path;
	void *it;
	size_t i;
	int rv = 0;

	m->lists++;
	strv_addf(&m->ranges, "%s %s", prefix, after == NULL ? "-" : after);
	if (m->is_down)
		return down(e);
	if (m->has_no_bucket)
		return err_set(e, ERR_NOTFOUND, "no bucket");
	for (it = NULL; map_next(m->files, &it, &path) != NULL;)
		if (str_starts(path, prefix) &&
		    (after == NULL || strcmp(path, after) > 0))
			strv_add(&paths, path);
	strv_sort(&paths);
	for (i = 0; rv == 0 && i < paths.n; i++) {
		version_of(map_find(m->files, paths.v[i]), &st);
		rv = cb(arg, paths.v[i], &st);
	}
	strv_release(&paths);
	return rv;
}

static const struct storage_ops memory_ops = { .get = memory_get,
    .put = memory_put, .remove = memory_remove, .list = memory_list };

static int
setup(void **state)
{
	struct memory *m = xcalloc(1, sizeof(*m));
	struct provider_env env = { .templates_dir = "/nowhere" };

	m->files = map_new(free);
	storage_init(&m->s, &memory_ops, &env);
	*state = m;
	return 0;
}

static int
teardown(void **state)
{
	struct memory *m = *state;

	storage_release(&m->s);
	map_free(m->files);
	strv_release(&m->ranges);
	free(m);
	return 0;
}

/* --- files ---------------------------------------------------------------- */

#define PATH	"agents/a/AGENTS.md"

static const char markers[] = "{\"path\":\"" PATH "\",\"mode\":\"0600\","
    "\"rule\":\"markers\",\"text\":\"<!-- hiclaw-builtin-start -->\\nours\\n"
    "<!-- hiclaw-builtin-end -->\\n\"}";

static char *found;		/* by the last one, or NULL */

/* 0 or the kind + 1 of the failure; *observed in and out. */
static int
ensure(struct memory *m, const char *form, struct json **observed)
{
	struct json *d = json_must(form);
	struct work w = { .key = "file:" PATH, .desired = d,
	    .observed = *observed };
	struct outcome out = {0};
	struct err e = {0};
	int rv = storage_file_ensure(m, &w, &out, &e);

	json_free(*observed);
	*observed = out.observed;
	out.observed = NULL;
	free(found);
	found = out.found != NULL ? json_canonical(out.found) : NULL;
	outcome_release(&out);
	json_free(d);
	return rv == 0 ? 0 : (int)e.kind + 1;
}

static int others_left;

static void
somebody_adds(struct memory *m)
{
	const char *text = map_find(m->files, PATH);

	if (others_left == 0)
		return;
	others_left--;
	map_set(m->files, PATH, xasprintf("%snote %d\n",
	    text == NULL ? "" : text, others_left));
}

static void
somebody_removes(struct memory *m)
{
	if (others_left == 0)
		return;
	others_left--;
	map_remove(m->files, PATH);
}

static void
test_race(void **state)
{
	struct memory *m = *state;
	struct json *o = NULL;
	const char *text;

	/* Two notes come while we write: both are kept. */
	m->other = somebody_adds;
	others_left = 2;
	assert_int_equal(ensure(m, markers, &o), 0);
	assert_int_equal(m->puts, 3);
	text = map_find(m->files, PATH);
	assert_non_null(strstr(text, "note 1\n"));
	assert_non_null(strstr(text, "note 0\n"));
	assert_non_null(strstr(text, "ours\n"));
	/* It goes away between look and put. */
	map_set(m->files, PATH, xstrdup("<!-- hiclaw-builtin-start -->\nbad\n"
	    "<!-- hiclaw-builtin-end -->\n"));
	m->other = somebody_removes;
	others_left = 1;
	assert_int_equal(ensure(m, markers, &o), 0);
	assert_non_null(strstr(map_find(m->files, PATH), "ours\n"));
	json_free(o);
}

static void
test_endless_race(void **state)
{
	struct memory *m = *state;
	struct json *o = NULL;

	m->other = somebody_adds;
	others_left = 1000;
	assert_int_equal(ensure(m, markers, &o), ERR_RETRY + 1);
	assert_int_equal(m->puts, 4);
	assert_null(strstr(map_find(m->files, PATH), "ours"));
	assert_null(o);
}

/* What others had written is told, but not what we had. */
static void
test_found(void **state)
{
	static const char owned[] = "{\"path\":\"" PATH "\",\"rule\":\"owned\","
	    "\"text\":\"%s\"}";
	struct memory *m = *state;
	struct json *o = NULL;
	char *form = xasprintf(owned, "ours");

	map_set(m->files, PATH, xstrdup("before us"));
	assert_int_equal(ensure(m, form, &o), 0);
	assert_null(found);
	map_set(m->files, PATH, xstrdup("theirs"));
	assert_int_equal(ensure(m, form, &o), 0);
	assert_string_equal(found, "{\"text\":\"theirs\"}");
	free(form);
	form = xasprintf(owned, "ours, changed");
	assert_int_equal(ensure(m, form, &o), 0);
	assert_null(found);
	map_remove(m->files, PATH);
	assert_int_equal(ensure(m, form, &o), 0);
	assert_null(found);
	free(form);
	json_free(o);
}

static void
test_down(void **state)
{
	static const char owned[] = "{\"path\":\"" PATH "\",\"rule\":\"owned\","
	    "\"text\":\"ours\"}";
	struct memory *m = *state;
	struct json *o = NULL, *before;

	assert_int_equal(ensure(m, owned, &o), 0);
	before = json_copy(o);
	map_set(m->files, PATH, xstrdup("theirs"));
	m->is_down = true;
	m->puts = 0;
	/* No answer is not "not there": nothing is put, nothing forgotten. */
	assert_int_equal(ensure(m, owned, &o), ERR_RETRY + 1);
	assert_int_equal(m->puts, 0);
	assert_true(json_equal(o, before));
	m->is_down = false;
	assert_int_equal(ensure(m, owned, &o), 0);
	assert_string_equal(map_find(m->files, PATH), "ours");
	json_free(before);
	json_free(o);
}

/* --- looking -------------------------------------------------------------- */

struct seen { struct strv gone, changed; };

static void
on_changed(void *arg, const char *key, struct json *observed)
{
	struct seen *s = arg;

	strv_add(observed == NULL ? &s->gone : &s->changed, key);
	json_free(observed);
}

static int
look(struct memory *m, struct seen *s, struct err *e)
{
	static const struct observe_item items[] = {
		{ "file:agents/a/x", "{\"path\":\"agents/a/x\",\"version\":"
		    "\"v\",\"source\":\"s\",\"sha256\":\"h\",\"good\":\"h\"}" },
		{ "file:agents/m/seed", "{\"path\":\"agents/m/seed\","
		    "\"version\":\"v\"}" },
		{ "tree:shared", "{\"path\":\"shared\",\"keep\":"
		    "[\"shared/.keep\"]}" },
		{ "route:none", "{\"path\":\"agents/z\"}" },
	};

	strv_release(&s->gone);
	strv_release(&s->changed);
	return storage_observe(m, items, NELEM(items), on_changed, s, e);
}

static void
test_look(void **state)
{
	struct memory *m = *state;
	struct seen s = {0};
	struct err e = {0};

	map_set(m->files, "agents/a/x", xstrdup("other"));
	map_set(m->files, "agents/m/seed", xstrdup("the agent's"));
	map_set(m->files, "shared/.keep", xstrdup(""));
	assert_int_equal(look(m, &s, &e), 0);
	/* A list for each top directory, of the part that matters. */
	assert_int_equal(m->lists, 2);
	assert_string_equal(m->ranges.v[0], "agents/ agents/a/w");
	assert_string_equal(m->ranges.v[1], "shared/ shared/.keeo");
	assert_int_equal(s.changed.n, 1);
	assert_string_equal(s.changed.v[0], "file:agents/a/x");
	assert_int_equal(s.gone.n, 0);
	/* An outage says nothing about anything. */
	m->is_down = true;
	assert_int_equal(look(m, &s, &e), -1);
	assert_int_equal(e.kind, ERR_RETRY);
	assert_int_equal(s.changed.n + s.gone.n, 0);
	m->is_down = false;
	/* But a storage that is surely empty does. */
	m->has_no_bucket = true;
	assert_int_equal(look(m, &s, &e), 0);
	assert_int_equal(s.gone.n, 2);
	assert_int_equal(s.changed.n, 1);
	strv_release(&s.gone);
	strv_release(&s.changed);
}

static void
test_tree_batches(void **state)
{
	struct memory *m = *state;
	struct json *o = json_must("{\"path\":\"agents/a\"}");
	struct work w = { .key = "tree:agents/a", .observed = o };
	struct outcome out = {0};
	struct err e = {0};
	size_t i;

	for (i = 0; i < 2500; i++) {
		char *path = xasprintf("agents/a/%zu", i);

		map_set(m->files, path, xstrdup(""));
		free(path);
	}
	map_set(m->files, "agents/ab", xstrdup(""));
	assert_int_equal(storage_tree_remove(m, &w, &out, &e), 0);
	assert_int_equal(m->removes, 3);
	assert_int_equal(m->lists, 4);
	assert_int_equal(map_size(m->files), 1);
	assert_string_equal(out.did.v[0], "removed 2500 files");
	outcome_release(&out);
	json_free(o);
}

/* --- packages ------------------------------------------------------------- */

static void
write_text(const char *dir, const char *name, const char *text)
{
	char *path = xasprintf("%s/%s", dir, name);
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	free(path);
}

/* The storage fails at the second file: what is known stays known, and the next
 * try goes on. */
static void
test_package_interrupted(void **state)
{
	struct memory *m = *state;
	char top[] = "/tmp/hiclaw-pkg.XXXXXX", *dir, *form, *cmd;
	struct outcome out = {0};
	struct work w = { .key = "package:a" };
	struct json *d, *o;
	struct err e = {0};

	assert_non_null(mkdtemp(top));
	dir = xasprintf("%s/p", top);
	assert_int_equal(mkdir(dir, 0700), 0);
	free(dir);
	dir = xasprintf("%s/p/config", top);
	assert_int_equal(mkdir(dir, 0700), 0);
	write_text(dir, "A.md", "a");
	write_text(dir, "B.md", "b");
	write_text(dir, "C.md", "c");
	m->s.imports = xstrdup(top);
	form = xasprintf("{\"path\":\"agents/a\",\"uri\":\"file://%s/p\","
	    "\"runtime\":\"openclaw\"}", top);
	d = json_must(form);
	w.desired = d;
	m->fail_put = 2;
	assert_int_equal(storage_package_ensure(m, &w, &out, &e), -1);
	assert_int_equal(e.kind, ERR_RETRY);
	o = out.observed;
	out.observed = NULL;
	assert_non_null(o);
	assert_null(json_str(o, "uri"));
	assert_int_equal(json_size(json_get(o, "files")), 1);
	outcome_release(&out);
	/* The agent is quick: it has changed the first one meanwhile. */
	map_set(m->files, "agents/a/A.md", xstrdup("mine"));
	w.observed = o;
	assert_int_equal(storage_package_ensure(m, &w, &out, &e), 0);
	assert_string_equal(map_find(m->files, "agents/a/A.md"), "mine");
	assert_string_equal(map_find(m->files, "agents/a/B.md"), "b");
	assert_string_equal(map_find(m->files, "agents/a/C.md"), "c");
	assert_non_null(json_str(out.observed, "uri"));
	outcome_release(&out);
	cmd = xasprintf("rm -rf '%s'", top);
	assert_int_equal(system(cmd), 0);
	free(cmd);
	free(dir);
	free(form);
	json_free(d);
	json_free(o);
}

struct asking {
	struct cache	*cache;
	pthread_mutex_t	 lock;
	int		 fetches, got, failed;
	bool		 fails;
};

static int
slow_fetch(void *arg, struct package *out, struct err *e)
{
	struct asking *a = arg;
	struct timespec t = { 0, 200 * 1000 * 1000 };

	pthread_mutex_lock(&a->lock);
	a->fetches++;
	pthread_mutex_unlock(&a->lock);
	nanosleep(&t, NULL);
	if (a->fails)
		return err_set(e, ERR_NOTFOUND, "no such package");
	out->files = xcalloc(1, sizeof(*out->files));
	out->n = 1;
	out->files[0].path = xstrdup("x");
	out->files[0].data = xstrdup("y");
	out->files[0].len = 1;
	return 0;
}

static void *
ask(void *arg)
{
	struct asking *a = arg;
	struct err e = {0};
	struct cached *p = cache_get(a->cache, "uri", slow_fetch, a, &e);

	pthread_mutex_lock(&a->lock);
	if (p != NULL && strcmp(cached_package(p)->files[0].path, "x") == 0)
		a->got++;
	if (p == NULL && e.kind == ERR_NOTFOUND)
		a->failed++;
	pthread_mutex_unlock(&a->lock);
	cache_drop(a->cache, p);
	return NULL;
}

static void
ask_eight(struct asking *a)
{
	pthread_t threads[8];
	size_t i;

	for (i = 0; i < NELEM(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, ask, a), 0);
	for (i = 0; i < NELEM(threads); i++)
		pthread_join(threads[i], NULL);
}

static void
test_cache(void **state)
{
	struct asking a = { .cache = cache_new(), .fails = true };

	(void)state;
	pthread_mutex_init(&a.lock, NULL);
	/* Those who wait share a failure; the next one tries again. */
	ask_eight(&a);
	assert_int_equal(a.failed, 8);
	assert_in_range(a.fetches, 1, 7);
	a.fails = false;
	a.fetches = 0;
	ask_eight(&a);
	assert_int_equal(a.got, 8);
	assert_int_equal(a.fetches, 1);
	ask_eight(&a);
	assert_int_equal(a.got, 16);
	assert_int_equal(a.fetches, 1);
	cache_free(a.cache);
	pthread_mutex_destroy(&a.lock);
}

/* What is looked at when something happens to a file: all it may be part of. */
static void
test_keys(void **state)
{
	static const struct { const char *path, *keys; } table[] = {
		{ "x", "file:x" },
		{ "agents/alice/SOUL.md", "file:agents/alice/SOUL.md "
		    "tree:agents tree:agents/alice skills:alice package:alice" },
		{ "agents/alice/a/b", "file:agents/alice/a/b tree:agents "
		    "tree:agents/alice tree:agents/alice/a skills:alice "
		    "package:alice" },
		{ "agents/README", "file:agents/README tree:agents" },
		{ "teams/x/.keep", "file:teams/x/.keep tree:teams "
		    "tree:teams/x" },
	};

	(void)state;
	for (size_t i = 0; i < NELEM(table); i++) {
		struct strv keys = {0};
		char *text;

		storage_keys(table[i].path, &keys);
		text = strv_join(&keys, " ");
		assert_string_equal(text, table[i].keys);
		free(text);
		strv_release(&keys);
	}
}

int
main(void)
{
#define ON(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		ON(test_race),
		ON(test_endless_race),
		ON(test_found),
		ON(test_down),
		ON(test_look),
		ON(test_tree_batches),
		ON(test_package_interrupted),
		cmocka_unit_test(test_cache),
		cmocka_unit_test(test_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
