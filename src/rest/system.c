/* The controller itself: alive, ready, counted. */
#include "rest-int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hiclaw/http.h"

#define MODE	"embedded"	/* what the original calls one process */

static void
facts_of(struct call *c, struct rest_facts *f)
{
	memset(f, 0, sizeof *f);
	if (c->rest->cfg.facts != NULL)
		c->rest->cfg.facts(c->rest->cfg.arg, f);
}

/* --- probes -------------------------------------------------------------- */

void
get_healthz(struct call *c)
{
	answer_text(c, 200, "text/plain", "ok\n");
}

static void
note_down(void *arg, const struct system_view *v)
{
	struct json *reasons = arg;

	/* Without its homeserver it can do nothing; without others, much. */
	if (!v->is_up && strcmp(v->name, "matrix") == 0)
		json_push(reasons, json_stringf("the homeserver does not "
		    "answer: %s", v->why != NULL ? v->why : "?"));
}

void
get_readyz(struct call *c)
{
	struct json *o = json_object(), *reasons = json_array();
	struct rest_facts f;

	facts_of(c, &f);
	if (!f.is_up)
		json_push_str(reasons, "starting or stopping");
	engine_systems(c->rest->ops->engine, note_down, reasons);
	/* A store that does not answer ends the process: see store.h. */
	if (json_size(reasons) == 0) {
		json_free(reasons);
		json_free(o);
		answer_text(c, 200, "text/plain", "ready\n");
		return;
	}
	json_set_str(o, "message", json_value_str(json_first(reasons)));
	json_set(o, "reasons", reasons);
	answer_json(c, 503, o);
}

/* --- metrics ------------------------------------------------------------- */

static size_t
resident_bytes(void)
{
	unsigned long size = 0, resident = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (f != NULL) {
		if (fscanf(f, "%lu %lu", &size, &resident) != 2)
			resident = 0;
		fclose(f);
	}
	return resident * 4096;
}

struct systems { struct buf up, latency, jobs, looks; };

static void
put_system(void *arg, const struct system_view *v)
{
	struct systems *s = arg;

	buf_printf(&s->up, "hiclaw_system_up{system=\"%s\"} %d\n", v->name,
	    v->is_up);
	if (v->latency_ms >= 0)
		buf_printf(&s->latency, "hiclaw_system_latency_seconds"
		    "{system=\"%s\"} %.3f\n", v->name,
		    (double)v->latency_ms / 1000);
	buf_printf(&s->jobs, "hiclaw_system_jobs_total{system=\"%s\"} %llu\n",
	    v->name, (unsigned long long)v->jobs);
	buf_printf(&s->looks, "hiclaw_system_looks_total{system=\"%s\"} "
	    "%llu\n", v->name, (unsigned long long)v->looks);
}

/* Each outside system: does it answer, how fast, what was done there. */
static void
put_systems(const struct engine *e, struct buf *b)
{
	struct systems s = { 0 };

	engine_systems(e, put_system, &s);
	buf_printf(b, "# TYPE hiclaw_system_up gauge\n%s"
	    "# TYPE hiclaw_system_latency_seconds gauge\n%s"
	    "# TYPE hiclaw_system_jobs_total counter\n%s"
	    "# TYPE hiclaw_system_looks_total counter\n%s", buf_str(&s.up),
	    buf_str(&s.latency), buf_str(&s.jobs), buf_str(&s.looks));
	buf_release(&s.up);
	buf_release(&s.latency);
	buf_release(&s.jobs);
	buf_release(&s.looks);
}

static void
put_requests(const struct rest *r, struct buf *b)
{
	buf_puts(b, "# TYPE hiclaw_api_requests_total counter\n");
	for (int i = 2; i < 6; i++)
		buf_printf(b, "hiclaw_api_requests_total{status=\"%dxx\"} "
		    "%llu\n", i, (unsigned long long)r->by_status[i]);
}

