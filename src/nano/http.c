/*
 * HTTP by libevent.  See http.h.
 *
 * libevent must not lose a connection inside of one of its callbacks, and may
 * call back before a request function has returned.  So a call does both on a
 * turn of its own: `turn` is an event that we trigger; it starts the request
 * the first time and takes the call apart the second.
 *
 *	new -> running -> over (cancelled, or done was called) -> freed
 *
 * Names are resolved by evdns, without blocking and without the C library's
 * resolver, which a static program cannot load.
 */
#include "http.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>

#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/bufferevent_ssl.h>
#include <event2/dns.h>
#include <event2/event.h>
#include <event2/http.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "hiclaw/log.h"
#include "hiclaw/secure.h"

#define HEADERS_MAX	(64 * 1024)
#define CA_FILE		"/etc/ssl/certs/ca-certificates.crt"
#define AGENT		"hiclaw-nano"

struct http {
	struct event_base	*base;
	struct evdns_base	*dns;
	SSL_CTX			*tls;	/* made with the first https call */
	LIST_HEAD(, http_call)	 calls;
};

struct http_call {
	LIST_ENTRY(http_call)	 entry;
	struct http		*http;
	struct event		*turn;
	enum { CALL_NEW, CALL_RUNNING, CALL_OVER } state;
	struct evhttp_uri	*uri;
	struct evhttp_connection *connection;
	SSL			*ssl;		/* libevent's */
	char			*body, *bearer;
	enum evhttp_cmd_type	 method;
	int			 quiet_s, status, retry_after_s;
	bool			 is_json, is_stream, is_seen, is_long;
	const char		*why;
	struct buf		 answer;
	void			(*data)(void *, const char *, size_t);
	void			(*done)(void *, const struct http_reply *);
	void			*arg;
};

/* --- connecting ----------------------------------------------------------- */

static SSL_CTX *
tls_context(struct http *h)
{
	const char	*file = getenv("SSL_CERT_FILE");

	if (h->tls != NULL)
		return h->tls;
	h->tls = SSL_CTX_new(TLS_client_method());
	if (h->tls == NULL)
		return NULL;
	SSL_CTX_set_min_proto_version(h->tls, TLS1_2_VERSION);
	SSL_CTX_set_verify(h->tls, SSL_VERIFY_PEER, NULL);
	if (file == NULL || file[0] == '\0')
		file = CA_FILE;
	if (SSL_CTX_load_verify_file(h->tls, file) != 1)
		log_error("http", "%s: no certificates to check servers by",
		    file);
	return h->tls;
}

/* The connection to verify that it is who we asked for. */
static SSL *
tls_new(struct http *h, const char *host)
{
	SSL_CTX		*tls = tls_context(h);
	SSL		*ssl = tls == NULL ? NULL : SSL_new(tls);
	unsigned char	 ip[16];
	bool		 ok;

	if (ssl == NULL)
		return NULL;
	if (inet_pton(AF_INET, host, ip) == 1 ||
	    inet_pton(AF_INET6, host, ip) == 1)
		ok = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl),
		    host) == 1;
	else
		ok = SSL_set_tlsext_host_name(ssl, host) == 1 &&
		    SSL_set1_host(ssl, host) == 1;
	if (ok)
		return ssl;
	SSL_free(ssl);
	return NULL;
}

/* "[::1]" without its brackets; yours. */
static char *
plain_host(const char *host)
{
	size_t	n = strlen(host);

	return host[0] == '[' && n > 2 ? xstrndup(host + 1, n - 2) :
	    xstrdup(host);
}

