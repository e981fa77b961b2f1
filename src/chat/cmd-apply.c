/*
 * apply, plan, diff, and a manifest pasted alone: decode, check, plan, and
 * then show, do or ask.  All or nothing.
 */
#include "chat-int.h"

#include <stdlib.h>
#include <string.h>

#include "cmd.h"

#define NOTES_SHOWN	20	/* warnings and repairs in one reply */
#define PLAN_SHOWN	40	/* lines of a dry run: four screens of a phone */

enum mode { MODE_APPLY, MODE_PLAN, MODE_DIFF };

/* What was decoded, with the places for messages. */
struct docs {
	struct resource	**v;
	struct place	 *places;
	size_t		  n;
	struct problems	  problems;
};

static void
docs_release(struct docs *d)
{
	for (size_t i = 0; i < d->n; i++)
		resource_unref(d->v[i]);
	free(d->v);
	free(d->places);
	problems_release(&d->problems);
}

/* --- notes: what was repaired, what is only a warning -------------------- */

void
note_repairs(const struct repairs *log, struct strv *out)
{
	for (size_t i = 0; i < log->n && out->n < NOTES_SHOWN; i++) {
		const struct repair *r = &log->v[i];

		if (r->before != NULL)
			strv_addf(out, "line %d, %s: %s became %s%s", r->line,
			    r->what, r->before, r->after,
			    r->is_value ? " (a value)" : "");
		else if (r->times > 1)
			strv_addf(out, "line %d and %zu more: %s repaired",
			    r->line, r->times - 1, r->what);
		else
			strv_addf(out, "line %d: %s repaired", r->line,
			    r->what);
	}
}

void
note_warnings(const struct problems *ps, struct strv *out)
{
	for (size_t i = 0; i < ps->n && out->n < NOTES_SHOWN; i++) {
		const struct problem *p = &ps->v[i];

		if (!p->is_warning)
			continue;
		if (p->line > 0)
			strv_addf(out, "line %d: %s%s%s", p->line,
			    p->path != NULL ? p->path : "",
			    p->path != NULL ? ": " : "", p->what);
		else
			strv_addf(out, "%s%s%s",
			    p->path != NULL ? p->path : "",
			    p->path != NULL ? ": " : "", p->what);
	}
}

void
notes_text(const struct strv *notes, struct text *out)
{
	if (notes == NULL || notes->n == 0)
		return;
	text_puts(out, "**Notes**\n");
	for (size_t i = 0; i < notes->n; i++)
		text_printf(out, "- %s\n", notes->v[i]);
}

/* --- what is wrong ------------------------------------------------------- */

/* The line itself and a caret below it. */
static void
put_source(const struct problem *p, struct text *out)
{
	struct buf b = { 0 };
	int column = 1;

	buf_printf(&b, "%s\n", p->source);
	for (const char *s = p->source; *s != '\0' && column < p->column; s++) {
		if (((unsigned char)*s & 0xc0) == 0x80)
			continue;
		buf_putc(&b, *s == '\t' ? '\t' : ' ');
		column++;
	}
	if (p->column > 0)
		buf_putc(&b, '^');
	text_pre(out, NULL, buf_str(&b));
	buf_release(&b);
}

/* In words, because a phone cuts long lines of code; the code below it. */
void
put_problem(const struct problem *p, struct text *out)
{
	if (p->line > 0)
		text_printf(out, "**line %d**", p->line);
	else if (p->doc > 0)
		text_printf(out, "**document %d**", p->doc);
	if (p->line > 0 && p->column > 0)
		text_printf(out, ", column %d", p->column);
	if (p->path != NULL)
		text_printf(out, "%s`%s`", p->line + p->doc > 0 ? ": " : "",
		    p->path);
	text_printf(out, "%s%s\n", p->path != NULL || p->line + p->doc > 0 ?
	    ": " : "", p->what);
	if (p->source != NULL && p->source[0] != '\0') {
		put_source(p, out);
		text_puts(out, "\n");
	}
}

static void
put_problems(const struct problems *ps, struct text *out)
{
	for (size_t i = 0; i < ps->n; i++)
		if (!ps->v[i].is_warning)
			put_problem(&ps->v[i], out);
}

static void
say_problems(struct request *q, const struct problems *ps)
{
	struct text block = { 0 }, list = { 0 };
	struct strv notes = { 0 };
	char *count = xasprintf("%zu problem%s:", ps->errors,
	    ps->errors == 1 ? "" : "s");

	put_problems(ps, &block);
	note_repairs(&q->repairs, &notes);
	notes_text(&notes, &list);
	say_template(q, REPLY_REFUSED, "problems", FILL(V("count", count),
	    V("advice", repair_advice(q->manifest)), B("text", &block),
	    B("notes", &list)));
	strv_release(&notes);
	text_release(&list);
	text_release(&block);
	free(count);
}

static void
say_no_manifest(struct request *q)
{
	say_template(q, REPLY_REFUSED, "no-manifest", FILL(
	    V("command", q->command->name), V("usage", q->command->usage)));
}

/* --- showing ------------------------------------------------------------- */

