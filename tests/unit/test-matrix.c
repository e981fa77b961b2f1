/*
 * Matrix: the pure half by tables, the calling half against a homeserver that
 * is a script: a list of calls it expects and what it answers to each.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "hiclaw/httpd.h"
#include "hiclaw/loop.h"
#include "hiclaw/matrix.h"
#include "hiclaw/provider.h"

#define BOT	"@hiclaw:d"
#define ME	"hiclaw-1234abcd"

/* ' stands for " so that JSON can be read here. */
static struct json *
J(const char *fmt, ...)
{
	va_list ap;
	char *text, *p;
	struct json *j;
	struct err e = {0};

	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	for (p = text; *p != '\0'; p++) {
		if (*p == '\'')
			*p = '"';
	}
	j = json_parse(text, strlen(text), &e);
	if (j == NULL)
		fail_msg("test JSON: %s: %s", e.msg, text);
	free(text);
	return j;
}

static void
assert_json(const struct json *got, const char *want)
{
	struct json *w = J("%s", want);
	char *a = json_canonical(got), *b = json_canonical(w);

	assert_string_equal(a, b);
	free(a);
	free(b);
	json_free(w);
}

static char *
changes_text(const struct changes *c)
{
	struct buf b = {0};
	size_t i;

	for (i = 0; i < c->n; i++)
		buf_printf(&b, "%s%s: %s > %s (%s)", i > 0 ? "; " : "",
		    c->v[i].what, c->v[i].from ? c->v[i].from : "-",
		    c->v[i].to ? c->v[i].to : "-", risk_name(c->v[i].risk));
	return buf_take(&b);
}

/* --- the room object ---------------------------------------------------- */

#define POWER	"{'users_default':0,'events_default':0,'state_default':75," \
    "'invite':75,'kick':75,'ban':75,'redact':50," \
    "'notifications':{'room':50}," \
    "'events':{'m.room.power_levels':100,'m.room.tombstone':100," \
    "'m.room.server_acl':100,'m.room.encryption':100," \
    "'m.room.history_visibility':100},"
#define DESIRED "{'alias':'hiclaw_t','name':'T','topic':'about'," \
    "'avatar':'mxc://d/a','parent':'!space','version':'12'," \
    "'federate':false,'join_rule':'invite','history':'shared'," \
    "'members':{'@hiclaw_a:d':'agent','@p:d':'person','@q:far':'person'}," \
    "'names':{'@hiclaw_a:d':'a'},'power':{'@hiclaw_a:d':50,'@p:d':100}}"
#define OBSERVED "{'room_id':'!r','instance':'" ME "','version':'12'," \
    "'creator':'" BOT "','marker':'room:t','alias':'#hiclaw_t:d'," \
    "'name':'T','topic':'about','avatar':'mxc://d/a','join_rule':'invite'," \
    "'history':'shared','guest':'forbidden','parent':'!space'," \
    "'power':" POWER "'historical':100,'users':{'@hiclaw_a:d':50," \
    "'@p:d':100}},'left':{},'members':{'" BOT "':'join'," \
    "'@hiclaw_a:d':'join','@p:d':'invite','@q:far':'join'}}"

static void
test_power(void **state)
{
	struct json *d = J(DESIRED), *p;

	p = room_power(d, BOT);
	assert_json(p, POWER "'users':{'@hiclaw_a:d':50,'@p:d':100}}");
	json_free(p);
	json_set_str(d, "version", "11");
	p = room_power(d, BOT);
	assert_json(p, POWER "'users':{'@hiclaw_a:d':50,'@p:d':100,'" BOT
	    "':150}}");
	json_free(p);
	json_set_str(d, "version", "9");
	json_set_bool(d, "space", true);
	/* What would make the event invalid, and so the room half-built. */
	json_set(d, "power", J("{'" BOT "':100,'x':5,'@y':5,'@z:d':-3,"
	    "'@w:d':900,'!r:d':4}"));
	p = room_power(d, BOT);
	assert_int_equal(json_int(p, "events_default", -1), 75);
	assert_json(json_get(p, "users"), "{'" BOT "':150,'@w:d':100,"
	    "'@z:d':0}");
	json_free(p);
	json_free(d);
}

/* Set a dotted path of the form (NULL: remove), and see what differs. */
static const struct diff_case {
	const char	*side;		/* "o" or "d" */
	const char	*path, *value;
	const char	*want;
} diff_cases[] = {
	{ "o", "name", "'T'", "" },
	{ "o", "name", "'X'", "name: X > T (update)" },
	{ "o", "name", NULL, "name: - > T (update)" },
	{ "o", "name", "7", "name: - > T (update)" },
	{ "o", "topic", "'y'", "topic: y > about (update)" },
	{ "d", "topic", NULL, "topic: about >  (update)" },
	{ "d", "topic", "null", "" },
	{ "d", "avatar", "null", "" },
	{ "d", "avatar", NULL, "" },
	{ "d", "avatar", "'mxc://d/b'",
	    "avatar: mxc://d/a > mxc://d/b (update)" },
	{ "o", "join_rule", "'public'", "join rule: public > invite (update)" },
	{ "o", "history", "'joined'", "history: joined > shared (update)" },
	{ "o", "guest", "'can_join'",
	    "guest access: can_join > forbidden (update)" },
	{ "o", "alias", NULL, "alias: - > #hiclaw_t:d (update)" },
	{ "o", "alias", "'#x:d'", "alias: #x:d > #hiclaw_t:d (update)" },
	{ "d", "alias", NULL, "" },
	{ "o", "marker", NULL, "marker: - > set (update)" },
	{ "o", "tampered", "true", "marker: - > set (update)" },
	{ "d", "parent", "null", "" },
	{ "d", "parent", NULL, "space: !space > - (update)" },
	{ "d", "parent", "'!two'", "space: !space > !two (update)" },
	{ "o", "parent", NULL, "space: - > !space (update)" },
	{ "d", "direct", "'@p:d'", "direct chat: - > @p:d (update)" },
	{ "o", "room_id", NULL, "room: - > T (create)" },
	/* members */
	{ "o", "members.@p:d", NULL, "member @p:d: - > invite (update)" },
	{ "o", "members.@p:d", "'join'", "" },
	{ "o", "members.@p:d", "'knock'",
	    "member @p:d: knock > invite (update)" },
	{ "o", "members.@p:d", "'ban'", "member @p:d: ban > invite (update)" },
	{ "o", "members.@hiclaw_a:d", "'invite'",
	    "member @hiclaw_a:d: invite > join (update)" },
	{ "o", "members.@hiclaw_a:d", NULL,
	    "member @hiclaw_a:d: - > join (update)" },
	{ "o", "members.@evil:d", "'join'",
	    "member @evil:d: join > - (update)" },
	{ "o", "members.@evil:d", "'invite'",
	    "member @evil:d: invite > - (update)" },
	{ "o", "members.@evil:d", "'knock'", "" },
	{ "o", "members.@evil:d", "'ban'", "" },
	{ "o", "members." BOT, NULL, "member " BOT ": - > join (update)" },
	{ "d", "members.@new:d", "null", "" },
	{ "d", "members.@p:d", "null", "" },
	{ "d", "members.@new:d", "'@new:d'",
	    "member @new:d: - > invite (update)" },
	/* power */
	{ "o", "power.users.@evil:d", "50",
	    "power @evil:d: 50 > 0 (update)" },
	{ "o", "power.users.@evil:d", "0", "" },
	{ "o", "power.users.@evil:d", "'50'", "power @evil:d: ? > 0 (update)" },
	{ "o", "power.users.@p:d", "0",
	    "power @p:d: 0 > 100 (permission)" },
	{ "o", "power.users.@p:d", NULL,
	    "power @p:d: 0 > 100 (permission)" },
	{ "o", "power.kick", "0", "power to kick: 0 > 75 (update)" },
	{ "o", "power.kick", NULL, "power to kick: 50 > 75 (update)" },
	{ "o", "power.redact", NULL, "" },
	{ "o", "power.notifications", "3", "" },
	{ "o", "power.notifications", "{'room':0}",
	    "power to notify: 0 > 50 (update)" },
	{ "o", "power.events.m~room~name", "0",
	    "power to send m.room.name: 0 > not set (update)" },
	{ "o", "power.historical", "3", "" },
	{ "o", "power.anything", "{}", "" },
};

