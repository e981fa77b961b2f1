/*
 * What all storages share, and the simplest kind: a tree, which is a place for
 * files.  Here are the bulk look over all kinds, questions of people, and
 * trees.
 *
 * Only ERR_NOTFOUND of a call says that something is not there.  Everything
 * else is an outage, and nothing is concluded from it.
 */
#include "storage-int.h"

#include <stdlib.h>
#include <string.h>

#include "hiclaw/secure.h"

#define PATH_BYTES	1024
#define PART_BYTES	200
#define DEPTH_MAX	16
#define LIST_MAX	5000		/* files in an answer */
#define TEXT_MAX	(256 * 1024)	/* of a file in an answer */
#define TREE_FILE_MAX	(4 * 1024 * 1024)	/* of one in a whole tree */
#define TREE_MAX	(16 * 1024 * 1024)	/* of all: it is one answer */
#define ROUNDS_MAX	100000		/* batches of one tree */

void
storage_init(struct storage *s, const struct storage_ops *ops,
    const struct provider_env *env)
{
	s->ops = ops;
	s->templates_dir = xstrdup(env->templates_dir);
	s->imports = xstrdup(env->storage.imports);
	s->private_packages = env->storage.private_packages;
	s->cache = cache_new();
}

void
storage_release(struct storage *s)
{
	free(s->templates_dir);
	free(s->imports);
	cache_free(s->cache);
}

/* --- paths ---------------------------------------------------------------- */

bool
storage_split(const char *path, struct strv *parts)
{
	const char *p, *end;
	size_t n;

	if (path == NULL || path[0] == '\0' || strlen(path) > PATH_BYTES)
		return false;
	for (p = path; ; p = end + 1) {
		n = strcspn(p, "/");
		end = p + n;
		if (n == 0 || n > PART_BYTES || (n == 1 && p[0] == '.') ||
		    (n == 2 && p[0] == '.' && p[1] == '.') ||
		    parts->n == DEPTH_MAX)
			return false;
		strv_addf(parts, "%.*s", (int)n, p);
		if (*end == '\0')
			return true;
	}
}

/* "agents/alice/SOUL.md": a file, or one of a tree, or of what alice was given. */
void
storage_keys(const char *path, struct strv *keys)
{
	static const char agents[] = "agents/";
	const char *name, *end, *slash;

	strv_addf(keys, "file:%s", path);
	for (slash = strchr(path, '/'); slash != NULL;
	    slash = strchr(slash + 1, '/'))
		strv_addf(keys, "tree:%.*s", (int)(slash - path), path);
	if (!str_starts(path, agents))
		return;
	name = path + strlen(agents);
	if ((end = strchr(name, '/')) == NULL)
		return;
	strv_addf(keys, "skills:%.*s", (int)(end - name), name);
	strv_addf(keys, "package:%.*s", (int)(end - name), name);
}

int
path_check(const char *path, struct err *e)
{
	struct strv parts = {0};
	bool ok = storage_split(path, &parts);

	strv_release(&parts);
	if (ok)
		return 0;
	return err_set(e, ERR_USER, "\"%s\" is not a path that we write",
	    path == NULL ? "" : path);
}

int
mode_of(const char *text)
{
	char *end;
	long mode = text == NULL ? 0600 : strtol(text, &end, 8);

	return mode <= 0 || mode > 0777 ? 0600 : (int)mode;
}

void
set_mode(struct json *form, const struct storage_stat *st)
{
	if (st->mode != 0)
		json_set_strf(form, "mode", "%04o", (unsigned)st->mode);
}

int
remove_all(struct storage *s, const struct strv *paths, struct err *e)
{
	size_t at, n;

	for (at = 0; at < paths->n; at += n) {
		n = paths->n - at;
		if (n > STORAGE_BATCH)
			n = STORAGE_BATCH;
		if (s->ops->remove(s, (const char *const *)paths->v + at, n,
		    e) == -1)
			return -1;
	}
	return 0;
}

/* --- looking -------------------------------------------------------------- */

struct look {
	struct storage_seen *v;		/* by path, each once */
	size_t		 n;
};

static const struct look_kind *const look_kinds[] = {
	&look_tree, &look_file, &look_skills, &look_package
};

static const struct look_kind *
look_kind_of(const char *key)
{
	char name[32];
	size_t i;

	object_kind_name(key, name, sizeof(name));
	for (i = 0; i < NELEM(look_kinds); i++)
		if (strcmp(look_kinds[i]->name, name) == 0)
			return look_kinds[i];
	return NULL;
}

