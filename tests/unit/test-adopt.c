/*
 * Replies and taps to notices of drift: adopt, ignore, revert.
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

#define TEAM_ROOM	"room:team/web"
#define EVE		"@eve:x.org"
#define ADOPT		"\xf0\x9f\x93\xa5"
#define IGNORE		"\xf0\x9f\x94\x95\xef\xb8\x8f"

/* The observed member of the room; {}: it is not there. */
static struct json *
observed(struct house *h)
{
	struct object_view o;

	assert_true(engine_object(h->engine, TEAM_ROOM, &o));
	return json_must(o.observed);
}

/* Somebody does this to the team's room. */
static void
drift(struct house *h, struct json *changes)
{
	struct json *e = json_object();

	json_set_str(e, "sender", EVE);
	json_set(e, "drift", changes);
	store_begin(h->store);
	engine_event(h->engine, "!" TEAM_ROOM, e);
	json_free(e);
	forget_sent(h);
	house_turn(h);
	assert_true(wait_for(h, is_quiet));
	post(h);
}

static void
retopic(struct house *h, const char *topic)
{
	struct json *o = json_object();

	json_set_str(o, "topic", topic);
	drift(h, o);
}

/* is NULL: that user is put out. */
static void
let(struct house *h, const char *user, const char *is)
{
	struct json *o = json_object(), *now = observed(h), *members;

	members = json_set(o, "members", json_copy(json_get(now, "members")));
	if (is != NULL)
		json_set_str(members, user, is);
	else
		json_remove(members, user);
	json_free(now);
	drift(h, o);
}

/* The only notice, or NULL. */
static const struct json *
notice_of(struct house *h)
{
	const struct json *found = NULL;

	for (const struct json *v = json_first(h->sent); v != NULL;
	    v = json_next(v))
		if (strstr(body_of(v), "changed it, put right") != NULL) {
			assert_null(found);
			found = v;
		}
	return found;
}

/* The event of it. */
static char *
notice(struct house *h)
{
	const struct json *v = notice_of(h);

	return v == NULL ? NULL : xasprintf("$out%lld", (long long)json_int(v,
	    "id", 0));
}

/* It offers to declare these fields; NULL: nothing. */
static void
expect_offer(struct house *h, const char *fields)
{
	const char *body = body_of(notice_of(h));
	char *line;

	if (fields == NULL) {
		assert_null(strstr(body, "adopt"));
		return;
	}
	line = xasprintf("\n`adopt` declares it: %s.", fields);
	if (strstr(body, line) == NULL)
		fail_msg("%s", body);
	free(line);
}

static const struct json *
reply(struct house *h, const char *to, const char *body)
{
	const char *id = speak_in(h, ADMIN, BOSS, body, to);

	assert_true(wait_for(h, is_quiet));
	post(h);
	return reply_to(h, id);
}

static const struct json *
spec_of(struct house *h, const char *kind, const char *name)
{
	return resources_find(engine_resources(h->engine), kind_find(kind),
	    name)->spec;
}

static size_t
teams_of_jane(struct house *h)
{
	return json_size(json_get(spec_of(h, "Human", "jane"),
	    "accessibleTeams"));
}

static void
begin(struct house *h)
{
	speak(h, TEAM);
	assert_true(wait_for(h, is_quiet));
	speak(h, HUMAN_2);
	assert_true(wait_for(h, is_quiet));
	post(h);
}

static void
test_topic(void **state)
{
	struct house *h = *state;
	const struct json *r;
	char *event;

	begin(h);
	retopic(h, "All about the web");
	assert_non_null(event = notice(h));
	expect_offer(h, "spec.description of Team/web");
	assert_null(json_str(spec_of(h, "Team", "web"), "description"));
	r = reply(h, event, "adopt");
	expect(r, "question", "All about the web");
	expect(r, "question", "Somebody else did it");
	expect(ask(h, "@hiclaw yes"), "done", "adopt what was done");
	assert_string_equal(json_str(spec_of(h, "Team", "web"),
	    "description"), "All about the web");
	/* Once more there is nothing to do. */
	expect(reply(h, event, "adopt"), "refused", "declared already");
	/* What was declared later is not gone by a tap on an old line. */
	expect(ask(h, "@hiclaw set team web description=Later"), "done", "");
	expect(reply(h, event, "adopt"), "question", "declared since");
	expect(ask(h, "@hiclaw no"), "refused", "stays as it is");
	assert_string_equal(json_str(spec_of(h, "Team", "web"),
	    "description"), "Later");
	free(event);
}

static void
test_members(void **state)
{
	struct house *h = *state;
	const struct json *r;
	char *event;

	begin(h);
	let(h, JANE, "invite");
	assert_non_null(event = notice(h));
	assert_int_equal(teams_of_jane(h), 0);
	r = reply(h, event, "adopt");
	/* It gives rights: a yes is asked for. */
	if (strcmp(state_of(r), "question") == 0)
		ask(h, "@hiclaw yes");
	assert_int_equal(teams_of_jane(h), 1);
	free(event);
	let(h, JANE, NULL);
	assert_non_null(event = notice(h));
	r = reply(h, event, "adopt");
	if (strcmp(state_of(r), "question") == 0)
		ask(h, "@hiclaw yes");
	assert_int_equal(teams_of_jane(h), 0);
	free(event);
}

