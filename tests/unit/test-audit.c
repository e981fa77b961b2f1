/*
 * The audit: what of a chain of receipts can be tampered with, and how that is
 * named; and the way back: history, rollback, undo.
 */
#include "house.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hiclaw/restore.h"
#include "hiclaw/secure.h"

#include "../../src/chat/verify.h"

#define BOT	"@hiclaw:x.org"
#define N	5

/* --- a chain of five, in rows and in events ----------------------------------- */

struct chain {
	struct verify_row rows[N];
	struct json	*events;	/* newest first */
};

static char *
receipt_text(int64_t seq, const char *prev, const char *title)
{
	struct json *o = json_object();
	char hash[SHA256_HEX], *text;

	json_set_int(o, "seq", seq);
	json_set_str(o, "prev", prev);
	json_set_str(o, "title", title);
	text = json_canonical(o);
	sha256_hex(text, strlen(text), hash);
	free(text);
	json_set_str(o, "hash", hash);
	text = json_canonical(o);
	json_free(o);
	return text;
}

static struct json *
event_json(const char *id, const char *sender, const char *receipt)
{
	struct json *o = json_object();

	json_set_str(o, "id", id);
	json_set_str(o, "sender", sender);
	if (receipt != NULL)
		json_set(o, "receipt", json_must(receipt));
	return o;
}

static struct json *
event_at(struct chain *c, int seq)
{
	struct json *v = json_first(c->events);

	for (int i = N; i > seq; i--)
		v = json_next(v);
	assert_non_null(v);
	return v;
}

static void
drop_event(struct chain *c, int seq)
{
	struct json *list = json_array();
	const struct json *v, *gone = event_at(c, seq);

	for (v = json_first(c->events); v != NULL; v = json_next(v))
		if (v != gone)
			json_push(list, json_copy(v));
	json_free(c->events);
	c->events = list;
}

static void
chain_make(struct chain *c)
{
	const char *prev = "";

	c->events = json_array();
	for (int i = 0; i < N; i++) {
		struct verify_row *r = &c->rows[i];
		struct json *o;

		r->seq = i + 1;
		r->prev = xstrdup(prev);
		r->content = receipt_text(r->seq, prev, "apply 1 Team");
		o = json_must(r->content);
		r->hash = xstrdup(json_str(o, "hash"));
		json_free(o);
		r->event = xasprintf("$%d", i + 1);
		prev = r->hash;
	}
	for (int i = N - 1; i >= 0; i--)
		json_push(c->events, event_json(c->rows[i].event, BOT,
		    c->rows[i].content));
}

static void
chain_free(struct chain *c)
{
	for (int i = 0; i < N; i++) {
		free(c->rows[i].prev);
		free(c->rows[i].hash);
		free(c->rows[i].content);
		free(c->rows[i].event);
	}
	json_free(c->events);
}

static void
drop_row(struct chain *c, int seq)
{
	free(c->rows[seq - 1].prev);
	free(c->rows[seq - 1].hash);
	free(c->rows[seq - 1].content);
	free(c->rows[seq - 1].event);
	for (int i = seq; i < N; i++)
		c->rows[i - 1] = c->rows[i];
	memset(&c->rows[N - 1], 0, sizeof c->rows[0]);
}

/* The first problem has these words; NULL: there is none. */
static void
expect_first(struct chain *c, size_t n, const char *words, size_t problems)
{
	struct chain_report report;

	verify_chain(c->rows, n, c->events, BOT, &report);
	if (words == NULL) {
		assert_int_equal(report.problems.n, 0);
		assert_int_equal(report.proved, n - report.unsent);
	} else {
		if (report.problems.n == 0 ||
		    strstr(report.problems.v[0], words) == NULL)
			fail_msg("\"%s\" is not \"%s\"", report.problems.n > 0 ?
			    report.problems.v[0] : "", words);
		assert_int_equal(report.problems.n, problems);
	}
	chain_report_release(&report);
}

