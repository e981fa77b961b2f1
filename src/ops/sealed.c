/*
 * Secrets that people paste: found in a text, sealed in the store, and a
 * reference left in their place.
 *
 *  "$sealed.<24 digits>"          as the value of a variable of spec.env
 *  secret "sealed/<digits>"       the value
 *  secret "sealed-of/<digits>"    "Worker/ann": whose it is; "-" until a change
 *                                 with it was made
 *
 * A reference is good in the one resource that it was given to first, so that
 * who reads it can do nothing with it.
 */
#include "hiclaw/ops.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "hiclaw/secure.h"

#define ID_BYTES	12
#define ID_LEN		(2 * ID_BYTES)
#define VALUE_MIN	16	/* of a field whose name means a secret */
#define SECRET_MAX	16384	/* of a private key */
#define FOUND_MAX	64	/* in one text; what is more is cut out */
#define PEM_HEAD_MAX	64
#define FRESH		"-"

/* --- finding them ----------------------------------------------------------- */

enum tail { TAIL_WORD, TAIL_UPPER };

/* Known beginnings, and how many characters follow at least. */
static const struct prefix {
	const char	*text;
	size_t		 min;
	enum tail	 tail;
} prefixes[] = {
	{ "sk-", 20, TAIL_WORD },
	{ "ghp_", 30, TAIL_WORD }, { "gho_", 30, TAIL_WORD },
	{ "ghu_", 30, TAIL_WORD }, { "ghs_", 30, TAIL_WORD },
	{ "ghr_", 30, TAIL_WORD }, { "github_pat_", 22, TAIL_WORD },
	{ "glpat-", 20, TAIL_WORD }, { "hf_", 30, TAIL_WORD },
	{ "xoxb-", 20, TAIL_WORD }, { "xoxp-", 20, TAIL_WORD },
	{ "xoxa-", 20, TAIL_WORD }, { "xoxr-", 20, TAIL_WORD },
	{ "xoxs-", 20, TAIL_WORD },
	{ "AKIA", 16, TAIL_UPPER }, { "ASIA", 16, TAIL_UPPER },
	{ "AIza", 30, TAIL_WORD }, { "syt_", 20, TAIL_WORD },
	{ "npm_", 30, TAIL_WORD }, { "pypi-", 40, TAIL_WORD },
};

static bool
is_word(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '-';
}

static bool
is_upper(char c)
{
	return isdigit((unsigned char)c) || isupper((unsigned char)c);
}

/*
 * Is it as various as something random?  The collision entropy, in whole
 * numbers: at least 3 bits a character.
 */
static bool
is_random(const char *p, size_t len)
{
	size_t count[256] = { 0 }, sum = 0;

	for (size_t i = 0; i < len; i++)
		count[(unsigned char)p[i]]++;
	for (size_t i = 0; i < NELEM(count); i++)
		sum += count[i] * count[i];
	return len * len >= 8 * sum;
}

static bool
has_digit(const char *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (isdigit((unsigned char)p[i]))
			return true;
	return false;
}

static size_t
prefix_len(const char *p)
{
	for (size_t i = 0; i < NELEM(prefixes); i++) {
		const struct prefix *x = &prefixes[i];
		size_t n = strlen(x->text), len = n;

		if (strncmp(p, x->text, n) != 0)
			continue;
		while (len < SECRET_MAX && (x->tail == TAIL_UPPER ?
		    is_upper(p[len]) : is_word(p[len])))
			len++;
		if (len - n < x->min || (x->tail == TAIL_UPPER &&
		    (len - n != x->min || is_word(p[len]))))
			continue;
		/* "sk-learn-with-many-examples" is none. */
		if (x->tail == TAIL_WORD && (!has_digit(p + n, len - n) ||
		    !is_random(p + n, len - n)))
			continue;
		return len;
	}
	return 0;
}

/* A JSON web token: three parts, the first of them an object. */
static size_t
jwt_len(const char *p)
{
	size_t len = 0, part;

	if (strncmp(p, "eyJ", 3) != 0)
		return 0;
	for (int i = 0; i < 3; i++) {
		for (part = 0; is_word(p[len + part]) && part < SECRET_MAX;)
			part++;
		if (part < 8 || (i < 2 && p[len + part] != '.'))
			return 0;
		len += part + (i < 2);
	}
	return len;
}

static size_t
pem_len(const char *p)
{
	char head[PEM_HEAD_MAX + 1];
	const char *eol, *end;
	size_t n = 0;

	if (!str_starts(p, "-----BEGIN "))
		return 0;
	/* "-----BEGIN ENCRYPTED PRIVATE KEY-----" and the like: no longer line
	 * is looked through, however often one begins. */
	while (n < PEM_HEAD_MAX && p[n] != '\0' && p[n] != '\n')
		n++;
	str_copy(head, p, n + 1);
	if (strstr(head, "PRIVATE KEY") == NULL)
		return 0;
	eol = p + n;
	end = strstr(eol, "-----END ");
	if (end == NULL)	/* cut off: all of it */
		return strlen(p);
	eol = strstr(end + 9, "-----");
	return eol != NULL ? (size_t)(eol + 5 - p) : strlen(p);
}

