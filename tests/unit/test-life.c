/*
 * The life of agents: what is decided, by tables; and what comes of it, with the
 * real engine and a provider of the test's own whose containers run, die and
 * report as they are told.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "hiclaw/clock.h"
#include "hiclaw/log.h"
#include "hiclaw/loop.h"

#include "../../src/ops/life-int.h"

#include "obedient.h"

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define BOSS		"@boss:x.org"
#define HOUR		3600000LL

/* --- decisions -------------------------------------------------------------- */

static void
test_idle(void **state)
{
	static const struct { struct idle in; int64_t due; } t[] = {
		{ { AGENT_WORKER, true, 1000, HOUR }, HOUR + 1000 },
		{ { AGENT_STANDALONE, true, 1000, 500 }, 1500 },
		{ { AGENT_LEADER, true, 1000, 500 }, 0 },
		{ { AGENT_MANAGER, true, 1000, 500 }, 0 },
		{ { AGENT_WORKER, false, 1000, 500 }, 0 },
		{ { AGENT_WORKER, true, 1000, 0 }, 0 },
	};
	static const struct { int64_t was, timeout, now, last; } r[] = {
		/* Written down lately: as it was. */
		{ 99 * HOUR, 12 * HOUR, 100 * HOUR, 99 * HOUR },
		/* What came after the last write may be lost. */
		{ 1 * HOUR, 12 * HOUR, 100 * HOUR,
		    100 * HOUR - 12 * HOUR + SAVE_MS },
		{ 0, 60000, HOUR, HOUR - 60000 + 15000 },
		/* Never to sleep; a clock that went back. */
		{ 5, 0, 100, 5 }, { 500, 60, 100, 100 },
	};

	for (size_t i = 0; i < NELEM(t); i++)
		assert_int_equal(idle_due(&t[i].in), t[i].due);
	for (size_t i = 0; i < NELEM(r); i++)
		assert_int_equal(idle_recall(r[i].was, r[i].timeout,
		    r[i].now), r[i].last);
	assert_int_equal(idle_save_ms(0), SAVE_MS);
	assert_int_equal(idle_save_ms(60000), 15000);
	assert_int_equal(idle_save_ms(12 * HOUR), SAVE_MS);
}

static struct resource *
resource_of(const char *kind, const char *spec)
{
	return resource_new(kind_find(kind), json_must("{\"name\":\"x\"}"),
	    json_must(spec));
}

static void
test_idle_timeout(void **state)
{
	struct resource *team = resource_of("Team",
	    "{\"leader\":{\"name\":\"l\",\"workerIdleTimeout\":\"5m\"}}");
	struct resource *plain = resource_of("Team",
	    "{\"leader\":{\"name\":\"l\"}}");
	struct resource *never = resource_of("Team",
	    "{\"leader\":{\"name\":\"l\",\"workerIdleTimeout\":\"0s\"}}");
	struct resource *manager = resource_of("Manager",
	    "{\"model\":\"m\",\"config\":{\"workerIdleTimeout\":\"7m\"}}");

	assert_int_equal(idle_timeout(team, manager, 9), 300000);
	assert_int_equal(idle_timeout(plain, manager, 9), 9);
	assert_int_equal(idle_timeout(never, manager, 9), 0);
	assert_int_equal(idle_timeout(NULL, manager, 9), 420000);
	assert_int_equal(idle_timeout(NULL, NULL, 9), 9);
	resource_unref(team);
	resource_unref(plain);
	resource_unref(never);
	resource_unref(manager);
}

