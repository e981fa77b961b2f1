/*
 * Decisions: by a tap, a word, a reply or a command, from any room and device,
 * all become the one row that a person has in the ledger of a proposal.  A later
 * one takes the place of the earlier; who takes a tap back, or removes or edits
 * the message, withdraws it.
 *
 * Order of things: is it open, may this person, is it still the plan that was
 * shown, then the ledger, then the tally, and with the last approval the start,
 * all in the transaction of the deciding event.
 */
#include "proposal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hiclaw/clock.h"

#include "cmd.h"
#include "decision.h"

struct choice {
	enum verdict	 verdict;
	const char	*way;		/* "tap", "word", "command" */
	const char	*rest;		/* what was written behind it, or NULL */
	bool		 override;
};

/* --- answers ------------------------------------------------------------------ */

/* To a tap nothing is said: the message itself shows it. */
static void
say_decided(struct request *q, const struct choice *ch,
    const struct proposal *p, enum reply_state state, const char *how)
{
	struct text t = { 0 };

	q->is_answered = true;
	if (strcmp(ch->way, "tap") == 0)
		return;
	text_printf(&t, "**Number %lld**: %s", (long long)p->id, how);
	say(q, state, &t);
	text_release(&t);
}

static struct decision_row
row_of(const struct request *q, const struct choice *ch,
    const struct proposal *p, const char *verdict)
{
	return (struct decision_row){ .proposal = p->id, .user = q->sender,
	    .verdict = verdict, .way = ch->way, .event = q->event,
	    .plan_hash = p->hash, .reason = ch->rest != NULL &&
	    ch->rest[0] != '\0' && ch->verdict != VERDICT_APPROVE ?
	    ch->rest : NULL, .override = ch->override, .at_ms = clock_ms() };
}

/* Not theirs: politely, once for each proposal and person. */
static void
say_not_theirs(struct request *q, const struct choice *ch,
    const struct proposal *p, enum entitled how)
{
	struct decision_row row = row_of(q, ch, p, "none");
	struct reply r = { .state = REPLY_INFO };
	struct strv people = { 0 };
	struct ledger l;
	struct text t = { 0 };
	bool is_tap = strcmp(ch->way, "tap") == 0;

	q->is_answered = true;
	if (!store_decision_first(q->chat->store, &row) && is_tap)
		return;
	text_user(&t, q->sender);
	if (how == NOT_THE_REQUESTER)
		text_printf(&t, ", you asked for number %lld, so your own "
		    "approval does not count. ", (long long)p->id);
	else
		text_printf(&t, ", number %lld is not for you to decide. ",
		    (long long)p->id);
	ledger_read(q->chat, p, &l);
	proposal_approvers(q->chat, p, &l, &people);
	if (people.n > 0) {
		text_puts(&t, "It is for ");
		put_people(&people, &t);
		text_puts(&t, ".");
	}
	if (is_tap)
		reply_send(q->chat, q->room, &r, &t);
	else
		say(q, REPLY_REFUSED, &t);
	strv_release(&people);
	ledger_release(&l);
	text_release(&t);
}

/* --- what follows from a new row -------------------------------------------------- */

static bool
has_override(const struct ledger *l)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->v[i].override && l->v[i].verdict == VERDICT_APPROVE &&
		    l->votes[i].voter.tier == 1)
			return true;
	return false;
}

/* All approve, but the time is not one to start in. */
static bool
must_wait(struct request *q, const struct proposal *p, const struct ledger *l)
{
	const char *window;
	int64_t until;

	/* A freeze is for all, a window for what is no waking and sleeping. */
	if (engine_frozen(q->chat->engine) != NULL)
		return true;
	return !has_override(l) && policy_is_frozen(q->chat->policy,
	    clock_ms(), &until, &window) &&
	    !str_equal(json_str(p->action, "do"), "state");
}

/* The tally after a decision.  attempt NULL: it is tried when that matters. */
static void
settle(struct request *q, const struct choice *ch, struct proposal *p,
    struct attempt *attempt)
{
	struct attempt own = { 0 };
	struct ledger l;
	char *how = NULL;

	ledger_read(q->chat, p, &l);
	if (l.tally == TALLY_READY && !must_wait(q, p, &l)) {
		if (attempt == NULL && !proposal_try(q, p, &own))
			goto out;
		if (p->rule.mode == POLICY_APPROVE)
			say_decided(q, ch, p, REPLY_DONE,
			    "approved by all who have to; it starts.");
		proposal_start(q, p, attempt != NULL ? attempt : &own);
	} else {
		proposal_waits(q->chat, p, l.tally == TALLY_READY);
		proposal_show(q->chat, p);
		how = l.tally == TALLY_READY ? xstrdup("approved; it starts "
		    "when the freeze window ends.") :
		    l.tally == TALLY_HELD ? xstrdup("on hold.") :
		    xasprintf("noted; %d more approval%s needed.", l.missing,
		    l.missing == 1 ? " is" : "s are");
		say_decided(q, ch, p, REPLY_DONE, how);
	}
out:
	free(how);
	ledger_release(&l);
	change_release(&own);
}

