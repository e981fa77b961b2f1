/*
 * Envoy as the gateway: watched files in a directory of ours, and probes.
 *
 * The files are all there is: each change reads them, edits what they say, and
 * writes those whose text differs, beside and renamed.  Envoy takes a new file
 * within some 20 ms, without touching a listener or a request in flight.  A
 * change counts as made when a probe has seen it in force; nobody waits for a
 * fixed time, and no probe ever reaches an upstream.
 *
 * One thread (concurrency 1), so that nothing here needs a lock.
 */
#include "provider-int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "hiclaw/clock.h"
#include "hiclaw/http.h"
#include "hiclaw/secure.h"

#include "envoy.h"
#include "inotify.h"
#include "gateway.h"

#define FILE_MAX	(64U * 1024 * 1024)	/* keys of 500 000 consumers */
#define CONSUMERS_MAX	4096		/* in one write */
#define PROBE_MS	2000		/* one probe */
#define IN_FORCE_MS	10000		/* until Envoy has taken a file */
#define PAUSE_MIN_MS	2		/* between probes, doubled ... */
#define PAUSE_MAX_MS	100		/* ... up to here */

struct envoy {
	char		*directory, *url;
	struct json	*providers, *mcp_servers;	/* with keys */
	struct envoy_settings settings;
	struct strv	 listen;
	char		*instance, *homeserver_url, *controller_url;
	struct file_watch *watch;
};

/* --- files ------------------------------------------------------------------ */

static char *
path_of(const struct envoy *c, const char *name)
{
	return xasprintf("%s/%s", c->directory, name);
}

/* The text of a file of ours; NULL when it cannot be read: then it goes anew. */
static char *
read_file(const struct envoy *c, const char *name)
{
	char *path = path_of(c, name), chunk[16384];
	struct buf b = { 0 };
	ssize_t n = -1;
	int fd;

	buf_init(&b, FILE_MAX);
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	free(path);
	if (fd == -1)
		return NULL;
	while ((n = read(fd, chunk, sizeof(chunk))) > 0)
		buf_add(&b, chunk, (size_t)n);
	secret_wipe(chunk, sizeof(chunk));
	close(fd);
	if (n == 0 && !b.overflow)
		return buf_take(&b);
	buf_release(&b);
	return NULL;
}

static int
os_error(const struct envoy *c, const char *name, struct err *e)
{
	return err_set(e, ERR_RETRY, "%s/%s: %s", c->directory, name,
	    strerror(errno));
}

static int
write_all(int fd, const char *p, size_t n)
{
	ssize_t done;

	while (n > 0) {
		done = write(fd, p, n);
		if (done == -1 && errno == EINTR)
			continue;
		if (done == -1)
			return -1;
		p += done;
		n -= (size_t)done;
	}
	return 0;
}

/* Whole or not at all, and durable. */
static int
write_file(const struct envoy *c, const char *name, const char *text,
    struct err *e)
{
	char *path = path_of(c, name), *temp = xasprintf("%s.new", path);
	int fd, dir, rv = -1;

	unlink(temp);
	fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
	    0600);
	if (fd == -1) {
		os_error(c, name, e);
		goto out;
	}
	if (write_all(fd, text, strlen(text)) == -1 || fsync(fd) == -1)
		os_error(c, name, e);
	else if (rename(temp, path) == -1)
		os_error(c, name, e);
	else
		rv = 0;
	close(fd);
	if (rv == 0 && (dir = open(c->directory, O_RDONLY | O_DIRECTORY |
	    O_CLOEXEC)) != -1) {
		fsync(dir);
		close(dir);
	}
out:
	if (rv == -1)
		unlink(temp);
	free(temp);
	free(path);
	return rv;
}

/* The files as they are, and what they say. */
struct state {
	char	*keys, *routes, *clusters;
	struct envoy_model model;
};

