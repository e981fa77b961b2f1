/*
 * The four kinds: tables, decoding, sets, YAML round trips, differences,
 * explain, exports and the checks across resources.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hiclaw/api.h"

#define HEAD(kind, name) \
	"apiVersion: hiclaw.io/v1beta1\nkind: " kind "\n" \
	"metadata: {name: " name "}\n"
#define WORKER(name, more) \
	HEAD("Worker", name) "spec:\n  model: m\n" more
#define TEAM(name, more) \
	HEAD("Team", name) "spec:\n  leader: {name: " name "-lead}\n" more
#define HUMAN(name, level, more) \
	HEAD("Human", name) "spec:\n  displayName: H\n  permissionLevel: " \
	level "\n" more
#define MANAGER(name, more) \
	HEAD("Manager", name) "spec:\n  model: m\n" more

/* What a manifest became. */
struct got {
	int		  rc;
	struct resource	**v;
	struct place	 *places;
	size_t		  n;
	struct problems	  problems;
	char		 *text;		/* of the problems */
};

static struct got
decode(const char *text)
{
	struct got	g = { 0 };

	g.rc = manifest_decode_places(text, strlen(text), &g.v, &g.places,
	    &g.n, &g.problems);
	g.text = problems_text(&g.problems);
	return g;
}

static void
got_release(struct got *g)
{
	size_t	i;

	for (i = 0; i < g->n; i++)
		resource_unref(g->v[i]);
	free(g->v);
	free(g->places);
	problems_release(&g->problems);
	free(g->text);
}

static struct got
must_decode(const char *text)
{
	struct got	g = decode(text);

	if (g.rc != 0)
		fail_msg("%s\n--- of ---\n%s", g.text, text);
	return g;
}

static void
assert_contains(const char *text, const char *part)
{
	if (strstr(text, part) == NULL)
		fail_msg("\"%s\" is not in:\n%s", part, text);
}

/* --- tables -------------------------------------------------------------- */

static void
check_rows(const struct field *rows, bool is_spec)
{
	const struct field	*f, *g;

	for (f = rows; f->name != NULL; f++) {
		assert_non_null(f->help);
		assert_true(strlen(f->help) > 0);
		assert_true(f->help[strlen(f->help) - 1] == '.');
		if (is_spec && f->example == NULL)
			fail_msg("%s has no example", f->name);
		for (g = rows; g != f; g++)
			assert_string_not_equal(f->name, g->name);
		if (f->type == FIELD_OBJECT ||
		    (f->type == FIELD_LIST && f->item == FIELD_OBJECT)) {
			assert_non_null(f->fields);
			check_rows(f->fields, is_spec);
		} else {
			assert_null(f->fields);
		}
	}
	assert_true(f - rows < 64);	/* the decoder keeps a bit for each */
}

static void
tables_are_complete(void **state)
{
	const struct kind	*k;

	assert_int_equal(kinds_n, 4);
	for (k = kinds; k->name != NULL; k++) {
		check_rows(k->spec, true);
		check_rows(k->status, false);
	}
}

/* A whole document with the spec in flow style. */
static char *
document(const struct kind *k, const char *spec)
{
	return xasprintf("apiVersion: hiclaw.io/v1beta1\nkind: %s\n"
	    "metadata: {name: thing}\nspec: %s\n", k->name, spec);
}

/* "{name: x, url: y}": what is required, and one row with a value. */
static void
put_object(struct buf *b, const struct field *rows, const struct field *row,
    const char *value)
{
	const struct field	*f;
	bool			 first = true;

	buf_putc(b, '{');
	for (f = rows; f->name != NULL; f++) {
		if (!f->required && f != row)
			continue;
		buf_printf(b, "%s%s: %s", first ? "" : ", ", f->name,
		    f == row ? value : f->example);
		first = false;
	}
	buf_putc(b, '}');
}

/* Rules between rows want more than a row of its own can give. */
static bool
needs_company(const struct field *f, const char *value)
{
	return strcmp(f->name, "service") == 0 &&
	    strcmp(value, "ai-gateway") != 0;
}

/*
 * Wraps a value level by level: up[] are the rows from the top one to the one
 * in hand, tables[] the tables they stand in.
 */
static void
try_value(const struct kind *k, const struct field *const *up,
    const struct field *const *tables, int depth, const char *value)
{
	struct buf	b;
	char		*inner = xstrdup(value), *text;
	struct got	 g;
	int		 i;

	for (i = depth; i >= 0; i--) {
		buf_init(&b, 0);
		if (i < depth && up[i]->type == FIELD_LIST) {
			text = xasprintf("[%s]", inner);
			free(inner);
			inner = text;
		}
		put_object(&b, tables[i], up[i], inner);
		free(inner);
		inner = buf_take(&b);
	}
	text = document(k, inner);
	g = must_decode(text);
	assert_int_equal(g.n, 1);
	got_release(&g);
	free(text);
	free(inner);
}

static void
try_rows(const struct kind *k, const struct field *rows,
    const struct field **up, const struct field **tables, int depth)
{
	const struct field	*f;
	size_t			 i;

	for (f = rows; f->name != NULL; f++) {
		up[depth] = f;
		tables[depth] = rows;
		if (!needs_company(f, f->example))
			try_value(k, up, tables, depth, f->example);
		if (f->dflt != NULL)
			try_value(k, up, tables, depth, f->dflt);
		for (i = 0; f->type == FIELD_STRING && f->values != NULL &&
		    f->values[i] != NULL; i++)
			if (!needs_company(f, f->values[i]))
				try_value(k, up, tables, depth, f->values[i]);
		if (f->fields != NULL && strcmp(f->name, "accessEntries") != 0)
			try_rows(k, f->fields, up, tables, depth + 1);
	}
}

/* What explain shows must be right: every example and default decodes. */
static void
examples_decode(void **state)
{
	const struct field	*up[8], *tables[8];
	const struct kind	*k;

	for (k = kinds; k->name != NULL; k++)
		try_rows(k, k->spec, up, tables, 0);
}

static void
kinds_are_found(void **state)
{
	static const struct { const char *word, *kind; } t[] = {
		{ "Worker", "Worker" }, { "worker", "Worker" },
		{ "workers", "Worker" }, { "wk", "Worker" },
		{ "WORKERS", "Worker" }, { "tm", "Team" },
		{ "Teams", "Team" }, { "hm", "Human" }, { "human", "Human" },
		{ "mgr", "Manager" }, { "managers", "Manager" },
		{ "", NULL }, { "work", NULL }, { "workerss", NULL },
	};
	const struct kind	*k;
	size_t			 i;

	for (i = 0; i < NELEM(t); i++) {
		k = kind_find(t[i].word);
		if (t[i].kind == NULL)
			assert_null(k);
		else
			assert_string_equal(k->name, t[i].kind);
	}
	assert_null(kind_find(NULL));
	assert_ptr_equal(kind_find(str_nearest("wroker", kind_words())),
	    &kinds[0]);
}

