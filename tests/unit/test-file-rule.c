/*
 * The rules of files: what is made of what is there.  Tables, and properties
 * over random texts with markers strewn in.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hiclaw/file-rule.h"
#include "hiclaw/secure.h"

#define OURS	BUILTIN_START "\nbuilt in\n" BUILTIN_END "\n" \
		TEAM_START "\nteam\n" TEAM_END "\n"
#define OLD_BI	BUILTIN_START "\nold\n" BUILTIN_END "\n"
#define OLD_TE	TEAM_START "\nold team\n" TEAM_END "\n"
#define OLD_SP	SPEC_START "\nold spec\n" SPEC_END "\n"

static struct json *
form_text(const char *rule, const char *text)
{
	struct json *f = json_object();

	json_set_str(f, "rule", rule);
	json_set_str(f, "mode", "0600");
	json_set_str(f, "text", text);
	return f;
}

static struct json *
form_json(const char *rule, const char *tree)
{
	struct json *f = json_object();

	json_set_str(f, "rule", rule);
	json_set_str(f, "mode", "0600");
	json_set(f, "json", json_must(tree));
	return f;
}

/* Rendered, and rendered again over the result: must be the same. */
static char *
render_twice(const struct json *f, const struct json *secrets,
    const char *current, size_t len)
{
	struct err e;
	char *once, *twice;

	once = file_render(f, secrets, current, len, &e);
	if (once == NULL)
		fail_msg("%s", e.msg);
	twice = file_render(f, secrets, once, strlen(once), &e);
	assert_non_null(twice);
	assert_string_equal(once, twice);
	free(twice);
	return once;
}

static void
test_markers(void **state)
{
	static const struct { const char *current, *want; } t[] = {
		{ NULL, OURS },
		{ "", OURS },
		{ "mine\n", OURS "\nmine\n" },
		{ "\nmine", OURS "\nmine" },
		{ OURS, OURS },
		{ OLD_BI, OURS },
		{ OLD_BI "mine", OURS "mine" },
		{ OLD_BI OLD_TE "mine\n", OURS "mine\n" },
		{ OLD_BI OLD_SP OLD_TE "\n\nmine\n", OURS "\n\nmine\n" },
		{ "top\n" OLD_BI "mid\n" OLD_TE "end\n",
		    "top\n" OURS "mid\nend\n" },
		{ "top\n" OLD_TE "mid\n" OLD_BI "end\n",
		    "top\n" OURS "mid\nend\n" },
		/* as an editor for another system leaves it */
		{ BUILTIN_START "\r\nold\r\n" BUILTIN_END "\r\nmine\r\n",
		    OURS "mine\r\n" },
		/* quoted in the warning, as older files have it */
		{ BUILTIN_START "\n> up to `" BUILTIN_END "` is ours\nold\n"
		    BUILTIN_END "\nmine\n", OURS "mine\n" },
		/* markers in what people wrote are what people wrote */
		{ OLD_BI "a\n" BUILTIN_END "\nb\n",
		    OURS "a\n" BUILTIN_END "\nb\n" },
		{ OLD_BI "a\n" BUILTIN_START "\nb\n",
		    OURS "a\n" BUILTIN_START "\nb\n" },
		{ OLD_BI "a\n" OLD_BI "b\n", OURS "a\n" OLD_BI "b\n" },
		{ "a\n" BUILTIN_END "\nb\n" OLD_BI "c\n",
		    "a\n" BUILTIN_END "\nb\n" OURS "c\n" },
		{ "a\n" BUILTIN_START "\nb\n" OLD_BI "c\n",
		    "a\n" BUILTIN_START "\nb\n" OURS "c\n" },
		{ "a\n" TEAM_START "\nb\n" OLD_BI "c\n" TEAM_END "\nd\n",
		    "a\n" TEAM_START "\nb\n" OURS "c\n" TEAM_END "\nd\n" },
		{ "a " BUILTIN_START "\nb\n" BUILTIN_END " c\n",
		    OURS "\na " BUILTIN_START "\nb\n" BUILTIN_END " c\n" },
		/* an end that is missing takes nothing along */
		{ BUILTIN_START "\nold\nmine\n",
		    OURS "\n" BUILTIN_START "\nold\nmine\n" },
		/* cut short while we wrote it */
		{ BUILTIN_START "\nbuilt", OURS },
		{ "\xff\xfe bytes\n", OURS "\n\xff\xfe bytes\n" },
	};
	struct json *f = form_text("markers", OURS);
	char *got;
	size_t i;

	(void)state;
	for (i = 0; i < NELEM(t); i++) {
		got = render_twice(f, NULL, t[i].current,
		    t[i].current == NULL ? 0 : strlen(t[i].current));
		if (strcmp(got, t[i].want) != 0)
			fail_msg("row %zu: got\n%s\nwant\n%s", i, got,
			    t[i].want);
		free(got);
	}
	json_free(f);
}

