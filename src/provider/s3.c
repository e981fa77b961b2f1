/*
 * Any S3 as the storage of agents' files: the calls that the storage kinds
 * need, and the bucket.  No users here: agents get the credentials of the
 * settings.
 *
 * A version is the ETag.  Files are whole in memory, at most STORAGE_FILE_MAX:
 * what we write is far smaller, and what agents keep is never read through here
 * but to be shown.
 */
#include "s3.h"

#include <stdlib.h>
#include <string.h>

#include "hiclaw/secure.h"
#include "provider-int.h"

#define PAGE		1000

static char *
bucket_path(const struct s3 *s, const char *key)
{
	return xasprintf("/%s%s%s", s->bucket, key == NULL ? "" : "/",
	    key == NULL ? "" : key);
}

/* The ETag without its quotes. */
static void
take_etag(const char *etag, struct storage_stat *st)
{
	size_t n;

	if (etag == NULL)
		etag = "";
	if (*etag == '"')
		etag++;
	str_copy(st->version, etag, sizeof(st->version));
	n = strlen(st->version);
	if (n > 0 && st->version[n - 1] == '"')
		st->version[n - 1] = '\0';
}

/* --- the calls of storage.h ----------------------------------------------- */

static int
s3_get(void *ctx, const char *path, struct buf *data, struct storage_stat *st,
    struct err *e)
{
	struct s3 *s = ctx;
	char *p = bucket_path(s, path);
	struct s3_call c = { .method = "GET", .path = p };
	struct http_res res;
	struct s3_fault fault;
	int rv = s3_do(s, &c, &res, &fault, e);

	free(p);
	/* No answer, but not for want of one: it was cut off. */
	if (rv == -1 && fault.code[0] == '\0' && e->kind == ERR_USER)
		return 1;
	if (rv == -1)
		return err_prefix(e, "%s", path);
	if (res.body.len > STORAGE_FILE_MAX)
		rv = 1;
	else {
		memset(st, 0, sizeof(*st));
		st->size = res.body.len;
		take_etag(http_header(&res, "etag"), st);
		buf_add(data, buf_str(&res.body), res.body.len);
	}
	if (res.body.data != NULL)
		secret_wipe(res.body.data, res.body.len);
	http_res_release(&res);
	return rv;
}

static int
s3_put(void *ctx, const char *path, const void *data, size_t len, int mode,
    enum storage_if cond, const char *version, struct storage_stat *st,
    struct err *e)
{
	struct s3 *s = ctx;
	char *p = bucket_path(s, path);
	struct s3_call c = { .method = "PUT", .path = p, .body = data,
	    .body_len = len };
	struct http_res res;
	struct s3_fault fault;
	int rv;

	(void)mode;
	if (cond == STORAGE_ABSENT)
		strv_add(&c.headers, "if-none-match: *");
	else if (cond == STORAGE_MATCH)
		strv_addf(&c.headers, "if-match: \"%s\"", version);
	rv = s3_do(s, &c, &res, &fault, e);
	free(p);
	if (rv == 0) {
		memset(st, 0, sizeof(*st));
		st->size = len;
		take_etag(http_header(&res, "etag"), st);
		http_res_release(&res);
		return 0;
	}
	if (cond != STORAGE_ANY &&
	    (strcmp(fault.code, "PreconditionFailed") == 0 ||
	    strcmp(fault.code, "ConditionalRequestConflict") == 0))
		return 1;
	if (cond == STORAGE_MATCH && strcmp(fault.code, "NoSuchKey") == 0)
		return 1;	/* gone meanwhile */
	return err_prefix(e, "%s", path);
}

static int
delete_one(struct s3 *s, const char *key, struct err *e)
{
	char *p = bucket_path(s, key);
	struct s3_call c = { .method = "DELETE", .path = p };
	struct http_res res;
	struct s3_fault fault;
	int rv = s3_do(s, &c, &res, &fault, e);

	free(p);
	if (rv == 0)
		http_res_release(&res);
	else if (e->kind == ERR_NOTFOUND ||
	    strcmp(fault.code, "NoSuchBucket") == 0)
		rv = 0;
	return rv;
}

/* XML has no way to name a key with these, but an agent may make one. */
static bool
is_unspeakable(const char *key)
{
	const char *p;
	size_t bad;

	for (p = key; *p != '\0'; p++)
		if ((unsigned char)*p < ' ' && strchr("\t\n\r", *p) == NULL)
			return true;
	return !utf8_valid(key, strlen(key), &bad);
}

