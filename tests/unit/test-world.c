/*
 * The compile: the sample as a golden file, what each kind of change touches,
 * identity, and that ten thousand workers are cheap.
 */
#include "world-help.h"

#include <time.h>

/* --- golden --------------------------------------------------------------- */

static char *
world_text(const struct world *w)
{
	struct buf b = { 0 };
	const struct object *o;
	char *deps;
	size_t i;

	for (i = 0; i < world_n(w); i++) {
		o = world_at(w, i);
		deps = strv_join(&o->deps, " ");
		buf_printf(&b, "%s\n\towner %s\n\tafter %s\n\t%s\n", o->key,
		    o->owner[0] == '\0' ? "-" : o->owner,
		    deps[0] == '\0' ? "-" : deps, o->desired);
		free(deps);
	}
	return buf_take(&b);
}

static char *
compile_text(const struct world_config *cfg, const char *yaml)
{
	struct resources *rs = from_yaml(yaml);
	struct world *w = world_compile(cfg, rs);
	char *text = world_text(w);

	world_free(w);
	resources_free(rs);
	return text;
}

static void
test_golden(void **state)
{
	static const char *const names[] = { "sample", "no-admin", "people" };
	struct world_config cfg = test_config();
	char *yaml, *text, path[64];
	size_t i;

	for (i = 0; i < NELEM(names); i++) {
		snprintf(path, sizeof(path), "world/%s.yaml", names[i]);
		yaml = data_read(path);
		text = compile_text(&cfg, yaml);
		snprintf(path, sizeof(path), "world/%s.golden", names[i]);
		expect_golden(path, text);
		free(text);
		free(yaml);
	}
}

static void
test_empty_house(void **state)
{
	struct world_config cfg = test_config();
	struct resources *rs = resources_new();
	struct world *w = world_compile(&cfg, rs);
	char *text = world_text(w);

	expect_golden("world/empty.golden", text);
	free(text);
	world_free(w);
	cfg.admins = cfg.dms = NULL;
	w = world_compile(&cfg, rs);
	assert_non_null(world_find(w, "room:admin"));
	assert_non_null(world_find(w, "room:space"));
	assert_int_equal(world_n(w), 4);	/* and two avatars */
	world_free(w);
	resources_free(rs);
}

/* --- properties ----------------------------------------------------------- */

static void
test_canonical(void **state)
{
	struct world_config cfg = test_config();
	struct resources *rs = from_file("world/sample.yaml");
	struct world *w = world_compile(&cfg, rs);
	struct json *v;
	const char *last = "";
	char *text;
	size_t i, k;

	for (i = 0; i < world_n(w); i++) {
		const struct object *o = world_at(w, i);

		v = json_must(o->desired);
		text = json_canonical(v);
		assert_string_equal(o->desired, text);
		json_free(v);
		free(text);
		assert_true(strcmp(last, o->key) < 0);
		last = o->key;
		for (k = 0; k < o->deps.n; k++)
			assert_non_null(world_find(w, o->deps.v[k]));
	}
	world_free(w);
	resources_free(rs);
}

static void
test_same_twice(void **state)
{
	struct world_config cfg = test_config();
	char *yaml = data_read("world/sample.yaml");
	char *a = compile_text(&cfg, yaml), *b = compile_text(&cfg, yaml);

	assert_string_equal(a, b);
	free(a);
	free(b);
	free(yaml);
}

/* Every object of a resource goes with it, and nothing else goes. */
static void
test_removal(void **state)
{
	struct world_config cfg = test_config();
	struct resources *rs = from_file("world/sample.yaml"), *less;
	struct world *all = world_compile(&cfg, rs), *w;
	char owner[128];
	size_t i, k;

	for (i = 0; i < resources_n(rs); i++) {
		const struct resource *r = resources_at(rs, i);

		less = resources_copy(rs);
		resources_remove(less, r->kind, r->name);
		w = world_compile(&cfg, less);
		snprintf(owner, sizeof(owner), "%s/%s", r->kind->name, r->name);
		for (k = 0; k < world_n(all); k++) {
			const struct object *o = world_at(all, k);
			bool is_there = world_find(w, o->key) != NULL;

			/* Avatars go with the last room that shows them. */
			if (str_starts(o->key, "media:"))
				continue;
			assert_int_equal(is_there,
			    strcmp(o->owner, owner) != 0);
		}
		for (k = 0; k < world_n(w); k++)
			assert_non_null(world_find(all,
			    world_at(w, k)->key));
		world_free(w);
		resources_free(less);
	}
	world_free(all);
	resources_free(rs);
}

