/*
 * The repair ledger.  Line by line: first the bytes that are no line ends or
 * blanks but look like them, then, outside block scalars and open quotes, the
 * separators, keys, list marks, quotes and mentions that a keyboard or a client
 * changed.
 *
 * Keys are put right only where the field tables know them: a label named
 * "Name" is somebody's own.
 */
#include "repair.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "hiclaw/api.h"

#include "html.h"
#include "words.h"

#define DEPTH_MAX	32	/* nested keys followed; deeper ones stay */
#define SHOWN_MAX	60	/* bytes of a text in the ledger */
#define PASSES_MAX	6	/* one does nearly always, one to see that */

/* A key the line is below. */
struct level { size_t indent; const struct field *fields; };

struct mender {
	struct buf	 out;
	struct repairs	*log;
	int		 line;
	const struct kind *kind;	/* of the current document */
	struct level	 levels[DEPTH_MAX];
	size_t		 depth;
	bool		 in_block;	/* a block scalar is open */
	size_t		 block_parent;	/* indentation of its key */
	size_t		 block_indent;	/* of its text; 0: not seen yet */
	char		 in_quote;	/* a quoted scalar goes on, or 0 */
	int		 flow;		/* brackets that are open */
	size_t		 tab;		/* columns of a tab in front */
	bool		 is_mixed;	/* others are indented with blanks */
	bool		 is_open;	/* the line before is a key alone */
	size_t		 items;		/* 1 + column of an item's mark, or 0 */
};

static const struct field metadata_rows[] = {
	{ .name = "name" }, { .name = "labels" }, { .name = "annotations" },
	{ .name = "namespace" }, { .name = NULL }
};

/* --- the ledger ---------------------------------------------------------- */

static void
note(struct mender *m, const char *what, bool is_value, const char *before,
    const char *after)
{
	struct repairs *log = m->log;
	struct repair *r;

	log->has_value |= is_value;
	for (size_t i = 0; before == NULL && i < log->n; i++)
		if (strcmp(log->v[i].what, what) == 0) {
			log->v[i].times++;
			return;
		}
	if (log->n == REPAIRS_MAX) {
		log->v[log->n - 1].times++;
		return;
	}
	if (log->n == log->cap) {
		log->cap = log->cap == 0 ? 8 : log->cap * 2;
		log->v = xreallocarray(log->v, log->cap, sizeof log->v[0]);
	}
	r = &log->v[log->n++];
	memset(r, 0, sizeof *r);
	r->line = m->line;
	r->times = 1;
	r->what = what;
	if (before != NULL) {
		r->before = xstrndup(before, utf8_prefix(before, SHOWN_MAX));
		r->after = xstrndup(after, utf8_prefix(after, SHOWN_MAX));
	}
	r->is_value = is_value;
}

void
repairs_release(struct repairs *log)
{
	for (size_t i = 0; i < log->n; i++) {
		free(log->v[i].before);
		free(log->v[i].after);
	}
	free(log->v);
	memset(log, 0, sizeof *log);
}

/* --- bytes --------------------------------------------------------------- */

/* Line ends and byte order marks; the lines are as people see them. */
static char *
mend_ends(struct mender *m, const char *s)
{
	struct buf b = { 0 };
	/* Where lines end otherwise, it may be part of a value. */
	const char *first = strchr(s, '\n');
	bool is_value = first != NULL && first[1] != '\0';

	m->line = 1;
	if (str_starts(s, "\xef\xbb\xbf")) {
		note(m, "byte order mark", false, NULL, NULL);
		s += 3;
	}
	for (; *s != '\0'; s++) {
		if (*s == '\r') {
			note(m, "line ends", false, NULL, NULL);
			if (s[1] != '\n')
				buf_putc(&b, '\n');
		} else if (str_starts(s, "\xe2\x80\xa8") ||
		    str_starts(s, "\xe2\x80\xa9")) {	/* U+2028, U+2029 */
			note(m, "line ends", is_value, NULL, NULL);
			buf_putc(&b, '\n');
			s += 2;
		} else
			buf_putc(&b, *s);
		m->line += *s == '\n';
	}
	return buf_take(&b);
}

/* A blank that YAML does not take for one: its bytes, or 0. */
static size_t
odd_blank(const char *s)
{
	size_t n = blank_len(s);

	return n > 1 ? n : 0;
}

