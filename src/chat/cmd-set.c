/*
 * create, set, label, scale: short forms of a manifest.  What was said becomes
 * resources, is shown as the YAML that it stands for, and goes the way of every
 * manifest: plan, question or proposal, run, receipt.
 */
#include "chat-int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cmd.h"
#include "pairs.h"

#define YAML_SHOWN	4096	/* bytes of a whole resource: of a longer one
				 * only the part that changes */
#define SCALE_MAX	100	/* workers of a team; for more paste them */
#define NAME_MAX_LEN	42	/* see NAME_PATTERN */

/* One resource on its way to be another. */
struct draft {
	struct target	 t;		/* as declared; resource NULL: new */
	const struct kind *kind;
	struct json	*metadata, *spec;	/* copies, edited */
	struct json	*part;		/* of spec: the member's, or the spec */
	const struct field *rows;	/* of the part */
	char		*what;		/* "Worker/bob", for messages */
};

static void
draft_release(struct draft *d)
{
	json_free(d->metadata);
	json_free(d->spec);
	free(d->what);
}

/* --- the way of a manifest ------------------------------------------------ */

/* Without its place: nobody has seen the text that was made of the words. */
static void
say_problems_of(struct request *q, const struct problems *ps)
{
	struct text t = { 0 };
	char count[40];

	for (size_t i = 0; i < ps->n; i++) {
		struct problem p = { .path = ps->v[i].path,
		    .what = ps->v[i].what };

		if (ps->v[i].is_warning)
			continue;
		text_puts(&t, "- ");
		put_problem(&p, &t);
	}
	snprintf(count, sizeof count, "%zu problem%s:", ps->errors,
	    ps->errors == 1 ? "" : "s");
	say_template(q, REPLY_REFUSED, "problems", FILL(V("count", count),
	    V("advice", NULL), B("text", &t), B("notes", NULL)));
	text_release(&t);
}

/* Nobody gets to read here what the room could not read before. */
static void
put_yaml(struct text *t, const char *yaml)
{
	static const struct strv none = { 0 };
	char *masked = mask_secrets(yaml, &none, true);

	text_pre(t, "yaml", masked);
	free(masked);
}

/*
 * What it stands for, before what comes of it.  A part is no manifest, so that
 * nobody pastes it and loses the rest.
 */
static void
show_yaml(struct request *q, const struct draft *d, const struct resource *r)
{
	struct reply reply = { .state = REPLY_INFO };
	char *yaml = resource_yaml(r), *part;
	struct text t = { 0 };

	if (strlen(yaml) <= YAML_SHOWN) {
		text_puts(&t, "In YAML:");
		put_yaml(&t, yaml);
	} else {
		part = json_yaml(d->part != d->spec ? d->part : r->spec);
		text_printf(&t, "The part of %s/%s that changes:",
		    r->kind->name, r->name);
		put_yaml(&t, part);
		free(part);
	}
	reply_send(q->chat, q->room, &reply, &t);
	text_release(&t);
	free(yaml);
}

/* As the decoder makes it of what was drafted; NULL: that was said. */
static struct resource *
draft_decode(struct request *q, const struct draft *d, struct strv *notes)
{
	struct resource *r = resource_new(d->kind, json_copy(d->metadata),
	    json_copy(d->spec)), **v = NULL, *found = NULL;
	struct json *doc = resource_json(r);
	char *text = json_canonical(doc);
	struct problems ps = { 0 };
	size_t n = 0;

	if (manifest_decode(text, strlen(text), &v, &n, &ps) == 0 && n == 1)
		found = resource_ref(v[0]);
	else
		say_problems_of(q, &ps);
	note_warnings(&ps, notes);
	for (size_t i = 0; i < n; i++)
		resource_unref(v[i]);
	free(v);
	problems_release(&ps);
	json_free(doc);
	free(text);
	resource_unref(r);
	return found;
}

/* `title` is what the receipt will say. */
static void
draft_apply(struct request *q, const struct draft *d, const char *title)
{
	struct strv notes = { 0 };
	struct resource *r = draft_decode(q, d, &notes);
	struct attempt ch = { 0 };
	struct json *action;
	char why[256];
	struct err err;

	if (r == NULL) {
		strv_release(&notes);
		return;
	}
	action = change_apply_action(&r, 1, NULL);
	json_set_str(action, "title", title);
	if (change_try(q->chat->engine, action, NULL, &ch, &err) == -1) {
		if (ch.problems.errors > 0)
			say_problems_of(q, &ch.problems);
		else
			say_wrong(q, "%s", err.msg);
	} else {
		note_warnings(&ch.problems, &notes);
		if (!plan_is_empty(ch.plan) && request_may_change(q, action,
		    &ch, why, sizeof why) != MAY_NOT)
			show_yaml(q, d, r);
		change_decide(q, action, &ch, &notes);
	}
	change_release(&ch);
	json_free(action);
	strv_release(&notes);
	resource_unref(r);
}

