/*
 * explain: what the field tables say about a path.  They say it in columns for
 * a terminal; a phone cuts those, so here they become lines and lists.
 */
#include "chat-int.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"

/* "MEANING   Agent of a team." or, alone, the heading of a list: "FIELDS". */
static void
put_label(const char *line, size_t n, struct text *out)
{
	size_t word = strcspn(line, " \n"), skip;
	char *label = xstrndup(line, word < n ? word : n), *rest;

	for (size_t i = 1; label[i] != '\0'; i++)
		label[i] = (char)tolower((unsigned char)label[i]);
	skip = word + strspn(line + word, " ");
	if (skip >= n) {
		text_printf(out, "**%s**", label);
	} else {
		rest = xstrndup(line + skip, n - skip);
		text_printf(out, "**%s**: %s", label, rest);
		free(rest);
	}
	free(label);
}

/* "  name  string, required", with or without its meaning on the next line. */
static void
put_entry(const char *line, size_t n, struct text *out)
{
	size_t word = strcspn(line, " \n"), skip;
	char *name = xstrndup(line, word < n ? word : n), *rest;
	bool has_meaning = line[n] == '\n' && str_starts(line + n, "\n    ");

	skip = word + strspn(line + word, " ");
	rest = xstrndup(line + skip, skip < n ? n - skip : 0);
	if (has_meaning)
		text_printf(out, "- `%s` (%s):", name, rest);
	else
		text_printf(out, "- `%s`: %s", name, rest);
	free(rest);
	free(name);
}

static void
put_explained(const char *s, struct text *out)
{
	while (*s != '\0') {
		size_t n = strcspn(s, "\n"), blanks = strspn(s, " ");
		char *rest;

		if (blanks < 4 && !text_is_empty(out))
			text_puts(out, "\n");
		if (blanks == 0 && memchr(s, ' ', n) == NULL)
			text_puts(out, "\n");
		if (blanks >= 4 && blanks < n) {
			rest = xstrndup(s + blanks, n - blanks);
			text_printf(out, " %s", rest);
			free(rest);
		} else if (blanks > 0)
			put_entry(s + blanks, n - blanks, out);
		else
			put_label(s, n, out);
		s += n + (s[n] == '\n');
	}
}

void
cmd_explain(struct request *q)
{
	struct text t = { 0 };
	char *path, *text;
	struct err err;

	if (q->words.v.n == 0) {
		say_usage(q, "explain what? The kinds are worker, team, "
		    "human and manager.");
		return;
	}
	/* "team spec leader" is as good as "team.spec.leader". */
	path = strv_join(&q->words.v, ".");
	text = api_explain(path, &err);
	if (text == NULL)
		say_wrong(q, "%s", err.msg);
	else {
		put_explained(text, &t);
		say(q, REPLY_INFO, &t);
	}
	free(text);
	free(path);
	text_release(&t);
}
