/* See refusal.c. */
#ifndef CHAT_REFUSAL_H
#define CHAT_REFUSAL_H

#include "chat-int.h"

#define COULD_KEPT	50	/* people that are looked for, and kept */

void	 denial_free(struct denial *);
/* A no that has no rule of ops_may, for `why`. */
void	 denial_note(struct request *, const char *rule, const char *why);
/* What the sender was refused last, by which rule, and who could. */
void	 say_last_no(struct request *);
/* All who may do that, at most after a question. */
void	 people_who(struct chat *, enum verb, const struct target *,
	    enum risk, struct strv *out);

#endif
