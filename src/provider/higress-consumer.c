/*
 * Consumers: `consumer:worker-alice` is one agent's key.
 *
 * All consumers of the Console are one object, so a batch costs one list before
 * and one after, and a write for each that differs.  The second list is the
 * proof: a write that was answered well may have stored nothing.
 *
 * No two consumers may have one key in any form: the Console would take it, and
 * the gateway would then refuse the whole configuration.  So the texts that the
 * gateway compares are checked over the whole list before anything is written.
 *
 * A consumer that any allow list names cannot be deleted, so a batch of
 * removals takes its names out of all lists first, with one write for each list.
 */
#include "higress-int.h"

#include <stdlib.h>
#include <string.h>

#include "hiclaw/secure.h"

#define ROUNDS	3	/* of writing and reading back */

const struct object_secret hg_consumer_secrets[] = {
	{ .name = "key", .bytes = 32, .rotates = true }, { .name = NULL }
};

const struct json *
hg_named(const struct json *list, const char *name)
{
	const struct json *v;

	for (v = json_first(list); v != NULL; v = json_next(v))
		if (name != NULL && str_equal(json_str(v, "name"), name))
			return v;
	return NULL;
}

/* The only entry that the Console keeps. */
static const struct json *
credential(const struct json *consumer)
{
	return json_first(json_get(consumer, "credentials"));
}

static bool
has_value(const struct json *consumer, const char *key)
{
	const struct json *v = json_first(json_get(credential(consumer),
	    "values"));

	for (; v != NULL; v = json_next(v))
		if (key != NULL && json_value_str(v) != NULL &&
		    secret_equal(json_value_str(v), key))
			return true;
	return false;
}

/* --- what is wanted ------------------------------------------------------ */

static const char *
old_key(const struct work *w)
{
	const char *old = json_str(w->secrets, "old_key");

	if (!json_bool(w->desired, "overlap", false) || old == NULL ||
	    str_equal(old, json_str(w->secrets, "key")))
		return NULL;
	return old;
}

static struct json *
wanted(const struct work *w)
{
	struct json *o = json_object(), *c, *values;

	json_set_str(o, "name", json_str(w->desired, "name"));
	c = json_push(json_set(o, "credentials", json_array()), json_object());
	json_set_str(c, "type", "key-auth");
	json_set_str(c, "source", "BEARER");
	values = json_set(c, "values", json_array());
	json_push_str(values, json_str(w->secrets, "key"));
	if (old_key(w) != NULL)
		json_push_str(values, old_key(w));
	return o;
}

static bool
is_as_wanted(const struct json *consumer, const struct json *want)
{
	return consumer != NULL && body_covers(json_get(consumer,
	    "credentials"), json_get(want, "credentials"));
}

/* What the gateway compares: stored text -> who has it. */
static struct map *
texts_of(const struct json *consumers)
{
	struct map *m = map_new(NULL);
	const struct json *c, *v;
	char *text;

	for (c = json_first(consumers); c != NULL; c = json_next(c)) {
		bool is_bearer = str_equal(json_str(credential(c), "source"),
		    "BEARER");

		v = json_first(json_get(credential(c), "values"));
		for (; v != NULL; v = json_next(v)) {
			if (json_value_str(v) == NULL)
				continue;
			text = xasprintf("%s%s", is_bearer ? "Bearer " : "",
			    json_value_str(v));
			map_set(m, text, (void *)json_strd(c, "name", ""));
			secret_free(text);
		}
	}
	return m;
}

static int
check_free(const struct map *texts, const char *name, const char *key,
    struct err *e)
{
	char *text = xasprintf("Bearer %s", key);
	const char *owner = map_find(texts, text);

	if (owner == NULL)
		owner = map_find(texts, key);
	secret_free(text);
	if (owner == NULL || strcmp(owner, name) == 0)
		return 0;
	return err_set(e, ERR_CONFLICT, "the key of %s is that of consumer "
	    "%.200s, too", name, owner);
}

/* Whose is the consumer of our name? */
static bool
is_ours(const struct work *w, const struct json *there)
{
	return json_str(w->observed, "name") != NULL ||
	    has_value(there, json_str(w->secrets, "key")) ||
	    has_value(there, json_str(w->secrets, "old_key"));
}

