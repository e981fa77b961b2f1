/*
 * The plan: what is made, changed and taken away, in which order, how risky it
 * is, what its digest is bound to, and how it reads.
 *
 * A house stands in for the engine: it holds the desired and observed form of
 * each object, and can be brought to rest in one go.
 */
#include "world-help.h"

#include <time.h>

#include "hiclaw/plan.h"

/* --- kinds ---------------------------------------------------------------- */

static void
diff_members(const struct json *want, const struct json *have, enum risk risk,
    const char *word, struct changes *out)
{
	const struct json *v;
	char *what, *from, *to;

	for (v = json_first(want); v != NULL; v = json_next(v)) {
		if (json_is(v, JSON_NULL) ||
		    json_equal(v, json_get(have, json_key(v))))
			continue;
		what = xasprintf("%s%s", word, json_key(v));
		from = json_get(have, json_key(v)) == NULL ? NULL :
		    json_canonical(json_get(have, json_key(v)));
		to = json_is(v, JSON_STRING) ? xstrdup(json_value_str(v)) :
		    json_canonical(v);
		changes_add(out, risk, what, from, to);
		free(what);
		free(from);
		free(to);
	}
	for (v = json_first(have); v != NULL; v = json_next(v)) {
		if (json_get(want, json_key(v)) != NULL)
			continue;
		what = xasprintf("%s%s", word, json_key(v));
		from = json_canonical(v);
		changes_add(out, RISK_UPDATE, what, from, NULL);
		free(what);
		free(from);
	}
}

/* Observed has the form of desired; members and power are told apart. */
static void
diff_any(const struct json *want, const struct json *have, struct changes *out)
{
	const struct json *v, *h;
	const char *key;

	for (v = json_first(want); v != NULL; v = json_next(v)) {
		key = json_key(v);
		h = json_get(have, key);
		if (str_equal(key, "members"))
			diff_members(v, h, RISK_UPDATE, "member ", out);
		else if (str_equal(key, "power"))
			diff_members(v, h, RISK_PERMISSION, "power ", out);
		else if (!json_is(v, JSON_NULL) && !json_equal(v, h) &&
		    !json_is(v, JSON_OBJECT))
			changes_add(out, RISK_UPDATE, key, json_value_str(h),
			    json_value_str(v));
	}
}

/* Whose a file is, is in its name. */
static const char *
note_of(const struct json *desired)
{
	const char *path = json_strd(desired, "path", "");

	return strstr(path, "SOUL") != NULL ? "theirs" :
	    strstr(path, "runtime.yaml") != NULL ? NULL : "ours";
}

static char *
detail_of(const struct json *before, const struct json *after)
{
	const char *a = json_strd(before, "text", ""), *b;

	b = json_strd(after, "text", "");
	return strcmp(a, b) == 0 ? NULL : xasprintf("-%s+%s", a, b);
}

static const struct object_kind *
find_kind(const char *name)
{
	static const struct object_kind any = { .name = "any",
	    .diff = diff_any };
	static const struct object_kind file = { .name = "file",
	    .diff = diff_any, .note = note_of, .detail = detail_of };

	return strcmp(name, "unknown") == 0 ? NULL :
	    strcmp(name, "file") == 0 ? &file : &any;
}

/* --- the house ------------------------------------------------------------ */

struct house {
	struct world_config cfg;
	const char	*storage;	/* provider, or NULL: agents without files */
	struct resources *rs;
	struct world	*world;		/* owns the texts of desired */
	struct object_view *views;
	size_t		 n;
};

struct made { const struct world *world; struct json *holder; };

/* What others refer to, once it is there. */
static const struct json *
lookup_made(void *arg, const char *key, const char *field)
{
	struct made *m = arg;
	struct json *form = json_must(world_find(m->world, key)->desired);

	json_set_strf(form, "mxc", "mxc of %s", key);
	json_set_strf(form, "room_id", "room_id of %s", key);
	json_push(m->holder, form);
	return json_get(form, field);
}

/* What the object is once everything is in place. */
static char *
settled_form(const struct world *w, const struct object *o)
{
	struct made m = { w, json_array() };
	struct json *desired = json_must(o->desired);
	struct json *form = object_resolve(desired, lookup_made, &m, NULL);
	char *text;

	json_set_strf(form, "mxc", "mxc of %s", o->key);
	json_set_strf(form, "room_id", "room_id of %s", o->key);
	text = json_canonical(form);
	json_free(form);
	json_free(m.holder);
	json_free(desired);
	return text;
}

