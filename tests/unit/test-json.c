/* Tests of JSON: what is refused and where, getters, building, writing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hiclaw/json.h"

static void
test_good(void **state)
{
	static const struct {
		const char	*text, *canonical;
	} rows[] = {
		{ "null", "null" },
		{ " true ", "true" },
		{ "\t\r\n[ ]\n", "[]" },
		{ "{ }", "{}" },
		{ "0", "0" }, { "-0", "0" }, { "-12", "-12" },
		{ "1.0", "1" }, { "1e3", "1000" }, { "1E-1", "0.1" },
		{ "0.1", "0.1" }, { "1.5", "1.5" }, { "1e+21", "1e+21" },
		{ "3.141592653589793", "3.141592653589793" },
		{ "9007199254740991", "9007199254740991" },
		{ "-9007199254740992", "-9007199254740992" },
		{ "[1,[2,[]],{}]", "[1,[2,[]],{}]" },
		{ "{\"b\":1,\"a\":{\"d\":2,\"c\":[3]}}",
		    "{\"a\":{\"c\":[3],\"d\":2},\"b\":1}" },
		{ "{\"\":0,\"A\":1,\"a\":2}", "{\"\":0,\"A\":1,\"a\":2}" },
		{ "\"\\u00fc\\ud83d\\ude00\\/\"",
		    "\"\xc3\xbc\xf0\x9f\x98\x80/\"" },
		{ "\"\\u0001\\b\\f\\n\\r\\t\\\"\\\\\\u007f\"",
		    "\"\\u0001\\b\\f\\n\\r\\t\\\"\\\\\x7f\"" },
		/* U+FF61 sorts before U+10000, as in UTF-8, not in UTF-16 */
		{ "{\"\xf0\x90\x80\x80\":1,\"\xef\xbd\xa1\":2}",
		    "{\"\xef\xbd\xa1\":2,\"\xf0\x90\x80\x80\":1}" },
	};
	struct json	*j, *again;
	struct err	 e;
	char		*s;
	size_t		 i;

	(void)state;
	for (i = 0; i < NELEM(rows); i++) {
		j = json_parse(rows[i].text, strlen(rows[i].text), &e);
		if (j == NULL)
			fail_msg("%s: %s", rows[i].text, e.msg);
		s = json_canonical(j);
		assert_string_equal(s, rows[i].canonical);
		again = json_must(s);
		assert_true(json_equal(j, again));
		json_free(again);
		free(s);
		s = json_pretty(j);
		again = json_must(s);
		assert_true(json_equal(j, again));
		json_free(again);
		free(s);
		json_free(j);
	}
}

