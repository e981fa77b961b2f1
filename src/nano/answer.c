/*
 * One question and its answer.
 *
 *	context -> ask -> listen -> say -> done
 *		    ^ wait |
 *
 * context	gets the room's talk before the question from the homeserver.
 * ask		POST {baseUrl}/chat/completions; what may pass is tried again.
 * listen	the stream; the speech grows with it.
 * say		the text is whole; done when it stands in the room.
 *
 * "/stop", a time limit and errors lead to `say` from everywhere.  The question
 * leaves the queue last, so whoever kills us makes us begin again; after
 * TRIES_MAX times we give up, for then it may be the question that does it.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>
#include <malloc.h>

#include "hiclaw/log.h"
#include "hiclaw/secure.h"

#include "matrix.h"
#include "prompt.h"
#include "speech.h"
#include "sse.h"

#define TRIES_MAX	8
#define CONTEXT_MAX	(1024 * 1024)	/* bytes of the room's talk */
#define PAGE_EVENTS	30		/* edits of answers are among them */
#define PAGES_MAX	3
#define MODEL_QUIET_S	150		/* models think before they speak */
/* {"types":["m.room.message"]} */
#define ONLY_MESSAGES	"filter=%7B%22types%22%3A%5B%22m.room.message%22%5D%7D"
#define REPLY_MAX	(256 * 1024)
#define MODEL_TRIES	3
#define WAIT_S_MAX	60		/* of a Retry-After */
#define TYPING_MS	30000
#define TYPING_AGAIN_S	20

struct answer {
	struct nano		*n;
	char			*room, *event, *sender, *thread;
	int			 hops;
	bool			 is_again;
	struct matrix_call	*get;		/* context */
	int			 pages;
	struct json		*messages;	/* newest first */
	size_t			 bytes_left;	/* for them */
	struct http_call	*model;
	char			*key;		/* that we asked with */
	int			 tries;
	bool			 looked;	/* for a new key, after 401 */
	struct event		*again, *limit, *typing;
	struct sse		 sse;
	struct speech		*speech;
	bool			 is_over;
};

static void	ask(struct answer *);

/* --- typing --------------------------------------------------------------- */

static void
on_typed(void *arg, const struct matrix_reply *r)
{
}

static void
type(struct answer *a, bool is_on)
{
	struct timeval	 tv = { .tv_sec = TYPING_AGAIN_S };
	char		*me = url_encode(a->n->home->user);

	matrix_start(a->n, &(struct matrix_ask){ .method = "PUT",
	    .path = room_path(a->room, "/typing/%s", me),
	    .body = is_on ? xasprintf("{\"typing\":true,\"timeout\":%d}",
	    TYPING_MS) : xstrdup("{\"typing\":false}"),
	    .tries = 1, .done = on_typed });
	if (is_on)
		evtimer_add(a->typing, &tv);
	free(me);
}

static void
on_typing(evutil_socket_t fd, short what, void *arg)
{
	type(arg, true);
}

/* --- the end -------------------------------------------------------------- */

static void
answer_free(struct answer *a)
{
	matrix_cancel(a->get);
	http_cancel(a->model);
	speech_free(a->speech);
	sse_release(&a->sse);
	json_free(a->messages);
	event_free(a->again);
	event_free(a->limit);
	event_free(a->typing);
	free(a->room);
	free(a->event);
	free(a->sender);
	free(a->thread);
	secret_free(a->key);
	free(a);
}

/* It is answered, or cannot be: the last thing that happens to it. */
static void
conclude(void *arg)
{
	struct answer	*a = arg;
	struct nano	*n = a->n;

	if (a->speech != NULL)
		type(a, false);
	state_done(n->state, a->event);
	state_save(n->state);
	for (size_t i = 0; i < ANSWERS_MAX; i++)
		if (n->answers[i] == a)
			n->answers[i] = NULL;
	log_info("answer", "room %s: done", a->room);
	answer_free(a);
	malloc_trim(0);
	answers_kick(n);
}

/* What was said stands, and this behind it, in brackets; alone it is a notice.
 * NULL: the text is whole as it is.  The answer may be gone afterwards. */