static void
house_clear(struct house *h)
{
	size_t i;

	for (i = 0; i < h->n; i++)
		free((char *)(uintptr_t)h->views[i].observed);
	free(h->views);
	world_free(h->world);
	resources_free(h->rs);
	h->views = NULL;
	h->world = NULL;
	h->rs = NULL;
	h->n = 0;
}

/* Everything declared and in place; YAML "": an empty house. */
static void
house_settle(struct house *h, const char *yaml)
{
	const struct object *o;
	size_t i;

	house_clear(h);
	h->cfg = test_config();
	h->cfg.storage.provider = h->storage;
	h->rs = yaml[0] == '\0' ? resources_new() : from_yaml(yaml);
	h->world = world_compile(&h->cfg, h->rs);
	h->n = world_n(h->world);
	h->views = xcalloc(h->n + 1, sizeof(h->views[0]));
	for (i = 0; i < h->n; i++) {
		o = world_at(h->world, i);
		h->views[i] = (struct object_view){
			.key = o->key, .owner = o->owner,
			.desired = o->desired, .observed = settled_form(h->world, o),
			.state = OBJECT_SETTLED,
		};
	}
}

static struct object_view *
house_view(struct house *h, const char *key)
{
	size_t i;

	for (i = 0; i < h->n; i++)
		if (strcmp(h->views[i].key, key) == 0)
			return &h->views[i];
	fail_msg("%s is not in the house", key);
	return NULL;
}

static void
forget(struct object_view *v)
{
	free((char *)(uintptr_t)v->observed);
	v->observed = NULL;
	v->state = OBJECT_DIRTY;
}

static struct plan *
house_plan(struct house *h, const struct resources *after)
{
	struct world *w = world_compile(&h->cfg, after);
	struct plan_input in = { .before = h->rs, .after = after, .world = w,
	    .current = h->views, .current_n = h->n, .kind = find_kind };
	struct plan *p = plan_make(&in);

	world_free(w);
	return p;
}

static struct plan *
house_plan_yaml(struct house *h, const char *yaml)
{
	struct resources *after = from_yaml(yaml);
	struct plan *p = house_plan(h, after);

	resources_free(after);
	return p;
}

static char *
lines_of(const struct plan *p, size_t max)
{
	struct strv lines = { 0 };
	char *text;

	plan_lines(p, max, &lines);
	text = strv_join(&lines, "\n");
	strv_release(&lines);
	return text;
}

static char *
groups_of(const struct plan *p, size_t max, size_t names, bool is_cut)
{
	struct strv lines = { 0 };
	char *text;

	assert_int_equal(plan_groups(p, max, names, &lines), is_cut);
	text = strv_join(&lines, "\n");
	strv_release(&lines);
	return text;
}

static void
expect_lines(const char *name, const struct plan *p)
{
	char *lines = lines_of(p, 1000), *text = xasprintf("%s\n", lines);

	expect_golden(name, text);
	free(text);
	free(lines);
}

static char *
resource_lines_of(const struct plan *p, size_t max)
{
	struct strv lines = { 0 };
	char *text;

	plan_resource_lines(p, max, &lines);
	text = strv_join(&lines, "\n");
	strv_release(&lines);
	return text;
}

/* --- from nothing, to nothing --------------------------------------------- */

/* steps_n: there is none. */
static size_t
step_find(const struct plan *p, const char *key)
{
	size_t i;

	for (i = 0; i < p->steps_n; i++)
		if (strcmp(p->steps[i].key, key) == 0)
			break;
	return i;
}

static size_t
step_at(const struct plan *p, const char *key)
{
	size_t i = step_find(p, key);

	if (i == p->steps_n)
		fail_msg("no step for %s", key);
	return i;
}