/* Has a width, unlike a zero-width space or a joiner. */
static bool
is_wide(const char *s)
{
	return ghost_len(s) == 0 && !str_starts(s, "\xe2\x80\x8c") &&
	    !str_starts(s, "\xe2\x80\x8d");
}

/* Columns up to behind the tab. */
static size_t
tab_stop(const struct mender *m, size_t column)
{
	return column + m->tab - column % m->tab;
}

/*
 * How wide a tab is: as the lines with blanks are indented, else two.  No
 * document needs that where it is JSON, or only has lines with blanks.
 */
static void
read_tabs(struct mender *m, const char *s)
{
	m->tab = 0;
	for (; *s != '\0'; s += strcspn(s, "\n"), s += *s == '\n') {
		size_t n = strspn(s, " ");

		if (n == 0 || s[n] == '\0' || s[n] == '\n')
			continue;
		m->is_mixed = true;
		if (m->tab == 0 || n < m->tab)
			m->tab = n;
	}
	if (m->tab == 0 || m->tab > 8)
		m->tab = 2;
}

/*
 * Blanks at the start of the line become plain ones, as many columns as `max`
 * allows (what is deeper in a block scalar is its text).
 */
static void
mend_indent(struct mender *m, struct buf *line, size_t max)
{
	struct buf b = { 0 };
	const char *s = buf_str(line);
	size_t n, to;
	bool odd = false, tab = false;

	while (b.len < max && (*s == ' ' || odd_blank(s) > 0 ||
	    (*s == '\t' && m->flow == 0))) {
		n = odd_blank(s);
		to = *s == '\t' ? tab_stop(m, b.len) : b.len + (n == 0 ||
		    is_wide(s));
		odd |= n > 0;
		tab |= *s == '\t';
		while (b.len < to)
			buf_putc(&b, ' ');
		s += n > 0 ? n : 1;
	}
	if (odd)
		note(m, "blanks that are none in the indentation", false,
		    NULL, NULL);
	if (tab)
		note(m, "tabs in the indentation", m->is_mixed, NULL, NULL);
	if (odd || tab) {
		buf_puts(&b, s);
		buf_release(line);
		*line = b;
	} else
		buf_release(&b);
}

static size_t
indent_of(const char *s)
{
	return strspn(s, " ");
}

/*
 * As mend_indent would leave it; a tab counts only where the line is not yet
 * inside of `parent`, for behind that it is text.
 */
static size_t
odd_indent(const struct mender *m, const char *s, size_t parent)
{
	size_t n, width = 0;

	for (; *s == ' ' || odd_blank(s) > 0 || (*s == '\t' &&
	    width <= parent); s += n) {
		n = odd_blank(s);
		width = *s == '\t' ? tab_stop(m, width) : width + (n == 0 ||
		    is_wide(s));
		if (n == 0)
			n = 1;
	}
	return width;
}

static bool
is_empty(const char *s)
{
	size_t n;

	while ((n = blank_len(s)) > 0)
		s += n;
	return *s == '\0';
}

/* --- separators ---------------------------------------------------------- */

/* A whole line of dashes, at least one of them no plain one: "---". */
static bool
mend_separator(struct mender *m, struct buf *line)
{
	const char *s = buf_str(line);
	bool odd = false;
	size_t n, dashes = 0;

	if (strcmp(s, "\xe2\x80\xa6") == 0) {		/* an ellipsis */
		note(m, "end of document", false, s, "...");
		buf_reset(line);
		buf_puts(line, "...");
		return true;
	}
	for (; (n = dash_len(s)) > 0; s += n, dashes++)
		odd |= n > 1;
	if (dashes == 0 || dashes > 4 || !odd || !is_empty(s))
		return false;
	note(m, "document separator", false, buf_str(line), "---");
	buf_reset(line);
	buf_puts(line, "---");
	return true;
}

/* --- keys ---------------------------------------------------------------- */

static const struct field *
row_find(const struct field *rows, const char *name, size_t len)
{
	for (; rows != NULL && rows->name != NULL; rows++)
		if (strlen(rows->name) == len &&
		    memcmp(rows->name, name, len) == 0)
			return rows;
	return NULL;
}

static const struct field top_rows[] = {
	{ .name = "apiVersion" }, { .name = "kind" }, { .name = "metadata" },
	{ .name = "spec" }, { .name = NULL }
};

