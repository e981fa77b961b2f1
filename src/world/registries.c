/*
 * What programs read: the manager's registries of all workers, teams and people,
 * and each member's runtime.yaml.  Names are runtime names throughout; rooms are
 * references.  No times: a file that says when it was written differs each time.
 */
#include "files-int.h"

#include <stdlib.h>
#include <string.h>

/* Of a room by its key's parts; null when there is no such room. */
static struct json *
room(const char *kind, const char *name)
{
	char *key = xasprintf("room:%s/%s", kind, name);
	struct json *v = json_ref(key, "room_id");

	free(key);
	return v;
}

static struct json *
registry(struct made *m, const char *name)
{
	m->json = json_object();
	json_set_int(m->json, "version", 1);
	return json_obj(m->json, name);
}

static struct json *
or_null(const char *text)
{
	return text != NULL ? json_string(text) : json_null();
}

static struct json *
names_of(const struct json *skills)
{
	struct json *list = json_array();
	const struct json *v;

	for (v = json_first(skills); v != NULL; v = json_next(v))
		json_push_str(list, json_key(v));
	return list;
}

bool
make_workers_registry(struct home *h, struct made *m)
{
	struct json *all = registry(m, "workers"), *w, *skills;
	const struct agents *as = &h->census->agents;
	const struct resource *team;
	const struct agent *a;
	size_t i;

	for (i = 0; i < as->n; i++) {
		a = &as->v[i];
		if (a->role == AGENT_MANAGER)
			continue;
		team = agent_team(a);
		w = json_object();
		json_set_str(w, "matrix_user_id", a->user);
		json_set(w, "room_id", a->role == AGENT_LEADER ?
		    room("leader", resource_runtime_name(team)) :
		    room("worker", a->runtime));
		json_set_str(w, "runtime", agent_runtime(h->cfg, a));
		json_set_str(w, "deployment", "local");
		skills = agent_skills(h->cfg, a);
		json_set(w, "skills", names_of(skills));
		json_free(skills);
		json_set_str(w, "role", a->role == AGENT_LEADER ?
		    "team_leader" : "worker");
		json_set(w, "team_id", or_null(team == NULL ? NULL :
		    resource_runtime_name(team)));
		json_set(w, "image", or_null(json_str(a->spec, "image")));
		json_add(all, a->runtime, w);
	}
	return true;
}

static struct json *
person_json(const struct person *p, const char *name, const char *role)
{
	struct json *v = json_object();

	json_set_str(v, "name", name);
	json_set_str(v, "matrix_user_id", p->user);
	json_set_str(v, "role", role);
	return v;
}

static void
add_team_members(struct home *h, const struct resource *r, struct json *t)
{
	const struct json *who = json_get(r->spec, "admin");
	struct person *admin = census_team_admin(h->census, r);
	struct json *list = json_set(t, "members", json_array());
	struct people ps = { 0 };

	json_set(t, "admin", json_null());
	if (admin != NULL) {
		json_set(t, "admin", person_json(admin,
		    json_strd(who, "name", admin->user), NULL));
		json_push(list, person_json(admin, json_strd(who, "name",
		    admin->user), "admin"));
	}
	census_coordinators(h->census, r, &ps);
	people_settle(&ps);
	for (size_t i = 0; i < ps.n; i++)
		if (ps.v[i] != admin)
			json_push(list, person_json(ps.v[i], ps.v[i]->user,
			    "coordinator"));
	people_release(&ps);
}

bool
make_teams_registry(struct home *h, struct made *m)
{
	struct json *all = registry(m, "teams"), *t = NULL, *workers = NULL;
	const struct agents *as = &h->census->agents;
	const struct resource *team, *last = NULL;
	size_t i;

	/* Members of a team stand together, the leader first. */
	for (i = 0; i < as->n; i++) {
		if ((team = agent_team(&as->v[i])) == NULL)
			continue;
		if (team != last) {
			const char *name = resource_runtime_name(team);

			t = json_obj(all, name);
			json_set(t, "team_room_id", room("team", name));
			json_set(t, "leader_dm_room_id",
			    room("leaderdm", name));
			workers = json_set(t, "workers", json_array());
			add_team_members(h, team, t);
			last = team;
		}
		if (as->v[i].role == AGENT_LEADER)
			json_set_str(t, "leader", as->v[i].runtime);
		else
			json_push_str(workers, as->v[i].runtime);
	}
	return true;
}

static struct json *
list_copy(const struct json *list)
{
	return list != NULL ? json_copy(list) : json_array();
}

