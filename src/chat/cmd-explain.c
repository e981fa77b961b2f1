/* explain: what the field tables say about a path. */
#include "chat-int.h"

#include <stdlib.h>

#include "cmd.h"

void
cmd_explain(struct request *q)
{
	struct text t = { 0 };
	char *path, *text;
	struct err err;

	if (q->words.v.n == 0) {
		say_usage(q, "explain what? The kinds are worker, team, "
		    "human and manager.");
		return;
	}
	/* "team spec leader" is as good as "team.spec.leader". */
	path = strv_join(&q->words.v, ".");
	text = api_explain(path, &err);
	if (text == NULL)
		say_wrong(q, "%s", err.msg);
	else {
		text_pre(&t, NULL, text);
		say(q, REPLY_INFO, &t);
	}
	free(text);
	free(path);
	text_release(&t);
}
