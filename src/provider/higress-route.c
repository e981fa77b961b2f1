/*
 * Model providers and their routes: `provider:qwen` is the AI provider
 * "hiclaw-qwen" of the Console, `route:qwen` the AI route of that name.
 *
 * The Console makes the service source of a provider itself.  It takes any host
 * there, but the gateway then leaves out what is neither an IPv4 address nor a
 * name with a dot, so those are refused here.
 *
 * The keys of model providers come from the settings, not from a form.
 */
#include "higress-int.h"

#include <stdlib.h>
#include <string.h>

#include "hiclaw/secure.h"

#define OUR_PREFIX	"hiclaw-"

static char *
our_name(const char *name)
{
	return xasprintf(OUR_PREFIX "%s", name);
}

static void
failed(struct outcome *out, const struct work *w)
{
	json_free(out->observed);
	out->observed = json_copy(w->observed);
}

/* The name of what is to be removed: what we saw, or what the key says. */
static const char *
removed_name(const struct work *w)
{
	const char *colon = strchr(w->key, ':');

	return json_strd(w->observed, "name", colon != NULL ? colon + 1 : "");
}

/* --- providers ----------------------------------------------------------- */

/*
 * All of it is said each time: what is left out is deleted there.  A service of
 * somebody's choice would win over the URL.
 */
static struct json *
provider_want(const struct hg *h, const char *name, const char *url,
    const char *key)
{
	struct json *o = json_object(), *raw, *tokens;

	json_set_str(o, "name", name);
	json_set_str(o, "type", "openai");
	json_set_str(o, "protocol", "openai/v1");
	tokens = json_set(o, "tokens", json_array());
	if (key != NULL)
		json_push_str(tokens, key);
	raw = json_set(o, "rawConfigs", json_object());
	json_set_str(raw, "openaiCustomUrl", url);
	json_set_str(raw, HG_RAW_MARK, h->instance);
	json_set(raw, "openaiCustomServiceName", json_null());
	json_set(raw, "openaiCustomServicePort", json_null());
	json_set(raw, "openaiExtraCustomUrls", json_null());
	return o;
}

int
hg_provider_ensure(void *ctx, const struct work *w, struct outcome *out,
    struct err *e)
{
	const char *name = json_str(w->desired, "name");
	struct hg *h = ctx;
	const struct json *s = gateway_setting(h->providers, name);
	const char *url = json_str(w->desired, "url");
	char *ours = our_name(name != NULL ? name : "");
	char *one = hg_path("/v1/ai/providers/%s", ours);
	struct json *want = NULL;
	struct hg_url u;
	int rv = -1;

	h->answered = false;
	if (hg_check_name(name, e) == -1 || hg_url_split(url, &u, e) == -1 ||
	    hg_url_check_host(&u, e) == -1)
		goto out;
	if (s == NULL) {
		err_set(e, ERR_BROKEN, "gateway.providers has no %s", name);
		goto out;
	}
	want = provider_want(h, ours, url, json_str(s, "key"));
	rv = thing_ensure(h, &(struct thing){ .what = "AI provider",
	    .name = ours, .all = "/v1/ai/providers", .one = one,
	    .want = want, .recorded = json_str(w->observed, "name") != NULL },
	    &out->did, e);
	if (rv == 0)
		out->observed = json_copy(w->desired);
out:
	out->has_answer = h->answered;
	if (rv == -1)
		failed(out, w);
	json_wipe(want);
	free(one);
	free(ours);
	return rv;
}

/* The route that still leads to it, or NULL.  The Console would not ask. */
static const char *
user_of(const struct json *routes, const char *provider)
{
	const struct json *r, *u;

	for (r = json_first(routes); r != NULL; r = json_next(r)) {
		u = json_first(json_get(r, "upstreams"));
		for (; u != NULL; u = json_next(u))
			if (str_equal(json_str(u, "provider"), provider))
				return json_strd(r, "name", "?");
		u = json_first(json_path(r, "fallbackConfig.upstreams"));
		for (; u != NULL; u = json_next(u))
			if (str_equal(json_str(u, "provider"), provider))
				return json_strd(r, "name", "?");
	}
	return NULL;
}

int
hg_provider_remove(void *ctx, const struct work *w, struct outcome *out,
    struct err *e)
{
	char *ours = our_name(removed_name(w));
	char *one = hg_path("/v1/ai/providers/%s", ours);
	struct json *there = NULL, *routes = NULL;
	struct hg *h = ctx;
	int rv = -1, mark;

