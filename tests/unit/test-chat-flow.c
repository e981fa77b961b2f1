/*
 * What people say to chat and what comes of it, in the house of house.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "hiclaw/chat.h"
#include "hiclaw/clock.h"
#include "hiclaw/file.h"
#include "hiclaw/log.h"
#include "hiclaw/loop.h"
#include "hiclaw/ops.h"
#include "hiclaw/secure.h"



#include "../../src/chat/cmd.h"
#include "../../src/chat/commands.h"
#include "../../src/chat/handlers.h"

#include "house.h"

/* --- tests: who and where ------------------------------------------------ */

static void
test_address(void **state)
{
	struct house *h = *state;
	static const char *const ours[] = {
		"@hiclaw help", "hiclaw: help", "!hiclaw help",
		"@hiclaw:x.org help", "@hiclaw", "@hiclaw: Help",
		"[x](https://matrix.to/#/@hiclaw:x.org) help",
	};
	static const char *const not_ours[] = {
		"hello all", "help", "hiclaw is down", "yes", "@hiclaws help",
		"```\nsome code\n```", "get workers",
	};
	struct json *e;
	char *what;

	forget_sent(h);
	for (size_t i = 0; i < NELEM(not_ours); i++)
		speak(h, not_ours[i]);
	assert_int_equal(sent_n(h), 0);
	for (size_t i = 0; i < NELEM(ours); i++) {
		const struct json *r = ask(h, ours[i]);

		expect(r, "info", "apply");
	}
	forget_sent(h);
	/* Our own agents, notices, strangers' rooms. */
	speak_in(h, ADMIN, "@hiclaw_lea:x.org", "@hiclaw help", NULL);
	speak_in(h, "!elsewhere:x.org", BOSS, "@hiclaw help", NULL);
	e = event_of(h, ADMIN, BOSS, "m.room.message");
	json_set_str(json_get(e, "content"), "msgtype", "m.notice");
	json_set_str(json_get(e, "content"), "body", "@hiclaw help");
	give(h, e, NULL, &what);
	json_free(e);
	assert_int_equal(sent_n(h), 0);
}

static void
invite_bot(struct house *h, const char *room, const char *sender,
    bool is_direct)
{
	struct json *e = event_of(h, room, sender, "m.room.member");
	char *what;

	json_set_str(e, "state_key", "@hiclaw:x.org");
	json_set_str(json_get(e, "content"), "membership", "invite");
	if (is_direct)
		json_set_bool(json_get(e, "content"), "is_direct", true);
	give(h, e, NULL, &what);
	json_free(e);
}

static void
test_dm(void **state)
{
	struct house *h = *state;
	const char *id;

	assert_true(chat_may_invite(h->chat, BOSS));
	assert_false(chat_may_invite(h->chat, "@stranger:x.org"));
	invite_bot(h, "!dm:x.org", BOSS, true);
	invite_bot(h, "!many:x.org", BOSS, false);
	invite_bot(h, "!bad:x.org", "@stranger:x.org", true);
	forget_sent(h);
	id = speak_in(h, "!dm:x.org", BOSS, "version", NULL);
	expect(reply_to(h, id), "info", "9.9");
	/* Somebody else in that room is not its person. */
	speak_in(h, "!dm:x.org", "@stranger:x.org", "version", NULL);
	speak_in(h, "!bad:x.org", "@stranger:x.org", "version", NULL);
	speak_in(h, "!many:x.org", BOSS, "version", NULL);
	assert_int_equal(sent_n(h), 1);
	id = speak_in(h, "!many:x.org", BOSS, "@hiclaw version", NULL);
	expect(reply_to(h, id), "info", "9.9");
	/* A Human of tier 3 may talk to it too, of what its tier allows. */
	ask(h, HEAD("Human", "vic") "spec:\n  displayName: V\n"
	    "  permissionLevel: 3\n  matrixUserId: \"@vic:x.org\"\n");
	assert_true(chat_may_invite(h->chat, "@vic:x.org"));
	invite_bot(h, "!vic:x.org", "@vic:x.org", true);
	id = speak_in(h, "!vic:x.org", "@vic:x.org", "whoami", NULL);
	expect(reply_to(h, id), "info", "tier 3");
	id = speak_in(h, "!vic:x.org", "@vic:x.org", "events", NULL);
	expect(reply_to(h, id), "refused", "tier 1");
	/* Others in such a room hear the rule once. */
	id = speak_in(h, "!many:x.org", "@guest:x.org", "@hiclaw get", NULL);
	expect(reply_to(h, id), "refused", "declared here");
	id = speak_in(h, "!many:x.org", "@guest:x.org", "@hiclaw get", NULL);
	assert_null(reply_to(h, id));
	id = speak_in(h, "!dm:x.org", "@other:x.org", "@hiclaw get", NULL);
	expect(reply_to(h, id), "refused", "declared here");
}

/* The hash of a receipt is that of the rest of it. */
static void
check_receipt(const struct json *r, int64_t seq, const char *prev)
{
	struct json *o = json_copy(json_get(json_get(r, "content"),
	    "io.hiclaw.receipt"));
	char *hash = xstrdup(json_str(o, "hash")), *text;
	char want[SHA256_HEX];

	assert_non_null(hash);
	json_remove(o, "hash");
	text = json_canonical(o);
	sha256_hex(text, strlen(text), want);
	assert_string_equal(hash, want);
	assert_int_equal(json_int(o, "seq", 0), seq);
	assert_string_equal(json_str(o, "prev"), prev);
	assert_string_equal(json_str(o, "actor"), BOSS);
	free(hash);
	free(text);
	json_free(o);
}

/* A run asked for in a direct chat: the chain's receipt is in the admin room
 * and answers nobody there, the copy in the chat does. */
static void
test_dm_receipt(void **state)
{
	struct house *h = *state;
	const struct json *r, *v, *in_admin = NULL;
	const char *id;

	invite_bot(h, "!dm:x.org", BOSS, true);
	forget_sent(h);
	id = speak_in(h, "!dm:x.org", BOSS, WORKER("dm", "m"), NULL);
	assert_true(wait_for(h, is_quiet));
	post(h);
	r = reply_to(h, id);
	expect(r, "done", "apply Worker/dm");
	assert_string_equal(json_str(r, "room"), "!dm:x.org");
	v = json_get(json_get(r, "content"), "io.hiclaw.receipt");
	assert_non_null(v);
	assert_null(json_get(v, "seq"));
	assert_int_equal(finals_of(h, id), 1);
	for (v = json_first(h->sent); v != NULL; v = json_next(v))
		if (str_equal(json_str(v, "room"), "room:admin"))
			in_admin = v;
	assert_non_null(in_admin);
	check_receipt(in_admin, 1, "");
	assert_null(json_get(json_get(in_admin, "content"),
	    "io.hiclaw.reply"));
}

static void
test_refused(void **state)
{
	struct house *h = *state;
	const char *id, *dm;

	expect(ask(h, HUMAN_2), "done", "done in");
	expect(ask(h, TEAM), "done", "done in");
	forget_sent(h);
	/* Once per person, then silence. */
	id = speak_in(h, ADMIN, "@stranger:x.org", "@hiclaw get", NULL);
	expect(reply_to(h, id), "refused", "declared here");
	speak_in(h, ADMIN, "@stranger:x.org", "@hiclaw get", NULL);
	assert_int_equal(sent_n(h), 1);
	id = speak_in(h, ADMIN, "@stranger:x.org", TEAM, NULL);
	assert_null(reply_to(h, id));
	/* In a team's room: admins are sent to the right place, once. */
	id = speak_in(h, "!room:team/web", BOSS, "@hiclaw status", NULL);
	expect(reply_to(h, id), "refused", "admin room");
	speak_in(h, "!room:team/web", BOSS, "@hiclaw status", NULL);
	speak_in(h, "!room:team/web", BOSS, "yes", NULL);
	assert_int_equal(sent_n(h), 2);
	/* Tier 2 in a chat of their own with the bot. */
	store_begin(h->store);
	dm = engine_dm(h->engine, JANE);
	assert_non_null(dm);
	assert_true(wait_for(h, is_quiet));
	id = speak_in(h, "!room:dm/" JANE, JANE, "whoami", NULL);
	expect(reply_to(h, id), "info", "tier 2");
	id = speak_in(h, "!room:dm/" JANE, JANE, "help all", NULL);
	expect(reply_to(h, id), "info", "`whoami`: Who you are");
	assert_null(strstr(body_of(reply_to(h, id)), "rotate"));
	id = speak_in(h, "!room:dm/" JANE, JANE, "events", NULL);
	expect(reply_to(h, id), "refused", "tier");
	id = speak_in(h, "!room:dm/" JANE, JANE, "rotate wim", NULL);
	assert_null(reply_to(h, id));
}

/* Every command one tier below its own is refused, whatever its handler is. */
static void
test_tiers(void **state)
{
	struct house *h = *state;
	struct err err;
	struct commands *cs = commands_load(h->commands, handler_names(),
	    &err);

	expect(ask(h, HUMAN_2), "done", "done in");
	store_begin(h->store);
	engine_dm(h->engine, JANE);
	assert_true(wait_for(h, is_quiet));
	for (size_t i = 0; i < commands_n(cs); i++) {
		const struct command *c = commands_at(cs, i);
		const char *id;

		store_begin(h->store);
		store_kv_set(h->store, "chat.refused/" JANE, NULL);
		store_kv_set(h->store, "chat.refused/@nobody:x.org", NULL);
		id = speak_in(h, "!room:dm/" JANE, JANE, c->examples.v[0],
		    NULL);
		/* What the tier does not forbid, the target may. */
		if (c->tier >= 2)
			assert_null(strstr(body_of(reply_to(h, id)),
			    "as the Human"));
		else
			expect(reply_to(h, id), "refused", "tier");
		id = speak_in(h, ADMIN, "@nobody:x.org", "@hiclaw status",
		    NULL);
		expect(reply_to(h, id), "refused", "no Human");
	}
	commands_free(cs);
}

/* --- the rooms of teams and agents ------------------------------------------ */

#define VIC	"@vic:x.org"

/* There a command is about what the room is of, and of nothing else. */
static void
test_rooms(void **state)
{
	struct house *h = *state;
	const char *id, *wim = "!room:worker/wim", *web = "!room:team/web";

	ask(h, TEAM);
	ask(h, WORKER("alice", "m"));
	ask(h, HUMAN_2 "  accessibleTeams: [web]\n");
	ask(h, HEAD("Human", "vic") "spec:\n  displayName: Vic\n"
	    "  matrixUserId: \"" VIC "\"\n  permissionLevel: 3\n"
	    "  accessibleWorkers: [wim]\n");
	/* People talk; only what begins with the name is for us. */
	id = speak_in(h, wim, VIC, "sleep", NULL);
	assert_null(reply_to(h, id));
	id = speak_in(h, wim, VIC, "@hiclaw describe", NULL);
	expect(reply_to(h, id), "info", "wim");
	id = speak_in(h, wim, VIC, "@hiclaw get workers", NULL);
	expect(reply_to(h, id), "info", "wim");
	id = speak_in(h, wim, BOSS, "@hiclaw get workers", NULL);
	assert_null(strstr(body_of(reply_to(h, id)), "alice"));
	id = speak_in(h, wim, BOSS, "@hiclaw describe worker alice", NULL);
	expect(reply_to(h, id), "refused", "only about wim");
	id = speak_in(h, wim, BOSS, "@hiclaw sleep alice", NULL);
	expect(reply_to(h, id), "refused", "only about wim");
	id = speak_in(h, wim, VIC, "@hiclaw sleep", NULL);
	assert_true(wait_for(h, is_quiet));
	post(h);
	expect(reply_to(h, id), "done", "wim");
	/* Of a team: all of it. */
	id = speak_in(h, web, JANE, "@hiclaw sleep", NULL);
	assert_true(wait_for(h, is_quiet));
	post(h);
	expect(reply_to(h, id), "done", "sleep 3 agents");
	id = speak_in(h, web, JANE, "@hiclaw describe", NULL);
	expect(reply_to(h, id), "info", "web");
	id = speak_in(h, web, JANE, "@hiclaw restart wim", NULL);
	expect(reply_to(h, id), "refused", "asleep");
	id = speak_in(h, web, VIC, "@hiclaw wake lea", NULL);
	expect(reply_to(h, id), "refused", ".\nWho could do it: " BOSS);
	/* What is for other rooms is said once, with what is for this one. */
	id = speak_in(h, web, BOSS, "@hiclaw apply\n" WORKER("x", "m"), NULL);
	expect(reply_to(h, id), "refused", "Here I take: `describe`, `get`");
	id = speak_in(h, web, BOSS, "@hiclaw status", NULL);
	assert_null(reply_to(h, id));
	id = speak_in(h, web, "@nobody:x.org", "@hiclaw get", NULL);
	expect(reply_to(h, id), "refused", "no Human");
	/* Help is about here. */
	id = speak_in(h, web, VIC, "@hiclaw help", NULL);
	expect(reply_to(h, id), "info", "- `wake`: ");
	assert_null(strstr(body_of(reply_to(h, id)), "apply`:"));
	assert_null(strstr(body_of(reply_to(h, id)), "restart"));
}

