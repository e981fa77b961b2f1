/*
 * The HTML of a message, as far as the input pipeline wants to know.
 *
 * A mention is a link; in the body stands the name that people see, which two
 * persons may share.  So the id counts, and it is only in the HTML (Element
 * Web), in a Markdown link in the body (Element X), or in an address.
 */
#include "html.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "words.h"

/* --- links --------------------------------------------------------------- */

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Percent escapes of printable ASCII; others stay as they are. */
static char *
decoded(const char *s, size_t n)
{
	struct buf b = { 0 };

	for (size_t i = 0; i < n; i++) {
		int high = -1, low = -1, c;

		if (s[i] == '%' && n - i >= 3) {
			high = hex_value(s[i + 1]);
			low = hex_value(s[i + 2]);
		}
		c = high * 16 + low;
		if (high >= 0 && low >= 0 && c > ' ' && c < 0x7f) {
			buf_putc(&b, (char)c);
			i += 2;
		} else
			buf_putc(&b, s[i]);
	}
	return buf_take(&b);
}

/* "@a:b", "!r:b", "!r", "#r:b" and nothing else. */
static bool
is_id(const char *s)
{
	/* Newer rooms have ids without a domain. */
	return *s != '\0' && strchr("@!#", *s) != NULL && s[1] != '\0' &&
	    s[1] != ':' && (*s == '!' || strchr(s, ':') != NULL) &&
	    strpbrk(s, "/\"'<>()[] \t\n") == NULL;
}

char *
link_id(const char *url, size_t len)
{
	static const struct { const char *start, *sigil; } forms[] = {
		{ "https://matrix.to/#/", "" }, { "http://matrix.to/#/", "" },
		{ "matrix:u/", "@" }, { "matrix:roomid/", "!" },
		{ "matrix:r/", "#" },
	};
	char *text, *id = NULL;

	for (size_t i = 0; i < NELEM(forms) && id == NULL; i++) {
		size_t n = strlen(forms[i].start);

		if (len <= n || strncasecmp(url, forms[i].start, n) != 0)
			continue;
		text = decoded(url + n, len - n);
		text[strcspn(text, "?")] = '\0';
		id = xasprintf("%s%s", forms[i].sigil, text);
		free(text);
	}
	if (id != NULL && !is_id(id)) {
		free(id);
		id = NULL;
	}
	return id;
}

char *
link_at(const char *s, const char **end)
{
	const char *mid = s, *close;
	size_t n;
	char *id;

	if (*s == '[') {
		n = strcspn(s, "\n");
		mid = strstr(s, "](");
		if (mid == NULL || mid > s + n)
			return NULL;
		mid += 2;
		close = mid + strcspn(mid, ") \n");
		if (*close != ')')
			return NULL;
		*end = close + 1;
		return link_id(mid, (size_t)(close - mid));
	}
	for (n = 0; s[n] != '\0' && blank_len(s + n) == 0 &&
	    strchr("<>()[]\"',`", s[n]) == NULL; n++)
		;
	/* What ends a sentence or an address is no part of the id. */
	while (n > 0 && strchr(":.;!", s[n - 1]) != NULL)
		n--;
	if ((id = link_id(s, n)) != NULL)
		*end = s + n;
	return id;
}

char *
link_ids(const char *text)
{
	struct buf b = { 0 };
	const char *end;
	char *id;

	while (*text != '\0') {
		id = *text == '[' || strchr("hHmM", *text) != NULL ?
		    link_at(text, &end) : NULL;
		if (id != NULL) {
			buf_puts(&b, id);
			text = end;
		} else
			buf_putc(&b, *text++);
		free(id);
	}
	return buf_take(&b);
}

/* --- HTML ---------------------------------------------------------------- */

/* At '<': is it this tag, "</x" for its end? */
static bool
is_tag(const char *s, const char *name)
{
	size_t n = strlen(name);

	return strncasecmp(s + 1, name, n) == 0 &&
	    !isalnum((unsigned char)s[1 + n]) && s[1 + n] != '-';
}

