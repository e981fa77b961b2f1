/*
 * openclaw.json: the configuration of OpenClaw, from which CoPaw and Hermes
 * images take theirs as well.
 *
 * The form is one that OpenClaw of 2026.4 and of 2026.9 accept; what only one
 * runtime knows is written for that runtime only, because OpenClaw refuses a
 * file with a key that it does not know.  Allow lists say who is heard, always
 * as a list: no list at all would mean something else.
 */
#include "files-int.h"

#include <stdlib.h>
#include <string.h>

#define PROVIDER	"hiclaw-gateway"
#define PORT		18799

/*
 * The console is guarded by the agent's key; without one it stays inside the
 * container.
 */
static struct json *
console(const struct home *h)
{
	struct json *g = json_object(), *auth;

	json_set_str(g, "bind", h->consumer != NULL ? "lan" : "loopback");
	json_set_str(g, "mode", "local");
	json_set_int(g, "port", PORT);
	if (h->consumer == NULL)
		return g;
	auth = json_obj(g, "auth");
	json_set_str(auth, "mode", "token");
	json_set(auth, "token", json_gateway_key(h));
	json_set(json_obj(g, "remote"), "token", json_gateway_key(h));
	json_set_bool(json_obj(g, "controlUi"), "dangerouslyDisableDeviceAuth",
	    true);
	json_push_str(json_set(json_get(g, "controlUi"), "allowedOrigins",
	    json_array()), "*");
	return g;
}

static struct json *
matrix(const struct home *h)
{
	struct json *m = json_object(), *dm, *any;

	json_set_bool(m, "enabled", true);
	json_set_str(m, "homeserver", h->cfg->agents.homeserver_url);
	json_set_str(m, "userId", h->agent->user);
	json_set(m, "accessToken", json_secret(h->account, "token",
	    "token_id"));
	json_set_bool(m, "encryption", false);
	json_set_bool(json_obj(m, "network"), "dangerouslyAllowPrivateNetwork",
	    true);
	json_set_str(m, "autoJoin", "always");
	dm = json_obj(m, "dm");
	json_set_str(dm, "policy", "allowlist");
	json_set(dm, "allowFrom", json_names(&h->allow.dm));
	json_set_str(m, "groupPolicy", "allowlist");
	json_set(m, "groupAllowFrom", json_names(&h->allow.group));
	any = json_obj(json_obj(m, "groups"), "*");
	if (h->runtime_bit == RUNTIME_OPENCLAW)
		json_set_bool(any, "enabled", true);
	json_set_bool(any, "requireMention", true);
	if (h->runtime_bit == RUNTIME_COPAW) {
		json_set_bool(m, "filterThinking", true);
		json_set_bool(m, "filterToolMessages", true);
	}
	if (h->runtime_bit == RUNTIME_HERMES) {
		json_set_bool(m, "autoThread", true);
		json_set_bool(m, "dmMentionThreads", false);
		json_set_bool(m, "requireMention", true);
	}
	return m;
}

static struct json *
models(const struct home *h)
{
	const struct model limits = model_limits(h->model);
	struct json *all = json_object(), *p, *m, *input;

	json_set_str(all, "mode", "merge");
	p = json_obj(json_obj(all, "providers"), PROVIDER);
	json_set_str(p, "api", "openai-completions");
	json_set(p, "apiKey", json_gateway_key(h));
	json_set_str(p, "baseUrl", h->base_url);
	m = json_push(json_set(p, "models", json_array()), json_object());
	json_set_str(m, "id", h->model);
	json_set_str(m, "name", h->model);
	json_set_int(m, "contextWindow", limits.context);
	json_set_int(m, "maxTokens", limits.output);
	json_set_bool(m, "reasoning", true);
	input = json_set(m, "input", json_array());
	json_push_str(input, "text");
	if (limits.has_images)
		json_push_str(input, "image");
	return all;
}

