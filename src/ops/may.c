/*
 * Who may do what, as one pure function over what is declared: a table of rules
 * with a number and a name each, which people are told.  The first that fits
 * decides, and what denies stands before what allows, so that it wins.
 *
 * People: tier 1 does everything, and is asked before something is deleted.
 * Tier 2 reads, wakes and puts to sleep what it works with, and changes its
 * teams; a change that gives rights, makes credentials or deletes needs somebody
 * of tier 1.  Tier 3 reads, wakes and puts to sleep what it works with.
 *
 * Agents: the manager does what an admin does, but for what only people may; a
 * leader reads and moves the members of its own team; a worker sees itself and
 * says that it is ready.  An agent is never asked: there is nobody to say yes.
 * None declares or changes people, or gives rights.
 */
#include "hiclaw/ops.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct verb_row {
	const char	*name, *word;	/* "put to sleep", and as one types it */
	int		 tier;		/* the lowest that may at all */
} verbs[] = {
	[VERB_NONE] =	 { "nothing", "", 0 },
	[VERB_VERSION] = { "version", "version", 3 },
	[VERB_STATUS] =	 { "status", "status", 3 },
	[VERB_LIST] =	 { "list", "list", 3 },
	[VERB_GET] =	 { "read", "get", 3 },
	[VERB_PLAN] =	 { "plan", "plan", 2 },
	[VERB_CREATE] =	 { "create", "create", 2 },
	[VERB_UPDATE] =	 { "change", "update", 2 },
	[VERB_DELETE] =	 { "delete", "delete", 2 },
	[VERB_WAKE] =	 { "wake", "wake", 3 },
	[VERB_SLEEP] =	 { "put to sleep", "sleep", 3 },
	[VERB_READY] =	 { "report as ready", "ready", 1 },
	[VERB_RESTART] = { "restart", "restart", 2 },
	[VERB_LOGS] =	 { "read the log of", "logs", 1 },
	[VERB_EXEC] =	 { "run commands in", "exec", 1 },
	[VERB_ADMIN] =	 { "administer", "admin", 1 },
};

const char *
verb_name(enum verb v)
{
	return verbs[v].name;
}

int
verb_tier(enum verb v)
{
	return verbs[v].tier;
}

enum verb
verb_find(const char *word)
{
	for (enum verb v = VERB_VERSION; v <= VERB_ADMIN; v++)
		if (strcmp(word, verbs[v].word) == 0 ||
		    strcmp(word, verbs[v].name) == 0)
			return v;
	return VERB_NONE;
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

/* --- what the rules look at ---------------------------------------------- */

/* One question to the table. */
struct asked {
	const struct caller *c;
	enum verb	 verb;
	const struct target *t;
	enum risk	 risk;
};

/* Nothing in particular: may it at all? */
static bool
is_general(const struct asked *a)
{
	return a->t == NULL || a->t->name == NULL;
}

static bool
deletes(const struct asked *a)
{
	return a->verb == VERB_DELETE || a->risk >= RISK_DELETE;
}

static bool
is_kind(const struct target *t, const char *kind)
{
	return t != NULL && t->kind != NULL && strcmp(t->kind->name,
	    kind) == 0;
}

/* The Team it is, or is in; or NULL. */
static const char *
team_name(const struct target *t)
{
	if (t->team != NULL)
		return t->team->name;
	return is_kind(t, "Team") ? t->name : NULL;
}

static bool
needs_more(const struct asked *a)
{
	return verbs[a->verb].tier < a->c->tier;
}

/* Tier 2 and its teams. */
static bool
is_in_teams(const struct asked *a)
{
	const struct caller *c = a->c;
	const char *team = team_name(a->t);

	return c->tier == 2 && c->human != NULL && team != NULL &&
	    json_has_str(json_get(c->human->spec, "accessibleTeams"),
	    team);
}

static bool
is_foreign_team(const struct asked *a)
{
	return !is_general(a) && !is_in_teams(a);
}

/* Everybody may read what is declared of them. */
static bool
reads_own_human(const struct asked *a)
{
	return a->verb == VERB_GET && a->c->human != NULL &&
	    a->t->kind == a->c->human->kind &&
	    strcmp(a->t->name, a->c->human->name) == 0;
}

static bool
is_foreign_work(const struct asked *a)
{
	const struct caller *c = a->c;

	if (is_general(a) || is_in_teams(a) || reads_own_human(a))
		return false;
	return c->human == NULL || !is_kind(a->t, "Worker") ||
	    !json_has_str(json_get(c->human->spec, "accessibleWorkers"),
	    a->t->name);
}

static bool
is_grave(const struct asked *a)
{
	return !is_general(a) && (deletes(a) || a->risk > RISK_RESTART);
}

/* Who leads a team may see lists of these, and ask for workers. */
static bool
is_for_leaders(const struct asked *a)
{
	return a->t == NULL || is_kind(a->t, "Worker") ||
	    (a->verb == VERB_LIST && is_kind(a->t, "Team"));
}

/* All but its own team: the Team, to be read, and all who are in it. */
static bool
is_no_team_of_its(const struct asked *a)
{
	const struct caller *c = a->c;

	if (is_general(a))
		return !is_for_leaders(a);
	if (c->team == NULL)
		return true;
	if (a->t->team != NULL)
		return a->t->team != c->team;
	return a->verb != VERB_GET || a->t->resource != c->team;
}

static bool
is_other_than_itself(const struct asked *a)
{
	return !is_general(a) && (strcmp(a->t->name, a->c->name) != 0 ||
	    a->t->team != a->c->team || !is_kind(a->t, "Worker"));
}

/* Whom people listen to is for people, whatever an agent was talked into. */
static bool
is_human(const struct asked *a)
{
	return !is_general(a) && is_kind(a->t, "Human");
}

static bool
gives_rights(const struct asked *a)
{
	return !is_general(a) && a->t->gives_rights;
}

/* --- the rules ------------------------------------------------------------ */

enum { NOBODY = 1, TIER_1 = 2, TIER_2 = 4, TIER_3 = 8, MANAGER = 16,
    LEADER = 32, WORKER = 64, AGENTS = MANAGER | LEADER | WORKER };

#define B(verb)	(1u << VERB_##verb)
#define EVERY	(~0u)
#define CHANGES	(B(CREATE) | B(UPDATE) | B(DELETE) | B(RESTART))
#define PUTS	(B(CREATE) | B(UPDATE) | B(DELETE))
#define OPEN	(B(VERSION) | B(STATUS))	/* to all we know */
#define OF_LEADERS (B(LIST) | B(GET) | B(CREATE) | B(UPDATE) | B(WAKE) | \
    B(SLEEP) | B(READY) | B(RESTART) | B(LOGS))
