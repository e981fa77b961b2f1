/* A text becomes messages.  See speech.h. */
#include "speech.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "hiclaw/clock.h"
#include "hiclaw/log.h"

#include "matrix.h"
#include "mention.h"

#define FIRST_MS	400	/* before a message begins */
#define EDIT_MS		1000
#define LATER_MS	5000	/* more, when an edit was refused */
#define HTML_MAX	(24 * 1024)
#define FALLBACK_MAX	256	/* of an edit, for clients that know none */

struct speech {
	struct nano		*n;
	char			*room, *event, *thread;
	int			 hops;
	bool			 is_again, is_over, is_excuse, is_done;
	char			*text;		/* so far; all if is_over */
	size_t			 start;		/* of the message at hand */
	int			 part, edits;
	char			*draft;		/* its event id, or NULL */
	char			*shown;		/* what it says, or NULL */
	char			*sending;	/* on its way, or NULL */
	struct matrix_call	*put;
	struct event		*timer;
	int64_t			 begun_ms, sent_ms;	/* monotonic */
	void			(*done)(void *);
	void			*arg;
};

static void	publish(struct speech *);

/* --- deciding ------------------------------------------------------------- */

bool
is_no_reply(const char *text, bool is_over)
{
	static const char	token[] = "NO_REPLY";
	size_t			n = strlen(text);

	while (n > 0 && isspace((unsigned char)*text))
		text++, n--;
	while (n > 0 && isspace((unsigned char)text[n - 1]))
		n--;
	if (is_over)
		return n == sizeof(token) - 1 && memcmp(text, token, n) == 0;
	return n < sizeof(token) && memcmp(text, token, n) == 0;
}

/* The longest beginning of at most PART_MAX, up to a line's end if it can. */
static size_t
cut(const char *text)
{
	size_t	n = utf8_prefix(text, PART_MAX), line = n;

	while (line > PART_MAX / 2 && text[line - 1] != '\n')
		line--;
	return line > PART_MAX / 2 ? line : n;
}

struct part
speech_part(const char *me, const char *text, size_t start, bool is_over)
{
	const char	*p = text + start, *last;
	size_t		 len = strlen(p), to = mention_agent_line(me, p, len);
	struct part	 part = { .is_handover = to == 0 && len > 0 };

	if (part.is_handover)
		to = len;
	part.is_whole = is_over || to < len;
	if (to > PART_MAX) {
		to = cut(p);
		part.is_whole = true;
	} else if (!part.is_whole) {
		/* A line that goes on may turn out to address somebody. */
		for (last = p + len; last > p && last[-1] != '\n'; last--)
			;
		if (strchr(last, '@') != NULL)
			to = (size_t)(last - p);
	}
	part.end = start + to;
	return part;
}

/* Without blank lines in front and blanks behind; yours. */
static char *
trimmed(const char *text, size_t from, size_t to)
{
	while (from < to && isspace((unsigned char)text[to - 1]))
		to--;
	while (from < to && (text[from] == '\n' || text[from] == '\r'))
		from++;
	return xstrndup(text + from, to - from);
}

/* --- events --------------------------------------------------------------- */

/* Complete: with mentions, and HTML if it has some. */
static struct json *
new_content(const struct speech *s, const char *text, bool is_whole)
{
	const char	*me = s->n->home->user;
	struct json	*c = json_object();
	char		*html = is_whole ? mention_html(me, text) : NULL;

	json_set_str(c, "msgtype", s->is_excuse ? "m.notice" : "m.text");
	json_set_str(c, "body", text);
	if (html != NULL && strlen(html) <= HTML_MAX) {
		json_set_str(c, "format", "org.matrix.custom.html");
		json_set_str(c, "formatted_body", html);
	}
	json_set(c, "m.mentions", is_whole && !s->is_excuse ?
	    mention_list(me, text) : json_object());
	json_set_int(c, HOPS_KEY, s->hops);
	json_set_str(c, ANSWERS_KEY, s->event);
	free(html);
	return c;
}

static struct json *
new_message(const struct speech *s, const char *text, bool is_whole)
{
	struct json	*c = new_content(s, text, is_whole), *r;

	if (s->thread == NULL)
		return c;
	r = json_obj(c, "m.relates_to");
	json_set_str(r, "rel_type", "m.thread");
	json_set_str(r, "event_id", s->thread);
	json_set_bool(r, "is_falling_back", true);
	json_set_str(json_obj(r, "m.in_reply_to"), "event_id", s->event);
	return c;
}

static struct json *
new_edit(const struct speech *s, const char *text, bool is_whole)
{
	struct json	*c = json_object(), *new = new_content(s, text,
	    is_whole), *r;
	int		 n = (int)utf8_prefix(text, FALLBACK_MAX);

	json_set_str(c, "msgtype", json_str(new, "msgtype"));
	json_set_strf(c, "body", "* %.*s", n, text);
	json_set(c, "m.mentions", json_copy(json_get(new, "m.mentions")));
	json_set_int(c, HOPS_KEY, s->hops);
	json_set(c, "m.new_content", new);
	r = json_obj(c, "m.relates_to");
	json_set_str(r, "rel_type", "m.replace");
	json_set_str(r, "event_id", s->draft);
	return c;
}

/* --- sending -------------------------------------------------------------- */

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	publish(arg);
}

static void
publish_in(struct speech *s, int64_t ms)
{
	struct timeval	tv = { ms / 1000, ms % 1000 * 1000 };

	if (!evtimer_pending(s->timer, NULL))
		evtimer_add(s->timer, &tv);
}

