/*
 * What people ask of one container: the last it said, and a command in it.
 */
#include "docker-int.h"

#include <stdlib.h>
#include <string.h>

#include "hiclaw/clock.h"

#define LOGS_MS		20000
#define LOG_LINES_MAX	2000
#define LOG_LINE_MAX	2000
#define LOGS_MAX	(256U << 10)	/* of all lines: the newest of them */
#define EXEC_MS		60000
#define EXEC_MAX	(64U << 10)
#define EXEC_WORDS_MAX	256
#define CODE_TRIES	20		/* until the engine has noticed its end */

/* --- logs ----------------------------------------------------------------- */

/* Lines of two streams, in the order in which they end; the newest stay. */
struct saying {
	struct docker_frames	 frames;
	struct buf		 part[3];	/* begun, by stream */
	struct said { char *text; int stream; } ring[LOG_LINES_MAX];
	size_t			 first, n, bytes;
	bool			 is_raw;	/* of a terminal: no frames */
};

static void
forget_oldest(struct saying *s)
{
	struct said *l = &s->ring[s->first];

	s->bytes -= strlen(l->text);
	free(l->text);
	s->first = (s->first + 1) % LOG_LINES_MAX;
	s->n--;
}

static void
say_line(struct saying *s, int stream)
{
	struct buf *b = &s->part[stream];
	char *text = docker_clean(buf_str(b), b->len, LOG_LINE_MAX);

	s->bytes += strlen(text);
	while (s->n > 0 && (s->n == LOG_LINES_MAX || s->bytes > LOGS_MAX))
		forget_oldest(s);
	s->ring[(s->first + s->n++) % LOG_LINES_MAX] =
	    (struct said){ text, stream };
	buf_reset(b);
	b->overflow = false;
}

/* Takes them all. */
static struct json *
take_lines(struct saying *s)
{
	struct json *lines = json_array(), *o;

	for (; s->n > 0; forget_oldest(s)) {
		const struct said *l = &s->ring[s->first];

		o = json_push(lines, json_object());
		json_set_str(o, "stream", l->stream == 2 ? "stderr" :
		    "stdout");
		json_set_str(o, "text", l->text);
	}
	return lines;
}

static int
say(void *arg, int stream, const char *p, size_t n)
{
	struct saying *s = arg;
	const char *end;

	while ((end = memchr(p, '\n', n)) != NULL) {
		buf_add(&s->part[stream], p, (size_t)(end - p));
		say_line(s, stream);
		n -= (size_t)(end + 1 - p);
		p = end + 1;
	}
	buf_add(&s->part[stream], p, n);
	return 0;
}

static int
logs_chunk(void *arg, const char *p, size_t n)
{
	struct saying *s = arg;

	if (!s->is_raw && docker_frames(&s->frames, p, n, say, s) == 0)
		return 0;
	return s->is_raw ? say(s, 1, p, n) : -1;
}

int
docker_logs(struct docker *d, const char *id, int tail, struct json **lines,
    struct err *e)
{
	struct saying *s = xcalloc(1, sizeof *s);	/* too large to stack */
	struct docker_req q = { .method = "GET", .path = NULL,
	    .chunk = logs_chunk, .arg = s, .timeout_ms = LOGS_MS };
	struct docker_res res;
	struct json *all;
	int rv;

	if (tail < 1 || tail > LOG_LINES_MAX)
		tail = LOG_LINES_MAX;
	for (size_t i = 0; i < NELEM(s->part); i++)
		buf_init(&s->part[i], 2 * LOG_LINE_MAX);
	q.path = xasprintf("/containers/%s/logs?stdout=1&stderr=1&tail=%d",
	    id, tail);
	rv = docker_call(d, &q, &res, e);
	if (rv == 0) {
		if (!docker_ok(&res))
			rv = docker_fail(&res, e, "reading what it said");
		docker_res_release(&res);
	}
	for (int i = 1; i <= 2; i++) {
		if (rv == 0 && s->part[i].len > 0)
			say_line(s, i);
		buf_release(&s->part[i]);
	}
	buf_release(&s->part[0]);
	all = take_lines(s);
	free(s);
	*lines = rv == 0 ? all : NULL;
	if (rv == -1)
		json_free(all);
	return rv;
}

/* --- exec ----------------------------------------------------------------- */

struct running {
	struct docker_frames	 frames;
	struct buf		 out;
	int64_t			 end_ms;	/* monotonic */
	bool			 is_late;
};

static int
exec_out(void *arg, int stream, const char *p, size_t n)
{
	struct running *r = arg;

	(void)stream;
	buf_add(&r->out, p, n);
	return r->out.overflow ? -1 : 0;
}

