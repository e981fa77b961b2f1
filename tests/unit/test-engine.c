/*
 * The engine against a provider of the test's own, which does as it is told:
 * order of dependence, failures, outages, drift, fights, restarts, deletion.
 * It knows the same kinds of object as the real ones, because the world names
 * them, and nothing else about them.
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
#include <pthread.h>

#include "hiclaw/clock.h"
#include "hiclaw/engine.h"
#include "hiclaw/log.h"
#include "hiclaw/loop.h"

#include "obedient.h"

/* --- a provider that does as it is told ----------------------------------- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct strv calls;		/* "ensure room:team/x", ... */
static char fail_key[128];		/* this one fails ... */
static enum err_kind fail_kind;		/* ... like this */
static bool is_down;			/* everything fails with ERR_RETRY */
static bool is_restless;		/* what is made is never as told */
static int slow_ms;			/* how long each call takes */
static char lost_key[128];		/* observe() says it is gone */
static const struct watch *told_by;	/* while the engine listens */

static void
note(const char *verb, const char *key)
{
	pthread_mutex_lock(&lock);
	strv_addf(&calls, "%s %s", verb, key);
	pthread_mutex_unlock(&lock);
}

static int
call_index(const char *verb, const char *key)
{
	char *want = xasprintf("%s %s", verb, key);
	int at = -1;

	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < calls.n && at == -1; i++)
		if (strcmp(calls.v[i], want) == 0)
			at = (int)i;
	pthread_mutex_unlock(&lock);
	free(want);
	return at;
}

static size_t
calls_n(const char *verb)
{
	size_t n = 0;

	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < calls.n; i++)
		n += str_starts(calls.v[i], verb);
	pthread_mutex_unlock(&lock);
	return n;
}

static void
calls_forget(void)
{
	pthread_mutex_lock(&lock);
	strv_release(&calls);
	pthread_mutex_unlock(&lock);
}

static bool
obj_absorb(struct json *observed, const struct json *event)
{
	json_set(observed, "is", json_copy(json_get(event, "content")));
	return true;
}

static int
told_to_fail(const char *key, struct err *err)
{
	int rc = 0, ms;

	pthread_mutex_lock(&lock);
	ms = slow_ms;
	pthread_mutex_unlock(&lock);
	if (ms > 0)
		usleep((useconds_t)ms * 1000);
	pthread_mutex_lock(&lock);
	if (is_down)
		rc = err_set(err, ERR_RETRY, "nobody answers");
	else if (strcmp(fail_key, key) == 0)
		rc = err_set(err, fail_kind, "told to fail");
	pthread_mutex_unlock(&lock);
	return rc;
}

static int
obj_ensure(void *ctx, const struct work *w, struct outcome *out,
    struct err *err)
{
	note("ensure", w->key);
	if (told_to_fail(w->key, err) == -1)
		return -1;
	obedient_ensure(ctx, w, out, err);
	if (is_restless)
		json_remove(out->observed, "is");
	if (json_str(w->secrets, "key") != NULL)
		json_set_str(out->observed, "key", json_str(w->secrets, "key"));
	if (json_str(w->secrets, "old_key") != NULL)
		note("both", json_str(w->secrets, "old_key"));
	out->secrets = json_object();
	json_set_str(out->secrets, "token", "s3cret");
	return 0;
}

static int
obj_remove(void *ctx, const struct work *w, struct outcome *out,
    struct err *err)
{
	note("remove", w->key);
	if (told_to_fail(w->key, err) == -1)
		return -1;
	strv_add(&out->did, "taken away");
	return 0;
}

static void
obj_ensure_many(void *ctx, struct deed *d, size_t n)
{
	char many[24];

	snprintf(many, sizeof many, "%zu", n);
	note("many", many);
	for (size_t i = 0; i < n; i++)
		d[i].rc = obj_ensure(ctx, &d[i].work, &d[i].out, &d[i].err);
}

static int
prov_query(void *ctx, const struct json *question, struct json **answer,
    struct err *err)
{
	if (json_bool(question, "fail", false))
		return err_set(err, ERR_RETRY, "no answer");
	*answer = json_copy(question);
	return 0;
}

static int
prov_observe(void *ctx, const struct observe_item *items, size_t n,
    void (*changed)(void *, const char *, struct json *), void *arg,
    struct err *err)
{
	char many[24];

	snprintf(many, sizeof many, "%zu", n);
	note("look", n == 1 ? items[0].key : many);
	for (size_t i = 0; i < n; i++)
		if (strcmp(items[i].key, lost_key) == 0)
			changed(arg, items[i].key, NULL);
	return 0;
}

static int
prov_watch(void *ctx, const struct watch *w, struct err *err)
{
	pthread_mutex_lock(&lock);
	told_by = w;
	pthread_mutex_unlock(&lock);
	while (!w->is_over(w->arg))
		usleep(1000);
	pthread_mutex_lock(&lock);
	told_by = NULL;
	pthread_mutex_unlock(&lock);
	return 0;
}

#define KIND(n, s) { .name = n, .label = n, .secrets = s, \
    .diff = obedient_diff, .absorb = obj_absorb, .handle = obedient_handle, \
    .ensure = obj_ensure, .remove = obj_remove }
