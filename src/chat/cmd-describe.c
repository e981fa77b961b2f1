/*
 * describe: one resource with everything it has: declaration, state and why,
 * rooms with links and members, other objects, and what happened last.
 */
#include "chat-int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hiclaw/clock.h"

#include "cmd.h"
#include "container.h"

#define OBJECTS_SHOWN	30	/* names or lines: three phone screens */
#define MEMBERS_SHOWN	20	/* of one room */
#define EVENTS_LAST	5
#define FIELD_SHOWN	60	/* characters of one value */

struct describe {
	struct chat	*chat;
	struct text	 rooms, settled, open, log;
	size_t		 rooms_n, settled_n, open_n;
	const char	*only;		/* runtime name of a member, or NULL */
	const char	*user;		/* of a Human: whose rooms are meant */
	char		*kind;		/* of `names`, which go to `settled` */
	struct strv	 names;
};

/* --- objects ------------------------------------------------------------- */

/* "alice" for an agent of ours, "@ann" for a person, all of it for others. */
static void
put_member(struct chat *c, const char *user, const char *how,
    struct text *out)
{
	char *name = short_ids(c->engine, user);
	char *agent = xasprintf("@%s_", c->name);

	text_value(out, name + (str_starts(name, agent) ? strlen(agent) : 0));
	if (str_equal(how, "invite"))
		text_puts(out, " (invited)");
	free(agent);
	free(name);
}

static void
put_members(struct chat *c, const struct json *observed, struct text *out)
{
	const struct json *m;
	size_t n = 0;

	for (m = json_first(json_get(observed, "members")); m != NULL;
	    m = json_next(m)) {
		const char *how = json_value_str(m);

		if ((!str_equal(how, "join") && !str_equal(how, "invite")) ||
		    str_equal(json_key(m), c->bot))
			continue;
		if (n++ >= MEMBERS_SHOWN)
			continue;
		text_puts(out, n == 1 ? ": " : ", ");
		put_member(c, json_key(m), how, out);
	}
	if (n > MEMBERS_SHOWN)
		text_printf(out, " and %zu more", n - MEMBERS_SHOWN);
}

static void
put_room(struct describe *d, const struct object_view *v)
{
	struct json *observed;
	struct err err;
	const char *id, *name;
	char *url, *title = object_title(v->key);

	observed = v->observed == NULL ? NULL :
	    json_parse(v->observed, strlen(v->observed), &err);
	id = json_str(observed, "room_id");
	name = json_str(observed, "name");
	text_puts(&d->rooms, "- ");
	if (id != NULL) {
		url = matrix_to(id);
		text_link(&d->rooms, url, name != NULL ? name : title);
		free(url);
	} else
		text_value(&d->rooms, title);
	if (d->user == NULL)
		put_members(d->chat, observed, &d->rooms);
	else if (str_equal(json_str(json_get(observed, "members"), d->user),
	    "invite"))
		text_puts(&d->rooms, " (invited)");
	text_puts(&d->rooms, "\n");
	json_free(observed);
	free(title);
}

/* Does the key end with this name? "room:worker/bob", "account:bob". */
static bool
key_is_of(const char *key, const char *name)
{
	const char *at;
	size_t n = strlen(name);

	for (at = key; (at = strstr(at, name)) != NULL; at++)
		if (at > key && strchr(":/", at[-1]) != NULL &&
		    (at[n] == '\0' || at[n] == '/'))
			return true;
	return false;
}

/* A Human has no rooms, but is in some: from what the rooms want. */
static void
put_room_of(void *arg, const struct object_view *v)
{
	struct describe *d = arg;
	struct json *desired;
	struct err err;

	if (!str_starts(v->key, "room:") || v->desired == NULL ||
	    strstr(v->desired, d->user) == NULL)
		return;
	desired = json_parse(v->desired, strlen(v->desired), &err);
	if (json_get(json_get(desired, "members"), d->user) != NULL &&
	    d->rooms_n++ < OBJECTS_SHOWN)
		put_room(d, v);
	json_free(desired);
}

static void
put_kind(struct describe *d)
{
	struct strv lines = { 0 };

	names_fold(&d->names, OBJECTS_SHOWN, &lines);
	for (size_t i = 0; i < lines.n; i++)
		text_printf(&d->settled, "- %s %s\n", d->kind, lines.v[i]);
	strv_release(&lines);
	strv_release(&d->names);
}

