/* See envoy.h.  API: Envoy v3, as of 1.40. */
#include "envoy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hiclaw/secure.h"

#define TYPE		"type.googleapis.com/envoy."
#define FILTER		"hiclaw-keys"	/* the filter, in ECDS and per route */
#define ROUTES		"hiclaw"	/* the route configuration */
#define MARK		"io.hiclaw"	/* metadata of ours */
#define NOBODY		".nobody"	/* an empty list would let everybody in */
#define IDLE		"900s"		/* of a stream: models think for minutes */
#define CONNECT		"10s"

/* --- the model ------------------------------------------------------------ */

void
envoy_model_init(struct envoy_model *m)
{
	*m = (struct envoy_model){ .consumers = json_object(),
	    .providers = json_object(), .routes = json_object(),
	    .mcps = json_object(), .exposes = json_object() };
}

void
envoy_model_release(struct envoy_model *m)
{
	json_wipe(m->consumers);
	json_free(m->providers);
	json_free(m->routes);
	json_free(m->mcps);
	json_free(m->exposes);
	secret_free(m->probe_key);
	*m = (struct envoy_model){0};
}

/* --- URLs ----------------------------------------------------------------- */

struct target {
	bool		 tls;
	char		*host;		/* without brackets */
	bool		 is_address;	/* not a name */
	int		 port;
	char		*path;		/* "" or "/v1": no slash at the end */
};

static void
target_release(struct target *t)
{
	free(t->host);
	free(t->path);
}

static bool
is_address(const char *host)
{
	return strchr(host, ':') != NULL ||
	    host[strspn(host, "0123456789.")] == '\0';
}

/* "https://host:8443/api/v1/"; false if it is no such thing. */
static bool
target_read(const char *url, struct target *t)
{
	const char *p = url == NULL ? "" : url, *end, *port;
	char *rest;
	long n;

	*t = (struct target){ .tls = str_starts(p, "https://") };
	if (!t->tls && !str_starts(p, "http://"))
		return false;
	p = strstr(p, "://") + 3;
	end = p + strcspn(p, "/?#");
	if (*p == '[') {
		port = memchr(p, ']', (size_t)(end - p));
		if (port == NULL)
			return false;
		t->host = xstrndup(p + 1, (size_t)(port - p - 1));
		port++;
	} else {
		port = p + strcspn(p, ":/?#");
		t->host = xstrndup(p, (size_t)(port - p));
	}
	n = t->tls ? 443 : 80;
	if (port < end) {
		n = *port == ':' ? strtol(port + 1, &rest, 10) : 0;
		if (n > 0 && rest != end)
			n = 0;
	}
	t->port = (int)n;
	t->is_address = is_address(t->host);
	t->path = xstrndup(end, strcspn(end, "?#"));
	while (str_ends(t->path, "/"))
		t->path[strlen(t->path) - 1] = '\0';
	return n > 0 && n < 65536 && t->host[0] != '\0' &&
	    strchr(t->host, '@') == NULL && (*end == '\0' || *end == '/');
}

int
envoy_check_url(const char *url, struct err *e)
{
	struct target t;
	bool good = target_read(url, &t);

	target_release(&t);
	return good ? 0 : err_set(e, ERR_USER, "\"%s\" is no URL of an "
	    "upstream; expected, for example, https://llm.example.org/v1",
	    url == NULL ? "" : url);
}

char *
envoy_exposed_url(const char *gateway_url, const char *host)
{
	struct target t;
	char *url = NULL;

	if (target_read(gateway_url, &t))
		url = xasprintf("http%s://%s:%d", t.tls ? "s" : "", host,
		    t.port);
	target_release(&t);
	return url;
}

/* --- small pieces --------------------------------------------------------- */

static struct json *
typed(const char *type)
{
	struct json *o = json_object();

	json_set_strf(o, "@type", TYPE "%s", type);
	return o;
}

/* {"path_config_source": ...} of a file that is replaced by rename. */
static struct json *
watched(const struct envoy_settings *s, const char *file)
{
	struct json *o = json_object(), *p;

	p = json_obj(o, "path_config_source");
	json_set_strf(p, "path", "%s/%s", s->directory, file);
	json_set_str(json_obj(p, "watched_directory"), "path", s->directory);
	return o;
}

