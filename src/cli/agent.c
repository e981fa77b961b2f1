/*
 * Agents: woken, put to sleep, started anew, their logs; and, for agents
 * themselves, the report that they are ready.
 */
#include "cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "hiclaw/http.h"

#include "wait.h"

#define TRIES	5		/* of a report, as the original: then rc 1 */

/*
 * An agent is a worker, in a team or not, or the manager; people need not know
 * which.  *k gets what it turned out to be.
 */
static void
call_agent(struct cli *c, const char *method, const char *name,
    const char *action, const struct json *body, const struct kind **k,
    struct answer *a)
{
	static const char *const tries[] = { "Worker", "Manager" };
	struct answer first = { 0 };

	for (size_t i = 0; i < NELEM(tries); i++) {
		char *path;

		*k = kind_find(tries[i]);
		path = path_of(*k, name, action);
		call(c, method, path, json_copy(body), a);
		free(path);
		if (i == 0 && (a->status == 404 || a->status == 403)) {
			first = *a;
			continue;
		}
		/* What is said of a worker helps more. */
		if (i > 0 && !answer_ok(a)) {
			answer_release(a);
			*a = first;
			*k = kind_find(tries[0]);
		} else
			answer_release(&first);
		return;
	}
}

/* Names from --name, or what follows the verb; at least one. */
static int
need_names(struct cli *c)
{
	if (c->name != NULL) {
		c->args[c->args_n++] = c->name;
		c->name = NULL;
	}
	return c->args_n > 0 ? DONE : usage_error(c, "which agent?");
}

static int
each(struct cli *c, const char *action)
{
	struct waiting w = { 0 };
	int rc = need_names(c);

	for (size_t i = 0; rc != USAGE && i < c->args_n; i++) {
		const struct kind *k;
		struct answer a;

		call_agent(c, "POST", c->args[i], action, NULL, &k, &a);
		if (answer_ok(&a)) {
			printf("%s/%s phase=%s\n", k->singular, c->args[i],
			    json_strd(a.json, "phase", "?"));
			waiting_add(&w, k, c->args[i]);
		} else
			rc = answer_fail(c, &a);
		answer_release(&a);
	}
	fflush(stdout);
	if (rc == DONE && c->wait)
		rc = wait_for_all(c, &w);
	waiting_release(&w);
	return rc;
}

int
cmd_wake(struct cli *c)
{
	return each(c, "wake");
}

int
cmd_sleep(struct cli *c)
{
	return each(c, "sleep");
}

int
cmd_ensure_ready(struct cli *c)
{
	return each(c, "ensure-ready");
}

int
cmd_restart(struct cli *c)
{
	return each(c, "restart");
}

/* --- logs ---------------------------------------------------------------- */

/* Lines of others must not steer the terminal. */
static void
print_line(const char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text >= 0x20 || *text == '\t')
			putchar(*text == 0x7f ? ' ' : *text);
	putchar('\n');
}

int
cmd_logs(struct cli *c)
{
	const struct kind *k;
	const struct json *v;
	struct answer a;
	char *action;
	int rc = need_names(c);

	if (rc != DONE)
		return rc;
	action = xasprintf("logs?tail=%lld", (long long)c->tail);
	call_agent(c, "GET", c->args[0], action, NULL, &k, &a);
	if (!answer_ok(&a))
		rc = answer_fail(c, &a);
	for (v = json_first(json_get(a.json, "lines")); v != NULL &&
	    rc == DONE; v = json_next(v))
		print_line(json_strd(v, "text", ""));
	answer_release(&a);
	free(action);
	return rc;
}

/* --- worker status ------------------------------------------------------- */

static int
one_status(struct cli *c, const char *name)
{
	const struct kind *k;
	struct answer a;
	int rc = DONE;

	call_agent(c, "GET", name, "status", NULL, &k, &a);
	if (!answer_ok(&a))
		rc = answer_fail(c, &a);
	else if (c->output != NULL && strcmp(c->output, "json") == 0)
		print_json(a.json);
	else
		show_detail(c, k, a.json);
	answer_release(&a);
	return rc;
}

