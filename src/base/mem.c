/*
 * Memory that is there or ends the process; base.h says why that is honest.
 * Nothing is logged through log.c, which itself needs memory.
 */
#include "hiclaw/base.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static _Noreturn void
out_of_memory(void)
{
	static const char msg[] = "hiclaw: out of memory\n";

	if (write(STDERR_FILENO, msg, sizeof(msg) - 1) == -1)
		_exit(71);
	abort();
}

void *
xmalloc(size_t size)
{
	void	*p = malloc(size != 0 ? size : 1);

	if (p == NULL)
		out_of_memory();
	return p;
}

void *
xcalloc(size_t n, size_t size)
{
	void	*p = calloc(n != 0 ? n : 1, size != 0 ? size : 1);

	if (p == NULL)
		out_of_memory();
	return p;
}

void *
xreallocarray(void *old, size_t n, size_t size)
{
	void	*p;

	if (size != 0 && n > SIZE_MAX / size)
		out_of_memory();
	p = realloc(old, n * size != 0 ? n * size : 1);
	if (p == NULL)
		out_of_memory();
	return p;
}

char *
xstrndup(const char *s, size_t max)
{
	size_t	 len = strnlen(s, max);
	char	*p = xmalloc(len + 1);

	memcpy(p, s, len);
	p[len] = '\0';
	return p;
}

char *
xstrdup(const char *s)
{
	return s != NULL ? xstrndup(s, strlen(s)) : NULL;
}

char *
xvasprintf(const char *fmt, va_list ap)
{
	va_list	 again;
	char	*p;
	int	 len;

	assert(fmt != NULL);
	va_copy(again, ap);
	len = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (len < 0)
		out_of_memory();
	p = xmalloc((size_t)len + 1);
	vsnprintf(p, (size_t)len + 1, fmt, ap);
	return p;
}

char *
xasprintf(const char *fmt, ...)
{
	va_list	 ap;
	char	*p;

	va_start(ap, fmt);
	p = xvasprintf(fmt, ap);
	va_end(ap);
	return p;
}

/* --- held by several ------------------------------------------------------ */

struct shared {
	size_t	holds;
	char	text[];
};

static struct shared *
shared_of(char *text)
{
	return (struct shared *)(void *)(text - offsetof(struct shared, text));
}

char *
shared_new(const char *text)
{
	size_t		 len = strlen(text);
	struct shared	*s = xmalloc(sizeof(*s) + len + 1);

	s->holds = 1;
	memcpy(s->text, text, len + 1);
	return s->text;
}

char *
shared_hold(char *text)
{
	if (text != NULL)
		shared_of(text)->holds++;
	return text;
}

void
shared_drop(char *text)
{
	if (text != NULL && --shared_of(text)->holds == 0)
		free(shared_of(text));
}
