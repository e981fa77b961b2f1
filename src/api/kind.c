/*
 * Questions about kinds and rows: which kind a word means, which row a name
 * means, how a type is called in a sentence.
 */
#include "hiclaw/api.h"

#include <string.h>
#include <strings.h>

#include "api-int.h"

#define WORDS_PER_KIND	4
#define KINDS_MAX	8

const struct kind *
kind_find(const char *word)
{
	const struct kind	*k;

	if (word == NULL)
		return NULL;
	for (k = kinds; k->name != NULL; k++)
		if (strcasecmp(word, k->name) == 0 ||
		    strcasecmp(word, k->plural) == 0 ||
		    strcasecmp(word, k->shortname) == 0)
			return k;
	return NULL;
}

const char *const *
kind_words(void)
{
	static const char	*words[KINDS_MAX * WORDS_PER_KIND + 1];
	const struct kind	*k;
	size_t			 n = 0;

	if (words[0] != NULL)
		return words;
	for (k = kinds; k->name != NULL && k < kinds + KINDS_MAX; k++) {
		words[n++] = k->name;
		words[n++] = k->plural;
		words[n++] = k->singular;
		words[n++] = k->shortname;
	}
	return words;
}

const struct field *
field_find(const struct field *f, const char *name)
{
	if (f == NULL)
		return NULL;
	for (; f->name != NULL; f++)
		if (strcmp(f->name, name) == 0)
			return f;
	return NULL;
}

const struct field *
field_find_any(const struct field *rows, const char *name)
{
	const struct field	*f;

	if ((f = field_find(rows, name)) != NULL || rows == NULL)
		return f;
	for (f = rows; f->name != NULL; f++)
		if (str_distance(f->name, name, 0) == 0)
			return f;
	return NULL;
}

const struct field *
rows_of_metadata(void)
{
	return metadata_fields;
}

const struct field *
rows_of_member(bool is_leader)
{
	return is_leader ? leader_fields : team_worker_fields;
}

const char *
field_nearest(const struct field *rows, const char *name)
{
	const struct field	*f;
	const char		*words[64 + 1];
	size_t			 n = 0;

	for (f = rows; f->name != NULL && n < NELEM(words) - 1; f++)
		words[n++] = f->name;
	words[n] = NULL;
	return str_nearest(name, words);
}

bool
field_items_named(const struct field *f)
{
	return f->type == FIELD_LIST && f->item == FIELD_OBJECT &&
	    field_find(f->fields, "name") != NULL;
}

const char *
field_type_phrase(const struct field *f)
{
	switch (f->type) {
	case FIELD_STRING:
		return "a string";
	case FIELD_TEXT:
		return "a text";
	case FIELD_INT:
		return "a whole number";
	case FIELD_BOOL:
		return "true or false";
	case FIELD_OBJECT:
		return "an object (key: value lines below it)";
	case FIELD_LIST:
		return f->item == FIELD_OBJECT ?
		    "a list of objects (lines that start with \"- \")" :
		    "a list of strings (lines that start with \"- \")";
	case FIELD_MAP:
		return "a map of strings (key: value lines below it)";
	case FIELD_ANY:
		return "an object";
	}
	return "a value";
}

const char *
field_type_word(const struct field *f)
{
	switch (f->type) {
	case FIELD_STRING:
		return "string";
	case FIELD_TEXT:
		return "text";
	case FIELD_INT:
		return "integer";
	case FIELD_BOOL:
		return "boolean";
	case FIELD_OBJECT:
		return "object";
	case FIELD_LIST:
		return f->item == FIELD_OBJECT ? "[]object" : "[]string";
	case FIELD_MAP:
		return "map";
	case FIELD_ANY:
		return "free object";
	}
	return "value";
}

const char *
field_effect_phrase(enum field_effect effect)
{
	switch (effect) {
	case EFFECT_NONE:
		return "touches nothing that runs";
	case EFFECT_FILES:
		return "rewrites the agent's files";
	case EFFECT_RESTART:
		return "restarts the container";
	case EFFECT_RECREATE:
		return "makes the container anew";
	case EFFECT_PERMISSION:
		return "changes who may do what";
	case EFFECT_ROOMS:
		return "changes rooms";
	}
	return "unknown";
}

/* The row of "a.b.c" below rows, or NULL. */
static const struct field *
row_of(const struct field *rows, const char *dotted)
{
	const struct field	*f = NULL;
	const char		*dot;
	char			 step[64];
	size_t			 len;

	while (rows != NULL) {
		dot = strchr(dotted, '.');
		len = dot == NULL ? strlen(dotted) : (size_t)(dot - dotted);
		if (len >= sizeof step)
			return NULL;
		memcpy(step, dotted, len);
		step[len] = '\0';
		if ((f = field_find(rows, step)) == NULL || dot == NULL)
			return f;
		rows = f->fields;
		dotted = dot + 1;
	}
	return NULL;
}

const char *
spec_str(const struct kind *kind, const struct json *obj, const char *dotted)
{
	const struct json	*v = json_path(obj, dotted);
	const struct field	*f;

	if (json_is(v, JSON_STRING))
		return json_value_str(v);
	if (json_is(v, JSON_BOOL))
		return json_value_bool(v, false) ? "true" : "false";
	f = row_of(kind->spec, dotted);
	return f == NULL ? NULL : f->dflt;
}
