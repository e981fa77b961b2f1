/*
 * Who talks to us, and where.  Most commands are taken in the admin room and in
 * direct chats, some in the rooms of teams and agents; everybody else gets one
 * polite sentence, once.
 */
#include "chat-int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "proposal.h"
#include "refusal.h"

const char *
admin_room(struct chat *c)
{
	return engine_observed(c->engine, "room:admin", "room_id");
}

/* Who made that room for the bot, yours; or NULL. */
static char *
kept_for(struct chat *c, const char *prefix, const char *room)
{
	char *key = xasprintf("%s/%s", prefix, room);
	char *user = store_kv_get(c->store, key);

	free(key);
	return user;
}

/*
 * A room that somebody invited the bot to.  A direct chat is for one; in any
 * other, everybody may speak to the bot, and what they may do is their tier.
 */
static enum where
where_kept(struct chat *c, const char *room, const char *sender)
{
	char *one = kept_for(c, "chat.dm", room);
	char *any = kept_for(c, "chat.guest", room);
	enum where where = IN_NONE;

	if (one != NULL)
		where = strcmp(one, sender) == 0 ? IN_DM : IN_OTHER;
	else if (any != NULL)
		where = IN_GUEST;
	free(one);
	free(any);
	return where;
}

/* The rooms of agents and teams: "room:worker/alice". */
static const struct { const char *prefix; enum where where; } subjects[] = {
	{ "room:team/", IN_TEAM }, { "room:leader/", IN_LEADER },
	{ "room:worker/", IN_WORKER }, { "room:manager/", IN_MANAGER },
};

/* Rooms are named after what their subject is called at run time. */
static char *
declared_name(struct chat *c, enum where where, const char *runtime)
{
	const struct resources *rs = engine_resources(c->engine);
	struct agents as = { 0 };
	char *name = NULL;

	agents_list(engine_world_config(c->engine), rs, &as);
	for (size_t i = 0; i < as.n && name == NULL && where >= IN_WORKER; i++)
		if (strcmp(as.v[i].runtime, runtime) == 0)
			name = xstrdup(as.v[i].name);
	agents_release(&as);
	for (size_t i = 0; i < resources_n(rs) && where < IN_WORKER; i++) {
		const struct resource *r = resources_at(rs, i);

		if (name == NULL && strcmp(r->kind->name, "Team") == 0 &&
		    strcmp(resource_runtime_name(r), runtime) == 0)
			name = xstrdup(r->name);
	}
	return name;
}

static enum where
where_ours(struct chat *c, const char *key, const char *sender,
    char **subject)
{
	if (strcmp(key, "room:admin") == 0)
		return IN_ADMIN;
	if (str_starts(key, "room:dm/"))
		return strcmp(key + strlen("room:dm/"), sender) == 0 ?
		    IN_DM : IN_NONE;
	for (size_t i = 0; i < NELEM(subjects); i++)
		if (str_starts(key, subjects[i].prefix)) {
			*subject = declared_name(c, subjects[i].where, key +
			    strlen(subjects[i].prefix));
			return *subject != NULL ? subjects[i].where :
			    IN_OTHER;
		}
	return IN_OTHER;
}

void
request_place(struct request *q)
{
	struct chat *c = q->chat;
	const char *key = engine_find(c->engine, q->room);

	free(q->subject);
	q->subject = NULL;
	if (str_equal(admin_room(c), q->room))
		q->where = IN_ADMIN;
	else if (key != NULL)
		q->where = where_ours(c, key, q->sender, &q->subject);
	else
		q->where = where_kept(c, q->room, q->sender);
}

enum where
where_is(struct chat *c, const char *room, const char *sender)
{
	struct request q = { .chat = c, .room = room, .sender = sender };

	request_place(&q);
	free(q.subject);
	return q.where;
}

/* --- what is talked about in the room of something --------------------------- */

bool
request_is_here(const struct request *q, const struct target *t, char *why,
    size_t size)
{
	const char *kind, *word = q->where == IN_WORKER ||
	    q->where == IN_MANAGER ? "" : "Team/";

	/* What an agent may ask is of its role, wherever it is. */
	if (q->subject == NULL || q->is_agent || t == NULL || t->name == NULL)
		return true;
	kind = t->kind->name;
	if (word[0] == '\0' ? strcmp(t->name, q->subject) == 0 &&
	    (strcmp(kind, "Worker") == 0 || strcmp(kind, "Manager") == 0) :
	    t->team != NULL ? strcmp(t->team->name, q->subject) == 0 :
	    strcmp(kind, "Team") == 0 && strcmp(t->name, q->subject) == 0)
		return true;
	if (why != NULL)
		snprintf(why, size, "this room is only about %s%s; of others I "
		    "speak in a direct chat", word, q->subject);
	return false;
}

static void
add_word(struct request *q, const char *word)
{
	strv_add(&q->words.v, word);
}

/* Leader first, then the workers. */
static void
add_members(struct request *q)
{
	const struct resource *team = resources_find(engine_resources(
	    q->chat->engine), kind_find("Team"), q->subject);
	const struct json *w;

	if (team == NULL)
		return;
	add_word(q, json_strd(json_get(team->spec, "leader"), "name", ""));
	w = json_first(json_get(team->spec, "workers"));
	for (; w != NULL; w = json_next(w))
		add_word(q, json_strd(w, "name", ""));
}