/* --- drafts ---------------------------------------------------------------- */

/* The member's part of the copied spec. */
static struct json *
member_part(struct json *spec, const struct target *t)
{
	struct json *w;

	if (t->is_leader)
		return json_get(spec, "leader");
	w = json_first(json_get(spec, "workers"));
	while (w != NULL && !str_equal(json_str(w, "name"), t->name))
		w = json_next(w);
	return w;
}

/* Of what is declared under that name. */
static int
draft_of(struct request *q, const struct kind *kind, const char *name,
    struct draft *d, struct err *e)
{
	struct engine *engine = q->chat->engine;
	const struct resource *r;

	target_find(engine_resources(engine), kind, name, &d->t);
	if ((r = d->t.resource) == NULL)
		return name_missing(engine, kind, name, e);
	if (r->deleting)
		return err_set(e, ERR_CONFLICT, "%s/%.64s is being deleted",
		    kind->name, name);
	d->kind = r->kind;
	d->metadata = json_copy(r->metadata);
	d->spec = json_copy(r->spec);
	d->part = d->t.team != NULL ? member_part(d->spec, &d->t) : d->spec;
	d->rows = d->t.team != NULL ? rows_of_member(d->t.is_leader) :
	    d->kind->spec;
	d->what = xasprintf("%s/%s", kind->name, name);
	return 0;
}

static int
draft_assign(struct draft *d, const struct pair *p, struct err *e)
{
	static const char meta[] = "metadata.", spec[] = "spec.";

	if (strncasecmp(p->key, meta, strlen(meta)) == 0) {
		if (d->part != d->spec)
			return err_set(e, ERR_USER, "%s is a member of Team/%s "
			    "and has no metadata of its own", d->what,
			    d->t.team->name);
		return field_assign(rows_of_metadata(), d->metadata,
		    d->what, p->key + strlen(meta), p->value, p->is_more, e);
	}
	return field_assign(d->rows, d->part, d->what, p->key +
	    (strncasecmp(p->key, spec, strlen(spec)) == 0 ? strlen(spec) : 0),
	    p->value, p->is_more, e);
}

static int
draft_assign_all(struct draft *d, const struct pairs *ps, struct err *e)
{
	for (size_t i = 0; i < ps->n; i++)
		if (draft_assign(d, &ps->v[i], e) == -1)
			return -1;
	return 0;
}

/* "KIND NAME KEY=VALUE ..."; what is asked when nothing, or no pair, is there. */
static int
read_pairs(struct request *q, const char *what, const char *which,
    const struct kind **kind, const char **name, struct pairs *ps,
    struct err *e)
{
	const struct strv *v = &q->words.v;
	size_t at = 0;

	if (v->n == 0)
		return err_set(e, ERR_USER, "%s", what);
	if (read_name(q, v, &at, kind, name, e) == -1 ||
	    pairs_read(v, at, ps, e) == -1)
		return -1;
	return ps->n > 0 ? 0 : err_set(e, ERR_USER, "%s", which);
}

/* --- set ------------------------------------------------------------------- */

void
cmd_set(struct request *q)
{
	const struct kind *kind;
	const char *name;
	struct draft d = { .kind = NULL };
	struct pairs ps = { .n = 0 };
	struct err err;
	char *title;

	if (read_pairs(q, "set what?", "which field?", &kind, &name, &ps, &err) == -1)
		say_usage(q, err.msg);
	else if (draft_of(q, kind, name, &d, &err) == -1 ||
	    draft_assign_all(&d, &ps, &err) == -1)
		say_wrong(q, "%s", err.msg);
	else {
		title = xasprintf("set %s: %s%s", d.what, ps.v[0].key,
		    ps.n > 1 ? " and more" : "");
		draft_apply(q, &d, title);
		free(title);
	}
	pairs_release(&ps);
	draft_release(&d);
}

/* --- create ---------------------------------------------------------------- */

static bool
is_kind(const struct kind *k, const char *name)
{
	return k != NULL && strcmp(k->name, name) == 0;
}

/* What must be there and was not said, where one answer is the usual one. */
static void
draft_defaults(struct request *q, struct draft *d)
{
	const char *model = engine_world_config(q->chat->engine)->agents.model;
	const char *name = json_strd(d->metadata, "name", "");

	if ((is_kind(d->kind, "Worker") || is_kind(d->kind, "Manager")) &&
	    model != NULL && json_get(d->spec, "model") == NULL)
		json_set_str(d->spec, "model", model);
	if (!is_kind(d->kind, "Human"))
		return;
	if (json_get(d->spec, "displayName") == NULL)
		json_set_str(d->spec, "displayName", name);
	/* The least there is. */
	if (json_get(d->spec, "permissionLevel") == NULL)
		json_set_int(d->spec, "permissionLevel", 3);
}

