/* The table of built-in handlers: what a command file may name. */
#include "handlers.h"

#include <stddef.h>

#include "cmd.h"

const struct handler handlers[] = {
	{ "apply", cmd_apply, VERB_UPDATE },
	{ "cat", cmd_cat, VERB_ADMIN },
	{ "delete", cmd_delete, VERB_DELETE },
	{ "describe", cmd_describe, VERB_GET },
	{ "diff", cmd_diff, VERB_PLAN },
	{ "events", cmd_events, VERB_ADMIN },
	{ "explain", cmd_explain, VERB_VERSION },
	{ "files", cmd_files, VERB_ADMIN },
	{ "gateway-grant", cmd_gateway_grant, VERB_UPDATE },
	{ "gateway-revoke", cmd_gateway_revoke, VERB_UPDATE },
	{ "gateway-status", cmd_gateway_status, VERB_ADMIN },
	{ "get", cmd_get, VERB_GET },
	{ "help", cmd_help, VERB_VERSION },
	{ "invite", cmd_invite, VERB_ADMIN },
	{ "plan", cmd_plan, VERB_PLAN },
	{ "rotate", cmd_rotate, VERB_ADMIN },
	{ "status", cmd_status, VERB_STATUS },
	{ "version", cmd_version, VERB_VERSION },
	{ "whoami", cmd_whoami, VERB_VERSION },
	{ NULL, NULL, VERB_NONE }
};

const char *const *
handler_names(void)
{
	static const char *names[sizeof handlers / sizeof handlers[0]];

	for (size_t i = 0; handlers[i].name != NULL; i++)
		names[i] = handlers[i].name;
	return names;
}
