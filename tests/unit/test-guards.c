/*
 * Guards: secrets that people paste, and the last admin, who stays.
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

#include "hiclaw/clock.h"

#define BOT	"@hiclaw:x.org"
#define KEY	"sk-" "proj4Jx9Qm7Lw2Zt8Rv5Kc3B"
#define KEYED(name, value) HEAD("Worker", name) \
    "spec:\n  model: m\n  env: {OPENAI_API_KEY: \"" value "\"}\n"

static size_t
redactions(struct house *h)
{
	const struct json *r;
	size_t n = 0;

	for (r = json_first(h->sent); r != NULL; r = json_next(r))
		n += json_int(r, "op", 0) == OUTBOX_REDACT;
	return n;
}

static bool
was_said(struct house *h, const char *part)
{
	const struct json *r;
	bool found = false;

	for (r = json_first(h->sent); r != NULL; r = json_next(r)) {
		char *text = json_canonical(r);

		found |= strstr(text, part) != NULL;
		free(text);
	}
	return found;
}

/* --- secrets ------------------------------------------------------------------ */

static void
test_find(void **state)
{
	static const struct { const char *text, *secret; } table[] = {
		{ "use " KEY " well", KEY },
		{ "token: ghp_0123456789abcdefghijklmnopqrstuvWXYZ",
		    "ghp_0123456789abcdefghijklmnopqrstuvWXYZ" },
		{ "AKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPLE" },
		{ "AKIAIOSFODNN7EXAMPLEX", NULL },
		{ "sk-learn-with-many-examples-for-all", NULL },
		{ "skills: [github-operations]", NULL },
		{ "sha256:0123456789abcdef0123456789abcdef0123456789abcdef",
		    NULL },
		{ "", NULL },
	};

	(void)state;
	for (size_t i = 0; i < NELEM(table); i++) {
		size_t at, len;
		bool is = secret_find(table[i].text, 0, &at, &len);

		assert_int_equal(is, table[i].secret != NULL);
		if (!is)
			continue;
		assert_int_equal(len, strlen(table[i].secret));
		assert_memory_equal(table[i].text + at, table[i].secret, len);
	}
}

static void
test_pasted(void **state)
{
	struct house *h = *state;
	const struct json *r = ask(h, KEYED("keyed", KEY));

	expect(r, "done", "apply Worker/keyed");
	assert_true(was_said(h, "there was a secret in your message"));
	assert_false(was_said(h, KEY));
	assert_int_equal(redactions(h), 1);
	assert_true(is_declared(h, "Worker", "keyed"));
	expect(ask(h, "@hiclaw get worker keyed -o yaml"), "info",
	    "$sealed.");
	/* In a command, where it can be of no use. */
	ask(h, "@hiclaw describe worker " KEY);
	assert_int_equal(redactions(h), 2);
	/* In what a client made of one, wherever. */
	invoke(h, "/set", BOT, "set", "{\"resource\":\"worker keyed\","
	    "\"field\":[\"env.API_KEY=" KEY "\"]}");
	invoke(h, "/aply", BOT, "aply", "{\"manifest\":\"k: " KEY "\"}");
	invoke(h, "/apply", BOT, "apply", "{\"manifest\":{\"k\":\"" KEY
	    "\"}}");
	assert_int_equal(redactions(h), 5);
	assert_false(was_said(h, KEY));
}

/* --- the last admin ----------------------------------------------------------- */

#define ANN	"@ann:x.org"
#define HUMAN(name, level) HEAD("Human", name) "spec:\n  displayName: N\n" \
    "  matrixUserId: \"@" name ":x.org\"\n  permissionLevel: " level "\n"

static const struct json *
ask_as(struct house *h, const char *sender, const char *body)
{
	const char *id = speak_in(h, ADMIN, sender, body, NULL);

	wait_for(h, is_quiet);
	post(h);
	return reply_to(h, id);
}

