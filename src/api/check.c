/*
 * Checks across resources: names, references, what must not change.
 *
 * Pure: before, after and what changed in; problems out.  Only what changed is
 * blamed: a resource that was accepted once is never in the way of another,
 * except for a name that it holds.
 *
 * Names are claimed.  An agent claims its name and its runtime name in one
 * space (Workers, team members, Managers), a Team both its names in another, a
 * Human its username and its Matrix ID in two more.  Unchanged resources claim
 * first and silently, changed ones after them and loudly.
 */
#include "hiclaw/api.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api-int.h"

/* Who holds a name. */
struct claim {
	const struct resource	*r;
	const char		*role;	/* "worker", "leader", or NULL */
	const char		*name;	/* of the agent; of the resource else */
};

struct check {
	const struct resources	*before, *after;
	struct resource *const	*changed;
	const struct place	*places;
	size_t			 n;
	const char		*domain, *prefix;
	struct problems		*problems;

	size_t			 at;	/* index into changed; blamed */
	bool			 loud;
	struct map		*is_changed;	/* "Kind/name" */
	struct map		*agents, *teams, *users, *ids;	/* to claims */
	struct claim		*claims;
	size_t			 nclaims, cap;
};

/* One agent of a resource; path is where its name stands. */
struct agent {
	const char	*name, *runtime, *role;
	char		 path[48];	/* "spec.workers[3]"; "" for the resource */
};

static const struct kind	*const worker_kind = &kinds[0];
static const struct kind	*const team_kind = &kinds[1];
static const struct kind	*const human_kind = &kinds[2];
static const struct kind	*const manager_kind = &kinds[3];

/* --- problems ------------------------------------------------------------ */

static void
complain(struct check *c, bool is_warning, const char *path, const char *fmt,
    va_list ap)
{
	struct problem	p = { .path = (char *)path, .is_warning = is_warning };

	if (c->places != NULL) {
		p.doc = c->places[c->at].doc;
		p.line = c->places[c->at].line;
		p.column = c->places[c->at].column;
	}
	p.what = xvasprintf(fmt, ap);
	problems_add(c->problems, &p);
	free(p.what);
}

static void PRINTF(3, 4)
refuse(struct check *c, const char *path, const char *fmt, ...)
{
	va_list	ap;

	va_start(ap, fmt);
	complain(c, false, path, fmt, ap);
	va_end(ap);
}

static void PRINTF(3, 4)
warn(struct check *c, const char *path, const char *fmt, ...)
{
	va_list	ap;

	va_start(ap, fmt);
	complain(c, true, path, fmt, ap);
	va_end(ap);
}

/* --- agents of a resource ------------------------------------------------ */

static struct agent
member_agent(const struct json *v, const char *role)
{
	struct agent	a = { .name = json_strd(v, "name", ""), .role = role };

	a.runtime = json_strd(v, "workerName", a.name);
	return a;
}

/*
 * The agent number i of the resource; *it walks a Team's workers.  False when
 * there are no more.
 */
static bool
next_agent(const struct resource *r, size_t i, const struct json **it,
    struct agent *a)
{
	memset(a, 0, sizeof *a);
	if (r->kind == human_kind)
		return false;
	if (r->kind != team_kind) {
		a->name = r->name;
		a->runtime = resource_runtime_name(r);
		return i == 0;
	}
	if (i == 0) {
		*a = member_agent(json_get(r->spec, "leader"), "leader");
		str_copy(a->path, "spec.leader", sizeof a->path);
		return true;
	}
	*it = i == 1 ? json_first(json_get(r->spec, "workers")) :
	    json_next(*it);
	if (*it == NULL)
		return false;
	*a = member_agent(*it, "worker");
	snprintf(a->path, sizeof a->path, "spec.workers[%zu]", i - 1);
	return true;
}

