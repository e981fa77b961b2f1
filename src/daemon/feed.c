/*
 * The feed: /sync as the bot.  Once at start it brings what was missed while we
 * were away; every resync it brings what the pushes may have lost, in one call
 * whatever the number of rooms.  The first one ever has no token and brings the
 * full state of all rooms, and no messages.
 *
 * Events go the same way as pushed ones and are told apart by their ids; the
 * token is stored in the same transaction as what it brought.
 */
#include "daemon.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hiclaw/clock.h"
#include "hiclaw/fault.h"
#include "hiclaw/log.h"

#define TOKEN_KEY	"feed.token"
#define ALIVE_KEY	"feed.alive"	/* wall clock of the last one, ms */
#define AGAIN_MS	2000		/* after a failure */
#define SKEW_MS		60000	/* the homeserver's clock may differ */
#define GAP_PAGES	10
#define GAP_PAGE	100

struct feed {
	struct job	 job;
	struct daemon	*daemon;
	char		*since;
	int64_t		 alive_ms;	/* messages before it were seen */
	struct strv	 chats;		/* rooms whose gaps matter */
	struct json	*answer;
	struct json	*missed;	/* older messages, oldest first */
	struct err	 err;
	int		 rc;
};

/* --- in a thread ---------------------------------------------------------- */

/* Backwards through one gap until what we have seen; newest first. */
static int
fetch_gap(struct feed *f, const char *room, const char *from,
    struct json *older)
{
	struct json *page;
	const struct json *ev;
	char *token = xstrdup(from);
	bool is_over = false;
	int rc = 0;

	for (int i = 0; i < GAP_PAGES && !is_over && rc == 0; i++) {
		rc = mx_messages(&f->daemon->mx, room, token, GAP_PAGE, &page,
		    &f->err);
		if (rc == -1)
			break;
		is_over = json_str(page, "end") == NULL;
		for (ev = json_first(json_get(page, "chunk")); ev != NULL;
		    ev = json_next(ev)) {
			if (json_int(ev, "origin_server_ts", 0) < f->alive_ms)
				is_over = true;
			else
				json_push(older, json_copy(ev));
		}
		free(token);
		token = xstrdup(json_strd(page, "end", ""));
		json_free(page);
	}
	free(token);
	return rc;
}

static void
gap_found(void *arg, const char *room, const char *prev_batch)
{
	struct feed *f = arg;
	struct json *older, *ev;
	size_t n;

	if (f->rc == -1 || !strv_has(&f->chats, room))
		return;
	older = json_array();
	f->rc = fetch_gap(f, room, prev_batch, older);
	if (f->rc == -1 && f->err.kind != ERR_RETRY) {
		/* It will never be told; the rest of the sync must be. */
		log_warn("feed", "%s: what was said meanwhile is lost: %s",
		    room, f->err.msg);
		f->rc = 0;
	}
	/* Turned round: the inbox wants the oldest first. */
	for (n = json_size(older); n > 0; n--) {
		size_t at = 1;

		for (ev = json_first(older); at < n; at++)
			ev = json_next(ev);
		ev = json_copy(ev);
		json_set_str(ev, "room_id", room);
		json_push(f->missed, ev);
	}
	json_free(older);
}

static void
feed_run(struct job *job)
{
	struct feed *f = (struct feed *)job;

	f->rc = mx_sync(&f->daemon->mx, f->since, &f->answer, &f->err);
	if (f->rc == 0 && f->since != NULL)
		sync_gaps(f->answer, gap_found, f);
}

/* --- on the loop's thread ------------------------------------------------- */

static void
take_event(void *arg, struct json *event)
{
	struct feed *f = arg;
	struct daemon *d = f->daemon;

	/* Full state: also what the bot itself set is news to an old database. */
	if (f->since == NULL) {
		if (json_is(json_get(event, "state_key"), JSON_STRING))
			engine_event(d->engine, event_handle(event), event);
		return;
	}
	inbox_take(d, event);
}

static void
take_receipt(void *arg, const char *room, const char *event, const char *user)
{
	struct feed *f = arg;

	chat_receipt(f->daemon->chat, room, event, user);
}

