/*
 * Fetching what spec.package names.
 *
 * A message names a URL by scheme, host and path only: user, password and
 * query may be secrets.
 */
#include "package-int.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "directory.h"
#include "hiclaw/clock.h"
#include "hiclaw/http.h"
#include "hiclaw/secure.h"

#define REDIRECTS_MAX	5
#define TIMEOUT_MS	60000
#define URL_MAX		4096
#define SHA256_FRAGMENT	"sha256="

void
fetch_begin(struct fetch *f, const struct package_source *source)
{
	f->source = source;
	f->timeout_ms = source->timeout_ms > 0 ? source->timeout_ms :
	    TIMEOUT_MS;
	f->deadline = clock_mono_ms() + f->timeout_ms;
}

int
fetch_call(const struct fetch *f, struct http_req *req, struct http_res *res,
    struct err *e)
{
	int64_t	left = f->deadline - clock_mono_ms();

	if (left <= 0)
		return err_set(e, ERR_RETRY, "took longer than %d ms",
		    f->timeout_ms);
	req->timeout_ms = (int)left;
	req->public_only = !f->source->private_addresses;
	return http_call(req, res, e);
}

int
fetch_status(const struct http_res *res, struct err *e)
{
	enum err_kind	kind = ERR_USER;

	if (res->status == 404 || res->status == 410)
		kind = ERR_NOTFOUND;
	else if (res->status == 401 || res->status == 403)
		kind = ERR_DENIED;
	else if (res->status == 408 || res->status == 425 ||
	    res->status == 429 || res->status >= 500)
		kind = ERR_RETRY;
	err_set(e, kind, "the answer is HTTP %d", res->status);
	if (kind == ERR_RETRY)
		e->retry_s = res->retry_after_s;
	return -1;
}

/*
 * A URI without what may be secret in it.  An "@" that is not where it should be
 * (a password that nobody escaped) leaves the scheme only.
 */
static struct shown
show_uri(const char *uri)
{
	const char	*host = strstr(uri, "://"), *at = strrchr(uri, '@');
	const char	*end = uri + strcspn(uri, "?#");
	char		*text;
	struct shown	 out;

	if (host == NULL || host > end)
		return show_name(at == NULL ? uri : "its address");
	host += 3;
	if (at == NULL || at < host)
		at = host - 1;
	if (at > host + strcspn(host, "/?#"))
		text = xasprintf("%.*s...", (int)(host - uri), uri);
	else
		text = xasprintf("%.*s%.*s", (int)(host - uri), uri,
		    (int)(end - at - 1), at + 1);
	out = show_name(text);
	secret_free(text);
	return out;
}

/* Unpack what was fetched, unless it is known. */
static int
take_zip(const char *zip, size_t len, const char *known, bool *same,
    struct package *out, struct err *e)
{
	char	digest[SHA256_HEX];

	sha256_hex(zip, len, digest);
	if (known != NULL && strcmp(known, digest) == 0) {
		*same = true;
		return 0;
	}
	return package_unpack(zip, len, out, e);
}

/* The same for files that were no archive. */
static void
take_files(struct package *p, const char *known, bool *same,
    struct package *out)
{
	if (known != NULL && strcmp(known, p->digest) == 0) {
		*same = true;
		package_release(p);
		return;
	}
	*out = *p;
	memset(p, 0, sizeof(*p));
}

/* --- http ----------------------------------------------------------------- */

static bool
is_url(const char *s)
{
	return strncasecmp(s, "http://", 7) == 0 ||
	    strncasecmp(s, "https://", 8) == 0;
}

/* Where a Location leads from url: yours. */
static char *
resolve(const char *url, const char *to)
{
	size_t		 scheme = (size_t)(strchr(url, ':') + 1 - url);
	size_t		 host = scheme + 2 + strcspn(url + scheme + 2, "/?#");
	size_t		 path = strcspn(url, "?#");
	size_t		 len = strcspn(to, "#");

	if (is_url(to))
		return xstrndup(to, len);
	if (str_starts(to, "//"))
		return xasprintf("%.*s%.*s", (int)scheme, url, (int)len, to);
	if (*to == '/')
		return xasprintf("%.*s%.*s", (int)host, url, (int)len, to);
	if (*to == '?' || len == 0)
		return xasprintf("%.*s%.*s", (int)path, url, (int)len, to);
	while (path > host && url[path - 1] != '/')
		path--;
	return xasprintf("%.*s%s%.*s", (int)path, url,
	    path == host ? "/" : "", (int)len, to);
}

