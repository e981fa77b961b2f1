/*
 * The stream of events: each is only a hint that something happened to a
 * container of ours, which is then looked at; what was found is what is told.
 *
 * There is no filter by event, because engines differ in what they call them,
 * and no look back: whoever listens looks at all as soon as the stream is open.
 */
#include "docker-int.h"

#include <stdlib.h>
#include <string.h>

#include "hiclaw/log.h"

#define OLD_NS		60000000000LL	/* said again when a log is rotated */
#define TOLD_MAX	4096		/* containers; then all is told again */

struct listening {
	struct docker		*d;
	const struct watch	*watch;
	struct docker_lines	 lines;
	int64_t			 last_ns;	/* of the newest event */
	struct map		*told;		/* id -> what was said of it last:
						 * an end has many events */
};

static void
tell(struct listening *l, const char *id, struct json *event)
{
	char *text;

	json_set_str(event, "id", id);
	text = json_canonical(event);
	if (str_equal(text, map_find(l->told, id))) {
		free(text);
		json_free(event);
		return;
	}
	if (map_size(l->told) >= TOLD_MAX) {
		map_free(l->told);
		l->told = map_new(free);
	}
	map_set(l->told, id, text);
	l->watch->event(l->watch->arg, id, event);
}

static void
tell_seen(struct listening *l, const char *id, const struct json *inspect)
{
	struct json *event;

	if (inspect == NULL) {
		event = json_object();
		json_set_str(event, "type", "container");
		json_set_bool(event, "gone", true);
		tell(l, id, event);
		return;
	}
	event = docker_seen(inspect);
	/* Another event comes when it has become what it becomes. */
	if (docker_is_passing(json_str(event, "state")) ||
	    !docker_is_ours(inspect, l->d->instance))
		json_free(event);
	else
		tell(l, id, event);
}

static int
on_line(void *arg, const char *line, size_t n)
{
	struct listening *l = arg;
	struct json *event = NULL, *inspect = NULL;
	const char *id, *action;
	int64_t ns;
	struct err e;

	if (docker_event(line, n, &event, &id, &action, &ns) &&
	    ns >= l->last_ns - OLD_NS) {
		if (ns > l->last_ns)
			l->last_ns = ns;
		if (docker_inspect(l->d, id, &inspect, NULL, &e) == 0)
			tell_seen(l, id, inspect);
		else
			log_debug("docker", "%.12s: %s: %s", id, action,
			    e.msg);
		json_free(inspect);
	}
	json_free(event);
	return 0;
}

static void
stream_is(struct docker *d, bool is_open)
{
	pthread_mutex_lock(&d->lock);
	d->is_told = is_open;
	d->looked_ms = 0;
	pthread_mutex_unlock(&d->lock);
}

static int
on_chunk(void *arg, const char *data, size_t n)
{
	struct listening *l = arg;

	if (n == 0) {
		stream_is(l->d, true);
		l->watch->ready(l->watch->arg);
		return 0;
	}
	return docker_lines(&l->lines, data, n, on_line, l);
}

static bool
is_over(void *arg)
{
	struct listening *l = arg;

	return l->watch->is_over(l->watch->arg);
}

int
docker_watch(void *ctx, const struct watch *watch, struct err *e)
{
	struct docker *d = ctx;
	struct listening l = { .d = d, .watch = watch,
	    .told = map_new(free) };
	char *filter = xasprintf("{\"label\":[\"" LABEL_INSTANCE "=%s\"],"
	    "\"type\":[\"container\"]}", d->instance);
	char *escaped = http_escape(filter);
	struct docker_req q = { .method = "GET", .chunk = on_chunk,
	    .is_over = is_over, .arg = &l };
	struct docker_res res;
	int rv;

	q.path = xasprintf("/events?filters=%s", escaped);
	rv = docker_call(d, &q, &res, e);
	stream_is(d, false);
	if (rv == 0) {
		if (!docker_ok(&res))
			rv = docker_fail(&res, e, "listening");
		docker_res_release(&res);
	} else if (watch->is_over(watch->arg))
		rv = 0;
	docker_lines_release(&l.lines);
	map_free(l.told);
	free(escaped);
	free(filter);
	return rv;
}
