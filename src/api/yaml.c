/*
 * libyaml's events as a tree of nodes with marks, one document at a time.
 *
 * What the text can do to us is bounded here: bytes, depth, what aliases write
 * out, cycles, keys that are no words, duplicate keys, foreign tags.  What the
 * values mean is decode.c's business.
 *
 * After a syntax error the parser is of no more use.  A line that begins with
 * "---" in the first column always starts a document (YAML allows it nowhere
 * else), so a fresh parser goes on from there.
 */
#include "yaml-int.h"

#include <stdlib.h>
#include <string.h>

#include "api-int.h"

#define CHUNK_BYTES	(64 * 1024)
#define FEW_KEYS	8		/* compared pairwise, more are sorted */
#define TAG_CORE	"tag:yaml.org,2002:"

struct chunk {
	struct chunk	*next;
	size_t		 used, size;
	max_align_t	 data[];
};

/* --- arena --------------------------------------------------------------- */

static void *
arena_alloc(struct yaml *y, size_t size)
{
	struct chunk	*c = y->arena;
	size_t		 want;
	void		*p;

	size = (size + sizeof(max_align_t) - 1) & ~(sizeof(max_align_t) - 1);
	if (c == NULL || c->size - c->used < size) {
		want = size > CHUNK_BYTES ? size : CHUNK_BYTES;
		c = xmalloc(sizeof *c + want);
		c->next = y->arena;
		c->used = 0;
		c->size = want;
		y->arena = c;
	}
	p = (char *)c->data + c->used;
	c->used += size;
	return memset(p, 0, size);
}

/* Forgets all nodes; one chunk stays for the next document. */
static void
arena_reset(struct yaml *y, size_t keep)
{
	struct chunk	*c;

	while ((c = y->arena) != NULL) {
		if (keep > 0 && c->next == NULL && c->size == CHUNK_BYTES) {
			c->used = 0;
			return;
		}
		y->arena = c->next;
		free(c);
	}
}

/* --- parser -------------------------------------------------------------- */

static void
parser_start(struct yaml *y, size_t line)
{
	size_t	from = y->lines[line];

	if (!yaml_parser_initialize(&y->parser))
		abort();	/* out of memory */
	yaml_parser_set_encoding(&y->parser, YAML_UTF8_ENCODING);
	if (line == 0 && y->len >= 3 &&
	    memcmp(y->text, "\xef\xbb\xbf", 3) == 0)
		from = 3;
	yaml_parser_set_input_string(&y->parser,
	    (const unsigned char *)y->text + from, y->len - from);
	y->parsing = true;
	y->base_line = line;
}

static void
parser_stop(struct yaml *y)
{
	if (y->parsing)
		yaml_parser_delete(&y->parser);
	y->parsing = false;
}

struct yaml *
yaml_open(const char *text, size_t len, struct problems *problems)
{
	struct yaml	*y = xcalloc(1, sizeof *y);

	y->text = text == NULL ? "" : text;
	y->len = len;
	y->problems = problems;
	if (yaml_check_text(y) != 0) {
		y->done = true;
		return y;
	}
	parser_start(y, 0);
	return y;
}

void
yaml_close(struct yaml *y)
{
	if (y == NULL)
		return;
	parser_stop(y);
	arena_reset(y, 0);
	map_free(y->anchors);
	free(y->lines);
	free(y);
}

int
yaml_doc(const struct yaml *y)
{
	return y->doc;
}

bool
yaml_doc_is_good(const struct yaml *y)
{
	return y->problems->errors == y->errors_before;
}

/* --- tree ---------------------------------------------------------------- */

static struct ynode *
node_new(struct yaml *y, enum ynode_type type, const yaml_mark_t *mark)
{
	struct ynode	*n = arena_alloc(y, sizeof *n);

	n->type = type;
	n->line = (int)(y->base_line + mark->line) + 1;
	n->column = (int)mark->column + 1;
	n->nodes = 1;
	return n;
}

static void
set_anchor(struct yaml *y, const yaml_char_t *anchor, struct ynode *n)
{
	if (anchor == NULL)
		return;
	if (y->anchors == NULL)
		y->anchors = map_new(NULL);
	map_set(y->anchors, (const char *)anchor, n);
}

