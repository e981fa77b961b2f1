/*
 * The life of what waits.  A proposal's plan never changes: a yes is for what was
 * shown.  When a decision comes, the change is tried again first; if that gives
 * another plan, the proposal is closed, struck, and another one takes its place,
 * with a number of its own and no approvals.
 */
#include "proposal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hiclaw/clock.h"
#include "hiclaw/log.h"

#define KEY_YES	"\xe2\x9c\x85\xef\xb8\x8f"	/* as Element sends it */
#define KEY_NO	"\xe2\x9d\x8c\xef\xb8\x8f"

/* --- rows, kept ------------------------------------------------------------- */

void
proposal_free(struct proposal *p)
{
	if (p == NULL)
		return;
	free(p->room);
	free(p->sender);
	free(p->event);
	free(p->hash);
	free(p->closed);
	json_free(p->action);
	policy_rule_release(&p->rule);
	free(p);
}

static void
keep(const struct proposal_row *row, void *arg)
{
	struct proposal **list = arg, *p = xcalloc(1, sizeof *p);
	struct json *rule;
	struct err err;

	p->id = row->id;
	p->message = row->message;
	p->admin_message = row->admin_message;
	p->asked_ms = row->asked_ms;
	p->expires_ms = row->expires_ms;
	p->closed_ms = row->closed_ms;
	p->run = row->run;
	p->waits = row->waits;
	p->room = xstrdup(row->room);
	p->sender = xstrdup(row->sender);
	p->event = xstrdup(row->command_event);
	p->hash = xstrdup(row->plan_hash);
	p->closed = xstrdup(row->closed);
	p->action = json_parse(row->action, strlen(row->action), &err);
	rule = json_parse(row->rule, strlen(row->rule), &err);
	policy_rule_read(rule, &p->rule);
	json_free(rule);
	while (*list != NULL)
		list = &(*list)->next;
	*list = p;
}

struct proposal *
proposal_get(struct chat *c, int64_t id)
{
	struct proposal *p = NULL;

	if (id != 0)
		store_proposal_get(c->store, id, keep, &p);
	return p;
}

struct proposal *
proposals_open(struct chat *c, int64_t due_ms)
{
	struct proposal *list = NULL;

	store_proposals_open(c->store, due_ms, keep, &list);
	return list;
}

bool
proposal_is_over(const struct proposal *p, int64_t now_ms)
{
	return p->closed != NULL || (!p->waits && p->expires_ms <= now_ms);
}

/* --- who decided what ---------------------------------------------------------- */

/* Tier 2 of every team that it touches, and it touches nothing else. */
static bool
is_in_all(const struct json *action, const struct resource *human)
{
	const struct json *team = json_first(json_get(action, "teams")), *v;

	if (human == NULL || team == NULL ||
	    !json_bool(action, "only_teams", false))
		return false;
	for (; team != NULL; team = json_next(team)) {
		v = json_first(json_get(human->spec, "accessibleTeams"));
		while (v != NULL && !str_equal(json_value_str(v),
		    json_value_str(team)))
			v = json_next(v);
		if (v == NULL)
			return false;
	}
	return true;
}

struct voter
proposal_voter(struct chat *c, const struct proposal *p, const char *user)
{
	const struct world_config *wc = engine_world_config(c->engine);
	const struct resource *human = NULL;
	struct voter v = { .user = user };

	/* No agent ever decides, whoever declared a Human of its name. */
	if (is_our_user(wc, user))
		return v;
	v.tier = person_tier(wc, engine_resources(c->engine), user, &human);
	v.is_in_team = v.tier == 2 && is_in_all(p->action, human);
	v.is_requester = strcmp(user, p->sender) == 0;
	return v;
}

static void
ledger_add(const struct decision_row *row, void *arg)
{
	struct ledger *l = arg;
	struct vote_row *v;

	l->v = xreallocarray(l->v, l->n + 1, sizeof *l->v);
	v = &l->v[l->n++];
	*v = (struct vote_row){ .user = xstrdup(row->user),
	    .way = xstrdup(row->way), .event = xstrdup(row->event),
	    .reason = xstrdup(row->reason),
	    .verdict = verdict_find(row->verdict), .override = row->override,
	    .at_ms = row->at_ms };
}

void
ledger_read(struct chat *c, const struct proposal *p, struct ledger *l)
{
	memset(l, 0, sizeof *l);
	store_decisions_each(c->store, p->id, ledger_add, l);
	l->votes = xcalloc(l->n + 1, sizeof *l->votes);
	for (size_t i = 0; i < l->n; i++)
		l->votes[i] = (struct vote){ proposal_voter(c, p,
		    l->v[i].user), l->v[i].verdict };
	l->tally = policy_tally(&p->rule, l->votes, l->n, &l->missing);
}

