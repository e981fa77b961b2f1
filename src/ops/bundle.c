/*
 * What an agent gets that somebody else runs: the environment and the home that a
 * container of ours would have.
 *
 * Whether something has changed is told from the objects alone, without a look
 * at the storage: the digest goes over what each file was made from ("source"),
 * which changes when the text does or a secret in it.
 */
#include "hiclaw/ops.h"

#include <stdlib.h>
#include <string.h>

#include "hiclaw/secure.h"

/* One making of it; also what is asked of the objects on the way. */
struct bundle {
	struct engine	*engine;
	char		*name;		/* of the agent */
	char		*runtime;
	char		*owner;		/* "Worker/alice" */
	char		*prefix;	/* "agents/alice/" */
	struct json	*answer;
	struct json	*holder;	/* parsed forms that are pointed into */
	struct map	*rules;		/* path of a file, or "dir/" -> rule */
	struct map	*forms;		/* path -> json of shared files */
	struct json	*first;		/* what is ours, in the bucket */
	struct buf	 all, restart;	/* lines for the digests */
	bool		 is_first;
	void		(*done)(void *, struct json *, const struct err *);
	void		*arg;
};

static void
form_free(void *arg)
{
	json_free(arg);
}

static void
bundle_free(struct bundle *b)
{
	free(b->name);
	free(b->runtime);
	free(b->owner);
	free(b->prefix);
	json_wipe(b->answer);
	json_free(b->holder);
	json_free(b->first);
	map_free(b->rules);
	map_free(b->forms);
	buf_release(&b->all);
	buf_release(&b->restart);
	free(b);
}

static struct json *
parse(const char *text)
{
	struct err err;

	return text == NULL ? NULL : json_parse(text, strlen(text), &err);
}

/* --- secrets and references ----------------------------------------------- */

/* "account:alice/token"; for secret_free, or NULL. */
static char *
secret_named(struct engine *e, const char *full)
{
	const char *slash = strrchr(full, '/');
	char *key, *secret;

	if (slash == NULL)
		return NULL;
	key = xstrndup(full, (size_t)(slash - full));
	secret = engine_secret(e, key, slash + 1);
	free(key);
	return secret;
}

/* {"NAME": "text" or SECRET} with the secrets themselves. */
static struct json *
literal_env(struct engine *e, const struct json *env)
{
	struct json *o = json_object();
	const struct json *v;
	const char *name;
	char *secret;

	for (v = json_first(env); v != NULL; v = json_next(v)) {
		name = json_str(v, "$secret");
		if (name == NULL) {
			json_set_str(o, json_key(v), json_value_str(v));
			continue;
		}
		secret = secret_named(e, name);
		json_set_str(o, json_key(v), secret);
		secret_free(secret);
	}
	return o;
}

/* All secrets that a form names, by their whole names. */
static void
collect_secrets(struct bundle *b, const struct json *form, struct json *out)
{
	const char *name = json_str(form, "$secret");
	const struct json *v;
	char *secret;

	if (name != NULL) {
		secret = secret_named(b->engine, name);
		json_set_str(out, name, secret);
		secret_free(secret);
		return;
	}
	if (json_is(form, JSON_OBJECT) || json_is(form, JSON_ARRAY))
		for (v = json_first(form); v != NULL; v = json_next(v))
			collect_secrets(b, v, out);
}

static const struct json *
lookup(void *arg, const char *key, const char *field)
{
	struct bundle *b = arg;
	struct object_view v;
	struct json *o;

	if (!engine_object(b->engine, key, &v) ||
	    (o = parse(v.observed)) == NULL)
		return NULL;
	json_push(b->holder, o);
	return json_get(o, field);
}

/* --- what the objects say ------------------------------------------------- */

/* "agents/alice/x" -> "x"; NULL: not in the home. */
static const char *
in_home(const struct bundle *b, const char *path)
{
	return path != NULL && str_starts(path, b->prefix) ?
	    path + strlen(b->prefix) : NULL;
}

static void
add_rule(struct bundle *b, const char *path, const char *rule)
{
	const char *at = in_home(b, path);

	if (at == NULL || at[0] == '\0')
		return;
	if (map_find(b->rules, at) == NULL) {
		map_set(b->rules, at, xstrdup(rule));
		json_push_str(b->first, path);
	}
}

