/*
 * The outbox: messages of the bot leave in order, one in flight per room, with
 * transaction ids that belong to their row for ever.  A row is SENDING, durably,
 * before it leaves; killed in between, the same row leaves again under the same
 * id and the homeserver answers with the event it has already.
 *
 * A message to a room that is not there yet ("room:admin") waits for it.  A
 * one-time password stands in a row only as {{secret:KEY/NAME}} and is put in
 * here, in the thread that sends it; only into a message that names it in a
 * member of its own, because anybody may have us repeat such words.
 */
#include "daemon.h"

#include <stdlib.h>
#include <string.h>

#include "hiclaw/clock.h"
#include "hiclaw/fault.h"
#include "hiclaw/log.h"
#include "hiclaw/secure.h"

#define IN_FLIGHT_MAX	4
#define HOLD_MIN_MS	500
#define HOLD_MAX_MS	10000

/* A room that did not take a message: it waits, so that order is kept. */
struct hold { int64_t until_ms; int fails; };

struct mail {
	struct job	 job;
	struct daemon	*daemon;
	int64_t		 id;
	enum outbox_op	 op;
	char		*room;		/* room id */
	char		*txn;
	struct json	*content;
	char		*target, *thread;	/* event ids, or NULL */
	char		*file_name, *file_type;
	void		*file;
	size_t		 file_len;
	char		*secret_mark, *secret;	/* what to put in, or NULL */
	char		*event_id;
	struct err	 err;
	int		 rc;
	struct mail	*next;
};

static void
mail_free(struct job *job)
{
	struct mail *m = (struct mail *)job;

	free(m->room);
	free(m->txn);
	json_free(m->content);
	free(m->target);
	free(m->thread);
	free(m->file_name);
	free(m->file_type);
	free(m->file);
	free(m->secret_mark);
	secret_free(m->secret);
	free(m->event_id);
	free(m);
}

/* --- in a thread ---------------------------------------------------------- */

static struct json *
relation(const char *type, const char *event)
{
	struct json *r = json_object();

	json_set_str(r, "rel_type", type);
	json_set_str(r, "event_id", event);
	return r;
}

/* m.replace: the new content inside, and "* text" for those who cannot. */
static struct json *
edit_content(const struct json *content, const char *target)
{
	struct json *o = json_copy(content), *inner = json_copy(content);

	json_remove(o, "m.relates_to");
	json_remove(inner, "m.relates_to");
	json_set_strf(o, "body", "* %s", json_strd(content, "body", ""));
	if (json_str(content, "formatted_body") != NULL)
		json_set_strf(o, "formatted_body", "* %s",
		    json_str(content, "formatted_body"));
	json_set(o, "m.mentions", json_object());
	json_set(o, "m.new_content", inner);
	json_set(o, "m.relates_to", relation("m.replace", target));
	return o;
}

static struct json *
thread_content(const struct json *content, const char *root)
{
	struct json *o = json_copy(content);
	struct json *r = relation("m.thread", root), *reply;

	json_set_bool(r, "is_falling_back", true);
	reply = json_set(r, "m.in_reply_to", json_object());
	json_set_str(reply, "event_id", root);
	json_set(o, "m.relates_to", r);
	return o;
}

/* Put the secret into every text that carries its mark. */
static void
put_secret(struct json *o, const char *mark, const char *secret)
{
	struct json *v, *next;

	for (v = json_first(o); v != NULL; v = next) {
		const char *text = json_value_str(v), *at;
		char *whole;

		next = json_next(v);
		if (text == NULL || (at = strstr(text, mark)) == NULL)
			continue;
		whole = xasprintf("%.*s%s%s", (int)(at - text), text, secret,
		    at + strlen(mark));
		json_set_str(o, json_key(v), whole);
		secret_free(whole);
		put_secret(o, mark, secret);
		return;
	}
}

static int
mail_upload(struct mail *m)
{
	struct json *info;
	char *mxc = NULL;

	if (mx_upload(&m->daemon->mx, m->file_name, m->file_type, m->file,
	    m->file_len, &mxc, &m->err) == -1)
		return -1;
	json_set_str(m->content, "msgtype", "m.file");
	json_set_str(m->content, "url", mxc);
	json_set_str(m->content, "filename", m->file_name);
	info = json_obj(m->content, "info");
	json_set_str(info, "mimetype", m->file_type);
	json_set_int(info, "size", (int64_t)m->file_len);
	free(mxc);
	return 0;
}

static int
mail_send(struct mail *m)
{
	const struct mx *mx = &m->daemon->mx;
	const char *type = "m.room.message";
	struct json *content = NULL, *rel;
	int rc;

	if (m->op == OUTBOX_REDACT)
		return mx_redact(mx, m->room, m->target, m->txn,
		    json_str(m->content, "reason"), &m->event_id, &m->err);
	if (m->file != NULL && mail_upload(m) == -1)
		return -1;
	if (m->secret != NULL)
		put_secret(m->content, m->secret_mark, m->secret);
	if (m->op == OUTBOX_EDIT) {
		content = edit_content(m->content, m->target);
	} else if (m->op == OUTBOX_REACT) {
		type = "m.reaction";
		content = json_object();
		rel = relation("m.annotation", m->target);
		json_set_str(rel, "key", json_str(m->content, "key"));
		json_set(content, "m.relates_to", rel);
	} else if (m->thread != NULL) {
		content = thread_content(m->content, m->thread);
	}
	rc = mx_send(mx, m->room, type, m->txn,
	    content != NULL ? content : m->content, &m->event_id, &m->err);
	json_free(content);
	return rc;
}

