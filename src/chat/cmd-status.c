/* status, version: how things stand, as a whole. */
#include "chat-int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hiclaw/clock.h"

#include "cmd.h"
#include "container.h"

#define AGENTS_SHOWN	8	/* that are not well, by name */

struct systems { struct text *out; bool has_errors; };

static void
put_system(void *arg, const struct system_view *v)
{
	const struct systems *s = arg;
	struct text *out = s->out;
	char age[16];

	text_printf(out, "- %s: %s", v->name, v->is_up ? "answers" :
	    "does not answer");
	if (!v->is_up && v->since_ms > 0)
		text_printf(out, " since %s",
		    clock_age(clock_ms() - v->since_ms, age));
	if (!v->is_up && v->why != NULL)
		text_printf(out, ", %s", v->why);
	if (v->is_up && v->latency_ms >= 0)
		text_printf(out, ", %lld ms", (long long)v->latency_ms);
	if (v->in_flight > 0)
		text_printf(out, ", %d in hand", v->in_flight);
	/* An outage says its reason already. */
	if (v->is_up && v->last_error != NULL && s->has_errors)
		text_printf(out, "; last error %s ago: %s",
		    clock_age(clock_ms() - v->last_error_ms, age),
		    v->last_error);
	text_puts(out, "\n");
}

/* "1 team, ready", "3 humans, all ready", "3 humans, 2 ready". */
static void
put_kind(const struct kind *k, size_t n, size_t ready, struct text *out)
{
	text_printf(out, "- %zu %s, ", n, n == 1 ? k->singular : k->plural);
	if (ready < n)
		text_printf(out, "%zu ready\n", ready);
	else
		text_printf(out, "%sready\n", n == 1 ? "" : "all ");
}

/* As it is to be: asleep, too, when that is declared. */
static bool
is_well(const char *phase)
{
	return strcmp(phase, "Ready") == 0 ||
	    strcmp(phase, "Sleeping") == 0 || strcmp(phase, "Stopped") == 0;
}

static void
put_resources(struct chat *c, struct text *out)
{
	const struct resources *rs = engine_resources(c->engine);

	for (const struct kind *k = kinds; k->name != NULL; k++) {
		size_t n = 0, ready = 0;

		for (size_t i = 0; i < resources_n(rs); i++) {
			const struct resource *r = resources_at(rs, i);

			if (r->kind != k)
				continue;
			n++;
			ready += is_well(engine_phase(c->engine, r, NULL, 0));
		}
		if (n > 0)
			put_kind(k, n, ready, out);
	}
	if (resources_n(rs) == 0)
		text_puts(out, "- nothing is declared yet\n");
}

/* --- agents ------------------------------------------------------------------ */

/* Phases in the order in which they are told, and in words. */
static const struct { const char *phase, *words; bool is_well; } phases[] = {
	{ "Ready", "ready", true }, { "Starting", "starting", false },
	{ "Pending", "being set up", false },
	{ "Updating", "being changed", false },
	{ "Stopping", "being stopped", false },
	{ "Sleeping", "asleep", true }, { "Stopped", "stopped", true },
	{ "Waiting", "waiting for somebody to run them", false },
	{ "NotReady", "not reporting", false },
	{ "CrashLoop", "dying again and again", false },
	{ "Degraded", "degraded", false }, { "Failed", "failed", false },
};

static size_t
phase_index(const char *phase)
{
	size_t i = 0;

	while (i + 1 < NELEM(phases) && strcmp(phases[i].phase, phase) != 0)
		i++;
	return i;
}

static void
put_trouble(struct chat *c, const struct agent *a, size_t phase,
    const char *why, struct text *out)
{
	struct object_view v;
	char *death;

	text_printf(out, "- **%s** %s%s%s", a->name, phases[phase].words,
	    why[0] != '\0' ? ": " : "", why);
	if (engine_runner(c->engine, a->name, &v) &&
	    strstr(why, "exit code") == NULL &&
	    (death = last_death(c, &v)) != NULL) {
		text_printf(out, "; it died last of: %s", death);
		free(death);
	}
	text_puts(out, "\n");
}

