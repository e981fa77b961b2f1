/*
 * See hiclaw/restore.h.  What each receipt is, is said in receipt.c.
 *
 * The chain is in the order in which runs ended, and two runs may have
 * overlapped: "base", the newest revision of all before the change, is the
 * order in which changes were made.  A receipt does not know the number of the
 * revision that it made; the next one of the same resource does, in "before".
 */
#include "hiclaw/restore.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hiclaw/secure.h"
#include "verify.h"

#define REVISION_MAX	((int64_t)1 << 52)	/* what JSON bears */

/* --- the chain ----------------------------------------------------------- */

static void
receipt_release(struct restore_receipt *r)
{
	free(r->event);
	free(r->url);
	json_free(r->receipt);
	json_free(r->attached);
}

static void
add_event(struct restore *r, const struct json *v, size_t place,
    const struct restore_from *from)
{
	const struct json *receipt = json_get(v, "receipt");
	const char *id = json_str(v, "id");
	int64_t seq = json_int(receipt, "seq", 0);
	char hash[SHA256_HEX];

	/* A copy of one that was asked for elsewhere has no number. */
	if (id == NULL || !json_is(receipt, JSON_OBJECT) || seq <= from->seq ||
	    json_str(v, "replaces") != NULL ||
	    !str_equal(json_str(v, "sender"), from->bot))
		return;
	receipt_hash(receipt, hash);
	if (!str_equal(json_str(receipt, "hash"), hash)) {
		strv_addf(&r->problems, "receipt %lld, event %s, was changed: "
		    "its hash is not that of what it says", (long long)seq,
		    id);
		return;
	}
	r->receipts = xreallocarray(r->receipts, r->n + 1,
	    sizeof *r->receipts);
	r->receipts[r->n++] = (struct restore_receipt){ .seq = seq,
	    .event = xstrdup(id), .url = xstrdup(json_str(v, "url")),
	    .receipt = json_copy(receipt), .place = place };
}

static int
receipt_cmp(const void *a, const void *b)
{
	const struct restore_receipt *x = a, *y = b;

	if (x->seq != y->seq)
		return x->seq < y->seq ? -1 : 1;
	return x->place < y->place ? -1 : x->place > y->place;
}

static const char *
hash_of(const struct restore_receipt *x)
{
	return json_strd(x->receipt, "hash", "");
}

/* Does it follow on the one before?  Says what is missing in between. */
static void
check_link(struct restore *r, size_t at, const struct restore_from *from)
{
	const struct restore_receipt *x = &r->receipts[at];
	int64_t before = at > 0 ? r->receipts[at - 1].seq : from->seq;
	const char *prev = at > 0 ? hash_of(&r->receipts[at - 1]) :
	    from->hash != NULL ? from->hash : "";

	if (x->seq == before + 2)
		strv_addf(&r->problems, "receipt %lld is missing",
		    (long long)before + 1);
	else if (x->seq > before + 1)
		strv_addf(&r->problems, "receipts %lld to %lld are missing",
		    (long long)before + 1, (long long)x->seq - 1);
	else if (!str_equal(json_str(x->receipt, "prev"), prev))
		strv_addf(&r->problems, "receipt %lld, event %s, does not "
		    "follow on receipt %lld", (long long)x->seq, x->event,
		    (long long)before);
	if (!str_equal(json_str(x->receipt, "instance"), from->instance))
		strv_addf(&r->problems, "receipt %lld, event %s, is of the "
		    "registration \"%.64s\", not of ours, \"%.64s\"",
		    (long long)x->seq, x->event, json_strd(x->receipt,
		    "instance", ""), from->instance);
}

/* Of those with this number, is there one with that hash? */
static bool
has_hash(const struct restore *r, int64_t seq, const char *hash)
{
	for (size_t i = 0; i < r->n; i++)
		if (r->receipts[i].seq == seq &&
		    str_equal(hash_of(&r->receipts[i]), hash))
			return true;
	return false;
}

/*
 * Which of those with one number: the one that the next names; without a next,
 * the newest that follows on something; or else the newest.
 */
static size_t
choose(const struct restore *r, size_t first, size_t end, const char *named,
    const struct restore_from *from)
{
	const char *prev;

	for (size_t i = first; named != NULL && i < end; i++)
		if (str_equal(hash_of(&r->receipts[i]), named))
			return i;
	for (size_t i = first; i < end; i++) {
		prev = json_strd(r->receipts[i].receipt, "prev", "");
		if (has_hash(r, r->receipts[i].seq - 1, prev) ||
		    (r->receipts[i].seq == from->seq + 1 && str_equal(prev,
		    from->hash != NULL ? from->hash : "")))
			return i;
	}
	return first;
}

/*
 * Of each number one.  There are several where a backup was started from and the
 * chain went on from there: then the newest branch counts.
 */
