/*
 * Boot: say hello to the homeserver until it answers (a wrong setting ends the
 * process with an explanation, an outage does not), learn what a backup does not
 * know, catch up with one sync, then let the engine work.
 */
#include "daemon.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "hiclaw/clock.h"
#include "hiclaw/log.h"

#define RETRY_MIN_MS	500
#define RETRY_MAX_MS	5000
#define AWAY_KEY	"feed.alive"	/* written by feed.c */

struct hello {
	struct job	 job;
	struct daemon	*daemon;
	char		*our_url;
	char		*admin_room;	/* for the event that wakes a queue */
	bool		 is_config;
	struct err	 err;
	int		 rc;
};

static void
up(struct daemon *d)
{
	d->is_up = true;
	engine_start(d->engine);
	life_start(d->life);
	chat_started(d->chat, d->is_first, d->away_ms);
	inbox_wake(d);
	publish_soon(d);
	memory_settle();
	log_info("boot", "ready: %s on %s", d->mx.bot, d->mx.url);
}

static void
hello_run(struct job *job)
{
	struct hello *h = (struct hello *)job;
	struct json *content;
	struct err err;

	h->rc = mx_hello(&h->daemon->mx, h->our_url, &h->is_config, &h->err);
	if (h->rc == -1 || h->admin_room == NULL)
		return;
	/*
	 * After its own restart Synapse keeps what it could not deliver until
	 * some new event is processed: give it one.
	 */
	content = json_object();
	json_set_int(content, "started", clock_ms());
	json_set_str(content, "version", PACKAGE_VERSION);
	if (mx_put_state(&h->daemon->mx, h->admin_room, CONTROLLER_TYPE, "",
	    content, &err) == -1)
		log_info("boot", "admin room: %s", err.msg);
	json_free(content);
}

static void
hello_free(struct job *job)
{
	struct hello *h = (struct hello *)job;

	free(h->our_url);
	free(h->admin_room);
	free(h);
}

static void
known(struct daemon *d)
{
	d->boot_tries = 0;
	feed_first(d, up);
}

void
boot_again_soon(struct daemon *d)
{
	int64_t wait = (int64_t)RETRY_MIN_MS << (d->boot_tries < 4 ?
	    d->boot_tries : 4);

	d->boot_tries++;
	timer_arm(d->boot_timer, wait < RETRY_MAX_MS ? wait : RETRY_MAX_MS);
}

static void
hello_done(struct job *job)
{
	struct hello *h = (struct hello *)job;
	struct daemon *d = h->daemon;

	if (h->rc == 0) {
		behind_catch_up(d, known);
	} else if (h->is_config) {
		log_error("boot", "%s", h->err.msg);
		daemon_stop(d, EX_CONFIG);
	} else {
		if (d->boot_tries == 0)
			log_warn("boot", "waiting for the homeserver: %s",
			    h->err.msg);
		boot_again_soon(d);
	}
	hello_free(job);
}

static void
boot_again(void *arg)
{
	struct daemon *d = arg;
	struct hello *h = xcalloc(1, sizeof *h);

	h->job.run = hello_run;
	h->job.done = hello_done;
	h->job.drop = hello_free;
	h->daemon = d;
	h->our_url = xasprintf("http://%s", d->cfg.listen);
	h->admin_room = xstrdup(engine_observed(d->engine, "room:admin",
	    "room_id"));
	pool_submit(d->errands, &h->job);
}

void
boot_start(struct daemon *d)
{
	char *alive = store_kv_get(d->store, AWAY_KEY);

	d->is_first = alive == NULL;
	d->away_ms = alive != NULL ? clock_ms() - strtoll(alive, NULL, 10) : 0;
	free(alive);
	d->boot_timer = timer_new(d->loop, boot_again, d);
	boot_again(d);
}
