/*
 * What changes from one form of a resource to another, field by field, with
 * the effect that the field's row declares.
 *
 * List items that have a name are paired by it, strings of a list by
 * themselves, other items by their index; so moving an item is no change.
 */
#include "hiclaw/api.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api-int.h"

#define COMPACT_MAX	120	/* bytes of a value shown */
#define ELLIPSIS	"\xe2\x80\xa6"

struct diff {
	struct buf		 path;
	struct field_changes	*out;
};

static void	diff_value(struct diff *, const struct field *,
		    const struct json *, const struct json *,
		    enum field_effect);

static size_t
push(struct diff *d, const char *fmt, const char *s)
{
	size_t	len = d->path.len;

	buf_printf(&d->path, fmt, s);
	return len;
}

static void
pop(struct diff *d, size_t len)
{
	d->path.len = len;
	d->path.data[len] = '\0';
}

/* --- values as short text ------------------------------------------------ */

static size_t
count_lines(const char *s)
{
	size_t	n = 0;

	for (; *s != '\0'; s++)
		if (*s == '\n' && s[1] != '\0')
			n++;
	return n + 1;
}

/* One line of a text, cut; `lines` > 1 is told. */
static char *
cut_line(const char *line, size_t lines)
{
	size_t	 n = strcspn(line, "\n"), kept;
	char	*copy = xstrndup(line, n), *out;
	bool	 is_cut;

	kept = utf8_prefix(copy, COMPACT_MAX);
	is_cut = copy[kept] != '\0';
	copy[kept] = '\0';
	if (lines > 1)
		out = xasprintf("%s " ELLIPSIS " (%zu lines)", copy, lines);
	else
		out = xasprintf("%s%s", copy, is_cut ? ELLIPSIS : "");
	free(copy);
	return out;
}

static char *
compact(const struct json *v)
{
	char	*text, *out;

	if (v == NULL)
		return NULL;
	if (json_is(v, JSON_STRING))
		return cut_line(json_value_str(v),
		    count_lines(json_value_str(v)));
	text = json_canonical(v);
	out = cut_line(text, 1);
	free(text);
	return out;
}

/* The first line in which two texts differ, told apart by its number. */
static void
compact_texts(const char *a, const char *b, char **from, char **to)
{
	const char	*la = a, *lb = b;
	size_t		 i = 0, line = 1, skip;
	char		*x, *y;

	for (; a[i] != '\0' && a[i] == b[i]; i++)
		if (a[i] == '\n') {
			la = a + i + 1;
			lb = b + i + 1;
			line++;
		}
	/* Far to the right in a long line: begin shortly before it. */
	skip = (size_t)(a + i - la);
	skip = skip > COMPACT_MAX / 2 ? skip - COMPACT_MAX / 2 : 0;
	while (skip > 0 && ((unsigned char)la[skip] & 0xc0) == 0x80)
		skip--;
	x = cut_line(la + skip, 1);
	y = cut_line(lb + skip, 1);
	*from = xasprintf("line %zu: %s%s", line, skip > 0 ? ELLIPSIS : "", x);
	*to = xasprintf("line %zu: %s%s", line, skip > 0 ? ELLIPSIS : "", y);
	free(x);
	free(y);
}

static void
add_change(struct diff *d, const struct json *a, const struct json *b,
    enum field_effect effect)
{
	struct field_changes	*out = d->out;
	struct field_change	*c;

	if (out->n == out->cap) {
		out->cap = out->cap == 0 ? 8 : out->cap * 2;
		out->v = xreallocarray(out->v, out->cap, sizeof *out->v);
	}
	c = &out->v[out->n++];
	c->path = xstrdup(buf_str(&d->path));
	c->from = compact(a);
	c->to = compact(b);
	c->effect = effect;
	if (!str_equal(c->from, c->to) || !json_is(a, JSON_STRING) ||
	    !json_is(b, JSON_STRING))
		return;
	free(c->from);
	free(c->to);
	compact_texts(json_value_str(a), json_value_str(b), &c->from, &c->to);
}

/* --- walking ------------------------------------------------------------- */

static void
diff_object(struct diff *d, const struct field *rows, const struct json *a,
    const struct json *b)
{
	const struct field	*f;
	const struct json	*va, *vb;
	size_t			 mark;

	for (f = rows; f->name != NULL; f++) {
		va = json_get(a, f->name);
		vb = json_get(b, f->name);
		if (va == NULL && vb == NULL)
			continue;
		mark = push(d, ".%s", f->name);
		diff_value(d, f, va, vb, f->effect);
		pop(d, mark);
	}
}

static void
diff_map(struct diff *d, const struct json *a, const struct json *b,
    enum field_effect effect)
{
	const struct json	*m;
	size_t			 mark;

