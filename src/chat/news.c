/*
 * What the engine noticed by itself, told in one line each: drift and who had
 * caused it, fights, systems that come and go.
 */
#include "chat-int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hiclaw/clock.h"

#define HOMESERVER	"matrix"	/* without it nothing can be said */

/* The log of the object's owner; the house's own under the object. */
static void
log_object(struct chat *c, const char *key, const char *kind,
    const char *text)
{
	struct object_view o;
	const char *subject = key;

	if (engine_object(c->engine, key, &o) && o.owner[0] != '\0')
		subject = o.owner;
	store_log_add(c->store, subject, kind, text);
}

void
news_drift(void *arg, const char *key, const char *sender,
    const struct strv *did)
{
	struct chat *c = arg;
	char *title = object_title(key), *line, *what;

	line = strv_join(did, ", ");
	what = short_ids(c->engine, line);
	free(line);

	store_begin(c->store);
	say_news(c, "drift", FILL(V("object", title),
	    V("who", sender != NULL ? sender : "somebody"),
	    V("did", what)));
	line = xasprintf("%s: changed by %s; put back (%s)", title,
	    sender != NULL ? sender : "somebody", what);
	log_object(c, key, "drift", line);
	free(line);
	free(what);
	free(title);
}

void
news_fight(void *arg, const char *key, const char *sender, int wait_s)
{
	struct chat *c = arg;
	char *title = object_title(key), age[16], *line;

	store_begin(c->store);
	say_news(c, "fight", FILL(V("object", title),
	    V("who", sender != NULL ? sender : "somebody"),
	    V("wait", clock_age((int64_t)wait_s * 1000, age))));
	line = xasprintf("%s: %s keeps changing it; waiting %d s", title,
	    sender != NULL ? sender : "somebody", wait_s);
	log_object(c, key, "drift", line);
	free(line);
	free(title);
}

static void
count_waiting(struct chat *c, char *dst, size_t dstsize)
{
	struct engine_counts n;
	size_t open;

	engine_counts(c->engine, &n);
	open = n.objects - n.settled;
	snprintf(dst, dstsize, "%zu object%s", open, open == 1 ? "" : "s");
}

void
news_system(void *arg, const char *provider, bool is_up, int64_t since_ms,
    const char *why)
{
	struct chat *c = arg;
	char objects[40], time[32];
	bool is_homeserver = strcmp(provider, HOMESERVER) == 0;

	if (is_homeserver && !is_up)
		return;		/* when it is back there will be a word */
	count_waiting(c, objects, sizeof objects);
	took(clock_ms() - since_ms, time, sizeof time);
	if (is_homeserver)
		say_news(c, "homeserver-up", FILL(V("time", time),
		    V("objects", objects)));
	else if (is_up)
		say_news(c, "system-up", FILL(V("system", provider),
		    V("time", time), V("objects", objects)));
	else
		say_news(c, "system-down", FILL(V("system", provider),
		    V("why", why != NULL ? why : "no answer")));
}

void
news_gone(void *arg, const char *kind, const char *name)
{
	struct chat *c = arg;
	char *subject = xasprintf("%s/%s", kind, name);

	store_begin(c->store);
	store_log_add(c->store, subject, "gone", "nothing is left of it");
	free(subject);
}
