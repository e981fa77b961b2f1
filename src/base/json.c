/*
 * JSON values: a strict front for cJSON, which is used nowhere else.
 *
 * cJSON takes more than JSON (control bytes in strings, "01", keys twice) and
 * cuts strings at \u0000, so text from outside is first walked by a scanner of
 * our own that knows the whole grammar and the place of the first fault; cJSON
 * then only builds the tree.  A struct json is a cJSON under an opaque name.
 *
 * Always: no member of an object has the key of another, depth of a parsed
 * value is at most DEPTH_MAX, and so the recursions below are bounded.
 */
#include "hiclaw/json.h"

#include <assert.h>
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cJSON.h>

#include "hiclaw/log.h"
#include "hiclaw/secure.h"

#define DEPTH_MAX	64
#define NUMBER_LEN_MAX	63			/* what cJSON takes */
#define EXACT_MAX	9007199254740992.0	/* 2^53 */

static struct json *
wrap(const cJSON *c)
{
	return (struct json *)(uintptr_t)c;
}

static cJSON *
raw(const struct json *j)
{
	return (cJSON *)(uintptr_t)j;
}

/* cJSON fails to make a value only when out of memory. */
static struct json *
made(cJSON *c)
{
	if (c == NULL)
		abort();
	return wrap(c);
}

/*
 * The scanner.
 *
 * It walks text once and stops at the first fault.  With find_key set it also
 * stops at the n-th key of the text, which is how a duplicate found in the
 * tree gets its line.
 */
struct scan {
	const char	*start, *p, *end;
	const char	*what;		/* the fault, or NULL */
	int		 depth;
	size_t		 keys;		/* keys seen so far */
	size_t		 find_key;	/* stop at this one; 0: at none */
};

static bool	scan_value(struct scan *);

static bool
scan_fail(struct scan *s, const char *what)
{
	s->what = what;
	return false;
}

static void
scan_blank(struct scan *s)
{
	while (s->p < s->end && memchr(" \t\r\n", *s->p, 4) != NULL)
		s->p++;
}

static bool
scan_is(const struct scan *s, char c)
{
	return s->p < s->end && *s->p == c;
}

static bool
scan_take(struct scan *s, char c)
{
	if (!scan_is(s, c))
		return false;
	s->p++;
	return true;
}

static bool
scan_word(struct scan *s, const char *word)
{
	size_t	n = strlen(word);

	if ((size_t)(s->end - s->p) < n || memcmp(s->p, word, n) != 0)
		return scan_fail(s, "a value is expected");
	s->p += n;
	return true;
}

static size_t
scan_digits(struct scan *s)
{
	const char	*from = s->p;

	while (s->p < s->end && isdigit((unsigned char)*s->p))
		s->p++;
	return (size_t)(s->p - from);
}

static bool
scan_number(struct scan *s)
{
	const char	*from = s->p;
	char		 text[NUMBER_LEN_MAX + 1];
	size_t		 len;

	scan_take(s, '-');
	if (!scan_take(s, '0') && scan_digits(s) == 0)
		return scan_fail(s, "a digit is expected");
	if (scan_take(s, '.') && scan_digits(s) == 0)
		return scan_fail(s, "a digit is expected");
	if (scan_take(s, 'e') || scan_take(s, 'E')) {
		if (!scan_take(s, '+'))
			scan_take(s, '-');
		if (scan_digits(s) == 0)
			return scan_fail(s, "a digit is expected");
	}
	len = (size_t)(s->p - from);
	if (len > NUMBER_LEN_MAX) {
		s->p = from;
		return scan_fail(s, "the number is too long");
	}
	memcpy(text, from, len);
	text[len] = '\0';
	if (!isfinite(strtod(text, NULL))) {
		s->p = from;
		return scan_fail(s, "the number is too big");
	}
	return true;
}

/* The four digits of \uXXXX, with p behind the u; -1 if they are not. */
static int
scan_hex4(struct scan *s)
{
	char	text[5] = "";
	int	i;

	for (i = 0; i < 4; i++) {
		if (s->p + i >= s->end || !isxdigit((unsigned char)s->p[i]))
			return -1;
		text[i] = s->p[i];
	}
	s->p += 4;
	return (int)strtol(text, NULL, 16);
}

