/*
 * Inside a struct text, markup is written with control bytes, which values
 * cannot contain: they are dropped from every value on its way in.  So nothing
 * has to be escaped until the text is made into HTML at the very end.
 */
#include "text.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum mark {
	MARK_BOLD = 1,		/* on, off */
	MARK_CODE,		/* on, off */
	MARK_ITEM,		/* begins a line: an item of a list */
	MARK_PRE,		/* begins a line: language, newline, text */
	MARK_PRE_END,
	MARK_LINK,		/* url MARK_LABEL label MARK_LINK_END */
	MARK_LABEL,
	MARK_LINK_END = 14,
	MARK_DEL		/* on, off */
};

void
text_release(struct text *t)
{
	buf_release(&t->b);
	t->in_pre = false;
}

bool
text_is_empty(const struct text *t)
{
	return t->b.len == 0;
}

static bool
at_line_start(const struct text *t)
{
	return t->b.len == 0 || t->b.data[t->b.len - 1] == '\n' ||
	    t->b.data[t->b.len - 1] == MARK_PRE_END;
}

/* "```yaml" alone on its line begins a block, "```" ends it. */
static size_t
put_fence(struct text *t, const char *s, size_t n)
{
	size_t eol = 0;

	while (eol < n && s[eol] != '\n')
		eol++;
	if (t->in_pre) {
		/* The newline before the fence is not the block's. */
		if (t->b.len > 0 && t->b.data[t->b.len - 1] == '\n')
			t->b.data[--t->b.len] = '\0';
		buf_putc(&t->b, MARK_PRE_END);
	} else {
		buf_putc(&t->b, MARK_PRE);
		buf_add(&t->b, s + 3, eol - 3);
		buf_putc(&t->b, '\n');
	}
	t->in_pre = !t->in_pre;
	return eol < n ? eol + 1 : eol;
}

void
text_putn(struct text *t, const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		bool first = at_line_start(t);

		if (first && n - i >= 3 && memcmp(s + i, "```", 3) == 0) {
			i += put_fence(t, s + i, n - i) - 1;
		} else if (t->in_pre) {
			buf_putc(&t->b, s[i]);
		} else if (first && n - i >= 2 && s[i] == '-' &&
		    s[i + 1] == ' ') {
			buf_putc(&t->b, MARK_ITEM);
			i++;
		} else if (n - i >= 2 && s[i] == '*' && s[i + 1] == '*') {
			buf_putc(&t->b, MARK_BOLD);
			i++;
		} else if (n - i >= 2 && s[i] == '~' && s[i + 1] == '~') {
			buf_putc(&t->b, MARK_DEL);
			i++;
		} else if (n - i >= 3 && memcmp(s + i, "```", 3) == 0) {
			buf_puts(&t->b, "```");	/* said, not meant */
			i += 2;
		} else if (s[i] == '`') {
			buf_putc(&t->b, MARK_CODE);
		} else
			buf_putc(&t->b, s[i]);
	}
}

void
text_puts(struct text *t, const char *s)
{
	text_putn(t, s, strlen(s));
}

void
text_value(struct text *t, const char *s)
{
	size_t bad, len = strlen(s);
	bool valid = utf8_valid(s, len, &bad);

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c == '\n' && t->in_pre)
			buf_putc(&t->b, '\n');
		else if (c == '\n' || c == '\t' || c == '\r')
			buf_putc(&t->b, t->in_pre && c == '\t' ? '\t' : ' ');
		else if (c >= 0x20 && c != 0x7f && (valid || c < 0x80))
			buf_putc(&t->b, (char)c);
	}
}

void
text_pre(struct text *t, const char *lang, const char *value)
{
	size_t len = strlen(value);

	if (!at_line_start(t))
		buf_putc(&t->b, '\n');
	buf_putc(&t->b, MARK_PRE);
	if (lang != NULL)
		buf_puts(&t->b, lang);
	buf_putc(&t->b, '\n');
	t->in_pre = true;
	text_value(t, value);
	t->in_pre = false;
	if (len > 0 && value[len - 1] == '\n')
		t->b.data[--t->b.len] = '\0';
	buf_putc(&t->b, MARK_PRE_END);
}