static void
test_from_nothing(void **state)
{
	struct house h = { .n = 0 };
	char *yaml = data_read("world/sample.yaml"), *text;
	struct resources *rs = from_yaml(yaml);
	struct world *w;
	struct plan *p;
	size_t i, k, at, dep;

	house_settle(&h, "");
	p = house_plan(&h, rs);
	expect_lines("plan/sample.golden", p);
	w = world_compile(&h.cfg, rs);
	/* Nothing is made before what it needs. */
	for (i = 0; i < world_n(w); i++) {
		const struct object *o = world_at(w, i);

		at = step_find(p, o->key);
		for (k = 0; k < o->deps.n; k++) {
			dep = step_find(p, o->deps.v[k]);
			if (at < p->creates && dep < p->creates)
				assert_true(dep < at);
		}
	}
	assert_int_equal(p->resources_n, 6);
	assert_int_equal(p->deletes, 0);
	assert_int_equal(p->risk, RISK_UPDATE);	/* admin room, space */
	/* ada, pm and eve; and the admin, into rooms that are new */
	assert_int_equal(p->gains, 4);
	assert_int_equal(p->losses, 0);
	text = groups_of(p, 100, 3, true);
	assert_string_equal(text,
	    "create account alice, bob-fe, default and 2 more\n"
	    "create human ada, eve, pm-zhang\n"
	    "create media avatar/leader, avatar/leaderdm, avatar/manager "
	    "and 2 more\n"
	    "create room space/frontend, leader/frontend, "
	    "leaderdm/frontend and 5 more\n"
	    "change room admin: add @ada:example.org (power 100)\n"
	    "change room space: add @ada:example.org (power 100), "
	    "add @eve:elsewhere.org, add @pm-zhang:example.org");
	free(text);
	text = groups_of(p, 1, 9, true);
	assert_non_null(strstr(text, "\nand 18 more"));
	free(text);
	free(groups_of(p, 7, 9, false));
	text = plan_summary(p);
	assert_string_equal(text, "21 to create, 2 to change; "
	    "4 people gain access");
	free(text);
	world_free(w);
	plan_free(p);
	resources_free(rs);
	free(yaml);
	house_clear(&h);
}

static void
test_to_nothing(void **state)
{
	struct house h = { .n = 0 };
	char *yaml = data_read("world/sample.yaml");
	struct resources *none = resources_new();
	struct plan *p;

	house_settle(&h, yaml);
	p = house_plan(&h, none);
	assert_int_equal(p->creates, 0);
	assert_int_equal(p->risk, RISK_DELETE);
	assert_int_equal(p->losses, 4);
	assert_true(step_at(p, "room:worker/alice") <
	    step_at(p, "room:space/frontend"));
	assert_true(step_at(p, "room:leader/frontend") <
	    step_at(p, "room:space/frontend"));
	assert_true(step_at(p, "room:worker/alice") <
	    step_at(p, "account:alice"));
	assert_true(step_at(p, "room:worker/alice") <
	    step_at(p, "media:avatar/worker"));
	expect_lines("plan/delete.golden", p);
	plan_free(p);
	resources_free(none);
	free(yaml);
	house_clear(&h);
}

static void
test_nothing_to_do(void **state)
{
	struct house h = { .n = 0 };
	char *yaml = data_read("world/sample.yaml"), *text;
	struct plan *p;

	house_settle(&h, yaml);
	p = house_plan_yaml(&h, yaml);
	assert_true(plan_is_empty(p));
	assert_int_equal(p->unchanged, 6);
	assert_int_equal(p->risk, RISK_NONE);
	text = plan_summary(p);
	assert_string_equal(text, "nothing to do");
	free(text);
	plan_free(p);
	/* Looked at closely, everything is still in place. */
	for (size_t i = 0; i < h.n; i++)
		h.views[i].state = OBJECT_DIRTY;
	p = house_plan(&h, h.rs);
	text = lines_of(p, 10);
	assert_string_equal(text, "");
	free(text);
	plan_free(p);
	free(yaml);
	house_clear(&h);
}

/* --- edits of the sample -------------------------------------------------- */