static void
defaults_come_from_the_table(void **state)
{
	const struct kind	*team = kind_find("team");
	const struct kind	*manager = kind_find("manager");
	struct json		*v = json_must("{\"leader\":{\"state\":"
				    "\"Stopped\"},\"peerMentions\":false}");

	assert_string_equal(spec_str(team, v, "leader.state"), "Stopped");
	assert_string_equal(spec_str(team, NULL, "leader.state"), "Running");
	assert_string_equal(spec_str(team, v, "peerMentions"), "false");
	assert_string_equal(spec_str(team, NULL, "peerMentions"), "true");
	assert_null(spec_str(team, v, "leader.model"));
	assert_null(spec_str(team, v, "no.such"));
	assert_string_equal(spec_str(manager, v, "config.heartbeatInterval"),
	    "15m");
	json_free(v);
}

/* --- decoding ------------------------------------------------------------ */

/* How a plain or quoted scalar is read, seen through a free object. */
static void
scalars_follow_the_core_schema(void **state)
{
	static const struct { const char *yaml, *json; } t[] = {
		{ "true", "true" }, { "True", "true" }, { "FALSE", "false" },
		{ "yes", "\"yes\"" }, { "on", "\"on\"" }, { "n", "\"n\"" },
		{ "tRUE", "\"tRUE\"" },
		{ "~", "null" }, { "null", "null" }, { "NULL", "null" },
		{ "", "null" }, { "nULL", "\"nULL\"" },
		{ "0", "0" }, { "-12", "-12" }, { "+7", "7" },
		{ "010", "10" }, { "0o17", "15" }, { "0xfF", "255" },
		{ "0b1", "\"0b1\"" }, { "1_000", "\"1_000\"" },
		{ "0o8", "\"0o8\"" }, { "-0x1", "\"-0x1\"" },
		{ "1.5", "1.5" }, { ".5", "0.5" }, { "1.", "1" },
		{ "1e3", "1000" }, { "-1.5E-1", "-0.15" },
		{ "1e", "\"1e\"" }, { ".", "\".\"" }, { "-", "[null]" },
		{ "12:30", "\"12:30\"" }, { "1.2.3", "\"1.2.3\"" },
		{ "2024-01-01", "\"2024-01-01\"" },
		{ "\"1\"", "\"1\"" }, { "'true'", "\"true\"" },
		{ "!!str 1", "\"1\"" }, { "! 1", "\"1\"" },
		{ "!!int \"5\"", "5" }, { "!!float 5", "5" },
		{ "'it''s'", "\"it's\"" }, { "\"\\u00e9\"", "\"\303\251\"" },
		{ "[1, [a, {b: ~}]]", "[1,[\"a\",{\"b\":null}]]" },
		{ "|\n        a\n        b\n", "\"a\\nb\\n\"" },
		{ ">-\n        a\n        b\n", "\"a b\"" },
	};
	struct json	*v;
	struct got	 g;
	char		*text, *json;
	size_t		 i;

	for (i = 0; i < NELEM(t); i++) {
		text = xasprintf(WORKER("a", "  accessEntries:\n"
		    "  - service: ai-gateway\n    scope:\n      v: %s%s\n"),
		    strcmp(t[i].yaml, "-") == 0 ? "\n      " : "", t[i].yaml);
		g = must_decode(text);
		v = json_get(json_get(json_first(json_get(g.v[0]->spec,
		    "accessEntries")), "scope"), "v");
		json = json_canonical(v);
		assert_string_equal(json, t[i].json);
		free(json);
		free(text);
		got_release(&g);
	}
}

static void
documents_are_all_or_nothing(void **state)
{
	struct got	g;

	g = decode(WORKER("a", "") "---\n" WORKER("b", "  modle: x\n")
	    "---\n" WORKER("c", ""));
	assert_int_equal(g.rc, -1);
	assert_int_equal(g.n, 0);
	assert_null(g.v);
	assert_int_equal(g.problems.errors, 1);
	assert_int_equal(g.problems.v[0].doc, 2);
	assert_int_equal(g.problems.v[0].line, 12);
	assert_int_equal(g.problems.v[0].column, 3);
	assert_string_equal(g.problems.v[0].path, "spec.modle");
	got_release(&g);
}

static void
resources_are_appended(void **state)
{
	static const char	*texts[] = { WORKER("a", ""), WORKER("b", "") };
	struct got		 g = { 0 };
	size_t			 i;

	for (i = 0; i < NELEM(texts); i++)
		assert_int_equal(manifest_decode_places(texts[i],
		    strlen(texts[i]), &g.v, &g.places, &g.n, &g.problems), 0);
	assert_int_equal(g.n, 2);
	assert_string_equal(g.v[0]->name, "a");
	assert_string_equal(g.v[1]->name, "b");
	assert_int_equal(g.places[1].line, 1);
	got_release(&g);
}

static void
places_are_where_documents_begin(void **state)
{
	struct got	g;

	g = must_decode("# intro\n---\n\n" WORKER("a", "") "---\n---\n# x\n"
	    WORKER("b", ""));
	assert_int_equal(g.n, 2);
	assert_int_equal(g.places[0].doc, 1);
	assert_int_equal(g.places[0].line, 4);
	assert_int_equal(g.places[0].column, 1);
	assert_int_equal(g.places[1].doc, 3);
	assert_int_equal(g.places[1].line, 12);
	got_release(&g);
}

static void
null_counts_as_absent(void **state)
{
	struct got	g;

	g = must_decode(WORKER("a", "  soul:\n  skills: ~\n  env: null\n"));
	assert_int_equal(json_size(g.v[0]->spec), 1);
	assert_int_equal(g.problems.n, 0);
	got_release(&g);
}

static void
aliases_are_written_out(void **state)
{
	struct got		 g;
	const struct json	*w;
	char			*text;

	g = must_decode(TEAM("t",
	    "  workers:\n"
	    "  - name: a\n    soul: &s same\n"
	    "    channelPolicy: &p {groupAllowExtra: [x]}\n"
	    "  - name: b\n    soul: *s\n    channelPolicy: *p\n"));
	w = json_next(json_first(json_get(g.v[0]->spec, "workers")));
	text = json_canonical(w);
	assert_string_equal(text, "{\"channelPolicy\":{\"groupAllowExtra\":"
	    "[\"x\"]},\"name\":\"b\",\"soul\":\"same\"}");
	free(text);
	got_release(&g);
}

static void
warnings_are_few(void **state)
{
	static const struct { const char *text; size_t n; const char *part; }
	t[] = {
		{ WORKER("a", "  soul: x\n  runtime: copaw\n"
		    "  labels: {a: b}\n"), 0, NULL },
		{ WORKER("a", "  state: Running\n  containerManaged: true\n"),
		    0, NULL },
		{ WORKER("a", "  expose: [{port: 1}]\n"), 0, NULL },
		{ WORKER("a", "  image: x\n  env: {A: b}\n"), 0, NULL },
		{ WORKER("a", "status: {phase: Running}\n"), 1,
		    "ignored: status (set by the system)" },
		{ "apiVersion: hiclaw.io/v1beta1\nkind: Worker\n"
		    "metadata: {name: a, namespace: default}\n"
		    "spec: {model: m}\n", 0, NULL },
		{ "apiVersion: hiclaw.io/v1beta1\nkind: Worker\n"
		    "metadata: {name: a, namespace: other, uid: u}\n"
		    "spec: {model: m}\n", 2, "there are no namespaces" },
		{ HUMAN("h", "2", "  email: a@b\n  note: n\n"), 0, NULL },
	};
	struct got	g;
	size_t		i;

	for (i = 0; i < NELEM(t); i++) {
		g = must_decode(t[i].text);
		assert_int_equal(g.problems.errors, 0);
		assert_int_equal(g.problems.n, t[i].n);
		if (t[i].part != NULL)
			assert_contains(g.text, t[i].part);
		assert_null(json_get(g.v[0]->metadata, "namespace"));
		assert_null(json_get(g.v[0]->metadata, "uid"));
		got_release(&g);
	}
}

