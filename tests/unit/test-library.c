/*
 * The library, and the texts and skills of the tree's own templates/: that all
 * are there, that no placeholder stays unfilled, that what they propose is
 * taken, and that equal skills are equal.
 */
#include "world-help.h"

#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hiclaw/file.h"
#include "hiclaw/secure.h"

#define AGENT_TEXT_MAX	1600
#define SKILL_LINES_MIN	15
#define SKILL_LINES_MAX	60

static const char *const texts[] = {
	"AGENTS.leader.md", "AGENTS.manager.md", "AGENTS.worker.md",
	"HEARTBEAT.leader.md", "HEARTBEAT.manager.md", "SOUL.leader.md",
	"SOUL.manager.md", "SOUL.md", "TOOLS.md",
};

#define OF_WORKERS "file-sync find-skills mcporter project-participation " \
	"task-progress"

static const struct {
	const char	*set, *skills;
} sets[] = {
	{ "copaw", "communication file-sharing find-skills mcporter "
	    "organization task-management" },
	{ "extra", "git-delegation github-operations" },
	{ "hermes", OF_WORKERS },
	{ "leader", "communication file-sharing mcporter organization "
	    "project-management task-management team-coordination" },
	{ "manager", "human-management mcp-server-management mcporter "
	    "model-switch project-management task-coordination "
	    "task-management team-management worker-management" },
	{ "worker", OF_WORKERS },
};

/* --- help ----------------------------------------------------------------- */

static char *
tree_path(const char *name)
{
	const char *dir = getenv("srcdir");

	return xasprintf("%s/%s", dir == NULL ? "." : dir, name);
}

static char *
tree_read(const char *name)
{
	char *path = tree_path(name), *text;
	struct err e;

	if ((text = file_read(path, 1 << 20, &e)) == NULL)
		fail_msg("%s", e.msg);
	free(path);
	return text;
}

static struct library *
tree_library(void)
{
	char *dir = tree_path("templates");
	struct library *l;
	struct err e;

	if ((l = library_load(dir, &e)) == NULL)
		fail_msg("%s", e.msg);
	free(dir);
	return l;
}

static char *
skill_read(const char *set, const char *name)
{
	char *path = xasprintf("templates/skills/%s/%s/SKILL.md", set, name);
	char *text = tree_read(path);

	free(path);
	return text;
}

/* nftw() has no argument for its callback. */
static struct strv found;

static int
on_file(const char *path, const struct stat *st, int type, struct FTW *at)
{
	if (type == FTW_F)
		strv_add(&found, path);
	return 0;
}

/* All files below the directory, with it in front, in order of path. */
static void
find_files(const char *dir)
{
	strv_release(&found);
	assert_int_equal(nftw(dir, on_file, 16, FTW_PHYS), 0);
	strv_sort(&found);
}

/* A call of `each` for all skills. */
static void
each_skill(void (*each)(const char *set, const char *name, void *arg),
    void *arg)
{
	struct strv names;
	size_t i, j;

	for (i = 0; i < NELEM(sets); i++) {
		names = list_of(sets[i].skills);
		for (j = 0; j < names.n; j++)
			each(sets[i].set, names.v[j], arg);
		strv_release(&names);
	}
}

/* --- what is there -------------------------------------------------------- */

static void
test_texts(void **state)
{
	struct library *l = tree_library();
	const char *text;
	char *path;
	size_t i;

	for (i = 0; i < NELEM(texts); i++) {
		path = xasprintf("agents/%s", texts[i]);
		if ((text = library_text(l, path)) == NULL || text[0] == '\0')
			fail_msg("%s: not there", path);
		if (strlen(text) >= AGENT_TEXT_MAX)
			fail_msg("%s: %zu bytes, and each agent has them "
			    "in every prompt", path, strlen(text));
		if (!str_ends(text, "\n"))
			fail_msg("%s: no line end at its end", path);
		/* The acceptance tests of others look for it. */
		if (str_starts(texts[i], "AGENTS.") &&
		    strstr(text, "\n## Every Session\n") == NULL)
			fail_msg("%s: no \"Every Session\"", path);
		free(path);
	}
	assert_null(library_text(l, "agents/none.md"));
	library_free(l);
}

static void
test_sets(void **state)
{
	struct library *l = tree_library();
	char *names;
	size_t i;

	for (i = 0; i < NELEM(sets); i++) {
		names = strv_join(library_skills(l, sets[i].set), " ");
		assert_string_equal(names, sets[i].skills);
		free(names);
	}
	assert_int_equal(library_skills(l, "none")->n, 0);
	assert_null(library_skill(l, "worker", "none"));
	library_free(l);
}

