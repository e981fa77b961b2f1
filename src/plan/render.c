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

/* "12", "-3", "245 bytes", "allowed", "generated (takes a restart)": what cannot
 * be taken for more than one value. */
static bool
is_plain(const char *s)
{
	s += *s == '-';
	if (*s == '\0' || *s == ' ')
		return false;
	s += strspn(s, "0123456789");
	return strspn(s, "abcdefghijklmnopqrstuvwxyz ()") == strlen(s);
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
	const char *quote = is_plain(s) ? "" : "\"";

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
	    a->key[n] == ':' && b->key[n] == ':' && (a->note == b->note ||
	    str_equal(a->note, b->note));
}

/* Names that stand together: each rest in each of the homes. */
struct cluster { struct strv homes, rests; };
struct clusters { struct cluster *v; size_t n; };

/* "agents/dora" of "agents/dora/config/x.json": what many names begin with. */
static size_t
home_len(const char *name)
{
	const char *slash = strchr(name, '/');

	if (slash != NULL)
		slash = strchr(slash + 1, '/');
	return slash != NULL ? (size_t)(slash - name) : 0;
}

/* The one with this rest; NULL: that of names without a home.  There are as
 * few as an agent has files. */
static struct cluster *
cluster_get(struct clusters *cs, const char *rest)
{
	struct cluster *c;

	for (c = cs->v; c != NULL && c < cs->v + cs->n; c++)
		if (rest == NULL ? c->homes.n == 0 : c->homes.n > 0 &&
		    strcmp(c->rests.v[0], rest) == 0)
			return c;
	cs->v = xreallocarray(cs->v, cs->n + 1, sizeof(*cs->v));
	c = &cs->v[cs->n++];
	memset(c, 0, sizeof(*c));
	if (rest != NULL)
		strv_add(&c->rests, rest);
	return c;
}

static void
cluster_add(struct clusters *cs, const char *name)
{
	size_t n = home_len(name);

	if (n > 0)
		strv_addf(&cluster_get(cs, name + n + 1)->homes, "%.*s",
		    (int)n, name);
	else
		strv_add(&cluster_get(cs, NULL)->rests, name);
}

static bool
is_same(const struct strv *a, const struct strv *b)
{
	size_t i;

	for (i = 0; i < a->n && i < b->n && strcmp(a->v[i], b->v[i]) == 0; i++)
		;
	return i == a->n && i == b->n;
}

/* What is in the same homes goes to the first of them. */
static void
clusters_merge(struct clusters *cs)
{
	size_t i, k, n = 0;

	for (i = 0; i < cs->n; i++) {
		/* Deletes come in another order for each file. */
		strv_sort(&cs->v[i].homes);
		for (k = 0; k < n; k++)
			if (is_same(&cs->v[k].homes, &cs->v[i].homes))
				break;
		if (k == n) {
			cs->v[n++] = cs->v[i];
			continue;
		}
		strv_add(&cs->v[k].rests, cs->v[i].rests.v[0]);
		strv_release(&cs->v[i].homes);
		strv_release(&cs->v[i].rests);
	}
	cs->n = n;
}

static void
clusters_release(struct clusters *cs)
{
	size_t i;

	for (i = 0; i < cs->n; i++) {
		strv_release(&cs->v[i].homes);
		strv_release(&cs->v[i].rests);
	}
	free(cs->v);
}

/* Does it lie where the one before it does?  Then only its own name counts. */
static const char *
home_name(const char *home, const char *before)
{
	size_t n = strcspn(home, "/") + 1;

	return before != NULL && strncmp(home, before, n) == 0 ? home + n :
	    home;
}

static void
put_names(struct buf *b, const struct strv *names, size_t max, bool are_homes)
{
	const char *before = NULL;
	size_t i;

	for (i = 0; i < names->n && i < max; i++) {
		buf_printf(b, "%s%s", i > 0 ? ", " : "", are_homes ?
		    home_name(names->v[i], before) : names->v[i]);
		before = names->v[i];
	}
	if (names->n > max)
		buf_printf(b, " and %zu more", names->n - max);
}

