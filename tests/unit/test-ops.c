/*
 * Operations: who may do what, as a table, and changes tried on a copy.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hiclaw/file.h"
#include "hiclaw/log.h"
#include "hiclaw/loop.h"
#include "hiclaw/ops.h"

#include "../../src/chat/cmd.h"
#include "../../src/chat/commands.h"
#include "../../src/chat/handlers.h"

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define HEAD(kind, name) "---\napiVersion: hiclaw.io/v1beta1\nkind: " kind \
    "\nmetadata: {name: " name "}\n"
#define HUMAN(name, tier, more) HEAD("Human", name) "spec: {displayName: X, " \
    "permissionLevel: " tier more "}\n"

/* Teams web and sea; alice alone; people of each tier. */
static const char house_text[] =
    HEAD("Team", "web") "spec:\n  leader: {name: lea}\n"
    "  workers: [{name: wim}, {name: wanda}]\n"
    HEAD("Team", "sea") "spec:\n  leader: {name: sam, state: Sleeping}\n"
    "  workers: [{name: sid, state: Stopped}]\n"
    HEAD("Worker", "alice") "spec: {model: m}\n"
    HEAD("Manager", "default") "spec: {model: m}\n"
    HUMAN("ann", "1", "")
    HUMAN("two", "2", ", accessibleTeams: [web], accessibleWorkers: [alice]")
    HUMAN("three", "3", ", accessibleTeams: [web], accessibleWorkers: [sid]");

struct house {
	struct loop	*loop;
	struct store	*store;
	struct engine	*engine;
	struct strv	 admins;
};

static int
no_diff_open(const struct provider_env *env, void **ctx, struct err *err)
{
	*ctx = NULL;
	return 0;
}

static void
nothing_to_close(void *ctx)
{
}

static const struct object_kind no_kinds[] = { { .name = NULL } };
static const struct provider prov = { .name = "none", .concurrency = 1,
    .kinds = no_kinds, .open = no_diff_open, .close = nothing_to_close };
const struct provider *const providers[] = { &prov, NULL };

const struct object_kind *
object_kind_find(const char *name, const struct provider **provider)
{
	return NULL;
}

static void
put(struct house *h, const char *text)
{
	struct problems ps = { 0 };
	struct resource **rs = NULL;
	struct json *action;
	struct attempt ch;
	struct err err;
	size_t n = 0;
	struct run_request rq = { .actor = "@boss:x.org", .title = "t" };

	if (manifest_decode(text, strlen(text), &rs, &n, &ps) == -1)
		fail_msg("%s", problems_text(&ps));
	action = change_apply_action(rs, n, NULL);
	if (change_try(h->engine, action, NULL, &ch, &err) == -1)
		fail_msg("%s", err.msg);
	store_begin(h->store);
	engine_apply(h->engine, ch.plan, ch.after, &rq);
	store_commit(h->store);
	change_release(&ch);
	json_free(action);
	for (size_t i = 0; i < n; i++)
		resource_unref(rs[i]);
	free(rs);
	problems_release(&ps);
}

static int
setup(void **state)
{
	struct house *h = xcalloc(1, sizeof *h);
	struct engine_config cfg = { 0 };
	struct err err;

	log_set_level(LOG_LVL_ERROR);
	strv_add(&h->admins, "@boss:x.org");
	h->store = store_open(":memory:", NULL, &err);
	h->loop = loop_new();
	cfg.world.domain = "x.org";
	cfg.world.prefix = "hiclaw";
	cfg.world.instance = "hiclaw-0123abcd";
	cfg.world.device = "D";
	cfg.world.room_version = "12";
	cfg.world.admins = &h->admins;
	cfg.threads = 1;
	h->engine = engine_new(h->loop, h->store, &cfg, &err);
	assert_non_null(h->engine);
	put(h, house_text);
	*state = h;
	return 0;
}

static int
teardown(void **state)
{
	struct house *h = *state;

	engine_free(h->engine);
	store_commit(h->store);
	store_close(h->store);
	loop_free(h->loop);
	strv_release(&h->admins);
	free(h);
	return 0;
}

/* --- who may do what ----------------------------------------------------- */

/*
 * A letter for each caller of `who`: "." not, "p" only with an approval, "?"
 * after a yes, "y" at once.
 */
static const char *const who[] = { "user:@boss:x.org", "user:@ann:x.org",
	"user:@two:x.org", "user:@three:x.org", "agent:default", "agent:lea",
	"agent:wim", "agent:alice", "user:@nobody:x.org", "agent:gone" };

