/*
 * Agents' files: golden files for each runtime and role, what is in no prompt,
 * and that rendering loses nothing of the agent's.
 */
#include "world-help.h"

#include <time.h>

#include "hiclaw/file-rule.h"

static const char *const runtimes[] = { "openclaw", "copaw", "hermes" };

/* A house with everything; the forms live to the end of the program. */
static struct world_config
rich_config(void)
{
	static struct json *providers, *mcps;
	static struct library *texts;
	struct world_config cfg = test_config();

	if (providers == NULL) {
		providers = json_must("[{\"name\":\"main\",\"url\":"
		    "\"https://llm.example.org/v1\"},{\"name\":\"qwen\","
		    "\"url\":\"http://q/v1\",\"models\":[\"qwen*\"]}]");
		mcps = json_must("[{\"name\":\"github\",\"url\":"
		    "\"https://mcp.example.org/mcp\"}]");
		texts = library_new();
		library_add(texts, "agents/SOUL.md", "# {{name}}\n\n{{role}} "
		    "of {{team}}, files in {{shared}}\n");
		library_add(texts, "agents/AGENTS.worker.md",
		    "## Every Session\n\nI am {{name}}.\n");
		library_add(texts, "agents/AGENTS.leader.md",
		    "## Every Session\n\nI lead {{team}}.\n");
		library_add(texts, "agents/AGENTS.manager.md",
		    "## Every Session\n\nI manage.\n");
		library_add(texts, "agents/HEARTBEAT.leader.md", "Look.\n");
		library_add(texts, "agents/HEARTBEAT.manager.md", "Look.\n");
		library_add(texts, "agents/TOOLS.md", "mcporter\n");
		library_add_skill(texts, "worker", "find-skills", "d1");
		library_add_skill(texts, "extra", "github-operations", "d2");
	}
	cfg.library = texts;
	cfg.gateway = (struct world_gateway){ .provider = "envoy",
	    .agents_url = "http://gw:8080", .expose_domain = "x.org",
	    .providers = providers, .mcp_servers = mcps };
	cfg.storage.provider = "directory";
	cfg.agents.homeserver_url = "http://hs:8008";
	cfg.agents.model = "m-default";
	cfg.agents.runtime = "openclaw";
	return cfg;
}

/* The house with every agent of that runtime; a Manager knows no Hermes. */
static struct resources *
house(const char *runtime)
{
	char *yaml = data_read("files/house.yaml"), *next, *at;
	char *with_it = xasprintf("runtime: %s", runtime);
	struct resources *rs;
	bool first = true;

	while (strstr(yaml, "RUNTIME") != NULL) {
		/* The Manager's is the first. */
		at = first && strcmp(runtime, "hermes") == 0 ?
		    xstrdup("runtime: openclaw") : xstrdup(with_it);
		next = with(yaml, "RUNTIME", at);
		free(at);
		free(yaml);
		yaml = next;
		first = false;
	}
	rs = from_yaml(yaml);
	free(yaml);
	free(with_it);
	return rs;
}

static const struct json *
stand_in(void *arg, const char *key, const char *field)
{
	struct json *all = arg;

	return json_push(all, json_stringf("<%s of %s>", field, key));
}

/* Every secret a file may ask for, as "<...>". */
static struct json *
all_secrets(const char *desired)
{
	static const char mark[] = "{\"$secret\":\"";
	struct json *o = json_object();
	const char *p = desired;
	char *name;

	while ((p = strstr(p, mark)) != NULL) {
		p += sizeof(mark) - 1;
		name = xstrndup(p, strcspn(p, "\""));
		json_set_strf(o, name, "<SECRET %s>", name);
		free(name);
	}
	return o;
}

static char *
rendered(const struct object *o, const char *current)
{
	struct json *form = json_must(o->desired), *all = json_array();
	struct json *resolved = object_resolve(form, stand_in, all, NULL);
	struct json *secrets = all_secrets(o->desired);
	struct err e = { 0 };
	char *text = file_render(resolved, secrets, current,
	    current == NULL ? 0 : strlen(current), &e);

	if (text == NULL)
		fail_msg("%s: %s", o->key, e.msg);
	json_free(form);
	json_free(all);
	json_free(resolved);
	json_free(secrets);
	return text;
}

