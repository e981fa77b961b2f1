/*
 * The smaller commands: what they print, what they change and what they refuse.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hiclaw/clock.h"

#include "../../src/chat/pairs.h"
#include "../../src/chat/words.h"
#include "house.h"

#define TOM	"@tom:x.org"	/* tier 3 */
#define HUMAN_3 HEAD("Human", "tom") "spec:\n  displayName: Tom\n" \
    "  matrixUserId: \"" TOM "\"\n  permissionLevel: 3\n" \
    "  accessibleWorkers: [wim]\n"

/* --- helpers ---------------------------------------------------------------- */

/* The block of a message, as a client would copy it; yours. */
static char *
fence_of(const struct json *r)
{
	static const struct { const char *is, *means; } marks[] = {
		{ "&amp;", "&" }, { "&lt;", "<" }, { "&gt;", ">" },
		{ "&quot;", "\"" }, { "&#39;", "'" },
	};
	const char *html = json_str(json_get(r, "content"), "formatted_body");
	const char *p = strstr(html, "<pre><code"), *end;
	struct buf b = { 0 };
	size_t i;

	if (p == NULL)
		fail_msg("no block in %s", html);
	end = strstr(p, "</code>");
	for (p = strchr(p + strlen("<pre><code"), '>') + 1; p < end;) {
		for (i = 0; i < NELEM(marks); i++)
			if (str_starts(p, marks[i].is))
				break;
		if (i < NELEM(marks)) {
			buf_puts(&b, marks[i].means);
			p += strlen(marks[i].is);
		} else
			buf_putc(&b, *p++);
	}
	if (b.len > 0 && b.data[b.len - 1] != '\n')
		buf_putc(&b, '\n');
	return buf_take(&b);
}

/* The newest message of ours with that in it. */
static const struct json *
said(struct house *h, const char *part)
{
	const struct json *v, *found = NULL;

	post(h);
	for (v = json_first(h->sent); v != NULL; v = json_next(v))
		if (strstr(body_of(v), part) != NULL)
			found = v;
	return found;
}

static struct resource *
declared(struct house *h, const char *kind, const char *name)
{
	struct resource *r = resources_find(engine_resources(h->engine),
	    kind_find(kind), name);

	if (r == NULL)
		fail_msg("there is no %s %s", kind, name);
	return r;
}

/* A member of the spec, as canonical JSON. */
static void
assert_field(struct house *h, const char *kind, const char *name,
    const char *path, const char *json)
{
	const struct json *v = json_path(declared(h, kind, name)->spec, path);
	char *text = v != NULL ? json_canonical(v) : xstrdup("absent");

	assert_string_equal(text, json);
	free(text);
}

static const struct json *
paste(struct house *h, const char *yaml)
{
	char *text = xasprintf("```yaml\n%s```", yaml);
	const struct json *r = ask(h, text);

	free(text);
	return r;
}

static const struct json *
with_fence(struct house *h, const char *line, const char *yaml)
{
	char *text = xasprintf("%s\n```yaml\n%s```", line, yaml);
	const struct json *r = ask(h, text);

	free(text);
	return r;
}

/* In a direct chat of somebody. */
static const struct json *
ask_as(struct house *h, const char *who, const char *body)
{
	char room[64];
	const char *id;

	snprintf(room, sizeof room, "!room:dm/%s", who);
	store_begin(h->store);
	engine_dm(h->engine, who);
	house_turn(h);
	assert_true(wait_for(h, is_quiet));
	id = speak_in(h, room, who, body, NULL);
	assert_true(wait_for(h, is_quiet));
	post(h);
	return reply_to(h, id);
}

/* --- pairs ------------------------------------------------------------------- */

