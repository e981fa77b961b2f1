/*
 * Containers: what runs an agent.  Which variables, mounts and limits one gets,
 * and which of its files it waits for.
 *
 * The image of a runtime finds its home under HOME.  Where the storage is a
 * directory the home is that directory; elsewhere it is a volume that the image
 * fills from the storage itself, for which it needs credentials in its
 * environment.  The token for our own API is a file (see struct object_secret),
 * never a variable.
 *
 * Files that a runtime reads only when it starts are named in "config" by their
 * digests: a new one starts the container anew, all others change under it.
 *
 * An agent that somebody else runs gets the same environment, but for what only
 * its machine knows: where its home and its token lie.
 */
#include "files-int.h"

#include <stdlib.h>
#include <string.h>

#define HOME_ROOT	"/root/hiclaw-fs"
#define MANAGER_HOME	"/root/manager-workspace"
#define TOKEN_DIR	"/var/run/secrets/hiclaw"
#define CONSOLE_PORT	"8088"
#define MIB		(1024LL * 1024)

struct making {
	struct world	*w;
	const struct home *h;
	const struct world_containers *cfg;
	const char	*owner;
	char		*home;		/* inside */
	struct json	*form;
	struct strv	 deps;
	bool		 is_manager, is_remote;
};

/* --- environment ------------------------------------------------------------ */

static void
env(struct making *m, const char *name, const char *value)
{
	struct json *all = json_obj(m->form, "env");

	if (value != NULL && json_get(all, name) == NULL)
		json_set_str(all, name, value);
}

static void
env_secret(struct making *m, const char *name, const char *object,
    const char *secret, const char *id_field)
{
	json_set(json_obj(m->form, "env"), name,
	    json_secret(object, secret, id_field));
}

/* A reference to a secret that somebody pasted: ops/sealed.c.  Another secret
 * has another name, so there is no id to wait for. */
static bool
env_sealed(struct making *m, const char *name, const char *value)
{
	static const char mark[] = "$sealed.";
	struct json *all = json_obj(m->form, "env"), *v;
	size_t n;

	if (value == NULL || !str_starts(value, mark))
		return false;
	value += sizeof mark - 1;
	n = strspn(value, "0123456789abcdef");
	if (n != 24)
		return false;
	if (json_get(all, name) == NULL) {
		v = json_set(all, name, json_object());
		json_set_strf(v, "$secret", "sealed/%.*s", (int)n, value);
	}
	return true;
}

/* Does it find its home ready made? */
static bool
has_home(const struct making *m)
{
	if (m->is_remote)
		return strcmp(m->h->cfg->storage.provider, "directory") == 0;
	return m->cfg->homes != NULL;
}

/* What an agent needs that fills its home from the storage. */
static void
env_storage(struct making *m)
{
	const struct world_storage *s = &m->h->cfg->storage;
	const struct agent *a = m->h->agent;
	char *user, *name, *prefix;

	if (has_home(m))
		return;
	user = xasprintf("user:%s", a->runtime);
	if (m->h->consumer != NULL)
		env_secret(m, m->is_manager ? "HICLAW_MANAGER_GATEWAY_KEY" :
		    "HICLAW_WORKER_GATEWAY_KEY", m->h->consumer, "key",
		    "key_id");
	if (!m->is_manager)
		env_secret(m, "HICLAW_WORKER_MATRIX_TOKEN", m->h->account,
		    "token", "token_id");
	env(m, "HICLAW_FS_ENDPOINT", s->agents_url);
	env(m, "HICLAW_FS_BUCKET", s->bucket);
	prefix = xasprintf("hiclaw/%s", s->bucket);
	env(m, "HICLAW_STORAGE_PREFIX", prefix);
	free(prefix);
	if (strcmp(s->provider, "minio") == 0) {
		name = world_storage_user(a);
		env(m, "HICLAW_FS_ACCESS_KEY", name);
		env_secret(m, "HICLAW_FS_SECRET_KEY", user, "secret",
		    "secret_id");
		strv_add(&m->deps, user);
		free(name);
	}
	free(user);
}

static void
env_manager(struct making *m)
{
	const struct agent *a = m->h->agent;
	const struct people *admins = &m->h->census->admins;

	env(m, "HICLAW_MANAGER_NAME", a->name);
	env(m, "HICLAW_MANAGER_RUNTIME", m->h->runtime);
	/* What the original's entry point is used to, on any engine. */
	env(m, "HICLAW_RUNTIME", "k8s");
	env(m, "HICLAW_DEFAULT_MODEL", m->h->cfg->agents.model);
	if (admins->n > 0)
		env(m, "HICLAW_ADMIN_USER", admins->v[0]->user);
	env(m, "OPENCLAW_MDNS_HOSTNAME", "hiclaw-manager");
}

