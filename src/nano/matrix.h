/*
 * Calls to the homeserver.  A call is made again with back-off when there was
 * no answer, on 429 and 5xx (Retry-After is kept to), on errors that are not a
 * homeserver's, and on 401: then the home is read again, because a new token
 * may lie there.  Each try takes address and token as they are then.
 */
#ifndef NANO_MATRIX_H
#define NANO_MATRIX_H

#include "nano.h"

struct matrix_call;

struct matrix_reply {
	int		 status;	/* of the last try; 0: no answer */
	const struct json *json;	/* NULL: none, or no JSON */
	bool		 is_long;
};

struct matrix_ask {
	const char	*method;
	char		*path;		/* in /_matrix/client/v3; taken over */
	char		*body;		/* taken over; may be NULL */
	size_t		 max_bytes;	/* 0: 256 KiB */
	int		 quiet_s;	/* 0: 30 */
	int		 tries;		/* 0: until there is an answer */
	void		(*done)(void *arg, const struct matrix_reply *);
	void		*arg;
};

struct matrix_call *matrix_start(struct nano *, const struct matrix_ask *);
void	 matrix_cancel(struct matrix_call *);	/* NULL is fine */
void	 matrix_free(struct nano *);			/* cancels all */

/* Percent-encoded, yours. */
char	*url_encode(const char *);
/* "/rooms/{room}/..." with the room encoded; yours. */
char	*room_path(const char *room, const char *, ...) PRINTF(2, 3);
/*
 * A transaction id for the `what`-th message about an event: the same for ever,
 * so that the homeserver takes the message once, however often it is sent.
 */
char	*transaction_id(const char *event, const char *what);
/* A sentence of our own about an event, as a notice; `what` as above. */
void	 matrix_notice(struct nano *, const char *room, const char *event,
	    const char *what, const char *text);

#endif