static void
test_bad(void **state)
{
	static const struct {
		const char	*text, *msg;
	} rows[] = {
		{ "", "line 1 column 1: the text ends too early" },
		{ "  ", "line 1 column 3: the text ends too early" },
		{ "nul", "line 1 column 1: a value is expected" },
		{ "True", "line 1 column 1: a value is expected" },
		{ "+1", "line 1 column 1: a value is expected" },
		{ "01", "line 1 column 2: text after the value" },
		{ "1.", "line 1 column 3: a digit is expected" },
		{ ".5", "line 1 column 1: a value is expected" },
		{ "-", "line 1 column 2: a digit is expected" },
		{ "1e", "line 1 column 3: a digit is expected" },
		{ "NaN", "line 1 column 1: a value is expected" },
		{ "[1e999]", "line 1 column 2: the number is too big" },
		{ "[1111111111111111111111111111111111111111111111111111111"
		    "111111111]", "line 1 column 2: the number is too long" },
		{ "{} {}", "line 1 column 4: text after the value" },
		{ "[1,]", "line 1 column 4: a value is expected" },
		{ "[1 2]", "line 1 column 4: ',' or ']' is expected" },
		{ "[1", "line 1 column 3: ',' or ']' is expected" },
		{ "{\"a\":1,}", "line 1 column 8: a key in quotes is expected" },
		{ "{a:1}", "line 1 column 2: a key in quotes is expected" },
		{ "{\"a\" 1}", "line 1 column 6: ':' is expected" },
		{ "{\"a\":1]", "line 1 column 7: ',' or '}' is expected" },
		{ "{\n  \"\xc3\xbc\": x\n}", "line 2 column 8: a value is expected" },
		{ "\"abc", "line 1 column 1: the string has no end" },
		{ "\"a\nb\"", "line 1 column 3: a control character in a string" },
		{ "\"\\x\"", "line 1 column 3: no such escape" },
		{ "\"a\\u0000\"", "line 1 column 3: \\u0000 is not allowed" },
		{ "\"\\u12g4\"",
		    "line 1 column 2: the \\u escape is not a character" },
		{ "\"\\ud800\"",
		    "line 1 column 2: the \\u escape is not a character" },
		{ "\"\\udc00\"",
		    "line 1 column 2: the \\u escape is not a character" },
		{ "\"\\ud800\\u0041\"",
		    "line 1 column 2: the \\u escape is not a character" },
		{ "\"\\ud800\\u0000\"",
		    "line 1 column 2: the \\u escape is not a character" },
		{ "[\"\xff\"]", "line 1 column 3: not UTF-8" },
		{ "\xef\xbb\xbf{}", "line 1 column 1: a value is expected" },
		{ "{\"a\":1,\"b\":2,\n\"a\":3}",
		    "line 2 column 1: duplicate key \"a\"" },
		{ "{\"x\":{\"k\":1},\"y\":[{\"k\":1, \"\\u006b\":2}]}",
		    "line 1 column 27: duplicate key \"k\"" },
	};
	struct err	e;
	size_t		i;

	(void)state;
	for (i = 0; i < NELEM(rows); i++) {
		memset(&e, 0, sizeof(e));
		if (json_parse(rows[i].text, strlen(rows[i].text), &e) != NULL)
			fail_msg("accepted: %s", rows[i].text);
		assert_string_equal(e.msg, rows[i].msg);
		assert_int_equal(e.kind, ERR_USER);
	}
	assert_null(json_parse("[1,\0]", 5, &e));
	assert_string_equal(e.msg, "line 1 column 4: a NUL byte");
	assert_null(json_parse(NULL, 0, &e));
}

/* The text is not terminated: nothing may be read behind it. */
static void
test_length(void **state)
{
	static const char	text[] = "{\"a\":[1,true,\"x\\u0041\"]}";
	struct json		*j;
	struct err		 e;
	char			*p;
	size_t			 n;

	(void)state;
	for (n = 0; n < sizeof(text); n++) {
		p = xmalloc(n);
		memcpy(p, text, n);
		j = json_parse(p, n, &e);
		assert_int_equal(j != NULL, n == sizeof(text) - 1);
		json_free(j);
		free(p);
	}
}

static void
test_depth(void **state)
{
	char		 text[140];
	struct json	*j;
	struct err	 e;
	int		 depth;

	(void)state;
	for (depth = 64; depth <= 65; depth++) {
		memset(text, '[', (size_t)depth);
		memset(text + depth, ']', (size_t)depth);
		j = json_parse(text, (size_t)depth * 2, &e);
		assert_int_equal(j != NULL, depth <= 64);
		json_free(j);
	}
	assert_string_equal(e.msg, "line 1 column 65: nested too deep");
}

