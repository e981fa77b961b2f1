/*
 * Homes of agents: which files an agent gets, and the trees, skills and packages
 * around them.  The table below is the whole list; the makers are in one file
 * per runtime and in markdown.c, mcporter.c and registries.c.
 *
 * Files wait for their tree and for the owners of secrets in them.  What an
 * agent may own itself (seeds, shared texts) waits for its package too, so that
 * the package's comes first.
 */
#include "files-int.h"

#include <stdlib.h>
#include <string.h>

#define MODE_FILE	"0600"
#define MODE_TREE	"0700"

/* Roles and secrets of a row. */
#define ROLE(r)		(1u << (r))
#define TO_MANAGER	ROLE(AGENT_MANAGER)
#define TO_LEADERS	(ROLE(AGENT_MANAGER) | ROLE(AGENT_LEADER))
#define TO_ALL		(~0u)
#define HAS_TOKEN	1u		/* of Matrix */
#define HAS_KEY		2u		/* of the gateway */

static const struct file_row {
	const char	*path;
	unsigned	 roles, runtimes;
	const char	*rule;
	bool		 yields;	/* the package's comes first */
	unsigned	 secrets;
	bool		(*make)(struct home *, struct made *);
} rows[] = {
	{ ".copaw/workspaces/default/agent.json", TO_ALL, RUNTIME_COPAW,
	    "copaw", true, 0, make_copaw_agent },
	{ ".hermes/.env", TO_ALL, RUNTIME_HERMES, "owned", false, HAS_TOKEN,
	    make_hermes_env },
	{ ".hermes/SOUL.md", TO_ALL, RUNTIME_HERMES, "owned", true, 0,
	    make_soul_copy },
	{ ".hermes/config.yaml", TO_ALL, RUNTIME_HERMES, "owned", false,
	    HAS_KEY, make_hermes_config },
	{ "AGENTS.md", TO_ALL, TO_ALL, "markers", true, 0, make_agents_md },
	{ "HEARTBEAT.md", TO_LEADERS, TO_ALL, "seed", true, 0,
	    make_heartbeat_md },
	{ "IDENTITY.md", TO_ALL, RUNTIME_OPENCLAW, "owned", false, 0,
	    make_identity_md },
	{ "SOUL.md", TO_ALL, TO_ALL, "owned", true, 0, make_soul_md },
	{ "TOOLS.md", TO_ALL, TO_ALL, "owned", false, 0, make_tools_md },
	{ "USER.md", TO_ALL, TO_ALL, "owned", false, 0, make_user_md },
	{ "config/mcporter.json", TO_ALL, TO_ALL, "mcporter", true, HAS_KEY,
	    make_mcporter },
	{ "humans-registry.json", TO_MANAGER, TO_ALL, "owned", false, 0,
	    make_humans_registry },
	{ "mcporter-servers.json", TO_ALL, TO_ALL, "mcporter", true, HAS_KEY,
	    make_mcporter },
	{ "openclaw.json", TO_ALL, TO_ALL, "openclaw", false,
	    HAS_TOKEN | HAS_KEY, make_openclaw },
	{ "runtime/runtime.yaml", TO_ALL, TO_ALL, "owned", false, 0,
	    make_runtime_yaml },
	{ "teams-registry.json", TO_MANAGER, TO_ALL, "owned", false, 0,
	    make_teams_registry },
	{ "workers-registry.json", TO_MANAGER, TO_ALL, "owned", false, 0,
	    make_workers_registry },
};

/* --- texts with references ------------------------------------------------- */

void
doc_puts(struct doc *d, const char *s)
{
	buf_puts(&d->run, s);
}

void
doc_printf(struct doc *d, const char *fmt, ...)
{
	va_list ap;
	char *s;

	va_start(ap, fmt);
	s = xvasprintf(fmt, ap);
	va_end(ap);
	buf_puts(&d->run, s);
	free(s);
}

/* From the first reference on the text is an array. */
static void
doc_flush(struct doc *d)
{
	if (d->parts.len == 0)
		buf_putc(&d->parts, '[');
	if (d->run.len > 0)
		jw_item(&d->parts, buf_str(&d->run));
	buf_reset(&d->run);
}

static void
doc_tree(struct doc *d, struct json *tree)
{
	char *text = json_canonical(tree);

	doc_flush(d);
	if (d->parts.data[d->parts.len - 1] != '[')
		buf_putc(&d->parts, ',');
	buf_puts(&d->parts, text);
	free(text);
	json_free(tree);
}

void
doc_ref(struct doc *d, const char *object, const char *field)
{
	doc_tree(d, json_ref(object, field));
}

