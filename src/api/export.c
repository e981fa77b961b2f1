/*
 * The field tables in two foreign forms: CustomResourceDefinitions for a
 * Kubernetes API server, JSON Schema for editors.
 *
 * Both say the same; they differ in what their readers allow.  A structural
 * schema prunes what it does not know and cannot speak about keys of a map,
 * JSON Schema refuses unknown keys as our own decoder does.
 */
#include "hiclaw/api.h"

#include <stdlib.h>
#include <string.h>

#include "api-int.h"

#define GROUP		"hiclaw.io"
#define VERSION		"v1beta1"
#define DRAFT		"https://json-schema.org/draft/2020-12/schema"

enum dialect { CRD, JSON_SCHEMA };

static struct json *schema_of_rows(const struct field *, enum dialect);

/* --- one field ----------------------------------------------------------- */

static void
set_pattern(struct json *s, const char *key, const char *pattern)
{
	if (pattern != NULL)
		json_set_strf(s, key, "^(?:%s)$", pattern);
}

static void
set_values(struct json *s, const char *const *values)
{
	struct json	*list;

	if (values == NULL)
		return;
	list = json_set(s, "enum", json_array());
	for (; *values != NULL; values++)
		json_push_str(list, *values);
}

static void
set_bounds(struct json *s, const struct field *f, const char *min,
    const char *max)
{
	if (f->min > 0 && min != NULL)
		json_set_int(s, min, f->min);
	if (f->max > 0)
		json_set_int(s, max, f->max);
}

static struct json *
string_schema(const struct field *f)
{
	struct json	*s = json_object();

	json_set_str(s, "type", "string");
	set_pattern(s, "pattern", f->pattern);
	set_values(s, f->values);
	return s;
}

/* Lists whose items are told apart by a key, for server-side apply. */
static void
set_list_type(struct json *s, const struct field *f)
{
	const char	*key = NULL;

	if (f->item == FIELD_STRING) {
		json_set_str(s, "x-kubernetes-list-type", "set");
		return;
	}
	if (field_items_named(f))
		key = "name";
	else if (field_find(f->fields, "port") != NULL)
		key = "port";
	if (key == NULL)
		return;
	json_set_str(s, "x-kubernetes-list-type", "map");
	json_push_str(json_set(s, "x-kubernetes-list-map-keys", json_array()),
	    key);
}

static struct json *
list_schema(const struct field *f, enum dialect dialect)
{
	struct json	*s = json_object();

	json_set_str(s, "type", "array");
	json_set(s, "items", f->item == FIELD_OBJECT ?
	    schema_of_rows(f->fields, dialect) : string_schema(f));
	set_bounds(s, f, "minItems", "maxItems");
	if (dialect == CRD)
		set_list_type(s, f);
	else if (f->item == FIELD_STRING)
		json_set_bool(s, "uniqueItems", true);
	return s;
}

static struct json *
map_schema(const struct field *f, enum dialect dialect)
{
	struct json	*s = json_object();

	json_set_str(s, "type", "object");
	json_set_str(json_obj(s, "additionalProperties"), "type", "string");
	set_bounds(s, f, NULL, "maxProperties");
	if (dialect == JSON_SCHEMA)
		set_pattern(json_obj(s, "propertyNames"), "pattern",
		    f->pattern);
	return s;
}

static struct json *
free_schema(enum dialect dialect)
{
	struct json	*s = json_object();

	json_set_str(s, "type", "object");
	if (dialect == CRD)
		json_set_bool(s, "x-kubernetes-preserve-unknown-fields",
		    true);
	return s;
}

