/*
 * Chat.  The pure parts (input, words, repairs, text, templates, commands) by
 * tables and by a corpus of events as clients send them (tests/data/chat).
 */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "hiclaw/api.h"
#include "hiclaw/json.h"

#include "hiclaw/file.h"
#include "hiclaw/ops.h"
#include "../../src/chat/commands.h"
#include "../../src/chat/handlers.h"
#include "../../src/chat/input.h"
#include "../../src/chat/repair.h"
#include "../../src/chat/template.h"
#include "../../src/chat/text.h"
#include "../../src/chat/words.h"

static const struct input_names names = { "@hiclaw:example.org", "hiclaw" };

static char *
in_tree(const char *path)
{
	const char *dir = getenv("srcdir");

	return xasprintf("%s/%s", dir != NULL ? dir : ".", path);
}

static struct commands *
load_commands(void)
{
	char *dir = in_tree("commands");
	struct err err = { 0 };
	struct commands *cs = commands_load(dir, handler_names(), &err);

	if (cs == NULL)
		fail_msg("%s", err.msg);
	free(dir);
	return cs;
}

/* --- words --------------------------------------------------------------- */

static void
check_words(const char *line, const char *want)
{
	struct words w;
	struct err err;
	char *got;

	assert_int_equal(words_split(line, &w, &err), 0);
	got = strv_join(&w.raw, "|");
	assert_string_equal(got != NULL ? got : "", want);
	free(got);
	words_release(&w);
}

static void
test_words(void **state)
{
	(void)state;
	check_words("", "");
	check_words("  get   workers ", "get|workers");
	check_words("get\xc2\xa0workers", "get|workers");
	check_words("a \"b c\" 'd e'", "a|b c|d e");
	check_words("a \xe2\x80\x9c" "b c\xe2\x80\x9d", "a|b c");
	check_words("a \xe2\x80\x98" "b c\xe2\x80\x99", "a|b c");
	check_words("don't", "don't");
	check_words("-l \"team=a b\"", "-l|team=a b");
	check_words("--selector=\"a b\"", "--selector=a b");
	check_words("\xe2\x80\x94prune", "--prune");
	check_words("\xe2\x80\x93-prune", "--prune");
	check_words("\xe2\x80\x93o yaml", "-o|yaml");
	check_words("\xe2\x88\x92\xe2\x88\x92prune", "--prune");
	check_words("well-known \xe2\x80\x94 x", "well-known|\xe2\x80\x94|x");
	check_words("\"\xe2\x80\x94prune\"", "\xe2\x80\x94prune");
	check_words("\"open", "open");
	check_words("\"a\\\"b\"", "a\"b");
}

static void
test_words_limits(void **state)
{
	struct words w;
	struct err err;
	char *big = xmalloc(LINE_MAX_BYTES + 2);

	(void)state;
	memset(big, 'x', LINE_MAX_BYTES + 1);
	big[LINE_MAX_BYTES + 1] = '\0';
	assert_int_equal(words_split(big, &w, &err), -1);
	assert_int_equal(err.kind, ERR_USER);
	for (size_t i = 0; i < LINE_MAX_BYTES; i += 2)
		memcpy(big + i, "x ", 2);
	assert_int_equal(words_split(big, &w, &err), -1);
	free(big);
}