static const struct {
	const char	*what, *from, *to;
	enum risk	 risk;
	size_t		 gains, losses;
	const char	*lines;
} edits[] = {
	{ "model", "model: qwen3.6-plus", "model: b", RISK_UPDATE, 0, 0, "" },
	{ "state of a container", "model: qwen3.6-plus",
	    "model: qwen3.6-plus\n  state: Sleeping", RISK_RESTART, 0, 0, "" },
	{ "description", "Builds the \"shop\"", "Sells", RISK_UPDATE, 0, 0,
	    "change room team/frontend: topic \"Builds the \"shop\"\" \xe2\x86\x92 "
	    "\"Sells\"" },
	{ "a worker less", "    - name: bob\n      workerName: bob-fe\n", "",
	    RISK_DELETE, 0, 3,
	    "change room space/frontend: remove @eve:elsewhere.org\n"
	    "change room team/frontend: remove @hiclaw_bob-fe:example.org\n"
	    "delete room worker/bob-fe\n"
	    "delete account bob-fe" },
	{ "a worker more", "    - name: bob\n", "    - name: carol\n"
	    "    - name: bob\n", RISK_UPDATE, 2, 0,
	    "create account carol\n"
	    "create room worker/carol\n"
	    "change room team/frontend: add @hiclaw_carol:example.org" },
	{ "a new Human", "kind: Human\nmetadata:\n  name: ada", 
	    "kind: Human\nmetadata:\n  name: max\nspec:\n"
	    "  displayName: Max\n  permissionLevel: 1\n---\n"
	    "apiVersion: hiclaw.io/v1beta1\nkind: Human\nmetadata:\n"
	    "  name: ada", RISK_UPDATE, 1, 0,
	    "create human max\n"
	    "change room admin: add @max:example.org (power 100)\n"
	    "change room leader/frontend: add @max:example.org (power 100)\n"
	    "change room space: add @max:example.org (power 100)\n"
	    "change room space/frontend: add @max:example.org (power 100)\n"
	    "change room team/frontend: add @max:example.org (power 100)\n"
	    "change room worker/alice: add @max:example.org (power 100)\n"
	    "change room worker/bob-fe: add @max:example.org (power 100)\n"
	    "change room worker/devops: add @max:example.org (power 100)" },
	{ "tier 3 to 2", "permissionLevel: 3", "permissionLevel: 2",
	    RISK_PERMISSION, 0, 0, "" },
	{ "tier 2 to 3", "permissionLevel: 2", "permissionLevel: 3",
	    RISK_UPDATE, 0, 0, "" },
	{ "names a worker less", "[devops, bob]", "[devops]", RISK_UPDATE,
	    0, 1, "change room space/frontend: remove @eve:elsewhere.org\n"
	    "change room worker/bob-fe: remove @eve:elsewhere.org" },
	{ "names a worker more", "[devops, bob]", "[devops, bob, alice]",
	    RISK_PERMISSION, 1, 0,
	    "change room worker/alice: add @eve:elsewhere.org" },
	{ "no team admin", "  admin:\n    name: pm\n", "", RISK_PERMISSION,
	    1, 1,
	    "change room leaderdm/frontend: add @admin:example.org (power 100), "
	    "remove @pm-zhang:example.org\n"
	    "change room space/frontend: power @pm-zhang:example.org 75 \xe2\x86\x92 none\n"
	    "change room team/frontend: add @admin:example.org (power 100), "
	    "power @pm-zhang:example.org 75 \xe2\x86\x92 none\n"
	    "change room worker/alice: add @admin:example.org (power 100), "
	    "power @pm-zhang:example.org 75 \xe2\x86\x92 none\n"
	    "change room worker/bob-fe: add @admin:example.org (power 100), "
	    "power @pm-zhang:example.org 75 \xe2\x86\x92 none" },
	{ "a deny less strict", "model: qwen3.6-plus\n---\n"
	    "apiVersion: hiclaw.io/v1beta1\nkind: Human",
	    "model: qwen3.6-plus\n  channelPolicy:\n"
	    "    groupDenyExtra: [eve]\n---\n"
	    "apiVersion: hiclaw.io/v1beta1\nkind: Human", RISK_UPDATE, 0, 0,
	    "" },
	{ "a label", "  name: devops\n", "  name: devops\n"
	    "  labels: {a: b}\n", RISK_UPDATE, 0, 0, "" },
};

static void
test_edits(void **state)
{
	struct house h = { .n = 0 };
	char *before = data_read("world/sample.yaml"), *after, *text;
	struct plan *p;
	size_t i;

	house_settle(&h, before);
	for (i = 0; i < NELEM(edits); i++) {
		after = with(before, edits[i].from, edits[i].to);
		p = house_plan_yaml(&h, after);
		text = lines_of(p, 100);
		if (strcmp(text, edits[i].lines) != 0)
			fail_msg("%s:\nwant:\n%s\ngot:\n%s", edits[i].what,
			    edits[i].lines, text);
		if (p->risk != edits[i].risk || p->gains != edits[i].gains ||
		    p->losses != edits[i].losses)
			fail_msg("%s: risk %s, gains %zu, losses %zu",
			    edits[i].what, risk_name(p->risk), p->gains,
			    p->losses);
		free(text);
		plan_free(p);
		free(after);
	}
	free(before);
	house_clear(&h);
}

