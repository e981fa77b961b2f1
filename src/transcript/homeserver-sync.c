/*
 * /sync of the simulated homeserver.  A token is a place in the stream: what is
 * new is what comes after it.  A call that finds nothing waits, up to its
 * timeout, in a list that every new event walks.
 */
#include "homeserver-int.h"

#include <stdlib.h>
#include <string.h>

#define TIMELINE_DFLT	20
#define TIMELINE_MAX	500
#define WAIT_MAX_MS	30000

/* --- filters ------------------------------------------------------------- */

/* "m.room.*" is every type that begins so. */
static bool
is_in(const struct json *list, const char *word)
{
	const struct json *v;
	const char *s;

	for (v = json_first(list); v != NULL; v = json_next(v)) {
		s = json_value_str(v);
		if (s != NULL && (str_equal(s, word) || (str_ends(s, "*") &&
		    strncmp(s, word, strlen(s) - 1) == 0)))
			return true;
	}
	return false;
}

bool
hs_filter_passes(const struct json *filter, const struct json *event)
{
	const char *type = json_strd(event, "type", "");
	const char *sender = json_strd(event, "sender", "");
	const struct json *list;

	if ((list = json_get(filter, "types")) != NULL && !is_in(list, type))
		return false;
	if ((list = json_get(filter, "senders")) != NULL &&
	    !is_in(list, sender))
		return false;
	return !is_in(json_get(filter, "not_types"), type) &&
	    !is_in(json_get(filter, "not_senders"), sender);
}

/* --- one room ------------------------------------------------------------ */