	h->answered = false;
	if (hg_get(h, one, &there, e) == -1)
		goto out;
	mark = hg_mark(there, h->instance);
	if (there == NULL || mark == -1 ||
	    (mark == 0 && json_str(w->observed, "name") == NULL)) {
		rv = 0;
		goto out;
	}
	if (hg_get(h, "/v1/ai/routes", &routes, e) == -1)
		goto out;
	if (user_of(routes, ours) != NULL) {
		err_set(e, ERR_RETRY, "AI provider %s: AI route %.200s still "
		    "leads to it", ours, user_of(routes, ours));
		goto out;
	}
	rv = hg_call(h, "DELETE", one, NULL, NULL, e);
	if (rv == 0)
		strv_add(&out->did, "removed");
out:
	out->has_answer = h->answered;
	if (rv == -1)
		failed(out, w);
	json_wipe(there);
	json_wipe(routes);
	free(one);
	free(ours);
	return rv;
}

struct json *
hg_provider_now(const struct hg *h, const struct census *c,
    const struct json *was)
{
	char *ours = our_name(json_strd(was, "name", ""));
	const struct json *there = hg_named(c->ai_providers, ours);
	struct json *now = NULL, *want;
	char id[SECRET_ID];
	const char *token;

	if (there == NULL)
		goto out;
	now = json_copy(was);
	want = provider_want(h, ours, json_str(was, "url"), NULL);
	json_remove(want, "tokens");
	if (!body_covers(there, want))
		json_set(now, "url", json_null());
	json_free(want);
	json_remove(now, "key_id");
	token = json_value_str(json_first(json_get(there, "tokens")));
	if (token != NULL) {
		secret_id(token, id);
		json_set_str(now, "key_id", id);
	}
out:
	free(ours);
	return now;
}

/* --- routes -------------------------------------------------------------- */

/*
 * "qwen*" and "qwen-max" as predicates; "*" needs none.  Higress can say no
 * other pattern.
 */
static int
model_predicates(const struct json *models, struct json **list,
    struct err *e)
{
	struct json *all = json_array(), *one;
	const struct json *v;
	const char *m;
	size_t n;

	for (v = json_first(models); v != NULL; v = json_next(v)) {
		m = json_value_str(v);
		n = strcspn(m != NULL ? m : "", "*");
		if (m == NULL || n == 0 || (m[n] == '*' && m[n + 1] != '\0')) {
			json_free(all);
			if (m == NULL || strcmp(m, "*") != 0)
				return err_set(e, ERR_USER, "model \"%.100s\": "
				    "Higress knows * only at the end of a name",
				    m != NULL ? m : "");
			*list = json_array();
			return 0;
		}
		one = json_push(all, json_object());
		json_set_str(one, "matchType", m[n] == '*' ? "PRE" : "EQUAL");
		json_set(one, "matchValue", json_stringf("%.*s", (int)n, m));
	}
	*list = all;
	return 0;
}

static struct json *
route_want(const struct hg *h, const char *ours, const char *provider,
    const char *path, struct json *predicates)
{
	struct json *o = json_object(), *v;

	json_set_str(o, "name", ours);
	v = json_set(o, "pathPredicate", json_object());
	json_set_str(v, "matchType", "PRE");
	json_set_str(v, "matchValue", path);
	json_set_bool(v, "caseSensitive", true);
	v = json_push(json_set(o, "upstreams", json_array()), json_object());
	json_set_str(v, "provider", provider);
	json_set_int(v, "weight", 100);
	/* Nothing there reads null as well as []. */
	if (json_size(predicates) > 0)
		json_set(o, "modelPredicates", predicates);
	else {
		json_set(o, "modelPredicates", json_null());
		json_free(predicates);
	}
	json_set_str(json_set(o, "customLabels", json_object()), HG_LABEL,
	    h->instance);
	return o;
}

static void
route_target(const char *ours, struct target *t)
{
	*t = (struct target){ .what = "AI route", .name = ours,
	    .all = xstrdup("/v1/ai/routes"),
	    .one = hg_path("/v1/ai/routes/%s", ours),
	    .live = hg_path("/v1/routes/ai-route-%s.internal", ours),
	    .fallback = hg_path("/v1/routes/ai-route-%s.fallback.internal",
	    ours) };
}