#define OF_WORKERS (B(GET) | B(READY))

/*
 * In words, {verb} and the like stand for what was asked.  The numbers are for
 * ever: people have them from answers.
 */
static const struct rule {
	int		 number;
	const char	*name;
	enum may	 says;
	unsigned	 who, verbs;
	bool		(*holds)(const struct asked *);	/* NULL: always */
	const char	*words;
} rules[] = {
	{ 1, "known-only", MAY_NOT, NOBODY, EVERY, NULL,
	    "nobody that is declared here" },
	{ 2, "tier-of-verb", MAY_NOT, TIER_2 | TIER_3, EVERY, needs_more,
	    "to {verb} takes tier {needs}, and you have tier {tier}" },
	{ 3, "own-teams", MAY_NOT, TIER_2, CHANGES, is_foreign_team,
	    "tier {tier} may {verb} only the teams in its accessibleTeams, and "
	    "{target} is not" },
	{ 4, "own-work", MAY_NOT, TIER_2 | TIER_3, EVERY, is_foreign_work,
	    "tier {tier} may {verb} only what its accessibleTeams and "
	    "accessibleWorkers name, and {target} is not" },
	{ 5, "for-people", MAY_NOT, AGENTS, B(NONE) | B(EXEC) | B(ADMIN), NULL,
	    "a {role} may not {verb}" },
	{ 6, "leader-verbs", MAY_NOT, LEADER, ~(OPEN | OF_LEADERS), NULL,
	    "a leader may not {verb}" },
	{ 7, "own-team", MAY_NOT, LEADER, OF_LEADERS, is_no_team_of_its,
	    "a leader may {verb} only who is in its own team" },
	{ 8, "worker-verbs", MAY_NOT, WORKER, ~(OPEN | OF_WORKERS), NULL,
	    "a worker may not {verb}" },
	{ 9, "itself", MAY_NOT, WORKER, OF_WORKERS, is_other_than_itself,
	    "a worker may {verb} only itself" },

	{ 20, "people-by-people", MAY_PROPOSE, AGENTS, PUTS, is_human,
	    "an agent declares, changes or deletes people only when somebody of "
	    "tier 1 approves: it may ask in a room" },
	{ 21, "rights-by-people", MAY_PROPOSE, AGENTS, PUTS, gives_rights,
	    "an agent gives rights only when somebody of tier 1 approves: it "
	    "may ask in a room" },
	{ 22, "second-person", MAY_PROPOSE, TIER_2, CHANGES, is_grave,
	    "a change of risk \"{risk}\" by tier 2 needs somebody of tier 1" },
	{ 30, "asked-first", MAY_ASK, TIER_1, EVERY, deletes,
	    "What is deleted does not come back." },

	{ 40, "tier-1", MAY_NOW, TIER_1, EVERY, NULL, "" },
	{ 41, "tier-2", MAY_NOW, TIER_2, EVERY, NULL, "" },
	{ 42, "tier-3", MAY_NOW, TIER_3, EVERY, NULL, "" },
	{ 43, "manager", MAY_NOW, MANAGER, EVERY, NULL, "" },
	{ 44, "leader", MAY_NOW, LEADER, OPEN | OF_LEADERS, NULL, "" },
	{ 45, "worker", MAY_NOW, WORKER, OPEN | OF_WORKERS, NULL, "" },
};