static void
test_mentions(void **state)
{
#define BODY(text) "{\"msgtype\":\"m.text\",\"body\":\"" text "\"}"
#define HTML(text) "{\"body\":\"\",\"formatted_body\":\"" text "\"}"
	static const struct { const char *content, *ids; } t[] = {
		{ BODY("hello"), "" },
		{ BODY("@hiclaw_al: do it"), "@hiclaw_al:x.org" },
		{ BODY("do it, @hiclaw_al."), "@hiclaw_al:x.org" },
		{ BODY("(@hiclaw_al)"), "@hiclaw_al:x.org" },
		{ BODY("@HiClaw_Al go"), "@hiclaw_al:x.org" },
		{ BODY("@hiclaw_al:x.org: go"), "@hiclaw_al:x.org" },
		{ BODY("see @hiclaw_al:x.org."), "@hiclaw_al:x.org" },
		{ BODY("@hiclaw_al:other.org go"), "" },
		{ BODY("@hiclaw_al:x.org.evil go"), "" },
		{ BODY("mail me@hiclaw_al"), "" },
		{ BODY("a@ b @ c"), "" },
		{ BODY("@hiclaw_al and @hiclaw_bo and @hiclaw_al"),
		    "@hiclaw_al:x.org @hiclaw_bo:x.org" },
		/* Another's words, quoted by old clients. */
		{ BODY("> <@ann:x.org> @hiclaw_al go\\n\\nyes"), "" },
		{ HTML("<mx-reply><a href='https://matrix.to/#/@hiclaw_al:x.org"
		    "'>al</a></mx-reply>yes"), "" },
		{ HTML("<a href=\\\"https://matrix.to/#/@hiclaw_al:x.org\\\">al"
		    "</a> go"), "@hiclaw_al:x.org" },
		{ HTML("<a href=\\\"https://matrix.to/#/%40hiclaw_al%3Ax.org\\\""
		    ">al</a>"), "@hiclaw_al:x.org" },
		{ HTML("<a href=\\\"https://matrix.to/#/!room:x.org/$e\\\">"),
		    "" },
		{ "{\"body\":\"go\",\"m.mentions\":{\"user_ids\":"
		    "[\"@hiclaw_al:x.org\",5]}}", "@hiclaw_al:x.org" },
		{ "{\"body\":\"x\",\"m.mentions\":{\"user_ids\":7}}", "" },
		/* What bots say. */
		{ "{\"msgtype\":\"m.notice\",\"body\":\"@hiclaw_al\"}", "" },
		/* An edit stands for what it says now. */
		{ "{\"body\":\"* @hiclaw_al\",\"m.new_content\":"
		    "{\"body\":\"@hiclaw_bo\"}}", "@hiclaw_bo:x.org" },
		{ "{}", "" }, { "[]", "" }, { "{\"body\":7}", "" },
	};

	for (size_t i = 0; i < NELEM(t); i++) {
		struct json *content = json_must(t[i].content);
		struct strv ids = { 0 };
		char *text;

		mentions_of(content, "x.org", &ids);
		text = strv_join(&ids, " ");
		if (strcmp(text, t[i].ids) != 0)
			fail_msg("%s: %s", t[i].content, text);
		free(text);
		strv_release(&ids);
		json_free(content);
	}
}

static void
test_fresh(void **state)
{
	struct json *at = json_must("{\"origin_server_ts\":100000}");
	struct json *none = json_must("{}");

	assert_true(is_fresh(at, 0));
	assert_true(is_fresh(at, 99000));
	assert_true(is_fresh(at, 100000 + SKEW_MS - 1));
	assert_false(is_fresh(at, 100000 + SKEW_MS));
	assert_true(is_fresh(none, 100000));
	json_free(at);
	json_free(none);
}

/* --- a provider whose containers do as they are told ----------------------- */

static const int pauses[] = { 0, 0, 0, 1, -1 };

static bool
box_absorb(struct json *observed, const struct json *event)
{
	const char *type = json_strd(event, "type", "");

	if (strcmp(type, "ready") == 0) {
		json_set_int(observed, "ready_until",
		    json_int(event, "until_ms", 0));
		return true;
	}
	json_remove(observed, "ready_until");
	if (strcmp(type, "died") == 0) {
		json_set_str(observed, "state", "stopped");
		json_set(observed, "died", json_copy(json_get(event,
		    "died")));
	}
	return true;
}

#define KIND(n) { OBEDIENT(n, obedient_diff, obedient_ensure) }
static const struct object_kind obj_kinds[] = {
	KIND("account"), KIND("human"), KIND("media"), KIND("room"),
	KIND("network"), KIND("image"), KIND("volume"), KIND("file"),
	KIND("tree"), KIND("skills"), KIND("package"),
	{ OBEDIENT("container", box_diff, box_ensure), .awaits = box_awaits,
	    .absorb = box_absorb, .pauses_s = pauses },
	KIND("remote"), { .name = NULL }
};
const struct provider obedient = { .name = "matrix", .concurrency = 4,
    .kinds = obj_kinds, .open = obedient_open, .close = obedient_close };