static void
test_whole(void **state)
{
	struct chain c;

	(void)state;
	chain_make(&c);
	expect_first(&c, N, NULL, 0);
	/* What waits to be sent is no problem. */
	free(c.rows[N - 1].event);
	c.rows[N - 1].event = NULL;
	drop_event(&c, N);
	expect_first(&c, N, NULL, 0);
	chain_free(&c);
}

static void
test_room_tampered(void **state)
{
	struct json *edit, *alien;
	struct chain c;

	(void)state;
	chain_make(&c);
	json_remove(event_at(&c, 3), "receipt");
	json_set_str(event_at(&c, 3), "redacted_by", "@mallory:x.org");
	expect_first(&c, N, "receipt 3 was removed from the room by "
	    "@mallory:x.org, event $3", 1);
	chain_free(&c);

	chain_make(&c);
	edit = event_json("$edit", BOT, NULL);
	json_set_str(edit, "replaces", "$2");
	json_push(c.events, edit);
	expect_first(&c, N, "receipt 2, event $2, was edited by " BOT ", event "
	    "$edit", 1);
	chain_free(&c);

	chain_make(&c);
	json_set_str(json_obj(event_at(&c, 4), "receipt"), "title",
	    "apply 1 Human");
	expect_first(&c, N, "receipt 4 says something else in the room", 1);
	chain_free(&c);

	/* Somebody else's, ever so well made. */
	chain_make(&c);
	alien = event_json("$alien", "@mallory:x.org", c.rows[1].content);
	json_push(c.events, alien);
	expect_first(&c, N, "a receipt 2 was put into the room by "
	    "@mallory:x.org, event $alien", 1);
	chain_free(&c);

	/* The bot's own account, by somebody who has its token. */
	chain_make(&c);
	json_push(c.events, event_json("$again", BOT, c.rows[2].content));
	expect_first(&c, N, "receipt 3 is in the room a second time, event "
	    "$again", 1);
	chain_free(&c);

	/* Whole pages of the history are gone. */
	chain_make(&c);
	drop_event(&c, 1);
	drop_event(&c, 2);
	expect_first(&c, N, "receipt 1 is missing in the room", 2);
	chain_free(&c);
}

static void
test_database_tampered(void **state)
{
	struct chain c;

	(void)state;
	chain_make(&c);
	drop_row(&c, 3);
	expect_first(&c, N - 1, "receipt 3 is missing in the database", 2);
	chain_free(&c);

	/* The end is cut off: the room knows more. */
	chain_make(&c);
	drop_row(&c, N);
	expect_first(&c, N - 1, "receipt 5 is in the room, event $5, and not "
	    "in the database", 1);
	chain_free(&c);

	chain_make(&c);
	free(c.rows[1].content);
	c.rows[1].content = receipt_text(2, c.rows[0].hash, "nothing at all");
	expect_first(&c, N, "receipt 2 was changed in the database", 2);
	chain_free(&c);

	/* Written anew with a hash that fits: the next does not follow. */
	chain_make(&c);
	free(c.rows[1].content);
	free(c.rows[1].hash);
	c.rows[1].content = receipt_text(2, c.rows[0].hash, "nothing at all");
	{
		struct json *o = json_must(c.rows[1].content);

		c.rows[1].hash = xstrdup(json_str(o, "hash"));
		json_free(o);
	}
	expect_first(&c, N, "receipt 2 says something else in the room", 2);
	chain_free(&c);
}

/* Nothing that a server can say breaks it. */
static void
test_hostile(void **state)
{
	static const char *const lists[] = { "[]", "{}", "[1,null,\"x\",[]]",
	    "[{\"id\":7}]", "[{\"id\":\"$1\",\"sender\":\"" BOT "\"}]",
	    "[{\"id\":\"$1\",\"sender\":\"" BOT "\",\"receipt\":[]}]",
	    "[{\"id\":\"$9\",\"sender\":\"" BOT "\",\"receipt\":{\"seq\":-1}}]",
	};
	struct chain_report report;
	struct chain c;

	(void)state;
	chain_make(&c);
	for (size_t i = 0; i < NELEM(lists); i++) {
		struct json *events = json_must(lists[i]);

		verify_chain(c.rows, N, events, BOT, &report);
		assert_int_equal(report.problems.n, N);
		chain_report_release(&report);
		json_free(events);
	}
	verify_chain(NULL, 0, NULL, BOT, &report);
	assert_int_equal(report.problems.n, 0);
	chain_report_release(&report);
	chain_free(&c);
}

