/*
 * HTTP client (libcurl, used nowhere else).
 *
 * Every thread that calls keeps one easy handle, and with it its connections,
 * until it ends.  Nothing of a call stays behind in the handle.  Bodies,
 * tokens and queries of URLs never reach a log line or an err.msg: a message
 * names the host and libcurl's cause.
 */
#include "hiclaw/http.h"

#include <ctype.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <curl/curl.h>

#include "hiclaw/secure.h"

#define HTTP_TIMEOUT_MS		60000
#define HTTP_CONNECT_MS		10000
#define HTTP_MAX_BYTES		(64U * 1024 * 1024)
#define HTTP_READ_SIZE		16384L	/* libcurl's buffer; less than its default */
#define HTTP_MAX_CONNS		4L	/* kept open, per thread */
#define HTTP_RETRY_MAX_S	3600	/* whatever Retry-After says */

static pthread_once_t		once = PTHREAD_ONCE_INIT;
static pthread_key_t		handle_key;
static char			*no_proxy;
static atomic_bool		aborting;
static atomic_uint_fast64_t	count_all, count_writes;

static void
handle_free(void *curl)
{
	curl_easy_cleanup(curl);
}

/* Once.  The loopback is added to what the environment keeps from proxies. */
static void
http_setup(void)
{
	const char	*env = getenv("no_proxy");

	if (env == NULL)
		env = getenv("NO_PROXY");
	no_proxy = xasprintf("localhost,127.0.0.1,::1%s%s",
	    env != NULL ? "," : "", env != NULL ? env : "");
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK ||
	    pthread_key_create(&handle_key, handle_free) != 0)
		abort();
}

/* This thread's handle, with no option set. */
static CURL *
handle_get(void)
{
	CURL	*curl;

	pthread_once(&once, http_setup);
	curl = pthread_getspecific(handle_key);
	if (curl != NULL) {
		curl_easy_reset(curl);
		return curl;
	}
	curl = curl_easy_init();
	if (curl == NULL || pthread_setspecific(handle_key, curl) != 0)
		abort();
	return curl;
}

/* A stream keeps its handle until it ends; meanwhile its callbacks may call
 * somebody else with that of the thread. */
static CURL *
handle_for(const struct http_req *req)
{
	CURL	*curl;

	if (req->chunk == NULL)
		return handle_get();
	pthread_once(&once, http_setup);
	if ((curl = curl_easy_init()) == NULL)
		abort();
	return curl;
}

static void
handle_done(const struct http_req *req, CURL *curl)
{
	if (req->chunk == NULL)
		curl_easy_reset(curl);
	else
		curl_easy_cleanup(curl);
}

/* What a head may hold: an answer with more is cut short. */
#define HEADERS_MAX	64
#define HEADER_BYTES	4096

/* What one call collects. */
struct taking {
	const struct http_req	*req;
	struct http_res		*res;
	int			 status;	/* of the head that comes */
	bool			 head_done;
	bool			 is_ended;	/* by chunk or is_over */
	bool			 was_private;
};

static bool
is_success(int status)
{
	return status >= 200 && status < 300;
}

/* Hand out a piece; -1 if that was the last one. */
static int
hand_out(struct taking *t, const char *p, size_t n)
{
	if (t->req->chunk(t->req->chunk_arg, p, n) == 0)
		return 0;
	t->is_ended = true;
	return -1;
}

/* IPv4: RFC 6890 blocks that are not globally reachable, multicast, 240/4. */
static bool
ipv4_is_public(uint32_t ip)
{
	static const struct { uint32_t net; int bits; } not[] = {
		{ 0x00000000, 8 }, { 0x0a000000, 8 }, { 0x64400000, 10 },
		{ 0x7f000000, 8 }, { 0xa9fe0000, 16 }, { 0xac100000, 12 },
		{ 0xc0000000, 24 }, { 0xc0000200, 24 }, { 0xc0586300, 24 },
		{ 0xc0a80000, 16 }, { 0xc6120000, 15 }, { 0xc6336400, 24 },
		{ 0xcb007100, 24 }, { 0xe0000000, 3 },
	};

	for (size_t i = 0; i < NELEM(not); i++)
		if ((ip ^ not[i].net) >> (32 - not[i].bits) == 0)
			return false;
	return true;
}

