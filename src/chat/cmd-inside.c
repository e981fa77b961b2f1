/*
 * logs, exec: what an agent's container says, and a command in it.
 *
 * A command runs at most once.  Before the container is asked, that it was begun
 * is written down under the event's id and committed; whoever comes back to the
 * same event after a restart finds that and only says so.
 */
#include "agents.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hiclaw/clock.h"
#include "hiclaw/secure.h"

#include "cmd.h"

#define TAIL_DEFAULT	50
#define TAIL_MAX	2000	/* lines: what people read in a file */
#define SHOWN_BYTES	6000	/* in the message: two phone screens; more is
				 * a file */

/* The agent whose container is meant; NULL: there is none, and that was said. */
static const struct agent *
take_inside(struct request *q, struct agents *as, size_t *at)
{
	const struct agent *a;
	struct object_view v;
	struct err err;

	a = agent_take(q, as, at, &err);
	if (a == NULL)
		say_usage(q, err.msg);
	else if (agent_is_remote(a)) {
		say_wrong(q, "I cannot look into it: %s runs elsewhere",
		    a->name);
		a = NULL;
	} else if (!engine_runner(q->chat->engine, a->name, &v)) {
		say_wrong(q, agent_state(a) == AGENT_STOPPED ?
		    "There is no container: %s is stopped" :
		    "There is no container of %s: nothing here runs agents",
		    a->name);
		a = NULL;
	}
	return a;
}

/* Masked, in a block, or as a file when it is long; the head is said first. */
static void
say_output(struct request *q, const struct agent *a, struct text *head,
    const char *output, const char *file)
{
	struct strv secrets = { 0 };
	char *masked;

	agent_secrets(q->chat->engine, a->name, &secrets);
	masked = mask_secrets(output, &secrets, true);
	if (strlen(masked) > SHOWN_BYTES) {
		text_puts(head, "\nAll of it is in the file below.");
		say_file(q, head, file, "text/plain", masked);
	} else {
		if (masked[0] != '\0')
			text_pre(head, NULL, masked);
		say(q, REPLY_INFO, head);
	}
	secret_free(masked);
	secrets_wipe(&secrets);
}

/* --- logs ------------------------------------------------------------------- */

static void
say_logs(struct request *q, const struct agent *a, const struct json *answer)
{
	const struct json *v = json_first(json_get(answer, "lines"));
	char *name = xasprintf("%s.log", a->name);
	struct buf b = { 0 };
	struct text t = { 0 };
	size_t n = 0;

	for (; v != NULL; v = json_next(v), n++)
		buf_printf(&b, "%s\n", json_strd(v, "text", ""));
	if (n == 0)
		text_printf(&t, "%s has said nothing yet.", a->name);
	else
		text_printf(&t, "The last %zu line%s of %s:\n", n,
		    n == 1 ? "" : "s", a->name);
	say_output(q, a, &t, buf_str(&b), name);
	buf_release(&b);
	text_release(&t);
	free(name);
}

/* A whole number from 1 to max; -1: it is none. */
static int
read_number(const char *text, int max)
{
	char *end;
	long n = strtol(text, &end, 10);

	return *text == '\0' || *end != '\0' || n < 1 || n > max ? -1 : (int)n;
}

void
cmd_logs(struct request *q)
{
	const char *word = words_flag(&q->words, "tail");
	int tail = word == NULL ? TAIL_DEFAULT : read_number(word, TAIL_MAX);
	struct agents as = { 0 };
	const struct agent *a;
	struct json *question, *answer;
	size_t at = 0;

	if (tail == -1) {
		say_usage(q, "--tail takes a number of lines up to 2000");
		return;
	}
	a = take_inside(q, &as, &at);
	if (a != NULL && at < q->words.v.n)
		say_usage(q, "one agent at a time");
	else if (a != NULL) {
		question = json_object();
		json_set_str(question, "op", "logs");
		json_set_str(question, "name", a->name);
		json_set_int(question, "tail", tail);
		answer = request_query(q, "container", question);
		if (answer != NULL)
			say_logs(q, a, answer);
		json_wipe(answer);
	}
	agents_release(&as);
}

/* --- exec ------------------------------------------------------------------- */

/* A shell would make something of these; we start a program. */
static bool
needs_shell(const struct strv *v, size_t at)
{
	static const char *const words[] = { "|", "||", "&&", "&", ";", ">",
	    ">>", "<", "2>&1" };

	for (; at < v->n; at++)
		for (size_t i = 0; i < NELEM(words); i++)
			if (strcmp(v->v[at], words[i]) == 0)
				return true;
	return false;
}

