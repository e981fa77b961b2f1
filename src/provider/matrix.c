/*
 * The Matrix homeserver as an outside system: accounts of agents, accounts of
 * people, pictures, rooms.  This file has the table row, the pure parts and the
 * pictures; each of the other kinds has a file of its own beside it.
 */
#include "provider-int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hiclaw/clock.h"
#include "hiclaw/secure.h"
#include "matrix-int.h"

#define FILE_MAX	(1024 * 1024)	/* of a picture */
#define OWN_DOING_MS	90000	/* until the homeserver has told of it */

bool
is_agent(const struct mx *mx, const char *user)
{
	size_t n = strlen(mx->prefix);

	return user[0] == '@' && strncmp(user + 1, mx->prefix, n) == 0 &&
	    user[1 + n] == '_' && str_equal(mxid_domain(user), mx->domain);
}

/* ERR_BROKEN is a call that we cut off ourselves, to shut down. */
bool
was_refused(const struct err *e)
{
	return e->kind != ERR_RETRY && e->kind != ERR_BROKEN;
}

int
room_post(const struct mx *mx, const char *user, const char *room,
    const char *verb, struct json *body, struct mx_answer *a, struct err *e)
{
	char *path = mx_path(V3 "/rooms/%s/%s", room, verb);
	int rv;

	rv = mx_call(mx, "POST", path, user, body, a, e);
	free(path);
	json_free(body);
	return rv;
}

int
room_quit(const struct mx *mx, const char *user, const char *room,
    struct err *e)
{
	struct mx_answer a = {0};
	int rv;

	rv = mx_leave(mx, user, room, e);
	if (rv == -1 && !was_refused(e))
		return -1;
	rv = room_post(mx, user, room, "forget", NULL, &a, e);
	mx_answer_release(&a);
	return rv == -1 && !was_refused(e) ? -1 : 0;
}

/* --- accounts: differences ---------------------------------------------- */

static void
account_diff(const struct json *desired, const struct json *observed,
    struct changes *out)
{
	const char *user = json_str(desired, "user");
	const char *device = json_str(desired, "device");
	const char *have = json_str(observed, "user");

	if (!json_bool(observed, "made", false) || !str_equal(user, have))
		changes_add(out, have == NULL ? RISK_CREATE : RISK_CREDENTIAL,
		    "account", have, user);
	else if (!str_equal(device, json_str(observed, "device")))
		changes_add(out, RISK_CREDENTIAL, "device",
		    json_str(observed, "device"), device);
	else if (json_bool(observed, "doubt", false))
		changes_add(out, RISK_UPDATE, "token", "in doubt", "good");
}

static const char *
account_handle(const struct json *observed)
{
	return json_str(observed, "user");
}

/*
 * {"type": "doubt", "at_ms"}: its devices changed, or it says that its token is
 * refused (then without a time).  What we did ourselves changes devices, too.
 */
static bool
account_absorb(struct json *observed, const struct json *event)
{
	int64_t at = json_int(event, "at_ms", INT64_MAX);

	if (!str_equal(json_str(event, "type"), "doubt") ||
	    json_bool(observed, "doubt", false) ||
	    at < json_int(observed, "made_ms", 0) + OWN_DOING_MS)
		return false;
	json_set_bool(observed, "doubt", true);
	return true;
}

/* Name and password of a person are theirs; only the id is ours to say. */
static void
human_diff(const struct json *desired, const struct json *observed,
    struct changes *out)
{
	const char *user = json_str(desired, "user");
	const char *have = json_str(observed, "user");

	if (user != NULL && !str_equal(user, have))
		changes_add(out, have == NULL ? RISK_CREATE : RISK_UPDATE,
		    "account", have, user);
}

/* The account stays with its owner. */
static int
human_remove(void *ctx, const struct work *w, struct outcome *out,
    struct err *e)
{
	return 0;
}

/* --- pictures ----------------------------------------------------------- */

static void
media_diff(const struct json *desired, const struct json *observed,
    struct changes *out)
{
	const char *file = json_str(desired, "file");
	const char *have = json_str(observed, "file");

	if (json_str(observed, "mxc") == NULL || !str_equal(file, have))
		changes_add(out, have == NULL ? RISK_CREATE : RISK_UPDATE,
		    "picture", have, file);
}

static int
read_file(const char *dir, const char *name, struct buf *out, struct err *e)
{
	char *path, chunk[16384];
	ssize_t n;
	int fd, rv = 0;

	if (dir == NULL || name == NULL || name[0] == '/' ||
	    strstr(name, "..") != NULL)
		return err_set(e, ERR_BROKEN, "no picture \"%s\" in the "
		    "templates", name == NULL ? "" : name);
	path = xasprintf("%s/%s", dir, name);
	buf_init(out, FILE_MAX);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd == -1) {
		rv = err_set(e, ERR_BROKEN, "%s: %s", path, strerror(errno));
		goto out;
	}
	while ((n = read(fd, chunk, sizeof(chunk))) > 0)
		buf_add(out, chunk, (size_t)n);
	if (n == -1)
		rv = err_set(e, ERR_BROKEN, "%s: %s", path, strerror(errno));
	else if (out->overflow)
		rv = err_set(e, ERR_BROKEN, "%s: larger than %d bytes", path,
		    FILE_MAX);
	close(fd);