/* "7 agents: 5 ready, 1 asleep, 1 starting", and what ails those that are
 * not well. */
static void
put_agents(struct chat *c, bool has_errors, struct text *out)
{
	struct agents as = { 0 };
	size_t n[NELEM(phases)] = { 0 }, bad = 0;
	struct text troubles = { 0 };
	const char *comma = ":";
	char why[256];

	agents_list(engine_world_config(c->engine),
	    engine_resources(c->engine), &as);
	for (size_t i = 0; i < as.n; i++) {
		const struct agent *a = &as.v[i];
		size_t at = phase_index(agent_phase(c, a->resource, a->name,
		    a->spec, why, sizeof why));

		n[at]++;
		if (!phases[at].is_well && has_errors &&
		    bad++ < AGENTS_SHOWN)
			put_trouble(c, a, at, why, &troubles);
	}
	if (as.n > 0) {
		text_printf(out, "- %zu agent%s", as.n, as.n == 1 ? "" : "s");
		for (size_t i = 0; i < NELEM(phases); i++) {
			if (n[i] == 0)
				continue;
			text_printf(out, "%s %zu %s", comma, n[i],
			    phases[i].words);
			comma = ",";
		}
		text_puts(out, "\n");
	}
	text_append(out, &troubles);
	if (bad > AGENTS_SHOWN)
		text_printf(out, "- and %zu more\n", bad - AGENTS_SHOWN);
	text_release(&troubles);
	agents_release(&as);
}

static void
put_counts(const struct engine_counts *n, struct text *out)
{
	if (n->settled == n->objects)
		text_printf(out, "- %zu objects, all settled", n->objects);
	else
		text_printf(out, "- %zu objects, %zu settled", n->objects,
		    n->settled);
	if (n->busy > 0)
		text_printf(out, ", %zu being worked on", n->busy);
	if (n->waiting > 0)
		text_printf(out, ", %zu waiting", n->waiting);
	if (n->backoff > 0)
		text_printf(out, ", %zu to be tried again", n->backoff);
	if (n->failed > 0)
		text_printf(out, ", %zu failed", n->failed);
	if (n->removing > 0)
		text_printf(out, ", %zu going away", n->removing);
	text_puts(out, "\n");
	if (n->runs > 0)
		text_printf(out, "- %zu run%s going on\n", n->runs,
		    n->runs == 1 ? "" : "s");
	if (n->repairs > 0)
		text_printf(out, "- %lld repair%s so far\n",
		    (long long)n->repairs, n->repairs == 1 ? "" : "s");
}

void
cmd_status(struct request *q)
{
	struct chat *c = q->chat;
	struct engine_counts n;
	struct text t = { 0 };
	/* An error names what others may not see. */
	struct systems s = { &t, q->tier == 1 };
	char age[16];
	bool is_all_well;

	engine_counts(c->engine, &n);
	is_all_well = n.settled == n.objects;
	text_printf(&t, "**%s**\n\n", is_all_well ?
	    "Everything is as declared." : n.failed > 0 ?
	    "Some things failed." : "Not everything is as declared yet.");
	if (engine_frozen(c->engine) != NULL)
		text_printf(&t, "❄ %s\n\n", engine_frozen(c->engine));
	put_resources(c, &t);
	put_agents(c, s.has_errors, &t);
	put_counts(&n, &t);
	text_puts(&t, "\n**Systems**\n");
	engine_systems(c->engine, put_system, &s);
	text_printf(&t, "\nhomeserver %s, version %s, up for %s",
	    c->cfg.homeserver_url != NULL ? c->cfg.homeserver_url : "?",
	    c->cfg.version != NULL ? c->cfg.version : "?",
	    clock_age(clock_ms() - c->started_ms, age));
	say(q, REPLY_INFO, &t);
	text_release(&t);
}

void
cmd_version(struct request *q)
{
	struct text t = { 0 };

	text_printf(&t, "hiclaw-controller %s, instance %s",
	    q->chat->cfg.version != NULL ? q->chat->cfg.version : "?",
	    engine_world_config(q->chat->engine)->instance);
	say(q, REPLY_INFO, &t);
	text_release(&t);
}