static void
state_read(const struct envoy *c, struct state *s)
{
	s->keys = read_file(c, ENVOY_KEYS);
	s->routes = read_file(c, ENVOY_ROUTES);
	s->clusters = read_file(c, ENVOY_CLUSTERS);
	envoy_parse(&s->model, s->keys, s->routes, s->clusters);
}

static void
state_release(struct state *s)
{
	envoy_model_release(&s->model);
	secret_free(s->keys);
	free(s->routes);
	free(s->clusters);
}

/*
 * Write what differs.  Clusters before routes, so that no route leads to one
 * that is not there; *text is the file as it is then.
 */
static int
put(const struct envoy *c, const char *name, char **text, char *now,
    bool *wrote, struct err *e)
{
	*wrote = !str_equal(*text, now);
	if (*wrote && write_file(c, name, now, e) == -1) {
		secret_free(now);
		return -1;
	}
	secret_free(*text);
	*text = now;
	return 0;
}

/* A new key for probes goes with each change, so that it proves the rest. */
static int
put_keys(const struct envoy *c, struct state *s, bool *wrote, struct err *e)
{
	char *now;

	if (s->model.probe_key == NULL)
		s->model.probe_key = rand_hex(32);
	now = envoy_keys(&s->model);
	if (!str_equal(now, s->keys)) {
		secret_free(now);
		secret_free(s->model.probe_key);
		s->model.probe_key = rand_hex(32);
		now = envoy_keys(&s->model);
	}
	return put(c, ENVOY_KEYS, &s->keys, now, wrote, e);
}

static int
put_key_file(const struct envoy *c, const char *secret, const char *key,
    struct err *e)
{
	char *name = xasprintf("%s.json", secret), *was, *now;
	int rv = 0;

	was = read_file(c, name);
	now = envoy_key(secret, key);
	if (!str_equal(was, now))
		rv = write_file(c, name, now, e);
	secret_free(was);
	secret_free(now);
	free(name);
	return rv;
}

/* --- probes ----------------------------------------------------------------- */

/* 0 and the status of a probe with this key; *body, when not NULL, is yours. */
static int
probe(const struct envoy *c, const char *what, const char *key,
    const char *cluster, int *status, char **body, struct err *e)
{
	char *url = xasprintf("%s" ENVOY_PROBE "%s", c->url, what);
	char *header = cluster == NULL ? NULL :
	    xasprintf("x-hiclaw-cluster: %s", cluster);
	const char *headers[] = { header, NULL };
	struct http_req req = { .method = "GET", .url = url, .bearer = key,
	    .headers = header == NULL ? NULL : headers,
	    .timeout_ms = PROBE_MS, .max_bytes = 4096 };
	struct http_res res;
	int rv = http_call(&req, &res, e);

	if (rv == 0) {
		*status = res.status;
		if (body != NULL)
			*body = xstrdup(buf_str(&res.body));
		http_res_release(&res);
	} else
		err_prefix(e, "the gateway does not answer");
	free(url);
	free(header);
	return rv;
}

static void
pause_ms(int ms)
{
	struct timespec t = { ms / 1000, (ms % 1000) * 1000000L };

	nanosleep(&t, NULL);
}

/* What is waited for: 1 it is so, 0 not yet, -1 there is no answer. */
struct waiting {
	const char	*what;		/* for people */
	const char	*key;		/* of the prober */
	const char	*dead;		/* this key must be refused; or NULL */
	char		*version;	/* of routes or clusters */
};

static int
keys_in_force(const struct envoy *c, const struct waiting *w, struct err *e)
{
	int good = 0, bad = 401;

	if (probe(c, "keys", w->key, NULL, &good, NULL, e) == -1 ||
	    probe(c, "keys", w->dead != NULL ? w->dead : "no-such-key", NULL,
	    &bad, NULL, e) == -1)
		return -1;
	return good == 200 && bad == 401;
}

