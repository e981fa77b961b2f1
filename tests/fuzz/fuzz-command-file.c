/*
 * Fuzz target: any bytes as a command file of an operator, beside the commands of
 * the program.
 *
 * Beyond not crashing: what is refused has a reason that begins with the file's
 * name, and what is taken as a macro fills in whatever is typed, in a line as words
 * of which none is an option, in a manifest without a line more than it has.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "hiclaw/json.h"

#include "../../src/chat/commands.h"
#include "../../src/chat/handlers.h"
#include "../../src/chat/words.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
demand(bool ok)
{
	if (!ok)
		abort();
}

static size_t
lines_of(const char *text)
{
	size_t n = 0;

	for (; *text != '\0'; text++)
		n += *text == '\n';
	return n;
}

static void
check_line(const char *line, size_t most)
{
	struct words w;
	struct err err;

	if (words_split(line, &w, &err) == -1)
		return;
	demand(w.raw.n <= most);
	words_release(&w);
}

/* What people may type is hostile, too. */
static void
play(const struct command *c)
{
	static const char *const typed[] = { "alice", "-1", "--prune", "yes",
	    "a\"b\\", "x: y, z}", "\xe2\x80\x94x", "@a:b.org" };
	struct strv v = { 0 };
	struct err err;
	char *text;

	for (size_t i = 0; i < NELEM(typed); i++) {
		strv_add(&v, typed[i]);
		if (arguments_check(c, &v, &err) == -1)
			continue;
		for (size_t j = 0; j < c->run.n; j++) {
			text = macro_fill(c, c->run.v[j], &v, false, &err);
			if (text != NULL)
				check_line(text, strlen(c->run.v[j]) +
				    v.n * strlen(c->run.v[j]));
			free(text);
		}
		if (c->template == NULL)
			continue;
		text = macro_fill(c, c->template, &v, true, &err);
		demand(text != NULL);
		demand(lines_of(text) == lines_of(c->template));
		free(text);
	}
	strv_release(&v);
}

static const char get[] = "name: get\nusage: get\nsummary: s\ngroup: g\n"
    "tier: 3\nhandler: get\n";

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct commands *cs;
	struct err err;
	char *text;

	if (size > 16384 || memchr(data, '\0', size) != NULL)
		return 0;
	text = xstrndup((const char *)data, size);
	cs = commands_empty();
	demand(commands_add(cs, "get.yaml", get, handler_names(), &err) == 0);
	if (commands_add(cs, "x.yaml", text, handler_names(), &err) == 0 &&
	    commands_check(cs, handler_names(), &err) == 0) {
		for (size_t i = 0; i < commands_n(cs); i++)
			if (command_is_macro(commands_at(cs, i)))
				play(commands_at(cs, i));
	} else
		demand(strncmp(err.msg, "x.yaml:", 7) == 0);
	commands_free(cs);
	free(text);
	return 0;
}
