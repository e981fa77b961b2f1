/*
 * The plan in words, short enough for a phone.  Values come from outside: they
 * are put on one line and cut, before anybody sees them.
 */
#include "hiclaw/plan.h"

#include <stdlib.h>
#include <string.h>

#define VALUE_MAX	60	/* characters of one value */
#define CHANGES_MAX	3	/* of one object, on its line */
#define ARROW		" \xe2\x86\x92 "
#define ELLIPSIS	"\xe2\x80\xa6"

static const char *const verbs[] = {
	[STEP_CREATE] = "create", [STEP_UPDATE] = "change",
	[STEP_DELETE] = "delete",
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

/* "12", "-3", "245 bytes": a measure, not somebody's words. */
static bool
is_measure(const char *s)
{
	s += *s == '-';
	if (*s < '0' || *s > '9')
		return false;
	s += strspn(s, "0123456789");
	return *s == '\0' || strcmp(s, " bytes") == 0;
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
	const char *quote = is_measure(s) ? "" : "\"";

	if (newline != NULL && newline[1] != '\0') {
		buf_printf(b, "%zu lines", line_count(s));
		return;
	}
	buf_puts(b, quote);
	put_cut(b, s);
	buf_puts(b, quote);
}

/* The user of "member @ann:example.org", or NULL. */
static const char *
member_of(const struct change *c)
{
	return str_starts(c->what, "member ") ? c->what + strlen("member ") :
	    NULL;
}

/* The change of power that comes with a change of membership, or NULL. */
static const struct change *
power_of(const struct changes *cs, const char *user)
{
	size_t i;

	for (i = 0; i < cs->n; i++)
		if (str_starts(cs->v[i].what, "power ") &&
		    strcmp(cs->v[i].what + strlen("power "), user) == 0)
			return &cs->v[i];
	return NULL;
}

/* Told already with who comes or goes? */
static bool
is_told(const struct changes *cs, const struct change *c)
{
	const char *user;
	size_t i;

	for (i = 0; i < cs->n; i++) {
		user = member_of(&cs->v[i]);
		if (user != NULL && (cs->v[i].from == NULL ||
		    cs->v[i].to == NULL) && power_of(cs, user) == c)
			return true;
	}
	return false;
}

/* A name out of a desired or observed form: cut like any value. */
static void
put_change(struct buf *b, const struct changes *cs, const struct change *c)
{
	const char *user = member_of(c);
	const struct change *power;

	if (str_starts(c->what, "consumer ") &&
	    (c->from == NULL) != (c->to == NULL)) {
		buf_puts(b, c->from == NULL ? "add " : "remove ");
		put_cut(b, c->what + strlen("consumer "));
		return;
	}

	if (user != NULL && (c->from == NULL || c->to == NULL)) {
		buf_puts(b, c->from == NULL ? "add " : "remove ");
		put_cut(b, user);
		power = c->from == NULL ? power_of(cs, user) : NULL;
		if (power != NULL && power->to != NULL) {
			buf_puts(b, " (power ");
			put_cut(b, power->to);
			buf_putc(b, ')');
		}
		return;
	}
	put_cut(b, c->what);
	if (c->from != NULL) {
		buf_putc(b, ' ');
		put_value(b, c->from);
	}
	buf_puts(b, ARROW);
	if (c->to != NULL)
		put_value(b, c->to);
	else
		buf_puts(b, "none");
}

/* --- lines ---------------------------------------------------------------- */

static void
put_note(struct buf *b, const struct step *s)
{
	if (s->note != NULL)
		buf_printf(b, " (%s)", s->note);
}

static char *
step_line(const struct step *s)
{
	const struct changes *cs = &s->changes;
	struct buf b = { 0 };
	char *title = object_title(s->key);
	size_t i, n = 0;

	buf_printf(&b, "%s %s", verbs[s->verb], title);
	put_note(&b, s);
	free(title);
	for (i = 0; i < cs->n; i++) {
		if (is_told(cs, &cs->v[i]) || n++ >= CHANGES_MAX)
			continue;
		buf_puts(&b, n == 1 ? ": " : ", ");
		put_change(&b, cs, &cs->v[i]);
	}
	if (n > CHANGES_MAX)
		buf_printf(&b, ", %zu more", n - CHANGES_MAX);
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

/* Do these two stand on one line?  Only what has no changes to tell. */
static bool
is_alike(const struct step *a, const struct step *b)
{
	size_t n = strcspn(a->key, ":");

	return a->verb == b->verb && a->changes.n == 0 &&
	    b->changes.n == 0 && strncmp(a->key, b->key, n) == 0 &&
	    b->key[n] == ':' && (a->note == b->note ||
	    str_equal(a->note, b->note));
}

/* The step and all after it that are like it; gives how many, and marks them
 * told. */
static size_t
put_group(const struct plan *p, size_t at, size_t names, bool *is_told_of,
    bool *is_cut, struct strv *out)
{
	const struct step *first = &p->steps[at];
	char *title = object_title(first->key);
	struct buf b = { 0 };
	const char *colon;
	size_t n = 1;

	buf_printf(&b, "%s %s", verbs[first->verb], title);
	free(title);
	for (at++; at < p->steps_n; at++) {
		if (is_told_of[at] || !is_alike(first, &p->steps[at]))
			continue;
		is_told_of[at] = true;
		colon = strchr(p->steps[at].key, ':');
		if (n++ < names && colon != NULL)
			buf_printf(&b, ", %s", colon + 1);
	}
	if (n > names) {
		buf_printf(&b, " and %zu more", n - names);
		*is_cut = true;
	}
	put_note(&b, first);
	strv_add(out, buf_str(&b));
	buf_release(&b);
	return n;
}

/* Steps that are alike stand where the first of them does: every agent has its
 * tree and then its files, and nobody wants to read that ten times. */
bool
plan_groups(const struct plan *p, size_t max, size_t names, struct strv *out)
{
	bool *is_told_of = xcalloc(p->steps_n + 1, sizeof(*is_told_of));
	bool is_cut = false;
	size_t i, lines = 0, told = 0;
	char *line;

	for (i = 0; i < p->steps_n && lines < max; i++) {
		if (is_told_of[i])
			continue;
		lines++;
		if (p->steps[i].changes.n == 0) {
			told += put_group(p, i, names, is_told_of, &is_cut,
			    out);
			continue;
		}
		line = step_line(&p->steps[i]);
		strv_add(out, line);
		free(line);
		told++;
	}
	free(is_told_of);
	if (told < p->steps_n) {
		strv_addf(out, "and %zu more", p->steps_n - told);
		is_cut = true;
	}
	return is_cut;
}

/* Texts of field changes are compact already and need no quotes. */
static char *
field_line(const struct plan_resource *r, const struct field_change *f)
{
	bool is_item = str_ends(f->path, "]");
	struct buf b = { 0 };

	buf_printf(&b, "%s %s/%s %s: ", verbs[r->verb], r->kind->name,
	    r->name, f->path);
	if (is_item && f->from == NULL)
		buf_puts(&b, "added");
	else if (is_item && f->to == NULL)
		buf_puts(&b, "removed");
	else {
		if (f->from != NULL)
			put_cut(&b, f->from);
		else
			buf_puts(&b, "none");
		buf_puts(&b, ARROW);
		if (f->to != NULL)
			put_cut(&b, f->to);
		else
			buf_puts(&b, "none");
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
			strv_addf(out, "%s %s/%s", verbs[r->verb],
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
put_count(struct buf *b, size_t n, const char *what)
{
	if (n > 0)
		buf_printf(b, "%s%zu to %s", b->len > 0 ? ", " : "", n, what);
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
	put_count(&b, p->creates, "create");
	put_count(&b, p->updates, "change");
	put_count(&b, p->deletes, "delete");
	if (p->gains > 0)
		buf_printf(&b, "; %zu %s access", p->gains,
		    persons(p->gains, "person gains", "people gain"));
	if (p->losses > 0)
		buf_printf(&b, "; %zu %s access", p->losses,
		    persons(p->losses, "person loses", "people lose"));
	return buf_take(&b);
}