static int
routes_in_force(const struct envoy *c, const struct waiting *w, struct err *e)
{
	char *body = NULL;
	int status = 0, rv;

	rv = probe(c, "routes", w->key, NULL, &status, &body, e);
	if (rv == 0)
		rv = status == 200 && str_equal(body, w->version);
	free(body);
	return rv;
}

/* One that leads nowhere answers 503; one that is not there 404. */
static int
clusters_in_force(const struct envoy *c, const struct waiting *w,
    struct err *e)
{
	char *cluster = xasprintf("version-%s", w->version);
	int status = 0, rv;

	rv = probe(c, "clusters", w->key, cluster, &status, NULL, e);
	free(cluster);
	return rv == -1 ? -1 : status == 503;
}

static int
await(const struct envoy *c, int (*check)(const struct envoy *,
    const struct waiting *, struct err *), const struct waiting *w,
    struct err *e)
{
	int64_t end = clock_mono_ms() + IN_FORCE_MS;
	int ms = PAUSE_MIN_MS, rv;

	for (;;) {
		if ((rv = check(c, w, e)) != 0)
			return rv == 1 ? 0 : -1;
		if (clock_mono_ms() >= end)
			return err_set(e, ERR_RETRY, "Envoy does not take its "
			    "new %s; its log says why", w->what);
		pause_ms(ms);
		ms = ms * 2 < PAUSE_MAX_MS ? ms * 2 : PAUSE_MAX_MS;
	}
}

/* Unless an object refers to nothing outside, "" is no gateway to probe. */
static int
await_keys(const struct envoy *c, const struct state *s, const char *dead,
    struct err *e)
{
	struct waiting w = { .what = "keys", .key = s->model.probe_key,
	    .dead = dead };

	return await(c, keys_in_force, &w, e);
}

static int
await_routes(const struct envoy *c, const struct state *s, struct err *e)
{
	struct waiting w = { .what = "routes", .key = s->model.probe_key,
	    .version = envoy_version(s->routes) };
	int rv = await(c, routes_in_force, &w, e);

	free(w.version);
	return rv;
}

static int
await_clusters(const struct envoy *c, const struct state *s, struct err *e)
{
	struct waiting w = { .what = "clusters", .key = s->model.probe_key,
	    .version = envoy_version(s->clusters) };
	int rv = await(c, clusters_in_force, &w, e);

	free(w.version);
	return rv;
}

/* Everything but consumers: write, clusters first, and see it in force. */
static int
put_rest(const struct envoy *c, struct state *s, bool *wrote, struct err *e)
{
	bool routes, clusters, keys = false;

	/* Probes need a key; before the first consumer there is none. */
	if (s->model.probe_key == NULL && put_keys(c, s, &keys, e) == -1)
		return -1;
	if (put(c, ENVOY_CLUSTERS, &s->clusters,
	    envoy_clusters(&s->model, &c->settings), &clusters, e) == -1)
		return -1;
	/* The route of the probe itself may be what is missing. */
	if (!clusters || await_clusters(c, s, e) == 0) {
		if (put(c, ENVOY_ROUTES, &s->routes,
		    envoy_routes(&s->model, &c->settings), &routes, e) == -1)
			return -1;
		*wrote = routes || clusters;
		return await_routes(c, s, e);
	}
	return -1;
}

/* --- consumers -------------------------------------------------------------- */

static struct json *
keys_of(const struct work *w)
{
	const char *key = json_str(w->secrets, "key");
	const char *old = json_str(w->secrets, "old_key");
	struct json *keys = json_array();

	json_push_str(keys, key);
	if (json_bool(w->desired, "overlap", false) && old != NULL &&
	    strcmp(old, key) != 0)
		json_push_str(keys, old);
	return keys;
}