static void
finish(struct speech *s)
{
	if (s->is_done)
		return;
	s->is_done = true;
	s->done(s->arg);	/* may free us */
}

static void
next_part(struct speech *s, size_t start)
{
	s->start = start;
	s->part++;
	free(s->draft);
	free(s->shown);
	s->draft = s->shown = NULL;
}

static void
on_sent(void *arg, const struct matrix_reply *r)
{
	struct speech	*s = arg;
	const char	*id = json_str(r->json, "event_id");
	bool		 is_first = s->draft == NULL;

	s->put = NULL;
	if (is_first && id == NULL) {
		log_error("speech", "room %s: an answer cannot be said (%d)",
		    s->room, r->status);
		free(s->sending);
		s->sending = NULL;
		finish(s);
		return;
	}
	if (is_first)
		s->draft = xstrdup(id);
	free(s->shown);
	s->shown = NULL;
	/* The first one, said again, is what it was the first time. */
	if (r->status / 100 == 2 ? !(is_first && s->is_again) :
	    r->status / 100 == 4 && r->status != 429)
		s->shown = s->sending;
	else
		free(s->sending);
	s->sending = NULL;
	if (r->status / 100 != 2)
		s->sent_ms += LATER_MS;
	publish(s);
}

static void
say(struct speech *s, char *text, bool is_whole)
{
	struct json	*content;
	char		*what, *txn;

	if (s->draft == NULL) {
		what = xasprintf("%s%d", s->is_excuse ? "x" : "p", s->part);
		content = new_message(s, text, is_whole);
	} else {
		what = xasprintf("p%d-%s-%d", s->part, s->n->boot, ++s->edits);
		content = new_edit(s, text, is_whole);
	}
	txn = transaction_id(s->event, what);
	s->sending = text;
	s->sent_ms = clock_mono_ms();
	s->put = matrix_start(s->n, &(struct matrix_ask){ .method = "PUT",
	    .path = room_path(s->room, "/send/m.room.message/%s", txn),
	    .body = json_canonical(content),
	    .tries = s->draft != NULL && !is_whole ? 1 : 0,
	    .done = on_sent, .arg = s });
	json_free(content);
	free(what);
	free(txn);
}

/* Until then we wait with what is not whole: 0 when it is time. */
static int64_t
due_ms(const struct speech *s)
{
	int64_t	at = s->draft == NULL ? s->begun_ms + FIRST_MS :
	    s->sent_ms + EDIT_MS;
	int64_t	now = clock_mono_ms();

	return at > now ? at - now : 0;
}

/* Send what is to be sent now, if nothing is on its way. */
static void
publish(struct speech *s)
{
	struct part	 p;
	char		*text;

	while (s->put == NULL && s->text != NULL && !s->is_done) {
		p = speech_part(s->n->home->user, s->text, s->start,
		    s->is_over);
		if (!p.is_whole && p.is_handover)
			return;
		text = trimmed(s->text, s->start, p.end);
		if (p.is_whole && (text[0] == '\0' || (s->shown != NULL &&
		    strcmp(s->shown, text) == 0))) {
			free(text);
			if (s->is_over && s->text[p.end] == '\0') {
				finish(s);
				return;
			}
			next_part(s, p.end);
		} else if (text[0] == '\0' || (!p.is_whole &&
		    s->sending == NULL && due_ms(s) > 0)) {
			if (text[0] != '\0')
				publish_in(s, due_ms(s));
			free(text);
			return;
		} else if (p.is_whole) {
			say(s, text, true);
		} else {
			char *open = xasprintf("%s …", text);

			free(text);
			if (s->draft != NULL && str_equal(open, s->shown)) {
				free(open);
				return;
			}
			say(s, open, false);
		}
	}
}

/* --- for callers ---------------------------------------------------------- */

static void
take_text(struct speech *s, const char *text)
{
	if (s->begun_ms == 0)
		s->begun_ms = clock_mono_ms();
	free(s->text);
	s->text = xstrdup(text);
}

void
speech_grow(struct speech *s, const char *text)
{
	if (is_no_reply(text, false))
		return;
	take_text(s, text);
	if (!evtimer_pending(s->timer, NULL))
		publish(s);
}

void
speech_end(struct speech *s, const char *text)
{
	take_text(s, is_no_reply(text, true) ? "" : text);
	s->is_over = true;
	publish(s);
}

void
speech_excuse(struct speech *s, const char *text)
{
	s->is_excuse = s->draft == NULL && s->sending == NULL;
	speech_end(s, text);
}

bool
speech_is_begun(const struct speech *s)
{
	return s->draft != NULL || s->sending != NULL || s->part > 0;
}

struct speech *
speech_new(const struct speech_ask *ask)
{
	struct speech	*s = xcalloc(1, sizeof(*s));

	s->n = ask->n;
	s->room = xstrdup(ask->room);
	s->event = xstrdup(ask->event);
	s->thread = xstrdup(ask->thread);
	s->hops = ask->hops;
	s->is_again = ask->is_again;
	s->draft = xstrdup(ask->draft);
	s->done = ask->done;
	s->arg = ask->arg;
	s->timer = evtimer_new(s->n->base, on_timer, s);
	return s;
}

void
speech_free(struct speech *s)
{
	if (s == NULL)
		return;
	matrix_cancel(s->put);
	event_free(s->timer);
	free(s->room);
	free(s->event);
	free(s->thread);
	free(s->text);
	free(s->draft);
	free(s->shown);
	free(s->sending);
	free(s);
}
