/*
 * One container, made so: looked at, then made, replaced, stopped or started.
 *
 * There is never a second one: it has one name, the engine gives a name once,
 * and who has it without our labels is left alone.  Each step can be the last
 * before we are killed; what is left then carries our labels from its creation
 * on and is found, adopted and finished by the next ensure.
 *
 *	find -> (wait) -> replace? -> create? -> upload -> start -> look again
 */
#include "docker-int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "hiclaw/clock.h"
#include "hiclaw/fault.h"
#include "hiclaw/log.h"
#include "hiclaw/secure.h"

#define INSPECT_MS	15000
#define CREATE_MS	60000
#define START_MS	90000		/* twenty at once took six seconds each */
#define UPLOAD_MS	30000
#define SLACK_MS	30000		/* beyond the time a stop may take */
#define UPLOAD_TRIES	3		/* Podman: one in nine breaks its pipe */
#define DELETE_TRIES	2		/* Podman: the second one works */
#define WAIT_STEP_MS	100
#define STOP_S		10
#define STOP_MAX_S	300
#define LAST_LINES	5
#define MASK_MIN	8		/* shorter ones would mask words */

/* One ensure. */
struct doing {
	struct docker		*d;
	const struct work	*w;
	struct outcome		*out;
	struct docker_engine	 engine;
	const char		*name;
	struct json		*there;	/* inspect; NULL: there is none */
	struct json		*form;	/* what becomes observed */
	bool			 kept;	/* there is what was observed, and ours */
	bool			 started;
};

/* --- calls ---------------------------------------------------------------- */

int
docker_inspect(struct docker *d, const char *id, struct json **json,
    bool *answered, struct err *e)
{
	char *escaped = http_escape(id);
	char *path = xasprintf("/containers/%s/json", escaped);

	free(escaped);
	return docker_get(d, path, INSPECT_MS, json, answered, e);
}

bool
docker_is_ours(const struct json *inspect, const char *instance)
{
	return str_equal(json_str(json_get(json_get(inspect, "Config"),
	    "Labels"), LABEL_INSTANCE), instance);
}

static const char *
label(const struct json *inspect, const char *name)
{
	return json_str(json_get(json_get(inspect, "Config"), "Labels"), name);
}

static int
stop_s_of(const struct json *inspect)
{
	int64_t s = json_int(json_get(inspect, "Config"), "StopTimeout",
	    STOP_S);

	return s < 0 ? STOP_S : s > STOP_MAX_S ? STOP_MAX_S : (int)s;
}

/* Without t some engines kill at once. */
int
docker_end(struct docker *d, const char *id, int stop_s, struct err *e)
{
	struct docker_req q = { .method = "POST", .path =
	    xasprintf("/containers/%s/stop?t=%d", id, stop_s),
	    .timeout_ms = stop_s * 1000 + SLACK_MS };
	struct docker_res res;
	int rv = 0;

	if (docker_call(d, &q, &res, e) == -1)
		return -1;
	if (!docker_ok(&res) && res.status != 404)
		rv = docker_fail(&res, e, "stopping");
	docker_res_release(&res);
	return rv;
}

int
docker_delete(struct docker *d, const char *id, int stop_s, struct err *e)
{
	struct docker_res res;
	int rv = -1;

	for (int i = 0; i < DELETE_TRIES && rv == -1; i++) {
		struct docker_req q = { .method = "DELETE", .path =
		    xasprintf("/containers/%s?force=1&v=1", id),
		    .timeout_ms = stop_s * 1000 + SLACK_MS };

		if (docker_call(d, &q, &res, e) == -1)
			return -1;
		rv = docker_ok(&res) || res.status == 404 ? 0 :
		    docker_fail(&res, e, "removing");
		docker_res_release(&res);
	}
	if (rv == -1)
		e->kind = ERR_RETRY;	/* "already in progress", mostly */
	return rv;
}

static const char *
state_of(const struct json *inspect)
{
	return inspect == NULL ? "gone" : docker_state(
	    json_str(json_get(inspect, "State"), "Status"));
}

static const char *
id_of(const struct json *inspect)
{
	return json_strd(inspect, "Id", "");
}

/* --- finding -------------------------------------------------------------- */

static int
refuse(const struct doing *t, struct err *e)
{
	const char *whose = label(t->there, LABEL_INSTANCE);

	if (whose != NULL)
		return err_set(e, ERR_CONFLICT, "the container %s belongs to "
		    "another controller, %s", t->name, whose);
	return err_set(e, ERR_CONFLICT, "there is a container %s that is not "
	    "ours; remove or rename it", t->name);
}