static void
consumer_observed(struct deed *d, bool wrote)
{
	const struct json *desired = d->work.desired;
	struct json *o = json_object();
	char id[SECRET_ID];

	secret_id(json_strd(d->work.secrets, "key", ""), id);
	json_set_str(o, "key_id", id);
	json_set_str(o, "name", json_str(desired, "name"));
	json_set_bool(o, "overlap", json_bool(desired, "overlap", false));
	json_set_int(o, "serial", json_int(desired, "serial", 1));
	json_free(d->out.observed);
	d->out.observed = o;
	if (wrote)
		strv_add(&d->out.did, json_size(d->work.observed) == 0 ?
		    "key made" : "key put right");
}

/* All deeds share what came of it, but those that failed by themselves. */
static void
fail_all(struct deed *d, size_t n, const struct err *e)
{
	for (size_t i = 0; i < n; i++)
		if (d[i].rc == 0) {
			d[i].rc = -1;
			d[i].err = *e;
			json_free(d[i].out.observed);
			d[i].out.observed = json_copy(d[i].work.observed);
		}
}

static void
consumers_ensure(void *arg, struct deed *d, size_t n)
{
	const struct envoy *c = arg;
	struct state s = { 0 };
	struct json *keys;
	const char *name;
	struct err e;
	bool wrote, *changed = xcalloc(n, sizeof(*changed));

	state_read(c, &s);
	for (size_t i = 0; i < n; i++) {
		name = json_str(d[i].work.desired, "name");
		if (name == NULL ||
		    json_str(d[i].work.secrets, "key") == NULL) {
			d[i].rc = err_set(&d[i].err, ERR_BROKEN,
			    "%s: no name or no key", d[i].work.key);
			continue;
		}
		keys = keys_of(&d[i].work);
		changed[i] = !json_equal(keys, json_get(s.model.consumers,
		    name));
		json_set(s.model.consumers, name, keys);
	}
	if (put_keys(c, &s, &wrote, &e) == -1 ||
	    await_keys(c, &s, NULL, &e) == -1)
		fail_all(d, n, &e);
	for (size_t i = 0; i < n; i++)
		if (d[i].rc == 0)
			consumer_observed(&d[i], changed[i]);
	state_release(&s);
	free(changed);
}

static const char *
consumer_name(const struct work *w)
{
	const char *name = json_str(w->observed, "name");

	return name != NULL ? name : strchr(w->key, ':') + 1;
}

static void
consumers_remove(void *arg, struct deed *d, size_t n)
{
	const struct envoy *c = arg;
	struct state s = { 0 };
	struct json *keys;
	char *dead = NULL;
	struct err e;
	bool wrote;

	state_read(c, &s);
	for (size_t i = 0; i < n; i++) {
		keys = json_get(s.model.consumers, consumer_name(&d[i].work));
		if (keys == NULL)
			continue;
		if (dead == NULL)
			dead = xstrdup(json_value_str(json_first(keys)));
		json_remove(s.model.consumers, consumer_name(&d[i].work));
		strv_add(&d[i].out.did, "key removed");
	}
	if (put_keys(c, &s, &wrote, &e) == -1 ||
	    await_keys(c, &s, dead, &e) == -1)
		fail_all(d, n, &e);
	secret_free(dead);
	state_release(&s);
}

/* One by one is many of one. */
static int
consumer_ensure(void *arg, const struct work *w, struct outcome *out,
    struct err *e)
{
	struct deed d = { .work = *w };

	consumers_ensure(arg, &d, 1);
	*out = d.out;
	*e = d.err;
	return d.rc;
}

static int
consumer_remove(void *arg, const struct work *w, struct outcome *out,
    struct err *e)
{
	struct deed d = { .work = *w };

	consumers_remove(arg, &d, 1);
	*out = d.out;
	*e = d.err;
	return d.rc;
}

/* --- the other kinds ---------------------------------------------------------- */

/* Where the model has the objects of a kind, by the key's first part. */
static struct json *
forms_of(struct envoy_model *m, const char *key)
{
	return str_starts(key, "provider:") ? m->providers :
	    str_starts(key, "route:") ? m->routes :
	    str_starts(key, "mcp:") ? m->mcps : m->exposes;
}

