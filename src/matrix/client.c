/*
 * One call to the homeserver: whose identity, which URL, what the answer means.
 * Every other file of this directory goes through mx_call, so the mapping from
 * HTTP status and errcode to enum err_kind stands here and nowhere else.
 *
 * Nothing is retried here, with one exception: a bot whose device somebody
 * deleted makes it again, because nothing else could ever succeed.
 */
#include "hiclaw/matrix.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hiclaw/log.h"
#include "hiclaw/secure.h"
#include "matrix-int.h"

#define V3	"/_matrix/client/v3"

char *
mx_path(const char *fmt, ...)
{
	va_list ap;
	char *path;

	va_start(ap, fmt);
	path = http_vpath(fmt, ap);
	va_end(ap);
	return path;
}

char *
mx_url(const struct mx *mx, const char *path, const char *user)
{
	char *u, *d, *url;
	char sep = strchr(path, '?') == NULL ? '?' : '&';

	if (user != NULL && user[0] == '\0')
		return xasprintf("%s%s", mx->url, path);
	u = http_escape(user != NULL ? user : mx->bot);
	if (user != NULL && !str_equal(user, mx->bot))
		url = xasprintf("%s%s%cuser_id=%s", mx->url, path, sep, u);
	else {
		d = http_escape(mx->device);
		url = xasprintf("%s%s%cuser_id=%s&device_id=%s", mx->url,
		    path, sep, u, d);
		free(d);
	}
	free(u);
	return url;
}

void
mx_plain(char *dst, size_t dstsize, const char *text)
{
	size_t n = utf8_prefix(text, dstsize - 1), i;

	memcpy(dst, text, n);
	dst[n] = '\0';
	for (i = 0; i < n; i++) {
		if ((unsigned char)dst[i] < ' ' || dst[i] == 0x7f)
			dst[i] = ' ';
	}
}

/* "/_matrix/client/v3/rooms/%21x/join?..." -> "/rooms/!x/join" */
static void
short_path(char *dst, size_t dstsize, const char *path)
{
	char *plain;

	if (str_starts(path, V3))
		path += strlen(V3);
	plain = http_unescape(path, strcspn(path, "?"));
	mx_plain(dst, dstsize, plain != NULL ? plain : path);
	free(plain);
}

static enum err_kind
kind_of(int status, const char *errcode)
{
	if (status == 429 || status >= 500)
		return ERR_RETRY;
	/*
	 * It knew us when we began: a homeserver that has lost the registration
	 * (restarted without that file) is an outage, and no word about any
	 * room or message.
	 */
	if (str_equal(errcode, "M_UNKNOWN_TOKEN"))
		return ERR_RETRY;
	if (status == 409 || str_equal(errcode, "M_ROOM_IN_USE") ||
	    str_equal(errcode, "M_USER_IN_USE"))
		return ERR_CONFLICT;
	if (status == 401 || status == 403)
		return ERR_DENIED;
	if (status == 404)
		return ERR_NOTFOUND;
	return ERR_USER;
}

int
mx_judge(const char *method, const char *path, int status, int retry_after_s,
    const char *errcode, const struct json *body, struct err *e)
{
	char where[160], text[200];
	int64_t ms;
	int rv;

	if (status >= 200 && status < 300)
		return 0;
	short_path(where, sizeof(where), path);
	mx_plain(text, sizeof(text), json_strd(body, "error",
	    body == NULL ? "the answer is not JSON" : "no reason given"));
	rv = err_set(e, kind_of(status, errcode), "%s %s: %s: %d%s%s", method,
	    where, text, status, errcode[0] != '\0' ? " " : "", errcode);
	if (e->kind != ERR_RETRY)
		return rv;
	ms = json_int(body, "retry_after_ms", 0);
	if (retry_after_s > 0)
		e->retry_s = retry_after_s;
	else if (ms > 0 && ms < 86400 * 1000)
		e->retry_s = (int)((ms + 999) / 1000);
	return rv;
}

static int
take_answer(const char *method, const char *path, struct http_res *res,
    struct mx_answer *a, struct err *e)
{
	char where[160];
	struct err bad = {0};

	a->status = res->status;
	a->body = json_parse_relayed(buf_str(&res->body), res->body.len, &bad);
	if (!json_is(a->body, JSON_OBJECT) && !json_is(a->body, JSON_ARRAY)) {
		json_free(a->body);
		a->body = NULL;
	}
	str_copy(a->errcode, json_strd(a->body, "errcode", ""),
	    sizeof(a->errcode));
	if (mx_judge(method, path, a->status, res->retry_after_s, a->errcode,
	    a->body, e) == -1)
		return -1;
	if (a->body != NULL)
		return 0;
	short_path(where, sizeof(where), path);
	return err_set(e, ERR_RETRY, "%s %s: the homeserver answered %d with "
	    "something that is not JSON", method, where, a->status);
}

static int
call_once(const char *method, const char *path, const char *url,
    const char *token, const struct json *body, struct mx_answer *a,
    struct err *e)
{
	struct http_req req = { .method = method, .url = url, .bearer = token };
	struct http_res res = {0};
	char *text = NULL;
	int rv;

	*a = (struct mx_answer){0};
	if (body != NULL) {
		text = json_canonical(body);
		req.body = text;
		req.body_len = strlen(text);
	} else if (!str_equal(method, "GET")) {
		req.body = "{}";
		req.body_len = 2;
	}
	rv = http_call(&req, &res, e);
	if (rv == 0)
		rv = take_answer(method, path, &res, a, e);
	http_res_release(&res);
	secret_free(text);	/* it may carry a password */
	return rv;
}

/* Make the bot's device again.  0 if that worked. */
static int
restore_device(const struct mx *mx)
{
	/* Without the device in the query, which is what is missing. */
	char *path = mx_path(V3 "/devices/%s?user_id=%s", mx->device, mx->bot);
	char *url = mx_url(mx, path, "");
	struct mx_answer a = {0};
	struct err e = {0};
	int rv;

	rv = call_once("PUT", path, url, mx->as_token, NULL, &a, &e);
	if (rv == 0)
		log_warn("matrix", "device %s of %s was gone and is made again",
		    mx->device, mx->bot);
	mx_answer_release(&a);
	free(url);
	free(path);
	return rv;
}

int
mx_call(const struct mx *mx, const char *method, const char *path,
    const char *user, const struct json *body, struct mx_answer *a,
    struct err *e)
{
	char *url = mx_url(mx, path, user);
	int rv;

	rv = call_once(method, path, url, mx->as_token, body, a, e);
	if (rv == -1 && (user == NULL || str_equal(user, mx->bot)) &&
	    str_ends(a->errcode, "M_UNKNOWN_DEVICE") &&
	    restore_device(mx) == 0) {
		mx_answer_release(a);
		rv = call_once(method, path, url, mx->as_token, body, a, e);
	}
	free(url);
	return rv;
}

int
mx_call_token(const struct mx *mx, const char *method, const char *path,
    const char *token, const struct json *body, struct mx_answer *a,
    struct err *e)
{
	char *url = mx_url(mx, path, "");
	int rv;

	rv = call_once(method, path, url, token, body, a, e);
	free(url);
	return rv;
}

void
mx_answer_release(struct mx_answer *a)
{
	json_free(a->body);
	*a = (struct mx_answer){0};
}
