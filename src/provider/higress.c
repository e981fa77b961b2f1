/*
 * Higress as the gateway, through the HTTP API of its Console.
 *
 * Questions: {"op": "status"} gives {"provider": "higress", "answers",
 * "latency_ms", "version", "consumers": count, "routes": [{"name", "path",
 * "allowed": count, "auth"}], "error"?}.
 *
 * A look reads each list of the Console once, however many objects there are:
 * the list of routes has every allow list as the gateway sees it, also those of
 * AI routes and MCP servers.
 */
#include "higress-int.h"

#include <stdlib.h>
#include <string.h>

#include "hiclaw/clock.h"
#include "hiclaw/secure.h"
#include "provider-int.h"

#define CONSUMER_BATCH	256

/* --- looking ------------------------------------------------------------- */

static void
census_release(struct census *c)
{
	json_wipe(c->consumers);
	json_wipe(c->ai_providers);
	json_wipe(c->ai_routes);
	json_wipe(c->routes);
	json_wipe(c->sources);
}

static int
census_read(struct hg *h, struct census *c, struct err *e)
{
	if (hg_get(h, "/v1/consumers", &c->consumers, e) == -1 ||
	    hg_get(h, "/v1/ai/providers", &c->ai_providers, e) == -1 ||
	    hg_get(h, "/v1/ai/routes", &c->ai_routes, e) == -1 ||
	    hg_get(h, "/v1/routes", &c->routes, e) == -1 ||
	    hg_get(h, "/v1/service-sources", &c->sources, e) == -1)
		return -1;
	return 0;
}

static struct json *
form_now(const struct hg *h, const struct census *c, const char *key,
    const struct json *was)
{
	if (str_starts(key, "consumer:"))
		return hg_consumer_now(c, was);
	if (str_starts(key, "provider:"))
		return hg_provider_now(h, c, was);
	if (str_starts(key, "route:"))
		return hg_route_now(h, c, was);
	if (str_starts(key, "mcp:"))
		return hg_mcp_now(h, c, was);
	return hg_expose_now(h, c, was);
}

static int
higress_observe(void *ctx, const struct observe_item *items, size_t n,
    void (*changed)(void *arg, const char *key, struct json *observed),
    void *arg, struct err *e)
{
	struct census c = { 0 };
	struct json *was, *now;
	int rv = census_read(ctx, &c, e);

	for (size_t i = 0; rv == 0 && i < n; i++) {
		was = json_must(items[i].observed);
		now = form_now(ctx, &c, items[i].key, was);
		if (now == NULL || !json_equal(was, now))
			changed(arg, items[i].key, now);
		else
			json_free(now);
		json_free(was);
	}
	census_release(&c);
	return rv;
}

/* --- questions ----------------------------------------------------------- */

static struct json *
routes_status(const struct json *ai_routes, const struct json *routes)
{
	struct json *list = json_array(), *o;
	const struct json *r, *auth;
	char *live;

	for (r = json_first(ai_routes); r != NULL; r = json_next(r)) {
		live = xasprintf("ai-route-%s.internal", json_strd(r, "name",
		    ""));
		auth = json_get(hg_named(routes, live), "authConfig");
		o = json_push(list, json_object());
		json_set_str(o, "name", json_str(r, "name"));
		json_set_str(o, "path", json_str(json_get(r, "pathPredicate"),
		    "matchValue"));
		json_set_int(o, "allowed", (int64_t)json_size(json_get(auth,
		    "allowedConsumers")));
		json_set_bool(o, "auth", json_bool(auth, "enabled", false));
		free(live);
	}
	return list;
}

static int
read_status(struct hg *h, struct json *o, struct err *e)
{
	struct json *info = NULL, *consumers = NULL, *ai = NULL;
	struct json *routes = NULL;
	int64_t began = clock_mono_ms();
	int rv = -1;

	if (hg_get(h, "/v1/consumers", &consumers, e) == -1)
		goto out;
	json_set_int(o, "latency_ms", clock_mono_ms() - began);
	if (hg_get(h, "/system/info", &info, e) == -1 ||
	    hg_get(h, "/v1/ai/routes", &ai, e) == -1 ||
	    hg_get(h, "/v1/routes", &routes, e) == -1)
		goto out;
	json_set_str(o, "version", json_str(info, "version"));
	json_set_int(o, "consumers", (int64_t)json_size(consumers));
	json_set(o, "routes", routes_status(ai, routes));
	rv = 0;
out:
	json_wipe(info);
	json_wipe(consumers);
	json_wipe(ai);
	json_wipe(routes);
	return rv;
}

