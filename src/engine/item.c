/*
 * Items: one managed object each, and the one place where its state is decided.
 *
 * item_check() compares desired with observed and says where the item stands;
 * it is run for every item that something happened to, once per turn of the
 * loop (items_check), so that a hundred events about one room cost one look.
 * What always holds: an item that is not BUSY is SETTLED, or queued, or waits
 * for another item (WAITING, REMOVING), or for a time (BACKOFF, FAILED).
 */
#include "engine-int.h"

#include <stdlib.h>
#include <string.h>

#include "hiclaw/clock.h"
#include "hiclaw/log.h"

#define NEWS_RETRY_MS	1000	/* of what failed, after somebody touched it */

struct item *
item_find(const struct engine *e, const char *key)
{
	return map_find(e->items, key);
}

static struct owner *
owner_get(struct engine *e, const char *name)
{
	struct owner *o = map_find(e->owners, name);

	if (o == NULL) {
		o = xcalloc(1, sizeof *o);
		o->name = xstrdup(name);
		map_set(e->owners, name, o);
	}
	return o;
}

static void
owner_add(struct owner *o, struct item *it)
{
	if (o->n == o->cap) {
		o->cap = o->cap ? 2 * o->cap : 4;
		o->items = xreallocarray(o->items, o->cap, sizeof *o->items);
	}
	o->items[o->n++] = it;
	it->owner = o;
}

static void
owner_drop(struct item *it)
{
	struct owner *o = it->owner;

	for (size_t i = 0; i < o->n; i++)
		if (o->items[i] == it) {
			o->items[i] = o->items[--o->n];
			return;
		}
}

struct item *
item_add(struct engine *e, const char *key, const char *owner)
{
	struct item *it = xcalloc(1, sizeof *it);
	char kind[32];

	it->key = xstrdup(key);
	it->kind = system_kind(e, object_kind_name(key, kind, sizeof kind),
	    &it->system);
	it->state = OBJECT_DIRTY;
	owner_add(owner_get(e, owner), it);
	map_set(e->items, key, it);
	order_add(e->order, it);
	return it;
}

void
item_set_owner(struct engine *e, struct item *it, const char *owner)
{
	owner_drop(it);
	owner_add(owner_get(e, owner), it);
}

static void
user_add(struct item *dep, struct item *it)
{
	if (dep->users_n == dep->users_cap) {
		dep->users_cap = dep->users_cap ? 2 * dep->users_cap : 4;
		dep->users = xreallocarray(dep->users, dep->users_cap,
		    sizeof *dep->users);
	}
	dep->users[dep->users_n++] = it;
}

static void
user_drop(struct item *dep, struct item *it)
{
	for (size_t i = dep->users_n; i-- > 0;)
		if (dep->users[i] == it) {
			dep->users[i] = dep->users[--dep->users_n];
			return;
		}
}

static void
unlink_deps(struct engine *e, struct item *it)
{
	for (size_t i = 0; i < it->refs.n; i++) {
		struct item *dep = item_find(e, it->refs.v[i]);

		if (dep != NULL)
			user_drop(dep, it);
	}
	strv_release(&it->refs);
	strv_release(&it->deps);
}

/*
 * Keys that a desired form points to.  Canonical JSON sorts keys, and a quote
 * inside a string is always escaped, so this text is a reference and nothing
 * else.
 */
static void
find_refs(const char *desired, struct strv *refs)
{
	static const char mark[] = "{\"$ref\":\"";
	const char *p = desired, *end;

	while (p != NULL && (p = strstr(p, mark)) != NULL) {
		p += sizeof mark - 1;
		if ((end = strchr(p, '"')) == NULL)
			return;
		strv_addf(refs, "%.*s", (int)(end - p), p);
	}
}

/* Each once, sorted: a registry refers to every room there is. */
static void
refs_settle(struct strv *refs)
{
	size_t n = 0;

	if (refs->n == 0)
		return;
	strv_sort(refs);
	for (size_t i = 1; i < refs->n; i++)
		if (strcmp(refs->v[n], refs->v[i]) == 0)
			free(refs->v[i]);
		else
			refs->v[++n] = refs->v[i];
	refs->n = n + 1;
	refs->v[refs->n] = NULL;
}