/* --- the way back ---------------------------------------------------------------- */

static const char *
model(struct house *h, const char *name)
{
	struct resource *r = resources_find(engine_resources(h->engine),
	    kind_find("Worker"), name);

	return r == NULL ? NULL : json_str(r->spec, "model");
}

static void
test_history(void **state)
{
	struct house *h = *state;
	const struct json *r;
	char line[64];

	ask(h, WORKER("bob", "one"));
	ask(h, WORKER("bob", "two"));
	ask(h, HEAD("Worker", "bob") "spec:\n  model: two\n  soul: calm\n");
	r = ask(h, "@hiclaw history worker bob");
	expect(r, "info", "by " BOSS ": `soul`");
	expect(r, "info", ": `model`");
	expect(ask(h, "@hiclaw rollback worker bob 1"), "done",
	    "rollback Worker/bob to 1");
	assert_string_equal(model(h, "bob"), "one");
	ask(h, "@hiclaw delete worker bob");
	ask(h, "yes");
	assert_false(is_declared(h, "Worker", "bob"));
	r = ask(h, "@hiclaw history worker bob");
	expect(r, "info", "deleted");
	snprintf(line, sizeof line, "@hiclaw rollback worker bob %d",
	    atoi(strstr(body_of(r), "- ") + 2));
	expect(ask(h, line), "refused", "deleted");
	expect(ask(h, "@hiclaw rollback worker bob 2"), "done", "done in");
	assert_string_equal(model(h, "bob"), "two");
	expect(ask(h, "@hiclaw rollback worker bob 99"), "refused",
	    "no revision 99");
	expect(ask(h, "@hiclaw rollback worker bob"), "refused",
	    "No revision given");
	expect(ask(h, "@hiclaw history worker nobody"), "refused",
	    "never was");
}

/* "undo" as a reply, without a name. */
static const struct json *
undo(struct house *h, const struct json *receipt)
{
	char event[32];
	const char *id;

	snprintf(event, sizeof event, "$out%lld", (long long)json_int(receipt,
	    "id", 0));
	id = speak_in(h, ADMIN, BOSS, "undo", event);
	assert_true(wait_for(h, is_quiet));
	post(h);
	return reply_to(h, id);
}

static void
test_undo(void **state)
{
	struct house *h = *state;
	const struct json *made, *changed;

	made = ask(h, WORKER("bob", "one"));
	changed = ask(h, WORKER("bob", "two"));
	expect(undo(h, changed), "done", "undo 2");
	assert_string_equal(model(h, "bob"), "one");
	/* Of what was made, undoing is deleting: it is asked. */
	expect(undo(h, made), "question", "was changed");
	ask(h, "yes");
	assert_false(is_declared(h, "Worker", "bob"));
	/* And that again is taken back by its number. */
	expect(ask(h, "@hiclaw undo 4"), "done", "created");
	assert_string_equal(model(h, "bob"), "one");
	ask(h, WORKER("zoe", "m"));
	expect(ask(h, "@hiclaw undo 99"), "refused", "no receipt 99");
	expect(ask(h, "@hiclaw undo"), "refused", "reply to a receipt");
	/* A team that came with a worker goes, and the worker is as before. */
	made = ask(h, TEAM "---\n" WORKER("zoe", "other"));
	expect(undo(h, made), "question", "delete");
	ask(h, "yes");
	assert_false(is_declared(h, "Team", "web"));
	assert_string_equal(model(h, "zoe"), "m");
}

