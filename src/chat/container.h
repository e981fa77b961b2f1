/* What is known of an agent's container, in words.  See container.c. */
#ifndef CHAT_CONTAINER_H
#define CHAT_CONTAINER_H

#include "chat-int.h"

/* "out of memory", "exit code 3", "killed, or out of memory (exit code 137)": of
 * the member `died` of an observed form; yours. */
char	*death_words(const struct json *died);
/* The same of an object, with its last line; yours, or NULL: it never died. */
char	*last_death(struct chat *, const struct object_view *);
/* The last of these lines of the agent's log (texts, or objects with one), at
 * most max of them, secrets masked; yours, "" when there are none. */
char	*last_lines(struct chat *, const char *agent, const struct json *lines,
	    size_t max);
/* What runs the agent, line by line, for describe. */
void	 put_container(struct chat *, const char *agent, struct text *out);
/* The phase of an agent as engine_agent_phase tells it; "NotReady" when it had
 * reported and does not any more. */
const char *agent_phase(struct chat *, const struct resource *,
	    const char *agent, const struct json *spec, char *why,
	    size_t whysize);

#endif
