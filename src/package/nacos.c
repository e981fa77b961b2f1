/*
 * AgentSpecs and skills of a Nacos registry.
 *
 * nacos[+https]://[user:password@]host[:port]/<namespace>[/<name>[/<version> or
 * /label:<label>]][?authType=none|nacos].  With a user there is a login first;
 * user, password and token are wiped and reach no message.
 */
#include "package-int.h"

#include <stdlib.h>
#include <string.h>

#include "hiclaw/http.h"
#include "hiclaw/json.h"
#include "hiclaw/secure.h"

#define SPEC_BYTES_MAX	(8 * 1024 * 1024)	/* JSON takes many times that */
#define LOGIN_BYTES_MAX	(64 * 1024)
#define DEFAULT_PORT	":8848"
#define CALL_SPEC	"/nacos/v3/client/ai/agentspecs"
#define CALL_SKILL	"/nacos/v3/client/ai/skills"

struct nacos {
	char	*base;			/* "http://host:port" */
	char	*user, *password;	/* NULL: none given */
	char	*auth_type;		/* NULL: as the credentials say */
	char	*token;			/* after login */
	char	*names[3];		/* decoded segments of the path */
	size_t	 n_names;
};

/* What is asked for. */
struct wanted { const char *namespace, *name, *version, *label; };

static void
nacos_release(struct nacos *n)
{
	size_t	i;

	free(n->base);
	secret_free(n->user);
	secret_free(n->password);
	secret_free(n->token);
	free(n->auth_type);
	for (i = 0; i < n->n_names; i++)
		free(n->names[i]);
	memset(n, 0, sizeof(*n));
}

/* --- the URI -------------------------------------------------------------- */

