/*
 * The census: everybody there is, with the lists that rooms and policy ask for
 * over and over.  Taken once per compile, so that ten thousand workers and a
 * thousand Humans are looked at once each and not once for each other.
 *
 * A person is one Matrix id, whatever names it: configured admin, Human,
 * coordinator, partner of a DM.  A person keeps its best tier; what a Human may
 * enter follows from that Human's own level.
 */
#include "world-int.h"

#include <stdlib.h>
#include <string.h>

/* --- lists of people ------------------------------------------------------ */

void
people_add(struct people *ps, struct person *p)
{
	if (ps->n == ps->cap) {
		ps->cap = ps->cap == 0 ? 4 : ps->cap * 2;
		ps->v = xreallocarray(ps->v, ps->cap, sizeof(ps->v[0]));
	}
	ps->v[ps->n++] = p;
}

static int
person_cmp(const void *a, const void *b)
{
	return strcmp((*(struct person *const *)a)->user,
	    (*(struct person *const *)b)->user);
}

void
people_settle(struct people *ps)
{
	size_t i, n = 0;

	if (ps->n == 0)
		return;
	qsort(ps->v, ps->n, sizeof(ps->v[0]), person_cmp);
	for (i = 0; i < ps->n; i++)
		if (n == 0 || ps->v[n - 1] != ps->v[i])
			ps->v[n++] = ps->v[i];
	ps->n = n;
}

void
people_release(struct people *ps)
{
	free(ps->v);
	*ps = (struct people){0};
}

static void
people_free(void *arg)
{
	people_release(arg);
	free(arg);
}

const struct people *
census_named(const struct map *m, const char *name)
{
	static const struct people nobody;
	const struct people *ps = map_find(m, name);

	return ps == NULL ? &nobody : ps;
}

static void
add_named(struct map *m, const char *name, struct person *p)
{
	struct people *ps;

	if (name == NULL)
		return;
	if ((ps = map_find(m, name)) == NULL) {
		ps = xcalloc(1, sizeof(*ps));
		map_set(m, name, ps);
	}
	people_add(ps, p);
}

/* --- taking it ------------------------------------------------------------ */

struct person *
census_person(struct census *c, const char *user)
{
	struct person *p = map_find(c->by_user, user);

	if (p != NULL)
		return p;
	p = xcalloc(1, sizeof(*p));
	p->user = xstrdup(user);
	people_add(&c->everybody, p);
	map_set(c->by_user, user, p);
	return p;
}

static void
take_human(struct census *c, const struct resource *r)
{
	char *user = human_user(c->cfg, r);
	struct person *p = census_person(c, user);
	int level = (int)json_int(r->spec, "permissionLevel", 3);
	const struct json *v;

	free(user);
	map_set(c->by_human, r->name, p);
	if (p->tier == 0 || level < p->tier)
		p->tier = level;
	/* A configured admin has the account already. */
	if (json_str(r->spec, "matrixUserId") == NULL && !p->is_admin &&
	    p->account == NULL)
		p->account = xasprintf("human:%s", resource_runtime_name(r));
	if (level == 1) {
		people_add(&c->tier1, p);
		return;
	}
	if (level == 2)
		for (v = json_first(json_get(r->spec, "accessibleTeams"));
		    v != NULL; v = json_next(v))
			add_named(c->of_team, json_value_str(v), p);
	for (v = json_first(json_get(r->spec, "accessibleWorkers"));
	    v != NULL; v = json_next(v))
		add_named(c->of_worker, json_value_str(v), p);
}

void
census_take(struct census *c, const struct world_config *cfg,
    const struct resources *rs)
{
	const struct kind *human = kind_find("human");
	struct person *p;
	size_t i;

	*c = (struct census){ .cfg = cfg, .resources = rs };
	c->by_user = map_new(NULL);
	c->by_human = map_new(NULL);
	c->of_team = map_new(people_free);
	c->of_worker = map_new(people_free);
	agents_list(cfg, rs, &c->agents);
	for (i = 0; i < c->agents.n && c->manager == NULL; i++)
		if (c->agents.v[i].role == AGENT_MANAGER)
			c->manager = &c->agents.v[i];
	for (i = 0; cfg->admins != NULL && i < cfg->admins->n; i++) {
		p = census_person(c, cfg->admins->v[i]);
		p->is_admin = true;
		p->tier = 1;
		people_add(&c->admins, p);
	}
	for (i = 0; i < resources_n(rs); i++)
		if (resources_at(rs, i)->kind == human)
			take_human(c, resources_at(rs, i));
	people_settle(&c->admins);
	people_settle(&c->tier1);
}

void
census_release(struct census *c)
{
	size_t i;

	for (i = 0; i < c->everybody.n; i++) {
		free(c->everybody.v[i]->user);
		free(c->everybody.v[i]->account);
		free(c->everybody.v[i]);
	}
	people_release(&c->everybody);
	people_release(&c->admins);
	people_release(&c->tier1);
	map_free(c->by_user);
	map_free(c->by_human);
	map_free(c->of_team);
	map_free(c->of_worker);
	agents_release(&c->agents);
	*c = (struct census){0};
}

/* --- people of a team ----------------------------------------------------- */

/* {name, matrixUserId?}: a Human of that name, the id given, @name:domain. */
static struct person *
find_named(struct census *c, const struct json *who)
{
	const char *name = json_str(who, "name");
	const char *user = json_str(who, "matrixUserId");
	struct person *p;
	char *made;

	if (name != NULL && (p = map_find(c->by_human, name)) != NULL &&
	    (user == NULL || strcmp(user, p->user) == 0))
		return p;
	if (user != NULL)
		return census_person(c, user);
	if (name == NULL)
		return NULL;
	made = xasprintf("@%s:%s", name, c->cfg->domain);
	p = census_person(c, made);
	free(made);
	return p;
}

struct person *
census_team_admin(struct census *c, const struct resource *team)
{
	return find_named(c, json_get(team->spec, "admin"));
}

void
census_coordinators(struct census *c, const struct resource *team,
    struct people *out)
{
	const struct json *v = json_first(json_get(team->spec, "humanMembers"));
	struct person *p;
	const char *role;

	for (; v != NULL; v = json_next(v)) {
		role = json_strd(v, "role", "");
		if (role[0] != '\0' && strcmp(role, "coordinator") != 0)
			continue;
		if ((p = find_named(c, v)) != NULL)
			people_add(out, p);
	}
}