static void
set_path(struct json *root, const char *path, const char *value)
{
	struct strv parts = {0};
	struct json *o = root;
	size_t i;
	char *p;

	strv_split(&parts, path, '.');
	for (i = 0; i < parts.n; i++) {
		for (p = parts.v[i]; *p != '\0'; p++) {
			if (*p == '~')
				*p = '.';
		}
	}
	for (i = 0; i + 1 < parts.n; i++)
		o = json_obj(o, parts.v[i]);
	if (value == NULL)
		json_remove(o, parts.v[i]);
	else {
		struct json *v = J("{'v':%s}", value);

		json_set(o, parts.v[i], json_copy(json_get(v, "v")));
		json_free(v);
	}
	strv_release(&parts);
}

static void
test_diff(void **state)
{
	const struct diff_case *c;
	struct json *d, *o;
	struct changes ch;
	char *got;
	size_t i;

	for (i = 0; i < NELEM(diff_cases); i++) {
		c = &diff_cases[i];
		d = J(DESIRED);
		o = J(OBSERVED);
		set_path(c->side[0] == 'o' ? o : d, c->path, c->value);
		ch = (struct changes){0};
		room_diff(d, o, &ch);
		got = changes_text(&ch);
		if (strcmp(got, c->want) != 0)
			fail_msg("%s %s=%s: got \"%s\", want \"%s\"", c->side,
			    c->path, c->value ? c->value : "-", got, c->want);
		free(got);
		changes_release(&ch);
		json_free(d);
		json_free(o);
	}
}

/* --- nobody is locked out ------------------------------------------------ */

/* On "o" or "d" as above, or: "p", the power to be sent; then a kick. */
static const struct lockout_case {
	const char	*o, *d, *power, *kick;	/* members put over the forms */
	bool		 joined;
	const char	*why;			/* part of it; NULL: may be */
} lockout_cases[] = {
	/* @p:d runs the room, and goes on doing so. */
	{ "{}", "{}", "{'users':{'@p:d':100}}", NULL, true, NULL },
	{ "{}", "{}", "{'users':{'@p:d':75}}", NULL, true, NULL },
	/* Another one is to, and has not come. */
	{ "{'members':{'@p:d':'join','@n:d':'invite'}}",
	    "{'members':{'@n:d':'person'},'power':{'@n:d':100}}",
	    "{'users':{'@n:d':100}}", NULL, true,
	    "@p:d is the last person who can run this room and stays until "
	    "@n:d has joined it" },
	{ "{'members':{'@p:d':'join','@n:d':'invite'}}",
	    "{'members':{'@n:d':'person'},'power':{'@n:d':100}}",
	    NULL, "@p:d", true, "stays until @n:d" },
	/* ... where an invitation is enough. */
	{ "{'members':{'@p:d':'join','@n:d':'invite'}}",
	    "{'members':{'@n:d':'person'},'power':{'@n:d':100}}",
	    "{'users':{'@n:d':100}}", NULL, false, NULL },
	{ "{'members':{'@p:d':'join'}}",
	    "{'members':{'@n:d':'person'},'power':{'@n:d':100}}",
	    "{'users':{'@n:d':100}}", NULL, false, "been asked in" },
	/* ... has come. */
	{ "{'members':{'@p:d':'join','@n:d':'join'}}",
	    "{'members':{'@n:d':'person'},'power':{'@n:d':100}}",
	    "{'users':{'@n:d':100}}", NULL, true, NULL },
	/* ... has come, and has no power yet: that comes first. */
	{ "{'members':{'@p:d':'join','@n:d':'join'}}",
	    "{'members':{'@n:d':'person'},'power':{'@n:d':100}}",
	    NULL, "@p:d", true, "@p:d is the last" },
	{ "{'members':{'@p:d':'join','@n:d':'join'},"
	    "'power':{'users':{'@p:d':100,'@n:d':100}}}",
	    "{'members':{'@n:d':'person'},'power':{'@n:d':100}}",
	    NULL, "@p:d", true, NULL },
	/* ... has come and gone, which is their own affair. */
	{ "{'members':{'@p:d':'join'},'left':{'@n:d':true}}",
	    "{'members':{'@n:d':'person'},'power':{'@n:d':100}}",
	    "{'users':{'@n:d':100}}", NULL, true, NULL },
	/* An agent is nobody who could. */
	{ "{'members':{'@p:d':'join','@hiclaw_a:d':'join'}}",
	    "{'power':{'@hiclaw_a:d':100,'@n:d':100}}",
	    "{'users':{'@hiclaw_a:d':100,'@n:d':100}}", NULL, true,
	    "until @n:d" },
	/* Nobody is to run it; nobody runs it; who goes does not run it. */
	{ "{'members':{'@p:d':'join'}}", "{'power':{}}", "{'users':{}}", NULL,
	    true, NULL },
	{ "{'members':{'@p:d':'invite'}}", "{'power':{'@n:d':100}}",
	    "{'users':{'@n:d':100}}", NULL, true, NULL },
	{ "{'members':{'@p:d':'join','@q:far':'join'}}",
	    "{'power':{'@n:d':100}}", NULL, "@q:far", true, NULL },
	/* The controller: not the maker of the room, or in an old one. */
	{ "{'creator':'@else:d'}", "{}", "{'users':{'@p:d':100}}", NULL, true,
	    "the controller (" BOT ") would be at power 0 and needs 100" },
	{ "{'creator':'@else:d'}", "{}", "{'users':{'" BOT "':150}}", NULL,
	    false, "@p:d is the last" },
	{ "{'version':'11'}", "{}", "{'users':{'" BOT "':150,'@p:d':100}}",
	    NULL, true, NULL },
	{ "{'version':'11'}", "{}", "{'users':{'" BOT "':75,'@p:d':75}}",
	    NULL, true, "at power 75 and needs 100" },
	{ "{'version':'11'}", "{}", "{'users':{'" BOT "':100,'@p:d':100}}",
	    NULL, true, "@p:d would be at power 100 and the controller" },
	{ "{}", "{}", NULL, BOT, false, "put itself out" },
};

static void
put_over(struct json *form, const char *members)
{
	struct json *over = J(members);
	const struct json *v;

	for (v = json_first(over); v != NULL; v = json_next(v))
		json_set(form, json_key(v), json_copy(v));
	json_free(over);
}

/* The power to be sent: the constants, and these users. */
static struct json *
power_of(const char *users)
{
	struct json *p = J(POWER "'users':{}}");

	put_over(p, users);
	return p;
}

static void
test_lockout(void **state)
{
	for (size_t i = 0; i < NELEM(lockout_cases); i++) {
		const struct lockout_case *c = &lockout_cases[i];
		struct json *d = J(DESIRED), *o = J(OBSERVED), *p = NULL;
		struct room_write w = { .bot = BOT, .desired = d,
		    .observed = o, .kick = c->kick, .joined = c->joined };
		struct err e = {0};
		int rv;

		set_path(o, "members.@p:d", "'join'");
		put_over(o, c->o);
		put_over(d, c->d);
		if (c->power != NULL)
			w.power = p = power_of(c->power);
		rv = room_may_write(&w, &e);
		if ((rv == 0) != (c->why == NULL) || (c->why != NULL &&
		    strstr(e.msg, c->why) == NULL))
			fail_msg("%zu: %d, \"%s\"", i, rv, e.msg);
		if (rv == -1)
			assert_int_equal(e.kind, ERR_CONFLICT);
		json_free(p);
		json_free(o);
		json_free(d);
	}
}

