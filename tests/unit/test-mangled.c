/*
 * Messages as clients mangle them (tests/data/chat/mangled, which tests/mangle
 * writes): what is read in each, each repair, whether a yes is needed, and that
 * the repaired manifest means what the clean one means.
 *
 * And two properties over all we have: repairing changes no clean document,
 * and repairing twice is repairing once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "hiclaw/api.h"
#include "hiclaw/file.h"
#include "hiclaw/json.h"

#include "../../src/chat/commands.h"
#include "../../src/chat/handlers.h"
#include "../../src/chat/input.h"
#include "../../src/chat/repair.h"
#include "../../src/chat/words.h"

static const struct input_names names = { "@hiclaw:example.org", "hiclaw" };

static char *
read_file(const char *dir, const char *name)
{
	const char *src = getenv("srcdir");
	char *path = xasprintf("%s/%s/%s", src != NULL ? src : ".", dir, name);
	struct err err = { 0 };
	char *text = file_read(path, MANIFEST_MAX, &err);

	if (text == NULL)
		fail_msg("%s: %s", path, err.msg);
	free(path);
	return text;
}

static void
list_dir(const char *dir, const char *suffix, struct strv *files)
{
	const char *src = getenv("srcdir");
	char *path = xasprintf("%s/%s", src != NULL ? src : ".", dir);
	struct err err = { 0 };

	if (dir_list(path, suffix, files, &err) == -1)
		fail_msg("%s", err.msg);
	free(path);
}

/* All resources of a manifest in one text, or NULL if it has problems. */
static char *
meaning(const char *text)
{
	struct resource **v = NULL;
	struct problems ps = { 0 };
	struct buf b = { 0 };
	size_t n = 0;
	bool ok = manifest_decode(text, strlen(text), &v, &n, &ps) == 0;

	for (size_t i = 0; i < n; i++) {
		struct json *o = resource_json(v[i]);
		char *line = json_canonical(o);

		buf_printf(&b, "%s\n", line);
		free(line);
		json_free(o);
		resource_unref(v[i]);
	}
	free(v);
	problems_release(&ps);
	if (ok)
		return buf_take(&b);
	buf_release(&b);
	return NULL;
}

/* --- the corpus ---------------------------------------------------------- */

static void
expect_ledger(const char *file, const struct json *want,
    const struct repairs *log)
{
	const struct json *v = json_first(want);

	for (size_t i = 0; i < log->n; i++, v = json_next(v)) {
		const struct repair *r = &log->v[i];

		if (v == NULL)
			fail_msg("%s: line %d: %s: %s became %s: not expected",
			    file, r->line, r->what, r->before != NULL ?
			    r->before : "(it)", r->after != NULL ? r->after :
			    "plain");
		if (r->line != json_int(v, "line", 0) ||
		    !str_equal(r->what, json_str(v, "what")) ||
		    !str_equal(r->before, json_str(v, "before")) ||
		    !str_equal(r->after, json_str(v, "after")) ||
		    r->is_value != json_bool(v, "value", false) ||
		    r->times != (size_t)json_int(v, "times", 0))
			fail_msg("%s: line %d: %s: %s became %s, %d, %zu "
			    "times, not line %d: %s", file, r->line, r->what,
			    r->before != NULL ? r->before : "(it)",
			    r->after != NULL ? r->after : "plain",
			    r->is_value, r->times, (int)json_int(v, "line",
			    0), json_str(v, "what"));
	}
	if (v != NULL)
		fail_msg("%s: missing: line %d: %s", file,
		    (int)json_int(v, "line", 0), json_str(v, "what"));
}

static void
expect_meaning(const char *file, const char *clean_name, const char *text)
{
	char *name = strchr(clean_name, '.') != NULL ? xstrdup(clean_name) :
	    xasprintf("%s.yaml", clean_name);
	char *clean = read_file("tests/data/chat/clean", name);
	char *want = meaning(clean), *got = meaning(text);

	if (!str_equal(want, got))
		fail_msg("%s: means\n%s\nnot\n%s\nfrom\n%s", file,
		    got != NULL ? got : "(nothing)", want, text);
	free(want);
	free(got);
	free(clean);
	free(name);
}

static void
expect_manifest(const char *file, const struct json *expect,
    const struct input *in)
{
	struct repairs log, again;
	char *once, *twice;

	assert_non_null(in->manifest);
	once = repair_manifest(in->manifest, &log);
	twice = repair_manifest(once, &again);
	assert_string_equal(once, twice);
	assert_int_equal(again.n, 0);
	if (json_bool(expect, "refused", false)) {
		if (repair_advice(once) == NULL)
			fail_msg("%s: is not refused:\n%s", file, once);
	} else {
		expect_ledger(file, json_get(expect, "repairs"), &log);
		if (log.has_value != json_bool(expect, "needs_ok", false))
			fail_msg("%s: a yes: %d", file, log.has_value);
		assert_null(repair_advice(once));
		expect_meaning(file, json_str(expect, "same_as"), once);
	}
	free(once);
	free(twice);
	repairs_release(&log);
	repairs_release(&again);
}

