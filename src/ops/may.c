/*
 * Who may do what, as one pure function over what is declared.
 *
 * People: tier 1 does everything, and is asked before something is deleted.
 * Tier 2 reads, wakes and puts to sleep what it works with, and changes its
 * teams; a change that gives rights, makes credentials or deletes needs somebody
 * of tier 1.  Tier 3 reads, wakes and puts to sleep what it works with.
 *
 * Agents: the manager does what an admin does, but for what only people may; a
 * leader reads and moves the members of its own team; a worker sees itself and
 * says that it is ready.  An agent is never asked: there is nobody to say yes.
 */
#include "hiclaw/ops.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a leader or a worker may do: to nothing, itself, its team, or at large. */
enum reach { NOTHING, ITSELF, ITS_TEAM, ANYTHING };

static const struct rule {
	const char	*name;
	int		 tier;		/* the lowest that may at all */
	bool		 changes;	/* tier 2: only in its teams */
	enum reach	 manager, leader, worker;
} rules[] = {
	[VERB_NONE] =	 { "nothing", 0, false, NOTHING, NOTHING, NOTHING },
	[VERB_VERSION] = { "version", 3, false, ANYTHING, ANYTHING, ANYTHING },
	[VERB_STATUS] =	 { "status", 3, false, ANYTHING, ANYTHING, ANYTHING },
	[VERB_LIST] =	 { "list", 3, false, ANYTHING, ITS_TEAM, NOTHING },
	[VERB_GET] =	 { "read", 3, false, ANYTHING, ITS_TEAM, ITSELF },
	[VERB_PLAN] =	 { "plan", 2, false, ANYTHING, NOTHING, NOTHING },
	[VERB_CREATE] =	 { "create", 2, true, ANYTHING, ITS_TEAM, NOTHING },
	[VERB_UPDATE] =	 { "change", 2, true, ANYTHING, ITS_TEAM, NOTHING },
	[VERB_DELETE] =	 { "delete", 2, true, ANYTHING, NOTHING, NOTHING },
	[VERB_WAKE] =	 { "wake", 3, false, ANYTHING, ITS_TEAM, NOTHING },
	[VERB_SLEEP] =	 { "put to sleep", 3, false, ANYTHING, ITS_TEAM,
			   NOTHING },
	[VERB_READY] =	 { "report as ready", 1, false, ANYTHING, ITS_TEAM,
			   ITSELF },
	[VERB_RESTART] = { "restart", 2, true, ANYTHING, ITS_TEAM, NOTHING },
	[VERB_LOGS] =	 { "read the log of", 1, false, ANYTHING, ITS_TEAM,
			   NOTHING },
	[VERB_EXEC] =	 { "run commands in", 1, false, NOTHING, NOTHING,
			   NOTHING },
	[VERB_ADMIN] =	 { "administer", 1, false, NOTHING, NOTHING, NOTHING },
};

const char *
verb_name(enum verb v)
{
	return rules[v].name;
}

int
verb_tier(enum verb v)
{
	return rules[v].tier;
}

/* --- who asks ------------------------------------------------------------ */

void
caller_person(struct caller *c, const char *user, int tier,
    const struct resource *human)
{
	memset(c, 0, sizeof *c);
	if (tier == 0)
		return;
	c->is = CALLER_PERSON;
	c->user = xstrdup(user);
	c->tier = tier;
	c->human = human;
}

static bool
caller_agent(const struct engine *e, const char *name, struct caller *c)
{
	const struct world_config *wc = engine_world_config(e);
	struct target t;

	target_find(engine_resources(e), NULL, name, &t);
	if (t.resource == NULL || t.resource->deleting)
		return false;
	c->is = CALLER_AGENT;
	c->name = t.name;
	c->team = t.team;
	if (strcmp(t.resource->kind->name, "Manager") == 0)
		c->role = AGENT_MANAGER;
	else if (t.team == NULL)
		c->role = AGENT_STANDALONE;
	else
		c->role = t.is_leader ? AGENT_LEADER : AGENT_WORKER;
	c->user = xasprintf("@%s_%s:%s", wc->prefix, t.team != NULL ?
	    json_strd(t.spec, "workerName", t.name) :
	    resource_runtime_name(t.resource), wc->domain);
	return true;
}