/* Somebody renamed it. */
static int
name_back(struct doing *t, struct err *e)
{
	struct docker_req q = { .method = "POST", .path =
	    xasprintf("/containers/%s/rename?name=%s", id_of(t->there),
	    t->name) };
	struct docker_res res;
	int rv = 0;

	if (docker_call(t->d, &q, &res, e) == -1)
		return -1;
	if (!docker_ok(&res))
		rv = docker_fail(&res, e, "giving it its name back");
	else
		strv_add(&t->out->did, "renamed back");
	docker_res_release(&res);
	return rv;
}

static int
look(struct doing *t, const char *id, struct err *e)
{
	json_free(t->there);
	return docker_inspect(t->d, id, &t->there, &t->out->has_answer, e);
}

/* What is there of it, or nothing; what is not ours is an error. */
static int
find(struct doing *t, struct err *e)
{
	const char *id = json_str(t->w->observed, "id"), *name;

	if (id != NULL && look(t, id, e) == -1)
		return -1;
	if (t->there == NULL && look(t, t->name, e) == -1)
		return -1;
	if (t->there == NULL)
		return 0;
	if (!docker_is_ours(t->there, t->w->instance))
		return refuse(t, e);
	name = json_strd(t->there, "Name", "");
	if (strcmp(name + (*name == '/'), t->name) != 0 &&
	    name_back(t, e) == -1)
		return -1;
	t->kept = str_equal(id, id_of(t->there));
	return 0;
}

static void
pause_ms(int ms)
{
	struct timespec ts = { ms / 1000, (long)(ms % 1000) * 1000000 };

	nanosleep(&ts, NULL);
}

/* Until it is no longer about to become something else. */
static int
wait_through(struct doing *t, struct err *e)
{
	int64_t end = clock_mono_ms() + 1000 * stop_s_of(t->there) +
	    SLACK_MS / 2;
	char *id;
	int rv;

	while (t->there != NULL && docker_is_passing(state_of(t->there))) {
		if (clock_mono_ms() > end)
			return err_set(e, ERR_RETRY, "%s is still %s",
			    t->name, state_of(t->there));
		pause_ms(WAIT_STEP_MS);
		id = xstrdup(id_of(t->there));
		rv = look(t, id, e);
		free(id);
		if (rv == -1)
			return -1;
	}
	return 0;
}

/* --- making and taking away ----------------------------------------------- */

static bool
says(const struct docker_res *res, const char *word)
{
	return strstr(res->text, word) != NULL;
}

static bool
is_taken(const struct docker_res *res)
{
	return res->status == 409 ||
	    (res->status == 500 && says(res, "already in use"));
}

/* An engine without an init of its own says so here, or at the start. */
static bool
lacks_init(const struct docker_res *res)
{
	return says(res, "catatonit") || says(res, "container-init") ||
	    says(res, "docker-init") || says(res, "init binary");
}

/* *taken: somebody has the name. */
static int
create_once(struct doing *t, bool *taken, bool *again, struct err *e)
{
	struct json *body = docker_create_body(t->w->desired, t->w->secrets,
	    &t->engine, e);
	struct docker_req q = { .method = "POST", .json = body,
	    .timeout_ms = CREATE_MS };
	struct docker_res res;
	int rv = 0;

	if (body == NULL)
		return -1;
	q.path = xasprintf("/containers/create?name=%s", t->name);
	rv = docker_call(t->d, &q, &res, e);
	json_wipe(body);
	if (rv == -1)
		return -1;
	*taken = is_taken(&res);
	if (res.status == 404)
		rv = err_set(e, ERR_RETRY, "%s cannot be made yet: %s",
		    t->name, res.text);
	else if (!docker_ok(&res) && lacks_init(&res) && !t->engine.no_init) {
		docker_engine_no_init(t->d);
		t->engine.no_init = *again = true;
	} else if (!docker_ok(&res) && !*taken)
		rv = docker_fail(&res, e, "making it");
	docker_res_release(&res);
	return rv;
}