static int
check_work(const struct work *w, const struct json *list,
    const struct map *texts, struct err *e)
{
	const char *name = json_str(w->desired, "name");
	const char *key = json_str(w->secrets, "key");
	const struct json *there;

	if (!hg_name_ok(name))
		return err_set(e, ERR_USER, "\"%.60s\" is no name that Higress "
		    "can have for a consumer", name != NULL ? name : "");
	if (key == NULL || key[0] == '\0')
		return err_set(e, ERR_BROKEN, "%s: its key is missing",
		    w->key);
	there = hg_named(list, name);
	if (there != NULL && !is_ours(w, there))
		return err_set(e, ERR_CONFLICT, "consumer %s is there already "
		    "and not ours", name);
	if (check_free(texts, name, key, e) == -1 ||
	    (old_key(w) != NULL &&
	    check_free(texts, name, old_key(w), e) == -1))
		return -1;
	return 0;
}

/* --- writing ------------------------------------------------------------- */

/* A deed on its way. */
struct step {
	struct deed	*deed;
	struct json	*want;		/* NULL: nothing more to do */
	const char	*did;		/* what a write amounts to */
};

static const char *
what_write_does(const struct work *w, const struct json *there)
{
	if (there == NULL)
		return "made";
	if (!has_value(there, json_str(w->secrets, "key")))
		return "new key";
	return old_key(w) == NULL ? "old key ended" : "changed";
}

static void
step_end(struct step *s, int rc)
{
	struct deed *d = s->deed;
	char id[SECRET_ID];

	json_wipe(s->want);
	s->want = NULL;
	d->rc = rc;
	if (rc == -1) {
		d->out.observed = json_copy(d->work.observed);
		return;
	}
	if (s->did != NULL)
		strv_add(&d->out.did, s->did);
	secret_id(json_str(d->work.secrets, "key"), id);
	d->out.observed = json_copy(d->work.desired);
	json_set_str(d->out.observed, "key_id", id);
}

/* Those that are not done; the same has happened to all of them. */
static void
steps_fail(struct step *steps, size_t n, const struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		if (steps[i].want == NULL)
			continue;
		steps[i].deed->err = *e;
		step_end(&steps[i], -1);
	}
}

/* Keys of one batch must differ from each other as well. */
static void
texts_claim(struct map *texts, const struct work *w)
{
	char *text = xasprintf("Bearer %s", json_str(w->secrets, "key"));

	map_set(texts, text, (void *)json_str(w->desired, "name"));
	secret_free(text);
}

static void
steps_check_works(struct step *steps, size_t n, const struct json *list)
{
	struct map *texts = texts_of(list);

	for (size_t i = 0; i < n; i++) {
		struct deed *d = steps[i].deed;

		if (check_work(&d->work, list, texts, &d->err) == -1)
			step_end(&steps[i], -1);
		else
			texts_claim(texts, &d->work);
	}
	map_free(texts);
}

/* Those that the list shows to be right are done; how many are not? */
static size_t
steps_check(struct step *steps, size_t n, const struct json *list)
{
	size_t left = 0;

	for (size_t i = 0; i < n; i++) {
		if (steps[i].want == NULL)
			continue;
		if (is_as_wanted(hg_named(list, json_str(steps[i].want,
		    "name")), steps[i].want))
			step_end(&steps[i], 0);
		else
			left++;
	}
	return left;
}

static int
step_write(struct hg *h, struct step *s, const struct json *list,
    struct err *e)
{
	const char *name = json_str(s->want, "name");
	const struct json *there = hg_named(list, name);
	char *one = hg_path("/v1/consumers/%s", name);
	int rv;

	if (s->did == NULL)
		s->did = what_write_does(&s->deed->work, there);
	rv = hg_call(h, there != NULL ? "PUT" : "POST", there != NULL ? one :
	    "/v1/consumers", s->want, NULL, e);
	free(one);
	return rv;
}

/* -1: the Console does not answer any more, and *e says why. */
static int
steps_write(struct hg *h, struct step *steps, size_t n,
    const struct json *list, struct err *last, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		if (steps[i].want == NULL)
			continue;
		h->answered = false;
		if (step_write(h, &steps[i], list, last) == 0)
			continue;
		if (!h->answered) {
			*e = *last;
			return -1;
		}
		if (last->kind == ERR_RETRY)
			continue;	/* the next list shows it */
		steps[i].deed->err = *last;
		step_end(&steps[i], -1);
	}
	return 0;
}

static int
read_consumers(struct hg *h, struct json **list, struct err *e)
{
	struct json *now = NULL;

	if (hg_get(h, "/v1/consumers", &now, e) == -1)
		return -1;
	if (!json_is(now, JSON_ARRAY)) {
		json_wipe(now);
		return err_set(e, ERR_BROKEN, "Higress Console: the consumers "
		    "are no list");
	}
	json_wipe(*list);
	*list = now;
	return 0;
}

