/*
 * The state of the controller: one SQLite file in WAL mode, the only SQL of
 * the program (src/store/, a file per group of tables).  Deciding thread only.
 *
 * Every write happens inside a transaction, opened by store_begin or by the
 * write itself; the daemon commits it at the end of a turn of the loop, so that
 * many small writes cost one fsync.  A write that fails (disk full, corrupt)
 * ends the process with a clear message and EX_IOERR before harm is done:
 * functions that cannot otherwise fail return void.  Strings in rows given to
 * callbacks are borrowed for the call.
 */
#ifndef HICLAW_STORE_H
#define HICLAW_STORE_H

#include "hiclaw/err.h"

struct store;

/*
 * Open or make the database, take the lock (an flock on "<path>.lock", pid
 * inside), run the migrations, load or make the key that seals secrets.
 * ERR_CONFLICT when another controller holds it (msg names the pid);
 * ERR_BROKEN when the file is corrupt, from a newer version, or the key does
 * not open its secrets.  path ":memory:" is for tests: no lock, and key_path
 * may be NULL.
 */
struct store *store_open(const char *path, const char *key_path, struct err *);
void	 store_close(struct store *);
/* Random, made with the database: part of every transaction id. */
const char *store_epoch(struct store *);

void	 store_begin(struct store *);	/* no effect when one is open */
bool	 store_in_transaction(struct store *);
void	 store_commit(struct store *);	/* no effect when none is open */
void	 store_rollback(struct store *);

/* --- a copy -------------------------------------------------------------- */

/*
 * Copy what is committed now to a new file while everything goes on: a step
 * copies so many pages, and gives 1 until the file is whole and checked (0).  The
 * copy can be opened with the same key, which is not in it.  Work that was
 * under way is closed in it.  Free it after that, or to give it up.
 */
struct store_backup;
struct store_backup *store_backup_begin(struct store *, const char *path,
	    struct err *);
int	 store_backup_step(struct store_backup *, int pages, struct err *)
	    MUST_CHECK;
int	 store_backup_percent(const struct store_backup *);
void	 store_backup_free(struct store_backup *);

struct store_health {
	const char	*path, *sqlite;		/* the file; SQLite's version */
	int		 schema;
	int64_t		 bytes, wal_bytes;
	int64_t		 free_bytes;		/* on its disk; -1: unknown */
	bool		 is_checked;		/* else it is too large for now */
	char		 trouble[256];		/* what the check found, or "" */
	int64_t		 inbox, outbox;		/* waiting, and due */
	int64_t		 outbox_since_ms;	/* the oldest of these, or 0 */
	int64_t		 outbox_lost;		/* given up in the last day */
};
void	 store_health(struct store *, int64_t now_ms, struct store_health *);

/* --- single values ------------------------------------------------------ */

char	*store_kv_get(struct store *, const char *key);	/* yours, or NULL */
void	 store_kv_set(struct store *, const char *key, const char *value); /* NULL deletes */

/* --- resources, with every revision ------------------------------------- */

struct resource_row {
	const char	*kind, *name;
	const char	*metadata, *spec;	/* canonical JSON */
	int64_t		 generation, revision;
	int64_t		 created_ms, updated_ms;
	bool		 deleting;
};
/* Writes the row and appends it to the history; gives the new revision. */
int64_t	 store_resource_put(struct store *, const struct resource_row *,
	    const char *actor);
/* Gone for good; the history keeps a row with spec NULL. */
void	 store_resource_remove(struct store *, const char *kind,
	    const char *name, const char *actor);
void	 store_resources_each(struct store *,
	    void (*)(const struct resource_row *, void *), void *);
struct revision_row {
	const char	*kind, *name, *metadata, *spec /* NULL: deleted */, *actor;
	int64_t		 generation, revision, at_ms;
};
/* Newest first, at most limit; kind and name NULL: of all. */
void	 store_revisions_each(struct store *, const char *kind,
	    const char *name, int limit,
	    void (*)(const struct revision_row *, void *), void *);