static void
mail_run(struct job *job)
{
	struct mail *m = (struct mail *)job;

	fault("outbox.before-send");
	m->rc = mail_send(m);
	fault("outbox.after-send");
}

/* --- on the loop's thread ------------------------------------------------- */

static void
hold_room(struct daemon *d, struct mail *m)
{
	struct hold *h = map_find(d->rooms_held, m->room);
	int64_t wait = HOLD_MIN_MS;

	if (h == NULL) {
		h = xcalloc(1, sizeof *h);
		map_set(d->rooms_held, m->room, h);
	}
	for (int i = 0; i < h->fails && wait < HOLD_MAX_MS; i++)
		wait *= 2;
	if (wait > HOLD_MAX_MS)
		wait = HOLD_MAX_MS;
	if (wait < (int64_t)m->err.retry_s * 1000)
		wait = (int64_t)m->err.retry_s * 1000;
	h->fails++;
	h->until_ms = clock_mono_ms() + wait;
	timer_arm(d->mail_timer, wait);
}

static void
mail_done(struct job *job)
{
	struct mail *m = (struct mail *)job;
	struct daemon *d = m->daemon;

	store_begin(d->store);
	fault("outbox.before-sent");
	d->mail_in_flight--;
	map_remove(d->rooms_busy, m->room);
	if (m->rc == 0) {
		map_remove(d->rooms_held, m->room);
		store_outbox_sent(d->store, m->id, m->event_id);
		engine_system(d->engine, "matrix", true, NULL);
	} else if (m->err.kind == ERR_RETRY) {
		log_info("outbox", "message %lld: %s", (long long)m->id,
		    m->err.msg);
		store_outbox_retry(d->store, m->id, 0);
		hold_room(d, m);
		engine_system(d->engine, "matrix", false, m->err.msg);
	} else {
		log_warn("outbox", "message %lld to %s cannot be sent: %s",
		    (long long)m->id, m->room, m->err.msg);
		store_outbox_failed(d->store, m->id, m->err.msg);
	}
	fault("outbox.after-sent");
	mail_free(job);
}

static const char *
resolve_room(struct daemon *d, const char *room)
{
	return str_starts(room, "room:") ?
	    engine_observed(d->engine, room, "room_id") : room;
}

/* The secret that this message names, and where in the text it goes. */
static void
find_secret(struct daemon *d, struct mail *m)
{
	const char *name = json_str(m->content, OUTBOX_SECRET), *slash;
	char *key;

	if (name == NULL || (slash = strrchr(name, '/')) == NULL)
		return;
	m->secret_mark = xasprintf("{{secret:%s}}", name);
	key = xstrndup(name, (size_t)(slash - name));
	m->secret = engine_secret(d->engine, key, slash + 1);
	free(key);
	json_remove(m->content, OUTBOX_SECRET);
}

static bool
is_free(struct daemon *d, const char *room)
{
	const struct hold *h;

	if (map_find(d->rooms_busy, room) != NULL)
		return false;
	h = map_find(d->rooms_held, room);
	return h == NULL || h->until_ms <= clock_mono_ms();
}

static void
select_row(const struct outbox_row *row, void *arg)
{
	struct daemon *d = arg;
	const char *room = resolve_room(d, row->room);
	struct mail *m, **tail = &d->leaving;
	struct err err;

	if (room == NULL || d->mail_in_flight >= IN_FLIGHT_MAX ||
	    !is_free(d, room))
		return;
	m = xcalloc(1, sizeof *m);
	m->job.run = mail_run;
	m->job.done = mail_done;
	m->job.drop = mail_free;
	m->daemon = d;
	m->id = row->id;
	m->op = row->op;
	m->room = xstrdup(room);
	m->txn = xstrdup(row->txn_id);
	m->content = json_parse(row->content, strlen(row->content), &err);
	if (m->content == NULL)
		m->content = json_object();
	m->target = row->target_event != NULL ? xstrdup(row->target_event) :
	    store_outbox_event(d->store, row->target);
	if (row->thread != 0)
		m->thread = store_outbox_event(d->store, row->thread);
	if (row->file != NULL) {
		m->file_name = xstrdup(row->file_name);
		m->file_type = xstrdup(row->file_type);
		m->file = xmalloc(row->file_len + 1);
		memcpy(m->file, row->file, row->file_len);
		m->file_len = row->file_len;
	}
	find_secret(d, m);
	map_set(d->rooms_busy, m->room, m);
	d->mail_in_flight++;
	while (*tail != NULL)
		tail = &(*tail)->next;
	*tail = m;
}

void
outbox_before_commit(struct daemon *d)
{
	int64_t now = clock_ms(), due;
	struct mail *m;

	if (!d->is_up || d->mail_in_flight >= IN_FLIGHT_MAX)
		return;
	store_outbox_each(d->store, now, 64, select_row, d);
	for (m = d->leaving; m != NULL; m = m->next) {
		store_begin(d->store);
		store_outbox_sending(d->store, m->id);
	}
	if (d->leaving == NULL &&
	    (due = store_outbox_next_due(d->store, now)) > 0)
		timer_arm(d->mail_timer, due > now ? due - now : 0);
}

void
outbox_after_commit(struct daemon *d)
{
	struct mail *m;

	while ((m = d->leaving) != NULL) {
		d->leaving = m->next;
		m->next = NULL;
		pool_submit(d->postmen, &m->job);
	}
}

void
outbox_free(struct daemon *d)
{
	struct mail *m;

	while ((m = d->leaving) != NULL) {
		d->leaving = m->next;
		mail_free(&m->job);
	}
	map_free(d->rooms_busy);
	map_free(d->rooms_held);
}