/* --- a house to live in ----------------------------------------------------- */

#define HEAD(kind, name) "---\napiVersion: hiclaw.io/v1beta1\nkind: " kind \
    "\nmetadata: {name: " name "}\n"
static const char house_text[] =
    HEAD("Team", "web") "spec:\n  leader: {name: lea}\n"
    "  workers: [{name: wim}, {name: wanda}]\n"
    HEAD("Worker", "alice") "spec: {model: m}\n"
    HEAD("Worker", "rob") "spec: {model: m, containerManaged: false}\n"
    HEAD("Manager", "default") "spec: {model: m}\n"
    HEAD("Human", "ann") "spec: {displayName: Ann, permissionLevel: 3, "
    "accessibleWorkers: [alice, wim]}\n";

struct house {
	struct loop	*loop;
	struct store	*store;
	struct engine	*engine;
	struct life	*life;
	struct ops	 ops;
	struct waiting	 waiting;
	struct strv	 admins;
	struct json	*images;
	char		*dir;
	int64_t		 idle_ms;
	int		 events, settled, runs_over, fights, drifts, silent,
			 reports;
	struct strv	 actors;	/* of runs that are over */
	struct strv	 titles, woken, told;
};

static void
saw_run(void *arg, const struct run_view *v)
{
	struct house *h = arg;

	if (!v->over)
		return;
	h->runs_over++;
	strv_add(&h->actors, v->actor);
	strv_add(&h->titles, v->title);
}

static void
saw_fight(void *arg, const char *key, const char *sender, int wait_s)
{
	struct house *h = arg;

	h->fights++;
}

static void
saw_drift(void *arg, const char *key, const char *sender,
    const struct strv *did, const struct json *was)
{
	struct house *h = arg;

	h->drifts++;
}

static void
saw_woken(void *arg, const char *room, const char *event,
    const struct strv *names, const char *why_not)
{
	struct house *h = arg;
	char *list = strv_join(names, " ");

	strv_addf(&h->woken, "%s in %s", list, room);
	assert_null(why_not);
	free(list);
}

static void
saw_silent(void *arg, const struct strv *names, int64_t since_ms)
{
	struct house *h = arg;

	h->silent++;
	strv_addf(&h->told, "%zu silent", names->n);
}

static void
saw_reports(void *arg, const struct strv *names, int64_t since_ms)
{
	struct house *h = arg;

	h->reports++;
	strv_addf(&h->told, "%zu report", names->n);
}

static void
turn(void *arg)
{
	struct house *h = arg;

	if (h->engine == NULL)
		return;
	engine_before_commit(h->engine);
	life_before_commit(h->life);
	store_commit(h->store);
	engine_after_commit(h->engine);
}

static bool
wait_for(struct house *h, bool (*until)(struct house *))
{
	return waiting_for(&h->waiting, until);
}

static bool
is_made(struct house *h)
{
	struct engine_counts c;

	engine_counts(h->engine, &c);
	return c.busy == 0 && c.backoff == 0 && c.removing == 0;
}

static void
put(struct house *h, const char *text)
{
	obedient_declare(h->engine, h->store, text);
	turn(h);
}

static void
house_open(struct house *h)
{
	struct engine_config cfg = { 0 };
	struct engine_observer obs = { .arg = h, .run = saw_run,
	    .fight = saw_fight, .drift = saw_drift };
	struct life_news news = { h, saw_woken, saw_silent, saw_reports };
	char *db = xasprintf("%s/db", h->dir), *key = xasprintf("%s/key",
	    h->dir);
	struct err err;

	if ((h->store = store_open(db, key, &err)) == NULL)
		fail_msg("%s", err.msg);
	h->loop = loop_new();
	obedient_world(&cfg.world, &h->admins);
	cfg.world.containers.provider = "docker";
	cfg.world.containers.network = "host";
	cfg.world.containers.images = h->images;
	cfg.world.containers.pull = "never";
	cfg.world.storage.provider = "directory";
	cfg.world.containers.homes = "/homes";
	cfg.threads = 4;
	cfg.run_limit_ms = 30000;
	cfg.live_interval_ms = 20;
	h->engine = engine_new(h->loop, h->store, &cfg, &err);
	assert_non_null(h->engine);
	engine_observe(h->engine, &obs);
	h->ops = (struct ops){ .engine = h->engine, .store = h->store };
	h->life = life_new(&h->ops, h->loop, h->idle_ms);
	life_tell(h->life, &news);
	loop_before_wait(h->loop, turn, h);
	waiting_open(&h->waiting, h->loop, h);
	engine_start(h->engine);
	life_start(h->life);
	free(db);
	free(key);
}

