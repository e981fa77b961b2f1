/*
 * gateway status, grant, revoke: who may use which model provider and which MCP
 * server.  A grant is a line of the agent's manifest (spec.accessEntries), so
 * granting is a change like a pasted one, with the same plan and the same undo.
 */
#include "agents.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"

#define NAMES_MAX	20	/* grants in one command */

/* --- status ---------------------------------------------------------------- */

static void
put_list(const struct json *list, const char *what, struct text *out)
{
	const struct json *v;
	const char *where;

	if (json_size(list) == 0)
		return;
	text_printf(out, "\n**%s**\n", what);
	for (v = json_first(list); v != NULL; v = json_next(v)) {
		where = json_str(v, "path") != NULL ? json_str(v, "path") :
		    json_strd(v, "host", "");
		text_printf(out, "- %s `%s`: %lld may",
		    json_strd(v, "name", "?"), where,
		    (long long)json_int(v, "allowed", 0));
		if (json_int(v, "foreign", 0) > 0)
			text_printf(out, ", and %lld that others put there",
			    (long long)json_int(v, "foreign", 0));
		if (json_get(v, "auth") != NULL &&
		    !json_bool(v, "auth", true))
			text_puts(out, " — **open to everybody**");
		text_puts(out, "\n");
	}
}

/* " `/v1`", ", waiting": where it is, and its state if that is worth a word. */
static void
put_held(const struct object_view *v, const struct json *form,
    struct text *out)
{
	char *title = object_title(v->key);

	text_printf(out, "- %s `%s`", title, json_str(form, "path") != NULL ?
	    json_str(form, "path") : json_strd(form, "host", ""));
	if (v->state != OBJECT_SETTLED)
		text_printf(out, ", %s", object_state_name(v->state));
	free(title);
}

static bool
is_list(const struct object_view *v)
{
	return v->desired != NULL && (str_starts(v->key, "route:") ||
	    str_starts(v->key, "mcp:") || str_starts(v->key, "expose:"));
}

/* What we hold, where the gateway says nothing of it or has it otherwise. */
struct declared { struct text *out; bool all; size_t n; };

static void
put_declared(void *arg, const struct object_view *v)
{
	struct declared *d = arg;
	struct json *form;

	if (!is_list(v) || (!d->all && v->state == OBJECT_SETTLED))
		return;
	if (d->n++ == 0)
		text_printf(d->out, "\n**%s**\n", d->all ? "As declared" :
		    "Not yet as declared");
	form = json_must(v->desired);
	put_held(v, form, d->out);
	text_printf(d->out, ": %zu may\n",
	    json_size(json_get(form, "allowed")));
	json_free(form);
}

static void
say_status(struct request *q, const struct json *answer)
{
	struct text t = { 0 };
	struct declared d = { &t, json_get(answer, "routes") == NULL, 0 };
	bool answers = json_bool(answer, "answers", false);

	text_printf(&t, "**%s %s**", json_strd(answer, "provider", "gateway"),
	    answers ? "answers" : "does not answer");
	if (answers)
		text_printf(&t, ", %lld ms",
		    (long long)json_int(answer, "latency_ms", 0));
	if (json_get(answer, "consumers") != NULL)
		text_printf(&t, ", %lld keys",
		    (long long)json_int(answer, "consumers", 0));
	text_puts(&t, "\n");
	if (json_str(answer, "error") != NULL)
		text_printf(&t, "%s\n", json_str(answer, "error"));
	if (json_str(answer, "url") != NULL)
		text_printf(&t, "`%s`\n", json_str(answer, "url"));
	put_list(json_get(answer, "routes"), "Models", &t);
	put_list(json_get(answer, "mcp_servers"), "MCP servers", &t);
	put_list(json_get(answer, "exposed"), "Exposed ports", &t);
	engine_objects(q->chat->engine, NULL, put_declared, &d);
	say(q, REPLY_INFO, &t);
	text_release(&t);
}

/* Does this list of ours let the agent in? */
struct asked { struct text *out; const char *consumer; size_t n; };

