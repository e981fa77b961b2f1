/*
 * How agents fare, from the state of their objects and nothing else: a phase is
 * a fact, not a wish.  A Team is looked through once for all its members, since
 * its objects are the Team's and only their keys tell whose they are.
 */
#include "hiclaw/ops.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct sum {
	struct agent_views *out;
	struct map	*by_name;	/* name, runtime name -> view */
	int64_t		 now_ms;
};

/* --- whose object is it? ------------------------------------------------- */

static struct agent_view *
view_named(struct sum *s, const char *name, size_t len)
{
	char *copy = xstrndup(name, len);
	struct agent_view *v = map_find(s->by_name, copy);

	free(copy);
	return v;
}

/* "tree:agents/alice", "room:worker/alice", "skills:alice". */
static struct agent_view *
view_by_path(struct sum *s, const char *rest)
{
	const char *slash = strchr(rest, '/');
	const char *at = slash != NULL ? slash + 1 : rest;

	return view_named(s, at, strcspn(at, "/"));
}

static struct agent_view *
view_of_key(struct sum *s, const char *key)
{
	const char *rest = strchr(key, ':'), *dash;

	if (rest == NULL)
		return NULL;
	rest++;
	/* A team's name may be that of one of its agents. */
	if (str_starts(key, "room:team/") || str_starts(key, "room:space/") ||
	    str_starts(key, "tree:teams/"))
		return NULL;
	/* consumer:worker-alice, consumer:manager-default */
	if (str_starts(key, "consumer:"))
		return (dash = strchr(rest, '-')) == NULL ? NULL :
		    view_named(s, dash + 1, strlen(dash + 1));
	/* expose:alice-3000 */
	if (str_starts(key, "expose:"))
		return (dash = strrchr(rest, '-')) == NULL ? NULL :
		    view_named(s, rest, (size_t)(dash - rest));
	return view_by_path(s, rest);
}

/* --- what it tells ------------------------------------------------------- */

static void
take_runner(struct agent_view *v, const struct json *observed, int64_t now)
{
	int64_t until = json_int(observed, "ready_until", 0);

	v->has_runner = true;
	str_copy(v->container, json_strd(observed, "state", "not_found"),
	    sizeof v->container);
	/* Of an agent elsewhere its reports are all that is known. */
	if (!v->is_elsewhere)
		v->is_running = strcmp(v->container, "running") == 0;
	v->ready_until_ms = until;
	v->heard_ms = until > 0 ? until - json_int(observed, "ready_life", 0) :
	    0;
	v->is_ready = until > now;
	if (v->is_elsewhere) {
		v->is_running = v->is_ready;
		str_copy(v->container, v->is_ready ? "running" : "unknown",
		    sizeof v->container);
	}
}

static void
take_port(struct agent_view *v, const struct json *desired)
{
	struct json *p;

	if (v->ports == NULL)
		v->ports = json_array();
	p = json_push(v->ports, json_object());
	json_set_int(p, "port", json_int(desired, "port", 0));
	json_set_str(p, "domain", json_str(desired, "host"));
}

/* Of the first one that ever was in trouble, or is beyond mending. */
static void
take_trouble(struct agent_view *v, const struct object_view *o)
{
	if (o->error == NULL || v->has_failed)
		return;
	if (v->why[0] != '\0' && o->state != OBJECT_FAILED)
		return;
	v->has_failed = o->state == OBJECT_FAILED;
	snprintf(v->why, sizeof v->why, "%s: %s", o->key, o->error);
}

static struct json *
parse(const char *text)
{
	struct err err;

	return text == NULL ? NULL : json_parse(text, strlen(text), &err);
}

static void
take_object(void *arg, const struct object_view *o)
{
	struct sum *s = arg;
	struct agent_view *v = view_of_key(s, o->key);
	bool is_elsewhere = str_starts(o->key, "remote:");
	struct json *form;

	if (v == NULL)
		return;
	v->objects++;
	v->settled += o->state == OBJECT_SETTLED;
	take_trouble(v, o);
	if (is_elsewhere || str_starts(o->key, "container:")) {
		v->is_elsewhere = is_elsewhere;
		form = parse(o->observed);
		take_runner(v, form, s->now_ms);
	} else if (str_starts(o->key, "expose:")) {
		form = parse(o->desired);
		take_port(v, form);
	} else if (str_starts(o->key, "account:")) {
		form = parse(o->observed);
		v->user = xstrdup(json_str(form, "user"));
	} else if (str_starts(o->key, "room:worker/") ||
	    str_starts(o->key, "room:manager/")) {
		form = parse(o->observed);
		v->room = xstrdup(json_str(form, "room_id"));
	} else
		return;
	json_free(form);
}