/* The form of an object, for ourselves. */
static void
set_mark(struct json *o, const char *kind, const char *name,
    const struct json *form)
{
	struct json *mark = json_obj(json_obj(json_obj(o, "metadata"),
	    "filter_metadata"), MARK);
	char *text;

	json_set_str(mark, "kind", kind);
	json_set_str(mark, "name", name);
	/* As text: Envoy's Struct would make a double of every number. */
	text = json_canonical(form);
	json_set_str(mark, "form", text);
	free(text);
}

/*
 * The upstream hears who asks and not with which key.  Said at the filter and at
 * each route: of the two only the more specific one counts.
 */
static void
set_forwarding(struct json *o)
{
	struct json *f = json_obj(o, "forwarding");

	json_set_str(f, "header", ENVOY_CONSUMER);
	json_set_bool(f, "hide_credentials", true);
}

/* Who may pass here: the names of both lists, or nobody. */
static void
set_allowed(struct json *o, const struct json *form)
{
	struct json *per = json_set(json_obj(o, "typed_per_filter_config"),
	    FILTER, typed("extensions.filters.http.api_key_auth.v3."
	    "ApiKeyAuthPerRoute")), *list;
	const struct json *v;

	list = json_set(per, "allowed_clients", json_array());
	for (v = json_first(json_get(form, "allowed")); v != NULL;
	    v = json_next(v))
		json_push(list, json_copy(v));
	for (v = json_first(json_get(form, "foreign")); v != NULL;
	    v = json_next(v))
		json_push(list, json_copy(v));
	if (json_size(list) == 0)
		json_push_str(list, NOBODY);
	set_forwarding(per);
}

/* No key is asked for. */
static void
set_open(struct json *o)
{
	struct json *per = json_set(json_obj(o, "typed_per_filter_config"),
	    FILTER, typed("config.route.v3.FilterConfig"));

	json_set_bool(per, "disabled", true);
}

static struct json *
parse(const char *text)
{
	struct err e;

	return text == NULL ? NULL : json_parse(text, strlen(text), &e);
}

/* Digest of what a resource list says, as its version; taken over. */
static char *
response(struct json *resources)
{
	struct json *o = json_object();
	char *text = json_canonical(resources), hash[SHA256_HEX];

	sha256_hex(text, strlen(text), hash);
	hash[16] = '\0';
	free(text);
	json_set(o, "resources", resources);
	json_set_str(o, "version_info", hash);
	text = json_canonical(o);
	json_wipe(o);
	return text;
}

char *
envoy_version(const char *text)
{
	struct json *o = parse(text);
	char *version = xstrdup(json_str(o, "version_info"));

	json_free(o);
	return version;
}

/* --- keys ------------------------------------------------------------------- */

static void
add_key(struct json *list, const char *client, const char *key)
{
	struct json *c = json_push(list, json_object());

	json_set_str(c, "client", client);
	json_set_str(c, "key", key);
}

char *
envoy_keys(const struct envoy_model *m)
{
	struct json *resources = json_array(), *r, *f, *list;
	const struct json *c, *k;

	r = json_push(resources, typed("config.core.v3.TypedExtensionConfig"));
	json_set_str(r, "name", FILTER);
	f = json_set(r, "typed_config", typed("extensions.filters.http."
	    "api_key_auth.v3.ApiKeyAuth"));
	list = json_set(f, "credentials", json_array());
	add_key(list, ENVOY_PROBER, m->probe_key);
	for (c = json_first(m->consumers); c != NULL; c = json_next(c))
		for (k = json_first(c); k != NULL; k = json_next(k))
			add_key(list, json_key(c), json_value_str(k));
	list = json_set(f, "key_sources", json_array());
	json_set_str(json_push(list, json_object()), "header",
	    "Authorization");
	set_forwarding(f);
	return response(resources);
}

char *
envoy_key(const char *name, const char *key)
{
	struct json *resources = json_array(), *r, *secret;
	char *value = xasprintf("Bearer %s", key);

	r = json_push(resources, typed("extensions.transport_sockets.tls.v3."
	    "Secret"));
	json_set_str(r, "name", name);
	secret = json_obj(json_obj(r, "generic_secret"), "secret");
	json_set_str(secret, "inline_string", value);
	secret_free(value);
	return response(resources);
}