static void
test_getters(void **state)
{
	struct json	*j = json_must("{\"s\":\"x\",\"n\":7,\"f\":1.5,"
			    "\"b\":true,\"z\":null,\"big\":1e300,"
			    "\"o\":{\"p\":{\"q\":\"deep\"}},\"a\":[1,2,3],"
			    "\"S\":\"capital\"}"), *v;
	int64_t		 sum = 0;

	(void)state;
	assert_string_equal(json_str(j, "s"), "x");
	assert_string_equal(json_str(j, "S"), "capital");
	assert_null(json_str(j, "n"));
	assert_null(json_str(j, "none"));
	assert_null(json_str(NULL, "s"));
	assert_string_equal(json_strd(j, "z", "dflt"), "dflt");
	assert_int_equal(json_int(j, "n", 1), 7);
	assert_int_equal(json_int(j, "f", 1), 1);
	assert_int_equal(json_int(j, "big", 1), 1);
	assert_int_equal(json_int(j, "s", 1), 1);
	assert_true(json_value_num(json_get(j, "f"), 0) == 1.5);
	assert_true(json_bool(j, "b", false));
	assert_true(json_bool(j, "n", true));
	assert_string_equal(json_value_str(json_path(j, "o.p.q")), "deep");
	assert_null(json_path(j, "o.x.q"));
	assert_null(json_path(j, "s.x"));
	assert_int_equal(json_type(json_get(j, "z")), JSON_NULL);
	assert_int_equal(json_type(NULL), JSON_NULL);
	assert_true(json_is(json_get(j, "a"), JSON_ARRAY));
	assert_false(json_is(NULL, JSON_NULL));
	assert_int_equal(json_size(json_get(j, "a")), 3);
	assert_int_equal(json_size(NULL), 0);
	for (v = json_first(json_get(j, "a")); v != NULL; v = json_next(v))
		sum += json_value_int(v, 100);
	assert_int_equal(sum, 6);
	assert_null(json_first(json_get(j, "none")));
	assert_string_equal(json_key(json_first(j)), "s");
	json_free(j);
	json_free(NULL);
}

static void
test_building(void **state)
{
	struct json	*j = json_object(), *a, *copy;
	char		*s;

	(void)state;
	json_set_str(j, "name", "dev");
	json_set_str(j, "nothing", NULL);
	json_set_strf(j, "room", "!%d:%s", 5, "x");
	json_set_int(j, "n", -3);
	json_set_bool(j, "b", false);
	assert_null(json_set(j, "v", NULL));
	a = json_set(j, "list", json_array());
	json_push_str(a, "one");
	json_push_str(a, NULL);
	json_push(a, json_stringf("%s", "two"));
	json_push(a, json_null());
	json_set_int(json_obj(json_obj(j, "deep"), "er"), "x", 1);
	json_set_int(json_obj(json_obj(j, "deep"), "er"), "y", 2);
	json_set_str(j, "name", "qa");		/* first */
	json_set_bool(json_get(json_get(j, "deep"), "er"), "y", true); /* last */
	json_set_int(json_get(j, "deep"), "er", 9);	/* only */
	json_set_int(json_obj(j, "b"), "z", 1);		/* not an object yet */
	json_remove(j, "n");
	json_remove(j, "n");
	json_set_int(j, "end", 1);
	s = json_canonical(j);
	assert_string_equal(s, "{\"b\":{\"z\":1},\"deep\":{\"er\":9},\"end\":1,"
	    "\"list\":[\"one\",\"two\",null],\"name\":\"qa\","
	    "\"room\":\"!5:x\"}");
	free(s);
	copy = json_copy(j);
	assert_true(json_equal(j, copy));
	json_set(copy, "own", json_copy(json_get(j, "list")));
	assert_false(json_equal(j, copy));
	assert_int_equal(json_size(json_get(copy, "own")), 3);
	json_free(copy);
	json_free(j);
	assert_null(json_copy(NULL));
	s = json_canonical(NULL);
	assert_string_equal(s, "null");
	free(s);
}

static void
test_pretty(void **state)
{
	struct json	*j = json_must("{\"b\":[1,{}],\"a\":{\"c\":[]}}");
	char		*s = json_pretty(j);

	(void)state;
	assert_string_equal(s, "{\n  \"b\": [\n    1,\n    {}\n  ],\n"
	    "  \"a\": {\n    \"c\": []\n  }\n}");
	free(s);
	json_free(j);
}

