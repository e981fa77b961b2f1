/*
 * The routes: one row each.  Whether the caller may is decided from the row, and
 * by the handler again where the target is known only from the body.
 */
#include "rest-int.h"

#define API	"/api/v1"
#define KIND_ROWS(plural, kind_name) \
	{ { "POST", API "/" plural, VERB_CREATE, kind_name, \
	    "make a new one" }, post_resource }, \
	{ { "GET", API "/" plural, VERB_LIST, kind_name, \
	    "all that you may see" }, list_resources }, \
	{ { "GET", API "/" plural "/{name}", VERB_GET, kind_name, \
	    "one of them" }, get_resource }, \
	{ { "PUT", API "/" plural "/{name}", VERB_UPDATE, kind_name, \
	    "change what the body names, keep the rest" }, put_resource }, \
	{ { "DELETE", API "/" plural "/{name}", VERB_DELETE, kind_name, \
	    "delete it with all it has" }, delete_resource }
#define AGENT_ROWS(plural, kind_name) \
	{ { "POST", API "/" plural "/{name}/wake", VERB_WAKE, kind_name, \
	    "spec.state Running" }, post_wake }, \
	{ { "POST", API "/" plural "/{name}/sleep", VERB_SLEEP, kind_name, \
	    "spec.state Sleeping" }, post_sleep }, \
	{ { "POST", API "/" plural "/{name}/ensure-ready", VERB_WAKE, \
	    kind_name, "wake it unless it runs" }, post_ensure_ready }, \
	{ { "POST", API "/" plural "/{name}/restart", VERB_RESTART, \
	    kind_name, "start its container anew" }, post_restart }, \
	{ { "POST", API "/" plural "/{name}/ready", VERB_READY, kind_name, \
	    "the agent says that it is ready" }, post_ready }, \
	{ { "GET", API "/" plural "/{name}/status", VERB_GET, kind_name, \
	    "one of them; phase Ready once it reported" }, \
	    get_agent_status }, \
	{ { "GET", API "/" plural "/{name}/logs", VERB_LOGS, kind_name, \
	    "the last lines of its container (?tail=100)" }, get_logs }

const struct row rows[] = {
	{ { "GET", "/healthz", VERB_NONE, NULL, "the process answers" },
	    get_healthz },
	{ { "GET", "/readyz", VERB_NONE, NULL,
	    "it can do its work; else 503 and why" }, get_readyz },
	{ { "GET", "/metrics", VERB_NONE, NULL, "for Prometheus" },
	    get_metrics },
	{ { "GET", API "/version", VERB_VERSION, NULL, "version and mode" },
	    get_version },
	{ { "GET", API "/status", VERB_STATUS, NULL, "how many, how well" },
	    get_status },
	{ { "POST", API "/join", VERB_NONE, NULL,
	    "a join code for an agent's home and token, once" }, post_join },
	{ { "POST", API "/home", VERB_VERSION, NULL,
	    "an agent elsewhere reports and gets what has changed" },
	    post_home },
	{ { "POST", API "/token", VERB_VERSION, NULL,
	    "a new token for an agent elsewhere" }, post_token },
	{ { "POST", API "/plan", VERB_PLAN, NULL,
	    "what would {\"docs\": [...]} change" }, post_plan },
	{ { "POST", API "/apply", VERB_UPDATE, NULL,
	    "change it, all documents or none" }, post_apply },
	KIND_ROWS("workers", "Worker"),
	AGENT_ROWS("workers", "Worker"),
	KIND_ROWS("teams", "Team"),
	KIND_ROWS("humans", "Human"),
	KIND_ROWS("managers", "Manager"),
	AGENT_ROWS("managers", "Manager"),
	{ { NULL, NULL, VERB_NONE, NULL, NULL }, NULL }
};

const struct rest_route *
rest_route_at(size_t i)
{
	return i < NELEM(rows) - 1 ? &rows[i].route : NULL;
}
