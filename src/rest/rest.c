/*
 * From a request to a handler and from there to an answer: which route it is,
 * whose token it shows, and whether that caller may at all.  Answers are kept in
 * order until the turn is committed.
 */
#include "rest-int.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hiclaw/clock.h"
#include "hiclaw/http.h"
#include "hiclaw/log.h"
#include "hiclaw/re.h"
#include "hiclaw/secure.h"

#define HEADERS_MAX	3

struct answer {
	struct httpd_req *req;
	int		 status;
	const char	*type;
	char		*body;		/* or NULL */
	char		*headers[HEADERS_MAX];	/* ends with NULL */
	bool		 is_secret;	/* wipe the body */
	struct answer	*next;
};

/* --- answers ------------------------------------------------------------- */

static struct answer *
answer_add(struct rest *r, struct httpd_req *req, int status,
    const char *type, char *body)
{
	struct answer *a = xcalloc(1, sizeof *a);

	a->req = req;
	a->status = status;
	a->type = type;
	a->body = body;
	*r->answers_end = a;
	r->answers_end = &a->next;
	if (status >= 100 && status < 600)
		r->by_status[status / 100]++;
	return a;
}

static void
answer_header(struct answer *a, const char *header)
{
	size_t i = 0;

	while (i < HEADERS_MAX - 1 && a->headers[i] != NULL)
		i++;
	a->headers[i] = xstrdup(header);
}

/* Messages repeat what others wrote, cut at a length: a cut character is no
 * text. */
static void
mend_utf8(char *text)
{
	size_t len = strlen(text), bad;

	while (!utf8_valid(text, len, &bad))
		text[bad] = '?';
}

static struct answer *
answer_value(struct rest *r, struct httpd_req *req, int status,
    const struct json *v)
{
	struct buf b = { 0 };
	char *text = json_canonical(v);

	mend_utf8(text);
	buf_puts(&b, text);
	buf_putc(&b, '\n');
	free(text);
	return answer_add(r, req, status, "application/json", buf_take(&b));
}

static struct answer *
answer_message(struct rest *r, struct httpd_req *req, int status,
    const char *message)
{
	struct json *o = json_object();
	struct answer *a;

	json_set_str(o, "message", message);
	a = answer_value(r, req, status, o);
	json_free(o);
	return a;
}

void
answer_json(struct call *c, int status, struct json *v)
{
	answer_value(c->rest, c->req, status, v);
	json_free(v);
}

void
answer_secret(struct call *c, int status, struct json *v)
{
	struct answer *a = answer_value(c->rest, c->req, status, v);

	a->is_secret = true;
	answer_header(a, "Cache-Control: no-store");
	json_wipe(v);
}

void
answer_empty(struct call *c)
{
	answer_add(c->rest, c->req, 204, NULL, NULL);
}

void
answer_text(struct call *c, int status, const char *type, const char *text)
{
	answer_add(c->rest, c->req, status, type, xstrdup(text));
}

void
answer_error(struct call *c, int status, const char *fmt, ...)
{
	va_list ap;
	char *text;

	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	answer_message(c->rest, c->req, status, text);
	free(text);
}

void
answer_err(struct call *c, const struct err *e)
{
	static const int status[] = { [ERR_USER] = 422, [ERR_DENIED] = 403,
	    [ERR_NOTFOUND] = 404, [ERR_CONFLICT] = 409, [ERR_RETRY] = 503,
	    [ERR_BROKEN] = 500 };

	answer_error(c, status[e->kind], "%s", e->msg);
}

/* REST has no "spec.": its keys are flat. */
static const char *
flat_path(const struct call *c, const char *path)
{
	if (path == NULL || c->kind == NULL)
		return path;
	if (str_starts(path, "spec."))
		return path + strlen("spec.");
	return strcmp(path, "metadata.name") == 0 ? "name" : path;
}

