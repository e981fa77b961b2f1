/* What happened to a resource or object, for `events`: the newest lines. */
#include "store-int.h"

#include "hiclaw/clock.h"

#define KEPT		10000
#define TRIM_EVERY	100

void
store_log_add(struct store *s, const char *subject, const char *kind,
    const char *text)
{
	static const char	add[] =
	    "INSERT INTO log (at_ms, subject, kind, text)"
	    " VALUES (?1, ?2, ?3, ?4)";
	static const char	trim[] = "DELETE FROM log WHERE id <= ?1";
	int64_t			id;

	db_write(s, add, "isss", clock_ms(), subject, kind, text);
	id = db_last_id(s);
	if (id % TRIM_EVERY == 0)
		db_write(s, trim, "i", id - KEPT);
}

void
store_log_each(struct store *s, const char *subject, int limit,
    void (*f)(const struct log_row *, void *), void *arg)
{
	static const char	of_one[] =
	    "SELECT id, at_ms, subject, kind, text FROM log"
	    " WHERE subject = ?1 ORDER BY id DESC LIMIT ?2";
	static const char	of_all[] =
	    "SELECT id, at_ms, subject, kind, text FROM log"
	    " ORDER BY id DESC LIMIT ?1";
	struct query		*q;
	struct log_row		 r;

	q = subject != NULL ? db_read(s, of_one, "si", subject,
	    (int64_t)limit) : db_read(s, of_all, "i", (int64_t)limit);
	while (db_next(q)) {
		r = (struct log_row){
			.id = db_int(q, 0), .at_ms = db_int(q, 1),
			.subject = db_text(q, 2), .kind = db_text(q, 3),
			.text = db_text(q, 4),
		};
		f(&r, arg);
	}
	db_end(q);
}
