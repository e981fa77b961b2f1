/*
 * Changes in a room: shown, done or asked about.  What a change is and how it
 * is tried is in src/ops.
 */
#include "chat-int.h"

#include <ctype.h>
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
	struct strv notes = { 0 };

	v = json_first(json_get(show, "notes"));
	for (; v != NULL; v = json_next(v))
		strv_add(&notes, json_value_str(v));
	notes_text(&notes, out);
	strv_release(&notes);
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
	const struct strv none = { 0 };
	struct buf whole = { 0 };
	bool is_cut = false;
	size_t n = 0;

	for (size_t i = 0; i < plan->steps_n; i++) {
		const struct step *s = &plan->steps[i];
		char *title, *detail;

		if (s->detail == NULL)
			continue;
		title = object_title(s->key);
		/* Files may hold what nobody declared as a secret. */
		detail = mask_secrets(s->detail, &none, true);
		if (whole.len < DETAILS_BYTES)
			buf_printf(&whole, "%s\n%s\n", title, detail);
		if (n++ < DETAILS_SHOWN && out->b.len < REPLY_MAX / 4) {
			text_printf(out, "**%s**\n", title);
			is_cut |= put_detail(detail, out);
		} else
			is_cut = true;
		free(detail);
		free(title);
	}
	if (is_cut)
		return buf_take(&whole);
	buf_release(&whole);
	return NULL;
}

static void
put_all_steps(struct chat *c, const struct plan *plan, struct text *out)
{
	struct strv lines = { 0 };
	char *line;

	plan_groups(plan, STEPS_THREAD, NAMES_THREAD, &lines);
	for (size_t i = 0; i < lines.n && out->b.len < REPLY_MAX / 2; i++) {
		line = short_ids(c->engine, lines.v[i]);
		text_printf(out, "- %s\n", line);
		free(line);
	}
	if (out->b.len >= REPLY_MAX / 2)
		text_puts(out, "...");
	strv_release(&lines);
}

void
send_thread(struct chat *c, const char *room, int64_t message,
    const struct json *show, const struct plan *plan)
{
	struct reply r = { .state = REPLY_INFO, .thread = message };
	struct text steps = { 0 }, details = { 0 }, t = { 0 };
	char *whole = put_details(plan, &details);

	if (json_bool(show, "more", false)) {
		put_all_steps(c, plan, &steps);
		template_fill(c->templates, "steps", FILL(B("steps", &steps),
		    B("details", &details)), &t);
	} else
		text_append(&t, &details);
	if (!text_is_empty(&t))
		reply_send(c, room, &r, &t);
	if (whole != NULL)
		send_file(c, room, message, "diff.txt", "text/plain", whole);
	free(whole);
	text_release(&steps);
	text_release(&details);
	text_release(&t);
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

int64_t
change_run(struct request *q, const struct json *action,
    const struct attempt *ch, const struct strv *notes,
    const struct json *ledger)
{
	struct json *show = change_show(q->chat->engine, ch->plan, notes);
	struct run_request rq = { .actor = q->sender, .room = q->room,
	    .command_event = q->event,
	    .title = json_strd(action, "title", "change"),
	    .ledger = ledger };
	int64_t run;

	if (say_frozen(q)) {
		json_free(show);
		return 0;
	}
	/* Of these everything is said in one line. */
	if (str_equal(json_str(action, "do"), "state"))
		json_set_bool(show, "brief", true);
	run = change_start(&q->chat->ops, ch, show, q->answer, &rq);
	if (run != 0)
		progress_begin(q, run, rq.title, show, ch->plan);
	json_free(show);
	return run;
}

/* Why its asker has to confirm what would run at once, or NULL. */
static const char *
why_confirm(const struct request *q)
{
	return q->repairs.has_value ? "Values were repaired, so I ask." :
	    q->doubt;
}

/* "a change of risk ..." as a sentence of its own. */
static void
make_sentence(char *why, size_t size)
{
	size_t n = strlen(why);

	if (n == 0)
		return;
	why[0] = (char)toupper((unsigned char)why[0]);
	if (strchr(".!?", why[n - 1]) == NULL && n + 1 < size)
		str_copy(why + n, ".", size - n);
}

static void
say_nothing_to_do(struct request *q, const struct strv *notes)
{
	struct text list = { 0 };

	notes_text(notes, &list);
	say_template(q, REPLY_DONE, "nothing", FILL(B("notes", &list)));
	text_release(&list);
}

static bool
may_hear_of(struct request *q, const struct json *action,
    const struct attempt *ch, char *why, size_t size)
{
	struct target t;

	if (str_equal(json_str(action, "do"), "state"))
		return true;
	for (size_t i = 0; i < ch->put_n; i++) {
		target_find(engine_resources(q->chat->engine),
		    ch->put[i]->kind, ch->put[i]->name, &t);
		if (request_may(q, VERB_GET, &t, RISK_NONE, why, size) ==
		    MAY_NOT)
			return false;
	}
	return true;
}

void
change_decide(struct request *q, const struct json *action,
    const struct attempt *ch, const struct strv *notes)
{
	struct policy_rule rule = { 0 };
	char why[256] = "";

	if (plan_is_empty(ch->plan)) {
		/* That it is so already is for who may read it. */
		if (may_hear_of(q, action, ch, why, sizeof why))
			say_nothing_to_do(q, notes);
		else
			say_may_not(q, why);
		return;
	}
	if (request_may_change(q, action, ch, why, sizeof why) == MAY_NOT) {
		say_may_not(q, why);
		return;
	}
	if (say_frozen(q))
		return;
	make_sentence(why, sizeof why);
	proposal_rule(q, action, ch, &rule);
	if (rule.mode == POLICY_RUN && why_confirm(q) != NULL) {
		rule.mode = POLICY_CONFIRM;
		rule.ttl_ms = q->chat->cfg.question_ttl_ms;
		str_copy(why, why_confirm(q), sizeof why);
	} else if (rule.mode == POLICY_CONFIRM &&
	    change_risk(action, ch) == RISK_DELETE)
		str_copy(why, "What is deleted does not come back.",
		    sizeof why);
	if (rule.mode == POLICY_RUN)
		change_run(q, action, ch, notes, NULL);
	else
		proposal_ask(q, action, ch, notes, why[0] != '\0' ? why :
		    NULL, &rule, 0, NULL);
	policy_rule_release(&rule);
}