	for (m = json_first(a); m != NULL; m = json_next(m)) {
		if (json_equal(m, json_get(b, json_key(m))))
			continue;
		mark = push(d, ".%s", json_key(m));
		add_change(d, m, json_get(b, json_key(m)), effect);
		pop(d, mark);
	}
	for (m = json_first(b); m != NULL; m = json_next(m)) {
		if (json_get(a, json_key(m)) != NULL)
			continue;
		mark = push(d, ".%s", json_key(m));
		add_change(d, NULL, m, effect);
		pop(d, mark);
	}
}

/* What an item is known by: its name, or the string itself. */
static const char *
identity(const struct json *v)
{
	return json_is(v, JSON_STRING) ? json_value_str(v) :
	    json_str(v, "name");
}

static struct map *
by_identity(const struct json *list)
{
	struct map		*map = map_new(NULL);
	struct json		*v;

	for (v = json_first(list); v != NULL; v = json_next(v))
		if (identity(v) != NULL)
			map_set(map, identity(v), v);
	return map;
}

/* An item that came or went is one change, not one for each of its fields. */
static void
diff_item(struct diff *d, const struct field *f, const char *id,
    const struct json *a, const struct json *b, enum field_effect effect)
{
	size_t	mark = push(d, "[%s]", id);

	if (a == NULL || b == NULL || f->item != FIELD_OBJECT)
		add_change(d, a, b, effect);
	else
		diff_object(d, f->fields, a, b);
	pop(d, mark);
}

static void
diff_named(struct diff *d, const struct field *f, const struct json *a,
    const struct json *b, enum field_effect effect)
{
	struct map		*in_a = by_identity(a), *in_b = by_identity(b);
	const struct json	*v, *other;

	for (v = json_first(a); v != NULL; v = json_next(v)) {
		other = map_find(in_b, identity(v));
		if (other == NULL || !json_equal(v, other))
			diff_item(d, f, identity(v), v, other, effect);
	}
	for (v = json_first(b); v != NULL; v = json_next(v))
		if (map_find(in_a, identity(v)) == NULL)
			diff_item(d, f, identity(v), NULL, v, effect);
	map_free(in_a);
	map_free(in_b);
}

static void
diff_indexed(struct diff *d, const struct field *f, const struct json *a,
    const struct json *b, enum field_effect effect)
{
	const struct json	*va = json_first(a), *vb = json_first(b);
	char			 id[24];
	size_t			 i;

	for (i = 0; va != NULL || vb != NULL; i++) {
		snprintf(id, sizeof id, "%zu", i);
		if (!json_equal(va, vb))
			diff_item(d, f, id, va, vb, effect);
		va = va == NULL ? NULL : json_next(va);
		vb = vb == NULL ? NULL : json_next(vb);
	}
}

static void
diff_value(struct diff *d, const struct field *f, const struct json *a,
    const struct json *b, enum field_effect effect)
{
	if (json_equal(a, b))
		return;
	switch (f->type) {
	case FIELD_OBJECT:
		diff_object(d, f->fields, a, b);
		break;
	case FIELD_MAP:
		diff_map(d, a, b, effect);
		break;
	case FIELD_LIST:
		if (f->item == FIELD_STRING || field_items_named(f))
			diff_named(d, f, a, b, effect);
		else
			diff_indexed(d, f, a, b, effect);
		break;
	default:
		add_change(d, a, b, effect);
	}
}

void
resource_diff(const struct resource *from, const struct resource *to,
    struct field_changes *out)
{
	static const char *const parts[] = { "labels", "annotations" };
	const struct resource	*one = from != NULL ? from : to;
	const struct json	*meta_a = from == NULL ? NULL : from->metadata;
	const struct json	*meta_b = to == NULL ? NULL : to->metadata;
	struct diff		 d = { .out = out };
	size_t			 i, mark;

	if (one == NULL)
		return;
	for (i = 0; i < NELEM(parts); i++) {
		mark = push(&d, "metadata.%s", parts[i]);
		diff_map(&d, json_get(meta_a, parts[i]),
		    json_get(meta_b, parts[i]), EFFECT_NONE);
		pop(&d, mark);
	}
	mark = push(&d, "%s", "spec");
	diff_object(&d, one->kind->spec, from == NULL ? NULL : from->spec,
	    to == NULL ? NULL : to->spec);
	pop(&d, mark);
	buf_release(&d.path);
}

void
field_changes_release(struct field_changes *c)
{
	size_t	i;

	for (i = 0; i < c->n; i++) {
		free(c->v[i].path);
		free(c->v[i].from);
		free(c->v[i].to);
	}
	free(c->v);
	memset(c, 0, sizeof *c);
}