static const struct {
	enum verb	 verb;
	const char	*target;	/* "Team/web", "Team", or NULL */
	enum risk	 risk;
	const char	*want;		/* boss ann two three manager lea wim
					 * alice stranger gone */
} matrix[] = {
	{ VERB_VERSION, NULL, RISK_NONE,		"yyyyyyyy.." },
	{ VERB_STATUS, NULL, RISK_NONE,			"yyyyyyyy.." },
	{ VERB_LIST, NULL, RISK_NONE,			"yyyyyy...." },
	{ VERB_LIST, "Worker", RISK_NONE,		"yyyyyy...." },
	{ VERB_LIST, "Team", RISK_NONE,			"yyyyyy...." },
	{ VERB_LIST, "Human", RISK_NONE,		"yyyyy....." },
	{ VERB_CREATE, "Worker", RISK_NONE,		"yyy.yy...." },
	{ VERB_CREATE, "Team", RISK_NONE,		"yyy.y....." },
	{ VERB_GET, "Worker/alice", RISK_NONE,		"yyy.y..y.." },
	{ VERB_GET, "Worker/wim", RISK_NONE,		"yyy.yyy..." },
	{ VERB_GET, "Worker/lea", RISK_NONE,		"yyy.yy...." },
	{ VERB_GET, "Worker/sid", RISK_NONE,		"yy.yy....." },
	{ VERB_GET, "Worker/none", RISK_NONE,		"yy..y....." },
	{ VERB_GET, "Team/web", RISK_NONE,		"yyy.yy...." },
	{ VERB_GET, "Team/sea", RISK_NONE,		"yy..y....." },
	{ VERB_GET, "Human/two", RISK_NONE,		"yyy.y....." },
	{ VERB_GET, "Human/three", RISK_NONE,		"yy.yy....." },
	{ VERB_GET, "Manager/default", RISK_NONE,	"yy..y....." },
	{ VERB_PLAN, NULL, RISK_NONE,			"yyy.y....." },
	{ VERB_CREATE, "Worker/new", RISK_CREATE,	"yy..y....." },
	{ VERB_CREATE, "Team/new", RISK_CREATE,		"yy..y....." },
	{ VERB_CREATE, "Human/new", RISK_CREATE,	"yy..p....." },
	{ VERB_CREATE, "Human/new", RISK_PERMISSION,	"yy..p....." },
	{ VERB_UPDATE, "Human/three", RISK_UPDATE,	"yy..p....." },
	{ VERB_UPDATE, "Human/three", RISK_PERMISSION,	"yy..p....." },
	{ VERB_DELETE, "Human/three", RISK_DELETE,	"?\?..p....." },
	{ VERB_UPDATE, "Team/web", RISK_UPDATE,		"yyy.y....." },
	{ VERB_UPDATE, "Team/web", RISK_RESTART,	"yyy.y....." },
	{ VERB_UPDATE, "Team/web", RISK_PERMISSION,	"yyp.y....." },
	{ VERB_UPDATE, "Team/web", RISK_DELETE,		"?\?p.y....." },
	{ VERB_UPDATE, "Team/sea", RISK_UPDATE,		"yy..y....." },
	{ VERB_UPDATE, "Worker/alice", RISK_UPDATE,	"yy..y....." },
	{ VERB_UPDATE, "Worker/wim", RISK_UPDATE,	"yyy.yy...." },
	{ VERB_DELETE, "Team/web", RISK_DELETE,		"?\?p.y....." },
	{ VERB_DELETE, "Worker/alice", RISK_DELETE,	"?\?..y....." },
	{ VERB_WAKE, "Worker/alice", RISK_RESTART,	"yyy.y....." },
	{ VERB_WAKE, "Worker/wim", RISK_RESTART,	"yyy.yy...." },
	{ VERB_SLEEP, "Worker/sid", RISK_RESTART,	"yy.yy....." },
	{ VERB_SLEEP, "Worker/lea", RISK_RESTART,	"yyy.yy...." },
	{ VERB_SLEEP, "Manager/default", RISK_RESTART,	"yy..y....." },
	{ VERB_READY, "Worker/alice", RISK_NONE,	"yy..y..y.." },
	{ VERB_READY, "Worker/wim", RISK_NONE,		"yy..yyy..." },
	{ VERB_READY, "Manager/default", RISK_NONE,	"yy..y....." },
	{ VERB_RESTART, "Worker/alice", RISK_RESTART,	"yy..y....." },
	{ VERB_RESTART, "Worker/wim", RISK_RESTART,	"yyy.yy...." },
	{ VERB_LOGS, "Worker/wim", RISK_NONE,		"yy..yy...." },
	{ VERB_EXEC, "Worker/wim", RISK_NONE,		"yy........" },
	{ VERB_ADMIN, NULL, RISK_NONE,			"yy........" },
};

