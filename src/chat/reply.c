/*
 * Answers: from a text to an event's content in the outbox.  Everything said
 * is m.notice, so that no bot answers it, with an m.mentions of its own, so
 * that nobody is notified by accident.
 */
#include "chat-int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hiclaw/clock.h"

#define HTML_MAX	(2 * REPLY_MAX)	/* it is longer by its escapes */

static const char *const state_names[] = {
	[REPLY_INFO] = "info", [REPLY_RUNNING] = "running",
	[REPLY_DONE] = "done", [REPLY_FAILED] = "failed",
	[REPLY_REFUSED] = "refused", [REPLY_QUESTION] = "question",
};

static void
add_mentions(struct json *content, const char *user)
{
	struct json *mentions = json_set(content, "m.mentions", json_object());
	struct json *ids;

	if (user == NULL)
		return;
	ids = json_set(mentions, "user_ids", json_array());
	json_push_str(ids, user);
}

static void
add_reply(struct json *content, const struct reply *r)
{
	struct json *o;

	if (r->event == NULL)
		return;
	o = json_set(content, "m.relates_to", json_object());
	o = json_set(o, "m.in_reply_to", json_object());
	json_set_str(o, "event_id", r->event);
	o = json_set(content, "io.hiclaw.reply", json_object());
	json_set_str(o, "for", r->answer != NULL ? r->answer : r->event);
	json_set_str(o, "state", state_names[r->state]);
	if (r->answer != NULL)
		json_set_str(o, "command", r->event);
	if (r->run != 0)
		json_set_int(o, "run", r->run);
	if (r->question != 0)
		json_set_int(o, "question", r->question);
}

static struct json *
content_of(const char *body, const char *html, const struct reply *r)
{
	struct json *content = json_object();

	json_set_str(content, "msgtype", "m.notice");
	json_set_str(content, "body", body);
	json_set_str(content, "format", "org.matrix.custom.html");
	json_set_str(content, "formatted_body", html);
	add_mentions(content, r->mention);
	add_reply(content, r);
	json_set_str(content, OUTBOX_SECRET, r->secret);
	return content;
}

struct json *
reply_content(const struct text *t, const struct reply *r)
{
	char *body = text_body(t), *html = text_html(t);
	struct json *content = content_of(body, html, r);

	free(body);
	free(html);
	return content;
}

/*
 * Messages of one room leave in order, and the order is that of one name: the
 * key of the room's object where it has one, because news use that too.
 */
const char *
outbox_room(struct chat *c, const char *room)
{
	const char *key = room[0] == '!' ? engine_find(c->engine, room) : NULL;

	return key != NULL ? key : room;
}

static int64_t
queue(struct chat *c, const char *room, const struct json *content,
    const char *file_name, const char *file_type, const char *file)
{
	struct outbox_row row = { 0 };
	char *json = json_canonical(content);
	int64_t id;

	row.room = outbox_room(c, room);
	row.op = OUTBOX_SEND;
	row.content = json;
	if (file != NULL) {
		row.file_name = file_name;
		row.file_type = file_type;
		row.file = file;
		row.file_len = strlen(file);
	}
	id = store_outbox_add(c->store, &row);
	free(json);
	return id;
}

void
send_file(struct chat *c, const char *room, const char *name,
    const char *type, const char *data)
{
	struct json *content = json_object();

	json_set_str(content, "msgtype", "m.file");
	json_set_str(content, "body", name);
	json_set_str(content, "filename", name);
	add_mentions(content, NULL);
	queue(c, room, content, name, type, data);
	json_free(content);
}

/* The beginning of the text, by whole lines, as the message; the rest goes
 * with the whole into a file. */
static int64_t
send_long(struct chat *c, const char *room, const struct reply *r,
    const char *body)
{
	size_t n = utf8_prefix(body, REPLY_MAX / 4);
	char *head, *html;
	struct text t = { 0 };
	struct json *content;
	int64_t id;

	while (n > 0 && body[n] != '\n')
		n--;
	head = xstrndup(body, n);
	text_pre(&t, NULL, head);
	text_puts(&t, "\n... the whole is in the file below.");
	free(head);
	head = text_body(&t);
	html = text_html(&t);
	content = content_of(head, html, r);
	id = queue(c, room, content, NULL, NULL, NULL);
	send_file(c, room, "reply.txt", "text/plain", body);
	json_free(content);
	free(head);
	free(html);
	text_release(&t);
	return id;
}

int64_t
reply_send(struct chat *c, const char *room, const struct reply *r,
    const struct text *t)
{
	char *body = text_body(t), *html = text_html(t);
	struct json *content;
	int64_t id;

	if (strlen(body) > REPLY_MAX || strlen(html) > HTML_MAX) {
		id = send_long(c, room, r, body);
	} else {
		content = content_of(body, html, r);
		id = queue(c, room, content, NULL, NULL, NULL);
		json_free(content);
	}
	free(body);
	free(html);
	return id;
}

void
reply_update(struct chat *c, int64_t outbox, const struct reply *r,
    const struct text *t, int64_t not_before_ms)
{
	struct json *content = reply_content(t, r);
	char *json = json_canonical(content);

	store_outbox_update(c->store, outbox, json, not_before_ms);
	free(json);
	json_free(content);
}

/* --- in answer to a request ---------------------------------------------- */

int64_t
say(struct request *q, enum reply_state state, const struct text *t)
{
	struct reply r = { .event = q->event, .answer = q->answer,
	    .state = state };

	q->is_answered = true;
	return reply_send(q->chat, q->room, &r, t);
}

int64_t
say_template(struct request *q, enum reply_state state, const char *name,
    const struct fill *fill)
{
	struct text t = { 0 };
	int64_t id;

	template_fill(q->chat->templates, name, fill, &t);
	id = say(q, state, &t);
	text_release(&t);
	return id;
}

/* An error as a sentence; a first word that is a path stays what it is. */
static void
make_sentence(char *s)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz");

	if (n > 0 && s[n] == ' ')
		s[0] = (char)(s[0] - 'a' + 'A');
}

void
say_wrong(struct request *q, const char *fmt, ...)
{
	char *what;
	va_list ap;

	va_start(ap, fmt);
	what = xvasprintf(fmt, ap);
	va_end(ap);
	make_sentence(what);
	say_template(q, REPLY_REFUSED, "wrong", FILL(V("what", what)));
	free(what);
}

void
say_usage(struct request *q, const char *what)
{
	const struct command *c = q->command;
	char *sentence = xstrdup(what);

	make_sentence(sentence);
	say_template(q, REPLY_REFUSED, "usage", FILL(V("what", sentence),
	    V("usage", c->usage),
	    V("example", c->examples.n > 0 ? c->examples.v[0] : NULL)));
	free(sentence);
}

void
say_file(struct request *q, const struct text *t, const char *name,
    const char *type, const char *data)
{
	say(q, REPLY_INFO, t);
	send_file(q->chat, q->room, name, type, data);
}

void
say_news(struct chat *c, const char *template_name, const struct fill *fill)
{
	struct reply r = { .state = REPLY_INFO };
	struct text t = { 0 };

	template_fill(c->templates, template_name, fill, &t);
	store_begin(c->store);
	reply_send(c, "room:admin", &r, &t);
	text_release(&t);
}