/* The newest of all, or 0. */
int64_t	 store_revision_newest(struct store *);
/* One by its number; 1 if found. */
int	 store_revision_get(struct store *, int64_t revision,
	    void (*)(const struct revision_row *, void *), void *);

/*
 * A lost database is made anew: a row of the history with its number, and a
 * resource without one (with its revision).
 */
void	 store_revision_restore(struct store *, const struct revision_row *);
void	 store_resource_restore(struct store *, const struct resource_row *);

/* --- managed objects ---------------------------------------------------- */

struct object_row {
	const char	*key;		/* "room:team/frontend" */
	const char	*owner;		/* "Team/frontend", or "" */
	const char	*desired;	/* canonical JSON; NULL: to be removed */
	const char	*observed;	/* canonical JSON; NULL: not there */
	const char	*deps;		/* keys joined by '\n', may be "" */
};
void	 store_object_put(struct store *, const struct object_row *);
void	 store_object_observed(struct store *, const char *key,
	    const char *observed);
void	 store_object_remove(struct store *, const char *key);
void	 store_objects_each(struct store *,
	    void (*)(const struct object_row *, void *), void *);

/* --- secrets, sealed ---------------------------------------------------- */

void	 store_secret_put(struct store *, const char *name, const char *secret);
/* For secret_free; NULL when there is none. */
char	*store_secret_get(struct store *, const char *name);
void	 store_secret_remove(struct store *, const char *name);
/* All whose name begins with prefix. */
void	 store_secrets_remove(struct store *, const char *prefix);

/* --- bearer tokens of our own API, only by their hash ------------------- */

struct token_row {
	const char	*sha256;	/* hex, of the token */
	const char	*subject;	/* "agent:alice", "user:@ann:d", "join:x" */
	int64_t		 made_ms, expires_ms;
};
/*
 * A new one.  Those that the subject had end within overlap_ms; what has expired
 * goes, whoever had it.
 */
void	 store_token_put(struct store *, const struct token_row *,
	    int64_t overlap_ms);
/* Who has it: "agent:alice"; yours.  NULL: nobody, or it has expired. */
char	*store_token_find(struct store *, const char *sha256, int64_t now_ms);
/* One by its hash; true for the one caller who found it (a one-time token). */
bool	 store_token_take(struct store *, const char *sha256, int64_t now_ms);
/* The newest of each subject with that prefix, if it has not expired, works at
 * least until then. */
void	 store_tokens_extend(struct store *, const char *subject_prefix,
	    int64_t until_ms, int64_t now_ms);
void	 store_tokens_remove(struct store *, const char *subject);
void	 store_tokens_each(struct store *, const char *subject_prefix,
	    void (*)(const struct token_row *, void *), void *);

/* --- inbox -------------------------------------------------------------- */

/* True if this transaction with this body was seen; remembers it otherwise
 * (the newest 1000). */
bool	 store_txn_seen(struct store *, const char *txn_id, const char *sha256);
/*
 * Keep an event for processing.  False if its id was seen before (ids are
 * remembered for the newest 100 000 events), and then nothing is written.
 */
bool	 store_inbox_add(struct store *, const char *event_id,
	    const char *room_id, const char *json);
struct inbox_row { int64_t id; const char *event_id, *room_id, *json; };
/* Unprocessed rows in order of arrival, at most limit; returns how many. */
int	 store_inbox_each(struct store *, int limit,
	    void (*)(const struct inbox_row *, void *), void *);
/* Processed: the text goes, the id stays. */
void	 store_inbox_done(struct store *, int64_t id);
/* What chat remembers of an event for as long as its id is (JSON, chat's own);
 * of one that was never added nothing is. */
void	 store_inbox_note(struct store *, const char *event_id,
	    const char *note);
char	*store_inbox_noted(struct store *, const char *event_id); /* yours */

/* --- outbox ------------------------------------------------------------- */

/* A member of content: the secret ("human:john/password") whose mark in the
 * text, {{secret:human:john/password}}, the sender replaces. */
