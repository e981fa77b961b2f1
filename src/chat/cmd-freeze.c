/*
 * freeze, thaw: nothing is done until somebody says so, or a time has come.
 *
 * What drifted meanwhile is put right at once when a freeze ends; that is told
 * in one message, when it is over, instead of a line for each.
 */
#include "chat-int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hiclaw/clock.h"

#include "cmd.h"

#define REASON_MAX	300		/* bytes: it stands in every plan */
#define FREEZE_MAX_MS	(30 * 86400000LL)
#define MEND_CALM_MS	3000		/* nothing in hand for so long: mended */
#define MEND_MAX_MS	120000		/* then what there is is told */
#define MENDED_SHOWN	20

/* "for 2h" at the end; 0: no such words, -1: they are none. */
static int64_t
take_duration(struct strv *v, size_t *n)
{
	int64_t ms;

	*n = v->n;
	if (v->n > 0 && strcmp(v->v[v->n - 1], "for") == 0)
		return -1;
	if (v->n < 2 || strcmp(v->v[v->n - 2], "for") != 0)
		return 0;
	ms = duration_ms(v->v[v->n - 1]);
	if (ms <= 0)
		return -1;
	*n -= 2;
	return ms;
}

/* One line: it is said in the middle of sentences. */
static char *
reason_of(const struct strv *v, size_t n)
{
	struct buf b = { 0 };
	char *why;

	for (size_t i = 0; i < n; i++)
		buf_printf(&b, "%s%s", i > 0 ? " " : "", v->v[i]);
	why = buf_take(&b);
	for (char *p = why; *p != '\0'; p++)
		if ((unsigned char)*p < ' ' || *p == '`')
			*p = ' ';
	why[utf8_prefix(why, REASON_MAX)] = '\0';
	return why;
}

/* In the admin room they know it by the answer. */
static void
tell_admins(struct request *q, const char *template, const char *words)
{
	if (q->where != IN_ADMIN)
		say_news(q->chat, template, FILL(P("who", q->sender),
		    V("words", words)));
	store_log_add(q->chat->store, "", template, words);
}

void
cmd_freeze(struct request *q)
{
	struct chat *c = q->chat;
	size_t n;
	int64_t ms = take_duration(&q->words.v, &n);
	char *why;

	if (ms == -1 || ms > FREEZE_MAX_MS) {
		say_usage(q, ms == -1 ? "a time is like 30m, 2h or 1d" :
		    "at most 30 days");
		return;
	}
	why = reason_of(&q->words.v, n);
	freeze_begin(&c->ops, q->sender, why, ms > 0 ? clock_ms() + ms : 0);
	mending_drop(c);
	say_template(q, REPLY_DONE, "frozen", FILL(P("who", q->sender),
	    V("words", engine_frozen(c->engine))));
	tell_admins(q, "frozen", engine_frozen(c->engine));
	free(why);
}

void
cmd_thaw(struct request *q)
{
	struct chat *c = q->chat;
	char *words = xstrdup(engine_frozen(c->engine));

	if (!freeze_end(&c->ops)) {
		say_wrong(q, "Nothing is frozen.");
		free(words);
		return;
	}
	mending_begin(c);
	say_template(q, REPLY_DONE, "thawed", FILL(P("who", q->sender),
	    V("words", words)));
	tell_admins(q, "thawed", words);
	free(words);
}

bool
say_frozen(struct request *q)
{
	const char *why = engine_frozen(q->chat->engine);

	if (why == NULL)
		return false;
	say_wrong(q, "%s Nothing was done; send it again after that. `plan`, "
	    "`diff` and `get` go on.", why);
	return true;
}

/* --- what is put right when it ends ---------------------------------------- */

/* What is not as declared now: known even over a restart. */
void
mending_begin(struct chat *c)
{
	struct mending *m = &c->mending;
	struct plan *plan = engine_plan_now(c->engine);

	mending_drop(c);
	m->since_ms = clock_mono_ms();
	m->n = plan->steps_n;
	plan_groups(plan, MENDED_SHOWN, NAMES_THREAD, &m->did);
	plan_free(plan);
}

void
mending_drop(struct chat *c)
{
	strv_release(&c->mending.did);
	memset(&c->mending, 0, sizeof c->mending);
}

bool
mending_takes(struct chat *c)
{
	c->mending.calm_ms = 0;
	return c->mending.since_ms != 0;
}

static void
mending_tell(struct chat *c)
{
	struct mending *m = &c->mending;
	struct text list = { 0 };
	char count[32];

	for (size_t i = 0; i < m->did.n; i++) {
		char *line = short_ids(c->engine, m->did.v[i]);

		text_printf(&list, "- %s\n", line);
		free(line);
	}
	snprintf(count, sizeof count, "%zu", m->n);
	if (m->n > 0)
		say_news(c, "mended", FILL(V("count", count),
		    B("list", &list)));
	text_release(&list);
	mending_drop(c);
}

static void
mending_tick(struct chat *c)
{
	struct mending *m = &c->mending;
	int64_t now = clock_mono_ms();
	struct engine_counts n;

	if (m->since_ms == 0)
		return;
	engine_counts(c->engine, &n);
	if (n.busy > 0 || n.removing > 0 || n.objects > n.settled + n.waiting +
	    n.backoff + n.failed)
		m->calm_ms = 0;
	else if (m->calm_ms == 0)
		m->calm_ms = now;
	if ((m->calm_ms > 0 && now - m->calm_ms >= MEND_CALM_MS) ||
	    now - m->since_ms >= MEND_MAX_MS)
		mending_tell(c);
}

void
freeze_watch(struct chat *c, int64_t now)
{
	char *words;

	mending_tick(c);
	switch (freeze_tick(&c->ops, now)) {
	case FREEZE_OVER:
		words = xstrdup(engine_frozen(c->engine));
		freeze_end(&c->ops);
		mending_begin(c);
		say_news(c, "thawed", FILL(P("who", NULL),
		    V("words", words)));
		store_log_add(c->store, "", "thawed", "its time was over");
		free(words);
		break;
	case FREEZE_REMIND:
		say_news(c, "still-frozen", FILL(V("words",
		    engine_frozen(c->engine))));
		break;
	case FREEZE_NOTHING:
		break;
	}
}
