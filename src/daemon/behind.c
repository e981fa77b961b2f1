/*
 * Started from a backup: before anything else is done, what came after it is read
 * from the admin room (chat/behind.c says what for).  A backup has no place to go
 * on from in /sync, so the first one of every such database is preceded by this;
 * it is there only when all is written down, so a kill in between begins anew.
 *
 * Until then nothing is changed: a receipt that is written now would get a number
 * that the room knows.
 */
#include "daemon.h"

#include <stdlib.h>
#include <string.h>

#include "hiclaw/log.h"
#include "hiclaw/restore.h"

struct catch_up {
	struct job	 job;
	struct daemon	*daemon;
	void		(*next)(struct daemon *);
	char		*room;
	struct restore_from from;
	struct restore	 found;
	struct err	 err;
	int		 rc;
};

static void
catch_up_run(struct job *job)
{
	struct catch_up *c = (struct catch_up *)job;
	const struct mx *mx = &c->daemon->mx;
	struct json *events = NULL;
	struct buf b = { 0 };

	c->rc = history_read(mx, c->room, c->from.seq, &b, &c->err);
	if (c->rc == 0 && (events = json_parse_relayed(buf_str(&b), b.len,
	    &c->err)) == NULL)
		c->rc = -1;
	if (c->rc == 0) {
		restore_read(&c->found, events, &c->from);
		c->rc = restore_attached(mx, &c->found, 1, &c->err);
	}
	if (c->rc == 0)
		restore_replay(&c->found, &c->from);
	json_free(events);
	buf_release(&b);
}

static void
catch_up_free(struct job *job)
{
	struct catch_up *c = (struct catch_up *)job;

	restore_release(&c->found);
	free(c->from.hash);
	free(c->room);
	free(c);
}

static void
catch_up_done(struct job *job)
{
	struct catch_up *c = (struct catch_up *)job;
	struct daemon *d = c->daemon;

	if (c->rc == -1 && c->err.kind == ERR_RETRY) {
		log_info("boot", "the admin room: %s", c->err.msg);
		boot_again_soon(d);
	} else {
		store_begin(d->store);
		chat_behind(d->chat, &c->found, c->rc == -1 ? c->err.msg :
		    NULL);
		engine_freeze(d->engine, NULL);
		freeze_load(&d->ops);
		c->next(d);
	}
	catch_up_free(job);
}

void
behind_catch_up(struct daemon *d, void (*next)(struct daemon *))
{
	const char *room = engine_observed(d->engine, "room:admin", "room_id");
	struct catch_up *c;

	if (room == NULL || !feed_is_anew(d)) {
		next(d);
		return;
	}
	engine_freeze(d->engine, "I may have been started from a backup, and "
	    "read first what came after it.");
	c = xcalloc(1, sizeof *c);
	c->job.run = catch_up_run;
	c->job.done = catch_up_done;
	c->job.drop = catch_up_free;
	c->daemon = d;
	c->next = next;
	c->room = xstrdup(room);
	chat_behind_from(d->chat, &c->from);
	pool_submit(d->errands, &c->job);
}
