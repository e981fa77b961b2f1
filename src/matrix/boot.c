/*
 * The first words with the homeserver: does it know our token, is the bot ours,
 * can it reach our listener.  Each thing that can be set up wrongly gets a
 * sentence that says what to change where, because this text is what an
 * operator reads when the controller does not come up.
 *
 * Called once by the daemon at start-up (mx_hello) and whenever the homeserver
 * was away (mx_ping).
 */
#include "hiclaw/matrix.h"

#include <stdlib.h>
#include <string.h>

#include "hiclaw/log.h"
#include "matrix-int.h"

#define V3	"/_matrix/client/v3"

/* --- the token ---------------------------------------------------------- */

static int
no_homeserver(const struct mx *mx, int status, struct err *e)
{
	return err_set(e, ERR_BROKEN, "%s does not answer like a Matrix "
	    "homeserver (status %d): set homeserver.url to the base of its "
	    "client-server API", mx->url, status);
}

static int
explain_whoami(const struct mx *mx, const struct mx_answer *a, bool *is_config,
    struct err *e)
{
	*is_config = true;
	if (a->status == 401 || str_equal(a->errcode, "M_UNKNOWN_TOKEN"))
		return err_set(e, ERR_BROKEN, "the homeserver at %s does not "
		    "know our as_token: list the registration file in its "
		    "settings (Synapse: app_service_config_files in "
		    "homeserver.yaml, on a line of its own) and restart it. "
		    "It said: %d %s", mx->url, a->status, a->errcode);
	if (a->status == 404 || (a->status >= 300 && a->status < 400))
		return no_homeserver(mx, a->status, e);
	*is_config = false;	/* not there, not ready, or overloaded */
	return -1;
}

static int
check_token(const struct mx *mx, bool *is_config, struct err *e)
{
	struct mx_answer a = {0};
	const char *sender, *domain;
	int rv;

	rv = mx_call(mx, "GET", V3 "/account/whoami", "", NULL, &a, e);
	if (rv == -1) {
		rv = explain_whoami(mx, &a, is_config, e);
		goto out;
	}
	sender = json_strd(a.body, "user_id", "");
	domain = mxid_domain(sender);
	if (domain == NULL) {
		*is_config = true;
		rv = no_homeserver(mx, a.status, e);
	} else if (!str_equal(domain, mx->domain)) {
		*is_config = true;
		rv = err_set(e, ERR_BROKEN, "the homeserver at %s is \"%s\", but "
		    "homeserver.domain says \"%s\": correct one of them",
		    mx->url, domain, mx->domain);
	}
out:
	mx_answer_release(&a);
	return rv;
}

/* --- the bot ------------------------------------------------------------ */

static int
outside_namespace(const struct mx *mx, bool *is_config, struct err *e)
{
	*is_config = true;
	return err_set(e, ERR_BROKEN, "the registration that the homeserver has "
	    "loaded does not give us %s: its namespaces.users must cover the "
	    "bot and its agents. Make it again with --generate-registration, "
	    "replace the homeserver's copy and restart it", mx->bot);
}

static int
make_bot(const struct mx *mx, bool *is_config, struct err *e)
{
	struct mx_answer a = {0};
	struct json *body = json_object();
	char *name = xstrndup(mx->bot + 1, strcspn(mx->bot + 1, ":"));
	int rv;

	json_set_str(body, "type", "m.login.application_service");
	json_set_str(body, "username", name);
	json_set_bool(body, "inhibit_login", true);
	rv = mx_call(mx, "POST", V3 "/register", "", body, &a, e);
	if (rv == 0)
		log_info("matrix", "account %s made", mx->bot);
	else if (str_equal(a.errcode, "M_EXCLUSIVE"))
		rv = outside_namespace(mx, is_config, e);
	else if (str_equal(a.errcode, "M_USER_IN_USE"))
		/* It is there, and still we may not speak as it. */
		rv = outside_namespace(mx, is_config, e);
	free(name);
	json_free(body);
	mx_answer_release(&a);
	return rv;
}

/* People should read "HiClaw", not a local part; a failure harms nobody. */
static void
name_bot(const struct mx *mx)
{
	struct mx_answer a = {0};
	struct err e = {0};
	struct json *body = json_object();
	char *path = mx_path(V3 "/profile/%s/displayname", mx->bot);

	json_set_str(body, "displayname", "HiClaw");
	if (mx_call(mx, "PUT", path, NULL, body, &a, &e) == -1)
		log_warn("matrix", "display name of the bot: %s", e.msg);
	mx_answer_release(&a);
	json_free(body);
	free(path);
}

