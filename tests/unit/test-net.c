/*
 * Tests of src/net: the loop, timers and pools by themselves, then HTTP client
 * and server against each other over the loopback.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "hiclaw/clock.h"
#include "hiclaw/http.h"
#include "hiclaw/httpd.h"
#include "hiclaw/loop.h"

/*
 * The loop.  `trace` collects one letter per call.
 */

static struct loop	*loop;
static struct buf	 trace;

static void
note(void *arg)
{
	buf_puts(&trace, arg);
}

static void
stop(void *arg)
{
	(void)arg;
	loop_stop(loop);
}

static void
post_two(void *arg)
{
	(void)arg;
	loop_post(loop, note, "1");
	loop_post(loop, note, "2");
	loop_post(loop, note, "X");
	loop_post(loop, stop, NULL);
	loop_cancel(loop, note, "X");
}

static int
setup(void **state)
{
	(void)state;
	loop = loop_new();
	buf_reset(&trace);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	loop_free(loop);
	loop = NULL;
	buf_release(&trace);
	return 0;
}

static void
test_post(void **state)
{
	(void)state;
	loop_before_wait(loop, note, ".");
	loop_post(loop, note, "a");
	loop_post(loop, note, "b");
	loop_post(loop, post_two, NULL);
	loop_run(loop);
	/* before the first wait, between the batches, after the last */
	assert_string_equal(buf_str(&trace), ".ab.12.");
}

#define POSTERS		4
#define POSTS_EACH	5000

static int	last_of[POSTERS], posts_seen;

static void
count_post(void *arg)
{
	uintptr_t	v = (uintptr_t)arg;
	int		who = (int)(v % POSTERS), n = (int)(v / POSTERS);

	assert_int_equal(n, last_of[who]++);	/* in order of posting */
	if (++posts_seen == POSTERS * POSTS_EACH)
		loop_stop(loop);
}

static void *
poster(void *arg)
{
	uintptr_t	who = (uintptr_t)arg, n;

	for (n = 0; n < POSTS_EACH; n++)
		loop_post(loop, count_post, (void *)(n * POSTERS + who));
	return NULL;
}