static int
seen_cmp(const void *path, const void *seen)
{
	return strcmp(path, ((const struct storage_seen *)seen)->path);
}

static struct storage_seen *
look_seen(const struct look *l, const char *path)
{
	return l->n == 0 ? NULL :
	    bsearch(path, l->v, l->n, sizeof *l->v, seen_cmp);
}

const struct storage_stat *
look_find(const struct look *l, const char *path)
{
	const struct storage_seen *seen = look_seen(l, path);

	return seen != NULL && seen->is_there ? &seen->st : NULL;
}

static int
look_each(struct storage *s, struct look *l, struct err *e)
{
	for (size_t i = 0; s->ops->listen != NULL && i < l->n; i++)
		s->ops->listen(s, l->v[i].path);
	return s->ops->look(s, l->v, l->n, e);
}

struct range { struct look *look; const char *last; };

static int
on_listed(void *arg, const char *path, const struct storage_stat *st)
{
	struct range *r = arg;
	struct storage_seen *seen = look_seen(r->look, path);

	if (seen != NULL) {
		seen->is_there = true;
		seen->st = *st;
	}
	return strcmp(path, r->last) >= 0;
}

/* The paths from..to are in one top directory. */
static int
look_range(struct storage *s, struct look *l, size_t from, size_t to,
    struct err *e)
{
	struct range r = { l, l->v[to - 1].path };
	char *first = xstrdup(l->v[from].path), *prefix;
	const char *slash = strchr(first, '/');
	struct err why;
	int rv;

	prefix = slash == NULL ? xstrdup("") :
	    xstrndup(first, (size_t)(slash - first) + 1);
	/* A little before the first: what differs in the last byte is after. */
	first[strlen(first) - 1]--;
	rv = s->ops->list(s, prefix, first, on_listed, &r, &why);
	free(prefix);
	free(first);
	if (rv == -1 && why.kind != ERR_NOTFOUND) {
		*e = why;
		return -1;
	}
	return 0;
}

static int
look_lists(struct storage *s, struct look *l, struct err *e)
{
	size_t from, to, n;
	int rv = 0;

	for (from = 0; rv == 0 && from < l->n; from = to) {
		n = strcspn(l->v[from].path, "/") + 1;
		for (to = from + 1; to < l->n; to++)
			if (strncmp(l->v[to].path, l->v[from].path, n) != 0)
				break;
		rv = look_range(s, l, from, to, e);
	}
	return rv;
}

/* The paths that these forms tell of, and nothing known of them. */
static struct look
look_at(const struct observe_item *items, size_t n)
{
	struct look l = {0};
	const struct look_kind *kind;
	struct strv paths = {0}, parts = {0};
	struct json *form;
	size_t i;

	for (i = 0; i < n; i++) {
		if ((kind = look_kind_of(items[i].key)) == NULL)
			continue;
		form = json_must(items[i].observed);
		kind->paths(form, &paths);
		json_free(form);
	}
	strv_sort(&paths);
	l.v = xcalloc(paths.n + 1, sizeof *l.v);
	for (i = 0; i < paths.n; i++) {
		if ((l.n == 0 || strcmp(l.v[l.n - 1].path, paths.v[i]) != 0) &&
		    storage_split(paths.v[i], &parts))
			l.v[l.n++].path = xstrdup(paths.v[i]);
		strv_release(&parts);
	}
	strv_release(&paths);
	return l;
}

static void
look_release(struct look *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->v[i].path);
	free(l->v);
}

int
storage_observe(void *ctx, const struct observe_item *items, size_t n,
    void (*changed)(void *arg, const char *key, struct json *observed),
    void *arg, struct err *e)
{
	struct storage *s = ctx;
	struct look l = look_at(items, n);
	const struct look_kind *kind;
	struct json *was, *now;
	bool is_changed;
	size_t i;
	int rv;

	rv = s->ops->look != NULL ? look_each(s, &l, e) : look_lists(s, &l, e);
	for (i = 0; rv == 0 && i < n; i++) {
		if ((kind = look_kind_of(items[i].key)) == NULL)
			continue;
		was = json_must(items[i].observed);
		now = NULL;
		is_changed = false;
		rv = kind->judge(s, was, &l, &now, &is_changed, e);
		json_free(was);
		if (rv == 0 && is_changed)
			changed(arg, items[i].key, now);
		else
			json_free(now);
	}
	look_release(&l);
	return rv;
}

