/*
 * The templates: read once at the start, checked against the table below, so
 * that a file somebody edited cannot fail in the middle of a reply.
 */
#include "template.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hiclaw/file.h"

#define TEMPLATE_MAX	8192	/* bytes of one template: a reply is a screen */

/* Every reply and the names it may use; order of the alphabet. */
static const struct row { const char *name, *names; } rows[] = {
	{ "answered", "title how was ledger" },
	{ "declined", "" },
	{ "behind", "count list hint" },
	{ "commands-broken", "what" },
	{ "denied", "title number how" },
	{ "died", "agent why" },
	{ "done", "title objects took actor approved plan seq" },
	{ "drift", "who object did fields" },
	{ "drift-told", "who object did" },
	{ "dying", "agent why count wait words" },
	{ "edited", "why do" },
	{ "elsewhere", "room here" },
	{ "encrypted", "" },
	{ "failed", "title objects took actor approved plan why troubles hint seq" },
	{ "fight", "object who wait fields" },
	{ "fight-told", "object who wait" },
	{ "flood", "rate who" },
	{ "frozen", "who words" },
	{ "homeserver-up", "time objects" },
	{ "join", "agent url code minutes" },
	{ "join-again", "agent from time" },
	{ "joined", "agent from time" },
	{ "live", "title summary risk steps notes bar count state" },
	{ "mended", "count list" },
	{ "no-manifest", "command usage" },
	{ "no-question", "" },
	{ "nothing", "notes" },
	{ "password", "user password url minutes" },
	{ "pasted", "who" },
	{ "plan", "title summary risk steps details notes" },
	{ "problems", "count text advice notes" },
	{ "proposal", "again title number summary risk blast steps why notes "
	    "who ledger how" },
	{ "question", "again title number summary risk blast steps why notes "
	    "who ledger how" },
	{ "refused", "what user why who" },
	{ "reports", "agents do time" },
	{ "restored", "words" },
	{ "silent", "agents do ago" },
	{ "stable", "agent time" },
	{ "started", "away objects" },
	{ "steps", "steps details" },
	{ "still-frozen", "words" },
	{ "system-down", "system why" },
	{ "system-up", "system time objects" },
	{ "thawed", "who words" },
	{ "token", "token until minutes" },
	{ "unknown", "word near example" },
	{ "unread", "why" },
	{ "usage", "what usage example" },
	{ "waking", "agents why" },
	{ "welcome", "name" },
	{ "wrong", "what" },
};

struct templates { char *text[NELEM(rows)]; };

static bool
has_word(const char *words, const char *word, size_t len)
{
	for (const char *p = words; *p != '\0'; p += strspn(p, " ")) {
		size_t n = strcspn(p, " ");

		if (n == len && memcmp(p, word, n) == 0)
			return true;
		p += n;
	}
	return false;
}

/* Is every {{name}} one that the program fills? */
static int
check(const struct row *row, const char *path, const char *text, struct err *e)
{
	int line = 1;

	for (const char *p = text; *p != '\0'; p++) {
		const char *end, *name;

		line += *p == '\n';
		if (!str_starts(p, "{{"))
			continue;
		name = p + 2 + (p[2] == '>');
		end = strstr(name, "}}");
		if (end == NULL || memchr(name, '\n', (size_t)(end - name)))
			return err_set(e, ERR_BROKEN, "%s:%d: {{ without }}",
			    path, line);
		if (!has_word(row->names, name, (size_t)(end - name)))
			return err_set(e, ERR_BROKEN, "%s:%d: unknown name "
			    "{{%.*s}}; known: %s", path, line,
			    (int)(end - name), name, row->names);
		p = end + 1;
	}
	return 0;
}

