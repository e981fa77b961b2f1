/* Runs and the questions that come before some of them. */
#include "store-int.h"

#include "hiclaw/clock.h"

#define KEPT		10000	/* ended runs, closed questions */
#define TRIM_EVERY	100

/* --- runs ----------------------------------------------------------------- */

static const char *
or_empty(const char *s)
{
	return s != NULL ? s : "";
}

int64_t
store_run_add(struct store *s, const struct run_row *r)
{
	static const char	add[] =
	    "INSERT INTO run (actor, room, command_event, title, plan_hash,"
	    " resources, objects, live_message, state, started_ms, ended_ms)"
	    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
	static const char	trim[] =
	    "DELETE FROM run WHERE id <= ?1 AND state <> 'running'";
	int64_t			id;

	db_write(s, add, "sssssssisii", or_empty(r->actor), or_empty(r->room),
	    r->command_event, or_empty(r->title), or_empty(r->plan_hash),
	    or_empty(r->resources), or_empty(r->objects), r->live_message,
	    r->state != NULL ? r->state : "running", r->started_ms,
	    r->ended_ms);
	id = db_last_id(s);
	if (id % TRIM_EVERY == 0)
		db_write(s, trim, "i", id - KEPT);
	return id;
}

void
store_run_live(struct store *s, int64_t id, int64_t live_message)
{
	static const char	set[] =
	    "UPDATE run SET live_message = ?2 WHERE id = ?1";

	db_write(s, set, "ii", id, live_message);
}

void
store_run_end(struct store *s, int64_t id, const char *state)
{
	static const char	set[] =
	    "UPDATE run SET state = ?2, ended_ms = ?3 WHERE id = ?1";

	db_write(s, set, "isi", id, state, clock_ms());
}

#define RUN	\
	"SELECT id, actor, room, command_event, title, plan_hash, resources,"	\
	" objects, live_message, state, started_ms, ended_ms FROM run"

void
store_runs_each(struct store *s, bool only_running, int limit,
    void (*f)(const struct run_row *, void *), void *arg)
{
	static const char	going[] = RUN
	    " WHERE state = 'running' ORDER BY id";
	static const char	newest[] = RUN " ORDER BY id DESC LIMIT ?1";
	struct query		*q;
	struct run_row		 r;

	q = only_running ? db_read(s, going, "") :
	    db_read(s, newest, "i", (int64_t)limit);
	while (db_next(q)) {
		r = (struct run_row){
			.id = db_int(q, 0), .actor = db_text(q, 1),
			.room = db_text(q, 2), .command_event = db_text(q, 3),
			.title = db_text(q, 4), .plan_hash = db_text(q, 5),
			.resources = db_text(q, 6), .objects = db_text(q, 7),
			.live_message = db_int(q, 8), .state = db_text(q, 9),
			.started_ms = db_int(q, 10),
			.ended_ms = db_int(q, 11),
		};
		f(&r, arg);
	}
	db_end(q);
}

/* --- questions ------------------------------------------------------------ */

int64_t
store_question_add(struct store *s, const struct question_row *r)
{
	static const char	add[] =
	    "INSERT INTO question (room, sender, command_event, action,"
	    " plan_hash, message, asked_ms, expires_ms)"
	    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
	static const char	trim[] =
	    "DELETE FROM question WHERE id <= ?1 AND closed IS NOT NULL";
	int64_t			id;

	db_write(s, add, "sssssiii", r->room, r->sender, r->command_event,
	    r->action, or_empty(r->plan_hash), r->message, r->asked_ms,
	    r->expires_ms);
	id = db_last_id(s);
	if (id % TRIM_EVERY == 0)
		db_write(s, trim, "i", id - KEPT);
	return id;
}

#define QUESTION	\
	"SELECT id, room, sender, command_event, action, plan_hash, message,"	\
	" asked_ms, expires_ms FROM question"

/* Gives the row the query stands at. */
static void
question_give(struct query *q, void (*f)(const struct question_row *, void *),
    void *arg)
{
	struct question_row	r = {
		.id = db_int(q, 0), .room = db_text(q, 1),
		.sender = db_text(q, 2), .command_event = db_text(q, 3),
		.action = db_text(q, 4), .plan_hash = db_text(q, 5),
		.message = db_int(q, 6), .asked_ms = db_int(q, 7),
		.expires_ms = db_int(q, 8),
	};

	f(&r, arg);
}

int
store_question_find(struct store *s, int64_t id, const char *room,
    const char *sender, int64_t now_ms,
    void (*f)(const struct question_row *, void *), void *arg)
{
	static const char	by_id[] = QUESTION
	    " WHERE closed IS NULL AND expires_ms > ?2 AND id = ?1";
	static const char	newest[] = QUESTION
	    " WHERE closed IS NULL AND expires_ms > ?3"
	    " AND room = ?1 AND sender = ?2 ORDER BY id DESC LIMIT 1";
	struct query		*q;
	int			 found = 0;

	q = id != 0 ? db_read(s, by_id, "ii", id, now_ms) :
	    db_read(s, newest, "ssi", room, sender, now_ms);
	if (db_next(q)) {
		question_give(q, f, arg);
		found = 1;
	}
	db_end(q);
	return found;
}

/* One query per row: the callback will close what it is given. */
void
store_questions_expired(struct store *s, int64_t now_ms,
    void (*f)(const struct question_row *, void *), void *arg)
{
	static const char	next[] = QUESTION
	    " WHERE closed IS NULL AND expires_ms <= ?2 AND id > ?1"
	    " ORDER BY id LIMIT 1";
	struct query		*q;
	int64_t			 id = 0;
	bool			 found;

	do {
		q = db_read(s, next, "ii", id, now_ms);
		found = db_next(q);
		if (found) {
			id = db_int(q, 0);
			question_give(q, f, arg);
		}
		db_end(q);
	} while (found);
}

bool
store_question_close(struct store *s, int64_t id, const char *how)
{
	static const char	closed[] =
	    "UPDATE question SET closed = ?2 WHERE id = ?1"
	    " AND closed IS NULL";

	return db_write(s, closed, "is", id, how) == 1;
}
