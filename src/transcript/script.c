/*
 * A transcript's text to steps.  Line by line: who (or which order), a marker
 * that says what they do, and the text, which goes on in indented lines and in a
 * ``` block.  Pure; any text whatever gives steps or an error with its line.
 */
#include "transcript-int.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define NAME_MAX_BYTES	64

struct reader {
	const char	*at;		/* the next line */
	int		 line;		/* its number, from 1 */
};

/* --- lines --------------------------------------------------------------- */

static size_t
line_len(const char *s)
{
	return strcspn(s, "\n");
}

static void
next_line(struct reader *r)
{
	r->at += line_len(r->at);
	if (*r->at == '\n')
		r->at++;
	r->line++;
}

static bool
is_blank(const char *s)
{
	return s[strspn(s, " \t\r")] == '\n' || s[strspn(s, " \t\r")] == '\0';
}

static size_t
indent_of(const char *s)
{
	return strspn(s, " \t");
}

static bool
is_fence(const char *s)
{
	return str_starts(s, "```");
}

/* Does an indented line come after blank ones? */
static bool
goes_on(const char *s)
{
	while (*s != '\0' && is_blank(s)) {
		s += line_len(s);
		if (*s == '\n')
			s++;
	}
	return *s != '\0' && indent_of(s) > 0;
}

static void
add_line(struct buf *text, const char *s, size_t skip)
{
	size_t n = line_len(s);

	while (n > 0 && s[n - 1] == '\r')
		n--;
	buf_putc(text, '\n');
	if (n > skip)
		buf_add(text, s + skip, n - skip);
}

static void
take_fence(struct reader *r, struct buf *text)
{
	do {
		add_line(text, r->at, 0);
		next_line(r);
	} while (*r->at != '\0' && !is_fence(r->at));
	if (*r->at != '\0') {
		add_line(text, r->at, 0);
		next_line(r);
	}
}

/* The lines that belong to the one before; their common indent goes. */
static void
take_rest(struct reader *r, struct buf *text)
{
	size_t cut = 0;

	for (;;) {
		if (is_fence(r->at))
			take_fence(r, text);
		else if (is_blank(r->at) ? *r->at != '\0' && goes_on(r->at) :
		    indent_of(r->at) > 0) {
			if (cut == 0 && !is_blank(r->at))
				cut = indent_of(r->at);
			add_line(text, r->at, indent_of(r->at) < cut ?
			    indent_of(r->at) : cut);
			next_line(r);
		} else
			return;
	}
}

/* --- markers ------------------------------------------------------------- */

static const struct marker {
	char		 sign;
	enum step_kind	 kind;
} markers[] = {
	{ '>', STEP_SAY }, { '~', STEP_EDIT }, { '^', STEP_REPLY },
	{ '!', STEP_REDACT }, { '+', STEP_TAP }, { '-', STEP_UNTAP },
	{ ':', STEP_ACT },
};

/* Orders; those with `takes` have a text. */
static const struct order {
	const char	*word;
	enum step_kind	 kind;
	bool		 takes;
} orders[] = {
	{ "person:", STEP_PERSON, true },
	{ "room:", STEP_ROOM, true },
	{ "set", STEP_SET, true },
	{ "wait", STEP_WAIT, true },
	{ "quiet", STEP_QUIET, false },
	{ "restart", STEP_RESTART, false },
	{ "stop", STEP_STOP, false },
	{ "kill", STEP_KILL, false },
	{ "start", STEP_START, false },
	{ "drop database", STEP_DROP, false },
	{ "restore", STEP_RESTORE, false },
	{ "bot<~", STEP_BOT_EDIT, true },
	{ "bot<|", STEP_BOT_THREAD, true },
	{ "bot<", STEP_BOT, true },
	{ "server<", STEP_SERVER, true },
};

static int
bad(int line, struct err *e, const char *why, const char *s)
{
	return err_set(e, ERR_USER, "line %d: %s: \"%.*s\"", line, why,
	    (int)utf8_prefix(s, line_len(s) < 60 ? line_len(s) : 60), s);
}

