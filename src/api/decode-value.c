/*
 * YAML nodes to JSON by the rows of a field table.
 *
 * Everything a row says is checked here and nowhere else: type, required,
 * allowed words, pattern, range, number of items, twice in a list.  The few
 * rules between fields that a row cannot express are in rules[].  A value that
 * is wrong gives a problem and no JSON; decoding goes on, so that one paste
 * shows all its faults.
 */
#include "decode-value.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "hiclaw/re.h"

#include "api-int.h"

#define SAFE_INT	9007199254740991LL	/* exact in every JSON reader */
#define FREE_KEYS_MAX	256		/* keys of one free object */
#define MAP_VALUE_MAX	32768

static struct json *decode_value(struct decode *, const struct ynode *,
    const struct ynode *, const struct field *);

/* --- paths and problems -------------------------------------------------- */

size_t
path_push(struct decode *d, const char *name)
{
	size_t	len = d->path.len;

	buf_printf(&d->path, "%s%.64s", len > 0 ? "." : "", name);
	return len;
}

static size_t
path_push_index(struct decode *d, size_t i)
{
	size_t	len = d->path.len;

	buf_printf(&d->path, "[%zu]", i);
	return len;
}

void
path_pop(struct decode *d, size_t len)
{
	d->path.len = len;
	if (d->path.data != NULL)
		d->path.data[len] = '\0';
}

void
decode_error(struct decode *d, const struct ynode *at, const char *fmt, ...)
{
	char	*what;
	va_list	 ap;

	va_start(ap, fmt);
	what = xvasprintf(fmt, ap);
	va_end(ap);
	yaml_problem(d->y, at, d->path.len > 0 ? buf_str(&d->path) : NULL,
	    false, "%s", what);
	free(what);
}

const char *
ynode_phrase(const struct ynode *n)
{
	if (n->type == YNODE_MAP)
		return "an object";
	if (n->type == YNODE_SEQ)
		return "a list";
	if (!n->plain)
		return "a string";
	switch (scalar_resolve(n->text)) {
	case SCALAR_NULL:
		return "nothing";
	case SCALAR_BOOL:
		return "a boolean";
	case SCALAR_INT:
	case SCALAR_FLOAT:
		return "a number";
	case SCALAR_STRING:
		break;
	}
	return "a string";
}

/* The same, with the row's example behind it when it has one. */
static void PRINTF(4, 5)
row_error(struct decode *d, const struct ynode *n, const struct field *f,
    const char *fmt, ...)
{
	va_list	 ap;
	char	*what;

	va_start(ap, fmt);
	what = xvasprintf(fmt, ap);
	va_end(ap);
	if (f->example != NULL)
		decode_error(d, n, "%s; example: %s: %s", what, f->name,
		    f->example);
	else
		decode_error(d, n, "%s", what);
	free(what);
}

static void
type_error(struct decode *d, const struct ynode *n, const struct field *f)
{
	if (n->type == YNODE_SCALAR && n->text[0] != '\0')
		row_error(d, n, f, "expected %s, not \"%.40s\"",
		    field_type_phrase(f), n->text);
	else
		row_error(d, n, f, "expected %s, not %s",
		    field_type_phrase(f), ynode_phrase(n));
}

/* --- strings ------------------------------------------------------------- */

static size_t
count_chars(const char *s)
{
	size_t	n = 0;

	for (; *s != '\0'; s++)
		if (((unsigned char)*s & 0xc0) != 0x80)
			n++;
	return n;
}

/* "My Team" -> "my-team", for a suggestion; false when nothing is left. */
static bool
make_name(const char *s, char *out, size_t size)
{
	size_t	n = 0;

	for (; *s != '\0' && n + 1 < size && n < 42; s++) {
		if (*s >= 'A' && *s <= 'Z')
			out[n++] = (char)(*s + 'a' - 'A');
		else if ((*s >= 'a' && *s <= 'z') || (*s >= '0' && *s <= '9'))
			out[n++] = *s;
		else if (n > 0 && out[n - 1] != '-')
			out[n++] = '-';
	}
	while (n > 0 && out[n - 1] == '-')
		n--;
	out[n] = '\0';
	return n > 0;
}