/*
 * Take over desired text and dependencies.  Items that do not exist yet are
 * linked when they come: engine_sync adds all before it links any.
 */
void
item_set_deps(struct engine *e, struct item *it, const char *desired,
    const struct strv *deps)
{
	struct item *dep;

	unlink_deps(e, it);
	for (size_t i = 0; i < deps->n; i++) {
		strv_add(&it->deps, deps->v[i]);
		strv_add(&it->refs, deps->v[i]);
	}
	find_refs(desired, &it->refs);
	refs_settle(&it->refs);
	it->refs_came = 0;
	for (size_t i = 0; i < it->refs.n; i++)
		if ((dep = item_find(e, it->refs.v[i])) != NULL)
			user_add(dep, it);
}

void
item_free(void *arg)
{
	struct item *it = arg;

	if (it == NULL)
		return;
	free(it->key);
	shared_drop(it->desired);
	free(it->observed);
	strv_release(&it->deps);
	strv_release(&it->refs);
	free(it->users);
	free(it->error);
	free(it->drift_by);
	free(it->repaired);
	free(it->handle);
	free(it->lent);
	json_free(it->news);
	free(it);
}

/* Events find the item by `handle` from now on; NULL: by none. */
static void
item_set_handle(struct engine *e, struct item *it, const char *handle)
{
	if (str_equal(it->handle, handle))
		return;
	if (it->handle != NULL && map_find(e->handles, it->handle) == it)
		map_remove(e->handles, it->handle);
	free(it->handle);
	it->handle = xstrdup(handle);
	if (handle == NULL)
		return;
	map_set(e->handles, it->handle, it);
	strays_replay(e, it);
}

/* Whoever holds a token that was given to it may not use it any more. */
static void
tokens_forget(struct engine *e, const struct item *it)
{
	const struct object_secret *s = it->kind != NULL ? it->kind->secrets :
	    NULL;
	char *subject, *key;
	struct item *other;
	bool any = false;

	for (; s != NULL && s->name != NULL; s++)
		any |= s->is_token;
	if (!any)
		return;
	/* The agent has moved: its tokens are of the new place by now. */
	subject = token_subject(it->key);
	key = xasprintf("remote:%s", subject + strlen("agent:"));
	other = item_find(e, key);
	if (other == NULL || other->desired == NULL || other->observed == NULL ||
	    strstr(other->observed, "\"joined_ms\"") == NULL)
		store_tokens_remove(e->store, subject);
	free(key);
	free(subject);
}

/*
 * It is not to be there any more.  What runs elsewhere is ended by nothing but
 * this, at once: before a container of the same agent gets its own token.
 */
void
item_unwanted(struct engine *e, struct item *it)
{
	static const char *const of[] = { "agent", "join", "used" };
	const char *name = strchr(it->key, ':');

	if (it->kind == NULL || !it->kind->is_elsewhere || name == NULL)
		return;
	for (size_t i = 0; i < NELEM(of); i++) {
		char *subject = xasprintf("%s%s", of[i], name);

		store_tokens_remove(e->store, subject);
		free(subject);
	}
}

/* Nothing is left of it outside: forget it, and its resource with the last. */
void
item_remove(struct engine *e, struct item *it)
{
	struct owner *o = it->owner;
	struct resource *r;
	const struct kind *kind;
	char *owner = xstrdup(o->name), *slash, *secrets;

	item_set_state(e, it, OBJECT_REMOVING);
	log_debug("engine", "%s: gone", it->key);
	queue_drop(it);
	item_set_handle(e, it, NULL);
	for (size_t i = 0; i < it->refs.n; i++) {
		struct item *dep = item_find(e, it->refs.v[i]);

		if (dep != NULL && dep->desired == NULL)
			item_touch(e, dep);
	}
	unlink_deps(e, it);
	owner_drop(it);
	store_object_remove(e->store, it->key);
	secrets = xasprintf("%s/", it->key);
	store_secrets_remove(e->store, secrets);
	free(secrets);
	rotation_forget(e, it->key);
	restart_forget(e, it->key);
	tokens_forget(e, it);
	map_remove(e->check, it->key);
	runs_item_gone(e, it->key);
	order_drop(e->order);
	map_remove(e->items, it->key);		/* frees it */

	if (o->n == 0 && (slash = strchr(owner, '/')) != NULL) {
		*slash++ = '\0';
		kind = kind_find(owner);
		r = kind ? resources_find(e->deleting, kind, slash) : NULL;
		if (r != NULL) {
			store_resource_remove(e->store, owner, slash,
			    "controller");
			TELL(e, resource_gone, owner, slash);
			resources_remove(e->deleting, kind, slash);
		}
	}
	free(owner);
}

