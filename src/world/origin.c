/*
 * Where everything comes from, for people who ask: which fields of which resource
 * an object follows from, and why somebody is in a room.  Members are those that
 * topology.c adds, with its reasons; objects are told by the table below, of
 * which a test says that no object of the world is missing.
 */
#include "hiclaw/world.h"

#include <stdlib.h>
#include <string.h>

#include "world-int.h"

struct origins {
	struct census	 census;
	struct map	*humans;	/* Matrix id -> struct humans */
};

/* Several may name one account. */
struct humans { const struct resource **v; size_t n; };

static void
humans_free(void *arg)
{
	struct humans *hs = arg;

	free(hs->v);
	free(hs);
}

static void
take_human(struct origins *o, const struct resource *r)
{
	char *user = human_user(o->census.cfg, r);
	struct humans *hs = map_find(o->humans, user);

	if (hs == NULL) {
		hs = xcalloc(1, sizeof *hs);
		map_set(o->humans, user, hs);
	}
	hs->v = xreallocarray(hs->v, hs->n + 1, sizeof *hs->v);
	hs->v[hs->n++] = r;
	free(user);
}

struct origins *
origins_new(const struct world_config *cfg, const struct resources *rs)
{
	const struct kind *human = kind_find("Human");
	struct origins *o = xcalloc(1, sizeof *o);

	census_take(&o->census, cfg, rs);
	o->humans = map_new(humans_free);
	for (size_t i = 0; i < resources_n(rs); i++)
		if (resources_at(rs, i)->kind == human)
			take_human(o, resources_at(rs, i));
	return o;
}

void
origins_free(struct origins *o)
{
	if (o == NULL)
		return;
	census_release(&o->census);
	map_free(o->humans);
	free(o);
}

const struct world_config *
origins_config(const struct origins *o)
{
	return o->census.cfg;
}

const struct resources *
origins_resources(const struct origins *o)
{
	return o->census.resources;
}

/* --- objects -------------------------------------------------------------- */

/*
 * `star` says what the * of the key is: the runtime name or the name of an agent,
 * its consumer, or nothing of that sort.  Fields are those of that agent, else of
 * the owner; with a dot in front they are settings, with ~ they count only where
 * OpenClaw, which has a file for it, is not the runtime.  `words` is what it is there
 * for, `otherwise` where it comes from when none of the fields is given.
 */