static void
problems_show_line_and_caret(void **state)
{
	struct got	g;

	g = decode(WORKER("a", "  modle: gpt\n"));
	assert_string_equal(g.text, "line 6, column 3: spec.modle: unknown "
	    "field; did you mean \"model\"?\n  modle: gpt\n  ^");
	got_release(&g);

	/* Far to the right only the neighbourhood is shown. */
	g = decode(HEAD("Worker", "a") "spec: {model: m, soul: \""
	    "0123456789012345678901234567890123456789012345678901234567890123"
	    "4567890123456789\", modle: gpt}\n");
	assert_string_equal(g.text, "line 4, column 108: spec.modle: unknown "
	    "field; did you mean \"model\"?\n"
	    "\xe2\x80\xa6" "3456789012345678901234567890123456789\", modle: "
	    "gpt}\n                                         ^");
	got_release(&g);

	/* Multi-byte characters are one column. */
	g = decode(HEAD("Worker", "a")
	    "spec: {model: m, soul: \303\251\303\251, modle: x}\n");
	assert_contains(g.text, "line 4, column 28: ");
	assert_contains(g.text, "\n                           ^");
	got_release(&g);
}

static void
problems_are_capped(void **state)
{
	struct problems	ps = { 0 };
	struct problem	warning = { .what = (char *)"w", .is_warning = true };
	struct problem	error = { .what = (char *)"e" };
	size_t		i, errors = 0;
	char		*text;

	for (i = 0; i < PROBLEMS_MAX + 5; i++)
		problems_add(&ps, &warning);
	assert_int_equal(ps.n, PROBLEMS_MAX + 1);
	assert_int_equal(ps.errors, 0);
	assert_true(ps.v[PROBLEMS_MAX].is_warning);

	/* Errors push warnings out. */
	for (i = 0; i < 3; i++)
		problems_add(&ps, &error);
	assert_int_equal(ps.n, PROBLEMS_MAX + 1);
	assert_int_equal(ps.errors, 3);
	for (i = 0; i < PROBLEMS_MAX; i++)
		errors += !ps.v[i].is_warning;
	assert_int_equal(errors, 3);
	for (i = 0; i < 1000; i++)
		problems_add(&ps, &error);
	assert_int_equal(ps.n, PROBLEMS_MAX + 1);
	assert_int_equal(ps.errors, 1003);
	assert_false(ps.v[PROBLEMS_MAX].is_warning);
	text = problems_text(&ps);
	assert_contains(text, "more like these");
	free(text);
	problems_release(&ps);
	assert_int_equal(ps.n, 0);
}

static void
manifests_are_recognised(void **state)
{
	static const struct { const char *text; bool looks; } t[] = {
		{ WORKER("a", ""), true },
		{ "# x\n\n---\nkind: Worker\n", true },
		{ "Kind: Worker\nMetadata:\n  name: a\n", true },
		{ "  apiVersion: hiclaw.io/v1beta1\n", true },
		{ "kind: Wroker\n", true },
		{ "{\"kind\": \"Team\"}", true },
		{ "\xef\xbb\xbf{\n \"apiVersion\": 1}", true },
		{ "kind: Frobnicator\nspec: {}\n", true },
		{ "", false },
		{ "hello\n", false },
		{ "kind: regards, Bob\n", false },
		{ "The kind: Worker is nice\n", false },
		{ "mankind: Worker\n", false },
		{ "kindly: Worker\n", false },
		{ "{\"name\": 1}", false },
		{ "get workers\n", false },
	};
	size_t	i;

	for (i = 0; i < NELEM(t); i++)
		if (manifest_looks(t[i].text, strlen(t[i].text)) !=
		    t[i].looks)
			fail_msg("wrong about: %s", t[i].text);
}

/* --- resources ----------------------------------------------------------- */

static void
runtime_names(void **state)
{
	static const struct { const char *text, *name; } t[] = {
		{ WORKER("a", ""), "a" },
		{ WORKER("a", "  workerName: b\n"), "b" },
		{ TEAM("a", "  teamName: c\n"), "c" },
		{ HUMAN("a", "1", "  username: d\n"), "d" },
		{ HUMAN("a", "1", "  matrixUserId: \"@z:x\"\n"), "a" },
		{ MANAGER("a", ""), "a" },
	};
	struct got	g;
	size_t		i;

	for (i = 0; i < NELEM(t); i++) {
		g = must_decode(t[i].text);
		assert_string_equal(resource_runtime_name(g.v[0]), t[i].name);
		got_release(&g);
	}
}

static void
selectors(void **state)
{
	static const struct { const char *selector; int rc; } t[] = {
		{ "", 1 }, { "tier=front", 1 }, { "tier==front", 1 },
		{ "tier=back", 0 }, { "tier!=back", 1 }, { "tier!=front", 0 },
		{ "zone!=a", 1 }, { "tier", 1 }, { "zone", 0 },
		{ "!zone", 1 }, { "!tier", 0 },
		{ "tier=front,env=test", 1 }, { "tier=front,env=prod", 0 },
		{ " tier = front , env ", 1 }, { "empty=", 1 },
		{ "example.org/x=1", 1 }, { "Tier=front", 0 },
		{ "=x", -1 }, { "a b=c", -1 }, { "tier=a b", -1 },
		{ "zone=a,=x", -1 }, { "tier in (a)", -1 },
	};
	struct err	e;
	struct got	g;
	size_t		i;

	g = must_decode("apiVersion: hiclaw.io/v1beta1\nkind: Worker\n"
	    "metadata:\n  name: a\n  labels: {tier: front, env: test, "
	    "example.org/x: \"1\", empty: \"\"}\nspec: {model: m}\n");
	for (i = 0; i < NELEM(t); i++)
		if (resource_matches(g.v[0], t[i].selector, &e) != t[i].rc)
			fail_msg("wrong about: %s", t[i].selector);
	got_release(&g);
}

static struct resource *
make(const char *kind, const char *name)
{
	struct json	*metadata = json_object();

	json_set_str(metadata, "name", name);
	return resource_new(kind_find(kind), metadata, json_object());
}

static void
put(struct resources *rs, const char *kind, const char *name)
{
	struct resource	*r = make(kind, name);

	resources_put(rs, r);
	resource_unref(r);
}

