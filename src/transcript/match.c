/*
 * Patterns of transcripts.  A line of a pattern is read with at most BUDGET
 * comparisons, so that no pattern, however full of wildcards, takes for ever.
 */
#include "transcript-int.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUDGET		200000
#define NAME_LEN_MAX	32

/* --- lines --------------------------------------------------------------- */

/* Lines that are not blank, without blanks at their ends. */
static void
split_lines(const char *text, struct strv *out)
{
	while (*text != '\0') {
		size_t n = strcspn(text, "\n"), m = n;
		const char *s = text;

		while (m > 0 && isspace((unsigned char)*s)) {
			s++;
			m--;
		}
		while (m > 0 && isspace((unsigned char)s[m - 1]))
			m--;
		if (m > 0)
			strv_addf(out, "%.*s", (int)m, s);
		text += n + (text[n] == '\n');
	}
}

static bool
is_dots(const char *line)
{
	return strcmp(line, DOTS) == 0 || strcmp(line, "*") == 0 ||
	    strcmp(line, "...") == 0;
}

/* --- one line ------------------------------------------------------------ */

struct matching {
	const struct map *known;
	struct map	*found;		/* in this try */
	int		 budget;
};

/* "{word}" at s: its length, and the word; else 0. */
static size_t
name_at(const char *s, char name[NAME_LEN_MAX])
{
	size_t n;

	if (*s != '{')
		return 0;
	n = strspn(s + 1, "abcdefghijklmnopqrstuvwxyz0123456789_");
	if (n == 0 || n >= NAME_LEN_MAX || s[n + 1] != '}')
		return 0;
	memcpy(name, s + 1, n);
	name[n] = '\0';
	return n + 2;
}

static size_t
wild_at(const char *s)
{
	return *s == '*' ? 1 : strncmp(s, DOTS, 3) == 0 ? 3 : 0;
}

static bool	match_line(struct matching *, const char *, const char *);

static bool
match_name(struct matching *m, const char *name, const char *p, const char *t)
{
	const char *value = map_find(m->found, name);
	size_t n = strcspn(t, " \t");

	if (value == NULL)
		value = map_find(m->known, name);
	if (value != NULL)
		return str_starts(t, value) &&
		    match_line(m, p, t + strlen(value));
	for (; n > 0; n--) {
		map_set(m->found, name, xstrndup(t, n));
		if (match_line(m, p, t + n))
			return true;
		map_remove(m->found, name);
	}
	return false;
}

static bool
match_line(struct matching *m, const char *p, const char *t)
{
	char name[NAME_LEN_MAX];
	size_t n;

	for (;; p++, t++) {
		if (--m->budget < 0)
			return false;
		if ((n = name_at(p, name)) > 0)
			return match_name(m, name, p + n, t);
		if ((n = wild_at(p)) > 0) {
			for (p += n; ; t++) {
				if (match_line(m, p, t))
					return true;
				if (*t == '\0' || m->budget < 0)
					return false;
			}
		}
		if (*p != *t)
			return false;
		if (*p == '\0')
			return true;
	}
}

/* --- many ---------------------------------------------------------------- */

static bool
match_lines(struct matching *m, char *const *p, char *const *t)
{
	if (p == NULL || *p == NULL)
		return t == NULL || *t == NULL;
	if (is_dots(*p)) {
		for (;; t++) {
			if (match_lines(m, p + 1, t))
				return true;
			if (t == NULL || *t == NULL || m->budget < 0)
				return false;
		}
	}
	return t != NULL && *t != NULL && match_line(m, *p, *t) &&
	    match_lines(m, p + 1, t + 1);
}

bool
match_text(const char *pattern, const char *text, struct map *names)
{
	struct strv p = { 0 }, t = { 0 };
	struct matching m = { .known = names, .found = map_new(free),
		.budget = BUDGET };
	const char *key, *value;
	void *it = NULL;
	bool fits;

	split_lines(pattern, &p);
	split_lines(text, &t);
	fits = match_lines(&m, p.v, t.v);
	while (fits && (value = map_next(m.found, &it, &key)) != NULL)
		map_set(names, key, xstrdup(value));
	map_free(m.found);
	strv_release(&p);
	strv_release(&t);
	return fits;
}

