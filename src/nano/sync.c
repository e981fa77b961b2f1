/*
 * The long poll: what comes, who is heard, what becomes a question.
 *
 *	poll -> batch -> gaps -> judge -> settle -> poll
 *
 * poll	asks for messages and members of rooms, invitations, nothing of ours.
 * gaps	where the server left out older messages, they are fetched: the talk of
 *	a night, or an agent that edits its answer once a second.
 * judge	takes the messages one by one, oldest first.  When it depends on
 *	whether a room is direct, that is asked first.
 * settle	writes `since` and the new questions down in one, then begins to
 *	answer, joins rooms, and polls again.
 *
 * Nothing is written before settle: killed on the way, the same batch comes
 * again.  What is older than the last poll by FRESH_MS is history (a room that
 * we have just joined brings it along); at the very first start that is all
 * that is older than FRESH_MS.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>
#include <malloc.h>

#include "hiclaw/clock.h"
#include "hiclaw/log.h"

#include "matrix.h"
#include "mention.h"

#define POLL_MS		50000		/* below a minute, where proxies end */
#define ANEW_S		10		/* before that after a refusal */
#define POLL_BYTES	(1024 * 1024)
#define TIMELINE	20		/* events of a room in one poll */
#define POLL_BYTES_LESS	(8 * 1024 * 1024)	/* when we ask for less: */
#define TIMELINE_LESS	1		/* 64 KiB of each of a hundred rooms */
#define FRESH_MS	(5 * 60 * 1000)
#define HEARD_MAX	200		/* messages for us in one batch */
#define PAGES_MAX	8		/* of a gap */
#define PAGE		100		/* events of one */
#define PAGE_LESS	10		/* when that is too long; 640 KiB */
#define ROOMS_MAX	1000		/* known at a time; then forgotten */
#define TURNS_MS	(10 * 60 * 1000)	/* then agents start again */

#define MESSAGES	"{\"types\":[\"m.room.message\"]}"

struct gap {
	char	*room, *from;
	int	 pages, limit;
};

struct sync {
	struct nano		*n;
	struct event		*timer;		/* for a poll that waits */
	char			*next;		/* next_batch of this batch */
	int64_t			 alive_ms;	/* monotonic */
	int64_t			 floor_ms;	/* older is history */
	int			 timeline;	/* events of a room to get */
	bool			 is_new;	/* anything in the batch */
	struct heard		*heard[HEARD_MAX];
	size_t			 nheard, judged;
	struct gap		 gaps[ROOMS_MAX];
	size_t			 ngaps;
};

static void	poll_start(struct sync *);
static void	poll_in(struct sync *, int seconds);
static void	step(struct sync *);

struct room *
nano_room(struct nano *n, const char *id)
{
	struct room	*r = map_find(n->rooms, id);

	if (r != NULL)
		return r;
	if (map_size(n->rooms) >= ROOMS_MAX) {
		map_free(n->rooms);
		n->rooms = map_new(free);
	}
	r = xcalloc(1, sizeof(*r));
	map_set(n->rooms, id, r);
	return r;
}

/* --- settle --------------------------------------------------------------- */

struct join {
	struct nano	*n;
	char		*room;
};

static void
on_joined(void *arg, const struct matrix_reply *r)
{
	struct join	*j = arg;

	nano_room(j->n, j->room)->is_joining = false;
	if (r->status / 100 == 2)
		log_info("sync", "room %s: joined", j->room);
	/* What cannot be done now is seen again when an event comes. */
	if (r->status / 100 == 2 || r->status == 403 || r->status == 404) {
		json_remove(state_invites(j->n->state), j->room);
		state_save(j->n->state);
	}
	free(j->room);
	free(j);
}

static void
join_rooms(struct nano *n)
{
	const struct json *v;
	struct join *j;

	for (v = json_first(state_invites(n->state)); v != NULL;
	    v = json_next(v)) {
		if (json_value_str(v) == NULL ||
		    !policy_may_invite(n->home, json_value_str(v)) ||
		    nano_room(n, json_key(v))->is_joining)
			continue;
		nano_room(n, json_key(v))->is_joining = true;
		j = xcalloc(1, sizeof(*j));
		j->n = n;
		j->room = xstrdup(json_key(v));
		matrix_start(n, &(struct matrix_ask){ .method = "POST",
		    .path = room_path(j->room, "/join"), .body = xstrdup("{}"),
		    .tries = 4, .done = on_joined, .arg = j });
	}
}

