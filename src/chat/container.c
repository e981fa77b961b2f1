/*
 * Containers in words: how one ended, and how it stands.  The observed form is
 * that of the provider (see ARCHITECTURE.md); of what it does not say nothing is
 * said.
 */
#include "container.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hiclaw/clock.h"
#include "hiclaw/life.h"

#define LAST_WORDS	6	/* lines of a log in describe */
#define KILLED		(128 + SIGKILL)

/* --- how it ended ----------------------------------------------------------- */

static const char *
signal_name(int signo)
{
	static const struct { int signo; const char *name; } names[] = {
		{ SIGHUP, "SIGHUP" }, { SIGINT, "SIGINT" },
		{ SIGQUIT, "SIGQUIT" }, { SIGILL, "SIGILL" },
		{ SIGABRT, "SIGABRT" }, { SIGBUS, "SIGBUS" },
		{ SIGFPE, "SIGFPE" }, { SIGKILL, "SIGKILL" },
		{ SIGSEGV, "SIGSEGV" }, { SIGPIPE, "SIGPIPE" },
		{ SIGTERM, "SIGTERM" },
	};

	for (size_t i = 0; i < NELEM(names); i++)
		if (names[i].signo == signo)
			return names[i].name;
	return NULL;
}

char *
death_words(const struct json *died)
{
	int64_t code = json_int(died, "code", -1);
	const char *error = json_str(died, "error");
	const char *by = code > 128 && code < 192 ?
	    signal_name((int)code - 128) : NULL;

	if (json_bool(died, "oom", false))
		return xstrdup("out of memory");
	if (error != NULL && error[0] != '\0')
		return xstrdup(error);
	/* An engine that does not see the limit strike says only this. */
	if (code == KILLED)
		return xstrdup("out of memory or killed, exit code 137");
	if (by != NULL)
		return xasprintf("exit code %d, %s", (int)code, by);
	if (code >= 0)
		return xasprintf("exit code %lld", (long long)code);
	return xstrdup("for a reason that is not known");
}

static char *
masked(struct chat *c, const char *agent, const char *text)
{
	struct strv secrets = { 0 };
	char *out;

	agent_secrets(c->engine, agent, &secrets);
	out = mask_secrets(text, &secrets, true);
	secrets_wipe(&secrets);
	return out;
}

char *
last_lines(struct chat *c, const char *agent, const struct json *lines,
    size_t max)
{
	const struct json *v = json_first(lines);
	size_t n = json_size(lines), at = 0;
	const char *before = NULL;
	struct buf b = { 0 };
	char *out;

	for (; v != NULL; v = json_next(v), at++) {
		const char *line = json_value_str(v);

		if (line == NULL)
			line = json_str(v, "text");
		/* Of one that keeps dying the log is often always the same. */
		if (line == NULL || at + max < n || str_equal(line, before))
			continue;
		before = line;
		buf_puts(&b, b.len > 0 ? "\n" : "");
		buf_add(&b, line, utf8_prefix(line, DETAIL_WIDTH));
	}
	out = masked(c, agent, buf_str(&b));
	buf_release(&b);
	return out;
}

char *
last_death(struct chat *c, const struct object_view *v)
{
	struct err err;
	struct json *o = v->observed == NULL ? NULL :
	    json_parse(v->observed, strlen(v->observed), &err);
	const struct json *died = json_get(o, "died");
	char *why, *log, *text = NULL;

	if (str_starts(v->key, "container:") && json_is(died, JSON_OBJECT)) {
		why = death_words(died);
		log = last_lines(c, strchr(v->key, ':') + 1,
		    json_get(died, "log"), 1);
		text = xasprintf("%s%s%s", why, log[0] != '\0' ?
		    "; it said: " : "", log);
		free(why);
		free(log);
	}
	json_free(o);
	return text;
}

/* --- how it stands ---------------------------------------------------------- */

static void
put_since(const struct json *o, struct text *out)
{
	int64_t at = json_int(o, "started_ms", 0);
	char age[16];

	if (at > 0)
		text_printf(out, " since %s",
		    clock_age(clock_ms() - at, age));
	else if (json_str(o, "started") != NULL)
		text_printf(out, " since %s", json_str(o, "started"));
}

