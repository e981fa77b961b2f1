/*
 * JSON values as YAML text that people like to read and every reader
 * understands alike.
 *
 * A string is written plain only when neither YAML 1.2 nor 1.1 could take it
 * for something else; a text of several lines becomes a literal block; the
 * rest is double-quoted.  Decoding the text gives the value back.
 */
#include "hiclaw/api.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api-int.h"

#define PLAIN_MAX	512	/* longer ones are quoted: no reader trips */
#define OUT_MAX		(64 * 1024 * 1024)

static void	put_value(struct buf *, const struct json *, int, bool);

static void
put_indent(struct buf *b, int level)
{
	while (level-- > 0)
		buf_puts(b, "  ");
}

/* Words that YAML 1.1 readers take for booleans and the like. */
static bool
is_old_word(const char *s)
{
	static const char *const words[] = {
		"y", "n", "yes", "no", "on", "off", "true", "false", "null",
		NULL
	};
	size_t	i;

	for (i = 0; words[i] != NULL; i++)
		if (strcasecmp(s, words[i]) == 0)
			return true;
	return false;
}

/* Digits with the signs that numbers, dates and times are made of. */
static bool
looks_numeric(const char *s)
{
	return isdigit((unsigned char)*s) &&
	    s[strspn(s, "0123456789abcdefABCDEFxXoOtTzZ_.:+-, ")] == '\0';
}

/* Bytes of a character outside ASCII that is safe anywhere, or 0. */
static size_t
safe_multibyte(const char *text)
{
	const unsigned char	*s = (const unsigned char *)text;

	if (s[0] == 0xc2 && s[1] < 0xa1)
		return 0;	/* C1 controls, NEL, no-break space */
	if (s[0] == 0xe2 && s[1] == 0x80 && s[2] >= 0x8b)
		return s[2] <= 0x8f || (s[2] >= 0xa8 && s[2] <= 0xae) ? 0 : 3;
	if (s[0] == 0xef && s[1] == 0xbb && s[2] == 0xbf)
		return 0;	/* byte order mark */
	if (s[0] == 0xef && s[1] == 0xbf && s[2] >= 0xbe)
		return 0;	/* no characters */
	return s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
}

static bool
is_plain(const char *s)
{
	size_t	i, len = strlen(s);

	if (len == 0 || len > PLAIN_MAX || is_old_word(s) ||
	    looks_numeric(s) || scalar_resolve(s) != SCALAR_STRING)
		return false;
	if (!isalnum((unsigned char)s[0]) && s[0] != '_' && s[0] != '/' &&
	    s[0] != '(' && s[0] != '<' && (unsigned char)s[0] < 0xc3)
		return false;
	if ((unsigned char)s[0] == 0xe2 || strncmp(s, "<<", 2) == 0)
		return false;	/* curly quotes and dashes: leave no doubt */
	for (i = 0; i < len; i++) {
		if ((unsigned char)s[i] >= 0x80) {
			if (safe_multibyte(s + i) == 0)
				return false;
			i += safe_multibyte(s + i) - 1;
		} else if (s[i] < 0x20 || s[i] == 0x7f ||
		    strchr(",[]{}", s[i]) != NULL ||
		    (s[i] == ':' && (s[i + 1] == ' ' || s[i + 1] == '\0')) ||
		    (s[i] == '#' && s[i - 1] == ' '))
			return false;
	}
	return s[len - 1] != ' ';
}

static unsigned
decode_char(const unsigned char *s, size_t n)
{
	if (n == 2)
		return (s[0] & 0x1fu) << 6 | (s[1] & 0x3fu);
	return (s[0] & 0x0fu) << 12 | (s[1] & 0x3fu) << 6 | (s[2] & 0x3fu);
}

static void
put_quoted(struct buf *b, const char *s)
{
	size_t	n;

	buf_putc(b, '"');
	for (; *s != '\0'; s++) {
		if (*s == '"' || *s == '\\') {
			buf_putc(b, '\\');
			buf_putc(b, *s);
		} else if (*s == '\n') {
			buf_puts(b, "\\n");
		} else if (*s == '\t') {
			buf_puts(b, "\\t");
		} else if ((unsigned char)*s < 0x20 || *s == 0x7f) {
			buf_printf(b, "\\x%02x", (unsigned)*s);
		} else if ((unsigned char)*s < 0x80) {
			buf_putc(b, *s);
		} else if ((n = safe_multibyte(s)) > 0) {
			buf_add(b, s, n);
			s += n - 1;
		} else {
			n = (unsigned char)*s < 0xe0 ? 2 : 3;
			buf_printf(b, "\\u%04x",
			    decode_char((const unsigned char *)s, n));
			s += n - 1;
		}
	}
	buf_putc(b, '"');
}