static void
test_nul(void **state)
{
	static const char text[] = OLD_BI "a\0b\n\0";
	struct json *f = form_text("markers", OURS);
	char *got = render_twice(f, NULL, text, sizeof(text) - 1);

	(void)state;
	assert_string_equal(got, OURS "a\xef\xbf\xbd" "b\n\xef\xbf\xbd");
	free(got);
	json_free(f);
}

/* Pieces that a random text is made of; the plain ones carry a number. */
static const char *const pieces[] = { "word", "\n", "\n", " ", "\r\n",
    BUILTIN_START "\n", BUILTIN_END "\n", TEAM_START "\n", TEAM_END "\n",
    SPEC_START "\n", SPEC_END "\n", "\xc3", "# head\n" };

static uint32_t seed;

static uint32_t
pick(uint32_t n)
{
	seed = seed * 1664525u + 1013904223u;
	return (seed >> 8) % n;
}

static void
random_text(struct buf *b, bool pairs)
{
	uint32_t n = pick(12), i, k;

	for (i = 0; i < n; i++) {
		k = pick(NELEM(pieces));
		/* Without pairs: of each name ends only, or starts only. */
		if (!pairs && (k == 6 || k == 7 || k == 10))
			k = 0;
		if (k == 0)
			buf_printf(b, "word%u", pick(1000000));
		else
			buf_puts(b, pieces[k]);
	}
}

/* Whatever is there: stable, ours is in it, and it does not grow. */
static void
test_any_text(void **state)
{
	struct json *f[2] = { form_text("markers", OURS),
	    form_text("markers", OLD_BI OLD_SP OLD_TE) };
	struct buf b = { 0 };
	char *got, *other, *back;
	int i;

	(void)state;
	for (i = 0; i < 6000; i++) {
		seed = (uint32_t)i;
		buf_reset(&b);
		random_text(&b, true);
		got = render_twice(f[i % 2], NULL, buf_str(&b), b.len);
		assert_non_null(strstr(got, i % 2 == 0 ? OURS :
		    OLD_BI OLD_SP OLD_TE));
		other = render_twice(f[1 - i % 2], NULL, got, strlen(got));
		back = render_twice(f[i % 2], NULL, other, strlen(other));
		if (strlen(back) > strlen(got))
			fail_msg("seed %d: it grows:\n%s\n--- to\n%s", i, got,
			    back);
		free(got);
		free(other);
		free(back);
	}
	buf_release(&b);
	json_free(f[0]);
	json_free(f[1]);
}

