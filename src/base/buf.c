/*
 * A growing byte buffer with a cap.  Always: data is NULL or terminated, and
 * len < cap; len never passes max.  An append that does not fit is dropped
 * whole, so that text is never cut in the middle of what one call added.
 */
#include "hiclaw/base.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUF_MAX_DEFAULT	(64U * 1024 * 1024)
#define BUF_CAP_FIRST	64U

void
buf_init(struct buf *b, size_t max)
{
	memset(b, 0, sizeof(*b));
	b->max = max;
}

void
buf_release(struct buf *b)
{
	if (b == NULL)
		return;
	free(b->data);
	buf_init(b, b->max);
}

void
buf_reset(struct buf *b)
{
	b->len = 0;
	b->overflow = false;
	if (b->data != NULL)
		b->data[0] = '\0';
}

/* Room for n more bytes and the terminator? */
static bool
buf_reserve(struct buf *b, size_t n)
{
	size_t	max = b->max != 0 ? b->max : BUF_MAX_DEFAULT, cap = b->cap;

	if (n > max || b->len > max - n) {
		b->overflow = true;
		return false;
	}
	if (b->len + n < cap)
		return true;
	if (cap == 0)
		cap = BUF_CAP_FIRST;
	while (cap <= b->len + n)
		cap += cap / 2;
	b->data = xreallocarray(b->data, cap, 1);
	b->cap = cap;
	return true;
}

void
buf_add(struct buf *b, const void *p, size_t n)
{
	if (!buf_reserve(b, n))
		return;
	if (n != 0)
		memcpy(b->data + b->len, p, n);
	b->len += n;
	b->data[b->len] = '\0';
}

void
buf_puts(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void
buf_putc(struct buf *b, char c)
{
	buf_add(b, &c, 1);
}

void
buf_printf(struct buf *b, const char *fmt, ...)
{
	char	 tmp[256], *s = tmp;
	va_list	 ap;
	int	 len;

	va_start(ap, fmt);
	len = vsnprintf(tmp, sizeof(tmp), fmt, ap);
	va_end(ap);
	if (len < 0)
		return;
	if ((size_t)len >= sizeof(tmp)) {
		va_start(ap, fmt);
		s = xvasprintf(fmt, ap);
		va_end(ap);
	}
	buf_add(b, s, (size_t)len);
	if (s != tmp)
		free(s);
}

/* `overflow` stays for a caller that looks at it only now. */
char *
buf_take(struct buf *b)
{
	char	*s = xreallocarray(b->data, b->len + 1, 1);

	s[b->len] = '\0';
	b->data = NULL;
	b->len = b->cap = 0;
	return s;
}

const char *
buf_str(const struct buf *b)
{
	return b->data != NULL ? b->data : "";
}
