/*
 * The part of cJSON's interface that src/base/json.c calls.
 *
 * Debian has no archive of cJSON, and a static program cannot load the shared
 * one.  json.c has checked grammar, depth and UTF-8 before it comes here, so
 * that parsing is only the building of a tree; what is not JSON is still
 * refused, and no read goes beyond the text.  tests/unit/test-json.c runs on
 * the library and on this file.
 *
 * As in cJSON, the first child's prev is the last one, so that appending is
 * cheap.
 */
#include <cJSON.h>

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "hiclaw/base.h"

#define DEPTH_MAX	128	/* json.c allows half of it */

struct text {
	const char	*p, *end;
	int		 depth;
};

static bool	parse_value(struct text *, cJSON *);

static cJSON *
new_item(int type)
{
	cJSON	*c = xcalloc(1, sizeof(*c));

	c->type = type;
	return c;
}

static void
append(cJSON *parent, cJSON *item)
{
	cJSON	*first = parent->child;

	item->next = NULL;
	if (first == NULL) {
		parent->child = item->prev = item;
		return;
	}
	item->prev = first->prev;
	first->prev->next = item;
	first->prev = item;
}

static void
set_number(cJSON *c, double d)
{
	c->valuedouble = d;
	if (d >= INT_MAX)
		c->valueint = INT_MAX;
	else if (d <= (double)INT_MIN)
		c->valueint = INT_MIN;
	else
		c->valueint = (int)d;
}

/* --- parsing -------------------------------------------------------------- */

static void
skip_blanks(struct text *t)
{
	while (t->p < t->end && memchr(" \t\r\n", *t->p, 4) != NULL)
		t->p++;
}

static bool
take(struct text *t, const char *word)
{
	size_t	n = strlen(word);

	if ((size_t)(t->end - t->p) < n || memcmp(t->p, word, n) != 0)
		return false;
	t->p += n;
	return true;
}

static bool
parse_hex4(struct text *t, unsigned *value)
{
	unsigned	v = 0;
	int		i;

	if (t->end - t->p < 4)
		return false;
	for (i = 0; i < 4; i++) {
		char c = *t->p++;

		v <<= 4;
		if (c >= '0' && c <= '9')
			v |= (unsigned)(c - '0');
		else if ((c | 32) >= 'a' && (c | 32) <= 'f')
			v |= (unsigned)((c | 32) - 'a' + 10);
		else
			return false;
	}
	*value = v;
	return true;
}

static char *
put_utf8(char *out, unsigned c)
{
	if (c < 0x80) {
		*out++ = (char)c;
	} else if (c < 0x800) {
		*out++ = (char)(0xc0 | c >> 6);
		*out++ = (char)(0x80 | (c & 63));
	} else if (c < 0x10000) {
		*out++ = (char)(0xe0 | c >> 12);
		*out++ = (char)(0x80 | (c >> 6 & 63));
		*out++ = (char)(0x80 | (c & 63));
	} else {
		*out++ = (char)(0xf0 | c >> 18);
		*out++ = (char)(0x80 | (c >> 12 & 63));
		*out++ = (char)(0x80 | (c >> 6 & 63));
		*out++ = (char)(0x80 | (c & 63));
	}
	return out;
}

/* After "\u".  Never longer than what it was written as. */
static bool
parse_unicode(struct text *t, char **out)
{
	unsigned	c, low;

	if (!parse_hex4(t, &c))
		return false;
	if (c >= 0xd800 && c < 0xdc00) {
		if (!take(t, "\\u") || !parse_hex4(t, &low) ||
		    low < 0xdc00 || low >= 0xe000)
			return false;
		c = 0x10000 + ((c & 0x3ff) << 10) + (low & 0x3ff);
	} else if (c == 0 || (c >= 0xdc00 && c < 0xe000))
		return false;
	*out = put_utf8(*out, c);
	return true;
}

static bool
parse_escape(struct text *t, char **out)
{
	static const char	from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char		*at;

	if (t->p >= t->end)
		return false;
	if (*t->p == 'u') {
		t->p++;
		return parse_unicode(t, out);
	}
	at = *t->p == '\0' ? NULL : strchr(from, *t->p);
	if (at == NULL)
		return false;
	t->p++;
	*(*out)++ = to[at - from];
	return true;
}

