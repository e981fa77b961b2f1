/*
 * What a model is asked: its files, then the last messages of the room, then
 * the question.  prompt_history() and prompt_body() are pure.
 */
#ifndef NANO_PROMPT_H
#define NANO_PROMPT_H

#include "home.h"

#define HISTORY_MAX		20	/* messages before the question */
#define HISTORY_BYTES_MAX	(32 * 1024)	/* of all of them */
#define MESSAGE_BYTES_MAX	(8 * 1024)	/* of one */

/* SOUL.md, IDENTITY.md, AGENTS.md, USER.md, TOOLS.md of the home as they are
 * now, and where the agent is; yours. */
char	*prompt_system(const struct home *);
/*
 * Adds to `messages`, which is newest first as the events are, until there are
 * HISTORY_MAX and the question.  Those of people who may not speak to the agent
 * are left out: what a stranger says must not reach the model either.  Takes
 * what it adds from *room, in bytes; false: it is full.
 */
bool	 prompt_history(const struct home *, const struct json *events,
	    struct json *messages, size_t *room);
/* One message of the room as a model sees it; NULL: none. */
struct json *prompt_message(const struct home *, const struct json *event);
/* The body of the request, oldest message first; yours. */
char	*prompt_body(const char *model, const char *system,
	    const struct json *messages);

#endif