static void
test_audit(void **state)
{
	struct house *h = *state;
	const struct json *r;
	size_t files = 0;

	expect(ask(h, "@hiclaw audit"), "info", "Nothing was changed");
	ask(h, WORKER("bob", "one"));
	ask(h, WORKER("zoe", "<b>\"&amp;"));
	r = ask(h, "@hiclaw audit");
	expect(r, "info", "1 ");
	expect(r, "info", "apply Worker/zoe");
	r = ask(h, "@hiclaw audit bob 2h " BOSS);
	expect(r, "info", "Worker/bob");
	assert_null(strstr(body_of(r), "zoe"));
	expect(ask(h, "@hiclaw audit 2099-01-01"), "info", "Nothing");
	expect(ask(h, "@hiclaw audit --before x"), "refused", "number");
	forget_sent(h);
	expect(ask(h, "@hiclaw audit export"), "info", "2 receipts");
	for (r = json_first(h->sent); r != NULL; r = json_next(r)) {
		const char *file = json_str(r, "file");

		if (file == NULL)
			continue;
		files++;
		if (str_equal(json_str(r, "file_name"), "audit.html"))
			assert_null(strstr(file, "<b>\""));
		else
			assert_non_null(strstr(file, "\"event\":\"$out"));
	}
	assert_int_equal(files, 2);
}

/* --- a lost database -------------------------------------------------------------- */

/* What history_read would give of a chain: newest first. */
struct told { struct json *list; char prev[SHA256_HEX]; int64_t seq; };

static void
tell(struct told *t, const char *more)
{
	struct json *o = json_must(more), *list = json_array(), *v;
	char id[16], *text;
	const struct json *x;

	json_set_int(o, "seq", ++t->seq);
	json_set_int(o, "at", t->seq * 1000);
	json_set_str(o, "prev", t->prev);
	json_set_str(o, "instance", "me");
	json_set_str(o, "actor", "@a:x.org");
	receipt_hash(o, t->prev);
	json_set_str(o, "hash", t->prev);
	snprintf(id, sizeof id, "$%lld", (long long)t->seq);
	text = json_canonical(o);
	v = json_push(list, event_json(id, BOT, text));
	json_set_str(v, "url", "mxc://x/y");
	for (x = json_first(t->list); x != NULL; x = json_next(x))
		json_push(list, json_copy(x));
	json_free(t->list);
	t->list = list;
	free(text);
	json_free(o);
}

#define DOC(name, model) "{\"kind\":\"Worker\",\"metadata\":{\"name\":\"" name \
    "\"},\"spec\":{\"model\":\"" model "\"}}"
#define WAS(name, n) "\"before\":[{\"kind\":\"Worker\",\"name\":\"" name \
    "\",\"revision\":" #n "}]"

static const struct restore_revision *
now_of(const struct restore *r, const char *name)
{
	for (size_t i = 0; i < r->revisions_n; i++)
		if (r->revisions[i].is_now &&
		    strcmp(r->revisions[i].name, name) == 0)
			return &r->revisions[i];
	return NULL;
}

static const char *
model_of(const struct restore_revision *v)
{
	return v != NULL ? json_str(v->spec, "model") : NULL;
}

static const struct restore_from all = { .bot = BOT, .instance = "me" };

static void
read_told(struct restore *r, struct told *t)
{
	restore_read(r, t->list, &all);
	json_free(t->list);
}

static void
test_restore(void **state)
{
	struct restore r;
	struct told t = { 0 };

	(void)state;
	tell(&t, "{\"base\":0,\"changed\":[" DOC("ann", "1") "],"
	    WAS("ann", 0) "}");
	/* Asked for before what is told of first. */
	tell(&t, "{\"base\":12,\"changed\":[" DOC("ann", "3") "],"
	    WAS("ann", 12) "}");
	tell(&t, "{\"base\":7,\"changed\":[" DOC("ann", "2") "],"
	    WAS("ann", 7) "}");
	tell(&t, "{\"base\":13,\"changed\":[" DOC("bob", "1") "],"
	    WAS("bob", 0) "}");
	tell(&t, "{\"base\":14,\"deleted\":[{\"kind\":\"Worker\",\"name\":"
	    "\"bob\"}]," WAS("bob", 14) "}");
	read_told(&r, &t);
	assert_int_equal(r.problems.n, 0);
	assert_int_equal(r.n, 5);
	restore_replay(&r, &all);
	assert_int_equal(r.revisions_n, 5);
	assert_string_equal(model_of(now_of(&r, "ann")), "3");
	assert_int_equal(now_of(&r, "ann")->generation, 3);
	assert_int_equal(now_of(&r, "ann")->created_ms, 1000);
	assert_null(now_of(&r, "bob")->spec);
	assert_int_equal(r.revisions[0].revision, 7);
	assert_int_equal(r.revisions[1].revision, 12);
	assert_int_equal(r.revisions[3].revision, 14);
	assert_true(now_of(&r, "ann")->revision > 14);
	assert_true(now_of(&r, "bob")->revision > 14);
	assert_true(now_of(&r, "ann")->revision !=
	    now_of(&r, "bob")->revision);
	restore_release(&r);
}

