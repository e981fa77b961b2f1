/*
 * Agents that somebody else runs: codes and tokens.
 *
 *   join:alice    a code that was not used yet
 *   used:alice    one that was
 *   agent:alice   the token that it was exchanged for
 *
 * A code turns from one into the other in one transaction, and the answer leaves
 * after the commit: of two who show it at the same moment one gets the agent.
 */
#include "hiclaw/ops.h"

#include <stdlib.h>
#include <string.h>

#include "hiclaw/clock.h"
#include "hiclaw/log.h"
#include "hiclaw/secure.h"

#define CODE_BYTES	16		/* nobody guesses 2^128 in an hour */
#define TOKEN_BYTES	32
#define TOKEN_LIFE_MS	(36 * 3600000LL)	/* as of containers */
#define USED_MS		(30 * 24 * 3600000LL)	/* a month, to tell a stolen
						 * code from a guess */

static void
put_token(const struct ops *ops, const char *subject, const char *token,
    int64_t life_ms, int64_t overlap_ms)
{
	char sha256[SHA256_HEX];
	struct token_row row = { .sha256 = sha256, .subject = subject,
	    .made_ms = clock_ms() };

	row.expires_ms = row.made_ms + life_ms;
	sha256_hex(token, strlen(token), sha256);
	store_token_put(ops->store, &row, overlap_ms);
}

/* --- codes --------------------------------------------------------------- */

static int
check_elsewhere(const struct ops *ops, const char *agent, struct err *e)
{
	const struct world_config *wc = engine_world_config(ops->engine);
	const struct agent *a;
	struct agents as = { 0 };
	int rv = 0;

	agents_list(wc, engine_resources(ops->engine), &as);
	a = agents_find(&as, agent);
	if (a == NULL)
		rv = agent_missing(ops->engine, agent, e);
	else if (!agent_is_remote(a))
		rv = err_set(e, ERR_USER, "the container of %.64s is ours; "
		    "spec.containerManaged: false gives it to others", agent);
	else if (wc->agents.controller_url == NULL)
		rv = err_set(e, ERR_USER, "agents do not reach this "
		    "controller: agents.controller_url is not set");
	agents_release(&as);
	return rv;
}

char *
join_offer(const struct ops *ops, const char *agent, struct err *e)
{
	char *key = xasprintf("remote:%s", agent), *subject, *code, *part;
	char *name = NULL, *full;

	if (check_elsewhere(ops, agent, e) == -1)
		goto out;
	if (engine_observed(ops->engine, key, "id") == NULL) {
		err_set(e, ERR_USER, "not all is ready yet for %.64s", agent);
		goto out;
	}
	store_begin(ops->store);
	code = rand_hex(CODE_BYTES);
	part = rand_hex(4);
	name = xasprintf("code-%s", part);
	full = xasprintf("%s/%s", key, name);
	subject = xasprintf("join:%s", agent);
	store_secret_put(ops->store, full, code);
	put_token(ops, subject, code, JOIN_CODE_MS, 0);
	secret_free(code);
	free(part);
	free(full);
	free(subject);
out:
	free(key);
	return name;
}

enum join_code
join_code_find(const struct ops *ops, const char *code, char **agent)
{
	char sha256[SHA256_HEX], *subject;
	enum join_code found = JOIN_UNKNOWN;

	*agent = NULL;
	sha256_hex(code, strlen(code), sha256);
	subject = store_token_find(ops->store, sha256, clock_ms());
	if (subject == NULL)
		return JOIN_UNKNOWN;
	if (str_starts(subject, "join:"))
		found = JOIN_GOOD;
	else if (str_starts(subject, "used:"))
		found = JOIN_USED;
	if (found != JOIN_UNKNOWN)
		*agent = xstrdup(strchr(subject, ':') + 1);
	free(subject);
	return found;
}

/* To the object of the agent; takes the event. */
static void
send_event(struct engine *e, const char *key, struct json *event)
{
	const char *handle = engine_observed(e, key, "id");

	if (handle != NULL)
		engine_event(e, handle, event);
	json_free(event);
}

static void
say_joined(const struct ops *ops, const char *agent)
{
	struct json *event = json_object();
	char *key = xasprintf("remote:%s", agent);

	json_set_str(event, "type", "joined");
	json_set_int(event, "at_ms", clock_ms());
	send_event(ops->engine, key, event);
	free(key);
}

char *
join_take(const struct ops *ops, const char *code, const char *agent,
    int64_t *expires_ms)
{
	char sha256[SHA256_HEX], *token, *subject, *whose;
	bool is_good;

	/* The same hash is that of a used code, afterwards. */
	is_good = join_code_find(ops, code, &whose) == JOIN_GOOD &&
	    strcmp(whose, agent) == 0;
	free(whose);
	if (!is_good)
		return NULL;
	store_begin(ops->store);
	sha256_hex(code, strlen(code), sha256);
	store_token_take(ops->store, sha256, clock_ms());
	subject = xasprintf("used:%s", agent);
	put_token(ops, subject, code, USED_MS, USED_MS);
	free(subject);
	token = rand_hex(TOKEN_BYTES);
	subject = xasprintf("agent:%s", agent);
	*expires_ms = clock_ms() + TOKEN_LIFE_MS;
	put_token(ops, subject, token, TOKEN_LIFE_MS, 0);
	free(subject);
	say_joined(ops, agent);
	return token;
}

char *
join_renew(const struct ops *ops, const char *agent, int64_t *expires_ms)
{
	char *token = rand_hex(TOKEN_BYTES);
	char *subject = xasprintf("agent:%s", agent);

	store_begin(ops->store);
	*expires_ms = clock_ms() + TOKEN_LIFE_MS;
	/* The old one ends by itself: this answer may be lost. */
	put_token(ops, subject, token, TOKEN_LIFE_MS, TOKEN_LIFE_MS);
	free(subject);
	return token;
}

/* --- reports ------------------------------------------------------------- */

static void
say_ready(const struct ops *ops, const char *key, bool is_ready,
    int64_t life_ms)
{
	struct json *event = json_object();

	json_set_str(event, "type", is_ready ? "ready" : "unready");
	if (is_ready) {
		json_set_int(event, "until_ms", clock_ms() + life_ms);
		json_set_int(event, "life_ms", life_ms);
	}
	store_begin(ops->store);
	send_event(ops->engine, key, event);
}

void
join_report(const struct ops *ops, const char *agent, bool is_running,
    int64_t life_ms)
{
	char *key = xasprintf("remote:%s", agent);

	say_ready(ops, key, is_running, life_ms);
	free(key);
}
