/* See mask.h. */
#include "mask.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "hiclaw/secure.h"

#define MASK		"***"
#define SECRET_MIN	8	/* shorter ones would mask half the text */

static char *
mask_known(const char *text, const struct strv *secrets)
{
	struct buf b = { 0 };
	const char *p = text;
	size_t i, n;

	while (*p != '\0') {
		for (i = 0; i < secrets->n; i++) {
			n = strlen(secrets->v[i]);
			if (n >= SECRET_MIN &&
			    strncmp(p, secrets->v[i], n) == 0)
				break;
		}
		if (i < secrets->n) {
			buf_puts(&b, MASK);
			p += strlen(secrets->v[i]);
		} else
			buf_putc(&b, *p++);
	}
	return buf_take(&b);
}

static bool
is_name(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '-' || c == '.';
}

/* Is there a telling word in the n bytes of a name? */
static bool
is_telling(const char *name, size_t n)
{
	static const char *const words[] = { "key", "token", "secret",
	    "password", "passwd", "credential" };

	for (size_t i = 0; i < n; i++)
		for (size_t w = 0; w < NELEM(words); w++)
			if (i + strlen(words[w]) <= n && strncasecmp(name + i,
			    words[w], strlen(words[w])) == 0)
				return true;
	return false;
}

/*
 * p is behind a name: bytes up to its value when there is one, else 0.
 * `": "`, `=`, `: '`.
 */
static size_t
to_value(const char *p)
{
	const char *at = p;

	at += *at == '"' || *at == '\'';
	at += strspn(at, " \t");
	if (*at != ':' && *at != '=')
		return 0;
	at++;
	at += strspn(at, " \t");
	return (size_t)(at - p);
}

/* Bytes of the value at p, quotes not counted; *quote is its quote or 0. */
static size_t
value_len(const char *p, char *quote)
{
	size_t n = 0;

	*quote = *p == '"' || *p == '\'' ? *p : '\0';
	if (*quote == '\0')
		return strcspn(p, " \t\r\n,;}]");
	for (p++; p[n] != '\0' && p[n] != *quote && p[n] != '\n'; n++)
		if (p[n] == '\\' && p[n + 1] != '\0')
			n++;
	return n;
}

static char *
mask_named(const char *text)
{
	struct buf b = { 0 };
	const char *p = text;
	size_t n, skip, len;
	char quote;

	while (*p != '\0') {
		for (n = 0; is_name(p[n]);)
			n++;
		if (n == 0) {
			buf_putc(&b, *p++);
			continue;
		}
		buf_add(&b, p, n);
		skip = is_telling(p, n) ? to_value(p + n) : 0;
		p += n;
		if (skip == 0)
			continue;
		buf_add(&b, p, skip);
		p += skip;
		len = value_len(p, &quote);
		/* What has parts is no secret, its parts may be; a number
		 * is a limit ("maxTokens": 64000). */
		if (len == 0 || *p == '{' || *p == '[' ||
		    strspn(p, "0123456789") == len)
			continue;
		if (quote != '\0')
			buf_putc(&b, *p++);
		buf_puts(&b, MASK);
		p += len;
	}
	return buf_take(&b);
}

char *
mask_secrets(const char *text, const struct strv *secrets, bool by_name)
{
	char *known = mask_known(text, secrets), *all;

	if (!by_name)
		return known;
	all = mask_named(known);
	secret_free(known);
	return all;
}