/* The rows below a key, which itself is found in `rows`. */
static const struct field *
rows_below(const struct mender *m, const struct field *rows,
    const struct field *row)
{
	if (row == NULL)
		return NULL;
	if (rows == top_rows) {
		if (strcmp(row->name, "metadata") == 0)
			return metadata_rows;
		if (strcmp(row->name, "spec") == 0 && m->kind != NULL)
			return m->kind->spec;
		return NULL;
	}
	return row->fields;
}

/* Length of a plain key at s that is followed by ':', or 0; where that is. */
static size_t
key_len(const char *s, size_t *colon)
{
	size_t n = strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789_-"), blank;

	if (n == 0)
		return 0;
	for (*colon = n; (blank = blank_len(s + *colon)) > 0; *colon += blank)
		;
	return s[*colon] == ':' && (s[*colon + 1] == '\0' ||
	    blank_len(s + *colon + 1) > 0) ? n : 0;
}

/* The rows that know the keys of a line with this indentation. */
static const struct field *
rows_at(struct mender *m, size_t indent)
{
	while (m->depth > 0 && m->levels[m->depth - 1].indent >= indent)
		m->depth--;
	if (indent == 0)
		return top_rows;
	return m->depth > 0 ? m->levels[m->depth - 1].fields : NULL;
}

static void
push_level(struct mender *m, size_t indent, const struct field *fields)
{
	if (m->depth == DEPTH_MAX)
		return;
	m->levels[m->depth].indent = indent;
	m->levels[m->depth++].fields = fields;
}

static const struct field *
row_any_case(const struct field *rows, const char *name, size_t len)
{
	for (; rows != NULL && rows->name != NULL; rows++)
		if (strlen(rows->name) == len &&
		    strncasecmp(rows->name, name, len) == 0)
			return rows;
	return NULL;
}

/* "Metadata:" was "metadata:" before the keyboard wanted a capital letter. */
static const struct field *
mend_key(struct mender *m, char *key, size_t n, const struct field *rows)
{
	const struct field *row = row_find(rows, key, n);
	char *before;

	if (row != NULL || (row = row_any_case(rows, key, n)) == NULL)
		return row;
	before = xstrndup(key, n);
	memcpy(key, row->name, n);
	note(m, "capital letter", false, before, row->name);
	free(before);
	return row;
}

/* Marks without a width in a key that is known without them. */
static void
mend_key_ghosts(struct mender *m, char *s, const struct field *rows)
{
	struct buf b = { 0 };
	size_t n, key, colon;
	char *p = s;

	while (*p != '\0' && *p != ':' && blank_len(p) == ghost_len(p)) {
		if ((n = ghost_len(p)) == 0)
			buf_putc(&b, *p);
		p += n > 0 ? n : 1;
	}
	key = b.len;
	buf_puts(&b, ": ");
	if (*p == ':' && key < (size_t)(p - s) &&
	    key_len(buf_str(&b), &colon) == key &&
	    row_any_case(rows, buf_str(&b), key) != NULL) {
		note(m, "invisible marks in a key", false, NULL, NULL);
		memcpy(s, buf_str(&b), key);
		memmove(s + key, p, strlen(p) + 1);
	}
	buf_release(&b);
}

/* --- quotes -------------------------------------------------------------- */

/* A curly quote that can open or close a scalar: '"' or '\'', or 0. */
static char
curly_at(const char *s, size_t *len)
{
	static const char *const twice[] = { "\xe2\x80\x9c", "\xe2\x80\x9d",
		"\xe2\x80\x9e", "\xe2\x80\x9f", "\xc2\xab", "\xc2\xbb" };
	static const char *const once[] = { "\xe2\x80\x98", "\xe2\x80\x99",
		"\xe2\x80\x9a", "\xe2\x80\x9b" };

	for (size_t i = 0; i < NELEM(twice); i++)
		if (str_starts(s, twice[i])) {
			*len = strlen(twice[i]);
			return '"';
		}
	for (size_t i = 0; i < NELEM(once); i++)
		if (str_starts(s, once[i])) {
			*len = strlen(once[i]);
			return '\'';
		}
	return 0;
}

/* Where the scalar in curly quotes at s ends, or NULL; its text is in between.
 * With more quotes inside nobody can tell what was meant: the first ends it. */
