/*
 * Queues and hands: a system (one provider) has a queue of dirty items, a pool
 * of threads, and at most `concurrency` items in hand.
 *
 * Of kinds that do many at once, all that are due go along as one job.
 *
 * A turn of the loop selects items and writes down what they need before they
 * start (queue_select), commits, and only then submits them (queue_submit), so
 * that nothing happens outside that a restart would not know of.  The result
 * comes back as a job and is one more write of the next turn.
 *
 * A system that fails DOWN_FAILURES times in a row without one success counts
 * as down: its items stay queued, one at a time is tried until one gets an
 * answer, and the house hears of it once.  Errors of single items back off per
 * item.
 */
#include "engine-int.h"

#include <stdlib.h>
#include <string.h>

#include "hiclaw/clock.h"
#include "hiclaw/fault.h"
#include "hiclaw/log.h"
#include "hiclaw/secure.h"

#define DOWN_FAILURES	3		/* in a row: one 429 is no outage */
#define STUBBORN_TRIES	2		/* less: one object alone is no outage */
#define BACKOFF_MIN_MS	500
#define BACKOFF_MAX_MS	60000		/* a minute: people wait for it */
#define PROBE_MAX_MS	5000		/* an outage ends within seconds */
#define FAILED_RETRY_MS	300000		/* somebody may mend the cause */
#define PASSWORD_LEN	20		/* 20 of 56 symbols: 116 bits */

/* One item in hand: what its deed points to. */
struct task {
	struct engine	*engine;
	struct item	*item;
	char		*key;		/* the item may be gone at the end */
	struct json	*desired, *observed, *secrets;
};

/*
 * What goes to a thread as one job: one item, or many of a kind that can do many
 * at once, all of them to be ensured or all of them to be removed.
 */
struct batch {
	struct job	 job;
	struct engine	*engine;
	struct system	*system;
	const struct object_kind *kind;
	bool		 removes;
	struct task	*tasks;
	struct deed	*deeds;		/* parallel */
	size_t		 n, cap;
	int64_t		 started_ms;	/* wall clock */
	int64_t		 took_ms;
	struct batch	*next;		/* selected, not yet submitted */
	struct batch	*all, **all_prev;	/* in e->batches, for the end */
};

int
systems_open(struct engine *e, struct err *err)
{
	size_t n = 0;

	while (providers[n] != NULL)
		n++;
	e->systems = xcalloc(n, sizeof *e->systems);
	e->systems_n = n;
	for (size_t i = 0; i < n; i++) {
		struct system *s = &e->systems[i];

		s->provider = providers[i];
		s->tail = &s->head;
		s->is_up = true;
		s->latency_ms = -1;
		if (providers[i]->open(&e->cfg.env, &s->ctx, err) == -1)
			return err_prefix(err, "%s", providers[i]->name);
		s->suspects = map_new(NULL);
		if (s->ctx != NULL)
			s->pool = pool_new(e->loop, providers[i]->name,
			    providers[i]->concurrency < e->cfg.threads ?
			    providers[i]->concurrency : e->cfg.threads);
	}
	return 0;
}

void
systems_close(struct engine *e)
{
	for (size_t i = 0; i < e->systems_n; i++) {
		struct system *s = &e->systems[i];

		if (s->pool != NULL)
			pool_free(s->pool);
		if (s->ctx != NULL)
			s->provider->close(s->ctx);
		free(s->why);
		free(s->last_error);
		map_free(s->suspects);
	}
	free(e->systems);
}

const struct object_kind *
system_kind(struct engine *e, const char *name, struct system **system)
{
	const struct object_kind *k, *found = NULL;

	for (size_t i = 0; i < e->systems_n; i++) {
		struct system *s = &e->systems[i];

		for (k = s->provider->kinds; k->name != NULL; k++) {
			if (strcmp(k->name, name) != 0 ||
			    (found != NULL && s->ctx == NULL))
				continue;
			found = k;
			*system = s;
			if (s->ctx != NULL)
				return k;
		}
	}
	return found;
}