/* The desired form, with the list as it is merged with what is there. */
static struct json *
form_merged(const struct work *w, const struct json *live)
{
	struct json *form = json_copy(w->desired), *all, *list, *foreign;
	const struct json *v;

	if (json_get(form, "allowed") == NULL)
		return form;
	all = json_copy(json_get(live, "allowed"));
	if (all == NULL)
		all = json_array();
	for (v = json_first(json_get(live, "foreign")); v != NULL;
	    v = json_next(v))
		json_push(all, json_copy(v));
	gateway_merge(json_get(w->observed, "allowed"),
	    json_get(w->desired, "allowed"), all, &list, &foreign);
	json_free(list);
	json_free(all);
	if (json_size(foreign) > 0)
		json_set(form, "foreign", foreign);
	else
		json_free(foreign);
	return form;
}

static int
put_upstream_key(const struct envoy *c, const struct work *w, struct err *e)
{
	bool is_mcp = str_starts(w->key, "mcp:");
	const char *name = json_strd(w->desired, "name", "");
	const char *key = json_str(gateway_setting(is_mcp ? c->mcp_servers :
	    c->providers, name), "key");
	char *secret;
	int rv;

	if (json_str(w->desired, "key_id") == NULL)
		return 0;
	if (key == NULL)
		return err_set(e, ERR_BROKEN, "%s: its key is not in the "
		    "settings any more; restart", w->key);
	secret = xasprintf("key-%s-%s", is_mcp ? "mcp" : "provider", name);
	rv = put_key_file(c, secret, key, e);
	free(secret);
	return rv;
}

static int
check_form(const struct work *w, struct err *e)
{
	const char *url = json_str(w->desired, "url");

	return url == NULL ? 0 : envoy_check_url(url, e);
}

static int
other_ensure(void *arg, const struct work *w, struct outcome *out,
    struct err *e)
{
	const struct envoy *c = arg;
	const char *name = strchr(w->key, ':') + 1;
	struct state s = { 0 };
	struct json *forms, *form;
	bool wrote = false;
	char *url;
	int rv = -1;

	state_read(c, &s);
	forms = forms_of(&s.model, w->key);
	form = form_merged(w, json_get(forms, name));
	json_set(forms, name, json_copy(form));
	if (check_form(w, e) == -1 || put_upstream_key(c, w, e) == -1 ||
	    put_rest(c, &s, &wrote, e) == -1)
		goto out;
	if (str_starts(w->key, "expose:")) {
		url = envoy_exposed_url(c->url, json_strd(form, "host", ""));
		json_set_str(form, "url", url);
		free(url);
	}
	out->observed = form;
	form = NULL;
	if (wrote)
		strv_add(&out->did, json_size(w->observed) == 0 ? "made" :
		    "put right");
	rv = 0;
out:
	if (rv == -1)
		out->observed = json_copy(w->observed);
	json_free(form);
	state_release(&s);
	return rv;
}

static int
other_remove(void *arg, const struct work *w, struct outcome *out,
    struct err *e)
{
	const struct envoy *c = arg;
	const char *name = strchr(w->key, ':') + 1;
	bool is_mcp = str_starts(w->key, "mcp:"), wrote = false;
	struct state s = { 0 };
	struct json *forms;
	char *file, *path;
	int rv = 0;

	state_read(c, &s);
	forms = forms_of(&s.model, w->key);
	if (json_get(forms, name) != NULL) {
		json_remove(forms, name);
		rv = put_rest(c, &s, &wrote, e);
		if (rv == 0)
			strv_add(&out->did, "removed");
	}
	/* Its key last: until then Envoy may still read it. */
	if (rv == 0 && (is_mcp || str_starts(w->key, "provider:"))) {
		file = xasprintf("key-%s-%s.json", is_mcp ? "mcp" :
		    "provider", name);
		path = path_of(c, file);
		unlink(path);
		free(path);
		free(file);
	}
	if (rv == -1)
		out->observed = json_copy(w->observed);
	state_release(&s);
	return rv;
}