/* --- routes ----------------------------------------------------------------- */

/* What is tried again was surely not begun by the upstream. */
static struct json *
route_action(const char *cluster)
{
	struct json *a = json_object(), *retry;

	json_set_str(a, "cluster", cluster);
	json_set_str(a, "timeout", "0s");
	json_set_str(a, "idle_timeout", IDLE);
	retry = json_obj(a, "retry_policy");
	json_set_str(retry, "retry_on",
	    "connect-failure,refused-stream,reset-before-request");
	json_set_int(retry, "num_retries", 2);
	return a;
}

/* prefix and what is below it, to the same below the target's path. */
static struct json *
forward_route(const char *prefix, const char *cluster, const struct target *t)
{
	struct json *r = json_object(), *a, *rewrite;
	char *host = t->port == (t->tls ? 443 : 80) ?
	    xasprintf(strchr(t->host, ':') ? "[%s]" : "%s", t->host) :
	    xasprintf(strchr(t->host, ':') ? "[%s]:%d" : "%s:%d", t->host,
	    t->port);

	json_set_str(json_obj(r, "match"), "path_separated_prefix", prefix);
	a = json_set(r, "route", route_action(cluster));
	json_set_str(a, "host_rewrite_literal", host);
	free(host);
	if (t->path[0] != '\0') {
		json_set_str(a, "prefix_rewrite", t->path);
		return r;
	}
	/* A prefix of "/" would leave two slashes. */
	rewrite = json_obj(a, "regex_rewrite");
	json_set_strf(json_obj(rewrite, "pattern"), "regex", "^%s/?", prefix);
	json_set_str(rewrite, "substitution", "/");
	return r;
}

static struct json *
answer_route(const char *path, const char *body)
{
	struct json *r = json_object(), *d;

	json_set_strf(json_obj(r, "match"), "path", ENVOY_PROBE "%s", path);
	d = json_obj(r, "direct_response");
	json_set_int(d, "status", 200);
	json_set_str(json_obj(d, "body"), "inline_string", body);
	return r;
}

static void
allow_prober(struct json *r)
{
	struct json *form = json_object();

	json_push_str(json_set(form, "allowed", json_array()), ENVOY_PROBER);
	set_allowed(r, form);
	json_free(form);
}

/*
 * What probes ask, with the key that is only theirs: whether these keys are in
 * force, which version of the routes is, and whether a cluster is known (503
 * from one that leads nowhere, 404 when there is none).
 */
static void
add_probes(struct json *routes, const char *version)
{
	struct json *r, *a;

	r = json_push(routes, answer_route("keys", "ok"));
	allow_prober(r);
	r = json_push(routes, answer_route("routes", version));
	allow_prober(r);
	r = json_push(routes, json_object());
	json_set_str(json_obj(r, "match"), "path", ENVOY_PROBE "clusters");
	a = json_obj(r, "route");
	json_set_str(a, "cluster_header", "x-hiclaw-cluster");
	json_set_str(a, "cluster_not_found_response_code", "NOT_FOUND");
	allow_prober(r);
}

static void
add_model_routes(const struct envoy_model *m, struct json *routes)
{
	const struct json *form, *provider;
	struct target t;
	struct json *r;
	char *cluster;

	for (form = json_first(m->routes); form != NULL;
	    form = json_next(form)) {
		provider = json_get(m->providers, json_strd(form, "provider",
		    ""));
		if (target_read(json_str(provider, "url"), &t)) {
			cluster = xasprintf("provider-%s",
			    json_str(provider, "name"));
			r = json_push(routes, forward_route(json_strd(form,
			    "path", "/"), cluster, &t));
			set_mark(r, "route", json_key(form), form);
			set_allowed(r, form);
			free(cluster);
		}
		target_release(&t);
	}
}