/* What is not listed in Makefile.am is in no installation. */
static void
test_installed(void **state)
{
	char *makefile = tree_read("Makefile.am");
	char *dir, *top = tree_path(""), *line;
	static const char *const dirs[] = { "agents", "skills" };
	size_t i, j;

	for (i = 0; i < NELEM(dirs); i++) {
		dir = xasprintf("%stemplates/%s", top, dirs[i]);
		find_files(dir);
		assert_true(found.n > 0);
		for (j = 0; j < found.n; j++) {
			line = xasprintf("\t%s", found.v[j] + strlen(top));
			if (strstr(makefile, line) == NULL)
				fail_msg("Makefile.am lacks%s", line);
			free(line);
		}
		free(dir);
	}
	free(top);
	free(makefile);
	strv_release(&found);
}

/* --- placeholders --------------------------------------------------------- */

static void
expect_known(const char *name, const char *text, const struct strv *known)
{
	const char *p = text, *end;
	char *mark;

	while ((p = strstr(p, "{{")) != NULL) {
		if ((end = strstr(p, "}}")) == NULL)
			fail_msg("%s: {{ without }}", name);
		else {
			mark = xstrndup(p + 2, (size_t)(end - p) - 2);
			if (!strv_has(known, mark))
				fail_msg("%s: nobody fills {{%s}}", name,
				    mark);
			free(mark);
			p = end;
		}
	}
}

/* Skills are copied as they are: nothing is filled there. */
static void
skill_without_marks(const char *set, const char *name, void *arg)
{
	const struct strv none = { 0 };
	char *text = skill_read(set, name);

	expect_known(name, text, &none);
	if (strstr(text, "${") != NULL)
		fail_msg("%s/%s: ${ is filled by nobody", set, name);
	free(text);
}

static void
test_placeholders(void **state)
{
	struct strv known = list_of("name role shared team");
	struct library *l = tree_library();
	char *path;
	size_t i;

	for (i = 0; i < NELEM(texts); i++) {
		path = xasprintf("agents/%s", texts[i]);
		expect_known(path, library_text(l, path), &known);
		free(path);
	}
	each_skill(skill_without_marks, NULL);
	strv_release(&known);
	library_free(l);
}

/* --- skills ---------------------------------------------------------------- */

/* The value of "key: value" in the frontmatter; yours, or NULL. */
static char *
front(const char *text, const char *key)
{
	const char *end, *p, *value;
	size_t n = strlen(key);

	if (!str_starts(text, "---\n") ||
	    (end = strstr(text, "\n---\n")) == NULL)
		return NULL;
	for (p = text + 4; p < end; p = strchr(p, '\n') + 1)
		if (strncmp(p, key, n) == 0 && str_starts(p + n, ": ")) {
			value = p + n + 2;
			return xstrndup(value, strcspn(value, "\n"));
		}
	return NULL;
}

/* Plain words, which every reader of YAML takes for the same. */
static void
expect_words(const char *set, const char *name, const char *text,
    const char *key)
{
	char *value = front(text, key);

	if (value == NULL || value[0] == '\0')
		fail_msg("%s/%s: no %s", set, name, key);
	else if (strstr(value, ": ") != NULL || strstr(value, " #") != NULL ||
	    strchr("'\"[{&*!|>%@`", value[0]) != NULL)
		fail_msg("%s/%s: %s must be quoted", set, name, key);
	free(value);
}

static void
skill_in_form(const char *set, const char *name, void *arg)
{
	char *text = skill_read(set, name), *given = front(text, "name");
	const char *p;
	int lines = 0;

	if (!str_equal(given, name))
		fail_msg("%s/%s: its name is %s", set, name,
		    given == NULL ? "missing" : given);
	expect_words(set, name, text, "description");
	if (strcmp(set, "extra") == 0)
		expect_words(set, name, text, "assign_when");
	for (p = text; (p = strchr(p, '\n')) != NULL; p++)
		lines++;
	if (lines < SKILL_LINES_MIN || lines > SKILL_LINES_MAX)
		fail_msg("%s/%s: %d lines", set, name, lines);
	free(given);
	free(text);
}

static void
test_skills(void **state)
{
	each_skill(skill_in_form, NULL);
}

static void
skill_as_before(const char *set, const char *name, void *arg)
{
	struct map *seen = arg;
	char *text = skill_read(set, name);
	const char *other = map_find(seen, name);

	if (other == NULL)
		map_set(seen, name, text);
	else {
		if (strcmp(other, text) != 0)
			fail_msg("%s/%s: not that of the other sets", set,
			    name);
		free(text);
	}
}

static void
test_equal_names(void **state)
{
	struct map *seen = map_new(free);

	each_skill(skill_as_before, seen);
	map_free(seen);
}

/* What an agent proposes to an admin must be taken as it stands. */
static void
skill_manifests(const char *set, const char *name, void *arg)
{
	char *text = skill_read(set, name), *yaml;
	const char *p = text, *end;
	int *n = arg;

	while ((p = strstr(p, "\n```yaml\n")) != NULL) {
		p += strlen("\n```yaml\n");
		if ((end = strstr(p, "\n```\n")) == NULL)
			fail_msg("%s/%s: an open fence", set, name);
		else {
			yaml = xstrndup(p, (size_t)(end - p) + 1);
			resources_free(from_yaml(yaml));
			free(yaml);
			p = end;
			(*n)++;
		}
	}
	free(text);
}

