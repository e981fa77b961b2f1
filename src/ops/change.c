/*
 * Changes: what somebody asks to be different, tried on a copy of what is
 * declared, planned, then given to the engine.  A change is JSON, so that a
 * question keeps the same thing that was planned, over restarts too; with the
 * answer it is tried again, and the plan's hash tells if the world moved.
 */
#include "hiclaw/ops.h"

#include <stdlib.h>
#include <string.h>

/* --- making one ---------------------------------------------------------- */

/* "apply 1 Team, 3 Humans", or "apply Worker/alice". */
static char *
apply_title(struct resource *const *docs, size_t n, const char *prune)
{
	struct buf b = { 0 };
	const char *comma = "";

	buf_puts(&b, prune != NULL ? "apply --prune" : "apply");
	if (n == 1)
		buf_printf(&b, " %s/%s", docs[0]->kind->name, docs[0]->name);
	for (const struct kind *k = kinds; n > 1 && k->name != NULL; k++) {
		size_t of_kind = 0;

		for (size_t i = 0; i < n; i++)
			of_kind += docs[i]->kind == k;
		if (of_kind == 0)
			continue;
		buf_printf(&b, "%s %zu %s%s", comma, of_kind, k->name,
		    of_kind == 1 ? "" : "s");
		comma = ",";
	}
	return buf_take(&b);
}

struct json *
change_apply_action(struct resource *const *docs, size_t n, const char *prune)
{
	struct json *o = json_object(), *list;
	char *title = apply_title(docs, n, prune);

	json_set_str(o, "do", "apply");
	json_set_str(o, "prune", prune);
	json_set_str(o, "title", title);
	list = json_set(o, "docs", json_array());
	for (size_t i = 0; i < n; i++)
		json_push(list, resource_json(docs[i]));
	free(title);
	return o;
}

struct json *
change_delete_action(void)
{
	struct json *o = json_object();

	json_set_str(o, "do", "delete");
	json_set_str(o, "title", "delete");
	json_set(o, "names", json_array());
	return o;
}

void
change_delete_add(struct json *action, const struct kind *kind,
    const char *name)
{
	struct json *names = json_get(action, "names");
	struct json *o = json_push(names, json_object());

	json_set_str(o, "kind", kind->name);
	json_set_str(o, "name", name);
	if (json_size(names) == 1)
		json_set_strf(action, "title", "delete %s/%s", kind->name,
		    name);
	else
		json_set_strf(action, "title", "delete %zu resources",
		    json_size(names));
}

static const struct state_word {
	const char	*state, *word;
	enum verb	 verb;
} state_words[] = {
	{ "Running", "wake", VERB_WAKE },
	{ "Sleeping", "sleep", VERB_SLEEP },
	/* A stopped agent is not woken by whoever speaks to it. */
	{ "Stopped", "stop", VERB_UPDATE },
};

static const struct state_word *
state_word(const struct json *action)
{
	const char *state = json_strd(action, "state", "");

	for (size_t i = 0; i < NELEM(state_words); i++)
		if (strcmp(state_words[i].state, state) == 0)
			return &state_words[i];
	return NULL;
}

struct json *
change_state_action(const char *state)
{
	struct json *o = json_object();

	json_set_str(o, "do", "state");
	json_set_str(o, "state", state);
	json_set_str(o, "title", state_word(o) != NULL ?
	    state_word(o)->word : state);
	json_set(o, "names", json_array());
	return o;
}

void
change_state_add(struct json *action, const char *name)
{
	struct json *names = json_get(action, "names");
	const struct state_word *w = state_word(action);
	const char *word = w != NULL ? w->word : "set";

	json_push_str(names, name);
	if (json_size(names) == 1)
		json_set_strf(action, "title", "%s %s", word, name);
	else
		json_set_strf(action, "title", "%s %zu agents", word,
		    json_size(names));
}

/* --- trying it ----------------------------------------------------------- */

/* The newest version of it counts, once. */
static void
put_resource(struct attempt *ch, struct resource *r)
{
	resources_put(ch->after, r);
	for (size_t i = 0; i < ch->put_n; i++)
		if (ch->put[i]->kind == r->kind &&
		    strcmp(ch->put[i]->name, r->name) == 0) {
			resource_unref(ch->put[i]);
			ch->put[i] = resource_ref(r);
			return;
		}
	ch->put = xreallocarray(ch->put, ch->put_n + 1, sizeof *ch->put);
	ch->put[ch->put_n++] = resource_ref(r);
}