void
request_about(struct request *q)
{
	bool is_agent = q->where == IN_WORKER || q->where == IN_MANAGER;
	enum about about = q->command->about;

	if (q->subject == NULL || q->words.v.n > 0)
		return;
	if (about == ABOUT_RESOURCE) {
		add_word(q, !is_agent ? "team" : q->where == IN_WORKER ?
		    "worker" : "manager");
		add_word(q, q->subject);
	} else if (about != ABOUT_NOTHING && is_agent)
		add_word(q, q->subject);
	else if (about == ABOUT_AGENTS)
		add_members(q);
}

enum gate
request_gate(const struct request *q, const struct command *c)
{
	return command_gate(c, verb_tier(handlers[c->handler].verb), q->tier,
	    q->where);
}

void
people_first(struct chat *c, struct strv *out)
{
	const struct world_config *wc = engine_world_config(c->engine);
	const struct resources *rs = engine_resources(c->engine);

	for (size_t i = 0; wc->admins != NULL && i < wc->admins->n; i++)
		strv_add_unique(out, wc->admins->v[i]);
	for (size_t i = 0; i < resources_n(rs); i++) {
		const struct resource *r = resources_at(rs, i);
		char *user;

		if (strcmp(r->kind->name, "Human") != 0 || r->deleting ||
		    json_int(r->spec, "permissionLevel", 3) != 1)
			continue;
		user = human_user(wc, r);
		strv_add_unique(out, user);
		free(user);
	}
}

bool
once(struct chat *c, const char *key, const char *value)
{
	char *was = store_kv_get(c->store, key);
	bool is_first = !str_equal(was, value);

	free(was);
	if (is_first)
		store_kv_set(c->store, key, value);
	return is_first;
}

/* "`logs` takes tier 1"; yours. */
static char *
what_it_takes(const struct request *q)
{
	const struct command *c = q->command;
	int tier = 1, verb;

	if (q->tier == 0)
		return xstrdup("I work for people who are declared here, as "
		    "Humans or admins");
	if (c != NULL) {
		verb = verb_tier(handlers[c->handler].verb);
		tier = c->tier < verb ? c->tier : verb;
	}
	/* Elsewhere their tier would do. */
	if (c == NULL || tier >= q->tier)
		return xstrdup("here that takes tier 1 "
		    "(`permissionLevel: 1`)");
	return xasprintf("`%s` takes tier %d (`permissionLevel: %d`)", c->name,
	    tier, tier);
}

void
people_refuse(struct request *q)
{
	char *key = xasprintf("chat.refused/%s", q->sender);
	char tier[2] = { (char)('0' + q->tier), '\0' };
	struct strv people = { 0 };
	struct text who = { 0 };
	char *what, *why;

	if (!once(q->chat, key, tier)) {
		free(key);
		return;
	}
	if (q->human != NULL)
		why = xasprintf("as the Human %s you have tier %d",
		    q->human->name, q->tier);
	else
		why = xstrdup("no Human of that Matrix ID is declared");
	what = what_it_takes(q);
	if (q->tier != 0)
		denial_note(q, "of the command's tier", what);
	people_first(q->chat, &people);
	text_puts(&who, "Who could do it: ");
	put_people(&people, &who);
	text_puts(&who, ".");
	say_template(q, REPLY_REFUSED, "refused", FILL(V("what", what),
	    P("user", q->sender), V("why", why), B("who", &who)));
	text_release(&who);
	strv_release(&people);
	free(what);
	free(why);
	free(key);
}

/* `get`, `wake` and what else this person may give here. */
static void
put_here(const struct request *q, struct text *out)
{
	const char *comma = "Here I take: ";

	for (size_t i = 0; i < commands_n(q->chat->commands); i++) {
		const struct command *c = commands_at(q->chat->commands, i);

		if (request_gate(q, c) != GATE_OPEN)
			continue;
		text_printf(out, "%s`%s`", comma, c->name);
		comma = ", ";
	}
}

void
people_elsewhere(struct request *q)
{
	char *key = xasprintf("chat.elsewhere/%s/%s", q->room, q->sender);
	const char *room = q->tier == 1 ? admin_room(q->chat) : NULL;
	struct text link = { 0 }, here = { 0 };
	char *url;

	if (once(q->chat, key, "1")) {
		if (room != NULL) {
			url = matrix_to(room);
			text_puts(&link, "Here it is: ");
			text_link(&link, url, "admin room");
			free(url);
		}
		put_here(q, &here);
		say_template(q, REPLY_REFUSED, "elsewhere",
		    FILL(B("room", &link), B("here", &here)));
		text_release(&link);
		text_release(&here);
	}
	free(key);
}

void
people_encrypted(struct chat *c, const char *room)
{
	char *key = xasprintf("chat.encrypted/%s", room);
	struct reply r = { .state = REPLY_INFO };
	struct text t = { 0 };

	if (once(c, key, "1")) {
		template_fill(c->templates, "encrypted", NULL, &t);
		reply_send(c, room, &r, &t);
		text_release(&t);
	}
	free(key);
}
