/*
 * The commands, told to clients in the state of the admin room (MSC4391).  What is
 * there is the only record of what was told: it is read in one call after each
 * start and each `reload`, and only what differs is written.  Nothing waits for
 * it, so it waits until nothing else goes on.
 */
#include "daemon.h"

#include <stdlib.h>

#include "hiclaw/log.h"

#define CALM_MS		5000	/* after a start, and between looks for calm */
#define AGAIN_MS	60000	/* after a failure that may pass */

struct publishing {
	struct job	 job;
	struct daemon	*daemon;
	char		*room;
	struct json	*wanted;
	size_t		 written;
	struct err	 err;
	int		 rc;
};

static int
put_all(struct publishing *p, const struct json *due)
{
	const struct json *v;

	for (v = json_first(due); v != NULL; v = json_next(v)) {
		if (mx_put_state(&p->daemon->mx, p->room,
		    COMMAND_DESCRIPTION_TYPE, json_key(v), v, &p->err) == -1)
			return -1;
		p->written++;
	}
	return 0;
}

static void
publishing_run(struct job *job)
{
	struct publishing *p = (struct publishing *)job;
	const struct mx *mx = &p->daemon->mx;
	char *path = mx_path("/_matrix/client/v3/rooms/%s/state", p->room);
	struct mx_answer state = { 0 };
	struct json *due;

	p->rc = mx_call(mx, "GET", path, NULL, NULL, &state, &p->err);
	if (p->rc == 0) {
		due = chat_descriptions_due(p->wanted, state.body, mx->bot);
		p->rc = put_all(p, due);
		json_free(due);
	}
	mx_answer_release(&state);
	free(path);
}

static void
publishing_free(struct job *job)
{
	struct publishing *p = (struct publishing *)job;

	free(p->room);
	json_free(p->wanted);
	free(p);
}

static void
publishing_done(struct job *job)
{
	struct publishing *p = (struct publishing *)job;
	struct daemon *d = p->daemon;

	d->is_publishing = false;
	if (p->rc == -1)
		log_info("publish", "descriptions of commands: %s",
		    p->err.msg);
	else if (p->written > 0)
		log_info("publish", "%zu descriptions of commands written",
		    p->written);
	if (p->rc == -1 && p->err.kind == ERR_RETRY)
		timer_arm(d->publish_timer, AGAIN_MS);
	publishing_free(job);
}

void
publish_now(void *arg)
{
	struct daemon *d = arg;
	const char *room = engine_observed(d->engine, "room:admin", "room_id");
	struct publishing *p;

	if (!d->is_up)
		return;
	if (room == NULL || d->is_publishing || !engine_is_idle(d->engine)) {
		publish_soon(d);
		return;
	}
	d->is_publishing = true;
	p = xcalloc(1, sizeof *p);
	p->job.run = publishing_run;
	p->job.done = publishing_done;
	p->job.drop = publishing_free;
	p->daemon = d;
	p->room = xstrdup(room);
	p->wanted = chat_descriptions(d->chat);
	pool_submit(d->errands, &p->job);
}

void
publish_soon(void *arg)
{
	struct daemon *d = arg;

	timer_arm(d->publish_timer, CALM_MS);
}
