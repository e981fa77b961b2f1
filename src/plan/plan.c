/*
 * The plan: walk the world as it shall be beside the world as it is known, both
 * in order of keys, and note what has to be made, changed and taken away.
 *
 * A step is "caused" when the request changes what is desired of the object;
 * steps that are not were under way already.  They are listed, because the run
 * has to wait for them, but only what is caused makes the risk and the digest.
 *
 * Nothing is looked at closer than needed: an object whose desired form stays
 * what it is, and which the engine holds for settled, is passed by.
 */
#include "hiclaw/plan.h"

#include <stdlib.h>
#include <string.h>

#include "plan-int.h"

/* Stands for what an object of this very plan will turn out to be. */
#define COMING	"(new)"

#define NOTED_MAX	1000	/* creates looked at for a note: nobody reads
				 * more, and a form has to be parsed for each */
#define DETAILS_MAX	100	/* likewise, updates shown line by line */

struct draft {
	struct step	 step;
	bool		 is_caused;
	const struct object *object;	/* NULL: delete */
	const struct object_view *view;	/* NULL: not there */
};
struct drafts {
	struct draft	*v;
	size_t		 n, cap;
};

#define GAINS	0x1
#define LOSES	0x2

struct maker {
	const struct plan_input *in;
	struct plan	*plan;
	struct drafts	 creates, updates, deletes;	/* by key */
	struct map	*observed;	/* parsed, of what was referred to */
	struct json	*coming;
	size_t		 details;	/* steps that have one */
	struct map	*access;	/* person -> GAINS, LOSES */
};

static struct draft *
draft_add(struct drafts *ds)
{
	if (ds->n == ds->cap) {
		ds->cap = ds->cap == 0 ? 32 : ds->cap * 2;
		ds->v = xreallocarray(ds->v, ds->cap, sizeof(ds->v[0]));
	}
	ds->v[ds->n] = (struct draft){0};
	return &ds->v[ds->n++];
}

/* Index of the draft with that key in a list by key; n if there is none. */
static size_t
draft_find(const struct drafts *ds, const char *key)
{
	size_t lo = 0, hi = ds->n, mid;
	int c;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if ((c = strcmp(ds->v[mid].step.key, key)) == 0)
			return mid;
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return ds->n;
}

/* --- references ----------------------------------------------------------- */

static int
view_cmp(const void *key, const void *view)
{
	return strcmp(key, ((const struct object_view *)view)->key);
}

static const struct object_view *
find_view(const struct maker *m, const char *key)
{
	if (m->in->current_n == 0)
		return NULL;
	return bsearch(key, m->in->current, m->in->current_n,
	    sizeof(m->in->current[0]), view_cmp);
}

static void
free_json(void *v)
{
	json_free(v);
}

static struct json *
parse(const char *text)
{
	struct err e;

	return text == NULL ? NULL : json_parse(text, strlen(text), &e);
}

/*
 * What a reference stands for.  Of an object that this plan is going to make
 * it stands for something new, so that what follows from it is shown as well.
 */
static const struct json *
lookup(void *arg, const char *key, const char *field)
{
	struct maker *m = arg;
	const struct object_view *view = find_view(m, key);
	struct json *observed;

	if (view == NULL || view->observed == NULL)
		return world_find(m->in->world, key) != NULL ? m->coming :
		    NULL;
	if ((observed = map_find(m->observed, key)) == NULL) {
		if ((observed = parse(view->observed)) == NULL)
			return NULL;
		map_set(m->observed, key, observed);
	}
	return json_get(observed, field);
}

/* --- who comes and goes --------------------------------------------------- */

static void
note_people(struct maker *m, const struct json *members,
    const struct json *others, uintptr_t flag)
{
	const struct json *v;
	uintptr_t flags;

	for (v = json_first(members); v != NULL; v = json_next(v)) {
		if (str_equal(json_value_str(v), "agent") ||
		    json_get(others, json_key(v)) != NULL)
			continue;
		flags = (uintptr_t)map_find(m->access, json_key(v));
		if (flags & flag)
			continue;
		map_set(m->access, json_key(v), (void *)(flags | flag));
		if (flag == GAINS)
			m->plan->gains++;
		else
			m->plan->losses++;
	}
}

/* Between what is desired now and what shall be; either may be NULL. */
static void
note_access(struct maker *m, const char *key, const char *before,
    const char *after)
{
	struct json *a, *b;

	if (!str_starts(key, "room:"))
		return;
	a = parse(before);
	b = parse(after);
	note_people(m, json_get(b, "members"), json_get(a, "members"), GAINS);
	note_people(m, json_get(a, "members"), json_get(b, "members"), LOSES);
	json_free(a);
	json_free(b);
}