/* A string from its opening quote on; yours, or NULL. */
static char *
parse_string(struct text *t)
{
	const char	*q;
	char		*s, *out;

	if (!take(t, "\""))
		return NULL;
	for (q = t->p; q < t->end && *q != '"'; q++)
		if (*q == '\\')
			q++;
	if (q >= t->end)
		return NULL;
	s = out = xmalloc((size_t)(q - t->p) + 1);
	while (t->p < t->end && *t->p != '"') {
		if (*t->p != '\\') {
			*out++ = *t->p++;
			continue;
		}
		t->p++;
		if (!parse_escape(t, &out)) {
			free(s);
			return NULL;
		}
	}
	*out = '\0';
	if (take(t, "\""))
		return s;
	free(s);
	return NULL;
}

static bool
parse_number(struct text *t, cJSON *c)
{
	char	 digits[64], *end;
	size_t	 n = 0;

	while (t->p + n < t->end && n < sizeof(digits) - 1 &&
	    t->p[n] != '\0' && strchr("0123456789+-.eE", t->p[n]) != NULL) {
		digits[n] = t->p[n];
		n++;
	}
	digits[n] = '\0';
	c->type = cJSON_Number;
	set_number(c, strtod(digits, &end));
	t->p += end - digits;
	return end != digits;
}

/* The inside of an array or object, after its opening bracket. */
static bool
parse_members(struct text *t, cJSON *c, const char *close)
{
	cJSON	*item;

	skip_blanks(t);
	if (take(t, close))
		return true;
	do {
		item = new_item(cJSON_NULL);
		append(c, item);
		skip_blanks(t);
		if (c->type == cJSON_Object) {
			item->string = parse_string(t);
			skip_blanks(t);
			if (item->string == NULL || !take(t, ":"))
				return false;
		}
		if (!parse_value(t, item))
			return false;
		skip_blanks(t);
	} while (take(t, ","));
	return take(t, close);
}

static bool
parse_value(struct text *t, cJSON *c)
{
	bool	ok;

	skip_blanks(t);
	if (t->p >= t->end)
		return false;
	switch (*t->p) {
	case '{':
	case '[':
		c->type = *t->p++ == '{' ? cJSON_Object : cJSON_Array;
		if (++t->depth > DEPTH_MAX)
			return false;
		ok = parse_members(t, c, c->type == cJSON_Object ? "}" : "]");
		t->depth--;
		return ok;
	case '"':
		c->type = cJSON_String;
		c->valuestring = parse_string(t);
		return c->valuestring != NULL;
	case 't':
		c->type = cJSON_True;
		c->valueint = 1;
		return take(t, "true");
	case 'f':
		c->type = cJSON_False;
		return take(t, "false");
	case 'n':
		return take(t, "null");
	default:
		return parse_number(t, c);
	}
}

CJSON_PUBLIC(cJSON *)
cJSON_ParseWithLengthOpts(const char *value, size_t len, const char **end,
    cJSON_bool must_end)
{
	struct text	 t = { value, value + len, 0 };
	cJSON		*c = new_item(cJSON_NULL);

	if (!parse_value(&t, c)) {
		cJSON_Delete(c);
		c = NULL;
	}
	if (end != NULL)
		*end = t.p;
	return c;
}

/* --- the tree ------------------------------------------------------------- */

CJSON_PUBLIC(void)
cJSON_Delete(cJSON *c)
{
	cJSON	*next;

	for (; c != NULL; c = next) {
		next = c->next;
		cJSON_Delete(c->child);
		free(c->valuestring);
		free(c->string);
		free(c);
	}
}

CJSON_PUBLIC(cJSON *)
cJSON_Duplicate(const cJSON *c, cJSON_bool deep)
{
	cJSON		*copy, *item;
	const cJSON	*k;

	if (c == NULL)
		return NULL;
	copy = new_item(c->type);
	copy->valueint = c->valueint;
	copy->valuedouble = c->valuedouble;
	copy->valuestring = xstrdup(c->valuestring);
	copy->string = xstrdup(c->string);
	for (k = deep ? c->child : NULL; k != NULL; k = k->next) {
		item = cJSON_Duplicate(k, 1);
		append(copy, item);
	}
	return copy;
}