/* The accounts of people: made for them in a run that was well. */
static void
test_restore_accounts(void **state)
{
	static const char *const first[] = { "done", "failed" };
	struct restore r;

	(void)state;
	for (size_t i = 0; i < NELEM(first); i++) {
		struct told t = { 0 };
		char *text = xasprintf("{\"result\":\"%s\",\"changed\":[{"
		    "\"kind\":\"Human\",\"metadata\":{\"name\":\"eve\"},"
		    "\"spec\":{}},{\"kind\":\"Human\",\"metadata\":{\"name\":"
		    "\"lin\"},\"spec\":{\"matrixUserId\":\"@l:y\"}}]}",
		    first[i]);

		tell(&t, text);
		free(text);
		tell(&t, "{\"result\":\"done\",\"changed\":[{\"kind\":"
		    "\"Human\",\"metadata\":{\"name\":\"eve\"},\"spec\":{"
		    "\"displayName\":\"Eve\"}}]}");
		read_told(&r, &t);
		restore_replay(&r, &all);
		assert_true(now_of(&r, "eve")->is_made == (i == 0));
		assert_false(now_of(&r, "lin")->is_made);
		restore_release(&r);
	}
}

static void
find_problem(const struct restore *r, const char *part)
{
	for (size_t i = 0; i < r->problems.n; i++)
		if (strstr(r->problems.v[i], part) != NULL)
			return;
	fail_msg("nobody says \"%s\"", part);
}

static void
three_told(struct told *t)
{
	memset(t, 0, sizeof *t);
	tell(t, "{\"changed\":[" DOC("ann", "1") "]}");
	tell(t, "{\"changed\":[" DOC("ann", "2") "]}");
	tell(t, "{\"changed\":[" DOC("bob", "1") "]}");
}

static void
test_restore_tampered(void **state)
{
	struct restore r;
	struct told t;
	struct json *v, *copy;

	(void)state;
	/* Redacted: its content is gone. */
	three_told(&t);
	json_remove(json_next(json_first(t.list)), "receipt");
	read_told(&r, &t);
	find_problem(&r, "receipt 2 is missing");
	restore_release(&r);
	/* Changed. */
	three_told(&t);
	v = json_get(json_first(t.list), "receipt");
	json_set_str(v, "actor", "@mallory:x.org");
	read_told(&r, &t);
	find_problem(&r, "receipt 3, event $3, was changed");
	assert_int_equal(r.n, 2);
	restore_release(&r);
	/* By somebody else, or an edit: as if it were not there. */
	three_told(&t);
	copy = json_copy(json_first(t.list));
	json_set_str(copy, "sender", "@mallory:x.org");
	json_push(t.list, copy);
	copy = json_copy(json_first(t.list));
	json_set_str(copy, "replaces", "$3");
	json_push(t.list, copy);
	read_told(&r, &t);
	assert_int_equal(r.problems.n, 0);
	assert_int_equal(r.n, 3);
	restore_release(&r);
	/* A second one of that number that does not follow. */
	three_told(&t);
	copy = json_copy(json_first(t.list));
	v = json_get(copy, "receipt");
	json_set_str(v, "prev", "x");
	receipt_hash(v, t.prev);
	json_set_str(v, "hash", t.prev);
	json_set_str(copy, "id", "$fake");
	json_push(t.list, copy);
	read_told(&r, &t);
	find_problem(&r, "receipt 3 is in the room twice");
	assert_int_equal(r.n, 3);
	assert_string_equal(r.receipts[2].event, "$3");
	restore_release(&r);
	/* Of another registration: none of its rooms is ours. */
	three_told(&t);
	restore_read(&r, t.list, &(struct restore_from){ .bot = BOT,
	    .instance = "you" });
	find_problem(&r, "of the registration \"me\"");
	restore_release(&r);
	json_free(t.list);
}