/* The server itself, and the two names that clients put behind it. */
static void
add_mcp_routes(const struct envoy_model *m, struct json *routes)
{
	static const char *const ends[] = { "/mcp", "/sse", "" };
	const struct json *form;
	struct target t;
	struct json *r;
	char *prefix, *cluster;

	for (form = json_first(m->mcps); form != NULL; form = json_next(form)) {
		cluster = xasprintf("mcp-%s", json_key(form));
		for (size_t i = 0; i < NELEM(ends); i++) {
			prefix = xasprintf("%s%s", json_strd(form, "path", "/"),
			    ends[i]);
			if (target_read(json_str(form, "url"), &t)) {
				r = json_push(routes, forward_route(prefix,
				    cluster, &t));
				set_allowed(r, form);
				if (i + 1 == NELEM(ends))
					set_mark(r, "mcp", json_key(form),
					    form);
			}
			target_release(&t);
			free(prefix);
		}
		free(cluster);
	}
}

/* What agents need of the homeserver, never its administration; and of us, never
 * what the homeserver pushes.  Both look at tokens themselves. */
static void
add_own_routes(const struct envoy_settings *s, struct json *routes)
{
	static const struct { const char *prefix, *cluster; } rows[] = {
		{ "/_matrix/client/", "homeserver" },
		{ "/_matrix/media/", "homeserver" },
		{ "/api/v1/", "controller" },
	};
	const char *url;
	struct target t;
	struct json *r;

	for (size_t i = 0; i < NELEM(rows); i++) {
		url = strcmp(rows[i].cluster, "controller") == 0 ?
		    s->controller_url : s->homeserver_url;
		if (target_read(url, &t)) {
			r = json_push(routes, json_object());
			json_set_str(json_obj(r, "match"), "prefix",
			    rows[i].prefix);
			json_set(r, "route", route_action(rows[i].cluster));
			set_open(r);
		}
		target_release(&t);
	}
}

static void
add_exposed(const struct envoy_model *m, struct json *hosts)
{
	const struct json *form;
	struct json *h, *r;
	char *cluster;

	for (form = json_first(m->exposes); form != NULL;
	    form = json_next(form)) {
		cluster = xasprintf("expose-%s", json_key(form));
		h = json_push(hosts, json_object());
		json_set_str(h, "name", cluster);
		json_push_str(json_set(h, "domains", json_array()),
		    json_strd(form, "host", "invalid"));
		r = json_push(json_set(h, "routes", json_array()),
		    json_object());
		json_set_str(json_obj(r, "match"), "prefix", "/");
		json_set(r, "route", route_action(cluster));
		set_mark(r, "expose", json_key(form), form);
		if (json_bool(form, "open", false))
			set_open(r);
		else
			set_allowed(r, form);
		free(cluster);
	}
}

static struct json *
route_resources(const struct envoy_model *m, const struct envoy_settings *s,
    const char *version)
{
	struct json *resources = json_array(), *c, *hosts, *h, *routes;

	c = json_push(resources, typed("config.route.v3.RouteConfiguration"));
	json_set_str(c, "name", ROUTES);
	json_set_bool(c, "ignore_port_in_host_matching", true);
	hosts = json_set(c, "virtual_hosts", json_array());
	add_exposed(m, hosts);
	h = json_push(hosts, json_object());
	json_set_str(h, "name", ROUTES);
	json_push_str(json_set(h, "domains", json_array()), "*");
	routes = json_set(h, "routes", json_array());
	add_probes(routes, version);
	add_model_routes(m, routes);
	add_mcp_routes(m, routes);
	add_own_routes(s, routes);
	return resources;
}

/* The version is in what a probe is answered, so it is that of the rest. */
char *
envoy_routes(const struct envoy_model *m, const struct envoy_settings *s)
{
	struct json *rest = route_resources(m, s, "");
	char *text = json_canonical(rest), hash[SHA256_HEX];
	struct json *o = json_object();

	sha256_hex(text, strlen(text), hash);
	hash[16] = '\0';
	free(text);
	json_free(rest);
	json_set(o, "resources", route_resources(m, s, hash));
	json_set_str(o, "version_info", hash);
	text = json_canonical(o);
	json_free(o);
	return text;
}

/* --- clusters --------------------------------------------------------------- */

static void
set_endpoint(struct json *c, const char *host, int port)
{
	struct json *a, *e = json_obj(c, "load_assignment"), *lb;

	json_set_str(e, "cluster_name", json_str(c, "name"));
	e = json_push(json_set(e, "endpoints", json_array()), json_object());
	lb = json_push(json_set(e, "lb_endpoints", json_array()),
	    json_object());
	a = json_obj(json_obj(json_obj(lb, "endpoint"), "address"),
	    "socket_address");
	json_set_str(a, "address", host);
	json_set_int(a, "port_value", port);
}