/* The rule that says no, who could have it done, and nobody is notified. */
static void
test_rule_words(void **state)
{
	struct house *h = *state;
	const char *id, *room = "!room:dm/" VIC;
	const struct json *r;

	ask(h, TEAM);
	ask(h, WORKER("alice", "m"));
	ask(h, HUMAN_2 "  accessibleTeams: [web]\n");
	ask(h, HEAD("Human", "vic") "spec:\n  displayName: Vic\n"
	    "  matrixUserId: \"" VIC "\"\n  permissionLevel: 3\n"
	    "  accessibleWorkers: [wim]\n");
	store_begin(h->store);
	engine_dm(h->engine, VIC);
	assert_true(wait_for(h, is_quiet));
	id = speak_in(h, room, VIC, "why", NULL);
	expect(reply_to(h, id), "refused", "refused you nothing");
	/* The lead of the team could, and the admin. */
	id = speak_in(h, room, VIC, "sleep wanda", NULL);
	r = reply_to(h, id);
	expect(r, "refused", "rule 4, own-work");
	expect(r, "refused", "Who could do it: " BOSS ", " JANE ".");
	assert_int_equal(json_size(json_get(json_get(r, "content"),
	    "m.mentions")), 0);
	id = speak_in(h, room, VIC, "sleep alice", NULL);
	expect(reply_to(h, id), "refused", "Who could do it: " BOSS ".");
	id = speak_in(h, room, VIC, "why", NULL);
	expect(reply_to(h, id), "info", "`sleep alice`");
	expect(reply_to(h, id), "info", "rule 4, own-work");
	id = speak_in(h, room, VIC, "can-i wake worker wim", NULL);
	expect(reply_to(h, id), "info", "Yes: wake Worker/wim. Rule 42");
	id = speak_in(h, room, VIC, "can-i restart wim", NULL);
	expect(reply_to(h, id), "refused", "worker wim");
	id = speak_in(h, room, VIC, "can-i fly", NULL);
	expect(reply_to(h, id), "refused", "no verb");
	id = speak_in(h, room, VIC, "can-i delete team web", NULL);
	expect(reply_to(h, id), "info", "No: delete Team/web. Rule 2");
	expect(reply_to(h, id), "info", BOSS);
	id = speak_in(h, room, VIC, "who-can sleep worker wim", NULL);
	expect(reply_to(h, id), "info", BOSS ", " JANE ", " VIC);
	id = speak_in(h, "!room:worker/wim", VIC, "@hiclaw can-i sleep", NULL);
	expect(reply_to(h, id), "info", "Yes: put to sleep Worker/wim");
	/* A word is corrected to one that they may use, with an example. */
	id = speak_in(h, room, VIC, "wkae wim", NULL);
	expect(reply_to(h, id), "refused", "Did you mean `wake`?");
	expect(reply_to(h, id), "refused", "For example: `wake alice`");
	id = speak_in(h, room, VIC, "rotatee wim", NULL);
	assert_null(strstr(body_of(reply_to(h, id)), "`rotate`"));
}

/* --- macros ----------------------------------------------------------------- */

static void
put_file(const struct house *h, const char *name, const char *text)
{
	char *path = xasprintf("%s/%s", h->extra, name);
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
	free(path);
}

#define COMMAND(name, more) "name: " name "\nusage: " name "\nsummary: s\n" \
    "group: Ours\ntier: 3\n" more "examples: [" name "]\n"

static void
with_extra(struct house *h)
{
	house_close(h);
	h->extra = xasprintf("%s/extra", h->dir);
	assert_int_equal(mkdir(h->extra, 0700), 0);
	put_file(h, "night.yaml", COMMAND("night",
	    "run:\n- sleep {{agents}}\n- version\n"
	    "arguments:\n- {name: agents, type: agent, required: true, "
	    "many: true}\n"));
	put_file(h, "house.yaml", COMMAND("clear house",
	    "run:\n- version\n- delete worker {{who}}\n- whoami\n"
	    "arguments:\n- {name: who, type: words, required: true}\n"));
	put_file(h, "hire.yaml", COMMAND("hire", "template: |\n"
	    "  apiVersion: hiclaw.io/v1beta1\n  kind: Worker\n"
	    "  metadata: {name: {{name}}}\n"
	    "  spec: {model: m, soul: \"do {{soul}}\"}\n"
	    "arguments:\n- {name: name, type: name, required: true}\n"
	    "- {name: soul, type: words, required: true}\n"));
	house_open(h);
}

/* Commands of the operator: what they may is what their lines may. */
static void
test_macros(void **state)
{
	struct house *h = *state;
	const char *id, *room = "!room:dm/" JANE;
	const struct json *r;

	with_extra(h);
	expect(ask(h, "@hiclaw reload"), "done", "3 of them macros");
	ask(h, TEAM);
	ask(h, WORKER("alice", "m"));
	ask(h, HUMAN_2 "  accessibleTeams: [web]\n");
	store_begin(h->store);
	engine_dm(h->engine, JANE);
	assert_true(wait_for(h, is_quiet));
	/* Her team sleeps, alice does not. */
	forget_sent(h);
	id = speak_in(h, room, JANE, "night wim wanda", NULL);
	assert_true(wait_for(h, is_quiet));
	post(h);
	expect(reply_to(h, id), "done", "sleep 2 agents");
	forget_sent(h);
	id = speak_in(h, room, JANE, "night alice", NULL);
	expect(reply_to(h, id), "refused", "I stopped at line 1 of 2");
	id = speak_in(h, room, JANE, "night", NULL);
	expect(reply_to(h, id), "refused", "No agents given");
	id = speak_in(h, room, JANE, "night --all", NULL);
	expect(reply_to(h, id), "refused", "nknown option");
	id = speak_in(h, room, JANE, "night -- --all", NULL);
	expect(reply_to(h, id), "refused", "no agents");
	/* What waits for a yes stops it. */
	id = speak_in(h, ADMIN, BOSS, "@hiclaw clear house alice", NULL);
	expect(reply_to(h, id), "refused", "I stopped at line 2 of 3");
	assert_true(is_declared(h, "Worker", "alice"));
	id = speak_in(h, ADMIN, BOSS, "yes", NULL);
	assert_true(wait_for(h, is_quiet));
	assert_false(is_declared(h, "Worker", "alice"));
	/* A manifest: what is put in stays one value. */
	ask(h, "@hiclaw hire ann \"kind, model: x}\"");
	assert_true(is_declared(h, "Worker", "ann"));
	r = ask(h, "@hiclaw get worker ann -o yaml");
	expect(r, "info", "model: m");
	expect(r, "info", "do kind, model: x}");
	ask(h, "@hiclaw hire eve \"x\\\", model: evil, y: \\\"\"");
	r = ask(h, "@hiclaw get worker eve -o yaml");
	expect(r, "info", "model: m");
	assert_null(strstr(body_of(r), "model: evil\n"));
	expect(ask(h, "@hiclaw hire \"a b\" x"), "refused", "no name");
	id = speak_in(h, room, JANE, "hire bob kind", NULL);
	expect(reply_to(h, id), "refused", "rule 3, own-teams");
	assert_false(is_declared(h, "Worker", "bob"));
	/* In help, and not for agents. */
	expect(ask(h, "@hiclaw help"), "info", ", `hire`");
	assert_null(strstr(body_of(ask(h, "@hiclaw help")), "`hire`: "));
	expect(ask(h, "@hiclaw help"), "info", "`\n\nChange\n`apply`, ");
	expect(ask(h, "@hiclaw help all"), "info", "- `hire`: ");
	expect(ask(h, "@hiclaw help all"), "info", "\n\nChange\n- `apply`: ");
	id = speak_in(h, ADMIN, "@hiclaw_lea:x.org", "@hiclaw night wim", NULL);
	expect(reply_to(h, id), "refused", "for people, not for agents");
	/* A broken one is not taken, nor any other. */
	put_file(h, "night.yaml", COMMAND("night", "run:\n- fly\n"));
	put_file(h, "new.yaml", COMMAND("novel", "run:\n- version\n"));
	r = ask(h, "@hiclaw reload");
	expect(r, "refused", "night.yaml:7:3: no command: fly");
	expect(ask(h, "@hiclaw novel"), "refused", "do not know");
	expect(ask(h, "@hiclaw night wim"), "info", "9.9");
	put_file(h, "night.yaml", COMMAND("night", "run:\n- whoami\n"));
	expect(ask(h, "@hiclaw reload"), "done", "4 of them macros");
	expect(ask(h, "@hiclaw novel"), "info", "9.9");
	/* Words of the program are not to be had. */
	put_file(h, "new.yaml", COMMAND("get", "run:\n- version\n"));
	expect(ask(h, "@hiclaw reload"), "refused", "\"get\" is taken by");
}

/*
 * The permission matrix: every command for every tier in every kind of room.  o:
 * it is heard, t: not of this tier, r: not in this room, -: not of people whom
 * nobody declared.  tests/e2e/test_matrix.py plays it on the real program.
 */
static void
test_matrix(void **state)
{
	static const char letters[] = { [GATE_OPEN] = 'o', [GATE_NOBODY] = '-',
	    [GATE_ROOM] = 'r', [GATE_TIER] = 't' };
	struct house *h = *state;
	struct commands *cs;
	struct buf b = { 0 };
	char *path = in_tree("tests/data/chat/matrix.txt"), *want;
	struct err err;

	cs = commands_load(h->commands, handler_names(), &err);
	buf_puts(&b, "# o: heard, t: not of this tier, r: not in this room, "
	    "-: of nobody that is declared (tier 0)\n");
	buf_puts(&b, "# command        tier 1 2 3 0, in each of:");
	for (int w = IN_NONE + 1; w < WHERES; w++)
		buf_printf(&b, " %s", where_name((enum where)w));
	buf_putc(&b, '\n');
	for (size_t i = 0; i < commands_n(cs); i++) {
		const struct command *c = commands_at(cs, i);

		buf_printf(&b, "%-16s", c->name);
		for (int w = IN_NONE + 1; w < WHERES; w++) {
			buf_putc(&b, ' ');
			for (int t = 1; t <= 4; t++)
				buf_putc(&b, letters[command_gate(c, verb_tier(
				    handlers[c->handler].verb), t % 4,
				    (enum where)w)]);
		}
		buf_putc(&b, '\n');
	}
	if (getenv("UPDATE_GOLDEN") != NULL) {
		FILE *f = fopen(path, "w");

		assert_non_null(f);
		assert_true(fputs(buf_str(&b), f) >= 0);
		assert_int_equal(fclose(f), 0);
	}
	want = file_read(path, 1 << 20, &err);
	assert_non_null(want);
	assert_string_equal(buf_str(&b), want);
	free(want);
	free(path);
	buf_release(&b);
	commands_free(cs);
}

#define WEB_SAYS(soul, more) HEAD("Team", "web") \
    "  labels: {app: web}\n" \
    "spec:\n" more "  leader:\n    name: lea\n    model: m\n" \
    "  workers:\n  - name: wim\n    model: m\n    soul: " soul "\n" \
    "  - name: wanda\n    model: m\n"

/* Tier 2 sees what it works with and changes its teams, up to a point. */
static void
test_tier_2(void **state)
{
	struct house *h = *state;
	const char *id, *room = "!room:dm/" JANE;

	ask(h, TEAM);
	ask(h, WORKER("alice", "m"));
	ask(h, HUMAN_2 "  accessibleTeams: [web]\n");
	store_begin(h->store);
	engine_dm(h->engine, JANE);
	assert_true(wait_for(h, is_quiet));
	id = speak_in(h, room, JANE, "get all", NULL);
	expect(reply_to(h, id), "info", "web");
	assert_null(strstr(body_of(reply_to(h, id)), "alice"));
	id = speak_in(h, room, JANE, "get workers", NULL);
	expect(reply_to(h, id), "info", "wim");
	assert_null(strstr(body_of(reply_to(h, id)), "alice"));
	id = speak_in(h, room, JANE, "describe worker wim", NULL);
	expect(reply_to(h, id), "info", "wim");
	id = speak_in(h, room, JANE, "get worker alice", NULL);
	expect(reply_to(h, id), "refused", "Worker/alice is not");
	id = speak_in(h, room, JANE, "describe worker alice", NULL);
	expect(reply_to(h, id), "refused", "Worker/alice is not");
	id = speak_in(h, room, JANE, WEB_SAYS("kind", ""), NULL);
	assert_true(wait_for(h, is_quiet));
	post(h);
	expect(reply_to(h, id), "done", "apply Team/web");
	/* Rights, and what is not hers. */
	id = speak_in(h, room, JANE, WEB_SAYS("kind",
	    "  peerMentions: false\n"), NULL);
	expect(reply_to(h, id), "question", "needs somebody of tier 1");
	id = speak_in(h, room, JANE, WORKER("alice", "m2"), NULL);
	expect(reply_to(h, id), "refused", "Worker/alice is not");
	id = speak_in(h, room, JANE, "plan\n```\n" WORKER("alice", "m2")
	    "```", NULL);
	expect(reply_to(h, id), "refused", "Worker/alice is not");
	id = speak_in(h, room, JANE, "plan", NULL);
	expect(reply_to(h, id), "refused", "takes tier 1");
	assert_true(is_declared(h, "Worker", "alice"));
}

