/*
 * What others did, declared: one golden file of every sort of difference, and of
 * those that no field can hold.
 *
 * Differences are those that the real kinds see between what is wanted and a
 * form in which something is changed.  What was adopted is compiled again: it has
 * to come out as it was found.
 */
#include "setting-help.h"

#include "hiclaw/file-rule.h"
#include "hiclaw/ops.h"
#include "hiclaw/provider.h"

#include "room-help.h"

#define BOT	"@hiclaw:example.org"

/* --- forms ---------------------------------------------------------------- */

static const struct json *
known(void *arg, const char *key, const char *field)
{
	static struct json *v;

	json_free(v);
	v = json_stringf("<%s %s>", key, field);
	return v;
}

/* NULL: it is not wanted. */
static struct json *
desired_of(const struct setting *s, const char *key, char **owner)
{
	struct world *w = world_compile(&s->cfg, s->rs);
	const struct object *o = world_find(w, key);
	struct json *form = NULL, *resolved = NULL;

	if (o != NULL) {
		form = json_must(o->desired);
		resolved = object_resolve(form, known, NULL, NULL);
		json_free(form);
		if (owner != NULL)
			*owner = xstrdup(o->owner);
	}
	world_free(w);
	return resolved;
}

/* Null removes. */
static void
merge(struct json *into, const struct json *patch)
{
	for (const struct json *v = json_first(patch); v != NULL;
	    v = json_next(v)) {
		const char *key = json_key(v);

		if (json_is(v, JSON_OBJECT))
			merge(json_obj(into, key), v);
		else if (json_is(v, JSON_NULL))
			json_remove(into, key);
		else
			json_set(into, key, json_copy(v));
	}
}

static struct json *
file_observed(const struct json *desired, bool is_same)
{
	char source[65];
	struct json *o = json_object();

	file_source(desired, source);
	json_set_str(o, "path", json_str(desired, "path"));
	json_set_str(o, "source", source);
	json_set_str(o, "good", "1");
	json_set_str(o, "sha256", is_same ? "1" : "2");
	return o;
}

/* The form in which somebody changed it, and what the provider found. */
struct state { struct json *desired, *observed, *found; char *text; };

struct row {
	const char	*what, *key;
	const char	*patch;		/* of the form, of the tree of a file */
	const char	*text;		/* of a file; NULL in both: it is gone */
	const char	*part;		/* in the text this, by `text` */
	bool		 is_partial;	/* or nothing of it: no round trip */
};

static void
state_make(const struct row *row, struct json *desired, struct state *s)
{
	struct json *patch = row->patch != NULL ? json_must(row->patch) : NULL;
	struct json *tree;
	char *whole;
	struct err err;

	*s = (struct state){ .desired = desired };
	if (str_starts(row->key, "file:") && row->part != NULL) {
		whole = file_render(desired, NULL, NULL, 0, &err);
		s->text = with(whole, row->part, row->text);
		free(whole);
	} else if (str_starts(row->key, "file:") && row->text != NULL)
		s->text = xstrdup(row->text);
	else if (str_starts(row->key, "file:") && patch != NULL) {
		tree = json_copy(json_get(desired, "json"));
		merge(tree, patch);
		s->text = json_canonical(tree);
		json_free(tree);
	} else if (patch != NULL) {
		s->observed = str_starts(row->key, "room:") ? room_settled(
		    row->key, desired, BOT) : json_copy(desired);
		merge(s->observed, patch);
	}
	if (s->text != NULL) {
		s->observed = file_observed(desired, false);
		s->found = file_found(desired, s->text, strlen(s->text));
	}
	json_free(patch);
}

static void
state_release(struct state *s)
{
	json_free(s->desired);
	json_free(s->observed);
	json_free(s->found);
	free(s->text);
}

static const struct object_kind *
kind_of(const char *key)
{
	char name[32];
	const struct object_kind *k;

	k = object_kind_find(object_kind_name(key, name, sizeof name), NULL);
	assert_non_null(k);
	return k;
}

