/*
 * The skills of an agent: directories below agents/<name>/skills that we own,
 * copied from templates/skills or from a registry.  Which files we wrote stands
 * in the observed form, so that only those are ever put right or taken away:
 *
 *	{"path", "skills": {name: {"source", "files": {path: version}}}}
 *
 * source is the digest of a skill of the templates, or that of the desired
 * entry of another; version is "" for a file that is no longer as we left it.
 */
#include "storage-int.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "hiclaw/file.h"
#include "hiclaw/secure.h"

#define TEXT_MAX	(256 * 1024)	/* as src/world/library.c */
#define DEPTH_MAX	8

/* --- comparing ------------------------------------------------------------ */

static void
source_of(const struct json *entry, char source[SHA256_HEX])
{
	char *text;

	if (json_str(entry, "digest") != NULL) {
		str_copy(source, json_str(entry, "digest"), SHA256_HEX);
		return;
	}
	text = json_canonical(entry);
	sha256_hex(text, strlen(text), source);
	free(text);
}

static size_t
spoiled_files(const struct json *entry)
{
	const struct json *v;
	size_t n = 0;

	for (v = json_first(json_get(entry, "files")); v != NULL;
	    v = json_next(v))
		if (json_value_str(v) == NULL || json_value_str(v)[0] == '\0')
			n++;
	return n;
}

static void
skill_change(const struct json *desired, const struct json *observed,
    struct changes *out)
{
	char source[SHA256_HEX], *what;
	char from[48];

	what = xasprintf("skill %s", json_key(desired));
	source_of(desired, source);
	snprintf(from, sizeof(from), "%zu files changed",
	    spoiled_files(observed));
	if (observed == NULL)
		changes_add(out, RISK_CREATE, what, NULL, "there");
	else if (!str_equal(source, json_str(observed, "source")))
		changes_add(out, RISK_UPDATE, what, NULL, "new");
	else if (spoiled_files(observed) > 0)
		changes_add(out, RISK_UPDATE, what, from, "ours");
	free(what);
}

void
storage_skills_diff(const struct json *desired, const struct json *observed,
    struct changes *out)
{
	const struct json *have = json_get(observed, "skills");
	const struct json *want = json_get(desired, "skills"), *v;
	char *what;

	if (json_str(observed, "path") == NULL)
		changes_add(out, RISK_CREATE, "skills", NULL,
		    json_str(desired, "path"));
	for (v = json_first(want); v != NULL; v = json_next(v))
		skill_change(v, json_get(have, json_key(v)), out);
	for (v = json_first(have); v != NULL; v = json_next(v)) {
		if (json_get(want, json_key(v)) != NULL)
			continue;
		what = xasprintf("skill %s", json_key(v));
		changes_add(out, RISK_UPDATE, what, "there", NULL);
		free(what);
	}
}

/* --- from the templates --------------------------------------------------- */

/* Files below dir, relative to it; as src/world/library.c walks. */
static int
walk(const char *dir, const char *at, int depth, struct strv *out,
    struct err *e)
{
	char *path = at[0] == '\0' ? xstrdup(dir) :
	    xasprintf("%s/%s", dir, at), *sub, *full;
	DIR *d = opendir(path);
	const struct dirent *ent;
	struct stat st;
	int rv = 0;

	if (d == NULL)
		rv = err_set(e, errno == ENOENT ? ERR_NOTFOUND : ERR_RETRY,
		    "%s: %s", path, strerror(errno));
	while (rv == 0 && (ent = readdir(d)) != NULL) {
		if (ent->d_name[0] == '.')
			continue;
		sub = at[0] == '\0' ? xstrdup(ent->d_name) :
		    xasprintf("%s/%s", at, ent->d_name);
		full = xasprintf("%s/%s", dir, sub);
		if (stat(full, &st) == -1)
			rv = err_set(e, ERR_RETRY, "%s: %s", full,
			    strerror(errno));
		else if (S_ISREG(st.st_mode))
			strv_add(out, sub);
		else if (S_ISDIR(st.st_mode) && depth < DEPTH_MAX)
			rv = walk(dir, sub, depth + 1, out, e);
		free(sub);
		free(full);
	}
	if (d != NULL)
		closedir(d);
	free(path);
	return rv;
}

