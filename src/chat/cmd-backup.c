/*
 * backup: a copy of the database beside it, made in small steps while everything
 * goes on.  What is told in the room is where it is and how to start from it; the
 * copy itself never leaves the machine, since a room is no place for it.
 */
#include "chat-int.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "hiclaw/clock.h"
#include "hiclaw/file.h"
#include "hiclaw/log.h"

#include "backup.h"
#include "cmd.h"

#define STEP_PAGES	2048	/* 8 MiB a second: nobody waits for the disk */
#define KEPT		7	/* older ones of ours go */
#define SPARE_BYTES	(INT64_C(64) << 20)	/* left on the disk */
#define OPEN_KEY	"chat.backup"	/* the one that is being made */

struct backup {
	struct store_backup *copy;
	char		*path, *event, *room, *answer;
	int64_t		 message, started_ms;
};

void
backup_free(struct backup *b)
{
	if (b == NULL)
		return;
	store_backup_free(b->copy);
	free(b->path);
	free(b->event);
	free(b->room);
	free(b->answer);
	free(b);
}

/* "DIR/hiclaw-20261126-133000.db" */
static char *
path_now(struct chat *c)
{
	time_t now = (time_t)(clock_ms() / 1000);
	char when[32];
	struct tm tm;

	gmtime_r(&now, &tm);
	strftime(when, sizeof when, "%Y%m%d-%H%M%S", &tm);
	return xasprintf("%s/%s-%s.db", c->cfg.backups_dir, c->name, when);
}

static int
have_room(struct chat *c, struct err *e)
{
	struct store_health h;

	if (mkdir(c->cfg.backups_dir, 0700) == -1 && errno != EEXIST)
		return err_set(e, ERR_USER, "%s: %s; `backups` in the "
		    "configuration names a directory that I may write to",
		    c->cfg.backups_dir, strerror(errno));
	store_health(c->store, clock_ms(), &h);
	if (h.free_bytes >= 0 && h.free_bytes < h.bytes + h.wal_bytes +
	    SPARE_BYTES)
		return err_set(e, ERR_USER, "the disk has %lld MiB left, the "
		    "copy takes %lld: make room first",
		    (long long)(h.free_bytes >> 20),
		    (long long)(h.bytes >> 20) + 1);
	return 0;
}

/* The message stays one of a copy that is being made until somebody ends it. */
static void
remember(struct chat *c, const struct backup *b)
{
	struct json *o = json_object();
	char *text;

	json_set_int(o, "message", b->message);
	json_set_str(o, "event", b->event);
	json_set_str(o, "answer", b->answer);
	text = json_canonical(o);
	store_kv_set(c->store, OPEN_KEY, text);
	free(text);
	json_free(o);
}

void
cmd_backup(struct request *q)
{
	struct chat *c = q->chat;
	struct backup *b;
	struct text t = { 0 };
	struct err err;

	if (c->backup != NULL || c->cfg.backups_dir == NULL) {
		say_wrong(q, c->backup != NULL ? "One is being made already." :
		    "No directory for backups is set.");
		return;
	}
	b = xcalloc(1, sizeof *b);
	b->path = path_now(c);
	/* Of the moment before this command: the copy knows nothing of it. */
	if (have_room(c, &err) == -1 ||
	    (b->copy = store_backup_begin(c->store, b->path, &err)) == NULL) {
		say_wrong(q, "%s", err.msg);
		backup_free(b);
		return;
	}
	b->event = xstrdup(q->event);
	b->answer = xstrdup(q->answer);
	b->room = xstrdup(q->room);
	b->started_ms = clock_mono_ms();
	text_puts(&t, "Copying the database ...");
	b->message = say(q, REPLY_RUNNING, &t);
	remember(c, b);
	c->backup = b;
	text_release(&t);
}

/* --- how it goes on -------------------------------------------------------------- */

static void
tell(struct chat *c, const struct backup *b, enum reply_state state,
    const struct text *t)
{
	struct reply r = { .event = b->event, .answer = b->answer,
	    .state = state };

	store_begin(c->store);
	reply_update(c, b->message, &r, t, 0);
}

