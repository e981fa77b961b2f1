/*
 * The inbox: events that were stored, handled one after the other.  What one
 * event causes and the end of its row are in one transaction.  An event that
 * needs something from outside first (an attachment, joining a room) keeps its
 * row until an errand has brought it, so that a kill loses nothing.
 */
#include "daemon.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hiclaw/fault.h"
#include "hiclaw/http.h"
#include "hiclaw/log.h"
#include "hiclaw/secure.h"

#define BATCH	64	/* rows per turn: other news get a chance between */
#define EVENT_MAX	(256 * 1024)	/* events have at most 64 KiB; be lenient */
#define EXEC_LIMIT_MS	90000	/* a command has a minute */
#define ASK_LIMIT_MS	30000	/* a provider may be busy with much else; who
				 * asked wants a word sooner than that */

static const char *const chat_types[] = {
	"m.room.message", "m.reaction", "m.room.redaction", "m.room.encrypted",
	NULL
};

/*
 * State of managed rooms concerns the engine, messages of people concern chat;
 * the bot's own events tell us nothing, what agents say concerns only those whom
 * it wakes (life_saw), and us only if it begins with our name.
 */
static bool
is_interesting(struct daemon *d, const struct json *event)
{
	const char *sender = json_str(event, "sender");
	const char *type = json_str(event, "type");

	if (strcmp(sender, d->mx.bot) == 0)
		return false;
	if (json_is(json_get(event, "state_key"), JSON_STRING))
		return true;
	if (is_our_user(engine_world_config(d->engine), sender))
		return chat_hears_agent(d->chat, event);
	for (size_t i = 0; chat_types[i] != NULL; i++)
		if (strcmp(type, chat_types[i]) == 0)
			return true;
	return false;
}

bool
inbox_take(struct daemon *d, struct json *event)
{
	char *text;
	bool added = false, wakes;

	/* What has no name cannot be told from its own repetition. */
	if (json_str(event, "event_id") == NULL)
		return false;
	wakes = life_saw(d->life, event);
	if (!wakes && !is_interesting(d, event))
		return false;
	text = json_canonical(event);
	if (strlen(text) <= EVENT_MAX) {
		store_begin(d->store);
		added = store_inbox_add(d->store, json_str(event, "event_id"),
		    json_str(event, "room_id"), text);
	}
	free(text);
	return added;
}

/* --- errands ---------------------------------------------------------------- */

enum errand_kind { ERRAND_MEDIA, ERRAND_EVENT, ERRAND_HISTORY, ERRAND_JOIN,
    ERRAND_REFUSE };
struct errand {
	struct job	 job;
	struct daemon	*daemon;
	enum errand_kind kind;
	int64_t		 row;
	struct json	*event;
	char		*room, *what;
	struct buf	 data;
	struct err	 err;
	int		 rc;
};

static int
fetch_event(struct errand *er)
{
	struct mx_answer answer = { 0 };
	char *room = http_escape(er->room), *id = http_escape(er->what);
	char *path = xasprintf("/_matrix/client/v3/rooms/%s/event/%s", room,
	    id), *text;
	int rc;

	rc = mx_call(&er->daemon->mx, "GET", path, NULL, NULL, &answer,
	    &er->err);
	if (rc == 0) {
		text = json_canonical(answer.body);
		buf_puts(&er->data, text);
		free(text);
	}
	mx_answer_release(&answer);
	free(room);
	free(id);
	free(path);
	return rc;
}

static void
errand_run(struct job *job)
{
	struct errand *er = (struct errand *)job;
	const struct mx *mx = &er->daemon->mx;

	switch (er->kind) {
	case ERRAND_MEDIA:
		er->rc = mx_download(mx, er->what, CHAT_MEDIA_MAX, &er->data,
		    &er->err);
		break;
	case ERRAND_EVENT:
		er->rc = fetch_event(er);
		break;
	case ERRAND_HISTORY:
		er->rc = history_read(mx, er->what, 0, &er->data, &er->err);
		break;
	case ERRAND_JOIN:
		er->rc = mx_join(mx, NULL, er->room, &er->err);
		break;
	case ERRAND_REFUSE:
		er->rc = mx_leave(mx, NULL, er->room, &er->err);
		break;
	}
}

