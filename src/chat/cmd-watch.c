/*
 * watch, unwatch: hear in the direct chat what becomes of something.  mute,
 * unmute: the admin room hears nothing of it for a time.  Alone they list.
 */
#include "chat-int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hiclaw/clock.h"

#include "cmd.h"
#include "watch.h"

#define MUTE_MS		(INT64_C(24) * 3600 * 1000)	/* if nothing is said:
							 * nobody forgets for
							 * longer */
#define LONGEST_MS	(INT64_C(365) * 24 * 3600 * 1000)

/* --- what the words name -------------------------------------------------------- */

/* A name alone: of an agent, a Team or a Human, if it is one of these. */
static int
find_alone(struct request *q, const char *name, char **subject,
    struct err *e)
{
	const struct resources *rs = engine_resources(q->chat->engine);
	static const char *const others[] = { "Team", "Human" };
	struct strv found = { 0 };
	char *list;
	int rc = 0;
	struct target t;

	target_find(rs, NULL, name, &t);
	if (t.resource != NULL)
		strv_addf(&found, "%s/%s", t.kind->name, t.name);
	for (size_t i = 0; i < NELEM(others); i++)
		if (resources_find(rs, kind_find(others[i]), name) != NULL)
			strv_addf(&found, "%s/%s", others[i], name);
	if (found.n == 1)
		*subject = xstrdup(found.v[0]);
	else if (found.n > 1) {
		list = strv_join(&found, " or ");
		rc = err_set(e, ERR_USER, "which one: %s?", list);
		free(list);
	} else
		rc = agent_missing(q->chat->engine, name, e);
	strv_release(&found);
	return rc;
}

static int
find_named(struct request *q, size_t *at, char **subject, struct err *e)
{
	const struct strv *v = &q->words.v;
	const struct kind *kind;
	const char *name;
	struct target t;

	/* "watch team" is a name alone when nothing else follows. */
	if (strchr(v->v[*at], '/') == NULL && (kind_find(v->v[*at]) == NULL ||
	    *at + 1 >= v->n || strcmp(v->v[*at + 1], "for") == 0))
		return find_alone(q, v->v[(*at)++], subject, e);
	if (read_name(q, v, at, &kind, &name, e) == -1)
		return -1;
	target_find(engine_resources(q->chat->engine), kind, name, &t);
	if (t.resource == NULL)
		return name_missing(q->chat->engine, kind, name, e);
	*subject = xasprintf("%s/%s", kind->name, name);
	return 0;
}

/* Nobody learns that something is there which they may not see. */
int
subject_take(struct request *q, size_t *at, char **subject, struct err *e)
{
	struct target t;
	char why[256], *slash;
	enum may may;

	*subject = NULL;
	if (find_named(q, at, subject, e) == -1) {
		if (q->tier > 1)
			err_set(e, ERR_USER, "there is nothing of that name "
			    "that you work with");
		return -1;
	}
	slash = strchr(*subject, '/');
	*slash = '\0';
	target_find(engine_resources(q->chat->engine), kind_find(*subject),
	    slash + 1, &t);
	*slash = '/';
	may = request_may(q, VERB_GET, &t, RISK_NONE, why, sizeof why);
	if (may == MAY_NOT) {
		free(*subject);
		*subject = NULL;
		return err_set(e, ERR_USER, "there is nothing of that name "
		    "that you work with");
	}
	return 0;
}

/* "2h", "for 2h", "for 30 minutes", "for 1 day"; 0: nothing was said. */
static int
take_duration(struct request *q, size_t at, int64_t *ms, struct err *e)
{
	const struct strv *v = &q->words.v;
	struct buf b = { 0 };
	size_t from;

	*ms = 0;
	if (at < v->n && strcmp(v->v[at], "for") == 0)
		at++;
	else if (at == v->n)
		return 0;
	for (from = at; at < v->n; at++) {
		size_t digits = strspn(v->v[at], "0123456789");

		buf_puts(&b, v->v[at]);
		/* The first letter of "minutes" is the unit. */
		if (at > from && digits == 0 && b.len > 0)
			b.len -= strlen(v->v[at]) - 1;
		if (b.data != NULL)
			b.data[b.len] = '\0';
	}
	*ms = duration_ms(buf_str(&b));
	buf_release(&b);
	if (from == v->n || *ms <= 0 || *ms > LONGEST_MS)
		return err_set(e, ERR_USER, "for how long? Like \"for 2h\", "
		    "\"for 30m\", \"for 3d\"");
	return 0;
}

/* --- lists ----------------------------------------------------------------------- */