static bool
connect_to(struct http_call *c)
{
	const char		*scheme = evhttp_uri_get_scheme(c->uri);
	const char		*name = evhttp_uri_get_host(c->uri);
	int			 port = evhttp_uri_get_port(c->uri);
	bool			 is_tls = scheme != NULL &&
	    strcasecmp(scheme, "https") == 0;
	struct bufferevent	*bev = NULL;
	char			*host;

	if (name == NULL || name[0] == '\0' || scheme == NULL ||
	    (!is_tls && strcasecmp(scheme, "http") != 0))
		return false;
	host = plain_host(name);
	if (is_tls) {
		c->ssl = tls_new(c->http, host);
		if (c->ssl != NULL)
			bev = bufferevent_openssl_socket_new(c->http->base, -1,
			    c->ssl, BUFFEREVENT_SSL_CONNECTING,
			    BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
	} else
		bev = bufferevent_socket_new(c->http->base, -1,
		    BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
	if (bev != NULL)
		c->connection = evhttp_connection_base_bufferevent_new(
		    c->http->base, c->http->dns, bev, host,
		    (uint16_t)(port > 0 ? port : is_tls ? 443 : 80));
	free(host);
	if (c->connection == NULL)
		return false;
	evhttp_connection_set_timeout(c->connection, c->quiet_s);
	evhttp_connection_set_max_headers_size(c->connection, HEADERS_MAX);
	return true;
}

/* --- answers -------------------------------------------------------------- */

static void
look_at_headers(struct http_call *c, struct evhttp_request *r)
{
	struct evkeyvalq	*in = evhttp_request_get_input_headers(r);
	const char		*type = evhttp_find_header(in, "Content-Type");
	const char		*after = evhttp_find_header(in, "Retry-After");
	char			*end;
	long			 s;

	if (c->is_seen)
		return;
	c->is_seen = true;
	c->status = evhttp_request_get_response_code(r);
	if (type != NULL) {
		c->is_json = strncasecmp(type, "application/json", 16) == 0;
		c->is_stream = strncasecmp(type, "text/event-stream", 17) == 0;
	}
	s = after == NULL ? -1 : strtol(after, &end, 10);
	c->retry_after_s = after == NULL || end == after || *end != '\0' ||
	    s < 0 || s > 86400 ? -1 : (int)s;
}

static void
finish(struct http_call *c)
{
	struct http_reply	 reply = { .status = c->status,
	    .body = buf_str(&c->answer), .len = c->answer.len,
	    .is_json = c->is_json, .retry_after_s = c->retry_after_s,
	    .is_long = c->answer.overflow, .is_cut = c->why != NULL,
	    .why = c->why };

	if (c->state == CALL_OVER)
		return;
	c->state = CALL_OVER;
	if (reply.is_long) {
		reply.body = "";
		reply.len = 0;
	}
	event_active(c->turn, EV_TIMEOUT, 0);
	c->done(c->arg, &reply);
}

static void
on_chunk(struct evhttp_request *r, void *arg)
{
	struct http_call	*c = arg;
	struct evbuffer		*in = evhttp_request_get_input_buffer(r);
	char			 part[4096];
	int			 n;

	look_at_headers(c, r);
	while (c->state == CALL_RUNNING &&
	    (n = evbuffer_remove(in, part, sizeof(part))) > 0) {
		if (c->data != NULL && c->status == 200 && c->is_stream)
			c->data(c->arg, part, (size_t)n);
		else
			buf_add(&c->answer, part, (size_t)n);
		if (c->answer.overflow)
			finish(c);	/* whatever still comes */
	}
}

/* Why there is no answer, as far as we are told. */
static const char *
tls_fault(const struct http_call *c)
{
	if (c->ssl == NULL || SSL_get_verify_result(c->ssl) == X509_V_OK)
		return NULL;
	return X509_verify_cert_error_string(SSL_get_verify_result(c->ssl));
}

static void
on_error(enum evhttp_request_error error, void *arg)
{
	struct http_call	*c = arg;

	switch (error) {
	case EVREQ_HTTP_TIMEOUT: c->why = "it took too long"; break;
	case EVREQ_HTTP_EOF: c->why = "the connection was closed"; break;
	case EVREQ_HTTP_INVALID_HEADER: c->why = "it is not HTTP"; break;
	case EVREQ_HTTP_DATA_TOO_LONG: c->why = "it is too long"; break;
	default: c->why = "the connection broke"; break;
	}
}

static void
on_done(struct evhttp_request *r, void *arg)
{
	struct http_call	*c = arg;

	if (r != NULL && evhttp_request_get_response_code(r) != 0) {
		look_at_headers(c, r);
		on_chunk(r, c);		/* what it was not called for */
	} else if (c->why == NULL) {
		c->why = tls_fault(c);
		if (c->why == NULL)
			c->why = "cannot connect";
	}
	finish(c);
}

/* --- calls ---------------------------------------------------------------- */

static void
add_headers(const struct http_call *c, struct evhttp_request *r)
{
	struct evkeyvalq	*out = evhttp_request_get_output_headers(r);
	int			 port = evhttp_uri_get_port(c->uri);
	char			*v;

	v = port > 0 ? xasprintf("%s:%d", evhttp_uri_get_host(c->uri), port) :
	    xstrdup(evhttp_uri_get_host(c->uri));
	evhttp_add_header(out, "Host", v);
	free(v);
	evhttp_add_header(out, "Connection", "close");
	evhttp_add_header(out, "User-Agent", AGENT);
	evhttp_add_header(out, "Accept", c->data == NULL ? "application/json" :
	    "text/event-stream, application/json");
	if (c->bearer != NULL) {
		v = xasprintf("Bearer %s", c->bearer);
		evhttp_add_header(out, "Authorization", v);
		secret_free(v);
	}
	if (c->body != NULL)
		evhttp_add_header(out, "Content-Type", "application/json");
}

static char *
target(const struct evhttp_uri *uri)
{
	const char	*path = evhttp_uri_get_path(uri);
	const char	*query = evhttp_uri_get_query(uri);

	if (path == NULL || path[0] == '\0')
		path = "/";
	return query == NULL ? xstrdup(path) :
	    xasprintf("%s?%s", path, query);
}

static void
start(struct http_call *c)
{
	struct evhttp_request	*r;
	char			*path;
	int			 rc;

	c->state = CALL_RUNNING;
	if (c->uri == NULL || !connect_to(c)) {
		c->why = "its address is no URL that can be used";
		finish(c);
		return;
	}
	r = evhttp_request_new(on_done, c);
	evhttp_request_set_chunked_cb(r, on_chunk);
	evhttp_request_set_error_cb(r, on_error);
	add_headers(c, r);
	if (c->body != NULL)
		evbuffer_add(evhttp_request_get_output_buffer(r), c->body,
		    strlen(c->body));
	path = target(c->uri);
	rc = evhttp_make_request(c->connection, r, c->method, path);
	free(path);
	if (rc != 0) {
		c->why = "cannot connect";
		finish(c);
	}
}

static void
call_free(struct http_call *c)
{
	LIST_REMOVE(c, entry);
	if (c->connection != NULL)
		evhttp_connection_free(c->connection);
	if (c->uri != NULL)
		evhttp_uri_free(c->uri);
	event_free(c->turn);
	free(c->body);
	secret_free(c->bearer);
	buf_release(&c->answer);
	free(c);
}

static void
on_turn(evutil_socket_t fd, short what, void *arg)
{
	struct http_call	*c = arg;

	if (c->state == CALL_OVER)
		call_free(c);
	else if (c->state == CALL_NEW)
		start(c);
}

struct http_call *
http_start(struct http *h, const struct http_ask *ask)
{
	struct http_call	*c = xcalloc(1, sizeof(*c));

	c->http = h;
	c->uri = evhttp_uri_parse(ask->url);
	c->method = strcmp(ask->method, "PUT") == 0 ? EVHTTP_REQ_PUT :
	    strcmp(ask->method, "POST") == 0 ? EVHTTP_REQ_POST : EVHTTP_REQ_GET;
	c->bearer = xstrdup(ask->bearer);
	c->body = xstrdup(ask->body);
	c->quiet_s = ask->quiet_s;
	c->retry_after_s = -1;
	buf_init(&c->answer, ask->max_bytes);
	c->data = ask->data;
	c->done = ask->done;
	c->arg = ask->arg;
	c->turn = event_new(h->base, -1, 0, on_turn, c);
	LIST_INSERT_HEAD(&h->calls, c, entry);
	event_active(c->turn, EV_TIMEOUT, 0);
	return c;
}

void
http_cancel(struct http_call *c)
{
	if (c == NULL || c->state == CALL_OVER)
		return;
	c->state = CALL_OVER;
	event_active(c->turn, EV_TIMEOUT, 0);
}

static void
wiping_free(void *p)
{
	if (p != NULL)
		secret_wipe(p, malloc_usable_size(p));
	free(p);
}

static void *
wiping_realloc(void *old, size_t n)
{
	size_t	 had = old == NULL ? 0 : malloc_usable_size(old);
	void	*new = malloc(n);

	if (new == NULL)
		return NULL;
	if (had > 0)
		memcpy(new, old, had < n ? had : n);
	wiping_free(old);
	return new;
}

void
http_prepare(void)
{
	event_set_mem_functions(malloc, wiping_realloc, wiping_free);
}

static void
on_log(int severity, const char *text)
{
	log_debug("libevent", "%s", text);
}

struct http *
http_new(struct event_base *base)
{
	struct http	*h = xcalloc(1, sizeof(*h));

	event_set_log_callback(on_log);
	h->base = base;
	LIST_INIT(&h->calls);
	h->dns = evdns_base_new(base, EVDNS_BASE_DISABLE_WHEN_INACTIVE);
	if (h->dns == NULL)
		abort();
	/* Without servers the hosts file is still good. */
	if (evdns_base_resolv_conf_parse(h->dns, DNS_OPTIONS_ALL,
	    "/etc/resolv.conf") != 0)
		log_info("http", "no name servers in /etc/resolv.conf");
	evdns_base_load_hosts(h->dns, "/etc/hosts");
	/* Small servers in front of containers do not keep the case. */
	evdns_base_set_option(h->dns, "randomize-case:", "0");
	return h;
}

void
http_free(struct http *h)
{
	struct http_call	*c;

	if (h == NULL)
		return;
	while ((c = LIST_FIRST(&h->calls)) != NULL)
		call_free(c);
	evdns_base_free(h->dns, 0);
	SSL_CTX_free(h->tls);
	free(h);
}
