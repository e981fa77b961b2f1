/*
 * Agents that ask: the Manager, and a leader for its own team, may write
 * commands in the rooms they are in, with our name at the beginning of a plain
 * message.  What only reads is answered, by the rules of ops_may for agents;
 * what changes something waits for a person, unless the policy says otherwise.
 * An agent never decides, and never runs commands in a container.
 *
 * Agents write a lot, and may answer each other without end: everything that is
 * not addressed is dropped at the door (chat_hears_agent), and there is a cap.
 */
#include "proposal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hiclaw/clock.h"
#include "hiclaw/log.h"
#include "hiclaw/secure.h"

#include "cmd.h"

#define MINUTE_MS	60000
#define ASKS_MAX	20	/* in a minute, of one agent: a person could not
				 * read more */

/* How much one agent asked in the minute that began then. */
struct asks { int64_t since_ms; int n; };

/* For people only: what decides, and what is of the one who asks. */
static const char *const never[] = {
	"adopt", "approve", "deny", "exec", "hold", "ignore", "macro",
	"reload", "revert", "token", "unhold",
};
/* Their handlers show a plan and go by change_decide themselves. */
static const char *const deciding[] = {
	"apply", "delete", "gateway-grant", "gateway-revoke", "sleep", "wake",
};

/* --- who -------------------------------------------------------------------- */

/* The name of the agent with this account; yours, or NULL. */
static char *
agent_name(struct chat *c, const char *user)
{
	struct agents as = { 0 };
	char *name = NULL;

	agents_list(engine_world_config(c->engine),
	    engine_resources(c->engine), &as);
	for (size_t i = 0; i < as.n && name == NULL; i++)
		if (strcmp(as.v[i].user, user) == 0)
			name = xstrdup(as.v[i].name);
	agents_release(&as);
	return name;
}

void
request_caller(const struct request *q, struct caller *c)
{
	char *name, *subject;

	if (!q->is_agent) {
		caller_person(c, q->sender, q->tier, q->human);
		return;
	}
	memset(c, 0, sizeof *c);
	if ((name = agent_name(q->chat, q->sender)) == NULL)
		return;
	subject = xasprintf("agent:%s", name);
	caller_find(q->chat->engine, subject, c);
	free(subject);
	free(name);
}

void
request_asker(struct request *q)
{
	const struct world_config *wc = engine_world_config(q->chat->engine);
	struct caller c;

	q->is_agent = is_our_user(wc, q->sender);
	if (!q->is_agent) {
		q->tier = person_tier(wc, engine_resources(q->chat->engine),
		    q->sender, &q->human);
		return;
	}
	request_caller(q, &c);
	q->tier = c.is != CALLER_AGENT ? 0 : c.role == AGENT_MANAGER ? 1 :
	    c.role == AGENT_LEADER ? 2 : 0;
	caller_release(&c);
}

/* --- the door ------------------------------------------------------------------ */

bool
chat_hears_agent(const struct chat *c, const struct json *event)
{
	const struct json *content = json_get(event, "content");
	const char *body = json_str(content, "body");
	size_t n = strlen(c->name);

	if (body == NULL ||
	    !str_equal(json_str(event, "type"), "m.room.message") ||
	    !str_equal(json_str(content, "msgtype"), "m.text") ||
	    str_equal(json_str(json_get(content, "m.relates_to"), "rel_type"),
	    "m.replace"))
		return false;
	return (body[0] == '@' || body[0] == '!') &&
	    strncmp(body + 1, c->name, n) == 0 &&
	    strchr(" :,\n\t", body[n + 1]) != NULL;
}

static bool
is_too_much(struct chat *c, const char *user)
{
	struct asks *a = map_find(c->asks, user);
	int64_t now = clock_ms();

	if (a == NULL) {
		a = xcalloc(1, sizeof *a);
		map_set(c->asks, user, a);
	}
	if (now - a->since_ms >= MINUTE_MS || now < a->since_ms)
		*a = (struct asks){ now, 0 };
	if (++a->n == ASKS_MAX + 1)
		log_warn("chat", "%s asks more than %d times a minute; it is "
		    "not heard for the rest of it", user, ASKS_MAX);
	return a->n > ASKS_MAX;
}

/* --- what it asks for ------------------------------------------------------------ */

static bool
is_among(const char *const *names, size_t n, const struct command *c)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(handlers[c->handler].name, names[i]) == 0)
			return true;
	return false;
}

static enum risk
command_risk(const struct command *c)
{
	if (strcmp(c->risk, "delete") == 0)
		return RISK_DELETE;
	switch (handlers[c->handler].verb) {
	case VERB_ADMIN:
		return RISK_CREDENTIAL;
	case VERB_RESTART:
		return RISK_RESTART;
	default:
		return RISK_UPDATE;
	}
}

