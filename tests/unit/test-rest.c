/*
 * REST with the real engine and the real store, and a provider of the test's
 * own that does what it is told at once.  Requests come from no listener; the
 * answer is noted down.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hiclaw/policy.h"
#include "hiclaw/clock.h"
#include "hiclaw/log.h"
#include "hiclaw/loop.h"
#include "hiclaw/rest.h"
#include "hiclaw/secure.h"

#include "obedient.h"

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define HEAD(kind, name) "---\napiVersion: hiclaw.io/v1beta1\nkind: " kind \
    "\nmetadata: {name: " name "}\n"
#define HUMAN(name, tier, more) HEAD("Human", name) "spec: {displayName: X, " \
    "permissionLevel: " tier more "}\n"

static const char house_text[] =
    HEAD("Team", "web") "spec:\n  leader: {name: lea, model: m}\n"
    "  workers: [{name: wim, model: m, soul: quiet, env: {A: b}}, "
    "{name: wanda}]\n"
    HEAD("Team", "sea") "spec:\n  leader: {name: sam}\n"
    "  workers: [{name: sid}]\n"
    HEAD("Worker", "alice") "spec: {model: m, skills: [a, b], soul: old}\n"
    HEAD("Manager", "default") "spec: {model: m}\n"
    HUMAN("ann", "1", "")
    HUMAN("two", "2", ", accessibleTeams: [web], accessibleWorkers: [alice]")
    HUMAN("three", "3", ", accessibleWorkers: [sid]");

/* --- a provider that does as it is told ---------------------------------- */

static bool
obj_absorb(struct json *observed, const struct json *event)
{
	if (str_equal(json_str(event, "type"), "joined") ||
	    str_equal(json_str(event, "type"), "unready")) {
		json_set_int(observed, "joined", json_int(event, "at_ms", 0));
		json_remove(observed, "ready_until");
		return true;
	}
	if (!str_equal(json_str(event, "type"), "ready"))
		return false;
	json_set_int(observed, "ready_until", json_int(event, "until_ms", 0));
	return true;
}

static int
obj_ensure(void *ctx, const struct work *w, struct outcome *out,
    struct err *err)
{
	obedient_ensure(ctx, w, out, err);
	if (str_starts(w->key, "file:"))
		json_set_strf(out->observed, "source", "%zu", strlen(
		    json_strd(w->desired, "text", "")));
	if (str_starts(w->key, "container:"))
		json_set_str(out->observed, "state", str_equal(json_str(
		    w->desired, "state"), "stopped") ? "stopped" : "running");
	return 0;
}

static bool storage_is_away;

static int
prov_query(void *ctx, const struct json *question, struct json **answer,
    struct err *err)
{
	static const char *const lines[] = { "hello", "apiKey=geheim123" };
	char *asked = json_canonical(question);
	struct json *list, *v, *files, *f;

	*answer = json_object();
	if (str_equal(json_str(question, "op"), "tree")) {
		free(asked);
		if (storage_is_away)
			return err_set(err, ERR_RETRY, "no storage");
		files = json_set(*answer, "files", json_array());
		f = json_push(files, json_object());
		json_set_str(f, "path", "agents/far/SOUL.md");
		json_set_str(f, "content", "soul");
		f = json_push(files, json_object());
		json_set_str(f, "path", "agents/far/own.md");
		json_set_str(f, "content", "own");
		return 0;
	}
	list = json_set(*answer, "lines", json_array());
	for (size_t i = 0; i < NELEM(lines); i++) {
		v = json_push(list, json_object());
		json_set_str(v, "stream", i == 0 ? "stdout" : "stderr");
		json_set_str(v, "text", lines[i]);
	}
	v = json_push(list, json_object());
	json_set_str(v, "text", asked);
	free(asked);
	return 0;
}

#define KIND(n, s, e) { OBEDIENT(n, obedient_diff, obj_ensure), .secrets = s, \
    .is_elsewhere = e, .absorb = obj_absorb }
static const struct object_kind obj_kinds[] = {
	KIND("account", NULL, false), KIND("human", obedient_password, false),
	KIND("media", NULL, false), KIND("room", NULL, false),
	KIND("network", NULL, false), KIND("image", NULL, false),
	KIND("volume", NULL, false), KIND("container", NULL, false),
	KIND("tree", NULL, false), KIND("file", NULL, false),
	KIND("skills", NULL, false), KIND("remote", NULL, true),
	{ .name = NULL }
};
const struct provider obedient = { .name = "matrix", .concurrency = 4,
    .kinds = obj_kinds, .open = obedient_open, .close = obedient_close,
    .query = prov_query };

/* --- a house to test in -------------------------------------------------- */

struct house {
	struct loop	*loop;
	struct store	*store;
	struct engine	*engine;
	struct ops	 ops;
	struct rest	*rest;
	struct waiting	 waiting;
	struct library	*library;
	struct strv	 admins;
	bool		 is_up;
	int		 settled;	/* told by ops */
	char		 busy[64];	/* last report */
	char		 joined[128];	/* last word about a code */
	bool		 is_elsewhere;	/* with files, and an agent that
					 * somebody else runs */
	/* the last answer */
	int		 status;
	char		*body, *type, *header;
};

static void
turn(void *arg)
{
	struct house *h = arg;

	engine_before_commit(h->engine);
	store_commit(h->store);
	engine_after_commit(h->engine);
	rest_after_commit(h->rest);
}

static bool
wait_for(struct house *h, bool (*until)(struct house *))
{
	return waiting_for(&h->waiting, until);
}

static bool
is_quiet(struct house *h)
{
	return obedient_is_quiet(h->engine);
}

static bool
is_answered(struct house *h)
{
	return h->status != 0;
}

static void
on_settled(void *arg, const struct run_request *rq, const char *plan_hash)
{
	((struct house *)arg)->settled++;
}

static void
on_joined(void *arg, const char *agent, const char *from, bool is_again)
{
	struct house *h = arg;

	snprintf(h->joined, sizeof h->joined, "%s %s%s", agent, from,
	    is_again ? " again" : "");
}

static void
facts(void *arg, struct rest_facts *f)
{
	f->is_up = ((struct house *)arg)->is_up;
}

static void
reported(void *arg, const char *agent, int busy)
{
	struct house *h = arg;

	snprintf(h->busy, sizeof h->busy, "%s %d", agent, busy);
}

static void
declare(struct house *h, const char *text)
{
	obedient_declare(h->engine, h->store, text);
	turn(h);
}

static void
give_token(struct house *h, const char *token, const char *subject,
    int64_t expires_ms)
{
	char sha256[SHA256_HEX];
	struct token_row row = { sha256, subject, clock_ms(), expires_ms };

	sha256_hex(token, strlen(token), sha256);
	store_token_put(h->store, &row, 0);
}

/* Who is in the matrix; the token is the word in front. */
static const char *const callers[][2] = {
	{ "boss", NULL }, { "ann", "user:@ann:x.org" },
	{ "two", "user:@two:x.org" }, { "three", "user:@three:x.org" },
	{ "default", "agent:default" }, { "lea", "agent:lea" },
	{ "wim", "agent:wim" }, { "alice", "agent:alice" },
	{ "", NULL },			/* no token at all */
	{ "bad", NULL },
	{ "old", "user:@ann:x.org" },		/* expired */
	{ "gone", "agent:gone" },		/* of nobody any more */
};