void
queue_push(struct engine *e, struct item *it)
{
	struct system *s = it->system;

	if (it->queued || it->state == OBJECT_BUSY)
		return;
	if (s == NULL || s->ctx == NULL) {
		item_set_error(it, "the system it belongs to is not configured");
		item_set_state(e, it, OBJECT_FAILED);
		return;
	}
	it->queued = true;
	if (it->urgent) {
		it->next = s->head;
		s->head = it;
		if (it->next == NULL)
			s->tail = &it->next;
	} else {
		it->next = NULL;
		*s->tail = it;
		s->tail = &it->next;
	}
}

/* It is about to be freed. */
void
queue_drop(struct item *it)
{
	struct item **at;

	if (!it->queued)
		return;
	for (at = &it->system->head; *at != it; at = &(*at)->next)
		;
	if ((*at = it->next) == NULL)
		it->system->tail = at;
	it->next = NULL;
	it->queued = false;
}

static struct item *
queue_pop(struct system *s)
{
	struct item *it = s->head;

	if (it == NULL)
		return NULL;
	if ((s->head = it->next) == NULL)
		s->tail = &s->head;
	it->next = NULL;
	it->queued = it->urgent = false;
	return it;
}

/* --- a batch in a thread of the pool ------------------------------------- */

/* How this kind does many at once; NULL: it does not. */
static void (*
many_of(const struct object_kind *kind, bool removes))(void *, struct deed *,
    size_t)
{
	if (kind->batch < 2)
		return NULL;
	return removes ? kind->remove_many : kind->ensure_many;
}

static void
batch_do(struct batch *b)
{
	void (*many)(void *, struct deed *, size_t) = many_of(b->kind,
	    b->removes);
	struct deed *d = b->deeds;

	if (many != NULL)
		many(b->system->ctx, d, b->n);
	else if (b->removes)
		d->rc = b->kind->remove(b->system->ctx, &d->work, &d->out,
		    &d->err);
	else
		d->rc = b->kind->ensure(b->system->ctx, &d->work, &d->out,
		    &d->err);
}

static void
batch_run(struct job *job)
{
	struct batch *b = (struct batch *)job;
	int64_t began_ms = clock_mono_ms();

	fault("engine.before-ensure");
	batch_do(b);
	b->took_ms = clock_mono_ms() - began_ms;
	fault("engine.after-ensure");
}

static void
batch_free(struct batch *b)
{
	if ((*b->all_prev = b->all) != NULL)
		b->all->all_prev = b->all_prev;
	for (size_t i = 0; i < b->n; i++) {
		json_free(b->tasks[i].desired);
		json_free(b->tasks[i].observed);
		json_wipe(b->tasks[i].secrets);
		free(b->tasks[i].key);
		outcome_release(&b->deeds[i].out);
	}
	free(b->tasks);
	free(b->deeds);
	free(b);
}

/* At the end: what never came back, its pool being gone. */
void
batches_free(struct engine *e)
{
	while (e->batches != NULL)
		batch_free(e->batches);
}

static char *
secret_name(const char *key, const char *name)
{
	return xasprintf("%s/%s", key, name);
}

/* The one before, while both are to work: see rotate.c. */
static void
secret_before(struct engine *e, const struct item *it,
    const struct object_secret *s, struct json *secrets)
{
	char *name = xasprintf("old_%s", s->name);
	char *full = secret_name(it->key, name), *value;

	value = store_secret_get(e->store, full);
	json_set_str(secrets, name, value);
	secret_free(value);
	free(full);
	free(name);
}

char *
token_subject(const char *key)
{
	const char *colon = strchr(key, ':');

	return xasprintf("agent:%s", colon != NULL ? colon + 1 : key);
}

