/*
 * Accounts of people: `human:<username>`.  Either one that exists is linked, or
 * one is made by whatever way the homeserver offers; the password was made and
 * sealed by the engine before, so that a call whose answer got lost can be told
 * from somebody else's account: only ours opens with our password.
 *
 * Nothing here ever changes or removes an account that exists.
 */
#include "matrix-int.h"

#include <stdlib.h>
#include <string.h>

#include "hiclaw/secure.h"

#define ADMIN_REGISTER	"/_synapse/admin/v1/register"
#define CHECK_DEVICE	"HICLAW_CHECK"

struct person {
	const struct mx	*mx;
	const char	*user, *displayname, *password;
	char		*local;
};

/* --- linking ------------------------------------------------------------ */

static int
human_link(const struct mx *mx, const char *user, struct err *e)
{
	struct mx_answer a = {0};
	char *path = mx_path(V3 "/profile/%s", user);
	bool is_local = str_equal(mxid_domain(user), mx->domain);
	int rv;

	rv = mx_call(mx, "GET", path, "", NULL, &a, e);
	if (rv == -1 && is_local && a.status == 404)
		rv = err_set(e, ERR_USER, "there is no account %s on this "
		    "homeserver; correct spec.matrixUserId, or leave it out to "
		    "have an account made", user);
	else if (rv == -1 && (!is_local || e->kind == ERR_DENIED))
		/* Far away or shy about profiles: the invitation will tell. */
		rv = 0;
	mx_answer_release(&a);
	free(path);
	return rv;
}

/* --- proof -------------------------------------------------------------- */

/* Ours if our password opens it.  0: it does; -1 with ERR_CONFLICT: not. */
static int
human_prove(const struct person *p, struct err *e)
{
	struct mx_answer a = {0}, out = {0};
	struct json *b = json_object(), *id;
	struct err ignored = {0};
	const char *token;
	int rv;

	json_set_str(b, "type", "m.login.password");
	json_set_str(b, "password", p->password);
	json_set_str(b, "device_id", CHECK_DEVICE);
	id = json_obj(b, "identifier");
	json_set_str(id, "type", "m.id.user");
	json_set_str(id, "user", p->user);
	rv = mx_call_token(p->mx, "POST", V3 "/login", NULL, b, &a, e);
	json_free(b);
	token = json_str(a.body, "access_token");
	if (rv == 0 && token != NULL &&
	    mx_call_token(p->mx, "POST", V3 "/logout", token, NULL, &out,
	    &ignored) == -1)
		ignored.kind = ERR_RETRY;	/* the session just stays */
	mx_answer_release(&out);
	mx_answer_release(&a);
	if (rv == -1 && was_refused(e))
		rv = err_set(e, ERR_CONFLICT, "the name %s is in use; link that "
		    "account with spec.matrixUserId: \"%s\", or choose another "
		    "spec.username", p->local, p->user);
	return rv;
}

/* --- Synapse's shared secret -------------------------------------------- */

static char *
mac_of(const char *secret, const char *nonce, const struct person *p)
{
	static const char role[] = "notadmin";
	struct buf b = {0};
	char *mac;

	buf_add(&b, nonce, strlen(nonce) + 1);
	buf_add(&b, p->local, strlen(p->local) + 1);
	buf_add(&b, p->password, strlen(p->password) + 1);
	buf_add(&b, role, strlen(role));
	mac = hmac_sha1_hex(secret, b.data, b.len);
	secret_wipe(b.data, b.len);
	buf_release(&b);
	return mac;
}

static int
secret_nonce(const struct mx *mx, char **nonce, struct err *e)
{
	struct mx_answer a = {0};
	int rv;

	rv = mx_call_token(mx, "GET", ADMIN_REGISTER, NULL, NULL, &a, e);
	if (rv == 0 && json_str(a.body, "nonce") != NULL)
		*nonce = xstrdup(json_str(a.body, "nonce"));
	else if (rv == 0 || was_refused(e))
		rv = err_set(e, ERR_USER, "the homeserver offers no registration "
		    "by shared secret at %s" ADMIN_REGISTER " (%d %s): it must "
		    "be a Synapse with registration_shared_secret set, and "
		    "homeserver.url must let that path through", mx->url,
		    a.status, a.errcode);
	mx_answer_release(&a);
	return rv;
}

static int
make_by_secret(const struct person *p, bool *in_use, struct err *e)
{
	struct mx_answer a = {0};
	struct json *b;
	char *nonce = NULL, *mac;
	int rv;

	if (secret_nonce(p->mx, &nonce, e) == -1)
		return -1;
	mac = mac_of(p->mx->shared_secret, nonce, p);
	b = json_object();
	json_set_str(b, "nonce", nonce);
	json_set_str(b, "username", p->local);
	json_set_str(b, "displayname", p->displayname);
	json_set_str(b, "password", p->password);
	json_set_bool(b, "admin", false);
	json_set_bool(b, "inhibit_login", true);
	json_set_str(b, "mac", mac);
	rv = mx_call_token(p->mx, "POST", ADMIN_REGISTER, NULL, b, &a, e);
	*in_use = str_equal(a.errcode, "M_USER_IN_USE");
	if (rv == -1 && a.status == 403)
		rv = err_set(e, ERR_USER, "the homeserver refuses our shared "
		    "secret: homeserver.registration_shared_secret must equal "
		    "registration_shared_secret of its homeserver.yaml");
	mx_answer_release(&a);
	json_free(b);
	free(nonce);
	free(mac);
	return rv;
}

