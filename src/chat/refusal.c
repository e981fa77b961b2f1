/*
 * What is said to people who may not: the rule, by number and name, and who
 * could have it done.  They stand there as pills, but nobody is notified.  The
 * last one of each person is kept for `why`.
 */
#include "refusal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hiclaw/clock.h"

#include "cmd.h"
#include "proposal.h"

struct denial { struct ruling ruling; struct strv could; };

void
denial_free(struct denial *d)
{
	if (d == NULL)
		return;
	strv_release(&d->could);
	free(d);
}

static struct denial *
denial_new(struct chat *c, const struct ruling *r)
{
	denial_free(c->denied);
	c->denied = xcalloc(1, sizeof *c->denied);
	c->denied->ruling = *r;
	return c->denied;
}

/* --- who could ------------------------------------------------------------ */

/* One of verb and target, or of a change. */
struct could {
	const struct engine *engine;
	enum verb	 verb;
	const struct target *t;
	enum risk	 risk;
	const struct json *action;
	const struct attempt *ch;
	struct strv	*out;
	size_t		 left;		/* rules that may still be asked */
};
#define ASKED_MOST	5000	/* a few ms; admins are asked first */

static bool
add_if_could(const struct caller *c, void *arg)
{
	struct could *w = arg;
	enum may may = w->action != NULL ? change_may(w->engine, c, w->action,
	    w->ch, NULL, 0) : ops_may(c, w->verb, w->t, w->risk, NULL, 0);
	size_t n = w->ch != NULL ? w->ch->plan->resources_n + 1 : 1;

	if (may >= MAY_ASK)
		strv_add(w->out, c->user);
	w->left -= n < w->left ? n : w->left;
	return w->left > 0 && w->out->n < COULD_KEPT;
}

void
people_who(struct chat *c, enum verb verb, const struct target *t,
    enum risk risk, struct strv *out)
{
	struct could w = { .engine = c->engine, .verb = verb, .t = t,
	    .risk = risk, .out = out, .left = ASKED_MOST };

	people_each(c->engine, add_if_could, &w);
}

/* --- asking --------------------------------------------------------------- */

enum may
request_may(const struct request *q, enum verb verb, const struct target *t,
    enum risk risk, char *why, size_t whysize)
{
	struct caller c;
	struct ruling r;

	request_caller(q, &c);
	ops_rule(&c, verb, t, risk, &r);
	caller_release(&c);
	if (r.may != MAY_NOT && !request_is_here(q, t, why, whysize))
		return MAY_NOT;
	/* Who does not want to know asks of many things in a row. */
	if (why == NULL)
		return r.may;
	str_copy(why, r.why, whysize);
	if (r.may == MAY_NOT)
		people_who(q->chat, verb, t, risk,
		    &denial_new(q->chat, &r)->could);
	return r.may;
}

enum may
request_may_change(const struct request *q, const struct json *action,
    const struct attempt *ch, char *why, size_t whysize)
{
	struct could w = { .engine = q->chat->engine, .action = action,
	    .ch = ch, .left = ASKED_MOST };
	struct caller c;
	struct ruling r;

	request_caller(q, &c);
	change_rule(q->chat->engine, &c, action, ch, &r);
	caller_release(&c);
	str_copy(why, r.why, whysize);
	if (r.may == MAY_NOT) {
		w.out = &denial_new(q->chat, &r)->could;
		people_each(q->chat->engine, add_if_could, &w);
	}
	return r.may;
}

/* --- saying --------------------------------------------------------------- */

static void
put_could(const struct strv *could, struct text *out)
{
	if (could->n == 0) {
		text_puts(out, "Nobody could do it.");
		return;
	}
	text_puts(out, "Who could do it: ");
	put_people(could, out);
	text_puts(out, ".");
}

/* For `why`; another one takes its place. */
static void
remember(struct request *q, const char *rule, const char *why,
    const struct strv *could)
{
	char *key = xasprintf("chat.denied/%s", q->sender), *text;
	struct json *o = json_object(), *list;

	json_set_int(o, "at", clock_ms());
	json_set_str(o, "line", q->in.line != NULL ? q->in.line : "");
	json_set_str(o, "rule", rule);
	json_set_str(o, "why", why);
	list = json_set(o, "could", json_array());
	for (size_t i = 0; i < could->n && i < COULD_KEPT; i++)
		json_push_str(list, could->v[i]);
	text = json_canonical(o);
	store_kv_set(q->chat->store, key, text);
	json_free(o);
	free(text);
	free(key);
}

