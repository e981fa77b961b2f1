/*
 * An S3 client: what s3.c (any S3) and minio.c share.  Path style, signature
 * version 4 in the header, whole bodies in memory (STORAGE_FILE_MAX).
 */
#ifndef S3_H
#define S3_H

#include "hiclaw/http.h"
#include "storage.h"

#define S3_DATE	17		/* "20260101T000000Z" */

/* --- signing (s3-sign.c, pure) -------------------------------------------- */

struct s3_request {
	const char	*method;
	const char	*host;		/* as it is sent */
	const char	*path;		/* "/bucket/key", not escaped */
	const struct strv *query;	/* "name=value" each, not escaped */
	/* "name: value" each, names in lower case: all are signed.  Not host,
	 * x-amz-date, x-amz-content-sha256 and x-amz-security-token. */
	const struct strv *headers;
	const char	*payload_sha256;
};
struct s3_key {
	const char	*access_key, *secret_key;
	const char	*token;		/* of a session, or NULL */
	const char	*region;
};
char	*s3_escape_path(const char *);	/* keeps "/"; yours */
char	*s3_canonical_query(const struct strv *query);	/* yours */
char	*s3_canonical_request(const struct s3_request *, const struct s3_key *,
	    const char *date);		/* yours */
/* The headers to send with it, ready for struct http_req; holds a signature. */
void	 s3_sign(const struct s3_request *, const struct s3_key *,
	    const char *date, struct strv *headers);
void	 s3_date(int64_t ms, char dst[S3_DATE]);

/* --- reading answers (s3-xml.c, pure) ------------------------------------- */

struct s3_object { char *key, *etag; size_t size; };
struct s3_list {
	struct s3_object *objects;
	size_t		 n, cap;
	bool		 is_truncated;
	char		*next;		/* token of the next page, or NULL */
};
/* ERR_RETRY for what is no list: somebody between us and the server. */
int	 s3_list_parse(const char *, size_t, struct s3_list *, struct err *)
	    MUST_CHECK;
void	 s3_list_release(struct s3_list *);

struct s3_fault { char code[64], message[192], region[64]; };
/* An <Error>, or the JSON of the admin calls; false if it is neither. */
bool	 s3_fault_parse(const char *, size_t, struct s3_fault *);
/* The first error in the answer to a delete of many; false if there is none. */
bool	 s3_delete_fault(const char *, size_t, struct s3_fault *);
/* "<Delete>...": yours. */
char	*s3_delete_body(const char *const *keys, size_t n);

/* --- calls (s3-call.c) ---------------------------------------------------- */

struct s3 {
	struct storage	 storage;	/* first */
	char		*endpoint;	/* "http://127.0.0.1:9000" */
	char		*host, *bucket;
	char		*access_key, *secret_key;
	char		*session_token;	/* or NULL */
	struct s3_region *region;
};
/* ERR_BROKEN says which setting is wrong. */
int	 s3_init(struct s3 *, const struct provider_env *,
	    struct err *) MUST_CHECK;
void	 s3_release(struct s3 *);
/* The region that is signed for. */
void	 s3_region_name(struct s3 *, char dst[64]);

struct s3_call {
	const char	*method, *path;
	struct strv	 query, headers;	/* released by s3_do */
	const void	*body;
	size_t		 body_len;
	const char	*content_type;
	const char	*access_key, *secret_key;	/* NULL: ours */
	int		 timeout_ms;
};
/*
 * Signed and sent; again for what passes by itself within a second (a server
 * that starts), and with the right region.  0: the status is 2xx.  -1 and fault
 * for an error of the server, whose kind is that of its code; fault.code is ""
 * where there was no answer.  Releases the call; res is released on failure.
 */
int	 s3_do(struct s3 *, struct s3_call *, struct http_res *,
	    struct s3_fault *, struct err *) MUST_CHECK;

/* --- the calls of storage.h, and the bucket (s3.c) ------------------------ */

extern const struct storage_ops s3_ops;
/* The object "bucket", for kind tables. */
void	 s3_bucket_diff(const struct json *, const struct json *,
	    struct changes *);
int	 s3_bucket_ensure(void *ctx, const struct work *, struct outcome *,
	    struct err *);
int	 s3_bucket_remove(void *ctx, const struct work *, struct outcome *,
	    struct err *);
#define S3_KINDS							\
	{ .name = "bucket", .label = "bucket", .diff = s3_bucket_diff,	\
	    .ensure = s3_bucket_ensure, .remove = s3_bucket_remove }
/* Of the bucket and all that is in it. */
int	 s3_observe(void *ctx, const struct observe_item *, size_t n,
	    void (*changed)(void *arg, const char *key, struct json *observed),
	    void *arg, struct err *);

#endif
