/*
 * doctor: everything that the controller depends on, one line for each, and for
 * what is wrong what to do about it.  The homeserver is asked while one waits; of
 * other systems it is what the engine last saw, and it looks often.
 */
#include "chat-int.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hiclaw/clock.h"

#include "backup.h"
#include "cmd.h"

#define CLOCK_MS	60000	/* more apart: tokens and logs go wrong */
#define STUCK_MS	600000	/* no run takes so long by itself */
#define MAIL_MS		60000	/* in the outbox, due */
#define BACKUP_MS	(INT64_C(7) * 86400000)
#define DISK_LOW	(INT64_C(1) << 30)
#define DISK_OUT	(INT64_C(100) << 20)
#define WAL_LARGE	(INT64_C(64) << 20)
#define NAMES_SHOWN_HERE 5

enum finding { WELL, WARN, BAD };

struct exam {
	struct request	*q;
	struct chat	*c;
	const struct json *hs;		/* what the homeserver answered */
	const char	*hs_error;	/* or that it did not */
	struct store_health store;
	int64_t		 now;
	struct text	 text;
	const char	*name;		/* of the check */
	size_t		 n[BAD + 1];
};

/* One line; todo, which is markup: what is to be done, or NULL. */
static void
found(struct exam *x, const char *name, enum finding f, const char *todo,
    const char *fmt, ...) PRINTF(5, 6);
static void
found(struct exam *x, const char *name, enum finding f, const char *todo,
    const char *fmt, ...)
{
	static const char *const marks[] = { "\xe2\x9c\x85",
	    "\xe2\x9a\xa0\xef\xb8\x8f", "\xe2\x9d\x8c" };
	va_list ap;
	char *what;

	va_start(ap, fmt);
	what = xvasprintf(fmt, ap);
	va_end(ap);
	x->n[f]++;
	text_printf(&x->text, "- %s %s: %s", marks[f], name, what);
	if (todo != NULL) {
		text_puts(&x->text, ". To do: ");
		text_puts(&x->text, todo);
	}
	text_puts(&x->text, "\n");
	free(what);
}

/* --- the checks ---------------------------------------------------------------- */

/* Our token, our bot, and the way back to us: mx_hello says what to do. */
static void
look_homeserver(struct exam *x)
{
	const char *trouble = json_str(x->hs, "trouble");

	if (x->hs == NULL)
		found(x, x->name, BAD, "start it, or correct homeserver.url",
		    "cannot be asked: %s", x->hs_error);
	else if (trouble != NULL)
		found(x, x->name, BAD, NULL, "%s", trouble);
	else
		found(x, x->name, WELL, NULL, "knows us, and reaches us; "
		    "%" PRId64 " ms, Matrix %s", json_int(x->hs, "ms", 0),
		    json_strd(x->hs, "version", "?"));
}

static void
look_system(void *arg, const struct system_view *v)
{
	struct exam *x = arg;
	char age[16];

	if (strcmp(v->name, "matrix") == 0 && v->is_up)
		return;
	if (!v->is_up)
		found(x, v->name, BAD, "start it, or correct its address and "
		    "keys in the configuration; what waits is then done by "
		    "itself", "does not answer since %s: %s", v->since_ms > 0 ?
		    clock_age(x->now - v->since_ms, age) : "the start",
		    v->why != NULL ? v->why : "no answer");
	else if (v->last_error != NULL && x->now - v->last_error_ms <
	    STUCK_MS)
		found(x, v->name, WARN, "if it goes on, see `status` and the "
		    "log of that system", "answers, but %s ago: %s",
		    clock_age(x->now - v->last_error_ms, age), v->last_error);
	else
		found(x, v->name, WELL, NULL, "answers");
}

static void
look_systems(struct exam *x)
{
	engine_systems(x->c->engine, look_system, x);
}

static void
look_database(struct exam *x)
{
	const struct store_health *h = &x->store;

	if (h->trouble[0] != '\0')
		found(x, x->name, BAD, "stop the controller, keep the file, and "
		    "start from the newest backup", "%s is damaged: %s",
		    h->path, h->trouble);
	else if (h->wal_bytes > WAL_LARGE)
		found(x, x->name, WARN, "end other programs that have the "
		    "database open", "its log has grown to %" PRId64 " MiB",
		    h->wal_bytes >> 20);
	else
		found(x, x->name, WELL, NULL, "%s, %" PRId64 " KiB, %s",
		    h->path, h->bytes >> 10, h->is_checked ? "sound" :
		    "too large to be checked while it is used; `backup` checks "
		    "its copy");
}

