/* The table of built-in handlers: what a command file may name. */
#include "handlers.h"

#include <stddef.h>

#include "cmd.h"

const struct handler handlers[] = {
	{ "adopt", cmd_adopt, VERB_ADMIN },
	{ "apply", cmd_apply, VERB_UPDATE },
	{ "approve", cmd_approve, VERB_STATUS },
	{ "audit", cmd_audit, VERB_ADMIN },
	{ "audit-export", cmd_audit_export, VERB_ADMIN },
	{ "audit-verify", cmd_audit_verify, VERB_ADMIN },
	{ "backup", cmd_backup, VERB_ADMIN },
	{ "can-i", cmd_can_i, VERB_VERSION },
	{ "cat", cmd_cat, VERB_ADMIN },
	{ "create", cmd_create, VERB_CREATE },
	{ "delete", cmd_delete, VERB_DELETE },
	{ "deny", cmd_deny, VERB_STATUS },
	{ "describe", cmd_describe, VERB_GET },
	{ "diff", cmd_diff, VERB_PLAN },
	{ "doctor", cmd_doctor, VERB_ADMIN },
	{ "ensure-ready", cmd_ensure_ready, VERB_WAKE },
	{ "events", cmd_events, VERB_ADMIN },
	{ "exec", cmd_exec, VERB_EXEC },
	{ "explain", cmd_explain, VERB_VERSION },
	{ "export", cmd_export, VERB_GET },
	{ "files", cmd_files, VERB_ADMIN },
	{ "freeze", cmd_freeze, VERB_ADMIN },
	{ "gateway-grant", cmd_gateway_grant, VERB_UPDATE },
	{ "gateway-revoke", cmd_gateway_revoke, VERB_UPDATE },
	{ "gateway-status", cmd_gateway_status, VERB_ADMIN },
	{ "get", cmd_get, VERB_GET },
	{ "help", cmd_help, VERB_VERSION },
	{ "history", cmd_history, VERB_GET },
	{ "hold", cmd_hold, VERB_STATUS },
	{ "ignore", cmd_ignore, VERB_ADMIN },
	{ "invite", cmd_invite, VERB_ADMIN },
	{ "join", cmd_join, VERB_ADMIN },
	{ "join-me", cmd_join_me, VERB_GET },
	{ "label", cmd_label, VERB_UPDATE },
	{ "lint", cmd_lint, VERB_VERSION },
	{ "logs", cmd_logs, VERB_LOGS },
	{ "macro", cmd_macro, VERB_VERSION },
	{ "mute", cmd_mute, VERB_ADMIN },
	{ "plan", cmd_plan, VERB_PLAN },
	{ "proposals", cmd_proposals, VERB_STATUS },
	{ "reload", cmd_reload, VERB_ADMIN },
	{ "restart", cmd_restart, VERB_RESTART },
	{ "revert", cmd_revert, VERB_ADMIN },
	{ "rollback", cmd_rollback, VERB_UPDATE },
	{ "rotate", cmd_rotate, VERB_ADMIN },
	{ "scale", cmd_scale, VERB_UPDATE },
	{ "set", cmd_set, VERB_UPDATE },
	{ "sleep", cmd_sleep, VERB_SLEEP },
	{ "status", cmd_status, VERB_STATUS },
	{ "template", cmd_template, VERB_VERSION },
	{ "thaw", cmd_thaw, VERB_ADMIN },
	{ "token", cmd_token, VERB_STATUS },
	{ "undo", cmd_undo, VERB_UPDATE },
	{ "unhold", cmd_unhold, VERB_STATUS },
	{ "unmute", cmd_unmute, VERB_ADMIN },
	{ "unwatch", cmd_unwatch, VERB_GET },
	{ "version", cmd_version, VERB_VERSION },
	{ "wake", cmd_wake, VERB_WAKE },
	{ "watch", cmd_watch, VERB_GET },
	{ "who-can", cmd_who_can, VERB_VERSION },
	{ "whoami", cmd_whoami, VERB_VERSION },
	{ "why", cmd_why, VERB_VERSION },
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
