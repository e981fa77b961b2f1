/*
 * Containers: which one each agent of a house gets, what is part of it, and that
 * nothing in it is a secret.
 */
#include "world-help.h"

static const char house[] =
    "apiVersion: hiclaw.io/v1beta1\nkind: Worker\n"
    "metadata: {name: dan}\n"
    "spec:\n  model: m\n  workerName: dd\n  expose: [{port: 3000}]\n"
    "  env: {TZ: Europe/Berlin, HOME: /tmp}\n"
    "  labels: {tier: x}\n"
    "  resources: {memory: 512Mi, cpu: \"1.5\", pids: 20}\n"
    "---\n"
    "apiVersion: hiclaw.io/v1beta1\nkind: Worker\n"
    "metadata: {name: far}\n"
    "spec: {model: m, containerManaged: false}\n"
    "---\n"
    "apiVersion: hiclaw.io/v1beta1\nkind: Team\n"
    "metadata: {name: web}\n"
    "spec:\n  leader: {name: lead, runtime: copaw}\n"
    "  workers:\n"
    "  - {name: asleep, state: Sleeping}\n"
    "  - {name: gone, state: Stopped}\n"
    "  - {name: own, runtime: hermes, image: example.org/own:1}\n"
    "---\n"
    "apiVersion: hiclaw.io/v1beta1\nkind: Manager\n"
    "metadata: {name: default}\nspec: {model: m}\n";

static struct world_config
config(void)
{
	static struct json *images, *restarts;
	struct world_config cfg = test_config();

	if (images == NULL) {
		images = json_must("{\"openclaw\":\"img/claw\",\"copaw\":"
		    "\"img/paw\",\"manager\":\"img/boss\"}");
		restarts = json_must("{\"container:dan\":3}");
	}
	cfg.storage.provider = "directory";
	cfg.gateway.provider = "envoy";
	cfg.gateway.agents_url = "http://10.0.0.1:80";
	cfg.agents.homeserver_url = "http://10.0.0.1:80";
	cfg.agents.controller_url = "http://10.0.0.1:80";
	cfg.agents.runtime = "openclaw";
	cfg.containers = (struct world_containers){ .provider = "docker",
	    .network = "net", .subnet = "10.0.0.0/24", .images = images,
	    .pull = "missing", .memory = 1 << 30, .cpus = 2000, .pids = 100,
	    .stop_s = 10, .user = "7:7", .homes = "/srv/s",
	    .restarts = restarts, .token_period = 42 };
	return cfg;
}

static struct world *
compiled(const struct world_config *cfg)
{
	struct resources *rs = from_yaml(house);
	struct world *w = world_compile(cfg, rs);

	resources_free(rs);
	return w;
}

/* The desired form of a key, for json_free; fails when it is not there. */
static struct json *
form(const struct world *w, const char *key)
{
	const struct object *o = world_find(w, key);

	if (o == NULL)
		fail_msg("there is no %s", key);
	return json_must(o->desired);
}

static void
expect_member(const struct json *f, const char *path, const char *want)
{
	const char *got = json_value_str(json_path(f, path));

	if (!str_equal(got, want))
		fail_msg("%s is %s, not %s", path, got != NULL ? got : "-",
		    want != NULL ? want : "-");
}

/* All of it, once, as a text to read. */
static void
the_whole_is_as_written(void **state)
{
	struct world_config cfg = config();
	struct world *w = compiled(&cfg);
	struct buf b = { 0 };

	for (size_t i = 0; i < world_n(w); i++) {
		const struct object *o = world_at(w, i);
		char *deps, *text;
		struct json *f;

		if (!str_starts(o->key, "container:") &&
		    !str_starts(o->key, "remote:") &&
		    !str_starts(o->key, "image:") &&
		    !str_starts(o->key, "network:") &&
		    !str_starts(o->key, "expose:"))
			continue;
		deps = strv_join(&o->deps, " ");
		f = json_must(o->desired);
		text = json_pretty(f);
		buf_printf(&b, "== %s of %s\nafter %s\n%s\n", o->key,
		    o->owner[0] != '\0' ? o->owner : "the house", deps, text);
		json_free(f);
		free(text);
		free(deps);
	}
	expect_golden("world/containers.golden", buf_str(&b));
	buf_release(&b);
	world_free(w);
	(void)state;
}

static void
states_decide_what_there_is(void **state)
{
	struct world_config cfg = config();
	struct world *w = compiled(&cfg);
	struct json *f;

	assert_null(world_find(w, "container:gone"));
	assert_null(world_find(w, "container:far"));
	assert_non_null(world_find(w, "remote:far"));
	f = form(w, "container:asleep");
	expect_member(f, "state", "stopped");
	json_free(f);
	f = form(w, "container:dan");
	expect_member(f, "state", "running");
	assert_int_equal(json_int(f, "restart", 0), 3);
	assert_int_equal(json_int(f, "period", 0), 42);
	json_free(f);
	/* Nobody runs agents: they are prepared all the same. */
	world_free(w);
	cfg.containers.provider = NULL;
	w = compiled(&cfg);
	assert_null(world_find(w, "container:dan"));
	assert_non_null(world_find(w, "remote:far"));
	world_free(w);
	(void)state;
}