void
get_metrics(struct call *c)
{
	const struct engine *e = c->rest->ops->engine;
	struct engine_counts n;
	struct rest_facts f;
	struct buf b = { 0 };
	uint64_t all, writes;

	facts_of(c, &f);
	engine_counts(e, &n);
	http_counts(&all, &writes);
	buf_printf(&b, "# TYPE hiclaw_http_calls_total counter\n"
	    "hiclaw_http_calls_total{kind=\"all\"} %llu\n"
	    "hiclaw_http_calls_total{kind=\"write\"} %llu\n",
	    (unsigned long long)all, (unsigned long long)writes);
	buf_printf(&b, "# TYPE hiclaw_objects gauge\n"
	    "hiclaw_objects{state=\"settled\"} %zu\n"
	    "hiclaw_objects{state=\"busy\"} %zu\n"
	    "hiclaw_objects{state=\"waiting\"} %zu\n"
	    "hiclaw_objects{state=\"backoff\"} %zu\n"
	    "hiclaw_objects{state=\"failed\"} %zu\n"
	    "hiclaw_objects{state=\"removing\"} %zu\n", n.settled, n.busy,
	    n.waiting, n.backoff, n.failed, n.removing);
	buf_printf(&b, "# TYPE hiclaw_runs gauge\nhiclaw_runs %zu\n"
	    "# TYPE hiclaw_ensures_total counter\n"
	    "hiclaw_ensures_total %llu\n"
	    "# TYPE hiclaw_repairs_total counter\n"
	    "hiclaw_repairs_total %llu\n"
	    "# TYPE hiclaw_resyncs_total counter\n"
	    "hiclaw_resyncs_total %llu\n"
	    "# TYPE hiclaw_process_resident_bytes gauge\n"
	    "hiclaw_process_resident_bytes %zu\n"
	    "# TYPE hiclaw_frozen gauge\nhiclaw_frozen %d\n"
	    "# TYPE hiclaw_up gauge\nhiclaw_up %d\n", n.runs,
	    (unsigned long long)n.ensures, (unsigned long long)n.repairs,
	    (unsigned long long)f.resyncs, resident_bytes(),
	    engine_frozen(e) != NULL, f.is_up);
	put_systems(e, &b);
	put_requests(c->rest, &b);
	answer_text(c, 200, "text/plain; version=0.0.4", buf_str(&b));
	buf_release(&b);
}

/* --- version, status ----------------------------------------------------- */

void
get_version(struct call *c)
{
	struct json *o = json_object();

	json_set_str(o, "controller", c->rest->cfg.version);
	json_set_str(o, "kubeMode", MODE);
	json_set_str(o, "instance",
	    engine_world_config(c->rest->ops->engine)->instance);
	answer_json(c, 200, o);
}

static void
put_up(void *arg, const struct system_view *v)
{
	json_set_bool(arg, v->name, v->is_up);
}

void
get_status(struct call *c)
{
	const struct engine *e = c->rest->ops->engine;
	const struct resources *rs = engine_resources(e);
	int64_t workers = 0, teams = 0, humans = 0, managers = 0, members = 0;
	struct json *o = json_object(), *objects;
	struct engine_counts n;

	for (size_t i = 0; i < resources_n(rs); i++) {
		const struct resource *r = resources_at(rs, i);

		workers += strcmp(r->kind->name, "Worker") == 0;
		humans += strcmp(r->kind->name, "Human") == 0;
		managers += strcmp(r->kind->name, "Manager") == 0;
		if (strcmp(r->kind->name, "Team") != 0)
			continue;
		teams++;
		members += 1 + (int64_t)json_size(json_get(r->spec,
		    "workers"));
	}
	json_set_str(o, "kubeMode", MODE);
	json_set_int(o, "totalWorkers", workers);
	json_set_int(o, "totalTeams", teams);
	json_set_int(o, "totalHumans", humans);
	json_set_int(o, "totalManagers", managers);
	json_set_int(o, "totalTeamMembers", members);
	engine_counts(e, &n);
	objects = json_set(o, "objects", json_object());
	json_set_int(objects, "total", (int64_t)n.objects);
	json_set_int(objects, "settled", (int64_t)n.settled);
	json_set_int(objects, "failed", (int64_t)n.failed);
	json_set_int(o, "runs", (int64_t)n.runs);
	engine_systems(e, put_up, json_set(o, "systems", json_object()));
	json_set_bool(o, "frozen", engine_frozen(e) != NULL);
	json_set_str(o, "frozenWhy", engine_frozen(e));
	answer_json(c, 200, o);
}