static const struct object_kind obj_kinds[] = {
	KIND("account", NULL), KIND("human", obedient_password),
	KIND("media", NULL), KIND("room", NULL), KIND("file", NULL),
	KIND("tree", NULL), KIND("skills", NULL), KIND("package", NULL),
	KIND("provider", NULL), KIND("route", NULL),
	{ .name = "consumer", .label = "consumer", .secrets = obedient_key,
	    .diff = obedient_diff, .ensure = obj_ensure, .remove = obj_remove,
	    .batch = 1000, .ensure_many = obj_ensure_many },
	{ .name = NULL }
};
const struct provider obedient = { .name = "matrix", .concurrency = 4,
    .kinds = obj_kinds, .open = obedient_open, .close = obedient_close,
    .observe = prov_observe, .watch = prov_watch, .query = prov_query };

/* --- a house to test in --------------------------------------------------- */

struct house {
	struct loop	*loop;
	struct store	*store;
	struct engine	*engine;
	struct waiting	 waiting;
	struct strv	 admins;
	struct library	*library;
	struct json	*providers;	/* of the gateway; NULL: there is none */
	char		*dir;
	/* what the observer was told */
	int		 runs_over, runs_failed, drifts, fights, downs, ups,
			 accounts, gone;
	char		 drift_by[64], drift_key[64], drift_what[64];
};

static void
saw_run(void *arg, const struct run_view *v)
{
	struct house *h = arg;

	if (v->over) {
		h->runs_over++;
		h->runs_failed += v->failed > 0 || v->timed_out;
	}
}

static void
saw_drift(void *arg, const char *key, const char *sender,
    const struct strv *did, const struct json *was)
{
	struct house *h = arg;
	const struct json *change = json_first(json_get(was, "changes"));

	assert_true(did->n > 0);
	str_copy(h->drift_what, json_strd(change, "what", ""),
	    sizeof h->drift_what);
	h->drifts++;
	str_copy(h->drift_by, sender ? sender : "", sizeof h->drift_by);
	str_copy(h->drift_key, key, sizeof h->drift_key);
}

static void
saw_fight(void *arg, const char *key, const char *sender, int wait_s)
{
	((struct house *)arg)->fights++;
}

static void
saw_system(void *arg, const char *provider, bool is_up, int64_t since,
    const char *why)
{
	struct house *h = arg;

	if (is_up)
		h->ups++;
	else
		h->downs++;
}

static void
saw_account(void *arg, const char *key, const char *user)
{
	((struct house *)arg)->accounts++;
}

static void
saw_gone(void *arg, const char *kind, const char *name)
{
	((struct house *)arg)->gone++;
}

static void
turn(void *arg)
{
	struct house *h = arg;

	if (h->engine == NULL)
		return;
	engine_before_commit(h->engine);
	store_commit(h->store);
	engine_after_commit(h->engine);
}

static bool
wait_for(struct house *h, bool (*until)(struct house *))
{
	return waiting_for(&h->waiting, until);
}

static void
house_open(struct house *h)
{
	static const struct engine_observer obs = { .arg = NULL };
	struct engine_observer o = obs;
	struct engine_config cfg = { 0 };
	char *db = xasprintf("%s/db", h->dir), *key = xasprintf("%s/key",
	    h->dir);
	struct err err;

	o.arg = h;
	o.run = saw_run;
	o.drift = saw_drift;
	o.fight = saw_fight;
	o.system = saw_system;
	o.account_made = saw_account;
	o.resource_gone = saw_gone;
	if ((h->store = store_open(db, key, &err)) == NULL)
		fail_msg("%s", err.msg);
	h->loop = loop_new();
	obedient_world(&cfg.world, &h->admins);
	cfg.world.storage.provider = "directory";
	if (h->providers != NULL) {
		cfg.world.gateway.provider = "envoy";
		cfg.world.gateway.providers = h->providers;
	}
	h->library = library_new();
	library_add(h->library, "agents/SOUL.md", "I am {{name}}.\n");
	cfg.world.library = h->library;
	cfg.threads = 4;
	cfg.run_limit_ms = 3000;
	cfg.live_interval_ms = 20;
	h->engine = engine_new(h->loop, h->store, &cfg, &err);
	assert_non_null(h->engine);
	engine_observe(h->engine, &o);
	loop_before_wait(h->loop, turn, h);
	waiting_open(&h->waiting, h->loop, h);
	engine_start(h->engine);
	free(db);
	free(key);
}

static void
house_close(struct house *h)
{
	engine_free(h->engine);
	library_free(h->library);
	h->engine = NULL;
	waiting_close(&h->waiting);
	store_commit(h->store);
	store_close(h->store);
	loop_free(h->loop);
}

static int
setup(void **state)
{
	struct house *h = xcalloc(1, sizeof *h);
	char tmpl[] = "/tmp/hiclaw-engine-XXXXXX";

	log_set_level(LOG_LVL_ERROR);
	calls_forget();
	fail_key[0] = lost_key[0] = '\0';
	is_down = is_restless = false;
	slow_ms = 0;
	h->dir = xstrdup(mkdtemp(tmpl));
	strv_add(&h->admins, "@boss:x.org");
	house_open(h);
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
	strv_release(&h->admins);
	json_free(h->providers);
	free(h);
	calls_forget();
	return 0;
}