/* IPv6: only global unicast (2000::/3) without tunnels and documentation;
 * addresses that stand for an IPv4 one are no way around that rule. */
static bool
ipv6_is_public(const uint8_t a[16])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	static const uint8_t nat64[12] = { 0x00, 0x64, 0xff, 0x9b };
	uint32_t low = (uint32_t)a[12] << 24 | (uint32_t)a[13] << 16 |
	    (uint32_t)a[14] << 8 | a[15];

	if (memcmp(a, mapped, 12) == 0 || memcmp(a, nat64, 12) == 0)
		return ipv4_is_public(low);
	if ((a[0] & 0xe0) != 0x20 || (a[0] == 0x20 && a[1] == 0x02))
		return false;
	return !(a[0] == 0x20 && a[1] == 0x01 &&
	    ((a[2] & 0xfe) == 0 || (a[2] == 0x0d && a[3] == 0xb8)));
}

static bool
address_is_public(const struct sockaddr *sa)
{
	const struct sockaddr_in *in = (const void *)sa;
	const struct sockaddr_in6 *in6 = (const void *)sa;

	if (sa->sa_family == AF_INET)
		return ipv4_is_public(ntohl(in->sin_addr.s_addr));
	return sa->sa_family == AF_INET6 &&
	    ipv6_is_public(in6->sin6_addr.s6_addr);
}

static size_t
on_body(char *p, size_t size, size_t n, void *arg)
{
	struct taking	*t = arg;
	struct buf	*body = &t->res->body;

	(void)size;		/* always 1 */
	if (t->req->chunk != NULL && is_success(t->status))
		return hand_out(t, p, n) == -1 ? 0 : n;
	buf_add(body, p, n);
	return body->overflow ? 0 : n;
}

/* "Name: value\r\n" as "name: value". */
static void
keep_header(struct strv *headers, const char *p, size_t n)
{
	const char	*colon = memchr(p, ':', n);
	char		*line, *c;

	while (n > 0 && isspace((unsigned char)p[n - 1]))
		n--;
	if (colon == NULL || n > HEADER_BYTES || headers->n >= HEADERS_MAX)
		return;
	line = xstrndup(p, n);
	for (c = line; *c != ':'; c++)
		*c = (char)tolower((unsigned char)*c);
	strv_add(headers, line);
	free(line);
}

/* "HTTP/1.1 200 OK" -> 200 */
static int
status_of(const char *p, size_t n)
{
	const char	*blank = memchr(p, ' ', n);
	int		 status = 0;

	for (blank = blank != NULL ? blank + 1 : p + n; blank < p + n &&
	    isdigit((unsigned char)*blank) && status < 100; blank++)
		status = 10 * status + *blank - '0';
	return status;
}

/* Each line of a head, which a blank one ends, and of a trailer, maybe. */
static size_t
on_header(char *p, size_t size, size_t n, void *arg)
{
	struct taking	*t = arg;

	(void)size;		/* always 1 */
	if (n >= 5 && memcmp(p, "HTTP/", 5) == 0) {
		t->head_done = false;	/* maybe after a "100 Continue" */
		t->status = status_of(p, n);
		strv_release(&t->res->headers);
	} else if ((*p == '\r' || *p == '\n') && !t->head_done) {
		t->head_done = true;
		if (t->req->chunk != NULL && is_success(t->status) &&
		    hand_out(t, "", 0) == -1)
			return 0;
	} else if (!t->head_done)
		keep_header(&t->res->headers, p, n);
	return n;
}

/*
 * Asked for each address that a name turned out to have, so that a name that
 * resolves to the inside of our own network leads nowhere.
 */
