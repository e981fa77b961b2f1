/*
 * Messages that we owe to rooms.
 *
 * A row is PENDING, then SENDING from before it leaves until we know, then SENT
 * or FAILED for ever.  What has once been SENDING may have left, whatever it is
 * now, and its transaction id stands for what it said then: only a PENDING row
 * that was never tried may still be changed.
 *
 * Rows of a room leave in order of id.  Out of order come only those that wait:
 * for a time, or for the event that they refer to.  A row that refers to one
 * that failed fails with it; a reply in the thread of one that failed goes
 * without its thread.
 */
#include "store-int.h"

#include <stdio.h>
#include <stdlib.h>

#include "hiclaw/clock.h"

#define KEPT_MS		(INT64_C(30) * 24 * 3600 * 1000)
#define TRIM_EVERY	1000
#define ROOMS_MAX	1024	/* with unfinished rows that one call looks at */

/*
 * In SQL: op 0 SEND, 1 EDIT, 2 REDACT, 3 REACT;
 * state 0 PENDING, 1 SENDING, 2 SENT, 3 FAILED; below 2: unfinished.
 */
_Static_assert(OUTBOX_SEND == 0 && OUTBOX_EDIT == 1, "the SQL says so");
_Static_assert(OUTBOX_PENDING == 0 && OUTBOX_SENDING == 1 &&
    OUTBOX_SENT == 2 && OUTBOX_FAILED == 3, "the SQL says so");

/* --- adding --------------------------------------------------------------- */

/* Never what is still referred to: by people, by a chain, by a row to send. */
static void
outbox_trim(struct store *s)
{
	static const char	trim[] =
	    "DELETE FROM outbox WHERE state >= 2 AND changed_ms < ?1"
	    " AND id NOT IN (SELECT message FROM proposal"
	    "  WHERE closed IS NULL)"
	    " AND id NOT IN (SELECT admin_message FROM proposal"
	    "  WHERE closed IS NULL)"
	    " AND id NOT IN (SELECT live_message FROM run"
	    "  WHERE state = 'running')"
	    " AND id NOT IN (SELECT outbox FROM receipt)"
	    " AND id NOT IN (SELECT target FROM outbox WHERE state < 2)"
	    " AND id NOT IN (SELECT thread FROM outbox WHERE state < 2)";

	db_write(s, trim, "i", clock_ms() - KEPT_MS);
}

/* Will there ever be an event for this row to refer to? */
static bool
target_is_lost(struct store *s, const struct outbox_row *r)
{
	static const char	state[] =
	    "SELECT coalesce((SELECT state FROM outbox WHERE id = ?1), 3)";

	return r->op != OUTBOX_SEND && r->target_event == NULL &&
	    db_read_int(s, state, "i", r->target) == OUTBOX_FAILED;
}

int64_t
store_outbox_add(struct store *s, const struct outbox_row *r)
{
	static const char	add[] =
	    "INSERT INTO outbox (room, op, content, target, target_event,"
	    " thread, file_name, file_type, file, not_before_ms, state, tries,"
	    " changed_ms, why)"
	    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, 0, ?12,"
	    " ?13)";
	bool			lost = target_is_lost(s, r);
	int64_t			id;

	db_write(s, add, "sisisissbiiis", r->room, (int64_t)r->op, r->content,
	    r->target, r->target_event, r->thread, r->file_name, r->file_type,
	    r->file, r->file_len, r->not_before_ms,
	    (int64_t)(lost ? OUTBOX_FAILED : OUTBOX_PENDING), clock_ms(),
	    lost ? "what it refers to was never sent" : NULL);
	id = db_last_id(s);
	if (id % TRIM_EVERY == 0)
		outbox_trim(s);
	return id;
}

/* An EDIT of `id` behind everything else, if that was not given up. */
static void
add_edit(struct store *s, int64_t id, const char *content,
    int64_t not_before_ms)
{
	static const char	room[] =
	    "SELECT room FROM outbox WHERE id = ?1 AND op = 0 AND state <> 3";
	struct outbox_row	edit = {
		.op = OUTBOX_EDIT, .content = content, .target = id,
		.not_before_ms = not_before_ms,
	};
	char			*where = db_read_text(s, room, "i", id);

	if (where != NULL) {
		edit.room = where;
		store_outbox_add(s, &edit);
	}
	free(where);
}

