/*
 * Server-sent events.  Only "data:" lines matter here; each is a chunk of its
 * own, so an event of several lines is not put together.
 */
#include "sse.h"

#include <string.h>

void
sse_init(struct sse *s)
{
	memset(s, 0, sizeof(*s));
	buf_init(&s->line, SSE_LINE_MAX);
	buf_init(&s->text, ANSWER_MAX);
}

void
sse_release(struct sse *s)
{
	buf_release(&s->line);
	buf_release(&s->text);
}

/* Text for a room: no control characters but the line feed and the tab. */
static bool
put_text(struct sse *s, const char *text)
{
	size_t	had = s->text.len, n = strlen(text);
	size_t	room = ANSWER_MAX - had;

	if (n > room) {
		s->is_long = true;
		n = s->text.overflow ? 0 : utf8_prefix(text, room);
		s->text.overflow = true;	/* and no more after this */
	}
	for (; n > 0; text++, n--)
		if (((unsigned char)*text >= 0x20 && *text != 0x7f) ||
		    *text == '\n' || *text == '\t')
			buf_putc(&s->text, *text);
	return s->text.len > had;
}

/* `part` is "delta" in a stream and "message" in a whole answer. */
static bool
take_choice(struct sse *s, const struct json *root, const char *part)
{
	const struct json *choice = json_first(json_get(root, "choices"));
	const char	*text = json_str(json_get(choice, part), "content");

	if (json_is(json_get(root, "error"), JSON_OBJECT) ||
	    json_is(json_get(root, "error"), JSON_STRING))
		s->is_error = true;
	if (json_str(choice, "finish_reason") != NULL)
		s->is_done = true;
	return text != NULL && put_text(s, text);
}

static bool
take_line(struct sse *s)
{
	const char	*p = buf_str(&s->line);
	struct json	*root;
	struct err	 e;
	bool		 grew;

	if (!str_starts(p, "data:"))
		return false;
	p += 5;
	p += strspn(p, " ");
	if (strncmp(p, "[DONE]", 6) == 0) {
		s->is_done = true;
		return false;
	}
	root = json_parse_relayed(p, strlen(p), &e);
	if (root == NULL)
		return false;
	grew = take_choice(s, root, "delta");
	json_free(root);
	return grew;
}

static bool
end_line(struct sse *s)
{
	bool	grew = !s->skips && !s->line.overflow && take_line(s);

	s->skips = false;
	s->line.overflow = false;
	buf_reset(&s->line);
	return grew;
}

bool
sse_feed(struct sse *s, const char *p, size_t len)
{
	size_t	n;
	bool	grew = false;

	while (len > 0) {
		for (n = 0; n < len && p[n] != '\n' && p[n] != '\r'; n++)
			;
		buf_add(&s->line, p, n);
		if (s->line.overflow)
			s->skips = true;
		if (n == len)
			break;
		grew |= end_line(s);
		p += n + 1;
		len -= n + 1;
	}
	return grew;
}

bool
sse_end(struct sse *s)
{
	return end_line(s);
}

bool
sse_whole(struct sse *s, const char *text, size_t len)
{
	struct err	 e;
	struct json	*root = json_parse_relayed(text, len, &e);
	bool		 is_one;

	if (root == NULL)
		return false;
	is_one = json_first(json_get(root, "choices")) != NULL;
	take_choice(s, root, "message");
	s->is_done |= is_one;
	json_free(root);
	return is_one;
}
