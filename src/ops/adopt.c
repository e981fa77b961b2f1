/*
 * What others did outside, declared: from how an object differed to the
 * resources that would say so.  One row of the table below for each sort of
 * difference; what has no row, or a row without a function, no field can hold,
 * and then it is said why.
 *
 * A function edits a copy of a spec (those of rooms and files are in adopt-room.c
 * and adopt-file.c).  What was edited is decoded like a pasted manifest, so that a
 * value that its field cannot hold is refused here.
 */
#include "adopt-int.h"

#include <stdlib.h>
#include <string.h>

/* --- editing -------------------------------------------------------------- */

struct json *
adopt_spec(struct adopting *a, const struct resource *r)
{
	for (size_t i = 0; i < a->n; i++)
		if (a->edits[i].r == r)
			return a->edits[i].spec;
	a->edits = xreallocarray(a->edits, a->n + 1, sizeof *a->edits);
	a->edits[a->n++] = (struct edit){ r, json_copy(r->spec) };
	return a->edits[a->n - 1].spec;
}

struct json *
adopt_agent(struct adopting *a, const struct agent *agent)
{
	return agent_part(adopt_spec(a, agent->resource), agent);
}

void
adopt_cannot(struct adopting *a, const char *fmt, ...)
{
	va_list ap;
	char *s;

	va_start(ap, fmt);
	s = xvasprintf(fmt, ap);
	va_end(ap);
	strv_add_unique(&a->out->cannot, s);
	free(s);
}

void
adopt_drop(struct json *spec, const char *list,
    bool (*is)(const struct json *item, const void *arg), const void *arg)
{
	const struct json *v = json_first(json_get(spec, list));
	struct json *left = json_array();

	for (; v != NULL; v = json_next(v))
		if (!is(v, arg))
			json_push(left, json_copy(v));
	if (json_size(left) > 0)
		json_set(spec, list, left);
	else {
		json_free(left);
		json_remove(spec, list);
	}
}

void
adopt_add(struct json *spec, const char *list, struct json *item)
{
	struct json *l = json_get(spec, list);

	json_push(l != NULL ? l : json_set(spec, list, json_array()), item);
}

/* --- the gateway ---------------------------------------------------------- */

static const struct agent *
agent_of_consumer(const struct agents *as, const char *consumer)
{
	for (size_t i = 0; i < as->n; i++)
		if (strcmp(as->v[i].consumer, consumer) == 0)
			return &as->v[i];
	return NULL;
}

static void
adopt_grant(struct adopting *a, const char *list)
{
	const char *name = strchr(a->key, ':') + 1;
	const struct agent *agent;
	struct agents as;
	char *own = NULL;

	agents_list(a->cfg, a->rs, &as);
	if ((agent = agent_of_consumer(&as, a->star)) != NULL)
		own = world_provider_name(a->cfg, agent);
	if (agent == NULL)
		adopt_cannot(a, "%s is no agent's", a->star);
	else if (strcmp(list, "providers") == 0 && str_equal(own, name))
		adopt_cannot(a, "%s thinks with a model of %s: give it "
		    "another spec.model instead", agent->name, name);
	else
		access_edit(a->cfg, adopt_agent(a, agent), list, name,
		    a->from != NULL);
	free(own);
	agents_release(&as);
}

static void
adopt_provider(struct adopting *a)
{
	adopt_grant(a, "providers");
}

static void
adopt_mcp(struct adopting *a)
{
	adopt_grant(a, "mcpServers");
}

static bool
is_port(const struct json *item, const void *port)
{
	return json_int(item, "port", 0) == atoi(port);
}

/* The port is not published any more. */
static void
adopt_unexposed(struct adopting *a)
{
	const struct agent *agent = a->origin.agent;

	if (a->from == NULL && agent != NULL)
		adopt_drop(adopt_agent(a, agent), "expose", is_port,
		    strrchr(a->key, '-') + 1);
}

/* --- containers ----------------------------------------------------------- */

/* Somebody took it away: what is stopped has none. */
static void
adopt_stopped(struct adopting *a)
{
	if (str_equal(a->to, "create"))
		json_set_str(adopt_agent(a, a->origin.agent), "state",
		    "Stopped");
	else
		adopt_cannot(a, "no field says how a container that others "
		    "made is");
}