/* --- looking ------------------------------------------------------------------- */

/* Is a key file of ours as the settings want it? */
static bool
key_file_fits(const struct envoy *c, const char *key, const struct json *form)
{
	bool is_mcp = str_starts(key, "mcp:"), fits;
	const char *name = json_strd(form, "name", "");
	const char *value = json_str(gateway_setting(is_mcp ? c->mcp_servers :
	    c->providers, name), "key");
	char *secret, *file, *was, *want;

	if (json_str(form, "key_id") == NULL || value == NULL)
		return true;
	secret = xasprintf("key-%s-%s", is_mcp ? "mcp" : "provider", name);
	file = xasprintf("%s.json", secret);
	was = read_file(c, file);
	want = envoy_key(secret, value);
	fits = str_equal(was, want);
	secret_free(was);
	secret_free(want);
	free(file);
	free(secret);
	return fits;
}

/* What is observed of a consumer now; NULL: gone or with another key. */
static struct json *
look_consumer(const struct envoy_model *m, const struct json *was)
{
	const struct json *keys = json_get(m->consumers,
	    json_strd(was, "name", ""));
	char id[SECRET_ID];

	if (json_value_str(json_first(keys)) == NULL)
		return NULL;
	secret_id(json_value_str(json_first(keys)), id);
	if (!str_equal(id, json_str(was, "key_id")) ||
	    (json_size(keys) > 1) != json_bool(was, "overlap", false))
		return NULL;
	return json_copy(was);
}

static struct json *
look_other(const struct envoy *c, struct envoy_model *m, const char *key,
    const struct json *was)
{
	struct json *form = json_copy(json_get(forms_of(m, key),
	    strchr(key, ':') + 1));

	if (form == NULL || !key_file_fits(c, key, form)) {
		json_free(form);
		return NULL;
	}
	if (str_starts(key, "expose:"))
		json_set_str(form, "url", json_str(was, "url"));
	return form;
}

/*
 * The files read once.  What they say is compared with what we hold, and what
 * they do not need to say (a filter edited away, say) with what we would write:
 * then all objects of that file are made again.
 */
static int
envoy_observe(void *arg, const struct observe_item *items, size_t n,
    void (*changed)(void *arg, const char *key, struct json *observed),
    void *carg, struct err *e)
{
	struct envoy *c = arg;
	struct state s = { 0 };
	char *keys = NULL, *routes, *clusters;
	bool keys_fit, rest_fits, is_consumer;
	struct json *was, *now;
	int status = 0, rv;

	state_read(c, &s);
	if (s.model.probe_key != NULL)
		keys = envoy_keys(&s.model);
	routes = envoy_routes(&s.model, &c->settings);
	clusters = envoy_clusters(&s.model, &c->settings);
	keys_fit = envoy_same(keys, s.keys);
	rest_fits = envoy_same(routes, s.routes) &&
	    envoy_same(clusters, s.clusters);
	for (size_t i = 0; i < n; i++) {
		was = json_must(items[i].observed);
		is_consumer = str_starts(items[i].key, "consumer:");
		if (is_consumer)
			now = keys_fit ? look_consumer(&s.model, was) : NULL;
		else
			now = rest_fits ? look_other(c, &s.model,
			    items[i].key, was) : NULL;
		if (json_equal(was, now))
			json_free(now);
		else
			changed(carg, items[i].key, now);
		json_free(was);
	}
	rv = probe(c, "keys", "no-such-key", NULL, &status, NULL, e);
	if (rv == 0 && status != 401)
		rv = err_set(e, ERR_RETRY, "the gateway answers %d where a "
		    "made-up key must be refused: is something else there?",
		    status);
	secret_free(keys);
	free(routes);
	free(clusters);
	state_release(&s);
	return rv;
}

