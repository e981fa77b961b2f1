/*
 * The stage of a transcript: a directory of its own, settings, and the real
 * controller on a homeserver, simulated or given.  Everything is gone at the
 * end, unless it is to be kept.
 */
#include "transcript-int.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "hiclaw/api.h"
#include "hiclaw/clock.h"
#include "hiclaw/file.h"
#include "hiclaw/http.h"
#include "hiclaw/secure.h"

#include "homeserver.h"

#define START_MS	30000
#define STOP_MS		15000
#define LOG_BYTES_MAX	(64 * 1024 * 1024)
#define LOG_LINES	25

/* --- processes and files ------------------------------------------------- */

static void
pause_ms(int ms)
{
	struct timespec t = { ms / 1000, (ms % 1000) * 1000000L };

	nanosleep(&t, NULL);
}

/* argv[0] with its output appended to a file; -1: could not. */
static pid_t
spawn(char *const *argv, const char *dir, const char *out, const char *errs)
{
	pid_t pid = fork();
	int fd;

	if (pid != 0)
		return pid;
	if ((fd = open("/dev/null", O_RDONLY)) != -1)
		dup2(fd, STDIN_FILENO);
	if ((fd = open(out, O_WRONLY | O_CREAT | O_APPEND, 0600)) != -1)
		dup2(fd, STDOUT_FILENO);
	if ((fd = open(errs, O_WRONLY | O_CREAT | O_APPEND, 0600)) != -1)
		dup2(fd, STDERR_FILENO);
	for (fd = 3; fd < 256; fd++)
		close(fd);
	if (chdir(dir) == 0)
		execv(argv[0], argv);
	fprintf(stderr, "%s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

static int
write_file(const char *path, const char *text, struct err *e)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	size_t n = strlen(text);

	if (fd == -1 || write(fd, text, n) != (ssize_t)n) {
		if (fd != -1)
			close(fd);
		return err_set(e, ERR_BROKEN, "%s: %s", path,
		    strerror(errno));
	}
	return close(fd);
}

static int
remove_one(const char *path, const struct stat *st, int flag,
    struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static int
free_port(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof a;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), port = 0;

	if (fd != -1 && bind(fd, (struct sockaddr *)&a, sizeof a) == 0 &&
	    getsockname(fd, (struct sockaddr *)&a, &n) == 0)
		port = ntohs(a.sin_port);
	if (fd != -1)
		close(fd);
	return port;
}

char *
stage_log(const struct stage *s)
{
	char *path = xasprintf("%s/log", s->dir);
	struct err e;
	char *text = file_read(path, LOG_BYTES_MAX, &e), *at, *tail;
	int lines = 0;

	free(path);
	if (text == NULL)
		return xstrdup("");
	for (at = text + strlen(text); at > text && lines <= LOG_LINES; at--)
		lines += at[-1] == '\n';
	tail = xstrdup(at);
	free(text);
	return tail;
}

/* --- settings ------------------------------------------------------------ */

int
stage_set(struct stage *s, const char *dotted, const char *value,
    struct err *e)
{
	struct json *at = s->settings, *v;
	const char *dot;
	char *part;

	if ((v = yaml_json(value, strlen(value), e)) == NULL)
		return -1;
	for (; (dot = strchr(dotted, '.')) != NULL; dotted = dot + 1) {
		part = xstrndup(dotted, (size_t)(dot - dotted));
		at = json_obj(at, part);
		free(part);
	}
	if (!json_is(at, JSON_OBJECT) || dotted[0] == '\0') {
		json_free(v);
		return err_set(e, ERR_USER, "\"%s\" is no setting", dotted);
	}
	json_set(at, dotted, v);
	return 0;
}

static int
write_config(struct stage *s, struct err *e)
{
	struct json *c = json_copy(s->settings), *o, *list;
	char *text;
	int rv;

	o = json_obj(c, "homeserver");
	json_set_str(o, "url", s->url);
	json_set_str(o, "domain", s->domain);
	json_set_str(o, "registration", s->registration);
	json_set_str(o, "registration_shared_secret", s->secret);
	json_set_strf(c, "listen", "127.0.0.1:%d", s->port);
	json_set_str(c, "database", s->database);
	if (json_get(c, "storage") == NULL)
		json_set_strf(json_obj(c, "storage"), "url",
		    "file://%s/storage", s->dir);
	if (json_get(c, "admins") == NULL) {
		list = json_set(c, "admins", json_array());
		for (size_t i = 0; i < s->admins.n; i++)
			json_push(list, json_stringf("@%s:%s",
			    s->admins.v[i], s->domain));
	}
	text = json_pretty(c);	/* JSON is YAML */
	rv = write_file(s->config, text, e);
	free(text);
	json_free(c);
	return rv;
}

/* --- the controller ------------------------------------------------------ */

/* true: it has ended by itself. */
static bool
has_ended(struct stage *s)
{
	if (s->pid == 0)
		return true;
	if (waitpid(s->pid, NULL, WNOHANG) != s->pid)
		return false;
	s->pid = 0;
	return true;
}

/* The controller's answer, yours; NULL: none, or not 200. */
static char *
ask_controller(const struct stage *s, const char *path)
{
	char *url = xasprintf("http://127.0.0.1:%d%s", s->port, path);
	struct http_req req = { .method = "GET", .url = url,
		.timeout_ms = 3000 };
	struct http_res res = { 0 };
	struct err e;
	char *text = NULL;

	if (http_call(&req, &res, &e) == 0 && res.status == 200)
		text = xstrndup(buf_str(&res.body), res.body.len);
	http_res_release(&res);
	free(url);
	return text;
}

static bool
is_ready(const struct stage *s)
{
	char *text = ask_controller(s, "/readyz");

	free(text);
	return text != NULL;
}

bool
stage_is_calm(const struct stage *s)
{
	static const char *const none[] = { "busy", "waiting", "backoff" };
	char *text = ask_controller(s, "/metrics"), *line;
	bool calm = text != NULL;

	for (size_t i = 0; calm && i < NELEM(none); i++) {
		line = xasprintf("hiclaw_objects{state=\"%s\"} 0\n", none[i]);
		calm = strstr(text, line) != NULL;
		free(line);
	}
	free(text);
	return calm;
}

static int
wait_ready(struct stage *s, struct err *e)
{
	int64_t end = clock_mono_ms() + START_MS;

	while (!is_ready(s)) {
		if (has_ended(s) || clock_mono_ms() > end)
			return err_set(e, ERR_BROKEN,
			    "the controller did not start");
		pause_ms(10);
	}
	return 0;
}

/* One run of the controller that ends by itself (--restore-from-room). */
static int
run_to_end(struct stage *s, char *const *argv, struct err *e)
{
	char *log = xasprintf("%s/log", s->dir);
	pid_t pid = spawn(argv, s->dir, log, log);
	int status = -1;

	free(log);
	if (pid == -1 || waitpid(pid, &status, 0) != pid ||
	    !WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return err_set(e, ERR_BROKEN, "%s %s failed (status %d)",
		    argv[0], argv[3], WEXITSTATUS(status));
	return 0;
}

int
stage_start(struct stage *s, const char *restore_from, struct err *e)
{
	char *controller = xstrdup(s->o->controller);
	char *argv[] = { controller, (char []){ "--config" }, s->config,
		NULL, NULL, NULL };
	char *restore = NULL, *log = xasprintf("%s/log", s->dir);
	int rv = write_config(s, e);

	if (rv == 0 && restore_from != NULL) {
		argv[3] = (char []){ "--restore-from-room" };
		argv[4] = restore = xstrdup(restore_from);
		rv = run_to_end(s, argv, e);
		argv[3] = NULL;
	}
	if (rv == 0 && (s->pid = spawn(argv, s->dir, log, log)) == -1) {
		s->pid = 0;
		rv = err_set(e, ERR_BROKEN, "fork: %s", strerror(errno));
	}
	if (rv == 0)
		rv = wait_ready(s, e);
	free(restore);
	free(log);
	free(controller);
	return rv;
}

void
stage_stop(struct stage *s, int signo)
{
	int64_t end = clock_mono_ms() + STOP_MS;

	if (s->pid == 0)
		return;
	kill(s->pid, signo);
	while (!has_ended(s)) {
		if (clock_mono_ms() > end)
			kill(s->pid, SIGKILL);
		pause_ms(5);
	}
}

void
stage_drop(struct stage *s)
{
	static const char *const ends[] = { "", "-wal", "-shm", NULL };

	stage_stop(s, SIGKILL);
	for (size_t i = 0; ends[i] != NULL; i++) {
		char *path = xasprintf("%s%s", s->database, ends[i]);

		unlink(path);
		free(path);
	}
}

/* --- opening ------------------------------------------------------------- */

static int
make_registration(struct stage *s, struct err *e)
{
	char *url = xasprintf("http://127.0.0.1:%d", s->port);
	char *log = xasprintf("%s/log", s->dir);
	char *argv[] = { xstrdup(s->o->controller),
		(char []){ "--generate-registration" }, (char []){ "--domain" },
		xstrdup(s->o->domain), (char []){ "--url" }, url, NULL };
	pid_t pid = spawn(argv, s->dir, s->registration, log);
	int status = -1, rv = 0;

	if (pid == -1 || waitpid(pid, &status, 0) != pid || status != 0)
		rv = err_set(e, ERR_BROKEN, "%s --generate-registration "
		    "failed", s->o->controller);
	free(argv[0]);
	free(argv[3]);
	free(log);
	free(url);
	return rv;
}

static int
read_registration(struct stage *s, struct err *e)
{
	char *text = file_read(s->registration, 65536, e);
	struct json *r = text == NULL ? NULL :
	    yaml_json(text, strlen(text), e);
	const char *url = json_str(r, "url"), *port;

	free(text);
	if (r == NULL)
		return -1;
	s->as_token = xstrdup(json_strd(r, "as_token", ""));
	s->hs_token = xstrdup(json_strd(r, "hs_token", ""));
	s->as_id = xstrdup(json_strd(r, "id", ""));
	s->sender = xstrdup(json_strd(r, "sender_localpart", "hiclaw"));
	s->prefix = xstrdup(json_strd(json_get(s->settings, "homeserver"),
	    "prefix", "hiclaw"));
	port = url == NULL ? NULL : strrchr(url, ':');
	if (s->o->registration != NULL && port != NULL)
		s->port = atoi(port + 1);
	json_free(r);
	return s->port > 0 ? 0 : err_set(e, ERR_USER, "%s: its url has no "
	    "port", s->registration);
}

static int
open_homeserver(struct stage *s, struct err *e)
{
	char *push = xasprintf("http://127.0.0.1:%d", s->port);
	struct homeserver_config c = { .domain = s->domain,
		.shared_secret = s->secret, .prefix = s->prefix,
		.sender = s->sender,
		.as_id = s->as_id, .as_token = s->as_token,
		.hs_token = s->hs_token, .push_url = push };

	s->hs = homeserver_start(&c, e);
	free(push);
	if (s->hs == NULL)
		return -1;
	s->url = xstrdup(homeserver_url(s->hs));
	return 0;
}

static int
given_settings(struct stage *s, struct err *e)
{
	for (size_t i = 0; i < s->o->settings.n; i++) {
		const char *text = s->o->settings.v[i];
		size_t n = strcspn(text, "=");
		char *key = xstrndup(text, n);
		int rv = text[n] == '=' ? stage_set(s, key, text + n + 1, e) :
		    err_set(e, ERR_USER, "--set %s: write KEY=VALUE", text);

		free(key);
		if (rv == -1)
			return -1;
	}
	return 0;
}

int
stage_open(struct stage *s, const struct stage_options *o, struct err *e)
{
	const char *tmp = getenv("TMPDIR");

	*s = (struct stage){ .o = o };
	s->dir = xasprintf("%s/hiclaw-transcript-XXXXXX",
	    tmp != NULL && tmp[0] == '/' ? tmp : "/tmp");
	if (mkdtemp(s->dir) == NULL) {
		err_set(e, ERR_BROKEN, "%s: %s", s->dir, strerror(errno));
		free(s->dir);
		s->dir = NULL;
		return -1;
	}
	s->domain = xstrdup(o->domain);
	s->settings = json_object();
	s->people = map_new(NULL);
	s->direct = map_new(free);
	s->config = xasprintf("%s/controller.yaml", s->dir);
	s->database = xasprintf("%s/hiclaw.db", s->dir);
	s->secret = o->homeserver != NULL ? xstrdup(o->shared_secret) :
	    rand_hex(16);
	s->registration = o->registration != NULL ?
	    realpath(o->registration, NULL) :
	    xasprintf("%s/registration.yaml", s->dir);
	if (s->registration == NULL)
		return err_set(e, ERR_USER, "%s: %s", o->registration,
		    strerror(errno));
	if (o->registration == NULL) {
		s->port = free_port();
		if (make_registration(s, e) == -1)
			return -1;
	}
	if (read_registration(s, e) == -1)
		return -1;
	s->bot = xasprintf("@%s:%s", s->prefix, s->domain);
	if (o->homeserver != NULL)
		s->url = xstrdup(o->homeserver);
	else if (open_homeserver(s, e) == -1)
		return -1;
	json_set_str(json_obj(s->settings, "log"), "level", "debug");
	return given_settings(s, e);
}

void
stage_close(struct stage *s)
{
	if (s->dir == NULL)
		return;
	stage_stop(s, SIGTERM);
	homeserver_stop(s->hs);
	crowd_release(s);
	json_free(s->settings);
	strv_release(&s->admins);
	if (s->o->keep)
		fprintf(stderr, "kept: %s\n", s->dir);
	else
		nftw(s->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(s->dir);
	free(s->url);
	free(s->domain);
	free(s->bot);
	free(s->prefix);
	free(s->sender);
	free(s->as_token);
	free(s->as_id);
	free(s->hs_token);
	free(s->registration);
	free(s->config);
	free(s->database);
	free(s->secret);
	*s = (struct stage){ 0 };
}