/* As the engine tells it. */
static struct json *
was_of(const char *key, const struct state *s)
{
	struct json *was = json_object(), *o;
	struct json *list = json_set(was, "changes", json_array());
	struct changes c = { 0 };

	kind_of(key)->diff(s->desired, s->observed, &c);
	for (size_t i = 0; i < c.n; i++) {
		o = json_push(list, json_object());
		json_set_str(o, "what", c.v[i].what);
		json_set_str(o, "from", c.v[i].from);
		json_set_str(o, "to", c.v[i].to);
	}
	changes_release(&c);
	json_set(was, "found", json_copy(s->found));
	return was;
}

/* --- the table ------------------------------------------------------------ */

/* FORM: so the form is changed (NULL: it is gone), TEXT: the text of the file, or
 * a part of it.  With NO_ it cannot be declared as it is. */
#define FORM(w, k, p)	{ .what = w, .key = k, .patch = p }
#define NO_FORM(w, k, p) { .what = w, .key = k, .patch = p, .is_partial = true }
#define TEXT(w, k, t, p) { .what = w, .key = k, .text = t, .part = p }
#define NO_TEXT(w, k, t, p) \
	{ .what = w, .key = k, .text = t, .part = p, .is_partial = true }
static const struct row rows[] = {
	FORM("the topic of a team", "room:team/frontend",
	    "{\"topic\":\"All about the web\"}"),
	NO_FORM("a topic taken away", "room:team/frontend",
	    "{\"topic\":null}"),
	NO_FORM("a topic too long for its field", "room:team/frontend", NULL),
	NO_FORM("another topic", "room:worker/alice", "{\"topic\":\"Mine\"}"),
	NO_FORM("the name and who may join", "room:team/frontend",
	    "{\"name\":\"Mine\",\"join_rule\":\"public\"}"),
	FORM("tier 2 came into an agent's room", "room:worker/alice",
	    "{\"members\":{\"@jane:example.org\":\"invite\"}}"),
	FORM("tier 3 came into a team's room", "room:team/frontend",
	    "{\"members\":{\"@john:example.org\":\"join\"}}"),
	FORM("a stranger came into a team's room", "room:team/frontend",
	    "{\"members\":{\"@eve:far.org\":\"join\"}}"),
	NO_FORM("a stranger came into an agent's room", "room:worker/alice",
	    "{\"members\":{\"@eve:far.org\":\"join\"}}"),
	FORM("tier 2 came into the admin room", "room:admin",
	    "{\"members\":{\"@jane:example.org\":\"join\"}}"),
	NO_FORM("tier 2 came to the Manager", "room:manager/default",
	    "{\"members\":{\"@jane:example.org\":\"join\"}}"),
	NO_FORM("an agent came in", "room:team/frontend",
	    "{\"members\":{\"@hiclaw_alice:example.org\":\"join\"}}"),
	NO_FORM("an agent was put out", "room:team/frontend",
	    "{\"members\":{\"@hiclaw_wilhelm:example.org\":null}}"),
	FORM("tier 2 was put out of a team's room", "room:team/frontend",
	    "{\"members\":{\"@jane:example.org\":null}}"),
	NO_FORM("tier 2 was put out of the room of one of the team",
	    "room:worker/wilhelm",
	    "{\"members\":{\"@jane:example.org\":\"ban\"}}"),
	FORM("a coordinator was put out", "room:team/frontend",
	    "{\"members\":{\"@olga:example.org\":null}}"),
	FORM("tier 3 was put out", "room:worker/alice",
	    "{\"members\":{\"@john:example.org\":null}}"),
	NO_FORM("tier 1 and an admin were put out", "room:worker/alice",
	    "{\"members\":{\"@rosa:example.org\":null,\"@admin:example.or"
	    "g\":null}}"),
	FORM("tier 2 was given 100 in the admin room", "room:admin",
	    "{\"power\":{\"users\":{\"@jane:example.org\":100}}}"),
	NO_FORM("tier 2 was given 100", "room:team/frontend",
	    "{\"power\":{\"users\":{\"@jane:example.org\":100}}}"),
	FORM("tier 2 was given 75", "room:team/frontend",
	    "{\"power\":{\"users\":{\"@jane:example.org\":75}}}"),
	NO_FORM("tier 2 was given 60", "room:team/frontend",
	    "{\"power\":{\"users\":{\"@jane:example.org\":60}}}"),
	NO_FORM("tier 1 was put down, an agent raised", "room:team/frontend",
	    "{\"power\":{\"users\":{\"@rosa:example.org\":0,\"@hiclaw_wilhe"
	    "lm:example.org\":50}}}"),
	NO_FORM("who may invite", "room:team/frontend",
	    "{\"power\":{\"invite\":0}}"),

	TEXT("a soul", "file:agents/alice/SOUL.md",
	    "You build the pages.\nAnd you test them.\n", NULL),
	TEXT("a soul with its last line open", "file:agents/wilhelm/SOUL.md",
	    "You test twice.\n\n", NULL),
	TEXT("the copy of a soul for Hermes",
	    "file:agents/wilhelm/.hermes/SOUL.md", "You test everything.\n",
	    NULL),
	TEXT("the soul behind an identity", "file:agents/carl/SOUL.md",
	    "Name: Carl\n\nYou answer everything.\n", NULL),
	TEXT("the identity in front of a soul", "file:agents/carl/SOUL.md",
	    "Name: Carla\n\nYou answer mail.\n\nBe kind.\n", NULL),
	NO_TEXT("both of them", "file:agents/carl/SOUL.md",
	    "I am somebody else.\n", NULL),
	NO_TEXT("no soul", "file:agents/alice/SOUL.md", " \n", NULL),
	NO_FORM("a soul taken away", "file:agents/alice/SOUL.md", NULL),
	TEXT("an identity", "file:agents/alice/IDENTITY.md", "Name: Alicia\n",
	    NULL),
	FORM("an identity taken away", "file:agents/alice/IDENTITY.md", NULL),
	TEXT("our part of AGENTS.md", "file:agents/alice/AGENTS.md",
	    "Deploy when you like.\n\n- and tell us",
	    "Ask before you deploy."),
	TEXT("that part emptied", "file:agents/alice/AGENTS.md", "",
	    SPEC_START "\nAsk before you deploy.\n" SPEC_END "\n"),
	NO_TEXT("another part of AGENTS.md", "file:agents/alice/AGENTS.md",
	    "## Cooperation", "## Coordination"),
	NO_TEXT("what is made from templates", "file:agents/alice/USER.md",
	    "# Nobody\n", NULL),
	NO_TEXT("a secret in a soul", "file:agents/alice/SOUL.md",
	    "The key is sk-a8Kd02mNq7Lz31bXw9RtYc5V.\n", NULL),
	NO_TEXT("a secret of its own", "file:agents/alice/SOUL.md",
	    "The key is 00112233445566778899.\n", NULL),

	FORM("another model", "file:agents/alice/openclaw.json",
	    "{\"agents\":{\"defaults\":{\"model\":{\"primary\":\"hiclaw-gat"
	    "eway/big-1\"}}}}"),
	NO_FORM("a model from elsewhere", "file:agents/alice/openclaw.json",
	    "{\"agents\":{\"defaults\":{\"model\":{\"primary\":\"openai/gp"
	    "t\"}}}}"),
	FORM("a leader's rounds", "file:agents/lea/openclaw.json",
	    "{\"agents\":{\"defaults\":{\"heartbeat\":{\"every\":\"1h\"}}}}"),
	NO_FORM("a leader's rounds turned off",
	    "file:agents/lea/openclaw.json",
	    "{\"agents\":{\"defaults\":{\"heartbeat\":{\"enabled\":false,\""
	    "every\":\"0m\"}}}}"),
	FORM("the Manager's rounds", "file:agents/default/openclaw.json",
	    "{\"agents\":{\"defaults\":{\"heartbeat\":{\"every\":\"2h\"}}}}"),
	NO_FORM("who is heard", "file:agents/alice/openclaw.json",
	    "{\"channels\":{\"matrix\":{\"groupPolicy\":\"open\"}}}"),
	FORM("a tool server elsewhere",
	    "file:agents/alice/config/mcporter.json",
	    "{\"mcpServers\":{\"notes\":{\"url\":\"https://notes.example.co"
	    "m/\"}}}"),
	FORM("a tool server taken away",
	    "file:agents/alice/mcporter-servers.json",
	    "{\"mcpServers\":{\"notes\":null}}"),

	NO_FORM("an agent taken from a list, which it is in by its model",
	    "route:qwen",
	    "{\"allowed\":[\"manager-default\",\"worker-carl\",\"worker-le"
	    "a\",\"worker-wanda\",\"worker-wilhelm\"]}"),
	FORM("an agent taken from a list", "route:big", "{\"allowed\":[]}"),
	FORM("an agent taken from the list of a tool server", "mcp:github",
	    "{\"allowed\":[]}"),
	NO_FORM("where a route leads", "route:qwen", "{\"provider\":\"\"}"),
	FORM("a port that is published no more", "expose:alice-3000", NULL),
	FORM("a container taken away", "container:alice", NULL),
	NO_FORM("a gateway key", "consumer:worker-alice", NULL),
};

