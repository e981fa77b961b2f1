/*
 * The simulated homeserver: its life, the table of calls, and who asks.  A call
 * comes from the listener in the loop's thread, is answered there at once or
 * (a sync that waits, a ping) later.
 */
#include "homeserver-int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hiclaw/secure.h"

#define CLIENT	"/_matrix/client/"

/* --- answers ------------------------------------------------------------- */

static void
call_free(struct hs_call *c)
{
	for (size_t i = 0; i < NELEM(c->piece); i++)
		free(c->piece[i]);
	json_free(c->body);
	json_free(c->answer);
	json_free(c->filter);
	free(c->who);
	free(c);
}

int
hs_refuse(struct hs_call *c, int status, const char *errcode,
    const char *text)
{
	json_free(c->answer);
	c->answer = json_object();
	json_set_str(c->answer, "errcode", errcode);
	json_set_str(c->answer, "error", text);
	return status;
}

void
hs_answer(struct hs_call *c, int status)
{
	char *text;

	if (c->req != NULL) {
		text = json_canonical(c->answer);
		httpd_reply(c->req, status, "application/json", text);
		free(text);
	}
	call_free(c);
}

bool
hs_is_ours(const struct homeserver *hs, const char *user)
{
	size_t n = strlen(hs->prefix);
	const char *domain;

	if (user == NULL || user[0] != '@' ||
	    strncmp(user + 1, hs->prefix, n) != 0 ||
	    (user[1 + n] != ':' && user[1 + n] != '_'))
		return false;
	domain = strchr(user, ':');
	return domain != NULL && str_equal(domain + 1, hs->domain);
}

/* "$" or "!" and 43 letters, as a hash would look. */
char *
hs_serial(struct homeserver *hs, const char *sigil)
{
	char text[32], hex[SHA256_HEX];

	snprintf(text, sizeof text, "%lld", (long long)++hs->serial);
	sha256_hex(text, strlen(text), hex);
	return xasprintf("%s%.43s", sigil, hex);
}

/* --- calls --------------------------------------------------------------- */

static int
hs_versions(struct hs_call *c)
{
	c->answer = json_must("{\"versions\":[\"v1.11\",\"v1.15\","
	    "\"v1.17\"],\"unstable_features\":{}}");
	return 200;
}

enum who { ANYBODY, SOMEBODY };

static const struct route {
	const char	*prefix;	/* of the path */
	const char	*word;		/* the first piece behind it */
	enum who	 who;
	int		(*run)(struct hs_call *);
} routes[] = {
	{ CLIENT, "versions", ANYBODY, hs_versions },
	{ CLIENT "v3/", "register", ANYBODY, hs_register },
	{ CLIENT "v3/", "login", ANYBODY, hs_login },
	{ CLIENT "v3/", "logout", SOMEBODY, hs_logout },
	{ CLIENT "v3/", "account", SOMEBODY, hs_account },
	{ CLIENT "v3/", "capabilities", SOMEBODY, hs_capabilities },
	{ CLIENT "v3/", "devices", SOMEBODY, hs_devices },
	{ CLIENT "v3/", "profile", SOMEBODY, hs_profile },
	{ CLIENT "v3/", "user", SOMEBODY, hs_user_data },
	{ CLIENT "v3/", "joined_rooms", SOMEBODY, hs_joined_rooms },
	{ CLIENT "v3/", "createRoom", SOMEBODY, hs_create_room },
	{ CLIENT "v3/", "directory", SOMEBODY, hs_directory },
	{ CLIENT "v3/", "join", SOMEBODY, hs_join },
	{ CLIENT "v3/", "rooms", SOMEBODY, hs_rooms },
	{ CLIENT "v3/", "sync", SOMEBODY, hs_sync },
	{ CLIENT "v1/", "appservice", SOMEBODY, hs_ping },
	{ CLIENT "v1/media/", "download", SOMEBODY, hs_download },
	{ "/_matrix/media/v3/", "upload", SOMEBODY, hs_upload },
	{ "/_synapse/admin/v1/", "register", ANYBODY, hs_admin_register },
};

/* Sets c->user; 0, or the status of a refusal. */
static int
find_who(struct hs_call *c)
{
	struct homeserver *hs = c->hs;
	char *user, *device;
	struct hs_user *u;
	int rv = 0;

	if (c->req->bearer == NULL)
		return hs_refuse(c, 401, "M_MISSING_TOKEN", "no token");
	if (!str_equal(c->req->bearer, hs->as_token)) {
		c->user = map_find(hs->tokens, c->req->bearer);
		return c->user != NULL ? 0 : hs_refuse(c, 401,
		    "M_UNKNOWN_TOKEN", "that token is not known");
	}
	user = httpd_query(c->req, "user_id");
	device = httpd_query(c->req, "device_id");
	u = map_find(hs->users, user != NULL ? user : hs->sender);
	if (u == NULL || (!hs_is_ours(hs, u->id) &&
	    strcmp(u->id, hs->sender) != 0))
		rv = hs_refuse(c, 403, "M_FORBIDDEN",
		    "not registered by this service");
	else if (device != NULL && user != NULL &&
	    map_find(u->devices, device) == NULL)
		rv = hs_refuse(c, 400, "M_UNKNOWN_DEVICE", "no such device");
	else
		c->user = u->id;
	free(user);
	free(device);
	return rv;
}

