/*
 * Accounts of agents: `account:<runtime>`, inside our exclusive namespace.
 *
 * One register call makes account, device and token.  A name in use is ours
 * only when there is proof: we recorded it, or the account has a device with
 * our id (we died after the call), or it carries the mark that remove left.
 * An agent that is removed keeps its account, logged out and marked, because
 * deactivating one burns its name for good.
 */
#include "matrix-int.h"

#include <stdlib.h>
#include <string.h>

#include "hiclaw/clock.h"
#include "hiclaw/fault.h"
#include "hiclaw/http.h"
#include "hiclaw/log.h"

#define WHOAMI_MS	20000

static char *
mark_path(const char *user)
{
	return mx_path(V3 "/user/%s/account_data/" MARKER_TYPE, user);
}

static char *
device_path(const char *device)
{
	return mx_path(V3 "/devices/%s", device);
}

/* --- making ------------------------------------------------------------- */

static int
take_token(const struct mx_answer *a, struct outcome *out, struct err *e)
{
	const char *token = json_str(a->body, "access_token");

	if (token == NULL)
		return err_set(e, ERR_RETRY, "the homeserver gave no token");
	out->secrets = json_object();
	json_set_str(out->secrets, "token", token);
	return 0;
}

static struct json *
login_body(const struct work *w)
{
	struct json *b = json_object();

	json_set_str(b, "type", "m.login.application_service");
	json_set_str(b, "device_id", json_str(w->desired, "device"));
	json_set_str(b, "initial_device_display_name",
	    json_strd(w->desired, "displayname", "HiClaw agent"));
	return b;
}

static int
no_logins(struct err *e)
{
	return err_set(e, ERR_USER, "the homeserver gives services no tokens for "
	    "their users: remove io.element.msc4190 from the registration, or "
	    "let it accept logins of application services: "
	    "M_APPSERVICE_LOGIN_UNSUPPORTED");
}

static int
account_register(const struct mx *mx, const struct work *w,
    struct outcome *out, bool *in_use, struct err *e)
{
	const char *user = json_str(w->desired, "user");
	struct json *b = login_body(w);
	struct mx_answer a = {0};
	char *local = xstrndup(user + 1, strcspn(user + 1, ":"));
	int rv;

	json_set_str(b, "username", local);
	rv = mx_call(mx, "POST", V3 "/register", "", b, &a, e);
	if (rv == 0) {
		fault("matrix.after-register");
		rv = take_token(&a, out, e);
	} else if (str_equal(a.errcode, "M_USER_IN_USE"))
		*in_use = true;
	else if (str_ends(a.errcode, "M_APPSERVICE_LOGIN_UNSUPPORTED"))
		rv = no_logins(e);
	else if (str_equal(a.errcode, "M_EXCLUSIVE"))
		rv = err_set(e, ERR_USER, "account %s: the registration that the "
		    "homeserver has loaded does not give us that name: "
		    "M_EXCLUSIVE", user);
	mx_answer_release(&a);
	json_free(b);
	free(local);
	return rv;
}

/* --- names in use ------------------------------------------------------- */

/*
 * 1: it is there and fits, 0: it is not, -1: we could not find out.  403 is what
 * masquerading as somebody unknown or out of our namespace gives.
 */
static int
absent_or_error(const struct mx_answer *a)
{
	return a->status == 403 || a->status == 404 ? 0 : -1;
}

static int
has_device(const struct mx *mx, const char *user, const char *device,
    struct err *e)
{
	struct mx_answer a = {0};
	char *path = device_path(device);
	int rv;

	rv = mx_call(mx, "GET", path, user, NULL, &a, e);
	rv = rv == 0 ? 1 : absent_or_error(&a);
	mx_answer_release(&a);
	free(path);
	return rv;
}

/* 1: our mark; 2: that of another instance. */
static int
has_mark(const struct mx *mx, const char *user, const char *instance,
    struct err *e)
{
	struct mx_answer a = {0};
	char *path = mark_path(user);
	int rv;

	rv = mx_call(mx, "GET", path, user, NULL, &a, e);
	if (rv == 0 && json_str(a.body, "instance") != NULL)
		rv = str_equal(json_str(a.body, "instance"), instance) ? 1 : 2;
	else if (rv == -1)
		rv = absent_or_error(&a);
	mx_answer_release(&a);
	free(path);
	return rv;
}

/* How many children has the array `member` of the answer; -1: error. */
static int
count_of(const struct mx *mx, const char *user, const char *path,
    const char *member, struct err *e)
{
	struct mx_answer a = {0};
	int n = -1;

	if (mx_call(mx, "GET", path, user, NULL, &a, e) == 0)
		n = (int)json_size(json_get(a.body, member));
	mx_answer_release(&a);
	return n;
}

