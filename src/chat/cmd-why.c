/*
 * why: alone, the last no to its asker (refusal.c).  Of something that is or was
 * declared, how it stands and why: what is not as it should be and when it is
 * tried again, who changed it last, what is asked about it, and which field each
 * of its parts comes from; of a person, by which field they are in its rooms.
 *
 * All of it is in memory or in the database, so nobody outside is asked.
 */
#include "chat-int.h"

#include <stdlib.h>
#include <string.h>

#include "hiclaw/clock.h"

#include "cmd.h"
#include "proposal.h"
#include "refusal.h"

#define TROUBLES_MAX	10	/* objects that are not as declared */
#define PARTS_MAX	20	/* objects whose origin is told: a screen or two */
#define MEMBERS_MAX	8	/* of one room, in its line */
#define ROOMS_MAX	200	/* looked at for one person: 0.1 s */
#define RECEIPTS_PAGE	100
#define RECEIPTS_MAX	400	/* looked at for the one that is meant: 30 ms */

struct why {
	struct chat	*chat;
	const struct request *q;
	const struct kind *kind;	/* of the resource: of a member its Team */
	const char	*name;
	const struct resource *r;	/* NULL: it is deleted */
	const char	*member;	/* of a Team's agent its name, or NULL */
	char		*user;		/* of a Human, or NULL */
	char		*owner;		/* "Team/web" */
	char		*part;		/* what of it is asked about, or NULL */
	bool		 is_private;	/* nobody else reads the answer, agents
					 * least of all */
	struct text	 open, parts;
	size_t		 n, settled, open_n, parts_n;
};

/* --- how it stands ------------------------------------------------------------- */

/* Is the object one of those that are asked about? */
static bool
is_of(const struct why *w, const struct object_view *v)
{
	struct origin o;
	bool is;

	if (w->part != NULL && w->part[0] != '@' &&
	    strstr(v->key, w->part) == NULL)
		return false;
	if (w->member == NULL)
		return true;
	origin_find(chat_origins(w->chat), v->key, v->owner, &o);
	is = o.agent != NULL && strcmp(o.agent->name, w->member) == 0;
	origin_release(&o);
	return is;
}

static void
put_trouble(const struct object_view *v, struct text *out)
{
	int64_t now = clock_ms();
	char *title = object_title(v->key), age[16], iso[24];

	text_printf(out, "- %s: **%s**", title, object_state_name(v->state));
	if (v->error != NULL)
		text_printf(out, ", %s", v->error);
	if (v->retry_ms > now)
		text_printf(out, "; next try in %s", clock_age(v->retry_ms -
		    now, age));
	if (v->left_ms > now)
		text_printf(out, "; what others do to it is left alone until "
		    "%s (`ignore`)", clock_iso(v->left_ms, iso));
	text_puts(out, "\n");
	free(title);
}

static void
see_object(void *arg, const struct object_view *v)
{
	struct why *w = arg;
	bool is_left = v->left_ms > clock_ms();

	if (!is_of(w, v))
		return;
	w->n++;
	w->settled += v->state == OBJECT_SETTLED;
	if ((v->state != OBJECT_SETTLED || is_left) &&
	    w->open_n++ < TROUBLES_MAX)
		put_trouble(v, &w->open);
}

static void
put_silent(void *arg, const struct system_view *v)
{
	char age[16];

	if (v->is_up)
		return;
	text_printf(arg, "- %s does not answer", v->name);
	if (v->since_ms > 0)
		text_printf(arg, " since %s", clock_age(clock_ms() -
		    v->since_ms, age));
	if (v->why != NULL)
		text_printf(arg, ": %s", v->why);
	text_puts(arg, "\n");
}

static void
put_state(struct why *w, struct text *out)
{
	const char *frozen = engine_frozen(w->chat->engine);

	engine_objects(w->chat->engine, w->owner, see_object, w);
	if (w->open_n > TROUBLES_MAX)
		text_printf(&w->open, "- and %zu more\n", w->open_n -
		    TROUBLES_MAX);
	if (frozen != NULL)
		text_printf(&w->open, "- %s\n", frozen);
	if (w->is_private)
		engine_systems(w->chat->engine, put_silent, &w->open);
	if (w->r == NULL && w->n > 0)
		text_printf(out, "It is being deleted; %zu of its objects are "
		    "left.\n", w->n);
	else if (w->part == NULL && w->settled < w->n)
		text_printf(out, "%zu of the %zu objects that it has are as "
		    "declared.\n", w->settled, w->n);
	else if (w->part == NULL && w->n > 0)
		text_printf(out, "All %zu objects that it has are as "
		    "declared.\n", w->n);
	text_append(out, &w->open);
}