void
text_link(struct text *t, const char *url, const char *label)
{
	buf_putc(&t->b, MARK_LINK);
	text_value(t, url);
	buf_putc(&t->b, MARK_LABEL);
	text_value(t, label);
	buf_putc(&t->b, MARK_LINK_END);
}

char *
matrix_to(const char *id)
{
	struct buf b = { 0 };

	buf_puts(&b, "https://matrix.to/#/");
	for (; *id != '\0'; id++)
		if (isalnum((unsigned char)*id) || strchr("@:!#.-_~$", *id))
			buf_putc(&b, *id);
		else
			buf_printf(&b, "%%%02X", (unsigned char)*id);
	return buf_take(&b);
}

void
text_user(struct text *t, const char *user)
{
	char *url = matrix_to(user);

	text_link(t, url, user);
	free(url);
}

void
text_people(struct text *t, const char *list)
{
	struct strv people = { 0 };

	strv_split(&people, list, ',');
	for (size_t i = 0; i < people.n; i++) {
		const char *user = people.v[i] + strspn(people.v[i], " ");

		text_value(t, i > 0 ? ", " : "");
		if (*user == '@' && strchr(user, ':') != NULL)
			text_user(t, user);
		else
			text_value(t, user);
	}
	strv_release(&people);
}

void
text_append(struct text *t, const struct text *from)
{
	buf_add(&t->b, buf_str(&from->b), from->b.len);
}

/* Literal up to the next conversion; then that. */
void
text_printf(struct text *t, const char *fmt, ...)
{
	const char *p = fmt, *q;
	char number[32];
	va_list ap;

	va_start(ap, fmt);
	while ((q = strchr(p, '%')) != NULL) {
		text_putn(t, p, (size_t)(q - p));
		number[0] = '\0';
		if (q[1] == 's') {
			const char *s = va_arg(ap, const char *);

			text_value(t, s != NULL ? s : "");
			p = q + 2;
		} else if (q[1] == '%') {
			text_value(t, "%");
			p = q + 2;
		} else if (q[1] == 'd') {
			snprintf(number, sizeof number, "%d", va_arg(ap, int));
			p = q + 2;
		} else if (str_starts(q, "%zu")) {
			snprintf(number, sizeof number, "%zu",
			    va_arg(ap, size_t));
			p = q + 3;
		} else if (str_starts(q, "%lld")) {
			snprintf(number, sizeof number, "%lld",
			    va_arg(ap, long long));
			p = q + 4;
		} else {
			assert(!"conversion that text_printf does not know");
			break;
		}
		text_value(t, number);
	}
	text_puts(t, p);
	va_end(ap);
}

/* --- plain --------------------------------------------------------------- */

/*
 * In plain text a block needs no fence and bold no stars; a link is its label,
 * with the address behind it unless it is a person.
 */
char *
text_body(const struct text *t)
{
	const char *s = buf_str(&t->b), *url = NULL, *label = NULL;
	struct buf out = { 0 };

	for (; *s != '\0'; s++) {
		switch (*s) {
		case MARK_BOLD:
			break;
		case MARK_CODE:
			buf_putc(&out, '`');
			break;
		case MARK_DEL:
			buf_puts(&out, "~~");
			break;
		case MARK_ITEM:
			buf_puts(&out, "- ");
			break;
		case MARK_PRE:
			s = strchr(s, '\n');
			break;
		case MARK_PRE_END:
			buf_putc(&out, '\n');
			break;
		case MARK_LINK:
			url = s + 1;
			s = strchr(s, MARK_LABEL);
			label = s + 1;
			break;
		case MARK_LINK_END:
			if (*label != '@')
				buf_printf(&out, " (%.*s)",
				    (int)(label - url - 1), url);
			break;
		default:
			buf_putc(&out, *s);
		}
	}
	while (out.len > 0 && out.data[out.len - 1] == '\n')
		out.data[--out.len] = '\0';
	return buf_take(&out);
}