struct templates *
templates_load(const char *dir, struct err *e)
{
	struct templates *ts = xcalloc(1, sizeof *ts);
	char *path = NULL;

	for (size_t i = 0; i < NELEM(rows); i++) {
		free(path);
		path = xasprintf("%s/%s.md", dir, rows[i].name);
		ts->text[i] = file_read(path, TEMPLATE_MAX, e);
		if (ts->text[i] == NULL ||
		    check(&rows[i], path, ts->text[i], e) == -1) {
			templates_free(ts);
			ts = NULL;
			break;
		}
	}
	free(path);
	return ts;
}

void
templates_free(struct templates *ts)
{
	if (ts == NULL)
		return;
	for (size_t i = 0; i < NELEM(rows); i++)
		free(ts->text[i]);
	free(ts);
}

static const struct fill *
fill_find(const struct fill *fill, const char *name, size_t len)
{
	for (; fill != NULL && fill->name != NULL; fill++)
		if (strlen(fill->name) == len &&
		    memcmp(fill->name, name, len) == 0)
			return fill;
	return NULL;
}

/* {{>name}} alone in the line: the block, on lines of its own. */
static bool
fill_block(const char *s, size_t n, const struct fill *fill, struct text *out)
{
	const struct fill *f;

	if (n < 6 || memcmp(s, "{{>", 3) != 0 ||
	    memcmp(s + n - 2, "}}", 2) != 0)
		return false;
	f = fill_find(fill, s + 3, n - 5);
	if (f != NULL && f->block != NULL && !text_is_empty(f->block)) {
		text_append(out, f->block);
		if (out->b.data[out->b.len - 1] != '\n')
			text_puts(out, "\n");
	}
	return true;
}

/* A line with names of which none has a value says nothing. */
static bool
is_idle(const char *s, size_t n, const struct fill *fill)
{
	bool any = false;

	for (size_t i = 0; i + 1 < n; i++) {
		const char *end;
		const struct fill *f;

		if (s[i] != '{' || s[i + 1] != '{')
			continue;
		end = strstr(s + i, "}}");
		f = fill_find(fill, s + i + 2, (size_t)(end - s) - i - 2);
		if (f != NULL && f->value != NULL)
			return false;
		any = true;
		i = (size_t)(end - s) + 1;
	}
	return any;
}

static void
fill_line(const char *s, size_t n, const struct fill *fill, struct text *out)
{
	const char *eol = s + n, *end;
	const struct fill *f;

	while (s < eol) {
		const char *at = strstr(s, "{{");

		if (at == NULL || at >= eol) {
			text_putn(out, s, (size_t)(eol - s));
			break;
		}
		text_putn(out, s, (size_t)(at - s));
		end = strstr(at, "}}");
		f = fill_find(fill, at + 2, (size_t)(end - at) - 2);
		if (f != NULL && f->value != NULL && f->is_people)
			text_people(out, f->value);
		else if (f != NULL && f->value != NULL)
			text_value(out, f->value);
		s = end + 2;
	}
}

/* One empty line is enough, and none at the beginning. */
static bool
ends_with_gap(const struct text *t)
{
	size_t n = t->b.len;

	return n == 0 || (n >= 2 && t->b.data[n - 1] == '\n' &&
	    t->b.data[n - 2] == '\n');
}

void
template_fill(const struct templates *ts, const char *name,
    const struct fill *fill, struct text *out)
{
	const char *s = NULL;

	for (size_t i = 0; i < NELEM(rows); i++)
		if (strcmp(rows[i].name, name) == 0)
			s = ts->text[i];
	assert(s != NULL);
	while (*s != '\0') {
		size_t n = strcspn(s, "\n");

		if (!fill_block(s, n, fill, out) && !is_idle(s, n, fill)) {
			if (n > 0 || !ends_with_gap(out)) {
				fill_line(s, n, fill, out);
				text_puts(out, "\n");
			}
		}
		s += n + (s[n] == '\n');
	}
	/* What was left out may leave empty lines at the end. */
	while (out->b.len > 0 && out->b.data[out->b.len - 1] == '\n')
		out->b.data[--out->b.len] = '\0';
}
