/*
 * What the settings say to the compile and to the providers: the same systems
 * seen from two sides.  The compile never sees a key, only its digest, so that a
 * new key is a difference.
 */
#include "daemon.h"

#include <stdlib.h>
#include <string.h>

struct json *
without_keys(const struct json *list)
{
	struct json *copy = json_copy(list), *v;
	char id[SECRET_ID];

	for (v = json_first(copy); v != NULL; v = json_next(v)) {
		if (json_str(v, "key") == NULL)
			continue;
		secret_id(json_str(v, "key"), id);
		json_set_str(v, "key_id", id);
		json_remove(v, "key");
	}
	return copy;
}

static const char *
named(const char *provider)
{
	return provider == NULL || provider[0] == '\0' ? NULL : provider;
}

void
world_config_fill(struct daemon *d, struct world_config *w)
{
	const struct config *c = &d->cfg;

	w->domain = c->homeserver.domain;
	w->prefix = c->prefix;
	w->instance = c->as_id;
	w->device = d->mx.device;
	w->room_version = c->homeserver.room_version;
	w->federate = c->homeserver.federate;
	w->admins = &c->admins;
	w->library = d->library;
	w->storage.provider = named(c->storage.provider);
	w->storage.bucket = c->storage.bucket;
	w->storage.agents_url = c->storage.agents_url;
	w->gateway.provider = named(c->gateway.provider);
	w->gateway.agents_url = c->gateway.agents_url;
	w->gateway.expose_domain = c->gateway.expose_domain;
	w->gateway.expose_open = c->gateway.expose_open;
	w->gateway.providers = d->providers;
	w->gateway.mcp_servers = d->mcp_servers;
	w->agents.homeserver_url = c->agents.homeserver_url;
	w->agents.runtime = c->agents.runtime;
	w->agents.model = c->agents.model;
}

void
provider_env_fill(struct daemon *d, struct provider_env *env)
{
	const struct config *c = &d->cfg;

	env->matrix = &d->mx;
	env->templates_dir = c->chat.templates;
	env->instance = c->as_id;
	env->storage.provider = named(c->storage.provider);
	env->storage.url = c->storage.url;
	env->storage.bucket = c->storage.bucket;
	env->storage.region = c->storage.region;
	env->storage.access_key = c->storage.access_key;
	env->storage.secret_key = c->storage.secret_key;
	env->storage.session_token = named(c->storage.session_token);
	env->storage.imports = c->storage.imports;
	env->storage.private_packages = c->storage.private_packages;
	env->gateway.provider = named(c->gateway.provider);
	env->gateway.url = c->gateway.url;
	env->gateway.providers = c->gateway.providers;
	env->gateway.mcp_servers = c->gateway.mcp_servers;
	env->gateway.directory = c->gateway.directory;
	env->gateway.listen = &c->gateway.listen;
	env->gateway.homeserver_url = c->homeserver.url;
	env->gateway.console_url = c->gateway.console_url;
	env->gateway.console_user = c->gateway.console_user;
	env->gateway.console_password = c->gateway.console_password;
}
