/*
 * Typed arguments of the commands there are, what clients are told of them
 * (MSC4391), and what such clients send.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../src/chat/handlers.h"
#include "../../src/chat/invocation.h"
#include "hiclaw/world.h"

#include "house.h"

static struct commands *
load(void)
{
	char *dir = in_tree("commands");
	struct err err = { 0 };
	struct commands *cs = commands_load(dir, handler_names(), &err);

	if (cs == NULL)
		fail_msg("%s", err.msg);
	free(dir);
	return cs;
}

static struct json *
parse(const char *text)
{
	struct err err = { 0 };
	struct json *o = json_parse(text, strlen(text), &err);

	if (o == NULL)
		fail_msg("%s: %s", text, err.msg);
	return o;
}

/* --- what the files say ---------------------------------------------------- */

/* Words in the usage that are no part of the name and no flag. */
static bool
shows_arguments(const struct command *c)
{
	const char *s = c->usage + strlen(c->name);

	while (*s != '\0')
		if (str_starts(s, "[-"))
			s += strcspn(s, "]") + 1;
		else if (*s == ' ')
			s++;
		else
			return true;
	return false;
}

static void
test_declared(void **state)
{
	struct commands *cs = load();

	(void)state;
	for (size_t i = 0; i < commands_n(cs); i++) {
		const struct command *c = commands_at(cs, i);
		bool is_optional = false;

		if (!c->manifest && shows_arguments(c) != (c->arguments_n > 0))
			fail_msg("%s: usage and arguments differ: %s",
			    c->name, c->usage);
		for (size_t j = 0; j < c->arguments_n; j++) {
			const struct argument *a = &c->arguments[j];

			if (a->help[0] == '\0' || (is_optional && a->required))
				fail_msg("%s: %s", c->name, a->name);
			is_optional |= !a->required;
			for (size_t k = 0; k < c->flags_n; k++)
				assert_string_not_equal(c->flags[k].name,
				    a->name);
		}
	}
	commands_free(cs);
}

/* What people may write, as the handlers read it, gets through to them. */
static void
test_spellings(void **state)
{
	static const char *const lines[] = {
		"watch bob for 30 minutes", "mute bob for 2 hours",
		"watch team web 2h", "approve 7 looks good", "unhold #7 done",
		"scale web=3", "scale team=web 3", "scale team web to 3",
		"scale web + 5", "invite me leader web", "invite team/web",
		"invite @jane:x.org leader web", "cat manager SOUL.md",
		"cat worker alice SOUL.md", "cat leader/alice SOUL.md",
		"exec manager -- ls", "exec worker alice -- ls -l",
		"gateway grant manager qwen", "wake worker alice bob",
		"can-i delete wroker bob", "can-i sleep", "who-can create worker",
		"delete worker alice bob team web", "delete team/web human/ann",
		"set worker bob model = m", "label team web app- a=b",
		"freeze moving house for 2h", "template member bob team=web",
		"describe team/web", "events", "get all", "get worker/ann",
		"rollback worker bob #3", "undo", "token revoke", "help gateway",
	};
	struct commands *cs = load();

	(void)state;
	for (size_t i = 0; i < NELEM(lines); i++) {
		const struct command *c;
		const char *near;
		struct words w;
		struct err err;
		size_t used = 0;

		assert_int_equal(words_split(lines[i], &w, &err), 0);
		c = commands_match(cs, &w, &used, &near);
		assert_non_null(c);
		assert_int_equal(words_flags(&w, used, c->flags, c->flags_n,
		    &err), 0);
		if (arguments_check(c, &w.v, &err) == -1)
			fail_msg("%s: %s", lines[i], err.msg);
		words_release(&w);
	}
	commands_free(cs);
}

