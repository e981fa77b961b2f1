/*
 * One field of a spec, as people write it on a line: a path and a value.  The
 * rows say what the words mean; whether the result is right is for the decoder,
 * which sees the whole.
 */
#include "hiclaw/api.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api-int.h"

#define STEP_MAX	256
#define DEPTH_MAX	8	/* deeper than any table */

struct assign {
	const char	*value;		/* NULL: take it away */
	bool		 is_more;
	struct err	*err;
};

static int assign_in(struct assign *, const struct field *, struct json *,
    const char *, const char *, int);

/* --- paths --------------------------------------------------------------- */

/* The step up to "." or "[", or what stands in brackets; *path is behind it. */
static int
take_step(const char **path, char *step, size_t size, struct err *e)
{
	const char *p = *path;
	size_t n;

	if (*p == '[') {
		n = strcspn(++p, "]");
		if (p[n] != ']')
			return err_set(e, ERR_USER, "the bracket in \"%.80s\" "
			    "is not closed", *path);
		*path = p + n + 1;
	} else {
		n = strcspn(p, ".[");
		*path = p + n;
	}
	if (**path == '.')
		(*path)++;
	if (n == 0 || n >= size)
		return err_set(e, ERR_USER, "a name is missing or too long in "
		    "\"%.80s\"", p);
	memcpy(step, p, n);
	step[n] = '\0';
	return 0;
}

static int
no_field(const char *what, const char *step, const struct field *rows,
    struct err *e)
{
	const char *near = field_nearest(rows, step);

	if (near != NULL)
		return err_set(e, ERR_USER, "%s has no field \"%.64s\"; did "
		    "you mean \"%s\"?", what, step, near);
	return err_set(e, ERR_USER, "%s has no field \"%.64s\"; `explain` "
	    "lists what there is", what, step);
}

/* By what the items of a list, or an object in short, are called. */
static const struct field *
key_row(const struct field *rows)
{
	const struct field *f = field_find(rows, "name");

	if (f != NULL)
		return f;
	for (f = rows; f->name != NULL; f++)
		if (f->required)
			return f;
	return NULL;
}

/* --- values -------------------------------------------------------------- */

static bool
is_flow(const char *text)
{
	return text[0] == '[' || text[0] == '{';
}

static struct json *
flow_value(const char *name, const char *text, struct err *e)
{
	struct err err;
	struct json *v = yaml_json(text, strlen(text), &err);

	if (v == NULL)
		err_set(e, ERR_USER, "%s: %s", name, err.msg);
	return v;
}

static struct json *
int_value(const char *name, const char *text, struct err *e)
{
	char *end;
	long long v;

	errno = 0;
	v = strtoll(text, &end, 10);
	if (errno == 0 && end != text && *end == '\0' &&
	    v > -1000000000000LL && v < 1000000000000LL)
		return json_number((double)v);
	err_set(e, ERR_USER, "%s is a whole number, not \"%.40s\"", name,
	    text);
	return NULL;
}

static struct json *
bool_value(const char *name, const char *text, struct err *e)
{
	static const char *const words[] = {
		"true", "yes", "on", "false", "no", "off"
	};

	for (size_t i = 0; i < NELEM(words); i++)
		if (str_distance(words[i], text, 0) == 0)
			return json_boolean(i < 3);
	err_set(e, ERR_USER, "%s is true or false, not \"%.40s\"", name, text);
	return NULL;
}

/* The value by the type of a single thing. */
static struct json *
plain_value(enum field_type type, const char *name, const char *text,
    struct err *e)
{
	if (type == FIELD_INT)
		return int_value(name, text, e);
	if (type == FIELD_BOOL)
		return bool_value(name, text, e);
	return json_string(text);
}

/* "a, b": the parts without blanks around them; empty ones are none. */
static void
split_commas(const char *text, struct strv *out)
{
	while (*text != '\0') {
		size_t n = strcspn(text, ","), from = strspn(text, " "), to;
		char *part;

		for (to = n; to > from && text[to - 1] == ' ';)
			to--;
		if (to > from) {
			part = xstrndup(text + from, to - from);
			strv_add(out, part);
			free(part);
		}
		text += n + (text[n] == ',');
	}
}

static bool
key_is(const struct json *item, const struct field *key, const char *text)
{
	const struct json *v = json_get(item, key->name);
	char number[32];

	if (json_is(v, JSON_STRING))
		return strcmp(json_value_str(v), text) == 0;
	snprintf(number, sizeof number, "%lld",
	    (long long)json_value_int(v, -1));
	return v != NULL && strcmp(number, text) == 0;
}