static int
delete_many(struct s3 *s, const struct strv *keys, struct err *e)
{
	char *body = s3_delete_body((const char *const *)keys->v, keys->n);
	char *md5 = md5_base64(body, strlen(body)), *p = bucket_path(s, NULL);
	struct s3_call c = { .method = "POST", .path = p, .body = body,
	    .body_len = strlen(body), .content_type = "application/xml" };
	struct http_res res;
	struct s3_fault fault;
	int rv;

	strv_add(&c.query, "delete=");
	strv_addf(&c.headers, "content-md5: %s", md5);
	rv = s3_do(s, &c, &res, &fault, e);
	free(body);
	free(md5);
	free(p);
	if (rv == -1)
		return strcmp(fault.code, "NoSuchBucket") == 0 ? 0 : -1;
	/* Single keys fail inside a 200. */
	if (s3_delete_fault(buf_str(&res.body), res.body.len, &fault) &&
	    strcmp(fault.code, "NoSuchKey") != 0)
		rv = err_set(e, ERR_RETRY, "deleting: %s", fault.code);
	http_res_release(&res);
	return rv;
}

static int
s3_remove(void *ctx, const char *const *paths, size_t n, struct err *e)
{
	struct s3 *s = ctx;
	struct strv keys = {0};
	size_t i;
	int rv = 0;

	for (i = 0; rv == 0 && i < n; i++) {
		if (n == 1 || is_unspeakable(paths[i]))
			rv = delete_one(s, paths[i], e);
		else
			strv_add(&keys, paths[i]);
	}
	if (rv == 0 && keys.n > 0)
		rv = delete_many(s, &keys, e);
	strv_release(&keys);
	return rv;
}

/* One page; ERR_NOTFOUND when there is no bucket. */
static int
list_page(struct s3 *s, const char *prefix, const char *after,
    const char *token, struct s3_list *page, struct err *e)
{
	char *p = bucket_path(s, NULL);
	struct s3_call c = { .method = "GET", .path = p };
	struct http_res res;
	struct s3_fault fault;
	int rv;

	strv_add(&c.query, "list-type=2");
	strv_add(&c.query, "encoding-type=url");
	strv_addf(&c.query, "max-keys=%d", PAGE);
	strv_addf(&c.query, "prefix=%s", prefix);
	if (token != NULL)
		strv_addf(&c.query, "continuation-token=%s", token);
	else if (after != NULL)
		strv_addf(&c.query, "start-after=%s", after);
	rv = s3_do(s, &c, &res, &fault, e);
	free(p);
	if (rv == -1) {
		if (strcmp(fault.code, "NoSuchBucket") == 0)
			e->kind = ERR_NOTFOUND;
		else if (e->kind == ERR_NOTFOUND)
			e->kind = ERR_RETRY;
		return -1;
	}
	rv = s3_list_parse(buf_str(&res.body), res.body.len, page, e);
	http_res_release(&res);
	return rv;
}

static int
s3_list(void *ctx, const char *prefix, const char *after,
    int (*cb)(void *arg, const char *path, const struct storage_stat *),
    void *arg, struct err *e)
{
	struct s3 *s = ctx;
	struct s3_list page = {0};
	struct storage_stat st;
	char *token = NULL;
	bool more = true;
	size_t i;
	int rv = 0;

	while (rv == 0 && more) {
		rv = list_page(s, prefix, after, token, &page, e);
		if (rv == -1)
			break;
		for (i = 0; rv == 0 && i < page.n; i++) {
			memset(&st, 0, sizeof(st));
			st.size = page.objects[i].size;
			take_etag(page.objects[i].etag, &st);
			rv = cb(arg, page.objects[i].key, &st);
		}
		free(token);
		token = xstrdup(page.next);
		more = page.is_truncated;
		s3_list_release(&page);
	}
	free(token);
	return rv;
}

const struct storage_ops s3_ops = {
	.get = s3_get,
	.put = s3_put,
	.remove = s3_remove,
	.list = s3_list,
};

/* --- the bucket ----------------------------------------------------------- */

