/*
 * The forms of a container, all of it pure: what is asked of the engine, what
 * an inspect says, what differs, and what an event changes.
 *
 * What needs a new container is hashed, and the hash is a label of it: what an
 * engine shows of a container is not what was sent, so nothing else is ever
 * compared.  What one observed of a container only moves forward: news of an
 * older start or end than the one known are old.
 */
#include "docker-int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "hiclaw/secure.h"
#include "provider-int.h"

#define MEMORY_MIN	(6 << 20)	/* Docker refuses less, Podman starts it not */
#define CPUS_MIN	10		/* thousandths */
#define PIDS_MIN	8
#define LOG_SIZE	"2m"
#define TMP_OPTIONS	"size=256m,mode=1777"
#define CALM_MS		600000		/* who lived so long begins to count anew */
#define DEATHS_MAX	1000000

/* Not part of the hash: done to a container that stays, or to none. */
static const char *const unhashed[] = { "state", "restart", "config", "period",
    "pull", "stop_s", NULL };

static bool
is_hashed(const char *member)
{
	for (size_t i = 0; unhashed[i] != NULL; i++)
		if (strcmp(unhashed[i], member) == 0)
			return false;
	return true;
}

static bool
has_null(const struct json *v)
{
	const struct json *c;

	if (json_is(v, JSON_NULL))
		return true;
	if (!json_is(v, JSON_OBJECT) && !json_is(v, JSON_ARRAY))
		return false;
	for (c = json_first(v); c != NULL; c = json_next(c))
		if (has_null(c))
			return true;
	return false;
}

bool
docker_hash(const struct json *desired, char dst[DOCKER_HASH])
{
	struct json *hashed = json_object();
	const struct json *v;
	char *text, full[SHA256_HEX];
	bool is_known;

	for (v = json_first(desired); v != NULL; v = json_next(v))
		if (is_hashed(json_key(v)))
			json_set(hashed, json_key(v), json_copy(v));
	is_known = !has_null(hashed);
	text = json_canonical(hashed);
	sha256_hex(text, strlen(text), full);
	str_copy(dst, full, DOCKER_HASH);
	free(text);
	json_free(hashed);
	return is_known;
}

struct json *
docker_parts(const struct json *desired)
{
	struct json *parts = json_object();
	const struct json *v;
	char *text, full[SHA256_HEX];

	for (v = json_first(desired); v != NULL; v = json_next(v)) {
		if (!is_hashed(json_key(v)))
			continue;
		text = json_canonical(v);
		sha256_hex(text, strlen(text), full);
		json_set_strf(parts, json_key(v), "%.8s", full);
		free(text);
	}
	return parts;
}

/* --- what is asked of the engine ------------------------------------------ */

/* A name or path that can stand in a list of theirs. */
static bool
is_plain(const char *s)
{
	for (; *s != '\0'; s++)
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			return false;
	return true;
}

static int
check_limits(const struct json *limits, const struct docker_engine *g,
    struct err *e)
{
	int64_t memory = json_int(limits, "memory", 0);
	int64_t cpus = json_int(limits, "cpus", 0);
	int64_t pids = json_int(limits, "pids", 0);

	if (memory != 0 && memory < MEMORY_MIN)
		return err_set(e, ERR_USER, "a container needs at least 6 MiB "
		    "of memory, not %lld bytes", (long long)memory);
	if (cpus != 0 && cpus < CPUS_MIN)
		return err_set(e, ERR_USER, "a container needs at least 0.01 "
		    "of a processor");
	if (g->cpus > 0 && cpus > 1000 * (int64_t)g->cpus)
		return err_set(e, ERR_USER, "the machine has %d processors, "
		    "not %lld.%03lld", g->cpus, (long long)cpus / 1000,
		    (long long)cpus % 1000);
	if (pids != 0 && pids < PIDS_MIN)
		return err_set(e, ERR_USER, "a container needs at least %d "
		    "processes", PIDS_MIN);
	return 0;
}

int
docker_check(const struct json *desired, const struct docker_engine *g,
    struct err *e)
{
	const char *name = json_strd(desired, "name", "");
	const struct json *v;

