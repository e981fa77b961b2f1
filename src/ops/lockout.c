/*
 * The last admin stays.  A change after which nobody of tier 1 would be left
 * whom we have ever seen is refused, whoever asks and by whatever way: nobody
 * could take it back.  One is seen who is in the admin room or in a direct chat
 * with us, or has left it by their own will; a configured admin who never came
 * may be a slip of the pen.
 */
#include "hiclaw/ops.h"

#include <stdlib.h>
#include <string.h>

#include "hiclaw/matrix.h"

static void
take_room(void *arg, const struct object_view *o)
{
	struct strv *seen = arg;
	struct json *room;
	const struct json *v;
	struct err e;

	if (o->observed == NULL || (strcmp(o->key, "room:admin") != 0 &&
	    !str_starts(o->key, "room:dm/")))
		return;
	room = json_parse(o->observed, strlen(o->observed), &e);
	for (v = json_first(json_get(room, "members")); v != NULL;
	    v = json_next(v))
		if (room_has_been_in(room, json_key(v)))
			strv_add_unique(seen, json_key(v));
	for (v = json_first(json_get(room, "left")); v != NULL;
	    v = json_next(v))
		strv_add_unique(seen, json_key(v));
	json_free(room);
}

/* The Human of tier 1 of that list, the first; NULL: there is none. */
static const struct resource *
seen_human(const struct world_config *wc, const struct resources *rs,
    const struct strv *seen)
{
	const struct kind *kind = kind_find("Human");
	const struct resource *found = NULL;

	for (size_t i = 0; i < resources_n(rs) && found == NULL; i++) {
		const struct resource *r = resources_at(rs, i);
		char *user;

		if (r->kind != kind || r->deleting ||
		    json_int(r->spec, "permissionLevel", 3) != 1)
			continue;
		user = human_user(wc, r);
		if (strv_has(seen, user))
			found = r;
		free(user);
	}
	return found;
}

const struct resource *
lockout_last(const struct world_config *wc, const struct resources *before,
    const struct resources *after, const struct strv *seen)
{
	for (size_t i = 0; wc->admins != NULL && i < wc->admins->n; i++)
		if (strv_has(seen, wc->admins->v[i]))
			return NULL;
	if (seen_human(wc, after, seen) != NULL)
		return NULL;
	return seen_human(wc, before, seen);
}

int
lockout_check(struct engine *e, const struct attempt *ch, struct err *err)
{
	const struct world_config *wc = engine_world_config(e);
	const struct kind *human = kind_find("Human");
	const struct resource *last;
	struct strv seen = { 0 };
	bool is_of_people = false;
	char *admins;

	for (size_t i = 0; i < ch->put_n; i++)
		is_of_people |= ch->put[i]->kind == human;
	for (size_t i = 0; i < ch->gone_n; i++)
		is_of_people |= ch->gone[i]->kind == human;
	if (!is_of_people)
		return 0;
	engine_objects(e, "", take_room, &seen);
	last = lockout_last(wc, engine_resources(e), ch->after, &seen);
	strv_release(&seen);
	if (last == NULL)
		return 0;
	admins = strv_join(wc->admins, ", ");
	err_set(err, ERR_CONFLICT, "Human/%.64s is the last admin who is "
	    "here, and nobody could take this back; first another one of tier "
	    "1 has to join the admin room (configured: %.200s)", last->name,
	    admins);
	free(admins);
	return -1;
}