static const char *
curly_end(const char *s, char *mark, const char **text, const char **text_end)
{
	size_t n, closing = 0;
	const char *p;

	if ((*mark = curly_at(s, &n)) == 0)
		return NULL;
	for (p = s + n; *p != '\0' && curly_at(p, &closing) != *mark; p++)
		;
	if (*p == '\0')
		return NULL;
	*text = s + n;
	*text_end = p;
	/* French ones stand apart from what they quote. */
	while (*s == '\xc2' && *text < p && (n = odd_blank(*text)) > 0)
		*text += n;
	while (*s == '\xc2' && *text_end - *text >= 2 &&
	    str_starts(*text_end - 2, "\xc2\xa0"))
		*text_end -= 2;
	while (*s == '\xc2' && *text_end - *text >= 3 &&
	    str_starts(*text_end - 3, "\xe2\x80\xaf"))
		*text_end -= 3;
	return p + closing;
}

/* The scalar inside, quoted straight, so that it means what is seen. */
static void
put_quoted(struct buf *out, char mark, const char *s, size_t n)
{
	if (mark == '"' && (memchr(s, '"', n) || memchr(s, '\\', n)))
		mark = '\'';
	buf_putc(out, mark);
	for (size_t i = 0; i < n; i++) {
		if (mark == '\'' && s[i] == '\'')
			buf_putc(out, '\'');
		buf_putc(out, s[i]);
	}
	buf_putc(out, mark);
}

/* May the scalar end before s?  In a flow collection a mark may follow. */
static bool
ends_scalar(const char *s, bool in_flow)
{
	const char *p = s;
	size_t n;

	while ((n = blank_len(p)) > 0)
		p += n;
	if (*p == '\0' || (*p == '#' && p > s))
		return true;
	if (*p == ':' && (p[1] == '\0' || blank_len(p + 1) > 0))
		return true;
	return in_flow && strchr(",]}:", *p) != NULL;
}

/* Says what a scalar became; gives where it ended. */
static const char *
note_scalar(struct mender *m, const char *what, const char *s, const char *end,
    char *after, struct buf *out)
{
	char *before = xstrndup(s, (size_t)(end - s));

	note(m, what, end[strspn(end, " ")] != ':', before, after);
	buf_puts(out, after);
	free(before);
	free(after);
	return end;
}

/* A mention at s: the id, in quotes, for a plain scalar cannot begin so. */
static const char *
mend_mention(struct mender *m, const char *s, bool in_flow, struct buf *out)
{
	struct buf fixed = { 0 };
	const char *end;
	char *id;

	if (*s != '[' && strncasecmp(s, "https://matrix.to/", 18) != 0)
		return NULL;
	if ((id = link_at(s, &end)) == NULL)
		return NULL;
	if (ends_scalar(end, in_flow)) {
		put_quoted(&fixed, '"', id, strlen(id));
		end = note_scalar(m, "a mention", s, end, buf_take(&fixed),
		    out);
	} else
		end = NULL;
	free(id);
	return end;
}

/*
 * A scalar in curly quotes at s, or a mention: writes it straight, gives where
 * it ends, or NULL if this is none.
 */
static const char *
mend_scalar(struct mender *m, const char *s, bool in_flow, struct buf *out)
{
	const char *end, *text, *text_end;
	struct buf fixed = { 0 };
	char mark;

	if ((end = mend_mention(m, s, in_flow, out)) != NULL)
		return end;
	end = curly_end(s, &mark, &text, &text_end);
	if (end == NULL || !ends_scalar(end, in_flow))
		return NULL;
	put_quoted(&fixed, mark, text, (size_t)(text_end - text));
	return note_scalar(m, "curly quotes", s, end, buf_take(&fixed), out);
}

/* “name”: at the start of a line; without the colon it goes on with a scalar
 * of the line before, whose text it is. */
static bool
is_curly_key(const char *s)
{
	const char *text, *text_end;
	char mark;

	s = curly_end(s, &mark, &text, &text_end);
	return s != NULL && s[strspn(s, " ")] == ':';
}