/* --- the golden file ------------------------------------------------------ */

static void
put_was(const struct json *was, struct buf *out)
{
	const struct json *v = json_first(json_get(was, "changes"));

	for (; v != NULL; v = json_next(v))
		buf_printf(out, "found   %s: %.40s, not %.40s\n",
		    json_strd(v, "what", ""), json_strd(v, "from", json_bool(v,
		    "secret", false) ? "***" : "nothing"), json_strd(v, "to",
		    "nothing"));
}

static void
put_changes(const struct setting *s, const struct json *doc, struct buf *out)
{
	const struct kind *kind = kind_find(json_strd(doc, "kind", ""));
	struct resource *to = resource_new(kind, json_copy(json_get(doc,
	    "metadata")), json_copy(json_get(doc, "spec")));
	struct field_changes c = { 0 };

	resource_diff(resources_find(s->rs, kind, to->name), to, &c);
	for (size_t i = 0; i < c.n; i++)
		buf_printf(out, "declare %s/%s %s: %s\n", kind->name,
		    to->name, c.v[i].path, c.v[i].to != NULL ? c.v[i].to :
		    "nothing");
	field_changes_release(&c);
	resources_put(s->rs, to);
	resource_unref(to);
}

/* With what was adopted in place, that difference is none any more. */
static void
expect_adopted(const struct row *row, const struct setting *s,
    const struct state *before, const struct json *was)
{
	struct json *desired = desired_of(s, row->key, NULL), *tree, *patch;
	const struct json *v = json_first(json_get(was, "changes"));
	struct changes c = { 0 };
	struct err err;
	char *text;

	if (desired == NULL)		/* gone: so is it found */
		assert_true(before->observed == NULL ||
		    json_get(before->observed, "path") == NULL);
	else if (before->text != NULL && row->patch == NULL) {
		text = file_render(desired, NULL, before->text,
		    strlen(before->text), &err);
		assert_string_equal(text, before->text);
		free(text);
	} else if (before->text != NULL) {
		patch = json_must(row->patch);
		tree = json_copy(json_get(desired, "json"));
		merge(tree, patch);
		assert_true(json_equal(tree, json_get(desired, "json")));
		json_free(tree);
		json_free(patch);
	} else {
		kind_of(row->key)->diff(desired, before->observed, &c);
		for (size_t i = 0; i < c.n; i++)
			if (strcmp(c.v[i].what, json_strd(v, "what", "")) == 0)
				fail_msg("%s: still %s", row->what,
				    c.v[i].what);
		changes_release(&c);
	}
	json_free(desired);
}

