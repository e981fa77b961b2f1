/* help, whoami: what the reader may do here; from the command files. */
#include "chat-int.h"

#include <stdlib.h>
#include <string.h>

#include "cmd.h"

static bool
may_use(const struct request *q, const struct command *c)
{
	return request_gate(q, c) == GATE_OPEN;
}

static void
help_all(struct request *q)
{
	const char *group = "";
	struct text t = { 0 };

	for (size_t i = 0; i < commands_n(q->chat->commands); i++) {
		const struct command *c = commands_at(q->chat->commands, i);

		if (!may_use(q, c))
			continue;
		if (strcmp(group, c->group) != 0) {
			if (group[0] != '\0')
				text_puts(&t, "\n");
			text_printf(&t, "**%s**\n", c->group);
		}
		group = c->group;
		text_printf(&t, "- `%s`: %s\n", c->name, c->summary);
	}
	if (q->tier == 1)
		text_puts(&t, "\nTo make something, paste a manifest. ");
	else
		text_puts(&t, "\n");
	text_printf(&t, "`help apply` tells more about one.");
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

	if (q->words.v.n == 0) {
		help_all(q);
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
