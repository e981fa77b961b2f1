/*
 * What to do about what somebody changed outside, in reply to the notice of it:
 *
 *   adopt   declare it, as far as a field can hold it: a plan like any other
 *   ignore  what others do to that object stays for a while
 *   revert  it no longer does
 *
 * By the time of the notice the change was put right, so what it was is kept: for
 * the newest notices, whose numbers are in "chat.drift", in "chat.drift/<number>"
 * as {"key", "owner", "at", "form", "changes", "found"?}; form is the digest of
 * what was declared of the object then.  What that means for resources is in
 * src/ops/adopt.c.
 */
#include "chat-int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hiclaw/clock.h"
#include "hiclaw/secure.h"

#include "cmd.h"

#define NOTICES_KEY	"chat.drift"
#define NOTICES_KEPT	50
#define FIELDS_TOLD	3		/* in the line about it */
#define FIGHT_MS	600000		/* its last notice tells what it is about */
#define IGNORE_MS	(2 * 3600000LL)	/* when nothing else is said */
#define IGNORE_MAX_MS	(30 * 86400000LL)

/* --- what it was --------------------------------------------------------------- */

static struct json *
kv_json(struct chat *c, const char *key)
{
	char *text = store_kv_get(c->store, key);
	struct json *v = NULL;
	struct err err;

	if (text != NULL)
		v = json_parse(text, strlen(text), &err);
	free(text);
	return v;
}

/* That notice; yours, or NULL. */
static struct json *
notice_of(struct chat *c, int64_t message)
{
	char key[48];

	snprintf(key, sizeof key, NOTICES_KEY "/%lld", (long long)message);
	return message == 0 ? NULL : kv_json(c, key);
}

static void
notice_set(struct chat *c, int64_t message, const struct json *notice)
{
	char *text = notice != NULL ? json_canonical(notice) : NULL, key[48];

	snprintf(key, sizeof key, NOTICES_KEY "/%lld", (long long)message);
	store_kv_set(c->store, key, text);
	free(text);
}

/* The numbers, oldest first, with this one; what is too many is forgotten. */
static void
notices_add(struct chat *c, int64_t message)
{
	struct json *before = kv_json(c, NOTICES_KEY), *all = json_array();
	const struct json *v = json_first(before);
	char *text;

	for (size_t n = json_size(before); v != NULL; v = json_next(v), n--)
		if (n < NOTICES_KEPT)
			json_push(all, json_copy(v));
		else
			notice_set(c, json_value_int(v, 0), NULL);
	json_push(all, json_number((double)message));
	text = json_canonical(all);
	store_kv_set(c->store, NOTICES_KEY, text);
	free(text);
	json_free(all);
	json_free(before);
}

/* The newest of this object, if it is of the fight that goes on; yours, or NULL. */
static struct json *
notice_newest(struct chat *c, const char *key)
{
	struct json *all = kv_json(c, NOTICES_KEY), *newest = NULL, *notice;

	for (const struct json *v = json_first(all); v != NULL;
	    v = json_next(v)) {
		notice = notice_of(c, json_value_int(v, 0));
		if (!str_equal(json_str(notice, "key"), key)) {
			json_free(notice);
			continue;
		}
		json_free(newest);
		newest = notice;
	}
	json_free(all);
	if (clock_ms() - json_int(newest, "at", 0) < FIGHT_MS)
		return newest;
	json_free(newest);
	return NULL;
}

static void
set_form(struct json *kept, const char *desired)
{
	char digest[SHA256_HEX];

	sha256_hex(desired, strlen(desired), digest);
	json_set_str(kept, "form", digest);
}

/* Did somebody write anything?  A membership or a level is no such thing. */
static bool
has_words(const struct json *was)
{
	const struct json *v = json_first(json_get(was, "changes"));
	const char *what;

	if (json_get(was, "found") != NULL)
		return true;
	for (; v != NULL; v = json_next(v)) {
		what = json_strd(v, "what", "");
		if (json_str(v, "from") != NULL &&
		    !str_starts(what, "member ") &&
		    !str_starts(what, "power "))
			return true;
	}
	return false;
}