static void
pattern_error(struct decode *d, const struct ynode *n, const struct field *f)
{
	char	name[64];

	if (strcmp(f->pattern, NAME_PATTERN) == 0) {
		if (make_name(n->text, name, sizeof name))
			decode_error(d, n, "\"%.64s\" is no name: at most 42 "
			    "of a-z, 0-9 and - (not first, not last); try "
			    "\"%s\"", n->text, name);
		else
			decode_error(d, n, "\"%.64s\" is no name: at most 42 "
			    "of a-z, 0-9 and - (not first, not last)",
			    n->text);
	} else if (strcmp(f->pattern, MXID_PATTERN) == 0) {
		decode_error(d, n, "\"%.64s\" is no full Matrix ID; example: "
		    "%s: \"@name:example.org\"", n->text, f->name);
	} else if (strcmp(f->name, "skills") == 0 &&
	    str_starts(n->text, "nacos:")) {
		decode_error(d, n, "a nacos:// source goes into remoteSkills, "
		    "not into skills");
	} else {
		row_error(d, n, f, "\"%.64s\" does not fit", n->text);
	}
}

static void
values_error(struct decode *d, const struct ynode *n, const struct field *f)
{
	const char	*near = str_nearest(n->text, f->values);
	struct buf	 b;
	size_t		 i;

	buf_init(&b, 0);
	for (i = 0; f->values[i] != NULL; i++)
		buf_printf(&b, "%s%s", i > 0 ? ", " : "", f->values[i]);
	if (near != NULL)
		decode_error(d, n, "\"%.64s\" is none of %s; did you mean "
		    "\"%s\"?", n->text, buf_str(&b), near);
	else
		decode_error(d, n, "\"%.64s\" is none of %s", n->text,
		    buf_str(&b));
	buf_release(&b);
}

/* Plain text that begins with a quote of a phone keyboard. */
static bool
has_curly_quote(const char *s)
{
	static const char *const quotes[] = {
		"\xe2\x80\x98", "\xe2\x80\x99", "\xe2\x80\x9a",
		"\xe2\x80\x9c", "\xe2\x80\x9d", "\xe2\x80\x9e", NULL
	};
	size_t	i;

	for (i = 0; quotes[i] != NULL; i++)
		if (str_starts(s, quotes[i]))
			return true;
	return false;
}

/* Characters that no file or room should get; `lines` allows line breaks. */
static int
check_chars(struct decode *d, const struct ynode *n, bool lines)
{
	const char	*s, *nl;

	if (n->plain && has_curly_quote(n->text)) {
		decode_error(d, n, "begins with a curly quotation mark, which "
		    "YAML takes as text; use \" instead");
		return -1;
	}
	for (s = n->text; *s != '\0'; s++) {
		if (((unsigned char)*s >= 0x20 && *s != 0x7f) || *s == '\t' ||
		    *s == '\n')
			continue;
		decode_error(d, n, "control character U+%04X in the value",
		    (unsigned)*s);
		return -1;
	}
	if (lines || (nl = strchr(n->text, '\n')) == NULL)
		return 0;
	if (nl[1] == '\0')
		decode_error(d, n, "ends in a line break; write it on the "
		    "line of the key, or \">-\" for \">\"");
	else
		decode_error(d, n, "expected one line, not several");
	return -1;
}

static int
check_length(struct decode *d, const struct ynode *n, const struct field *f)
{
	size_t	len;

	if (f->min == 0 && f->max == 0)
		return 0;
	len = count_chars(n->text);
	if (len == 0 && f->min > 0) {
		row_error(d, n, f, "must not be empty");
		return -1;
	}
	if ((int64_t)len < f->min) {
		row_error(d, n, f, "has %zu characters; at least %" PRId64
		    " are needed", len, f->min);
		return -1;
	}
	if (f->max > 0 && (int64_t)len > f->max) {
		decode_error(d, n, "has %zu characters; at most %" PRId64
		    " are allowed", len, f->max);
		return -1;
	}
	return 0;
}