static void
sets_are_ordered(void **state)
{
	static const char *const want[] = {
		"Worker/a", "Worker/b", "Worker/c", "Team/b", "Human/a",
		"Manager/a"
	};
	struct resources	*rs = resources_new(), *copy;
	struct resource		*r;
	char			*name;
	size_t			 i;

	put(rs, "manager", "a");
	put(rs, "worker", "c");
	put(rs, "human", "a");
	put(rs, "worker", "a");
	put(rs, "team", "b");
	put(rs, "worker", "b");
	put(rs, "worker", "b");		/* replaces */
	assert_int_equal(resources_n(rs), NELEM(want));
	for (i = 0; i < NELEM(want); i++) {
		r = resources_at(rs, i);
		name = xasprintf("%s/%s", r->kind->name, r->name);
		assert_string_equal(name, want[i]);
		assert_ptr_equal(resources_find(rs, r->kind, r->name), r);
		free(name);
	}
	assert_null(resources_at(rs, NELEM(want)));
	assert_null(resources_find(rs, kind_find("team"), "a"));

	copy = resources_copy(rs);
	assert_true(resources_remove(copy, kind_find("worker"), "b"));
	assert_false(resources_remove(copy, kind_find("worker"), "b"));
	assert_int_equal(resources_n(copy), NELEM(want) - 1);
	assert_int_equal(resources_n(rs), NELEM(want));
	resources_free(rs);
	assert_string_equal(resources_at(copy, 1)->name, "c");
	resources_free(copy);
	resources_free(NULL);
}

/* --- YAML out ------------------------------------------------------------ */

/* Written as YAML and decoded again it is the same. */
static void
assert_round_trip(const struct resource *r)
{
	struct got	g;
	char		*text = resource_yaml(r);

	g = must_decode(text);
	assert_int_equal(g.n, 1);
	if (!json_equal(g.v[0]->spec, r->spec) ||
	    !json_equal(g.v[0]->metadata, r->metadata))
		fail_msg("came back otherwise:\n%s", text);
	got_release(&g);
	free(text);
}

static void
strings_survive_a_round_trip(void **state)
{
	static const char *const t[] = {
		"", " ", "a", " a", "a ", "a b", "a: b", "a:", "a #b", "a#b",
		"#a", "- a", "-a", "-", "?", "? a", "[a]", "{a}", "&a", "*a",
		"!a", "|", ">", "'a'", "\"a\"", "%a", "@a:b.c", "`a`", "~",
		"null", "Null", "true", "FALSE", "yes", "No", "on", "y", "N",
		"1", "-1", "+1", "1.5", ".5", "1e3", "0x1F", "0o17", "017",
		"0b1", "1_000", "12:30", "2024-01-01", ".inf", ".nan", "=",
		"<<", "---", "...", "a\\b", "\\n", "http://a/b?c=d&e#f",
		"nacos://u:p@h:1/x", "1.2.3", "deadbeef", "1a", "_x", "(x)",
		"a, b", "a]", "key: |", "a\tb", "\ta", "a\t",
		"a\nb", "a\nb\n", "a\nb\n\n", "a\nb\n\n\n", "\na", "\n", "\n\n",
		" a\nb", "  a\n b\n", "a\n  b\n", "a\n\nb", "a\n \nb\n",
		"a\n  ", "a\n\t\n", "\ta\nb", "# a\n---\nb: c\n", "a\n...\n",
		"- a\n- b\n", "a: |\n  b\n", "a \nb \n", "\"a\n", "%a\nb",
		"\303\251", "\344\275\240\345\245\275", "\360\237\230\200",
		"\342\200\234a\342\200\235", "\342\200\224", "a\342\200\250b",
		"a\302\205b", "\302\240a", "a\302\240", "\357\273\277a",
		"a\342\200\256b", "\344\275\240: \345\245\275\n\360\237\230\200",
	};
	struct resource	*r;
	size_t		 i;

	for (i = 0; i < NELEM(t); i++) {
		r = make("worker", "a");
		json_set_str(r->spec, "model", "m");
		json_set_str(r->spec, "soul", t[i]);
		json_set_str(json_obj(r->spec, "env"), "KEY", t[i]);
		json_push_str(json_set(json_push(json_set(json_obj(json_push(
		    json_set(r->spec, "accessEntries", json_array()),
		    json_must("{\"service\":\"ai-gateway\"}")), "scope"), "v",
		    json_array()), json_object()), "w", json_array()), t[i]);
		assert_round_trip(r);
		resource_unref(r);
	}
}

static void
values_survive_a_round_trip(void **state)
{
	static const char *const t[] = {
		"{}", "{\"a\":{}}", "{\"a\":[]}", "{\"a\":[[]]}",
		"{\"a\":[[1,[2]],[{\"b\":[{}]}]]}",
		"{\"a\":[{\"b\":1,\"c\":[{\"d\":null}]},{\"e\":\"x\\ny\"}]}",
		"{\"a\":-0.25,\"b\":1e100,\"c\":9007199254740991}",
		"{\"\":1,\" \":2,\"a: b\":3,\"true\":4,\"1\":5,\"- \":6}",
	};
	struct resource	*r;
	struct json	*entry;
	size_t		 i;

	for (i = 0; i < NELEM(t); i++) {
		r = make("worker", "a");
		json_set_str(r->spec, "model", "m");
		entry = json_push(json_set(r->spec, "accessEntries",
		    json_array()), json_must("{\"service\":\"ai-gateway\"}"));
		json_set(entry, "scope", json_must(t[i]));
		assert_round_trip(r);
		resource_unref(r);
	}
}

static void
yaml_reads_well(void **state)
{
	struct got	 g;
	char		*text;

	g = must_decode("{\"spec\":{\"model\":\"m\",\"soul\":\"# A\\nb: c\\n\","
	    "\"channelPolicy\":{\"groupAllowExtra\":[\"bob\",\"@e:x\"],"
	    "\"dmDenyExtra\":[]},\"mcpServers\":[{\"name\":\"g\",\"url\":"
	    "\"https://h/\"}]},\"kind\":\"Worker\",\"metadata\":{\"name\":"
	    "\"a\"},\"apiVersion\":\"hiclaw.io/v1beta1\"}");
	text = resource_yaml(g.v[0]);
	assert_string_equal(text,
	    "apiVersion: hiclaw.io/v1beta1\n"
	    "kind: Worker\n"
	    "metadata:\n"
	    "  name: a\n"
	    "spec:\n"
	    "  model: m\n"
	    "  soul: |\n"
	    "    # A\n"
	    "    b: c\n"
	    "  channelPolicy:\n"
	    "    groupAllowExtra:\n"
	    "    - bob\n"
	    "    - \"@e:x\"\n"
	    "    dmDenyExtra: []\n"
	    "  mcpServers:\n"
	    "  - name: g\n"
	    "    url: https://h/\n");
	free(text);
	got_release(&g);
}

static void
top_values(void **state)
{
	static const struct { const char *json, *yaml; } t[] = {
		{ "[]", "[]\n" }, { "{}", "{}\n" }, { "1", "1\n" },
		{ "\"a\\nb\"", "\"a\\nb\"\n" }, { "null", "null\n" },
		{ "[1,[2,3],{\"a\":1,\"b\":2}]",
		    "- 1\n-\n  - 2\n  - 3\n- a: 1\n  b: 2\n" },
	};
	struct json	*v;
	char		*text;
	size_t		 i;

	for (i = 0; i < NELEM(t); i++) {
		v = json_must(t[i].json);
		text = json_yaml(v);
		assert_string_equal(text, t[i].yaml);
		free(text);
		json_free(v);
	}
}

