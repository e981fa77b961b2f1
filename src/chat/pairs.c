/* See pairs.h. */
#include "pairs.h"

#include <stdlib.h>
#include <string.h>

#include "words.h"

#define WIDE_EQUALS	"\xef\xbc\x9d"	/* U+FF1D, of a Chinese keyboard */

/* The word with "=" for what looks like it; yours. */
static char *
plain_equals(const char *word)
{
	struct buf b = { 0 };
	const char *at;

	while ((at = strstr(word, WIDE_EQUALS)) != NULL) {
		buf_add(&b, word, (size_t)(at - word));
		buf_putc(&b, '=');
		word = at + strlen(WIDE_EQUALS);
	}
	buf_puts(&b, word);
	return buf_take(&b);
}

/* The length without a dash at the end, of whatever kind; 0: there is none. */
static size_t
before_dash(const char *word)
{
	size_t len = strlen(word);

	for (size_t n = 1; n <= 3 && n < len; n++)
		if (dash_len(word + len - n) == n)
			return len - n;
	return 0;
}

static bool
begins_pair(const struct strv *w, size_t at)
{
	if (at >= w->n || w->v[at][0] == '=')
		return false;
	return strchr(w->v[at], '=') != NULL ||
	    (at + 1 < w->n && w->v[at + 1][0] == '=') ||
	    before_dash(w->v[at]) > 0;
}

/* What follows a comma, or begins with one, belongs to the list before it. */
static void
take_commas(const struct strv *w, size_t *at, struct buf *value)
{
	while (*at < w->n && value->len > 0 &&
	    (value->data[value->len - 1] == ',' || w->v[*at][0] == ',') &&
	    !begins_pair(w, *at))
		buf_puts(value, w->v[(*at)++]);
}

/* "{a: b, c: d}" goes on until its brackets are closed. */
static void
take_brackets(const struct strv *w, size_t *at, struct buf *value)
{
	int open = 0;

	if (value->len == 0 || strchr("[{", value->data[0]) == NULL)
		return;
	for (size_t i = 0;; i++) {
		if (i == value->len) {
			if (open <= 0 || *at == w->n)
				return;
			buf_printf(value, " %s", w->v[(*at)++]);
		}
		open += strchr("[{", value->data[i]) != NULL;
		open -= strchr("]}", value->data[i]) != NULL;
	}
}

static int
pair_add(struct pairs *ps, const char *key, size_t len, struct buf *value,
    bool is_unset, struct err *e)
{
	struct pair *p = &ps->v[ps->n];
	bool is_more = len > 1 && key[len - 1] == '+';

	if (ps->n == PAIRS_MAX)
		return err_set(e, ERR_USER, "more than %d fields: paste a "
		    "manifest", PAIRS_MAX);
	len -= is_more;
	p->key = xstrndup(key, len);
	p->value = is_unset ? NULL : buf_take(value);
	for (size_t i = 0; i < ps->n; i++)
		is_more |= str_distance(ps->v[i].key, p->key, 0) == 0;
	p->is_more = is_more;
	ps->n++;
	return 0;
}

/* From the word at *at, which has or is followed by "=". */
static int
read_pair(const struct strv *w, size_t *at, struct pairs *ps, struct err *e)
{
	const char *word = w->v[(*at)++], *eq = strchr(word, '=');
	const char *rest = eq != NULL ? eq + 1 : w->v[(*at)++] + 1;
	size_t len = eq != NULL ? (size_t)(eq - word) : strlen(word);
	struct buf value = { 0 };
	int rc;

	buf_puts(&value, rest);
	/* "model= x" is x; "image= model=x" takes the image away. */
	if (value.len == 0 && *at < w->n && !begins_pair(w, *at))
		buf_puts(&value, w->v[(*at)++]);
	take_brackets(w, at, &value);
	take_commas(w, at, &value);
	rc = pair_add(ps, word, len, &value, value.len == 0, e);
	buf_release(&value);
	return rc;
}

static int
no_pair(const struct strv *w, size_t at, struct err *e)
{
	if (at + 1 < w->n && w->v[at][0] != '=' && !begins_pair(w, at + 1))
		return err_set(e, ERR_USER, "\"%.60s\" has no value; did you "
		    "mean %.60s=%.60s?", w->v[at], w->v[at], w->v[at + 1]);
	return err_set(e, ERR_USER, "\"%.60s\" has no value: write "
	    "field=value, in quotes if there are blanks in it", w->v[at]);
}

static int
read_all(const struct strv *w, struct pairs *ps, struct err *e)
{
	struct buf none = { 0 };

	for (size_t at = 0; at < w->n;) {
		const char *word = w->v[at];
		size_t len = before_dash(word);
		bool is_pair = strchr(word, '=') != NULL ||
		    (at + 1 < w->n && w->v[at + 1][0] == '=');

		if (word[0] == '=' || (!is_pair && len == 0))
			return no_pair(w, at, e);
		if (is_pair && read_pair(w, &at, ps, e) == -1)
			return -1;
		if (!is_pair && (at++, pair_add(ps, word, len, &none, true,
		    e)) == -1)
			return -1;
	}
	return 0;
}

int
pairs_read(const struct strv *words, size_t at, struct pairs *ps,
    struct err *e)
{
	struct strv plain = { 0 };
	int rc;

	memset(ps, 0, sizeof *ps);
	for (; at < words->n; at++) {
		char *word = plain_equals(words->v[at]);

		strv_add(&plain, word);
		free(word);
	}
	rc = read_all(&plain, ps, e);
	strv_release(&plain);
	if (rc == -1)
		pairs_release(ps);
	return rc;
}

void
pairs_release(struct pairs *ps)
{
	for (size_t i = 0; i < ps->n; i++) {
		free(ps->v[i].key);
		free(ps->v[i].value);
	}
	memset(ps, 0, sizeof *ps);
}

char *
pairs_take(struct pairs *ps, const char *key)
{
	char *value;

	for (size_t i = 0; i < ps->n; i++) {
		if (str_distance(ps->v[i].key, key, 0) != 0)
			continue;
		value = ps->v[i].value;
		free(ps->v[i].key);
		ps->n--;
		memmove(&ps->v[i], &ps->v[i + 1],
		    (ps->n - i) * sizeof ps->v[0]);
		return value;
	}
	return NULL;
}
