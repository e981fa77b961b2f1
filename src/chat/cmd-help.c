/* help, whoami: what the reader may do here; from the command files. */
#include "chat-int.h"

#include <stdlib.h>
#include <string.h>

#include "cmd.h"

#define LINES_SHOWN	20	/* of commands: a phone screen */

static bool
may_use(const struct request *q, const struct command *c)
{
	return request_gate(q, c) == GATE_OPEN;
}

static size_t
usable_n(const struct request *q)
{
	size_t n = 0;

	for (size_t i = 0; i < commands_n(q->chat->commands); i++)
		n += may_use(q, commands_at(q->chat->commands, i));
	return n;
}

/* By groups: a line for each, or only the names. */
static void
put_commands(struct request *q, bool is_brief, struct text *out)
{
	const char *group = "";

	for (size_t i = 0; i < commands_n(q->chat->commands); i++) {
		const struct command *c = commands_at(q->chat->commands, i);
		bool is_first;

		if (!may_use(q, c))
			continue;
		is_first = strcmp(group, c->group) != 0;
		if (is_first && group[0] != '\0')
			text_puts(out, is_brief ? "\n\n" : "\n");
		if (is_first)
			text_printf(out, "**%s**\n", c->group);
		group = c->group;
		if (is_brief)
			text_printf(out, "%s`%s`", is_first ? "" : ", ",
			    c->name);
		else
			text_printf(out, "- `%s`: %s\n", c->name, c->summary);
	}
	text_puts(out, is_brief ? "\n" : "");
}

static void
help_all(struct request *q, bool is_brief)
{
	struct text t = { 0 };

	put_commands(q, is_brief, &t);
	text_puts(&t, "\n");
	if (q->tier == 1)
		text_puts(&t, "To make something, paste a manifest. ");
	if (is_brief)
		text_puts(&t, "`help all` tells what each does, ");
	text_puts(&t, "`help apply` tells more about one.");
	if (q->where != IN_DM)
		text_printf(&t, " Begin with `@%s` here; in a direct chat "
		    "with me the name is not needed.", q->chat->name);
	say(q, REPLY_INFO, &t);
	text_release(&t);
}

static void
put_arguments(const struct command *c, struct text *out)
{
	for (size_t i = 0; i < c->arguments_n; i++)
		if (c->arguments[i].help[0] != '\0')
			text_printf(out, "- `%s`: %s\n", c->arguments[i].name,
			    c->arguments[i].help);
}

static void
put_flags(const struct command *c, struct text *out)
{
	for (size_t i = 0; i < c->flags_n; i++) {
		const struct flag *f = &c->flags[i];
		char letter[2] = { f->letter, '\0' };

		text_printf(out, "- `--%s%s`", f->name,
		    f->has_value ? " VALUE" : "");
		if (f->letter != '\0')
			text_printf(out, " or `-%s`", letter);
		text_printf(out, ": %s\n", c->flags_help.v[i]);
	}
}

/* The file's paragraphs; line breaks inside one are not kept. */
static void
put_help(const char *help, struct text *out)
{
	for (const char *s = help; *s != '\0';) {
		size_t n = strcspn(s, "\n");
		char *line = xstrndup(s, n);
		bool goes_on = s[n] == '\n' && s[n + 1] != '\0' &&
		    s[n + 1] != '\n' && n > 0;

		text_value(out, line);
		text_puts(out, goes_on ? " " : "\n");
		free(line);
		s += n + (s[n] == '\n');
	}
}

static void
help_one(struct request *q, const struct command *c)
{
	struct text t = { 0 };
	char *also = strv_join(&c->aliases, ", ");

	text_printf(&t, "**%s**: %s\n`%s`\n\n", c->name, c->summary,
	    c->usage);
	put_help(c->help, &t);
	text_puts(&t, "\n");
	put_arguments(c, &t);
	put_flags(c, &t);
	if (c->examples.n > 0)
		text_puts(&t, "\nFor example:\n");
	for (size_t i = 0; i < c->examples.n; i++)
		text_printf(&t, "- `%s`\n", c->examples.v[i]);
	if (c->aliases.n > 0)
		text_printf(&t, "\nAlso: %s.", also);
	say(q, REPLY_INFO, &t);
	text_release(&t);
	free(also);
}

void
cmd_help(struct request *q)
{
	const struct command *c;
	const char *near;
	struct words about = { 0 };
	size_t used;

	if (q->words.v.n == 0 || (q->words.v.n == 1 &&
	    strcmp(q->words.v.v[0], "all") == 0)) {
		help_all(q, q->words.v.n == 0 && usable_n(q) > LINES_SHOWN);
		return;
	}
	for (size_t i = 0; i < q->words.v.n; i++)
		strv_add(&about.raw, q->words.v.v[i]);
	c = commands_match(q->chat->commands, &about, &used, &near);
	if (c != NULL && may_use(q, c))
		help_one(q, c);
	else
		say_unknown(q, q->words.v.v[0]);
	words_release(&about);
}

void
cmd_whoami(struct request *q)
{
	static const char *const may[] = {
		"", "you may do everything", "you may work with the teams and "
		"workers your Human names", "you may work with the workers "
		"your Human names",
	};
	const struct world_config *wc = engine_world_config(q->chat->engine);
	struct text t = { 0 };

	text_printf(&t, "You are %s, tier %d: %s.\n", q->sender, q->tier,
	    may[q->tier >= 1 && q->tier <= 3 ? q->tier : 0]);
	if (wc->admins != NULL && strv_has(wc->admins, q->sender))
		text_puts(&t, "The rule: you are an admin in the "
		    "configuration (`admins`).");
	else if (q->human != NULL)
		text_printf(&t, "The rule: you are Human/%s, whose "
		    "`permissionLevel` is %d.", q->human->name, q->tier);
	say(q, REPLY_INFO, &t);
	text_release(&t);
}