/* --- the last change ------------------------------------------------------------ */

struct newest { int64_t revision, at_ms; char *actor; bool is_deleted; };

static void
see_revision(const struct revision_row *r, void *arg)
{
	struct newest *n = arg;

	n->revision = r->revision;
	n->at_ms = r->at_ms;
	n->actor = xstrdup(r->actor);
	n->is_deleted = r->spec == NULL;
}

static bool
names_one(const struct json *list, const char *kind, const char *name)
{
	const struct json *v = json_first(list);

	for (; v != NULL; v = json_next(v))
		if (str_equal(json_str(v, "kind"), kind) &&
		    (str_equal(json_str(v, "name"), name) ||
		    str_equal(json_str(json_get(v, "metadata"), "name"),
		    name)))
			return true;
	return false;
}

static bool
names_it(const struct json *list, const struct why *w)
{
	return names_one(list, w->kind->name, w->name);
}

/* "before" has all that a change was of. */
static struct json *
change_of(const struct why *w, const char *text)
{
	struct json *v;
	struct err err;

	if (text == NULL || strstr(text, w->name) == NULL ||
	    (v = json_parse(text, strlen(text), &err)) == NULL)
		return NULL;
	if (names_it(json_get(v, "before"), w))
		return v;
	json_free(v);
	return NULL;
}

struct receipts { const struct why *w; struct json *found; int64_t last;
    size_t n; };

static void
see_receipt(const struct receipt_row *row, void *arg)
{
	struct receipts *rs = arg;

	rs->n++;
	rs->last = row->seq;
	if (rs->found == NULL)
		rs->found = change_of(rs->w, row->content);
}

/* The newest that is of it; yours, or NULL. */
static struct json *
receipt_of(const struct why *w)
{
	struct receipts rs = { .w = w };
	size_t before;

	do {
		before = rs.n;
		store_receipts_back(w->chat->store, rs.last, RECEIPTS_PAGE,
		    see_receipt, &rs);
	} while (rs.found == NULL && rs.n - before == RECEIPTS_PAGE &&
	    rs.n < RECEIPTS_MAX);
	return rs.found;
}

static void
put_actor(const char *actor, struct text *out)
{
	if (actor != NULL && actor[0] == '@')
		text_user(out, actor);
	else
		text_value(out, actor != NULL ? actor : "");
}

static void
put_receipt(const struct json *r, struct text *out)
{
	const struct json *v = json_first(json_get(r, "approved"));
	const char *comma = ", approved by ", *plan = json_strd(r, "plan", "");
	char short_hash[13];

	text_printf(out, " Receipt **%lld** (%s): asked by ",
	    (long long)json_int(r, "seq", 0), json_strd(r, "title", ""));
	put_actor(json_str(r, "actor"), out);
	for (; v != NULL; v = json_next(v)) {
		text_puts(out, comma);
		put_actor(json_value_str(v), out);
		comma = ", ";
	}
	str_copy(short_hash, plan, sizeof short_hash);
	text_printf(out, ", plan `%s`", short_hash);
	if (str_equal(json_str(r, "result"), "failed"))
		text_puts(out, ", **failed**");
	text_puts(out, ".");
}

struct running { const struct why *w; struct text *out; };

static void
see_run(const struct run_row *row, void *arg)
{
	struct running *g = arg;
	struct json *v = change_of(g->w, row->resources);
	char age[16];

	if (v == NULL)
		return;
	text_printf(g->out, "\nUnder way since %s: %s, asked by ",
	    clock_age(clock_ms() - row->started_ms, age), row->title);
	put_actor(row->actor, g->out);
	text_puts(g->out, ".");
	json_free(v);
}

