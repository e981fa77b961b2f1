/* Full ids in texts.  See mention.h. */
#include "mention.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MENTIONS_MAX	50	/* in one message: more is no address */

static bool
is_local_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9') ||
	    (c != '\0' && strchr("._=+/-", c) != NULL);
}

static bool
is_domain_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9') || c == '.' || c == '-';
}

static size_t
digits(const char *s)
{
	return strspn(s, "0123456789");
}

/* The length of the full id at s, which is a '@'; 0: there is none. */
static size_t
id_length(const char *s)
{
	size_t	n = 1, domain;

	while (is_local_char(s[n]))
		n++;
	if (n == 1 || s[n] != ':')
		return 0;
	domain = ++n;
	while (is_domain_char(s[n]))
		n++;
	/* What ends a sentence is no part of a name. */
	while (n > domain && (s[n - 1] == '.' || s[n - 1] == '-'))
		n--;
	if (n == domain)
		return 0;
	if (s[n] == ':' && digits(s + n + 1) > 0 && digits(s + n + 1) <= 5)
		n += 1 + digits(s + n + 1);
	return n <= ID_MAX ? n : 0;
}

const char *
mention_next(const char **text, size_t *len)
{
	const char	*start = *text, *p = start;

	while ((p = strchr(p, '@')) != NULL) {
		*len = p > start && is_local_char(p[-1]) ? 0 : id_length(p);
		if (*len > 0) {
			*text = p + *len;
			return p;
		}
		p++;
	}
	return NULL;
}

static size_t
local_length(const char *id)
{
	return strcspn(id, ":");
}

bool
mention_of(const char *text, const char *id)
{
	size_t		 n = local_length(id), full = strlen(id);
	const char	*p;

	for (p = text; (p = strchr(p, '@')) != NULL; p++) {
		if (p > text && is_local_char(p[-1]))
			continue;
		if (id_length(p) > 0) {
			/* somebody's full id: ours, or not us */
			if (id_length(p) == full &&
			    strncasecmp(p, id, full) == 0)
				return true;
		} else if (strncasecmp(p, id, n) == 0) {
			/* "@alice." ends a sentence, "@alice.b" does not */
			const char *q = p + n;

			while (*q == '.' || *q == '-')
				q++;
			if (!is_local_char(*q))
				return true;
		}
	}
	return false;
}

bool
id_same_domain(const char *a, const char *b)
{
	a += local_length(a);
	b += local_length(b);
	return *a == ':' && strcasecmp(a, b) == 0;
}

bool
id_is_agent(const char *me, const char *id)
{
	const char	*end = memchr(me, '_', local_length(me));

	return end != NULL && id_same_domain(me, id) &&
	    strncasecmp(me, id, (size_t)(end - me) + 1) == 0;
}

bool
id_is_bot(const char *me, const char *id)
{
	size_t	n = local_length(id);

	return id_same_domain(me, id) && n < local_length(me) &&
	    strncasecmp(me, id, n) == 0 && me[n] == '_';
}

/* The next in text that is a mention for us; *id has ID_MAX + 1 bytes. */
static const char *
next_mention(const char *me, const char **text, char *id, size_t *len)
{
	const char	*at;

	while ((at = mention_next(text, len)) != NULL) {
		memcpy(id, at, *len);
		id[*len] = '\0';
		if (id_same_domain(me, id) && strcasecmp(me, id) != 0)
			return at;
	}
	return NULL;
}

struct json *
mention_list(const char *me, const char *text)
{
	struct json	*m = json_object(), *ids;
	struct strv	 seen = { 0 };
	char		 id[ID_MAX + 1];
	size_t		 len;

	while (seen.n < MENTIONS_MAX &&
	    next_mention(me, &text, id, &len) != NULL)
		strv_add_unique(&seen, id);
	if (seen.n > 0) {
		ids = json_set(m, "user_ids", json_array());
		for (size_t i = 0; i < seen.n; i++)
			json_push_str(ids, seen.v[i]);
	}
	strv_release(&seen);
	return m;
}

static void
put_html(struct buf *out, const char *s, size_t n)
{
	for (; n > 0; s++, n--)
		switch (*s) {
		case '&': buf_puts(out, "&amp;"); break;
		case '<': buf_puts(out, "&lt;"); break;
		case '>': buf_puts(out, "&gt;"); break;
		case '"': buf_puts(out, "&quot;"); break;
		case '\n': buf_puts(out, "<br>"); break;
		default: buf_putc(out, *s);
		}
}

static void
put_link(struct buf *out, const char *id)
{
	buf_puts(out, "<a href=\"https://matrix.to/#/");
	for (const char *p = id; *p != '\0'; p++)
		if (*p == '/' || *p == '+' || *p == '=')
			buf_printf(out, "%%%02X", (unsigned char)*p);
		else
			buf_putc(out, *p);
	buf_printf(out, "\">%s</a>", id);
}

char *
mention_html(const char *me, const char *text)
{
	struct buf	 out = { 0 };
	const char	*p = text, *done = text, *at;
	char		 id[ID_MAX + 1];
	size_t		 len, n = 0;

	while (n < MENTIONS_MAX &&
	    (at = next_mention(me, &p, id, &len)) != NULL) {
		put_html(&out, done, (size_t)(at - done));
		put_link(&out, id);
		done = at + len;
		n++;
	}
	if (n == 0)
		return NULL;
	put_html(&out, done, strlen(done));
	return buf_take(&out);
}

size_t
mention_agent_line(const char *me, const char *text, size_t len)
{
	char		*copy = xstrndup(text, len), id[ID_MAX + 1];
	const char	*p = copy, *at;
	size_t		 n, line = len;

	while ((at = next_mention(me, &p, id, &n)) != NULL)
		if (id_is_agent(me, id)) {
			while (at > copy && at[-1] != '\n')
				at--;
			line = (size_t)(at - copy);
			break;
		}
	free(copy);
	return line;
}
