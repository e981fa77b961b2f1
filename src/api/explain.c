/*
 * `explain`: what the field tables say, in lines short enough for a phone.
 */
#include "hiclaw/api.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api-int.h"

#define WIDTH	66
#define LABEL	"%-9s "
#define INDENT	10

/* Words from the given column on, later lines indented as far. */
static void
put_wrapped(struct buf *b, const char *text, size_t indent)
{
	size_t	column = indent, len;

	while (*text != '\0') {
		len = strcspn(text, " ");
		if (column + len > WIDTH && column > indent) {
			buf_printf(b, "\n%*s", (int)indent, "");
			column = indent;
		} else if (column > indent) {
			buf_putc(b, ' ');
			column++;
		}
		buf_add(b, text, len);
		column += len;
		text += len;
		while (*text == ' ')
			text++;
	}
	buf_putc(b, '\n');
}

static void PRINTF(3, 4)
put_row(struct buf *b, const char *label, const char *fmt, ...)
{
	va_list	 ap;
	char	*text;

	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	buf_printf(b, LABEL, label);
	put_wrapped(b, text, INDENT);
	free(text);
}

static void
put_values(struct buf *b, const struct field *f)
{
	struct buf	list;
	size_t		i;

	if (f->values == NULL)
		return;
	buf_init(&list, 0);
	for (i = 0; f->values[i] != NULL; i++)
		buf_printf(&list, "%s%s", i > 0 ? ", " : "", f->values[i]);
	put_row(b, "VALUES", "%s", buf_str(&list));
	buf_release(&list);
}

static void
put_range(struct buf *b, const struct field *f)
{
	const char	*what = "characters";

	if (f->max == 0)
		return;
	if (f->type == FIELD_INT) {
		put_row(b, "RANGE", "%" PRId64 " to %" PRId64, f->min, f->max);
		return;
	}
	if (f->type == FIELD_LIST)
		what = "items";
	else if (f->type == FIELD_MAP)
		what = "entries";
	if (f->min > 0)
		put_row(b, "LENGTH", "%" PRId64 " to %" PRId64 " %s", f->min,
		    f->max, what);
	else
		put_row(b, "LENGTH", "at most %" PRId64 " %s", f->max, what);
}

static void
put_pattern(struct buf *b, const struct field *f)
{
	if (f->pattern == NULL)
		return;
	if (strcmp(f->pattern, NAME_PATTERN) == 0)
		put_row(b, "FORM", "at most 42 of a-z, 0-9 and -, not first, "
		    "not last");
	else if (strcmp(f->pattern, MXID_PATTERN) == 0)
		put_row(b, "FORM", "@name:server");
	else
		put_row(b, f->type == FIELD_MAP ? "KEYS" : "FORM", "%s",
		    f->pattern);
}

static void
put_fields(struct buf *b, const struct field *rows)
{
	const struct field	*f;

	if (rows == NULL)
		return;
	buf_puts(b, "FIELDS\n");
	for (f = rows; f->name != NULL; f++) {
		buf_printf(b, "  %s  %s%s\n    ", f->name,
		    field_type_word(f), f->required ? ", required" : "");
		put_wrapped(b, f->help, 4);
	}
}

static void
put_field(struct buf *b, const struct field *f, bool is_status)
{
	put_row(b, "TYPE", "%s%s", field_type_word(f),
	    f->required ? ", required" : "");
	put_row(b, "MEANING", "%s", f->help);
	if (f->dflt != NULL)
		put_row(b, "DEFAULT", "%s", f->dflt);
	put_values(b, f);
	put_range(b, f);
	put_pattern(b, f);
	if (!is_status)
		put_row(b, "CHANGE", "%s", f->immutable ?
		    "none: it cannot change once set" :
		    field_effect_phrase(f->effect));
	if (f->example != NULL)
		put_row(b, "EXAMPLE", "%s: %s", f->name, f->example);
	put_fields(b, f->fields);
}

static void
put_kind(struct buf *b, const struct kind *k)
{
	put_row(b, "VERSION", "%s", API_VERSION);
	put_row(b, "NAMES", "%s, %s, %s", k->singular, k->plural,
	    k->shortname);
	put_row(b, "MEANING", "%s", k->help);
	buf_puts(b, "PARTS\n");
	buf_printf(b, "  metadata  name, labels, annotations\n"
	    "  spec      what you declare: explain %s.spec\n"
	    "  status    what was observed: explain %s.status\n",
	    k->singular, k->singular);
}

