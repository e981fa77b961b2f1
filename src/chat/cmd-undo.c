/*
 * history, rollback, undo: back to what was declared once.  A change like any
 * other, planned against what is there now.
 */
#include "chat-int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hiclaw/clock.h"

#include "cmd.h"

#define REVISIONS_SHOWN	20
#define FIELDS_SHOWN	6
#define LOOKED_AT	10000	/* receipts, for the one that is meant */

/* --- the words ---------------------------------------------------------------- */

/* KIND NAME of a resource that the asker may see: a member is in its Team.  The
 * name is yours; NULL: that was said. */
static char *
take_name(struct request *q, size_t *at, const struct kind **kind)
{
	const char *word;
	struct target t;
	char why[256];
	struct err err;

	if (read_name(q, &q->words.v, at, kind, &word, &err) == -1) {
		say_usage(q, err.msg);
		return NULL;
	}
	target_find(engine_resources(q->chat->engine), *kind, word, &t);
	if (t.team != NULL) {
		*kind = t.team->kind;
		word = t.team->name;
	}
	if (t.resource == NULL)		/* what is deleted has a history */
		t = (struct target){ .kind = *kind, .name = word };
	if (request_may(q, VERB_GET, &t, RISK_NONE, why, sizeof why) !=
	    MAY_NOT)
		return xstrdup(word);
	say_may_not(q, why);
	return NULL;
}

/* --- history -------------------------------------------------------------------- */

struct history {
	struct text	 text;
	struct json	*newer;		/* spec of the line before */
	struct buf	 line;		/* that line, its fields not yet known */
	size_t		 n, more;
};

/* The fields that differ, as they are named in a manifest. */
static void
put_fields(struct history *h, const struct json *older)
{
	const struct json *v;
	size_t n = 0;

	for (v = json_first(h->newer); v != NULL; v = json_next(v))
		if (!json_equal(v, json_get(older, json_key(v))) &&
		    n++ < FIELDS_SHOWN)
			text_printf(&h->text, "%s`%s`", n > 1 ? ", " : ": ",
			    json_key(v));
	for (v = json_first(older); v != NULL; v = json_next(v))
		if (json_get(h->newer, json_key(v)) == NULL &&
		    n++ < FIELDS_SHOWN)
			text_printf(&h->text, "%s`%s` taken away",
			    n > 1 ? ", " : ": ", json_key(v));
	if (n > FIELDS_SHOWN)
		text_printf(&h->text, " and %zu more", n - FIELDS_SHOWN);
}

static void
end_line(struct history *h, const struct json *older)
{
	if (h->n > 0 && h->newer != NULL && older != NULL)
		put_fields(h, older);
	if (h->n > 0)
		text_puts(&h->text, "\n");
	json_free(h->newer);
	h->newer = NULL;
}

static void
history_one(const struct revision_row *r, void *arg)
{
	struct history *h = arg;
	struct json *spec = NULL;
	char age[16];
	struct err err;

	if (r->spec != NULL)
		spec = json_parse(r->spec, strlen(r->spec), &err);
	end_line(h, spec);
	if (h->n == REVISIONS_SHOWN) {
		h->more++;
		json_free(spec);
		return;
	}
	h->n++;
	text_printf(&h->text, "- **%lld** %s ago by ", (long long)r->revision,
	    clock_age(clock_ms() - r->at_ms, age));
	if (r->actor[0] == '@')
		text_user(&h->text, r->actor);
	else
		text_value(&h->text, r->actor[0] != '\0' ? r->actor :
		    "the program");
	if (spec == NULL)
		text_puts(&h->text, ": deleted");
	h->newer = spec;
}

void
cmd_history(struct request *q)
{
	struct history h = { .n = 0 };
	const struct kind *kind;
	size_t at = 0;
	char *name = take_name(q, &at, &kind);

	if (name == NULL)
		return;
	text_printf(&h.text, "**%s/%s**, newest first:\n", kind->name, name);
	store_revisions_each(q->chat->store, kind->name, name,
	    REVISIONS_SHOWN + 1, history_one, &h);
	end_line(&h, NULL);
	if (h.n == 0)
		say_wrong(q, "There never was a %s/%s", kind->name, name);
	else {
		if (h.more > 0)
			text_puts(&h.text, "- and older ones\n");
		text_printf(&h.text, "\n`rollback %s %s NUMBER` goes back to "
		    "one.", kind->singular, name);
		say(q, REPLY_INFO, &h.text);
	}
	text_release(&h.text);
	free(name);
}