/* Several lines, of characters that may stand in a block as they are. */
static bool
is_block(const char *s)
{
	size_t	i;

	if (strchr(s, '\n') == NULL || s[0] == '\n')
		return false;
	for (i = 0; s[i] != '\0'; i++) {
		if ((unsigned char)s[i] >= 0x80) {
			if (safe_multibyte(s + i) == 0)
				return false;
			i += safe_multibyte(s + i) - 1;
		} else if ((s[i] < 0x20 && s[i] != '\n' && s[i] != '\t') ||
		    s[i] == 0x7f)
			return false;
	}
	return true;
}

/* Lines at the level, empty ones without trailing blanks. */
static void
put_block(struct buf *b, const char *s, int level)
{
	size_t	len = strlen(s), n;

	buf_putc(b, '|');
	if (s[0] == ' ' || s[0] == '\t')
		buf_putc(b, '2');	/* blanks in front are content */
	if (s[len - 1] != '\n')
		buf_putc(b, '-');
	else if (len > 1 && s[len - 2] == '\n')
		buf_putc(b, '+');
	while (*s != '\0') {
		n = strcspn(s, "\n");
		buf_putc(b, '\n');
		if (n > 0) {
			put_indent(b, level);
			buf_add(b, s, n);
		}
		s += n;
		if (*s == '\n' && *++s == '\0')
			break;
	}
}

static void
put_string(struct buf *b, const char *s, int level)
{
	if (is_plain(s))
		buf_puts(b, s);
	else if (level > 0 && is_block(s))
		put_block(b, s, level);
	else
		put_quoted(b, s);
}

static void
put_number(struct buf *b, double v)
{
	if (v > -1e15 && v < 1e15 && v == (double)(int64_t)v)
		buf_printf(b, "%.0f", v);
	else
		buf_printf(b, "%.17g", v);
}

static void
put_object(struct buf *b, const struct json *v, int level, bool inline_first)
{
	const struct json	*m;
	bool			 first = true;

	for (m = json_first(v); m != NULL; m = json_next(m)) {
		if (!first || !inline_first) {
			buf_putc(b, '\n');
			put_indent(b, level);
		}
		first = false;
		if (is_plain(json_key(m)))
			buf_puts(b, json_key(m));
		else
			put_quoted(b, json_key(m));
		buf_putc(b, ':');
		put_value(b, m, level + 1, false);
	}
}

/* Items stand at the level of their key, as kubectl writes them. */
static void
put_array(struct buf *b, const struct json *v, int level)
{
	const struct json	*m;

	for (m = json_first(v); m != NULL; m = json_next(m)) {
		buf_putc(b, '\n');
		put_indent(b, level);
		buf_putc(b, '-');
		put_value(b, m, level + 1, true);
	}
}

/*
 * A value behind "key:" or "-", its children at the level.  An object in a
 * list begins on the line of its dash.
 */
static void
put_value(struct buf *b, const struct json *v, int level, bool in_list)
{
	enum json_type	type = json_type(v);

	if (type == JSON_ARRAY && json_size(v) > 0) {
		put_array(b, v, in_list ? level : level - 1);
		return;
	}
	if (type == JSON_OBJECT && json_size(v) > 0 && !in_list) {
		put_object(b, v, level, false);
		return;
	}
	buf_putc(b, ' ');
	switch (type) {
	case JSON_OBJECT:
		if (json_size(v) > 0)
			put_object(b, v, level, true);
		else
			buf_puts(b, "{}");
		break;
	case JSON_ARRAY:
		buf_puts(b, "[]");
		break;
	case JSON_STRING:
		put_string(b, json_value_str(v), level);
		break;
	case JSON_NUMBER:
		put_number(b, json_value_num(v, 0));
		break;
	case JSON_BOOL:
		buf_puts(b, json_value_bool(v, false) ? "true" : "false");
		break;
	case JSON_NULL:
		buf_puts(b, "null");
		break;
	}
}

char *
json_yaml(const struct json *v)
{
	struct buf	 b;
	char		*text;

	buf_init(&b, OUT_MAX);
	if (json_is(v, JSON_ARRAY) && json_size(v) > 0)
		put_array(&b, v, 0);
	else
		put_value(&b, v, 0, false);
	buf_putc(&b, '\n');
	text = buf_take(&b);
	/* It begins with what would part it from a key: one blank or break. */
	memmove(text, text + 1, strlen(text));
	return text;
}
