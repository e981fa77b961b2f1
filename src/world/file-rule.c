/*
 * What a file of an agent shall contain: its rule, applied to what is there.
 * Pure, and safe against any bytes in the present file.
 *
 * Markers count only alone on their line, and a section has no other marker
 * inside; so texts may quote markers.  Of each name the first section is ours,
 * wherever it stands.  A section whose name the desired text lacks is one that
 * was ours.  All other bytes are kept, in their order.
 */
#include "hiclaw/file-rule.h"

#include <stdlib.h>
#include <string.h>

#include "hiclaw/secure.h"

#define PART_START	"<!-- hiclaw-"
#define KEPT_MAX	1000		/* members of an object that are kept */
#define FOUND_MAX	(128 * 1024)	/* bytes of what somebody made of a file: no
					 * field holds more */
#define CONTEXT		2		/* unchanged lines around a change */
#define DIFF_CELLS	(1024 * 1024)	/* of the table that compares lines */
#define REPLACEMENT	"\xef\xbf\xbd"	/* U+FFFD */

/* --- contents of a desired form ------------------------------------------- */

/* NULL with ERR_RETRY; borrowed. */
static const char *
secret_find(const struct json *secrets, const char *name, struct err *e)
{
	const char *s = json_str(secrets, name);

	if (s == NULL)
		err_set(e, ERR_RETRY, "%s is not there yet", name);
	return s;
}

static char *
text_render(const struct json *text, const struct json *secrets,
    struct err *e)
{
	const struct json *v;
	const char *s;
	struct buf b = { .max = SIZE_MAX / 2 };

	if (json_value_str(text) != NULL)
		return xstrdup(json_value_str(text));
	for (v = json_first(text); v != NULL; v = json_next(v)) {
		if (json_is(v, JSON_NULL))
			s = "unknown";
		else if (json_str(v, "$secret") != NULL)
			s = secret_find(secrets, json_str(v, "$secret"), e);
		else if ((s = json_value_str(v)) == NULL)
			err_set(e, ERR_USER,
			    "a text is made of strings and references");
		if (s == NULL) {
			secret_free(buf_take(&b));
			return NULL;
		}
		buf_puts(&b, s);
	}
	return buf_take(&b);
}

/* A copy with the secrets in their places; for json_wipe. */
static struct json *
tree_fill(const struct json *v, const struct json *secrets, struct err *e)
{
	const char *name = json_str(v, "$secret"), *s;
	struct json *out, *filled;
	const struct json *m;

	if (name != NULL) {
		s = secret_find(secrets, name, e);
		return s == NULL ? NULL : json_stringf("%s%s",
		    json_strd(v, "before", ""), s);
	}
	if (!json_is(v, JSON_OBJECT) && !json_is(v, JSON_ARRAY))
		return json_copy(v);
	out = json_is(v, JSON_OBJECT) ? json_object() : json_array();
	for (m = json_first(v); m != NULL; m = json_next(m)) {
		if ((filled = tree_fill(m, secrets, e)) == NULL) {
			json_wipe(out);
			return NULL;
		}
		if (json_key(m) != NULL)
			json_set(out, json_key(m), filled);
		else
			json_push(out, filled);
	}
	return out;
}

/* Pretty, with keys in order: what was merged looks as if it was made so. */
static char *
tree_text(const struct json *v)
{
	char *plain = json_canonical(v), *text;
	struct json *sorted = json_must(plain);
	struct buf b = { .max = SIZE_MAX / 2 };

	secret_free(plain);
	text = json_pretty(sorted);
	json_wipe(sorted);
	buf_puts(&b, text);
	buf_putc(&b, '\n');
	secret_free(text);
	return buf_take(&b);
}

/* --- sections between markers ----------------------------------------------- */

#define PARTS_MAX	4
static const struct part {
	const char	*start, *end;
} parts[] = {
	{ BUILTIN_START, BUILTIN_END },
	{ SPEC_START, SPEC_END },
	{ TEAM_START, TEAM_END },
};
_Static_assert(NELEM(parts) <= PARTS_MAX, "more parts than counted for");