static int
compare_items(const void *va, const void *vb)
{
	const struct yitem	*a = *(struct yitem *const *)va;
	const struct yitem	*b = *(struct yitem *const *)vb;
	int			 c = strcmp(a->key->text, b->key->text);

	if (c != 0)
		return c;
	if (a->key->line != b->key->line)
		return a->key->line < b->key->line ? -1 : 1;
	return a->key->column < b->key->column ? -1 :
	    a->key->column > b->key->column;
}

static void
report_duplicate(struct yaml *y, const struct ynode *first, struct yitem *it)
{
	it->drop = true;
	yaml_problem(y, it->key, NULL, false, "key \"%.64s\" is given twice; "
	    "the first is in line %d", it->key->text, first->line);
}

/* Marks all but the first of equal keys. */
static void
mark_duplicates(struct yaml *y, struct ynode *map)
{
	struct yitem	*it, *other, **v;
	size_t		 i, first, n = 0;

	if (map->n <= FEW_KEYS) {
		for (it = map->first; it != NULL; it = it->next)
			for (other = map->first; other != it;
			    other = other->next)
				if (strcmp(other->key->text,
				    it->key->text) == 0) {
					report_duplicate(y, other->key, it);
					break;
				}
		return;
	}
	v = xreallocarray(NULL, map->n, sizeof(struct yitem *));
	for (it = map->first; it != NULL; it = it->next)
		v[n++] = it;
	qsort(v, n, sizeof *v, compare_items);
	for (first = 0, i = 1; i < n; i++) {
		if (strcmp(v[first]->key->text, v[i]->key->text) == 0)
			report_duplicate(y, v[first]->key, v[i]);
		else
			first = i;
	}
	free(v);
}

static void
close_map(struct yaml *y, struct ynode *map)
{
	struct yitem	**link, *it;

	mark_duplicates(y, map);
	link = &map->first;
	map->last = NULL;
	while ((it = *link) != NULL) {
		if (it->drop) {
			*link = it->next;
			map->n--;
			continue;
		}
		map->last = it;
		link = &it->next;
	}
}

static void
append(struct yaml *y, struct ynode *to, struct ynode *key,
    struct ynode *value)
{
	struct yitem	*it = arena_alloc(y, sizeof *it);

	it->key = key;
	it->value = value;
	if (to->last == NULL)
		to->first = it;
	else
		to->last->next = it;
	to->last = it;
	to->n++;
	to->nodes += value->nodes + (key != NULL);
	to->bytes += value->bytes + (key != NULL ? key->bytes : 0);
	if (to->height < value->height + 1)
		to->height = value->height + 1;
}

/* A key that cannot be one makes its pair vanish. */
static struct ynode *
check_key(struct yaml *y, struct ynode *n)
{
	static struct ynode	bad = { .type = YNODE_BAD, .text = "" };

	if (n->type == YNODE_BAD)
		return n;
	if (n->type != YNODE_SCALAR) {
		yaml_problem(y, n, NULL, false, "a key must be a word, not "
		    "a %s", n->type == YNODE_MAP ? "mapping (a value that "
		    "begins with \"{\" needs quotes)" : "list");
		return &bad;
	}
	if (n->plain && strcmp(n->text, "<<") == 0) {
		yaml_problem(y, n, NULL, false, "merge keys (<<) are not "
		    "part of YAML 1.2; write the fields out");
		return &bad;
	}
	return n;
}

/* Puts a complete node where it belongs. */
static void
attach(struct yaml *y, struct ynode *n)
{
	struct frame	*f;

	if (y->depth == 0) {
		y->root = n;
		return;
	}
	f = &y->stack[y->depth - 1];
	if (f->node->type == YNODE_SEQ) {
		append(y, f->node, NULL, n);
	} else if (f->key == NULL) {
		f->key = check_key(y, n);
	} else {
		if (f->key->type != YNODE_BAD)
			append(y, f->node, f->key, n);
		f->key = NULL;
	}
}

/* The part of a core tag behind its prefix, "" for none, NULL: foreign. */
static const char *
core_tag(const yaml_char_t *tag)
{
	const char	*t = (const char *)tag;

	if (t == NULL || strcmp(t, "!") == 0)
		return "";
	return str_starts(t, TAG_CORE) ? t + strlen(TAG_CORE) : NULL;
}

static void
bad_tag(struct yaml *y, struct ynode *n, const yaml_char_t *tag)
{
	yaml_problem(y, n, NULL, false, "tag %.64s is not known here; only "
	    "!!str !!int !!float !!bool !!null !!map !!seq are",
	    (const char *)tag);
	n->type = YNODE_BAD;
}

