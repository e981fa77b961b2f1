/*
 * What the files of chat share; nobody else includes it.
 *
 *   request   one message of a person, on its way through the pipeline
 *   proposal  a change that waits for a yes of its asker, or for approvals of
 *             others, bound to the hash of its plan; the first is a question
 *
 * The way of a message: chat.c (is it for us, may they) -> input.c, words.c,
 * repair.c (what did they mean) -> dispatch.c (tier, flags, manifest) ->
 * cmd-*.c -> change.c, proposals.c -> engine; decisions: decide.c; answers through reply.c; what the
 * engine tells comes back through progress.c, receipt.c and news.c.
 */
#ifndef CHAT_INT_H
#define CHAT_INT_H

#include "hiclaw/chat.h"
#include "hiclaw/ops.h"
#include "hiclaw/policy.h"

#include "commands.h"
#include "flood.h"
#include "input.h"
#include "repair.h"
#include "template.h"
#include "text.h"

/* Figures, each with its reason. */
#define STEPS_THREAD	200	/* in the thread below it: ten screens */
#define NAMES_THREAD	100	/* on one of those: a screen */
#define DETAILS_SHOWN	6	/* changed files, line by line, in a message;
				 * all of them are attached */
#define DETAILS_BYTES	(1024 * 1024)	/* of the attachment; then no more */
#define DETAIL_WIDTH	200	/* bytes of one of these lines */
#define TROUBLES_SHOWN	8	/* failed objects in a receipt */
#define REPLY_MAX	(16 * 1024)	/* bytes of body: an event has 64 KiB,
				 * body and HTML carry the same text */
#define EVENTS_SHOWN	20	/* lines of `events` */
#define LONG_RUN_MS	10000	/* after that the asker is mentioned */
#define AWAY_MS		30000	/* shorter absences are not worth a word */
#define READ_GRACE_MS	30000	/* from reading a password to its end */
#define RUNS_SEARCHED	200	/* newest runs, to know an applied message */

struct chat {
	struct store		*store;
	struct engine		*engine;
	struct ops		 ops;
	struct chat_config	 cfg;
	struct engine_observer	 observer;
	struct templates	*templates;
	struct commands		*commands;
	struct commands		*commands_before;	/* see cmd_reload */
	char			*commands_wrong;	/* at the start, or NULL */
	char			*bot;		/* "@hiclaw:domain" */
	char			*name;		/* "hiclaw" */
	struct map		*lives;		/* run id -> struct live */
	struct json		*passwords;	/* shown or about to be */
	struct map		*deaths;	/* key -> struct dying */
	struct map		*fetching;	/* events whose second need is out */
	struct policy		*policy;	/* of changes */
	struct map		*asks;	/* agent -> struct asks */
	int64_t			 started_ms;
	struct floods		*floods;
	struct watch_lists	*watch;
	struct backup		*backup;	/* being made, or NULL */
	struct denial		*denied;	/* the last: see refusal.c */
	struct origins		*origins;	/* see chat_origins */
	uint64_t		 origins_version;
	struct mending {		/* a freeze has ended: see cmd-freeze.c */
		int64_t		 since_ms, calm_ms;	/* monotonic, or 0 */
		struct strv	 did;
		size_t		 n;
	}			 mending;
};