/* Where the desired form is written, no write of ours is held up. */
static void
test_lockout_settled(void **state)
{
	static const char *const versions[] = { "9", "11", "12" };
	struct json *d = J(DESIRED), *o = J(OBSERVED), *p;
	struct err e;

	for (size_t i = 0; i < NELEM(versions); i++) {
		struct room_write w = { .bot = BOT, .desired = d,
		    .observed = o, .joined = true };

		json_set_str(d, "version", versions[i]);
		json_set_str(o, "version", versions[i]);
		set_path(o, "members.@p:d", "'join'");
		w.power = p = room_power(d, BOT);
		assert_int_equal(room_may_write(&w, &e), 0);
		json_free(p);
	}
	json_free(d);
	json_free(o);
}

static void
test_diff_left(void **state)
{
	struct json *d = J(DESIRED), *o = J(OBSERVED);
	struct changes ch = {0};

	set_path(o, "members.@p:d", NULL);
	set_path(o, "left.@p:d", "true");
	room_diff(d, o, &ch);
	assert_int_equal(ch.n, 0);
	assert_true(room_reinvite(o, "@p:d"));
	assert_false(room_reinvite(o, "@p:d"));
	room_diff(d, o, &ch);
	assert_int_equal(ch.n, 1);
	assert_string_equal(ch.v[0].to, "invite");
	changes_release(&ch);
	room_diff(d, NULL, &ch);
	assert_int_equal(ch.n, 1);
	assert_int_equal(ch.v[0].risk, RISK_CREATE);
	changes_release(&ch);
	json_free(d);
	json_free(o);
}

/* --- events ------------------------------------------------------------- */

#define EV(type, key, sender, content) "{'type':'" type "','state_key':'" key \
    "','sender':'" sender "','room_id':'!r','content':" content "}"

static const struct absorb_case {
	const char	*event;
	bool		 changed;
	const char	*path, *want;	/* what is then there; NULL: nothing */
} absorb_cases[] = {
	{ EV("m.room.name", "", "@x:d", "{'name':'N'}"), true, "name", "'N'" },
	{ EV("m.room.name", "", "@x:d", "{'name':'T'}"), false, "name", "'T'" },
	{ EV("m.room.name", "", "@x:d", "{'name':7}"), true, "name", NULL },
	{ EV("m.room.name", "", "@x:d", "{}"), true, "name", NULL },
	{ EV("m.room.name", "", "@x:d", "[]"), false, "name", "'T'" },
	{ EV("m.room.name", "k", "@x:d", "{'name':'N'}"), false, "name", "'T'" },
	{ EV("m.room.topic", "", "@x:d", "{'topic':''}"), true, "topic", NULL },
	{ EV("m.room.canonical_alias", "", "@x:d", "{}"), true, "alias", NULL },
	{ EV("m.room.join_rules", "", "@x:d", "{'join_rule':'public'}"), true,
	    "join_rule", "'public'" },
	{ EV("m.room.guest_access", "", "@x:d", "{'guest_access':null}"), true,
	    "guest", NULL },
	{ EV("m.room.power_levels", "", "@x:d", "{'users':[]}"), true,
	    "power.users", "[]" },
	{ EV("m.room.create", "", "@evil:d", "{'room_version':'1'}"), false,
	    "creator", "'" BOT "'" },
	{ EV("m.room.member", "@p:d", "@p:d", "{'membership':'join'}"), true,
	    "members.@p:d", "'join'" },
	{ EV("m.room.member", "@p:d", "@p:d", "{'membership':'leave'}"), true,
	    "left.@p:d", "true" },
	{ EV("m.room.member", "@p:d", "@x:d", "{'membership':'leave'}"), true,
	    "left.@p:d", NULL },
	{ EV("m.room.member", "@p:d", "@x:d", "{'membership':'leave'}"), true,
	    "members.@p:d", NULL },
	{ EV("m.room.member", "@s:d", "@x:d", "{'membership':'leave'}"), false,
	    "members.@s:d", NULL },
	{ EV("m.room.member", "@p:d", "@x:d", "{'membership':'odd'}"), false,
	    "members.@p:d", "'invite'" },
	{ EV("m.room.member", "@p:d", "@x:d", "{'membership':{}}"), false,
	    "members.@p:d", "'invite'" },
	{ EV("m.room.member", "nobody", "@x:d", "{'membership':'join'}"), false,
	    "members.nobody", NULL },
	{ EV("io.hiclaw.object", ME, "@x:d", "{'key':'other'}"), true,
	    "tampered", "true" },
	{ EV("io.hiclaw.object", ME, "@x:d", "{}"), true, "tampered", "true" },
	{ EV("io.hiclaw.object", ME, "@x:d", "{'key':'room:t'}"), false,
	    "marker", "'room:t'" },
	{ EV("io.hiclaw.object", "else", "@x:d", "{'key':'other'}"), false,
	    "marker", "'room:t'" },
	{ "{'type':'m.space.child','state_key':'!r','room_id':'!space',"
	    "'sender':'@x:d','content':{}}", true, "parent", NULL },
	{ "{'type':'m.space.child','state_key':'!r','room_id':'!space',"
	    "'sender':'@x:d','content':{'via':[]}}", true, "parent", NULL },
	{ "{'type':'m.space.child','state_key':'!r','room_id':'!theirs',"
	    "'sender':'@x:d','content':{'via':['d']}}", false, "parent",
	    "'!space'" },
	{ "{'type':'m.space.child','state_key':'!z','room_id':'!space',"
	    "'sender':'@x:d','content':{}}", false, "parent", "'!space'" },
	{ "{'type':'m.room.name','state_key':'','room_id':'!other',"
	    "'content':{'name':'N'}}", false, "name", "'T'" },
	{ "{'type':'m.room.name','room_id':'!r','content':{'name':'N'}}",
	    false, "name", "'T'" },
	{ "{'type':'m.room.name','state_key':'','content':{'name':'N'}}",
	    true, "name", "'N'" },
	{ "{'type':[],'state_key':{},'room_id':3}", false, "name", "'T'" },
	{ "{}", false, "name", "'T'" },
};

static void
test_absorb(void **state)
{
	const struct absorb_case *c;
	struct json *o, *ev, *v;
	char *got, *want;
	size_t i;

	for (i = 0; i < NELEM(absorb_cases); i++) {
		c = &absorb_cases[i];
		o = J(OBSERVED);
		ev = J("%s", c->event);
		v = J("{'v':%s}", c->want ? c->want : "null");
		if (room_absorb(o, ev) != c->changed)
			fail_msg("%s: changed is not %d", c->event, c->changed);
		got = json_canonical(json_path(o, c->path));
		want = json_canonical(json_get(v, "v"));
		if (strcmp(got, want) != 0)
			fail_msg("%s: %s is %s, not %s", c->event, c->path, got,
			    want);
		/* Safe twice. */
		assert_false(room_absorb(o, ev));
		free(got);
		free(want);
		json_free(o);
		json_free(ev);
		json_free(v);
	}
}

/* --- the body of createRoom --------------------------------------------- */