/* Where the name of an agent, or its runtime name, is written. */
static void
agent_path(const struct agent *a, bool runtime, char *out, size_t size)
{
	if (a->path[0] != '\0')
		snprintf(out, size, "%s.%s", a->path,
		    runtime ? "workerName" : "name");
	else
		str_copy(out, runtime ? "spec.workerName" : "metadata.name",
		    size);
}

/* --- claims -------------------------------------------------------------- */

/* `worker "bob" of Team "frontend"`, `Manager "default"`; yours. */
static char *
describe_claim(const struct claim *cl)
{
	if (cl->role != NULL)
		return xasprintf("%s \"%s\" of Team \"%s\"", cl->role,
		    cl->name, cl->r->name);
	return xasprintf("%s \"%s\"", cl->r->kind->name, cl->name);
}

/* Claims a name in a space; who comes second is refused: false. */
static bool
claim(struct check *c, struct map *space, const char *name,
    struct claim mine, const char *path)
{
	uintptr_t	 i = (uintptr_t)map_find(space, name);
	char		*owner, *me;

	if (i == 0) {
		if (c->nclaims == c->cap) {
			c->cap = c->cap == 0 ? 64 : c->cap * 2;
			c->claims = xreallocarray(c->claims, c->cap,
			    sizeof *c->claims);
		}
		c->claims[c->nclaims++] = mine;
		map_set(space, name, (void *)(uintptr_t)c->nclaims);
		return true;
	}
	if (!c->loud)
		return false;
	owner = describe_claim(&c->claims[i - 1]);
	me = describe_claim(&mine);
	refuse(c, path, "%s cannot have the name \"%s\": it belongs to %s",
	    me, name, owner);
	free(owner);
	free(me);
	return false;
}

static void
claim_agents(struct check *c, const struct resource *r)
{
	const struct json	*it = NULL;
	struct agent		 a;
	struct claim		 mine = { .r = r };
	char			 path[80];
	size_t			 i;

	for (i = 0; next_agent(r, i, &it, &a); i++) {
		mine.role = a.role;
		mine.name = a.name;
		agent_path(&a, false, path, sizeof path);
		(void)claim(c, c->agents, a.name, mine, path);
		if (strcmp(a.name, a.runtime) == 0)
			continue;
		agent_path(&a, true, path, sizeof path);
		(void)claim(c, c->agents, a.runtime, mine, path);
	}
}

/* The account of a Human; yours. */
static char *
human_id(const struct check *c, const struct resource *r)
{
	const char	*linked = json_str(r->spec, "matrixUserId");

	if (linked != NULL)
		return xstrdup(linked);
	return xasprintf("@%s:%s", resource_runtime_name(r), c->domain);
}

static void
claim_human(struct check *c, const struct resource *r)
{
	struct claim	 mine = { .r = r, .name = r->name };
	const char	*path;
	char		*id;

	path = json_str(r->spec, "username") != NULL ? "spec.username" :
	    "metadata.name";
	if (!claim(c, c->users, resource_runtime_name(r), mine, path))
		return;
	if (json_str(r->spec, "matrixUserId") != NULL)
		path = "spec.matrixUserId";
	id = human_id(c, r);
	(void)claim(c, c->ids, id, mine, path);
	free(id);
}

static void
claim_all(struct check *c, const struct resource *r)
{
	struct claim	 mine = { .r = r, .name = r->name };
	const char	*runtime = resource_runtime_name(r);

	claim_agents(c, r);
	if (r->kind == team_kind) {
		(void)claim(c, c->teams, r->name, mine, "metadata.name");
		if (strcmp(r->name, runtime) != 0)
			(void)claim(c, c->teams, runtime, mine,
			    "spec.teamName");
	}
	if (r->kind == human_kind)
		claim_human(c, r);
}

/* --- reserved names ------------------------------------------------------ */

static bool
is_reserved(const struct resource *r, const char *name)
{
	if (strcmp(name, "manager") == 0)
		return r->kind != manager_kind;
	return strcmp(name, "hiclaw") == 0 || strcmp(name, "admin") == 0;
}

