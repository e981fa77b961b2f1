/*
 * Who may address whom: every cell of the table, as matrices that people can
 * read, and the sentence that explains each.
 *
 * A cell is g (may in rooms), d (may in direct chats), both or neither.
 */
#include "world-help.h"

#define AT	":example.org"

static const struct { const char *label, *user; } senders[] = {
	{ "boss", "@hiclaw_boss" AT },
	{ "admin", "@admin" AT },
	{ "red-lead", "@hiclaw_red-lead" AT },
	{ "red-one", "@hiclaw_red-one" AT },
	{ "red-two", "@hiclaw_red-two" AT },
	{ "blue-lead", "@hiclaw_blue-lead" AT },
	{ "blue-one", "@hiclaw_blue-one" AT },
	{ "solo", "@hiclaw_solo" AT },
	{ "duo", "@hiclaw_duo" AT },
	{ "tara", "@tara" AT },		/* team admin where there is one */
	{ "cora", "@cora" AT },		/* coordinator of red */
	{ "watcher", "@watcher" AT },	/* member of red with another role */
	{ "one", "@one" AT },
	{ "two-red", "@two-red" AT },
	{ "two-blue", "@two-blue" AT },
	{ "two-names", "@two-names" AT },
	{ "three-names", "@three-names" AT },
	{ "three-other", "@three-other" AT },
	{ "stranger", "@stranger" AT },
	{ "controller", "@hiclaw" AT },
};

/* Edits of house.yaml: up to three, in order. */
static const struct scenario {
	const char	*name;
	struct { const char *from, *to; } edits[3];
	bool		 has_reasons;	/* of all cells, in rooms */
} scenarios[] = {
	{ "house", { { NULL, NULL } }, true },
	{ "no-peers", { { "  leader: {name: red-lead}",
	    "  peerMentions: false\n  leader: {name: red-lead}" } }, true },
	{ "team-admin", { { "  leader: {name: red-lead}",
	    "  admin: {name: tara}\n  leader: {name: red-lead}" } }, true },
	/*
	 * The team lets solo, a Human, an account and, in direct chats, the
	 * Manager in, and keeps its coordinator out of rooms; red-one adds duo
	 * for itself and undoes some of what the team said.  A deny wins
	 * whoever says it, over whatever allows.
	 */
	{ "extras", {
	    { "  leader: {name: red-lead}",
	    "  channelPolicy:\n"
	    "    groupAllowExtra: [solo, tara, stranger]\n"
	    "    dmAllowExtra: [boss]\n"
	    "    groupDenyExtra: [cora]\n"
	    "  leader: {name: red-lead}" },
	    { "    - {name: red-one}",
	    "    - name: red-one\n"
	    "      channelPolicy:\n"
	    "        groupAllowExtra: [duo, cora]\n"
	    "        groupDenyExtra: [red-two, tara]\n"
	    "        dmDenyExtra: [red-lead, \"@admin:example.org\", boss]" },
	    { "metadata: {name: solo}\nspec: {model: m}",
	    "metadata: {name: solo}\nspec:\n  model: m\n"
	    "  channelPolicy:\n"
	    "    groupAllowExtra: [duo]\n"
	    "    groupDenyExtra: [boss, one]\n"
	    "    dmAllowExtra: [\"@far:elsewhere.org\"]" } }, true },
};

/* A role that no manifest can have, as another version may have stored it. */
static void
add_watcher(struct resources *rs)
{
	struct resource *old = resources_find(rs, kind_find("team"), "red");
	struct json *spec = json_copy(old->spec), *who;
	struct resource *r;

	who = json_push(json_get(spec, "humanMembers"), json_object());
	json_set_str(who, "name", "watcher");
	json_set_str(who, "role", "watcher");
	r = resource_new(old->kind, json_copy(old->metadata), spec);
	resources_put(rs, r);
	resource_unref(r);
}

static struct resources *
build(const struct scenario *s)
{
	char *yaml = data_read("policy/house.yaml"), *next;
	struct resources *rs;
	size_t i;

	for (i = 0; i < NELEM(s->edits) && s->edits[i].from != NULL; i++) {
		next = with(yaml, s->edits[i].from, s->edits[i].to);
		free(yaml);
		yaml = next;
	}
	rs = from_yaml(yaml);
	add_watcher(rs);
	free(yaml);
	return rs;
}

