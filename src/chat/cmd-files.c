/* files, cat: what is in an agent's home, and whose it is. */
#include "agents.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hiclaw/secure.h"

#include "cmd.h"
#include "mask.h"

#define FILES_SHOWN	30	/* lines: two phone screens; more is a file */
#define CAT_MAX		(12 * 1024)	/* bytes of a file in a message */

/* --- whose is it ---------------------------------------------------------------- */

/* Owner in a word, by path below the home. */
struct homes { struct chat *chat; char *prefix; struct map *owners; };

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

static void
take_paths(struct homes *h, const struct json *files, const char *words)
{
	for (; files != NULL; files = json_next(files))
		if (str_starts(json_key(files), h->prefix))
			map_set(h->owners, json_key(files) + strlen(h->prefix),
			    (void *)(uintptr_t)words);
		else
			map_set(h->owners, json_key(files),
			    (void *)(uintptr_t)words);
}

static void
take_object(void *arg, const struct object_view *v)
{
	struct homes *h = arg;
	const char *path = strchr(v->key, ':') + 1;
	struct json *o;
	const struct json *s;

	if (str_starts(v->key, "file:") && v->desired != NULL &&
	    str_starts(path, h->prefix)) {
		o = json_must(v->desired);
		map_set(h->owners, path + strlen(h->prefix),
		    (void *)(uintptr_t)rule_words(json_str(o, "rule")));
		json_free(o);
	} else if (v->observed != NULL && str_starts(v->key, "package:")) {
		o = json_must(v->observed);
		if (str_starts(h->prefix, json_strd(o, "path", "?")))
			take_paths(h, json_first(json_get(o, "files")),
			    "from the package, the agent's now");
		json_free(o);
	} else if (v->observed != NULL && str_starts(v->key, "skills:")) {
		o = json_must(v->observed);
		if (str_starts(json_strd(o, "path", "?"), h->prefix))
			for (s = json_first(json_get(o, "skills")); s != NULL;
			    s = json_next(s)) {
				char *at = xasprintf("%s/%s/",
				    json_str(o, "path") + strlen(h->prefix),
				    json_key(s));

				map_set(h->owners, at, (char *)(uintptr_t)
				    "skill, ours");
				free(at);
			}
		json_free(o);
	}
}

static const char *
owner_of_file(const struct homes *h, const char *path)
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

/* --- files ------------------------------------------------------------------------ */

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
say_files(struct request *q, const struct agent *a, const struct json *answer)
{
	const struct json *list = json_get(answer, "files"), *v;
	struct homes h = { q->chat, NULL, map_new(NULL) };
	struct text t = { 0 };
	struct buf whole = { 0 };
	int64_t bytes = 0;
	char size[24];
	size_t n = 0;
	const char *path;

	h.prefix = xasprintf("agents/%s/", a->runtime);
	engine_objects(q->chat->engine, NULL, take_object, &h);
	for (v = json_first(list); v != NULL; v = json_next(v), n++) {
		path = json_strd(v, "path", "?");
		if (str_starts(path, h.prefix))
			path += strlen(h.prefix);
		bytes += json_int(v, "size", 0);
		size_text(json_int(v, "size", 0), size, sizeof size);
		if (n < FILES_SHOWN)
			text_printf(&t, "- `%s` %s · %s\n", path, size,
			    owner_of_file(&h, path));
		buf_printf(&whole, "%s\t%s\t%s\n", path, size,
		    owner_of_file(&h, path));
	}
	size_text(bytes, size, sizeof size);
	text_printf(&t, "\n%zu files, %s, in the home of %s.", n, size,
	    a->name);
	if (n > FILES_SHOWN)
		say_file(q, &t, "files.txt", "text/plain", buf_str(&whole));
	else
		say(q, REPLY_INFO, &t);
	buf_release(&whole);
	text_release(&t);
	map_free(h.owners);
	free(h.prefix);
}

void
cmd_files(struct request *q)
{
	struct agents as = { 0 };
	const struct agent *a;
	struct json *question, *answer;
	struct err err;
	size_t at = 0;

	a = agent_take(q, &as, &at, &err);
	if (a == NULL || at < q->words.v.n)
		say_usage(q, a == NULL ? err.msg : "one agent at a time");
	else {
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

/* --- cat -------------------------------------------------------------------------- */

static void
take_secret(struct chat *c, char *key, const char *name, struct strv *out)
{
	char *secret = engine_secret(c->engine, key, name);

	if (secret != NULL)
		strv_add(out, secret);
	secret_free(secret);
	free(key);
}

/* All we know that an agent holds. */
static void
secrets_of(struct chat *c, const struct agent *a, struct strv *out)
{
	take_secret(c, xasprintf("consumer:%s", a->consumer), "key", out);
	take_secret(c, xasprintf("consumer:%s", a->consumer), "old_key", out);
	take_secret(c, xasprintf("account:%s", a->runtime), "token", out);
	take_secret(c, xasprintf("user:%s", a->runtime), "secret", out);
}

static void
secrets_wipe(struct strv *list)
{
	for (size_t i = 0; i < list->n; i++)
		secret_wipe(list->v[i], strlen(list->v[i]));
	strv_release(list);
}

/* Files in which a name tells what stands beside it. */
static bool
has_settings(const char *path)
{
	static const char *const ends[] = { ".json", ".yaml", ".yml", ".env",
	    ".toml", ".ini", ".conf", ".cfg" };

	for (size_t i = 0; i < NELEM(ends); i++)
		if (str_ends(path, ends[i]))
			return true;
	return strstr(path, "credentials") != NULL;
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

	secrets_of(q->chat, a, &secrets);
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
