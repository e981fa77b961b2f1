/*
 * Agents that somebody else runs: the code for everything, then reports that
 * bring what has changed, and a new token before the old one ends.
 *
 *   POST /api/v1/join   {"code", "name"?}        once: all of it and a token
 *   POST /api/v1/home   {"have", "running"?}     204, or 200 and all of it
 *   POST /api/v1/token                           {"token", "token_expires"}
 *
 * "have" is the digest of what the agent has, or "" when its first home was not
 * finished: one request in a minute reports and asks, and says nothing when nothing
 * has changed.  With a code, "name" refuses to use it for another agent than the one
 * whose home lies there already.
 *
 * What is read from the storage comes before the code is used up: a storage that
 * is away costs nobody their code.
 */
#include "rest-int.h"

#include <stdlib.h>
#include <string.h>

#include "hiclaw/log.h"
#include "hiclaw/secure.h"

/* One answer that waits for the storage. */
struct joining {
	struct call	*call;
	struct rest	*rest;
	char		*agent, *code;	/* code NULL: it has a token */
	char		*from;
};

static void
joining_free(struct joining *j)
{
	call_drop(j->call);
	free(j->agent);
	secret_free(j->code);
	free(j->from);
	free(j);
}

static void
tell(const struct ops *ops, const char *agent, const char *from,
    bool is_again)
{
	if (ops->joined != NULL)
		ops->joined(ops->arg, agent, from != NULL ? from :
		    "somewhere", is_again);
}

static void
answer_used(struct call *c, const char *agent)
{
	store_begin(c->rest->ops->store);
	tell(c->rest->ops, agent, c->req->from, true);
	answer_error(c, 410, "this code was used before: ask for a new one "
	    "(\"join %s\" to the bot); whoever gave it to you was told", agent);
}

/* What the storage had is here: give it away. */
static void
answer_bundle(struct joining *j, struct json *bundle)
{
	const struct ops *ops = j->rest->ops;
	struct json *o = json_copy(bundle);
	int64_t expires;
	char *token;

	if (j->code != NULL) {
		token = join_take(ops, j->code, j->agent, &expires);
		if (token == NULL) {
			json_wipe(o);
			answer_used(j->call, j->agent);
			return;
		}
		json_set_str(o, "token", token);
		json_set_int(o, "token_expires", expires);
		secret_free(token);
		tell(ops, j->agent, j->from, false);
		log_info("rest", "%s was joined from %s", j->agent,
		    j->from != NULL ? j->from : "somewhere");
	}
	answer_secret(j->call, 200, o);
}

static void
on_bundle(void *arg, struct json *bundle, const struct err *e)
{
	struct joining *j = arg;

	/* After rest_stop the request is no longer ours to answer. */
	if (!j->rest->is_stopped) {
		if (bundle != NULL)
			answer_bundle(j, bundle);
		else
			answer_err(j->call, e);
	}
	joining_free(j);
}

/* is_first: with what is the agent's own. */
static void
make_bundle(struct call *c, const char *agent, const char *code,
    bool is_first)
{
	struct joining *j = xcalloc(1, sizeof *j);
	struct err err;

	j->call = call_keep(c);
	j->rest = c->rest;
	j->agent = xstrdup(agent);
	j->code = xstrdup(code);
	j->from = xstrdup(c->req->from);
	if (bundle_make(c->rest->ops->engine, agent, is_first, on_bundle, j,
	    &err) == -1) {
		answer_err(c, &err);
		joining_free(j);
	}
}

/* --- the code ------------------------------------------------------------- */

void
post_join(struct call *c)
{
	struct json *body = body_object(c);
	const char *code = json_str(body, "code");
	const char *name = json_str(body, "name");
	char *agent = NULL;

	if (body == NULL)
		return;
	if (code == NULL)
		answer_error(c, 422, "code: expected the code of the join "
		    "command");
	else switch (join_code_find(c->rest->ops, code, &agent)) {
	case JOIN_UNKNOWN:
		answer_unknown(c, "the code is not known, or its hour is "
		    "over");
		break;
	case JOIN_USED:
		answer_used(c, agent);
		break;
	case JOIN_GOOD:
		if (name != NULL && strcmp(name, agent) != 0)
			answer_error(c, 409, "the code is for %s, and this is "
			    "the home of %.64s; it was not used", agent, name);
		else
			make_bundle(c, agent, code, true);
		break;
	}
	free(agent);
	json_wipe(body);
}

/* --- the token ------------------------------------------------------------ */

/* The agent elsewhere whose token it is; NULL: refused. */
static const char *
caller_elsewhere(struct call *c, struct bundle_state *s)
{
	if (c->caller.is == CALLER_AGENT &&
	    bundle_state(c->rest->ops->engine, c->caller.name, s))
		return c->caller.name;
	answer_error(c, 403, "this is for agents that somebody else runs");
	return NULL;
}

void
post_home(struct call *c)
{
	struct bundle_state now;
	const char *agent = caller_elsewhere(c, &now);
	const char *have;
	struct json *body;
	bool is_running;

	if (agent == NULL || (body = body_object(c)) == NULL)
		return;
	is_running = json_bool(body, "running", true);
	join_report(c->rest->ops, agent, is_running, READY_TTL_MS);
	if (is_running && c->rest->cfg.reported != NULL)
		c->rest->cfg.reported(c->rest->cfg.arg, agent, -1);
	have = json_strd(body, "have", "");
	if (strcmp(have, now.digest) == 0)
		answer_empty(c);
	else
		make_bundle(c, agent, NULL, have[0] == '\0');
	json_free(body);
}

void
post_token(struct call *c)
{
	struct bundle_state now;
	const char *agent = caller_elsewhere(c, &now);
	struct json *o;
	int64_t expires;
	char *token;

	if (agent == NULL)
		return;
	token = join_renew(c->rest->ops, agent, &expires);
	o = json_object();
	json_set_str(o, "token", token);
	json_set_int(o, "token_expires", expires);
	secret_free(token);
	answer_secret(c, 200, o);
}
