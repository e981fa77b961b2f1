/* hiclaw join: an agent that this machine runs for a controller elsewhere. */
#ifndef CLI_JOIN_H
#define CLI_JOIN_H

#include "hiclaw/http.h"

#include "home.h"

#define JOIN_CALL_MS	30000	/* one call */

/* argv[0] is "join"; gives the exit status. */
int	 cli_join(int argc, char **argv);

/* --- keep.c --------------------------------------------------------------- */

/* Run the command until it ends; gives its exit status.  was_away: the
 * controller did not answer the last time, which was said. */
int	 join_keep(struct home *, char **command, int every_s, bool was_away);

/* --- join.c: what keep.c needs of it --------------------------------------- */

/* "hiclaw join: ..." on standard error: the other one is the command's. */
void	 join_say(const char *, ...) PRINTF(1, 2);
/* POST to BASE/api/v1/PATH; token may be NULL.  As http_call. */
int	 join_call(const char *base, const char *path, const char *token,
	    const char *body, int timeout_ms, struct http_res *, struct err *)
	    MUST_CHECK;
void	 join_wipe(struct http_res *);
/* What the controller says that is wrong; ERR_DENIED: it will stay so. */
int	 join_refused(const struct http_res *, struct err *);
/* {"have", "running"}; yours. */
char	*join_report_body(const struct json *state, bool is_running);
/* Take over what it gave: files, then what we know of them, so that killed in
 * between all is asked for again. */
int	 join_answer(struct home *, const struct http_res *, struct home_news *,
	    struct err *) MUST_CHECK;
/* Keep the token of an answer in the state. */
void	 join_set_token(struct home *, const struct json *answer);
void	 join_say_left_out(const struct http_res *);
void	 join_say_failed(const struct home_news *);

#endif