/*
 * A backup that had two of four, and one that was started from before: its chain
 * parted from that of the room, and went on.
 */
static void
test_behind(void **state)
{
	struct restore_from from = { .bot = BOT, .instance = "me",
	    .revision = 40 };
	struct told t = { 0 };
	struct restore r;
	const struct json *v;
	char first[SHA256_HEX], second[SHA256_HEX];

	(void)state;
	tell(&t, "{\"changed\":[" DOC("ann", "1") "]}");
	memcpy(first, t.prev, sizeof first);
	tell(&t, "{\"changed\":[" DOC("ann", "2") "]}");
	memcpy(second, t.prev, sizeof second);
	tell(&t, "{\"base\":41,\"changed\":[" DOC("bob", "1") "]}");
	tell(&t, "{\"base\":42,\"changed\":[" DOC("bob", "2") "],"
	    WAS("bob", 42) "}");
	from.seq = 2;
	from.hash = second;
	restore_read(&r, t.list, &from);
	restore_replay(&r, &from);
	assert_int_equal(r.problems.n, 0);
	assert_int_equal(r.n, 2);
	assert_int_equal(r.receipts[0].seq, 3);
	assert_null(now_of(&r, "ann"));
	assert_string_equal(model_of(now_of(&r, "bob")), "2");
	assert_int_equal(now_of(&r, "bob")->revision, 43);
	restore_release(&r);
	/* It is another database's backup. */
	from.hash = first;
	restore_read(&r, t.list, &from);
	assert_int_equal(r.n, 2);
	find_problem(&r, "receipt 3, event $3, does not follow on receipt 2");
	restore_release(&r);
	/* What comes after the fourth is not in the room. */
	from.seq = 4;
	from.hash = t.prev;
	restore_read(&r, t.list, &from);
	assert_int_equal(r.n, 0);
	assert_int_equal(r.problems.n, 0);
	restore_release(&r);
	/* A newer branch of the same length is the one that goes on ... */
	from.seq = 1;
	from.hash = first;
	for (int n = 2; n <= 3; n++) {
		struct told branch = { .seq = 1 };

		memcpy(branch.prev, first, sizeof first);
		for (int i = 0; i < n; i++)
			tell(&branch, "{\"changed\":[" DOC("cyd", "1") "]}");
		for (v = json_first(t.list); v != NULL; v = json_next(v))
			json_push(branch.list, json_copy(v));
		restore_read(&r, branch.list, &from);
		restore_replay(&r, &from);
		find_problem(&r, "receipt 3 is in the room twice");
		assert_int_equal(r.n, 3);
		/* ... and of a shorter one the last number is not its own. */
		assert_true((now_of(&r, "cyd") != NULL) == (n == 3));
		assert_true((now_of(&r, "bob") != NULL) == (n == 2));
		restore_release(&r);
		json_free(branch.list);
	}
	json_free(t.list);
}

/* The receipts that were sent since `from`, put before the older ones. */
static void
room_add(struct house *h, struct json **room)
{
	struct json *list = json_array(), *o;
	const struct json *v;
	char *event, *text;

	for (size_t n = json_size(h->sent); n > 0; n--) {
		v = json_first(h->sent);
		for (size_t i = 1; i < n; i++)
			v = json_next(v);
		o = json_get(json_get(v, "content"), "io.hiclaw.receipt");
		if (json_int(o, "seq", 0) == 0)
			continue;
		event = store_outbox_event(h->store, json_int(v, "id", 0));
		text = json_canonical(o);
		json_push(list, event_json(event, BOT, text));
		free(text);
		free(event);
	}
	for (v = json_first(*room); v != NULL; v = json_next(v))
		json_push(list, json_copy(v));
	json_free(*room);
	*room = list;
	forget_sent(h);
}