static void
put_row(const struct row *row, struct buf *out)
{
	static char own[] = "00112233445566778899", *one[] = { own, NULL };
	static const struct strv secrets = { one, 1, 2 };
	struct setting s;
	struct state st;
	struct adoption a;
	struct origins *o;
	struct json *was, *kept;
	struct row long_one = *row;
	char *owner = NULL, topic[5000];

	setting_init(&s);
	if (row->patch == NULL && str_starts(row->key, "room:")) {
		memset(topic, 'x', sizeof topic);
		memcpy(topic, "{\"topic\":\"", 10);
		str_copy(topic + sizeof topic - 3, "\"}", 3);
		long_one.patch = topic;
	}
	state_make(&long_one, desired_of(&s, row->key, &owner), &st);
	assert_non_null(st.desired);
	was = was_of(row->key, &st);
	kept = adoption_keep(was, &secrets);
	o = origins_new(&s.cfg, s.rs);
	adoption_make(o, row->key, owner, kept, &a);
	origins_free(o);
	buf_printf(out, "# %s (%s)\n", row->what, row->key);
	put_was(kept, out);
	for (const struct json *v = json_first(a.docs); v != NULL;
	    v = json_next(v))
		put_changes(&s, v, out);
	for (size_t i = 0; i < a.fields.n; i++)
		buf_printf(out, "field   %s\n", a.fields.v[i]);
	for (size_t i = 0; i < a.cannot.n; i++)
		buf_printf(out, "cannot  %s\n", a.cannot.v[i]);
	buf_putc(out, '\n');
	if (!row->is_partial) {
		assert_int_not_equal(json_size(a.docs), 0);
		expect_adopted(row, &s, &st, was);
	}
	adoption_release(&a);
	json_free(was);
	json_free(kept);
	free(owner);
	state_release(&st);
	setting_release(&s);
}

