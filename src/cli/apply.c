/*
 * apply and plan: manifests are read and checked here, by the decoder of the
 * controller itself, so that what is wrong is shown with its line and a caret;
 * then all documents go as one change.
 */
#include "cli.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wait.h"

/* --- reading ------------------------------------------------------------- */

/* All of the file; yours, or NULL: said. */
static char *
read_file(const char *path, size_t *len)
{
	bool is_stdin = strcmp(path, "-") == 0;
	FILE *f = is_stdin ? stdin : fopen(path, "re");
	struct buf b;
	char block[16384];
	size_t n;

	if (f == NULL) {
		fail("%s: %s", path, strerror(errno));
		return NULL;
	}
	buf_init(&b, MANIFEST_MAX);
	while ((n = fread(block, 1, sizeof block, f)) > 0)
		buf_add(&b, block, n);
	if (ferror(f) || b.overflow) {
		if (b.overflow)
			fail("%s: longer than %d bytes", path, MANIFEST_MAX);
		else
			fail("%s: %s", path, strerror(errno));
		buf_release(&b);
	}
	if (!is_stdin)
		fclose(f);
	*len = b.len;
	return b.overflow ? NULL : buf_take(&b);
}

static void
say_problems(const char *path, const struct problems *ps)
{
	char *text = problems_text(ps);

	fprintf(stderr, "%s:\n%s\n", strcmp(path, "-") == 0 ?
	    "standard input" : path, text);
	free(text);
}

/* The documents of one file, onto the list. */
static int
read_docs(const char *path, struct json *docs)
{
	struct problems ps = { 0 };
	struct resource **rs = NULL;
	size_t len, n = 0;
	char *text = read_file(path, &len);
	int rc = FAILED;

	if (text == NULL)
		return FAILED;
	if (manifest_decode(text, len, &rs, &n, &ps) == -1) {
		say_problems(path, &ps);
		fail("nothing was changed");
	} else if (n == 0)
		fail("%s: there is no document in it", path);
	else
		rc = DONE;
	for (size_t i = 0; i < n; i++) {
		if (rc == DONE)
			json_push(docs, resource_json(rs[i]));
		resource_unref(rs[i]);
	}
	/* Warnings are the controller's to give: it knows the rest. */
	free(rs);
	problems_release(&ps);
	free(text);
	return rc;
}

/* The body for the controller, or NULL: said. */
static struct json *
read_all(struct cli *c, int *rc)
{
	struct json *body, *docs;

	*rc = USAGE;
	if (c->files_n == 0) {
		usage_error(c, "which manifest? -f FILE, or -f - for standard "
		    "input");
		return NULL;
	}
	if (c->prune != (c->selector != NULL)) {
		usage_error(c, c->prune ? "--prune needs -l to say among what"
		    : "-l chooses what --prune may delete");
		return NULL;
	}
	body = json_object();
	docs = json_set(body, "docs", json_array());
	for (size_t i = 0; i < c->files_n; i++)
		if ((*rc = read_docs(c->files[i], docs)) != DONE) {
			json_free(body);
			return NULL;
		}
	if (c->prune)
		json_set_str(body, "prune", c->selector);
	return body;
}

/* --- showing ------------------------------------------------------------- */

static void
say_notes(const struct json *o)
{
	const struct json *v = json_first(json_get(o, "notes"));

	for (; v != NULL; v = json_next(v))
		fprintf(stderr, "note: %s\n", json_value_str(v));
}

static void
print_lines(const struct json *o)
{
	const struct json *v = json_first(json_get(o, "lines"));

	for (; v != NULL; v = json_next(v))
		printf("  %s\n", json_value_str(v));
}

static void
print_results(const struct json *o, bool is_plan)
{
	const struct json *v = json_first(json_get(o, "resources"));

	for (; v != NULL; v = json_next(v)) {
		const struct kind *k = kind_find(json_strd(v, "kind", ""));
		const char *result = json_strd(v, "result", "?");

		printf("  %s/%s %s%s\n", k != NULL ? k->singular : "?",
		    json_strd(v, "name", "?"), result, is_plan &&
		    strcmp(result, "unchanged") != 0 ? " (dry run)" : "");
	}
}

static int
show_plan(struct cli *c, const struct json *body)
{
	struct answer a;
	int rc = DONE;

	call(c, "POST", "plan", json_copy(body), &a);
	if (!answer_ok(&a))
		rc = answer_fail(c, &a);
	else if (c->output != NULL && strcmp(c->output, "json") == 0)
		print_json(a.json);
	else {
		print_results(a.json, true);
		if (json_size(json_get(a.json, "lines")) > 0)
			printf("%s, risk %s:\n", json_strd(a.json, "summary",
			    ""), json_strd(a.json, "risk", "?"));
		print_lines(a.json);
		say_notes(a.json);
	}
	answer_release(&a);
	return rc;
}

/* --- applying ------------------------------------------------------------ */

/* On a terminal, what cannot be undone is shown and asked about first. */
static int
ask_first(struct cli *c, const struct json *body)
{
	struct answer a;
	int rc = DONE;

	if (c->yes || !c->progress)
		return DONE;
	call(c, "POST", "plan", json_copy(body), &a);
	if (!answer_ok(&a))
		rc = answer_fail(c, &a);
	else if (strcmp(json_strd(a.json, "risk", ""), "delete") == 0) {
		print_results(a.json, true);
		print_lines(a.json);
		fflush(stdout);
		if (!confirm(c, "What is deleted does not come back. Go on?"))
			rc = USAGE;
		if (rc == USAGE)
			fputs("Nothing was changed.\n", stderr);
	}
	answer_release(&a);
	return rc;
}

static int
wait_applied(struct cli *c, const struct json *o)
{
	const struct json *v = json_first(json_get(o, "resources"));
	struct waiting w = { 0 };
	int rc;

	for (; v != NULL; v = json_next(v)) {
		const struct kind *k = kind_find(json_strd(v, "kind", ""));

		if (k != NULL && strcmp(json_strd(v, "result", ""),
		    "deleted") != 0)
			waiting_add(&w, k, json_strd(v, "name", ""));
	}
	rc = wait_for_all(c, &w);
	waiting_release(&w);
	return rc;
}

static int
apply(struct cli *c, const struct json *body)
{
	struct answer a;
	int rc = ask_first(c, body);

	if (rc != DONE)
		return rc;
	call(c, "POST", "apply", json_copy(body), &a);
	if (!answer_ok(&a))
		rc = answer_fail(c, &a);
	else {
		print_results(a.json, false);
		fflush(stdout);
		say_notes(a.json);
		if (!c->no_wait)
			rc = wait_applied(c, a.json);
	}
	answer_release(&a);
	return rc;
}

int
cmd_apply(struct cli *c)
{
	struct json *body;
	int rc;

	if ((body = read_all(c, &rc)) == NULL)
		return rc;
	rc = c->dry_run ? show_plan(c, body) : apply(c, body);
	json_free(body);
	return rc;
}

int
cmd_plan(struct cli *c)
{
	c->dry_run = true;
	return cmd_apply(c);
}
