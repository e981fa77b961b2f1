/* Agents as people name them: "alice", "worker alice", "manager/default". */
#include "agents.h"

#include <stdlib.h>
#include <string.h>

static const struct agent *
missing(const struct agents *as, const char *name, struct err *e)
{
	struct strv names = { 0 };
	const char *near = NULL;

	for (size_t i = 0; i < as->n; i++)
		strv_add(&names, as->v[i].name);
	if (names.n > 0)
		near = str_nearest(name, (const char *const *)names.v);
	if (near != NULL)
		err_set(e, ERR_NOTFOUND, "there is no agent %.64s; did you "
		    "mean %.64s?", name, near);
	else
		err_set(e, ERR_NOTFOUND, "there is no agent %.64s; \"get all\" "
		    "lists what there is", name);
	strv_release(&names);
	return NULL;
}

const struct agent *
agent_take(struct request *q, struct agents *as, size_t *at, struct err *e)
{
	const struct strv *v = &q->words.v;
	const struct agent *a;
	const char *word, *slash;

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
	a = agents_find(as, slash != NULL ? slash + 1 : word);
	return a != NULL ? a : missing(as, slash != NULL ? slash + 1 : word, e);
}