/* Known before it is given away; what it was before ends soon. */
static void
token_make(struct engine *e, const struct item *it,
    const struct object_secret *s, struct json *secrets)
{
	char hash[SHA256_HEX], *token = rand_hex(s->bytes);
	char *subject = token_subject(it->key);
	struct token_row row = { .sha256 = hash, .subject = subject,
	    .made_ms = clock_ms() };

	row.expires_ms = row.made_ms + TOKEN_LIFE_MS;
	sha256_hex(token, strlen(token), hash);
	/* The one before is in use until this one is there, which may take
	 * long or never come to be; it ends by itself. */
	store_token_put(e->store, &row, TOKEN_LIFE_MS);
	json_set_str(secrets, s->name, token);
	secret_free(token);
	free(subject);
}

/* One of the item's own, made now if it never was. */
static void
secret_own(struct engine *e, struct item *it, const struct object_secret *s,
    struct json *secrets)
{
	char *full = secret_name(it->key, s->name), *value;

	value = store_secret_get(e->store, full);
	if (value == NULL && it->observed == NULL && !s->is_kept) {
		value = s->bytes > 0 ? rand_hex(s->bytes) :
		    rand_password(PASSWORD_LEN);
		store_secret_put(e->store, full, value);
	}
	json_set_str(secrets, s->name, value);
	secret_free(value);
	free(full);
	if (s->rotates)
		secret_before(e, it, s, secrets);
}

/* Those of others that its desired form points to: see find_refs. */
static void
secrets_pointed(struct engine *e, const char *desired, struct json *secrets)
{
	static const char mark[] = "{\"$secret\":\"";
	const char *p = desired, *end;
	char *full, *value;

	while ((p = strstr(p, mark)) != NULL) {
		p += sizeof mark - 1;
		if ((end = strchr(p, '"')) == NULL)
			return;
		full = xstrndup(p, (size_t)(end - p));
		value = store_secret_get(e->store, full);
		json_set_str(secrets, full, value);
		secret_free(value);
		free(full);
	}
}

/* What the ensure may need to know: see struct work. */
static struct json *
secrets_load(struct engine *e, struct item *it)
{
	struct json *secrets = json_object();
	const struct object_secret *s = it->kind->secrets;

	for (; s != NULL && s->name != NULL; s++)
		if (s->is_token)
			token_make(e, it, s, secrets);
		else
			secret_own(e, it, s, secrets);
	secrets_pointed(e, it->desired, secrets);
	return secrets;
}

static void batch_done(struct job *);

static struct batch *
batch_new(struct engine *e, const struct item *first)
{
	struct batch *b = xcalloc(1, sizeof *b);

	if ((b->all = e->batches) != NULL)
		b->all->all_prev = &b->all;
	b->all_prev = &e->batches;
	e->batches = b;
	b->job.run = batch_run;
	b->job.done = batch_done;
	b->engine = e;
	b->system = first->system;
	b->kind = first->kind;
	b->removes = first->desired == NULL;
	return b;
}

static void
batch_add(struct engine *e, struct batch *b, struct item *it)
{
	struct task *t;
	struct deed *d;
	struct err err;

	if (b->n == b->cap) {
		b->cap = b->cap == 0 ? 1 : b->cap * 2;
		b->tasks = xreallocarray(b->tasks, b->cap, sizeof *b->tasks);
		b->deeds = xreallocarray(b->deeds, b->cap, sizeof *b->deeds);
	}
	t = &b->tasks[b->n];
	d = &b->deeds[b->n++];
	*t = (struct task){ .engine = e, .item = it, .key = xstrdup(it->key),
	    .desired = item_resolved(e, it) };
	if (it->observed != NULL)
		t->observed = json_parse(it->observed, strlen(it->observed),
		    &err);
	if (it->desired != NULL)
		t->secrets = secrets_load(e, it);
	*d = (struct deed){ .work = { .key = t->key, .desired = t->desired,
	    .observed = t->observed, .secrets = t->secrets,
	    .instance = e->cfg.world.instance,
	    .may_exist = it->unanswered } };
	it->was_tried = true;
	it->said[0] = '\0';
	item_set_state(e, it, OBJECT_BUSY);
}