/* The settings name somebody who never came; Ann is all there is. */
static void
leave_only_ann(struct house *h)
{
	expect(ask(h, HUMAN("ann", "1")), "done", "");
	strv_remove(&h->admins, BOSS);
	strv_add(&h->admins, "@tpyo:x.org");
}

static void
test_last_admin(void **state)
{
	static const char *const ways[] = {
		"@hiclaw delete human ann", HUMAN("ann", "2"),
		/* Somebody else of the same name is not she. */
		HEAD("Human", "ann") "spec:\n  displayName: N\n"
		    "  matrixUserId: \"@other:x.org\"\n  permissionLevel: 1\n",
		/* One who has not come is not enough. */
		HUMAN("ann", "3") "---\n" HUMAN("eve", "1"),
	};
	struct house *h = *state;

	leave_only_ann(h);
	for (size_t i = 0; i < NELEM(ways); i++) {
		expect(ask_as(h, ANN, ways[i]), "refused", "Human/ann is the "
		    "last admin who is here");
		assert_true(was_said(h, "@tpyo:x.org"));
	}
	assert_true(is_declared(h, "Human", "ann"));
	/* With another one there is no harm in it. */
	expect(ask_as(h, ANN, HUMAN("eve", "1")), "done", "");
	expect(ask_as(h, ANN, HUMAN("ann", "2")), "done", "");
}

static void
test_last_admin_is_not(void **state)
{
	struct house *h = *state;

	expect(ask(h, HUMAN("ann", "1")), "done", "");
	/* The configured one is here. */
	expect(ask(h, HUMAN("ann", "2")), "done", "");
	strv_remove(&h->admins, BOSS);
	strv_add(&h->admins, BOSS);
}

/*
 * Whoever is taken off the list of admins may stay in the admin room, with power
 * there, until another one has come.  To us they are nobody at once: what they say
 * and tap, what they asked and approved before, and their tokens.
 */
static void
test_no_admin_any_more(void **state)
{
	struct house *h = *state;
	struct caller caller;
	char asked[32];

	expect(ask(h, TEAM), "done", "");
	snprintf(asked, sizeof asked, "$out%lld", (long long)json_int(ask(h,
	    "@hiclaw delete team web"), "id", 0));
	assert_true(caller_find(h->engine, "user:" BOSS, &caller));
	caller_release(&caller);
	leave_only_ann(h);
	assert_false(caller_find(h->engine, "user:" BOSS, &caller));
	caller_release(&caller);
	ask(h, "yes");
	react(h, BOSS, asked, "\xe2\x9c\x85");
	ask(h, HEAD("Worker", "mine") "spec:\n  model: m\n");
	ask(h, "@hiclaw delete team web");
	ask(h, "yes");
	assert_true(is_declared(h, "Team", "web"));
	assert_false(is_declared(h, "Worker", "mine"));
	expect(ask_as(h, ANN, "@hiclaw sleep lea"), "done", "");
	strv_remove(&h->admins, "@tpyo:x.org");
	strv_add(&h->admins, BOSS);
}

/* Pure: whom of tier 1 we have seen, before and after. */
static void
test_lockout_last(void **state)
{
	struct house *h = *state;
	struct strv seen = { 0 };
	struct resources *none = resources_new();
	const struct world_config *wc;

	leave_only_ann(h);
	wc = engine_world_config(h->engine);
	assert_null(lockout_last(wc, engine_resources(h->engine), none,
	    &seen));
	strv_add(&seen, ANN);
	assert_string_equal(lockout_last(wc, engine_resources(h->engine),
	    none, &seen)->name, "ann");
	assert_null(lockout_last(wc, none, none, &seen));
	assert_null(lockout_last(wc, engine_resources(h->engine),
	    engine_resources(h->engine), &seen));
	strv_add(&seen, "@tpyo:x.org");
	assert_null(lockout_last(wc, engine_resources(h->engine), none,
	    &seen));
	resources_free(none);
	strv_release(&seen);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_find), T(test_pasted),
		T(test_last_admin), T(test_last_admin_is_not),
		T(test_no_admin_any_more), T(test_lockout_last),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
