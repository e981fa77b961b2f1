/*
 * The home that `hiclaw join` keeps: what becomes of each file, which paths are
 * none, and that nothing is written outside it whatever lies in the way.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "hiclaw/secure.h"

#include "../../src/cli/home.h"

/* --- pure ----------------------------------------------------------------- */

static void
paths_stay_inside(void **state)
{
	static const struct { const char *path; bool is_good; } table[] = {
		{ "SOUL.md", true }, { "skills/x/SKILL.md", true },
		{ ".hermes/.env", true }, { "a/b/c/d/e/f/g", true },
		{ "..a/b..", true }, { ".hiclaw-joint", true },
		{ "", false }, { "/etc/passwd", false }, { "..", false },
		{ "../x", false }, { "a/../../x", false }, { "a/..", false },
		{ "./x", false }, { "a//b", false }, { "a/", false },
		{ "a/./b", false }, { "a\nb", false }, { "a\x7f", false },
		{ ".hiclaw-join.json", false }, { ".hiclaw-token", false },
		{ ".hiclaw-join.lock", false }, { ".hiclaw-token/x", false },
		{ "x/.SOUL.md.hiclaw-new", false },
		{ "a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a", false },
	};
	char *longer = xcalloc(1, 300);

	for (size_t i = 0; i < NELEM(table); i++)
		if (home_path_is_good(table[i].path) != table[i].is_good)
			fail_msg("\"%s\"", table[i].path);
	memset(longer, 'a', 250);
	assert_false(home_path_is_good(longer));
	assert_false(home_path_is_good(NULL));
	free(longer);
	(void)state;
}

/* What is there, what we wrote last, and what comes of it; NULL: kept. */
static void
rules_decide(void **state)
{
	static const struct {
		const char *file, *current, *wrote, *want;
	} table[] = {
		{ "{\"content\":\"new\"}", NULL, NULL, "new" },
		{ "{\"content\":\"new\"}", "old", NULL, "new" },
		{ "{\"content\":\"new\"}", "new", NULL, NULL },
		{ "{\"rule\":\"skill\",\"content\":\"n\"}", "o", NULL, "n" },
		{ "{\"rule\":\"seed\",\"content\":\"new\"}", NULL, NULL, "new" },
		{ "{\"rule\":\"seed\",\"content\":\"new\"}", "theirs", NULL,
		    NULL },
		{ "{\"rule\":\"own\",\"content\":\"new\"}", "theirs", NULL,
		    NULL },
		{ "{\"rule\":\"own\",\"content\":\"new\"}", NULL, NULL, "new" },
		/* A package's file is the agent's once it was changed. */
		{ "{\"rule\":\"package\",\"content\":\"new\"}", "old", "old",
		    "new" },
		{ "{\"rule\":\"package\",\"content\":\"new\"}", "theirs", "old",
		    NULL },
		{ "{\"rule\":\"package\",\"content\":\"new\"}", "old", NULL,
		    NULL },
		{ "{\"base64\":\"//79\"}", NULL, NULL, "\xff\xfe\xfd" },
		/* Ours stands between marks, and all else stays. */
		{ "{\"rule\":\"markers\",\"content\":\"stored\",\"form\":{"
		    "\"path\":\"x\",\"mode\":\"0600\",\"rule\":\"markers\","
		    "\"text\":\"<!-- hiclaw-builtin-start -->\\nA\\n<!-- "
		    "hiclaw-builtin-end -->\\n\"}}",
		    "<!-- hiclaw-builtin-start -->\nB\n<!-- hiclaw-builtin-end "
		    "-->\nmine\n", NULL,
		    "<!-- hiclaw-builtin-start -->\nA\n<!-- hiclaw-builtin-end "
		    "-->\nmine\n" },
		{ "{\"rule\":\"markers\",\"content\":\"stored\",\"form\":{}}",
		    NULL, NULL, "stored" },
	};
	char sha256[SHA256_HEX], *data;
	struct json *file;
	struct err err;
	size_t len;

	for (size_t i = 0; i < NELEM(table); i++) {
		const char *cur = table[i].current, *wrote = table[i].wrote;
		int rv;

		if (wrote != NULL)
			sha256_hex(wrote, strlen(wrote), sha256);
		file = json_must(table[i].file);
		rv = home_decide(file, NULL, cur, cur != NULL ? strlen(cur) :
		    0, wrote != NULL ? sha256 : NULL, &data, &len, &err);
		if (rv == -1)
			fail_msg("row %zu: %s", i, err.msg);
		if (!str_equal(data, table[i].want))
			fail_msg("row %zu: \"%s\", not \"%s\"", i, data,
			    table[i].want);
		assert_int_equal(rv, table[i].want == NULL);
		secret_free(data);
		json_free(file);
	}
	file = json_must("{\"path\":\"x\"}");
	assert_int_equal(home_decide(file, NULL, NULL, 0, NULL, &data, &len,
	    &err), -1);
	json_free(file);
	(void)state;
}