static char *
begun_key(const struct request *q)
{
	return xasprintf("chat.exec/%s", q->event);
}

static bool
is_up(struct request *q, const struct agent *a)
{
	char *key = xasprintf("container:%s", a->name);
	const char *state = engine_observed(q->chat->engine, key, "state");
	bool is = str_equal(state, "running");

	if (!is && agent_state(a) == AGENT_SLEEPING)
		say_wrong(q, "That needs a container that runs, and %s is "
		    "asleep: \"wake %s\" starts it", a->name, a->name);
	else if (!is)
		say_wrong(q, "the container of %s does not run now (%s)",
		    a->name, state != NULL ? state : "not there yet");
	free(key);
	return is;
}

/* True: it may be begun now, and that is written down. */
static bool
begin_once(struct request *q, const struct agent *a)
{
	char *key = begun_key(q), *was = store_kv_get(q->chat->store, key);
	char at[24];
	bool begins = was == NULL && is_up(q, a);

	/* An edit of it does not run either. */
	q->is_done |= was != NULL;
	if (was != NULL)
		say_wrong(q, "I was restarted while this command ran (it was "
		    "begun at %s), so I cannot tell what came of it. I do not "
		    "run it a second time by myself.", was);
	if (was != NULL || begins) {
		store_begin(q->chat->store);
		store_kv_set(q->chat->store, key, begins ?
		    clock_utc(clock_ms(), at) : NULL);
	}
	free(was);
	free(key);
	return begins;
}

static void
ended(struct request *q)
{
	char *key = begun_key(q);

	store_kv_set(q->chat->store, key, NULL);
	free(key);
}

static void
say_result(struct request *q, const struct agent *a,
    const struct json *answer)
{
	int64_t code = json_int(answer, "code", -1);
	const char *output = json_strd(answer, "output", "");
	char *file = xasprintf("%s-exec.txt", a->name);
	struct text t = { 0 };

	if (code == 0)
		text_printf(&t, "Done in %s, exit code 0%s%s.\n", a->name,
		    output[0] == '\0' ? ", no output" : "",
		    json_bool(answer, "cut", false) ?
		    "; only the beginning of the output" : "");
	else if (json_bool(answer, "timed_out", false))
		text_printf(&t, "In %s, it had **not ended after a minute**, "
		    "so I stopped waiting%s. It may go on in there.\n",
		    a->name, output[0] == '\0' ? "; it has said nothing" :
		    "; what it said so far:");
	else if (code < 0)
		text_printf(&t, "In %s, the exit code is **not known**%s.\n",
		    a->name, json_bool(answer, "cut", false) ?
		    ": there was more output than I read, and this is its "
		    "beginning" : "");
	else
		text_printf(&t, "In %s, **exit code %lld**%s%s.\n", a->name,
		    (long long)code, output[0] == '\0' ? ", no output" : "",
		    json_bool(answer, "cut", false) ?
		    "; only the beginning of the output" : "");
	say_output(q, a, &t, output, file);
	text_release(&t);
	free(file);
}

static void
run_inside(struct request *q, const struct agent *a, size_t at)
{
	const struct strv *v = &q->words.v;
	struct json *question = json_object(), *list, *answer;

	json_set_str(question, "op", "exec");
	json_set_str(question, "name", a->name);
	list = json_set(question, "command", json_array());
	for (; at < v->n; at++)
		json_push_str(list, v->v[at]);
	if (q->fetched == NULL && !begin_once(q, a)) {
		json_free(question);
		return;
	}
	answer = request_query(q, "container", question);
	if (q->fetched != NULL)
		ended(q);
	if (answer != NULL)
		say_result(q, a, answer);
	json_wipe(answer);
}

void
cmd_exec(struct request *q)
{
	struct agents as = { 0 };
	const struct agent *a;
	size_t at = 0;

	a = take_inside(q, &as, &at);
	if (a == NULL)
		;	/* said */
	else if (at >= q->words.v.n)
		say_usage(q, "which command?");
	else if (needs_shell(&q->words.v, at))
		say_usage(q, "for pipes and the like ask for a shell: exec "
		    "AGENT -- sh -c \"ps | grep x\"");
	else
		run_inside(q, a, at);
	agents_release(&as);
}
