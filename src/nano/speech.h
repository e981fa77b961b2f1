/*
 * A text that grows becomes messages in a room.
 *
 * While it grows it is one message, edited about once a second.  Its first line
 * that mentions another agent begins a message of its own, which is sent once,
 * when it is complete: an edit notifies nobody, and most agents do not read
 * edits.  A text that is too long for an event goes on in another message.
 *
 * The first sending of each message has a transaction id made from the question
 * and its number, so that a message exists once, however often we are killed and
 * begin again; then it is edited to what we say this time.
 */
#ifndef NANO_SPEECH_H
#define NANO_SPEECH_H

#include "nano.h"

#define PART_MAX	(12 * 1024)	/* bytes of a message; an event: 64 KiB */
#define ANSWERS_KEY	"io.hiclaw.answers"

struct speech;

struct speech_ask {
	struct nano	*n;
	const char	*room, *event;	/* the question */
	const char	*thread;	/* or NULL */
	int		 hops;
	bool		 is_again;	/* we may have said some of it before */
	const char	*draft;		/* the message found then, or NULL */
	void		(*done)(void *arg);	/* it stands, or cannot */
	void		*arg;
};

struct speech *speech_new(const struct speech_ask *);
void	 speech_free(struct speech *);
/* The text so far. */
void	 speech_grow(struct speech *, const char *text);
/* The whole text; "" says nothing. */
void	 speech_end(struct speech *, const char *text);
/* In place of an answer: a sentence of our own, which no agent answers. */
void	 speech_excuse(struct speech *, const char *text);
bool	 speech_is_begun(const struct speech *);	/* any message? */

/* Which part of the text is the message that begins at `start`?  Pure. */
struct part {
	size_t	end;
	bool	is_whole;	/* nothing will be added to it */
	bool	is_handover;	/* it mentions another agent */
};
struct part speech_part(const char *me, const char *text, size_t start,
	    bool is_over);
/* "NO_REPLY", or what may become it: nothing is said.  Pure. */
bool	 is_no_reply(const char *text, bool is_over);

#endif