/* --- differences --------------------------------------------------------- */

/* "path: from -> to (effect)" a line. */
static char *
diff_text(const char *from, const char *to)
{
	static const char *const effects[] = { "none", "files", "restart",
	    "recreate", "permission", "rooms" };
	struct field_changes	 changes = { 0 };
	struct got		 a = { 0 }, b = { 0 };
	struct buf		 out;
	size_t			 i;

	buf_init(&out, 0);
	if (from != NULL)
		a = must_decode(from);
	if (to != NULL)
		b = must_decode(to);
	resource_diff(from == NULL ? NULL : a.v[0], to == NULL ? NULL :
	    b.v[0], &changes);
	for (i = 0; i < changes.n; i++)
		buf_printf(&out, "%s: %s -> %s (%s)\n", changes.v[i].path,
		    changes.v[i].from == NULL ? "-" : changes.v[i].from,
		    changes.v[i].to == NULL ? "-" : changes.v[i].to,
		    effects[changes.v[i].effect]);
	field_changes_release(&changes);
	got_release(&a);
	got_release(&b);
	return buf_take(&out);
}

static void
differences(void **state)
{
	static const struct { const char *from, *to, *want; } t[] = {
		{ WORKER("a", ""), WORKER("a", ""), "" },
		{ WORKER("a", ""), WORKER("a", "  runtime: copaw\n"),
		    "spec.runtime: - -> copaw (recreate)\n" },
		{ WORKER("a", "  soul: x\n"), WORKER("a", "  soul: y\n"),
		    "spec.soul: x -> y (files)\n" },
		{ WORKER("a", "  soul: x\n"), WORKER("a", ""),
		    "spec.soul: x -> - (files)\n" },
		{ WORKER("a", "  soul: \"a\\nb\\nc\"\n"),
		    WORKER("a", "  soul: \"a\\nB\\nc\"\n"),
		    "spec.soul: line 2: b -> line 2: B (files)\n" },
		{ WORKER("a", "  soul: \"a\\nb\\nc\\n\"\n"), WORKER("a", ""),
		    "spec.soul: a \xe2\x80\xa6 (3 lines) -> - (files)\n" },
		{ WORKER("a", "  skills: [a, b]\n"),
		    WORKER("a", "  skills: [c, b]\n"),
		    "spec.skills[a]: a -> - (files)\n"
		    "spec.skills[c]: - -> c (files)\n" },
		{ WORKER("a", "  env: {A: x, B: y}\n"),
		    WORKER("a", "  env: {B: z, C: w}\n"),
		    "spec.env.A: x -> - (recreate)\n"
		    "spec.env.B: y -> z (recreate)\n"
		    "spec.env.C: - -> w (recreate)\n" },
		{ WORKER("a", "  expose: [{port: 1}]\n"),
		    WORKER("a", "  expose: [{port: 2}]\n"),
		    "spec.expose[0].port: 1 -> 2 (none)\n" },
		{ TEAM("t", "  workers: [{name: a, model: x}, {name: b}]\n"),
		    TEAM("t", "  workers: [{name: b}, {name: a, model: y}]\n"),
		    "spec.workers[a].model: x -> y (files)\n" },
		{ TEAM("t", "  workers: [{name: a}]\n"),
		    TEAM("t", "  workers: [{name: b}]\n"),
		    "spec.workers[a]: {\"name\":\"a\"} -> - (rooms)\n"
		    "spec.workers[b]: - -> {\"name\":\"b\"} (rooms)\n" },
		{ TEAM("t", ""), TEAM("t", "  admin: {name: z}\n"),
		    "spec.admin.name: - -> z (permission)\n" },
		{ TEAM("t", ""), TEAM("t", "  peerMentions: false\n"),
		    "spec.peerMentions: - -> false (permission)\n" },
		{ HUMAN("h", "2", ""), HUMAN("h", "1", ""),
		    "spec.permissionLevel: 2 -> 1 (permission)\n" },
		{ NULL, WORKER("a", "  soul: x\n"),
		    "spec.model: - -> m (files)\nspec.soul: - -> x (files)\n" },
		{ HUMAN("h", "2", ""), NULL,
		    "spec.displayName: H -> - (rooms)\n"
		    "spec.permissionLevel: 2 -> - (permission)\n" },
	};
	char	*got;
	size_t	 i;

	for (i = 0; i < NELEM(t); i++) {
		got = diff_text(t[i].from, t[i].to);
		assert_string_equal(got, t[i].want);
		free(got);
	}
}

static void
differences_of_labels(void **state)
{
	char	*got;

	got = diff_text("apiVersion: hiclaw.io/v1beta1\nkind: Worker\n"
	    "metadata: {name: a, labels: {x: \"1\"}}\nspec: {model: m}\n",
	    "apiVersion: hiclaw.io/v1beta1\nkind: Worker\n"
	    "metadata: {name: a, labels: {x: \"2\"}, annotations: {y: z}}\n"
	    "spec: {model: m}\n");
	assert_string_equal(got, "metadata.labels.x: 1 -> 2 (none)\n"
	    "metadata.annotations.y: - -> z (none)\n");
	free(got);
}

/* --- explain and exports ------------------------------------------------- */

static void
explain_answers(void **state)
{
	static const struct { const char *path, *part; } t[] = {
		{ "worker", "explain worker.spec" },
		{ "wk", "KIND      Worker" },
		{ "Teams", "KIND      Team" },
		{ "worker.spec", "model  string, required" },
		{ "worker.state", "VALUES    Running, Sleeping, Stopped" },
		{ "worker.state", "DEFAULT   Running" },
		{ "worker.spec.workerName", "it cannot change once set" },
		{ "team.spec.leader.heartbeat", "enabled  boolean" },
		{ "team.spec.workers[0].expose[1].port", "RANGE     1 to 65535" },
		{ "team.spec.LEADER.soul", "FIELD     spec.leader.soul" },
		{ "human.spec.permissionLevel", "RANGE     1 to 3" },
		{ "human.spec.matrixUserId", "FORM      @name:server" },
		{ "worker.resources", "memory" },
		{ "worker.resources.cpu", "500m" },
		{ "manager.status.phase", "VALUES    Pending, Running" },
		{ "worker.metadata.name", "FORM      at most 42" },
	};
	static const struct { const char *path, *part; } bad[] = {
		{ "", "explain what?" },
		{ "wroker", "did you mean \"worker\"?" },
		{ "cluster", "the kinds are worker, team, human and manager" },
		{ "worker.spec.modle", "did you mean \"model\"?" },
		{ "worker.modle", "did you mean \"model\"?" },
		{ "worker.sepc", "did you mean \"spec\"?" },
		{ "worker.spec.model.x", "worker.spec.model has no fields" },
		{ "team.spec.leader.frobnicate", "explain team.spec.leader" },
	};
	struct err	e;
	char		*text;
	size_t		 i;

	for (i = 0; i < NELEM(t); i++) {
		text = api_explain(t[i].path, &e);
		assert_non_null(text);
		assert_contains(text, t[i].part);
		free(text);
	}
	for (i = 0; i < NELEM(bad); i++) {
		assert_null(api_explain(bad[i].path, &e));
		assert_int_equal(e.kind, ERR_USER);
		assert_contains(e.msg, bad[i].part);
	}
}