static void
clear_batch(struct sync *s)
{
	while (s->nheard > 0)
		heard_free(s->heard[--s->nheard]);
	while (s->ngaps > 0) {
		free(s->gaps[--s->ngaps].room);
		free(s->gaps[s->ngaps].from);
	}
	free(s->next);
	s->next = NULL;
	s->judged = 0;
}

static void
settle(struct sync *s)
{
	struct nano	*n = s->n;
	int64_t		 now = clock_ms();

	/* A poll that brought nothing is not worth a write. */
	if (s->is_new || state_since(n->state) == NULL) {
		state_set_since(n->state, s->next, now);
		state_save(n->state);
	} else
		state_set_since(n->state, s->next, now);
	clear_batch(s);
	if (s->is_new)
		malloc_trim(0);
	join_rooms(n);
	answers_kick(n);
	poll_start(s);
}

/* --- judge ---------------------------------------------------------------- */

/* How many steps from a person this is; see policy.h. */
static int
steps_from_person(struct nano *n, const struct heard *h)
{
	struct room	*r = nano_room(n, h->room);
	int64_t		 now = clock_mono_ms();

	if (!h->is_agent || now - r->agent_ms > TURNS_MS)
		r->agent_turns = 0;
	if (!h->is_agent)
		return 0;
	r->agent_turns++;
	r->agent_ms = now;
	return h->hops >= 0 ? h->hops : r->agent_turns;
}

static void
take(struct sync *s, struct heard *h)
{
	struct nano	*n = s->n;

	if (state_has_seen(n->state, h->id))
		return;
	if (h->is_stop) {
		state_mark_seen(n->state, h->id);
		if (!answers_stop(n, h->room) && h->is_mention)
			matrix_notice(n, h->room, h->id, "stop",
			    "There is nothing to stop.");
		return;
	}
	h->hops = steps_from_person(n, h);
	if (h->hops >= HOPS_MAX) {
		state_mark_seen(n->state, h->id);
		log_warn("sync", "room %s: %s asks %d steps away from a "
		    "person; not answered", h->room, h->sender, h->hops);
		matrix_notice(n, h->room, h->id, "hops", "Not answered: "
		    "agents have talked here long enough without a person. "
		    "Somebody may ask again.");
		return;
	}
	log_info("sync", "room %s: %s asks", h->room, h->sender);
	if (!state_ask(n->state, h)) {
		log_warn("sync", "too many questions wait; one is refused");
		matrix_notice(n, h->room, h->id, "full", "I have too many "
		    "questions to answer already. Please ask again later.");
	}
}

static void
on_members(void *arg, const struct matrix_reply *r)
{
	struct sync	*s = arg;
	struct room	*room = nano_room(s->n, s->heard[s->judged]->room);

	room->direct = r->json == NULL ? DIRECT_NO :
	    policy_is_direct(s->n->home->user, r->json);
	step(s);
}

/* The next message; false: it has to wait for something. */
static bool
judge(struct sync *s)
{
	struct heard	*h = s->heard[s->judged];
	struct room	*room = nano_room(s->n, h->room);

	switch (policy_judge(s->n->home, h, room->direct)) {
	case HEAR_IF_DIRECT:
		matrix_start(s->n, &(struct matrix_ask){
		    .method = "GET", .path = room_path(h->room,
		    "/joined_members"), .max_bytes = 1024 * 1024, .tries = 4,
		    .done = on_members, .arg = s });
		return false;
	case HEAR_YES:
		take(s, h);
		break;
	case HEAR_NO:
		break;
	}
	s->judged++;
	return true;
}

/* --- batch ---------------------------------------------------------------- */

/* In the order of time. */
static void
put_heard(struct sync *s, struct heard *h)
{
	size_t	i = s->nheard;

	if (i == HEARD_MAX) {
		log_warn("sync", "too much at once: a message is left out");
		heard_free(h);
		return;
	}
	for (; i > 0 && s->heard[i - 1]->at_ms > h->at_ms; i--)
		s->heard[i] = s->heard[i - 1];
	s->heard[i] = h;
	s->nheard++;
}

