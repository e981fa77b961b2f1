/*
 * Changes: what somebody asks to be different, tried on a copy of what is
 * declared, planned, then done or asked about.  A change is JSON, so that a
 * question keeps the same thing that was planned, over restarts too; with the
 * answer it is tried again, and the plan's hash tells if the world moved.
 */
#include "chat-int.h"

#include <stdlib.h>
#include <string.h>

#include "hiclaw/clock.h"

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

/* --- trying it ----------------------------------------------------------- */

static void
put_resource(struct attempt *ch, struct resource *r)
{
	resources_put(ch->after, r);
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

/* What carries the labels and is not in the paste goes. */
static int
try_prune(const struct resources *before, const char *selector,
    struct attempt *ch, struct err *e)
{
	for (size_t i = 0; i < resources_n(before); i++) {
		struct resource *r = resources_at(before, i);
		int match = resource_matches(r, selector, e);

		if (match == -1)
			return -1;
		if (match == 1 && !r->deleting && !is_put(ch, r))
			drop_resource(ch, r);
	}
	return 0;
}

struct resource *
member_team(const struct resources *rs, const char *name, bool *is_leader,
    const struct json **spec)
{
	const struct kind *team = kind_find("Team");
	const struct json *leader, *w;

	for (size_t i = 0; i < resources_n(rs); i++) {
		struct resource *r = resources_at(rs, i);

		if (r->kind != team)
			continue;
		leader = json_get(r->spec, "leader");
		if (str_equal(json_str(leader, "name"), name)) {
			*is_leader = true;
			*spec = leader;
			return r;
		}
		for (w = json_first(json_get(r->spec, "workers")); w != NULL;
		    w = json_next(w))
			if (str_equal(json_str(w, "name"), name)) {
				*is_leader = false;
				*spec = w;
				return r;
			}
	}
	return NULL;
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
drop_member(struct chat *c, struct attempt *ch, const char *name,
    struct err *e)
{
	const struct json *spec;
	struct resource *team, *r;
	bool is_leader;

	team = member_team(ch->after, name, &is_leader, &spec);
	if (team == NULL)
		return name_missing(c, kind_find("Worker"), name, e);
	if (is_leader)
		return err_set(e, ERR_USER, "%.64s leads Team/%.64s, and a "
		    "team needs a leader: put another one into the Team's "
		    "spec.leader, or delete the Team", name, team->name);
	r = without_member(team, name);
	for (size_t i = 0; i < ch->put_n; i++)
		if (ch->put[i] == team) {
			/* A second member of the same Team. */
			resource_unref(ch->put[i]);
			ch->put[i] = resource_ref(r);
			resources_put(ch->after, r);
			resource_unref(r);
			return 0;
		}
	put_resource(ch, r);
	resource_unref(r);
	return 0;
}

static int
try_delete(struct chat *c, const struct json *action, struct attempt *ch,
    struct err *e)
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
			return err_set(e, ERR_CONFLICT, "%s/%.64s is being "
			    "deleted already", kind->name, name);
		if (r != NULL)
			drop_resource(ch, r);
		else if (strcmp(kind->name, "Worker") != 0)
			return name_missing(c, kind, name, e);
		else if (drop_member(c, ch, name, e) == -1)
			return -1;
	}
	return 0;
}

int
change_try(struct chat *c, const struct json *action,
    const struct place *places, struct attempt *ch, struct err *e)
{
	const struct resources *before = engine_resources(c->engine);
	const struct world_config *wc = engine_world_config(c->engine);
	const char *prune = json_str(action, "prune");
	char *prefix;

	memset(ch, 0, sizeof *ch);
	ch->after = resources_copy(before);
	if (str_equal(json_str(action, "do"), "delete")) {
		if (try_delete(c, action, ch, e) == -1)
			return -1;
	} else {
		try_docs(action, ch);
		if (prune != NULL && try_prune(before, prune, ch, e) == -1)
			return -1;
	}
	prefix = xasprintf("%s_", wc->prefix);
	resources_check(before, ch->after, ch->put, places, ch->put_n,
	    wc->domain, prefix, &ch->problems);
	resources_check_delete(ch->after, ch->gone, ch->gone_n,
	    &ch->problems);
	free(prefix);
	if (ch->problems.errors > 0)
		return err_set(e, ERR_USER, "%zu problem%s",
		    ch->problems.errors, ch->problems.errors == 1 ? "" : "s");
	ch->plan = engine_plan(c->engine, ch->after);
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

/* --- showing it ---------------------------------------------------------- */

struct json *
change_show(struct chat *c, const struct plan *plan, const struct strv *notes)
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
		line = short_ids(c, lines.v[i]);
		json_push_str(list, line);
		free(line);
	}
	list = json_set(o, "notes", json_array());
	for (size_t i = 0; notes != NULL && i < notes->n; i++)
		json_push_str(list, notes->v[i]);
	strv_release(&lines);
	free(summary);
	return o;
}

void
put_steps(const struct json *show, struct text *out)
{
	const struct json *v;

	v = json_first(json_get(show, "lines"));
	for (; v != NULL; v = json_next(v))
		text_printf(out, "- %s\n", json_value_str(v));
}