static int
create(struct doing *t, struct err *e)
{
	bool taken = false, again = false;
	char hash[DOCKER_HASH];
	int rv;

	if (!docker_hash(t->w->desired, hash))
		return err_set(e, ERR_RETRY, "not all is known yet that %s "
		    "needs", t->name);
	rv = create_once(t, &taken, &again, e);
	if (rv == 0 && again)
		rv = create_once(t, &taken, &again, e);
	if (rv == -1)
		return -1;
	fault("docker.created");
	if (look(t, t->name, e) == -1)
		return -1;
	if (t->there == NULL)
		return err_set(e, ERR_RETRY, "%s was removed as soon as it was "
		    "made", t->name);
	if (!docker_is_ours(t->there, t->w->instance))
		return refuse(t, e);
	if (taken)
		return err_set(e, ERR_RETRY, "%s was made by somebody else "
		    "meanwhile", t->name);
	return 0;
}

static bool
is_up(const struct json *inspect)
{
	return strcmp(state_of(inspect), "running") == 0 ||
	    strcmp(state_of(inspect), "paused") == 0;
}

/* Gracefully if it will, but away. */
static int
take_away(struct docker *d, const struct json *inspect, struct err *e)
{
	int stop_s = stop_s_of(inspect);

	if (is_up(inspect) && docker_end(d, id_of(inspect), stop_s, e) == -1)
		log_info("docker", "%s: %s", json_strd(inspect, "Name", ""),
		    e->msg);
	if (docker_delete(d, id_of(inspect), stop_s, e) == -1)
		return -1;
	fault("docker.removed");
	return 0;
}

/* --- its token ------------------------------------------------------------ */

/* A user by name stands in the image's own list. */
static bool
look_up_user(struct doing *t, const char *user, unsigned *uid, unsigned *gid)
{
	struct docker_req q = { .method = "GET", .path = xasprintf(
	    "/containers/%s/archive?path=/etc/passwd", id_of(t->there)),
	    .timeout_ms = UPLOAD_MS };
	struct docker_res res;
	struct err ignored;
	bool found;

	if (docker_call(t->d, &q, &res, &ignored) == -1)
		return false;
	found = docker_ok(&res) && res.json == NULL && docker_user_in(
	    buf_str(&res.body), res.body.len, user, uid, gid);
	docker_res_release(&res);
	return found;
}

/* "1000:1000", "node": who the process is, and so whose its token is.  If that
 * cannot be found out the file is for all inside.  The mode. */
static unsigned
owner_of(struct doing *t, unsigned *uid, unsigned *gid)
{
	const char *user = json_strd(json_get(t->there, "Config"), "User", "");
	char *end;

	*uid = (unsigned)strtoul(user, &end, 10);
	*gid = 0;
	if (end != user && *end == ':')
		*gid = (unsigned)strtoul(end + 1, &end, 10);
	if (*user == '\0' || (end != user && *end == '\0') ||
	    look_up_user(t, user, uid, gid))
		return 0600;
	*uid = *gid = 0;
	return 0644;
}

static int
upload_once(struct doing *t, const struct buf *tar, const char *dir,
    struct err *e)
{
	char *escaped = http_escape(dir);
	struct docker_req q = { .method = "PUT", .path =
	    xasprintf("/containers/%s/archive?path=%s", id_of(t->there),
	    escaped), .tar = tar, .timeout_ms = UPLOAD_MS };
	struct docker_res res;
	int rv = 0;

	free(escaped);
	if (docker_call(t->d, &q, &res, e) == -1)
		return -1;
	if (!docker_ok(&res)) {
		rv = docker_fail(&res, e, "handing over its token");
		e->kind = ERR_RETRY;
	}
	docker_res_release(&res);
	return rv;
}

/* The one before ends soon after a new one is made: so at each ensure. */
static int
upload(struct doing *t, struct err *e)
{
	const char *token = json_str(t->w->secrets, "token");
	const char *dir = json_str(t->w->desired, "token_dir");
	unsigned uid, gid, mode;
	struct buf tar = {0};
	int rv = -1;

	if (token == NULL || dir == NULL)
		return 0;
	mode = owner_of(t, &uid, &gid);
	docker_tar(&tar, "token", token, mode, uid, gid);
	for (int i = 0; i < UPLOAD_TRIES && rv == -1; i++)
		rv = upload_once(t, &tar, dir, e);
	secret_wipe(tar.data, tar.len);
	buf_release(&tar);
	fault("docker.uploaded");
	return rv;
}

/* --- its death ------------------------------------------------------------ */

static void
mask(char **text, const struct json *secrets)
{
	const struct json *v;
	const char *s, *at;
	char *masked;

	for (v = json_first(secrets); v != NULL; v = json_next(v)) {
		s = json_value_str(v);
		if (s == NULL || strlen(s) < MASK_MIN)
			continue;
		while ((at = strstr(*text, s)) != NULL) {
			masked = xasprintf("%.*s***%s", (int)(at - *text),
			    *text, at + strlen(s));
			secret_free(*text);
			*text = masked;
		}
	}
}