static void
test_post_threads(void **state)
{
	pthread_t	threads[POSTERS];
	uintptr_t	i;

	(void)state;
	posts_seen = 0;
	memset(last_of, 0, sizeof(last_of));
	for (i = 0; i < POSTERS; i++)
		pthread_create(&threads[i], NULL, poster, (void *)i);
	loop_run(loop);
	for (i = 0; i < POSTERS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(posts_seen, POSTERS * POSTS_EACH);
}

static void
test_timers(void **state)
{
	struct timer	*a = timer_new(loop, note, "a");
	struct timer	*b = timer_new(loop, note, "b");
	struct timer	*never = timer_new(loop, note, "never");
	struct timer	*end = timer_new(loop, stop, NULL);
	int64_t		 start = clock_mono_ms();

	(void)state;
	timer_arm(a, 40);
	timer_arm(b, 500);
	timer_arm(b, -7);		/* moved: at once */
	timer_arm(never, 1);
	timer_disarm(never);
	timer_arm(end, 60);
	loop_run(loop);
	assert_string_equal(buf_str(&trace), "ba");
	assert_true(clock_mono_ms() - start >= 59);
	timer_free(a);
	timer_free(b);
	timer_free(never);
	timer_free(end);
	timer_free(NULL);
}

static void
raise_usr1(void *arg)
{
	(void)arg;
	kill(getpid(), SIGUSR1);
}

static void
test_signal(void **state)
{
	(void)state;
	loop_on_signal(loop, SIGUSR1, stop, NULL);
	loop_on_signal(loop, SIGUSR2, note, "never");
	loop_post(loop, raise_usr1, NULL);
	loop_run(loop);
	assert_string_equal(buf_str(&trace), "");
}

/*
 * Pools.
 */

struct work {
	struct job	 job;	/* first */
	pthread_t	 thread;
	int		 in, out;
	bool		 delivered;
	int		 dropped;
};

static struct pool	*pool;
static int		 delivered, jobs_wanted;
static sem_t		 gate, entered;

static void
work_run(struct job *job)
{
	struct work	*w = (struct work *)job;

	w->thread = pthread_self();
	w->out = w->in * 2;
}

static void
work_wait(struct job *job)
{
	sem_post(&entered);
	while (sem_wait(&gate) == -1)
		continue;
	work_run(job);
}

static void
work_done(struct job *job)
{
	struct work	*w = (struct work *)job;

	w->delivered = true;
	if (++delivered == jobs_wanted)
		loop_stop(loop);
}

static void
test_pool(void **state)
{
	static struct work	works[1000];
	size_t			i;

	(void)state;
	memset(works, 0, sizeof(works));
	delivered = 0;
	jobs_wanted = NELEM(works);
	pool = pool_new(loop, "a-pool-with-a-long-name", 3);
	assert_int_equal(pool_idle(pool), 3);
	for (i = 0; i < NELEM(works); i++) {
		works[i].job.run = work_run;
		works[i].job.done = work_done;
		works[i].in = (int)i;
		pool_submit(pool, &works[i].job);
		if (i == 0)
			assert_int_equal(pool_idle(pool), 2);
	}
	assert_int_equal(pool_idle(pool), 0);
	loop_run(loop);
	assert_int_equal(pool_idle(pool), 3);
	for (i = 0; i < NELEM(works); i++) {
		assert_int_equal(works[i].out, i * 2);
		assert_true(works[i].delivered);
		assert_false(pthread_equal(works[i].thread, pthread_self()));
	}
	pool_free(pool);
}

static void
free_pool(void *arg)
{
	(void)arg;
	sem_post(&gate);	/* the one that runs may end */
	pool_free(pool);
}

static void
work_drop(struct job *job)
{
	((struct work *)job)->dropped++;
}

/*
 * One runs, one is queued; neither is delivered once the pool is gone.  The
 * queued one may slip in before the pool stops, so it must not wait.
 */
static void
test_pool_free(void **state)
{
	struct work	a = { .job = { .run = work_wait, .done = work_done,
			    .drop = work_drop } };
	struct work	b = { .job = { .run = work_run, .done = work_done,
			    .drop = work_drop } };

	(void)state;
	sem_init(&gate, 0, 0);
	sem_init(&entered, 0, 0);
	delivered = 0;
	jobs_wanted = 9;
	a.in = b.in = 21;
	pool = pool_new(loop, "one", 1);
	pool_submit(pool, &a.job);
	pool_submit(pool, &b.job);
	while (sem_wait(&entered) == -1)
		continue;
	loop_post(loop, free_pool, NULL);
	loop_post(loop, stop, NULL);
	loop_run(loop);
	assert_int_equal(a.out, 42);
	assert_int_equal(delivered, 0);
	assert_int_equal(a.dropped, 1);
	assert_int_equal(b.dropped, 1);
	pool_free(NULL);
	sem_destroy(&gate);
	sem_destroy(&entered);
}

/*
 * HTTP.  The server runs on a loop; the client calls from a thread of its own,
 * as the daemon's do, and a call's test is one row.
 */

static struct httpd		*server;
static struct httpd_req		*held_req;
static struct timer		*hold_timer;
static char			 seen_bearer[64], seen_query[64];
static int			 requests;

static void
answer_held(void *arg)
{
	(void)arg;
	httpd_reply(held_req, 202, NULL, "{\"late\":true}");
	held_req = NULL;
}

/* Says back what it was told; some paths do something of their own. */
static void
serve(struct httpd_req *req, void *arg)
{
	char	*body;

	requests++;
	str_copy(seen_bearer, req->bearer != NULL ? req->bearer : "-",
	    sizeof(seen_bearer));
	str_copy(seen_query, req->query_token != NULL ? req->query_token : "-",
	    sizeof(seen_query));
	assert_string_equal(arg, "arg");
	assert_int_equal(req->body[req->body_len], '\0');
	if (strcmp(req->path, "/late") == 0) {
		held_req = req;
		timer_arm(hold_timer, 50);
	} else if (strcmp(req->path, "/never") == 0) {
		held_req = req;
	} else if (strcmp(req->path, "/none") == 0) {
		httpd_reply(req, 404, "text/plain", "no such thing");
	} else if (strcmp(req->path, "/big") == 0) {
		body = xmalloc(300001);
		memset(body, 'x', 300000);
		body[300000] = '\0';
		httpd_reply(req, 200, "text/plain", body);
		free(body);
	} else {
		body = xasprintf("%s %s %zu %.40s", req->method, req->path,
		    req->body_len, req->body);
		httpd_reply(req, 200, "text/plain; charset=utf-8", body);
		free(body);
	}
}

struct trip {
	struct job	 job;	/* first */
	struct http_req	 req;
	struct http_res	 res;
	struct err	 err;
	int		 rc;
	int64_t		 took_ms;
};

static int	trips_left;

static void
trip_run(struct job *job)
{
	struct trip	*t = (struct trip *)job;
	int64_t		 start = clock_mono_ms();

	t->rc = http_call(&t->req, &t->res, &t->err);
	t->took_ms = clock_mono_ms() - start;
}

static void
trip_done(struct job *job)
{
	(void)job;
	if (--trips_left == 0)
		loop_stop(loop);
}

static void
trip_start(struct trip *t)
{
	t->job.run = trip_run;
	t->job.done = trip_done;
	memset(&t->res, 0, sizeof(t->res));
	memset(&t->err, 0, sizeof(t->err));
	trips_left++;
	pool_submit(pool, &t->job);
}

static void
trip_make(struct trip *t)
{
	trip_start(t);
	loop_run(loop);
}

static char *
url(const char *path)
{
	static char	s[512];

	snprintf(s, sizeof(s), "http://127.0.0.1:%d%s", httpd_port(server),
	    path);
	return s;
}

static int
setup_http(void **state)
{
	struct err	e;

	setup(state);
	server = httpd_start("127.0.0.1:0", loop, serve, "arg", &e);
	if (server == NULL)
		return -1;
	pool = pool_new(loop, "client", 4);
	hold_timer = timer_new(loop, answer_held, NULL);
	requests = 0;
	return 0;
}

static int
teardown_http(void **state)
{
	httpd_stop(server);
	server = NULL;
	pool_free(pool);
	timer_free(hold_timer);
	return teardown(state);
}

static void
test_methods(void **state)
{
	static const struct {
		const char	*method, *path, *body, *want;
		int		 status;
	} rows[] = {
		{ "GET", "/a", NULL, "GET /a 0 ", 200 },
		{ "PUT", "/a/b", "{\"x\":1}", "PUT /a/b 7 {\"x\":1}", 200 },
		{ "PUT", "/a", NULL, "PUT /a 0 ", 200 },
		{ "POST", "/a", NULL, "POST /a 0 ", 200 },
		{ "POST", "/a", "", "POST /a 0 ", 200 },
		{ "DELETE", "/a", NULL, "DELETE /a 0 ", 200 },
		{ "DELETE", "/a", "why", "DELETE /a 3 why", 200 },
		{ "PATCH", "/a", "p", "PATCH /a 1 p", 200 },
		{ "HEAD", "/a", NULL, "", 200 },
		{ "GET", "/none", NULL, "no such thing", 404 },
		{ "GET", "/%23a%2Fb/%C3%BC%25/../x?q=1", NULL,
		    "GET /%23a%2Fb/%C3%BC%25/../x 0 ", 200 },
		{ "GET", "/late", NULL, "{\"late\":true}", 202 },
	};
	uint64_t	all, writes, all2, writes2;
	size_t		i;

	(void)state;
	http_counts(&all, &writes);
	for (i = 0; i < NELEM(rows); i++) {
		struct trip	t = { .req = {
			.method = rows[i].method,
			.url = url(rows[i].path),
			.body = rows[i].body,
			.body_len = rows[i].body != NULL ?
			    strlen(rows[i].body) : 0,
		} };

		trip_make(&t);
		if (t.rc != 0)
			fail_msg("%s %s: %s", rows[i].method, rows[i].path,
			    t.err.msg);
		assert_int_equal(t.res.status, rows[i].status);
		assert_string_equal(buf_str(&t.res.body), rows[i].want);
		http_res_release(&t.res);
	}
	http_counts(&all2, &writes2);
	assert_int_equal(all2 - all, NELEM(rows));
	assert_int_equal(writes2 - writes, 7);
	assert_int_equal(requests, NELEM(rows));
}

static void
test_tokens(void **state)
{
	struct trip	t = { .req = { .method = "GET", .url = url("/x"),
			    .bearer = "syt_abc.def" } };

	(void)state;
	trip_make(&t);
	assert_int_equal(t.rc, 0);
	assert_string_equal(t.res.content_type, "text/plain; charset=utf-8");
	assert_string_equal(seen_bearer, "syt_abc.def");
	assert_string_equal(seen_query, "-");
	http_res_release(&t.res);

	t.req.bearer = NULL;
	t.req.url = url("/x?a=b&access_token=q%2Bx%20y&c");
	trip_make(&t);
	assert_string_equal(seen_bearer, "-");
	assert_string_equal(seen_query, "q+x y");
	http_res_release(&t.res);

	t.req.bearer = "x\r\nEvil: yes";
	trip_make(&t);
	assert_int_equal(t.rc, -1);
	assert_int_equal(t.err.kind, ERR_USER);
	assert_null(strstr(t.err.msg, "Evil"));
}

static void
test_sizes(void **state)
{
	struct trip	 t = { .req = { .method = "PUT", .url = url("/up") } };
	size_t		 sizes[] = { 20000, HTTPD_BODY_MAX, HTTPD_BODY_MAX + 1,
			    2 * HTTPD_BODY_MAX }, i;
	char		*body = xmalloc(2 * HTTPD_BODY_MAX), want[80];

	(void)state;
	memset(body, 'b', 2 * HTTPD_BODY_MAX);
	t.req.body = body;
	for (i = 0; i < NELEM(sizes); i++) {
		t.req.body_len = sizes[i];
		trip_make(&t);
		assert_int_equal(t.rc, 0);
		snprintf(want, sizeof(want), "PUT /up %zu %.40s", sizes[i],
		    "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb");
		if (sizes[i] <= HTTPD_BODY_MAX)
			assert_string_equal(buf_str(&t.res.body), want);
		else
			assert_int_equal(t.res.status, 413);
		http_res_release(&t.res);
	}
	free(body);
	assert_int_equal(requests, 2);

	/* the other way round: an answer over the client's cap */
	t.req = (struct http_req){ .method = "GET", .url = url("/big"),
	    .max_bytes = 299999 };
	trip_make(&t);
	assert_int_equal(t.rc, -1);
	assert_int_equal(t.err.kind, ERR_USER);
	assert_null(t.res.body.data);
	t.req.max_bytes = 300000;
	trip_make(&t);
	assert_int_equal(t.rc, 0);
	assert_int_equal(t.res.body.len, 300000);
	http_res_release(&t.res);
}

/* Many at once, on connections that are kept. */
static void
test_many(void **state)
{
	static struct trip	trips[400];
	const char		*where = url("/n");
	char			 body[40];
	size_t			 i;

	(void)state;
	for (i = 0; i < NELEM(trips); i++) {
		trips[i].req = (struct http_req){ .method = "PUT",
		    .url = where, .body = "hello", .body_len = 5 };
		trip_start(&trips[i]);
	}
	loop_run(loop);
	snprintf(body, sizeof(body), "PUT /n 5 hello");
	for (i = 0; i < NELEM(trips); i++) {
		assert_int_equal(trips[i].rc, 0);
		assert_string_equal(buf_str(&trips[i].res.body), body);
		http_res_release(&trips[i].res);
	}
	assert_int_equal(requests, NELEM(trips));
}

static void
test_timeout(void **state)
{
	struct trip	t = { .req = { .method = "GET", .url = url("/never"),
			    .timeout_ms = 200 } };

	(void)state;
	held_req = NULL;
	trip_make(&t);
	assert_int_equal(t.rc, -1);
	assert_int_equal(t.err.kind, ERR_RETRY);
	assert_non_null(strstr(t.err.msg, "127.0.0.1"));
	assert_true(t.took_ms >= 190 && t.took_ms < 5000);
	/* the client is gone; a reply to it must do no harm */
	if (held_req != NULL)	/* else it never got here */
		httpd_reply(held_req, 200, NULL, "too late");
	t.req.url = url("/after");
	t.req.timeout_ms = 0;
	trip_make(&t);
	assert_int_equal(t.rc, 0);
	http_res_release(&t.res);
}

static void
test_bad_urls(void **state)
{
	static const struct {
		const char	*url;
		enum err_kind	 kind;
	} rows[] = {
		{ "file:///etc/passwd", ERR_USER },
		{ "ftp://127.0.0.1/x", ERR_USER },
		{ "http://", ERR_USER },
		{ "http://127.0.0.1:99999/", ERR_USER },
		{ "", ERR_USER },
		{ "127.0.0.1:9/", ERR_USER },
		/* nothing listens on the discard port of a test machine */
		{ "http://u:secret@127.0.0.1:9/p?access_token=secret",
		    ERR_RETRY },
	};
	size_t	i;

	(void)state;
	for (i = 0; i < NELEM(rows); i++) {
		struct trip	t = { .req = { .method = "GET",
				    .url = rows[i].url } };

		trip_make(&t);
		assert_int_equal(t.rc, -1);
		if (t.err.kind != rows[i].kind)
			fail_msg("%s: %s", rows[i].url, t.err.msg);
		assert_null(strstr(t.err.msg, "secret"));
	}
}

/*
 * A server of one connection that says what it is told, for answers that ours
 * never gives.
 */
struct raw {
	pthread_t	 thread;
	int		 fd;
	const char	*answer;
	char		 request[4096];
};

static void *
raw_thread(void *arg)
{
	struct raw	*raw = arg;
	int		 fd = accept(raw->fd, NULL, NULL);
	size_t		 len = strlen(raw->answer);

	if (fd != -1 && read(fd, raw->request, sizeof(raw->request) - 1) > 0 &&
	    send(fd, raw->answer, len, MSG_NOSIGNAL) != (ssize_t)len)
		abort();
	close(fd);
	return NULL;
}

/* Makes t's call, whatever its URL, to such a server. */
static void
raw_call(struct raw *raw, struct trip *t)
{
	struct sockaddr_in	sin = { .sin_family = AF_INET };
	socklen_t		len = sizeof(sin);
	char			where[64];

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	raw->fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(raw->fd, (struct sockaddr *)&sin, len), 0);
	assert_int_equal(listen(raw->fd, 1), 0);
	getsockname(raw->fd, (struct sockaddr *)&sin, &len);
	snprintf(where, sizeof(where), "http://127.0.0.1:%d/",
	    ntohs(sin.sin_port));
	pthread_create(&raw->thread, NULL, raw_thread, raw);
	t->req.url = where;
	trip_make(t);
	pthread_join(raw->thread, NULL);
	close(raw->fd);
}