static void
expect_words(const char *file, const struct commands *cs,
    const struct json *expect, const struct input *in)
{
	const struct json *want = json_get(expect, "words");
	const struct command *c;
	struct words w;
	const char *near;
	struct err err;
	size_t used = 0, i = 0;

	assert_int_equal(words_split(in->line, &w, &err), 0);
	if (w.raw.n != json_size(want))
		fail_msg("%s: %zu words: %s", file, w.raw.n, in->line);
	for (const struct json *v = json_first(want); v != NULL;
	    v = json_next(v), i++)
		if (!str_equal(w.raw.v[i], json_value_str(v)))
			fail_msg("%s: %s, not %s", file, w.raw.v[i],
			    json_value_str(v));
	c = commands_match(cs, &w, &used, &near);
	if (!str_equal(c != NULL ? c->name : NULL, json_str(expect,
	    "command")))
		fail_msg("%s: no command: %s", file, in->line);
	words_release(&w);
}

static void
expect_same(const char *file, const struct json *expect, const char *key,
    const char *got)
{
	const char *want = json_str(expect, key);

	if (json_get(expect, key) != NULL && !str_equal(want, got))
		fail_msg("%s: %s is %s, not %s", file, key, got != NULL ?
		    got : "(none)", want);
}

static void
expect_flag(const char *file, const struct json *expect, const char *key,
    bool got)
{
	if (json_get(expect, key) != NULL &&
	    json_bool(expect, key, !got) != got)
		fail_msg("%s: %s is %d", file, key, got);
}

static void
check_message(const char *file, const struct json *o,
    const struct commands *cs)
{
	const struct json *expect = json_get(o, "expect");
	struct input in;

	input_read(json_get(o, "event"), &names, &in);
	assert_true(in.is_message);
	expect_same(file, expect, "line", in.line);
	expect_same(file, expect, "edit_of", in.edit_of);
	expect_same(file, expect, "reply_to", in.reply_to);
	expect_flag(file, expect, "looks", in.looks);
	expect_flag(file, expect, "is_fenced", in.is_fenced);
	expect_flag(file, expect, "is_yaml", in.is_yaml_file);
	expect_flag(file, expect, "addressed", in.is_addressed);
	if (in.looks)
		expect_manifest(file, expect, &in);
	if (json_get(expect, "words") != NULL)
		expect_words(file, cs, expect, &in);
	input_release(&in);
}

static void
test_mangled(void **state)
{
	static const char dir[] = "tests/data/chat/mangled";
	const char *src = getenv("srcdir");
	char *path = xasprintf("%s/commands", src != NULL ? src : ".");
	struct strv files = { 0 };
	struct err err = { 0 };
	struct commands *cs = commands_load(path, handler_names(), &err);

	(void)state;
	assert_non_null(cs);
	list_dir(dir, ".json", &files);
	assert_true(files.n >= 80);
	for (size_t i = 0; i < files.n; i++) {
		char *text = read_file(dir, files.v[i]);
		struct json *o = json_parse(text, strlen(text), &err);

		if (o == NULL)
			fail_msg("%s: %s", files.v[i], err.msg);
		check_message(files.v[i], o, cs);
		json_free(o);
		free(text);
	}
	strv_release(&files);
	commands_free(cs);
	free(path);
}

/* --- clean documents ----------------------------------------------------- */

static void
check_clean(const char *name, const char *text)
{
	struct repairs log;
	char *fixed = repair_manifest(text, &log);

	if (log.n > 0)
		fail_msg("%s:%d: %s", name, log.v[0].line, log.v[0].what);
	assert_string_equal(text, fixed);
	assert_null(repair_advice(text));
	repairs_release(&log);
	free(fixed);
}

static void
check_clean_dir(const char *dir, const char *suffix)
{
	struct strv files = { 0 };

	list_dir(dir, suffix, &files);
	assert_true(files.n > 0);
	for (size_t i = 0; i < files.n; i++) {
		char *text = read_file(dir, files.v[i]);

		/* That one is there to have a mark and other line ends. */
		if (strcmp(files.v[i], "bom-crlf.yaml") != 0)
			check_clean(files.v[i], text);
		free(text);
	}
	strv_release(&files);
}

static void
test_clean(void **state)
{
	(void)state;
	check_clean_dir("tests/data/chat/clean", ".yaml");
	check_clean_dir("tests/data/chat/clean", ".json");
	check_clean_dir("tests/data/good", ".yaml");
	check_clean_dir("contrib", ".yaml");
	check_clean_dir("contrib/samples", ".yaml");
	check_clean_dir("commands", ".yaml");
}

/* What we write for others to fill in, and what we export. */
static void
test_own_yaml(void **state)
{
	struct resource **v = NULL;
	struct problems ps = { 0 };
	char *text = read_file("contrib/samples", "frontend-team.yaml"), *yaml;
	size_t n = 0;

	(void)state;
	assert_int_equal(manifest_decode(text, strlen(text), &v, &n, &ps), 0);
	for (size_t i = 0; i < n; i++) {
		yaml = resource_yaml(v[i]);
		check_clean("export", yaml);
		free(yaml);
		resource_unref(v[i]);
	}
	free(v);
	free(text);
	problems_release(&ps);
	for (const struct kind *k = kinds; k->name != NULL; k++) {
		yaml = api_skeleton(k, "x", NULL);
		check_clean(k->name, yaml);
		free(yaml);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mangled),
		cmocka_unit_test(test_clean),
		cmocka_unit_test(test_own_yaml),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