/* Without the secrets of agents: what one knows another may have written. */
static struct json *
kept_of(struct chat *c, const struct object_view *o, const struct json *was)
{
	struct strv secrets = { 0 };
	struct json *kept;

	if (has_words(was))
		agents_secrets(c->engine, &secrets);
	kept = adoption_keep(was, &secrets);
	json_set_str(kept, "key", o->key);
	json_set_str(kept, "owner", o->owner);
	json_set_int(kept, "at", clock_ms());
	if (o->desired != NULL)
		set_form(kept, o->desired);
	secrets_wipe(&secrets);
	return kept;
}

/* Was something else declared of it since? */
static bool
is_outdated(struct chat *c, const struct json *notice)
{
	struct json *now = json_object();
	struct object_view o;
	bool is;

	if (engine_object(c->engine, json_strd(notice, "key", ""), &o) &&
	    o.desired != NULL)
		set_form(now, o.desired);
	is = !str_equal(json_str(now, "form"), json_str(notice, "form"));
	json_free(now);
	return is;
}

static void
adoption_of(struct chat *c, const struct json *notice, struct adoption *out)
{
	adoption_make(chat_origins(c), json_strd(notice, "key", ""),
	    json_strd(notice, "owner", ""), notice, out);
}

/* "spec.soul of Worker/alice"; yours, or NULL. */
static char *
fields_of(const struct adoption *a)
{
	struct strv shown = { 0 };
	char *text = NULL;

	for (size_t i = 0; i < a->fields.n && i < FIELDS_TOLD; i++)
		strv_add(&shown, a->fields.v[i]);
	if (a->fields.n > FIELDS_TOLD)
		strv_addf(&shown, "%zu more", a->fields.n - FIELDS_TOLD);
	if (shown.n > 0)
		text = strv_join(&shown, ", ");
	strv_release(&shown);
	return text;
}

struct json *
drift_keep(struct chat *c, const char *key, const struct json *was,
    char **fields)
{
	struct object_view o;
	struct json *kept;
	struct adoption a;

	*fields = NULL;
	if (!engine_object(c->engine, key, &o))
		return NULL;
	kept = was != NULL ? kept_of(c, &o, was) : notice_newest(c, key);
	if (kept == NULL)		/* nobody was told of it */
		kept = kept_of(c, &o, NULL);
	adoption_of(c, kept, &a);
	*fields = fields_of(&a);
	/* Contents that nobody can declare need not be kept. */
	if (json_size(a.docs) == 0)
		json_remove(kept, "found");
	adoption_release(&a);
	return kept;
}

void
drift_noted(struct chat *c, int64_t message, const struct json *kept)
{
	if (message == 0 || kept == NULL)	/* muted: nobody can reply */
		return;
	notice_set(c, message, kept);
	notices_add(c, message);
}

/* --- adopt ------------------------------------------------------------------------ */

/* Why nobody has it done by one tap: others made it up. */
static const char *
doubt_of(struct chat *c, const struct json *notice,
    const struct json *action, const struct attempt *ch)
{
	if (is_outdated(c, notice))
		return "Something else was declared since, so I ask.";
	if (change_risk(action, ch) == RISK_PERMISSION)
		return "It gives or takes rights, so I ask.";
	if (json_get(notice, "found") != NULL)
		return "Somebody else wrote it, so I ask: read what it says.";
	return "Somebody else did it, so I ask.";
}

static void
adopt_decide(struct request *q, const struct json *notice,
    struct adoption *a, const char *object)
{
	struct json *action = json_object();
	struct attempt ch;
	struct err err;

	json_set_str(action, "do", "apply");
	json_set_strf(action, "title", "adopt what was done to %s", object);
	json_set(action, "docs", json_copy(a->docs));
	if (change_try(q->chat->engine, action, NULL, &ch, &err) == -1)
		say_wrong(q, "It cannot be adopted: %s", ch.problems.n > 0 ?
		    ch.problems.v[0].what : err.msg);
	else {
		q->doubt = doubt_of(q->chat, notice, action, &ch);
		change_decide(q, action, &ch, &a->cannot);
	}
	change_release(&ch);
	json_free(action);
}

static void
adopt(struct request *q, const struct json *notice)
{
	char *object = object_title(json_strd(notice, "key", "")), *why;
	struct adoption a;

	adoption_of(q->chat, notice, &a);
	why = strv_join(&a.cannot, "; ");
	if (json_size(a.docs) > 0)
		adopt_decide(q, notice, &a, object);
	else if (why[0] != '\0')
		say_wrong(q, "It cannot be adopted: %s. It stays put right; "
		    "`ignore 2h` leaves alone what others do to %s.", why,
		    object);
	else
		say_wrong(q, "There is nothing to adopt: it is declared "
		    "already, or what it was is not known any more.");
	free(why);
	free(object);
	adoption_release(&a);
}