/* Which marker is the line: 2 * part, + 1 for an end; or -1. */
static int
marker_of(const char *line, size_t len)
{
	const char *marker;
	size_t i;

	while (len > 0 && strchr(" \t\r\n", line[len - 1]) != NULL &&
	    line[len - 1] != '\0')
		len--;
	if (len < strlen(PART_START) ||
	    memcmp(line, PART_START, strlen(PART_START)) != 0)
		return -1;
	for (i = 0; i < 2 * NELEM(parts); i++) {
		marker = i % 2 == 0 ? parts[i / 2].start : parts[i / 2].end;
		if (strlen(marker) == len && memcmp(marker, line, len) == 0)
			return (int)i;
	}
	return -1;
}

/* Sections that have begun and not ended, in the text that is kept so far. */
struct open_section { size_t at; int part; };
struct cutter {
	struct buf	 kept;
	struct open_section *open;
	size_t		 n, cap;
	bool		 wanted[PARTS_MAX];	/* the desired text has it */
	bool		 taken[PARTS_MAX];	/* its first one was cut */
	bool		 has_cut;
	size_t		 at;		/* in kept: where the first one was */
	int		 copied;	/* the part that is copied as it is cut */
	struct buf	*copy;		/* to here; or NULL */
};

static void
section_begins(struct cutter *c, int part)
{
	if (c->n == c->cap) {
		c->cap = c->cap == 0 ? 8 : c->cap * 2;
		c->open = xreallocarray(c->open, c->cap, sizeof(c->open[0]));
	}
	c->open[c->n++] = (struct open_section){ c->kept.len, part };
}

/* What stood around a section of ours is no section: they have none inside. */
static void
drop_around(struct cutter *c)
{
	size_t i, n = 0;

	for (i = 0; i < c->n; i++)
		if (!c->wanted[c->open[i].part])
			c->open[n++] = c->open[i];
	c->n = n;
}

/* The line that ends it is not kept yet; true if the section was cut. */
static bool
section_ends(struct cutter *c, int part)
{
	if (c->n == 0 || c->open[c->n - 1].part != part) {
		c->n = 0;	/* no section has this inside */
		return false;
	}
	c->n--;
	if (c->wanted[part] && c->taken[part])
		return false;
	c->taken[part] = true;
	if (c->copy != NULL && part == c->copied)
		buf_add(c->copy, c->kept.data + c->open[c->n].at,
		    c->kept.len - c->open[c->n].at);
	c->kept.len = c->open[c->n].at;
	if (!c->has_cut || c->at > c->kept.len)
		c->at = c->kept.len;
	c->has_cut = true;
	if (c->wanted[part])
		drop_around(c);
	return true;
}

/*
 * Cut out what is ours.  What a cut brings together is looked at as if it had
 * always stood together, so that doing this again finds nothing more.
 */
static void
cut(struct cutter *c, const char *text, size_t len)
{
	const char *end = text + len, *nl;
	size_t n;
	int m;

	for (; text < end; text += n) {
		nl = memchr(text, '\n', (size_t)(end - text));
		n = (size_t)((nl == NULL ? end : nl + 1) - text);
		m = marker_of(text, n);
		if (m >= 0 && m % 2 == 0)
			section_begins(c, m / 2);
		else if (m >= 0 && section_ends(c, m / 2))
			continue;
		buf_add(&c->kept, text, n);
	}
}

static void
cutter_release(struct cutter *c)
{
	buf_release(&c->kept);
	free(c->open);
}

/* The sections of a desired text, which has nothing else. */
static int
parts_of(const char *ours, bool has[PARTS_MAX], struct err *e)
{
	struct cutter c = { .kept = { .max = SIZE_MAX / 2 } };
	bool is_bad;
	size_t i;

	for (i = 0; i < NELEM(parts); i++)
		c.wanted[i] = true;	/* so a second one stays */
	cut(&c, ours, strlen(ours));
	is_bad = c.kept.len > 0 || !c.has_cut || !str_ends(ours, "\n");
	memcpy(has, c.taken, sizeof(c.taken));
	cutter_release(&c);
	return is_bad ? err_set(e, ERR_USER, "a shared text is made of "
	    "sections between markers, each once") : 0;
}