/* --- steps ---------------------------------------------------------------- */

static enum risk
changes_risk(const struct changes *c)
{
	enum risk risk = RISK_UPDATE;
	size_t i;

	for (i = 0; i < c->n; i++)
		if (c->v[i].risk > risk)
			risk = c->v[i].risk;
	return risk;
}

static void
draft_step(struct draft *d, enum step_verb verb, const char *key,
    const char *owner, enum risk risk)
{
	d->step.verb = verb;
	d->step.key = xstrdup(key);
	d->step.owner = xstrdup(owner);
	d->step.risk = risk;
}

static const struct object_kind *
kind_of(const struct maker *m, const char *key)
{
	char name[32];

	return m->in->kind(object_kind_name(key, name, sizeof(name)));
}

static struct json *
resolve(struct maker *m, const char *desired)
{
	struct json *form = json_must(desired);
	struct json *resolved = object_resolve(form, lookup, m, NULL);

	json_free(form);
	return resolved;
}

/* What people see of an update beside its changes. */
static void
explain(struct maker *m, const struct object_kind *kind,
    const struct object_view *view, const struct json *after, struct step *s)
{
	struct json *before;

	if (kind->note != NULL)
		s->note = kind->note(after);
	if (kind->detail == NULL || view->desired == NULL ||
	    m->details == DETAILS_MAX)
		return;
	before = resolve(m, view->desired);
	s->detail = kind->detail(before, after);
	m->details += s->detail != NULL;
	json_free(before);
}

static void
plan_create(struct maker *m, const struct object *o,
    const struct object_view *view, bool is_caused)
{
	struct draft *d = draft_add(&m->creates);
	const struct object_kind *kind = kind_of(m, o->key);
	struct json *desired;

	draft_step(d, STEP_CREATE, o->key, o->owner, RISK_CREATE);
	if (kind != NULL && kind->note != NULL && m->creates.n <= NOTED_MAX) {
		desired = json_must(o->desired);
		d->step.note = kind->note(desired);
		json_free(desired);
	}
	d->object = o;
	d->view = view;
	d->is_caused = is_caused;
}

static void
plan_update(struct maker *m, const struct object *o,
    const struct object_view *view, struct json *observed, bool is_caused)
{
	const struct object_kind *kind = kind_of(m, o->key);
	struct changes changes = { 0 };
	struct json *desired = NULL;
	struct draft *d;

	if (kind != NULL) {
		desired = resolve(m, o->desired);
		kind->diff(desired, observed, &changes);
	}
	if (kind != NULL ? changes.n == 0 : !is_caused)
		goto out;
	d = draft_add(&m->updates);
	draft_step(d, STEP_UPDATE, o->key, o->owner, changes_risk(&changes));
	d->step.changes = changes;
	if (kind != NULL)
		explain(m, kind, view, desired, &d->step);
	d->object = o;
	d->view = view;
	d->is_caused = is_caused;
out:
	json_free(desired);
}

/* The object shall be; view is what we know of it, or NULL. */
static void
plan_wanted(struct maker *m, const struct object *o,
    const struct object_view *view)
{
	bool is_caused = view == NULL || !str_equal(view->desired, o->desired);
	struct json *observed;

	if (!is_caused && view->state == OBJECT_SETTLED &&
	    view->observed != NULL)
		return;
	if (is_caused)
		note_access(m, o->key, view == NULL ? NULL : view->desired,
		    o->desired);
	observed = view == NULL ? NULL : parse(view->observed);
	if (observed == NULL)
		plan_create(m, o, view, is_caused);
	else
		plan_update(m, o, view, observed, is_caused);
	json_free(observed);
}

static void
plan_unwanted(struct maker *m, const struct object_view *view)
{
	struct draft *d = draft_add(&m->deletes);
	const struct object_kind *kind = kind_of(m, view->key);
	struct json *was = parse(view->desired);

	draft_step(d, STEP_DELETE, view->key, view->owner, kind != NULL &&
	    kind->removal != NULL ? kind->removal(was) : RISK_DELETE);
	json_free(was);
	d->view = view;
	d->is_caused = view->desired != NULL;
	if (d->is_caused)
		note_access(m, view->key, view->desired, NULL);
}