/* What people write around our sections stays, in order, byte for byte. */
static void
test_theirs_stays(void **state)
{
	struct json *f = form_text("markers", OURS);
	struct buf file = { 0 }, part[3] = { { 0 } }, want = { 0 };
	char *got;
	int i, k;

	(void)state;
	for (i = 0; i < 6000; i++) {
		seed = (uint32_t)i + 777;
		for (k = 0; k < 3; k++) {
			buf_reset(&part[k]);
			random_text(&part[k], false);
			if (k < 2 && part[k].len > 0)
				buf_putc(&part[k], '\n');
		}
		buf_reset(&file);
		buf_reset(&want);
		buf_add(&file, buf_str(&part[0]), part[0].len);
		buf_puts(&file, OLD_BI);
		buf_add(&file, buf_str(&part[1]), part[1].len);
		buf_puts(&file, OLD_TE);
		buf_add(&file, buf_str(&part[2]), part[2].len);
		buf_add(&want, buf_str(&part[0]), part[0].len);
		buf_puts(&want, OURS);
		buf_add(&want, buf_str(&part[1]), part[1].len);
		buf_add(&want, buf_str(&part[2]), part[2].len);
		got = render_twice(f, NULL, buf_str(&file), file.len);
		if (strcmp(got, buf_str(&want)) != 0)
			fail_msg("seed %d: of\n%s\n--- got\n%s\n--- want\n%s",
			    i, buf_str(&file), got, buf_str(&want));
		free(got);
	}
	buf_release(&file);
	buf_release(&want);
	for (k = 0; k < 3; k++)
		buf_release(&part[k]);
	json_free(f);
}

static void
test_bad_markers(void **state)
{
	static const char *const bad[] = { "", "plain\n", OURS "more\n",
	    "more\n" OURS, OLD_BI "\n" OLD_TE, OLD_BI OLD_BI,
	    BUILTIN_START "\n" TEAM_START "\n" TEAM_END "\n" BUILTIN_END "\n",
	    BUILTIN_START "\nx\n" BUILTIN_END };
	struct json *f;
	struct err e;
	size_t i;

	(void)state;
	for (i = 0; i < NELEM(bad); i++) {
		f = form_text("markers", bad[i]);
		if (file_render(f, NULL, "x", 1, &e) != NULL)
			fail_msg("row %zu was taken", i);
		assert_int_equal(e.kind, ERR_USER);
		json_free(f);
	}
}

static void
test_large(void **state)
{
	static const char *const what[] = { "x", "line\n", TEAM_START "\n",
	    TEAM_START "\n" TEAM_END "\n", SPEC_START "\n", "{\"a\":[" };
	struct json *f = form_text("markers", OURS);
	struct json *j = form_json("openclaw", "{\"a\":1}");
	struct buf b;
	char *got;
	size_t i;

	(void)state;
	for (i = 0; i < NELEM(what); i++) {
		buf_init(&b, 0);
		buf_puts(&b, "{\"plugins\":{\"entries\":{");
		while (b.len < 10 * 1024 * 1024)
			buf_puts(&b, what[i]);
		got = render_twice(f, NULL, buf_str(&b), b.len);
		assert_non_null(strstr(got, OURS));
		free(got);
		got = render_twice(j, NULL, buf_str(&b), b.len);
		assert_string_equal(got, "{\n  \"a\": 1\n}\n");
		free(got);
		buf_release(&b);
	}
	json_free(f);
	json_free(j);
}

/* A million members do not keep a thread busy for minutes. */
static void
test_many_members(void **state)
{
	struct json *o = form_json("openclaw",
	    "{\"plugins\":{\"entries\":{\"m\":{\"e\":true}}}}");
	struct json *m = form_json("mcporter", "{\"mcpServers\":{}}");
	struct buf b = { 0 };
	char *got;
	int i;

	(void)state;
	buf_puts(&b, "{\"plugins\":{\"entries\":{\"a\":{}");
	for (i = 0; i < 60000; i++)
		buf_printf(&b, ",\"k%d\":{}", i);
	buf_puts(&b, "}},\"mcpServers\":{\"a\":{}");
	for (i = 0; i < 60000; i++)
		buf_printf(&b, ",\"k%d\":{}", i);
	buf_puts(&b, "}}");
	got = render_twice(o, NULL, buf_str(&b), b.len);
	assert_non_null(strstr(got, "\"k500\""));
	free(got);
	got = render_twice(m, NULL, buf_str(&b), b.len);
	assert_non_null(strstr(got, "\"k500\""));
	free(got);
	buf_release(&b);
	json_free(o);
	json_free(m);
}