/* --- the table ------------------------------------------------------------ */

enum whose { OF_ANY, OF_AGENT, OF_TEAM };

/*
 * In both names * stands for anything; a->star is what it stands for in `what`,
 * with the @ of a user.  The first row that fits counts.
 */
static const struct row {
	const char	*key, *what;	/* as the kind's diff calls it */
	enum whose	 whose;		/* that has to be declared still */
	void		(*put)(struct adopting *);
	const char	*why;		/* without put: why no field says it */
} rows[] = {
	{ "room:team/*", "topic", OF_TEAM, adopt_topic, NULL },
	{ "room:*", "topic", OF_ANY, NULL,
	    "the topic follows from what the room is of" },
	{ "room:*", "name", OF_ANY, NULL,
	    "a room is called after what it is of" },
	{ "room:*", "member *", OF_ANY, adopt_member, NULL },
	{ "room:*", "power @*", OF_ANY, adopt_power, NULL },
	{ "room:*", "*", OF_ANY, NULL, "it is the same in all rooms" },

	{ "file:*/SOUL.md", "content", OF_AGENT, adopt_soul, NULL },
	{ "file:*/IDENTITY.md", "content", OF_AGENT, adopt_identity, NULL },
	{ "file:*/AGENTS.md", "our part", OF_AGENT, adopt_agents_md, NULL },
	{ "file:*/openclaw.json", "our part", OF_AGENT, adopt_openclaw, NULL },
	{ "file:*/config/mcporter.json", "our part", OF_AGENT, adopt_servers,
	    NULL },
	{ "file:*/mcporter-servers.json", "our part", OF_AGENT, adopt_servers,
	    NULL },
	{ "file:*", "mode", OF_AGENT, NULL, "it is the same for all files" },
	{ "skills:*", "*", OF_ANY, NULL,
	    "what is in a skill comes from where the skill is from" },
	{ "package:*", "*", OF_ANY, NULL,
	    "what is in a package comes from where it is from" },

	{ "route:*", "consumer *", OF_ANY, adopt_provider, NULL },
	{ "mcp:*", "consumer *", OF_ANY, adopt_mcp, NULL },
	{ "expose:*", "name", OF_AGENT, adopt_unexposed, NULL },
	{ "container:*", "container", OF_AGENT, adopt_stopped, NULL },
};

static const struct row *
row_of(const char *key, const char *what)
{
	for (size_t i = 0; i < NELEM(rows); i++)
		if (world_fits(rows[i].key, key) &&
		    world_fits(rows[i].what, what))
			return &rows[i];
	return NULL;
}

/* What the object is made from, for which there is no row. */
static void
by_origin(struct adopting *a, const char *what)
{
	char *fields = strv_join(&a->origin.fields, ", ");
	const char *from = fields[0] != '\0' ? fields : a->origin.otherwise;

	if (from != NULL)
		adopt_cannot(a, "%s: it is made from %s, and cannot be told "
		    "back from what was found", what, from);
	else
		adopt_cannot(a, "%s: no field says it", what);
	free(fields);
}

static void
adopt_change(struct adopting *a, const struct json *change)
{
	const char *what = json_strd(change, "what", "");
	const struct row *row = row_of(a->key, what);

	a->from = json_str(change, "from");
	a->to = json_str(change, "to");
	if (json_bool(change, "secret", false)) {
		adopt_cannot(a, "%s: there is a secret in it", what);
	} else if (row == NULL)
		by_origin(a, what);
	else if ((row->whose == OF_AGENT && a->origin.agent == NULL) ||
	    (row->whose == OF_TEAM && a->team == NULL))
		adopt_cannot(a, "what it was of is not declared any more");
	else if (row->put == NULL)
		adopt_cannot(a, "%s: %s", what, row->why);
	else {
		a->star = what + strcspn(row->what, "*@");
		row->put(a);
	}
}

/* --- what was edited ------------------------------------------------------ */

/* "spec.workers[wim].soul" is one field, and so is all of "spec.humanMembers". */
static char *
field_path(const char *path)
{
	const char *end = path + strlen("spec.");

	if (str_starts(end, "workers[") || str_starts(end, "leader.")) {
		end += strcspn(end, ".");
		end += *end == '.';
	}
	end += strcspn(end, ".[");
	return xstrndup(path, (size_t)(end - path));
}

