/* What a model is asked.  See prompt.h. */
#include "prompt.h"

#include <stdlib.h>
#include <string.h>

#include "policy.h"

/* In this order: who you are, how you work, with whom, with what. */
static const struct {
	const char	*name;
	size_t		 max;
} files[] = {
	{ "SOUL.md", 16 * 1024 },
	{ "IDENTITY.md", 4 * 1024 },
	{ "AGENTS.md", 32 * 1024 },
	{ "USER.md", 8 * 1024 },
	{ "TOOLS.md", 8 * 1024 },
};

static const char where[] =
    "# Where you are\n\n"
    "You are %s in a Matrix room. Each message from others begins with the id "
    "of who says it. Your answer is posted as it stands, without your id in "
    "front. Whoever is to act must be named by full id, @name:domain: that "
    "notifies them, so name nobody for another reason. You have no tools and "
    "see no files but the texts above. When nothing has to be said, answer "
    "NO_REPLY and nothing else.\n";

char *
prompt_system(const struct home *h)
{
	struct buf	 out = { 0 };
	char		*text;

	for (size_t i = 0; i < NELEM(files); i++) {
		text = home_text(h, files[i].name, files[i].max);
		if (text != NULL && text[0] != '\0')
			buf_printf(&out, "%s\n\n", text);
		free(text);
	}
	buf_printf(&out, where, h->user);
	return buf_take(&out);
}

struct json *
prompt_message(const struct home *h, const struct json *event)
{
	const char *sender = json_str(event, "sender");
	struct json *m;
	char *text;
	bool is_mine;

	if (!str_equal(json_str(event, "type"), "m.room.message") ||
	    sender == NULL || !policy_may_speak(h, sender))
		return NULL;
	text = event_text(event);
	if (text == NULL || text[0] == '\0') {
		free(text);
		return NULL;
	}
	text[utf8_prefix(text, MESSAGE_BYTES_MAX)] = '\0';
	is_mine = strcmp(sender, h->user) == 0;
	m = json_object();
	json_set_str(m, "role", is_mine ? "assistant" : "user");
	if (is_mine)
		json_set_str(m, "content", text);
	else
		json_set_strf(m, "content", "%s: %s", sender, text);
	free(text);
	return m;
}

bool
prompt_history(const struct home *h, const struct json *events,
    struct json *messages, size_t *room)
{
	const struct json *e;
	struct json *m;
	size_t n;

	for (e = json_first(events); e != NULL; e = json_next(e)) {
		if (json_size(messages) > HISTORY_MAX)
			return false;
		if ((m = prompt_message(h, e)) == NULL)
			continue;
		n = strlen(json_strd(m, "content", ""));
		if (n > *room) {
			json_free(m);
			*room = 0;
			return false;
		}
		*room -= n;
		json_push(messages, m);
	}
	return json_size(messages) <= HISTORY_MAX;
}

char *
prompt_body(const char *model, const char *system, const struct json *messages)
{
	struct json *body = json_object(), *all, *first;
	const struct json **v;
	const struct json *m;
	size_t n = json_size(messages);
	char *text;

	json_set_str(body, "model", model);
	json_set_bool(body, "stream", true);
	all = json_set(body, "messages", json_array());
	first = json_push(all, json_object());
	json_set_str(first, "role", "system");
	json_set_str(first, "content", system);
	v = xcalloc(n + 1, sizeof(*v));
	n = 0;
	for (m = json_first(messages); m != NULL; m = json_next(m))
		v[n++] = m;
	while (n > 0)
		json_push(all, json_copy(v[--n]));
	free(v);
	text = json_canonical(body);
	json_free(body);
	return text;
}