/* In a manifest a number is one, and an agent is its name. */
static void
test_filled(void **state)
{
	static const char file[] = "name: x\nusage: x\nsummary: s\ngroup: g\n"
	    "tier: 1\narguments:\n- {name: n, type: number, required: true}\n"
	    "- {name: a, type: agent, required: true, many: true}\n"
	    "template: |\n  n: {{n}}\n  a: {{a}}\n";
	struct commands *cs = commands_empty();
	struct strv v = { 0 };
	struct err err;
	char *text;

	(void)state;
	assert_int_equal(commands_add(cs, "x.yaml", file, handler_names(),
	    &err), 0);
	strv_split(&v, "#7 worker alice worker/bob manager", ' ');
	assert_int_equal(arguments_check(commands_at(cs, 0), &v, &err), 0);
	text = macro_manifest(commands_at(cs, 0), &v, &err);
	assert_non_null(strstr(text, "\"n\": 7,"));
	assert_non_null(strstr(text, "\"a\": \"alice bob manager\""));
	free(text);
	strv_release(&v);
	commands_free(cs);
}

/* --- descriptions ----------------------------------------------------------- */

static void
check_description(const struct commands *cs, const char *name,
    const char *want)
{
	struct json *is = command_description(commands_find(cs, name));
	struct json *should = parse(want);
	char *got = json_canonical(is);

	if (!json_equal(is, should))
		fail_msg("%s is %s", name, got);
	free(got);
	json_free(is);
	json_free(should);
}

#define TEXT(s)	"\"description\":{\"m.text\":[{\"body\":\"" s "\"}]}"
#define LITERAL(s) "{\"schema_type\":\"literal\",\"literal_type\":\"string\"," \
    "\"value\":\"" s "\"}"
#define STRING	"{\"schema_type\":\"primitive\",\"type\":\"string\"}"

static void
test_descriptions(void **state)
{
	struct commands *cs = load();
	struct json *all;

	(void)state;
	check_description(cs, "status", "{\"command\":\"status\","
	    "\"parameters\":[]," TEXT("Is everything as it should be?") "}");
	check_description(cs, "logs", "{\"command\":\"logs\","
	    "\"parameters\":[{\"key\":\"agent\",\"schema\":" STRING ","
	    TEXT("an agent, such as alice") "},{\"key\":\"tail\",\"optional\":true,\"schema\":"
	    STRING "," TEXT("how many lines, 50 if not said") "}],"
	    TEXT("The last lines that an agent wrote") "}");
	check_description(cs, "unhold", "{\"command\":\"unhold\","
	    "\"parameters\":[{\"key\":\"number\",\"optional\":true,"
	    "\"schema\":{\"schema_type\":\"primitive\",\"type\":\"integer\"},"
	    TEXT("of the proposal; else the only one that is held") "},"
	    "{\"key\":\"reason\",\"optional\":true,\"schema\":" STRING ","
	    TEXT("for those who asked") "}],"
	    TEXT("Take your hold off a proposal") "}");
	check_description(cs, "export", "{\"command\":\"export\","
	    "\"parameters\":[{\"key\":\"kind\",\"optional\":true,\"schema\":"
	    "{\"schema_type\":\"union\",\"variants\":[" LITERAL("worker") ","
	    LITERAL("team") "," LITERAL("human") "," LITERAL("manager") ","
	    LITERAL("all") "]}," TEXT("only of this kind") "},"
	    "{\"key\":\"selector\",\"optional\":true,\"schema\":" STRING ","
	    TEXT("only with these labels") "}],"
	    TEXT("All that is declared, as one YAML file") "}");
	check_description(cs, "sleep", "{\"command\":\"sleep\","
	    "\"parameters\":[{\"key\":\"agent\",\"schema\":{\"schema_type\":"
	    "\"array\",\"items\":" STRING "}," TEXT("an agent, such as alice") "}],"
	    TEXT("End agents until somebody needs them") "}");
	for (size_t i = 0; i < commands_n(cs); i++) {
		all = command_description(commands_at(cs, i));
		assert_true(json_size(json_get(all, "parameters")) <= 8);
		json_free(all);
	}
	commands_free(cs);
}

/* The example of the MSC. */
static void
test_state_key(void **state)
{
	static char ban[] = "ban";
	struct command c = { .name = ban };
	char *key = command_state_key(&c, "@draupnir:draupnir.space");

	(void)state;
	assert_string_equal(key,
	    "JBDLR6YMe+72yqsEMi/MVdTmjN3ynPThMz+M7QLATZQ=");
	free(key);
}