#define OUTBOX_SECRET	"io.hiclaw.secret"

enum outbox_op { OUTBOX_SEND, OUTBOX_EDIT, OUTBOX_REDACT, OUTBOX_REACT };
enum outbox_state { OUTBOX_PENDING, OUTBOX_SENDING, OUTBOX_SENT, OUTBOX_FAILED };
struct outbox_row {
	int64_t		 id;		/* 0 when adding */
	const char	*room;		/* room id, or the key of a room object
					 * ("room:admin"), resolved when sent */
	enum outbox_op	 op;
	const char	*content;	/* JSON: content of the event; REDACT:
					 * {"reason":..}; REACT: {"key":..} */
	int64_t		 target;	/* outbox id this edits, redacts, reacts
					 * to; 0: `target_event` says it */
	const char	*target_event;	/* event id, or NULL */
	int64_t		 thread;	/* outbox id of the thread's root, or 0 */
	const char	*file_name, *file_type;	/* attachment, or NULL: uploaded
					 * before sending, put into content */
	const void	*file;
	size_t		 file_len;
	int64_t		 not_before_ms;	/* wall clock; 0: at once */
	/* set by the store */
	enum outbox_state state;
	const char	*txn_id;	/* "<epoch>.<id>": durable, never reused */
	const char	*event_id;	/* once sent */
	int		 tries;
};
int64_t	 store_outbox_add(struct store *, const struct outbox_row *);
/*
 * Let `id` (a SEND of ours) say `content` from now on: replaces the text of
 * the row itself or of its newest edit while that is still PENDING, else adds
 * an EDIT.  What may have left already is never changed.  not_before_ms bounds
 * the rate (kept when an edit is replaced).
 */
void	 store_outbox_update(struct store *, int64_t id, const char *content,
	    int64_t not_before_ms);
/*
 * PENDING and SENDING rows in order of id that are due, at most limit; when
 * there are more, each room has a share of them.  Not due is what waits for its
 * time, for the event it refers to, or for an earlier edit of that.
 */
int	 store_outbox_each(struct store *, int64_t now_ms, int limit,
	    void (*)(const struct outbox_row *, void *), void *);
/* The next time a row becomes due; 0 when none waits for a time. */
int64_t	 store_outbox_next_due(struct store *, int64_t now_ms);
void	 store_outbox_sending(struct store *, int64_t id);
/* The attachment was uploaded: content has its url now, the bytes go. */
void	 store_outbox_uploaded(struct store *, int64_t id, const char *content);
void	 store_outbox_sent(struct store *, int64_t id, const char *event_id);
/* What edits, redacts or reacts to it fails too. */
void	 store_outbox_failed(struct store *, int64_t id, const char *why);
void	 store_outbox_retry(struct store *, int64_t id, int64_t not_before_ms);
/* Of one row; event_id NULL while not sent; yours.  By event: its id or 0. */
char	*store_outbox_event(struct store *, int64_t id);
int64_t	 store_outbox_find(struct store *, const char *event_id);

/* --- runs, proposals, receipts, log ------------------------------------- */

struct run_row {
	int64_t		 id;
	const char	*actor, *room, *command_event, *title, *plan_hash;
	const char	*resources;	/* JSON for the receipt: see chat */
	const char	*objects;	/* JSON: keys of the plan's steps */
	int64_t		 live_message;	/* outbox id, or 0 */
	const char	*state;		/* "running","done","failed" */
	int64_t		 started_ms, ended_ms;
};
int64_t	 store_run_add(struct store *, const struct run_row *);
void	 store_run_live(struct store *, int64_t id, int64_t live_message);
void	 store_run_end(struct store *, int64_t id, const char *state);
/* only_running: those that go on; else newest first, at most limit. */
void	 store_runs_each(struct store *, bool only_running, int limit,
	    void (*)(const struct run_row *, void *), void *);