static void
house_open(struct house *h)
{
	struct engine_config cfg = { 0 };
	struct rest_config rc = { .version = "9.9", .admin_token = "boss",
	    .admin_user = "@boss:x.org", .facts = facts,
	    .reported = reported, .arg = h };
	struct err err;

	h->store = store_open(":memory:", NULL, &err);
	h->loop = loop_new();
	obedient_world(&cfg.world, &h->admins);
	cfg.world.agents.runtime = "hermes";
	if (h->is_elsewhere) {
		cfg.world.storage.provider = "directory";
		cfg.world.agents.controller_url = "http://c";
		cfg.world.library = h->library = library_new();
		library_add(h->library, "agents/SOUL.md", "soul\n");
	}
	cfg.threads = 2;
	cfg.run_limit_ms = 30000;
	cfg.live_interval_ms = 20;
	h->engine = engine_new(h->loop, h->store, &cfg, &err);
	assert_non_null(h->engine);
	h->ops = (struct ops){ .engine = h->engine, .store = h->store,
	    .settled = on_settled, .joined = on_joined, .arg = h };
	h->rest = rest_new(&h->ops, &rc);
	h->is_up = true;
	declare(h, house_text);
	store_begin(h->store);
	for (size_t i = 0; i < NELEM(callers); i++)
		if (callers[i][1] != NULL)
			give_token(h, callers[i][0], callers[i][1],
			    clock_ms() + (strcmp(callers[i][0], "old") == 0 ?
			    -1 : 3600000));
	/* The older one of a subject ends with the newer. */
	give_token(h, "ann", "user:@ann:x.org", clock_ms() + 3600000);
	store_commit(h->store);
	waiting_open(&h->waiting, h->loop, h);
	loop_before_wait(h->loop, turn, h);
}

static void
forget_answer(struct house *h)
{
	free(h->body);
	free(h->type);
	free(h->header);
	h->body = h->type = h->header = NULL;
	h->status = 0;
}

static void
house_close(struct house *h)
{
	rest_stop(h->rest);
	engine_free(h->engine);
	rest_free(h->rest);
	waiting_close(&h->waiting);
	store_commit(h->store);
	store_close(h->store);
	loop_free(h->loop);
	library_free(h->library);
	h->library = NULL;
	forget_answer(h);
}

static int
setup(void **state)
{
	struct house *h = xcalloc(1, sizeof *h);

	log_set_level(LOG_LVL_ERROR);
	strv_add(&h->admins, "@boss:x.org");
	house_open(h);
	*state = h;
	return 0;
}

static int
teardown(void **state)
{
	struct house *h = *state;

	house_close(h);
	strv_release(&h->admins);
	clock_set_ms(0);
	free(h);
	return 0;
}

/* --- asking -------------------------------------------------------------- */

struct asked { struct httpd_req req; struct house *h; };

static void
on_answer(struct httpd_req *req, int status, const char *type,
    const char *body, const char *const *headers)
{
	struct house *h = ((struct asked *)req)->h;

	assert_int_equal(h->status, 0);		/* once */
	h->status = status;
	h->body = xstrdup(body);
	h->type = xstrdup(type);
	h->header = headers != NULL ? xstrdup(headers[0]) : NULL;
}

static void
send_req(struct house *h, struct asked *a, const char *token,
    const char *method, const char *target, const char *body, size_t len)
{
	char *path = xstrdup(target), *query = strchr(path, '?');

	forget_answer(h);
	if (query != NULL)
		*query++ = '\0';
	a->h = h;
	a->req = (struct httpd_req){ .method = method, .path = path,
	    .bearer = token[0] != '\0' ? token : NULL, .body = body,
	    .body_len = len, .from = "10.0.0.9", .query = query != NULL ? query : "",
	    .answered = on_answer };
	assert_true(rest_request(h->rest, &a->req));
	/* Nothing leaves before the commit. */
	assert_int_equal(h->status, 0);
	turn(h);
	a->req.path = NULL;
	free(path);
}

/* The status; the body is in h->body. */
static int
ask(struct house *h, const char *token, const char *method,
    const char *target, const char *body)
{
	struct asked a;

	send_req(h, &a, token, method, target, body, strlen(body));
	return h->status;
}

static struct json *
answer_of(struct house *h)
{
	struct err err;
	struct json *o = json_parse(h->body, strlen(h->body) -
	    (h->body[0] != '\0'), &err);

	if (o == NULL)
		fail_msg("%s: %s", err.msg, h->body);
	return o;
}

static void
expect(struct house *h, int status, const char *part)
{
	if (h->status != status || (part != NULL && (h->body == NULL ||
	    strstr(h->body, part) == NULL)))
		fail_msg("%d %s\nis not %d with \"%s\"", h->status,
		    h->body != NULL ? h->body : "(nothing)", status,
		    part != NULL ? part : "");
}

/* --- the permission matrix ----------------------------------------------- */

#define DOCS_SAFE "{\"docs\":[{\"apiVersion\":\"hiclaw.io/v1beta1\",\"kind\":" \
    "\"Team\",\"metadata\":{\"name\":\"web\"},\"spec\":{\"leader\":{\"name\":" \
    "\"lea\",\"model\":\"m\"},\"workers\":[{\"name\":\"wim\",\"soul\":" \
    "\"loud\"},{\"name\":\"wanda\"}]}}]}"

