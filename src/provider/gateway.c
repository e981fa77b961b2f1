/* See gateway.h. */
#include "gateway.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- differences ---------------------------------------------------------- */

void
gateway_consumer_diff(const struct json *desired, const struct json *observed,
    struct changes *out)
{
	const char *name = json_str(desired, "name");

	if (!str_equal(name, json_str(observed, "name")) ||
	    json_str(observed, "key_id") == NULL) {
		changes_add(out, RISK_CREATE, "consumer",
		    json_str(observed, "name"), name);
		return;
	}
	if (json_int(desired, "serial", 1) != json_int(observed, "serial", 1))
		changes_add(out, RISK_CREDENTIAL, "key", "in use", "a new one");
	else if (json_bool(desired, "overlap", false) !=
	    json_bool(observed, "overlap", false))
		changes_add(out, RISK_UPDATE, "old key",
		    json_bool(observed, "overlap", false) ? "works" : NULL,
		    json_bool(desired, "overlap", false) ? "works" : NULL);
}

/* What is in a and not in b; people read "consumer worker-bob". */
static void
diff_names(const struct json *a, const struct json *b, bool gone,
    struct changes *out)
{
	const struct json *v;
	const char *name;
	char *what;

	for (v = json_first(a); v != NULL; v = json_next(v)) {
		name = json_value_str(v);
		if (name == NULL || json_has_str(b, name))
			continue;
		what = xasprintf("consumer %s", name);
		changes_add(out, RISK_UPDATE, what, gone ? "allowed" : NULL,
		    gone ? NULL : "allowed");
		free(what);
	}
}

/* One line of text for any value; yours. */
static char *
value_text(const struct json *v)
{
	if (v == NULL || json_is(v, JSON_NULL))
		return NULL;
	return json_value_str(v) != NULL ? xstrdup(json_value_str(v)) :
	    json_canonical(v);
}

static void
diff_member(const struct json *v, const struct json *have, struct changes *out)
{
	const char *what = json_key(v);
	bool is_key = strcmp(what, "key_id") == 0;
	char *from, *to;

	if (json_equal(v, have))
		return;
	from = value_text(have);
	to = value_text(v);
	changes_add(out, is_key ? RISK_CREDENTIAL : RISK_UPDATE,
	    is_key ? "key" : what, is_key && from != NULL ? "one" : from,
	    is_key && to != NULL ? "another" : to);
	free(from);
	free(to);
}

void
gateway_diff(const struct json *desired, const struct json *observed,
    struct changes *out)
{
	const struct json *v, *allowed = json_get(desired, "allowed");

	if (json_size(observed) == 0) {
		changes_add(out, RISK_CREATE, "name", NULL,
		    json_strd(desired, "name", "exposed"));
		return;
	}
	for (v = json_first(desired); v != NULL; v = json_next(v))
		if (strcmp(json_key(v), "allowed") != 0)
			diff_member(v, json_get(observed, json_key(v)), out);
	/* A key that is not wanted any more. */
	if (json_get(desired, "key_id") == NULL &&
	    json_str(observed, "key_id") != NULL)
		changes_add(out, RISK_CREDENTIAL, "key", "one", NULL);
	diff_names(allowed, json_get(observed, "allowed"), false, out);
	diff_names(json_get(observed, "allowed"), allowed, true, out);
}

/* --- allow lists ---------------------------------------------------------- */

static struct map *
names_map(const struct json *list)
{
	struct map *m = map_new(NULL);
	const struct json *v;

	for (v = json_first(list); v != NULL; v = json_next(v))
		if (json_value_str(v) != NULL)
			map_set(m, json_value_str(v), m);
	return m;
}

static struct json *
sorted(struct strv *names)
{
	struct json *list = json_array();
	size_t i;

	strv_sort(names);
	for (i = 0; i < names->n; i++)
		json_push_str(list, names->v[i]);
	strv_release(names);
	return list;
}

bool
gateway_merge(const struct json *before, const struct json *desired,
    const struct json *live, struct json **list, struct json **foreign)
{
	struct map *ours = names_map(before), *want = names_map(desired);
	struct map *there = names_map(live);
	struct strv all = { 0 }, others = { 0 };
	bool differs = false;
	const char *name;
	void *at;

	for (at = NULL; map_next(want, &at, &name) != NULL;) {
		strv_add(&all, name);
		differs |= map_find(there, name) == NULL;
	}
	for (at = NULL; map_next(there, &at, &name) != NULL;) {
		if (map_find(want, name) != NULL)
			continue;
		if (map_find(ours, name) != NULL) {
			differs = true;
			continue;
		}
		strv_add(&all, name);
		strv_add(&others, name);
	}
	map_free(ours);
	map_free(want);
	map_free(there);
	*list = sorted(&all);
	*foreign = sorted(&others);
	return differs;
}

/* --- settings ------------------------------------------------------------- */

const struct json *
gateway_setting(const struct json *list, const char *name)
{
	const struct json *v;

	for (v = json_first(list); v != NULL; v = json_next(v))
		if (str_equal(json_str(v, "name"), name))
			return v;
	return NULL;
}
