/*
 * What leads somewhere else than to a model: `mcp:github` and
 * `expose:alice-3000`.
 *
 * Both need a service source, the Console's name for an address.  An MCP server
 * is DIRECT_ROUTE there.  That kind cannot put a key in, so a server that wants
 * a bearer token of its own is an ordinary route with the same path, which sets
 * the header; only for the streamable transport, since events of an SSE server
 * name paths that such a route does not lead back.
 *
 * An exposed port is a domain, a source and a route, made in this order and
 * taken away the other way round.
 */
#include "higress-int.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>

#include "hiclaw/secure.h"

#define SOURCE_NAME_MAX	63

/* --- addresses ----------------------------------------------------------- */

/* "host:8080" or "host"; false if it is neither. */
static bool
split_host(const char *s, size_t n, struct hg_url *u)
{
	const char *colon;
	size_t len = n, i;
	char *end;
	long port;

	colon = n > 0 && s[0] == '[' ? NULL : memchr(s, ':', n);
	if (colon != NULL) {
		len = (size_t)(colon - s);
		port = strtol(colon + 1, &end, 10);
		if (end != s + n || !isdigit((unsigned char)colon[1]) ||
		    port < 1 || port > 65535)
			return false;
		u->port = (int)port;
	}
	if (len == 0 || len >= sizeof(u->host))
		return false;
	for (i = 0; i < len; i++) {
		if (s[i] == '@')
			return false;
		u->host[i] = (char)tolower((unsigned char)s[i]);
	}
	u->host[len] = '\0';
	return true;
}

int
hg_url_split(const char *url, struct hg_url *u, struct err *e)
{
	struct in_addr ip;
	const char *p;
	size_t n;

	*u = (struct hg_url){ 0 };
	if (str_starts(url, "https://"))
		u->tls = true;
	else if (!str_starts(url, "http://"))
		return err_set(e, ERR_USER, "\"%.100s\" is no http(s) URL",
		    url != NULL ? url : "");
	u->port = u->tls ? 443 : 80;
	p = strstr(url, "://") + 3;
	n = strcspn(p, "/?#");
	if (!split_host(p, n, u) ||
	    !str_copy(u->path, p[n] == '/' ? p + n : "/", sizeof(u->path)))
		return err_set(e, ERR_USER, "\"%.100s\" is no URL that Higress "
		    "can use", url);
	u->is_ip = inet_pton(AF_INET, u->host, &ip) == 1;
	return 0;
}

int
hg_url_check_host(const struct hg_url *u, struct err *e)
{
	const char *top = strrchr(u->host, '.');
	size_t n;

	if (u->is_ip)
		return 0;
	if (u->host[0] == '[')
		return err_set(e, ERR_USER, "%s: Higress reaches no IPv6 "
		    "address: give a name or an IPv4 address", u->host);
	n = top == NULL ? 0 : strspn(top + 1, "abcdefghijklmnopqrstuvwxyz");
	if (top == NULL)
		return err_set(e, ERR_USER, "%s: Higress reaches no host "
		    "without a dot in its name: give its full name or its "
		    "IPv4 address", u->host);
	if (n < 2 || top[1 + n] != '\0' || strspn(u->host,
	    "abcdefghijklmnopqrstuvwxyz0123456789-.") != strlen(u->host))
		return err_set(e, ERR_USER, "%s: no host name that Higress can "
		    "reach", u->host);
	return 0;
}

/* --- service sources ----------------------------------------------------- */

