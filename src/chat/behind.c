/*
 * Started from a backup: the room knows more than the database.  The receipts
 * that came after the copy was made are taken over, so that their numbers are not
 * given again and the chain goes on after the last of them.
 *
 * What they declared is not declared any more, and that is a change, too: it gets
 * a receipt of its own, after which the room tells again what there is.  What was
 * declared stands in the history, with numbers above all that were given, so that
 * undoing that receipt brings it back.
 */
#include "chat-int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hiclaw/clock.h"
#include "hiclaw/log.h"
#include "hiclaw/restore.h"

#define UNSENT_MAX	1000	/* receipts on their way at once; else the whole
				 * history is read */

void
receipt_keep(struct store *store, const struct restore_receipt *x)
{
	struct outbox_row out = { .room = "room:admin", .op = OUTBOX_SEND,
	    .content = "{}" };
	struct receipt_row row = { .seq = x->seq,
	    .prev = json_strd(x->receipt, "prev", ""),
	    .hash = json_str(x->receipt, "hash") };
	char *content = json_canonical(x->receipt);

	/* It was sent long ago: this only remembers as what. */
	row.outbox = store_outbox_add(store, &out);
	store_outbox_sent(store, row.outbox, x->event);
	row.content = content;
	store_receipt_add(store, &row);
	free(content);
}

/* --- where to go on ---------------------------------------------------------- */

struct sent { struct store *store; struct restore_from *from; bool is_over; };

/* Newest first: down to the first whose message is known. */
static void
look_sent(const struct receipt_row *row, void *arg)
{
	struct sent *s = arg;
	char *event;

	if (s->is_over)
		return;
	event = store_outbox_event(s->store, row->outbox);
	s->is_over = event != NULL;
	if (event != NULL) {
		s->from->seq = row->seq;
		s->from->hash = xstrdup(row->hash);
	}
	free(event);
}

void
chat_behind_from(struct chat *c, struct restore_from *from)
{
	struct sent s = { c->store, from, false };

	memset(from, 0, sizeof *from);
	store_receipts_back(c->store, 0, UNSENT_MAX, look_sent, &s);
	from->bot = c->bot;
	from->instance = engine_world_config(c->engine)->instance;
	from->revision = store_revision_newest(c->store);
}

/* --- taking over ------------------------------------------------------------- */

struct expected { const struct restore_receipt *x; struct store *store; };

/* It was on its way when the copy was made. */
static void
mark_sent(const struct receipt_row *row, void *arg)
{
	const struct expected *e = arg;

	if (row->seq == e->x->seq && str_equal(json_str(e->x->receipt,
	    "hash"), row->hash))
		store_outbox_sent(e->store, row->outbox, e->x->event);
}

/* Gives how many the database did not have. */
static size_t
take_over(struct chat *c, const struct restore *r)
{
	int64_t head;
	size_t n = 0;

	free(store_receipt_head(c->store, &head));
	for (size_t i = 0; i < r->n; i++) {
		struct expected e = { &r->receipts[i], c->store };

		if (e.x->seq <= head) {
			store_receipts_each(c->store, e.x->seq, 1, mark_sent,
			    &e);
			continue;
		}
		receipt_keep(c->store, e.x);
		n++;
	}
	return n;
}

/* --- what is so again ---------------------------------------------------------- */

struct gone_back {
	struct chat	*chat;
	struct json	*resources;	/* as the receipt carries them */
	int64_t		 number;	/* of the last revision */
	struct text	 list;
	size_t		 n;
};

/* spec NULL: it is not declared. */
static void
put_history(struct gone_back *g, struct revision_row row,
    const struct json *metadata, const struct json *spec)
{
	char *m = json_canonical(metadata);
	char *s = spec != NULL ? json_canonical(spec) : NULL;

	row.metadata = m;
	row.spec = s;
	store_revision_restore(g->chat->store, &row);
	free(m);
	free(s);
}

static void
add_name(struct json *list, const struct restore_revision *v,
    int64_t revision)
{
	struct json *o = json_push(list, json_object());

	json_set_str(o, "kind", v->kind->name);
	json_set_str(o, "name", v->name);
	if (revision >= 0)
		json_set_int(o, "revision", revision);
}

