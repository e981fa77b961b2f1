/*
 * People in rooms, over the client-server API: what they do with tokens of
 * their own, and what the bot is heard saying, seen through a /sync as the bot,
 * which is in every room of its own.  Invitations by the bot are accepted at
 * once, as somebody who waits for them would.
 */
#include "transcript-int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hiclaw/clock.h"
#include "hiclaw/http.h"
#include "hiclaw/secure.h"

#define CALL_MS		30000
#define PASSWORD	"correct horse battery"
#define FILTER	"{\"presence\":{\"not_types\":[\"*\"]},\"room\":{" \
	"\"timeline\":{\"limit\":200},\"ephemeral\":{\"not_types\":[\"*\"]}}}"

/* --- calls --------------------------------------------------------------- */

static int
judge(const struct http_res *res, struct json **body, struct err *e)
{
	struct err bad;

	*body = json_parse_relayed(buf_str(&res->body), res->body.len, &bad);
	if (res->status / 100 == 2)
		return 0;
	return err_set(e, res->status == 404 ? ERR_NOTFOUND : ERR_USER,
	    "%d %s: %s", res->status, json_strd(*body, "errcode", "?"),
	    json_strd(*body, "error", "no reason given"));
}

/* path from /_matrix on; answer yours, set also on failure if there is one. */
static int
call(struct stage *s, const char *token, const char *method, const char *path,
    const struct json *body, struct json **answer, struct err *e)
{
	char *url = xasprintf("%s%s", s->url, path);
	char *text = body != NULL ? json_canonical(body) :
	    strcmp(method, "GET") == 0 ? NULL : xstrdup("{}");
	struct http_req req = { .method = method, .url = url,
		.bearer = token, .body = text,
		.body_len = text == NULL ? 0 : strlen(text),
		.timeout_ms = CALL_MS };
	struct http_res res = { 0 };
	int rv = http_call(&req, &res, e);

	*answer = NULL;
	if (rv == 0)
		rv = judge(&res, answer, e);
	http_res_release(&res);
	free(text);
	free(url);
	return rv;
}

/* Like call, when nothing of the answer is wanted. */
static int
order(struct stage *s, const struct person *p, const char *method,
    const char *path, const struct json *body, struct err *e)
{
	struct json *answer;
	int rv = call(s, p->token, method, path, body, &answer, e);

	json_free(answer);
	return rv;
}

/* --- people -------------------------------------------------------------- */

static void
person_free(struct person *p)
{
	map_free(p->last);
	map_free(p->taps);
	free(p->name);
	free(p->id);
	free(p->token);
	free(p);
}

static int
log_in(struct stage *s, struct person *p, struct err *e)
{
	struct json *b = json_object(), *id, *answer;
	int rv;

	json_set_str(b, "type", "m.login.password");
	json_set_str(b, "password", PASSWORD);
	id = json_obj(b, "identifier");
	json_set_str(id, "type", "m.id.user");
	json_set_str(id, "user", p->name);
	rv = call(s, NULL, "POST", V3 "/login", b, &answer, e);
	p->token = xstrdup(json_str(answer, "access_token"));
	json_free(answer);
	json_free(b);
	return rv;
}

static int
make_account(struct stage *s, struct person *p, struct err *e)
{
	static const char path[] = "/_synapse/admin/v1/register";
	struct json *answer, *b;
	struct buf text = { 0 };
	char *mac;
	int rv = call(s, NULL, "GET", path, NULL, &answer, e);

	if (rv == 0) {
		b = json_object();
		json_set_str(b, "nonce", json_strd(answer, "nonce", ""));
		json_set_str(b, "username", p->name);
		json_set_str(b, "password", PASSWORD);
		json_set_bool(b, "admin", false);
		buf_add(&text, json_str(b, "nonce"),
		    strlen(json_str(b, "nonce")) + 1);
		buf_add(&text, p->name, strlen(p->name) + 1);
		buf_add(&text, PASSWORD, sizeof PASSWORD);
		buf_puts(&text, "notadmin");
		mac = hmac_sha1_hex(s->secret, text.data, text.len);
		json_set_str(b, "mac", mac);
		json_free(answer);
		rv = call(s, NULL, "POST", path, b, &answer, e);
		p->token = xstrdup(json_str(answer, "access_token"));
		free(mac);
		json_free(b);
	}
	/* Somebody who was there before, from an earlier file. */
	if (rv == -1 && str_equal(json_str(answer, "errcode"),
	    "M_USER_IN_USE"))
		rv = log_in(s, p, e);
	buf_release(&text);
	json_free(answer);
	return rv;
}

