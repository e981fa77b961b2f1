/* A small house with everything in it: tests/data/adopt/house.yaml. */
#ifndef SETTING_HELP_H
#define SETTING_HELP_H

#include "world-help.h"

struct setting {
	struct world_config cfg;
	struct json	*providers, *mcps, *images;
	struct resources *rs;
};

static inline void
setting_init(struct setting *s)
{
	s->cfg = test_config();
	s->providers = json_must("[{\"name\":\"qwen\",\"url\":\"https://q\"},"
	    "{\"name\":\"big\",\"url\":\"https://b\",\"models\":[\"big*\"]}]");
	s->mcps = json_must("[{\"name\":\"github\",\"url\":\"https://g\"}]");
	s->images = json_must("{\"openclaw\":\"o\",\"copaw\":\"c\","
	    "\"hermes\":\"h\",\"manager\":\"m\"}");
	s->cfg.storage = (struct world_storage){ .provider = "directory",
	    .bucket = "hiclaw-storage" };
	s->cfg.gateway = (struct world_gateway){ .provider = "envoy",
	    .agents_url = "http://gw:8080", .providers = s->providers,
	    .mcp_servers = s->mcps };
	s->cfg.containers = (struct world_containers){ .provider = "docker",
	    .network = "host", .images = s->images, .pull = "never",
	    .homes = "/homes" };
	s->cfg.agents.homeserver_url = "http://hs";
	s->rs = from_file("adopt/house.yaml");
}

static inline void
setting_release(struct setting *s)
{
	json_free(s->providers);
	json_free(s->mcps);
	json_free(s->images);
	resources_free(s->rs);
}

#endif