#define IS(name, t)						\
CJSON_PUBLIC(cJSON_bool)					\
cJSON_Is##name(const cJSON * const c)				\
{								\
	return c != NULL && (c->type & 0xff) == (t);		\
}
IS(True, cJSON_True)
IS(Number, cJSON_Number)
IS(String, cJSON_String)
IS(Array, cJSON_Array)
IS(Object, cJSON_Object)

CJSON_PUBLIC(cJSON_bool)
cJSON_IsBool(const cJSON * const c)
{
	return c != NULL && (c->type & (cJSON_True | cJSON_False)) != 0;
}

CJSON_PUBLIC(cJSON *)
cJSON_GetObjectItemCaseSensitive(const cJSON * const obj,
    const char * const key)
{
	cJSON	*c;

	if (obj == NULL || key == NULL)
		return NULL;
	for (c = obj->child; c != NULL; c = c->next)
		if (c->string != NULL && strcmp(c->string, key) == 0)
			return c;
	return NULL;
}

/* --- building ------------------------------------------------------------- */

CJSON_PUBLIC(cJSON *) cJSON_CreateObject(void)
{
	return new_item(cJSON_Object);
}

CJSON_PUBLIC(cJSON *) cJSON_CreateArray(void)
{
	return new_item(cJSON_Array);
}

CJSON_PUBLIC(cJSON *) cJSON_CreateNull(void)
{
	return new_item(cJSON_NULL);
}

CJSON_PUBLIC(cJSON *) cJSON_CreateBool(cJSON_bool b)
{
	return new_item(b ? cJSON_True : cJSON_False);
}

CJSON_PUBLIC(cJSON *) cJSON_CreateNumber(double d)
{
	cJSON	*c = new_item(cJSON_Number);

	set_number(c, d);
	return c;
}

CJSON_PUBLIC(cJSON *) cJSON_CreateString(const char *s)
{
	cJSON	*c = new_item(cJSON_String);

	c->valuestring = xstrdup(s);
	return c;
}

CJSON_PUBLIC(cJSON_bool) cJSON_AddItemToArray(cJSON *array, cJSON *item)
{
	append(array, item);
	return 1;
}

CJSON_PUBLIC(cJSON_bool)
cJSON_AddItemToObject(cJSON *obj, const char *key, cJSON *item)
{
	char	*copy = xstrdup(key);

	free(item->string);
	item->string = copy;
	append(obj, item);
	return 1;
}

static void
detach(cJSON *parent, cJSON *c)
{
	if (c == parent->child) {
		parent->child = c->next;
		if (c->next != NULL)
			c->next->prev = c->prev;
	} else {
		c->prev->next = c->next;
		if (c->next != NULL)
			c->next->prev = c->prev;
		else
			parent->child->prev = c->prev;
	}
	c->next = c->prev = NULL;
}

/* In the place of the old one, as cJSON does. */
CJSON_PUBLIC(cJSON_bool)
cJSON_ReplaceItemInObjectCaseSensitive(cJSON *obj, const char *key,
    cJSON *item)
{
	cJSON	*old = cJSON_GetObjectItemCaseSensitive(obj, key);

	if (old == NULL)
		return 0;
	free(item->string);
	item->string = xstrdup(key);
	item->next = old->next;
	item->prev = old->prev;
	if (old->next != NULL)
		old->next->prev = item;
	else if (obj->child == old)
		item->prev = item;
	else
		obj->child->prev = item;
	if (obj->child == old)
		obj->child = item;
	else
		old->prev->next = item;
	old->next = NULL;
	cJSON_Delete(old);
	return 1;
}

CJSON_PUBLIC(void)
cJSON_DeleteItemFromObjectCaseSensitive(cJSON *obj, const char *key)
{
	cJSON	*old = cJSON_GetObjectItemCaseSensitive(obj, key);

	if (old == NULL)
		return;
	detach(obj, old);
	cJSON_Delete(old);
}