/* false: it is older than what concerns us. */
static bool
take_event(struct sync *s, const char *room, const struct json *event)
{
	const char	*me = s->n->home->user;
	struct heard	*h;
	int64_t		 at;

	if (str_equal(json_str(event, "type"), "m.room.member"))
		nano_room(s->n, room)->direct = DIRECT_UNKNOWN;
	h = heard_new(me, room, event);
	if (h == NULL)
		return true;
	at = h->age_ms >= 0 ? clock_ms() - h->age_ms : h->at_ms;
	if (at < s->floor_ms ||
	    policy_judge(s->n->home, h, DIRECT_UNKNOWN) == HEAR_NO) {
		heard_free(h);
		return at >= s->floor_ms;
	}
	put_heard(s, h);
	return true;
}

static void
on_page(void *arg, const struct matrix_reply *r)
{
	struct sync	*s = arg;
	struct gap	*g = &s->gaps[s->ngaps - 1];
	const struct json *v;
	const char	*end = json_str(r->json, "end");
	bool		 goes_on = end != NULL &&
	    json_first(json_get(r->json, "chunk")) != NULL;

	if (r->is_long && g->limit > PAGE_LESS) {
		g->limit = PAGE_LESS;
		step(s);
		return;
	}
	for (v = json_first(json_get(r->json, "chunk")); v != NULL;
	    v = json_next(v))
		goes_on &= take_event(s, g->room, v);
	if (goes_on && ++g->pages < PAGES_MAX) {
		free(g->from);
		g->from = xstrdup(end);
	} else {
		free(g->room);
		free(g->from);
		s->ngaps--;
	}
	step(s);
}

static void
fill_gap(struct sync *s)
{
	struct gap	*g = &s->gaps[s->ngaps - 1];
	char		*from = url_encode(g->from);
	char		*filter = url_encode(MESSAGES);
	const char	*since = state_since(s->n->state);
	char		*to = url_encode(since == NULL ? "" : since);

	matrix_start(s->n, &(struct matrix_ask){ .method = "GET",
	    .path = room_path(g->room, "/messages?dir=b&limit=%d&from=%s&"
	    "to=%s&filter=%s", g->limit, from, to, filter),
	    .max_bytes = POLL_BYTES, .tries = 4, .done = on_page, .arg = s });
	free(from);
	free(filter);
	free(to);
}

static void
step(struct sync *s)
{
	if (s->ngaps > 0) {
		fill_gap(s);
		return;
	}
	while (s->judged < s->nheard)
		if (!judge(s))
			return;
	settle(s);
}

static void
take_joined(struct sync *s, const char *room, const struct json *data)
{
	const struct json *timeline = json_get(data, "timeline"), *v;
	const char *from = json_str(timeline, "prev_batch");

	json_remove(state_invites(s->n->state), room);
	if (json_bool(timeline, "limited", false)) {
		nano_room(s->n, room)->direct = DIRECT_UNKNOWN;
		if (state_since(s->n->state) != NULL && from != NULL &&
		    s->ngaps < NELEM(s->gaps)) {
			s->gaps[s->ngaps].room = xstrdup(room);
			s->gaps[s->ngaps].from = xstrdup(from);
			s->gaps[s->ngaps].limit = PAGE;
			s->gaps[s->ngaps++].pages = 0;
		}
	}
	for (v = json_first(json_get(timeline, "events")); v != NULL;
	    v = json_next(v))
		take_event(s, room, v);
}

static void
take_invited(struct sync *s, const char *room, const struct json *data)
{
	const struct json *v = json_first(json_path(data,
	    "invite_state.events"));
	struct json *invites = state_invites(s->n->state);

	for (; v != NULL; v = json_next(v))
		if (str_equal(json_str(v, "type"), "m.room.member") &&
		    str_equal(json_str(v, "state_key"), s->n->home->user) &&
		    json_size(invites) < INVITES_MAX)
			json_set_str(invites, room, json_str(v, "sender"));
}

static void
take_left(struct sync *s, const char *room, const struct json *data)
{
	map_remove(s->n->rooms, room);
	state_forget_room(s->n->state, room);
}