static void
test_raw_answers(void **state)
{
	static const struct {
		const char	*answer;
		int		 rc, status, retry_min, retry_max;
	} rows[] = {
		{ "HTTP/1.1 429 Slow\r\nRetry-After: 7\r\n"
		    "Content-Length: 0\r\n\r\n", 0, 429, 7, 7 },
		{ "HTTP/1.1 503 Down\r\n"
		    "Retry-After: Fri, 31 Dec 2100 23:59:59 GMT\r\n"
		    "Content-Length: 0\r\n\r\n", 0, 503, 3600, 3600 },
		{ "HTTP/1.1 503 Down\r\n"
		    "Retry-After: Fri, 31 Dec 1999 23:59:59 GMT\r\n"
		    "Content-Length: 0\r\n\r\n", 0, 503, 0, 0 },
		{ "HTTP/1.1 429 Slow\r\nRetry-After: soon\r\n"
		    "Content-Length: 0\r\n\r\n", 0, 429, 0, 0 },
		{ "HTTP/1.1 429 Slow\r\nRetry-After: 99999999999999\r\n"
		    "Content-Length: 0\r\n\r\n", 0, 429, 3600, 3600 },
		{ "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\n"
		    "Content-Length: 0\r\n\r\n", 0, 302, 0, 0 },
		{ "HTTP/1.1 500 Oh\r\nContent-Length: 2\r\n\r\nno",
		    0, 500, 0, 0 },
		{ "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n"
		    "Transfer-Encoding: chunked\r\nTrailer: X-Y\r\n\r\n"
		    "2\r\nok\r\n0\r\nX-Y: z\r\n\r\n", 0, 200, 0, 0 },
		{ "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nX",
		    -1, 0, 0, 0 },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\ncut short",
		    -1, 0, 0, 0 },
		{ "HTTP/1.1 200 OK\r\nContent-Le", -1, 0, 0, 0 },
		{ "gibberish\r\n\r\n", -1, 0, 0, 0 },
		{ "", -1, 0, 0, 0 },
	};
	struct trip	t;
	size_t		i;

	(void)state;
	for (i = 0; i < NELEM(rows); i++) {
		struct raw	raw = { .answer = rows[i].answer };

		memset(&t, 0, sizeof(t));
		t.req = (struct http_req){ .method = "POST", .body = "{}",
		    .body_len = 2 };
		raw_call(&raw, &t);
		if (t.rc != rows[i].rc)
			fail_msg("row %zu: %s", i, t.err.msg);
		assert_int_equal(t.res.status, rows[i].status);
		assert_in_range(t.res.retry_after_s, rows[i].retry_min,
		    rows[i].retry_max);
		if (t.rc == -1)
			assert_int_equal(t.err.kind, ERR_RETRY);
		http_res_release(&t.res);
	}
}

