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
	    "which revision");
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_room_tampered),
		cmocka_unit_test(test_database_tampered),
		cmocka_unit_test(test_hostile),
		T(test_history), T(test_undo), T(test_audit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
