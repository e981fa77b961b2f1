/*
 * Manifests: documents of apiVersion, kind, metadata and spec to resources.
 *
 * All or nothing: resources leave here only when the whole text is without an
 * error.  What people paste from "kubectl get -o yaml" is accepted (status,
 * system metadata, kind List) and said to be ignored; everything else unknown
 * is an error.
 */
#include "hiclaw/api.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api-int.h"
#include "decode-value.h"

#define LISTED_MAX	8	/* paths named in one warning */

/* The keys of a document, for the nearest spelling. */
static const struct field document_fields[] = {
	{ .name = "apiVersion" }, { .name = "kind" }, { .name = "metadata" },
	{ .name = "spec" }, { .name = "status" }, { .name = NULL }
};

struct decoded {
	struct resource	**v;
	struct place	 *places;
	size_t		  n, cap;
	struct map	 *seen;		/* "Kind/name" to index + 1 */
};

static void	decode_document(struct decode *, const struct ynode *,
		    struct decoded *);

/* --- head of a document -------------------------------------------------- */

/*
 * The pair under a head key.  A misspelt key (phones write "Kind:") is reported
 * by check_keys; here it stands for the right one, so that its value is looked
 * at all the same and nothing is called missing.
 */
static const struct yitem *
head_item(const struct ynode *root, const char *key)
{
	const struct yitem	*it, *guess = NULL;
	const char		*near;

	for (it = root->first; it != NULL; it = it->next) {
		if (strcmp(it->key->text, key) == 0)
			return it;
		if (field_find(document_fields, it->key->text) != NULL)
			continue;
		near = field_nearest(document_fields, it->key->text);
		if (near != NULL && strcmp(near, key) == 0)
			guess = it;
	}
	return guess;
}

/* The words of a head field, or NULL with a problem. */
static const char *
head_word(struct decode *d, const struct ynode *root, const char *key,
    const char *example)
{
	const struct yitem	*it = head_item(root, key);
	const struct ynode	*n = it == NULL ? NULL : it->value;
	size_t			 mark;
	const char		*word = NULL;

	mark = path_push(d, key);
	if (n != NULL && n->type == YNODE_BAD)
		;	/* reported */
	else if (ynode_is_null(n))
		decode_error(d, n == NULL ? root : it->key, "required, but "
		    "missing; example: %s: %s", key, example);
	else if (n->type != YNODE_SCALAR)
		decode_error(d, n, "expected a string, not %s",
		    ynode_phrase(n));
	else
		word = n->text;
	path_pop(d, mark);
	return word;
}

static void
check_version(struct decode *d, const struct ynode *root)
{
	const char	*word;
	size_t		 mark;

	word = head_word(d, root, "apiVersion", API_VERSION);
	if (word == NULL || strcmp(word, API_VERSION) == 0)
		return;
	mark = path_push(d, "apiVersion");
	decode_error(d, head_item(root, "apiVersion")->value, "\"%.64s\" is "
	    "not known here; write %s", word, API_VERSION);
	path_pop(d, mark);
}

static const struct kind *
read_kind(struct decode *d, const struct ynode *root)
{
	const struct kind	*k;
	const char		*word, *near;
	size_t			 mark;

	if ((word = head_word(d, root, "kind", "Worker")) == NULL)
		return NULL;
	for (k = kinds; k->name != NULL; k++)
		if (strcmp(k->name, word) == 0)
			return k;
	near = str_nearest(word, kind_words());
	k = near == NULL ? NULL : kind_find(near);
	mark = path_push(d, "kind");
	if (k != NULL)
		decode_error(d, head_item(root, "kind")->value, "unknown kind "
		    "\"%.64s\"; did you mean \"%s\"?", word, k->name);
	else
		decode_error(d, head_item(root, "kind")->value, "unknown kind "
		    "\"%.64s\"; the kinds are Worker, Team, Human and "
		    "Manager", word);
	path_pop(d, mark);
	return NULL;
}

