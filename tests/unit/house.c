/*
 * A house to test chat in: see house.h.  A postman stands for the daemon: what
 * is due in the outbox is noted down and counts as sent.
 */
#include "house.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <pthread.h>

#include "hiclaw/clock.h"
#include "hiclaw/log.h"
#include "hiclaw/loop.h"

#include "../../src/chat/invocation.h"
#include "../../src/provider/storage.h"
#include "room-help.h"

/* --- a provider that does as it is told ---------------------------------- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
char fail_key[128];
static bool is_slow;			/* calls wait until told otherwise */
bool is_wordy;			/* differences are long texts */

static void
obj_diff(const struct json *desired, const struct json *observed,
    struct changes *c)
{
	static const char quotes[] = QUOTES QUOTES QUOTES QUOTES QUOTES QUOTES;

	if (json_equal(desired, json_get(observed, "is")))
		return;
	if (observed == NULL || !is_wordy)
		changes_add(c, observed == NULL ? RISK_CREATE : RISK_UPDATE,
		    "form", NULL, NULL);
	for (int i = 0; is_wordy && i < 3; i++)
		changes_add(c, RISK_UPDATE, quotes, quotes, quotes);
}

/* As real ones. */
static void
room_obj_diff(const struct json *desired, const struct json *observed,
    struct changes *c)
{
	if (is_wordy)
		obj_diff(desired, observed, c);
	else
		room_diff(desired, observed, c);
}

/* Somebody changed these members of what is observed. */
static bool
obj_absorb(struct json *observed, const struct json *event)
{
	const struct json *v = json_first(json_get(event, "drift"));

	if (v == NULL)
		return false;
	json_remove(observed, "is");
	for (; v != NULL; v = json_next(v))
		json_set(observed, json_key(v), json_copy(v));
	return true;
}

/* In all that room_diff looks at. */
static void
settle_room(const struct work *w, struct json *observed)
{
	struct json *room = room_settled(w->key, w->desired, "@hiclaw:x.org");
	const struct json *m = json_first(room);

	for (; m != NULL; m = json_next(m))
		json_set(observed, json_key(m), json_copy(m));
	json_free(room);
}

static int
obj_ensure(void *ctx, const struct work *w, struct outcome *out,
    struct err *err)
{
	bool fails, slow;

	do {
		pthread_mutex_lock(&lock);
		fails = strcmp(fail_key, w->key) == 0;
		slow = is_slow;
		pthread_mutex_unlock(&lock);
		if (slow)
			usleep(2000);
	} while (slow);
	if (fails)
		return err_set(err, ERR_CONFLICT, "somebody else has it");
	obedient_ensure(ctx, w, out, err);
	if (str_starts(w->key, "room:"))
		settle_room(w, out->observed);
	if (str_starts(w->key, "package:"))
		json_set_str(json_obj(out->observed, "files"), "notes.md", "0");
	if (str_starts(w->key, "skills:"))
		json_obj(json_obj(out->observed, "skills"), "mcporter");
	return 0;
}

/* --- containers: they run, and report by an event ------------------------ */

static const int box_pauses[] = { 0, 0, 0, 0, 0, 3600, -1 };

/* The event is what is seen from now on. */
static bool
box_absorb(struct json *observed, const struct json *event)
{
	const struct json *v = json_first(json_get(event, "set"));

	json_remove(observed, "ready_until");
	for (; v != NULL; v = json_next(v))
		json_set(observed, json_key(v), json_copy(v));
	return true;
}

/* Here an agent reports at once. */
static int
quick_box_ensure(void *ctx, const struct work *w, struct outcome *out,
    struct err *err)
{
	box_ensure(ctx, w, out, err);
	if (str_equal(json_str(out->observed, "state"), "running"))
		json_set_int(out->observed, "ready_until",
		    clock_ms() + 60000);
	return 0;
}

#define KIND(n, s) { OBEDIENT(n, obj_diff, obj_ensure), .secrets = s, \
    .absorb = obj_absorb }
