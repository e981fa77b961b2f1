/*
 * What waits for approvals: who may decide, what a decision does, and that
 * whatever happens in whatever order, a proposal starts once or never.  The last
 * test plays random schedules and knows by a model of its own what has to come of
 * each.
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
#include "hiclaw/policy.h"

#define BOB		"@bob:x.org"
#define CAT		"@cat:x.org"
#define STRANGER	"@stranger:x.org"
#define YES		"\xe2\x9c\x85"
#define NO		"\xe2\x9d\x8c"
#define JANES		"!room:dm/" JANE
#define HOUR_MS		INT64_C(3600000)

#define TWO_OF_THREE \
    "{\"rules\":[{\"asker\":\"tier2\",\"mode\":\"approve\"," \
    "\"approvals\":2,\"expires\":\"1h\"}]}"

/* A team as Jane wishes it: `soul` is new each time. */
#define WEB(soul) HEAD("Team", "web") \
    "spec:\n  leader:\n    name: lea\n    model: m\n" \
    "  workers:\n  - name: wim\n    model: m\n    soul: " soul "\n"

/* Three of tier 1, Jane of tier 2 with a team, and this policy. */
static void
open_with(struct house *h, const char *policy)
{
	struct err err;

	house_close(h);
	strv_add(&h->admins, BOB);
	strv_add(&h->admins, CAT);
	h->policy = json_parse(policy, strlen(policy), &err);
	assert_non_null(h->policy);
	house_open(h);
	expect(ask(h, WEB("first")), "done", "done in");
	expect(ask(h, HUMAN_2 "  accessibleTeams: [web]\n"), "done",
	    "done in");
	store_begin(h->store);
	engine_dm(h->engine, JANE);
	assert_true(wait_for(h, is_quiet));
	forget_sent(h);
}

static const struct json *
says(struct house *h, const char *room, const char *who, const char *body)
{
	const char *id = speak_in(h, room, who, body, NULL);

	assert_true(wait_for(h, is_quiet));
	post(h);
	return reply_to(h, id);
}

static void
count_run(const struct run_row *r, void *arg)
{
	*(int *)arg += strcmp(r->actor, JANE) == 0;
}

/* Runs that Jane's wishes became. */
static int
runs(struct house *h)
{
	int n = 0;

	store_runs_each(h->store, false, 100000, count_run, &n);
	return n;
}

static void
note_message(const struct proposal_row *r, void *arg)
{
	*(int64_t *)arg = r->message;
}

static void
note_closed(const struct proposal_row *r, void *arg)
{
	str_copy(arg, r->closed != NULL ? r->closed : "", 32);
}

static void
tap(struct house *h, const char *who, int64_t number, const char *key)
{
	int64_t message = 0;
	char target[32];

	store_proposal_get(h->store, number, note_message, &message);
	assert_true(message > 0);
	snprintf(target, sizeof target, "$out%lld", (long long)message);
	react(h, who, target, key);
}

static const char *
closed(struct house *h, int64_t number)
{
	static char how[32];

	str_copy(how, "none", sizeof how);
	store_proposal_get(h->store, number, note_closed, how);
	return how;
}

static void
redact(struct house *h, const char *who, const char *target)
{
	struct json *e = event_of(h, ADMIN, who, "m.room.redaction");
	char *what;

	json_set_str(e, "redacts", target);
	give(h, e, NULL, &what);
	json_free(e);
	assert_true(wait_for(h, is_quiet));
	post(h);
}

/* The newest message anywhere with these words, edits among them, or NULL. */
static const char *
said(struct house *h, const char *part)
{
	const struct json *r;
	const char *found = NULL;

	for (r = json_first(h->sent); r != NULL; r = json_next(r)) {
		const struct json *c = json_get(r, "content");

		if (strstr(json_strd(c, "body", ""), part) != NULL)
			found = json_str(c, "body");
	}
	return found;
}

/* --- the life of one ------------------------------------------------------- */