struct request {
	struct chat		*chat;
	const char		*room, *sender;
	const char		*event;	/* id; of an edit: of what it edits */
	const char		*answer; /* id of the yes that led here, or NULL */
	int64_t			 sent_ms;	/* by the homeserver */
	const char		*source;	/* id, also of an edit its own */
	enum where		 where;
	char			*subject;	/* the Team or agent that the
						 * room is of, or NULL */
	int			 tier;	/* 0: unknown */
	bool			 is_agent;	/* of ours: see request_caller */
	bool			 is_approved;	/* others approved this command */
	const struct resource	*human;	/* or NULL */
	struct input		 in;
	struct words		 words;
	const struct command	*command;
	/* the manifest, once it is there */
	char			*manifest;
	size_t			 manifest_len;
	struct repairs		 repairs;
	const char		*doubt;	/* why to ask before applying, or NULL */
	bool			 is_answered;
	bool			 is_refused, is_waiting;	/* how */
	bool			 is_begun;	/* its handler was called */
	bool			 is_done;	/* something came of it */
	bool			 is_heard;	/* it was for us */
	struct json		*before;	/* of an edit: what is noted of
						 * its message, or NULL */
	bool			 is_late;	/* an edit that is not taken */
	/* what a handler asked outside: see request_query */
	const struct chat_fetched *fetched;
	char			**what;
	enum chat_need		 need;
};

/* Where all that is declared comes from; borrowed until the next change. */
struct origins *chat_origins(struct chat *);

/* --- reply.c ------------------------------------------------------------- */

enum reply_state { REPLY_INFO, REPLY_RUNNING, REPLY_DONE, REPLY_FAILED,
    REPLY_REFUSED, REPLY_QUESTION };
struct reply {
	const char	*event;		/* the command's, or NULL: news */
	const char	*answer;	/* the yes that led here, or NULL */
	enum reply_state state;
	int64_t		 run, question;	/* or 0 */
	const char	*mention;	/* who is to be notified, or NULL */
	const char	*secret;	/* "human:john/password", or NULL */
	int64_t		 thread;	/* outbox id of its root, or 0 */
	const struct strv *mentions;	/* more of those, or NULL */
};
/*
 * The content of a message: m.notice with plain and HTML text, the relation
 * to the command, and "io.hiclaw.reply": {"for","state","run","question",
 * "command"}, which programs follow: "for" is the event that is answered,
 * which for what follows from a yes is that yes; "command" is then the command.
 *
 * With `secret` set, a text may contain {{secret:<that>}}: the outbox's sender
 * puts the secret in just before the message leaves, so that it is never stored.
 * In any other message those words are only words: people may write them, and
 * we may repeat them.
 */
struct json *reply_content(const struct text *, const struct reply *);
/* The name under which a room's messages are queued. */
const char *outbox_room(struct chat *, const char *room);
/*
 * Queue it; gives the outbox id.  Of too long a text only the first and the last
 * lines are said, and the whole is attached.
 */
int64_t	 reply_send(struct chat *, const char *room, const struct reply *,
	    const struct text *);
/* Let that message say something else; too long a text is cut likewise. */
void	 reply_update(struct chat *, int64_t outbox, const struct reply *,
	    const struct text *, int64_t not_before_ms);
/* In answer to a request. */
int64_t	 say(struct request *, enum reply_state, const struct text *);
int64_t	 say_template(struct request *, enum reply_state, const char *name,
	    const struct fill *);
/* A sentence about what is wrong with it. */
void	 say_wrong(struct request *, const char *, ...) PRINTF(2, 3);
/* How the command is used. */
void	 say_usage(struct request *, const char *what);
/* A file of its own message (in the thread of that one, or 0); it answers
 * nobody, the text before it did. */
void	 send_file(struct chat *, const char *room, int64_t thread,
	    const char *name, const char *type, const char *data);
/* A short text and a file with the whole. */
void	 say_file(struct request *, const struct text *, const char *name,
	    const char *type, const char *data);
/* One line of news in the admin room; gives the outbox id. */
int64_t	 say_news(struct chat *, const char *template_name,
	    const struct fill *);

/* --- change.c: what src/ops tries, in a room ----------------------------- */

/* Give it to the engine and report in the room; gives the run, or 0.  ledger: see
 * struct run_request. */
int64_t	 change_run(struct request *, const struct json *action,
	    const struct attempt *, const struct strv *notes,
	    const struct json *ledger);