static char *
markers_render(const char *ours, const char *current, size_t len,
    struct err *e)
{
	struct cutter c = { .kept = { .max = SIZE_MAX / 2 } };
	struct buf b = { .max = SIZE_MAX / 2 };
	const char *p, *kept;
	size_t n;

	if (parts_of(ours, c.wanted, e) == -1)
		return NULL;
	if (len < strlen(ours) && memcmp(ours, current, len) == 0)
		return xstrdup(ours);	/* a write that was cut short */
	cut(&c, current, len);
	kept = buf_str(&c.kept);
	buf_add(&b, kept, c.at);
	buf_puts(&b, ours);
	if (!c.has_cut && c.kept.len > 0 && kept[0] != '\n')
		buf_putc(&b, '\n');
	/* A text has no NULs; whatever else there is, is somebody's. */
	for (p = kept + c.at; p < kept + c.kept.len; p += n) {
		n = strnlen(p, (size_t)(kept + c.kept.len - p));
		buf_add(&b, p, n);
		if (p + n < kept + c.kept.len) {
			buf_puts(&b, REPLACEMENT);
			n++;
		}
	}
	cutter_release(&c);
	return buf_take(&b);
}

char *
file_section(const char *text, const char *start)
{
	struct buf copy = { .max = SIZE_MAX / 2 };
	struct cutter c = { .kept = { .max = SIZE_MAX / 2 }, .copy = &copy };
	char *inside = NULL;
	size_t i;

	for (i = 0; i < NELEM(parts); i++) {
		c.wanted[i] = true;
		if (strcmp(parts[i].start, start) == 0)
			c.copied = (int)i;
	}
	cut(&c, text, strlen(text));
	if (c.taken[c.copied])		/* without the marker's line */
		inside = xstrdup(strchr(buf_str(&copy), '\n') + 1);
	buf_release(&copy);
	cutter_release(&c);
	return inside;
}

/* --- files that both sides write --------------------------------------------- */

/* What is there, if it is an object at all; else NULL, which has no members. */
static struct json *
current_tree(const char *current, size_t len)
{
	struct json *v;
	struct err e;

	if (current == NULL || (v = json_parse(current, len, &e)) == NULL)
		return NULL;
	if (json_is(v, JSON_OBJECT))
		return v;
	json_wipe(v);
	return NULL;
}

/* `over` wins wherever it says something. */
static void
merge_deep(struct json *into, const struct json *over)
{
	const struct json *v;
	struct json *mine;
	size_t n = 0;

	for (v = json_first(over); v != NULL && n++ < KEPT_MAX;
	    v = json_next(v)) {
		mine = json_get(into, json_key(v));
		if (json_is(mine, JSON_OBJECT) && json_is(v, JSON_OBJECT))
			merge_deep(mine, v);
		else
			json_set(into, json_key(v), json_copy(v));
	}
}

/* The agent's plugins stay as it has set them; all other keys are ours. */
static void
openclaw_merge(struct json *ours, const struct json *current)
{
	const struct json *entries = json_path(current, "plugins.entries");
	const struct json *paths = json_path(current, "plugins.load.paths"), *v;
	struct json *load, *list;
	size_t n = 0;

	if (json_is(entries, JSON_OBJECT) && json_size(entries) > 0)
		merge_deep(json_obj(json_obj(ours, "plugins"), "entries"),
		    entries);
	if (!json_is(paths, JSON_ARRAY) || json_size(paths) == 0)
		return;
	load = json_obj(json_obj(ours, "plugins"), "load");
	if (!json_is(list = json_get(load, "paths"), JSON_ARRAY))
		list = json_set(load, "paths", json_array());
	for (v = json_first(paths); v != NULL && n++ < KEPT_MAX;
	    v = json_next(v))
		if (json_value_str(v) != NULL &&
		    !json_has_str(list, json_value_str(v)))
			json_push_str(list, json_value_str(v));
}