/*
 * What is in place needs only its name: "- room worker/a, worker/b".  Objects
 * come sorted by key, so those of one kind stand together.
 */
static void
put_settled(struct describe *d, const char *key)
{
	size_t n = strcspn(key, ":");

	if (d->kind == NULL || strlen(d->kind) != n ||
	    strncmp(d->kind, key, n) != 0) {
		put_kind(d);
		free(d->kind);
		d->kind = xstrndup(key, n);
	}
	strv_add(&d->names, key[n] == ':' ? key + n + 1 : key);
}

static void
put_open(struct describe *d, const struct object_view *v)
{
	char *title = object_title(v->key);

	text_printf(&d->open, "- %s: **%s**", title,
	    object_state_name(v->state));
	if (v->error != NULL)
		text_printf(&d->open, ", %s", v->error);
	text_puts(&d->open, "\n");
	free(title);
}

static void
put_object(void *arg, const struct object_view *v)
{
	struct describe *d = arg;
	bool is_settled = v->state == OBJECT_SETTLED;

	if (d->only != NULL && !key_is_of(v->key, d->only))
		return;
	if (str_starts(v->key, "room:") && d->rooms_n++ < OBJECTS_SHOWN)
		put_room(d, v);
	if (is_settled && d->settled_n++ < OBJECTS_SHOWN)
		put_settled(d, v->key);
	else if (!is_settled && d->open_n++ < OBJECTS_SHOWN)
		put_open(d, v);
}

/* "- and 170 more", after as many as are shown. */
static void
put_rest(size_t n, struct text *out)
{
	if (n > OBJECTS_SHOWN)
		text_printf(out, "- and %zu more\n", n - OBJECTS_SHOWN);
}

/* --- the declaration ----------------------------------------------------- */

static void
put_field(const struct json *v, struct text *out)
{
	const char *s = json_value_str(v), *key = json_key(v);
	char *cut, *json;

	text_printf(out, "- %s: ", key);
	if (s != NULL && strchr(s, '\n') != NULL) {
		text_puts(out, "text of several lines");
	} else if (json_is(v, JSON_ARRAY) || json_is(v, JSON_OBJECT)) {
		const struct json *name = json_get(v, "name");

		if (json_value_str(name) != NULL)
			text_value(out, json_value_str(name));
		else
			text_printf(out, "%zu", json_size(v));
	} else {
		json = s != NULL ? xstrdup(s) : json_canonical(v);
		cut = xstrndup(json, utf8_prefix(json, FIELD_SHOWN));
		text_value(out, cut);
		free(cut);
		free(json);
	}
	text_puts(out, "\n");
}

static void
put_spec(const struct json *spec, struct text *out)
{
	const struct json *v;

	for (v = json_first(spec); v != NULL; v = json_next(v))
		put_field(v, out);
}

static void
put_log(const struct log_row *row, void *arg)
{
	struct describe *d = arg;
	char age[16], *what = short_ids(d->chat->engine, row->text);

	text_printf(&d->log, "- %s ago: %s\n",
	    clock_age(clock_ms() - row->at_ms, age), what);
	free(what);
}

/* --- the whole ----------------------------------------------------------- */

void
put_head(struct request *q, const struct resource *r,
    const struct json *member, bool is_leader, struct text *out)
{
	char why[256], at[24];
	const char *phase = strcmp(r->kind->name, "Team") != 0 ||
	    member != NULL ? agent_phase(q->chat, r, member != NULL ?
	    json_strd(member, "name", "?") : r->name, member != NULL ?
	    member : r->spec, why, sizeof why) :
	    engine_phase(q->chat->engine, r, why, sizeof why);

	if (member != NULL)
		text_printf(out, "**Worker/%s** · %s Team/%s · %s\n",
		    json_strd(member, "name", "?"), is_leader ? "leads" :
		    "in", r->name, phase);
	else
		text_printf(out, "**%s/%s** · %s\n", r->kind->name, r->name,
		    phase);
	if (why[0] != '\0')
		text_printf(out, "%s\n", why);
	text_printf(out, "Generation %lld, changed %s\n",
	    (long long)r->generation, clock_utc(r->updated_ms, at));
}