/* --- questions ----------------------------------------------------------------- */

static void
put_list(struct json *answer, const char *name, const struct json *forms)
{
	struct json *list = json_set(answer, name, json_array()), *r;
	const struct json *form;

	for (form = json_first(forms); form != NULL; form = json_next(form)) {
		r = json_push(list, json_object());
		json_set_str(r, "name", json_key(form));
		json_set_str(r, "path", json_str(form, "path"));
		json_set_str(r, "host", json_str(form, "host"));
		json_set_int(r, "allowed",
		    (int64_t)json_size(json_get(form, "allowed")));
		json_set_int(r, "foreign",
		    (int64_t)json_size(json_get(form, "foreign")));
	}
}

/* {"op": "status"}: does it answer, how fast, and what it holds. */
static int
envoy_query(void *arg, const struct json *question, struct json **answer,
    struct err *e)
{
	struct envoy *c = arg;
	struct state s = { 0 };
	int64_t began = clock_mono_ms();
	struct err ignored;
	int status = 0;
	struct json *o;

	if (!str_equal(json_str(question, "op"), "status"))
		return err_set(e, ERR_USER, "the gateway answers \"status\"");
	o = json_object();
	state_read(c, &s);
	json_set_str(o, "provider", "envoy");
	json_set_str(o, "url", c->url);
	json_set_bool(o, "answers", probe(c, "keys", s.model.probe_key, NULL,
	    &status, NULL, &ignored) == 0 && status == 200);
	json_set_int(o, "latency_ms", clock_mono_ms() - began);
	json_set_int(o, "consumers", (int64_t)json_size(s.model.consumers));
	put_list(o, "routes", s.model.routes);
	put_list(o, "mcp_servers", s.model.mcps);
	put_list(o, "exposed", s.model.exposes);
	state_release(&s);
	*answer = o;
	return 0;
}

/* --- opening --------------------------------------------------------------------- */

/* Where distributions keep the authorities that the system trusts. */
static const char *
find_ca(void)
{
	static const char *const files[] = {
		"/etc/ssl/certs/ca-certificates.crt",
		"/etc/pki/tls/certs/ca-bundle.crt",
		"/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem",
		"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
	};
	const char *given = getenv("SSL_CERT_FILE");

	if (given != NULL && access(given, R_OK) == 0)
		return given;
	for (size_t i = 0; i < NELEM(files); i++)
		if (access(files[i], R_OK) == 0)
			return files[i];
	return files[0];
}

static int
make_directory(const char *path, struct err *e)
{
	if (path[0] != '/')
		return err_set(e, ERR_BROKEN, "gateway.directory: \"%s\" must "
		    "be absolute", path);
	if (mkdir(path, 0700) == -1 && errno != EEXIST)
		return err_set(e, ERR_BROKEN, "gateway.directory: %s: %s",
		    path, strerror(errno));
	return 0;
}

static int
write_missing(const struct envoy *c, const char *name, char *text,
    struct err *e)
{
	char *was = read_file(c, name);
	int rv = was != NULL ? 0 : write_file(c, name, text, e);

	secret_free(was);
	secret_free(text);
	return rv;
}

/* Envoy can start before anything is declared, and with what was before. */
static int
prepare(struct envoy *c, struct err *e)
{
	char *was = read_file(c, "bootstrap.json");
	char *now = envoy_bootstrap(&c->settings);
	struct envoy_model m;
	int rv = 0;

	if (!str_equal(was, now))
		rv = write_file(c, "bootstrap.json", now, e);
	free(was);
	free(now);
	envoy_model_init(&m);
	m.probe_key = rand_hex(32);
	if (rv == -1 ||
	    write_missing(c, ENVOY_KEYS, envoy_keys(&m), e) == -1 ||
	    write_missing(c, ENVOY_CLUSTERS,
	    envoy_clusters(&m, &c->settings), e) == -1 ||
	    write_missing(c, ENVOY_ROUTES,
	    envoy_routes(&m, &c->settings), e) == -1)
		rv = -1;
	envoy_model_release(&m);
	if (rv == -1)
		e->kind = ERR_BROKEN;
	return rv;
}

