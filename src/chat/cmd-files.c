/* files, cat: what is in an agent's home, and whose it is. */
#include "agents.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hiclaw/secure.h"

#include "cmd.h"

#define FILES_SHOWN	30	/* lines: two phone screens; more is a file */
#define CAT_MAX		(12 * 1024)	/* bytes of a file in a message */

/* --- whose is it ----------------------------------------------------------- */

/* Of one home: whose a file is, in a word, by its path below the home. */
struct home {
	char		*prefix;	/* "agents/alice/" */
	struct map	*owners;
};

static const char *
rule_words(const char *rule)
{
	static const struct { const char *rule, *words; } t[] = {
		{ "owned", "ours" }, { "seed", "seeded, the agent's now" },
		{ "markers", "shared: our part in marks" },
		{ "openclaw", "shared: plugins are the agent's" },
		{ "mcporter", "shared: other entries are the agent's" },
	};

	for (size_t i = 0; i < NELEM(t); i++)
		if (str_equal(t[i].rule, rule))
			return t[i].words;
	return "ours";
}

/* Paths in the bucket or in the home; others' are passed over. */
static void
set_owner(struct home *h, const char *path, const char *words)
{
	if (str_starts(path, h->prefix))
		path += strlen(h->prefix);
	map_set(h->owners, path, (void *)(uintptr_t)words);
}

/* The object's path ("agents/alice") is the home. */
static bool
is_home(const struct home *h, const char *path)
{
	size_t n = strlen(h->prefix) - 1;

	return path != NULL && strlen(path) == n &&
	    strncmp(path, h->prefix, n) == 0;
}

static void
take_file(struct home *h, const char *path, const char *desired)
{
	struct json *o = json_must(desired);

	set_owner(h, path, rule_words(json_str(o, "rule")));
	json_free(o);
}

/* Files of a package that are not ours as well: those rules are stronger. */
static void
take_package(struct home *h, const struct json *o)
{
	const struct json *f = json_first(json_get(o, "files"));
	const char *path;

	if (!is_home(h, json_str(o, "path")))
		return;
	for (; f != NULL; f = json_next(f)) {
		path = json_key(f);
		if (str_starts(path, h->prefix))
			path += strlen(h->prefix);
		if (map_find(h->owners, path) == NULL)
			set_owner(h, path, "from the package, the agent's now");
	}
}

/* A skill is known by its directory: "skills/name/". */
static void
take_skills(struct home *h, const struct json *o)
{
	const char *path = json_strd(o, "path", "");
	const struct json *s = json_first(json_get(o, "skills"));
	char *at;

	if (!str_starts(path, h->prefix))
		return;
	for (; s != NULL; s = json_next(s)) {
		at = xasprintf("%s/%s/", path, json_key(s));
		set_owner(h, at, "skill, ours");
		free(at);
	}
}

/* Objects come in order of their keys: files, then packages, then skills. */
static void
take_object(void *arg, const struct object_view *v)
{
	struct home *h = arg;
	const char *path = strchr(v->key, ':') + 1;
	struct json *o;

	if (str_starts(v->key, "file:")) {
		if (v->desired != NULL && str_starts(path, h->prefix))
			take_file(h, path, v->desired);
		return;
	}
	if (v->observed == NULL || (!str_starts(v->key, "package:") &&
	    !str_starts(v->key, "skills:")))
		return;
	o = json_must(v->observed);
	if (str_starts(v->key, "package:"))
		take_package(h, o);
	else
		take_skills(h, o);
	json_free(o);
}

static const char *
owner_of_file(const struct home *h, const char *path)
{
	const char *words = map_find(h->owners, path), *p = path;
	char *up;

	/* A skill is known by its directory: skills/name/. */
	while (words == NULL && (p = strchr(p, '/')) != NULL) {
		up = xstrndup(path, (size_t)(++p - path));
		words = map_find(h->owners, up);
		free(up);
	}
	return words != NULL ? words : "the agent's own";
}

/* --- files ------------------------------------------------------------------ */

static void
size_text(int64_t n, char *dst, size_t dstsize)
{
	if (n < 1000)
		snprintf(dst, dstsize, "%lld B", (long long)n);
	else if (n < 1000000)
		snprintf(dst, dstsize, "%.1f kB", (double)n / 1000);
	else
		snprintf(dst, dstsize, "%.1f MB", (double)n / 1000000);
}

static void
put_file(const struct home *h, const struct json *v, bool is_shown,
    struct text *out, struct buf *whole)
{
	const char *path = json_strd(v, "path", "?"), *owner;
	char size[24];

	if (str_starts(path, h->prefix))
		path += strlen(h->prefix);
	owner = owner_of_file(h, path);
	size_text(json_int(v, "size", 0), size, sizeof size);
	if (is_shown)
		text_printf(out, "- `%s` %s · %s\n", path, size, owner);
	buf_printf(whole, "%s\t%s\t%s\n", path, size, owner);
}