static const struct json *
audit_verify(struct house *h, const struct json *room)
{
	char *text = json_canonical(room), *what = NULL, id[16];
	struct chat_fetched got = { text, strlen(text), NULL };
	struct json *e = event_of(h, ADMIN, BOSS, "m.room.message");

	json_set_str(json_get(e, "content"), "msgtype", "m.text");
	json_set_str(json_get(e, "content"), "body", "@hiclaw audit verify");
	str_copy(id, json_str(e, "event_id"), sizeof id);
	assert_int_equal(give(h, e, NULL, &what), CHAT_NEEDS_HISTORY);
	free(what);
	assert_int_equal(give(h, e, &got, &what), CHAT_DONE);
	json_free(e);
	free(text);
	post(h);
	return reply_to(h, id);
}

static void
make_copy(struct house *h, const char *path)
{
	struct store_backup *b;
	struct err err;
	int rc;

	b = store_backup_begin(h->store, path, &err);
	assert_non_null(b);
	while ((rc = store_backup_step(b, 100, &err)) == 1)
		;
	assert_int_equal(rc, 0);
	store_backup_free(b);
}

/* The controller starts from that copy; what daemon/behind.c does is done. */
static void
start_from(struct house *h, const char *path, const struct json *room)
{
	char *cmd = xasprintf("cd '%s' && rm -f db-wal db-shm && cp '%s' db",
	    h->dir, path);
	struct restore_from from;
	struct restore r;

	house_close(h);
	assert_int_equal(system(cmd), 0);
	free(cmd);
	h->copies++;
	house_open(h);
	chat_behind_from(h->chat, &from);
	restore_read(&r, room, &from);
	restore_replay(&r, &from);
	store_begin(h->store);
	chat_behind(h->chat, &r, NULL);
	store_commit(h->store);
	restore_release(&r);
	free(from.hash);
	post(h);
}

static void
test_started_from_copy(void **state)
{
	struct house *h = *state;
	struct json *room = json_array();
	char *path = xasprintf("%s/copy", h->dir);
	const struct json *r, *told;

	ask(h, WORKER("ann", "one"));
	ask(h, WORKER("zoe", "m"));
	/* One receipt is on its way when the copy is made. */
	store_begin(h->store);
	room_add(h, &room);
	speak(h, WORKER("kim", "m"));
	assert_true(wait_for(h, is_quiet));
	make_copy(h, path);
	post(h);
	ask(h, WORKER("ann", "two"));
	ask(h, WORKER("bob", "m"));
	ask(h, "@hiclaw delete worker zoe");
	ask(h, "yes");
	room_add(h, &room);
	assert_int_equal(json_size(room), 6);
	expect(audit_verify(h, room), "done", "6 receipts");
	forget_sent(h);

	start_from(h, path, room);
	told = NULL;
	for (r = json_first(h->sent); r != NULL; r = json_next(r))
		if (strstr(body_of(r), "started from a backup") != NULL)
			told = r;
	assert_non_null(told);
	assert_non_null(strstr(body_of(told), "3 receipts came after it"));
	assert_non_null(strstr(body_of(told), "- Worker/ann is as it was"));
	assert_non_null(strstr(body_of(told), "- Worker/bob is not declared"));
	assert_non_null(strstr(body_of(told), "- Worker/zoe is declared"));
	assert_string_equal(model(h, "ann"), "one");
	/* The chain is whole, and goes on. */
	ask(h, WORKER("ann", "three"));
	room_add(h, &room);
	expect(audit_verify(h, room), "done", "8 receipts");
	/* Undone, all is as it was told; numbers of the history are not given
	 * twice. */
	expect(ask(h, "@hiclaw undo 7"), "question", "delete");
	ask(h, "yes");
	assert_string_equal(model(h, "ann"), "two");
	assert_true(is_declared(h, "Worker", "bob"));
	assert_false(is_declared(h, "Worker", "zoe"));
	expect(ask(h, "@hiclaw undo 4"), "done", "undo 4");
	assert_string_equal(model(h, "ann"), "one");
	room_add(h, &room);
	/* Nothing came after it: nothing is said. */
	free(path);
	path = xasprintf("%s/newer", h->dir);
	make_copy(h, path);
	start_from(h, path, room);
	room_add(h, &room);
	assert_int_equal(json_size(room), 10);
	/* One is gone: named. */
	ask(h, WORKER("eve", "one"));
	ask(h, WORKER("eve", "two"));
	room_add(h, &room);
	json_remove(json_next(json_first(room)), "receipt");
	start_from(h, path, room);
	room_add(h, &room);
	r = audit_verify(h, room);
	expect(r, "failed", "receipt 11 is missing in the database");
	assert_null(strstr(body_of(r), "second time"));
	free(path);
	json_free(room);
}