bool
caller_find(const struct engine *e, const char *subject, struct caller *c)
{
	const struct resource *human;
	const char *user;
	int tier;

	memset(c, 0, sizeof *c);
	if (str_starts(subject, "agent:"))
		return caller_agent(e, subject + strlen("agent:"), c);
	if (!str_starts(subject, "user:"))
		return false;
	user = subject + strlen("user:");
	tier = person_tier(engine_world_config(e), engine_resources(e), user,
	    &human);
	caller_person(c, user, tier, human);
	return c->is == CALLER_PERSON;
}

void
caller_release(struct caller *c)
{
	free(c->user);
	memset(c, 0, sizeof *c);
}

/* --- what it is about ---------------------------------------------------- */

struct resource *
member_team(const struct resources *rs, const char *name, bool *is_leader,
    const struct json **spec)
{
	const struct kind *team = kind_find("Team");
	const struct json *leader, *w;

	for (size_t i = 0; i < resources_n(rs); i++) {
		struct resource *r = resources_at(rs, i);

		if (r->kind != team)
			continue;
		leader = json_get(r->spec, "leader");
		if (str_equal(json_str(leader, "name"), name)) {
			*is_leader = true;
			*spec = leader;
			return r;
		}
		for (w = json_first(json_get(r->spec, "workers")); w != NULL;
		    w = json_next(w))
			if (str_equal(json_str(w, "name"), name)) {
				*is_leader = false;
				*spec = w;
				return r;
			}
	}
	return NULL;
}

void
target_find(const struct resources *rs, const struct kind *kind,
    const char *name, struct target *t)
{
	const struct kind *worker = kind_find("Worker");

	memset(t, 0, sizeof *t);
	t->kind = kind != NULL ? kind : worker;
	t->name = name;
	t->resource = resources_find(rs, t->kind, name);
	if (t->resource == NULL && t->kind == worker)
		t->resource = t->team = member_team(rs, name, &t->is_leader,
		    &t->spec);
	if (t->resource == NULL && kind == NULL) {
		t->resource = resources_find(rs, kind_find("Manager"), name);
		if (t->resource != NULL)
			t->kind = t->resource->kind;
	}
	if (t->resource != NULL && t->team == NULL)
		t->spec = t->resource->spec;
	/* The caller's name may go sooner than what was found. */
	if (t->team != NULL)
		t->name = json_strd(t->spec, "name", name);
	else if (t->resource != NULL)
		t->name = t->resource->name;
}

/* Nothing in particular: may it at all? */
static bool
is_general(const struct target *t)
{
	return t == NULL || t->name == NULL;
}

/* --- people -------------------------------------------------------------- */

static enum may
refuse(enum may how, char *why, size_t size, const char *text)
{
	if (why != NULL)
		snprintf(why, size, "%s", text);
	return how;
}

static bool
list_has(const struct json *spec, const char *key, const char *name)
{
	const struct json *v = json_first(json_get(spec, key));

	for (; v != NULL; v = json_next(v))
		if (str_equal(json_value_str(v), name))
			return true;
	return false;
}

/* The Team it is, or is in; or NULL. */
static const char *
team_name(const struct target *t)
{
	if (t->team != NULL)
		return t->team->name;
	return strcmp(t->kind->name, "Team") == 0 ? t->name : NULL;
}

/* Tier 2 and its teams. */
static bool
is_in_teams(const struct caller *c, const struct target *t)
{
	const char *team = team_name(t);

	return c->tier == 2 && c->human != NULL && team != NULL &&
	    list_has(c->human->spec, "accessibleTeams", team);
}

static bool
is_worked_with(const struct caller *c, const struct target *t)
{
	return is_in_teams(c, t) || (c->human != NULL &&
	    strcmp(t->kind->name, "Worker") == 0 &&
	    list_has(c->human->spec, "accessibleWorkers", t->name));
}

static bool
is_own_human(const struct caller *c, const struct target *t)
{
	return c->human != NULL && t->kind == c->human->kind &&
	    strcmp(t->name, c->human->name) == 0;
}

static enum may
refuse_scope(const struct caller *c, const struct rule *r,
    const struct target *t, const char *among, char *why, size_t size)
{
	char text[256];

	snprintf(text, sizeof text, "tier %d may %s only %s, and %s/%.64s is "
	    "not", c->tier, r->name, among, t->kind->name, t->name);
	return refuse(MAY_NOT, why, size, text);
}

static enum may
person_may(const struct caller *c, enum verb v, const struct target *t,
    enum risk risk, char *why, size_t size)
{
	const struct rule *r = &rules[v];
	bool deletes = v == VERB_DELETE || risk >= RISK_DELETE;
	char text[128];

