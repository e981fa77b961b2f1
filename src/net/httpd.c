/*
 * HTTP server (libmicrohttpd, used nowhere else).
 *
 * libmicrohttpd's thread reads a request whole, puts it on `waiting`, suspends
 * the connection and posts to the loop; there the handler sees it, and
 * httpd_reply leaves the answer and resumes the connection, whose thread sends
 * it.  So a call belongs to the server's thread except between suspension and
 * resumption, when it belongs to the loop's; nobody else ever sees it.
 *
 * A suspended connection is not read, so a client that goes away meanwhile is
 * noticed only after the reply: a call cannot vanish under the handler.
 * `waiting`, `owed` and `stopping` are shared and under the lock.
 */
#include "hiclaw/httpd.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <microhttpd.h>

#include "hiclaw/http.h"
#include "hiclaw/loop.h"
#include "hiclaw/secure.h"

#define HTTPD_CONNECTIONS	128
#define HTTPD_IDLE_S		120	/* also for a request sent slowly */
#define HTTPD_MEMORY		(16 * 1024)	/* per connection: the headers */
#define HTTPD_STACK		(256 * 1024)
#define HTTPD_BODIES_MAX	(64U * 1024 * 1024)	/* of all requests */
#define HTTPD_SWALLOW_MAX	(4U * HTTPD_BODY_MAX)	/* read before a 413 */
#define HTTPD_DRAIN_S		2	/* to send the last answers */

struct call {
	struct httpd_req	 req;		/* first: what the handler holds */
	struct httpd		*server;
	struct MHD_Connection	*conn;
	struct call		*next, *prev;	/* in `waiting` */
	bool			 taken;		/* read whole, counted in `owed` */
	bool			 given;		/* to the handler */
	struct buf		 body;
	size_t			 received;	/* body bytes, kept or not */
	int			 refuse;	/* status to refuse with, or 0 */
	int			 status;
	struct MHD_Response	*answer;
};

struct httpd {
	struct MHD_Daemon	*mhd;
	struct loop		*loop;
	httpd_handler		 handler;
	void			*arg;
	int			 fd, port;
	size_t			 held;	/* body bytes; the server's thread */
	pthread_mutex_t		 lock;
	pthread_cond_t		 ended;
	struct call		*waiting;	/* newest first */
	int			 owed;		/* taken, answer not yet sent */
	bool			 stopping;
};

static void	deliver(void *);

static struct MHD_Response *
make_answer(const char *content_type, const char *body)
{
	struct MHD_Response	*r;

	if (body == NULL)
		body = "";
	r = MHD_create_response_from_buffer(strlen(body),
	    (void *)(uintptr_t)body, MHD_RESPMEM_MUST_COPY);
	if (r == NULL || (content_type != NULL && MHD_add_response_header(r,
	    MHD_HTTP_HEADER_CONTENT_TYPE, content_type) != MHD_YES))
		abort();
	return r;
}

static struct MHD_Response *
make_refusal(int status)
{
	return make_answer("text/plain", status == 413 ?
	    "the request is too big\n" : "try again later\n");
}

/*
 * The server's thread.
 */

static struct call *
call_new(struct httpd *h, struct MHD_Connection *conn)
{
	struct call	*call = xcalloc(1, sizeof(*call));

	call->server = h;
	call->conn = conn;
	buf_init(&call->body, HTTPD_BODY_MAX);
	return call;
}

static void
call_drop_body(struct call *call)
{
	call->server->held -= call->body.len;
	buf_release(&call->body);
}

static void
on_completed(void *arg, struct MHD_Connection *conn, void **slot,
    enum MHD_RequestTerminationCode why)
{
	struct httpd	*h = arg;
	struct call	*call = *slot;

	(void)conn, (void)why;
	if (call == NULL)
		return;
	*slot = NULL;
	if (call->taken) {
		pthread_mutex_lock(&h->lock);
		h->owed--;
		pthread_cond_signal(&h->ended);
		pthread_mutex_unlock(&h->lock);
	}
	call_drop_body(call);
	if (call->answer != NULL)
		MHD_destroy_response(call->answer);
	free((char *)(uintptr_t)call->req.method);
	free((char *)(uintptr_t)call->req.path);
	secret_free((char *)(uintptr_t)call->req.bearer);
	secret_free((char *)(uintptr_t)call->req.query_token);
	secret_free((char *)(uintptr_t)call->req.query);
	free((char *)(uintptr_t)call->req.from);
	free((char *)(uintptr_t)call->req.content_type);
	free(call);
}

