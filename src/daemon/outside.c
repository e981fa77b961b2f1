/*
 * What the settings say to the compile and to the providers: the same systems
 * seen from two sides.  The compile never sees a key, only its digest, so that a
 * new key is a difference.
 */
#include "daemon.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

/* A bind-mounted home is read by who made it: an agent is that user, with none of
 * its privileges. */
static void
containers_fill(struct daemon *d, struct world_containers *w)
{
	const struct config *c = &d->cfg;

	w->provider = named(c->containers.provider);
	w->network = c->containers.network != NULL ? c->containers.network :
	    c->as_id;
	w->subnet = c->containers.subnet;
	w->images = c->agents.images;
	w->pull = c->containers.pull;
	w->memory = c->containers.memory_mb * 1024 * 1024;
	w->cpus = c->containers.cpu_m;
	w->pids = c->containers.pids;
	w->stop_s = c->containers.stop_s;
	w->read_only = c->containers.read_only;
	w->homes = c->containers.homes;
	w->user = c->containers.user;
	if (w->user == NULL && w->homes != NULL) {
		if (d->agent_user == NULL)
			d->agent_user = xasprintf("%u:%u",
			    (unsigned)geteuid(), (unsigned)getegid());
		w->user = d->agent_user;
	}
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
	containers_fill(d, &w->containers);
	w->agents.homeserver_url = c->agents.homeserver_url;
	w->agents.controller_url = c->agents.controller_url;
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
	env->containers.provider = named(c->containers.provider);
	env->containers.url = c->containers.url;
	env->containers.ca_file = c->containers.ca_file;
	env->containers.cert_file = c->containers.cert_file;
	env->containers.key_file = c->containers.key_file;
	env->containers.registries = c->containers.registries;
	if (d->own_url == NULL)
		d->own_url = xasprintf("http://%s", c->listen);
	env->gateway.controller_url = d->own_url;
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