/* OpenClaw knows no "enabled"; its own default is half an hour, 0m is never. */
static struct json *
heartbeat(const struct home *h)
{
	const char *every = home_heartbeat(h);
	bool is_on = every != NULL && every[0] != '\0';
	struct json *v;

	if (every == NULL)
		return NULL;
	v = json_object();
	if (h->runtime_bit == RUNTIME_COPAW)
		json_set_bool(v, "enabled", is_on);
	json_set_str(v, "every", is_on ? every :
	    h->runtime_bit == RUNTIME_COPAW ? "30m" : "0m");
	return v;
}

static struct json *
defaults(const struct home *h)
{
	bool is_manager = h->agent->role == AGENT_MANAGER;
	struct json *d = json_object(), *one;
	char *primary;

	json_set_int(d, "timeoutSeconds", 1800);
	json_set_str(d, "workspace", "~");
	json_set_int(d, "maxConcurrent", is_manager ? 8 : 4);
	json_set_int(json_obj(d, "subagents"), "maxConcurrent",
	    is_manager ? 16 : 8);
	json_set(d, "heartbeat", heartbeat(h));
	if (is_manager)
		json_set_str(d, "elevatedDefault", "full");
	if (h->base_url == NULL)
		return d;
	primary = xasprintf(PROVIDER "/%s", h->model);
	json_set_str(json_obj(d, "model"), "primary", primary);
	one = json_obj(json_obj(d, "models"), primary);
	json_set_str(one, "alias", h->model);
	free(primary);
	return d;
}

/* The Manager runs commands for the admins, and for nobody else. */
static void
add_manager_tools(const struct home *h, struct json *root)
{
	struct json *exec = json_obj(json_obj(root, "tools"), "exec");
	struct json *elevated = json_obj(json_get(root, "tools"), "elevated");
	struct json *from = json_set(json_obj(elevated, "allowFrom"), "matrix",
	    json_array());
	const struct people *ps[] = { &h->census->admins, &h->census->tier1 };
	size_t i, k;

	json_set_str(exec, "ask", "off");
	json_set_str(exec, "host", "gateway");
	json_set_str(exec, "security", "full");
	json_set_bool(elevated, "enabled", true);
	for (k = 0; k < NELEM(ps); k++)
		for (i = 0; i < ps[k]->n; i++)
			if (k == 0 || !ps[k]->v[i]->is_admin)
				json_push_str(from, ps[k]->v[i]->user);
	json_set_bool(json_obj(root, "commands"), "restart", true);
}

static struct json *
session(const struct home *h)
{
	static const char *const types[] = { "direct", "group" };
	struct json *s = json_object(), *by = json_obj(s, "resetByType"), *v;
	size_t i;

	for (i = 0; i < NELEM(types); i++) {
		v = json_obj(by, types[i]);
		json_set_int(v, "atHour", 4);
		json_set_str(v, "mode", "daily");
	}
	if (h->agent->role == AGENT_MANAGER)
		json_set_str(s, "dmScope", "per-channel-peer");
	return s;
}

static struct json *
plugins(void)
{
	struct json *p = json_object(), *entries = json_obj(p, "entries"), *v;

	json_set_bool(json_obj(entries, "matrix"), "enabled", true);
	v = json_obj(entries, "memory-core");
	json_set_bool(v, "enabled", true);
	json_set_bool(json_obj(json_obj(v, "config"), "dreaming"), "enabled",
	    true);
	return p;
}

bool
make_openclaw(struct home *h, struct made *m)
{
	struct json *root = m->json = json_object();

	json_set(root, "gateway", console(h));
	json_set(json_obj(root, "channels"), "matrix", matrix(h));
	if (h->base_url != NULL)
		json_set(root, "models", models(h));
	json_set(json_obj(root, "agents"), "defaults", defaults(h));
	json_set(root, "session", session(h));
	json_set(root, "plugins", plugins());
	if (h->agent->role == AGENT_MANAGER)
		add_manager_tools(h, root);
	/* OpenClaw looks for changes; what CoPaw takes over at once is less
	 * than half of it. */
	m->restarts = h->runtime_bit == RUNTIME_COPAW;
	return true;
}