/* Rights are asked about: one tap makes nobody an admin. */
static void
adopt_and_confirm(struct house *h, const char *event)
{
	expect(reply(h, event, "adopt"), "question", "gives or takes rights");
	ask(h, "@hiclaw yes");
}

/* Nobody here knows her: then she coordinates the team. */
static void
test_stranger(void **state)
{
	struct house *h = *state;
	const struct json *v;
	char *event;

	begin(h);
	let(h, EVE, "join");
	assert_non_null(event = notice(h));
	expect_offer(h, "spec.humanMembers of Team/web");
	adopt_and_confirm(h, event);
	v = json_first(json_get(spec_of(h, "Team", "web"), "humanMembers"));
	assert_string_equal(json_str(v, "name"), "eve");
	assert_string_equal(json_str(v, "matrixUserId"), EVE);
	free(event);
	let(h, EVE, NULL);
	assert_non_null(event = notice(h));
	adopt_and_confirm(h, event);
	assert_null(json_get(spec_of(h, "Team", "web"), "humanMembers"));
	free(event);
}

/* 100 is what tier 1 has, which nobody gets by a team's room. */
static void
test_power(void **state)
{
	struct house *h = *state;
	struct json *o = json_object(), *now, *power;
	char *event;

	begin(h);
	now = observed(h);
	power = json_set(o, "power", json_copy(json_get(now, "power")));
	json_set_int(json_get(power, "users"), JANE, 100);
	json_free(now);
	drift(h, o);
	assert_non_null(event = notice(h));
	expect_offer(h, NULL);
	expect(reply(h, event, "adopt"), "refused", "an admin of everything");
	assert_int_equal(json_int(spec_of(h, "Human", "jane"),
	    "permissionLevel", 0), 2);
	free(event);
}

static void
test_cannot(void **state)
{
	struct house *h = *state;
	struct json *o = json_object();
	char *event;

	begin(h);
	let(h, BOSS, NULL);
	event = notice(h);
	expect_offer(h, NULL);
	expect(reply(h, event, "adopt"), "refused", "a configured admin");
	free(event);
	json_set_str(o, "name", "Mine");
	drift(h, o);
	event = notice(h);
	expect_offer(h, NULL);
	expect(reply(h, event, "adopt"), "refused", "is called after what it "
	    "is of. It stays put right; `ignore 2h` leaves alone");
	free(event);
	/* A reply to something else, or to nothing. */
	expect(ask(h, "@hiclaw adopt"), "refused", "reply to my line");
	expect(ask(h, "@hiclaw ignore 2h"), "refused", "reply to my line");
}

static bool
is_topic(struct house *h, const char *topic)
{
	struct json *o = observed(h);
	bool is = str_equal(json_str(o, "topic"), topic);

	json_free(o);
	return is;
}

/* What is ignored stays, over a restart, until it is reverted. */
static void
test_ignore(void **state)
{
	struct house *h = *state;
	char *event;

	begin(h);
	retopic(h, "one");
	event = notice(h);
	assert_false(is_topic(h, "one"));
	assert_null(reply(h, event, "ignore two"));
	expect(reply(h, event, "@hiclaw ignore 40d"), "refused", "30 days");
	expect(reply(h, event, "ignore 2h"), "done", "left alone");
	retopic(h, "two");
	assert_true(is_topic(h, "two"));
	assert_null(notice(h));
	house_close(h);
	house_open(h);
	house_turn(h);
	assert_true(wait_for(h, is_quiet));
	assert_true(is_topic(h, "two"));
	expect(reply(h, event, "revert"), "done", "is put right now");
	assert_false(is_topic(h, "two"));
	expect(reply(h, event, "revert"), "done", "was put right already");
	retopic(h, "three");
	assert_false(is_topic(h, "three"));
	free(event);
}

/* A change that asks something else of it is done all the same. */
static void
test_ignore_ends(void **state)
{
	struct house *h = *state;
	char *event;

	begin(h);
	retopic(h, "one");
	event = notice(h);
	reply(h, event, "ignore");
	retopic(h, "two");
	assert_true(is_topic(h, "two"));
	expect(reply(h, event, "@hiclaw set team web description=three"),
	    "done", "done");
	assert_false(is_topic(h, "two"));
	retopic(h, "four");
	assert_false(is_topic(h, "four"));
	free(event);
}

static void
test_taps(void **state)
{
	struct house *h = *state;
	char *event;

	begin(h);
	retopic(h, "one");
	event = notice(h);
	react(h, EVE, event, ADOPT);
	react(h, JANE, event, IGNORE);
	assert_null(json_str(spec_of(h, "Team", "web"), "description"));
	react(h, BOSS, event, ADOPT);
	assert_null(json_str(spec_of(h, "Team", "web"), "description"));
	ask(h, "@hiclaw yes");
	assert_string_equal(json_str(spec_of(h, "Team", "web"),
	    "description"), "one");
	retopic(h, "two");
	assert_false(is_topic(h, "two"));
	react(h, BOSS, event, IGNORE);
	retopic(h, "two");
	assert_true(is_topic(h, "two"));
	free(event);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_topic), T(test_members), T(test_stranger),
		T(test_power), T(test_cannot), T(test_ignore),
		T(test_ignore_ends), T(test_taps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