static int
route_probe(struct hg *h, const struct json *desired, const struct target *t,
    struct err *e)
{
	struct probe p = { .path = json_strd(desired, "path", "/"),
	    .model = json_str(json_first(json_get(t->want,
	    "modelPredicates")), "matchValue") };

	return hg_probe_list(h, &p, json_get(desired, "allowed"), e);
}

int
hg_route_ensure(void *ctx, const struct work *w, struct outcome *out,
    struct err *e)
{
	const char *name = json_str(w->desired, "name");
	const char *path = json_str(w->desired, "path");
	const char *provider = json_strd(w->desired, "provider", "");
	const struct json *allowed = json_get(w->desired, "allowed");
	char *ours = NULL, *theirs = our_name(provider);
	struct json *predicates = NULL;
	struct target t = { 0 };
	struct view v = { 0 };
	struct hg *h = ctx;
	int rv = -1;

	h->answered = false;
	if (hg_check_name(name, e) == -1 || hg_check_name(provider, e) == -1 ||
	    model_predicates(json_get(w->desired, "models"), &predicates,
	    e) == -1)
		goto out;
	if (path == NULL || path[0] != '/') {
		json_free(predicates);
		err_set(e, ERR_USER, "%s: \"%.60s\" is no path", w->key,
		    path != NULL ? path : "");
		goto out;
	}
	ours = our_name(name);
	route_target(ours, &t);
	t.want = route_want(h, ours, theirs, path, predicates);
	t.recorded = json_str(w->observed, "name") != NULL;
	rv = target_ensure(h, &t, json_get(w->observed, "allowed"), allowed,
	    &v, &out->did, e);
	if (rv == 0) {
		out->observed = json_copy(w->desired);
		view_report(&t, &v, allowed, out->observed);
		rv = route_probe(h, w->desired, &t, e);
	}
out:
	out->has_answer = h->answered;
	if (rv == -1 && out->observed == NULL)
		failed(out, w);
	view_release(&v);
	target_release(&t);
	free(ours);
	free(theirs);
	return rv;
}

int
hg_route_remove(void *ctx, const struct work *w, struct outcome *out,
    struct err *e)
{
	char *ours = our_name(removed_name(w));
	struct target t;
	struct hg *h = ctx;
	int rv;

	h->answered = false;
	route_target(ours, &t);
	t.recorded = json_str(w->observed, "name") != NULL;
	rv = target_remove(h, &t, &out->did, e);
	out->has_answer = h->answered;
	if (rv == -1)
		failed(out, w);
	target_release(&t);
	free(ours);
	return rv;
}

/* Borrowed from the lists; so only the struct itself is the caller's. */
static void
route_view(const struct census *c, const char *ours, struct view *v)
{
	char *live = xasprintf("ai-route-%s.internal", ours);
	char *fallback = xasprintf("ai-route-%s.fallback.internal", ours);

	*v = (struct view){
		.stored = (struct json *)hg_named(c->ai_routes, ours),
		.live = (struct json *)hg_named(c->routes, live),
		.fallback = (struct json *)hg_named(c->routes, fallback),
	};
	free(live);
	free(fallback);
}

struct json *
hg_route_now(const struct hg *h, const struct census *c,
    const struct json *was)
{
	char *ours = our_name(json_strd(was, "name", ""));
	char *provider = our_name(json_strd(was, "provider", ""));
	const char *path = json_strd(was, "path", "/");
	struct json *now = NULL, *predicates = NULL, *list;
	struct target t;
	struct view v;
	struct err ignored;

	route_target(ours, &t);
	route_view(c, ours, &v);
	if (v.stored == NULL || v.live == NULL ||
	    model_predicates(json_get(was, "models"), &predicates, &ignored) ==
	    -1)
		goto out;
	t.want = route_want(h, ours, provider, path, predicates);
	now = json_copy(was);
	if (!body_covers(v.stored, t.want))
		json_set(now, "provider", json_null());
	list = view_allowed(&t, &v);
	if (list == NULL)
		json_set_strf(now, "path", "%s, open to all", path);
	json_free(list);
	view_report(&t, &v, json_get(was, "allowed"), now);
out:
	target_release(&t);
	free(ours);
	free(provider);
	return now;
}
