/*
 * Calls to a container engine: over a unix socket or TCP with TLS, in the
 * version of the API that both sides know.
 *
 * An error of Docker is {"message"}, one of Podman {"cause", "message"}, and
 * some of either are plain text: whatever comes is made one cleaned line.
 */
#include "docker-int.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define API_MAX		"1.44"		/* what we were written for */
#define API_MIN		"1.40"		/* Docker 19.03, of 2019 */
#define PING_MS		5000
#define INFO_MS		15000
#define CALL_MS		30000		/* unless the call says otherwise */
#define ANSWER_MAX	(16U << 20)	/* a list of thousands */

/* --- the engine is away --------------------------------------------------- */

/* Why nobody answers at the socket: 0 if somebody does. */
static int
socket_errno(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd, rv = 0;

	if (!str_copy(a.sun_path, path, sizeof(a.sun_path)))
		return ENAMETOOLONG;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1)
		return 0;
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) == -1)
		rv = errno;
	close(fd);
	return rv;
}

/* In words that say what to do. */
static int
explain(const struct docker *d, struct err *e)
{
	switch (d->socket != NULL ? socket_errno(d->socket) : 0) {
	case ENOENT:
		return err_set(e, ERR_RETRY, "there is no container engine at "
		    "%s: start one (systemctl enable --now podman.socket, or "
		    "docker)", d->url);
	case ECONNREFUSED:
		return err_set(e, ERR_RETRY, "the container engine at %s has "
		    "ended: start it again (systemctl restart podman.socket, "
		    "or docker)", d->url);
	case EACCES:
	case EPERM:
		return err_set(e, ERR_RETRY, "the container engine's socket %s "
		    "is not for us: put the controller's user into its group",
		    d->url);
	default:
		return err_prefix(e, "container engine");
	}
}

static void
forget_engine(struct docker *d)
{
	pthread_mutex_lock(&d->lock);
	d->engine = (struct docker_engine){ .is_known = false };
	pthread_mutex_unlock(&d->lock);
}

/* --- one call ------------------------------------------------------------- */

static void
take_answer(struct http_res *r, struct docker_res *res)
{
	const char *text;
	char *clean;
	struct err e;

	res->status = r->status;
	if (strstr(r->content_type, "json") != NULL)
		res->json = json_parse_relayed(buf_str(&r->body), r->body.len,
		    &e);
	if (r->status >= 400) {
		text = json_str(res->json, "message");
		if (text == NULL)
			text = json_strd(res->json, "cause", buf_str(&r->body));
		clean = docker_clean(text, strlen(text),
		    sizeof(res->text) - 1);
		str_copy(res->text, clean, sizeof(res->text));
		free(clean);
	}
	if (res->json == NULL) {
		res->body = r->body;
		memset(&r->body, 0, sizeof(r->body));
	}
}

static int
call(struct docker *d, const char *prefix, const struct docker_req *q,
    struct docker_res *res, struct err *e)
{
	const char *headers[] = { q->header, NULL };
	char *body = q->json != NULL ? json_canonical(q->json) : NULL;
	char *url = xasprintf("%s%s%s", d->base, prefix, q->path);
	struct http_res r;
	struct http_req req = { .method = q->method, .url = url,
	    .headers = headers, .timeout_ms = q->timeout_ms,
	    .max_bytes = ANSWER_MAX, .unix_socket = d->socket,
	    .ca_file = d->ca_file, .cert_file = d->cert_file,
	    .key_file = d->key_file, .chunk = q->chunk,
	    .is_over = q->is_over, .chunk_arg = q->arg };
	int rv;

	if (body != NULL) {
		req.body = body;
		req.body_len = strlen(body);
	} else if (q->tar != NULL) {
		req.content_type = "application/x-tar";
		req.body = q->tar->data;
		req.body_len = q->tar->len;
	}
	if (req.timeout_ms == 0 && req.chunk == NULL)
		req.timeout_ms = CALL_MS;
	rv = http_call(&req, &r, e);
	if (rv == 0) {
		take_answer(&r, res);
		http_res_release(&r);
	} else {
		forget_engine(d);
		if (e->kind == ERR_RETRY)
			explain(d, e);
	}
	free(url);
	free(body);	/* env is no secret: the engine shows it to all */
	return rv;
}

void
docker_res_release(struct docker_res *res)
{
	json_free(res->json);
	buf_release(&res->body);
	memset(res, 0, sizeof(*res));
}

bool
docker_ok(const struct docker_res *res)
{
	return (res->status >= 200 && res->status < 300) || res->status == 304;
}

int
docker_fail(const struct docker_res *res, struct err *e, const char *what)
{
	enum err_kind kind = ERR_RETRY;

	if (res->status == 404)
		kind = ERR_NOTFOUND;
	else if (res->status == 409)
		kind = ERR_CONFLICT;
	else if (res->status == 401 || res->status == 403)
		kind = ERR_DENIED;
	else if (res->status == 400)
		kind = ERR_USER;
	if (res->text[0] == '\0')
		return err_set(e, kind, "%s: the container engine answers %d",
		    what, res->status);
	return err_set(e, kind, "%s: %s", what, res->text);
}

