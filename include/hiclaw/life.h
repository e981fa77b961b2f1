/*
 * The life of agents: who is put to sleep because nobody needs it, who is woken
 * because somebody speaks to it, and who has stopped reporting.  What is to be
 * is changed as chat and REST change it (ops.h), so each wake and sleep is a run
 * with a receipt.  Deciding thread only; nothing is done for an agent before
 * something happens to it or its time has come.
 *
 * An agent is active when it speaks, is spoken to, says that it is busy, or is
 * started.  Only workers fall asleep: a leader and the Manager have to hear what
 * they are told.
 */
#ifndef HICLAW_LIFE_H
#define HICLAW_LIFE_H

#include "hiclaw/ops.h"

struct life;
struct loop;

/* What people are told; members may be NULL. */
struct life_news {
	void	*arg;
	/* In a room somebody spoke to agents that sleep, and they are woken; or
	 * why they cannot be (else NULL). */
	void	(*woken)(void *arg, const char *room, const char *event,
		    const struct strv *names, const char *why_not);
	/* All that stopped reporting at about this time; the last report of any
	 * was then (0: longer ago than we know) ... */
	void	(*silent)(void *arg, const struct strv *names,
		    int64_t since_ms);
	/* ... and report again; the first of them was silent since then. */
	void	(*reports)(void *arg, const struct strv *names,
		    int64_t since_ms);
};

/* idle_ms: of workers for whom nobody says it; 0: never.  Borrows ops. */
struct life *life_new(const struct ops *, struct loop *, int64_t idle_ms);
void	life_free(struct life *);
void	life_tell(struct life *, const struct life_news *);	/* copies */
/* Begin: what was missed is there. */
void	life_start(struct life *);
/* At the end of each turn: sees what else has been declared in it. */
void	life_before_commit(struct life *);

/*
 * A room event has come, whoever sent it: notes who is active.  True: it must be
 * kept for life_event, because it may wake somebody.
 */
bool	life_saw(struct life *, const struct json *event);
/* A kept one, or any other, in the transaction in which it is dealt with. */
void	life_event(struct life *, const struct json *event);
/* An agent reported, and the engine was told; busy: 1, 0, or -1 when it did not
 * say. */
void	life_heard(struct life *, const char *agent, int busy);

/* When it last reported, 0: not since we began; wall clock. */
int64_t	life_heard_ms(const struct life *, const char *agent);
/* It had reported, is to run, and does not report any more. */
bool	life_is_silent(const struct life *, const char *agent);
/* When it was last active; 0: nobody of that name. */
int64_t	life_active_ms(const struct life *, const char *agent);

/* A member of `show` of a run by which a message woke agents: the room and the
 * event to answer, {"room", "event"}. */
#define LIFE_WOKEN	"woken"

#endif