/*
 * Nothing was ever done with it: no device, no room.  The homeserver makes the
 * account first and its device after that; killed in between it leaves this.
 */
static int
is_blank(const struct mx *mx, const char *user, struct err *e)
{
	int devices, rooms;

	devices = count_of(mx, user, V3 "/devices", "devices", e);
	if (devices != 0)
		return devices == -1 ? -1 : 0;
	rooms = count_of(mx, user, V3 "/joined_rooms", "joined_rooms", e);
	return rooms == -1 ? -1 : rooms == 0;
}

/* Is the account ours?  *marked: by its mark, which is then to be cleared. */
static int
is_ours(const struct mx *mx, const struct work *w, bool *marked,
    struct err *e)
{
	const char *user = json_str(w->desired, "user");
	int rv;

	*marked = false;
	if (json_bool(w->observed, "made", false) &&
	    str_equal(user, json_str(w->observed, "user")))
		return 1;
	rv = has_device(mx, user, json_str(w->desired, "device"), e);
	if (rv != 0)
		return rv;
	rv = has_mark(mx, user, w->instance, e);
	*marked = rv == 1;
	/* A try of ours went unanswered, and nobody else may use the name. */
	if (rv == 0 && w->may_exist)
		rv = is_blank(mx, user, e);
	return rv == 2 ? 0 : rv;
}

/* A new token.  The device goes first: logging in again keeps old tokens. */
static int
account_login(const struct mx *mx, const struct work *w, struct outcome *out,
    struct err *e)
{
	const char *user = json_str(w->desired, "user");
	struct mx_answer gone = {0}, a = {0};
	struct json *b = login_body(w), *id;
	char *path = device_path(json_str(w->desired, "device"));
	int rv;

	rv = mx_call(mx, "DELETE", path, user, NULL, &gone, e);
	if (rv == -1 && !was_refused(e))
		goto out;
	id = json_obj(b, "identifier");
	json_set_str(id, "type", "m.id.user");
	json_set_str(id, "user", user);
	rv = mx_call(mx, "POST", V3 "/login", "", b, &a, e);
	if (rv == 0)
		rv = take_token(&a, out, e);
	else if (str_ends(a.errcode, "M_APPSERVICE_LOGIN_UNSUPPORTED"))
		rv = no_logins(e);
	else if (str_equal(a.errcode, "M_USER_DEACTIVATED"))
		rv = err_set(e, ERR_CONFLICT, "account %s was deactivated; only "
		    "an administrator of the homeserver can revive it: "
		    "M_USER_DEACTIVATED", user);
out:
	mx_answer_release(&gone);
	mx_answer_release(&a);
	json_free(b);
	free(path);
	return rv;
}

static int
put_mark(const struct mx *mx, const char *user, const char *instance,
    const char *key, struct err *e)
{
	struct json *mark = json_object();
	struct mx_answer a = {0};
	char *path = mark_path(user);
	int rv;

	json_set_str(mark, "instance", instance);
	json_set_str(mark, "key", key);
	rv = mx_call(mx, "PUT", path, user, mark, &a, e);
	mx_answer_release(&a);
	json_free(mark);
	free(path);
	return rv;
}

static int
account_adopt(const struct mx *mx, const struct work *w, struct outcome *out,
    struct err *e)
{
	const char *user = json_str(w->desired, "user");
	bool marked;
	int rv;

	rv = is_ours(mx, w, &marked, e);
	if (rv == -1)
		return -1;
	if (rv == 0)
		return err_set(e, ERR_CONFLICT, "account %s exists and was not "
		    "made by this controller; choose another name", user);
	if (account_login(mx, w, out, e) == -1)
		return -1;
	/* Cleared last: until then the mark is what proves it ours. */
	if (marked && put_mark(mx, user, NULL, NULL, e) == -1)
		return -1;
	strv_add(&out->did, "token made anew");
	return 0;
}

/*
 * Does its token still open anything?  1, 0, or -1 when that could not be found
 * out.  Asked as the agent would: what the service may do says nothing of it.
 */
static int
token_is_good(const struct mx *mx, const char *token, struct err *e)
{
	char *url = xasprintf("%s" V3 "/account/whoami", mx->url);
	struct http_req q = { .method = "GET", .url = url, .bearer = token,
	    .timeout_ms = WHOAMI_MS, .max_bytes = 65536 };
	struct http_res r;
	int rv = http_call(&q, &r, e);

	if (rv == 0) {
		rv = r.status == 200 ? 1 : r.status == 401 ? 0 :
		    err_set(e, ERR_RETRY, "whoami: %d", r.status);
		http_res_release(&r);
	}
	free(url);
	return rv;
}