/* An entry that we once made: it leads to the gateway's servers. */
static bool
is_of_gateway(const struct json *server, const char *origin)
{
	const char *url = json_str(server, "url");

	if (origin == NULL || origin[0] == '\0' || url == NULL ||
	    !str_starts(url, origin))
		return false;
	url += strlen(origin);
	return url[0] == '/' && strstr(url, "/mcp-servers/") != NULL;
}

static void
mcporter_merge(struct json *ours, const struct json *current,
    const char *origin)
{
	struct json *servers = json_obj(ours, "mcpServers");
	const struct json *v;
	size_t n = 0;

	for (v = json_first(current); v != NULL && n++ < KEPT_MAX;
	    v = json_next(v))
		if (json_get(ours, json_key(v)) == NULL)
			json_set(ours, json_key(v), json_copy(v));
	v = json_get(current, "mcpServers");
	if (!json_is(v, JSON_OBJECT))
		return;
	for (v = json_first(v), n = 0; v != NULL && n++ < KEPT_MAX;
	    v = json_next(v))
		if (json_get(servers, json_key(v)) == NULL &&
		    !is_of_gateway(v, origin))
			json_set(servers, json_key(v), json_copy(v));
}

/* Of the names that are there, those that we have too, in their order. */
static void
keep_names(struct json *matrix, const struct json *ours, const char *key)
{
	const struct json *v, *allowed = json_get(ours, key);
	struct json *list = json_array();
	size_t n = 0;

	for (v = json_first(json_get(matrix, key)); v != NULL && n++ < KEPT_MAX;
	    v = json_next(v))
		if (json_value_str(v) != NULL &&
		    json_has_str(allowed, json_value_str(v)))
			json_push_str(list, json_value_str(v));
	json_set(matrix, key, list);
}

/*
 * The file is CoPaw's, and so is all in it but who is heard: the policies are
 * ours, and whom we do not list goes from its two lists, which it only ever adds
 * to.  A file in which nothing of that is wrong stays byte for byte.
 */
static char *
copaw_render(const struct json *ours, const char *current, size_t len)
{
	struct json *there = current_tree(current, len), *matrix;
	const struct json *wanted = json_path(ours, "channels.matrix");
	char *before, *after, *text;

	if (there == NULL)
		return tree_text(ours);
	before = json_canonical(there);
	matrix = json_obj(json_obj(there, "channels"), "matrix");
	json_set(matrix, "dm_policy", json_copy(json_get(wanted, "dm_policy")));
	json_set(matrix, "group_policy", json_copy(json_get(wanted,
	    "group_policy")));
	if (json_get(matrix, "allow_from") != NULL)
		keep_names(matrix, wanted, "allow_from");
	if (json_get(matrix, "group_allow_from") != NULL)
		keep_names(matrix, wanted, "group_allow_from");
	after = json_canonical(there);
	text = strcmp(before, after) == 0 ? xstrndup(current, len) :
	    tree_text(there);
	secret_free(before);
	secret_free(after);
	json_wipe(there);
	return text;
}

static bool
is_merged(const char *rule)
{
	return strcmp(rule, "openclaw") == 0 || strcmp(rule, "mcporter") == 0 ||
	    strcmp(rule, "copaw") == 0;
}

static char *
merged_render(const struct json *desired, struct json *ours,
    const char *current, size_t len)
{
	const char *rule = json_str(desired, "rule");
	struct json *there;

	if (strcmp(rule, "copaw") == 0)
		return copaw_render(ours, current, len);
	there = current_tree(current, len);
	if (strcmp(rule, "openclaw") == 0)
		openclaw_merge(ours, there);
	else
		mcporter_merge(ours, there, json_str(desired, "origin"));
	json_wipe(there);
	return tree_text(ours);
}

