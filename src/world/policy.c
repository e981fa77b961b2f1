/*
 * Policy: who may address whom, design section 7.  visit_rules() is that table,
 * rule by rule and in words; the allow lists are everybody it names, and an
 * explanation is the first rule that names the sender.  So the lists and the
 * explanations cannot tell two stories.
 *
 * On top come the extras of channelPolicy, the team's before the member's own,
 * and last the denies: a deny takes away whatever allowed it.
 */
#include "hiclaw/world.h"

#include <stdlib.h>
#include <string.h>

#include "world-int.h"

/* One name in the table; `rule` completes "@x ...". */
typedef void visit_fn(void *arg, const char *user, const char *rule);

/* --- the table ------------------------------------------------------------ */

static void
visit_people(const struct people *ps, const char *rule, visit_fn *visit,
    void *arg)
{
	size_t i;

	for (i = 0; i < ps->n; i++)
		visit(arg, ps->v[i]->user, rule);
}

static void
visit_admins(const struct census *c, visit_fn *visit, void *arg)
{
	visit_people(&c->admins, "is a configured admin", visit, arg);
}

static void
visit_tier1(const struct census *c, visit_fn *visit, void *arg)
{
	visit_people(&c->tier1, "is a Human of tier 1", visit, arg);
}

static void
visit_manager(const struct census *c, visit_fn *visit, void *arg)
{
	if (c->manager != NULL)
		visit(arg, c->manager->user, "is the Manager");
}

/* Admin, coordinators and tier 2 of a team: heard by all its members. */
static void
visit_team_people(struct census *c, const struct resource *team,
    visit_fn *visit, void *arg)
{
	struct person *deputy = census_team_admin(c, team);
	struct people coordinators = { 0 };

	if (deputy != NULL)
		visit(arg, deputy->user, "is the admin of the team");
	census_coordinators(c, team, &coordinators);
	visit_people(&coordinators, "is a coordinator of the team", visit,
	    arg);
	people_release(&coordinators);
	visit_people(census_named(c->of_team, team->name),
	    "is a Human of tier 2 with the team in accessibleTeams", visit,
	    arg);
}

/* Members of the team of `me` (which is in the census) with that role. */
static void
visit_members(const struct census *c, const struct agent *me,
    enum agent_role role, const char *rule, visit_fn *visit, void *arg)
{
	const struct agent *a = me, *end = c->agents.v + c->agents.n;

	while (a > c->agents.v && a[-1].resource == me->resource)
		a--;
	for (; a < end && a->resource == me->resource; a++)
		if (a != me && a->role == role)
			visit(arg, a->user, rule);
}

static bool
peers_may(const struct resource *team)
{
	return json_bool(team->spec, "peerMentions", true);
}

static void
visit_for_manager(const struct census *c, visit_fn *visit, void *arg)
{
	const struct agent *a;

	for (a = c->agents.v; a < c->agents.v + c->agents.n; a++)
		if (a->role == AGENT_LEADER)
			visit(arg, a->user, "leads a team");
		else if (a->role == AGENT_STANDALONE)
			visit(arg, a->user, "is a standalone worker");
}

static void
visit_rules(struct census *c, const struct agent *me, visit_fn *visit,
    void *arg)
{
	static const char names_it[] = "is a Human who names it in "
	    "accessibleWorkers";

	visit_admins(c, visit, arg);
	visit_tier1(c, visit, arg);
	switch (me->role) {
	case AGENT_MANAGER:
		visit_for_manager(c, visit, arg);
		break;
	case AGENT_LEADER:
		visit_manager(c, visit, arg);
		visit_members(c, me, AGENT_WORKER, "is a worker of its team",
		    visit, arg);
		visit_team_people(c, me->resource, visit, arg);
		break;
	case AGENT_WORKER:
		visit_members(c, me, AGENT_LEADER, "leads its team", visit,
		    arg);
		if (peers_may(me->resource))
			visit_members(c, me, AGENT_WORKER,
			    "is a worker of the same team (peerMentions)",
			    visit, arg);
		visit_team_people(c, me->resource, visit, arg);
		visit_people(census_named(c->of_worker, me->name), names_it,
		    visit, arg);
		break;
	case AGENT_STANDALONE:
		visit_manager(c, visit, arg);
		visit_people(census_named(c->of_worker, me->name), names_it,
		    visit, arg);
		break;
	}
}

