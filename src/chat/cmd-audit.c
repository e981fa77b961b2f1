/*
 * audit: who changed what, from the receipts.  audit verify: is the history of the
 * admin room the same as the database's.  audit export: all of it as files.
 */
#include "chat-int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "hiclaw/clock.h"

#include "cmd.h"
#include "proposal.h"
#include "verify.h"

#define SHOWN		15		/* lines: a screen of a phone */
#define LOOKED_AT	10000		/* receipts, for one answer */
#define EXPORTED	100000
#define PROBLEMS_SHOWN	10

/* --- audit ------------------------------------------------------------------ */

struct filter { struct strv words; int64_t since_ms; };
struct listing {
	const struct filter *filter;
	struct text	 text;
	size_t		 n, more;
	int64_t		 last;
};

static bool
names_it(const struct json *list, const char *word)
{
	const struct json *v = json_first(list);

	for (; v != NULL; v = json_next(v))
		if (str_equal(json_str(v, "name"), word) ||
		    str_equal(json_str(json_get(v, "metadata"), "name"), word))
			return true;
	return false;
}

static bool
has_word(const struct json *r, const char *word)
{
	struct strv who = { 0 };
	bool found = strstr(json_strd(r, "actor", ""), word) != NULL ||
	    strstr(json_strd(r, "title", ""), word) != NULL ||
	    names_it(json_get(r, "changed"), word) ||
	    names_it(json_get(r, "before"), word) ||
	    names_it(json_get(r, "deleted"), word);

	approved_list(r, NULL, &who);
	for (size_t i = 0; i < who.n; i++)
		found |= strstr(who.v[i], word) != NULL;
	strv_release(&who);
	return found;
}

static bool
matches(const struct filter *f, const struct json *r)
{
	if (json_int(r, "at", 0) < f->since_ms)
		return false;
	for (size_t i = 0; i < f->words.n; i++)
		if (!has_word(r, f->words.v[i]))
			return false;
	return true;
}

static void
put_approved(const struct json *r, struct text *out)
{
	struct strv who = { 0 };

	approved_list(r, json_str(r, "actor"), &who);
	if (who.n > 0) {
		text_puts(out, ", approved by ");
		put_people(&who, out);
	}
	strv_release(&who);
}

static void
list_one(const struct receipt_row *row, void *arg)
{
	struct listing *l = arg;
	struct err err;
	struct json *r = json_parse(row->content, strlen(row->content), &err);
	char at[24];

	if (r == NULL || !matches(l->filter, r)) {
		json_free(r);
		return;
	}
	if (l->n >= SHOWN) {
		l->more++;
		json_free(r);
		return;
	}
	l->n++;
	l->last = row->seq;
	text_printf(&l->text, "- **%lld** %s · %s · ", (long long)row->seq,
	    clock_utc(json_int(r, "at", 0), at), json_strd(r, "title", ""));
	text_user(&l->text, json_strd(r, "actor", ""));
	put_approved(r, &l->text);
	if (str_equal(json_str(r, "result"), "failed"))
		text_puts(&l->text, " · **failed**");
	text_puts(&l->text, "\n");
	json_free(r);
}

/* "2026-11-26", "3d"; false: it is another word. */
static bool
read_since(const char *word, int64_t *ms)
{
	int64_t back = duration_ms(word);
	struct tm tm = { 0 };
	int n = 0;

	if (back > 0) {
		*ms = clock_ms() - back;
		return true;
	}
	if (sscanf(word, "%4d-%2d-%2d%n", &tm.tm_year, &tm.tm_mon,
	    &tm.tm_mday, &n) != 3 || n < 8 || word[n] != '\0')
		return false;
	tm.tm_year -= 1900;
	tm.tm_mon--;
	*ms = (int64_t)timegm(&tm) * 1000;
	return true;
}

