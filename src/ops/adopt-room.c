/*
 * What others did in rooms, declared: who came in and who was put out, the power of
 * people, the topic of a team's room.
 */
#include "adopt-int.h"

#include <stdlib.h>
#include <string.h>

/* --- the topic ----------------------------------------------------------- */

void
adopt_topic(struct adopting *a)
{
	if (a->from == NULL)
		adopt_cannot(a, "a team's room always has a topic");
	else
		json_set_str(adopt_spec(a, a->team), "description", a->from);
}

/* --- who came in --------------------------------------------------------- */

static void
human_list(struct adopting *a, const struct resource *human, const char *list,
    const char *name)
{
	if (!json_has_str(json_get(human->spec, list), name))
		adopt_add(adopt_spec(a, human), list, json_string(name));
}

/* Of somebody in a team's room whom no list of a Human lets in. */
static void
add_coordinator(struct adopting *a, const struct resource *human,
    const char *user)
{
	struct json *item = json_object();
	char *local = xstrndup(user + 1, strcspn(user + 1, ":"));

	json_set_str(item, "name", human != NULL ? human->name : local);
	if (human == NULL)
		json_set_str(item, "matrixUserId", user);
	adopt_add(adopt_spec(a, a->team), "humanMembers", item);
	free(local);
}

static bool
is_room(const struct adopting *a, const char *kind)
{
	return str_starts(a->key, "room:") &&
	    str_starts(a->key + strlen("room:"), kind);
}

/* It is all that makes one an admin of the house. */
static void
raise_to_tier_1(struct adopting *a, const struct resource *human)
{
	json_set_int(adopt_spec(a, human), "permissionLevel", 1);
}

static void
came_in(struct adopting *a, const char *user)
{
	const struct resource *human;
	int64_t level;

	person_tier(a->cfg, a->rs, user, &human);
	level = human == NULL ? 0 : json_int(human->spec, "permissionLevel", 3);
	if (is_our_user(a->cfg, user))
		adopt_cannot(a, "%s is an agent: which rooms it is in follows "
		    "from what it is", user);
	else if (is_room(a, "team/") && a->team != NULL && level == 2)
		human_list(a, human, "accessibleTeams", a->team->name);
	else if (is_room(a, "team/") && a->team != NULL)
		add_coordinator(a, human, user);
	else if (human == NULL)
		adopt_cannot(a, "%s is not declared: declare a Human first",
		    user);
	else if (is_room(a, "worker/") && a->origin.agent != NULL && level > 1)
		human_list(a, human, "accessibleWorkers",
		    a->origin.agent->name);
	else if (is_room(a, "admin"))
		raise_to_tier_1(a, human);
	else
		adopt_cannot(a, "no field lets Human/%s into this room alone",
		    human->name);
}

/* --- who was put out ----------------------------------------------------- */

struct leaving {
	struct adopting	*a;
	const char	*user;
	size_t		 n;
	bool		 stays;		/* for another reason than a list */
};

static bool
is_name(const struct json *item, const void *name)
{
	return str_equal(json_value_str(item), name);
}

static bool
is_item(const struct json *item, const void *other)
{
	return json_equal(item, other);
}

/* The items of humanMembers that are this person. */
static void
drop_coordinator(struct adopting *a, const char *user)
{
	struct json *spec = adopt_spec(a, a->team);
	const struct kind *human = kind_find("Human");
	const struct json *v;

	v = json_first(json_get(a->team->spec, "humanMembers"));
	for (; v != NULL; v = json_next(v)) {
		const char *name = json_strd(v, "name", "");
		const char *given = json_str(v, "matrixUserId");
		const struct resource *r = resources_find(a->rs, human, name);
		char *own = given != NULL ? xstrdup(given) : r != NULL ?
		    human_user(a->cfg, r) : xasprintf("@%s:%s", name,
		    a->cfg->domain);

		if (strcmp(own, user) == 0)
			adopt_drop(spec, "humanMembers", is_item, v);
		free(own);
	}
}

/* Is the list about this room, and not about more than that? */
static bool
is_of_room(const struct adopting *a, const struct member_origin *m)
{
	return is_room(a, "team/") ? strcmp(m->field,
	    "spec.accessibleTeams") == 0 || strcmp(m->field,
	    "spec.humanMembers") == 0 : is_room(a, "worker/") &&
	    strcmp(m->field, "spec.accessibleWorkers") == 0;
}

static void
see_reason(void *arg, const struct member_origin *m)
{
	struct leaving *l = arg;
	struct adopting *a = l->a;

	if (strcmp(m->user, l->user) != 0)
		return;
	l->n++;
	if (m->field != NULL && m->owner != NULL && is_of_room(a, m))
		return;
	l->stays = true;
	if (m->owner != NULL)
		adopt_cannot(a, "%s is there by %s of %s/%s, which says more "
		    "than this room", m->user, m->field, m->owner->kind->name,
		    m->owner->name);
	else
		adopt_cannot(a, "%s is there as %s", m->user, m->words);
}

static void
take_out(void *arg, const struct member_origin *m)
{
	struct leaving *l = arg;
	struct adopting *a = l->a;
	const char *list;

	if (strcmp(m->user, l->user) != 0)
		return;
	if (strcmp(m->field, "spec.humanMembers") == 0) {
		drop_coordinator(a, l->user);
		return;
	}
	list = m->field + strlen("spec.");
	adopt_drop(adopt_spec(a, m->owner), list, is_name, is_room(a, "team/") ?
	    a->team->name : a->origin.agent->name);
}

static void
was_put_out(struct adopting *a, const char *user)
{
	struct leaving l = { .a = a, .user = user };

	origin_members(a->origins, a->key, a->owner, see_reason, &l);
	if (l.n > 0 && !l.stays)
		origin_members(a->origins, a->key, a->owner, take_out, &l);
}

/* to: what we want of them; an agent is to join. */
void
adopt_member(struct adopting *a)
{
	if (a->to == NULL)
		came_in(a, a->star);
	else if (strcmp(a->to, "invite") == 0)
		was_put_out(a, a->star);
	else
		adopt_cannot(a, "%s is in this room by what it is", a->star);
}

/* --- power --------------------------------------------------------------- */

/* The levels that a field gives: 100 with tier 1, which is said in the admin room and
 * nowhere else; 75 to who runs a team. */
void
adopt_power(struct adopting *a)
{
	const char *user = a->star;
	const struct resource *human;
	int from = atoi(a->from != NULL ? a->from : "0");
	int to = atoi(a->to != NULL ? a->to : "0");

	person_tier(a->cfg, a->rs, user, &human);
	if (is_our_user(a->cfg, user))
		adopt_cannot(a, "the power of an agent follows from its role");
	else if (from < to)
		adopt_cannot(a, "%s has %d by what is declared; no field "
		    "gives less in one room", user, to);
	else if (from == 100 && human != NULL && is_room(a, "admin"))
		raise_to_tier_1(a, human);
	else if (from == 100 && human != NULL)
		adopt_cannot(a, "100 would make %s an admin of everything, "
		    "which says more than this room: permissionLevel of "
		    "Human/%s", user, human->name);
	else if (from == 75 && human != NULL && a->team != NULL &&
	    json_get(a->team->spec, "admin") == NULL)
		json_set_str(json_obj(adopt_spec(a, a->team), "admin"), "name",
		    human->name);
	else
		adopt_cannot(a, "no field gives %s power %d here: 100 is a "
		    "Human of tier 1, 75 who runs the team", user, from);
}