	if (*name == '\0' || strspn(name, "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") != strlen(name))
		return err_set(e, ERR_USER, "no container can be called "
		    "\"%s\"", name);
	if (json_str(desired, "image") == NULL)
		return err_set(e, ERR_USER, "%s has no image", name);
	for (v = json_first(json_get(desired, "env")); v != NULL;
	    v = json_next(v))
		if (json_key(v)[0] == '\0' || strchr(json_key(v), '=') != NULL ||
		    !is_plain(json_key(v)))
			return err_set(e, ERR_USER, "no variable can be called "
			    "\"%s\"", json_key(v));
	for (v = json_first(json_get(desired, "ports")); v != NULL;
	    v = json_next(v))
		if (json_value_int(v, 0) < 1 || json_value_int(v, 0) > 65535)
			return err_set(e, ERR_USER, "no port has the number "
			    "%lld", (long long)json_value_int(v, 0));
	return check_limits(json_get(desired, "limits"), g, e);
}

/* "KEY=VALUE": an item without = would take over a variable of Podman's own. */
static int
put_env(struct json *list, const struct json *env, const struct json *secrets,
    struct err *e)
{
	const struct json *v;
	const char *name, *value;

	for (v = json_first(env); v != NULL; v = json_next(v)) {
		value = json_value_str(v);
		if ((name = json_str(v, "$secret")) != NULL &&
		    (value = json_str(secrets, name)) == NULL)
			return err_set(e, ERR_RETRY, "the secret %s is not "
			    "made yet", name);
		json_push(list, json_stringf("%s=%s", json_key(v),
		    value != NULL ? value : ""));
	}
	return 0;
}

static void
put_mounts(struct json *list, const struct json *mounts)
{
	const struct json *v;
	struct json *m;

	for (v = json_first(mounts); v != NULL; v = json_next(v)) {
		m = json_push(list, json_object());
		json_set_str(m, "Type", json_strd(v, "type", "bind"));
		json_set_str(m, "Source", json_str(v, "source"));
		json_set_str(m, "Target", json_str(v, "target"));
		json_set_bool(m, "ReadOnly", json_bool(v, "read_only", false));
	}
}

/* Both sides: a binding of a port that is not exposed is not published. */
static void
put_ports(struct json *body, struct json *host, const struct json *ports)
{
	struct json *exposed = json_obj(body, "ExposedPorts");
	struct json *bindings = json_obj(host, "PortBindings"), *b;
	const struct json *v;
	char name[16];

	for (v = json_first(ports); v != NULL; v = json_next(v)) {
		snprintf(name, sizeof(name), "%d/tcp",
		    (int)json_value_int(v, 0));
		json_set(exposed, name, json_object());
		b = json_push(json_set(bindings, name, json_array()),
		    json_object());
		json_set_str(b, "HostIp", "127.0.0.1");
		json_set_str(b, "HostPort", "");
	}
}

static void
put_network(struct json *body, struct json *host, const struct json *desired)
{
	const struct json *network = json_get(desired, "network"), *v;
	const char *name = json_strd(network, "name", "host");
	struct json *hosts = json_set(host, "ExtraHosts", json_array());
	struct json *end;

	json_set_str(host, "NetworkMode", name);
	for (v = json_first(json_get(desired, "hosts")); v != NULL;
	    v = json_next(v))
		json_push(hosts, json_stringf("%s:%s", json_key(v),
		    json_value_str(v) != NULL ? json_value_str(v) : ""));
	if (strcmp(name, "host") == 0)
		return;
	put_ports(body, host, json_get(desired, "ports"));
	end = json_obj(json_obj(json_obj(body, "NetworkingConfig"),
	    "EndpointsConfig"), name);
	json_set(end, "Aliases", json_get(network, "aliases") != NULL ?
	    json_copy(json_get(network, "aliases")) : json_array());
}

/* What an agent may not do to the machine it runs on. */
static void
put_fences(struct json *host, const struct json *desired)
{
	const struct json *limits = json_get(desired, "limits");
	struct json *log = json_obj(host, "LogConfig");

	json_push_str(json_set(host, "CapDrop", json_array()), "ALL");
	json_push_str(json_set(host, "SecurityOpt", json_array()),
	    "no-new-privileges");
	json_set_int(host, "Memory", json_int(limits, "memory", 0));
	json_set_int(host, "NanoCpus",
	    json_int(limits, "cpus", 0) * 1000000);
	json_set_int(host, "PidsLimit", json_int(limits, "pids", 0));
	json_set_bool(host, "ReadonlyRootfs",
	    json_bool(desired, "read_only", false));
	if (json_bool(desired, "read_only", false))
		json_set_str(json_obj(host, "Tmpfs"), "/tmp", TMP_OPTIONS);
	json_set_str(log, "Type", "json-file");
	json_set_str(json_obj(log, "Config"), "max-size", LOG_SIZE);
}