void
ledger_release(struct ledger *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->v[i].user);
		free(l->v[i].way);
		free(l->v[i].event);
		free(l->v[i].reason);
	}
	free(l->v);
	free(l->votes);
	memset(l, 0, sizeof *l);
}

/* --- asking ---------------------------------------------------------------------- */

/* So that a tap is enough. */
static void
add_tap(struct chat *c, const char *room, int64_t message, const char *key)
{
	struct json *o = json_object();
	struct outbox_row row = { .room = outbox_room(c, room),
	    .op = OUTBOX_REACT, .target = message };
	char *json;

	json_set_str(o, "key", key);
	row.content = json = json_canonical(o);
	store_outbox_add(c->store, &row);
	free(json);
	json_free(o);
}

/* Of which Teams it is, and of nothing else? */
static void
set_teams(struct json *action, const struct attempt *ch)
{
	struct json *teams = json_set(action, "teams", json_array());
	bool only = ch->plan->resources_n > 0;

	for (size_t i = 0; i < ch->plan->resources_n; i++) {
		const struct plan_resource *r = &ch->plan->resources[i];

		if (strcmp(r->kind->name, "Team") == 0)
			json_push_str(teams, r->name);
		else
			only = false;
	}
	json_set_bool(action, "only_teams", only);
}

/* What is to be typed where a tap is not enough: the name, or how many. */
static void
set_word(struct chat *c, struct json *action, const struct attempt *ch)
{
	size_t n = change_deleted(c->engine, action, ch);

	json_remove(action, "word");
	if (!policy_asks_word(c->policy, n))
		return;
	if (n == 1 && json_size(json_get(action, "names")) == 1)
		json_set_str(action, "word", json_str(json_first(json_get(
		    action, "names")), "name"));
	else
		json_set_strf(action, "word", "%zu", n);
}

/* What is shown of it, kept with it. */
static struct json *
kept_action(struct chat *c, const struct json *action,
    const struct attempt *ch, const struct strv *notes)
{
	struct json *kept = json_copy(action);
	char *blast;

	if (ch == NULL)
		return kept;		/* a command: it has all that */
	json_set(kept, "show", change_show(c->engine, ch->plan, notes));
	json_set_str(kept, "risk", risk_name(change_risk(action, ch)));
	json_remove(kept, "blast");
	if ((blast = blast_radius(c->engine, action, ch)) != NULL)
		json_set_str(kept, "blast", blast);
	free(blast);
	set_teams(kept, ch);
	set_word(c, kept, ch);
	return kept;
}

static struct reply
reply_of(const struct proposal *p)
{
	return (struct reply){ .event = p->event, .state = REPLY_QUESTION,
	    .question = p->id };
}

static int64_t
send_to(struct chat *c, const char *room, const struct proposal *p,
    const struct reply *r, const struct text *t, const struct plan *plan)
{
	int64_t message = reply_send(c, room, r, t);

	add_tap(c, room, message, KEY_YES);
	add_tap(c, room, message, KEY_NO);
	if (plan != NULL)
		send_thread(c, room, message, json_get(p->action, "show"),
		    plan);
	return message;
}

/* In the room of the request, and where those are who are to approve. */
static void
send_messages(struct request *q, struct proposal *p, const struct plan *plan)
{
	struct chat *c = q->chat;
	struct reply r = reply_of(p);
	struct ledger l;
	struct strv people = { 0 };
	struct text t = { 0 };
	bool elsewhere = p->rule.mode == POLICY_APPROVE &&
	    !str_equal(p->room, admin_room(c));

	ledger_read(c, p, &l);
	proposal_text(c, p, &l, &t);
	if (p->rule.mode == POLICY_APPROVE)
		proposal_approvers(c, p, &l, &people);
	else
		r.mention = p->sender;
	r.answer = q->answer;
	r.mentions = elsewhere ? NULL : &people;
	p->message = send_to(c, p->room, p, &r, &t, plan);
	if (elsewhere) {
		r = (struct reply){ .state = REPLY_QUESTION,
		    .question = p->id, .mentions = &people };
		p->admin_message = send_to(c, "room:admin", p, &r, &t, plan);
	}
	store_proposal_messages(c->store, p->id, p->message,
	    p->admin_message);
	ledger_release(&l);
	strv_release(&people);
	text_release(&t);
}

