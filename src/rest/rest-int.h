/*
 * What the files of REST share; nobody else includes it.
 *
 * The way of a request: rest.c (which route, whose token) -> routes.c (row)
 * -> resources.c, agents.c, system.c (what is asked) -> ops; views.c says how
 * things look, body.c what was sent.
 */
#ifndef REST_INT_H
#define REST_INT_H

#include "hiclaw/rest.h"

/* Figures, each with its reason. */
#define BODY_MAX	MANIFEST_MAX	/* what chat takes in a paste */
#define BAD_TOKENS_S	20		/* refused politely in a second; those
					 * beyond get 429 and no log line */
#define EVERY_MAX_S	3600		/* from one report to the next */
#define REPORTED_ONCE_MS (3650LL * 86400000)	/* for ever */
#define READY_TTL_MS	180000		/* agents elsewhere report every minute: two
					 * reports may be lost */
#define LOG_LINES	100		/* of logs, when nothing is said */
#define LOG_LINES_MAX	5000		/* what a terminal scrolls back */
#define WHY_MAX		256

struct rest {
	const struct ops *ops;
	struct rest_config cfg;
	char		 admin_sha256[65];	/* "" when there is no token */
	struct answer	*answers, **answers_end;	/* in order */
	struct asking	*asking;	/* answers from outside to come */
	int64_t		 bad_s;		/* the second that is counted */
	int		 bad_n;
	uint64_t	 by_status[6];	/* [2]: answers 2xx */
	bool		 is_stopped;
};

/* One request on its way. */
struct call {
	struct rest	*rest;
	struct httpd_req *req;
	const struct rest_route *route;
	const struct kind *kind;	/* of the route, or NULL */
	struct caller	 caller;
	char		*name;		/* {name} of the path, decoded, or NULL */
	struct target	 target;	/* what has that name */
};

/* --- rest.c: answers; each call gets exactly one -------------------------- */

/* Takes the JSON. */
void	 answer_json(struct call *, int status, struct json *);
/* The same of something with secrets: wiped, and cached by nobody. */
void	 answer_secret(struct call *, int status, struct json *);
void	 answer_empty(struct call *);			/* 204 */
void	 answer_text(struct call *, int status, const char *type,
	    const char *);
/* {"message": ...} */
void	 answer_error(struct call *, int status, const char *, ...)
	    PRINTF(3, 4);
/* The status that fits the kind of error. */
void	 answer_err(struct call *, const struct err *);
/* 422 with a list of what is wrong, or 409, 404 ... when none is. */
void	 answer_problems(struct call *, const struct problems *,
	    const struct err *);
/* 403 with the rule; true: it may not, and that was said. */
bool	 answer_may_not(struct call *, enum verb, const struct target *);
/* 401 for what somebody shows that nobody has, or 429 for too many of these. */
void	 answer_unknown(struct call *, const char *text);
/* For answers that come later: the request, to be answered by a copy of the
 * call. */
struct call *call_keep(const struct call *);		/* for call_drop */
void	 call_drop(struct call *);

/* --- body.c -------------------------------------------------------------- */

/* The body as an object; NULL: 400 was answered.  An empty one is {}. */
struct json *body_object(struct call *);
/*
 * The resource that the flat keys of a body make, on top of `old` (or NULL).
 * NULL: answered.  Warnings are added to ps.
 */
struct resource *body_resource(struct call *, const struct json *body,
	    const struct kind *, const char *name,
	    const struct resource *old, struct problems *ps);

/* --- views.c: how things look -------------------------------------------- */

/* A resource as the original shows it; yours. */
struct json *view_resource(struct call *, const struct resource *);
/* An agent at the worker endpoints; is_status: "Ready" is a phase of its own. */
struct json *view_agent(struct call *, const struct agent_view *,
	    bool is_status);
struct json *view_human(struct call *, const struct resource *,
	    bool with_rooms);
/* The same of one whose objects are still going away, from the store; a ref
 * that is yours, or NULL. */
struct resource *find_deleting(struct call *, const struct kind *,
	    const char *name);

/* --- handlers ------------------------------------------------------------ */

void	get_healthz(struct call *);
void	get_readyz(struct call *);
void	get_metrics(struct call *);
void	get_version(struct call *);
void	get_status(struct call *);

void	list_resources(struct call *);
void	get_resource(struct call *);
void	post_resource(struct call *);
void	put_resource(struct call *);
void	delete_resource(struct call *);
void	post_plan(struct call *);
void	post_apply(struct call *);

void	post_wake(struct call *);
void	post_sleep(struct call *);
void	post_ensure_ready(struct call *);
void	post_ready(struct call *);
void	post_restart(struct call *);
void	get_agent_status(struct call *);
void	get_logs(struct call *);

void	post_join(struct call *);
void	post_home(struct call *);
void	post_token(struct call *);

/* Those who wait for logs are given up. */
void	askings_free(struct rest *);

/* A row with its handler. */
struct row {
	struct rest_route route;
	void		(*handle)(struct call *);
};
extern const struct row rows[];		/* ends with method NULL */

/* Everything stands still: 423 with who froze it and why. */
bool	is_frozen(struct call *);
/* Start it in the name of the caller, reported in the admin room. */
int64_t	start_change(struct call *, const struct json *action,
	    const struct attempt *);
/* The room that is told of it, or NULL while there is none. */
const char *report_room(const struct call *);

#endif
