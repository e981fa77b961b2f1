/*
 * Fuzz target: any bytes as a transcript, and as a pattern for what was said.
 *
 * Beyond not crashing: the steps are in order and within the file, and what is made
 * general still fits what it was made of.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../src/transcript/transcript-int.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
demand(bool ok)
{
	if (!ok)
		abort();
}

static void
check_steps(const char *text)
{
	struct script s = { 0 };
	struct err err;
	int last = 0;

	if (script_parse(&s, text, &err) == 0)
		for (size_t i = 0; i < s.n; i++) {
			demand(s.steps[i].line > last);
			demand(s.steps[i].end >= s.steps[i].line);
			demand(s.steps[i].text != NULL);
			last = s.steps[i].end;
		}
	script_release(&s);
}

static void
check_match(const char *text)
{
	struct map *names = map_new(free);
	char *general = match_generalise(text);
	struct buf diff = { 0 };

	match_text(text, general, names);
	match_diff(text, general, names, &diff);
	buf_release(&diff);
	free(general);
	map_free(names);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = xstrndup((const char *)data, size);

	check_steps(text);
	if (strlen(text) < 2000)
		check_match(text);
	free(text);
	return 0;
}