static void
plan_objects(struct maker *m)
{
	const struct plan_input *in = m->in;
	const struct object *o;
	const struct object_view *view;
	size_t i = 0, j = 0;
	int c;

	while (i < world_n(in->world) || j < in->current_n) {
		o = world_at(in->world, i);
		view = j < in->current_n ? &in->current[j] : NULL;
		c = o == NULL ? 1 : view == NULL ? -1 :
		    strcmp(o->key, view->key);
		if (c > 0)
			plan_unwanted(m, view);
		else
			plan_wanted(m, o, c == 0 ? view : NULL);
		i += c <= 0;
		j += c >= 0;
	}
}

/* --- order ---------------------------------------------------------------- */

struct edges {
	struct edge	*v;
	size_t		 n, cap;
};

static void
edge_add(struct edges *es, size_t first, size_t then)
{
	if (es->n == es->cap) {
		es->cap = es->cap == 0 ? 64 : es->cap * 2;
		es->v = xreallocarray(es->v, es->cap, sizeof(es->v[0]));
	}
	es->v[es->n++] = (struct edge){ first, then };
}

static void
take_steps(struct maker *m, struct drafts *ds, const size_t *order,
    bool **is_caused)
{
	struct plan *p = m->plan;
	size_t i, at;

	p->steps = xreallocarray(p->steps, p->steps_n + ds->n + 1,
	    sizeof(p->steps[0]));
	*is_caused = xreallocarray(*is_caused, p->steps_n + ds->n + 1,
	    sizeof(**is_caused));
	for (i = 0; i < ds->n; i++) {
		at = order == NULL ? i : order[i];
		p->steps[p->steps_n] = ds->v[at].step;
		(*is_caused)[p->steps_n++] = ds->v[at].is_caused;
	}
}

/* First what others depend on. */
static void
order_creates(struct maker *m, bool **is_caused)
{
	struct drafts *ds = &m->creates;
	size_t *order = xcalloc(ds->n + 1, sizeof(*order)), i, k, dep;
	struct edges es = { 0 };
	const struct strv *deps;

	for (i = 0; i < ds->n; i++) {
		deps = &ds->v[i].object->deps;
		for (k = 0; k < deps->n; k++) {
			dep = draft_find(ds, deps->v[k]);
			if (dep < ds->n)
				edge_add(&es, dep, i);
		}
	}
	order_by_edges(es.v, es.n, ds->n, order);
	take_steps(m, ds, order, is_caused);
	free(order);
	free(es.v);
}

/* Keys that a desired form refers to, by the text that only a reference has. */
static void
add_refs(struct edges *es, const struct drafts *ds, size_t i)
{
	static const char mark[] = "{\"$ref\":\"";
	const char *p = ds->v[i].view->desired, *end;
	char *key;
	size_t at;

	while (p != NULL && (p = strstr(p, mark)) != NULL) {
		p += sizeof(mark) - 1;
		if ((end = strchr(p, '"')) == NULL)
			return;
		key = xstrndup(p, (size_t)(end - p));
		if ((at = draft_find(ds, key)) < ds->n)
			edge_add(es, ds->n - 1 - i, ds->n - 1 - at);
		free(key);
	}
}

/*
 * First what depends on others.  What we hold of an object tells its references
 * only; the reverse order of keys does the rest (rooms before accounts).
 */
static void
order_deletes(struct maker *m, bool **is_caused)
{
	struct drafts *ds = &m->deletes;
	size_t *order = xcalloc(ds->n + 1, sizeof(*order)), i;
	struct edges es = { 0 };

	for (i = 0; i < ds->n; i++)
		add_refs(&es, ds, i);
	order_by_edges(es.v, es.n, ds->n, order);
	for (i = 0; i < ds->n; i++)
		order[i] = ds->n - 1 - order[i];
	take_steps(m, ds, order, is_caused);
	free(order);
	free(es.v);
}

/* --- resources ------------------------------------------------------------ */

static int
resource_cmp(const struct resource *a, const struct resource *b)
{
	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	return strcmp(a->name, b->name);
}

static void
plan_resource(struct plan *p, const struct resource *from,
    const struct resource *to)
{
	const struct resource *one = to != NULL ? to : from;
	struct field_changes fields = { 0 };
	enum step_verb verb = from == NULL ? STEP_CREATE :
	    to == NULL ? STEP_DELETE : STEP_UPDATE;

	if (from == to)
		return;
	if (verb == STEP_UPDATE) {
		resource_diff(from, to, &fields);
		if (fields.n == 0) {
			p->unchanged++;
			return;
		}
	}
	/* Grows by doubling: whenever n is a power of two. */
	if ((p->resources_n & (p->resources_n - 1)) == 0)
		p->resources = xreallocarray(p->resources,
		    p->resources_n == 0 ? 1 : p->resources_n * 2,
		    sizeof(p->resources[0]));
	p->resources[p->resources_n++] = (struct plan_resource){
		.verb = verb, .kind = one->kind, .name = xstrdup(one->name),
		.fields = fields,
	};
}

