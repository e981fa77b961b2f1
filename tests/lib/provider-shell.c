/*
 * One provider by hand, for tests against real servers: no store, no engine.
 *
 *	provider-shell PROVIDER SETTINGS
 *
 * SETTINGS is JSON in the shape of struct provider_env: {"instance",
 * "templates_dir", "storage": {...}, "gateway": {...}, "containers": {...}}.  Then one JSON object a
 * line on stdin, one answer a line on stdout:
 *
 *	{"do": "ensure" | "remove", "key", "desired", "observed", "secrets",
 *	 "may_exist"}
 *		{"rc", "err", "observed", "did", "secrets", "left"}
 *	{"do": "ensure" | "remove", "works": [the same, of one kind]}
 *		{"deeds": [the same]}, by the call for many where there is one
 *	{"do": "observe", "items": {KEY: OBSERVED}}
 *		{"rc", "err", "changed": {KEY: OBSERVED or null}}
 *	{"do": "query", "question"}	{"rc", "err", "answer"}
 *	{"do": "diff", "key", "desired", "observed"}	{"left"}
 *	{"do": "absorb", "key", "observed", "event"}	{"changed", "observed"}
 *	{"do": "watch"}			listens from now on, again and again
 *	{"do": "heard", "wait_ms"}	{"heard": [[HANDLE, EVENT], ...]} since the
 *		last time, a null for each stream that opened; waits for one
 *
 * "err" is {"kind", "msg"}.  "left" are the differences that are left over,
 * [what, from, to, risk] each.  Of secrets the answer has only the digest
 * (secret_id).  Each answer has "calls" and "writes": HTTP requests it took.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "hiclaw/fault.h"
#include "hiclaw/http.h"
#include "hiclaw/log.h"
#include "hiclaw/provider.h"

#define WORKS_MAX	10000

struct shell {
	const struct provider	*provider;
	void			*ctx;
	const char		*instance;
	/* What a thread of its own hears. */
	bool			 is_listening;
	pthread_t		 listener;
	atomic_bool		 is_over;
	int			 over[2];	/* pipe(2) */
	pthread_mutex_t		 lock;
	struct json		*heard;		/* guarded by lock */
};

/* --- settings ------------------------------------------------------------ */

static void
env_fill(struct provider_env *env, struct strv *listen, const struct json *s)
{
	const struct json *st = json_get(s, "storage"), *v;
	const struct json *gw = json_get(s, "gateway");
	const struct json *co = json_get(s, "containers");

	for (v = json_first(json_get(gw, "listen")); v != NULL;
	    v = json_next(v))
		strv_add(listen, json_value_str(v));
	*env = (struct provider_env){
		.templates_dir = json_strd(s, "templates_dir", "templates"),
		.instance = json_strd(s, "instance", "hiclaw-0000test"),
		.storage = {
			.provider = json_str(st, "provider"),
			.url = json_str(st, "url"),
			.bucket = json_str(st, "bucket"),
			.region = json_str(st, "region"),
			.access_key = json_str(st, "access_key"),
			.secret_key = json_str(st, "secret_key"),
			.session_token = json_str(st, "session_token"),
			.imports = json_str(st, "imports"),
			.private_packages = json_bool(st, "private_packages",
			    false),
		},
		.gateway = {
			.provider = json_str(gw, "provider"),
			.url = json_str(gw, "url"),
			.providers = json_get(gw, "providers"),
			.mcp_servers = json_get(gw, "mcp_servers"),
			.directory = json_str(gw, "directory"),
			.listen = listen,
			.homeserver_url = json_str(gw, "homeserver_url"),
			.console_url = json_str(gw, "console_url"),
			.console_user = json_str(gw, "console_user"),
			.console_password = json_str(gw, "console_password"),
		},
		.containers = {
			.provider = json_str(co, "provider"),
			.url = json_str(co, "url"),
			.ca_file = json_str(co, "ca_file"),
			.cert_file = json_str(co, "cert_file"),
			.key_file = json_str(co, "key_file"),
			.registries = json_get(co, "registries"),
		},
	};
}

static const struct provider *
find_provider(const char *name)
{
	for (size_t i = 0; providers[i] != NULL; i++)
		if (strcmp(providers[i]->name, name) == 0)
			return providers[i];
	return NULL;
}

static const struct object_kind *
find_kind(const struct provider *p, const char *key)
{
	const struct object_kind *k;
	char name[32];

	object_kind_name(key, name, sizeof(name));
	for (k = p->kinds; k->name != NULL; k++)
		if (strcmp(k->name, name) == 0)
			return k;
	return NULL;
}

