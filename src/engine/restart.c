/*
 * Containers that are to start anew although nothing else about them changes.
 *
 *   restart   somebody asks for it: the container's serial goes up
 *   period    tokens of agents are renewed: all containers get the number of
 *             the period, and what does not have it yet is a difference
 *
 * Both are inputs of the compile, so that a restart is a step of a plan and a
 * kill in the middle of it goes on with it.
 */
#include "engine-int.h"

#include "hiclaw/clock.h"

#define RESTARTS_KEY	"engine.restarts"
#define PERIOD_MS	(12 * 3600000LL)	/* a token lives three of them */

static void
save(struct engine *e)
{
	kept_save(e, RESTARTS_KEY, e->restarts);
}

int64_t
engine_restart(struct engine *e, const char *key, const struct run_request *q,
    struct plan **plan, struct err *err)
{
	struct item *it = item_find(e, key);

	if (it == NULL || it->desired == NULL)
		return err_set(err, ERR_NOTFOUND, "there is no %s", key);
	if (e->frozen != NULL)
		return err_set(err, ERR_CONFLICT, "%s", e->frozen);
	store_begin(e->store);
	json_set_int(e->restarts, key, json_int(e->restarts, key, 0) + 1);
	save(e);
	return run_now(e, q, plan);
}

/* The object is gone for good: another of that name begins afresh. */
void
restart_forget(struct engine *e, const char *key)
{
	if (json_get(e->restarts, key) == NULL)
		return;
	json_remove(e->restarts, key);
	save(e);
}

void
restarts_load(struct engine *e)
{
	e->restarts = kept_load(e, RESTARTS_KEY);
	e->cfg.world.containers.restarts = e->restarts;
}

static void
next_period(void *arg)
{
	struct engine *e = arg;

	store_begin(e->store);
	period_begin(e);
	engine_sync(e);
}

/* The compile sees the number of the period; we are called when it ends. */
void
period_begin(struct engine *e)
{
	int64_t now = clock_ms();

	e->inputs++;
	e->cfg.world.containers.token_period = now / PERIOD_MS;
	if (e->period_timer == NULL)
		e->period_timer = timer_new(e->loop, next_period, e);
	timer_arm(e->period_timer, PERIOD_MS - now % PERIOD_MS);
}
