/*
 * CoPaw derives nearly all from openclaw.json, into an agent.json that is its
 * own.  Two things there are ours.  Its worker of 1.0.4 forgets the two policies
 * on the way and then answers everybody; it keeps them when agent.json has them.
 * And it joins the lists of both files, so that whom we do not list any more has
 * to go from this one too.
 */
#include "files-int.h"

bool
make_copaw_agent(struct home *h, struct made *m)
{
	static const char *const prompts[] = { "AGENTS.md", "SOUL.md",
	    "PROFILE.md" };
	const char *every = home_heartbeat(h);
	bool is_on = every != NULL && every[0] != '\0';
	struct json *root = m->json = json_object(), *v;
	size_t i;

	json_set_str(root, "id", "default");
	json_set_str(root, "name", "Default Agent");
	json_set_str(root, "language", "en");
	v = json_set(root, "system_prompt_files", json_array());
	for (i = 0; i < NELEM(prompts); i++)
		json_push_str(v, prompts[i]);
	v = json_obj(root, "heartbeat");
	json_set_bool(v, "enabled", is_on);
	json_set_str(v, "every", is_on ? every : "10m");
	v = json_obj(root, "channels");
	json_set_bool(json_obj(v, "console"), "enabled", false);
	v = json_obj(v, "matrix");
	json_set_bool(v, "enabled", true);
	json_set_str(v, "dm_policy", "allowlist");
	json_set_str(v, "group_policy", "allowlist");
	json_set(v, "allow_from", json_names(&h->allow.dm));
	json_set(v, "group_allow_from", json_names(&h->allow.group));
	json_set_int(json_obj(root, "running"), "max_iters", 200);
	m->restarts = true;
	return true;
}