/* --- registration token ------------------------------------------------- */

static int
uia_step(const struct person *p, const char *type, const char *session,
    struct mx_answer *a, struct err *e)
{
	struct json *b = json_object(), *auth;
	int rv;

	json_set_str(b, "username", p->local);
	json_set_str(b, "password", p->password);
	json_set_bool(b, "inhibit_login", false);
	json_set_str(b, "initial_device_display_name", "HiClaw, first visit");
	if (type != NULL) {
		auth = json_obj(b, "auth");
		json_set_str(auth, "type", type);
		json_set_str(auth, "session", session);
		if (str_equal(type, "m.login.registration_token"))
			json_set_str(auth, "token", p->mx->registration_token);
	}
	mx_answer_release(a);
	rv = mx_call_token(p->mx, "POST", V3 "/register", NULL, b, a, e);
	json_free(b);
	return rv;
}

/* The account's first token: name the person, then end the session. */
static void
first_visit(const struct person *p, const struct json *answer)
{
	const char *token = json_str(answer, "access_token");
	struct mx_answer a = {0};
	struct err e = {0};
	struct json *b;
	char *path;
	int rv = 0;

	if (token == NULL)
		return;
	if (p->displayname != NULL) {
		b = json_object();
		path = mx_path(V3 "/profile/%s/displayname", p->user);
		json_set_str(b, "displayname", p->displayname);
		rv = mx_call_token(p->mx, "PUT", path, token, b, &a, &e);
		mx_answer_release(&a);
		json_free(b);
		free(path);
	}
	rv |= mx_call_token(p->mx, "POST", V3 "/logout", token, NULL, &a, &e);
	mx_answer_release(&a);
	(void)rv;	/* the account is made; the rest is a courtesy */
}

static int
make_by_token(const struct person *p, bool *in_use, struct err *e)
{
	static const char *const stages[] = {
		"m.login.registration_token", "m.login.dummy", NULL
	};
	struct mx_answer a = {0};
	char *session = NULL;
	int rv, i;

	rv = uia_step(p, NULL, NULL, &a, e);
	for (i = 0; rv == -1 && a.status == 401 && stages[i] != NULL; i++) {
		if (i == 0)
			session = xstrdup(json_str(a.body, "session"));
		else if (a.errcode[0] != '\0')
			break;		/* the stage was refused */
		rv = uia_step(p, stages[i], session, &a, e);
	}
	*in_use = str_equal(a.errcode, "M_USER_IN_USE");
	if (rv == 0)
		first_visit(p, a.body);
	else if (a.status == 401 || a.status == 403)
		rv = err_set(e, ERR_USER, "the homeserver does not let us "
		    "register %s with homeserver.registration_token: %s",
		    p->local, a.errcode[0] != '\0' ? a.errcode :
		    "it asks for more than a token");
	mx_answer_release(&a);
	free(session);
	return rv;
}

/* --- the object --------------------------------------------------------- */

static int
human_create(const struct person *p, bool *made, struct err *e)
{
	bool in_use = false;
	int rv;

	if (!str_equal(mxid_domain(p->user), p->mx->domain))
		return err_set(e, ERR_USER, "%s lives on another homeserver, "
		    "where no account can be made", p->user);
	if (p->password == NULL)
		return err_set(e, ERR_BROKEN, "%s: no password was made for it",
		    p->user);
	if (p->mx->shared_secret != NULL)
		rv = make_by_secret(p, &in_use, e);
	else if (p->mx->registration_token != NULL)
		rv = make_by_token(p, &in_use, e);
	else
		return err_set(e, ERR_USER, "no way to make the account %s: set "
		    "homeserver.registration_shared_secret or "
		    "homeserver.registration_token, or link an account that "
		    "exists with spec.matrixUserId", p->user);
	*made = rv == 0;
	/* In use by a call of ours whose answer was lost, perhaps. */
	return in_use ? human_prove(p, e) : rv;
}

int
human_ensure(void *arg, const struct work *w, struct outcome *out,
    struct err *e)
{
	const struct matrix_ctx *c = arg;
	struct person p = {
		.mx = c->mx, .user = json_str(w->desired, "user"),
		.displayname = json_str(w->desired, "displayname"),
		.password = json_str(w->secrets, "password"),
	};
	bool is_link, made = false;
	int rv;

	if (!mxid_valid(p.user) || p.user[0] != '@')
		return err_set(e, ERR_USER, "%s: \"%s\" is not a Matrix id",
		    w->key, p.user == NULL ? "" : p.user);
	p.local = xstrndup(p.user + 1, strcspn(p.user + 1, ":"));
	is_link = str_equal(json_str(w->desired, "method"), "link");
	rv = is_link ? human_link(p.mx, p.user, e) : human_create(&p, &made, e);
	free(p.local);
	if (rv == -1) {
		out->observed = json_copy(w->observed);
		return -1;
	}
	out->observed = json_object();
	json_set_str(out->observed, "user", p.user);
	json_set_str(out->observed, "method", is_link ? "link" : "create");
	json_set_bool(out->observed, "made", !is_link);
	strv_add(&out->did, is_link ? "linked" :
	    made ? "account made" : "account found");
	return 0;
}