#define A3	401, 401, 401, 401	/* none, bad, expired, of nobody */
static const struct {
	const char	*method, *path, *body;
	/* boss ann two three manager lea wim alice, and the four above */
	int		 want[NELEM(callers)];
} matrix[] = {
	{ "GET", "/healthz", "", { 200, 200, 200, 200, 200, 200, 200, 200,
	    200, 200, 200, 200 } },
	{ "GET", "/readyz", "", { 200, 200, 200, 200, 200, 200, 200, 200,
	    200, 200, 200, 200 } },
	{ "GET", "/metrics", "", { 200, 200, 200, 200, 200, 200, 200, 200,
	    200, 200, 200, 200 } },
#define P	"/api/v1"
	{ "GET", P "/version", "", { 200, 200, 200, 200, 200, 200, 200, 200,
	    A3 } },
	{ "GET", P "/status", "", { 200, 200, 200, 200, 200, 200, 200, 200,
	    A3 } },
	{ "POST", P "/join", "{\"code\":\"x\"}", { 401, 401, 401, 401, 401,
	    401, 401, 401, A3 } },
	{ "POST", P "/home", "", { 403, 403, 403, 403, 403, 403, 403, 403,
	    A3 } },
	{ "POST", P "/token", "", { 403, 403, 403, 403, 403, 403, 403, 403,
	    A3 } },
	{ "POST", P "/plan", DOCS_SAFE, { 200, 200, 200, 403, 200, 403, 403,
	    403, A3 } },
	{ "POST", P "/apply", DOCS_SAFE, { 200, 200, 200, 403, 200, 403, 403,
	    403, A3 } },
	/* workers */
	{ "POST", P "/workers", "{\"name\":\"new\",\"model\":\"m\"}",
	    { 201, 201, 403, 403, 201, 409, 403, 403, A3 } },
	{ "GET", P "/workers", "", { 200, 200, 200, 200, 200, 200, 403, 403,
	    A3 } },
	{ "GET", P "/workers/alice", "", { 200, 200, 200, 403, 200, 403, 403,
	    200, A3 } },
	{ "GET", P "/workers/wim", "", { 200, 200, 200, 403, 200, 200, 200,
	    403, A3 } },
	{ "GET", P "/workers/lea", "", { 200, 200, 200, 403, 200, 200, 403,
	    403, A3 } },
	{ "GET", P "/workers/sid", "", { 200, 200, 403, 200, 200, 403, 403,
	    403, A3 } },
	{ "GET", P "/workers/nobody", "", { 404, 404, 403, 403, 404, 403,
	    403, 403, A3 } },
	{ "PUT", P "/workers/alice", "{\"soul\":\"new\"}", { 200, 200, 403,
	    403, 200, 403, 403, 403, A3 } },
	{ "PUT", P "/workers/wim", "{\"soul\":\"new\"}", { 409, 409, 409,
	    403, 409, 409, 403, 403, A3 } },
	{ "DELETE", P "/workers/alice", "", { 204, 204, 403, 403, 204, 403,
	    403, 403, A3 } },
	{ "DELETE", P "/workers/wim", "", { 409, 409, 409, 403, 409, 403,
	    403, 403, A3 } },
	{ "POST", P "/workers/alice/wake", "", { 200, 200, 200, 403, 200, 403,
	    403, 403, A3 } },
	{ "POST", P "/workers/wim/wake", "", { 200, 200, 200, 403, 200, 200,
	    403, 403, A3 } },
	{ "POST", P "/workers/alice/sleep", "", { 200, 200, 200, 403, 200,
	    403, 403, 403, A3 } },
	{ "POST", P "/workers/wim/sleep", "", { 200, 200, 200, 403, 200, 200,
	    403, 403, A3 } },
	{ "POST", P "/workers/sid/sleep", "", { 200, 200, 403, 200, 200, 403,
	    403, 403, A3 } },
	{ "POST", P "/workers/lea/ensure-ready", "", { 200, 200, 200, 403,
	    200, 200, 403, 403, A3 } },
	{ "POST", P "/workers/sid/ensure-ready", "", { 200, 200, 403, 200,
	    200, 403, 403, 403, A3 } },
	{ "POST", P "/workers/wim/restart", "", { 409, 409, 409, 403, 409,
	    409, 403, 403, A3 } },
	{ "POST", P "/workers/wim/ready", "", { 204, 204, 403, 403, 204, 204,
	    204, 403, A3 } },
	{ "POST", P "/workers/alice/ready", "", { 204, 204, 403, 403, 204,
	    403, 403, 204, A3 } },
	{ "GET", P "/workers/alice/status", "", { 200, 200, 200, 403, 200,
	    403, 403, 200, A3 } },
	{ "GET", P "/workers/wim/status", "", { 200, 200, 200, 403, 200, 200,
	    200, 403, A3 } },
	{ "GET", P "/workers/wim/logs?tail=x", "", { 422, 422, 403, 403, 422,
	    422, 403, 403, A3 } },
	/* teams */
	{ "POST", P "/teams", "{\"name\":\"new\",\"leader\":{\"name\":"
	    "\"newlead\"}}", { 201, 201, 403, 403, 201, 403, 403, 403, A3 } },
	{ "GET", P "/teams", "", { 200, 200, 200, 200, 200, 200, 403, 403,
	    A3 } },
	{ "GET", P "/teams/web", "", { 200, 200, 200, 403, 200, 200, 403, 403,
	    A3 } },
	{ "GET", P "/teams/sea", "", { 200, 200, 403, 403, 200, 403, 403, 403,
	    A3 } },
	{ "PUT", P "/teams/web", "{\"description\":\"Pages\"}", { 200, 200,
	    200, 403, 200, 403, 403, 403, A3 } },
	{ "PUT", P "/teams/web", "{\"peerMentions\":false}", { 200, 200,
	    403, 403, 403, 403, 403, 403, A3 } },
	{ "PUT", P "/teams/sea", "{\"description\":\"Ships\"}", { 200, 200,
	    403, 403, 200, 403, 403, 403, A3 } },
	{ "DELETE", P "/teams/web", "", { 204, 204, 403, 403, 204, 403, 403,
	    403, A3 } },
	/* humans */
	{ "POST", P "/humans", "{\"name\":\"new\",\"displayName\":\"N\","
	    "\"permissionLevel\":3}", { 201, 201, 403, 403, 403, 403, 403,
	    403, A3 } },
	{ "GET", P "/humans", "", { 200, 200, 200, 200, 200, 403, 403, 403,
	    A3 } },
	{ "GET", P "/humans/two", "", { 200, 200, 200, 403, 200, 403, 403,
	    403, A3 } },
	{ "PUT", P "/humans/two", "{\"permissionLevel\":1}", { 200, 200, 403,
	    403, 403, 403, 403, 403, A3 } },
	{ "DELETE", P "/humans/three", "", { 204, 204, 403, 403, 403, 403,
	    403, 403, A3 } },
	/* managers */
	{ "POST", P "/managers", "{\"name\":\"default\",\"model\":\"m\"}",
	    { 409, 409, 403, 403, 409, 403, 403, 403, A3 } },
	{ "GET", P "/managers", "", { 200, 200, 200, 200, 200, 403, 403, 403,
	    A3 } },
	{ "GET", P "/managers/default", "", { 200, 200, 403, 403, 200, 403,
	    403, 403, A3 } },
	{ "PUT", P "/managers/default", "{\"soul\":\"x\"}", { 200, 200, 403,
	    403, 200, 403, 403, 403, A3 } },
	{ "DELETE", P "/managers/default", "", { 204, 204, 403, 403, 204, 403,
	    403, 403, A3 } },
	{ "POST", P "/managers/default/wake", "", { 200, 200, 403, 403, 200,
	    403, 403, 403, A3 } },
	{ "POST", P "/managers/default/sleep", "", { 200, 200, 403, 403, 200,
	    403, 403, 403, A3 } },
	{ "POST", P "/managers/default/ensure-ready", "", { 200, 200, 403,
	    403, 200, 403, 403, 403, A3 } },
	{ "POST", P "/managers/default/restart", "", { 409, 409, 403, 403,
	    409, 403, 403, 403, A3 } },
	{ "POST", P "/managers/default/ready", "", { 204, 204, 403, 403, 204,
	    403, 403, 403, A3 } },
	{ "GET", P "/managers/default/status", "", { 200, 200, 403, 403, 200,
	    403, 403, 403, A3 } },
	{ "GET", P "/managers/default/logs?tail=x", "", { 422, 422, 403, 403,
	    422, 403, 403, 403, A3 } },
};