/*
 * A change that waits: for the yes of who asked, or for approvals.  What it is
 * (action, plan_hash, rule) never changes; decisions on it are the ledger.
 */
struct proposal_row {
	int64_t		 id;
	const char	*room, *sender, *command_event;
	const char	*action;	/* JSON, chat's own */
	const char	*rule;		/* JSON: policy_rule_json */
	const char	*plan_hash;
	int64_t		 message;	/* outbox id, in the room of the request */
	int64_t		 admin_message;	/* in the admin room as well, or 0 */
	int64_t		 asked_ms, expires_ms;
	bool		 waits;		/* approved; its time has not come */
	const char	*closed;	/* how, or NULL: open */
	int64_t		 closed_ms, run;	/* or 0 */
};
int64_t	 store_proposal_add(struct store *, const struct proposal_row *);
void	 store_proposal_messages(struct store *, int64_t id, int64_t message,
	    int64_t admin_message);
/* By its number, open or not; 1 if found. */
int	 store_proposal_get(struct store *, int64_t id,
	    void (*)(const struct proposal_row *, void *), void *);
/* Of the message (outbox id) that shows it, open or not; or 0. */
int64_t	 store_proposal_of_message(struct store *, int64_t message);
/* The newest open one by this sender: in this room, or for this command (the
 * other is NULL); or 0.  What has expired is not open. */
int64_t	 store_proposal_of(struct store *, const char *sender,
	    const char *room, const char *command_event, int64_t now_ms);
/* Those not closed, also when their time is over, oldest first.  due_ms not 0:
 * only those that wait for a time, or whose time is over by then. */
void	 store_proposals_open(struct store *, int64_t due_ms,
	    void (*)(const struct proposal_row *, void *), void *);
void	 store_proposal_waits(struct store *, int64_t id, bool waits);
void	 store_proposal_expires(struct store *, int64_t id, int64_t ms);
/* Closes it; true for the one caller who found it open. */
bool	 store_proposal_close(struct store *, int64_t id, const char *how);
/* Of a closed one: the run that it became. */
void	 store_proposal_run(struct store *, int64_t id, int64_t run);

struct decision_row {
	int64_t		 proposal;
	const char	*user, *verdict, *way, *event, *plan_hash;
	const char	*reason;	/* or NULL */
	bool		 override;
	int64_t		 at_ms;
};
/* One for each person and proposal: takes the place of an earlier one. */
void	 store_decision_put(struct store *, const struct decision_row *);
/* Only if there is none of that person; true if so. */
bool	 store_decision_first(struct store *, const struct decision_row *);
/* True if one was there. */
bool	 store_decision_remove(struct store *, int64_t proposal,
	    const char *user);
/* Of one proposal, in order of time. */
void	 store_decisions_each(struct store *, int64_t proposal,
	    void (*)(const struct decision_row *, void *), void *);
/* The one that this event made; 1 if found. */
int	 store_decision_of(struct store *, const char *event,
	    void (*)(const struct decision_row *, void *), void *);

struct receipt_row { int64_t seq; const char *prev, *hash, *content; int64_t outbox; };
/* The newest hash ("" when none) and its seq (0). */
char	*store_receipt_head(struct store *, int64_t *seq);	/* yours */
void	 store_receipt_add(struct store *, const struct receipt_row *);
void	 store_receipts_each(struct store *, int64_t from_seq, int limit,
	    void (*)(const struct receipt_row *, void *), void *);
/* Newest first, of those before before_seq (0: all), at most limit. */
void	 store_receipts_back(struct store *, int64_t before_seq, int limit,
	    void (*)(const struct receipt_row *, void *), void *);

struct log_row { int64_t id, at_ms; const char *subject, *kind, *text; };
/* What happened to a resource or object, for `events`; newest 10 000 kept. */
void	 store_log_add(struct store *, const char *subject, const char *kind,
	    const char *text);
/* Newest first; subject NULL: all. */
void	 store_log_each(struct store *, const char *subject, int limit,
	    void (*)(const struct log_row *, void *), void *);

#endif