static bool
is_of(const struct object *o, const char *agent)
{
	char *home = xasprintf("agents/%s", agent);
	const char *name = strchr(o->key, ':') + 1;
	bool is = str_starts(o->key, "file:") ? str_starts(name, home) &&
	    name[strlen(home)] == '/' : str_equal(name, agent) ||
	    str_equal(name, home);

	free(home);
	return is && (str_starts(o->key, "file:") ||
	    str_starts(o->key, "skills:") || str_starts(o->key, "package:") ||
	    str_starts(o->key, "tree:"));
}

static char *
home_text(const struct world *w, const char *agent)
{
	struct buf b = { 0 };

	for (size_t i = 0; i < world_n(w); i++) {
		const struct object *o = world_at(w, i);
		struct json *form = json_must(o->desired);
		char *deps = strv_join(&o->deps, " "), *text;

		if (is_of(o, agent)) {
			buf_printf(&b, "===== %s (%s, %s) after %s\n", o->key,
			    json_strd(form, "rule", "-"),
			    json_strd(form, "mode", "-"), deps);
			text = str_starts(o->key, "file:") ?
			    rendered(o, NULL) : json_pretty(form);
			buf_puts(&b, text);
			buf_puts(&b, str_ends(text, "\n") ? "" : "\n");
			free(text);
		}
		free(deps);
		json_free(form);
	}
	return buf_take(&b);
}

static void
test_golden(void **state)
{
	static const struct { const char *agent, *role; } who[] = {
		{ "solo", "standalone" }, { "lead", "leader" },
		{ "dev", "worker" }, { "default", "manager" },
	};
	struct world_config cfg = rich_config();

	for (size_t r = 0; r < NELEM(runtimes); r++) {
		struct resources *rs = house(runtimes[r]);
		struct world *w = world_compile(&cfg, rs);

		for (size_t i = 0; i < NELEM(who); i++) {
			char *path = xasprintf("files/%s-%s.golden",
			    runtimes[r], who[i].role);
			char *text = home_text(w, who[i].agent);

			if (strcmp(runtimes[r], "hermes") != 0 ||
			    strcmp(who[i].role, "manager") != 0)
				expect_golden(path, text);
			free(text);
			free(path);
		}
		world_free(w);
		resources_free(rs);
	}
}

/* Prompts and registries hold no secret; files with one are 0600. */
static void
test_secrets(void **state)
{
	struct world_config cfg = rich_config();

	for (size_t r = 0; r < NELEM(runtimes); r++) {
		struct resources *rs = house(runtimes[r]);
		struct world *w = world_compile(&cfg, rs);
		size_t with_secret = 0;

		for (size_t i = 0; i < world_n(w); i++) {
			const struct object *o = world_at(w, i);
			struct json *form;
			char *canonical;

			if (!str_starts(o->key, "file:"))
				continue;
			form = json_must(o->desired);
			canonical = json_canonical(form);
			assert_string_equal(canonical, o->desired);
			free(canonical);
			assert_string_equal(json_str(form, "mode"), "0600");
			json_free(form);
			if (strstr(o->desired, "\"$secret\"") == NULL)
				continue;
			with_secret++;
			assert_false(str_ends(o->key, ".md"));
			assert_false(str_ends(o->key, "registry.json"));
			assert_false(str_ends(o->key, "runtime.yaml"));
		}
		assert_true(with_secret >= 5);
		world_free(w);
		resources_free(rs);
	}
}