/* The lists, and that each single answer agrees with them. */
static void
put_row(struct buf *b, const struct world_config *cfg,
    const struct resources *rs, const struct agent *a)
{
	struct allow allow;
	bool in_group, in_dm;
	size_t i;

	policy_allow(cfg, rs, a, &allow);
	buf_printf(b, "%-10s", a->name);
	for (i = 0; i < NELEM(senders); i++) {
		in_group = strv_has(&allow.group, senders[i].user);
		in_dm = strv_has(&allow.dm, senders[i].user);
		buf_printf(b, " %*s%c%c", (int)strlen(senders[i].label) - 2,
		    "", in_group ? 'g' : '.', in_dm ? 'd' : '.');
		assert_int_equal(policy_may(cfg, rs, a, senders[i].user, false,
		    NULL), in_group);
		assert_int_equal(policy_may(cfg, rs, a, senders[i].user, true,
		    NULL), in_dm);
	}
	buf_putc(b, '\n');
	allow_release(&allow);
}

static void
put_reasons(struct buf *b, const struct world_config *cfg,
    const struct resources *rs, const struct agent *a)
{
	char *why;
	size_t i;

	for (i = 0; i < NELEM(senders); i++) {
		policy_may(cfg, rs, a, senders[i].user, false, &why);
		buf_printf(b, "%s\n", why);
		free(why);
	}
}

static void
test_matrices(void **state)
{
	struct world_config cfg = test_config();
	struct resources *rs;
	struct agents as;
	struct buf b = { 0 };
	char name[64], *text;
	size_t i, k;

	for (i = 0; i < NELEM(scenarios); i++) {
		rs = build(&scenarios[i]);
		agents_list(&cfg, rs, &as);
		buf_puts(&b, "          ");
		for (k = 0; k < NELEM(senders); k++)
			buf_printf(&b, " %s", senders[k].label);
		buf_putc(&b, '\n');
		for (k = 0; k < as.n; k++)
			put_row(&b, &cfg, rs, &as.v[k]);
		for (k = 0; k < as.n && scenarios[i].has_reasons; k++) {
			buf_putc(&b, '\n');
			put_reasons(&b, &cfg, rs, &as.v[k]);
		}
		text = buf_take(&b);
		snprintf(name, sizeof(name), "policy/%s.golden",
		    scenarios[i].name);
		expect_golden(name, text);
		free(text);
		agents_release(&as);
		resources_free(rs);
	}
}

/* A list is sorted, without repeats, and holds ids as they were given. */
static void
test_lists(void **state)
{
	struct world_config cfg = test_config();
	struct resources *rs = build(&scenarios[3]);
	struct agents as;
	struct allow allow;
	char *group, *dm;

	agents_list(&cfg, rs, &as);
	policy_allow(&cfg, rs, agents_find(&as, "solo"), &allow);
	group = strv_join(&allow.group, " ");
	dm = strv_join(&allow.dm, " ");
	assert_string_equal(group, "@admin" AT " @hiclaw_duo" AT
	    " @three-names" AT " @two-names" AT);
	assert_string_equal(dm, "@admin" AT " @far:elsewhere.org"
	    " @hiclaw_boss" AT " @one" AT " @three-names" AT " @two-names" AT);
	free(group);
	free(dm);
	allow_release(&allow);
	allow_release(&allow);
	agents_release(&as);
	resources_free(rs);
}

/* An agent of another set of resources is nobody here. */
static void
test_unknown_agent(void **state)
{
	struct world_config cfg = test_config();
	struct resources *rs = build(&scenarios[0]), *none = resources_new();
	struct agents as;
	struct allow allow;
	char *why;

	agents_list(&cfg, rs, &as);
	policy_allow(&cfg, none, &as.v[0], &allow);
	assert_int_equal(allow.group.n + allow.dm.n, 0);
	assert_false(policy_may(&cfg, none, &as.v[0], "@admin" AT, false,
	    &why));
	assert_non_null(strstr(why, "no such agent"));
	free(why);
	allow_release(&allow);
	agents_release(&as);
	resources_free(rs);
	resources_free(none);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_matrices),
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_unknown_agent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
