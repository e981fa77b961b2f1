/*
 * Strings: bounded copies, spelling distance for "did you mean", UTF-8.
 * Pure functions; called from everywhere.
 */
#include "hiclaw/base.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define DISTANCE_LEN_MAX	64	/* longer words are not misspellings */

bool
str_copy(char *dst, const char *src, size_t dstsize)
{
	size_t	len = strlen(src), n = len;

	if (dstsize == 0)
		return false;
	if (n >= dstsize)
		n = dstsize - 1;
	memcpy(dst, src, n);
	dst[n] = '\0';
	return n == len;
}

bool
str_starts(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool
str_ends(const char *s, const char *suffix)
{
	size_t	len = strlen(s), n = strlen(suffix);

	return n <= len && memcmp(s + len - n, suffix, n) == 0;
}

bool
str_equal(const char *a, const char *b)
{
	if (a == b || a == NULL || b == NULL)
		return a == b;
	return strcmp(a, b) == 0;
}

static int
lower(char c)
{
	return tolower((unsigned char)c);
}

static int
min3(int a, int b, int c)
{
	if (b < a)
		a = b;
	return c < a ? c : a;
}

/*
 * Three rows of the usual matrix: the last one, the one before (for two
 * letters swapped) and the one being filled.
 */
int
str_distance(const char *a, const char *b, int max)
{
	int	 rows[3][DISTANCE_LEN_MAX + 1];
	int	*before = rows[0], *last = rows[1], *row = rows[2], *tmp;
	size_t	 la = strlen(a), lb = strlen(b), i, j;
	int	 cost;

	if (la > DISTANCE_LEN_MAX || lb > DISTANCE_LEN_MAX)
		return strcasecmp(a, b) == 0 ? 0 : max + 1;
	for (j = 0; j <= lb; j++)
		before[j] = last[j] = (int)j;
	for (i = 1; i <= la; i++) {
		row[0] = (int)i;
		for (j = 1; j <= lb; j++) {
			cost = lower(a[i - 1]) != lower(b[j - 1]);
			row[j] = min3(last[j] + 1, row[j - 1] + 1,
			    last[j - 1] + cost);
			if (i > 1 && j > 1 &&
			    lower(a[i - 1]) == lower(b[j - 2]) &&
			    lower(a[i - 2]) == lower(b[j - 1]) &&
			    before[j - 2] + 1 < row[j])
				row[j] = before[j - 2] + 1;
		}
		tmp = before;
		before = last;
		last = row;
		row = tmp;
	}
	return last[lb] <= max ? last[lb] : max + 1;
}

const char *
str_nearest(const char *s, const char *const *words)
{
	const char	*best = NULL;
	int		 limit = strlen(s) <= 3 ? 1 : 2, d;

	for (; *words != NULL; words++) {
		d = str_distance(s, *words, limit);
		if (d <= limit) {
			best = *words;
			if (d == 0)
				break;
			limit = d - 1;	/* only a nearer one replaces it */
		}
	}
	return best;
}

/* Length of the character at s, of which `left` bytes are there; 0: invalid. */
static size_t
utf8_char(const unsigned char *s, size_t left)
{
	unsigned char	lo = 0x80, hi = 0xbf;
	size_t		n, i;

	if (s[0] == 0)
		return 0;
	if (s[0] < 0x80)
		return 1;
	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		n = 2;
	else if (s[0] >= 0xe0 && s[0] <= 0xef)
		n = 3;
	else if (s[0] >= 0xf0 && s[0] <= 0xf4)
		n = 4;
	else
		return 0;
	if (n > left)
		return 0;
	if (s[0] == 0xe0)
		lo = 0xa0;	/* overlong */
	else if (s[0] == 0xed)
		hi = 0x9f;	/* surrogates */
	else if (s[0] == 0xf0)
		lo = 0x90;	/* overlong */
	else if (s[0] == 0xf4)
		hi = 0x8f;	/* beyond U+10FFFF */
	if (s[1] < lo || s[1] > hi)
		return 0;
	for (i = 2; i < n; i++)
		if (s[i] < 0x80 || s[i] > 0xbf)
			return 0;
	return n;
}

bool
utf8_valid(const char *s, size_t len, size_t *bad)
{
	size_t	i, n;

	for (i = 0; i < len; i += n) {
		n = utf8_char((const unsigned char *)s + i, len - i);
		if (n == 0) {
			if (bad != NULL)
				*bad = i;
			return false;
		}
	}
	return true;
}

size_t
utf8_prefix(const char *s, size_t max)
{
	size_t	n = strnlen(s, max);

	if (n < max)
		return n;
	while (n > 0 && ((unsigned char)s[n] & 0xc0) == 0x80)
		n--;
	return n;
}