#define GW	"http://gw:8080"
#define COPAW(list) "{\"channels\":{\"matrix\":{\"allow_from\":" list "," \
	"\"dm_policy\":\"allowlist\",\"group_allow_from\":" list "," \
	"\"group_policy\":\"allowlist\"}}}"
static void
test_merge(void **state)
{
	static const struct {
		const char *rule, *ours, *current, *want;
	} t[] = {
		{ "openclaw", "{\"b\":1,\"a\":2}", NULL, "{\"a\":2,\"b\":1}" },
		{ "openclaw", "{\"a\":1}", "not json", "{\"a\":1}" },
		{ "openclaw", "{\"a\":1}", "[1]", "{\"a\":1}" },
		{ "openclaw", "{\"a\":1}", "{\"a\":2", "{\"a\":1}" },
		{ "openclaw", "{\"a\":1}", "{\"a\":2,\"x\":3}", "{\"a\":1}" },
		{ "openclaw", "{\"allow\":[]}",
		    "{\"allow\":[\"@x:y\"]}", "{\"allow\":[]}" },
		{ "openclaw",
		    "{\"plugins\":{\"entries\":{\"m\":{\"on\":true,\"c\":1}}}}",
		    "{\"plugins\":{\"allow\":[\"z\"],\"entries\":{"
		    "\"m\":{\"on\":false,\"d\":{\"e\":2}},\"n\":{\"on\":true}},"
		    "\"load\":{\"paths\":[\"/b\",\"/a\",7]}}}",
		    "{\"plugins\":{\"entries\":{\"m\":{\"c\":1,\"d\":{\"e\":2},"
		    "\"on\":false},\"n\":{\"on\":true}},"
		    "\"load\":{\"paths\":[\"/b\",\"/a\"]}}}" },
		{ "openclaw", "{\"plugins\":{\"load\":{\"paths\":[\"/a\"]}}}",
		    "{\"plugins\":{\"load\":{\"paths\":[\"/b\",\"/a\"]}}}",
		    "{\"plugins\":{\"load\":{\"paths\":[\"/a\",\"/b\"]}}}" },
		{ "openclaw", "{\"a\":1}",
		    "{\"plugins\":{\"entries\":[],\"load\":{\"paths\":{}}}}",
		    "{\"a\":1}" },
		{ "mcporter", "{\"mcpServers\":{}}", NULL,
		    "{\"mcpServers\":{}}" },
		{ "mcporter", "{\"mcpServers\":{\"g\":{\"url\":\"u\"}}}",
		    "{\"imports\":[],\"mcpServers\":{\"g\":{\"url\":\"v\"},"
		    "\"mine\":{\"command\":\"x\"},"
		    "\"far\":{\"url\":\"http://far/mcp-servers/x/mcp\"},"
		    "\"near\":{\"url\":\"" GW "1/mcp-servers/x\"},"
		    "\"gone\":{\"url\":\"" GW "/mcp-servers/x/mcp\"}}}",
		    "{\"imports\":[],\"mcpServers\":{"
		    "\"far\":{\"url\":\"http://far/mcp-servers/x/mcp\"},"
		    "\"g\":{\"url\":\"u\"},\"mine\":{\"command\":\"x\"},"
		    "\"near\":{\"url\":\"" GW "1/mcp-servers/x\"}}}" },
		{ "mcporter", "{\"mcpServers\":{}}",
		    "{\"mcpServers\":[1]}", "{\"mcpServers\":{}}" },
		{ "copaw", COPAW("[\"@a:d\"]"), NULL, COPAW("[\"@a:d\"]") },
		{ "copaw", COPAW("[\"@a:d\"]"), "[]", COPAW("[\"@a:d\"]") },
		/* Who is gone goes; nobody is added; the rest is CoPaw's. */
		{ "copaw", COPAW("[\"@a:d\",\"@b:d\",\"@c:d\"]"),
		    "{\"id\":7,\"channels\":{\"matrix\":{\"x\":1,"
		    "\"dm_policy\":\"open\",\"group_policy\":\"allowlist\","
		    "\"allow_from\":[\"@c:d\",\"@gone:d\",5,\"@a:d\"]}}}",
		    "{\"channels\":{\"matrix\":{\"allow_from\":"
		    "[\"@c:d\",\"@a:d\"],\"dm_policy\":\"allowlist\","
		    "\"group_policy\":\"allowlist\",\"x\":1}},\"id\":7}" },
		{ "copaw", COPAW("[]"), "{\"channels\":5}",
		    "{\"channels\":{\"matrix\":{\"dm_policy\":\"allowlist\","
		    "\"group_policy\":\"allowlist\"}}}" },
		{ "owned", "{\"a\":1}", "{\"b\":2}", "{\"a\":1}" },
		{ "owned", "[1,\"x\"]", NULL, "[1,\"x\"]" },
	};
	struct json *f, *v;
	struct err e;
	char *got, *plain;
	size_t i;

	(void)state;
	for (i = 0; i < NELEM(t); i++) {
		f = form_json(t[i].rule, t[i].ours);
		json_set_str(f, "origin", GW);
		got = render_twice(f, NULL, t[i].current,
		    t[i].current == NULL ? 0 : strlen(t[i].current));
		assert_true(str_ends(got, "\n"));
		v = json_parse(got, strlen(got), &e);
		assert_non_null(v);
		plain = json_canonical(v);
		if (strcmp(plain, t[i].want) != 0)
			fail_msg("row %zu: got\n%s\nwant\n%s", i, plain,
			    t[i].want);
		free(plain);
		free(got);
		json_free(v);
		json_free(f);
	}
}

