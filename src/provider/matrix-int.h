/*
 * The matrix provider in several files, one per kind of object.
 */
#ifndef HICLAW_PROVIDER_MATRIX_INT_H
#define HICLAW_PROVIDER_MATRIX_INT_H

#include "hiclaw/matrix.h"
#include "hiclaw/provider.h"

#define V3	"/_matrix/client/v3"

struct matrix_ctx {
	const struct mx	*mx;
	char		*templates;	/* directory, or NULL */
	char		*our_url;	/* for words about it */
};

/* Is the user one of our agents, by its name? */
bool	 is_agent(const struct mx *, const char *user);
/* The homeserver said no, as opposed to saying nothing or being in trouble. */
bool	 was_refused(const struct err *);
/* POST to a room as `user`; the body is taken over.  0 or -1. */
int	 room_post(const struct mx *, const char *user, const char *room,
	    const char *verb, struct json *body, struct mx_answer *,
	    struct err *) MUST_CHECK;
/* Leave and forget; already out is fine. */
int	 room_quit(const struct mx *, const char *user, const char *room,
	    struct err *) MUST_CHECK;

int	 account_ensure(void *, const struct work *, struct outcome *,
	    struct err *);
int	 account_remove(void *, const struct work *, struct outcome *,
	    struct err *);
int	 human_ensure(void *, const struct work *, struct outcome *,
	    struct err *);
int	 room_ensure(void *, const struct work *, struct outcome *,
	    struct err *);
int	 room_remove(void *, const struct work *, struct outcome *,
	    struct err *);

#endif