static void
test_create_body(void **state)
{
	struct json *d = J(DESIRED), *b;

	set_path(d, "members.@pending:d", "null");
	set_path(d, "members." BOT, "'person'");
	b = room_create_body(d, BOT, "room:t", ME);
	assert_json(b, "{'preset':'private_chat','room_version':'12',"
	    "'name':'T','topic':'about','room_alias_name':'hiclaw_t',"
	    "'creation_content':{'m.federate':false},"
	    "'power_level_content_override':" POWER
	    "'users':{'@hiclaw_a:d':50,'@p:d':100}},'initial_state':["
	    "{'type':'io.hiclaw.object','state_key':'" ME "',"
	    "'content':{'key':'room:t'}},"
	    "{'type':'m.room.history_visibility','state_key':'',"
	    "'content':{'history_visibility':'shared'}},"
	    "{'type':'m.room.guest_access','state_key':'',"
	    "'content':{'guest_access':'forbidden'}},"
	    "{'type':'m.room.avatar','state_key':'',"
	    "'content':{'url':'mxc://d/a'}},"
	    "{'type':'m.space.parent','state_key':'!space',"
	    "'content':{'via':['d'],'canonical':true}}],"
	    "'invite':['@hiclaw_a:d','@p:d']}");
	json_free(b);
	json_free(d);
	d = J("{'name':'S','space':true,'version':'11','direct':'@p:d',"
	    "'join_rule':'knock','federate':true,'avatar':null,'parent':null,"
	    "'members':{'@p:d':'person'},'power':{}}");
	b = room_create_body(d, BOT, "room:s", ME);
	assert_string_equal(json_str(json_get(b, "creation_content"), "type"),
	    "m.space");
	assert_true(json_bool(json_get(b, "creation_content"), "m.federate",
	    false));
	assert_true(json_bool(b, "is_direct", false));
	assert_null(json_get(b, "room_alias_name"));
	assert_null(json_get(b, "topic"));
	assert_int_equal(json_size(json_get(b, "initial_state")), 4);
	json_free(b);
	json_free(d);
}

static void
test_from_state(void **state)
{
	struct json *events = J("["
	    "{'type':'m.room.create','state_key':'','sender':'" BOT "',"
	    "'room_id':'!r','content':{'room_version':'12'}},"
	    EV("m.room.name", "", BOT, "{'name':'T'}") ","
	    EV("io.hiclaw.object", ME, BOT, "{'key':'room:t'}") ","
	    EV("m.room.member", BOT, BOT, "{'membership':'join'}") ","
	    EV("m.room.member", "@p:d", "@p:d", "{'membership':'leave'}") ","
	    EV("m.room.member", "@k:d", BOT, "{'membership':'leave'}") ","
	    "{'type':'m.space.child','state_key':'!c','room_id':'!r',"
	    "'sender':'" BOT "','content':{'via':['d']}},"
	    "7,null,{'type':'m.room.topic'}]");
	struct json *o = room_from_state(events, ME);

	assert_json(o, "{'room_id':'!r','instance':'" ME "','version':'12',"
	    "'creator':'" BOT "','name':'T','marker':'room:t',"
	    "'members':{'" BOT "':'join'},'left':{'@p:d':true}}");
	json_free(o);
	json_free(events);
}

/* --- identifiers, transactions, sync ------------------------------------ */

static void
test_ids(void **state)
{
	static const char *const good[] = { "@a:d", "#x:d.org:80", "!abc",
	    "!abc:d", "@a.b_c=d-e/f:[::1]:8448", "@A!:d", NULL };
	static const char *const bad[] = { "", "@", "@:d", "@a", "@a:", "a:d",
	    "#x", "!", "@a:d e", "@a\n:d", "@\xc3\xa9:d", "@a:d/x", NULL };
	char longid[400];
	size_t i;

	for (i = 0; good[i] != NULL; i++)
		assert_true(mxid_valid(good[i]));
	for (i = 0; bad[i] != NULL; i++)
		assert_false(mxid_valid(bad[i]));
	assert_false(mxid_valid(NULL));
	memset(longid, 'a', sizeof(longid));
	longid[0] = '@';
	strcpy(longid + 300, ":d");
	assert_false(mxid_valid(longid));
	assert_string_equal(mxid_domain("@a:d:80"), "d:80");
	assert_null(mxid_domain("!abc"));
	assert_null(mxid_domain(NULL));
}

static void
collect(void *arg, struct json *ev)
{
	strv_addf(arg, "%s/%s/%s", json_strd(ev, "room_id", "-"),
	    json_strd(ev, "type", "-"), json_strd(ev, "event_id", "-"));
}

static void
test_transaction(void **state)
{
	struct json *body = J("{'events':["
	    "{'event_id':'$1','type':'m.x','sender':'@a:d','room_id':'!r'},"
	    "{'event_id':'$2','type':'m.x','sender':'@a:d'},"
	    "{'event_id':7,'type':'m.x','sender':'@a:d','room_id':'!r'},"
	    "{'event_id':'','type':'m.x','sender':'@a:d','room_id':'!r'},"
	    "'text',null,[],"
	    "{'event_id':'$3','type':'m.y','sender':'@a:d','room_id':'!r'}]}");
	struct strv got = {0};
	struct err e = {0};
	size_t skipped = 99;
	char *text;

	assert_int_equal(transaction_events(body, collect, &got, &skipped, &e),
	    0);
	text = strv_join(&got, " ");
	assert_string_equal(text, "!r/m.x/$1 !r/m.y/$3");
	assert_int_equal(skipped, 6);
	free(text);
	strv_release(&got);
	json_free(body);
	body = J("{'ephemeral':[]}");
	assert_int_equal(transaction_events(body, collect, &got, NULL, &e), 0);
	json_free(body);
	body = J("{'events':{}}");
	assert_int_equal(transaction_events(body, collect, &got, NULL, &e), -1);
	assert_int_equal(e.kind, ERR_USER);
	json_free(body);
	body = J("[]");
	assert_int_equal(transaction_events(body, collect, &got, NULL, &e), -1);
	json_free(body);
	assert_int_equal(got.n, 0);
}

static void
two(void *arg, const char *a, const char *b)
{
	strv_addf(arg, "%s %s", a, b);
}

static void
three(void *arg, const char *a, const char *b, const char *c)
{
	strv_addf(arg, "%s %s %s", a, b, c);
}

static void
test_sync(void **state)
{
	struct json *a = J("{'next_batch':'s1','rooms':{"
	    "'join':{'!a':{'state':{'events':[{'type':'m.s','sender':'@x:d',"
	    "'event_id':'$1'}]},'timeline':{'limited':true,'prev_batch':'p1',"
	    "'events':[{'type':'m.t','sender':'@x:d','event_id':'$2',"
	    "'room_id':'!forged'},3,{'type':9,'sender':'@x:d'}]},"
	    "'ephemeral':{'events':[{'type':'m.receipt','content':{'$2':"
	    "{'m.read':{'@x:d':{'ts':1},'bad':{}},'m.other':{'@y:d':{}}}}},"
	    "{'type':'m.typing','content':{'user_ids':[]}}]}},"
	    "'!b':{'timeline':{'limited':false,'prev_batch':'p2'},"
	    "'state':7},'nonsense':{'state':{'events':[{'type':'m.s',"
	    "'sender':'@x:d'}]}}},"
	    "'leave':{'!c':{'timeline':{'events':[{'type':'m.room.member',"
	    "'sender':'@x:d','event_id':'$3'}]}}},"
	    "'invite':{'!d':{'invite_state':{'events':[{'type':'m.room.name',"
	    "'sender':'@x:d','state_key':''},{'type':'m.room.member',"
	    "'sender':'@x:d','state_key':'" BOT "','event_id':'$4',"
	    "'content':{'membership':'invite'}}]}},"
	    /* Synapse strips it; others may put in what they like. */
	    "'!e':{'invite_state':{'events':[{'type':'m.room.member',"
	    "'sender':'@x:d','state_key':'" BOT "',"
	    "'content':{'membership':'invite'}}]}}}}}");
	struct strv got = {0};
	char *text;

	sync_events(a, collect, &got);
	text = strv_join(&got, " ");
	assert_string_equal(text, "!a/m.s/$1 !a/m.t/$2 !c/m.room.member/$3 "
	    "!d/m.room.member/$4");
	free(text);
	strv_release(&got);
	sync_gaps(a, two, &got);
	assert_int_equal(got.n, 1);
	assert_string_equal(got.v[0], "!a p1");
	strv_release(&got);
	sync_receipts(a, three, &got);
	assert_int_equal(got.n, 1);
	assert_string_equal(got.v[0], "!a $2 @x:d");
	strv_release(&got);
	json_free(a);
}

