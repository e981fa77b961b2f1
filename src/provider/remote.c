/*
 * Agents that somebody else runs: nothing is done outside.  The object is what
 * the house knows of such an agent: whether somebody joined with the one-time
 * command (see rest), and until when its last report counts.
 *
 * Of its desired form {"agent", "env", "state"?, "restart"?} only the name makes a
 * difference here: the rest is for whoever runs it, who asks (see bundle.c).
 *
 * Events: {"type": "joined", "at_ms"}, {"type": "ready", "until_ms"},
 * {"type": "unready"}.
 */
#include <stdio.h>
#include <string.h>

#include "hiclaw/provider.h"

#include "provider-int.h"

static char here;	/* any context but NULL: it is always there */

static int
remote_open(const struct provider_env *env, void **ctx, struct err *e)
{
	(void)env;
	(void)e;
	*ctx = &here;
	return 0;
}

static void
remote_close(void *ctx)
{
	(void)ctx;
}

static void
remote_diff(const struct json *desired, const struct json *observed,
    struct changes *c)
{
	const char *to = json_str(desired, "agent");
	const char *from = json_str(observed, "agent");

	if (observed != NULL && !str_equal(to, from))
		changes_add(c, RISK_UPDATE, "agent", from, to);
}

static const char *
remote_handle(const struct json *observed)
{
	return json_str(observed, "id");
}

static bool
remote_absorb(struct json *observed, const struct json *event)
{
	const char *type = json_strd(event, "type", "");

	if (strcmp(type, "ready") == 0)
		return ready_absorb(observed, event);
	if (strcmp(type, "unready") == 0 &&
	    json_get(observed, "ready_until") != NULL) {
		json_remove(observed, "ready_until");
		return true;
	}
	if (strcmp(type, "joined") == 0) {
		json_set_int(observed, "joined_ms", json_int(event, "at_ms",
		    0));
		return true;
	}
	return false;
}

static bool
remote_awaits(const struct json *desired, const struct json *observed,
    char *why, size_t whysize)
{
	/* Nobody waits for one that is to sleep. */
	if (json_str(desired, "state") != NULL ||
	    json_get(observed, "ready_until") != NULL)
		return false;
	snprintf(why, whysize, json_get(observed, "joined_ms") == NULL ?
	    "waits for somebody to run its join command" :
	    "its agent does not report");
	return true;
}

static enum risk
remote_removal(const struct json *desired)
{
	(void)desired;
	return RISK_RESTART;
}

static int
remote_ensure(void *ctx, const struct work *w, struct outcome *out,
    struct err *e)
{
	(void)ctx;
	(void)e;
	out->observed = w->observed != NULL ? json_copy(w->observed) :
	    json_object();
	json_set_str(out->observed, "agent", json_str(w->desired, "agent"));
	json_set_str(out->observed, "id", w->key);
	return 0;
}

static int
remote_remove(void *ctx, const struct work *w, struct outcome *out,
    struct err *e)
{
	(void)ctx;
	(void)w;
	(void)out;
	(void)e;
	return 0;
}

static const struct object_kind kinds[] = {
	{ .name = "remote", .label = "agent elsewhere",
	    .diff = remote_diff, .absorb = remote_absorb,
	    .handle = remote_handle, .awaits = remote_awaits,
	    .removal = remote_removal,
	    .is_elsewhere = true, .ensure = remote_ensure,
	    .remove = remote_remove },
	{ .name = NULL }
};

const struct provider provider_remote = {
	.name = "remote",
	.is_inside = true,
	.concurrency = 1,
	.kinds = kinds,
	.open = remote_open,
	.close = remote_close,
};