/* A piece of the body; too much of it is read to its end, but not kept. */
static enum MHD_Result
call_body(struct call *call, const char *p, size_t n)
{
	struct httpd	*h = call->server;

	call->received += n;
	if (call->received > HTTPD_SWALLOW_MAX)
		return MHD_NO;		/* closes the connection */
	if (call->refuse != 0)
		return MHD_YES;
	if (call->received > HTTPD_BODY_MAX)
		call->refuse = 413;
	else if (h->held + n > HTTPD_BODIES_MAX)
		call->refuse = 503;
	if (call->refuse != 0) {
		call_drop_body(call);
		return MHD_YES;
	}
	buf_add(&call->body, p, n);
	h->held += n;
	return MHD_YES;
}

static const char *
get_bearer(struct MHD_Connection *conn)
{
	const char	*v = MHD_lookup_connection_value(conn, MHD_HEADER_KIND,
			    MHD_HTTP_HEADER_AUTHORIZATION);

	if (v == NULL || strncasecmp(v, "Bearer ", 7) != 0)
		return NULL;
	v += 7;
	return xstrdup(v + strspn(v, " "));
}

static const char *
get_query_token(struct MHD_Connection *conn)
{
	const char	*v = MHD_lookup_connection_value(conn,
			    MHD_GET_ARGUMENT_KIND, "access_token");

	return v != NULL ? http_unescape(v, strlen(v)) : NULL;
}

static enum MHD_Result
add_argument(void *arg, enum MHD_ValueKind kind, const char *name,
    const char *value)
{
	struct buf	*b = arg;

	(void)kind;
	buf_printf(b, "%s%s=%s", b->len > 0 ? "&" : "", name,
	    value != NULL ? value : "");
	return MHD_YES;
}

/* As it came, but for the order that libmicrohttpd gives it. */
static const char *
get_query(struct MHD_Connection *conn)
{
	struct buf	b = { 0 };

	MHD_get_connection_values(conn, MHD_GET_ARGUMENT_KIND, add_argument,
	    &b);
	return buf_take(&b);
}

/* Who is asked last names who asked it: what stands before that may be made up. */
static const char *
forwarded_for(struct MHD_Connection *conn)
{
	const char	*v = MHD_lookup_connection_value(conn, MHD_HEADER_KIND,
			    "X-Forwarded-For"), *comma;

	if (v == NULL)
		return NULL;
	if ((comma = strrchr(v, ',')) != NULL)
		v = comma + 1;
	v += strspn(v, " ");
	return v[0] != '\0' && strlen(v) <= INET6_ADDRSTRLEN &&
	    v[strspn(v, "0123456789abcdefABCDEF.:")] == '\0' ? v : NULL;
}