static void
put_if_allowed(void *arg, const struct object_view *v)
{
	struct asked *k = arg;
	struct json *form;
	const struct json *name;

	if (!is_list(v))
		return;
	form = json_must(v->desired);
	for (name = json_first(json_get(form, "allowed")); name != NULL;
	    name = json_next(name)) {
		if (!str_equal(json_value_str(name), k->consumer))
			continue;
		put_held(v, form, k->out);
		text_puts(k->out, "\n");
		k->n++;
		break;
	}
	json_free(form);
}

/* Of one agent: what we hold, no question outside is needed. */
static void
say_agent(struct request *q, const struct agent *a)
{
	struct text t = { 0 };
	struct asked k = { &t, a->consumer, 0 };

	text_printf(&t, "**%s** is `%s` at the gateway and may use\n",
	    a->name, a->consumer);
	engine_objects(q->chat->engine, NULL, put_if_allowed, &k);
	if (k.n == 0)
		text_puts(&t, "- nothing\n");
	say(q, REPLY_INFO, &t);
	text_release(&t);
}

static bool
has_gateway(struct request *q)
{
	if (engine_world_config(q->chat->engine)->gateway.provider != NULL)
		return true;
	say_wrong(q, "No gateway is configured: see gateway in "
	    "hiclaw-controller.conf(5)");
	return false;
}

void
cmd_gateway_status(struct request *q)
{
	struct agents as = { 0 };
	const struct agent *a;
	struct json *question, *answer;
	struct err err;
	size_t at = 0;

	if (!has_gateway(q))
		return;
	if (q->words.v.n > 0) {
		a = agent_take(q, &as, &at, &err);
		if (a == NULL)
			say_usage(q, err.msg);
		else
			say_agent(q, a);
		agents_release(&as);
		return;
	}
	question = json_object();
	json_set_str(question, "op", "status");
	answer = request_query(q, "route", question);
	if (answer != NULL)
		say_status(q, answer);
	json_free(answer);
}

/* --- grant and revoke ------------------------------------------------------- */

/* "qwen", "provider/qwen", "mcp/github": what it is, by the settings. */
struct named { const char *list, *name; };

static bool
is_listed(const struct json *list, const char *name)
{
	const struct json *v;

	for (v = json_first(list); v != NULL; v = json_next(v))
		if (str_equal(json_str(v, "name"), name))
			return true;
	return false;
}

static void
add_names(const struct json *list, const char *prefix, struct strv *out)
{
	const struct json *v;

	for (v = json_first(list); v != NULL; v = json_next(v))
		strv_addf(out, "%s%s", prefix, json_strd(v, "name", ""));
}

static int
unknown_name(const struct world_gateway *g, const char *word, struct err *e)
{
	struct strv names = { 0 };
	const char *near = NULL;
	char *all;

	add_names(g->providers, "", &names);
	add_names(g->mcp_servers, "mcp/", &names);
	if (names.n > 0)
		near = str_nearest(word, (const char *const *)names.v);
	all = strv_join(&names, ", ");
	if (near != NULL)
		err_set(e, ERR_USER, "the gateway has no %.64s; did you mean "
		    "%.64s?", word, near);
	else
		err_set(e, ERR_USER, "the gateway has no %.64s; it has %.200s",
		    word, names.n > 0 ? all : "nothing");
	free(all);
	strv_release(&names);
	return -1;
}

/* Does an entry of the agent name it?  Then it can be taken away, even when the
 * settings have it no longer. */
static bool
is_granted(const struct agent *a, const struct named *n)
{
	const struct json *v, *name;

	for (v = json_first(json_get(a->spec, "accessEntries")); v != NULL;
	    v = json_next(v))
		for (name = json_first(json_get(json_get(v, "scope"),
		    n->list)); name != NULL; name = json_next(name))
			if (str_equal(json_value_str(name), n->name))
				return true;
	return false;
}