/* False: there never was such a thing. */
static bool
put_change(struct why *w, struct text *out)
{
	struct newest n = { 0 };
	struct running g = { w, out };
	struct json *receipt;
	char age[16];

	store_revisions_each(w->chat->store, w->kind->name, w->name, 1,
	    see_revision, &n);
	if (n.actor == NULL)
		return false;
	text_printf(out, "\n**Last change** of %s/%s: %s %s ago, revision "
	    "%lld", w->kind->name, w->name, n.is_deleted ? "deleted" :
	    "declared", clock_age(clock_ms() - n.at_ms, age),
	    (long long)n.revision);
	/* That nothing is left of it is our doing. */
	if (n.actor[0] == '@') {
		text_puts(out, ", by ");
		text_user(out, n.actor);
	}
	text_puts(out, ".");
	/* As `audit` and `status` are told. */
	receipt = w->is_private && w->q->tier == 1 ? receipt_of(w) : NULL;
	if (receipt != NULL)
		put_receipt(receipt, out);
	if (w->is_private)
		store_runs_each(w->chat->store, true, 0, see_run, &g);
	text_puts(out, "\n");
	json_free(receipt);
	free(n.actor);
	return true;
}

/* --- what is asked about it ------------------------------------------------------- */

static bool
is_about(const struct why *w, const struct json *action)
{
	const struct json *names = json_get(action, "names");

	return names_it(json_get(action, "docs"), w) ||
	    names_it(json_get(action, "drop"), w) || names_it(names, w) ||
	    json_has_str(names, w->member != NULL ? w->member : w->name) ||
	    (w->member != NULL &&
	    names_one(names, "Worker", w->member));
}

static void
put_asked(struct why *w, struct text *out)
{
	struct proposal *list = proposals_open(w->chat, 0), *p;
	struct text lines = { 0 };

	while ((p = list) != NULL) {
		list = p->next;
		if (!proposal_is_over(p, clock_ms()) &&
		    is_about(w, p->action) && proposal_may_see(w->q, p))
			proposal_line(w->chat, p, &lines);
		proposal_free(p);
	}
	if (!text_is_empty(&lines)) {
		text_puts(out, "\n**Asked, and not decided**\n");
		text_append(out, &lines);
	}
	text_release(&lines);
}

/* --- where its parts come from ---------------------------------------------------- */

/* "`spec.soul`, `spec.identity`", or what they are made from otherwise. */
static void
put_fields(const struct origin *o, struct text *out)
{
	for (size_t i = 0; i < o->fields.n; i++)
		text_printf(out, "%s`%s`", i == 0 ? "; " : ", ",
		    o->fields.v[i]);
	if (o->fields.n == 0 && o->otherwise != NULL)
		text_printf(out, "; from %s", o->otherwise);
}

struct listing {
	struct why	*w;
	const char	*user;		/* only this one, or NULL: all */
	struct text	*out;
	struct strv	 told;		/* reasons so far: who has several */
	size_t		 n;
};

/* "@jane", whatever her domain, or all of an id. */
static bool
is_user(const char *user, const char *word)
{
	size_t n = strlen(word);

	return strncmp(user, word, n) == 0 && (user[n] == '\0' ||
	    (user[n] == ':' && strchr(word, ':') == NULL));
}

static void
put_reason(const struct member_origin *m, struct text *out)
{
	text_value(out, m->words);
	if (m->field == NULL)
		return;
	text_printf(out, " (`%s`", m->field);
	if (m->owner != NULL)
		text_printf(out, " of %s/%s", m->owner->kind->name,
		    m->owner->name);
	text_puts(out, ")");
}

static void
see_member(void *arg, const struct member_origin *m)
{
	struct listing *l = arg;
	char *key, *name;

	if (l->user != NULL && !is_user(m->user, l->user))
		return;
	key = xasprintf("%s %s %s", m->user, m->words, m->owner != NULL ?
	    m->owner->name : "");
	if (strv_add_unique(&l->told, key) && (l->n++ < MEMBERS_MAX ||
	    l->user != NULL)) {
		text_puts(l->out, l->n > 1 ? ", " : "");
		name = m->agent != NULL ? xstrdup(m->agent->name) :
		    short_ids(l->w->chat->engine, m->user);
		if (l->user == NULL)
			text_printf(l->out, "%s: ", name);
		put_reason(m, l->out);
		free(name);
	}
	free(key);
}

/* Gives how many reasons there are. */
static size_t
put_members(struct why *w, const struct object_view *v, const char *user,
    struct text *out)
{
	struct listing l = { .w = w, .user = user, .out = out };

	origin_members(chat_origins(w->chat), v->key, v->owner, see_member,
	    &l);
	if (l.n > MEMBERS_MAX && user == NULL)
		text_printf(out, " and %zu more", l.n - MEMBERS_MAX);
	strv_release(&l.told);
	return l.n;
}