/* Headers there: ours, the caller's, and both kinds of Authorization. */
static void
test_request_headers(void **state)
{
	static const char *const	headers[] = { "X-One: 1",
	    "Accept: text/plain", "Authorization: Custom abc", NULL };
	struct raw	raw = { .answer = "HTTP/1.1 204 No\r\n\r\n" };
	struct trip	t = { .req = { .method = "GET",
			    .headers = headers } };

	(void)state;
	raw_call(&raw, &t);
	assert_int_equal(t.rc, 0);
	http_res_release(&t.res);
	assert_non_null(strstr(raw.request, "\r\nX-One: 1\r\n"));
	assert_non_null(strstr(raw.request, "\r\nAccept: text/plain\r\n"));
	assert_null(strstr(raw.request, "Accept: */*"));
	assert_non_null(strstr(raw.request,
	    "\r\nAuthorization: Custom abc\r\n"));
	assert_null(strstr(raw.request, "Content-Type"));

	raw = (struct raw){ .answer = raw.answer };
	t.req = (struct http_req){ .method = "PUT", .basic = "me:p:w d",
	    .content_type = "text/plain", .body = "x", .body_len = 1 };
	raw_call(&raw, &t);
	http_res_release(&t.res);
	assert_non_null(strstr(raw.request,
	    "\r\nAuthorization: Basic bWU6cDp3IGQ=\r\n"));
	assert_non_null(strstr(raw.request, "\r\nContent-Type: text/plain\r\n"));

	/* nothing of it stays in the thread's handle */
	raw = (struct raw){ .answer = raw.answer };
	t.req = (struct http_req){ .method = "GET" };
	raw_call(&raw, &t);
	http_res_release(&t.res);
	assert_null(strstr(raw.request, "Authorization"));
	assert_null(strstr(raw.request, "X-One"));
}

