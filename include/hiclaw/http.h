/*
 * HTTP client (libcurl, only in src/net/http.c).  Blocking: called from pool
 * threads only.  Each thread keeps its own handle, so connections are reused.
 */
#ifndef HICLAW_HTTP_H
#define HICLAW_HTTP_H

#include "hiclaw/err.h"

struct http_req {
	const char	*method;	/* "GET", "PUT", ... */
	const char	*url;
	const char	*bearer;	/* token for Authorization, or NULL */
	const char	*basic;		/* "user:password" for Authorization */
	const char *const *headers;	/* "Name: value" each, ends with NULL;
					 * or NULL.  One named Authorization is
					 * treated as a secret. */
	const char	*content_type;	/* of the body; NULL: application/json */
	const void	*body;		/* NULL: none */
	size_t		 body_len;
	int		 timeout_ms;	/* whole call; 0: 60 s */
	size_t		 max_bytes;	/* cap of the answer; 0: 64 MiB */
	bool		 public_only;	/* refuse loopback, private, link-local
					 * and other special addresses, after
					 * the name is resolved: ERR_DENIED */
	const char	*unix_socket;	/* path of a socket to speak to instead
					 * of the URL's host; messages name it.
					 * NULL: the URL's host */
	/* PEM files for https://, or NULL: whom we trust (instead of the
	 * system's list), and who we are. */
	const char	*ca_file, *cert_file, *key_file;
	/*
	 * An answer to be read while it comes.  chunk gets the body of a 2xx
	 * answer piece by piece, cut anywhere, after one call with n == 0 when
	 * the head is here; -1 ends the call.  Bodies of other answers are
	 * collected as usual.  is_over, or NULL, is asked at least once a
	 * second; true ends the call.  Both run in the caller's thread and may
	 * make other calls.  A call
	 * with chunk has no time limit unless timeout_ms says one; connecting
	 * has its own in any case.
	 */
	int		 (*chunk)(void *arg, const char *data, size_t n);
	bool		 (*is_over)(void *arg);
	void		*chunk_arg;
};
struct http_res {
	int		 status;
	int		 retry_after_s;	/* Retry-After, seconds or date; 0: none */
	char		 content_type[128];
	struct strv	 headers;	/* "name: value", names in lower case;
					 * of the last answer's head */
	struct buf	 body;
	bool		 was_ended;	/* by chunk or is_over, not by the server */
};
/*
 * 0 once any HTTP answer is here, whatever its status.  -1: ERR_RETRY when
 * there was none (refused, timed out, cut short; msg names host and cause),
 * ERR_USER for a bad URL or an answer over max_bytes, ERR_BROKEN when
 * aborted.  Follows no redirects.  http:// and https:// only.
 *
 * A call that chunk or is_over ended gives 0 if the head of the answer was here
 * (and was_ended), else -1 with ERR_RETRY.  The time limit counts as a failure
 * even when part of the answer was handed out.
 */
int	 http_call(const struct http_req *, struct http_res *, struct err *) MUST_CHECK;
void	 http_res_release(struct http_res *);
/* The value of the first header of that (lower case) name, or NULL; borrowed. */
const char *http_header(const struct http_res *, const char *name);
/* Percent-encode everything outside A-Z a-z 0-9 - . _ ~ ; yours. */
char	*http_escape(const char *);
/* A path: every %s is put in percent-encoded; knows no other conversion.  Yours. */
char	*http_path(const char *, ...) PRINTF(1, 2);
char	*http_vpath(const char *, va_list) PRINTF(1, 0);
char	*http_unescape(const char *, size_t);	/* NULL if malformed or NUL */
/* End calls in flight soon and refuse new ones: for shutting down. */
void	 http_abort_all(void);
/* Calls finished so far: all, and those that write (not GET or HEAD). */
void	 http_counts(uint64_t *all, uint64_t *writes);

#endif
