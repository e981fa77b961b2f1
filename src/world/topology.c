/*
 * Rooms: which there are and who is in them.  The one place where membership is
 * computed, from all resources at once, so that a Team and a Human can never
 * pull a room in two directions.
 *
 * The table of design section 7 is kinds[] below and one function per kind that
 * names its members.  Every room is filled the same way: begin, members, end;
 * end writes the desired form (the contract is in hiclaw/matrix.h), what the
 * room depends on, and remembers its people for the spaces above it.
 *
 * Who asks why somebody is in a room runs the same functions for that room alone:
 * each addition names its reason, and nothing is written.
 *
 * People whose account is ours to make are named by a reference to that
 * account, and the room does not depend on it: an account that cannot be made
 * blocks nobody, and once it is there the room is due again and invites.
 */
#include "world-int.h"

#include <stdlib.h>
#include <string.h>

#define POWER_ADMIN	100	/* configured admins, tier 1 */
#define POWER_DEPUTY	75	/* a team's own admin, in that team's rooms */
#define POWER_LEAD	50	/* leader, manager */

enum room_kind { ROOM_ADMIN, ROOM_MANAGER, ROOM_WORKER, ROOM_LEADER, ROOM_TEAM,
    ROOM_LEADERDM, ROOM_SPACE, ROOM_DM, ROOM_KINDS };

static const struct {
	const char	*word;		/* of key, alias and avatar */
	const char	*title;		/* name, or what stands before it */
} room_kinds[ROOM_KINDS] = {
	[ROOM_ADMIN] = { "admin", "HiClaw admin" },
	[ROOM_MANAGER] = { "manager", "Manager" },
	[ROOM_WORKER] = { "worker", "Worker" },
	[ROOM_LEADER] = { "leader", "Leader of" },
	[ROOM_TEAM] = { "team", "Team" },
	[ROOM_LEADERDM] = { "leaderdm", "Leader DM" },
	[ROOM_SPACE] = { "space", "HiClaw" },
	[ROOM_DM] = { "dm", "HiClaw" },
};

struct member {
	const char	*user;
	const char	*account;	/* of a person to be made; or NULL */
	const char	*agent;		/* display name of an agent; or NULL */
	int		 power;
};

struct topology {
	struct world	*world;
	struct census	*census;
	const struct resource *team;	/* whose rooms are in hand, or NULL */
	const struct person *deputy;	/* its admin, or NULL */
	bool		 has_avatar[ROOM_KINDS];
	struct people	 in_house, in_team;	/* in rooms below the spaces;
						 * with repeats */
	/* the room in hand */
	enum room_kind	 kind;
	const char	*subject;	/* runtime name or Matrix id, or NULL */
	const char	*owner;
	char		*name, *topic;	/* topic may be NULL */
	struct member	*members;
	size_t		 n, cap;
	struct people	 people;	/* those of the members */
	struct buf	 text;
	const struct room_ask *ask;	/* NULL: all rooms are made */
};

/* --- one room ------------------------------------------------------------- */

/* "room:worker/alice"; yours. */
static char *
room_key(enum room_kind kind, const char *subject)
{
	const char *word = room_kinds[kind].word;

	return subject == NULL ? xasprintf("room:%s", word) :
	    xasprintf("room:%s/%s", word, subject);
}

/* Of thousands all but one are not. */
static bool
is_asked_about(const struct topology *t, enum room_kind kind,
    const char *subject)
{
	const char *word = room_kinds[kind].word, *key = t->ask->key;

	if (!str_starts(key, "room:") || !str_starts(key + 5, word))
		return false;
	key += 5 + strlen(word);
	return subject == NULL ? *key == '\0' :
	    *key == '/' && strcmp(key + 1, subject) == 0;
}

/* Takes topic.  False: it is about another room. */
static bool
room_begin(struct topology *t, enum room_kind kind, const char *subject,
    const char *owner, const char *name, char *topic)
{
	if (t->ask != NULL && !is_asked_about(t, kind, subject)) {
		free(topic);
		return false;
	}
	t->kind = kind;
	t->subject = subject;
	t->owner = owner;
	t->name = name == NULL ? xstrdup(room_kinds[kind].title) :
	    xasprintf("%s %s", room_kinds[kind].title, name);
	t->topic = topic;
	t->n = 0;
	t->people.n = 0;
	return true;
}

static struct member *
add_member(struct topology *t)
{
	if (t->n == t->cap) {
		t->cap = t->cap == 0 ? 16 : t->cap * 2;
		t->members = xreallocarray(t->members, t->cap,
		    sizeof(t->members[0]));
	}
	return &t->members[t->n++];
}