/* "/api/v1/workers/alice?x" fits "/api/v1/workers/{name}". */
static bool
fits(const char *pattern, const char *path)
{
	const char *brace = strchr(pattern, '{');
	size_t len = strcspn(path, "?"), before, name;

	if (brace == NULL)
		return strlen(pattern) == len &&
		    strncmp(pattern, path, len) == 0;
	before = (size_t)(brace - pattern);
	if (len <= before || strncmp(pattern, path, before) != 0)
		return false;
	name = strcspn(path + before, "/?");
	brace = strchr(brace, '}') + 1;
	return strlen(brace) == len - before - name &&
	    strncmp(brace, path + before + name, strlen(brace)) == 0;
}

static void
test_matrix(void **state)
{
	struct house *h = *state;
	const struct rest_route *r;

	for (size_t i = 0; i < NELEM(matrix); i++)
		for (size_t j = 0; j < NELEM(callers); j++) {
			int got = ask(h, callers[j][0], matrix[i].method,
			    matrix[i].path, matrix[i].body);

			if (got != matrix[i].want[j] && got != 429)
				fail_msg("%s %s by \"%s\": %d, not %d: %s",
				    matrix[i].method, matrix[i].path,
				    callers[j][0], got, matrix[i].want[j],
				    h->body);
			if (got == 429)
				assert_int_equal(matrix[i].want[j], 401);
			/* What was changed is put back. */
			if (got < 300 && strcmp(matrix[i].method, "GET") != 0) {
				house_close(h);
				house_open(h);
			}
		}
	for (size_t k = 0; (r = rest_route_at(k)) != NULL; k++) {
		bool has = false;

		for (size_t i = 0; i < NELEM(matrix); i++)
			has |= strcmp(r->method, matrix[i].method) == 0 &&
			    fits(r->path, matrix[i].path);
		if (!has)
			fail_msg("no row for %s %s", r->method, r->path);
	}
}

/* Lists show what the caller may see, one by one. */
static void
test_lists(void **state)
{
	static const struct {
		const char *token, *path, *want;
	} rows[] = {
		{ "boss", "/workers", "alice sam sid lea wim wanda" },
		{ "default", "/workers", "alice sam sid lea wim wanda" },
		{ "lea", "/workers", "lea wim wanda" },
		{ "two", "/workers", "alice lea wim wanda" },
		{ "three", "/workers", "sid" },
		{ "boss", "/workers?team=sea", "sam sid" },
		{ "lea", "/workers?team=sea", "" },
		{ "boss", "/workers?team=nope", "" },
		{ "boss", "/workers?team=w%65b", "lea wim wanda" },
		{ "boss", "/teams", "sea web" },
		{ "lea", "/teams", "web" },
		{ "two", "/teams", "web" },
		{ "three", "/teams", "" },
		{ "boss", "/humans", "ann three two" },
		{ "two", "/humans", "two" },
		{ "boss", "/managers", "default" },
		{ "two", "/managers", "" },
	};
	struct house *h = *state;

	for (size_t i = 0; i < NELEM(rows); i++) {
		char *path = xasprintf("/api/v1%s", rows[i].path), *got;
		char *plural = xstrndup(rows[i].path + 1,
		    strcspn(rows[i].path + 1, "?"));
		struct strv names = { 0 };
		const struct json *v;
		struct json *o;

		assert_int_equal(ask(h, rows[i].token, "GET", path, ""), 200);
		o = answer_of(h);
		assert_true(json_is(json_get(o, plural), JSON_ARRAY));
		for (v = json_first(json_get(o, plural)); v != NULL;
		    v = json_next(v))
			strv_add(&names, json_str(v, "name"));
		assert_int_equal(json_int(o, "total", -1), names.n);
		got = strv_join(&names, " ");
		if (strcmp(got, rows[i].want) != 0)
			fail_msg("row %zu: \"%s\", not \"%s\"", i, got,
			    rows[i].want);
		free(got);
		json_free(o);
		strv_release(&names);
		free(plural);
		free(path);
	}
}

/* --- bodies -------------------------------------------------------------- */

static const struct json *
spec_of(struct house *h, const char *kind, const char *name)
{
	struct target t;

	target_find(engine_resources(h->engine), kind_find(kind), name, &t);
	assert_non_null(t.resource);
	return t.spec;
}

static void
check_spec(struct house *h, const char *kind, const char *name,
    const char *want)
{
	char *got = json_canonical(spec_of(h, kind, name));

	assert_string_equal(got, want);
	free(got);
}

static void
test_create(void **state)
{
	struct house *h = *state;
	struct json *o;

	ask(h, "boss", "POST", "/api/v1/workers", "{\"name\":\"bob\",\"model\":"
	    "\"m\",\"skills\":[\"x\"],\"env\":{\"TZ\":\"UTC\"},\"labels\":"
	    "{\"a\":\"b\"},\"remoteSkills\":[],\"state\":\"Sleeping\","
	    "\"runtime\":\"\",\"package\":null}");
	expect(h, 201, "\"name\":\"bob\"");
	o = answer_of(h);
	assert_string_equal(json_str(o, "phase"), "Pending");
	assert_string_equal(json_str(o, "runtime"), "hermes");
	assert_string_equal(json_str(o, "state"), "Sleeping");
	assert_true(json_bool(o, "containerManaged", false));
	json_free(o);
	check_spec(h, "Worker", "bob", "{\"env\":{\"TZ\":\"UTC\"},\"labels\":"
	    "{\"a\":\"b\"},\"model\":\"m\",\"remoteSkills\":[],\"skills\":"
	    "[\"x\"],\"state\":\"Sleeping\"}");
	/* Refused, each for its reason. */
	ask(h, "boss", "POST", "/api/v1/workers", "{\"name\":\"bob\","
	    "\"model\":\"m\"}");
	expect(h, 409, "is there already");
	ask(h, "boss", "POST", "/api/v1/workers", "{\"name\":\"wim\","
	    "\"model\":\"m\"}");
	expect(h, 409, "Team/web");
	ask(h, "boss", "POST", "/api/v1/workers", "{\"name\":\"x\",\"model\":"
	    "\"m\",\"team\":\"web\"}");
	expect(h, 400, "spec.workers");
	ask(h, "boss", "POST", "/api/v1/workers", "{\"model\":\"m\"}");
	expect(h, 400, "name: required");
	ask(h, "boss", "POST", "/api/v1/workers", "{\"name\":\"x\"}");
	expect(h, 422, "model: required");
	ask(h, "boss", "POST", "/api/v1/workers", "{\"name\":\"x\",\"model\":"
	    "\"m\",\"modle\":\"m\",\"sol\":\"s\"}");
	expect(h, 422, "\"path\":\"modle\",\"text\":\"unknown field; did you "
	    "mean \\\"model\\\"?\"");
	expect(h, 422, "\"path\":\"sol\"");
	ask(h, "boss", "POST", "/api/v1/workers", "{\"name\":\"Bad Name\","
	    "\"model\":\"m\"}");
	expect(h, 422, "\"path\":\"name\"");
	ask(h, "boss", "POST", "/api/v1/workers", "{\"name\":\"default\","
	    "\"model\":\"m\"}");
	expect(h, 422, NULL);
	ask(h, "boss", "POST", "/api/v1/humans", "{\"name\":\"x\","
	    "\"displayName\":\"X\",\"permissionLevel\":0}");
	expect(h, 422, "permissionLevel");
}