/* The upstream is who its certificate says, by the system's authorities. */
static void
set_tls(struct json *c, const struct target *t, const char *ca_file)
{
	struct json *ts = json_obj(c, "transport_socket"), *u, *v, *san;

	json_set_str(ts, "name", "envoy.transport_sockets.tls");
	u = json_set(ts, "typed_config", typed("extensions.transport_sockets."
	    "tls.v3.UpstreamTlsContext"));
	if (!t->is_address)
		json_set_str(u, "sni", t->host);
	v = json_obj(json_obj(u, "common_tls_context"), "validation_context");
	json_set_str(json_obj(v, "trusted_ca"), "filename", ca_file);
	san = json_push(json_set(v, "match_typed_subject_alt_names",
	    json_array()), json_object());
	json_set_str(san, "san_type", t->is_address ? "IP_ADDRESS" : "DNS");
	json_set_str(json_obj(san, "matcher"), "exact", t->host);
}

/* The key is put in behind all routing: no filter, log or agent sees it. */
static void
add_injector(struct json *filters, const struct envoy_settings *s,
    const char *secret)
{
	struct json *f = json_push(filters, json_object()), *i, *c, *g, *sds;
	char *file = xasprintf("%s.json", secret);

	json_set_str(f, "name", "envoy.filters.http.credential_injector");
	i = json_set(f, "typed_config", typed("extensions.filters.http."
	    "credential_injector.v3.CredentialInjector"));
	json_set_bool(i, "overwrite", true);
	c = json_obj(i, "credential");
	json_set_str(c, "name", "envoy.http.injected_credentials.generic");
	g = json_set(c, "typed_config", typed("extensions.http."
	    "injected_credentials.generic.v3.Generic"));
	json_set_str(g, "header", "Authorization");
	sds = json_obj(g, "credential");
	json_set_str(sds, "name", secret);
	json_set(sds, "sds_config", watched(s, file));
	free(file);
}

static void
set_protocol(struct json *c, const struct envoy_settings *s, bool http2,
    const char *secret)
{
	struct json *p = json_set(json_obj(c,
	    "typed_extension_protocol_options"),
	    "envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
	    typed("extensions.upstreams.http.v3.HttpProtocolOptions")), *fs, *f;

	json_obj(json_obj(p, "explicit_http_config"), http2 ?
	    "http2_protocol_options" : "http_protocol_options");
	if (secret == NULL)
		return;
	fs = json_set(p, "http_filters", json_array());
	add_injector(fs, s, secret);
	f = json_push(fs, json_object());
	json_set_str(f, "name", "envoy.filters.http.upstream_codec");
	json_set(f, "typed_config", typed("extensions.filters.http."
	    "upstream_codec.v3.UpstreamCodec"));
}

static struct json *
cluster(const char *name, const struct target *t,
    const struct envoy_settings *s)
{
	struct json *c = typed("config.cluster.v3.Cluster");

	json_set_str(c, "name", name);
	json_set_str(c, "type", t->is_address ? "STATIC" : "STRICT_DNS");
	json_set_str(c, "connect_timeout", CONNECT);
	if (!t->is_address)
		json_set_str(c, "dns_lookup_family", "V4_PREFERRED");
	set_endpoint(c, t->host, t->port);
	if (t->tls)
		set_tls(c, t, s->ca_file);
	return c;
}

/* Of providers and MCP servers: {name, url, key_id?}. */
static void
add_upstreams(const struct json *forms, const char *kind,
    const struct envoy_settings *s, struct json *resources)
{
	const struct json *form;
	struct target t;
	struct json *c;
	char *name, *secret;

	for (form = json_first(forms); form != NULL; form = json_next(form)) {
		name = xasprintf("%s-%s", kind, json_key(form));
		secret = json_str(form, "key_id") == NULL ? NULL :
		    xasprintf("key-%s", name);
		if (target_read(json_str(form, "url"), &t)) {
			c = json_push(resources, cluster(name, &t, s));
			set_protocol(c, s, false, secret);
			/* An MCP server's form is with its route: here each
			 * change of its list would make the cluster anew. */
			if (strcmp(kind, "provider") == 0)
				set_mark(c, kind, json_key(form), form);
		}
		target_release(&t);
		free(name);
		free(secret);
	}
}