static void
house_close(struct house *h)
{
	engine_free(h->engine);
	h->engine = NULL;
	life_free(h->life);
	waiting_close(&h->waiting);
	store_commit(h->store);
	store_close(h->store);
	loop_free(h->loop);
}

static int
setup(void **state)
{
	struct house *h = xcalloc(1, sizeof *h);
	char tmpl[] = "/tmp/hiclaw-life-XXXXXX";

	log_set_level(LOG_LVL_ERROR);
	h->dir = xstrdup(mkdtemp(tmpl));
	h->images = json_must("{\"openclaw\":\"i\",\"manager\":\"i\"}");
	strv_add(&h->admins, BOSS);
	house_open(h);
	put(h, house_text);
	assert_true(wait_for(h, is_made));
	*state = h;
	return 0;
}

static int
teardown(void **state)
{
	struct house *h = *state;
	char *cmd = xasprintf("rm -rf '%s'", h->dir);

	house_close(h);
	assert_int_equal(system(cmd), 0);
	free(cmd);
	free(h->dir);
	json_free(h->images);
	strv_release(&h->admins);
	strv_release(&h->actors);
	strv_release(&h->titles);
	strv_release(&h->woken);
	strv_release(&h->told);
	free(h);
	return 0;
}

/* --- saying, seeing ---------------------------------------------------------- */

static const char *
state_of(const struct house *h, const char *name)
{
	struct target t;

	target_find(engine_resources(h->engine), NULL, name, &t);
	return json_strd(t.spec, "state", "Running");
}

static void
set_state(struct house *h, const char *name, const char *state)
{
	struct json *action = change_state_action(state);
	struct run_request rq = { .actor = BOSS, .title = "t" };
	struct attempt ch;
	struct err err;

	change_state_add(action, name);
	store_begin(h->store);
	assert_int_equal(change_try(h->engine, action, NULL, &ch, &err), 0);
	change_start(&h->ops, &ch, NULL, NULL, &rq);
	change_release(&ch);
	json_free(action);
	turn(h);
	assert_true(wait_for(h, is_made));
}

static struct json *
message(struct house *h, const char *sender, const char *room,
    const char *body)
{
	struct json *e = json_object(), *c;

	json_set_str(e, "type", "m.room.message");
	json_set_str(e, "sender", sender);
	json_set_str(e, "room_id", room);
	json_set_strf(e, "event_id", "$%d", ++h->events);
	json_set_int(e, "origin_server_ts", clock_ms());
	c = json_set(e, "content", json_object());
	json_set_str(c, "msgtype", "m.text");
	json_set_str(c, "body", body);
	return e;
}

/* As the inbox does: kept if it may wake somebody, and dealt with. */
static bool
give(struct house *h, const struct json *event)
{
	bool kept;

	store_begin(h->store);
	kept = life_saw(h->life, event);
	if (kept)
		life_event(h->life, event);
	turn(h);
	return kept;
}

static bool
speak(struct house *h, const char *sender, const char *room,
    const char *body)
{
	struct json *e = message(h, sender, room, body);
	bool kept = give(h, e);

	json_free(e);
	return kept;
}

#define ALICES	"!room:worker/alice"
#define WEBS	"!room:team/web"

static void
report(struct house *h, const char *name, int64_t for_ms, int busy)
{
	struct json *e = json_object();
	char *handle = xasprintf("!container:%s", name);

	json_set_str(e, "type", "ready");
	json_set_int(e, "until_ms", clock_ms() + for_ms);
	engine_event(h->engine, handle, e);
	life_heard(h->life, name, busy);
	turn(h);
	json_free(e);
	free(handle);
}

static const char *
phase(struct house *h, const char *name)
{
	struct target t;

	target_find(engine_resources(h->engine), NULL, name, &t);
	return engine_agent_phase(h->engine, t.resource, t.name, t.spec, NULL,
	    0);
}