static void
split_target(const struct house *h, const char *text, struct target *t)
{
	const char *slash = strchr(text, '/');
	char *kind = xstrndup(text, strcspn(text, "/"));

	*t = (struct target){ .kind = kind_find(kind) };
	if (slash != NULL)
		target_find(engine_resources(h->engine), kind_find(kind), slash + 1,
	    t);
	free(kind);
}

static void
test_may(void **state)
{
	struct house *h = *state;
	bool seen[VERB_ADMIN + 1] = { false };
	struct caller c;
	struct target t;
	char why[256];

	for (size_t i = 0; i < NELEM(matrix); i++) {
		seen[matrix[i].verb] = true;
		assert_int_equal(strlen(matrix[i].want), NELEM(who));
		if (matrix[i].target != NULL)
			split_target(h, matrix[i].target, &t);
		for (size_t j = 0; j < NELEM(who); j++) {
			enum may may;

			caller_find(h->engine, who[j], &c);
			may = ops_may(&c, matrix[i].verb, matrix[i].target !=
			    NULL ? &t : NULL, matrix[i].risk, why,
			    sizeof why);
			if (".p?y"[may] != matrix[i].want[j])
				fail_msg("row %zu (%s %s): %s: \"%c\" %s", i,
				    verb_name(matrix[i].verb),
				    matrix[i].target, who[j], ".p?y"[may],
				    why);
			assert_int_equal(why[0] == '\0', may == MAY_NOW);
			caller_release(&c);
		}
	}
	for (enum verb v = VERB_VERSION; v <= VERB_ADMIN; v++)
		if (!seen[v])
			fail_msg("no row for \"%s\"", verb_name(v));
}

/*
 * What denies stands before what allows, so that it wins, and no number is of two
 * rules: people have them from answers.  Each is in the manual.
 */
static void
test_rules(void **state)
{
	const char *srcdir = getenv("srcdir"), *name;
	char *path = xasprintf("%s/man/hiclaw-commands.7", srcdir != NULL ?
	    srcdir : "."), *man, *item;
	enum may says, before = MAY_NOT;
	int number, last = 0;
	struct err err;
	size_t n = 0;

	(void)state;
	assert_non_null(man = file_read(path, 1 << 20, &err));
	for (; rule_at(n, &number, &name, &says); n++) {
		assert_true(number > last);
		assert_true(says >= before);
		item = xasprintf(" %d %s", number, name);
		if (strstr(man, item) == NULL)
			fail_msg("rule%s is not in the manual", item);
		free(item);
		last = number;
		before = says;
	}
	assert_true(n > 10);
	free(man);
	free(path);
}