void	 put_steps(const struct json *show, struct text *out);
void	 put_notes(const struct json *show, struct text *out);
/* What differs line by line (step.detail), in blocks.  When that is not all of
 * it: the whole, for a file; yours, else NULL. */
char	*put_details(const struct plan *, struct text *out);
/* In the thread of a message what that has no room for: all steps, if some were
 * left out, and what differs line by line; nothing, if there is neither. */
void	 send_thread(struct chat *, const char *room, int64_t message,
	    const struct json *show, const struct plan *);
/* Refuse, ask or do: the way of every change that was tried with success. */
void	 change_decide(struct request *, const struct json *action,
	    const struct attempt *, const struct strv *notes);

/* --- cmd-apply.c: what is said about a manifest -------------------------- */

void	 note_repairs(const struct repairs *, struct strv *out);
void	 note_warnings(const struct problems *, struct strv *out);
/* Repairs and warnings, under a heading; NULL: none. */
void	 notes_text(const struct strv *notes, struct text *out);
/* With its line and a caret below it, where these are known. */
void	 put_problem(const struct problem *, struct text *out);

/* --- proposals.c, decide.c: what waits before it runs --------------------- */
/*
 * One thing, with a rule (policy.h): a question waits for the yes of who asked,
 * a proposal for approvals of others.  It is bound to the hash of the plan that
 * was shown; when the world has moved by the time of a decision, it is closed
 * and another one takes its place.  It is closed in the transaction in which its
 * run starts, by the one caller who found it open, so nothing starts it twice.
 */

/* Keep it and show it.  `again`: the number of the one whose place it takes, or
 * 0; `moved`: then why, or NULL. */
void	 proposal_ask(struct request *, const struct json *action,
	    const struct attempt *, const struct strv *notes, const char *why,
	    const struct policy_rule *, int64_t again, const char *moved);
/* The rule for this change by this asker, in these times; for
 * policy_rule_release. */
void	 proposal_rule(struct request *, const struct json *action,
	    const struct attempt *, struct policy_rule *);
/* The command was edited, superseded or taken back; true if something fell. */
bool	 proposal_withdraw(struct chat *, const char *event, const char *who,
	    const char *how);
void	 proposals_tick(struct chat *, int64_t now);
/* Questions of an older version fell with it: say so, once. */
void	 proposals_upgraded(struct chat *);

/* Is the line, alone, a decision?  It needs no address where it is clear what
 * it is about. */
bool	 decision_is(struct request *);
/* ... and is what it is about open?  message: that it replies to, or 0. */
bool	 decision_is_open(struct request *, int64_t message);
void	 decision_take(struct request *, int64_t message);
/* An agent spoke: see agent-ask.c.  As chat_event. */
enum chat_need agent_spoke(struct chat *, const struct json *event,
	    const struct chat_fetched *, char **what);
/* What an agent asked for and the sender approved: as if that one had typed
 * it. */
struct proposal;
/* It acts without a plan, and the policy has it wait: it was asked. */
bool	 command_waits(struct request *);
void	 command_carry_out(struct request *, const struct proposal *);
/* A command that decides: number and more in its words. */
void	 decision_command(struct request *, enum verdict);
/* What somebody tapped or wrote is gone or says something else now; true if a
 * decision fell with it. */
bool	 decision_gone(struct chat *, const char *event, const char *who);

/*
 * Taps.  Each is asked in turn whether it takes this one: `message` is the outbox
 * id of ours that was tapped, the key is normalised (decision.h).
 */
extern bool (*const tap_takers[])(struct request *, int64_t message,
	    const char *normalised_key);		/* ends with NULL */
void	 tap_take(struct request *, const char *target, const char *key);

/* --- progress.c, receipt.c ----------------------------------------------- */

void	 progress_begin(struct request *, int64_t run, const char *title,
	    const struct json *show, const struct plan *);
void	 progress_run(void *chat, const struct run_view *);
struct map *progress_map(void);		/* empty, for chat.lives */
char	*took(int64_t ms, char *dst, size_t dstsize);	/* "4.2 s" */