static void
env_worker(struct making *m)
{
	const struct agent *a = m->h->agent;
	char *host = xasprintf("hiclaw-w-%s", a->runtime);

	env(m, "HICLAW_WORKER_NAME", a->runtime);
	env(m, "HICLAW_WORKER_CR_NAME", a->name);
	env(m, "HICLAW_CONSOLE_PORT", CONSOLE_PORT);
	env(m, "OPENCLAW_MDNS_HOSTNAME", host);
	free(host);
}

static void
add_env(struct making *m)
{
	const struct world_config *cfg = m->h->cfg;
	const struct json *v;

	if (!m->is_remote)
		env(m, "HOME", m->home);
	env(m, "HICLAW_MATRIX_URL", cfg->agents.homeserver_url);
	env(m, "HICLAW_MATRIX_DOMAIN", cfg->domain);
	if (cfg->gateway.provider != NULL)
		env(m, "HICLAW_AI_GATEWAY_URL", cfg->gateway.agents_url);
	if (cfg->agents.controller_url != NULL) {
		env(m, "HICLAW_CONTROLLER_URL", cfg->agents.controller_url);
		if (!m->is_remote)
			env(m, "HICLAW_AUTH_TOKEN_FILE", TOKEN_DIR "/token");
	}
	env(m, "OPENCLAW_DISABLE_BONJOUR", "1");
	if (m->is_manager)
		env_manager(m);
	else
		env_worker(m);
	env_storage(m);
	/* The system's own win. */
	for (v = json_first(json_get(m->h->agent->spec, "env")); v != NULL;
	    v = json_next(v))
		if (!env_sealed(m, json_key(v), json_value_str(v)))
			env(m, json_key(v), json_value_str(v));
}

/* --- mounts ------------------------------------------------------------------ */

static void
mount(struct making *m, const char *type, const char *source,
    const char *target, bool read_only)
{
	struct json *list = json_get(m->form, "mounts");
	struct json *v;

	if (list == NULL)
		list = json_set(m->form, "mounts", json_array());
	v = json_push(list, json_object());
	json_set_str(v, "type", type);
	json_set_str(v, "source", source);
	json_set_str(v, "target", target);
	json_set_bool(v, "read_only", read_only);
}

/* A tree of the storage, at its place below the root of the agents' files. */
static void
mount_tree(struct making *m, const char *path, bool read_only)
{
	char *source = xasprintf("%s/%s", m->cfg->homes, path);
	char *target = xasprintf(HOME_ROOT "/%s", path);

	mount(m, "bind", source, target, read_only);
	free(source);
	free(target);
}

/* Its home, what all share, and its team's: as a policy says it elsewhere. */
static void
add_mounts(struct making *m)
{
	const struct agent *a = m->h->agent;
	char *path;

	if (m->cfg->homes == NULL) {
		path = xasprintf("%s-%s", m->h->cfg->instance, a->name);
		mount(m, "volume", path, m->home, false);
		free(path);
		strv_addf(&m->deps, "volume:%s", a->name);
		return;
	}
	path = xasprintf("%s/agents/%s", m->cfg->homes, a->runtime);
	mount(m, "bind", path, m->home, false);
	free(path);
	strv_add(&m->deps, "tree:shared");
	mount_tree(m, "shared", !m->is_manager);
	/* Also the Manager's: what is a mount cannot become a link to somewhere
	 * else, which the next worker's mount would follow. */
	mount_tree(m, "shared/projects", false);
	mount_tree(m, "shared/tasks", false);
	if (m->h->team_name == NULL)
		return;
	strv_addf(&m->deps, "tree:teams/%s", m->h->team_name);
	path = xasprintf("teams/%s/shared", m->h->team_name);
	mount_tree(m, path, false);
	free(path);
}

/* --- image, network, limits ---------------------------------------------------- */

static const char *
image_of(const struct making *m)
{
	const struct agent *a = m->h->agent;
	const char *own = json_str(a->spec, "image");

	if (own != NULL)
		return own;
	/* A worker's image is none for a Manager. */
	return json_str(m->cfg->images, m->is_manager ? "manager" :
	    m->h->runtime);
}

static void
add_image(struct making *m)
{
	const char *image = image_of(m);
	char *key;

	/* Nothing to run is said by who makes the container. */
	json_set_str(m->form, "image", image == NULL ? "" : image);
	json_set_str(m->form, "pull", m->cfg->pull);
	if (image == NULL)
		return;
	key = xasprintf("image:%s", image);
	json_set(m->form, "image_id", json_ref(key, "id"));
	strv_add(&m->deps, key);
	free(key);
}