/* diff: each field, then each object with its old and new value. */
static void
show_plan(struct request *q, const char *title, const struct plan *plan,
    const struct strv *notes, enum mode mode)
{
	struct text steps = { 0 }, details = { 0 }, list = { 0 };
	struct strv lines = { 0 };
	char *summary = plan_summary(plan), *line, *whole;

	if (mode == MODE_DIFF) {
		plan_resource_lines(plan, STEPS_THREAD, &lines);
		plan_lines(plan, STEPS_THREAD, &lines);
	} else
		plan_groups(plan, PLAN_SHOWN, NAMES_THREAD, &lines);
	for (size_t i = 0; i < lines.n; i++) {
		line = short_ids(q->chat->engine, lines.v[i]);
		text_printf(&steps, "- %s\n", line);
		free(line);
	}
	whole = put_details(plan, &details);
	notes_text(notes, &list);
	say_template(q, REPLY_INFO, "plan", FILL(V("title", title),
	    V("summary", summary), V("risk", risk_name(plan->risk)),
	    B("steps", &steps), B("details", &details), B("notes", &list)));
	if (whole != NULL)
		send_file(q->chat, q->room, 0, "diff.txt", "text/plain",
		    whole);
	free(whole);
	strv_release(&lines);
	text_release(&steps);
	text_release(&details);
	text_release(&list);
	free(summary);
}

static void
show_or_nothing(struct request *q, const char *title, const struct plan *plan,
    const struct strv *notes, enum mode mode)
{
	struct text list = { 0 };

	if (!plan_is_empty(plan)) {
		show_plan(q, title, plan, notes, mode);
		return;
	}
	notes_text(notes, &list);
	say_template(q, REPLY_INFO, "nothing", FILL(B("notes", &list)));
	text_release(&list);
}

/* Without a manifest: what is not yet as declared. */
static void
show_unsettled(struct request *q, enum mode mode)
{
	struct plan *plan;
	struct strv notes = { 0 };
	char why[256];

	if (request_may(q, VERB_ADMIN, NULL, RISK_NONE, why, sizeof why) ==
	    MAY_NOT) {
		say_may_not(q, why);
		return;
	}
	plan = engine_plan_now(q->chat->engine);
	if (engine_frozen(q->chat->engine) != NULL)
		strv_add(&notes, engine_frozen(q->chat->engine));
	show_or_nothing(q, "What is declared", plan, &notes, mode);
	strv_release(&notes);
	plan_free(plan);
}

/* --- the way of a manifest ----------------------------------------------- */

/* What was repaired is part of what somebody says yes to. */
static void
set_repairs(struct json *action, const struct strv *notes)
{
	struct json *list;

	if (notes->n == 0)
		return;
	list = json_set(action, "repairs", json_array());
	for (size_t i = 0; i < notes->n; i++)
		json_push_str(list, notes->v[i]);
}

static void
plan_docs(struct request *q, struct docs *d, const char *prune,
    enum mode mode)
{
	struct json *action = change_apply_action(d->v, d->n, prune);
	struct strv notes = { 0 };
	struct attempt ch;
	char why[256];
	struct err err;

	note_repairs(&q->repairs, &notes);
	set_repairs(action, &notes);
	if (change_try(q->chat->engine, action, d->places, &ch, &err) == -1) {
		if (ch.problems.errors > 0)
			say_problems(q, &ch.problems);
		else
			say_wrong(q, "%s", err.msg);
		goto out;
	}
	note_warnings(&d->problems, &notes);
	note_warnings(&ch.problems, &notes);
	if (mode != MODE_APPLY && engine_frozen(q->chat->engine) != NULL)
		strv_add(&notes, engine_frozen(q->chat->engine));
	if (mode == MODE_APPLY)
		change_decide(q, action, &ch, &notes);
	else if (request_may_change(q, action, &ch, why, sizeof why) ==
	    MAY_NOT)
		/* What differs would tell what is there. */
		say_may_not(q, why);
	else
		show_or_nothing(q, json_str(action, "title"), ch.plan, &notes,
		    mode);
out:
	strv_release(&notes);
	change_release(&ch);
	json_free(action);
}

/* --prune and --selector belong together. */
static bool
read_prune(struct request *q, const char **prune)
{
	const char *selector = words_flag(&q->words, "selector");
	bool is_asked = words_flag(&q->words, "prune") != NULL;

	*prune = NULL;
	if (!is_asked && selector == NULL)
		return true;
	if (!is_asked)
		say_usage(q, "-l chooses what --prune may delete; without "
		    "--prune it means nothing.");
	else if (selector == NULL || selector[0] == '\0')
		say_usage(q, "--prune deletes what the manifest lacks, so it "
		    "needs -l to say among what.");
	else
		*prune = selector;
	return *prune != NULL;
}

static void
run_mode(struct request *q, enum mode mode)
{
	struct docs d = { 0 };
	const char *prune;

	if (q->words.v.n > 0 && q->doubt == NULL) {
		say_usage(q, "The manifest goes into the lines below, into a "
		    "file or into the message you reply to.");
		return;
	}
	if (!read_prune(q, &prune))
		return;
	/* A yes to that message would do the same again, perhaps much later. */
	if (mode == MODE_APPLY && q->in.manifest == NULL &&
	    q->in.file_url == NULL && q->in.reply_to != NULL)
		proposal_withdraw(q->chat, q->in.reply_to, q->sender,
		    "superseded by your reply.");
	if (q->manifest == NULL) {
		if (mode == MODE_APPLY || prune != NULL)
			say_no_manifest(q);
		else
			show_unsettled(q, mode);
		return;
	}
	if (manifest_decode_places(q->manifest, q->manifest_len, &d.v,
	    &d.places, &d.n, &d.problems) == -1)
		say_problems(q, &d.problems);
	else if (d.n == 0)	/* an empty List; with --prune: everything */
		say_wrong(q, "There is no document in the manifest.");
	else
		plan_docs(q, &d, prune, mode);
	docs_release(&d);
}

void
cmd_apply(struct request *q)
{
	run_mode(q, MODE_APPLY);
}

void
cmd_plan(struct request *q)
{
	run_mode(q, MODE_PLAN);
}

void
cmd_diff(struct request *q)
{
	run_mode(q, MODE_DIFF);
}