/* --- questions ------------------------------------------------------------ */

struct listing { struct map *files; bool is_cut; };

static int
on_file(void *arg, const char *path, const struct storage_stat *st)
{
	struct listing *l = arg;
	struct json *f;

	if (map_size(l->files) == LIST_MAX) {
		l->is_cut = true;
		return 1;
	}
	f = json_object();
	json_set_str(f, "path", path);
	json_set_int(f, "size", (int64_t)st->size);
	map_set(l->files, path, f);
	return 0;
}

static int
answer_list(struct storage *s, const char *path, struct json **answer,
    struct err *e)
{
	struct listing l = { map_new(NULL), false };
	struct strv paths = {0};
	char *prefix = xasprintf("%s/", path);
	struct json *list = json_array();
	const char *key;
	void *it;
	size_t i;
	int rv;

	rv = s->ops->list(s, prefix, NULL, on_file, &l, e);
	for (it = NULL; map_next(l.files, &it, &key) != NULL;)
		strv_add(&paths, key);
	strv_sort(&paths);
	for (i = 0; i < paths.n; i++)
		json_push(list, map_find(l.files, paths.v[i]));
	if (rv != -1) {
		*answer = json_object();
		json_set(*answer, "files", list);
		if (l.is_cut)
			json_set_bool(*answer, "cut", true);
	} else
		json_free(list);
	strv_release(&paths);
	map_free(l.files);
	free(prefix);
	return rv == -1 ? -1 : 0;
}

static int
answer_get(struct storage *s, const char *path, size_t max,
    struct json **answer, struct err *e)
{
	struct storage_stat st = {0};
	struct buf data = {0};
	struct json *a;
	size_t bad = 0;
	int rv;

	buf_init(&data, STORAGE_FILE_MAX);
	rv = s->ops->get(s, path, &data, &st, e);
	if (rv == -1) {
		buf_release(&data);
		return -1;
	}
	a = json_object();
	if (rv == 1)
		json_set_int(a, "binary", STORAGE_FILE_MAX);
	else if (!utf8_valid(buf_str(&data), data.len, &bad))
		json_set_int(a, "binary", (int64_t)data.len);
	else {
		if (data.len > max) {
			data.data[utf8_prefix(data.data, max)] = '\0';
			json_set_bool(a, "cut", true);
		}
		json_set_str(a, "text", buf_str(&data));
	}
	buf_release(&data);
	*answer = a;
	return 0;
}

/* A whole tree for an answer. */
struct reading {
	struct storage	*storage;
	struct strv	 paths;
	struct json	*files, *left_out;
	size_t		 bytes;
};

static int
on_path(void *arg, const char *path, const struct storage_stat *st)
{
	struct reading *r = arg;

	if (r->paths.n == LIST_MAX || st->size > TREE_FILE_MAX)
		json_push_str(r->left_out, path);
	else
		strv_add(&r->paths, path);
	return 0;
}

static bool
is_first(const struct json *first, const char *path)
{
	const struct json *v;

	for (v = json_first(first); v != NULL; v = json_next(v)) {
		const char *s = json_value_str(v);

		if (s != NULL && (str_ends(s, "/") ? str_starts(path, s) :
		    strcmp(path, s) == 0))
			return true;
	}
	return false;
}

static void
put_bytes(struct json *f, const struct buf *data)
{
	size_t bad;
	char *text;

	if (utf8_valid(buf_str(data), data->len, &bad)) {
		json_set_str(f, "content", buf_str(data));
		return;
	}
	text = base64_encode(buf_str(data), data->len);
	json_set_str(f, "base64", text);
	free(text);
}

/* What goes while we look is not there. */
static int
read_one(struct reading *r, const char *path, struct err *e)
{
	struct storage_stat st = {0};
	struct buf data = {0};
	struct json *f;
	int rv;

	buf_init(&data, TREE_FILE_MAX);
	rv = r->storage->ops->get(r->storage, path, &data, &st, e);
	if (rv == 1 || data.overflow || r->bytes + data.len > TREE_MAX) {
		json_push_str(r->left_out, path);
		rv = 0;
	} else if (rv == 0) {
		r->bytes += data.len;
		f = json_push(r->files, json_object());
		json_set_str(f, "path", path);
		set_mode(f, &st);
		put_bytes(f, &data);
	} else if (e->kind == ERR_NOTFOUND)
		rv = 0;
	secret_wipe(data.data, data.len);
	buf_release(&data);
	return rv;
}