struct listing { struct text text; enum watch_sort sort; size_t n; };

static void
list_one(void *arg, const char *user, const char *subject, int64_t until,
    int64_t left_out)
{
	struct listing *l = arg;
	char age[16];

	text_printf(&l->text, "- **%s**", subject);
	if (l->sort == MUTED)
		text_printf(&l->text, ", by %s, %lld left out", user,
		    (long long)left_out);
	if (until > 0)
		text_printf(&l->text, ", %s more",
		    clock_age(until - clock_ms(), age));
	text_puts(&l->text, "\n");
	l->n++;
}

static void
list(struct request *q, enum watch_sort sort)
{
	struct listing l = { .sort = sort };

	watch_each(q->chat, sort, sort == WATCHED ? q->sender : NULL,
	    list_one, &l);
	if (l.n == 0)
		text_puts(&l.text, sort == WATCHED ? "You watch nothing. "
		    "`watch NAME` tells you in our direct chat what becomes of "
		    "it." : "Nothing is muted.");
	say(q, REPLY_INFO, &l.text);
	text_release(&l.text);
}

/* --- the commands ------------------------------------------------------------------ */

static void
say_set(struct request *q, enum watch_sort sort, const char *subject,
    int64_t ms)
{
	struct text t = { 0 };
	char age[16];

	if (sort == WATCHED)
		text_printf(&t, "I tell you in our direct chat when a run "
		    "changes %s, when it becomes ready, dies, falls silent or "
		    "is changed by others", subject);
	else
		text_printf(&t, "No news of %s here: deaths, silence, changes "
		    "by others. Receipts appear as always", subject);
	if (ms > 0)
		text_printf(&t, ", for %s", clock_age(ms, age));
	text_puts(&t, ".");
	say(q, REPLY_DONE, &t);
	text_release(&t);
}

static void
set(struct request *q, enum watch_sort sort)
{
	char *subject = NULL;
	size_t at = 0;
	struct err err;
	int64_t ms;

	if (q->words.v.n == 0) {
		list(q, sort);
		return;
	}
	if (subject_take(q, &at, &subject, &err) == -1 ||
	    take_duration(q, at, &ms, &err) == -1) {
		say_usage(q, err.msg);
		free(subject);
		return;
	}
	if (ms == 0 && sort == MUTED)
		ms = MUTE_MS;
	if (watch_set(q->chat, sort, q->sender, subject, ms > 0 ?
	    clock_ms() + ms : 0, &err) == -1)
		say_wrong(q, "%s", err.msg);
	else
		say_set(q, sort, subject, ms);
	free(subject);
}

static void
collect(void *arg, const char *user, const char *subject, int64_t until,
    int64_t left_out)
{
	(void)user;
	(void)until;
	(void)left_out;
	strv_add_unique(arg, subject);
}

/* By the end of the name too: what is gone cannot be looked up any more. */
static bool
is_called(const char *subject, const struct strv *v)
{
	const char *name = strchr(subject, '/') + 1;
	const char *last = v->v[v->n - 1], *slash = strchr(last, '/');

	return strcmp(slash != NULL ? slash + 1 : last, name) == 0;
}

static void
unset(struct request *q, enum watch_sort sort)
{
	const char *user = sort == WATCHED ? q->sender : NULL;
	bool all = q->words.v.n == 1 && strcmp(q->words.v.v[0], "all") == 0;
	struct strv subjects = { 0 };
	struct text t = { 0 };
	size_t n = 0;

	if (q->words.v.n == 0) {
		list(q, sort);
		return;
	}
	watch_each(q->chat, sort, user, collect, &subjects);
	for (size_t i = 0; i < subjects.n; i++)
		if ((all || is_called(subjects.v[i], &q->words.v)) &&
		    watch_drop(q->chat, sort, user, subjects.v[i])) {
			text_printf(&t, "- %s\n", subjects.v[i]);
			n++;
		}
	if (n == 0)
		text_printf(&t, sort == WATCHED ? "You do not watch %s." :
		    "%s is not muted.", q->words.v.v[q->words.v.n - 1]);
	else
		text_puts(&t, sort == WATCHED ? "\nno longer watched." :
		    "\nno longer muted.");
	say(q, REPLY_DONE, &t);
	strv_release(&subjects);
	text_release(&t);
}

void
cmd_watch(struct request *q)
{
	set(q, WATCHED);
}

void
cmd_unwatch(struct request *q)
{
	unset(q, WATCHED);
}

void
cmd_mute(struct request *q)
{
	set(q, MUTED);
}

void
cmd_unmute(struct request *q)
{
	unset(q, MUTED);
}