static void
each_room(struct sync *s, const struct json *root, const char *how,
    void (*fn)(struct sync *, const char *, const struct json *))
{
	const struct json *v = json_first(json_get(json_get(root, "rooms"),
	    how));

	for (; v != NULL; v = json_next(v)) {
		if (strlen(json_key(v)) <= ID_MAX)
			fn(s, json_key(v), v);
		s->is_new = true;
	}
}

static void
on_batch(void *arg, const struct matrix_reply *r)
{
	struct sync	*s = arg;
	const char	*next = json_str(r->json, "next_batch");
	const char	*since = state_since(s->n->state);

	if (r->is_long && s->timeline > TIMELINE_LESS) {
		log_warn("sync", "too much at once: asking for less");
		s->timeline = TIMELINE_LESS;
		poll_start(s);
		return;
	}
	if (next == NULL) {
		/* Another database, it seems: our place in it is gone. */
		if (r->is_long || json_str(r->json, "errcode") != NULL) {
			log_error("sync", "no sync from where we left off "
			    "(%d); starting anew", r->status);
			state_set_since(s->n->state, NULL, 0);
		}
		poll_in(s, ANEW_S);
		return;
	}
	s->timeline = TIMELINE;
	s->is_new = false;
	s->floor_ms = (since == NULL ? clock_ms() : state_at_ms(s->n->state)) -
	    FRESH_MS;
	s->next = xstrdup(next);
	home_refresh(s->n->home, false);
	each_room(s, r->json, "leave", take_left);
	each_room(s, r->json, "invite", take_invited);
	each_room(s, r->json, "join", take_joined);
	if (s->alive_ms == 0) {
		log_info("sync", "in touch with the homeserver");
		s->alive_ms = clock_mono_ms();
		beat_start(s->n);
	}
	s->alive_ms = clock_mono_ms();
	step(s);
}

/* --- poll ----------------------------------------------------------------- */

static char *
filter_text(const struct sync *s)
{
	static const char	none[] = "{\"types\":[]}";
	struct buf		 out = { 0 };

	buf_printf(&out, "{\"presence\":%s,\"account_data\":%s,\"room\":{"
	    "\"ephemeral\":%s,\"account_data\":%s,\"state\":%s,"
	    "\"timeline\":{\"limit\":%d,\"types\":[\"m.room.message\","
	    "\"m.room.member\"],\"not_senders\":[", none, none, none, none,
	    none, s->timeline);
	json_quote(&out, s->n->home->user);
	buf_puts(&out, "]}}}");
	return buf_take(&out);
}

static void
poll_start(struct sync *s)
{
	char		*text = filter_text(s), *filter = url_encode(text);
	const char	*since = state_since(s->n->state);
	char		*at = since == NULL ? NULL : url_encode(since);

	/* The first is to come back at once: then we know that we are heard. */
	matrix_start(s->n, &(struct matrix_ask){ .method = "GET",
	    .path = xasprintf("/sync?set_presence=offline&timeout=%d&filter=%s"
	    "%s%s", s->alive_ms == 0 ? 0 : POLL_MS, filter,
	    at == NULL ? "" : "&since=", at == NULL ? "" : at),
	    .max_bytes = s->timeline == TIMELINE ? POLL_BYTES :
	    POLL_BYTES_LESS, .quiet_s = POLL_MS / 1000 + 30,
	    .done = on_batch, .arg = s });
	free(text);
	free(filter);
	free(at);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	poll_start(arg);
}

static void
poll_in(struct sync *s, int seconds)
{
	struct timeval	tv = { .tv_sec = seconds };

	evtimer_add(s->timer, &tv);
}

struct sync *
sync_new(struct nano *n)
{
	struct sync	*s = xcalloc(1, sizeof(*s));

	s->n = n;
	s->timeline = TIMELINE;
	s->timer = evtimer_new(n->base, on_timer, s);
	poll_start(s);
	return s;
}

void
sync_free(struct sync *s)
{
	if (s == NULL)
		return;
	clear_batch(s);
	event_free(s->timer);
	free(s);
}

int64_t
sync_alive_ms(const struct sync *s)
{
	return s->alive_ms;
}
