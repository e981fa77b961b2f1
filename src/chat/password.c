/*
 * Secrets that are told once, in a direct chat: the initial password when the
 * account of a Human was made, to whoever asked for that; a token for our REST
 * API, to who wants one; the join code of an agent that somebody else runs
 * (joining.c).
 *
 * The secret itself is never in a row of the outbox: the message says
 * {{secret:human:john/password}}, and the sender puts it in as it leaves.  Once
 * it is sent the sealed secret is wiped, and the message is redacted soon after
 * it was read, or after password_ttl.  One that is to be used after it was read
 * stays for its own time, or until it is withdrawn.
 *
 * What is on its way is kept in the store under one key, without any secret:
 *  [{"key","secret","user","asker","room","message": outbox id,
 *    "redact": outbox id, "until": ms, "ttl": ms, "stays": true}]
 * "secret" is its name if that is not "password"; "redact" is there from the
 * moment the message was sent.
 */
#include "chat-int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hiclaw/clock.h"
#include "hiclaw/log.h"
#include "hiclaw/secure.h"

#define KV_KEY		"chat.passwords"
#define SECRET_NAME	"password"
#define REDACT_PATIENCE_MS	(24 * 3600 * 1000)	/* a day of outage */

void
passwords_load(struct chat *c)
{
	char *text = store_kv_get(c->store, KV_KEY);
	struct err err;

	if (text != NULL)
		c->passwords = json_parse(text, strlen(text), &err);
	if (!json_is(c->passwords, JSON_ARRAY)) {
		json_free(c->passwords);
		c->passwords = json_array();
	}
	free(text);
}

static void
save(struct chat *c)
{
	char *text = json_canonical(c->passwords);

	store_kv_set(c->store, KV_KEY, json_size(c->passwords) > 0 ? text :
	    NULL);
	free(text);
}

/* --- who is told --------------------------------------------------------- */

struct asker { char *user; };

static void
newest_actor(const struct revision_row *row, void *arg)
{
	struct asker *a = arg;

	if (a->user == NULL && row->spec != NULL && row->actor != NULL)
		a->user = xstrdup(row->actor);
}

/*
 * The one who declared the resource last; if that is nobody who may know, the
 * first admin.
 */
char *
asker_of(struct chat *c, const char *key)
{
	const struct world_config *wc = engine_world_config(c->engine);
	struct asker a = { NULL };
	struct object_view o;
	const struct resource *human;
	const char *slash;
	char *kind;

	if (engine_object(c->engine, key, &o) &&
	    (slash = strchr(o.owner, '/')) != NULL) {
		kind = xstrndup(o.owner, (size_t)(slash - o.owner));
		store_revisions_each(c->store, kind, slash + 1, 1,
		    newest_actor, &a);
		free(kind);
	}
	if (a.user != NULL && person_tier(wc, engine_resources(c->engine),
	    a.user, &human) != 1) {
		free(a.user);
		a.user = NULL;
	}
	if (a.user == NULL && wc->admins != NULL && wc->admins->n > 0)
		a.user = xstrdup(wc->admins->v[0]);
	return a.user;
}

/* --- telling ------------------------------------------------------------- */

static const char *
minutes_shown(const struct chat *c, char *dst, size_t size)
{
	snprintf(dst, size, "%lld",
	    (long long)(c->cfg.password_ttl_ms + 59999) / 60000);
	return dst;
}

void
secret_tell(struct chat *c, const struct secret_telling *t)
{
	char *secret = xasprintf("%s/%s", t->key, t->name);
	struct reply r = { .state = REPLY_INFO, .secret = secret };
	struct json *p = json_push(c->passwords, json_object());

	json_set_str(p, "key", t->key);
	json_set_str(p, "secret", t->name);
	json_set_str(p, "user", t->user);
	json_set_str(p, "asker", t->asker);
	json_set_int(p, "message", reply_send(c, t->room, &r, t->text));
	json_set_str(p, "room", t->room);
	if (t->stays_ms > 0) {
		json_set_bool(p, "stays", true);
		json_set_int(p, "ttl", t->stays_ms);
	}
	save(c);
	free(secret);
}

static void
send_password(struct chat *c, const char *room, const char *key,
    const char *user, const char *asker)
{
	struct text t = { 0 };
	struct secret_telling telling = { .key = key, .name = SECRET_NAME,
	    .user = user, .asker = asker, .room = room, .text = &t };
	char minutes[32], *mark = xasprintf("{{secret:%s/" SECRET_NAME "}}",
	    key);

	template_fill(c->templates, "password", FILL(V("user", user),
	    V("password", mark), V("url", c->cfg.homeserver_url),
	    V("minutes", minutes_shown(c, minutes, sizeof minutes))), &t);
	secret_tell(c, &telling);
	text_release(&t);
	free(mark);
}

static bool
is_known(struct chat *c, const char *key)
{
	const struct json *p;

	for (p = json_first(c->passwords); p != NULL; p = json_next(p))
		if (str_equal(json_str(p, "key"), key) &&
		    json_get(p, "redact") == NULL)
			return true;
	return false;
}