static void
test_handle(void **state)
{
	struct json *ev = J("{'type':'m.space.child','state_key':'!c',"
	    "'room_id':'!s'}");

	assert_string_equal(event_handle(ev), "!c");
	json_set_str(ev, "type", "m.room.name");
	assert_string_equal(event_handle(ev), "!s");
	json_free(ev);
	assert_null(event_handle(NULL));
}

/* --- a homeserver that is a script -------------------------------------- */

struct line { const char *method, *path; int status; const char *body; };

static struct {
	pthread_mutex_t	 lock;
	pthread_t	 thread;
	struct loop	*loop;
	struct httpd	*httpd;
	const struct line *lines;
	size_t		 n, at;
	char		 wrong[600];	/* the first call out of order */
	char		*last_body;
} server = { .lock = PTHREAD_MUTEX_INITIALIZER };

static struct mx mx = {
	.domain = "d", .as_id = ME, .as_token = "as", .bot = BOT,
	.prefix = "hiclaw", .device = "HICLAW_1",
};

static void
on_request(struct httpd_req *r, void *arg)
{
	const struct line *l = NULL;
	char *body, *p;

	pthread_mutex_lock(&server.lock);
	if (server.at < server.n)
		l = &server.lines[server.at];
	if (l == NULL || strcmp(l->method, r->method) != 0 ||
	    strstr(r->path, l->path) == NULL) {
		if (server.wrong[0] == '\0')
			snprintf(server.wrong, sizeof(server.wrong),
			    "call %zu: %s %.300s, expected %s %s", server.at,
			    r->method, r->path, l ? l->method : "nothing",
			    l ? l->path : "");
		pthread_mutex_unlock(&server.lock);
		httpd_reply(r, 400, "application/json", "{}");
		return;
	}
	server.at++;
	free(server.last_body);
	server.last_body = xstrndup(r->body, r->body_len);
	pthread_mutex_unlock(&server.lock);
	body = xstrdup(l->body);
	for (p = body; *p != '\0'; p++) {
		if (*p == '\'')
			*p = '"';
	}
	httpd_reply(r, l->status, "application/json", body);
	free(body);
}

static void *
serve(void *arg)
{
	loop_run(server.loop);
	return NULL;
}

static void
stop_serving(void *arg)
{
	httpd_stop(server.httpd);
	loop_stop(server.loop);
}

static int
server_up(void **state)
{
	struct err e = {0};
	char listen[40];
	int port = 20000 + (int)(getpid() % 20000), i;

	server.loop = loop_new();
	for (i = 0; i < 50 && server.httpd == NULL; i++) {
		snprintf(listen, sizeof(listen), "127.0.0.1:%d", port + i);
		server.httpd = httpd_start(listen, server.loop, on_request,
		    NULL, &e);
	}
	if (server.httpd == NULL)
		return -1;
	mx.url = xasprintf("http://%s", listen);
	return pthread_create(&server.thread, NULL, serve, NULL);
}

static int
server_down(void **state)
{
	loop_post(server.loop, stop_serving, NULL);
	pthread_join(server.thread, NULL);
	loop_free(server.loop);
	free(server.last_body);
	free(mx.url);
	return 0;
}

static void
script(const struct line *lines, size_t n)
{
	pthread_mutex_lock(&server.lock);
	server.lines = lines;
	server.n = n;
	server.at = 0;
	server.wrong[0] = '\0';
	pthread_mutex_unlock(&server.lock);
}
#define SCRIPT(l) script(l, NELEM(l))

static void
script_done(void)
{
	pthread_mutex_lock(&server.lock);
	if (server.wrong[0] != '\0')
		fail_msg("%s", server.wrong);
	if (server.at != server.n)
		fail_msg("%zu of %zu calls were made", server.at, server.n);
	pthread_mutex_unlock(&server.lock);
}

static void
test_errors(void **state)
{
	static const struct { int status; const char *body; enum err_kind kind;
	    int retry_s; const char *end; } cases[] = {
		{ 429, "{'errcode':'M_LIMIT_EXCEEDED','retry_after_ms':2500}",
		    ERR_RETRY, 3, "M_LIMIT_EXCEEDED" },
		{ 429, "{'errcode':'M_LIMIT_EXCEEDED','retry_after_ms':-1}",
		    ERR_RETRY, 0, "M_LIMIT_EXCEEDED" },
		{ 500, "boom", ERR_RETRY, 0, "500" },
		{ 502, "{}", ERR_RETRY, 0, "502" },
		/* The registration is lost: an outage, not an answer. */
		{ 401, "{'errcode':'M_UNKNOWN_TOKEN'}", ERR_RETRY, 0,
		    "M_UNKNOWN_TOKEN" },
		{ 401, "{'session':'s'}", ERR_DENIED, 0, "401" },
		{ 403, "{'errcode':'M_FORBIDDEN','error':'no\\nway'}",
		    ERR_DENIED, 0, "no way: 403 M_FORBIDDEN" },
		{ 404, "{'errcode':'M_NOT_FOUND'}", ERR_NOTFOUND, 0,
		    "M_NOT_FOUND" },
		{ 400, "{'errcode':'M_ROOM_IN_USE'}", ERR_CONFLICT, 0,
		    "M_ROOM_IN_USE" },
		{ 400, "{'errcode':'M_USER_IN_USE'}", ERR_CONFLICT, 0,
		    "M_USER_IN_USE" },
		{ 409, "{'errcode':'M_UNKNOWN'}", ERR_CONFLICT, 0, "M_UNKNOWN" },
		{ 400, "{'errcode':[],'error':{}}", ERR_USER, 0, "400" },
		{ 413, "[]", ERR_USER, 0, "413" },
		{ 200, "<html>", ERR_RETRY, 0, "not JSON" },
		{ 200, "'text'", ERR_RETRY, 0, "not JSON" },
	};
	struct mx_answer a;
	struct err e;
	size_t i;

	for (i = 0; i < NELEM(cases); i++) {
		struct line l[] = { { "GET", "/x", cases[i].status,
		    cases[i].body } };

		SCRIPT(l);
		e = (struct err){0};
		assert_int_equal(mx_call(&mx, "GET", "/x", NULL, NULL, &a, &e),
		    -1);
		assert_int_equal(a.status, cases[i].status);
		assert_int_equal(e.kind, cases[i].kind);
		assert_int_equal(e.retry_s, cases[i].retry_s);
		if (!str_ends(e.msg, cases[i].end))
			fail_msg("\"%s\" should end with %s", e.msg,
			    cases[i].end);
		mx_answer_release(&a);
		script_done();
	}
}

static void
test_device(void **state)
{
	static const struct line l[] = {
		{ "PUT", "/send/m.room.message/t1", 400,
		    "{'errcode':'M_UNKNOWN_DEVICE'}" },
		{ "PUT", "/devices/HICLAW_1", 201, "{}" },
		{ "PUT", "/send/m.room.message/t1", 200, "{'event_id':'$e'}" },
	};
	struct json *content = J("{'body':'x'}");
	struct err e = {0};
	char *id = NULL;

	SCRIPT(l);
	assert_int_equal(mx_send(&mx, "!r", "m.room.message", "t1", content,
	    &id, &e), 0);
	assert_string_equal(id, "$e");
	free(id);
	json_free(content);
	script_done();
}

/* --- providers against the script --------------------------------------- */

static const struct object_kind *
kind_of_key(const char *key)
{
	char name[32];

	return object_kind_find(object_kind_name(key, name, sizeof(name)), NULL);
}

struct doing {
	struct outcome	out;
	struct err	err;
	int		rv;
	char		*did;
};