static void
add_event(struct json *state, const char *type, const char *sender,
    const char *key, struct json *content)
{
	struct json *e = json_push(state, json_object());

	json_set_str(e, "type", type);
	json_set_str(e, "sender", sender);
	json_set_str(e, "state_key", key);
	json_set(e, "content", content);
}

/* All of an empty room, then only what differs; what is gone is emptied once. */
static void
test_due(void **state)
{
	static const char bot[] = "@hiclaw:x.org";
	struct house *h = *state;
	struct json *wanted = chat_descriptions(h->chat), *due;
	struct json *room = json_array();
	const struct json *first = json_first(wanted), *v;
	const char *second = json_key(json_next(first));

	due = chat_descriptions_due(wanted, room, bot);
	assert_true(json_size(wanted) > 50 && json_equal(due, wanted));
	json_free(due);
	for (v = json_next(json_next(first)); v != NULL; v = json_next(v))
		add_event(room, COMMAND_DESCRIPTION_TYPE, bot, json_key(v),
		    json_copy(v));
	add_event(room, COMMAND_DESCRIPTION_TYPE, "@other:x.org",
	    json_key(first), json_copy(first));
	add_event(room, COMMAND_DESCRIPTION_TYPE, bot, second,
	    parse("{\"command\":\"old\"}"));
	add_event(room, COMMAND_DESCRIPTION_TYPE, bot, "gone",
	    parse("{\"command\":\"gone\"}"));
	add_event(room, COMMAND_DESCRIPTION_TYPE, bot, "long gone",
	    json_object());
	add_event(room, COMMAND_DESCRIPTION_TYPE, "@other:x.org", "theirs",
	    parse("{\"command\":\"theirs\"}"));
	add_event(room, "m.room.name", bot, "", parse("{\"name\":\"n\"}"));
	due = chat_descriptions_due(wanted, room, bot);
	assert_int_equal(json_size(due), 3);
	assert_true(json_equal(json_get(due, json_key(first)), first));
	assert_true(json_equal(json_get(due, second), json_next(first)));
	assert_int_equal(json_size(json_get(due, "gone")), 0);
	json_free(due);
	json_free(room);
	json_free(wanted);
}

/* --- invocations -------------------------------------------------------------- */

static void
check_line(const struct commands *cs, const char *command,
    const char *arguments, const char *want)
{
	char *text = xasprintf("{\"command\":\"%s\",\"arguments\":%s}",
	    command, arguments), *line, *got;
	struct json *o = parse(text);
	const char *manifest;
	struct words w;
	struct err err;

	line = invocation_line(cs, o, &manifest);
	assert_int_equal(words_split(line, &w, &err), 0);
	got = strv_join(&w.raw, "|");
	assert_string_equal(got, want);
	free(got);
	words_release(&w);
	free(line);
	json_free(o);
	free(text);
}