/* --- what was under way already -------------------------------------------- */

static const char solo[] = "apiVersion: hiclaw.io/v1beta1\nkind: Worker\n"
    "metadata: {name: solo}\nspec: {model: m}\n";
static const char duo[] = "---\napiVersion: hiclaw.io/v1beta1\nkind: Worker\n"
    "metadata: {name: duo}\nspec: {model: m}\n";

static void
test_unfinished(void **state)
{
	struct house h = { .n = 0 };
	struct object_view *room;
	struct plan *calm, *busy, *p;
	char *both = xasprintf("%s%s", solo, duo), *text;

	house_settle(&h, both);
	calm = house_plan_yaml(&h, solo);
	assert_int_equal(calm->risk, RISK_DELETE);
	assert_int_equal(calm->deletes, 2);

	/* A room not made yet is still to be made, whoever asks for what. */
	forget(house_view(&h, "room:worker/solo"));
	p = house_plan(&h, h.rs);
	text = lines_of(p, 10);
	assert_string_equal(text, "create room worker/solo");
	assert_int_equal(p->risk, RISK_NONE);
	assert_false(plan_is_empty(p));
	free(text);
	plan_free(p);

	/* It is no part of what a question is bound to. */
	busy = house_plan_yaml(&h, solo);
	assert_int_equal(busy->creates, 1);
	assert_string_equal(busy->hash, calm->hash);
	plan_free(busy);
	plan_free(calm);

	/* A removal that goes on makes nothing else a deletion. */
	house_settle(&h, both);
	room = house_view(&h, "room:worker/duo");
	room->desired = NULL;
	room->state = OBJECT_REMOVING;
	house_view(&h, "account:duo")->desired = NULL;
	resources_remove(h.rs, kind_find("worker"), "duo");
	text = with(solo, "{model: m}", "{model: other}");
	p = house_plan_yaml(&h, text);
	assert_int_equal(p->deletes, 2);
	assert_int_equal(p->risk, RISK_UPDATE);
	assert_int_equal(p->losses, 0);
	plan_free(p);
	free(text);

	/* Wanted again while it goes: it is, and gets, what it was. */
	p = house_plan_yaml(&h, both);
	assert_int_equal(p->deletes, 0);
	assert_int_equal(p->resources_n, 1);
	plan_free(p);
	free(both);
	house_clear(&h);
}

/* What was changed outside is put right, though nobody asks for a change. */
static void
test_drift(void **state)
{
	struct house h = { .n = 0 };
	struct object_view *v;
	struct plan *p;
	char *text;

	house_settle(&h, solo);
	v = house_view(&h, "room:worker/solo");
	text = with(v->observed, "\"name\":\"Worker solo\"",
	    "\"name\":\"Mine\\nnow\"");
	free((char *)(uintptr_t)v->observed);
	v->observed = text;
	v->state = OBJECT_BACKOFF;
	p = house_plan(&h, h.rs);
	text = lines_of(p, 10);
	assert_string_equal(text, "change room worker/solo: name 2 lines \xe2\x86\x92 "
	    "\"Worker solo\"");
	free(text);
	plan_free(p);
	/* A text that nobody can read is no observation. */
	free((char *)(uintptr_t)v->observed);
	v->observed = xstrdup("{");
	p = house_plan(&h, h.rs);
	assert_int_equal(p->creates, 1);
	plan_free(p);
	house_clear(&h);
}

/* --- digest --------------------------------------------------------------- */

static void
test_hash(void **state)
{
	struct house h = { .n = 0 };
	char *yaml = data_read("world/sample.yaml"), *other;
	struct plan *a, *b;

	house_settle(&h, "");
	a = house_plan_yaml(&h, yaml);
	b = house_plan_yaml(&h, yaml);
	assert_int_equal(strlen(a->hash), 64);
	assert_string_equal(a->hash, b->hash);
	plan_free(b);
	/* A field that changes no object is still part of it. */
	other = with(yaml, "model: qwen3.6-plus", "model: other");
	b = house_plan_yaml(&h, other);
	assert_string_not_equal(a->hash, b->hash);
	plan_free(b);
	plan_free(a);
	free(other);
	/* The same change from another start is another plan. */
	other = with(yaml, "Builds the \"shop\"", "Sells");
	house_settle(&h, yaml);
	a = house_plan_yaml(&h, other);
	free(other);
	other = with(yaml, "Builds the \"shop\"", "Buys");
	house_settle(&h, other);
	free(other);
	other = with(yaml, "Builds the \"shop\"", "Sells");
	b = house_plan_yaml(&h, other);
	assert_string_not_equal(a->hash, b->hash);
	plan_free(a);
	plan_free(b);
	free(other);
	free(yaml);
	house_clear(&h);
}

