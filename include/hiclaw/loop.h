/*
 * The loop of the deciding thread and pools of doing threads (libuv, only in
 * src/net/loop.c).  Everything but loop_post is called on the loop's thread.
 */
#ifndef HICLAW_LOOP_H
#define HICLAW_LOOP_H

#include "hiclaw/base.h"

struct loop;
typedef void (*loop_cb)(void *arg);

struct loop *loop_new(void);
void	loop_free(struct loop *);	/* after its timers and pools */
/* Until loop_stop; the before-wait call is made once more at the end. */
void	loop_run(struct loop *);
void	loop_stop(struct loop *);
/* From any thread: call cb(arg) on the loop's thread, in order of posting. */
void	loop_post(struct loop *, loop_cb, void *arg);
/* Forget what was posted with this cb and arg and has not been called yet. */
void	loop_cancel(struct loop *, loop_cb, void *arg);
/*
 * Call cb each time before the loop waits for news, after everything that was
 * ready has been handled: this is where a batch of writes is committed.
 */
void	loop_before_wait(struct loop *, loop_cb, void *arg);
void	loop_on_signal(struct loop *, int signo, loop_cb, void *arg);

struct timer;
struct timer *timer_new(struct loop *, loop_cb, void *arg);	/* not armed */
void	timer_arm(struct timer *, int64_t in_ms);	/* once; re-arming moves it */
void	timer_disarm(struct timer *);
void	timer_free(struct timer *);

/*
 * A job runs in a thread of its pool, then `done` is called on the loop's
 * thread.  `run` works on what the job owns and nothing else.
 */
struct job {
	void	(*run)(struct job *);
	void	(*done)(struct job *);
	void	(*drop)(struct job *);	/* instead, at pool_free; or NULL */
	struct job *next;		/* the pool's */
};
struct pool;
struct pool *pool_new(struct loop *, const char *name, int threads);
void	pool_submit(struct pool *, struct job *);
int	pool_idle(const struct pool *);	/* threads without work */
/* Waits for running jobs; queued ones are not run.  `done` is not called, but
 * `drop`, for what the job owns. */
void	pool_free(struct pool *);

#endif