static void
test_ruling(void **state)
{
	static const struct {
		const char *who, *target;
		enum verb verb;
		enum risk risk;
		int number;
		const char *rule;
	} rows[] = {
		{ "user:@nobody:x.org", NULL, VERB_STATUS, RISK_NONE, 1,
		    "known-only" },
		{ "user:@three:x.org", "Worker/wim", VERB_RESTART, RISK_NONE,
		    2, "tier-of-verb" },
		{ "user:@two:x.org", "Team/sea", VERB_UPDATE, RISK_UPDATE, 3,
		    "own-teams" },
		{ "user:@two:x.org", "Worker/sid", VERB_GET, RISK_NONE, 4,
		    "own-work" },
		{ "agent:default", "Worker/wim", VERB_EXEC, RISK_NONE, 5,
		    "for-people" },
		{ "agent:lea", "Team/web", VERB_DELETE, RISK_DELETE, 6,
		    "leader-verbs" },
		{ "agent:lea", "Worker/sid", VERB_WAKE, RISK_NONE, 7,
		    "own-team" },
		{ "agent:alice", "Worker/alice", VERB_WAKE, RISK_NONE, 8,
		    "worker-verbs" },
		{ "agent:alice", "Worker/wim", VERB_GET, RISK_NONE, 9,
		    "itself" },
		{ "agent:default", "Human/new", VERB_CREATE, RISK_CREATE, 20,
		    "people-by-people" },
		{ "user:@two:x.org", "Team/web", VERB_DELETE, RISK_DELETE, 22,
		    "second-person" },
		{ "user:@ann:x.org", "Team/web", VERB_DELETE, RISK_DELETE, 30,
		    "asked-first" },
		{ "user:@boss:x.org", NULL, VERB_EXEC, RISK_NONE, 40,
		    "tier-1" },
		{ "agent:wim", NULL, VERB_STATUS, RISK_NONE, 45, "worker" },
	};
	struct house *h = *state;
	struct ruling r;
	struct caller c;
	struct target t;

	for (size_t i = 0; i < NELEM(rows); i++) {
		if (rows[i].target != NULL)
			split_target(h, rows[i].target, &t);
		caller_find(h->engine, rows[i].who, &c);
		ops_rule(&c, rows[i].verb, rows[i].target != NULL ? &t : NULL,
		    rows[i].risk, &r);
		if (r.number != rows[i].number ||
		    strcmp(r.rule, rows[i].rule) != 0)
			fail_msg("row %zu: %d %s: %s", i, r.number, r.rule,
			    r.why);
		assert_null(strchr(r.why, '{'));
		caller_release(&c);
	}
	/* Whatever gives rights is not for agents, whatever else it is. */
	split_target(h, "Team/web", &t);
	t.gives_rights = true;
	caller_find(h->engine, "agent:default", &c);
	ops_rule(&c, VERB_UPDATE, &t, RISK_CREDENTIAL, &r);
	assert_int_equal(r.may, MAY_PROPOSE);
	assert_int_equal(r.number, 21);
	caller_release(&c);
}

/* The files of commands ask for at least what the rules do. */
static void
test_commands(void **state)
{
	const char *srcdir = getenv("srcdir");
	char *dir = xasprintf("%s/commands", srcdir != NULL ? srcdir : ".");
	struct err err;
	struct commands *cs = commands_load(dir, handler_names(), &err);

	assert_non_null(cs);
	for (size_t i = 0; i < commands_n(cs); i++) {
		const struct command *c = commands_at(cs, i);

		if (c->tier > verb_tier(handlers[c->handler].verb))
			fail_msg("commands/%s.yaml promises tier %d what takes "
			    "tier %d", c->name, c->tier,
			    verb_tier(handlers[c->handler].verb));
	}
	commands_free(cs);
	free(dir);
}

/* --- changes ------------------------------------------------------------- */

static const char *
state_after(const struct attempt *ch, const char *name)
{
	struct target t;

	target_find(ch->after, NULL, name, &t);
	assert_non_null(t.resource);
	return json_strd(t.spec, "state", "-");
}

static void
test_state(void **state)
{
	static const struct {
		const char *state, *names[4], *title, *want[4];
		size_t puts;
	} rows[] = {
		{ "Sleeping", { "alice" }, "sleep alice", { "Sleeping" }, 1 },
		{ "Sleeping", { "default" }, "sleep default", { "Sleeping" },
		    1 },
		{ "Sleeping", { "lea" }, "sleep lea", { "Sleeping" }, 1 },
		/* Two of one Team are one change of it. */
		{ "Sleeping", { "wim", "wanda", "lea" }, "sleep 3 agents",
		    { "Sleeping", "Sleeping", "Sleeping" }, 1 },
		{ "Sleeping", { "wim", "sid", "alice" }, "sleep 3 agents",
		    { "Sleeping", "Sleeping", "Sleeping" }, 3 },
		/* As it is already. */
		{ "Sleeping", { "sam" }, "sleep sam", { "Sleeping" }, 0 },
		{ "Running", { "wim" }, "wake wim", { "-" }, 0 },
		{ "Running", { "sam", "sid" }, "wake 2 agents",
		    { "Running", "Running" }, 1 },
		{ "Stopped", { "wanda" }, "stop wanda", { "Stopped" }, 1 },
	};
	struct house *h = *state;
	struct attempt ch;
	struct err err;

	for (size_t i = 0; i < NELEM(rows); i++) {
		struct json *a = change_state_action(rows[i].state);

		for (size_t j = 0; rows[i].names[j] != NULL; j++)
			change_state_add(a, rows[i].names[j]);
		assert_string_equal(json_str(a, "title"), rows[i].title);
		if (change_try(h->engine, a, NULL, &ch, &err) == -1)
			fail_msg("row %zu: %s", i, err.msg);
		assert_int_equal(ch.put_n, rows[i].puts);
		for (size_t j = 0; rows[i].names[j] != NULL; j++)
			assert_string_equal(state_after(&ch,
			    rows[i].names[j]), rows[i].want[j]);
		/* Everybody else stays as they were. */
		assert_int_equal(resources_n(ch.after),
		    resources_n(engine_resources(h->engine)));
		change_release(&ch);
		json_free(a);
	}
}

