/*
 * The pure parts of the provider `docker`, by tables: what is asked of an
 * engine, what differs, what news change, and what comes in streams, as Docker
 * and as Podman say it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../src/provider/docker-int.h"

#define DESIRED "{\"name\":\"i-alice\",\"image\":\"x:1\",\"image_id\":" \
	"\"sha256:1\",\"labels\":{\"hiclaw.io/name\":\"alice\"},\"env\":{" \
	"\"A\":\"b=c\",\"E\":\"\",\"K\":{\"$secret\":\"c:x/key\",\"id\":\"1\"}}," \
	"\"workdir\":\"/root\",\"user\":\"0:0\",\"read_only\":true,\"mounts\":[{" \
	"\"type\":\"bind\",\"source\":\"/a:b\",\"target\":\"/c\"," \
	"\"read_only\":true}],\"network\":{\"name\":\"n\",\"aliases\":" \
	"[\"alice.local\"]},\"hosts\":{\"h.internal\":\"10.0.0.1\"}," \
	"\"limits\":{\"memory\":67108864,\"cpus\":1500,\"pids\":64}," \
	"\"ports\":[8080],\"token_dir\":\"/run/t\",\"stop_s\":7," \
	"\"state\":\"running\",\"restart\":1,\"config\":[\"a\",null]," \
	"\"period\":3}"

static struct json *
with(const char *text, const char *key, const char *value)
{
	struct json *v = json_must(text);

	if (value == NULL)
		json_remove(v, key);
	else
		json_set(v, key, json_must(value));
	return v;
}

/* --- what is asked of the engine ------------------------------------------ */

static void
test_create_body(void **state)
{
	static const char expected[] = "{\"Env\":[\"A=b=c\",\"E=\","
	    "\"K=the-key\"],\"ExposedPorts\":{\"8080/tcp\":{}},\"HostConfig\":{"
	    "\"CapDrop\":[\"ALL\"],\"ExtraHosts\":[\"h.internal:10.0.0.1\"],"
	    "\"Init\":true,\"LogConfig\":{\"Config\":{\"max-size\":\"2m\"},"
	    "\"Type\":\"json-file\"},\"Memory\":67108864,\"Mounts\":[{"
	    "\"ReadOnly\":true,\"Source\":\"/a:b\",\"Target\":\"/c\","
	    "\"Type\":\"bind\"}],\"NanoCpus\":1500000000,"
	    "\"NetworkMode\":\"n\",\"PidsLimit\":64,\"PortBindings\":{"
	    "\"8080/tcp\":[{\"HostIp\":\"127.0.0.1\",\"HostPort\":\"\"}]},"
	    "\"ReadonlyRootfs\":true,\"SecurityOpt\":[\"no-new-privileges\"],"
	    "\"Tmpfs\":{\"/tmp\":\"size=256m,mode=1777\"}},"
	    "\"Image\":\"x:1\",\"Labels\":{\"hiclaw.io/name\":\"alice\","
	    "\"hiclaw.io/spec-hash\":\"%s\"},\"NetworkingConfig\":{"
	    "\"EndpointsConfig\":{\"n\":{\"Aliases\":[\"alice.local\"]}}},"
	    "\"StopTimeout\":7,\"User\":\"0:0\",\"Volumes\":{\"/run/t\":{}},"
	    "\"WorkingDir\":\"/root\"}";
	struct json *desired = json_must(DESIRED), *body;
	struct json *secrets = json_must("{\"c:x/key\":\"the-key\"}");
	struct docker_engine g = { .is_known = true };
	char hash[DOCKER_HASH], *text, *want;
	struct err e;

	(void)state;
	assert_true(docker_hash(desired, hash));
	body = docker_create_body(desired, secrets, &g, &e);
	text = json_canonical(body);
	want = xasprintf(expected, hash);
	assert_string_equal(text, want);
	free(text);
	free(want);
	json_free(body);
	/* Without its secret nothing is made. */
	assert_null(docker_create_body(desired, NULL, &g, &e));
	assert_int_equal(e.kind, ERR_RETRY);
	json_free(desired);
	json_free(secrets);
}

/* On the host's network there is nothing to publish; without root, root inside
 * is ourselves; an engine may have no init. */