/* --- answers ------------------------------------------------------------- */

/* Taken over; a NULL stands as null. */
static void
put(struct json *o, const char *key, struct json *v)
{
	json_set(o, key, v != NULL ? v : json_null());
}

static void
put_result(struct json *o, int rc, const struct err *e)
{
	struct json *err = NULL;

	json_set_int(o, "rc", rc);
	if (rc == -1) {
		err = json_object();
		json_set_str(err, "kind", err_kind_name(e->kind));
		json_set_str(err, "msg", e->msg);
	}
	put(o, "err", err);
}

static void
put_text(struct json *list, const char *text)
{
	json_push(list, text != NULL ? json_string(text) : json_null());
}

static struct json *
left_over(const struct object_kind *kind, const struct json *desired,
    const struct json *observed)
{
	struct json *list = json_array(), *one;
	struct changes c = { 0 };

	kind->diff(desired, observed, &c);
	for (size_t i = 0; i < c.n; i++) {
		one = json_push(list, json_array());
		put_text(one, c.v[i].what);
		put_text(one, c.v[i].from);
		put_text(one, c.v[i].to);
		put_text(one, risk_name(c.v[i].risk));
	}
	changes_release(&c);
	return list;
}

static struct json *
secret_ids(const struct json *secrets)
{
	struct json *ids = json_object();
	const struct json *v;
	char id[SECRET_ID];

	for (v = json_first(secrets); v != NULL; v = json_next(v)) {
		secret_id(json_value_str(v), id);
		json_set_str(ids, json_key(v), id);
	}
	return ids;
}

static struct json *
deed_answer(const struct object_kind *kind, const struct deed *d)
{
	struct json *o = json_object(), *did = json_array();

	put_result(o, d->rc, &d->err);
	put(o, "observed", json_copy(d->out.observed));
	for (size_t i = 0; i < d->out.did.n; i++)
		json_push_str(did, d->out.did.v[i]);
	json_set(o, "did", did);
	json_set(o, "secrets", secret_ids(d->out.secrets));
	if (d->work.desired != NULL)
		json_set(o, "left", left_over(kind, d->work.desired,
		    d->out.observed));
	return o;
}

/* --- what can be asked --------------------------------------------------- */

static struct json *
unless_null(const struct json *o, const char *key)
{
	struct json *v = json_get(o, key);

	return json_is(v, JSON_NULL) ? NULL : v;
}

static void
deed_fill(const struct shell *s, struct deed *d, const struct json *q,
    bool removes)
{
	*d = (struct deed){ .work = {
		.key = json_strd(q, "key", ""),
		.desired = removes ? NULL : unless_null(q, "desired"),
		.observed = unless_null(q, "observed"),
		.secrets = unless_null(q, "secrets"),
		.instance = s->instance,
		.may_exist = json_bool(q, "may_exist", false),
	} };
}

static void
deeds_do(const struct shell *s, const struct object_kind *kind,
    struct deed *d, size_t n, bool removes)
{
	void (*many)(void *, struct deed *, size_t) = removes ?
	    kind->remove_many : kind->ensure_many;
	int (*one)(void *, const struct work *, struct outcome *,
	    struct err *) = removes ? kind->remove : kind->ensure;
	size_t i, part;

	for (i = 0; i < n; i += part) {
		part = 1;
		if (many != NULL && kind->batch > 1) {
			part = n - i < kind->batch ? n - i : kind->batch;
			many(s->ctx, d + i, part);
		} else
			d[i].rc = one(s->ctx, &d[i].work, &d[i].out,
			    &d[i].err);
	}
}

static int
do_many(const struct shell *s, const struct json *works, bool removes,
    struct json *answer, struct err *e)
{
	const struct object_kind *kind = find_kind(s->provider,
	    json_strd(json_first(works), "key", ""));
	size_t n = json_size(works), i = 0;
	const struct json *v;
	struct json *list;
	struct deed *d;

	if (kind == NULL || n > WORKS_MAX)
		return err_set(e, ERR_USER, "no works, or of no kind of %s",
		    s->provider->name);
	d = xcalloc(n, sizeof(*d));
	for (v = json_first(works); v != NULL; v = json_next(v))
		deed_fill(s, &d[i++], v, removes);
	deeds_do(s, kind, d, n, removes);
	list = json_set(answer, "deeds", json_array());
	for (i = 0; i < n; i++) {
		json_push(list, deed_answer(kind, &d[i]));
		outcome_release(&d[i].out);
	}
	free(d);
	return 0;
}

