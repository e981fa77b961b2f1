/* join: another one-time command for an agent that somebody else runs. */
#include "agents.h"

#include <stdlib.h>
#include <string.h>

#include "cmd.h"

void
cmd_join(struct request *q)
{
	struct agents as = { 0 };
	const struct agent *a;
	struct text t = { 0 };
	struct err err;

	a = agent_alone(q, &as);
	if (a != NULL && !joining_offer(q->chat, a->name, q->sender, &err))
		say_wrong(q, "%s", err.msg);
	else if (a != NULL) {
		text_printf(&t, "A new join command for %s is in your direct "
		    "chat with me; one given before does not work any more.",
		    a->name);
		say(q, REPLY_DONE, &t);
	}
	text_release(&t);
	agents_release(&as);
}