static void
test_texts(void **state)
{
	struct json *f = form_text("owned", "a\n"), *s;
	struct err e;
	char *got;

	(void)state;
	got = render_twice(f, NULL, "other", 5);
	assert_string_equal(got, "a\n");
	free(got);
	json_set_str(f, "rule", "seed");
	got = render_twice(f, NULL, NULL, 0);
	assert_string_equal(got, "a\n");
	free(got);
	got = render_twice(f, NULL, "theirs", 6);
	assert_string_equal(got, "theirs");
	free(got);
	json_set_str(f, "rule", "owned");
	json_set(f, "text", json_must(
	    "[\"room \",\"!r:d\",\", \",null,\", \","
	    "{\"$secret\":\"account:a/token\",\"id\":null},\"\\n\"]"));
	assert_null(file_render(f, NULL, NULL, 0, &e));
	assert_int_equal(e.kind, ERR_RETRY);
	s = json_must("{\"account:a/token\":\"hush\"}");
	got = render_twice(f, s, NULL, 0);
	assert_string_equal(got, "room !r:d, unknown, hush\n");
	free(got);
	json_free(f);
	f = form_json("mcporter", "{\"k\":{\"$secret\":\"account:a/token\","
	    "\"id\":\"1234\",\"before\":\"Bearer \"}}");
	got = render_twice(f, s, NULL, 0);
	assert_non_null(strstr(got, "\"k\": \"Bearer hush\""));
	free(got);
	json_free(f);
	f = form_json("openclaw", "{\"k\":[{\"$secret\":\"account:a/token\","
	    "\"id\":\"1234\"}]}");
	got = render_twice(f, s, "{}", 2);
	assert_string_equal(got, "{\n  \"k\": [\n    \"hush\"\n  ]\n}\n");
	free(got);
	assert_null(file_render(f, NULL, "{}", 2, &e));
	assert_int_equal(e.kind, ERR_RETRY);
	assert_null(strstr(e.msg, "hush"));
	json_free(f);
	json_free(s);
}