/* Keys beside the five, with the place where they belong. */
static void
unknown_head(struct decode *d, const struct ynode *key,
    const struct kind *kind)
{
	const char	*near = field_nearest(document_fields, key->text);

	if (near == NULL && kind != NULL &&
	    field_find(kind->spec, key->text) != NULL)
		decode_error(d, key, "unknown field; it belongs under "
		    "\"spec:\", two blanks further right");
	else if (near == NULL && field_find(metadata_fields, key->text) != NULL)
		decode_error(d, key, "unknown field; it belongs under "
		    "\"metadata:\", two blanks further right");
	else if (near == NULL)
		decode_error(d, key, "unknown field; a document has "
		    "apiVersion, kind, metadata and spec");
	else
		decode_error(d, key, "unknown field; did you mean \"%s\"?",
		    near);
}

/* --- parts of a document ------------------------------------------------- */

static struct json *
decode_part(struct decode *d, const struct ynode *root, const char *name,
    const struct field *rows, const char *const *ignored)
{
	static const struct ynode	 nothing = { .type = YNODE_MAP };
	const struct yitem		*it = head_item(root, name);
	const struct ynode		*at = it == NULL ? root : it->key;
	const struct ynode		*n = it == NULL ? NULL : it->value;
	struct json			*obj = NULL;
	size_t				 mark;

	mark = path_push(d, name);
	if (ynode_is_null(n))
		n = &nothing;
	if (n->type == YNODE_MAP)
		obj = decode_object(d, at, n, rows, ignored);
	else if (n->type != YNODE_BAD)
		decode_error(d, n, "expected an object (key: value lines "
		    "below it), not %s", ynode_phrase(n));
	path_pop(d, mark);
	return obj;
}

/* There are no namespaces: say so, unless it is the one everybody writes. */
static void
drop_namespace(struct decode *d, const struct ynode *root,
    struct json *metadata)
{
	const char	*ns = json_str(metadata, "namespace");

	if (ns != NULL && strcmp(ns, "default") != 0)
		yaml_problem(d->y, ynode_get(head_item(root, "metadata")->
		    value, "namespace"), "metadata.namespace", true,
		    "ignored: there are no namespaces here");
	json_remove(metadata, "namespace");
}

static void
check_keys(struct decode *d, const struct ynode *root,
    const struct kind *kind)
{
	const struct yitem	*it;
	size_t			 mark;

	for (it = root->first; it != NULL; it = it->next) {
		mark = path_push(d, it->key->text);
		if (field_find(document_fields, it->key->text) == NULL) {
			unknown_head(d, it->key, kind);
		} else if (strcmp(it->key->text, "status") == 0) {
			strv_add(&d->ignored, buf_str(&d->path));
			if (d->ignored_at == NULL)
				d->ignored_at = it->key;
		}
		path_pop(d, mark);
	}
}

/* "a, b, c and 4 more"; yours. */
static char *
list_some(const struct strv *list)
{
	struct buf	b;
	size_t		i;

	buf_init(&b, 0);
	for (i = 0; i < list->n && i < LISTED_MAX; i++)
		buf_printf(&b, "%s%s", i > 0 ? ", " : "", list->v[i]);
	if (list->n > LISTED_MAX)
		buf_printf(&b, " and %zu more", list->n - LISTED_MAX);
	return buf_take(&b);
}

/*
 * At most one warning for what is dropped; none for a document that is refused
 * anyway.
 */
static void
add_warnings(struct decode *d)
{
	char	*list;

	if (yaml_doc_is_good(d->y) && d->ignored.n > 0) {
		list = list_some(&d->ignored);
		yaml_problem(d->y, d->ignored_at, NULL, true,
		    "ignored: %s (set by the system)", list);
		free(list);
	}
	strv_release(&d->ignored);
	d->ignored_at = NULL;
}

/* --- documents ----------------------------------------------------------- */

static void
add_resource(struct decode *d, const struct ynode *root,
    struct resource *r, struct decoded *out)
{
	const struct place	*first;
	uintptr_t		 i;
	char			*key;
	size_t			 mark;