static void
explain_rows(const char *prefix, const struct field *rows)
{
	const struct field	*f;
	struct err		 e;
	char			*path, *text, *line, *save;

	for (f = rows; f->name != NULL; f++) {
		path = xasprintf("%s.%s", prefix, f->name);
		if ((text = api_explain(path, &e)) == NULL)
			fail_msg("%s: %s", path, e.msg);
		for (line = strtok_r(text, "\n", &save); line != NULL;
		    line = strtok_r(NULL, "\n", &save))
			if (strlen(line) > 70 && strchr(line + 10, ' '))
				fail_msg("too wide for a phone: %s", line);
		free(text);
		if (f->fields != NULL)
			explain_rows(path, f->fields);
		free(path);
	}
}

static void
explain_knows_every_row(void **state)
{
	const struct kind	*k;
	char			*path;

	for (k = kinds; k->name != NULL; k++) {
		path = xasprintf("%s.spec", k->singular);
		explain_rows(path, k->spec);
		free(path);
		path = xasprintf("%s.status", k->shortname);
		explain_rows(path, k->status);
		free(path);
	}
}

/* Reads any YAML with our own decoder: as a free object of a Worker. */
static struct got
read_free(const char *yaml, const struct json **out)
{
	struct buf	 b;
	struct got	 g;
	const char	*s;

	buf_init(&b, 0);
	buf_puts(&b, WORKER("a", "  accessEntries:\n"
	    "  - service: ai-gateway\n    scope:\n      "));
	for (s = yaml; *s != '\0'; s++) {
		buf_putc(&b, *s);
		if (*s == '\n')
			buf_puts(&b, "      ");
	}
	g = must_decode(buf_str(&b));
	*out = json_get(json_first(json_get(g.v[0]->spec, "accessEntries")),
	    "scope");
	buf_release(&b);
	return g;
}

/* What an API server demands of a structural schema. */
static void
check_structural(const struct json *s, const struct field *rows)
{
	const struct json	*p, *required;
	const struct field	*f;
	size_t			 n = 0;

	assert_string_equal(json_str(s, "type"), "object");
	assert_null(json_get(s, "additionalProperties"));
	assert_non_null(json_get(s, "properties"));
	required = json_get(s, "required");
	for (f = rows; f->name != NULL; f++) {
		n += f->required;
		p = json_get(json_get(s, "properties"), f->name);
		assert_non_null(p);
		assert_non_null(json_str(p, "type"));
		assert_string_equal(json_str(p, "description"), f->help);
		assert_null(json_get(p, "uniqueItems"));
		assert_null(json_get(p, "propertyNames"));
		if (f->type == FIELD_OBJECT)
			check_structural(p, f->fields);
		if (f->type == FIELD_LIST) {
			assert_string_equal(json_str(p, "type"), "array");
			if (f->item == FIELD_OBJECT)
				check_structural(json_get(p, "items"),
				    f->fields);
		}
		if (f->values != NULL && f->type == FIELD_STRING)
			assert_non_null(json_get(p, "enum"));
	}
	assert_int_equal(json_size(required), n);
	assert_int_equal(json_size(json_get(s, "properties")), f - rows);
}

static void
crds_are_structural(void **state)
{
	const struct kind	*k;
	const struct json	*crd, *spec, *version, *schema, *c;
	struct got		 g;
	char			*text, *name;

	for (k = kinds; k->name != NULL; k++) {
		text = api_crd_yaml(k);
		g = read_free(text, &crd);
		name = xasprintf("%s.hiclaw.io", k->plural);
		assert_string_equal(json_str(crd, "apiVersion"),
		    "apiextensions.k8s.io/v1");
		assert_string_equal(json_str(json_get(crd, "metadata"),
		    "name"), name);
		spec = json_get(crd, "spec");
		assert_string_equal(json_str(spec, "scope"), "Namespaced");
		assert_string_equal(json_value_str(json_first(json_get(
		    json_get(spec, "names"), "shortNames"))), k->shortname);
		version = json_first(json_get(spec, "versions"));
		assert_string_equal(json_str(version, "name"), "v1beta1");
		assert_true(json_bool(version, "storage", false));
		assert_non_null(json_path(version, "subresources.status"));
		for (c = json_first(json_get(version,
		    "additionalPrinterColumns")); c != NULL; c = json_next(c)) {
			assert_non_null(json_str(c, "name"));
			assert_true(json_str(c, "jsonPath")[0] == '.');
			if (strcmp(json_str(c, "type"), "date") == 0)
				assert_string_equal(json_str(c, "name"), "Age");
		}
		schema = json_path(version, "schema.openAPIV3Schema");
		schema = json_get(schema, "properties");
		check_structural(json_get(schema, "spec"), k->spec);
		check_structural(json_get(schema, "status"), k->status);
		got_release(&g);
		free(name);
		free(text);
	}
}

static void
json_schema_covers_all_kinds(void **state)
{
	const struct kind	*k;
	const struct json	*def;
	struct json		*s;
	struct err		 e;
	char			*text = api_json_schema();

	s = json_parse(text, strlen(text), &e);
	assert_non_null(s);
	for (k = kinds; k->name != NULL; k++) {
		def = json_get(json_get(s, "$defs"), k->name);
		assert_non_null(def);
		assert_false(json_bool(def, "additionalProperties", true));
		def = json_path(def, "properties.spec");
		assert_false(json_bool(def, "additionalProperties", true));
	}
	assert_int_equal(json_size(json_get(s, "allOf")), kinds_n);
	json_free(s);
	free(text);
}

/* --- checks across resources --------------------------------------------- */

/*
 * Applies `text` on top of `base` (may be NULL) and gives the problems as the
 * room would see them; yours.
 */
static char *
check(const char *base, const char *text)
{
	struct resources	*before = resources_new(), *after;
	struct got		 a = { 0 }, b;
	char			*out;
	size_t			 i;

	if (base != NULL)
		a = must_decode(base);
	for (i = 0; i < a.n; i++)
		resources_put(before, a.v[i]);
	after = resources_copy(before);
	b = must_decode(text);
	for (i = 0; i < b.n; i++)
		resources_put(after, b.v[i]);
	problems_release(&b.problems);
	resources_check(before, after, b.v, b.places, b.n, "example.org",
	    "hiclaw_", &b.problems);
	problems_locate(&b.problems, text, strlen(text));
	out = problems_text(&b.problems);
	got_release(&a);
	got_release(&b);
	resources_free(before);
	resources_free(after);
	return out;
}