/* What CoPaw wrote, in its own layout, is not written again for nothing. */
static void
test_copaw_is_left_alone(void **state)
{
	static const char text[] = "{ \"z\": 1,\n  \"channels\": {\"matrix\": {"
	    "\"dm_policy\": \"allowlist\", \"group_policy\": \"allowlist\","
	    " \"group_allow_from\": [\"@b:d\", \"@a:d\"]}}}";
	struct json *f = form_json("copaw", COPAW("[\"@a:d\",\"@b:d\"]"));
	char *got = render_twice(f, NULL, text, strlen(text));

	(void)state;
	assert_string_equal(got, text);
	free(got);
	json_free(f);
}

static void
test_nonsense(void **state)
{
	static const char *const bad[] = { "{}", "{\"rule\":\"owned\"}",
	    "{\"text\":\"x\"}", "{\"rule\":\"no\",\"text\":\"x\"}",
	    "{\"rule\":\"openclaw\",\"text\":\"x\"}",
	    "{\"rule\":\"markers\",\"json\":{}}",
	    "{\"rule\":\"openclaw\",\"json\":[]}",
	    "{\"rule\":\"mcporter\",\"json\":\"x\"}",
	    "{\"rule\":\"owned\",\"text\":7}",
	    "{\"rule\":\"owned\",\"text\":[7]}",
	    "{\"rule\":\"owned\",\"text\":[{\"$ref\":\"room:x\"}]}" };
	struct json *f;
	struct err e;
	size_t i;

	(void)state;
	for (i = 0; i < NELEM(bad); i++) {
		f = json_must(bad[i]);
		if (file_render(f, NULL, NULL, 0, &e) != NULL)
			fail_msg("%s was taken", bad[i]);
		assert_int_equal(e.kind, ERR_USER);
		json_free(f);
	}
}

static void
test_source(void **state)
{
	static const char *const forms[] = {
		"{\"rule\":\"owned\",\"mode\":\"0600\",\"text\":\"a\"}",
		"{\"rule\":\"seed\",\"mode\":\"0600\",\"text\":\"a\"}",
		"{\"rule\":\"owned\",\"mode\":\"0644\",\"text\":\"a\"}",
		"{\"rule\":\"owned\",\"mode\":\"0600\",\"text\":\"b\"}",
		"{\"rule\":\"owned\",\"mode\":\"0600\",\"text\":[\"a\",\"b\"]}",
		"{\"rule\":\"owned\",\"mode\":\"0600\",\"json\":{\"a\":"
		    "{\"$secret\":\"x\",\"id\":\"1\"}}}",
		"{\"rule\":\"owned\",\"mode\":\"0600\",\"json\":{\"a\":"
		    "{\"$secret\":\"x\",\"id\":\"2\"}}}",
		"{\"rule\":\"owned\",\"mode\":\"0600\",\"json\":{\"a\":1},"
		    "\"origin\":\"http://x\"}",
	};
	char hash[NELEM(forms)][SHA256_HEX], again[SHA256_HEX];
	struct json *f;
	size_t i, k;

	(void)state;
	for (i = 0; i < NELEM(forms); i++) {
		f = json_must(forms[i]);
		file_source(f, hash[i]);
		assert_int_equal(strlen(hash[i]), 64);
		/* Where it is says nothing about what it asks for. */
		json_set_str(f, "path", "elsewhere");
		file_source(f, again);
		assert_string_equal(hash[i], again);
		json_free(f);
		for (k = 0; k < i; k++)
			assert_string_not_equal(hash[i], hash[k]);
	}
}