/* --- HTML ---------------------------------------------------------------- */

void
html_escape(struct buf *b, const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		switch (s[i]) {
		case '&':	buf_puts(b, "&amp;"); break;
		case '<':	buf_puts(b, "&lt;"); break;
		case '>':	buf_puts(b, "&gt;"); break;
		case '"':	buf_puts(b, "&quot;"); break;
		default:	buf_putc(b, s[i]);
		}
	}
}

/* One line, without its newline; what is open at its end is closed. */
static void
html_line(struct buf *out, const char *s, size_t n)
{
	bool bold = false, code = false, link = false, del = false;

	for (size_t i = 0; i < n; i++) {
		switch (s[i]) {
		case MARK_BOLD:
			buf_puts(out, bold ? "</b>" : "<b>");
			bold = !bold;
			break;
		case MARK_CODE:
			buf_puts(out, code ? "</code>" : "<code>");
			code = !code;
			break;
		case MARK_DEL:
			buf_puts(out, del ? "</del>" : "<del>");
			del = !del;
			break;
		case MARK_LINK:
			buf_puts(out, "<a href=\"");
			link = true;
			break;
		case MARK_LABEL:
			buf_puts(out, "\">");
			break;
		case MARK_LINK_END:
			buf_puts(out, "</a>");
			link = false;
			break;
		default:
			html_escape(out, s + i, 1);
		}
	}
	if (link)
		buf_puts(out, "</a>");
	if (code)
		buf_puts(out, "</code>");
	if (bold)
		buf_puts(out, "</b>");
	if (del)
		buf_puts(out, "</del>");
}

enum block { BLOCK_NONE, BLOCK_P, BLOCK_UL };

static enum block
html_block(struct buf *out, enum block from, enum block to)
{
	static const char *const open[] = { "", "<p>", "<ul>" };
	static const char *const close[] = { "", "</p>", "</ul>" };

	if (from == to)
		return to;
	buf_puts(out, close[from]);
	buf_puts(out, open[to]);
	return to;
}

/* From a MARK_PRE to behind its end. */
static const char *
html_pre(struct buf *out, const char *s)
{
	const char *text = strchr(s, '\n') + 1;
	const char *end = strchr(text, MARK_PRE_END);

	if (end == NULL)
		end = text + strlen(text);
	if (text - s > 2) {
		buf_puts(out, "<pre><code class=\"language-");
		html_escape(out, s + 1, (size_t)(text - s) - 2);
		buf_puts(out, "\">");
	} else
		buf_puts(out, "<pre><code>");
	html_escape(out, text, (size_t)(end - text));
	buf_puts(out, "\n</code></pre>");
	if (*end != '\0')
		end++;
	return *end == '\n' ? end + 1 : end;
}

char *
text_html(const struct text *t)
{
	const char *s = buf_str(&t->b);
	struct buf out = { 0 };
	enum block in = BLOCK_NONE;

	while (*s != '\0') {
		size_t n = strcspn(s, "\n");

		if (*s == MARK_PRE) {
			in = html_block(&out, in, BLOCK_NONE);
			s = html_pre(&out, s);
			continue;
		}
		if (n == 0) {
			in = html_block(&out, in, BLOCK_NONE);
		} else if (*s == MARK_ITEM) {
			in = html_block(&out, in, BLOCK_UL);
			buf_puts(&out, "<li>");
			html_line(&out, s + 1, n - 1);
			buf_puts(&out, "</li>");
		} else {
			if (in == BLOCK_P)
				buf_puts(&out, "<br>");
			in = html_block(&out, in, BLOCK_P);
			html_line(&out, s, n);
		}
		s += n + (s[n] == '\n');
	}
	html_block(&out, in, BLOCK_NONE);
	return buf_take(&out);
}
