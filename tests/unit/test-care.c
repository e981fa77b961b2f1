/*
 * What keeps the house in order: backups and the doctor.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "hiclaw/clock.h"
#include "hiclaw/file.h"

#include "house.h"

#define HEALTH	"{\"kind\":\"room\",\"question\":{\"op\":\"health\"}}"
#define WELL	"{\"ms\":3,\"version\":\"v1.12\"}"

/* --- backups ------------------------------------------------------------------ */

/* What the live message says now: its newest edit. */
static const struct json *
newest_for(struct house *h, const char *event)
{
	const struct json *v, *content, *found = NULL;

	post(h);
	for (v = json_first(h->sent); v != NULL; v = json_next(v)) {
		content = json_get(v, "content");
		if (json_get(content, "m.new_content") != NULL)
			content = json_get(content, "m.new_content");
		if (str_equal(json_str(json_get(content, "io.hiclaw.reply"),
		    "for"), event))
			found = content;
	}
	return found;
}

static void
tick(struct house *h, int n)
{
	while (n-- > 0) {
		store_begin(h->store);
		chat_tick(h->chat);
		house_turn(h);
	}
}

static void
expect_now(struct house *h, const char *event, const char *state,
    const char *part)
{
	const struct json *c = newest_for(h, event);
	const char *body = json_strd(c, "body", "");

	assert_string_equal(json_strd(json_get(c, "io.hiclaw.reply"), "state",
	    "no answer"), state);
	if (strstr(body, part) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", body, part);
}

static char *
only_backup(struct house *h)
{
	struct strv names = { 0 };
	struct err err;
	char *path;

	assert_int_equal(dir_list(h->backups, ".db", &names, &err), 0);
	assert_int_equal(names.n, 1);
	path = xasprintf("%s/%s", h->backups, names.v[0]);
	strv_release(&names);
	return path;
}

static void
test_backup(void **state)
{
	struct house *h = *state;
	char *event, *path, *db = xasprintf("%s/db", h->dir), *file;

	expect(ask(h, "!hiclaw create worker ann model=m"), "done", "");
	event = xstrdup(speak(h, "!hiclaw backup"));
	expect_now(h, event, "running", "Copying");
	expect(ask(h, "!hiclaw backup"), "refused", "being made already");
	tick(h, 3);
	expect_now(h, event, "done", "Backup made");
	expect_now(h, event, "done", "`secrets_key`");
	path = only_backup(h);
	expect_now(h, event, "done", path);
	/* What came after it is not in it. */
	expect(ask(h, "!hiclaw create worker bob model=m"), "done", "");
	house_close(h);
	for (int i = 0; i < 2; i++) {
		file = xasprintf("%s%s", db, i == 0 ? "-wal" : "-shm");
		unlink(file);
		free(file);
	}
	assert_int_equal(rename(path, db), 0);
	house_open(h);
	assert_true(is_declared(h, "Worker", "ann"));
	assert_false(is_declared(h, "Worker", "bob"));
	/* It is not begun again, nor told that it was cut short. */
	forget_sent(h);
	chat_started(h->chat, false, 0);
	tick(h, 2);
	assert_int_equal(sent_n(h), 0);
	expect(ask(h, "!hiclaw create worker bob model=m"), "done", "");
	free(event);
	free(path);
	free(db);
}

static void
test_backup_cut_short(void **state)
{
	struct house *h = *state;
	char *event = xstrdup(speak(h, "!hiclaw backup"));
	struct strv names = { 0 };
	struct err err;

	post(h);
	house_close(h);
	house_open(h);
	chat_started(h->chat, false, 0);
	house_turn(h);
	expect_now(h, event, "failed", "was stopped meanwhile");
	assert_int_equal(dir_list(h->backups, ".part", &names, &err), 0);
	assert_int_equal(names.n, 0);
	free(event);
}

static void
test_backups_kept(void **state)
{
	struct house *h = *state;
	struct strv names = { 0 };
	struct err err;
	int64_t now = clock_ms();
	char *mine = xasprintf("%s/a-copy-of-mine.db", h->backups);
	FILE *f;

	for (int i = 0; i < 9; i++) {
		clock_set_ms(now += 1000);
		speak(h, "!hiclaw backup");
		tick(h, 3);
		if (i == 0) {
			assert_non_null(f = fopen(mine, "w"));
			fclose(f);
		}
	}
	assert_int_equal(dir_list(h->backups, ".db", &names, &err), 0);
	assert_int_equal(names.n, 8);
	assert_string_equal(names.v[0], "a-copy-of-mine.db");
	strv_release(&names);
	free(mine);
}

/* --- doctor -------------------------------------------------------------------- */

static const struct json *
doctor(struct house *h, const char *answer)
{
	return ask_outside(h, "!hiclaw doctor", HEALTH, answer);
}

static void
test_doctor(void **state)
{
	struct house *h = *state;
	const struct json *r;

	r = doctor(h, WELL);
	expect(r, "done", "homeserver: knows us, and reaches us; 3 ms, Matrix "
	    "v1.12");
	expect(r, "done", "1 of 1 in the admin room");
	expect(r, "done", "SQLite 3");
	expect(r, "done", "none was ever made. To do: `backup`");
	expect(r, "done", "0 wrong, 1 to look at");
	speak(h, "!hiclaw backup");
	tick(h, 3);
	expect(doctor(h, WELL), "done", "All is well.");
	/* The way back does not work, or nobody answers at all. */
	expect(doctor(h, "{\"ms\":3,\"version\":\"v1.12\",\"trouble\":"
	    "\"the homeserver cannot reach us\"}"), "failed", "\xe2\x9d\x8c "
	    "homeserver: the homeserver cannot reach us");
	expect(doctor(h, NULL), "failed", "homeserver: cannot be asked");
}

static void
test_doctor_finds(void **state)
{
	struct house *h = *state;
	const struct json *r;

	expect(ask(h, "!hiclaw freeze for 2h"), "done", "");
	expect(doctor(h, WELL), "done", "freeze: ");
	expect(ask(h, "!hiclaw thaw"), "done", "");
	/* A run that does not end, and what it waits for. */
	snprintf(fail_key, sizeof fail_key, "room:worker/ann");
	ask(h, "!hiclaw create worker ann model=m");
	r = doctor(h, WELL);
	expect(r, "done", "cannot be done now: ");
	expect(r, "done", "ann");
	fail_key[0] = '\0';
	store_run_add(h->store, &(struct run_row){ .actor = BOSS,
	    .room = ADMIN, .command_event = "$x", .title = "apply Team/slow",
	    .plan_hash = "x", .resources = "{}", .objects = "[]",
	    .state = "running", .started_ms = clock_ms() - 3600000 });
	expect(doctor(h, WELL), "done", "1 go on for very long: apply "
	    "Team/slow (");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_backup), T(test_backup_cut_short),
		T(test_backups_kept), T(test_doctor), T(test_doctor_finds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
