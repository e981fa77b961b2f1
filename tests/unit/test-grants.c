/*
 * What agents may use at gateway and storage: a house as a golden file, and that
 * nothing is granted that no rule gives.
 */
#include "world-help.h"

#include "../../src/world/world-int.h"

/* The house has Envoy and MinIO; the forms live to the end of the program. */
static struct world_config
rich_config(void)
{
	static struct json *providers, *mcps;
	struct world_config cfg = test_config();

	if (providers == NULL) {
		providers = json_must("[{\"name\":\"main\",\"url\":"
		    "\"https://llm.example.org/v1\",\"key_id\":\"0123\"},"
		    "{\"name\":\"qwen\",\"url\":\"http://q/v1\",\"models\":"
		    "[\"qwen*\",\"*coder*\"]}]");
		mcps = json_must("[{\"name\":\"github\",\"url\":"
		    "\"https://mcp.example.org/mcp\",\"key_id\":\"99\"},"
		    "{\"name\":\"jira\",\"url\":\"http://j/sse\","
		    "\"transport\":\"sse\"}]");
	}
	cfg.gateway = (struct world_gateway){ .provider = "envoy",
	    .agents_url = "http://gw:8080", .expose_domain = "x.org",
	    .providers = providers, .mcp_servers = mcps };
	cfg.storage.provider = "minio";
	cfg.storage.bucket = "store";
	cfg.agents.model = "m-default";
	return cfg;
}

/* Only what this file is about. */
static bool
is_grant(const char *key)
{
	static const char *const grants[] = { "consumer:", "provider:",
	    "route:", "mcp:", "expose:", "bucket:", "policy:", "user:" };

	for (size_t i = 0; i < NELEM(grants); i++)
		if (str_starts(key, grants[i]))
			return true;
	return false;
}

static char *
grants_text(const struct world_config *cfg, struct resources *rs)
{
	struct world *w = world_compile(cfg, rs);
	struct buf b = { 0 };

	for (size_t i = 0; i < world_n(w); i++) {
		const struct object *o = world_at(w, i);
		struct json *form = json_must(o->desired);
		char *canonical = json_canonical(form), *pretty, *deps;

		/* The compile writes text; it must be what it claims. */
		assert_string_equal(o->desired, canonical);
		deps = strv_join(&o->deps, " ");
		pretty = json_pretty(form);
		if (is_grant(o->key))
			buf_printf(&b, "%s  owner %s  after %s\n%s\n\n", o->key,
			    o->owner[0] == '\0' ? "-" : o->owner,
			    deps[0] == '\0' ? "-" : deps, pretty);
		free(pretty);
		free(deps);
		free(canonical);
		json_free(form);
	}
	world_free(w);
	return buf_take(&b);
}

static void
test_golden(void **state)
{
	struct world_config cfg = rich_config();
	struct resources *rs = from_file("grants/house.yaml");
	char *text = grants_text(&cfg, rs);

	expect_golden("grants/house.golden", text);
	free(text);
	resources_free(rs);
}

static void
test_nothing_configured(void **state)
{
	struct world_config cfg = test_config();
	struct resources *rs = from_file("grants/house.yaml");
	char *text = grants_text(&cfg, rs);

	assert_string_equal(text, "");
	free(text);
	resources_free(rs);
}

static void
test_model_fits(void **state)
{
	static const struct { const char *pattern, *model; bool fits; } t[] = {
		{ "", "", true }, { "", "a", false }, { "*", "", true },
		{ "*", "x/y", true }, { "a", "a", true }, { "a", "A", false },
		{ "qwen*", "qwen3.6-plus", true }, { "qwen*", "qwen", true },
		{ "qwen*", "xqwen", false }, { "*plus", "qwen3.6-plus", true },
		{ "*plus", "plus-x", false }, { "a*b*c", "aXbYc", true },
		{ "a*b*c", "abc", true }, { "a*b*c", "acb", false },
		{ "*ab", "aab", true }, { "a**b", "ab", true },
		{ "?", "a", false },
	};

	for (size_t i = 0; i < NELEM(t); i++)
		if (world_fits(t[i].pattern, t[i].model) != t[i].fits)
			fail_msg("\"%s\" and \"%s\"", t[i].pattern, t[i].model);
}

static void
test_mcp_name(void **state)
{
	static const struct { const char *url, *name; } t[] = {
		{ "http://gw:8080/mcp-servers/github/mcp", "github" },
		{ "http://gw:8080/mcp-servers/github", "github" },
		{ "http://gw:8080/mcp-servers/a?x=/b", "a" },
		{ "http://gw:8080/mcp-servers", NULL },
		{ "http://gw:8080.evil.org/mcp-servers/github", NULL },
		{ "https://gw:8080/mcp-servers/github", NULL },
		{ "http://other/mcp-servers/github", NULL },
		{ NULL, NULL },
	};
	struct world_config cfg = rich_config();

	for (size_t i = 0; i < NELEM(t); i++) {
		char *name = world_mcp_name(&cfg, t[i].url);

		if (!str_equal(name, t[i].name))
			fail_msg("%s: %s", t[i].url, name ? name : "none");
		free(name);
	}
}

/* A hundred workers more change the lists and add what is theirs, no more. */
static void
test_cost(void **state)
{
	static const char form[] = "apiVersion: hiclaw.io/v1beta1\n"
	    "kind: Worker\nmetadata: {name: w%zu}\nspec: {model: m}\n";
	struct world_config cfg = rich_config();
	struct resources *rs = from_file("grants/house.yaml");
	struct world *before = world_compile(&cfg, rs), *after;
	size_t i, added = 0, changed = 0;

	for (i = 0; i < 100; i++) {
		char *yaml = xasprintf(form, i + 100);

		put_yaml(rs, yaml);
		free(yaml);
	}
	after = world_compile(&cfg, rs);
	for (i = 0; i < world_n(after); i++) {
		const struct object *o = world_at(after, i), *was;

		if (!is_grant(o->key))
			continue;
		was = world_find(before, o->key);
		added += was == NULL;
		changed += was != NULL && strcmp(was->desired, o->desired) != 0;
	}
	assert_int_equal(added, 200);		/* consumer and user each */
	assert_int_equal(changed, 1);		/* the default route */
	world_free(before);
	world_free(after);
	resources_free(rs);
}

static void
test_rotation(void **state)
{
	struct world_config cfg = rich_config();
	struct resources *rs = from_file("grants/house.yaml");
	struct json *rotations = json_must("{\"consumer:worker-ann\":"
	    "{\"serial\":3,\"overlap\":true}}");
	struct world *w;

	cfg.gateway.rotations = rotations;
	w = world_compile(&cfg, rs);
	assert_string_equal(world_find(w, "consumer:worker-ann")->desired,
	    "{\"name\":\"worker-ann\",\"overlap\":true,\"serial\":3}");
	assert_string_equal(world_find(w, "consumer:worker-dev")->desired,
	    "{\"name\":\"worker-dev\",\"overlap\":false,\"serial\":1}");
	world_free(w);
	json_free(rotations);
	resources_free(rs);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden),
		cmocka_unit_test(test_nothing_configured),
		cmocka_unit_test(test_model_fits),
		cmocka_unit_test(test_mcp_name),
		cmocka_unit_test(test_cost),
		cmocka_unit_test(test_rotation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