static int
steps_run(struct hg *h, struct step *steps, size_t n, struct err *e)
{
	struct err last = { 0 };
	struct json *list = NULL;
	int round, rv;

	rv = read_consumers(h, &list, e);
	if (rv == 0)
		steps_check_works(steps, n, list);
	for (round = 0; rv == 0 && steps_check(steps, n, list) > 0; round++) {
		if (round == ROUNDS) {
			rv = last.msg[0] != '\0' ? -1 : err_set(&last,
			    ERR_RETRY, "Higress Console: what was written is "
			    "not there");
			*e = last;
			break;
		}
		if (round > 0)
			hg_nap(round);
		last = (struct err){ 0 };
		rv = steps_write(h, steps, n, list, &last, e);
		if (rv == 0)
			rv = read_consumers(h, &list, e);
	}
	json_wipe(list);
	return rv;
}

/* --- does the gateway know them? ----------------------------------------- */

static char *
route_path(const struct json *route)
{
	return xstrdup(json_strd(json_get(route, "pathPredicate"),
	    "matchValue", "/"));
}

/* A route of ours that lets this consumer in, to try its key on; yours. */
static int
find_open_route(struct hg *h, const char *name, char **path, char **model,
    struct err *e)
{
	struct json *routes = NULL;
	const struct json *r, *v;

	if (hg_get(h, "/v1/ai/routes", &routes, e) == -1)
		return -1;
	for (r = json_first(routes); r != NULL && *path == NULL;
	    r = json_next(r)) {
		if (hg_mark(r, h->instance) != 1)
			continue;
		v = json_first(json_path(r, "authConfig.allowedConsumers"));
		for (; v != NULL; v = json_next(v))
			if (str_equal(json_value_str(v), name)) {
				*path = route_path(r);
				*model = xstrdup(json_str(json_first(json_get(
				    r, "modelPredicates")), "matchValue"));
				break;
			}
	}
	json_wipe(routes);
	return 0;
}

/* All keys are one configuration: the last one written speaks for all. */
static int
probe_last(struct hg *h, const struct deed *deeds, size_t n,
    const struct deed **which, struct err *e)
{
	const struct deed *last = NULL;
	char *path = NULL, *model = NULL;
	int rv = 0;

	for (size_t i = 0; i < n; i++)
		if (deeds[i].rc == 0)
			last = &deeds[i];
	if (last == NULL || h->gateway[0] == '\0')
		return 0;
	*which = last;
	if (find_open_route(h, json_str(last->work.desired, "name"), &path,
	    &model, e) == -1)
		rv = -1;
	else if (path != NULL) {
		struct probe p = { .path = path, .model = model };

		rv = hg_probe(h, &p, json_str(last->work.secrets, "key"), e);
	}
	free(path);
	free(model);
	return rv;
}

void
hg_consumer_ensure(void *ctx, struct deed *deeds, size_t n)
{
	struct step *steps = xcalloc(n, sizeof(*steps));
	const struct deed *last = NULL;
	struct hg *h = ctx;
	struct err e = { 0 };
	size_t i;

	h->answered = false;
	for (i = 0; i < n; i++)
		steps[i] = (struct step){ .deed = &deeds[i],
		    .want = wanted(&deeds[i].work) };
	if (steps_run(h, steps, n, &e) == -1)
		steps_fail(steps, n, &e);
	/* Stored it is: only the one that was tried is told to wait. */
	if (probe_last(h, deeds, n, &last, &e) == -1 && last != NULL) {
		deeds[last - deeds].rc = -1;
		deeds[last - deeds].err = e;
	}
	for (i = 0; i < n; i++)
		deeds[i].out.has_answer = h->answered;
	free(steps);
}

/* --- taking away --------------------------------------------------------- */

static const char *
after_colon(const char *key)
{
	const char *colon = strchr(key, ':');

	return colon != NULL ? colon + 1 : "";
}

/* The names of a batch, as a list. */
static struct json *
names_of(const struct deed *deeds, size_t n)
{
	struct json *names = json_array();
	const char *name;

	for (size_t i = 0; i < n; i++) {
		name = json_str(deeds[i].work.observed, "name");
		if (name == NULL && deeds[i].work.may_exist)
			name = after_colon(deeds[i].work.key);
		if (hg_name_ok(name))
			json_push_str(names, name);
	}
	return names;
}