static void
add_file(struct package *p, const char *path, char *data, bool executable)
{
	struct package_file *f;

	p->files = xreallocarray(p->files, p->n + 1, sizeof(*p->files));
	f = &p->files[p->n++];
	f->path = xstrdup(path);
	f->data = data;
	f->len = strlen(data);
	f->executable = executable;
}

static int
read_skill(const char *dir, struct package *p, struct err *e)
{
	struct strv paths = {0};
	struct buf all = {0};
	struct stat st;
	char *full, *text;
	size_t i;
	int rv = walk(dir, "", 0, &paths, e);

	strv_sort(&paths);
	for (i = 0; rv == 0 && i < paths.n; i++) {
		full = xasprintf("%s/%s", dir, paths.v[i]);
		text = file_read(full, TEXT_MAX, e);
		if (text == NULL || stat(full, &st) == -1)
			rv = -1;
		else {
			buf_add(&all, paths.v[i], strlen(paths.v[i]) + 1);
			buf_printf(&all, "%zu", strlen(text));
			buf_putc(&all, '\0');
			buf_puts(&all, text);
			add_file(p, paths.v[i], text,
			    (st.st_mode & 0100) != 0);
		}
		free(full);
	}
	sha256_hex(buf_str(&all), all.len, p->digest);
	buf_release(&all);
	strv_release(&paths);
	return rv;
}

static bool
is_part(const char *name)
{
	struct strv parts = {0};
	bool ok = storage_split(name, &parts) && parts.n == 1;

	strv_release(&parts);
	return ok;
}

static int
local_skill(struct storage *s, const struct json *entry, struct package *out,
    struct err *e)
{
	const char *set = json_strd(entry, "set", ""), *name = json_key(entry);
	struct package p = {0};
	char *dir;
	int rv;

	if (!is_part(set) || s->templates_dir == NULL)
		return err_set(e, ERR_USER, "skill %s: no such set: \"%s\"",
		    name, set);
	dir = xasprintf("%s/skills/%s/%s", s->templates_dir, set, name);
	rv = read_skill(dir, &p, e);
	free(dir);
	if (rv == -1 && e->kind == ERR_NOTFOUND)
		err_set(e, ERR_USER, "skill %s: there is none in the set %s",
		    name, set);
	if (rv == 0 && !str_equal(p.digest, json_str(entry, "digest")))
		rv = err_set(e, ERR_RETRY, "skill %s: the templates have "
		    "changed: restart the controller", name);
	if (rv == -1)
		package_release(&p);
	else
		*out = p;
	return rv;
}

/* --- from elsewhere ------------------------------------------------------- */

struct want { struct storage *s; const struct json *entry; };

static int
fetch_skill(void *arg, struct package *out, struct err *e)
{
	const struct want *want = arg;
	struct package_source src = package_source_of(want->s);
	const struct json *entry = want->entry;

	return package_skill(json_str(entry, "source"),
	    json_str(entry, "authType"),
	    json_strd(entry, "name", json_key(entry)),
	    json_str(entry, "version"), json_str(entry, "label"), &src, out, e);
}

static struct cached *
remote_skill(struct storage *s, const struct json *entry, struct err *e)
{
	struct want want = { s, entry };
	char *text = json_canonical(entry), *key;
	struct cached *got;

	key = xasprintf("skill:%s:%s", json_key(entry), text);
	got = cache_get(s->cache, key, fetch_skill, &want, e);
	free(key);
	free(text);
	return got;
}

/* --- writing -------------------------------------------------------------- */

struct placing {
	struct storage	*s;
	char		*dir;		/* agents/alice/skills/find-skills */
	const char	*name;
	const struct json *before;	/* path -> version, or NULL */
	bool		 is_current;	/* before is of the same source */
	struct json	*files;		/* the same, now */
	size_t		 wrote;
};

