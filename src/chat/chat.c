/*
 * The way in: an event of a room becomes a request, or nothing.  What is for
 * us, who may say it and where is decided here; what it means is decided in
 * dispatch.c.
 *
 * Nothing a person sees is sent without a row in the outbox, and every row is
 * written in the transaction in which the event's own row ends.
 */
#include "chat-int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hiclaw/clock.h"
#include "hiclaw/log.h"
#include "hiclaw/restore.h"

#include "backup.h"
#include "handlers.h"
#include "invocation.h"
#include "refusal.h"
#include "watch.h"

/* --- life ---------------------------------------------------------------- */

/* Whatever is wrong with those of the operator, the program's are there. */
static struct commands *
start_commands(struct chat *c, struct err *e)
{
	struct chat_config own = c->cfg;
	struct commands *cs = chat_commands(&c->cfg, e);

	if (cs != NULL || own.commands_extra == NULL)
		return cs;
	log_error("chat", "chat.commands_extra is left out: %s", e->msg);
	c->commands_wrong = xstrdup(e->msg);
	own.commands_extra = NULL;
	return chat_commands(&own, e);
}

struct chat *
chat_new(struct store *store, struct engine *engine,
    const struct chat_config *cfg, struct err *e)
{
	const struct world_config *wc = engine_world_config(engine);
	struct chat *c = xcalloc(1, sizeof *c);

	c->store = store;
	c->engine = engine;
	c->cfg = *cfg;
	c->ops = (struct ops){ .engine = engine, .store = store,
	    .settled = chat_settled, .arg = c };
	c->bot = bot_user(wc);
	c->name = xstrdup(wc->prefix);
	c->lives = progress_map();
	c->deaths = deaths_map();
	c->fetching = map_new(NULL);
	c->floods = floods_new();
	c->started_ms = clock_ms();
	c->observer = (struct engine_observer){
		.arg = c, .run = progress_run, .drift = news_drift,
		.fight = news_fight, .system = news_system,
		.account_made = password_made, .elsewhere = joining_ready,
		.resource_gone = news_gone,
	};
	c->templates = templates_load(cfg->templates_dir, e);
	if (c->templates != NULL)
		c->commands = start_commands(c, e);
	if (c->commands == NULL) {
		chat_free(c);
		return NULL;
	}
	if ((c->policy = policy_read(cfg->policy, cfg->question_ttl_ms, e)) ==
	    NULL) {
		err_prefix(e, "chat.policy");
		chat_free(c);
		return NULL;
	}
	c->asks = map_new(free);
	c->watch = watch_load(store);
	passwords_load(c);
	return c;
}

const struct policy *
chat_policy(const struct chat *c)
{
	return c->policy;
}

void
chat_free(struct chat *c)
{
	if (c == NULL)
		return;
	map_free(c->lives);
	map_free(c->deaths);
	map_free(c->fetching);
	floods_free(c->floods);
	backup_free(c->backup);
	watch_free(c->watch);
	denial_free(c->denied);
	origins_free(c->origins);
	mending_drop(c);
	map_free(c->asks);
	policy_free(c->policy);
	json_free(c->passwords);
	commands_free(c->commands);
	commands_free(c->commands_before);
	free(c->commands_wrong);
	templates_free(c->templates);
	free(c->bot);
	free(c->name);
	free(c);
}

struct origins *
chat_origins(struct chat *c)
{
	uint64_t now = engine_version(c->engine);

	if (c->origins == NULL || c->origins_version != now) {
		origins_free(c->origins);
		c->origins = origins_new(engine_world_config(c->engine),
		    engine_resources(c->engine));
		c->origins_version = now;
	}
	return c->origins;
}

const struct engine_observer *
chat_observer(struct chat *c)
{
	return &c->observer;
}

void
request_release(struct request *q)
{
	input_release(&q->in);
	words_release(&q->words);
	free(q->manifest);
	repairs_release(&q->repairs);
	free(q->subject);
	json_free(q->before);
}

/* --- rooms people make for us -------------------------------------------- */

static int
tier_of(struct chat *c, const char *user, const struct resource **human)
{
	return person_tier(engine_world_config(c->engine),
	    engine_resources(c->engine), user, human);
}

static bool
may_invite(struct chat *c, const char *sender)
{
	const struct resource *human;

	return is_our_user(engine_world_config(c->engine), sender) ||
	    tier_of(c, sender, &human) > 0;
}

bool
chat_may_invite(struct chat *c, const char *sender)
{
	return may_invite(c, sender) &&
	    (is_our_user(engine_world_config(c->engine), sender) ||
	    flood_take(c->floods, sender, c->cfg.rate, clock_mono_ms()) ==
	    FLOOD_NONE);
}

/*
 * A direct chat that an admin opened needs no address; in any other room they
 * invite us to, people also talk to each other.
 */