static void
test_flags(void **state)
{
	static char out[] = "output", prune[] = "prune";
	static const struct flag flags[] = {
		{ out, 'o', true }, { prune, 0, false },
	};
	static const struct {
		const char *line, *output, *rest, *error;
		bool prune;
	} rows[] = {
		{ "get a b", NULL, "a b", NULL, false },
		{ "get a -o yaml b", "yaml", "a b", NULL, false },
		{ "get -o=yaml", "yaml", "", NULL, false },
		{ "get -oyaml", "yaml", "", NULL, false },
		{ "get --output yaml --prune", "yaml", "", NULL, true },
		{ "get --OUTPUT=yaml", "yaml", "", NULL, false },
		{ "get \xe2\x80\x94output=json", "json", "", NULL, false },
		{ "get -o", NULL, NULL, "needs a value", false },
		{ "get --prune=x", NULL, NULL, "takes no value", false },
		{ "get --outptu x", NULL, NULL, "did you mean --output", false },
		{ "get --zzzzzz", NULL, NULL, "unknown option", false },
	};

	(void)state;
	for (size_t i = 0; i < NELEM(rows); i++) {
		struct words w;
		struct err err = { 0 };
		char *rest;

		assert_int_equal(words_split(rows[i].line, &w, &err), 0);
		if (words_flags(&w, 1, flags, 2, &err) == -1) {
			assert_non_null(rows[i].error);
			assert_non_null(strstr(err.msg, rows[i].error));
		} else {
			assert_null(rows[i].error);
			rest = strv_join(&w.v, " ");
			assert_string_equal(rest != NULL ? rest : "",
			    rows[i].rest);
			free(rest);
			assert_true(str_equal(words_flag(&w, "output"),
			    rows[i].output));
			assert_int_equal(words_flag(&w, "prune") != NULL,
			    rows[i].prune);
		}
		words_release(&w);
	}
}

static void
test_answers(void **state)
{
	static const struct { const char *text; int want; } rows[] = {
		{ "yes", 1 }, { "Yes.", 1 }, { " Y ", 1 }, { "OK!", 1 },
		{ "\xe2\x9c\x85", 1 }, { "\xe2\x9c\x85\xef\xb8\x8f", 1 },
		{ "\xf0\x9f\x91\x8d\xf0\x9f\x8f\xbd", 1 },
		{ "\xf0\x9f\x91\x8d\xef\xb8\x8f", 1 }, { "+1", 1 },
		{ "go  ahead", 1 }, { "no", 0 }, { "N", 0 }, { "No!", 0 },
		{ "\xf0\x9f\x91\x8e\xf0\x9f\x8f\xbf", 0 },
		{ "\xe2\x9d\x8c", 0 }, { "cancel", 0 }, { "", -1 },
		{ "yes please delete everything and more", -1 },
		{ "yesterday", -1 }, { "not", -1 }, { "\xf0\x9f\x8e\x89", -1 },
	};

	(void)state;
	for (size_t i = 0; i < NELEM(rows); i++)
		assert_int_equal(answer_read(rows[i].text), rows[i].want);
}

/* --- corpus -------------------------------------------------------------- */

static void
expect_str(const char *file, const struct json *expect, const char *key,
    const char *got)
{
	const struct json *v = json_get(expect, key);

	if (v == NULL)
		return;
	if (!str_equal(json_value_str(v), got))
		fail_msg("%s: %s is\n%s\nnot\n%s", file, key,
		    got != NULL ? got : "(none)", json_value_str(v) != NULL ?
		    json_value_str(v) : "(none)");
}

static void
expect_bool(const char *file, const struct json *expect, const char *key,
    bool got)
{
	if (json_get(expect, key) != NULL &&
	    json_bool(expect, key, false) != got)
		fail_msg("%s: %s is %d", file, key, got);
}

static void
expect_repairs(const char *file, const struct json *expect, const char *text)
{
	const struct json *want = json_get(expect, "repairs"), *v;
	struct repairs log, again;
	char *once, *twice;
	size_t i = 0;

	if (text == NULL)
		return;
	once = repair_manifest(text, &log);
	twice = repair_manifest(once, &again);
	assert_string_equal(once, twice);
	if (again.n != 0)
		fail_msg("%s: a second repair: %s", file, again.v[0].what);
	expect_str(file, expect, "repaired", once);
	expect_bool(file, expect, "needs_ok", log.has_value);
	if (want != NULL && json_size(want) != log.n)
		fail_msg("%s: %zu repairs", file, log.n);
	for (v = json_first(want); v != NULL; v = json_next(v), i++) {
		assert_int_equal(log.v[i].line, json_int(v, "line", 0));
		assert_string_equal(log.v[i].what, json_str(v, "what"));
	}
	if (json_get(expect, "advice") != NULL) {
		assert_non_null(repair_advice(once));
		assert_non_null(strstr(repair_advice(once),
		    json_str(expect, "advice")));
	} else
		assert_null(repair_advice(once));
	free(once);
	free(twice);
	repairs_release(&log);
	repairs_release(&again);
}

