/* The table of built-in handlers: what a command file may name. */
#include "handlers.h"

#include <stddef.h>

#include "cmd.h"

const struct handler handlers[] = {
	{ "apply", cmd_apply },
	{ "delete", cmd_delete },
	{ "describe", cmd_describe },
	{ "diff", cmd_diff },
	{ "events", cmd_events },
	{ "explain", cmd_explain },
	{ "get", cmd_get },
	{ "help", cmd_help },
	{ "invite", cmd_invite },
	{ "plan", cmd_plan },
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
