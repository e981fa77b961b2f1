/*
 * The home of an agent that we run for a controller elsewhere: a directory of
 * this machine, and in it a file of ours with what we know.
 *
 * Nothing is ever written outside it, whatever the controller says: each part of
 * a path is opened on its own and never through a link.  A file is replaced whole
 * or not at all.
 */
#ifndef CLI_HOME_H
#define CLI_HOME_H

#include "hiclaw/json.h"

#define HOME_STATE	".hiclaw-join.json"
#define HOME_LOCK	".hiclaw-join.lock"
#define HOME_TOKEN	".hiclaw-token"

struct home {
	char		*dir;		/* absolute */
	int		 fd, lock;	/* -1: not open */
	/*
	 * {"url", "name", "user", "kind", "token", "token_expires", "state",
	 *  "digest", "restart", "env": {..}, "files": {path: {"sha256", "rule"}}}; an
	 * empty object in a new home.
	 */
	struct json	*state;
};

/*
 * Open it, made when it is not there, for us alone.  ERR_CONFLICT: somebody has
 * it, or it holds what is not ours.  The lock is also the command's (see
 * home_share): while one of a keeper that was killed still ends, this waits.
 */
int	 home_open(const char *dir, struct home *, struct err *) MUST_CHECK;
void	 home_release(struct home *);
/* In a child: it holds the lock as long as it runs. */
void	 home_share(const struct home *);
bool	 home_is_new(const struct home *);
/* The state, and the token for the command to read, durably. */
int	 home_save(struct home *, struct err *) MUST_CHECK;
/*
 * Make the files so, by their rules, and note down what was given.  A file that
 * cannot be written does not keep the others from it: it is counted, why has the
 * first reason, and the digest is left out, so that all is given again.  The
 * state is the caller's to save.
 */
struct home_news { size_t written, removed, kept, failed; char why[256]; };
void	 home_take(struct home *, const struct json *bundle,
	    struct home_news *);

/* Pure.  May a file be at this path below a home? */
bool	 home_path_is_good(const char *path);
/*
 * Pure.  What a file of the bundle shall contain, given what is there (NULL:
 * nothing) and the digest of what we wrote last (or NULL).  0: *data is yours,
 * for secret_free; 1: it stays as it is; -1: it makes no sense.
 */
int	 home_decide(const struct json *file, const struct json *secrets,
	    const char *current, size_t current_len, const char *sha256,
	    char **data, size_t *len, struct err *);

#endif
