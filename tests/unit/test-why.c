/*
 * why KIND NAME: how something stands, who changed it, what waits, and where each
 * part of it comes from.
 */
#include "house.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hiclaw/clock.h"

/* All of these parts are in it, in their order. */
static void
expect_all(const struct json *reply, const char *const *parts)
{
	const char *body = body_of(reply), *at = body;

	assert_string_equal(state_of(reply), "info");
	for (; *parts != NULL; parts++) {
		at = strstr(at, *parts);
		if (at == NULL)
			fail_msg("lacks, in this place: %s\n%s", *parts, body);
	}
}
#define HAS(reply, ...) \
	expect_all(reply, (const char *const []){ __VA_ARGS__, NULL })
#define LACKS(reply, part) assert_null(strstr(body_of(reply), part))

static const struct json *
ask_in(struct house *h, const char *room, const char *sender,
    const char *body)
{
	const char *id = speak_in(h, room, sender, body, NULL);

	assert_true(wait_for(h, is_quiet));
	post(h);
	return reply_to(h, id);
}

static void
begin(struct house *h)
{
	ask(h, TEAM);
	ask(h, HUMAN_2 "  accessibleTeams: [web]\n");
	ask(h, WORKER("alice", "m"));
}

static void
test_well(void **state)
{
	struct house *h = *state;
	const struct json *r;

	begin(h);
	r = ask(h, "@hiclaw why worker alice");
	HAS(r, "Worker/alice · Ready", "All ", " objects that it has are as "
	    "declared.", "Last change of Worker/alice: declared ",
	    "revision ", "by " BOSS, "Receipt ", "(apply Worker/alice): "
	    "asked by " BOSS ", plan `", "Why its parts are there",
	    "file agents/alice/SOUL.md: who it is; from the template",
	    "file agents/alice/openclaw.json: how it is set up; `spec.model`",
	    "room worker/alice: every worker has a room. In it alice: the "
	    "worker (`spec` of Worker/alice), @boss: a configured admin "
	    "(`admins`)");
	LACKS(r, "Asked, and not decided");
	/* A part of it. */
	r = ask(h, "@hiclaw why worker/alice SOUL.md");
	HAS(r, "Worker/alice · Ready", "file agents/alice/SOUL.md");
	LACKS(r, "Last change");
	LACKS(r, "room worker/alice");
	HAS(ask(h, "@hiclaw why worker alice nothing"), "it has nothing that "
	    "is called \"nothing\"");
	/* A Team, without what its agents have; and one of them. */
	r = ask(h, "@hiclaw why team web");
	HAS(r, "Team/web · Ready", "room team/web: every Team has a room. "
	    "In it", "@jane: works with the team (`spec.accessibleTeams` of "
	    "Human/jane)", "`why worker NAME` tells it");
	LACKS(r, "SOUL.md");
	r = ask(h, "@hiclaw why worker wim");
	HAS(r, "Worker/wim · in Team/web · Ready", "Last change of "
	    "Team/web", "file agents/wim/SOUL.md", "lea: leads the team "
	    "(`spec.leader` of Team/web)");
	LACKS(r, "agents/wanda/");
	LACKS(r, "room team/web");
	/* A person. */
	r = ask(h, "@hiclaw why human jane");
	HAS(r, "Human/jane", "Why it is where it is",
	    "human jane: the account of the person; `spec.matrixUserId`",
	    "room space: in a room below it",
	    "room team/web: works with the team (`spec.accessibleTeams` of "
	    "Human/jane)");
	LACKS(r, "room worker/alice");
}

static void
test_person(void **state)
{
	struct house *h = *state;

	begin(h);
	HAS(ask(h, "@hiclaw why worker wim @jane"), JANE " and Worker/wim:",
	    "in room worker/wim: works with the team (`spec.accessibleTeams` "
	    "of Human/jane)", "may address worker wim in rooms",
	    "may address worker wim in direct chats");
	HAS(ask(h, "@hiclaw why worker alice " JANE), "in none of its rooms",
	    "may not address worker alice in rooms: this Human of tier 2");
	HAS(ask(h, "@hiclaw why team web @boss"), "in room leader/web: a "
	    "configured admin", "in room team/web: a configured admin");
	HAS(ask(h, "@hiclaw why worker alice @nobody"), "in none of its "
	    "rooms", "no rule names this account");
}