/* An agent was logged out, perhaps: then it needs another token. */
static void
take_device(void *arg, const char *user)
{
	struct feed *f = arg;
	struct daemon *d = f->daemon;
	struct json *event;

	if (f->since == NULL ||
	    !is_our_user(engine_world_config(d->engine), user))
		return;
	event = json_object();
	json_set_str(event, "type", "doubt");
	json_set_int(event, "at_ms", clock_ms());
	engine_event(d->engine, user, event);
	json_free(event);
}

static void
feed_free(struct job *job)
{
	struct feed *f = (struct feed *)job;

	free(f->since);
	strv_release(&f->chats);
	json_free(f->answer);
	json_free(f->missed);
	free(f);
}

static void
feed_store(struct daemon *d, struct feed *f)
{
	struct json *ev;
	char alive[32];

	store_begin(d->store);
	fault("resync.before-store");
	for (ev = json_first(f->missed); ev != NULL; ev = json_next(ev))
		if (json_str(ev, "event_id") != NULL &&
		    json_str(ev, "sender") != NULL &&
		    json_str(ev, "type") != NULL)
			inbox_take(d, ev);
	sync_events(f->answer, take_event, f);
	sync_receipts(f->answer, take_receipt, f);
	sync_devices(f->answer, take_device, f);
	store_kv_set(d->store, TOKEN_KEY, json_str(f->answer, "next_batch"));
	snprintf(alive, sizeof alive, "%lld", (long long)clock_ms());
	store_kv_set(d->store, ALIVE_KEY, alive);
	fault("resync.after-store");
	inbox_wake(d);
}

/* The homeserver cannot read it (another database?): see everything anew. */
static void
forget_token(struct daemon *d)
{
	log_warn("feed", "the homeserver does not take our sync token; "
	    "starting over");
	store_begin(d->store);
	store_kv_set(d->store, TOKEN_KEY, NULL);
}

static void
feed_done(struct job *job)
{
	struct feed *f = (struct feed *)job;
	struct daemon *d = f->daemon;
	int64_t next_ms = d->cfg.engine.resync_s * 1000;
	bool was_first = f->since == NULL;

	d->feed_busy = false;
	if (f->rc == 0) {
		feed_store(d, f);
		d->resyncs++;
		engine_system(d->engine, "matrix", true, NULL);
		if (d->feed_first_done != NULL) {
			void (*first)(struct daemon *) = d->feed_first_done;

			d->feed_first_done = NULL;
			first(d);
		}
	} else {
		log_info("feed", "sync: %s", f->err.msg);
		if (f->err.kind == ERR_RETRY)
			engine_system(d->engine, "matrix", false, f->err.msg);
		else if (f->err.kind == ERR_USER && f->since != NULL)
			forget_token(d);
		next_ms = AGAIN_MS;
	}
	feed_free(job);
	/* The first answer is megabytes where there are many rooms. */
	if (was_first)
		memory_settle();
	if (d->feed_again) {
		d->feed_again = false;
		feed_now(d);
	} else
		timer_arm(d->feed_timer, next_ms);
}

static void
add_chat_room(void *arg, const struct object_view *v)
{
	struct feed *f = arg;
	const char *id;

	if (strcmp(v->key, "room:admin") != 0 &&
	    !str_starts(v->key, "room:dm/"))
		return;
	id = engine_observed(f->daemon->engine, v->key, "room_id");
	if (id != NULL)
		strv_add_unique(&f->chats, id);
}

void
feed_now(struct daemon *d)
{
	struct feed *f;
	char *alive;

	if (d->feed_busy) {
		d->feed_again = true;
		return;
	}
	f = xcalloc(1, sizeof *f);
	f->job.run = feed_run;
	f->job.done = feed_done;
	f->job.drop = feed_free;
	f->daemon = d;
	f->since = store_kv_get(d->store, TOKEN_KEY);
	if ((alive = store_kv_get(d->store, ALIVE_KEY)) != NULL)
		f->alive_ms = strtoll(alive, NULL, 10) - SKEW_MS;
	free(alive);
	f->missed = json_array();
	engine_objects(d->engine, "", add_chat_room, f);
	d->feed_busy = true;
	pool_submit(d->errands, &f->job);
	engine_resync(d->engine);
}

bool
feed_is_anew(struct daemon *d)
{
	char *token = store_kv_get(d->store, TOKEN_KEY);
	bool is = token == NULL;

	free(token);
	return is;
}

void
feed_first(struct daemon *d, void (*first)(struct daemon *))
{
	d->feed_first_done = first;
	feed_now(d);
}