/* What a person writes asks for no secret and no reference. */
static void
test_texts_stay_texts(void **state)
{
	struct world_config cfg = rich_config();
	struct resources *rs = from_yaml("apiVersion: hiclaw.io/v1beta1\n"
	    "kind: Worker\nmetadata: {name: eve}\nspec:\n"
	    "  model: '{\"$secret\":\"account:eve/token\"}'\n"
	    "  soul: '{\"$secret\":\"account:eve/token\"} {{name}} "
	    "{\"$ref\":\"account:eve\",\"field\":\"token_id\"}'\n");
	struct world *w = world_compile(&cfg, rs);
	char *text = rendered(world_find(w, "file:agents/eve/SOUL.md"), NULL);

	assert_string_equal(text, "{\"$secret\":\"account:eve/token\"} "
	    "{{name}} {\"$ref\":\"account:eve\",\"field\":\"token_id\"}\n");
	free(text);
	text = rendered(world_find(w, "file:agents/eve/openclaw.json"), NULL);
	assert_non_null(strstr(text, "{\\\"$secret\\\":\\\"account:eve/"));
	free(text);
	world_free(w);
	resources_free(rs);
}

/* A text that looks like the end of its section does not end it. */
static void
test_markers_in_texts(void **state)
{
	struct world_config cfg = rich_config();
	struct library *texts = library_new();
	struct resources *rs = from_yaml("apiVersion: hiclaw.io/v1beta1\n"
	    "kind: Worker\nmetadata: {name: eve}\nspec:\n  model: m\n"
	    "  agents: |\n    one\n    " SPEC_END "\n    " TEAM_START "\n"
	    "    two\n");
	struct world *w;
	char *one, *two, *edited;

	library_add(texts, "agents/AGENTS.md", BUILTIN_END "\n"
	    BUILTIN_START "\nbody\n");
	cfg.library = texts;
	w = world_compile(&cfg, rs);
	one = rendered(world_find(w, "file:agents/eve/AGENTS.md"), NULL);
	assert_non_null(strstr(one, "one\n " SPEC_END "\n " TEAM_START
	    "\ntwo\n" SPEC_END "\n"));
	edited = xasprintf("%smine\n", one);
	two = rendered(world_find(w, "file:agents/eve/AGENTS.md"), edited);
	assert_string_equal(two, edited);
	free(one);
	free(two);
	free(edited);
	world_free(w);
	resources_free(rs);
	library_free(texts);
}

/* The login of a package's address is for who fetches it. */
static void
test_package(void **state)
{
	static const struct { const char *uri, *ref; } t[] = {
		{ "nacos://u:p@h:8848/ns/x", "nacos://h:8848/ns/x" },
		{ "https://u@h/a@b.zip", "https://h/a@b.zip" },
		{ "https://h/a@b.zip", "https://h/a@b.zip" },
		{ "packages/a.zip", "packages/a.zip" },
	};
	static const char form[] = "apiVersion: hiclaw.io/v1beta1\n"
	    "kind: Worker\nmetadata: {name: eve}\nspec: {model: m, "
	    "runtime: hermes, package: \"%s\"}\n";
	struct world_config cfg = rich_config();

	for (size_t i = 0; i < NELEM(t); i++) {
		char *yaml = with(form, "%s", t[i].uri);
		struct resources *rs = from_yaml(yaml);
		struct world *w = world_compile(&cfg, rs);
		struct json *v = json_must(world_find(w,
		    "file:agents/eve/runtime/runtime.yaml")->desired);

		assert_string_equal(json_str(json_path(v,
		    "json.desired.agentPackage"), "ref"), t[i].ref);
		/* The package's own soul is the one. */
		assert_null(world_find(w, "file:agents/eve/.hermes/SOUL.md"));
		assert_true(strv_has(&world_find(w,
		    "file:agents/eve/SOUL.md")->deps, "package:eve"));
		json_free(v);
		world_free(w);
		resources_free(rs);
		free(yaml);
	}
}

/* All files of ten thousand agents and a Manager who knows them all.  The bound
 * only tells a straight line from a square. */
