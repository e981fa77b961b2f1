/*
 * What keeps the house in order: backups, the doctor, and who hears of what.
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

	expect(ask(h, "!hiclaw freeze lunch for"), "refused", "A time is like");
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

/* --- watch and mute -------------------------------------------------------------- */

#define TOM	"@tom:x.org"	/* tier 3 */
#define TOM_DM	"!room:dm/" TOM
#define HUMAN_3 HEAD("Human", "tom") "spec:\n  displayName: Tom\n" \
    "  matrixUserId: \"" TOM "\"\n  permissionLevel: 3\n" \
    "  accessibleWorkers: [ann]\n"

static const struct json *
as_tom(struct house *h, const char *line)
{
	const char *id;

	store_begin(h->store);
	engine_dm(h->engine, TOM);
	house_turn(h);
	assert_true(wait_for(h, is_quiet));
	id = speak_in(h, TOM_DM, TOM, line, NULL);
	assert_true(wait_for(h, is_quiet));
	post(h);
	return reply_to(h, id);
}

/* How often was that said there? */
static int
said_in(struct house *h, const char *room, const char *part)
{
	const struct json *v;
	int n = 0;

	post(h);
	for (v = json_first(h->sent); v != NULL; v = json_next(v))
		n += strcmp(json_strd(v, "room", ""), room) == 0 &&
		    json_get(json_get(v, "content"), "m.new_content") ==
		    NULL && strstr(body_of(v), part) != NULL;
	return n;
}

static void
drift(struct house *h, const char *key)
{
	const struct engine_observer *o = chat_observer(h->chat);
	struct strv did = { 0 };

	strv_add(&did, "name put right");
	store_begin(h->store);
	o->drift(o->arg, key, "@eve:x.org", &did, NULL);
	house_turn(h);
	strv_release(&did);
}

static void
people(struct house *h)
{
	expect(ask(h, "!hiclaw create worker ann model=m"), "done", "");
	expect(ask(h, "!hiclaw create worker bob model=m"), "done", "");
	expect(ask(h, "```yaml\n" HUMAN_3 "```"), "done", "");
	forget_sent(h);
}

static void
test_watch(void **state)
{
	struct house *h = *state;

	people(h);
	expect(as_tom(h, "watch"), "info", "You watch nothing");
	expect(as_tom(h, "watch ann"), "done", "changes Worker/ann");
	/* Nobody learns that there is a bob, or that there is not. */
	expect(as_tom(h, "watch bob"), "refused", "nothing of that name");
	expect(as_tom(h, "watch rob"), "refused", "nothing of that name");
	expect(as_tom(h, "watch ann for"), "refused", "For how long?");
	expect(as_tom(h, "watch"), "info", "Worker/ann");
	expect(ask(h, "!hiclaw set worker ann model=big"), "done", "");
	expect(ask(h, "!hiclaw set worker bob model=big"), "done", "");
	assert_int_equal(said_in(h, "room:dm/" TOM, "set Worker/ann: model: "
	    "done, by " BOSS), 1);
	assert_int_equal(said_in(h, "room:dm/" TOM, "bob:"), 0);
	drift(h, "room:worker/ann");
	drift(h, "room:worker/bob");
	assert_int_equal(said_in(h, "room:dm/" TOM, "(You watch "
	    "Worker/ann.)"), 2);
	/* ... over a restart, and in the admin room as ever. */
	house_close(h);
	house_open(h);
	drift(h, "room:worker/ann");
	assert_int_equal(said_in(h, "room:dm/" TOM, "(You watch "
	    "Worker/ann.)"), 3);
	assert_int_equal(said_in(h, "room:admin", "@eve:x.org"), 3);
	/* What counts as a reply in the admin room alone is said there alone. */
	store_begin(h->store);
	chat_observer(h->chat)->fight(chat_observer(h->chat)->arg,
	    "room:worker/ann", "@eve:x.org", 60);
	house_turn(h);
	assert_int_equal(said_in(h, "room:admin", "Reply `"), 4);
	assert_int_equal(said_in(h, "room:dm/" TOM, "I back off for 1m"), 1);
	assert_int_equal(said_in(h, "room:dm/" TOM, "Reply"), 0);
	/* Who may not see it any more hears nothing. */
	expect(ask(h, "!hiclaw set human tom accessibleWorkers=bob"), "done",
	    "");
	drift(h, "room:worker/ann");
	assert_int_equal(said_in(h, "room:dm/" TOM, "(You watch "
	    "Worker/ann.)"), 4);
	expect(as_tom(h, "unwatch all"), "done", "no longer watched");
	expect(as_tom(h, "watch"), "info", "You watch nothing");
}

static void
test_watch_ends(void **state)
{
	struct house *h = *state;
	int64_t now = clock_ms();

	people(h);
	clock_set_ms(now);
	expect(as_tom(h, "watch ann for 2h"), "done", "for 2");
	clock_set_ms(now + 3 * 3600000);
	drift(h, "room:worker/ann");
	assert_int_equal(said_in(h, "room:dm/" TOM, "(You watch"), 0);
	tick(h, 1);
	expect(as_tom(h, "watch"), "info", "You watch nothing");
	/* What is gone is told, and nobody watches it any more. */
	expect(as_tom(h, "watch ann"), "done", "");
	ask(h, "!hiclaw delete worker ann");
	ask(h, "yes");
	assert_int_equal(said_in(h, "room:dm/" TOM, "Worker/ann is gone."), 1);
	clock_set_ms(0);
}

static void
test_mute(void **state)
{
	struct house *h = *state;
	int64_t now = clock_ms();

	people(h);
	clock_set_ms(now);
	expect(as_tom(h, "watch ann"), "done", "");
	expect(ask(h, "!hiclaw mute ann for 2h"), "done", "No news of "
	    "Worker/ann here");
	drift(h, "room:worker/ann");
	drift(h, "room:worker/bob");
	assert_int_equal(said_in(h, "room:admin", "@eve:x.org"), 1);
	assert_int_equal(said_in(h, "room:dm/" TOM, "@eve:x.org"), 1);
	expect(ask(h, "!hiclaw mute"), "info", "1 left out");
	house_close(h);
	house_open(h);
	drift(h, "room:worker/ann");
	assert_int_equal(said_in(h, "room:admin", "@eve:x.org"), 1);
	expect(ask(h, "!hiclaw events worker ann"), "info", "changed by @eve;");
	/* Its end is told, with what was left out. */
	clock_set_ms(now + 3 * 3600000);
	tick(h, 1);
	assert_int_equal(said_in(h, "room:admin", "2 left out"), 1);
	drift(h, "room:worker/ann");
	expect(ask(h, "!hiclaw mute"), "info", "Nothing is muted");
	expect(ask(h, "!hiclaw mute ann"), "done", "for ");
	expect(ask(h, "!hiclaw unmute ann"), "done", "no longer muted");
	expect(ask(h, "!hiclaw unmute ann"), "done", "is not muted");
	clock_set_ms(0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_backup), T(test_backup_cut_short),
		T(test_backups_kept), T(test_watch),
		T(test_watch_ends), T(test_mute), T(test_doctor), T(test_doctor_finds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