static void
end(struct answer *a, const char *why)
{
	const char	*said = buf_str(&a->sse.text);
	size_t		 n = a->sse.text.len;
	char		*text;

	if (a->is_over)
		return;
	a->is_over = true;
	matrix_cancel(a->get);
	a->get = NULL;
	http_cancel(a->model);
	a->model = NULL;
	evtimer_del(a->again);
	evtimer_del(a->limit);
	evtimer_del(a->typing);
	if (why != NULL)
		log_info("answer", "room %s: %s", a->room, why);
	while (n > 0 && isspace((unsigned char)said[n - 1]))
		n--;
	if (why != NULL && n == 0) {
		speech_excuse(a->speech, why);
		return;
	}
	text = why == NULL ? xstrdup(said) :
	    xasprintf("%.*s\n\n(%s)", (int)n, said, why);
	speech_end(a->speech, text);
	free(text);
}

static void
on_limit(evutil_socket_t fd, short what, void *arg)
{
	end(arg, "The answer took too long; I stopped it.");
}

/* --- listen --------------------------------------------------------------- */

static void
on_data(void *arg, const char *p, size_t len)
{
	struct answer	*a = arg;

	if (sse_feed(&a->sse, p, len))
		speech_grow(a->speech, buf_str(&a->sse.text));
	/* What still comes is dropped: it may go on for ever. */
	if (a->sse.is_long)
		end(a, "The answer is longer than I can post; I cut it here.");
}

static void
heard_all(struct answer *a, const struct http_reply *r)
{
	sse_end(&a->sse);
	if (a->sse.is_error)
		end(a, a->sse.text.len > 0 ? "The model broke off with an "
		    "error." : "The model answered with an error.");
	else if (!a->sse.is_done || (r->is_cut && !a->sse.is_done))
		end(a, a->sse.text.len > 0 ? "The answer was cut off: the "
		    "connection to the model ended." : "The model's answer was "
		    "cut off before its first word.");
	else if (a->sse.is_long)
		end(a, "The answer is longer than I can post; I cut it here.");
	else if (a->sse.text.len == 0)
		end(a, "The model gave an empty answer.");
	else
		end(a, NULL);
}

/* --- ask ------------------------------------------------------------------ */

/* Ask again in so many seconds. */
static void
ask_in(struct answer *a, int seconds)
{
	struct timeval	tv = { .tv_sec = seconds };

	evtimer_add(a->again, &tv);
}

/* The key was replaced under us, perhaps: once more with the one that lies
 * there now, if it is another. */
static bool
has_new_key(struct answer *a)
{
	home_refresh(a->n->home, true);
	return !str_equal(a->key, a->n->home->key);
}

/* In words of the room what the gateway says.  NULL: it may pass. */
static const char *
refusal(int status)
{
	switch (status) {
	case 400: case 413: case 422:
		return "The model did not accept my question.";
	case 401:
		return "The gateway does not accept my key: it was revoked or "
		    "replaced. Whoever manages me has to give me a new one.";
	case 402:
		return "The model's account has run out of credit.";
	case 403:
		return "The gateway does not let me use this model.";
	case 404: case 405:
		return "The gateway does not know the model that I am to use.";
	default:
		return NULL;
	}
}

static void
on_answer(void *arg, const struct http_reply *r)
{
	struct answer	*a = arg;
	const char	*why = refusal(r->status);

	a->model = NULL;
	if (r->status == 200 && r->is_json && !r->is_cut) {
		if (!sse_whole(&a->sse, r->body, r->len))
			a->sse.is_error = true;
		heard_all(a, r);
	} else if (r->status == 200) {
		heard_all(a, r);
	} else if (r->status == 401 && has_new_key(a)) {
		ask_in(a, 0);
	} else if (r->status == 401 && !a->looked) {
		a->looked = true;	/* it may be on its way to us */
		ask_in(a, 1);
	} else if (why != NULL) {
		end(a, why);
	} else if (++a->tries < MODEL_TRIES) {
		log_info("answer", "the model: %s (%d); asking again",
		    r->status == 0 ? r->why : "not now", r->status);
		ask_in(a, r->retry_after_s < 0 ? a->tries * a->tries :
		    r->retry_after_s > WAIT_S_MAX ? WAIT_S_MAX :
		    r->retry_after_s);
	} else if (r->status == 429) {
		end(a, "The model has too much to do just now (rate limit). "
		    "Please ask again later.");
	} else if (r->status == 0) {
		end(a, "The model does not answer: the gateway cannot be "
		    "reached or is too slow.");
	} else
		end(a, "The model does not answer: something behind the "
		    "gateway is broken. Please ask again later.");
}