static void
put_labels(struct json *body, const struct json *desired)
{
	struct json *labels = json_get(desired, "labels") != NULL ?
	    json_copy(json_get(desired, "labels")) : json_object();
	char hash[DOCKER_HASH];

	if (docker_hash(desired, hash))
		json_set_str(labels, LABEL_HASH, hash);
	json_set(body, "Labels", labels);
}

struct json *
docker_create_body(const struct json *desired, const struct json *secrets,
    const struct docker_engine *g, struct err *e)
{
	struct json *body = json_object(), *host = json_obj(body, "HostConfig");
	const char *token_dir = json_str(desired, "token_dir");
	const char *user = json_str(desired, "user");

	if (put_env(json_set(body, "Env", json_array()),
	    json_get(desired, "env"), secrets, e) == -1) {
		json_free(body);
		return NULL;
	}
	json_set_str(body, "Image", json_str(desired, "image"));
	json_set_str(body, "WorkingDir", json_str(desired, "workdir"));
	/* Without root, root inside is ourselves outside. */
	json_set_str(body, "User", user == NULL && g->is_rootless ? "0:0" :
	    user);
	json_set_int(body, "StopTimeout", json_int(desired, "stop_s", 10));
	if (token_dir != NULL)
		json_set(json_obj(body, "Volumes"), token_dir, json_object());
	put_labels(body, desired);
	put_mounts(json_set(host, "Mounts", json_array()),
	    json_get(desired, "mounts"));
	put_network(body, host, desired);
	put_fences(host, desired);
	if (!g->no_init)
		json_set_bool(host, "Init", true);
	return body;
}

/* --- what an inspect says ------------------------------------------------- */

int64_t
docker_time(const char *s)
{
	struct tm tm = {0};
	int n = 0, year, offset_h = 0, offset_m = 0, ms = 0, digits;
	char sign = 'Z';
	int64_t t;

	if (s == NULL || sscanf(s, "%4d-%2d-%2dT%2d:%2d:%2d%n", &year,
	    &tm.tm_mon, &tm.tm_mday, &tm.tm_hour, &tm.tm_min, &tm.tm_sec,
	    &n) != 6 || n == 0 || year < 1971 || year > 9999 ||
	    tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1 ||
	    tm.tm_mday > 31 || tm.tm_hour < 0 || tm.tm_hour > 23 ||
	    tm.tm_min < 0 || tm.tm_min > 59 || tm.tm_sec < 0 ||
	    tm.tm_sec > 60)
		return 0;
	tm.tm_year = year - 1900;
	tm.tm_mon--;
	s += n;
	if (*s == '.')
		for (s++, digits = 0; *s >= '0' && *s <= '9'; s++)
			if (digits++ < 3)
				ms = 10 * ms + *s - '0';
			else
				continue;
	else
		digits = 3;
	for (; digits < 3; digits++)
		ms *= 10;
	if ((*s == '+' || *s == '-') && sscanf(s + 1, "%2d:%2d", &offset_h,
	    &offset_m) == 2)
		sign = *s;
	t = (int64_t)timegm(&tm) - (sign == '-' ? -1 : sign == '+' ? 1 : 0) *
	    (offset_h * 3600 + offset_m * 60);
	return t * 1000 + ms;
}

const char *
docker_state(const char *theirs)
{
	static const char *const table[][2] = {
		{ "running", "running" }, { "created", "created" },
		{ "initialized", "created" }, { "configured", "created" },
		{ "exited", "stopped" }, { "stopped", "stopped" },
		{ "dead", "stopped" }, { "paused", "paused" },
		{ "stopping", "stopping" }, { "removing", "removing" },
		{ "restarting", "restarting" },
	};

	for (size_t i = 0; theirs != NULL && i < NELEM(table); i++)
		if (strcmp(theirs, table[i][0]) == 0)
			return table[i][1];
	return "unknown";
}

bool
docker_is_passing(const char *state)
{
	return str_equal(state, "stopping") || str_equal(state, "removing") ||
	    str_equal(state, "restarting");
}

static bool
is_up(const char *state)
{
	return str_equal(state, "running") || str_equal(state, "paused");
}

/* {"8080": "127.0.0.1:32768"}; the loopback's, where there are several. */
static struct json *
seen_ports(const struct json *ports)
{
	struct json *out = json_object();
	const struct json *v, *b;
	const char *ip, *port;
	char *name;

	for (v = json_first(ports); v != NULL; v = json_next(v)) {
		name = xstrndup(json_key(v), strcspn(json_key(v), "/"));
		for (b = json_first(v); b != NULL; b = json_next(b)) {
			ip = json_strd(b, "HostIp", "");
			port = json_strd(b, "HostPort", "");
			if (*port != '\0' && strcmp(port, "0") != 0 &&
			    (json_get(out, name) == NULL ||
			    strcmp(ip, "127.0.0.1") == 0))
				json_set_strf(out, name, "%s:%s", ip, port);
		}
		free(name);
	}
	return out;
}

