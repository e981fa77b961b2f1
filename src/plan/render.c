/*
 * The plan in words, short enough for a phone.  Values come from outside: they
 * are put on one line and cut, before anybody sees them.
 */
#include "hiclaw/plan.h"

#include <stdlib.h>
#include <string.h>

#define VALUE_MAX	60	/* characters of one value */
#define CHANGES_MAX	3	/* of one object, on its line */
#define ELLIPSIS	"\xe2\x80\xa6"

static const char signs[] = {
	[STEP_CREATE] = '+', [STEP_UPDATE] = '~', [STEP_DELETE] = '-',
};

char *
object_title(const char *key)
{
	char *title = xstrdup(key), *colon = strchr(title, ':');

	if (colon != NULL)
		*colon = ' ';
	return title;
}

/* --- values --------------------------------------------------------------- */

static size_t
line_count(const char *s)
{
	size_t n = 0;

	for (; *s != '\0'; s++)
		n += *s == '\n' || s[1] == '\0';
	return n;
}

static bool
is_number(const char *s)
{
	s += *s == '-';
	return *s != '\0' && s[strspn(s, "0123456789")] == '\0';
}

/* At most VALUE_MAX characters, none of which moves the cursor. */
static void
put_cut(struct buf *b, const char *s)
{
	size_t n = 0;

	for (; *s != '\0'; s++) {
		if (((unsigned char)*s & 0xc0) != 0x80 && n++ == VALUE_MAX) {
			buf_puts(b, ELLIPSIS);
			return;
		}
		buf_putc(b, (unsigned char)*s < ' ' || *s == 0x7f ? ' ' : *s);
	}
}

static void
put_value(struct buf *b, const char *s)
{
	const char *newline = strchr(s, '\n');
	const char *quote = is_number(s) ? "" : "\"";

	if (newline != NULL && newline[1] != '\0') {
		buf_printf(b, "%zu lines", line_count(s));
		return;
	}
	buf_puts(b, quote);
	put_cut(b, s);
	buf_puts(b, quote);
}

/* A name out of a desired or observed form: cut like any value. */
static void
put_change(struct buf *b, const struct change *c)
{
	bool is_member = str_starts(c->what, "member ");

	if (is_member && c->from == NULL)
		buf_puts(b, "+ ");
	if (is_member && c->to == NULL)
		buf_puts(b, "- ");
	put_cut(b, c->what);
	if (is_member && (c->from == NULL || c->to == NULL))
		return;
	if (c->from != NULL) {
		buf_putc(b, ' ');
		put_value(b, c->from);
	}
	if (c->to != NULL) {
		buf_puts(b, " -> ");
		put_value(b, c->to);
	} else
		buf_puts(b, " removed");
}

/* --- lines ---------------------------------------------------------------- */

static char *
step_line(const struct step *s)
{
	struct buf b = { 0 };
	char *title = object_title(s->key);
	size_t i;

	buf_printf(&b, "%c %s", signs[s->verb], title);
	free(title);
	for (i = 0; i < s->changes.n && i < CHANGES_MAX; i++) {
		buf_puts(&b, i == 0 ? ": " : ", ");
		put_change(&b, &s->changes.v[i]);
	}
	if (s->changes.n > CHANGES_MAX)
		buf_printf(&b, ", %zu more", s->changes.n - CHANGES_MAX);
	return buf_take(&b);
}

void
plan_lines(const struct plan *p, size_t max, struct strv *out)
{
	char *line;
	size_t i;

	for (i = 0; i < p->steps_n && i < max; i++) {
		line = step_line(&p->steps[i]);
		strv_add(out, line);
		free(line);
	}
	if (p->steps_n > max)
		strv_addf(out, "and %zu more", p->steps_n - max);
}

/* Texts of field changes are compact already and need no quotes. */
static char *
field_line(const struct plan_resource *r, const struct field_change *f)
{
	bool is_item = str_ends(f->path, "]");
	struct buf b = { 0 };

	buf_printf(&b, "%c %s/%s  %s: ", signs[r->verb], r->kind->name,
	    r->name, f->path);
	if (is_item && f->from == NULL)
		buf_puts(&b, "added");
	else if (is_item && f->to == NULL)
		buf_puts(&b, "removed");
	else {
		if (f->from != NULL)
			put_cut(&b, f->from);
		else
			buf_puts(&b, "(none)");
		buf_puts(&b, " -> ");
		if (f->to != NULL)
			put_cut(&b, f->to);
		else
			buf_puts(&b, "(none)");
	}
	return buf_take(&b);
}

void
plan_resource_lines(const struct plan *p, size_t max, struct strv *out)
{
	const struct plan_resource *r;
	size_t i, k, n = 0;
	char *line;

	for (i = 0; i < p->resources_n; i++) {
		r = &p->resources[i];
		if (r->verb != STEP_UPDATE && n++ < max)
			strv_addf(out, "%c %s/%s", signs[r->verb],
			    r->kind->name, r->name);
		for (k = 0; k < r->fields.n; k++) {
			if (n++ >= max)
				continue;
			line = field_line(r, &r->fields.v[k]);
			strv_add(out, line);
			free(line);
		}
	}
	if (n > max)
		strv_addf(out, "and %zu more", n - max);
}

/* --- summary -------------------------------------------------------------- */

static void
put_count(struct buf *b, const char *before, size_t n, const char *what)
{
	buf_puts(b, before);
	if (n == 0)
		buf_puts(b, "none");
	else
		buf_printf(b, "%zu", n);
	buf_puts(b, what);
}

static const char *
persons(size_t n, const char *one, const char *many)
{
	return n == 1 ? one : many;
}

char *
plan_summary(const struct plan *p)
{
	struct buf b = { 0 };

	if (plan_is_empty(p))
		return xstrdup("nothing to do");
	if (p->steps_n == 0)
		return xstrdup("nothing outside changes");
	put_count(&b, "", p->creates, " to create");
	put_count(&b, ", ", p->updates, " to update");
	put_count(&b, ", ", p->deletes, " to delete");
	if (p->gains > 0)
		buf_printf(&b, "; %zu %s access", p->gains,
		    persons(p->gains, "person gains", "people gain"));
	if (p->losses > 0)
		buf_printf(&b, "; %zu %s access", p->losses,
		    persons(p->losses, "person loses", "people lose"));
	return buf_take(&b);
}
