/*
 * Bodies: flat JSON to a resource, by the field tables that manifests go by, so
 * that REST takes every field and drops none in silence.
 *
 * PUT merges as the original does: strings replace when not empty; lists,
 * objects and booleans when present and not null; a Team's leader field by field
 * and its workers by name, so that what a client does not know of a member stays
 * as it is.  POST /apply replaces instead, as a manifest does.
 */
#include "rest-int.h"

#include <stdlib.h>
#include <string.h>

struct json *
body_object(struct call *c)
{
	const struct httpd_req *req = c->req;
	struct json *o;
	struct err err;

	if (req->body_len == 0)
		return json_object();
	o = json_parse(req->body, req->body_len, &err);
	if (o == NULL)
		answer_error(c, 400, "the body is no JSON: %s", err.msg);
	else if (!json_is(o, JSON_OBJECT)) {
		json_free(o);
		o = NULL;
		answer_error(c, 400, "the body is no JSON object");
	}
	return o;
}

/* --- merging ------------------------------------------------------------- */

static bool
is_said(const struct json *v)
{
	const char *s = json_value_str(v);

	return !json_is(v, JSON_NULL) && (s == NULL || s[0] != '\0');
}

static void
merge_flat(struct json *to, const struct json *from)
{
	const struct json *v;

	for (v = json_first(from); v != NULL; v = json_next(v))
		if (is_said(v))
			json_set(to, json_key(v), json_copy(v));
}

static const struct json *
item_named(const struct json *list, const char *name)
{
	const struct json *v = json_first(list);

	while (v != NULL && (name == NULL ||
	    !str_equal(json_str(v, "name"), name)))
		v = json_next(v);
	return v;
}

/* The new list, each who was there before with what was known of them. */
static struct json *
merge_workers(const struct json *old, const struct json *new)
{
	struct json *list = json_array(), *w;
	const struct json *v, *was;

	for (v = json_first(new); v != NULL; v = json_next(v)) {
		was = item_named(old, json_str(v, "name"));
		if (was == NULL || !json_is(v, JSON_OBJECT)) {
			json_push(list, json_copy(v));
			continue;
		}
		w = json_push(list, json_copy(was));
		merge_flat(w, v);
	}
	return list;
}

static struct json *
merge_team(const struct json *old, const struct json *body)
{
	struct json *spec = json_copy(old), *leader;
	const struct json *l = json_get(body, "leader");
	const struct json *ws = json_get(body, "workers");

	merge_flat(spec, body);
	if (json_is(l, JSON_OBJECT) && json_get(old, "leader") != NULL) {
		leader = json_copy(json_get(old, "leader"));
		merge_flat(leader, l);
		json_set(spec, "leader", leader);
	}
	if (json_is(ws, JSON_ARRAY))
		json_set(spec, "workers", merge_workers(json_get(old,
		    "workers"), ws));
	return spec;
}

static struct json *
spec_of(const struct json *body, const struct kind *kind,
    const struct resource *old)
{
	struct json *spec;

	if (old == NULL) {
		spec = json_object();
		merge_flat(spec, body);
	} else if (strcmp(kind->name, "Team") == 0)
		spec = merge_team(old->spec, body);
	else {
		spec = json_copy(old->spec);
		merge_flat(spec, body);
	}
	json_remove(spec, "name");
	return spec;
}

/* --- decoding ------------------------------------------------------------ */

struct resource *
body_resource(struct call *c, const struct json *body,
    const struct kind *kind, const char *name, const struct resource *old,
    struct problems *ps)
{
	struct json *doc = json_object(), *meta;
	struct resource **rs = NULL, *r = NULL;
	struct err err;
	size_t n = 0;
	char *text;

	json_set_str(doc, "apiVersion", API_VERSION);
	json_set_str(doc, "kind", kind->name);
	meta = old != NULL ? json_copy(old->metadata) : json_object();
	json_set_str(meta, "name", name);
	json_set(doc, "metadata", meta);
	json_set(doc, "spec", spec_of(body, kind, old));
	text = json_canonical(doc);
	err_set(&err, ERR_USER, "the body makes no %s", kind->name);
	if (manifest_decode(text, strlen(text), &rs, &n, ps) == -1 || n != 1)
		answer_problems(c, ps, &err);
	else
		r = resource_ref(rs[0]);
	for (size_t i = 0; i < n; i++)
		resource_unref(rs[i]);
	free(rs);
	free(text);
	json_free(doc);
	return r;
}
