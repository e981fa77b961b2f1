/* See verify.h.  What each receipt is, is said in receipt.c. */
#include "verify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hiclaw/secure.h"

/* A problem, and the receipt that it is of: the first is named first. */
struct problem_at { int64_t seq; size_t order; char *text; };
struct proof {
	const struct verify_row	*rows;
	size_t			 n;
	const char		*bot;
	struct map		*events;	/* id -> event */
	struct map		*edits;		/* id -> the event that edits it */
	struct problem_at	*v;
	size_t			 v_n;
};

static void PRINTF(3, 4)
add(struct proof *p, int64_t seq, const char *fmt, ...)
{
	va_list ap;
	char *text;

	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	p->v = xreallocarray(p->v, p->v_n + 1, sizeof *p->v);
	p->v[p->v_n] = (struct problem_at){ seq, p->v_n, text };
	p->v_n++;
}

static int
problem_cmp(const void *a, const void *b)
{
	const struct problem_at *x = a, *y = b;

	if (x->seq != y->seq)
		return x->seq < y->seq ? -1 : 1;
	return x->order < y->order ? -1 : 1;
}

void
receipt_hash(const struct json *receipt, char out[SHA256_HEX])
{
	struct json *o = json_copy(receipt);
	char *text;

	json_remove(o, "hash");
	text = json_canonical(o);
	sha256_hex(text, strlen(text), out);
	free(text);
	json_free(o);
}

/* --- in the database -------------------------------------------------------- */

static void
check_row(struct proof *p, size_t i)
{
	const struct verify_row *r = &p->rows[i];
	int64_t before = i > 0 ? p->rows[i - 1].seq : 0;
	const char *prev = i > 0 ? p->rows[i - 1].hash : "";
	char hash[SHA256_HEX];
	struct json *o;
	struct err err;

	for (int64_t seq = before + 1; seq < r->seq && seq < before + 10;
	    seq++)
		add(p, seq, "receipt %lld is missing in the database",
		    (long long)seq);
	o = json_parse(r->content, strlen(r->content), &err);
	if (o == NULL) {
		add(p, r->seq, "receipt %lld cannot be read in the database",
		    (long long)r->seq);
		return;
	}
	receipt_hash(o, hash);
	if (strcmp(hash, r->hash) != 0 || !str_equal(json_str(o, "hash"),
	    r->hash) || json_int(o, "seq", -1) != r->seq)
		add(p, r->seq, "receipt %lld was changed in the database: its "
		    "hash is not that of what it says", (long long)r->seq);
	else if (r->seq == before + 1 && (strcmp(prev, r->prev) != 0 ||
	    !str_equal(json_str(o, "prev"), r->prev)))
		add(p, r->seq, "receipt %lld does not follow on receipt %lld "
		    "in the database", (long long)r->seq, (long long)before);
	json_free(o);
}

/* --- in the room -------------------------------------------------------------- */

static const struct verify_row *
row_of(const struct proof *p, int64_t seq)
{
	for (size_t lo = 0, hi = p->n; lo < hi;) {
		size_t mid = lo + (hi - lo) / 2;

		if (p->rows[mid].seq == seq)
			return &p->rows[mid];
		if (p->rows[mid].seq < seq)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

/* Newest first: the last that is put under a key is the oldest. */
static void
sort_events(struct proof *p, const struct json *events)
{
	const struct json *v = json_first(events);

	for (; v != NULL; v = json_next(v)) {
		const char *id = json_str(v, "id");
		const char *of = json_str(v, "replaces");

		if (id == NULL || json_str(v, "sender") == NULL)
			continue;
		map_set(p->events, id, (void *)(uintptr_t)v);
		if (of != NULL)
			map_set(p->edits, of, (void *)(uintptr_t)v);
	}
}

/* Receipts in the room that no row knows. */
static void
check_event(struct proof *p, const struct json *v)
{
	const struct json *receipt = json_get(v, "receipt");
	int64_t seq = json_int(receipt, "seq", 0);
	const char *id = json_str(v, "id"), *sender = json_str(v, "sender");
	const struct verify_row *r;

	if (id == NULL || sender == NULL || !json_is(receipt, JSON_OBJECT))
		return;
	if (strcmp(sender, p->bot) != 0) {
		add(p, seq, "a receipt %lld was put into the room by %s, event "
		    "%s", (long long)seq, sender, id);
		return;
	}
	/* A copy of one that was asked for elsewhere has no number. */
	if (json_str(v, "replaces") != NULL || seq <= 0)
		return;
	r = row_of(p, seq);
	if (r == NULL)
		add(p, seq, "receipt %lld is in the room, event %s, and not in "
		    "the database", (long long)seq, id);
	else if (r->event != NULL && strcmp(r->event, id) != 0)
		add(p, seq, "receipt %lld is in the room a second time, event "
		    "%s; the database knows %s", (long long)seq, id, r->event);
}

/* True if all of it is well. */
static bool
check_sent(struct proof *p, const struct verify_row *r)
{
	const struct json *v = map_find(p->events, r->event), *edit;
	char *text;
	bool same;

	if (v == NULL) {
		add(p, r->seq, "receipt %lld is missing in the room: there is "
		    "no event %s", (long long)r->seq, r->event);
		return false;
	}
	if (json_str(v, "redacted_by") != NULL) {
		add(p, r->seq, "receipt %lld was removed from the room by %s, "
		    "event %s", (long long)r->seq, json_str(v, "redacted_by"),
		    r->event);
		return false;
	}
	if (strcmp(json_str(v, "sender"), p->bot) != 0) {
		add(p, r->seq, "receipt %lld was sent by %s, event %s",
		    (long long)r->seq, json_str(v, "sender"), r->event);
		return false;
	}
	if ((edit = map_find(p->edits, r->event)) != NULL) {
		add(p, r->seq, "receipt %lld, event %s, was edited by %s, "
		    "event %s", (long long)r->seq, r->event, json_strd(edit,
		    "sender", "?"), json_strd(edit, "id", "?"));
		return false;
	}
	text = json_canonical(json_get(v, "receipt"));
	same = json_get(v, "receipt") != NULL && strcmp(text, r->content) == 0;
	free(text);
	if (!same)
		add(p, r->seq, "receipt %lld says something else in the room, "
		    "event %s, than in the database", (long long)r->seq,
		    r->event);
	return same;
}

void
verify_chain(const struct verify_row *rows, size_t n,
    const struct json *events, const char *bot, struct chain_report *out)
{
	struct proof p = { .rows = rows, .n = n, .bot = bot,
	    .events = map_new(NULL), .edits = map_new(NULL) };
	const struct json *v;

	memset(out, 0, sizeof *out);
	sort_events(&p, events);
	for (size_t i = 0; i < n; i++) {
		size_t before = p.v_n;

		check_row(&p, i);
		if (rows[i].event == NULL)
			out->unsent++;
		else if (check_sent(&p, &rows[i]) && p.v_n == before)
			out->proved++;
	}
	for (v = json_first(events); v != NULL; v = json_next(v))
		check_event(&p, v);
	if (p.v_n > 0)
		qsort(p.v, p.v_n, sizeof *p.v, problem_cmp);
	for (size_t i = 0; i < p.v_n; i++) {
		strv_add(&out->problems, p.v[i].text);
		free(p.v[i].text);
	}
	free(p.v);
	map_free(p.events);
	map_free(p.edits);
}

void
chain_report_release(struct chain_report *v)
{
	strv_release(&v->problems);
	memset(v, 0, sizeof *v);
}
