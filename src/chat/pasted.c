/*
 * Secrets in messages to us: sealed, a reference takes their place in what is
 * read on, the message is removed, and its sender told.  What the servers and
 * other people have seen stays seen: the key has to be made anew.
 */
#include "chat-int.h"

#include <stdlib.h>
#include <string.h>

#include "hiclaw/log.h"
#include "hiclaw/secure.h"

#include "invocation.h"

#define REDACT_REASON	"{\"reason\":\"it had a secret in it\"}"

static void
redact(struct request *q, const char *event)
{
	struct outbox_row row = { .op = OUTBOX_REDACT, .target_event = event,
	    .content = REDACT_REASON };

	if (event == NULL)
		return;
	row.room = outbox_room(q->chat, q->room);
	store_outbox_add(q->chat->store, &row);
}

/* Of one message, once, however often it is looked at: a file is fetched, say. */
static void
tell(struct request *q)
{
	struct reply r = { .event = q->event, .state = REPLY_INFO,
	    .mention = q->sender };
	struct text t = { 0 };
	char *key = xasprintf("chat.pasted/%s", q->source != NULL ?
	    q->source : q->event);

	if (once(q->chat, key, "1")) {
		log_warn("chat", "%s: a message of %s has a secret in it",
		    q->room, q->sender);
		redact(q, q->source);
		if (q->in.edit_of != NULL)
			redact(q, q->in.edit_of);
		template_fill(q->chat->templates, "pasted",
		    FILL(P("who", q->sender)), &t);
		reply_send(q->chat, q->room, &r, &t);
		text_release(&t);
	}
	free(key);
}

/* What stands there instead of the secrets takes its place. */
static bool
seal_text(struct request *q, char **text, size_t *len)
{
	size_t n;
	char *sealed;

	if (*text == NULL ||
	    (sealed = secrets_seal(q->chat->store, *text, &n)) == NULL)
		return false;
	secret_wipe(*text, strlen(*text));
	free(*text);
	*text = sealed;
	if (len != NULL)
		*len = strlen(sealed);
	return true;
}

/* In any string of it, at whatever depth. */
static bool
is_secret_within(const struct json *o)
{
	const struct json *v;
	size_t at, len;

	if (json_value_str(o) != NULL)
		return secret_find(json_value_str(o), 0, &at, &len);
	for (v = json_first(o); v != NULL; v = json_next(v))
		if ((json_key(v) != NULL && secret_find(json_key(v), 0, &at,
		    &len)) || is_secret_within(v))
			return true;
	return false;
}

static bool
has_secret(const struct json *content)
{
	static const char *const keys[] = { "body", "formatted_body",
	    "filename", NULL };
	const char *text;
	size_t at, len;

	for (size_t i = 0; keys[i] != NULL; i++)
		if ((text = json_str(content, keys[i])) != NULL &&
		    secret_find(text, 0, &at, &len))
			return true;
	if (is_secret_within(json_get(content, INVOCATION_KEY)))
		return true;
	content = json_get(content, "m.new_content");
	return json_is(content, JSON_OBJECT) && has_secret(content);
}

bool
pasted_message(struct request *q, const struct json *content)
{
	bool found = seal_text(q, &q->in.line, NULL);

	found |= seal_text(q, &q->in.manifest, NULL);
	found |= has_secret(content);
	if (found)
		tell(q);
	return found;
}

void
pasted_manifest(struct request *q)
{
	if (!seal_text(q, &q->manifest, &q->manifest_len))
		return;
	tell(q);
	/* It stood in the message that this one replies to. */
	if (q->in.manifest == NULL && q->in.file_url == NULL)
		redact(q, q->in.reply_to);
}