static void
add_ports(const struct json *forms, const struct envoy_settings *s,
    struct json *resources)
{
	const struct json *form;
	struct target t = { 0 };
	struct json *c;
	char *name;

	for (form = json_first(forms); form != NULL; form = json_next(form)) {
		name = xasprintf("expose-%s", json_key(form));
		t.host = xstrdup(json_strd(form, "target", "invalid"));
		t.port = (int)json_int(form, "port", 80);
		t.is_address = is_address(t.host);
		c = json_push(resources, cluster(name, &t, s));
		set_protocol(c, s, str_equal(json_str(form, "protocol"),
		    "grpc"), NULL);
		target_release(&t);
		free(name);
	}
}

char *
envoy_clusters(const struct envoy_model *m, const struct envoy_settings *s)
{
	struct json *resources = json_array(), *c, *o;
	char hash[SHA256_HEX], *text;
	struct target t;

	add_upstreams(m->providers, "provider", s, resources);
	add_upstreams(m->mcps, "mcp", s, resources);
	add_ports(m->exposes, s, resources);
	if (target_read(s->homeserver_url, &t))
		json_push(resources, cluster("homeserver", &t, s));
	target_release(&t);
	if (target_read(s->controller_url, &t))
		json_push(resources, cluster("controller", &t, s));
	target_release(&t);
	/* One that leads nowhere, named for the rest: what probes ask for. */
	text = json_canonical(resources);
	sha256_hex(text, strlen(text), hash);
	hash[16] = '\0';
	free(text);
	c = json_push(resources, typed("config.cluster.v3.Cluster"));
	json_set_strf(c, "name", "version-%s", hash);
	json_set_str(c, "type", "STATIC");
	o = json_object();
	json_set(o, "resources", resources);
	json_set_str(o, "version_info", hash);
	text = json_canonical(o);
	json_free(o);
	return text;
}

/* --- bootstrap -------------------------------------------------------------- */

static struct json *
http_filters(const struct envoy_settings *s)
{
	struct json *fs = json_array(), *f, *d;

	f = json_push(fs, json_object());
	json_set_str(f, "name", FILTER);
	d = json_obj(f, "config_discovery");
	json_set(d, "config_source", watched(s, ENVOY_KEYS));
	json_push_str(json_set(d, "type_urls", json_array()), TYPE
	    "extensions.filters.http.api_key_auth.v3.ApiKeyAuth");
	f = json_push(fs, json_object());
	json_set_str(f, "name", "envoy.filters.http.router");
	json_set(f, "typed_config", typed("extensions.filters.http.router.v3."
	    "Router"));
	return fs;
}

/* Before any filter: nobody names himself.  The filter only adds its header. */
static struct json *
no_forged_names(void)
{
	struct json *list = json_array(), *m = json_push(list, json_object());

	json_set_str(m, "name",
	    "envoy.http.early_header_mutation.header_mutation");
	m = json_set(m, "typed_config", typed("extensions.http."
	    "early_header_mutation.header_mutation.v3.HeaderMutation"));
	json_set_str(json_push(json_set(m, "mutations", json_array()),
	    json_object()), "remove", ENVOY_CONSUMER);
	return list;
}

static struct json *
connection_manager(const struct envoy_settings *s)
{
	struct json *h = typed("extensions.filters.network."
	    "http_connection_manager.v3.HttpConnectionManager"), *rds;

	json_set_str(h, "stat_prefix", "hiclaw");
	json_set_str(h, "server_name", "hiclaw");
	rds = json_obj(h, "rds");
	json_set_str(rds, "route_config_name", ROUTES);
	json_set(rds, "config_source", watched(s, ENVOY_ROUTES));
	json_set(h, "http_filters", http_filters(s));
	json_set(h, "early_header_mutation_extensions", no_forged_names());
	/* Hostile input: one reading of a path, caps on heads and silence. */
	json_set_bool(h, "normalize_path", true);
	json_set_bool(h, "merge_slashes", true);
	json_set_str(h, "path_with_escaped_slashes_action", "REJECT_REQUEST");
	json_set_bool(h, "use_remote_address", true);
	json_set_int(h, "max_request_headers_kb", 60);
	json_set_str(h, "request_headers_timeout", "30s");
	json_set_str(h, "stream_idle_timeout", IDLE);
	json_set_str(json_obj(h, "common_http_protocol_options"),
	    "idle_timeout", "3600s");
	return h;
}

