/*
 * Receipts: the last word of a run, never edited, chained by hash.  The event
 * in the admin room carries, beside the text people read:
 *
 *  "io.hiclaw.receipt": {
 *    "v": 1,
 *    "seq": 7, "prev": hash of receipt 6 ("" for the first),
 *    "at": ms, "instance": id of the registration,
 *    "actor": Matrix id, "command": event id of the command,
 *    "plan": hash of the plan, "run": number (0: nothing had to be done),
 *    "title": "apply 1 Team",
 *    "proposal": number, "approved": [Matrix id...], "override": true (in a
 *    freeze window): only of what waited for approvals,
 *    "result": "done" | "failed",
 *    "objects": {"created", "updated", "deleted", "failed"},
 *    "changed": [each changed resource after the change],
 *    "deleted": [{"kind", "name"}...],
 *    "before": [{"kind", "name", "revision"}...]: what undo goes back to,
 *    "base": the newest revision of all before the change: the order in which
 *    changes were made (runs may end in another),
 *    "hash": SHA-256, in hex, of the canonical JSON of all the above}
 *
 * When `changed` is longer than CHANGED_MAX it is the attachment of the same
 * event instead (canonical JSON of the list), and "changed_sha256" stands for
 * it; the hash covers that.  What is in the attachment is thus covered too.
 * When `deleted` is that long, both are in it, as {"changed", "deleted"}.
 *
 * There is one chain, in the admin room.  A run that was asked for elsewhere
 * gets a copy there without seq, prev and hash, and without the resources: who is
 * in that room need not be one who may read them.  The row in the store and the
 * message are written in one transaction with the end of the run.
 */
#include "chat-int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hiclaw/clock.h"

#include "verify.h"

#include "watch.h"

#define RECEIPT_VERSION	1
#define CHANGED_MAX	(16 * 1024)	/* bytes: see REPLY_MAX */
#define HASH_SHOWN	12		/* digits of a plan's hash */

/* One receipt while it is put together. */
struct receipt {
	struct json	*o;		/* "io.hiclaw.receipt" */
	char		*attached;	/* `changed` as text, or NULL */
	char		*hash;
	char		*answer;	/* id of the yes, or NULL */
	int64_t		 seq;
};

static struct json *
count_objects(const struct ending *end)
{
	struct json *o = json_object();

	json_set_int(o, "created", (int64_t)end->created);
	json_set_int(o, "updated", (int64_t)end->updated);
	json_set_int(o, "deleted", (int64_t)end->deleted);
	json_set_int(o, "failed", (int64_t)end->failed);
	return o;
}

/* The list, or an empty one; yours. */
static struct json *
list_of(const struct json *resources, const char *key)
{
	struct json *list = json_copy(json_get(resources, key));

	return list != NULL ? list : json_array();
}

static size_t
json_len(const struct json *v)
{
	char *text = json_canonical(v);
	size_t n = strlen(text);

	free(text);
	return n;
}

static void
set_lists(struct receipt *r, const struct json *resources)
{
	struct json *changed = list_of(resources, "changed"), *both;
	struct json *deleted = list_of(resources, "deleted");
	bool is_long = json_len(deleted) > CHANGED_MAX;
	char hash[SHA256_HEX];

	if (!is_long && json_len(changed) <= CHANGED_MAX) {
		json_set(r->o, "changed", changed);
		json_set(r->o, "deleted", deleted);
		return;
	}
	if (is_long) {
		both = json_object();
		json_set(both, "changed", changed);
		json_set(both, "deleted", deleted);
		changed = both;
	} else
		json_set(r->o, "deleted", deleted);
	r->attached = json_canonical(changed);
	sha256_hex(r->attached, strlen(r->attached), hash);
	json_set_str(r->o, "changed_sha256", hash);
	json_free(changed);
}

/* Its place among the changes; who approved it, when somebody had to. */
static void
set_ledger(struct receipt *r, const struct json *resources)
{
	static const char *const keys[] = { "proposal", "approved",
	    "override", "base" };

	for (size_t i = 0; i < NELEM(keys); i++)
		if (json_get(resources, keys[i]) != NULL)
			json_set(r->o, keys[i], json_copy(json_get(resources,
			    keys[i])));
}

/* What is the same in the chain's receipt and in a copy. */
static void
receipt_fill(struct chat *c, const struct ending *end, struct receipt *r)
{
	struct json *resources = NULL;
	struct err err;

	if (end->resources != NULL)
		resources = json_parse(end->resources,
		    strlen(end->resources), &err);
	r->o = json_object();
	json_set_int(r->o, "v", RECEIPT_VERSION);
	json_set_int(r->o, "at", clock_ms());
	json_set_str(r->o, "instance",
	    engine_world_config(c->engine)->instance);
	json_set_str(r->o, "actor", end->actor);
	json_set_str(r->o, "command", end->event);
	json_set_str(r->o, "plan", end->plan_hash);
	json_set_str(r->o, "title", end->title);
	json_set_int(r->o, "run", end->run);
	json_set_str(r->o, "result", end->why != NULL ? "failed" : "done");
	json_set(r->o, "objects", count_objects(end));
	set_ledger(r, resources);
	set_lists(r, resources);
	if (json_len(json_get(resources, "before")) <= CHANGED_MAX)
		json_set(r->o, "before", json_copy(json_get(resources,
		    "before")));
	r->answer = xstrdup(json_str(resources, "answer"));
	json_free(resources);
}