void
s3_bucket_diff(const struct json *desired, const struct json *observed,
    struct changes *out)
{
	if (json_str(observed, "name") == NULL)
		changes_add(out, RISK_CREATE, "bucket", NULL,
		    json_str(desired, "name"));
}

/* 1 there, 0 not there, -1. */
static int
bucket_exists(struct s3 *s, struct err *e)
{
	char *p = bucket_path(s, NULL);
	struct s3_call c = { .method = "GET", .path = p };
	struct http_res res;
	struct s3_fault fault;
	int rv;

	strv_add(&c.query, "location=");
	rv = s3_do(s, &c, &res, &fault, e);
	free(p);
	if (rv == 0) {
		http_res_release(&res);
		return 1;
	}
	return strcmp(fault.code, "NoSuchBucket") == 0 ? 0 : -1;
}

static int
make_bucket(struct s3 *s, const char *region, struct err *e)
{
	char *p = bucket_path(s, NULL), *body = NULL;
	struct s3_call c = { .method = "PUT", .path = p,
	    .content_type = "application/xml" };
	struct http_res res;
	struct s3_fault fault;
	int rv;

	/* The region where a bucket is if nothing is said must not be said. */
	if (strcmp(region, "us-east-1") != 0) {
		body = xasprintf("<CreateBucketConfiguration>"
		    "<LocationConstraint>%s</LocationConstraint>"
		    "</CreateBucketConfiguration>", region);
		c.body = body;
		c.body_len = strlen(body);
	}
	rv = s3_do(s, &c, &res, &fault, e);
	if (rv == 0)
		http_res_release(&res);
	else if (strcmp(fault.code, "BucketAlreadyOwnedByYou") == 0)
		rv = 0;
	free(body);
	free(p);
	return rv;
}

int
s3_bucket_ensure(void *ctx, const struct work *w, struct outcome *out,
    struct err *e)
{
	struct s3 *s = ctx;
	const char *name = json_str(w->desired, "name");
	char region[64];
	int there = -1;

	if (!str_equal(name, s->bucket)) {
		err_set(e, ERR_USER, "the storage is opened for the bucket %s",
		    s->bucket);
		goto out;
	}
	there = bucket_exists(s, e);
	if (there == 0) {
		s3_region_name(s, region);
		there = make_bucket(s, region, e);
		if (there == 0)
			strv_add(&out->did, "made");
	}
out:
	if (there == -1) {
		out->observed = json_copy(w->observed);
		return -1;
	}
	out->observed = json_object();
	json_set_str(out->observed, "name", name);
	return 0;
}

/* It holds what people keep: it stays. */
int
s3_bucket_remove(void *ctx, const struct work *w, struct outcome *out,
    struct err *e)
{
	(void)ctx, (void)w, (void)out, (void)e;
	return 0;
}

int
s3_observe(void *ctx, const struct observe_item *items, size_t n,
    void (*changed)(void *arg, const char *key, struct json *observed),
    void *arg, struct err *e)
{
	struct s3 *s = ctx;
	size_t i;
	int there;

	for (i = 0; i < n; i++) {
		if (!str_starts(items[i].key, "bucket:"))
			continue;
		there = bucket_exists(s, e);
		if (there == -1)
			return -1;
		if (there == 0)
			changed(arg, items[i].key, NULL);
	}
	return storage_observe(ctx, items, n, changed, arg, e);
}

/* --- opening -------------------------------------------------------------- */

static int
s3_open(const struct provider_env *env, void **ctx, struct err *e)
{
	struct s3 *s;

	*ctx = NULL;
	if (!str_equal(env->storage.provider, "s3"))
		return 0;
	s = xcalloc(1, sizeof(*s));
	if (s3_init(s, env, e) == -1) {
		s3_release(s);
		free(s);
		return -1;
	}
	storage_init(&s->storage, &s3_ops, env);
	*ctx = s;
	return 0;
}

static void
s3_close(void *ctx)
{
	struct s3 *s = ctx;

	if (s == NULL)
		return;
	storage_release(&s->storage);
	s3_release(s);
	free(s);
}

static const struct object_kind kinds[] = {
	S3_KINDS,
	STORAGE_KINDS,
	{ .name = NULL }
};

const struct provider provider_s3 = {
	.name = "s3",
	.concurrency = 8,
	.kinds = kinds,
	.open = s3_open,
	.close = s3_close,
	.observe = s3_observe,
	.query = storage_query,
};