static void
test_bad_headers(void **state)
{
	static const char *const	bad[] = { "X: 1\r\nEvil: yes",
	    "X: 1\nEvil: yes", "X\n: 1", "X: \r", "X: \x01", "X: \x7f" };
	size_t	i;

	(void)state;
	for (i = 0; i < NELEM(bad); i++) {
		const char *const	headers[] = { "A: b", bad[i], NULL };
		struct trip		t = { .req = { .method = "GET",
					    .url = url("/x"),
					    .headers = headers } };

		trip_make(&t);
		assert_int_equal(t.rc, -1);
		assert_int_equal(t.err.kind, ERR_USER);
		assert_null(strstr(t.err.msg, "Evil"));
	}
	assert_int_equal(requests, 0);
}

/* Headers back: names in lower case, of the last head, capped. */
static void
test_answer_headers(void **state)
{
	struct raw	raw = { .answer = "HTTP/1.1 100 Continue\r\n"
			    "X-First: no\r\n\r\nHTTP/1.1 200 OK\r\n"
			    "ETag:  \"A:b\" \r\nX-Empty:\r\nx-two: 1\r\n"
			    "X-Two: 2\r\nTransfer-Encoding: chunked\r\n\r\n"
			    "0\r\nX-Last: no\r\n\r\n" };
	struct trip	t = { .req = { .method = "GET" } };
	struct buf	many = { 0 };
	int		i;

	(void)state;
	raw_call(&raw, &t);
	assert_int_equal(t.rc, 0);
	assert_string_equal(http_header(&t.res, "etag"), "\"A:b\"");
	assert_string_equal(http_header(&t.res, "x-empty"), "");
	assert_string_equal(http_header(&t.res, "x-two"), "1");
	assert_null(http_header(&t.res, "x-first"));
	assert_null(http_header(&t.res, "x-last"));
	assert_null(http_header(&t.res, "x-tw"));
	http_res_release(&t.res);

	buf_puts(&many, "HTTP/1.1 200 OK\r\n");
	for (i = 0; i < 500; i++)
		buf_printf(&many, "X-%d: %0200d\r\n", i, i);
	buf_puts(&many, "Content-Length: 0\r\n\r\n");
	raw = (struct raw){ .answer = buf_str(&many) };
	raw_call(&raw, &t);
	assert_int_equal(t.rc, 0);
	assert_in_range(t.res.headers.n, 10, 100);
	http_res_release(&t.res);
	buf_release(&many);
}

