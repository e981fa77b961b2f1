/* events: what happened lately, to one resource or to all. */
#include "chat-int.h"

#include <stdlib.h>
#include <string.h>

#include "hiclaw/clock.h"

#include "cmd.h"

struct events { struct chat *chat; struct text text; size_t n; bool is_all; };

static void
put_event(const struct log_row *row, void *arg)
{
	struct events *ev = arg;
	char age[16], *what = short_ids(ev->chat->engine, row->text);

	ev->n++;
	text_printf(&ev->text, "- %s ago", clock_age(clock_ms() - row->at_ms,
	    age));
	if (ev->is_all)
		text_printf(&ev->text, " · %s", row->subject);
	text_printf(&ev->text, " · %s\n", what);
	free(what);
}

/* A member's events are those of its Team. */
static char *
subject_of(struct request *q, struct err *e)
{
	const struct resources *rs = engine_resources(q->chat->engine);
	const struct json *member;
	const struct resource *team;
	const struct kind *kind;
	const char *name;
	bool is_leader;
	size_t at = 0;

	if (read_name(q, &q->words.v, &at, &kind, &name, e) == -1)
		return NULL;
	if (strcmp(kind->name, "Worker") == 0 &&
	    resources_find(rs, kind, name) == NULL &&
	    (team = member_team(rs, name, &is_leader, &member)) != NULL)
		return xasprintf("Team/%s", team->name);
	return xasprintf("%s/%s", kind->name, name);
}

void
cmd_events(struct request *q)
{
	struct events ev = { .chat = q->chat, .is_all = q->words.v.n == 0 };
	char *subject = NULL;
	struct err err;

	if (!ev.is_all && (subject = subject_of(q, &err)) == NULL) {
		say_usage(q, err.msg);
		return;
	}
	store_log_each(q->chat->store, subject, EVENTS_SHOWN, put_event, &ev);
	if (ev.n == 0)
		text_printf(&ev.text, "Nothing happened%s%s yet.",
		    subject != NULL ? " to " : "",
		    subject != NULL ? subject : "");
	say(q, REPLY_INFO, &ev.text);
	text_release(&ev.text);
	free(subject);
}