/* --- ignore, revert ------------------------------------------------------------------ */

static void
ignore(struct request *q, const struct json *notice, int64_t ms)
{
	const char *key = json_strd(notice, "key", "");
	char *object = object_title(key), *line, until[24];
	struct text t = { 0 };

	if (!engine_leave(q->chat->engine, key, clock_ms() + ms)) {
		say_wrong(q, "There is no %s any more.", object);
		free(object);
		return;
	}
	clock_utc(clock_ms() + ms, until);
	text_printf(&t, "Until %s what others do to ", until);
	text_value(&t, object);
	text_puts(&t, " is left alone, or until a change asks something else "
	    "of it; `revert` as a reply to the notice ends that. What was put "
	    "right already stays so.");
	say(q, REPLY_DONE, &t);
	text_release(&t);
	line = xasprintf("%s: left alone until %s, says %s", object, until,
	    q->sender);
	store_log_add(q->chat->store, "", "drift", line);
	free(line);
	free(object);
}

static void
revert(struct request *q, const struct json *notice)
{
	const char *key = json_strd(notice, "key", "");
	char *object = object_title(key);
	struct text t = { 0 };

	text_value(&t, object);
	text_puts(&t, engine_leave(q->chat->engine, key, 0) ?
	    " is put right now, and from now on." :
	    " was put right already.");
	say(q, REPLY_DONE, &t);
	text_release(&t);
	free(object);
}

/* --- by words --------------------------------------------------------------------------- */

/* What it replies to; NULL: that is none, and it was said. */
static struct json *
replied(struct request *q)
{
	struct json *notice = NULL;

	if (q->in.reply_to != NULL)
		notice = notice_of(q->chat, store_outbox_find(q->chat->store,
		    q->in.reply_to));
	if (notice == NULL)
		say_usage(q, "as a reply to my line that says what somebody "
		    "changed");
	return notice;
}

void
cmd_adopt(struct request *q)
{
	struct json *notice = replied(q);

	if (notice != NULL)
		adopt(q, notice);
	json_free(notice);
}

void
cmd_ignore(struct request *q)
{
	const struct strv *v = &q->words.v;
	int64_t ms = v->n == 0 ? IGNORE_MS : duration_ms(v->v[v->n - 1]);
	bool is_for = v->n == 2 && strcmp(v->v[0], "for") == 0;
	struct json *notice;

	if (ms <= 0 || ms > IGNORE_MAX_MS || (v->n > 1 && !is_for)) {
		say_usage(q, ms > IGNORE_MAX_MS ? "at most 30 days" :
		    "a time is like 30m, 2h or 1d");
		return;
	}
	if ((notice = replied(q)) != NULL)
		ignore(q, notice, ms);
	json_free(notice);
}

void
cmd_revert(struct request *q)
{
	struct json *notice = replied(q);

	if (notice != NULL)
		revert(q, notice);
	json_free(notice);
}

/* --- by taps ------------------------------------------------------------------------------ */

static const struct { const char *key, *command; } keys[] = {
	{ "\xf0\x9f\x93\xa5", "adopt" },		/* inbox tray */
	{ "\xf0\x9f\x94\x95", "ignore" },		/* bell with a stroke */
	{ "\xe2\x86\xa9", "revert" },			/* arrow back */
};

bool
drift_tap(struct request *q, int64_t message, const char *key)
{
	struct json *notice;
	size_t i = 0;

	while (i < NELEM(keys) && strcmp(keys[i].key, key) != 0)
		i++;
	if (i == NELEM(keys) || (notice = notice_of(q->chat, message)) == NULL)
		return false;
	q->command = commands_find(q->chat->commands, keys[i].command);
	/* Of others it means nothing. */
	if (q->command != NULL && request_gate(q, q->command) == GATE_OPEN) {
		if (i == 0)
			adopt(q, notice);
		else if (i == 1)
			ignore(q, notice, IGNORE_MS);
		else
			revert(q, notice);
	}
	json_free(notice);
	return true;
}