static void
test_update(void **state)
{
	struct house *h = *state;

	/* Strings when not empty, the rest when present and not null. */
	ask(h, "boss", "PUT", "/api/v1/workers/alice", "{\"soul\":\"\","
	    "\"model\":\"m2\",\"skills\":null,\"containerManaged\":false}");
	expect(h, 200, "\"containerManaged\":false");
	check_spec(h, "Worker", "alice", "{\"containerManaged\":false,"
	    "\"model\":\"m2\",\"skills\":[\"a\",\"b\"],\"soul\":\"old\"}");
	ask(h, "boss", "PUT", "/api/v1/workers/alice", "{\"skills\":[]}");
	expect(h, 200, NULL);
	check_spec(h, "Worker", "alice", "{\"containerManaged\":false,"
	    "\"model\":\"m2\",\"skills\":[],\"soul\":\"old\"}");
	/* A leader by fields, workers by name; what is not said stays. */
	ask(h, "boss", "PUT", "/api/v1/teams/web", "{\"leader\":{\"model\":"
	    "\"m3\"},\"workers\":[{\"name\":\"wim\",\"model\":\"m4\"},"
	    "{\"name\":\"new\"}]}");
	expect(h, 200, "\"workerNames\":[\"wim\",\"new\"]");
	check_spec(h, "Team", "web", "{\"leader\":{\"model\":\"m3\",\"name\":"
	    "\"lea\"},\"workers\":[{\"env\":{\"A\":\"b\"},\"model\":\"m4\","
	    "\"name\":\"wim\",\"soul\":\"quiet\"},{\"name\":\"new\"}]}");
	ask(h, "boss", "PUT", "/api/v1/workers/alice", "{\"name\":\"other\"}");
	expect(h, 400, "name");
	ask(h, "boss", "PUT", "/api/v1/workers/alic", "{}");
	expect(h, 404, "did you mean alice");
	ask(h, "boss", "PUT", "/api/v1/workers/alice", "{\"workerName\":"
	    "\"bob\"}");
	expect(h, 422, "workerName");
	ask(h, "boss", "PUT", "/api/v1/humans/ann", "{\"note\":\"hello\"}");
	expect(h, 200, "\"note\":\"hello\"");
	assert_null(strstr(h->body, "assword"));
	/* A Team's admin must exist. */
	ask(h, "boss", "PUT", "/api/v1/teams/web", "{\"admin\":{\"name\":"
	    "\"nobody\"}}");
	expect(h, 422, "nobody");
}

/* What has to be approved in a room is not to be had around it. */
static void
test_policy(void **state)
{
	static const char text[] = "{\"rules\":[{\"asker\":\"tier1\","
	    "\"risk\":[\"delete\"],\"mode\":\"approve\"}]}";
	struct house *h = *state;
	struct err err;
	struct json *o = json_parse(text, sizeof text - 1, &err);
	struct policy *policy = policy_read(o, 1000, &err);

	h->ops.policy = policy;
	ask(h, "boss", "DELETE", "/api/v1/workers/alice", "");
	expect(h, 403, "wait for approvals");
	ask(h, "boss", "PUT", "/api/v1/workers/alice", "{\"soul\":\"x\"}");
	expect(h, 200, "");
	h->ops.policy = NULL;
	ask(h, "boss", "DELETE", "/api/v1/workers/alice", "");
	assert_int_equal(h->status, 204);
	policy_free(policy);
	json_free(o);
}

static void
test_bad_bodies(void **state)
{
	struct house *h = *state;
	struct buf b = { 0 };
	struct asked a;

	ask(h, "boss", "POST", "/api/v1/workers", "{");
	expect(h, 400, "no JSON");
	ask(h, "boss", "POST", "/api/v1/workers", "[]");
	expect(h, 400, "no JSON object");
	ask(h, "boss", "POST", "/api/v1/workers", "{\"a\":1,\"a\":2}");
	expect(h, 400, NULL);
	ask(h, "boss", "POST", "/api/v1/workers", "");
	expect(h, 400, "name");
	for (int i = 0; i < 100; i++)
		buf_puts(&b, "{\"a\":");
	ask(h, "boss", "POST", "/api/v1/workers", buf_str(&b));
	expect(h, 400, NULL);
	buf_reset(&b);
	while (b.len <= 1024 * 1024)
		buf_puts(&b, "                                ");
	ask(h, "boss", "POST", "/api/v1/workers", buf_str(&b));
	expect(h, 413, "longer");
	/* A stranger's is not even looked at. */
	ask(h, "nobody", "POST", "/api/v1/workers", buf_str(&b));
	expect(h, 401, NULL);
	send_req(h, &a, "boss", "POST", "/api/v1/workers", "{}\0{}", 5);
	expect(h, 400, NULL);
	buf_release(&b);
}

static void
test_paths(void **state)
{
	struct house *h = *state;

	assert_int_equal(ask(h, "boss", "GET", "/api/v1/workers/%61lice", ""),
	    200);
	assert_int_equal(ask(h, "boss", "HEAD", "/api/v1/workers/alice", ""),
	    200);
	ask(h, "boss", "GET", "/api/v1/workers/%zz", "");
	expect(h, 400, "not readable");
	ask(h, "boss", "GET", "/api/v1/workers/a%00b", "");
	expect(h, 400, NULL);
	ask(h, "boss", "GET", "/api/v1/workers/a%2Fb", "");
	expect(h, 404, NULL);
	ask(h, "boss", "GET", "/api/v1/workers/", "");
	expect(h, 404, "no such path");
	ask(h, "boss", "GET", "/api/v1/workers/alice/", "");
	expect(h, 404, "no such path");
	ask(h, "boss", "GET", "/api/v2/workers", "");
	expect(h, 404, NULL);
	/* Routing comes before tokens. */
	ask(h, "", "PATCH", "/api/v1/workers/alice", "");
	expect(h, 405, "method");
	assert_string_equal(h->header, "Allow: GET, PUT, DELETE");
	ask(h, "", "GET", "/api/v1/workers", "");
	expect(h, 401, "token is missing");
	assert_string_equal(h->header,
	    "WWW-Authenticate: Bearer realm=\"hiclaw\"");
	assert_string_equal(h->type, "application/json");
}

static void
test_bad_tokens(void **state)
{
	struct house *h = *state;
	int refused = 0, late = 0;

	for (int i = 0; i < 60; i++) {
		int got = ask(h, "guess", "GET", "/api/v1/status", "");

		refused += got == 401;
		late += got == 429;
	}
	assert_true(refused >= 20 && refused <= 40);
	assert_true(late >= 20);
	assert_string_equal(h->header, "Retry-After: 1");
	/* Who has a good one is not held up. */
	assert_int_equal(ask(h, "lea", "GET", "/api/v1/status", ""), 200);
}

