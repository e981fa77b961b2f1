/*
 * Agents that somebody else runs: an admin is told, in a direct chat, the command
 * that gives such an agent its home, once; and who has used it, from where, so
 * that a stolen code is seen.
 */
#include "chat-int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hiclaw/clock.h"
#include "hiclaw/log.h"

#define AGAIN_MS	60000	/* between words about one used code: whoever
				 * has it may show it as often as they like */

/* Who was given the last code of an agent. */
static char *
asker_key(const char *agent)
{
	return xasprintf("chat.join/%s", agent);
}

static void
send_command(struct chat *c, const char *agent, const char *asker,
    const char *room, const char *key, const char *name)
{
	const struct world_config *wc = engine_world_config(c->engine);
	struct text t = { 0 };
	struct secret_telling telling = { .key = key, .name = name,
	    .asker = asker, .room = room, .text = &t,
	    .stays_ms = JOIN_CODE_MS };
	char *mark = xasprintf("{{secret:%s/%s}}", key, name);
	char minutes[32];

	snprintf(minutes, sizeof minutes, "%d", JOIN_CODE_MS / 60000);
	template_fill(c->templates, "join", FILL(V("agent", agent),
	    V("code", mark), V("url", wc->agents.controller_url),
	    V("minutes", minutes)), &t);
	secret_tell(c, &telling);
	text_release(&t);
	free(mark);
}

bool
joining_offer(struct chat *c, const char *agent, const char *asker,
    struct err *e)
{
	const char *room = engine_dm(c->engine, asker);
	char *key, *name, *kv;

	if (room == NULL) {
		err_set(e, ERR_USER, "there is no direct chat with %.128s",
		    asker);
		return false;
	}
	name = join_offer(&c->ops, agent, e);
	if (name == NULL)
		return false;
	key = xasprintf("remote:%s", agent);
	kv = asker_key(agent);
	secret_withdraw(c, key);
	send_command(c, agent, asker, room, key, name);
	store_kv_set(c->store, kv, asker);
	log_info("chat", "%s: a join command goes to %s", agent, asker);
	free(kv);
	free(key);
	free(name);
	return true;
}

/* The engine has everything ready for it. */
void
joining_ready(void *arg, const char *key)
{
	struct chat *c = arg;
	const char *agent = strchr(key, ':') + 1;
	char *asker;
	struct err err;

	store_begin(c->store);
	asker = asker_of(c, key);
	if (asker == NULL)
		log_warn("chat", "%s: nobody may be told how to join", key);
	else if (!joining_offer(c, agent, asker, &err))
		log_warn("chat", "%s: %s", key, err.msg);
	free(asker);
}

/* --- who did -------------------------------------------------------------- */

/* Was it said already a moment ago? */
static bool
was_said(struct chat *c, const char *agent)
{
	char *key = xasprintf("chat.join-again/%s", agent);
	char *text = store_kv_get(c->store, key), now[32];
	bool was = text != NULL &&
	    clock_ms() - strtoll(text, NULL, 10) < AGAIN_MS;

	if (!was) {
		snprintf(now, sizeof now, "%lld", (long long)clock_ms());
		store_kv_set(c->store, key, now);
	}
	free(text);
	free(key);
	return was;
}

static void
log_joined(struct chat *c, const char *key, const char *from, bool is_again)
{
	struct object_view o;
	char *text = xasprintf(is_again ? "a used join code was shown from %s" :
	    "joined from %s", from);

	if (engine_object(c->engine, key, &o) && o.owner[0] != '\0')
		store_log_add(c->store, o.owner, "joined", text);
	free(text);
}

void
chat_joined(void *arg, const char *agent, const char *from, bool is_again)
{
	struct chat *c = arg;
	char *key = xasprintf("remote:%s", agent), *kv = asker_key(agent);
	char *asker, time[24];
	struct reply r = { .state = is_again ? REPLY_REFUSED : REPLY_DONE };
	struct text t = { 0 };
	const char *room;

	store_begin(c->store);
	if (!is_again)
		secret_withdraw(c, key);
	asker = store_kv_get(c->store, kv);
	if (asker == NULL)
		asker = asker_of(c, key);
	if (asker != NULL && (!is_again || !was_said(c, agent)) &&
	    (room = engine_dm(c->engine, asker)) != NULL) {
		log_joined(c, key, from, is_again);
		template_fill(c->templates, is_again ? "join-again" :
		    "joined", FILL(V("agent", agent), V("from", from),
		    V("time", clock_utc(clock_ms(), time))), &t);
		r.mention = asker;
		reply_send(c, room, &r, &t);
		text_release(&t);
	}
	free(asker);
	free(kv);
	free(key);
}