static const struct object_kind obj_kinds[] = {
	KIND("account", NULL), KIND("human", obedient_password),
	KIND("media", NULL), KIND("tree", NULL),
	{ OBEDIENT("room", room_obj_diff, obj_ensure), .absorb = obj_absorb },
	/* Explained as the real ones are. */
	{ .name = "file", .label = "file", .diff = obj_diff,
	    .ensure = obj_ensure, .remove = obedient_remove,
	    .note = storage_file_note, .detail = storage_file_detail },
	KIND("skills", NULL), KIND("package", NULL), KIND("provider", NULL),
	KIND("route", NULL), KIND("mcp", NULL),
	KIND("consumer", obedient_key),
	KIND("network", NULL), KIND("image", NULL), KIND("volume", NULL),
	KIND("remote", NULL),
	{ OBEDIENT("container", box_diff, quick_box_ensure),
	    .awaits = box_awaits, .absorb = box_absorb,
	    .pauses_s = box_pauses },
	{ .name = NULL }
};

static int
prov_query(void *ctx, const struct json *question, struct json **answer,
    struct err *err)
{
	*answer = json_must("{\"lines\":[{\"stream\":\"stderr\",\"text\":"
	    "\"I give up: API_KEY=0123456789abcdef\"}]}");
	return 0;
}

const struct provider obedient = { .name = "matrix", .concurrency = 4,
    .kinds = obj_kinds, .open = obedient_open, .close = obedient_close,
    .query = prov_query };

void
be_slow(bool slow)
{
	pthread_mutex_lock(&lock);
	is_slow = slow;
	pthread_mutex_unlock(&lock);
}

/* --- a house to test in -------------------------------------------------- */


void
house_turn(void *arg)
{
	struct house *h = arg;

	if (h->engine == NULL)
		return;
	engine_before_commit(h->engine);
	store_commit(h->store);
	engine_after_commit(h->engine);
}

bool
wait_for(struct house *h, bool (*until)(struct house *))
{
	return waiting_for(&h->waiting, until);
}

bool
is_quiet(struct house *h)
{
	return obedient_is_quiet(h->engine);
}

char *
in_tree(const char *path)
{
	const char *dir = getenv("srcdir");

	return xasprintf("%s/%s", dir != NULL ? dir : ".", path);
}

void
house_open(struct house *h)
{
	struct engine_config cfg = { 0 };
	struct chat_config cc = { 0 };
	struct life_news news;
	char *db = xasprintf("%s/db", h->dir);
	char *key = xasprintf("%s/key", h->dir);
	struct err err;

	if ((h->store = store_open(db, key, &err)) == NULL)
		fail_msg("%s", err.msg);
	h->loop = loop_new();
	obedient_world(&cfg.world, &h->admins);
	cfg.world.storage.provider = "directory";
	if (h->providers != NULL) {
		cfg.world.gateway = (struct world_gateway){
		    .provider = "envoy", .agents_url = "http://gw",
		    .providers = h->providers, .mcp_servers = h->mcps };
	}
	if (h->images != NULL)
		cfg.world.containers = (struct world_containers){
		    .provider = "docker", .network = "host",
		    .images = h->images, .pull = "never",
		    .homes = "/homes" };
	h->library = library_new();
	library_add(h->library, "agents/SOUL.md", "I am {{name}}.\n");
	cfg.world.library = h->library;
	cfg.threads = 4;
	cfg.run_limit_ms = 30000;
	cfg.live_interval_ms = 20;
	h->engine = engine_new(h->loop, h->store, &cfg, &err);
	assert_non_null(h->engine);
	cc.commands_dir = h->commands;
	cc.templates_dir = h->templates;
	cc.commands_extra = h->extra;
	cc.homeserver_url = "http://localhost:8008";
	cc.question_ttl_ms = 300000;
	cc.password_ttl_ms = 3600000;
	cc.live_interval_ms = 20;
	cc.rotation_overlap_ms = 600000;
	cc.version = "9.9";
	cc.policy = h->policy;
	cc.backups_dir = h->backups;
	h->ops = (struct ops){ .engine = h->engine, .store = h->store,
	    .settled = chat_settled };
	cc.life = h->life = life_new(&h->ops, h->loop, 0);
	if ((h->chat = chat_new(h->store, h->engine, &cc, &err)) == NULL)
		fail_msg("%s", err.msg);
	h->ops.arg = h->chat;
	news = chat_life_news(h->chat);
	life_tell(h->life, &news);
	engine_observe(h->engine, chat_observer(h->chat));
	loop_before_wait(h->loop, house_turn, h);
	waiting_open(&h->waiting, h->loop, h);
	engine_start(h->engine);
	life_start(h->life);
	assert_true(wait_for(h, is_quiet));
	free(db);
	free(key);
}