enum star { STAR_OTHER, STAR_RUNTIME, STAR_NAME, STAR_CONSUMER };
static const struct row {
	const char	*key;
	enum star	 star;
	const char	*fields, *words, *otherwise;
} rows[] = {
	{ "account:*", STAR_RUNTIME, "workerName",
	    "every agent has an account", NULL },
	{ "human:*", STAR_OTHER, "matrixUserId username",
	    "the account of the person", NULL },
	{ "media:*", STAR_OTHER, "", "the picture of rooms of a sort", NULL },

	{ "room:admin", STAR_OTHER, ".admins", "where the admins are", NULL },
	{ "room:dm/*", STAR_OTHER, "", "somebody spoke to me alone", NULL },
	{ "room:leader/*", STAR_OTHER, "leader",
	    "a leader and the Manager have a room", NULL },
	{ "room:leaderdm/*", STAR_OTHER, "leader",
	    "a leader and who runs the team have a room", NULL },
	{ "room:manager/*", STAR_RUNTIME, "",
	    "the Manager and the admins have a room", NULL },
	{ "room:space", STAR_OTHER, "", "it holds all rooms", NULL },
	{ "room:space/*", STAR_OTHER, "", "it holds the rooms of the team",
	    NULL },
	{ "room:team/*", STAR_OTHER, "description", "every Team has a room",
	    NULL },
	{ "room:worker/*", STAR_RUNTIME, "", "every worker has a room", NULL },

	{ "consumer:*", STAR_CONSUMER, "",
	    "every agent has a key of the gateway", NULL },
	{ "expose:*-*", STAR_RUNTIME, "expose", "a port that is published",
	    NULL },
	{ "mcp:*", STAR_OTHER, ".gateway.mcp_servers",
	    "a tool server; who may use it stands in mcpServers and "
	    "accessEntries of agents", NULL },
	{ "provider:*", STAR_OTHER, ".gateway.providers",
	    "where models are", NULL },
	{ "route:*", STAR_OTHER, ".gateway.providers",
	    "the way to models; who may use it follows from model and "
	    "accessEntries of agents", NULL },

	{ "bucket:*", STAR_OTHER, ".storage.bucket", "what files are in",
	    NULL },
	{ "policy:*", STAR_OTHER, "",
	    "what agents may read and write in the storage", NULL },
	{ "tree:agents/*", STAR_RUNTIME, "", "every agent has a home", NULL },
	{ "tree:shared", STAR_OTHER, "", "files that all agents share",
	    NULL },
	{ "tree:teams/*", STAR_OTHER, "", "files that the team shares",
	    NULL },
	{ "user:*", STAR_RUNTIME, "accessEntries",
	    "every agent has its own access to the storage", NULL },
	{ "package:*", STAR_RUNTIME, "package",
	    "what the home was begun with", NULL },
	{ "skills:*", STAR_RUNTIME, "skills remoteSkills",
	    "skills of its role, and those that it is given", NULL },

	{ "file:agents/*/.copaw/*", STAR_RUNTIME, "channelPolicy",
	    "whom CoPaw hears", NULL },
	{ "file:agents/*/.hermes/SOUL.md", STAR_RUNTIME, "soul identity",
	    "a copy of SOUL.md for Hermes", "the template" },
	{ "file:agents/*/.hermes/*", STAR_RUNTIME, "model channelPolicy",
	    "how Hermes is set up", NULL },
	{ "file:agents/*/AGENTS.md", STAR_RUNTIME, "agents",
	    "how it works, and with whom", "the template" },
	{ "file:agents/*/HEARTBEAT.md", STAR_RUNTIME, "heartbeat config",
	    "what it does on its rounds", "the template" },
	{ "file:agents/*/IDENTITY.md", STAR_RUNTIME, "identity",
	    "who it is", NULL },
	{ "file:agents/*/SOUL.md", STAR_RUNTIME, "soul ~identity",
	    "who it is", "the template" },
	{ "file:agents/*/TOOLS.md", STAR_RUNTIME, "", "its tools",
	    "the template" },
	{ "file:agents/*/USER.md", STAR_RUNTIME, "channelPolicy",
	    "the people who may address it", "Humans and the settings" },
	{ "file:agents/*/config/mcporter.json", STAR_RUNTIME, "mcpServers",
	    "its tool servers", NULL },
	{ "file:agents/*/mcporter-servers.json", STAR_RUNTIME, "mcpServers",
	    "its tool servers", NULL },
	{ "file:agents/*/openclaw.json", STAR_RUNTIME,
	    "model heartbeat config channelPolicy", "how it is set up",
	    NULL },
	{ "file:agents/*/*-registry.json", STAR_RUNTIME, "",
	    "all agents and people, for the Manager", NULL },
	{ "file:agents/*/runtime/*", STAR_RUNTIME, "",
	    "its part of the manifest, for the runtime", NULL },

	{ "container:*", STAR_NAME, "runtime image env resources labels state",
	    "what runs it", NULL },
	{ "image:*", STAR_OTHER, ".containers.images",
	    "what containers are made from; image of an agent says another",
	    NULL },
	{ "network:*", STAR_OTHER, ".containers.subnet",
	    "how containers reach the gateway", NULL },
	{ "remote:*", STAR_NAME, "containerManaged state",
	    "somebody else runs it", NULL },
	{ "volume:*", STAR_NAME, "", "where its container keeps its home",
	    NULL },
};

static const struct row *
row_of(const char *key)
{
	for (size_t i = 0; i < NELEM(rows); i++)
		if (world_fits(rows[i].key, key))
			return &rows[i];
	return NULL;
}

/* Is it what the * of the row stands for, or begins with that and "/"? */
static bool
is_star(const struct row *row, const struct agent *a, const char *key)
{
	const char *name = row->star == STAR_NAME ? a->name :
	    row->star == STAR_CONSUMER ? a->consumer : a->runtime;
	size_t at = strcspn(row->key, "*"), n = strlen(name);

	return strncmp(key + at, name, n) == 0 &&
	    (key[at + n] == '\0' || key[at + n] == '/' ||
	    (str_starts(key, "expose:") && key[at + n] == '-' &&
	    strchr(key + at + n + 1, '-') == NULL));
}

static const struct agent *
agent_of(const struct origins *o, const struct row *row, const char *key)
{
	const struct agents *as = &o->census.agents;

	for (size_t i = 0; row->star != STAR_OTHER && i < as->n; i++)
		if (is_star(row, &as->v[i], key))
			return &as->v[i];
	return NULL;
}

char *
agent_path(const struct agent *a, const char *field)
{
	const char *dot = field[0] != '\0' ? "." : "";

	if (a->role == AGENT_LEADER)
		return xasprintf("spec.leader%s%s", dot, field);
	if (a->role == AGENT_WORKER)
		return xasprintf("spec.workers[%s]%s%s", a->name, dot, field);
	return xasprintf("spec%s%s", dot, field);
}

static void
add_fields(const struct origins *o, const struct row *row,
    const struct json *spec, struct origin *out)
{
	bool has_files = out->agent != NULL && strcmp(agent_runtime(
	    o->census.cfg, out->agent), "openclaw") == 0;
	struct strv names = { 0 };
	char *path;

	strv_split(&names, row->fields, ' ');
	for (size_t i = 0; i < names.n; i++) {
		const char *name = names.v[i];

		if (name[0] == '~' && has_files)
			continue;
		name += name[0] == '~';
		if (name[0] == '.')
			strv_add(&out->fields, name + 1);
		else if (json_get(spec, name) != NULL) {
			path = out->agent != NULL ?
			    agent_path(out->agent, name) :
			    xasprintf("spec.%s", name);
			strv_add(&out->fields, path);
			free(path);
		}
	}
	strv_release(&names);
}

