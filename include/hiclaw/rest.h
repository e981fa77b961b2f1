/*
 * The REST API: the same operations as chat, for agents, scripts and the hiclaw
 * command.  Paths, keys and status codes are those of the original; errors are
 * {"message", "problems": [{"path", "text"}]}.  Deciding thread only.
 *
 * Nothing is answered before what it caused is durable: answers wait for
 * rest_after_commit.
 */
#ifndef HICLAW_REST_H
#define HICLAW_REST_H

#include "hiclaw/httpd.h"
#include "hiclaw/ops.h"

struct rest;

/* What only the daemon knows, asked for when it is told. */
struct rest_facts {
	bool		 is_up;		/* started, and not about to stop */
	uint64_t	 resyncs;
};
struct rest_config {
	const char	*version;
	/* A token of tier 1 for scripts, and who it stands for; or NULL. */
	const char	*admin_token, *admin_user;
	void		(*facts)(void *arg, struct rest_facts *);
	/* An agent reported; busy: 1, 0, or -1 when it did not say.  Or NULL. */
	void		(*reported)(void *arg, const char *agent, int busy);
	void		*arg;
};

/* Borrows ops and the strings of the settings. */
struct rest *rest_new(const struct ops *, const struct rest_config *);
/* Takes a request for one of its paths; false: it is not for REST. */
bool	rest_request(struct rest *, struct httpd_req *);
/* What was answered leaves. */
void	rest_after_commit(struct rest *);
/* Before httpd_stop: what still waits for an answer from outside is given up. */
void	rest_stop(struct rest *);
void	rest_free(struct rest *);

/* --- the table of routes, for help, manual and tests ---------------------- */

struct rest_route {
	const char	*method;
	const char	*path;		/* "/api/v1/workers/{name}/wake" */
	enum verb	 verb;		/* for ops_may; VERB_NONE: no token */
	const char	*kind;		/* of the target, or NULL */
	const char	*help;		/* one line */
};
/* Row i, or NULL past the last one. */
const struct rest_route *rest_route_at(size_t i);

#endif
