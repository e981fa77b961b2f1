/*
 * Requests to our listener: the application service API of the homeserver
 * (Matrix application service API v1.19); all else is for REST.  A transaction
 * is stored before it is answered: its reply waits for the commit.
 */
#include "daemon.h"

#include <stdlib.h>
#include <string.h>

#include "hiclaw/clock.h"
#include "hiclaw/fault.h"
#include "hiclaw/http.h"
#include "hiclaw/log.h"
#include "hiclaw/secure.h"

#define TXN_ID_MAX	255

struct reply {
	struct httpd_req *req;
	int		 status;
	const char	*body;
	struct reply	*next;
};

static void
reply_error(struct httpd_req *req, int status, const char *errcode,
    const char *text)
{
	struct json *o = json_object();
	char *body;

	json_set_str(o, "errcode", errcode);
	json_set_str(o, "error", text);
	body = json_canonical(o);
	httpd_reply(req, status, "application/json", body);
	free(body);
	json_free(o);
}

static void
reply_later(struct daemon *d, struct httpd_req *req, int status,
    const char *body)
{
	struct reply *r = xcalloc(1, sizeof *r);

	r->req = req;
	r->status = status;
	r->body = body;
	r->next = d->replies;
	d->replies = r;
}

void
intake_after_commit(struct daemon *d)
{
	struct reply *r;

	rest_after_commit(d->rest);
	while ((r = d->replies) != NULL) {
		d->replies = r->next;
		httpd_reply(r->req, r->status, "application/json", r->body);
		free(r);
	}
}

/* The homeserver shows its token; both places must agree if both are used. */
static bool
is_homeserver(struct daemon *d, struct httpd_req *req)
{
	const char *token = req->bearer != NULL ? req->bearer :
	    req->query_token;

	if (token == NULL) {
		reply_error(req, 401, "M_MISSING_TOKEN",
		    "the homeserver's token (hs_token) is missing");
		return false;
	}
	if (!secret_equal(token, d->cfg.hs_token) ||
	    (req->query_token != NULL &&
	    !secret_equal(req->query_token, d->cfg.hs_token))) {
		log_warn("intake", "%s %s: wrong hs_token; the registration "
		    "that the homeserver has read is not ours", req->method,
		    req->path);
		reply_error(req, 403, "M_FORBIDDEN",
		    "this is not the hs_token of our registration");
		return false;
	}
	return true;
}

static void
take_event(void *arg, struct json *event)
{
	inbox_take(arg, event);
}

static void
put_transaction(struct daemon *d, struct httpd_req *req, const char *id)
{
	char hash[SHA256_HEX], *txn = http_unescape(id, strlen(id));
	struct json *body = NULL;
	size_t skipped = 0;
	struct err err;

	if (txn == NULL || *txn == '\0' || strlen(txn) > TXN_ID_MAX) {
		reply_error(req, 400, "M_INVALID_PARAM",
		    "bad transaction id");
		goto out;
	}
	sha256_hex(req->body, req->body_len, hash);
	if ((body = json_parse_relayed(req->body, req->body_len, &err)) ==
	    NULL) {
		/* Cut short on the way, or no homeserver at all. */
		log_error("intake", "transaction %s is not readable: %s", txn,
		    err.msg);
		reply_error(req, 400, "M_NOT_JSON", err.msg);
		goto out;
	}
	if (!json_is(json_get(body, "events"), JSON_ARRAY)) {
		reply_error(req, 400, "M_BAD_JSON",
		    "expected an object with an \"events\" array");
		goto out;
	}
	store_begin(d->store);
	if (store_txn_seen(d->store, txn, hash)) {
		log_debug("intake", "transaction %s: seen before", txn);
		reply_later(d, req, 200, "{}");
		goto out;
	}
	if (transaction_events(body, take_event, d, &skipped, &err) == -1)
		/* Refusing would make the homeserver send it for ever. */
		log_error("intake", "transaction %s: %s", txn, err.msg);
	if (skipped > 0)
		log_warn("intake", "transaction %s: %zu events without id, "
		    "type, sender or room skipped", txn, skipped);
	fault("inbox.stored");
	reply_later(d, req, 200, "{}");
	inbox_wake(d);
out:
	free(txn);
	json_free(body);
}

/* Is there a managed account with this user id? */
struct user_query { const char *user; bool found; };

static void
match_user(void *arg, const struct object_view *v)
{
	struct user_query *q = arg;

	q->found |= v->observed != NULL && str_starts(v->key, "account:") &&
	    strstr(v->observed, q->user) != NULL;
}

static void
get_user(struct daemon *d, struct httpd_req *req, const char *path)
{
	char *user = http_unescape(path, strlen(path));
	struct user_query q = { NULL, false };

	if (user != NULL && mxid_valid(user)) {
		/* With its quotes it can only be the whole member. */
		char *quoted = xasprintf("\"%s\"", user);

		q.user = quoted;
		engine_objects(d->engine, NULL, match_user, &q);
		free(quoted);
	}
	if (q.found || str_equal(user, d->mx.bot))
		httpd_reply(req, 200, "application/json", "{}");
	else
		reply_error(req, 404, "M_NOT_FOUND", "no such agent");
	free(user);
}

static void
get_alias(struct daemon *d, struct httpd_req *req, const char *path)
{
	/* Aliases are made with their rooms: what is not there is not ours. */
	(void)d;
	(void)path;
	reply_error(req, 404, "M_NOT_FOUND", "no such room");
}

static void
post_ping(struct daemon *d, struct httpd_req *req, const char *path)
{
	(void)d;
	(void)path;
	log_debug("intake", "the homeserver answers our ping");
	httpd_reply(req, 200, "application/json", "{}");
}

static void
get_thirdparty(struct daemon *d, struct httpd_req *req, const char *path)
{
	(void)d;
	(void)path;
	reply_error(req, 404, "M_NOT_FOUND", "no third-party networks here");
}

/* One row per endpoint; a path that ends with '/' takes an argument. */
static const struct route {
	const char	*method, *path;
	void		(*handle)(struct daemon *, struct httpd_req *,
			    const char *arg);
} routes[] = {
	{ "PUT",  "/_matrix/app/v1/transactions/", put_transaction },
	{ "GET",  "/_matrix/app/v1/users/", get_user },
	{ "GET",  "/_matrix/app/v1/rooms/", get_alias },
	{ "POST", "/_matrix/app/v1/ping", post_ping },
	{ "GET",  "/_matrix/app/v1/thirdparty/", get_thirdparty },
	/* before v1.4 of the specification */
	{ "PUT",  "/transactions/", put_transaction },
	{ "GET",  "/users/", get_user },
	{ "GET",  "/rooms/", get_alias },
};

static bool
route_fits(const struct route *r, const char *path)
{
	return str_ends(r->path, "/") ? str_starts(path, r->path) :
	    strcmp(path, r->path) == 0;
}

void
intake_request(struct httpd_req *req, void *arg)
{
	struct daemon *d = arg;
	bool known = false;

	if (rest_request(d->rest, req))
		return;
	for (size_t i = 0; i < NELEM(routes); i++) {
		const struct route *r = &routes[i];

		if (!route_fits(r, req->path))
			continue;
		known = true;
		if (strcmp(r->method, req->method) != 0)
			continue;
		if (is_homeserver(d, req))
			r->handle(d, req, req->path + strlen(r->path));
		return;
	}
	if (known)
		reply_error(req, 405, "M_UNRECOGNIZED", "wrong method");
	else
		reply_error(req, 404, "M_UNRECOGNIZED", "no such endpoint");
}
