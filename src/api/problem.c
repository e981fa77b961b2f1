/*
 * Problems: what is wrong with a manifest, kept in the order found, capped,
 * and rendered for a <pre> in a chat.
 *
 * The list holds PROBLEMS_MAX entries; one more, behind them, says that others
 * were dropped.  Warnings never crowd out errors: when the list is full an
 * error takes the place of the last warning.
 */
#include "hiclaw/api.h"

#include <stdlib.h>
#include <string.h>

#include "api-int.h"

#define SOURCE_MAX	120	/* bytes kept of a line */
#define WINDOW_FROM	80	/* columns; further right the line is cut in front */
#define WINDOW_BEFORE	40	/* columns kept left of the fault then */
#define ELLIPSIS	"\xe2\x80\xa6"

/*
 * Outside bytes go into a room: nothing but printable, valid text.  In a line
 * each bad byte keeps its column; in a sentence, where a value may have been
 * cut inside a character, it goes.
 */
static void
make_printable(char *s, bool keep_columns)
{
	size_t	bad, i, len = strlen(s);

	for (i = 0; i < len; i++)
		if ((unsigned char)s[i] < 0x20 && (s[i] != '\t' || !keep_columns))
			s[i] = ' ';
		else if (s[i] == 0x7f)
			s[i] = '?';
	while (!utf8_valid(s, len, &bad)) {
		if (keep_columns) {
			s[bad] = '?';
			continue;
		}
		memmove(s + bad, s + bad + 1, len - bad);
		len--;
	}
}

static void
problem_copy(struct problem *to, const struct problem *from)
{
	*to = *from;
	to->path = xstrdup(from->path);
	to->what = xstrdup(from->what);
	to->source = xstrdup(from->source);
	make_printable(to->what, false);
	if (to->path != NULL)
		make_printable(to->path, false);
}

static void
problem_release(struct problem *p)
{
	free(p->path);
	free(p->what);
	free(p->source);
}

/* Makes room for an error in a full list; false when all are errors. */
static bool
replace_warning(struct problems *ps, const struct problem *p)
{
	size_t	i = PROBLEMS_MAX;

	while (i-- > 0) {
		if (!ps->v[i].is_warning)
			continue;
		problem_release(&ps->v[i]);
		memmove(ps->v + i, ps->v + i + 1,
		    (PROBLEMS_MAX - 1 - i) * sizeof *ps->v);
		problem_copy(&ps->v[PROBLEMS_MAX - 1], p);
		return true;
	}
	return false;
}

void
problems_add(struct problems *ps, const struct problem *p)
{
	static const struct problem	more = {
		.what = (char *)"... and more like these", .is_warning = true
	};

	if (!p->is_warning)
		ps->errors++;
	if (ps->n == ps->cap) {
		ps->cap = ps->cap == 0 ? 4 : PROBLEMS_MAX + 1;
		ps->v = xreallocarray(ps->v, ps->cap, sizeof *ps->v);
	}
	if (ps->n < PROBLEMS_MAX) {
		problem_copy(&ps->v[ps->n++], p);
		return;
	}
	if (ps->n == PROBLEMS_MAX)
		problem_copy(&ps->v[ps->n++], &more);
	if (!p->is_warning && !replace_warning(ps, p))
		ps->v[PROBLEMS_MAX].is_warning = false;
}

void
problem_addf(struct problems *ps, const struct problem *at,
    const char *fmt, ...)
{
	struct problem	 p = *at;
	va_list		 ap;

	va_start(ap, fmt);
	p.what = xvasprintf(fmt, ap);
	va_end(ap);
	problems_add(ps, &p);
	free(p.what);
}

void
problems_release(struct problems *ps)
{
	size_t	i;

	for (i = 0; i < ps->n; i++)
		problem_release(&ps->v[i]);
	free(ps->v);
	memset(ps, 0, sizeof *ps);
}

/* Bytes that the first n characters of s take, or its length. */
static size_t
chars_to_bytes(const char *s, size_t len, size_t n)
{
	size_t	i;

	for (i = 0; i < len; i++)
		if (((unsigned char)s[i] & 0xc0) != 0x80 && n-- == 0)
			break;
	return i;
}

char *
problem_source(const char *line, size_t len, int column)
{
	char	*copy, *cut;
	size_t	 skip = 0;

	if (column > WINDOW_FROM)
		skip = chars_to_bytes(line, len,
		    (size_t)(column - 1 - WINDOW_BEFORE));
	line += skip;
	len -= skip;
	if (len > SOURCE_MAX * 2)
		len = SOURCE_MAX * 2;
	copy = xstrndup(line, len);
	make_printable(copy, true);
	copy[utf8_prefix(copy, SOURCE_MAX)] = '\0';
	if (column <= WINDOW_FROM)
		return copy;
	cut = xasprintf(ELLIPSIS "%s", copy);
	free(copy);
	return cut;
}

/* Blanks up to the column, tabs kept, so that the caret stands below. */
static void
add_caret(struct buf *b, const char *source, int column)
{
	size_t	i, end, chars;

	chars = (size_t)(column > WINDOW_FROM ? WINDOW_BEFORE + 1 : column - 1);
	end = chars_to_bytes(source, strlen(source), chars);
	buf_putc(b, '\n');
	for (i = 0; i < end; i++) {
		if (source[i] == '\t')
			buf_putc(b, '\t');
		else if (((unsigned char)source[i] & 0xc0) != 0x80)
			buf_putc(b, ' ');
	}
	buf_putc(b, '^');
}

static void
add_problem(struct buf *b, const struct problem *p)
{
	if (p->line > 0 && p->column > 0)
		buf_printf(b, "line %d, column %d: ", p->line, p->column);
	else if (p->line > 0)
		buf_printf(b, "line %d: ", p->line);
	else if (p->doc > 0)
		buf_printf(b, "document %d: ", p->doc);
	if (p->is_warning && p->line + p->doc > 0)
		buf_puts(b, "warning: ");
	if (p->path != NULL)
		buf_printf(b, "%s: ", p->path);
	buf_puts(b, p->what);
	if (p->source == NULL || p->source[0] == '\0')
		return;
	buf_printf(b, "\n%s", p->source);
	if (p->column > 0)
		add_caret(b, p->source, p->column);
}

char *
problems_text(const struct problems *ps)
{
	struct buf	 b;
	size_t		 i;

	buf_init(&b, 0);
	for (i = 0; i < ps->n; i++) {
		if (i > 0)
			buf_putc(&b, '\n');
		add_problem(&b, &ps->v[i]);
	}
	return buf_take(&b);
}