void
house_close(struct house *h)
{
	engine_free(h->engine);
	library_free(h->library);
	h->engine = NULL;
	chat_free(h->chat);
	life_free(h->life);
	waiting_close(&h->waiting);
	store_commit(h->store);
	store_close(h->store);
	loop_free(h->loop);
}

int
setup(void **state)
{
	struct house *h = xcalloc(1, sizeof *h);
	char tmpl[] = "/tmp/hiclaw-chat-XXXXXX";

	log_set_level(LOG_LVL_ERROR);
	fail_key[0] = '\0';
	be_slow(false);
	is_wordy = false;
	h->dir = xstrdup(mkdtemp(tmpl));
	h->commands = in_tree("commands");
	h->templates = in_tree("templates");
	h->backups = xasprintf("%s/backups", h->dir);
	h->sent = json_array();
	strv_add(&h->admins, BOSS);
	house_open(h);
	*state = h;
	return 0;
}

int
teardown(void **state)
{
	struct house *h = *state;
	char *cmd = xasprintf("rm -rf '%s'", h->dir);

	be_slow(false);
	house_close(h);
	clock_set_ms(0);
	assert_int_equal(system(cmd), 0);
	free(cmd);
	free(h->dir);
	free(h->commands);
	free(h->extra);
	free(h->templates);
	free(h->backups);
	json_free(h->sent);
	strv_release(&h->admins);
	json_free(h->providers);
	json_free(h->mcps);
	json_free(h->images);
	json_free(h->policy);
	free(h);
	return 0;
}

/* --- the postman --------------------------------------------------------- */

/* The HTML that every client shows, and nothing else. */
static void
check_html(const char *html)
{
	static const char *const tags[] = { "p", "br", "b", "i", "code",
		"pre", "ul", "ol", "li", "a", "blockquote", "del" };

	for (const char *p = html; (p = strchr(p, '<')) != NULL; p++) {
		const char *name = p + 1 + (p[1] == '/');
		size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz");
		bool known = false;

		for (size_t i = 0; i < NELEM(tags); i++)
			known |= strlen(tags[i]) == n &&
			    memcmp(tags[i], name, n) == 0;
		if (!known)
			fail_msg("unsafe tag in %s", html);
	}
}

static void
check_content(const struct json *content)
{
	const char *body = json_str(content, "body");

	assert_non_null(body);
	assert_non_null(json_get(content, "m.mentions"));
	assert_true(strlen(body) <= 20 * 1024);
	if (str_equal(json_str(content, "msgtype"), "m.notice")) {
		assert_non_null(json_str(content, "formatted_body"));
		assert_null(strstr(body, "{{>"));
		check_html(json_str(content, "formatted_body"));
	} else
		assert_string_equal(json_str(content, "msgtype"), "m.file");
}

/* An event has 64 KiB, also for ids and hashes; an edit says all twice. */
static void
check_size(const struct outbox_row *row)
{
	size_t n = strlen(row->content);

	if (row->op == OUTBOX_EDIT)
		n *= 2;
	if (n > 60 * 1024)
		fail_msg("%zu bytes: %.80s", n, row->content);
}

static void
note_row(const struct outbox_row *row, void *arg)
{
	struct json *list = arg, *o = json_push(list, json_object());
	struct err err;

	check_size(row);

	json_set_int(o, "id", row->id);
	json_set_str(o, "room", row->room);
	json_set_int(o, "op", row->op);
	json_set_int(o, "target", row->target);
	json_set_int(o, "thread", row->thread);
	json_set_int(o, "not_before", row->not_before_ms);
	json_set_str(o, "file_name", row->file_name);
	if (row->file != NULL) {
		char *text = xstrndup(row->file, row->file_len);

		json_set_str(o, "file", text);
		free(text);
	}
	json_set(o, "content", json_parse(row->content, strlen(row->content),
	    &err));
}