static void
check_reserved(struct check *c, const struct resource *r)
{
	const struct json	*it = NULL;
	const char		*runtime = resource_runtime_name(r);
	struct agent		 a;
	char			 path[80];
	size_t			 i;

	for (i = 0; next_agent(r, i, &it, &a); i++) {
		agent_path(&a, is_reserved(r, a.runtime) &&
		    !is_reserved(r, a.name), path, sizeof path);
		if (is_reserved(r, a.name) || is_reserved(r, a.runtime))
			refuse(c, path, "\"%s\" is a reserved name",
			    is_reserved(r, a.name) ? a.name : a.runtime);
	}
	if (r->kind != team_kind && r->kind != human_kind)
		return;
	if (is_reserved(r, r->name))
		refuse(c, "metadata.name", "\"%s\" is a reserved name",
		    r->name);
	else if (is_reserved(r, runtime))
		refuse(c, r->kind == team_kind ? "spec.teamName" :
		    "spec.username", "\"%s\" is a reserved name", runtime);
}

/* The agents' namespace: their prefix, and the bot, which is it without "_". */
static bool
is_ours(const struct check *c, const char *localpart)
{
	size_t	len = strlen(c->prefix);

	if (len == 0)
		return false;
	if (str_starts(localpart, c->prefix))
		return true;
	while (len > 0 && strchr("_-.", c->prefix[len - 1]) != NULL)
		len--;
	return strlen(localpart) == len &&
	    strncmp(localpart, c->prefix, len) == 0;
}

static void
check_account(struct check *c, const struct resource *r)
{
	const char	*linked = json_str(r->spec, "matrixUserId"), *colon;
	const char	*runtime = resource_runtime_name(r);
	char		*localpart;

	if (linked == NULL) {
		if (is_ours(c, runtime))
			refuse(c, json_str(r->spec, "username") != NULL ?
			    "spec.username" : "metadata.name",
			    "Human \"%s\" cannot be @%s: accounts that begin "
			    "with \"%s\" are the agents'", r->name, runtime,
			    c->prefix);
		return;
	}
	colon = strchr(linked, ':');
	if (colon == NULL || strcmp(colon + 1, c->domain) != 0)
		return;
	localpart = xstrndup(linked + 1, (size_t)(colon - linked - 1));
	if (is_ours(c, localpart))
		refuse(c, "spec.matrixUserId", "Human \"%s\" cannot be %s: "
		    "accounts that begin with \"%s\" are the agents'",
		    r->name, linked, c->prefix);
	free(localpart);
}

/* --- references ---------------------------------------------------------- */

/* The nearest name among resources of a kind; or, for agents, among all. */
static const char *
suggest(const struct check *c, const struct kind *kind, const char *name)
{
	const char	**words, *near;
	const char	 *key;
	void		 *it = NULL;
	size_t		  i, n = 0, max;

	if (c->problems->errors >= PROBLEMS_MAX)
		return NULL;
	max = resources_n(c->after) + map_size(c->agents) + 1;
	words = xreallocarray(NULL, max, sizeof(char *));
	if (kind == NULL)
		while (map_next(c->agents, &it, &key) != NULL)
			words[n++] = key;
	else
		for (i = 0; i < resources_n(c->after); i++)
			if (resources_at(c->after, i)->kind == kind)
				words[n++] = resources_at(c->after, i)->name;
	words[n] = NULL;
	near = str_nearest(name, words);
	free(words);
	return near;
}

static void
missing(struct check *c, const struct kind *kind, const char *path,
    const char *name)
{
	const char	*near = suggest(c, kind, name);
	const char	*what = kind == NULL ? "Worker or team member" :
			    kind->name;

	if (near != NULL)
		refuse(c, path, "there is no %s \"%s\"; did you mean \"%s\"?",
		    what, name, near);
	else
		refuse(c, path, "there is no %s \"%s\"; apply it before, or "
		    "in the same paste", what, name);
}