static void
act(struct doing *d, bool remove, const char *key, const char *desired,
    const char *observed)
{
	struct provider_env env = { .matrix = &mx,
	    .templates_dir = "/nonexistent", .instance = ME };
	struct json *want = desired ? J("%s", desired) : NULL;
	struct json *have = observed ? J("%s", observed) : NULL;
	struct json *secrets = J("{'password':'pw'}");
	struct work w = { .key = key, .desired = want, .observed = have,
	    .secrets = secrets, .instance = ME };
	const struct object_kind *k = kind_of_key(key);
	void *ctx;

	*d = (struct doing){0};
	assert_int_equal(providers[0]->open(&env, &ctx, &d->err), 0);
	d->rv = remove ? k->remove(ctx, &w, &d->out, &d->err) :
	    k->ensure(ctx, &w, &d->out, &d->err);
	providers[0]->close(ctx);
	d->did = strv_join(&d->out.did, ", ");
	json_free(want);
	json_free(have);
	json_free(secrets);
}

static void
done(struct doing *d)
{
	outcome_release(&d->out);
	free(d->did);
	script_done();
}

static void
expect(const struct doing *d, int rv, const char *did)
{
	if (d->rv != rv)
		fail_msg("returned %d: %s", d->rv, d->err.msg);
	assert_string_equal(d->did, did);
}

#define ALICE	"{'user':'@hiclaw_a:d','device':'HICLAW_1'," \
    "'displayname':'a'}"

static void
test_account(void **state)
{
	static const struct line fresh[] = {
		{ "POST", "/register", 200, "{'access_token':'tok'}" },
	};
	static const struct line crashed[] = {
		{ "POST", "/register", 400, "{'errcode':'M_USER_IN_USE'}" },
		{ "GET", "/devices/HICLAW_1", 200, "{}" },
		{ "DELETE", "/devices/HICLAW_1", 200, "{}" },
		{ "POST", "/login", 200, "{'access_token':'tok2'}" },
	};
	static const struct line foreign[] = {
		{ "POST", "/register", 400, "{'errcode':'M_USER_IN_USE'}" },
		{ "GET", "/devices/HICLAW_1", 404, "{}" },
		{ "GET", "/account_data/", 200, "{'instance':'hiclaw-other'}" },
	};
	static const struct line unsure[] = {
		{ "POST", "/register", 400, "{'errcode':'M_USER_IN_USE'}" },
		{ "GET", "/devices/HICLAW_1", 503, "{}" },
	};
	struct doing d;

	SCRIPT(fresh);
	act(&d, false, "account:a", ALICE, NULL);
	expect(&d, 0, "made");
	assert_string_equal(json_str(d.out.secrets, "token"), "tok");
	assert_true(json_int(d.out.observed, "made_ms", 0) > 0);
	json_remove(d.out.observed, "made_ms");
	assert_json(d.out.observed, "{'user':'@hiclaw_a:d',"
	    "'device':'HICLAW_1','made':true,"
	    "'token_id':'1a7674eb4ee78df7'}");
	done(&d);
	SCRIPT(crashed);
	act(&d, false, "account:a", ALICE, NULL);
	expect(&d, 0, "token made anew");
	assert_string_equal(json_str(d.out.secrets, "token"), "tok2");
	done(&d);
	SCRIPT(foreign);
	act(&d, false, "account:a", ALICE, NULL);
	expect(&d, -1, "");
	assert_int_equal(d.err.kind, ERR_CONFLICT);
	assert_null(d.out.secrets);
	done(&d);
	SCRIPT(unsure);
	act(&d, false, "account:a", ALICE, NULL);
	expect(&d, -1, "");
	assert_int_equal(d.err.kind, ERR_RETRY);
	done(&d);
}

static void
test_account_remove(void **state)
{
	static const struct line l[] = {
		{ "GET", "/joined_rooms", 200, "{'joined_rooms':['!x']}" },
		{ "POST", "/rooms/%21x/leave", 403, "{'errcode':'M_FORBIDDEN'}" },
		{ "POST", "/rooms/%21x/forget", 200, "{}" },
		{ "PUT", "/account_data/io.hiclaw.object", 200, "{}" },
		{ "POST", "/logout/all", 200, "{}" },
	};
	static const struct line none[] = {
		{ "GET", "/devices/HICLAW_1", 403, "{'errcode':'M_FORBIDDEN'}" },
	};
	static const struct line half[] = {
		{ "GET", "/joined_rooms", 200, "{'joined_rooms':[]}" },
		{ "PUT", "/account_data/io.hiclaw.object", 200, "{}" },
		{ "POST", "/logout/all", 502, "{}" },
	};
	struct doing d;

	/* Perhaps logged out: not what somebody who wants it back can use. */
	SCRIPT(half);
	act(&d, true, "account:a", NULL, "{'user':'@hiclaw_a:d','made':true}");
	expect(&d, -1, "");
	assert_null(json_get(d.out.observed, "made"));
	assert_non_null(json_get(d.out.observed, "user"));
	done(&d);

	SCRIPT(l);
	act(&d, true, "account:a", NULL, "{'user':'@hiclaw_a:d','made':true}");
	expect(&d, 0, "left its rooms and logged out");
	assert_null(d.out.observed);
	done(&d);
	SCRIPT(none);
	act(&d, true, "account:a", NULL, NULL);
	expect(&d, 0, "");
	done(&d);
}

static void
test_human(void **state)
{
	static const struct line made[] = {
		{ "GET", "/_synapse/admin/v1/register", 200, "{'nonce':'n'}" },
		{ "POST", "/_synapse/admin/v1/register", 200, "{}" },
	};
	static const struct line in_use[] = {
		{ "GET", "/_synapse/admin/v1/register", 200, "{'nonce':'n'}" },
		{ "POST", "/_synapse/admin/v1/register", 400,
		    "{'errcode':'M_USER_IN_USE'}" },
		{ "POST", "/login", 403, "{'errcode':'M_FORBIDDEN'}" },
	};
	static const struct line absent[] = {
		{ "GET", "/profile/%40j%3Ad", 404, "{'errcode':'M_NOT_FOUND'}" },
	};
	const char *j = "{'user':'@j:d','method':'create'}";
	struct doing d;

	act(&d, false, "human:j", j, NULL);
	expect(&d, -1, "");
	assert_int_equal(d.err.kind, ERR_USER);
	assert_non_null(strstr(d.err.msg, "registration_shared_secret"));
	outcome_release(&d.out);
	free(d.did);
	mx.shared_secret = (char *)(uintptr_t)"s";
	SCRIPT(made);
	act(&d, false, "human:j", j, NULL);
	expect(&d, 0, "account made");
	assert_non_null(strstr(server.last_body,
	    /* HMAC-SHA1("s", "n\0j\0pw\0notadmin"), by openssl(1) */
	    "\"mac\":\"af247e5df2e8d54344f046c1f0d86ee72139e1a8\""));
	done(&d);
	SCRIPT(in_use);
	act(&d, false, "human:j", j, NULL);
	expect(&d, -1, "");
	assert_int_equal(d.err.kind, ERR_CONFLICT);
	assert_null(strstr(d.err.msg, "pw"));
	done(&d);
	mx.shared_secret = NULL;
	SCRIPT(absent);
	act(&d, false, "human:j", "{'user':'@j:d','method':'link'}", NULL);
	expect(&d, -1, "");
	assert_int_equal(d.err.kind, ERR_USER);
	done(&d);
}

#define NEAR	"{'alias':'hiclaw_t','name':'T','version':'12'," \
    "'parent':'!space','members':{'@hiclaw_a:d':'agent','@p:d':'person'}," \
    "'names':{'@hiclaw_a:d':'a'},'power':{'@p:d':100}}"
#define EV2(type, key, content) "{'type':'" type "','state_key':'" key \
    "','sender':'" BOT "','room_id':'!r','content':" content "}"
#define STATE_HEAD EV2("m.room.create", "", "{'room_version':'12'}") "," \
    EV2("m.room.member", BOT, "{'membership':'join'}") "," \
    EV2("m.room.power_levels", "", POWER "'users':{'@p:d':100}}") "," \
    EV2("m.room.guest_access", "", "{'guest_access':'forbidden'}") "," \
    EV2("m.room.canonical_alias", "", "{'alias':'#hiclaw_t:d'}") ","
