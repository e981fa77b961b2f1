/*
 * Accounts of the simulated homeserver: registration by the service and by the
 * shared secret, logins, devices, profiles, account data, files.
 */
#include "homeserver-int.h"

#include <stdlib.h>
#include <string.h>

#include "hiclaw/secure.h"

void
hs_user_free(void *arg)
{
	struct hs_user *u = arg;

	map_free(u->devices);
	json_free(u->profile);
	json_free(u->data);
	free(u->id);
	free(u->password);
	free(u);
}

void
hs_media_free(void *arg)
{
	struct hs_media *m = arg;

	free(m->type);
	free(m->data);
	free(m);
}

struct hs_user *
hs_user_add(struct homeserver *hs, const char *id)
{
	struct hs_user *u = xcalloc(1, sizeof *u);

	u->id = xstrdup(id);
	u->devices = map_new(NULL);
	u->profile = json_object();
	u->data = json_object();
	map_set(hs->users, id, u);
	return u;
}

/* A name as people write it, or a whole id; yours. */
static char *
full_id(const struct homeserver *hs, const char *name)
{
	return name[0] == '@' ? xstrdup(name) :
	    xasprintf("@%s:%s", name, hs->domain);
}

/* A device with a token, put into the answer. */
static void
open_session(struct hs_call *c, struct hs_user *u, const char *device)
{
	static const char there[] = "";
	char *made = NULL, *token = rand_hex(16);

	if (device == NULL)
		device = made = rand_hex(5);
	map_set(u->devices, device, (void *)(uintptr_t)there);
	map_set(c->hs->tokens, token, xstrdup(u->id));
	json_set_str(c->answer, "device_id", device);
	json_set_str(c->answer, "access_token", token);
	free(token);
	free(made);
}

static void
say_who(struct hs_call *c, const struct hs_user *u)
{
	c->answer = json_object();
	json_set_str(c->answer, "user_id", u->id);
	json_set_str(c->answer, "home_server", c->hs->domain);
}

static struct hs_user *
new_user(struct hs_call *c, const char *name)
{
	char *id = full_id(c->hs, name);
	struct hs_user *u = NULL;

	if (map_find(c->hs->users, id) != NULL)
		hs_refuse(c, 400, "M_USER_IN_USE", "that name is taken");
	else if (map_size(c->hs->users) >= USERS_MAX)
		hs_refuse(c, 429, "M_LIMIT_EXCEEDED", "too many accounts");
	else {
		u = hs_user_add(c->hs, id);
		json_set_str(u->profile, "displayname", name);
	}
	free(id);
	return u;
}

/* POST register, by the service only. */
int
hs_register(struct hs_call *c)
{
	const char *name = json_str(c->body, "username");
	struct hs_user *u;
	char *id;
	bool ours;

	if (!str_equal(c->req->bearer, c->hs->as_token))
		return hs_refuse(c, 403, "M_FORBIDDEN",
		    "registration is by the service or the shared secret");
	if (name == NULL)
		return hs_refuse(c, 400, "M_MISSING_PARAM", "no username");
	id = full_id(c->hs, name);
	ours = hs_is_ours(c->hs, id);
	free(id);
	if (!ours)
		return hs_refuse(c, 400, "M_EXCLUSIVE", "not in the namespace");
	if ((u = new_user(c, name)) == NULL)
		return 400;
	say_who(c, u);
	if (!json_bool(c->body, "inhibit_login", false))
		open_session(c, u, json_str(c->body, "device_id"));
	return 200;
}

static bool
mac_fits(const struct hs_call *c)
{
	const char *parts[4] = { json_strd(c->body, "nonce", ""),
		json_strd(c->body, "username", ""),
		json_strd(c->body, "password", ""),
		json_bool(c->body, "admin", false) ? "admin" : "notadmin" };
	struct buf text = { 0 };
	char *mac;
	bool fits;

	for (size_t i = 0; i < NELEM(parts); i++)
		buf_add(&text, parts[i], strlen(parts[i]) + (i < 3));
	mac = hmac_sha1_hex(c->hs->shared_secret, text.data, text.len);
	fits = secret_equal(mac, json_strd(c->body, "mac", ""));
	free(mac);
	buf_release(&text);
	return fits;
}

