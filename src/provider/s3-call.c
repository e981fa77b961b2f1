/*
 * Calls of S3 and of MinIO's admin API: signed, sent, and judged by the code of
 * the error, never by the HTTP status alone.
 *
 * Only NoSuchKey says that a thing is not there (ERR_NOTFOUND).  Messages carry
 * the server's code and text, never a signature or a key.
 */
#include "s3.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "hiclaw/clock.h"
#include "hiclaw/secure.h"

#define START_TRIES	8		/* of a server that starts */
#define START_WAIT_MS	120
#define ANSWER_MAX	(STORAGE_FILE_MAX + 65536)

/* Told by the server when ours is wrong. */
struct s3_region {
	pthread_mutex_t	 lock;
	char		 name[64];
};

void
s3_region_name(struct s3 *s, char dst[64])
{
	pthread_mutex_lock(&s->region->lock);
	str_copy(dst, s->region->name, 64);
	pthread_mutex_unlock(&s->region->lock);
}

/* True if that was news. */
static bool
region_set(struct s3 *s, const char *name, const char *used)
{
	if (name[0] == '\0' || strcmp(name, used) == 0)
		return false;
	pthread_mutex_lock(&s->region->lock);
	str_copy(s->region->name, name, sizeof(s->region->name));
	pthread_mutex_unlock(&s->region->lock);
	return true;
}

/* --- opening -------------------------------------------------------------- */

static bool
is_bucket_name(const char *s)
{
	size_t n = strlen(s);

	return n >= 3 && n <= 63 && s[0] != '.' &&
	    strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789.-") == n;
}

/* "http://host:9000": no path, no user.  *host is what is sent as Host. */
static int
take_url(const char *url, char **endpoint, char **host, struct err *e)
{
	const char *p = url == NULL ? NULL : strstr(url, "://");
	const char *port;
	size_t n;

	if (p == NULL || (!str_starts(url, "http://") &&
	    !str_starts(url, "https://")))
		return err_set(e, ERR_BROKEN, "storage.url must read "
		    "http(s)://host[:port]");
	p += 3;
	n = strcspn(p, "/?#@");
	if (n == 0 || (p[n] != '\0' && strcmp(p + n, "/") != 0))
		return err_set(e, ERR_BROKEN, "storage.url has more than "
		    "http(s)://host[:port]");
	*host = xstrndup(p, n);
	*endpoint = xasprintf("%.*s%s", (int)(p - url), url, *host);
	/* The port that everybody knows is not sent. */
	port = url[4] == 's' ? ":443" : ":80";
	if (str_ends(*host, port))
		(*host)[n - strlen(port)] = '\0';
	return 0;
}

int
s3_init(struct s3 *s, const struct provider_env *env, struct err *e)
{
	const char *region = env->storage.region;

	if (env->storage.bucket == NULL ||
	    !is_bucket_name(env->storage.bucket))
		return err_set(e, ERR_BROKEN, "storage.bucket: \"%s\" is no "
		    "name for a bucket", env->storage.bucket == NULL ? "" :
		    env->storage.bucket);
	if (env->storage.access_key == NULL || env->storage.secret_key == NULL)
		return err_set(e, ERR_BROKEN, "storage.access_key and "
		    "storage.secret_key are needed");
	if (take_url(env->storage.url, &s->endpoint, &s->host, e) == -1)
		return -1;
	s->bucket = xstrdup(env->storage.bucket);
	s->access_key = xstrdup(env->storage.access_key);
	s->secret_key = xstrdup(env->storage.secret_key);
	s->session_token = xstrdup(env->storage.session_token);
	s->region = xcalloc(1, sizeof(*s->region));
	if (pthread_mutex_init(&s->region->lock, NULL) != 0)
		abort();
	str_copy(s->region->name, region == NULL || region[0] == '\0' ?
	    "us-east-1" : region, sizeof(s->region->name));
	return 0;
}

void
s3_release(struct s3 *s)
{
	free(s->endpoint);
	free(s->host);
	free(s->bucket);
	free(s->access_key);
	secret_free(s->secret_key);
	secret_free(s->session_token);
	if (s->region != NULL)
		pthread_mutex_destroy(&s->region->lock);
	free(s->region);
}

/* --- judging -------------------------------------------------------------- */