/* 1: it was in doubt for nothing. */
static int
account_check(const struct matrix_ctx *c, const struct work *w,
    struct outcome *out, struct err *e)
{
	const char *token = json_str(w->secrets, "token");
	int rv;

	if (!json_bool(w->observed, "doubt", false) || token == NULL)
		return 0;
	rv = token_is_good(c->mx, token, e);
	if (rv == 0)
		return 0;
	out->observed = json_copy(w->observed);
	if (rv == 1)
		json_remove(out->observed, "doubt");
	return rv;
}

int
account_ensure(void *arg, const struct work *w, struct outcome *out,
    struct err *e)
{
	const struct matrix_ctx *c = arg;
	const char *user = json_str(w->desired, "user");
	const char *device = json_str(w->desired, "device"), *token;
	bool in_use = false;
	char id[SECRET_ID];
	int rv;

	if (!mxid_valid(user) || user[0] != '@' || device == NULL)
		return err_set(e, ERR_BROKEN, "%s: no user or no device", w->key);
	if ((rv = account_check(c, w, out, e)) != 0)
		return rv == 1 ? 0 : -1;
	rv = account_register(c->mx, w, out, &in_use, e);
	if (rv == 0)
		strv_add(&out->did, "made");
	else if (in_use)
		rv = account_adopt(c->mx, w, out, e);
	if (rv == -1) {
		out->observed = json_copy(w->observed);
		return -1;
	}
	out->observed = json_object();
	json_set_str(out->observed, "user", user);
	json_set_str(out->observed, "device", device);
	json_set_bool(out->observed, "made", true);
	/* A restart may have lost the answer that had it: then it is known
	 * already, and what it was stays. */
	token = json_str(out->secrets, "token");
	if (token != NULL) {
		secret_id(token, id);
		json_set_str(out->observed, "token_id", id);
		json_set_int(out->observed, "made_ms", clock_ms());
	} else
		json_set_str(out->observed, "token_id",
		    json_str(w->observed, "token_id"));
	return 0;
}

/* --- removing ----------------------------------------------------------- */

/* 1: it is out of all rooms, 0: there is no such account, -1: error. */
static int
leave_all(const struct mx *mx, const char *user, struct err *e)
{
	struct mx_answer a = {0};
	const struct json *r;
	int rv;

	rv = mx_call(mx, "GET", V3 "/joined_rooms", user, NULL, &a, e);
	if (rv == -1) {
		rv = absent_or_error(&a);
		goto out;
	}
	for (r = json_first(json_get(a.body, "joined_rooms"));
	    r != NULL && rv == 0; r = json_next(r)) {
		if (json_value_str(r) != NULL)
			rv = room_quit(mx, user, json_value_str(r), e);
	}
	if (rv == 0)
		rv = 1;
out:
	mx_answer_release(&a);
	return rv;
}

/* The mark before the logout: after that the device proves nothing. */
static int
retire(const struct mx *mx, const char *user, const struct work *w,
    bool *is_marked, struct err *e)
{
	struct mx_answer a = {0};
	int rv;

	rv = leave_all(mx, user, e);
	if (rv != 1)
		return rv;
	if (put_mark(mx, user, w->instance, w->key, e) == -1)
		return -1;
	*is_marked = true;
	rv = mx_call(mx, "POST", V3 "/logout/all", user, NULL, &a, e);
	mx_answer_release(&a);
	return rv;
}

int
account_remove(void *arg, const struct work *w, struct outcome *out,
    struct err *e)
{
	const struct matrix_ctx *c = arg;
	const char *name = strchr(w->key, ':');
	char *user;
	bool is_marked = false;
	int rv = 1;

	if (json_str(w->observed, "user") != NULL)
		user = xstrdup(json_str(w->observed, "user"));
	else	/* we may have died between the call and its record */
		user = xasprintf("@%s_%s:%s", c->mx->prefix,
		    name == NULL ? "" : name + 1, c->mx->domain);
	if (!json_bool(w->observed, "made", false))
		rv = has_device(c->mx, user, c->mx->device, e);
	if (rv == 1) {
		rv = retire(c->mx, user, w, &is_marked, e);
		if (rv == 0)
			strv_add(&out->did, "left its rooms and logged out");
	}
	if (rv == -1)
		out->observed = json_copy(w->observed);
	/* Its token may be dead: wanted back, it needs another. */
	if (rv == -1 && is_marked && out->observed != NULL)
		json_remove(out->observed, "made");
	free(user);
	return rv;
}