static void
invited(struct chat *c, const struct json *event)
{
	const char *room = json_str(event, "room_id");
	const char *sender = json_str(event, "sender");
	const struct json *content = json_get(event, "content");
	bool is_direct = json_bool(content, "is_direct", false);
	char *key;

	if (is_our_user(engine_world_config(c->engine), sender) ||
	    !may_invite(c, sender) ||
	    engine_find(c->engine, room) != NULL)
		return;
	key = xasprintf("chat.%s/%s", is_direct ? "dm" : "guest", room);
	store_kv_set(c->store, key, sender);
	log_info("chat", "%s: invited by %s%s", room, sender,
	    is_direct ? " to talk alone" : "");
	free(key);
}

/* --- messages ------------------------------------------------------------ */

/* The outbox id of the message this replies to, 0 if that is not ours. */
static int64_t
replied_message(struct request *q)
{
	return q->in.reply_to != NULL ?
	    store_outbox_find(q->chat->store, q->in.reply_to) : 0;
}

/* "apply", "undo" or "ignore 2h" as a reply to a message needs no address. */
static bool
is_replied_command(struct request *q)
{
	const struct strv *v = &q->words.raw;

	return q->in.reply_to != NULL && q->command != NULL &&
	    q->command->reply && (v->n == 1 || (v->n == 2 &&
	    duration_ms(v->v[1]) > 0));
}

static bool
is_for_us(struct request *q)
{
	if (q->in.is_addressed || q->where == IN_DM)
		return true;
	/* Of what was: if it is a command still, or something may fall. */
	if (edit_is_heard(q) && (q->command != NULL ||
	    json_str(q->before, "acted") != NULL))
		return true;
	if (q->where != IN_ADMIN)
		return q->where == IN_GUEST && decision_is(q) &&
		    decision_is_open(q, replied_message(q));
	if (q->in.looks || q->in.file_url != NULL || is_replied_command(q))
		return true;
	return decision_is(q) && decision_is_open(q, replied_message(q));
}

/* A decision is heard where commands in general are. */
static bool
is_decision_here(struct request *q)
{
	if (q->tier == 1)
		return q->where == IN_ADMIN || q->where == IN_DM ||
		    q->where == IN_GUEST;
	return q->tier > 0 && q->where == IN_DM &&
	    decision_is_open(q, replied_message(q));
}

/* May this person have it done, here?  What exactly is for dispatch.c. */
static enum gate
gate_of(struct request *q)
{
	const struct command *c = q->command;

	if (decision_is(q) && is_decision_here(q))
		return GATE_OPEN;
	if (c == NULL && (q->in.looks || q->in.file_url != NULL))
		c = commands_find(q->chat->commands, "apply");
	if (c != NULL)
		return request_gate(q, c);
	/* No command: that is said where anything may be asked. */
	if (q->tier == 0)
		return GATE_NOBODY;
	if (q->where == IN_OTHER)
		return GATE_ROOM;
	return q->tier == 1 || q->where == IN_DM || q->subject != NULL ?
	    GATE_OPEN : GATE_TIER;
}

static bool
is_turned_away(struct request *q)
{
	enum gate gate = gate_of(q);

	if (gate == GATE_ROOM)
		people_elsewhere(q);
	else if (gate != GATE_OPEN)
		people_refuse(q);
	return gate != GATE_OPEN;
}

/* More than one person may ask for: said once, then passed over. */
static bool
is_flood(struct request *q)
{
	struct chat *c = q->chat;
	char rate[24];

	switch (flood_take(c->floods, q->sender, c->cfg.rate,
	    clock_mono_ms())) {
	case FLOOD_NONE:
		return false;
	case FLOOD_TELL:
		log_warn("chat", "%s: %s asks too much", q->room, q->sender);
		snprintf(rate, sizeof rate, "%lld", (long long)c->cfg.rate);
		say_template(q, REPLY_REFUSED, "flood", FILL(V("rate", rate),
		    P("who", q->sender)));
		break;
	case FLOOD_SILENT:
		break;
	}
	return true;
}

/* Nothing of a secret goes any further than this. */
static void
seal_secrets(struct request *q, const struct json *event)
{
	const char *near;
	size_t used;
	struct err err;

	if (!pasted_message(q, json_get(event, "content")))
		return;
	words_release(&q->words);
	if (words_split(q->in.line, &q->words, &err) == 0)
		request_match(q, &used, &near);
}

static enum chat_need
take_request(struct request *q, const struct json *event,
    const struct chat_fetched *fetched, char **what)
{
	const char *near;
	size_t used;
	struct err err;

	invocation_take(q->chat->commands, &q->in);
	if (words_split(q->in.line, &q->words, &err) == 0)
		request_match(q, &used, &near);
	if (!is_for_us(q))
		return CHAT_DONE;
	q->is_heard = true;
	if (fetched == NULL && is_flood(q))
		return CHAT_DONE;
	seal_secrets(q, event);
	q->tier = tier_of(q->chat, q->sender, &q->human);
	if (q->in.edit_of != NULL && fetched == NULL && !edit_take(q))
		return CHAT_DONE;
	if (is_turned_away(q))
		return CHAT_DONE;
	if (decision_is(q)) {
		decision_take(q, replied_message(q));
		return CHAT_DONE;
	}
	return dispatch(q, fetched, what);
}