void
proposal_ask(struct request *q, const struct json *action,
    const struct attempt *ch, const struct strv *notes, const char *why,
    const struct policy_rule *rule, int64_t again, const char *moved)
{
	struct chat *c = q->chat;
	struct json *kept = kept_action(c, action, ch, notes);
	struct json *r = policy_rule_json(rule);
	struct proposal_row row = { .room = q->room, .sender = q->sender,
	    .command_event = q->event, .plan_hash = ch != NULL ?
	    ch->plan->hash : json_strd(action, "hash", "") };
	struct proposal *p;
	char *text, *rule_text;

	json_set_str(kept, "why", why);
	json_remove(kept, "again");
	json_remove(kept, "moved");
	if (again != 0)
		json_set_int(kept, "again", again);
	json_set_str(kept, "moved", moved);
	row.action = text = json_canonical(kept);
	row.rule = rule_text = json_canonical(r);
	row.asked_ms = clock_ms();
	row.expires_ms = row.asked_ms + rule->ttl_ms;
	p = proposal_get(c, store_proposal_add(c->store, &row));
	send_messages(q, p, ch != NULL ? ch->plan : NULL);
	log_info("chat", "%s: number %lld waits: %s by %s", q->room,
	    (long long)p->id, json_strd(action, "title", ""), q->sender);
	q->is_answered = q->is_waiting = true;
	proposal_free(p);
	free(text);
	free(rule_text);
	json_free(r);
	json_free(kept);
}

/* --- the rule ------------------------------------------------------------------------ */

static enum policy_asker
asker_kind(const struct request *q)
{
	if (q->is_agent)
		return ASKER_AGENT;
	return q->tier == 1 ? ASKER_TIER1 : q->tier == 2 ? ASKER_TIER2 :
	    ASKER_TIER3;
}

static void
rule_copy(const struct policy_rule *from, struct policy_rule *to)
{
	struct json *o = policy_rule_json(from);

	policy_rule_read(o, to);
	to->mode = from->mode;
	json_free(o);
}

void
proposal_rule_for(struct request *q, enum risk risk, struct policy_rule *rule)
{
	rule_copy(policy_rule(q->chat->policy, asker_kind(q), risk), rule);
	/* An agent cannot confirm anything. */
	if (q->is_agent && rule->mode == POLICY_CONFIRM) {
		rule->mode = POLICY_APPROVE;
		rule->by_tier1 = true;
		rule->count = 1;
	}
}

/*
 * In a freeze window nothing of weight starts by itself: what would, waits like
 * what has to be approved.  Waking and putting to sleep go on.
 */
void
proposal_rule(struct request *q, const struct json *action,
    const struct attempt *ch, struct policy_rule *rule)
{
	struct policy *policy = q->chat->policy;
	enum policy_asker asker = asker_kind(q);
	const char *window;
	int64_t until;

	proposal_rule_for(q, change_risk(action, ch), rule);
	if (rule->mode != POLICY_RUN ||
	    str_equal(json_str(action, "do"), "state") ||
	    !policy_is_frozen(policy, clock_ms(), &until, &window))
		return;
	rule->mode = asker == ASKER_TIER1 ? POLICY_CONFIRM : POLICY_APPROVE;
	rule->by_tier1 = true;
	rule->count = 1;
	rule->ttl_ms = asker == ASKER_TIER1 ? q->chat->cfg.question_ttl_ms :
	    rule->ttl_ms;
}

/* --- showing and closing --------------------------------------------------------------- */

static void
update_messages(struct chat *c, const struct proposal *p,
    const struct text *t)
{
	struct reply r = reply_of(p);

	reply_update(c, p->message, &r, t, 0);
	if (p->admin_message == 0)
		return;
	r.event = NULL;
	reply_update(c, p->admin_message, &r, t, 0);
}

void
proposal_show(struct chat *c, const struct proposal *p)
{
	struct ledger l;
	struct text t = { 0 };

	ledger_read(c, p, &l);
	proposal_text(c, p, &l, &t);
	update_messages(c, p, &t);
	ledger_release(&l);
	text_release(&t);
}

bool
proposal_close(struct chat *c, const struct proposal *p, const char *word,
    const char *how)
{
	struct ledger l;
	struct text t = { 0 };

	if (!store_proposal_close(c->store, p->id, word))
		return false;
	log_info("chat", "number %lld: %s", (long long)p->id, word);
	ledger_read(c, p, &l);
	proposal_over_text(c, p, &l, how, strcmp(word, "superseded") == 0,
	    &t);
	update_messages(c, p, &t);
	ledger_release(&l);
	text_release(&t);
	return true;
}