void
doc_secret(struct doc *d, const char *object, const char *secret,
    const char *id_field)
{
	doc_tree(d, json_secret(object, secret, id_field));
}

char *
doc_done(struct doc *d)
{
	if (d->parts.len == 0)
		json_quote(&d->parts, buf_str(&d->run));
	else {
		doc_flush(d);
		buf_putc(&d->parts, ']');
	}
	buf_release(&d->run);
	return buf_take(&d->parts);
}

struct json *
json_ref(const char *object, const char *field)
{
	struct json *v = json_object();

	json_set_str(v, "$ref", object);
	json_set_str(v, "field", field);
	return v;
}

struct json *
json_secret(const char *object, const char *secret, const char *id_field)
{
	struct json *v = json_object();

	json_set_strf(v, "$secret", "%s/%s", object, secret);
	json_set(v, "id", json_ref(object, id_field));
	return v;
}

struct json *
json_gateway_key(const struct home *h)
{
	return json_secret(h->consumer, "key", "key_id");
}

struct json *
json_names(const struct strv *names)
{
	struct json *list = json_array();
	size_t i;

	for (i = 0; i < names->n; i++)
		json_push_str(list, names->v[i]);
	return list;
}

/* --- what is known of an agent ----------------------------------------------- */

const char *
agent_runtime(const struct world_config *cfg, const struct agent *a)
{
	const char *runtime = json_str(a->spec, "runtime");

	if (runtime == NULL && a->role == AGENT_LEADER)
		runtime = spec_str(a->resource->kind, a->resource->spec,
		    "leader.runtime");
	if (runtime == NULL)
		runtime = cfg->agents.runtime;
	return runtime == NULL ? "openclaw" : runtime;
}

const char *
home_heartbeat(const struct home *h)
{
	const struct json *beat = json_get(h->agent->spec, "heartbeat");

	switch (h->agent->role) {
	case AGENT_MANAGER:
		return spec_str(h->agent->resource->kind, h->agent->spec,
		    "config.heartbeatInterval");
	case AGENT_LEADER:
		return json_bool(beat, "enabled", true) ?
		    json_strd(beat, "every", "30m") : "";
	default:
		return NULL;
	}
}

const struct agent *
home_leader(const struct home *h)
{
	return h->team == NULL ? NULL : agents_find(&h->census->agents,
	    json_str(json_get(h->team->spec, "leader"), "name"));
}

static void
home_init(struct home *h, struct census *c, const struct map *shown,
    const struct agent *a)
{
	const struct world_config *cfg = c->cfg;
	const struct json *provider;
	char *path;

	*h = (struct home){ .census = c, .cfg = cfg, .shown = shown,
	    .agent = a };
	h->team = agent_team(a);
	h->team_name = h->team == NULL ? NULL : resource_runtime_name(h->team);
	h->runtime = agent_runtime(cfg, a);
	h->runtime_bit = strcmp(h->runtime, "copaw") == 0 ? RUNTIME_COPAW :
	    strcmp(h->runtime, "hermes") == 0 ? RUNTIME_HERMES :
	    RUNTIME_OPENCLAW;
	h->model = world_model(cfg, a);
	h->account = xasprintf("account:%s", a->runtime);
	h->shared = h->team == NULL ? xstrdup("shared/") :
	    xasprintf("teams/%s/shared/", h->team_name);
	h->own_room = a->role == AGENT_LEADER ?
	    xasprintf("room:leader/%s", h->team_name) :
	    xasprintf("room:%s/%s", a->role == AGENT_MANAGER ? "manager" :
	    "worker", a->runtime);
	census_allow(c, a, &h->allow);
	if (cfg->gateway.provider == NULL)
		return;
	h->consumer = xasprintf("consumer:%s", a->consumer);
	provider = world_provider(cfg, h->model);
	if (provider == NULL || cfg->gateway.agents_url == NULL)
		return;
	path = world_provider_path(cfg, provider);
	h->base_url = xasprintf("%s%s", cfg->gateway.agents_url, path);
	free(path);
}

static void
home_release(struct home *h)
{
	free(h->account);
	free(h->consumer);
	free(h->base_url);
	free(h->shared);
	free(h->own_room);
	allow_release(&h->allow);
}

/* --- skills ------------------------------------------------------------------ */

static const char *
own_set(const struct world_config *cfg, const struct agent *a)
{
	const char *runtime;

	if (a->role == AGENT_MANAGER || a->role == AGENT_LEADER)
		return agent_role_name(a->role);
	runtime = agent_runtime(cfg, a);
	return strcmp(runtime, "copaw") == 0 || strcmp(runtime, "hermes") == 0 ?
	    runtime : "worker";
}