/* "+key", "-key", "~key" of what differs, by key, joined by blanks. */
static char *
touched(const struct world_config *cfg, const char *before, const char *after)
{
	struct resources *ra = from_yaml(before), *rb = from_yaml(after);
	struct world *a = world_compile(cfg, ra), *b = world_compile(cfg, rb);
	struct strv out = { 0 };
	const struct object *o, *p;
	char *text;
	size_t i;

	for (i = 0; i < world_n(a); i++) {
		o = world_at(a, i);
		if ((p = world_find(b, o->key)) == NULL)
			strv_addf(&out, "-%s", o->key);
		else if (strcmp(o->desired, p->desired) != 0 ||
		    strcmp(o->owner, p->owner) != 0)
			strv_addf(&out, "~%s", o->key);
	}
	for (i = 0; i < world_n(b); i++)
		if (world_find(a, world_at(b, i)->key) == NULL)
			strv_addf(&out, "+%s", world_at(b, i)->key);
	text = strv_join(&out, " ");
	strv_release(&out);
	world_free(a);
	world_free(b);
	resources_free(ra);
	resources_free(rb);
	return text;
}

#define ALICE	"    - name: alice\n"
#define TEAM_ADMIN	"  admin:\n    name: pm\n"

static const struct {
	const char	*what, *from, *to, *touches;
} edits[] = {
	{ "nothing", "model", "model", "" },
	{ "a field that concerns no object", "model: qwen3.6-plus",
	    "model: other", "" },
	{ "description", "Builds the \"shop\"", "Sells", "~room:team/frontend" },
	{ "no description", "  description: Builds the \"shop\"\n", "",
	    "~room:team/frontend" },
	{ "a worker more", ALICE, "    - name: carol\n" ALICE,
	    "~room:team/frontend +account:carol "
	    "+room:worker/carol" },
	/* Eve leaves the team's space with the room that she was in it for. */
	{ "a worker less", "    - name: bob\n      workerName: bob-fe\n", "",
	    "-account:bob-fe "
	    "~room:space/frontend ~room:team/frontend -room:worker/bob-fe" },
	{ "tier 3 to 2", "permissionLevel: 3", "permissionLevel: 2", "" },
	{ "tier 2 to 3, still the team's admin", "permissionLevel: 2",
	    "permissionLevel: 3", "" },
	{ "no team admin", TEAM_ADMIN, "",
	    "~room:leaderdm/frontend ~room:space/frontend "
	    "~room:team/frontend ~room:worker/alice ~room:worker/bob-fe" },
	{ "a soul", "You like tests.", "You hate bugs.",
	    "" },
	{ "a display name", "Zhang Wei", "Zhang", "~human:pm-zhang" },
	{ "tier 1 to 2", "permissionLevel: 1", "permissionLevel: 2",
	    "~room:admin ~room:leader/frontend ~room:space "
	    "~room:space/frontend ~room:team/frontend ~room:worker/alice "
	    "~room:worker/bob-fe ~room:worker/devops" },
	{ "one named worker less", "[devops, bob]", "[devops]",
	    "~room:space/frontend ~room:worker/bob-fe" },
	{ "an account instead of ours", "  username: pm-zhang\n",
	    "  matrixUserId: \"@pm:x.org\"\n",
	    "-human:pm-zhang ~room:leaderdm/frontend ~room:space "
	    "~room:space/frontend ~room:team/frontend ~room:worker/alice "
	    "~room:worker/bob-fe +human:pm" },
};

static void
test_edits(void **state)
{
	struct world_config cfg = test_config();
	char *before = data_read("world/sample.yaml"), *after, *text;
	size_t i;

	for (i = 0; i < NELEM(edits); i++) {
		after = with(before, edits[i].from, edits[i].to);
		text = touched(&cfg, before, after);
		if (strcmp(text, edits[i].touches) != 0)
			fail_msg("%s:\n  want %s\n  got  %s", edits[i].what,
			    edits[i].touches, text);
		free(after);
		free(text);
	}
	free(before);
}

/* Tier 2 of a team who is not its admin: what issue 3 wants to see change. */
static void
test_tier_change(void **state)
{
	struct world_config cfg = test_config();
	char *sample = data_read("world/sample.yaml"), *before, *after, *text;

	before = with(sample, "  admin:\n    name: pm\n", "");
	after = with(before, "permissionLevel: 2", "permissionLevel: 3");
	text = touched(&cfg, before, after);
	assert_string_equal(text, "~room:space ~room:space/frontend "
	    "~room:team/frontend ~room:worker/alice ~room:worker/bob-fe");
	free(text);
	free(after);
	free(before);
	free(sample);
}

/* --- single rules --------------------------------------------------------- */

static struct json *
desired_of(const struct world_config *cfg, const char *yaml, const char *key)
{
	struct resources *rs = from_yaml(yaml);
	struct world *w = world_compile(cfg, rs);
	const struct object *o = world_find(w, key);
	struct json *v;

	if (o == NULL)
		fail_msg("%s is not there", key);
	v = json_must(o->desired);
	world_free(w);
	resources_free(rs);
	return v;
}