/* --- who is there --------------------------------------------------------- */

/* "1.44" as 1044. */
static int
version_number(const char *v)
{
	char *end;
	long major = strtol(v, &end, 10), minor = 0;

	if (*end == '.')
		minor = strtol(end + 1, NULL, 10);
	if (major < 0 || major > 1000 || minor < 0 || minor > 999)
		return 0;
	return (int)(1000 * major + minor);
}

static int
take_ping(struct docker *d, struct docker_engine *g, const struct http_res *r,
    struct err *e)
{
	const char *v = http_header(r, "api-version");

	if (r->status != 200 || v == NULL)
		return err_set(e, ERR_RETRY, "what answers at %s is no "
		    "container engine (status %d)", d->url, r->status);
	if (version_number(v) < version_number(API_MIN))
		return err_set(e, ERR_BROKEN, "the container engine at %s is "
		    "too old: it knows API %.8s, %s is needed", d->url, v,
		    API_MIN);
	if (version_number(v) > version_number(API_MAX))
		v = API_MAX;
	str_copy(g->version, v, sizeof(g->version));
	g->is_podman = http_header(r, "libpod-api-version") != NULL;
	g->is_known = true;
	return 0;
}

static int
ping(struct docker *d, struct docker_engine *g, struct err *e)
{
	char *url = xasprintf("%s/_ping", d->base);
	struct http_req req = { .method = "GET", .url = url,
	    .timeout_ms = PING_MS, .max_bytes = 4096,
	    .unix_socket = d->socket, .ca_file = d->ca_file,
	    .cert_file = d->cert_file, .key_file = d->key_file };
	struct http_res r;
	int rv;

	rv = http_call(&req, &r, e);
	if (rv == 0) {
		rv = take_ping(d, g, &r, e);
		http_res_release(&r);
	} else if (e->kind == ERR_RETRY)
		explain(d, e);
	free(url);
	return rv;
}

static int
ask_info(struct docker *d, struct docker_engine *g, struct err *e)
{
	struct docker_req q = { .method = "GET", .path = (char *)"/info",
	    .timeout_ms = INFO_MS };
	struct docker_res res = {0};
	const struct json *v;
	char prefix[24];

	snprintf(prefix, sizeof(prefix), "/v%s", g->version);
	if (call(d, prefix, &q, &res, e) == -1)
		return -1;
	g->cpus = (int)json_int(res.json, "NCPU", 0);
	for (v = json_first(json_get(res.json, "SecurityOptions")); v != NULL;
	    v = json_next(v))
		if (json_value_str(v) != NULL &&
		    str_starts(json_value_str(v), "name=rootless"))
			g->is_rootless = true;
	g->has_info = docker_ok(&res);
	docker_res_release(&res);
	return 0;
}

int
docker_engine(struct docker *d, bool with_info, struct docker_engine *g,
    struct err *e)
{
	pthread_mutex_lock(&d->lock);
	*g = d->engine;
	pthread_mutex_unlock(&d->lock);
	if (g->is_known && (g->has_info || !with_info))
		return 0;
	if (!g->is_known && ping(d, g, e) == -1)
		return -1;
	if (with_info && ask_info(d, g, e) == -1)
		return -1;
	pthread_mutex_lock(&d->lock);
	d->engine = *g;
	pthread_mutex_unlock(&d->lock);
	return 0;
}

void
docker_engine_no_init(struct docker *d)
{
	pthread_mutex_lock(&d->lock);
	d->engine.no_init = true;
	pthread_mutex_unlock(&d->lock);
}

/* --- what the others call ------------------------------------------------- */

int
docker_call(struct docker *d, struct docker_req *q, struct docker_res *res,
    struct err *e)
{
	struct docker_engine g;
	char prefix[24];
	int rv;

	memset(res, 0, sizeof(*res));
	rv = docker_engine(d, false, &g, e);
	if (rv == 0) {
		snprintf(prefix, sizeof(prefix), "/v%s", g.version);
		rv = call(d, prefix, q, res, e);
	}
	free(q->path);
	q->path = NULL;
	return rv;
}

int
docker_get(struct docker *d, char *path, int timeout_ms, struct json **json,
    bool *answered, struct err *e)
{
	struct docker_req q = { .method = "GET", .path = path,
	    .timeout_ms = timeout_ms };
	struct docker_res res;
	int rv = 0;

	*json = NULL;
	if (docker_call(d, &q, &res, e) == -1)
		return -1;
	if (answered != NULL)
		*answered = true;
	if (docker_ok(&res) && res.json != NULL) {
		*json = res.json;
		res.json = NULL;
	} else if (res.status != 404)
		rv = docker_fail(&res, e, "looking");
	docker_res_release(&res);
	return rv;
}

char *
docker_label_filter(const char *instance)
{
	char *json = xasprintf("{\"label\":[\"" LABEL_INSTANCE "=%s\"]}",
	    instance);
	char *escaped = http_escape(json);

	free(json);
	return escaped;
}