void
cmd_audit(struct request *q)
{
	const struct strv *v = &q->words.v;
	const char *before = words_flag(&q->words, "before");
	int64_t from = before != NULL ? strtoll(before, NULL, 10) : 0;
	struct filter f = { .since_ms = 0 };
	struct listing l = { .filter = &f };

	for (size_t i = 0; i < v->n; i++)
		if (!read_since(v->v[i], &f.since_ms))
			strv_add(&f.words, v->v[i]);
	if (before != NULL && from <= 0) {
		say_usage(q, "--before takes the number of a receipt");
		strv_release(&f.words);
		return;
	}
	store_receipts_back(q->chat->store, from, LOOKED_AT, list_one, &l);
	if (l.n == 0)
		text_puts(&l.text, "Nothing was changed that fits.");
	if (l.more > 0)
		text_printf(&l.text, "- and %zu more: `audit … --before "
		    "%lld`\n", l.more, (long long)l.last);
	say(q, REPLY_INFO, &l.text);
	text_release(&l.text);
	strv_release(&f.words);
}

/* --- audit verify -------------------------------------------------------------- */

struct rows { struct verify_row *v; size_t n; struct store *store; };

static void
keep_row(const struct receipt_row *row, void *arg)
{
	struct rows *rows = arg;

	rows->v = xreallocarray(rows->v, rows->n + 1, sizeof *rows->v);
	rows->v[rows->n++] = (struct verify_row){ .seq = row->seq,
	    .prev = xstrdup(row->prev), .hash = xstrdup(row->hash),
	    .content = xstrdup(row->content),
	    .event = store_outbox_event(rows->store, row->outbox) };
}

static void
rows_release(struct rows *rows)
{
	for (size_t i = 0; i < rows->n; i++) {
		free(rows->v[i].prev);
		free(rows->v[i].hash);
		free(rows->v[i].content);
		free(rows->v[i].event);
	}
	free(rows->v);
}

static void
say_verdict(struct request *q, const struct rows *rows,
    const struct chain_report *d)
{
	struct text t = { 0 };

	if (d->problems.n == 0) {
		text_printf(&t, "**The chain is whole**: %zu receipt%s, each "
		    "the same in the room and in the database", d->proved,
		    d->proved == 1 ? "" : "s");
		if (rows->n > 0)
			text_printf(&t, ", up to `%s`",
			    rows->v[rows->n - 1].hash);
		text_puts(&t, ".\n");
	} else {
		text_printf(&t, "**The chain is broken**, first here:\n");
		for (size_t i = 0; i < d->problems.n && i < PROBLEMS_SHOWN;
		    i++)
			text_printf(&t, "- %s\n", d->problems.v[i]);
		if (d->problems.n > PROBLEMS_SHOWN)
			text_printf(&t, "- and %zu more\n", d->problems.n -
			    PROBLEMS_SHOWN);
		text_printf(&t, "\n%zu of %zu are the same in both.\n",
		    d->proved, rows->n);
	}
	if (d->unsent > 0)
		text_printf(&t, "%zu not sent yet.", d->unsent);
	say(q, d->problems.n == 0 ? REPLY_DONE : REPLY_FAILED, &t);
	text_release(&t);
}

void
cmd_audit_verify(struct request *q)
{
	struct rows rows = { .store = q->chat->store };
	const char *room = admin_room(q->chat);
	struct json *events;
	struct chain_report report;
	struct text t = { 0 };
	struct err err;

	if (q->fetched == NULL && room != NULL) {
		text_puts(&t, "I read the whole history of the admin room …");
		say(q, REPLY_RUNNING, &t);
		text_release(&t);
		*q->what = xstrdup(room);
		q->need = CHAT_NEEDS_HISTORY;
		return;
	}
	if (room == NULL || q->fetched->error != NULL) {
		say_wrong(q, "The history could not be read: %s", room == NULL ?
		    "there is no admin room" : q->fetched->error);
		return;
	}
	events = json_parse(q->fetched->data, q->fetched->len, &err);
	store_receipts_each(q->chat->store, 0, EXPORTED, keep_row, &rows);
	verify_chain(rows.v, rows.n, events, q->chat->bot, &report);
	say_verdict(q, &rows, &report);
	chain_report_release(&report);
	rows_release(&rows);
	json_free(events);
}

/* --- audit export --------------------------------------------------------------- */

struct export { struct buf lines, page; size_t n; struct store *store; };