static int
source_check_name(const char *name, struct err *e)
{
	size_t n = strlen(name);

	if (n <= SOURCE_NAME_MAX && name[n - 1] != '-' && strspn(name,
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-")
	    == n)
		return 0;
	return err_set(e, ERR_USER, "\"%.80s\" is no name that Higress can "
	    "have for a service: letters, digits and -, at most %d", name,
	    SOURCE_NAME_MAX);
}

static struct json *
source_want(const char *name, const struct hg_url *u, const char *protocol)
{
	struct json *o = json_object();

	json_set_str(o, "name", name);
	json_set_str(o, "type", u->is_ip ? "static" : "dns");
	if (u->is_ip)
		json_set_strf(o, "domain", "%s:%d", u->host, u->port);
	else
		json_set_str(o, "domain", u->host);
	json_set_int(o, "port", u->is_ip ? 80 : u->port);
	json_set_str(o, "protocol", protocol);
	if (u->tls && !u->is_ip)
		json_set_str(o, "sni", u->host);
	return o;
}

static int
source_ensure(struct hg *h, const char *name, const struct hg_url *u,
    const char *protocol, struct strv *did, struct err *e)
{
	struct json *want = source_want(name, u, protocol);
	char *one = hg_path("/v1/service-sources/%s", name);
	int rv;

	rv = thing_ensure(h, &(struct thing){ .what = "service source",
	    .name = name, .all = "/v1/service-sources", .one = one,
	    .want = want, .recorded = true }, did, e);
	json_free(want);
	free(one);
	return rv;
}

/* Looks afterwards: its object is shared, and a delete may be lost. */
static int
thing_remove(struct hg *h, const char *what, const char *path,
    struct strv *did, struct err *e)
{
	struct json *there = NULL;
	struct err last = { 0 };
	int try;

	for (try = 0; try < 4; try++) {
		if (try > 1)
			hg_nap(try);
		if (hg_get(h, path, &there, e) == -1)
			return -1;
		json_wipe(there);
		if (there == NULL) {
			if (try > 0)
				strv_addf(did, "%s removed", what);
			return 0;
		}
		there = NULL;
		last = (struct err){ 0 };
		if (hg_call(h, "DELETE", path, NULL, NULL, &last) == -1 &&
		    last.kind != ERR_RETRY)
			break;
	}
	if (last.msg[0] == '\0')
		return err_set(e, ERR_RETRY, "%s does not go away", what);
	*e = last;
	return -1;
}

static int
source_remove(struct hg *h, const char *name, struct strv *did,
    struct err *e)
{
	char *one = hg_path("/v1/service-sources/%s", name);
	int rv = thing_remove(h, "service source", one, did, e);

	free(one);
	return rv;
}

/* [{"name": "x.dns", "port", "weight"}] */
static struct json *
services(const char *source, const struct hg_url *u)
{
	struct json *list = json_array(), *o;

	o = json_push(list, json_object());
	json_set_strf(o, "name", "%s.%s", source, u->is_ip ? "static" : "dns");
	json_set_int(o, "port", u->is_ip ? 80 : u->port);
	json_set_int(o, "weight", 100);
	return list;
}

static void
prefix_path(struct json *o, const char *path)
{
	struct json *p = json_set(o, "path", json_object());

	json_set_str(p, "matchType", "PRE");
	json_set_str(p, "matchValue", path);
	json_set_bool(p, "caseSensitive", true);
}

static void
put_label(const struct hg *h, struct json *o)
{
	json_set_str(json_set(o, "customLabels", json_object()), HG_LABEL,
	    h->instance);
}

static void
plain_route_target(const char *name, struct target *t)
{
	*t = (struct target){ .what = "route", .name = name,
	    .all = xstrdup("/v1/routes"),
	    .one = hg_path("/v1/routes/%s", name) };
}

static void
failed(struct outcome *out, const struct work *w)
{
	if (out->observed == NULL)
		out->observed = json_copy(w->observed);
}

static const char *
after_colon(const char *key)
{
	const char *colon = strchr(key, ':');

	return colon != NULL ? colon + 1 : "";
}

/* --- MCP servers --------------------------------------------------------- */

static struct json *
mcp_want(const struct hg *h, const char *name, const char *source,
    const struct hg_url *u, bool is_sse)
{
	struct json *o = json_object(), *direct;

	json_set_str(o, "name", name);
	json_set_str(o, "type", "DIRECT_ROUTE");
	json_set_strf(o, "description", "made by %s", h->instance);
	json_set(o, "services", services(source, u));
	direct = json_set(o, "directRouteConfig", json_object());
	json_set_str(direct, "path", u->path);
	json_set_str(direct, "transportType", is_sse ? "sse" : "streamable");
	return o;
}

/* With a key of its own: see the top.  key may be NULL to leave that out. */
static struct json *
mcp_route_want(const struct hg *h, const char *ours, const char *path,
    const char *source, const struct hg_url *u, const char *key)
{
	struct json *o = json_object(), *v;

	json_set_str(o, "name", ours);
	prefix_path(o, path);
	json_set(o, "services", services(source, u));
	v = json_set(o, "rewrite", json_object());
	json_set_bool(v, "enabled", true);
	json_set_str(v, "path", u->path);
	if (!u->is_ip)
		json_set_str(v, "host", u->host);
	if (key != NULL) {
		v = json_set(o, "headerControl", json_object());
		json_set_bool(v, "enabled", true);
		v = json_set(json_set(v, "request", json_object()), "set",
		    json_array());
		v = json_push(v, json_object());
		json_set_str(v, "key", "Authorization");
		json_set_strf(v, "value", "Bearer %s", key);
	}
	put_label(h, o);
	return o;
}

static void
mcp_target(const char *name, struct target *t)
{
	*t = (struct target){ .what = "MCP server", .name = name,
	    .all = xstrdup("/v1/mcpServer"),
	    .one = hg_path("/v1/mcpServer/%s", name), .is_mcp = true };
}

/* Both forms of it lead from the same path: the other one goes first. */
static int
mcp_drop(struct hg *h, const char *name, bool keyed, bool recorded,
    struct strv *did, struct err *e)
{
	char *ours = xasprintf("hiclaw-mcp-%s", name);
	struct target t;
	int rv;

	if (keyed)
		plain_route_target(ours, &t);
	else
		mcp_target(name, &t);
	t.recorded = recorded;
	rv = target_remove(h, &t, did, e);
	target_release(&t);
	free(ours);
	return rv;
}

static int
mcp_check(const struct json *desired, struct hg_url *u, struct err *e)
{
	const char *name = json_str(desired, "name");
	bool is_sse = str_equal(json_str(desired, "transport"), "sse");
	char *path = xasprintf("/mcp-servers/%s", name != NULL ? name : "");
	int rv = -1;

	if (hg_check_name(name, e) == -1 ||
	    hg_url_split(json_str(desired, "url"), u, e) == -1)
		goto out;
	if (hg_url_check_host(u, e) == -1)
		err_prefix(e, "MCP server %s", name);
	else if (!str_equal(json_str(desired, "path"), path))
		err_set(e, ERR_USER, "MCP server %s: Higress serves it only at "
		    "%s", name, path);
	else if (is_sse && json_str(desired, "key_id") != NULL)
		err_set(e, ERR_USER, "MCP server %s: Higress cannot put a key "
		    "into SSE: use transport http, or no key", name);
	else if (is_sse && !str_ends(u->path, "/sse"))
		err_set(e, ERR_USER, "MCP server %s: for Higress the URL of an "
		    "SSE server ends with /sse", name);
	else
		rv = 0;
out:
	free(path);
	return rv;
}

static int
mcp_fill(struct hg *h, const struct json *desired, const char *source,
    const struct hg_url *u, struct target *t, struct err *e)
{
	const char *name = json_str(desired, "name");
	const struct json *s = gateway_setting(h->mcp_servers, name);

	if (json_str(desired, "key_id") == NULL) {
		mcp_target(name, t);
		t->want = mcp_want(h, name, source, u, str_equal(json_str(
		    desired, "transport"), "sse"));
		return 0;
	}
	if (json_str(s, "key") == NULL)
		return err_set(e, ERR_BROKEN, "gateway.mcp_servers has no key "
		    "of %s", name);
	plain_route_target(source, t);
	t->want = mcp_route_want(h, source, json_str(desired, "path"), source,
	    u, json_str(s, "key"));
	return 0;
}

int
hg_mcp_ensure(void *ctx, const struct work *w, struct outcome *out,
    struct err *e)
{
	const char *name = json_strd(w->desired, "name", "");
	const struct json *allowed = json_get(w->desired, "allowed");
	bool keyed = json_str(w->desired, "key_id") != NULL;
	bool recorded = json_str(w->observed, "name") != NULL;
	bool was_keyed = json_str(w->observed, "key_id") != NULL;
	char *source = xasprintf("hiclaw-mcp-%s", name);
	struct target t = { 0 };
	struct view v = { 0 };
	struct hg *h = ctx;
	struct hg_url u;
	int rv = -1;

	h->answered = false;
	if (mcp_check(w->desired, &u, e) == -1 ||
	    source_check_name(source, e) == -1 ||
	    mcp_fill(h, w->desired, source, &u, &t, e) == -1)
		goto out;
	t.recorded = recorded && keyed == was_keyed;
	if (recorded && keyed != was_keyed &&
	    mcp_drop(h, name, was_keyed, true, &out->did, e) == -1)
		goto out;
	rv = source_ensure(h, source, &u, u.tls ? "https" : "http", &out->did,
	    e);
	if (rv == 0)
		rv = target_ensure(h, &t, json_get(w->observed, "allowed"),
		    allowed, &v, &out->did, e);
	if (rv == 0) {
		struct probe p = { .path = json_str(w->desired, "path") };

		out->observed = json_copy(w->desired);
		view_report(&t, &v, allowed, out->observed);
		rv = hg_probe_list(h, &p, allowed, e);
	}
out:
	out->has_answer = h->answered;
	if (rv == -1)
		failed(out, w);
	view_release(&v);
	target_release(&t);
	free(source);
	return rv;
}

int
hg_mcp_remove(void *ctx, const struct work *w, struct outcome *out,
    struct err *e)
{
	const char *name = json_strd(w->observed, "name", after_colon(w->key));
	bool recorded = json_str(w->observed, "name") != NULL;
	bool keyed = json_str(w->observed, "key_id") != NULL;
	char *source = xasprintf("hiclaw-mcp-%s", name);
	struct hg *h = ctx;
	int rv = -1;

	h->answered = false;
	/* Unmarked, the form that it does not have is somebody else's. */
	if (mcp_drop(h, name, true, recorded && keyed, &out->did, e) == 0 &&
	    mcp_drop(h, name, false, recorded && !keyed, &out->did, e) == 0)
		rv = source_remove(h, source, &out->did, e);
	out->has_answer = h->answered;
	if (rv == -1)
		failed(out, w);
	free(source);
	return rv;
}

/* The address of a service: is its source as it was made? */
static bool
source_fits(const struct census *c, const char *name, const struct hg_url *u,
    const char *protocol)
{
	struct json *want = source_want(name, u, protocol);
	const struct json *there = hg_named(c->sources, name);
	bool fits = there != NULL && body_covers(there, want);

	json_free(want);
	return fits;
}

/*
 * The list of MCP servers says neither the path nor who may use one; the list
 * of routes has both, in this form.
 */
static struct json *
mcp_live_want(const char *source, const struct hg_url *u, bool is_sse)
{
	struct json *o = json_object(), *v;
	size_t n = strlen(u->path) - (is_sse ? strlen("/sse") : 0);

	json_set(o, "services", services(source, u));
	v = json_set(o, "rewrite", json_object());
	json_set_bool(v, "enabled", true);
	json_set_strf(v, "path", "%.*s", n > 0 ? (int)n : 1, u->path);
	json_set_str(json_set(o, "customConfigs", json_object()),
	    "higress.io/mcp-server-upstream-transport-type",
	    is_sse ? "sse" : "streamable");
	return o;
}

/* The route that leads there, and what it should be like. */
static const struct json *
mcp_find(const struct hg *h, const struct census *c, const struct json *was,
    const char *source, const struct hg_url *u, struct json **want)
{
	const char *name = json_strd(was, "name", ""), *key;
	bool is_sse = str_equal(json_str(was, "transport"), "sse");
	const struct json *live;
	char *internal, id[SECRET_ID];

	if (json_str(was, "key_id") == NULL) {
		internal = xasprintf("mcp-server-%s.internal", name);
		live = hg_named(c->routes, internal);
		free(internal);
		*want = mcp_live_want(source, u, is_sse);
		return live;
	}
	/* A newer key of the settings is no change out there. */
	key = json_str(gateway_setting(h->mcp_servers, name), "key");
	secret_id(key != NULL ? key : "", id);
	if (!str_equal(id, json_str(was, "key_id")))
		key = NULL;
	*want = mcp_route_want(h, source, json_strd(was, "path", ""), source,
	    u, key);
	return hg_named(c->routes, source);
}

struct json *
hg_mcp_now(const struct hg *h, const struct census *c, const struct json *was)
{
	char *source = xasprintf("hiclaw-mcp-%s", json_strd(was, "name", ""));
	const struct json *live;
	struct json *now = NULL, *want = NULL, *list;
	struct target t = { 0 };	/* the list is in authConfig here */
	struct view v;
	struct err ignored;
	struct hg_url u;

	if (hg_url_split(json_str(was, "url"), &u, &ignored) == -1)
		goto out;
	live = mcp_find(h, c, was, source, &u, &want);
	if (live == NULL)
		goto out;
	now = json_copy(was);
	if (!body_covers(live, want) ||
	    !source_fits(c, source, &u, u.tls ? "https" : "http"))
		json_set(now, "url", json_null());
	v = (struct view){ .stored = (struct json *)live };
	list = view_allowed(&t, &v);
	if (list == NULL)
		json_set_strf(now, "path", "%s, open to all", json_strd(was,
		    "path", ""));
	json_free(list);
	view_report(&t, &v, json_get(was, "allowed"), now);
out:
	json_wipe(want);
	free(source);
	return now;
}

/* --- exposed ports ------------------------------------------------------- */

/* What it is called there, its address and its protocol. */
static int
expose_read(const struct json *form, char **name, struct hg_url *u,
    const char **protocol, struct err *e)
{
	const char *agent = json_strd(form, "agent", "");
	int64_t port = json_int(form, "port", 0);

	*u = (struct hg_url){ .port = (int)port };
	if (port < 1 || port > 65535 ||
	    !str_copy(u->host, json_strd(form, "target", ""),
	    sizeof(u->host)))
		return err_set(e, ERR_USER, "%s: port %lld cannot be exposed",
		    agent, (long long)port);
	u->is_ip = inet_pton(AF_INET, u->host, &(struct in_addr){ 0 }) == 1;
	*protocol = json_strd(form, "protocol", "http");
	if (hg_url_check_host(u, e) == -1)
		return -1;
	*name = xasprintf("hiclaw-expose-%s-%d", agent, u->port);
	if (source_check_name(*name, e) == -1) {
		free(*name);
		*name = NULL;
		return -1;
	}
	return 0;
}

static struct json *
expose_want(const struct hg *h, const char *name, const char *host,
    const struct hg_url *u)
{
	struct json *o = json_object();

	json_set_str(o, "name", name);
	json_push_str(json_set(o, "domains", json_array()), host);
	prefix_path(o, "/");
	json_set(o, "services", services(name, u));
	put_label(h, o);
	return o;
}

static int
domain_ensure(struct hg *h, const char *host, struct strv *did,
    struct err *e)
{
	char *one = hg_path("/v1/domains/%s", host);
	struct json *want = json_object(), *there = NULL;
	int rv = 0;

	if (hg_get(h, one, &there, e) == -1)
		rv = -1;
	/* However somebody has set it up, with a certificate say. */
	else if (there == NULL) {
		json_set_str(want, "name", host);
		json_set_str(want, "enableHttps", "off");
		rv = thing_ensure(h, &(struct thing){ .what = "domain",
		    .name = host, .all = "/v1/domains", .one = one,
		    .want = want, .recorded = true }, did, e);
	}
	json_free(there);
	json_free(want);
	free(one);
	return rv;
}

/* Unless somebody's route is there as well. */
static int
domain_remove(struct hg *h, const char *host, struct strv *did,
    struct err *e)
{
	char *one = hg_path("/v1/domains/%s", host);
	char *list = hg_path("/v1/domains/%s/routes", host);
	struct json *there = NULL, *routes = NULL;
	int rv = -1;

	if (hg_get(h, one, &there, e) == -1)
		goto out;
	if (there == NULL) {
		rv = 0;
		goto out;
	}
	if (hg_get(h, list, &routes, e) == -1)
		goto out;
	rv = json_size(routes) > 0 ? 0 : thing_remove(h, "domain", one, did,
	    e);
out:
	json_wipe(there);
	json_wipe(routes);
	free(one);
	free(list);
	return rv;
}

/* http://worker-alice-3000-local.hiclaw.io:8080, as the gateway is reached. */
static void
put_url(const struct hg *h, struct json *o)
{
	const char *host = json_strd(o, "host", ""), *p, *port;
	bool tls = str_starts(h->gateway, "https://");

	p = strstr(h->gateway, "://");
	port = p == NULL ? NULL : strrchr(p + 3, ':');
	if (port != NULL && port[1 + strspn(port + 1, "0123456789")] != '\0')
		port = NULL;
	json_set_strf(o, "url", "%s://%s%s", tls ? "https" : "http", host,
	    port != NULL ? port : "");
}

int
hg_expose_ensure(void *ctx, const struct work *w, struct outcome *out,
    struct err *e)
{
	const struct json *d = w->desired, *allowed = json_get(d, "allowed");
	const char *host = json_strd(d, "host", ""), *protocol;
	struct target t = { 0 };
	struct view v = { 0 };
	struct hg *h = ctx;
	char *name = NULL;
	struct hg_url u;
	int rv = -1;

	h->answered = false;
	if (hg_check_name(host, e) == -1 ||
	    expose_read(d, &name, &u, &protocol, e) == -1)
		goto out;
	plain_route_target(name, &t);
	t.want = expose_want(h, name, host, &u);
	t.open = json_bool(d, "open", false);
	t.recorded = json_str(w->observed, "host") != NULL;
	if (domain_ensure(h, host, &out->did, e) == -1 ||
	    source_ensure(h, name, &u, protocol, &out->did, e) == -1)
		goto out;
	rv = target_ensure(h, &t, json_get(w->observed, "allowed"), allowed,
	    &v, &out->did, e);
	if (rv == 0) {
		struct probe p = { .host = host, .path = "/" };

		out->observed = json_copy(d);
		put_url(h, out->observed);
		if (!t.open) {
			view_report(&t, &v, allowed, out->observed);
			rv = hg_probe_list(h, &p, allowed, e);
		}
	}
out:
	out->has_answer = h->answered;
	if (rv == -1)
		failed(out, w);
	view_release(&v);
	target_release(&t);
	free(name);
	return rv;
}

int
hg_expose_remove(void *ctx, const struct work *w, struct outcome *out,
    struct err *e)
{
	const char *host = json_str(w->observed, "host");
	char *name = xasprintf("hiclaw-expose-%s", after_colon(w->key));
	struct hg *h = ctx;
	struct target t;
	int rv;

	h->answered = false;
	plain_route_target(name, &t);
	t.recorded = host != NULL;
	rv = target_remove(h, &t, &out->did, e);
	if (rv == 0)
		rv = source_remove(h, name, &out->did, e);
	if (rv == 0 && host != NULL)
		rv = domain_remove(h, host, &out->did, e);
	out->has_answer = h->answered;
	if (rv == -1)
		failed(out, w);
	target_release(&t);
	free(name);
	return rv;
}

struct json *
hg_expose_now(const struct hg *h, const struct census *c,
    const struct json *was)
{
	const char *host = json_strd(was, "host", ""), *protocol;
	struct json *now = NULL, *want, *list;
	struct target t = { 0 };
	struct view v = { 0 };
	struct err ignored;
	char *name = NULL;
	struct hg_url u;

	if (expose_read(was, &name, &u, &protocol, &ignored) == -1)
		return NULL;
	v.stored = (struct json *)hg_named(c->routes, name);
	if (v.stored == NULL)
		goto out;
	now = json_copy(was);
	want = expose_want(h, name, host, &u);
	if (!body_covers(v.stored, want) ||
	    !source_fits(c, name, &u, protocol))
		json_set(now, "target", json_null());
	json_free(want);
	list = view_allowed(&t, &v);
	json_set_bool(now, "open", list == NULL);
	if (list != NULL)
		view_report(&t, &v, json_get(was, "allowed"), now);
	json_free(list);
out:
	free(name);
	return now;
}
