/*
 * What outside systems tell by themselves: a thread for each system that can be
 * listened to.  What it hears is handed to the loop in order; when its stream
 * ends it is started again after a pause, and each new stream begins with one
 * look at all, because what came in between is not known.
 */
#include "engine-int.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "hiclaw/log.h"

#define PAUSE_MIN_MS	250	/* a system that restarts is back soon */
#define PAUSE_MAX_MS	2000	/* its return is to be noticed within 2 s */

struct heard {
	enum { HEARD_READY, HEARD_EVENT, HEARD_LOOK } what;
	char		*name;		/* the handle, or the key */
	struct json	*event;
	struct heard	*next;
};

struct watcher {
	struct job	 job;
	struct engine	*engine;
	struct system	*system;
	struct pool	*pool;
	struct timer	*again;
	int64_t		 pause_ms;
	atomic_bool	 is_over;
	int		 over[2];	/* pipe(2): its end is the end */
	struct err	 err;
	int		 rc;
	pthread_mutex_t	 lock;
	struct heard	*first, **last;	/* guarded by lock */
};

static void
heard_free(struct heard *h)
{
	free(h->name);
	json_free(h->event);
	free(h);
}

/* --- on the loop's thread -------------------------------------------------- */

static struct heard *
heard_take(struct watcher *w)
{
	struct heard *all;

	pthread_mutex_lock(&w->lock);
	all = w->first;
	w->first = NULL;
	w->last = &w->first;
	pthread_mutex_unlock(&w->lock);
	return all;
}

static void
take(struct watcher *w, const struct heard *h)
{
	struct engine *e = w->engine;

	switch (h->what) {
	case HEARD_READY:
		w->pause_ms = PAUSE_MIN_MS;
		store_begin(e->store);
		system_answer(e, w->system, true, 0, NULL);
		observe_system(e, w->system);
		break;
	case HEARD_EVENT:
		engine_event(e, h->name, h->event);
		break;
	case HEARD_LOOK:
		suspect(w->system, h->name);
		break;
	}
}

static void
take_all(void *arg)
{
	struct watcher *w = arg;
	struct heard *h, *next;

	for (h = heard_take(w); h != NULL; h = next) {
		next = h->next;
		take(w, h);
		heard_free(h);
	}
	observe_suspects(w->engine, w->system);
}

static void
watch_done(struct job *job)
{
	struct watcher *w = (struct watcher *)job;

	take_all(w);
	if (w->rc == -1)
		log_debug("engine", "%s: listening: %s",
		    w->system->provider->name, w->err.msg);
	timer_arm(w->again, w->pause_ms);
	w->pause_ms = w->pause_ms * 2 > PAUSE_MAX_MS ? PAUSE_MAX_MS :
	    w->pause_ms * 2;
	/* Others hear that it is gone from what they wanted of it. */
	if (w->rc == -1 && w->err.kind == ERR_RETRY)
		observe_system(w->engine, w->system);
}

static void
watch_again(void *arg)
{
	struct watcher *w = arg;

	pool_submit(w->pool, &w->job);
}

/* --- in the watcher's thread ----------------------------------------------- */

static void
hear(struct watcher *w, struct heard heard)
{
	struct heard *h = xcalloc(1, sizeof *h);
	bool is_first;

	*h = heard;
	pthread_mutex_lock(&w->lock);
	is_first = w->first == NULL;
	*w->last = h;
	w->last = &h->next;
	pthread_mutex_unlock(&w->lock);
	if (is_first)
		loop_post(w->engine->loop, take_all, w);
}

static void
on_ready(void *arg)
{
	hear(arg, (struct heard){ .what = HEARD_READY });
}

static void
on_event(void *arg, const char *handle, struct json *event)
{
	hear(arg, (struct heard){ .what = HEARD_EVENT,
	    .name = xstrdup(handle), .event = event });
}

static void
on_look(void *arg, const char *key)
{
	hear(arg, (struct heard){ .what = HEARD_LOOK, .name = xstrdup(key) });
}

static bool
is_over(void *arg)
{
	struct watcher *w = arg;

	return atomic_load(&w->is_over);
}

static void
watch_run(struct job *job)
{
	struct watcher *w = (struct watcher *)job;
	const struct watch watch = { .arg = w, .ready = on_ready,
	    .event = on_event, .look = on_look, .is_over = is_over, .over_fd = w->over[0] };

	w->rc = w->system->provider->watch(w->system->ctx, &watch, &w->err);
}

/* --- life ------------------------------------------------------------------ */

static void
over_open(struct watcher *w)
{
	if (pipe(w->over) == -1)
		abort();	/* as without memory: too few files */
	for (int i = 0; i < 2; i++)
		(void)fcntl(w->over[i], F_SETFD, FD_CLOEXEC);
}

void
watches_start(struct engine *e)
{
	for (size_t i = 0; i < e->systems_n; i++) {
		struct system *s = &e->systems[i];
		struct watcher *w;

		if (s->ctx == NULL || s->provider->watch == NULL)
			continue;
		w = s->watcher = xcalloc(1, sizeof *w);
		over_open(w);
		w->job.run = watch_run;
		w->job.done = watch_done;
		w->engine = e;
		w->system = s;
		w->last = &w->first;
		w->pause_ms = PAUSE_MIN_MS;
		pthread_mutex_init(&w->lock, NULL);
		w->pool = pool_new(e->loop, "watch", 1);
		w->again = timer_new(e->loop, watch_again, w);
		pool_submit(w->pool, &w->job);
	}
}

/* Before the systems are closed. */
void
watches_close(struct engine *e)
{
	for (size_t i = 0; i < e->systems_n; i++) {
		struct watcher *w = e->systems[i].watcher;
		struct heard *h, *next;

		if (w == NULL)
			continue;
		atomic_store(&w->is_over, true);
		close(w->over[1]);
		pool_free(w->pool);
		close(w->over[0]);
		timer_free(w->again);
		loop_cancel(e->loop, take_all, w);
		for (h = heard_take(w); h != NULL; h = next) {
			next = h->next;
			heard_free(h);
		}
		pthread_mutex_destroy(&w->lock);
		free(w);
		e->systems[i].watcher = NULL;
	}
}
