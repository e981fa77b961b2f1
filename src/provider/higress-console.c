/*
 * One call to the Higress Console.
 *
 * Its habits: only GET answers come in an envelope; 404 has no body; a missing
 * MCP server is 502; 500 means anything, and may have had effect.  What an
 * error is worth is decided here and nowhere else (fault_of).
 *
 * Basic authentication on each call; a password with a colon, which that cannot
 * carry, and a refusal lead to a login with a cookie, once per call.  A Console
 * that was never initialised gets our user as its administrator.
 *
 * Of an error message only known kinds are passed on, and never what a GET
 * answered: it may hold keys.
 */
#include "higress-int.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "hiclaw/http.h"
#include "hiclaw/log.h"
#include "hiclaw/secure.h"

#define CALL_MS		30000	/* 20 000 names in one list take a second */
#define ANSWER_MAX	(32 * 1024 * 1024)
#define QUOTE_MAX	160

char *
hg_path(const char *fmt, ...)
{
	struct buf out = { 0 };
	const char *p, *rest;
	char *escaped;
	va_list ap;

	va_start(ap, fmt);
	for (p = fmt; (rest = strstr(p, "%s")) != NULL; p = rest + 2) {
		buf_add(&out, p, (size_t)(rest - p));
		escaped = http_escape(va_arg(ap, const char *));
		buf_puts(&out, escaped);
		free(escaped);
	}
	va_end(ap);
	buf_puts(&out, p);
	return buf_take(&out);
}

void
hg_nap(int try)
{
	int ms = 100 << (try < 4 ? try : 4);
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000L };

	nanosleep(&ts, NULL);
}

/* With a slash it could be made, but never read or deleted again. */
bool
hg_name_ok(const char *name)
{
	const unsigned char *p = (const unsigned char *)name;

	if (name == NULL || name[0] == '\0' || strlen(name) > HG_NAME_MAX ||
	    strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return false;
	for (; *p != '\0'; p++)
		if (*p <= ' ' || *p == 0x7f || strchr("/%\\;", *p) != NULL)
			return false;
	return true;
}

int
hg_check_name(const char *name, struct err *e)
{
	if (hg_name_ok(name))
		return 0;
	return err_set(e, ERR_USER, "\"%.60s\" is no name that Higress can "
	    "have", name != NULL ? name : "");
}

/* --- the wire ------------------------------------------------------------ */

static void
reply_release(struct http_res *res)
{
	if (res->body.data != NULL)
		secret_wipe(res->body.data, res->body.len);
	http_res_release(res);
}

static int
send_once(struct hg *h, const char *method, const char *path,
    const struct json *body, bool as_us, struct http_res *res, struct err *e)
{
	char *url = xasprintf("%s%s", h->url, path), *text = NULL;
	char *basic = xasprintf("%s:%s", h->user, h->password);
	char *cookie = !as_us || h->cookie == NULL ? NULL :
	    xasprintf("Cookie: %s", h->cookie);
	const char *headers[] = { "Accept: application/json", cookie, NULL };
	struct http_req q = { .method = method, .url = url,
	    .headers = headers, .timeout_ms = CALL_MS,
	    .max_bytes = ANSWER_MAX };
	int rv;

	if (as_us && cookie == NULL && strchr(h->password, ':') == NULL)
		q.basic = basic;
	if (body != NULL) {
		q.body = text = json_canonical(body);
		q.body_len = strlen(text);
	}
	rv = http_call(&q, res, e);
	if (rv == 0)
		h->answered = true;
	secret_free(text);
	secret_free(basic);
	secret_free(cookie);
	free(url);
	return rv == -1 ? err_prefix(e, "Higress Console") : 0;
}

/* --- what an answer means ------------------------------------------------ */

static struct json *
parse(const struct http_res *res)
{
	struct err ignored;

	if (res->body.len == 0 ||
	    !str_starts(res->content_type, "application/json"))
		return NULL;
	return json_parse(buf_str(&res->body), res->body.len, &ignored);
}

/* Of "package.SomeException: text" what may be told; dst of QUOTE_MAX. */
static void
quote(char *dst, const char *message)
{
	bool may = strstr(message, "alidationException: ") != NULL ||
	    strstr(message, "BusinessException: ") != NULL;
	size_t n;

	n = may ? utf8_prefix(message, QUOTE_MAX - 1) :
	    strcspn(message, ": \n");
	if (n > QUOTE_MAX - 1)
		n = QUOTE_MAX - 1;
	memcpy(dst, message, n);
	dst[n] = '\0';
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)dst[i] < ' ')
			dst[i] = ' ';
}