static void
test_difference(void **state)
{
	static const struct {
		const char *before, *after;
		size_t max;
		const char *want;
	} t[] = {
		{ NULL, NULL, 9, "" },
		{ "{\"text\":\"a\\nb\\n\"}", "{\"text\":\"a\\nb\\n\"}", 9, "" },
		{ NULL, "{\"text\":\"a\\nb\\n\"}", 9, "+a\n+b\n" },
		{ "{\"text\":\"a\\nb\\n\"}", NULL, 9, "-a\n-b\n" },
		{ "{\"text\":\"1\\n2\\n3\\n4\\n5\\n6\\n7\\n\"}",
		    "{\"text\":\"1\\n2\\n3\\nx\\n5\\n6\\n7\\n\"}", 9,
		    " 2\n 3\n-4\n+x\n 5\n 6\n" },
		{ "{\"text\":\"a\\n1\\n2\\n3\\n4\\n5\\n6\\nb\\n\"}",
		    "{\"text\":\"A\\n1\\n2\\n3\\n4\\n5\\n6\\n7\\nb\\n\"}", 20,
		    "-a\n+A\n 1\n 2\n@@ line 6\n 5\n 6\n+7\n b\n" },
		{ "{\"text\":\"a\\nb\\nc\\nd\\n\"}", NULL, 3,
		    "-a\n-b\n@@ 2 more lines\n" },
		{ "{\"text\":\"a\\n\"}", NULL, 0, "" },
		{ NULL, "{\"text\":[\"room \",{\"$ref\":\"room:x\"},\" \",null,"
		    "{\"$secret\":\"k\"},\"\\n\"]}", 9,
		    "+room (new) (new)***\n" },
		{ "{\"json\":{\"a\":{\"$secret\":\"k\",\"id\":\"1\"},\"b\":1}}",
		    "{\"json\":{\"b\":2,\"a\":{\"$secret\":\"k\",\"id\":\"2\"}}}",
		    9, " {\n   \"a\": \"***\",\n-  \"b\": 1\n+  \"b\": 2\n }\n" },
	};
	struct json *a, *b;
	char *got;
	size_t i;

	(void)state;
	for (i = 0; i < NELEM(t); i++) {
		a = t[i].before == NULL ? NULL : json_must(t[i].before);
		b = t[i].after == NULL ? NULL : json_must(t[i].after);
		got = file_difference(a, b, t[i].max);
		if (strcmp(got, t[i].want) != 0)
			fail_msg("row %zu: got\n%s\nwant\n%s", i, got,
			    t[i].want);
		free(got);
		json_free(a);
		json_free(b);
	}
}

/* The difference, applied to the one text, gives the other. */
static void
test_difference_is_true(void **state)
{
	struct buf a = { 0 }, b = { 0 }, want = { 0 }, got = { 0 };
	struct json *fa, *fb;
	char *d, *p, *line;
	int i, k, n;

	(void)state;
	for (i = 0; i < 2000; i++) {
		seed = (uint32_t)i;
		buf_reset(&a);
		buf_reset(&b);
		for (k = 0, n = (int)pick(20); k < n; k++) {
			buf_printf(&a, "%u\n", pick(4));
			if (pick(4) > 0)
				buf_printf(&b, "%u\n", pick(4));
		}
		fa = form_text("owned", buf_str(&a));
		fb = form_text("owned", buf_str(&b));
		d = file_difference(fa, fb, 100000);
		/* Lines taken away and context, of which nothing is left out
		 * here that matters: each stands in the old text in order. */
		buf_reset(&want);
		buf_reset(&got);
		for (p = d; (line = strsep(&p, "\n")) != NULL;)
			if (line[0] == '-' || line[0] == ' ')
				buf_printf(&got, "%s\n", line + 1);
			else if (line[0] == '+')
				buf_printf(&want, "%s\n", line + 1);
		if (strcmp(buf_str(&a), buf_str(&b)) == 0)
			assert_int_equal(got.len + want.len, 0);
		else
			assert_true(got.len + want.len > 0);
		for (k = 0, line = a.data, p = got.data;
		    p != NULL && *p != '\0'; k++) {
			/* each line of got in a, in order */
			while (line != NULL && *line != '\0' && *line != *p)
				line += 2;
			assert_true(line != NULL && *line == *p);
			line += 2;
			p += 2;
		}
		free(d);
		json_free(fa);
		json_free(fb);
	}
	buf_release(&a);
	buf_release(&b);
	buf_release(&want);
	buf_release(&got);
}