static struct json *
find_item(struct json *list, const struct field *key, const char *text)
{
	struct json *v = json_first(list);

	while (v != NULL && !key_is(v, key, text))
		v = json_next(v);
	return v;
}

static struct json *
new_item(const struct field *key, const char *name, const char *text,
    struct err *e)
{
	struct json *v = plain_value(key->type, name, text, e), *o;

	if (v == NULL)
		return NULL;
	o = json_object();
	json_set(o, key->name, v);
	return o;
}

/*
 * The items of that name stay as they are, the others go; with is_more all stay.
 * Gives the new list, or NULL.
 */
static struct json *
list_value(struct assign *a, const struct field *f, struct json *was)
{
	const struct field *key = f->item == FIELD_OBJECT ?
	    key_row(f->fields) : NULL;
	struct json *list = a->is_more && was != NULL ? json_copy(was) :
	    json_array(), *item;
	struct strv parts = { 0 };

	split_commas(a->value, &parts);
	for (size_t i = 0; i < parts.n && list != NULL; i++) {
		const char *part = parts.v[i];

		if (key == NULL)
			item = plain_value(f->item, f->name, part, a->err);
		else if (find_item(list, key, part) != NULL)
			continue;
		else if (find_item(was, key, part) != NULL)
			item = json_copy(find_item(was, key, part));
		else
			item = new_item(key, f->name, part, a->err);
		if (item != NULL) {
			json_push(list, item);
			continue;
		}
		json_free(list);
		list = NULL;
	}
	strv_release(&parts);
	return list;
}

/* "a=b,c=d" */
static struct json *
map_value(struct assign *a, const struct field *f, struct json *was)
{
	struct json *o = a->is_more && was != NULL ? json_copy(was) :
	    json_object();
	struct strv parts = { 0 };

	split_commas(a->value, &parts);
	for (size_t i = 0; i < parts.n; i++) {
		char *eq = strchr(parts.v[i], '=');

		if (eq == NULL || eq == parts.v[i]) {
			err_set(a->err, ERR_USER, "%s is words with values: "
			    "%s.NAME=VALUE, or %s=NAME=VALUE,...", f->name,
			    f->name, f->name);
			json_free(o);
			o = NULL;
			break;
		}
		*eq = '\0';
		json_set_str(o, parts.v[i], eq + 1);
	}
	strv_release(&parts);
	return o;
}

/* A word in place of an object is its name; the rest of it stays. */
static struct json *
object_value(struct assign *a, const struct field *f, struct json *was)
{
	const struct field *key = key_row(f->fields);
	struct json *o, *v;

	if (key == NULL) {
		err_set(a->err, ERR_USER, "%s is an object: say which field of "
		    "it, like %s.%s=...", f->name, f->name,
		    f->fields[0].name);
		return NULL;
	}
	v = plain_value(key->type, f->name, a->value, a->err);
	if (v == NULL)
		return NULL;
	o = was != NULL ? json_copy(was) : json_object();
	json_set(o, key->name, v);
	return o;
}

static int
assign_leaf(struct assign *a, const struct field *f, struct json *obj)
{
	struct json *was = json_get(obj, f->name), *v;

	if (a->value == NULL) {
		json_remove(obj, f->name);
		return 0;
	}
	if (is_flow(a->value) && f->type >= FIELD_OBJECT)
		v = flow_value(f->name, a->value, a->err);
	else if (f->type == FIELD_LIST)
		v = list_value(a, f, was);
	else if (f->type == FIELD_MAP)
		v = map_value(a, f, was);
	else if (f->type == FIELD_OBJECT)
		v = object_value(a, f, was);
	else if (f->type == FIELD_ANY) {
		err_set(a->err, ERR_USER, "%s is an object: write it like %s",
		    f->name, f->example != NULL ? f->example : "{a: b}");
		v = NULL;
	} else
		v = plain_value(f->type, f->name, a->value, a->err);
	if (v == NULL)
		return -1;
	json_set(obj, f->name, v);
	return 0;
}

/* --- below a field -------------------------------------------------------- */

static void
drop_item(struct json *obj, const char *name, const struct field *key,
    const char *text)
{
	struct json *rest = json_array();
	const struct json *v = json_first(json_get(obj, name));

	for (; v != NULL; v = json_next(v))
		if (!key_is(v, key, text))
			json_push(rest, json_copy(v));
	json_set(obj, name, rest);
}