/* Behind the backslash. */
static bool
scan_escape(struct scan *s)
{
	const char	*from = s->p - 1;
	int		 c;

	if (s->p < s->end && memchr("\"\\/bfnrt", *s->p, 8) != NULL) {
		s->p++;
		return true;
	}
	if (!scan_take(s, 'u'))
		return scan_fail(s, "no such escape");
	c = scan_hex4(s);
	if (c >= 0xd800 && c < 0xdc00) {
		if (!scan_take(s, '\\') || !scan_take(s, 'u'))
			c = -1;
		else if ((c = scan_hex4(s)) < 0xdc00 || c > 0xdfff)
			c = -1;
	} else if (c >= 0xdc00 && c <= 0xdfff)
		c = -1;
	if (c > 0)
		return true;
	s->p = from;
	return scan_fail(s, c == 0 ? "\\u0000 is not allowed" :
	    "the \\u escape is not a character");
}

static bool
scan_string(struct scan *s)
{
	const char	*from = s->p;

	if (!scan_take(s, '"'))
		return scan_fail(s, "a string is expected");
	while (s->p < s->end) {
		if (scan_take(s, '"'))
			return true;
		if ((unsigned char)*s->p < 0x20)
			return scan_fail(s, "a control character in a string");
		if (scan_take(s, '\\')) {
			if (!scan_escape(s))
				return false;
		} else
			s->p++;
	}
	s->p = from;
	return scan_fail(s, "the string has no end");
}

static bool
scan_member(struct scan *s)
{
	scan_blank(s);
	if (++s->keys == s->find_key)
		return scan_fail(s, "duplicate key");
	if (!scan_is(s, '"'))
		return scan_fail(s, "a key in quotes is expected");
	if (!scan_string(s))
		return false;
	scan_blank(s);
	if (!scan_take(s, ':'))
		return scan_fail(s, "':' is expected");
	return scan_value(s);
}

/* Array or object; p is at the opening bracket. */
static bool
scan_children(struct scan *s, char close, bool (*child)(struct scan *))
{
	if (++s->depth > DEPTH_MAX)
		return scan_fail(s, "nested too deep");
	s->p++;
	scan_blank(s);
	if (scan_take(s, close)) {
		s->depth--;
		return true;
	}
	do {
		if (!child(s))
			return false;
		scan_blank(s);
	} while (scan_take(s, ','));
	if (!scan_take(s, close))
		return scan_fail(s, close == ']' ? "',' or ']' is expected" :
		    "',' or '}' is expected");
	s->depth--;
	return true;
}

static bool
scan_value(struct scan *s)
{
	scan_blank(s);
	if (s->p == s->end)
		return scan_fail(s, "the text ends too early");
	switch (*s->p) {
	case '{':
		return scan_children(s, '}', scan_member);
	case '[':
		return scan_children(s, ']', scan_value);
	case '"':
		return scan_string(s);
	case 't':
		return scan_word(s, "true");
	case 'f':
		return scan_word(s, "false");
	case 'n':
		return scan_word(s, "null");
	default:
		if (*s->p == '-' || isdigit((unsigned char)*s->p))
			return scan_number(s);
		return scan_fail(s, "a value is expected");
	}
}

static bool
scan_text(struct scan *s)
{
	if (!scan_value(s))
		return false;
	scan_blank(s);
	return s->p == s->end || scan_fail(s, "text after the value");
}

/* Columns count characters, not bytes. */
static struct json *
fail_at(const char *text, const char *p, const char *what, struct err *e)
{
	int	line = 1, column = 1;

	for (; text < p; text++) {
		if (*text == '\n') {
			line++;
			column = 1;
		} else if (((unsigned char)*text & 0xc0) != 0x80)
			column++;
	}
	err_set(e, ERR_USER, "line %d column %d: %s", line, column, what);
	return NULL;
}

/*
 * Order and duplicates.
 */

