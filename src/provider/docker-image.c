/*
 * Images: there, or pulled.
 *
 * A pull answers 200 and then tells line by line how it goes, and also that it
 * failed; a registry that takes the call and says nothing must not hold us for
 * ever, so silence has a limit of its own.
 *
 * An image is never removed: others on the machine may use it.
 */
#include "docker-int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hiclaw/clock.h"
#include "hiclaw/secure.h"

#define PULL_MS		3600000		/* gigabytes over a slow line */
#define SILENCE_MS	120000		/* Podman says little between layers */

char *
docker_image_id(const char *theirs)
{
	return *theirs == '\0' || str_starts(theirs, "sha256:") ?
	    xstrdup(theirs) : xasprintf("sha256:%s", theirs);
}

void
docker_image_diff(const struct json *desired, const struct json *observed,
    struct changes *out)
{
	const char *to = json_str(desired, "ref");
	const char *from = json_str(observed, "ref");

	if (observed == NULL)
		changes_add(out, RISK_CREATE, "image", NULL, to);
	else if (!str_equal(to, from))
		changes_add(out, RISK_UPDATE, "image", from, to);
}

/* --- pulling -------------------------------------------------------------- */

struct pulling {
	struct docker_pull	 pull;
	struct docker_lines	 lines;
	const struct work	*w;
	int64_t			 heard_ms;	/* monotonic */
	bool			 silent;
};

static int
on_line(void *arg, const char *line, size_t n)
{
	struct pulling *p = arg;
	char before[sizeof(p->pull.said)];

	str_copy(before, p->pull.said, sizeof(before));
	docker_pull_line(&p->pull, line, n);
	if (strcmp(before, p->pull.said) != 0 && p->w->progress != NULL)
		p->w->progress(p->w->progress_arg, p->pull.said);
	return 0;
}

static int
on_chunk(void *arg, const char *data, size_t n)
{
	struct pulling *p = arg;

	p->heard_ms = clock_mono_ms();
	return docker_lines(&p->lines, data, n, on_line, p);
}

static bool
on_poll(void *arg)
{
	struct pulling *p = arg;

	p->silent = clock_mono_ms() - p->heard_ms > SILENCE_MS;
	return p->silent;
}

/* "X-Registry-Auth: ..." for this host; yours, for secret_free, or NULL. */
static char *
auth_header(const struct json *registries, const char *host)
{
	const struct json *v;
	struct json *auth;
	char *text, *coded, *header;

	for (v = json_first(registries); v != NULL; v = json_next(v))
		if (str_equal(json_str(v, "host"), host))
			break;
	if (v == NULL)
		return NULL;
	auth = json_object();
	json_set_str(auth, "username", json_strd(v, "username", ""));
	json_set_str(auth, "password", json_strd(v, "password", ""));
	json_set_str(auth, "serveraddress", host);
	text = json_canonical(auth);
	json_wipe(auth);
	coded = base64_encode(text, strlen(text));
	secret_free(text);
	for (char *c = coded; *c != '\0'; c++)
		*c = *c == '+' ? '-' : *c == '/' ? '_' : *c;
	header = xasprintf("X-Registry-Auth: %s", coded);
	secret_free(coded);
	return header;
}

static int
pull_result(const struct pulling *p, const struct docker_res *res,
    const char *ref, const char *host, struct err *e)
{
	const char *text = p->pull.error[0] != '\0' ? p->pull.error : res->text;

	if (p->silent)
		return err_set(e, ERR_RETRY, "pulling %s: nothing was heard "
		    "from %s for %d s", ref, host, SILENCE_MS / 1000);
	if (docker_ok(res) && p->pull.error[0] == '\0')
		return 0;
	switch (docker_pull_kind(text)) {
	case ERR_DENIED:
		return err_set(e, ERR_DENIED, "%s does not let us have %s: "
		    "%.300s", host, ref, text);
	case ERR_NOTFOUND:
		return err_set(e, ERR_NOTFOUND, "%s has no image %s: %.300s",
		    host, ref, text);
	case ERR_USER:
		return err_set(e, ERR_USER, "the image %s cannot be used: "
		    "%.300s", ref, text);
	default:
		return err_set(e, ERR_RETRY, "%s could not be pulled from %s: "
		    "%.300s", ref, host, text);
	}
}