static const struct claim *
find_agent(const struct check *c, const char *name)
{
	uintptr_t	i = (uintptr_t)map_find(c->agents, name);

	return i == 0 ? NULL : &c->claims[i - 1];
}

/* Is there an agent of that name (not runtime name) with a worker's room? */
static bool
is_worker_name(const struct check *c, const char *name)
{
	const struct claim	*cl = find_agent(c, name);

	return cl != NULL && cl->r->kind != manager_kind &&
	    strcmp(cl->name, name) == 0;
}

static void
check_access(struct check *c, const struct resource *r)
{
	const struct json	*v;
	const char		*name;
	char			 path[64];
	size_t			 i = 0;

	v = json_first(json_get(r->spec, "accessibleTeams"));
	for (; v != NULL; v = json_next(v), i++) {
		name = json_value_str(v);
		if (resources_find(c->after, team_kind, name) != NULL)
			continue;
		snprintf(path, sizeof path, "spec.accessibleTeams[%zu]", i);
		missing(c, team_kind, path, name);
	}
	i = 0;
	v = json_first(json_get(r->spec, "accessibleWorkers"));
	for (; v != NULL; v = json_next(v), i++) {
		name = json_value_str(v);
		if (is_worker_name(c, name))
			continue;
		snprintf(path, sizeof path, "spec.accessibleWorkers[%zu]", i);
		missing(c, NULL, path, name);
	}
}

/* A person a Team names: a Human, whose id must be the one given. */
static void
check_person(struct check *c, const struct json *v, const char *path,
    bool may_be_stranger)
{
	const char		*name = json_strd(v, "name", "");
	const char		*given = json_str(v, "matrixUserId");
	const struct resource	*human;
	char			 where[80], *id;

	human = resources_find(c->after, human_kind, name);
	if (human == NULL) {
		snprintf(where, sizeof where, "%s.name", path);
		if (given == NULL || !may_be_stranger)
			missing(c, human_kind, where, name);
		return;
	}
	id = human_id(c, human);
	if (given != NULL && strcmp(given, id) != 0) {
		snprintf(where, sizeof where, "%s.matrixUserId", path);
		refuse(c, where, "Human \"%s\" is %s, not %s; leave "
		    "matrixUserId out", name, id, given);
	}
	free(id);
}

static void
check_people(struct check *c, const struct resource *r)
{
	const struct json	*v;
	char			 path[64];
	size_t			 i = 0;

	if ((v = json_get(r->spec, "admin")) != NULL)
		check_person(c, v, "spec.admin", false);
	v = json_first(json_get(r->spec, "humanMembers"));
	for (; v != NULL; v = json_next(v)) {
		snprintf(path, sizeof path, "spec.humanMembers[%zu]", i++);
		check_person(c, v, path, true);
	}
}

static void
check_one_manager(struct check *c, const struct resource *r)
{
	const struct resource	*other;
	size_t			 i;

	for (i = 0; i < resources_n(c->after); i++) {
		other = resources_at(c->after, i);
		if (other->kind != manager_kind || other == r ||
		    strcmp(other->name, r->name) == 0)
			continue;
		refuse(c, "metadata.name", "there is one Manager per "
		    "instance, and \"%s\" is it; change that one, or delete "
		    "it first", other->name);
		return;
	}
}

/* --- what must not change ------------------------------------------------ */

/* Members that keep their name keep their runtime name. */
static void
check_members_immutable(struct check *c, const struct resource *old,
    const struct resource *r)
{
	struct map		*runtimes = map_new(NULL);
	const struct json	*it = NULL;
	const char		*was;
	struct agent		 a;
	char			 path[80];
	size_t			 i;

	for (i = 0; next_agent(old, i, &it, &a); i++)
		map_set(runtimes, a.name, (void *)(uintptr_t)a.runtime);
	for (i = 0; next_agent(r, i, &it, &a); i++) {
		was = map_find(runtimes, a.name);
		if (was == NULL || strcmp(was, a.runtime) == 0)
			continue;
		agent_path(&a, true, path, sizeof path);
		refuse(c, path, "workerName of %s \"%s\" is \"%s\" and cannot "
		    "become \"%s\"; remove the member and add it anew",
		    a.role, a.name, was, a.runtime);
	}
	map_free(runtimes);
}

