/*
 * Waiting: each resource is looked at until it is ready, has failed, or the time
 * is over.  On a terminal one line tells how far it is.
 */
#include "wait.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "hiclaw/clock.h"

#define LOOK_MS		250	/* at first; then ever less often */
#define LOOK_MAX_MS	2000
#define FAILURES	2	/* looks; one may be from before the change */

void
waiting_add(struct waiting *w, const struct kind *k, const char *name)
{
	w->v = xreallocarray(w->v, w->n + 1, sizeof *w->v);
	memset(&w->v[w->n], 0, sizeof w->v[w->n]);
	w->v[w->n].kind = k;
	w->v[w->n++].name = xstrdup(name);
}

void
waiting_release(struct waiting *w)
{
	for (size_t i = 0; i < w->n; i++)
		free(w->v[i].name);
	free(w->v);
}

static bool
is_agent(const struct kind *k)
{
	return strcmp(k->name, "Worker") == 0 ||
	    strcmp(k->name, "Manager") == 0;
}

/* Is this phase the end?  Asleep is, since only who says so gets it. */
static bool
is_end(const struct json *o, const char *phase)
{
	static const char *const ends[] = { "Ready", "Active", "Sleeping",
		"Stopped" };

	for (size_t i = 0; i < NELEM(ends); i++)
		if (strcmp(ends[i], phase) == 0)
			return true;
	/* Somebody else starts that one, whenever they like. */
	return !json_bool(o, "containerManaged", true);
}

/* -1: the controller refused, and that was said. */
static int
look_at(struct cli *c, struct awaited *w)
{
	char *path = path_of(w->kind, w->name, is_agent(w->kind) ? "status" :
	    NULL);
	struct answer a;
	int rc = 0;

	call(c, "GET", path, NULL, &a);
	if (answer_ok(&a)) {
		str_copy(w->phase, json_strd(a.json, "phase", "?"),
		    sizeof w->phase);
		str_copy(w->why, json_strd(a.json, "message", ""),
		    sizeof w->why);
		w->is_done = is_end(a.json, w->phase);
		w->failures = strcmp(w->phase, "Failed") == 0 ?
		    w->failures + 1 : 0;
	} else if (a.status >= 400 && a.status < 500)
		rc = answer_fail(c, &a) == DONE ? 0 : -1;
	/* else: away for a moment */
	answer_release(&a);
	free(path);
	return rc;
}

static void
pause_ms(int64_t ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&t, NULL);
}

static void
say_open(const struct waiting *w)
{
	for (size_t i = 0; i < w->n; i++)
		if (!w->v[i].is_done)
			fprintf(stderr, "  %s/%s: %s%s%s\n",
			    w->v[i].kind->singular, w->v[i].name,
			    w->v[i].phase, w->v[i].why[0] != '\0' ? ", " : "",
			    w->v[i].why);
}

/* One round; how many are not there yet, or -1. */
static long
look_at_all(struct cli *c, struct waiting *w, const struct awaited **first)
{
	long open = 0;

	*first = NULL;
	for (size_t i = 0; i < w->n; i++) {
		if (w->v[i].is_done)
			continue;
		if (look_at(c, &w->v[i]) == -1)
			return -1;
		if (w->v[i].is_done)
			continue;
		open++;
		if (*first == NULL || w->v[i].failures > 0)
			*first = &w->v[i];
	}
	return open;
}

int
wait_for_all(struct cli *c, struct waiting *w)
{
	int64_t start = clock_mono_ms(), look = LOOK_MS, now;
	const struct awaited *first;
	long open;

	while ((open = look_at_all(c, w, &first)) > 0) {
		now = clock_mono_ms() - start;
		if (first->failures >= FAILURES) {
			progress_end(c);
			fail("failed:");
			say_open(w);
			return FAILED;
		}
		if (now > c->timeout_s * 1000) {
			progress_end(c);
			fail("not ready after %lld s:",
			    (long long)c->timeout_s);
			say_open(w);
			return FAILED;
		}
		progress(c, "%zu/%zu ready, %lld s: %s/%s %s %s",
		    w->n - (size_t)open, w->n, (long long)(now / 1000),
		    first->kind->singular, first->name, first->phase,
		    first->why);
		pause_ms(look);
		look = look * 5 / 4 < LOOK_MAX_MS ? look * 5 / 4 :
		    LOOK_MAX_MS;
	}
	progress_end(c);
	return open == 0 ? DONE : FAILED;
}