/* --- the rules ------------------------------------------------------------- */

static char *
text_by_rule(const struct json *desired, const struct json *secrets,
    const char *current, size_t len, struct err *e)
{
	const char *rule = json_strd(desired, "rule", "");
	char *text = text_render(json_get(desired, "text"), secrets, e), *all;

	if (text == NULL || strcmp(rule, "owned") == 0 ||
	    strcmp(rule, "seed") == 0)
		return text;
	if (strcmp(rule, "markers") != 0) {
		err_set(e, ERR_USER, "no text is made by the rule \"%s\"",
		    rule);
		secret_free(text);
		return NULL;
	}
	if (current == NULL)
		len = 0;
	all = markers_render(text, current != NULL ? current : "", len, e);
	secret_free(text);
	return all;
}

static char *
json_by_rule(const struct json *desired, const struct json *secrets,
    const char *current, size_t len, struct err *e)
{
	const char *rule = json_strd(desired, "rule", "");
	struct json *tree = tree_fill(json_get(desired, "json"), secrets, e);
	char *text = NULL;

	if (tree == NULL)
		return NULL;
	if (strcmp(rule, "owned") == 0 || strcmp(rule, "seed") == 0)
		text = tree_text(tree);
	else if (!is_merged(rule) || !json_is(tree, JSON_OBJECT))
		err_set(e, ERR_USER, "no JSON is made by the rule \"%s\"",
		    rule);
	else
		text = merged_render(desired, tree, current, len);
	json_wipe(tree);
	return text;
}

char *
file_render(const struct json *desired, const struct json *secrets,
    const char *current, size_t current_len, struct err *e)
{
	const struct json *text = json_get(desired, "text");

	/* A seed is for a place where nothing is. */
	if (current != NULL && str_equal(json_str(desired, "rule"), "seed"))
		return xstrndup(current, current_len);
	if (json_is(text, JSON_STRING) || json_is(text, JSON_ARRAY))
		return text_by_rule(desired, secrets, current, current_len, e);
	if (text == NULL && json_get(desired, "json") != NULL)
		return json_by_rule(desired, secrets, current, current_len, e);
	err_set(e, ERR_USER, "a file needs a text or JSON");
	return NULL;
}

/* --- what somebody made of it ------------------------------------------------ */

static bool
has_secret(const struct json *v)
{
	const struct json *m;

	if (json_str(v, "$secret") != NULL)
		return true;
	if (!json_is(v, JSON_OBJECT) && !json_is(v, JSON_ARRAY))
		return false;
	for (m = json_first(v); m != NULL; m = json_next(m))
		if (has_secret(m))
			return true;
	return false;
}

/* What both have; NULL when that is nothing. */
static struct json *
found_tree(const struct json *ours, const struct json *there)
{
	struct json *out, *v;
	const struct json *m;

	if (json_str(ours, "$secret") != NULL || json_is(ours, JSON_ARRAY) ||
	    json_is(there, JSON_ARRAY) || there == NULL)
		return NULL;
	if (!json_is(ours, JSON_OBJECT) || !json_is(there, JSON_OBJECT))
		return json_is(ours, JSON_OBJECT) ||
		    json_is(there, JSON_OBJECT) ? NULL : json_copy(there);
	out = json_object();
	for (m = json_first(ours); m != NULL; m = json_next(m)) {
		v = found_tree(m, json_get(there, json_key(m)));
		json_set(out, json_key(m), v);
	}
	return out;
}

struct json *
file_found(const struct json *desired, const char *current, size_t len)
{
	const struct json *text = json_get(desired, "text");
	struct json *found = json_object(), *there;

	if (len > FOUND_MAX)
		;	/* no resource says that much */
	else if (text == NULL) {
		there = current_tree(current, len);
		json_set(found, "json", found_tree(json_get(desired, "json"),
		    there));
		json_wipe(there);
	} else if (!has_secret(text) && utf8_valid(current, len, NULL))
		json_set_str(found, "text", current);
	if (json_size(found) > 0)
		return found;
	json_free(found);
	return NULL;
}