/* --- channelPolicy -------------------------------------------------------- */

/* "@x:d" as it is; else the agent, the Human, or the account of that name. */
static char *
resolve_name(const struct census *c, const char *name)
{
	const struct agent *a;
	const struct person *p;

	if (name[0] == '@')
		return xstrdup(name);
	if ((a = agents_find(&c->agents, name)) != NULL)
		return xstrdup(a->user);
	if ((p = map_find(c->by_human, name)) != NULL)
		return xstrdup(p->user);
	return xasprintf("@%s:%s", name, c->cfg->domain);
}

static void
visit_list(const struct census *c, const struct json *policy, const char *key,
    const char *owner, visit_fn *visit, void *arg)
{
	const struct json *v;
	const char *name;
	char *user, *rule;

	for (v = json_first(json_get(policy, key)); v != NULL;
	    v = json_next(v)) {
		if ((name = json_value_str(v)) == NULL)
			continue;
		user = resolve_name(c, name);
		rule = xasprintf("is \"%s\" in channelPolicy.%s of %s", name,
		    key, owner);
		visit(arg, user, rule);
		free(user);
		free(rule);
	}
}

/* "leader ann"; every other agent but the Manager is a worker to people. */
static char *
agent_title(const struct agent *a)
{
	return xasprintf("%s %s", a->role == AGENT_STANDALONE ? "worker" :
	    agent_role_name(a->role), a->name);
}

/* The team's list, then the member's own. */
static void
visit_policy(const struct census *c, const struct agent *me, const char *key,
    visit_fn *visit, void *arg)
{
	const struct resource *team = agent_team(me);
	char *owner;

	if (team != NULL) {
		owner = xasprintf("team %s", team->name);
		visit_list(c, json_get(team->spec, "channelPolicy"), key,
		    owner, visit, arg);
		free(owner);
	}
	owner = agent_title(me);
	visit_list(c, json_get(me->spec, "channelPolicy"), key, owner, visit,
	    arg);
	free(owner);
}

/* --- lists ---------------------------------------------------------------- */

static void
collect(void *arg, const char *user, const char *rule)
{
	strv_add(arg, user);
}

/* Sort; drop who is there twice and who is denied (sorted). */
static void
settle_list(struct strv *list, struct strv *denied)
{
	size_t i, d = 0, n = 0;

	strv_sort(list);
	strv_sort(denied);
	for (i = 0; i < list->n; i++) {
		while (d < denied->n && strcmp(denied->v[d], list->v[i]) < 0)
			d++;
		if ((d < denied->n &&
		    strcmp(denied->v[d], list->v[i]) == 0) ||
		    (n > 0 && strcmp(list->v[n - 1], list->v[i]) == 0))
			free(list->v[i]);
		else
			list->v[n++] = list->v[i];
	}
	if (list->v != NULL)
		list->v[n] = NULL;
	list->n = n;
}

static void
make_list(struct census *c, const struct agent *me, const char *allow,
    const char *deny, struct strv *list)
{
	struct strv denied = { 0 };

	visit_rules(c, me, collect, list);
	visit_policy(c, me, allow, collect, list);
	visit_policy(c, me, deny, collect, &denied);
	settle_list(list, &denied);
	strv_release(&denied);
}

void
census_allow(struct census *c, const struct agent *me, struct allow *out)
{
	*out = (struct allow){0};
	make_list(c, me, "groupAllowExtra", "groupDenyExtra", &out->group);
	make_list(c, me, "dmAllowExtra", "dmDenyExtra", &out->dm);
}

void
policy_allow(const struct world_config *cfg, const struct resources *rs,
    const struct agent *agent, struct allow *out)
{
	const struct agent *me;
	struct census c;

	*out = (struct allow){0};
	census_take(&c, cfg, rs);
	if ((me = agents_find(&c.agents, agent->name)) != NULL)
		census_allow(&c, me, out);
	census_release(&c);
}

void
allow_release(struct allow *a)
{
	strv_release(&a->group);
	strv_release(&a->dm);
}