void
store_outbox_update(struct store *s, int64_t id, const char *content,
    int64_t not_before_ms)
{
	static const char	itself[] =
	    "UPDATE outbox SET content = ?2"
	    " WHERE id = ?1 AND op = 0 AND state = 0 AND tries = 0";
	static const char	newest_edit[] =
	    "UPDATE outbox SET content = ?2"
	    " WHERE id = (SELECT max(id) FROM outbox"
	    "  WHERE target = ?1 AND target <> 0 AND op = 1)"
	    " AND state = 0 AND tries = 0";

	if (db_write(s, itself, "is", id, content) == 0 &&
	    db_write(s, newest_edit, "is", id, content) == 0)
		add_edit(s, id, content, not_before_ms);
}

/* --- what is due ---------------------------------------------------------- */

static void
give_row(struct store *s, int64_t id,
    void (*f)(const struct outbox_row *, void *), void *arg)
{
	static const char	get[] =
	    "SELECT room, op, content, target, target_event, thread,"
	    " file_name, file_type, file, not_before_ms, state, event_id,"
	    " tries FROM outbox WHERE id = ?1 AND state < 2";
	struct query		*q = db_read(s, get, "i", id);
	struct outbox_row	 r = { .id = id };
	char			 txn[64];

	if (db_next(q)) {
		snprintf(txn, sizeof txn, "%s.%lld", store_epoch(s),
		    (long long)id);
		r.room = db_text(q, 0);
		r.op = (enum outbox_op)db_int(q, 1);
		r.content = db_text(q, 2);
		r.target = db_int(q, 3);
		r.target_event = db_text(q, 4);
		r.thread = db_int(q, 5);
		r.file_name = db_text(q, 6);
		r.file_type = db_text(q, 7);
		r.file = db_blob(q, 8, &r.file_len);
		r.not_before_ms = db_int(q, 9);
		r.state = (enum outbox_state)db_int(q, 10);
		r.event_id = db_text(q, 11);
		r.tries = (int)db_int(q, 12);
		r.txn_id = txn;
		f(&r, arg);
	}
	db_end(q);
}

/* Rooms that have unfinished rows, in a few steps however many rows. */
static void
open_rooms(struct store *s, struct strv *rooms)
{
	static const char	next[] =
	    "SELECT min(room) FROM outbox WHERE state < 2 AND room > ?1";
	char			*room = db_read_text(s, next, "s", "");

	while (room != NULL) {
		strv_add(rooms, room);
		free(room);
		room = rooms->n < ROOMS_MAX ? db_read_text(s, next, "s",
		    rooms->v[rooms->n - 1]) : NULL;
	}
}

/* The first due ids of a room, at most max, appended to ids. */
static size_t
due_in_room(struct store *s, const char *room, int64_t now_ms, size_t max,
    int64_t *ids)
{
	/*
	 * An edit waits for earlier ones of its message: overtaking, the older
	 * text would be what stays.
	 */
	static const char	due[] =
	    "SELECT id FROM outbox AS o"
	    " WHERE room = ?1 AND state < 2 AND not_before_ms <= ?2"
	    " AND (op = 0 OR target_event IS NOT NULL OR EXISTS"
	    "  (SELECT 1 FROM outbox AS t WHERE t.id = o.target"
	    "   AND t.event_id IS NOT NULL))"
	    " AND (thread = 0 OR NOT EXISTS"
	    "  (SELECT 1 FROM outbox AS t WHERE t.id = o.thread"
	    "   AND t.state < 2))"
	    " AND (op <> 1 OR target = 0 OR NOT EXISTS"
	    "  (SELECT 1 FROM outbox AS t WHERE t.target = o.target"
	    "   AND t.target <> 0 AND t.id < o.id AND t.op = 1"
	    "   AND t.state < 2))"
	    " ORDER BY id LIMIT ?3";
	struct query		*q;
	size_t			 n = 0;

	q = db_read(s, due, "sii", room, now_ms, (int64_t)max);
	while (n < max && db_next(q))
		ids[n++] = db_int(q, 0);
	db_end(q);
	return n;
}