static void
test_many(void **state)
{
	struct world_config cfg = rich_config();
	struct resources *rs = from_yaml("apiVersion: hiclaw.io/v1beta1\n"
	    "kind: Manager\nmetadata: {name: boss}\nspec: {model: m}\n");
	struct resource *r;
	struct json *meta;
	struct world *w;
	clock_t start;
	size_t bytes = 0;

	for (int i = 0; i < 10000; i++) {
		meta = json_object();
		json_set_strf(meta, "name", "w%05d", i);
		r = resource_new(kind_find("worker"), meta, json_object());
		resources_put(rs, r);
		resource_unref(r);
	}
	start = clock();
	w = world_compile(&cfg, rs);
	start = clock() - start;
	for (size_t i = 0; i < world_n(w); i++)
		bytes += strlen(world_at(w, i)->desired);
	print_message("10000 workers: %.3f s, %zu objects, %zu MB\n",
	    (double)start / CLOCKS_PER_SEC, world_n(w), bytes >> 20);
	assert_true((double)start / CLOCKS_PER_SEC < 30);
	assert_true(bytes / 10000 < 16384);
	world_free(w);
	resources_free(rs);
}

/* Rendering what was rendered, after the agent wrote its own part, keeps it. */
static void
test_nothing_is_lost(void **state)
{
	struct world_config cfg = rich_config();

	for (size_t r = 0; r < NELEM(runtimes); r++) {
		struct resources *rs = house(runtimes[r]);
		struct world *w = world_compile(&cfg, rs);

		for (size_t i = 0; i < world_n(w); i++) {
			const struct object *o = world_at(w, i);
			char *one, *two, *edited, *three;

			if (!str_starts(o->key, "file:"))
				continue;
			one = rendered(o, NULL);
			two = rendered(o, one);
			assert_string_equal(one, two);
			if (str_ends(o->key, "/AGENTS.md")) {
				edited = xasprintf("before\n%safter\n", one);
				three = rendered(o, edited);
				assert_string_equal(three, edited);
				free(edited);
				free(three);
			}
			free(one);
			free(two);
		}
		world_free(w);
		resources_free(rs);
	}
}

static void
test_no_gateway(void **state)
{
	struct world_config cfg = rich_config();
	struct resources *rs = house("openclaw");
	struct world *w;

	cfg.gateway.provider = NULL;
	w = world_compile(&cfg, rs);
	for (size_t i = 0; i < world_n(w); i++)
		assert_null(strstr(world_at(w, i)->desired, "consumer:"));
	world_free(w);
	resources_free(rs);
}

static void
test_s3_has_a_bucket(void **state)
{
	struct world_config cfg = rich_config();
	struct resources *rs = house("openclaw");
	struct world *w;

	cfg.storage.provider = "minio";
	cfg.storage.bucket = "store";
	w = world_compile(&cfg, rs);
	assert_true(strv_has(&world_find(w, "tree:agents/solo")->deps,
	    "bucket:store"));
	assert_true(strv_has(&world_find(w, "tree:shared")->deps,
	    "bucket:store"));
	world_free(w);
	resources_free(rs);
}

/* --- what was compiled before --------------------------------------------- */

static unsigned
next_number(unsigned *state, unsigned n)
{
	*state = *state * 1103515245u + 12345u;
	return (*state >> 16) % n;
}

static void
same_world(const struct world *a, const struct world *b)
{
	assert_int_equal(world_n(a), world_n(b));
	for (size_t i = 0; i < world_n(a); i++) {
		const struct object *o = world_at(a, i), *p = world_at(b, i);
		char *x = strv_join(&o->deps, " "), *y = strv_join(&p->deps,
		    " ");

		assert_string_equal(o->key, p->key);
		assert_string_equal(o->owner, p->owner);
		if (strcmp(o->desired, p->desired) != 0)
			fail_msg("%s: from memory\n%s\nbut now\n%s", o->key,
			    o->desired, p->desired);
		assert_true(str_equal(x, y));
		free(x);
		free(y);
	}
}