/*
 * Addresses that are not public are refused, however they are written, and
 * nothing is sent to them.
 */
static void
test_public_only(void **state)
{
	static const char *const	hosts[] = { "127.0.0.1", "127.1.2.3",
	    "localhost", "2130706433", "0x7f.1", "0.0.0.0", "[::1]",
	    "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[64:ff9b::7f00:1]",
	    "[::]", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.0.1",
	    "169.254.169.254", "100.64.0.1", "192.0.0.8", "198.18.0.1",
	    "224.0.0.1", "255.255.255.255", "[fe80::1]", "[fc00::1]",
	    "[fd12:3456::1]", "[2001:db8::1]", "[2002:7f00:1::]", "[ff02::1]" };
	char	where[128];
	size_t	i;

	(void)state;
	for (i = 0; i < NELEM(hosts); i++) {
		struct trip	t = { .req = { .method = "GET", .url = where,
				    .public_only = true,
				    .timeout_ms = 2000 } };

		snprintf(where, sizeof(where), "http://%s:%d/x", hosts[i],
		    httpd_port(server));
		trip_make(&t);
		if (t.rc != -1 || t.err.kind != ERR_DENIED)
			fail_msg("%s: %d %s", hosts[i], t.rc, t.err.msg);
	}
	assert_int_equal(requests, 0);
}

/* Nor does a connection that was kept from an earlier call help. */
static void
test_public_only_reuse(void **state)
{
	struct trip	t = { .req = { .method = "GET" } };

	(void)state;
	pool_free(pool);
	pool = pool_new(loop, "one", 1);
	t.req.url = url("/x");
	trip_make(&t);
	assert_int_equal(t.rc, 0);
	http_res_release(&t.res);
	t.req.public_only = true;
	trip_make(&t);
	assert_int_equal(t.rc, -1);
	assert_int_equal(t.err.kind, ERR_DENIED);
	assert_int_equal(requests, 1);
	t.req.public_only = false;
	trip_make(&t);
	assert_int_equal(t.rc, 0);
	http_res_release(&t.res);
}

/*
 * Answers that are read while they come, over a unix socket.
 */
struct stream {
	struct buf	 got;
	int		 heads;
	int64_t		 over_ms;	/* it is over from then on; 0: never */
	bool		 calls;		/* make another call for each piece */
	const char	*stop_at;	/* end when this came, or NULL */
};

static int
on_piece(void *arg, const char *p, size_t n)
{
	struct stream	*s = arg;
	struct http_req	 req = { .method = "GET", .url = "http://127.0.0.1:9/" };
	struct http_res	 res;
	struct err	 e;

	s->heads += n == 0;
	buf_add(&s->got, p, n);
	if (s->calls)
		assert_int_equal(http_call(&req, &res, &e), -1);
	return s->stop_at != NULL && strstr(buf_str(&s->got), s->stop_at) !=
	    NULL ? -1 : 0;
}

static bool
on_poll(void *arg)
{
	struct stream	*s = arg;

	return s->over_ms != 0 && clock_mono_ms() > s->over_ms;
}

struct unix_server {
	struct raw	 raw;
	char		 dir[32], path[64];
	bool		 holds;		/* keeps the connection open */
};

static void *
unix_thread(void *arg)
{
	struct unix_server	*u = arg;
	int			 fd = accept(u->raw.fd, NULL, NULL);
	size_t			 len = strlen(u->raw.answer);
	char			 byte;

	if (fd != -1 && read(fd, u->raw.request, sizeof(u->raw.request) - 1) >
	    0 && send(fd, u->raw.answer, len, MSG_NOSIGNAL) != (ssize_t)len)
		abort();
	while (u->holds && read(fd, &byte, 1) > 0)
		;
	close(fd);
	return NULL;
}

static void
unix_call(struct unix_server *u, struct trip *t)
{
	struct sockaddr_un	a = { .sun_family = AF_UNIX };

	str_copy(u->dir, "/tmp/hiclaw-net-XXXXXX", sizeof(u->dir));
	assert_non_null(mkdtemp(u->dir));
	snprintf(u->path, sizeof(u->path), "%s/s", u->dir);
	str_copy(a.sun_path, u->path, sizeof(a.sun_path));
	u->raw.fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(u->raw.fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(u->raw.fd, 1), 0);
	pthread_create(&u->raw.thread, NULL, unix_thread, u);
	t->req.unix_socket = u->path;
	trip_make(t);
	pthread_join(u->raw.thread, NULL);
	close(u->raw.fd);
	unlink(u->path);
	rmdir(u->dir);
}