/* In a thread: an item in hand is never freed. */
static void
task_progress(void *arg, const char *text)
{
	struct task *t = arg;

	pthread_mutex_lock(&t->engine->said_lock);
	str_copy(t->item->said, text, sizeof t->item->said);
	pthread_mutex_unlock(&t->engine->said_lock);
	atomic_store(&t->engine->has_said, true);
}

/* --- what came of it ------------------------------------------------------ */

static int64_t
backoff_ms(int fails, int retry_s)
{
	int64_t ms = BACKOFF_MIN_MS;

	for (int i = 1; i < fails && ms < BACKOFF_MAX_MS; i++)
		ms *= 2;
	if (ms > BACKOFF_MAX_MS)
		ms = BACKOFF_MAX_MS;
	ms = (int64_t)((double)ms * (0.75 + 0.5 * rand_unit()));
	if (ms < (int64_t)retry_s * 1000)
		ms = (int64_t)retry_s * 1000;
	return ms;
}

static int64_t
pause_ms(struct engine *e, struct item *it, const struct deed *d)
{
	if (it->kind->pauses_s != NULL && d->out.has_answer &&
	    it->desired != NULL)
		return drift_failed(e, it);
	return backoff_ms(it->fails, d->err.retry_s);
}

static void
task_failed(struct engine *e, struct item *it, const struct deed *d)
{
	const struct err *err = &d->err;

	it->fails++;
	item_set_error(it, err->msg);
	/* Whoever waited for it knows more now. */
	for (size_t i = 0; i < it->users_n && it->fails == 1; i++)
		item_touch(e, it->users[i]);
	if (err->kind == ERR_RETRY) {
		log_info("engine", "%s: %s (try %d)", it->key, err->msg,
		    it->fails);
		it->retry_ms = clock_mono_ms() + pause_ms(e, it, d);
		item_set_state(e, it, OBJECT_BACKOFF);
		return;
	}
	log_warn("engine", "%s: %s", it->key, err->msg);
	if (it->fails == 1)
		store_log_add(e->store, it->owner->name, "failed", err->msg);
	it->retry_ms = clock_mono_ms() + FAILED_RETRY_MS;
	item_set_state(e, it, OBJECT_FAILED);
	for (size_t i = 0; i < it->users_n; i++)
		item_touch(e, it->users[i]);
}

static void
secrets_store(struct engine *e, const struct item *it,
    const struct outcome *out)
{
	const struct json *v;

	for (v = json_first(out->secrets); v != NULL; v = json_next(v)) {
		char *full = secret_name(it->key, json_key(v));

		store_secret_put(e->store, full, json_value_str(v));
		free(full);
	}
}

/* Has it a secret that a person will type? */
static bool
has_password(const struct object_kind *kind)
{
	const struct object_secret *s = kind->secrets;

	for (; s != NULL && s->name != NULL; s++)
		if (s->bytes == 0 && !s->is_kept)
			return true;
	return false;
}

/* The account of a person was made just now: chat hands over its password; or
 * somebody is to make the rest happen elsewhere: chat tells how. */
static void
tell_made(struct engine *e, const struct item *it, const struct deed *d,
    bool was_absent)
{
	if (was_absent && d->rc == 0 && has_password(it->kind) &&
	    json_bool(d->out.observed, "made", false))
		TELL(e, account_made, it->key,
		    json_str(d->out.observed, "user"));
	if (was_absent && d->rc == 0 && it->kind->is_elsewhere)
		TELL(e, elsewhere, it->key);
}

/* What was said of the item while it was in hand, or before it was known.  The
 * check may have forgotten a removed one. */