bool
make_humans_registry(struct home *h, struct made *m)
{
	const struct kind *human = kind_find("human");
	struct json *all = registry(m, "humans"), *v;
	const struct resources *rs = h->census->resources;
	const struct resource *r;
	const struct person *p;
	size_t i;

	for (i = 0; i < resources_n(rs); i++) {
		r = resources_at(rs, i);
		if (r->kind != human ||
		    (p = map_find(h->census->by_human, r->name)) == NULL)
			continue;
		v = json_obj(all, resource_runtime_name(r));
		json_set_str(v, "matrix_user_id", p->user);
		json_set_str(v, "display_name", json_strd(r->spec,
		    "displayName", r->name));
		json_set_int(v, "permission_level", json_int(r->spec,
		    "permissionLevel", 3));
		json_set(v, "accessible_teams", list_copy(json_get(r->spec,
		    "accessibleTeams")));
		json_set(v, "accessible_workers", list_copy(json_get(r->spec,
		    "accessibleWorkers")));
	}
	return true;
}

/* --- runtime.yaml ------------------------------------------------------------ */

static void
put_team(const struct home *h, struct json *root)
{
	const struct agent *leader = home_leader(h);
	struct json *t;

	if (h->team == NULL)
		return;
	/* Not its members: each new one would change the file of all. */
	t = json_obj(root, "team");
	json_set_str(t, "name", h->team_name);
	json_set(t, "teamRoomId", room("team", h->team_name));
	json_set(t, "leaderDmRoomId", room("leaderdm", h->team_name));
	if (leader != NULL) {
		json_set_str(t, "leaderName", leader->name);
		json_set_str(t, "leaderRuntimeName", leader->runtime);
	}
}

/* Without the password that a registry's address may carry; yours. */
static char *
without_login(const char *uri)
{
	const char *host = strstr(uri, "://"), *at;
	size_t n;

	if (host == NULL)
		return xstrdup(uri);
	host += 3;
	for (at = NULL, n = strcspn(host, "/?#"); n-- > 0 && at == NULL;)
		if (host[n] == '@')
			at = host + n + 1;
	return at == NULL ? xstrdup(uri) : xasprintf("%.*s%s",
	    (int)(host - uri), uri, at);
}

static void
put_desired(const struct home *h, struct json *root)
{
	struct json *d = json_obj(root, "desired"), *m, *skills;
	const char *uri = json_str(h->agent->spec, "package");
	char *package;

	if (h->base_url != NULL) {
		m = json_obj(d, "model");
		json_set_str(m, "providerId", "hiclaw-gateway");
		json_set_str(m, "model", h->model);
		json_set_str(m, "gatewayUrl", h->base_url);
	}
	if (uri != NULL) {
		package = without_login(uri);
		json_set_str(json_obj(d, "agentPackage"), "ref", package);
		free(package);
	}
	skills = agent_skills(h->cfg, h->agent);
	json_set(d, "skills", names_of(skills));
	json_free(skills);
	json_set_str(d, "state", json_strd(h->agent->spec, "state",
	    "Running"));
}

static void
put_storage(const struct home *h, struct json *root)
{
	struct json *s = json_obj(root, "storage");

	json_set_str(s, "provider", h->cfg->storage.provider);
	if (strcmp(h->cfg->storage.provider, "directory") != 0) {
		json_set_str(s, "bucket", h->cfg->storage.bucket);
		json_set_str(s, "endpoint", h->cfg->storage.agents_url);
	}
	json_set_strf(s, "memberPrefix", "agents/%s/", h->agent->runtime);
	json_set_str(s, "sharedPrefix", h->shared);
	json_set_str(s, "globalSharedPrefix", "shared/");
	if (h->team != NULL)
		json_set_strf(s, "teamPrefix", "teams/%s/", h->team_name);
}

/* Names of variables, never what is in them: the agent may read and push this. */
static void
put_credentials(struct json *root)
{
	static const char *const names[][2] = {
		{ "gatewayKeyEnv", "HICLAW_WORKER_GATEWAY_KEY" },
		{ "matrixTokenEnv", "HICLAW_WORKER_MATRIX_TOKEN" },
		{ "storageAccessKeyEnv", "HICLAW_FS_ACCESS_KEY" },
		{ "storageSecretKeyEnv", "HICLAW_FS_SECRET_KEY" },
	};
	struct json *c = json_obj(root, "credentials");

	for (size_t i = 0; i < NELEM(names); i++)
		json_set_str(c, names[i][0], names[i][1]);
}

/* JSON is YAML. */
bool
make_runtime_yaml(struct home *h, struct made *m)
{
	struct json *root = m->json = json_object(), *v;

	json_set_str(root, "apiVersion", API_VERSION);
	json_set_str(root, "kind", "MemberRuntimeConfig");
	put_team(h, root);
	v = json_obj(root, "member");
	json_set_str(v, "name", h->agent->name);
	json_set_str(v, "runtimeName", h->agent->runtime);
	json_set_str(v, "role", agent_role_name(h->agent->role));
	json_set_str(v, "runtime", h->runtime);
	json_set_str(v, "matrixUserId", h->agent->user);
	json_set(v, "personalRoomId", json_ref(h->own_room, "room_id"));
	put_desired(h, root);
	put_storage(h, root);
	put_credentials(root);
	return true;
}