static void
drop_resource(struct attempt *ch, struct resource *r)
{
	ch->gone = xreallocarray(ch->gone, ch->gone_n + 1, sizeof *ch->gone);
	ch->gone[ch->gone_n++] = resource_ref(r);
	resources_remove(ch->after, r->kind, r->name);
}

static void
try_docs(const struct json *action, struct attempt *ch)
{
	const struct json *doc;

	for (doc = json_first(json_get(action, "docs")); doc != NULL;
	    doc = json_next(doc)) {
		const struct kind *kind = kind_find(json_strd(doc, "kind",
		    ""));
		struct resource *r;

		if (kind == NULL)
			continue;
		r = resource_new(kind, json_copy(json_get(doc, "metadata")),
		    json_copy(json_get(doc, "spec")));
		put_resource(ch, r);
		resource_unref(r);
	}
}

static bool
is_put(const struct attempt *ch, const struct resource *r)
{
	for (size_t i = 0; i < ch->put_n; i++)
		if (ch->put[i]->kind == r->kind &&
		    strcmp(ch->put[i]->name, r->name) == 0)
			return true;
	return false;
}

/*
 * What carries the labels and is not in the paste goes.  When nothing of the
 * paste carries them, all would: that is a slip of the pen, not a wish.
 */
static int
try_prune(const struct resources *before, const char *selector,
    struct attempt *ch, struct err *e)
{
	bool keeps = false;

	for (size_t i = 0; i < ch->put_n && !keeps; i++)
		keeps = resource_matches(ch->put[i], selector, e) == 1;
	for (size_t i = 0; i < resources_n(before); i++) {
		struct resource *r = resources_at(before, i);
		int match = resource_matches(r, selector, e);

		if (match == -1)
			return -1;
		if (match == 1 && !r->deleting && !is_put(ch, r))
			drop_resource(ch, r);
	}
	if (!keeps && ch->gone_n > 0)
		return err_set(e, ERR_USER, "nothing in the manifest carries "
		    "%.80s, so all %zu that do would go; to take them away, "
		    "use delete", selector, ch->gone_n);
	return 0;
}

/* What is gone already need not go. */
static void
try_drop(const struct json *action, struct attempt *ch)
{
	const struct json *v = json_first(json_get(action, "drop"));

	for (; v != NULL; v = json_next(v)) {
		const struct kind *kind = kind_find(json_strd(v, "kind", ""));
		struct resource *r = kind == NULL ? NULL : resources_find(
		    ch->after, kind, json_strd(v, "name", ""));

		if (r != NULL && !r->deleting)
			drop_resource(ch, r);
	}
}

/* The Team without that worker. */
static struct resource *
without_member(const struct resource *team, const char *name)
{
	struct json *spec = json_copy(team->spec), *workers = json_array();
	const struct json *w;

	for (w = json_first(json_get(team->spec, "workers")); w != NULL;
	    w = json_next(w))
		if (!str_equal(json_str(w, "name"), name))
			json_push(workers, json_copy(w));
	json_set(spec, "workers", workers);
	return resource_new(team->kind, json_copy(team->metadata), spec);
}

static int
drop_member(const struct engine *e, struct attempt *ch, const char *name,
    struct err *err)
{
	const struct json *spec;
	struct resource *team, *r;
	bool is_leader;

	team = member_team(ch->after, name, &is_leader, &spec);
	if (team == NULL)
		return name_missing(e, kind_find("Worker"), name, err);
	if (is_leader)
		return err_set(err, ERR_USER, "%.64s leads Team/%.64s, and a "
		    "team needs a leader: put another one into the Team's "
		    "spec.leader, or delete the Team", name, team->name);
	r = without_member(team, name);
	put_resource(ch, r);
	resource_unref(r);
	return 0;
}

static int
try_delete(const struct engine *e, const struct json *action,
    struct attempt *ch, struct err *err)
{
	const struct json *v;

