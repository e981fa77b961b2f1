/* Proposals, questions among them, and what people decided about them. */
#include "store-int.h"

#include "hiclaw/clock.h"

#define KEPT		10000	/* closed proposals */
#define TRIM_EVERY	100

/* --- proposals ------------------------------------------------------------ */

static void
proposals_trim(struct store *s, int64_t before)
{
	static const char	ledger[] =
	    "DELETE FROM decision WHERE proposal IN (SELECT id FROM proposal"
	    " WHERE id <= ?1 AND closed IS NOT NULL)";
	static const char	trim[] =
	    "DELETE FROM proposal WHERE id <= ?1 AND closed IS NOT NULL";

	db_write(s, ledger, "i", before);
	db_write(s, trim, "i", before);
}

int64_t
store_proposal_add(struct store *s, const struct proposal_row *r)
{
	static const char	add[] =
	    "INSERT INTO proposal (room, sender, command_event, action, rule,"
	    " plan_hash, message, admin_message, asked_ms, expires_ms, waits,"
	    " closed_ms, run) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10,"
	    " 0, 0, 0)";
	int64_t			id;

	db_write(s, add, "ssssssiiii", r->room, r->sender, r->command_event,
	    r->action, r->rule, r->plan_hash, r->message, r->admin_message,
	    r->asked_ms, r->expires_ms);
	id = db_last_id(s);
	if (id % TRIM_EVERY == 0)
		proposals_trim(s, id - KEPT);
	return id;
}

void
store_proposal_messages(struct store *s, int64_t id, int64_t message,
    int64_t admin_message)
{
	static const char	set[] =
	    "UPDATE proposal SET message = ?2, admin_message = ?3"
	    " WHERE id = ?1";

	db_write(s, set, "iii", id, message, admin_message);
}

#define PROPOSAL	\
	"SELECT id, room, sender, command_event, action, rule, plan_hash,"	\
	" message, admin_message, asked_ms, expires_ms, waits, closed,"		\
	" closed_ms, run FROM proposal"

/* Gives the row the query stands at. */
static void
proposal_give(struct query *q, void (*f)(const struct proposal_row *, void *),
    void *arg)
{
	struct proposal_row	r = {
		.id = db_int(q, 0), .room = db_text(q, 1),
		.sender = db_text(q, 2), .command_event = db_text(q, 3),
		.action = db_text(q, 4), .rule = db_text(q, 5),
		.plan_hash = db_text(q, 6), .message = db_int(q, 7),
		.admin_message = db_int(q, 8), .asked_ms = db_int(q, 9),
		.expires_ms = db_int(q, 10), .waits = db_int(q, 11) != 0,
		.closed = db_text(q, 12), .closed_ms = db_int(q, 13),
		.run = db_int(q, 14),
	};

	f(&r, arg);
}

int
store_proposal_get(struct store *s, int64_t id,
    void (*f)(const struct proposal_row *, void *), void *arg)
{
	static const char	get[] = PROPOSAL " WHERE id = ?1";
	struct query		*q = db_read(s, get, "i", id);
	int			 found = 0;

	if (db_next(q)) {
		proposal_give(q, f, arg);
		found = 1;
	}
	db_end(q);
	return found;
}

int64_t
store_proposal_of_message(struct store *s, int64_t message)
{
	static const char	find[] =
	    "SELECT max(id) FROM proposal WHERE message = ?1"
	    " OR admin_message = ?1";

	return message != 0 ? db_read_int(s, find, "i", message) : 0;
}

int64_t
store_proposal_of(struct store *s, const char *sender, const char *room,
    const char *command_event, int64_t now_ms)
{
	static const char	find[] =
	    "SELECT max(id) FROM proposal WHERE closed IS NULL"
	    " AND (waits OR expires_ms > ?4) AND sender = ?1 AND room = ifnull(?2, room)"
	    " AND (?3 IS NULL OR command_event = ?3)";

	return db_read_int(s, find, "sssi", sender, room, command_event,
	    now_ms);
}