/*
 * The runtime name keys accounts, rooms and homes.  Writing down later what it
 * is anyway is fine.
 */
static void
check_immutable(struct check *c, const struct resource *r)
{
	const struct resource	*old;
	const char		*key, *was, *is;
	char			 path[80];

	old = resources_find(c->before, r->kind, r->name);
	if (old == NULL || old->deleting || r->kind == manager_kind)
		return;
	was = resource_runtime_name(old);
	is = resource_runtime_name(r);
	if (strcmp(was, is) != 0) {
		key = r->kind == worker_kind ? "workerName" :
		    r->kind == team_kind ? "teamName" : "username";
		snprintf(path, sizeof path, "spec.%s", key);
		refuse(c, path, "%s of %s \"%s\" is \"%s\" and cannot become "
		    "\"%s\"; delete it and create it anew", key,
		    r->kind->name, r->name, was, is);
	}
	if (r->kind == team_kind)
		check_members_immutable(c, old, r);
}

/* --- who is left behind -------------------------------------------------- */

/* Humans who name an agent that is no longer there: true, but harmless. */
static void
warn_dangling(struct check *c, const struct map *gone)
{
	const struct resource	*h;
	const struct json	*v;
	const char		*name;
	size_t			 i;

	for (i = 0; i < resources_n(c->after); i++) {
		h = resources_at(c->after, i);
		if (h->kind != human_kind)
			continue;
		v = json_first(json_get(h->spec, "accessibleWorkers"));
		for (; v != NULL; v = json_next(v)) {
			name = json_value_str(v);
			if (map_find(gone, name) != NULL)
				warn(c, NULL, "Human \"%s\" still lists "
				    "\"%s\" in accessibleWorkers; nothing "
				    "follows from it any more", h->name, name);
		}
	}
}

/* The names of its agents that no agent has any more. */
static void
note_gone(struct check *c, struct map *gone, const struct resource *r)
{
	const struct json	*it = NULL;
	struct agent		 a;
	size_t			 i;

	for (i = 0; next_agent(r, i, &it, &a); i++)
		if (find_agent(c, a.name) == NULL)
			map_set(gone, a.name, (void *)(uintptr_t)r);
}

/* Members that a changed Team no longer has. */
static void
check_left_members(struct check *c)
{
	struct map		*gone;
	const struct resource	*old;

	for (c->at = 0; c->at < c->n; c->at++) {
		old = resources_find(c->before, c->changed[c->at]->kind,
		    c->changed[c->at]->name);
		if (old == NULL || old->kind != team_kind)
			continue;
		gone = map_new(NULL);
		note_gone(c, gone, old);
		if (map_size(gone) > 0)
			warn_dangling(c, gone);
		map_free(gone);
	}
}

/* --- calls --------------------------------------------------------------- */

static void
check_resource(struct check *c, const struct resource *r)
{
	check_reserved(c, r);
	check_immutable(c, r);
	if (r->kind == team_kind)
		check_people(c, r);
	if (r->kind == human_kind) {
		check_account(c, r);
		check_access(c, r);
	}
	if (r->kind == manager_kind)
		check_one_manager(c, r);
}

static void
check_init(struct check *c)
{
	c->is_changed = map_new(NULL);
	c->agents = map_new(NULL);
	c->teams = map_new(NULL);
	c->users = map_new(NULL);
	c->ids = map_new(NULL);
}

static void
check_release(struct check *c)
{
	map_free(c->is_changed);
	map_free(c->agents);
	map_free(c->teams);
	map_free(c->users);
	map_free(c->ids);
	free(c->claims);
}