static void
test_pairs(void **state)
{
	static const struct { const char *line, *is; } cases[] = {
		{ "model=a", "model=a;" },
		{ "model = a", "model=a;" },
		{ "model =a", "model=a;" },
		{ "model= a", "model=a;" },
		{ "a=1 b=2", "a=1;b=2;" },
		{ "a = 1 b = 2", "a=1;b=2;" },
		{ "image= model=x", "image-;model=x;" },
		{ "image= model = x", "image-;model=x;" },
		{ "image=", "image-;" },
		{ "image =", "image-;" },
		{ "skills=a, b ,c", "skills=a,b,c;" },
		{ "skills=a skills=b", "skills=a;skills+b;" },
		{ "skills+=a", "skills+a;" },
		{ "n=\xe2\x80\x9cJane Doe\xe2\x80\x9d x=1",
		    "n=Jane Doe;x=1;" },
		{ "n=\"a=b\"", "n=a=b;" },
		{ "model\xef\xbc\x9dx", "model=x;" },
		{ "app- tier=x", "app-;tier=x;" },
		{ "app\xe2\x80\x94 tier\xe2\x80\x93", "app-;tier-;" },
		{ "s={a: [b, c], d: e} x=1", "s={a: [b, c], d: e};x=1;" },
		{ "s=[a b=1", "s=[a b=1;" },
		{ "model qwen", "! \"model\" has no value; did you mean "
		    "model=qwen?" },
		{ "= x", "! \"=\" has no value: write field=value, in quotes "
		    "if there are blanks in it" },
	};
	struct words w;
	struct pairs ps;
	struct err err;

	(void)state;
	for (size_t i = 0; i < NELEM(cases); i++) {
		struct buf b = { 0 };

		assert_int_equal(words_split(cases[i].line, &w, &err), 0);
		if (pairs_read(&w.v, 0, &ps, &err) == -1)
			buf_printf(&b, "! %s", err.msg);
		for (size_t j = 0; j < ps.n; j++)
			buf_printf(&b, "%s%s%s;", ps.v[j].key,
			    ps.v[j].value == NULL ? "-" :
			    ps.v[j].is_more ? "+" : "=",
			    ps.v[j].value != NULL ? ps.v[j].value : "");
		assert_string_equal(buf_str(&b), cases[i].is);
		buf_release(&b);
		pairs_release(&ps);
		words_release(&w);
	}
}

/* --- template, lint ---------------------------------------------------------- */

static void
test_template(void **state)
{
	struct house *h = *state;
	static const char *const kinds_of[] = { "worker", "team", "human",
		"manager", "worker ann", "tm web", "human/jane" };
	const struct json *r;
	char *line, *yaml;

	for (size_t i = 0; i < NELEM(kinds_of); i++) {
		line = xasprintf("!hiclaw template %s", kinds_of[i]);
		r = ask(h, line);
		expect(r, "info", "Copy, change and paste it.");
		yaml = fence_of(r);
		assert_non_null(strstr(yaml, "  # "));
		expect(with_fence(h, "!hiclaw lint", yaml), "done",
		    "1 document without a fault");
		expect(paste(h, yaml), "done", "done");
		free(yaml);
		free(line);
	}
	assert_true(is_declared(h, "Worker", "my-worker"));
	assert_true(is_declared(h, "Worker", "ann"));
	assert_true(is_declared(h, "Team", "web"));
	assert_true(is_declared(h, "Manager", "default"));
	assert_field(h, "Team", "web", "leader.name", "\"web-leader\"");
	/* Names that are taken are not used again; of a Manager there is one. */
	expect(ask(h, "!hiclaw template worker"), "info", "name: my-worker-2");
	expect(ask(h, "!hiclaw template manager"), "info", "pasting this "
	    "changes it");
	/* A member: the Team as it is, and one more. */
	r = ask(h, "!hiclaw template member wim team=web");
	yaml = fence_of(r);
	expect(with_fence(h, "!hiclaw lint", yaml), "done", "without a fault");
	expect(paste(h, yaml), "done", "done");
	free(yaml);
	assert_int_equal(json_size(json_get(declared(h, "Team", "web")->spec,
	    "workers")), 2);
	expect(ask(h, "!hiclaw template member wim team=web"), "refused",
	    "There is an agent wim already");
	expect(ask(h, "!hiclaw template member"), "refused",
	    "member of which team");
	expect(ask(h, "!hiclaw template wroker"), "refused",
	    "did you mean worker");
	expect(ask(h, "!hiclaw template team x team=web"), "refused",
	    "Only a worker can be in a team");
}

