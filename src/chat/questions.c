/*
 * Questions: a change that waits for a yes.  The question is bound to the hash
 * of the plan that was shown; with the yes the change is tried again, and when
 * the plan is another one by now, that one is asked about instead.  A question
 * is closed in the same transaction in which its run starts, by the one caller
 * who found it open, so no two answers can start it twice.
 */
#include "chat-int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hiclaw/clock.h"

#define KEY_YES	"\xe2\x9c\x85\xef\xb8\x8f"	/* as Element sends it */
#define KEY_NO	"\xe2\x9d\x8c\xef\xb8\x8f"

/* A row of the store, kept. */
struct question {
	int64_t	 id, message, expires_ms;
	char	*room, *sender, *event, *hash;
	struct json *action;
	struct question *next;
};

static void
question_free(struct question *qn)
{
	if (qn == NULL)
		return;
	free(qn->room);
	free(qn->sender);
	free(qn->event);
	free(qn->hash);
	json_free(qn->action);
	free(qn);
}

static void
question_keep(const struct question_row *row, void *arg)
{
	struct question **list = arg, *qn = xcalloc(1, sizeof *qn);
	struct err err;

	qn->id = row->id;
	qn->message = row->message;
	qn->expires_ms = row->expires_ms;
	qn->room = xstrdup(row->room);
	qn->sender = xstrdup(row->sender);
	qn->event = xstrdup(row->command_event);
	qn->hash = xstrdup(row->plan_hash);
	qn->action = json_parse(row->action, strlen(row->action), &err);
	qn->next = *list;
	*list = qn;
}

/* --- where questions are found ------------------------------------------- */

/*
 * Two ways besides the newest of a sender: by its message (replies, taps) and
 * by the command that led to it (edits).
 */
static char *
message_key(int64_t message)
{
	return xasprintf("chat.question.message/%lld", (long long)message);
}

static char *
event_key(const char *event)
{
	return xasprintf("chat.question.event/%s", event);
}

static void
remember(struct chat *c, int64_t id, int64_t message, const char *event)
{
	char *key = message_key(message), number[32];

	snprintf(number, sizeof number, "%lld", (long long)id);
	store_kv_set(c->store, key, id != 0 ? number : NULL);
	free(key);
	if (event != NULL) {
		key = event_key(event);
		store_kv_set(c->store, key, id != 0 ? number : NULL);
		free(key);
	}
}

static struct question *
find_by_key(struct chat *c, char *key)
{
	char *number = store_kv_get(c->store, key);
	struct question *qn = NULL;

	if (number != NULL)
		store_question_find(c->store, strtoll(number, NULL, 10), NULL,
		    NULL, clock_ms(), question_keep, &qn);
	free(number);
	free(key);
	return qn;
}

/* The open question that the request answers; only the asker's own. */
static struct question *
find_open(struct request *q, int64_t message)
{
	struct question *qn = NULL;

	if (message != 0)
		qn = find_by_key(q->chat, message_key(message));
	else
		store_question_find(q->chat->store, 0, q->room, q->sender,
		    clock_ms(), question_keep, &qn);
	if (qn != NULL && (strcmp(qn->sender, q->sender) != 0 ||
	    strcmp(qn->room, q->room) != 0)) {
		question_free(qn);
		qn = NULL;
	}
	return qn;
}

bool
question_is_open(struct request *q, int64_t message)
{
	struct question *qn = find_open(q, message);
	bool is = qn != NULL;

	question_free(qn);
	return is;
}

/* --- asking -------------------------------------------------------------- */

static void
question_text(struct chat *c, const struct json *action, const char *name,
    const char *why, struct text *out)
{
	const struct json *show = json_get(action, "show");
	struct text steps = { 0 }, notes = { 0 };
	char minutes[32];

	snprintf(minutes, sizeof minutes, "%lld",
	    (long long)(c->cfg.question_ttl_ms + 59999) / 60000);
	put_steps(show, &steps);
	put_notes(show, &notes);
	template_fill(c->templates, name, FILL(
	    V("title", json_str(action, "title")),
	    V("summary", json_str(show, "summary")),
	    V("risk", json_str(show, "risk")),
	    V("why", why), V("minutes", minutes), V("how", why),
	    B("steps", &steps), B("notes", &notes)), out);
	text_release(&steps);
	text_release(&notes);
}

/* So that a tap is enough. */
static void
add_tap(struct chat *c, const char *room, int64_t message, const char *key)
{
	struct json *o = json_object();
	struct outbox_row row = { .room = outbox_room(c, room),
	    .op = OUTBOX_REACT, .target = message };
	char *json;

	json_set_str(o, "key", key);
	row.content = json = json_canonical(o);
	store_outbox_add(c->store, &row);
	free(json);
	json_free(o);
}