/* --- words ---------------------------------------------------------------- */

static void
test_words(void **state)
{
	struct house h = { .n = 0 };
	char *before = data_read("world/sample.yaml"), *after, *next, *text;
	struct plan *p;

	house_settle(&h, before);
	next = with(before, "Builds the \"shop\"", "Sells \\u00e4 lot of "
	    "things to very many people who never asked for any of them");
	after = with(next, "permissionLevel: 1", "permissionLevel: 2");
	free(next);
	next = with(after, "[devops, bob]", "[devops]");
	p = house_plan_yaml(&h, next);
	text = resource_lines_of(p, 10);
	assert_string_equal(text,
	    "change Team/frontend-team spec.description: Builds the \"shop\" \xe2\x86\x92 "
	    "Sells \\u00e4 lot of things to very many people who never ask\xe2\x80\xa6\n"
	    "change Human/ada spec.permissionLevel: 1 \xe2\x86\x92 2\n"
	    "change Human/eve spec.accessibleWorkers[bob]: removed");
	free(text);
	text = resource_lines_of(p, 1);
	assert_non_null(strstr(text, "\nand 2 more"));
	free(text);
	text = lines_of(p, 2);
	assert_non_null(strstr(text, "\nand 6 more"));
	free(text);
	text = plan_summary(p);
	assert_string_equal(text, "8 to change; 2 people lose access");
	free(text);
	plan_free(p);
	free(next);
	free(after);

	after = xstrdup(before);
	*strstr(after, "---\n") = '\0';		/* the Manager alone */
	p = house_plan_yaml(&h, after);
	text = resource_lines_of(p, 10);
	assert_string_equal(text, "delete Worker/devops\n"
	    "delete Team/frontend-team\ndelete Human/ada\n"
	    "delete Human/eve\ndelete Human/pm");
	free(text);
	plan_free(p);
	free(after);
	after = with(before, "model: qwen3.6-plus", "model: other");
	p = house_plan_yaml(&h, after);
	text = plan_summary(p);
	assert_string_equal(text, "nothing outside changes");
	free(text);
	plan_free(p);
	free(after);
	free(before);
	house_clear(&h);
}

static void
test_titles(void **state)
{
	static const struct { const char *key, *title; } want[] = {
		{ "room:team/frontend", "room team/frontend" },
		{ "room:dm/@a:b.org", "room dm/@a:b.org" },
		{ "human:john", "human john" },
		{ "odd", "odd" },
	};
	char *title;
	size_t i;

	for (i = 0; i < NELEM(want); i++) {
		title = object_title(want[i].key);
		assert_string_equal(title, want[i].title);
		free(title);
	}
}

/* --- notes and details ---------------------------------------------------- */

#define WORKER(name, soul) "apiVersion: hiclaw.io/v1beta1\nkind: Worker\n" \
	"metadata: {name: " name "}\nspec: {model: m, soul: " soul "}\n"

/* Those lines of a plan that are about files. */
static char *
file_lines(char *lines)
{
	struct buf b = { 0 };
	char *line, *rest = lines;

	while ((line = strsep(&rest, "\n")) != NULL)
		if (strstr(line, " file ") != NULL)
			buf_printf(&b, "%s\n", line);
	free(lines);
	return buf_take(&b);
}

static void
test_notes(void **state)
{
	struct house h = { .storage = "directory" };
	struct plan *p;
	char *text;

	house_settle(&h, "");
	p = house_plan_yaml(&h, WORKER("a", "x") "---\n" WORKER("b", "x"));
	/* The note behind a group is that of all in it. */
	text = file_lines(groups_of(p, 100, 100, false));
	assert_string_equal(text, "create file agents/a, b: AGENTS.md, "
	    "USER.md, config/mcporter.json, mcporter-servers.json, "
	    "openclaw.json (ours)\n"
	    "create file agents/a, b: SOUL.md (theirs)\n"
	    "create file agents/a, b: runtime/runtime.yaml\n");
	free(text);
	text = file_lines(groups_of(p, 100, 1, true));
	assert_non_null(strstr(text,
	    "create file agents/a and 1 more: SOUL.md (theirs)\n"));
	free(text);
	text = file_lines(lines_of(p, 100));
	assert_non_null(strstr(text, "create file agents/b/USER.md (ours)\n"));
	assert_non_null(strstr(text, "create file agents/b/runtime/"
	    "runtime.yaml\n"));
	free(text);
	plan_free(p);
	house_clear(&h);
}