/* Everything due is sent; as often as that makes more due. */
void
post(struct house *h)
{
	for (;;) {
		struct json *rows = json_array();
		const struct json *r;
		int64_t now = clock_ms();
		size_t n;

		store_begin(h->store);
		store_outbox_each(h->store, now + 1000, 1000, note_row, rows);
		n = json_size(rows);
		for (r = json_first(rows); r != NULL; r = json_next(r)) {
			int64_t id = json_int(r, "id", 0);
			char *event = h->copies == 0 ?
			    xasprintf("$out%lld", (long long)id) :
			    xasprintf("$out%d-%lld", h->copies, (long long)id);

			if (json_int(r, "op", 0) <= OUTBOX_EDIT)
				check_content(json_get(r, "content"));
			store_outbox_sending(h->store, id);
			store_outbox_sent(h->store, id, event);
			json_push(h->sent, json_copy(r));
			free(event);
		}
		store_commit(h->store);
		json_free(rows);
		if (n == 0)
			return;
	}
}

void
forget_sent(struct house *h)
{
	post(h);
	json_free(h->sent);
	h->sent = json_array();
}

/* The newest message whose reply is for that event; not edits. */
const struct json *
reply_to(struct house *h, const char *event)
{
	const struct json *r, *found = NULL;

	for (r = json_first(h->sent); r != NULL; r = json_next(r)) {
		const struct json *c = json_get(r, "content");

		if (json_int(r, "op", 0) == OUTBOX_SEND && str_equal(json_str(
		    json_get(c, "io.hiclaw.reply"), "for"), event))
			found = r;
	}
	return found;
}

const char *
state_of(const struct json *r)
{
	return json_strd(json_get(json_get(r, "content"), "io.hiclaw.reply"),
	    "state", "");
}

const char *
body_of(const struct json *r)
{
	return json_strd(json_get(r, "content"), "body", "");
}

int64_t
question_of(const struct json *r)
{
	return json_int(json_get(json_get(r, "content"), "io.hiclaw.reply"),
	    "question", 0);
}

size_t
sent_n(struct house *h)
{
	post(h);
	return json_size(h->sent);
}

/* Replies that end a command, for this event. */
size_t
finals_of(struct house *h, const char *event)
{
	const struct json *r;
	size_t n = 0;

	for (r = json_first(h->sent); r != NULL; r = json_next(r)) {
		const struct json *reply = json_get(json_get(r, "content"),
		    "io.hiclaw.reply");

		n += json_int(r, "op", 0) == OUTBOX_SEND &&
		    str_equal(json_str(reply, "for"), event) &&
		    !str_equal(json_str(reply, "state"), "running");
	}
	return n;
}

/* --- speaking ------------------------------------------------------------ */

struct json *
event_of(struct house *h, const char *room, const char *sender,
    const char *type)
{
	struct json *e = json_object();

	json_set_str(e, "type", type);
	json_set_str(e, "room_id", room);
	json_set_str(e, "sender", sender);
	json_set_strf(e, "event_id", "$e%d", ++h->events);
	json_set(e, "content", json_object());
	return e;
}

enum chat_need
give(struct house *h, const struct json *event,
    const struct chat_fetched *fetched, char **what)
{
	enum chat_need need;

	store_begin(h->store);
	store_inbox_add(h->store, json_str(event, "event_id"),
	    json_str(event, "room_id"), "{}");
	need = chat_event(h->chat, event, fetched, what);
	engine_before_commit(h->engine);
	store_commit(h->store);
	engine_after_commit(h->engine);
	return need;
}

/* The event id, which stays as it is until the next but 15 messages. */
const char *
speak_in(struct house *h, const char *room, const char *sender,
    const char *body, const char *reply_to_event)
{
	static char ids[16][16];
	char *id = ids[h->events % 16], *what = NULL;
	struct json *e = event_of(h, room, sender, "m.room.message");
	struct json *c = json_get(e, "content"), *rel;

	json_set_str(c, "msgtype", "m.text");
	json_set_str(c, "body", body);
	if (reply_to_event != NULL) {
		rel = json_set(c, "m.relates_to", json_object());
		rel = json_set(rel, "m.in_reply_to", json_object());
		json_set_str(rel, "event_id", reply_to_event);
	}
	assert_int_equal(give(h, e, NULL, &what), CHAT_DONE);
	assert_null(what);
	str_copy(id, json_str(e, "event_id"), 16);
	json_free(e);
	post(h);
	return id;
}

const char *
speak(struct house *h, const char *body)
{
	return speak_in(h, ADMIN, BOSS, body, NULL);
}

/* ... and wait until everything that follows from it is over. */
const struct json *
ask(struct house *h, const char *body)
{
	const char *id = speak(h, body);

	assert_true(wait_for(h, is_quiet));
	post(h);
	return reply_to(h, id);
}

