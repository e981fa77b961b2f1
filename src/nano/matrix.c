/* Calls to the homeserver.  See matrix.h. */
#include "matrix.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "hiclaw/log.h"
#include "hiclaw/secure.h"

#define API		"/_matrix/client/v3"
#define BODY_MAX	(256 * 1024)
#define QUIET_S		30
#define WAIT_MS		1000	/* before the second try; then twice that */
#define WAIT_MAX_MS	30000
#define DENIED_MS	3000	/* between looks for a new token */

struct matrix_call {
	LIST_ENTRY(matrix_call)	 entry;
	struct nano		*n;
	struct matrix_ask	 ask;
	struct http_call	*http;
	struct event		*timer;
	int			 tried, said;	/* said: status in the log */
};

char *
url_encode(const char *s)
{
	struct buf	 out = { 0 };
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";

	for (; *s != '\0'; s++)
		if (strchr(plain, *s) != NULL)
			buf_putc(&out, *s);
		else
			buf_printf(&out, "%%%02X", (unsigned char)*s);
	return buf_take(&out);
}

char *
room_path(const char *room, const char *fmt, ...)
{
	char	*id = url_encode(room), *rest, *path;
	va_list	 ap;

	va_start(ap, fmt);
	rest = xvasprintf(fmt, ap);
	va_end(ap);
	path = xasprintf("/rooms/%s%s", id, rest);
	free(id);
	free(rest);
	return path;
}

char *
transaction_id(const char *event, const char *what)
{
	char	digest[SHA256_HEX];

	sha256_hex(event, strlen(event), digest);
	return xasprintf("nano-%.32s-%s", digest, what);
}

static void
call_free(struct matrix_call *c)
{
	LIST_REMOVE(c, entry);
	http_cancel(c->http);
	event_free(c->timer);
	free(c->ask.path);
	free(c->ask.body);
	free(c);
}

static void
try_in(struct matrix_call *c, int64_t ms)
{
	struct timeval	tv = { ms / 1000, ms % 1000 * 1000 };

	evtimer_add(c->timer, &tv);
}

/* "/sync" of "/sync?filter=...". */
static int
short_length(const char *path)
{
	return (int)strcspn(path, "?");
}

static void
say(struct matrix_call *c, const struct http_reply *r)
{
	if (c->said == r->status && c->tried > 1)
		return;
	c->said = r->status;
	if (r->status == 0)
		log_warn("matrix", "%.*s: %s", short_length(c->ask.path),
		    c->ask.path, r->why);
	else
		log_warn("matrix", "%.*s: the homeserver answers %d",
		    short_length(c->ask.path), c->ask.path, r->status);
}

/* A homeserver gives its errors a code; one without is from a gateway on the
 * way that does not know the way now. */
static bool
may_pass(const struct http_reply *r, const struct json *json)
{
	return r->status == 0 || r->is_cut || r->status == 401 ||
	    r->status == 429 || r->status >= 500 || (r->status >= 300 &&
	    json_str(json, "errcode") == NULL);
}

static int64_t
wait_ms(const struct matrix_call *c, const struct http_reply *r)
{
	int64_t	ms = WAIT_MS;

	if (r->status == 401)
		return DENIED_MS;
	if (r->retry_after_s > 0 && r->retry_after_s < 600)
		return r->retry_after_s * 1000;
	for (int i = 1; i < c->tried && ms < WAIT_MAX_MS; i++)
		ms *= 2;
	return (int64_t)((double)ms * (0.75 + rand_unit() / 2));
}

static void
on_reply(void *arg, const struct http_reply *r)
{
	struct matrix_call	*c = arg;
	struct matrix_reply	 reply = { r->status, NULL, r->is_long };
	struct matrix_ask	 ask = c->ask;
	struct json		*json = NULL;
	struct err		 e;

	c->http = NULL;
	if (r->len > 0 && !r->is_cut)
		json = json_parse_relayed(r->body, r->len, &e);
	if (!r->is_long && may_pass(r, json) &&
	    (c->ask.tries == 0 || c->tried < c->ask.tries)) {
		json_free(json);
		say(c, r);
		try_in(c, wait_ms(c, r));
		return;
	}
	if (r->status / 100 != 2)
		say(c, r);
	else if (c->said != 0 || c->tried > 1)
		log_info("matrix", "%.*s: works again",
		    short_length(c->ask.path), c->ask.path);
	reply.json = json;
	/* The callback may start others, but not see this one again. */
	c->ask.path = c->ask.body = NULL;
	call_free(c);
	ask.done(ask.arg, &reply);
	json_free(json);
	free(ask.path);
	free(ask.body);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct matrix_call	*c = arg;
	struct http_ask		 ask = {
		.method = c->ask.method, .body = c->ask.body,
		.max_bytes = c->ask.max_bytes, .quiet_s = c->ask.quiet_s,
		.done = on_reply, .arg = c,
	};
	char			*url;

	home_refresh(c->n->home, false);
	url = xasprintf("%s" API "%s", c->n->home->homeserver, c->ask.path);
	ask.url = url;
	ask.bearer = c->n->home->token;
	c->tried++;
	c->http = http_start(c->n->http, &ask);
	free(url);
}

struct matrix_call *
matrix_start(struct nano *n, const struct matrix_ask *ask)
{
	struct matrix_call	*c = xcalloc(1, sizeof(*c));

	c->n = n;
	c->ask = *ask;
	if (c->ask.max_bytes == 0)
		c->ask.max_bytes = BODY_MAX;
	if (c->ask.quiet_s == 0)
		c->ask.quiet_s = QUIET_S;
	c->timer = evtimer_new(n->base, on_timer, c);
	LIST_INSERT_HEAD(&n->calls, c, entry);
	try_in(c, 0);
	return c;
}

void
matrix_cancel(struct matrix_call *c)
{
	if (c != NULL)
		call_free(c);
}

static void
on_noticed(void *arg, const struct matrix_reply *r)
{
}

void
matrix_notice(struct nano *n, const char *room, const char *event,
    const char *what, const char *text)
{
	struct json	*content = json_object();
	char		*txn = transaction_id(event, what);

	json_set_str(content, "msgtype", "m.notice");
	json_set_str(content, "body", text);
	json_obj(content, "m.mentions");
	matrix_start(n, &(struct matrix_ask){ .method = "PUT",
	    .path = room_path(room, "/send/m.room.message/%s", txn),
	    .body = json_canonical(content), .tries = 5,
	    .done = on_noticed });
	json_free(content);
	free(txn);
}

void
matrix_free(struct nano *n)
{
	while (!LIST_EMPTY(&n->calls))
		call_free(LIST_FIRST(&n->calls));
}