static void
test_create_body_of_others(void **state)
{
	struct json *desired = json_must("{\"name\":\"a\",\"image\":\"x\","
	    "\"network\":{\"name\":\"host\"},\"ports\":[1]}"), *body, *host;
	struct docker_engine g = { .is_rootless = true, .no_init = true };
	struct err e;

	(void)state;
	body = docker_create_body(desired, NULL, &g, &e);
	host = json_get(body, "HostConfig");
	assert_string_equal(json_str(host, "NetworkMode"), "host");
	assert_null(json_get(host, "PortBindings"));
	assert_null(json_get(body, "NetworkingConfig"));
	assert_null(json_get(host, "Init"));
	assert_null(json_get(host, "Tmpfs"));
	assert_null(json_get(host, "RestartPolicy"));
	assert_null(json_get(body, "Volumes"));
	assert_string_equal(json_str(body, "User"), "0:0");
	json_free(body);
	json_free(desired);
}

static void
test_check(void **state)
{
	static const struct { const char *key, *value, *word; } table[] = {
		{ "name", "\"a b\"", "called" }, { "name", "\"\"", "called" },
		{ "image", NULL, "image" },
		{ "env", "{\"A=B\":\"c\"}", "variable" },
		{ "env", "{\"\":\"c\"}", "variable" },
		{ "ports", "[0]", "port" }, { "ports", "[65536]", "port" },
		{ "limits", "{\"memory\":6291455}", "6 MiB" },
		{ "limits", "{\"cpus\":9}", "0.01" },
		{ "limits", "{\"cpus\":4001}", "4 processors" },
		{ "limits", "{\"pids\":7}", "processes" },
	};
	struct docker_engine g = { .cpus = 4 };
	struct json *v = json_must(DESIRED);
	struct err e;

	(void)state;
	assert_int_equal(docker_check(v, &g, &e), 0);
	json_free(v);
	for (size_t i = 0; i < NELEM(table); i++) {
		v = with(DESIRED, table[i].key, table[i].value);
		assert_int_equal(docker_check(v, &g, &e), -1);
		assert_int_equal(e.kind, ERR_USER);
		assert_non_null(strstr(e.msg, table[i].word));
		json_free(v);
	}
}

/* --- hash and diff -------------------------------------------------------- */

static void
test_hash(void **state)
{
	static const struct { const char *key, *value; bool same, known; }
	    table[] = {
		{ "state", "\"stopped\"", true, true },
		{ "restart", "2", true, true }, { "config", "[]", true, true },
		{ "period", "9", true, true }, { "stop_s", "1", true, true },
		{ "pull", "\"always\"", true, true },
		{ "image", "\"x:2\"", false, true },
		{ "env", "{}", false, true }, { "workdir", NULL, false, true },
		{ "labels", "{}", false, true },
		{ "image_id", "null", false, false },
		{ "hosts", "{\"a\":null}", false, false },
	};
	struct json *v = json_must(DESIRED);
	char hash[DOCKER_HASH], other[DOCKER_HASH];

	(void)state;
	assert_true(docker_hash(v, hash));
	assert_int_equal(strlen(hash), DOCKER_HASH - 1);
	json_free(v);
	for (size_t i = 0; i < NELEM(table); i++) {
		v = with(DESIRED, table[i].key, table[i].value);
		assert_int_equal(docker_hash(v, other), table[i].known);
		assert_int_equal(strcmp(hash, other) == 0, table[i].same);
		json_free(v);
	}
}

/* As ensure leaves it. */
static struct json *
observed_of(const struct json *desired)
{
	struct json *o = json_must("{\"name\":\"i-alice\",\"id\":\"abc\","
	    "\"state\":\"running\",\"started\":\"t\",\"started_ms\":1000,"
	    "\"ended_ms\":500,\"restart\":1,\"config\":[\"a\",null],"
	    "\"period\":3,\"ready_until\":5000,\"ready_life\":300,\"ip\":\"10.0.0.2\","
	    "\"ports\":{\"8080\":\"127.0.0.1:1\"}}");
	char hash[DOCKER_HASH];

	docker_hash(desired, hash);
	json_set_str(o, "hash", hash);
	json_set(o, "parts", docker_parts(desired));
	return o;
}

static char *
changes_text(const struct json *desired, const struct json *observed)
{
	struct changes c = { 0 };
	struct buf b = { 0 };

	docker_container_diff(desired, observed, &c);
	for (size_t i = 0; i < c.n; i++)
		buf_printf(&b, "%s%s>%s(%s)", i > 0 ? " " : "", c.v[i].what,
		    c.v[i].to, risk_name(c.v[i].risk));
	changes_release(&c);
	return buf_take(&b);
}

