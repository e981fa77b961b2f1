/*
 * How a proposal looks: on one phone screen what it does, to whom, how it
 * stands and what to tap; the rest is in its thread.
 */
#include "proposal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hiclaw/clock.h"

#define PEOPLE_SHOWN	3
#define REASON_SHOWN	200	/* bytes of a reason in the ledger */

/* --- who could ------------------------------------------------------------- */

static void
add_if_entitled(struct chat *c, const struct proposal *p,
    const struct ledger *l, const char *user, struct strv *out)
{
	struct voter v = proposal_voter(c, p, user);

	for (size_t i = 0; i < l->n; i++)
		if (l->v[i].verdict == VERDICT_APPROVE &&
		    strcmp(l->v[i].user, user) == 0)
			return;
	if (policy_entitled(&p->rule, &v) == IS_ENTITLED)
		strv_add_unique(out, user);
}

void
proposal_approvers(struct chat *c, const struct proposal *p,
    const struct ledger *l, struct strv *out)
{
	const struct world_config *wc = engine_world_config(c->engine);
	const struct resources *rs = engine_resources(c->engine);
	const struct kind *human = kind_find("Human");
	char *user;

	for (size_t i = 0; i < wc->admins->n; i++)
		add_if_entitled(c, p, l, wc->admins->v[i], out);
	for (size_t i = 0; i < resources_n(rs); i++) {
		if (resources_at(rs, i)->kind != human)
			continue;
		user = human_user(wc, resources_at(rs, i));
		add_if_entitled(c, p, l, user, out);
		free(user);
	}
}

void
put_people(const struct strv *people, struct text *out)
{
	for (size_t i = 0; i < people->n && i < PEOPLE_SHOWN; i++) {
		if (i > 0)
			text_puts(out, ", ");
		text_user(out, people->v[i]);
	}
	if (people->n > PEOPLE_SHOWN)
		text_printf(out, " and %zu more", people->n - PEOPLE_SHOWN);
}

/* --- what it does ------------------------------------------------------------ */

char *
blast_radius(const struct engine *e, const struct json *action,
    const struct attempt *ch)
{
	size_t gone = change_deleted(e, action, ch);

	/* The summary tells of objects and people. */
	return gone < 2 ? NULL : xasprintf("%zu resources are deleted.",
	    gone);
}

/* --- how it stands ------------------------------------------------------------ */

static void
put_vote(const struct vote_row *v, struct text *out)
{
	static const struct { const char *mark, *did; } words[] = {
		[VERDICT_APPROVE] = { "\xe2\x9c\x85", "approved" },
		[VERDICT_DENY] = { "\xe2\x9d\x8c", "denied" },
		[VERDICT_HOLD] = { "\xe2\x8f\xb8", "holds it" },
		[VERDICT_RELEASE] = { "", "" },
	};
	char *reason;

	if (v->verdict == VERDICT_NONE)
		return;
	text_printf(out, "- %s ", words[v->verdict].mark);
	text_user(out, v->user);
	text_printf(out, " %s", words[v->verdict].did);
	if (v->override)
		text_puts(out, " against the freeze window");
	if (v->reason != NULL) {
		reason = xstrndup(v->reason, utf8_prefix(v->reason,
		    REASON_SHOWN));
		text_printf(out, ": %s", reason);
		free(reason);
	}
	text_puts(out, "\n");
}

static void
put_ledger(const struct ledger *l, struct text *out)
{
	for (size_t i = 0; l != NULL && i < l->n; i++)
		put_vote(&l->v[i], out);
}

/* What is missing, and from whom. */
static void
put_missing(struct chat *c, const struct proposal *p, const struct ledger *l,
    struct text *out)
{
	struct strv people = { 0 };
	struct voter asker;

	proposal_approvers(c, p, l, &people);
	text_printf(out, "**%d approval%s needed**, of ", l->missing,
	    l->missing == 1 ? " is" : "s are");
	if (people.n == 0)
		text_puts(out, "somebody who is not declared yet");
	put_people(&people, out);
	asker = proposal_voter(c, p, p->sender);
	if (policy_entitled(&p->rule, &asker) == NOT_THE_REQUESTER)
		text_puts(out, "; not of who asked");
	text_puts(out, ".\n");
	strv_release(&people);
}

static void
put_frozen(struct chat *c, const struct proposal *p, struct text *out)
{
	const char *window;
	char at[24];
	int64_t until;

	if (!policy_is_frozen(c->policy, clock_ms(), &until, &window))
		return;
	text_printf(out, "It is a freeze window (%s, UTC), so it starts %s, "
	    "unless somebody of tier 1 says `approve %lld --override`.\n",
	    window, clock_utc(until, at), (long long)p->id);
}