/* Quotes are for what somebody wrote. */
static void
test_values(void **state)
{
	struct change changes[] = {
		{ .what = "content", .to = "37 bytes" },
		{ .what = "key", .from = "in use", .to = "a new one" },
		{ .what = "name", .from = "", .to = "a, b" },
	};
	struct step step = { STEP_UPDATE, .key = "odd:x",
	    .changes = { changes, NELEM(changes), 0 } };
	struct plan p = { .steps = &step, .steps_n = 1 };
	char *text = lines_of(&p, 1);

	assert_string_equal(text, "change odd x: content \xe2\x86\x92 37 bytes, "
	    "key in use \xe2\x86\x92 a new one, "
	    "name \"\" \xe2\x86\x92 \"a, b\"");
	free(text);
}

/* Directories are said once, of files that are in all of them. */
static void
test_group_directories(void **state)
{
	struct step steps[] = {
		{ STEP_CREATE, .key = "tree:agents/dora" },
		{ STEP_CREATE, .key = "file:agents/dora/A.md" },
		{ STEP_CREATE, .key = "file:agents/dora/c/x.json" },
		{ STEP_CREATE, .key = "file:agents/lead/A.md" },
		{ STEP_CREATE, .key = "file:agents/lead/H.md" },
		{ STEP_CREATE, .key = "tree:agents/lead" },
		{ STEP_CREATE, .key = "file:agents/emil/c/x.json" },
		{ STEP_CREATE, .key = "file:agents/emil/A.md" },
		{ STEP_CREATE, .key = "file:agents/emil/B.md" },
		{ STEP_CREATE, .key = "file:agents/dora/B.md" },
		{ STEP_DELETE, .key = "file:agents/fred/A.md" },
		{ STEP_DELETE, .key = "file:agents/fred/B.md" },
	};
	struct plan p = { .steps = steps, .steps_n = NELEM(steps) };
	char *text = groups_of(&p, 5, 3, false);

	assert_string_equal(text, "create tree agents/dora, agents/lead\n"
	    "create file agents/dora, emil, lead: A.md\n"
	    "create file agents/dora, emil: c/x.json, B.md\n"
	    "create file agents/lead/H.md\n"
	    "delete file agents/fred: A.md, B.md");
	free(text);
	/* The fifth line takes no more room than "and 2 more". */
	text = groups_of(&p, 4, 3, false);
	assert_non_null(strstr(text, "\ndelete file agents/fred: A.md, B.md"));
	free(text);
	text = groups_of(&p, 3, 1, true);
	assert_string_equal(text, "create tree agents/dora and 1 more\n"
	    "create file agents/dora and 2 more: A.md\n"
	    "create file agents/dora and 1 more: c/x.json and 1 more\n"
	    "and 3 more");
	free(text);
}

static void
test_fold(void **state)
{
	struct strv names = { 0 }, lines = { 0 };
	char *text;

	strv_split(&names, "bob agents/b/x agents/a/x/y agents/a/x "
	    "teams/t/x ann agents/b/x/y teams/t/x/y", ' ');
	names_fold(&names, 9, &lines);
	text = strv_join(&lines, "\n");
	assert_string_equal(text, "bob, ann\nagents/a, b, teams/t: x, x/y");
	free(text);
	strv_release(&lines);
	strv_release(&names);
	names_fold(&names, 9, &lines);
	assert_int_equal(lines.n, 0);
}

/* Names in a list: "a, b" are two. */
static size_t
count_names(const char *s, const char *end)
{
	size_t n = 1;

	for (; s < end; s++)
		n += *s == ',';
	return n;
}