static void
add_agent(struct topology *t, const struct agent *a)
{
	if (a == NULL)
		return;
	if (t->ask != NULL)
		t->ask->agent(t->ask->arg, a);
	*add_member(t) = (struct member){
		.user = a->user, .agent = a->runtime,
		.power = a->role == AGENT_LEADER || a->role == AGENT_MANAGER ?
		    POWER_LEAD : 0,
	};
}

static void
add_person(struct topology *t, struct person *p, enum room_why why)
{
	if (p == NULL)
		return;
	if (t->ask != NULL)
		t->ask->person(t->ask->arg, p, why);
	people_add(&t->people, p);
}

static void
add_people(struct topology *t, const struct people *ps, enum room_why why)
{
	size_t i;

	for (i = 0; i < ps->n; i++)
		add_person(t, ps->v[i], why);
}

static void
add_coordinators(struct topology *t)
{
	struct people ps = { 0 };

	census_coordinators(t->census, t->team, &ps);
	add_people(t, &ps, WHY_COORDINATOR);
	people_release(&ps);
}

/* The admins, in a team's rooms replaced by the team's own. */
static void
add_admins(struct topology *t)
{
	if (t->deputy != NULL)
		add_person(t, (struct person *)(uintptr_t)t->deputy,
		    WHY_TEAM_ADMIN);
	else
		add_people(t, &t->census->admins, WHY_ADMIN);
}

static int
person_power(const struct topology *t, const struct person *p)
{
	if (p->tier == 1)
		return POWER_ADMIN;
	return p == t->deputy ? POWER_DEPUTY : 0;
}

static int
member_cmp(const void *a, const void *b)
{
	return strcmp(((const struct member *)a)->user,
	    ((const struct member *)b)->user);
}

/* Everybody once, in order, people among the agents. */
static void
settle_members(struct topology *t)
{
	const struct person *p;
	size_t i;

	people_settle(&t->people);
	for (i = 0; i < t->people.n; i++) {
		p = t->people.v[i];
		*add_member(t) = (struct member){
			.user = p->user, .account = p->account,
			.power = person_power(t, p),
		};
	}
	if (t->n > 0)
		qsort(t->members, t->n, sizeof(t->members[0]), member_cmp);
}

static void
write_members(struct topology *t)
{
	struct buf *b = &t->text;
	const struct member *m;

	jw_key(b, "members");
	jw_open(b);
	for (m = t->members; m < t->members + t->n; m++)
		if (m->account != NULL)
			jw_ref(b, m->user, m->account, "user");
		else
			jw_str(b, m->user, m->agent != NULL ? "agent" :
			    "person");
	jw_close(b);
}

static void
write_names(struct topology *t)
{
	struct buf *b = &t->text;
	const struct member *m;

	jw_str(b, "name", t->name);
	jw_key(b, "names");
	jw_open(b);
	for (m = t->members; m < t->members + t->n; m++)
		if (m->agent != NULL)
			jw_str(b, m->user, m->agent);
	jw_close(b);
}

static void
write_power(struct topology *t)
{
	struct buf *b = &t->text;
	const struct member *m;

	jw_key(b, "power");
	jw_open(b);
	for (m = t->members; m < t->members + t->n; m++)
		if (m->power > 0)
			jw_int(b, m->user, m->power);
	jw_close(b);
}

/* In order of keys, as canonical JSON has them. */
static char *
write_room(struct topology *t, const char *media, const char *parent)
{
	const struct world_config *cfg = t->census->cfg;
	struct buf *b = &t->text;
	char *alias;

	jw_open(b);
	if (t->kind != ROOM_DM) {
		alias = xasprintf("%s_%s%s%s", cfg->prefix,
		    room_kinds[t->kind].word, t->subject == NULL ? "" : "_",
		    t->subject == NULL ? "" : t->subject);
		jw_str(b, "alias", alias);
		free(alias);
	}
	jw_ref(b, "avatar", media, "mxc");
	if (t->kind == ROOM_DM)
		jw_str(b, "direct", t->subject);
	jw_bool(b, "federate", cfg->federate);
	jw_str(b, "history", "shared");
	jw_str(b, "join_rule", "invite");
	write_members(t);
	write_names(t);
	if (parent != NULL)
		jw_ref(b, "parent", parent, "room_id");
	write_power(t);
	if (t->kind == ROOM_SPACE)
		jw_bool(b, "space", true);
	if (t->topic != NULL)
		jw_str(b, "topic", t->topic);
	jw_str(b, "version", cfg->room_version);
	jw_close(b);
	return jw_done(b);
}

