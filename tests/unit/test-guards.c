/*
 * Guards: secrets that people paste, how much one person may ask for, and the
 * freeze.
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
	assert_false(was_said(h, KEY));
}

/* --- floods ------------------------------------------------------------------- */

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_find), T(test_pasted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