/* Roles are looked up at each request. */
static void
test_roles_move(void **state)
{
	struct house *h = *state;

	engine_start(h->engine);
	assert_true(wait_for(h, is_quiet));
	assert_int_equal(ask(h, "two", "GET", "/api/v1/workers/alice", ""),
	    200);
	ask(h, "boss", "PUT", "/api/v1/humans/two", "{\"accessibleWorkers\":"
	    "[]}");
	expect(h, 200, NULL);
	assert_int_equal(ask(h, "two", "GET", "/api/v1/workers/alice", ""),
	    403);
	ask(h, "boss", "PUT", "/api/v1/humans/two", "{\"permissionLevel\":1}");
	assert_int_equal(ask(h, "two", "GET", "/api/v1/workers/alice", ""),
	    200);
	ask(h, "boss", "DELETE", "/api/v1/humans/two", "");
	expect(h, 204, NULL);
	assert_null(h->type);
	assert_int_equal(ask(h, "two", "GET", "/api/v1/status", ""), 401);
	ask(h, "boss", "DELETE", "/api/v1/workers/alice", "");
	expect(h, 204, NULL);
	assert_int_equal(ask(h, "alice", "GET", "/api/v1/status", ""), 401);
	/* On its way: shown, deleted again in peace, not made anew. */
	ask(h, "boss", "GET", "/api/v1/workers/alice", "");
	expect(h, 200, "\"phase\":\"Deleting\"");
	assert_int_equal(ask(h, "boss", "DELETE", "/api/v1/workers/alice", ""),
	    204);
	ask(h, "boss", "POST", "/api/v1/workers", "{\"name\":\"alice\","
	    "\"model\":\"m\"}");
	expect(h, 409, "being deleted");
	assert_true(wait_for(h, is_quiet));
	assert_int_equal(ask(h, "boss", "GET", "/api/v1/workers/alice", ""),
	    404);
	assert_int_equal(ask(h, "boss", "POST", "/api/v1/workers",
	    "{\"name\":\"alice\",\"model\":\"m\"}"), 201);
}

/* --- life ---------------------------------------------------------------- */

static const char *
state_of(struct house *h, const char *name)
{
	struct target t;

	target_find(engine_resources(h->engine), NULL, name, &t);
	return json_strd(t.spec, "state", "-");
}

static void
test_life(void **state)
{
	struct house *h = *state;

	engine_start(h->engine);
	assert_true(wait_for(h, is_quiet));
	ask(h, "lea", "POST", "/api/v1/workers/wim/sleep", "{\"ignored\":1}");
	expect(h, 200, "{\"name\":\"wim\",\"phase\":\"Sleeping\"}\n");
	assert_string_equal(state_of(h, "wim"), "Sleeping");
	assert_string_equal(state_of(h, "lea"), "-");
	ask(h, "lea", "POST", "/api/v1/workers/wim/wake", "");
	expect(h, 200, "{\"name\":\"wim\",\"phase\":\"Running\"}\n");
	assert_string_equal(state_of(h, "wim"), "Running");
	/* As it is: no change, no run. */
	h->settled = 0;
	ask(h, "boss", "POST", "/api/v1/workers/wim/wake", "");
	expect(h, 200, NULL);
	assert_int_equal(h->settled, 0);
	ask(h, "default", "POST", "/api/v1/managers/default/sleep", "");
	expect(h, 200, NULL);
	assert_string_equal(state_of(h, "default"), "Sleeping");
	ask(h, "boss", "PUT", "/api/v1/workers/alice", "{\"state\":"
	    "\"Stopped\"}");
	expect(h, 200, NULL);
	assert_true(wait_for(h, is_quiet));
	ask(h, "boss", "GET", "/api/v1/workers/alice/status", "");
	expect(h, 200, "\"phase\":\"Stopped\"");
	ask(h, "boss", "POST", "/api/v1/workers/default/wake", "");
	expect(h, 404, NULL);
	ask(h, "boss", "POST", "/api/v1/workers/nobody/wake", "");
	expect(h, 404, NULL);
}

static void
test_ready(void **state)
{
	struct house *h = *state;

	assert_int_equal(ask(h, "wim", "POST", "/api/v1/workers/wim/ready",
	    ""), 204);
	assert_string_equal(h->busy, "wim -1");
	assert_string_equal(h->body != NULL ? h->body : "", "");
	ask(h, "wim", "POST", "/api/v1/workers/wim/ready", "{\"busy\":true}");
	expect(h, 204, NULL);
	assert_string_equal(h->busy, "wim 1");
	ask(h, "wim", "POST", "/api/v1/workers/wim/ready", "{\"busy\":\"no\"}");
	expect(h, 422, "busy");
	ask(h, "wim", "POST", "/api/v1/workers/wim/ready", "{\"every\":60}");
	expect(h, 204, NULL);
	ask(h, "wim", "POST", "/api/v1/workers/wim/ready", "{\"every\":0}");
	expect(h, 422, "every");
	ask(h, "wim", "POST", "/api/v1/workers/wim/ready",
	    "{\"every\":\"1m\"}");
	expect(h, 422, "every");
	ask(h, "boss", "POST", "/api/v1/workers/nobody/ready", "");
	expect(h, 404, NULL);
}

static void
test_logs(void **state)
{
	struct house *h = *state;
	struct asked a;

	send_req(h, &a, "boss", "GET", "/api/v1/workers/wim/logs?tail=7", "",
	    0);
	assert_int_equal(h->status, 0);		/* later */
	assert_true(wait_for(h, is_answered));
	expect(h, 200, "{\"stream\":\"stdout\",\"text\":\"hello\"},"
	    "{\"stream\":\"stderr\",\"text\":\"apiKey=***\"}");
	expect(h, 200, "\\\"name\\\":\\\"wim\\\",\\\"op\\\":\\\"logs"
	    "\\\",\\\"tail\\\":7");
	/* Given up when the house closes, and not answered any more. */
	send_req(h, &a, "boss", "GET", "/api/v1/workers/wim/logs", "", 0);
	assert_int_equal(h->status, 0);
}

/* --- many documents ------------------------------------------------------ */

#define DOC(kind, name, spec) "{\"apiVersion\":\"hiclaw.io/v1beta1\",\"kind\":\"" \
    kind "\",\"metadata\":{\"name\":\"" name "\"},\"spec\":" spec "}"