static bool
host_allowed(const char *s, size_t len)
{
	size_t	host = strspn(s, "abcdefghijklmnopqrstuvwxyz"
		    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_");

	if (len > 0 && *s == '[')
		host = 1 + strspn(s + 1, "0123456789abcdefABCDEF:.") + 1;
	if (host == 0 || host > len || (*s == '[' && s[host - 1] != ']'))
		return false;
	if (host == len)
		return true;
	return s[host] == ':' && len - host > 1 && len - host <= 6 &&
	    strspn(s + host + 1, "0123456789") == len - host - 1;
}

static bool
has_port(const char *s, size_t len)
{
	const char	*colon = memrchr(s, ':', len);

	return colon != NULL && memchr(colon, ']', len - (size_t)(colon - s))
	    == NULL;
}

/* "user:password" before the "@". */
static int
parse_user(struct nacos *n, const char *s, size_t len, struct err *e)
{
	const char	*colon = memchr(s, ':', len);

	if (colon == NULL || colon == s || colon == s + len - 1)
		return err_set(e, ERR_USER,
		    "a user and a password, or neither");
	n->user = http_unescape(s, (size_t)(colon - s));
	n->password = http_unescape(colon + 1, len - (size_t)(colon + 1 - s));
	if (n->user == NULL || n->password == NULL)
		return err_set(e, ERR_USER, "badly escaped");
	return 0;
}

static int
parse_host(struct nacos *n, const char *scheme, const char *s, size_t len,
    struct err *e)
{
	const char	*at = memrchr(s, '@', len);

	if (at != NULL) {
		if (parse_user(n, s, (size_t)(at - s), e) == -1)
			return -1;
		len -= (size_t)(at + 1 - s);
		s = at + 1;
	}
	if (!host_allowed(s, len))
		return err_set(e, ERR_USER, "not a host and port");
	n->base = xasprintf("%s%.*s%s", scheme, (int)len, s,
	    has_port(s, len) ? "" : DEFAULT_PORT);
	return 0;
}

/* Names may be anything that is no path; they end up in a query, escaped. */
static int
parse_names(struct nacos *n, const char *s, size_t len, struct err *e)
{
	const char	*end = s + len, *slash;
	char		*name;

	while (s < end) {
		slash = memchr(s, '/', (size_t)(end - s));
		if (slash == NULL)
			slash = end;
		if (n->n_names == NELEM(n->names))
			return err_set(e, ERR_USER, "too many \"/\"");
		name = http_unescape(s, (size_t)(slash - s));
		if (name == NULL)
			return err_set(e, ERR_USER, "badly escaped");
		n->names[n->n_names++] = name;
		if (path_allowed(name, e) == -1)
			return -1;
		if (strchr(name, '/') != NULL)
			return err_set(e, ERR_USER, "\"/\" in a name");
		s = slash + 1;
	}
	return 0;
}

static int
parse_query(struct nacos *n, const char *s, struct err *e)
{
	if (*s == '\0')
		return 0;
	if (!str_starts(s, "?authType=") || strpbrk(s, "&#") != NULL)
		return err_set(e, ERR_USER, "after the path only ?authType=");
	n->auth_type = xstrdup(s + strlen("?authType="));
	return 0;
}

static int
nacos_parse(struct nacos *n, const char *uri, struct err *e)
{
	const char	*scheme, *host;
	size_t		 len, path;

	if (str_starts(uri, "nacos://"))
		scheme = "http://", host = uri + strlen("nacos://");
	else if (str_starts(uri, "nacos+https://"))
		scheme = "https://", host = uri + strlen("nacos+https://");
	else
		return err_set(e, ERR_USER, "not a nacos:// address");
	len = strcspn(host, "/?#");
	if (parse_host(n, scheme, host, len, e) == -1)
		return -1;
	host += len;
	host += *host == '/';
	path = strcspn(host, "?#");
	if (parse_names(n, host, path, e) == -1)
		return -1;
	return parse_query(n, host + path, e);
}

/* --- login ---------------------------------------------------------------- */

static int
decide_login(const struct nacos *n, bool *login, struct err *e)
{
	const char	*type = n->auth_type != NULL ? n->auth_type : "";

	*login = n->user != NULL;
	if (*type == '\0')
		return 0;
	if (strcmp(type, "none") == 0) {
		*login = false;
		return 0;
	}
	if (strcmp(type, "nacos") == 0)
		return n->user != NULL ? 0 : err_set(e, ERR_USER,
		    "authType nacos needs user:password@ before the host");
	if (strcmp(type, "sts-hiclaw") == 0)
		return err_set(e, ERR_USER, "authType sts-hiclaw needs Alibaba "
		    "Cloud's credentials, which there are none of here");
	return err_set(e, ERR_USER, "no authType \"%s\"; there are nacos and "
	    "none", show_name(type).text);
}

static void
wipe_body(struct http_res *res)
{
	if (res->body.data != NULL)
		secret_wipe(res->body.data, res->body.len);
	http_res_release(res);
}

/* 0 with n->token, or -1; *status is what was answered, 0 for nothing. */
static int
login_at(struct nacos *n, const struct fetch *f, const char *path,
    const char *form, int *status, struct err *e)
{
	char		*url = xasprintf("%s%s", n->base, path);
	struct http_req	 req = { .method = "POST", .url = url, .body = form,
			    .body_len = strlen(form),
			    .content_type = "application/x-www-form-urlencoded",
			    .max_bytes = LOGIN_BYTES_MAX };
	struct http_res	 res = { 0 };
	struct json	*answer = NULL;
	struct err	 bad;
	int		 rc;

	*status = 0;
	rc = fetch_call(f, &req, &res, e);
	if (rc == 0) {
		*status = res.status;
		rc = res.status == 200 ? 0 : fetch_status(&res, e);
	}
	if (rc == 0) {
		answer = json_parse(buf_str(&res.body), res.body.len, &bad);
		n->token = xstrdup(json_strd(answer, "accessToken",
		    json_str(json_get(answer, "data"), "accessToken")));
		if (n->token == NULL || *n->token == '\0')
			rc = err_set(e, ERR_DENIED, "no token in the answer");
	}
	json_wipe(answer);
	wipe_body(&res);
	free(url);
	return rc;
}

/* Servers before version 3 have the second way only. */
static int
nacos_login(struct nacos *n, const struct fetch *f, struct err *e)
{
	char	*user = http_escape(n->user);
	char	*password = http_escape(n->password);
	char	*form = xasprintf("username=%s&password=%s", user, password);
	int	 status, rc;

	rc = login_at(n, f, "/nacos/v3/auth/user/login", form, &status, e);
	if (rc == -1 && status != 0 && e->kind != ERR_RETRY) {
		secret_free(n->token);
		n->token = NULL;
		rc = login_at(n, f, "/nacos/v1/auth/login", form, &status, e);
	}
	if (rc == -1)
		err_prefix(e, "login");
	secret_free(form);
	secret_free(password);
	secret_free(user);
	return rc;
}

/* --- calls ---------------------------------------------------------------- */

static void
add_query(struct buf *url, const char *key, const char *value)
{
	char	*text;

	if (value == NULL)
		return;
	text = http_escape(value);
	buf_printf(url, "%s=%s", key, text);
	free(text);
}

/* 200, or an error. */
static int
nacos_get(struct nacos *n, const struct fetch *f, const char *path,
    const struct wanted *w, size_t max_bytes, struct http_res *res,
    struct err *e)
{
	struct buf	url = { 0 };
	struct http_req	req = { .method = "GET", .max_bytes = max_bytes };
	bool		login;
	int		rc = -1;

	if (decide_login(n, &login, e) == -1 ||
	    (login && nacos_login(n, f, e) == -1))
		return -1;
	buf_printf(&url, "%s%s", n->base, path);
	add_query(&url, "?namespaceId", w->namespace);
	add_query(&url, "&name", w->name);
	add_query(&url, "&version", w->version);
	add_query(&url, "&label", w->label);
	req.url = buf_str(&url);
	req.bearer = n->token;
	if (fetch_call(f, &req, res, e) == 0) {
		rc = res->status == 200 ? 0 : fetch_status(res, e);
		if (rc == -1)
			http_res_release(res);
	}
	buf_release(&url);
	return rc;
}

/* Some refusals come as 200 with a code of their own. */
static int
nacos_code(const struct json *answer, struct err *e)
{
	int64_t		code = json_int(answer, "code", -1);
	enum err_kind	kind = ERR_USER;

	if (code == 0)
		return 0;
	if (code == 401 || code == 403 || code == 10001)
		kind = ERR_DENIED;
	else if (code == 404 || code == 20004)
		kind = ERR_NOTFOUND;
	else if (code >= 30000 || (code >= 500 && code < 600))
		kind = ERR_RETRY;
	return err_set(e, kind, "code %lld: %s", (long long)code,
	    show_name(json_strd(answer, "message", "no reason")).text);
}

/* --- AgentSpec ------------------------------------------------------------ */

/* "<type>/<name>", or "<name>" when it says so already: yours. */
static char *
resource_path(const struct json *r)
{
	const char	*type = json_strd(r, "type", "");
	const char	*name = json_strd(r, "name", "");
	size_t		 len = strlen(type);

	if (len == 0 || (str_starts(name, type) && name[len] == '/'))
		return xstrdup(name);
	return xasprintf("%s/%s", type, name);
}

static int
add_resource(struct gather *g, const struct json *r, struct err *e)
{
	const char	*content = json_str(r, "content");
	const char	*encoding = json_strd(json_get(r, "metadata"),
			    "encoding", "");
	char		*path = resource_path(r), *data = NULL;
	size_t		 len;
	int		 rc = -1;

	if (content == NULL) {
		err_set(e, ERR_USER, "entry \"%s\": no content",
		    show_name(path).text);
		goto out;
	}
	if (strcmp(encoding, "base64") == 0) {
		data = base64_decode(content, &len);
		if (data == NULL) {
			err_set(e, ERR_USER, "entry \"%s\": not base64",
			    show_name(path).text);
			goto out;
		}
	} else {
		data = xstrdup(content);
		len = strlen(data);
	}
	if (gather_claim(g, path, len, e) == -1)
		goto out;
	gather_put(g, path, data, len, false);
	data = NULL;
	rc = 0;
out:
	free(data);
	free(path);
	return rc;
}

static int
add_spec(struct gather *g, const struct json *data, struct err *e)
{
	const char		*content = json_str(data, "content");
	const struct json	*r;
	size_t			 len;

	for (r = json_first(json_get(data, "resource")); r != NULL;
	    r = json_next(r))
		if (add_resource(g, r, e) == -1)
			return -1;
	if (content != NULL && *content != '\0') {
		len = strlen(content);
		if (gather_claim(g, "manifest.json", len, e) == -1)
			return -1;
		gather_put(g, "manifest.json", xstrdup(content), len, false);
	}
	if (g->n == 0)
		return err_set(e, ERR_USER, "no files in it");
	return 0;
}

static int
read_spec(const struct http_res *res, struct package *out, struct err *e)
{
	struct json	*answer;
	struct gather	 g;
	int		 rc;

	answer = json_parse(buf_str(&res->body), res->body.len, e);
	if (answer == NULL)
		return err_prefix(e, "the answer");
	gather_init(&g, PACKAGE_BYTES_MAX);
	rc = nacos_code(answer, e);
	if (rc == 0)
		rc = add_spec(&g, json_get(answer, "data"), e);
	if (rc == 0) {
		gather_take(&g, out);
		package_digest(out);
	}
	gather_release(&g);
	json_free(answer);
	return rc;
}

int
nacos_spec(const char *uri, const struct fetch *f, struct package *out,
    struct err *e)
{
	static const char	label[] = "label:";
	struct nacos		n = { 0 };
	struct wanted		w = { 0 };
	struct http_res		res = { 0 };
	int			rc = -1;

	if (nacos_parse(&n, uri, e) == -1)
		goto out;
	if (n.n_names < 2) {
		err_set(e, ERR_USER, "needs a namespace and a name");
		goto out;
	}
	w.namespace = n.names[0];
	w.name = n.names[1];
	if (n.n_names == 3 && str_starts(n.names[2], label))
		w.label = n.names[2] + strlen(label);
	else if (n.n_names == 3)
		w.version = n.names[2];
	if (nacos_get(&n, f, CALL_SPEC, &w, SPEC_BYTES_MAX, &res, e) == 0)
		rc = read_spec(&res, out, e);
out:
	http_res_release(&res);
	nacos_release(&n);
	return rc;
}

/* --- skills --------------------------------------------------------------- */

static bool
has_file(const struct package *p, const char *path)
{
	for (size_t i = 0; i < p->n; i++)
		if (strcmp(p->files[i].path, path) == 0)
			return true;
	return false;
}

/* Many are zipped with the directory around them: take it off. */
static void
strip_top(struct package *p)
{
	size_t	len = strcspn(p->files[0].path, "/") + 1, i;
	char	*top;

	if (p->files[0].path[len - 1] != '/')
		return;
	top = xstrndup(p->files[0].path, len);
	for (i = 0; i < p->n && str_starts(p->files[i].path, top); i++)
		continue;
	if (i == p->n)
		for (i = 0; i < p->n; i++)
			memmove(p->files[i].path, p->files[i].path + len,
			    strlen(p->files[i].path + len) + 1);
	free(top);
}

static int
read_skill(const struct http_res *res, struct package *out, struct err *e)
{
	struct package	p = { 0 };

	if (package_unpack(buf_str(&res->body), res->body.len, &p, e) == -1)
		return -1;
	if (!has_file(&p, "SKILL.md"))
		strip_top(&p);
	if (!has_file(&p, "SKILL.md")) {
		package_release(&p);
		return err_set(e, ERR_USER, "no SKILL.md at its top");
	}
	*out = p;
	return 0;
}

static int
fetch_skill(struct nacos *n, const struct fetch *f, const char *source,
    const char *auth_type, const struct wanted *wanted, struct package *out,
    struct err *e)
{
	struct wanted	w = *wanted;
	struct http_res	res = { 0 };
	int		rc = -1;

	if (nacos_parse(n, source, e) == -1)
		return -1;
	if (n->n_names != 1)
		return err_set(e, ERR_USER, "needs a namespace and no more");
	if (auth_type != NULL && *auth_type != '\0') {
		free(n->auth_type);
		n->auth_type = xstrdup(auth_type);
	}
	w.namespace = n->names[0];
	if (nacos_get(n, f, CALL_SKILL, &w, PACKAGE_ZIP_MAX, &res, e) == 0)
		rc = read_skill(&res, out, e);
	http_res_release(&res);
	return rc;
}

int
package_skill(const char *source, const char *auth_type, const char *name,
    const char *version, const char *label, const struct package_source *ps,
    struct package *out, struct err *e)
{
	struct wanted	w = { .name = name };
	struct nacos	n = { 0 };
	struct fetch	f;
	int		rc;

	if (version != NULL && *version != '\0')
		w.version = version;
	if (label != NULL && *label != '\0')
		w.label = label;
	fetch_begin(&f, ps);
	if (path_allowed(name, e) == -1 || strchr(name, '/') != NULL)
		return err_set(e, ERR_USER, "skill \"%s\": no such name",
		    show_name(name).text);
	if (w.version != NULL && w.label != NULL)
		return err_set(e, ERR_USER, "skill %s: a version or a label, "
		    "not both", show_name(name).text);
	rc = fetch_skill(&n, &f, source, auth_type, &w, out, e);
	nacos_release(&n);
	return rc == 0 ? 0 : err_prefix(e, "skill %s", show_name(name).text);
}