static const char page_head[] =
    "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width\">\n"
    "<title>HiClaw: who changed what</title>\n<style>\n"
    "body { font: 15px/1.5 system-ui, sans-serif; max-width: 50rem;\n"
    "  margin: 2rem auto; padding: 0 1rem; color-scheme: light dark; }\n"
    "li { border-left: 3px solid #2a9d6e; padding: .2rem 0 .6rem .8rem;\n"
    "  margin: 0 0 .6rem; list-style: none; overflow-wrap: anywhere; }\n"
    "li.failed { border-color: #c0392b; }\n"
    "ol { padding: 0; } small { opacity: .7; }\n"
    "code { font-size: .85em; }\n</style>\n<h1>Who changed what</h1>\n<ol>\n";

static void
html_value(struct buf *b, const char *text)
{
	html_escape(b, text, strlen(text));
}

static void
page_list(struct buf *b, const char *title, const struct json *list)
{
	const struct json *v = json_first(list);

	if (v == NULL)
		return;
	buf_printf(b, "<br>%s", title);
	for (const char *comma = " "; v != NULL; v = json_next(v)) {
		const char *name = json_str(v, "name");

		buf_puts(b, comma);
		if (json_value_str(v) != NULL)
			html_value(b, json_value_str(v));
		else {
			html_value(b, json_strd(v, "kind", ""));
			buf_putc(b, '/');
			html_value(b, name != NULL ? name : json_strd(
			    json_get(v, "metadata"), "name", ""));
		}
		comma = ", ";
	}
	buf_puts(b, "\n");
}

static void
page_one(struct buf *b, const struct json *r)
{
	bool failed = str_equal(json_str(r, "result"), "failed");
	char iso[24];

	buf_printf(b, "<li%s id=\"r%lld\"><b>%lld</b> ", failed ?
	    " class=\"failed\"" : "", (long long)json_int(r, "seq", 0),
	    (long long)json_int(r, "seq", 0));
	html_value(b, json_strd(r, "title", ""));
	buf_printf(b, "%s<br><small>%s</small> by ", failed ? " (failed)" : "",
	    clock_iso(json_int(r, "at", 0), iso));
	html_value(b, json_strd(r, "actor", ""));
	page_list(b, "approved by", json_get(r, "approved"));
	page_list(b, "changed", json_get(r, "changed"));
	page_list(b, "deleted", json_get(r, "deleted"));
	buf_puts(b, "<br><small>plan <code>");
	html_value(b, json_strd(r, "plan", ""));
	buf_puts(b, "</code>, hash <code>");
	html_value(b, json_strd(r, "hash", ""));
	buf_puts(b, "</code></small>\n");
}

static void
export_one(const struct receipt_row *row, void *arg)
{
	struct export *x = arg;
	struct err err;
	struct json *r = json_parse(row->content, strlen(row->content), &err);
	char *event, *line;

	if (r == NULL)
		return;
	x->n++;
	page_one(&x->page, r);
	if ((event = store_outbox_event(x->store, row->outbox)) != NULL)
		json_set_str(r, "event", event);
	line = json_canonical(r);
	buf_printf(&x->lines, "%s\n", line);
	free(line);
	free(event);
	json_free(r);
}

void
cmd_audit_export(struct request *q)
{
	struct export x = { .store = q->chat->store };
	struct text t = { 0 };

	buf_init(&x.lines, (size_t)48 << 20);
	buf_init(&x.page, (size_t)48 << 20);
	buf_puts(&x.page, page_head);
	store_receipts_each(q->chat->store, 0, EXPORTED, export_one, &x);
	buf_puts(&x.page, "</ol>\n</html>\n");
	if (x.lines.overflow || x.page.overflow) {
		say_wrong(q, "That is too much for one file; the database has "
		    "all of it");
	} else {
		text_printf(&t, "%zu receipt%s, as JSON lines and as a page.",
		    x.n, x.n == 1 ? "" : "s");
		say_file(q, &t, "audit.jsonl", "application/x-ndjson",
		    buf_str(&x.lines));
		send_file(q->chat, q->room, 0, "audit.html", "text/html",
		    buf_str(&x.page));
	}
	text_release(&t);
	buf_release(&x.lines);
	buf_release(&x.page);
}