static int
fault_500(const char *call, const char *message, struct err *e)
{
	static const char taken[] = "already in use by consumer: ";
	const char *p;
	char text[QUOTE_MAX];

	quote(text, message);
	if ((p = strstr(message, taken)) != NULL) {
		quote(text, p + sizeof(taken) - 1);
		return err_set(e, ERR_CONFLICT, "Higress Console: this key is "
		    "that of consumer %s", text);
	}
	if (strstr(message, "still in use") != NULL)
		return err_set(e, ERR_RETRY, "Higress Console: %s: the "
		    "consumer is still in use", call);
	/* Both come from a request that it does not understand. */
	if (strstr(message, "javax.validation.ValidationException") != NULL ||
	    strstr(message, "NullPointerException") != NULL)
		return err_set(e, ERR_BROKEN, "Higress Console: %s: 500 %s",
		    call, text);
	return err_set(e, ERR_RETRY, "Higress Console: %s: 500 %s", call, text);
}

static int
fault_of(const char *call, const struct http_res *res,
    const struct json *answer, struct err *e)
{
	const char *message = json_strd(answer, "message", "");
	char text[QUOTE_MAX];

	quote(text, message);
	switch (res->status) {
	case 401:
	case 403:
		return err_set(e, ERR_DENIED, "Higress Console: user and "
		    "password (gateway.console_user) are not accepted");
	case 404:
		return err_set(e, ERR_NOTFOUND, "Higress Console: %s: not "
		    "there", call);
	case 409:
		return err_set(e, ERR_RETRY, "Higress Console: %s: 409, "
		    "somebody else wrote at the same time", call);
	case 500:
		return fault_500(call, message, e);
	case 502:
		if (strstr(call, " /v1/mcpServer/") != NULL)
			return err_set(e, ERR_NOTFOUND, "Higress Console: %s: "
			    "not there", call);
		break;
	}
	if (res->status >= 500 || res->status == 429 || res->status == 408) {
		err_set(e, ERR_RETRY, "Higress Console: %s: status %d", call,
		    res->status);
		e->retry_s = res->retry_after_s;
		return -1;
	}
	return err_set(e, ERR_BROKEN, "Higress Console: %s: status %d %s",
	    call, res->status, text);
}

/* --- sessions ------------------------------------------------------------ */

static int
login(struct hg *h, struct err *e)
{
	struct json *body = json_object(), *answer;
	struct http_res res = { 0 };
	const char *cookie;
	int rv;

	json_set_str(body, "username", h->user);
	json_set_str(body, "password", h->password);
	secret_free(h->cookie);
	h->cookie = NULL;
	rv = send_once(h, "POST", "/session/login", body, false, &res, e);
	if (rv == -1)
		goto out;
	rv = -1;
	cookie = http_header(&res, "set-cookie");
	if (res.status == 201 || res.status == 200) {
		if (cookie == NULL || strchr(cookie, '=') == NULL)
			err_set(e, ERR_BROKEN, "Higress Console: a login "
			    "without a cookie");
		else {
			h->cookie = xstrndup(cookie, strcspn(cookie, ";"));
			rv = 0;
		}
	} else {
		answer = parse(&res);
		fault_of("POST /session/login", &res, answer, e);
		json_wipe(answer);
	}
out:
	json_wipe(body);
	reply_release(&res);
	return rv;
}

static bool
is_initialised(const struct json *config)
{
	const struct json *v = json_get(json_get(config, "data"),
	    "system.initialized");

	return json_value_bool(v, false) ||
	    str_equal(json_value_str(v), "true");
}