/* A run that nobody in a room asked for is reported where it says. */
static void
test_run_of_others(void **state)
{
	struct house *h = *state;
	struct ops ops = { .engine = h->engine, .store = h->store,
	    .settled = chat_settled, .arg = h->chat };
	struct run_request rq = { .actor = "@ann:x.org", .room = ADMIN,
	    .title = "delete Worker/alice (REST)" };
	struct json *a = change_delete_action(), *show;
	struct attempt ch;
	const struct json *r;
	struct err err;
	size_t live = 0, receipts = 0;

	ask(h, WORKER("alice", "m"));
	forget_sent(h);
	be_slow(true);
	change_delete_add(a, kind_find("Worker"), "alice");
	assert_int_equal(change_try(h->engine, a, NULL, &ch, &err), 0);
	show = change_show(h->engine, ch.plan, NULL);
	store_begin(h->store);
	change_start(&ops, &ch, show, NULL, &rq);
	be_slow(false);
	assert_true(wait_for(h, is_quiet));
	post(h);
	for (r = json_first(h->sent); r != NULL; r = json_next(r)) {
		assert_string_equal(json_str(r, "room"), "room:admin");
		live += json_int(r, "op", 0) == OUTBOX_SEND &&
		    strstr(body_of(r), "delete Worker/alice (REST)") != NULL &&
		    json_get(json_get(r, "content"), "io.hiclaw.receipt") ==
		    NULL;
		receipts += json_get(json_get(r, "content"),
		    "io.hiclaw.receipt") != NULL;
	}
	assert_int_equal(live, 1);
	assert_int_equal(receipts, 1);
	json_free(show);
	json_free(a);
	change_release(&ch);
}

static void
test_encrypted(void **state)
{
	struct house *h = *state;

	forget_sent(h);
	for (int i = 0; i < 3; i++) {
		struct json *e = event_of(h, ADMIN, BOSS, "m.room.encrypted");
		char *what;

		give(h, e, NULL, &what);
		json_free(e);
	}
	assert_int_equal(sent_n(h), 1);
}

/* --- tests: manifests ---------------------------------------------------- */

static const char *
receipt_hash(const struct json *r)
{
	return json_strd(json_get(json_get(r, "content"),
	    "io.hiclaw.receipt"), "hash", "");
}

static void
test_paste(void **state)
{
	struct house *h = *state;
	const struct json *r, *live = NULL, *v;
	char *first;

	forget_sent(h);
	r = ask(h, "```yaml\n" TEAM "```");
	expect(r, "done", "apply Team/web");
	assert_string_equal(json_str(r, "room"), "room:admin");
	check_receipt(r, 1, "");
	first = xstrdup(receipt_hash(r));
	v = json_get(json_get(r, "content"), "io.hiclaw.receipt");
	assert_int_equal(json_size(json_get(v, "changed")), 1);
	assert_string_equal(json_str(json_path(json_first(json_get(v,
	    "changed")), "metadata"), "name"), "web");
	for (v = json_first(h->sent); v != NULL; v = json_next(v))
		if (live == NULL && strcmp(state_of(v), "running") == 0)
			live = v;
	assert_non_null(live);
	assert_non_null(strstr(body_of(live), "create account lea"));
	assert_true(is_declared(h, "Team", "web"));
	/* One final word for one command. */
	assert_int_equal(finals_of(h, "$e1"), 1);
	/* Again: nothing. */
	r = ask(h, TEAM);
	expect(r, "done", "Nothing to do");
	r = ask(h, WORKER("solo", "m1"));
	expect(r, "done", "apply Worker/solo");
	check_receipt(r, 2, first);
	free(first);
}

static void
test_problems(void **state)
{
	struct house *h = *state;

	expect(ask(h, "@hiclaw apply\n```\n" HEAD("Worker", "x")
	    "spec:\n  modle: m\n```"), "refused", "modle");
	assert_false(is_declared(h, "Worker", "x"));
	/* All or nothing. */
	expect(ask(h, WORKER("good", "m") "---\n" HEAD("Worker", "Bad_Name")
	    "spec:\n  model: m\n"), "refused", "Nothing was applied");
	assert_false(is_declared(h, "Worker", "good"));
	/* References. */
	expect(ask(h, HEAD("Human", "jim") "spec:\n  displayName: Jim\n"
	    "  permissionLevel: 2\n  accessibleTeams: [nowhere]\n"),
	    "refused", "nowhere");
	/* What Element does when a message is edited. */
	expect(ask(h, "apiVersion: hiclaw.io/v1beta1\nkind: Worker\nmetadata:"
	    "\nname: x\nspec:\nmodel: m\n"), "refused", "indentation");
	expect(ask(h, "@hiclaw apply"), "refused", "no manifest here");
	expect(ask(h, "@hiclaw aplly"), "refused", "`apply`");
}

static void
test_plan(void **state)
{
	struct house *h = *state;
	const struct json *r;

	r = ask(h, "@hiclaw plan\n```\n" TEAM "```");
	expect(r, "info", "nothing was changed");
	assert_non_null(strstr(body_of(r), "create room "));
	assert_false(is_declared(h, "Team", "web"));
	expect(ask(h, TEAM), "done", "done in");
	expect(ask(h, "@hiclaw plan"), "info", "Nothing to do");
	expect(ask(h, "@hiclaw diff\n```\n" HEAD("Team", "web")
	    "  labels: {app: web}\nspec:\n  description: new\n"
	    "  leader:\n    name: lea\n    model: m2\n"
	    "  workers:\n  - name: wim\n    model: m\n  - name: wanda\n"
	    "    model: m\n```"), "info", "spec.leader.model: m \xe2\x86\x92 m2");
}

static void
test_repairs(void **state)
{
	struct house *h = *state;
	const struct json *r;

	/* Capital letters change no value: said, and done. */
	forget_sent(h);
	r = ask(h, "```\nApiVersion: hiclaw.io/v1beta1\nKind: Worker\n"
	    "metadata:\n  Name: ann\nspec:\n  model: m\n```");
	expect(r, "done", "done in");
	/* Curly quotes do: asked. */
	r = ask(h, "```\n" HEAD("Worker", "bea")
	    "spec:\n  model: \xe2\x80\x9cm1\xe2\x80\x9d\n```");
	expect(r, "question", "curly quotes");
	assert_false(is_declared(h, "Worker", "bea"));
	speak(h, "yes");
	assert_true(wait_for(h, is_quiet));
	assert_true(is_declared(h, "Worker", "bea"));
	/* Words beside a manifest that are no command: asked. */
	r = ask(h, "please do not apply this\n```\n" WORKER("cyd", "m")
	    "```");
	expect(r, "question", "no command");
	speak(h, "No.");
	assert_false(is_declared(h, "Worker", "cyd"));
}

static enum chat_need
give_file(struct house *h, const char *name, const char *data,
    const char *error, const char **id)
{
	static char kept[16];
	struct json *e = event_of(h, ADMIN, BOSS, "m.room.message");
	struct json *c = json_get(e, "content");
	struct chat_fetched got = { data, data != NULL ? strlen(data) : 0,
		error };
	enum chat_need need;
	char *what = NULL;

	json_set_str(c, "msgtype", "m.file");
	json_set_str(c, "body", name);
	json_set_str(c, "url", "mxc://x.org/file");
	str_copy(kept, json_str(e, "event_id"), sizeof kept);
	*id = kept;
	need = give(h, e, NULL, &what);
	if (need == CHAT_NEEDS_MEDIA) {
		assert_string_equal(what, "mxc://x.org/file");
		free(what);
		assert_int_equal(give(h, e, &got, &what), CHAT_DONE);
	}
	json_free(e);
	assert_true(wait_for(h, is_quiet));
	post(h);
	return need;
}

static void
test_files(void **state)
{
	struct house *h = *state;
	const char *id;

	assert_int_equal(give_file(h, "team.yaml", TEAM, NULL, &id),
	    CHAT_NEEDS_MEDIA);
	expect(reply_to(h, id), "done", "done in");
	give_file(h, "team.yaml", NULL, "404", &id);
	expect(reply_to(h, id), "refused", "could not be fetched");
	assert_int_equal(finals_of(h, id), 1);
	/* A text file of somebody's is only that, unless it is a manifest. */
	give_file(h, "notes.txt", "dear diary\n", NULL, &id);
	assert_null(reply_to(h, id));
	give_file(h, "worker.txt", WORKER("tx", "m"), NULL, &id);
	expect(reply_to(h, id), "done", "done in");
	assert_int_equal(give_file(h, "cat.png", "x", NULL, &id), CHAT_DONE);
	assert_null(reply_to(h, id));
	/* A file is not repaired: no phone typed it. */
	give_file(h, "caps.yaml", "Kind: Worker\n", NULL, &id);
	expect(reply_to(h, id), "refused", "Kind");
	/* No text at all. */
	give_file(h, "bad.yaml", "\xff\xfe kind: Worker", NULL, &id);
	expect(reply_to(h, id), "refused", "UTF-8");
}

/* "apply" as a reply: first the message, then perhaps the file in it. */
static void
test_reply(void **state)
{
	struct house *h = *state;
	struct json *e = event_of(h, ADMIN, BOSS, "m.room.message"), *rel;
	struct json *c = json_get(e, "content"), *target, *tc;
	struct chat_fetched got = { 0 };
	char *what = NULL, *text;
	const char *id;

	json_set_str(c, "msgtype", "m.text");
	json_set_str(c, "body", "Apply");
	rel = json_set(c, "m.relates_to", json_object());
	rel = json_set(rel, "m.in_reply_to", json_object());
	json_set_str(rel, "event_id", "$target");
	assert_int_equal(give(h, e, NULL, &what), CHAT_NEEDS_EVENT);
	assert_string_equal(what, "$target");
	free(what);
	target = event_of(h, ADMIN, BOSS, "m.room.message");
	tc = json_get(target, "content");
	json_set_str(tc, "msgtype", "m.file");
	json_set_str(tc, "body", "w.yml");
	json_set_str(tc, "url", "mxc://x.org/w");
	got.data = text = json_canonical(target);
	got.len = strlen(text);
	assert_int_equal(give(h, e, &got, &what), CHAT_NEEDS_MEDIA);
	assert_string_equal(what, "mxc://x.org/w");
	free(what);
	got.data = WORKER("rep", "m");
	got.len = strlen(got.data);
	assert_int_equal(give(h, e, &got, &what), CHAT_DONE);
	assert_true(wait_for(h, is_quiet));
	assert_true(is_declared(h, "Worker", "rep"));
	/* It settles what was asked about that message. */
	id = speak(h, "please take this\n" WORKER("asked", "m"));
	expect(reply_to(h, id), "question", "shall I");
	json_set_str(e, "event_id", "$settles");
	json_set_str(rel, "event_id", id);
	got.data = "{\"type\":\"m.room.message\",\"content\":{\"msgtype\":"
	    "\"m.text\",\"body\":\"```\\napiVersion: hiclaw.io/v1beta1\\n"
	    "kind: Worker\\nmetadata: {name: asked}\\n"
	    "spec: {model: m}\\n```\"}}";
	got.len = strlen(got.data);
	assert_int_equal(give(h, e, &got, &what), CHAT_DONE);
	assert_true(wait_for(h, is_quiet));
	assert_true(is_declared(h, "Worker", "asked"));
	id = speak(h, "@hiclaw yes");
	expect(reply_to(h, id), "refused", "no open question");
	/* A reply to a message without one. */
	json_set_str(e, "event_id", "$again");
	got.data = "{\"type\":\"m.room.message\",\"content\":{\"msgtype\":"
	    "\"m.text\",\"body\":\"hello\"}}";
	got.len = strlen(got.data);
	assert_int_equal(give(h, e, &got, &what), CHAT_DONE);
	post(h);
	expect(reply_to(h, "$again"), "refused", "no manifest");
	free(text);
	json_free(target);
	json_free(e);
}

