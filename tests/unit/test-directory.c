/*
 * The directory provider in directories of its own, with links laid across its
 * way; and the functions that are true of objects of every kind.
 */
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "hiclaw/clock.h"
#include "hiclaw/provider.h"

struct place {
	char	*top, *root;		/* root is top/store */
	void	*ctx;
	const struct provider *p;
	const struct object_kind *kind;
};

static int
open_place(void **state)
{
	struct place *t = xcalloc(1, sizeof(*t));
	struct provider_env env = { .instance = "hiclaw-1234abcd" };
	const char *dir = getenv("TMPDIR");
	struct err e = {0};
	char *url;

	t->top = xasprintf("%s/hiclaw-dir.XXXXXX", dir ? dir : "/tmp");
	if (mkdtemp(t->top) == NULL)
		return -1;
	t->root = xasprintf("%s/a b/store", t->top);
	url = xasprintf("file://%s/a%%20b/store", t->top);
	env.storage.provider = "directory";
	env.storage.url = url;
	t->kind = object_kind_find("file", &t->p);
	assert_non_null(t->kind);
	assert_int_equal(t->p->open(&env, &t->ctx, &e), 0);
	assert_non_null(t->ctx);
	free(url);
	*state = t;
	return 0;
}

static int
close_place(void **state)
{
	struct place *t = *state;
	char *cmd = xasprintf("rm -rf '%s'", t->top);
	int rv = system(cmd);

	t->p->close(t->ctx);
	free(cmd);
	free(t->top);
	free(t->root);
	free(t);
	return rv;
}

/* --- helpers ------------------------------------------------------------ */

static char *
at(const struct place *t, const char *path)
{
	return xasprintf("%s/%s", t->root, path);
}