/* Two of three, whichever way they say it, and each counts once. */
static void
test_two_of_three(void **state)
{
	struct house *h = *state;
	const struct json *r;
	char jane[16];

	open_with(h, TWO_OF_THREE);
	r = says(h, JANES, JANE, WEB("second"));
	snprintf(jane, sizeof jane, "$e%d", h->events);
	expect(r, "question", "Proposal 1");
	expect(r, "question", "2 approvals are needed");
	/* Shown in the admin room as well. */
	assert_non_null(said(h, BOB));
	/* She is not of those who approve. */
	expect(says(h, JANES, JANE, "approve 1"), "refused",
	    "not for you to decide");
	tap(h, BOB, 1, YES "\xef\xb8\x8f");
	tap(h, BOB, 1, "\xf0\x9f\x91\x8d\xf0\x9f\x8f\xbd");
	assert_int_equal(runs(h), 0);
	assert_non_null(said(h, "1 approval is needed"));
	expect(says(h, ADMIN, CAT, "@hiclaw approve 1"), "done",
	    "approved by all");
	assert_int_equal(runs(h), 1);
	assert_string_equal(closed(h, 1), "approved");
	assert_non_null(said(h, "approved.\n"));
	assert_non_null(said(h, "- " YES " " CAT " approved"));
	/* The receipt says so as well, to people and to programs. */
	assert_non_null(said(h, "Approved by " BOB ", " CAT "."));
	assert_string_equal(json_value_str(json_first(json_get(json_get(
	    json_get(reply_to(h, jane), "content"), "io.hiclaw.receipt"),
	    "approved"))), BOB);
	r = ask(h, "@hiclaw audit " CAT);
	expect(r, "info", ", approved by " BOB ", " CAT);
	/* What is over is over. */
	expect(says(h, ADMIN, BOSS, "@hiclaw approve 1"), "refused",
	    "it is over (approved)");
	tap(h, BOSS, 1, YES);
	tap(h, BOSS, 1, NO);
	assert_int_equal(runs(h), 1);
}

/* One no is enough; the asker may take it back; a no after a yes is the last. */
static void
test_veto(void **state)
{
	struct house *h = *state;

	open_with(h, TWO_OF_THREE);
	says(h, JANES, JANE, WEB("second"));
	tap(h, BOB, 1, YES);
	expect(says(h, ADMIN, BOB, "@hiclaw deny 1 not today"), "done",
	    "denied by " BOB ": not today");
	assert_string_equal(closed(h, 1), "denied");
	assert_non_null(said(h, "not today"));
	says(h, JANES, JANE, WEB("third"));
	expect(says(h, JANES, JANE, "deny 2"), "done", "took it back");
	tap(h, BOB, 2, YES);
	tap(h, CAT, 2, YES);
	assert_int_equal(runs(h), 0);
}

static void
test_hold(void **state)
{
	struct house *h = *state;

	open_with(h, TWO_OF_THREE);
	says(h, JANES, JANE, WEB("second"));
	expect(says(h, ADMIN, BOSS, "@hiclaw hold 1 lunch"), "done",
	    "on hold");
	tap(h, BOB, 1, YES);
	tap(h, CAT, 1, YES);
	assert_int_equal(runs(h), 0);
	expect(says(h, JANES, JANE, "unhold 1"), "refused", "no hold of yours");
	expect(says(h, ADMIN, BOSS, "@hiclaw proposals"), "info", "on hold");
	expect(says(h, ADMIN, BOSS, "@hiclaw unhold 1"), "done", "it starts");
	assert_int_equal(runs(h), 1);
}

/* Told once, whatever they tap and however often. */
static void
test_stranger(void **state)
{
	struct house *h = *state;
	size_t n;

	open_with(h, TWO_OF_THREE);
	says(h, JANES, JANE, WEB("second"));
	n = sent_n(h);
	tap(h, STRANGER, 1, YES);
	assert_int_equal(sent_n(h), n + 1);
	assert_non_null(said(h, "is not for you to decide"));
	tap(h, STRANGER, 1, NO);
	tap(h, STRANGER, 1, YES);
	assert_int_equal(sent_n(h), n + 1);
	/* One of our own agents is one as well. */
	tap(h, "@hiclaw_lea:x.org", 1, YES);
	tap(h, BOB, 1, YES);
	assert_int_equal(runs(h), 0);
	assert_string_equal(closed(h, 1), "");
}