/* Claims of everything that is not to blame. */
static void
claim_unchanged(struct check *c)
{
	struct resource	*r;
	char		*key;
	size_t		 i;

	for (i = 0; i < c->n; i++) {
		key = xasprintf("%s/%s", c->changed[i]->kind->name,
		    c->changed[i]->name);
		map_set(c->is_changed, key, c->changed[i]);
		free(key);
	}
	c->loud = false;
	for (i = 0; i < resources_n(c->after); i++) {
		r = resources_at(c->after, i);
		key = xasprintf("%s/%s", r->kind->name, r->name);
		if (map_find(c->is_changed, key) == NULL)
			claim_all(c, r);
		free(key);
	}
}

void
resources_check(const struct resources *before,
    const struct resources *after, struct resource *const *changed,
    const struct place *places, size_t n, const char *domain,
    const char *prefix, struct problems *problems)
{
	struct check	c = {
		.before = before, .after = after, .changed = changed,
		.places = places, .n = n, .domain = domain, .prefix = prefix,
		.problems = problems
	};

	check_init(&c);
	claim_unchanged(&c);
	c.loud = true;
	for (c.at = 0; c.at < n; c.at++)
		claim_all(&c, changed[c.at]);
	for (c.at = 0; c.at < n; c.at++)
		check_resource(&c, changed[c.at]);
	check_left_members(&c);
	check_release(&c);
}

/* A Team cannot lose its people unasked. */
static void
check_team_people(struct check *c, const struct resource *team,
    const struct map *humans)
{
	const struct json	*v = json_get(team->spec, "admin");
	const char		*name = json_strd(v, "name", "");

	if (map_find(humans, name) != NULL)
		refuse(c, NULL, "Team \"%s\" names Human \"%s\" as its admin; "
		    "change the Team first", team->name, name);
	v = json_first(json_get(team->spec, "humanMembers"));
	for (; v != NULL; v = json_next(v)) {
		name = json_strd(v, "name", "");
		if (map_find(humans, name) != NULL &&
		    json_str(v, "matrixUserId") == NULL)
			refuse(c, NULL, "Team \"%s\" names Human \"%s\" as a "
			    "member; change the Team first", team->name, name);
	}
}

static void
warn_team_gone(struct check *c, const struct resource *human,
    const struct map *teams)
{
	const struct json	*v;
	const char		*name;

	v = json_first(json_get(human->spec, "accessibleTeams"));
	for (; v != NULL; v = json_next(v)) {
		name = json_value_str(v);
		if (map_find(teams, name) != NULL)
			warn(c, NULL, "Human \"%s\" still lists \"%s\" in "
			    "accessibleTeams; nothing follows from it any "
			    "more", human->name, name);
	}
}

void
resources_check_delete(const struct resources *after,
    struct resource *const *gone, size_t n, struct problems *problems)
{
	struct check	 c = {
		.before = after, .after = after, .problems = problems,
		.domain = "", .prefix = ""
	};
	struct map	*agents = map_new(NULL), *teams = map_new(NULL);
	struct map	*humans = map_new(NULL);
	struct resource	*r;
	size_t		 i;

	check_init(&c);
	claim_unchanged(&c);
	for (i = 0; i < n; i++) {
		note_gone(&c, agents, gone[i]);
		if (gone[i]->kind == team_kind)
			map_set(teams, gone[i]->name, gone[i]);
		if (gone[i]->kind == human_kind)
			map_set(humans, gone[i]->name, gone[i]);
	}
	for (i = 0; i < resources_n(after); i++) {
		r = resources_at(after, i);
		if (r->kind == team_kind)
			check_team_people(&c, r, humans);
		if (r->kind == human_kind)
			warn_team_gone(&c, r, teams);
	}
	warn_dangling(&c, agents);
	map_free(agents);
	map_free(teams);
	map_free(humans);
	check_release(&c);
}