/* "Apply" as a reply to that message. */
static const struct json *
apply_to(struct house *h, const char *id, const char *target)
{
	struct json *e = event_of(h, ADMIN, BOSS, "m.room.message"), *rel;
	struct json *c = json_get(e, "content");
	struct chat_fetched got = { .data = target, .len = strlen(target) };
	char *what = NULL;

	json_set_str(e, "event_id", id);
	json_set_str(c, "msgtype", "m.text");
	json_set_str(c, "body", "Apply");
	rel = json_set(c, "m.relates_to", json_object());
	rel = json_set(rel, "m.in_reply_to", json_object());
	json_set_str(rel, "event_id", "$target");
	assert_int_equal(give(h, e, NULL, &what), CHAT_NEEDS_EVENT);
	free(what);
	assert_int_equal(give(h, e, &got, &what), CHAT_DONE);
	wait_for(h, is_quiet);
	post(h);
	json_free(e);
	return reply_to(h, id);
}

/* What we or an agent wrote may be applied, too; what an edit spoilt may not. */
static void
test_reply_forms(void **state)
{
	struct house *h = *state;
	const char *id;

	apply_to(h, "$notice", "{\"type\":\"m.room.message\",\"content\":"
	    "{\"msgtype\":\"m.notice\",\"body\":\"As asked:\\n"
	    "apiVersion: hiclaw.io/v1beta1\\nkind: Worker\\nmetadata: "
	    "{name: told}\\nspec: {model: m}\",\"formatted_body\":\"<p>As "
	    "asked:</p><pre><code>apiVersion: hiclaw.io/v1beta1\\nkind: "
	    "Worker\\nmetadata: {name: told}\\nspec: {model: m}\\n</code>"
	    "</pre>\"}}");
	assert_true(is_declared(h, "Worker", "told"));
	expect(apply_to(h, "$sealed", "{\"type\":\"m.room.encrypted\","
	    "\"content\":{\"algorithm\":\"m.megolm.v1.aes-sha2\"}}"),
	    "refused", "is encrypted");
	expect(apply_to(h, "$spoilt", "{\"type\":\"m.room.message\","
	    "\"content\":{\"msgtype\":\"m.text\",\"body\":\"x\"},"
	    "\"unsigned\":{\"m.relations\":{\"m.replace\":{\"content\":{"
	    "\"msgtype\":\"m.text\",\"body\":\"* x\",\"m.new_content\":"
	    "{\"msgtype\":\"m.text\",\"body\":\"apiVersion: "
	    "hiclaw.io/v1beta1\\nkind: Worker\\nmetadata: {name: sp}\\n"
	    "spec: {model: gpt\\\\_5}\"},\"m.relates_to\":{\"rel_type\":"
	    "\"m.replace\",\"event_id\":\"$target\"}}}}}}"),
	    "refused", "backslashes");
	assert_false(is_declared(h, "Worker", "sp"));
	/* The same in the edit itself. */
	id = speak(h, "apiVersion: hiclaw.io/v1beta1\nkind: Worker\n"
	    "metadata: {name: sp}\nspec: {model: \xe2\x80\x9cm\xe2\x80\x9d}");
	expect(reply_to(h, id), "question", "a value");
	edit(h, BOSS, id, "apiVersion: hiclaw.io/v1beta1\nkind: Worker\n"
	    "metadata: {name: sp}\nspec: {model: gpt\\_5}");
	assert_false(is_declared(h, "Worker", "sp"));
}

/* --- tests: questions ---------------------------------------------------- */

static void
test_delete(void **state)
{
	struct house *h = *state;
	const struct json *r;
	const char *q, *yes;
	int64_t question;

	ask(h, TEAM);
	ask(h, WORKER("solo", "m"));
	r = ask(h, "@hiclaw delete team web");
	expect(r, "question", "delete room ");
	question = question_of(r);
	assert_true(question > 0);
	assert_string_equal(json_value_str(json_first(json_get(json_get(
	    json_get(r, "content"), "m.mentions"), "user_ids"))), BOSS);
	q = json_str(json_get(json_get(r, "content"), "io.hiclaw.reply"),
	    "for");
	/* Somebody else's yes is nobody's. */
	speak_in(h, ADMIN, "@other:x.org", "yes", NULL);
	assert_true(is_declared(h, "Team", "web"));
	yes = speak(h, "yes");
	speak(h, "yes");
	assert_true(wait_for(h, is_quiet));
	post(h);
	/* What follows is the answer to the yes, and knows the command. */
	r = reply_to(h, yes);
	expect(r, "done", "delete Team/web");
	assert_string_equal(json_str(json_get(json_get(r, "content"),
	    "io.hiclaw.reply"), "command"), q);
	assert_int_equal(finals_of(h, q), 1);
	assert_int_equal(finals_of(h, yes), 1);
	assert_false(is_declared(h, "Team", "web"));
	assert_true(is_declared(h, "Worker", "solo"));
	expect(ask(h, "@hiclaw delete team web"), "refused", "no Team/web");
	expect(ask(h, "@hiclaw delete"), "refused", "Usage");
	expect(ask(h, "@hiclaw delete wroker solo"), "refused",
	    "did you mean Worker");
}

static void
test_reaction(void **state)
{
	struct house *h = *state;
	const struct json *r;
	char *target;

	ask(h, WORKER("a", "m"));
	ask(h, WORKER("b", "m"));
	r = ask(h, "@hiclaw rm worker/a");
	expect(r, "question", "shall I");
	target = xasprintf("$out%lld", (long long)json_int(r, "id", 0));
	ask(h, "@hiclaw rm wk b");
	/* Not somebody else, not any picture. */
	react(h, "@other:x.org", target, "\xe2\x9c\x85");
	react(h, BOSS, target, "\xf0\x9f\x8e\x89");
	assert_true(is_declared(h, "Worker", "a"));
	/* The older question, because the tap says which. */
	react(h, BOSS, target, "\xf0\x9f\x91\x8d\xf0\x9f\x8f\xbd");
	assert_false(is_declared(h, "Worker", "a"));
	assert_true(is_declared(h, "Worker", "b"));
	react(h, BOSS, target, "\xf0\x9f\x91\x8d");
	/* The other one by a reply. */
	speak(h, "n");
	speak(h, "yes");
	assert_true(wait_for(h, is_quiet));
	assert_true(is_declared(h, "Worker", "b"));
	free(target);
}

static void
test_expiry(void **state)
{
	struct house *h = *state;
	int64_t now = clock_ms();
	size_t before;

	ask(h, WORKER("a", "m"));
	clock_set_ms(now);
	expect(ask(h, "@hiclaw rm worker a"), "question", "5 minutes");
	clock_set_ms(now + 299000);
	chat_tick(h->chat);
	before = sent_n(h);
	clock_set_ms(now + 301000);
	chat_tick(h->chat);
	/* The question itself says so; that is no new message. */
	assert_int_equal(sent_n(h), before + 1);
	chat_tick(h->chat);
	assert_int_equal(sent_n(h), before + 1);
	speak(h, "yes");
	assert_true(is_declared(h, "Worker", "a"));
	assert_int_equal(sent_n(h), before + 1);
}

static void
test_moved(void **state)
{
	struct house *h = *state;
	const struct json *r;
	const char *id;

	ask(h, TEAM);
	speak(h, "@hiclaw delete team web");
	/* Meanwhile the team got another worker. */
	expect(ask(h, HEAD("Team", "web") "  labels: {app: web}\n"
	    "spec:\n  leader:\n    name: lea\n    model: m\n  workers:\n"
	    "  - name: wim\n    model: m\n  - name: wanda\n    model: m\n"
	    "  - name: wolf\n    model: m\n"), "done", "done in");
	id = speak(h, "yes");
	r = reply_to(h, id);
	expect(r, "question", "different plan");
	assert_true(is_declared(h, "Team", "web"));
	speak(h, "yes");
	assert_true(wait_for(h, is_quiet));
	assert_false(is_declared(h, "Team", "web"));
}

static void
test_edits(void **state)
{
	struct house *h = *state;
	const char *id;
	char *kept;
	size_t n;

	/* Not applied yet, because of an error: the edit is a new paste. */
	id = speak(h, HEAD("Worker", "e") "spec:\n  modle: m\n");
	expect(reply_to(h, id), "refused", "modle");
	kept = xstrdup(id);
	edit(h, BOSS, kept, WORKER("e", "m"));
	expect(reply_to(h, kept), "done", "done in");
	assert_true(is_declared(h, "Worker", "e"));
	/* Applied: one word, nothing done. */
	edit(h, BOSS, kept, WORKER("e", "m2"));
	expect(reply_to(h, kept), "info", "was applied already");
	n = sent_n(h);
	edit(h, BOSS, kept, WORKER("e", "m3"));
	assert_int_equal(sent_n(h), n);
	free(kept);
	/* An open question falls with the edit. */
	id = speak(h, "```\n" HEAD("Worker", "f")
	    "spec:\n  model: \xe2\x80\x9cm\xe2\x80\x9d\n```");
	kept = xstrdup(id);
	expect(reply_to(h, kept), "question", "shall I");
	edit(h, BOSS, kept, WORKER("g", "m"));
	assert_true(is_declared(h, "Worker", "g"));
	speak(h, "yes");
	assert_true(wait_for(h, is_quiet));
	assert_false(is_declared(h, "Worker", "f"));
	free(kept);
}

#define TOO_LATE	"I did nothing about your edit: "

/* A message, what it is edited to, and what is said then. */
static void
test_edited_commands(void **state)
{
	static const struct {
		const char *first, *then, *state, *says;
	} rows[] = {
		/* Nothing came of it: the edit is taken. */
		{ "@hiclaw stauts", "@hiclaw status", "info", "1 team" },
		{ "@hiclaw get tema", "@hiclaw get team", "info", "web" },
		{ "@hiclaw delete tema web", "@hiclaw delete team web",
		    "question", "shall I" },
		{ "@hiclaw sleep", "@hiclaw sleep lea", "done", "sleep" },
		{ "@hiclaw freez", "freeze 1h", "done", "Frozen by" },
		{ "@hiclaw statsu", "@hiclaw\n" WORKER("solo", "m"), "done",
		    "apply Worker/solo" },
		/* It was not even for us. */
		{ "status please", "@hiclaw status", "info", "1 team" },
		/* It told something, and did nothing. */
		{ "@hiclaw get team", "@hiclaw get worker", "info", "wim" },
		/* Something came of it. */
		{ "@hiclaw sleep lea", "@hiclaw sleep wim", "info",
		    TOO_LATE "I had already done" },
		{ "@hiclaw freeze 1h", "@hiclaw thaw", "info",
		    TOO_LATE "I had already done" },
		{ "@hiclaw label team web a=b", "label team web a=c", "info",
		    TOO_LATE "I had already done" },
		{ "@hiclaw delete team web", "@hiclaw delete team wob", "info",
		    TOO_LATE "what the message said is withdrawn" },
		{ "@hiclaw delete team web", "never mind", "info",
		    TOO_LATE "what the message said is withdrawn" },
	};
	struct house *h = *state;
	char kept[16];
	size_t n;

	expect(ask(h, TEAM), "done", "");
	for (size_t i = 0; i < NELEM(rows); i++) {
		ask(h, "@hiclaw wake --all");
		str_copy(kept, speak(h, rows[i].first), sizeof kept);
		assert_true(wait_for(h, is_quiet));
		/* Only who wrote it edits it, and only where it is. */
		n = sent_n(h);
		edit(h, JANE, kept, rows[i].then);
		edit_in(h, "!room:dm/" BOSS, BOSS, kept, rows[i].then);
		assert_int_equal(sent_n(h), n);
		edit(h, BOSS, kept, rows[i].then);
		expect(reply_to(h, kept), rows[i].state, rows[i].says);
		speak(h, "@hiclaw thaw");
		assert_true(wait_for(h, is_quiet));
	}
	edit(h, BOSS, "$before-us", "@hiclaw status");
	expect(reply_to(h, "$before-us"), "info", TOO_LATE
	    "I do not remember");
}

/* Taken once, told once; what is refused again may be mended again. */
static void
test_edited_once(void **state)
{
	struct house *h = *state;
	char kept[16];
	size_t n;

	ask(h, TEAM);
	str_copy(kept, speak(h, "@hiclaw lable team web a=b"), sizeof kept);
	edit(h, BOSS, kept, "@hiclaw label taem web a=b");
	expect(reply_to(h, kept), "refused", "did you mean");
	edit(h, BOSS, kept, "@hiclaw label team web a=b");
	expect(reply_to(h, kept), "done", "");
	edit(h, BOSS, kept, "@hiclaw label team web a=c");
	expect(reply_to(h, kept), "info", TOO_LATE "I had already done");
	n = sent_n(h);
	edit(h, BOSS, kept, "@hiclaw label team web a=d");
	assert_int_equal(sent_n(h), n);
	expect(ask(h, "@hiclaw get team web -o yaml"), "info", "a: b");
}