static int
place_file(struct placing *p, const struct package_file *f, struct err *e)
{
	const char *before = json_str(p->before, f->path);
	int mode = f->executable ? 0700 : 0600, rv;
	char *path = xasprintf("%s/%s", p->dir, f->path);
	struct storage_stat st = {0};
	struct buf now = {0};
	struct err why = {0};
	bool is_same = false;

	if ((rv = path_check(path, e)) == -1)
		goto out;
	if (p->is_current && before != NULL && before[0] != '\0') {
		json_set_str(p->files, f->path, before);
		goto out;
	}
	if (before != NULL) {		/* ours, but is it what we want? */
		buf_init(&now, STORAGE_FILE_MAX);
		rv = p->s->ops->get(p->s, path, &now, &st, &why);
		if (rv == -1 && why.kind != ERR_NOTFOUND) {
			*e = why;
			goto out;
		}
		is_same = rv == 0 && now.len == f->len &&
		    memcmp(buf_str(&now), f->data, f->len) == 0;
		rv = 0;
	}
	if (!is_same) {
		rv = p->s->ops->put(p->s, path, f->data, f->len, mode,
		    STORAGE_ANY, NULL, &st, e);
		p->wrote += rv == 0;
	}
	if (rv == 0)
		json_set_str(p->files, f->path, st.version);
out:
	buf_release(&now);
	free(path);
	return rv;
}

static void
doom_files(struct strv *doomed, const char *dir, const struct json *files,
    const struct json *except)
{
	const struct json *v;

	for (v = json_first(files); v != NULL; v = json_next(v))
		if (json_get(except, json_key(v)) == NULL)
			strv_addf(doomed, "%s/%s", dir, json_key(v));
}

/* What the skill has no more goes at once: else nobody would know of it. */
static int
place_skill(struct placing *p, const struct package *pkg, struct err *e)
{
	struct strv doomed = {0};
	size_t i;
	int rv = 0;

	for (i = 0; rv == 0 && i < pkg->n; i++)
		rv = place_file(p, &pkg->files[i], e);
	if (rv == 0) {
		doom_files(&doomed, p->dir, p->before, p->files);
		rv = remove_all(p->s, &doomed, e);
	}
	strv_release(&doomed);
	return rv;
}

/* One skill; its entry in form is right whether or not it succeeds. */
static int
ensure_skill(struct storage *s, const char *root, const struct json *entry,
    struct json *skills, struct outcome *out, struct err *e)
{
	const char *name = json_key(entry);
	struct json *files = json_object(), *now = json_object();
	const struct json *was = json_get(skills, name), *v;
	struct package own = {0};
	struct cached *got = NULL;
	char source[SHA256_HEX];
	struct placing p = { .s = s, .name = name, .files = files,
	    .before = json_get(was, "files") };
	int rv = -1;

	source_of(entry, source);
	p.is_current = str_equal(source, json_str(was, "source"));
	if (p.is_current && spoiled_files(was) == 0) {
		json_free(files);
		json_free(now);
		return 0;
	}
	p.dir = xasprintf("%s/%s", root, name);
	if (!is_part(name))
		err_set(e, ERR_USER, "\"%s\" is no name for a skill", name);
	else if (json_str(entry, "digest") != NULL)
		rv = local_skill(s, entry, &own, e);
	else if ((got = remote_skill(s, entry, e)) != NULL)
		rv = 0;
	if (rv == 0)
		rv = place_skill(&p, got != NULL ? cached_package(got) : &own,
		    e);
	if (rv == 0)
		json_set_str(now, "source", source);
	else	/* what was there before may be there still */
		for (v = json_first(p.before); v != NULL; v = json_next(v))
			if (json_get(files, json_key(v)) == NULL)
				json_set_str(files, json_key(v), "");
	if (p.wrote > 0)
		strv_addf(&out->did, "wrote skill %s", name);
	json_set(now, "files", files);
	if (rv == 0 || json_size(files) > 0)
		json_set(skills, name, now);
	else
		json_free(now);
	cache_drop(s->cache, got);
	package_release(&own);
	free(p.dir);
	return rv;
}

/* Take those away that are no longer listed. */
static int
drop_skills(struct storage *s, const char *root, const struct json *want,
    struct json *skills, struct outcome *out, struct err *e)
{
	struct strv names = {0}, doomed = {0};
	const struct json *v;
	char *dir;
	size_t i;
	int rv;

