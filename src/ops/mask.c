/* Secrets out of a text before people see it. */
#include "hiclaw/ops.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "hiclaw/secure.h"

#define MASK		"***"
#define SECRET_MIN	8	/* shorter ones would mask half the text */
#define PART_MIN	4	/* of one that the text's end cuts off */

/*
 * Bytes of a known secret at p, 0 if there is none.  The text may have been cut
 * in the middle of one: its beginning at the very end counts, too.
 */
static size_t
known_len(const char *p, size_t left, const struct strv *secrets)
{
	size_t n;

	for (size_t i = 0; i < secrets->n; i++) {
		n = strlen(secrets->v[i]);
		if (n < SECRET_MIN)
			continue;
		if (left < n && left >= PART_MIN)
			n = left;
		if (n <= left && memcmp(p, secrets->v[i], n) == 0)
			return n;
	}
	return 0;
}

static char *
mask_known(const char *text, const struct strv *secrets)
{
	struct buf b = { 0 };
	const char *p = text, *end = text + strlen(text);
	size_t n;

	while (p < end) {
		n = known_len(p, (size_t)(end - p), secrets);
		if (n > 0)
			buf_puts(&b, MASK);
		else
			buf_putc(&b, *p);
		p += n > 0 ? n : 1;
	}
	return buf_take(&b);
}

/* --- what looks like one wherever it stands ------------------------------ */

static bool
is_token(char c)
{
	return isalnum((unsigned char)c) || (c != '\0' &&
	    strchr("-._~+/=", c) != NULL);
}

/* "Bearer x", "Basic x": bytes up to x; *len is that of x. */
static size_t
to_bearer(const char *p, size_t *len)
{
	size_t n = strncasecmp(p, "bearer ", 7) == 0 ? 7 :
	    strncasecmp(p, "basic ", 6) == 0 ? 6 : 0;

	for (*len = 0; n > 0 && is_token(p[n + *len]);)
		(*len)++;
	return *len >= SECRET_MIN ? n : 0;
}

/* "://user:x@host": bytes up to x; *len is that of x. */
static size_t
to_userinfo(const char *p, size_t *len)
{
	size_t at, colon;

	if (!str_starts(p, "://"))
		return 0;
	at = 3 + strcspn(p + 3, "@/?# \t\r\n\"'");
	colon = 3 + strcspn(p + 3, ":@/?# \t\r\n\"'");
	if (p[at] != '@' || p[colon] != ':' || colon > at)
		return 0;
	*len = at - colon - 1;
	return *len > 0 ? colon + 1 : 0;
}

/* A PEM block of a private key: bytes up to its middle; *len is that of it. */
static size_t
to_private_key(const char *p, size_t *len)
{
	const char *eol, *end;

	if (!str_starts(p, "-----BEGIN "))
		return 0;
	eol = p + strcspn(p, "\n");
	end = strstr(p, "PRIVATE KEY-----");
	if (end == NULL || end > eol)
		return 0;
	end += strlen("PRIVATE KEY-----");
	eol = strstr(end, "-----END");
	*len = eol != NULL ? (size_t)(eol - end) : strlen(end);
	return (size_t)(end - p);
}

static char *
mask_shapes(const char *text)
{
	struct buf b = { 0 };
	const char *p = text;
	size_t n, len = 0;

	while (*p != '\0') {
		n = to_private_key(p, &len);
		if (n == 0)
			n = to_userinfo(p, &len);
		if (n == 0 && (p == text || !isalnum((unsigned char)p[-1])))
			n = to_bearer(p, &len);
		if (n == 0) {
			buf_putc(&b, *p++);
			continue;
		}
		buf_add(&b, p, n);
		buf_puts(&b, MASK);
		p += n + len;
	}
	return buf_take(&b);
}

/* --- what has a telling name ---------------------------------------------- */

static bool
is_name(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '-' || c == '.';
}

/* What the n bytes of a name tell of its value. */
enum telling { TELLS_NOTHING, TELLS_SECRET,
	TELLS_SECRET_OR_NUMBER };	/* maxTokens, keyCount */