static int
no_item(const struct field *f, const struct json *list,
    const struct field *key, const char *text, struct err *e)
{
	struct strv names = { 0 };
	const char *near;

	for (const struct json *v = json_first(list); v != NULL;
	    v = json_next(v))
		if (json_str(v, key->name) != NULL)
			strv_add(&names, json_str(v, key->name));
	near = names.n > 0 ? str_nearest(text,
	    (const char *const *)names.v) : NULL;
	if (near != NULL)
		err_set(e, ERR_USER, "%s has no \"%.64s\"; did you mean "
		    "\"%.64s\"?", f->name, text, near);
	else
		err_set(e, ERR_USER, "%s has no \"%.64s\"", f->name, text);
	strv_release(&names);
	return -1;
}

/* Who has a name of its own is not made by a slip of the finger. */
static bool
makes_items(const struct field *key)
{
	return key->pattern == NULL || strcmp(key->pattern, NAME_PATTERN) != 0;
}

static int
assign_item(struct assign *a, const struct field *f, struct json *obj,
    const char *path, int depth)
{
	const struct field *key = key_row(f->fields);
	struct json *list = json_get(obj, f->name), *item;
	char step[STEP_MAX];

	if (take_step(&path, step, sizeof step, a->err) == -1)
		return -1;
	item = find_item(list, key, step);
	if (item == NULL && (a->value == NULL || !makes_items(key)))
		return no_item(f, list, key, step, a->err);
	if (path[0] == '\0' && a->value == NULL) {
		drop_item(obj, f->name, key, step);
		return 0;
	}
	if (path[0] == '\0')
		return err_set(a->err, ERR_USER, "which field of %s \"%.64s\"?"
		    " Like %s.%.64s.%s=...", f->name, step, f->name, step,
		    f->fields[1].name != NULL ? f->fields[1].name : key->name);
	if (item == NULL) {
		item = new_item(key, f->name, step, a->err);
		if (item == NULL)
			return -1;
		if (list == NULL)
			list = json_set(obj, f->name, json_array());
		item = json_push(list, item);
	}
	return assign_in(a, f->fields, item, step, path, depth);
}

static int
assign_key(struct assign *a, const struct field *f, struct json *obj,
    const char *key)
{
	size_t n = strlen(key);
	char name[STEP_MAX];

	/* A key may have dots in it: it is all that is left. */
	if (key[0] == '[' && key[n - 1] == ']') {
		key++;
		n -= 2;
	}
	if (n == 0 || n >= sizeof name)
		return err_set(a->err, ERR_USER, "%s: a name is missing or too "
		    "long", f->name);
	memcpy(name, key, n);
	name[n] = '\0';
	if (a->value != NULL)
		json_set_str(json_obj(obj, f->name), name, a->value);
	else
		json_remove(json_get(obj, f->name), name);
	return 0;
}

static int
assign_below(struct assign *a, const struct field *f, struct json *obj,
    const char *path, int depth)
{
	struct json *below;
	int rc;

	if (f->type == FIELD_MAP)
		rc = assign_key(a, f, obj, path);
	else if (f->type == FIELD_LIST && f->item == FIELD_OBJECT)
		rc = assign_item(a, f, obj, path, depth);
	else if (f->type == FIELD_OBJECT)
		rc = assign_in(a, f->fields, json_obj(obj, f->name), f->name,
		    path, depth);
	else
		return err_set(a->err, ERR_USER, "%s has no fields below it",
		    f->name);
	below = json_get(obj, f->name);
	if (a->value == NULL && below != NULL && json_size(below) == 0)
		json_remove(obj, f->name);
	return rc;
}

static int
assign_in(struct assign *a, const struct field *rows, struct json *obj,
    const char *what, const char *path, int depth)
{
	const struct field *f;
	char step[STEP_MAX];

	if (depth == 0)
		return err_set(a->err, ERR_USER, "the path is too deep");
	if (take_step(&path, step, sizeof step, a->err) == -1)
		return -1;
	f = field_find_any(rows, step);
	if (f == NULL)
		return no_field(what, step, rows, a->err);
	if (path[0] == '\0')
		return assign_leaf(a, f, obj);
	return assign_below(a, f, obj, path, depth - 1);
}

int
field_assign(const struct field *rows, struct json *obj, const char *what,
    const char *path, const char *value, bool is_more, struct err *e)
{
	struct assign a = { value, is_more, e };

	return assign_in(&a, rows, obj, what, path, DEPTH_MAX);
}