	for (v = json_first(json_get(action, "names")); v != NULL;
	    v = json_next(v)) {
		const struct kind *kind = kind_find(json_strd(v, "kind", ""));
		const char *name = json_strd(v, "name", "");
		struct resource *r;

		if (kind == NULL)
			continue;
		r = resources_find(ch->after, kind, name);
		if (r != NULL && r->deleting)
			return err_set(err, ERR_CONFLICT, "%s/%.64s is being "
			    "deleted already", kind->name, name);
		if (r != NULL)
			drop_resource(ch, r);
		else if (strcmp(kind->name, "Worker") != 0)
			return name_missing(e, kind, name, err);
		else if (drop_member(e, ch, name, err) == -1)
			return -1;
	}
	return 0;
}

/* The spec with the state at one of its agents: the member, or itself. */
static struct resource *
with_state(const struct target *t, const char *state)
{
	struct json *spec = json_copy(t->resource->spec), *agent = spec, *w;

	if (t->team != NULL && t->is_leader)
		agent = json_get(spec, "leader");
	else if (t->team != NULL) {
		w = json_first(json_get(spec, "workers"));
		while (!str_equal(json_str(w, "name"), t->name))
			w = json_next(w);
		agent = w;
	}
	json_set_str(agent, "state", state);
	return resource_new(t->resource->kind,
	    json_copy(t->resource->metadata), spec);
}

static int
try_state(const struct engine *e, const struct json *action,
    struct attempt *ch, struct err *err)
{
	const char *state = json_strd(action, "state", "");
	const struct json *v;
	struct resource *r;
	struct target t;

	if (state_word(action) == NULL)
		return err_set(err, ERR_USER, "no state \"%.40s\"", state);
	v = json_first(json_get(action, "names"));
	for (; v != NULL; v = json_next(v)) {
		const char *name = json_value_str(v);

		if (name == NULL)
			continue;
		target_find(ch->after, NULL, name, &t);
		if (t.resource == NULL)
			return agent_missing(e, name, err);
		/* What is said by nobody is "Running". */
		if (strcmp(json_strd(t.spec, "state", "Running"), state) == 0)
			continue;
		r = with_state(&t, state);
		put_resource(ch, r);
		resource_unref(r);
	}
	return 0;
}

/* What was repaired is part of what is agreed to. */
static void
bind_repairs(struct plan *plan, const struct json *repairs)
{
	char *list, *text;

	if (json_size(repairs) == 0)
		return;
	list = json_canonical(repairs);
	text = xasprintf("%s\n%s", plan->hash, list);
	sha256_hex(text, strlen(text), plan->hash);
	free(text);
	free(list);
}

int
change_try(struct engine *e, const struct json *action,
    const struct place *places, struct attempt *ch, struct err *err)
{
	const struct resources *before = engine_resources(e);
	const struct world_config *wc = engine_world_config(e);
	const char *prune = json_str(action, "prune");
	const char *what = json_strd(action, "do", "apply");
	char *prefix;
	int rc = 0;

	memset(ch, 0, sizeof *ch);
	ch->after = resources_copy(before);
	if (strcmp(what, "delete") == 0)
		rc = try_delete(e, action, ch, err);
	else if (strcmp(what, "state") == 0)
		rc = try_state(e, action, ch, err);
	else {
		try_docs(action, ch);
		try_drop(action, ch);
		if (prune != NULL)
			rc = try_prune(before, prune, ch, err);
	}
	if (rc == -1)
		return -1;
	prefix = xasprintf("%s_", wc->prefix);
	resources_check(before, ch->after, ch->put, places, ch->put_n,
	    wc->domain, prefix, &ch->problems);
	resources_check_delete(ch->after, ch->gone, ch->gone_n,
	    &ch->problems);
	free(prefix);
	sealed_check(e, ch);
	if (ch->problems.errors > 0)
		return err_set(err, ERR_USER, "%zu problem%s",
		    ch->problems.errors, ch->problems.errors == 1 ? "" : "s");
	if (lockout_check(e, ch, err) == -1)
		return -1;
	ch->plan = engine_plan(e, ch->after);
	bind_repairs(ch->plan, json_get(action, "repairs"));
	return 0;
}

