/*
 * Hermes as it is published reads .env and config.yaml below its own directory,
 * nothing of openclaw.json.  Model and key are in config.yaml, which it reads
 * before each turn: from 0.19 on it sends the key of the environment to
 * openai.com only.  The environment, with the allow list, it reads when it starts.
 *
 * It has one allow list for rooms and direct chats.  Ours are two, so it gets
 * those who are on both: who may address the agent in one place only is not
 * heard at all, which is safer than being heard where it was not allowed.
 */
#include "files-int.h"

#include <stdlib.h>
#include <string.h>

/* Can the value stand in an environment file as it is? */
static bool
is_plain(const char *s)
{
	for (; *s != '\0'; s++)
		if (*s <= ' ' || *s >= 0x7f || strchr("\"'#$,\\`", *s) != NULL)
			return false;
	return true;
}

/* Both lists are sorted.  An empty one would leave the question open, so that
 * the agent itself stands there. */
static char *
heard_on_both(const struct home *h)
{
	const struct strv *a = &h->allow.group, *b = &h->allow.dm;
	struct strv both = { 0 };
	size_t i = 0, k = 0;
	char *text;
	int cmp;

	while (i < a->n && k < b->n) {
		cmp = strcmp(a->v[i], b->v[k]);
		if (cmp == 0 && is_plain(a->v[i]))
			strv_add(&both, a->v[i]);
		i += cmp <= 0;
		k += cmp >= 0;
	}
	if (both.n == 0)
		strv_add(&both, h->agent->user);
	text = strv_join(&both, ",");
	strv_release(&both);
	return text;
}

bool
make_hermes_env(struct home *h, struct made *m)
{
	char *heard = heard_on_both(h);
	struct doc d = { 0 };

	doc_puts(&d, "MATRIX_ACCESS_TOKEN=");
	doc_secret(&d, h->account, "token", "token_id");
	doc_printf(&d, "\nMATRIX_ALLOWED_USERS=%s\n", heard);
	doc_puts(&d, "MATRIX_AUTO_THREAD=true\n"
	    "MATRIX_DM_MENTION_THREADS=false\n"
	    "MATRIX_DM_POLICY=allowlist\n"
	    "MATRIX_ENCRYPTION=false\n");
	doc_printf(&d, "MATRIX_GROUP_ALLOW_FROM=%s\n", heard);
	doc_puts(&d, "MATRIX_GROUP_POLICY=allowlist\n");
	doc_printf(&d, "MATRIX_HOMESERVER=%s\n",
	    h->cfg->agents.homeserver_url == NULL ? "" :
	    h->cfg->agents.homeserver_url);
	/* Or it reminds every room that no home is set. */
	doc_puts(&d, "MATRIX_HOME_ROOM=disabled\n"
	    "MATRIX_REQUIRE_MENTION=true\n");
	doc_printf(&d, "MATRIX_USER_ID=%s\n", h->agent->user);
	m->text = doc_done(&d);
	free(heard);
	m->restarts = true;
	return true;
}

/* JSON is YAML. */
bool
make_hermes_config(struct home *h, struct made *m)
{
	struct json *root = m->json = json_object(), *v;

	if (h->base_url != NULL) {
		v = json_obj(root, "model");
		json_set(v, "api_key", json_gateway_key(h));
		json_set_str(v, "base_url", h->base_url);
		json_set_int(v, "context_length",
		    model_limits(h->model).context);
		json_set_str(v, "default", h->model);
		json_set_str(v, "provider", "custom");
	}
	v = json_obj(root, "matrix");
	json_set_bool(v, "auto_thread", true);
	json_set_bool(v, "dm_mention_threads", false);
	json_set_bool(v, "require_mention", true);
	v = json_obj(json_obj(root, "platforms"), "matrix");
	json_set_bool(v, "enabled", true);
	json_set_str(v, "reply_to_mode", "first");
	json_set_bool(json_obj(root, "memory"), "memory_enabled", true);
	json_set_bool(root, "group_sessions_per_user", true);
	v = json_obj(root, "terminal");
	json_set_str(v, "backend", "local");
	json_set_str(v, "cwd", ".");
	return true;
}