void
proposal_request(struct chat *c, const struct proposal *p,
    struct request *out)
{
	memset(out, 0, sizeof *out);
	out->chat = c;
	out->room = p->room;
	out->sender = p->sender;
	out->event = p->event;
	/* What it is about was settled when it was asked. */
	out->where = where_is(c, p->room, p->sender);
	request_asker(out);
}

bool
proposal_withdraw(struct chat *c, const char *event, const char *who,
    const char *how)
{
	struct proposal *p = proposal_get(c, store_proposal_of(c->store, who,
	    NULL, event, clock_ms()));
	bool is = p != NULL && proposal_close(c, p, "superseded", how);

	proposal_free(p);
	return is;
}

/* --- trying and doing it ------------------------------------------------------------------ */

/* Another plan, or another rule, takes its place. */
static void
supersede(struct request *on, struct proposal *p, struct attempt *ch,
    const struct policy_rule *rule, const char *moved)
{
	if (!proposal_close(on->chat, p, "superseded", "this plan is no more: "
	    "it is asked anew below, and nobody has approved that."))
		return;
	proposal_ask(on, p->action, ch, NULL, json_str(p->action, "why"), rule,
	    p->id, moved);
}

/* The rule as it would be now; stricter or not, another one is asked anew. */
static bool
rule_holds(struct request *on, struct proposal *p, struct attempt *ch,
    struct policy_rule *now)
{
	struct json *a, *b;
	bool is_same;

	proposal_rule(on, p->action, ch, now);
	if (now->mode == POLICY_RUN)
		return true;
	a = policy_rule_json(&p->rule);
	b = policy_rule_json(now);
	is_same = json_equal(a, b);
	json_free(a);
	json_free(b);
	/* What was frozen when it was asked may be approved by now. */
	return is_same || (now->mode < p->rule.mode);
}

static void
close_wrong(struct request *on, struct proposal *p, const char *why)
{
	char *how = xasprintf("this cannot be done any more: %s.", why);

	if (proposal_close(on->chat, p, "impossible", how))
		say_wrong(on, "This cannot be done any more: %s", why);
	free(how);
}

bool
proposal_try(struct request *q, struct proposal *p, struct attempt *ch)
{
	struct request on;
	struct policy_rule rule = { 0 };
	bool is_same = false;
	char why[256];
	struct err err;

	memset(ch, 0, sizeof *ch);
	if (str_equal(json_str(p->action, "do"), "command"))
		return true;
	proposal_request(q->chat, p, &on);
	/* A question's new form is the answer to the yes. */
	on.answer = strcmp(q->sender, p->sender) == 0 ? q->answer : NULL;
	if (change_try(q->chat->engine, p->action, NULL, ch, &err) == -1)
		close_wrong(&on, p, ch->problems.n > 0 ?
		    ch->problems.v[0].what : err.msg);
	else if (plan_is_empty(ch->plan)) {
		if (proposal_close(q->chat, p, "nothing", "there is nothing "
		    "left to do."))
			say_template(&on, REPLY_DONE, "nothing", NULL);
	} else if (request_may_change(&on, p->action, ch, why, sizeof why) ==
	    MAY_NOT)
		/* Asked with rights that are gone by now. */
		close_wrong(&on, p, why);
	else if (!rule_holds(&on, p, ch, &rule))
		supersede(&on, p, ch, &rule, "The rules changed");
	else if (strcmp(ch->plan->hash, p->hash) != 0)
		supersede(&on, p, ch, &p->rule, NULL);
	else
		is_same = true;
	policy_rule_release(&rule);
	return is_same;
}

/* For the receipt: who approved, and whether against a freeze window. */
static struct json *
approvals(struct chat *c, const struct proposal *p)
{
	struct json *o = json_object(), *list;
	struct ledger l;

	ledger_read(c, p, &l);
	json_set_int(o, "proposal", p->id);
	list = json_set(o, "approved", json_array());
	for (size_t i = 0; i < l.n; i++) {
		if (l.v[i].verdict != VERDICT_APPROVE ||
		    policy_entitled(&p->rule, &l.votes[i].voter) !=
		    IS_ENTITLED)
			continue;
		json_push_str(list, l.v[i].user);
		if (l.v[i].override && l.votes[i].voter.tier == 1)
			json_set_bool(o, "override", true);
	}
	ledger_release(&l);
	return o;
}