static void
plan_resources(struct maker *m)
{
	const struct resources *before = m->in->before, *after = m->in->after;
	const struct resource *a, *b;
	size_t i = 0, j = 0;
	int c;

	while (i < resources_n(before) || j < resources_n(after)) {
		a = resources_at(before, i);
		b = resources_at(after, j);
		c = a == NULL ? 1 : b == NULL ? -1 : resource_cmp(a, b);
		plan_resource(m->plan, c <= 0 ? a : NULL, c >= 0 ? b : NULL);
		i += c <= 0;
		j += c >= 0;
	}
}

/* --- risk ----------------------------------------------------------------- */

/* An entry of a list that gives: what takes it away gives nobody more. */
static bool
is_lowering(const struct field_change *f)
{
	if (str_equal(f->path, "spec.permissionLevel"))
		return f->from != NULL && f->to != NULL &&
		    strtol(f->to, NULL, 10) > strtol(f->from, NULL, 10);
	if (!str_ends(f->path, "]"))
		return false;
	return strstr(f->path, "DenyExtra[") != NULL ? f->from == NULL :
	    f->to == NULL;
}

static enum risk
field_risk(const struct field_change *f)
{
	switch (f->effect) {
	case EFFECT_RESTART:
	case EFFECT_RECREATE:
		return RISK_RESTART;
	case EFFECT_PERMISSION:
		return is_lowering(f) ? RISK_UPDATE : RISK_PERMISSION;
	default:
		return RISK_UPDATE;
	}
}

static void
raise_risk(struct plan *p, enum risk risk)
{
	if (risk > p->risk)
		p->risk = risk;
}

/*
 * A resource that is made may well come with power; that is what making it
 * means.  Only where an existing one changes is more power a risk of its own.
 */
static void
judge(struct plan *p, const bool *is_caused)
{
	const struct plan_resource *r;
	bool has_update = false;
	enum risk risk;
	size_t i, k;

	for (i = 0; i < p->resources_n; i++) {
		r = &p->resources[i];
		raise_risk(p, r->verb == STEP_CREATE ? RISK_CREATE :
		    r->verb == STEP_DELETE ? RISK_DELETE : RISK_UPDATE);
		has_update |= r->verb == STEP_UPDATE;
		for (k = 0; k < r->fields.n; k++)
			raise_risk(p, field_risk(&r->fields.v[k]));
	}
	for (i = 0; i < p->steps_n; i++) {
		risk = p->steps[i].risk;
		if (risk == RISK_PERMISSION && !has_update)
			risk = RISK_UPDATE;
		if (is_caused[i])
			raise_risk(p, risk);
	}
}

/* -------------------------------------------------------------------------- */

struct plan *
plan_make(const struct plan_input *in)
{
	struct plan *p = xcalloc(1, sizeof(*p));
	struct maker m = { .in = in, .plan = p };
	bool *is_caused = NULL;

	m.observed = map_new(free_json);
	m.access = map_new(NULL);
	m.coming = json_string(COMING);
	plan_resources(&m);
	plan_objects(&m);
	order_creates(&m, &is_caused);
	take_steps(&m, &m.updates, NULL, &is_caused);
	order_deletes(&m, &is_caused);
	p->creates = m.creates.n;
	p->updates = m.updates.n;
	p->deletes = m.deletes.n;
	judge(p, is_caused);
	plan_hash(p, is_caused, in->before, in->after, p->hash);
	free(is_caused);
	free(m.creates.v);
	free(m.updates.v);
	free(m.deletes.v);
	map_free(m.observed);
	map_free(m.access);
	json_free(m.coming);
	return p;
}

void
plan_free(struct plan *p)
{
	size_t i;

	if (p == NULL)
		return;
	for (i = 0; i < p->steps_n; i++) {
		free(p->steps[i].key);
		free(p->steps[i].owner);
		free(p->steps[i].detail);
		changes_release(&p->steps[i].changes);
	}
	for (i = 0; i < p->resources_n; i++) {
		free(p->resources[i].name);
		field_changes_release(&p->resources[i].fields);
	}
	free(p->steps);
	free(p->resources);
	free(p);
}

bool
plan_is_empty(const struct plan *p)
{
	return p->steps_n == 0 && p->resources_n == 0;
}
