/*
 * Any file of ours by a field table: settings, registration, command files.
 * The same rows, checks and words as for manifests.
 */
#include "hiclaw/api.h"

#include <stdlib.h>
#include <string.h>

#include "api-int.h"
#include "decode-value.h"

/* The first document; any other one is a problem.  NULL: none, or faulty. */
static const struct ynode *
only_document(struct yaml *y)
{
	const struct ynode *root = NULL;

	if (!yaml_next(y, &root) || root == NULL)
		return NULL;
	return root;
}

static void
refuse_more(struct yaml *y)
{
	const struct ynode *more;

	while (yaml_next(y, &more))
		if (more != NULL)
			yaml_problem(y, more, NULL, false,
			    "only one document is expected in this file");
}

struct json *
table_decode(const struct field *rows, const char *text, size_t len,
    struct problems *problems)
{
	static const struct ynode nothing = { .type = YNODE_MAP, .line = 1,
	    .column = 1 };
	struct yaml *y = yaml_open(text, len, problems);
	struct decode d = { .y = y };
	const struct ynode *root = only_document(y);
	struct json *object = NULL;

	if (root == NULL || ynode_is_null(root))
		root = &nothing;
	if (root->type == YNODE_MAP)
		object = decode_object(&d, root, root, rows, NULL);
	else if (root->type != YNODE_BAD)
		decode_error(&d, root, "expected key: value lines, not %s",
		    ynode_phrase(root));
	refuse_more(y);
	yaml_close(y);
	buf_release(&d.path);
	strv_release(&d.ignored);
	if (problems->errors > 0) {
		json_free(object);
		return NULL;
	}
	return object;
}

int
field_check(const struct field *row, const struct json *value, struct err *err)
{
	struct field rows[2] = { *row, { .name = NULL } };
	struct problems problems = { 0 };
	struct json *o = json_object(), *decoded;
	char *text;
	int rc = 0;

	/* JSON is YAML: what is written by the rows' own reader is read. */
	json_set(o, row->name, json_copy(value));
	text = json_canonical(o);
	decoded = table_decode(rows, text, strlen(text), &problems);
	if (decoded == NULL)
		rc = err_set(err, ERR_USER, "%s", problems.n > 0 ?
		    problems.v[0].what : "not allowed");
	json_free(decoded);
	json_free(o);
	free(text);
	problems_release(&problems);
	return rc;
}

static struct json *
scalar_json(const struct ynode *n)
{
	if (!n->plain)
		return json_string(n->text);
	switch (scalar_resolve(n->text)) {
	case SCALAR_NULL:
		return json_null();
	case SCALAR_BOOL:
		return json_boolean(n->text[0] == 't' || n->text[0] == 'T');
	case SCALAR_INT:
		if (str_starts(n->text, "0o"))
			return json_number((double)strtoll(n->text + 2, NULL,
			    8));
		return json_number((double)strtoll(n->text, NULL,
		    str_starts(n->text, "0x") ? 16 : 10));
	case SCALAR_FLOAT:
		return json_number(strtod(n->text, NULL));
	default:
		return json_string(n->text);
	}
}

static struct json *
node_json(const struct ynode *n)
{
	const struct yitem *it;
	struct json *v;

	switch (n->type) {
	case YNODE_MAP:
		v = json_object();
		for (it = n->first; it != NULL; it = it->next)
			json_set(v, it->key->text, node_json(it->value));
		return v;
	case YNODE_SEQ:
		v = json_array();
		for (it = n->first; it != NULL; it = it->next)
			json_push(v, node_json(it->value));
		return v;
	case YNODE_SCALAR:
		return scalar_json(n);
	default:
		return json_null();
	}
}

struct json *
yaml_json(const char *text, size_t len, struct err *err)
{
	struct problems problems = { 0 };
	struct yaml *y = yaml_open(text, len, &problems);
	const struct ynode *root = only_document(y);
	struct json *v = NULL;

	if (problems.errors == 0)
		v = root != NULL ? node_json(root) : json_null();
	refuse_more(y);
	if (problems.errors > 0) {
		json_free(v);
		v = NULL;
		err_set(err, ERR_USER, "line %d, column %d: %s",
		    problems.v[0].line, problems.v[0].column,
		    problems.v[0].what);
	}
	yaml_close(y);
	problems_release(&problems);
	return v;
}