static bool
is_ours(struct chat *c, const char *name)
{
	size_t n = strlen(c->name);

	return str_starts(name, c->name) && name[n] == '-' &&
	    strspn(name + n + 1, "0123456789-") == strlen("YYYYMMDD-HHMMSS") &&
	    strcmp(name + n + 1 + strlen("YYYYMMDD-HHMMSS"), ".db") == 0;
}

/* Names sort by time. */
static void
drop_old(struct chat *c)
{
	struct strv names = { 0 };
	struct err err;
	size_t n = 0;

	if (dir_list(c->cfg.backups_dir, ".db", &names, &err) == -1)
		return;
	for (size_t i = names.n; i-- > 0;) {
		char *path;

		if (!is_ours(c, names.v[i]) || ++n <= KEPT)
			continue;
		path = xasprintf("%s/%s", c->cfg.backups_dir, names.v[i]);
		if (unlink(path) == 0)
			log_info("chat", "%s: an old backup, removed", path);
		free(path);
	}
	strv_release(&names);
}

static void
put_restore(const struct backup *b, const struct store_health *h,
    struct text *t)
{
	text_printf(t, "To start from it: stop the controller, and then\n");
	text_printf(t, "```\nrm -f %s-wal %s-shm\ncp %s %s\n```\n", h->path,
	    h->path, b->path, h->path);
	text_puts(t, "start it again. What exists outside is then brought in "
	    "line with what was declared then.\n\nThe copy holds sealed "
	    "secrets, and the key that opens them is **not** in it: keep a copy "
	    "of the key file (`secrets_key`), elsewhere. Without that key no "
	    "copy starts.");
}

static void
whole(struct chat *c, const struct backup *b)
{
	struct text t = { 0 };
	struct store_health h;
	struct stat st = { 0 };
	char time[32], *last, now[32];

	store_health(c->store, clock_ms(), &h);
	if (stat(b->path, &st) == -1)
		st.st_size = 0;
	text_printf(&t, "**Backup made**, and checked: `%s`, %lld KiB, in "
	    "%s.\n\n", b->path, (long long)st.st_size / 1024,
	    took(clock_mono_ms() - b->started_ms, time, sizeof time));
	put_restore(b, &h, &t);
	tell(c, b, REPLY_DONE, &t);
	snprintf(now, sizeof now, "%lld", (long long)clock_ms());
	store_kv_set(c->store, BACKUP_LAST_KEY, now);
	last = xasprintf("backup %s", b->path);
	store_log_add(c->store, "", "backup", last);
	free(last);
	drop_old(c);
	text_release(&t);
}

void
backup_tick(struct chat *c)
{
	struct backup *b = c->backup;
	struct text t = { 0 };
	struct err err;
	int rc;

	if (b == NULL)
		return;
	rc = store_backup_step(b->copy, STEP_PAGES, &err);
	if (rc == 1) {
		text_printf(&t, "Copying the database, %d %% ...",
		    store_backup_percent(b->copy));
		tell(c, b, REPLY_RUNNING, &t);
	} else if (rc == -1) {
		text_printf(&t, "No backup: %s. Nothing of it is left.",
		    err.msg);
		tell(c, b, REPLY_FAILED, &t);
	} else
		whole(c, b);
	text_release(&t);
	if (rc == 1)
		return;
	store_kv_set(c->store, OPEN_KEY, NULL);
	c->backup = NULL;
	backup_free(b);
}

/* A start: one that was being made is none. */
void
backup_started(struct chat *c)
{
	char *text = store_kv_get(c->store, OPEN_KEY);
	struct text t = { 0 };
	struct json *o;
	struct err err;

	if (text == NULL)
		return;
	o = json_parse(text, strlen(text), &err);
	if (o != NULL && json_int(o, "message", 0) > 0) {
		struct backup b = { .message = json_int(o, "message", 0),
		    .event = (char *)json_str(o, "event"),
		    .answer = (char *)json_str(o, "answer") };

		text_puts(&t, "No backup: the controller was stopped "
		    "meanwhile. Say `backup` again.");
		tell(c, &b, REPLY_FAILED, &t);
	}
	store_kv_set(c->store, OPEN_KEY, NULL);
	text_release(&t);
	json_free(o);
	free(text);
}