static int
higress_query(void *ctx, const struct json *question, struct json **answer,
    struct err *e)
{
	struct err why = { 0 };
	struct json *o;
	int rv;

	if (!str_equal(json_str(question, "op"), "status"))
		return err_set(e, ERR_USER, "Higress can be asked for its "
		    "status only");
	o = json_object();
	json_set_str(o, "provider", "higress");
	rv = read_status(ctx, o, &why);
	json_set_bool(o, "answers", rv == 0);
	if (rv == -1)
		json_set_str(o, "error", why.msg);
	*answer = o;
	return 0;
}

/* --- the row ------------------------------------------------------------- */

static void
higress_close(void *ctx)
{
	struct hg *h = ctx;

	if (h == NULL)
		return;
	free(h->url);
	free(h->user);
	secret_free(h->password);
	secret_free(h->cookie);
	free(h->gateway);
	json_wipe(h->providers);
	json_wipe(h->mcp_servers);
	free(h->instance);
	free(h);
}

static int
higress_open(const struct provider_env *env, void **ctx, struct err *e)
{
	const struct provider_gateway *g = &env->gateway;
	struct hg *h;
	size_t n;

	*ctx = NULL;
	if (!str_equal(g->provider, "higress"))
		return 0;
	if (!str_starts(g->console_url, "http://") &&
	    !str_starts(g->console_url, "https://"))
		return err_set(e, ERR_BROKEN, "gateway.console_url is needed "
		    "for Higress: where its Console is, "
		    "http://127.0.0.1:8001 say");
	if (g->console_password == NULL || g->console_password[0] == '\0')
		return err_set(e, ERR_BROKEN, "gateway.console_password is "
		    "needed for Higress");
	h = xcalloc(1, sizeof(*h));
	h->url = xstrdup(g->console_url);
	for (n = strlen(h->url); n > 0 && h->url[n - 1] == '/'; n--)
		h->url[n - 1] = '\0';
	h->user = xstrdup(g->console_user != NULL ? g->console_user : "admin");
	h->password = xstrdup(g->console_password);
	h->gateway = xstrdup(g->url != NULL ? g->url : "");
	h->providers = json_copy(g->providers);
	h->mcp_servers = json_copy(g->mcp_servers);
	h->instance = xstrdup(env->instance);
	*ctx = h;
	return 0;
}

static const struct object_kind kinds[] = {
	{ .name = "consumer", .label = "gateway key",
	    .secrets = hg_consumer_secrets, .diff = gateway_consumer_diff,
	    .batch = CONSUMER_BATCH, .ensure_many = hg_consumer_ensure,
	    .remove_many = hg_consumer_remove },
	{ .name = "provider", .label = "model provider", .diff = gateway_diff,
	    .ensure = hg_provider_ensure, .remove = hg_provider_remove },
	{ .name = "route", .label = "model route", .diff = gateway_diff,
	    .ensure = hg_route_ensure, .remove = hg_route_remove },
	{ .name = "mcp", .label = "MCP server", .diff = gateway_diff,
	    .ensure = hg_mcp_ensure, .remove = hg_mcp_remove },
	{ .name = "expose", .label = "exposed port", .diff = gateway_diff,
	    .ensure = hg_expose_ensure, .remove = hg_expose_remove },
	{ .name = NULL }
};

/* One thread is the one queue for all writes: the Console loses some of two
 * that write at once. */
const struct provider provider_higress = {
	.name = "higress",
	.concurrency = 1,
	.kinds = kinds,
	.open = higress_open,
	.close = higress_close,
	.observe = higress_observe,
	.query = higress_query,
};