	for (v = json_first(skills); v != NULL; v = json_next(v))
		if (json_get(want, json_key(v)) == NULL)
			strv_add(&names, json_key(v));
	for (i = 0; i < names.n; i++) {
		dir = xasprintf("%s/%s", root, names.v[i]);
		doom_files(&doomed, dir, json_get(json_get(skills, names.v[i]),
		    "files"), NULL);
		free(dir);
	}
	rv = remove_all(s, &doomed, e);
	for (i = 0; rv == 0 && i < names.n; i++) {
		strv_addf(&out->did, "removed skill %s", names.v[i]);
		json_remove(skills, names.v[i]);
	}
	strv_release(&names);
	strv_release(&doomed);
	return rv;
}

int
storage_skills_ensure(void *ctx, const struct work *w, struct outcome *out,
    struct err *e)
{
	struct storage *s = ctx;
	const char *root = json_str(w->desired, "path");
	const struct json *want = json_get(w->desired, "skills"), *v;
	struct json *form = w->observed == NULL ? json_object() :
	    json_copy(w->observed), *skills = json_obj(form, "skills");
	struct err why;
	int rv = path_check(root, e);

	/* One that fails does not hold up the others. */
	for (v = json_first(want); root != NULL && v != NULL; v = json_next(v))
		if (ensure_skill(s, root, v, skills, out, &why) == -1 &&
		    rv == 0) {
			*e = why;
			rv = -1;
		}
	if (rv == 0)
		rv = drop_skills(s, root, want, skills, out, e);
	json_set_str(form, "path", root);
	out->observed = form;
	return rv;
}

int
storage_skills_remove(void *ctx, const struct work *w, struct outcome *out,
    struct err *e)
{
	struct storage *s = ctx;
	const char *root = json_str(w->observed, "path");
	struct json *skills = json_copy(json_get(w->observed, "skills"));
	int rv = 0;

	if (root != NULL && path_check(root, e) == 0)
		rv = drop_skills(s, root, NULL, skills, out, e);
	if (rv == -1)
		out->observed = json_copy(w->observed);
	json_free(skills);
	return rv;
}

/* --- looking -------------------------------------------------------------- */

static void
skills_paths(const struct json *observed, struct strv *out)
{
	const char *root = json_strd(observed, "path", "");
	const struct json *sk, *v;

	for (sk = json_first(json_get(observed, "skills")); sk != NULL;
	    sk = json_next(sk))
		for (v = json_first(json_get(sk, "files")); v != NULL;
		    v = json_next(v))
			strv_addf(out, "%s/%s/%s", root, json_key(sk),
			    json_key(v));
}

/* A file that is no longer as we left it; the form is copied for the first. */
static void
spoil(const struct json *observed, const struct json *skill, const char *file,
    struct json **now)
{
	struct json *skills;

	if (*now == NULL)
		*now = json_copy(observed);
	skills = json_get(*now, "skills");
	json_set_str(json_get(json_get(skills, json_key(skill)), "files"),
	    file, "");
}

static int
skills_judge(struct storage *s, const struct json *observed,
    const struct look *l, struct json **now, bool *is_changed, struct err *e)
{
	const char *root = json_strd(observed, "path", ""), *version;
	const struct storage_stat *st;
	const struct json *sk, *v;
	char *path;

	(void)s, (void)e;
	for (sk = json_first(json_get(observed, "skills")); sk != NULL;
	    sk = json_next(sk))
		for (v = json_first(json_get(sk, "files")); v != NULL;
		    v = json_next(v)) {
			path = xasprintf("%s/%s/%s", root, json_key(sk),
			    json_key(v));
			st = look_find(l, path);
			free(path);
			version = json_value_str(v);
			if ((st == NULL || !str_equal(st->version, version)) &&
			    !str_equal(version, ""))
				spoil(observed, sk, json_key(v), now);
		}
	*is_changed = *now != NULL;
	return 0;
}

const struct look_kind look_skills = {
	"skills", skills_paths, skills_judge
};
