/*
 * Life of agents: woken, put to sleep, started anew, heard from, and their logs.
 * Team members are agents like all others.
 */
#include "rest-int.h"

#include <stdlib.h>
#include <string.h>

#include "hiclaw/clock.h"
#include "hiclaw/log.h"
#include "hiclaw/secure.h"

/* An answer from outside that is still to come. */
struct asking {
	struct call	*call;
	struct asking	*next, **at;
};

/* The agent of the path, or 404. */
static bool
is_there(struct call *c)
{
	struct err err;

	if (c->target.resource != NULL)
		return true;
	name_missing(c->rest->ops->engine, c->kind, c->name, &err);
	answer_err(c, &err);
	return false;
}

/* --- states -------------------------------------------------------------- */

/* {"name", "phase"}: the phase NULL is as it is now. */
static void
answer_phase(struct call *c, const char *phase)
{
	struct json *o = json_object();
	struct agent_views vs;
	const struct agent_view *v;

	agent_views_find(c->rest->ops->engine, c->target.resource,
	    clock_ms(), &vs);
	v = agent_views_named(&vs, c->target.name);
	json_set_str(o, "name", c->target.name);
	json_set_str(o, "phase", phase != NULL ? phase : v->is_ready &&
	    strcmp(v->phase, "Running") == 0 ? "Ready" : v->phase);
	if (phase == NULL && v->why[0] != '\0')
		json_set_str(o, "message", v->why);
	answer_json(c, 200, o);
	agent_views_release(&vs);
}

/* False: it was refused, and that was said. */
static bool
set_state(struct call *c, const char *state)
{
	struct engine *e = c->rest->ops->engine;
	struct json *action = change_state_action(state);
	struct attempt ch;
	char why[WHY_MAX];
	struct err err;
	bool done = false;

	change_state_add(action, c->target.name);
	if (change_try(e, action, NULL, &ch, &err) == -1)
		answer_problems(c, &ch.problems, &err);
	else if (change_may(e, &c->caller, action, &ch, why, sizeof why) <
	    MAY_ASK)
		answer_error(c, 403, "%s", why);
	else if (ch.plan->resources_n > 0 && is_frozen(c))
		done = false;
	else {
		if (ch.plan->resources_n > 0)
			start_change(c, action, &ch);
		done = true;
	}
	change_release(&ch);
	json_free(action);
	/* The change made new resources. */
	if (done)
		target_find(engine_resources(e), c->kind, c->name,
		    &c->target);
	return done;
}

void
post_wake(struct call *c)
{
	if (is_there(c) && set_state(c, "Running"))
		answer_phase(c, "Running");
}

void
post_sleep(struct call *c)
{
	if (is_there(c) && set_state(c, "Sleeping"))
		answer_phase(c, "Sleeping");
}

void
post_ensure_ready(struct call *c)
{
	if (is_there(c) && set_state(c, "Running"))
		answer_phase(c, NULL);
}

void
post_restart(struct call *c)
{
	struct run_request rq = { .actor = c->caller.user,
	    .room = report_room(c) };
	struct json *rs;
	char *key, *title, *text;
	struct err err;

	if (!is_there(c) || is_frozen(c))
		return;
	key = xasprintf("container:%s", c->target.name);
	title = xasprintf("restart %s (REST)", c->target.name);
	rs = json_must("{\"changed\":[],\"deleted\":[],\"show\":{\"summary\":"
	    "\"1 to restart\",\"risk\":\"restart\",\"lines\":[],"
	    "\"notes\":[]}}");
	rq.resources = text = json_canonical(rs);
	rq.title = title;
	store_begin(c->rest->ops->store);
	if (engine_restart(c->rest->ops->engine, key, &rq, NULL, &err) == -1)
		answer_error(c, err.kind == ERR_NOTFOUND ? 409 : 422,
		    "%s has no container to start anew", c->target.name);
	else {
		log_info("rest", "%s by %s", title, c->caller.user);
		answer_phase(c, NULL);
	}
	json_free(rs);
	free(text);
	free(title);
	free(key);
}

/* --- reports ------------------------------------------------------------- */

/* The handle by which events find what runs the agent; NULL: nothing does. */
static const char *
runner_handle(const struct engine *e, const char *name)
{
	static const char *const runners[] = { "container", "remote" };
	const char *handle = NULL;

	for (size_t i = 0; handle == NULL && i < NELEM(runners); i++) {
		char *key = xasprintf("%s:%s", runners[i], name);

		handle = engine_observed(e, key, "id");
		free(key);
	}
	return handle;
}

/*
 * How long a report counts: three times as long as the agent says it will be quiet
 * (two reports may be lost).  One that says nothing of the next one is the only
 * one: it counts until its container ends.
 */
static int64_t
report_life_ms(const struct json *every)
{
	return every != NULL ? 3000 * json_value_int(every, 0) :
	    REPORTED_ONCE_MS;
}

