/*
 * HTTP server (libmicrohttpd, only in src/net/httpd.c).  Its own thread only
 * parses and enqueues; the handler runs on the loop's thread and may answer
 * later, when what it was told is durable.
 */
#ifndef HICLAW_HTTPD_H
#define HICLAW_HTTPD_H

#include "hiclaw/err.h"

struct loop;
struct httpd;

struct httpd_req {
	const char	*method;
	const char	*path;		/* still percent-encoded, no query */
	const char	*bearer;	/* of Authorization: Bearer, or NULL */
	const char	*query_token;	/* access_token of the query, or NULL */
	const char	*query;		/* "team=web&tail=20", still encoded; "" */
	const char	*content_type;	/* of the body, or NULL */
	const char	*from;		/* the address it came from, for people:
					 * "10.1.2.3", and what a proxy before us
					 * says; or NULL */
	const char	*body;		/* terminated */
	size_t		 body_len;
	/* Who takes the answer of a request that came from no listener (tests,
	 * fuzzers); NULL: the listener it came from. */
	void		(*answered)(struct httpd_req *, int status,
			    const char *content_type, const char *body,
			    const char *const *headers);
};
#define HTTPD_BODY_MAX	(16 * 1024 * 1024)	/* more is answered 413 */

typedef void (*httpd_handler)(struct httpd_req *, void *arg);

/* listen: "127.0.0.1:29301", "[::1]:8080".  Answers are HTTP/1.1. */
struct httpd *httpd_start(const char *listen, struct loop *, httpd_handler,
	    void *arg, struct err *);
/* Exactly once per request; the request is gone afterwards.  Copies body. */
void	httpd_reply(struct httpd_req *, int status, const char *content_type,
	    const char *body);
/* The same with more headers, "Name: value" each, ends with NULL; 204 and
 * others without a body: content_type and body NULL. */
void	httpd_reply_with(struct httpd_req *, int status,
	    const char *content_type, const char *body,
	    const char *const *headers);
/* The value of this name in the query, decoded; yours.  NULL: none. */
char	*httpd_query(const struct httpd_req *, const char *name);
/* The port listened on, which the system chose if it was given as 0. */
int	httpd_port(const struct httpd *);
/*
 * Unanswered requests get 503 and are gone, so must not be replied to later.
 * On the loop's thread, but not from within the handler.
 */
void	httpd_stop(struct httpd *);

#endif