static void
test_golden(void **state)
{
	struct buf b = { 0 };

	for (size_t i = 0; i < NELEM(rows); i++)
		put_row(&rows[i], &b);
	expect_golden("adopt/adopt.golden", buf_str(&b));
	buf_release(&b);
}

/* The YAML that comes of it, whole. */
static void
test_yaml(void **state)
{
	struct setting s;
	struct adoption a;
	struct origins *o;
	struct json *was = json_must("{\"changes\":[{\"what\":\"content\","
	    "\"from\":\"changed by others\"}],\"found\":{\"text\":"
	    "\"You test.\\n\\n- twice\\n\"}}"), *spec;
	struct resource *r;
	char *yaml;

	setting_init(&s);
	o = origins_new(&s.cfg, s.rs);
	adoption_make(o, "file:agents/wilhelm/SOUL.md", "Team/web", was, &a);
	assert_int_equal(json_size(a.docs), 1);
	spec = json_get(json_first(a.docs), "spec");
	r = resource_new(kind_find("Team"), json_copy(json_get(json_first(
	    a.docs), "metadata")), json_copy(spec));
	yaml = resource_yaml(r);
	expect_golden("adopt/team.yaml.golden", yaml);
	free(yaml);
	resource_unref(r);
	adoption_release(&a);
	json_free(was);
	origins_free(o);
	setting_release(&s);
}

/* What is not declared any more, and nothing at all. */
static void
test_gone(void **state)
{
	static const struct { const char *key, *owner, *was; } t[] = {
		{ "file:agents/bob/SOUL.md", "Worker/bob", "{\"changes\":["
		    "{\"what\":\"content\",\"from\":\"x\"}]}" },
		{ "room:team/x", "Team/x", "{\"changes\":[{\"what\":"
		    "\"topic\",\"from\":\"x\"}]}" },
		{ "route:qwen", "", "{\"changes\":[{\"what\":\"consumer "
		    "worker-bob\"}]}" },
		{ "room:team/x", "Team/x", "{}" },
		{ "what:is/this", "", "{\"changes\":[{\"what\":\"x\"}]}" },
	};
	struct setting s;
	struct adoption a;
	struct origins *o;

	setting_init(&s);
	o = origins_new(&s.cfg, s.rs);
	for (size_t i = 0; i < NELEM(t); i++) {
		struct json *was = json_must(t[i].was);

		adoption_make(o, t[i].key, t[i].owner, was, &a);
		assert_int_equal(json_size(a.docs), 0);
		assert_int_equal(a.cannot.n,
		    json_size(json_get(was, "changes")));
		adoption_release(&a);
		json_free(was);
	}
	origins_free(o);
	setting_release(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden), cmocka_unit_test(test_yaml),
		cmocka_unit_test(test_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