/* The path behind the prefix, taken apart and decoded; false: malformed. */
static bool
take_pieces(struct hs_call *c, const char *path)
{
	while (*path != '\0') {
		size_t n = strcspn(path, "/");

		if (c->n == PIECES_MAX)
			return false;
		c->piece[c->n] = http_unescape(path, n);
		if (c->piece[c->n++] == NULL)
			return false;
		path += n;
		if (*path == '/' && *++path == '\0') {
			/* ".../state/type/" has an empty last piece. */
			c->piece[c->n] = xstrdup("");
			c->n += c->n < PIECES_MAX;
		}
	}
	return c->n > 0;
}

static const struct route *
find_route(const char *path)
{
	for (size_t i = 0; i < NELEM(routes); i++) {
		const struct route *r = &routes[i];
		size_t n = strlen(r->prefix), w = strlen(r->word);

		if (strncmp(path, r->prefix, n) == 0 &&
		    strncmp(path + n, r->word, w) == 0 &&
		    (path[n + w] == '\0' || path[n + w] == '/'))
			return r;
	}
	return NULL;
}

static int
run_call(struct hs_call *c)
{
	const struct route *r = find_route(c->req->path);
	struct err e;
	int rv;

	if (r == NULL ||
	    !take_pieces(c, c->req->path + strlen(r->prefix)))
		return hs_refuse(c, 404, "M_UNRECOGNIZED", "not simulated");
	if (r->run != hs_upload && c->req->body_len > 0) {
		c->body = json_parse_relayed(c->req->body, c->req->body_len,
		    &e);
		if (!json_is(c->body, JSON_OBJECT))
			return hs_refuse(c, 400, "M_NOT_JSON",
			    "the body is not an object");
	}
	if (r->who == SOMEBODY && (rv = find_who(c)) != 0)
		return rv;
	return r->run(c);
}

static void
on_request(struct httpd_req *req, void *arg)
{
	struct hs_call *c = xcalloc(1, sizeof *c);
	int status;

	c->hs = arg;
	c->req = req;
	c->method = req->method;
	status = run_call(c);
	if (status != HS_LATER)
		hs_answer(c, status);
}

/* --- life ---------------------------------------------------------------- */

static void
homeserver_free(struct homeserver *hs)
{
	for (size_t i = 0; i < hs->n; i++)
		hs_event_free(hs->stream[i]);
	free(hs->stream);
	free(hs->queue);
	map_free(hs->users);
	map_free(hs->rooms);
	map_free(hs->tokens);
	map_free(hs->aliases);
	map_free(hs->media);
	map_free(hs->sent);
	free(hs->domain);
	free(hs->shared_secret);
	free(hs->prefix);
	free(hs->as_id);
	free(hs->as_token);
	free(hs->hs_token);
	free(hs->push_url);
	free(hs->sender);
	free(hs->url);
	free(hs);
}

static void
on_stop(void *arg)
{
	struct homeserver *hs = arg;

	loop_stop(hs->loop);
}

static void *
thread_main(void *arg)
{
	struct homeserver *hs = arg;

	loop_run(hs->loop);
	pool_free(hs->pool);
	hs_sync_drop(hs);
	httpd_stop(hs->httpd);
	timer_free(hs->push_timer);
	loop_free(hs->loop);
	return NULL;
}

struct homeserver *
homeserver_start(const struct homeserver_config *cfg, struct err *e)
{
	struct homeserver *hs = xcalloc(1, sizeof *hs);

	hs->domain = xstrdup(cfg->domain);
	hs->shared_secret = xstrdup(cfg->shared_secret);
	hs->prefix = xstrdup(cfg->prefix);
	hs->as_id = xstrdup(cfg->as_id);
	hs->as_token = xstrdup(cfg->as_token);
	hs->hs_token = xstrdup(cfg->hs_token);
	hs->push_url = xstrdup(cfg->push_url);
	hs->sender = xasprintf("@%s:%s", cfg->sender, cfg->domain);
	hs->users = map_new(hs_user_free);
	hs->rooms = map_new(hs_room_free);
	hs->tokens = map_new(free);
	hs->aliases = map_new(hs_alias_free);
	hs->media = map_new(hs_media_free);
	hs->sent = map_new(free);
	hs->push_wait_ms = 20;
	hs_user_add(hs, hs->sender);
	hs->loop = loop_new();
	hs->httpd = httpd_start("127.0.0.1:0", hs->loop, on_request, hs, e);
	if (hs->httpd == NULL) {
		loop_free(hs->loop);
		homeserver_free(hs);
		return NULL;
	}
	hs->url = xasprintf("http://127.0.0.1:%d", httpd_port(hs->httpd));
	hs->pool = pool_new(hs->loop, "push", 2);
	hs->push_timer = timer_new(hs->loop, hs_push_go, hs);
	if (pthread_create(&hs->thread, NULL, thread_main, hs) != 0)
		abort();
	return hs;
}

const char *
homeserver_url(const struct homeserver *hs)
{
	return hs->url;
}

void
homeserver_stop(struct homeserver *hs)
{
	if (hs == NULL)
		return;
	loop_post(hs->loop, on_stop, hs);
	pthread_join(hs->thread, NULL);
	homeserver_free(hs);
}
