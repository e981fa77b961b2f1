/*
 * Where everything comes from: of every object of a world, and of everybody in
 * every room, and of nobody else.
 */
#include "setting-help.h"

static void
put_member(void *arg, const struct member_origin *m)
{
	buf_printf(arg, "    %s: %s, %s%s%s%s%s\n", m->user, m->words,
	    m->field != NULL ? m->field : "-", m->owner != NULL ? " of " : "",
	    m->owner != NULL ? m->owner->kind->name : "",
	    m->owner != NULL ? "/" : "", m->owner != NULL ? m->owner->name :
	    "");
}

/* Of every object of the world it is known; and of every member of a room. */
static void
test_origins(void **state)
{
	struct buf b = { 0 };
	struct setting s;
	struct origins *o;
	struct world *w;

	setting_init(&s);
	o = origins_new(&s.cfg, s.rs);
	w = world_compile(&s.cfg, s.rs);
	for (size_t i = 0; i < world_n(w); i++) {
		const struct object *x = world_at(w, i);
		struct origin is;
		char *fields;

		if (!origin_find(o, x->key, x->owner, &is))
			fail_msg("where does %s come from?", x->key);
		fields = strv_join(&is.fields, " ");
		buf_printf(&b, "%s: %s; %s%s\n", x->key, is.words,
		    fields[0] != '\0' ? fields : is.otherwise != NULL ?
		    is.otherwise : "-", is.agent != NULL ? "" : " (no agent)");
		if (str_starts(x->key, "room:"))
			origin_members(o, x->key, x->owner, put_member, &b);
		free(fields);
		origin_release(&is);
	}
	expect_golden("adopt/origins.golden", buf_str(&b));
	world_free(w);
	origins_free(o);
	setting_release(&s);
	buf_release(&b);
}

struct seen { const struct json *members; struct strv users; };

static void
see_member(void *arg, const struct member_origin *m)
{
	struct seen *s = arg;

	if (json_get(s->members, m->user) == NULL)
		fail_msg("%s is not in the room", m->user);
	strv_add_unique(&s->users, m->user);
}

/* Reasons are there for exactly those who are in a room. */
static void
test_reasons_are_whole(void **state)
{
	static const char *const files[] = { "adopt/house.yaml",
	    "world/sample.yaml", "world/people.yaml" };
	struct setting s;

	for (size_t f = 0; f < NELEM(files); f++) {
		struct origins *o;
		struct world *w;

		setting_init(&s);
		resources_free(s.rs);
		s.rs = from_file(files[f]);
		o = origins_new(&s.cfg, s.rs);
		w = world_compile(&s.cfg, s.rs);
		for (size_t i = 0; i < world_n(w); i++) {
			const struct object *x = world_at(w, i);
			struct json *form = json_must(x->desired);
			struct seen seen = { json_get(form, "members"),
			    { 0 } };

			if (str_starts(x->key, "room:") &&
			    !str_starts(x->key, "room:space")) {
				origin_members(o, x->key, x->owner,
				    see_member, &seen);
				assert_int_equal(seen.users.n,
				    json_size(seen.members));
			}
			strv_release(&seen.users);
			json_free(form);
		}
		world_free(w);
		origins_free(o);
		setting_release(&s);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_origins),
		cmocka_unit_test(test_reasons_are_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