/* --- going back ------------------------------------------------------------------ */

struct found { const struct kind *kind; char *name; struct json *doc; bool is; };

static void
found_one(const struct revision_row *r, void *arg)
{
	struct found *f = arg;
	struct json *metadata, *spec;
	struct err err;

	f->is = true;
	f->kind = kind_find(r->kind);
	f->name = xstrdup(r->name);
	if (r->spec == NULL || f->kind == NULL)
		return;
	metadata = json_parse(r->metadata, strlen(r->metadata), &err);
	spec = json_parse(r->spec, strlen(r->spec), &err);
	if (metadata != NULL && spec != NULL) {
		struct resource *res = resource_new(f->kind, metadata, spec);

		f->doc = resource_json(res);
		resource_unref(res);
	} else {
		json_free(metadata);
		json_free(spec);
	}
}

static void
found_release(struct found *f)
{
	free(f->name);
	json_free(f->doc);
	memset(f, 0, sizeof *f);
}

static void
decide(struct request *q, const struct json *action, const struct strv *notes)
{
	struct attempt ch;
	struct err err;

	if (change_try(q->chat->engine, action, NULL, &ch, &err) == -1)
		say_wrong(q, "It cannot be taken back: %s", ch.problems.n > 0 ?
		    ch.problems.v[0].what : err.msg);
	else
		change_decide(q, action, &ch, notes);
	change_release(&ch);
}

static struct json *
back_action(const char *title)
{
	struct json *o = json_object();

	json_set_str(o, "do", "apply");
	json_set_str(o, "title", title);
	json_set(o, "docs", json_array());
	json_set(o, "drop", json_array());
	return o;
}

void
cmd_rollback(struct request *q)
{
	const struct strv *v = &q->words.v;
	struct found f = { .is = false };
	struct strv notes = { 0 };
	struct json *action;
	const struct kind *kind;
	size_t at = 0;
	char *name = take_name(q, &at, &kind), *title, *end = NULL;
	int64_t revision;

	if (name == NULL)
		return;
	revision = at < v->n ? strtoll(v->v[at] + (v->v[at][0] == '#'), &end,
	    10) : 0;
	if (revision <= 0 || *end != '\0' || at + 1 < v->n) {
		say_usage(q, "to which revision? `history` lists them");
		free(name);
		return;
	}
	store_revision_get(q->chat->store, revision, found_one, &f);
	if (!f.is || f.kind != kind || strcmp(f.name, name) != 0)
		say_wrong(q, "%s/%s has no revision %lld; `history %s %s` lists "
		    "them", kind->name, name, (long long)revision,
		    kind->singular, name);
	else if (f.doc == NULL)
		say_wrong(q, "In revision %lld it was deleted; `delete %s %s` "
		    "does that", (long long)revision, kind->singular, name);
	else {
		title = xasprintf("rollback %s/%s to %lld", kind->name, name,
		    (long long)revision);
		action = back_action(title);
		json_push(json_get(action, "docs"), json_copy(f.doc));
		decide(q, action, &notes);
		json_free(action);
		free(title);
	}
	found_release(&f);
	free(name);
}

/* --- undo ------------------------------------------------------------------------ */

/* The receipt that is meant: by its number, its message, or its run. */
struct meant { int64_t seq, outbox, run; struct json *receipt; };

static void
meant_one(const struct receipt_row *row, void *arg)
{
	struct meant *m = arg;
	struct err err;
	struct json *r;

	if (m->receipt != NULL || (m->seq != 0 && row->seq != m->seq) ||
	    (m->outbox != 0 && row->outbox != m->outbox))
		return;
	r = json_parse(row->content, strlen(row->content), &err);
	if (r != NULL && (m->run == 0 || json_int(r, "run", 0) == m->run))
		m->receipt = r;
	else
		json_free(r);
}

static void
find_meant(struct request *q, struct meant *m)
{
	if (m->seq != 0)
		store_receipts_each(q->chat->store, m->seq, 1, meant_one, m);
	else
		store_receipts_back(q->chat->store, 0, LOOKED_AT, meant_one,
		    m);
}

/* The copy of a receipt in the room where it was asked: our own event says of
 * which run it is. */