#define MARKER	EV2("io.hiclaw.object", ME, "{'key':'room:t'}") ","
#define MEMBERS EV2("m.room.member", "@hiclaw_a:d", "{'membership':'join'}") \
    "," EV2("m.room.member", "@p:d", "{'membership':'invite'}")
#define NAMED	EV2("m.room.name", "", "{'name':'T'}") ","

static void
test_room_create(void **state)
{
	static const struct line l[] = {
		{ "POST", "/createRoom", 200, "{'room_id':'!r'}" },
		{ "PUT", "/rooms/%21r/state/m.room.member/%40hiclaw_a%3Ad", 200,
		    "{'event_id':'$1'}" },
		{ "PUT", "/rooms/%21space/state/m.space.child/%21r", 200,
		    "{'event_id':'$2'}" },
	};
	static const struct line half[] = {
		{ "POST", "/createRoom", 200, "{'room_id':'!r'}" },
		{ "PUT", "/state/m.room.member/", 503, "{}" },
	};
	struct json *want = J(NEAR);
	struct changes ch = {0};
	struct doing d;

	SCRIPT(l);
	act(&d, false, "room:t", NEAR, NULL);
	expect(&d, 0, "created");
	room_diff(want, d.out.observed, &ch);
	assert_int_equal(ch.n, 0);
	json_free(want);
	done(&d);
	/* What was done is known even when it was not all. */
	SCRIPT(half);
	act(&d, false, "room:t", NEAR, NULL);
	expect(&d, -1, "created");
	assert_int_equal(d.err.kind, ERR_RETRY);
	assert_string_equal(room_handle(d.out.observed), "!r");
	done(&d);
}

static void
test_room_claims(void **state)
{
	static const struct line adopt[] = {
		{ "POST", "/createRoom", 400, "{'errcode':'M_ROOM_IN_USE'}" },
		{ "GET", "/directory/room/%23hiclaw_t%3Ad", 200,
		    "{'room_id':'!r'}" },
		{ "GET", "/rooms/%21r/state", 200, "[" STATE_HEAD MARKER NAMED
		    MEMBERS "]" },
		{ "PUT", "/state/m.space.child/", 200, "{'event_id':'$'}" },
		{ "PUT", "/state/m.space.parent/", 200, "{'event_id':'$'}" },
	};
	static const struct line wreck[] = {
		{ "POST", "/createRoom", 400, "{'errcode':'M_ROOM_IN_USE'}" },
		{ "GET", "/directory/room/", 200, "{'room_id':'!old'}" },
		{ "GET", "/rooms/%21old/state", 200,
		    "[{'type':'m.room.create','state_key':'','room_id':'!old',"
		    "'sender':'" BOT "','content':{}},"
		    "{'type':'m.room.member','state_key':'" BOT "',"
		    "'room_id':'!old','sender':'" BOT "',"
		    "'content':{'membership':'join'}}]" },
		{ "DELETE", "/directory/room/", 200, "{}" },
		{ "POST", "/rooms/%21old/leave", 200, "{}" },
		{ "POST", "/rooms/%21old/forget", 200, "{}" },
		{ "POST", "/createRoom", 200, "{'room_id':'!r'}" },
		{ "PUT", "/state/m.room.member/", 200, "{'event_id':'$'}" },
		{ "PUT", "/state/m.space.child/", 200, "{'event_id':'$'}" },
	};
	static const struct line foreign[] = {
		{ "POST", "/createRoom", 400, "{'errcode':'M_ROOM_IN_USE'}" },
		{ "GET", "/directory/room/", 200, "{'room_id':'!f'}" },
		{ "GET", "/rooms/%21f/state", 403, "{'errcode':'M_FORBIDDEN'}" },
	};
	static const struct line other_instance[] = {
		{ "POST", "/createRoom", 400, "{'errcode':'M_ROOM_IN_USE'}" },
		{ "GET", "/directory/room/", 200, "{'room_id':'!r'}" },
		{ "GET", "/rooms/%21r/state", 200, "[" STATE_HEAD
		    EV2("io.hiclaw.object", "hiclaw-00000000",
		    "{'key':'room:t'}") "]" },
	};
	struct doing d;

	SCRIPT(adopt);
	act(&d, false, "room:t", NEAR, NULL);
	expect(&d, 0, "adopted, put into its space");
	done(&d);
	SCRIPT(wreck);
	act(&d, false, "room:t", NEAR, NULL);
	expect(&d, 0, "created");
	done(&d);
	SCRIPT(foreign);
	act(&d, false, "room:t", NEAR, NULL);
	expect(&d, -1, "");
	assert_int_equal(d.err.kind, ERR_CONFLICT);
	assert_null(d.out.observed);
	done(&d);
	SCRIPT(other_instance);
	act(&d, false, "room:t", NEAR, NULL);
	expect(&d, -1, "");
	assert_int_equal(d.err.kind, ERR_CONFLICT);
	done(&d);
}

static void
test_room_mend(void **state)
{
	static const char known[] = "{'room_id':'!r','parent':'!space',"
	    "'members':{'@p:d':'invite'},'left':{}}";
	static const struct line settled[] = {
		{ "GET", "/rooms/%21r/state", 200, "[" STATE_HEAD MARKER NAMED
		    MEMBERS "]" },
	};
	static const struct line drifted[] = {
		{ "GET", "/rooms/%21r/state", 200, "[" STATE_HEAD MARKER
		    EV2("m.room.name", "", "{'name':'hacked'}") ","
		    EV2("m.room.member", "@hiclaw_a:d", "{'membership':'leave'}")
		    "," EV2("m.room.member", "@evil:d", "{'membership':'join'}")
		    "]" },
		{ "PUT", "/state/m.room.name/", 200, "{'event_id':'$'}" },
		{ "POST", "/rooms/%21r/invite", 200, "{}" },
		{ "PUT", "/state/m.room.member/", 200, "{'event_id':'$'}" },
		{ "POST", "/rooms/%21r/invite", 403,
		    "{'errcode':'M_FORBIDDEN'}" },
		{ "GET", "/state/m.room.member/%40p%3Ad", 200,
		    "{'membership':'join'}" },
		{ "POST", "/rooms/%21r/kick", 403, "{'errcode':'M_FORBIDDEN'}" },
		{ "GET", "/state/m.room.member/%40evil%3Ad", 200,
		    "{'membership':'leave'}" },
	};
	static const struct line no_answer[] = {
		{ "GET", "/rooms/%21r/state", 502, "{}" },
	};
	static const struct line unknown_token[] = {
		{ "GET", "/rooms/%21r/state", 401,
		    "{'errcode':'M_UNKNOWN_TOKEN'}" },
	};
	struct doing d;

	SCRIPT(settled);
	act(&d, false, "room:t", NEAR, known);
	expect(&d, 0, "");
	done(&d);
	SCRIPT(drifted);
	act(&d, false, "room:t", NEAR, known);
	expect(&d, 0, "renamed to T, @hiclaw_a:d joined, invited @p:d, "
	    "removed @evil:d");
	done(&d);
	SCRIPT(no_answer);
	act(&d, false, "room:t", NEAR, known);
	expect(&d, -1, "");
	assert_int_equal(d.err.kind, ERR_RETRY);
	assert_string_equal(room_handle(d.out.observed), "!r");
	done(&d);
	/* Not a lost room, but a homeserver that forgot us. */
	SCRIPT(unknown_token);
	act(&d, false, "room:t", NEAR, known);
	expect(&d, -1, "");
	assert_string_equal(room_handle(d.out.observed), "!r");
	done(&d);
}

