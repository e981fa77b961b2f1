/*
 * The command of an agent that was joined, and company for it: once in a while one
 * request reports that it lives, and brings what has changed.
 *
 * The loop's thread decides and writes files; one thread of a pool calls.  The
 * command is a process group of its own: what is sent to us is sent to all of it,
 * and it ends when we do.  Its exit status is ours.
 */
#include "join.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "hiclaw/clock.h"
#include "hiclaw/loop.h"
#include "hiclaw/secure.h"

#define FIRST_MS	2000	/* a command that lives that long has started */
#define STOP_MS		10000	/* from SIGTERM to SIGKILL */
#define LAST_MS		3000	/* of the last word */
#define RENEW_MS	(12 * 3600000LL)	/* left of a token's 36 hours */

struct keeper;

/* A call on its way. */
struct beat {
	struct job	 job;
	struct keeper	*keeper;
	bool		 is_renewal;
	char		*url, *token, *body;
	struct http_res	 res;
	struct err	 err;
	int		 rc;
};

/* One of the signals that are passed on. */
struct passed { struct keeper *keeper; int signo; };
static const int signals[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1,
    SIGUSR2 };

struct keeper {
	struct home	*home;
	char		**command;
	int		 every_s;
	struct loop	*loop;
	struct pool	*pool;
	struct timer	*beat_timer, *kill_timer;
	struct passed	 passed[NELEM(signals)];
	pid_t		 pid;		/* of the command, 0: it does not run */
	bool		 restarts;	/* it was ended to be started anew */
	bool		 rests;		/* or to sleep */
	bool		 is_ending;	/* we were told to end */
	bool		 is_over;	/* it was ended for good */
	bool		 in_flight;
	bool		 has_renewed;	/* with the last call: not twice in a row,
					 * whatever our clock says */
	bool		 is_new;	/* the command: not reported yet */
	bool		 was_away;	/* the controller, at the last call */
	int		 status;	/* to exit with */
	char		 trouble[256];	/* last told: files not written */
};

/* --- the command ----------------------------------------------------------- */

static void
env_put(struct strv *env, const char *name, const char *value)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < env->n; i++)
		if (strncmp(env->v[i], name, n) == 0 && env->v[i][n] == '=') {
			free(env->v[i]);
			env->v[i] = xasprintf("%s=%s", name, value);
			return;
		}
	strv_addf(env, "%s=%s", name, value);
}

/* Of whoever started us, not of the agent: credentials, and other agents'. */
static bool
is_others(const char *variable)
{
	static const char *const of[] = { "HICLAW_ADMIN_", "HICLAW_AUTH_",
	    "HICLAW_FS_", "HICLAW_MANAGER_", "HICLAW_WORKER_" };

	for (size_t i = 0; i < NELEM(of); i++)
		if (str_starts(variable, of[i]))
			return true;
	return false;
}

/* Ours, then the agent's, then what only we know. */
static void
make_env(const struct home *h, struct strv *env)
{
	extern char **environ;
	char *token = xasprintf("%s/" HOME_TOKEN, h->dir);
	const struct json *v;

	for (char **p = environ; *p != NULL; p++)
		if (!is_others(*p))
			strv_add(env, *p);
	for (v = json_first(json_get(h->state, "env")); v != NULL;
	    v = json_next(v))
		if (json_value_str(v) != NULL)
			env_put(env, json_key(v), json_value_str(v));
	env_put(env, "HOME", h->dir);
	env_put(env, "PWD", h->dir);
	env_put(env, "HICLAW_AUTH_TOKEN_FILE", token);
	free(token);
}

static void
env_release(struct strv *env)
{
	for (size_t i = 0; i < env->n; i++)
		secret_wipe(env->v[i], strlen(env->v[i]));
	strv_release(env);
}