static void
put_cluster(struct buf *b, const struct cluster *c, size_t max)
{
	if (c->homes.n > 0) {
		put_names(b, &c->homes, max, true);
		buf_puts(b, c->homes.n + c->rests.n == 2 ? "/" : ": ");
	}
	put_names(b, &c->rests, max, false);
}

void
names_fold(const struct strv *names, size_t max, struct strv *out)
{
	struct clusters cs = { 0 };
	struct buf b = { 0 };
	size_t i;

	for (i = 0; i < names->n; i++)
		cluster_add(&cs, names->v[i]);
	clusters_merge(&cs);
	for (i = 0; i < cs.n; i++) {
		buf_reset(&b);
		put_cluster(&b, &cs.v[i], max);
		strv_add(out, buf_str(&b));
	}
	buf_release(&b);
	clusters_release(&cs);
}

/* The lines of a plan while they are put together. */
struct line { char *text; size_t steps; bool is_cut; };
struct lines { struct line *v; size_t n, names; };

static struct line *
line_add(struct lines *l)
{
	l->v = xreallocarray(l->v, l->n + 1, sizeof(*l->v));
	l->v[l->n] = (struct line){ .steps = 1 };
	return &l->v[l->n++];
}

static void
line_of(const struct step *first, const struct cluster *c, struct lines *out)
{
	struct line *line = line_add(out);
	struct buf b = { 0 };

	buf_printf(&b, "%s %.*s ", verbs[first->verb],
	    (int)strcspn(first->key, ":"), first->key);
	put_cluster(&b, c, out->names);
	put_note(&b, first);
	line->text = buf_take(&b);
	line->steps = (c->homes.n > 0 ? c->homes.n : 1) * c->rests.n;
	line->is_cut = c->homes.n > out->names || c->rests.n > out->names;
}

/* The step and all after it that are like it, which are marked told. */
static void
put_group(const struct plan *p, size_t at, bool *is_told_of, struct lines *out)
{
	const struct step *first = &p->steps[at];
	struct clusters cs = { 0 };
	size_t i;

	for (i = at; i < p->steps_n; i++) {
		if (is_told_of[i] || !is_alike(first, &p->steps[i]))
			continue;
		is_told_of[i] = true;
		cluster_add(&cs, strchr(p->steps[i].key, ':') + 1);
	}
	clusters_merge(&cs);
	for (i = 0; i < cs.n; i++)
		line_of(first, &cs.v[i], out);
	clusters_release(&cs);
}

static void
put_all(const struct plan *p, struct lines *out)
{
	bool *is_told_of = xcalloc(p->steps_n + 1, sizeof(*is_told_of));
	size_t i;

	for (i = 0; i < p->steps_n; i++) {
		if (is_told_of[i])
			continue;
		if (is_alike(&p->steps[i], &p->steps[i]))
			put_group(p, i, is_told_of, out);
		else
			line_add(out)->text = step_line(&p->steps[i]);
	}
	free(is_told_of);
}

/* Steps that are alike stand where the first of them does: every agent has its
 * tree and then its files, and nobody wants to read that ten times. */
bool
plan_groups(const struct plan *p, size_t max, size_t names, struct strv *out)
{
	struct lines all = { .names = names };
	bool is_cut = false;
	size_t i, more = 0;

	put_all(p, &all);
	/* "and 1 more" would take the line that the last one needs. */
	if (all.n == max + 1)
		max++;
	for (i = 0; i < all.n; i++) {
		if (i < max) {
			strv_add(out, all.v[i].text);
			is_cut |= all.v[i].is_cut;
		} else
			more += all.v[i].steps;
		free(all.v[i].text);
	}
	free(all.v);
	if (more > 0)
		strv_addf(out, "and %zu more", more);
	return is_cut || more > 0;
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