static bool
is_redirect(int status)
{
	return status == 301 || status == 302 || status == 303 ||
	    status == 307 || status == 308;
}

int
fetch_redirect(char **url, const char *to, struct err *e)
{
	char	*next;

	if (to == NULL || *to == '\0')
		return err_set(e, ERR_USER, "a redirect to nowhere");
	if (strlen(to) > URL_MAX)
		return err_set(e, ERR_USER, "a redirect to a URL that is too "
		    "long");
	/* "ftp://x", "file:/x": a scheme that is none of ours */
	if (!is_url(to) && to[strcspn(to, ":/?#")] == ':')
		return err_set(e, ERR_DENIED,
		    "a redirect to neither http nor https");
	next = resolve(*url, to);
	if (strncasecmp(*url, "https:", 6) == 0 &&
	    strncasecmp(next, "https:", 6) != 0) {
		secret_free(next);
		return err_set(e, ERR_DENIED, "a redirect from https to http");
	}
	secret_free(*url);
	*url = next;
	return 0;
}

static int
download(const struct fetch *f, char **url, struct http_res *res,
    struct err *e)
{
	struct http_req	 req = { .method = "GET",
			    .max_bytes = PACKAGE_ZIP_MAX };
	int		 hops;

	for (hops = 0; hops <= REDIRECTS_MAX; hops++) {
		req.url = *url;
		if (fetch_call(f, &req, res, e) == -1)
			return -1;
		if (res->status == 200)
			return 0;
		if ((is_redirect(res->status) ?
		    fetch_redirect(url, http_header(res, "location"), e) :
		    fetch_status(res, e)) == -1) {
			http_res_release(res);
			return -1;
		}
		http_res_release(res);
	}
	return err_set(e, ERR_USER, "more than %d redirects", REDIRECTS_MAX);
}

/* The digest that a URL asks for, NULL when it does not. */
static int
wanted_digest(const char *uri, const char **digest, struct err *e)
{
	const char	*hash = strchr(uri, '#');

	*digest = NULL;
	if (hash == NULL)
		return 0;
	hash++;
	if (!str_starts(hash, SHA256_FRAGMENT) ||
	    strlen(hash) != strlen(SHA256_FRAGMENT) + SHA256_HEX - 1 ||
	    strspn(hash + strlen(SHA256_FRAGMENT), "0123456789abcdefABCDEF") !=
	    SHA256_HEX - 1)
		return err_set(e, ERR_USER, "after \"#\" only sha256= and 64 "
		    "hex digits");
	*digest = hash + strlen(SHA256_FRAGMENT);
	return 0;
}

static int
fetch_http(const char *uri, const struct fetch *f, const char *known,
    bool *same, struct package *out, struct err *e)
{
	struct http_res	 res = { 0 };
	const char	*wanted;
	char		 digest[SHA256_HEX], *url;
	int		 rc = -1;

	if (wanted_digest(uri, &wanted, e) == -1)
		return -1;
	url = xstrndup(uri, strcspn(uri, "#"));
	if (download(f, &url, &res, e) == -1)
		goto out;
	sha256_hex(buf_str(&res.body), res.body.len, digest);
	if (wanted != NULL && strcasecmp(wanted, digest) != 0)
		err_set(e, ERR_USER, "its SHA-256 is %s, not the one asked "
		    "for", digest);
	else
		rc = take_zip(buf_str(&res.body), res.body.len, known, same,
		    out, e);
out:
	http_res_release(&res);
	secret_free(url);
	return rc;
}

/* --- files and storage ---------------------------------------------------- */

/* A path below the directory of imports, from a file:// URI: yours. */
static char *
import_path(const char *uri, const char *imports, struct err *e)
{
	const char	*at = uri + strlen("file://");
	size_t		 root = strlen(imports);
	char		*path, *below;

	path = http_unescape(at, strlen(at));
	if (path == NULL) {
		err_set(e, ERR_USER, "badly escaped");
		return NULL;
	}
	while (root > 1 && imports[root - 1] == '/')
		root--;
	below = path;
	if (*path == '/') {
		if (strncmp(path, imports, root) != 0 || path[root] != '/') {
			err_set(e, ERR_DENIED, "not below the directory of "
			    "imports");
			free(path);
			return NULL;
		}
		below += root;
	}
	while (*below == '/' || str_starts(below, "./"))
		below += *below == '/' ? 1 : 2;
	root = strlen(below);
	while (root > 0 && below[root - 1] == '/')
		root--;
	below = xstrndup(below, root);
	free(path);
	return below;
}

