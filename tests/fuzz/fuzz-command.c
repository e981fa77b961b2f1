/*
 * Fuzz target: any bytes as the body of a message (or, if they are a JSON
 * object, as its content), through everything that is pure in chat: the input
 * pipeline, the repairs, the words, the registry, the answers, the rendering.
 *
 * Beyond not crashing: repairing twice is repairing once, a repair that nobody
 * is asked about changes no meaning, what was repaired is still text, and no
 * text of a person becomes markup.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "hiclaw/api.h"
#include "hiclaw/json.h"

#include "../../src/chat/commands.h"
#include "../../src/chat/handlers.h"
#include "../../src/chat/input.h"
#include "../../src/chat/invocation.h"
#include "../../src/chat/repair.h"
#include "../../src/chat/text.h"
#include "../../src/chat/words.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static struct commands *commands;	/* read once; reachable to the end */

static void
demand(bool ok)
{
	if (!ok)
		abort();
}

static void
load(void)
{
	const char *dir = getenv("srcdir");
	char *path = xasprintf("%s/commands", dir != NULL ? dir : ".");
	struct err err;

	commands = commands_load(path, handler_names(), &err);
	demand(commands != NULL);
	free(path);
}

/* What is declared, as one text; NULL if there are problems. */
static char *
meaning(const char *text)
{
	struct resource **v = NULL;
	struct problems ps = { 0 };
	struct buf b = { 0 };
	size_t n = 0;
	bool ok = manifest_decode(text, strlen(text), &v, &n, &ps) == 0;

	for (size_t i = 0; i < n; i++) {
		struct json *o = resource_json(v[i]);
		char *line = json_canonical(o);

		buf_puts(&b, line);
		buf_putc(&b, '\n');
		free(line);
		json_free(o);
		resource_unref(v[i]);
	}
	free(v);
	problems_release(&ps);
	if (ok)
		return buf_take(&b);
	buf_release(&b);
	return NULL;
}

/*
 * What is a manifest before and after means the same, unless somebody is asked
 * first.
 */
static void
check_meaning(const char *before, const char *after, const struct repairs *log)
{
	char *a, *b;

	if (log->n == 0 || log->has_value || (a = meaning(before)) == NULL)
		return;
	b = meaning(after);
	demand(b == NULL || strcmp(a, b) == 0);
	free(a);
	free(b);
}

static void
check_repairs(const char *text)
{
	struct repairs log, again;
	char *once = repair_manifest(text, &log);
	char *twice = repair_manifest(once, &again);
	size_t bad;

	demand(strcmp(once, twice) == 0 && again.n == 0);
	demand(log.n > 0 || strcmp(once, text) == 0);
	demand(log.n <= REPAIRS_MAX);
	demand(!utf8_valid(text, strlen(text), &bad) ||
	    utf8_valid(once, strlen(once), &bad));
	check_meaning(text, once, &log);
	repair_advice(once);
	repairs_release(&log);
	repairs_release(&again);
	free(once);
	free(twice);
}

static void
check_words(const char *line)
{
	const struct command *c;
	struct words w;
	const char *near;
	struct err err;
	size_t used = 0;

	answer_read(line);
	if (words_split(line, &w, &err) == -1)
		return;
	demand(w.raw.n <= WORDS_MAX);
	c = commands_match(commands, &w, &used, &near);
	if (c != NULL && words_flags(&w, used, c->flags, c->flags_n,
	    &err) == 0)
		demand(w.v.n + used <= w.raw.n);
	words_release(&w);
}

/* Whatever a client makes of a command, it is one line. */
static void
check_invocation(const struct json *invocation)
{
	const char *manifest;
	char *line = invocation_line(commands, invocation, &manifest);

	demand(strchr(line, '\n') == NULL);
	check_words(line);
	free(line);
}

/* A value stays a value: the only tags are those we put there. */
static void
check_text(const char *value)
{
	struct text t = { 0 };
	char *html, *body;
	size_t tags = 0;

	text_printf(&t, "**%s**\n- `%s`\n", value, value);
	text_pre(&t, "yaml", value);
	html = text_html(&t);
	body = text_body(&t);
	for (const char *p = html; *p != '\0'; p++)
		tags += *p == '<';
	/* p b /b /p ul li code /code /li /ul pre code /code /pre */
	demand(tags == 14);
	free(html);
	free(body);
	text_release(&t);
}

static struct json *
event_of(const char *text, size_t len)
{
	struct json *event = json_object(), *content = NULL;
	struct err err;

	if (len > 0 && text[0] == '{')
		content = json_parse(text, len, &err);
	if (content == NULL) {
		content = json_object();
		json_set_str(content, "msgtype", "m.text");
		json_set_str(content, "body", text);
	}
	json_set(event, "content", content);
	return event;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const struct input_names names = { "@hiclaw:example.org",
		"hiclaw" };
	char *text = xstrndup((const char *)data, len);
	struct json *event;
	struct input in;

	if (commands == NULL)
		load();
	event = event_of(text, strlen(text));
	input_read(event, &names, &in);
	demand(in.line != NULL);
	demand(strchr(in.line, '\n') == NULL);
	check_words(in.line);
	if (in.invocation != NULL)
		check_invocation(in.invocation);
	check_text(in.line);
	if (in.manifest != NULL)
		check_repairs(in.manifest);
	check_repairs(text);
	input_release(&in);
	json_free(event);
	free(text);
	return 0;
}