static curl_socket_t
on_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *a)
{
	struct taking	*t = arg;

	(void)purpose;
	if (t->req->public_only && !address_is_public(&a->addr)) {
		t->was_private = true;
		return CURL_SOCKET_BAD;
	}
	return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

static int
on_progress(void *arg, curl_off_t dltotal, curl_off_t dlnow,
    curl_off_t ultotal, curl_off_t ulnow)
{
	struct taking	*t = arg;

	(void)dltotal, (void)dlnow, (void)ultotal, (void)ulnow;
	if (atomic_load(&aborting))
		return 1;
	if (t->req->is_over != NULL && t->req->is_over(t->req->chunk_arg))
		t->is_ended = true;
	return t->is_ended;
}

/* The host of a URL for messages: no user, no path, no query. */
static void
url_host(const char *url, char *dst, size_t size)
{
	const char	*host = strstr(url, "://"), *p;
	size_t		 len;

	host = host != NULL ? host + 3 : url;
	len = strcspn(host, "/?#");
	for (p = host; p < host + len; p++)
		if (*p == '@') {
			len -= (size_t)(p + 1 - host);
			host = p + 1;
		}
	if (len >= size)
		len = size - 1;
	memcpy(dst, host, len);
	dst[len] = '\0';
}

static bool
has_control(const char *s)
{
	for (; *s != '\0'; s++)
		if (iscntrl((unsigned char)*s))
			return true;
	return false;
}

static struct curl_slist *
add_line(struct curl_slist *list, const char *line)
{
	struct curl_slist	*longer = curl_slist_append(list, line);

	if (longer == NULL)
		abort();
	return longer;
}

static struct curl_slist *
add_header(struct curl_slist *list, const char *name, const char *value)
{
	char	*line = xasprintf("%s: %s", name, value);

	list = add_line(list, line);
	secret_free(line);
	return list;
}

static struct curl_slist *
make_headers(const struct http_req *req)
{
	struct curl_slist	*list = NULL;
	const char *const	*h;
	char			*value;

	/* no waiting for "100 Continue" */
	list = curl_slist_append(NULL, "Expect:");
	if (list == NULL)
		abort();
	if (req->bearer != NULL) {
		value = xasprintf("Bearer %s", req->bearer);
		list = add_header(list, "Authorization", value);
		secret_free(value);
	}
	for (h = req->headers; h != NULL && *h != NULL; h++)
		list = add_line(list, *h);
	if (req->body != NULL)
		list = add_header(list, "Content-Type",
		    req->content_type != NULL ? req->content_type :
		    "application/json");
	return list;
}

static void
free_headers(struct curl_slist *list)
{
	struct curl_slist	*h;

	for (h = list; h != NULL; h = h->next)
		secret_wipe(h->data, strlen(h->data));
	curl_slist_free_all(list);
}

/* What is the same for every call. */
static void
set_manners(CURL *curl)
{
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(curl, CURLOPT_NOPROXY, no_proxy);
	curl_easy_setopt(curl, CURLOPT_HTTP_VERSION,
	    (long)CURL_HTTP_VERSION_1_1);
	/* "/../" and "/./" may stand in an escaped name: leave paths alone */
	curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS,
	    (long)HTTP_CONNECT_MS);
	curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, HTTP_READ_SIZE);
	curl_easy_setopt(curl, CURLOPT_MAXCONNECTS, HTTP_MAX_CONNS);
	curl_easy_setopt(curl, CURLOPT_USERAGENT, "hiclaw");
	curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
}

/* To whom, and who we are. */
static void
set_peer(CURL *curl, const struct http_req *req)
{
	if (req->unix_socket != NULL) {
		curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH,
		    req->unix_socket);
		curl_easy_setopt(curl, CURLOPT_PROXY, "");
	}
	if (req->ca_file != NULL)
		curl_easy_setopt(curl, CURLOPT_CAINFO, req->ca_file);
	if (req->cert_file != NULL)
		curl_easy_setopt(curl, CURLOPT_SSLCERT, req->cert_file);
	if (req->key_file != NULL)
		curl_easy_setopt(curl, CURLOPT_SSLKEY, req->key_file);
}

/* A stream lasts as long as it does, unless told otherwise. */
static long
time_limit(const struct http_req *req)
{
	if (req->timeout_ms > 0)
		return req->timeout_ms;
	return req->chunk != NULL ? 0 : HTTP_TIMEOUT_MS;
}

/* Method and body; libcurl wants to know what they imply. */
static void
set_method(CURL *curl, const struct http_req *req)
{
	bool	sends = req->body != NULL || strcmp(req->method, "POST") == 0 ||
	    strcmp(req->method, "PUT") == 0;

	if (strcmp(req->method, "HEAD") == 0) {
		curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
		return;
	}
	if (sends) {
		curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE,
		    (curl_off_t)(req->body != NULL ? req->body_len : 0));
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS,
		    req->body != NULL ? req->body : "");
	}
	curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, req->method);
}