static struct json *
type_schema(const struct field *f, enum dialect dialect)
{
	struct json	*s;

	switch (f->type) {
	case FIELD_STRING:
	case FIELD_TEXT:
		s = string_schema(f);
		set_bounds(s, f, "minLength", "maxLength");
		return s;
	case FIELD_INT:
		s = json_object();
		json_set_str(s, "type", "integer");
		if (dialect == CRD)
			json_set_str(s, "format", "int64");
		set_bounds(s, f, "minimum", "maximum");
		return s;
	case FIELD_BOOL:
		s = json_object();
		json_set_str(s, "type", "boolean");
		return s;
	case FIELD_OBJECT:
		return schema_of_rows(f->fields, dialect);
	case FIELD_LIST:
		return list_schema(f, dialect);
	case FIELD_MAP:
		return map_schema(f, dialect);
	case FIELD_ANY:
		break;
	}
	return free_schema(dialect);
}

static struct json *
schema_of_field(const struct field *f, enum dialect dialect)
{
	struct json	*s = type_schema(f, dialect);

	json_set_str(s, "description", f->help);
	if (f->dflt != NULL && f->type == FIELD_BOOL)
		json_set_bool(s, "default", strcmp(f->dflt, "true") == 0);
	else if (f->dflt != NULL)
		json_set_str(s, "default", f->dflt);
	return s;
}

static struct json *
schema_of_rows(const struct field *rows, enum dialect dialect)
{
	const struct field	*f;
	struct json		*s = json_object(), *properties, *required;

	json_set_str(s, "type", "object");
	properties = json_set(s, "properties", json_object());
	required = json_array();
	for (f = rows; f->name != NULL; f++) {
		json_set(properties, f->name, schema_of_field(f, dialect));
		if (f->required)
			json_push_str(required, f->name);
	}
	if (json_size(required) > 0)
		json_set(s, "required", required);
	else
		json_free(required);
	if (dialect == JSON_SCHEMA)
		json_set_bool(s, "additionalProperties", false);
	return s;
}

/* --- CustomResourceDefinition -------------------------------------------- */

/* The row of ".spec.leader.name". */
static const struct field *
row_of_path(const struct kind *kind, const char *path)
{
	const struct field	*rows = NULL, *f = NULL;
	struct strv		 steps = { 0 };
	size_t			 i;

	strv_split(&steps, path, '.');
	for (i = 0; i < steps.n; i++) {
		if (i == 0) {
			rows = strcmp(steps.v[0], "spec") == 0 ? kind->spec :
			    strcmp(steps.v[0], "status") == 0 ?
			    kind->status : NULL;
			continue;
		}
		f = rows == NULL ? NULL : field_find(rows, steps.v[i]);
		rows = f == NULL ? NULL : f->fields;
	}
	strv_release(&steps);
	return f;
}

/* What no row describes is the time of creation. */
static const char *
column_type(const struct field *f)
{
	if (f == NULL)
		return "date";
	return f->type == FIELD_INT ? "integer" :
	    f->type == FIELD_BOOL ? "boolean" : "string";
}

static struct json *
columns(const struct kind *kind)
{
	struct json	*list = json_array(), *c;
	struct strv	 cols = { 0 };
	char		*path;
	size_t		 i;

	strv_split(&cols, kind->columns, ',');
	for (i = 0; i < cols.n; i++) {
		if ((path = strchr(cols.v[i], '=')) == NULL)
			continue;
		*path++ = '\0';
		c = json_push(list, json_object());
		json_set_str(c, "name", cols.v[i]);
		json_set_str(c, "type", column_type(row_of_path(kind, path)));
		json_set_str(c, "jsonPath", path);
	}
	strv_release(&cols);
	return list;
}

static struct json *
crd_schema(const struct kind *kind)
{
	struct json	*s = json_object(), *p, *m;

	json_set_str(s, "type", "object");
	json_set_str(s, "description", kind->help);
	p = json_set(s, "properties", json_object());
	json_set_str(json_obj(p, "apiVersion"), "type", "string");
	json_set_str(json_obj(p, "kind"), "type", "string");
	/* Of metadata a definition may restrict the name, and nothing else. */
	m = json_obj(p, "metadata");
	json_set_str(m, "type", "object");
	m = json_obj(json_obj(m, "properties"), "name");
	json_set_str(m, "type", "string");
	set_pattern(m, "pattern", NAME_PATTERN);
	json_set(p, "spec", schema_of_rows(kind->spec, CRD));
	json_set(p, "status", schema_of_rows(kind->status, CRD));
	json_push_str(json_set(s, "required", json_array()), "spec");
	return s;
}

