/*
 * How things look through REST: the keys of the original, from what is declared
 * and what is observed.  A key without a value is left out, but for those that
 * clients count on.  Secrets are in none.
 */
#include "rest-int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hiclaw/clock.h"

static void
set_message(struct json *o, const char *text)
{
	if (text != NULL && text[0] != '\0')
		json_set_str(o, "message", text);
}

static void
set_generation(struct json *o, const struct resource *r)
{
	char iso[24];

	json_set_int(o, "generation", r->generation);
	if (r->created_ms > 0)
		json_set_str(o, "creationTimestamp", clock_iso(r->created_ms,
		    iso));
}

static void
copy(struct json *o, const struct json *from, const char *key)
{
	json_set(o, key, json_copy(json_get(from, key)));
}

/* --- agents -------------------------------------------------------------- */

/* What the setting of the operator makes of nothing. */
static const char *
or_default(const struct json *spec, const char *key, const char *dflt)
{
	const char *said = json_strd(spec, key, "");

	return said[0] != '\0' ? said : dflt;
}

/* What is said of it beside its phase. */
static const char *
agent_message(const struct agent_view *v)
{
	if (v->why[0] != '\0')
		return v->why;
	if (v->has_runner && v->is_running && !v->is_ready)
		return "its agent has not reported ready yet";
	return NULL;
}

static void
set_agent(struct call *c, struct json *o, const struct agent_view *v,
    bool is_status)
{
	const struct world_config *wc = engine_world_config(
	    c->rest->ops->engine);
	bool is_ready = is_status && v->is_ready && v->is_running &&
	    strcmp(v->phase, "Running") == 0;
	char iso[24];

	json_set_str(o, "name", v->name);
	json_set_str(o, "phase", is_ready ? "Ready" : v->phase);
	json_set_str(o, "state", v->state);
	json_set_str(o, "model", or_default(v->spec, "model",
	    wc->agents.model));
	json_set_str(o, "runtime", or_default(v->spec, "runtime",
	    wc->agents.runtime));
	copy(o, v->spec, "image");
	if (v->has_runner)
		json_set_str(o, "containerState", v->is_ready &&
		    v->is_running ? "ready" : v->container);
	if (v->heard_ms > 0)
		json_set_str(o, "lastHeartbeat", clock_iso(v->heard_ms, iso));
	json_set_str(o, "matrixUserID", v->user);
	json_set_str(o, "roomID", v->room);
	set_message(o, agent_message(v));
}

struct json *
view_agent(struct call *c, const struct agent_view *v, bool is_status)
{
	bool is_member = v->role == AGENT_LEADER || v->role == AGENT_WORKER;
	struct json *o = json_object();

	set_agent(c, o, v, is_status);
	json_set(o, "exposedPorts", json_copy(v->ports));
	if (v->role == AGENT_STANDALONE)
		json_set_bool(o, "containerManaged", json_bool(v->spec,
		    "containerManaged", true));
	if (v->role == AGENT_MANAGER)
		json_set_bool(o, "welcomeSent", false);
	if (is_member) {
		json_set_str(o, "team", v->resource->name);
		json_set_str(o, "role", v->role == AGENT_LEADER ?
		    "team_leader" : "worker");
	} else
		set_generation(o, v->resource);
	return o;
}

static struct json *
view_single(struct call *c, const struct resource *r)
{
	struct agent_views vs;
	struct json *o;

	agent_views_find(c->rest->ops->engine, r, clock_ms(), &vs);
	o = view_agent(c, &vs.v[0], false);
	agent_views_release(&vs);
	return o;
}

/* --- Team ---------------------------------------------------------------- */

/* The original has fewer words. */
static const char *
short_phase(const char *phase)
{
	static const char *const words[][2] = {
		{ "Ready", "Active" }, { "Updating", "Pending" },
		{ "Starting", "Pending" }, { "Waiting", "Pending" },
		{ "CrashLoop", "Degraded" },
	};

	for (size_t i = 0; i < NELEM(words); i++)
		if (strcmp(words[i][0], phase) == 0)
			return words[i][1];
	return phase;
}

static void
set_room(struct call *c, struct json *o, const char *key, const char *kind,
    const struct resource *r)
{
	char *room = xasprintf("room:%s/%s", kind, resource_runtime_name(r));

	json_set_str(o, key, engine_observed(c->rest->ops->engine, room,
	    "room_id"));
	free(room);
}

/* Up is who works, and who is asleep because somebody said so is not down. */
static bool
is_up(const struct agent_view *v)
{
	return v->has_runner ? v->is_running && v->is_ready :
	    strcmp(v->phase, "Ready") == 0;
}