/* The list has the phases as they are; "Ready" is said by each one's status. */
static int
team_status(struct cli *c)
{
	static const char *const heads[] = { "NAME", "PHASE", "STATE",
		"MODEL", "RUNTIME", NULL };
	char *team = http_escape(c->team);
	char *path = xasprintf("workers?team=%s", team);
	const struct json *v;
	struct table *t;
	struct answer a, one;
	int rc = DONE;

	call(c, "GET", path, NULL, &a);
	free(path);
	free(team);
	if (!answer_ok(&a)) {
		rc = answer_fail(c, &a);
		answer_release(&a);
		return rc;
	}
	t = table_new(heads);
	for (v = json_first(json_get(a.json, "workers")); v != NULL &&
	    rc == DONE; v = json_next(v)) {
		path = path_of(kind_find("Worker"), json_strd(v, "name", ""),
		    "status");
		call(c, "GET", path, NULL, &one);
		free(path);
		if (!answer_ok(&one))
			rc = answer_fail(c, &one);
		else
			table_row(t, (const char *const[]){
			    json_str(one.json, "name"),
			    json_str(one.json, "phase"),
			    json_str(one.json, "state"),
			    json_str(one.json, "model"),
			    json_str(one.json, "runtime") });
		answer_release(&one);
	}
	if (json_size(json_get(a.json, "workers")) == 0)
		printf("No workers found in team %s.\n", c->team);
	else if (rc == DONE && c->output != NULL &&
	    strcmp(c->output, "json") == 0)
		print_json(a.json);
	else if (rc == DONE) {
		table_print(c, t);
		t = NULL;
	}
	if (t != NULL)
		table_free(t);
	answer_release(&a);
	return rc;
}

int
cmd_worker_status(struct cli *c)
{
	if (c->name == NULL && c->args_n > 0)
		c->name = c->args[0];
	if (c->name != NULL)
		return one_status(c, c->name);
	if (c->team != NULL)
		return team_status(c);
	return usage_error(c, "--name or --team?");
}

/* --- report-ready -------------------------------------------------------- */

static const char *
own_name(struct cli *c)
{
	static const char *const vars[] = { "HICLAW_WORKER_CR_NAME",
		"HICLAW_WORKER_NAME", "HICLAW_MANAGER_NAME" };
	const char *value;

	if (c->name == NULL && c->args_n > 0)
		c->name = c->args[0];
	for (size_t i = 0; c->name == NULL && i < NELEM(vars); i++) {
		value = getenv(vars[i]);
		if (value != NULL && value[0] != '\0')
			return value;
	}
	return c->name;
}

static void
pause_s(int64_t s)
{
	struct timespec t = { s, 0 };

	nanosleep(&t, NULL);
}

/* Tokens are renewed under a running agent: each try reads the file again. */
static int
report(struct cli *c, const char *name)
{
	const struct kind *k;
	struct json *body = NULL;
	struct answer a;
	int rc = FAILED;

	if (c->heartbeat) {
		body = json_object();
		json_set_int(body, "every", c->interval_s);
	}
	for (int i = 1; i <= TRIES && rc != DONE; i++) {
		if (client_open(c) == -1)
			break;
		call_agent(c, "POST", name, "ready", body, &k, &a);
		if (answer_ok(&a))
			rc = DONE;
		else if (i == TRIES)
			answer_fail(c, &a);
		answer_release(&a);
		if (rc != DONE && i < TRIES)
			pause_s(2 * i);
	}
	json_free(body);
	return rc;
}

int
cmd_report_ready(struct cli *c)
{
	const char *name = own_name(c);
	int rc;

	if (name == NULL)
		return usage_error(c, "whose? --name, or "
		    "HICLAW_WORKER_CR_NAME in the environment");
	rc = report(c, name);
	while (c->heartbeat) {
		pause_s(c->interval_s);
		report(c, name);
	}
	return rc;
}