static int
answer_tree(struct storage *s, const struct json *question,
    struct json **answer, struct err *e)
{
	const struct json *first = json_get(question, "first");
	bool is_only = json_bool(question, "only", false);
	char *prefix = xasprintf("%s/", json_str(question, "path"));
	struct reading r = { .storage = s, .files = json_array(),
	    .left_out = json_array() };
	size_t i;
	int rv;

	rv = s->ops->list(s, prefix, NULL, on_path, &r, e);
	strv_sort(&r.paths);
	for (i = 0; rv == 0 && i < r.paths.n; i++)
		if (is_first(first, r.paths.v[i]))
			rv = read_one(&r, r.paths.v[i], e);
	for (i = 0; rv == 0 && !is_only && i < r.paths.n; i++)
		if (!is_first(first, r.paths.v[i]))
			rv = read_one(&r, r.paths.v[i], e);
	if (rv == 0) {
		*answer = json_object();
		json_set(*answer, "files", r.files);
		json_set(*answer, "left_out", r.left_out);
	} else {
		json_wipe(r.files);
		json_free(r.left_out);
	}
	strv_release(&r.paths);
	free(prefix);
	return rv == 0 ? 0 : -1;
}

static int
on_any(void *arg, const char *path, const struct storage_stat *st)
{
	(void)arg, (void)path, (void)st;
	return 1;
}

int
storage_query(void *ctx, const struct json *question, struct json **answer,
    struct err *e)
{
	struct storage *s = ctx;
	const char *op = json_strd(question, "op", "");
	const char *path = json_str(question, "path");
	int64_t max = json_int(question, "max", TEXT_MAX);

	if (strcmp(op, "ping") == 0) {
		if (s->ops->list(s, "shared/", NULL, on_any, NULL, e) == -1)
			return -1;
		*answer = json_object();
		return 0;
	}
	if (strcmp(op, "list") != 0 && strcmp(op, "get") != 0 &&
	    strcmp(op, "tree") != 0)
		return err_set(e, ERR_USER, "a storage cannot be asked \"%s\"",
		    op);
	if (path_check(path, e) == -1)
		return -1;
	if (strcmp(op, "list") == 0)
		return answer_list(s, path, answer, e);
	if (strcmp(op, "tree") == 0)
		return answer_tree(s, question, answer, e);
	return answer_get(s, path, max < 0 || max > TEXT_MAX ? TEXT_MAX :
	    (size_t)max, answer, e);
}

/* --- trees ---------------------------------------------------------------- */

void
storage_tree_diff(const struct json *desired, const struct json *observed,
    struct changes *out)
{
	const char *mode = json_str(observed, "mode");
	const struct json *v;

	if (json_str(observed, "path") == NULL) {
		changes_add(out, RISK_CREATE, "tree", NULL,
		    json_str(desired, "path"));
		return;
	}
	if (mode != NULL && json_str(desired, "mode") != NULL &&
	    mode_of(mode) != mode_of(json_str(desired, "mode")))
		changes_add(out, RISK_UPDATE, "mode", mode,
		    json_str(desired, "mode"));
	for (v = json_first(json_get(desired, "keep")); v != NULL;
	    v = json_next(v))
		if (!json_has_str(json_get(observed, "keep"), json_value_str(v)))
			changes_add(out, RISK_UPDATE, "placeholder", NULL,
			    json_value_str(v));
}

/* One empty file; what is there stays as it is. */
static int
keep_one(struct storage *s, const char *path, int mode, struct outcome *out,
    struct err *e)
{
	struct storage_stat st = {0};
	int rv;

	if (path_check(path, e) == -1)
		return -1;
	rv = s->ops->put(s, path, "", 0, mode & 0666, STORAGE_ABSENT, NULL, &st,
	    e);
	if (rv == 0)
		strv_addf(&out->did, "made %s", path);
	return rv == -1 ? -1 : 0;
}

int
storage_tree_ensure(void *ctx, const struct work *w, struct outcome *out,
    struct err *e)
{
	struct storage *s = ctx;
	const char *path = json_str(w->desired, "path");
	const char *modetext = json_str(w->desired, "mode");
	int mode = modetext == NULL ? 0700 : mode_of(modetext);
	const struct json *v;
	struct json *form = json_object(), *keep;
	int rv = path_check(path, e);