struct person *
people_get(struct stage *s, const char *name, struct err *e)
{
	struct person *p = map_find(s->people, name);

	if (p != NULL)
		return p;
	if (map_size(s->people) >= PEOPLE_MAX) {
		err_set(e, ERR_USER, "too many people");
		return NULL;
	}
	p = xcalloc(1, sizeof *p);
	p->name = xstrdup(name);
	p->id = xasprintf("@%s:%s", name, s->domain);
	p->last = map_new(free);
	p->taps = map_new(free);
	if (make_account(s, p, e) == -1) {
		err_prefix(e, "@%s", name);
		person_free(p);
		return NULL;
	}
	map_set(s->people, name, p);
	return p;
}

static void
said_free(struct said *said)
{
	free(said->room);
	free(said->event);
	free(said->thread);
	free(said->state);
	strv_release(&said->forms);
	free(said);
}

void
crowd_release(struct stage *s)
{
	struct person *p;
	void *it = NULL;

	while (s->people != NULL &&
	    (p = map_next(s->people, &it, NULL)) != NULL)
		person_free(p);
	map_free(s->people);
	map_free(s->direct);
	for (size_t i = 0; i < s->said_n; i++)
		said_free(s->said[i]);
	free(s->said);
	free(s->since);
	strv_release(&s->invites);
}

/* --- hearing ------------------------------------------------------------- */

static struct said *
said_find(struct stage *s, const char *event)
{
	for (size_t i = s->said_n; i-- > 0;)
		if (str_equal(s->said[i]->event, event))
			return s->said[i];
	return NULL;
}

static void
said_form(struct said *said, const struct json *content)
{
	const char *state = json_str(json_get(content, "io.hiclaw.reply"),
	    "state");
	const char *body = json_strd(content, "body", "");

	if (str_equal(json_str(content, "msgtype"), "m.file"))
		strv_addf(&said->forms, "[file %s]", body);
	else
		strv_add(&said->forms, body);
	free(said->state);
	said->state = xstrdup(state != NULL ? state : "");
}

/* A message of the bot. */
static void
hear(struct stage *s, const char *room, const struct json *ev)
{
	const struct json *content = json_get(ev, "content"), *rel;
	const char *event = json_str(ev, "event_id");
	bool edit;
	struct said *said;

	rel = json_get(content, "m.relates_to");
	edit = str_equal(json_str(rel, "rel_type"), "m.replace");
	if (event == NULL || json_str(content, "body") == NULL ||
	    said_find(s, event) != NULL)
		return;
	s->heard_ms = clock_mono_ms();
	if (edit) {
		said = said_find(s, json_str(rel, "event_id"));
		if (said != NULL)
			said_form(said, json_get(content, "m.new_content"));
		return;
	}
	if (s->said_n == SAID_MAX)
		return;
	said = xcalloc(1, sizeof *said);
	said->room = xstrdup(room);
	said->event = xstrdup(event);
	if (str_equal(json_str(rel, "rel_type"), "m.thread"))
		said->thread = xstrdup(json_str(rel, "event_id"));
	said_form(said, content);
	s->said = xreallocarray(s->said, s->said_n + 1,
	    sizeof(struct said *));
	s->said[s->said_n++] = said;
}

static struct person *
person_of(struct stage *s, const char *id)
{
	struct person *p;
	void *it = NULL;

	while ((p = map_next(s->people, &it, NULL)) != NULL)
		if (str_equal(p->id, id))
			return p;
	return NULL;
}

static void
take_event(struct stage *s, const char *room, const struct json *ev)
{
	const char *type = json_str(ev, "type");
	const struct json *content = json_get(ev, "content");
	struct person *p;

	if (!str_equal(json_str(ev, "sender"), s->bot))
		return;
	if (str_equal(type, "m.room.message"))
		hear(s, room, ev);
	else if (str_equal(type, "m.room.member") && str_equal(json_str(
	    content, "membership"), "invite") &&
	    (p = person_of(s, json_str(ev, "state_key"))) != NULL)
		strv_addf(&s->invites, "%s %s", room, p->name);
}

/* Everybody who was asked in comes in. */
static void
accept_invites(struct stage *s)
{
	struct err e;

	for (size_t i = 0; i < s->invites.n; i++) {
		char *room = xstrdup(s->invites.v[i]), *name;
		char *path;

		name = strchr(room, ' ');
		*name++ = '\0';
		path = http_path(V3 "/rooms/%s/join", room);
		/* One that was taken back meanwhile is nobody's fault. */
		if (order(s, map_find(s->people, name), "POST", path, NULL,
		    &e) == -1)
			e.kind = ERR_USER;
		free(path);
		free(room);
	}
	strv_release(&s->invites);
}