static void
test_room_remote(void **state)
{
	static const struct line l[] = {
		{ "POST", "/createRoom", 200, "{'room_id':'!r'}" },
		{ "POST", "/invite", 502, "{'errcode':'M_UNKNOWN'}" },
		{ "PUT", "/state/m.room.member/", 200, "{'event_id':'$'}" },
	};
	static const struct line closed[] = {
		{ "GET", "/rooms/%21r/state", 200, "[" STATE_HEAD MARKER NAMED
		    MEMBERS "]" },
		{ "POST", "/invite", 403, "{'errcode':'M_FORBIDDEN',"
		    "'error':'marked as unfederatable'}" },
		{ "GET", "/state/m.room.member/%40far%3Aaway", 404,
		    "{'errcode':'M_NOT_FOUND'}" },
	};
	static const char known[] = "{'room_id':'!r','parent':'!space',"
	    "'members':{'@p:d':'invite'},'left':{}}";
	struct doing d;

	SCRIPT(l);
	act(&d, false, "room:t", "{'alias':'x','name':'T','version':'12',"
	    "'members':{'@far:away':'person','@hiclaw_a:d':'agent'},"
	    "'power':{}}", NULL);
	expect(&d, -1, "created");
	assert_int_equal(d.err.kind, ERR_RETRY);
	assert_non_null(strstr(d.err.msg, "@far:away"));
	done(&d);
	/* A refusal is no outage, and nobody waits for another answer. */
	SCRIPT(closed);
	act(&d, false, "room:t", "{'alias':'hiclaw_t','name':'T','version':"
	    "'12','parent':'!space','members':{'@hiclaw_a:d':'agent',"
	    "'@p:d':'person','@far:away':'person'},'names':{},"
	    "'power':{'@p:d':100}}", known);
	expect(&d, -1, "");
	assert_int_equal(d.err.kind, ERR_USER);
	assert_true(d.out.has_answer);
	assert_non_null(strstr(d.err.msg, "homeserver.federate"));
	done(&d);
}

static void
test_room_remove(void **state)
{
	static const struct line l[] = {
		{ "PUT", "/rooms/%21space/state/m.space.child/%21r", 403,
		    "{'errcode':'M_FORBIDDEN'}" },
		{ "DELETE", "/directory/room/", 404,
		    "{'errcode':'M_NOT_FOUND'}" },
		{ "GET", "/rooms/%21r/state", 200, "[" STATE_HEAD MEMBERS "]" },
		{ "POST", "/kick", 200, "{}" },
		{ "POST", "/forget", 200, "{}" },
		{ "POST", "/kick", 200, "{}" },
		{ "POST", "/rooms/%21r/leave", 200, "{}" },
		{ "POST", "/rooms/%21r/forget", 200, "{}" },
	};
	struct doing d;

	SCRIPT(l);
	act(&d, true, "room:t", NULL, "{'room_id':'!r','parent':'!space',"
	    "'alias':'#hiclaw_t:d'}");
	expect(&d, 0, "closed");
	assert_null(d.out.observed);
	done(&d);
}

static void
test_hello(void **state)
{
	static const struct line wrong_hs_token[] = {
		{ "GET", "/account/whoami", 200, "{'user_id':'@_s:d'}" },
		{ "GET", "/devices/HICLAW_1", 200, "{}" },
		{ "POST", "/appservice/" ME "/ping", 502,
		    "{'errcode':'M_BAD_STATUS','status':403}" },
	};
	static const struct line wrong_domain[] = {
		{ "GET", "/account/whoami", 200, "{'user_id':'@_s:other'}" },
	};
	static const struct line not_ready[] = {
		{ "GET", "/account/whoami", 503, "{}" },
	};
	static const struct line no_ping[] = {
		{ "GET", "/account/whoami", 200, "{'user_id':'@_s:d'}" },
		{ "GET", "/devices/HICLAW_1", 403, "{'errcode':'M_FORBIDDEN'}" },
		{ "POST", "/register", 200, "{}" },
		{ "PUT", "/devices/HICLAW_1", 404,
		    "{'errcode':'M_UNRECOGNIZED'}" },
		{ "PUT", "/profile/", 200, "{}" },
		{ "POST", "/ping", 404, "{'errcode':'M_UNRECOGNIZED'}" },
	};
	static const struct line flushing[] = {
		{ "GET", "/account/whoami", 200, "{'user_id':'@_s:d'}" },
		{ "GET", "/devices/HICLAW_1", 200, "{}" },
		{ "POST", "/ping", 502, "{'errcode':'M_CONNECTION_FAILED',"
		    "'error':'AlreadyCancelled: Tried to cancel'}" },
	};
	static const struct line unreachable[] = {
		{ "GET", "/account/whoami", 200, "{'user_id':'@_s:d'}" },
		{ "GET", "/devices/HICLAW_1", 200, "{}" },
		{ "POST", "/ping", 502, "{'errcode':'M_CONNECTION_FAILED',"
		    "'error':'ConnectionRefusedError'}" },
	};
	struct err e = {0};
	bool is_config;

	SCRIPT(flushing);
	assert_int_equal(mx_hello(&mx, "http://us", &is_config, &e), 0);
	script_done();
	SCRIPT(unreachable);
	assert_int_equal(mx_hello(&mx, "http://us", &is_config, &e), -1);
	assert_true(is_config);
	assert_non_null(strstr(e.msg, "http://us"));
	script_done();
	SCRIPT(wrong_hs_token);
	assert_int_equal(mx_hello(&mx, "http://us", &is_config, &e), -1);
	assert_true(is_config);
	assert_non_null(strstr(e.msg, "hs_token"));
	script_done();
	SCRIPT(wrong_domain);
	assert_int_equal(mx_hello(&mx, "http://us", &is_config, &e), -1);
	assert_true(is_config);
	assert_non_null(strstr(e.msg, "homeserver.domain"));
	script_done();
	SCRIPT(not_ready);
	assert_int_equal(mx_hello(&mx, "http://us", &is_config, &e), -1);
	assert_false(is_config);
	assert_int_equal(e.kind, ERR_RETRY);
	script_done();
	SCRIPT(no_ping);
	assert_int_equal(mx_hello(&mx, "http://us", &is_config, &e), 0);
	script_done();
}

static void
test_direct(void **state)
{
	static const struct line add[] = {
		{ "GET", "/account_data/m.direct", 200, "{'@q:d':['!old']}" },
		{ "PUT", "/account_data/m.direct", 200, "{}" },
	};
	static const struct line has[] = {
		{ "GET", "/account_data/m.direct", 200, "{'@q:d':['!new']}" },
	};
	struct err e = {0};

	SCRIPT(add);
	assert_int_equal(mx_set_direct(&mx, NULL, "@q:d", "!new", &e), 0);
	assert_string_equal(server.last_body, "{\"@q:d\":[\"!old\",\"!new\"]}");
	script_done();
	SCRIPT(has);
	assert_int_equal(mx_set_direct(&mx, NULL, "@q:d", "!new", &e), 0);
	script_done();
}

static void
test_path(void **state)
{
	char *p = mx_path("/r/%s/s/%s?x=%s", "!a:b", "", "c&d");

	assert_string_equal(p, "/r/%21a%3Ab/s/?x=c%26d");
	free(p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_power),
		cmocka_unit_test(test_diff),
		cmocka_unit_test(test_diff_left),
		cmocka_unit_test(test_lockout),
		cmocka_unit_test(test_lockout_settled),
		cmocka_unit_test(test_absorb),
		cmocka_unit_test(test_create_body),
		cmocka_unit_test(test_from_state),
		cmocka_unit_test(test_ids),
		cmocka_unit_test(test_transaction),
		cmocka_unit_test(test_sync),
		cmocka_unit_test(test_handle),
		cmocka_unit_test(test_path),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_device),
		cmocka_unit_test(test_account),
		cmocka_unit_test(test_account_remove),
		cmocka_unit_test(test_human),
		cmocka_unit_test(test_room_create),
		cmocka_unit_test(test_room_claims),
		cmocka_unit_test(test_room_mend),
		cmocka_unit_test(test_room_remote),
		cmocka_unit_test(test_room_remove),
		cmocka_unit_test(test_hello),
		cmocka_unit_test(test_direct),
	};

	return cmocka_run_group_tests(tests, server_up, server_down);
}