static void
envoy_close(void *arg)
{
	struct envoy *c = arg;

	if (c == NULL)
		return;
	free(c->directory);
	free(c->url);
	free(c->instance);
	free(c->homeserver_url);
	free(c->controller_url);
	json_wipe(c->providers);
	json_wipe(c->mcp_servers);
	strv_release(&c->listen);
	file_watch_free(c->watch);
	free(c);
}

static void
on_heard(void *arg, const struct strv *paths)
{
	const struct watch *w = arg;

	(void)paths;
	w->ready(w->arg);
}

/* Its files are all there is to it: who edits one is heard at once. */
static int
envoy_watch(void *arg, const struct watch *w, struct err *e)
{
	const struct envoy *c = arg;

	return file_watch_run(c->watch, w, on_heard, (void *)(uintptr_t)w, e);
}

static int
envoy_open(const struct provider_env *env, void **ctx, struct err *e)
{
	const struct provider_gateway *g = &env->gateway;
	struct envoy *c;

	*ctx = NULL;
	if (!str_equal(g->provider, "envoy"))
		return 0;
	if (g->directory == NULL || g->url == NULL || g->url[0] == '\0')
		return err_set(e, ERR_BROKEN, "gateway.directory and "
		    "gateway.url must be set for envoy");
	if (make_directory(g->directory, e) == -1)
		return -1;
	c = xcalloc(1, sizeof(*c));
	c->directory = xstrdup(g->directory);
	c->url = xstrdup(g->url);
	c->instance = xstrdup(env->instance);
	c->homeserver_url = xstrdup(g->homeserver_url);
	c->controller_url = xstrdup(g->controller_url);
	c->providers = json_copy(g->providers);
	c->mcp_servers = json_copy(g->mcp_servers);
	for (size_t i = 0; g->listen != NULL && i < g->listen->n; i++)
		strv_add(&c->listen, g->listen->v[i]);
	c->settings = (struct envoy_settings){ .directory = c->directory,
	    .instance = c->instance, .listen = &c->listen, .url = c->url,
	    .homeserver_url = c->homeserver_url,
	    .controller_url = c->controller_url, .ca_file = find_ca() };
	c->watch = file_watch_new();
	file_watch_add(c->watch, c->directory, ENVOY_KEYS);
	file_watch_add(c->watch, c->directory, ENVOY_ROUTES);
	file_watch_add(c->watch, c->directory, ENVOY_CLUSTERS);
	if (prepare(c, e) == -1) {
		envoy_close(c);
		return -1;
	}
	*ctx = c;
	return 0;
}

static const struct object_secret consumer_secrets[] = {
	{ .name = "key", .bytes = 32, .rotates = true }, { .name = NULL }
};

#define KIND(n, l) { .name = n, .label = l, .diff = gateway_diff, \
    .ensure = other_ensure, .remove = other_remove }
static const struct object_kind kinds[] = {
	{ .name = "consumer", .label = "gateway key",
	    .secrets = consumer_secrets, .diff = gateway_consumer_diff,
	    .ensure = consumer_ensure, .remove = consumer_remove,
	    .batch = CONSUMERS_MAX, .ensure_many = consumers_ensure,
	    .remove_many = consumers_remove },
	KIND("provider", "model provider"), KIND("route", "model route"),
	KIND("mcp", "MCP server"), KIND("expose", "exposed port"),
	{ .name = NULL }
};

const struct provider provider_envoy = {
	.name = "envoy",
	.concurrency = 1,	/* the files are one thing */
	.kinds = kinds,
	.open = envoy_open,
	.close = envoy_close,
	.watch = envoy_watch,
	.observe = envoy_observe,
	.query = envoy_query,
};
