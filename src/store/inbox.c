/*
 * What came in: transactions and events, remembered so that none counts twice.
 * A processed event keeps its id and loses its text.
 */
#include "store-int.h"

#define TXNS_KEPT	1000
#define EVENTS_KEPT	100000
#define TRIM_EVERY	1000	/* adds; trimming is a walk, not a step */

bool
store_txn_seen(struct store *s, const char *txn_id, const char *sha256)
{
	/* A duplicate uses up no seq, so that counting back is exact. */
	static const char	add[] =
	    "INSERT INTO txn (txn_id, sha256) SELECT ?1, ?2 WHERE NOT EXISTS"
	    " (SELECT 1 FROM txn WHERE txn_id = ?1 AND sha256 = ?2)";
	static const char	trim[] = "DELETE FROM txn WHERE seq <= ?1";

	if (db_write(s, add, "ss", txn_id, sha256) == 0)
		return true;
	db_write(s, trim, "i", db_last_id(s) - TXNS_KEPT);
	return false;
}

bool
store_inbox_add(struct store *s, const char *event_id, const char *room_id,
    const char *json)
{
	static const char	add[] =
	    "INSERT INTO inbox (event_id, room_id, json) SELECT ?1, ?2, ?3"
	    " WHERE NOT EXISTS (SELECT 1 FROM inbox WHERE event_id = ?1)";
	static const char	trim[] =
	    "DELETE FROM inbox WHERE id <= ?1 AND json IS NULL";
	int64_t			id;

	if (db_write(s, add, "sss", event_id, room_id, json) == 0)
		return false;
	id = db_last_id(s);
	if (id % TRIM_EVERY == 0)
		db_write(s, trim, "i", id - EVENTS_KEPT);
	return true;
}

int
store_inbox_each(struct store *s, int limit,
    void (*f)(const struct inbox_row *, void *), void *arg)
{
	static const char	waiting[] =
	    "SELECT id, event_id, room_id, json FROM inbox"
	    " WHERE json IS NOT NULL ORDER BY id LIMIT ?1";
	struct query		*q = db_read(s, waiting, "i", (int64_t)limit);
	struct inbox_row	 r;
	int			 n = 0;

	for (; db_next(q); n++) {
		r = (struct inbox_row){
			.id = db_int(q, 0), .event_id = db_text(q, 1),
			.room_id = db_text(q, 2), .json = db_text(q, 3),
		};
		f(&r, arg);
	}
	db_end(q);
	return n;
}

void
store_inbox_done(struct store *s, int64_t id)
{
	static const char	done[] =
	    "UPDATE inbox SET room_id = NULL, json = NULL WHERE id = ?1";

	db_write(s, done, "i", id);
}

void
store_inbox_note(struct store *s, const char *event_id, const char *note)
{
	static const char	set[] =
	    "UPDATE inbox SET note = ?2 WHERE event_id = ?1";

	db_write(s, set, "ss", event_id, note);
}

char *
store_inbox_noted(struct store *s, const char *event_id)
{
	static const char	get[] =
	    "SELECT note FROM inbox WHERE event_id = ?1";

	return db_read_text(s, get, "s", event_id);
}