static void
test_lint(void **state)
{
	struct house *h = *state;
	const struct json *r;

	expect(paste(h, TEAM), "done", "done");
	expect(paste(h, HUMAN_3), "done", "done");
	expect(with_fence(h, "!hiclaw lint", WORKER("ann", "m")), "done",
	    "1 document without a fault");
	assert_false(is_declared(h, "Worker", "ann"));
	/* All that is wrong, with its lines. */
	r = with_fence(h, "!hiclaw lint", HEAD("Worker", "ann")
	    "spec:\n  modle: m\n  state: Asleep\n");
	expect(r, "refused", "did you mean \"model\"");
	expect(r, "refused", "line 6");
	expect(r, "refused", "Asleep");
	/* Against what is declared: wim is in web. */
	expect(with_fence(h, "!hiclaw lint", WORKER("wim", "m")), "refused",
	    "1 problem");
	/* What a phone did, and how it reads then. */
	r = with_fence(h, "!hiclaw lint", "ApiVersion: hiclaw.io/v1beta1\n"
	    "Kind: Worker\nMetadata:\n  name: ann\nspec:\n  model: m\n");
	expect(r, "done", "Repaired it reads:");
	expect(r, "done", "apiVersion: hiclaw.io/v1beta1");
	expect(ask(h, "!hiclaw lint"), "refused", "manifest");
	/* Tier 3 hears about the text, not about what else there is. */
	r = ask_as(h, TOM, "lint\n```yaml\n" WORKER("wim", "m") "```");
	expect(r, "done", "was not looked at");
	expect(r, "done", "without a fault");
}

/* --- create, set, label, scale -------------------------------------------------- */

static void
test_create(void **state)
{
	struct house *h = *state;
	const struct json *r;

	r = ask(h, "!hiclaw create worker bob model=qwen3 runtime = copaw "
	    "skills=a, b env.TZ=Europe/Berlin expose=8080");
	expect(r, "done", "create Worker/bob");
	assert_field(h, "Worker", "bob", "runtime", "\"copaw\"");
	assert_field(h, "Worker", "bob", "skills", "[\"a\",\"b\"]");
	assert_field(h, "Worker", "bob", "env",
	    "{\"TZ\":\"Europe/Berlin\"}");
	assert_field(h, "Worker", "bob", "expose", "[{\"port\":8080}]");
	/* The YAML comes first, and can be pasted. */
	r = said(h, "In YAML:");
	assert_non_null(strstr(body_of(r), "  model: qwen3\n"));
	assert_null(json_get(json_get(r, "content"), "io.hiclaw.reply"));
	expect(ask(h, "!hiclaw create worker bob model=x"), "refused",
	    "There is a worker bob already");
	expect(ask(h, "!hiclaw create team web leader=lea workers=wim,wanda"),
	    "done", "");
	assert_field(h, "Team", "web", "leader.name", "\"lea\"");
	expect(ask(h, "!hiclaw create worker wilma team=web model=small"),
	    "done", "create Worker/wilma in Team/web");
	assert_field(h, "Team", "web", "workers", "[{\"name\":\"wim\"},"
	    "{\"name\":\"wanda\"},{\"model\":\"small\",\"name\":\"wilma\"}]");
	assert_false(is_declared(h, "Worker", "wilma"));
	expect(ask(h, "!hiclaw create human jo"), "done", "");
	assert_field(h, "Human", "jo", "permissionLevel", "3");
	/* What is wrong names the field. */
	expect(ask(h, "!hiclaw create worker cid modle=x"), "refused",
	    "did you mean \"model\"?");
	expect(ask(h, "!hiclaw create worker cid model=x state=Asleep"),
	    "refused", "spec.state");
	expect(ask(h, "!hiclaw create worker cid team=wbe"), "refused",
	    "web");
	expect(ask(h, "!hiclaw create worker Big_Name model=x"), "refused",
	    "try \"big-name\"");
	expect(ask(h, "!hiclaw create wroker cid"), "refused",
	    "did you mean Worker");
	assert_false(is_declared(h, "Worker", "cid"));
}