static bool
names_any(const struct json *names, const struct json *list)
{
	struct json *all, *foreign;
	bool any;

	/* Without them the list would be another one. */
	any = gateway_merge(names, NULL, list, &all, &foreign);
	json_free(all);
	json_free(foreign);
	return any;
}

static int
strip_target(struct hg *h, struct target *t, const struct json *names,
    struct err *e)
{
	struct strv did = { 0 };
	struct view v = { 0 };
	int rv;

	t->others = true;
	rv = target_ensure(h, t, names, NULL, &v, &did, e);
	view_release(&v);
	strv_release(&did);
	target_release(t);
	return rv;
}

static int
strip_ai_route(struct hg *h, const char *name, const struct json *names,
    struct err *e)
{
	struct target t = { .what = "AI route", .name = name,
		.all = xstrdup("/v1/ai/routes"),
		.one = hg_path("/v1/ai/routes/%s", name),
		.live = hg_path("/v1/routes/ai-route-%s.internal", name),
		.fallback = hg_path("/v1/routes/ai-route-%s.fallback.internal",
		    name) };

	return strip_target(h, &t, names, e);
}

/* A PUT of somebody's MCP server could lose more than a name. */
static int
strip_mcp(struct hg *h, const char *name, const struct json *names,
    struct err *e)
{
	struct json *body = json_object();
	int rv;

	json_set_str(body, "mcpServerName", name);
	json_set(body, "consumers", json_copy(names));
	rv = hg_call(h, "DELETE", "/v1/mcpServer/consumers", body, NULL, e);
	json_free(body);
	return rv;
}

/* "ai-route-x.internal" -> "x"; NULL if it is not of that form; yours. */
static char *
between(const char *s, const char *prefix, const char *suffix)
{
	size_t n;

	if (!str_starts(s, prefix) || !str_ends(s, suffix))
		return NULL;
	n = strlen(s) - strlen(prefix) - strlen(suffix);
	return n > 0 ? xstrndup(s + strlen(prefix), n) : NULL;
}

/* A live route with some of the names; its owner is where to write. */
static int
strip_route(struct hg *h, const char *name, const struct json *names,
    struct err *e)
{
	char *ai = between(name, "ai-route-", ".fallback.internal");
	char *mcp = between(name, "mcp-server-", ".internal");
	int rv;

	if (ai == NULL)
		ai = between(name, "ai-route-", ".internal");
	if (ai != NULL)
		rv = strip_ai_route(h, ai, names, e);
	else if (mcp != NULL)
		rv = strip_mcp(h, mcp, names, e);
	else {
		struct target t = { .what = "route", .name = name,
			.all = xstrdup("/v1/routes"),
			.one = hg_path("/v1/routes/%s", name) };

		rv = strip_target(h, &t, names, e);
	}
	free(ai);
	free(mcp);
	return rv;
}

/* Two lists show every allow list there is. */
static int
strip_everywhere(struct hg *h, const struct json *names, struct err *e)
{
	struct json *ai = NULL, *routes = NULL;
	const struct json *r;
	int rv = -1;

	if (hg_get(h, "/v1/ai/routes", &ai, e) == -1 ||
	    hg_get(h, "/v1/routes", &routes, e) == -1)
		goto out;
	for (r = json_first(ai); r != NULL; r = json_next(r))
		if (names_any(names, json_path(r,
		    "authConfig.allowedConsumers")) &&
		    strip_ai_route(h, json_strd(r, "name", ""), names, e) ==
		    -1)
			goto out;
	json_wipe(routes);
	if (hg_get(h, "/v1/routes", &routes, e) == -1)
		goto out;
	for (r = json_first(routes); r != NULL; r = json_next(r))
		if (names_any(names, json_path(r,
		    "authConfig.allowedConsumers")) &&
		    strip_route(h, json_strd(r, "name", ""), names, e) == -1)
			goto out;
	rv = 0;
out:
	json_wipe(ai);
	json_wipe(routes);
	return rv;
}

static int
delete_consumer(struct hg *h, const char *name, struct err *e)
{
	char *one = hg_path("/v1/consumers/%s", name);
	int rv = hg_call(h, "DELETE", one, NULL, NULL, e);

	free(one);
	return rv;
}

static const char *
deed_name(const struct deed *d, const struct json *names)
{
	const char *name = json_strd(d->work.observed, "name",
	    after_colon(d->work.key));
	const struct json *v;

	for (v = json_first(names); v != NULL; v = json_next(v))
		if (str_equal(json_value_str(v), name))
			return name;
	return NULL;
}