#define SAMPLE \
	MANAGER("default", "") "---\n" \
	TEAM("front", "  workers: [{name: alice}, {name: bob, workerName: bo}]\n" \
	"  admin: {name: zhang}\n") "---\n" \
	WORKER("dan", "") "---\n" \
	HUMAN("zhang", "2", "  accessibleTeams: [front]\n") "---\n" \
	HUMAN("victor", "3", "  accessibleWorkers: [dan, alice]\n")

static void
checks_against_what_is_there(void **state)
{
	static const struct { const char *text, *want; } t[] = {
		/* Again, or new things beside the old. */
		{ SAMPLE, "" },
		{ WORKER("eve", ""), "" },
		{ HUMAN("olga", "3", "  accessibleWorkers: [bob]\n"), "" },
		{ HUMAN("alice", "3", ""), "" },	/* no agent's account */
		{ TEAM("back", "  humanMembers: [{name: x, matrixUserId: "
		    "\"@x:y\"}]\n"), "" },
		/* Names. */
		{ WORKER("alice", ""), "it belongs to worker \"alice\" of Team "
		    "\"front\"" },
		{ WORKER("bo", ""), "it belongs to worker \"bob\" of Team" },
		{ WORKER("eve", "  workerName: front-lead\n"),
		    "line 6, column 15: spec.workerName: Worker \"eve\" cannot "
		    "have the name \"front-lead\"" },
		{ TEAM("back", "  workers: [{name: dan}]\n"),
		    "it belongs to Worker \"dan\"" },
		{ WORKER("default", ""), "it belongs to Manager" },
		{ MANAGER("manager", ""), "\"default\" is it" },
		{ TEAM("back", "  teamName: front\n"),
		    "it belongs to Team \"front\"" },
		{ HUMAN("h", "1", "  username: victor\n"),
		    "it belongs to Human \"victor\"" },
		{ HUMAN("h", "1", "  matrixUserId: \"@victor:example.org\"\n"),
		    "it belongs to Human \"victor\"" },
		{ HUMAN("h", "1", "  matrixUserId: \"@victor:other.org\"\n"),
		    "" },
		{ HUMAN("h", "1", "  matrixUserId: \"@hiclaw_x:other.org\"\n"),
		    "" },
		{ HUMAN("hiclaw", "1", ""), "reserved name" },
		/* What must not change. */
		{ WORKER("dan", "  workerName: dan\n"), "" },
		{ WORKER("dan", "  workerName: daniel\n"),
		    "workerName of Worker \"dan\" is \"dan\" and cannot become "
		    "\"daniel\"" },
		{ TEAM("front", "  teamName: frontend\n"),
		    "teamName of Team \"front\" is \"front\"" },
		{ HUMAN("victor", "3", "  username: vic\n"),
		    "username of Human \"victor\" is \"victor\"" },
		{ TEAM("front", "  workers: [{name: alice}, {name: bob}]\n"),
		    "workerName of worker \"bob\" is \"bo\" and cannot become "
		    "\"bob\"" },
		{ TEAM("front", "  workers: [{name: alice, workerName: al}]\n"),
		    "spec.workers[0].workerName: workerName of worker "
		    "\"alice\"" },
		/* References. */
		{ TEAM("front", "  workers: [{name: alice}]\n"
		    "  admin: {name: nobody}\n"), "there is no Human "
		    "\"nobody\"" },
		{ HUMAN("zhang", "2", "  accessibleTeams: [fron]\n"),
		    "did you mean \"front\"?" },
		/* Left behind, which is no error. */
		{ TEAM("front", "  workers: [{name: bob, workerName: bo}]\n"),
		    "warning: Human \"victor\" still lists \"alice\" in "
		    "accessibleWorkers" },
		{ TEAM("front", "  workers: [{name: bob, workerName: bo}]\n")
		    "---\n" WORKER("alice", ""), "" },
	};
	char	*got;
	size_t	 i;

	for (i = 0; i < NELEM(t); i++) {
		got = check(SAMPLE, t[i].text);
		if (t[i].want[0] == '\0')
			assert_string_equal(got, "");
		else
			assert_contains(got, t[i].want);
		free(got);
	}
}

static void
a_member_moves_between_teams(void **state)
{
	char	*got;

	got = check(TEAM("a", "  workers: [{name: x}]\n") "---\n"
	    TEAM("b", "  workers: []\n"),
	    TEAM("b", "  workers: [{name: x}]\n") "---\n"
	    TEAM("a", "  workers: []\n"));
	assert_string_equal(got, "");
	free(got);
}

static void
checks_without_places(void **state)
{
	struct resources	*before = resources_new(), *after;
	struct problems		 ps = { 0 };
	struct got		 g;
	char			*text;

	g = must_decode(HUMAN("h", "3", "  accessibleTeams: [x]\n"));
	after = resources_copy(before);
	resources_put(after, g.v[0]);
	resources_check(before, after, g.v, NULL, 1, "x.org", "hiclaw_", &ps);
	text = problems_text(&ps);
	assert_string_equal(text, "spec.accessibleTeams[0]: there is no Team "
	    "\"x\"; apply it before, or in the same paste");
	free(text);
	problems_release(&ps);
	got_release(&g);
	resources_free(before);
	resources_free(after);
}

static void
checks_of_deletions(void **state)
{
	static const struct {
		const char *kind, *name; size_t errors, n; const char *want;
	} t[] = {
		{ "worker", "dan", 0, 1, "Human \"victor\" still lists \"dan\"" },
		{ "team", "front", 0, 2, "Human \"zhang\" still lists \"front\""
		    " in accessibleTeams" },
		{ "human", "zhang", 1, 1, "Team \"front\" names Human \"zhang\""
		    " as its admin; change the Team first" },
		{ "human", "victor", 0, 0, "" },
		{ "manager", "default", 0, 0, "" },
	};
	struct resources	*before = resources_new(), *after;
	struct resource		*gone;
	struct problems		 ps = { 0 };
	struct got		 g;
	char			*text;
	size_t			 i;

	g = must_decode(SAMPLE);
	for (i = 0; i < g.n; i++)
		resources_put(before, g.v[i]);
	for (i = 0; i < NELEM(t); i++) {
		gone = resources_find(before, kind_find(t[i].kind), t[i].name);
		after = resources_copy(before);
		assert_true(resources_remove(after, gone->kind, gone->name));
		resources_check_delete(after, &gone, 1, &ps);
		text = problems_text(&ps);
		assert_int_equal(ps.errors, t[i].errors);
		assert_int_equal(ps.n, t[i].n);
		assert_contains(text, t[i].want);
		free(text);
		problems_release(&ps);
		resources_free(after);
	}
	/* All of it at once leaves nobody behind. */
	after = resources_new();
	resources_check_delete(after, g.v, g.n, &ps);
	assert_int_equal(ps.n, 0);
	resources_free(after);
	resources_free(before);
	got_release(&g);
}

/* --- sizes --------------------------------------------------------------- */