static void
test_expires(void **state)
{
	struct house *h = *state;
	int64_t now = clock_ms();

	open_with(h, TWO_OF_THREE);
	clock_set_ms(now);
	says(h, JANES, JANE, WEB("second"));
	tap(h, BOB, 1, YES);
	clock_set_ms(now + HOUR_MS + 1);
	/* Before the clock of ours has looked. */
	tap(h, CAT, 1, YES);
	assert_int_equal(runs(h), 0);
	chat_tick(h->chat);
	post(h);
	assert_string_equal(closed(h, 1), "expired");
	assert_non_null(said(h, "not enough approvals came in time"));
}

/* What somebody else changed meanwhile is not what was approved. */
static void
test_world_moves(void **state)
{
	struct house *h = *state;

	open_with(h, TWO_OF_THREE);
	says(h, JANES, JANE, WEB("second"));
	tap(h, BOB, 1, YES);
	expect(ask(h, WEB("meanwhile")), "done", "done in");
	tap(h, CAT, 1, YES);
	assert_string_equal(closed(h, 1), "superseded");
	assert_non_null(said(h, "since number 1 was asked"));
	assert_int_equal(runs(h), 0);
	/* Nobody has approved the new one. */
	tap(h, CAT, 2, YES);
	assert_int_equal(runs(h), 0);
	tap(h, BOB, 2, YES);
	assert_int_equal(runs(h), 1);
}

static void
test_edited(void **state)
{
	struct house *h = *state;
	const char *id;
	char *kept;

	open_with(h, TWO_OF_THREE);
	id = speak_in(h, JANES, JANE, WEB("second"), NULL);
	kept = xstrdup(id);
	tap(h, BOB, 1, YES);
	edit_in(h, JANES, JANE, kept, WEB("third"));
	assert_string_equal(closed(h, 1), "superseded");
	assert_non_null(said(h, "superseded by your edit"));
	tap(h, CAT, 1, YES);
	assert_int_equal(runs(h), 0);
	free(kept);
}

/* The evidence of an approval is its event: without it, it does not count. */
static void
test_taken_back(void **state)
{
	struct house *h = *state;
	char id[16];

	open_with(h, TWO_OF_THREE);
	says(h, JANES, JANE, WEB("second"));
	tap(h, BOB, 1, YES);
	snprintf(id, sizeof id, "$e%d", h->events);
	redact(h, BOB, id);
	tap(h, CAT, 1, YES);
	assert_int_equal(runs(h), 0);
	tap(h, BOSS, 1, YES);
	assert_int_equal(runs(h), 1);
}

/* It waits for the end of the window, or for somebody who takes it on them. */
static void
test_window(void **state)
{
	/* 2026-11-27 is a Friday. */
	const int64_t friday = INT64_C(1795798800000);	/* 17:00 */
	struct house *h = *state;

	open_with(h, "{\"rules\":[{\"asker\":\"tier2\",\"mode\":\"approve\","
	    "\"expires\":\"5d\"}],"
	    "\"freeze_windows\":[\"Fri 16:00-Mon 08:00\"]}");
	clock_set_ms(friday);
	says(h, JANES, JANE, WEB("second"));
	expect(says(h, ADMIN, BOB, "@hiclaw approve 1"), "done",
	    "when the freeze window ends");
	chat_tick(h->chat);
	assert_int_equal(runs(h), 0);
	clock_set_ms(friday + 63 * HOUR_MS + 1);
	chat_tick(h->chat);
	assert_true(wait_for(h, is_quiet));
	assert_int_equal(runs(h), 1);
	clock_set_ms(friday);
	says(h, JANES, JANE, WEB("third"));
	expect(says(h, JANES, JANE, "approve 2 --override"), "refused", "");
	says(h, ADMIN, CAT, "@hiclaw approve 2 --override");
	assert_int_equal(runs(h), 2);
}

/* What goes and is more than so many asks for its name. */
static void
test_typed(void **state)
{
	struct house *h = *state;

	open_with(h, "{\"rules\":[{\"asker\":\"tier1\",\"risk\":[\"delete\"],"
	    "\"mode\":\"approve\"}],\"delete_type_name_above\":0}");
	expect(ask(h, WORKER("solo", "m")), "done", "done in");
	expect(ask(h, "@hiclaw delete worker solo"), "question", "solo");
	tap(h, BOB, 1, YES);
	expect(says(h, ADMIN, BOB, "@hiclaw approve 1"), "refused",
	    "approve 1 solo");
	expect(says(h, ADMIN, BOB, "@hiclaw approve 1 sola"), "refused",
	    "has to be typed");
	assert_true(is_declared(h, "Worker", "solo"));
	says(h, ADMIN, BOB, "@hiclaw approve 1 solo");
	assert_false(is_declared(h, "Worker", "solo"));
}