/* GET of /system/config needs no login. */
static int
read_config(struct hg *h, bool *initialised, struct err *e)
{
	struct http_res res = { 0 };
	struct json *answer = NULL;
	int rv = send_once(h, "GET", "/system/config", NULL, false, &res,
	    e);

	if (rv == -1)
		goto out;
	answer = parse(&res);
	if (res.status != 200)
		rv = fault_of("GET /system/config", &res, answer, e);
	else if (json_get(answer, "data") == NULL)
		rv = err_set(e, ERR_BROKEN, "gateway.console_url: that is no "
		    "Higress Console");
	else
		*initialised = is_initialised(answer);
out:
	json_wipe(answer);
	reply_release(&res);
	return rv;
}

/*
 * The first start of a Console takes any administrator, later ones none.  Its
 * answer proves nothing (a 200 may have ignored our user): what counts is that
 * a real call works afterwards.
 */
static int
initialise(struct hg *h, struct err *e)
{
	struct json *body = json_object(), *admin;
	struct http_res res = { 0 };
	int rv;

	admin = json_set(body, "adminUser", json_object());
	json_set_str(admin, "name", h->user);
	json_set_str(admin, "displayName", h->user);
	json_set_str(admin, "password", h->password);
	json_set(body, "configs", json_object());
	rv = send_once(h, "POST", "/system/init", body, false, &res, e);
	if (rv == 0)
		log_info("higress", "initialised the Console: status %d",
		    res.status);
	json_wipe(body);
	reply_release(&res);
	return rv;
}

static int
get_ready(struct hg *h, struct err *e)
{
	bool initialised = false;

	if (h->ready)
		return 0;
	if (read_config(h, &initialised, e) == -1)
		return -1;
	if (!initialised && initialise(h, e) == -1)
		return -1;
	h->ready = true;	/* the call itself shows the rest */
	return 0;
}

/* --- one call ------------------------------------------------------------ */

static int
send_authorised(struct hg *h, const char *method, const char *path,
    const struct json *body, struct http_res *res, struct err *e)
{
	bool just_now = false;

	if (h->cookie == NULL && strchr(h->password, ':') != NULL) {
		if (login(h, e) == -1)
			return -1;
		just_now = true;
	}
	if (send_once(h, method, path, body, true, res, e) == -1)
		return -1;
	if (res->status != 401 || just_now)
		return 0;
	reply_release(res);
	*res = (struct http_res){ 0 };
	if (login(h, e) == -1)
		return -1;
	return send_once(h, method, path, body, true, res, e);
}

int
hg_call(struct hg *h, const char *method, const char *path,
    const struct json *body, struct json **answer, struct err *e)
{
	bool is_get = strcmp(method, "GET") == 0;
	struct http_res res = { 0 };
	struct json *j = NULL, *data;
	char *call = xasprintf("%s %s", method, path);
	int rv = -1;

	if (get_ready(h, e) == -1 ||
	    send_authorised(h, method, path, body, &res, e) == -1)
		goto out;
	j = parse(&res);
	if (res.status < 200 || res.status > 299) {
		fault_of(call, &res, j, e);
		if (res.status == 401)
			h->ready = false;
		goto out;
	}
	if (res.body.len > 0 && j == NULL) {
		err_set(e, ERR_BROKEN, "Higress Console: %s: that is no answer "
		    "of a Console", call);
		goto out;
	}
	rv = 0;
	if (answer == NULL)
		goto out;
	data = is_get && json_get(j, "success") != NULL ?
	    json_copy(json_get(j, "data")) : json_copy(j);
	*answer = data;
out:
	json_wipe(j);
	reply_release(&res);
	free(call);
	return rv;
}

int
hg_get(struct hg *h, const char *path, struct json **data, struct err *e)
{
	*data = NULL;
	if (hg_call(h, "GET", path, NULL, data, e) == -1) {
		if (e->kind != ERR_NOTFOUND)
			return -1;
		*data = NULL;
	}
	if (json_is(*data, JSON_NULL)) {
		json_free(*data);
		*data = NULL;
	}
	return 0;
}