void
change_release(struct attempt *ch)
{
	for (size_t i = 0; i < ch->put_n; i++)
		resource_unref(ch->put[i]);
	for (size_t i = 0; i < ch->gone_n; i++)
		resource_unref(ch->gone[i]);
	free(ch->put);
	free(ch->gone);
	resources_free(ch->after);
	problems_release(&ch->problems);
	plan_free(ch->plan);
	memset(ch, 0, sizeof *ch);
}

/* --- may it be? ---------------------------------------------------------- */

/* A new person of tier 1 or 2 may do things that nobody could. */
static bool
is_new_power(const struct attempt *ch, const struct plan_resource *r)
{
	const struct resource *is = resources_find(ch->after, r->kind,
	    r->name);

	return r->verb == STEP_CREATE && is != NULL &&
	    strcmp(r->kind->name, "Human") == 0 &&
	    json_int(is->spec, "permissionLevel", 3) < 3;
}

static bool
gives_rights(const struct attempt *ch, const struct plan_resource *r)
{
	bool raises = is_new_power(ch, r);

	for (size_t i = 0; i < r->fields.n; i++)
		raises |= r->fields.v[i].effect == EFFECT_PERMISSION;
	return raises;
}

/* Objects may say less of a change than its fields: rights are rights. */
static enum risk
fields_risk(const struct attempt *ch, const struct plan_resource *r,
    enum risk risk)
{
	return gives_rights(ch, r) && risk < RISK_PERMISSION ?
	    RISK_PERMISSION : risk;
}

enum risk
change_risk(const struct json *action, const struct attempt *ch)
{
	const char *what = json_strd(action, "do", "");
	enum risk risk = ch->plan->risk;

	/* What it starts or stops was declared before. */
	if (strcmp(what, "state") == 0)
		return risk < RISK_RESTART ? risk : RISK_RESTART;
	if (strcmp(what, "delete") == 0)
		return RISK_DELETE;
	for (size_t i = 0; i < ch->plan->resources_n; i++)
		risk = fields_risk(ch, &ch->plan->resources[i], risk);
	return risk;
}

/* Agents that there are and will not be: members of teams as well. */
static size_t
agents_lost(const struct engine *e, const struct attempt *ch)
{
	const struct world_config *wc = engine_world_config(e);
	struct agents now = { 0 }, then = { 0 };
	size_t n = 0;

	agents_list(wc, engine_resources(e), &now);
	agents_list(wc, ch->after, &then);
	for (size_t i = 0; i < now.n; i++)
		n += agents_find(&then, now.v[i].name) == NULL;
	agents_release(&now);
	agents_release(&then);
	return n;
}

size_t
change_deleted(const struct engine *e, const struct json *action,
    const struct attempt *ch)
{
	size_t n = 0, more;

	for (size_t i = 0; i < ch->plan->resources_n; i++)
		n += ch->plan->resources[i].verb == STEP_DELETE;
	more = str_equal(json_str(action, "do"), "delete") ?
	    json_size(json_get(action, "names")) : agents_lost(e, ch);
	return more > n ? more : n;
}

static void
rule_of_state(const struct engine *e, const struct caller *c,
    const struct json *action, struct ruling *least)
{
	const struct json *v = json_first(json_get(action, "names"));
	struct ruling r;
	struct target t;

	*least = (struct ruling){ .may = MAY_NOW, .rule = "none" };
	for (; v != NULL && least->may != MAY_NOT; v = json_next(v)) {
		if (json_value_str(v) == NULL)
			continue;
		target_find(engine_resources(e), NULL, json_value_str(v), &t);
		ops_rule(c, state_word(action)->verb, &t, RISK_NONE, &r);
		if (r.may < least->may || least->number == 0)
			*least = r;
	}
}

void
change_rule(const struct engine *e, const struct caller *c,
    const struct json *action, const struct attempt *ch, struct ruling *least)
{
	static const enum verb verbs[] = { [STEP_CREATE] = VERB_CREATE,
	    [STEP_UPDATE] = VERB_UPDATE, [STEP_DELETE] = VERB_DELETE };
	struct ruling rule;
	struct target t;

	if (str_equal(json_str(action, "do"), "state")) {
		rule_of_state(e, c, action, least);
		return;
	}
	/* What is not of any resource is mending. */
	ops_rule(c, VERB_UPDATE, NULL, ch->plan->risk, least);
	for (size_t i = 0; i < ch->plan->resources_n; i++) {
		const struct plan_resource *r = &ch->plan->resources[i];

		target_find(engine_resources(e), r->kind, r->name, &t);
		t.gives_rights = gives_rights(ch, r);
		ops_rule(c, verbs[r->verb], &t, fields_risk(ch, r,
		    ch->plan->risk), &rule);
		if (rule.may < least->may)
			*least = rule;
	}
}