static enum err_kind
kind_of(const char *code, int status)
{
	static const struct {
		const char	*code;
		enum err_kind	 kind;
	} codes[] = {
		{ "NoSuchKey", ERR_NOTFOUND },
		{ "PreconditionFailed", ERR_CONFLICT },
		{ "ConditionalRequestConflict", ERR_CONFLICT },
		{ "BucketAlreadyExists", ERR_CONFLICT },
		{ "ObjectParentIsFile", ERR_CONFLICT },
		{ "XMinioParentIsObject", ERR_CONFLICT },
		{ "AccessDenied", ERR_DENIED },
		{ "InvalidAccessKeyId", ERR_DENIED },
		{ "SignatureDoesNotMatch", ERR_DENIED },
		{ "NoSuchBucket", ERR_RETRY },
		{ "RequestTimeTooSkewed", ERR_RETRY },
		{ "RequestTimeout", ERR_RETRY },
		{ "SlowDown", ERR_RETRY },
		{ "OperationAborted", ERR_RETRY },
		{ "XMinioIAMPolicyInUse", ERR_RETRY },
		{ "XMinioAdminNoSuchUser", ERR_NOTFOUND },
		{ "XMinioAdminNoSuchPolicy", ERR_NOTFOUND },
	};
	size_t i;

	for (i = 0; i < NELEM(codes); i++)
		if (strcmp(codes[i].code, code) == 0)
			return codes[i].kind;
	if (status >= 500 || status == 429 || code[0] == '\0')
		return ERR_RETRY;
	return ERR_USER;
}

/* A server that starts says so for some milliseconds. */
static bool
is_starting(const struct s3_fault *f)
{
	return strcmp(f->code, "XMinioServerNotInitialized") == 0 ||
	    strcmp(f->code, "XMinioIAMNotInitialized") == 0;
}

/* What a server says may hold anything. */
static void
plain(char *s)
{
	for (; *s != '\0'; s++)
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			*s = ' ';
}

static int
judge(const struct http_res *res, struct s3_fault *f, struct err *e)
{
	memset(f, 0, sizeof(*f));
	if (res->status >= 200 && res->status < 300)
		return 0;
	s3_fault_parse(buf_str(&res->body), res->body.len, f);
	plain(f->code);
	plain(f->message);
	e->retry_s = 0;
	err_set(e, kind_of(f->code, res->status), "%s%s%s",
	    f->code[0] == '\0' ? "an answer that S3 does not give" : f->code,
	    f->message[0] == '\0' ? "" : ": ", f->message);
	if (f->code[0] == '\0')
		err_set(e, ERR_RETRY, "HTTP status %d without a reason",
		    res->status);
	e->retry_s = res->retry_after_s;
	return -1;
}

/* --- sending -------------------------------------------------------------- */

static int
send_once(struct s3 *s, const struct s3_call *c, const char *region,
    struct http_res *res, struct err *e)
{
	char hash[SHA256_HEX], date[S3_DATE], *path, *query, *url;
	struct s3_key key = {
		.access_key = c->access_key != NULL ? c->access_key :
		    s->access_key,
		.secret_key = c->access_key != NULL ? c->secret_key :
		    s->secret_key,
		.token = c->access_key != NULL ? NULL : s->session_token,
		.region = region };
	struct s3_request r = { .method = c->method, .host = s->host,
	    .path = c->path, .query = &c->query, .payload_sha256 = hash };
	struct strv signed_too = {0}, headers = {0};
	struct http_req req = { .method = c->method, .body = c->body,
	    .body_len = c->body_len, .timeout_ms = c->timeout_ms,
	    .max_bytes = ANSWER_MAX,
	    .content_type = c->content_type != NULL ? c->content_type :
		"application/octet-stream" };
	size_t i;
	int rv;

	sha256_hex(c->body == NULL ? "" : c->body, c->body_len, hash);
	s3_date(clock_ms(), date);
	for (i = 0; i < c->headers.n; i++)
		strv_add(&signed_too, c->headers.v[i]);
	if (c->body != NULL)	/* the one header that is added below us */
		strv_addf(&signed_too, "content-type: %s", req.content_type);
	r.headers = &signed_too;
	s3_sign(&r, &key, date, &headers);
	for (i = 0; i < headers.n; i++)		/* it is sent once */
		if (str_starts(headers.v[i], "content-type:"))
			strv_remove(&headers, headers.v[i]);
	path = s3_escape_path(c->path);
	query = s3_canonical_query(&c->query);
	url = xasprintf("%s%s%s%s", s->endpoint, path,
	    query[0] == '\0' ? "" : "?", query);
	req.url = url;
	req.headers = (const char *const *)headers.v;
	rv = http_call(&req, res, e);
	free(path);
	free(query);
	free(url);
	strv_release(&signed_too);
	strv_release(&headers);
	return rv;
}

static void
wait_ms(int ms)
{
	struct timespec t = { ms / 1000, (ms % 1000) * 1000000L };

	nanosleep(&t, NULL);
}

int
s3_do(struct s3 *s, struct s3_call *c, struct http_res *res,
    struct s3_fault *fault, struct err *e)
{
	char region[64];
	bool has_moved = false;
	int rv, tries = 0;

	memset(fault, 0, sizeof(*fault));
	for (;;) {
		s3_region_name(s, region);
		rv = send_once(s, c, region, res, e);
		if (rv == 0 && (rv = judge(res, fault, e)) == -1)
			http_res_release(res);
		if (rv == 0)
			break;
		if (!has_moved && region_set(s, fault->region, region))
			has_moved = true;
		else if (is_starting(fault) && ++tries < START_TRIES)
			wait_ms(START_WAIT_MS);
		else
			break;
	}
	strv_release(&c->query);
	strv_release(&c->headers);
	return rv;
}
