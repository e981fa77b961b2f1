/*
 * Edits.  A person who mistyped corrects the message and expects that it counts.
 * As long as nothing came of a message, its edit is taken in its place; after
 * that it is only noticed, and its author told so once.
 *
 * So of each message is noted, with its row in the inbox and in the transaction
 * in which that ends:
 *
 *   {"by": who wrote it, "room", "reply_to": event id, or absent,
 *    "heard": was it for us,
 *    "acted": id of the event (its own, or of an edit) of which something came,
 *    or is about to: what waits for an answer from outside; absent: none}
 *
 * An edit is its author's alone, whatever the homeserver lets through, and
 * belongs into the same room.
 */
#include "chat-int.h"

#include <stdlib.h>
#include <string.h>

#include "hiclaw/log.h"

/* --- what is noted ---------------------------------------------------------- */

bool
request_acted(const struct request *q)
{
	if (q->is_done || q->is_waiting)
		return true;
	/* What was asked outside may have been done, whatever we heard of it. */
	return q->is_begun && command_acts(q->command) &&
	    (q->fetched != NULL || !q->is_refused);
}

void
message_note(const struct request *q, enum chat_need need)
{
	struct json *o = q->before != NULL ? json_copy(q->before) :
	    json_object();
	char *note;

	if (q->before == NULL) {
		json_set_str(o, "by", q->sender);
		json_set_str(o, "room", q->room);
		json_set_str(o, "reply_to", q->in.reply_to);
	}
	if (q->is_heard)
		json_set_bool(o, "heard", true);
	json_remove(o, "acted");
	if (need != CHAT_DONE || request_acted(q))
		json_set_str(o, "acted", q->source);
	note = json_canonical(o);
	store_inbox_note(q->chat->store, q->event, note);
	free(note);
	json_free(o);
}

/* --- an edit ------------------------------------------------------------------ */

bool
edit_read(struct request *q)
{
	char *note = store_inbox_noted(q->chat->store, q->in.edit_of);

	q->event = q->in.edit_of;
	if (note == NULL)
		return true;
	q->before = json_must(note);
	free(note);
	if (!str_equal(json_str(q->before, "by"), q->sender) ||
	    !str_equal(json_str(q->before, "room"), q->room)) {
		log_info("chat", "%s: %s edits what is not theirs, or not "
		    "here: passed over", q->room, q->sender);
		return false;
	}
	/* What a message answers stays what it was. */
	if (q->in.reply_to == NULL)
		q->in.reply_to = xstrdup(json_str(q->before, "reply_to"));
	return true;
}

bool
edit_is_heard(const struct request *q)
{
	return json_bool(q->before, "heard", false);
}

struct applied { const char *event; bool found; };

static void
match_applied(const struct run_row *row, void *arg)
{
	struct applied *a = arg;

	a->found |= str_equal(row->command_event, a->event);
}

static bool
was_applied(struct chat *c, const char *event)
{
	struct applied a = { event, false };

	store_runs_each(c->store, false, RUNS_SEARCHED, match_applied, &a);
	return a.found;
}

/*
 * Why it is not taken, or NULL.  A manifest is planned as often as its author
 * likes, until one is applied.
 */
static const char *
why_late(const struct request *q, bool is_withdrawn)
{
	const char *acted = json_str(q->before, "acted");

	if (q->before == NULL)
		return "I do not remember the message that it changes";
	if (q->in.looks)
		return is_withdrawn || !was_applied(q->chat, q->event) ?
		    NULL : "the message was applied already";
	if (is_withdrawn)
		return "what the message said is withdrawn";
	if (acted != NULL && !str_equal(acted, q->source))
		return "I had already done what the message said";
	return NULL;
}

bool
edit_take(struct request *q)
{
	struct chat *c = q->chat;
	bool is_withdrawn = q->before != NULL &&
	    decision_gone(c, q->event, q->sender);
	const char *why;
	char *key;

	is_withdrawn |= proposal_withdraw(c, q->event, q->sender,
	    q->in.looks ? "superseded by your edit." :
	    "withdrawn: its message was edited.");
	if ((why = why_late(q, is_withdrawn)) == NULL)
		return true;
	q->is_late = true;
	key = xasprintf("chat.edited/%s", q->event);
	if (once(c, key, "1"))
		say_template(q, REPLY_INFO, "edited", FILL(V("why", why),
		    V("do", q->in.looks ? "Reply `apply` to it, or paste it "
		    "again." : "Send it as a new message.")));
	free(key);
	return false;
}