/* How a run ended. */
struct ending {
	int64_t		 run;		/* or 0 */
	const char	*actor, *room, *event, *title, *plan_hash;
	const char	*resources;	/* JSON of change_run */
	size_t		 created, updated, deleted, failed, total;
	int64_t		 took_ms;
	const char	*why;		/* of a failure, or NULL */
	const struct text *troubles;	/* or NULL */
	const struct text *text;	/* instead of the usual, or NULL */
};
/* Who approved it, by its receipt or what a proposal's run is given; nobody, when
 * that is only who asked for it (or NULL). */
void	 approved_list(const struct json *, const char *asker, struct strv *out);
/* The receipt: in the chain, in the admin room, and where it was asked. */
void	 receipt_send(struct chat *, const struct ending *);

/* --- password.c, joining.c, news.c, people.c ----------------------------- */

/* A secret that is shown once; all of it is borrowed. */
struct secret_telling {
	const char	*key, *name;	/* of the secret: see engine_secret */
	const char	*user;		/* whom it is about, or NULL */
	const char	*asker, *room;	/* who is told, and where */
	const struct text *text;	/* has {{secret:key/name}} once */
	int64_t		 stays_ms;	/* 0: the message goes when it was read;
					 * else it stays, and for that long */
};
void	 secret_tell(struct chat *, const struct secret_telling *);
/* What stays of this key was used, or is replaced: it goes now. */
void	 secret_withdraw(struct chat *, const char *key);
/* Who declared what has this object last, or the first admin; yours, or NULL. */
char	*asker_of(struct chat *, const char *key);
void	 passwords_load(struct chat *);
void	 password_made(void *chat, const char *key, const char *user);
/* Tell this person the token, once, in the direct chat. */
void	 token_tell(struct chat *, const char *user, const char *token,
	    const char *until);
void	 passwords_read(struct chat *, const char *room, const char *event,
	    const char *user);
void	 passwords_tick(struct chat *, int64_t now);

/* Agents that died lately, empty, for chat.deaths; and their end. */
struct map *deaths_map(void);
void	 deaths_tick(struct chat *, int64_t now);
/* What one that keeps dying said last, or "". */
const char *words_of(struct chat *, const char *agent);
/* Where it was woken by a message: it does not come up. */
void	 news_not_woken(struct chat *, const struct json *woken,
	    const char *title, const char *why);
/* joining.c: the join command of an agent that somebody else runs. */
void	 joining_ready(void *chat, const char *key);
/* A new one for this person; false: err says why not. */
bool	 joining_offer(struct chat *, const char *agent, const char *asker,
	    struct err *);

/*
 * cmd-drift.c: how an object differed, as engine_observer.drift tells it, made
 * ready to be kept; NULL: as it did the last time.  *fields gets those that
 * `adopt` would declare, or NULL; yours, like what is given.
 */
struct json *drift_keep(struct chat *, const char *key,
	    const struct json *was, char **fields);
/* That message tells of it, so that it can be replied to or tapped. */
void	 drift_noted(struct chat *, int64_t message, const struct json *kept);
bool	 drift_tap(struct request *, int64_t message, const char *key);

void	 news_drift(void *, const char *key, const char *sender,
	    const struct strv *did, const struct json *was);
void	 news_fight(void *, const char *key, const char *sender, int wait_s);
void	 news_system(void *, const char *provider, bool is_up,
	    int64_t since_ms, const char *why);
void	 news_gone(void *, const char *kind, const char *name);

enum where where_is(struct chat *, const char *room, const char *sender);
/* Where the request's room and sender are; sets where and subject. */
void	 request_place(struct request *);
/* In the room of something, is this about that?  False: said in *why. */
bool	 request_is_here(const struct request *, const struct target *,
	    char *why, size_t whysize);