/* A skill that is nowhere keeps a place: who ensures it says that it is missing,
 * as they would for one taken out of the templates. */
static void
add_skill(struct json *skills, const struct library *l, const char *set,
    const char *name)
{
	const char *digest = library_skill(l, set, name);
	struct json *v = json_object();

	json_set_str(v, "digest", digest == NULL ? "" : digest);
	json_set_str(v, "set", set);
	json_set(skills, name, v);
}

static void
add_remote(struct json *skills, const struct json *source)
{
	static const char *const of_source[] = { "authType", "source" };
	static const char *const of_skill[] = { "label", "name", "version" };
	const struct json *s;
	struct json *v;
	size_t i;

	for (s = json_first(json_get(source, "skills")); s != NULL;
	    s = json_next(s)) {
		if (json_str(s, "name") == NULL)
			continue;
		v = json_object();
		for (i = 0; i < NELEM(of_source); i++)
			json_set_str(v, of_source[i],
			    json_str(source, of_source[i]));
		for (i = 0; i < NELEM(of_skill); i++)
			json_set_str(v, of_skill[i], json_str(s, of_skill[i]));
		json_set(skills, json_str(s, "name"), v);
	}
}

struct json *
agent_skills(const struct world_config *cfg, const struct agent *a)
{
	const char *set = own_set(cfg, a), *name;
	const struct strv *builtin = library_skills(cfg->library, set);
	struct json *skills = json_object();
	const struct json *v;
	size_t i;

	for (i = 0; i < builtin->n; i++)
		add_skill(skills, cfg->library, set, builtin->v[i]);
	for (v = json_first(json_get(a->spec, "skills")); v != NULL;
	    v = json_next(v))
		if ((name = json_value_str(v)) != NULL &&
		    json_get(skills, name) == NULL)
			add_skill(skills, cfg->library, "extra", name);
	for (v = json_first(json_get(a->spec, "remoteSkills")); v != NULL;
	    v = json_next(v))
		add_remote(skills, v);
	return skills;
}

/* --- objects ------------------------------------------------------------------ */

struct filing {
	struct world	*w;
	struct home	 h;
	const char	*owner;
	char		*package;	/* its key, or NULL */
	struct strv	 keys;		/* of what the agent needs to start */
	struct strv	 restarts;	/* of those that it reads only then */
	struct buf	 b;
};

static void
add_tree(struct world *w, const char *path, const char *owner,
    const char *const *keep, bool forever, const char *bucket)
{
	struct json *form = json_object(), *list;
	struct object *o;

	if (forever)
		json_set_bool(form, "forever", true);
	list = json_set(form, "keep", json_array());
	for (; keep != NULL && *keep != NULL; keep++)
		json_push(list, json_stringf("%s/%s/.keep", path, *keep));
	json_set_str(form, "mode", MODE_TREE);
	json_set_str(form, "path", path);
	o = world_add(w, xasprintf("tree:%s", path), owner,
	    json_canonical(form));
	if (bucket != NULL)
		strv_add(&o->deps, bucket);
	json_free(form);
}

static void
add_file(struct filing *f, const struct file_row *row, struct made *m)
{
	const struct home *h = &f->h;
	char *path = xasprintf("agents/%s/%s", h->agent->runtime, row->path);
	char *json = m->json == NULL ? NULL : json_canonical(m->json);
	struct object *o;

	jw_open(&f->b);
	if (json != NULL)
		jw_raw(&f->b, "json", json);
	jw_str(&f->b, "mode", MODE_FILE);
	if (m->origin != NULL)
		jw_str(&f->b, "origin", m->origin);
	jw_str(&f->b, "path", path);
	if (m->restarts)
		jw_raw(&f->b, "restart", "true");
	jw_str(&f->b, "rule", m->rule);
	if (m->text != NULL)
		jw_raw(&f->b, "text", m->text);
	jw_close(&f->b);
	o = world_add(f->w, xasprintf("file:%s", path), f->owner,
	    jw_done(&f->b));
	strv_add(&f->keys, o->key);
	if (m->restarts)
		strv_add(&f->restarts, o->key);
	strv_addf(&o->deps, "tree:agents/%s", h->agent->runtime);
	if (f->package != NULL && row->yields)
		strv_add(&o->deps, f->package);
	if (row->secrets & HAS_TOKEN)
		strv_add(&o->deps, h->account);
	if ((row->secrets & HAS_KEY) && h->consumer != NULL)
		strv_add(&o->deps, h->consumer);
	free(path);
	free(json);
}