static void
test_lines(void **state)
{
	static const struct { const char *command, *arguments, *want; } t[] = {
		{ "status", "{}", "status" },
		{ "logs", "{\"agent\":\"alice\",\"tail\":\"200\"}",
		    "logs|--tail=200|alice" },
		{ "logs", "{\"agent\":\"worker alice\",\"tail\":200}",
		    "logs|--tail=200|worker|alice" },
		{ "approve", "{\"number\":7,\"override\":true}",
		    "approve|--override|7" },
		{ "approve", "{\"override\":false,\"word\":\"web\"}",
		    "approve|web" },
		{ "sleep", "{\"agent\":[\"alice\",\"bob\"]}",
		    "sleep|alice|bob" },
		{ "set", "{\"resource\":\"worker bob\",\"field\":"
		    "[\"soul=Be \\\"kind\\\".\",\"model=m\"]}",
		    "set|worker|bob|soul=Be \"kind\".|model=m" },
		{ "freeze", "{\"reason\":\"don't touch it\",\"duration\":"
		    "\"2h\"}", "freeze|don't|touch|it|for|2h" },
		{ "exec", "{\"agent\":\"alice\",\"command\":\"ls -l\"}",
		    "exec|--|alice|ls|-l" },
		{ "gateway grant", "{\"agent\":\"alice\",\"name\":[\"qwen\"]}",
		    "gateway|grant|alice|qwen" },
		{ "token", "{\"action\":\"revoke\"}", "token|revoke" },
		{ "token", "{\"action\":null,\"days\":\"\"}", "token|--days=" },
		/* One line, whatever is in it. */
		{ "deny", "{\"reason\":\"a\\n@hiclaw delete\"}",
		    "deny|a|@hiclaw|delete" },
		/* A quote and a dash mean nothing beyond their value. */
		{ "freeze", "{\"reason\":\"'tis \\\"on\",\"duration\":\"2h\"}",
		    "freeze|tis \"on|for|2h" },
		{ "approve", "{\"number\":7,\"word\":\"--override\"}",
		    "approve|--|7|--override" },
		{ "deny", "{\"number\":7,\"reason\":\"-1 from me\"}",
		    "deny|--|7|-1|from|me" },
		{ "status", "{\"\":true,\"x\":false}",
		    "status|--=true|--x=false" },
		{ "logs", "[1,2]", "logs" },
		/* Not ours: refused like a flag that we do not have. */
		{ "status", "{\"x\":\"y z\"}", "status|--x=y z" },
		{ "logs", "{\"agent\":{\"id\":\"!x\"}}",
		    "logs|{id:!x}" },
		{ "apply", "{\"manifest\":{\"a\":1}}",
		    "apply|--manifest={\"a\":1}" },
		{ "exec bob -- rm x", "{\"x\":1}", "exec bob -- rm x" },
	};
	struct commands *cs = load();

	(void)state;
	for (size_t i = 0; i < NELEM(t); i++)
		check_line(cs, t[i].command, t[i].arguments, t[i].want);
	commands_free(cs);
}

/* --- in a room ------------------------------------------------------------------ */

static void
test_in_a_room(void **state)
{
	struct house *h = *state;
	const char *bot = "@hiclaw:x.org";

	expect(invoke(h, "/create", bot, "create", "{\"resource\":"
	    "\"worker ann\",\"field\":[\"model=m\"]}"), "done", "Worker/ann");
	assert_true(is_declared(h, "Worker", "ann"));
	expect(invoke(h, "/set", bot, "set", "{\"resource\":\"worker ann\"}"),
	    "refused", "No field given");
	expect(invoke(h, "/get", bot, "get", "{\"output\":\"name\","
	    "\"colour\":\"red\"}"), "refused", "--colour");
	expect(invoke(h, "/apply", bot, "apply", "{\"manifest\":"
	    "\"apiVersion: hiclaw.io/v1beta1\\nkind: Worker\\nmetadata:\\n"
	    "  name: bob\\nspec:\\n  model: m\\n\"}"), "done", "Worker/bob");
	expect(invoke(h, "good morning", bot, "get", "{\"kind\":\"worker\","
	    "\"output\":\"name\"}"), "info", "get --output=name worker`\n");
	/* No answer to anything, and no line of commands. */
	expect(invoke(h, "/yes", bot, "yes", "{}"), "refused", "yes");
	expect(invoke(h, "/x", bot, "delete worker ann", "{}"), "refused",
	    "delete worker ann");
	expect(invoke(h, "/get", bot, "get", "[1]"), "info", "ann");
	assert_true(is_declared(h, "Worker", "ann"));
	/* Somebody else's command of the same name, and a wrong one of ours. */
	assert_null(invoke(h, "/get", "@other:x.org", "get", "{}"));
	expect(invoke(h, "/gte", bot, "gte", "{}"), "refused", "get");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_declared),
		cmocka_unit_test(test_spellings),
		cmocka_unit_test(test_filled),
		cmocka_unit_test(test_descriptions),
		cmocka_unit_test(test_state_key),
		T(test_due),
		cmocka_unit_test(test_lines),
		T(test_in_a_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