static struct json *
listener(const struct envoy_settings *s, const char *where, size_t no)
{
	struct json *l = json_object(), *a, *f;
	const char *colon = strrchr(where, ':');
	size_t n = colon == NULL ? 0 : (size_t)(colon - where);
	char *host;

	if (n > 1 && where[0] == '[')
		host = xstrndup(where + 1, n - 2);
	else
		host = xstrndup(where, n);
	json_set_strf(l, "name", "hiclaw-%zu", no);
	a = json_obj(json_obj(l, "address"), "socket_address");
	json_set_str(a, "address", host);
	json_set_int(a, "port_value", colon == NULL ? 0 :
	    strtol(colon + 1, NULL, 10));
	json_set_int(l, "per_connection_buffer_limit_bytes", 1024 * 1024);
	/* The network of containers comes and goes with the first of them. */
	if (is_address(host) && !str_starts(host, "127.") &&
	    strcmp(host, "0.0.0.0") != 0)
		json_set_bool(l, "freebind", true);
	f = json_push(json_set(json_push(json_set(l, "filter_chains",
	    json_array()), json_object()), "filters", json_array()),
	    json_object());
	json_set_str(f, "name", "envoy.filters.network."
	    "http_connection_manager");
	json_set(f, "typed_config", connection_manager(s));
	free(host);
	return l;
}

/* No admin interface: it would show everything to whoever reaches it. */
char *
envoy_bootstrap(const struct envoy_settings *s)
{
	struct json *o = json_object(), *list, *layer;
	char *text;

	json_set_str(json_obj(o, "node"), "id", s->instance);
	json_set_str(json_obj(o, "node"), "cluster", "hiclaw");
	json_set(json_obj(o, "dynamic_resources"), "cds_config",
	    watched(s, ENVOY_CLUSTERS));
	list = json_set(json_obj(o, "static_resources"), "listeners",
	    json_array());
	for (size_t i = 0; s->listen != NULL && i < s->listen->n; i++)
		json_push(list, listener(s, s->listen->v[i], i));
	layer = json_push(json_set(json_obj(o, "layered_runtime"), "layers",
	    json_array()), json_object());
	json_set_str(layer, "name", "static");
	json_set_int(json_obj(layer, "static_layer"),
	    "overload.global_downstream_max_connections", 20000);
	text = json_pretty(o);
	json_free(o);
	return text;
}

/* --- comparing ---------------------------------------------------------------- */

static struct json *
sorted_names(const struct json *list)
{
	struct strv names = { 0 };
	struct json *out = json_array();
	const struct json *v;

	for (v = json_first(list); v != NULL; v = json_next(v))
		strv_add(&names, json_value_str(v) != NULL ?
		    json_value_str(v) : "?");
	strv_sort(&names);
	for (size_t i = 0; i < names.n; i++)
		json_push_str(out, names.v[i]);
	strv_release(&names);
	return out;
}

/* A copy without what does not count. */
static struct json *
normal(const struct json *v)
{
	static const char *const words[] = { "version_info", "form",
	    "inline_string", NULL };
	const struct json *m;
	const char *key;
	struct json *out;
	size_t i;

	if (json_is(v, JSON_STRING) && str_starts(json_value_str(v),
	    "version-"))
		return json_string("version");
	if (!json_is(v, JSON_OBJECT) && !json_is(v, JSON_ARRAY))
		return json_copy(v);
	out = json_is(v, JSON_OBJECT) ? json_object() : json_array();
	for (m = json_first(v); m != NULL; m = json_next(m)) {
		if ((key = json_key(m)) == NULL) {
			json_push(out, normal(m));
			continue;
		}
		for (i = 0; words[i] != NULL && strcmp(words[i], key) != 0;)
			i++;
		if (words[i] == NULL)
			json_set(out, key, strcmp(key, "allowed_clients") == 0 ?
			    sorted_names(m) : normal(m));
	}
	return out;
}

