/*
 * Fuzz target: any request to REST.  The first line of the input is "TOKEN
 * METHOD PATH?QUERY", the rest is the body.
 *
 * Beyond not crashing: each request gets exactly one answer with a status that
 * the contract has, JSON answers are JSON, who shows no good token learns
 * nothing, and a worker changes nothing whatever it says.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "hiclaw/clock.h"
#include "hiclaw/log.h"
#include "hiclaw/loop.h"
#include "hiclaw/rest.h"
#include "hiclaw/secure.h"

#define HOUSE_REQUESTS	200	/* then a new house: what was made piles up */

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static const char text[] =
    "---\napiVersion: hiclaw.io/v1beta1\nkind: Team\nmetadata: {name: web}\n"
    "spec: {leader: {name: lea}, workers: [{name: wim}]}\n"
    "---\napiVersion: hiclaw.io/v1beta1\nkind: Worker\n"
    "metadata: {name: alice}\nspec: {model: m}\n";

static struct house {
	struct loop	*loop;
	struct store	*store;
	struct engine	*engine;
	struct ops	 ops;
	struct rest	*rest;
	struct strv	 admins;
	int		 requests;
	int		 status;	/* of the answer */
} house;

static void
demand(bool ok)
{
	if (!ok)
		abort();
}

static int
no_open(const struct provider_env *env, void **ctx, struct err *err)
{
	*ctx = NULL;
	return 0;
}

static void
no_close(void *ctx)
{
}

static const struct object_kind no_kinds[] = { { .name = NULL } };
static const struct provider prov = { .name = "none", .concurrency = 1,
    .kinds = no_kinds, .open = no_open, .close = no_close };
const struct provider *const providers[] = { &prov, NULL };

const struct object_kind *
object_kind_find(const char *name, const struct provider **provider)
{
	return NULL;
}

/* --- the house ----------------------------------------------------------- */

static void
declare(void)
{
	struct run_request rq = { .actor = "@boss:x.org", .title = "t" };
	struct problems ps = { 0 };
	struct resource **rs = NULL;
	struct json *action;
	struct attempt ch;
	struct err err;
	size_t n = 0;

	demand(manifest_decode(text, strlen(text), &rs, &n, &ps) == 0);
	action = change_apply_action(rs, n, NULL);
	demand(change_try(house.engine, action, NULL, &ch, &err) == 0);
	store_begin(house.store);
	engine_apply(house.engine, ch.plan, ch.after, &rq);
	change_release(&ch);
	json_free(action);
	for (size_t i = 0; i < n; i++)
		resource_unref(rs[i]);
	free(rs);
	problems_release(&ps);
}

static void
give_token(const char *token, const char *subject)
{
	char sha256[SHA256_HEX];
	struct token_row row = { sha256, subject, clock_ms(),
	    clock_ms() + 3600000 };

	sha256_hex(token, strlen(token), sha256);
	store_token_put(house.store, &row, 0);
}

static void
house_open(void)
{
	struct rest_config rc = { .version = "9.9", .admin_token = "boss",
	    .admin_user = "@boss:x.org" };
	struct engine_config cfg = { 0 };
	struct err err;

	log_set_level(LOG_LVL_ERROR);
	memset(&house, 0, sizeof house);
	strv_add(&house.admins, "@boss:x.org");
	demand((house.store = store_open(":memory:", NULL, &err)) != NULL);
	house.loop = loop_new();
	cfg.world.domain = "x.org";
	cfg.world.prefix = "hiclaw";
	cfg.world.instance = "hiclaw-0123abcd";
	cfg.world.device = "D";
	cfg.world.room_version = "12";
	cfg.world.admins = &house.admins;
	cfg.threads = 1;
	house.engine = engine_new(house.loop, house.store, &cfg, &err);
	demand(house.engine != NULL);
	house.ops = (struct ops){ .engine = house.engine,
	    .store = house.store };
	house.rest = rest_new(&house.ops, &rc);
	declare();
	give_token("lea", "agent:lea");
	give_token("wim", "agent:wim");
	store_commit(house.store);
}

static void
house_close(void)
{
	if (house.rest == NULL)
		return;
	rest_stop(house.rest);
	engine_free(house.engine);
	rest_free(house.rest);
	store_commit(house.store);
	store_close(house.store);
	loop_free(house.loop);
	strv_release(&house.admins);
}

/* --- a request ----------------------------------------------------------- */

static bool
is_status(int status)
{
	static const int all[] = { 200, 201, 204, 400, 401, 403, 404, 405,
		409, 413, 422, 429, 501, 503 };

	for (size_t i = 0; i < NELEM(all); i++)
		if (all[i] == status)
			return true;
	return false;
}

static void
on_answer(struct httpd_req *req, int status, const char *type,
    const char *body, const char *const *headers)
{
	struct json *o;
	struct err err;
	size_t n;

	demand(house.status == 0 && is_status(status));
	house.status = status;
	if (!str_equal(type, "application/json"))
		return;
	n = strlen(body);
	demand(n > 0 && body[n - 1] == '\n');
	demand((o = json_parse(body, n - 1, &err)) != NULL);
	demand(status < 400 || json_str(o, "message") != NULL);
	json_free(o);
}

/* The text up to a blank; *p moves behind it. */
static char *
take_word(const char **p, const char *end)
{
	const char *from = *p;

	while (*p < end && **p != ' ' && **p != '\0')
		(*p)++;
	from = xstrndup(from, (size_t)(*p - from));
	if (*p < end)
		(*p)++;
	return (char *)(uintptr_t)from;
}

static void
ask(const char *token, const char *method, char *path, const char *body,
    size_t len)
{
	char *query = strchr(path, '?');
	struct httpd_req req = { .method = method, .path = path,
	    .bearer = token[0] != '\0' ? token : NULL, .body = body,
	    .body_len = len, .answered = on_answer };

	if (query != NULL)
		*query++ = '\0';
	req.query = query != NULL ? query : "";
	house.status = 0;
	if (!rest_request(house.rest, &req))
		return;
	store_commit(house.store);
	rest_after_commit(house.rest);
	demand(house.status != 0);
	if (str_starts(path, "/api/v1/") && strcmp(token, "boss") != 0 &&
	    strcmp(token, "lea") != 0 && strcmp(token, "wim") != 0)
		demand(house.status >= 400);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *s = (const char *)data, *nl = memchr(s, '\n', size);
	const char *end = nl != NULL ? nl : s + size, *p = s;
	size_t len = nl != NULL ? size - (size_t)(nl + 1 - s) : 0;
	char *token, *method, *path, *body, *before, *after;

	if (house.rest == NULL || house.requests++ >= HOUSE_REQUESTS) {
		house_close();
		house_open();
	}
	token = take_word(&p, end);
	method = take_word(&p, end);
	path = take_word(&p, end);
	body = xstrndup(nl != NULL ? nl + 1 : "", len);
	if (strlen(body) < len) {	/* NUL inside: as it came */
		free(body);
		body = xmalloc(len + 1);
		memcpy(body, nl + 1, len);
		body[len] = '\0';
	}
	before = xasprintf("%zu", resources_n(engine_resources(
	    house.engine)));
	ask(token, method, path, body, len);
	after = xasprintf("%zu", resources_n(engine_resources(house.engine)));
	if (strcmp(token, "wim") == 0)
		demand(strcmp(before, after) == 0);
	free(before);
	free(after);
	free(token);
	free(method);
	free(path);
	free(body);
	return 0;
}