void
answer_problems(struct call *c, const struct problems *ps,
    const struct err *e)
{
	struct json *o, *list, *p;
	const struct problem *first = NULL;
	const char *path;

	if (ps->errors == 0) {
		answer_err(c, e);
		return;
	}
	o = json_object();
	list = json_array();
	for (size_t i = 0; i < ps->n; i++) {
		if (ps->v[i].is_warning)
			continue;
		if (first == NULL)
			first = &ps->v[i];
		p = json_push(list, json_object());
		json_set_str(p, "path", flat_path(c, ps->v[i].path));
		json_set_str(p, "text", ps->v[i].what);
	}
	path = flat_path(c, first->path);
	if (ps->errors > 1)
		json_set_strf(o, "message", "%s%s%s (and %zu more)",
		    path != NULL ? path : "", path != NULL ? ": " : "",
		    first->what, ps->errors - 1);
	else
		json_set_strf(o, "message", "%s%s%s", path != NULL ? path :
		    "", path != NULL ? ": " : "", first->what);
	json_set(o, "problems", list);
	answer_json(c, 422, o);
}

bool
answer_may_not(struct call *c, enum verb verb, const struct target *t)
{
	char why[WHY_MAX];

	if (ops_may(&c->caller, verb, t, RISK_NONE, why, sizeof why) !=
	    MAY_NOT)
		return false;
	answer_error(c, 403, "%s", why);
	return true;
}

void
rest_after_commit(struct rest *r)
{
	struct answer *a;

	while ((a = r->answers) != NULL) {
		if ((r->answers = a->next) == NULL)
			r->answers_end = &r->answers;
		httpd_reply_with(a->req, a->status, a->type, a->body,
		    (const char *const *)a->headers);
		for (size_t i = 0; i < HEADERS_MAX; i++)
			free(a->headers[i]);
		if (a->is_secret)
			secret_wipe(a->body, strlen(a->body));
		free(a->body);
		free(a);
	}
}

/* --- which route --------------------------------------------------------- */

/* The pattern's {name} is one segment; *name gets it, still encoded. */
static bool
path_fits(const char *pattern, const char *path, const char **name,
    size_t *len)
{
	const char *brace = strstr(pattern, "{name}");
	size_t before;

	*name = NULL;
	if (brace == NULL)
		return strcmp(pattern, path) == 0;
	before = (size_t)(brace - pattern);
	if (strncmp(pattern, path, before) != 0)
		return false;
	*name = path + before;
	*len = strcspn(*name, "/");
	return *len > 0 &&
	    strcmp(brace + strlen("{name}"), *name + *len) == 0;
}

static bool
method_fits(const char *method, const struct rest_route *route)
{
	if (strcmp(method, "HEAD") == 0)
		method = "GET";
	return strcmp(method, route->method) == 0;
}

/* The row; or NULL, with what would be allowed there ("" for no such path). */
static const struct row *
find_row(const struct httpd_req *req, const char **name, size_t *len,
    struct buf *allow)
{
	for (const struct row *r = rows; r->handle != NULL; r++) {
		if (!path_fits(r->route.path, req->path, name, len))
			continue;
		if (method_fits(req->method, &r->route))
			return r;
		buf_printf(allow, "%s%s", allow->len > 0 ? ", " : "Allow: ",
		    r->route.method);
	}
	return NULL;
}

/* --- who asks ------------------------------------------------------------ */

/* "user:@ann:d"; yours, or NULL.  Tokens are found by their hash, so that the
 * time it takes tells nothing about them. */
static char *
token_subject(struct rest *r, const char *token)
{
	char sha256[SHA256_HEX];

	sha256_hex(token, strlen(token), sha256);
	if (r->admin_sha256[0] != '\0' &&
	    secret_equal(sha256, r->admin_sha256))
		return xasprintf("user:%s", r->cfg.admin_user);
	return store_token_find(r->ops->store, sha256, clock_ms());
}

static bool
too_many_bad(struct rest *r)
{
	int64_t now = clock_mono_ms() / 1000;

	if (now != r->bad_s) {
		r->bad_s = now;
		r->bad_n = 0;
	}
	return ++r->bad_n > BAD_TOKENS_S;
}

void
answer_unknown(struct call *c, const char *text)
{
	struct answer *a;

	if (too_many_bad(c->rest)) {
		a = answer_message(c->rest, c->req, 429,
		    "too many requests without a good token");
		answer_header(a, "Retry-After: 1");
		return;
	}
	log_info("rest", "%s %s: %s", c->req->method, c->req->path, text);
	a = answer_message(c->rest, c->req, 401, text);
	answer_header(a, c->req->bearer == NULL ?
	    "WWW-Authenticate: Bearer realm=\"hiclaw\"" :
	    "WWW-Authenticate: Bearer realm=\"hiclaw\", "
	    "error=\"invalid_token\"");
}