static bool
is_value(const char *s, const char *const *values)
{
	for (; *values != NULL; values++)
		if (strcmp(s, *values) == 0)
			return true;
	return false;
}

/*
 * A string by its row.  Items of a list have the row of the list, whose min
 * and max count items.
 */
static struct json *
decode_string(struct decode *d, const struct ynode *n, const struct field *f,
    bool is_item)
{
	static const struct field	item = { .type = FIELD_STRING };

	if (n->type != YNODE_SCALAR) {
		if (is_item)
			decode_error(d, n, "expected %s, not %s",
			    field_type_phrase(&item), ynode_phrase(n));
		else
			type_error(d, n, f);
		return NULL;
	}
	if (n->plain && scalar_resolve(n->text) != SCALAR_STRING) {
		decode_error(d, n, "expected a string; quote it: \"%.64s\"",
		    n->text);
		return NULL;
	}
	if (check_chars(d, n, f->type == FIELD_TEXT) != 0)
		return NULL;
	if (f->values != NULL && !is_value(n->text, f->values)) {
		values_error(d, n, f);
		return NULL;
	}
	if (!is_item && check_length(d, n, f) != 0)
		return NULL;
	if (f->pattern != NULL && !re_match(f->pattern, n->text)) {
		pattern_error(d, n, f);
		return NULL;
	}
	return json_string(n->text);
}

/* --- numbers and booleans ------------------------------------------------ */

/* A scalar that resolves to an integer; false when it does not fit. */
static bool
read_int(const char *s, int64_t *v)
{
	char	*end;
	int	 base = 10;

	if (s[0] == '0' && (s[1] == 'o' || s[1] == 'x')) {
		base = s[1] == 'o' ? 8 : 16;
		s += 2;
	}
	errno = 0;
	*v = strtoll(s, &end, base);
	return errno == 0 && *end == '\0' && *v >= -SAFE_INT &&
	    *v <= SAFE_INT;
}

static struct json *
decode_int(struct decode *d, const struct ynode *n, const struct field *f)
{
	int64_t	v;
	bool	is_int;

	is_int = n->type == YNODE_SCALAR &&
	    scalar_resolve(n->text) == SCALAR_INT;
	if (is_int && !n->plain) {
		decode_error(d, n, "expected a whole number; write %.20s "
		    "without quotes", n->text);
		return NULL;
	}
	if (!is_int) {
		type_error(d, n, f);
		return NULL;
	}
	if (read_int(n->text, &v) && v >= f->min &&
	    (f->max == 0 || v <= f->max))
		return json_number((double)v);
	if (f->max > 0)
		decode_error(d, n, "%.40s is out of range; expected %" PRId64
		    " to %" PRId64, n->text, f->min, f->max);
	else
		row_error(d, n, f, "%.40s is out of range", n->text);
	return NULL;
}

static bool
is_true(const char *s)
{
	return s[0] == 't' || s[0] == 'T';
}

static struct json *
decode_bool(struct decode *d, const struct ynode *n, const struct field *f)
{
	static const char *const words[] = {
		"yes", "on", "y", "no", "off", "n", NULL
	};
	bool	is_bool;
	size_t	i;

	is_bool = n->type == YNODE_SCALAR &&
	    scalar_resolve(n->text) == SCALAR_BOOL;
	if (is_bool && n->plain)
		return json_boolean(is_true(n->text));
	if (is_bool) {
		decode_error(d, n, "expected true or false without quotes");
		return NULL;
	}
	for (i = 0; n->type == YNODE_SCALAR && words[i] != NULL; i++)
		if (str_distance(n->text, words[i], 0) == 0) {
			decode_error(d, n, "expected true or false; write %s "
			    "for \"%s\"", i < 3 ? "true" : "false", n->text);
			return NULL;
		}
	type_error(d, n, f);
	return NULL;
}