void
file_source(const struct json *desired, char *dst)
{
	static const char *const asked[] = { "json", "mode", "origin", "rule",
	    "text" };
	struct json *form = json_object();
	char *text;
	size_t i;

	for (i = 0; i < NELEM(asked); i++)
		json_set(form, asked[i], json_copy(json_get(desired,
		    asked[i])));
	text = json_canonical(form);
	sha256_hex(text, strlen(text), dst);
	free(text);
	json_free(form);
}

/* --- differences for people -------------------------------------------------- */

/* What stands for a value in a text that people read; NULL: itself. */
static const char *
stand_in(const struct json *v)
{
	return json_str(v, "$secret") != NULL ? "***" :
	    json_str(v, "$ref") != NULL ? "(new)" : NULL;
}

static struct json *
readable_tree(const struct json *v)
{
	const struct json *m;
	struct json *out;

	if (stand_in(v) != NULL)
		return json_string(stand_in(v));
	if (!json_is(v, JSON_OBJECT) && !json_is(v, JSON_ARRAY))
		return json_copy(v);
	out = json_is(v, JSON_OBJECT) ? json_object() : json_array();
	for (m = json_first(v); m != NULL; m = json_next(m)) {
		if (json_key(m) != NULL)
			json_set(out, json_key(m), readable_tree(m));
		else
			json_push(out, readable_tree(m));
	}
	return out;
}

static char *
readable(const struct json *form)
{
	const struct json *text = json_get(form, "text"), *v;
	struct buf b = { .max = SIZE_MAX / 2 };
	struct json *tree;
	char *out;

	if (json_value_str(text) != NULL)
		return xstrdup(json_value_str(text));
	if (json_is(text, JSON_ARRAY)) {
		for (v = json_first(text); v != NULL; v = json_next(v))
			buf_puts(&b, json_value_str(v) != NULL ?
			    json_value_str(v) : stand_in(v) != NULL ?
			    stand_in(v) : "(new)");
		return buf_take(&b);
	}
	if (json_get(form, "json") == NULL)
		return xstrdup("");
	tree = readable_tree(json_get(form, "json"));
	out = tree_text(tree);
	json_free(tree);
	return out;
}

struct line { const char *s; size_t len; };
struct lines { struct line *v; size_t n, cap; };

static void
lines_split(struct lines *l, const char *s)
{
	size_t n;

	for (; *s != '\0'; s += n + (s[n] == '\n')) {
		n = strcspn(s, "\n");
		if (l->n == l->cap) {
			l->cap = l->cap == 0 ? 64 : l->cap * 2;
			l->v = xreallocarray(l->v, l->cap, sizeof(l->v[0]));
		}
		l->v[l->n++] = (struct line){ s, n };
	}
}

static bool
line_equal(const struct line *a, const struct line *b)
{
	return a->len == b->len && memcmp(a->s, b->s, a->len) == 0;
}

/* All lines of both, each kept ' ', taken away '-' or put in '+'. */
struct edit { char op; struct line line; size_t number; /* in the new text */ };
struct edits { struct edit *v; size_t n; };

static void
edit_add(struct edits *es, char op, const struct line *l, size_t number)
{
	es->v[es->n++] = (struct edit){ op, *l, number };
}

/*
 * The middle, where the texts differ: by the longest common subsequence of
 * lines, or, where the table for that would be too large, as a whole.
 */