static void
drop_doubles(struct restore *r, const struct restore_from *from)
{
	struct restore_receipt *v = xcalloc(r->n + 1, sizeof *v);
	const struct restore_receipt *next = NULL;
	size_t first, kept, at = r->n;

	for (size_t end = r->n; end > 0; end = first) {
		for (first = end - 1; first > 0 && r->receipts[first - 1].seq ==
		    r->receipts[end - 1].seq; first--)
			;
		kept = choose(r, first, end, next != NULL && next->seq ==
		    r->receipts[first].seq + 1 ? json_str(next->receipt,
		    "prev") : NULL, from);
		for (size_t i = first; i < end; i++)
			if (i != kept)
				strv_addf(&r->problems, "receipt %lld is in "
				    "the room twice, events %s and %s",
				    (long long)r->receipts[i].seq,
				    r->receipts[kept].event,
				    r->receipts[i].event);
		v[--at] = r->receipts[kept];
		r->receipts[kept].event = NULL;
		next = &v[at];
	}
	/* What was kept is at the end of v, and has no name in the old list. */
	for (size_t i = 0; i < r->n; i++)
		if (r->receipts[i].event != NULL)
			receipt_release(&r->receipts[i]);
	free(r->receipts);
	memmove(v, v + at, (r->n - at) * sizeof *v);
	r->n -= at;
	r->receipts = v;
}

void
restore_read(struct restore *r, const struct json *events,
    const struct restore_from *from)
{
	const struct json *v;
	size_t place = 0;

	memset(r, 0, sizeof *r);
	for (v = json_first(events); v != NULL; v = json_next(v))
		add_event(r, v, place++, from);
	if (r->n > 0)
		qsort(r->receipts, r->n, sizeof *r->receipts, receipt_cmp);
	drop_doubles(r, from);
	for (size_t i = 0; i < r->n; i++)
		check_link(r, i, from);
}

void
restore_attach(struct restore *r, size_t at, const char *text, size_t len,
    const char *why)
{
	struct restore_receipt *x = &r->receipts[at];
	char hash[SHA256_HEX];
	struct err err;

	if (text == NULL) {
		strv_addf(&r->problems, "the attachment of receipt %lld, event "
		    "%s, is missing: %s", (long long)x->seq, x->event, why);
		return;
	}
	sha256_hex(text, len, hash);
	if (!str_equal(json_str(x->receipt, "changed_sha256"), hash) ||
	    (x->attached = json_parse(text, len, &err)) == NULL)
		strv_addf(&r->problems, "the attachment of receipt %lld, event "
		    "%s, is not what it was", (long long)x->seq, x->event);
}

/* --- what it told -------------------------------------------------------- */

struct replay {
	struct restore	*to;
	struct map	*last;		/* "Worker/ann" -> index + 1 */
	struct map	*numbers;	/* of revisions, that are given away */
};

static void *
as_value(size_t index)
{
	return (void *)(uintptr_t)(index + 1);
}

static struct restore_revision *
last_of(struct replay *p, const char *key)
{
	uintptr_t at = (uintptr_t)map_find(p->last, key);

	return at > 0 ? &p->to->revisions[at - 1] : NULL;
}

/* The number that this resource had before the change; 0: it does not say. */
static int64_t
number_before(const struct json *receipt, const struct kind *kind,
    const char *name)
{
	const struct json *v = json_first(json_get(receipt, "before"));

	for (; v != NULL; v = json_next(v))
		if (str_equal(json_str(v, "kind"), kind->name) &&
		    str_equal(json_str(v, "name"), name))
			return json_int(v, "revision", 0);
	return 0;
}

/* Once only: a number belongs to one revision of the instance. */
static void
set_number(struct replay *p, struct restore_revision *v, int64_t number)
{
	char text[24];

	snprintf(text, sizeof text, "%lld", (long long)number);
	if (v == NULL || v->revision != 0 || number <= 0 ||
	    number > REVISION_MAX || map_find(p->numbers, text) != NULL)
		return;
	v->revision = number;
	map_set(p->numbers, text, p);
}

static const char *
account_name(const struct json *spec, const char *name)
{
	return json_strd(spec, "username", name);
}

/* The account of a Human: was it made, in this change or before? */
static bool
is_made(const struct restore_revision *old, const struct restore_revision *v,
    const struct json *receipt)
{
	if (strcmp(v->kind->name, "Human") != 0 ||
	    json_str(v->spec, "matrixUserId") != NULL)
		return false;
	if (old != NULL && old->spec != NULL &&
	    json_str(old->spec, "matrixUserId") == NULL &&
	    strcmp(account_name(old->spec, old->name),
	    account_name(v->spec, v->name)) == 0)
		return old->is_made;
	return str_equal(json_str(receipt, "result"), "done");
}

/* Takes metadata and spec over; spec NULL: it was deleted. */
static void
add_revision(struct replay *p, const struct restore_receipt *from,
    const struct kind *kind, const char *name, struct json *metadata,
    struct json *spec)
{
	struct restore *r = p->to;
	char *key = xasprintf("%s/%s", kind->name, name);
	struct restore_revision *old = last_of(p, key);
	struct restore_revision v = { .kind = kind, .name = xstrdup(name),
	    .actor = xstrdup(json_strd(from->receipt, "actor", "")),
	    .metadata = metadata, .spec = spec, .is_now = true,
	    .at_ms = json_int(from->receipt, "at", 0), .generation = 1 };