/* In the child: nothing here may fail in silence. */
static void __attribute__((noreturn))
become(const struct home *h, char **command, char **env, int tell)
{
	sigset_t none;
	int fd, saved;

	setpgid(0, 0);
	home_share(h);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	signal(SIGPIPE, SIG_DFL);
	signal(SIGCHLD, SIG_DFL);
	for (size_t i = 0; i < NELEM(signals); i++)
		signal(signals[i], SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	fd = open("/dev/null", O_RDONLY);
	if (fd != -1 && fd != STDIN_FILENO) {
		dup2(fd, STDIN_FILENO);
		close(fd);
	}
	if (fchdir(h->fd) == 0)
		execvpe(command[0], command, env);
	saved = errno;
	if (write(tell, &saved, sizeof saved) == -1)
		_exit(126);
	_exit(saved == ENOENT ? 127 : 126);
}

/* 0, or the errno of the exec; -1: no process. */
static int
spawn(struct keeper *k)
{
	struct strv env = { 0 };
	int ends[2], why = 0;
	sigset_t all, before;
	ssize_t n;

	if (pipe2(ends, O_CLOEXEC) == -1)
		return errno;
	make_env(k->home, &env);
	/* Or what the child gets before it is itself comes to us. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	k->pid = fork();
	if (k->pid != 0)
		sigprocmask(SIG_SETMASK, &before, NULL);
	else
		become(k->home, k->command, env.v, ends[1]);
	close(ends[1]);
	env_release(&env);
	if (k->pid == -1) {
		why = errno;
		k->pid = 0;
	} else {
		setpgid(k->pid, k->pid);
		while ((n = read(ends[0], &why, sizeof why)) == -1 &&
		    errno == EINTR)
			;
		if (n != (ssize_t)sizeof why)
			why = 0;
	}
	close(ends[0]);
	return why;
}

static void
over(struct keeper *k, int status)
{
	k->status = status;
	k->is_over = true;
	loop_stop(k->loop);
}

/* Is it to run, or to sleep until the controller says otherwise? */
static bool
is_awake(const struct keeper *k)
{
	return !str_equal(json_str(k->home->state, "state"), "stopped");
}

static void
start(struct keeper *k)
{
	int why;

	k->restarts = k->rests = false;
	why = spawn(k);
	if (why == 0) {
		k->is_new = true;
		timer_arm(k->beat_timer, FIRST_MS);
		return;
	}
	if (k->pid > 0)
		while (waitpid(k->pid, NULL, 0) == -1 && errno == EINTR)
			;
	k->pid = 0;
	join_say("%s: %s", k->command[0], strerror(why));
	over(k, why == ENOENT ? 127 : 126);
}

/* End it; on_child sees to the rest. */
static void
stop(struct keeper *k)
{
	if (k->pid == 0)
		return;
	kill(-k->pid, SIGTERM);
	timer_arm(k->kill_timer, STOP_MS);
}

static void
on_kill(void *arg)
{
	struct keeper *k = arg;

	if (k->pid != 0)
		kill(-k->pid, SIGKILL);
}

static void
on_child(void *arg)
{
	struct keeper *k = arg;
	int status;

	if (k->pid == 0 || waitpid(k->pid, &status, WNOHANG) != k->pid)
		return;
	/* Whoever it left behind would speak as the agent, beside the next. */
	kill(-k->pid, SIGKILL);
	k->pid = 0;
	timer_disarm(k->kill_timer);
	if (k->restarts || k->rests) {
		k->restarts = k->rests = false;
		if (is_awake(k))
			start(k);
		return;
	}
	if (k->status == 0)
		k->status = WIFEXITED(status) ? WEXITSTATUS(status) :
		    128 + WTERMSIG(status);
	over(k, k->status);
}

static void
on_signal(void *arg)
{
	struct passed *p = arg;
	struct keeper *k = p->keeper;

	/* Whoever wants it to end does not want it to start anew. */
	if (p->signo == SIGTERM || p->signo == SIGINT || p->signo == SIGQUIT ||
	    p->signo == SIGHUP) {
		k->restarts = k->rests = false;
		k->is_ending = true;
		if (k->pid == 0)
			over(k, EX_OK);
	}
	if (k->pid != 0)
		kill(-k->pid, p->signo);
}

/* --- company --------------------------------------------------------------- */

static void
beat_run(struct job *job)
{
	struct beat *b = (struct beat *)job;

	b->rc = join_call(b->url, b->is_renewal ? "token" : "home", b->token,
	    b->body, JOIN_CALL_MS, &b->res, &b->err);
}

static void
beat_free(struct job *job)
{
	struct beat *b = (struct beat *)job;

	join_wipe(&b->res);
	free(b->url);
	secret_free(b->token);
	free(b->body);
	free(b);
}

/* End it to be started anew, or to sleep. */
static void
end_for(struct keeper *k, bool *how, const char *text)
{
	if (k->pid == 0 || k->is_ending)
		return;
	join_say("%s", text);
	*how = true;
	stop(k);
}

/* What is in the way is so each time: told once. */
static void
say_taken(struct keeper *k, const struct http_res *res,
    const struct home_news *n)
{
	if (n->written + n->removed > 0 || n->failed == 0) {
		join_say("%zu files written, %zu removed", n->written,
		    n->removed);
		join_say_left_out(res);
	}
	if (strcmp(k->trouble, n->why) != 0)
		join_say_failed(n);
	str_copy(k->trouble, n->why, sizeof k->trouble);
}

static void
take_changes(struct keeper *k, const struct http_res *res)
{
	char *before = xstrdup(json_strd(k->home->state, "restart", ""));
	struct home_news n;
	struct err err;

	if (join_answer(k->home, res, &n, &err) == -1)
		join_say("what has changed could not be taken over: %s", err.msg);
	else {
		say_taken(k, res, &n);
		if (!is_awake(k))
			end_for(k, &k->rests, "the agent is to sleep");
		else if (k->pid == 0) {
			join_say("the agent is to wake");
			start(k);
		} else if (strcmp(before, json_strd(k->home->state, "restart",
		    "")) != 0)
			end_for(k, &k->restarts, "starting the command anew");
	}
	free(before);
}

static void
take_token(struct keeper *k, const struct http_res *res)
{
	struct err err;
	struct json *o = json_parse(buf_str(&res->body), res->body.len, &err);

	if (json_str(o, "token") == NULL)
		join_say("the controller gave no token");
	else {
		join_set_token(k->home, o);
		if (home_save(k->home, &err) == -1)
			join_say("the new token could not be kept: %s", err.msg);
	}
	json_wipe(o);
}

static void
take_refusal(struct keeper *k, struct beat *b)
{
	join_refused(&b->res, &b->err);
	if (b->err.kind != ERR_DENIED) {
		if (!k->was_away)
			join_say("%s; trying again", b->err.msg);
		k->was_away = true;
		return;
	}
	join_say("%s", b->err.msg);
	join_say("the agent was deleted, or was joined elsewhere: ending");
	k->restarts = k->rests = false;
	k->status = EX_NOPERM;
	if (k->pid == 0)
		over(k, EX_NOPERM);
	else
		stop(k);
}

static void
beat_done(struct job *job)
{
	struct beat *b = (struct beat *)job;
	struct keeper *k = b->keeper;
	bool is_renewed = false;

	k->in_flight = false;
	if (b->rc == -1) {
		if (!k->was_away)
			join_say("%s; trying again", b->err.msg);
		k->was_away = true;
	} else if (b->res.status != 200 && b->res.status != 204)
		take_refusal(k, b);
	else {
		if (k->was_away)
			join_say("the controller answers again");
		k->was_away = false;
		is_renewed = b->is_renewal;
		if (b->is_renewal)
			take_token(k, &b->res);
		else if (b->res.status == 200)
			take_changes(k, &b->res);
	}
	timer_arm(k->beat_timer, is_renewed ? 0 : k->is_new ? FIRST_MS :
	    k->every_s * 1000);
	beat_free(job);
}

static void
on_beat(void *arg)
{
	struct keeper *k = arg;
	struct beat *b;
	int64_t left = json_int(k->home->state, "token_expires", 0) -
	    clock_ms();

	if (k->in_flight || k->is_over)
		return;
	b = xcalloc(1, sizeof *b);
	b->job.run = beat_run;
	b->job.done = beat_done;
	b->job.drop = beat_free;
	b->keeper = k;
	b->is_renewal = left < RENEW_MS && !k->has_renewed;
	k->has_renewed = b->is_renewal;
	b->url = xstrdup(json_strd(k->home->state, "url", ""));
	b->token = xstrdup(json_strd(k->home->state, "token", ""));
	b->body = b->is_renewal ? xstrdup("{}") : join_report_body(k->home->state,
	    k->pid != 0 && !k->restarts && !k->rests);
	k->in_flight = true;
	k->is_new = false;
	pool_submit(k->pool, &b->job);
}

/* It is not ready any more: said once, if somebody listens. */
static void
last_word(struct keeper *k)
{
	struct http_res res = { 0 };
	char *body = join_report_body(k->home->state, false);
	struct err err;

	if (k->status != EX_NOPERM && !k->was_away &&
	    join_call(json_strd(k->home->state, "url", ""), "home",
	    json_str(k->home->state, "token"), body, LAST_MS, &res, &err) == 0)
		join_wipe(&res);
	free(body);
}

static int
run(struct keeper *k)
{
	k->loop = loop_new();
	k->pool = pool_new(k->loop, "calls", 1);
	k->beat_timer = timer_new(k->loop, on_beat, k);
	k->kill_timer = timer_new(k->loop, on_kill, k);
	loop_on_signal(k->loop, SIGCHLD, on_child, k);
	for (size_t i = 0; i < NELEM(signals); i++) {
		k->passed[i] = (struct passed){ k, signals[i] };
		loop_on_signal(k->loop, signals[i], on_signal, &k->passed[i]);
	}
	if (is_awake(k))
		start(k);
	else {
		join_say("the agent sleeps");
		timer_arm(k->beat_timer, 0);
	}
	if (!k->is_over)
		loop_run(k->loop);
	if (k->in_flight)
		http_abort_all();	/* and then there is no last word */
	pool_free(k->pool);
	last_word(k);
	timer_free(k->beat_timer);
	timer_free(k->kill_timer);
	loop_free(k->loop);
	return k->status;
}

int
join_keep(struct home *h, char **command, int every_s, bool was_away)
{
	struct keeper k = { .home = h, .command = command, .every_s = every_s,
	    .was_away = was_away };

	return run(&k);
}