static const char *
seen_ip(const struct json *settings)
{
	const struct json *v;
	const char *ip;

	for (v = json_first(json_get(settings, "Networks")); v != NULL;
	    v = json_next(v))
		if ((ip = json_str(v, "IPAddress")) != NULL && *ip != '\0')
			return ip;
	return NULL;
}

struct json *
docker_seen(const struct json *inspect)
{
	const struct json *s = json_get(inspect, "State");
	const struct json *net = json_get(inspect, "NetworkSettings");
	struct json *seen = json_object(), *died;
	const char *state = docker_state(json_str(s, "Status")), *text;
	int64_t started_ms = docker_time(json_str(s, "StartedAt"));
	int64_t ended_ms = docker_time(json_str(s, "FinishedAt"));

	json_set_str(seen, "type", "container");
	json_set_str(seen, "state", state);
	if (started_ms > 0) {
		json_set_str(seen, "started", json_str(s, "StartedAt"));
		json_set_int(seen, "started_ms", started_ms);
	}
	if (ended_ms > 0)
		json_set_int(seen, "ended_ms", ended_ms);
	if (strcmp(state, "stopped") == 0 && started_ms > 0) {
		died = json_obj(seen, "died");
		json_set_int(died, "code", json_int(s, "ExitCode", 0));
		json_set_bool(died, "oom", json_bool(s, "OOMKilled", false));
		json_set_int(died, "at_ms", ended_ms);
		text = json_strd(s, "Error", "");
		if (*text != '\0')
			json_set_strf(died, "error", "%.200s", text);
	}
	if (is_up(state)) {
		json_set(seen, "ports", seen_ports(json_get(net, "Ports")));
		json_set_str(seen, "ip", seen_ip(net));
	}
	return seen;
}

const char *
docker_death(const struct json *died, char *dst, size_t size)
{
	int code = (int)json_int(died, "code", 0);

	if (json_bool(died, "oom", false))
		snprintf(dst, size, "it was out of memory");
	else if (code == 137)
		snprintf(dst, size, "it was out of memory or killed "
		    "(exit code 137)");
	else
		snprintf(dst, size, "exit code %d", code);
	return dst;
}

/* --- diff, awaits --------------------------------------------------------- */

/* Do two lists of texts differ where both are known? */
static bool
config_differs(const struct json *desired, const struct json *observed)
{
	const struct json *a = json_first(desired), *b = json_first(observed);

	if (has_null(desired))
		return false;
	for (; a != NULL && b != NULL; a = json_next(a), b = json_next(b))
		if (!json_equal(a, b))
			return true;
	return a != b;		/* both NULL, or one is longer */
}

/* Which parts make it another container?  Their number. */
static size_t
diff_parts(const struct json *desired, const struct json *observed,
    struct changes *out)
{
	struct json *now = docker_parts(desired);
	const struct json *was = json_get(observed, "parts"), *v;
	size_t before = out->n;

	for (v = json_first(now); was != NULL && v != NULL; v = json_next(v))
		if (!json_equal(v, json_get(was, json_key(v))))
			changes_add(out, RISK_RESTART, json_key(v), NULL,
			    "recreate");
	for (v = json_first(was); v != NULL; v = json_next(v))
		if (json_get(now, json_key(v)) == NULL)
			changes_add(out, RISK_RESTART, json_key(v), NULL,
			    "recreate");
	if (out->n == before)
		changes_add(out, RISK_RESTART, "container", NULL, "recreate");
	json_free(now);
	return out->n - before;
}

/* It is to run, and is there. */
static void
diff_running(const struct json *desired, const struct json *observed,
    struct changes *out)
{
	const char *state = json_str(observed, "state");
	char hash[DOCKER_HASH];

	if (docker_hash(desired, hash) &&
	    !str_equal(hash, json_str(observed, "hash"))) {
		diff_parts(desired, observed, out);
		return;
	}
	if (!str_equal(state, "running")) {
		changes_add(out, RISK_RESTART, "state", state, "start");
		return;
	}
	if (json_int(desired, "restart", 0) != json_int(observed, "restart", 0))
		changes_add(out, RISK_RESTART, "asked for", NULL, "restart");
	else if (config_differs(json_get(desired, "config"),
	    json_get(observed, "config")))
		changes_add(out, RISK_RESTART, "settings", NULL, "restart");
	if (json_int(desired, "period", 0) != json_int(observed, "period", 0))
		changes_add(out, RISK_UPDATE, "token", NULL, "token");
}