/* --- maps and free objects ----------------------------------------------- */

static struct json *
decode_map_value(struct decode *d, const struct ynode *n,
    const struct field *map)
{
	static const struct field	value = {
		.name = "value", .type = FIELD_TEXT, .max = MAP_VALUE_MAX,
		.example = "text"
	};
	static const struct field	label = {
		.name = "label", .type = FIELD_STRING,
		.pattern = LABEL_VALUE, .example = "frontend"
	};

	if (ynode_is_null(n)) {
		decode_error(d, n, "expected a string; write \"\" for an "
		    "empty one");
		return NULL;
	}
	return decode_string(d, n,
	    strcmp(map->name, "labels") == 0 ? &label : &value, false);
}

static void
decode_map_item(struct decode *d, const struct yitem *it,
    const struct field *f, struct json *map)
{
	struct json	*v;
	size_t		 mark;

	/* Thousands of lines of JSON that kubectl leaves behind. */
	if (str_starts(it->key->text, "kubectl.kubernetes.io/"))
		return;
	mark = path_push(d, it->key->text);
	if (!re_match(f->pattern, it->key->text) ||
	    count_chars(it->key->text) > 256)
		decode_error(d, it->key, "\"%.64s\" is no key of %s",
		    it->key->text, f->name);
	else if (strcmp(f->name, "labels") == 0 &&
	    str_starts(buf_str(&d->path), "spec.") &&
	    str_starts(it->key->text, "hiclaw.io/"))
		decode_error(d, it->key, "labels under hiclaw.io/ are set by "
		    "the controller");
	else if (it->value->type != YNODE_BAD &&
	    (v = decode_map_value(d, it->value, f)) != NULL)
		json_set(map, it->key->text, v);
	path_pop(d, mark);
}

static struct json *
decode_map(struct decode *d, const struct ynode *n, const struct field *f)
{
	const struct yitem	*it;
	struct json		*map;

	if (n->type != YNODE_MAP) {
		type_error(d, n, f);
		return NULL;
	}
	if (f->max > 0 && (int64_t)n->n > f->max) {
		decode_error(d, n, "has %zu entries; at most %" PRId64
		    " are allowed", n->n, f->max);
		return NULL;
	}
	map = json_object();
	for (it = n->first; it != NULL; it = it->next)
		decode_map_item(d, it, f, map);
	return map;
}

static struct json *
free_scalar(struct decode *d, const struct ynode *n)
{
	int64_t	i;
	double	v;

	switch (n->plain ? scalar_resolve(n->text) : SCALAR_STRING) {
	case SCALAR_NULL:
		return json_null();
	case SCALAR_BOOL:
		return json_boolean(is_true(n->text));
	case SCALAR_INT:
		if (read_int(n->text, &i))
			return json_number((double)i);
		decode_error(d, n, "%.40s is too large a number; quote it",
		    n->text);
		return NULL;
	case SCALAR_FLOAT:
		v = strtod(n->text, NULL);
		if (strpbrk(n->text, "nN") == NULL && isfinite(v))
			return json_number(v);
		decode_error(d, n, "%.40s is no number that can be kept",
		    n->text);
		return NULL;
	case SCALAR_STRING:
		break;
	}
	return check_chars(d, n, true) == 0 ? json_string(n->text) : NULL;
}

