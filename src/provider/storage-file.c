/*
 * One file of an agent, made so by its rule (ARCHITECTURE.md, Files).  The text
 * is composed from what is there and put only if that is still there; so what
 * an agent writes at the same moment is never lost.
 *
 * The observed form of a seed says that it is there, nothing of its contents:
 * those are the agent's.
 */
#include "storage-int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hiclaw/file-rule.h"
#include "hiclaw/secure.h"

#define DETAIL_LINES	40	/* of one file, in a plan: four phone screens */
#define TRIES		4	/* of a file that changes under us */
#define READ_MAX	(4 * 1024 * 1024)	/* in a bulk look */

static bool
is_seed(const struct json *desired)
{
	return str_equal(json_str(desired, "rule"), "seed");
}

/* Does it hold more than our part? */
static bool
is_shared(const struct json *desired)
{
	return !is_seed(desired) &&
	    !str_equal(json_strd(desired, "rule", "owned"), "owned");
}

/* --- comparing ------------------------------------------------------------ */

/* {"account:alice/token": "1234..."}: the ids of all secrets in a form. */
static void
collect_ids(const struct json *v, struct json *ids)
{
	const char *name = json_str(v, "$secret");
	const struct json *m;

	if (name != NULL)
		json_set_str(ids, name, json_strd(v, "id", ""));
	else if (json_is(v, JSON_OBJECT) || json_is(v, JSON_ARRAY))
		for (m = json_first(v); m != NULL; m = json_next(m))
			collect_ids(m, ids);
}

/* Has a secret changed that the file held before?  One that is not known yet
 * counts as the same. */
static bool
secret_changed(const struct json *ids, const struct json *observed)
{
	const struct json *v, *before = json_get(observed, "ids");
	const char *was, *id;

	for (v = json_first(ids); v != NULL; v = json_next(v)) {
		was = json_str(before, json_key(v));
		id = json_value_str(v);
		if (was != NULL && id[0] != '\0' && strcmp(was, id) != 0)
			return true;
	}
	return false;
}

/* What a plan calls the contents, so that it shows whose they are. */
static const char *
rule_words(const struct json *desired)
{
	const char *rule = json_strd(desired, "rule", "owned");

	return strcmp(rule, "owned") == 0 ? "content" :
	    strcmp(rule, "seed") == 0 ? "first content" : "our part";
}

static void
content_change(const struct json *desired, const struct json *observed,
    struct changes *out)
{
	const char *what = rule_words(desired);
	const char *text = json_str(desired, "text");
	bool restarts = json_bool(desired, "restart", false);
	struct json *ids = json_object();
	char source[SHA256_HEX], to[40] = "generated";

	if (text != NULL)
		snprintf(to, sizeof(to), "%zu bytes", strlen(text));
	else if (restarts && json_str(observed, "path") != NULL)
		snprintf(to, sizeof(to), "generated (takes a restart)");
	collect_ids(desired, ids);
	file_source(desired, source);
	if (json_str(observed, "path") == NULL)
		changes_add(out, RISK_CREATE, what, NULL, to);
	else if (is_seed(desired))
		;	/* the agent's, whatever it says */
	else if (secret_changed(ids, observed))
		changes_add(out, RISK_CREDENTIAL, "a secret", "old", "new");
	else if (!str_equal(source, json_str(observed, "source")))
		changes_add(out, restarts ? RISK_RESTART : RISK_UPDATE, what,
		    NULL, to);
	else if (!str_equal(json_str(observed, "good"),
	    json_str(observed, "sha256")))
		changes_add(out, RISK_UPDATE, what, "changed by others", to);
	json_free(ids);
}

void
storage_file_diff(const struct json *desired, const struct json *observed,
    struct changes *out)
{
	const char *mode = json_str(observed, "mode");
	char to[8];

	content_change(desired, observed, out);
	if (mode == NULL || is_seed(desired))
		return;
	snprintf(to, sizeof(to), "%04o",
	    (unsigned)mode_of(json_str(desired, "mode")));
	if (strcmp(mode, to) != 0)
		changes_add(out, RISK_UPDATE, "mode", mode, to);
}

/* --- for people ----------------------------------------------------------- */

/* What we made alone we can make again. */
enum risk
storage_file_removal(const struct json *desired)
{
	return str_equal(json_str(desired, "rule"), "owned") ? RISK_UPDATE :
	    RISK_DELETE;
}

const char *
storage_file_note(const struct json *desired)
{
	return is_seed(desired) ? "seed: only when missing" :
	    is_shared(desired) ? "shared with the agent" : "owned";
}