/* --- by the name of the field ------------------------------------------------ */

/* The last word of "githubToken", "API_KEY", "client-secret". */
static size_t
last_word(const char *name, size_t len)
{
	size_t at = len;

	while (at > 0 && isalnum((unsigned char)name[at - 1])) {
		at--;
		if (at > 0 && isupper((unsigned char)name[at]) &&
		    islower((unsigned char)name[at - 1]))
			break;
	}
	return at;
}

static bool
is_any(const char *p, size_t len, const char *const *words)
{
	for (; *words != NULL; words++)
		if (strlen(*words) == len && strncasecmp(p, *words, len) == 0)
			return true;
	return false;
}

/* Only the last word counts: a token_file or key_id is none. */
static bool
name_tells(const char *name, size_t len)
{
	static const char *const secret[] = { "token", "secret", "password",
	    "passwd", "passphrase", "credential", "credentials", "apikey",
	    "authorization", "pat", "pwd", NULL };
	static const char *const of_key[] = { "api", "access", "private",
	    "secret", "auth", "encryption", "signing", "account", "master",
	    "service", NULL };
	size_t at = last_word(name, len), end;

	if (is_any(name + at, len - at, secret))
		return true;
	if (len - at != 3 || strncasecmp(name + at, "key", 3) != 0)
		return false;
	end = at;
	while (end > 0 && !isalnum((unsigned char)name[end - 1]))
		end--;
	at = last_word(name, end);
	return is_any(name + at, end - at, of_key);
}

static bool
is_uuid(const char *p, size_t len)
{
	static const int dashes[] = { 8, 13, 18, 23 };
	size_t next = 0;

	if (len != 36)
		return false;
	for (size_t i = 0; i < len; i++)
		if (next < NELEM(dashes) && (int)i == dashes[next]) {
			if (p[i] != '-')
				return false;
			next++;
		} else if (!isxdigit((unsigned char)p[i]))
			return false;
	return true;
}

static bool
is_value(char c)
{
	return isalnum((unsigned char)c) || (c != '\0' &&
	    strchr("-._~+/=!@#%^&*:$?", c) != NULL);
}

/* What has a form of its own that is no secret: an address, an id, a digest. */
static bool
is_known_form(const char *p, size_t len)
{
	static const char *const begins[] = { "http://", "https://", "mxc://",
	    "sha256:", "sha512:", "$", "@", "!", "#", "/", "./", NULL };
	const char *at = memchr(p, '@', len);

	for (size_t i = 0; begins[i] != NULL; i++)
		if (strncmp(p, begins[i], strlen(begins[i])) == 0)
			return true;
	if (at != NULL && (size_t)(at - p) + 8 < len &&
	    strncmp(at, "@sha256:", 8) == 0)
		return true;
	return is_uuid(p, len);
}

/* name: value, "name": "value", NAME=value; *skip: bytes to the value. */
static size_t
named_len(const char *p, size_t *skip)
{
	size_t name = 0, n, len = 0;

	while (is_word(p[name]) && name < 128)
		name++;
	if (name == 0 || !name_tells(p, name))
		return 0;
	n = name;
	if (p[n] == '"' || p[n] == '\'')
		n++;
	n += strspn(p + n, " \t");
	if (p[n] != ':' && p[n] != '=')
		return 0;
	n++;
	n += strspn(p + n, " \t");
	if (p[n] == '"' || p[n] == '\'')
		n++;
	if (strncasecmp(p + n, "bearer ", 7) == 0)
		n += 7;
	while (is_value(p[n + len]) && len < SECRET_MAX)
		len++;
	if (len < VALUE_MIN || is_known_form(p + n, len) ||
	    !has_digit(p + n, len) || !is_random(p + n, len))
		return 0;
	*skip = n;
	return len;
}

bool
secret_find(const char *text, size_t from, size_t *at, size_t *len)
{
	size_t skip;

	for (const char *p = text + from; *p != '\0'; p++) {
		skip = 0;
		*len = pem_len(p);
		if (*len == 0 && p > text && is_word(p[-1]))
			continue;	/* in the middle of a word */
		if (*len == 0)
			*len = prefix_len(p);
		if (*len == 0)
			*len = jwt_len(p);
		if (*len == 0)
			*len = named_len(p, &skip);
		if (*len > 0) {
			*at = (size_t)(p - text) + skip;
			return true;
		}
	}
	return false;
}

/* --- references --------------------------------------------------------------- */

const char *
sealed_id(const char *value)
{
	static const char blank[] = " \t\r\n";
	const char *id;
	size_t n;

	if (value == NULL || !str_starts(value, SEALED_MARK))
		return NULL;
	id = value + strlen(SEALED_MARK);
	n = strspn(id, "0123456789abcdef");
	return n == ID_LEN && id[n + strspn(id + n, blank)] == '\0' ? id :
	    NULL;
}

