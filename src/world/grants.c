/*
 * Grants at the gateway: the key of each agent, and the model routes, MCP servers
 * and exposed ports that let it in.
 *
 * An allow list is one object for all agents, so all agents are asked first and
 * then each list is written once.  Nothing is granted that no rule here gives.
 */
#include "world-int.h"

#include <stdlib.h>
#include <string.h>

/* --- models and their routes ----------------------------------------------- */

bool
world_fits(const char *pattern, const char *model)
{
	const char *star = NULL, *back = NULL;

	/* The usual walk: at a mismatch the last star takes one more. */
	while (*model != '\0') {
		if (*pattern == '*') {
			star = ++pattern;
			back = model;
		} else if (*pattern == *model) {
			pattern++;
			model++;
		} else if (star != NULL) {
			pattern = star;
			model = ++back;
		} else
			return false;
	}
	return pattern[strspn(pattern, "*")] == '\0';
}

const char *
world_model(const struct world_config *cfg, const struct agent *a)
{
	static const char prefix[] = "hiclaw-gateway/";
	const char *model = json_strd(a->spec, "model",
	    cfg->agents.model != NULL ? cfg->agents.model : "");

	return str_starts(model, prefix) ? model + strlen(prefix) : model;
}

const struct json *
world_provider(const struct world_config *cfg, const char *model)
{
	const struct json *p, *v, *all = cfg->gateway.providers;

	for (p = json_first(all); p != NULL; p = json_next(p))
		for (v = json_first(json_get(p, "models")); v != NULL;
		    v = json_next(v))
			if (json_value_str(v) != NULL &&
			    world_fits(json_value_str(v), model))
				return p;
	return json_first(all);
}

char *
world_provider_name(const struct world_config *cfg, const struct agent *a)
{
	return xstrdup(json_str(world_provider(cfg, world_model(cfg, a)),
	    "name"));
}

char *
world_provider_path(const struct world_config *cfg, const struct json *p)
{
	if (p == json_first(cfg->gateway.providers))
		return xstrdup("/v1");
	return xasprintf("/providers/%s/v1", json_strd(p, "name", ""));
}

/* --- who may what ----------------------------------------------------------- */

/* Consumers by what they may use; each list sorted once it is written. */
struct granting {
	const struct census *c;
	struct world	*w;
	struct map	*routes, *mcps;	/* name -> struct strv of consumers */
	struct buf	 b;
};

static void
free_list(void *arg)
{
	strv_release(arg);
	free(arg);
}

static const struct json *
find_named(const struct json *list, const char *name)
{
	const struct json *v;

	for (v = json_first(list); v != NULL; v = json_next(v))
		if (str_equal(json_str(v, "name"), name))
			return v;
	return NULL;
}

/* Lists exist for what the settings name; anything else gives nothing. */
static void
allow(struct map *lists, const struct json *known, const char *name,
    const struct agent *a)
{
	struct strv *l;

	if (name == NULL || find_named(known, name) == NULL)
		return;
	if ((l = map_find(lists, name)) == NULL) {
		l = xcalloc(1, sizeof(*l));
		map_set(lists, name, l);
	}
	/* An agent is asked about in one go: a repetition is the last one. */
	if (l->n == 0 || strcmp(l->v[l->n - 1], a->consumer) != 0)
		strv_add(l, a->consumer);
}

static void
allow_all(struct map *lists, const struct json *known,
    const struct json *names, const struct agent *a)
{
	const struct json *v;

	for (v = json_first(names); v != NULL; v = json_next(v))
		allow(lists, known, json_value_str(v), a);
}

char *
world_mcp_name(const struct world_config *cfg, const char *url)
{
	const char *base = cfg->gateway.agents_url, *p;

	if (cfg->gateway.provider == NULL || base == NULL || url == NULL ||
	    !str_starts(url, base))
		return NULL;
	p = url + strlen(base);
	if (!str_starts(p, "/mcp-servers/"))
		return NULL;
	p += strlen("/mcp-servers/");
	return xstrndup(p, strcspn(p, "/?#"));
}

static void
grant_agent(struct granting *g, const struct agent *a)
{
	const struct world_config *cfg = g->c->cfg;
	const struct json *v, *scope;
	char *mcp;

	allow(g->routes, cfg->gateway.providers, json_str(world_provider(cfg,
	    world_model(cfg, a)), "name"), a);
	for (v = json_first(json_get(a->spec, "accessEntries")); v != NULL;
	    v = json_next(v)) {
		if (!str_equal(json_str(v, "service"), "ai-gateway"))
			continue;
		scope = json_get(v, "scope");
		allow_all(g->routes, cfg->gateway.providers,
		    json_get(scope, "providers"), a);
		allow_all(g->mcps, cfg->gateway.mcp_servers,
		    json_get(scope, "mcpServers"), a);
	}
	for (v = json_first(json_get(a->spec, "mcpServers")); v != NULL;
	    v = json_next(v)) {
		mcp = world_mcp_name(cfg, json_str(v, "url"));
		allow(g->mcps, cfg->gateway.mcp_servers, mcp, a);
		free(mcp);
	}
}

/* --- the gateway's objects --------------------------------------------------- */

static void
add_consumer(struct granting *g, const struct agent *a)
{
	char *key = xasprintf("consumer:%s", a->consumer);
	char *owner = owner_of(a->resource);
	const struct json *r = json_get(g->c->cfg->gateway.rotations, key);

	jw_open(&g->b);
	jw_str(&g->b, "name", a->consumer);
	jw_bool(&g->b, "overlap", json_bool(r, "overlap", false));
	jw_int(&g->b, "serial", json_int(r, "serial", 1));
	jw_close(&g->b);
	world_add(g->w, key, owner, jw_done(&g->b));
	free(owner);
}

