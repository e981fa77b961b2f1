/*
 * The loop of the deciding thread, and pools of doing threads (libuv, used
 * nowhere else).
 *
 * One uv_async and a locked queue carry every call from other threads to the
 * loop.  The queue is taken as a batch: what a call posts runs in the next
 * round, so that the before-wait call (a uv_prepare) comes in between and
 * nobody can keep the loop from it.
 *
 * A pool has threads of its own, because libuv's work queue is one queue for
 * all and a slow system must not hold up another.  Its counts belong to the
 * loop's thread; only `queue` and `finished` are shared, under its lock.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE		/* pthread_setname_np */
#endif
#include "hiclaw/loop.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include <uv.h>

#include "hiclaw/log.h"

#define THREAD_STACK	(512U * 1024)	/* enough for libcurl with OpenSSL */

struct post {
	struct post	*next;
	loop_cb		 cb;
	void		*arg;
};

struct postq {
	struct post	 *head, **tail;
};

struct sig {
	uv_signal_t	 uv;
	struct sig	*next;
	loop_cb		 cb;
	void		*arg;
};

struct loop {
	uv_loop_t	 uv;
	uv_async_t	 wake;
	uv_prepare_t	 prepare;
	loop_cb		 before_cb;
	void		*before_arg;
	struct sig	*sigs;
	struct postq	 batch;		/* being called; the loop's thread only */
	pthread_mutex_t	 lock;
	struct postq	 posted;	/* under the lock */
};

struct timer {
	uv_timer_t	 uv;
	loop_cb		 cb;
	void		*arg;
};

struct jobq {
	struct job	*head, **tail;
};

struct pool {
	struct loop	*loop;
	char		 name[16];
	pthread_t	*threads;
	int		 nthreads;
	int		 inflight;	/* submitted, `done` not yet called */
	pthread_mutex_t	 lock;
	pthread_cond_t	 work;
	struct jobq	 queue;		/* under the lock, as all that follows */
	struct jobq	 finished;
	bool		 stopping;
};

/* libuv and pthreads refuse only what we got wrong or when out of memory. */
static void
must(int rc, const char *what)
{
	if (rc == 0)
		return;
	log_error("loop", "%s failed (%d)", what, rc);
	abort();
}

static void
postq_init(struct postq *q)
{
	q->head = NULL;
	q->tail = &q->head;
}

static void
postq_append(struct postq *q, struct post *p)
{
	p->next = NULL;
	*q->tail = p;
	q->tail = &p->next;
}

static struct post *
postq_first(struct postq *q)
{
	struct post	*p = q->head;

	if (p != NULL && (q->head = p->next) == NULL)
		q->tail = &q->head;
	return p;
}

/* Move everything from one queue to the end of another. */
static void
postq_move(struct postq *to, struct postq *from)
{
	if (from->head == NULL)
		return;
	*to->tail = from->head;
	to->tail = from->tail;
	postq_init(from);
}

static void
postq_drop(struct postq *q, loop_cb cb, const void *arg)
{
	struct postq	 keep;
	struct post	*p;

	postq_init(&keep);
	while ((p = postq_first(q)) != NULL) {
		if (p->cb == cb && p->arg == arg)
			free(p);
		else
			postq_append(&keep, p);
	}
	postq_move(q, &keep);
}

static void
postq_release(struct postq *q)
{
	struct post	*p;

	while ((p = postq_first(q)) != NULL)
		free(p);
}

static void
on_wake(uv_async_t *uv)
{
	struct loop	*loop = uv->data;
	struct post	*p;

	pthread_mutex_lock(&loop->lock);
	postq_move(&loop->batch, &loop->posted);
	pthread_mutex_unlock(&loop->lock);
	while ((p = postq_first(&loop->batch)) != NULL) {
		p->cb(p->arg);
		free(p);
	}
}

static void
on_prepare(uv_prepare_t *uv)
{
	struct loop	*loop = uv->data;

	if (loop->before_cb != NULL)
		loop->before_cb(loop->before_arg);
}