/* --- the verdicts ------------------------------------------------------------------- */

/* A word that has to be typed: with the decision, or alone. */
static bool
word_fits(const struct proposal *p, const struct choice *ch)
{
	const char *word = json_str(p->action, "word");
	size_t n;

	if (word == NULL)
		return true;
	if (ch->rest == NULL)
		return false;
	n = strcspn(ch->rest, " ");
	return strlen(word) == n && strncmp(word, ch->rest, n) == 0;
}

static void
approve(struct request *q, const struct choice *ch, struct proposal *p,
    const struct voter *v)
{
	enum entitled entitled = policy_entitled(&p->rule, v);
	struct attempt attempt;
	struct decision_row row;
	char how[160];

	if (entitled != IS_ENTITLED) {
		say_not_theirs(q, ch, p, entitled);
		return;
	}
	if (ch->override && v->tier != 1) {
		say_wrong(q, "Only somebody of tier 1 may start it in a freeze "
		    "window.");
		return;
	}
	if (!word_fits(p, ch)) {
		snprintf(how, sizeof how, "so much goes that the word \"%s\" "
		    "has to be typed: \"approve %lld %s\".",
		    json_str(p->action, "word"), (long long)p->id,
		    json_str(p->action, "word"));
		if (strcmp(ch->way, "tap") != 0)
			say_decided(q, ch, p, REPLY_REFUSED, how);
		return;
	}
	if (say_frozen(q))
		return;
	if (proposal_try(q, p, &attempt)) {
		row = row_of(q, ch, p, verdict_name(VERDICT_APPROVE));
		store_decision_put(q->chat->store, &row);
		settle(q, ch, p, &attempt);
	}
	change_release(&attempt);
	q->is_answered = true;
}

static void
say_denied(struct request *q, const struct proposal *p, const char *how)
{
	struct request on;
	char number[32];

	proposal_request(q->chat, p, &on);
	snprintf(number, sizeof number, "%lld", (long long)p->id);
	say_template(&on, REPLY_REFUSED, "denied", FILL(
	    V("title", json_str(p->action, "title")), V("number", number),
	    V("how", how)));
}

/* The asker takes it back, or one who could approve says no: that is a veto. */
static void
deny(struct request *q, const struct choice *ch, struct proposal *p,
    const struct voter *v)
{
	bool confirms = p->rule.mode != POLICY_APPROVE;
	struct decision_row row = row_of(q, ch, p, verdict_name(VERDICT_DENY));
	char *how;

	if (!v->is_requester && policy_entitled(&p->rule, v) != IS_ENTITLED) {
		say_not_theirs(q, ch, p, NOT_ENTITLED);
		return;
	}
	store_decision_put(q->chat->store, &row);
	how = confirms ? xasprintf("%s said no.", q->sender) :
	    v->is_requester ? xasprintf("%s took it back.", q->sender) :
	    row.reason != NULL ? xasprintf("denied by %s: %s", q->sender,
	    row.reason) : xasprintf("denied by %s.", q->sender);
	if (proposal_close(q->chat, p, "denied", how)) {
		if (confirms) {
			struct request on;

			proposal_request(q->chat, p, &on);
			on.answer = q->event;
			say_template(&on, REPLY_REFUSED, "declined", NULL);
		} else {
			if (!v->is_requester)
				say_denied(q, p, how);
			say_decided(q, ch, p, REPLY_DONE, how);
		}
	}
	q->is_answered = true;
	free(how);
}

static void
hold(struct request *q, const struct choice *ch, struct proposal *p,
    const struct voter *v)
{
	struct decision_row row = row_of(q, ch, p, verdict_name(VERDICT_HOLD));

	if (p->rule.mode != POLICY_APPROVE) {
		say_decided(q, ch, p, REPLY_REFUSED, "a question waits by "
		    "itself: answer yes or no.");
		return;
	}
	if (v->tier != 1 && !v->is_requester &&
	    policy_entitled(&p->rule, v) != IS_ENTITLED) {
		say_not_theirs(q, ch, p, NOT_ENTITLED);
		return;
	}
	store_decision_put(q->chat->store, &row);
	settle(q, ch, p, NULL);
}