/* The same house with a gateway. */
static int
setup_gateway(void **state)
{
	struct house *h;

	if (setup(state) != 0)
		return -1;
	h = *state;
	house_close(h);
	h->providers = json_must("[{\"name\":\"main\",\"url\":"
	    "\"http://x/v1\"}]");
	house_open(h);
	return 0;
}

static bool
all_settled(struct house *h)
{
	struct engine_counts c;

	engine_counts(h->engine, &c);
	return c.objects > 0 && c.settled == c.objects && c.runs == 0;
}

static bool
no_runs(struct house *h)
{
	struct engine_counts c;

	engine_counts(h->engine, &c);
	return c.runs == 0 && h->runs_over > 0;
}

static bool
was_down(struct house *h)
{
	return h->downs > 0;
}

static bool
had_drift(struct house *h)
{
	return h->drifts > 0 && all_settled(h);
}

static bool
had_fight(struct house *h)
{
	return h->fights > 0;
}

/* Apply a manifest on top of what is there; "-Kind/name" lines delete. */
static int64_t
apply(struct house *h, const char *yaml, const char *delete_kind,
    const char *delete_name)
{
	struct run_request q = { "@boss:x.org", "!r", "$e", "test", NULL, NULL };
	struct problems p = { 0 };
	struct resource **v = NULL;
	struct resources *after;
	struct plan *plan;
	size_t n = 0;
	int64_t run;

	after = resources_copy(engine_resources(h->engine));
	if (yaml != NULL)
		assert_int_equal(manifest_decode(yaml, strlen(yaml), &v, &n,
		    &p), 0);
	for (size_t i = 0; i < n; i++) {
		resources_put(after, v[i]);
		resource_unref(v[i]);
	}
	free(v);
	if (delete_kind != NULL)
		assert_true(resources_remove(after, kind_find(delete_kind),
		    delete_name));
	plan = engine_plan(h->engine, after);
	run = engine_apply(h->engine, plan, after, &q);
	plan_free(plan);
	resources_free(after);
	problems_release(&p);
	return run;
}

#define WORKER(name) "apiVersion: hiclaw.io/v1beta1\nkind: Worker\n" \
    "metadata: {name: " name "}\nspec: {model: m}\n"

/* --- tests ---------------------------------------------------------------- */

static void
test_converges_in_order(void **state)
{
	struct house *h = *state;

	assert_true(apply(h, WORKER("ann"), NULL, NULL) > 0);
	assert_true(wait_for(h, all_settled));
	assert_int_equal(h->runs_over, 1);
	assert_int_equal(h->runs_failed, 0);
	assert_true(call_index("ensure", "account:ann") >= 0);
	assert_true(call_index("ensure", "account:ann") <
	    call_index("ensure", "room:worker/ann"));
	assert_true(call_index("ensure", "room:space") <
	    call_index("ensure", "room:worker/ann"));
	assert_true(call_index("ensure", "file:agents/ann/SOUL.md") >= 0);
	/* Each once. */
	size_t n = calls_n("ensure");
	struct engine_counts c;

	engine_counts(h->engine, &c);
	assert_int_equal(n, c.objects);
	/* And again: nothing to do. */
	calls_forget();
	assert_int_equal(apply(h, WORKER("ann"), NULL, NULL), 0);
	engine_resync(h->engine);
	assert_true(wait_for(h, all_settled));
	assert_int_equal(calls_n("ensure"), 0);
}

static void
test_delete_in_reverse_and_gone(void **state)
{
	struct house *h = *state;

	apply(h, WORKER("ann"), NULL, NULL);
	assert_true(wait_for(h, all_settled));
	calls_forget();
	assert_true(apply(h, NULL, "Worker", "ann") > 0);
	assert_true(wait_for(h, all_settled));
	assert_true(call_index("remove", "room:worker/ann") >= 0);
	assert_true(call_index("remove", "room:worker/ann") <
	    call_index("remove", "account:ann"));
	assert_false(engine_object(h->engine, "account:ann",
	    &(struct object_view){ 0 }));
	assert_int_equal(h->gone, 1);
	assert_null(resources_find(engine_resources(h->engine),
	    kind_find("Worker"), "ann"));
}

static void
test_failed_removal_stays(void **state)
{
	struct house *h = *state;
	struct object_view v;

	apply(h, WORKER("ann"), NULL, NULL);
	assert_true(wait_for(h, all_settled));
	str_copy(fail_key, "account:ann", sizeof fail_key);
	fail_kind = ERR_DENIED;
	h->runs_over = 0;
	apply(h, NULL, "Worker", "ann");
	assert_true(wait_for(h, no_runs));
	assert_int_equal(h->runs_failed, 1);
	assert_int_equal(h->gone, 0);
	assert_true(engine_object(h->engine, "account:ann", &v));
	assert_string_equal(v.error, "told to fail");
	assert_false(engine_object(h->engine, "room:worker/ann", &v));
}