bool
envoy_same(const char *a, const char *b)
{
	struct json *ja, *jb, *na, *nb;
	bool same;

	if (a == NULL || b == NULL)
		return false;
	if (strcmp(a, b) == 0)
		return true;
	ja = parse(a);
	jb = parse(b);
	na = normal(ja);
	nb = normal(jb);
	same = ja != NULL && jb != NULL && json_equal(na, nb);
	json_free(ja);
	json_free(jb);
	json_free(na);
	json_free(nb);
	return same;
}

/* --- back -------------------------------------------------------------------- */

static void
take_keys(struct envoy_model *m, const struct json *file)
{
	const struct json *c = json_first(json_path(json_first(json_get(file,
	    "resources")), "typed_config.credentials"));
	const char *client, *key;
	struct json *keys;

	for (; c != NULL; c = json_next(c)) {
		client = json_str(c, "client");
		key = json_str(c, "key");
		if (client == NULL || key == NULL)
			continue;
		if (strcmp(client, ENVOY_PROBER) == 0) {
			secret_free(m->probe_key);
			m->probe_key = xstrdup(key);
			continue;
		}
		keys = json_get(m->consumers, client);
		if (keys == NULL)
			keys = json_set(m->consumers, client, json_array());
		json_push_str(keys, key);
	}
}

/* Ours: those of the form that are still there.  Foreign: all others. */
static void
take_allowed(struct json *form, const struct json *entry)
{
	const struct json *live = json_get(json_get(json_get(entry,
	    "typed_per_filter_config"), FILTER), "allowed_clients"), *v;
	struct json *was = json_copy(json_get(form, "allowed"));
	struct json *ours = json_array(), *foreign = json_array();

	for (v = json_first(live); v != NULL; v = json_next(v))
		if (!str_equal(json_value_str(v), NOBODY))
			json_push(json_has_str(was, json_value_str(v)) ? ours :
			    foreign, json_copy(v));
	/* An open one has no list; it keeps what it would be closed with. */
	if (live != NULL || json_get(form, "open") == NULL)
		json_set(form, "allowed", ours);
	else
		json_free(ours);
	if (json_size(foreign) > 0)
		json_set(form, "foreign", foreign);
	else {
		json_free(foreign);
		json_remove(form, "foreign");
	}
	json_free(was);
}

static void
take_marked(struct envoy_model *m, const struct json *entry)
{
	const struct json *mark = json_get(json_get(json_get(entry,
	    "metadata"), "filter_metadata"), MARK);
	const struct { const char *kind; struct json *forms; } kinds[] = {
		{ "provider", m->providers }, { "route", m->routes },
		{ "mcp", m->mcps }, { "expose", m->exposes },
	};
	const char *kind = json_str(mark, "kind"), *text = json_str(mark, "form");
	struct json *form;
	struct err e;

	if (kind == NULL || text == NULL || json_str(mark, "name") == NULL ||
	    (form = json_parse(text, strlen(text), &e)) == NULL)
		return;
	if (strcmp(kind, "provider") != 0)
		take_allowed(form, entry);
	for (size_t i = 0; i < NELEM(kinds); i++)
		if (strcmp(kinds[i].kind, kind) == 0) {
			json_set(kinds[i].forms, json_str(mark, "name"), form);
			return;
		}
	json_free(form);
}

/* Routes that let different people in are not one object: it goes anew. */
static void
take_routes(struct envoy_model *m, const struct json *file)
{
	const struct json *h = json_first(json_get(json_first(json_get(file,
	    "resources")), "virtual_hosts")), *r;

	for (; h != NULL; h = json_next(h))
		for (r = json_first(json_get(h, "routes")); r != NULL;
		    r = json_next(r))
			take_marked(m, r);
}

void
envoy_parse(struct envoy_model *m, const char *keys, const char *routes,
    const char *clusters)
{
	struct json *k = parse(keys), *r = parse(routes);
	struct json *c = parse(clusters);
	const struct json *v;

	envoy_model_init(m);
	take_keys(m, k);
	take_routes(m, r);
	for (v = json_first(json_get(c, "resources")); v != NULL;
	    v = json_next(v))
		if (str_equal(json_str(json_get(json_get(json_get(v,
		    "metadata"), "filter_metadata"), MARK), "kind"),
		    "provider"))
			take_marked(m, v);
	json_wipe(k);
	json_free(r);
	json_free(c);
}