void
item_set_error(struct item *it, const char *error)
{
	char *copy = xstrdup(error);

	free(it->error);
	it->error = copy;
}

static bool
is_resting(enum object_state state)
{
	return state == OBJECT_BACKOFF || state == OBJECT_FAILED;
}

void
item_set_state(struct engine *e, struct item *it, enum object_state state)
{
	if (is_resting(it->state))
		e->resting--;
	if (is_resting(state))
		e->resting++;
	if (it->state != state)
		log_debug("engine", "%s: %s -> %s", it->key,
		    object_state_name(it->state), object_state_name(state));
	it->state = state;
	it->awaits = false;
	if (state == OBJECT_SETTLED) {
		it->fails = 0;
		it->retry_ms = 0;
		it->asked_for = false;
		item_set_error(it, NULL);
	}
	runs_item(e, it);
}

/* Did a member that others may refer to (any text) change? */
static bool
exports_changed(const char *before, const struct json *after)
{
	struct json *old;
	const struct json *v;
	bool changed = false;
	struct err err;

	old = before != NULL ? json_parse(before, strlen(before), &err) : NULL;
	for (v = json_first(after); v != NULL && !changed; v = json_next(v))
		if (json_is(v, JSON_STRING))
			changed = !str_equal(json_value_str(v),
			    json_str(old, json_key(v)));
	if (old != NULL && after == NULL)
		changed = true;
	json_free(old);
	return changed;
}

static void
touch_users(struct engine *e, struct item *it)
{
	for (size_t i = 0; i < it->users_n; i++)
		item_touch(e, it->users[i]);
}

/* The one writer of it->observed; durable in the turn's transaction. */
void
item_set_observed(struct engine *e, struct item *it, const struct json *form)
{
	char *text = form != NULL ? json_canonical(form) : NULL;
	bool exports;

	if (str_equal(text, it->observed)) {
		free(text);
		return;
	}
	exports = exports_changed(it->observed, form);
	free(it->observed);
	it->observed = text;
	store_object_observed(e->store, it->key, text);
	if (it->kind->handle != NULL)
		item_set_handle(e, it,
		    form != NULL ? it->kind->handle(form) : NULL);
	if (exports)
		touch_users(e, it);
}

void
item_touch(struct engine *e, struct item *it)
{
	map_set(e->check, it->key, it);
}

struct lookup {
	struct engine	*e;
	struct json	*holder;	/* owns what was looked up */
};

static const struct json *
lookup_ref(void *arg, const char *key, const char *field)
{
	struct lookup *ctx = arg;
	struct item *dep = item_find(ctx->e, key);
	struct json *observed;
	struct err err;

	if (dep == NULL || dep->observed == NULL)
		return NULL;
	observed = json_parse(dep->observed, strlen(dep->observed), &err);
	if (observed == NULL)
		return NULL;
	json_push(ctx->holder, observed);
	return json_get(observed, field);
}

/* Desired with the references put in; NULL when it is to be removed. */
struct json *
item_resolved(struct engine *e, struct item *it)
{
	struct lookup ctx = { e, NULL };
	struct json *desired, *resolved;
	struct err err;

	if (it->desired == NULL)
		return NULL;
	if ((desired = json_parse(it->desired, strlen(it->desired), &err)) ==
	    NULL)
		return NULL;
	ctx.holder = json_array();
	resolved = object_resolve(desired, lookup_ref, &ctx, NULL);
	json_free(ctx.holder);
	json_free(desired);
	return resolved;
}