static bool
is_shared(const char *rule)
{
	return strcmp(rule, "owned") != 0 && strcmp(rule, "seed") != 0;
}

static void
take_file(struct bundle *b, const struct object_view *v)
{
	struct json *desired = parse(v->desired);
	struct json *observed = parse(v->observed);
	const char *path = json_str(desired, "path");
	const char *rule = json_strd(desired, "rule", "owned");
	const char *source = json_str(observed, "source");

	if (in_home(b, path) != NULL && observed != NULL) {
		add_rule(b, path, rule);
		buf_printf(&b->all, "%s %s\n", path, source != NULL ? source :
		    "");
		if (json_bool(desired, "restart", false))
			buf_printf(&b->restart, "%s %s\n", path,
			    source != NULL ? source : "");
		if (is_shared(rule))
			map_set(b->forms, in_home(b, path),
			    object_resolve(desired, lookup, b, NULL));
	}
	json_free(desired);
	json_free(observed);
}

static void
take_skills(struct bundle *b, const struct object_view *v)
{
	struct json *observed = parse(v->observed);
	const char *path = json_str(observed, "path");
	const struct json *s;
	char *at, *source;

	if (in_home(b, path) == NULL)
		goto out;
	s = json_first(json_get(observed, "skills"));
	for (; s != NULL; s = json_next(s)) {
		at = xasprintf("%s/%s/", path, json_key(s));
		source = json_canonical(json_get(s, "source"));
		add_rule(b, at, "skill");
		buf_printf(&b->all, "%s %s\n", at, source);
		free(source);
		free(at);
	}
out:
	json_free(observed);
}

static void
take_package(struct bundle *b, const struct object_view *v)
{
	struct json *observed = parse(v->observed);
	const char *path = json_str(observed, "path");
	const struct json *f;
	char *at;

	if (path == NULL || strlen(path) + 1 != strlen(b->prefix) ||
	    !str_starts(b->prefix, path))
		goto out;
	buf_printf(&b->all, "%s %s\n", v->key, json_strd(observed, "digest",
	    ""));
	f = json_first(json_get(observed, "files"));
	for (; f != NULL; f = json_next(f)) {
		if (in_home(b, json_key(f)) != NULL)
			at = xstrdup(json_key(f));
		else
			at = xasprintf("%s%s", b->prefix, json_key(f));
		add_rule(b, at, "package");
		free(at);
	}
out:
	json_free(observed);
}

/* Objects come in order of their keys: files before packages, whose rules are
 * weaker. */
static void
take_object(void *arg, const struct object_view *v)
{
	struct bundle *b = arg;

	if (str_starts(v->key, "file:") && v->desired != NULL)
		take_file(b, v);
	else if (str_starts(v->key, "skills:"))
		take_skills(b, v);
	else if (str_starts(v->key, "package:"))
		take_package(b, v);
}

static void
take_env(struct bundle *b)
{
	char *key = xasprintf("remote:%s", b->name), *text;
	struct json *desired = NULL, *env;
	struct object_view v;

	if (engine_object(b->engine, key, &v))
		desired = parse(v.desired);
	env = json_set(b->answer, "env", literal_env(b->engine,
	    json_get(desired, "env")));
	json_set_str(b->answer, "state", json_strd(desired, "state",
	    "running"));
	buf_printf(&b->all, "%s\n", json_str(b->answer, "state"));
	text = json_canonical(env);
	buf_printf(&b->restart, "%s\n%lld\n", text,
	    (long long)json_int(desired, "restart", 0));
	secret_free(text);
	json_free(desired);
	free(key);
}

static void
put_digest(struct json *o, const char *name, const struct buf *b)
{
	char sha256[SHA256_HEX];

	sha256_hex(buf_str(b), b->len, sha256);
	json_set_str(o, name, sha256);
}

/* NULL: there is no such agent, or it is ours to run. */
static struct bundle *
bundle_new(struct engine *e, const char *agent)
{
	struct agents as = { 0 };
	const struct agent *a;
	struct bundle *b = NULL;

	agents_list(engine_world_config(e), engine_resources(e), &as);
	a = agents_find(&as, agent);
	if (a != NULL && agent_is_remote(a)) {
		b = xcalloc(1, sizeof *b);
		b->engine = e;
		b->name = xstrdup(a->name);
		b->runtime = xstrdup(a->runtime);
		b->owner = xasprintf("%s/%s", a->resource->kind->name,
		    a->resource->name);
		b->prefix = xasprintf("agents/%s/", a->runtime);
		b->answer = json_object();
		b->holder = json_array();
		b->first = json_array();
		b->rules = map_new(free);
		b->forms = map_new(form_free);
		json_set_str(b->answer, "name", a->name);
		json_set_str(b->answer, "kind", a->role == AGENT_MANAGER ?
		    "Manager" : "Worker");
		json_set_str(b->answer, "user", a->user);
	}
	agents_release(&as);
	return b;
}

