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

#define OBJECTS_SHOWN	30	/* lines: three screens of a phone */
#define MEMBERS_SHOWN	20	/* of one room */
#define EVENTS_LAST	5
#define FIELD_SHOWN	60	/* characters of one value */

struct describe {
	struct chat	*chat;
	struct text	 rooms, objects;
	size_t		 objects_n, more;
	const char	*only;		/* runtime name of a member, or NULL */
};

/* --- objects ------------------------------------------------------------- */

static void
put_members(const struct json *observed, struct text *out)
{
	const struct json *m;
	size_t n = 0;

	for (m = json_first(json_get(observed, "members")); m != NULL;
	    m = json_next(m)) {
		const char *how = json_value_str(m);

		if (!str_equal(how, "join") && !str_equal(how, "invite"))
			continue;
		if (n++ >= MEMBERS_SHOWN)
			continue;
		text_puts(out, n == 1 ? ": " : ", ");
		text_printf(out, "%s%s", json_key(m),
		    str_equal(how, "invite") ? " (invited)" : "");
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
	put_members(observed, &d->rooms);
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

static void
put_object(void *arg, const struct object_view *v)
{
	struct describe *d = arg;
	char *title;

	if (d->only != NULL && !key_is_of(v->key, d->only))
		return;
	if (str_starts(v->key, "room:"))
		put_room(d, v);
	if (d->objects_n == OBJECTS_SHOWN) {
		d->more++;
		return;
	}
	d->objects_n++;
	title = object_title(v->key);
	text_printf(&d->objects, "- %s: %s", title,
	    object_state_name(v->state));
	if (v->error != NULL)
		text_printf(&d->objects, ", %s", v->error);
	text_puts(&d->objects, "\n");
	free(title);
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
	struct text *out = arg;
	char age[16];

	text_printf(out, "- %s ago: %s\n",
	    clock_age(clock_ms() - row->at_ms, age), row->text);
}

/* --- the whole ----------------------------------------------------------- */

static void
put_head(struct request *q, const struct resource *r,
    const struct json *member, bool is_leader, struct text *out)
{
	char why[256], iso[24];
	const char *phase = engine_phase(q->chat->engine, r, why, sizeof why);

	if (member != NULL)
		text_printf(out, "**Worker/%s** · %s Team/%s · %s\n",
		    json_strd(member, "name", "?"), is_leader ? "leads" :
		    "in", r->name, phase);
	else
		text_printf(out, "**%s/%s** · %s\n", r->kind->name, r->name,
		    phase);
	if (why[0] != '\0')
		text_printf(out, "%s\n", why);
	text_printf(out, "generation %lld, changed %s\n",
	    (long long)r->generation, clock_iso(r->updated_ms, iso));
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
	struct describe d = { .chat = q->chat };
	struct text t = { 0 }, spec = { 0 }, log = { 0 };
	char *owner = xasprintf("%s/%s", r->kind->name, r->name);

	if (member != NULL)
		d.only = json_strd(member, "workerName",
		    json_strd(member, "name", "?"));
	put_head(q, r, member, is_leader, &t);
	put_spec(member != NULL ? member : r->spec, &spec);
	put_section(&t, "Declared", &spec);
	engine_objects(q->chat->engine, owner, put_object, &d);
	put_section(&t, "Rooms", &d.rooms);
	if (d.more > 0)
		text_printf(&d.objects, "- and %zu more\n", d.more);
	put_section(&t, "Objects", &d.objects);
	store_log_each(q->chat->store, owner, EVENTS_LAST, put_log, &log);
	put_section(&t, "Lately", &log);
	say(q, REPLY_INFO, &t);
	text_release(&t);
	text_release(&spec);
	text_release(&log);
	text_release(&d.rooms);
	text_release(&d.objects);
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
	struct err err;

	if (q->words.v.n == 0) {
		say_usage(q, "describe what?");
		return;
	}
	if (read_name(q, &q->words.v, &at, &kind, &name, &err) == -1) {
		say_usage(q, err.msg);
		return;
	}
	if (at < q->words.v.n) {
		say_usage(q, "One at a time, please.");
		return;
	}
	r = resources_find(rs, kind, name);
	if (r == NULL && strcmp(kind->name, "Worker") == 0)
		r = member_team(rs, name, &is_leader, &member);
	if (r == NULL) {
		name_missing(q->chat, kind, name, &err);
		say_wrong(q, "%s", err.msg);
	} else
		describe(q, r, member, is_leader);
}