/* "[label]" at s: past it, *label yours. */
static const char *
take_label(const char *s, char **label)
{
	size_t n;

	if (*s != '[')
		return s;
	n = strcspn(s + 1, "]\n");
	if (n == 0 || n > NAME_MAX_BYTES || s[n + 1] != ']' ||
	    memchr(s + 1, ' ', n) != NULL)
		return s;
	*label = xstrndup(s + 1, n);
	return s + n + 2;
}

static int
read_person(struct step *st, const char **at, int line, struct err *e)
{
	const char *s = *at + 1;
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789._=/");

	if (n == 0 || n > NAME_MAX_BYTES)
		return bad(line, e, "who is that? write @alice> text", *at);
	for (size_t i = 0; i < NELEM(markers); i++) {
		if (markers[i].sign != s[n])
			continue;
		st->kind = markers[i].kind;
		st->who = xstrndup(s, n);
		*at = take_label(s + n + 1, &st->label);
		return 0;
	}
	return bad(line, e, "behind a name stands one of > ~ ^ ! + - :", *at);
}

static int
read_order(struct step *st, const char **at, int line, struct err *e)
{
	const char *s = *at;

	for (size_t i = 0; i < NELEM(orders); i++) {
		size_t n = strlen(orders[i].word);

		if (strncmp(s, orders[i].word, n) != 0 || (isalpha((unsigned
		    char)orders[i].word[n - 1]) && isalpha((unsigned char)
		    s[n])))
			continue;
		st->kind = orders[i].kind;
		*at = take_label(s + n, &st->label);
		if (!orders[i].takes && !is_blank(*at))
			return bad(line, e, "that is too much", s);
		return 0;
	}
	return bad(line, e, "this is no line of a transcript (an indented "
	    "line belongs to the one before)", s);
}

static struct step *
new_step(struct script *sc, int line)
{
	if (sc->n == sc->cap) {
		sc->cap = sc->cap == 0 ? 64 : sc->cap * 2;
		sc->steps = xreallocarray(sc->steps, sc->cap,
		    sizeof(struct step));
	}
	sc->steps[sc->n] = (struct step){ .line = line };
	return &sc->steps[sc->n++];
}

static bool
needs_text(enum step_kind k)
{
	return k != STEP_REDACT && k != STEP_QUIET && k != STEP_RESTART &&
	    k != STEP_STOP && k != STEP_KILL && k != STEP_START &&
	    k != STEP_DROP && k != STEP_RESTORE;
}

static int
read_step(struct script *sc, struct reader *r, struct err *e)
{
	struct step *st = new_step(sc, r->line);
	struct buf text = { 0 };
	const char *s = r->at;
	size_t n;

	if (*s == '@' ? read_person(st, &s, r->line, e) == -1 :
	    read_order(st, &s, r->line, e) == -1)
		return -1;
	s += strspn(s, " \t");
	for (n = line_len(s); n > 0 && isspace((unsigned char)s[n - 1]); n--)
		;
	buf_add(&text, s, n);
	next_line(r);
	take_rest(r, &text);
	st->end = r->line - 1;
	/* A first line without text is no line. */
	st->text = xstrdup(buf_str(&text) + (n == 0 && text.len > 0));
	buf_release(&text);
	if (st->text[0] == '\0' && needs_text(st->kind))
		return err_set(e, ERR_USER, "line %d: there is nothing behind "
		    "it", st->line);
	return 0;
}

int
script_parse(struct script *sc, const char *text, struct err *e)
{
	struct reader r = { .at = text, .line = 1 };

	*sc = (struct script){ 0 };
	while (*r.at != '\0') {
		if (is_blank(r.at) || *r.at == '#') {
			next_line(&r);
			continue;
		}
		if (sc->n == STEPS_MAX) {
			err_set(e, ERR_USER, "line %d: more than %d steps",
			    r.line, STEPS_MAX);
			goto fail;
		}
		if (read_step(sc, &r, e) == -1)
			goto fail;
	}
	return 0;
fail:
	script_release(sc);
	return -1;
}

void
script_release(struct script *sc)
{
	for (size_t i = 0; i < sc->n; i++) {
		free(sc->steps[i].who);
		free(sc->steps[i].label);
		free(sc->steps[i].text);
	}
	free(sc->steps);
	*sc = (struct script){ 0 };
}