/* Everybody is looked up anew at each request: roles are never remembered. */
static bool
is_known(struct call *c)
{
	char *subject;
	bool is;

	if (c->req->bearer == NULL || c->req->bearer[0] == '\0') {
		answer_unknown(c, "a token is missing: Authorization: Bearer "
		    "...");
		return false;
	}
	subject = token_subject(c->rest, c->req->bearer);
	is = subject != NULL && caller_find(c->rest->ops->engine, subject,
	    &c->caller);
	free(subject);
	if (!is)
		answer_unknown(c, "the token is not known, or has expired");
	return is;
}

/* --- a request ----------------------------------------------------------- */

static bool
read_target(struct call *c, const char *name, size_t len)
{
	if (name == NULL)
		return true;
	c->name = http_unescape(name, len);
	if (c->name == NULL) {
		answer_error(c, 400, "the name in the path is not readable");
		return false;
	}
	/* Whatever bytes it is, it need not be repeated. */
	if (!re_match(NAME_PATTERN, c->name)) {
		answer_error(c, 404, "there is no %s of such a name",
		    c->kind->name);
		return false;
	}
	target_find(engine_resources(c->rest->ops->engine), c->kind, c->name,
	    &c->target);
	return true;
}

static void
take(struct call *c, const struct row *row, const char *name, size_t len)
{
	c->route = &row->route;
	if (c->route->kind != NULL)
		c->target.kind = c->kind = kind_find(c->route->kind);
	if (c->route->verb != VERB_NONE && !is_known(c))
		return;
	if (c->req->body_len > BODY_MAX) {
		answer_error(c, 413, "the body is longer than %d bytes",
		    BODY_MAX);
		return;
	}
	if (!read_target(c, name, len))
		return;
	if (c->route->verb != VERB_NONE && answer_may_not(c, c->route->verb,
	    c->kind != NULL ? &c->target : NULL))
		return;
	row->handle(c);
}

static void
call_release(struct call *c)
{
	caller_release(&c->caller);
	free(c->name);
}

static bool
is_ours(const char *path)
{
	return str_starts(path, "/api/") || strcmp(path, "/healthz") == 0 ||
	    strcmp(path, "/readyz") == 0 || strcmp(path, "/metrics") == 0;
}

bool
rest_request(struct rest *r, struct httpd_req *req)
{
	struct call c = { .rest = r, .req = req };
	const struct row *row;
	struct buf allow = { 0 };
	struct answer *a;
	const char *name;
	size_t len = 0;

	if (!is_ours(req->path))
		return false;
	row = find_row(req, &name, &len, &allow);
	if (row != NULL)
		take(&c, row, name, len);
	else if (allow.len > 0) {
		a = answer_message(r, req, 405, "this method is not for this "
		    "path");
		answer_header(a, buf_str(&allow));
	} else
		answer_error(&c, 404, "there is no such path");
	call_release(&c);
	buf_release(&allow);
	return true;
}

struct call *
call_keep(const struct call *c)
{
	struct call *k = xcalloc(1, sizeof *k);

	k->rest = c->rest;
	k->req = c->req;
	k->route = c->route;
	k->kind = c->kind;
	k->name = xstrdup(c->name);
	return k;
}

void
call_drop(struct call *c)
{
	if (c == NULL)
		return;
	call_release(c);
	free(c);
}

/* --- life ---------------------------------------------------------------- */

struct rest *
rest_new(const struct ops *ops, const struct rest_config *cfg)
{
	struct rest *r = xcalloc(1, sizeof *r);

	r->ops = ops;
	r->cfg = *cfg;
	r->answers_end = &r->answers;
	if (cfg->admin_token != NULL && cfg->admin_token[0] != '\0' &&
	    cfg->admin_user != NULL)
		sha256_hex(cfg->admin_token, strlen(cfg->admin_token),
		    r->admin_sha256);
	return r;
}

void
rest_stop(struct rest *r)
{
	if (r != NULL)
		r->is_stopped = true;
}

void
rest_free(struct rest *r)
{
	struct answer *a;

	if (r == NULL)
		return;
	askings_free(r);
	while ((a = r->answers) != NULL) {
		r->answers = a->next;
		for (size_t i = 0; i < HEADERS_MAX; i++)
			free(a->headers[i]);
		if (a->is_secret)
			secret_wipe(a->body, strlen(a->body));
		free(a->body);
		free(a);
	}
	free(r);
}