enum may
change_may(const struct engine *e, const struct caller *c,
    const struct json *action, const struct attempt *ch, char *why,
    size_t whysize)
{
	struct ruling r;

	change_rule(e, c, action, ch, &r);
	if (why != NULL && whysize > 0)
		str_copy(why, r.why, whysize);
	return r.may;
}

/* --- doing it ------------------------------------------------------------ */

static bool
is_id_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9') || (c != '\0' && strchr("._=/+-", c));
}

/* Is the domain at `at` that of an id, and whole? */
static bool
is_own_id(const char *line, const char *at, size_t len)
{
	const char *p = at, *end = at + len;

	while (p > line && is_id_char(p[-1]))
		p--;
	if (p == at || p == line || strchr("@#", p[-1]) == NULL)
		return false;
	end += *end == '.';	/* of the sentence */
	return !is_id_char(*end) && *end != ':';
}

char *
short_ids(const struct engine *e, const char *line)
{
	char *tail = xasprintf(":%s", engine_world_config(e)->domain);
	size_t len = strlen(tail);
	struct buf b = { 0 };
	const char *at, *from = line;

	while ((at = strstr(from, tail)) != NULL) {
		buf_add(&b, from, (size_t)(at - from));
		if (!is_own_id(line, at, len))
			buf_add(&b, at, len);
		from = at + len;
	}
	buf_puts(&b, from);
	free(tail);
	return buf_take(&b);
}

struct json *
change_show(const struct engine *e, const struct plan *plan,
    const struct strv *notes)
{
	struct json *o = json_object(), *list;
	struct strv lines = { 0 };
	char *summary = plan_summary(plan), *line;

	json_set_str(o, "summary", summary);
	json_set_str(o, "risk", risk_name(plan->risk));
	/* Without objects the fields are all there is to see. */
	if (plan->steps_n == 0)
		plan_resource_lines(plan, STEPS_SHOWN, &lines);
	if (plan_groups(plan, STEPS_SHOWN, NAMES_SHOWN, &lines))
		json_set_bool(o, "more", true);
	list = json_set(o, "lines", json_array());
	for (size_t i = 0; i < lines.n; i++) {
		line = short_ids(e, lines.v[i]);
		json_push_str(list, line);
		free(line);
	}
	list = json_set(o, "notes", json_array());
	if (engine_frozen(e) != NULL)
		json_push(list, json_stringf("%s", engine_frozen(e)));
	for (size_t i = 0; notes != NULL && i < notes->n; i++)
		json_push_str(list, notes->v[i]);
	strv_release(&lines);
	free(summary);
	return o;
}

/*
 * What the receipt will carry: each resource after the change, and "before": the
 * revision that each had (0: there was none), which undo takes it back to.
 */
static struct json *
change_resources(const struct resources *was, const struct attempt *ch,
    const struct json *show, const char *answer, const struct json *ledger)
{
	struct json *o = json_object(), *changed, *deleted, *before, *d;
	const struct json *v;

	changed = json_set(o, "changed", json_array());
	deleted = json_set(o, "deleted", json_array());
	before = json_set(o, "before", json_array());
	for (size_t i = 0; i < ch->plan->resources_n; i++) {
		const struct plan_resource *pr = &ch->plan->resources[i];
		const struct resource *r = resources_find(was, pr->kind,
		    pr->name);

		d = json_push(before, json_object());
		json_set_str(d, "kind", pr->kind->name);
		json_set_str(d, "name", pr->name);
		json_set_int(d, "revision", r != NULL ? r->revision : 0);
		if (pr->verb == STEP_DELETE) {
			d = json_push(deleted, json_object());
			json_set_str(d, "kind", pr->kind->name);
			json_set_str(d, "name", pr->name);
			continue;
		}
		r = resources_find(ch->after, pr->kind, pr->name);
		if (r != NULL)
			json_push(changed, resource_json(r));
	}
	json_set(o, "show", json_copy(show));
	json_set_str(o, "answer", answer);
	for (v = json_first(ledger); v != NULL; v = json_next(v))
		json_set(o, json_key(v), json_copy(v));
	return o;
}

