/*
 * Fuzz target: any bytes as a command file of an operator, beside the commands of
 * the program.
 *
 * Beyond not crashing: what is refused has a reason that begins with the file's
 * name, and what is taken as a macro fills in whatever is typed: a line has no option
 * more by it, and a manifest can be filled.
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

/* As many options as there were, whatever was typed. */
static size_t
options_of(const char *line)
{
	struct words w;
	struct err err;
	size_t n = 0;

	if (words_split(line, &w, &err) == -1)
		return 0;
	for (size_t i = 0; i < w.raw.n; i++)
		n += w.raw.v[i][0] == '-';
	words_release(&w);
	return n;
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
			text = macro_line(c, c->run.v[j], &v, &err);
			if (text != NULL)
				demand(options_of(text) <=
				    options_of(c->run.v[j]));
			free(text);
		}
		if (c->template == NULL)
			continue;
		text = macro_manifest(c, &v, &err);
		demand(text != NULL);
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