/* What it replies to stays, and a decision that was mistyped is one. */
static void
test_edited_replies(void **state)
{
	struct house *h = *state;
	struct json *e;
	char kept[16], *what = NULL;

	str_copy(kept, speak_in(h, ADMIN, BOSS, "@hiclaw aplly", "$target"),
	    sizeof kept);
	expect(reply_to(h, kept), "refused", "`apply`");
	e = edit_of(h, ADMIN, BOSS, kept, "@hiclaw apply");
	assert_int_equal(give(h, e, NULL, &what), CHAT_NEEDS_EVENT);
	assert_string_equal(what, "$target");
	free(what);
	json_free(e);
	ask(h, TEAM);
	ask(h, "@hiclaw delete team web");
	str_copy(kept, speak(h, "@hiclaw yess"), sizeof kept);
	expect(reply_to(h, kept), "refused", "yess");
	edit(h, BOSS, kept, "yes");
	assert_false(is_declared(h, "Team", "web"));
	/* Of what was not for us, none is made. */
	ask(h, TEAM);
	ask(h, "@hiclaw delete team web");
	edit(h, BOSS, speak(h, "I would say"), "yes");
	assert_true(is_declared(h, "Team", "web"));
}

static void
test_redaction(void **state)
{
	struct house *h = *state;
	struct json *e;
	const char *id;
	char *what;

	ask(h, WORKER("a", "m"));
	id = speak(h, "@hiclaw rm worker a");
	e = event_of(h, ADMIN, BOSS, "m.room.redaction");
	json_set_str(json_get(e, "content"), "redacts", id);
	give(h, e, NULL, &what);
	json_free(e);
	speak(h, "yes");
	assert_true(wait_for(h, is_quiet));
	assert_true(is_declared(h, "Worker", "a"));
}

/* --- tests: deleting parts ----------------------------------------------- */

static void
test_member(void **state)
{
	struct house *h = *state;
	const struct resource *team;

	ask(h, TEAM);
	expect(ask(h, "@hiclaw delete worker lea"), "refused", "spec.leader");
	expect(ask(h, "@hiclaw delete worker wim wanda"), "question",
	    "delete 2 resources");
	speak(h, "yes");
	assert_true(wait_for(h, is_quiet));
	team = resources_find(engine_resources(h->engine), kind_find("team"),
	    "web");
	assert_non_null(team);
	assert_int_equal(json_size(json_get(team->spec, "workers")), 0);
	assert_non_null(json_path(team->metadata, "labels.app"));
	expect(ask(h, "@hiclaw get worker wim"), "refused", "no Worker/wim");
}

static void
test_prune(void **state)
{
	struct house *h = *state;
	const struct json *r;

	ask(h, HEAD("Worker", "one") "  labels: {set: s}\nspec: {model: m}\n"
	    "---\n" HEAD("Worker", "two") "  labels: {set: s}\n"
	    "spec: {model: m}\n---\n" WORKER("other", "m"));
	expect(ask(h, "@hiclaw apply --prune\n```\n" WORKER("one", "m")
	    "```"), "refused", "needs -l");
	expect(ask(h, "@hiclaw apply --prune -l set=s"), "refused",
	    "no manifest");
	expect(ask(h, "@hiclaw apply --prune -l set=s\n```\n---\n```"),
	    "refused", "at least one document");
	expect(ask(h, "@hiclaw apply --prune -l set=s\n```\napiVersion: v1\n"
	    "kind: List\nitems: []\n```"), "refused", "");
	r = ask(h, "@hiclaw apply \xe2\x80\x94prune -l set=s\n```\n"
	    HEAD("Worker", "one") "  labels: {set: s}\nspec: {model: m}\n```");
	expect(r, "question", "shall I");
	assert_non_null(strstr(body_of(r), "two"));
	assert_null(strstr(body_of(r), "other"));
	speak(h, "ok");
	assert_true(wait_for(h, is_quiet));
	assert_true(is_declared(h, "Worker", "one"));
	assert_false(is_declared(h, "Worker", "two"));
	assert_true(is_declared(h, "Worker", "other"));
}

/* --- tests: looking ------------------------------------------------------ */

static void
test_looking(void **state)
{
	struct house *h = *state;
	static const struct { const char *line, *state, *part; } rows[] = {
		{ "get", "info", "workers" },
		{ "get all", "info", "teams" },
		{ "get workers", "info", "solo \xc2\xb7 m" },
		{ "get wk", "info", "wim \xc2\xb7 m \xc2\xb7 in Team/web" },
		{ "get worker wim", "info", "Team/web" },
		{ "get worker lea -o yaml", "info", "role: leader" },
		{ "get worker/solo -o yaml", "info", "kind: Worker" },
		{ "get team web -o json", "info", "\"kind\": \"Team\"" },
		{ "get all -o name", "info", "team/web" },
		{ "get -l app=web", "info", "web" },
		{ "get workers -o wide", "info", "generation 1" },
		{ "get workers -o widf", "refused", "did you mean wide" },
		{ "get -l ===", "refused", "" },
		{ "get worker nobody", "refused", "no Worker/nobody" },
		{ "get worker slo", "refused", "did you mean solo?" },
		{ "describe worker wime", "refused", "did you mean wim?" },
		{ "delete team wev", "refused", "did you mean web?" },
		{ "delete solo", "refused", "\"worker solo\"?" },
		{ "describe wim", "refused", "\"worker wim\"?" },
		{ "get -l app=none", "info", "Nothing has the label app=none" },
		{ "explain team.spec.leader", "info",
		    "- `name` (string, required): Name of the member" },
		{ "get humans", "info", "There are none" },
		{ "get wrokers", "refused", "did you mean workers" },
		{ "describe team web", "info", "- room leader/web, " },
		{ "describe worker wim", "info", "in Team/web" },
		{ "describe worker solo", "info", "created by @boss" },
		{ "describe", "refused", "Usage" },
		{ "describe worker nobody", "refused", "no Worker/nobody" },
		{ "status", "info", "Everything is as declared" },
		{ "events", "info", "Team/web" },
		{ "events worker wim", "info", "created by" },
		{ "events worker nobody", "info", "Nothing happened" },
		{ "explain worker.spec.model", "info", "model" },
		{ "explain Team spec leader", "info", "leader" },
		{ "explain worker.spec.modle", "refused", "model" },
		{ "explain", "refused", "Usage" },
		{ "whoami", "info", "tier 1" },
		{ "version", "info", "9.9" },
		{ "help apply", "info", "--prune" },
		{ "help who am i", "info", "whoami" },
		{ "help nonsense", "refused", "nonsense" },
		{ "invite me", "info", "not left " },
		{ "invite @bad", "refused", "Matrix ID" },
		{ "invite me nowhere", "refused", "no room nowhere" },
		{ "get workers --foo", "refused", "Unknown option" },
		{ "xyzzy", "refused", "xyzzy" },
	};

	ask(h, TEAM);
	ask(h, WORKER("solo", "m"));
	for (size_t i = 0; i < NELEM(rows); i++) {
		char *line = xasprintf("@hiclaw %s", rows[i].line);
		const char *id = speak(h, line);

		expect(reply_to(h, id), rows[i].state, rows[i].part);
		assert_int_equal(finals_of(h, id), 1);
		free(line);
	}
}

/* Too much for a message: the beginning, and the whole in a file. */
static void
test_long(void **state)
{
	struct house *h = *state;
	struct buf b = { 0 };
	const struct json *r, *v, *file = NULL;
	const char *id;

	for (int i = 0; i < 120; i++)
		buf_printf(&b, "%sapiVersion: hiclaw.io/v1beta1\nkind: Worker\n"
		    "metadata:\n  name: w%d\nspec:\n  model: m\n"
		    "  soul: |\n    %0200d\n", i > 0 ? "---\n" : "", i, i);
	r = ask(h, buf_str(&b));
	buf_release(&b);
	expect(r, "done", "apply 120 Workers");
	/* `changed` is the attachment, and its hash is in the receipt. */
	assert_string_equal(json_str(r, "file_name"), "receipt-1.json");
	v = json_get(json_get(r, "content"), "io.hiclaw.receipt");
	assert_null(json_get(v, "changed"));
	{
		char hash[SHA256_HEX];
		const char *text = json_str(r, "file");

		sha256_hex(text, strlen(text), hash);
		assert_string_equal(json_str(v, "changed_sha256"), hash);
	}
	check_receipt(r, 1, "");
	/* The steps that do not fit go into the thread. */
	for (v = json_first(h->sent); v != NULL; v = json_next(v))
		if (json_int(v, "thread", 0) != 0)
			file = v;
	assert_non_null(file);
	id = speak(h, "@hiclaw get workers -o yaml");
	expect(reply_to(h, id), "info", "120 documents");
	file = NULL;
	for (v = json_first(h->sent); v != NULL; v = json_next(v))
		if (str_equal(json_str(v, "file_name"), "resources.yaml"))
			file = v;
	assert_non_null(file);
	id = speak(h, "@hiclaw get workers");
	expect(reply_to(h, id), "info", "w0");
}

/* The last message with such a file, or NULL. */
static const struct json *
with_file(struct house *h, const char *name)
{
	const struct json *v, *found = NULL;

	for (v = json_first(h->sent); v != NULL; v = json_next(v))
		if (str_equal(json_str(v, "file_name"), name))
			found = v;
	return found;
}

/* A question and a live message, and all edits of them. */
static void
test_live_fits(void **state)
{
	struct house *h = *state;
	struct buf b = { 0 };
	const struct json *r, *v;
	size_t edits = 0;

	for (int i = 0; i < 20; i++)
		buf_printf(&b, "%sapiVersion: hiclaw.io/v1beta1\nkind: Worker\n"
		    "metadata: {name: w%d}\nspec: {model: m}\n",
		    i > 0 ? "---\n" : "", i);
	expect(ask(h, buf_str(&b)), "done", "");
	buf_release(&b);
	is_wordy = true;
	forget_sent(h);
	/* Curly quotes, so that it asks. */
	r = ask(h, "```\n" HEAD("Human", "zoe") "spec:\n  displayName: "
	    "\xe2\x80\x9cZoe\xe2\x80\x9d\n  permissionLevel: 1\n"
	    "  matrixUserId: \"@zoe:x.org\"\n```");
	expect(r, "question", "in the file below");
	expect(r, "question", "Answer yes or no");
	assert_non_null(with_file(h, "reply.txt"));
	speak(h, "yes");
	assert_true(wait_for(h, is_quiet));
	post(h);
	for (v = json_first(h->sent); v != NULL; v = json_next(v)) {
		if (json_int(v, "op", 0) != OUTBOX_EDIT ||
		    strcmp(state_of(v), "running") != 0)
			continue;
		/* Where it stands is at its end. */
		assert_non_null(strstr(body_of(v), "/63"));
		edits++;
	}
	assert_true(edits > 0);
}

/* As many deletions as one receipt cannot carry. */
static void
test_long_delete(void **state)
{
	struct house *h = *state;
	struct buf b = { 0 };
	const struct json *r, *v;
	struct json *file;
	struct err err;

	for (int i = 0; i < 600; i++)
		buf_printf(&b, "---\napiVersion: hiclaw.io/v1beta1\n"
		    "kind: Human\nmetadata:\n  name: a-rather-long-name-%d\n"
		    "  labels: {set: s}\nspec:\n  displayName: \"\\\"%d\"\n"
		    "  permissionLevel: 3\n  matrixUserId: \"@u%d:x.org\"\n",
		    i, i, i);
	expect(ask(h, buf_str(&b)), "done", "apply 600 Humans");
	buf_release(&b);
	/* None of them carries it: that is a slip. */
	expect(ask(h, "@hiclaw apply --prune -l set=s\n```\n"
	    WORKER("one", "m") "```"), "refused", "so all 600");
	expect(ask(h, "@hiclaw apply --prune -l set=s\n```\n"
	    HEAD("Worker", "one") "  labels: {set: s}\nspec:\n  model: m\n"
	    "```"), "question", "shall I");
	/* So many do not go by a tap. */
	expect(ask(h, "yes"), "refused", "600");
	speak(h, "600");
	assert_true(wait_for(h, is_quiet));
	post(h);
	r = NULL;
	for (v = json_first(h->sent); v != NULL; v = json_next(v))
		if (json_str(v, "file") != NULL)
			r = v;
	expect(r, "done", "--prune");
	file = json_parse(json_str(r, "file"), strlen(json_str(r, "file")),
	    &err);
	assert_int_equal(json_size(json_get(file, "deleted")), 600);
	assert_int_equal(json_size(json_get(file, "changed")), 1);
	json_free(file);
}

/* --- tests: what the engine tells ---------------------------------------- */