static void
errand_free(struct job *job)
{
	struct errand *er = (struct errand *)job;

	json_free(er->event);
	free(er->room);
	free(er->what);
	buf_release(&er->data);
	free(er);
}

static void	row_done(struct daemon *, int64_t row);
static void	handle(struct daemon *, int64_t row, const struct json *event,
		    const struct chat_fetched *);

static void
errand_done(struct job *job)
{
	struct errand *er = (struct errand *)job;
	struct daemon *d = er->daemon;
	struct chat_fetched got = { buf_str(&er->data), er->data.len,
	    er->rc == -1 ? er->err.msg : NULL };
	char id[32];

	snprintf(id, sizeof id, "%lld", (long long)er->row);
	map_remove(d->fetching, id);
	store_begin(d->store);
	if (er->rc == -1 && er->err.kind == ERR_RETRY) {
		log_info("inbox", "%s: %s; trying again", er->room,
		    er->err.msg);
		d->inbox_again = true;	/* the row is still there */
	} else if (er->kind <= ERRAND_HISTORY) {
		handle(d, er->row, er->event, &got);
	} else {
		if (er->rc == -1)
			log_warn("inbox", "%s: %s", er->room, er->err.msg);
		row_done(d, er->row);
	}
	errand_free(job);
}

static void
errand_start(struct daemon *d, enum errand_kind kind, int64_t row,
    const struct json *event, char *what)
{
	struct errand *er = xcalloc(1, sizeof *er);
	char id[32];

	er->job.run = errand_run;
	er->job.done = errand_done;
	er->job.drop = errand_free;
	er->daemon = d;
	er->kind = kind;
	er->row = row;
	er->event = json_copy(event);
	er->room = xstrdup(json_str(event, "room_id"));
	er->what = what;
	snprintf(id, sizeof id, "%lld", (long long)row);
	map_set(d->fetching, id, er);
	pool_submit(d->errands, &er->job);
}

/* --- questions to providers ---------------------------------------------- */

struct asking {
	struct daemon	*daemon;
	int64_t		 row;
	struct json	*event, *what;	/* {"kind", "question"} */
	struct timer	*limit;
	bool		 is_late;	/* that was told, nobody waits any more */
};

static void	asking_ask(void *);

void
asking_free(void *arg)
{
	struct asking *a = arg;

	loop_cancel(a->daemon->loop, asking_ask, a);
	timer_free(a->limit);
	json_free(a->what);
	json_free(a->event);
	free(a);
}

/* What a person asked is told as it is, also that there is no answer: who
 * wants it again asks again. */
static void
asking_tell(struct asking *a, const struct chat_fetched *got)
{
	char id[32];

	snprintf(id, sizeof id, "%lld", (long long)a->row);
	map_remove(a->daemon->fetching, id);
	store_begin(a->daemon->store);
	handle(a->daemon, a->row, a->event, got);
}

static void
asking_late(void *arg)
{
	struct asking *a = arg;
	const struct chat_fetched got = { .error = "it is busy or slow, and has "
	    "not answered yet; ask again in a while" };

	a->is_late = true;
	asking_tell(a, &got);
}

static void
asking_done(void *arg, const struct json *answer, const struct err *err)
{
	struct asking *a = arg;
	char *text = answer != NULL ? json_canonical(answer) : NULL, id[32];
	struct chat_fetched got = { text, text != NULL ? strlen(text) : 0,
	    answer == NULL ? err->msg : NULL };

	snprintf(id, sizeof id, "%lld", (long long)a->row);
	map_take(a->daemon->asking, id);
	if (!a->is_late)
		asking_tell(a, &got);
	secret_free(text);	/* of a file: there may be keys in it */
	asking_free(a);
}

/* In a turn of its own: what chat wrote down before it asks is durable then. */
static void
asking_ask(void *arg)
{
	struct asking *a = arg;
	struct err err;

	if (engine_query(a->daemon->engine, json_strd(a->what, "kind", ""),
	    json_get(a->what, "question"), asking_done, a, &err) == -1)
		asking_done(a, NULL, &err);
}

