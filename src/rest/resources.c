/*
 * Resources: listed, read, made, changed, deleted.  A change is tried, planned
 * and started as one from chat; the request is the yes.
 */
#include "rest-int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hiclaw/policy.h"
#include "hiclaw/clock.h"
#include "hiclaw/log.h"

const char *
report_room(const struct call *c)
{
	return engine_observed(c->rest->ops->engine, "room:admin", "room_id");
}

int64_t
start_change(struct call *c, const struct json *action,
    const struct attempt *ch)
{
	struct json *show = change_show(c->rest->ops->engine, ch->plan, NULL);
	char *title = xasprintf("%s (REST)", json_strd(action, "title",
	    "change"));
	struct run_request rq = { .actor = c->caller.user,
	    .room = report_room(c), .title = title };
	int64_t run;

	log_info("rest", "%s by %s", title, c->caller.user);
	store_begin(c->rest->ops->store);
	run = change_start(c->rest->ops, ch, show, NULL, &rq);
	free(title);
	json_free(show);
	return run;
}

bool
is_frozen(struct call *c)
{
	const char *why = engine_frozen(c->rest->ops->engine);

	if (why != NULL)
		answer_error(c, 423, "%s", why);
	return why != NULL;
}

/*
 * What people have to have approved is asked for in a room; the request is a yes
 * to what only its asker confirms.  Agents go by their rules alone: see
 * chat.policy in hiclaw-controller.conf(5).
 */
static bool
is_for_a_room(struct call *c, const struct json *action,
    const struct attempt *ch)
{
	static const enum policy_asker askers[] = { ASKER_TIER1, ASKER_TIER1,
	    ASKER_TIER2, ASKER_TIER3 };
	const struct policy *policy = c->rest->ops->policy;
	const char *window = NULL;
	int64_t until;
	bool waits;

	if (policy == NULL || c->caller.is != CALLER_PERSON ||
	    plan_is_empty(ch->plan))
		return false;
	waits = policy_rule(policy, askers[c->caller.tier & 3],
	    change_risk(action, ch))->mode == POLICY_APPROVE;
	if (!waits && !str_equal(json_str(action, "do"), "state"))
		policy_is_frozen(policy, clock_ms(), &until, &window);
	if (waits)
		answer_error(c, 403, "chat.policy has this wait for approvals: "
		    "ask for it in a room");
	else if (window != NULL)
		answer_error(c, 403, "this is in a freeze window (%s): ask for "
		    "it in a room", window);
	return waits || window != NULL;
}

/* What may not be, or only if somebody else approves: 403 with the rule. */
static bool
may_change(struct call *c, const struct json *action,
    const struct attempt *ch)
{
	char why[WHY_MAX];

	if (is_frozen(c))
		return false;
	/* MAY_ASK: the request is the answer. */
	if (change_may(c->rest->ops->engine, &c->caller, action, ch, why,
	    sizeof why) >= MAY_ASK)
		return !is_for_a_room(c, action, ch);
	answer_error(c, 403, "%s", why);
	return false;
}

/* --- reading ------------------------------------------------------------- */

static bool
may_see(struct call *c, const struct target *t)
{
	return ops_may(&c->caller, VERB_GET, t, RISK_NONE, NULL, 0) !=
	    MAY_NOT;
}

static void
add_agents(struct call *c, const struct resource *r, struct json *list)
{
	struct agent_views vs;
	bool is_team = strcmp(r->kind->name, "Team") == 0;

	agent_views_find(c->rest->ops->engine, r, clock_ms(), &vs);
	for (size_t i = 0; i < vs.n; i++) {
		struct target t = { .kind = c->kind, .name = vs.v[i].name,
		    .team = is_team ? r : NULL, .resource = r,
		    .is_leader = vs.v[i].role == AGENT_LEADER,
		    .spec = vs.v[i].spec };

		if (may_see(c, &t))
			json_push(list, view_agent(c, &vs.v[i], false));
	}
	agent_views_release(&vs);
}

/* Workers of their own first, then Team by Team, in order of the spec. */
static void
list_workers(struct call *c, const char *team, struct json *list)
{
	const struct resources *rs = engine_resources(c->rest->ops->engine);
	const struct kind *teams = kind_find("Team");

	for (size_t i = 0; team == NULL && i < resources_n(rs); i++)
		if (resources_at(rs, i)->kind == c->kind)
			add_agents(c, resources_at(rs, i), list);
	for (size_t i = 0; i < resources_n(rs); i++) {
		const struct resource *r = resources_at(rs, i);

		if (r->kind == teams && (team == NULL ||
		    strcmp(r->name, team) == 0))
			add_agents(c, r, list);
	}
}