static void
test_failed(void **state)
{
	struct house *h = *state;
	const struct json *r;

	str_copy(fail_key, "room:team/web", sizeof fail_key);
	r = ask(h, TEAM);
	expect(r, "failed", "room team/web: somebody else has it");
	assert_string_equal(json_str(json_get(json_get(r, "content"),
	    "io.hiclaw.receipt"), "result"), "failed");
	expect(ask(h, "@hiclaw events team web"), "info", "somebody else");
	expect(ask(h, "@hiclaw status"), "info", "failed");
}

/* A controller that is killed in the middle goes on with the live message. */
static void
test_restart(void **state)
{
	struct house *h = *state;
	const char *id;
	int edits = 0;

	be_slow(true);
	id = speak(h, TEAM);
	post(h);
	assert_string_equal(state_of(reply_to(h, id)), "running");
	be_slow(false);
	house_close(h);
	house_open(h);
	assert_true(wait_for(h, is_quiet));
	post(h);
	expect(reply_to(h, id), "done", "done in");
	assert_int_equal(finals_of(h, id), 1);
	for (const struct json *v = json_first(h->sent); v != NULL;
	    v = json_next(v))
		if (json_int(v, "op", 0) == OUTBOX_EDIT) {
			edits++;
			/* The steps are still there. */
			assert_non_null(strstr(body_of(v), "create account lea"));
		}
	assert_true(edits > 0);
}

static void
test_news(void **state)
{
	struct house *h = *state;
	const struct engine_observer *o = chat_observer(h->chat);
	struct strv did = { 0 };
	const struct json *r;

	forget_sent(h);
	strv_add(&did, "renamed");
	o->drift(o->arg, "room:admin", "@mallory:x.org", &did, NULL);
	o->drift(o->arg, "room:admin", NULL, &did, NULL);
	o->fight(o->arg, "room:admin", "@mallory:x.org", 20);
	o->system(o->arg, "matrix", false, clock_ms() - 61000, "refused");
	o->system(o->arg, "matrix", true, clock_ms() - 61000, NULL);
	o->system(o->arg, "minio", false, clock_ms(), "refused");
	o->system(o->arg, "minio", true, clock_ms() - 5000, NULL);
	chat_started(h->chat, false, 1000);
	chat_started(h->chat, false, 120000);
	chat_started(h->chat, true, 0);
	assert_int_equal(sent_n(h), 8);
	r = json_first(h->sent);
	assert_non_null(strstr(body_of(r), "@mallory:x.org changed it, put right: "
	    "renamed."));
	r = json_next(json_next(json_next(r)));
	assert_non_null(strstr(body_of(r), "unreachable for 1m"));
	strv_release(&did);
}

static void
test_password(void **state)
{
	struct house *h = *state;
	const struct json *v, *msg = NULL, *redact = NULL;
	int64_t now = clock_ms();
	char *event, *secret;

	clock_set_ms(now);
	ask(h, HEAD("Human", "john") "spec:\n  displayName: John\n"
	    "  permissionLevel: 3\n");
	assert_true(wait_for(h, is_quiet));
	post(h);
	for (v = json_first(h->sent); v != NULL; v = json_next(v))
		if (strstr(body_of(v), "{{secret:") != NULL)
			msg = v;
	assert_non_null(msg);
	assert_string_equal(json_str(msg, "room"), "room:dm/" BOSS);
	assert_non_null(strstr(body_of(msg),
	    "{{secret:human:john/password}}"));
	assert_non_null(strstr(body_of(msg), "@john:x.org"));
	assert_string_equal(json_str(json_get(msg, "content"), OUTBOX_SECRET),
	    "human:john/password");
	/* Who makes us repeat those words gets the words. */
	v = ask(h, "!hiclaw frobnicate {{secret:human:john/password}}");
	assert_null(json_get(json_get(v, "content"), OUTBOX_SECRET));
	secret = engine_secret(h->engine, "human:john", "password");
	assert_non_null(secret);
	assert_null(strstr(body_of(msg), secret));
	secret_free(secret);
	/* It was sent: the secret goes, the redaction waits for its hour. */
	chat_tick(h->chat);
	store_commit(h->store);
	assert_null(engine_secret(h->engine, "human:john", "password"));
	forget_sent(h);
	assert_int_equal(sent_n(h), 0);
	event = xstrdup("$out1");
	chat_receipt(h->chat, "!room:dm/" BOSS, event, BOSS);
	free(event);
	clock_set_ms(now + 60000);
	assert_int_equal(sent_n(h), 0);		/* that was an older message */
	for (int i = 1; i < 40; i++) {
		event = xasprintf("$out%d", i);
		chat_receipt(h->chat, "!room:dm/" BOSS, event,
		    "@other:x.org");
		free(event);
	}
	assert_int_equal(sent_n(h), 0);
	for (int i = 1; i < 40; i++) {
		event = xasprintf("$out%d", i);
		chat_receipt(h->chat, "!room:dm/" BOSS, event, BOSS);
		free(event);
	}
	clock_set_ms(now + 60000 + 29000);
	post(h);
	clock_set_ms(now + 60000 + 31000);
	post(h);
	for (v = json_first(h->sent); v != NULL; v = json_next(v))
		if (json_int(v, "op", 0) == OUTBOX_REDACT)
			redact = v;
	assert_non_null(redact);
	chat_tick(h->chat);
	secret = store_kv_get(h->store, "chat.passwords");
	assert_null(secret);
}

static void
test_invite(void **state)
{
	struct house *h = *state;

	ask(h, WORKER("solo", "m"));
	assert_false(engine_edit(h->engine, "room:nothing", NULL, NULL));
	expect(ask(h, "@hiclaw invite me worker solo"), "info", "not left ");
	expect(ask(h, "@hiclaw join-me solo"), "done", "you are in it");
	expect(ask(h, "@hiclaw join-me sulo"), "refused", "sulo");
	expect(ask(h, "@hiclaw join-me"), "refused", "No subject given: an agent or a team");
}

static bool
has_left(struct json *observed, void *user)
{
	json_set_bool(json_obj(observed, "left"), user, true);
	json_remove(json_obj(observed, "members"), user);
	return true;
}

/* Only where one belongs; what one may not see is not there. */
static void
test_join_me(void **state)
{
	struct house *h = *state;
	const char *id;

	expect(ask(h, TEAM), "done", "");
	expect(ask(h, WORKER("solo", "m")), "done", "");
	expect(ask(h, HUMAN_2 "  accessibleTeams: [web]\n"), "done", "");
	store_begin(h->store);
	engine_dm(h->engine, JANE);
	house_turn(h);
	assert_true(wait_for(h, is_quiet));
	id = speak_in(h, "!room:dm/" JANE, JANE, "join-me wim", NULL);
	expect(reply_to(h, id), "done", "you are in it");
	store_begin(h->store);
	assert_true(engine_edit(h->engine, "room:worker/wim", has_left,
	    (void *)JANE));
	house_turn(h);
	assert_true(wait_for(h, is_quiet));
	id = speak_in(h, "!room:dm/" JANE, JANE, "join-me worker wim", NULL);
	expect(reply_to(h, id), "done", "a new invitation is on its way");
	assert_true(wait_for(h, is_quiet));
	id = speak_in(h, "!room:dm/" JANE, JANE, "join-me team web", NULL);
	expect(reply_to(h, id), "done", "you are in it");
	id = speak_in(h, "!room:dm/" JANE, JANE, "join-me solo", NULL);
	expect(reply_to(h, id), "refused", "nothing of that name");
}

/* --- gateway, files ------------------------------------------------------ */

static void
with_gateway(struct house *h)
{
	house_close(h);
	h->providers = json_must("[{\"name\":\"main\",\"url\":"
	    "\"http://x/v1\"},{\"name\":\"qwen\",\"url\":\"http://q/v1\"}]");
	h->mcps = json_must("[{\"name\":\"github\",\"url\":\"http://m\"}]");
	house_open(h);
}

#define SPEC(model, more) "apiVersion: hiclaw.io/v1beta1\nkind: Worker\n" \
    "metadata: {name: ann}\nspec:\n  model: " model "\n" more

static char *
spec_of(struct house *h, const char *kind, const char *name)
{
	const struct resource *r = resources_find(engine_resources(h->engine),
	    kind_find(kind), name);

	return r == NULL ? NULL : json_canonical(r->spec);
}

static void
assert_spec(struct house *h, const char *kind, const char *name,
    const char *want)
{
	char *spec = spec_of(h, kind, name);

	assert_string_equal(spec, want);
	free(spec);
}

static void
test_grant_and_revoke(void **state)
{
	struct house *h = *state;

	expect(ask(h, "!hiclaw gateway status"), "refused", "No gateway");
	with_gateway(h);
	expect(ask(h, SPEC("m", "")), "done", "");
	expect(ask(h, "!hiclaw gateway grant ann qwen mcp/github"), "done",
	    "2 updated");
	assert_spec(h, "Worker", "ann", "{\"accessEntries\":[{\"scope\":{"
	    "\"mcpServers\":[\"github\"],\"providers\":[\"qwen\"]},"
	    "\"service\":\"ai-gateway\"}],\"model\":\"m\"}");
	expect(ask(h, "!hiclaw gateway grant ann qwen"), "done", "othing");
	expect(ask(h, "!hiclaw gateway status ann"), "info",
	    "route qwen");
	expect(ask(h, "!hiclaw gateway revoke worker ann provider/qwen"),
	    "done", "1 updated");
	assert_spec(h, "Worker", "ann", "{\"accessEntries\":[{\"scope\":{"
	    "\"mcpServers\":[\"github\"]},\"service\":\"ai-gateway\"}],"
	    "\"model\":\"m\"}");
	expect(ask(h, "!hiclaw gateway revoke ann github"), "done", "");
	assert_spec(h, "Worker", "ann", "{\"model\":\"m\"}");
	/* What cannot be. */
	expect(ask(h, "!hiclaw gateway revoke ann main"), "refused",
	    "another spec.model first");
	expect(ask(h, "!hiclaw gateway grant ann qwem"), "refused",
	    "did you mean qwen?");
	expect(ask(h, "!hiclaw gateway grant ana qwen"), "refused",
	    "did you mean ann?");
	expect(ask(h, "!hiclaw gateway grant ann"), "refused", "No name given");
	expect(ask(h, "!hiclaw gateway revoke ann gone"), "refused",
	    "has no gone");
	/* What the settings had once. */
	ask(h, SPEC("m", "  accessEntries:\n  - {service: ai-gateway, scope: "
	    "{providers: [gone, qwen]}}\n"));
	expect(ask(h, "!hiclaw gateway revoke ann gone"), "done", "");
	assert_spec(h, "Worker", "ann", "{\"accessEntries\":[{\"scope\":{"
	    "\"providers\":[\"qwen\"]},\"service\":\"ai-gateway\"}],"
	    "\"model\":\"m\"}");
	/* An MCP server that the manifest lists under the gateway goes, too. */
	ask(h, SPEC("m", "  mcpServers:\n"
	    "  - {name: gh, url: \"http://gw/mcp-servers/github/mcp\"}\n"
	    "  - {name: x, url: \"http://gw/mcp-servers/github2\"}\n"));
	expect(ask(h, "!hiclaw gateway revoke ann mcp/github"), "done", "");
	assert_spec(h, "Worker", "ann", "{\"mcpServers\":[{\"name\":\"x\","
	    "\"url\":\"http://gw/mcp-servers/github2\"}],\"model\":\"m\"}");
}

static void
test_grant_in_a_team(void **state)
{
	struct house *h = *state;

	with_gateway(h);
	expect(ask(h, "apiVersion: hiclaw.io/v1beta1\nkind: Team\n"
	    "metadata: {name: red}\nspec:\n  leader: {name: lead}\n"
	    "  workers: [{name: dev}]\n"), "done", "");
	expect(ask(h, "!hiclaw gateway grant dev qwen"), "done", "");
	expect(ask(h, "!hiclaw gateway grant lead mcp/github"), "done", "");
	assert_spec(h, "Team", "red", "{\"leader\":{\"accessEntries\":[{"
	    "\"scope\":{\"mcpServers\":[\"github\"]},\"service\":"
	    "\"ai-gateway\"}],\"name\":\"lead\"},\"workers\":[{"
	    "\"accessEntries\":[{\"scope\":{\"providers\":[\"qwen\"]},"
	    "\"service\":\"ai-gateway\"}],\"name\":\"dev\"}]}");
}