static enum chat_need
take_message(struct chat *c, const struct json *event,
    const struct chat_fetched *fetched, char **what)
{
	struct input_names names = { c->bot, c->name };
	struct request q = { .chat = c };
	enum chat_need need = CHAT_DONE;

	q.room = json_str(event, "room_id");
	q.sender = json_str(event, "sender");
	q.event = q.source = json_str(event, "event_id");
	q.sent_ms = json_int(event, "origin_server_ts", 0);
	request_place(&q);
	if (q.where != IN_NONE)
		input_read(event, &names, &q.in);
	if (q.in.is_message && (q.in.edit_of == NULL || edit_read(&q))) {
		need = take_request(&q, event, fetched, what);
		if (!q.is_late)
			message_note(&q, need);
	}
	request_release(&q);
	return need;
}

/* --- taps and other events ----------------------------------------------- */

static void
take_reaction(struct chat *c, const struct json *event)
{
	const struct json *rel = json_get(json_get(event, "content"),
	    "m.relates_to");
	const char *target = json_str(rel, "event_id");
	const char *key = json_str(rel, "key");
	struct request q = { .chat = c };

	if (!str_equal(json_str(rel, "rel_type"), "m.annotation") ||
	    target == NULL || key == NULL)
		return;
	q.room = json_str(event, "room_id");
	q.sender = json_str(event, "sender");
	q.event = json_str(event, "event_id");
	request_place(&q);
	q.tier = tier_of(c, q.sender, &q.human);
	if (q.where != IN_NONE && flood_take(c->floods, q.sender, c->cfg.rate,
	    clock_mono_ms()) == FLOOD_NONE)
		tap_take(&q, target, key);
	request_release(&q);
}

static void
take_redaction(struct chat *c, const struct json *event)
{
	const char *gone = json_str(event, "redacts");

	if (gone == NULL)
		gone = json_str(json_get(event, "content"), "redacts");
	if (gone == NULL)
		return;
	decision_gone(c, gone, json_str(event, "sender"));
	proposal_withdraw(c, gone, json_str(event, "sender"),
	    "withdrawn: the message was removed.");
}

static void
take_encrypted(struct chat *c, const struct json *event)
{
	const char *room = json_str(event, "room_id");
	enum where where = where_is(c, room, json_str(event, "sender"));

	if (where == IN_ADMIN || where == IN_DM)
		people_encrypted(c, room);
}

enum chat_need
chat_event(struct chat *c, const struct json *event,
    const struct chat_fetched *fetched, char **what)
{
	const char *type = json_strd(event, "type", "");
	const char *sender = json_str(event, "sender");

	*what = NULL;
	if (sender == NULL || json_str(event, "room_id") == NULL ||
	    json_str(event, "event_id") == NULL)
		return CHAT_DONE;
	if (strcmp(type, "m.room.member") == 0) {
		if (str_equal(json_str(event, "state_key"), c->bot))
			invited(c, event);
		return CHAT_DONE;
	}
	if (is_our_user(engine_world_config(c->engine), sender))
		return agent_spoke(c, event, fetched, what);
	if (strcmp(type, "m.room.message") == 0)
		return take_message(c, event, fetched, what);
	if (strcmp(type, "m.reaction") == 0)
		take_reaction(c, event);
	else if (strcmp(type, "m.room.redaction") == 0)
		take_redaction(c, event);
	else if (strcmp(type, "m.room.encrypted") == 0)
		take_encrypted(c, event);
	return CHAT_DONE;
}

/* --- time ---------------------------------------------------------------- */

void
chat_receipt(struct chat *c, const char *room, const char *event,
    const char *user)
{
	passwords_read(c, room, event, user);
}

void
chat_tick(struct chat *c)
{
	int64_t now = clock_ms();

	proposals_tick(c, now);
	passwords_tick(c, now);
	deaths_tick(c, now);
	freeze_watch(c, now);
	backup_tick(c);
	watch_tick(c, now);
}

void
chat_started(struct chat *c, bool is_first, int64_t away_ms)
{
	struct engine_counts counts;
	char objects[32], age[16];
	char *restored = store_kv_get(c->store, RESTORED_KEY);

	if (c->commands_wrong != NULL)
		say_news(c, "commands-broken", FILL(V("what",
		    c->commands_wrong)));
	if (restored != NULL) {
		store_begin(c->store);
		store_kv_set(c->store, RESTORED_KEY, NULL);
		say_news(c, "restored", FILL(V("words", restored)));
		free(restored);
		return;
	}
	if (is_first) {
		say_news(c, "welcome", FILL(V("name", c->name)));
		return;
	}
	proposals_upgraded(c);
	backup_started(c);
	if (away_ms < AWAY_MS)
		return;
	engine_counts(c->engine, &counts);
	snprintf(objects, sizeof objects, "%zu object%s", counts.objects,
	    counts.objects == 1 ? "" : "s");
	say_news(c, "started", FILL(V("away", clock_age(away_ms, age)),
	    V("objects", objects)));
}