/* --- waking ------------------------------------------------------------------ */

static void
test_wake_on_mention(void **state)
{
	struct house *h = *state;

	assert_non_null(engine_find(h->engine, ALICES));
	/* Awake: nothing to keep, whoever speaks. */
	assert_false(speak(h, BOSS, ALICES, "@hiclaw_alice hello"));
	set_state(h, "alice", "Sleeping");
	assert_string_equal(phase(h, "alice"), "Sleeping");
	assert_false(speak(h, BOSS, ALICES, "alice hello"));
	assert_string_equal(state_of(h, "alice"), "Sleeping");
	h->runs_over = 0;
	assert_true(speak(h, BOSS, ALICES, "@hiclaw_alice hello"));
	assert_string_equal(state_of(h, "alice"), "Running");
	assert_int_equal(h->woken.n, 1);
	assert_string_equal(h->woken.v[0], "alice in " ALICES);
	/* Again, before it is up: nothing more. */
	assert_false(speak(h, BOSS, ALICES, "@hiclaw_alice hello?"));
	assert_int_equal(h->woken.n, 1);
	assert_true(wait_for(h, is_made));
	assert_string_equal(phase(h, "alice"), "Starting");
	report(h, "alice", 60000, -1);
	assert_true(wait_for(h, is_made));
	assert_string_equal(phase(h, "alice"), "Ready");
	assert_int_equal(h->runs_over, 1);
	assert_string_equal(h->actors.v[h->actors.n - 1], BOSS);
	assert_string_equal(h->titles.v[h->titles.n - 1], "wake alice");
}

static void
test_who_wakes_whom(void **state)
{
	static const struct {
		const char *sender, *room, *name, *body;
		bool wakes;
	} t[] = {
		{ "@stranger:x.org", ALICES, "alice", "@hiclaw_alice", false },
		{ "@ann:x.org", ALICES, "alice", "@hiclaw_alice", true },
		{ "@ann:x.org", WEBS, "lea", "@hiclaw_lea go", false },
		{ "@hiclaw_lea:x.org", WEBS, "wim", "@hiclaw_wim go", true },
		{ "@hiclaw_wim:x.org", WEBS, "lea", "@hiclaw_lea done", true },
		{ "@hiclaw_alice:x.org", WEBS, "wim", "@hiclaw_wim", false },
		{ "@hiclaw_wim:x.org", WEBS, "wim", "I am @hiclaw_wim", false },
		{ BOSS, WEBS, "alice", "@hiclaw_alice, not there", false },
		{ BOSS, "!elsewhere:x.org", "alice", "@hiclaw_alice", true },
		{ BOSS, "!room:manager/default", "default",
		    "@hiclaw_default wake up", true },
	};
	struct house *h = *state;

	for (size_t i = 0; i < NELEM(t); i++) {
		set_state(h, t[i].name, "Sleeping");
		speak(h, t[i].sender, t[i].room, t[i].body);
		if ((strcmp(state_of(h, t[i].name), "Running") == 0) !=
		    t[i].wakes)
			fail_msg("row %zu: %s", i, state_of(h, t[i].name));
		if (!t[i].wakes)
			set_state(h, t[i].name, "Running");
		assert_true(wait_for(h, is_made));
	}
	/* A stopped one is not woken by whoever speaks to it. */
	set_state(h, "alice", "Stopped");
	assert_string_equal(phase(h, "alice"), "Stopped");
	assert_false(speak(h, BOSS, ALICES, "@hiclaw_alice"));
	assert_string_equal(state_of(h, "alice"), "Stopped");
}

static void
test_several_in_one_run(void **state)
{
	struct house *h = *state;

	set_state(h, "wim", "Sleeping");
	set_state(h, "wanda", "Sleeping");
	assert_true(speak(h, BOSS, WEBS, "@hiclaw_wim, @hiclaw_wanda: go"));
	assert_int_equal(h->woken.n, 1);
	assert_string_equal(h->woken.v[0], "wim wanda in " WEBS);
	assert_true(wait_for(h, is_made));
	report(h, "wim", 60000, -1);
	report(h, "wanda", 60000, -1);
	assert_true(wait_for(h, is_made));
	assert_string_equal(h->titles.v[h->titles.n - 1], "wake wim, wanda");
}