static void
list_others(struct call *c, struct json *list)
{
	const struct resources *rs = engine_resources(c->rest->ops->engine);
	bool is_human = strcmp(c->kind->name, "Human") == 0;
	struct target t;

	for (size_t i = 0; i < resources_n(rs); i++) {
		const struct resource *r = resources_at(rs, i);

		if (r->kind != c->kind)
			continue;
		t = (struct target){ .kind = r->kind, .name = r->name,
		    .resource = r, .spec = r->spec };
		if (!may_see(c, &t))
			continue;
		json_push(list, is_human ? view_human(c, r, false) :
		    view_resource(c, r));
	}
}

void
list_resources(struct call *c)
{
	struct json *o = json_object(), *list = json_array();
	char *team = httpd_query(c->req, "team");

	if (strcmp(c->kind->name, "Worker") == 0)
		list_workers(c, team, list);
	else
		list_others(c, list);
	json_set_int(o, "total", (int64_t)json_size(list));
	json_set(o, c->kind->plural, list);
	answer_json(c, 200, o);
	free(team);
}

static void
answer_missing(struct call *c)
{
	struct err err;

	name_missing(c->rest->ops->engine, c->kind, c->name, &err);
	answer_err(c, &err);
}

/* ?spec=1: as it was declared, for -o yaml and editors. */
static bool
wants_spec(struct call *c)
{
	char *spec = httpd_query(c->req, "spec");
	bool is = spec != NULL && strcmp(spec, "0") != 0;

	free(spec);
	return is;
}

static void
answer_declared(struct call *c)
{
	struct json *o;

	if (c->target.team == NULL) {
		answer_json(c, 200, resource_json(c->target.resource));
		return;
	}
	o = json_object();
	json_set_strf(o, "memberOf", "Team/%s", c->target.team->name);
	json_set_str(o, "role", c->target.is_leader ? "leader" : "worker");
	json_set(o, "spec", json_copy(c->target.spec));
	answer_json(c, 200, o);
}

static void
answer_target(struct call *c, int status, bool is_status)
{
	struct agent_views vs;

	if (strcmp(c->kind->name, "Team") == 0 ||
	    strcmp(c->kind->name, "Human") == 0) {
		answer_json(c, status, view_resource(c, c->target.resource));
		return;
	}
	agent_views_find(c->rest->ops->engine, c->target.resource,
	    clock_ms(), &vs);
	answer_json(c, status, view_agent(c, agent_views_named(&vs,
	    c->target.name), is_status));
	agent_views_release(&vs);
}

void
get_resource(struct call *c)
{
	struct resource *gone;

	if (c->target.resource != NULL && wants_spec(c))
		answer_declared(c);
	else if (c->target.resource != NULL)
		answer_target(c, 200, false);
	else if ((gone = find_deleting(c, c->kind, c->name)) != NULL) {
		answer_json(c, 200, view_resource(c, gone));
		resource_unref(gone);
	} else
		answer_missing(c);
}

void
get_agent_status(struct call *c)
{
	if (c->target.resource == NULL)
		answer_missing(c);
	else
		answer_target(c, 200, true);
}

/* --- one resource changed ------------------------------------------------ */

static void
add_warnings(const struct problems *ps, struct strv *out)
{
	for (size_t i = 0; i < ps->n; i++)
		if (ps->v[i].is_warning)
			strv_addf(out, "%s%s%s", ps->v[i].path != NULL ?
			    ps->v[i].path : "", ps->v[i].path != NULL ? ": " :
			    "", ps->v[i].what);
}

/* Try it, and if it may be, do it: then the answer shows it as it is now. */
static void
put(struct call *c, struct resource *r, int status)
{
	struct engine *e = c->rest->ops->engine;
	struct json *action = change_apply_action(&r, 1, NULL);
	struct attempt ch;
	struct err err;

	if (change_try(e, action, NULL, &ch, &err) == -1)
		answer_problems(c, &ch.problems, &err);
	else if (may_change(c, action, &ch)) {
		if (!plan_is_empty(ch.plan))
			start_change(c, action, &ch);
		target_find(engine_resources(e), c->kind, r->name,
		    &c->target);
		answer_target(c, status, false);
	}
	change_release(&ch);
	json_free(action);
}