static void
test_gateway_status(void **state)
{
	struct house *h = *state;
	const struct json *r;

	with_gateway(h);
	r = ask_outside(h, "!hiclaw gateway status", "{\"kind\":\"route\","
	    "\"question\":{\"op\":\"status\"}}", "{\"provider\":\"envoy\","
	    "\"answers\":true,\"latency_ms\":3,\"consumers\":7,\"routes\":[{"
	    "\"name\":\"main\",\"path\":\"/v1\",\"allowed\":5,\"foreign\":1"
	    "}]}");
	expect(r, "info", "envoy answers, 3 ms, 7 keys");
	expect(r, "info", "main `/v1`: 5 may, and 1 that others put there");
	assert_null(strstr(body_of(r), "declared"));
	expect(ask_outside(h, "!hiclaw gateway", "{\"kind\":\"route\","
	    "\"question\":{\"op\":\"status\"}}", NULL), "refused",
	    "No answer: it is asleep");
	/* It does not answer: why, and what we hold. */
	expect(ask(h, SPEC("m", "")), "done", "");
	r = ask_outside(h, "!hiclaw gateway", "{\"kind\":\"route\","
	    "\"question\":{\"op\":\"status\"}}", "{\"provider\":\"higress\","
	    "\"answers\":false,\"error\":\"no way\"}");
	expect(r, "info", "higress does not answer\nno way");
	expect(r, "info", "As declared");
	expect(r, "info", "route main `/v1`: 1 may");
	expect(r, "info", "route qwen `/providers/qwen/v1`: 0 may");
}

static void
test_rotate(void **state)
{
	struct house *h = *state;
	char *old, *new;

	expect(ask(h, SPEC("m", "")), "done", "");
	expect(ask(h, "!hiclaw rotate ann"), "refused", "no key");
	with_gateway(h);
	assert_true(wait_for(h, is_quiet));
	old = engine_secret(h->engine, "consumer:worker-ann", "key");
	expect(ask(h, "!hiclaw rotate ann"), "done", "1 updated");
	new = engine_secret(h->engine, "consumer:worker-ann", "key");
	assert_string_not_equal(old, new);
	expect(ask(h, "!hiclaw rotate ann"), "refused", "under way");
	expect(ask(h, "!hiclaw rotate ann --storage"), "refused", "no user");
	expect(ask(h, "!hiclaw rotate"), "refused", "No agent given");
	secret_free(old);
	secret_free(new);
}

/* What of a file changes is shown line by line, and whose it is. */
static void
test_differences(void **state)
{
	static const char plan[] = "!hiclaw plan\n```yaml\n"
	    SPEC("m", "  soul: |\n    one\n    TWO\n    three\n") "```";
	struct house *h = *state;
	const struct json *r, *v, *thread = NULL;
	char *key, *all;

	with_gateway(h);
	r = ask(h, "!hiclaw plan\n```yaml\n" SPEC("m", "") "```");
	expect(r, "info", "(seed: only when missing)");
	expect(r, "info", "(shared with the agent)");
	expect(ask(h, SPEC("m", "  soul: |\n    one\n    two\n    three\n")),
	    "done", "");
	r = ask(h, plan);
	expect(r, "info", "change file agents/ann/SOUL.md (owned)");
	expect(r, "info", "file agents/ann/SOUL.md\n one\n-two\n+TWO\n three");
	assert_non_null(strstr(json_str(json_get(r, "content"),
	    "formatted_body"), "language-diff"));
	/* The same below a change that is done. */
	expect(ask(h, SPEC("m", "  soul: |\n    one\n    TWO\n    three\n")),
	    "done", "");
	for (v = json_first(h->sent); v != NULL; v = json_next(v))
		if (json_int(v, "thread", 0) != 0)
			thread = v;
	assert_non_null(thread);
	assert_non_null(strstr(body_of(thread), "-two\n+TWO"));
	/* Another model is in a file that holds keys. */
	key = engine_secret(h->engine, "consumer:worker-ann", "key");
	r = ask(h, "!hiclaw diff\n```yaml\n" SPEC("other", "  soul: |\n    one\n"
	    "    TWO\n    three\n") "```");
	expect(r, "info", "openclaw.json (shared with the agent)");
	expect(r, "info", "other");
	all = json_canonical(h->sent);
	assert_null(strstr(all, key));
	free(all);
	secret_free(key);
}

/* More files than a message shows, and long lines: the whole is attached. */
static void
test_many_differences(void **state)
{
	struct house *h = *state;
	struct buf b = { 0 };
	const struct json *r, *v, *file = NULL;

	for (int pass = 0; pass < 2; pass++) {
		buf_puts(&b, pass == 0 ? "" : "!hiclaw plan\n```yaml\n");
		for (int i = 0; i < 8; i++)
			buf_printf(&b, "%sapiVersion: hiclaw.io/v1beta1\n"
			    "kind: Worker\nmetadata: {name: w%d}\nspec:\n"
			    "  model: m\n  soul: |\n    %d%0300d\n",
			    i > 0 ? "---\n" : "", i, pass, i);
		buf_puts(&b, pass == 0 ? "" : "```");
		r = ask(h, buf_str(&b));
		buf_release(&b);
		b = (struct buf){ 0 };
	}
	expect(r, "info", "file agents/w5/SOUL.md\n");
	expect(r, "info", "00...");
	assert_null(strstr(body_of(r), "file agents/w6/SOUL.md\n"));
	for (v = json_first(h->sent); v != NULL; v = json_next(v))
		if (str_equal(json_str(v, "file_name"), "diff.txt"))
			file = v;
	assert_non_null(file);
	assert_non_null(strstr(json_str(file, "file"),
	    "file agents/w7/SOUL.md\n-0000"));
	assert_non_null(strstr(json_str(file, "file"), "07\n"));
}

/* Lines as long as they are shown, of what takes most room in an event. */
static void
put_soul(struct buf *b, const char *name, int lines, int pass)
{
	buf_printf(b, "---\napiVersion: hiclaw.io/v1beta1\nkind: Worker\n"
	    "metadata: {name: %s}\nspec:\n  model: m\n  soul: |\n", name);
	for (int i = 0; i < lines; i++) {
		buf_printf(b, "    %d %d ", pass, i);
		for (int k = 0; k < 190; k++)
			buf_putc(b, '"');
		buf_putc(b, '\n');
	}
}

static const struct json *
in_thread(struct house *h)
{
	const struct json *v = json_first(h->sent);

	while (v != NULL && json_int(v, "thread", 0) == 0)
		v = json_next(v);
	return v;
}

/* What a message has room for stands nowhere else. */
static void
test_thread_steps(void **state)
{
	struct house *h = *state;
	struct buf b = { 0 };

	forget_sent(h);
	expect(ask(h, WORKER("ann", "m")), "done", "");
	assert_null(in_thread(h));
	for (int i = 0; i < 9; i++)
		buf_printf(&b, "---\napiVersion: hiclaw.io/v1beta1\n"
		    "kind: Worker\nmetadata: {name: w%d}\n"
		    "spec: {model: m}\n", i);
	expect(ask(h, buf_str(&b)), "done", "");
	assert_non_null(in_thread(h));
	assert_non_null(strstr(body_of(in_thread(h)), "All steps:"));
	assert_non_null(strstr(body_of(in_thread(h)), "w7, w8\n"));
	buf_release(&b);
}

static void
test_thread_fits(void **state)
{
	struct house *h = *state;
	const struct json *message, *file;
	struct buf b = { 0 };

	for (int pass = 0; pass < 2; pass++) {
		forget_sent(h);
		put_soul(&b, "ann", 9, pass);
		put_soul(&b, "bob", 20, pass);
		expect(ask(h, buf_str(&b)), "done", "");
		buf_release(&b);
		b = (struct buf){ 0 };
	}
	message = in_thread(h);
	assert_non_null(message);
	/* The message above has all steps. */
	assert_true(str_starts(body_of(message), "file agents/ann/SOUL.md\n"));
	assert_non_null(strstr(body_of(message), "in the file below"));
	file = with_file(h, "reply.txt");
	assert_non_null(file);
	assert_int_equal(json_int(file, "thread", 0),
	    json_int(message, "thread", 0));
	assert_non_null(strstr(json_str(file, "file"), "+1 19 \"\"\""));
}

static void
test_files_and_cat(void **state)
{
	static const char list[] = "{\"kind\":\"file\",\"question\":{"
	    "\"op\":\"list\",\"path\":\"agents/ann\"}}";
	struct house *h = *state;
	const struct json *r;
	char *key, *data;

	with_gateway(h);
	expect(ask(h, SPEC("m", "")), "done", "");
	r = ask_outside(h, "!hiclaw files ann", list, "{\"files\":[{\"path\":"
	    "\"agents/ann/SOUL.md\",\"size\":1234},{\"path\":"
	    "\"agents/ann/memory/x.md\",\"size\":2}]}");
	expect(r, "info", "`SOUL.md` 1.2 kB · seeded");
	expect(r, "info", "`memory/x.md` 2 B · the agent's own");
	expect(r, "info", "2 files, 1.2 kB, in the home of ann");
	expect(ask_outside(h, "!hiclaw files ann", list, NULL), "refused",
	    "asleep");
	expect(ask_outside(h, "!hiclaw files ann", list, "{\"files\":[{"
	    "\"path\":\"agents/ann/a\",\"size\":2}],\"cut\":true}"), "info",
	    "there are more");
	/* Secrets we know and secrets by name read ***. */
	key = engine_secret(h->engine, "consumer:worker-ann", "key");
	data = xasprintf("{\"text\":\"{\\\"x\\\":\\\"%s\\\","
	    "\\\"apiKey\\\": \\\"abc\\\"}\"}", key);
	r = ask_outside(h, "!hiclaw cat ann openclaw.json", "{\"kind\":"
	    "\"file\",\"question\":{\"max\":12288,\"op\":\"get\",\"path\":"
	    "\"agents/ann/openclaw.json\"}}", data);
	expect(r, "info", "{\"x\":\"***\",\"apiKey\": \"***\"}");
	expect(ask_outside(h, "!hiclaw cat ann a.bin", "{\"kind\":\"file\","
	    "\"question\":{\"max\":12288,\"op\":\"get\",\"path\":"
	    "\"agents/ann/a.bin\"}}", "{\"binary\":5000}"), "refused",
	    "no text (5.0 kB)");
	expect(ask(h, "!hiclaw cat ann ../bob/SOUL.md"), "refused", "inside");
	expect(ask(h, "!hiclaw cat ann /etc/passwd"), "refused", "inside");
	expect(ask(h, "!hiclaw cat ann"), "refused", "No path given");
	free(key);
	free(data);
}

/* Whose is it?  Of this agent, not of one whose name begins like it. */
static void
test_owners(void **state)
{
	static const char question[] = "{\"kind\":\"file\",\"question\":{"
	    "\"op\":\"list\",\"path\":\"agents/%s\"}}";
	static const char answer[] = "{\"files\":["
	    "{\"path\":\"agents/%s/AGENTS.md\",\"size\":1},"
	    "{\"path\":\"agents/%s/notes.md\",\"size\":1},"
	    "{\"path\":\"agents/%s/skills/mcporter/x.md\",\"size\":1},"
	    "{\"path\":\"agents/%s/skills/mine/x.md\",\"size\":1}]}";
	static const char *const names[] = { "ann", "an" };
	struct house *h = *state;
	const struct json *r;

	expect(ask(h, SPEC("m", "---\napiVersion: hiclaw.io/v1beta1\n"
	    "kind: Worker\nmetadata: {name: an}\nspec:\n  model: m\n"
	    "  package: https://example.org/p.zip\n")), "done", "");
	for (size_t i = 0; i < NELEM(names); i++) {
		const char *n = names[i];
		char *ask = xasprintf("!hiclaw files %s", n);
		char *want = xasprintf(question, n);
		char *data = xasprintf(answer, n, n, n, n);

		r = ask_outside(h, ask, want, data);
		expect(r, "info", "`AGENTS.md` 1 B · shared");
		expect(r, "info", i == 0 ? "`notes.md` 1 B · the agent's own" :
		    "`notes.md` 1 B · from the package");
		expect(r, "info", "`skills/mcporter/x.md` 1 B · skill, ours");
		expect(r, "info", "`skills/mine/x.md` 1 B · the agent's own");
		free(ask);
		free(want);
		free(data);
	}
}

/* --- agents that live ---------------------------------------------------- */

static void
with_containers(struct house *h)
{
	house_close(h);
	h->images = json_must("{\"openclaw\":\"hiclaw/nano\"}");
	house_open(h);
	expect(ask(h, SPEC("m", "---\napiVersion: hiclaw.io/v1beta1\n"
	    "kind: Team\nmetadata: {name: web}\nspec:\n  leader: {name: lea}\n"
	    "  workers: [{name: wim}]\n")), "done", "");
}

static const char *
state_of_agent(struct house *h, const char *name)
{
	struct target t;

	target_find(engine_resources(h->engine), NULL, name, &t);
	return json_strd(t.spec, "state", "Running");
}

