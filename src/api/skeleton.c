/*
 * A manifest to start from, written from the field tables, so that a new field is
 * in it by its row alone.  What stands there without a "#" can be applied as it
 * is; what would have to exist first stands in a comment.
 */
#include "hiclaw/api.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api-int.h"

#define MEMBER_NAME_MAX	42	/* see NAME_PATTERN */

struct skeleton {
	struct buf	 b;
	const char	*name, *model;
};

static void
put_blanks(struct buf *b, int n)
{
	buf_printf(b, "%*s", n, "");
}

/* "# What it is. One of: a, b. Default: a." */
static void
put_help(struct buf *b, const struct field *f, int blanks)
{
	put_blanks(b, blanks);
	buf_printf(b, "# %s", f->help);
	for (size_t i = 0; f->values != NULL && f->values[i] != NULL; i++)
		buf_printf(b, "%s%s%s", i == 0 ? " One of: " : ", ",
		    f->values[i], f->values[i + 1] == NULL ? "." : "");
	if (f->dflt != NULL)
		buf_printf(b, " Default: %s.", f->dflt);
	buf_putc(b, '\n');
}

/* "web-leader", "web-worker": by what it is of. */
static void
put_member_name(struct skeleton *s, const char *what)
{
	size_t n = strlen(what), room;

	n -= what[n - 1] == 's';
	room = MEMBER_NAME_MAX - 1 - n;
	buf_printf(&s->b, "%.*s-%.*s", (int)room, s->name, (int)n, what);
}

static void
put_scalar(struct skeleton *s, const struct field *f, const char *what)
{
	if (strcmp(f->name, "name") == 0 && what != NULL)
		put_member_name(s, what);
	else if (strcmp(f->name, "name") == 0)
		buf_puts(&s->b, s->name);
	else if (strcmp(f->name, "model") == 0 && s->model != NULL)
		buf_puts(&s->b, s->model);
	else
		buf_puts(&s->b, f->example != NULL ? f->example : "\"\"");
	buf_putc(&s->b, '\n');
}

/*
 * The rows; `what` is the field they are of, or NULL.  In a list the first of
 * them stands behind its dash.
 */
static void
put_rows(struct skeleton *s, const struct field *rows, const char *what,
    int blanks, bool is_item)
{
	bool is_first = is_item;

	for (const struct field *f = rows; f->name != NULL; f++) {
		bool is_hint = !f->required && f->shown == SHOWN_HINT;
		int at = is_first ? blanks - 2 : blanks;

		if (!f->required && f->shown == SHOWN_NOT)
			continue;
		put_help(&s->b, f, at);
		put_blanks(&s->b, at);
		if (is_hint) {
			buf_printf(&s->b, "# %s: %s\n", f->name, f->example);
			continue;
		}
		buf_printf(&s->b, "%s%s:", is_first ? "- " : "", f->name);
		is_first = false;
		if (f->fields == NULL) {
			buf_putc(&s->b, ' ');
			put_scalar(s, f, what);
			continue;
		}
		buf_putc(&s->b, '\n');
		/* Items stand at the level of their key. */
		put_rows(s, f->fields, f->name, blanks + 2,
		    f->type == FIELD_LIST);
	}
}

char *
api_skeleton(const struct kind *kind, const char *name, const char *model)
{
	struct skeleton s = { .name = name, .model = model };

	buf_init(&s.b, 0);
	buf_printf(&s.b, "# %s\napiVersion: %s\nkind: %s\nmetadata:\n",
	    kind->help, API_VERSION, kind->name);
	put_rows(&s, metadata_fields, NULL, 2, false);
	buf_puts(&s.b, "spec:\n");
	put_rows(&s, kind->spec, NULL, 2, false);
	return buf_take(&s.b);
}

char *
api_skeleton_member(const char *name, const char *model, int blanks)
{
	struct skeleton s = { .name = name, .model = model };

	buf_init(&s.b, 0);
	put_rows(&s, team_worker_fields, NULL, blanks + 2, true);
	return buf_take(&s.b);
}