static const char human_form[] =
    "apiVersion: hiclaw.io/v1beta1\n"
    "kind: Human\n"
    "metadata: {name: admin}\n"
    "spec: {displayName: Root, permissionLevel: 3}\n";

/* A configured admin who is also declared: linked, and stays an admin. */
static void
test_admin_as_human(void **state)
{
	struct world_config cfg = test_config();
	struct json *v = desired_of(&cfg, human_form, "human:admin");

	assert_string_equal(json_str(v, "method"), "link");
	assert_string_equal(json_str(v, "user"), "@admin:example.org");
	json_free(v);
	v = desired_of(&cfg, human_form, "room:admin");
	assert_string_equal(json_str(json_get(v, "members"),
	    "@admin:example.org"), "person");
	assert_int_equal(json_int(json_get(v, "power"),
	    "@admin:example.org", 0), 100);
	json_free(v);
}

static void
test_dm(void **state)
{
	struct world_config cfg = test_config();
	struct strv dms = list_of("@hiclaw_bob:example.org @ada:example.org");
	struct json *v;

	cfg.dms = &dms;
	v = desired_of(&cfg, "apiVersion: hiclaw.io/v1beta1\nkind: Human\n"
	    "metadata: {name: ada}\n"
	    "spec: {displayName: Ada, permissionLevel: 2}\n",
	    "room:dm/@ada:example.org");
	assert_string_equal(json_str(v, "direct"), "@ada:example.org");
	assert_null(json_get(v, "alias"));
	assert_null(json_get(v, "parent"));
	assert_string_equal(json_str(json_path(v, "members"),
	    "@ada:example.org") == NULL ? "ref" : "text", "ref");
	assert_int_equal(json_size(json_get(v, "power")), 0);
	json_free(v);
	strv_release(&dms);
}

static void
test_soul(void **state)
{
	static const char form[] = "apiVersion: hiclaw.io/v1beta1\n"
	    "kind: Worker\nmetadata: {name: ann}\n"
	    "spec: {model: m, soul: \"%s\"}\n";
	static const struct { const char *template, *soul, *content; } t[] = {
		{ "{{name}} {{role}} {{team}}", "",
		    "ann standalone worker none\n" },
		{ "{{ {{names}} {{name}}{{", "", "{{ {{names}} ann{{\n" },
		{ NULL, "", "# ann\n" },
		{ "x", "{{name}}", "{{name}}\n" },
		{ "x", "a\\n", "a\n" },
		{ "", "", "\n" },
	};
	struct world_config cfg = test_config();
	struct json *v;
	char *yaml;
	size_t i;

	for (i = 0; i < NELEM(t); i++) {
		cfg.storage.provider = "directory";
		cfg.library = test_library(t[i].template);
		yaml = t[i].soul[0] == '\0' ? with(form, ", soul: \"%s\"", "") :
		    with(form, "%s", t[i].soul);
		v = desired_of(&cfg, yaml, "file:agents/ann/SOUL.md");
		assert_string_equal(json_str(v, "text"), t[i].content);
		assert_string_equal(json_str(v, "path"),
		    "agents/ann/SOUL.md");
		json_free(v);
		free(yaml);
	}
}

static void
test_no_storage(void **state)
{
	struct world_config cfg = test_config();
	struct resources *rs = from_file("world/sample.yaml");
	struct world *w;
	size_t i;

	cfg.storage.provider = NULL;
	w = world_compile(&cfg, rs);
	for (i = 0; i < world_n(w); i++)
		assert_false(str_starts(world_at(w, i)->key, "file:"));
	world_free(w);
	resources_free(rs);
}

/* --- identity ------------------------------------------------------------- */

static void
test_agents(void **state)
{
	static const struct {
		const char *name, *runtime, *user;
		enum agent_role role;
	} want[] = {
		{ "devops", "devops", "@hiclaw_devops:example.org",
		    AGENT_STANDALONE },
		{ "lead", "lead", "@hiclaw_lead:example.org", AGENT_LEADER },
		{ "alice", "alice", "@hiclaw_alice:example.org",
		    AGENT_WORKER },
		{ "bob", "bob-fe", "@hiclaw_bob-fe:example.org",
		    AGENT_WORKER },
		{ "default", "default", "@hiclaw_default:example.org",
		    AGENT_MANAGER },
	};
	struct world_config cfg = test_config();
	struct resources *rs = from_file("world/sample.yaml");
	struct agents as;
	size_t i;

	agents_list(&cfg, rs, &as);
	assert_int_equal(as.n, NELEM(want));
	for (i = 0; i < as.n; i++) {
		assert_string_equal(as.v[i].name, want[i].name);
		assert_string_equal(as.v[i].runtime, want[i].runtime);
		assert_string_equal(as.v[i].user, want[i].user);
		assert_int_equal(as.v[i].role, want[i].role);
		assert_ptr_equal(agents_find(&as, want[i].name), &as.v[i]);
	}
	assert_null(agents_find(&as, "bob-fe"));
	assert_string_equal(as.v[2].resource->name, "frontend-team");
	assert_string_equal(json_str(as.v[2].spec, "soul"),
	    "You like tests.\n");
	agents_release(&as);
	agents_release(&as);
	resources_free(rs);
}