static const char *
behind_tag(const char *s)
{
	s += strcspn(s, ">");
	return *s == '>' ? s + 1 : s;
}

static const char *
find_tag(const char *s, const char *end, const char *name)
{
	for (; s != NULL && s < end && (s = memchr(s, '<',
	    (size_t)(end - s))) != NULL; s++)
		if (is_tag(s, name))
			return s;
	return NULL;
}

/* The character of an entity at s as UTF-8; its length, or 0.  Where clients
 * write a no-break space as one, they mean a blank that stays. */
static size_t
entity_at(const char *s, struct buf *b)
{
	static const struct { const char *name, *text; } entities[] = {
		{ "&lt;", "<" }, { "&gt;", ">" }, { "&quot;", "\"" },
		{ "&apos;", "'" }, { "&nbsp;", " " }, { "&amp;", "&" },
	};
	unsigned long c;
	char *end;

	for (size_t i = 0; i < NELEM(entities); i++)
		if (str_starts(s, entities[i].name)) {
			buf_puts(b, entities[i].text);
			return strlen(entities[i].name);
		}
	if (!str_starts(s, "&#"))
		return 0;
	if (s[2] == 'x' || s[2] == 'X')
		c = isxdigit((unsigned char)s[3]) ? strtoul(s + 3, &end, 16) :
		    0;
	else
		c = isdigit((unsigned char)s[2]) ? strtoul(s + 2, &end, 10) :
		    0;
	if (c == 0 || *end != ';' || c > 0x10ffff ||
	    (c >= 0xd800 && c < 0xe000) || (c < ' ' && c != '\t' && c != '\n'))
		return 0;
	if (c < 0x80 || c == 0xa0) {
		buf_putc(b, c == 0xa0 ? ' ' : (char)c);
	} else {
		int more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
		static const unsigned char lead[] = { 0, 0xc0, 0xe0, 0xf0 };

		buf_putc(b, (char)(lead[more] | (c >> (6 * more))));
		while (more-- > 0)
			buf_putc(b, (char)(0x80 | ((c >> (6 * more)) & 0x3f)));
	}
	return (size_t)(end + 1 - s);
}

/* The text from s to end, as it is set in a block of code. */
static char *
code_text(const char *s, const char *end)
{
	struct buf b = { 0 };
	size_t n;

	while (s < end) {
		if (*s == '<') {
			if (is_tag(s, "br"))
				buf_putc(&b, '\n');
			s = behind_tag(s);
		} else if (*s == '&' && (n = entity_at(s, &b)) > 0) {
			s += n;
		} else
			buf_putc(&b, *s++);
	}
	return buf_take(&b);
}

char *
html_own(const char *html)
{
	struct buf b = { 0 };
	const char *all, *begin, *end;

	if (html == NULL)
		return NULL;
	all = html + strlen(html);
	while ((begin = find_tag(html, all, "mx-reply")) != NULL) {
		buf_add(&b, html, (size_t)(begin - html));
		end = find_tag(begin, all, "/mx-reply");
		html = end != NULL ? behind_tag(end) : all;
	}
	buf_puts(&b, html);
	return buf_take(&b);
}

/* The id that the tag <a href="..."> at s links to; yours, or NULL. */
static char *
anchor_id(const char *s)
{
	const char *gt = s + strcspn(s, ">"), *p = s;
	size_t n;
	struct buf url = { 0 };
	char *id;

	while ((p = strstr(p, "href=")) != NULL && p < gt &&
	    p[5] != '"' && p[5] != '\'')
		p++;
	if (p == NULL || p >= gt)
		return NULL;
	p += 5;
	for (const char *q = p + 1; q < gt && *q != *p; q += n)
		if (*q != '&' || (n = entity_at(q, &url)) == 0) {
			buf_putc(&url, *q);
			n = 1;
		}
	id = link_id(buf_str(&url), url.len);
	buf_release(&url);
	return id;
}