static void
say_files(struct request *q, const struct agent *a, const struct json *answer)
{
	struct home h = { xasprintf("agents/%s/", a->runtime), map_new(NULL) };
	char *owner = xasprintf("%s/%s", a->resource->kind->name,
	    a->resource->name), size[24];
	struct text t = { 0 };
	struct buf whole = { 0 };
	const struct json *v;
	int64_t bytes = 0;
	size_t n = 0;

	engine_objects(q->chat->engine, owner, take_object, &h);
	for (v = json_first(json_get(answer, "files")); v != NULL;
	    v = json_next(v), n++) {
		put_file(&h, v, n < FILES_SHOWN, &t, &whole);
		bytes += json_int(v, "size", 0);
	}
	size_text(bytes, size, sizeof size);
	if (json_bool(answer, "cut", false))
		text_printf(&t, "\nThe first %zu files, %s, in the home of "
		    "%s; there are more.", n, size, a->name);
	else
		text_printf(&t, "\n%zu file%s, %s, in the home of %s.", n,
		    n == 1 ? "" : "s", size, a->name);
	if (n > FILES_SHOWN)
		say_file(q, &t, "files.txt", "text/plain", buf_str(&whole));
	else
		say(q, REPLY_INFO, &t);
	buf_release(&whole);
	text_release(&t);
	map_free(h.owners);
	free(h.prefix);
	free(owner);
}

void
cmd_files(struct request *q)
{
	struct agents as = { 0 };
	const struct agent *a;
	struct json *question, *answer;

	if ((a = agent_alone(q, &as)) != NULL) {
		question = json_object();
		json_set_str(question, "op", "list");
		json_set_strf(question, "path", "agents/%s", a->runtime);
		answer = request_query(q, "file", question);
		if (answer != NULL)
			say_files(q, a, answer);
		json_free(answer);
	}
	agents_release(&as);
}

/* --- cat -------------------------------------------------------------------- */

/* Files in which a name tells what stands beside it; hidden ones are settings. */
static bool
has_settings(const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash != NULL ? slash + 1 : path;
	static const char *const ends[] = { ".json", ".yaml", ".yml", ".env",
	    ".toml", ".ini", ".conf", ".cfg" };

	for (size_t i = 0; i < NELEM(ends); i++)
		if (str_ends(path, ends[i]))
			return true;
	return name[0] == '.' || strstr(path, "credentials") != NULL;
}

/* A word for the block, so that clients colour it. */
static const char *
language(const char *path)
{
	return str_ends(path, ".json") ? "json" : str_ends(path, ".md") ?
	    "markdown" : str_ends(path, ".yaml") ? "yaml" : NULL;
}

static void
say_text(struct request *q, const struct agent *a, const char *path,
    const struct json *answer)
{
	struct strv secrets = { 0 };
	struct text t = { 0 };
	char *masked;

	agent_secrets(q->chat->engine, a->name, &secrets);
	masked = mask_secrets(json_str(answer, "text"), &secrets,
	    has_settings(path));
	text_printf(&t, "`%s` of %s%s\n", path, a->name,
	    json_bool(answer, "cut", false) ? ", its beginning" : "");
	text_pre(&t, language(path), masked);
	say(q, REPLY_INFO, &t);
	secret_free(masked);
	secrets_wipe(&secrets);
	text_release(&t);
}

/* "memory/x.md": relative, without tricks. */
static bool
is_plain_path(const char *path)
{
	return path[0] != '/' && path[0] != '\0' && strlen(path) < 512 &&
	    strstr(path, "..") == NULL && strchr(path, '\\') == NULL;
}

static void
cat(struct request *q, const struct agent *a, const char *path)
{
	struct json *question = json_object(), *answer;
	char size[24];

	json_set_str(question, "op", "get");
	json_set_strf(question, "path", "agents/%s/%s", a->runtime, path);
	json_set_int(question, "max", CAT_MAX);
	answer = request_query(q, "file", question);
	if (answer != NULL && json_str(answer, "text") != NULL)
		say_text(q, a, path, answer);
	else if (answer != NULL) {
		size_text(json_int(answer, "binary", 0), size, sizeof size);
		say_wrong(q, "%s is no text (%s)", path, size);
	}
	json_wipe(answer);
}

void
cmd_cat(struct request *q)
{
	struct agents as = { 0 };
	const struct agent *a;
	struct err err;
	size_t at = 0;

	a = agent_take(q, &as, &at, &err);
	if (a == NULL)
		say_usage(q, err.msg);
	else if (at + 1 != q->words.v.n)
		say_usage(q, "which file? \"files\" lists them");
	else if (!is_plain_path(q->words.v.v[at]))
		say_usage(q, "a path inside the agent's home, such as SOUL.md");
	else
		cat(q, a, q->words.v.v[at]);
	agents_release(&as);
}
