/* delete: names to a change that takes them away; by default it asks first. */
#include "chat-int.h"

#include <stdlib.h>
#include <string.h>

#include "cmd.h"

#define DELETE_MAX	50	/* names in one command; more is --prune */

/*
 * "worker a b team/c": a kind holds until the next one.  "delete worker worker"
 * deletes the worker named worker.
 */
static int
read_names(struct request *q, struct json *action, struct err *e)
{
	const struct strv *v = &q->words.v;
	const struct kind *kind = NULL;
	const char *name;
	size_t n = 0;

	for (size_t at = 0; at < v->n; n++) {
		if (n == DELETE_MAX)
			return err_set(e, ERR_USER, "more than %d names: use "
			    "apply --prune", DELETE_MAX);
		if (kind != NULL && strchr(v->v[at], '/') == NULL &&
		    (at + 1 >= v->n || kind_find(v->v[at]) == NULL))
			name = v->v[at++];
		else if (read_name(q, v, &at, &kind, &name, e) == -1)
			return -1;
		change_delete_add(action, kind, name);
	}
	return n > 0 ? 0 : err_set(e, ERR_USER, "what shall go?");
}

static void
say_refused(struct request *q, const struct attempt *ch, const struct err *err)
{
	char *text;

	if (ch->problems.errors == 0) {
		say_wrong(q, "Nothing was deleted: %s", err->msg);
		return;
	}
	text = problems_text(&ch->problems);
	say_wrong(q, "Nothing was deleted: %s", text);
	free(text);
}

void
cmd_delete(struct request *q)
{
	struct json *action = change_delete_action();
	struct strv notes = { 0 };
	struct attempt ch = { 0 };
	struct err err;

	if (read_names(q, action, &err) == -1)
		say_usage(q, err.msg);
	else if (change_try(q->chat->engine, action, NULL, &ch, &err) == -1)
		say_refused(q, &ch, &err);
	else
		change_decide(q, action, &ch, &notes);
	change_release(&ch);
	json_free(action);
}