static void
test_set(void **state)
{
	struct house *h = *state;

	expect(paste(h, TEAM), "done", "done");
	expect(paste(h, WORKER("ann", "m")), "done", "done");
	expect(ask(h, "!hiclaw set worker ann Model = big state=Sleeping"),
	    "done", "set Worker/ann");
	assert_field(h, "Worker", "ann", "model", "\"big\"");
	assert_field(h, "Worker", "ann", "state", "\"Sleeping\"");
	expect(ask(h, "!hiclaw set worker ann state="), "done", "");
	assert_field(h, "Worker", "ann", "state", "absent");
	expect(ask(h, "!hiclaw set worker ann skills=a skills=b"), "done", "");
	expect(ask(h, "!hiclaw set worker ann skills+=c"), "done", "");
	assert_field(h, "Worker", "ann", "skills", "[\"a\",\"b\",\"c\"]");
	expect(ask(h, "!hiclaw set worker ann mcpServers.gh.url="
	    "https://x.org/"), "done", "");
	assert_field(h, "Worker", "ann", "mcpServers",
	    "[{\"name\":\"gh\",\"url\":\"https://x.org/\"}]");
	expect(ask(h, "!hiclaw set worker ann env={A: b, C: d}"), "done", "");
	assert_field(h, "Worker", "ann", "env",
	    "{\"A\":\"b\",\"C\":\"d\"}");
	expect(ask(h, "!hiclaw set worker ann env.A= env.C="), "done", "");
	assert_field(h, "Worker", "ann", "env", "absent");
	/* The same again is nothing to do, and prints nothing. */
	forget_sent(h);
	expect(ask(h, "!hiclaw set worker ann model=big"), "done",
	    "Nothing to do");
	assert_null(said(h, "In YAML:"));
	/* Members by themselves, or by their Team. */
	expect(ask(h, "!hiclaw set worker wim model=tiny"), "done", "");
	expect(ask(h, "!hiclaw set team web workers.wanda.model=huge "
	    "description=\"All of it\" peerMentions=no"), "done", "");
	assert_field(h, "Team", "web", "workers", "[{\"model\":\"tiny\","
	    "\"name\":\"wim\"},{\"model\":\"huge\",\"name\":\"wanda\"}]");
	assert_field(h, "Team", "web", "peerMentions", "false");
	expect(ask(h, "!hiclaw set worker lea model=wise"), "done", "");
	assert_field(h, "Team", "web", "leader.model", "\"wise\"");
	/* What deletes something asks. */
	expect(ask(h, "!hiclaw set team web workers=wim"), "question",
	    "delete");
	expect(ask(h, "no"), "refused", "");
	/* A slip of the finger makes no agent. */
	expect(ask(h, "!hiclaw set team web workers.wnada.model=x"),
	    "refused", "did you mean \"wanda\"?");
	expect(ask(h, "!hiclaw set worker ann replicas=3"), "refused",
	    "has no field \"replicas\"");
	expect(ask(h, "!hiclaw set human jo permissionLevel=2"), "refused",
	    "jo");
	expect(ask(h, "!hiclaw set worker ann resources.pids=many"),
	    "refused", "whole number");
	expect(ask(h, "!hiclaw set worker ann model"), "refused",
	    "has no value");
	expect(ask(h, "!hiclaw set worker ann model="), "refused", "model");
	expect(ask(h, "!hiclaw set worker wim metadata.labels.a=b"),
	    "refused", "no metadata of its own");
	expect(ask(h, "!hiclaw set worker ann metadata.annotations.who=ops"),
	    "done", "");
}

/* Nobody reads in the echo what was not theirs to say. */
static void
test_set_masks(void **state)
{
	struct house *h = *state;

	expect(paste(h, WORKER("ann", "m") "  env: {API_KEY: abcdef123456}\n"),
	    "done", "done");
	forget_sent(h);
	expect(ask(h, "!hiclaw set worker ann model=x"), "done", "");
	assert_non_null(said(h, "API_KEY: ***"));
	assert_null(said(h, "abcdef123456"));
	assert_field(h, "Worker", "ann", "env.API_KEY", "\"abcdef123456\"");
}