void
question_ask(struct request *q, const struct json *action,
    const struct attempt *ch, const struct strv *notes, const char *why,
    bool is_again)
{
	struct chat *c = q->chat;
	struct json *kept = json_copy(action);
	struct reply r = { .event = q->event, .answer = q->answer,
	    .state = REPLY_QUESTION, .mention = q->sender };
	struct question_row row = { .room = q->room, .sender = q->sender,
	    .command_event = q->event, .plan_hash = ch->plan->hash };
	struct text t = { 0 };
	char *json;

	json_set(kept, "show", change_show(c->engine, ch->plan, notes));
	json_set_str(kept, "why", why);
	question_text(c, kept, is_again ? "again" : "question", why, &t);
	row.message = reply_send(c, q->room, &r, &t);
	row.action = json = json_canonical(kept);
	row.asked_ms = clock_ms();
	row.expires_ms = row.asked_ms + c->cfg.question_ttl_ms;
	r.question = store_question_add(c->store, &row);
	/* Now that it has a number, the message says so. */
	reply_update(c, row.message, &r, &t, 0);
	remember(c, r.question, row.message, q->event);
	add_tap(c, q->room, row.message, KEY_YES);
	add_tap(c, q->room, row.message, KEY_NO);
	q->is_answered = true;
	free(json);
	json_free(kept);
	text_release(&t);
}

/* --- answering ----------------------------------------------------------- */

/* Closes it, and the message tells how; false if somebody was faster. */
static bool
question_close(struct chat *c, struct question *qn, const char *word,
    const char *how)
{
	struct reply r = { .event = qn->event, .state = REPLY_QUESTION,
	    .question = qn->id };
	struct text t = { 0 };

	if (!store_question_close(c->store, qn->id, word))
		return false;
	remember(c, 0, qn->message, qn->event);
	question_text(c, qn->action, "answered", how, &t);
	reply_update(c, qn->message, &r, &t, 0);
	text_release(&t);
	return true;
}

/* Yes: the same change against what is declared now. */
static void
carry_out(struct request *q, struct question *qn)
{
	struct attempt ch;
	char why[256];
	struct err err;

	if (change_try(q->chat->engine, qn->action, NULL, &ch, &err) == -1) {
		say_wrong(q, "This cannot be done any more: %s",
		    ch.problems.n > 0 ? ch.problems.v[0].what : err.msg);
	} else if (plan_is_empty(ch.plan)) {
		say_template(q, REPLY_DONE, "nothing", NULL);
	} else if (strcmp(ch.plan->hash, qn->hash) != 0) {
		question_ask(q, qn->action, &ch, NULL,
		    json_str(qn->action, "why"), true);
	} else if (request_may_change(q, qn->action, &ch, why, sizeof why) <
	    MAY_ASK) {
		/* Asked with rights that are gone by now. */
		say_may_not(q, why);
	} else
		change_run(q, qn->action, &ch, NULL);
	change_release(&ch);
}

void
question_answer(struct request *q, int64_t message, bool is_yes)
{
	struct question *qn = find_open(q, message);
	struct request on = { .chat = q->chat, .room = q->room,
	    .sender = q->sender, .answer = q->event, .where = q->where,
	    .tier = q->tier, .human = q->human };
	char *how;

	if (qn == NULL) {
		say_template(q, REPLY_REFUSED, "no-question", NULL);
		return;
	}
	on.event = qn->event;
	how = xasprintf("%s said %s.", q->sender, is_yes ? "yes" : "no");
	if (question_close(q->chat, qn, is_yes ? "yes" : "no", how)) {
		if (is_yes)
			carry_out(&on, qn);
		else
			say_template(&on, REPLY_REFUSED, "declined", NULL);
	}
	free(how);
	question_free(qn);
}

bool
question_withdraw(struct chat *c, const char *event, const char *who,
    const char *how)
{
	struct question *qn = find_by_key(c, event_key(event));
	bool is = qn != NULL && str_equal(qn->sender, who) &&
	    question_close(c, qn, "withdrawn", how);

	question_free(qn);
	return is;
}

void
questions_tick(struct chat *c, int64_t now)
{
	struct question *list = NULL, *qn;

	store_questions_expired(c->store, now, question_keep, &list);
	if (list != NULL)
		store_begin(c->store);
	while ((qn = list) != NULL) {
		list = qn->next;
		question_close(c, qn, "expired",
		    "nobody answered in time, nothing was done.");
		question_free(qn);
	}
}