static struct json *
crd_version(const struct kind *kind)
{
	struct json	*v = json_object();

	json_set_str(v, "name", VERSION);
	json_set_bool(v, "served", true);
	json_set_bool(v, "storage", true);
	json_set(json_obj(v, "subresources"), "status", json_object());
	json_set(v, "additionalPrinterColumns", columns(kind));
	json_set(json_obj(v, "schema"), "openAPIV3Schema", crd_schema(kind));
	return v;
}

char *
api_crd_yaml(const struct kind *kind)
{
	struct json	*crd = json_object(), *spec, *names;
	char		*text;

	json_set_str(crd, "apiVersion", "apiextensions.k8s.io/v1");
	json_set_str(crd, "kind", "CustomResourceDefinition");
	json_set_strf(json_obj(crd, "metadata"), "name", "%s." GROUP,
	    kind->plural);
	spec = json_obj(crd, "spec");
	json_set_str(spec, "group", GROUP);
	json_set_str(spec, "scope", "Namespaced");
	names = json_obj(spec, "names");
	json_set_str(names, "kind", kind->name);
	json_set_strf(names, "listKind", "%sList", kind->name);
	json_set_str(names, "plural", kind->plural);
	json_set_str(names, "singular", kind->singular);
	json_push_str(json_set(names, "shortNames", json_array()),
	    kind->shortname);
	json_push(json_set(spec, "versions", json_array()),
	    crd_version(kind));
	text = json_yaml(crd);
	json_free(crd);
	return text;
}

/* --- JSON Schema --------------------------------------------------------- */

/* A whole document of the kind. */
static struct json *
document_schema(const struct kind *kind)
{
	static const char *const required[] = {
		"apiVersion", "kind", "metadata", "spec"
	};
	struct json	*s = json_object(), *p, *list;
	size_t		 i;

	json_set_str(s, "type", "object");
	json_set_str(s, "description", kind->help);
	p = json_set(s, "properties", json_object());
	json_set_str(json_obj(p, "apiVersion"), "const", API_VERSION);
	json_set_str(json_obj(p, "kind"), "const", kind->name);
	json_set(p, "metadata", schema_of_rows(metadata_fields, JSON_SCHEMA));
	json_set(p, "spec", schema_of_rows(kind->spec, JSON_SCHEMA));
	json_set(p, "status", free_schema(JSON_SCHEMA));
	list = json_set(s, "required", json_array());
	for (i = 0; i < NELEM(required); i++)
		json_push_str(list, required[i]);
	json_set_bool(s, "additionalProperties", false);
	return s;
}

/*
 * One condition per kind instead of oneOf: an editor then complains about the
 * field that is wrong, not about four kinds that do not fit.
 */
char *
api_json_schema(void)
{
	struct json		*s = json_object(), *defs, *all, *c, *names;
	const struct kind	*k;
	char			*text;

	json_set_str(s, "$schema", DRAFT);
	json_set_str(s, "title", "HiClaw " API_VERSION);
	json_set_str(s, "type", "object");
	names = json_array();
	all = json_array();
	defs = json_object();
	for (k = kinds; k->name != NULL; k++) {
		json_push_str(names, k->name);
		json_set(defs, k->name, document_schema(k));
		c = json_push(all, json_object());
		json_set_str(json_obj(json_obj(json_obj(c, "if"),
		    "properties"), "kind"), "const", k->name);
		json_set_strf(json_obj(c, "then"), "$ref", "#/$defs/%s",
		    k->name);
	}
	json_set(json_obj(json_obj(s, "properties"), "kind"), "enum", names);
	json_push_str(json_set(s, "required", json_array()), "kind");
	json_set(s, "allOf", all);
	json_set(s, "$defs", defs);
	text = json_pretty(s);
	json_free(s);
	return text;
}