int
people_look(struct stage *s, int wait_ms, struct err *e)
{
	char *bot = http_escape(s->bot), *filter = http_escape(FILTER), *path;
	struct json *answer, *rooms, *r;
	const struct json *ev, *list;
	int rv;

	path = xasprintf(V3 "/sync?user_id=%s&filter=%s&timeout=%d%s%s"
	    "&set_presence=offline", bot, filter, s->since == NULL ? 0 :
	    wait_ms, s->since == NULL ? "" : "&since=",
	    s->since == NULL ? "" : s->since);
	rv = call(s, s->as_token, "GET", path, NULL, &answer, e);
	free(path);
	free(filter);
	free(bot);
	if (rv == -1) {
		json_free(answer);
		return -1;
	}
	free(s->since);
	s->since = http_escape(json_strd(answer, "next_batch", ""));
	rooms = json_path(answer, "rooms.join");
	for (r = json_first(rooms); r != NULL; r = json_next(r)) {
		list = json_path(r, "state.events");
		for (ev = json_first(list); ev != NULL; ev = json_next(ev))
			take_event(s, json_key(r), ev);
		list = json_path(r, "timeline.events");
		for (ev = json_first(list); ev != NULL; ev = json_next(ev))
			take_event(s, json_key(r), ev);
	}
	json_free(answer);
	accept_invites(s);
	return 0;
}

/* --- rooms --------------------------------------------------------------- */

static char *
open_direct(struct stage *s, const char *who, struct err *e)
{
	struct person *p = people_get(s, who, e);
	struct json *b, *answer = NULL;
	char *room = NULL;

	if (p == NULL)
		return NULL;
	b = json_object();
	json_set_bool(b, "is_direct", true);
	json_set_str(b, "preset", "trusted_private_chat");
	json_set_str(b, "room_version", "11");
	json_push_str(json_set(b, "invite", json_array()), s->bot);
	if (call(s, p->token, "POST", V3 "/createRoom", b, &answer, e) == 0) {
		room = xstrdup(json_str(answer, "room_id"));
		map_set(s->direct, who, xstrdup(room));
	}
	json_free(answer);
	json_free(b);
	return room;
}

static bool
bot_is_in(struct stage *s, const struct person *p, const char *room)
{
	char *path = http_path(V3 "/rooms/%s/state/m.room.member/%s", room,
	    s->bot);
	struct json *answer;
	struct err e;
	bool in;

	in = call(s, p->token, "GET", path, NULL, &answer, &e) == 0 &&
	    str_equal(json_str(answer, "membership"), "join");
	json_free(answer);
	free(path);
	return in;
}

/* "dm/alice": made when first named; waits until the bot is there. */
static char *
direct_room(struct stage *s, const char *who, struct err *e)
{
	const char *known = map_find(s->direct, who);
	char *room = known != NULL ? xstrdup(known) :
	    open_direct(s, who, e);
	int64_t end = clock_mono_ms() + s->o->timeout_ms;

	while (room != NULL && !bot_is_in(s, map_find(s->people, who), room)) {
		if (clock_mono_ms() > end || people_look(s, 100, e) == -1) {
			err_set(e, ERR_USER, "the bot does not come to @%s",
			    who);
			free(room);
			return NULL;
		}
	}
	return room;
}

char *
people_room(struct stage *s, const char *name, const char *who,
    struct err *e)
{
	struct json *answer;
	char *alias, *path, *room = NULL;

	(void)who;
	if (str_starts(name, "dm/"))
		return direct_room(s, name + 3, e);
	if (name[0] == '#')
		alias = xasprintf("%s:%s", name, s->domain);
	else
		alias = xasprintf("#%s_%s:%s", s->prefix, name, s->domain);
	for (char *p = alias; name[0] != '#' && *p != '\0'; p++)
		if (*p == '/')
			*p = '_';
	path = http_path(V3 "/directory/room/%s", alias);
	if (call(s, s->as_token, "GET", path, NULL, &answer, e) == 0)
		room = xstrdup(json_str(answer, "room_id"));
	else
		err_prefix(e, "%s", alias);
	json_free(answer);
	free(path);
	free(alias);
	return room;
}

/* --- doing --------------------------------------------------------------- */

int
people_send(struct stage *s, struct person *p, const char *room,
    const char *type, const struct json *content, char **event,
    struct err *e)
{
	char *txn = rand_hex(8);
	char *path = http_path(V3 "/rooms/%s/send/%s/%s", room, type, txn);
	struct json *answer;
	int rv = call(s, p->token, "PUT", path, content, &answer, e);

	if (rv == 0)
		*event = xstrdup(json_strd(answer, "event_id", ""));
	json_free(answer);
	free(path);
	free(txn);
	return rv;
}

int
people_redact(struct stage *s, struct person *p, const char *room,
    const char *event, struct err *e)
{
	char *txn = rand_hex(8);
	char *path = http_path(V3 "/rooms/%s/redact/%s/%s", room, event, txn);
	int rv = order(s, p, "PUT", path, NULL, e);

	free(path);
	free(txn);
	return rv;
}