static int
id_cmp(const void *a, const void *b)
{
	int64_t	x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

/*
 * When there are more rows than the limit, each room gets its share: a room
 * that cannot be written to must not keep the others waiting.
 */
int
store_outbox_each(struct store *s, int64_t now_ms, int limit,
    void (*f)(const struct outbox_row *, void *), void *arg)
{
	struct strv	 rooms = { 0 };
	int64_t		*ids;
	size_t		 i, n = 0, share, max = limit > 0 ? (size_t)limit : 0;

	open_rooms(s, &rooms);
	if (rooms.n > 0 && max > 0) {
		share = max > rooms.n ? max / rooms.n : 1;
		ids = xcalloc(rooms.n * share, sizeof *ids);
		for (i = 0; i < rooms.n; i++)
			n += due_in_room(s, rooms.v[i], now_ms, share,
			    ids + n);
		qsort(ids, n, sizeof *ids, id_cmp);
		if (n > max)
			n = max;
		for (i = 0; i < n; i++)
			give_row(s, ids[i], f, arg);
		free(ids);
	}
	strv_release(&rooms);
	return (int)n;
}

int64_t
store_outbox_next_due(struct store *s, int64_t now_ms)
{
	static const char	next[] =
	    "SELECT min(not_before_ms) FROM outbox"
	    " WHERE state < 2 AND not_before_ms > 0 AND not_before_ms > ?1";

	return db_read_int(s, next, "i", now_ms);
}

/* --- on the way ----------------------------------------------------------- */

void
store_outbox_sending(struct store *s, int64_t id)
{
	static const char	set[] =
	    "UPDATE outbox SET state = 1, tries = tries + 1, changed_ms = ?2"
	    " WHERE id = ?1 AND state < 2";

	db_write(s, set, "ii", id, clock_ms());
}

void
store_outbox_uploaded(struct store *s, int64_t id, const char *content)
{
	static const char	set[] =
	    "UPDATE outbox SET content = ?2, file = NULL, file_name = NULL,"
	    " file_type = NULL WHERE id = ?1 AND state < 2";

	db_write(s, set, "is", id, content);
}

void
store_outbox_sent(struct store *s, int64_t id, const char *event_id)
{
	static const char	set[] =
	    "UPDATE outbox SET state = 2, event_id = ?2, content = NULL,"
	    " file = NULL, changed_ms = ?3 WHERE id = ?1";

	db_write(s, set, "isi", id, event_id, clock_ms());
}

void
store_outbox_failed(struct store *s, int64_t id, const char *why)
{
	static const char	set[] =
	    "UPDATE outbox SET state = 3, why = ?2, file = NULL,"
	    " changed_ms = ?3 WHERE id = ?1 AND state < 2";
	static const char	dependants[] =
	    "UPDATE outbox SET state = 3,"
	    " why = 'what it refers to was never sent', file = NULL,"
	    " changed_ms = ?2"
	    " WHERE target = ?1 AND target <> 0 AND target_event IS NULL"
	    " AND state < 2";

	if (db_write(s, set, "isi", id, why, clock_ms()) > 0)
		db_write(s, dependants, "ii", id, clock_ms());
}

void
store_outbox_retry(struct store *s, int64_t id, int64_t not_before_ms)
{
	static const char	set[] =
	    "UPDATE outbox SET state = 0, not_before_ms = ?2, changed_ms = ?3"
	    " WHERE id = ?1 AND state < 2";

	db_write(s, set, "iii", id, not_before_ms, clock_ms());
}

char *
store_outbox_event(struct store *s, int64_t id)
{
	static const char	get[] =
	    "SELECT event_id FROM outbox WHERE id = ?1";

	return db_read_text(s, get, "i", id);
}

int64_t
store_outbox_find(struct store *s, const char *event_id)
{
	static const char	find[] =
	    "SELECT id FROM outbox WHERE event_id = ?1";

	return db_read_int(s, find, "s", event_id);
}