/* However the lines are cut, every step is on one of them or counted. */
static void
test_groups_add_up(void **state)
{
	struct house h = { .storage = "directory" };
	struct strv lines;
	struct plan *p;
	size_t max, i, n, more, names;
	const char *s, *colon;

	house_settle(&h, "");
	p = house_plan_yaml(&h, WORKER("a", "x") "---\n" WORKER("b", "x"));
	assert_true(p->steps_n > 20);
	for (max = 0; max < 30; max++) {
		lines = (struct strv){ 0 };
		plan_groups(p, max, 1000, &lines);
		for (n = 0, i = 0; i < lines.n; i++) {
			s = lines.v[i];
			if (sscanf(s, "and %zu more", &more) == 1) {
				assert_int_equal(i, max);
				n += more;
				continue;
			}
			/* Changes are listed with commas, too. */
			names = 1;
			colon = strstr(s, ": ");
			if (str_starts(s, "create") && colon != NULL)
				names = count_names(s, colon) *
				    count_names(colon, s + strlen(s));
			else if (str_starts(s, "create"))
				names = count_names(s, s + strlen(s));
			n += names;
		}
		assert_int_equal(n, p->steps_n);
		strv_release(&lines);
	}
	plan_free(p);
	house_clear(&h);
}

static void
test_details(void **state)
{
	struct house h = { .storage = "directory" };
	struct plan *p, *other;
	struct step *s;
	char *text;

	house_settle(&h, WORKER("a", "old") "---\n" WORKER("b", "x"));
	/* Changed outside: what we want of it is what it was. */
	forget(house_view(&h, "file:agents/b/SOUL.md"));
	house_view(&h, "file:agents/b/SOUL.md")->observed =
	    xstrdup("{\"text\":\"not\"}");
	p = house_plan_yaml(&h, WORKER("a", "new") "---\n" WORKER("b", "x"));
	s = &p->steps[step_at(p, "file:agents/a/SOUL.md")];
	assert_string_equal(s->note, "theirs");
	assert_string_equal(s->detail, "-old\n+new\n");
	s = &p->steps[step_at(p, "file:agents/b/SOUL.md")];
	assert_string_equal(s->note, "theirs");
	assert_null(s->detail);
	text = file_lines(lines_of(p, 10));
	assert_non_null(strstr(text, "change file agents/a/SOUL.md (theirs): "
	    "text \"old \" \xe2\x86\x92 \"new \"\n"));
	free(text);
	/* What is told of a step is no part of what is agreed to. */
	other = house_plan_yaml(&h, WORKER("a", "new") "---\n"
	    WORKER("b", "x"));
	assert_string_equal(p->hash, other->hash);
	plan_free(other);
	plan_free(p);
	house_clear(&h);
}

/* --- size ----------------------------------------------------------------- */

/* Not a timed test: the bound only tells a straight line from a square. */
static void
test_many(void **state)
{
	struct house h = { .n = 0 };
	struct resources *rs = resources_new();
	struct json *meta, *spec, *workers, *one;
	struct resource *r;
	struct plan *p;
	clock_t start;
	int i;

	house_settle(&h, "");
	meta = json_object();
	json_set_str(meta, "name", "big");
	spec = json_object();
	json_set_str(json_obj(spec, "leader"), "name", "lead");
	/* Else each of them names all others: that is what was asked for. */
	json_set_bool(spec, "peerMentions", false);
	workers = json_set(spec, "workers", json_array());
	for (i = 0; i < 10000; i++) {
		one = json_push(workers, json_object());
		json_set_strf(one, "name", "w%05d", i);
	}
	r = resource_new(kind_find("team"), meta, spec);
	resources_put(rs, r);
	resource_unref(r);
	start = clock();
	p = house_plan(&h, rs);
	print_message("10000 workers: %.3f s\n",
	    (double)(clock() - start) / CLOCKS_PER_SEC);
	assert_true((clock() - start) / (double)CLOCKS_PER_SEC < 10);
	assert_int_equal(p->creates, 2 * 10001 - 1 + 4 + 4);
	plan_free(p);
	resources_free(rs);
	house_clear(&h);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_from_nothing),
		cmocka_unit_test(test_to_nothing),
		cmocka_unit_test(test_nothing_to_do),
		cmocka_unit_test(test_edits),
		cmocka_unit_test(test_unfinished),
		cmocka_unit_test(test_drift),
		cmocka_unit_test(test_hash),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_titles),
		cmocka_unit_test(test_notes),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_group_directories),
		cmocka_unit_test(test_fold),
		cmocka_unit_test(test_groups_add_up),
		cmocka_unit_test(test_details),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