void
docker_container_diff(const struct json *desired, const struct json *observed,
    struct changes *out)
{
	const char *state = json_str(observed, "state");
	bool runs = !str_equal(json_str(desired, "state"), "stopped");

	if (observed == NULL)
		changes_add(out, RISK_CREATE, "container", NULL,
		    runs ? "create" : "stopped");
	else if (runs && json_str(observed, "id") == NULL)
		changes_add(out, RISK_CREATE, "container", state, "create");
	else if (runs)
		diff_running(desired, observed, out);
	else if (is_up(state) || docker_is_passing(state))
		changes_add(out, RISK_RESTART, "state", state, "stop");
}

bool
docker_container_awaits(const struct json *desired,
    const struct json *observed, char *why, size_t whysize)
{
	if (str_equal(json_str(desired, "state"), "stopped") ||
	    json_get(observed, "ready_until") != NULL)
		return false;
	str_copy(why, "its agent has not reported ready yet", whysize);
	return true;
}

/* --- absorb --------------------------------------------------------------- */

const char *
docker_container_handle(const struct json *observed)
{
	return json_str(observed, "id");
}

static bool
absorb_gone(struct json *observed)
{
	json_set_str(observed, "state", "gone");
	json_remove(observed, "id");
	json_remove(observed, "hash");
	json_remove(observed, "ready_until");
	json_remove(observed, "ports");
	json_remove(observed, "ip");
	return true;
}

/* An end that we had no part in. */
static void
count_death(struct json *observed, const struct json *died)
{
	int64_t lived = json_int(died, "at_ms", 0) -
	    json_int(observed, "started_ms", 0);
	int64_t deaths = json_int(observed, "deaths", 0);

	if (lived > CALM_MS || deaths >= DEATHS_MAX)
		deaths = 0;
	json_set_int(observed, "deaths", deaths + 1);
	json_set(observed, "died", json_copy(died));
}

/* Is what was seen older than what we know? */
static bool
is_old(const struct json *observed, const struct json *seen)
{
	int64_t start = json_int(seen, "started_ms", 0);
	int64_t end = json_int(seen, "ended_ms", 0);

	if (start != json_int(observed, "started_ms", 0))
		return start < json_int(observed, "started_ms", 0);
	return end < json_int(observed, "ended_ms", 0);
}

static bool
absorb_state(struct json *observed, const struct json *seen)
{
	const char *state = json_str(seen, "state");
	bool again = json_int(seen, "started_ms", 0) !=
	    json_int(observed, "started_ms", 0);
	bool ended = json_int(seen, "ended_ms", 0) >
	    json_int(observed, "ended_ms", 0);
	static const char *const taken[] = { "state", "started", "started_ms",
	    "ended_ms", "ports", "ip", NULL };
	struct json *was;
	bool changed;

	if (json_str(observed, "id") == NULL || is_old(observed, seen))
		return false;
	was = json_copy(observed);
	if (ended && json_get(seen, "died") != NULL)
		count_death(observed, json_get(seen, "died"));
	for (size_t i = 0; taken[i] != NULL; i++)
		if (json_get(seen, taken[i]) != NULL)
			json_set(observed, taken[i],
			    json_copy(json_get(seen, taken[i])));
	if (!is_up(state)) {
		json_remove(observed, "ports");
		json_remove(observed, "ip");
	}
	if (again || !str_equal(state, "running"))
		json_remove(observed, "ready_until");
	changed = !json_equal(was, observed);
	json_free(was);
	return changed;
}

bool
docker_container_absorb(struct json *observed, const struct json *event)
{
	const char *type = json_strd(event, "type", "");

	if (strcmp(type, "ready") == 0)
		return str_equal(json_str(observed, "state"), "running") &&
		    ready_absorb(observed, event);
	if (strcmp(type, "unready") == 0) {
		if (json_get(observed, "ready_until") == NULL)
			return false;
		json_remove(observed, "ready_until");
		return true;
	}
	if (strcmp(type, "container") != 0)
		return false;
	/* Of the one before, which we took away while it was in hand. */
	if (json_str(event, "id") != NULL && json_str(observed, "id") != NULL &&
	    strcmp(json_str(event, "id"), json_str(observed, "id")) != 0)
		return false;
	if (json_bool(event, "gone", false))
		return absorb_gone(observed);
	return absorb_state(observed, event);
}