/* Of a seed nothing differs: it is the agent's. */
char *
storage_file_detail(const struct json *before, const struct json *after)
{
	char *lines;

	if (is_seed(after))
		return NULL;
	lines = file_difference(before, after, DETAIL_LINES);
	if (lines[0] != '\0')
		return lines;
	free(lines);
	return NULL;
}

/* --- writing -------------------------------------------------------------- */

static struct json *
observed_form(const struct json *desired, const struct storage_stat *st,
    const char *hash)
{
	struct json *form = json_object(), *ids;
	char source[SHA256_HEX];

	json_set_str(form, "path", json_str(desired, "path"));
	set_mode(form, st);
	json_set_int(form, "size", (int64_t)st->size);
	json_set_str(form, "version", st->version);
	if (is_seed(desired))
		return form;
	file_source(desired, source);
	json_set_str(form, "sha256", hash);
	json_set_str(form, "good", hash);
	json_set_str(form, "source", source);
	ids = json_object();
	collect_ids(desired, ids);
	if (json_size(ids) > 0)
		json_set(form, "ids", ids);
	else
		json_free(ids);
	return form;
}

/* What is there now. */
struct current {
	bool			is_there, is_huge;
	struct buf		data;
	struct storage_stat	st;
};

static int
read_current(struct storage *s, const char *path, struct current *c,
    struct err *e)
{
	struct err why;

	int rv;

	memset(c, 0, sizeof(*c));
	buf_init(&c->data, STORAGE_FILE_MAX);
	rv = s->ops->get(s, path, &c->data, &c->st, &why);
	if (rv == -1 && why.kind != ERR_NOTFOUND) {
		*e = why;
		return -1;
	}
	c->is_there = rv != -1;
	c->is_huge = rv == 1;
	return 0;
}

static bool
is_same(const struct current *c, const char *text, size_t len, int mode)
{
	return c->is_there && !c->is_huge && c->data.len == len &&
	    memcmp(buf_str(&c->data), text, len) == 0 &&
	    (c->st.mode == 0 || c->st.mode == mode);
}

/* Others changed it: what to?  Of what we had no look at that is not known. */
static void
note_found(const struct work *w, const struct current *c, struct outcome *out)
{
	const char *good = json_str(w->observed, "good");
	char hash[SHA256_HEX];

	if (good == NULL || !c->is_there || c->is_huge)
		return;
	sha256_hex(buf_str(&c->data), c->data.len, hash);
	out->found = strcmp(hash, good) == 0 ? NULL :
	    file_found(w->desired, buf_str(&c->data), c->data.len);
}

/*
 * Compose from what is there, and put it if that is still there: 0 done, 1 it
 * is not.
 */
static int
write_over(struct storage *s, const struct work *w, const struct current *c,
    struct outcome *out, struct err *e)
{
	const char *path = json_str(w->desired, "path");
	int mode = mode_of(json_str(w->desired, "mode")), rv = -1;
	bool has_text = c->is_there && !c->is_huge;
	struct storage_stat st = c->st;
	char hash[SHA256_HEX], *text;
	size_t len;

	if (c->is_huge && is_shared(w->desired))
		return err_set(e, ERR_CONFLICT, "%s: too large to be merged",
		    path);
	text = file_render(w->desired, w->secrets,
	    has_text ? buf_str(&c->data) : NULL, c->data.len, e);
	if (text == NULL)
		return -1;
	len = strlen(text);
	if (len > STORAGE_FILE_MAX) {
		err_set(e, ERR_USER, "%s: %zu bytes are too many", path, len);
		goto out;
	}
	if (is_seed(w->desired) && c->is_there)
		rv = 0;
	else if (is_same(c, text, len, mode))
		rv = 0;
	else {
		rv = s->ops->put(s, path, text, len, mode,
		    c->is_huge ? STORAGE_ANY :
		    c->is_there ? STORAGE_MATCH : STORAGE_ABSENT,
		    c->st.version, &st, e);
		if (rv == 0) {
			strv_add(&out->did, c->is_there ? "rewritten" :
			    "written");
			note_found(w, c, out);
		}
	}
	if (rv == 0) {
		sha256_hex(text, len, hash);
		out->observed = observed_form(w->desired, &st, hash);
	}
out:
	secret_free(text);
	return rv;
}

int
storage_file_ensure(void *ctx, const struct work *w, struct outcome *out,
    struct err *e)
{
	struct storage *s = ctx;
	const char *path = json_str(w->desired, "path");
	/* Nothing was seen there: most likely it is not there. */
	bool is_new = w->observed == NULL && !w->may_exist;
	struct current c;
	int rv = -1, tries;