static enum telling
telling(const char *name, size_t n)
{
	static const struct { const char *word; enum telling tells; } t[] = {
		{ "passw", TELLS_SECRET }, { "passphrase", TELLS_SECRET },
		{ "pwd", TELLS_SECRET }, { "secret", TELLS_SECRET },
		{ "credential", TELLS_SECRET }, { "cookie", TELLS_SECRET },
		{ "authorization", TELLS_SECRET },
		{ "key", TELLS_SECRET_OR_NUMBER },
		{ "token", TELLS_SECRET_OR_NUMBER },
	};

	for (size_t w = 0; w < NELEM(t); w++)
		for (size_t i = 0; i + strlen(t[w].word) <= n; i++)
			if (strncasecmp(name + i, t[w].word,
			    strlen(t[w].word)) == 0)
				return t[w].tells;
	return TELLS_NOTHING;
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

/*
 * Bytes of the quoted value at p up to its last byte, a quote: 'it''s' is one
 * value, and so is 'it'\''s'.
 */
static size_t
quoted_len(const char *p)
{
	char quote = *p;
	size_t n = 1;

	for (; p[n] != '\0' && p[n] != '\n'; n++) {
		if (p[n] == '\\' && quote == '"' && p[n + 1] != '\0')
			n++;
		else if (p[n] == quote && p[n + 1] == quote)
			n++;
		else if (p[n] == quote)
			return n + strcspn(p + n + 1, " \t\r\n,;:}])#");
	}
	return n;
}

/* Bytes of the plain value at p: the rest of its line, but for a comment. */
static size_t
plain_len(const char *p)
{
	size_t n = 0;

	for (; p[n] != '\0' && p[n] != '\n'; n++)
		if (p[n] == '#' && n > 0 && isspace((unsigned char)p[n - 1]))
			break;
	while (n > 0 && isspace((unsigned char)p[n - 1]))
		n--;
	return n;
}

/* true, false, null, or a number where one may be: no secret. */
static bool
is_harmless(const char *p, enum telling tells)
{
	static const char *const words[] = { "true", "false", "null" };
	size_t len = strcspn(p, ",}] \t\r\n");

	for (size_t i = 0; i < NELEM(words); i++)
		if (len == strlen(words[i]) && strncmp(p, words[i], len) == 0)
			return true;
	return tells == TELLS_SECRET_OR_NUMBER &&
	    strspn(p, "0123456789.") == len;
}

static size_t
mask_quoted(const char *p, struct buf *out)
{
	size_t n = quoted_len(p);

	buf_putc(out, *p);
	if (n > 1)
		buf_puts(out, MASK);
	return n;	/* its last quote goes the way of all text */
}

/* [a, "b"]: each of them; what has parts of its own is left. */
static size_t
mask_list(const char *p, enum telling tells, struct buf *out)
{
	size_t n = 0;

	while (p[n] != '\0' && strchr("]{}", p[n]) == NULL) {
		if (p[n] == '"' || p[n] == '\'') {
			n += mask_quoted(p + n, out);
			if (p[n] == '\0')
				break;
			buf_putc(out, p[n++]);
		} else if (strchr("[, \t\r\n", p[n]) != NULL ||
		    is_harmless(p + n, tells)) {
			buf_putc(out, p[n++]);
		} else {
			buf_puts(out, MASK);
			n += strcspn(p + n, ",]{}\n");
		}
	}
	return n;
}

/* "|", ">-": a block of YAML, whose text is below. */
static bool
is_block_mark(const char *p, size_t len)
{
	return len > 0 && (*p == '|' || *p == '>') &&
	    1 + strspn(p + 1, "+-0123456789") == len;
}

/* Does the line begin with a name of its own? */
static bool
has_name(const char *line)
{
	if (str_starts(line, "- "))
		line += 2;
	line += *line == '"' || *line == '\'';
	while (is_name(*line))
		line++;
	line += *line == '"' || *line == '\'';
	line += strspn(line, " \t");
	return *line == '=' || (*line == ':' &&
	    (line[1] == '\0' || isspace((unsigned char)line[1])));
}

/*
 * The value stands below the name's line, at whose end p is: lines further in,
 * or items of a list, unless they have names of their own.
 */
static size_t
mask_below(const char *p, size_t indent, bool is_block, struct buf *out)
{
	size_t n = 0, in, len;
	const char *line;
	bool is_item;

	while (p[n] == '\n') {
		line = p + n + 1;
		in = strspn(line, " \t");
		len = strcspn(line, "\n");
		is_item = !is_block && str_starts(line + in, "- ");
		if (len > in && ((in <= indent && !is_item) || (!is_block &&
		    (has_name(line + in) || strchr("{}[]", line[in])))))
			break;
		buf_add(out, p + n, in + 1);
		if (is_item)
			buf_puts(out, "- ");
		if (len > in)
			buf_puts(out, MASK);
		n += 1 + len;
	}
	return n;
}

/* p is at the value of a telling name; gives the bytes dealt with. */
static size_t
mask_value(const char *p, enum telling tells, size_t indent, struct buf *out)
{
	size_t n = strcspn(p, "\n"), len = plain_len(p);
	bool is_block = is_block_mark(p, len);

	if (*p == '"' || *p == '\'')
		return mask_quoted(p, out);
	if (*p == '[')
		return mask_list(p, tells, out);
	if (len == 0 || is_block) {
		buf_add(out, p, n);
		return n + mask_below(p + n, indent, is_block, out);
	}
	if (*p == '{' || is_harmless(p, tells))
		return 0;
	buf_puts(out, MASK);
	return len;
}

static char *
mask_named(const char *text)
{
	struct buf b = { 0 };
	const char *p = text, *line = text;
	enum telling tells;
	size_t n, skip;

	while (*p != '\0') {
		for (n = 0; is_name(p[n]);)
			n++;
		if (n == 0) {
			line = *p == '\n' ? p + 1 : line;
			buf_putc(&b, *p++);
			continue;
		}
		buf_add(&b, p, n);
		tells = telling(p, n);
		skip = tells != TELLS_NOTHING ? to_value(p + n) : 0;
		p += n;
		if (skip == 0)
			continue;
		buf_add(&b, p, skip);
		p += skip;
		p += mask_value(p, tells, strspn(line, " \t"), &b);
	}
	return buf_take(&b);
}

char *
mask_secrets(const char *text, const struct strv *secrets, bool by_name)
{
	char *known = mask_known(text, secrets), *shapes = mask_shapes(known);
	char *all;

	secret_free(known);
	if (!by_name)
		return shapes;
	all = mask_named(shapes);
	secret_free(shapes);
	return all;
}

/* --- of an agent --------------------------------------------------------- */

/* Takes key. */
static void
take_secret(struct engine *e, char *key, const char *name, struct strv *out)
{
	char *secret = engine_secret(e, key, name);

	if (secret != NULL)
		strv_add(out, secret);
	secret_free(secret);
	free(key);
}

/* Those that were pasted into its manifest. */
static void
take_sealed(struct engine *e, const struct json *env, struct strv *out)
{
	const char *id;

	for (const struct json *v = json_first(env); v != NULL;
	    v = json_next(v))
		if ((id = sealed_id(json_value_str(v))) != NULL) {
			char *name = xstrndup(id, strcspn(id, " \t\r\n"));

			take_secret(e, xstrdup("sealed"), name, out);
			free(name);
		}
}

static void
take_agent(struct engine *e, const struct agent *a, struct strv *out)
{
	take_secret(e, xasprintf("consumer:%s", a->consumer), "key", out);
	take_secret(e, xasprintf("consumer:%s", a->consumer), "old_key", out);
	take_secret(e, xasprintf("account:%s", a->runtime), "token", out);
	take_secret(e, xasprintf("user:%s", a->runtime), "secret", out);
	take_sealed(e, json_get(a->spec, "env"), out);
}

void
agent_secrets(struct engine *e, const char *name, struct strv *out)
{
	struct agents as;
	const struct agent *a;

	agents_list(engine_world_config(e), engine_resources(e), &as);
	if ((a = agents_find(&as, name)) != NULL)
		take_agent(e, a, out);
	agents_release(&as);
}

void
agents_secrets(struct engine *e, struct strv *out)
{
	struct agents as;

	agents_list(engine_world_config(e), engine_resources(e), &as);
	for (size_t i = 0; i < as.n; i++)
		take_agent(e, &as.v[i], out);
	agents_release(&as);
}

void
secrets_wipe(struct strv *list)
{
	for (size_t i = 0; i < list->n; i++)
		secret_wipe(list->v[i], strlen(list->v[i]));
	strv_release(list);
}