static void
news_take(struct engine *e, const char *key)
{
	struct item *it = item_find(e, key);
	struct json *news;

	if (it == NULL || (news = it->news) == NULL)
		return;
	it->news = NULL;
	for (const struct json *v = json_first(news); v != NULL;
	    v = json_next(v))
		item_absorb(e, it, v);
	json_free(news);
}

void
system_failed(struct system *s, const char *why)
{
	free(s->last_error);
	s->last_error = xstrdup(why);
	s->last_error_ms = clock_ms();
}

/* Smoothed over about eight, so that one slow call is no news. */
static void
system_timed(struct system *s, int64_t took_ms)
{
	s->latency_ms = s->latency_ms < 0 ? took_ms :
	    (7 * s->latency_ms + took_ms) / 8;
}

/*
 * An answer of any kind shows that the system is there.  An object that fails
 * again and again while others do not says something about itself only.
 */
static void
system_hears(struct engine *e, const struct batch *b, const struct item *it,
    const struct deed *d)
{
	struct system *s = b->system;

	if (d->rc == -1)
		system_failed(s, d->err.msg);
	if (d->rc == 0 || d->err.kind != ERR_RETRY || d->out.has_answer)
		system_answer(e, s, true, 0, NULL);
	else if (!s->is_up || it->fails < STUBBORN_TRIES)
		system_answer(e, s, false, b->started_ms, d->err.msg);
}

/*
 * Made without an error and still not as it was told to be (a file system
 * without modes, say): doing it again at once would never end.
 */
static int
check_rest(const struct object_kind *kind, struct deed *d)
{
	struct changes c = { 0 };
	int rc = 0;

	kind->diff(d->work.desired, d->out.observed, &c);
	if (c.n > 0)
		rc = err_set(&d->err, ERR_RETRY, "%s does not stay as it was "
		    "made: %s", d->work.key, c.v[0].what);
	changes_release(&c);
	return rc;
}

static void
task_done(struct engine *e, const struct batch *b, struct task *t,
    struct deed *d)
{
	struct item *it = t->item;
	bool was_absent = it->observed == NULL;

	it->state = OBJECT_DIRTY;
	e->ensures++;
	if (d->rc == 0 || d->out.observed != NULL) {
		secrets_store(e, it, &d->out);
		item_set_observed(e, it, d->out.observed);
	}
	if (d->rc == 0 && t->desired == NULL)
		it->was_tried = false;
	it->unanswered = d->rc == -1 && d->err.kind == ERR_RETRY;
	system_hears(e, b, it, d);
	if (d->rc == 0 && t->desired != NULL)
		d->rc = check_rest(b->kind, d);
	if (d->rc == -1) {
		task_failed(e, it, d);
	} else {
		it->fails = 0;
		it->retry_ms = 0;
		tell_made(e, it, d, was_absent);
		if (it->drift_by != NULL)
			drift_repaired(e, it, d);
	}
	item_touch(e, it);
}

static void
batch_done(struct job *job)
{
	struct batch *b = (struct batch *)job;
	struct engine *e = b->engine;

	store_begin(e->store);
	fault("engine.before-observed");
	b->system->in_hand--;
	b->system->jobs++;
	system_timed(b->system, b->took_ms);
	for (size_t i = 0; i < b->n; i++)
		task_done(e, b, &b->tasks[i], &b->deeds[i]);
	items_check(e);
	for (size_t i = 0; i < b->n; i++)
		news_take(e, b->tasks[i].key);
	observe_suspects(e, b->system);
	fault("engine.after-observed");
	batch_free(b);
}

/* --- selecting and submitting -------------------------------------------- */

/* It is up again: nobody needs to sit out a back-off any more. */
static void
retry_all(struct engine *e, struct system *s)
{
	struct item *it;
	const char *key;
	void *at;

	for (at = NULL; (it = map_next(e->items, &at, &key)) != NULL;)
		if (it->system == s && it->state == OBJECT_BACKOFF) {
			it->retry_ms = 0;
			item_touch(e, it);
		}
}