void
put_notes(const struct json *show, struct text *out)
{
	const struct json *v;

	v = json_first(json_get(show, "notes"));
	for (; v != NULL; v = json_next(v))
		text_printf(out, "- %s\n", json_value_str(v));
}

/* Each line cut, so that one long line does not fill the message. */
static bool
put_detail(const char *detail, struct text *out)
{
	struct buf b = { 0 };
	bool is_cut = false;
	size_t n, shown;

	for (; *detail != '\0'; detail += n + (detail[n] == '\n')) {
		n = strcspn(detail, "\n");
		shown = n <= DETAIL_WIDTH ? n :
		    utf8_prefix(detail, DETAIL_WIDTH);
		buf_add(&b, detail, shown);
		buf_puts(&b, shown < n ? "...\n" : "\n");
		is_cut |= shown < n;
	}
	text_pre(out, "diff", buf_str(&b));
	buf_release(&b);
	return is_cut;
}

char *
put_details(const struct plan *plan, struct text *out)
{
	struct buf whole = { 0 };
	bool is_cut = false;
	size_t n = 0;

	for (size_t i = 0; i < plan->steps_n; i++) {
		const struct step *s = &plan->steps[i];
		char *title;

		if (s->detail == NULL)
			continue;
		title = object_title(s->key);
		if (whole.len < DETAILS_BYTES)
			buf_printf(&whole, "%s\n%s\n", title, s->detail);
		if (n++ < DETAILS_SHOWN && out->b.len < REPLY_MAX / 4) {
			text_printf(out, "**%s**\n", title);
			is_cut |= put_detail(s->detail, out);
		} else
			is_cut = true;
		free(title);
	}
	if (is_cut)
		return buf_take(&whole);
	buf_release(&whole);
	return NULL;
}

/* --- doing it ------------------------------------------------------------ */

/* What the receipt will carry: each resource after the change. */
static struct json *
change_resources(const struct request *q, const struct attempt *ch,
    const struct json *show)
{
	struct json *o = json_object(), *changed, *deleted, *d;

	changed = json_set(o, "changed", json_array());
	deleted = json_set(o, "deleted", json_array());
	for (size_t i = 0; i < ch->plan->resources_n; i++) {
		const struct plan_resource *pr = &ch->plan->resources[i];
		const struct resource *r;

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
	json_set_str(o, "answer", q->answer);
	return o;
}

static void
log_change(struct request *q, const struct attempt *ch)
{
	static const char *const verbs[] = {
		[STEP_CREATE] = "created", [STEP_UPDATE] = "updated",
		[STEP_DELETE] = "deleted",
	};

	for (size_t i = 0; i < ch->plan->resources_n; i++) {
		const struct plan_resource *r = &ch->plan->resources[i];
		char *subject = xasprintf("%s/%s", r->kind->name, r->name);
		char *text = r->verb == STEP_UPDATE && r->fields.n > 0 ?
		    xasprintf("%s by %s: %s%s", verbs[r->verb], q->sender,
		    r->fields.v[0].path, r->fields.n > 1 ? " and more" : "") :
		    xasprintf("%s by %s", verbs[r->verb], q->sender);

		store_log_add(q->chat->store, subject,
		    r->verb == STEP_DELETE ? "deleted" : "applied", text);
		free(subject);
		free(text);
	}
}

/* Everything was in place already: the receipt is all there is to say. */
static void
end_at_once(struct request *q, const struct run_request *rq,
    const struct attempt *ch)
{
	struct ending end = { .actor = rq->actor, .room = rq->room,
	    .event = rq->command_event, .title = rq->title,
	    .plan_hash = ch->plan->hash, .resources = rq->resources };

	receipt_send(q->chat, &end);
}

void
change_run(struct request *q, const struct json *action,
    const struct attempt *ch, const struct strv *notes)
{
	struct json *show = change_show(q->chat, ch->plan, notes);
	struct json *resources = change_resources(q, ch, show);
	char *text = json_canonical(resources);
	struct run_request rq = { .actor = q->sender, .room = q->room,
	    .command_event = q->event, .resources = text,
	    .title = json_strd(action, "title", "change") };
	int64_t run;

	log_change(q, ch);
	run = engine_apply(q->chat->engine, ch->plan, ch->after, &rq);
	if (run == 0)
		end_at_once(q, &rq, ch);
	else
		progress_begin(q, run, rq.title, show, ch->plan);
	free(text);
	json_free(show);
	json_free(resources);
}

void
change_decide(struct request *q, const struct json *action,
    const struct attempt *ch, const struct strv *notes)
{
	const char *why = NULL;
	struct text list = { 0 };

	if (plan_is_empty(ch->plan)) {
		for (size_t i = 0; i < notes->n; i++)
			text_printf(&list, "- %s\n", notes->v[i]);
		say_template(q, REPLY_DONE, "nothing", FILL(B("notes",
		    &list)));
		text_release(&list);
		return;
	}
	if (q->repairs.has_value)
		why = "Values were repaired, so I ask.";
	else if (q->doubt != NULL)
		why = q->doubt;
	if (ch->plan->risk >= RISK_DELETE || ch->gone_n > 0)
		why = "What is deleted does not come back.";
	if (why != NULL)
		question_ask(q, action, ch, notes, why, false);
	else
		change_run(q, action, ch, notes);
}
