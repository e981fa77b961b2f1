/*
 * One table of words and pictures.  Clients send the same picture with and
 * without a variation selector and in six colours, so keys are compared after
 * those are gone.
 */
#include "decision.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "words.h"

static const struct row { const char *key; enum verdict verdict; } rows[] = {
	{ "deny", VERDICT_DENY }, { "denied", VERDICT_DENY },
	{ "decline", VERDICT_DENY }, { "veto", VERDICT_DENY },
	{ "approved", VERDICT_APPROVE }, { "lgtm", VERDICT_APPROVE },
	{ "hold", VERDICT_HOLD }, { "wait", VERDICT_HOLD },
	{ "pause", VERDICT_HOLD },
	{ "\xe2\x8f\xb8", VERDICT_HOLD },		/* pause button */
	{ "\xe2\x9c\x8b", VERDICT_HOLD },		/* raised hand */
	{ "\xf0\x9f\x96\x90", VERDICT_HOLD },		/* hand with fingers */
	{ "release", VERDICT_RELEASE }, { "unhold", VERDICT_RELEASE },
	{ "\xe2\x96\xb6", VERDICT_RELEASE },		/* play button */
};

void
key_normalise(const char *key, char *dst, size_t size)
{
	struct buf b;
	size_t n;

	buf_init(&b, size - 1);
	while (*key != '\0' && !b.overflow) {
		if ((n = blank_len(key)) > 0) {
			if (b.len > 0 && b.data[b.len - 1] != ' ')
				buf_putc(&b, ' ');
			key += n;
		} else if ((n = emoji_decoration(key)) > 0)
			key += n;
		else
			buf_putc(&b, *key++);
	}
	while (b.len > 0 && strchr(" .!,;", b.data[b.len - 1]) != NULL)
		b.data[--b.len] = '\0';
	str_copy(dst, b.overflow ? "" : buf_str(&b), size);
	str_lower(dst);
	buf_release(&b);
}

enum verdict
verdict_read(const char *text)
{
	char key[32];

	switch (answer_read(text)) {
	case 1:
		return VERDICT_APPROVE;
	case 0:
		return VERDICT_DENY;
	}
	key_normalise(text, key, sizeof key);
	for (size_t i = 0; i < NELEM(rows); i++)
		if (strcmp(rows[i].key, key) == 0)
			return rows[i].verdict;
	return VERDICT_NONE;
}

static const char *
skip_blanks(const char *s)
{
	size_t n;

	while ((n = blank_len(s)) > 0)
		s += n;
	return s;
}

enum verdict
verdict_read_numbered(const char *line, int64_t *number, const char **rest)
{
	const char *s = skip_blanks(line);
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
	enum verdict v;
	char *word, *end;

	*number = 0;
	if (n == 0 || strlen(line) > DECISION_MAX)
		return VERDICT_NONE;
	/* "ok 7" may be talk about seven things. */
	word = xstrndup(s, n);
	str_lower(word);
	v = verdict_find(word);
	free(word);
	s = skip_blanks(s + n);
	s += *s == '#';
	if (v == VERDICT_NONE || !isdigit((unsigned char)*s))
		return VERDICT_NONE;
	*number = strtoll(s, &end, 10);
	if (*end != '\0' && blank_len(end) == 0)
		return VERDICT_NONE;
	*rest = skip_blanks(end);
	return *number > 0 ? v : VERDICT_NONE;
}