static void
expect_words(const char *file, const struct commands *cs,
    const struct json *expect, const char *line)
{
	const struct command *c;
	struct words w;
	const char *near;
	struct err err;
	size_t used = 0, i = 0;

	assert_int_equal(words_split(line, &w, &err), 0);
	for (const struct json *v = json_first(json_get(expect, "words"));
	    v != NULL; v = json_next(v), i++) {
		assert_true(i < w.raw.n);
		assert_string_equal(w.raw.v[i], json_value_str(v));
	}
	c = commands_match(cs, &w, &used, &near);
	expect_str(file, expect, "command", c != NULL ? c->name : NULL);
	words_release(&w);
}

static void
check_corpus(const char *file, const struct json *o, const struct commands *cs)
{
	const struct json *expect = json_get(o, "expect");
	struct input in;

	input_read(json_get(o, "event"), &names, &in);
	expect_bool(file, expect, "is_message", in.is_message);
	if (json_get(expect, "is_message") == NULL)
		assert_true(in.is_message);
	expect_bool(file, expect, "addressed", in.is_addressed);
	expect_bool(file, expect, "looks", in.looks);
	expect_bool(file, expect, "is_yaml", in.is_yaml_file);
	expect_str(file, expect, "line", in.line);
	expect_str(file, expect, "manifest", in.manifest);
	expect_str(file, expect, "edit_of", in.edit_of);
	expect_str(file, expect, "reply_to", in.reply_to);
	expect_str(file, expect, "file", in.file_url);
	expect_repairs(file, expect, in.looks ? in.manifest : NULL);
	expect_words(file, cs, expect, in.line);
	if (json_get(expect, "answer") != NULL)
		assert_int_equal(answer_read(in.line),
		    json_int(expect, "answer", -1));
	input_release(&in);
}

static void
test_corpus(void **state)
{
	char *dir = in_tree("tests/data/chat"), *path, *text;
	struct commands *cs = load_commands();
	struct strv files = { 0 };
	struct err err = { 0 };

	(void)state;
	assert_int_equal(dir_list(dir, ".json", &files, &err), 0);
	assert_true(files.n >= 30);
	for (size_t i = 0; i < files.n; i++) {
		struct json *o;

		path = xasprintf("%s/%s", dir, files.v[i]);
		text = file_read(path, 1 << 20, &err);
		assert_non_null(text);
		o = json_parse(text, strlen(text), &err);
		if (o == NULL)
			fail_msg("%s: %s", path, err.msg);
		check_corpus(files.v[i], o, cs);
		json_free(o);
		free(text);
		free(path);
	}
	strv_release(&files);
	commands_free(cs);
	free(dir);
}

/* A clean document is never touched. */
static void
clean_dir(const char *name, size_t least)
{
	char *dir = in_tree(name), *path, *text, *fixed;
	struct strv files = { 0 };
	struct err err = { 0 };
	struct repairs log;

	if (dir_list(dir, ".yaml", &files, &err) == -1 && least > 0)
		fail_msg("%s", err.msg);
	assert_true(files.n >= least);
	for (size_t i = 0; i < files.n; i++) {
		path = xasprintf("%s/%s", dir, files.v[i]);
		text = file_read(path, MANIFEST_MAX, &err);
		assert_non_null(text);
		fixed = repair_manifest(text, &log);
		/* Those that are there to test just that. */
		for (size_t j = 0; j < log.n; j++)
			if (strcmp(log.v[j].what, "line ends") != 0 &&
			    strcmp(log.v[j].what, "byte order mark") != 0)
				fail_msg("%s:%d: %s", path, log.v[j].line,
				    log.v[j].what);
		if (log.n == 0)
			assert_string_equal(text, fixed);
		assert_null(repair_advice(text));
		repairs_release(&log);
		free(fixed);
		free(text);
		free(path);
	}
	strv_release(&files);
	free(dir);
}