/* In [ ] and { }: every scalar that begins with a curly quote. */
static void
mend_flow(struct mender *m, const char *s, struct buf *out)
{
	bool starts = true;		/* a scalar may begin here */
	char quote = 0;

	while (*s != '\0') {
		const char *end;

		if (quote == 0 && starts &&
		    (end = mend_scalar(m, s, true, out)) != NULL) {
			s = end;
			starts = false;
			continue;
		}
		if (quote != 0) {
			if (*s == '\\' && quote == '"' && s[1] != '\0')
				buf_putc(out, *s++);
			else if (*s == quote)
				quote = 0;
		} else if (starts && (*s == '"' || *s == '\'')) {
			quote = *s;
		} else if (*s == '[' || *s == '{') {
			m->flow++;
		} else if (*s == ']' || *s == '}')
			m->flow--;
		if (*s != ' ')
			starts = strchr("[{,:", *s) != NULL;
		buf_putc(out, *s++);
	}
}

/* --- what a value leaves open -------------------------------------------- */

/* Does a quoted scalar that begins at s end on this line? */
static bool
quote_closes(const char *s, char quote)
{
	for (; *s != '\0'; s++) {
		if (*s == '\\' && quote == '"' && s[1] != '\0')
			s++;
		else if (*s == quote && quote == '\'' && s[1] == quote)
			s++;
		else if (*s == quote)
			return true;
	}
	return false;
}

/* "|", ">-", "|2+  # comment": a block scalar begins. */
static bool
opens_block(const char *v)
{
	if (*v != '|' && *v != '>')
		return false;
	v++;
	v += strspn(v, "+-123456789");
	return *v == '\0' || *v == ' ';
}

/*
 * A plain scalar without marks that nobody sees.  Beside letters of other
 * scripts they may have a meaning, so there they stay.
 */
static void
put_plain(struct mender *m, const char *v, struct buf *out)
{
	bool has_ghost = false;
	size_t n;

	for (const char *p = v; *p != '\0'; p += n > 0 ? n : 1) {
		n = ghost_len(p);
		has_ghost |= n > 0;
		if (n == 0 && (unsigned char)*p >= 0x80) {
			buf_puts(out, v);
			return;
		}
	}
	if (has_ghost)
		note(m, "invisible marks in a value", true, NULL, NULL);
	for (; *v != '\0'; v += n > 0 ? n : 1)
		if ((n = ghost_len(v)) == 0)
			buf_putc(out, *v);
}

static void
mend_value(struct mender *m, const char *v, size_t indent, struct buf *out)
{
	const char *end;
	size_t n;

	/* "key:<NBSP>value" is no key for YAML. */
	for (; (n = blank_len(v)) > 0; v += n) {
		if (n == 1) {
			buf_putc(out, *v);
			continue;
		}
		note(m, "blanks that are none after a key", false, NULL,
		    NULL);
		if (is_wide(v))
			buf_putc(out, ' ');
	}
	if ((end = mend_scalar(m, v, false, out)) != NULL) {
		buf_puts(out, end);
		return;
	}
	if (*v == '[' || *v == '{') {
		mend_flow(m, v, out);
		return;
	}
	if (opens_block(v)) {
		m->in_block = true;
		m->block_parent = indent;
		m->block_indent = 0;
	} else if (*v == '"' || *v == '\'') {
		if (!quote_closes(v + 1, *v))
			m->in_quote = *v;
	} else {
		put_plain(m, v, out);
		return;
	}
	buf_puts(out, v);
}

/* --- lines --------------------------------------------------------------- */

/* What rich text makes of "- " in front of an item: bytes, or 0. */
static size_t
bullet_len(const char *s)
{
	static const char *const marks[] = { "\xe2\x80\xa2", "\xe2\x97\xa6",
		"\xe2\x96\xaa", "\xe2\x81\x83", "\xc2\xb7" };
	size_t n = 0;

	for (size_t i = 0; i < NELEM(marks) && n == 0; i++)
		if (str_starts(s, marks[i]))
			n = strlen(marks[i]);
	if (n == 0 && (n = dash_len(s)) == 1)
		return 0;
	return n > 0 && blank_len(s + n) > 0 ? n : 0;
}

/* Where a list is expected, such a mark is a dash; else it is text. */
static char *
mend_bullet(struct mender *m, char *s, size_t column)
{
	size_t n = bullet_len(s), blank;
	struct buf b = { 0 };
	const char *rest;
	char *fixed;

	if (n == 0 || (!m->is_open && m->items != column + 1))
		return s;
	for (rest = s + n; (blank = blank_len(rest)) > 0; rest += blank)
		;
	buf_printf(&b, "- %s", rest);
	fixed = buf_take(&b);
	note(m, "list mark", true, s, fixed);
	strcpy(s, fixed);		/* never longer */
	free(fixed);
	return s;
}