/* Agents ask; people decide. */
static void
test_agents(void **state)
{
	struct house *h = *state;
	const char *id;
	size_t n;

	open_with(h, "{}");
	ask(h, HEAD("Manager", "max") "spec:\n  model: m\n");
	n = sent_n(h);
	/* Talk is not for us, and a yes of an agent is none. */
	speak_in(h, ADMIN, "@hiclaw_max:x.org", "yes", NULL);
	speak_in(h, ADMIN, "@hiclaw_max:x.org", "I would restart wim", NULL);
	assert_int_equal(sent_n(h), n);
	id = speak_in(h, ADMIN, "@hiclaw_max:x.org",
	    "@hiclaw restart wim", NULL);
	expect(reply_to(h, id), "question", "Proposal 1");
	id = speak_in(h, ADMIN, "@hiclaw_max:x.org",
	    "@hiclaw approve 1", NULL);
	expect(reply_to(h, id), "refused", "for people");
	id = speak_in(h, ADMIN, "@hiclaw_max:x.org",
	    "@hiclaw exec wim -- id", NULL);
	expect(reply_to(h, id), "refused", "for people");
	id = speak_in(h, ADMIN, "@hiclaw_max:x.org", "@hiclaw apply\n"
	    HEAD("Human", "eve") "spec:\n  displayName: Eve\n"
	    "  permissionLevel: 1\n", NULL);
	expect(reply_to(h, id), "question", "An agent declares, changes or "
	    "deletes people only when");
	assert_false(is_declared(h, "Human", "eve"));
	id = speak_in(h, ADMIN, "@hiclaw_max:x.org",
	    "@hiclaw apply\n" WORKER("new", "m"), NULL);
	expect(reply_to(h, id), "question", "Proposal 3");
	assert_false(is_declared(h, "Worker", "new"));
	/* A key in its words goes nowhere. */
	speak_in(h, ADMIN, "@hiclaw_max:x.org", "@hiclaw set worker wim "
	    "env.GH_TOKEN=ghp_0123456789abcdefghijklmnopqrstuvWXYZ", NULL);
	assert_null(said(h, "ghp_0123"));
	says(h, ADMIN, BOB, "@hiclaw approve 3");
	assert_true(is_declared(h, "Worker", "new"));
}

/* Commands without a plan wait by the same policy, and run once, by who approved. */
static void
test_commands_wait(void **state)
{
	struct house *h = *state;

	open_with(h, "{\"rules\":[{\"asker\":\"tier1\",\"risk\":[\"restart\"],"
	    "\"mode\":\"approve\"}]}");
	expect(ask(h, "@hiclaw restart wim"), "question", "Proposal 1");
	expect(ask(h, "@hiclaw approve 1"), "refused", "your own approval");
	says(h, ADMIN, BOB, "@hiclaw approve 1");
	assert_string_equal(closed(h, 1), "approved");
	/* Nothing runs agents in this house: so it was tried, by him. */
	assert_non_null(said(h, "There is no container of wim"));
}

/* What was approved while all is frozen starts when it thaws, and not before. */
static void
test_frozen(void **state)
{
	struct house *h = *state;

	open_with(h, TWO_OF_THREE);
	says(h, JANES, JANE, WEB("second"));
	says(h, ADMIN, BOSS, "@hiclaw hold 1");
	tap(h, BOB, 1, YES);
	tap(h, CAT, 1, YES);
	says(h, ADMIN, BOSS, "@hiclaw freeze");
	says(h, ADMIN, BOSS, "@hiclaw unhold 1");
	assert_int_equal(runs(h), 0);
	assert_string_equal(closed(h, 1), "");
	says(h, ADMIN, BOSS, "@hiclaw thaw");
	chat_tick(h->chat);
	assert_true(wait_for(h, is_quiet));
	assert_int_equal(runs(h), 1);
}

/* Who asked and may not any more has it not done, whoever approves. */
static void
test_rights_gone(void **state)
{
	struct house *h = *state;

	open_with(h, TWO_OF_THREE);
	says(h, JANES, JANE, WEB("second"));
	tap(h, BOB, 1, YES);
	expect(ask(h, HUMAN_2 "  accessibleTeams: []\n"), "done", "done in");
	tap(h, CAT, 1, YES);
	assert_int_equal(runs(h), 0);
	assert_string_equal(closed(h, 1), "impossible");
}