static void
test_tiers(void **state)
{
	static const struct { const char *user, *human; int tier; } want[] = {
		{ "@admin:example.org", NULL, 1 },
		{ "@ada:example.org", "ada", 1 },
		{ "@pm-zhang:example.org", "pm", 2 },
		{ "@pm:example.org", NULL, 0 },
		{ "@eve:elsewhere.org", "eve", 3 },
		{ "@eve:example.org", NULL, 0 },
		{ "@hiclaw_alice:example.org", NULL, 0 },
	};
	struct world_config cfg = test_config();
	struct resources *rs = from_file("world/sample.yaml");
	const struct resource *human;
	size_t i;

	for (i = 0; i < NELEM(want); i++) {
		assert_int_equal(person_tier(&cfg, rs, want[i].user, &human),
		    want[i].tier);
		if (want[i].human == NULL)
			assert_null(human);
		else
			assert_string_equal(human->name, want[i].human);
	}
	resources_free(rs);
}

static void
test_our_users(void **state)
{
	static const struct { const char *user; bool is_ours; } want[] = {
		{ "@hiclaw:example.org", true },
		{ "@hiclaw_x:example.org", true },
		{ "@_hiclaw_as:example.org", true },
		{ "@_hiclaw_asx:example.org", false },
		{ "@hiclawx:example.org", false },
		{ "@hiclaw:example.org:8080", false },
		{ "@hiclaw_x:elsewhere.org", false },
		{ "hiclaw:example.org", false },
		{ "@hiclaw", false },
		{ "", false },
	};
	struct world_config cfg = test_config();
	char *bot = bot_user(&cfg);
	size_t i;

	assert_string_equal(bot, "@hiclaw:example.org");
	free(bot);
	for (i = 0; i < NELEM(want); i++)
		assert_int_equal(is_our_user(&cfg, want[i].user),
		    want[i].is_ours);
}

/* --- size ----------------------------------------------------------------- */

/*
 * Ten thousand workers and a thousand Humans of all tiers.  Not a timed test:
 * the bound only tells a straight line from a square.
 */
static void
test_many(void **state)
{
	struct world_config cfg = test_config();
	struct resources *rs = resources_new();
	const struct kind *worker = kind_find("worker");
	const struct kind *human = kind_find("human");
	struct json *meta, *spec, *names;
	struct resource *r;
	struct world *w;
	clock_t start;
	int i, k;

	for (i = 0; i < 10000; i++) {
		meta = json_object();
		json_set_strf(meta, "name", "w%05d", i);
		r = resource_new(worker, meta, json_object());
		resources_put(rs, r);
		resource_unref(r);
	}
	for (i = 0; i < 1000; i++) {
		meta = json_object();
		spec = json_object();
		json_set_strf(meta, "name", "h%04d", i);
		json_set_int(spec, "permissionLevel", i < 3 ? 1 : 2 + i % 2);
		names = json_set(spec, "accessibleWorkers", json_array());
		for (k = 0; k < 10; k++)
			json_push(names, json_stringf("w%05d", i * 10 + k));
		r = resource_new(human, meta, spec);
		resources_put(rs, r);
		resource_unref(r);
	}
	start = clock();
	w = world_compile(&cfg, rs);
	assert_true((clock() - start) / (double)CLOCKS_PER_SEC < 10);
	/* account, room each; humans; space, admin, dm, four avatars */
	assert_int_equal(world_n(w), 2 * 10000 + 1000 + 3 + 4);
	print_message("10000 workers: %.3f s\n",
	    (double)(clock() - start) / CLOCKS_PER_SEC);
	world_free(w);
	resources_free(rs);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden),
		cmocka_unit_test(test_empty_house),
		cmocka_unit_test(test_canonical),
		cmocka_unit_test(test_same_twice),
		cmocka_unit_test(test_removal),
		cmocka_unit_test(test_edits),
		cmocka_unit_test(test_tier_change),
		cmocka_unit_test(test_admin_as_human),
		cmocka_unit_test(test_dm),
		cmocka_unit_test(test_soul),
		cmocka_unit_test(test_no_storage),
		cmocka_unit_test(test_agents),
		cmocka_unit_test(test_tiers),
		cmocka_unit_test(test_our_users),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