static unsigned
who_is(const struct caller *c)
{
	switch (c->is) {
	case CALLER_PERSON:
		return c->tier == 1 ? TIER_1 : c->tier == 2 ? TIER_2 : TIER_3;
	case CALLER_AGENT:
		return c->role == AGENT_MANAGER ? MANAGER :
		    c->role == AGENT_LEADER ? LEADER : WORKER;
	case CALLER_NONE:
		break;
	}
	return NOBODY;
}

/* One word of a rule's words. */
static void
put_word(const struct asked *a, const char *word, size_t n, struct buf *out)
{
	const enum agent_role role = a->c->role;

	if (strncmp(word, "verb", n) == 0)
		buf_puts(out, verbs[a->verb].name);
	else if (strncmp(word, "needs", n) == 0)
		buf_printf(out, "%d", verbs[a->verb].tier);
	else if (strncmp(word, "tier", n) == 0)
		buf_printf(out, "%d", a->c->tier);
	else if (strncmp(word, "target", n) == 0)
		buf_printf(out, "%s/%.64s", a->t->kind->name, a->t->name);
	else if (strncmp(word, "risk", n) == 0)
		buf_puts(out, risk_name(deletes(a) ? RISK_DELETE : a->risk));
	else
		buf_puts(out, agent_role_name(role == AGENT_STANDALONE ?
		    AGENT_WORKER : role));
}

static void
put_why(const struct asked *a, const char *words, char *dst, size_t size)
{
	struct buf b = { 0 };
	size_t n;

	while (*words != '\0') {
		n = strcspn(words, "{");
		buf_add(&b, words, n);
		words += n;
		if (*words == '\0')
			break;
		n = strcspn(++words, "}");
		put_word(a, words, n, &b);
		words += n + 1;
	}
	str_copy(dst, buf_str(&b), size);
	buf_release(&b);
}

void
ops_rule(const struct caller *c, enum verb v, const struct target *t,
    enum risk risk, struct ruling *out)
{
	const struct asked a = { c, v, t, risk };
	unsigned who = who_is(c);

	memset(out, 0, sizeof *out);
	for (size_t i = 0; i < NELEM(rules); i++) {
		const struct rule *r = &rules[i];

		if ((r->who & who) == 0 || (r->verbs & (1u << v)) == 0 ||
		    (r->holds != NULL && !r->holds(&a)))
			continue;
		out->may = r->says;
		out->number = r->number;
		out->rule = r->name;
		put_why(&a, r->words, out->why, sizeof out->why);
		return;
	}
	/* Not to be reached: the last rules take whoever is left. */
	out->rule = "none";
	str_copy(out->why, "no rule allows it", sizeof out->why);
}

bool
rule_at(size_t i, int *number, const char **name, enum may *says)
{
	if (i >= NELEM(rules))
		return false;
	*number = rules[i].number;
	*name = rules[i].name;
	*says = rules[i].says;
	return true;
}

enum may
ops_may(const struct caller *c, enum verb v, const struct target *t,
    enum risk risk, char *why, size_t size)
{
	struct ruling r;

	ops_rule(c, v, t, risk, &r);
	if (why != NULL && size > 0)
		str_copy(why, r.why, size);
	return r.may;
}

/* --- who could ------------------------------------------------------------ */

void
people_each(const struct engine *e, bool (*fn)(const struct caller *, void *),
    void *arg)
{
	const struct world_config *wc = engine_world_config(e);
	const struct resources *rs = engine_resources(e);
	struct strv users = { 0 };
	const struct resource *human;
	struct caller c;
	bool goes_on = true;

	for (size_t i = 0; wc->admins != NULL && i < wc->admins->n; i++)
		strv_add_unique(&users, wc->admins->v[i]);
	for (size_t i = 0; i < resources_n(rs); i++) {
		const struct resource *r = resources_at(rs, i);
		char *user;

		if (strcmp(r->kind->name, "Human") != 0 || r->deleting)
			continue;
		user = human_user(wc, r);
		strv_add_unique(&users, user);
		free(user);
	}
	for (size_t i = 0; i < users.n && goes_on; i++) {
		int tier = person_tier(wc, rs, users.v[i], &human);

		caller_person(&c, users.v[i], tier, human);
		if (c.is == CALLER_PERSON)
			goes_on = fn(&c, arg);
		caller_release(&c);
	}
	strv_release(&users);
}
