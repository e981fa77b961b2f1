/*
 * lint: all that is wrong with a manifest, what was repaired, and how it reads
 * then.  It changes nothing.  Whoever may not plan hears about the text alone:
 * what else is declared is not for them.
 */
#include "chat-int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"

struct lint {
	struct request	*q;
	struct strv	 notes;		/* repairs and warnings */
	struct text	 faults;
	size_t		 errors, docs;
	bool		 is_alone;	/* nothing else was looked at */
};

static void
lint_problems(struct lint *l, const struct problems *ps)
{
	for (size_t i = 0; i < ps->n; i++)
		if (!ps->v[i].is_warning)
			put_problem(&ps->v[i], &l->faults);
	l->errors += ps->errors;
	note_warnings(ps, &l->notes);
}

/* Against all that is declared. */
static void
lint_together(struct lint *l, struct resource *const *v,
    const struct place *places, size_t n)
{
	struct request *q = l->q;
	struct json *action = change_apply_action(v, n, NULL);
	struct attempt ch = { 0 };
	struct err err;

	if (change_try(q->chat->engine, action, places, &ch, &err) == -1 &&
	    ch.problems.errors == 0) {
		text_printf(&l->faults, "%s\n", err.msg);
		l->errors++;
	}
	problems_locate(&ch.problems, q->manifest, q->manifest_len);
	lint_problems(l, &ch.problems);
	change_release(&ch);
	json_free(action);
}

static void
lint_text(struct lint *l)
{
	struct request *q = l->q;
	struct resource **v = NULL;
	struct place *places = NULL;
	struct problems ps = { 0 };
	size_t n = 0;
	int rc = manifest_decode_places(q->manifest, q->manifest_len, &v,
	    &places, &n, &ps);

	lint_problems(l, &ps);
	l->docs = n;
	l->is_alone = request_may(q, VERB_PLAN, NULL, RISK_NONE, NULL, 0) ==
	    MAY_NOT;
	if (rc == 0 && n > 0 && !l->is_alone)
		lint_together(l, v, places, n);
	for (size_t i = 0; i < n; i++)
		resource_unref(v[i]);
	free(v);
	free(places);
	problems_release(&ps);
}

static void
put_verdict(const struct lint *l, struct text *t)
{
	if (l->errors > 0)
		text_printf(t, "**%zu problem%s.** Nothing was changed.\n",
		    l->errors, l->errors == 1 ? "" : "s");
	else if (l->docs == 0)
		text_puts(t, "**There is no document in it.**\n");
	else
		text_printf(t, "**%zu document%s without a fault.** Nothing "
		    "was changed; `apply` would take %s.\n", l->docs,
		    l->docs == 1 ? "" : "s", l->docs == 1 ? "it" : "them");
}

static void
lint_say(struct lint *l)
{
	struct request *q = l->q;
	const char *advice = repair_advice(q->manifest);
	struct text t = { 0 };

	put_verdict(l, &t);
	text_puts(&t, "\n");
	text_append(&t, &l->faults);
	if (l->errors > 0 && advice != NULL)
		text_printf(&t, "\n%s\n", advice);
	if (l->notes.n > 0) {
		text_puts(&t, "\n");
		notes_text(&l->notes, &t);
	}
	if (l->is_alone)
		text_puts(&t, "\nWhether names and references fit to what is "
		    "declared was not looked at: that takes tier 2.\n");
	if (q->repairs.n > 0) {
		text_puts(&t, "\nRepaired it reads:");
		text_pre(&t, "yaml", q->manifest);
	}
	say(q, l->errors > 0 || l->docs == 0 ? REPLY_REFUSED : REPLY_DONE,
	    &t);
	text_release(&t);
}

void
cmd_lint(struct request *q)
{
	struct lint l = { .q = q };

	if (q->manifest == NULL)
		say_template(q, REPLY_REFUSED, "no-manifest", FILL(
		    V("command", q->command->name),
		    V("usage", q->command->usage)));
	else {
		lint_text(&l);
		lint_say(&l);
	}
	strv_release(&l.notes);
	text_release(&l.faults);
}