static void
receipt_chain(struct chat *c, struct receipt *r)
{
	char *prev = store_receipt_head(c->store, &r->seq);
	char hash[SHA256_HEX];

	r->seq++;
	json_set_int(r->o, "seq", r->seq);
	json_set_str(r->o, "prev", prev);
	receipt_hash(r->o, hash);
	json_set_str(r->o, "hash", hash);
	r->hash = xstrdup(hash);
	free(prev);
}

static void
receipt_release(struct receipt *r)
{
	json_free(r->o);
	free(r->attached);
	free(r->hash);
	free(r->answer);
}

/* --- the text ------------------------------------------------------------ */

static char *
objects_line(const struct ending *end)
{
	struct buf b = { 0 };

	if (end->created > 0)
		buf_printf(&b, "%zu created, ", end->created);
	if (end->updated > 0)
		buf_printf(&b, "%zu updated, ", end->updated);
	if (end->deleted > 0)
		buf_printf(&b, "%zu deleted, ", end->deleted);
	if (end->failed > 0)
		buf_printf(&b, "%zu not ready, ", end->failed);
	if (b.len == 0)
		buf_puts(&b, "Nothing outside had to change, ");
	b.data[b.len - 2] = '\0';
	return buf_take(&b);
}

void
approved_list(const struct json *o, const char *asker, struct strv *out)
{
	const struct json *v = json_first(json_get(o, "approved"));

	for (; v != NULL; v = json_next(v))
		if (json_value_str(v) != NULL)
			strv_add(out, json_value_str(v));
	if (out->n == 1 && str_equal(out->v[0], asker))
		strv_release(out);
}

static void
receipt_text(struct chat *c, const struct ending *end,
    const struct receipt *r, struct text *out)
{
	struct strv who = { 0 };
	char *approved;
	char time[32], hash[HASH_SHOWN + 1], *objects = objects_line(end);
	char number[32];

	str_copy(hash, end->plan_hash != NULL ? end->plan_hash : "",
	    sizeof hash);
	approved_list(r->o, end->actor, &who);
	approved = who.n > 0 ? strv_join(&who, ", ") : NULL;
	strv_release(&who);
	snprintf(number, sizeof number, "%lld", (long long)r->seq);
	template_fill(c->templates, end->why != NULL ? "failed" : "done",
	    FILL(V("title", end->title), V("objects", objects),
	    V("took", took(end->took_ms, time, sizeof time)),
	    P("actor", end->actor), P("approved", approved),
	    V("plan", hash), V("why", end->why),
	    V("seq", r->seq > 0 ? number : NULL), B("troubles", end->troubles),
	    V("hint", end->why == NULL ? NULL : "I go on trying what can be "
	    "mended. `status` shows how it stands; mend the cause, and paste "
	    "again if something in the manifest has to change.")), out);
	free(approved);
	free(objects);
}

/* --- sending it ---------------------------------------------------------- */

static int64_t
receipt_queue(struct chat *c, const char *room, const struct ending *end,
    const struct receipt *r, bool is_here)
{
	struct outbox_row row = { .room = outbox_room(c, room),
	    .op = OUTBOX_SEND };
	struct reply reply = { .event = is_here ? end->event : NULL,
	    .run = end->run, .answer = r->answer,
	    .state = end->why != NULL ? REPLY_FAILED : REPLY_DONE,
	    .mention = is_here && end->took_ms > LONG_RUN_MS ? end->actor :
	    NULL };
	struct text t = { 0 };
	struct json *content;
	char *json, name[48];
	int64_t id;

	if (end->text == NULL)
		receipt_text(c, end, r, &t);
	content = reply_content(end->text != NULL ? end->text : &t, &reply);
	json_set(content, "io.hiclaw.receipt", json_copy(r->o));
	if (r->attached != NULL) {
		snprintf(name, sizeof name, "receipt-%lld.json",
		    (long long)r->seq);
		json_set_str(content, "msgtype", "m.file");
		json_set_str(content, "filename", name);
		row.file_name = name;
		row.file_type = "application/json";
		row.file = r->attached;
		row.file_len = strlen(r->attached);
	}
	row.content = json = json_canonical(content);
	id = store_outbox_add(c->store, &row);
	free(json);
	json_free(content);
	text_release(&t);
	return id;
}

/* Where it was asked for, if that is not the admin room: there it answers. */
static void
send_copy(struct chat *c, const struct ending *end)
{
	static const char *const not_here[] = { "changed", "changed_sha256",
	    "deleted", "before", "base" };
	struct receipt r = { 0 };

	receipt_fill(c, end, &r);
	free(r.attached);
	r.attached = NULL;
	for (size_t i = 0; i < NELEM(not_here); i++)
		json_remove(r.o, not_here[i]);
	receipt_queue(c, end->room, end, &r, true);
	receipt_release(&r);
}

void
receipt_send(struct chat *c, const struct ending *end)
{
	struct receipt r = { 0 };
	struct receipt_row row = { 0 };
	bool has_room = end->room != NULL && end->room[0] != '\0';
	bool is_here = has_room && str_equal(end->room, admin_room(c));
	char *prev, *content;
	int64_t seq;

	prev = store_receipt_head(c->store, &seq);
	receipt_fill(c, end, &r);
	receipt_chain(c, &r);
	content = json_canonical(r.o);
	row.seq = r.seq;
	row.prev = prev;
	row.hash = r.hash;
	row.content = content;
	row.outbox = receipt_queue(c, "room:admin", end, &r, is_here);
	store_receipt_add(c->store, &row);
	if (!is_here && has_room)
		send_copy(c, end);
	watch_run(c, end);
	free(prev);
	free(content);
	receipt_release(&r);
}
