/*
 * HTTP for one thread: libevent's client with OpenSSL, used only in http.c.
 *
 * One connection a call, no redirects, certificates are checked.  Nothing calls
 * back before http_start() has returned; done is called once, unless the call
 * is cancelled.  Both callbacks may start and cancel calls.
 */
#ifndef NANO_HTTP_H
#define NANO_HTTP_H

#include "hiclaw/base.h"

struct event_base;
struct http;
struct http_call;

struct http_reply {
	int		 status;	/* 0: there was no answer */
	const char	*body;		/* "" when it went to data */
	size_t		 len;
	bool		 is_json;
	bool		 is_cut;	/* it ended before its end */
	bool		 is_long;	/* beyond max_bytes: without body */
	int		 retry_after_s;	/* -1: not said */
	const char	*why;		/* words, when cut or without answer */
};

struct http_ask {
	const char	*method, *url;	/* GET, PUT or POST */
	const char	*bearer;	/* or NULL */
	const char	*body;		/* JSON, or NULL */
	size_t		 max_bytes;	/* of the answer */
	int		 quiet_s;	/* without a byte: given up */
	/* Takes the bytes of a 200 that is an event stream; may be NULL. */
	void		(*data)(void *arg, const char *, size_t);
	void		(*done)(void *arg, const struct http_reply *);
	void		*arg;
};

/* libevent then wipes what it frees: it copies keys into headers and buffers.
 * Before anything else of libevent. */
void	 http_prepare(void);
struct http *http_new(struct event_base *);
void	 http_free(struct http *);	/* cancels all */
struct http_call *http_start(struct http *, const struct http_ask *);
void	 http_cancel(struct http_call *);	/* NULL is fine */

#endif