/* Reads a tagged scalar as the tag says, or complains. */
static void
apply_tag(struct yaml *y, struct ynode *n, const yaml_char_t *tag)
{
	static const struct { const char *tag; unsigned allowed; } tags[] = {
		{ "int", 1u << SCALAR_INT },
		{ "float", 1u << SCALAR_FLOAT | 1u << SCALAR_INT },
		{ "bool", 1u << SCALAR_BOOL },
		{ "null", 1u << SCALAR_NULL },
	};
	const char	*core = core_tag(tag);
	size_t		 i;

	n->plain = false;
	if (core == NULL) {
		bad_tag(y, n, tag);
		return;
	}
	if (strcmp(core, "str") == 0 || core[0] == '\0')
		return;
	for (i = 0; i < NELEM(tags); i++)
		if (strcmp(core, tags[i].tag) == 0)
			break;
	if (i == NELEM(tags)) {
		bad_tag(y, n, tag);
		return;
	}
	n->plain = true;
	if ((tags[i].allowed & 1u << scalar_resolve(n->text)) != 0)
		return;
	yaml_problem(y, n, NULL, false, "\"%.64s\" is no !!%s", n->text,
	    core);
	n->type = YNODE_BAD;
}

static void
on_scalar(struct yaml *y, const yaml_event_t *ev)
{
	const char	*value = (const char *)ev->data.scalar.value;
	size_t		 len = ev->data.scalar.length;
	struct ynode	*n;
	char		*copy;

	n = node_new(y, YNODE_SCALAR, &ev->start_mark);
	copy = arena_alloc(y, len + 1);
	memcpy(copy, value, len);
	n->text = copy;
	n->bytes = (uint32_t)len + 1;
	n->plain = ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	if (memchr(value, '\0', len) != NULL) {
		yaml_problem(y, n, NULL, false, "a NUL character (\\0) in a "
		    "value");
		n->type = YNODE_BAD;
	} else if (ev->data.scalar.tag != NULL) {
		apply_tag(y, n, ev->data.scalar.tag);
	} else if (!ev->data.scalar.plain_implicit) {
		n->plain = false;	/* the tag "!" */
	}
	set_anchor(y, ev->data.scalar.anchor, n);
	attach(y, n);
}

static int
on_open(struct yaml *y, const yaml_event_t *ev, enum ynode_type type,
    const yaml_char_t *tag, const yaml_char_t *anchor, const char *core)
{
	struct ynode	*n = node_new(y, type, &ev->start_mark);
	const char	*given = core_tag(tag);

	if (y->depth == YAML_DEPTH_MAX) {
		yaml_fault(y, (size_t)n->line - 1, (size_t)n->column - 1,
		    "nested deeper than %d levels", YAML_DEPTH_MAX);
		return -1;
	}
	if (given == NULL || (given[0] != '\0' && strcmp(given, core) != 0)) {
		bad_tag(y, n, tag);
		n->type = type;		/* its content still has to go in */
	}
	n->open = true;
	set_anchor(y, anchor, n);
	y->stack[y->depth].node = n;
	y->stack[y->depth].key = NULL;
	y->depth++;
	return 0;
}

static void
on_close(struct yaml *y)
{
	struct ynode	*n = y->stack[--y->depth].node;

	n->open = false;
	if (n->type == YNODE_MAP)
		close_map(y, n);
	attach(y, n);
}

static int
on_alias(struct yaml *y, const yaml_event_t *ev)
{
	const char	*name = (const char *)ev->data.alias.anchor;
	struct ynode	*n, *bad;

	n = y->anchors == NULL ? NULL : map_find(y->anchors, name);
	bad = node_new(y, YNODE_BAD, &ev->start_mark);
	bad->text = "";
	if (n == NULL) {
		yaml_problem(y, bad, NULL, false, "alias *%.64s has no "
		    "anchor &%.64s above it; quote the value if it is meant "
		    "to begin with \"*\"", name, name);
		n = bad;
	} else if (n->open) {
		yaml_problem(y, bad, NULL, false, "alias *%.64s stands inside "
		    "the very value it repeats", name);
		n = bad;
	} else if (y->depth + (size_t)n->height > YAML_DEPTH_MAX) {
		yaml_problem(y, bad, NULL, false, "alias *%.64s nests deeper "
		    "than %d levels", name, YAML_DEPTH_MAX);
		n = bad;
	}
	y->alias_nodes += n->nodes;
	y->alias_bytes += n->bytes;
	if (y->alias_nodes > YAML_ALIAS_NODES_MAX ||
	    y->alias_bytes > YAML_ALIAS_BYTES_MAX) {
		yaml_problem(y, bad, NULL, false, "aliases write out more "
		    "than %d values or %d MiB", YAML_ALIAS_NODES_MAX,
		    YAML_ALIAS_BYTES_MAX / 1024 / 1024);
		y->done = true;
		return -1;
	}
	attach(y, n);
	return 0;
}