int
hs_admin_register(struct hs_call *c)
{
	struct hs_user *u;

	if (str_equal(c->method, "GET")) {
		c->answer = json_object();
		json_set_str(c->answer, "nonce", "once");
		return 200;
	}
	if (!mac_fits(c))
		return hs_refuse(c, 403, "M_FORBIDDEN", "HMAC incorrect");
	if ((u = new_user(c, json_strd(c->body, "username", ""))) == NULL)
		return 400;
	u->password = xstrdup(json_str(c->body, "password"));
	json_set_str(u->profile, "displayname",
	    json_str(c->body, "displayname"));
	say_who(c, u);
	if (!json_bool(c->body, "inhibit_login", false))
		open_session(c, u, NULL);
	return 200;
}

int
hs_login(struct hs_call *c)
{
	const char *type = json_strd(c->body, "type", "");
	char *id = full_id(c->hs, json_strd(json_get(c->body, "identifier"),
	    "user", ""));
	struct hs_user *u = map_find(c->hs->users, id);
	bool fits = false;

	free(id);
	if (u != NULL && str_equal(type, "m.login.password"))
		fits = u->password != NULL && str_equal(u->password,
		    json_str(c->body, "password"));
	else if (u != NULL && str_equal(type, "m.login.application_service"))
		fits = str_equal(c->req->bearer, c->hs->as_token) &&
		    hs_is_ours(c->hs, u->id);
	if (!fits)
		return hs_refuse(c, 403, "M_FORBIDDEN", "not that password");
	say_who(c, u);
	open_session(c, u, json_str(c->body, "device_id"));
	return 200;
}

/* Of one token, or with /all of all of the user. */
int
hs_logout(struct hs_call *c)
{
	bool all = c->n > 1 && str_equal(c->piece[1], "all");
	struct hs_user *u = map_find(c->hs->users, c->user);
	const char *token, *owner;
	void *it = NULL;

	while ((owner = map_next(c->hs->tokens, &it, &token)) != NULL)
		if (all ? str_equal(owner, c->user) :
		    str_equal(token, c->req->bearer))
			map_remove(c->hs->tokens, token);
	if (all && u != NULL) {
		map_free(u->devices);
		u->devices = map_new(NULL);
	}
	c->answer = json_object();
	return 200;
}

int
hs_account(struct hs_call *c)
{
	c->answer = json_object();
	json_set_str(c->answer, "user_id", c->user);
	json_set_bool(c->answer, "is_guest", false);
	return 200;
}

static void
device_json(struct json *o, const char *device)
{
	json_set_str(o, "device_id", device);
}

int
hs_devices(struct hs_call *c)
{
	static const char there[] = "";
	struct hs_user *u = map_find(c->hs->users, c->user);
	const char *device;
	struct json *list;
	void *it = NULL;

	c->answer = json_object();
	if (c->n < 2) {
		list = json_set(c->answer, "devices", json_array());
		while (map_next(u->devices, &it, &device) != NULL)
			device_json(json_push(list, json_object()), device);
		return 200;
	}
	if (str_equal(c->method, "PUT"))
		map_set(u->devices, c->piece[1], (void *)(uintptr_t)there);
	else if (str_equal(c->method, "DELETE"))
		map_remove(u->devices, c->piece[1]);
	else if (map_find(u->devices, c->piece[1]) == NULL)
		return hs_refuse(c, 404, "M_NOT_FOUND", "no such device");
	else
		device_json(c->answer, c->piece[1]);
	return 200;
}