static void
add_account_deps(struct topology *t, struct object *o)
{
	const struct member *m;

	for (m = t->members; m < t->members + t->n; m++)
		if (m->agent != NULL)
			strv_addf(&o->deps, "account:%s", m->agent);
}

static void
remember_people(struct topology *t)
{
	size_t i;

	if (t->kind == ROOM_DM)
		return;
	for (i = 0; i < t->people.n; i++) {
		people_add(&t->in_house, t->people.v[i]);
		if (t->team != NULL)
			people_add(&t->in_team, t->people.v[i]);
	}
}

/* parent NULL: in no space. */
static void
room_write(struct topology *t, const char *parent)
{
	char *media = xasprintf("media:avatar/%s", room_kinds[t->kind].word);
	struct object *o;

	settle_members(t);
	remember_people(t);
	t->has_avatar[t->kind] = true;
	o = world_add(t->world, room_key(t->kind, t->subject), t->owner,
	    write_room(t, media, parent));
	if (parent != NULL)
		strv_add(&o->deps, parent);
	strv_add(&o->deps, media);
	add_account_deps(t, o);
	free(media);
}

static void
room_end(struct topology *t, const char *parent)
{
	if (t->ask == NULL)
		room_write(t, parent);
	free(t->name);
	free(t->topic);
	t->name = t->topic = NULL;
}

/* --- rooms of the house --------------------------------------------------- */

#define HOUSE	"room:space"

static void
admin_room(struct topology *t)
{
	if (!room_begin(t, ROOM_ADMIN, NULL, "", NULL,
	    xstrdup("Paste YAML here, or ask: @hiclaw help")))
		return;
	add_people(t, &t->census->admins, WHY_ADMIN);
	add_people(t, &t->census->tier1, WHY_TIER_1);
	room_end(t, HOUSE);
}

static void
manager_room(struct topology *t, const struct agent *a)
{
	char *owner = owner_of(a->resource);

	if (room_begin(t, ROOM_MANAGER, a->runtime, owner, a->name,
	    xstrdup("The Manager and the admins"))) {
		add_agent(t, a);
		add_people(t, &t->census->admins, WHY_ADMIN);
		room_end(t, HOUSE);
	}
	free(owner);
}

static void
standalone_room(struct topology *t, const struct agent *a)
{
	char *owner = owner_of(a->resource);

	if (room_begin(t, ROOM_WORKER, a->runtime, owner, a->name,
	    xasprintf("Worker %s, in no team", a->name))) {
		add_agent(t, a);
		add_agent(t, t->census->manager);
		add_people(t, &t->census->admins, WHY_ADMIN);
		add_people(t, &t->census->tier1, WHY_TIER_1);
		add_people(t, census_named(t->census->of_worker, a->name),
		    WHY_WORKERS);
		room_end(t, HOUSE);
	}
	free(owner);
}

static void
dm_room(struct topology *t, const char *user)
{
	if (!room_begin(t, ROOM_DM, user, "", NULL, NULL))
		return;
	add_person(t, census_person(t->census, user), WHY_SPOKE);
	room_end(t, NULL);
}

static void
house_space(struct topology *t)
{
	if (!room_begin(t, ROOM_SPACE, NULL, "", NULL,
	    xstrdup("Rooms of people and agents")))
		return;
	people_settle(&t->in_house);
	add_people(t, &t->in_house, WHY_BELOW);
	room_end(t, NULL);
}

/* --- rooms of a team ------------------------------------------------------ */

/*
 * What the functions below share.  Members of the team are the n agents from
 * `leader` on.
 */
struct team_rooms {
	const char	*name, *runtime;
	char		*owner, *space;	/* "Team/x", "room:space/x" */
	const struct agent *agents;	/* leader first */
	size_t		 n;
};

/* Manager and leader; no team admin here, but the admins of the house. */
static void
leader_room(struct topology *t, const struct team_rooms *r)
{
	if (!room_begin(t, ROOM_LEADER, r->runtime, r->owner, r->name,
	    xasprintf("The Manager and %s, leader of team %s",
	    r->agents[0].name, r->name)))
		return;
	add_agent(t, &r->agents[0]);
	add_agent(t, t->census->manager);
	add_people(t, &t->census->admins, WHY_ADMIN);
	add_people(t, &t->census->tier1, WHY_TIER_1);
	room_end(t, r->space);
}

