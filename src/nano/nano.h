/*
 * The parts of one running agent, and where they meet.
 *
 *	sync	long poll -> who is heard? -> questions into the state
 *	answer	question -> room's talk -> model -> one message, edited
 *	beat	"ready" to the controller
 *	matrix	a call to the homeserver, until it is answered
 *
 * One thread.  home, state and rooms are read and changed by all of them in the
 * turn of the loop that they are called in.
 */
#ifndef NANO_NANO_H
#define NANO_NANO_H

#include <sys/queue.h>

#include "home.h"
#include "http.h"
#include "policy.h"
#include "state.h"

struct answer;
struct beat;
struct event_base;
struct matrix_call;
struct sync;

#define ANSWERS_MAX	4	/* at a time, one in a room */

/* What we know of a room; made when first needed, forgotten when left. */
struct room {
	enum direct	 direct;
	bool		 is_joining;
	int		 agent_turns;	/* of agents in a row, asking us */
	int64_t		 agent_ms;	/* when the last did, monotonic */
};

struct nano {
	struct event_base	*base;
	struct http		*http;
	struct home		*home;
	struct state		*state;
	struct map		*rooms;		/* id -> struct room */
	struct answer		*answers[ANSWERS_MAX];
	LIST_HEAD(, matrix_call) calls;
	struct sync		*sync;
	struct beat		*beat;
	char			 boot[9];	/* differs each start */
};

struct room *nano_room(struct nano *, const char *id);

/* sync.c: from the first poll to the last. */
struct sync *sync_new(struct nano *);
void	 sync_free(struct sync *);
/* When a poll was answered last, monotonic ms; 0: never. */
int64_t	 sync_alive_ms(const struct sync *);

/* answer.c: begin what can be begun of the queue. */
void	 answers_kick(struct nano *);
/* Somebody says "/stop" here; true when something was stopped. */
bool	 answers_stop(struct nano *, const char *room);
void	 answers_free(struct nano *);

/* beat.c: from now on, as long as the sync works. */
void	 beat_start(struct nano *);
void	 beat_free(struct nano *);

#endif