	key = xasprintf("%s/%s", r->kind->name, r->name);
	if ((i = (uintptr_t)map_find(out->seen, key)) != 0) {
		first = &out->places[i - 1];
		mark = path_push(d, "metadata.name");
		decode_error(d, ynode_get(ynode_get(root, "metadata"), "name"),
		    "%s \"%s\" is already in document %d, line %d",
		    r->kind->name, r->name, first->doc, first->line);
		path_pop(d, mark);
		resource_unref(r);
		free(key);
		return;
	}
	if (out->n == out->cap) {
		out->cap = out->cap == 0 ? 8 : out->cap * 2;
		out->v = xreallocarray(out->v, out->cap, sizeof *out->v);
		out->places = xreallocarray(out->places, out->cap,
		    sizeof *out->places);
	}
	out->v[out->n] = r;
	out->places[out->n].doc = yaml_doc(d->y);
	out->places[out->n].line = root->line;
	out->places[out->n].column = root->column;
	out->n++;
	map_set(out->seen, key, (void *)(uintptr_t)out->n);
	free(key);
}

/* What "kubectl get workers -o yaml" prints. */
static bool
decode_list_kind(struct decode *d, const struct ynode *root,
    struct decoded *out)
{
	const struct ynode	*kind = ynode_get(root, "kind"), *items;
	const struct yitem	*it;
	size_t			 i = 0, mark;
	char			 step[32];

	items = ynode_get(root, "items");
	if (d->path.len > 0 || kind == NULL || kind->type != YNODE_SCALAR ||
	    strcmp(kind->text, "List") != 0 || items == NULL ||
	    items->type != YNODE_SEQ)
		return false;
	for (it = items->first; it != NULL; it = it->next) {
		snprintf(step, sizeof step, "items[%zu]", i++);
		mark = path_push(d, step);
		decode_document(d, it->value, out);
		path_pop(d, mark);
	}
	return true;
}

static void
decode_resource(struct decode *d, const struct ynode *root,
    struct decoded *out)
{
	const struct kind	*kind;
	struct json		*metadata, *spec = NULL;

	check_version(d, root);
	kind = read_kind(d, root);
	check_keys(d, root, kind);
	metadata = decode_part(d, root, "metadata", metadata_fields,
	    metadata_ignored);
	if (kind != NULL)
		spec = decode_part(d, root, "spec", kind->spec, NULL);
	drop_namespace(d, root, metadata);
	add_warnings(d);
	if (kind != NULL && yaml_doc_is_good(d->y)) {
		add_resource(d, root, resource_new(kind, metadata, spec), out);
		return;
	}
	json_free(metadata);
	json_free(spec);
}

static void
decode_document(struct decode *d, const struct ynode *root,
    struct decoded *out)
{
	if (root->type == YNODE_BAD)
		return;
	if (root->type == YNODE_SEQ) {
		decode_error(d, root, "expected a resource, not a list; "
		    "write each resource as a document of its own, with "
		    "\"---\" between");
		return;
	}
	if (root->type != YNODE_MAP) {
		decode_error(d, root, "expected a resource (apiVersion, "
		    "kind, metadata, spec), not %s", ynode_phrase(root));
		return;
	}
	if (!decode_list_kind(d, root, out))
		decode_resource(d, root, out);
}

/* --- manifests ----------------------------------------------------------- */

static void
decoded_release(struct decoded *out)
{
	size_t	i;

	for (i = 0; i < out->n; i++)
		resource_unref(out->v[i]);
	free(out->v);
	free(out->places);
	map_free(out->seen);
}

/* Appends to the caller's arrays. */
static void
hand_over(struct decoded *from, struct resource ***out,
    struct place **places, size_t *n)
{
	if (from->n > 0) {
		*out = xreallocarray(*n == 0 ? NULL : *out, *n + from->n,
		    sizeof **out);
		memcpy(*out + *n, from->v, from->n * sizeof *from->v);
	}
	if (places != NULL && from->n > 0) {
		*places = xreallocarray(*n == 0 ? NULL : *places,
		    *n + from->n, sizeof **places);
		memcpy(*places + *n, from->places,
		    from->n * sizeof *from->places);
	}
	*n += from->n;
	from->n = 0;
}