/* The first event of the room at or after `since`. */
static size_t
first_after(const struct hs_room *r, int64_t since)
{
	size_t lo = 0, hi = r->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (r->events[mid]->at < since)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static void
add_state(const struct hs_room *r, const struct json *filter,
    struct json *list)
{
	const struct hs_event *ev;
	void *it = NULL;

	while ((ev = map_next(r->state, &it, NULL)) != NULL)
		if (hs_filter_passes(filter, ev->json))
			json_push(list, json_copy(ev->json));
}

/* Did this user come in within the events from `i` on? */
static bool
came_in(const struct hs_room *r, size_t i, const char *user)
{
	for (; i < r->n; i++)
		if (str_equal(json_str(r->events[i]->json, "type"),
		    "m.room.member") && str_equal(json_str(r->events[i]->json,
		    "state_key"), user))
			return true;
	return false;
}

/* The last `limit` events from `i` on that pass; true if some were cut. */
static bool
add_timeline(const struct hs_room *r, size_t i, const struct json *filter,
    struct json *timeline)
{
	int64_t limit = json_int(filter, "limit", TIMELINE_DFLT), n = 0;
	struct json *list = json_array();
	size_t from = r->n;

	if (limit > TIMELINE_MAX)
		limit = TIMELINE_MAX;
	while (from > i && n < limit)
		if (hs_filter_passes(filter, r->events[--from]->json))
			n++;
	for (size_t k = from; n > 0 && k < r->n; k++)
		if (hs_filter_passes(filter, r->events[k]->json))
			json_push(list, json_copy(r->events[k]->json));
	json_set(timeline, "events", list);
	json_set_bool(timeline, "limited", from > i);
	json_set_strf(timeline, "prev_batch", "s%lld", (long long)
	    (from < r->n ? r->events[from]->at : r->n == 0 ? 0 :
	    r->events[r->n - 1]->at + 1));
	return from > i;
}

static void
add_joined(struct json *rooms, const struct hs_room *r, size_t i,
    const struct hs_call *c, bool is_first)
{
	const struct json *filter = json_get(c->filter, "room");
	struct json *o = json_object(), *state = json_object();
	struct json *timeline = json_object(), *list = json_array();

	add_timeline(r, i, json_get(filter, "timeline"), timeline);
	if (is_first || came_in(r, i, c->who))
		add_state(r, json_get(filter, "state"), list);
	if (!is_first && json_size(list) == 0 &&
	    json_size(json_get(timeline, "events")) == 0) {
		json_free(o);
		json_free(state);
		json_free(timeline);
		json_free(list);
		return;
	}
	json_set(state, "events", list);
	json_set(o, "state", state);
	json_set(o, "timeline", timeline);
	json_add(json_obj(rooms, "join"), r->id, o);
}

static void
add_invited(struct json *rooms, const struct hs_room *r, const char *user)
{
	const struct hs_event *ev = hs_state(r, "m.room.member", user);
	struct json *o = json_object(), *list = hs_stripped(r);

	json_push(list, json_copy(ev->json));
	json_set(json_obj(o, "invite_state"), "events", list);
	json_add(json_obj(rooms, "invite"), r->id, o);
}

/* --- all rooms ----------------------------------------------------------- */

/* The rooms with news; yours, an empty object if there are none. */
static struct json *
rooms_of(const struct hs_call *c)
{
	bool is_first = c->since < 0;
	struct json *rooms = json_object();
	struct hs_room *r;
	const char *now;
	void *it = NULL;
	size_t i;

	while ((r = map_next(c->hs->rooms, &it, NULL)) != NULL) {
		i = first_after(r, is_first ? 0 : c->since);
		now = hs_membership(r, c->who);
		if (i == r->n || now[0] == '\0')
			continue;
		if (str_equal(now, "join"))
			add_joined(rooms, r, i, c, is_first);
		else if (!is_first && !came_in(r, i, c->who))
			continue;
		else if (str_equal(now, "invite"))
			add_invited(rooms, r, c->who);
		else if (!is_first)
			json_obj(json_obj(rooms, "leave"), r->id);
	}
	return rooms;
}

static void
say_news(struct hs_call *c, struct json *rooms)
{
	c->answer = json_object();
	json_set_strf(c->answer, "next_batch", "s%lld",
	    (long long)c->hs->n);
	json_set(c->answer, "rooms", rooms);
}

/* --- waiting ------------------------------------------------------------- */

static void
unlink_waiting(struct hs_call *c)
{
	struct hs_call **at = &c->hs->waiting;

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	c->hs->waiting_n--;
	timer_free(c->timer);
	c->timer = NULL;
}

static void
waited_enough(void *arg)
{
	struct hs_call *c = arg;

	unlink_waiting(c);
	say_news(c, rooms_of(c));
	hs_answer(c, 200);
}

void
hs_sync_wake(struct homeserver *hs)
{
	/* In the next turn: one call often makes many events. */
	for (struct hs_call *c = hs->waiting; c != NULL; c = c->next)
		if (c->since >= 0) {
			c->since = -2 - c->since;	/* marked */
			timer_arm(c->timer, 0);
		}
}

/* Woken by an event: if it is nothing for us, wait again. */
static void
on_timer(void *arg)
{
	struct hs_call *c = arg;
	struct json *rooms;

	if (c->since >= 0) {
		waited_enough(c);
		return;
	}
	c->since = -2 - c->since;
	rooms = rooms_of(c);
	if (json_size(rooms) == 0) {
		json_free(rooms);
		timer_arm(c->timer, WAIT_MAX_MS / 3);
		return;
	}
	unlink_waiting(c);
	say_news(c, rooms);
	hs_answer(c, 200);
}

void
hs_sync_drop(struct homeserver *hs)
{
	while (hs->waiting != NULL)
		waited_enough(hs->waiting);
}

int
hs_sync(struct hs_call *c)
{
	char *since = httpd_query(c->req, "since");
	char *filter = httpd_query(c->req, "filter");
	char *wait = httpd_query(c->req, "timeout");
	int64_t wait_ms = wait == NULL ? 0 : strtoll(wait, NULL, 10);
	struct json *rooms;
	struct err e;

	c->who = xstrdup(c->user);
	c->since = since == NULL || since[0] != 's' ? -1 :
	    strtoll(since + 1, NULL, 10);
	if (filter != NULL && filter[0] == '{')
		c->filter = json_parse(filter, strlen(filter), &e);
	free(since);
	free(filter);
	free(wait);
	rooms = rooms_of(c);
	if (c->since < 0 || wait_ms <= 0 || json_size(rooms) > 0 ||
	    c->hs->waiting_n >= WAITING_MAX) {
		say_news(c, rooms);
		return 200;
	}
	json_free(rooms);
	c->timer = timer_new(c->hs->loop, on_timer, c);
	timer_arm(c->timer, wait_ms > WAIT_MAX_MS ? WAIT_MAX_MS : wait_ms);
	c->next = c->hs->waiting;
	c->hs->waiting = c;
	c->hs->waiting_n++;
	return HS_LATER;
}