int
people_attach(struct stage *s, struct person *p, const char *name,
    const char *data, char **mxc, struct err *e)
{
	char *escaped = http_escape(name);
	char *url = xasprintf("%s/_matrix/media/v3/upload?filename=%s",
	    s->url, escaped);
	struct http_req req = { .method = "POST", .url = url,
		.bearer = p->token, .content_type = "application/yaml",
		.body = data, .body_len = strlen(data),
		.timeout_ms = CALL_MS };
	struct http_res res = { 0 };
	struct json *answer = NULL;
	int rv = http_call(&req, &res, e);

	if (rv == 0 && (rv = judge(&res, &answer, e)) == 0)
		*mxc = xstrdup(json_strd(answer, "content_uri", ""));
	json_free(answer);
	http_res_release(&res);
	free(url);
	free(escaped);
	return rv;
}

/* "@bob" or a whole id; yours. */
static char *
id_of(const struct stage *s, const char *word)
{
	return strchr(word, ':') != NULL ? xstrdup(word) :
	    xasprintf("%s:%s", word, s->domain);
}

static int
set_state(struct stage *s, struct person *p, const char *room,
    const char *type, const char *key, const struct json *content,
    struct err *e)
{
	char *path = http_path(V3 "/rooms/%s/state/%s/%s", room, type, key);
	int rv = order(s, p, "PUT", path, content, e);

	free(path);
	return rv;
}

/* "power @bob 100": the levels as they are, with one changed. */
static int
act_power(struct stage *s, struct person *p, const char *room,
    const char *rest, struct err *e)
{
	char *path = http_path(V3 "/rooms/%s/state/m.room.power_levels", room);
	size_t n = strcspn(rest, " ");
	char *word = xstrndup(rest, n), *id = id_of(s, word);
	struct json *levels = NULL;
	int rv = call(s, p->token, "GET", path, NULL, &levels, e);

	if (rv == 0) {
		json_set_int(json_obj(levels, "users"), id,
		    strtoll(rest + n, NULL, 10));
		rv = set_state(s, p, room, "m.room.power_levels", "", levels,
		    e);
	}
	json_free(levels);
	free(id);
	free(word);
	free(path);
	return rv;
}

static int
act_member(struct stage *s, struct person *p, const char *room,
    const char *verb, const char *rest, struct err *e)
{
	struct json *body = json_object();
	char *path = http_path(V3 "/rooms/%s/%s", room, verb);
	char *id = rest[0] == '\0' ? NULL : id_of(s, rest);
	int rv;

	json_set_str(body, "user_id", id);
	rv = order(s, p, "POST", path, body, e);
	free(id);
	free(path);
	json_free(body);
	return rv;
}

/* "state TYPE KEY {...}"; a key of - is the empty one. */
static int
act_state(struct stage *s, struct person *p, const char *room,
    const char *rest, struct err *e)
{
	size_t n = strcspn(rest, " "), m;
	const char *key = rest + n + (rest[n] == ' ');
	struct json *content;
	char *type, *k;
	int rv;

	m = strcspn(key, " ");
	content = json_parse(key + m, strlen(key + m), e);
	if (content == NULL)
		return -1;
	type = xstrndup(rest, n);
	k = m == 1 && key[0] == '-' ? xstrdup("") : xstrndup(key, m);
	rv = set_state(s, p, room, type, k, content, e);
	free(type);
	free(k);
	json_free(content);
	return rv;
}

static int
act_text(struct stage *s, struct person *p, const char *room,
    const char *field, const char *rest, struct err *e)
{
	char *type = xasprintf("m.room.%s", field);
	struct json *content = json_object();
	int rv;

	json_set_str(content, field, rest);
	rv = set_state(s, p, room, type, "", content, e);
	json_free(content);
	free(type);
	return rv;
}

int
people_act(struct stage *s, struct person *p, const char *room,
    const char *what, struct err *e)
{
	size_t n = strcspn(what, " ");
	const char *rest = what + n + (what[n] == ' ');
	char verb[16];

	snprintf(verb, sizeof verb, "%.*s", (int)(n < 15 ? n : 15), what);
	if (str_equal(verb, "join") || str_equal(verb, "leave") ||
	    str_equal(verb, "invite") || str_equal(verb, "kick") ||
	    str_equal(verb, "ban") || str_equal(verb, "unban"))
		return act_member(s, p, room, verb, rest, e);
	if (str_equal(verb, "name") || str_equal(verb, "topic"))
		return act_text(s, p, room, verb, rest, e);
	if (str_equal(verb, "power"))
		return act_power(s, p, room, rest, e);
	if (str_equal(verb, "state"))
		return act_state(s, p, room, rest, e);
	return err_set(e, ERR_BROKEN, "nobody can \"%s\": join, leave, invite, "
	    "kick, ban, unban, name, topic, power, state or attach", verb);
}