static void
team_room(struct topology *t, const struct team_rooms *r)
{
	const char *about = json_str(t->team->spec, "description");
	size_t i;

	/* A topic always: a description taken away must go from the room. */
	if (!room_begin(t, ROOM_TEAM, r->runtime, r->owner, r->name,
	    about != NULL && about[0] != '\0' ? xstrdup(about) :
	    xasprintf("Everybody of team %s", r->name)))
		return;
	for (i = 0; i < r->n; i++)
		add_agent(t, &r->agents[i]);
	add_admins(t);
	add_coordinators(t);
	add_people(t, &t->census->tier1, WHY_TIER_1);
	add_people(t, census_named(t->census->of_team, r->name), WHY_TEAMS);
	room_end(t, r->space);
}

static void
team_worker_room(struct topology *t, const struct team_rooms *r,
    const struct agent *a)
{
	if (!room_begin(t, ROOM_WORKER, a->runtime, r->owner, a->name,
	    xasprintf("Worker %s of team %s", a->name, r->name)))
		return;
	add_agent(t, a);
	add_agent(t, &r->agents[0]);
	add_admins(t);
	add_people(t, &t->census->tier1, WHY_TIER_1);
	add_people(t, census_named(t->census->of_team, r->name), WHY_TEAMS);
	add_people(t, census_named(t->census->of_worker, a->name),
	    WHY_WORKERS);
	room_end(t, r->space);
}

static void
leaderdm_room(struct topology *t, const struct team_rooms *r)
{
	if (!room_begin(t, ROOM_LEADERDM, r->runtime, r->owner, r->name,
	    xasprintf("%s, leader of team %s, and who runs the team",
	    r->agents[0].name, r->name)))
		return;
	add_agent(t, &r->agents[0]);
	add_admins(t);
	room_end(t, r->space);
}

static void
team_space(struct topology *t, const struct team_rooms *r)
{
	if (!room_begin(t, ROOM_SPACE, r->runtime, r->owner, NULL,
	    xasprintf("Rooms of team %s", r->name)))
		return;
	free(t->name);
	t->name = xstrdup(r->name);
	people_settle(&t->in_team);
	add_people(t, &t->in_team, WHY_BELOW);
	room_end(t, HOUSE);
}

/* agents[0] is the leader, the workers follow; how many there are of it. */
static size_t
team_rooms(struct topology *t, const struct agent *agents, size_t left)
{
	const struct resource *team = agents[0].resource;
	struct team_rooms r = {
		.name = team->name, .runtime = resource_runtime_name(team),
		.agents = agents,
	};
	size_t i;

	while (r.n < left && agents[r.n].resource == team)
		r.n++;
	r.owner = owner_of(team);
	r.space = xasprintf("room:space/%s", r.runtime);
	t->team = team;
	t->deputy = census_team_admin(t->census, team);
	t->in_team.n = 0;
	leader_room(t, &r);
	team_room(t, &r);
	for (i = 1; i < r.n; i++)
		team_worker_room(t, &r, &agents[i]);
	leaderdm_room(t, &r);
	team_space(t, &r);
	t->team = NULL;
	t->deputy = NULL;
	free(r.owner);
	free(r.space);
	return r.n;
}

/* -------------------------------------------------------------------------- */

static void
add_avatars(struct topology *t)
{
	const char *word;
	int i;

	for (i = 0; i < ROOM_KINDS; i++) {
		if (!t->has_avatar[i])
			continue;
		word = room_kinds[i].word;
		world_add(t->world, xasprintf("media:avatar/%s", word), "",
		    xasprintf("{\"file\":\"avatars/%s.png\"}", word));
	}
}

static void
all_rooms(struct topology *t)
{
	const struct census *c = t->census;
	const struct strv *dms = c->cfg->dms;
	const struct agent *a;
	size_t i;

	admin_room(t);
	for (i = 0; i < c->agents.n; i++) {
		a = &c->agents.v[i];
		if (a->role == AGENT_MANAGER)
			manager_room(t, a);
		else if (a->role == AGENT_STANDALONE)
			standalone_room(t, a);
		else
			i += team_rooms(t, a, c->agents.n - i) - 1;
	}
	house_space(t);
	for (i = 0; dms != NULL && i < dms->n; i++)
		if (!is_our_user(c->cfg, dms->v[i]))
			dm_room(t, dms->v[i]);
}

static void
topology_release(struct topology *t)
{
	people_release(&t->in_house);
	people_release(&t->in_team);
	people_release(&t->people);
	free(t->members);
	buf_release(&t->text);
}

void
topology_add(struct world *w, struct census *c)
{
	struct topology t = { .world = w, .census = c };

	all_rooms(&t);
	add_avatars(&t);
	topology_release(&t);
}

void
topology_ask(struct census *c, const struct room_ask *ask)
{
	struct topology t = { .census = c, .ask = ask };

	all_rooms(&t);
	topology_release(&t);
}