static int
pull(struct docker *d, const struct work *w, const char *ref, struct err *e)
{
	struct pulling p = { .w = w, .heard_ms = clock_mono_ms() };
	char *host, *name, *tag, *escaped, *etag, *auth;
	struct docker_req q = { .method = "POST", .chunk = on_chunk,
	    .is_over = on_poll, .arg = &p, .timeout_ms = PULL_MS };
	struct docker_res res;
	int rv;

	docker_ref_split(ref, &host, &name, &tag);
	escaped = http_escape(name);
	etag = http_escape(tag);
	auth = auth_header(d->registries, host);
	docker_pull_init(&p.pull);
	q.path = xasprintf("/images/create?fromImage=%s&tag=%s", escaped, etag);
	q.header = auth;
	rv = docker_call(d, &q, &res, e);
	if (rv == 0 || p.silent) {
		rv = pull_result(&p, &res, ref, host, e);
		docker_res_release(&res);
	}
	docker_pull_release(&p.pull);
	docker_lines_release(&p.lines);
	secret_free(auth);
	free(etag);
	free(escaped);
	free(tag);
	free(name);
	free(host);
	return rv;
}

/* --- the kind ------------------------------------------------------------- */

static int
inspect(struct docker *d, const char *ref, struct json **there,
    bool *answered, struct err *e)
{
	/* Slashes stay: some engines do not take them escaped. */
	struct buf path = {0};
	char c[2] = "", *escaped;

	buf_puts(&path, "/images/");
	for (const char *s = ref; *s != '\0'; s++) {
		c[0] = *s;
		escaped = http_escape(c);
		buf_puts(&path, *s == '/' ? "/" : escaped);
		free(escaped);
	}
	buf_puts(&path, "/json");
	return docker_get(d, buf_take(&path), 0, there, answered, e);
}

int
docker_image_ensure(void *ctx, const struct work *w, struct outcome *out,
    struct err *e)
{
	struct docker *d = ctx;
	const char *ref = json_strd(w->desired, "ref", "");
	const char *policy = json_strd(w->desired, "pull", "missing");
	struct json *there = NULL;
	char *id;
	int rv;

	if (*ref == '\0')
		return err_set(e, ERR_USER, "an image without a name");
	rv = inspect(d, ref, &there, &out->has_answer, e);
	if (rv == 0 && strcmp(policy, "never") != 0 &&
	    (there == NULL || strcmp(policy, "always") == 0)) {
		rv = pull(d, w, ref, e);
		json_free(there);
		there = NULL;
		if (rv == 0)
			rv = inspect(d, ref, &there, NULL, e);
		if (rv == 0 && there != NULL)
			strv_add(&out->did, "pulled");
	}
	if (rv == 0 && there == NULL)
		rv = err_set(e, ERR_NOTFOUND, strcmp(policy, "never") == 0 ?
		    "the image %s is not here, and it is never to be pulled: "
		    "load it" : "the image %s is not here although it was "
		    "pulled", ref);
	if (rv == 0) {
		out->observed = json_object();
		id = docker_image_id(json_strd(there, "Id", ""));
		json_set_str(out->observed, "ref", ref);
		json_set_str(out->observed, "id", id);
		free(id);
	} else
		out->observed = json_copy(w->observed);
	json_free(there);
	return rv;
}

int
docker_image_remove(void *ctx, const struct work *w, struct outcome *out,
    struct err *e)
{
	(void)ctx;
	(void)w;
	(void)out;
	(void)e;
	return 0;
}
