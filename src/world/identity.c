/*
 * Who is who: the agents that the resources declare, the Matrix ids of agents,
 * people and the bot, and what a person may do.
 *
 * An agent's account is keyed by its runtime name, everything people type by
 * its metadata name; both are unique (resources_check sees to that).  Callers
 * are the compile, the policy, and chat, which asks for tiers.
 */
#include "hiclaw/world.h"

#include <stdlib.h>
#include <string.h>

#include "world-int.h"

const char *
agent_role_name(enum agent_role role)
{
	static const char *const names[] = {
		[AGENT_MANAGER] = "manager", [AGENT_STANDALONE] = "standalone",
		[AGENT_LEADER] = "leader", [AGENT_WORKER] = "worker",
	};

	return (size_t)role < NELEM(names) ? names[role] : "?";
}

/* --- agents --------------------------------------------------------------- */

static void
add_agent(struct agents *as, const struct world_config *cfg,
    enum agent_role role, const char *name, const struct resource *r,
    const struct json *spec)
{
	const char *runtime;

	if (name == NULL)
		return;
	if (as->n == as->cap) {
		as->cap = as->cap == 0 ? 16 : as->cap * 2;
		as->v = xreallocarray(as->v, as->cap, sizeof(as->v[0]));
	}
	runtime = role == AGENT_MANAGER ? resource_runtime_name(r) :
	    json_strd(spec, "workerName", name);
	as->v[as->n++] = (struct agent){
		.role = role, .name = name, .runtime = runtime,
		.user = xasprintf("@%s_%s:%s", cfg->prefix, runtime,
		    cfg->domain),
		.consumer = xasprintf("%s-%s", role == AGENT_MANAGER ?
		    "manager" : "worker", runtime),
		.resource = r, .spec = spec,
	};
}

static void
add_team(struct agents *as, const struct world_config *cfg,
    const struct resource *r)
{
	const struct json *spec = json_get(r->spec, "leader");

	add_agent(as, cfg, AGENT_LEADER, json_str(spec, "name"), r, spec);
	for (spec = json_first(json_get(r->spec, "workers")); spec != NULL;
	    spec = json_next(spec))
		add_agent(as, cfg, AGENT_WORKER, json_str(spec, "name"), r,
		    spec);
}

void
agents_list(const struct world_config *cfg, const struct resources *rs,
    struct agents *as)
{
	const struct kind *worker = kind_find("worker");
	const struct kind *team = kind_find("team");
	const struct kind *manager = kind_find("manager");
	const struct resource *r;
	size_t i;

	*as = (struct agents){0};
	for (i = 0; i < resources_n(rs); i++) {
		r = resources_at(rs, i);
		if (r->kind == worker)
			add_agent(as, cfg, AGENT_STANDALONE, r->name, r,
			    r->spec);
		else if (r->kind == team)
			add_team(as, cfg, r);
		else if (r->kind == manager)
			add_agent(as, cfg, AGENT_MANAGER, r->name, r, r->spec);
	}
	as->by_name = map_new(NULL);
	for (i = 0; i < as->n; i++)
		map_set(as->by_name, as->v[i].name, &as->v[i]);
}

const struct agent *
agents_find(const struct agents *as, const char *name)
{
	return as->by_name == NULL || name == NULL ? NULL :
	    map_find(as->by_name, name);
}

void
agents_release(struct agents *as)
{
	size_t i;

	for (i = 0; i < as->n; i++) {
		free(as->v[i].user);
		free(as->v[i].consumer);
	}
	free(as->v);
	map_free(as->by_name);
	*as = (struct agents){0};
}

const struct resource *
agent_team(const struct agent *a)
{
	return a->role == AGENT_LEADER || a->role == AGENT_WORKER ?
	    a->resource : NULL;
}

/* --- people --------------------------------------------------------------- */

char *
human_user(const struct world_config *cfg, const struct resource *human)
{
	const char *linked = json_str(human->spec, "matrixUserId");

	if (linked != NULL)
		return xstrdup(linked);
	return xasprintf("@%s:%s", resource_runtime_name(human), cfg->domain);
}

int
person_tier(const struct world_config *cfg, const struct resources *rs,
    const char *user, const struct resource **human)
{
	const struct kind *kind = kind_find("human");
	const struct resource *r, *found = NULL;
	int tier = 0, level;
	char *id;
	size_t i;

	for (i = 0; i < resources_n(rs); i++) {
		r = resources_at(rs, i);
		if (r->kind != kind)
			continue;
		id = human_user(cfg, r);
		level = (int)json_int(r->spec, "permissionLevel", 3);
		if (strcmp(id, user) == 0 && (tier == 0 || level < tier)) {
			tier = level;
			found = r;
		}
		free(id);
	}
	if (human != NULL)
		*human = found;
	return cfg->admins != NULL && strv_has(cfg->admins, user) ? 1 : tier;
}

/* --- our own -------------------------------------------------------------- */

char *
bot_user(const struct world_config *cfg)
{
	return xasprintf("@%s:%s", cfg->prefix, cfg->domain);
}

bool
is_our_user(const struct world_config *cfg, const char *user)
{
	size_t n = strlen(cfg->prefix);
	const char *colon = strchr(user, ':');

	if (user[0] != '@' || colon == NULL ||
	    strcmp(colon + 1, cfg->domain) != 0)
		return false;
	if (strncmp(user + 1, cfg->prefix, n) == 0)
		return user[1 + n] == ':' || user[1 + n] == '_';
	/* The registration's sender: "_hiclaw_as". */
	return user[1] == '_' && strncmp(user + 2, cfg->prefix, n) == 0 &&
	    strncmp(user + 2 + n, "_as:", 4) == 0;
}