static void
test_manifests(void **state)
{
	int n = 0;

	each_skill(skill_manifests, &n);
	assert_true(n >= 5);
}

/* --- digests --------------------------------------------------------------- */

static void
skill_digest(const char *set, const char *name, void *arg)
{
	char *under = xasprintf("templates/skills/%s/%s", set, name);
	char *dir = tree_path(under), *text, want[SHA256_HEX];
	struct buf b = { 0 };
	struct err e;
	size_t i;

	find_files(dir);
	for (i = 0; i < found.n; i++) {
		if ((text = file_read(found.v[i], 1 << 20, &e)) == NULL)
			fail_msg("%s", e.msg);
		buf_printf(&b, "%s", found.v[i] + strlen(dir) + 1);
		buf_putc(&b, '\0');
		buf_printf(&b, "%zu", strlen(text));
		buf_putc(&b, '\0');
		buf_puts(&b, text);
		free(text);
	}
	sha256_hex(buf_str(&b), b.len, want);
	if (!str_equal(library_skill(arg, set, name), want))
		fail_msg("%s/%s: digest is not %s", set, name, want);
	strv_release(&found);
	buf_release(&b);
	free(under);
	free(dir);
}

static void
test_digests(void **state)
{
	struct library *l = tree_library();

	each_skill(skill_digest, l);
	library_free(l);
}

static void
put_file(const char *dir, const char *path, const char *text)
{
	char *full = xasprintf("%s/%s", dir, path), *slash;
	FILE *f;

	for (slash = full + strlen(dir) + 1;
	    (slash = strchr(slash, '/')) != NULL; *slash++ = '/') {
		*slash = '\0';
		mkdir(full, 0700);
	}
	f = fopen(full, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	free(full);
}

static int
on_remove(const char *path, const struct stat *st, int type, struct FTW *at)
{
	return remove(path);
}

/* Several files, in order of path, as another program computed it; what has a
 * dot in front is no part of it. */
static void
test_many_files(void **state)
{
	static const char known[] =
	    "2b038a068ec36852f98c07b132ea828f526d555a71563a355fd901b461bfa73c";
	char dir[] = "/tmp/test-library-XXXXXX";
	struct library *l;
	struct err e;
	const struct strv *names;

	assert_non_null(mkdtemp(dir));
	put_file(dir, "skills/worker/one/a/b.sh", "#!/bin/sh\n");
	put_file(dir, "skills/worker/one/SKILL.md", "x: y\n");
	put_file(dir, "skills/worker/one/a-b.md", "");
	put_file(dir, "skills/worker/one/.hidden", "no\n");
	put_file(dir, "skills/worker/one-more/SKILL.md", "x: y\n");
	l = library_load(dir, &e);
	assert_non_null(l);
	names = library_skills(l, "worker");
	assert_int_equal(names->n, 2);
	assert_string_equal(library_skill(l, "worker", "one"), known);
	assert_string_not_equal(library_skill(l, "worker", "one-more"), known);
	library_free(l);

	/* A name that is moved to another path is another skill. */
	put_file(dir, "skills/worker/one/a/c.sh", "#!/bin/sh\n");
	l = library_load(dir, &e);
	assert_non_null(l);
	assert_string_not_equal(library_skill(l, "worker", "one"), known);
	library_free(l);
	assert_int_equal(nftw(dir, on_remove, 16, FTW_PHYS | FTW_DEPTH), 0);
}

/* No templates at all are none, but what cannot be read is said. */
static void
test_unreadable(void **state)
{
	char dir[] = "/tmp/test-library-XXXXXX";
	struct library *l;
	struct err e;

	assert_non_null(mkdtemp(dir));
	l = library_load(dir, &e);
	assert_non_null(l);
	assert_int_equal(library_skills(l, "worker")->n, 0);
	library_free(l);
	put_file(dir, "agents/SOUL.md", "\xff\xfe\n");
	assert_null(library_load(dir, &e));
	assert_int_equal(e.kind, ERR_BROKEN);
	assert_non_null(strstr(e.msg, "agents/SOUL.md"));
	assert_int_equal(nftw(dir, on_remove, 16, FTW_PHYS | FTW_DEPTH), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_sets),
		cmocka_unit_test(test_installed),
		cmocka_unit_test(test_placeholders),
		cmocka_unit_test(test_skills),
		cmocka_unit_test(test_equal_names),
		cmocka_unit_test(test_manifests),
		cmocka_unit_test(test_digests),
		cmocka_unit_test(test_many_files),
		cmocka_unit_test(test_unreadable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