bool
html_mentions(const char *html, const char *user)
{
	const char *end = html + strlen(html);
	bool is = false;
	char *id;

	while (!is && (html = find_tag(html, end, "a")) != NULL) {
		id = anchor_id(html);
		is = id != NULL && strcasecmp(id, user) == 0;
		free(id);
		html++;
	}
	return is;
}

char *
html_code(const char *html)
{
	const char *all = html + strlen(html), *begin, *end, *code;
	char *text, *whole;

	if ((begin = find_tag(html, all, "pre")) == NULL)
		return NULL;
	begin = behind_tag(begin);
	if ((end = find_tag(begin, all, "/pre")) == NULL)
		end = all;
	if ((code = find_tag(begin, end, "code")) != NULL)
		begin = behind_tag(code);
	if ((code = find_tag(begin, end, "/code")) != NULL)
		end = code;
	text = begin < end ? code_text(begin, end) : xstrdup("");
	if (*text != '\0' && text[strlen(text) - 1] != '\n') {
		whole = xasprintf("%s\n", text);
		free(text);
		text = whole;
	}
	return text;
}

/* Tags that end a line of text. */
static bool
ends_line(const char *s)
{
	static const char *const tags[] = { "br", "/p", "p", "pre", "ul", "ol",
		"/li", "blockquote", "/div", "hr" };

	for (size_t i = 0; i < NELEM(tags); i++)
		if (is_tag(s, tags[i]))
			return true;
	return false;
}

/* One blank for a run of them, none at the ends. */
static char *
squeezed(const char *s)
{
	struct buf b = { 0 };
	size_t n;
	bool gap = false;

	while (*s != '\0') {
		if ((n = blank_len(s)) > 0) {
			gap = b.len > 0;
			s += n;
			continue;
		}
		if (gap)
			buf_putc(&b, ' ');
		gap = false;
		buf_putc(&b, *s++);
	}
	return buf_take(&b);
}

static const char *
put_anchor(const char *s, const char *end, struct buf *shown, struct buf *meant)
{
	const char *inner = behind_tag(s), *close;
	char *id = anchor_id(s), *text;

	if ((close = find_tag(inner, end, "/a")) == NULL)
		close = end;
	text = inner < close ? code_text(inner, close) : xstrdup("");
	buf_puts(shown, text);
	buf_puts(meant, id != NULL ? id : text);
	free(text);
	free(id);
	return close < end ? behind_tag(close) : end;
}

/* The first line with text, as it is seen and as it is meant. */
static void
first_line_of(const char *html, struct buf *shown, struct buf *meant)
{
	const char *end = html + strlen(html);
	size_t n;

	while (html < end) {
		if (*html == '<' && is_tag(html, "a")) {
			html = put_anchor(html, end, shown, meant);
		} else if (*html == '<') {
			if (is_tag(html, "pre") || (ends_line(html) &&
			    shown->len > 0))
				return;
			html = behind_tag(html);
		} else if (*html == '\n' && shown->len > 0) {
			return;
		} else if (*html == '&' && (n = entity_at(html, shown)) > 0) {
			entity_at(html, meant);
			html += n;
		} else {
			if (shown->len > 0 || !isspace((unsigned char)*html)) {
				buf_putc(shown, *html);
				buf_putc(meant, *html);
			}
			html++;
		}
	}
}

char *
html_first_line_ids(const char *html, const char *line)
{
	struct buf shown = { 0 }, meant = { 0 };
	char *seen, *want, *ids = NULL;

	first_line_of(html, &shown, &meant);
	if (line == NULL) {
		buf_release(&shown);
		return buf_take(&meant);
	}
	seen = squeezed(buf_str(&shown));
	want = squeezed(line);
	if (strcmp(seen, want) == 0 &&
	    strcmp(buf_str(&shown), buf_str(&meant)) != 0)
		ids = buf_take(&meant);
	free(seen);
	free(want);
	buf_release(&shown);
	buf_release(&meant);
	return ids;
}