static void
say_denied(struct request *q, const char *rule, const char *why,
    const struct strv *could)
{
	struct text t = { 0 };

	text_printf(&t, "I may not do that for you: %s. That is rule %s.\n",
	    why, rule);
	put_could(could, &t);
	remember(q, rule, why, could);
	say(q, REPLY_REFUSED, &t);
	text_release(&t);
}

void
say_may_not(struct request *q, const char *why)
{
	struct denial *d = q->chat->denied;
	char rule[64];

	/* What was said of something else is not said of this. */
	if (d == NULL || strcmp(d->ruling.why, why) != 0) {
		denial_note(q, "of the room", why);
		say_wrong(q, "I may not do that for you: %s.", why);
		return;
	}
	snprintf(rule, sizeof rule, "%d, %s", d->ruling.number,
	    d->ruling.rule);
	say_denied(q, rule, why, &d->could);
}

void
denial_note(struct request *q, const char *rule, const char *why)
{
	struct strv could = { 0 };

	people_first(q->chat, &could);
	remember(q, rule, why, &could);
	strv_release(&could);
}

/* --- words that are none --------------------------------------------------- */

static const char *
near_of(const struct request *q, const char *word)
{
	const struct commands *cs = q->chat->commands;
	struct strv words = { 0 };
	const struct command *c;
	const char *near = NULL;

	for (size_t i = 0; i < commands_n(cs); i++) {
		c = commands_at(cs, i);
		if (request_gate(q, c) != GATE_OPEN)
			continue;
		strv_add(&words, c->name);
		for (size_t j = 0; j < c->aliases.n; j++)
			strv_add(&words, c->aliases.v[j]);
	}
	if (words.n > 0)
		near = str_nearest(word, (const char *const *)words.v);
	/* Found in our list, which goes: said of the command that stays. */
	c = near != NULL ? commands_find(cs, near) : NULL;
	near = c == NULL ? NULL : near;
	for (size_t j = 0; c != NULL && j <= c->aliases.n; j++) {
		const char *w = j == 0 ? c->name : c->aliases.v[j - 1];

		if (strcmp(w, near) == 0) {
			near = w;
			break;
		}
	}
	strv_release(&words);
	return near;
}

void
say_unknown(struct request *q, const char *word)
{
	const char *near = near_of(q, word);
	const struct command *c = near != NULL ?
	    commands_find(q->chat->commands, near) : NULL;

	say_template(q, REPLY_REFUSED, "unknown", FILL(V("word", word),
	    V("near", near), V("example", c != NULL && c->examples.n > 0 ?
	    c->examples.v[0] : NULL)));
}

/* --- can-i, who-can; why, alone ---------------------------------------------------- */

/*
 * A verb, and what it is to be done to: nothing, a kind, or something named,
 * which need not exist yet.  In a room of an agent or team that is meant.
 */
static int
read_question(struct request *q, enum verb *verb, struct target *t,
    bool *has_target, struct err *e)
{
	const struct strv *v = &q->words.v;
	const struct command *c;
	const struct kind *kind;
	const char *name;
	size_t at = 1;

	*has_target = false;
	if (v->n == 0)
		return err_set(e, ERR_USER, "which verb?");
	*verb = verb_find(v->v[0]);
	if (*verb == VERB_NONE && (c = commands_find(q->chat->commands,
	    v->v[0])) != NULL)
		*verb = handlers[c->handler].verb;
	if (*verb == VERB_NONE)
		return err_set(e, ERR_USER, "\"%.40s\" is no verb and no "
		    "command", v->v[0]);
	memset(t, 0, sizeof *t);
	if (v->n == 1 && q->subject != NULL) {
		target_find(engine_resources(q->chat->engine),
		    q->where == IN_TEAM || q->where == IN_LEADER ?
		    kind_find("Team") : NULL, q->subject, t);
		*has_target = true;
	}
	if (v->n == 1)
		return 0;
	*has_target = true;
	if (v->n == 2 && (t->kind = kind_find(v->v[1])) != NULL)
		return 0;
	if (read_name(q, v, &at, &kind, &name, e) == -1)
		return -1;
	if (at < v->n)
		return err_set(e, ERR_USER, "one thing at a time");
	target_find(engine_resources(q->chat->engine), kind, name, t);
	return 0;
}