static int
exec_chunk(void *arg, const char *p, size_t n)
{
	struct running *r = arg;

	return docker_frames(&r->frames, p, n, exec_out, r);
}

static bool
exec_over(void *arg)
{
	struct running *r = arg;

	r->is_late = clock_mono_ms() > r->end_ms;
	return r->is_late;
}

static int
exec_create(struct docker *d, const char *id, const struct json *argv,
    char **exec, struct err *e)
{
	struct json *body = json_object();
	struct docker_req q = { .method = "POST", .json = body,
	    .path = xasprintf("/containers/%s/exec", id) };
	struct docker_res res;
	int rv;

	json_set(body, "Cmd", json_copy(argv));
	json_set_bool(body, "AttachStdout", true);
	json_set_bool(body, "AttachStderr", true);
	rv = docker_call(d, &q, &res, e);
	json_free(body);
	if (rv == -1)
		return -1;
	*exec = xstrdup(json_str(res.json, "Id"));
	if (!docker_ok(&res) || *exec == NULL)
		rv = docker_fail(&res, e, "running a command in it");
	docker_res_release(&res);
	return rv;
}

/* Its exit code; -1: none is known. */
static int
exec_code(struct docker *d, const char *exec)
{
	struct json *v = NULL;
	struct err ignored;
	int code = -1;

	for (int i = 0; i < CODE_TRIES && code == -1; i++) {
		if (docker_get(d, xasprintf("/exec/%s/json", exec), 0, &v,
		    NULL, &ignored) == -1 || v == NULL)
			return -1;
		if (!json_bool(v, "Running", false))
			code = (int)json_int(v, "ExitCode", -1);
		json_free(v);
		v = NULL;
	}
	return code;
}

/* Its lines as lines, and all else as may be shown. */
static char *
clean_lines(const char *s, size_t n)
{
	struct buf out = { .max = 4 * EXEC_MAX };
	const char *end = s + n, *nl;
	char *line;

	while (s < end) {
		nl = memchr(s, '\n', (size_t)(end - s));
		line = docker_clean(s, (size_t)((nl != NULL ? nl : end) - s),
		    EXEC_MAX);
		buf_puts(&out, line);
		if (nl != NULL)
			buf_putc(&out, '\n');
		free(line);
		s = nl != NULL ? nl + 1 : end;
	}
	return buf_take(&out);
}

static int
check_words(const struct json *argv, struct err *e)
{
	const struct json *v;

	if (json_size(argv) < 1 || json_size(argv) > EXEC_WORDS_MAX ||
	    !json_is(argv, JSON_ARRAY))
		return err_set(e, ERR_USER, "no command, or too long a one");
	for (v = json_first(argv); v != NULL; v = json_next(v))
		if (json_value_str(v) == NULL)
			return err_set(e, ERR_USER, "a command is a list of "
			    "texts");
	return 0;
}

int
docker_exec(struct docker *d, const char *id, const struct json *argv,
    struct json **answer, struct err *e)
{
	struct running r = { .end_ms = clock_mono_ms() + EXEC_MS };
	struct json *body;
	struct docker_req q = { .method = "POST", .chunk = exec_chunk,
	    .is_over = exec_over, .arg = &r, .timeout_ms = 2 * EXEC_MS };
	struct docker_res res;
	char *exec = NULL, *text;
	int rv, code;

	if (check_words(argv, e) == -1)
		return -1;
	buf_init(&r.out, EXEC_MAX);
	rv = exec_create(d, id, argv, &exec, e);
	if (rv == 0) {
		body = json_object();
		json_set_bool(body, "Detach", false);
		json_set_bool(body, "Tty", false);
		q.json = body;
		q.path = xasprintf("/exec/%s/start", exec);
		rv = docker_call(d, &q, &res, e);
		json_free(body);
		if (rv == 0) {
			if (!docker_ok(&res))
				rv = docker_fail(&res, e,
				    "running a command in it");
			docker_res_release(&res);
		}
	}
	if (rv == 0) {
		*answer = json_object();
		code = r.is_late || r.out.overflow ? -1 : exec_code(d, exec);
		if (code >= 0)
			json_set_int(*answer, "code", code);
		text = clean_lines(buf_str(&r.out), r.out.len);
		json_set_str(*answer, "output", text);
		json_set_bool(*answer, "cut", r.out.overflow);
		json_set_bool(*answer, "timed_out", r.is_late);
		free(text);
	}
	buf_release(&r.out);
	free(exec);
	return rv;
}