static void
test_hopeless_fails_the_run_and_its_users(void **state)
{
	struct house *h = *state;
	struct object_view v;

	str_copy(fail_key, "account:ann", sizeof fail_key);
	fail_kind = ERR_CONFLICT;
	apply(h, WORKER("ann"), NULL, NULL);
	assert_true(wait_for(h, no_runs));
	assert_int_equal(h->runs_failed, 1);
	assert_true(engine_object(h->engine, "account:ann", &v));
	assert_int_equal(v.state, OBJECT_FAILED);
	assert_true(engine_object(h->engine, "room:worker/ann", &v));
	assert_int_equal(v.state, OBJECT_FAILED);
	assert_non_null(strstr(v.error, "account:ann"));
	assert_int_equal(call_index("ensure", "room:worker/ann"), -1);
	assert_string_equal(engine_phase(h->engine, resources_find(
	    engine_resources(h->engine), kind_find("Worker"), "ann"), NULL, 0),
	    "Degraded");
}

static void
test_outage_is_told_once_and_healed(void **state)
{
	struct house *h = *state;

	assert_true(wait_for(h, all_settled));
	is_down = true;
	apply(h, WORKER("ann") "---\n" WORKER("bob"), NULL, NULL);
	assert_true(wait_for(h, was_down));
	pthread_mutex_lock(&lock);
	is_down = false;
	pthread_mutex_unlock(&lock);
	assert_true(wait_for(h, all_settled));
	assert_int_equal(h->downs, 1);
	assert_int_equal(h->ups, 1);
	assert_int_equal(h->runs_failed, 0);
}

static void
test_drift_by_event(void **state)
{
	struct house *h = *state;
	struct json *ev = json_must("{\"sender\":\"@eve:x.org\","
	    "\"content\":{\"name\":\"stolen\"}}");

	apply(h, WORKER("ann"), NULL, NULL);
	assert_true(wait_for(h, all_settled));
	calls_forget();
	engine_event(h->engine, "!room:worker/ann", ev);
	assert_true(wait_for(h, had_drift));
	assert_string_equal(h->drift_by, "@eve:x.org");
	assert_string_equal(h->drift_key, "room:worker/ann");
	assert_string_equal(h->drift_what, "form");
	assert_int_equal(calls_n("ensure"), 1);
	json_free(ev);
}

static void
test_drift_by_looking(void **state)
{
	struct house *h = *state;

	apply(h, WORKER("ann"), NULL, NULL);
	assert_true(wait_for(h, all_settled));
	calls_forget();
	str_copy(lost_key, "file:agents/ann/SOUL.md", sizeof lost_key);
	engine_resync(h->engine);
	assert_true(wait_for(h, had_drift));
	assert_string_equal(h->drift_by, "");
	assert_int_equal(calls_n("ensure"), 1);
}

static bool
listens(struct house *h)
{
	bool does;

	pthread_mutex_lock(&lock);
	does = told_by != NULL;
	pthread_mutex_unlock(&lock);
	return does;
}

static bool
has_looked(struct house *h)
{
	return calls_n("look") > 0 && engine_is_idle(h->engine);
}

/* Only what is named is looked at. */
static void
test_looks_where_it_is_told(void **state)
{
	struct house *h = *state;

	apply(h, WORKER("ann"), NULL, NULL);
	assert_true(wait_for(h, all_settled));
	assert_true(wait_for(h, listens));
	calls_forget();
	told_by->look(told_by->arg, "file:agents/ann/SOUL.md");
	told_by->look(told_by->arg, "file:agents/nobody/SOUL.md");
	told_by->look(told_by->arg, "file:agents/ann/SOUL.md");
	assert_true(wait_for(h, has_looked));
	assert_int_equal(calls_n("look"), 1);
	assert_int_equal(call_index("look", "file:agents/ann/SOUL.md"), 0);
	assert_int_equal(h->drifts, 0);
	str_copy(lost_key, "file:agents/ann/SOUL.md", sizeof lost_key);
	told_by->look(told_by->arg, "file:agents/ann/SOUL.md");
	assert_true(wait_for(h, had_drift));
	assert_string_equal(h->drift_key, "file:agents/ann/SOUL.md");
	assert_int_equal(calls_n("ensure"), 1);
}

static bool
has_begun(struct house *h)
{
	return call_index("ensure", "file:agents/ann/SOUL.md") >= 0;
}

/* What is in hand is looked at when it is back. */
static void
test_looks_after_what_is_in_hand(void **state)
{
	struct house *h = *state;
	static const char key[] = "file:agents/ann/SOUL.md";

	assert_true(wait_for(h, listens));
	apply(h, WORKER("ann"), NULL, NULL);
	slow_ms = 40;
	assert_true(wait_for(h, has_begun));
	told_by->look(told_by->arg, key);
	assert_true(wait_for(h, all_settled));
	assert_true(wait_for(h, has_looked));
	assert_true(call_index("look", key) > call_index("ensure", key));
	assert_int_equal(calls_n("look"), 1);
}

static void
test_fight_backs_off(void **state)
{
	struct house *h = *state;
	struct json *ev = json_must("{\"sender\":\"@bot:x.org\","
	    "\"content\":{\"name\":\"mine\"}}");
	size_t before;

	apply(h, WORKER("ann"), NULL, NULL);
	assert_true(wait_for(h, all_settled));
	for (int i = 0; i < 5; i++) {
		h->drifts = 0;
		engine_event(h->engine, "!room:worker/ann", ev);
		assert_true(wait_for(h, had_drift));
	}
	before = calls_n("ensure");
	engine_event(h->engine, "!room:worker/ann", ev);
	assert_true(wait_for(h, had_fight));
	assert_int_equal(h->fights, 1);
	assert_int_equal(calls_n("ensure"), before);
	json_free(ev);
}