/* A kind alone is asked about in general; what is deleted is gone. */
static enum risk
risk_of(enum verb verb)
{
	return verb == VERB_DELETE ? RISK_DELETE : RISK_NONE;
}

static void
put_target(const struct target *t, bool has_target, struct text *out)
{
	if (has_target && t->name != NULL)
		text_printf(out, " %s/%s", t->kind->name, t->name);
	else if (has_target)
		text_printf(out, " a %s", t->kind->name);
}

void
cmd_can_i(struct request *q)
{
	static const char *const says[] = {
	    [MAY_NOT] = "No",
	    [MAY_PROPOSE] = "Only when somebody else approves",
	    [MAY_ASK] = "Yes, after a question", [MAY_NOW] = "Yes" };
	struct text t = { 0 };
	struct strv could = { 0 };
	struct target target;
	struct ruling r;
	struct caller c;
	enum verb verb;
	bool has;
	struct err err;

	if (read_question(q, &verb, &target, &has, &err) == -1) {
		say_usage(q, err.msg);
		return;
	}
	request_caller(q, &c);
	ops_rule(&c, verb, has ? &target : NULL, risk_of(verb), &r);
	caller_release(&c);
	text_printf(&t, "**%s**: %s", says[r.may], verb_name(verb));
	put_target(&target, has, &t);
	text_printf(&t, ". Rule %d, %s%s%s%s", r.number, r.rule,
	    r.why[0] != '\0' ? ": " : "", r.why,
	    str_ends(r.why, ".") ? "" : ".");
	if (r.may < MAY_ASK) {
		people_who(q->chat, verb, has ? &target : NULL,
		    risk_of(verb), &could);
		text_puts(&t, "\n");
		put_could(&could, &t);
	}
	say(q, REPLY_INFO, &t);
	strv_release(&could);
	text_release(&t);
}

void
cmd_who_can(struct request *q)
{
	struct text t = { 0 };
	struct strv could = { 0 };
	struct target target;
	enum verb verb;
	bool has;
	struct err err;

	if (read_question(q, &verb, &target, &has, &err) == -1) {
		say_usage(q, err.msg);
		return;
	}
	people_who(q->chat, verb, has ? &target : NULL, risk_of(verb),
	    &could);
	text_printf(&t, "Who may %s", verb_name(verb));
	put_target(&target, has, &t);
	text_puts(&t, ": ");
	if (could.n == 0)
		text_puts(&t, "nobody");
	put_people(&could, &t);
	text_puts(&t, ".");
	say(q, REPLY_INFO, &t);
	strv_release(&could);
	text_release(&t);
}

void
say_last_no(struct request *q)
{
	char *key = xasprintf("chat.denied/%s", q->sender);
	char *text = store_kv_get(q->chat->store, key), age[16];
	struct json *o = NULL;
	const struct json *v;
	struct strv could = { 0 };
	struct text t = { 0 };
	struct err err;

	if (text != NULL)
		o = json_parse(text, strlen(text), &err);
	if (o == NULL) {
		say_wrong(q, "I have refused you nothing.");
		goto out;
	}
	text_printf(&t, "%s ago you asked for `%s`. I said no because %s. That "
	    "is rule %s.\n", clock_age(clock_ms() - json_int(o, "at", 0), age),
	    json_strd(o, "line", ""), json_strd(o, "why", ""),
	    json_strd(o, "rule", ""));
	for (v = json_first(json_get(o, "could")); v != NULL; v = json_next(v))
		strv_add(&could, json_value_str(v));
	if (could.n > 0)
		put_could(&could, &t);
	say(q, REPLY_INFO, &t);
out:
	strv_release(&could);
	text_release(&t);
	json_free(o);
	free(text);
	free(key);
}