/* A worker of a Team is changed in the Team; true: that was said. */
static bool
is_of_team(struct call *c, const struct target *t)
{
	if (t->team == NULL)
		return false;
	answer_error(c, 409, "%s belongs to Team/%s: change it in the Team's "
	    "spec (PUT /api/v1/teams/%s)", t->name, t->team->name,
	    t->team->name);
	return true;
}

/* Keys that exist only to be refused: a worker joins a team in the Team. */
static bool
has_team_keys(struct call *c, const struct json *body)
{
	static const char *const keys[] = { "team", "teamLeader", "role" };

	for (size_t i = 0; strcmp(c->kind->name, "Worker") == 0 &&
	    i < NELEM(keys); i++)
		if (json_strd(body, keys[i], "")[0] != '\0') {
			answer_error(c, 400, "\"%s\" cannot be set: list the "
			    "worker in a Team's spec.workers instead",
			    keys[i]);
			return true;
		}
	return false;
}

/* Is the name free?  False: answered. */
static bool
is_free(struct call *c, const char *name)
{
	struct resource *gone;
	struct target t;

	target_find(engine_resources(c->rest->ops->engine), c->kind, name,
	    &t);
	if (t.team != NULL) {
		answer_error(c, 409, "%s belongs to Team/%s already", name,
		    t.team->name);
		return false;
	}
	if (t.resource != NULL) {
		answer_error(c, 409, "%s/%s is there already; PUT changes it",
		    c->kind->name, name);
		return false;
	}
	if ((gone = find_deleting(c, c->kind, name)) != NULL) {
		answer_error(c, 409, "%s/%s is being deleted; try again when "
		    "it is gone", c->kind->name, name);
		resource_unref(gone);
		return false;
	}
	return true;
}

static void
create(struct call *c, struct json *body)
{
	const char *name = json_strd(body, "name", "");
	struct target t = { .kind = c->kind, .name = name };
	struct problems ps = { 0 };
	struct resource *r;

	if (name[0] == '\0') {
		answer_error(c, 400, "name: required, but missing");
		return;
	}
	if (c->caller.is == CALLER_AGENT && c->caller.role == AGENT_LEADER) {
		answer_error(c, 409, "a leader makes no workers of its own: "
		    "they are listed in its Team's spec.workers");
		return;
	}
	if (answer_may_not(c, VERB_CREATE, &t) || !is_free(c, name) ||
	    has_team_keys(c, body))
		return;
	json_remove(body, "team");
	json_remove(body, "teamLeader");
	json_remove(body, "role");
	r = body_resource(c, body, c->kind, name, NULL, &ps);
	if (r != NULL)
		put(c, r, 201);
	resource_unref(r);
	problems_release(&ps);
}

void
post_resource(struct call *c)
{
	struct json *body = body_object(c);

	if (body != NULL)
		create(c, body);
	json_free(body);
}

void
put_resource(struct call *c)
{
	struct json *body = body_object(c);
	struct problems ps = { 0 };
	struct resource *r = NULL;

	if (body == NULL)
		return;
	if (c->target.resource == NULL)
		answer_missing(c);
	else if (is_of_team(c, &c->target) || has_team_keys(c, body))
		;	/* answered */
	else if (!str_equal(json_strd(body, "name", c->name), c->name))
		answer_error(c, 400, "name: cannot be changed");
	else
		r = body_resource(c, body, c->kind, c->name,
		    c->target.resource, &ps);
	if (r != NULL)
		put(c, r, 200);
	resource_unref(r);
	problems_release(&ps);
	json_free(body);
}

static void
delete_it(struct call *c)
{
	struct json *action = change_delete_action();
	struct attempt ch;
	struct err err;

	change_delete_add(action, c->kind, c->name);
	if (change_try(c->rest->ops->engine, action, NULL, &ch, &err) == -1)
		answer_problems(c, &ch.problems, &err);
	else if (may_change(c, action, &ch)) {
		start_change(c, action, &ch);
		answer_empty(c);
	}
	change_release(&ch);
	json_free(action);
}

void
delete_resource(struct call *c)
{
	struct resource *gone;

	if (c->target.resource != NULL) {
		if (!is_of_team(c, &c->target))
			delete_it(c);
	} else if ((gone = find_deleting(c, c->kind, c->name)) != NULL) {
		/* On its way already, which is what was asked for. */
		resource_unref(gone);
		answer_empty(c);
	} else
		answer_missing(c);
}

/* --- many documents ------------------------------------------------------ */

