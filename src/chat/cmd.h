/*
 * The handlers.  Each is called with words.v (what follows the command's name)
 * and flags taken; the tier was checked.  It answers exactly once.
 */
#ifndef CHAT_CMD_H
#define CHAT_CMD_H

#include "hiclaw/ops.h"

struct request;

void	cmd_apply(struct request *);
void	cmd_plan(struct request *);
void	cmd_diff(struct request *);
void	cmd_backup(struct request *);
void	cmd_doctor(struct request *);
void	cmd_watch(struct request *);
void	cmd_unwatch(struct request *);
void	cmd_mute(struct request *);
void	cmd_unmute(struct request *);
void	cmd_join_me(struct request *);
void	cmd_cat(struct request *);
void	cmd_files(struct request *);
void	cmd_gateway_grant(struct request *);
void	cmd_gateway_revoke(struct request *);
void	cmd_gateway_status(struct request *);
void	cmd_rotate(struct request *);
void	cmd_wake(struct request *);
void	cmd_sleep(struct request *);
void	cmd_ensure_ready(struct request *);
void	cmd_restart(struct request *);
void	cmd_logs(struct request *);
void	cmd_exec(struct request *);
void	cmd_token(struct request *);
void	cmd_audit(struct request *);
void	cmd_audit_verify(struct request *);
void	cmd_audit_export(struct request *);
void	cmd_history(struct request *);
void	cmd_rollback(struct request *);
void	cmd_undo(struct request *);
void	cmd_adopt(struct request *);
void	cmd_ignore(struct request *);
void	cmd_revert(struct request *);
void	cmd_freeze(struct request *);
void	cmd_thaw(struct request *);
void	cmd_approve(struct request *);
void	cmd_deny(struct request *);
void	cmd_hold(struct request *);
void	cmd_unhold(struct request *);
void	cmd_proposals(struct request *);
void	cmd_delete(struct request *);
void	cmd_create(struct request *);
void	cmd_set(struct request *);
void	cmd_label(struct request *);
void	cmd_scale(struct request *);
void	cmd_template(struct request *);
void	cmd_lint(struct request *);
void	cmd_export(struct request *);
void	cmd_get(struct request *);
void	cmd_describe(struct request *);
void	cmd_status(struct request *);
void	cmd_events(struct request *);
void	cmd_explain(struct request *);
void	cmd_invite(struct request *);
void	cmd_join(struct request *);
void	cmd_help(struct request *);
void	cmd_whoami(struct request *);
void	cmd_version(struct request *);
void	cmd_macro(struct request *);
void	cmd_reload(struct request *);
void	cmd_can_i(struct request *);
void	cmd_who_can(struct request *);
void	cmd_why(struct request *);

/* `verb`: what it does, for ops_may; its own targets it asks for itself. */
struct handler {
	const char	*name;
	void		(*exec)(struct request *);
	enum verb	 verb;
};
extern const struct handler handlers[];		/* ends with name == NULL */

#endif