/* The lines of a block lose what they were indented by. */
static char *
unindented(const char *p, size_t len)
{
	struct buf b = { 0 };
	bool is_start = true;
	char *text;

	for (size_t i = 0; i < len; i++) {
		if (is_start && (p[i] == ' ' || p[i] == '\t'))
			continue;
		is_start = p[i] == '\n';
		buf_putc(&b, p[i]);
	}
	text = buf_take(&b);
	return text;
}

static void
seal_one(struct store *store, const char *p, size_t len, struct buf *out)
{
	char *id = rand_hex(ID_BYTES), *value = unindented(p, len);
	char *name = xasprintf("sealed/%s", id);
	char *of = xasprintf("sealed-of/%s", id);

	store_begin(store);
	store_secret_put(store, name, value);
	store_secret_put(store, of, FRESH);
	buf_printf(out, "%s%s", SEALED_MARK, id);
	secret_free(value);
	free(name);
	free(of);
	free(id);
}

char *
secrets_seal(struct store *store, const char *text, size_t *n)
{
	struct buf b = { 0 };
	size_t from = 0, at, len;

	for (*n = 0; secret_find(text, from, &at, &len); from = at + len) {
		buf_add(&b, text + from, at - from);
		if ((*n)++ < FOUND_MAX && len <= SECRET_MAX)
			seal_one(store, text + at, len, &b);
		else
			buf_puts(&b, "***");
	}
	if (*n == 0)
		return NULL;
	buf_puts(&b, text + from);
	return buf_take(&b);
}

/* --- in a change ---------------------------------------------------------------- */

/* Whose a reference is: "Worker/ann", "-": nobody's yet; for secret_free. */
static char *
owner_of(struct engine *e, const char *id)
{
	char *name = xstrndup(id, ID_LEN);
	char *of = engine_secret(e, "sealed-of", name);

	free(name);
	return of;
}

static void
add_problem(struct attempt *ch, const struct resource *r, const char *what,
    const char *path)
{
	struct problem p = { .doc = 0 };
	char *text = xasprintf("%s/%s: %s", r->kind->name, r->name, what);

	p.path = (char *)path;
	p.what = text;
	problems_add(&ch->problems, &p);
	free(text);
}

static void
check_one(struct engine *e, struct attempt *ch, const struct resource *r,
    const struct json *v, bool is_env, const char *path)
{
	const char *id = sealed_id(json_value_str(v));
	char *of, *self;

	if (id == NULL || !is_env) {
		add_problem(ch, r, "a secret can stand here only as the whole "
		    "value of a variable in env; keys of models and MCP "
		    "servers belong into the controller's settings", path);
		return;
	}
	of = owner_of(e, id);
	self = xasprintf("%s/%s", r->kind->name, r->name);
	if (of == NULL || (strcmp(of, FRESH) != 0 && strcmp(of, self) != 0))
		add_problem(ch, r, "there is no such sealed secret of this "
		    "resource; paste the secret itself", path);
	secret_free(of);
	free(self);
}

/* Is it the map of an agent's environment? */
static bool
is_env_map(const struct json *v, const char *path)
{
	const char *key = json_key(v);

	return key != NULL && strcmp(key, "env") == 0 &&
	    (strcmp(path, "spec") == 0 || strcmp(path, "spec.leader") == 0 ||
	    strcmp(path, "spec.workers") == 0);
}

static void
check_tree(struct engine *e, struct attempt *ch, const struct resource *r,
    const struct json *v, const char *path, bool is_env)
{
	const char *text = json_value_str(v);

	if (text != NULL && strstr(text, SEALED_MARK) != NULL)
		check_one(e, ch, r, v, is_env, path);
	for (const struct json *c = json_first(v); c != NULL;
	    c = json_next(c)) {
		const char *key = json_key(c);
		char *below = key != NULL && key[0] != '\0' ?
		    xasprintf("%s.%s", path, key) : xstrdup(path);

		/* Variables are texts: nothing is below them. */
		check_tree(e, ch, r, c, below, is_env || is_env_map(c, path));
		free(below);
	}
}

void
sealed_check(struct engine *e, struct attempt *ch)
{
	for (size_t i = 0; i < ch->put_n; i++) {
		check_tree(e, ch, ch->put[i], ch->put[i]->spec, "spec", false);
		check_tree(e, ch, ch->put[i], ch->put[i]->metadata,
		    "metadata", false);
	}
}

static void
bind_tree(struct store *store, const char *owner, const struct json *v)
{
	const char *id = sealed_id(json_value_str(v));
	char *name;

	if (id != NULL) {
		name = xasprintf("sealed-of/%.*s", ID_LEN, id);
		store_secret_put(store, name, owner);
		free(name);
	}
	for (const struct json *c = json_first(v); c != NULL; c = json_next(c))
		bind_tree(store, owner, c);
}

void
sealed_bind(struct store *store, const struct attempt *ch)
{
	for (size_t i = 0; i < ch->put_n; i++) {
		const struct resource *r = ch->put[i];
		char *owner = xasprintf("%s/%s", r->kind->name, r->name);

		bind_tree(store, owner, r->spec);
		free(owner);
	}
}