/* Nothing runs it: it is stopped, or nothing here runs agents. */
static const char *
phase_without(const struct agent_view *v)
{
	if (v->settled < v->objects)
		return v->settled > 0 ? "Updating" : "Pending";
	return strcmp(v->state, "Stopped") == 0 ? v->state : "Ready";
}

static const char *
phase_of(const struct engine *e, const struct agent_view *v,
    const struct resource *r)
{
	if (r->deleting)
		return "Deleting";
	if (v->has_failed)
		return "Failed";
	if (!v->has_runner)
		return phase_without(v);
	/* The word of chat; here there is none for it but this. */
	if (strcmp(engine_agent_phase(e, r, v->name, v->spec, NULL, 0),
	    "CrashLoop") == 0)
		return "Failed";
	if (strcmp(v->state, "Running") != 0)
		return v->is_running && !v->is_elsewhere ? "Updating" :
		    v->state;
	return v->is_running ? "Running" : "Pending";
}

/* --- the whole ----------------------------------------------------------- */

static void
add_view(struct agent_views *out, const struct resource *r,
    const struct json *spec, const char *name, enum agent_role role)
{
	struct agent_view *v;

	if (name == NULL)
		return;
	out->v = xreallocarray(out->v, out->n + 1, sizeof *out->v);
	v = &out->v[out->n++];
	memset(v, 0, sizeof *v);
	v->name = name;
	v->runtime_name = role == AGENT_LEADER || role == AGENT_WORKER ?
	    json_strd(spec, "workerName", name) : resource_runtime_name(r);
	v->role = role;
	v->resource = r;
	v->spec = spec;
	v->state = json_strd(spec, "state", "Running");
}

static void
list_agents(const struct resource *r, struct agent_views *out)
{
	const struct json *w;
	const char *kind = r->kind->name;

	memset(out, 0, sizeof *out);
	if (strcmp(kind, "Worker") == 0)
		add_view(out, r, r->spec, r->name, AGENT_STANDALONE);
	else if (strcmp(kind, "Manager") == 0)
		add_view(out, r, r->spec, r->name, AGENT_MANAGER);
	if (strcmp(kind, "Team") != 0)
		return;
	w = json_get(r->spec, "leader");
	add_view(out, r, w, json_str(w, "name"), AGENT_LEADER);
	for (w = json_first(json_get(r->spec, "workers")); w != NULL;
	    w = json_next(w))
		add_view(out, r, w, json_str(w, "name"), AGENT_WORKER);
}

/* A leader's room is the team's, by the team's name. */
static void
leader_room(const struct engine *e, const struct resource *r,
    struct agent_view *v)
{
	char *key = xasprintf("room:leader/%s", resource_runtime_name(r));

	if (v->room == NULL)
		v->room = xstrdup(engine_observed(e, key, "room_id"));
	free(key);
}

void
agent_views_find(const struct engine *e, const struct resource *r,
    int64_t now_ms, struct agent_views *out)
{
	struct sum s = { out, map_new(NULL), now_ms };
	char *owner = xasprintf("%s/%s", r->kind->name, r->name);

	list_agents(r, out);
	for (size_t i = 0; i < out->n; i++) {
		map_set(s.by_name, out->v[i].runtime_name, &out->v[i]);
		map_set(s.by_name, out->v[i].name, &out->v[i]);
	}
	engine_objects(e, owner, take_object, &s);
	for (size_t i = 0; i < out->n; i++) {
		out->v[i].phase = phase_of(e, &out->v[i], r);
		if (out->v[i].role == AGENT_LEADER)
			leader_room(e, r, &out->v[i]);
	}
	map_free(s.by_name);
	free(owner);
}

void
agent_views_release(struct agent_views *vs)
{
	for (size_t i = 0; i < vs->n; i++) {
		free(vs->v[i].user);
		free(vs->v[i].room);
		json_free(vs->v[i].ports);
	}
	free(vs->v);
	memset(vs, 0, sizeof *vs);
}

const struct agent_view *
agent_views_named(const struct agent_views *vs, const char *name)
{
	for (size_t i = 0; i < vs->n; i++)
		if (strcmp(vs->v[i].name, name) == 0)
			return &vs->v[i];
	return NULL;
}
