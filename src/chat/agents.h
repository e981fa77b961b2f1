/* See agents.c. */
#ifndef CHAT_AGENTS_H
#define CHAT_AGENTS_H

#include "chat-int.h"

/*
 * The agent that the next word or two (a kind first) name; *at moves on.  NULL
 * with an error for people, the nearest name in it.  as is filled in any case and
 * is the caller's to release.
 */
const struct agent *agent_take(struct request *, struct agents *as,
	    size_t *at, struct err *);
/* The one that the words name, if they name one and no more; NULL: that was said.
 * as likewise. */
const struct agent *agent_alone(struct request *, struct agents *as);

#endif