static int
member_cmp(const void *a, const void *b)
{
	const cJSON	*x = *(const cJSON *const *)a;
	const cJSON	*y = *(const cJSON *const *)b;

	return strcmp(x->string, y->string);
}

/* The members of obj by key, NULL-terminated; yours. */
static cJSON **
members_sorted(const cJSON *obj, size_t *np)
{
	cJSON	**v, *c;
	size_t	  n = 0;

	for (c = obj->child; c != NULL; c = c->next)
		n++;
	v = xcalloc(n + 1, sizeof(*v));
	n = 0;
	for (c = obj->child; c != NULL; c = c->next)
		v[n++] = c;
	qsort(v, n, sizeof(*v), member_cmp);
	*np = n;
	return v;
}

/* The second of two members of obj with one key, or NULL. */
static const cJSON *
duplicate_in(const cJSON *obj)
{
	const cJSON	*dup = NULL, *c;
	cJSON		**sorted;
	size_t		  n, i;

	sorted = members_sorted(obj, &n);
	for (i = 1; i < n && dup == NULL; i++)
		if (member_cmp(&sorted[i - 1], &sorted[i]) == 0)
			dup = sorted[i];
	free(sorted);
	/* qsort may have put the first of them last */
	for (c = dup != NULL ? dup->next : NULL; c != NULL; c = c->next)
		if (strcmp(c->string, dup->string) == 0)
			return c;
	return dup;
}

/* The same, of any object in v. */
static const cJSON *
duplicate_find(const cJSON *v)
{
	const cJSON	*c, *dup;

	dup = cJSON_IsObject(v) ? duplicate_in(v) : NULL;
	for (c = v->child; c != NULL && dup == NULL; c = c->next)
		dup = duplicate_find(c);
	return dup;
}

/* Count keys in the order of the text until `wanted`; true once there. */
static bool
key_number(const cJSON *v, const cJSON *wanted, size_t *count)
{
	const cJSON	*c;

	for (c = v->child; c != NULL; c = c->next) {
		if (cJSON_IsObject(v))
			++*count;
		if (c == wanted || key_number(c, wanted, count))
			return true;
	}
	return false;
}

static struct json *
fail_duplicate(const char *text, size_t len, const cJSON *root,
    const cJSON *dup, struct err *e)
{
	struct scan	s = { .start = text, .p = text, .end = text + len };
	char		what[128];

	key_number(root, dup, &s.find_key);
	scan_text(&s);
	snprintf(what, sizeof(what), "duplicate key \"%.*s\"",
	    (int)utf8_prefix(dup->string, 64), dup->string);
	return fail_at(text, s.p, what, e);
}

struct json *
json_parse(const char *text, size_t len, struct err *e)
{
	struct scan	 s = { .start = text, .p = text, .end = text + len };
	const cJSON	*dup;
	cJSON		*root;
	size_t		 bad;

	if (!utf8_valid(text, len, &bad))
		return fail_at(text, text + bad, text[bad] == '\0' ?
		    "a NUL byte" : "not UTF-8", e);
	if (!scan_text(&s))
		return fail_at(text, s.p, s.what, e);
	root = cJSON_ParseWithLengthOpts(text, len, &s.p, 0);
	if (root == NULL)	/* the scanner missed something */
		return fail_at(text, s.p, "not valid JSON", e);
	dup = duplicate_find(root);
	if (dup != NULL) {
		fail_duplicate(text, len, root, dup, e);
		cJSON_Delete(root);
		return NULL;
	}
	return wrap(root);
}

struct json *
json_must(const char *text)
{
	struct err	 e;
	struct json	*j = json_parse(text, strlen(text), &e);

	if (j == NULL) {
		log_error("json", "our own text is wrong: %s", e.msg);
		abort();
	}
	return j;
}

void
json_free(struct json *j)
{
	cJSON_Delete(raw(j));
}

static void
wipe(cJSON *j)
{
	for (; j != NULL; j = j->next) {
		if (j->valuestring != NULL)
			secret_wipe(j->valuestring, strlen(j->valuestring));
		wipe(j->child);
	}
}