struct loop *
loop_new(void)
{
	struct loop	*loop = xcalloc(1, sizeof(*loop));

	postq_init(&loop->batch);
	postq_init(&loop->posted);
	must(pthread_mutex_init(&loop->lock, NULL), "pthread_mutex_init");
	must(uv_loop_init(&loop->uv), "uv_loop_init");
	must(uv_async_init(&loop->uv, &loop->wake, on_wake), "uv_async_init");
	must(uv_prepare_init(&loop->uv, &loop->prepare), "uv_prepare_init");
	loop->wake.data = loop->prepare.data = loop;
	must(uv_prepare_start(&loop->prepare, on_prepare), "uv_prepare_start");
	return loop;
}

static void
close_sig(uv_handle_t *uv)
{
	free(uv->data);
}

void
loop_free(struct loop *loop)
{
	struct sig	*sig, *next;
	int		 rounds = 100;

	if (loop == NULL)
		return;
	uv_close((uv_handle_t *)&loop->wake, NULL);
	uv_close((uv_handle_t *)&loop->prepare, NULL);
	for (sig = loop->sigs; sig != NULL; sig = next) {
		next = sig->next;
		uv_close((uv_handle_t *)&sig->uv, close_sig);
	}
	/* the closing calls; not DEFAULT, which waits for a forgotten timer */
	while (uv_run(&loop->uv, UV_RUN_NOWAIT) != 0 && rounds-- > 0)
		continue;
	must(uv_loop_close(&loop->uv), "uv_loop_close");
	postq_release(&loop->batch);
	postq_release(&loop->posted);
	pthread_mutex_destroy(&loop->lock);
	free(loop);
}

void
loop_run(struct loop *loop)
{
	uv_run(&loop->uv, UV_RUN_DEFAULT);
	on_prepare(&loop->prepare);	/* for what the last round handled */
}

void
loop_stop(struct loop *loop)
{
	uv_stop(&loop->uv);
}

void
loop_post(struct loop *loop, loop_cb cb, void *arg)
{
	struct post	*p = xmalloc(sizeof(*p));

	p->cb = cb;
	p->arg = arg;
	pthread_mutex_lock(&loop->lock);
	postq_append(&loop->posted, p);
	pthread_mutex_unlock(&loop->lock);
	must(uv_async_send(&loop->wake), "uv_async_send");
}

void
loop_cancel(struct loop *loop, loop_cb cb, void *arg)
{
	postq_drop(&loop->batch, cb, arg);
	pthread_mutex_lock(&loop->lock);
	postq_drop(&loop->posted, cb, arg);
	pthread_mutex_unlock(&loop->lock);
}

void
loop_before_wait(struct loop *loop, loop_cb cb, void *arg)
{
	loop->before_cb = cb;
	loop->before_arg = arg;
}

static void
on_signal(uv_signal_t *uv, int signo)
{
	struct sig	*sig = uv->data;

	(void)signo;
	sig->cb(sig->arg);
}

void
loop_on_signal(struct loop *loop, int signo, loop_cb cb, void *arg)
{
	struct sig	*sig = xcalloc(1, sizeof(*sig));

	sig->cb = cb;
	sig->arg = arg;
	must(uv_signal_init(&loop->uv, &sig->uv), "uv_signal_init");
	sig->uv.data = sig;
	must(uv_signal_start(&sig->uv, on_signal, signo), "uv_signal_start");
	sig->next = loop->sigs;
	loop->sigs = sig;
}

/*
 * Timers.
 */

static void
on_timer(uv_timer_t *uv)
{
	struct timer	*t = uv->data;

	t->cb(t->arg);
}

struct timer *
timer_new(struct loop *loop, loop_cb cb, void *arg)
{
	struct timer	*t = xcalloc(1, sizeof(*t));

	t->cb = cb;
	t->arg = arg;
	must(uv_timer_init(&loop->uv, &t->uv), "uv_timer_init");
	t->uv.data = t;
	return t;
}

void
timer_arm(struct timer *t, int64_t in_ms)
{
	/* libuv counts from the start of the round, which may be long ago */
	uv_update_time(t->uv.loop);
	must(uv_timer_start(&t->uv, on_timer, in_ms > 0 ? (uint64_t)in_ms : 0,
	    0), "uv_timer_start");
}

void
timer_disarm(struct timer *t)
{
	uv_timer_stop(&t->uv);
}

static void
close_timer(uv_handle_t *uv)
{
	free(uv->data);
}