static void
an_agent_cannot_name_what_is_the_systems(void **state)
{
	struct world_config cfg = config();
	struct world *w = compiled(&cfg);
	struct json *f = form(w, "container:dan");

	expect_member(f, "env.HOME", "/root/hiclaw-fs/agents/dd");
	expect_member(f, "env.TZ", "Europe/Berlin");
	expect_member(json_get(f, "labels"), "tier", "x");
	assert_string_equal(json_str(json_get(f, "labels"), "hiclaw.io/name"),
	    "dan");
	assert_int_equal(json_int(json_get(f, "limits"), "memory", 0),
	    512 << 20);
	assert_int_equal(json_int(json_get(f, "limits"), "cpus", 0), 1500);
	json_free(f);
	world_free(w);
	(void)state;
}

/* Where homes are directories the runtime reads its secrets there, and nothing
 * of them is in the environment; elsewhere it has to bring its home first. */
static void
secrets_are_where_they_must_be(void **state)
{
	struct world_config cfg = config();
	struct world *w = compiled(&cfg);
	struct json *f;

	assert_null(strstr(world_find(w, "container:dan")->desired,
	    "$secret"));
	world_free(w);
	cfg.containers.homes = NULL;
	cfg.containers.user = NULL;
	cfg.storage = (struct world_storage){ .provider = "minio",
	    .bucket = "b", .agents_url = "http://m:9000" };
	w = compiled(&cfg);
	f = form(w, "container:dan");
	expect_member(json_path(f, "env.HICLAW_FS_SECRET_KEY"), "$secret",
	    "user:dd/secret");
	expect_member(json_path(f, "env.HICLAW_WORKER_GATEWAY_KEY"),
	    "$secret", "consumer:worker-dd/key");
	expect_member(f, "env.HICLAW_STORAGE_PREFIX", "hiclaw/b");
	assert_non_null(world_find(w, "volume:dan"));
	/* A home outlives the container. */
	assert_non_null(world_find(w, "volume:gone"));
	json_free(f);
	world_free(w);
	(void)state;
}

static void
a_missing_image_is_not_another_ones(void **state)
{
	struct world_config cfg = config();
	struct json *images = json_must("{\"openclaw\":\"img/claw\"}");
	struct world *w;
	struct json *f;

	cfg.containers.images = images;
	w = compiled(&cfg);
	f = form(w, "container:default");
	expect_member(f, "image", "");
	json_free(f);
	f = form(w, "container:own");
	expect_member(f, "image", "example.org/own:1");
	json_free(f);
	world_free(w);
	json_free(images);
	(void)state;
}

/* What a runtime reads only as it starts is named by its digest. */
static void
files_that_need_a_start_are_named(void **state)
{
	struct world_config cfg = config();
	struct world *w = compiled(&cfg);
	struct json *f = form(w, "container:own");
	const struct json *first = json_first(json_get(f, "config"));

	assert_int_equal(json_size(json_get(f, "config")), 1);
	expect_member(first, "$ref", "file:agents/own/.hermes/.env");
	json_free(f);
	f = form(w, "container:dan");
	assert_int_equal(json_size(json_get(f, "config")), 0);
	json_free(f);
	world_free(w);
	(void)state;
}

/* Who runs an agent elsewhere gets what a container would get, but for what only
 * that machine knows. */
static void
elsewhere_is_the_same_world(void **state)
{
	struct world_config cfg = config();
	struct json *restarts = json_must("{\"remote:far\":2}");
	struct world *w;
	struct json *f;

	cfg.containers.restarts = restarts;
	w = compiled(&cfg);
	f = form(w, "remote:far");
	expect_member(f, "agent", "far");
	expect_member(f, "env.HICLAW_WORKER_NAME", "far");
	expect_member(f, "env.HICLAW_CONTROLLER_URL", "http://10.0.0.1:80");
	assert_null(json_path(f, "env.HOME"));
	assert_null(json_path(f, "env.HICLAW_AUTH_TOKEN_FILE"));
	assert_int_equal(json_int(f, "restart", 0), 2);
	assert_null(json_get(f, "state"));
	/* Its home has the keys; with a storage of objects it brings it. */
	assert_null(strstr(world_find(w, "remote:far")->desired, "$secret"));
	json_free(f);
	world_free(w);
	cfg.storage = (struct world_storage){ .provider = "minio",
	    .bucket = "b", .agents_url = "http://m:9000" };
	w = compiled(&cfg);
	f = form(w, "remote:far");
	expect_member(json_path(f, "env.HICLAW_FS_SECRET_KEY"), "$secret",
	    "user:far/secret");
	expect_member(json_path(f, "env.HICLAW_WORKER_MATRIX_TOKEN"),
	    "$secret", "account:far/token");
	json_free(f);
	world_free(w);
	json_free(restarts);
	(void)state;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_whole_is_as_written),
		cmocka_unit_test(states_decide_what_there_is),
		cmocka_unit_test(an_agent_cannot_name_what_is_the_systems),
		cmocka_unit_test(secrets_are_where_they_must_be),
		cmocka_unit_test(a_missing_image_is_not_another_ones),
		cmocka_unit_test(files_that_need_a_start_are_named),
		cmocka_unit_test(elsewhere_is_the_same_world),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