/* --- random schedules -------------------------------------------------------- */

enum move { D_YES, D_NO, D_HOLD, D_UNHOLD, D_BACK, D_MOVE, D_LATE, D_RESTART,
    D_EDIT, D_STRANGER, D_OWN_YES, D_OLD, DEEDS };
static const char *const people[] = { BOSS, BOB, CAT };
#define PEOPLE	3

/* What has to come of it, told without the program. */
struct model {
	char	 vote[PEOPLE];		/* 'y', 'h' or 0 */
	int64_t	 number;
	bool	 is_over, has_moved, has_run;
};

static void
model_settle(struct model *m)
{
	int yes = 0, held = 0;

	for (int i = 0; i < PEOPLE; i++) {
		yes += m->vote[i] == 'y';
		held += m->vote[i] == 'h';
	}
	if (held > 0 || yes < 2)
		return;
	if (m->has_moved) {
		memset(m->vote, 0, sizeof m->vote);
		m->has_moved = false;
		m->number++;
	} else
		m->is_over = m->has_run = true;
}

static void
model_deed(struct model *m, enum move d, int who)
{
	if (m->is_over)
		return;
	switch (d) {
	case D_YES:
		if (m->has_moved) {
			memset(m->vote, 0, sizeof m->vote);
			m->has_moved = false;
			m->number++;
			return;
		}
		m->vote[who] = 'y';
		model_settle(m);
		break;
	case D_NO:
		m->is_over = true;
		break;
	case D_HOLD:
		m->vote[who] = 'h';
		break;
	case D_UNHOLD:
		/* Tier 1 takes off all, and then it is counted. */
		for (int i = 0, n = 0; i < PEOPLE; i++) {
			n += m->vote[i] == 'h';
			if (m->vote[i] == 'h')
				m->vote[i] = 0;
			if (i == PEOPLE - 1 && n > 0)
				model_settle(m);
		}
		break;
	case D_BACK:
		/* Only who has a tap on it can take it back. */
		if (m->vote[who] == 'y' || m->vote[who] == 'h') {
			m->vote[who] = 0;
			model_settle(m);
		}
		break;
	case D_MOVE:
		m->has_moved = true;
		break;
	case D_LATE:
		m->is_over = true;
		break;
	case D_EDIT:
		memset(m->vote, 0, sizeof m->vote);
		m->has_moved = false;
		m->number++;
		break;
	default:
		break;
	}
}

struct schedule {
	struct house	*h;
	struct model	 m;
	char		 events[PEOPLE][16];	/* of the last vote */
	char		 command[16];		/* Jane's */
	int64_t		 now;
	int		 serial;
	char		 did[400];
};

static char *
web(struct schedule *s)
{
	return xasprintf(HEAD("Team", "web") "spec:\n  leader:\n    name: lea\n"
	    "    model: m\n  workers:\n  - name: wim\n    model: m\n"
	    "    soul: \"s%d\"\n", ++s->serial);
}

/* In a way that is chosen as well. */
static void
vote(struct schedule *s, int who, int64_t number, const char *key,
    const char *word, unsigned way)
{
	char line[64];

	if (way % 2 == 0 && key != NULL) {
		tap(s->h, people[who], number, key);
	} else {
		snprintf(line, sizeof line, "%s%s %lld", way % 4 == 1 ?
		    "@hiclaw " : "", word, (long long)number);
		says(s->h, ADMIN, people[who], line);
	}
	snprintf(s->events[who], sizeof s->events[who], "$e%d",
	    s->h->events);
}