void
json_wipe(struct json *j)
{
	wipe(raw(j));
	json_free(j);
}

struct json *
json_copy(const struct json *j)
{
	return j != NULL ? made(cJSON_Duplicate(raw(j), 1)) : NULL;
}

static bool	equal(const cJSON *, const cJSON *);

static bool
equal_objects(const cJSON *a, const cJSON *b)
{
	cJSON	**va, **vb;
	size_t	  na, nb, i;
	bool	  same;

	va = members_sorted(a, &na);
	vb = members_sorted(b, &nb);
	same = na == nb;
	for (i = 0; same && i < na; i++)
		same = strcmp(va[i]->string, vb[i]->string) == 0 &&
		    equal(va[i], vb[i]);
	free(va);
	free(vb);
	return same;
}

static bool
equal(const cJSON *a, const cJSON *b)
{
	enum json_type	type = json_type(wrap(a));

	if (type != json_type(wrap(b)))
		return false;
	switch (type) {
	case JSON_NULL:
		return true;
	case JSON_BOOL:
		return cJSON_IsTrue(a) == cJSON_IsTrue(b);
	case JSON_NUMBER:
		return a->valuedouble == b->valuedouble;
	case JSON_STRING:
		return strcmp(a->valuestring, b->valuestring) == 0;
	case JSON_OBJECT:
		return equal_objects(a, b);
	case JSON_ARRAY:
		for (a = a->child, b = b->child; a != NULL && b != NULL;
		    a = a->next, b = b->next)
			if (!equal(a, b))
				return false;
		return a == b;
	}
	return false;
}

bool
json_equal(const struct json *a, const struct json *b)
{
	return a == b || equal(raw(a), raw(b));
}

/*
 * Writing.  One writer: canonical (indent < 0, keys sorted) or pretty.
 */

void
json_quote(struct buf *out, const char *s)
{
	static const char	 letters[] = "\bb\ff\nn\rr\tt\"\"\\\\";
	const char		*found, *from;

	buf_putc(out, '"');
	for (from = s;; s++) {
		if ((unsigned char)*s >= 0x20 && *s != '"' && *s != '\\')
			continue;
		buf_add(out, from, (size_t)(s - from));
		from = s + 1;
		if (*s == '\0')
			break;
		for (found = letters; *found != '\0' && *found != *s; found += 2)
			continue;
		if (*found != '\0') {
			buf_putc(out, '\\');
			buf_putc(out, found[1]);
		} else
			buf_printf(out, "\\u%04x", (unsigned char)*s);
	}
	buf_putc(out, '"');
}

static bool
is_exact_int(double d)
{
	return d >= -EXACT_MAX && d <= EXACT_MAX && d == (double)(int64_t)d;
}

/* The shortest text that reads back as the same number. */
static void
write_number(struct buf *out, double d)
{
	char	text[40];
	int	digits;

	if (is_exact_int(d)) {
		buf_printf(out, "%lld", (long long)d);
		return;
	}
	if (!isfinite(d)) {
		buf_puts(out, "null");
		return;
	}
	for (digits = 15; digits <= 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, d);
		if (strtod(text, NULL) == d)
			break;
	}
	buf_puts(out, text);
}

static void
write_indent(struct buf *out, int indent)
{
	if (indent < 0)
		return;
	buf_putc(out, '\n');
	while (indent-- > 0)
		buf_puts(out, "  ");
}

static void	write_value(struct buf *, const cJSON *, int);

static void
write_object(struct buf *out, const cJSON *v, int indent)
{
	int	  inner = indent < 0 ? indent : indent + 1;
	cJSON	**sorted = NULL, *c = v->child;
	size_t	  n = 0, i = 0;

	if (indent < 0) {
		sorted = members_sorted(v, &n);
		c = sorted[0];
	}
	buf_putc(out, '{');
	while (c != NULL) {
		write_indent(out, inner);
		json_quote(out, c->string);
		buf_puts(out, indent < 0 ? ":" : ": ");
		write_value(out, c, inner);
		c = sorted != NULL ? sorted[++i] : c->next;
		if (c != NULL)
			buf_putc(out, ',');
	}
	if (v->child != NULL)
		write_indent(out, indent);
	buf_putc(out, '}');
	free(sorted);
}

