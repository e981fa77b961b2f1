/*
 * wake, sleep, ensure-ready, restart: what an agent is to do.  Members of a team,
 * leaders and the Manager are agents like all others.
 */
#include "agents.h"

#include <stdlib.h>
#include <string.h>

#include "cmd.h"

/* --- wake, sleep ------------------------------------------------------------ */

/* Somebody else runs it: it does not end because we say so. */
static void
note_elsewhere(const struct agent *a, struct strv *notes)
{
	if (agent_is_remote(a))
		strv_addf(notes, "%s runs elsewhere (containerManaged: false): "
		    "who runs it has to start and stop it", a->name);
}

/* All that the words name, as one change; -1: err. */
static int
take_agents(struct request *q, struct json *action, struct strv *notes,
    struct err *e)
{
	struct agents as = { 0 };
	const struct agent *a;
	struct strv names = { 0 };
	size_t at = 0;
	int rc = 0;

	do {
		a = agent_take(q, &as, &at, e);
		if (a == NULL)
			rc = -1;
		else if (strv_add_unique(&names, a->name)) {
			change_state_add(action, a->name);
			note_elsewhere(a, notes);
		}
		agents_release(&as);
	} while (rc == 0 && at < q->words.v.n);
	strv_release(&names);
	return rc;
}

static void
set_state(struct request *q, const char *state)
{
	struct json *action = change_state_action(state);
	struct strv notes = { 0 };
	struct attempt ch = { 0 };
	struct err err;

	if (take_agents(q, action, &notes, &err) == -1)
		say_usage(q, err.msg);
	else if (change_try(q->chat->engine, action, NULL, &ch, &err) == -1)
		say_wrong(q, "%s", err.msg);
	else
		change_decide(q, action, &ch, &notes);
	change_release(&ch);
	strv_release(&notes);
	json_free(action);
}

void
cmd_wake(struct request *q)
{
	set_state(q, "Running");
}

void
cmd_sleep(struct request *q)
{
	set_state(q, "Sleeping");
}

/* --- one agent ---------------------------------------------------------------- */

/* True if the asker may do that to it; else that was said. */
static bool
may(struct request *q, enum verb verb, const struct agent *a)
{
	struct target t;
	char why[256];

	target_find(engine_resources(q->chat->engine), NULL, a->name, &t);
	if (request_may(q, verb, &t, RISK_NONE, why, sizeof why) == MAY_NOW)
		return true;
	say_may_not(q, why);
	return false;
}

static void
say_readiness(struct request *q, const struct agent *a)
{
	char why[256];
	const char *phase = engine_agent_phase(q->chat->engine, a->resource,
	    a->name, a->spec, why, sizeof why);
	struct text t = { 0 };
	struct object_view v;

	if (strcmp(phase, "Ready") == 0 &&
	    !engine_runner(q->chat->engine, a->name, &v))
		text_printf(&t, "%s is set up. Nothing here runs agents, so I "
		    "cannot tell whether it is up.", a->name);
	else if (strcmp(phase, "Ready") == 0)
		text_printf(&t, "%s is ready.", a->name);
	else
		text_printf(&t, "**%s** · %s%s%s", a->name, phase,
		    why[0] != '\0' ? ": " : "", why);
	say(q, strcmp(phase, "Ready") == 0 ? REPLY_DONE : REPLY_INFO, &t);
	text_release(&t);
}

void
cmd_ensure_ready(struct request *q)
{
	struct agents as = { 0 };
	const struct agent *a = agent_alone(q, &as);

	if (a == NULL || !may(q, VERB_WAKE, a))
		;	/* said */
	else if (agent_state(a) != AGENT_RUNNING)
		set_state(q, "Running");
	else
		say_readiness(q, a);
	agents_release(&as);
}

/* --- restart -------------------------------------------------------------------- */

static struct json *
restart_show(const struct agent *a)
{
	struct json *o = json_object(), *lines;

	json_set_str(o, "summary", "1 to restart");
	json_set_str(o, "risk", risk_name(RISK_RESTART));
	lines = json_set(o, "lines", json_array());
	json_push(lines, json_stringf("stop and start %s", a->name));
	json_set(o, "notes", json_array());
	return o;
}

static void
restart(struct request *q, const struct agent *a)
{
	char *key = xasprintf("container:%s", a->name), *text;
	char *title = xasprintf("restart %s", a->name);
	struct json *show = restart_show(a), *rs = json_object();
	struct run_request rq = { .actor = q->sender, .room = q->room,
	    .command_event = q->event, .title = title };
	struct plan *plan = NULL;
	struct err err;
	int64_t run;

	json_set(rs, "changed", json_array());
	json_set(rs, "deleted", json_array());
	json_set(rs, "show", json_copy(show));
	rq.resources = text = json_canonical(rs);
	run = engine_restart(q->chat->engine, key, &rq, &plan, &err);
	if (run == -1)
		say_wrong(q, "There is no container of %s: nothing here runs "
		    "agents", a->name);
	else
		progress_begin(q, run, title, show, plan);
	plan_free(plan);
	json_free(show);
	json_free(rs);
	free(text);
	free(title);
	free(key);
}

void
cmd_restart(struct request *q)
{
	struct agents as = { 0 };
	const struct agent *a = agent_alone(q, &as);

	if (a == NULL || !may(q, VERB_RESTART, a))
		;	/* said */
	else if (agent_is_remote(a))
		say_wrong(q, "I cannot restart it: %s runs elsewhere, and who "
		    "runs it has to", a->name);
	else if (agent_state(a) != AGENT_RUNNING)
		say_wrong(q, "There is nothing to restart: %s is %s; \"wake "
		    "%s\" starts it", a->name,
		    agent_state(a) == AGENT_SLEEPING ? "asleep" : "stopped",
		    a->name);
	else if (!command_waits(q))
		restart(q, a);
	agents_release(&as);
}