	if (path_check(path, e) == -1)
		goto out;
	/* Before it is read: nothing may be put there and read by others. */
	if (s->ops->listen != NULL)
		s->ops->listen(s, path);
	for (tries = 0, rv = 1; rv == 1 && tries < TRIES; tries++) {
		memset(&c, 0, sizeof(c));
		if (!(is_new && tries == 0) &&
		    (rv = read_current(s, path, &c, e)) == -1)
			break;
		rv = write_over(s, w, &c, out, e);
		if (c.data.data != NULL)
			secret_wipe(c.data.data, c.data.len);
		buf_release(&c.data);
	}
	if (rv == 1)
		rv = err_set(e, ERR_RETRY, "%s: somebody keeps writing it",
		    path);
out:
	if (rv == -1)
		out->observed = json_copy(w->observed);
	return rv;
}

/* --- removing ------------------------------------------------------------- */

/* The path to remove; NULL: none, because it is the agent's. */
static const char *
doomed_path(const struct work *w)
{
	if (json_str(w->observed, "path") == NULL)
		return strchr(w->key, ':') == NULL ? NULL :
		    strchr(w->key, ':') + 1;
	return json_str(w->observed, "source") == NULL ? NULL :
	    json_str(w->observed, "path");
}

void
storage_file_remove_many(void *ctx, struct deed *deeds, size_t n)
{
	struct storage *s = ctx;
	struct strv paths = {0};
	struct err e = {0}, wrong;
	const char *path;
	size_t i;
	int rv;

	for (i = 0; i < n; i++) {
		path = doomed_path(&deeds[i].work);
		if (path != NULL && path_check(path, &wrong) == 0)
			strv_add(&paths, path);
	}
	rv = remove_all(s, &paths, &e);
	strv_release(&paths);
	for (i = 0; i < n; i++) {
		deeds[i].rc = 0;
		path = doomed_path(&deeds[i].work);
		if (path == NULL)
			continue;
		deeds[i].rc = path_check(path, &deeds[i].err);
		if (deeds[i].rc == 0 && rv == -1) {
			deeds[i].err = e;
			deeds[i].rc = -1;
		}
		if (deeds[i].rc == -1)
			deeds[i].out.observed =
			    json_copy(deeds[i].work.observed);
		else
			strv_add(&deeds[i].out.did, "removed");
	}
}

int
storage_file_remove(void *ctx, const struct work *w, struct outcome *out,
    struct err *e)
{
	struct deed d = { .work = *w };

	storage_file_remove_many(ctx, &d, 1);
	*out = d.out;
	*e = d.err;
	return d.rc;
}

/* --- looking -------------------------------------------------------------- */

static void
file_paths(const struct json *observed, struct strv *out)
{
	if (json_str(observed, "path") != NULL)
		strv_add(out, json_str(observed, "path"));
}

/* The digest of what is there now; "" where that cannot be ours. */
static int
read_hash(struct storage *s, const char *path, struct storage_stat *st,
    char hash[SHA256_HEX], struct err *e)
{
	struct buf data = {0};
	int rv;

	hash[0] = '\0';
	if (st->size > READ_MAX)
		return 0;
	buf_init(&data, STORAGE_FILE_MAX);
	rv = s->ops->get(s, path, &data, st, e);
	if (rv == 0)
		sha256_hex(buf_str(&data), data.len, hash);
	if (data.data != NULL)
		secret_wipe(data.data, data.len);
	buf_release(&data);
	return rv == -1 ? -1 : 0;
}

static int
file_judge(struct storage *s, const struct json *observed,
    const struct look *l, struct json **now, bool *is_changed, struct err *e)
{
	const char *path = json_str(observed, "path");
	const struct storage_stat *found;
	struct storage_stat st;
	char hash[SHA256_HEX];

	if (path == NULL)
		return 0;
	found = look_find(l, path);
	*is_changed = found == NULL || found->is_tree;
	/* Gone; or a seed, which is there; or the same to the last bit. */
	if (*is_changed || json_str(observed, "source") == NULL ||
	    str_equal(found->version, json_str(observed, "version")))
		return 0;
	st = *found;
	*is_changed = true;
	if (read_hash(s, path, &st, hash, e) == -1)	/* gone meanwhile? */
		return e->kind == ERR_NOTFOUND ? 0 : -1;
	*now = json_copy(observed);
	json_set_str(*now, "sha256", hash);
	json_set_str(*now, "version", st.version);
	json_set_int(*now, "size", (int64_t)st.size);
	set_mode(*now, &st);
	return 0;
}

const struct look_kind look_file = { "file", file_paths, file_judge };
