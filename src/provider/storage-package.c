/*
 * The package of an agent: seeds for its home.  A file of it is written when
 * there is none, and afterwards it is the agent's.  A new package replaces (or
 * takes away) only what still has the bytes that the last one put there; what
 * the agent has changed stays, and that is said.
 *
 * A seed that the agent deletes is not written again, but a home that has lost
 * all of them is seeded anew.
 *
 * The observed form has a uri only when all its files are in place.
 */
#include "storage-int.h"

#include <stdlib.h>
#include <string.h>

#include "hiclaw/secure.h"

void
storage_package_diff(const struct json *desired, const struct json *observed,
    struct changes *out)
{
	const char *from = json_str(observed, "uri");
	const char *to = json_str(desired, "uri");

	if (str_equal(from, to) && strcmp(json_strd(observed, "runtime", ""),
	    json_strd(desired, "runtime", "")) == 0)
		return;
	changes_add(out, from == NULL ? RISK_CREATE : RISK_UPDATE, "package",
	    from, to);
}

/* --- fetching ------------------------------------------------------------- */

static int
read_stored(void *arg, const char *path, struct buf *data, struct err *e)
{
	struct storage *s = arg;
	char *full = xasprintf("hiclaw-config/%s", path);
	struct storage_stat st = {0};
	int rv = path_check(full, e);

	if (rv == 0)
		rv = s->ops->get(s, full, data, &st, e);
	if (rv == 1)
		rv = err_set(e, ERR_USER, "%s: over %d MiB", path,
		    STORAGE_FILE_MAX / 1024 / 1024);
	free(full);
	return rv;
}

struct package_source
package_source_of(struct storage *s)
{
	struct package_source src = { .imports = s->imports,
	    .private_addresses = s->private_packages, .stored = read_stored,
	    .arg = s };

	return src;
}

struct want { struct storage *s; const char *uri; };

static int
fetch_package(void *arg, struct package *out, struct err *e)
{
	const struct want *want = arg;
	struct package_source src = package_source_of(want->s);
	bool same = false;

	return package_fetch(want->uri, &src, NULL, &same, out, e);
}

/* --- writing -------------------------------------------------------------- */

struct seeding {
	struct storage	*s;
	const char	*home;
	const struct json *before;	/* path -> digest of what we put */
	struct json	*files;		/* the same, now */
	struct outcome	*out;
};

/* What is at this path: its digest, "" when nothing is. */
static int
digest_of(struct storage *s, const char *path, char hash[SHA256_HEX],
    struct storage_stat *st, struct err *e)
{
	struct buf data = {0};
	struct err why;
	int rv;

	hash[0] = '\0';
	buf_init(&data, STORAGE_FILE_MAX);
	rv = s->ops->get(s, path, &data, st, &why);
	if (rv == 0)
		sha256_hex(buf_str(&data), data.len, hash);
	buf_release(&data);
	if (rv == -1 && why.kind != ERR_NOTFOUND) {
		*e = why;
		return -1;
	}
	if (rv == 1)	/* too large to be ours */
		str_copy(hash, "other", SHA256_HEX);
	return 0;
}

static int
seed_file(const struct seeding *g, const struct package_file *f,
    const char *path, struct err *e)
{
	const char *before = json_str(g->before, f->path);
	struct storage_stat st = {0};
	char now[SHA256_HEX] = "", hash[SHA256_HEX];
	int rv;

	sha256_hex(f->data, f->len, hash);
	if (before != NULL && digest_of(g->s, path, now, &st, e) == -1)
		return -1;
	if (now[0] != '\0' && strcmp(now, hash) == 0) {
		json_set_str(g->files, f->path, hash);
		return 0;
	}
	rv = 1;
	if (now[0] == '\0' || str_equal(now, before))
		rv = g->s->ops->put(g->s, path, f->data, f->len,
		    f->executable ? 0700 : 0600,
		    now[0] == '\0' ? STORAGE_ABSENT : STORAGE_MATCH,
		    st.version, &st, e);
	if (rv == -1)
		return -1;
	if (rv == 0) {
		strv_addf(&g->out->did, "%s %s", now[0] == '\0' ? "seeded" :
		    "updated", f->path);
		json_set_str(g->files, f->path, hash);
	} else if (before != NULL) {
		strv_addf(&g->out->did, "kept %s: changed by the agent",
		    f->path);
		json_set_str(g->files, f->path, before);
	}
	return 0;
}

/* A file that the new package has no more. */
static int
drop_file(const struct seeding *g, const char *name, const char *before,
    struct err *e)
{
	char *path = xasprintf("%s/%s", g->home, name), now[SHA256_HEX];
	const char *const paths[] = { path };
	struct storage_stat st = {0};
	int rv = path_check(path, e);