static int64_t
run_of_reply(struct request *q)
{
	struct json *event;
	int64_t run = 0;
	struct err err;

	if (q->fetched == NULL) {
		*q->what = xstrdup(q->in.reply_to);
		q->need = CHAT_NEEDS_EVENT;
		return 0;
	}
	if (q->fetched->error != NULL)
		return 0;
	event = json_parse(q->fetched->data, q->fetched->len, &err);
	if (event != NULL && str_equal(json_str(event, "sender"),
	    q->chat->bot))
		run = json_int(json_get(json_get(event, "content"),
		    "io.hiclaw.receipt"), "run", 0);
	json_free(event);
	return run;
}

/* False: it is not known yet, or that was said. */
static bool
take_receipt(struct request *q, struct meant *m)
{
	const char *word = q->words.v.n > 0 ? q->words.v.v[0] : NULL;
	char *end = NULL;

	if (word != NULL) {
		m->seq = strtoll(word + (*word == '#'), &end, 10);
		if (m->seq <= 0 || *end != '\0' || q->words.v.n > 1) {
			say_usage(q, "which one? `audit` shows the numbers");
			return false;
		}
		find_meant(q, m);
		if (m->receipt == NULL)
			say_wrong(q, "There is no receipt %lld", (long long)
			    m->seq);
		return m->receipt != NULL;
	}
	if (q->in.reply_to == NULL) {
		say_usage(q, "as a reply to a receipt, or with its number");
		return false;
	}
	m->outbox = store_outbox_find(q->chat->store, q->in.reply_to);
	if (m->outbox != 0)
		find_meant(q, m);
	if (m->receipt == NULL && m->outbox != 0) {
		m->outbox = 0;
		m->run = run_of_reply(q);
		if (q->need != CHAT_DONE)
			return false;
		if (m->run != 0)
			find_meant(q, m);
	}
	if (m->receipt == NULL)
		say_wrong(q, "That is no receipt of mine: reply to the message "
		    "that says a change is done");
	return m->receipt != NULL;
}

/* Who changed it after this receipt did: that goes as well. */
struct later { const struct json *receipt; const char *actor; int64_t at, n; };

static void
later_one(const struct revision_row *r, void *arg)
{
	struct later *l = arg;

	if (r->at_ms > l->at)
		l->n++;
}

static void
note_later(struct request *q, const struct json *receipt, const char *kind,
    const char *name, struct strv *notes)
{
	struct later l = { .at = json_int(receipt, "at", 0) };

	store_revisions_each(q->chat->store, kind, name, 100, later_one, &l);
	if (l.n > 0)
		strv_addf(notes, "%s/%s was changed %lld time%s since; that is "
		    "taken back as well", kind, name, (long long)l.n,
		    l.n == 1 ? "" : "s");
}

/* False: a revision is not there any more; said. */
static bool
put_back(struct request *q, const struct json *receipt, struct json *action,
    struct strv *notes)
{
	const struct json *v = json_first(json_get(receipt, "before"));

	for (; v != NULL; v = json_next(v)) {
		const char *kind = json_strd(v, "kind", "");
		const char *name = json_strd(v, "name", "");
		int64_t revision = json_int(v, "revision", 0);
		struct found f = { .is = false };

		note_later(q, receipt, kind, name, notes);
		if (revision == 0) {
			struct json *o = json_push(json_get(action, "drop"),
			    json_object());

			json_set_str(o, "kind", kind);
			json_set_str(o, "name", name);
			continue;
		}
		store_revision_get(q->chat->store, revision, found_one, &f);
		if (f.doc != NULL)
			json_push(json_get(action, "docs"), json_copy(f.doc));
		found_release(&f);
	}
	if (json_size(json_get(action, "docs")) + json_size(json_get(action,
	    "drop")) == json_size(json_get(receipt, "before")))
		return true;
	say_wrong(q, "What was declared before it is not known any more");
	return false;
}

void
cmd_undo(struct request *q)
{
	struct meant m = { 0 };
	struct strv notes = { 0 };
	struct json *action;
	char *title;

	if (!take_receipt(q, &m))
		return;
	title = xasprintf("undo %lld (%s)", (long long)json_int(m.receipt,
	    "seq", 0), json_strd(m.receipt, "title", ""));
	action = back_action(title);
	if (json_size(json_get(m.receipt, "before")) == 0)
		say_wrong(q, "Receipt %lld declares nothing that could be taken "
		    "back", (long long)json_int(m.receipt, "seq", 0));
	else if (put_back(q, m.receipt, action, &notes))
		decide(q, action, &notes);
	strv_release(&notes);
	json_free(action);
	json_free(m.receipt);
	free(title);
}
