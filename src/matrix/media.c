/*
 * Files in the homeserver's media repository.  Bytes both ways, so these calls
 * do not go through mx_call, but they are judged by the same rules.
 */
#include "hiclaw/matrix.h"

#include <stdlib.h>
#include <string.h>

#include "matrix-int.h"

static int
judge_bytes(const char *method, const char *path, const struct http_res *res,
    struct json **body, struct err *e)
{
	struct err bad = {0};

	if (res->status >= 200 && res->status < 300)
		return 0;
	*body = json_parse_relayed(buf_str(&res->body), res->body.len, &bad);
	return mx_judge(method, path, res->status, res->retry_after_s,
	    json_strd(*body, "errcode", ""), *body, e);
}

int
mx_upload(const struct mx *mx, const char *name, const char *type,
    const void *data, size_t len, char **mxc, struct err *e)
{
	char *path = mx_path("/_matrix/media/v3/upload?filename=%s", name);
	char *url = mx_url(mx, path, NULL);
	struct http_req req = { .method = "POST", .url = url,
	    .bearer = mx->as_token, .content_type = type, .body = data,
	    .body_len = len };
	struct http_res res = {0};
	struct json *body = NULL;
	struct err bad = {0};
	const char *uri;
	int rv;

	rv = http_call(&req, &res, e);
	if (rv == -1 || (rv = judge_bytes("POST", path, &res, &body, e)) == -1)
		goto out;
	body = json_parse_relayed(buf_str(&res.body), res.body.len, &bad);
	uri = json_str(body, "content_uri");
	if (uri == NULL || !str_starts(uri, "mxc://") ||
	    strlen(uri) > MX_ID_MAX)
		rv = err_set(e, ERR_RETRY, "upload of %s: the homeserver gave "
		    "no content_uri", name);
	else
		*mxc = xstrdup(uri);
out:
	json_free(body);
	http_res_release(&res);
	free(url);
	free(path);
	return rv;
}

/* "mxc://server/id" -> its two parts; false: malformed. */
static bool
mxc_split(const char *mxc, char **server, char **id)
{
	const char *p, *slash;

	if (mxc == NULL || !str_starts(mxc, "mxc://") ||
	    strlen(mxc) > MX_ID_MAX)
		return false;
	p = mxc + strlen("mxc://");
	slash = strchr(p, '/');
	if (slash == NULL || slash == p || slash[1] == '\0' ||
	    strchr(slash + 1, '/') != NULL)
		return false;
	*server = xstrndup(p, (size_t)(slash - p));
	*id = xstrdup(slash + 1);
	return true;
}

static int
download(const struct mx *mx, const char *path, size_t max, struct buf *out,
    int *status, struct err *e)
{
	char *url = mx_url(mx, path, NULL);
	struct http_req req = { .method = "GET", .url = url,
	    .bearer = mx->as_token, .max_bytes = max };
	struct http_res res = {0};
	struct json *body = NULL;
	int rv;

	rv = http_call(&req, &res, e);
	*status = res.status;
	if (rv == 0)
		rv = judge_bytes("GET", path, &res, &body, e);
	if (rv == 0)
		buf_add(out, buf_str(&res.body), res.body.len);
	json_free(body);
	http_res_release(&res);
	free(url);
	return rv;
}

int
mx_download(const struct mx *mx, const char *mxc, size_t max, struct buf *out,
    struct err *e)
{
	char *server = NULL, *id = NULL, *path;
	int rv, status = 0;

	if (!mxc_split(mxc, &server, &id))
		return err_set(e, ERR_USER, "not the address of a file: it must "
		    "read mxc://server/id");
	path = mx_path("/_matrix/client/v1/media/download/%s/%s", server, id);
	rv = download(mx, path, max, out, &status, e);
	free(path);
	if (rv == -1 && status == 404) {
		/* A homeserver from before v1.11, perhaps. */
		path = mx_path("/_matrix/media/v3/download/%s/%s", server, id);
		rv = download(mx, path, max, out, &status, e);
		free(path);
	}
	free(server);
	free(id);
	return rv;
}