static bool
line_fits(const char *p, const char *t, const struct map *names)
{
	struct matching m = { .known = names, .found = map_new(free),
		.budget = BUDGET };
	bool fits = match_line(&m, p, t);

	map_free(m.found);
	return fits;
}

void
match_diff(const char *pattern, const char *text, const struct map *names,
    struct buf *out)
{
	struct strv p = { 0 }, t = { 0 };
	size_t a = 0, z = 0, i;

	split_lines(pattern, &p);
	split_lines(text, &t);
	while (a < p.n && a < t.n && !is_dots(p.v[a]) &&
	    line_fits(p.v[a], t.v[a], names))
		a++;
	while (z < p.n - a && z < t.n - a && !is_dots(p.v[p.n - 1 - z]) &&
	    line_fits(p.v[p.n - 1 - z], t.v[t.n - 1 - z], names))
		z++;
	for (i = 0; i < a; i++)
		buf_printf(out, "      %s\n", t.v[i]);
	for (i = a; i < p.n - z; i++)
		buf_printf(out, "    - %s\n", p.v[i]);
	for (i = a; i < t.n - z; i++)
		buf_printf(out, "    + %s\n", t.v[i]);
	for (i = t.n - z; i < t.n; i++)
		buf_printf(out, "      %s\n", t.v[i]);
	strv_release(&p);
	strv_release(&t);
}

char *
match_fill(const char *text, const struct map *names)
{
	struct buf out = { 0 };
	char name[NAME_LEN_MAX];
	const char *value;
	size_t n;

	while (*text != '\0') {
		n = name_at(text, name);
		value = n > 0 ? map_find(names, name) : NULL;
		if (value != NULL) {
			buf_puts(&out, value);
			text += n;
		} else
			buf_putc(&out, *text++);
	}
	return buf_take(&out);
}

/* --- making patterns ----------------------------------------------------- */

/* A run of letters and digits that nobody wrote: an id, a digest. */
static bool
is_token(const char *s, size_t n)
{
	bool digit = false, other = false;

	for (size_t i = 0; i < n; i++) {
		digit |= isdigit((unsigned char)s[i]) != 0;
		other |= isxdigit((unsigned char)s[i]) == 0;
	}
	return digit && ((n >= 7 && !other) || n >= 32);
}

static bool
is_time(const char *s, size_t n)
{
	size_t digits = strspn(s, "0123456789.:-TZ");

	if (digits == n && n >= 5 && (memchr(s, ':', n) != NULL ||
	    (n >= 10 && memchr(s, '-', n) != NULL)))
		return true;
	/* "12ms", "3.4s", "1m20s" */
	return n >= 2 && isdigit((unsigned char)s[0]) &&
	    strspn(s, "0123456789.mshd") >= n && s[n - 1] != '.' &&
	    !isdigit((unsigned char)s[n - 1]);
}

static size_t
word_len(const char *s)
{
	return strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789.:-_"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
}

static bool
is_unit(const char *s)
{
	return str_starts(s, " s\n") || str_starts(s, " s ") ||
	    str_starts(s, " s.") || str_starts(s, " s,") ||
	    strcmp(s, " s") == 0 || str_starts(s, " ms");
}

char *
match_generalise(const char *text)
{
	struct buf out = { 0 };
	size_t n, k;

	while (*text != '\0') {
		if ((n = word_len(text)) == 0) {
			buf_putc(&out, *text++);
			continue;
		}
		for (k = n; k > 0 && (text[k - 1] == '.' ||
		    text[k - 1] == ':'); k--)
			;
		if (k == 15 && str_starts(text, "hiclaw-") &&
		    strspn(text + 7, "0123456789abcdef") >= 8)
			buf_puts(&out, "hiclaw-" DOTS);	/* an instance */
		else if (k > 0 && (is_token(text, k) || is_time(text, k) ||
		    (strspn(text, "0123456789.") >= k && is_unit(text + k))))
			buf_puts(&out, DOTS);
		else
			buf_add(&out, text, k);
		buf_add(&out, text + k, n - k);
		text += n;
	}
	return buf_take(&out);
}