/* A new worker at the end of a team's. */
static int
draft_member(struct request *q, const char *team, const char *name,
    struct draft *d, struct err *e)
{
	struct json *workers;

	if (draft_of(q, kind_find("Team"), team, d, e) == -1)
		return -1;
	workers = json_get(d->spec, "workers");
	if (!json_is(workers, JSON_ARRAY))
		workers = json_set(d->spec, "workers", json_array());
	d->part = json_push(workers, json_object());
	json_set_str(d->part, "name", name);
	d->rows = rows_of_member(false);
	free(d->what);
	d->what = xasprintf("Worker/%s", name);
	return 0;
}

static void
draft_new(const struct kind *kind, const char *name, struct draft *d)
{
	d->kind = kind;
	d->metadata = json_object();
	json_set_str(d->metadata, "name", name);
	d->part = d->spec = json_object();
	d->rows = kind->spec;
	d->what = xasprintf("%s/%s", kind->name, name);
}

/* There is one of that name: what was meant is `set`. */
static bool
is_there(struct request *q, const struct kind *kind, const char *name)
{
	struct target t;
	bool is_human = is_kind(kind, "Human"), is_team = is_kind(kind, "Team");

	/* Agents of all kinds have one namespace. */
	target_find(engine_resources(q->chat->engine),
	    is_human || is_team ? kind : NULL, name, &t);
	if (t.resource == NULL)
		return false;
	say_wrong(q, "There is a %s %s already%s%s. `set %s %s field=value` "
	    "changes it.", t.kind->singular, name,
	    t.team != NULL ? " in Team/" : "",
	    t.team != NULL ? t.team->name : "", t.kind->singular, name);
	return true;
}

static void
create(struct request *q, const struct kind *kind, const char *name,
    struct pairs *ps)
{
	char *team = is_kind(kind, "Worker") ? pairs_take(ps, "team") : NULL;
	struct draft d = { .kind = NULL };
	struct err err;
	char *title;
	int rc = 0;

	if (team != NULL)
		rc = draft_member(q, team, name, &d, &err);
	else
		draft_new(kind, name, &d);
	if (rc == 0)
		rc = draft_assign_all(&d, ps, &err);
	if (rc == -1)
		say_wrong(q, "%s", err.msg);
	else {
		if (team == NULL)
			draft_defaults(q, &d);
		title = team != NULL ? xasprintf("create %s in Team/%s",
		    d.what, team) : xasprintf("create %s", d.what);
		draft_apply(q, &d, title);
		free(title);
	}
	draft_release(&d);
	free(team);
}

void
cmd_create(struct request *q)
{
	const struct strv *v = &q->words.v;
	const struct kind *kind;
	const char *name;
	struct pairs ps = { .n = 0 };
	struct err err;
	size_t at = 0;

	if (read_name(q, v, &at, &kind, &name, &err) == -1)
		say_usage(q, err.msg);
	else if (pairs_read(v, at, &ps, &err) == -1)
		say_usage(q, err.msg);
	else if (!is_there(q, kind, name))
		create(q, kind, name, &ps);
	pairs_release(&ps);
}

/* --- label ----------------------------------------------------------------- */

static void
label_all(struct draft *d, const struct pairs *ps)
{
	struct json *labels = json_obj(d->metadata, "labels");

	for (size_t i = 0; i < ps->n; i++) {
		if (ps->v[i].value != NULL)
			json_set_str(labels, ps->v[i].key, ps->v[i].value);
		else
			json_remove(labels, ps->v[i].key);
	}
	if (json_size(labels) == 0)
		json_remove(d->metadata, "labels");
}

void
cmd_label(struct request *q)
{
	const struct kind *kind;
	const char *name;
	struct draft d = { .kind = NULL };
	struct pairs ps = { .n = 0 };
	struct err err;
	char *title;

	if (read_pairs(q, "label what?", "which label?", &kind, &name, &ps, &err) == -1)
		say_usage(q, err.msg);
	else if (draft_of(q, kind, name, &d, &err) == -1)
		say_wrong(q, "%s", err.msg);
	else if (d.t.team != NULL)
		say_wrong(q, "%s is a member of Team/%s, and what is selected "
		    "by labels is the Team: label that. Labels of its "
		    "container are `set worker %s labels.KEY=VALUE`.", name,
		    d.t.team->name, name);
	else {
		label_all(&d, &ps);
		title = xasprintf("label %s", d.what);
		draft_apply(q, &d, title);
		free(title);
	}
	pairs_release(&ps);
	draft_release(&d);
}

/* --- scale ----------------------------------------------------------------- */