static void
set_members(struct call *c, struct json *o, const struct resource *r)
{
	struct json *names = json_array(), *ports = json_object();
	struct agent_views vs;
	int64_t ready = 0, total = 0;
	bool leader_ready = false;

	agent_views_find(c->rest->ops->engine, r, clock_ms(), &vs);
	for (size_t i = 0; i < vs.n; i++) {
		const struct agent_view *v = &vs.v[i];

		if (v->role == AGENT_LEADER) {
			leader_ready = is_up(v);
			continue;
		}
		total++;
		ready += is_up(v);
		json_push_str(names, v->name);
		json_set(ports, v->name, json_copy(v->ports));
	}
	json_set_bool(o, "leaderReady", leader_ready);
	json_set_int(o, "readyWorkers", ready);
	json_set_int(o, "totalWorkers", total);
	json_set(o, "workerNames", names);
	if (json_size(ports) > 0)
		json_set(o, "workerExposedPorts", ports);
	else
		json_free(ports);
	agent_views_release(&vs);
}

static struct json *
view_team(struct call *c, const struct resource *r)
{
	const struct json *leader = json_get(r->spec, "leader");
	struct json *o = json_object();
	char why[WHY_MAX];

	json_set_str(o, "name", r->name);
	json_set_str(o, "teamName", resource_runtime_name(r));
	json_set_str(o, "phase", short_phase(engine_phase(c->rest->ops->engine,
	    r, why, sizeof why)));
	copy(o, r->spec, "description");
	copy(o, r->spec, "admin");
	copy(o, r->spec, "humanMembers");
	json_set_str(o, "leaderName", json_strd(leader, "name", ""));
	json_set(o, "leaderHeartbeat", json_copy(json_get(leader,
	    "heartbeat")));
	copy(o, leader, "workerIdleTimeout");
	set_room(c, o, "teamRoomID", "team", r);
	set_room(c, o, "leaderDMRoomID", "leaderdm", r);
	set_members(c, o, r);
	set_message(o, why);
	set_generation(o, r);
	return o;
}

/* --- Human --------------------------------------------------------------- */

struct rooms { char *quoted; const char *user; struct json *list; };

static void
add_room(void *arg, const struct object_view *v)
{
	struct rooms *rs = arg;
	struct json *o;
	struct err err;
	const char *how;

	if (!str_starts(v->key, "room:") || v->observed == NULL ||
	    strstr(v->observed, rs->quoted) == NULL)
		return;
	o = json_parse(v->observed, strlen(v->observed), &err);
	how = json_str(json_get(o, "members"), rs->user);
	if (str_equal(how, "join") || str_equal(how, "invite"))
		json_push_str(rs->list, json_strd(o, "room_id", v->key));
	json_free(o);
}

struct json *
view_human(struct call *c, const struct resource *r, bool with_rooms)
{
	const struct engine *e = c->rest->ops->engine;
	char *user = human_user(engine_world_config(e), r);
	struct rooms rooms = { xasprintf("\"%s\"", user), user, NULL };
	struct json *o = json_object();
	char why[WHY_MAX];
	const char *phase = short_phase(engine_phase(e, r, why, sizeof why));

	json_set_str(o, "name", r->name);
	json_set_str(o, "phase", strcmp(phase, "Degraded") == 0 ? "Failed" :
	    phase);
	json_set_str(o, "displayName", json_strd(r->spec, "displayName", ""));
	json_set_str(o, "matrixUserID", user);
	copy(o, r->spec, "email");
	copy(o, r->spec, "permissionLevel");
	copy(o, r->spec, "accessibleTeams");
	copy(o, r->spec, "accessibleWorkers");
	copy(o, r->spec, "note");
	if (with_rooms) {
		rooms.list = json_set(o, "rooms", json_array());
		engine_objects(e, NULL, add_room, &rooms);
	}
	set_message(o, why);
	set_generation(o, r);
	free(rooms.quoted);
	free(user);
	return o;
}

/* --- any ----------------------------------------------------------------- */

struct json *
view_resource(struct call *c, const struct resource *r)
{
	if (strcmp(r->kind->name, "Team") == 0)
		return view_team(c, r);
	if (strcmp(r->kind->name, "Human") == 0)
		return view_human(c, r, true);
	return view_single(c, r);
}

struct deleting {
	const struct kind *kind;
	const char	*name;
	struct resource	*found;
};

static void
match_deleting(const struct resource_row *row, void *arg)
{
	struct deleting *d = arg;
	struct err err;

	if (!row->deleting || d->found != NULL ||
	    strcmp(row->kind, d->kind->name) != 0 ||
	    strcmp(row->name, d->name) != 0)
		return;
	d->found = resource_new(d->kind, json_parse(row->metadata,
	    strlen(row->metadata), &err), json_parse(row->spec,
	    strlen(row->spec), &err));
	d->found->generation = row->generation;
	d->found->created_ms = row->created_ms;
	d->found->deleting = true;
}

struct resource *
find_deleting(struct call *c, const struct kind *kind, const char *name)
{
	struct deleting d = { kind, name, NULL };

	store_resources_each(c->rest->ops->store, match_deleting, &d);
	return d.found;
}