static void
test_event_before_its_room(void **state)
{
	struct house *h = *state;
	struct json *ev = json_must("{\"sender\":\"@eve:x.org\","
	    "\"content\":{\"name\":\"early\"}}");

	apply(h, WORKER("ann"), NULL, NULL);
	turn(h);		/* its account is in hand, the room to come */
	engine_event(h->engine, "!room:worker/ann", ev);
	assert_true(wait_for(h, had_drift));
	assert_string_equal(h->drift_by, "@eve:x.org");
	json_free(ev);
}

static void
test_restart_goes_on(void **state)
{
	struct house *h = *state;

	assert_true(wait_for(h, all_settled));
	is_down = true;
	apply(h, WORKER("ann"), NULL, NULL);
	engine_before_commit(h->engine);
	store_commit(h->store);		/* durable, nothing started */
	house_close(h);
	is_down = false;
	calls_forget();
	house_open(h);
	assert_true(wait_for(h, all_settled));
	assert_int_equal(h->runs_over, 1);
	assert_int_equal(h->runs_failed, 0);
	assert_true(call_index("ensure", "room:worker/ann") >= 0);
	/* What was settled before stays untouched. */
	assert_int_equal(call_index("ensure", "room:admin"), -1);
	calls_forget();
	house_close(h);
	house_open(h);
	assert_true(wait_for(h, all_settled));
	assert_int_equal(calls_n("ensure"), 0);
}

static void
test_old_trouble_is_not_a_new_runs(void **state)
{
	struct house *h = *state;

	str_copy(fail_key, "room:worker/ann", sizeof fail_key);
	fail_kind = ERR_CONFLICT;
	apply(h, WORKER("ann"), NULL, NULL);
	assert_true(wait_for(h, no_runs));
	assert_int_equal(h->runs_failed, 1);
	/* Something else: done, whatever ann's room does. */
	h->runs_over = h->runs_failed = 0;
	assert_true(apply(h, WORKER("bob"), NULL, NULL) > 0);
	assert_true(wait_for(h, no_runs));
	assert_int_equal(h->runs_failed, 0);
	/* The same again: tried again at once, and told. */
	h->runs_over = 0;
	calls_forget();
	assert_true(apply(h, WORKER("ann"), NULL, NULL) > 0);
	assert_true(wait_for(h, no_runs));
	assert_int_equal(h->runs_failed, 1);
	assert_int_equal(calls_n("ensure room:worker/ann"), 1);
	/* The cause is gone: asking again mends it. */
	fail_key[0] = '\0';
	h->runs_over = h->runs_failed = 0;
	apply(h, WORKER("ann"), NULL, NULL);
	assert_true(wait_for(h, all_settled));
	assert_int_equal(h->runs_failed, 0);
}

static void
test_run_times_out(void **state)
{
	struct house *h = *state;

	assert_true(wait_for(h, all_settled));
	str_copy(fail_key, "room:worker/ann", sizeof fail_key);
	fail_kind = ERR_RETRY;
	apply(h, WORKER("ann"), NULL, NULL);
	assert_true(wait_for(h, no_runs));
	assert_int_equal(h->runs_failed, 1);
	/* The engine goes on after the run gave up. */
	fail_key[0] = '\0';
	assert_true(wait_for(h, all_settled));
}

static void
test_run_waits_for_rooms_of_a_new_person(void **state)
{
	struct house *h = *state;

	apply(h, WORKER("ann"), NULL, NULL);
	assert_true(wait_for(h, all_settled));
	h->runs_over = 0;
	calls_forget();
	/* The rooms are in order until the account is there. */
	apply(h, "apiVersion: hiclaw.io/v1beta1\nkind: Human\n"
	    "metadata: {name: john}\nspec: {displayName: John, "
	    "permissionLevel: 1}\n", NULL, NULL);
	assert_true(wait_for(h, no_runs));
	assert_true(call_index("ensure", "human:john") <
	    call_index("ensure", "room:worker/ann"));
	assert_int_equal(calls_n("ensure room:worker/ann"), 1);
	assert_true(all_settled(h));
}

static void
test_password_is_made_before_the_account(void **state)
{
	struct house *h = *state;
	char *secret;

	apply(h, "apiVersion: hiclaw.io/v1beta1\nkind: Human\n"
	    "metadata: {name: john}\nspec: {displayName: John, "
	    "permissionLevel: 3}\n", NULL, NULL);
	assert_true(wait_for(h, all_settled));
	assert_int_equal(h->accounts, 1);
	secret = engine_secret(h->engine, "human:john", "password");
	assert_non_null(secret);
	assert_int_equal(strlen(secret), 20);
	free(secret);
	engine_secret_forget(h->engine, "human:john", "password");
	assert_null(engine_secret(h->engine, "human:john", "password"));
}