static void
add_provider(struct granting *g, const struct json *p)
{
	const char *name = json_strd(p, "name", "");
	const struct json *models = json_get(p, "models");
	char *path = world_provider_path(g->c->cfg, p), *list;
	struct object *o;

	list = models != NULL ? json_canonical(models) : NULL;
	jw_open(&g->b);
	if (json_str(p, "key_id") != NULL)
		jw_str(&g->b, "key_id", json_str(p, "key_id"));
	if (list != NULL)
		jw_raw(&g->b, "models", list);
	jw_str(&g->b, "name", name);
	jw_str(&g->b, "url", json_strd(p, "url", ""));
	jw_close(&g->b);
	world_add(g->w, xasprintf("provider:%s", name), "", jw_done(&g->b));

	jw_open(&g->b);
	jw_names(&g->b, "allowed", map_find(g->routes, name));
	if (list != NULL)
		jw_raw(&g->b, "models", list);
	jw_str(&g->b, "name", name);
	jw_str(&g->b, "path", path);
	jw_str(&g->b, "provider", name);
	jw_close(&g->b);
	o = world_add(g->w, xasprintf("route:%s", name), "", jw_done(&g->b));
	strv_addf(&o->deps, "provider:%s", name);
	free(list);
	free(path);
}

static void
add_mcp(struct granting *g, const struct json *m)
{
	const char *name = json_strd(m, "name", "");
	char *path = xasprintf("/mcp-servers/%s", name);

	jw_open(&g->b);
	jw_names(&g->b, "allowed", map_find(g->mcps, name));
	if (json_str(m, "key_id") != NULL)
		jw_str(&g->b, "key_id", json_str(m, "key_id"));
	jw_str(&g->b, "name", name);
	jw_str(&g->b, "path", path);
	jw_str(&g->b, "transport", json_strd(m, "transport", "http"));
	jw_str(&g->b, "url", json_strd(m, "url", ""));
	jw_close(&g->b);
	world_add(g->w, xasprintf("mcp:%s", name), "", jw_done(&g->b));
	free(path);
}

/* Who may call an exposed port: the manager, and the agent's team. */
static void
callers(const struct census *c, const struct agent *a, struct strv *out)
{
	const struct resource *team = agent_team(a);
	size_t i;

	strv_add(out, a->consumer);
	if (c->manager != NULL)
		strv_add(out, c->manager->consumer);
	for (i = 0; team != NULL && i < c->agents.n; i++)
		if (agent_team(&c->agents.v[i]) == team)
			strv_add_unique(out, c->agents.v[i].consumer);
}

/*
 * Where the port is: a name in the containers' network for a gateway that is in
 * it, the container's address for one that is outside.
 */
static void
put_target(struct buf *b, const struct world_config *cfg,
    const struct agent *a)
{
	char *name;

	if (cfg->containers.provider != NULL && !agent_is_remote(a) &&
	    strcmp(cfg->gateway.provider, "envoy") == 0) {
		name = xasprintf("container:%s", a->name);
		jw_ref(b, "target", name, "ip");
	} else {
		name = xasprintf("%s.local", a->runtime);
		jw_str(b, "target", name);
	}
	free(name);
}

static void
add_expose(struct granting *g, const struct agent *a, const struct json *e)
{
	const struct world_config *cfg = g->c->cfg;
	long long port = json_int(e, "port", 0);
	char *owner = owner_of(a->resource), *host;
	struct strv allowed = { 0 };

	host = xasprintf("worker-%s-%lld-%s", a->runtime, port,
	    cfg->gateway.expose_domain != NULL ? cfg->gateway.expose_domain :
	    "local.hiclaw.io");
	callers(g->c, a, &allowed);
	jw_open(&g->b);
	jw_str(&g->b, "agent", a->runtime);
	jw_names(&g->b, "allowed", &allowed);
	jw_str(&g->b, "host", host);
	jw_bool(&g->b, "open", cfg->gateway.expose_open);
	jw_int(&g->b, "port", port);
	jw_str(&g->b, "protocol", json_strd(e, "protocol", "http"));
	put_target(&g->b, cfg, a);
	jw_close(&g->b);
	world_add(g->w, xasprintf("expose:%s-%lld", a->runtime, port), owner,
	    jw_done(&g->b));
	strv_release(&allowed);
	free(owner);
	free(host);
}

void
grants_add(struct world *w, const struct census *c)
{
	struct granting g = { .c = c, .w = w };
	const struct json *v;
	size_t i;

	g.routes = map_new(free_list);
	g.mcps = map_new(free_list);
	for (i = 0; i < c->agents.n; i++) {
		grant_agent(&g, &c->agents.v[i]);
		add_consumer(&g, &c->agents.v[i]);
		for (v = json_first(json_get(c->agents.v[i].spec, "expose"));
		    v != NULL; v = json_next(v))
			add_expose(&g, &c->agents.v[i], v);
	}
	for (v = json_first(c->cfg->gateway.providers); v != NULL;
	    v = json_next(v))
		add_provider(&g, v);
	for (v = json_first(c->cfg->gateway.mcp_servers); v != NULL;
	    v = json_next(v))
		add_mcp(&g, v);
	map_free(g.routes);
	map_free(g.mcps);
	buf_release(&g.b);
}