static void
test_wake_and_sleep(void **state)
{
	struct house *h = *state;

	with_containers(h);
	expect(ask(h, "!hiclaw get workers"), "info", "ann · m · Ready");
	expect(ask(h, "!hiclaw sleep ann wim"), "done", "sleep 2 agents");
	assert_string_equal(state_of_agent(h, "ann"), "Sleeping");
	assert_string_equal(state_of_agent(h, "wim"), "Sleeping");
	expect(ask(h, "!hiclaw get workers"), "info", "ann · m · Sleeping");
	expect(ask(h, "!hiclaw get workers"), "info",
	    "wim · in Team/web · Sleeping");
	expect(ask(h, "!hiclaw get teams"), "info", "Ready");
	expect(ask(h, "!hiclaw status"), "info",
	    "3 agents: 1 ready, 2 asleep");
	expect(ask(h, "!hiclaw sleep ann"), "done", "");
	expect(ask(h, "!hiclaw restart ann"), "refused",
	    "ann is asleep; \"wake ann\" starts it");
	expect(ask(h, "!hiclaw ensure-ready ann"), "done", "wake ann");
	assert_string_equal(state_of_agent(h, "ann"), "Running");
	expect(ask(h, "!hiclaw ensure-ready ann"), "done", "ann is ready");
	expect(ask(h, "!hiclaw wake worker wim"), "done", "wake wim");
	expect(ask(h, "!hiclaw restart wim"), "done", "restart wim");
	expect(ask(h, "!hiclaw wake an"), "refused", "did you mean ann?");
	expect(ask(h, "!hiclaw wake"), "refused", "No agent given");
	expect(ask(h, "!hiclaw describe worker ann"), "info",
	    "running, image hiclaw/nano");
	expect(ask(h, "!hiclaw describe team web"), "info",
	    "lea leads · Ready");
}

static void
set_observed(struct house *h, const char *name, const char *form)
{
	char *text = xasprintf("{\"set\":%s}", form);
	char *handle = xasprintf("!container:%s", name);
	struct json *event = json_must(text);

	engine_event(h->engine, handle, event);
	json_free(event);
	free(handle);
	free(text);
}

static const char *
last_news(struct house *h, const char *part)
{
	const struct json *v;
	const char *found = NULL;

	post(h);
	for (v = json_first(h->sent); v != NULL; v = json_next(v))
		if (strstr(body_of(v), part) != NULL)
			found = body_of(v);
	return found;
}

#define DIED(code) "{\"state\":\"stopped\",\"died\":{\"code\":" code \
    ",\"at_ms\":1,\"log\":[\"first\",\"cannot open the door\"]}," \
    "\"deaths\":6}"

static bool
has_told_dying(struct house *h)
{
	return last_news(h, "keeps dying") != NULL;
}

static void
test_deaths(void **state)
{
	struct house *h = *state;
	int64_t now = clock_ms();

	with_containers(h);
	clock_set_ms(now);
	forget_sent(h);
	set_observed(h, "ann", DIED("137"));
	assert_true(wait_for(h, is_quiet));
	assert_non_null(last_news(h, "ann died (out of memory or killed, exit "
	    "code 137); started again."));
	expect(ask(h, "!hiclaw describe worker ann"), "info",
	    "cannot open the door");
	/* The same again is only written down. */
	forget_sent(h);
	for (int i = 0; i < 4; i++) {
		set_observed(h, "ann", DIED("3"));
		assert_true(wait_for(h, is_quiet));
	}
	assert_null(last_news(h, "died"));
	/* Until it keeps dying. */
	set_observed(h, "ann", DIED("3"));
	house_turn(h);
	assert_true(wait_for(h, has_told_dying));
	assert_non_null(last_news(h, "ann keeps dying (exit code 3; 6 times in "
	    "a row). Next try in 1h"));
	assert_non_null(last_news(h, "I give up: API_KEY=***"));
	expect(ask(h, "!hiclaw get workers"), "info", "CrashLoop");
	expect(ask(h, "!hiclaw status"), "info", "dying again and again");
	forget_sent(h);
	clock_set_ms(now + 400000);
	chat_tick(h->chat);
	assert_null(last_news(h, "stable"));
	/* Somebody mends it. */
	expect(ask(h, "!hiclaw restart ann"), "done", "restart ann");
	chat_tick(h->chat);
	assert_non_null(last_news(h, "ann is stable again"));
	forget_sent(h);
	clock_set_ms(now + 900000);
	chat_tick(h->chat);
	assert_null(last_news(h, "stable"));
}

static void
test_logs(void **state)
{
	static const char question[] = "{\"kind\":\"container\",\"question\":{"
	    "\"name\":\"ann\",\"op\":\"logs\",\"tail\":50}}";
	struct house *h = *state;
	const struct json *r;
	struct buf b = { 0 };

	expect(ask(h, "!hiclaw logs ann"), "refused", "no agent ann");
	expect(ask(h, SPEC("m", "")), "done", "");
	expect(ask(h, "!hiclaw logs ann"), "refused", "There is no container");
	with_containers(h);
	expect(ask(h, "!hiclaw logs ann --tail no"), "refused", "a number");
	r = ask_outside(h, "!hiclaw logs ann", question, "{\"lines\":["
	    "{\"stream\":\"stdout\",\"text\":\"hello\"},"
	    "{\"stream\":\"stderr\",\"text\":\"API_KEY=abcdefghijk\"}]}");
	expect(r, "info", "The last 2 lines of ann");
	expect(r, "info", "hello\nAPI_KEY=***");
	expect(ask_outside(h, "!hiclaw logs ann", question,
	    "{\"lines\":[]}"), "info", "ann has said nothing yet");
	expect(ask_outside(h, "!hiclaw logs ann", question, NULL), "refused",
	    "it is asleep");
	/* A long one is a file. */
	buf_puts(&b, "{\"lines\":[");
	for (int i = 0; i < 400; i++)
		buf_printf(&b, "%s{\"text\":\"line number %d of many\"}",
		    i > 0 ? "," : "", i);
	buf_puts(&b, "]}");
	forget_sent(h);
	r = ask_outside(h, "!hiclaw logs ann", question, buf_str(&b));
	expect(r, "info", "The last 400 lines of ann");
	assert_true(sent_n(h) >= 2);
	buf_release(&b);
}

static void
test_exec(void **state)
{
	static const char question[] = "{\"kind\":\"container\",\"question\":{"
	    "\"command\":[\"ls\",\"-l\",\"a b\"],\"name\":\"ann\","
	    "\"op\":\"exec\"}}";
	struct house *h = *state;
	struct json *e, *late;
	const struct json *r;
	char *what = NULL;

	with_containers(h);
	r = ask_outside(h, "!hiclaw exec ann -- ls -l \"a b\"", question,
	    "{\"code\":0,\"output\":\"total 0\\n\"}");
	expect(r, "info", "Done in ann, exit code 0.");
	expect(r, "info", "total 0");
	/* No exit code is no exit code -1. */
	r = ask_outside(h, "!hiclaw exec ann -- ls -l \"a b\"", question,
	    "{\"output\":\"so far\\n\",\"timed_out\":true}");
	expect(r, "info", "not ended after a minute");
	expect(r, "info", "so far");
	r = ask_outside(h, "!hiclaw exec ann -- ls -l \"a b\"", question,
	    "{\"output\":\"so far\\n\",\"cut\":true}");
	expect(r, "info", "more output than I read");
	expect(ask(h, "!hiclaw exec ann"), "refused", "No command given");
	expect(ask(h, "!hiclaw exec ann -- ps | head"), "refused", "sh -c");
	/* Begun, and then we are killed: it is not begun again. */
	e = event_of(h, ADMIN, BOSS, "m.room.message");
	json_set_str(json_get(e, "content"), "msgtype", "m.text");
	json_set_str(json_get(e, "content"), "body",
	    "!hiclaw exec ann -- rm x");
	assert_int_equal(give(h, e, NULL, &what), CHAT_NEEDS_QUERY);
	free(what);
	/* Nor is an edit of it, before and after. */
	late = edit_of(h, ADMIN, BOSS, json_str(e, "event_id"),
	    "!hiclaw exec ann -- rm y");
	assert_int_equal(give(h, late, NULL, &what), CHAT_DONE);
	house_close(h);
	house_open(h);
	assert_int_equal(give(h, e, NULL, &what), CHAT_DONE);
	post(h);
	expect(reply_to(h, json_str(e, "event_id")), "refused",
	    "I was restarted while this command ran");
	assert_int_equal(give(h, late, NULL, &what), CHAT_DONE);
	json_free(late);
	json_free(e);
	/* An edit that is begun is as good as a message. */
	e = edit_of(h, ADMIN, BOSS, speak(h, "!hiclaw exce ann -- rm x"),
	    "!hiclaw exec ann -- rm x");
	for (int i = 0; i < 2; i++) {
		assert_int_equal(give(h, e, NULL, &what), i == 0 ?
		    CHAT_NEEDS_QUERY : CHAT_DONE);
		free(what);
	}
	json_free(e);
}

static void
count_token(const struct token_row *row, void *arg)
{
	int *n = arg;

	(*n)++;
	assert_string_equal(row->subject, "user:" BOSS);
	assert_true(row->expires_ms - row->made_ms == 7 * 86400000LL ||
	    row->expires_ms - row->made_ms == 30 * 86400000LL);
}

static void
test_token(void **state)
{
	struct house *h = *state;
	const struct json *v, *msg = NULL;
	const char *name;
	char *key, *secret, *who, hash[SHA256_HEX];
	int n = 0;

	expect(ask(h, "!hiclaw token --days 7"), "done", "A token for 7 days");
	expect(ask(h, "!hiclaw token"), "done", "A token for 30 days");
	for (v = json_first(h->sent); v != NULL; v = json_next(v))
		if (strstr(body_of(v), "{{secret:token:") != NULL)
			msg = v;
	assert_non_null(msg);
	assert_string_equal(json_str(msg, "room"), "room:dm/" BOSS);
	name = json_str(json_get(msg, "content"), OUTBOX_SECRET);
	key = xstrndup(name, strcspn(name, "/"));
	secret = engine_secret(h->engine, key, "token");
	assert_non_null(secret);
	assert_int_equal(strlen(secret), 64);
	assert_null(strstr(body_of(msg), secret));
	sha256_hex(secret, strlen(secret), hash);
	who = store_token_find(h->store, hash, clock_ms());
	assert_string_equal(who, "user:" BOSS);
	free(who);
	secret_free(secret);
	store_tokens_each(h->store, "user:", count_token, &n);
	assert_int_equal(n, 2);
	/* It was sent: only its hash is left. */
	chat_tick(h->chat);
	store_commit(h->store);
	assert_null(engine_secret(h->engine, key, "token"));
	free(key);
	expect(ask(h, "!hiclaw token revoke"), "done", "2 tokens");
	assert_null(store_token_find(h->store, hash, clock_ms()));
	expect(ask(h, "!hiclaw token revoke"), "done", "You have no token");
	expect(ask(h, "!hiclaw token --days 400"), "refused", "up to 365");
}

static void
test_life_news(void **state)
{
	struct house *h = *state;
	struct json *e;

	with_containers(h);
	expect(ask(h, "!hiclaw sleep ann"), "done", "");
	e = event_of(h, "!room:worker/ann", BOSS, "m.room.message");
	json_set_str(json_get(e, "content"), "body", "@hiclaw_ann hello");
	forget_sent(h);
	assert_true(life_saw(h->life, e));
	life_event(h->life, e);
	assert_string_equal(state_of_agent(h, "ann"), "Running");
	assert_true(wait_for(h, is_quiet));
	post(h);
	expect(reply_to(h, json_str(e, "event_id")), "info", "Waking ann.");
	/* The receipt is in the admin room, and only there. */
	assert_non_null(last_news(h, "wake ann: done"));
	assert_int_equal(finals_of(h, json_str(e, "event_id")), 1);
	json_free(e);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_address), T(test_dm), T(test_dm_receipt),
		T(test_refused), T(test_tiers), T(test_rooms), T(test_rule_words), T(test_macros), T(test_matrix), T(test_tier_2), T(test_run_of_others),
		T(test_encrypted), T(test_paste), T(test_problems),
		T(test_plan), T(test_repairs), T(test_files), T(test_reply),
		T(test_reply_forms),
		T(test_delete), T(test_reaction), T(test_expiry),
		T(test_moved), T(test_edits), T(test_edited_commands), T(test_edited_once),
		T(test_edited_replies), T(test_redaction),
		T(test_member), T(test_prune), T(test_looking), T(test_long),
		T(test_long_delete),
		T(test_failed), T(test_restart), T(test_news),
		T(test_password), T(test_invite), T(test_join_me),
		T(test_grant_and_revoke), T(test_grant_in_a_team),
		T(test_gateway_status), T(test_rotate), T(test_files_and_cat),
		T(test_differences), T(test_many_differences),
		T(test_thread_steps), T(test_thread_fits), T(test_live_fits),
		T(test_owners), T(test_wake_and_sleep), T(test_deaths),
		T(test_logs), T(test_exec), T(test_token), T(test_life_news),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