static void
ask(struct answer *a)
{
	const struct home *h = a->n->home;
	char *url, *system, *body;

	home_refresh(a->n->home, false);
	if (h->model == NULL || h->base_url == NULL) {
		end(a, "I have no model: nobody has given me one.");
		return;
	}
	system = prompt_system(h);
	body = prompt_body(h->model, system, a->messages);
	url = xasprintf("%s/chat/completions", h->base_url);
	secret_free(a->key);
	a->key = xstrdup(h->key);
	a->model = http_start(a->n->http, &(struct http_ask){
	    .method = "POST", .url = url, .bearer = h->key, .body = body,
	    .max_bytes = REPLY_MAX, .quiet_s = MODEL_QUIET_S,
	    .data = on_data, .done = on_answer, .arg = a });
	free(system);
	free(body);
	free(url);
}

static void
on_again(evutil_socket_t fd, short what, void *arg)
{
	ask(arg);
}

/* --- context -------------------------------------------------------------- */

/* What we said to this question before we were killed; borrowed, or NULL. */
static const char *
said_before(const struct answer *a, const struct json *after)
{
	const struct json *v, *c;

	for (v = json_first(after); v != NULL; v = json_next(v)) {
		c = json_get(v, "content");
		if (str_equal(json_str(v, "sender"), a->n->home->user) &&
		    json_get(c, "m.new_content") == NULL &&
		    !str_equal(json_str(c, "msgtype"), "m.notice") &&
		    str_equal(json_str(c, ANSWERS_KEY), a->event))
			return json_str(v, "event_id");
	}
	return NULL;
}

static void
on_page(void *arg, const struct matrix_reply *r)
{
	struct answer	*a = arg;
	const char	*end_token = json_str(r->json, "end");
	char		*from;

	a->get = NULL;
	if (prompt_history(a->n->home, json_get(r->json, "chunk"), a->messages,
	    &a->bytes_left) && end_token != NULL && ++a->pages < PAGES_MAX &&
	    json_size(json_get(r->json, "chunk")) >= PAGE_EVENTS) {
		from = url_encode(end_token);
		a->get = matrix_start(a->n, &(struct matrix_ask){
		    .method = "GET", .path = room_path(a->room,
		    "/messages?dir=b&limit=%d&from=%s&%s", PAGE_EVENTS, from,
		    ONLY_MESSAGES),
		    .max_bytes = CONTEXT_MAX, .tries = 2, .done = on_page,
		    .arg = a });
		free(from);
		return;
	}
	ask(a);
}

static void
on_context(void *arg, const struct matrix_reply *r)
{
	struct answer	*a = arg;
	struct json	*m = prompt_message(a->n->home,
	    json_get(r->json, "event"));
	struct timeval	 tv = { .tv_sec = a->n->home->answer_s };
	struct json	*page;

	a->get = NULL;
	if (m == NULL) {
		/* Redacted meanwhile, or we are not in there any more. */
		log_info("answer", "room %s: the question is gone (%d)",
		    a->room, r->status);
		conclude(a);
		return;
	}
	a->speech = speech_new(&(struct speech_ask){ .n = a->n,
	    .room = a->room, .event = a->event, .thread = a->thread,
	    .hops = a->hops + 1, .is_again = a->is_again,
	    .draft = a->is_again ? said_before(a, json_get(r->json,
	    "events_after")) : NULL, .done = conclude, .arg = a });
	type(a, true);
	evtimer_add(a->limit, &tv);
	json_push(a->messages, m);
	/* In the form of a page: what is before, and where it goes on. */
	page = json_object();
	json_set(page, "chunk", json_copy(json_get(r->json, "events_before")));
	json_set_str(page, "end", json_str(r->json, "start"));
	on_page(a, &(struct matrix_reply){ .status = 200, .json = page });
	json_free(page);
}

/* A context that is too long to read: the question alone. */
static void
on_event(void *arg, const struct matrix_reply *r)
{
	struct json	*page = json_object();

	json_set(page, "event", json_copy(r->json));
	on_context(arg, &(struct matrix_reply){ .status = r->status,
	    .json = page });
	json_free(page);
}

static void
get_event(struct answer *a)
{
	char	*id = url_encode(a->event);

	a->get = matrix_start(a->n, &(struct matrix_ask){ .method = "GET",
	    .path = room_path(a->room, "/event/%s", id), .done = on_event,
	    .arg = a });
	free(id);
}

static void
on_first(void *arg, const struct matrix_reply *r)
{
	struct answer	*a = arg;

	a->get = NULL;
	if (r->is_long)
		get_event(a);
	else
		on_context(a, r);
}

