/* Agents as people name them: "alice", "worker alice", "manager/default". */
#include "agents.h"

#include <stdlib.h>
#include <string.h>

const struct agent *
agent_take(struct request *q, struct agents *as, size_t *at, struct err *e)
{
	const struct strv *v = &q->words.v;
	const struct agent *a;
	const char *word, *slash;
	struct target t;
	char why[256];

	agents_list(engine_world_config(q->chat->engine),
	    engine_resources(q->chat->engine), as);
	if (*at + 1 < v->n && kind_find(v->v[*at]) != NULL &&
	    agents_find(as, v->v[*at]) == NULL)
		(*at)++;
	if (*at >= v->n) {
		err_set(e, ERR_USER, "which agent?");
		return NULL;
	}
	word = v->v[(*at)++];
	slash = strchr(word, '/');
	word = slash != NULL ? slash + 1 : word;
	if ((a = agents_find(as, word)) == NULL) {
		agent_missing(q->chat->engine, word, e);
		return NULL;
	}
	target_find(engine_resources(q->chat->engine), NULL, a->name, &t);
	if (request_is_here(q, &t, why, sizeof why))
		return a;
	err_set(e, ERR_USER, "%s", why);
	return NULL;
}

const struct agent *
agent_alone(struct request *q, struct agents *as)
{
	const struct agent *a;
	struct err err;
	size_t at = 0;

	a = agent_take(q, as, &at, &err);
	if (a == NULL)
		say_usage(q, err.msg);
	else if (at < q->words.v.n) {
		say_usage(q, "one agent at a time");
		a = NULL;
	}
	return a;
}