/* By whom stands in the list below it. */
static char *
approved_how(const struct proposal *p, const struct json *ledger)
{
	const char *against = json_bool(ledger, "override", false) ?
	    ", against the freeze window" : "";

	return p->rule.mode == POLICY_APPROVE ?
	    xasprintf("approved%s.", against) :
	    xasprintf("%s said yes%s.", p->sender, against);
}

/* A command is given by who approved it, the last of those who could. */
static void
carry_out(struct request *q, struct proposal *p)
{
	struct request as = { .chat = q->chat, .sender = q->sender,
	    .event = q->event };
	struct ledger l;
	int64_t last = 0;

	ledger_read(q->chat, p, &l);
	for (size_t i = 0; i < l.n; i++)
		if (l.v[i].verdict == VERDICT_APPROVE &&
		    l.v[i].at_ms >= last && policy_entitled(&p->rule,
		    &l.votes[i].voter) == IS_ENTITLED) {
			as.sender = l.v[i].user;
			as.event = l.v[i].event;
			last = l.v[i].at_ms;
		}
	command_carry_out(&as, p);
	ledger_release(&l);
}

void
proposal_start(struct request *q, struct proposal *p, struct attempt *ch)
{
	struct chat *c = q->chat;
	struct json *ledger = approvals(c, p);
	char *how = approved_how(p, ledger);
	struct request on;
	int64_t run;

	proposal_request(c, p, &on);
	if (p->rule.mode != POLICY_APPROVE)
		on.answer = q->answer;
	/* One row says that it is open; who changes it starts the run. */
	if (proposal_close(c, p, "approved", how)) {
		if (str_equal(json_str(p->action, "do"), "command"))
			carry_out(q, p);
		else {
			run = change_run(&on, p->action, ch, NULL, ledger);
			store_proposal_run(c->store, p->id, run);
		}
	}
	free(how);
	json_free(ledger);
}

/* --- time ------------------------------------------------------------------------------------ */

static void
expire(struct chat *c, struct proposal *p)
{
	struct request on;
	char number[32];

	if (!proposal_close(c, p, "expired",
	    "nobody answered in time, nothing was done.") ||
	    p->rule.mode != POLICY_APPROVE)
		return;
	snprintf(number, sizeof number, "%lld", (long long)p->id);
	proposal_request(c, p, &on);
	say_template(&on, REPLY_REFUSED, "denied", FILL(
	    V("title", json_str(p->action, "title")), V("number", number),
	    V("how", "not enough approvals came in time.")));
}

void
proposal_waits(struct chat *c, struct proposal *p, bool waits)
{
	if (p->waits == waits)
		return;
	p->waits = waits;
	store_proposal_waits(c->store, p->id, waits);
	/* It outlived its time while it waited, and has it again. */
	if (!waits) {
		p->expires_ms = clock_ms() + p->rule.ttl_ms;
		store_proposal_expires(c->store, p->id, p->expires_ms);
	}
}

/* The freeze window is over: what was approved starts, if it is still that. */
static void
wait_is_over(struct chat *c, struct proposal *p)
{
	struct request on;
	struct attempt ch;
	struct ledger l;

	proposal_request(c, p, &on);
	ledger_read(c, p, &l);
	if (l.tally != TALLY_READY) {
		/* Somebody is no approver any more. */
		proposal_waits(c, p, false);
		proposal_show(c, p);
	} else {
		if (proposal_try(&on, p, &ch))
			proposal_start(&on, p, &ch);
		change_release(&ch);
	}
	ledger_release(&l);
}

void
proposals_tick(struct chat *c, int64_t now)
{
	struct proposal *list = proposals_open(c, now), *p;
	const char *window;
	int64_t until;
	bool frozen = policy_is_frozen(c->policy, now, &until, &window) ||
	    engine_frozen(c->engine) != NULL;

	while ((p = list) != NULL) {
		list = p->next;
		if (!p->waits || !frozen)
			store_begin(c->store);
		if (!p->waits)
			expire(c, p);
		else if (!frozen)
			wait_is_over(c, p);
		proposal_free(p);
	}
}

void
proposals_upgraded(struct chat *c)
{
	char *n = store_kv_get(c->store, "chat.questions.fell");
	struct reply r = { .state = REPLY_INFO };
	struct text t = { 0 };

	if (n == NULL)
		return;
	text_printf(&t, "I was upgraded, and %s question%s of mine that nobody "
	    "had answered fell with it. Ask again for what is still wanted.",
	    n, strcmp(n, "1") == 0 ? "" : "s");
	store_begin(c->store);
	reply_send(c, "room:admin", &r, &t);
	store_kv_set(c->store, "chat.questions.fell", NULL);
	text_release(&t);
	free(n);
}
