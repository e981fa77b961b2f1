/* Runs. */
#include "store-int.h"

#include "hiclaw/clock.h"

#define KEPT		10000	/* ended runs */
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