/* Another of them changes, comes or goes. */
static void
change_something(struct resources *rs, unsigned *seed)
{
	static const char *const forms[] = {
		"kind: Human\nmetadata: {name: h%u}\nspec: {displayName: \"N%u\","
		    " permissionLevel: %u, accessibleTeams: [t%u],"
		    " accessibleWorkers: [w%u, t%u-a]}\n",
		"kind: Worker\nmetadata: {name: w%u}\nspec: {model: \"m%u\","
		    " channelPolicy: {groupAllowExtra: [h%u, w%u],"
		    " dmDenyExtra: [h%u, w%u]}}\n",
		"kind: Worker\nmetadata: {name: w%u}\nspec: {model: \"m%u\","
		    " workerName: r%u, runtime: hermes, identity: \"%u\","
		    " env: {A: \"%u%u\"}}\n",
		"kind: Team\nmetadata: {name: t%1$u}\nspec: {description:"
		    " \"%2$u%3$u%6$u\", admin: {name: h%4$u}, humanMembers:"
		    " [{name: h%5$u}], leader: {name: lead-%1$u}, workers:"
		    " [{name: t%1$u-x}]}\n",
		"kind: Team\nmetadata: {name: t%1$u}\nspec: {description:"
		    " \"%2$u%3$u%4$u%6$u\", peerMentions: false, humanMembers:"
		    " [{name: h%5$u}, {name: olga}], leader: {name: top-%1$u},"
		    " workers: [{name: t%1$u-a}, {name: t%1$u-x}]}\n",
		"kind: Manager\nmetadata: {name: default}\nspec: {model: m,"
		    " soul: \"%u %u %u %u %u %u\"}\n",
	};
	char body[512], text[600];
	struct resource **v = NULL;
	struct problems ps = { 0 };
	size_t n = 0;
	unsigned k = next_number(seed, NELEM(forms)), r[6];

	for (size_t i = 0; i < NELEM(r); i++)
		r[i] = 1 + next_number(seed, 3);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(body, sizeof body, forms[k], r[0], r[1], r[2], r[3], r[4],
	    r[5]);
#pragma GCC diagnostic pop
	snprintf(text, sizeof text, "apiVersion: hiclaw.io/v1beta1\n%s", body);
	if (manifest_decode(text, strlen(text), &v, &n, &ps) == -1)
		fail_msg("%s:\n%s", ps.v[0].what, text);
	if (next_number(seed, 4) == 0)
		resources_remove(rs, v[0]->kind, v[0]->name);
	else
		resources_put(rs, v[0]);
	resource_unref(v[0]);
	free(v);
	problems_release(&ps);
}

/* A home that was kept is the one that would be made. */
static void
test_memory(void **state)
{
	struct world_config cfg = rich_config();
	struct json *restarts = json_object();
	struct resources *rs = house("openclaw"), *kept = NULL;
	struct world_memo *memo = world_memo_new();
	struct world *held = NULL, *a, *b;
	unsigned seed = 7;
	char key[32];

	(void)state;
	cfg.containers = (struct world_containers){ .provider = "docker",
	    .network = "host", .pull = "missing", .user = "7:7",
	    .homes = "/srv/s", .restarts = restarts };
	for (int i = 0; i < 1000; i++) {
		change_something(rs, &seed);
		if (i % 10 == 0) {
			snprintf(key, sizeof key, "container:w%u",
			    1 + next_number(&seed, 3));
			json_set_int(restarts, key, i);
		}
		if (i % 250 == 0)
			cfg.containers.token_period++;
		/* A plan: there and back again. */
		if (i % 7 == 0) {
			resources_free(kept);
			kept = resources_copy(rs);
		}
		a = world_compile_again(&cfg, i % 3 == 0 && kept != NULL ?
		    kept : rs, memo);
		b = world_compile(&cfg, i % 3 == 0 && kept != NULL ? kept :
		    rs);
		same_world(a, b);
		world_free(b);
		/* One may outlive the next, and what was kept of it. */
		world_free(held);
		held = a;
	}
	world_memo_free(memo);
	world_free(held);
	resources_free(kept);
	resources_free(rs);
	json_free(restarts);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden),
		cmocka_unit_test(test_secrets),
		cmocka_unit_test(test_texts_stay_texts),
		cmocka_unit_test(test_markers_in_texts),
		cmocka_unit_test(test_package),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_nothing_is_lost),
		cmocka_unit_test(test_no_gateway),
		cmocka_unit_test(test_s3_has_a_bucket),
		cmocka_unit_test(test_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