/* The last lines it said, for people who ask why. */
static void
note_last_words(struct doing *t)
{
	struct json *lines, *log;
	const struct json *v;
	struct err ignored;
	char *text;

	if (docker_logs(t->d, id_of(t->there), LAST_LINES, &lines, &ignored) ==
	    -1)
		return;
	log = json_set(json_obj(t->form, "died"), "log", json_array());
	for (v = json_first(lines); v != NULL; v = json_next(v)) {
		text = xstrdup(json_strd(v, "text", ""));
		mask(&text, t->w->secrets);
		json_push_str(log, text);
		free(text);
	}
	json_free(lines);
}

/* Take what is seen now into the form; true if it died since we last knew. */
static bool
take_seen(struct doing *t)
{
	struct json *seen = docker_seen(t->there);
	int64_t deaths = json_int(t->form, "deaths", 0);
	int64_t at = json_int(json_get(t->form, "died"), "at_ms", 0);

	docker_container_absorb(t->form, seen);
	at = json_int(json_get(t->form, "died"), "at_ms", 0) == at ? 0 : at;
	json_free(seen);
	return json_int(t->form, "deaths", 0) != deaths || at != 0;
}

/* It is down, and should not be: is that a death that is to be told? */
static bool
is_dead(const struct doing *t)
{
	const struct json *died = json_get(t->form, "died");
	int64_t at = json_int(died, "at_ms", 0);

	return at > 0 && at == json_int(t->form, "ended_ms", 0) &&
	    at != json_int(t->form, "told_ms", 0);
}

/* A start that failed leaves nothing but the engine's answer. */
static void
note_failed_start(struct doing *t, const char *text)
{
	struct json *died = json_object();

	json_set_int(died, "code", 127);
	json_set_bool(died, "oom", false);
	json_set_int(died, "at_ms", clock_ms());
	json_set_strf(died, "error", "%.300s", text);
	json_set(t->form, "died", died);
	json_set_int(t->form, "deaths", json_int(t->form, "deaths", 0) + 1);
}

/* --- starting ------------------------------------------------------------- */

static int
start_failed(struct doing *t, const struct docker_res *res, struct err *e)
{
	note_failed_start(t, res->text);
	if (lacks_init(res) && !t->engine.no_init) {
		docker_engine_no_init(t->d);
		if (docker_delete(t->d, id_of(t->there), 0, e) == 0)
			err_set(e, ERR_RETRY, "the engine has no init; made "
			    "again without");
		return -1;
	}
	/* Nothing but another image or setting will help these. */
	if (says(res, "executable file not found") ||
	    says(res, "no such file or directory"))
		return err_set(e, ERR_USER, "%s does not start: %s", t->name,
		    res->text);
	return err_set(e, ERR_RETRY, "%s does not start: %s", t->name,
	    res->text);
}

static int
start(struct doing *t, struct err *e)
{
	bool paused = strcmp(state_of(t->there), "paused") == 0;
	struct docker_req q = { .method = "POST", .path =
	    xasprintf("/containers/%s/%s", id_of(t->there),
	    paused ? "unpause" : "start"), .timeout_ms = START_MS };
	struct docker_res res;
	int rv = 0;

	if (docker_call(t->d, &q, &res, e) == -1)
		return -1;
	if (res.status == 404)
		rv = err_set(e, ERR_RETRY, "%s was removed meanwhile",
		    t->name);
	else if (!docker_ok(&res))
		rv = start_failed(t, &res, e);
	docker_res_release(&res);
	if (rv == 0) {
		t->started = !paused;
		fault("docker.started");
	}
	return rv;
}

/* --- the form ------------------------------------------------------------- */

/* Of a container that is there: from what was observed if that is this one. */
static void
form_begin(struct doing *t)
{
	const struct json *was = t->w->observed;
	struct json *seen;

	json_free(t->form);
	t->form = t->kept ? json_copy(was) : json_object();
	json_set_str(t->form, "name", t->name);
	json_set_str(t->form, "id", id_of(t->there));
	if (t->kept) {
		take_seen(t);
		return;
	}
	/* Nothing of its past is ours to tell. */
	seen = docker_seen(t->there);
	json_set_int(t->form, "ended_ms", json_int(seen, "ended_ms", 0));
	docker_container_absorb(t->form, seen);
	json_free(seen);
}