/* One's own hold; somebody of tier 1 all of them. */
static void
release(struct request *q, const struct choice *ch, struct proposal *p,
    const struct voter *v)
{
	struct ledger l;
	size_t n = 0;

	ledger_read(q->chat, p, &l);
	for (size_t i = 0; i < l.n; i++)
		if (l.v[i].verdict == VERDICT_HOLD && (v->tier == 1 ||
		    strcmp(l.v[i].user, q->sender) == 0))
			n += store_decision_remove(q->chat->store, p->id,
			    l.v[i].user);
	ledger_release(&l);
	if (n > 0)
		settle(q, ch, p, NULL);
	else
		say_decided(q, ch, p, REPLY_REFUSED, "there is no hold of "
		    "yours on it.");
}

static void
decide(struct request *q, struct proposal *p, const struct choice *ch)
{
	struct voter v = proposal_voter(q->chat, p, q->sender);
	char *how;

	/* What follows from it is the answer to it. */
	q->answer = q->event;
	if (proposal_is_over(p, clock_ms())) {
		how = xasprintf("it is over (%s).", p->closed != NULL ?
		    p->closed : "expired");
		say_decided(q, ch, p, REPLY_REFUSED, how);
		free(how);
		return;
	}
	switch (ch->verdict) {
	case VERDICT_APPROVE:
		approve(q, ch, p, &v);
		break;
	case VERDICT_DENY:
		deny(q, ch, p, &v);
		break;
	case VERDICT_HOLD:
		hold(q, ch, p, &v);
		break;
	case VERDICT_RELEASE:
		release(q, ch, p, &v);
		break;
	case VERDICT_NONE:
		break;
	}
	q->is_done |= !q->is_refused;
}

/* --- by words -------------------------------------------------------------------------- */

/* The newest of one's own in this room. */
static int64_t
own_newest(struct request *q)
{
	return store_proposal_of(q->chat->store, q->sender, q->room, NULL,
	    clock_ms());
}

/* The only open one that this person may decide; 0: none, or several. */
static int64_t
only_entitled(struct request *q)
{
	struct proposal *list = proposals_open(q->chat, 0), *p;
	int64_t found = 0;
	size_t n = 0;

	while ((p = list) != NULL) {
		struct voter v = proposal_voter(q->chat, p, q->sender);

		list = p->next;
		if (!proposal_is_over(p, clock_ms()) &&
		    policy_entitled(&p->rule, &v) == IS_ENTITLED) {
			found = p->id;
			n++;
		}
		proposal_free(p);
	}
	return n == 1 ? found : 0;
}

/* Is the line the word that has to be typed for one's own newest? */
static bool
is_typed_word(struct request *q)
{
	struct proposal *p;
	bool is = false;

	if (q->in.line[0] == '\0' || strlen(q->in.line) > DECISION_MAX ||
	    strchr(q->in.line, ' ') != NULL)
		return false;
	p = proposal_get(q->chat, own_newest(q));
	if (p != NULL)
		is = str_equal(json_str(p->action, "word"), q->in.line);
	proposal_free(p);
	return is;
}

/* With an address, "approve 7" is a command like any other. */
static bool
is_numbered(const struct request *q, int64_t *number, enum verdict *v,
    const char **rest)
{
	if (q->in.is_addressed)
		return false;
	*v = verdict_read_numbered(q->in.line, number, rest);
	return *v != VERDICT_NONE;
}

bool
decision_is(struct request *q)
{
	const char *rest;
	int64_t number;
	enum verdict v;

	/* An edit decides only where the message was meant to. */
	if ((q->in.edit_of != NULL && !edit_is_heard(q)) ||
	    q->in.manifest != NULL)
		return false;
	return verdict_read(q->in.line) != VERDICT_NONE ||
	    is_numbered(q, &number, &v, &rest) || is_typed_word(q);
}

/* What a bare word is about; 0: nothing. */
static int64_t
meant(struct request *q, int64_t message)
{
	if (message != 0)
		return store_proposal_of_message(q->chat->store, message);
	return own_newest(q);
}

bool
decision_is_open(struct request *q, int64_t message)
{
	const char *rest;
	int64_t number;
	enum verdict v;
	struct proposal *p;
	bool is;

	p = proposal_get(q->chat, is_numbered(q, &number, &v, &rest) ? number :
	    meant(q, message));
	is = p != NULL && !proposal_is_over(p, clock_ms()) &&
	    /* A question is heard where it was asked. */
	    (p->rule.mode == POLICY_APPROVE ||
	    (strcmp(p->sender, q->sender) == 0 &&
	    strcmp(p->room, q->room) == 0));
	proposal_free(p);
	return is;
}