static void
test_unix_socket(void **state)
{
	struct unix_server	u = { .raw.answer = "HTTP/1.1 200 OK\r\n"
				    "Content-Length: 2\r\n\r\nhi" };
	struct trip		t = { .req = { .method = "GET",
				    .url = "http://localhost/path?q" } };

	(void)state;
	unix_call(&u, &t);
	assert_int_equal(t.rc, 0);
	assert_string_equal(buf_str(&t.res.body), "hi");
	assert_non_null(strstr(u.raw.request, "GET /path?q HTTP/1.1"));
	http_res_release(&t.res);
	/* Nobody is there now: the message says where. */
	trip_make(&t);
	assert_int_equal(t.rc, -1);
	assert_int_equal(t.err.kind, ERR_RETRY);
	assert_non_null(strstr(t.err.msg, u.path));
}

static void
test_stream(void **state)
{
	static const char	ok[] = "HTTP/1.1 200 OK\r\n\r\none two";
	static const struct {
		const char	*answer;
		bool		 holds, is_over, calls;
		const char	*stop_at;
		int		 rc, status, heads;
		bool		 was_ended;
		const char	*got, *body;
	} rows[] = {
		{ ok, false, false, false, NULL, 0, 200, 1, false, "one two",
		    "" },
		{ ok, false, false, true, NULL, 0, 200, 1, false, "one two",
		    "" },
		/* we have had enough */
		{ ok, true, false, false, "two", 0, 200, 1, true, "one two",
		    "" },
		{ ok, true, false, false, "", 0, 200, 1, true, "", "" },
		/* we are asked, and it is over */
		{ ok, true, true, false, NULL, 0, 200, 1, true, NULL, "" },
		{ "HTTP/1.1 200 OK\r\n", true, true, false, NULL, -1, 0, 0,
		    false, "", "" },
		/* what is no success is an answer like any other */
		{ "HTTP/1.1 404 No\r\nContent-Length: 4\r\n\r\nnone", false,
		    false, false, NULL, 0, 404, 0, false, "", "none" },
		/* cut short by the server */
		{ "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\none", false,
		    false, false, NULL, -1, 0, 1, false, "one", "" },
	};

	(void)state;
	for (size_t i = 0; i < NELEM(rows); i++) {
		struct stream		s = { .over_ms = rows[i].is_over ?
					    clock_mono_ms() + 300 : 0,
					    .calls = rows[i].calls,
					    .stop_at = rows[i].stop_at };
		struct unix_server	u = { .raw.answer = rows[i].answer,
					    .holds = rows[i].holds };
		struct trip		t = { .req = { .method = "GET",
					    .url = "http://localhost/",
					    .chunk = on_piece,
					    .is_over = on_poll,
					    .chunk_arg = &s } };

		unix_call(&u, &t);
		assert_int_equal(t.rc, rows[i].rc);
		assert_int_equal(s.heads, rows[i].heads);
		if (rows[i].got != NULL)
			assert_string_equal(buf_str(&s.got), rows[i].got);
		assert_true(t.took_ms < 3000);
		if (t.rc == 0) {
			assert_int_equal(t.res.status, rows[i].status);
			assert_int_equal(t.res.was_ended, rows[i].was_ended);
			assert_string_equal(buf_str(&t.res.body),
			    rows[i].body);
			http_res_release(&t.res);
		} else
			assert_int_equal(t.err.kind, ERR_RETRY);
		buf_release(&s.got);
	}
}

/* It has no limit of its own, and keeps the one it is told. */
static void
test_stream_limit(void **state)
{
	struct stream		s = {0};
	struct unix_server	u = { .raw.answer = "HTTP/1.1 200 OK\r\n\r\nx",
				    .holds = true };
	struct trip		t = { .req = { .method = "GET",
				    .url = "http://localhost/",
				    .chunk = on_piece, .chunk_arg = &s,
				    .timeout_ms = 200 } };

	(void)state;
	unix_call(&u, &t);
	assert_int_equal(t.rc, -1);
	assert_int_equal(t.err.kind, ERR_RETRY);
	assert_string_equal(buf_str(&s.got), "x");
	buf_release(&s.got);
}

static void
test_escape(void **state)
{
	char	*s = http_escape("#a/b \xc3\xbc~-._!%");

	(void)state;
	assert_string_equal(s, "%23a%2Fb%20%C3%BC~-._%21%25");
	free(s);
	s = http_unescape("%23a%2fb+%C3%BC", 15);
	assert_string_equal(s, "#a/b+\xc3\xbc");
	free(s);
	assert_null(http_unescape("a%0", 3));
	assert_null(http_unescape("a%zz", 4));
	assert_null(http_unescape("%00", 3));
	assert_null(http_unescape("a\0b", 3));
	assert_null(http_unescape("%41", 2));
	s = http_unescape("", 0);
	assert_string_equal(s, "");
	free(s);
}

