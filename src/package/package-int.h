/*
 * What the parts of package/ share: names as they may be and as messages show
 * them, gathering files under the caps, and where a package comes from.
 */
#ifndef HICLAW_PACKAGE_INT_H
#define HICLAW_PACKAGE_INT_H

#include "hiclaw/package.h"

/* A URL or an entry's name for a message: capped, nothing in it that could
 * break out of a line. */
struct shown { char text[160]; };
struct shown show_name(const char *);

/* Of a path inside a package, or a single name of a URL. */
#define PATH_BYTES_MAX	900	/* storage allows 1024, below a prefix */
int	path_allowed(const char *path, struct err *) MUST_CHECK;

/*
 * Files as they come in.  What is claimed fits: each entry is counted, its name
 * checked and its place free before a byte of it is read.
 */
struct gather {
	struct package_file *files;
	size_t		 n, cap, entries, bytes, bytes_max;
	struct map	*seen;		/* every path and its directories */
};
void	gather_init(struct gather *, size_t bytes_max);
void	gather_release(struct gather *);
int	gather_dir(struct gather *, const char *path, struct err *) MUST_CHECK;
int	gather_claim(struct gather *, const char *path, uint64_t size,
	    struct err *) MUST_CHECK;
/* What was claimed; takes data, which is terminated at len. */
void	gather_put(struct gather *, const char *path, char *data, size_t len,
	    bool executable);
/* The files, by path; the digest is left to the caller. */
void	gather_take(struct gather *, struct package *out);
/* Of all files, where there is no archive. */
void	package_digest(struct package *);

/* One fetch: until when, and whereto. */
struct fetch {
	const struct package_source *source;
	int64_t		 deadline;	/* clock_mono_ms */
	int		 timeout_ms;
};
struct http_req;
struct http_res;
/* One call within the deadline; any status.  The caller says which URL it was. */
int	fetch_call(const struct fetch *, struct http_req *, struct http_res *,
	    struct err *) MUST_CHECK;
/* *url becomes what a Location (or NULL) leads to; never from https to http. */
int	fetch_redirect(char **url, const char *to, struct err *) MUST_CHECK;
/* What a status other than 200 means. */
int	fetch_status(const struct http_res *, struct err *);
void	fetch_begin(struct fetch *, const struct package_source *);

/* nacos.c: an AgentSpec. */
int	nacos_spec(const char *uri, const struct fetch *, struct package *,
	    struct err *) MUST_CHECK;

#endif