static void
do_deed(struct schedule *s, enum move d, int who, unsigned way)
{
	struct house *h = s->h;
	int64_t n = s->m.number;
	char line[64], *text;

	switch (d) {
	case D_YES:
		vote(s, who, n, YES, "approve", way);
		break;
	case D_NO:
		vote(s, who, n, NO, "deny", way);
		break;
	case D_HOLD:
		vote(s, who, n, "\xe2\x8f\xb8\xef\xb8\x8f", "hold", way);
		break;
	case D_UNHOLD:
		snprintf(line, sizeof line, "@hiclaw unhold %lld", (long long)n);
		says(h, ADMIN, people[who], line);
		break;
	case D_BACK:
		redact(h, people[who], s->events[who]);
		break;
	case D_MOVE:
		text = web(s);
		expect(ask(h, text), "done", "done in");
		free(text);
		break;
	case D_LATE:
		s->now += HOUR_MS + 1;
		clock_set_ms(s->now);
		if (way % 2 == 0) {
			chat_tick(h->chat);
			post(h);
		}
		break;
	case D_RESTART:
		house_close(h);
		house_open(h);
		break;
	case D_EDIT:
		text = web(s);
		edit_in(h, JANES, JANE, s->command, text);
		free(text);
		break;
	case D_STRANGER:
		tap(h, STRANGER, n, way % 2 == 0 ? YES : NO);
		break;
	case D_OWN_YES:
		tap(h, JANE, n, YES);
		break;
	case D_OLD:
		if (n > 1)
			tap(h, people[who], n - 1, YES);
		break;
	case DEEDS:
		break;
	}
}

/* Of four deeds about two are a yes, so that many come to a run. */
static enum move
choose(unsigned r)
{
	return r % 2 == 0 ? D_YES : (enum move)(r / 2 % DEEDS);
}

static unsigned seed;

static unsigned
any(void)
{
	seed = seed * 1103515245u + 12345u;
	return seed >> 12;
}

static void
play(struct schedule *s)
{
	static const char names[] = "yndubMLReSoO";
	int before = runs(s->h), length = 2 + (int)(any() % 8);
	char *text = web(s);
	const char *id = speak_in(s->h, JANES, JANE, text, NULL);
	const struct json *r = reply_to(s->h, id);

	free(text);
	expect(r, "question", "Proposal");
	str_copy(s->command, id, sizeof s->command);
	memset(&s->m, 0, sizeof s->m);
	memset(s->events, 0, sizeof s->events);
	s->m.number = question_of(r);
	s->did[0] = '\0';
	for (int i = 0; i < length; i++) {
		enum move d = choose(any());
		int who = (int)(any() % PEOPLE);
		size_t n = strlen(s->did);

		/* The edit of what is over is another story. */
		if ((d == D_EDIT && s->m.is_over) || (d == D_BACK &&
		    s->m.vote[who] == 0))
			continue;
		snprintf(s->did + n, sizeof s->did - n, " %c%d", names[d],
		    who);
		do_deed(s, d, who, any());
		model_deed(&s->m, d, who);
		if (runs(s->h) - before != (s->m.has_run ? 1 : 0))
			fail_msg("%d runs instead of %d after%s",
			    runs(s->h) - before, s->m.has_run, s->did);
	}
	if (!s->m.is_over)
		assert_string_equal(closed(s->h, s->m.number), "");
	/* So that the next begins with nothing open. */
	s->now += 2 * HOUR_MS;
	clock_set_ms(s->now);
	chat_tick(s->h->chat);
	forget_sent(s->h);
	if (runs(s->h) - before != (s->m.has_run ? 1 : 0))
		fail_msg("a run came late after%s", s->did);
}

static void
test_schedules(void **state)
{
	const char *n = getenv("SCHEDULES"), *from = getenv("SEED");
	struct schedule s = { .h = *state, .now = clock_ms() };
	int todo = n != NULL ? atoi(n) : 1000, ran = 0;

	seed = from != NULL ? (unsigned)atoi(from) : 20261126u;
	open_with(s.h, TWO_OF_THREE);
	clock_set_ms(s.now);
	for (int i = 0; i < todo; i++) {
		play(&s);
		ran += s.m.has_run;
	}
	/* A model that never runs would prove nothing. */
	assert_in_range(ran, todo / 8, todo - todo / 8);
}

/* --- the policy itself --------------------------------------------------------- */