/* What is deleted before its turn came must not stay in the queue. */
static void
test_delete_of_what_is_queued(void **state)
{
	struct house *h = *state;

	assert_true(wait_for(h, all_settled));
	is_down = true;
	apply(h, WORKER("ann") "---\n" WORKER("bob") "---\n" WORKER("cid"),
	    NULL, NULL);
	assert_true(wait_for(h, was_down));
	apply(h, NULL, "Worker", "bob");
	apply(h, NULL, "Worker", "ann");
	pthread_mutex_lock(&lock);
	is_down = false;
	pthread_mutex_unlock(&lock);
	assert_true(wait_for(h, all_settled));
	assert_int_equal(h->gone, 2);
	assert_false(engine_object(h->engine, "room:worker/ann",
	    &(struct object_view){ 0 }));
	assert_true(engine_object(h->engine, "room:worker/cid",
	    &(struct object_view){ 0 }));
}

static bool
ann_was_tried(struct house *h)
{
	return call_index("ensure", "account:ann") >= 0;
}

/* The answer to its creation was lost: something may be there. */
static void
test_delete_of_what_may_be_there(void **state)
{
	struct house *h = *state;

	assert_true(wait_for(h, all_settled));
	str_copy(fail_key, "account:ann", sizeof fail_key);
	fail_kind = ERR_RETRY;
	apply(h, WORKER("ann"), NULL, NULL);
	assert_true(wait_for(h, ann_was_tried));
	pthread_mutex_lock(&lock);
	fail_key[0] = '\0';
	pthread_mutex_unlock(&lock);
	apply(h, NULL, "Worker", "ann");
	assert_true(wait_for(h, all_settled));
	assert_int_equal(h->gone, 1);
	assert_true(call_index("remove", "account:ann") >= 0);
	/* That one never had its turn. */
	assert_int_equal(call_index("remove", "room:worker/ann"), -1);
}

/* Declared again while it is being taken away. */
static void
test_delete_and_declare_again(void **state)
{
	struct house *h = *state;

	apply(h, WORKER("ann"), NULL, NULL);
	assert_true(wait_for(h, all_settled));
	slow_ms = 50;
	apply(h, NULL, "Worker", "ann");
	engine_before_commit(h->engine);
	store_commit(h->store);
	engine_after_commit(h->engine);
	apply(h, WORKER("ann"), NULL, NULL);
	assert_true(wait_for(h, all_settled));
	assert_true(engine_object(h->engine, "account:ann",
	    &(struct object_view){ 0 }));
	assert_non_null(resources_find(engine_resources(h->engine),
	    kind_find("Worker"), "ann"));
	assert_int_equal(h->runs_failed, 0);
}

/* Who waits for somebody who waits for what failed has failed, too. */
static void
test_failure_goes_down_the_chain(void **state)
{
	struct house *h = *state;
	struct object_view v;
	int64_t began = clock_mono_ms();

	str_copy(fail_key, "media:avatar/space", sizeof fail_key);
	fail_kind = ERR_CONFLICT;
	apply(h, WORKER("ann"), NULL, NULL);
	assert_true(wait_for(h, no_runs));
	assert_true(clock_mono_ms() - began < 2000);
	assert_true(engine_object(h->engine, "room:space", &v));
	assert_int_equal(v.state, OBJECT_FAILED);
	assert_true(engine_object(h->engine, "room:worker/ann", &v));
	assert_int_equal(v.state, OBJECT_FAILED);
}

static bool
space_failed(struct house *h)
{
	struct object_view v;

	return engine_object(h->engine, "room:space", &v) &&
	    v.state == OBJECT_FAILED;
}

/* What is asked for now fails at once, because of what failed long ago. */
static void
test_new_things_on_old_trouble(void **state)
{
	struct house *h = *state;

	str_copy(fail_key, "media:avatar/space", sizeof fail_key);
	fail_kind = ERR_CONFLICT;
	assert_true(wait_for(h, space_failed));
	apply(h, WORKER("ann"), NULL, NULL);
	assert_true(wait_for(h, no_runs));
	assert_int_equal(h->runs_failed, 1);
}

static bool
room_failed(struct house *h)
{
	struct object_view v;

	return engine_object(h->engine, "room:worker/ann", &v) &&
	    v.state == OBJECT_FAILED;
}

/* Somebody has changed something there: what could not be done may be now. */
static void
test_news_of_what_failed(void **state)
{
	struct house *h = *state;
	struct json *ev = json_must("{\"sender\":\"@eve:x.org\","
	    "\"content\":{\"name\":\"stolen\"}}");
	int64_t began;

	apply(h, WORKER("ann"), NULL, NULL);
	assert_true(wait_for(h, all_settled));
	str_copy(fail_key, "room:worker/ann", sizeof fail_key);
	fail_kind = ERR_CONFLICT;
	engine_event(h->engine, "!room:worker/ann", ev);
	assert_true(wait_for(h, room_failed));
	fail_key[0] = '\0';
	calls_forget();
	began = clock_mono_ms();
	/* However often it is said, that is one try, and not at once. */
	for (int i = 0; i < 20; i++)
		engine_event(h->engine, "!room:worker/ann", ev);
	assert_true(wait_for(h, all_settled));
	assert_true(clock_mono_ms() - began >= 900);
	assert_int_equal(calls_n("ensure room:worker/ann"), 1);
	json_free(ev);
}

static bool
three_tries(struct house *h)
{
	return calls_n("ensure room:worker/ann") >= 4;
}