static int
read_named(const struct world_gateway *g, const char *word, struct named *n,
    struct err *e)
{
	bool is_mcp = str_starts(word, "mcp/");
	const char *slash = strchr(word, '/');

	n->name = slash != NULL ? slash + 1 : word;
	n->list = is_mcp ? "mcpServers" : "providers";
	if (is_listed(is_mcp ? g->mcp_servers : g->providers, n->name) &&
	    (slash == NULL || is_mcp || str_starts(word, "provider/")))
		return 0;
	/* A bare name may be that of an MCP server. */
	if (slash == NULL && is_listed(g->mcp_servers, word)) {
		n->list = "mcpServers";
		return 0;
	}
	return unknown_name(g, word, e);
}

static struct resource *
edited(struct request *q, const struct agent *a, const struct named *n,
    size_t n_n, bool grants)
{
	struct json *spec = json_copy(a->resource->spec), *own;

	own = agent_part(spec, a);
	for (size_t i = 0; i < n_n; i++)
		access_edit(engine_world_config(q->chat->engine), own,
		    n[i].list, n[i].name, grants);
	return resource_new(a->resource->kind,
	    json_copy(a->resource->metadata), spec);
}

/* Its own model's provider is not a grant that could be taken away. */
static int
check_own(struct request *q, const struct agent *a, const struct named *n,
    struct err *e)
{
	const struct world_config *cfg = engine_world_config(q->chat->engine);
	char *own;
	int rv = 0;

	if (strcmp(n->list, "providers") != 0)
		return 0;
	own = world_provider_name(cfg, a);
	if (str_equal(own, n->name))
		rv = err_set(e, ERR_USER, "%s thinks with a model of %s: give "
		    "it another spec.model first", a->name, n->name);
	free(own);
	return rv;
}

static void
apply_edit(struct request *q, struct resource *r)
{
	struct json *action = change_apply_action(&r, 1, NULL);
	struct strv notes = { 0 };
	struct attempt ch = { 0 };
	struct err err;
	char *text;

	if (change_try(q->chat->engine, action, NULL, &ch, &err) == 0)
		change_decide(q, action, &ch, &notes);
	else {
		text = ch.problems.errors > 0 ? problems_text(&ch.problems) :
		    xstrdup(err.msg);
		say_wrong(q, "Nothing was changed: %s", text);
		free(text);
	}
	change_release(&ch);
	json_free(action);
}

static int
read_grants(struct request *q, const struct agent *a, size_t at, bool grants,
    struct named *n, size_t *n_n, struct err *e)
{
	const struct world_config *cfg = engine_world_config(q->chat->engine);
	const struct strv *v = &q->words.v;

	for (; at < v->n; at++) {
		if (*n_n == NAMES_MAX)
			return err_set(e, ERR_USER, "at most %d at a time",
			    NAMES_MAX);
		if (read_named(&cfg->gateway, v->v[at], &n[*n_n], e) == -1 &&
		    (grants || !is_granted(a, &n[*n_n])))
			return -1;
		if (!grants && check_own(q, a, &n[*n_n], e) == -1)
			return -1;
		(*n_n)++;
	}
	return *n_n > 0 ? 0 : err_set(e, ERR_USER, "which provider or MCP "
	    "server?");
}

static void
grant(struct request *q, bool grants)
{
	struct named n[NAMES_MAX];
	struct agents as = { 0 };
	const struct agent *a;
	struct resource *r;
	size_t at = 0, n_n = 0;
	struct err err;

	if (!has_gateway(q))
		return;
	a = agent_take(q, &as, &at, &err);
	if (a == NULL || read_grants(q, a, at, grants, n, &n_n, &err) == -1)
		say_usage(q, err.msg);
	else {
		r = edited(q, a, n, n_n, grants);
		apply_edit(q, r);
		resource_unref(r);
	}
	agents_release(&as);
}

void
cmd_gateway_grant(struct request *q)
{
	grant(q, true);
}

void
cmd_gateway_revoke(struct request *q)
{
	grant(q, false);
}
