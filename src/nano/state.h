/*
 * What must survive a kill: .hiclaw-nano/state.json of the home, written as a
 * whole before anything that depends on it is done.
 *
 *	since	where the sync goes on
 *	at	when that was, ms: what is much older is history, not a question
 *	queue	questions that are not answered yet, oldest first:
 *		{room, event, sender, thread?, hops, tries}
 *	seen	ids of the last messages that were taken for us
 *	invites	{room: who invited us}, until we are in or it is withdrawn
 *
 * A question is in the queue in the same write as the `since` behind it, so it
 * is neither lost nor taken twice.  It leaves the queue when its answer stands.
 */
#ifndef NANO_STATE_H
#define NANO_STATE_H

#include "policy.h"

#define QUEUE_MAX	64	/* questions that wait */
#define INVITES_MAX	64

struct state {
	struct json	*root;
	char		*path, *temporary;
	int		 lock;		/* held as long as we live */
};

/* NULL: ERR_BROKEN (cannot be written), ERR_CONFLICT (another lives here). */
struct state *state_open(const char *dir, struct err *);
void	 state_close(struct state *);
/* Ends the process when it cannot: going on would answer twice. */
void	 state_save(struct state *);

const char *state_since(const struct state *);		/* or NULL */
int64_t	 state_at_ms(const struct state *);		/* 0: never */
void	 state_set_since(struct state *, const char *,	/* NULL: none */
	    int64_t at_ms);
bool	 state_has_seen(const struct state *, const char *event);
/* Queue it and mark it as seen; false: the queue is full. */
bool	 state_ask(struct state *, const struct heard *);
void	 state_mark_seen(struct state *, const char *event);
struct json *state_queue(const struct state *);	/* an array */
struct json *state_find(const struct state *, const char *event);
void	 state_done(struct state *, const char *event);
void	 state_forget_room(struct state *, const char *room);
struct json *state_invites(const struct state *);

#endif