	if (rv == 0)
		rv = digest_of(g->s, path, now, &st, e);
	if (rv == 0 && now[0] != '\0' && strcmp(now, before) == 0) {
		rv = g->s->ops->remove(g->s, paths, 1, e);
		if (rv == 0)
			strv_addf(&g->out->did, "removed %s", name);
	} else if (rv == 0 && now[0] != '\0')
		strv_addf(&g->out->did, "kept %s: changed by the agent", name);
	free(path);
	return rv;
}

static const struct package_file *
find_file(const struct package *p, const char *path)
{
	size_t i;

	for (i = 0; i < p->n; i++)
		if (strcmp(p->files[i].path, path) == 0)
			return &p->files[i];
	return NULL;
}

static int
seed_all(const struct seeding *g, const struct package *p, struct err *e)
{
	const struct json *v;
	char *path;
	size_t i;
	int rv = 0;

	for (i = 0; rv == 0 && i < p->n; i++) {
		path = xasprintf("%s/%s", g->home, p->files[i].path);
		rv = path_check(path, e);
		if (rv == 0)
			rv = seed_file(g, &p->files[i], path, e);
		free(path);
	}
	for (v = json_first(g->before); rv == 0 && v != NULL;
	    v = json_next(v)) {
		if (find_file(p, json_key(v)) != NULL)
			continue;
		rv = drop_file(g, json_key(v),
		    json_value_str(v) == NULL ? "" : json_value_str(v), e);
		if (rv == 0)
			json_remove(g->files, json_key(v));
	}
	return rv;
}

int
storage_package_ensure(void *ctx, const struct work *w, struct outcome *out,
    struct err *e)
{
	struct storage *s = ctx;
	struct want want = { s, json_str(w->desired, "uri") };
	const char *home = json_str(w->desired, "path");
	const char *runtime = json_strd(w->desired, "runtime", "");
	struct package layout = {0};
	struct cached *got = NULL;
	struct strv notes = {0};
	struct json *form = w->observed == NULL ? json_object() :
	    json_copy(w->observed);
	struct seeding g = { s, home, json_get(w->observed, "files"),
	    json_obj(form, "files"), out };
	size_t i;
	int rv = -1;

	if (path_check(home, e) == -1)
		goto out;
	if (want.uri == NULL) {
		err_set(e, ERR_USER, "%s: no uri", w->key);
		goto out;
	}
	if (str_equal(json_str(form, "uri"), want.uri) &&
	    str_equal(json_str(form, "runtime"), runtime)) {
		rv = 0;
		goto out;
	}
	got = cache_get(s->cache, want.uri, fetch_package, &want, e);
	if (got == NULL || package_layout(cached_package(got), runtime, &layout,
	    &notes, e) == -1)
		goto out;
	json_remove(form, "uri");	/* until all is there */
	json_set_str(form, "path", home);
	rv = seed_all(&g, &layout, e);
	if (rv == 0) {
		json_set_str(form, "uri", want.uri);
		json_set_str(form, "runtime", runtime);
		json_set_str(form, "digest", cached_package(got)->digest);
		for (i = 0; i < notes.n; i++)
			strv_add(&out->did, notes.v[i]);
	}
out:
	cache_drop(s->cache, got);
	package_release(&layout);
	strv_release(&notes);
	if (rv == -1 && json_size(g.files) == 0) {
		json_free(form);
		form = json_copy(w->observed);
	}
	out->observed = form;
	return rv;
}

/* What was seeded belongs to the agent, and goes with its tree. */
int
storage_package_remove(void *ctx, const struct work *w, struct outcome *out,
    struct err *e)
{
	(void)ctx, (void)w, (void)out, (void)e;
	return 0;
}

/* --- looking -------------------------------------------------------------- */

static void
package_paths(const struct json *observed, struct strv *out)
{
	const char *home = json_strd(observed, "path", "");
	const struct json *v;

	for (v = json_first(json_get(observed, "files")); v != NULL;
	    v = json_next(v))
		strv_addf(out, "%s/%s", home, json_key(v));
}

static int
package_judge(struct storage *s, const struct json *observed,
    const struct look *l, struct json **now, bool *is_changed, struct err *e)
{
	struct strv paths = {0};
	bool any = false;
	size_t i;

	(void)s, (void)e, (void)now;
	package_paths(observed, &paths);
	for (i = 0; !any && i < paths.n; i++)
		any = look_find(l, paths.v[i]) != NULL;
	*is_changed = paths.n > 0 && !any;
	strv_release(&paths);
	return 0;
}

const struct look_kind look_package = {
	"package", package_paths, package_judge
};