	v.created_ms = v.at_ms;
	if (old != NULL) {
		old->is_now = false;
		set_number(p, old, number_before(from->receipt, kind, name));
	}
	if (old != NULL && old->spec != NULL) {
		v.generation = old->generation + (spec != NULL &&
		    !json_equal(old->spec, spec));
		v.created_ms = old->created_ms;
		if (metadata == NULL)
			v.metadata = json_copy(old->metadata);
	}
	if (v.metadata == NULL)
		v.metadata = json_object();
	v.is_made = is_made(old, &v, from->receipt);
	r->revisions = xreallocarray(r->revisions, r->revisions_n + 1,
	    sizeof *r->revisions);
	r->revisions[r->revisions_n] = v;
	map_set(p->last, key, as_value(r->revisions_n++));
	free(key);
}

static void
replay_changed(struct replay *p, const struct restore_receipt *x,
    const struct json *list)
{
	const struct json *v, *metadata, *spec;
	const struct kind *kind;
	const char *name;

	for (v = json_first(list); v != NULL; v = json_next(v)) {
		kind = kind_find(json_strd(v, "kind", ""));
		metadata = json_get(v, "metadata");
		spec = json_get(v, "spec");
		name = json_str(metadata, "name");
		if (kind == NULL || name == NULL || !json_is(spec, JSON_OBJECT))
			strv_addf(&p->to->problems, "receipt %lld, event %s, "
			    "has something that is no resource: %.40s/%.64s",
			    (long long)x->seq, x->event, json_strd(v, "kind",
			    "?"), name != NULL ? name : "?");
		else
			add_revision(p, x, kind, name, json_copy(metadata),
			    json_copy(spec));
	}
}

static void
replay_deleted(struct replay *p, const struct restore_receipt *x,
    const struct json *list)
{
	const struct json *v;

	for (v = json_first(list); v != NULL; v = json_next(v)) {
		const struct kind *kind = kind_find(json_strd(v, "kind", ""));
		const char *name = json_str(v, "name");

		if (kind != NULL && name != NULL)
			add_revision(p, x, kind, name, NULL, NULL);
	}
}

static void
replay_one(struct replay *p, const struct restore_receipt *x)
{
	const struct json *changed = json_get(x->receipt, "changed");
	const struct json *deleted = json_get(x->receipt, "deleted");

	if (json_is(x->attached, JSON_ARRAY))
		changed = x->attached;
	else if (x->attached != NULL) {
		changed = json_get(x->attached, "changed");
		deleted = json_get(x->attached, "deleted");
	}
	replay_deleted(p, x, deleted);
	replay_changed(p, x, changed);
}

static int
order_cmp(const void *a, const void *b)
{
	const struct restore_receipt *const *x = a, *const *y = b;

	if ((*x)->order != (*y)->order)
		return (*x)->order < (*y)->order ? -1 : 1;
	return receipt_cmp(*x, *y);
}

/* In the order in which the changes were made; yours. */
static struct restore_receipt **
in_order(struct restore *r)
{
	struct restore_receipt **v = xcalloc(r->n + 1, sizeof *v);
	int64_t last = 0;

	for (size_t i = 0; i < r->n; i++) {
		v[i] = &r->receipts[i];
		last = v[i]->order = json_int(v[i]->receipt, "base", last);
	}
	qsort(v, r->n, sizeof *v, order_cmp);
	return v;
}

/* What nobody knows the number of gets a new one, if it is still so: above all
 * that there were. */
static void
number_the_rest(struct restore *r, int64_t max)
{

	for (size_t i = 0; i < r->n; i++)
		if (r->receipts[i].order > max &&
		    r->receipts[i].order <= REVISION_MAX)
			max = r->receipts[i].order;
	for (size_t i = 0; i < r->revisions_n; i++)
		if (r->revisions[i].revision > max)
			max = r->revisions[i].revision;
	for (size_t i = 0; i < r->revisions_n; i++)
		if (r->revisions[i].is_now)
			r->revisions[i].revision = ++max;
}

void
restore_replay(struct restore *r, const struct restore_from *from)
{
	struct replay p = { r, map_new(NULL), map_new(NULL) };
	struct restore_receipt **v = in_order(r);

	for (size_t i = 0; i < r->n; i++)
		replay_one(&p, v[i]);
	number_the_rest(r, from->revision);
	free(v);
	map_free(p.last);
	map_free(p.numbers);
}

void
restore_release(struct restore *r)
{
	for (size_t i = 0; i < r->n; i++)
		receipt_release(&r->receipts[i]);
	for (size_t i = 0; i < r->revisions_n; i++) {
		free(r->revisions[i].name);
		free(r->revisions[i].actor);
		json_free(r->revisions[i].metadata);
		json_free(r->revisions[i].spec);
	}
	free(r->receipts);
	free(r->revisions);
	strv_release(&r->problems);
	memset(r, 0, sizeof *r);
}
