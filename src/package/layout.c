/*
 * Where the files of an agent's package go.  Pure.
 *
 * The manifest is for people and tools that import; here it may only say that
 * the package is not an agent's, and what somebody should know.
 */
#include "package-int.h"

#include <stdlib.h>
#include <string.h>

#include "hiclaw/json.h"

#define CRON_FROM	"crons/jobs.json"
#define CRON_TO		".openclaw/cron/jobs.json"

static const struct package_file *
find_file(const struct package *p, const char *path)
{
	for (size_t i = 0; i < p->n; i++)
		if (strcmp(p->files[i].path, path) == 0)
			return &p->files[i];
	return NULL;
}

static bool
has_dir(const struct package *p, const char *prefix)
{
	for (size_t i = 0; i < p->n; i++)
		if (str_starts(p->files[i].path, prefix))
			return true;
	return false;
}

/* --- the manifest --------------------------------------------------------- */

static void
note_wishes(const struct json *worker, struct strv *notes)
{
	static const char *const lists[] = { "apt_packages", "pip_packages",
	    "npm_packages" };

	for (size_t i = 0; i < NELEM(lists); i++)
		if (json_size(json_get(worker, lists[i])) > 0)
			strv_addf(notes, "%s of its manifest are not installed",
			    lists[i]);
	if (json_strd(worker, "base_image", "")[0] != '\0')
		strv_add(notes, "base_image of its manifest is not used");
}

static int
read_manifest(const struct package *p, const char *runtime,
    struct strv *notes, struct err *e)
{
	const struct package_file	*f = find_file(p, "manifest.json");
	const struct json		*worker;
	struct json			*m;
	const char			*type, *want;
	int				 rc = 0;

	if (f == NULL)
		return 0;
	m = json_parse(f->data, f->len, e);
	if (m == NULL)
		return err_prefix(e, "manifest.json");
	type = json_strd(m, "type", "worker");
	worker = json_get(m, "worker");
	want = json_strd(worker, "runtime", json_strd(m, "runtime", ""));
	if (!json_is(m, JSON_OBJECT))
		rc = err_set(e, ERR_USER, "manifest.json: not an object");
	else if (strcmp(type, "worker") != 0)
		rc = err_set(e, ERR_USER, "manifest.json: type is \"%s\", not "
		    "\"worker\"", show_name(type).text);
	else {
		if (*want != '\0' && runtime != NULL && *runtime != '\0' &&
		    strcmp(want, runtime) != 0)
			strv_addf(notes, "made for the runtime %s, not %s",
			    show_name(want).text, runtime);
		note_wishes(worker, notes);
	}
	json_free(m);
	return rc;
}

/* --- the files ------------------------------------------------------------ */

/* Where it goes, or NULL. */
static const char *
target(const char *path, bool has_config)
{
	if (str_starts(path, "config/"))
		return path + strlen("config/");
	if (!has_config && strcmp(path, "SOUL.md") == 0)
		return path;
	if (str_starts(path, "skills/"))
		return path;
	if (strcmp(path, CRON_FROM) == 0)
		return CRON_TO;
	return NULL;
}

/* The jobs of an agent, in an object: yours.  NULL with e. */
static char *
cron_jobs(const struct package_file *f, struct err *e)
{
	struct json	*jobs = json_parse(f->data, f->len, e), *all;
	char		*text = NULL;

	if (jobs == NULL) {
		err_prefix(e, CRON_FROM);
		return NULL;
	}
	if (json_is(jobs, JSON_ARRAY)) {
		all = json_object();
		json_set_int(all, "version", 1);
		json_set(all, "jobs", jobs);
		text = json_pretty(all);
		json_free(all);
		return text;
	}
	if (json_is(jobs, JSON_OBJECT))
		text = xstrndup(f->data, f->len);
	else
		err_set(e, ERR_USER, CRON_FROM ": neither a list nor an object");
	json_free(jobs);
	return text;
}

static int
place_file(struct gather *g, const struct package_file *f, const char *to,
    struct err *e)
{
	char	*data;
	size_t	 len = f->len;

	if (strcmp(f->path, CRON_FROM) == 0) {
		data = cron_jobs(f, e);
		if (data == NULL)
			return -1;
		len = strlen(data);
	} else {
		data = xmalloc(len + 1);
		memcpy(data, f->data, len);
		data[len] = '\0';
	}
	if (gather_claim(g, to, len, e) == -1) {
		free(data);
		return err_prefix(e, "%s", show_name(f->path).text);
	}
	gather_put(g, to, data, len, f->executable);
	return 0;
}

static int
place_all(const struct package *p, struct gather *g, struct err *e)
{
	bool		 has_config = has_dir(p, "config/");
	const char	*to;
	size_t		 i;

	for (i = 0; i < p->n; i++) {
		to = target(p->files[i].path, has_config);
		if (to != NULL && place_file(g, &p->files[i], to, e) == -1)
			return -1;
	}
	if (g->n == 0)
		return err_set(e, ERR_USER, "none of config/, skills/, "
		    CRON_FROM " and SOUL.md is at its top");
	return 0;
}

int
package_layout(const struct package *p, const char *runtime,
    struct package *out, struct strv *notes, struct err *e)
{
	static const char *const ignored[] = { "Dockerfile",
	    "tool-analysis.json" };
	struct strv	 found = { 0 };
	struct gather	 g;
	size_t		 i;
	int		 rc = -1;

	gather_init(&g, PACKAGE_BYTES_MAX);
	if (read_manifest(p, runtime, &found, e) == -1)
		goto out;
	for (i = 0; i < NELEM(ignored); i++)
		if (find_file(p, ignored[i]) != NULL)
			strv_addf(&found, "its %s is not used", ignored[i]);
	if (place_all(p, &g, e) == -1)
		goto out;
	gather_take(&g, out);
	memcpy(out->digest, p->digest, sizeof(out->digest));
	for (i = 0; notes != NULL && i < found.n; i++)
		strv_add(notes, found.v[i]);
	rc = 0;
out:
	gather_release(&g);
	strv_release(&found);
	return rc;
}
