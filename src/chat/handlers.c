/* The table of built-in handlers: what a command file may name. */
#include "handlers.h"

#include <stddef.h>

#include "cmd.h"

const struct handler handlers[] = {
	{ "apply", cmd_apply },
	{ "cat", cmd_cat },
	{ "delete", cmd_delete },
	{ "describe", cmd_describe },
	{ "diff", cmd_diff },
	{ "events", cmd_events },
	{ "explain", cmd_explain },
	{ "files", cmd_files },
	{ "gateway-grant", cmd_gateway_grant },
	{ "gateway-revoke", cmd_gateway_revoke },
	{ "gateway-status", cmd_gateway_status },
	{ "get", cmd_get },
	{ "help", cmd_help },
	{ "invite", cmd_invite },
	{ "plan", cmd_plan },
	{ "rotate", cmd_rotate },
	{ "status", cmd_status },
	{ "version", cmd_version },
	{ "whoami", cmd_whoami },
	{ NULL, NULL }
};

const char *const *
handler_names(void)
{
	static const char *names[sizeof handlers / sizeof handlers[0]];

	for (size_t i = 0; handlers[i].name != NULL; i++)
		names[i] = handlers[i].name;
	return names;
}
