/*
 * What the tests of world and plan share: resources from YAML, golden files.
 * UPDATE_GOLDEN=1 writes the golden files anew; read the difference before you
 * commit it.
 */
#ifndef WORLD_HELP_H
#define WORLD_HELP_H

#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hiclaw/api.h"
#include "hiclaw/world.h"

static inline char *
data_path(const char *name)
{
	const char *dir = getenv("srcdir");

	return xasprintf("%s/tests/data/%s", dir == NULL ? "." : dir, name);
}

static inline char *
data_read(const char *name)
{
	char *path = data_path(name), chunk[4096];
	FILE *f = fopen(path, "r");
	struct buf b = { 0 };
	size_t n;

	if (f == NULL)
		fail_msg("%s: cannot be read", path);
	while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
		buf_add(&b, chunk, n);
	fclose(f);
	free(path);
	return buf_take(&b);
}

/* Put what the YAML declares into the set, in place of what has its name. */
static inline void
put_yaml(struct resources *rs, const char *yaml)
{
	struct problems ps = { 0 };
	struct resource **v = NULL;
	size_t n = 0, i;

	if (manifest_decode(yaml, strlen(yaml), &v, &n, &ps) == -1)
		fail_msg("%s", problems_text(&ps));
	for (i = 0; i < n; i++) {
		resources_put(rs, v[i]);
		resource_unref(v[i]);
	}
	free(v);
	problems_release(&ps);
}

static inline struct resources *
from_yaml(const char *yaml)
{
	struct resources *rs = resources_new();

	put_yaml(rs, yaml);
	return rs;
}

static inline struct resources *
from_file(const char *name)
{
	char *yaml = data_read(name);
	struct resources *rs = from_yaml(yaml);

	free(yaml);
	return rs;
}

/* The text with its first `from` put as `to`; it must be there. */
static inline char *
with(const char *text, const char *from, const char *to)
{
	const char *at = strstr(text, from);
	struct buf b = { 0 };

	if (at == NULL) {
		fail_msg("\"%s\" is not in the text", from);
		return NULL;
	}
	buf_add(&b, text, (size_t)(at - text));
	buf_puts(&b, to);
	buf_puts(&b, at + strlen(from));
	return buf_take(&b);
}

/* Compare line by line, so that a failure names the line. */
static inline void
expect_golden(const char *name, const char *text)
{
	char *path, *want, *w, *g, *got, *sw, *sg;
	size_t line = 0;
	FILE *f;

	if (getenv("UPDATE_GOLDEN") != NULL) {
		path = data_path(name);
		f = fopen(path, "w");
		assert_non_null(f);
		fputs(text, f);
		fclose(f);
		free(path);
		return;
	}
	want = data_read(name);
	got = xstrdup(text);
	for (w = want, g = got; w != NULL && g != NULL; line++) {
		sw = strsep(&w, "\n");
		sg = strsep(&g, "\n");
		if (strcmp(sw, sg) != 0)
			fail_msg("%s:%zu:\n  want %s\n  got  %s", name,
			    line + 1, sw, sg);
	}
	if (w != NULL || g != NULL)
		fail_msg("%s: %s after line %zu", name, w != NULL ?
		    "lines are missing" : "there is more", line);
	free(want);
	free(got);
}

static inline struct strv
list_of(const char *words)
{
	struct strv l = { 0 };

	strv_split(&l, words, ' ');
	return l;
}

/* A library of one text; it lives to the end of the program. */
static inline const struct library *
test_library(const char *soul)
{
	static struct library *made[8];
	static size_t n;
	struct library *l = library_new();

	library_free(made[n % NELEM(made)]);
	made[n++ % NELEM(made)] = l;
	if (soul != NULL)
		library_add(l, "agents/SOUL.md", soul);
	return l;
}

/* A house at example.org with one admin, who talks to the bot; without files,
 * which are a subject of their own (test-files.c). */
static inline struct world_config
test_config(void)
{
	static char admin[] = "@admin:example.org";
	static char *admins[] = { admin, NULL };
	static const struct strv one = { admins, 1, 2 };

	return (struct world_config){
		.domain = "example.org", .prefix = "hiclaw",
		.instance = "hiclaw-1234abcd", .device = "HICLAW_1234abcd",
		.room_version = "12", .admins = &one, .dms = &one,
		.library = test_library("# {{name}}\n\n{{role}} of {{team}}\n"),
	};
}

#endif