static void
add_network(struct making *m)
{
	struct json *net = json_obj(m->form, "network"), *names;

	json_set_str(net, "name", m->cfg->network);
	if (strcmp(m->cfg->network, "host") == 0)
		return;
	strv_add(&m->deps, "network:agents");
	names = json_set(net, "aliases", json_array());
	json_push_str(names, m->h->agent->name);
	json_push(names, json_stringf("%s.local", m->h->agent->runtime));
	json_set(json_obj(m->form, "hosts"), "hiclaw.internal",
	    json_ref("network:agents", "gateway"));
}

/* "500m" -> 500, "2" -> 2000; of the form that the field's pattern allows. */
static int64_t
thousandths(const char *text)
{
	char *end;
	double n = strtod(text, &end);

	return (int64_t)(*end == 'm' ? n : n * 1000);
}

static int64_t
bytes_of(const char *text)
{
	char *end;
	int64_t n = strtoll(text, &end, 10);

	switch (*end) {
	case 'K': return n * 1024;
	case 'M': return n * MIB;
	case 'G': return n * 1024 * MIB;
	default: return n;
	}
}

static void
add_limits(struct making *m)
{
	const struct json *own = json_get(m->h->agent->spec, "resources");
	struct json *l = json_obj(m->form, "limits");
	const char *memory = json_str(own, "memory");
	const char *cpu = json_str(own, "cpu");

	json_set_int(l, "memory", memory != NULL ? bytes_of(memory) :
	    m->cfg->memory);
	json_set_int(l, "cpus", cpu != NULL ? thousandths(cpu) : m->cfg->cpus);
	json_set_int(l, "pids", json_int(own, "pids", m->cfg->pids));
}

static void
add_ports(struct making *m)
{
	struct json *list = json_set(m->form, "ports", json_array());
	const struct json *v;

	for (v = json_first(json_get(m->h->agent->spec, "expose")); v != NULL;
	    v = json_next(v))
		json_push(list, json_number((double)json_int(v, "port", 0)));
}

static void
add_labels(struct making *m)
{
	const struct agent *a = m->h->agent;
	struct json *l = json_obj(m->form, "labels");
	const struct json *v;

	for (v = json_first(json_get(a->spec, "labels")); v != NULL;
	    v = json_next(v))
		if (!str_starts(json_key(v), "hiclaw.io/"))
			json_set_str(l, json_key(v), json_value_str(v));
	json_set_str(l, "hiclaw.io/instance", m->h->cfg->instance);
	json_set_str(l, "hiclaw.io/kind", a->resource->kind->name);
	json_set_str(l, "hiclaw.io/name", a->name);
	json_set_str(l, "hiclaw.io/role", agent_role_name(a->role));
	json_set_str(l, "hiclaw.io/runtime", m->h->runtime);
	if (m->h->team != NULL)
		json_set_str(l, "hiclaw.io/team", m->h->team->name);
}

/* --- the agent's container ------------------------------------------------------ */

enum agent_state
agent_state(const struct agent *a)
{
	const char *state = json_strd(a->spec, "state", "Running");

	return strcmp(state, "Sleeping") == 0 ? AGENT_SLEEPING :
	    strcmp(state, "Stopped") == 0 ? AGENT_STOPPED : AGENT_RUNNING;
}

bool
agent_is_remote(const struct agent *a)
{
	return !json_bool(a->spec, "containerManaged", true);
}

/* What may change under it, and what does not make another container of it. */
static void
add_state(struct making *m, const struct strv *restarts)
{
	const struct agent *a = m->h->agent;
	struct json *list = json_set(m->form, "config", json_array());
	char *key = xasprintf("container:%s", a->name);

	for (size_t i = 0; i < restarts->n; i++)
		json_push(list, json_ref(restarts->v[i], "source"));
	json_set_str(m->form, "state", agent_state(a) == AGENT_RUNNING ?
	    "running" : "stopped");
	json_set_int(m->form, "restart", json_int(m->cfg->restarts, key, 0));
	json_set_int(m->form, "period", m->cfg->token_period);
	json_set_int(m->form, "stop_s", m->cfg->stop_s);
	free(key);
}

static void
add_form(struct making *m, const struct strv *restarts)
{
	const struct agent *a = m->h->agent;

	json_set_strf(m->form, "name", "%s-%s", m->h->cfg->instance, a->name);
	add_labels(m);
	add_image(m);
	add_env(m);
	json_set_str(m->form, "workdir", m->home);
	json_set_str(m->form, "user", m->cfg->user);
	json_set_bool(m->form, "read_only", m->cfg->read_only);
	add_mounts(m);
	add_network(m);
	add_limits(m);
	add_ports(m);
	json_set_str(m->form, "token_dir", TOKEN_DIR);
	add_state(m, restarts);
}