static void
test_state_refused(void **state)
{
	struct house *h = *state;
	struct json *a = change_state_action("Sleeping");
	struct attempt ch;
	struct err err;

	change_state_add(a, "alic");
	assert_int_equal(change_try(h->engine, a, NULL, &ch, &err), -1);
	assert_int_equal(err.kind, ERR_NOTFOUND);
	assert_non_null(strstr(err.msg, "did you mean alice"));
	change_release(&ch);
	json_free(a);
	a = change_state_action("Dancing");
	change_state_add(a, "alice");
	assert_int_equal(change_try(h->engine, a, NULL, &ch, &err), -1);
	assert_int_equal(err.kind, ERR_USER);
	change_release(&ch);
	json_free(a);
}

/* What a change as a whole may, is what its least part may. */
static void
test_change_may(void **state)
{
	struct house *h = *state;
	struct json *a = change_state_action("Sleeping");
	struct attempt ch;
	struct caller c;
	struct err err;
	char why[256];

	change_state_add(a, "wim");
	assert_int_equal(change_try(h->engine, a, NULL, &ch, &err), 0);
	assert_true(caller_find(h->engine, "user:@two:x.org", &c));
	assert_int_equal(change_may(h->engine, &c, a, &ch, why, sizeof why),
	    MAY_NOW);
	change_release(&ch);
	change_state_add(a, "sid");
	assert_int_equal(change_try(h->engine, a, NULL, &ch, &err), 0);
	assert_int_equal(change_may(h->engine, &c, a, &ch, why, sizeof why),
	    MAY_NOT);
	assert_non_null(strstr(why, "Worker/sid"));
	change_release(&ch);
	caller_release(&c);
	json_free(a);
}

static int
may_apply(struct house *h, const char *subject, const char *text)
{
	struct problems ps = { 0 };
	struct resource **rs = NULL;
	struct json *a;
	struct attempt ch;
	struct caller c;
	struct err err;
	size_t n = 0;
	enum may may;
	char why[256];

	assert_int_equal(manifest_decode(text, strlen(text), &rs, &n, &ps),
	    0);
	a = change_apply_action(rs, n, NULL);
	assert_int_equal(change_try(h->engine, a, NULL, &ch, &err), 0);
	assert_true(caller_find(h->engine, subject, &c));
	may = change_may(h->engine, &c, a, &ch, why, sizeof why);
	caller_release(&c);
	change_release(&ch);
	json_free(a);
	for (size_t i = 0; i < n; i++)
		resource_unref(rs[i]);
	free(rs);
	problems_release(&ps);
	return may;
}

/* Rights are rights, also where no object says so. */
static void
test_fields_risk(void **state)
{
	static const char more[] = HEAD("Team", "web")
	    "spec:\n  leader: {name: lea}\n"
	    "  workers: [{name: wim, soul: S}, {name: wanda}]\n";
	static const char rights[] = HEAD("Team", "web")
	    "spec:\n  leader: {name: lea}\n  peerMentions: false\n"
	    "  workers: [{name: wim}, {name: wanda}]\n";
	struct house *h = *state;

	assert_int_equal(may_apply(h, "user:@two:x.org", more), MAY_NOW);
	assert_int_equal(may_apply(h, "user:@two:x.org", rights),
	    MAY_PROPOSE);
	assert_int_equal(may_apply(h, "user:@three:x.org", more), MAY_NOT);
	assert_int_equal(may_apply(h, "user:@ann:x.org", rights), MAY_NOW);
	assert_int_equal(may_apply(h, "user:@two:x.org",
	    HEAD("Worker", "new") "spec: {model: m}\n"), MAY_NOT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_may), T(test_rules), T(test_ruling), T(test_commands), T(test_state),
		T(test_state_refused), T(test_change_may),
		T(test_fields_risk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