static void
go_back(struct gone_back *g, const struct restore_revision *v)
{
	const struct resource *now = resources_find(engine_resources(
	    g->chat->engine), v->kind, v->name);
	struct revision_row row = { .kind = v->kind->name, .name = v->name,
	    .actor = v->actor, .generation = v->generation,
	    .revision = v->revision, .at_ms = v->at_ms };

	put_history(g, row, v->metadata, v->spec);
	row.actor = g->chat->bot;
	row.revision = ++g->number;
	row.at_ms = clock_ms();
	if (now != NULL)
		row.generation = now->generation;
	put_history(g, row, now != NULL ? now->metadata : v->metadata,
	    now != NULL ? now->spec : NULL);
	if (now == NULL ? v->spec == NULL : v->spec != NULL &&
	    json_equal(now->spec, v->spec) &&
	    json_equal(now->metadata, v->metadata))
		return;
	add_name(json_get(g->resources, "before"), v, v->spec != NULL ?
	    v->revision : 0);
	if (now != NULL)
		json_push(json_get(g->resources, "changed"),
		    resource_json(now));
	else
		add_name(json_get(g->resources, "deleted"), v, -1);
	if (g->n++ < STEPS_SHOWN)
		text_printf(&g->list, "- %s/%s %s\n", v->kind->name, v->name,
		    now == NULL ? "is not declared" : v->spec == NULL ?
		    "is declared" : "is as it was");
}

static void
go_back_all(struct gone_back *g, const struct restore *r)
{
	g->number = store_revision_newest(g->chat->store);
	for (size_t i = 0; i < r->revisions_n; i++)
		if (r->revisions[i].revision > g->number)
			g->number = r->revisions[i].revision;
	json_set_int(g->resources, "base", g->number);
	for (size_t i = 0; i < r->revisions_n; i++)
		if (r->revisions[i].is_now)
			go_back(g, &r->revisions[i]);
	if (g->n > STEPS_SHOWN)
		text_printf(&g->list, "- and %zu more\n", g->n - STEPS_SHOWN);
}

/* --- what is said ---------------------------------------------------------------- */

static void
put_troubles(const struct restore *r, struct text *out)
{
	for (size_t i = 0; i < r->problems.n && i < TROUBLES_SHOWN; i++)
		text_printf(out, "- **%s**\n", r->problems.v[i]);
	if (r->problems.n > TROUBLES_SHOWN)
		text_printf(out, "- and %zu more: `audit verify`\n",
		    r->problems.n - TROUBLES_SHOWN);
}

static void
send(struct gone_back *g, const struct restore *r, size_t taken)
{
	struct chat *c = g->chat;
	struct ending end = { .actor = c->bot, .title = "start from a backup" };
	char *resources = json_canonical(g->resources), count[24];
	struct text t = { 0 };

	put_troubles(r, &g->list);
	snprintf(count, sizeof count, "%zu receipt%s", taken, taken == 1 ? "" :
	    "s");
	template_fill(c->templates, "behind", FILL(V("count", count),
	    B("list", &g->list), V("hint", g->n > 0 ? "What exists outside is "
	    "brought in line with that. `undo` as a reply to this declares "
	    "again what was declared." : NULL)), &t);
	end.resources = resources;
	end.text = &t;
	receipt_send(c, &end);
	text_release(&t);
	free(resources);
}

void
chat_behind(struct chat *c, const struct restore *r, const char *why)
{
	struct gone_back g = { .chat = c, .resources = json_object() };
	size_t taken;

	json_set(g.resources, "changed", json_array());
	json_set(g.resources, "deleted", json_array());
	json_set(g.resources, "before", json_array());
	if (why != NULL) {
		log_error("chat", "the admin room cannot be read: %s", why);
		say_news(c, "unread", FILL(V("why", why)));
	} else if ((taken = take_over(c, r)) > 0 || r->problems.n > 0) {
		log_warn("chat", "started from a backup: %zu receipts came "
		    "after it", taken);
		go_back_all(&g, r);
		send(&g, r, taken);
	}
	text_release(&g.list);
	json_free(g.resources);
}