static bool
is_room(const struct object_view *v)
{
	return str_starts(v->key, "room:") && v->desired != NULL;
}

/* Of a Team alone, what its agents have is asked of them. */
static bool
is_shown(const struct why *w, const struct object_view *v,
    const struct origin *o)
{
	if (v->desired == NULL || !is_of(w, v))
		return false;
	return w->member != NULL || w->part != NULL || o->agent == NULL ||
	    strcmp(w->kind->name, "Team") != 0;
}

static void
see_part(void *arg, const struct object_view *v)
{
	struct why *w = arg;
	struct text members = { 0 };
	struct origin o;
	char *title;

	origin_find(chat_origins(w->chat), v->key, v->owner, &o);
	if (is_shown(w, v, &o) && w->parts_n++ < PARTS_MAX) {
		title = object_title(v->key);
		text_printf(&w->parts, "- %s: %s", title, o.words != NULL ?
		    o.words : "?");
		put_fields(&o, &w->parts);
		if (is_room(v) && put_members(w, v, NULL, &members) > 0) {
			text_puts(&w->parts, ". In it ");
			text_append(&w->parts, &members);
		}
		text_puts(&w->parts, "\n");
		free(title);
	}
	text_release(&members);
	origin_release(&o);
}

/* A room of anything that this person is in, and why. */
static void
see_room(void *arg, const struct object_view *v)
{
	struct why *w = arg;
	struct text reasons = { 0 };
	struct json *form;
	char *title;

	if (!is_room(v) || strstr(v->desired, w->user) == NULL ||
	    (w->part != NULL && strstr(v->key, w->part) == NULL))
		return;
	form = json_must(v->desired);
	if (json_get(json_get(form, "members"), w->user) != NULL &&
	    w->parts_n++ < PARTS_MAX) {
		title = object_title(v->key);
		text_printf(&w->parts, "- %s: ", title);
		if (put_members(w, v, w->user, &reasons) == 0)
			text_puts(&reasons, "in a room below it");
		text_append(&w->parts, &reasons);
		text_puts(&w->parts, "\n");
		free(title);
	}
	text_release(&reasons);
	json_free(form);
}

static void
put_parts(struct why *w, struct text *out)
{
	engine_objects(w->chat->engine, w->owner, see_part, w);
	if (w->user != NULL)
		engine_objects(w->chat->engine, NULL, see_room, w);
	if (w->parts_n > PARTS_MAX)
		text_printf(&w->parts, "- and %zu more: a word after the name "
		    "narrows it down\n", w->parts_n - PARTS_MAX);
	if (text_is_empty(&w->parts) && w->part != NULL)
		text_printf(&w->parts, "- it has nothing that is called "
		    "\"%s\"\n", w->part);
	if (text_is_empty(&w->parts))
		return;
	text_puts(out, w->user != NULL ? "\n**Why it is where it is**\n" :
	    "\n**Why its parts are there**\n");
	text_append(out, &w->parts);
	if (strcmp(w->kind->name, "Team") == 0 && w->member == NULL &&
	    w->part == NULL)
		text_puts(out, "`why worker NAME` tells it of one of its "
		    "agents.\n");
}

/* --- somebody, and it ---------------------------------------------------------------- */

static void
see_person(void *arg, const struct object_view *v)
{
	struct why *w = arg;
	struct text reasons = { 0 };
	char *title;

	if (!is_room(v) || !is_of(w, v) || w->parts_n++ >= ROOMS_MAX)
		return;
	if (put_members(w, v, w->part, &reasons) > 0) {
		title = object_title(v->key);
		text_printf(&w->parts, "- in %s: ", title);
		text_append(&w->parts, &reasons);
		text_puts(&w->parts, "\n");
		free(title);
	}
	text_release(&reasons);
}

/* May they speak to it, if it is an agent?  policy_may says it in a sentence. */
static void
put_policy(struct why *w, const char *user, struct text *out)
{
	const struct world_config *wc = engine_world_config(w->chat->engine);
	const struct resources *rs = engine_resources(w->chat->engine);
	struct agents as;
	const struct agent *a;
	char *line;

	agents_list(wc, rs, &as);
	a = w->member != NULL || strcmp(w->kind->name, "Team") != 0 ?
	    agents_find(&as, w->member != NULL ? w->member : w->name) : NULL;
	for (int dm = 0; a != NULL && dm < 2; dm++) {
		policy_may(wc, rs, a, user, dm == 1, &line);
		text_printf(out, "- %s\n", line);
		free(line);
	}
	agents_release(&as);
}