	json_set_str(form, "path", path);
	if (json_bool(w->desired, "forever", false))
		json_set_bool(form, "forever", true);
	keep = json_set(form, "keep", json_array());
	if (rv == 0 && s->ops->make_tree != NULL) {
		rv = s->ops->make_tree(s, path, mode, e);
		json_set_strf(form, "mode", "%04o", (unsigned)mode);
		if (rv == 1) {
			strv_addf(&out->did, "made %s/", path);
			rv = 0;
		}
	}
	for (v = json_first(json_get(w->desired, "keep")); rv == 0 && v != NULL;
	    v = json_next(v)) {
		rv = keep_one(s, json_value_str(v), mode, out, e);
		if (rv == 0)
			json_push_str(keep, json_value_str(v));
	}
	if (rv == 0)
		out->observed = form;
	else {
		json_free(form);
		out->observed = json_copy(w->observed);
	}
	return rv;
}

static int
on_doomed(void *arg, const char *path, const struct storage_stat *st)
{
	struct strv *paths = arg;

	(void)st;
	strv_add(paths, path);
	return paths->n == STORAGE_BATCH;
}

/*
 * All that is below the tree, a batch at a time, until a list is empty: an
 * object "a" can hide "a/b" from the list before.
 */
static int
empty_tree(struct storage *s, const char *path, size_t *removed,
    struct err *e)
{
	char *prefix = xasprintf("%s/", path);
	struct strv paths = {0};
	int rv, round;

	for (round = 0; ; round++) {
		rv = s->ops->list(s, prefix, NULL, on_doomed, &paths, e);
		if (rv == -1 && e->kind == ERR_NOTFOUND) {
			strv_release(&paths);
			rv = 0;
		}
		if (rv == -1 || paths.n == 0)
			break;
		if (round == ROUNDS_MAX) {
			rv = err_set(e, ERR_RETRY, "%s: somebody keeps writing "
			    "there", path);
			break;
		}
		rv = remove_all(s, &paths, e);
		if (rv == -1)
			break;
		*removed += paths.n;
		strv_release(&paths);
	}
	strv_release(&paths);
	free(prefix);
	return rv;
}

int
storage_tree_remove(void *ctx, const struct work *w, struct outcome *out,
    struct err *e)
{
	struct storage *s = ctx;
	const char *path = json_str(w->observed, "path");
	size_t removed = 0;
	int rv;

	/* Others live there, too. */
	if (json_bool(w->observed, "forever", false))
		return 0;
	if (path == NULL && strchr(w->key, ':') != NULL)
		path = strchr(w->key, ':') + 1;
	rv = path_check(path, e);
	/* A tree that holds the trees of others is never emptied. */
	if (rv == 0 && strchr(path, '/') == NULL)
		return 0;
	if (rv == 0)
		rv = s->ops->drop_tree != NULL ?
		    s->ops->drop_tree(s, path, &removed, e) :
		    empty_tree(s, path, &removed, e);
	if (removed > 0)
		strv_addf(&out->did, "removed %zu files", removed);
	if (rv == -1)
		out->observed = json_copy(w->observed);
	return rv;
}

static void
tree_paths(const struct json *observed, struct strv *out)
{
	const struct json *v;

	if (json_str(observed, "mode") != NULL)
		strv_add(out, json_str(observed, "path"));
	for (v = json_first(json_get(observed, "keep")); v != NULL;
	    v = json_next(v))
		if (json_value_str(v) != NULL)
			strv_add(out, json_value_str(v));
}

static int
tree_judge(struct storage *s, const struct json *observed,
    const struct look *l, struct json **now, bool *is_changed, struct err *e)
{
	const char *mode = json_str(observed, "mode"), *path;
	const struct storage_stat *st;
	const struct json *v;
	struct json *form = json_copy(observed), *keep;

	(void)s, (void)e;
	keep = json_set(form, "keep", json_array());
	for (v = json_first(json_get(observed, "keep")); v != NULL;
	    v = json_next(v)) {
		path = json_value_str(v);
		if (path != NULL && look_find(l, path) != NULL)
			json_push_str(keep, path);
	}
	if (mode != NULL) {
		st = look_find(l, json_strd(observed, "path", ""));
		if (st == NULL || !st->is_tree) {
			json_free(form);
			form = NULL;
		} else
			set_mode(form, st);
	}
	*is_changed = !json_equal(form, observed);
	*now = form;
	return 0;
}

const struct look_kind look_tree = { "tree", tree_paths, tree_judge };