static void
test_label(void **state)
{
	struct house *h = *state;

	expect(paste(h, TEAM), "done", "done");
	expect(ask(h, "!hiclaw label team web tier=front app-"), "done",
	    "label Team/web");
	expect(ask(h, "!hiclaw get team -l tier=front"), "info", "web");
	expect(ask(h, "!hiclaw get team -l app=web"), "info", "Nothing has");
	expect(ask(h, "!hiclaw label team web tier\xe2\x80\x94"), "done", "");
	assert_null(json_get(declared(h, "Team", "web")->metadata, "labels"));
	expect(ask(h, "!hiclaw label worker wim a=b"), "refused",
	    "label that");
	expect(ask(h, "!hiclaw label team web a=\"no good\""), "refused",
	    "labels");
}

static void
test_scale(void **state)
{
	struct house *h = *state;
	const struct json *r;

	expect(paste(h, TEAM), "done", "done");
	expect(ask(h, "!hiclaw scale web 4"), "done",
	    "scale Team/web from 2 to 4");
	assert_field(h, "Team", "web", "workers", "[{\"model\":\"m\","
	    "\"name\":\"wim\"},{\"model\":\"m\",\"name\":\"wanda\"},"
	    "{\"model\":\"m\",\"name\":\"wanda-2\"},"
	    "{\"model\":\"m\",\"name\":\"wanda-3\"}]");
	expect(ask(h, "!hiclaw scale team web to 5"), "done", "from 4 to 5");
	r = ask(h, "!hiclaw scale web 1");
	expect(r, "question", "delete");
	assert_int_equal(json_size(json_get(declared(h, "Team", "web")->spec,
	    "workers")), 5);
	expect(ask(h, "yes"), "done", "from 5 to 1");
	assert_int_equal(json_size(json_get(declared(h, "Team", "web")->spec,
	    "workers")), 1);
	expect(ask(h, "!hiclaw scale web +1"), "done", "from 1 to 2");
	expect(ask(h, "!hiclaw scale web 2"), "done", "Nothing to do");
	expect(ask(h, "!hiclaw scale wbe 2"), "refused", "web");
	expect(ask(h, "!hiclaw scale web many"), "refused", "no number");
	expect(ask(h, "!hiclaw scale web"), "refused", "hich team");
}

/* Tier 2 and 3 come no further than with a manifest. */
static void
test_set_tiers(void **state)
{
	struct house *h = *state;

	expect(paste(h, TEAM "---\n" WORKER("ann", "m") "---\n" HUMAN_2
	    "  accessibleTeams: [web]\n---\n" HUMAN_3), "done", "done");
	expect(ask_as(h, JANE, "set worker wim model=x"), "done", "");
	forget_sent(h);
	expect(ask_as(h, JANE, "set worker ann model=x"), "refused",
	    "accessibleTeams");
	assert_null(said(h, "In YAML:"));
	expect(ask_as(h, JANE, "create worker bob model=x"), "refused", "");
	assert_false(is_declared(h, "Worker", "bob"));
	expect(ask_as(h, JANE, "scale web 3"), "done", "");
	assert_non_null(ask_as(h, TOM, "set worker wim model=y"));
	assert_field(h, "Team", "web", "workers", "[{\"model\":\"x\","
	    "\"name\":\"wim\"},{\"model\":\"m\",\"name\":\"wanda\"},"
	    "{\"model\":\"m\",\"name\":\"wanda-2\"}]");
}

/* --- export ----------------------------------------------------------------------- */

static void
test_export(void **state)
{
	struct house *h = *state;
	const struct json *v, *file = NULL;

	expect(ask(h, "!hiclaw export"), "info", "nothing to export");
	expect(paste(h, TEAM "---\n" WORKER("ann", "m") "---\n" HUMAN_3),
	    "done", "done");
	expect(ask(h, "!hiclaw export"), "info", "3 resources");
	for (v = json_first(h->sent); v != NULL; v = json_next(v))
		if (str_equal(json_str(v, "file_name"), "hiclaw.yaml"))
			file = v;
	assert_non_null(file);
	assert_null(strstr(json_str(file, "file"), "status:"));
	expect(paste(h, json_str(file, "file")), "done", "Nothing to do");
	expect(ask(h, "!hiclaw export team -l app=web"), "info",
	    "1 resource ");
	expect(ask(h, "!hiclaw export wroker"), "refused", "did you mean");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pairs),
		T(test_template), T(test_lint), T(test_create), T(test_set),
		T(test_set_masks), T(test_label), T(test_scale),
		T(test_set_tiers), T(test_export),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