static void
log_change(struct store *store, const char *actor, const struct attempt *ch)
{
	static const char *const verbs[] = {
		[STEP_CREATE] = "created", [STEP_UPDATE] = "updated",
		[STEP_DELETE] = "deleted",
	};

	for (size_t i = 0; i < ch->plan->resources_n; i++) {
		const struct plan_resource *r = &ch->plan->resources[i];
		char *subject = xasprintf("%s/%s", r->kind->name, r->name);
		char *text = r->verb == STEP_UPDATE && r->fields.n > 0 ?
		    xasprintf("%s by %s: %s%s", verbs[r->verb], actor,
		    r->fields.v[0].path, r->fields.n > 1 ? " and more" : "") :
		    xasprintf("%s by %s", verbs[r->verb], actor);

		store_log_add(store, subject, r->verb == STEP_DELETE ?
		    "deleted" : "applied", text);
		free(subject);
		free(text);
	}
}

int64_t
change_start(const struct ops *ops, const struct attempt *ch,
    const struct json *show, const char *answer,
    const struct run_request *request)
{
	struct json *resources = change_resources(engine_resources(
	    ops->engine), ch, show, answer, request->ledger);
	struct run_request rq = *request;
	char *text;
	int64_t run;

	/* Changes are in the order of these. */
	json_set_int(resources, "base", store_revision_newest(ops->store));
	rq.resources = text = json_canonical(resources);
	sealed_bind(ops->store, ch);
	log_change(ops->store, rq.actor, ch);
	run = engine_apply(ops->engine, ch->plan, ch->after, &rq);
	if (run == 0 && ops->settled != NULL)
		ops->settled(ops->arg, &rq, ch->plan->hash);
	free(text);
	json_free(resources);
	return run;
}

/* --- names that are not there -------------------------------------------- */

static void
add_members(const struct resource *team, struct strv *names)
{
	const struct json *w;
	const char *leader = json_str(json_get(team->spec, "leader"), "name");

	if (leader != NULL)
		strv_add(names, leader);
	for (w = json_first(json_get(team->spec, "workers")); w != NULL;
	    w = json_next(w))
		if (json_str(w, "name") != NULL)
			strv_add(names, json_str(w, "name"));
}

/* The nearest name of that kind, or of any agent; yours, or NULL. */
static char *
name_near(const struct engine *e, const struct kind *kind, const char *name)
{
	const struct resources *rs = engine_resources(e);
	const struct kind *worker = kind_find("Worker");
	const struct kind *manager = kind_find("Manager");
	struct strv names = { 0 };
	char *near = NULL;

	for (size_t i = 0; i < resources_n(rs); i++) {
		const struct resource *r = resources_at(rs, i);

		if (r->kind == kind || (kind == NULL &&
		    (r->kind == worker || r->kind == manager)))
			strv_add(&names, r->name);
		else if ((kind == NULL || kind == worker) &&
		    strcmp(r->kind->name, "Team") == 0)
			add_members(r, &names);
	}
	if (names.n > 0)
		near = xstrdup(str_nearest(name,
		    (const char *const *)names.v));
	strv_release(&names);
	return near;
}

int
name_missing(const struct engine *e, const struct kind *kind,
    const char *name, struct err *err)
{
	char *near = name_near(e, kind, name);

	if (near != NULL)
		err_set(err, ERR_NOTFOUND, "there is no %s/%.64s; did you mean "
		    "%.64s?", kind->name, name, near);
	else
		err_set(err, ERR_NOTFOUND, "there is no %s/%.64s; \"get %s\" "
		    "lists what there is", kind->name, name, kind->plural);
	free(near);
	return -1;
}

int
agent_missing(const struct engine *e, const char *name, struct err *err)
{
	char *near = name_near(e, NULL, name);

	if (near != NULL)
		err_set(err, ERR_NOTFOUND, "there is no agent %.64s; did you "
		    "mean %.64s?", name, near);
	else
		err_set(err, ERR_NOTFOUND, "there is no agent %.64s; \"get "
		    "all\" lists what there is", name);
	free(near);
	return -1;
}