/* What it heard while it was awake wakes it by no detour. */
static void
test_told_before(void **state)
{
	struct house *h = *state;
	struct json *e = message(h, "@hiclaw_lea:x.org", WEBS,
	    "@hiclaw_wim thanks");
	struct json *old = message(h, BOSS, WEBS, "@hiclaw_wim thanks");

	assert_false(give(h, e));
	json_set_int(old, "origin_server_ts", clock_ms() - SKEW_MS - 1000);
	set_state(h, "wim", "Sleeping");
	assert_false(give(h, e));		/* a look brings it again */
	assert_false(give(h, old));
	assert_string_equal(state_of(h, "wim"), "Sleeping");
	/* ... and after a restart of ours as well. */
	house_close(h);
	house_open(h);
	assert_false(give(h, old));
	assert_true(speak(h, BOSS, WEBS, "@hiclaw_wim, one more"));
	assert_string_equal(state_of(h, "wim"), "Running");
	json_free(e);
	json_free(old);
}

/* --- sleeping ---------------------------------------------------------------- */

static bool
are_asleep(struct house *h)
{
	return strcmp(state_of(h, "wim"), "Sleeping") == 0 &&
	    strcmp(state_of(h, "wanda"), "Sleeping") == 0 && is_made(h);
}

static void
test_idle_workers_sleep(void **state)
{
	struct house *h = *state;
	int runs;

	house_close(h);
	h->idle_ms = 2000;
	house_open(h);
	runs = h->runs_over;
	assert_false(speak(h, "@hiclaw_alice:x.org", ALICES, "working"));
	assert_true(wait_for(h, are_asleep));
	assert_true(wait_for(h, is_made));
	/* Only who works, and only here. */
	assert_string_equal(state_of(h, "lea"), "Running");
	assert_string_equal(state_of(h, "default"), "Running");
	assert_string_equal(state_of(h, "rob"), "Running");
	/* Those that were due together went in one run, by the bot. */
	assert_true(h->runs_over - runs >= 1 && h->runs_over - runs <= 2);
	assert_string_equal(h->actors.v[h->actors.n - 1], "@hiclaw:x.org");
	assert_non_null(strstr(h->titles.v[h->titles.n - 1], "idle for 2s"));
}

static int64_t quiet_until;

static bool
is_time(struct house *h)
{
	return clock_mono_ms() >= quiet_until;
}

static void
wait_ms(struct house *h, int64_t ms)
{
	quiet_until = clock_mono_ms() + ms;
	assert_true(wait_for(h, is_time));
}

static void
test_active_ones_stay_awake(void **state)
{
	struct house *h = *state;

	house_close(h);
	h->idle_ms = 3000;
	house_open(h);
	for (int i = 0; i < 10; i++) {
		wait_ms(h, 450);
		speak(h, "@hiclaw_wim:x.org", WEBS, "still at it");
		speak(h, BOSS, ALICES, "@hiclaw_alice and you?");
		report(h, "wanda", 60000, 1);
	}
	assert_string_equal(state_of(h, "wim"), "Running");
	assert_string_equal(state_of(h, "alice"), "Running");
	assert_string_equal(state_of(h, "wanda"), "Running");
	assert_true(life_active_ms(h->life, "wanda") > clock_ms() - 1000);
}

/* --- reports ----------------------------------------------------------------- */

static bool
was_silent(struct house *h)
{
	return h->silent > 0;
}

static bool
has_returned(struct house *h)
{
	return h->reports > 0;
}

static void
test_reports(void **state)
{
	struct house *h = *state;

	assert_string_equal(phase(h, "alice"), "Starting");
	report(h, "alice", 1200, -1);
	assert_true(wait_for(h, is_made));
	assert_string_equal(phase(h, "alice"), "Ready");
	assert_true(wait_for(h, was_silent));
	assert_true(wait_for(h, is_made));
	assert_string_equal(phase(h, "alice"), "Starting");
	assert_true(life_is_silent(h->life, "alice"));
	wait_ms(h, 1500);
	assert_int_equal(h->silent, 1);
	assert_int_equal(h->told.n, 1);
	/* Also over a restart it is known, and said when it is over. */
	house_close(h);
	house_open(h);
	assert_int_equal(h->reports, 0);
	report(h, "alice", 60000, -1);
	assert_false(life_is_silent(h->life, "alice"));
	assert_true(wait_for(h, has_returned));
	report(h, "alice", 60000, -1);
	wait_ms(h, 500);
	assert_int_equal(h->reports, 1);
	assert_true(life_heard_ms(h->life, "alice") > 0);
	/* Asleep is not silent. */
	report(h, "wim", 1200, -1);
	set_state(h, "wim", "Sleeping");
	wait_ms(h, 2500);
	assert_int_equal(h->silent, 1);
	assert_false(life_is_silent(h->life, "wim"));
}