static void
put(const struct place *t, const char *path, const char *text)
{
	char *p = at(t, path);
	FILE *f = fopen(p, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	free(p);
}

static void
make_dir(const struct place *t, const char *path)
{
	char *p = at(t, path);

	assert_int_equal(mkdir(p, 0700), 0);
	free(p);
}

static void
make_link(const struct place *t, const char *to, const char *path)
{
	char *p = at(t, path);

	assert_int_equal(symlink(to, p), 0);
	free(p);
}

static bool
is_there(const struct place *t, const char *path)
{
	struct stat st;
	char *p = at(t, path);
	int rv = lstat(p, &st);

	free(p);
	return rv == 0;
}

static void
assert_file(const struct place *t, const char *path, const char *text,
    mode_t mode)
{
	char *p = at(t, path), got[256];
	struct stat st;
	size_t n;
	FILE *f;

	f = fopen(p, "r");
	assert_non_null(f);
	n = fread(got, 1, sizeof(got) - 1, f);
	got[n] = '\0';
	fclose(f);
	assert_string_equal(got, text);
	assert_int_equal(lstat(p, &st), 0);
	assert_true(S_ISREG(st.st_mode));
	assert_int_equal(st.st_mode & 07777, mode);
	free(p);
}

static struct json *
desired(const char *path, const char *mode, const char *content)
{
	struct json *d = json_object();

	json_set_str(d, "path", path);
	json_set_str(d, "mode", mode);
	json_set_str(d, "rule", "owned");
	json_set_str(d, "text", content);
	return d;
}

/* Ensure, and say what was done; the observed form is for json_free. */
static int
ensure(struct place *t, const char *path, const char *mode,
    const char *content, const char *did, struct json **observed,
    struct err *e)
{
	struct json *d = desired(path, mode, content);
	struct outcome out = {0};
	struct work w = { .key = "file:x", .desired = d };
	char *text;
	int rv;

	rv = t->kind->ensure(t->ctx, &w, &out, e);
	text = strv_join(&out.did, ", ");
	assert_string_equal(text, did);
	if (observed != NULL) {
		*observed = out.observed;
		out.observed = NULL;
	}
	free(text);
	outcome_release(&out);
	json_free(d);
	return rv;
}

static int
take_away(struct place *t, const char *key, const struct json *observed,
    struct err *e)
{
	struct outcome out = {0};
	struct work w = { .key = key, .observed = observed };
	int rv = t->kind->remove(t->ctx, &w, &out, e);

	outcome_release(&out);
	return rv;
}

struct seen { size_t n; bool is_gone; struct json *observed; };

static void
on_changed(void *arg, const char *key, struct json *observed)
{
	struct seen *s = arg;

	s->n++;
	s->is_gone = observed == NULL;
	json_free(s->observed);
	s->observed = observed;
}

static void
observe(struct place *t, const struct json *observed, struct seen *s)
{
	char *text = json_canonical(observed);
	struct observe_item item = { "file:x", text };
	struct err e = {0};

	json_free(s->observed);
	*s = (struct seen){0};
	assert_int_equal(t->p->observe(t->ctx, &item, 1, on_changed, s, &e), 0);
	free(text);
}

static size_t
differences(struct place *t, const struct json *d, const struct json *o)
{
	struct changes ch = {0};
	size_t n;

	t->kind->diff(d, o, &ch);
	n = ch.n;
	changes_release(&ch);
	return n;
}

#define SOUL	"agents/alice/SOUL.md"

/* --- the provider ------------------------------------------------------- */

static void
test_write(void **state)
{
	struct place *t = *state;
	struct json *o = NULL, *d = desired(SOUL, "0600", "one");
	struct changes ch = {0};
	struct stat st;
	struct err e = {0};
	char *p;

	assert_int_equal(ensure(t, SOUL, "0600", "one", "written", &o, &e), 0);
	assert_file(t, SOUL, "one", 0600);
	assert_int_equal(differences(t, d, o), 0);
	p = at(t, "agents/alice");
	assert_int_equal(stat(p, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	free(p);
	json_free(o);
	/* Again: nothing is written, the same is observed. */
	assert_int_equal(ensure(t, SOUL, "0600", "one", "", &o, &e), 0);
	assert_int_equal(differences(t, d, o), 0);
	json_set_str(d, "text", "two");
	t->kind->diff(d, o, &ch);
	assert_int_equal(ch.n, 1);
	assert_string_equal(ch.v[0].what, "content");
	assert_null(ch.v[0].from);	/* nobody asked how long it was */
	assert_string_equal(ch.v[0].to, "3 bytes");
	changes_release(&ch);
	json_set_str(d, "mode", "0640");
	assert_int_equal(differences(t, d, o), 2);
	assert_int_equal(differences(t, d, NULL), 1);
	json_free(o);
	assert_int_equal(ensure(t, SOUL, "0640", "two", "rewritten", &o, &e), 0);
	assert_file(t, SOUL, "two", 0640);
	assert_int_equal(differences(t, d, o), 0);
	assert_false(is_there(t, "agents/alice/.SOUL.md.hiclaw-new"));
	json_free(o);
	json_free(d);
}

static void
test_leftover(void **state)
{
	struct place *t = *state;
	struct err e = {0};

	/* A controller was killed in the middle of it. */
	make_dir(t, "agents");
	make_dir(t, "agents/alice");
	put(t, "agents/alice/.SOUL.md.hiclaw-new", "ha");
	assert_int_equal(ensure(t, SOUL, "0600", "one", "written", NULL, &e), 0);
	assert_file(t, SOUL, "one", 0600);
	assert_false(is_there(t, "agents/alice/.SOUL.md.hiclaw-new"));
}

static void
test_observe(void **state)
{
	struct place *t = *state;
	struct json *o = NULL, *d = desired(SOUL, "0600", "one");
	struct seen s = {0};
	struct err e = {0};
	char *p = at(t, SOUL);

	assert_int_equal(ensure(t, SOUL, "0600", "one", "written", &o, &e), 0);
	observe(t, o, &s);
	assert_int_equal(s.n, 0);
	put(t, SOUL, "hacked");
	observe(t, o, &s);
	assert_int_equal(s.n, 1);
	assert_false(s.is_gone);
	assert_int_equal(differences(t, d, s.observed), 1);
	assert_int_equal(chmod(p, 0644), 0);
	observe(t, o, &s);
	assert_int_equal(differences(t, d, s.observed), 2);
	unlink(p);
	observe(t, o, &s);
	assert_int_equal(s.n, 1);
	assert_true(s.is_gone);
	/* A link to a file of the same text is no file of ours. */
	put(t, "agents/other", "one");
	make_link(t, "../other", SOUL);
	observe(t, o, &s);
	assert_true(s.is_gone);
	json_free(s.observed);
	s.observed = NULL;
	/* The whole tree is gone, and made again. */
	{
		char *cmd = xasprintf("rm -rf '%s'", t->root);

		assert_int_equal(system(cmd), 0);
		free(cmd);
	}
	observe(t, o, &s);
	assert_true(s.is_gone);
	assert_int_equal(ensure(t, SOUL, "0600", "one", "written", NULL, &e), 0);
	assert_file(t, SOUL, "one", 0600);
	json_free(o);
	json_free(d);
	free(p);
}

static void
test_remove(void **state)
{
	struct place *t = *state;
	struct json *o = NULL;
	struct err e = {0};

	assert_int_equal(ensure(t, SOUL, "0600", "one", "written", &o, &e), 0);
	assert_int_equal(ensure(t, "agents/bob/SOUL.md", "0600", "b", "written",
	    NULL, &e), 0);
	put(t, "agents/bob/notes", "theirs");
	assert_int_equal(take_away(t, "file:" SOUL, o, &e), 0);
	assert_false(is_there(t, "agents/alice"));
	assert_int_equal(take_away(t, "file:" SOUL, o, &e), 0);
	/* By its key alone, when nothing was observed. */
	assert_int_equal(take_away(t, "file:agents/bob/SOUL.md", NULL, &e), 0);
	assert_false(is_there(t, "agents/bob/SOUL.md"));
	assert_true(is_there(t, "agents/bob/notes"));
	json_free(o);
}

static void
test_links(void **state)
{
	struct place *t = *state;
	struct err e = {0};
	char *out = xasprintf("%s/outside", t->top), *probe;
	struct stat st;

	assert_int_equal(mkdir(out, 0700), 0);
	/* A directory replaced by a link. */
	make_dir(t, "agents");
	make_link(t, out, "agents/alice");
	assert_int_equal(ensure(t, SOUL, "0600", "one", "", NULL, &e), -1);
	assert_int_equal(e.kind, ERR_CONFLICT);
	probe = xasprintf("%s/SOUL.md", out);
	assert_int_equal(stat(probe, &st), -1);
	/* Removal does not follow it either. */
	fclose(fopen(probe, "w"));
	assert_int_equal(take_away(t, "file:" SOUL, NULL, &e), 0);
	assert_int_equal(stat(probe, &st), 0);
	/* The file itself a link: the link is replaced, its target spared. */
	make_dir(t, "agents/bob");
	make_link(t, probe, "agents/bob/SOUL.md");
	assert_int_equal(ensure(t, "agents/bob/SOUL.md", "0600", "one",
	    "written", NULL, &e), 0);
	assert_file(t, "agents/bob/SOUL.md", "one", 0600);
	assert_int_equal(stat(probe, &st), 0);
	assert_int_equal(st.st_size, 0);
	/* A directory in the place of the file. */
	make_dir(t, "agents/bob/TOOLS.md");
	assert_int_equal(ensure(t, "agents/bob/TOOLS.md", "0600", "one", "",
	    NULL, &e), -1);
	assert_int_equal(e.kind, ERR_CONFLICT);
	/* A file in the place of a directory. */
	assert_int_equal(ensure(t, "agents/bob/SOUL.md/x", "0600", "one", "",
	    NULL, &e), -1);
	assert_int_equal(e.kind, ERR_CONFLICT);
	free(probe);
	free(out);
}

static void
test_paths(void **state)
{
	static const char *const bad[] = { "", "/etc/passwd", "../x", "a/../../x",
	    "a//b", "a/", "./a", "a/.", "..",
	    "1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17", NULL };
	struct place *t = *state;
	char longname[300];
	struct err e;
	size_t i;

	for (i = 0; bad[i] != NULL; i++) {
		e = (struct err){0};
		if (ensure(t, bad[i], "0600", "x", "", NULL, &e) != -1)
			fail_msg("\"%s\" was written", bad[i]);
		assert_int_equal(e.kind, ERR_USER);
	}
	memset(longname, 'a', sizeof(longname) - 1);
	longname[sizeof(longname) - 1] = '\0';
	assert_int_equal(ensure(t, longname, "0600", "x", "", NULL, &e), -1);
	/* An odd mode falls back to the closed one. */
	assert_int_equal(ensure(t, "f", "7777", "x", "written", NULL, &e), 0);
	assert_file(t, "f", "x", 0600);
}

/* --- rules ---------------------------------------------------------------- */

/* Ensure by a desired form that is taken over; *observed too, and replaced. */
static char *
ensure_form(struct place *t, const char *kind, struct json *d,
    struct json **observed)
{
	const struct object_kind *k = object_kind_find(kind, NULL);
	struct json *secrets = json_must("{\"account:a/token\":\"sesame\"}");
	struct outcome out = {0};
	struct work w = { .key = "x:y", .desired = d, .observed = *observed,
	    .secrets = secrets, .instance = "hiclaw-1234abcd" };
	struct changes ch = {0};
	struct err e = {0};
	char *text;

	if (k->ensure(t->ctx, &w, &out, &e) == -1)
		fail_msg("%s", e.msg);
	k->diff(d, out.observed, &ch);
	assert_int_equal(ch.n, 0);
	changes_release(&ch);
	text = strv_join(&out.did, ", ");
	json_free(*observed);
	*observed = out.observed;
	out.observed = NULL;
	outcome_release(&out);
	json_free(secrets);
	json_free(d);
	return text;
}

static void
expect_ensure(struct place *t, const char *kind, const char *form,
    struct json **observed, const char *did)
{
	char *text = ensure_form(t, kind, json_must(form), observed);

	assert_string_equal(text, did);
	free(text);
}

static void
test_seed(void **state)
{
	static const char form[] = "{\"path\":\"agents/a/HEARTBEAT.md\","
	    "\"mode\":\"0600\",\"rule\":\"seed\",\"text\":\"first\"}";
	struct place *t = *state;
	struct json *o = NULL;
	struct seen s = {0};
	struct err e = {0};

	make_dir(t, "agents");
	make_dir(t, "agents/a");
	put(t, "agents/a/HEARTBEAT.md", "the agent's");
	expect_ensure(t, "file", form, &o, "");
	assert_file(t, "agents/a/HEARTBEAT.md", "the agent's", 0644);
	put(t, "agents/a/HEARTBEAT.md", "other");
	observe(t, o, &s);
	assert_int_equal(s.n, 0);
	/* It stays when the object goes. */
	assert_int_equal(take_away(t, "file:agents/a/HEARTBEAT.md", o, &e), 0);
	assert_true(is_there(t, "agents/a/HEARTBEAT.md"));
	assert_int_equal(take_away(t, "file:agents/a/HEARTBEAT.md", NULL, &e),
	    0);
	observe(t, o, &s);
	assert_true(s.is_gone);
	expect_ensure(t, "file", form, &o, "written");
	assert_file(t, "agents/a/HEARTBEAT.md", "first", 0600);
	json_free(o);
}

static void
test_markers(void **state)
{
	static const char form[] = "{\"path\":\"agents/a/AGENTS.md\","
	    "\"mode\":\"0640\",\"rule\":\"markers\",\"text\":"
	    "\"<!-- hiclaw-builtin-start -->\\nours\\n"
	    "<!-- hiclaw-builtin-end -->\\n\"}";
	struct place *t = *state;
	struct json *o = NULL, *d = json_must(form);
	struct seen s = {0};
	char got[256], *p = at(t, "agents/a/AGENTS.md");
	FILE *f;

	expect_ensure(t, "file", form, &o, "written");
	f = fopen(p, "a");
	fputs("\nmy notes\n", f);
	fclose(f);
	/* What the agent adds is a look, but no write and no drift. */
	observe(t, o, &s);
	assert_int_equal(s.n, 1);
	assert_int_equal(differences(t, d, s.observed), 1);
	json_free(o);
	o = s.observed;
	s.observed = NULL;
	expect_ensure(t, "file", form, &o, "");
	observe(t, o, &s);
	assert_int_equal(s.n, 0);
	/* Our part is put right, and the agent's kept. */
	f = fopen(p, "w");
	fputs("<!-- hiclaw-builtin-start -->\nhacked\n"
	    "<!-- hiclaw-builtin-end -->\n\nmy notes\n", f);
	fclose(f);
	expect_ensure(t, "file", form, &o, "rewritten");
	f = fopen(p, "r");
	got[fread(got, 1, sizeof(got) - 1, f)] = '\0';
	fclose(f);
	assert_non_null(strstr(got, "ours\n"));
	assert_non_null(strstr(got, "my notes\n"));
	assert_null(strstr(got, "hacked"));
	free(p);
	json_free(d);
	json_free(o);
}

static void
test_secret(void **state)
{
	static const char form[] = "{\"path\":\"agents/a/openclaw.json\","
	    "\"mode\":\"0600\",\"rule\":\"owned\",\"json\":{\"token\":"
	    "{\"$secret\":\"account:a/token\",\"id\":\"%s\"}}}";
	struct place *t = *state;
	struct json *o = NULL, *d;
	struct changes ch = {0};
	char *text = xasprintf(form, "one"), *p, got[256];
	FILE *f;

	expect_ensure(t, "file", text, &o, "written");
	free(text);
	p = at(t, "agents/a/openclaw.json");
	f = fopen(p, "r");
	got[fread(got, 1, sizeof(got) - 1, f)] = '\0';
	fclose(f);
	assert_non_null(strstr(got, "sesame"));
	text = json_canonical(o);
	assert_null(strstr(text, "sesame"));
	free(text);
	text = xasprintf(form, "two");
	d = json_must(text);
	t->kind->diff(d, o, &ch);
	assert_int_equal(ch.n, 1);
	assert_int_equal(ch.v[0].risk, RISK_CREDENTIAL);
	changes_release(&ch);
	free(text);
	free(p);
	json_free(d);
	json_free(o);
}

/* --- trees ---------------------------------------------------------------- */

static void
test_tree(void **state)
{
	static const char form[] = "{\"path\":\"agents/a\",\"mode\":\"0700\","
	    "\"keep\":[\"agents/a/x/.keep\"]}";
	struct place *t = *state;
	const struct object_kind *k = object_kind_find("tree", NULL);
	struct json *o = NULL, *d = json_must(form);
	struct changes ch = {0};
	struct observe_item item = { "tree:agents/a", NULL };
	struct outcome out = {0};
	struct seen s = {0};
	struct err e = {0};
	char *p = at(t, "agents/a"), *text, *outside, *deep;
	struct work w = { .key = "tree:agents/a" };
	size_t i;

	expect_ensure(t, "tree", form, &o,
	    "made agents/a/, made agents/a/x/.keep");
	expect_ensure(t, "tree", form, &o, "");
	assert_file(t, "agents/a/x/.keep", "", 0600);
	/* Its mode and its placeholders are looked after. */
	text = json_canonical(o);
	item.observed = text;
	assert_int_equal(chmod(p, 0755), 0);
	assert_int_equal(t->p->observe(t->ctx, &item, 1, on_changed, &s, &e), 0);
	assert_int_equal(s.n, 1);
	k->diff(d, s.observed, &ch);
	assert_int_equal(ch.n, 1);
	assert_string_equal(ch.v[0].what, "mode");
	changes_release(&ch);
	expect_ensure(t, "tree", form, &o, "");
	assert_int_equal(t->p->observe(t->ctx, &item, 1, on_changed, &s, &e), 0);
	assert_int_equal(s.n, 1);
	/* It goes with all that agents can put there, and nothing else does. */
	outside = xasprintf("%s/outside", t->top);
	assert_int_equal(mkdir(outside, 0700), 0);
	free(outside);
	outside = xasprintf("%s/outside/spared", t->top);
	fclose(fopen(outside, "w"));
	make_link(t, "../../../../outside", "agents/a/link");
	make_link(t, "/nowhere", "agents/a/x/dangling");
	put(t, "agents/a/x/file", "f");
	deep = xasprintf("cd '%s' && for i in $(seq 300); do mkdir d && cd d; "
	    "done && touch end", p);
	assert_int_equal(system(deep), 0);
	free(deep);
	for (i = 0; i < 50; i++) {
		char name[64];

		snprintf(name, sizeof(name), "agents/a/%zu", i);
		put(t, name, "");
	}
	put(t, "agents/stays", "");
	w.observed = o;
	assert_int_equal(k->remove(t->ctx, &w, &out, &e), 0);
	assert_int_equal(out.did.n, 1);
	outcome_release(&out);
	assert_false(is_there(t, "agents/a"));
	assert_true(is_there(t, "agents/stays"));
	assert_int_equal(access(outside, F_OK), 0);
	assert_int_equal(k->remove(t->ctx, &w, &out, &e), 0);
	assert_int_equal(out.did.n, 0);
	outcome_release(&out);
	free(outside);
	free(text);
	free(p);
	json_free(s.observed);
	json_free(d);
	json_free(o);
}

/* A tree that was replaced by a link is not followed. */
static void
test_tree_link(void **state)
{
	struct place *t = *state;
	const struct object_kind *k = object_kind_find("tree", NULL);
	struct json *o = json_must("{\"path\":\"agents/a\"}");
	struct work w = { .key = "tree:agents/a", .observed = o };
	struct outcome out = {0};
	struct err e = {0};
	char *spared = xasprintf("%s/outside/spared", t->top);
	char *outside = xasprintf("%s/outside", t->top);

	assert_int_equal(mkdir(outside, 0700), 0);
	fclose(fopen(spared, "w"));
	make_dir(t, "agents");
	make_link(t, outside, "agents/a");
	assert_int_equal(k->remove(t->ctx, &w, &out, &e), 0);
	assert_int_equal(access(spared, F_OK), 0);
	outcome_release(&out);
	/* Those of all agents, and of all, are never emptied. */
	json_set_str(o, "path", "agents");
	assert_int_equal(k->remove(t->ctx, &w, &out, &e), 0);
	assert_true(is_there(t, "agents/a"));
	json_set_str(o, "path", "agents/..");
	assert_int_equal(k->remove(t->ctx, &w, &out, &e), -1);
	assert_int_equal(e.kind, ERR_USER);
	outcome_release(&out);
	json_free(o);
	free(spared);
	free(outside);
}

/* --- looking at many ------------------------------------------------------ */

/* "+file:a", and "-file:b" of what is gone, in the order that they were told. */
static void
on_told(void *arg, const char *key, struct json *observed)
{
	strv_addf(arg, "%c%s", observed == NULL ? '-' : '+', key);
	json_free(observed);
}

/* Each path is found where it is, whatever was looked at before it. */
static void
test_look_at_many(void **state)
{
	static const char *const paths[] = { "agents/a", "agents/a/SOUL.md",
	    "agents/a/config/m.json", "agents/a/z", "agents/ab/SOUL.md",
	    "agents/b/config/m.json", "agents/c/d/e/f", "top" };
	struct place *t = *state;
	struct observe_item items[NELEM(paths)];
	struct json *o;
	struct strv told = {0};
	struct err e = {0};
	char *text, *cmd;
	size_t i;

	for (i = 0; i < NELEM(paths); i++) {
		o = NULL;
		if (i == 0)
			expect_ensure(t, "tree", "{\"path\":\"agents/a\","
			    "\"mode\":\"0700\"}", &o, "made agents/a/");
		else
			assert_int_equal(ensure(t, paths[i], "0600", paths[i],
			    "written", &o, &e), 0);
		items[i].key = xasprintf("%s:%s", i == 0 ? "tree" : "file",
		    paths[i]);
		items[i].observed = json_canonical(o);
		json_free(o);
	}
	assert_int_equal(t->p->observe(t->ctx, items, NELEM(items), on_told,
	    &told, &e), 0);
	assert_int_equal(told.n, 0);
	/* A directory that is gone, one that is a link, files that differ. */
	cmd = xasprintf("cd '%s' && rm -r agents/a/config && "
	    "mv agents/b agents/b.old && ln -s b.old agents/b && "
	    "echo x >agents/ab/SOUL.md && echo y >agents/c/d/e/f", t->root);
	assert_int_equal(system(cmd), 0);
	assert_int_equal(t->p->observe(t->ctx, items, NELEM(items), on_told,
	    &told, &e), 0);
	text = strv_join(&told, " ");
	assert_string_equal(text, "-file:agents/a/config/m.json "
	    "+file:agents/ab/SOUL.md -file:agents/b/config/m.json "
	    "+file:agents/c/d/e/f");
	strv_release(&told);
	for (i = 0; i < NELEM(paths); i++) {
		free((char *)(uintptr_t)items[i].key);
		free((char *)(uintptr_t)items[i].observed);
	}
	free(text);
	free(cmd);
}

/* --- hearing -------------------------------------------------------------- */

#define PATIENCE_MS	5000

struct ear {
	struct place	*t;
	pthread_t	 thread;
	atomic_bool	 is_over;
	int		 over[2];
	pthread_mutex_t	 lock;
	struct strv	 keys;		/* to look at; guarded by lock */
	int		 all;		/* times all was; likewise */
	atomic_int	 busy;		/* while it waits for the lock */
};

static void
ear_ready(void *arg)
{
	struct ear *ear = arg;

	pthread_mutex_lock(&ear->lock);
	ear->all++;
	pthread_mutex_unlock(&ear->lock);
}

static void
ear_look(void *arg, const char *key)
{
	struct ear *ear = arg;

	atomic_fetch_add(&ear->busy, 1);
	pthread_mutex_lock(&ear->lock);
	strv_add(&ear->keys, key);
	pthread_mutex_unlock(&ear->lock);
	atomic_fetch_sub(&ear->busy, 1);
}

static bool
ear_is_over(void *arg)
{
	return atomic_load(&((struct ear *)arg)->is_over);
}

static void *
ear_run(void *arg)
{
	struct ear *ear = arg;
	const struct watch w = { .arg = ear, .ready = ear_ready,
	    .look = ear_look, .is_over = ear_is_over,
	    .over_fd = ear->over[0] };
	struct err e;

	assert_int_equal(ear->t->p->watch(ear->t->ctx, &w, &e), 0);
	return NULL;
}

static bool
was_heard(struct ear *ear, const char *key)
{
	bool was;

	pthread_mutex_lock(&ear->lock);
	was = key == NULL ? ear->all > 0 : strv_has(&ear->keys, key);
	pthread_mutex_unlock(&ear->lock);
	return was;
}

/* That this is to be looked at; NULL: all. */
static void
expect_heard(struct ear *ear, const char *key)
{
	int64_t until = clock_mono_ms() + PATIENCE_MS;

	while (!was_heard(ear, key)) {
		if (clock_mono_ms() > until)
			fail_msg("%s was not heard", key == NULL ? "all" : key);
		usleep(2000);
	}
}

static void
forget_heard(struct ear *ear)
{
	pthread_mutex_lock(&ear->lock);
	strv_release(&ear->keys);
	ear->all = 0;
	pthread_mutex_unlock(&ear->lock);
}

static void
ear_open(struct ear *ear, struct place *t)
{
	*ear = (struct ear){ .t = t };
	pthread_mutex_init(&ear->lock, NULL);
	assert_int_equal(pipe(ear->over), 0);
	assert_int_equal(pthread_create(&ear->thread, NULL, ear_run, ear), 0);
	expect_heard(ear, NULL);
	forget_heard(ear);
}

static void
ear_close(struct ear *ear)
{
	atomic_store(&ear->is_over, true);
	close(ear->over[1]);
	pthread_join(ear->thread, NULL);
	close(ear->over[0]);
	strv_release(&ear->keys);
	pthread_mutex_destroy(&ear->lock);
}

/* What is done to this file is heard after all that was done before. */
#define LAST	"agents/zoe/SOUL.md"

static void
expect_last(struct ear *ear)
{
	put(ear->t, LAST, "somebody's");
	expect_heard(ear, "file:" LAST);
}

static void
move(const struct place *t, const char *from, const char *to)
{
	char *a = at(t, from), *b = at(t, to);

	assert_int_equal(rename(a, b), 0);
	free(a);
	free(b);
}

/* Only what others do to a file is news, and of that one only. */
static void
test_hears_others(void **state)
{
	struct place *t = *state;
	struct ear ear;
	struct err e = {0};
	char *p = at(t, SOUL);

	ear_open(&ear, t);
	assert_int_equal(ensure(t, SOUL, "0600", "one", "written", NULL, &e), 0);
	assert_int_equal(ensure(t, SOUL, "0600", "two", "rewritten", NULL, &e),
	    0);
	assert_int_equal(ensure(t, LAST, "0600", "z", "written", NULL, &e), 0);
	put(t, "agents/alice/notes", "the agent's own");
	expect_last(&ear);
	assert_false(was_heard(&ear, "file:" SOUL));
	assert_false(was_heard(&ear, "file:agents/alice/notes"));
	assert_false(was_heard(&ear, NULL));
	/* Ours is over once it was heard: the same file touched is news. */
	assert_int_equal(chmod(p, 0640), 0);
	expect_heard(&ear, "file:" SOUL);
	assert_true(was_heard(&ear, "tree:agents/alice"));
	assert_true(was_heard(&ear, "skills:alice"));
	assert_true(was_heard(&ear, "package:alice"));
	forget_heard(&ear);
	assert_int_equal(unlink(p), 0);
	expect_heard(&ear, "file:" SOUL);
	assert_false(was_heard(&ear, "file:" LAST));
	ear_close(&ear);
	free(p);
}

/* Written over before the word of our own writing is here. */
static void
test_hears_who_was_quicker(void **state)
{
	struct place *t = *state;
	struct ear ear;
	struct err e = {0};

	ear_open(&ear, t);
	assert_int_equal(ensure(t, SOUL, "0600", "one", "written", NULL, &e), 0);
	put(t, SOUL, "two");
	expect_heard(&ear, "file:" SOUL);
	ear_close(&ear);
}

/* What was written before we listened is listened for once it is looked at, or
 * found to be as it should. */
static void
test_hears_what_was_there(void **state)
{
	struct place *t = *state;
	struct json *o = json_must("{\"path\":\"agents/a\",\"mode\":"
	    "\"0700\",\"keep\":[\"agents/a/x/.keep\"]}");
	struct observe_item item = { "tree:agents/a", NULL };
	struct seen s = {0};
	struct ear ear;
	struct err e = {0};
	char *text = json_canonical(o), *p = at(t, SOUL);

	make_dir(t, "agents");
	make_dir(t, "agents/alice");
	make_dir(t, "agents/a");
	make_dir(t, "agents/a/x");
	put(t, SOUL, "one");
	put(t, "agents/a/x/.keep", "");
	assert_int_equal(chmod(p, 0600), 0);
	ear_open(&ear, t);
	assert_int_equal(ensure(t, SOUL, "0600", "one", "", NULL, &e), 0);
	put(t, SOUL, "two");
	expect_heard(&ear, "file:" SOUL);
	item.observed = text;
	assert_int_equal(t->p->observe(t->ctx, &item, 1, on_changed, &s, &e), 0);
	put(t, "agents/a/x/.keep", "two");
	expect_heard(&ear, "tree:agents/a");
	ear_close(&ear);
	json_free(s.observed);
	json_free(o);
	free(text);
	free(p);
}

/* A directory that goes takes what is below it along; back, it is heard again. */
static void
test_hears_directories(void **state)
{
	static const char deep[] = "agents/alice/config/mcporter.json";
	struct place *t = *state;
	struct ear ear;
	struct err e = {0};
	char *cmd = xasprintf("rm -r '%s/agents/alice'", t->root);

	ear_open(&ear, t);
	assert_int_equal(ensure(t, LAST, "0600", "z", "written", NULL, &e), 0);
	assert_int_equal(ensure(t, SOUL, "0600", "one", "written", NULL, &e), 0);
	assert_int_equal(ensure(t, deep, "0600", "{}", "written", NULL, &e), 0);
	expect_last(&ear);
	forget_heard(&ear);
	move(t, "agents/alice", "agents/alice.old");
	expect_heard(&ear, "file:" SOUL);
	expect_heard(&ear, "file:agents/alice/config/mcporter.json");
	assert_false(was_heard(&ear, "file:" LAST));
	forget_heard(&ear);
	/* Where it is now it is nobody's. */
	put(t, "agents/alice.old/SOUL.md", "copy");
	expect_last(&ear);
	assert_false(was_heard(&ear, "file:" SOUL));
	forget_heard(&ear);
	move(t, "agents/alice.old", "agents/alice");
	expect_heard(&ear, "file:" SOUL);
	expect_heard(&ear, "file:agents/alice/config/mcporter.json");
	forget_heard(&ear);
	put(t, SOUL, "two");
	expect_heard(&ear, "file:" SOUL);
	forget_heard(&ear);
	assert_int_equal(system(cmd), 0);
	expect_heard(&ear, "file:agents/alice/config/mcporter.json");
	/* We make it anew ourselves, at once. */
	assert_int_equal(ensure(t, deep, "0600", "{}", "written", NULL, &e), 0);
	expect_last(&ear);
	forget_heard(&ear);
	put(t, deep, "two");
	expect_heard(&ear, "file:agents/alice/config/mcporter.json");
	ear_close(&ear);
	free(cmd);
}

/* More than the kernel keeps for us: then anything may have happened. */
static void
test_hears_too_much(void **state)
{
	struct place *t = *state;
	struct ear ear;
	struct err e = {0};
	FILE *f = fopen("/proc/sys/fs/inotify/max_queued_events", "r");
	long max = 0;

	if (f == NULL || fscanf(f, "%ld", &max) != 1 || max > 100000)
		skip();
	fclose(f);
	ear_open(&ear, t);
	assert_int_equal(ensure(t, SOUL, "0600", "one", "written", NULL, &e), 0);
	assert_int_equal(ensure(t, LAST, "0600", "z", "written", NULL, &e), 0);
	expect_last(&ear);
	pthread_mutex_lock(&ear.lock);
	put(t, SOUL, "two");
	while (atomic_load(&ear.busy) == 0)
		usleep(1000);
	for (long i = 0; i < max / 2 + 10; i++) {
		put(t, SOUL, "three");
		put(t, LAST, "three");
	}
	pthread_mutex_unlock(&ear.lock);
	expect_heard(&ear, NULL);
	/* And it goes on. */
	forget_heard(&ear);
	put(t, SOUL, "four");
	expect_heard(&ear, "file:" SOUL);
	ear_close(&ear);
}

/* --- questions ------------------------------------------------------------ */

static char *
ask(struct place *t, const char *question, struct err *e)
{
	struct json *q = json_must(question), *answer = NULL;
	char *text = NULL;

	if (t->p->query(t->ctx, q, &answer, e) == 0)
		text = json_canonical(answer);
	json_free(answer);
	json_free(q);
	return text;
}

static void
test_query(void **state)
{
	static const struct { const char *question, *answer; } table[] = {
		{ "{\"op\":\"ping\"}", "{}" },
		{ "{\"op\":\"list\",\"path\":\"agents/a\"}",
		    "{\"files\":[{\"path\":\"agents/a/b/z\",\"size\":3},"
		    "{\"path\":\"agents/a/y\",\"size\":6}]}" },
		{ "{\"op\":\"list\",\"path\":\"agents/none\"}",
		    "{\"files\":[]}" },
		{ "{\"op\":\"get\",\"path\":\"agents/a/y\"}",
		    "{\"text\":\"h\xc3\xa9llo\"}" },
		{ "{\"op\":\"get\",\"path\":\"agents/a/y\",\"max\":2}",
		    "{\"cut\":true,\"text\":\"h\"}" },
		{ "{\"op\":\"get\",\"path\":\"agents/a/b/z\"}",
		    "{\"binary\":3}" },
		{ "{\"op\":\"get\",\"path\":\"agents/a/none\"}", NULL },
		{ "{\"op\":\"get\",\"path\":\"../x\"}", NULL },
		{ "{\"op\":\"get\",\"path\":\"agents/link/x\"}", NULL },
		{ "{\"op\":\"tree\",\"path\":\"agents/a\"}",
		    "{\"files\":[{\"base64\":\"//79\",\"mode\":\"0644\","
		    "\"path\":\"agents/a/b/z\"},{\"content\":\"h\xc3\xa9llo\","
		    "\"mode\":\"0644\",\"path\":\"agents/a/y\"}],"
		    "\"left_out\":[]}" },
		{ "{\"op\":\"tree\",\"path\":\"agents/a\",\"first\":"
		    "[\"agents/a/y\",\"agents/a/none\"],\"only\":true}",
		    "{\"files\":[{\"content\":\"h\xc3\xa9llo\",\"mode\":"
		    "\"0644\",\"path\":\"agents/a/y\"}],\"left_out\":[]}" },
		{ "{\"op\":\"tree\",\"path\":\"agents/a\",\"first\":"
		    "[\"agents/a/b/\"],\"only\":true}",
		    "{\"files\":[{\"base64\":\"//79\",\"mode\":\"0644\","
		    "\"path\":\"agents/a/b/z\"}],\"left_out\":[]}" },
		{ "{\"op\":\"tree\",\"path\":\"agents/../x\"}", NULL },
		{ "{\"op\":\"dance\"}", NULL },
	};
	struct place *t = *state;
	struct err e;
	char *text;
	size_t i;

	make_dir(t, "agents");
	make_dir(t, "agents/a");
	make_dir(t, "agents/a/b");
	put(t, "agents/a/y", "h\xc3\xa9llo");
	put(t, "agents/a/b/z", "\xff\xfe\xfd");
	make_link(t, "/etc", "agents/a/etc");
	make_link(t, "a", "agents/link");
	put(t, "agents/link/x", "x");
	{
		char *p = at(t, "agents/a/x");

		unlink(p);
		free(p);
	}
	for (i = 0; i < NELEM(table); i++) {
		text = ask(t, table[i].question, &e);
		if (!str_equal(text, table[i].answer))
			fail_msg("%s: %s", table[i].question,
			    text == NULL ? e.msg : text);
		free(text);
	}
}

static void
test_open(void **state)
{
	static const char *const bad[] = { "http://x", "file://host/x",
	    "file:relative", "/plain", "file:///", "file:///a%zz",
	    "file:///dev/null/x", NULL };
	const struct provider *p;
	struct provider_env env = {0};
	struct err e;
	void *ctx;
	size_t i;

	object_kind_find("file", &p);
	for (i = 0; bad[i] != NULL; i++) {
		e = (struct err){0};
		env.storage.provider = "directory";
		env.storage.url = bad[i];
		if (p->open(&env, &ctx, &e) != -1)
			fail_msg("\"%s\" was opened", bad[i]);
		assert_int_equal(e.kind, ERR_BROKEN);
		assert_null(ctx);
	}
	env.storage.provider = NULL;
	assert_int_equal(p->open(&env, &ctx, &e), 0);
	assert_null(ctx);
	p->close(ctx);
}

/* --- objects ------------------------------------------------------------ */

static const struct json *
lookup(void *arg, const char *key, const char *field)
{
	const struct json *all = arg;

	return json_get(json_get(all, key), field);
}

static void
test_resolve(void **state)
{
	struct json *all = json_must("{\"room:s\":{\"room_id\":\"!s\","
	    "\"none\":null},\"a\":{\"list\":[1,{\"x\":true}]}}");
	struct json *d = json_must("{\"parent\":{\"$ref\":\"room:s\","
	    "\"field\":\"room_id\"},\"m\":[{\"$ref\":\"a\",\"field\":\"list\"},"
	    "{\"$ref\":\"b\",\"field\":\"q\"},{\"$ref\":\"b\",\"field\":\"r\"},"
	    "{\"$ref\":\"room:s\",\"field\":\"none\"}],\"n\":{\"k\":null}}");
	struct strv missing = {0};
	struct json *r;
	char *text;

	r = object_resolve(d, lookup, all, &missing);
	text = json_canonical(r);
	assert_string_equal(text, "{\"m\":[[1,{\"x\":true}],null,null,null],"
	    "\"n\":{\"k\":null},\"parent\":\"!s\"}");
	assert_int_equal(missing.n, 2);
	assert_string_equal(missing.v[0], "b");
	assert_string_equal(missing.v[1], "room:s");
	free(text);
	json_free(r);
	r = object_resolve(d, lookup, all, NULL);
	json_free(r);
	assert_null(object_resolve(NULL, lookup, all, NULL));
	strv_release(&missing);
	json_free(d);
	json_free(all);
}

static void
test_names(void **state)
{
	const struct provider *p = NULL;
	char name[8];

	assert_string_equal(object_kind_name("room:team/x", name, sizeof(name)),
	    "room");
	assert_string_equal(object_kind_name("averylongname:x", name,
	    sizeof(name)), "averylo");
	assert_string_equal(object_kind_name("plain", name, sizeof(name)),
	    "plain");
	assert_string_equal(risk_name(RISK_PERMISSION), "permission");
	assert_string_equal(object_state_name(OBJECT_BACKOFF), "backoff");
	assert_non_null(object_kind_find("room", &p));
	assert_string_equal(p->name, "matrix");
	assert_null(object_kind_find("nonsense", NULL));
}

int
main(void)
{
#define IN_PLACE(f) cmocka_unit_test_setup_teardown(f, open_place, close_place)
	const struct CMUnitTest tests[] = {
		IN_PLACE(test_write),
		IN_PLACE(test_leftover),
		IN_PLACE(test_observe),
		IN_PLACE(test_remove),
		IN_PLACE(test_links),
		IN_PLACE(test_paths),
		IN_PLACE(test_seed),
		IN_PLACE(test_markers),
		IN_PLACE(test_secret),
		IN_PLACE(test_tree),
		IN_PLACE(test_tree_link),
		IN_PLACE(test_look_at_many),
		IN_PLACE(test_hears_others),
		IN_PLACE(test_hears_who_was_quicker),
		IN_PLACE(test_hears_what_was_there),
		IN_PLACE(test_hears_directories),
		IN_PLACE(test_hears_too_much),
		IN_PLACE(test_query),
		cmocka_unit_test(test_open),
		cmocka_unit_test(test_resolve),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
