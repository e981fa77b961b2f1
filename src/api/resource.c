/*
 * One resource: counted, never changed once built, so that sets of resources
 * can share it.  Nothing here points back at a set or at the text it came from.
 */
#include "hiclaw/api.h"

#include <assert.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "hiclaw/re.h"

#include "api-int.h"

struct resource *
resource_new(const struct kind *kind, struct json *metadata,
    struct json *spec)
{
	struct resource	*r = xcalloc(1, sizeof *r);

	assert(json_str(metadata, "name") != NULL);
	r->kind = kind;
	r->name = xstrdup(json_str(metadata, "name"));
	r->metadata = metadata;
	r->spec = spec == NULL ? json_object() : spec;
	r->generation = 1;
	r->refs = 1;
	return r;
}

struct resource *
resource_ref(struct resource *r)
{
	r->refs++;
	return r;
}

void
resource_unref(struct resource *r)
{
	if (r == NULL || --r->refs > 0)
		return;
	assert(r->refs == 0);
	json_free(r->metadata);
	json_free(r->spec);
	free(r->name);
	free(r);
}

const char *
resource_runtime_name(const struct resource *r)
{
	static const char *const names[] = {
		"workerName", "teamName", "username"
	};
	size_t	i;

	for (i = 0; i < NELEM(names); i++)
		if (field_find(r->kind->spec, names[i]) != NULL)
			return json_strd(r->spec, names[i], r->name);
	return r->name;
}

struct json *
resource_json(const struct resource *r)
{
	struct json	*out = json_object();

	json_set_str(out, "apiVersion", API_VERSION);
	json_set_str(out, "kind", r->kind->name);
	json_set(out, "metadata", json_copy(r->metadata));
	json_set(out, "spec", json_copy(r->spec));
	return out;
}

char *
resource_yaml(const struct resource *r)
{
	struct json	*v = resource_json(r);
	char		*text = json_yaml(v);

	json_free(v);
	return text;
}

/* --- selectors ----------------------------------------------------------- */

static char *
trim(char *s)
{
	char	*end;

	while (isspace((unsigned char)*s))
		s++;
	for (end = s + strlen(s); end > s && isspace((unsigned char)end[-1]);)
		*--end = '\0';
	return s;
}

/*
 * One requirement: "key=value", "key==value", "key!=value", "key", "!key".
 * As in Kubernetes, key!=value holds when the label is absent.
 */
static int
match_one(const struct json *labels, char *want, struct err *e)
{
	char		*key = trim(want), *value = NULL, *op;
	const char	*has;
	bool		 negate = false;

	if ((op = strchr(key, '=')) != NULL) {
		value = op + 1;
		if (*value == '=')
			value++;
		if (op > key && op[-1] == '!') {
			negate = true;
			op--;
		}
		*op = '\0';
		key = trim(key);
		value = trim(value);
	} else if (*key == '!') {
		negate = true;
		key = trim(key + 1);
	}
	if (!re_match(LABEL_KEY, key))
		return err_set(e, ERR_USER, "bad selector: \"%.64s\" is no "
		    "label; example: tier=frontend,env!=test", key);
	if (value != NULL && !re_match(LABEL_VALUE, value))
		return err_set(e, ERR_USER, "bad selector: \"%.64s\" is no "
		    "value of a label", value);
	has = json_str(labels, key);
	if (value == NULL)
		return (has != NULL) != negate;
	return str_equal(has, value) != negate;
}

int
resource_matches(const struct resource *r, const char *selector,
    struct err *e)
{
	struct strv	 parts = { 0 };
	size_t		 i;
	int		 rc = 1, one;

	strv_split(&parts, selector, ',');
	for (i = 0; i < parts.n && rc >= 0; i++) {
		one = match_one(json_get(r->metadata, "labels"), parts.v[i],
		    e);
		if (one <= 0)	/* read on: the rest may be wrong */
			rc = one;
	}
	strv_release(&parts);
	return rc;
}