static void
test_policy(void **state)
{
	static const struct { const char *json, *wrong; } table[] = {
		{ "{}", NULL },
		{ "{\"rules\":[{\"mode\":\"maybe\"}]}", "not run, confirm" },
		{ "{\"rules\":[{\"mode\":\"run\",\"asker\":\"tier4\"}]}",
		    "tier4" },
		{ "{\"rules\":[{\"mode\":\"run\",\"risk\":[\"create\","
		    "\"fire\"]}]}", "fire" },
		{ "{\"rules\":[{\"mode\":\"approve\",\"approvers\":[\"bob\"]}]}",
		    "\"bob\" is not" },
		{ "{\"rules\":[{\"mode\":\"approve\",\"approvers\":[]}]}",
		    "nobody could approve" },
		{ "{\"rules\":[{\"mode\":\"approve\",\"approvals\":2,"
		    "\"approvers\":[\"@a:x.org\"]}]}", "2 people are needed" },
		{ "{\"rules\":[{\"mode\":\"approve\",\"expires\":\"soon\"}]}",
		    "30m or 24h" },
		{ "{\"rules\":[{\"mode\":\"approve\",\"expires\":\"500ms\"}]}",
		    "30m or 24h" },
		{ "{\"rules\":[{\"mode\":\"approve\",\"expires\":\"1h30m\"}]}",
		    NULL },
		{ "{\"freeze_windows\":[\"Fri-Mon\"]}", "Fri 17:00-Mon 08:00" },
		{ "{\"freeze_windows\":[\"Fri 25:00-Mon 08:00\"]}", "neither" },
		{ "{\"freeze_windows\":[\"22:00-06:00\"]}", NULL },
	};

	(void)state;
	for (size_t i = 0; i < NELEM(table); i++) {
		struct err err = { 0 };
		struct json *o = json_parse(table[i].json,
		    strlen(table[i].json), &err);
		struct policy *p = policy_read(o, 1000, &err);

		assert_int_equal(p == NULL, table[i].wrong != NULL);
		if (p == NULL && strstr(err.msg, table[i].wrong) == NULL)
			fail_msg("%s: %s", table[i].json, err.msg);
		policy_free(p);
		json_free(o);
	}
}

/* asker × risk of the default, as policy.h says. */
static void
test_default(void **state)
{
	static const char *const table[ASKERS] = {
		"rrrrrrc", "rrrraaa", "rrrraaa", "aaaaaaa",
	};
	struct err err;
	struct policy *p = policy_read(NULL, 1000, &err);

	(void)state;
	for (int a = 0; a < ASKERS; a++)
		for (int r = 0; r <= RISK_DELETE; r++)
			assert_int_equal("rca"[policy_rule(p,
			    (enum policy_asker)a, (enum risk)r)->mode],
			    table[a][r]);
	assert_false(policy_asks_word(p, 10));
	assert_true(policy_asks_word(p, 11));
	policy_free(p);
}

static void
test_windows(void **state)
{
	static const char text[] = "{\"freeze_windows\":["
	    "\"Fri 17:00-Mon 08:00\",\"22:00-06:00\",\"Mon 08:00-Mon 09:00\"]}";
	/* 2026-11-23 is a Monday. */
	static const struct { int64_t hours; int64_t until; } table[] = {
		{ 12, 0 }, { 21, 0 }, { 22, 30 }, { 29, 30 }, { 30, 0 },
		{ 4 * 24 + 16, 0 }, { 4 * 24 + 17, 7 * 24 + 9 },
		{ 6 * 24 + 3, 7 * 24 + 9 }, { 7 * 24 + 8, 7 * 24 + 9 },
		{ 7 * 24 + 9, 0 },
	};
	const int64_t monday = INT64_C(1795392000000);
	struct err err;
	struct json *o = json_parse(text, sizeof text - 1, &err);
	struct policy *p = policy_read(o, 1000, &err);
	const char *name;
	int64_t until;

	(void)state;
	assert_non_null(p);
	for (size_t i = 0; i < NELEM(table); i++) {
		bool is = policy_is_frozen(p, monday + table[i].hours *
		    HOUR_MS, &until, &name);

		assert_int_equal(is, table[i].until != 0);
		if (is)
			assert_int_equal((until - monday) / HOUR_MS,
			    table[i].until);
	}
	policy_free(p);
	json_free(o);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_policy), cmocka_unit_test(test_default),
		cmocka_unit_test(test_windows),
		T(test_two_of_three), T(test_veto), T(test_hold),
		T(test_stranger), T(test_expires), T(test_world_moves),
		T(test_edited), T(test_taken_back), T(test_window),
		T(test_typed), T(test_agents), T(test_rights_gone), T(test_commands_wait), T(test_frozen),
		T(test_schedules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
