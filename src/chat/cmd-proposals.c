/*
 * proposals: what waits, since when and for whom; one of them with its ledger.
 * approve, deny, hold, unhold: decide.c.
 */
#include "proposal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hiclaw/clock.h"

#include "cmd.h"

#define LISTED	30	/* two screens; who has more open has other trouble */

/* Others' questions are between them and us; tier 1 sees all. */
bool
proposal_may_see(const struct request *q, const struct proposal *p)
{
	struct voter v = proposal_voter(q->chat, p, q->sender);

	return q->tier == 1 || v.is_requester ||
	    policy_entitled(&p->rule, &v) == IS_ENTITLED;
}

void
proposal_line(struct chat *c, const struct proposal *p, struct text *out)
{
	struct ledger l;
	struct strv people = { 0 };
	char age[16];

	ledger_read(c, p, &l);
	text_printf(out, "- **%lld** %s, asked by ", (long long)p->id,
	    json_strd(p->action, "title", ""));
	text_user(out, p->sender);
	text_printf(out, " %s ago, risk %s: ",
	    clock_age(clock_ms() - p->asked_ms, age),
	    json_strd(p->action, "risk", "?"));
	if (l.tally == TALLY_HELD)
		text_puts(out, "on hold");
	else if (p->waits)
		text_puts(out, "approved, waits for the end of a freeze "
		    "window");
	else if (p->rule.mode != POLICY_APPROVE)
		text_puts(out, "waits for a yes");
	else {
		proposal_approvers(c, p, &l, &people);
		text_printf(out, "%d missing, of ", l.missing);
		put_people(&people, out);
	}
	text_puts(out, "\n");
	strv_release(&people);
	ledger_release(&l);
}

static void
say_list(struct request *q)
{
	struct proposal *list = proposals_open(q->chat, 0), *p;
	struct text t = { 0 };
	size_t n = 0;

	while ((p = list) != NULL) {
		list = p->next;
		if (!proposal_is_over(p, clock_ms()) &&
		    proposal_may_see(q, p) && n++ < LISTED)
			proposal_line(q->chat, p, &t);
		proposal_free(p);
	}
	if (n == 0)
		text_puts(&t, "Nothing waits for an approval.");
	else if (n > LISTED)
		text_printf(&t, "- and %zu more", n - LISTED);
	say(q, REPLY_INFO, &t);
	text_release(&t);
}

/* All decisions on it, with how and when. */
static void
put_history(const struct ledger *l, struct text *out)
{
	char at[24];

	for (size_t i = 0; i < l->n; i++) {
		const struct vote_row *v = &l->v[i];

		if (v->verdict == VERDICT_NONE)
			continue;
		text_printf(out, "- %s ", clock_utc(v->at_ms, at));
		text_user(out, v->user);
		text_printf(out, ": %s by %s%s%s%s\n",
		    verdict_name(v->verdict), v->way,
		    v->override ? ", against the freeze window" : "",
		    v->reason != NULL ? ": " : "",
		    v->reason != NULL ? v->reason : "");
	}
}

static void
say_one(struct request *q, struct proposal *p)
{
	struct text t = { 0 }, history = { 0 };
	struct ledger l;
	char at[24];

	ledger_read(q->chat, p, &l);
	if (proposal_is_over(p, clock_ms())) {
		proposal_over_text(q->chat, p, &l, p->closed != NULL ?
		    p->closed : "expired", false, &t);
		if (p->closed_ms != 0)
			text_printf(&t, "Closed at %s",
			    clock_utc(p->closed_ms, at));
		if (p->run != 0)
			text_printf(&t, ", as run %lld", (long long)p->run);
		text_puts(&t, p->closed_ms != 0 ? ".\n" : "");
	} else
		proposal_text(q->chat, p, &l, &t);
	put_history(&l, &history);
	if (!text_is_empty(&history)) {
		text_puts(&t, "\n**Decisions**\n");
		text_append(&t, &history);
	}
	text_printf(&t, "\nPlan `%s`, asked at %s.", p->hash,
	    clock_utc(p->asked_ms, at));
	say(q, REPLY_INFO, &t);
	ledger_release(&l);
	text_release(&history);
	text_release(&t);
}

void
cmd_proposals(struct request *q)
{
	const char *word = q->words.v.n > 0 ? q->words.v.v[0] : NULL;
	struct proposal *p;
	char *end;

	if (word == NULL) {
		say_list(q);
		return;
	}
	p = proposal_get(q->chat, strtoll(word + (*word == '#'), &end, 10));
	if (*end != '\0')
		say_usage(q, "A proposal is named by its number.");
	else if (p == NULL || !proposal_may_see(q, p))
		say_wrong(q, "There is no number %s that you may see.", word);
	else
		say_one(q, p);
	proposal_free(p);
}

void
cmd_approve(struct request *q)
{
	decision_command(q, VERDICT_APPROVE);
}

void
cmd_deny(struct request *q)
{
	decision_command(q, VERDICT_DENY);
}

void
cmd_hold(struct request *q)
{
	decision_command(q, VERDICT_HOLD);
}

void
cmd_unhold(struct request *q)
{
	decision_command(q, VERDICT_RELEASE);
}