static void
test_equal(void **state)
{
	static const struct {
		const char	*a, *b;
		bool		 same;
	} rows[] = {
		{ "{\"a\":1,\"b\":[2]}", "{\"b\":[2],\"a\":1.0}", true },
		{ "[1,2]", "[2,1]", false },
		{ "[1,2]", "[1]", false },
		{ "{\"a\":1}", "{\"A\":1}", false },
		{ "{\"a\":1}", "{\"a\":1,\"b\":1}", false },
		{ "true", "false", false },
		{ "\"1\"", "1", false },
		{ "null", "false", false },
		{ "[]", "{}", false },
	};
	struct json	*a, *b;
	size_t		 i;

	(void)state;
	for (i = 0; i < NELEM(rows); i++) {
		a = json_must(rows[i].a);
		b = json_must(rows[i].b);
		assert_int_equal(json_equal(a, b), rows[i].same);
		assert_int_equal(json_equal(b, a), rows[i].same);
		json_free(a);
		json_free(b);
	}
	assert_true(json_equal(NULL, NULL));
}

/* Many keys: with a duplicate at the very end, and none. */
static void
test_many_keys(void **state)
{
	struct buf	 b = { 0 };
	struct json	*j;
	struct err	 e;
	int		 i;

	(void)state;
	buf_putc(&b, '{');
	for (i = 0; i < 200000; i++)
		buf_printf(&b, "\"k%d\":%d,", i, i);
	buf_puts(&b, "\"last\":0}");
	j = json_parse(b.data, b.len, &e);
	assert_non_null(j);
	assert_int_equal(json_int(j, "k199999", 0), 199999);
	json_free(j);
	b.len -= strlen("\"last\":0}");
	buf_puts(&b, "\n\n \"k7\":0}");
	assert_null(json_parse(b.data, b.len, &e));
	assert_string_equal(e.msg, "line 3 column 2: duplicate key \"k7\"");
	buf_release(&b);
}

static void
test_relayed(void **state)
{
	static const struct { const char *text, *want; } rows[] = {
		{ "{\"a\":\"x\\u0000y\"}", "{\"a\":\"x\xef\xbf\xbdy\"}" },
		{ "[\"\\ud800\"]", "[\"\xef\xbf\xbd\"]" },
		{ "[\"\\udc00\\u0041\"]", "[\"\xef\xbf\xbd" "A\"]" },
		{ "[\"\\ud83d\\ude00\\u0000\"]",
		    "[\"\xf0\x9f\x98\x80\xef\xbf\xbd\"]" },
		{ "[1e999,2]", "[0,2]" },
		{ "[\"a\\\\\\u0000\\\"]\"]",
		    "[\"a\\\\\xef\xbf\xbd\\\"]\"]" },
	};
	struct buf deep = { 0 };
	struct json *v;
	struct err err;
	char *text;

	(void)state;
	for (size_t i = 0; i < NELEM(rows); i++) {
		v = json_parse_relayed(rows[i].text, strlen(rows[i].text),
		    &err);
		assert_non_null(v);
		text = json_canonical(v);
		assert_string_equal(text, rows[i].want);
		free(text);
		json_free(v);
	}
	buf_puts(&deep, "{\"event_id\":\"$e\",\"x\":");
	for (int i = 0; i < 5000; i++)
		buf_puts(&deep, "[{\"k]\\\"\":");
	buf_puts(&deep, "1");
	for (int i = 0; i < 5000; i++)
		buf_puts(&deep, "}]");
	buf_puts(&deep, "}");
	v = json_parse_relayed(deep.data, deep.len, &err);
	assert_non_null(v);
	assert_string_equal(json_str(v, "event_id"), "$e");
	json_free(v);
	buf_release(&deep);
	assert_null(json_parse_relayed("{\"a\":", 5, &err));
	assert_null(json_parse_relayed("[\"\\u00", 6, &err));
	assert_null(json_parse_relayed("\"\\", 2, &err));
}

int
main(void)
{
	const struct CMUnitTest	tests[] = {
		cmocka_unit_test(test_relayed),
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_length),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_getters),
		cmocka_unit_test(test_building),
		cmocka_unit_test(test_pretty),
		cmocka_unit_test(test_equal),
		cmocka_unit_test(test_many_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
