/*
 * The smaller commands: what they print, what they change and what they refuse.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "house.h"

static void
test_nothing(void **state)
{
	struct house *h = *state;

	expect(ask(h, "!hiclaw help"), "info", "apply");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