out:
	free(path);
	return rv;
}

/*
 * Uploaded once: equal bytes uploaded again would be another address.  Dying
 * between upload and record leaves an orphan in the repository and no harm.
 */
static int
media_ensure(void *arg, const struct work *w, struct outcome *out,
    struct err *e)
{
	const struct matrix_ctx *c = arg;
	const char *file = json_str(w->desired, "file");
	const char *have = json_str(w->observed, "mxc");
	char hash[SHA256_HEX], *mxc = NULL;
	struct buf data = {0};
	int rv;

	rv = read_file(c->templates, file, &data, e);
	if (rv == -1)
		goto out;
	sha256_hex(buf_str(&data), data.len, hash);
	if (have != NULL && str_equal(hash, json_str(w->observed, "sha256")))
		mxc = xstrdup(have);
	else {
		rv = mx_upload(c->mx, file, str_ends(file, ".svg") ?
		    "image/svg+xml" : "image/png", buf_str(&data), data.len,
		    &mxc, e);
		if (rv == -1)
			goto out;
		strv_add(&out->did, "uploaded");
	}
	out->observed = json_object();
	json_set_str(out->observed, "mxc", mxc);
	json_set_str(out->observed, "file", file);
	json_set_str(out->observed, "sha256", hash);
out:
	if (rv == -1)
		out->observed = json_copy(w->observed);
	free(mxc);
	buf_release(&data);
	return rv;
}

/* The repository has no call to delete; rooms may still show the picture. */
static int
media_remove(void *ctx, const struct work *w, struct outcome *out,
    struct err *e)
{
	return 0;
}

/* --- the row ------------------------------------------------------------ */

static int
matrix_open(const struct provider_env *env, void **ctx, struct err *e)
{
	struct matrix_ctx *c;

	*ctx = NULL;
	if (env->matrix == NULL)
		return 0;
	c = xcalloc(1, sizeof(*c));
	c->mx = env->matrix;
	c->templates = xstrdup(env->templates_dir);
	c->our_url = xstrdup(env->gateway.controller_url);
	*ctx = c;
	return 0;
}

static void
matrix_close(void *arg)
{
	struct matrix_ctx *c = arg;

	if (c == NULL)
		return;
	free(c->templates);
	free(c->our_url);
	free(c);
}

/* How do we stand with the homeserver, both ways? */
static int
health(struct matrix_ctx *c, struct json *answer, struct err *e)
{
	struct mx_answer a = {0};
	int64_t began = clock_mono_ms();
	const struct json *v, *newest = NULL;
	bool is_config;
	int rv;

	rv = mx_call(c->mx, "GET", "/_matrix/client/versions", "", NULL, &a,
	    e);
	if (rv == -1)
		goto out;
	json_set_int(answer, "ms", clock_mono_ms() - began);
	v = json_first(json_get(a.body, "versions"));
	for (; v != NULL; v = json_next(v))
		newest = v;
	json_set_str(answer, "version", json_value_str(newest));
	if (mx_hello(c->mx, c->our_url, &is_config, e) == -1)
		json_set_str(answer, "trouble", e->msg);
out:
	mx_answer_release(&a);
	return rv;
}

static int
matrix_query(void *ctx, const struct json *question, struct json **answer,
    struct err *e)
{
	if (strcmp(json_strd(question, "op", ""), "health") != 0)
		return err_set(e, ERR_USER, "the homeserver can be asked for "
		    "its health");
	*answer = json_object();
	if (health(ctx, *answer, e) == 0)
		return 0;
	json_free(*answer);
	*answer = NULL;
	return -1;
}

static const struct object_secret human_secrets[] = {
	{ .name = "password" }, { .name = NULL }
};

static const struct object_secret account_secrets[] = {
	{ .name = "token", .is_kept = true }, { .name = NULL }
};

static const struct object_kind kinds[] = {
	{ .name = "account", .label = "account", .diff = account_diff,
	    .secrets = account_secrets, .absorb = account_absorb,
	    .handle = account_handle,
	    .ensure = account_ensure, .remove = account_remove },
	{ .name = "human", .label = "person", .secrets = human_secrets,
	    .diff = human_diff, .ensure = human_ensure,
	    .remove = human_remove },
	{ .name = "media", .label = "picture", .diff = media_diff,
	    .ensure = media_ensure, .remove = media_remove },
	{ .name = "room", .label = "room", .diff = room_diff,
	    .absorb = room_absorb, .handle = room_handle,
	    .ensure = room_ensure, .remove = room_remove },
	{ .name = NULL }
};

/* Four calls in flight keep Synapse busy; more only stretches each of them. */
const struct provider provider_matrix = {
	.name = "matrix",
	.concurrency = 4,
	.kinds = kinds,
	.open = matrix_open,
	.close = matrix_close,
	.query = matrix_query,
	.observe = NULL,	/* events and one /sync tell everything */
};