	if (c->tier == 1)
		return !deletes ? MAY_NOW : refuse(MAY_ASK, why, size,
		    "What is deleted does not come back.");
	if (r->tier < c->tier) {
		snprintf(text, sizeof text, "to %s takes tier %d, and you have "
		    "tier %d", r->name, r->tier, c->tier);
		return refuse(MAY_NOT, why, size, text);
	}
	if (is_general(t) || (v == VERB_GET && is_own_human(c, t)))
		return MAY_NOW;
	if (r->changes && !is_in_teams(c, t))
		return refuse_scope(c, r, t, "the teams in its "
		    "accessibleTeams", why, size);
	if (!is_worked_with(c, t))
		return refuse_scope(c, r, t, "what its accessibleTeams and "
		    "accessibleWorkers name", why, size);
	if (r->changes && (deletes || risk > RISK_RESTART)) {
		snprintf(text, sizeof text, "a change of risk \"%s\" by tier 2 "
		    "needs somebody of tier 1", risk_name(deletes ?
		    RISK_DELETE : risk));
		return refuse(MAY_PROPOSE, why, size, text);
	}
	return MAY_NOW;
}

/* --- agents -------------------------------------------------------------- */

/* Who leads a team may see lists of these, and ask for workers. */
static bool
is_for_leaders(enum verb v, const struct target *t)
{
	return t == NULL || strcmp(t->kind->name, "Worker") == 0 ||
	    (v == VERB_LIST && strcmp(t->kind->name, "Team") == 0);
}

static bool
is_itself(const struct caller *c, const struct target *t)
{
	return strcmp(t->name, c->name) == 0 && (t->team == c->team) &&
	    strcmp(t->kind->name, c->role == AGENT_MANAGER ? "Manager" :
	    "Worker") == 0;
}

/* Its own team: the Team, to be read, and all who are in it. */
static bool
is_own_team(const struct caller *c, enum verb v, const struct target *t)
{
	if (c->team == NULL)
		return false;
	if (t->team != NULL)
		return t->team == c->team;
	return v == VERB_GET && t->resource == c->team;
}

/* Whom people listen to is for people, whatever an agent was talked into. */
static bool
gives_rights(enum verb v, const struct target *t, enum risk risk)
{
	return (v == VERB_CREATE || v == VERB_UPDATE) && t != NULL &&
	    t->kind != NULL && strcmp(t->kind->name, "Human") == 0 &&
	    risk >= RISK_PERMISSION;
}

static enum may
agent_may(const struct caller *c, enum verb v, const struct target *t,
    enum risk risk, char *why, size_t size)
{
	const struct rule *r = &rules[v];
	enum reach reach = c->role == AGENT_MANAGER ? r->manager :
	    c->role == AGENT_LEADER ? r->leader : r->worker;
	char text[192];

	if (reach == ANYTHING && gives_rights(v, t, risk))
		return refuse(MAY_PROPOSE, why, size, "an agent gives rights "
		    "to people only when somebody of tier 1 approves: it may "
		    "ask in a room");
	if (reach == ANYTHING)
		return MAY_NOW;
	if (reach == ITS_TEAM && (is_general(t) ? is_for_leaders(v, t) :
	    is_own_team(c, v, t)))
		return MAY_NOW;
	if (reach == ITSELF && (is_general(t) || is_itself(c, t)))
		return MAY_NOW;
	if (reach == NOTHING)
		snprintf(text, sizeof text, "a %s may not %s", agent_role_name(
		    c->role == AGENT_STANDALONE ? AGENT_WORKER : c->role),
		    r->name);
	else
		snprintf(text, sizeof text, "a %s may %s only %s",
		    reach == ITSELF ? "worker" : "leader", r->name,
		    reach == ITSELF ? "itself" : "who is in its own team");
	return refuse(MAY_NOT, why, size, text);
}

enum may
ops_may(const struct caller *c, enum verb v, const struct target *t,
    enum risk risk, char *why, size_t size)
{
	if (why != NULL && size > 0)
		why[0] = '\0';
	switch (c->is) {
	case CALLER_PERSON:
		return person_may(c, v, t, risk, why, size);
	case CALLER_AGENT:
		return agent_may(c, v, t, risk, why, size);
	case CALLER_NONE:
		break;
	}
	return refuse(MAY_NOT, why, size, "nobody that is declared here");
}
