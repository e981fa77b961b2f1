/*
 * Filling in struct err.  A message is built aside first, because callers may
 * pass the old message as an argument, and is cut between characters.
 */
#include "hiclaw/err.h"

#include <stdio.h>
#include <string.h>

#define PREFIX_MAX	200	/* bytes; the cause must keep its room */

static void
err_text(struct err *e, const char *text)
{
	size_t	n = utf8_prefix(text, sizeof(e->msg) - 1);

	memcpy(e->msg, text, n);
	e->msg[n] = '\0';
}

int
err_set(struct err *e, enum err_kind kind, const char *fmt, ...)
{
	char	text[sizeof(e->msg) + 1];
	va_list	ap;

	if (e == NULL)
		return -1;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	e->kind = kind;
	e->retry_s = 0;
	err_text(e, text);
	return -1;
}

int
err_prefix(struct err *e, const char *fmt, ...)
{
	char	what[PREFIX_MAX + 2], text[sizeof(what) + sizeof(e->msg) + 2];
	va_list	ap;

	if (e == NULL)
		return -1;
	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	what[utf8_prefix(what, PREFIX_MAX)] = '\0';
	snprintf(text, sizeof(text), "%s: %s", what, e->msg);
	err_text(e, text);
	return -1;
}

const char *
err_kind_name(enum err_kind kind)
{
	static const char *const names[] = {
		[ERR_USER] = "user",
		[ERR_DENIED] = "denied",
		[ERR_NOTFOUND] = "notfound",
		[ERR_CONFLICT] = "conflict",
		[ERR_RETRY] = "retry",
		[ERR_BROKEN] = "broken",
	};

	return (size_t)kind < NELEM(names) ? names[kind] : "unknown";
}