static void
ten_thousand_documents(void **state)
{
	struct resources	*before = resources_new(), *after;
	struct buf		 b;
	struct got		 g;
	size_t			 i;

	buf_init(&b, 0);
	for (i = 0; i < 10000; i++)
		buf_printf(&b, "---\napiVersion: hiclaw.io/v1beta1\n"
		    "kind: Worker\nmetadata: {name: w%05zu}\n"
		    "spec: {model: m}\n", i);
	assert_true(b.len < MANIFEST_MAX);
	g = must_decode(buf_str(&b));
	assert_int_equal(g.n, 10000);
	assert_int_equal(g.places[9999].line, 9999 * 5 + 2);
	after = resources_copy(before);
	for (i = 0; i < g.n; i++)
		resources_put(after, g.v[i]);
	resources_check(before, after, g.v, g.places, g.n, "x.org",
	    "hiclaw_", &g.problems);
	assert_int_equal(g.problems.n, 0);
	resources_free(before);
	resources_free(after);
	got_release(&g);
	buf_release(&b);
}

static void
every_document_wrong(void **state)
{
	struct buf	b;
	struct got	g;
	size_t		i;

	buf_init(&b, 0);
	for (i = 0; i < 20000; i++)
		buf_puts(&b, "---\nkind: [Worker\n");
	g = decode(buf_str(&b));
	assert_int_equal(g.rc, -1);
	assert_int_equal(g.problems.n, PROBLEMS_MAX + 1);
	got_release(&g);
	buf_release(&b);
}

static void
too_large_and_just_right(void **state)
{
	struct buf	b;
	struct got	g;

	buf_init(&b, 0);
	buf_puts(&b, WORKER("a", "") "# ");
	while (b.len < MANIFEST_MAX)
		buf_putc(&b, 'x');
	g = must_decode(buf_str(&b));
	got_release(&g);
	buf_putc(&b, 'x');
	g = decode(buf_str(&b));
	assert_int_equal(g.rc, -1);
	assert_contains(g.text, "at most 1048576 (1 MiB) are taken");
	got_release(&g);
	buf_release(&b);
}

/* Texts that are meant to hurt: each must be refused, quickly and in words. */
static void
hostile_texts(void **state)
{
	static const struct {
		const char *head, *unit; size_t n; const char *tail, *want;
	} t[] = {
		{ "a: ", "[", 10000, "", "nested deeper than 64 levels" },
		{ "a: ", "{a: ", 10000, "", "nested deeper than 64 levels" },
		{ "", "- ", 10000, "", "nested deeper than 64 levels" },
		{ "", "? ", 10000, "", "nested deeper than 64 levels" },
		{ "a: \"", "x", 1000000, "", "never closed" },
		{ "a: [", "a,", 500000, "]", "apiVersion: required" },
		{ "a: [", "{},", 300000, "]", "apiVersion: required" },
		{ "a: ", "a: b: ", 100000, "", "quote the value" },
		{ "x: &a [1,1,1,1,1,1,1,1,1,1]\ny: [", "*a,", 300000, "]",
		    "aliases write out more than 200000 values" },
		{ "x: &a [xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx]"
		    "\ny: [", "*a,", 99000, "]", "or 4 MiB" },
		{ "", "---\n", 250000, "", "nothing in it" },
		{ "", "\n", 1000000, "", "nothing in it" },
		{ "", "#\n", 500000, "", "nothing in it" },
		{ "", "!!str ", 100000, "", "line 1" },
		{ "a: ", "'' ", 100000, "", "line 1" },
		{ "%", "Y", 1000000, "", "line 1" },
		{ "&", "a", 1000000, " b", "line 1" },
	};
	struct buf	b;
	struct got	g;
	size_t		i, j;

	for (i = 0; i < NELEM(t); i++) {
		buf_init(&b, 0);
		buf_puts(&b, t[i].head);
		for (j = 0; j < t[i].n; j++)
			buf_puts(&b, t[i].unit);
		buf_puts(&b, t[i].tail);
		assert_true(b.len <= MANIFEST_MAX);
		g = decode(buf_str(&b));
		assert_int_equal(g.rc, -1);
		assert_contains(g.text, t[i].want);
		got_release(&g);
		buf_release(&b);
	}
}

/* 9^9 of them, were they written out. */
static void
billion_laughs(void **state)
{
	struct buf	b;
	struct got	g;
	int		i, j;

	buf_init(&b, 0);
	buf_puts(&b, "a: &a [x,x,x,x,x,x,x,x,x]\n");
	for (i = 0; i < 9; i++) {
		buf_printf(&b, "%c: &%c [", 'b' + i, 'b' + i);
		for (j = 0; j < 9; j++)
			buf_printf(&b, "%s*%c", j > 0 ? "," : "", 'a' + i);
		buf_puts(&b, "]\n");
	}
	g = decode(buf_str(&b));
	assert_int_equal(g.rc, -1);
	assert_int_equal(g.problems.errors, 1);
	assert_contains(g.text, "aliases write out more than 200000 values");
	got_release(&g);
	buf_release(&b);
}

static void
many_keys(void **state)
{
	struct buf	b;
	struct got	g;
	int		i;

	buf_init(&b, 0);
	buf_puts(&b, "apiVersion: hiclaw.io/v1beta1\n");
	for (i = 0; i < 90000; i++)
		buf_printf(&b, "k%d: 1\n", i);
	buf_puts(&b, "k500: 1\n");
	g = decode(buf_str(&b));
	assert_int_equal(g.rc, -1);
	assert_contains(g.text, "key \"k500\" is given twice; the first is in "
	    "line 502");
	got_release(&g);
	buf_release(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tables_are_complete),
		cmocka_unit_test(examples_decode),
		cmocka_unit_test(kinds_are_found),
		cmocka_unit_test(defaults_come_from_the_table),
		cmocka_unit_test(scalars_follow_the_core_schema),
		cmocka_unit_test(documents_are_all_or_nothing),
		cmocka_unit_test(resources_are_appended),
		cmocka_unit_test(places_are_where_documents_begin),
		cmocka_unit_test(null_counts_as_absent),
		cmocka_unit_test(aliases_are_written_out),
		cmocka_unit_test(warnings_are_few),
		cmocka_unit_test(problems_show_line_and_caret),
		cmocka_unit_test(problems_are_capped),
		cmocka_unit_test(manifests_are_recognised),
		cmocka_unit_test(runtime_names),
		cmocka_unit_test(selectors),
		cmocka_unit_test(sets_are_ordered),
		cmocka_unit_test(strings_survive_a_round_trip),
		cmocka_unit_test(values_survive_a_round_trip),
		cmocka_unit_test(yaml_reads_well),
		cmocka_unit_test(top_values),
		cmocka_unit_test(differences),
		cmocka_unit_test(differences_of_labels),
		cmocka_unit_test(explain_answers),
		cmocka_unit_test(explain_knows_every_row),
		cmocka_unit_test(crds_are_structural),
		cmocka_unit_test(json_schema_covers_all_kinds),
		cmocka_unit_test(checks_against_what_is_there),
		cmocka_unit_test(a_member_moves_between_teams),
		cmocka_unit_test(checks_without_places),
		cmocka_unit_test(checks_of_deletions),
		cmocka_unit_test(ten_thousand_documents),
		cmocka_unit_test(every_document_wrong),
		cmocka_unit_test(too_large_and_just_right),
		cmocka_unit_test(hostile_texts),
		cmocka_unit_test(billion_laughs),
		cmocka_unit_test(many_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