static void
note_fields(struct adopting *a, const struct resource *from,
    const struct resource *to)
{
	struct field_changes c = { 0 };
	char *path, *field;

	resource_diff(from, to, &c);
	for (size_t i = 0; i < c.n; i++) {
		path = field_path(c.v[i].path);
		field = xasprintf("%s of %s/%s", path, to->kind->name,
		    to->name);
		strv_add_unique(&a->out->fields, field);
		free(path);
		free(field);
	}
	field_changes_release(&c);
}

static void
put_edit(struct adopting *a, const struct edit *e)
{
	struct resource *r = resource_new(e->r->kind,
	    json_copy(e->r->metadata), json_copy(e->spec)), **v = NULL;
	struct json *doc = resource_json(r);
	char *text = json_canonical(doc);
	struct problems ps = { 0 };
	size_t n = 0;

	if (json_equal(e->r->spec, e->spec))
		;	/* it is declared already */
	else if (manifest_decode(text, strlen(text), &v, &n, &ps) == 0 &&
	    n == 1 && !json_equal(v[0]->spec, e->spec))
		adopt_cannot(a, "%s/%s: there are characters in it that do "
		    "not stay as they are in a manifest", r->kind->name,
		    r->name);
	else if (n == 1) {
		json_push(a->out->docs, resource_json(v[0]));
		note_fields(a, e->r, v[0]);
	} else if (ps.n > 0)
		adopt_cannot(a, "%s/%s: %s: %s", r->kind->name, r->name,
		    ps.v[0].path != NULL ? ps.v[0].path : "spec",
		    ps.v[0].what);
	for (size_t i = 0; i < n; i++)
		resource_unref(v[i]);
	free(v);
	free(text);
	json_free(doc);
	problems_release(&ps);
	resource_unref(r);
}

void
adoption_make(struct origins *o, const char *key, const char *owner,
    const struct json *was, struct adoption *out)
{
	struct adopting a = { .cfg = origins_config(o),
	    .rs = origins_resources(o), .origins = o, .key = key,
	    .owner = owner, .found = json_get(was, "found"), .out = out };
	const struct json *v = json_first(json_get(was, "changes"));

	*out = (struct adoption){ .docs = json_array() };
	if (str_starts(owner, "Team/"))
		a.team = resources_find(a.rs, kind_find("Team"),
		    owner + strlen("Team/"));
	origin_find(o, key, owner, &a.origin);
	for (; v != NULL; v = json_next(v))
		adopt_change(&a, v);
	for (size_t i = 0; i < a.n; i++) {
		put_edit(&a, &a.edits[i]);
		json_free(a.edits[i].spec);
	}
	free(a.edits);
	origin_release(&a.origin);
}

void
adoption_release(struct adoption *out)
{
	json_free(out->docs);
	strv_release(&out->fields);
	strv_release(&out->cannot);
	memset(out, 0, sizeof *out);
}

/* --- keeping it ----------------------------------------------------------- */

static bool
has_secret(const char *text, const struct strv *secrets)
{
	size_t at, len;

	if (text == NULL)
		return false;
	for (size_t i = 0; i < secrets->n; i++)
		if (secrets->v[i][0] != '\0' &&
		    strstr(text, secrets->v[i]) != NULL)
			return true;
	return secret_find(text, 0, &at, &len);
}

struct json *
adoption_keep(const struct json *was, const struct strv *secrets)
{
	const struct json *found = json_get(was, "found");
	struct json *kept = json_object(), *v;
	char *text = found == NULL ? NULL : json_canonical(found);
	bool has = has_secret(json_strd(found, "text", text), secrets);

	json_set(kept, "changes", json_copy(json_get(was, "changes")));
	v = json_first(json_get(kept, "changes"));
	for (; v != NULL; v = json_next(v)) {
		if (!has && !has_secret(json_str(v, "from"), secrets))
			continue;
		json_remove(v, "from");
		json_set_bool(v, "secret", true);
	}
	if (!has)
		json_set(kept, "found", json_copy(found));
	free(text);
	return kept;
}