/* What it is now. */
static void
form_end(struct doing *t)
{
	const struct json *desired = t->w->desired;
	char hash[DOCKER_HASH], *image;
	const char *made = label(t->there, LABEL_HASH);

	docker_hash(desired, hash);
	image = docker_image_id(json_strd(t->there, "Image", ""));
	json_set_str(t->form, "id", id_of(t->there));
	json_set_str(t->form, "hash", made != NULL ? made : "");
	if (str_equal(made, hash))
		json_set(t->form, "parts", docker_parts(desired));
	json_set_str(t->form, "image_id", image);
	free(image);
}

/* "as last done by us" */
static void
form_did(struct doing *t, const char *member)
{
	const struct json *v = json_get(t->w->desired, member);

	if (v != NULL)
		json_set(t->form, member, json_copy(v));
	else
		json_remove(t->form, member);
}

/* --- ensure --------------------------------------------------------------- */

static int
replace(struct doing *t, struct err *e)
{
	if (take_away(t->d, t->there, e) == -1)
		return -1;
	json_free(t->there);
	t->there = NULL;
	t->kept = false;
	if (create(t, e) == -1)
		return -1;
	strv_add(&t->out->did, "made anew");
	return 0;
}

static bool
has_other_hash(const struct doing *t)
{
	char hash[DOCKER_HASH];

	return docker_hash(t->w->desired, hash) &&
	    !str_equal(hash, label(t->there, LABEL_HASH));
}

/* Does a running one have to start anew?  Only what we know of it counts. */
static bool
needs_restart(const struct doing *t)
{
	struct changes c = { 0 };
	bool found = false;

	if (!t->kept || t->w->observed == NULL)
		return false;
	docker_container_diff(t->w->desired, t->w->observed, &c);
	for (size_t i = 0; i < c.n; i++)
		found |= str_equal(c.v[i].to, "restart");
	changes_release(&c);
	return found;
}

static void
say_start(struct doing *t, bool restart, bool fresh)
{
	char death[96];

	if (fresh)
		return;
	if (restart)
		strv_add(&t->out->did, "restarted");
	else if (!t->started)
		strv_add(&t->out->did, "resumed");
	else if (is_dead(t)) {
		strv_addf(&t->out->did, "started again after %s",
		    docker_death(json_get(t->form, "died"), death,
		    sizeof(death)));
		json_set(t->form, "told_ms", json_copy(json_get(json_get(
		    t->form, "died"), "at_ms")));
	} else
		strv_add(&t->out->did, "started");
}

/* It ended before we could look. */
static int
ended_at_once(struct doing *t, struct err *e)
{
	const struct json *log, *v, *last = NULL;
	char death[96];

	take_seen(t);
	note_last_words(t);
	log = json_get(json_get(t->form, "died"), "log");
	for (v = json_first(log); v != NULL; v = json_next(v))
		last = v;
	return err_set(e, ERR_RETRY, "%s ends as soon as it is started: %s%s"
	    "%.200s", t->name, docker_death(json_get(t->form, "died"), death,
	    sizeof(death)), last != NULL ? "; it says: " : "",
	    last != NULL ? json_value_str(last) : "");
}

/* What is there now, for the last time. */
static int
look_last(struct doing *t, struct err *e)
{
	struct json *seen;
	char *id = xstrdup(id_of(t->there));
	int rv = look(t, id, e);

	free(id);
	if (rv == -1)
		return -1;
	if (t->there == NULL)
		return err_set(e, ERR_RETRY, "%s was removed meanwhile",
		    t->name);
	if (strcmp(state_of(t->there), "running") != 0)
		return ended_at_once(t, e);
	seen = docker_seen(t->there);
	/* The end before this start was our doing, or is noted. */
	if (json_get(seen, "ended_ms") != NULL)
		json_set_int(t->form, "ended_ms",
		    json_int(seen, "ended_ms", 0));
	docker_container_absorb(t->form, seen);
	json_free(seen);
	form_end(t);
	return 0;
}