static void
look_disk(struct exam *x)
{
	int64_t left = x->store.free_bytes;

	if (left < 0)
		return;
	found(x, x->name, left < DISK_OUT ? BAD : left < DISK_LOW ? WARN :
	    WELL, left < DISK_LOW ? "make room: without it the controller "
	    "stops rather than lose something" : NULL,
	    "%" PRId64 " MiB left for the database", left >> 20);
}

/* The homeserver wrote a time into the message that asks. */
static void
look_clock(struct exam *x)
{
	int64_t sent = x->q->sent_ms, apart = x->now - sent;

	if (sent <= 0 || sent < x->c->started_ms)
		return;		/* it may have waited for us */
	if (apart > CLOCK_MS || apart < -CLOCK_MS)
		found(x, x->name, BAD, "have both machines set their clocks by "
		    "NTP", "this machine is %" PRId64 " s %s the homeserver",
		    (apart < 0 ? -apart : apart) / 1000, apart < 0 ?
		    "behind" : "ahead of");
	else
		found(x, x->name, WELL, NULL, "as the homeserver's");
}

static void
look_mail(struct exam *x)
{
	const struct store_health *h = &x->store;
	char age[16];
	bool is_late = h->outbox > 0 && h->outbox_since_ms > 0 &&
	    x->now - h->outbox_since_ms > MAIL_MS;

	if (is_late)
		found(x, x->name, WARN, "see the homeserver's limits for this "
		    "service (rate_limited: false), and the log",
		    "%" PRId64 " messages wait, the oldest for %s", h->outbox,
		    clock_age(x->now - h->outbox_since_ms, age));
	else if (h->outbox_lost > 0)
		found(x, x->name, WARN, "the log says why (\"outbox\")",
		    "%" PRId64 " messages were given up in the last day",
		    h->outbox_lost);
	else
		found(x, x->name, WELL, NULL, "nothing waits to be sent");
}

struct stuck { int64_t now; size_t n; struct buf names; };

static void
add_stuck(const struct run_row *row, void *arg)
{
	struct stuck *s = arg;
	char age[16];

	if (s->now - row->started_ms < STUCK_MS)
		return;
	if (s->n++ < NAMES_SHOWN_HERE)
		buf_printf(&s->names, "%s%s (%s)", s->n > 1 ? ", " : "",
		    row->title, clock_age(s->now - row->started_ms, age));
}

static void
look_runs(struct exam *x)
{
	struct stuck s = { .now = x->now };

	store_runs_each(x->c->store, true, 0, add_stuck, &s);
	if (s.n > 0)
		found(x, x->name, WARN, "`describe` says what they wait for; "
		    "`undo` takes a change back", "%zu go on for very long: %s",
		    s.n, buf_str(&s.names));
	else
		found(x, x->name, WELL, NULL, "none is stuck");
	buf_release(&s.names);
}

struct failing { size_t n; struct buf names; };

static void
add_failing(void *arg, const struct object_view *v)
{
	struct failing *f = arg;
	char *title;

	if (v->state != OBJECT_FAILED && v->state != OBJECT_BACKOFF)
		return;
	if (f->n++ >= NAMES_SHOWN_HERE)
		return;
	title = object_title(v->key);
	buf_printf(&f->names, "%s%s", f->n > 1 ? ", " : "", title);
	free(title);
}

static void
look_objects(struct exam *x)
{
	struct failing f = { 0 };
	struct engine_counts n;

	engine_counts(x->c->engine, &n);
	engine_objects(x->c->engine, NULL, add_failing, &f);
	if (f.n > 0)
		found(x, x->name, WARN, "`describe` of what they belong to says "
		    "why", "%zu of %zu cannot be done now: %s%s", f.n,
		    n.objects, buf_str(&f.names), f.n > NAMES_SHOWN_HERE ?
		    ", ..." : "");
	else
		found(x, x->name, WELL, NULL, "%zu, none in trouble",
		    n.objects);
	buf_release(&f.names);
}

