/*
 * Changes in a room: shown, done or asked about.  What a change is and how it
 * is tried is in src/ops.
 */
#include "chat-int.h"

#include <stdlib.h>
#include <string.h>

/* --- showing it ---------------------------------------------------------- */

void
put_steps(const struct json *show, struct text *out)
{
	const struct json *v;

	v = json_first(json_get(show, "lines"));
	for (; v != NULL; v = json_next(v))
		text_printf(out, "- %s\n", json_value_str(v));
}

void
put_notes(const struct json *show, struct text *out)
{
	const struct json *v;

	v = json_first(json_get(show, "notes"));
	for (; v != NULL; v = json_next(v))
		text_printf(out, "- %s\n", json_value_str(v));
}

/* Each line cut, so that one long line does not fill the message. */
static bool
put_detail(const char *detail, struct text *out)
{
	struct buf b = { 0 };
	bool is_cut = false;
	size_t n, shown;

	for (; *detail != '\0'; detail += n + (detail[n] == '\n')) {
		n = strcspn(detail, "\n");
		shown = n <= DETAIL_WIDTH ? n :
		    utf8_prefix(detail, DETAIL_WIDTH);
		buf_add(&b, detail, shown);
		buf_puts(&b, shown < n ? "...\n" : "\n");
		is_cut |= shown < n;
	}
	text_pre(out, "diff", buf_str(&b));
	buf_release(&b);
	return is_cut;
}

char *
put_details(const struct plan *plan, struct text *out)
{
	struct buf whole = { 0 };
	bool is_cut = false;
	size_t n = 0;

	for (size_t i = 0; i < plan->steps_n; i++) {
		const struct step *s = &plan->steps[i];
		char *title;

		if (s->detail == NULL)
			continue;
		title = object_title(s->key);
		if (whole.len < DETAILS_BYTES)
			buf_printf(&whole, "%s\n%s\n", title, s->detail);
		if (n++ < DETAILS_SHOWN && out->b.len < REPLY_MAX / 4) {
			text_printf(out, "**%s**\n", title);
			is_cut |= put_detail(s->detail, out);
		} else
			is_cut = true;
		free(title);
	}
	if (is_cut)
		return buf_take(&whole);
	buf_release(&whole);
	return NULL;
}

/* --- doing it ------------------------------------------------------------ */

void
chat_settled(void *arg, const struct run_request *rq, const char *plan_hash)
{
	struct ending end = { .actor = rq->actor, .room = rq->room,
	    .event = rq->command_event, .title = rq->title,
	    .plan_hash = plan_hash, .resources = rq->resources };

	receipt_send(arg, &end);
}

void
change_run(struct request *q, const struct json *action,
    const struct attempt *ch, const struct strv *notes)
{
	struct json *show = change_show(q->chat->engine, ch->plan, notes);
	struct run_request rq = { .actor = q->sender, .room = q->room,
	    .command_event = q->event,
	    .title = json_strd(action, "title", "change") };
	int64_t run;

	if (say_frozen(q)) {
		json_free(show);
		return;
	}
	/* Of these everything is said in one line. */
	if (str_equal(json_str(action, "do"), "state"))
		json_set_bool(show, "brief", true);
	run = change_start(&q->chat->ops, ch, show, q->answer, &rq);
	if (run != 0)
		progress_begin(q, run, rq.title, show, ch->plan);
	json_free(show);
}

/* Why to ask first, or NULL. */
static const char *
why_ask(const struct request *q, enum may may)
{
	if (may == MAY_ASK)
		return "What is deleted does not come back.";
	return q->repairs.has_value ? "Values were repaired, so I ask." :
	    q->doubt;
}

void
change_decide(struct request *q, const struct json *action,
    const struct attempt *ch, const struct strv *notes)
{
	struct text list = { 0 };
	const char *ask;
	char why[256];
	enum may may;

	if (plan_is_empty(ch->plan)) {
		for (size_t i = 0; i < notes->n; i++)
			text_printf(&list, "- %s\n", notes->v[i]);
		say_template(q, REPLY_DONE, "nothing", FILL(B("notes",
		    &list)));
		text_release(&list);
		return;
	}
	may = request_may_change(q, action, ch, why, sizeof why);
	if (may >= MAY_ASK && say_frozen(q))
		return;
	ask = why_ask(q, may);
	if (may < MAY_ASK)
		say_may_not(q, why);
	else if (ask != NULL)
		question_ask(q, action, ch, notes, ask, false);
	else
		change_run(q, action, ch, notes);
}