/* --- on disk -------------------------------------------------------------- */

struct place { char *top, *dir; struct home home; };

static int
open_place(void **state)
{
	struct place *t = xcalloc(1, sizeof *t);
	const char *tmp = getenv("TMPDIR");
	struct err err;

	t->top = xasprintf("%s/hiclaw-home.XXXXXX", tmp ? tmp : "/tmp");
	if (mkdtemp(t->top) == NULL)
		return -1;
	t->dir = xasprintf("%s/home", t->top);
	*state = t;
	return home_open(t->dir, &t->home, &err);
}

static int
close_place(void **state)
{
	struct place *t = *state;
	char *cmd = xasprintf("rm -rf '%s'", t->top);
	int rv = system(cmd);

	home_release(&t->home);
	free(cmd);
	free(t->top);
	free(t->dir);
	free(t);
	return rv;
}

/* How many files could not be written; what was done is in *n. */
static size_t
take(struct place *t, const char *bundle, struct home_news *n)
{
	struct json *o = json_must(bundle);

	home_take(&t->home, o, n);
	json_free(o);
	return n->failed;
}

/* The contents, for free; NULL: not there. */
static char *
contents(struct place *t, const char *path, mode_t *mode)
{
	char *at = xasprintf("%s/%s", t->dir, path);
	struct buf b = { 0 };
	struct stat st;
	FILE *f = fopen(at, "r");
	int c;

	if (f == NULL) {
		free(at);
		return NULL;
	}
	while ((c = fgetc(f)) != EOF)
		buf_putc(&b, (char)c);
	fclose(f);
	assert_int_equal(lstat(at, &st), 0);
	if (mode != NULL)
		*mode = st.st_mode & 07777;
	free(at);
	return buf_take(&b);
}

static void
expect_file(struct place *t, const char *path, const char *want, mode_t want_mode)
{
	mode_t mode = 0;
	char *got = contents(t, path, &mode);

	if (!str_equal(got, want))
		fail_msg("%s is \"%s\"", path, got);
	if (want != NULL)
		assert_int_equal(mode, want_mode);
	free(got);
}

