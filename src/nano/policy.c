/* Who is heard.  See policy.h. */
#include "policy.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "mention.h"

#define LINK		"https://matrix.to/#/"
#define STOP		"/stop"
#define STOP_LEN_MAX	300	/* of a message that is an order to stop */

/* --- what was said -------------------------------------------------------- */

static const char *
relation(const struct json *content, const char *type)
{
	const struct json *r = json_get(content, "m.relates_to");

	return str_equal(json_str(r, "rel_type"), type) ?
	    json_str(r, "event_id") : NULL;
}

static bool
is_reply(const struct json *content)
{
	return json_get(json_get(content, "m.relates_to"),
	    "m.in_reply_to") != NULL;
}

/* Old clients put what they reply to in front, as lines with "> ". */
static const char *
behind_quote(const char *body)
{
	const char	*p = body;

	while (str_starts(p, "> ") || str_starts(p, ">\n")) {
		p += strcspn(p, "\n");
		p += *p == '\n';
	}
	while (p > body && *p == '\n')
		p++;
	return p;
}

static char *
text_of(const struct json *content)
{
	const char	*body = json_str(content, "body");

	if (body == NULL || !str_equal(json_str(content, "msgtype"), "m.text"))
		return NULL;
	return xstrdup(is_reply(content) ? behind_quote(body) : body);
}

char *
message_text(const struct json *content)
{
	return relation(content, "m.replace") != NULL ? NULL :
	    text_of(content);
}

char *
event_text(const struct json *event)
{
	const struct json *content = json_get(event, "content"), *edit, *new;
	char *text;

	if (relation(content, "m.replace") != NULL)
		return NULL;
	edit = json_get(json_get(json_get(event, "unsigned"), "m.relations"),
	    "m.replace");
	new = json_get(json_get(edit, "content"), "m.new_content");
	if (new != NULL && str_equal(json_str(edit, "sender"),
	    json_str(event, "sender")) && (text = text_of(new)) != NULL)
		return text;
	return text_of(content);
}

/* --- is it for us? -------------------------------------------------------- */

static int
hex(char c)
{
	if (isdigit((unsigned char)c))
		return c - '0';
	return isxdigit((unsigned char)c) ?
	    tolower((unsigned char)c) - 'a' + 10 : -1;
}

/* Does the link at p, raw or percent-encoded, lead to id? */
static bool
leads_to(const char *p, const char *id)
{
	for (; *id != '\0'; id++) {
		char c = *p++;

		if (c == '%' && hex(p[0]) >= 0 && hex(p[1]) >= 0) {
			c = (char)(hex(p[0]) * 16 + hex(p[1]));
			p += 2;
		}
		if (c == '\0' ||
		    tolower((unsigned char)c) != tolower((unsigned char)*id))
			return false;
	}
	return strchr("\"'?<> ", *p) != NULL;	/* or the end */
}

/* A link to us in the HTML, but not in the quote in front of it. */
static bool
has_pill(const char *me, const char *html)
{
	const char	*p = strstr(html, "</mx-reply>");

	for (p = p == NULL ? html : p; (p = strstr(p, LINK)) != NULL; ) {
		p += strlen(LINK);
		if (leads_to(p, me))
			return true;
	}
	return false;
}

bool
is_mentioned(const char *me, const struct json *content, const char *text)
{
	const struct json *v = json_first(json_get(json_get(content,
	    "m.mentions"), "user_ids"));
	const char *html = json_str(content, "formatted_body");

	for (; v != NULL; v = json_next(v))
		if (str_equal(json_value_str(v), me))
			return true;
	return (html != NULL && has_pill(me, html)) || mention_of(text, me);
}

/* "/stop", alone or behind a mention, however a client writes that. */
static bool
says_stop(const char *text, bool is_mention)
{
	size_t	n = strlen(text), word = strlen(STOP);

	while (n > 0 && isspace((unsigned char)text[n - 1]))
		n--;
	while (n > 0 && isspace((unsigned char)*text))
		text++, n--;
	if (n < word || n > STOP_LEN_MAX ||
	    strncasecmp(text + n - word, STOP, word) != 0)
		return false;
	return n == word || (is_mention &&
	    isspace((unsigned char)text[n - word - 1]) &&
	    memchr(text, '\n', n) == NULL);
}