static void
add_files(struct filing *f)
{
	const struct home *h = &f->h;
	struct made m;
	size_t i;

	for (i = 0; i < NELEM(rows); i++) {
		if ((rows[i].roles & ROLE(h->agent->role)) == 0 ||
		    (rows[i].runtimes & h->runtime_bit) == 0)
			continue;
		m = (struct made){ .rule = rows[i].rule };
		if (rows[i].make(&f->h, &m))
			add_file(f, &rows[i], &m);
		free(m.text);
		json_free(m.json);
	}
}

static void
add_package(struct filing *f)
{
	const struct agent *a = f->h.agent;
	const char *uri = json_str(a->spec, "package");
	struct json *form;
	struct object *o;

	if (uri == NULL)
		return;
	f->package = xasprintf("package:%s", a->runtime);
	form = json_object();
	json_set_strf(form, "path", "agents/%s", a->runtime);
	json_set_str(form, "runtime", f->h.runtime);
	json_set_str(form, "uri", uri);
	o = world_add(f->w, xstrdup(f->package), f->owner,
	    json_canonical(form));
	strv_addf(&o->deps, "tree:agents/%s", a->runtime);
	json_free(form);
}

static void
add_skills(struct filing *f)
{
	const struct agent *a = f->h.agent;
	struct json *form = json_object();
	struct object *o;

	json_set_strf(form, "path", "agents/%s/skills", a->runtime);
	json_set(form, "skills", agent_skills(f->h.cfg, a));
	o = world_add(f->w, xasprintf("skills:%s", a->runtime), f->owner,
	    json_canonical(form));
	strv_addf(&o->deps, "tree:agents/%s", a->runtime);
	json_free(form);
}

static void
make_home(struct filing *f, const char *bucket)
{
	char *path = xasprintf("agents/%s", f->h.agent->runtime);

	add_tree(f->w, path, f->owner, NULL, false, bucket);
	strv_addf(&f->keys, "tree:%s", path);
	add_package(f);
	add_skills(f);
	add_files(f);
	container_add(f->w, &f->h, f->owner, &f->keys, &f->restarts);
	strv_release(&f->keys);
	strv_release(&f->restarts);
	buf_release(&f->b);
	free(f->package);
	free(path);
}

static void
add_home(struct world *w, struct census *c, const struct map *shown,
    const struct agent *a, const char *bucket, struct world_memo *memo)
{
	char *owner = owner_of(a->resource), *print = NULL;
	struct filing f = { .w = w, .owner = owner };
	struct part *part = NULL;
	size_t from = world_n(w);

	home_init(&f.h, c, shown, a);
	if (memo != NULL && a->role != AGENT_MANAGER) {
		print = memo_print(&f.h);
		part = memo_find(memo, a, print);
	}
	if (part != NULL)
		world_take(w, part);
	else
		make_home(&f, bucket);
	if (part == NULL && print != NULL)
		memo_keep(memo, a, print, world_share(w, from));
	home_release(&f.h);
	free(print);
	free(owner);
}

static void
add_shared(struct world *w, const struct census *c, const char *bucket)
{
	static const char *const of_house[] = { "builtins", "knowledge",
	    "projects", "tasks", NULL };
	static const char *const of_team[] = { "shared/knowledge",
	    "shared/projects", "shared/tasks", NULL };
	const struct kind *team = kind_find("team");
	const struct resource *r;
	char *path, *owner;
	size_t i;

	add_tree(w, "shared", "", of_house, true, bucket);
	for (i = 0; i < resources_n(c->resources); i++) {
		r = resources_at(c->resources, i);
		if (r->kind != team)
			continue;
		path = xasprintf("teams/%s", resource_runtime_name(r));
		owner = owner_of(r);
		add_tree(w, path, owner, of_team, false, bucket);
		free(path);
		free(owner);
	}
}

/* Who is called what.  Of two Humans with one account the first counts. */
static struct map *
shown_names(const struct census *c)
{
	const struct kind *human = kind_find("human");
	struct map *m = map_new(free);
	const struct resource *r;
	const struct person *p;
	size_t i;

	for (i = 0; i < resources_n(c->resources); i++) {
		r = resources_at(c->resources, i);
		if (r->kind == human &&
		    (p = map_find(c->by_human, r->name)) != NULL &&
		    map_find(m, p->user) == NULL)
			map_set(m, p->user, xstrdup(json_strd(r->spec,
			    "displayName", r->name)));
	}
	return m;
}

void
files_add(struct world *w, struct census *c, struct world_memo *memo)
{
	char *bucket = world_bucket(c->cfg);
	struct map *shown = shown_names(c);
	size_t i;

	add_shared(w, c, bucket);
	for (i = 0; i < c->agents.n; i++)
		add_home(w, c, shown, &c->agents.v[i], bucket, memo);
	map_free(shown);
	free(bucket);
}
