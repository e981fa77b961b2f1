/*
 * Does the gateway itself do what the Console has stored?
 *
 * It takes one or two seconds after a write, and up to 90 while key-auth is
 * first loaded; until then a route may be open.  So a made-up key is sent until
 * the gateway refuses it, and then a good one until it passes.  Only a 401 or
 * 403 with the realm of key-auth counts as a refusal: a model provider's own
 * 401 looks the same otherwise.
 *
 * The path is one below the route's that no API has: no model is ever asked.
 */
#include "higress-int.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "hiclaw/clock.h"
#include "hiclaw/http.h"
#include "hiclaw/log.h"
#include "hiclaw/secure.h"

#define CALL_MS		5000
#define FIRST_MS	90000	/* the filter is fetched and started */
#define LATER_MS	15000
#define NAP_MIN_MS	500
#define NAP_MAX_MS	3000
#define REALM		"MSE Gateway"

enum verdict { SILENT, REFUSED, FORBIDDEN, PASSED };

static enum verdict
ask(struct hg *h, const struct probe *p, const char *key)
{
	char *url = xasprintf("%s%s%shiclaw-probe", h->gateway, p->path,
	    str_ends(p->path, "/") ? "" : "/");
	char *host = p->host == NULL ? NULL : xasprintf("Host: %s", p->host);
	const char *headers[] = { host, NULL };
	struct http_req q = { .method = p->model != NULL ? "POST" : "GET",
	    .url = url, .bearer = key, .headers = host != NULL ? headers :
	    NULL, .timeout_ms = CALL_MS, .max_bytes = 1 << 20 };
	struct json *body = NULL;
	char *text = NULL;
	struct http_res res = { 0 };
	enum verdict v = SILENT;
	struct err ignored;
	const char *realm;

	if (p->model != NULL) {
		body = json_object();
		json_set_str(body, "model", p->model);
		q.body = text = json_canonical(body);
		q.body_len = strlen(text);
	}
	if (http_call(&q, &res, &ignored) == 0 || ignored.kind == ERR_USER) {
		realm = http_header(&res, "www-authenticate");
		if (realm == NULL || strstr(realm, REALM) == NULL)
			v = PASSED;
		else
			v = res.status == 403 ? FORBIDDEN :
			    res.status == 401 ? REFUSED : PASSED;
	}
	http_res_release(&res);
	json_free(body);
	free(text);
	free(host);
	free(url);
	return v;
}

static void
nap(int64_t ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000L };

	nanosleep(&ts, NULL);
}

/* Until the answer is a refusal, or is none.  -1: out of time. */
static int
wait_for(struct hg *h, const struct probe *p, const char *key, bool refused,
    int64_t until, enum verdict *last)
{
	int64_t ms = NAP_MIN_MS;

	for (;;) {
		*last = ask(h, p, key);
		if (*last == SILENT ||
		    (*last == PASSED) != refused)
			return 0;
		if (clock_mono_ms() + ms > until)
			return -1;
		nap(ms);
		ms = ms * 2 < NAP_MAX_MS ? ms * 2 : NAP_MAX_MS;
	}
}

int
hg_probe(struct hg *h, const struct probe *p, const char *key, struct err *e)
{
	int64_t until = clock_mono_ms() + (h->probed ? LATER_MS : FIRST_MS);
	char *made_up;
	enum verdict last;
	int rv;

	if (h->gateway[0] == '\0')
		return 0;
	made_up = rand_hex(32);
	rv = wait_for(h, p, made_up, true, until, &last);
	secret_free(made_up);
	if (rv == 0 && last == SILENT) {
		log_info("higress", "%s does not answer: not probed",
		    h->gateway);
		return 0;
	}
	if (rv == -1)
		return err_set(e, ERR_RETRY, "%s%s does not refuse a made-up "
		    "key yet", h->gateway, p->path);
	h->probed = true;
	if (key == NULL)
		return 0;
	if (wait_for(h, p, key, false, until, &last) == -1)
		return err_set(e, ERR_RETRY, "%s%s does not take the key yet "
		    "(%s)", h->gateway, p->path, last == FORBIDDEN ?
		    "not on its list" : "not known");
	return 0;
}

/* A key of somebody on the list whose consumer is there, to try it; yours. */
static int
find_key(struct hg *h, const struct json *allowed, char **key, struct err *e)
{
	struct json *consumers = NULL;
	const struct json *v, *c;

	if (hg_get(h, "/v1/consumers", &consumers, e) == -1)
		return -1;
	for (v = json_first(allowed); v != NULL; v = json_next(v)) {
		c = json_first(json_get(hg_named(consumers,
		    json_value_str(v)), "credentials"));
		if (!str_equal(json_str(c, "source"), "BEARER") ||
		    json_size(json_get(c, "values")) == 0)
			continue;
		secret_free(*key);
		*key = xstrdup(json_value_str(json_first(json_get(c,
		    "values"))));
	}
	json_wipe(consumers);
	return 0;
}

int
hg_probe_list(struct hg *h, const struct probe *p, const struct json *allowed,
    struct err *e)
{
	char *key = NULL;
	int rv = 0;

	if (h->gateway[0] == '\0')
		return 0;
	if (json_size(allowed) > 0)
		rv = find_key(h, allowed, &key, e);
	if (rv == 0)
		rv = hg_probe(h, p, key, e);
	secret_free(key);
	return rv;
}

int
hg_probe_gone(struct hg *h, const struct probe *p, const char *key,
    struct err *e)
{
	enum verdict last;

	if (h->gateway[0] == '\0')
		return 0;
	if (wait_for(h, p, key, true, clock_mono_ms() + LATER_MS, &last) == 0)
		return 0;
	return err_set(e, ERR_RETRY, "the key of a deleted consumer still "
	    "opens %s%s", h->gateway, p->path);
}