static void
check_diff(struct json *desired, struct json *observed, const char *want)
{
	char *text = changes_text(desired, observed);

	assert_string_equal(text, want);
	free(text);
	json_free(desired);
	json_free(observed);
}

static void
test_diff_desired(void **state)
{
	static const struct { const char *key, *value, *want; } table[] = {
		{ "x", "1", "x>recreate(restart)" },
		{ "image", "\"x:2\"", "image>recreate(restart)" },
		{ "limits", "{}", "limits>recreate(restart)" },
		{ "workdir", NULL, "workdir>recreate(restart)" },
		{ "image_id", "null", "" }, { "restart", "2",
		    "asked for>restart(restart)" },
		{ "config", "[\"b\",\"c\"]", "settings>restart(restart)" },
		{ "config", "[\"b\",null]", "" },
		{ "config", "[\"a\"]", "settings>restart(restart)" },
		{ "period", "4", "token>token(update)" },
		{ "state", "\"stopped\"", "state>stop(restart)" },
		{ "stop_s", "3", "" }, { "pull", "\"always\"", "" },
	};
	struct json *v = json_must(DESIRED);

	(void)state;
	check_diff(json_copy(v), NULL, "container>create(create)");
	check_diff(json_copy(v), observed_of(v), "");
	for (size_t i = 0; i < NELEM(table); i++)
		check_diff(with(DESIRED, table[i].key, table[i].value),
		    observed_of(v), table[i].want);
	json_free(v);
}

static void
test_diff_observed(void **state)
{
	static const struct { const char *key, *value, *runs, *rests; }
	    table[] = {
		{ "state", "\"stopped\"", "state>start(restart)", "" },
		{ "state", "\"created\"", "state>start(restart)", "" },
		{ "state", "\"paused\"", "state>start(restart)",
		    "state>stop(restart)" },
		{ "id", NULL, "container>create(create)",
		    "state>stop(restart)" },
		{ "hash", "\"other\"", "container>recreate(restart)",
		    "state>stop(restart)" },
		{ "parts", NULL, "", "state>stop(restart)" },
		{ "restart", NULL, "asked for>restart(restart)",
		    "state>stop(restart)" },
	};
	struct json *v = json_must(DESIRED), *o;

	(void)state;
	for (size_t i = 0; i < NELEM(table); i++)
		for (int rests = 0; rests < 2; rests++) {
			o = observed_of(v);
			if (table[i].value == NULL)
				json_remove(o, table[i].key);
			else
				json_set(o, table[i].key,
				    json_must(table[i].value));
			check_diff(rests ? with(DESIRED, "state",
			    "\"stopped\"") : json_copy(v), o, rests ?
			    table[i].rests : table[i].runs);
		}
	json_free(v);
}

static void
test_awaits(void **state)
{
	struct json *v = json_must(DESIRED), *o = observed_of(v);
	struct json *rests = with(DESIRED, "state", "\"stopped\"");
	char why[64];

	(void)state;
	assert_false(docker_container_awaits(v, o, why, sizeof(why)));
	json_remove(o, "ready_until");
	assert_true(docker_container_awaits(v, o, why, sizeof(why)));
	assert_string_equal(why, "its agent has not reported ready yet");
	assert_false(docker_container_awaits(rests, o, why, sizeof(why)));
	json_free(v);
	json_free(o);
	json_free(rests);
}

/* --- news ----------------------------------------------------------------- */