/* "Team/web" */
static const struct resource *
owner_find(const struct resources *rs, const char *owner)
{
	const char *slash = strchr(owner, '/');
	char *kind = slash == NULL ? NULL :
	    xstrndup(owner, (size_t)(slash - owner));
	const struct resource *r = kind == NULL || kind_find(kind) == NULL ?
	    NULL : resources_find(rs, kind_find(kind), slash + 1);

	free(kind);
	return r;
}

bool
origin_find(const struct origins *o, const char *key, const char *owner,
    struct origin *out)
{
	const struct row *row = row_of(key);
	const struct resource *r;

	memset(out, 0, sizeof *out);
	if (row == NULL)
		return false;
	r = owner_find(o->census.resources, owner);
	out->agent = agent_of(o, row, key);
	out->words = row->words;
	add_fields(o, row, out->agent != NULL ? out->agent->spec :
	    r != NULL ? r->spec : NULL, out);
	if (out->fields.n == 0)
		out->otherwise = row->otherwise;
	return true;
}

void
origin_release(struct origin *out)
{
	strv_release(&out->fields);
	memset(out, 0, sizeof *out);
}

/* --- members -------------------------------------------------------------- */

static const struct { const char *field, *words; } reasons[] = {
	[WHY_ADMIN] = { "admins", "a configured admin" },
	[WHY_TIER_1] = { "spec.permissionLevel", "tier 1" },
	[WHY_TEAM_ADMIN] = { "spec.admin", "runs the team" },
	[WHY_COORDINATOR] = { "spec.humanMembers", "coordinates the team" },
	[WHY_TEAMS] = { "spec.accessibleTeams", "works with the team" },
	[WHY_WORKERS] = { "spec.accessibleWorkers", "works with the worker" },
	[WHY_SPOKE] = { NULL, "spoke to me alone" },
	[WHY_BELOW] = { NULL, "is in a room below it" },
};

struct telling {
	const struct origins *o;
	const struct resource *team;	/* that the room is of, or NULL */
	const char	*name;		/* of the worker that it is of, or NULL */
	void		(*cb)(void *, const struct member_origin *);
	void		*arg;
};

/* Is it this Human who says so? */
static bool
says(const struct telling *t, const struct resource *human, enum room_why why)
{
	int64_t level = json_int(human->spec, "permissionLevel", 3);

	switch (why) {
	case WHY_TIER_1:
		return level == 1;
	case WHY_TEAMS:
		return level == 2 && t->team != NULL && json_has_str(json_get(
		    human->spec, "accessibleTeams"), t->team->name);
	default:
		return why == WHY_WORKERS && level > 1 && json_has_str(json_get(
		    human->spec, "accessibleWorkers"), t->name);
	}
}

static void
tell_person(void *arg, const struct person *p, enum room_why why)
{
	struct telling *t = arg;
	const struct humans *hs = map_find(t->o->humans, p->user);
	struct member_origin m = { .user = p->user,
	    .field = reasons[why].field, .words = reasons[why].words };

	if (why == WHY_TEAM_ADMIN || why == WHY_COORDINATOR)
		m.owner = t->team;
	else if (why != WHY_ADMIN && why < WHY_SPOKE) {
		for (size_t i = 0; hs != NULL && i < hs->n; i++) {
			if (!says(t, hs->v[i], why))
				continue;
			m.owner = hs->v[i];
			t->cb(t->arg, &m);
		}
		return;
	}
	t->cb(t->arg, &m);
}

static void
tell_agent(void *arg, const struct agent *a)
{
	struct telling *t = arg;
	char *path = agent_path(a, "");

	t->cb(t->arg, &(struct member_origin){ .user = a->user,
	    .agent = a, .owner = a->resource, .field = path,
	    .words = a->role == AGENT_MANAGER ? "the Manager" :
	    a->role == AGENT_LEADER ? "leads the team" : "the worker" });
	free(path);
}

void
origin_members(struct origins *o, const char *key, const char *owner,
    void (*cb)(void *, const struct member_origin *), void *arg)
{
	const struct resource *r = owner_find(o->census.resources, owner);
	struct telling t = { .o = o, .cb = cb, .arg = arg };
	struct room_ask ask = { .key = key, .person = tell_person,
	    .agent = tell_agent, .arg = &t };
	const struct row *row = row_of(key);
	const struct agent *a = row == NULL ? NULL : agent_of(o, row, key);

	t.name = a != NULL ? a->name : NULL;
	if (r != NULL && strcmp(r->kind->name, "Team") == 0)
		t.team = r;
	topology_ask(&o->census, &ask);
}