static int
run(struct doing *t, struct err *e)
{
	bool fresh = t->there == NULL, restart = false, up;

	if (t->there != NULL && has_other_hash(t)) {
		fresh = true;
		if (replace(t, e) == -1)
			return -1;
	} else if (fresh) {
		if (create(t, e) == -1)
			return -1;
		strv_add(&t->out->did, t->w->observed != NULL &&
		    !str_equal(json_str(t->w->observed, "state"), "stopped") ?
		    "made again" : "made");
	}
	form_begin(t);
	form_end(t);
	if (!fresh && is_dead(t))
		note_last_words(t);
	if (strcmp(state_of(t->there), "running") == 0 && needs_restart(t)) {
		restart = true;
		if (docker_end(t->d, id_of(t->there), stop_s_of(t->there),
		    e) == -1)
			return -1;
		json_remove(t->form, "died");
		json_remove(t->form, "deaths");
	}
	up = !restart && strcmp(state_of(t->there), "running") == 0;
	if (upload(t, e) == -1)
		return -1;
	if (!up && start(t, e) == -1)
		return -1;
	if (!up)
		say_start(t, restart, fresh);
	if (look_last(t, e) == -1)
		return -1;
	if (t->started || json_get(t->form, "restart") == NULL) {
		form_did(t, "restart");
		form_did(t, "config");
	}
	if (up && json_int(t->form, "period", 0) !=
	    json_int(t->w->desired, "period", 0) && t->kept)
		strv_add(&t->out->did, "token renewed");
	form_did(t, "period");
	return 0;
}

/* Nothing is made for one that is not to run. */
static int
rest(struct doing *t, struct err *e)
{
	if (t->there != NULL && is_up(t->there)) {
		char *id = xstrdup(id_of(t->there));
		int rv = docker_end(t->d, id, (int)json_int(t->w->desired,
		    "stop_s", STOP_S), e);

		if (rv == 0)
			rv = look(t, id, e);
		free(id);
		if (rv == -1 || wait_through(t, e) == -1)
			return -1;
		strv_add(&t->out->did, "stopped");
	}
	if (t->there == NULL) {
		t->form = json_object();
		json_set_str(t->form, "name", t->name);
		json_set_str(t->form, "state", "stopped");
		return 0;
	}
	t->form = t->kept ? json_copy(t->w->observed) : json_object();
	json_set_str(t->form, "name", t->name);
	json_set_str(t->form, "id", id_of(t->there));
	/* This end is ours. */
	json_set_int(t->form, "ended_ms", docker_time(json_str(json_get(
	    t->there, "State"), "FinishedAt")));
	take_seen(t);
	form_end(t);
	return 0;
}

static void
want(struct docker *d, const char *name)
{
	pthread_mutex_lock(&d->lock);
	map_set(d->wanted, name, d);
	pthread_mutex_unlock(&d->lock);
}

int
docker_container_ensure(void *ctx, const struct work *w, struct outcome *out,
    struct err *e)
{
	struct doing t = { .d = ctx, .w = w, .out = out,
	    .name = json_strd(w->desired, "name", "") };
	int rv;

	want(t.d, t.name);
	rv = docker_engine(t.d, true, &t.engine, e);
	if (rv == 0) {
		out->has_answer = true;
		rv = docker_check(w->desired, &t.engine, e);
	}
	if (rv == 0)
		rv = find(&t, e);
	if (rv == 0)
		rv = wait_through(&t, e);
	if (rv == 0)
		rv = str_equal(json_str(w->desired, "state"), "stopped") ?
		    rest(&t, e) : run(&t, e);
	out->observed = t.form != NULL ? t.form : json_copy(w->observed);
	json_free(t.there);
	return rv;
}

/* By its name, and by the id that it was known under. */
int
docker_container_remove(void *ctx, const struct work *w, struct outcome *out,
    struct err *e)
{
	struct docker *d = ctx;
	const char *colon = strchr(w->key, ':');
	char *name = xasprintf("%s-%s", w->instance, colon != NULL ?
	    colon + 1 : w->key);
	const char *by[] = { json_str(w->observed, "id"),
	    json_strd(w->observed, "name", name) };
	struct json *there = NULL;
	int rv = 0;

	for (size_t i = 0; i < NELEM(by) && rv == 0; i++) {
		if (by[i] == NULL)
			continue;
		rv = docker_inspect(d, by[i], &there, &out->has_answer, e);
		if (rv == 0 && there != NULL &&
		    docker_is_ours(there, w->instance)) {
			rv = take_away(d, there, e);
			if (rv == 0)
				strv_add_unique(&out->did, "removed");
		}
		json_free(there);
		there = NULL;
	}
	if (rv == -1)
		out->observed = json_copy(w->observed);
	else {
		pthread_mutex_lock(&d->lock);
		map_remove(d->wanted, by[1]);
		pthread_mutex_unlock(&d->lock);
	}
	free(name);
	return rv;
}