int
hs_profile(struct hs_call *c)
{
	struct hs_user *u = map_find(c->hs->users, c->n > 1 ? c->piece[1] : "");
	const struct json *v;

	if (u == NULL)
		return hs_refuse(c, 404, "M_NOT_FOUND", "no such account");
	if (str_equal(c->method, "PUT")) {
		if (!str_equal(c->user, u->id))
			return hs_refuse(c, 403, "M_FORBIDDEN",
			    "somebody else's profile");
		for (v = json_first(c->body); v != NULL; v = json_next(v))
			json_set(u->profile, json_key(v), json_copy(v));
		c->answer = json_object();
	} else
		c->answer = json_copy(u->profile);
	return 200;
}

/* user/{id}/account_data/{type} */
int
hs_user_data(struct hs_call *c)
{
	struct hs_user *u = map_find(c->hs->users, c->user);

	if (c->n < 4 || !str_equal(c->piece[1], c->user) ||
	    !str_equal(c->piece[2], "account_data"))
		return hs_refuse(c, 404, "M_UNRECOGNIZED", "not simulated");
	if (str_equal(c->method, "PUT")) {
		json_set(u->data, c->piece[c->n - 1], json_copy(c->body));
		c->answer = json_object();
		return 200;
	}
	if (json_get(u->data, c->piece[c->n - 1]) == NULL)
		return hs_refuse(c, 404, "M_NOT_FOUND", "no such data");
	c->answer = json_copy(json_get(u->data, c->piece[c->n - 1]));
	return 200;
}

int
hs_joined_rooms(struct hs_call *c)
{
	struct json *list;
	struct hs_room *r;
	void *it = NULL;

	c->answer = json_object();
	list = json_set(c->answer, "joined_rooms", json_array());
	while ((r = map_next(c->hs->rooms, &it, NULL)) != NULL)
		if (str_equal(hs_membership(r, c->user), "join"))
			json_push_str(list, r->id);
	return 200;
}

int
hs_capabilities(struct hs_call *c)
{
	c->answer = json_must("{\"capabilities\":{\"m.room_versions\":{"
	    "\"default\":\"12\",\"available\":{\"11\":\"stable\","
	    "\"12\":\"stable\"}}}}");
	return 200;
}

/* --- files --------------------------------------------------------------- */

int
hs_upload(struct hs_call *c)
{
	struct hs_media *m;
	char *id, *key;

	if (map_size(c->hs->media) >= MEDIA_MAX ||
	    c->hs->media_bytes + c->req->body_len > MEDIA_BYTES_MAX)
		return hs_refuse(c, 429, "M_LIMIT_EXCEEDED", "too many files");
	m = xcalloc(1, sizeof *m);
	m->type = xstrdup(c->req->content_type != NULL ?
	    c->req->content_type : "application/octet-stream");
	m->data = xstrndup("", 0);
	m->data = xreallocarray(m->data, c->req->body_len + 1, 1);
	memcpy(m->data, c->req->body, c->req->body_len);
	m->data[c->req->body_len] = '\0';
	m->len = c->req->body_len;
	c->hs->media_bytes += m->len;
	id = rand_hex(12);
	key = xasprintf("%s/%s", c->hs->domain, id);
	map_set(c->hs->media, key, m);
	c->answer = json_object();
	json_set_strf(c->answer, "content_uri", "mxc://%s", key);
	free(key);
	free(id);
	return 200;
}

/* Texts only: what holds a NUL is cut at it, and nobody here reads pictures. */
int
hs_download(struct hs_call *c)
{
	struct hs_media *m = NULL;
	char *key;

	if (c->n >= 4) {
		key = xasprintf("%s/%s", c->piece[2], c->piece[3]);
		m = map_find(c->hs->media, key);
		free(key);
	}
	if (m == NULL)
		return hs_refuse(c, 404, "M_NOT_FOUND", "no such file");
	httpd_reply(c->req, 200, m->type, m->data);
	c->req = NULL;
	return 200;
}
