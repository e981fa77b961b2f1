/*
 * Progress: one live message per run, edited at a bounded rate, and at the end
 * the receipt, which never changes.  What the live message shows of the plan is
 * in the run's own row (resources.show), so a restart goes on with it.
 */
#include "chat-int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hiclaw/clock.h"

#include "container.h"

#define BAR_CELLS	10
#define CELL_FULL	"\xe2\x96\x93"
#define CELL_EMPTY	"\xe2\x96\x91"

/* A run whose live message we keep up. */
struct live {
	struct json	*show;
	char		*answer;	/* the yes that led to it, or NULL */
	int64_t		 due_ms;	/* of the newest edit queued */
};

static void
live_free(void *p)
{
	struct live *l = p;

	if (l == NULL)
		return;
	json_free(l->show);
	free(l->answer);
	free(l);
}

struct map *
progress_map(void)
{
	return map_new(live_free);
}

char *
took(int64_t ms, char *dst, size_t dstsize)
{
	char age[16];

	if (ms < 60000)
		snprintf(dst, dstsize, "%lld.%lld s", (long long)(ms / 1000),
		    (long long)(ms % 1000 / 100));
	else
		snprintf(dst, dstsize, "%s", clock_age(ms, age));
	return dst;
}

static struct live *
live_of(struct chat *c, int64_t run, const char *resources)
{
	char id[32];
	struct live *l;
	struct json *o;
	struct err err;

	snprintf(id, sizeof id, "%lld", (long long)run);
	if ((l = map_find(c->lives, id)) != NULL)
		return l;
	l = xcalloc(1, sizeof *l);
	if (resources != NULL) {
		o = json_parse(resources, strlen(resources), &err);
		l->show = json_copy(json_get(o, "show"));
		l->answer = xstrdup(json_str(o, "answer"));
		json_free(o);
	}
	map_set(c->lives, id, l);
	return l;
}

static void
live_drop(struct chat *c, int64_t run)
{
	char id[32];

	snprintf(id, sizeof id, "%lld", (long long)run);
	live_free(map_take(c->lives, id));
}

/* --- the live message ---------------------------------------------------- */

static char *
bar(size_t done, size_t total)
{
	struct buf b = { 0 };
	size_t full = total > 0 ? done * BAR_CELLS / total : BAR_CELLS;

	for (size_t i = 0; i < BAR_CELLS; i++)
		buf_puts(&b, i < full ? CELL_FULL : CELL_EMPTY);
	return buf_take(&b);
}

/* Where it stands, in the words of the last line. */
static char *
state_line(const struct run_view *v, int64_t now)
{
	size_t open = v->total - v->settled;
	char time[32];

	took(now - v->started_ms, time, sizeof time);
	if (!v->over && v->failed > 0)
		return xasprintf("%zu in trouble, %s so far", v->failed, time);
	if (!v->over)
		return now - v->started_ms < 1000 ? xstrdup("begun") :
		    xasprintf("%s so far", time);
	if (open == 0)
		return xasprintf("done in %s", time);
	return xasprintf("%zu not ready after %s", open, time);
}

static void
live_text(struct chat *c, const struct run_view *v, const struct json *show,
    struct text *out)
{
	struct text steps = { 0 }, notes = { 0 };
	bool has_bar = v->total > 0;
	char *cells = has_bar ? bar(v->settled, v->total) : NULL;
	char *count = has_bar ? xasprintf("%zu/%zu", v->settled, v->total) :
	    NULL;
	char *state = state_line(v, clock_ms());
	char *object = v->current != NULL && !v->over ?
	    object_title(v->current) : NULL;

	put_steps(show, &steps);
	put_notes(show, &notes);
	if (object != NULL && has_bar) {
		char *whole = xasprintf("%s · %s%s%s", count, object,
		    v->progress[0] != '\0' ? ": " : "", v->progress);

		free(count);
		count = whole;
	}
	template_fill(c->templates, "live", FILL(V("title", v->title),
	    V("summary", json_str(show, "summary")),
	    V("risk", json_str(show, "risk")), V("bar", cells),
	    V("count", count), V("state", state), B("steps", &steps),
	    B("notes", &notes)), out);
	text_release(&steps);
	text_release(&notes);
	free(cells);
	free(count);
	free(state);
	free(object);
}