/* Of a Team: how each of its agents stands. */
static void
put_agent(struct request *q, const struct resource *team,
    const struct json *spec, bool is_leader, struct text *out)
{
	const char *name = json_strd(spec, "name", "?");
	char why[256];
	const char *phase = agent_phase(q->chat, team, name, spec, why,
	    sizeof why);

	text_printf(out, "- **%s**%s · %s%s%s\n", name, is_leader ?
	    " leads" : "", phase, why[0] != '\0' ? ", " : "", why);
}

static void
put_agents(struct request *q, const struct resource *team, struct text *out)
{
	const struct json *w = json_get(team->spec, "leader");

	if (w != NULL)
		put_agent(q, team, w, true, out);
	for (w = json_first(json_get(team->spec, "workers")); w != NULL;
	    w = json_next(w))
		put_agent(q, team, w, false, out);
}

static void
put_section(struct text *out, const char *title, const struct text *list)
{
	if (text_is_empty(list))
		return;
	text_printf(out, "\n**%s**\n", title);
	text_append(out, list);
}

static void
describe(struct request *q, const struct resource *r,
    const struct json *member, bool is_leader)
{
	char *user = strcmp(r->kind->name, "Human") == 0 ?
	    human_user(engine_world_config(q->chat->engine), r) : NULL;
	struct describe d = { .chat = q->chat, .user = user };
	struct text t = { 0 }, spec = { 0 }, runner = { 0 };
	char *owner = xasprintf("%s/%s", r->kind->name, r->name);

	if (member != NULL)
		d.only = json_strd(member, "workerName",
		    json_strd(member, "name", "?"));
	put_head(q, r, member, is_leader, &t);
	if (user != NULL)
		text_printf(&t, "Matrix ID %s\n", user);
	if (member == NULL && strcmp(r->kind->name, "Team") == 0) {
		put_agents(q, r, &runner);
		put_section(&t, "Agents", &runner);
	} else if (user == NULL) {
		put_container(q->chat, member != NULL ? json_strd(member,
		    "name", "?") : r->name, &runner);
		put_section(&t, "Container", &runner);
	}
	put_spec(member != NULL ? member : r->spec, &spec);
	put_section(&t, "Declared", &spec);
	engine_objects(q->chat->engine, owner, put_object, &d);
	if (user != NULL)
		engine_objects(q->chat->engine, NULL, put_room_of, &d);
	put_rest(d.rooms_n, &d.rooms);
	put_section(&t, "Rooms", &d.rooms);
	put_rest(d.open_n, &d.open);
	put_section(&t, "Not yet as declared", &d.open);
	put_kind(&d);
	put_rest(d.settled_n, &d.settled);
	put_section(&t, "In place", &d.settled);
	store_log_each(q->chat->store, owner, EVENTS_LAST, put_log, &d);
	put_section(&t, "Lately", &d.log);
	say(q, REPLY_INFO, &t);
	text_release(&t);
	text_release(&spec);
	text_release(&runner);
	text_release(&d.rooms);
	text_release(&d.settled);
	text_release(&d.open);
	text_release(&d.log);
	free(d.kind);
	free(user);
	free(owner);
}

void
cmd_describe(struct request *q)
{
	const struct resources *rs = engine_resources(q->chat->engine);
	const struct json *member = NULL;
	const struct resource *r;
	const struct kind *kind;
	const char *name;
	bool is_leader = false;
	size_t at = 0;
	char why[256];
	struct target t;
	struct err err;

	if (read_name(q, &q->words.v, &at, &kind, &name, &err) == -1) {
		say_usage(q, err.msg);
		return;
	}
	if (at < q->words.v.n) {
		say_usage(q, "One at a time, please.");
		return;
	}
	target_find(rs, kind, name, &t);
	if (request_may(q, VERB_GET, &t, RISK_NONE, why, sizeof why) ==
	    MAY_NOT) {
		say_may_not(q, why);
		return;
	}
	r = resources_find(rs, kind, name);
	if (r == NULL && strcmp(kind->name, "Worker") == 0)
		r = member_team(rs, name, &is_leader, &member);
	if (r == NULL) {
		name_missing(q->chat->engine, kind, name, &err);
		say_wrong(q, "%s", err.msg);
	} else
		describe(q, r, member, is_leader);
}