void
password_made(void *arg, const char *key, const char *user)
{
	struct chat *c = arg;
	char *asker;
	const char *room;

	store_begin(c->store);
	if (is_known(c, key))
		return;
	if ((asker = asker_of(c, key)) == NULL ||
	    (room = engine_dm(c->engine, asker)) == NULL) {
		log_warn("chat", "%s: nobody may be told the password", key);
		free(asker);
		return;
	}
	send_password(c, room, key, user, asker);
	log_info("chat", "%s: the initial password goes to %s", user, asker);
	free(asker);
}

/* Each under a key of its own: one may still be on its way. */
void
token_tell(struct chat *c, const char *user, const char *token,
    const char *until)
{
	char *nonce = rand_hex(8), *key = xasprintf("token:%s", nonce);
	char *secret = xasprintf("%s/token", key), minutes[32];
	char *mark = xasprintf("{{secret:%s}}", secret);
	struct text t = { 0 };
	struct secret_telling telling = { .key = key, .name = "token",
	    .user = user, .asker = user, .room = engine_dm(c->engine, user),
	    .text = &t };

	store_begin(c->store);
	store_secret_put(c->store, secret, token);
	template_fill(c->templates, "token", FILL(V("token", mark),
	    V("until", until),
	    V("minutes", minutes_shown(c, minutes, sizeof minutes))), &t);
	secret_tell(c, &telling);
	text_release(&t);
	free(mark);
	free(nonce);
	free(key);
	free(secret);
}

/* --- and forgetting ------------------------------------------------------ */

static int64_t
queue_redaction(struct chat *c, const struct json *p, int64_t when)
{
	struct outbox_row row = { .op = OUTBOX_REDACT,
	    .room = json_str(p, "room"),
	    .target = json_int(p, "message", 0), .not_before_ms = when,
	    .content = "{\"reason\":\"a secret that is shown once\"}" };

	return store_outbox_add(c->store, &row);
}

static void
forget(struct chat *c, const struct json *p)
{
	engine_secret_forget(c->engine, json_str(p, "key"),
	    json_strd(p, "secret", SECRET_NAME));
}

void
secret_withdraw(struct chat *c, const char *key)
{
	int64_t now = clock_ms();
	struct json *p;

	for (p = json_first(c->passwords); p != NULL; p = json_next(p)) {
		int64_t redact = json_int(p, "redact", 0);

		if (!str_equal(json_str(p, "key"), key) ||
		    !json_bool(p, "stays", false))
			continue;
		json_remove(p, "stays");
		if (redact != 0)
			store_outbox_retry(c->store, redact, now);
		else
			json_set_int(p, "redact", queue_redaction(c, p, now));
		json_set_int(p, "until", now + REDACT_PATIENCE_MS);
	}
	save(c);
}

/*
 * True when nothing is left to do: the redaction has gone out, or has been
 * tried for so long that it never will.
 */
static bool
look_at(struct chat *c, struct json *p, int64_t now, bool *changed)
{
	int64_t redact = json_int(p, "redact", 0);
	int64_t ttl = json_int(p, "ttl", c->cfg.password_ttl_ms);
	char *event;

	event = store_outbox_event(c->store, redact != 0 ? redact :
	    json_int(p, "message", 0));
	if (event == NULL && (redact == 0 || now < json_int(p, "until", 0)))
		return false;
	free(event);
	*changed = true;
	store_begin(c->store);
	forget(c, p);
	if (redact != 0)
		return true;
	json_set_int(p, "redact", queue_redaction(c, p, now + ttl));
	json_set_int(p, "until", now + ttl + REDACT_PATIENCE_MS);
	return false;
}

void
passwords_tick(struct chat *c, int64_t now)
{
	struct json *p, *kept;
	bool changed = false;

	if (json_size(c->passwords) == 0)
		return;
	kept = json_array();
	for (p = json_first(c->passwords); p != NULL; p = json_next(p)) {
		struct json *copy = json_copy(p);

		if (look_at(c, copy, now, &changed))
			json_free(copy);
		else
			json_push(kept, copy);
	}
	json_free(c->passwords);
	c->passwords = kept;
	if (changed)
		save(c);
}

/* The asker has read up to an event of ours at or behind the password. */
void
passwords_read(struct chat *c, const char *room, const char *event,
    const char *user)
{
	int64_t read = 0;
	struct json *p;

	for (p = json_first(c->passwords); p != NULL; p = json_next(p)) {
		const char *dm;
		int64_t redact = json_int(p, "redact", 0);

		if (redact == 0 || json_bool(p, "read", false) ||
		    json_bool(p, "stays", false) ||
		    !str_equal(json_str(p, "asker"), user))
			continue;
		dm = engine_observed(c->engine, json_strd(p, "room", ""),
		    "room_id");
		if (read == 0)
			read = store_outbox_find(c->store, event);
		if (!str_equal(dm, room) || read < json_int(p, "message", 0))
			continue;
		store_begin(c->store);
		store_outbox_retry(c->store, redact, clock_ms() +
		    READ_GRACE_MS);
		json_set_bool(p, "read", true);
		save(c);
	}
}