/* Any value, as the core schema reads it.  The tree bounds the depth. */
static struct json *
free_value(struct decode *d, const struct ynode *n)
{
	const struct yitem	*it;
	struct json		*v, *out;
	size_t			 i = 0, mark;

	if (n->type == YNODE_BAD)
		return NULL;
	if (n->type == YNODE_SCALAR)
		return free_scalar(d, n);
	if (n->type == YNODE_MAP && n->n > FREE_KEYS_MAX) {
		decode_error(d, n, "has %zu keys; at most %d are allowed",
		    n->n, FREE_KEYS_MAX);
		return NULL;
	}
	out = n->type == YNODE_MAP ? json_object() : json_array();
	for (it = n->first; it != NULL; it = it->next) {
		mark = it->key != NULL ? path_push(d, it->key->text) :
		    path_push_index(d, i++);
		if (it->key != NULL && strlen(it->key->text) > 256)
			decode_error(d, it->key, "a key of more than 256 "
			    "bytes");
		else if ((v = free_value(d, it->value)) == NULL)
			;	/* reported */
		else if (it->key != NULL)
			json_set(out, it->key->text, v);
		else
			json_push(out, v);
		path_pop(d, mark);
	}
	return out;
}

/* --- lists --------------------------------------------------------------- */

/* What tells items apart: the text itself, a name, or a port. */
static char *
item_identity(const struct field *f, const struct json *v)
{
	if (json_is(v, JSON_STRING))
		return xstrdup(json_value_str(v));
	if (f->fields == expose_fields)
		return xasprintf("%" PRId64, json_int(v, "port", 0));
	return xstrdup(json_str(v, "name"));
}

static void
check_twice(struct decode *d, struct map *seen, const struct ynode *n,
    const struct field *f, const struct json *v)
{
	char			*id = item_identity(f, v);
	const struct ynode	*first;

	if (id == NULL)
		return;
	if ((first = map_find(seen, id)) != NULL)
		decode_error(d, n, "\"%.64s\" is listed twice; the first is "
		    "in line %d", id, first->line);
	else
		map_set(seen, id, (void *)(uintptr_t)n);
	free(id);
}

static struct json *
decode_item(struct decode *d, const struct ynode *n, const struct field *f)
{
	if (n->type == YNODE_BAD)
		return NULL;
	if (ynode_is_null(n)) {
		decode_error(d, n, "an empty item; remove the \"-\" or write "
		    "a value behind it");
		return NULL;
	}
	if (f->item == FIELD_STRING)
		return decode_string(d, n, f, true);
	if (n->type != YNODE_MAP) {
		row_error(d, n, f, "expected an object, not %s",
		    ynode_phrase(n));
		return NULL;
	}
	return decode_object(d, n, n, f->fields, NULL);
}

static struct json *
decode_list(struct decode *d, const struct ynode *n, const struct field *f)
{
	const struct yitem	*it;
	struct json		*out, *v;
	struct map		*seen;
	size_t			 i = 0, mark;

	if (n->type != YNODE_SEQ) {
		type_error(d, n, f);
		return NULL;
	}
	if ((int64_t)n->n < f->min || (f->max > 0 && (int64_t)n->n > f->max)) {
		decode_error(d, n, "has %zu items; %" PRId64 " to %" PRId64
		    " are allowed", n->n, f->min, f->max);
		return NULL;
	}
	out = json_array();
	seen = n->n > 1 ? map_new(NULL) : NULL;
	for (it = n->first; it != NULL; it = it->next) {
		mark = path_push_index(d, i++);
		if ((v = decode_item(d, it->value, f)) != NULL) {
			if (seen != NULL)
				check_twice(d, seen, it->value, f, v);
			json_push(out, v);
		}
		path_pop(d, mark);
	}
	map_free(seen);
	return out;
}

/* --- rules between fields ------------------------------------------------ */

static void
rule_remote_skill(struct decode *d, const struct ynode *at,
    const struct json *v)
{
	if (json_get(v, "version") != NULL && json_get(v, "label") != NULL)
		decode_error(d, at, "version and label exclude each other");
}

static void
rule_access_entry(struct decode *d, const struct ynode *at,
    const struct json *v)
{
	const char		*service = json_strd(v, "service", "");
	const struct json	*scope = json_get(v, "scope");

	if (strcmp(service, "object-storage") == 0 &&
	    json_size(json_get(scope, "prefixes")) == 0)
		decode_error(d, at, "object-storage needs scope.prefixes; "
		    "example: scope: {bucketRef: workspace, prefixes: "
		    "[\"shared/*\"]}");
	if (strcmp(service, "ai-registry") == 0 &&
	    json_str(scope, "namespaceId") == NULL)
		decode_error(d, at, "ai-registry needs scope.namespaceId; "
		    "example: scope: {namespaceId: public}");
}