/* Of one that started at 1000 and ended the time before at 500. */
static void
test_absorb(void **state)
{
	static const struct { const char *event; bool changed;
	    const char *state; int deaths, ready; } table[] = {
		{ "{\"type\":\"ready\",\"until_ms\":5001,\"life_ms\":300}",
		    false, "running", 0, 5000 },
		/* It reports at another pace from now on. */
		{ "{\"type\":\"ready\",\"until_ms\":4900,\"life_ms\":90}",
		    true, "running", 0, 4900 },
		{ "{\"type\":\"ready\",\"until_ms\":6000,\"life_ms\":300}",
		    true, "running", 0, 6000 },
		{ "{\"type\":\"unready\"}", true, "running", 0, 0 },
		{ "{\"type\":\"m.room.message\"}", false, "running", 0, 5000 },
		{ "{\"type\":\"container\",\"gone\":true,\"id\":\"another\"}",
		    false, "running", 0, 5000 },
		{ "{\"type\":\"container\",\"gone\":true}", true, "gone", 0,
		    0 },
		/* the same again, and what is older */
		{ "{\"type\":\"container\",\"state\":\"running\","
		    "\"started\":\"t\",\"started_ms\":1000,\"ended_ms\":500}",
		    false, "running", 0, 5000 },
		{ "{\"type\":\"container\",\"state\":\"created\"}", false,
		    "running", 0, 5000 },
		{ "{\"type\":\"container\",\"state\":\"stopped\","
		    "\"started\":\"s\",\"started_ms\":400,\"ended_ms\":500,"
		    "\"died\":{\"at_ms\":500,\"code\":1}}", false, "running",
		    0, 5000 },
		/* an end, and a start behind our back */
		{ "{\"type\":\"container\",\"state\":\"stopped\","
		    "\"started\":\"t\",\"started_ms\":1000,\"ended_ms\":1500,"
		    "\"died\":{\"at_ms\":1500,\"code\":1}}", true, "stopped",
		    1, 0 },
		{ "{\"type\":\"container\",\"state\":\"running\","
		    "\"started\":\"u\",\"started_ms\":2000,\"ended_ms\":1900}",
		    true, "running", 0, 0 },
		{ "{\"type\":\"container\",\"state\":\"paused\","
		    "\"started\":\"t\",\"started_ms\":1000,\"ended_ms\":500}",
		    true, "paused", 0, 0 },
	};
	struct json *v = json_must(DESIRED), *o, *event;

	(void)state;
	for (size_t i = 0; i < NELEM(table); i++) {
		o = observed_of(v);
		event = json_must(table[i].event);
		assert_int_equal(docker_container_absorb(o, event),
		    table[i].changed);
		assert_string_equal(json_str(o, "state"), table[i].state);
		assert_int_equal(json_int(o, "deaths", 0), table[i].deaths);
		assert_int_equal(json_int(o, "ready_until", 0),
		    table[i].ready);
		assert_int_equal(docker_container_handle(o) == NULL,
		    strcmp(table[i].state, "gone") == 0);
		assert_int_equal(json_get(o, "ip") == NULL,
		    strcmp(table[i].state, "gone") == 0 ||
		    strcmp(table[i].state, "stopped") == 0);
		json_free(event);
		json_free(o);
	}
	json_free(v);
}

/* Told twice, a death counts once; who lived long begins anew. */
static void
test_deaths(void **state)
{
	static const struct { int start, end, deaths; } table[] = {
		{ 1000, 1500, 1 }, { 1000, 1500, 1 }, { 2000, 2500, 2 },
		{ 3000, 3100, 3 }, { 4000, 700000, 1 }, { 700001, 700002, 2 },
	};
	struct json *v = json_must(DESIRED), *o = observed_of(v), *event, *d;

	(void)state;
	for (size_t i = 0; i < NELEM(table); i++) {
		event = json_must("{\"type\":\"container\",\"state\":"
		    "\"stopped\",\"started\":\"x\"}");
		json_set_int(event, "started_ms", table[i].start);
		json_set_int(event, "ended_ms", table[i].end);
		d = json_obj(event, "died");
		json_set_int(d, "at_ms", table[i].end);
		json_set_int(o, "started_ms", table[i].start);
		docker_container_absorb(o, event);
		assert_int_equal(json_int(o, "deaths", 0), table[i].deaths);
		json_free(event);
	}
	json_free(v);
	json_free(o);
}

static void
check_seen(const char *inspect, const char *want)
{
	struct json *v = json_must(inspect), *seen = docker_seen(v);
	char *text = json_canonical(seen);

	assert_string_equal(text, want);
	free(text);
	json_free(seen);
	json_free(v);
}