static int
hops_of(const struct json *content)
{
	int64_t	n = json_int(content, HOPS_KEY, -1);

	return n < 0 ? -1 : n > HOPS_MAX ? HOPS_MAX : (int)n;
}

struct heard *
heard_new(const char *me, const char *room, const struct json *event)
{
	const struct json *content = json_get(event, "content");
	const char *id = json_str(event, "event_id");
	const char *sender = json_str(event, "sender");
	struct heard *h;
	char *text;

	if (!str_equal(json_str(event, "type"), "m.room.message") ||
	    json_get(event, "state_key") != NULL || id == NULL ||
	    id[0] != '$' || sender == NULL || sender[0] != '@' ||
	    strlen(id) > ID_MAX || strlen(sender) > ID_MAX ||
	    strcmp(sender, me) == 0 || (text = message_text(content)) == NULL)
		return NULL;
	h = xcalloc(1, sizeof(*h));
	h->room = xstrdup(room);
	h->id = xstrdup(id);
	h->sender = xstrdup(sender);
	h->thread = xstrdup(relation(content, "m.thread"));
	h->at_ms = json_int(event, "origin_server_ts", 0);
	h->age_ms = json_int(json_get(event, "unsigned"), "age", -1);
	h->is_agent = id_is_agent(me, sender);
	h->is_mention = is_mentioned(me, content, text);
	h->is_stop = says_stop(text, h->is_mention);
	h->hops = h->is_agent ? hops_of(content) : 0;
	free(text);
	return h;
}

void
heard_free(struct heard *h)
{
	if (h == NULL)
		return;
	free(h->room);
	free(h->id);
	free(h->sender);
	free(h->thread);
	free(h);
}

/* --- who may? ------------------------------------------------------------- */

static bool
on_list(enum rule rule, const struct strv *names, const char *user)
{
	if (rule != RULE_LISTED)
		return rule == RULE_OPEN;
	return strv_has(names, user) || strv_has(names, "*");
}

static bool
group_hears(const struct home *h, const char *user)
{
	return on_list(h->group_rule, &h->group, user);
}

static bool
dm_hears(const struct home *h, const char *user)
{
	return on_list(h->dm_rule, &h->dm, user);
}

bool
policy_may_speak(const struct home *h, const char *user)
{
	return strcmp(user, h->user) == 0 || group_hears(h, user) ||
	    dm_hears(h, user);
}

bool
policy_may_invite(const struct home *h, const char *user)
{
	return policy_may_speak(h, user) || id_is_bot(h->user, user);
}

/* A room's own rule, else the one for all rooms. */
static bool
room_says(const struct home *h, const char *room, const char *key, bool dflt)
{
	return json_bool(json_get(h->groups, room), key,
	    json_bool(json_get(h->groups, "*"), key, dflt));
}

static bool
group_answers(const struct home *h, const struct heard *e)
{
	if (!group_hears(h, e->sender) ||
	    !room_says(h, e->room, "enabled", true) ||
	    !room_says(h, e->room, "allow", true))
		return false;
	return e->is_mention || e->is_stop || (!e->is_agent &&
	    !room_says(h, e->room, "requireMention", true));
}

static bool
dm_answers(const struct home *h, const struct heard *e)
{
	return dm_hears(h, e->sender) && (e->is_mention || !e->is_agent);
}

enum verdict
policy_judge(const struct home *h, const struct heard *e, enum direct direct)
{
	bool	in_group = group_answers(h, e), in_dm = dm_answers(h, e);

	if (direct == DIRECT_YES)
		return in_dm ? HEAR_YES : HEAR_NO;
	if (direct == DIRECT_NO)
		return in_group ? HEAR_YES : HEAR_NO;
	return in_group == in_dm ? in_group ? HEAR_YES : HEAR_NO :
	    HEAR_IF_DIRECT;
}

enum direct
policy_is_direct(const char *me, const struct json *members)
{
	const struct json *m;
	size_t others = 0;

	for (m = json_first(json_get(members, "joined")); m != NULL;
	    m = json_next(m))
		if (strcmp(json_key(m), me) != 0 &&
		    !id_is_bot(me, json_key(m)))
			others++;
	return others == 1 ? DIRECT_YES : DIRECT_NO;
}