/* --- finding the row ----------------------------------------------------- */

/* The next step of the path without its "[...]"; false at the end. */
static bool
next_step(const char **path, char *step, size_t size)
{
	size_t	len;

	while (**path == '.')
		(*path)++;
	if (**path == '\0')
		return false;
	len = strcspn(*path, ".[");
	snprintf(step, size, "%.*s", (int)len, *path);
	*path += len;
	*path += strcspn(*path, ".");
	return true;
}

static int
no_field(struct err *e, const char *path, const char *step,
    const struct field *rows)
{
	const char	*near = rows == NULL ? NULL : field_nearest(rows, step);

	if (near != NULL)
		return err_set(e, ERR_USER, "%s has no field \"%.64s\"; did "
		    "you mean \"%s\"?", path, step, near);
	if (rows == NULL)
		return err_set(e, ERR_USER, "%s has no fields", path);
	return err_set(e, ERR_USER, "%s has no field \"%.64s\"; explain %s "
	    "lists them", path, step, path);
}

struct place_in_api {
	const struct kind	*kind;
	const struct field	*field;		/* NULL: a whole part */
	const struct field	*rows;		/* below it */
	const char		*part;		/* "spec"; NULL: the kind */
	struct buf		 path;		/* "team.spec.leader" */
};

static int
find_part(struct place_in_api *p, const char **path, char *step, size_t size,
    struct err *e)
{
	static const struct field parts[] = {
		{ .name = "metadata" }, { .name = "spec" },
		{ .name = "status" }, { .name = NULL }
	};
	const struct field	*part = field_find_any(parts, step);

	if (part == NULL && field_find_any(p->kind->spec, step) == NULL) {
		if (field_nearest(p->kind->spec, step) != NULL)
			return no_field(e, buf_str(&p->path), step,
			    p->kind->spec);
		return no_field(e, buf_str(&p->path), step, parts);
	}
	/* "worker.model" means "worker.spec.model". */
	p->part = part == NULL ? "spec" : part->name;
	p->rows = strcmp(p->part, "spec") == 0 ? p->kind->spec :
	    strcmp(p->part, "status") == 0 ? p->kind->status :
	    metadata_fields;
	buf_printf(&p->path, ".%s", p->part);
	if (part != NULL && !next_step(path, step, size))
		step[0] = '\0';
	return 0;
}

static int
find_place(struct place_in_api *p, const char *path, struct err *e)
{
	const char	*near;
	char		 step[80];

	if (!next_step(&path, step, sizeof step))
		return err_set(e, ERR_USER, "explain what? The kinds are "
		    "worker, team, human and manager");
	if ((p->kind = kind_find(step)) == NULL) {
		near = str_nearest(step, kind_words());
		if (near == NULL)
			return err_set(e, ERR_USER, "no kind \"%.64s\"; the "
			    "kinds are worker, team, human and manager", step);
		return err_set(e, ERR_USER, "no kind \"%.64s\"; did you mean "
		    "\"%s\"?", step, kind_find(near)->singular);
	}
	buf_puts(&p->path, p->kind->singular);
	if (!next_step(&path, step, sizeof step))
		return 0;
	if (find_part(p, &path, step, sizeof step, e) != 0)
		return -1;
	while (step[0] != '\0') {
		p->field = field_find_any(p->rows, step);
		if (p->field == NULL)
			return no_field(e, buf_str(&p->path), step, p->rows);
		buf_printf(&p->path, ".%s", p->field->name);
		p->rows = p->field->fields;
		if (!next_step(&path, step, sizeof step))
			break;
	}
	return 0;
}

char *
api_explain(const char *path, struct err *e)
{
	struct place_in_api	 p = { .kind = NULL };
	struct buf		 b;
	char			*text = NULL;

	buf_init(&b, 0);
	if (find_place(&p, path, e) != 0)
		goto out;
	put_row(&b, "KIND", "%s", p.kind->name);
	if (p.part == NULL) {
		put_kind(&b, p.kind);
	} else {
		put_row(&b, "FIELD", "%s", strchr(buf_str(&p.path), '.') + 1);
		if (p.field != NULL)
			put_field(&b, p.field, strcmp(p.part, "status") == 0);
		else
			put_fields(&b, p.rows);
	}
	text = buf_take(&b);
out:
	buf_release(&b);
	buf_release(&p.path);
	return text;
}