static void
test_apply(void **state)
{
	struct house *h = *state;
	struct json *o;
	const struct json *v;

	ask(h, "boss", "POST", "/api/v1/plan", "{\"docs\":[" DOC("Worker",
	    "bob", "{\"model\":\"m\"}") "]}");
	expect(h, 200, "\"result\":\"created\"");
	assert_int_equal(ask(h, "boss", "GET", "/api/v1/workers/bob", ""), 404);
	ask(h, "boss", "POST", "/api/v1/apply", "{\"docs\":[" DOC("Worker",
	    "bob", "{\"model\":\"m\"}") "," DOC("Worker", "alice",
	    "{\"model\":\"m9\"}") "," DOC("Human", "ann", "{\"displayName\":"
	    "\"X\",\"permissionLevel\":1}") "]}");
	expect(h, 200, "\"run\":");
	o = answer_of(h);
	v = json_first(json_get(o, "resources"));
	assert_string_equal(json_str(v, "name"), "alice");
	assert_string_equal(json_str(v, "result"), "configured");
	v = json_next(v);
	assert_string_equal(json_str(v, "result"), "created");
	v = json_next(v);
	assert_string_equal(json_str(v, "result"), "unchanged");
	json_free(o);
	/* A manifest replaces. */
	check_spec(h, "Worker", "alice", "{\"model\":\"m9\"}");
	/* All or nothing. */
	ask(h, "boss", "POST", "/api/v1/apply", "{\"docs\":[" DOC("Worker",
	    "cid", "{\"model\":\"m\"}") "," DOC("Worker", "dan",
	    "{\"modle\":\"m\"}") "]}");
	expect(h, 422, "did you mean");
	assert_int_equal(ask(h, "boss", "GET", "/api/v1/workers/cid", ""), 404);
	ask(h, "boss", "POST", "/api/v1/apply", "{\"docs\":[]}");
	expect(h, 400, "docs");
	ask(h, "boss", "POST", "/api/v1/apply", "{\"docs\":[" DOC("Worker",
	    "bob", "{\"model\":\"m\"}") "," DOC("Worker", "bob",
	    "{\"model\":\"m\"}") "]}");
	expect(h, 422, "already");
	/* As declared, for -o yaml. */
	ask(h, "boss", "GET", "/api/v1/workers/alice?spec=1", "");
	expect(h, 200, "\"spec\":{\"model\":\"m9\"}");
	ask(h, "boss", "GET", "/api/v1/workers/wim?spec=1", "");
	expect(h, 200, "\"memberOf\":\"Team/web\"");
}

/* --- the rest ------------------------------------------------------------ */

static void
test_system(void **state)
{
	struct house *h = *state;

	ask(h, "", "GET", "/healthz", "");
	expect(h, 200, "ok\n");
	h->is_up = false;
	ask(h, "", "GET", "/healthz", "");
	expect(h, 200, "ok\n");
	ask(h, "", "GET", "/readyz", "");
	expect(h, 503, "starting");
	h->is_up = true;
	/* One failure is none yet. */
	for (int i = 0; i < 5; i++)
		engine_system(h->engine, "matrix", false, "refused");
	ask(h, "", "GET", "/readyz", "");
	expect(h, 503, "homeserver does not answer");
	engine_system(h->engine, "matrix", true, NULL);
	ask(h, "", "GET", "/readyz", "");
	expect(h, 200, "ready\n");
	ask(h, "", "GET", "/metrics", "");
	expect(h, 200, "hiclaw_api_requests_total{status=\"2xx\"} ");
	expect(h, 200, "hiclaw_up 1\n");
	ask(h, "alice", "GET", "/api/v1/version", "");
	expect(h, 200, "{\"controller\":\"9.9\",\"instance\":"
	    "\"hiclaw-0123abcd\",\"kubeMode\":\"embedded\"}");
	ask(h, "alice", "GET", "/api/v1/status", "");
	expect(h, 200, "\"totalHumans\":3,\"totalManagers\":1,"
	    "\"totalTeamMembers\":5,\"totalTeams\":2,\"totalWorkers\":1");
}

static void
test_views(void **state)
{
	struct house *h = *state;
	struct json *o;

	engine_start(h->engine);
	assert_true(wait_for(h, is_quiet));
	ask(h, "boss", "GET", "/api/v1/teams/web", "");
	o = answer_of(h);
	assert_string_equal(json_str(o, "phase"), "Active");
	assert_string_equal(json_str(o, "leaderName"), "lea");
	assert_string_equal(json_str(o, "teamRoomID"), "!room:team/web");
	assert_true(json_bool(o, "leaderReady", false));
	assert_int_equal(json_int(o, "readyWorkers", 0), 2);
	assert_int_equal(json_int(o, "totalWorkers", 0), 2);
	json_free(o);
	ask(h, "boss", "GET", "/api/v1/workers/lea", "");
	o = answer_of(h);
	assert_string_equal(json_str(o, "role"), "team_leader");
	assert_string_equal(json_str(o, "team"), "web");
	assert_string_equal(json_str(o, "roomID"), "!room:leader/web");
	assert_string_equal(json_str(o, "matrixUserID"), "@hiclaw_lea:x.org");
	json_free(o);
	ask(h, "boss", "GET", "/api/v1/workers/wim", "");
	o = answer_of(h);
	assert_string_equal(json_str(o, "roomID"), "!room:worker/wim");
	assert_string_equal(json_str(o, "phase"), "Ready");
	json_free(o);
	ask(h, "boss", "GET", "/api/v1/humans/ann", "");
	o = answer_of(h);
	assert_string_equal(json_str(o, "phase"), "Active");
	assert_string_equal(json_str(o, "matrixUserID"), "@ann:x.org");
	assert_true(json_size(json_get(o, "rooms")) > 0);
	assert_null(strstr(h->body, "assword"));
	json_free(o);
	ask(h, "boss", "GET", "/api/v1/managers/default", "");
	o = answer_of(h);
	assert_false(json_bool(o, "welcomeSent", true));
	assert_string_equal(json_str(o, "roomID"), "!room:manager/default");
	json_free(o);
}

/* --- agents that somebody else runs --------------------------------------- */

#define FAR	HEAD("Worker", "far") "spec: {model: m, containerManaged: false}\n"

static int
setup_elsewhere(void **state)
{
	struct house *h = xcalloc(1, sizeof *h);

	log_set_level(LOG_LVL_ERROR);
	strv_add(&h->admins, "@boss:x.org");
	h->is_elsewhere = true;
	house_open(h);
	declare(h, FAR);
	*state = h;
	engine_start(h->engine);
	return !wait_for(h, is_quiet);
}

/* A code for the agent, as chat tells it; yours. */
static char *
offer(struct house *h)
{
	struct err err;
	char *name = join_offer(&h->ops, "far", &err), *code;

	if (name == NULL)
		fail_msg("%s", err.msg);
	code = engine_secret(h->engine, "remote:far", name);
	assert_non_null(code);
	/* Told, it is nowhere but in the message. */
	engine_secret_forget(h->engine, "remote:far", name);
	store_commit(h->store);
	free(name);
	return code;
}

static int
show(struct house *h, const char *code, const char *more)
{
	char *body = xasprintf("{\"code\":\"%s\"%s}", code, more);
	struct asked a;

	send_req(h, &a, "", "POST", "/api/v1/join", body, strlen(body));
	assert_true(wait_for(h, is_answered));
	free(body);
	return h->status;
}

/* The token that the last answer gave; yours. */
static char *
token_given(struct house *h)
{
	struct json *o = answer_of(h);
	char *token = xstrdup(json_str(o, "token"));

	assert_true(json_int(o, "token_expires", 0) > clock_ms());
	json_free(o);
	return token;
}

