/*
 * Rotation: a secret that an agent holds is made anew, and for a while both work,
 * so that no request fails between the system that knows the key and the agent
 * that reads it from a file.
 *
 *   serial 1        key A
 *   serial 2, both  key B, old_key A     until the time is over AND everything
 *   serial 2        key B                that points to the object is settled
 *
 * What goes on is in one JSON value of the store, {"<object key>": {"serial",
 * "overlap", "until_ms"}}, which the compile reads as well: a rotation is a
 * difference like any other, and a restart goes on with it.
 */
#include "engine-int.h"

#include <stdlib.h>
#include <string.h>

#include "hiclaw/clock.h"
#include "hiclaw/log.h"
#include "hiclaw/secure.h"

#define ROTATIONS_KEY	"engine.rotations"
#define LATER_MS	5000	/* until the agent's files are in place */

static void
save(struct engine *e)
{
	kept_save(e, ROTATIONS_KEY, e->rotations);
}

/* --- making anew ---------------------------------------------------------- */

static const struct object_secret *
rotating(const struct item *it)
{
	const struct object_secret *s = it->kind == NULL ? NULL :
	    it->kind->secrets;

	for (; s != NULL && s->name != NULL; s++)
		if (s->rotates)
			return s;
	return NULL;
}

static int
check(struct engine *e, const struct item *it, const char *key,
    struct err *err)
{
	const struct json *r = json_get(e->rotations, key);

	if (it == NULL || it->desired == NULL)
		return err_set(err, ERR_NOTFOUND, "there is no %s", key);
	if (e->frozen != NULL)
		return err_set(err, ERR_CONFLICT, "%s", e->frozen);
	if (rotating(it) == NULL)
		return err_set(err, ERR_USER, "%s has nothing to rotate", key);
	if (it->observed == NULL)
		return err_set(err, ERR_USER, "%s is not made yet", key);
	if (json_bool(r, "overlap", false))
		return err_set(err, ERR_USER, "the rotation before is still "
		    "under way: its old key works until the agent has the new "
		    "one");
	return 0;
}

static void
swap_secret(struct engine *e, const char *key, const struct object_secret *s)
{
	char *name = xasprintf("%s/%s", key, s->name);
	char *old = xasprintf("%s/old_%s", key, s->name);
	char *was = store_secret_get(e->store, name);
	char *made = rand_hex(s->bytes > 0 ? s->bytes : 16);

	if (was != NULL)
		store_secret_put(e->store, old, was);
	store_secret_put(e->store, name, made);
	secret_free(was);
	secret_free(made);
	free(name);
	free(old);
}

int64_t
engine_rotate(struct engine *e, const char *key, int64_t overlap_ms,
    const struct run_request *q, struct plan **plan, struct err *err)
{
	struct item *it = item_find(e, key);
	struct json *r;
	int64_t run;

	if (check(e, it, key, err) == -1)
		return -1;
	store_begin(e->store);
	swap_secret(e, key, rotating(it));
	r = json_obj(e->rotations, key);
	json_set_int(r, "serial", json_int(r, "serial", 1) + 1);
	json_set_bool(r, "overlap", overlap_ms > 0);
	json_set_int(r, "until_ms", clock_ms() + overlap_ms);
	save(e);
	run = run_now(e, q, plan);
	rotations_arm(e);
	log_info("engine", "%s: rotated", key);
	return run;
}

/* --- the end of the old one ------------------------------------------------ */

/* Has everybody who holds the secret the new one? */
static bool
is_spread(const struct item *it)
{
	if (it->state != OBJECT_SETTLED)
		return false;
	for (size_t i = 0; i < it->users_n; i++)
		if (it->users[i]->state != OBJECT_SETTLED)
			return false;
	return true;
}

static void
end_overlap(struct engine *e, const struct item *it, struct json *r)
{
	char *old = xasprintf("%s/old_%s", it->key, rotating(it)->name);

	json_set_bool(r, "overlap", false);
	store_secret_remove(e->store, old);
	log_info("engine", "%s: the old key ends", it->key);
	free(old);
}

static void
on_time(void *arg)
{
	struct engine *e = arg;
	struct json *r;
	struct item *it;
	bool any = false;

	store_begin(e->store);
	for (r = json_first(e->rotations); r != NULL; r = json_next(r)) {
		it = item_find(e, json_key(r));
		if (!json_bool(r, "overlap", false) || it == NULL ||
		    json_int(r, "until_ms", 0) > clock_ms() || !is_spread(it))
			continue;
		end_overlap(e, it, r);
		any = true;
	}
	if (any) {
		save(e);
		engine_sync(e);
	}
	rotations_arm(e);
}

void
rotations_arm(struct engine *e)
{
	int64_t next = 0, until, wait;
	const struct json *r;

	for (r = json_first(e->rotations); r != NULL; r = json_next(r)) {
		until = json_int(r, "until_ms", 0);
		if (json_bool(r, "overlap", false) &&
		    (next == 0 || until < next))
			next = until;
	}
	if (next == 0)
		return;
	wait = next - clock_ms();
	timer_arm(e->rotation_timer, wait > 0 ? wait : LATER_MS);
}

/* The object is gone for good: another of that name begins afresh. */
void
rotation_forget(struct engine *e, const char *key)
{
	if (json_get(e->rotations, key) == NULL)
		return;
	json_remove(e->rotations, key);
	save(e);
}

void
rotations_load(struct engine *e)
{
	e->rotations = kept_load(e, ROTATIONS_KEY);
	e->cfg.world.gateway.rotations = e->rotations;
	e->rotation_timer = timer_new(e->loop, on_time, e);
}