void
system_answer(struct engine *e, struct system *s, bool is_up, int64_t since_ms,
    const char *why)
{
	int64_t wait;

	if (is_up) {
		s->failures = 0;
		if (s->is_up)
			return;
		s->is_up = true;
		log_info("engine", "%s: answers again", s->provider->name);
		retry_all(e, s);
		TELL(e, system, s->provider->name, true, s->down_since_ms,
		    s->why);
		return;
	}
	free(s->why);
	s->why = xstrdup(why);
	if (s->failures++ == 0)
		s->down_since_ms = since_ms;
	if (s->failures < DOWN_FAILURES)
		return;
	wait = (int64_t)250 << (s->failures - DOWN_FAILURES < 5 ?
	    s->failures - DOWN_FAILURES : 5);
	s->next_probe_ms = clock_mono_ms() +
	    (wait < PROBE_MAX_MS ? wait : PROBE_MAX_MS);
	if (!s->is_up)
		return;
	s->is_up = false;
	log_warn("engine", "%s: does not answer: %s", s->provider->name, why);
	TELL(e, system, s->provider->name, false, s->down_since_ms, why);
}

static bool
system_takes(const struct system *s)
{
	if (s->ctx == NULL || s->in_hand >= s->provider->concurrency)
		return false;
	return s->is_up ||
	    (s->in_hand == 0 && s->next_probe_ms <= clock_mono_ms());
}

/*
 * Those in the queue that the batch can take along.  They need not stand next to
 * each other: a queue of files and users is two batches, not one for each.
 */
static void
batch_fill(struct engine *e, struct system *s, struct batch *b)
{
	struct item **at = &s->head, *it;

	if (many_of(b->kind, b->removes) == NULL)
		return;
	while ((it = *at) != NULL && b->n < b->kind->batch) {
		if (it->kind != b->kind || !item_is_due(it) ||
		    (it->desired == NULL) != b->removes) {
			at = &it->next;
			continue;
		}
		if ((*at = it->next) == NULL)
			s->tail = at;
		it->next = NULL;
		it->queued = it->urgent = false;
		batch_add(e, b, it);
	}
}

void
queue_select(struct engine *e)
{
	struct batch *b, **tail = &e->starting;
	struct item *it;

	items_check(e);
	if (!e->started || e->draining || e->frozen != NULL)
		return;
	while (*tail != NULL)
		tail = &(*tail)->next;
	for (size_t i = 0; i < e->systems_n; i++) {
		struct system *s = &e->systems[i];

		while (system_takes(s) && (it = queue_pop(s)) != NULL) {
			if (!item_is_due(it))
				continue;
			store_begin(e->store);
			b = batch_new(e, it);
			batch_add(e, b, it);
			if (s->is_up)
				batch_fill(e, s, b);
			s->in_hand++;
			*tail = b;
			tail = &b->next;
		}
	}
}

void
queue_submit(struct engine *e)
{
	struct batch *b;

	while ((b = e->starting) != NULL) {
		e->starting = b->next;
		b->started_ms = clock_ms();
		for (size_t i = 0; i < b->n; i++) {
			b->deeds[i].work.progress = task_progress;
			b->deeds[i].work.progress_arg = &b->tasks[i];
		}
		pool_submit(b->system->pool, &b->job);
	}
}

/* Items whose time has come. */
void
queue_tick(struct engine *e)
{
	int64_t now = clock_mono_ms();
	struct item *it;
	const char *key;
	void *at;

	if (e->resting == 0)
		return;
	for (at = NULL; (it = map_next(e->items, &at, &key)) != NULL;)
		if (it->retry_ms > 0 && it->retry_ms <= now) {
			it->retry_ms = 0;
			item_touch(e, it);
		}
}