static void
write_array(struct buf *out, const cJSON *v, int indent)
{
	int		 inner = indent < 0 ? indent : indent + 1;
	const cJSON	*c;

	buf_putc(out, '[');
	for (c = v->child; c != NULL; c = c->next) {
		write_indent(out, inner);
		write_value(out, c, inner);
		if (c->next != NULL)
			buf_putc(out, ',');
	}
	if (v->child != NULL)
		write_indent(out, indent);
	buf_putc(out, ']');
}

static void
write_value(struct buf *out, const cJSON *v, int indent)
{
	switch (json_type(wrap(v))) {
	case JSON_NULL:
		buf_puts(out, "null");
		break;
	case JSON_BOOL:
		buf_puts(out, cJSON_IsTrue(v) ? "true" : "false");
		break;
	case JSON_NUMBER:
		write_number(out, v->valuedouble);
		break;
	case JSON_STRING:
		json_quote(out, v->valuestring);
		break;
	case JSON_ARRAY:
		write_array(out, v, indent);
		break;
	case JSON_OBJECT:
		write_object(out, v, indent);
		break;
	}
}

/* What is in memory was capped on its way in: no second cap here. */
static char *
json_text(const struct json *j, int indent)
{
	struct buf	out = { .max = SIZE_MAX / 2 };

	write_value(&out, raw(j), indent);
	return buf_take(&out);
}

char *
json_canonical(const struct json *j)
{
	return json_text(j, -1);
}

char *
json_pretty(const struct json *j)
{
	return json_text(j, 0);
}

/*
 * Looking.
 */

enum json_type
json_type(const struct json *j)
{
	const cJSON	*c = raw(j);

	if (cJSON_IsBool(c))
		return JSON_BOOL;
	if (cJSON_IsNumber(c))
		return JSON_NUMBER;
	if (cJSON_IsString(c))
		return JSON_STRING;
	if (cJSON_IsArray(c))
		return JSON_ARRAY;
	if (cJSON_IsObject(c))
		return JSON_OBJECT;
	return JSON_NULL;
}

bool
json_is(const struct json *j, enum json_type type)
{
	return j != NULL && json_type(j) == type;
}

struct json *
json_get(const struct json *obj, const char *key)
{
	if (!json_is(obj, JSON_OBJECT))
		return NULL;
	return wrap(cJSON_GetObjectItemCaseSensitive(raw(obj), key));
}

struct json *
json_path(const struct json *obj, const char *dotted)
{
	const struct json	*j = obj;
	const char		*dot;
	char			*key;

	while (j != NULL && (dot = strchr(dotted, '.')) != NULL) {
		key = xstrndup(dotted, (size_t)(dot - dotted));
		j = json_get(j, key);
		free(key);
		dotted = dot + 1;
	}
	return json_get(j, dotted);
}

const char *
json_value_str(const struct json *j)
{
	return json_is(j, JSON_STRING) ? raw(j)->valuestring : NULL;
}

/* 1.5 and what a double cannot hold exactly are not integers. */
int64_t
json_value_int(const struct json *j, int64_t dflt)
{
	if (!json_is(j, JSON_NUMBER) || !is_exact_int(raw(j)->valuedouble))
		return dflt;
	return (int64_t)raw(j)->valuedouble;
}

double
json_value_num(const struct json *j, double dflt)
{
	return json_is(j, JSON_NUMBER) ? raw(j)->valuedouble : dflt;
}

bool
json_has_str(const struct json *array, const char *s)
{
	const struct json *v;

	for (v = json_first(array); v != NULL; v = json_next(v))
		if (str_equal(json_value_str(v), s))
			return true;
	return false;
}

bool
json_value_bool(const struct json *j, bool dflt)
{
	return json_is(j, JSON_BOOL) ? cJSON_IsTrue(raw(j)) : dflt;
}