static int
report_home(struct house *h, const char *token, const char *have)
{
	char *body = xasprintf("{\"have\":\"%s\"}", have);
	struct asked a;

	send_req(h, &a, token, "POST", "/api/v1/home", body, strlen(body));
	assert_true(wait_for(h, is_answered));
	free(body);
	return h->status;
}

static void
test_join(void **state)
{
	struct house *h = *state;
	char *old = offer(h), *code = offer(h), *token;
	struct json *o;

	/* The code before falls, and a guess is a guess. */
	assert_int_equal(show(h, old, ""), 401);
	assert_int_equal(show(h, "0123", ""), 401);
	assert_string_equal(h->joined, "");
	/* Not for the home of another, and not without the storage: it stays
	 * good. */
	assert_int_equal(show(h, code, ",\"name\":\"alice\""), 409);
	storage_is_away = true;
	assert_int_equal(show(h, code, ""), 503);
	storage_is_away = false;
	assert_int_equal(show(h, code, ",\"name\":\"far\""), 200);
	assert_string_equal(h->header, "Cache-Control: no-store");
	assert_string_equal(h->joined, "far 10.0.0.9");
	o = answer_of(h);
	assert_string_equal(json_str(o, "name"), "far");
	assert_string_equal(json_str(o, "user"), "@hiclaw_far:x.org");
	assert_string_equal(json_str(json_get(o, "env"),
	    "HICLAW_WORKER_NAME"), "far");
	/* Both files, and whose they are. */
	assert_string_equal(json_str(json_first(json_get(o, "files")),
	    "rule"), "seed");
	assert_string_equal(json_str(json_next(json_first(json_get(o,
	    "files"))), "path"), "own.md");
	assert_string_equal(json_str(json_next(json_first(json_get(o,
	    "files"))), "rule"), "own");
	json_free(o);
	token = token_given(h);
	/* Again: refused, and told. */
	assert_int_equal(show(h, code, ""), 410);
	assert_string_equal(h->joined, "far 10.0.0.9 again");
	/* What it holds is good for what it may, and no more. */
	assert_int_equal(ask(h, token, "POST", "/api/v1/workers/far/ready",
	    "{}"), 204);
	assert_int_equal(ask(h, token, "POST", "/api/v1/workers/alice/ready",
	    "{}"), 403);
	free(token);
	secret_free(old);
	secret_free(code);
}

static int race_status[2], race_n;

static void
on_race(struct httpd_req *req, int status, const char *type,
    const char *body, const char *const *headers)
{
	race_status[race_n++] = status;
}

static bool
both_came(struct house *h)
{
	return race_n == 2;
}

/* Of two who show it at the same moment one gets the agent. */
static void
test_join_race(void **state)
{
	struct house *h = *state;
	char *code = offer(h), *body = xasprintf("{\"code\":\"%s\"}", code);
	struct httpd_req req = { .method = "POST", .path = "/api/v1/join",
	    .query = "", .body = body, .body_len = strlen(body),
	    .answered = on_race }, other = req;

	race_n = 0;
	assert_true(rest_request(h->rest, &req));
	assert_true(rest_request(h->rest, &other));
	assert_true(wait_for(h, both_came));
	assert_int_equal(race_status[0], 200);
	assert_int_equal(race_status[1], 410);
	secret_free(code);
	free(body);
}

static void
test_join_expires(void **state)
{
	struct house *h = *state;
	char *code = offer(h);

	clock_set_ms(clock_ms() + JOIN_CODE_MS + 1);
	assert_int_equal(show(h, code, ""), 401);
	secret_free(code);
}

static void
test_home(void **state)
{
	struct house *h = *state;
	char *code = offer(h), *token, *digest, *restart;
	struct json *o;

	show(h, code, "");
	token = token_given(h);
	o = answer_of(h);
	digest = xstrdup(json_str(o, "digest"));
	restart = xstrdup(json_str(o, "restart"));
	json_free(o);
	/* Nothing new: a report and no more. */
	assert_int_equal(report_home(h, token, digest), 204);
	assert_string_equal(h->busy, "far -1");
	/* A prompt is a new file, an environment a new start. */
	declare(h, HEAD("Worker", "far") "spec: {model: m, containerManaged: "
	    "false, soul: another one}\n");
	assert_true(wait_for(h, is_quiet));
	assert_int_equal(report_home(h, token, digest), 200);
	o = answer_of(h);
	assert_string_not_equal(json_str(o, "digest"), digest);
	assert_string_equal(json_str(o, "restart"), restart);
	assert_null(json_get(o, "token"));
	json_free(o);
	declare(h, HEAD("Worker", "far") "spec: {model: m, containerManaged: "
	    "false, soul: another one, env: {A: b}}\n");
	assert_true(wait_for(h, is_quiet));
	assert_int_equal(report_home(h, token, digest), 200);
	o = answer_of(h);
	assert_string_not_equal(json_str(o, "restart"), restart);
	assert_string_equal(json_str(json_get(o, "env"), "A"), "b");
	json_free(o);
	free(digest);
	free(restart);
	free(token);
	secret_free(code);
}

static void
test_tokens(void **state)
{
	struct house *h = *state;
	char *code = offer(h), *first, *second, *third;

	show(h, code, "");
	first = token_given(h);
	assert_int_equal(ask(h, first, "POST", "/api/v1/token", ""), 200);
	second = token_given(h);
	/* Both: the answer with the new one may be lost.  Each has its end. */
	assert_int_equal(report_home(h, first, ""), 200);
	assert_int_equal(report_home(h, second, ""), 200);
	clock_set_ms(clock_ms() + 600001);
	assert_int_equal(report_home(h, first, ""), 200);
	assert_int_equal(report_home(h, second, ""), 200);
	secret_free(code);
	/* Who joins anew sends the one before away at once. */
	code = offer(h);
	show(h, code, "");
	third = token_given(h);
	assert_int_equal(report_home(h, second, ""), 401);
	assert_int_equal(report_home(h, third, ""), 200);
	/* Ours to run from now on: theirs is over. */
	declare(h, HEAD("Worker", "far") "spec: {model: m}\n");
	assert_int_equal(report_home(h, third, ""), 401);
	secret_free(code);
	free(first);
	free(second);
	free(third);
}

static void
test_offers(void **state)
{
	static const struct { const char *agent, *why; } table[] = {
		{ "alice", "containerManaged" }, { "fra", "far" },
	};
	struct house *h = *state;
	struct err err;

	for (size_t i = 0; i < NELEM(table); i++) {
		assert_null(join_offer(&h->ops, table[i].agent, &err));
		if (strstr(err.msg, table[i].why) == NULL)
			fail_msg("%s", err.msg);
	}
}

int
main(void)
{
#define E(f) cmocka_unit_test_setup_teardown(f, setup_elsewhere, teardown)
	const struct CMUnitTest tests[] = {
		E(test_join), E(test_join_race), E(test_join_expires),
		E(test_home), E(test_tokens), E(test_offers),
		T(test_matrix), T(test_lists), T(test_create), T(test_update),
		T(test_policy), T(test_bad_bodies), T(test_paths), T(test_bad_tokens),
		T(test_roles_move), T(test_life), T(test_ready), T(test_logs),
		T(test_apply), T(test_system), T(test_views),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
