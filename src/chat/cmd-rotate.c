/*
 * rotate: a new gateway key for an agent, and for a while both work; with
 * --storage a new secret at the storage.
 */
#include "agents.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hiclaw/clock.h"

#include "cmd.h"

/* What the live message and the receipt show; the plan has it in two words. */
static struct json *
show_of(struct request *q, const struct agent *a, bool is_storage)
{
	int64_t overlap = is_storage ? 0 : q->chat->cfg.rotation_overlap_ms;
	struct json *o = json_object(), *lines, *notes;
	char age[16];

	json_set_str(o, "summary", "1 to change");
	json_set_str(o, "risk", risk_name(RISK_CREDENTIAL));
	lines = json_set(o, "lines", json_array());
	json_push(lines, json_stringf("make a new %s for %s", is_storage ?
	    "storage secret" : "gateway key", a->name));
	notes = json_set(o, "notes", json_array());
	if (overlap > 0)
		json_push(notes, json_stringf("The old key works for %s, and "
		    "until the agent's files have the new one.",
		    clock_age(overlap, age)));
	else
		json_push(notes, json_stringf("What uses the old one stops "
		    "working at once."));
	return o;
}

static void
rotate(struct request *q, const struct agent *a, bool is_storage)
{
	char *key = is_storage ? xasprintf("user:%s", a->runtime) :
	    xasprintf("consumer:%s", a->consumer);
	char *title = xasprintf("rotate %s%s", a->name, is_storage ?
	    " --storage" : ""), *text;
	struct json *show = show_of(q, a, is_storage), *rs = json_object();
	struct run_request rq = { .actor = q->sender, .room = q->room,
	    .command_event = q->event, .title = title };
	struct plan *plan = NULL;
	struct err err;
	int64_t run;

	json_set(rs, "changed", json_array());
	json_set(rs, "deleted", json_array());
	json_set(rs, "show", json_copy(show));
	rq.resources = text = json_canonical(rs);
	run = engine_rotate(q->chat->engine, key, is_storage ? 0 :
	    q->chat->cfg.rotation_overlap_ms, &rq, &plan, &err);
	if (run == -1 && err.kind == ERR_NOTFOUND)
		say_wrong(q, "%s has no %s: none is configured", a->name,
		    is_storage ? "user at a storage" : "key of a gateway");
	else if (run == -1)
		say_wrong(q, "Nothing was rotated: %s", err.msg);
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
cmd_rotate(struct request *q)
{
	struct agents as = { 0 };
	const struct agent *a = agent_alone(q, &as);

	if (a != NULL && !command_waits(q))
		rotate(q, a, words_flag(&q->words, "storage") != NULL);
	agents_release(&as);
}