/* What does not come about, with its reason and the next try. */
static void
test_trouble(void **state)
{
	struct house *h = *state;
	const struct json *r;

	str_copy(fail_key, "room:worker/alice", sizeof fail_key);
	ask(h, WORKER("alice", "m"));
	r = ask(h, "@hiclaw why worker alice");
	HAS(r, "Worker/alice · Degraded", " of the ", "as declared.",
	    "room worker/alice: failed, somebody else has it; next try in",
	    "failed.");
	HAS(ask(h, "@hiclaw why worker alice room"), "failed, somebody "
	    "else has it", "every worker has a room");
	LACKS(ask(h, "@hiclaw why worker alice SOUL.md"), "next try");
}

static void
test_left_and_frozen(void **state)
{
	struct house *h = *state;

	begin(h);
	store_begin(h->store);
	engine_leave(h->engine, "room:worker/alice", clock_ms() + 3600000);
	HAS(ask(h, "@hiclaw why worker alice"), "room worker/alice: "
	    "settled; what others do to it is left alone until ",
	    "(`ignore`)");
	ask(h, "@hiclaw freeze release day");
	HAS(ask(h, "@hiclaw why worker alice"), "Frozen by " BOSS,
	    "release day");
}

/* What is asked about it, for those who may know. */
static void
test_asked(void **state)
{
	struct house *h = *state;
	const struct json *r;

	begin(h);
	ask(h, "@hiclaw delete worker wim");
	HAS(ask(h, "@hiclaw why worker wim"), "Asked, and not decided",
	    "delete Worker/wim, asked by " BOSS, "waits for a yes");
	/* Its Team is asked about with it, another worker is not. */
	LACKS(ask(h, "@hiclaw why worker alice"), "Asked, and not");
	store_begin(h->store);
	engine_dm(h->engine, JANE);
	assert_true(wait_for(h, is_quiet));
	r = ask_in(h, "!room:dm/" JANE, JANE, "why worker wim");
	HAS(r, "Worker/wim");
	LACKS(r, "Asked, and not");
}

static void
test_gone(void **state)
{
	struct house *h = *state;
	const struct json *r;

	begin(h);
	ask(h, "@hiclaw delete worker alice");
	ask(h, "@hiclaw yes");
	r = ask(h, "@hiclaw why worker alice");
	HAS(r, "Worker/alice is not declared.", "Last change of "
	    "Worker/alice: deleted ", "(delete Worker/alice): asked by " BOSS);
	LACKS(r, "Why its parts");
	expect(ask(h, "@hiclaw why worker alicia"), "refused",
	    "There is no Worker/alicia");
	expect(ask(h, "@hiclaw why alice"), "refused", "kind");
}

/* Only of what they may read; and alone it is the last no, as ever. */
static void
test_may(void **state)
{
	struct house *h = *state;
	const char *room = "!room:dm/" JANE;
	const struct json *r;

	begin(h);
	store_begin(h->store);
	engine_dm(h->engine, JANE);
	assert_true(wait_for(h, is_quiet));
	expect(ask_in(h, room, JANE, "why"), "refused", "refused you "
	    "nothing");
	HAS(ask_in(h, room, JANE, "why team web"), "Team/web · Ready");
	HAS(ask_in(h, room, JANE, "why human jane"), "Human/jane");
	expect(ask_in(h, room, JANE, "why worker alice"), "refused",
	    "Worker/alice is not");
	expect(ask_in(h, room, JANE, "why human john"), "refused", "rule");
	r = ask_in(h, room, JANE, "why");
	HAS(r, "you asked for `why human john`", "That is rule 4, own-work");
	/* In the room of another agent that one only. */
	expect(ask_in(h, "!room:worker/wim", BOSS, "@hiclaw why worker alice"),
	    "refused", "only about wim");
	HAS(ask_in(h, "!room:worker/wim", BOSS, "@hiclaw why worker wim"),
	    "Worker/wim");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_well), T(test_person), T(test_trouble),
		T(test_left_and_frozen), T(test_asked), T(test_gone),
		T(test_may),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