/* Whom messages name. */
static void
peer_name(const struct http_req *req, char *dst, size_t size)
{
	if (req->unix_socket != NULL)
		str_copy(dst, req->unix_socket, size);
	else
		url_host(req->url, dst, size);
}

static int
fail(const struct http_req *req, CURLcode code, const struct taking *t,
    const char *detail, struct err *e)
{
	const struct buf *body = &t->res->body;
	char	host[128];

	if (code == CURLE_OUT_OF_MEMORY)
		abort();
	peer_name(req, host, sizeof(host));
	if (body->overflow)
		return err_set(e, ERR_USER, "%s: the answer is over %zu bytes",
		    host, body->max);
	if (t->is_ended)
		return err_set(e, ERR_RETRY, "%s: call ended before an answer",
		    host);
	if (code == CURLE_ABORTED_BY_CALLBACK)
		return err_set(e, ERR_BROKEN, "%s: call ended, shutting down",
		    host);
	if (*detail == '\0')
		detail = curl_easy_strerror(code);
	if (code == CURLE_URL_MALFORMAT)
		return err_set(e, ERR_USER, "bad URL: %s", detail);
	return err_set(e, ERR_RETRY, "%s: %s", host, detail);
}

static void
refuse_private(const struct http_req *req, struct err *e)
{
	char	host[128];

	url_host(req->url, host, sizeof(host));
	err_set(e, ERR_DENIED, "%s: its address is in a private network", host);
}

static void
read_info(CURL *curl, struct http_res *res)
{
	curl_off_t	 retry_after = 0;
	const char	*type = NULL;
	long		 status = 0;

	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(curl, CURLINFO_CONTENT_TYPE, &type);
	/* libcurl reads seconds and dates alike */
	curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &retry_after);
	res->status = (int)status;
	if (retry_after > HTTP_RETRY_MAX_S)
		retry_after = HTTP_RETRY_MAX_S;
	res->retry_after_s = retry_after > 0 ? (int)retry_after : 0;
	str_copy(res->content_type, type != NULL ? type : "",
	    sizeof(res->content_type));
}

static void
count_call(const char *method)
{
	atomic_fetch_add(&count_all, 1);
	if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
		atomic_fetch_add(&count_writes, 1);
}

/* What libcurl would not refuse, or only later. */
static int
check(const struct http_req *req, struct err *e)
{
	if (atomic_load(&aborting))
		return err_set(e, ERR_BROKEN, "call refused, shutting down");
	if (strncasecmp(req->url, "http://", 7) != 0 &&
	    strncasecmp(req->url, "https://", 8) != 0)
		return err_set(e, ERR_USER,
		    "bad URL: not http:// or https://");
	if ((req->bearer != NULL && has_control(req->bearer)) ||
	    (req->content_type != NULL && has_control(req->content_type)))
		return err_set(e, ERR_USER, "control characters in a header");
	for (const char *const *h = req->headers; h != NULL && *h != NULL; h++)
		if (has_control(*h))
			return err_set(e, ERR_USER,
			    "control characters in a header");
	return 0;
}

