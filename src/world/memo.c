/*
 * Homes that were compiled before.  An agent's files are most of the world and
 * nearly all of the work, and hardly ever do they change with what a person asks
 * for.  So they are kept with everything they are made of: the resource itself,
 * and a print of what else they say, which is whom the agent hears, what those
 * people are called and may do, who manages it.
 *
 * What is missing in the print would make a stale file: a test compiles after
 * each of many changes with and without.  The Manager's home says something of
 * everybody and is never kept.
 */
#include "files-int.h"

#include <stdlib.h>
#include <string.h>

/* Objects that worlds and the memory share. */
struct part {
	size_t		 refs;
	struct object	*v;
	size_t		 n;
};

struct kept {
	struct resource	*resource;	/* held, so that no other is there */
	char		*print;
	struct part	*part;
	unsigned	 turn;		/* when it was used last */
};

struct world_memo {
	struct map	*kept;		/* agent -> struct kept */
	unsigned	 turn;
};

/* --- parts ---------------------------------------------------------------- */

struct part *
part_new(const struct object *v, size_t n)
{
	struct part *p = xcalloc(1, sizeof(*p));

	p->refs = 1;
	p->n = n;
	p->v = xcalloc(n + 1, sizeof(*v));
	if (n > 0)
		memcpy(p->v, v, n * sizeof(*v));
	return p;
}

const struct object *
part_objects(const struct part *p, size_t *n)
{
	*n = p->n;
	return p->v;
}

struct part *
part_ref(struct part *p)
{
	p->refs++;
	return p;
}

void
part_unref(struct part *p)
{
	if (p == NULL || --p->refs > 0)
		return;
	for (size_t i = 0; i < p->n; i++)
		object_release(&p->v[i]);
	free(p->v);
	free(p);
}

/* --- what is kept --------------------------------------------------------- */

static void
free_kept(void *v)
{
	struct kept *k = v;

	resource_unref(k->resource);
	part_unref(k->part);
	free(k->print);
	free(k);
}

struct world_memo *
world_memo_new(void)
{
	struct world_memo *m = xcalloc(1, sizeof(*m));

	m->kept = map_new(free_kept);
	return m;
}

void
world_memo_free(struct world_memo *m)
{
	if (m == NULL)
		return;
	map_free(m->kept);
	free(m);
}

struct part *
memo_find(struct world_memo *m, const struct agent *a, const char *print)
{
	struct kept *k = m != NULL ? map_find(m->kept, a->runtime) : NULL;

	if (k == NULL || k->resource != a->resource ||
	    strcmp(k->print, print) != 0)
		return NULL;
	k->turn = m->turn;
	return k->part;
}

void
memo_keep(struct world_memo *m, const struct agent *a, const char *print,
    struct part *part)
{
	struct kept *k = xcalloc(1, sizeof(*k));

	k->resource = resource_ref((struct resource *)(uintptr_t)a->resource);
	k->print = xstrdup(print);
	k->part = part_ref(part);
	k->turn = m->turn;
	map_set(m->kept, a->runtime, k);
}

/* Those of agents that are gone go when they are many. */
void
memo_turn(struct world_memo *m, size_t agents)
{
	struct strv old = { 0 };
	struct kept *k;
	const char *name;
	void *at;

	if (map_size(m->kept) > agents * 2 + 64) {
		for (at = NULL; (k = map_next(m->kept, &at, &name)) != NULL;)
			if (k->turn != m->turn)
				strv_add(&old, name);
		for (size_t i = 0; i < old.n; i++)
			map_remove(m->kept, old.v[i]);
		strv_release(&old);
	}
	m->turn++;
}

/* --- the print ------------------------------------------------------------ */

static void
print_person(struct buf *b, const struct home *h, const struct person *p)
{
	const char *shown = map_find(h->shown, p->user);

	buf_printf(b, "%s\n%d %d %s\n", p->user, p->tier, p->is_admin,
	    shown != NULL ? shown : "");
}

static void
print_people(struct buf *b, const struct home *h, const struct people *ps)
{
	for (size_t i = 0; i < ps->n; i++)
		print_person(b, h, ps->v[i]);
	buf_puts(b, "\n");
}

static void
print_names(struct buf *b, const struct home *h, const struct strv *names)
{
	for (size_t i = 0; i < names->n; i++)
		if (is_our_user(h->cfg, names->v[i]))
			buf_printf(b, "%s\n", names->v[i]);
		else
			print_person(b, h, census_person(h->census,
			    names->v[i]));
	buf_puts(b, "\n");
}

static void
print_team(struct buf *b, const struct home *h)
{
	struct person *admin = census_team_admin(h->census, h->team);
	struct people ps = { 0 };

	if (admin != NULL)
		print_person(b, h, admin);
	buf_puts(b, "\n");
	census_coordinators(h->census, h->team, &ps);
	print_people(b, h, &ps);
	people_release(&ps);
}

char *
memo_print(const struct home *h)
{
	const struct agent *manager = h->census->manager;
	char *container = xasprintf("container:%s", h->agent->name);
	char *remote = xasprintf("remote:%s", h->agent->name);
	const struct json *restarts = h->cfg->containers.restarts;
	struct buf b = { 0 };

	buf_printf(&b, "%s\n%s\n%lld %lld %lld\n", h->agent->name,
	    manager != NULL ? manager->user : "",
	    (long long)json_int(restarts, container, 0),
	    (long long)json_int(restarts, remote, 0),
	    (long long)h->cfg->containers.token_period);
	print_people(&b, h, &h->census->admins);
	print_names(&b, h, &h->allow.group);
	print_names(&b, h, &h->allow.dm);
	if (h->team != NULL)
		print_team(&b, h);
	free(remote);
	free(container);
	return buf_take(&b);
}