/* The dashes of items in front; gives where they end. */
static char *
put_items(struct mender *m, char *s, size_t *column, size_t *parent,
    struct buf *out)
{
	size_t n, width;

	while (s[0] == '-' && blank_len(s + 1) > 0) {
		buf_putc(out, '-');
		s++;
		for (width = 0; (n = blank_len(s)) > 0; s += n) {
			if (n > 1)
				note(m, "blanks that are none after a dash",
				    false, NULL, NULL);
			if (n == 1 || is_wide(s)) {
				buf_putc(out, n == 1 ? *s : ' ');
				width++;
			}
		}
		if (width == 0)
			buf_putc(out, ' ');
		*parent = *column;
		*column += 1 + (width > 0 ? width : 1);
	}
	return s;
}

/* "key<blanks>: value" at s. */
static void
mend_pair(struct mender *m, char *s, size_t n, size_t colon, size_t column,
    const struct field *rows, struct buf *out)
{
	const struct field *row = mend_key(m, s, n, rows);

	push_level(m, column, rows_below(m, rows, row));
	buf_add(out, s, n);
	for (size_t i = n; i < colon; i += blank_len(s + i))
		if (odd_blank(s + i) > 0)
			note(m, "blanks that are none after a key", false,
			    NULL, NULL);
		else
			buf_putc(out, s[i]);
	buf_putc(out, ':');
	m->is_open = is_empty(s + colon + 1);
	mend_value(m, s + colon + 1, column, out);
}

/* A line of keys, items and scalars. */
static void
mend_line(struct mender *m, struct buf *line)
{
	char *text = buf_take(line), *s, *first;
	size_t n, colon, column = indent_of(text), parent = column;
	const struct field *rows;
	struct buf out = { 0 };
	const char *end;

	buf_add(&out, text, column);
	first = mend_bullet(m, text + column, column);
	m->is_open = false;
	s = put_items(m, first, &column, &parent, &out);
	if (s > first)
		m->items = parent + 1;
	/* An item belongs to the key above, which may be as far in. */
	rows = rows_at(m, s > first ? parent + 1 : column);
	mend_key_ghosts(m, s, rows);
	if (m->flow > 0) {
		mend_flow(m, s, &out);
	} else if ((n = key_len(s, &colon)) > 0) {
		mend_pair(m, s, n, colon, column, rows, &out);
	} else if ((s > first || is_curly_key(s)) &&
	    (end = mend_scalar(m, s, false, &out)) != NULL) {
		n = strspn(end, " ");
		if (end[n] == ':') {
			buf_add(&out, end, n + 1);
			mend_value(m, end + n + 1, column, &out);
		} else
			buf_puts(&out, end);
	} else if (s > first || *s == '{' || *s == '[')
		mend_value(m, s, parent, &out);
	else
		buf_puts(&out, s);
	free(text);
	buf_puts(line, buf_str(&out));
	buf_release(&out);
}

/* --- the end of a line --------------------------------------------------- */

/* Blanks that are none behind the last thing in the line. */
static void
mend_tail(struct mender *m, struct buf *line)
{
	const char *s = buf_str(line), *end = s, *p, *last = NULL;
	char *before;
	size_t n;

	if (strstr(s, " #") != NULL)	/* of a comment */
		return;
	for (p = s; *p != '\0'; p += n > 0 ? n : 1)
		if ((n = blank_len(p)) == 0)
			end = (last = p) + 1;
	for (p = end; *p != '\0' && odd_blank(p) == 0; p++)
		;
	if (*p == '\0' || last == NULL)
		return;
	n = (size_t)(end - s);
	before = xstrndup(s, n);
	note(m, "blanks that are none at the end", strchr("\"':]}|>-+",
	    *last) == NULL, NULL, NULL);
	buf_reset(line);
	buf_puts(line, before);
	free(before);
}

/* True if the line is text of an open block scalar. */
static bool
in_block_text(struct mender *m, struct buf *line)
{
	const char *s = buf_str(line);
	size_t width = odd_indent(m, s, m->block_parent);

	if (!m->in_block)
		return false;
	if (is_empty(s))
		return true;
	if (width <= m->block_parent) {
		m->in_block = false;
		return false;
	}
	if (m->block_indent == 0)
		m->block_indent = width;
	mend_indent(m, line, m->block_indent);
	return true;
}

