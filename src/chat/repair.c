/*
 * The repair ledger.  Line by line: first the bytes that are no line ends or
 * blanks but look like them, then, outside block scalars and open quotes, the
 * separators, keys and quotes that a keyboard changed.
 *
 * Keys are put right only where the field tables know them: a label named
 * "Name" is somebody's own.
 */
#include "repair.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "hiclaw/api.h"

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
			note(m, "line ends", false, NULL, NULL);
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

/* Has a width, unlike a zero-width space or a byte order mark. */
static bool
is_wide(const char *s)
{
	return str_starts(s, "\xc2\xa0") || str_starts(s, "\xe2\x80\xaf") ||
	    str_starts(s, "\xe3\x80\x80");
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
	size_t n;
	bool changed = false;

	while (b.len < max && (*s == ' ' || odd_blank(s) > 0)) {
		if ((n = odd_blank(s)) > 0)
			changed = true;
		if (n == 0 || is_wide(s))
			buf_putc(&b, ' ');
		s += n > 0 ? n : 1;
	}
	if (changed) {
		note(m, "blanks that are none in the indentation", false,
		    NULL, NULL);
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

/* As mend_indent would leave it. */
static size_t
odd_indent(const char *s)
{
	size_t n, width = 0;

	for (; *s == ' ' || odd_blank(s) > 0; s += n) {
		n = odd_blank(s);
		width += n == 0 || is_wide(s);
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

/* Length of a plain key at s that is followed by ':', or 0. */
static size_t
key_len(const char *s)
{
	size_t n = strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789_-");

	return n > 0 && s[n] == ':' && (s[n + 1] == '\0' ||
	    blank_len(s + n + 1) > 0) ? n : 0;
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

/* "Metadata:" was "metadata:" before the keyboard wanted a capital letter. */
static const struct field *
mend_key(struct mender *m, char *key, size_t n, const struct field *rows)
{
	const struct field *row = row_find(rows, key, n);
	char *before, *after;

	if (row != NULL || !isupper((unsigned char)key[0]))
		return row;
	key[0] = (char)tolower((unsigned char)key[0]);
	if ((row = row_find(rows, key, n)) != NULL) {
		after = xstrndup(key, n);
		before = xstrdup(after);
		before[0] = (char)toupper((unsigned char)before[0]);
		note(m, "capital letter", false, before, after);
		free(before);
		free(after);
	} else
		key[0] = (char)toupper((unsigned char)key[0]);
	return row;
}

/* --- quotes -------------------------------------------------------------- */

/* A curly quote that can open or close a scalar: '"' or '\'', or 0. */
static char
curly_at(const char *s)
{
	static const char *const twice[] = { "\xe2\x80\x9c", "\xe2\x80\x9d",
		"\xe2\x80\x9e", "\xe2\x80\x9f" };
	static const char *const once[] = { "\xe2\x80\x98", "\xe2\x80\x99",
		"\xe2\x80\x9a", "\xe2\x80\x9b" };

	for (size_t i = 0; i < NELEM(twice); i++)
		if (str_starts(s, twice[i]))
			return '"';
	for (size_t i = 0; i < NELEM(once); i++)
		if (str_starts(s, once[i]))
			return '\'';
	return 0;
}
#define CURLY_LEN	3

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

/*
 * A scalar in curly quotes at s: writes it straight, gives where it ends, or
 * NULL if this is none.
 */
static const char *
mend_scalar(struct mender *m, const char *s, bool in_flow, struct buf *out)
{
	char mark = curly_at(s), *before, *after;
	const char *p, *inner = s + CURLY_LEN;
	struct buf fixed = { 0 };
	bool is_key;

	if (mark == 0)
		return NULL;
	/* With more quotes inside nobody can tell what was meant. */
	for (p = inner; *p != '\0' && curly_at(p) != mark; p++)
		;
	if (*p == '\0' || !ends_scalar(p + CURLY_LEN, in_flow))
		return NULL;
	put_quoted(&fixed, mark, inner, (size_t)(p - inner));
	p += CURLY_LEN;
	before = xstrndup(s, (size_t)(p - s));
	after = buf_take(&fixed);
	is_key = p[strspn(p, " ")] == ':';
	note(m, "curly quotes", !is_key, before, after);
	buf_puts(out, after);
	free(before);
	free(after);
	return p;
}

/* “name”: at the start of a line; without the colon it goes on with a scalar
 * of the line before, whose text it is. */
static bool
is_curly_key(const char *s)
{
	char mark = curly_at(s);

	if (mark == 0)
		return false;
	for (s += CURLY_LEN; *s != '\0' && curly_at(s) != mark; s++)
		;
	if (*s == '\0')
		return false;
	s += CURLY_LEN;
	return s[strspn(s, " ")] == ':';
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
	} else if ((*v == '"' || *v == '\'') && !quote_closes(v + 1, *v))
		m->in_quote = *v;
	buf_puts(out, v);
}

/* --- lines --------------------------------------------------------------- */

/* The dashes of items in front; gives where they end. */
static char *
put_items(char *s, size_t *column, size_t *parent, struct buf *out)
{
	while (s[0] == '-' && blank_len(s + 1) > 0) {
		size_t n = 1 + strspn(s + 1, " ");

		buf_add(out, s, n);
		s += n;
		*parent = *column;
		*column += n;
	}
	return s;
}

/* A line of keys, items and scalars. */
static void
mend_line(struct mender *m, struct buf *line)
{
	char *text = buf_take(line), *s, *first;
	size_t n, column = indent_of(text), parent = column;
	const struct field *rows, *row;
	struct buf out = { 0 };
	const char *end;

	buf_add(&out, text, column);
	first = text + column;
	s = put_items(first, &column, &parent, &out);
	/* An item belongs to the key above, which may be as far in. */
	rows = rows_at(m, s > first ? parent + 1 : column);
	if (m->flow > 0) {
		mend_flow(m, s, &out);
	} else if ((n = key_len(s)) > 0) {
		row = mend_key(m, s, n, rows);
		push_level(m, column, rows_below(m, rows, row));
		buf_add(&out, s, n + 1);
		mend_value(m, s + n + 1, column, &out);
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

/* True if the line is text of an open block scalar. */
static bool
in_block_text(struct mender *m, struct buf *line)
{
	const char *s = buf_str(line);
	size_t width = odd_indent(s);

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
	mend_indent(m, line, SIZE_MAX);
	if (buf_str(line)[indent_of(buf_str(line))] != '#')
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