static int
make_device(const struct mx *mx, struct err *e)
{
	struct mx_answer a = {0};
	struct json *body = json_object();
	char *path = mx_path(V3 "/devices/%s?user_id=%s", mx->device, mx->bot);
	int rv;

	json_set_str(body, "display_name", "HiClaw controller");
	rv = mx_call(mx, "PUT", path, "", body, &a, e);
	if (rv == -1 && a.status == 404) {
		log_info("matrix", "this homeserver does not let services make "
		    "devices; transaction ids are only as durable as it is");
		rv = 0;
	}
	mx_answer_release(&a);
	json_free(body);
	free(path);
	return rv;
}

static int
check_bot(const struct mx *mx, bool *is_config, struct err *e)
{
	struct mx_answer a = {0};
	char *path = mx_path(V3 "/devices/%s?user_id=%s", mx->device, mx->bot);
	bool made = false;
	int rv;

	/* One read tells all: account, namespace and device. */
	rv = mx_call(mx, "GET", path, "", NULL, &a, e);
	if (rv == -1 && a.status == 403) {
		rv = make_bot(mx, is_config, e);
		made = rv == 0;
	} else if (rv == -1 && a.status == 404)
		rv = 0;
	else
		goto out;
	if (rv == 0)
		rv = make_device(mx, e);
	if (rv == 0 && made)
		name_bot(mx);
out:
	mx_answer_release(&a);
	free(path);
	return rv;
}

/* --- the way back ------------------------------------------------------- */

/*
 * Synapse, pinged while it is just sending us what it had queued, reaches us,
 * then stumbles over its own retry timer and says 502 M_CONNECTION_FAILED.
 * After a quick restart of ours that is the usual case.
 */
static bool
reached_us_all_the_same(const struct mx_answer *a)
{
	const char *why = json_strd(a->body, "error", "");

	return a->status == 502 && (str_starts(why, "AlreadyCancelled") ||
	    str_starts(why, "AlreadyCalled"));
}

static int
ping(const struct mx *mx, struct mx_answer *a, struct err *e)
{
	char *path = mx_path("/_matrix/client/v1/appservice/%s/ping",
	    mx->as_id);
	int rv;

	rv = mx_call(mx, "POST", path, "", NULL, a, e);
	if (rv == -1 && (a->status == 404 || a->status == 405)) {
		log_info("matrix", "this homeserver has no ping; the way back "
		    "to us is not checked");
		rv = 0;
	}
	if (rv == -1 && reached_us_all_the_same(a))
		rv = 0;
	free(path);
	return rv;
}

static int
explain_bad_status(const struct mx_answer *a, const char *our_url,
    bool *is_config, struct err *e)
{
	int64_t status = json_int(a->body, "status", 0);

	*is_config = status < 500;
	if (status == 401 || status == 403)
		return err_set(e, ERR_BROKEN, "the homeserver speaks to %s with "
		    "another hs_token than ours: its copy of the registration "
		    "and ours differ. Copy the file again and restart the "
		    "homeserver (M_BAD_STATUS %d)", our_url, (int)status);
	return err_set(e, *is_config ? ERR_BROKEN : ERR_RETRY, "somebody else "
	    "answers where the homeserver looks for us (status %d): \"url\" in "
	    "the registration must lead to %s (M_BAD_STATUS)", (int)status,
	    our_url);
}

static int
explain_ping(const struct mx *mx, const struct mx_answer *a,
    const char *our_url, bool *is_config, struct err *e)
{
	if (str_equal(a->errcode, "M_BAD_STATUS"))
		return explain_bad_status(a, our_url, is_config, e);
	*is_config = true;
	if (str_equal(a->errcode, "M_URL_NOT_SET"))
		return err_set(e, ERR_BROKEN, "the registration that the "
		    "homeserver has loaded has no \"url\": set it to %s and "
		    "restart the homeserver (M_URL_NOT_SET)", our_url);
	if (str_equal(a->errcode, "M_CONNECTION_FAILED"))
		return err_set(e, ERR_BROKEN, "the homeserver cannot reach us: "
		    "\"url\" in the registration must lead to our listener "
		    "(%s), as seen from the homeserver (M_CONNECTION_FAILED)",
		    our_url);
	if (a->status == 403)
		return err_set(e, ERR_BROKEN, "the homeserver knows our as_token "
		    "under another id than \"%s\": its copy of the registration "
		    "and ours differ (%s)", mx->as_id, a->errcode);
	*is_config = false;
	return -1;
}

int
mx_ping(const struct mx *mx, struct err *e)
{
	struct mx_answer a = {0};
	int rv;

	rv = ping(mx, &a, e);
	mx_answer_release(&a);
	return rv;
}

int
mx_hello(const struct mx *mx, const char *our_url, bool *is_config,
    struct err *e)
{
	struct mx_answer a = {0};
	int rv;

	*is_config = false;
	if (check_token(mx, is_config, e) == -1 ||
	    check_bot(mx, is_config, e) == -1)
		return -1;
	rv = ping(mx, &a, e);
	if (rv == -1)
		rv = explain_ping(mx, &a, our_url, is_config, e);
	mx_answer_release(&a);
	return rv;
}