static struct json *
command_action(const struct request *q, enum risk risk)
{
	struct json *o = json_object(), *show, *list;
	char hash[SHA256_HEX], *text;

	json_set_str(o, "do", "command");
	json_set_str(o, "line", q->in.line);
	json_set_str(o, "title", q->in.line);
	json_set_str(o, "risk", risk_name(risk));
	text = xasprintf("%s\n%s\n%s", q->sender, q->event, q->in.line);
	sha256_hex(text, strlen(text), hash);
	free(text);
	json_set_str(o, "hash", hash);
	show = json_set(o, "show", json_object());
	json_set_str(show, "summary", "1 command to carry out");
	json_set_str(show, "risk", risk_name(risk));
	list = json_set(show, "lines", json_array());
	json_push_str(list, q->in.line);
	json_set(show, "notes", json_array());
	return o;
}

bool
command_waits(struct request *q)
{
	enum risk risk = command_risk(q->command);
	struct policy_rule rule = { 0 };
	struct json *o;
	bool waits;

	proposal_rule_for(q, risk, &rule);
	waits = rule.mode != POLICY_RUN && !q->is_approved;
	if (waits) {
		o = command_action(q, risk);
		proposal_ask(q, o, NULL, NULL, "It is carried out as if "
		    "whoever approves it had typed it.", &rule, 0, NULL);
		json_free(o);
	}
	policy_rule_release(&rule);
	return waits;
}

/* Said, if it may not. */
static bool
may_ask(struct request *q)
{
	enum verb verb = handlers[q->command->handler].verb;
	char why[256];

	if (verb == VERB_EXEC || is_among(never, NELEM(never), q->command)) {
		say_may_not(q, "that is for people, not for agents");
		return false;
	}
	/* What the Manager may not do itself, somebody may do for it. */
	if (request_may(q, verb, NULL, RISK_NONE, why, sizeof why) !=
	    MAY_NOT || (q->tier == 1 && command_acts(q->command)))
		return true;
	say_may_not(q, why);
	return false;
}

static enum chat_need
take_asked(struct request *q, const struct json *content,
    const struct chat_fetched *fetched, char **what)
{
	const char *near;
	size_t used;
	struct err err;

	pasted_message(q, content);
	if (words_split(q->in.line, &q->words, &err) == -1)
		return CHAT_DONE;
	request_match(q, &used, &near);
	if (q->command == NULL)
		return dispatch(q, fetched, what);
	if (!may_ask(q))
		return CHAT_DONE;
	if (command_acts(q->command) && !is_among(deciding, NELEM(deciding),
	    q->command) && command_waits(q))
		return CHAT_DONE;
	return dispatch(q, fetched, what);
}

enum chat_need
agent_spoke(struct chat *c, const struct json *event,
    const struct chat_fetched *fetched, char **what)
{
	struct input_names names = { c->bot, c->name };
	struct request q = { .chat = c };
	enum chat_need need = CHAT_DONE;

	if (!chat_hears_agent(c, event))
		return CHAT_DONE;
	q.room = json_str(event, "room_id");
	q.sender = json_str(event, "sender");
	q.event = q.source = json_str(event, "event_id");
	request_place(&q);
	request_asker(&q);
	if (q.where != IN_NONE && q.tier != 0 &&
	    (fetched != NULL || !is_too_much(c, q.sender)))
		input_read(event, &names, &q.in);
	if (q.in.is_message && q.in.is_addressed && q.in.edit_of == NULL)
		need = take_asked(&q, json_get(event, "content"), fetched,
		    what);
	request_release(&q);
	return need;
}

/* --- approved ----------------------------------------------------------------------- */

void
command_carry_out(struct request *q, const struct proposal *p)
{
	struct chat *c = q->chat;
	bool elsewhere = p->admin_message != 0;
	const char *room = elsewhere ? admin_room(c) : p->room;
	char *event = store_outbox_event(c->store, elsewhere ?
	    p->admin_message : p->message);
	struct request as = { .chat = c, .sender = q->sender,
	    .answer = q->event };
	char *note, *what = NULL;
	struct err err;

	as.room = room != NULL ? room : p->room;
	as.event = event != NULL ? event : q->event;
	request_place(&as);
	as.in.is_message = as.in.is_addressed = as.is_approved = true;
	as.in.line = xstrdup(json_strd(p->action, "line", ""));
	request_asker(&as);
	note = xasprintf("%s: asked by %s, approved by %s (proposal %lld)",
	    as.in.line, p->sender, q->sender, (long long)p->id);
	store_log_add(c->store, p->sender, "command", note);
	log_info("chat", "%s", note);
	if (words_split(as.in.line, &as.words, &err) == -1)
		say_wrong(&as, "%s", err.msg);
	else if (dispatch(&as, NULL, &what) != CHAT_DONE)
		say_wrong(&as, "That has to be asked for directly: it needs an "
		    "answer from outside first.");
	free(what);
	free(note);
	free(event);
	request_release(&as);
}