/* What a command of the room is about when it names nothing: into its words. */
void	 request_about(struct request *);
/* The first gate: see commands.h. */
enum gate request_gate(const struct request *, const struct command *);
/* All of tier 1. */
void	 people_first(struct chat *, struct strv *out);
/* Politely, once per person and tier. */
void	 people_refuse(struct request *);
void	 people_elsewhere(struct request *);
void	 people_encrypted(struct chat *, const char *room);
/* The first call with this key is true, all others false; durable. */
bool	 once(struct chat *, const char *key, const char *value);
const char *admin_room(struct chat *);		/* room id, or NULL */

/* cmd-describe.c: the first lines about it: its phase and why, when it was
 * changed; of a member of the Team, when that is not NULL. */
void	 put_head(struct request *, const struct resource *,
	    const struct json *member, bool is_leader, struct text *out);

/* --- pasted.c ------------------------------------------------------------- */

/* Secrets in the message are sealed, and it is removed; true: there were. */
bool	 pasted_message(struct request *, const struct json *content);
/* The same of the manifest that was fetched. */
void	 pasted_manifest(struct request *);

/* --- cmd-freeze.c --------------------------------------------------------- */

/* Everything stands still: that is said, and nothing is to be done. */
bool	 say_frozen(struct request *);
/* What is put right from now on is told in one message. */
void	 mending_begin(struct chat *);
void	 mending_drop(struct chat *);
/* True: it will be told in that message. */
bool	 mending_takes(struct chat *);
void	 freeze_watch(struct chat *, int64_t now);

/* --- macro.c --------------------------------------------------------------- */

/* The program's commands and those of the operator. */
struct commands *chat_commands(const struct chat_config *, struct err *);

/* --- edit.c ---------------------------------------------------------------- */

/* Something came of it: who edits it now is too late. */
bool	 request_acted(const struct request *);
/* Note that, or that what it needs is awaited, for edits of it. */
void	 message_note(const struct request *, enum chat_need);
/* It is an edit: of what?  False: of nothing of theirs, pass over it. */
bool	 edit_read(struct request *);
/* Its message was for us. */
bool	 edit_is_heard(const struct request *);
/*
 * What the message asked for and nobody has answered falls.  True: the edit is
 * taken in its place; else it is too late for that, and its author was told.
 */
bool	 edit_take(struct request *);

/* --- dispatch.c -------------------------------------------------------------- */

/*
 * What the provider that has this kind of object answers.  NULL at the first
 * call: the handler returns and is called again when the answer is here; or
 * there is none, and that was said.  Takes the question; the answer is yours.
 */
struct json *request_query(struct request *, const char *kind,
	    struct json *question);
/* The command of the request's words; sets request.command. */
void	 request_match(struct request *, size_t *used, const char **near);
enum chat_need dispatch(struct request *, const struct chat_fetched *,
	    char **what);
void	 request_release(struct request *);
/* Two words for one thing: "KIND NAME", "KIND/NAME"; takes one or two, if there are
 * any. */
int	 read_name(struct request *, const struct strv *, size_t *at,
	    const struct kind **, const char **name, struct err *) MUST_CHECK;
/* Who they are by now: tier, human or agent, of request.sender. */
void	 request_asker(struct request *);
/* The sender in the eyes of ops_may; for caller_release. */
void	 request_caller(const struct request *, struct caller *);
/* May the sender do this?  ops_may and change_may for a request. */
enum may request_may(const struct request *, enum verb,
	    const struct target *, enum risk, char *why, size_t whysize);
enum may request_may_change(const struct request *,
	    const struct json *action, const struct attempt *, char *why,
	    size_t whysize);
/*
 * May not: say so, with the rule of the last request_may or request_may_change
 * that said no, and who could have it done.
 */
void	 say_may_not(struct request *, const char *why);
/* No command: the nearest that they may use here, and an example of it. */
void	 say_unknown(struct request *, const char *word);

#endif