static bool
is_taken(struct request *q, const struct json *workers, const char *name)
{
	const struct json *w = json_first(workers);
	struct target t;

	for (; w != NULL; w = json_next(w))
		if (str_equal(json_str(w, "name"), name))
			return true;
	target_find(engine_resources(q->chat->engine), NULL, name, &t);
	return t.resource != NULL;
}

/* "wim" and "wim-4" lead to "wim-5", or the next that is free. */
static char *
next_name(struct request *q, const struct json *workers, const char *last)
{
	size_t len = strlen(last), digits;
	long number = 1;
	char *name, tail[24];

	for (digits = 0; digits < len && last[len - digits - 1] >= '0' &&
	    last[len - digits - 1] <= '9';)
		digits++;
	if (digits > 0 && digits < 7 && len > digits + 1 &&
	    last[len - digits - 1] == '-') {
		number = strtol(last + len - digits, NULL, 10);
		len -= digits + 1;
	}
	for (;;) {
		snprintf(tail, sizeof tail, "-%ld", ++number);
		if (len + strlen(tail) > NAME_MAX_LEN)
			len = NAME_MAX_LEN - strlen(tail);
		name = xasprintf("%.*s%s", (int)len, last, tail);
		if (!is_taken(q, workers, name))
			return name;
		free(name);
	}
}

/* The last of a list that is not empty. */
static struct json *
last_of(struct json *list)
{
	struct json *v = json_first(list);

	while (json_next(v) != NULL)
		v = json_next(v);
	return v;
}

static void
grow(struct request *q, struct draft *d, struct json *workers, size_t n)
{
	struct json *last = last_of(workers), *copy;
	char *name;

	while (json_size(workers) < n) {
		name = next_name(q, workers, json_strd(last, "name", ""));
		copy = json_copy(last);
		json_set_str(copy, "name", name);
		/* An account is one agent's. */
		json_remove(copy, "workerName");
		last = json_push(workers, copy);
		free(name);
	}
	d->part = d->spec;
}

static void
shrink(struct draft *d, const struct json *workers, size_t n)
{
	struct json *rest = json_array();
	const struct json *w = json_first(workers);

	for (; w != NULL && json_size(rest) < n; w = json_next(w))
		json_push(rest, json_copy(w));
	json_set(d->spec, "workers", rest);
}

/* "web 3", "team web 3", "web to 3", "web=3", "web +2" */
static int
read_scale(struct request *q, char **team, long *n, bool *is_more,
    struct err *e)
{
	struct strv w = { 0 };
	char *end, *line = strv_join(&q->words.v, " ");
	int rc = 0;

	for (char *p = line; *p != '\0'; p++)
		if (*p == '=' || *p == '/')
			*p = ' ';
	strv_split(&w, line, ' ');
	free(line);
	*team = NULL;
	*n = -1;
	if (w.n > 1 && kind_find(w.v[0]) == kind_find("Team"))
		strv_remove(&w, w.v[0]);
	if (w.n == 3 && strcmp(w.v[1], "to") == 0)
		strv_remove(&w, w.v[1]);
	if (w.n != 2) {
		rc = err_set(e, ERR_USER, "which team, and to how many "
		    "workers?");
	} else {
		*is_more = w.v[1][0] == '+';
		*n = strtol(w.v[1], &end, 10);
		if (*end != '\0' || end == w.v[1] || *n < 0 || *n > SCALE_MAX)
			rc = err_set(e, ERR_USER, "\"%.40s\" is no number from "
			    "0 to %d", w.v[1], SCALE_MAX);
		else
			*team = xstrdup(w.v[0]);
	}
	strv_release(&w);
	return rc;
}

static void
scale(struct request *q, struct draft *d, size_t n)
{
	struct json *workers = json_get(d->spec, "workers");
	size_t was = json_size(workers);
	char *title;

	if (was == 0 && n > 0) {
		say_wrong(q, "%s has no worker to copy: `create worker NAME "
		    "team=%s model=...` makes the first.", d->what,
		    json_strd(d->metadata, "name", ""));
		return;
	}
	if (n > was)
		grow(q, d, workers, n);
	else if (n < was)
		shrink(d, workers, n);
	title = xasprintf("scale %s from %zu to %zu", d->what, was, n);
	draft_apply(q, d, title);
	free(title);
}

void
cmd_scale(struct request *q)
{
	struct draft d = { .kind = NULL };
	char *team = NULL;
	bool is_more = false;
	long n;
	struct err err;

	if (read_scale(q, &team, &n, &is_more, &err) == -1)
		say_usage(q, err.msg);
	else if (draft_of(q, kind_find("Team"), team, &d, &err) == -1)
		say_wrong(q, "%s", err.msg);
	else
		scale(q, &d, (size_t)n + (is_more ? json_size(json_get(d.spec,
		    "workers")) : 0));
	free(team);
	draft_release(&d);
}