/* A question: only who asked answers. */
static void
put_how_confirm(struct chat *c, const struct proposal *p, struct text *out)
{
	const char *word = json_str(p->action, "word");
	long long minutes = (p->expires_ms - p->asked_ms + 59999) / 60000;

	if (p->waits)
		return;
	if (word != NULL)
		text_printf(out, "So much goes that a tap is not enough: type "
		    "**%s** to do it, or **no**, within %lld minutes. It is "
		    "number %lld.", word, minutes, (long long)p->id);
	else
		text_printf(out, "Answer **yes** or **no** (or tap "
		    "\xe2\x9c\x85 or \xe2\x9d\x8c) within %lld minutes. It is "
		    "number %lld.", minutes, (long long)p->id);
}

static void
put_how_approve(const struct proposal *p, struct text *out)
{
	const char *word = json_str(p->action, "word");
	long long n = p->id;
	char at[24];

	if (word != NULL)
		text_printf(out, "So much goes that a tap is not enough: "
		    "`approve %lld %s`", n, word);
	else
		text_printf(out, "Tap \xe2\x9c\x85, reply **yes**, or "
		    "`approve %lld`", n);
	text_printf(out, " to approve; \xe2\x9d\x8c, **no** or `deny %lld "
	    "REASON` to refuse; \xe2\x8f\xb8 or `hold %lld` to keep it "
	    "waiting.", n, n);
	if (!p->waits)
		text_printf(out, " Until %s.", clock_utc(p->expires_ms, at));
}

void
proposal_text(struct chat *c, const struct proposal *p,
    const struct ledger *l, struct text *out)
{
	const struct json *show = json_get(p->action, "show");
	bool confirms = p->rule.mode != POLICY_APPROVE;
	int64_t was = json_int(p->action, "again", 0);
	struct text steps = { 0 }, notes = { 0 }, ledger = { 0 };
	struct text how = { 0 }, who = { 0 };
	char number[32], *again = NULL;

	snprintf(number, sizeof number, "%lld", (long long)p->id);
	if (was != 0)
		again = xasprintf("%s since number %lld was asked, so this is "
		    "a different plan now.", json_strd(p->action, "moved",
		    "The world moved"), (long long)was);
	put_steps(show, &steps);
	put_notes(show, &notes);
	put_ledger(l, &ledger);
	text_puts(&who, "Asked by ");
	text_user(&who, p->sender);
	text_puts(&who, ".");
	if (!confirms && l->tally == TALLY_HELD)
		text_puts(&how, "**On hold** until who holds it says `unhold`, "
		    "or somebody of tier 1.\n");
	if (!confirms && l->missing > 0)
		put_missing(c, p, l, &how);
	if (l->tally == TALLY_READY || confirms)
		put_frozen(c, p, &how);
	if (confirms)
		put_how_confirm(c, p, &how);
	else
		put_how_approve(p, &how);
	template_fill(c->templates, confirms ? "question" : "proposal", FILL(
	    V("again", again), V("title", json_str(p->action, "title")),
	    V("summary", json_str(show, "summary")),
	    V("risk", json_strd(p->action, "risk", json_strd(show, "risk",
	    ""))), V("blast", json_str(p->action, "blast")),
	    V("why", json_str(p->action, "why")), V("number", number),
	    B("who", &who), B("steps", &steps), B("notes", &notes),
	    B("ledger", &ledger), B("how", &how)), out);
	text_release(&steps);
	text_release(&notes);
	text_release(&ledger);
	text_release(&how);
	text_release(&who);
	free(again);
}

/* --- over ---------------------------------------------------------------------- */

/* Line by line, because a mark ends with its line. */
static void
put_struck(const struct json *show, struct text *out)
{
	const struct json *v;

	text_printf(out, "~~%s.~~\n", json_strd(show, "summary", ""));
	v = json_first(json_get(show, "lines"));
	for (; v != NULL; v = json_next(v))
		text_printf(out, "- ~~%s~~\n", json_value_str(v));
}

void
proposal_over_text(struct chat *c, const struct proposal *p,
    const struct ledger *l, const char *how, bool is_struck, struct text *out)
{
	const struct json *show = json_get(p->action, "show");
	struct text was = { 0 }, ledger = { 0 };
	char *title = p->rule.mode == POLICY_APPROVE ?
	    xasprintf("Proposal %lld: %s", (long long)p->id,
	    json_strd(p->action, "title", "")) :
	    xstrdup(json_str(p->action, "title"));

	if (is_struck)
		put_struck(show, &was);
	else
		text_printf(&was, "%s.", json_strd(show, "summary", ""));
	if (p->rule.mode == POLICY_APPROVE)
		put_ledger(l, &ledger);
	template_fill(c->templates, "answered", FILL(V("title", title),
	    V("how", how), B("was", &was), B("ledger", &ledger)), out);
	text_release(&was);
	text_release(&ledger);
	free(title);
}