/* The same call as for many where there is one: the engine does it so, too. */
static int
do_one(const struct shell *s, const struct json *q, bool removes,
    struct json **answer, struct err *e)
{
	const struct object_kind *kind = find_kind(s->provider,
	    json_strd(q, "key", ""));
	struct deed d;

	if (kind == NULL)
		return err_set(e, ERR_USER, "%s has no such kind",
		    s->provider->name);
	deed_fill(s, &d, q, removes);
	deeds_do(s, kind, &d, 1, removes);
	json_free(*answer);
	*answer = deed_answer(kind, &d);
	outcome_release(&d.out);
	return 0;
}

static void
on_changed(void *arg, const char *key, struct json *observed)
{
	put(arg, key, observed);
}

static void
do_observe(const struct shell *s, const struct json *q, struct json *answer)
{
	const struct json *items = json_get(q, "items"), *v;
	struct json *changed = json_object();
	struct observe_item *list;
	size_t n = json_size(items), i = 0;
	struct err e = { 0 };

	list = xcalloc(n + 1, sizeof(*list));
	for (v = json_first(items); v != NULL; v = json_next(v))
		list[i++] = (struct observe_item){ .key = json_key(v),
		    .observed = json_canonical(v) };
	put_result(answer, s->provider->observe(s->ctx, list, n, on_changed,
	    changed, &e), &e);
	json_set(answer, "changed", changed);
	for (i = 0; i < n; i++)
		free((char *)list[i].observed);
	free(list);
}

static void
do_query(const struct shell *s, const struct json *q, struct json *answer)
{
	struct json *found = NULL;
	struct err e = { 0 };

	put_result(answer, s->provider->query(s->ctx, json_get(q, "question"),
	    &found, &e), &e);
	put(answer, "answer", found);
}

static int
do_diff(const struct shell *s, const struct json *q, struct json *answer,
    struct err *e)
{
	const struct object_kind *kind = find_kind(s->provider,
	    json_strd(q, "key", ""));

	if (kind == NULL)
		return err_set(e, ERR_USER, "%s has no such kind",
		    s->provider->name);
	json_set(answer, "left", left_over(kind, json_get(q, "desired"),
	    unless_null(q, "observed")));
	return 0;
}

static int
do_absorb(const struct shell *s, const struct json *q, struct json *answer,
    struct err *e)
{
	const struct object_kind *kind = find_kind(s->provider,
	    json_strd(q, "key", ""));
	struct json *observed = json_copy(json_get(q, "observed"));

	if (kind == NULL || kind->absorb == NULL || observed == NULL) {
		json_free(observed);
		return err_set(e, ERR_USER, "%s takes no such news",
		    s->provider->name);
	}
	json_set_bool(answer, "changed", kind->absorb(observed,
	    json_get(q, "event")));
	json_set(answer, "observed", observed);
	return 0;
}

/* --- listening ----------------------------------------------------------- */

static void
pause_ms(int ms)
{
	struct timespec ts = { ms / 1000, (long)(ms % 1000) * 1000000 };

	nanosleep(&ts, NULL);
}

static void
hear(struct shell *s, struct json *what)
{
	pthread_mutex_lock(&s->lock);
	json_push(s->heard, what);
	pthread_mutex_unlock(&s->lock);
}

static void
on_ready(void *arg)
{
	hear(arg, json_null());
}

static void
on_event(void *arg, const char *handle, struct json *event)
{
	struct json *pair = json_array();

	json_push_str(pair, handle);
	json_push(pair, event);
	hear(arg, pair);
}

static void
on_look(void *arg, const char *key)
{
	hear(arg, json_string(key));
}

static bool
is_over(void *arg)
{
	return atomic_load(&((struct shell *)arg)->is_over);
}

static void *
listen_on(void *arg)
{
	struct shell *s = arg;
	const struct watch w = { s, on_ready, on_event, on_look, is_over,
	    s->over[0] };
	struct err e;

	while (!is_over(s)) {
		if (s->provider->watch(s->ctx, &w, &e) == -1)
			log_info("shell", "listening: %s", e.msg);
		pause_ms(100);
	}
	return NULL;
}