static void
add_container(struct making *m, const struct strv *files,
    const struct strv *restarts)
{
	const struct agent *a = m->h->agent;
	struct object *o;

	m->form = json_object();
	m->home = m->is_manager ? xstrdup(MANAGER_HOME) :
	    xasprintf(HOME_ROOT "/agents/%s", a->runtime);
	add_form(m, restarts);
	o = world_add(m->w, xasprintf("container:%s", a->name), m->owner,
	    json_canonical(m->form));
	strv_addf(&o->deps, "account:%s", a->runtime);
	if (m->h->consumer != NULL)
		strv_add(&o->deps, m->h->consumer);
	for (size_t i = 0; i < files->n; i++)
		strv_add(&o->deps, files->v[i]);
	for (size_t i = 0; i < m->deps.n; i++)
		strv_add(&o->deps, m->deps.v[i]);
	json_free(m->form);
	strv_release(&m->deps);
	free(m->home);
}

static void
add_remote(struct making *m, const struct strv *files)
{
	const struct agent *a = m->h->agent;
	char *key = xasprintf("remote:%s", a->name);
	int64_t restart = json_int(m->cfg->restarts, key, 0);
	struct object *o;

	m->form = json_object();
	json_set_str(m->form, "agent", a->runtime);
	add_env(m);
	if (agent_state(a) != AGENT_RUNNING)
		json_set_str(m->form, "state", "stopped");
	if (restart > 0)
		json_set_int(m->form, "restart", restart);
	o = world_add(m->w, key, m->owner, json_canonical(m->form));
	strv_addf(&o->deps, "account:%s", a->runtime);
	if (m->h->consumer != NULL)
		strv_add(&o->deps, m->h->consumer);
	for (size_t i = 0; i < files->n; i++)
		strv_add(&o->deps, files->v[i]);
	for (size_t i = 0; i < m->deps.n; i++)
		strv_add(&o->deps, m->deps.v[i]);
	json_free(m->form);
	strv_release(&m->deps);
}

void
container_add(struct world *w, const struct home *h, const char *owner,
    const struct strv *files, const struct strv *restarts)
{
	struct making m = { .w = w, .h = h, .cfg = &h->cfg->containers,
	    .owner = owner, .is_manager = h->agent->role == AGENT_MANAGER,
	    .is_remote = agent_is_remote(h->agent) };

	if (m.is_remote)
		add_remote(&m, files);
	else if (m.cfg->provider != NULL &&
	    agent_state(h->agent) != AGENT_STOPPED)
		add_container(&m, files, restarts);
}

/* --- what agents share ------------------------------------------------------------ */

static void
add_network_object(struct world *w, const struct world_containers *cfg)
{
	struct json *form = json_object();

	json_set_str(form, "name", cfg->network);
	json_set_str(form, "subnet", cfg->subnet);
	world_add(w, xstrdup("network:agents"), "", json_canonical(form));
	json_free(form);
}

static void
add_image_object(struct world *w, const struct world_containers *cfg,
    const char *ref)
{
	struct json *form = json_object();

	json_set_str(form, "ref", ref);
	json_set_str(form, "pull", cfg->pull);
	world_add(w, xasprintf("image:%s", ref), "", json_canonical(form));
	json_free(form);
}

static void
add_volume(struct world *w, const struct world_config *cfg,
    const struct agent *a)
{
	struct json *form = json_object(), *l;
	char *owner = owner_of(a->resource);

	json_set_strf(form, "name", "%s-%s", cfg->instance, a->name);
	l = json_obj(form, "labels");
	json_set_str(l, "hiclaw.io/instance", cfg->instance);
	json_set_str(l, "hiclaw.io/name", a->name);
	world_add(w, xasprintf("volume:%s", a->name), owner,
	    json_canonical(form));
	json_free(form);
	free(owner);
}

void
containers_add(struct world *w, const struct census *c)
{
	const struct world_config *cfg = c->cfg;
	struct strv images = { 0 };

	if (cfg->containers.provider == NULL)
		return;
	for (size_t i = 0; i < c->agents.n; i++) {
		const struct agent *a = &c->agents.v[i];
		struct home h = { .cfg = cfg, .agent = a,
		    .runtime = agent_runtime(cfg, a) };
		struct making m = { .h = &h, .cfg = &cfg->containers,
		    .is_manager = a->role == AGENT_MANAGER };

		if (agent_is_remote(a))
			continue;
		if (image_of(&m) != NULL && agent_state(a) != AGENT_STOPPED)
			strv_add_unique(&images, image_of(&m));
		/* It outlives the container, as a home does. */
		if (cfg->containers.homes == NULL)
			add_volume(w, cfg, a);
	}
	for (size_t i = 0; i < images.n; i++)
		add_image_object(w, &cfg->containers, images.v[i]);
	if (images.n > 0 && strcmp(cfg->containers.network, "host") != 0)
		add_network_object(w, &cfg->containers);
	strv_release(&images);
}