static bool
is_settled(struct engine *e, struct item *it)
{
	struct json *desired, *observed;
	struct changes changes = { 0 };
	bool settled;
	struct err err;

	if (it->observed == NULL)
		return false;
	desired = item_resolved(e, it);
	observed = json_parse(it->observed, strlen(it->observed), &err);
	it->kind->diff(desired, observed, &changes);
	settled = changes.n == 0;
	for (size_t i = 0; i < changes.n; i++)
		log_debug("engine", "%s: %s: %s -> %s", it->key,
		    changes.v[i].what, changes.v[i].from ? changes.v[i].from : "-",
		    changes.v[i].to ? changes.v[i].to : "-");
	changes_release(&changes);
	json_free(desired);
	json_free(observed);
	return settled;
}

/*
 * Something desired only refers to may be missing, but while it is on its way
 * for the first time it is worth waiting for: one write instead of two.
 */
static const char *
ref_coming(struct engine *e, struct item *it)
{
	/* Those that came once are not asked again: one pass over all of them,
	 * however often one of ten thousand comes. */
	for (; it->refs_came < it->refs.n; it->refs_came++) {
		const struct item *ref = item_find(e,
		    it->refs.v[it->refs_came]);

		if (ref != NULL && ref->observed == NULL && ref->fails == 0 &&
		    ref->desired != NULL && ref->state != OBJECT_FAILED)
			return ref->key;
	}
	return NULL;
}

/* The first dependency that is not there; NULL when all are. */
static const char *
dep_missing(struct engine *e, struct item *it, bool *has_failed)
{
	for (size_t i = 0; i < it->deps.n; i++) {
		struct item *dep = item_find(e, it->deps.v[i]);

		if (dep != NULL && dep->observed != NULL)
			continue;
		*has_failed = dep == NULL || dep->state == OBJECT_FAILED;
		return it->deps.v[i];
	}
	return NULL;
}

/* Items that need this one are still there: it goes after them. */
static bool
is_needed(const struct item *it)
{
	for (size_t i = 0; i < it->users_n; i++)
		if (strv_has(&it->users[i]->deps, it->key))
			return true;
	return false;
}

bool
item_is_due(const struct item *it)
{
	return it->state == OBJECT_DIRTY ||
	    (it->state == OBJECT_REMOVING && !is_needed(it));
}

/* Never seen, but the answer to its creation may have been lost. */
static bool
may_be_there(const struct item *it)
{
	return it->observed != NULL || (it->was_tried && it->system != NULL &&
	    it->system->ctx != NULL);
}

static void
item_check_removal(struct engine *e, struct item *it)
{
	if (!may_be_there(it))
		item_remove(e, it);
	else if (is_needed(it))
		item_set_state(e, it, OBJECT_REMOVING);
	else if (it->retry_ms <= clock_mono_ms()) {
		item_set_state(e, it, OBJECT_REMOVING);
		queue_push(e, it);
	}
}

/* As it should be: settled, or waiting for what it is for. */
static void
item_rest(struct engine *e, struct item *it)
{
	struct json *desired, *observed;
	char why[256];
	bool awaits = false;
	struct err err;

	if (it->kind->awaits != NULL) {
		desired = item_resolved(e, it);
		observed = json_parse(it->observed, strlen(it->observed),
		    &err);
		awaits = it->kind->awaits(desired, observed, why, sizeof why);
		json_free(desired);
		json_free(observed);
	}
	if (!awaits) {
		item_set_state(e, it, OBJECT_SETTLED);
		return;
	}
	it->fails = 0;
	it->retry_ms = 0;
	item_set_error(it, why);
	item_set_state(e, it, OBJECT_WAITING);
	it->awaits = true;
	runs_item(e, it);
}