static void
say_person(struct request *q, struct why *w)
{
	const struct world_config *wc = engine_world_config(w->chat->engine);
	char *user = strchr(w->part, ':') != NULL ? xstrdup(w->part) :
	    xasprintf("%s:%s", w->part, wc->domain);
	struct text t = { 0 };

	text_user(&t, user);
	text_printf(&t, " and %s/%s:\n", w->member != NULL ? "Worker" :
	    w->kind->name, w->member != NULL ? w->member : w->name);
	engine_objects(w->chat->engine, w->owner, see_person, w);
	if (w->parts_n > ROOMS_MAX)
		text_printf(&w->parts, "- I looked at %d of its %zu rooms: "
		    "`why worker NAME %s` looks at those of one agent\n",
		    ROOMS_MAX, w->parts_n, w->part);
	else if (text_is_empty(&w->parts))
		text_puts(&w->parts, "- in none of its rooms\n");
	text_append(&t, &w->parts);
	put_policy(w, user, &t);
	say(q, REPLY_INFO, &t);
	text_release(&t);
	free(user);
}

/* --- the whole ------------------------------------------------------------------------ */

static void
say_state(struct request *q, struct why *w, const struct target *t)
{
	struct text text = { 0 }, change = { 0 };
	bool was = put_change(w, &change);
	struct err err;

	if (w->r != NULL)
		put_head(q, w->r, t->team != NULL ? t->spec : NULL,
		    t->is_leader, &text);
	else
		text_printf(&text, "**%s/%s** is not declared.\n",
		    w->kind->name, w->name);
	if (was || w->r != NULL) {
		put_state(w, &text);
		if (w->part == NULL) {
			text_append(&text, &change);
			if (w->is_private)
				put_asked(w, &text);
		}
		put_parts(w, &text);
		say(q, REPLY_INFO, &text);
	} else {
		name_missing(w->chat->engine, w->kind, w->name, &err);
		say_wrong(q, "%s", err.msg);
	}
	text_release(&text);
	text_release(&change);
}

static void
why_release(struct why *w)
{
	text_release(&w->open);
	text_release(&w->parts);
	free(w->user);
	free(w->owner);
	free(w->part);
}

/* The words behind the name, from `at` on; yours, or NULL. */
static char *
words_from(const struct strv *v, size_t at)
{
	struct strv rest = { 0 };
	char *text = NULL;

	for (; at < v->n; at++)
		strv_add(&rest, v->v[at]);
	if (rest.n > 0)
		text = strv_join(&rest, " ");
	strv_release(&rest);
	return text;
}

void
cmd_why(struct request *q)
{
	const struct resources *rs = engine_resources(q->chat->engine);
	struct why w = { .chat = q->chat, .q = q };
	const char *name;
	struct target t;
	size_t at = 0;
	char no[256];
	struct err err;

	if (q->words.v.n == 0) {
		say_last_no(q);
		return;
	}
	if (read_name(q, &q->words.v, &at, &w.kind, &name, &err) == -1) {
		say_usage(q, err.msg);
		return;
	}
	target_find(rs, w.kind, name, &t);
	if (t.resource == NULL)		/* what is deleted has a history */
		t = (struct target){ .kind = w.kind, .name = name };
	if (request_may(q, VERB_GET, &t, RISK_NONE, no, sizeof no) ==
	    MAY_NOT) {
		say_may_not(q, no);
		return;
	}
	w.r = t.resource;
	w.member = t.team != NULL ? t.name : NULL;
	w.kind = t.team != NULL ? t.team->kind : t.kind;
	w.name = t.team != NULL ? t.team->name : t.name;
	w.owner = xasprintf("%s/%s", w.kind->name, w.name);
	w.part = words_from(&q->words.v, at);
	w.is_private = q->where == IN_ADMIN || q->where == IN_DM;
	if (w.r != NULL && strcmp(w.kind->name, "Human") == 0)
		w.user = human_user(engine_world_config(q->chat->engine), w.r);
	if (w.part != NULL && w.part[0] == '@' && w.r != NULL &&
	    w.user == NULL)
		say_person(q, &w);
	else
		say_state(q, &w, &t);
	why_release(&w);
}
