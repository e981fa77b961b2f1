/*
 * What a homeserver relays is valid JSON with anything in it that its users
 * may say.  One event must not make a whole transaction or /sync unreadable,
 * so the few things that json_parse refuses in valid JSON are softened first:
 * \u0000 and lone surrogates become U+FFFD, values below the depth limit
 * become null, numbers nobody can hold become 0.  Broken JSON stays broken.
 */
#include "hiclaw/json.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX	60	/* json_parse takes 64 */
#define NUMBER_MAX	40	/* characters; no double needs more */

struct soften {
	const char	*p, *end;
	struct buf	 out;
	int		 depth;
};

static int
hex4(const char *p, const char *end)
{
	int v = 0;

	if (end - p < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		if (!isxdigit((unsigned char)p[i]))
			return -1;
		v = v * 16 + (isdigit((unsigned char)p[i]) ? p[i] - '0' :
		    (p[i] | 0x20) - 'a' + 10);
	}
	return v;
}

/* At a backslash; copies or replaces one escape. */
static void
soften_escape(struct soften *s)
{
	int c = s->end - s->p > 1 && s->p[1] == 'u' ?
	    hex4(s->p + 2, s->end) : -1;
	bool is_pair = c >= 0xd800 && c < 0xdc00 && s->end - s->p >= 12 &&
	    s->p[6] == '\\' && s->p[7] == 'u' &&
	    hex4(s->p + 8, s->end) >= 0xdc00 &&
	    hex4(s->p + 8, s->end) <= 0xdfff;
	size_t n = c == -1 ? 2 : is_pair ? 12 : 6;

	if (n > (size_t)(s->end - s->p))
		n = (size_t)(s->end - s->p);
	if (c == 0 || (c >= 0xd800 && c <= 0xdfff && !is_pair))
		buf_puts(&s->out, "\\ufffd");
	else
		buf_add(&s->out, s->p, n);
	s->p += n;
}

/* At the opening quote; copies through the closing one. */
static void
soften_string(struct soften *s)
{
	buf_putc(&s->out, *s->p++);
	while (s->p < s->end && *s->p != '"') {
		const char *from = s->p;

		while (s->p < s->end && *s->p != '"' && *s->p != '\\')
			s->p++;
		buf_add(&s->out, from, (size_t)(s->p - from));
		if (s->p < s->end && *s->p == '\\')
			soften_escape(s);
	}
	if (s->p < s->end)
		buf_putc(&s->out, *s->p++);
}

/* At an opening bracket that is too deep: null instead of all of it. */
static void
skip_value(struct soften *s)
{
	int depth = 0;

	do {
		char c = *s->p++;

		if (c == '[' || c == '{')
			depth++;
		else if (c == ']' || c == '}')
			depth--;
		else if (c == '"')
			while (s->p < s->end && *s->p++ != '"')
				if (s->p[-1] == '\\' && s->p < s->end)
					s->p++;
	} while (depth > 0 && s->p < s->end);
	buf_puts(&s->out, "null");
}

static void
soften_number(struct soften *s)
{
	const char *from = s->p;
	size_t n;

	while (s->p < s->end && (isdigit((unsigned char)*s->p) ||
	    strchr("+-.eE", *s->p) != NULL))
		s->p++;
	n = (size_t)(s->p - from);
	if (n > NUMBER_MAX || memchr(from, 'e', n) != NULL ||
	    memchr(from, 'E', n) != NULL)
		buf_putc(&s->out, '0');	/* Matrix has no such numbers */
	else
		buf_add(&s->out, from, n);
}

char *
json_soften(const char *text, size_t len)
{
	struct soften s = { text, text + len, { 0 }, 0 };

	buf_init(&s.out, 2 * len + 64);
	while (s.p < s.end) {
		char c = *s.p;

		if (c == '"') {
			soften_string(&s);
		} else if ((c == '[' || c == '{') && s.depth == DEPTH_MAX) {
			skip_value(&s);
		} else if (isdigit((unsigned char)c) || c == '-') {
			soften_number(&s);
		} else {
			s.depth += (c == '[' || c == '{') -
			    (c == ']' || c == '}');
			buf_putc(&s.out, c);
			s.p++;
		}
	}
	return buf_take(&s.out);
}

struct json *
json_parse_relayed(const char *text, size_t len, struct err *err)
{
	char *soft;
	struct json *v;

	/* Nearly everything is fine as it is. */
	if ((v = json_parse(text, len, err)) != NULL)
		return v;
	soft = json_soften(text, len);
	v = json_parse(soft, strlen(soft), err);
	free(soft);
	return v;
}