/* Without one in it nobody approves anything. */
static void
look_admins(struct exam *x)
{
	const struct strv *admins = engine_world_config(x->c->engine)->admins;
	struct object_view v;
	struct json *o = NULL;
	struct err err;
	size_t n = 0;

	if (engine_object(x->c->engine, "room:admin", &v) &&
	    v.observed != NULL)
		o = json_parse(v.observed, strlen(v.observed), &err);
	for (size_t i = 0; i < admins->n; i++)
		n += str_equal(json_str(json_get(o, "members"),
		    admins->v[i]), "join");
	json_free(o);
	if (n == 0)
		found(x, x->name, BAD, "accept the invitation to the admin "
		    "room, or have one sent with `invite`", "none of the %zu is "
		    "in the admin room", admins->n);
	else
		found(x, x->name, WELL, NULL, "%zu of %zu in the admin room",
		    n, admins->n);
}

static void
look_freeze(struct exam *x)
{
	if (engine_frozen(x->c->engine) != NULL)
		found(x, x->name, WARN, "`thaw`, when it is over", "%s",
		    engine_frozen(x->c->engine));
}

static void
look_backup(struct exam *x)
{
	char *text = store_kv_get(x->c->store, BACKUP_LAST_KEY), age[16];
	int64_t at = text != NULL ? strtoll(text, NULL, 10) : 0;

	if (at == 0)
		found(x, x->name, WARN, "`backup`, and a copy of the key file "
		    "elsewhere", "none was ever made");
	else
		found(x, x->name, x->now - at > BACKUP_MS ? WARN : WELL,
		    x->now - at > BACKUP_MS ? "`backup`" : NULL,
		    "made %s ago", clock_age(x->now - at, age));
	free(text);
}

static void
look_versions(struct exam *x)
{
	found(x, x->name, WELL, NULL, "hiclaw-controller %s, database of "
	    "version %d, SQLite %s", x->c->cfg.version != NULL ?
	    x->c->cfg.version : "?", x->store.schema, x->store.sqlite);
}

static const struct check {
	const char	*name;
	void		(*look)(struct exam *);
} checks[] = {
	{ "homeserver", look_homeserver },
	{ "systems", look_systems },	/* a line for each */
	{ "database", look_database },
	{ "disk", look_disk },
	{ "clock", look_clock },
	{ "messages", look_mail },
	{ "runs", look_runs },
	{ "objects", look_objects },
	{ "admins", look_admins },
	{ "freeze", look_freeze },
	{ "backup", look_backup },
	{ "versions", look_versions },
};

/* --- the command ------------------------------------------------------------------ */

/* 1: asked, come again. */
static int
ask_homeserver(struct request *q, struct json **answer, const char **error,
    struct err *e)
{
	struct json *question;

	*answer = NULL;
	*error = NULL;
	if (q->fetched == NULL) {
		question = json_object();
		json_set_str(question, "op", "health");
		*answer = request_query(q, "room", question);
		return 1;
	}
	if (q->fetched->error == NULL)
		*answer = json_parse(q->fetched->data, q->fetched->len, e);
	if (*answer == NULL)
		*error = q->fetched->error != NULL ? q->fetched->error :
		    e->msg;
	return 0;
}

void
cmd_doctor(struct request *q)
{
	struct exam x = { .q = q, .c = q->chat, .now = clock_ms() };
	struct text head = { 0 };
	struct json *answer;
	struct err err;

	if (ask_homeserver(q, &answer, &x.hs_error, &err) == 1)
		return;
	x.hs = answer;
	store_health(x.c->store, x.now, &x.store);
	for (size_t i = 0; i < NELEM(checks); i++) {
		x.name = checks[i].name;
		checks[i].look(&x);
	}
	if (x.n[BAD] + x.n[WARN] == 0)
		text_puts(&head, "**All is well.**\n\n");
	else
		text_printf(&head, "**%zu wrong, %zu to look at.**\n\n",
		    x.n[BAD], x.n[WARN]);
	text_append(&head, &x.text);
	say(q, x.n[BAD] > 0 ? REPLY_FAILED : REPLY_DONE, &head);
	text_release(&head);
	text_release(&x.text);
	json_free(answer);
}