const char *
json_str(const struct json *obj, const char *key)
{
	return json_value_str(json_get(obj, key));
}

const char *
json_strd(const struct json *obj, const char *key, const char *dflt)
{
	const char	*s = json_str(obj, key);

	return s != NULL ? s : dflt;
}

int64_t
json_int(const struct json *obj, const char *key, int64_t dflt)
{
	return json_value_int(json_get(obj, key), dflt);
}

bool
json_bool(const struct json *obj, const char *key, bool dflt)
{
	return json_value_bool(json_get(obj, key), dflt);
}

struct json *
json_first(const struct json *j)
{
	return j != NULL ? wrap(raw(j)->child) : NULL;
}

struct json *
json_next(const struct json *j)
{
	return j != NULL ? wrap(raw(j)->next) : NULL;
}

const char *
json_key(const struct json *j)
{
	return j != NULL ? raw(j)->string : NULL;
}

size_t
json_size(const struct json *j)
{
	const cJSON	*c;
	size_t		 n = 0;

	for (c = j != NULL ? raw(j)->child : NULL; c != NULL; c = c->next)
		n++;
	return n;
}

/*
 * Building.
 */

struct json *
json_object(void)
{
	return made(cJSON_CreateObject());
}

struct json *
json_array(void)
{
	return made(cJSON_CreateArray());
}

struct json *
json_string(const char *s)
{
	return s != NULL ? made(cJSON_CreateString(s)) : NULL;
}

struct json *
json_stringf(const char *fmt, ...)
{
	struct json	*j;
	va_list		 ap;
	char		*s;

	va_start(ap, fmt);
	s = xvasprintf(fmt, ap);
	va_end(ap);
	j = json_string(s);
	free(s);
	return j;
}

struct json *
json_number(double d)
{
	assert(isfinite(d));
	return made(cJSON_CreateNumber(d));
}

struct json *
json_boolean(bool b)
{
	return made(cJSON_CreateBool(b));
}

struct json *
json_null(void)
{
	return made(cJSON_CreateNull());
}

struct json *
json_set(struct json *obj, const char *key, struct json *value)
{
	cJSON	*o = raw(obj);

	assert(json_is(obj, JSON_OBJECT));
	if (value == NULL)
		return NULL;
	if (json_get(obj, key) == NULL)
		cJSON_AddItemToObject(o, key, raw(value));
	else
		cJSON_ReplaceItemInObjectCaseSensitive(o, key, raw(value));
	return value;
}

void
json_add(struct json *obj, const char *key, struct json *value)
{
	assert(json_is(obj, JSON_OBJECT) && value != NULL);
	cJSON_AddItemToObject(raw(obj), key, raw(value));
}

void
json_set_str(struct json *obj, const char *key, const char *s)
{
	json_set(obj, key, json_string(s));
}

void
json_set_strf(struct json *obj, const char *key, const char *fmt, ...)
{
	va_list	 ap;
	char	*s;

	va_start(ap, fmt);
	s = xvasprintf(fmt, ap);
	va_end(ap);
	json_set_str(obj, key, s);
	free(s);
}

void
json_set_int(struct json *obj, const char *key, int64_t n)
{
	json_set(obj, key, json_number((double)n));
}

void
json_set_bool(struct json *obj, const char *key, bool b)
{
	json_set(obj, key, json_boolean(b));
}

struct json *
json_push(struct json *arr, struct json *value)
{
	assert(json_is(arr, JSON_ARRAY));
	if (value != NULL)
		cJSON_AddItemToArray(raw(arr), raw(value));
	return value;
}

void
json_push_str(struct json *arr, const char *s)
{
	json_push(arr, json_string(s));
}

void
json_remove(struct json *obj, const char *key)
{
	if (json_is(obj, JSON_OBJECT))
		cJSON_DeleteItemFromObjectCaseSensitive(raw(obj), key);
}

struct json *
json_obj(struct json *obj, const char *key)
{
	struct json	*j = json_get(obj, key);

	if (json_is(j, JSON_OBJECT))
		return j;
	return json_set(obj, key, json_object());
}