static const struct kind *
document_kind(const char *s)
{
	char word[32];

	for (; *s != '\0'; s += strcspn(s, "\n"), s += *s == '\n') {
		size_t n;

		if (str_starts(s, "---"))
			return NULL;
		if (!str_starts(s, "kind:") && !str_starts(s, "Kind:"))
			continue;
		s += 5;
		while (*s != '\n' && (n = blank_len(s)) > 0)
			s += n;
		n = strspn(s, "abcdefghijklmnopqrstuvwxyz"
		    "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
		if (n >= sizeof word)
			return NULL;
		memcpy(word, s, n);
		word[n] = '\0';
		return kind_find(word);
	}
	return NULL;
}

/* Nothing but a comment, or only plain blanks: as YAML wants it. */
static bool
is_comment(const char *s)
{
	s += strspn(s, " \t");
	return *s == '#' || *s == '\0';
}

static void
one_line(struct mender *m, struct buf *line, const char *rest)
{
	if (in_block_text(m, line))
		return;
	if (m->in_quote != 0) {
		if (quote_closes(buf_str(line), m->in_quote))
			m->in_quote = 0;
		return;
	}
	if (mend_separator(m, line) || str_starts(buf_str(line), "---")) {
		m->depth = 0;
		m->flow = 0;
		m->kind = document_kind(rest);
		return;
	}
	if (is_comment(buf_str(line)))
		return;
	mend_indent(m, line, SIZE_MAX);
	if (is_empty(buf_str(line)))
		return;
	mend_tail(m, line);
	mend_line(m, line);
}

/* All lines once. */
static char *
one_pass(const char *text, struct repairs *log)
{
	struct mender m = { .log = log };
	struct buf line = { 0 };
	char *plain;

	plain = mend_ends(&m, text);
	m.line = 1;
	read_tabs(&m, plain);
	m.kind = document_kind(plain);
	for (const char *s = plain; *s != '\0'; m.line++) {
		size_t n = strcspn(s, "\n");
		const char *rest = s + n + (s[n] == '\n');

		buf_reset(&line);
		buf_add(&line, s, n);
		one_line(&m, &line, rest);
		buf_puts(&m.out, buf_str(&line));
		if (s[n] == '\n')
			buf_putc(&m.out, '\n');
		s = rest;
	}
	buf_release(&line);
	free(plain);
	return buf_take(&m.out);
}

/*
 * A repair can uncover another (a separator mended makes what follows a new
 * document), so pass until there is nothing to do.  What never comes to rest
 * is no manifest, and is left as it is for the decoder to refuse.
 */
char *
repair_manifest(const char *text, struct repairs *log)
{
	char *out = xstrdup(text), *next;
	size_t bad;

	memset(log, 0, sizeof *log);
	if (!utf8_valid(text, strlen(text), &bad))
		return out;
	for (int pass = 0; pass < PASSES_MAX; pass++) {
		next = one_pass(out, log);
		if (strcmp(next, out) == 0) {
			free(next);
			return out;
		}
		free(out);
		out = next;
	}
	free(out);
	repairs_release(log);
	return xstrdup(text);
}

/* --- damage beyond repair ------------------------------------------------ */

const char *
repair_advice(const char *text)
{
	bool has_head = false, has_flat = false, has_indent = false;
	bool has_escape = false;

	for (const char *s = text; *s != '\0';
	    s += strcspn(s, "\n"), s += *s == '\n') {
		size_t n = strcspn(s, "\n");

		has_indent |= *s == ' ' && !is_empty(s);
		has_head |= str_starts(s, "metadata:") ||
		    str_starts(s, "spec:");
		has_flat |= str_starts(s, "name:") || str_starts(s, "- ");
		for (size_t i = 0; i + 1 < n; i++)
			has_escape |= s[i] == '\\' &&
			    strchr("_*[]<`", s[i + 1]) != NULL;
	}
	if (has_head && has_flat && !has_indent)
		return "Your client removed the indentation (editing a "
		    "message does that). Send it again inside ``` lines, or "
		    "attach it as a .yaml file.";
	if (has_escape)
		return "There are backslashes that your client put in when "
		    "the message was edited. Send it again inside ``` lines, "
		    "or attach it as a .yaml file.";
	return NULL;
}
