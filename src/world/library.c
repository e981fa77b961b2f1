/*
 * The library: texts and skills that agents' files are made from, read once at
 * start from templates/agents and templates/skills.  The compile looks up texts
 * by path; of a skill it only needs the digest, because the storage copies the
 * files itself.
 *
 * A skill's digest is the SHA-256 over its files in order of path, each as
 * "path NUL length NUL bytes": whoever copies it can compute it again.
 */
#include "hiclaw/world.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "hiclaw/file.h"
#include "hiclaw/secure.h"

#define TEXT_MAX	(256 * 1024)	/* of one file */
#define DEPTH_MAX	8

struct library {
	struct map	*texts;		/* "agents/SOUL.md" -> text */
	struct map	*skills;	/* "worker/find-skills" -> digest */
	struct map	*sets;		/* "worker" -> struct strv of names */
};

static void
free_names(void *arg)
{
	strv_release(arg);
	free(arg);
}

struct library *
library_new(void)
{
	struct library *l = xcalloc(1, sizeof(*l));

	l->texts = map_new(free);
	l->skills = map_new(free);
	l->sets = map_new(free_names);
	return l;
}

void
library_free(struct library *l)
{
	if (l == NULL)
		return;
	map_free(l->texts);
	map_free(l->skills);
	map_free(l->sets);
	free(l);
}

void
library_add(struct library *l, const char *path, const char *text)
{
	map_set(l->texts, path, xstrdup(text));
}

void
library_add_skill(struct library *l, const char *set, const char *name,
    const char *digest)
{
	char *key = xasprintf("%s/%s", set, name);
	struct strv *names = map_find(l->sets, set);

	if (names == NULL) {
		names = xcalloc(1, sizeof(*names));
		map_set(l->sets, set, names);
	}
	strv_add_unique(names, name);
	strv_sort(names);
	map_set(l->skills, key, xstrdup(digest));
	free(key);
}

const char *
library_text(const struct library *l, const char *path)
{
	return l == NULL ? NULL : map_find(l->texts, path);
}

const char *
library_skill(const struct library *l, const char *set, const char *name)
{
	char *key = xasprintf("%s/%s", set, name);
	const char *digest = l == NULL ? NULL : map_find(l->skills, key);

	free(key);
	return digest;
}

const struct strv *
library_skills(const struct library *l, const char *set)
{
	static const struct strv none;
	const struct strv *names = l == NULL ? NULL : map_find(l->sets, set);

	return names == NULL ? &none : names;
}

/* --- reading -------------------------------------------------------------- */

/* Paths of all regular files below dir/at, relative to dir, into out; none when
 * there is no dir/at. */
static int
walk(const char *dir, const char *at, int depth, struct strv *out,
    struct err *e)
{
	char *path = xasprintf("%s/%s", dir, at), *sub, *full;
	DIR *d = opendir(path);
	const struct dirent *ent;
	struct stat st;
	int rv = 0;

	if (d == NULL && (errno != ENOENT || depth > 0))
		rv = err_set(e, ERR_BROKEN, "%s: %s", path, strerror(errno));
	while (rv == 0 && d != NULL && (ent = readdir(d)) != NULL) {
		if (ent->d_name[0] == '.')
			continue;
		sub = xasprintf("%s/%s", at, ent->d_name);
		full = xasprintf("%s/%s", dir, sub);
		if (stat(full, &st) == -1)
			rv = err_set(e, ERR_BROKEN, "%s: %s", full,
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

static int
load_texts(struct library *l, const char *dir, struct err *e)
{
	struct strv paths = { 0 };
	char *full, *text;
	int rv = walk(dir, "agents", 0, &paths, e);
	size_t i;

	for (i = 0; rv == 0 && i < paths.n; i++) {
		full = xasprintf("%s/%s", dir, paths.v[i]);
		if ((text = file_read(full, TEXT_MAX, e)) == NULL)
			rv = -1;
		else
			map_set(l->texts, paths.v[i], text);
		free(full);
	}
	strv_release(&paths);
	return rv;
}

/* "worker/find-skills" of "skills/worker/find-skills/SKILL.md"; yours. */
static char *
skill_of(const char *path)
{
	const char *p = path + strlen("skills/"), *slash = strchr(p, '/');

	if (slash != NULL)
		slash = strchr(slash + 1, '/');
	return slash == NULL ? NULL : xstrndup(p, (size_t)(slash - p));
}

static void
end_skill(struct library *l, const char *skill, const struct buf *all)
{
	const char *slash = strchr(skill, '/');
	char *set = xstrndup(skill, (size_t)(slash - skill));
	char digest[SHA256_HEX];

	sha256_hex(buf_str(all), all->len, digest);
	library_add_skill(l, set, slash + 1, digest);
	free(set);
}

static int
load_skills(struct library *l, const char *dir, struct err *e)
{
	struct strv paths = { 0 };
	struct buf all = { 0 };
	char *full, *text, *skill = NULL, *now = NULL;
	int rv = walk(dir, "skills", 0, &paths, e);
	size_t i;

	strv_sort(&paths);
	for (i = 0; rv == 0 && i < paths.n; i++) {
		if ((now = skill_of(paths.v[i])) == NULL)
			continue;
		if (skill != NULL && strcmp(skill, now) != 0) {
			end_skill(l, skill, &all);
			buf_reset(&all);
		}
		free(skill);
		skill = now;
		full = xasprintf("%s/%s", dir, paths.v[i]);
		if ((text = file_read(full, TEXT_MAX, e)) == NULL)
			rv = -1;
		else {
			buf_add(&all, paths.v[i] + strlen("skills/") +
			    strlen(skill) + 1, strlen(paths.v[i]) -
			    strlen("skills/") - strlen(skill));
			buf_printf(&all, "%zu", strlen(text));
			buf_putc(&all, '\0');
			buf_puts(&all, text);
		}
		free(full);
		free(text);
	}
	if (rv == 0 && skill != NULL)
		end_skill(l, skill, &all);
	free(skill);
	buf_release(&all);
	strv_release(&paths);
	return rv;
}

struct library *
library_load(const char *templates_dir, struct err *e)
{
	struct library *l = library_new();

	if (load_texts(l, templates_dir, e) == 0 &&
	    load_skills(l, templates_dir, e) == 0)
		return l;
	library_free(l);
	return NULL;
}