/* --- explanations --------------------------------------------------------- */

struct search {
	const char	*user;
	char		*rule;	/* the first that names the user, or NULL */
};

static void
match(void *arg, const char *user, const char *rule)
{
	struct search *s = arg;

	if (s->rule == NULL && strcmp(s->user, user) == 0)
		s->rule = xstrdup(rule);
}

static const struct agent *
find_agent_user(const struct census *c, const char *user)
{
	size_t i;

	for (i = 0; i < c->agents.n; i++)
		if (strcmp(c->agents.v[i].user, user) == 0)
			return &c->agents.v[i];
	return NULL;
}

/* Why another agent that no rule names is not heard. */
static const char *
agent_refusal(const struct agent *me, const struct agent *from)
{
	if (from == me)
		return "an agent does not address itself";
	if (from->role == AGENT_MANAGER)
		return "the Manager talks to leaders and standalone workers, "
		    "not to workers inside a team";
	if (me->role == AGENT_MANAGER)
		return "workers of a team talk to their leader, not to the "
		    "Manager";
	if (from->resource == me->resource)
		return "peerMentions of the team is false";
	if (me->role == AGENT_STANDALONE)
		return "a standalone worker is addressed by the Manager and "
		    "by people, not by other workers";
	return "it is not in the same team";
}

static const char *
person_refusal(const struct agent *me, const struct person *p)
{
	if (p == NULL || p->tier == 0)
		return "no rule names this account";
	if (me->role == AGENT_MANAGER)
		return "of Humans only those of tier 1 address the Manager";
	if (me->role == AGENT_LEADER)
		return p->tier == 2 ?
		    "the team is not in the accessibleTeams of this Human of "
		    "tier 2" :
		    "a Human of tier 3 addresses the workers that it names, "
		    "not leaders";
	if (p->tier == 2)
		return me->role == AGENT_WORKER ?
		    "this Human of tier 2 has neither the team in "
		    "accessibleTeams nor the worker in accessibleWorkers" :
		    "this Human of tier 2 does not name the worker in "
		    "accessibleWorkers";
	return "this Human of tier 3 does not name the worker in "
	    "accessibleWorkers";
}

static const char *
refusal(const struct census *c, const struct agent *me, const char *sender)
{
	const struct agent *from = find_agent_user(c, sender);

	if (from != NULL)
		return agent_refusal(me, from);
	if (is_our_user(c->cfg, sender))
		return "the controller gives no orders to agents";
	return person_refusal(me, map_find(c->by_user, sender));
}

/* The verdict; *reason, a clause in words, is the caller's to free. */
static bool
decide(struct census *c, const struct agent *me, const char *sender,
    bool is_dm, char **reason)
{
	struct search allowed = { sender, NULL }, denied = { sender, NULL };
	const char *rule;
	bool may;

	visit_policy(c, me, is_dm ? "dmDenyExtra" : "groupDenyExtra", match,
	    &denied);
	visit_rules(c, me, match, &allowed);
	visit_policy(c, me, is_dm ? "dmAllowExtra" : "groupAllowExtra", match,
	    &allowed);
	may = allowed.rule != NULL && denied.rule == NULL;
	rule = denied.rule != NULL ? denied.rule : allowed.rule;
	*reason = rule != NULL ? xasprintf("%s %s", sender, rule) :
	    xstrdup(refusal(c, me, sender));
	free(denied.rule);
	free(allowed.rule);
	return may;
}

bool
policy_may(const struct world_config *cfg, const struct resources *rs,
    const struct agent *agent, const char *sender, bool is_dm, char **why)
{
	const struct agent *me;
	struct census c;
	char *reason = NULL, *title = agent_title(agent);
	bool may = false;

	census_take(&c, cfg, rs);
	if ((me = agents_find(&c.agents, agent->name)) != NULL)
		may = decide(&c, me, sender, is_dm, &reason);
	if (why != NULL)
		*why = xasprintf("%s may %saddress %s in %s: %s", sender,
		    may ? "" : "not ", title, is_dm ? "direct chats" : "rooms",
		    reason == NULL ? "there is no such agent" : reason);
	free(reason);
	free(title);
	census_release(&c);
	return may;
}