/* Until none of them is in the list any more; each deed gets its own answer. */
static int
delete_all(struct hg *h, struct deed *deeds, size_t n,
    const struct json *names, struct json **list, struct err *e)
{
	const char *name;
	size_t left = 1;
	int round;

	for (round = 0; round < ROUNDS && left > 0; round++) {
		left = 0;
		for (size_t i = 0; i < n; i++) {
			name = deed_name(&deeds[i], names);
			deeds[i].rc = 0;
			if (name == NULL || hg_named(*list, name) == NULL)
				continue;
			left++;
			deeds[i].rc = delete_consumer(h, name, &deeds[i].err);
			if (deeds[i].rc == 0 && round == 0)
				strv_add(&deeds[i].out.did, "removed");
		}
		if (left > 0 && read_consumers(h, list, e) == -1)
			return -1;
	}
	for (size_t i = 0; i < n; i++) {
		name = deed_name(&deeds[i], names);
		if (name == NULL || hg_named(*list, name) == NULL)
			deeds[i].rc = 0;
		else if (deeds[i].rc == 0)
			deeds[i].rc = err_set(&deeds[i].err, ERR_RETRY,
			    "consumer %s does not go away", name);
	}
	return 0;
}

/* A key of one that was there, and a place to try it on. */
static int
probe_gone(struct hg *h, const struct json *before, const struct json *after,
    const struct json *names, struct err *e)
{
	const struct json *v, *c, *r;
	struct json *routes = NULL;
	const char *key = NULL;
	int rv = 0;

	if (h->gateway[0] == '\0')
		return 0;
	for (v = json_first(names); v != NULL; v = json_next(v)) {
		c = hg_named(before, json_value_str(v));
		if (c != NULL && hg_named(after, json_value_str(v)) == NULL &&
		    str_equal(json_str(credential(c), "source"), "BEARER"))
			key = json_value_str(json_first(json_get(
			    credential(c), "values")));
	}
	if (key == NULL)
		return 0;
	if (hg_get(h, "/v1/ai/routes", &routes, e) == -1)
		return -1;
	for (r = json_first(routes); r != NULL; r = json_next(r))
		if (hg_mark(r, h->instance) == 1)
			break;
	if (r != NULL) {
		char *path = route_path(r);
		struct probe p = { .path = path, .model = json_str(json_first(
		    json_get(r, "modelPredicates")), "matchValue") };

		rv = hg_probe_gone(h, &p, key, e);
		free(path);
	}
	json_wipe(routes);
	return rv;
}

void
hg_consumer_remove(void *ctx, struct deed *deeds, size_t n)
{
	struct json *names = names_of(deeds, n), *before = NULL, *list = NULL;
	struct hg *h = ctx;
	struct err e = { 0 };
	int rv;

	h->answered = false;
	rv = read_consumers(h, &before, &e);
	if (rv == 0 && json_size(names) > 0)
		rv = strip_everywhere(h, names, &e);
	list = json_copy(before);
	if (rv == 0)
		rv = delete_all(h, deeds, n, names, &list, &e);
	if (rv == 0)
		rv = probe_gone(h, before, list, names, &e);
	for (size_t i = 0; i < n; i++) {
		if (rv == -1 && deeds[i].rc == 0) {
			deeds[i].rc = -1;
			deeds[i].err = e;
		}
		if (deeds[i].rc == -1)
			deeds[i].out.observed = json_copy(
			    deeds[i].work.observed);
		deeds[i].out.has_answer = h->answered;
	}
	json_wipe(before);
	json_wipe(list);
	json_free(names);
}

/* --- looking ------------------------------------------------------------- */

struct json *
hg_consumer_now(const struct census *c, const struct json *was)
{
	const struct json *there = hg_named(c->consumers, json_str(was,
	    "name")), *v;
	struct json *now;
	bool found = false;
	char id[SECRET_ID];
	size_t n = 0;

	if (there == NULL)
		return NULL;
	v = json_first(json_get(credential(there), "values"));
	for (; v != NULL; v = json_next(v)) {
		if (json_value_str(v) == NULL)
			continue;
		n++;
		secret_id(json_value_str(v), id);
		found |= str_equal(id, json_str(was, "key_id"));
	}
	now = json_copy(was);
	if (!found || !str_equal(json_str(credential(there), "source"),
	    "BEARER"))
		json_remove(now, "key_id");
	else
		json_set_bool(now, "overlap", n > 1);
	return now;
}