static void
take_all(struct bundle *b)
{
	take_env(b);
	engine_objects(b->engine, b->owner, take_object, b);
	buf_puts(&b->all, buf_str(&b->restart));
	put_digest(b->answer, "digest", &b->all);
	put_digest(b->answer, "restart", &b->restart);
	secret_wipe(b->restart.data, b->restart.len);
	secret_wipe(b->all.data, b->all.len);
}

bool
bundle_state(struct engine *e, const char *agent, struct bundle_state *s)
{
	struct bundle *b = bundle_new(e, agent);

	if (b == NULL)
		return false;
	take_all(b);
	str_copy(s->digest, json_str(b->answer, "digest"), sizeof s->digest);
	str_copy(s->restart, json_str(b->answer, "restart"),
	    sizeof s->restart);
	bundle_free(b);
	return true;
}

/* --- files ---------------------------------------------------------------- */

static const char *
rule_of(const struct bundle *b, const char *at)
{
	const char *rule = map_find(b->rules, at), *p = at;
	char *up;

	/* A skill is known by its directory: skills/name/. */
	while (rule == NULL && (p = strchr(p, '/')) != NULL) {
		up = xstrndup(at, (size_t)(++p - at));
		rule = map_find(b->rules, up);
		free(up);
	}
	return rule != NULL ? rule : "own";
}

static void
put_files(struct bundle *b, const struct json *tree)
{
	struct json *files = json_set(b->answer, "files", json_array()), *f;
	struct json *secrets = json_set(b->answer, "secrets", json_object());
	struct json *left = json_set(b->answer, "left_out", json_array()), *form;
	const struct json *v;
	const char *at;

	for (v = json_first(json_get(tree, "files")); v != NULL;
	    v = json_next(v)) {
		if ((at = in_home(b, json_str(v, "path"))) == NULL)
			continue;
		f = json_push(files, json_copy(v));
		if (json_get(f, "mode") == NULL)
			json_set_str(f, "mode", "0600");
		json_set_str(f, "rule", rule_of(b, at));
		form = map_find(b->forms, at);
		if (form != NULL) {
			collect_secrets(b, form, secrets);
			json_set(f, "form", json_copy(form));
		}
		json_set_str(f, "path", at);
	}
	for (v = json_first(json_get(tree, "left_out")); v != NULL;
	    v = json_next(v))
		json_push_str(left, in_home(b, json_value_str(v)));
}

static void
on_tree(void *arg, const struct json *tree, const struct err *e)
{
	struct bundle *b = arg;

	if (tree != NULL)
		put_files(b, tree);
	b->done(b->arg, tree != NULL ? b->answer : NULL, e);
	bundle_free(b);
}

int
bundle_make(struct engine *e, const char *agent, bool is_first,
    void (*done)(void *, struct json *, const struct err *), void *arg,
    struct err *err)
{
	const char *storage = engine_world_config(e)->storage.provider;
	struct bundle *b = bundle_new(e, agent);
	struct json *question;
	int rv;

	if (b == NULL)
		return err_set(err, ERR_DENIED, "%.64s is no agent that "
		    "somebody else runs", agent);
	b->is_first = is_first;
	b->done = done;
	b->arg = arg;
	take_all(b);
	if (!str_equal(storage, "directory")) {
		put_files(b, NULL);
		done(arg, b->answer, NULL);
		bundle_free(b);
		return 0;
	}
	question = json_object();
	json_set_str(question, "op", "tree");
	json_set_strf(question, "path", "agents/%s", b->runtime);
	json_set(question, "first", json_copy(b->first));
	json_set_bool(question, "only", !is_first);
	rv = engine_query(e, "file", question, on_tree, b, err);
	json_free(question);
	if (rv == -1)
		bundle_free(b);
	return rv;
}