void
progress_begin(struct request *q, int64_t run, const char *title,
    const struct json *show, const struct plan *plan)
{
	struct reply r = { .event = q->event, .answer = q->answer,
	    .state = REPLY_RUNNING, .run = run };
	struct run_view v = { .id = run, .title = title,
	    .total = plan->steps_n, .started_ms = clock_ms() };
	struct text t = { 0 };
	struct live *l;
	int64_t id;

	live_text(q->chat, &v, show, &t);
	id = reply_send(q->chat, q->room, &r, &t);
	engine_run_live(q->chat->engine, run, id);
	l = live_of(q->chat, run, NULL);
	l->show = json_copy(show);
	l->answer = xstrdup(q->answer);
	l->due_ms = clock_ms();
	if (!json_bool(show, "brief", false))
		send_thread(q->chat, q->room, id, show, plan);
	q->is_answered = q->is_done = true;
	text_release(&t);
}

/* A run that somebody else began (REST, a timer): in the room it names. */
static void
live_begin(struct chat *c, const struct run_view *v)
{
	struct reply r = { .event = v->command_event, .state = REPLY_RUNNING,
	    .run = v->id };
	struct live *l = live_of(c, v->id, v->resources);
	struct text t = { 0 };

	live_text(c, v, l->show, &t);
	engine_run_live(c->engine, v->id, reply_send(c, v->room, &r, &t));
	l->due_ms = clock_ms();
	text_release(&t);
}

/*
 * One edit at a time: while one waits for its time it is replaced, and keeps
 * its time.
 */
static void
live_update(struct chat *c, const struct run_view *v)
{
	struct live *l = live_of(c, v->id, v->resources);
	struct reply r = { .event = v->command_event, .answer = l->answer,
	    .state = REPLY_RUNNING, .run = v->id };
	int64_t now = clock_ms();
	struct text t = { 0 };

	if (l->due_ms <= now)
		l->due_ms = l->due_ms + c->cfg.live_interval_ms > now ?
		    l->due_ms + c->cfg.live_interval_ms : now;
	live_text(c, v, l->show, &t);
	reply_update(c, v->live_message, &r, &t, l->due_ms);
	text_release(&t);
}

/* --- the end ------------------------------------------------------------- */

struct troubles { struct chat *chat; struct text text; size_t n; };

static void
add_trouble(void *arg, const char *key, const char *error)
{
	struct troubles *tr = arg;
	char *title = object_title(key);
	struct object_view o;
	char *death = NULL;

	if (engine_object(tr->chat->engine, key, &o) &&
	    strstr(error, "exit code") == NULL)
		death = last_death(tr->chat, &o);
	text_printf(&tr->text, "- %s: %s%s%s\n", title, error, death != NULL ?
	    "; it died last of: " : "", death != NULL ? death : "");
	free(death);
	tr->n++;
	if (engine_object(tr->chat->engine, key, &o) && o.owner[0] != '\0') {
		char *line = xasprintf("%s: %s", title, error);

		store_log_add(tr->chat->store, o.owner, "failed", line);
		free(line);
	}
	free(title);
}

static void
run_over(struct chat *c, const struct run_view *v)
{
	struct troubles tr = { .chat = c };
	size_t open = v->total - v->settled;
	struct ending end = { .run = v->id, .actor = v->actor,
	    .room = v->room, .event = v->command_event, .title = v->title,
	    .plan_hash = v->plan_hash, .resources = v->resources,
	    .created = v->creates, .updated = v->updates,
	    .deleted = v->deletes, .failed = open, .total = v->total,
	    .took_ms = clock_ms() - v->started_ms };
	const struct json *woken;
	char why[96];

	if (open > 0) {
		run_troubles(v, TROUBLES_SHOWN, add_trouble, &tr);
		if (open > tr.n)
			text_printf(&tr.text, "- and %zu more\n",
			    open - tr.n);
		snprintf(why, sizeof why, "%s, %zu of %zu objects are not "
		    "ready", v->timed_out ? "still trying" : "failed", open,
		    v->total);
		end.why = why;
		end.troubles = &tr.text;
	}
	receipt_send(c, &end);
	woken = json_get(live_of(c, v->id, v->resources)->show, LIFE_WOKEN);
	if (woken != NULL && open > 0)
		news_not_woken(c, woken, v->title, why);
	text_release(&tr.text);
}

void
progress_run(void *arg, const struct run_view *v)
{
	struct chat *c = arg;

	store_begin(c->store);
	if (v->live_message != 0)
		live_update(c, v);
	else if (!v->over && v->room != NULL && v->room[0] != '\0')
		live_begin(c, v);
	if (v->over) {
		run_over(c, v);
		live_drop(c, v->id);
	}
}