void
expect(const struct json *r, const char *state, const char *part)
{
	if (r == NULL)
		fail_msg("no reply with \"%s\"", part);
	if (strcmp(state_of(r), state) != 0 ||
	    strstr(body_of(r), part) == NULL)
		fail_msg("[%s] %s\nis not [%s] with \"%s\"", state_of(r),
		    body_of(r), state, part);
}

/*
 * A command that needs an answer from outside: it must ask this, and is given
 * `data` (or, when that is NULL, an error).
 */
const struct json *
ask_outside(struct house *h, const char *body, const char *question,
    const char *data)
{
	struct chat_fetched got = { data, data != NULL ? strlen(data) : 0,
	    data == NULL ? "it is asleep" : NULL };
	struct json *e = event_of(h, ADMIN, BOSS, "m.room.message");
	struct json *c = json_get(e, "content");
	char *what = NULL, id[16];

	json_set_str(c, "msgtype", "m.text");
	json_set_str(c, "body", body);
	str_copy(id, json_str(e, "event_id"), sizeof id);
	assert_int_equal(give(h, e, NULL, &what), CHAT_NEEDS_QUERY);
	assert_string_equal(what, question);
	free(what);
	post(h);
	assert_null(reply_to(h, id));
	assert_int_equal(give(h, e, &got, &what), CHAT_DONE);
	json_free(e);
	post(h);
	return reply_to(h, id);
}

const struct json *
invoke(struct house *h, const char *body, const char *mention,
    const char *command, const char *arguments)
{
	struct json *e = event_of(h, ADMIN, BOSS, "m.room.message");
	struct json *c = json_get(e, "content"), *o;
	char *id = xstrdup(json_str(e, "event_id")), *what = NULL;
	const struct json *reply;
	struct err err;

	json_set_str(c, "msgtype", "m.text");
	json_set_str(c, "body", body);
	json_push_str(json_set(json_obj(c, "m.mentions"), "user_ids",
	    json_array()), mention);
	o = json_obj(c, INVOCATION_KEY);
	json_set_str(o, "command", command);
	json_set(o, "arguments", json_parse(arguments, strlen(arguments),
	    &err));
	assert_int_equal(give(h, e, NULL, &what), CHAT_DONE);
	assert_null(what);
	assert_true(wait_for(h, is_quiet));
	post(h);
	reply = reply_to(h, id);
	free(id);
	json_free(e);
	return reply;
}

void
react(struct house *h, const char *sender, const char *target,
    const char *key)
{
	struct json *e = event_of(h, ADMIN, sender, "m.reaction"), *rel;
	char *what;

	rel = json_set(json_get(e, "content"), "m.relates_to", json_object());
	json_set_str(rel, "rel_type", "m.annotation");
	json_set_str(rel, "event_id", target);
	json_set_str(rel, "key", key);
	give(h, e, NULL, &what);
	json_free(e);
	assert_true(wait_for(h, is_quiet));
	post(h);
}

const char *
edit(struct house *h, const char *sender, const char *target,
    const char *body)
{
	return edit_in(h, ADMIN, sender, target, body);
}

struct json *
edit_of(struct house *h, const char *room, const char *sender,
    const char *target, const char *body)
{
	struct json *e = event_of(h, room, sender, "m.room.message"), *o;
	struct json *c = json_get(e, "content");

	json_set_str(c, "msgtype", "m.text");
	json_set_strf(c, "body", "* %s", body);
	o = json_set(c, "m.new_content", json_object());
	json_set_str(o, "msgtype", "m.text");
	json_set_str(o, "body", body);
	o = json_set(c, "m.relates_to", json_object());
	json_set_str(o, "rel_type", "m.replace");
	json_set_str(o, "event_id", target);
	return e;
}

const char *
edit_in(struct house *h, const char *room, const char *sender,
    const char *target, const char *body)
{
	static char id[16];
	struct json *e = edit_of(h, room, sender, target, body);
	char *what;

	give(h, e, NULL, &what);
	str_copy(id, json_str(e, "event_id"), sizeof id);
	json_free(e);
	assert_true(wait_for(h, is_quiet));
	post(h);
	return id;
}

bool
is_declared(struct house *h, const char *kind, const char *name)
{
	return resources_find(engine_resources(h->engine), kind_find(kind),
	    name) != NULL;
}