void
decision_take(struct request *q, int64_t message)
{
	struct choice ch = { .way = "word" };
	struct proposal *p;
	int64_t number;

	if (is_numbered(q, &number, &ch.verdict, &ch.rest)) {
		p = proposal_get(q->chat, number);
	} else {
		ch.verdict = verdict_read(q->in.line);
		if (ch.verdict == VERDICT_NONE) {
			ch.verdict = VERDICT_APPROVE;
			ch.rest = q->in.line;
		}
		number = meant(q, message);
		if (number == 0 && message == 0 && q->in.is_addressed)
			number = only_entitled(q);
		p = proposal_get(q->chat, number);
	}
	if (ch.rest != NULL && ch.verdict == VERDICT_APPROVE)
		ch.override = strstr(ch.rest, "--override") != NULL;
	/* Others' questions are nobody's. */
	if (p == NULL || (p->rule.mode != POLICY_APPROVE &&
	    !decision_is_open(q, message)))
		say_template(q, REPLY_REFUSED, "no-question", NULL);
	else
		decide(q, p, &ch);
	proposal_free(p);
}

/* --- by commands ------------------------------------------------------------------------- */

/* The number in the first word, or else what it replies to or can only mean;
 * 0: neither, and that was said. */
static int64_t
number_of(struct request *q, size_t *used)
{
	const struct strv *v = &q->words.v;
	const char *word = v->n > 0 ? v->v[0] : "";
	int64_t message = 0, number;
	char *end;

	*used = 0;
	number = strtoll(word + (*word == '#'), &end, 10);
	if (*word != '\0' && *end == '\0' && number > 0) {
		*used = 1;
		return number;
	}
	if (q->in.reply_to != NULL)
		message = store_outbox_find(q->chat->store, q->in.reply_to);
	number = meant(q, message);
	if (number == 0)
		number = only_entitled(q);
	if (number == 0)
		say_usage(q, "Which one? \"proposals\" lists what is open.");
	return number;
}

void
decision_command(struct request *q, enum verdict verdict)
{
	struct choice ch = { .verdict = verdict, .way = "command" };
	struct buf rest = { 0 };
	struct proposal *p;
	size_t used;
	int64_t number = number_of(q, &used);

	if (number == 0)
		return;
	for (size_t i = used; i < q->words.v.n; i++)
		buf_printf(&rest, "%s%s", i > used ? " " : "",
		    q->words.v.v[i]);
	ch.rest = buf_str(&rest);
	ch.override = words_flag(&q->words, "override") != NULL;
	p = proposal_get(q->chat, number);
	if (p == NULL)
		say_wrong(q, "There is no number %lld.", (long long)number);
	else
		decide(q, p, &ch);
	proposal_free(p);
	buf_release(&rest);
}

/* --- by taps ------------------------------------------------------------------------------ */

static bool
take_tap(struct request *q, int64_t message, const char *key)
{
	struct choice ch = { .way = "tap", .verdict = verdict_read(key) };
	struct proposal *p;

	if (ch.verdict == VERDICT_NONE)
		return false;
	p = proposal_get(q->chat, store_proposal_of_message(q->chat->store,
	    message));
	if (p == NULL)
		return false;
	decide(q, p, &ch);
	proposal_free(p);
	return true;
}

bool (*const tap_takers[])(struct request *, int64_t, const char *) = {
	take_tap,
	drift_tap,
	NULL
};

void
tap_take(struct request *q, const char *target, const char *key)
{
	char normal[64];
	int64_t message;

	key_normalise(key, normal, sizeof normal);
	if (normal[0] == '\0' ||
	    (message = store_outbox_find(q->chat->store, target)) == 0)
		return;
	for (size_t i = 0; tap_takers[i] != NULL; i++)
		if (tap_takers[i](q, message, normal))
			return;
}

/* --- taken back ----------------------------------------------------------------------------- */

struct gone { int64_t proposal; char *user; enum verdict verdict; };

static void
note_gone(const struct decision_row *row, void *arg)
{
	struct gone *g = arg;

	g->proposal = row->proposal;
	g->user = xstrdup(row->user);
	g->verdict = verdict_find(row->verdict);
}

/*
 * An approval falls whoever removes its message, because it is the evidence.  A
 * hold is lifted so only by who could release it.
 */
bool
decision_gone(struct chat *c, const char *event, const char *who)
{
	struct gone g = { 0 };
	struct request q = { .chat = c, .sender = who, .event = event };
	const struct choice ch = { .way = "tap" };
	struct proposal *p;
	bool is = false;

	if (store_decision_of(c->store, event, note_gone, &g) == 0)
		return false;
	p = proposal_get(c, g.proposal);
	if (p != NULL && !proposal_is_over(p, clock_ms()) &&
	    (g.verdict == VERDICT_APPROVE || (g.verdict == VERDICT_HOLD &&
	    (strcmp(g.user, who) == 0 ||
	    proposal_voter(c, p, who).tier == 1)))) {
		is = store_decision_remove(c->store, p->id, g.user);
		q.room = p->room;
		settle(&q, &ch, p, NULL);
	}
	proposal_free(p);
	free(g.user);
	return is;
}