static void
asking_start(struct daemon *d, int64_t row, const struct json *event,
    char *what)
{
	struct asking *a = xcalloc(1, sizeof *a);
	char id[32];

	a->daemon = d;
	a->row = row;
	a->what = json_must(what);
	a->event = json_copy(event);
	a->limit = timer_new(d->loop, asking_late, a);
	timer_arm(a->limit, str_equal(json_str(json_get(a->what, "question"),
	    "op"), "exec") ? EXEC_LIMIT_MS : ASK_LIMIT_MS);
	snprintf(id, sizeof id, "%lld", (long long)row);
	map_set(d->fetching, id, a);
	map_set(d->asking, id, a);
	loop_post(d->loop, asking_ask, a);
	free(what);
}

/* --- one event ---------------------------------------------------------------- */

static void
row_done(struct daemon *d, int64_t row)
{
	store_inbox_done(d->store, row);
	fault("inbox.before-commit");
}

static bool
is_invite_of_bot(struct daemon *d, const struct json *event)
{
	return str_equal(json_str(event, "type"), "m.room.member") &&
	    str_equal(json_str(event, "state_key"), d->mx.bot) &&
	    str_equal(json_str(json_get(event, "content"), "membership"),
	    "invite");
}

static void
handle(struct daemon *d, int64_t row, const struct json *event,
    const struct chat_fetched *got)
{
	char *what = NULL;
	enum chat_need need;

	if (is_invite_of_bot(d, event)) {
		chat_event(d->chat, event, NULL, &what);
		errand_start(d, chat_may_invite(d->chat,
		    json_str(event, "sender")) ? ERRAND_JOIN : ERRAND_REFUSE,
		    row, event, what);
		return;
	}
	if (json_is(json_get(event, "state_key"), JSON_STRING)) {
		engine_event(d->engine, event_handle(event), event);
		row_done(d, row);
		return;
	}
	if (got == NULL)
		life_event(d->life, event);
	need = chat_event(d->chat, event, got, &what);
	if (need == CHAT_DONE) {
		free(what);
		row_done(d, row);
		return;
	}
	if (need == CHAT_NEEDS_QUERY) {
		asking_start(d, row, event, what);
		return;
	}
	errand_start(d, need == CHAT_NEEDS_MEDIA ? ERRAND_MEDIA :
	    need == CHAT_NEEDS_HISTORY ? ERRAND_HISTORY : ERRAND_EVENT, row,
	    event, what);
}

struct batch { int64_t id[BATCH]; char *json[BATCH]; size_t n; struct daemon *d; };

static void
batch_add(const struct inbox_row *row, void *arg)
{
	struct batch *b = arg;
	char id[32];

	snprintf(id, sizeof id, "%lld", (long long)row->id);
	if (b->n == BATCH || map_find(b->d->fetching, id) != NULL)
		return;
	b->id[b->n] = row->id;
	b->json[b->n++] = xstrdup(row->json);
}

static void
inbox_turn(void *arg)
{
	struct daemon *d = arg;
	struct batch b = { .d = d };
	struct json *event;
	struct err err;

	d->inbox_posted = false;
	if (!d->is_up)
		return;
	store_inbox_each(d->store, BATCH + (int)map_size(d->fetching),
	    batch_add, &b);
	for (size_t i = 0; i < b.n; i++) {
		store_begin(d->store);
		event = json_parse(b.json[i], strlen(b.json[i]), &err);
		if (event == NULL)
			store_inbox_done(d->store, b.id[i]);
		else
			handle(d, b.id[i], event, NULL);
		json_free(event);
		free(b.json[i]);
	}
	if (b.n > 0)
		inbox_wake(d);
}

/* There may be rows: handle them in a turn of their own, after this commit. */
void
inbox_wake(struct daemon *d)
{
	if (d->inbox_posted)
		return;
	d->inbox_posted = true;
	loop_post(d->loop, inbox_turn, d);
}