int
http_call(const struct http_req *req, struct http_res *res, struct err *e)
{
	char			 detail[CURL_ERROR_SIZE] = "";
	struct curl_slist	*headers;
	CURL			*curl;
	CURLcode		 code;
	struct taking		 t = { .req = req, .res = res };

	memset(res, 0, sizeof(*res));
	if (check(req, e) == -1)
		return -1;
	buf_init(&res->body, req->max_bytes != 0 ? req->max_bytes :
	    HTTP_MAX_BYTES);
	curl = handle_for(req);
	headers = make_headers(req);
	set_manners(curl);
	set_method(curl, req);
	set_peer(curl, req);
	curl_easy_setopt(curl, CURLOPT_URL, req->url);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, time_limit(req));
	curl_easy_setopt(curl, CURLOPT_XFERINFODATA, &t);
	curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(curl, CURLOPT_HEADERDATA, &t);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, &t);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, detail);
	if (req->basic != NULL) {
		curl_easy_setopt(curl, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
		curl_easy_setopt(curl, CURLOPT_USERPWD, req->basic);
	}
	if (req->public_only) {
		/* Through a proxy we would not see where it goes. */
		curl_easy_setopt(curl, CURLOPT_PROXY, "");
		curl_easy_setopt(curl, CURLOPT_FRESH_CONNECT, 1L);
		curl_easy_setopt(curl, CURLOPT_FORBID_REUSE, 1L);
		curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, on_socket);
		curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, &t);
	}
	code = curl_easy_perform(curl);
	count_call(req->method);
	if (code == CURLE_OK && !t.head_done)
		code = CURLE_PARTIAL_FILE;	/* libcurl lets this pass */
	if (t.is_ended && t.head_done && !atomic_load(&aborting)) {
		code = CURLE_OK;
		res->was_ended = true;
	}
	if (code == CURLE_OK)
		read_info(curl, res);
	else if (t.was_private && code == CURLE_COULDNT_CONNECT)
		refuse_private(req, e);
	else
		fail(req, code, &t, detail, e);
	/* `detail` and `headers` end here, the handle does not */
	handle_done(req, curl);
	free_headers(headers);
	if (code != CURLE_OK) {
		http_res_release(res);
		return -1;
	}
	return 0;
}

void
http_res_release(struct http_res *res)
{
	if (res == NULL)
		return;
	buf_release(&res->body);
	strv_release(&res->headers);
	memset(res, 0, sizeof(*res));
}

const char *
http_header(const struct http_res *res, const char *name)
{
	size_t	n = strlen(name), i;

	for (i = 0; i < res->headers.n; i++)
		if (strncmp(res->headers.v[i], name, n) == 0 &&
		    res->headers.v[i][n] == ':')
			return res->headers.v[i] + n + 1 +
			    strspn(res->headers.v[i] + n + 1, " \t");
	return NULL;
}

char *
http_escape(const char *s)
{
	struct buf	out = { .max = SIZE_MAX / 2 };

	for (; *s != '\0'; s++) {
		if ((*s >= 'A' && *s <= 'Z') || (*s >= 'a' && *s <= 'z') ||
		    (*s >= '0' && *s <= '9') || strchr("-._~", *s) != NULL)
			buf_putc(&out, *s);
		else
			buf_printf(&out, "%%%02X", (unsigned char)*s);
	}
	return buf_take(&out);
}

char *
http_vpath(const char *fmt, va_list ap)
{
	struct buf	out = { .max = SIZE_MAX / 2 };
	const char	*p, *rest;
	char		*escaped;

	for (p = fmt; (rest = strstr(p, "%s")) != NULL; p = rest + 2) {
		buf_add(&out, p, (size_t)(rest - p));
		escaped = http_escape(va_arg(ap, const char *));
		buf_puts(&out, escaped);
		free(escaped);
	}
	buf_puts(&out, p);
	return buf_take(&out);
}

char *
http_path(const char *fmt, ...)
{
	va_list	ap;
	char	*path;

	va_start(ap, fmt);
	path = http_vpath(fmt, ap);
	va_end(ap);
	return path;
}

char *
http_unescape(const char *s, size_t len)
{
	struct buf	out = { .max = SIZE_MAX / 2 };
	char		hex[3] = "", c;
	size_t		i;

	for (i = 0; i < len; i++) {
		c = s[i];
		if (c == '%') {
			if (len - i < 3 || !isxdigit((unsigned char)s[i + 1]) ||
			    !isxdigit((unsigned char)s[i + 2]))
				goto bad;
			memcpy(hex, s + i + 1, 2);
			c = (char)strtol(hex, NULL, 16);
			i += 2;
		}
		if (c == '\0')
			goto bad;
		buf_putc(&out, c);
	}
	return buf_take(&out);
bad:
	buf_release(&out);
	return NULL;
}

void
http_abort_all(void)
{
	atomic_store(&aborting, true);
}

void
http_counts(uint64_t *all, uint64_t *writes)
{
	*all = atomic_load(&count_all);
	*writes = atomic_load(&count_writes);
}