/* A zip or a directory below imports. */
static int
read_import(const char *imports, const char *path, const char *known,
    bool *same, struct package *out, struct err *e)
{
	struct package	 files = { 0 };
	struct buf	 zip = { .max = PACKAGE_ZIP_MAX };
	int		 rc;

	rc = directory_read(imports, path, &zip, &files, e);
	if (rc == 0 && files.n > 0)
		take_files(&files, known, same, out);
	else if (rc == 0)
		rc = take_zip(buf_str(&zip), zip.len, known, same, out, e);
	buf_release(&zip);
	return rc;
}

static int
fetch_file(const char *uri, const struct package_source *source,
    const char *known, bool *same, struct package *out, struct err *e)
{
	char	*path;
	int	 rc;

	if (source->imports == NULL)
		return err_set(e, ERR_DENIED, "file:// needs a directory of "
		    "imports, and none is set");
	path = import_path(uri, source->imports, e);
	if (path == NULL)
		return -1;
	rc = read_import(source->imports, path, known, same, out, e);
	free(path);
	return rc;
}

/*
 * Only what was put there as a package: other keys are somebody's files.  The
 * directory of imports may have it too.
 */
static int
fetch_stored(const char *path, const struct package_source *source,
    const char *known, bool *same, struct package *out, struct err *e)
{
	struct buf	zip = { .max = PACKAGE_ZIP_MAX };
	struct err	why = { .kind = ERR_NOTFOUND };
	int		rc = -1;

	if (path_allowed(path, e) == -1)
		return -1;
	if (source->stored == NULL && source->imports == NULL)
		return err_set(e, ERR_DENIED, "there is no storage");
	if (source->stored != NULL)
		rc = source->stored(source->arg, path, &zip, &why);
	if (rc == 0 && zip.overflow)
		rc = err_set(e, ERR_USER, "a zip of more than %d MiB",
		    PACKAGE_ZIP_MAX / 1024 / 1024);
	else if (rc == 0)
		rc = take_zip(buf_str(&zip), zip.len, known, same, out, e);
	else if (why.kind == ERR_NOTFOUND && source->imports != NULL)
		rc = read_import(source->imports, path, known, same, out, e);
	else
		*e = why;
	buf_release(&zip);
	return rc;
}

static int
fetch_oss(const char *uri, const struct package_source *source,
    const char *known, bool *same, struct package *out, struct err *e)
{
	static const char	prefix[] = "hiclaw-config/packages/";
	const char		*key = uri + strlen("oss://");

	if (!str_starts(key, prefix))
		return err_set(e, ERR_DENIED, "not below oss://%s", prefix);
	return fetch_stored(key + strlen("hiclaw-config/"), source, known,
	    same, out, e);
}

/* --- all ------------------------------------------------------------------ */

static int
fetch_nacos(const char *uri, const struct fetch *f, const char *known,
    bool *same, struct package *out, struct err *e)
{
	struct package	files = { 0 };

	if (nacos_spec(uri, f, &files, e) == -1)
		return -1;
	take_files(&files, known, same, out);
	return 0;
}

static int
fetch(const char *uri, const struct fetch *f, const char *known, bool *same,
    struct package *out, struct err *e)
{
	if (strlen(uri) > URL_MAX)
		return err_set(e, ERR_USER, "too long");
	if (str_starts(uri, "file://"))
		return fetch_file(uri, f->source, known, same, out, e);
	if (is_url(uri))
		return fetch_http(uri, f, known, same, out, e);
	if (str_starts(uri, "nacos://") || str_starts(uri, "nacos+https://"))
		return fetch_nacos(uri, f, known, same, out, e);
	if (str_starts(uri, "oss://"))
		return fetch_oss(uri, f->source, known, same, out, e);
	if (str_starts(uri, "packages/"))
		return fetch_stored(uri, f->source, known, same, out, e);
	return err_set(e, ERR_USER, "none of file://, http://, https://, "
	    "nacos://, nacos+https://, oss:// and packages/");
}

int
package_fetch(const char *uri, const struct package_source *source,
    const char *known, bool *same, struct package *out, struct err *e)
{
	struct package	got = { 0 };
	struct fetch	f;
	bool		is_same = false;

	fetch_begin(&f, source);
	if (fetch(uri, &f, known, &is_same, &got, e) == -1)
		return err_prefix(e, "%s", show_uri(uri).text);
	if (same != NULL)
		*same = is_same;
	if (!is_same)
		*out = got;
	return 0;
}