/* One event of a document's content; 1 when the document ends. */
static int
take_event(struct yaml *y, const yaml_event_t *ev)
{
	switch (ev->type) {
	case YAML_SCALAR_EVENT:
		on_scalar(y, ev);
		return 0;
	case YAML_ALIAS_EVENT:
		return on_alias(y, ev);
	case YAML_MAPPING_START_EVENT:
		return on_open(y, ev, YNODE_MAP, ev->data.mapping_start.tag,
		    ev->data.mapping_start.anchor, "map");
	case YAML_SEQUENCE_START_EVENT:
		return on_open(y, ev, YNODE_SEQ, ev->data.sequence_start.tag,
		    ev->data.sequence_start.anchor, "seq");
	case YAML_MAPPING_END_EVENT:
	case YAML_SEQUENCE_END_EVENT:
		on_close(y);
		return 0;
	case YAML_DOCUMENT_END_EVENT:
		return 1;
	default:
		return 0;
	}
}

static void
begin_document(struct yaml *y, const yaml_event_t *ev)
{
	y->doc++;
	y->in_doc = true;
	y->doc_line = y->base_line + ev->start_mark.line;
	y->errors_before = y->problems->errors;
	y->depth = 0;
	y->root = NULL;
	arena_reset(y, 1);
	map_free(y->anchors);
	y->anchors = NULL;
}

/* 1: a document; 0: the end; -1: a problem, and the parser is useless. */
static int
read_document(struct yaml *y)
{
	yaml_event_t	ev;
	int		rc = 0;

	while (rc == 0) {
		if (!yaml_parser_parse(&y->parser, &ev)) {
			yaml_report_syntax(y);
			return -1;
		}
		if (ev.type == YAML_STREAM_END_EVENT) {
			yaml_event_delete(&ev);
			return 0;
		}
		if (ev.type == YAML_DOCUMENT_START_EVENT)
			begin_document(y, &ev);
		else
			rc = take_event(y, &ev);
		yaml_event_delete(&ev);
	}
	y->in_doc = false;
	return rc;
}

static bool
is_separator(const struct yaml *y, size_t line)
{
	const char	*s;
	size_t		 len;

	s = yaml_line(y, line, &len);
	return len >= 3 && memcmp(s, "---", 3) == 0 &&
	    (len == 3 || s[3] == ' ' || s[3] == '\t');
}

/* Starts anew at the next document after a fault; false when there is none. */
static bool
resync(struct yaml *y)
{
	size_t	line;

	line = y->base_line + y->parser.mark.line;
	if (y->in_doc)
		line = y->doc_line + 1;
	else if (line <= y->base_line)
		line = y->base_line + 1;
	parser_stop(y);
	y->in_doc = false;
	while (line < y->nlines && !is_separator(y, line))
		line++;
	if (line >= y->nlines)
		return false;
	parser_start(y, line);
	return true;
}

bool
yaml_next(struct yaml *y, const struct ynode **root)
{
	int	rc;

	while (!y->done && y->problems->errors <= PROBLEMS_MAX) {
		if ((rc = read_document(y)) == 0)
			break;
		if (rc > 0) {
			*root = ynode_is_null(y->root) ? NULL : y->root;
			return true;
		}
		if (y->done || !resync(y))
			break;
	}
	y->done = true;
	return false;
}

const struct ynode *
ynode_get(const struct ynode *map, const char *key)
{
	const struct yitem	*it;

	if (map == NULL || map->type != YNODE_MAP)
		return NULL;
	for (it = map->first; it != NULL; it = it->next)
		if (strcmp(it->key->text, key) == 0)
			return it->value;
	return NULL;
}

bool
ynode_is_null(const struct ynode *n)
{
	return n == NULL || (n->type == YNODE_SCALAR && n->plain &&
	    scalar_resolve(n->text) == SCALAR_NULL);
}