static void
write_in(struct place *t, const char *path, const char *text)
{
	char *at = xasprintf("%s/%s", t->dir, path);
	FILE *f = fopen(at, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	free(at);
}

#define FILE_(path, more) "{\"path\":\"" path "\"," more "}"
#define BUNDLE(digest, files) "{\"name\":\"x\",\"digest\":\"" digest \
    "\",\"restart\":\"r\",\"env\":{},\"files\":[" files "],\"left_out\":[]}"

static void
files_come_and_go(void **state)
{
	struct place *t = *state;
	struct home_news n;
	struct err err;

	assert_int_equal(take(t, BUNDLE("1",
	    FILE_("SOUL.md", "\"mode\":\"0644\",\"content\":\"soul\"") ","
	    FILE_("skills/a/run.sh", "\"mode\":\"0755\",\"rule\":\"skill\","
	    "\"content\":\"#!\"") ","
	    FILE_("skills/b/S.md", "\"rule\":\"skill\",\"content\":\"b\"") ","
	    FILE_("skills/c/S.md", "\"rule\":\"skill\",\"content\":\"c\"") ","
	    FILE_("memory.md", "\"rule\":\"own\",\"content\":\"m\"")), &n), 0);
	assert_int_equal(n.written, 5);
	expect_file(t, "SOUL.md", "soul", 0600);
	expect_file(t, "skills/a/run.sh", "#!", 0700);
	assert_int_equal(home_save(&t->home, &err), 0);
	/* What is no longer given goes, but for what somebody changed. */
	write_in(t, "skills/c/S.md", "theirs");
	write_in(t, "memory.md", "more");
	assert_int_equal(take(t, BUNDLE("2",
	    FILE_("SOUL.md", "\"content\":\"soul\"") ","
	    FILE_("skills/a/run.sh", "\"mode\":\"0755\",\"rule\":\"skill\","
	    "\"content\":\"#! 2\"")), &n), 0);
	assert_int_equal(n.written, 1);
	assert_int_equal(n.kept, 1);
	assert_int_equal(n.removed, 1);
	expect_file(t, "skills/b/S.md", NULL, 0);
	expect_file(t, "skills/c/S.md", "theirs", 0600);
	expect_file(t, "memory.md", "more", 0600);
	/* No files at all: they do not come this way. */
	assert_int_equal(take(t, BUNDLE("3", ""), &n), 0);
	assert_int_equal(n.removed, 0);
	expect_file(t, "SOUL.md", "soul", 0600);
	assert_string_equal(json_str(t->home.state, "digest"), "3");
}

static void
links_lead_nowhere(void **state)
{
	struct place *t = *state;
	char *outside = xasprintf("%s/outside", t->top);
	char *link = xasprintf("%s/out", t->dir);
	char *file = xasprintf("%s/SOUL.md", t->dir);
	char *victim = xasprintf("%s/victim", outside);
	struct home_news n;

	assert_int_equal(mkdir(outside, 0700), 0);
	assert_int_equal(symlink(outside, link), 0);
	assert_int_equal(take(t, BUNDLE("1", FILE_("out/victim",
	    "\"content\":\"x\"")), &n), 1);
	assert_int_not_equal(access(victim, F_OK), 0);
	/* A link at the file's own place is not followed either. */
	assert_int_equal(symlink(victim, file), 0);
	assert_int_equal(take(t, BUNDLE("1", FILE_("SOUL.md",
	    "\"content\":\"x\"")), &n), 1);
	assert_int_not_equal(access(victim, F_OK), 0);
	assert_int_equal(unlink(file), 0);
	assert_int_equal(take(t, BUNDLE("1", FILE_("../victim",
	    "\"content\":\"x\"")), &n), 1);
	assert_non_null(strstr(n.why, "no path inside a home"));
	/* What cannot be written does not stop the rest, and is asked for again. */
	assert_int_equal(take(t, BUNDLE("1", FILE_(".hiclaw-token",
	    "\"content\":\"x\"") "," FILE_("after", "\"content\":\"x\"")),
	    &n), 1);
	expect_file(t, "after", "x", 0600);
	assert_string_equal(json_str(t->home.state, "digest"), "");
	/* Nor where we look whether to remove. */
	json_set(t->home.state, "files", json_must("{\"out/victim\":{\"rule\":"
	    "\"owned\",\"sha256\":\"x\"},\"../victim\":{\"rule\":\"owned\","
	    "\"sha256\":\"x\"}}"));
	assert_int_equal(take(t, BUNDLE("1", FILE_("a", "\"content\":\"x\"")),
	    &n), 0);
	assert_int_equal(n.removed, 0);
	free(outside);
	free(link);
	free(file);
	free(victim);
}

static void
a_home_is_of_one_agent(void **state)
{
	struct place *t = *state;
	struct home other;
	struct err err;
	char *strange = xasprintf("%s/strange", t->top), *file;

	assert_true(home_is_new(&t->home));
	assert_int_equal(home_open(t->dir, &other, &err), -1);
	assert_int_equal(err.kind, ERR_CONFLICT);
	home_release(&other);
	json_set_str(t->home.state, "token", "secret");
	assert_int_equal(home_save(&t->home, &err), 0);
	expect_file(t, HOME_STATE, "{\"token\":\"secret\"}", 0600);
	expect_file(t, HOME_TOKEN, "secret", 0600);
	home_release(&t->home);
	/* It goes on with what it knew. */
	assert_int_equal(home_open(t->dir, &t->home, &err), 0);
	assert_false(home_is_new(&t->home));
	/* What is not empty and not ours is left alone, all of it. */
	assert_int_equal(mkdir(strange, 0700), 0);
	file = xasprintf("%s/x", strange);
	fclose(fopen(file, "w"));
	assert_int_equal(home_open(strange, &other, &err), -1);
	assert_int_equal(err.kind, ERR_CONFLICT);
	home_release(&other);
	free(file);
	file = xasprintf("%s/" HOME_LOCK, strange);
	assert_int_not_equal(access(file, F_OK), 0);
	free(file);
	free(strange);
}

/* A command outlives the keeper that was killed: nobody begins a second one. */
static void
a_command_keeps_the_home(void **state)
{
	struct place *t = *state;
	struct err err;
	int ready[2];
	char c;
	pid_t keeper;

	home_release(&t->home);
	assert_int_equal(pipe(ready), 0);
	if ((keeper = fork()) == 0) {
		if (home_open(t->dir, &t->home, &err) == -1)
			_exit(1);
		if (fork() == 0) {
			home_share(&t->home);
			if (write(ready[1], "x", 1) == 1)
				execlp("sleep", "sleep", "0.5", (char *)NULL);
			_exit(1);
		}
		pause();
	}
	assert_int_equal(read(ready[0], &c, 1), 1);
	/* As long as the keeper is there, there is nothing to wait for. */
	assert_int_equal(home_open(t->dir, &t->home, &err), -1);
	assert_non_null(strstr(err.msg, "another hiclaw join"));
	home_release(&t->home);
	kill(keeper, SIGKILL);
	waitpid(keeper, NULL, 0);
	assert_int_equal(home_open(t->dir, &t->home, &err), 0);
	close(ready[0]);
	close(ready[1]);
}

int
main(void)
{
#define IN_PLACE(f) cmocka_unit_test_setup_teardown(f, open_place, close_place)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_stay_inside),
		cmocka_unit_test(rules_decide),
		IN_PLACE(files_come_and_go),
		IN_PLACE(links_lead_nowhere),
		IN_PLACE(a_home_is_of_one_agent),
		IN_PLACE(a_command_keeps_the_home),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