static bool
is_interval(const struct json *every)
{
	return json_is(every, JSON_NUMBER) && json_value_int(every, 0) >= 1 &&
	    json_value_int(every, 0) <= EVERY_MAX_S;
}

static void
report(struct call *c, int busy, int64_t life_ms)
{
	struct engine *e = c->rest->ops->engine;
	const char *handle = runner_handle(e, c->target.name);
	struct json *event;

	if (handle != NULL) {
		event = json_object();
		json_set_str(event, "type", "ready");
		json_set_int(event, "until_ms", clock_ms() + life_ms);
		json_set_int(event, "life_ms", life_ms);
		engine_event(e, handle, event);
		json_free(event);
	}
	if (c->rest->cfg.reported != NULL)
		c->rest->cfg.reported(c->rest->cfg.arg, c->target.name, busy);
}

void
post_ready(struct call *c)
{
	struct json *body = body_object(c);
	const struct json *busy = json_get(body, "busy");
	const struct json *every = json_get(body, "every");

	if (body == NULL || !is_there(c))
		;	/* answered */
	else if (busy != NULL && !json_is(busy, JSON_BOOL))
		answer_error(c, 422, "busy: expected true or false");
	else if (every != NULL && !is_interval(every))
		answer_error(c, 422, "every: expected seconds, 1 to %d",
		    EVERY_MAX_S);
	else {
		report(c, busy == NULL ? -1 : json_value_bool(busy, false),
		    report_life_ms(every));
		answer_empty(c);
	}
	json_free(body);
}

/* --- logs ---------------------------------------------------------------- */

static void
asking_end(struct asking *a)
{
	*a->at = a->next;
	if (a->next != NULL)
		a->next->at = a->at;
	call_drop(a->call);
	free(a);
}

void
askings_free(struct rest *r)
{
	while (r->asking != NULL)
		asking_end(r->asking);
}

/* Lines are masked together: a key may go over several of them. */
static struct json *
masked(struct call *c, const struct json *answer)
{
	const struct json *v = json_first(json_get(answer, "lines"));
	const struct json *was = v;
	struct json *o = json_object(), *list, *line;
	struct strv secrets = { 0 };
	struct buf b = { 0 };
	size_t n = 0, len;
	char *text;

	for (; v != NULL; v = json_next(v), n++)
		buf_printf(&b, "%s\n", json_strd(v, "text", ""));
	agent_secrets(c->rest->ops->engine, c->name, &secrets);
	text = mask_secrets(buf_str(&b), &secrets, true);
	list = json_set(o, "lines", json_array());
	for (const char *p = text; *p != '\0'; p += len + (p[len] == '\n')) {
		char *copy;

		len = strcspn(p, "\n");
		copy = xstrndup(p, len);
		line = json_push(list, json_object());
		json_set_str(line, "text", copy);
		free(copy);
	}
	/* As many as before: each is of the stream that it was of. */
	for (line = json_first(list); json_size(list) == n && line != NULL;
	    line = json_next(line), was = json_next(was))
		json_set_str(line, "stream", json_str(was, "stream"));
	secret_free(text);
	buf_release(&b);
	secrets_wipe(&secrets);
	return o;
}

static void
logs_done(void *arg, const struct json *answer, const struct err *err)
{
	struct asking *a = arg;

	/* After rest_stop the request is no longer ours to answer. */
	if (a->call->rest->is_stopped)
		;
	else if (answer == NULL)
		answer_err(a->call, err);
	else
		answer_json(a->call, 200, masked(a->call, answer));
	asking_end(a);
}

static int64_t
read_tail(struct call *c)
{
	char *tail = httpd_query(c->req, "tail"), *end;
	long n = LOG_LINES;

	if (tail != NULL) {
		n = strtol(tail, &end, 10);
		if (*end != '\0' || tail[0] == '\0' || n < 1)
			n = -1;
		else if (n > LOG_LINES_MAX)
			n = LOG_LINES_MAX;
	}
	free(tail);
	return n;
}

void
get_logs(struct call *c)
{
	struct json *question;
	struct asking *a;
	struct err err;
	int64_t tail = read_tail(c);

	if (!is_there(c))
		return;
	if (tail == -1) {
		answer_error(c, 422, "tail: expected a number of lines");
		return;
	}
	question = json_object();
	json_set_str(question, "op", "logs");
	json_set_str(question, "name", c->target.name);
	json_set_int(question, "tail", tail);
	a = xcalloc(1, sizeof *a);
	a->call = call_keep(c);
	a->next = c->rest->asking;
	a->at = &c->rest->asking;
	if (a->next != NULL)
		a->next->at = &a->next;
	c->rest->asking = a;
	if (engine_query(c->rest->ops->engine, "container", question,
	    logs_done, a, &err) == -1) {
		answer_error(c, 501, "%s", err.msg);
		asking_end(a);
	}
	json_free(question);
}
