/* See obedient.h. */
#include "obedient.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hiclaw/clock.h"
#include "hiclaw/ops.h"

#define PATIENCE_MS	30000

/* --- a provider ------------------------------------------------------------ */

const struct object_secret obedient_password[] = {
	{ .name = "password" }, { .name = NULL }
};
const struct object_secret obedient_key[] = {
	{ .name = "key", .bytes = 32, .rotates = true }, { .name = NULL }
};

void
obedient_diff(const struct json *desired, const struct json *observed,
    struct changes *c)
{
	if (!json_equal(desired, json_get(observed, "is")))
		changes_add(c, observed == NULL ? RISK_CREATE : RISK_UPDATE,
		    "form", NULL, NULL);
}

const char *
obedient_handle(const struct json *observed)
{
	return json_str(observed, "id");
}

int
obedient_ensure(void *ctx, const struct work *w, struct outcome *out,
    struct err *err)
{
	static const char *const same[] = { "user", "name", "topic", "path" };
	const struct json *m = json_first(json_get(w->desired, "members"));
	struct json *members;

	out->observed = json_object();
	json_set(out->observed, "is", json_copy(w->desired));
	json_set_strf(out->observed, "id", "!%s", w->key);
	if (str_starts(w->key, "room:"))
		json_set_strf(out->observed, "room_id", "!%s", w->key);
	for (size_t i = 0; i < NELEM(same); i++)
		json_set_str(out->observed, same[i], json_str(w->desired,
		    same[i]));
	json_set_bool(out->observed, "made", true);
	json_set_strf(out->observed, "mxc", "mxc://%s", w->key);
	members = json_set(out->observed, "members", json_object());
	for (; m != NULL; m = json_next(m))
		json_set_str(members, json_key(m), "join");
	strv_add(&out->did, w->observed == NULL ? "made" : "put right");
	return 0;
}

int
obedient_remove(void *ctx, const struct work *w, struct outcome *out,
    struct err *err)
{
	return 0;
}

int
obedient_open(const struct provider_env *env, void **ctx, struct err *err)
{
	static char here;

	*ctx = &here;
	return 0;
}

void
obedient_close(void *ctx)
{
}

void
box_diff(const struct json *desired, const struct json *observed,
    struct changes *c)
{
	if (!str_equal(json_str(desired, "state"), json_str(observed,
	    "state")))
		changes_add(c, RISK_RESTART, "state",
		    json_str(observed, "state"), json_str(desired, "state"));
	else if (json_int(desired, "restart", 0) != json_int(observed,
	    "restart", 0))
		changes_add(c, RISK_RESTART, "restart", NULL, NULL);
}

bool
box_awaits(const struct json *desired, const struct json *observed, char *why,
    size_t size)
{
	snprintf(why, size, "its agent has not reported ready yet");
	return str_equal(json_str(observed, "state"), "running") &&
	    json_get(observed, "ready_until") == NULL;
}

int
box_ensure(void *ctx, const struct work *w, struct outcome *out,
    struct err *err)
{
	const char *state = json_strd(w->desired, "state", "");

	out->observed = w->observed != NULL ? json_copy(w->observed) :
	    json_object();
	json_set_strf(out->observed, "id", "!%s", w->key);
	json_set_str(out->observed, "state", state);
	json_set_int(out->observed, "restart", json_int(w->desired,
	    "restart", 0));
	if (strcmp(state, "running") != 0)
		json_remove(out->observed, "ready_until");
	strv_add(&out->did, w->observed != NULL ? "started again" : "made");
	return 0;
}

const struct provider *const providers[] = { &obedient, NULL };

const struct object_kind *
object_kind_find(const char *name, const struct provider **provider)
{
	const struct object_kind *k = obedient.kinds;

	while (k->name != NULL && strcmp(k->name, name) != 0)
		k++;
	if (k->name != NULL && provider != NULL)
		*provider = &obedient;
	return k->name != NULL ? k : NULL;
}

/* --- a house --------------------------------------------------------------- */

static void
look(void *arg)
{
	struct waiting *w = arg;

	if ((w->until != NULL && w->until(w->house)) ||
	    clock_mono_ms() > w->deadline)
		loop_stop(w->loop);
	else
		timer_arm(w->timer, 2);
}

void
waiting_open(struct waiting *w, struct loop *loop, struct house *h)
{
	w->loop = loop;
	w->house = h;
	w->timer = timer_new(loop, look, w);
}

void
waiting_close(struct waiting *w)
{
	timer_free(w->timer);
	memset(w, 0, sizeof *w);
}

bool
waiting_for(struct waiting *w, bool (*until)(struct house *))
{
	w->until = until;
	w->deadline = clock_mono_ms() + PATIENCE_MS;
	timer_arm(w->timer, 1);
	loop_run(w->loop);
	return until(w->house);
}

void
obedient_world(struct world_config *wc, const struct strv *admins)
{
	wc->domain = "x.org";
	wc->prefix = "hiclaw";
	wc->instance = "hiclaw-0123abcd";
	wc->device = "HICLAW_0123abcd";
	wc->room_version = "12";
	wc->admins = admins;
}

bool
obedient_is_quiet(const struct engine *e)
{
	struct engine_counts c;

	engine_counts(e, &c);
	return c.objects > 0 && c.busy == 0 && c.waiting == 0 &&
	    c.removing == 0 && c.runs == 0;
}

void
obedient_declare(struct engine *e, struct store *store, const char *yaml)
{
	struct run_request rq = { .actor = "@boss:x.org", .title = "put" };
	struct problems ps = { 0 };
	struct resource **rs = NULL;
	struct json *action;
	struct attempt ch;
	struct err err;
	size_t n = 0;

	if (manifest_decode(yaml, strlen(yaml), &rs, &n, &ps) == -1)
		fail_msg("%s", problems_text(&ps));
	action = change_apply_action(rs, n, NULL);
	if (change_try(e, action, NULL, &ch, &err) == -1)
		fail_msg("%s", err.msg);
	store_begin(store);
	engine_apply(e, ch.plan, ch.after, &rq);
	change_release(&ch);
	json_free(action);
	for (size_t i = 0; i < n; i++)
		resource_unref(rs[i]);
	free(rs);
	problems_release(&ps);
}