static void
put_state(const struct json *o, const struct json *desired, struct text *out)
{
	const char *state = json_str(o, "state");
	int64_t deaths = json_int(o, "deaths", 0);

	text_printf(out, "- %s", state != NULL ? state : "is not there yet");
	if (str_equal(state, "running"))
		put_since(o, out);
	if (json_str(desired, "image") != NULL)
		text_printf(out, ", image %s", json_str(desired, "image"));
	if (deaths > 0)
		text_printf(out, ", died %lld time%s so far",
		    (long long)deaths, deaths == 1 ? "" : "s");
	text_puts(out, "\n");
}

static void
put_ready(struct chat *c, const char *agent, const struct json *o,
    struct text *out)
{
	int64_t heard = c->cfg.life != NULL ?
	    life_heard_ms(c->cfg.life, agent) : 0;
	char age[16];

	if (str_equal(json_str(o, "state"), "stopped") ||
	    (json_get(o, "ready_until") == NULL && heard == 0))
		return;
	text_puts(out, json_get(o, "ready_until") != NULL ? "- ready" :
	    "- not ready");
	if (heard > 0)
		text_printf(out, ", reported %s ago",
		    clock_age(clock_ms() - heard, age));
	text_puts(out, "\n");
}

static void
put_ports(const struct json *o, struct text *out)
{
	const struct json *p = json_first(json_get(o, "ports"));

	for (; p != NULL; p = json_next(p))
		if (json_value_str(p) != NULL)
			text_printf(out, "- port %s is at %s\n", json_key(p),
			    json_value_str(p));
}

static void
put_death(struct chat *c, const char *agent, const struct json *o,
    struct text *out)
{
	const struct json *died = json_get(o, "died");
	int64_t at = json_int(died, "at_ms", 0);
	char *why, *log, age[16];

	if (!json_is(died, JSON_OBJECT))
		return;
	why = death_words(died);
	/* While it waits for its next start the engine has not been asked. */
	log = json_size(json_get(died, "log")) > 0 ? last_lines(c, agent,
	    json_get(died, "log"), LAST_WORDS) : xstrdup(words_of(c, agent));
	text_puts(out, "- last death");
	if (at > 0)
		text_printf(out, " %s ago", clock_age(clock_ms() - at, age));
	text_printf(out, ": %s%s\n", why, log[0] != '\0' ?
	    "; its last words:" : "");
	if (log[0] != '\0')
		text_pre(out, NULL, log);
	free(why);
	free(log);
}

static struct json *
parse(const char *text)
{
	struct err err;

	return text == NULL ? NULL : json_parse(text, strlen(text), &err);
}

void
put_container(struct chat *c, const char *agent, struct text *out)
{
	struct object_view v;
	struct json *observed, *desired;
	char age[16];

	if (!engine_runner(c->engine, agent, &v))
		return;
	observed = parse(v.observed);
	desired = parse(v.desired);
	if (str_starts(v.key, "container:"))
		put_state(observed, desired, out);
	else
		text_puts(out, json_get(observed, "joined_ms") != NULL ?
		    "- runs elsewhere, has joined\n" :
		    "- runs elsewhere, has not joined yet\n");
	put_ready(c, agent, observed, out);
	if (v.retry_ms > clock_ms())
		text_printf(out, "- next try in %s\n",
		    clock_age(v.retry_ms - clock_ms(), age));
	put_ports(observed, out);
	put_death(c, agent, observed, out);
	json_free(observed);
	json_free(desired);
}

/* "container:alice: waits" -> "waits": who it is about is said beside it. */
static void
strip_key(const char *agent, char *why)
{
	char *head = xasprintf("container:%s: ", agent);
	size_t n = strlen(head);

	if (str_starts(why, head))
		memmove(why, why + n, strlen(why + n) + 1);
	free(head);
}

const char *
agent_phase(struct chat *c, const struct resource *r, const char *agent,
    const struct json *spec, char *why, size_t whysize)
{
	const char *phase = engine_agent_phase(c->engine, r, agent, spec, why,
	    whysize);

	strip_key(agent, why);
	if (strcmp(phase, "Starting") == 0 && c->cfg.life != NULL &&
	    life_is_silent(c->cfg.life, agent))
		return "NotReady";
	return phase;
}
