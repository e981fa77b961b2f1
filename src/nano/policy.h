/*
 * Who is heard.  Pure: an event and the lists in, a verdict out.
 *
 * Somebody on groupAllowFrom is heard in a room when the message mentions us;
 * somebody on dm.allowFrom is heard in a direct room as well without.  A room
 * is direct when one person is in it with us; the bot that makes rooms does not
 * count.  Other agents always have to mention us, or two of them in one room
 * would never be quiet.  Notices are never answered: errors and receipts are
 * notices, ours too.
 *
 * Two agents that mention each other would talk for ever if their models wanted
 * it.  So each message of ours says how many steps away from a person it is
 * (io.hiclaw.hops), and what is HOPS_MAX steps away is not answered.  Eight is
 * manager, leader, worker and back, with a question on the way.  Runtimes that
 * do not say it are counted by room: turns of agents within ten minutes.
 */
#ifndef NANO_POLICY_H
#define NANO_POLICY_H

#include "home.h"

#define HOPS_KEY	"io.hiclaw.hops"
#define HOPS_MAX	8

struct heard {
	char	*room, *id, *sender;
	char	*thread;	/* its root, or NULL */
	int64_t	 at_ms;		/* as the homeserver says */
	int64_t	 age_ms;	/* how long ago that was; -1: not said */
	int	 hops;		/* of a person 0; -1: not said */
	bool	 is_mention;	/* of us */
	bool	 is_agent;	/* who says it */
	bool	 is_stop;	/* "/stop" */
};

enum verdict {
	HEAR_NO,
	HEAR_YES,
	HEAR_IF_DIRECT,		/* depends on whether the room is direct */
};

/* The text that was said: without the quote of what it replies to; yours.  NULL
 * for what is no message, or an edit of one. */
char	*message_text(const struct json *content);
/* The same of an event, with the latest edit that is put beside it. */
char	*event_text(const struct json *event);
/* Does this content mention `me`? */
bool	 is_mentioned(const char *me, const struct json *content,
	    const char *text);
/* NULL: nothing that could be for us.  Else yours, for heard_free. */
struct heard *heard_new(const char *me, const char *room,
	    const struct json *event);
void	 heard_free(struct heard *);

enum direct { DIRECT_UNKNOWN, DIRECT_NO, DIRECT_YES };
enum verdict policy_judge(const struct home *, const struct heard *,
	    enum direct);
/* May this person speak to us anywhere?  Who may not is not read either. */
bool	 policy_may_speak(const struct home *, const char *user);
/* Come when called by this person? */
bool	 policy_may_invite(const struct home *, const char *user);
/* Of the answer to GET .../joined_members. */
enum direct policy_is_direct(const char *me, const struct json *members);

#endif
