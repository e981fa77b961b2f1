/*
 * Chat: turns room messages into commands and manifests, asks the engine, and
 * answers through the outbox.  Deciding thread only.  Everything that one event
 * causes (resources, runs, proposals, replies, the inbox row's end) is in the
 * one transaction that the caller opened around chat_event.
 */
#ifndef HICLAW_CHAT_H
#define HICLAW_CHAT_H

#include "hiclaw/engine.h"
#include "hiclaw/json.h"
#include "hiclaw/life.h"
#include "hiclaw/store.h"

struct chat;

struct chat_config {
	const char	*commands_dir, *templates_dir;
	const char	*homeserver_url;	/* for sign-in hints */
	int64_t		 question_ttl_ms, password_ttl_ms, live_interval_ms;
	int64_t		 rotation_overlap_ms;	/* that an old key works */
	const struct life *life;	/* of agents; or NULL */
	const char	*version;
	int64_t		 rate;		/* commands of a person in a minute; 0:
					 * any number */
	/* chat.policy: see policy.h; borrowed until chat_new returns; or NULL */
	const struct json *policy;
	const char	*backups_dir;		/* made when missing; or NULL */
	const char	*commands_extra;	/* a directory, or NULL */
	void		(*reloaded)(void *arg);	/* there are other commands
						 * now; or NULL */
	void		*arg;
};
/* Reads commands/ and templates/; a broken file is ERR_BROKEN with its line. */
struct chat *chat_new(struct store *, struct engine *,
	    const struct chat_config *, struct err *);
void	chat_free(struct chat *);
/* The observer to give to engine_observe. */
const struct engine_observer *chat_observer(struct chat *);
/* What life_tell gets. */
struct life_news chat_life_news(struct chat *);
/* For struct ops: a change that needed nothing outside gets its receipt. */
void	chat_settled(void *chat, const struct run_request *,
	    const char *plan_hash);
/* What changes need before they run; as long as the chat lives. */
const struct policy *chat_policy(const struct chat *);
/* For struct ops: somebody showed the join code of an agent. */
void	chat_joined(void *chat, const char *agent, const char *from,
	    bool is_again);
/*
 * Something outside that an event needs before it can be dealt with: an
 * attachment's bytes, the message it replies to, the answer of a provider (see
 * engine_query; *what is then {"kind", "question"} as JSON), or the history of a
 * room (*what is its id; the answer is that of history_read).  The caller
 * fetches it and calls chat_event again with the same event; the inbox row stays
 * until then, so that a kill in between loses nothing.
 */
enum chat_need { CHAT_DONE, CHAT_NEEDS_MEDIA, CHAT_NEEDS_EVENT,
    CHAT_NEEDS_QUERY, CHAT_NEEDS_HISTORY };
#define CHAT_MEDIA_MAX	MANIFEST_MAX
struct chat_fetched {
	const char	*data;		/* bytes of the media, or JSON of the event
					 * or answer */
	size_t		 len;
	const char	*error;		/* why it could not be had, or NULL */
};
/*
 * A room event (message, reaction, redaction, invite of the bot) from the
 * inbox.  Own events, notices and what is not for us are ignored here.
 * fetched NULL: the first call.  *what gets the mxc URI or the event id (in the
 * same room) of what is needed; yours.
 */
enum chat_need chat_event(struct chat *, const struct json *event,
	    const struct chat_fetched *, char **what);
/*
 * Is this message of an agent of ours one for us?  Cheap: all others are not worth
 * keeping.
 */
bool	chat_hears_agent(const struct chat *, const struct json *event);
/* The bot was invited: by an admin, a Human of any tier or one of ours it should
 * join (true), else refuse (false). */
bool	chat_may_invite(struct chat *, const char *sender);
/* Somebody read up to this event: one-time passwords go. */
void	chat_receipt(struct chat *, const char *room, const char *event,
	    const char *user);
/* Expire proposals, redact what is due, end live messages.  Call each second;
 * cheap when nothing is due. */
void	chat_tick(struct chat *);
/*
 * What clients may know of the commands of the admin room, by state key: the
 * contents of its events of this type (MSC4391); yours.
 */
#define COMMAND_DESCRIPTION_TYPE	"org.matrix.msc4391.command_description"
struct json *chat_descriptions(const struct chat *);
/*
 * Those of them that the room's state (an array of events) has not from this
 * sender, and {} for each that the sender once told and that is none any more;
 * yours.  Pure.
 */
struct json *chat_descriptions_due(const struct json *wanted,
	    const struct json *state, const char *sender);
/*
 * A database without a place to go on from in /sync may be a backup: which
 * receipts of the admin room it does not have are read from there (free
 * from->hash), before anything is written; and when they are read and replayed,
 * they are taken over, and the room is told.  why: they could not be read.
 */
struct restore;
struct restore_from;
void	chat_behind_from(struct chat *, struct restore_from *);
void	chat_behind(struct chat *, const struct restore *, const char *why);
/* The controller is up: say so once in the admin room if it had been away, or
 * welcome on the very first start. */
void	chat_started(struct chat *, bool is_first, int64_t away_ms);

#endif