static void
item_check(struct engine *e, struct item *it)
{
	const char *missing;
	bool has_failed = false;
	int64_t hold;

	if (it->state == OBJECT_BUSY)
		return;
	if (it->kind == NULL) {
		item_set_error(it, "no provider for this kind of object");
		item_set_state(e, it, OBJECT_FAILED);
		return;
	}
	if (it->desired == NULL) {
		item_check_removal(e, it);
		return;
	}
	missing = ref_coming(e, it);
	if (missing == NULL && is_settled(e, it)) {
		drift_forget(it);
		item_rest(e, it);
		return;
	}
	if (missing != NULL ||
	    (missing = dep_missing(e, it, &has_failed)) != NULL) {
		char *text = xasprintf("waits for %s%s", missing,
		    has_failed ? ", which failed" : "");

		item_set_error(it, text);
		free(text);
		it->retry_ms = 0;
		/* Those who wait for this one want to know, and so on. */
		if (has_failed != (it->state == OBJECT_FAILED))
			touch_users(e, it);
		item_set_state(e, it,
		    has_failed ? OBJECT_FAILED : OBJECT_WAITING);
		return;
	}
	if (it->retry_ms > clock_mono_ms())
		return;		/* BACKOFF or FAILED: its time will come */
	if ((hold = left_for(e, it)) > 0) {
		it->retry_ms = clock_mono_ms() + hold;
		item_set_error(it, "changed by somebody and left so for a "
		    "while, as was asked");
		item_set_state(e, it, OBJECT_BACKOFF);
		return;
	}
	if ((hold = drift_hold(e, it)) > 0) {
		it->retry_ms = clock_mono_ms() + hold;
		item_set_error(it, it->kind->pauses_s != NULL ?
		    "ends again and again; the next try waits" :
		    "is changed again and again; the next try waits");
		item_set_state(e, it, OBJECT_BACKOFF);
		return;
	}
	item_set_state(e, it, OBJECT_DIRTY);
	queue_push(e, it);
}

/* Checking may touch others; go on until it is quiet. */
void
items_check(struct engine *e)
{
	struct map *now;
	struct item *it;
	const char *key;
	void *at;

	while (map_size(e->check) > 0) {
		now = e->check;
		e->check = map_new(NULL);
		for (at = NULL; map_next(now, &at, &key) != NULL;)
			if ((it = item_find(e, key)) != NULL)
				item_check(e, it);
		map_free(now);
	}
}

/*
 * It could not be done, and now somebody has changed something there: the reason
 * may be gone (who had to come has come).  Not at once, so that nobody keeps us
 * busy with it.
 */
static void
try_sooner(struct item *it)
{
	int64_t soon = clock_mono_ms() + NEWS_RETRY_MS;

	if (it->state == OBJECT_FAILED && it->retry_ms > soon)
		it->retry_ms = soon;
}

void
item_absorb(struct engine *e, struct item *it, const struct json *event)
{
	struct json *observed;
	bool was_settled = it->state == OBJECT_SETTLED || it->awaits;
	struct err err;

	if (it->kind == NULL || it->kind->absorb == NULL)
		return;
	if (it->state == OBJECT_BUSY) {
		if (it->news == NULL)
			it->news = json_array();
		json_push(it->news, json_copy(event));
		return;
	}
	if (it->observed == NULL)
		return;
	observed = json_parse(it->observed, strlen(it->observed), &err);
	if (observed != NULL && it->kind->absorb(observed, event)) {
		item_set_observed(e, it, observed);
		if (was_settled && it->desired != NULL && !is_settled(e, it))
			drift_found(e, it, json_str(event, "sender"));
		if (json_str(event, "sender") != NULL)
			try_sooner(it);
		item_touch(e, it);
	}
	json_free(observed);
}

void
item_view(const struct item *it, struct object_view *v)
{
	memset(v, 0, sizeof *v);
	v->key = it->key;
	v->owner = it->owner->name;
	v->desired = it->desired;
	v->observed = it->observed;
	v->state = it->state;
	v->error = it->error;
	v->left_ms = it->left_ms;
	if (it->retry_ms > 0)
		v->retry_ms = clock_ms() + it->retry_ms - clock_mono_ms();
}