/* {"docs": [...]} to resources, all or none. */
static int
read_docs(struct call *c, const struct json *body, struct resource ***rs,
    size_t *n, struct problems *ps)
{
	const struct json *docs = json_get(body, "docs");
	struct json *list;
	struct err err;
	char *text;
	int rc;

	if (json_size(docs) == 0 || !json_is(docs, JSON_ARRAY)) {
		answer_error(c, 400, "docs: expected a list of resources, "
		    "each with apiVersion, kind, metadata and spec");
		return -1;
	}
	list = json_object();
	json_set_str(list, "apiVersion", "v1");
	json_set_str(list, "kind", "List");
	json_set(list, "items", json_copy(docs));
	text = json_canonical(list);
	rc = manifest_decode(text, strlen(text), rs, n, ps);
	if (rc == -1) {
		err_set(&err, ERR_USER, "docs: not readable");
		answer_problems(c, ps, &err);
	}
	free(text);
	json_free(list);
	return rc;
}

static const char *
step_word(enum step_verb v)
{
	return v == STEP_CREATE ? "created" : v == STEP_UPDATE ?
	    "configured" : "deleted";
}

/* What each document came to, and what changes outside. */
static struct json *
plan_json(struct call *c, const struct json *action,
    const struct attempt *ch, const struct problems *decoded)
{
	struct json *o = change_show(c->rest->ops->engine, ch->plan, NULL);
	struct json *list = json_set(o, "resources", json_array()), *v;
	struct strv notes = { 0 };

	json_set_str(o, "title", json_str(action, "title"));
	for (size_t i = 0; i < ch->plan->resources_n; i++) {
		const struct plan_resource *r = &ch->plan->resources[i];

		v = json_push(list, json_object());
		json_set_str(v, "kind", r->kind->name);
		json_set_str(v, "name", r->name);
		json_set_str(v, "result", step_word(r->verb));
	}
	for (size_t i = 0; i < ch->put_n; i++) {
		const struct resource *r = ch->put[i];
		bool is_there = false;

		for (size_t j = 0; j < ch->plan->resources_n; j++)
			is_there |= ch->plan->resources[j].kind == r->kind &&
			    strcmp(ch->plan->resources[j].name, r->name) == 0;
		if (is_there)
			continue;
		v = json_push(list, json_object());
		json_set_str(v, "kind", r->kind->name);
		json_set_str(v, "name", r->name);
		json_set_str(v, "result", "unchanged");
	}
	add_warnings(decoded, &notes);
	add_warnings(&ch->problems, &notes);
	list = json_get(o, "notes");
	for (size_t i = 0; i < notes.n; i++)
		json_push_str(list, notes.v[i]);
	strv_release(&notes);
	return o;
}

static void
try_many(struct call *c, struct resource **rs, size_t n, const char *prune,
    const struct problems *decoded, bool is_plan)
{
	struct json *action = change_apply_action(rs, n, prune), *o;
	struct attempt ch;
	char why[WHY_MAX];
	struct err err;
	enum may may;

	if (change_try(c->rest->ops->engine, action, NULL, &ch, &err) == -1) {
		answer_problems(c, &ch.problems, &err);
		goto out;
	}
	may = change_may(c->rest->ops->engine, &c->caller, action, &ch, why,
	    sizeof why);
	/* What differs would tell what is there. */
	if (may < (is_plan ? MAY_PROPOSE : MAY_ASK)) {
		answer_error(c, 403, "%s", why);
		goto out;
	}
	if (!is_plan && !plan_is_empty(ch.plan) && (is_frozen(c) ||
	    is_for_a_room(c, action, &ch)))
		goto out;
	o = plan_json(c, action, &ch, decoded);
	json_set_str(o, "why", may < MAY_NOW ? why : NULL);
	if (!is_plan && !plan_is_empty(ch.plan))
		json_set_int(o, "run", start_change(c, action, &ch));
	answer_json(c, 200, o);
out:
	change_release(&ch);
	json_free(action);
}

static void
many(struct call *c, bool is_plan)
{
	struct json *body = body_object(c);
	struct problems ps = { 0 };
	struct resource **rs = NULL;
	size_t n = 0;

	if (body == NULL)
		return;
	if (read_docs(c, body, &rs, &n, &ps) == 0)
		try_many(c, rs, n, json_str(body, "prune"), &ps, is_plan);
	for (size_t i = 0; i < n; i++)
		resource_unref(rs[i]);
	free(rs);
	problems_release(&ps);
	json_free(body);
}

void
post_plan(struct call *c)
{
	many(c, true);
}

void
post_apply(struct call *c)
{
	many(c, false);
}