int
manifest_decode_places(const char *text, size_t len, struct resource ***out,
    struct place **places, size_t *n, struct problems *problems)
{
	const struct ynode	*root;
	struct decode		 d = { 0 };
	struct decoded		 got = { 0 };
	struct problem		 none = { 0 };
	size_t			 before = problems->errors;
	int			 rc = -1;

	d.y = yaml_open(text, len, problems);
	got.seen = map_new(NULL);
	while (yaml_next(d.y, &root))
		if (root != NULL)
			decode_document(&d, root, &got);
	if (got.n == 0 && problems->errors == before)
		problem_addf(problems, &none, "nothing in it: expected at "
		    "least one document with apiVersion, kind, metadata and "
		    "spec");
	if (problems->errors == before) {
		hand_over(&got, out, places, n);
		rc = 0;
	}
	decoded_release(&got);
	buf_release(&d.path);
	yaml_close(d.y);
	return rc;
}

int
manifest_decode(const char *text, size_t len, struct resource ***out,
    size_t *n, struct problems *problems)
{
	return manifest_decode_places(text, len, out, NULL, n, problems);
}

/* --- does it look like one? ---------------------------------------------- */

/* Behind a key and its colon: the value, or NULL when the key is another. */
static const char *
after_key(const char *s, const char *end, const char *key)
{
	size_t	len = strlen(key);
	char	quote = '\0';

	while (s < end && (*s == ' ' || *s == '\t'))
		s++;
	if (s < end && (*s == '"' || *s == '\''))
		quote = *s++;
	if ((size_t)(end - s) < len || strncasecmp(s, key, len) != 0)
		return NULL;
	s += len;
	if (quote != '\0' && (s == end || *s++ != quote))
		return NULL;
	while (s < end && *s == ' ')
		s++;
	if (s == end || *s != ':')
		return NULL;
	s++;
	return s == end || isspace((unsigned char)*s) || quote != '\0' ?
	    s : NULL;
}

/* "kind: regards" is no manifest; "kind: Wroker" is. */
static bool
is_kind_value(const char *s, const char *end)
{
	char	word[32];
	size_t	n = 0;

	while (s < end && (isspace((unsigned char)*s) || *s == '"' ||
	    *s == '\''))
		s++;
	while (s < end && n + 1 < sizeof word && isalpha((unsigned char)*s))
		word[n++] = *s++;
	word[n] = '\0';
	return n > 0 && (kind_find(word) != NULL ||
	    strcasecmp(word, "List") == 0 ||
	    str_nearest(word, kind_words()) != NULL);
}

static bool
has_quoted(const char *s, const char *end, const char *word)
{
	size_t	len = strlen(word);

	while ((s = memchr(s, '"', (size_t)(end - s))) != NULL) {
		if ((size_t)(end - s) >= len && memcmp(s, word, len) == 0)
			return true;
		s++;
	}
	return false;
}

bool
manifest_looks(const char *text, size_t len)
{
	const char	*s = text, *end = text + len, *nl, *v;
	bool		 kind = false, other = false;

	if (len >= 3 && memcmp(s, "\xef\xbb\xbf", 3) == 0)
		s += 3;
	while (s < end && isspace((unsigned char)*s))
		s++;
	if (s < end && *s == '{')
		return has_quoted(s, end, "\"apiVersion\"") ||
		    has_quoted(s, end, "\"kind\"");
	for (; s < end; s = nl + (nl < end)) {
		nl = memchr(s, '\n', (size_t)(end - s));
		if (nl == NULL)
			nl = end;
		if (after_key(s, nl, "apiVersion") != NULL)
			return true;
		if ((v = after_key(s, nl, "kind")) != NULL) {
			kind = true;
			if (is_kind_value(v, nl))
				return true;
		}
		if (after_key(s, nl, "metadata") != NULL ||
		    after_key(s, nl, "spec") != NULL)
			other = true;
	}
	return kind && other;
}