/* One object that cannot be made is no outage. */
static void
test_one_in_trouble_is_no_outage(void **state)
{
	struct house *h = *state;

	assert_true(wait_for(h, all_settled));
	str_copy(fail_key, "room:worker/ann", sizeof fail_key);
	fail_kind = ERR_RETRY;
	apply(h, WORKER("ann"), NULL, NULL);
	assert_true(wait_for(h, three_tries));
	assert_int_equal(h->downs, 0);
}

/* Made, and still not as told: that is no reason to do it day and night. */
static void
test_restless_backs_off(void **state)
{
	struct house *h = *state;
	size_t objects;
	struct engine_counts c;

	assert_true(wait_for(h, all_settled));
	calls_forget();
	is_restless = true;
	apply(h, WORKER("ann"), NULL, NULL);
	assert_true(wait_for(h, no_runs));
	engine_counts(h->engine, &c);
	objects = c.objects;
	assert_true(calls_n("ensure") < 5 * objects);
	assert_int_equal(h->downs, 0);
}

/* Put right by its author before we came to it: nothing to blame later. */
static void
test_drift_taken_back_is_forgotten(void **state)
{
	struct house *h = *state;
	struct json *ev = json_must("{\"sender\":\"@eve:x.org\","
	    "\"content\":{\"name\":\"stolen\"}}"), *desired, *back;
	struct object_view v;
	struct err err;

	apply(h, WORKER("ann"), NULL, NULL);
	assert_true(wait_for(h, all_settled));
	assert_true(engine_object(h->engine, "file:agents/ann/SOUL.md", &v));
	desired = json_parse(v.desired, strlen(v.desired), &err);
	back = json_object();
	json_set_str(back, "sender", "@eve:x.org");
	json_set(back, "content", desired);
	calls_forget();
	engine_event(h->engine, "!file:agents/ann/SOUL.md", ev);
	engine_event(h->engine, "!file:agents/ann/SOUL.md", back);
	assert_true(wait_for(h, all_settled));
	assert_int_equal(h->drifts, 0);
	assert_int_equal(calls_n("ensure"), 0);
	/* What the next command does is not eve's doing. */
	apply(h, WORKER("ann") "  # \n", "Worker", "ann");
	assert_true(wait_for(h, all_settled));
	assert_int_equal(h->drifts, 0);
	json_free(ev);
	json_free(back);
}

/* Deleted before it was put right: closing it is no repair. */
static void
test_drift_then_delete(void **state)
{
	struct house *h = *state;
	struct json *ev = json_must("{\"sender\":\"@eve:x.org\","
	    "\"content\":{\"name\":\"stolen\"}}");

	apply(h, WORKER("ann"), NULL, NULL);
	assert_true(wait_for(h, all_settled));
	engine_event(h->engine, "!account:ann", ev);
	engine_event(h->engine, "!room:worker/ann", ev);
	apply(h, NULL, "Worker", "ann");
	calls_forget();
	assert_true(wait_for(h, all_settled));
	assert_int_equal(h->drifts, 0);
	assert_true(call_index("remove", "room:worker/ann") >= 0);
	assert_true(call_index("remove", "room:worker/ann") <
	    call_index("remove", "account:ann"));
	assert_int_equal(calls_n("remove account:ann"), 1);
	json_free(ev);
}

/* --- many at once, rotation, questions -------------------------------------- */

static void
test_many_at_once(void **state)
{
	struct house *h = *state;
	struct buf yaml = { 0 };
	char *job;

	for (int i = 0; i < 50; i++)
		buf_printf(&yaml, "%sapiVersion: hiclaw.io/v1beta1\n"
		    "kind: Worker\nmetadata: {name: w%d}\nspec: {model: m}\n",
		    i > 0 ? "---\n" : "", i);
	assert_true(apply(h, buf_str(&yaml), NULL, NULL) > 0);
	assert_true(wait_for(h, all_settled));
	assert_int_equal(h->runs_failed, 0);
	/* All keys in one job, the allow list written once. */
	assert_int_equal(calls_n("many 50"), 1);
	assert_int_equal(calls_n("many"), 1);
	assert_int_equal(calls_n("ensure consumer:"), 50);
	assert_int_equal(calls_n("ensure route:main"), 1);
	/* One of many fails: the others are there, and it alone is retried. */
	calls_forget();
	str_copy(fail_key, "consumer:worker-bad", sizeof fail_key);
	fail_kind = ERR_USER;
	apply(h, WORKER("bad") "---\n" WORKER("good"), NULL, NULL);
	assert_true(wait_for(h, no_runs));
	job = engine_secret(h->engine, "consumer:worker-good", "key");
	assert_int_equal(strlen(job), 64);
	secret_free(job);
	assert_string_equal(engine_observed(h->engine,
	    "consumer:worker-good", "id"), "!consumer:worker-good");
	assert_null(engine_observed(h->engine, "consumer:worker-bad",
	    "id"));
	fail_key[0] = '\0';
	buf_release(&yaml);
}

static bool
is_single(struct house *h)
{
	char *old = engine_secret(h->engine, "consumer:worker-ann", "old_key");
	bool gone = old == NULL;

	secret_free(old);
	return gone && all_settled(h);
}