static void
test_clean(void **state)
{
	(void)state;
	clean_dir("commands", 5);
	clean_dir("contrib/samples", 1);
	clean_dir("tests/data/good", 1);
}

/* --- text and templates -------------------------------------------------- */

static void
test_text(void **state)
{
	struct text t = { 0 };
	char *body, *html;

	(void)state;
	text_printf(&t, "**%s** is `%s`, %d of %zu (%lld%%)\n", "<b>**x**",
	    "a`b", 1, (size_t)2, 3LL);
	text_puts(&t, "\n- one\n");
	text_printf(&t, "- %s\n", "two\n- three");
	text_pre(&t, "yaml", "a: <b>\n  - \"c\"\n");
	text_puts(&t, "\nsee ");
	text_user(&t, "@ann:example.org");
	text_puts(&t, " in ");
	text_link(&t, "https://matrix.to/#/!r:x", "room \x01 1");
	body = text_body(&t);
	html = text_html(&t);
	assert_string_equal(body,
	    "<b>**x** is `a`b`, 1 of 2 (3%)\n\n- one\n- two - three\n"
	    "a: <b>\n  - \"c\"\n\n"
	    "see @ann:example.org in room  1 (https://matrix.to/#/!r:x)");
	assert_string_equal(html,
	    "<p><b>&lt;b&gt;**x**</b> is <code>a`b</code>, 1 of 2 (3%)</p>"
	    "<ul><li>one</li><li>two - three</li></ul>"
	    "<pre><code class=\"language-yaml\">a: &lt;b&gt;\n"
	    "  - &quot;c&quot;\n</code></pre>"
	    "<p>see <a href=\"https://matrix.to/#/@ann:example.org\">"
	    "@ann:example.org</a> in "
	    "<a href=\"https://matrix.to/#/!r:x\">room  1</a></p>");
	free(body);
	free(html);
	text_release(&t);
}

static void
test_text_lines(void **state)
{
	struct text t = { 0 };
	char *html, *body;

	(void)state;
	text_puts(&t, "a\nb **open\nc ``` d\n```yaml\nx\n- y\n```\nz\n");
	html = text_html(&t);
	body = text_body(&t);
	assert_string_equal(html, "<p>a<br>b <b>open</b><br>c ``` d</p>"
	    "<pre><code class=\"language-yaml\">x\n- y\n</code></pre>"
	    "<p>z</p>");
	assert_string_equal(body, "a\nb open\nc ``` d\nx\n- y\nz");
	free(html);
	free(body);
	text_release(&t);
}

static void
test_templates(void **state)
{
	char *dir = in_tree("templates"), *body;
	struct err err = { 0 };
	struct templates *ts = templates_load(dir, &err);
	struct text t = { 0 }, block = { 0 };

	(void)state;
	if (ts == NULL)
		fail_msg("%s", err.msg);
	template_fill(ts, "unknown", FILL(V("word", "`<x>`")), &t);
	body = text_body(&t);
	/* The line about the nearest word has nothing to say. */
	assert_null(strstr(body, "Did you mean"));
	assert_non_null(strstr(body, "``<x>``"));
	free(body);
	text_release(&t);
	text_puts(&block, "- one\n- two\n");
	template_fill(ts, "plan", FILL(V("title", "apply"), V("summary", "s"),
	    V("risk", "create"), B("steps", &block)), &t);
	body = text_body(&t);
	assert_string_equal(body, "apply would do this, and nothing was "
	    "changed:\ns. Risk: create.\n\n- one\n- two");
	free(body);
	text_release(&t);
	/* People are links, whoever else is a word. */
	template_fill(ts, "done", FILL(V("title", "apply"), V("took", "1 s"),
	    P("approved", "@ann:x.org, @bob:x.org"), P("actor", "REST")), &t);
	body = text_html(&t);
	assert_non_null(strstr(body, "Approved by <a href=\"https://matrix.to/"
	    "#/@ann:x.org\">@ann:x.org</a>, <a href=\"https://matrix.to/#/"
	    "@bob:x.org\">@bob:x.org</a>.<br>Asked by REST, "));
	free(body);
	text_release(&t);
	text_release(&block);
	templates_free(ts);
	free(dir);
}