/* One query for each row: the callback will close what it is given. */
void
store_proposals_open(struct store *s, int64_t due_ms,
    void (*f)(const struct proposal_row *, void *), void *arg)
{
	static const char	next[] = PROPOSAL
	    " WHERE closed IS NULL AND id > ?1"
	    " AND (?2 = 0 OR waits OR expires_ms <= ?2) ORDER BY id LIMIT 1";
	struct query		*q;
	int64_t			 id = 0;
	bool			 found;

	do {
		q = db_read(s, next, "ii", id, due_ms);
		found = db_next(q);
		if (found) {
			id = db_int(q, 0);
			proposal_give(q, f, arg);
		}
		db_end(q);
	} while (found);
}

void
store_proposal_waits(struct store *s, int64_t id, bool waits)
{
	static const char	set[] =
	    "UPDATE proposal SET waits = ?2 WHERE id = ?1";

	db_write(s, set, "ii", id, (int64_t)waits);
}

void
store_proposal_expires(struct store *s, int64_t id, int64_t ms)
{
	static const char	set[] =
	    "UPDATE proposal SET expires_ms = ?2 WHERE id = ?1";

	db_write(s, set, "ii", id, ms);
}

bool
store_proposal_close(struct store *s, int64_t id, const char *how)
{
	static const char	closed[] =
	    "UPDATE proposal SET closed = ?2, closed_ms = ?3 WHERE id = ?1"
	    " AND closed IS NULL";

	return db_write(s, closed, "isi", id, how, clock_ms()) == 1;
}

void
store_proposal_run(struct store *s, int64_t id, int64_t run)
{
	static const char	set[] =
	    "UPDATE proposal SET run = ?2 WHERE id = ?1";

	db_write(s, set, "ii", id, run);
}

/* --- decisions ------------------------------------------------------------ */

void
store_decision_put(struct store *s, const struct decision_row *r)
{
	static const char	put[] =
	    "INSERT OR REPLACE INTO decision (proposal, user, verdict, way,"
	    " event, plan_hash, reason, override, at_ms)"
	    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";

	db_write(s, put, "issssssii", r->proposal, r->user, r->verdict,
	    r->way, r->event, r->plan_hash, r->reason, (int64_t)r->override,
	    r->at_ms);
}

bool
store_decision_first(struct store *s, const struct decision_row *r)
{
	static const char	put[] =
	    "INSERT OR IGNORE INTO decision (proposal, user, verdict, way,"
	    " event, plan_hash, reason, override, at_ms)"
	    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";

	return db_write(s, put, "issssssii", r->proposal, r->user, r->verdict,
	    r->way, r->event, r->plan_hash, r->reason, (int64_t)r->override,
	    r->at_ms) == 1;
}

bool
store_decision_remove(struct store *s, int64_t proposal, const char *user)
{
	static const char	gone[] =
	    "DELETE FROM decision WHERE proposal = ?1 AND user = ?2";

	return db_write(s, gone, "is", proposal, user) == 1;
}

#define DECISION	\
	"SELECT proposal, user, verdict, way, event, plan_hash, reason,"	\
	" override, at_ms FROM decision"

static void
decision_give(struct query *q, void (*f)(const struct decision_row *, void *),
    void *arg)
{
	struct decision_row	r = {
		.proposal = db_int(q, 0), .user = db_text(q, 1),
		.verdict = db_text(q, 2), .way = db_text(q, 3),
		.event = db_text(q, 4), .plan_hash = db_text(q, 5),
		.reason = db_text(q, 6), .override = db_int(q, 7) != 0,
		.at_ms = db_int(q, 8),
	};

	f(&r, arg);
}

void
store_decisions_each(struct store *s, int64_t proposal,
    void (*f)(const struct decision_row *, void *), void *arg)
{
	static const char	each[] = DECISION
	    " WHERE proposal = ?1 ORDER BY at_ms, user";
	struct query		*q = db_read(s, each, "i", proposal);

	while (db_next(q))
		decision_give(q, f, arg);
	db_end(q);
}

int
store_decision_of(struct store *s, const char *event,
    void (*f)(const struct decision_row *, void *), void *arg)
{
	static const char	find[] = DECISION
	    " WHERE event = ?1 ORDER BY proposal DESC LIMIT 1";
	struct query		*q = db_read(s, find, "s", event);
	int			 found = 0;

	if (db_next(q)) {
		decision_give(q, f, arg);
		found = 1;
	}
	db_end(q);
	return found;
}