/* The way to us is closed, and open again: all at once are one piece of news. */
static void
test_all_silent(void **state)
{
	static const char *const all[] = { "alice", "wim", "wanda", "lea" };
	struct house *h = *state;

	for (size_t i = 0; i < NELEM(all); i++)
		report(h, all[i], 1200, -1);
	assert_true(wait_for(h, was_silent));
	house_close(h);
	house_open(h);
	for (size_t i = 0; i < NELEM(all); i++)
		report(h, all[i], 60000, -1);
	assert_true(wait_for(h, has_returned));
	assert_int_equal(h->told.n, 2);
	assert_string_equal(h->told.v[0], "4 silent");
	assert_string_equal(h->told.v[1], "4 report");
}

/* --- deaths ------------------------------------------------------------------ */

static bool
is_running(struct house *h)
{
	return str_equal(engine_observed(h->engine, "container:alice",
	    "state"), "running") && is_made(h);
}

static bool
is_held(struct house *h)
{
	struct object_view v;

	return engine_object(h->engine, "container:alice", &v) &&
	    v.state == OBJECT_BACKOFF;
}

static void
die(struct house *h)
{
	struct json *e = json_must("{\"type\":\"died\",\"died\":{\"code\":3}}");

	engine_event(h->engine, "!container:alice", e);
	turn(h);
	json_free(e);
}

static void
test_crash_loop(void **state)
{
	struct house *h = *state;

	/* At once, as long as the kind's pauses say so. */
	for (int i = 0; i < 3; i++) {
		die(h);
		assert_false(is_held(h));
		assert_true(wait_for(h, is_running));
	}
	assert_int_equal(h->drifts, 3);
	assert_int_equal(h->fights, 0);
	/* Then after a pause; from the fifth death on that is told, once. */
	for (int i = 0; i < 3; i++) {
		die(h);
		assert_true(is_held(h));
		assert_string_equal(phase(h, "alice"), "CrashLoop");
		assert_int_equal(h->fights, i == 0 ? 0 : 1);
		assert_true(wait_for(h, is_running));
	}
	/* What somebody asks for ends the count. */
	set_state(h, "alice", "Sleeping");
	set_state(h, "alice", "Running");
	die(h);
	assert_false(is_held(h));
	assert_true(wait_for(h, is_running));
}

static void
test_phases(void **state)
{
	struct house *h = *state;
	struct resource *team = resources_find(engine_resources(h->engine),
	    kind_find("Team"), "web");

	assert_string_equal(engine_phase(h->engine, team, NULL, 0),
	    "Starting");
	report(h, "lea", 60000, -1);
	report(h, "wim", 60000, -1);
	report(h, "wanda", 60000, -1);
	assert_true(wait_for(h, is_made));
	assert_string_equal(engine_phase(h->engine, team, NULL, 0), "Ready");
	set_state(h, "wim", "Sleeping");
	team = resources_find(engine_resources(h->engine), kind_find("Team"),
	    "web");
	assert_string_equal(phase(h, "wim"), "Sleeping");
	assert_string_equal(phase(h, "lea"), "Ready");
	assert_string_equal(engine_phase(h->engine, team, NULL, 0), "Ready");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_idle),
		cmocka_unit_test(test_idle_timeout),
		cmocka_unit_test(test_mentions), cmocka_unit_test(test_fresh),
		T(test_wake_on_mention), T(test_who_wakes_whom),
		T(test_several_in_one_run), T(test_told_before),
		T(test_idle_workers_sleep), T(test_active_ones_stay_awake),
		T(test_reports), T(test_all_silent),
		T(test_crash_loop), T(test_phases),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