static void
do_watch(struct shell *s)
{
	if (s->is_listening)
		return;
	s->heard = json_array();
	s->is_listening = true;
	pthread_mutex_init(&s->lock, NULL);
	if (pipe(s->over) != 0 ||
	    pthread_create(&s->listener, NULL, listen_on, s) != 0)
		abort();
}

static void
do_heard(struct shell *s, const struct json *q, struct json *answer)
{
	int left = (int)json_int(q, "wait_ms", 0);

	pthread_mutex_lock(&s->lock);
	for (; json_size(s->heard) == 0 && left > 0; left -= 5) {
		pthread_mutex_unlock(&s->lock);
		pause_ms(5);
		pthread_mutex_lock(&s->lock);
	}
	json_set(answer, "heard", s->heard);
	s->heard = json_array();
	pthread_mutex_unlock(&s->lock);
}

static void
stop_listening(struct shell *s)
{
	if (!s->is_listening)
		return;
	atomic_store(&s->is_over, true);
	close(s->over[1]);
	pthread_join(s->listener, NULL);
	close(s->over[0]);
	json_free(s->heard);
	pthread_mutex_destroy(&s->lock);
}

static int
dispatch(struct shell *s, const struct json *q, struct json **answer,
    struct err *e)
{
	const char *what = json_strd(q, "do", "");
	bool removes = strcmp(what, "remove") == 0;

	if (removes || strcmp(what, "ensure") == 0)
		return json_get(q, "works") != NULL ?
		    do_many(s, json_get(q, "works"), removes, *answer, e) :
		    do_one(s, q, removes, answer, e);
	if (strcmp(what, "diff") == 0)
		return do_diff(s, q, *answer, e);
	if (strcmp(what, "absorb") == 0)
		return do_absorb(s, q, *answer, e);
	if (strcmp(what, "watch") == 0 && s->provider->watch != NULL)
		do_watch(s);
	else if (strcmp(what, "heard") == 0 && s->is_listening)
		do_heard(s, q, *answer);
	else if (strcmp(what, "observe") == 0 && s->provider->observe != NULL)
		do_observe(s, q, *answer);
	else if (strcmp(what, "query") == 0 && s->provider->query != NULL)
		do_query(s, q, *answer);
	else
		return err_set(e, ERR_USER, "%s cannot do \"%s\"",
		    s->provider->name, what);
	return 0;
}

/* --- the loop ------------------------------------------------------------ */

static void
serve(struct shell *s, const char *line, size_t len)
{
	uint64_t calls, writes, calls_before, writes_before;
	struct json *answer = json_object(), *q;
	struct err e = { 0 };
	char *text;

	http_counts(&calls_before, &writes_before);
	q = json_parse(line, len, &e);
	if (q == NULL || dispatch(s, q, &answer, &e) == -1)
		put_result(answer, -1, &e);
	http_counts(&calls, &writes);
	json_set_int(answer, "calls", (int64_t)(calls - calls_before));
	json_set_int(answer, "writes", (int64_t)(writes - writes_before));
	text = json_canonical(answer);
	printf("%s\n", text);
	fflush(stdout);
	free(text);
	json_free(answer);
	json_wipe(q);
}

static int
run(struct shell *s, const struct json *settings, struct err *e)
{
	struct strv listen = { 0 };
	struct provider_env env;
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;
	int rv = -1;

	env_fill(&env, &listen, settings);
	s->instance = env.instance;
	if (s->provider->open(&env, &s->ctx, e) == -1)
		goto out;
	if (s->ctx == NULL) {
		err_set(e, ERR_USER, "the settings leave %s out",
		    s->provider->name);
		goto out;
	}
	while ((n = getline(&line, &cap, stdin)) > 0)
		serve(s, line, (size_t)n);
	stop_listening(s);
	s->provider->close(s->ctx);
	rv = 0;
out:
	free(line);
	strv_release(&listen);
	return rv;
}

int
main(int argc, char **argv)
{
	struct shell s = { 0 };
	struct json *settings;
	struct err e = { 0 };
	int rv;

	if (argc != 3 || (s.provider = find_provider(argv[1])) == NULL) {
		fprintf(stderr, "usage: provider-shell PROVIDER SETTINGS\n");
		return 2;
	}
	log_set_level(LOG_LVL_DEBUG);
	fault_init();
	settings = json_parse(argv[2], strlen(argv[2]), &e);
	rv = settings == NULL ? -1 : run(&s, settings, &e);
	if (rv == -1)
		fprintf(stderr, "provider-shell: %s\n", e.msg);
	json_wipe(settings);
	return rv == 0 ? 0 : 1;
}