static void
test_seen(void **state)
{
	(void)state;
	check_seen("{\"State\":{\"Status\":\"running\",\"StartedAt\":"
	    "\"2026-11-26T02:17:14.67608991Z\",\"FinishedAt\":"
	    "\"0001-01-01T00:00:00Z\"},\"NetworkSettings\":{\"Ports\":{"
	    "\"8080/tcp\":[{\"HostIp\":\"0.0.0.0\",\"HostPort\":\"1\"},"
	    "{\"HostIp\":\"127.0.0.1\",\"HostPort\":\"32768\"}],"
	    "\"9/tcp\":null},\"Networks\":{\"n\":{\"IPAddress\":"
	    "\"10.0.0.2\"}}}}",
	    "{\"ip\":\"10.0.0.2\",\"ports\":{\"8080\":\"127.0.0.1:32768\"},"
	    "\"started\":\"2026-11-26T02:17:14.67608991Z\","
	    "\"started_ms\":1795659434676,\"state\":\"running\","
	    "\"type\":\"container\"}");
	check_seen("{\"State\":{\"Status\":\"exited\",\"ExitCode\":137,"
	    "\"OOMKilled\":true,\"Error\":\"x\",\"StartedAt\":"
	    "\"2026-11-26T02:17:14Z\",\"FinishedAt\":"
	    "\"2026-11-26T03:17:15.5+01:00\"}}",
	    "{\"died\":{\"at_ms\":1795659435500,\"code\":137,"
	    "\"error\":\"x\",\"oom\":true},\"ended_ms\":1795659435500,"
	    "\"started\":\"2026-11-26T02:17:14Z\","
	    "\"started_ms\":1795659434000,\"state\":\"stopped\","
	    "\"type\":\"container\"}");
	/* A start that failed has no death of its own to tell. */
	check_seen("{\"State\":{\"Status\":\"created\",\"ExitCode\":127,"
	    "\"StartedAt\":\"0001-01-01T00:00:00Z\"}}",
	    "{\"state\":\"created\",\"type\":\"container\"}");
	check_seen("{}", "{\"state\":\"unknown\",\"type\":\"container\"}");
}

