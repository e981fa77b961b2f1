/*
 * Who talks to us, and where.  Commands are taken in the admin room and in
 * direct chats; everybody else gets one polite sentence, once.
 */
#include "chat-int.h"

#include <stdlib.h>
#include <string.h>

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
		where = strcmp(one, sender) == 0 ? IN_DM : IN_MANAGED;
	else if (any != NULL)
		where = IN_GUEST;
	free(one);
	free(any);
	return where;
}

enum where
where_is(struct chat *c, const char *room, const char *sender)
{
	const char *key = engine_find(c->engine, room);

	if (str_equal(key, "room:admin") || str_equal(admin_room(c), room))
		return IN_ADMIN;
	if (key != NULL && str_starts(key, "room:dm/"))
		return strcmp(key + strlen("room:dm/"), sender) == 0 ?
		    IN_DM : IN_NONE;
	if (key != NULL)
		return IN_MANAGED;
	return where_kept(c, room, sender);
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

void
people_refuse(struct request *q)
{
	char *key = xasprintf("chat.refused/%s", q->sender);
	char tier[2] = { (char)('0' + q->tier), '\0' };
	char *why;

	if (!once(q->chat, key, tier)) {
		free(key);
		return;
	}
	if (q->human != NULL)
		why = xasprintf("as the Human %s you have tier %d",
		    q->human->name, q->tier);
	else
		why = xstrdup("no Human of that Matrix ID is declared");
	say_template(q, REPLY_REFUSED, "refused", FILL(V("user", q->sender),
	    V("why", why)));
	free(why);
	free(key);
}

void
people_elsewhere(struct request *q)
{
	char *key = xasprintf("chat.elsewhere/%s/%s", q->room, q->sender);
	const char *room = admin_room(q->chat);
	struct text link = { 0 };
	char *url;

	if (once(q->chat, key, "1")) {
		if (room != NULL) {
			url = matrix_to(room);
			text_puts(&link, "Here it is: ");
			text_link(&link, url, "admin room");
			free(url);
		}
		say_template(q, REPLY_REFUSED, "elsewhere",
		    FILL(B("room", &link)));
		text_release(&link);
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