void
timer_free(struct timer *t)
{
	if (t != NULL)
		uv_close((uv_handle_t *)&t->uv, close_timer);
}

/*
 * Pools.
 */

static void
jobq_init(struct jobq *q)
{
	q->head = NULL;
	q->tail = &q->head;
}

static void
jobq_append(struct jobq *q, struct job *job)
{
	job->next = NULL;
	*q->tail = job;
	q->tail = &job->next;
}

static struct job *
jobq_first(struct jobq *q)
{
	struct job	*job = q->head;

	if (job != NULL && (q->head = job->next) == NULL)
		q->tail = &q->head;
	return job;
}

static struct job *
pool_finished(struct pool *pool)
{
	struct job	*job;

	pthread_mutex_lock(&pool->lock);
	job = jobq_first(&pool->finished);
	pthread_mutex_unlock(&pool->lock);
	return job;
}

/* Posted to the loop once per finished job. */
static void
pool_deliver(void *arg)
{
	struct pool	*pool = arg;
	struct job	*job = pool_finished(pool);

	assert(job != NULL);
	pool->inflight--;
	job->done(job);
}

static void *
pool_thread(void *arg)
{
	struct pool	*pool = arg;
	struct job	*job;

	pthread_setname_np(pthread_self(), pool->name);
	pthread_mutex_lock(&pool->lock);
	for (;;) {
		while (!pool->stopping && pool->queue.head == NULL)
			pthread_cond_wait(&pool->work, &pool->lock);
		if (pool->stopping)
			break;
		job = jobq_first(&pool->queue);
		pthread_mutex_unlock(&pool->lock);
		job->run(job);
		pthread_mutex_lock(&pool->lock);
		jobq_append(&pool->finished, job);
		loop_post(pool->loop, pool_deliver, pool);
	}
	pthread_mutex_unlock(&pool->lock);
	return NULL;
}

struct pool *
pool_new(struct loop *loop, const char *name, int threads)
{
	struct pool	*pool = xcalloc(1, sizeof(*pool));
	pthread_attr_t	 attr;
	sigset_t	 all, old;
	int		 i;

	assert(threads > 0);
	pool->loop = loop;
	str_copy(pool->name, name, sizeof(pool->name));
	pool->nthreads = threads;
	pool->threads = xcalloc((size_t)threads, sizeof(*pool->threads));
	jobq_init(&pool->queue);
	jobq_init(&pool->finished);
	must(pthread_mutex_init(&pool->lock, NULL), "pthread_mutex_init");
	must(pthread_cond_init(&pool->work, NULL), "pthread_cond_init");
	must(pthread_attr_init(&attr), "pthread_attr_init");
	must(pthread_attr_setstacksize(&attr, THREAD_STACK),
	    "pthread_attr_setstacksize");
	/* signals are the loop's; SIGPIPE becomes an error of the write */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	for (i = 0; i < threads; i++)
		must(pthread_create(&pool->threads[i], &attr, pool_thread,
		    pool), "pthread_create");
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	return pool;
}

void
pool_submit(struct pool *pool, struct job *job)
{
	pool->inflight++;
	pthread_mutex_lock(&pool->lock);
	jobq_append(&pool->queue, job);
	pthread_cond_signal(&pool->work);
	pthread_mutex_unlock(&pool->lock);
}

int
pool_idle(const struct pool *pool)
{
	return pool->inflight < pool->nthreads ?
	    pool->nthreads - pool->inflight : 0;
}

static void
jobq_drop(struct jobq *q)
{
	struct job	*job;

	while ((job = jobq_first(q)) != NULL)
		if (job->drop != NULL)
			job->drop(job);
}

void
pool_free(struct pool *pool)
{
	int	i;

	if (pool == NULL)
		return;
	pthread_mutex_lock(&pool->lock);
	pool->stopping = true;
	pthread_cond_broadcast(&pool->work);
	pthread_mutex_unlock(&pool->lock);
	for (i = 0; i < pool->nthreads; i++)
		pthread_join(pool->threads[i], NULL);
	loop_cancel(pool->loop, pool_deliver, pool);
	jobq_drop(&pool->queue);
	jobq_drop(&pool->finished);
	pthread_cond_destroy(&pool->work);
	pthread_mutex_destroy(&pool->lock);
	free(pool->threads);
	free(pool);
}
