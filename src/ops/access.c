/*
 * Who may use which model provider and which MCP server: lines of a manifest
 * (spec.accessEntries, spec.mcpServers), put in and taken out.
 */
#include "hiclaw/ops.h"

#include <stdlib.h>
#include <string.h>

struct json *
agent_part(struct json *spec, const struct agent *a)
{
	struct json *v;

	if (a->role == AGENT_LEADER)
		return json_get(spec, "leader");
	if (a->role != AGENT_WORKER)
		return spec;
	for (v = json_first(json_get(spec, "workers")); v != NULL;
	    v = json_next(v))
		if (str_equal(json_str(v, "name"), a->name))
			return v;
	return spec;
}

/* The list with the name put in or taken out, sorted. */
static struct json *
edited_list(const struct json *list, const char *name, bool grants)
{
	struct strv names = { 0 };
	struct json *out = json_array();
	const struct json *v;

	for (v = json_first(list); v != NULL; v = json_next(v))
		if (json_value_str(v) != NULL &&
		    !str_equal(json_value_str(v), name))
			strv_add_unique(&names, json_value_str(v));
	if (grants)
		strv_add(&names, name);
	strv_sort(&names);
	for (size_t i = 0; i < names.n; i++)
		json_push_str(out, names.v[i]);
	strv_release(&names);
	return out;
}

static bool
is_gateway_entry(const struct json *entry)
{
	return str_equal(json_str(entry, "service"), "ai-gateway") &&
	    (json_get(entry, "scope") == NULL ||
	    json_get(json_get(entry, "scope"), "providers") != NULL ||
	    json_get(json_get(entry, "scope"), "mcpServers") != NULL);
}

/* accessEntries with the grant put in or taken out; an empty entry goes. */
static void
edit_entries(struct json *spec, const char *list_name, const char *name,
    bool grants)
{
	const struct json *v;
	struct json *out = json_array(), *entry, *scope, *list;
	bool done = false;

	for (v = json_first(json_get(spec, "accessEntries")); v != NULL;
	    v = json_next(v)) {
		entry = json_copy(v);
		if (is_gateway_entry(v) && (!grants || !done)) {
			scope = json_obj(entry, "scope");
			list = edited_list(json_get(scope, list_name), name,
			    grants);
			if (json_size(list) > 0)
				json_set(scope, list_name, list);
			else {
				json_free(list);
				json_remove(scope, list_name);
			}
			done = true;
			if (json_size(scope) == 0) {
				json_free(entry);
				continue;
			}
		}
		json_push(out, entry);
	}
	if (grants && !done) {
		entry = json_push(out, json_object());
		json_set_str(entry, "service", "ai-gateway");
		json_set(json_obj(entry, "scope"), list_name,
		    edited_list(NULL, name, true));
	}
	if (json_size(out) > 0)
		json_set(spec, "accessEntries", out);
	else {
		json_free(out);
		json_remove(spec, "accessEntries");
	}
}

/* An MCP server that the agent lists under the gateway's address goes, too. */
static void
drop_mcp(const struct world_config *cfg, struct json *spec, const char *name)
{
	const char *base = cfg->gateway.agents_url, *u;
	const struct json *v;
	struct json *out;
	char *url;
	size_t n;

	if (base == NULL || json_get(spec, "mcpServers") == NULL)
		return;
	url = xasprintf("%s/mcp-servers/%s", base, name);
	n = strlen(url);
	out = json_array();
	for (v = json_first(json_get(spec, "mcpServers")); v != NULL;
	    v = json_next(v)) {
		u = json_strd(v, "url", "");
		if (str_starts(u, url) && strchr("/?#", u[n]) != NULL)
			continue;
		json_push(out, json_copy(v));
	}
	if (json_size(out) > 0)
		json_set(spec, "mcpServers", out);
	else {
		json_free(out);
		json_remove(spec, "mcpServers");
	}
	free(url);
}

void
access_edit(const struct world_config *cfg, struct json *spec,
    const char *list, const char *name, bool grants)
{
	edit_entries(spec, list, name, grants);
	if (!grants && strcmp(list, "mcpServers") == 0)
		drop_mcp(cfg, spec, name);
}