static const char *
get_from(struct MHD_Connection *conn)
{
	const union MHD_ConnectionInfo *i = MHD_get_connection_info(conn,
	    MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	const char	*proxied = forwarded_for(conn);
	char		 text[INET6_ADDRSTRLEN] = "";
	const void	*p;

	if (i == NULL || i->client_addr == NULL)
		return NULL;
	if (i->client_addr->sa_family == AF_INET6)
		p = &((const struct sockaddr_in6 *)
		    (const void *)i->client_addr)->sin6_addr;
	else
		p = &((const struct sockaddr_in *)
		    (const void *)i->client_addr)->sin_addr;
	if (inet_ntop(i->client_addr->sa_family, p, text, sizeof(text)) == NULL)
		return NULL;
	if (proxied != NULL)
		return xasprintf("%s, by way of %s", proxied, text);
	return xstrdup(text);
}

/* The whole request is here: hand it to the loop, or refuse it. */
static enum MHD_Result
call_complete(struct call *call, const char *method, const char *path)
{
	struct httpd		*h = call->server;
	struct MHD_Response	*refusal;
	enum MHD_Result		 ok;
	int			 status = call->refuse;

	if (status == 0) {
		call->req.method = xstrdup(method);
		call->req.path = xstrdup(path);
		call->req.bearer = get_bearer(call->conn);
		call->req.query_token = get_query_token(call->conn);
		call->req.query = get_query(call->conn);
		call->req.from = get_from(call->conn);
		call->req.content_type = xstrdup(MHD_lookup_connection_value(
		    call->conn, MHD_HEADER_KIND,
		    MHD_HTTP_HEADER_CONTENT_TYPE));
		call->req.body = buf_str(&call->body);
		call->req.body_len = call->body.len;
		pthread_mutex_lock(&h->lock);
		if (h->stopping)
			status = 503;
		else {
			call->taken = true;
			h->owed++;
			MHD_suspend_connection(call->conn);
			call->next = h->waiting;
			if (h->waiting != NULL)
				h->waiting->prev = call;
			h->waiting = call;
			loop_post(h->loop, deliver, h);
		}
		pthread_mutex_unlock(&h->lock);
	}
	if (status == 0)
		return MHD_YES;
	refusal = make_refusal(status);
	ok = MHD_queue_response(call->conn, (unsigned)status, refusal);
	MHD_destroy_response(refusal);
	return ok;
}

/* libmicrohttpd calls this for the headers, each piece, the end, the answer. */
static enum MHD_Result
on_request(void *arg, struct MHD_Connection *conn, const char *path,
    const char *method, const char *version, const char *data,
    size_t *data_len, void **slot)
{
	struct httpd	*h = arg;
	struct call	*call = *slot;
	enum MHD_Result	 ok;

	(void)version;
	if (call == NULL) {
		*slot = call_new(h, conn);
		return MHD_YES;
	}
	if (*data_len != 0) {
		ok = call_body(call, data, *data_len);
		*data_len = 0;
		return ok;
	}
	if (call->answer != NULL)
		return MHD_queue_response(conn, (unsigned)call->status,
		    call->answer);
	return call_complete(call, method, path);
}

/* Paths stay percent-encoded: "%2F" in a name is not a separator. */
static size_t
keep_escapes(void *arg, struct MHD_Connection *conn, char *s)
{
	(void)arg, (void)conn;
	return strlen(s);
}

/*
 * The loop's thread.
 */

static void
unlink_locked(struct httpd *h, struct call *call)
{
	if (call->next != NULL)
		call->next->prev = call->prev;
	if (call->prev != NULL)
		call->prev->next = call->next;
	else
		h->waiting = call->next;
}

/* The call is the server's again, and may be freed, once this resumes it. */
static void
answer(struct call *call, int status, struct MHD_Response *r)
{
	struct MHD_Connection	*conn = call->conn;

	call->status = status;
	call->answer = r;
	MHD_resume_connection(conn);
}

/* The oldest call that the handler has not seen. */
static struct call *
next_undelivered(struct httpd *h)
{
	struct call	*call, *oldest = NULL;

	pthread_mutex_lock(&h->lock);
	for (call = h->waiting; call != NULL && !call->given; call = call->next)
		oldest = call;
	if (oldest != NULL)
		oldest->given = true;
	pthread_mutex_unlock(&h->lock);
	return oldest;
}

/* Posted once per call. */
static void
deliver(void *arg)
{
	struct httpd	*h = arg;
	struct call	*call = next_undelivered(h);

	assert(call != NULL);
	h->handler(&call->req, h->arg);
}

static void
add_header(struct MHD_Response *r, const char *line)
{
	const char	*colon = strchr(line, ':');
	char		*name = xstrndup(line, (size_t)(colon - line));

	if (MHD_add_response_header(r, name, colon + 2) != MHD_YES)
		abort();
	free(name);
}

void
httpd_reply(struct httpd_req *req, int status, const char *content_type,
    const char *body)
{
	httpd_reply_with(req, status, content_type != NULL ? content_type :
	    "application/json", body, NULL);
}

void
httpd_reply_with(struct httpd_req *req, int status, const char *content_type,
    const char *body, const char *const *headers)
{
	struct call		*call = (struct call *)req;
	struct httpd		*h;
	struct MHD_Response	*r;

	if (req->answered != NULL) {
		req->answered(req, status, content_type, body, headers);
		return;
	}
	h = call->server;
	r = make_answer(content_type, body);
	for (; headers != NULL && *headers != NULL; headers++)
		add_header(r, *headers);
	pthread_mutex_lock(&h->lock);
	unlink_locked(h, call);
	pthread_mutex_unlock(&h->lock);
	answer(call, status, r);
}

char *
httpd_query(const struct httpd_req *req, const char *name)
{
	const char	*p = req->query != NULL ? req->query : "";
	size_t		 len, n = strlen(name);

	for (; *p != '\0'; p += len + (p[len] == '&')) {
		len = strcspn(p, "&");
		if (len > n && p[n] == '=' && strncmp(p, name, n) == 0)
			return http_unescape(p + n + 1, len - n - 1);
	}
	return NULL;
}

/*
 * Starting and stopping.
 */

/* "host:port" or "[host]:port" apart; both yours. */
static int
split_address(const char *listen_at, char **host, char **port, struct err *e)
{
	const char	*colon = strrchr(listen_at, ':'), *from = listen_at;
	size_t		 len;

	if (colon == NULL || colon == listen_at || colon[1] == '\0')
		goto bad;
	len = (size_t)(colon - from);
	if (*from == '[') {
		if (len < 3 || from[len - 1] != ']')
			goto bad;
		from++;
		len -= 2;
	} else if (memchr(from, ':', len) != NULL)
		goto bad;
	*host = xstrndup(from, len);
	*port = xstrdup(colon + 1);
	return 0;
bad:
	return err_set(e, ERR_USER, "listen address \"%s\": expected "
	    "ADDRESS:PORT or [ADDRESS]:PORT", listen_at);
}

static int
open_socket(const struct addrinfo *ai)
{
	int	fd, on = 1, saved;

	fd = socket(ai->ai_family, ai->ai_socktype | SOCK_CLOEXEC |
	    SOCK_NONBLOCK, ai->ai_protocol);
	if (fd == -1)
		return -1;
	/* a restart must not wait for old connections to time out */
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == -1 ||
	    bind(fd, ai->ai_addr, ai->ai_addrlen) == -1 ||
	    listen(fd, HTTPD_CONNECTIONS) == -1) {
		saved = errno;
		close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

static int
listen_on(const char *listen_at, int *fd, struct err *e)
{
	struct addrinfo	 hints = {
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_PASSIVE | AI_NUMERICSERV,
	};
	struct addrinfo	*ai = NULL;
	char		*host = NULL, *port = NULL;
	int		 rc, res = -1;

	if (split_address(listen_at, &host, &port, e) == -1)
		return -1;
	rc = getaddrinfo(host, port, &hints, &ai);
	if (rc != 0) {
		err_set(e, ERR_USER, "listen address %s: %s", listen_at,
		    gai_strerror(rc));
		goto out;
	}
	*fd = open_socket(ai);
	if (*fd == -1)
		err_set(e, errno == EADDRINUSE ? ERR_RETRY : ERR_BROKEN,
		    "listen on %s: %s", listen_at, strerror(errno));
	else
		res = 0;
out:
	if (ai != NULL)
		freeaddrinfo(ai);
	free(host);
	free(port);
	return res;
}

static int
socket_port(int fd)
{
	struct sockaddr_storage	ss;
	socklen_t		len = sizeof(ss);

	if (getsockname(fd, (struct sockaddr *)&ss, &len) == -1)
		return 0;
	if (ss.ss_family == AF_INET6)
		return ntohs(((struct sockaddr_in6 *)&ss)->sin6_port);
	return ntohs(((struct sockaddr_in *)&ss)->sin_port);
}

static void
httpd_free(struct httpd *h)
{
	pthread_cond_destroy(&h->ended);
	pthread_mutex_destroy(&h->lock);
	free(h);
}

struct httpd *
httpd_start(const char *listen_at, struct loop *loop, httpd_handler handler,
    void *arg, struct err *e)
{
	struct httpd	*h;
	int		 fd = -1;

	if (listen_on(listen_at, &fd, e) == -1)
		return NULL;
	h = xcalloc(1, sizeof(*h));
	h->loop = loop;
	h->handler = handler;
	h->arg = arg;
	h->fd = fd;
	h->port = socket_port(fd);
	if (pthread_mutex_init(&h->lock, NULL) != 0 ||
	    pthread_cond_init(&h->ended, NULL) != 0)
		abort();
	h->mhd = MHD_start_daemon(MHD_USE_AUTO |
	    MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_ITC |
	    MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_request, h,
	    MHD_OPTION_LISTEN_SOCKET, (MHD_socket)fd,
	    MHD_OPTION_NOTIFY_COMPLETED, on_completed, h,
	    MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL,
	    MHD_OPTION_CONNECTION_LIMIT, (unsigned)HTTPD_CONNECTIONS,
	    MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)HTTPD_IDLE_S,
	    MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HTTPD_MEMORY,
	    MHD_OPTION_THREAD_STACK_SIZE, (size_t)HTTPD_STACK,
	    MHD_OPTION_END);
	if (h->mhd == NULL) {
		close(fd);
		httpd_free(h);
		err_set(e, ERR_BROKEN, "the HTTP server does not start");
		return NULL;
	}
	return h;
}

int
httpd_port(const struct httpd *h)
{
	return h->port;
}

/* From here on every new call is refused; those waiting get their 503. */
static void
refuse_waiting(struct httpd *h)
{
	struct call	*call, *next;

	pthread_mutex_lock(&h->lock);
	h->stopping = true;
	call = h->waiting;
	h->waiting = NULL;
	pthread_mutex_unlock(&h->lock);
	for (; call != NULL; call = next) {
		next = call->next;
		answer(call, 503, make_refusal(503));
	}
}

/* Let the server's thread send the answers it has, for a while. */
static void
drain(struct httpd *h)
{
	struct timespec	until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += HTTPD_DRAIN_S;
	pthread_mutex_lock(&h->lock);
	while (h->owed > 0)
		if (pthread_cond_timedwait(&h->ended, &h->lock, &until) != 0)
			break;
	pthread_mutex_unlock(&h->lock);
}

void
httpd_stop(struct httpd *h)
{
	MHD_socket	fd;

	if (h == NULL)
		return;
	fd = MHD_quiesce_daemon(h->mhd);
	refuse_waiting(h);
	drain(h);
	MHD_stop_daemon(h->mhd);
	if (fd != MHD_INVALID_SOCKET)
		close(fd);
	loop_cancel(h->loop, deliver, h);
	httpd_free(h);
}
