/*
 * Tool servers of an agent, as mcporter reads them; older images look for the
 * same under another name.  The key goes to the gateway and nowhere else.
 */
#include "files-int.h"

#include <stdlib.h>

static void
add_server(const struct home *h, struct json *servers, const struct json *s)
{
	const char *name = json_str(s, "name"), *url = json_str(s, "url");
	char *ours = world_mcp_name(h->cfg, url);
	struct json *v, *key;

	if (name != NULL && url != NULL) {
		v = json_obj(servers, name);
		json_set_str(v, "transport", json_strd(s, "transport",
		    "http"));
		json_set_str(v, "url", url);
		if (ours != NULL && h->consumer != NULL) {
			key = json_gateway_key(h);
			json_set_str(key, "before", "Bearer ");
			json_set(json_obj(v, "headers"), "Authorization", key);
		}
	}
	free(ours);
}

bool
make_mcporter(struct home *h, struct made *m)
{
	const struct json *s = json_first(json_get(h->agent->spec,
	    "mcpServers"));
	struct json *servers;

	m->json = json_object();
	servers = json_obj(m->json, "mcpServers");
	for (; s != NULL; s = json_next(s))
		add_server(h, servers, s);
	m->origin = h->cfg->gateway.provider == NULL ? NULL :
	    h->cfg->gateway.agents_url;
	return true;
}