static void
test_restore_attached(void **state)
{
	static const char text[] = "[" DOC("ann", "9") "]";
	struct restore r;
	struct told t = { 0 };
	char hash[SHA256_HEX], *more;

	(void)state;
	sha256_hex(text, strlen(text), hash);
	more = xasprintf("{\"changed_sha256\":\"%s\"}", hash);
	tell(&t, more);
	restore_read(&r, t.list, &all);
	assert_string_equal(r.receipts[0].url, "mxc://x/y");
	restore_attach(&r, 0, text, strlen(text), NULL);
	restore_replay(&r, &all);
	assert_int_equal(r.problems.n, 0);
	assert_string_equal(model_of(now_of(&r, "ann")), "9");
	restore_release(&r);
	restore_read(&r, t.list, &all);
	restore_attach(&r, 0, "[]", 2, NULL);
	find_problem(&r, "is not what it was");
	restore_release(&r);
	restore_read(&r, t.list, &all);
	restore_attach(&r, 0, NULL, 0, "404");
	find_problem(&r, "attachment of receipt 1, event $1, is missing: 404");
	restore_replay(&r, &all);
	assert_int_equal(r.revisions_n, 0);
	restore_release(&r);
	json_free(t.list);
	free(more);
}

/* Whatever a room holds: nothing breaks. */
static void
test_restore_hostile(void **state)
{
	static const char *const texts[] = {
		"{}", "{\"changed\":7,\"deleted\":\"x\",\"before\":{}}",
		"{\"changed\":[1,null,{},{\"kind\":\"Pod\"},{\"kind\":"
		"\"Worker\",\"metadata\":[],\"spec\":{}}],\"deleted\":[{},3,"
		"{\"kind\":\"Worker\"}]}",
		"{\"base\":-5,\"changed\":[" DOC("x", "1") "],\"before\":[{"
		"\"kind\":\"Worker\",\"name\":\"x\",\"revision\":-1}]}",
		"{\"base\":1e300,\"changed\":[" DOC("x", "2") "],\"before\":[{"
		"\"kind\":\"Worker\",\"name\":\"x\",\"revision\":1e300}]}",
		"{\"deleted\":[{\"kind\":\"Worker\",\"name\":\"nobody\"}]}",
	};
	struct told t = { 0 };
	struct restore r;

	(void)state;
	for (size_t i = 0; i < NELEM(texts); i++)
		tell(&t, texts[i]);
	read_told(&r, &t);
	restore_replay(&r, &all);
	assert_true(r.problems.n > 0);
	assert_true(now_of(&r, "x")->revision > 0);
	restore_release(&r);
	restore_read(&r, NULL, &all);
	restore_replay(&r, &all);
	assert_int_equal(r.n, 0);
	restore_release(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_room_tampered),
		cmocka_unit_test(test_database_tampered),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_restore),
		cmocka_unit_test(test_restore_accounts),
		cmocka_unit_test(test_restore_tampered),
		cmocka_unit_test(test_behind),
		cmocka_unit_test(test_restore_attached),
		T(test_started_from_copy),
		cmocka_unit_test(test_restore_hostile),
		T(test_history), T(test_undo), T(test_audit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