static void
edit_middle(struct edits *es, const struct lines *a, size_t a0, size_t a1,
    const struct lines *b, size_t b0, size_t b1)
{
	size_t n = a1 - a0, m = b1 - b0, i, j, w = m + 1;
	uint32_t *len = NULL;

	if (n > 0 && m > 0 && n < DIFF_CELLS / w) {
		len = xcalloc((n + 1) * w, sizeof(len[0]));
		for (i = n; i-- > 0;)
			for (j = m; j-- > 0;)
				len[i * w + j] = line_equal(&a->v[a0 + i],
				    &b->v[b0 + j]) ?
				    len[(i + 1) * w + j + 1] + 1 :
				    len[(i + 1) * w + j] > len[i * w + j + 1] ?
				    len[(i + 1) * w + j] : len[i * w + j + 1];
	}
	for (i = j = 0; i < n || j < m;) {
		if (len != NULL && i < n && j < m &&
		    line_equal(&a->v[a0 + i], &b->v[b0 + j])) {
			edit_add(es, ' ', &b->v[b0 + j], b0 + j + 1);
			i++;
			j++;
		} else if (i < n && (j == m || len == NULL ||
		    len[(i + 1) * w + j] >= len[i * w + j + 1])) {
			edit_add(es, '-', &a->v[a0 + i], b0 + j + 1);
			i++;
		} else {
			edit_add(es, '+', &b->v[b0 + j], b0 + j + 1);
			j++;
		}
	}
	free(len);
}

static void
edits_make(struct edits *es, const struct lines *a, const struct lines *b)
{
	size_t pre = 0, post = 0, i;

	es->v = xreallocarray(NULL, a->n + b->n + 1, sizeof(es->v[0]));
	es->n = 0;
	while (pre < a->n && pre < b->n && line_equal(&a->v[pre], &b->v[pre]))
		pre++;
	while (post < a->n - pre && post < b->n - pre &&
	    line_equal(&a->v[a->n - 1 - post], &b->v[b->n - 1 - post]))
		post++;
	for (i = 0; i < pre; i++)
		edit_add(es, ' ', &b->v[i], i + 1);
	edit_middle(es, a, pre, a->n - post, b, pre, b->n - post);
	for (i = b->n - post; i < b->n; i++)
		edit_add(es, ' ', &b->v[i], i + 1);
}

/* Is a changed line near enough?  changed: the next one at or after i. */
static bool
is_shown(size_t i, bool has_last, size_t last, size_t next)
{
	return (has_last && i - last <= CONTEXT) ||
	    (next != SIZE_MAX && next - i <= CONTEXT);
}

static void
edits_print(const struct edits *es, struct strv *out)
{
	size_t i, last = 0, next = 0;
	bool has_last = false, gap = false;

	for (i = 0; i < es->n; i++) {
		if (next != SIZE_MAX && next <= i) {
			for (next = i; next < es->n && es->v[next].op == ' ';)
				next++;
			if (next == es->n)
				next = SIZE_MAX;
		}
		if (next == i) {
			last = i;
			has_last = true;
		}
		if (!is_shown(i, has_last, last, next)) {
			gap = out->n > 0;
			if (next == SIZE_MAX)
				return;
			continue;
		}
		if (gap)
			strv_addf(out, "@@ line %zu", es->v[i].number);
		gap = false;
		strv_addf(out, "%c%.*s", es->v[i].op,
		    (int)(es->v[i].line.len > 2000 ? 2000 :
		    es->v[i].line.len), es->v[i].line.s);
	}
}

char *
file_difference(const struct json *before, const struct json *after,
    size_t max)
{
	char *old = readable(before), *new = readable(after);
	struct lines a = { 0 }, b = { 0 };
	struct strv out = { 0 };
	struct buf text = { .max = SIZE_MAX / 2 };
	struct edits es;
	size_t i, n;

	lines_split(&a, old);
	lines_split(&b, new);
	edits_make(&es, &a, &b);
	edits_print(&es, &out);
	n = out.n <= max ? out.n : max > 0 ? max - 1 : 0;
	for (i = 0; i < n; i++) {
		buf_puts(&text, out.v[i]);
		buf_putc(&text, '\n');
	}
	if (n < out.n && max > 0)
		buf_printf(&text, "@@ %zu more lines\n", out.n - n);
	strv_release(&out);
	free(es.v);
	free(a.v);
	free(b.v);
	free(old);
	free(new);
	return buf_take(&text);
}
