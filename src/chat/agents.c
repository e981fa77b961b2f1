/* Agents as people name them: "alice", "worker alice", "manager/default". */
#include "agents.h"

#include <stdlib.h>
#include <string.h>

#include "hiclaw/secure.h"

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
	word = slash != NULL ? slash + 1 : word;
	if ((a = agents_find(as, word)) == NULL)
		agent_missing(q->chat->engine, word, e);
	return a;
}

static void
take_secret(struct chat *c, char *key, const char *name, struct strv *out)
{
	char *secret = engine_secret(c->engine, key, name);

	if (secret != NULL)
		strv_add(out, secret);
	secret_free(secret);
	free(key);
}

void
agent_secrets(struct chat *c, const struct agent *a, struct strv *out)
{
	take_secret(c, xasprintf("consumer:%s", a->consumer), "key", out);
	take_secret(c, xasprintf("consumer:%s", a->consumer), "old_key", out);
	take_secret(c, xasprintf("account:%s", a->runtime), "token", out);
	take_secret(c, xasprintf("user:%s", a->runtime), "secret", out);
}

void
secrets_wipe(struct strv *list)
{
	for (size_t i = 0; i < list->n; i++)
		secret_wipe(list->v[i], strlen(list->v[i]));
	strv_release(list);
}
