/*
 * Ordered lists of owned strings.  Always: v is NULL or v[n] is NULL.
 */
#include "hiclaw/base.h"

#include <stdlib.h>
#include <string.h>

static void
strv_take(struct strv *l, char *s)
{
	if (l->n + 2 > l->cap) {
		l->cap = l->cap != 0 ? l->cap * 2 : 8;
		l->v = xreallocarray(l->v, l->cap, sizeof(*l->v));
	}
	l->v[l->n++] = s;
	l->v[l->n] = NULL;
}

void
strv_add(struct strv *l, const char *s)
{
	strv_take(l, xstrdup(s));
}

void
strv_addf(struct strv *l, const char *fmt, ...)
{
	va_list	ap;

	va_start(ap, fmt);
	strv_take(l, xvasprintf(fmt, ap));
	va_end(ap);
}

/* The place of s, or n. */
static size_t
strv_index(const struct strv *l, const char *s)
{
	size_t	i;

	for (i = 0; i < l->n; i++)
		if (strcmp(l->v[i], s) == 0)
			break;
	return i;
}

bool
strv_has(const struct strv *l, const char *s)
{
	return strv_index(l, s) < l->n;
}

bool
strv_add_unique(struct strv *l, const char *s)
{
	if (strv_has(l, s))
		return false;
	strv_add(l, s);
	return true;
}

bool
strv_remove(struct strv *l, const char *s)
{
	size_t	i = strv_index(l, s);

	if (i == l->n)
		return false;
	free(l->v[i]);
	/* the terminator moves with the rest */
	memmove(&l->v[i], &l->v[i + 1], (l->n - i) * sizeof(*l->v));
	l->n--;
	return true;
}

static int
strv_cmp(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void
strv_sort(struct strv *l)
{
	if (l->n > 1)
		qsort(l->v, l->n, sizeof(*l->v), strv_cmp);
}

char *
strv_join(const struct strv *l, const char *sep)
{
	struct buf	b = { .max = SIZE_MAX / 2 };
	size_t		i;

	for (i = 0; i < l->n; i++) {
		if (i != 0)
			buf_puts(&b, sep);
		buf_puts(&b, l->v[i]);
	}
	return buf_take(&b);
}

void
strv_split(struct strv *l, const char *s, char sep)
{
	const char	*end;

	for (;; s = end + 1) {
		end = strchr(s, sep);
		if (end == NULL)
			break;
		if (end != s)
			strv_take(l, xstrndup(s, (size_t)(end - s)));
	}
	if (*s != '\0')
		strv_add(l, s);
}

void
strv_release(struct strv *l)
{
	size_t	i;

	if (l == NULL)
		return;
	for (i = 0; i < l->n; i++)
		free(l->v[i]);
	free(l->v);
	memset(l, 0, sizeof(*l));
}