/* As many events before the question as there are on a page, and behind it. */
static void
get_context(struct answer *a)
{
	char	*id = url_encode(a->event);

	a->get = matrix_start(a->n, &(struct matrix_ask){ .method = "GET",
	    .path = room_path(a->room, "/context/%s?limit=%d&%s", id,
	    2 * PAGE_EVENTS, ONLY_MESSAGES), .max_bytes = CONTEXT_MAX, .done = on_first,
	    .arg = a });
	free(id);
}

/* --- the queue ------------------------------------------------------------ */

static struct answer *
answer_new(struct nano *n, const struct json *q)
{
	struct answer	*a = xcalloc(1, sizeof(*a));

	a->n = n;
	a->room = xstrdup(json_strd(q, "room", ""));
	a->event = xstrdup(json_strd(q, "event", ""));
	a->sender = xstrdup(json_strd(q, "sender", ""));
	a->thread = xstrdup(json_str(q, "thread"));
	a->hops = (int)json_int(q, "hops", 0);
	a->is_again = json_int(q, "tries", 0) > 1;
	a->messages = json_array();
	a->bytes_left = HISTORY_BYTES_MAX;
	a->again = evtimer_new(n->base, on_again, a);
	a->limit = evtimer_new(n->base, on_limit, a);
	a->typing = evtimer_new(n->base, on_typing, a);
	sse_init(&a->sse);
	return a;
}

static bool
is_busy(const struct nano *n, const char *room)
{
	for (size_t i = 0; i < ANSWERS_MAX; i++)
		if (n->answers[i] != NULL &&
		    str_equal(n->answers[i]->room, room))
			return true;
	return false;
}

static struct answer **
free_place(struct nano *n)
{
	for (size_t i = 0; i < ANSWERS_MAX; i++)
		if (n->answers[i] == NULL)
			return &n->answers[i];
	return NULL;
}

/* Written down before anything is said. */
static bool
may_begin(struct nano *n, struct json *q)
{
	int64_t	tries = json_int(q, "tries", 0) + 1;

	json_set_int(q, "tries", tries);
	if (tries > TRIES_MAX) {
		log_error("answer", "room %s: a question was begun %d times "
		    "and never answered; dropped", json_strd(q, "room", ""),
		    TRIES_MAX);
		matrix_notice(n, json_strd(q, "room", ""),
		    json_strd(q, "event", ""), "given-up", "I was interrupted "
		    "too often to answer this. Please ask again.");
		state_done(n->state, json_strd(q, "event", ""));
	}
	state_save(n->state);
	return tries <= TRIES_MAX;
}

void
answers_kick(struct nano *n)
{
	struct json *q, *next;
	struct answer **place;

	for (q = json_first(state_queue(n->state)); q != NULL; q = next) {
		next = json_next(q);
		if (is_busy(n, json_str(q, "room")))
			continue;
		if ((place = free_place(n)) == NULL)
			return;
		if (!may_begin(n, q)) {
			next = json_first(state_queue(n->state));
			continue;
		}
		*place = answer_new(n, q);
		get_context(*place);
	}
}

bool
answers_stop(struct nano *n, const char *room)
{
	struct answer *a = NULL;
	const struct json *q;
	struct strv waiting = { 0 };
	bool any;

	for (size_t i = 0; i < ANSWERS_MAX; i++)
		if (n->answers[i] != NULL && !n->answers[i]->is_over &&
		    str_equal(n->answers[i]->room, room))
			a = n->answers[i];
	for (q = json_first(state_queue(n->state)); q != NULL; q = json_next(q))
		if (str_equal(json_str(q, "room"), room) && (a == NULL ||
		    !str_equal(json_str(q, "event"), a->event)))
			strv_add(&waiting, json_strd(q, "event", ""));
	any = a != NULL || waiting.n > 0;
	if (any && (a == NULL || a->speech == NULL))
		matrix_notice(n, room, a != NULL ? a->event : waiting.v[0],
		    "stopped", "Stopped.");
	for (size_t i = 0; i < waiting.n; i++)
		state_done(n->state, waiting.v[i]);
	strv_release(&waiting);
	if (a != NULL && a->speech != NULL)
		end(a, "Stopped.");
	else if (a != NULL)
		conclude(a);
	return any;
}

void
answers_free(struct nano *n)
{
	for (size_t i = 0; i < ANSWERS_MAX; i++)
		if (n->answers[i] != NULL) {
			answer_free(n->answers[i]);
			n->answers[i] = NULL;
		}
}
