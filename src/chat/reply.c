/*
 * Answers: from a text to an event's content in the outbox.  Everything said
 * is m.notice, so that no bot answers it, with an m.mentions of its own, so
 * that nobody is notified by accident.  What does not fit into an event is cut,
 * here and nowhere else: an event that is too large is refused and lost.
 */
#include "chat-int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hiclaw/clock.h"

#define CUT_TO		(REPLY_MAX / 4)	/* bytes of a beginning: three phone
					 * screens; the rest is in a file */
#define EVENT_BYTES	(60 * 1024)	/* of content: 64 KiB but for ids, hashes
					 * and what the outbox adds */

static const char *const state_names[] = {
	[REPLY_INFO] = "info", [REPLY_RUNNING] = "running",
	[REPLY_DONE] = "done", [REPLY_FAILED] = "failed",
	[REPLY_REFUSED] = "refused", [REPLY_QUESTION] = "question",
};

static void
add_mentions(struct json *content, const char *user, const struct strv *more)
{
	struct json *mentions = json_set(content, "m.mentions", json_object());
	struct json *ids;

	if (user == NULL && (more == NULL || more->n == 0))
		return;
	ids = json_set(mentions, "user_ids", json_array());
	if (user != NULL)
		json_push_str(ids, user);
	for (size_t i = 0; more != NULL && i < more->n; i++)
		json_push_str(ids, more->v[i]);
}

/* News answers nothing; what asks for a decision says its number all the same. */
static void
add_reply(struct json *content, const struct reply *r)
{
	struct json *o;

	if (r->event != NULL) {
		o = json_set(content, "m.relates_to", json_object());
		o = json_set(o, "m.in_reply_to", json_object());
		json_set_str(o, "event_id", r->event);
	} else if (r->question == 0)
		return;
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

struct json *
reply_content(const struct text *t, const struct reply *r)
{
	char *body = text_body(t), *html = text_html(t);
	struct json *content = json_object();

	json_set_str(content, "msgtype", "m.notice");
	json_set_str(content, "body", body);
	json_set_str(content, "format", "org.matrix.custom.html");
	json_set_str(content, "formatted_body", html);
	add_mentions(content, r->mention, r->mentions);
	add_reply(content, r);
	json_set_str(content, OUTBOX_SECRET, r->secret);
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

/* The row's file and thread are the caller's; the rest is set here. */
static int64_t
queue(struct chat *c, const char *room, const struct json *content,
    struct outbox_row row)
{
	char *json = json_canonical(content);
	int64_t id;

	row.room = outbox_room(c, room);
	row.op = OUTBOX_SEND;
	row.content = json;
	id = store_outbox_add(c->store, &row);
	free(json);
	return id;
}

void
send_file(struct chat *c, const char *room, int64_t thread, const char *name,
    const char *type, const char *data)
{
	struct json *content = json_object();

	json_set_str(content, "msgtype", "m.file");
	json_set_str(content, "body", name);
	json_set_str(content, "filename", name);
	add_mentions(content, NULL, NULL);
	queue(c, room, content, (struct outbox_row){ .thread = thread,
	    .file_name = name, .file_type = type, .file = data,
	    .file_len = strlen(data) });
	json_free(content);
}

/* --- what fits ----------------------------------------------------------- */

/* An edit has the content twice; these are edited. */
static size_t
copies_of(const struct reply *r)
{
	return r->state == REPLY_RUNNING || r->state == REPLY_QUESTION ? 2 : 1;
}

static bool
fits(const struct json *content, const struct reply *r)
{
	char *json = json_canonical(content);
	size_t n = strlen(json) * copies_of(r);

	free(json);
	return n <= EVENT_BYTES &&
	    strlen(json_str(content, "body")) <= REPLY_MAX;
}

/* Of whole lines, or of a single long one its beginning. */
static size_t
head_of(const char *body, size_t max)
{
	size_t n = utf8_prefix(body, max), at = n;

	while (at > 0 && body[at] != '\n')
		at--;
	return at > 0 ? at : n;
}

/* The last whole lines; "" if not even one is so short. */
static const char *
tail_of(const char *rest, size_t max)
{
	size_t n = strlen(rest);
	const char *s = n > max ? rest + n - max : rest;

	while (n > max && *s != '\0' && s[-1] != '\n')
		s++;
	return s;
}

/*
 * The first lines and the last: at the end of a question stands how to answer
 * it, and at that of a live message how far it is.
 */
static struct json *
cut_to(const char *body, const struct reply *r, size_t max)
{
	size_t n = head_of(body, max);
	char *head = xstrndup(body, n);
	const char *tail = tail_of(body + n, max / 4);
	struct text t = { 0 };
	struct json *content;

	text_pre(&t, NULL, head);
	text_puts(&t, "\n... the whole is in the file below.\n\n");
	if (tail[0] != '\0')
		text_pre(&t, NULL, tail);
	content = reply_content(&t, r);
	free(head);
	text_release(&t);
	return content;
}

/* *whole becomes the text if that is too long, else NULL; yours. */
static struct json *
fit(const struct text *t, const struct reply *r, char **whole)
{
	struct json *content = reply_content(t, r);

	*whole = NULL;
	if (fits(content, r))
		return content;
	*whole = text_body(t);
	for (size_t max = CUT_TO; max > 0 && !fits(content, r); max /= 2) {
		json_free(content);
		content = cut_to(*whole, r, max);
	}
	return content;
}

int64_t
reply_send(struct chat *c, const char *room, const struct reply *r,
    const struct text *t)
{
	char *whole;
	struct json *content = fit(t, r, &whole);
	int64_t id = queue(c, room, content,
	    (struct outbox_row){ .thread = r->thread });

	if (whole != NULL)
		send_file(c, room, r->thread, "reply.txt", "text/plain",
		    whole);
	free(whole);
	json_free(content);
	return id;
}

/* The file is below the message since it was sent. */
void
reply_update(struct chat *c, int64_t outbox, const struct reply *r,
    const struct text *t, int64_t not_before_ms)
{
	char *whole, *json;
	struct json *content = fit(t, r, &whole);

	json = json_canonical(content);
	store_outbox_update(c->store, outbox, json, not_before_ms);
	free(whole);
	free(json);
	json_free(content);
}

/* --- in answer to a request ---------------------------------------------- */

int64_t
say(struct request *q, enum reply_state state, const struct text *t)
{
	struct reply r = { .event = q->event, .answer = q->answer,
	    .state = state };
	bool is_first = !q->is_answered;
	struct text whole = { 0 };
	int64_t id;

	q->is_answered = true;
	q->is_refused |= state == REPLY_REFUSED || state == REPLY_FAILED;
	q->is_waiting |= state == REPLY_QUESTION;
	q->is_done |= state == REPLY_DONE || state == REPLY_RUNNING;
	if (!is_first || q->in.invocation == NULL)
		return reply_send(q->chat, q->room, &r, t);
	/* Its text may have said something else to all others. */
	text_printf(&whole, "`%s`\n", q->in.line);
	text_append(&whole, t);
	id = reply_send(q->chat, q->room, &r, &whole);
	text_release(&whole);
	return id;
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
	send_file(q->chat, q->room, 0, name, type, data);
}

int64_t
say_news(struct chat *c, const char *template_name, const struct fill *fill)
{
	struct reply r = { .state = REPLY_INFO };
	struct text t = { 0 };
	int64_t message;

	template_fill(c->templates, template_name, fill, &t);
	store_begin(c->store);
	message = reply_send(c, "room:admin", &r, &t);
	text_release(&t);
	return message;
}