static void
test_time(void **state)
{
	static const struct { const char *s; int64_t ms; } table[] = {
		{ "1971-01-01T00:00:00Z", 31536000000 },
		{ "2026-11-26T02:17:14.676089Z", 1795659434676 },
		{ "2026-11-26T02:17:14.6Z", 1795659434600 },
		{ "2026-11-26T02:17:14-05:30", 1795679234000 },
		{ "0001-01-01T00:00:00Z", 0 }, { "", 0 }, { "yesterday", 0 },
		{ "2026-13-26T02:17:14Z", 0 }, { NULL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < NELEM(table); i++)
		assert_int_equal(docker_time(table[i].s), table[i].ms);
}

static void
test_words(void **state)
{
	static const struct { const char *died, *want; } table[] = {
		{ "{\"code\":3}", "exit code 3" },
		{ "{\"code\":137}",
		    "it was out of memory or killed (exit code 137)" },
		{ "{\"code\":137,\"oom\":true}", "it was out of memory" },
		{ "{\"code\":1,\"oom\":true}", "it was out of memory" },
	};
	static const char *const states[][2] = {
		{ "running", "running" }, { "exited", "stopped" },
		{ "dead", "stopped" }, { "stopped", "stopped" },
		{ "initialized", "created" }, { "stopping", "stopping" },
		{ "new", "unknown" }, { NULL, "unknown" },
	};
	struct json *v;
	char text[96];

	(void)state;
	for (size_t i = 0; i < NELEM(table); i++) {
		v = json_must(table[i].died);
		assert_string_equal(docker_death(v, text, sizeof(text)),
		    table[i].want);
		json_free(v);
	}
	for (size_t i = 0; i < NELEM(states); i++)
		assert_string_equal(docker_state(states[i][0]), states[i][1]);
	assert_true(docker_is_passing("stopping"));
	assert_false(docker_is_passing("stopped"));
}

/* --- streams -------------------------------------------------------------- */

static int
take_line(void *arg, const char *line, size_t n)
{
	buf_add(arg, line, n);
	buf_putc(arg, '|');
	return n == 4 && memcmp(line, "stop", 4) == 0 ? -1 : 0;
}

static void
test_lines(void **state)
{
	static const char text[] = "one\n\ntwo\r\nthree\nfour";
	struct docker_lines l = {0};
	struct buf out = {0};
	char *big;

	(void)state;
	/* Cut anywhere, the same comes out. */
	for (size_t step = 1; step < sizeof(text); step++) {
		for (size_t i = 0; i < sizeof(text) - 1; i += step)
			assert_int_equal(docker_lines(&l, text + i,
			    i + step < sizeof(text) - 1 ? step :
			    sizeof(text) - 1 - i, take_line, &out), 0);
		assert_string_equal(buf_str(&out), "one|two\r|three|");
		buf_reset(&out);
		docker_lines_release(&l);
	}
	assert_int_equal(docker_lines(&l, "stop\nmore\n", 10, take_line, &out),
	    -1);
	docker_lines_release(&l);
	buf_reset(&out);
	/* One that is too long is left out, and the next one is not. */
	big = xcalloc(1, 300 << 10);
	memset(big, 'x', 300 << 10);
	assert_int_equal(docker_lines(&l, big, 300 << 10, take_line, &out), 0);
	assert_int_equal(docker_lines(&l, "y\nz\n", 4, take_line, &out), 0);
	assert_string_equal(buf_str(&out), "z|");
	free(big);
	docker_lines_release(&l);
	buf_release(&out);
}

static int
take_frame(void *arg, int stream, const char *p, size_t n)
{
	buf_printf(arg, "%d:", stream);
	buf_add(arg, p, n);
	buf_putc(arg, '|');
	return 0;
}

static void
test_frames(void **state)
{
	static const char text[] = "\1\0\0\0\0\0\0\3one\2\0\0\0\0\0\0\3two"
	    "\1\0\0\0\0\0\0\0\1\0\0\0\0\0\0\1x";
	struct docker_frames f = {0};
	struct buf out = {0};

	(void)state;
	assert_int_equal(docker_frames(&f, text, sizeof(text) - 1, take_frame,
	    &out), 0);
	assert_string_equal(buf_str(&out), "1:one|2:two|1:x|");
	buf_reset(&out);
	for (size_t i = 0; i < sizeof(text) - 1; i++)
		assert_int_equal(docker_frames(&f, text + i, 1, take_frame,
		    &out), 0);
	assert_string_equal(buf_str(&out), "1:o|1:n|1:e|2:t|2:w|2:o|1:x|");
	assert_int_equal(docker_frames(&f, "GET / HTTP/1.1", 14, take_frame,
	    &out), -1);
	buf_release(&out);
}

static void
test_clean(void **state)
{
	static const struct { const char *in; size_t max; const char *want; }
	    table[] = {
		{ "plain\ttext", 99, "plain\ttext" },
		{ "\033[1;31mred\033[0m \033]0;title\atail", 99, "red tail" },
		{ "a\001b\177c\r", 99, "a b c" }, { "a\rb", 99, "a b" },
		{ "gr\xc3\xbc\xc3\x9f", 99, "gr\xc3\xbc\xc3\x9f" },
		{ "bad \xff\xc3", 99, "bad \xef\xbf\xbd\xef\xbf\xbd" },
		{ "\xf0\x9f\xa6\x80!", 99, "\xf0\x9f\xa6\x80!" },
		{ "abcdef", 3, "abc" }, { "ab\xc3\xbc", 3, "ab" },
		{ "\033", 9, "" }, { "\033[", 9, "" }, { "", 9, "" },
	};
	char *text;

	(void)state;
	for (size_t i = 0; i < NELEM(table); i++) {
		text = docker_clean(table[i].in, strlen(table[i].in),
		    table[i].max);
		assert_string_equal(text, table[i].want);
		free(text);
	}
}

static void
test_events(void **state)
{
	static const struct { const char *line; bool tells; const char *id; }
	    table[] = {
		/* Docker */
		{ "{\"status\":\"die\",\"id\":\"abc\",\"Type\":\"container\","
		    "\"Action\":\"die\",\"Actor\":{\"ID\":\"abc\","
		    "\"Attributes\":{\"exitCode\":\"3\"}},\"time\":1,"
		    "\"timeNano\":1000000001}", true, "abc" },
		/* Podman */
		{ "{\"status\":\"remove\",\"id\":\"d\",\"Type\":\"container\","
		    "\"Action\":\"remove\",\"Actor\":{\"ID\":\"d\"}}", true,
		    "d" },
		{ "{\"status\":\"start\",\"id\":\"old\"}", true, "old" },
		{ "{\"Type\":\"container\",\"Action\":\"exec_start: sh\","
		    "\"Actor\":{\"ID\":\"abc\"}}", false, NULL },
		{ "{\"Type\":\"container\",\"Action\":\"health_status: "
		    "healthy\",\"Actor\":{\"ID\":\"abc\"}}", false, NULL },
		{ "{\"Type\":\"network\",\"Action\":\"remove\","
		    "\"Actor\":{\"ID\":\"n\"}}", false, NULL },
		{ "{\"Type\":\"container\",\"Action\":\"die\","
		    "\"Actor\":{\"ID\":\"\"}}", false, NULL },
		{ "{\"Type\":\"container\",\"Action\":7}", false, NULL },
		{ "[1]", false, NULL }, { "not json", false, NULL },
	};
	struct json *event;
	const char *id, *action;
	int64_t ns;

	(void)state;
	for (size_t i = 0; i < NELEM(table); i++) {
		assert_int_equal(docker_event(table[i].line,
		    strlen(table[i].line), &event, &id, &action, &ns),
		    table[i].tells);
		if (table[i].tells)
			assert_string_equal(id, table[i].id);
		json_free(event);
	}
}

static void
test_pull(void **state)
{
	static const struct { const char *line, *said; } table[] = {
		{ "{\"status\":\"Pulling from x\",\"id\":\"latest\"}", "" },
		{ "{\"status\":\"Downloading\",\"id\":\"a\","
		    "\"progressDetail\":{\"current\":10,\"total\":100}}",
		    "10 %" },
		{ "{\"status\":\"Downloading\",\"id\":\"b\","
		    "\"progressDetail\":{\"current\":50,\"total\":300}}",
		    "15 %" },
		{ "{\"status\":\"Download complete\",\"id\":\"a\"}", "37 %" },
		{ "{\"status\":\"Extracting\",\"id\":\"a\",\"progressDetail\":"
		    "{\"current\":1,\"total\":100}}", "37 %" },
		{ "{\"status\":\"Downloading\",\"id\":\"b\","
		    "\"progressDetail\":{\"current\":900,\"total\":300}}",
		    "100 %" },
		{ "junk", "100 %" },
	};
	static const char failed[] = "{\"errorDetail\":{\"message\":"
	    "\"manifest\\nunknown\"},\"error\":\"x\"}";
	struct docker_pull p;

	(void)state;
	docker_pull_init(&p);
	for (size_t i = 0; i < NELEM(table); i++) {
		docker_pull_line(&p, table[i].line, strlen(table[i].line));
		assert_string_equal(p.said, table[i].said);
		assert_string_equal(p.error, "");
	}
	docker_pull_line(&p, failed, strlen(failed));
	assert_string_equal(p.error, "manifest unknown");
	docker_pull_release(&p);
}

static void
test_pull_kinds(void **state)
{
	static const struct { const char *text; enum err_kind kind; }
	    table[] = {
		{ "pull access denied for x, repository does not exist or may "
		    "require 'docker login'", ERR_DENIED },
		{ "unauthorized: authentication required", ERR_DENIED },
		{ "manifest for x:9 not found: manifest unknown",
		    ERR_NOTFOUND },
		{ "Get \"https://x/v2/\": dial tcp: lookup x: no such host",
		    ERR_RETRY },
		{ "pinging container registry 127.0.0.1:1: Get \"https://"
		    "127.0.0.1:1/v2/\": dial tcp 127.0.0.1:1: connect: "
		    "connection refused", ERR_RETRY },
		{ "toomanyrequests: You have reached your pull rate limit",
		    ERR_RETRY },
		{ "no matching manifest for linux/amd64", ERR_USER },
		{ "", ERR_RETRY },
	};

	(void)state;
	for (size_t i = 0; i < NELEM(table); i++)
		assert_int_equal(docker_pull_kind(table[i].text),
		    table[i].kind);
}

static void
test_refs(void **state)
{
	static const struct { const char *ref, *host, *name, *tag; } table[] = {
		{ "nano", "docker.io", "nano", "latest" },
		{ "nano:1", "docker.io", "nano", "1" },
		{ "user/nano:1", "docker.io", "user/nano", "1" },
		{ "ghcr.io/x/y:1", "ghcr.io", "ghcr.io/x/y", "1" },
		{ "localhost/x", "localhost", "localhost/x", "latest" },
		{ "h:5000/x", "h:5000", "h:5000/x", "latest" },
		{ "h:5000/x:2", "h:5000", "h:5000/x", "2" },
		{ "h:5000/x@sha256:12", "h:5000", "h:5000/x", "sha256:12" },
		{ "x:1@sha256:12", "docker.io", "x:1", "sha256:12" },
	};
	static const struct { const char *ref, *theirs; bool same; } same[] = {
		{ "nano:1", "nano:1", true }, { "nano:1", "localhost/nano:1",
		    true }, { "nano", "docker.io/library/nano:latest", true },
		{ "u/n:1", "docker.io/u/n:1", true },
		{ "nano:1", "nano:2", false }, { "nano:1", "x/nano:1", false },
		{ "x@sha256:1", "docker.io/library/x@sha256:1", true },
	};
	char *host, *name, *tag, *id;

	(void)state;
	for (size_t i = 0; i < NELEM(table); i++) {
		docker_ref_split(table[i].ref, &host, &name, &tag);
		assert_string_equal(host, table[i].host);
		assert_string_equal(name, table[i].name);
		assert_string_equal(tag, table[i].tag);
		free(host);
		free(name);
		free(tag);
	}
	for (size_t i = 0; i < NELEM(same); i++)
		assert_int_equal(docker_ref_is(same[i].ref, same[i].theirs),
		    same[i].same);
	id = docker_image_id("ab");
	assert_string_equal(id, "sha256:ab");
	free(id);
	id = docker_image_id("sha256:ab");
	assert_string_equal(id, "sha256:ab");
	free(id);
}

static void
test_tar(void **state)
{
	struct buf out = {0};
	unsigned sum = 0, said;
	size_t i;

	(void)state;
	docker_tar(&out, "token", "secret", 0600, 1000, 1001);
	assert_int_equal(out.len, 4 * 512);
	assert_string_equal(out.data, "token");
	assert_string_equal(out.data + 100, "0000600");
	assert_string_equal(out.data + 108, "0001750");
	assert_string_equal(out.data + 116, "0001751");
	assert_string_equal(out.data + 124, "00000000006");
	assert_memory_equal(out.data + 257, "ustar\00000", 8);
	for (i = 0; i < 512; i++)
		sum += i >= 148 && i < 156 ? ' ' : (unsigned char)out.data[i];
	said = (unsigned)strtoul(out.data + 148, NULL, 8);
	assert_int_equal(sum, said);
	assert_memory_equal(out.data + 512, "secret\0", 7);
	buf_release(&out);
}

static void
test_user(void **state)
{
	static const char passwd[] = "root:x:0:0:root:/root:/bin/sh\n"
	    "nodes:x:5:5::/:\nnode:x:1000:1001::/home/node:/bin/sh\nbad:x:y\n";
	static const struct { const char *user; bool found; unsigned uid, gid; }
	    table[] = {
		{ "node", true, 1000, 1001 }, { "node:wheel", true, 1000, 1001 },
		{ "root", true, 0, 0 }, { "nod", false, 0, 0 },
		{ "bad", false, 0, 0 }, { "", false, 0, 0 },
	};
	struct buf tar = {0};
	unsigned uid, gid;

	(void)state;
	/* A header of another kind comes first, as from some engines. */
	docker_tar(&tar, "pax", "13 path=x\n", 0644, 0, 0);
	tar.data[156] = 'x';
	tar.len = 1024;
	docker_tar(&tar, "passwd", passwd, 0644, 0, 0);
	for (size_t i = 0; i < NELEM(table); i++) {
		assert_int_equal(docker_user_in(tar.data, tar.len,
		    table[i].user, &uid, &gid), table[i].found);
		if (table[i].found) {
			assert_int_equal(uid, table[i].uid);
			assert_int_equal(gid, table[i].gid);
		}
	}
	assert_false(docker_user_in(tar.data, 1600, "node", &uid, &gid));
	assert_false(docker_user_in("", 0, "node", &uid, &gid));
	buf_release(&tar);
}

static void
test_network(void **state)
{
	struct json *inspect = json_must("{\"Id\":\"n1\",\"IPAM\":{\"Config\":[{"
	    "\"Subnet\":\"10.1.2.0/24\"}]}}"), *form, *want;
	struct changes c = { 0 };

	(void)state;
	form = docker_network_form("net", inspect);
	assert_string_equal(json_str(form, "gateway"), "10.1.2.1");
	want = json_must("{\"name\":\"net\",\"subnet\":\"10.1.2.0/24\"}");
	docker_network_diff(want, form, &c);
	assert_int_equal(c.n, 0);
	json_set_str(want, "subnet", "10.1.3.0/24");
	docker_network_diff(want, form, &c);
	assert_int_equal(c.n, 1);
	changes_release(&c);
	json_free(want);
	json_free(form);
	json_free(inspect);
	inspect = json_object();
	form = docker_network_form("net", inspect);
	assert_null(json_str(form, "gateway"));
	json_free(form);
	json_free(inspect);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_create_body),
		cmocka_unit_test(test_create_body_of_others),
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_hash),
		cmocka_unit_test(test_diff_desired),
		cmocka_unit_test(test_diff_observed),
		cmocka_unit_test(test_awaits),
		cmocka_unit_test(test_absorb),
		cmocka_unit_test(test_deaths),
		cmocka_unit_test(test_seen),
		cmocka_unit_test(test_time),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_frames),
		cmocka_unit_test(test_clean),
		cmocka_unit_test(test_events),
		cmocka_unit_test(test_pull),
		cmocka_unit_test(test_pull_kinds),
		cmocka_unit_test(test_refs),
		cmocka_unit_test(test_tar),
		cmocka_unit_test(test_user),
		cmocka_unit_test(test_network),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