static void
test_listen(void **state)
{
	static const char *const bad[] = { "", "8080", ":8080", "1.2.3.4:",
	    "::1:80", "[::1]", "[]:80", "1.2.3.4:http", "1.2.3.4:x" };
	struct httpd	*h;
	struct err	 e;
	char		 taken[32];
	size_t		 i;

	(void)state;
	for (i = 0; i < NELEM(bad); i++) {
		if (httpd_start(bad[i], loop, serve, NULL, &e) != NULL)
			fail_msg("%s", bad[i]);
		assert_int_equal(e.kind, ERR_USER);
	}
	snprintf(taken, sizeof(taken), "127.0.0.1:%d", httpd_port(server));
	assert_null(httpd_start(taken, loop, serve, NULL, &e));
	assert_non_null(strstr(e.msg, taken));
	h = httpd_start("[::1]:0", loop, serve, NULL, &e);
	if (h != NULL) {		/* a machine may have no IPv6 */
		assert_int_not_equal(httpd_port(h), 0);
		httpd_stop(h);
	}
	httpd_stop(NULL);
}

static void
stop_when_held(void *arg)
{
	(void)arg;
	if (held_req == NULL) {
		timer_arm(hold_timer, 5);
		return;
	}
	httpd_stop(server);
	server = NULL;
}

/* Stopped with a request unanswered: its client hears 503. */
static void
test_stop_waiting(void **state)
{
	struct trip	t = { .req = { .method = "GET",
			    .url = url("/never") } };

	(void)state;
	held_req = NULL;
	timer_free(hold_timer);
	hold_timer = timer_new(loop, stop_when_held, NULL);
	timer_arm(hold_timer, 5);
	trip_make(&t);
	assert_int_equal(t.rc, 0);
	assert_int_equal(t.res.status, 503);
	http_res_release(&t.res);
}

/* Stopped while a request is half here: no waiting for the rest of it. */
static void
test_stop_reading(void **state)
{
	static const char	half[] = "PUT /x HTTP/1.1\r\nHost: x\r\n"
				    "Content-Length: 100\r\n\r\nhalf";
	struct sockaddr_in	sin = { .sin_family = AF_INET };
	char			rest[512];
	int64_t			start;
	int			fd;
	struct trip		t = { .req = { .method = "GET",
				    .url = url("/x") } };

	(void)state;
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	sin.sin_port = htons((uint16_t)httpd_port(server));
	fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	assert_int_equal(write(fd, half, sizeof(half) - 1), sizeof(half) - 1);
	trip_make(&t);		/* the half was there before */
	http_res_release(&t.res);
	start = clock_mono_ms();
	httpd_stop(server);
	server = NULL;
	assert_true(clock_mono_ms() - start < 1500);
	assert_true(read(fd, rest, sizeof(rest)) <= 0);
	close(fd);
	assert_int_equal(requests, 1);
}

static void
abort_when_held(void *arg)
{
	(void)arg;
	if (held_req == NULL)
		timer_arm(hold_timer, 5);
	else
		http_abort_all();
}

/* The last test: there is no way back from http_abort_all. */
static void
test_abort(void **state)
{
	struct trip	t = { .req = { .method = "GET",
			    .url = url("/never") } };

	(void)state;
	held_req = NULL;
	timer_free(hold_timer);
	hold_timer = timer_new(loop, abort_when_held, NULL);
	timer_arm(hold_timer, 5);
	trip_make(&t);
	assert_int_equal(t.rc, -1);
	assert_int_equal(t.err.kind, ERR_BROKEN);
	assert_true(t.took_ms < 5000);
	requests = 0;
	trip_make(&t);
	assert_int_equal(t.rc, -1);
	assert_int_equal(t.err.kind, ERR_BROKEN);
	assert_int_equal(requests, 0);
}

#define LOOP_TEST(f)	cmocka_unit_test_setup_teardown(f, setup, teardown)
#define HTTP_TEST(f)	\
	cmocka_unit_test_setup_teardown(f, setup_http, teardown_http)

int
main(void)
{
	const struct CMUnitTest	tests[] = {
		LOOP_TEST(test_post),
		LOOP_TEST(test_post_threads),
		LOOP_TEST(test_timers),
		LOOP_TEST(test_signal),
		LOOP_TEST(test_pool),
		LOOP_TEST(test_pool_free),
		HTTP_TEST(test_methods),
		HTTP_TEST(test_tokens),
		HTTP_TEST(test_sizes),
		HTTP_TEST(test_many),
		HTTP_TEST(test_timeout),
		HTTP_TEST(test_bad_urls),
		HTTP_TEST(test_raw_answers),
		HTTP_TEST(test_request_headers),
		HTTP_TEST(test_bad_headers),
		HTTP_TEST(test_answer_headers),
		HTTP_TEST(test_public_only),
		HTTP_TEST(test_public_only_reuse),
		HTTP_TEST(test_unix_socket),
		HTTP_TEST(test_stream),
		HTTP_TEST(test_stream_limit),
		cmocka_unit_test(test_escape),
		HTTP_TEST(test_listen),
		HTTP_TEST(test_stop_waiting),
		HTTP_TEST(test_stop_reading),
		HTTP_TEST(test_abort),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