/* What somebody made of it: texts, and of trees what we write as well. */
static void
test_found(void **state)
{
	static const char tree[] = "{\"model\":\"m\",\"on\":true,\"n\":1,"
	    "\"names\":[\"a\"],\"key\":{\"$secret\":\"x/key\",\"id\":\"1\"},"
	    "\"in\":{\"every\":\"1h\",\"token\":{\"$secret\":\"y\"}}}";
	static const struct { const char *form, *there, *found; } t[] = {
		{ "{\"text\":\"ours\"}", "theirs", "{\"text\":\"theirs\"}" },
		{ "{\"text\":[\"a\",\"b\"]}", "", "{\"text\":\"\"}" },
		{ "{\"text\":[\"a\",{\"$secret\":\"x/key\"}]}", "s3cret",
		    NULL },
		{ "{\"text\":\"ours\"}", "\xff", NULL },
		{ tree, "{\"model\":\"n\",\"on\":false,\"n\":2,\"names\":[],"
		    "\"key\":\"s3cret\",\"in\":{\"every\":\"2h\",\"token\":"
		    "\"s3cret\",\"more\":1},\"other\":\"s3cret\"}",
		    "{\"json\":{\"in\":{\"every\":\"2h\"},\"model\":\"n\","
		    "\"n\":2,\"on\":false}}" },
		{ tree, "{\"model\":{\"a\":1},\"in\":\"x\"}",
		    "{\"json\":{}}" },
		{ tree, "no tree", NULL },
		{ tree, "[]", NULL },
	};
	struct json *form, *found;
	char *text;

	for (size_t i = 0; i < NELEM(t); i++) {
		form = t[i].form == tree ? form_json("openclaw", tree) :
		    json_must(t[i].form);
		found = file_found(form, t[i].there, strlen(t[i].there));
		text = found != NULL ? json_canonical(found) : NULL;
		if (!str_equal(text, t[i].found))
			fail_msg("row %zu: %s", i, text);
		free(text);
		json_free(found);
		json_free(form);
	}
}

static void
test_section(void **state)
{
	static const struct { const char *text, *inside; } t[] = {
		{ OURS, NULL }, { OURS OLD_SP, "old spec\n" },
		{ "x\n" OLD_SP "y\n" OLD_TE, "old spec\n" },
		{ SPEC_START "\n" SPEC_END "\n", "" },
		{ SPEC_START "\nopen\n", NULL }, { "", NULL },
		/* Of two the first is ours. */
		{ OLD_SP SPEC_START "\nother\n" SPEC_END "\n", "old spec\n" },
		{ "say `" SPEC_START "`\n", NULL },
	};

	for (size_t i = 0; i < NELEM(t); i++) {
		char *inside = file_section(t[i].text, SPEC_START);

		if (!str_equal(inside, t[i].inside))
			fail_msg("row %zu: %s", i, inside);
		free(inside);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_markers),
		cmocka_unit_test(test_nul),
		cmocka_unit_test(test_any_text),
		cmocka_unit_test(test_theirs_stays),
		cmocka_unit_test(test_bad_markers),
		cmocka_unit_test(test_large),
		cmocka_unit_test(test_many_members),
		cmocka_unit_test(test_merge),
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_copaw_is_left_alone),
		cmocka_unit_test(test_nonsense),
		cmocka_unit_test(test_source),
		cmocka_unit_test(test_found),
		cmocka_unit_test(test_section),
		cmocka_unit_test(test_difference),
		cmocka_unit_test(test_difference_is_true),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