static const struct {
	const struct field	*rows;
	void			(*check)(struct decode *, const struct ynode *,
				    const struct json *);
} rules[] = {
	{ remote_skill_item_fields, rule_remote_skill },
	{ access_entry_fields, rule_access_entry },
};

/* --- objects ------------------------------------------------------------- */

static struct json *
decode_value(struct decode *d, const struct ynode *at, const struct ynode *n,
    const struct field *f)
{
	switch (f->type) {
	case FIELD_STRING:
	case FIELD_TEXT:
		return decode_string(d, n, f, false);
	case FIELD_INT:
		return decode_int(d, n, f);
	case FIELD_BOOL:
		return decode_bool(d, n, f);
	case FIELD_LIST:
		return decode_list(d, n, f);
	case FIELD_MAP:
		return decode_map(d, n, f);
	case FIELD_OBJECT:
		if (n->type == YNODE_MAP)
			return decode_object(d, at, n, f->fields, NULL);
		break;
	case FIELD_ANY:
		if (n->type == YNODE_MAP)
			return free_value(d, n);
		break;
	}
	type_error(d, n, f);
	return NULL;
}

/*
 * Says that a key is unknown.  Returns the row it was probably meant for, so
 * that the same slip is not reported as a missing field as well.
 */
static const struct field *
unknown_key(struct decode *d, const struct ynode *key,
    const struct field *rows)
{
	const char	*near = field_nearest(rows, key->text);

	if (near == NULL) {
		decode_error(d, key, "unknown field");
		return NULL;
	}
	decode_error(d, key, "unknown field; did you mean \"%s\"?", near);
	return field_find(rows, near);
}

static void
report_missing(struct decode *d, const struct ynode *at,
    const struct field *rows, uint64_t present)
{
	const struct field	*f;
	size_t			 mark;

	for (f = rows; f->name != NULL; f++) {
		if (!f->required || (present & UINT64_C(1) << (f - rows)) != 0)
			continue;
		mark = path_push(d, f->name);
		row_error(d, at, f, "required, but missing");
		path_pop(d, mark);
	}
}

struct json *
decode_object(struct decode *d, const struct ynode *at,
    const struct ynode *map, const struct field *rows,
    const char *const *ignored)
{
	const struct yitem	*it;
	const struct field	*f;
	struct json		*obj = json_object(), *v;
	uint64_t		 present = 0;
	size_t			 mark, i;

	for (f = rows; f->name != NULL; f++)
		;
	assert(f - rows <= 64);		/* a bit for each in `present` */
	for (it = map->first; it != NULL; it = it->next) {
		mark = path_push(d, it->key->text);
		f = field_find(rows, it->key->text);
		if (f == NULL && ignored != NULL &&
		    is_value(it->key->text, ignored)) {
			strv_add(&d->ignored, buf_str(&d->path));
			if (d->ignored_at == NULL)
				d->ignored_at = it->key;
		} else if (f == NULL) {
			if ((f = unknown_key(d, it->key, rows)) != NULL)
				present |= UINT64_C(1) << (f - rows);
		} else if (it->value->type == YNODE_BAD) {
			present |= UINT64_C(1) << (f - rows);
		} else if (!ynode_is_null(it->value)) {
			present |= UINT64_C(1) << (f - rows);
			v = decode_value(d, it->key, it->value, f);
			if (v != NULL)
				json_set(obj, f->name, v);
		}
		path_pop(d, mark);
	}
	report_missing(d, at, rows, present);
	for (i = 0; i < NELEM(rules); i++)
		if (rules[i].rows == rows)
			rules[i].check(d, at, obj);
	return obj;
}