/* --- commands ------------------------------------------------------------ */

static void
test_commands(void **state)
{
	struct commands *cs = load_commands();
	static const struct {
		const char *line, *name, *near;
		size_t used;
	} rows[] = {
		{ "get workers", "get", NULL, 1 },
		{ "GET workers", "get", NULL, 1 },
		{ "who am i", "whoami", NULL, 3 },
		{ "rm worker bob", "delete", NULL, 1 },
		{ "?", "help", NULL, 1 },
		{ "gett workers", NULL, "get", 0 },
		{ "aplly", NULL, "apply", 0 },
		{ "xyzzy", NULL, NULL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < NELEM(rows); i++) {
		const struct command *c;
		const char *near;
		struct words w;
		struct err err;
		size_t used = 0;

		assert_int_equal(words_split(rows[i].line, &w, &err), 0);
		c = commands_match(cs, &w, &used, &near);
		assert_true(str_equal(c != NULL ? c->name : NULL,
		    rows[i].name));
		assert_true(str_equal(near, rows[i].near));
		assert_int_equal(used, rows[i].used);
		words_release(&w);
	}
	for (size_t i = 0; i < commands_n(cs); i++) {
		const struct command *c = commands_at(cs, i);

		assert_true(c->tier >= 1 && c->tier <= 3);
		assert_true(c->examples.n > 0);
		/* What is shown as an example must be understood. */
		for (size_t j = 0; j < c->examples.n; j++) {
			const char *near;
			struct words w;
			struct err err;
			size_t used = 0;

			assert_int_equal(words_split(c->examples.v[j], &w,
			    &err), 0);
			assert_ptr_equal(commands_match(cs, &w, &used, &near),
			    c);
			assert_int_equal(words_flags(&w, used, c->flags,
			    c->flags_n, &err), 0);
			words_release(&w);
		}
	}
	commands_free(cs);
}

/* What is not in the list of the makefile is here and nowhere else. */
static void
test_installed(void **state)
{
	static const struct { const char *dir, *ext; } rows[] = {
		{ "commands", ".yaml" }, { "templates", ".md" },
	};
	char *path = in_tree("Makefile.am"), *makefile;
	struct err err = { 0 };

	(void)state;
	assert_non_null(makefile = file_read(path, 1 << 20, &err));
	for (size_t i = 0; i < NELEM(rows); i++) {
		struct strv files = { 0 };
		char *dir = in_tree(rows[i].dir);

		assert_int_equal(dir_list(dir, rows[i].ext, &files, &err), 0);
		for (size_t j = 0; j < files.n; j++) {
			char *file = xasprintf("\t%s/%s", rows[i].dir,
			    files.v[j]);

			if (strstr(makefile, file) == NULL)
				fail_msg("%s is not installed", file + 1);
			free(file);
		}
		strv_release(&files);
		free(dir);
	}
	free(makefile);
	free(path);
}

/* The manual has every command, and no other. */
static void
test_manual(void **state)
{
	char *path = in_tree("man/hiclaw-commands.7"), *man, *end;
	struct commands *cs = load_commands();
	struct err err = { 0 };
	size_t items = 0;

	(void)state;
	man = file_read(path, 1 << 20, &err);
	assert_non_null(man);
	end = strstr(man, ".Ss Questions");
	assert_non_null(end);
	*end = '\0';
	for (size_t i = 0; i < commands_n(cs); i++) {
		char *item = xasprintf("\n.It Ic %s", commands_at(cs,
		    i)->name);
		const char *at = strstr(man, item);

		if (at == NULL || strchr(" \n", at[strlen(item)]) == NULL)
			fail_msg("%s is not in the manual", item + 1);
		free(item);
	}
	for (const char *p = strstr(man, ".Ss Commands");
	    (p = strstr(p, "\n.It Ic ")) != NULL; p++)
		items++;
	assert_int_equal(items, commands_n(cs));
	commands_free(cs);
	free(man);
	free(path);
}

/* What is no UTF-8 is the decoder's to refuse. */
static void
test_repair_bytes(void **state)
{
	static const char bad[] = "Kind: \xff\xe2\x80\r\n";
	struct repairs log;
	char *out = repair_manifest(bad, &log);

	(void)state;
	assert_string_equal(out, bad);
	assert_int_equal(log.n, 0);
	repairs_release(&log);
	free(out);
}

static void
write_file(const char *dir, const char *name, const char *text)
{
	char *path = xasprintf("%s/%s", dir, name);
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	free(path);
}

static void
test_commands_broken(void **state)
{
	static const char head[] = "name: x\nusage: x\nsummary: s\ngroup: g\n"
	    "tier: 1\n";
	static const struct { const char *tail, *error; } rows[] = {
		{ "handler: nothing\n", ":6:1: no handler \"nothing\"" },
		{ "handler: hepl\n", "did you mean \"help\"" },
		{ "handler: help\nfoo: bar\n", ":7:1: " },
		{ "handler: help\nrisk: enormous\n", ":7:7: " },
		{ "handler: help\naliases: [x]\n", ":7:1: \"x\" is taken" },
		{ "", ":1:1: it does nothing" },
		{ "handler: macro\n", ":6:1: a macro has run" },
		{ "handler: help\nrun: [x]\n", ":6:1: handler, run and "
		    "template" },
		{ "template: |\n  kind: {{y}}\n", ":7:9: no argument {{y}}" },
		{ "template: |\n  a: [\n", ":6:1: the template: " },
		{ "template: |\n  {{y}}: 1\narguments:\n"
		    "- {name: y, type: name, required: true}\n",
		    ":6:1: an argument can be a value" },
		{ "template: |\n  a: {{y}}\narguments:\n"
		    "- {name: y, type: name}\n", ":7:6: in a manifest" },
		{ "run:\n- fly away\n", ":7:3: no command: fly away" },
		{ "run:\n- x y\n", ":7:3: a macro cannot run another" },
		{ "run:\n- x {{y}\n", ":7:5: {{ without }}" },
		{ "run:\n- x\narguments:\n- {name: y, type: fish}\n",
		    ":9:19: " },
		{ "run:\n- x\narguments:\n- {name: y, type: int}\n"
		    "- {name: y, type: int}\n", "listed twice" },
		{ "run:\n- x\narguments:\n- {name: y, type: int}\n"
		    "- {name: z, type: int, required: true}\n", "behind one" },
		{ "handler: [\n", "x.yaml:" },
	};
	char dir[] = "/tmp/hiclaw-commands-XXXXXX", *path;
	struct err err;

	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_null(commands_load(dir, handler_names(), &err));
	for (size_t i = 0; i < NELEM(rows); i++) {
		char *text = xasprintf("%s%s", head, rows[i].tail);

		write_file(dir, "x.yaml", text);
		assert_null(commands_load(dir, handler_names(), &err));
		if (strstr(err.msg, rows[i].error) == NULL)
			fail_msg("\"%s\" without \"%s\"", err.msg,
			    rows[i].error);
		free(text);
	}
	path = xasprintf("%s/x.yaml", dir);
	remove(path);
	free(path);
	remove(dir);
}

/* --- secrets in files ---------------------------------------------------- */

static void
test_mask(void **state)
{
	static const struct { const char *text, *all; } t[] = {
		{ "", "" }, { "plain words", "plain words" },
		{ "x 0123456789abcdef y", "x *** y" },
		{ "\"apiKey\": \"v\", \"id\": \"w\"",
		    "\"apiKey\": \"***\", \"id\": \"w\"" },
		{ "\"accessToken\":\"a\\\"b\",\"c\":1",
		    "\"accessToken\":\"***\",\"c\":1" },
		{ "OPENAI_API_KEY=sk-1 # note\nHOME=/x",
		    "OPENAI_API_KEY=*** # note\nHOME=/x" },
		{ "token: abc\nmodel: m", "token: ***\nmodel: m" },
		{ "password='a b' x", "password='***' x" },
		{ "\"auth\":{\"token\":\"t\"}",
		    "\"auth\":{\"token\":\"***\"}" },
		{ "\"tokens\": [\"a\", 7, \"b c\"], \"n\": \"d\"",
		    "\"tokens\": [\"***\", 7, \"***\"], \"n\": \"d\"" },
		{ "keys: [ab, cd]\nx: [ef]", "keys: [***, ***]\nx: [ef]" },
		{ "the key is here", "the key is here" },
		{ "key:", "key:" }, { "key=\"", "key=\"" },
		{ "maxTokens: 64000,", "maxTokens: 64000," },
		{ "{\"maxTokens\":64000,\"m\":\"x\"}",
		    "{\"maxTokens\":64000,\"m\":\"x\"}" },
		{ "\"useToken\": true, \"n\": 1", "\"useToken\": true, \"n\": 1" },
		{ "password: 64000", "password: ***" },
		/* All of a value: a comma, a blank, a quote in it, "|". */
		{ "PASSWORD=ab,cd ef;g\nX=1", "PASSWORD=***\nX=1" },
		{ "PASSWORD=|abc", "PASSWORD=***" },
		{ "pwd: 'it''s mine'", "pwd: '***'" },
		{ "PWD='it'\\''s'; x", "PWD='***'; x" },
		{ "token: |\n  line: one\n\n  two\nname: n",
		    "token: |\n  ***\n\n  ***\nname: n" },
		{ "keys:\n- ab\n- \"c:d\"\nname: n",
		    "keys:\n- ***\n- ***\nname: n" },
		{ " secret:\n   name: n\n   token: t", " secret:\n   name: n\n"
		    "   token: ***" },
		{ "\"token\":\n  \"abc\"", "\"token\":\n  ***" },
		{ "\"token\": \"cut off", "\"token\": \"***" },
		{ "Authorization: Bearer sk-1", "Authorization: ***" },
		/* By its form. */
		{ "\"h\": \"Bearer sk-12345678\"", "\"h\": \"Bearer ***\"" },
		{ "a bearer of news", "a bearer of news" },
		{ "u: https://me:abc@host/x:y@z", "u: https://me:***@host/x:y@z" },
		{ "http://host:80/@x", "http://host:80/@x" },
		{ "-----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE "
		    "KEY-----\nx", "-----BEGIN RSA PRIVATE KEY-----***"
		    "-----END RSA PRIVATE KEY-----\nx" },
		{ "-----BEGIN PRIVATE KEY-----\nMII", "-----BEGIN PRIVATE "
		    "KEY-----***" },
		/* Cut in the middle of a secret. */
		{ "x 01234567", "x ***" }, { "x 012", "x 012" },
		{ "x 01234567 y", "x 01234567 y" },
	};
	struct strv secrets = { 0 };
	char *got;

	strv_add(&secrets, "0123456789abcdef");
	strv_add(&secrets, "short");
	for (size_t i = 0; i < NELEM(t); i++) {
		got = mask_secrets(t[i].text, &secrets, true);
		assert_string_equal(got, t[i].all);
		free(got);
	}
	/* In prose only what is surely one. */
	got = mask_secrets("token: abc 0123456789abcdef short", &secrets,
	    false);
	assert_string_equal(got, "token: abc *** short");
	free(got);
	strv_release(&secrets);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mask),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_words_limits),
		cmocka_unit_test(test_flags),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_corpus),
		cmocka_unit_test(test_clean),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_text_lines),
		cmocka_unit_test(test_templates),
		cmocka_unit_test(test_commands),
		cmocka_unit_test(test_commands_broken),
		cmocka_unit_test(test_manual),
		cmocka_unit_test(test_installed),
		cmocka_unit_test(test_repair_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