static void
test_rotation(void **state)
{
	struct run_request q = { "@boss:x.org", "!r", "$e", "rotate", NULL, NULL };
	static const char ann[] = "consumer:worker-ann";
	struct house *h = *state;
	char *first, *second, *old, *call;
	struct err err;

	assert_int_equal(engine_rotate(h->engine, ann, 100, &q, NULL, &err), -1);
	assert_int_equal(err.kind, ERR_NOTFOUND);
	apply(h, WORKER("ann"), NULL, NULL);
	assert_true(wait_for(h, all_settled));
	assert_int_equal(engine_rotate(h->engine, "account:ann", 100, &q,
	    NULL, &err), -1);
	assert_int_equal(err.kind, ERR_USER);
	first = engine_secret(h->engine, ann, "key");
	calls_forget();
	assert_true(engine_rotate(h->engine, ann, 60000, &q, NULL, &err) > 0);
	second = engine_secret(h->engine, ann, "key");
	old = engine_secret(h->engine, ann, "old_key");
	assert_string_not_equal(first, second);
	assert_string_equal(first, old);
	assert_int_equal(engine_rotate(h->engine, ann, 100, &q, NULL, &err), -1);
	assert_int_equal(err.kind, ERR_USER);
	/* Killed in the middle: it goes on, with the same two keys. */
	house_close(h);
	house_open(h);
	assert_true(wait_for(h, all_settled));
	call = xasprintf("both %s", first);
	assert_int_equal(calls_n(call), 1);
	assert_string_equal(engine_observed(h->engine, ann, "key"), second);
	secret_free(old);
	old = engine_secret(h->engine, ann, "old_key");
	assert_string_equal(first, old);
	/* Deleted and made again, it begins afresh. */
	apply(h, NULL, "Worker", "ann");
	assert_true(wait_for(h, all_settled));
	apply(h, WORKER("ann"), NULL, NULL);
	assert_true(wait_for(h, is_single));
	/* A short one ends by itself. */
	calls_forget();
	assert_true(engine_rotate(h->engine, ann, 50, &q, NULL, &err) > 0);
	assert_true(wait_for(h, is_single));
	assert_int_equal(calls_n("ensure consumer:worker-ann"), 2);
	assert_true(engine_rotate(h->engine, ann, 50, &q, NULL, &err) > 0);
	assert_true(wait_for(h, is_single));
	secret_free(first);
	secret_free(second);
	secret_free(old);
	free(call);
}

struct told { int n; char *text; enum err_kind kind; };

static void
on_answer(void *arg, const struct json *answer, const struct err *err)
{
	struct told *t = arg;

	t->n++;
	free(t->text);
	t->text = answer != NULL ? json_canonical(answer) : NULL;
	t->kind = err->kind;
}

static struct told told;

static bool
was_told(struct house *h)
{
	return told.n > 0;
}

static void
test_query(void **state)
{
	struct json *ask = json_must("{\"op\":\"x\"}");
	struct json *fail = json_must("{\"fail\":true}");
	struct house *h = *state;
	struct err err;

	assert_int_equal(engine_query(h->engine, "nonsense", ask, on_answer,
	    &told, &err), -1);
	assert_int_equal(err.kind, ERR_USER);
	assert_int_equal(engine_query(h->engine, "file", ask, on_answer,
	    &told, &err), 0);
	assert_true(wait_for(h, was_told));
	assert_string_equal(told.text, "{\"op\":\"x\"}");
	told.n = 0;
	assert_int_equal(engine_query(h->engine, "file", fail, on_answer,
	    &told, &err), 0);
	assert_true(wait_for(h, was_told));
	assert_null(told.text);
	assert_int_equal(told.kind, ERR_RETRY);
	/* One that is still out at the end is dropped with its pool. */
	assert_int_equal(engine_query(h->engine, "file", ask, on_answer,
	    &told, &err), 0);
	json_free(ask);
	json_free(fail);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define G(f) cmocka_unit_test_setup_teardown(f, setup_gateway, teardown)
	const struct CMUnitTest tests[] = {
		T(test_converges_in_order),
		T(test_delete_in_reverse_and_gone),
		T(test_failed_removal_stays),
		T(test_hopeless_fails_the_run_and_its_users),
		T(test_outage_is_told_once_and_healed),
		T(test_drift_by_event),
		T(test_drift_by_looking),
		T(test_looks_where_it_is_told),
		T(test_looks_after_what_is_in_hand),
		T(test_fight_backs_off),
		T(test_event_before_its_room),
		T(test_restart_goes_on),
		T(test_old_trouble_is_not_a_new_runs),
		T(test_run_times_out),
		T(test_run_waits_for_rooms_of_a_new_person),
		T(test_password_is_made_before_the_account),
		T(test_delete_of_what_is_queued),
		T(test_delete_of_what_may_be_there),
		T(test_delete_and_declare_again),
		T(test_failure_goes_down_the_chain),
		T(test_new_things_on_old_trouble),
		T(test_news_of_what_failed),
		T(test_one_in_trouble_is_no_outage),
		T(test_restless_backs_off),
		T(test_drift_taken_back_is_forgotten),
		T(test_drift_then_delete),
		G(test_many_at_once),
		G(test_rotation),
		T(test_query),
	};

	return cmocka_run_group_tests_name("engine", tests, NULL, NULL);
}
