/*
 * See watch.h.  Both lists are {"@user:d": {"Worker/bob": {"until", "n"}}}, each
 * under one key of the store, written whenever they change.
 *
 * That something becomes ready nobody tells: the phases of what is watched, which
 * is little, are looked at from time to time.
 */
#include "watch.h"

#include <stdlib.h>
#include <string.h>

#include "hiclaw/clock.h"

#define LOOK_MS		2000	/* between looks at phases: people wait for a
				 * container, not for us */

static const char *const keys[] = {
	[WATCHED] = "chat.watched", [MUTED] = "chat.muted",
};

struct watch_lists {
	struct json	*lists[NELEM(keys)];
	struct json	*phases;	/* subject -> word, as last seen */
	int64_t		 looked_ms;
};

struct watch_lists *
watch_load(struct store *store)
{
	struct watch_lists *w = xcalloc(1, sizeof *w);
	struct err err;

	for (size_t i = 0; i < NELEM(keys); i++) {
		char *text = store_kv_get(store, keys[i]);

		if (text != NULL)
			w->lists[i] = json_parse(text, strlen(text), &err);
		if (!json_is(w->lists[i], JSON_OBJECT)) {
			json_free(w->lists[i]);
			w->lists[i] = json_object();
		}
		free(text);
	}
	w->phases = json_object();
	return w;
}

void
watch_free(struct watch_lists *w)
{
	if (w == NULL)
		return;
	for (size_t i = 0; i < NELEM(keys); i++)
		json_free(w->lists[i]);
	json_free(w->phases);
	free(w);
}

/* --- the lists --------------------------------------------------------------- */

static void
save(struct chat *c, enum watch_sort sort)
{
	struct json *list = c->watch->lists[sort];
	char *text = json_canonical(list);

	store_kv_set(c->store, keys[sort], json_size(list) > 0 ? text : NULL);
	free(text);
}

int
watch_set(struct chat *c, enum watch_sort sort, const char *user,
    const char *subject, int64_t until_ms, struct err *e)
{
	struct json *of = json_obj(c->watch->lists[sort], user), *o;

	if (json_get(of, subject) == NULL && json_size(of) >= WATCHES_MAX)
		return err_set(e, ERR_USER, "you have %d of them already",
		    WATCHES_MAX);
	o = json_object();
	json_set_int(o, "until", until_ms);
	json_set(of, subject, o);
	save(c, sort);
	return 0;
}

bool
watch_drop(struct chat *c, enum watch_sort sort, const char *user,
    const char *subject)
{
	struct json *of, *next;
	bool found = false;

	for (of = json_first(c->watch->lists[sort]); of != NULL; of = next) {
		next = json_next(of);
		if ((user != NULL && !str_equal(json_key(of), user)) ||
		    json_get(of, subject) == NULL)
			continue;
		found = true;
		json_remove(of, subject);
		if (json_size(of) == 0) {
			char *name = xstrdup(json_key(of));

			json_remove(c->watch->lists[sort], name);
			free(name);
		}
	}
	if (found)
		save(c, sort);
	return found;
}

void
watch_each(struct chat *c, enum watch_sort sort, const char *user,
    void (*cb)(void *, const char *, const char *, int64_t, int64_t),
    void *arg)
{
	const struct json *of, *v;

	for (of = json_first(c->watch->lists[sort]); of != NULL;
	    of = json_next(of)) {
		if (user != NULL && !str_equal(json_key(of), user))
			continue;
		for (v = json_first(of); v != NULL; v = json_next(v))
			cb(arg, json_key(of), json_key(v),
			    json_int(v, "until", 0), json_int(v, "n", 0));
	}
}

static bool
is_over(const struct json *entry, int64_t now)
{
	int64_t until = json_int(entry, "until", 0);

	return until > 0 && until <= now;
}

/* --- what it is about --------------------------------------------------------- */

/* kind and name of "Worker/bob"; the name is in the subject. */
static const struct kind *
subject_kind(const char *subject, const char **name)
{
	const char *slash = strchr(subject, '/');
	char *word = xstrndup(subject, slash != NULL ?
	    (size_t)(slash - subject) : 0);
	const struct kind *kind = kind_find(word);

	free(word);
	*name = slash != NULL ? slash + 1 : "";
	return kind;
}

void
watch_subjects_of_agent(struct chat *c, const char *name, struct strv *out)
{
	struct target t;

	target_find(engine_resources(c->engine), NULL, name, &t);
	if (t.resource == NULL)
		return;
	strv_addf(out, "%s/%s", t.kind->name, t.name);
	if (t.team != NULL)
		strv_addf(out, "Team/%s", t.team->name);
}

static bool
is_member_named(const struct json *member, const char *name, size_t len)
{
	static const char *const fields[] = { "name", "workerName" };

	for (size_t i = 0; i < NELEM(fields); i++) {
		const char *s = json_str(member, fields[i]);

		if (s != NULL && strlen(s) == len && memcmp(s, name, len) == 0)
			return true;
	}
	return false;
}

/* "room:worker/wim", "file:agents/wim/SOUL.md", "account:wim",
 * "consumer:worker-wim": the part that may be a member's name. */
static const char *
name_in_key(const char *key, size_t *len)
{
	static const char *const before[] = { "agents/", "worker/", "worker-" };
	const char *s = strchr(key, ':');

	s = s != NULL ? s + 1 : key;
	for (size_t i = 0; i < NELEM(before); i++)
		if (str_starts(s, before[i])) {
			s += strlen(before[i]);
			break;
		}
	*len = strcspn(s, "/");
	return s;
}

static void
add_member(const struct resource *team, const char *key, struct strv *out)
{
	const struct json *leader = json_get(team->spec, "leader"), *m;
	size_t len;
	const char *name = name_in_key(key, &len);

	if (str_starts(key, "room:team/") || str_starts(key, "room:space/"))
		return;
	m = is_member_named(leader, name, len) ? leader :
	    json_first(json_get(team->spec, "workers"));
	while (m != NULL && m != leader && !is_member_named(m, name, len))
		m = json_next(m);
	if (m != NULL)
		strv_addf(out, "Worker/%s", json_strd(m, "name", ""));
}

void
watch_subjects(struct chat *c, const char *key, struct strv *out)
{
	const struct kind *kind;
	const struct resource *team;
	struct object_view v;
	const char *name;

	if (!engine_object(c->engine, key, &v) || v.owner[0] == '\0')
		return;
	strv_add(out, v.owner);
	kind = subject_kind(v.owner, &name);
	if (kind == NULL || strcmp(kind->name, "Team") != 0)
		return;
	team = resources_find(engine_resources(c->engine), kind, name);
	if (team != NULL)
		add_member(team, key, out);
}

/* --- telling ------------------------------------------------------------------- */

/* Rights may have gone since. */
static bool
may_hear(struct chat *c, const char *user, const char *subject)
{
	const struct resource *human;
	const struct kind *kind;
	struct caller caller;
	struct target t;
	const char *name;
	bool may;
	int tier = person_tier(engine_world_config(c->engine),
	    engine_resources(c->engine), user, &human);

	kind = subject_kind(subject, &name);
	if (tier == 0 || kind == NULL)
		return false;
	target_find(engine_resources(c->engine), kind, name, &t);
	caller_person(&caller, user, tier, human);
	may = ops_may(&caller, VERB_GET, &t, RISK_NONE, NULL, 0) != MAY_NOT;
	caller_release(&caller);
	return may;
}

static void
tell(struct chat *c, const char *user, const char *subject,
    const struct text *news)
{
	struct reply r = { .state = REPLY_INFO, .mention = user };
	struct text t = { 0 };
	const char *room;

	if (!may_hear(c, user, subject))
		return;
	text_append(&t, news);
	text_printf(&t, "\n(You watch %s.)", subject);
	room = engine_dm(c->engine, user);
	reply_send(c, room, &r, &t);
	text_release(&t);
}

/* Each person once, by the first of the subjects that they watch. */
static void
tell_watchers(struct chat *c, const struct strv *subjects,
    const struct text *news, const char *but)
{
	int64_t now = clock_ms();
	const struct json *of, *v;

	for (of = json_first(c->watch->lists[WATCHED]); of != NULL;
	    of = json_next(of)) {
		if (str_equal(json_key(of), but))
			continue;
		for (size_t i = 0; i < subjects->n; i++) {
			v = json_get(of, subjects->v[i]);
			if (v == NULL || is_over(v, now))
				continue;
			tell(c, json_key(of), subjects->v[i], news);
			break;
		}
	}
}

/* Counted, so that the end of it says how much there was. */
static bool
is_muted(struct chat *c, const struct strv *subjects)
{
	int64_t now = clock_ms();
	struct json *of, *v;
	bool is = false;

	for (of = json_first(c->watch->lists[MUTED]); of != NULL;
	    of = json_next(of))
		for (size_t i = 0; i < subjects->n; i++) {
			v = json_get(of, subjects->v[i]);
			if (v == NULL || is_over(v, now))
				continue;
			json_set_int(v, "n", json_int(v, "n", 0) + 1);
			is = true;
		}
	if (is)
		save(c, MUTED);
	return is;
}

void
watch_tell(struct chat *c, const struct strv *subjects,
    const char *template_name, const struct fill *fill)
{
	struct text t = { 0 };

	store_begin(c->store);
	template_fill(c->templates, template_name, fill, &t);
	tell_watchers(c, subjects, &t, NULL);
	text_release(&t);
}

int64_t
say_news_of(struct chat *c, const struct strv *subjects,
    const char *template_name, const char *told, const struct fill *fill)
{
	watch_tell(c, subjects, told, fill);
	if (is_muted(c, subjects))
		return 0;
	return say_news(c, template_name, fill);
}

/* --- runs ----------------------------------------------------------------------- */

/* "Team/web", and who is in it. */
static void
add_changed(struct chat *c, const struct json *doc, struct strv *out)
{
	const char *kind = json_strd(doc, "kind", "");
	const char *name = json_str(doc, "name");
	const struct json *m;

	(void)c;
	if (name == NULL)
		name = json_strd(json_get(doc, "metadata"), "name", "");
	strv_addf(out, "%s/%s", kind, name);
	if (strcmp(kind, "Team") != 0)
		return;
	m = json_path(doc, "spec.leader");
	if (m != NULL)
		strv_addf(out, "Worker/%s", json_strd(m, "name", ""));
	m = json_first(json_path(doc, "spec.workers"));
	for (; m != NULL; m = json_next(m))
		strv_addf(out, "Worker/%s", json_strd(m, "name", ""));
}

void
watch_run(struct chat *c, const struct ending *end)
{
	static const char *const lists[] = { "changed", "deleted" };
	struct strv subjects = { 0 };
	struct text t = { 0 };
	struct json *rs;
	struct err err;

	if (json_size(c->watch->lists[WATCHED]) == 0 ||
	    end->resources == NULL)
		return;
	rs = json_parse(end->resources, strlen(end->resources), &err);
	for (size_t i = 0; i < NELEM(lists); i++) {
		const struct json *v = json_first(json_get(rs, lists[i]));

		for (; v != NULL; v = json_next(v))
			add_changed(c, v, &subjects);
	}
	text_printf(&t, "%s %s: %s, by %s.", end->why != NULL ? "❌" : "✅",
	    end->title, end->why != NULL ? end->why : "done", end->actor);
	tell_watchers(c, &subjects, &t, end->actor);
	text_release(&t);
	strv_release(&subjects);
	json_free(rs);
}

void
watch_gone(struct chat *c, const char *subject)
{
	struct strv one = { 0 };
	struct text t = { 0 };

	strv_add(&one, subject);
	text_printf(&t, "%s is gone.", subject);
	tell_watchers(c, &one, &t, NULL);
	for (size_t i = 0; i < NELEM(keys); i++)
		watch_drop(c, (enum watch_sort)i, NULL, subject);
	json_remove(c->watch->phases, subject);
	strv_release(&one);
	text_release(&t);
}

/* --- time ------------------------------------------------------------------------ */

static const char *
phase_of(struct chat *c, const char *subject, char *why, size_t size)
{
	const struct kind *kind;
	struct target t;
	const char *name;

	kind = subject_kind(subject, &name);
	if (kind == NULL)
		return NULL;
	target_find(engine_resources(c->engine), kind, name, &t);
	if (t.resource == NULL)
		return NULL;
	if (strcmp(t.kind->name, "Team") == 0 ||
	    strcmp(t.kind->name, "Human") == 0)
		return engine_phase(c->engine, t.resource, why, size);
	return engine_agent_phase(c->engine, t.resource, t.name, t.spec, why,
	    size);
}

static void
look_at(struct chat *c, const char *subject)
{
	char why[256], *was;
	const char *is = phase_of(c, subject, why, sizeof why);
	struct strv one = { 0 };
	struct text t = { 0 };

	if (is == NULL)
		return;
	was = xstrdup(json_str(c->watch->phases, subject));
	json_set_str(c->watch->phases, subject, is);
	if (was != NULL && strcmp(is, "Ready") == 0 &&
	    strcmp(was, "Ready") != 0) {
		strv_add(&one, subject);
		text_printf(&t, "🟢 %s is ready (was: %s).", subject, was);
		store_begin(c->store);
		tell_watchers(c, &one, &t, NULL);
	}
	free(was);
	strv_release(&one);
	text_release(&t);
}

static void
add_subject(void *arg, const char *user, const char *subject, int64_t until,
    int64_t left_out)
{
	(void)user;
	(void)until;
	(void)left_out;
	strv_add_unique(arg, subject);
}

struct ended { struct strv users, subjects; int64_t now; struct json *n; };

static void
add_ended(void *arg, const char *user, const char *subject, int64_t until,
    int64_t left_out)
{
	struct ended *en = arg;

	if (until == 0 || until > en->now)
		return;
	strv_add(&en->users, user);
	strv_add(&en->subjects, subject);
	json_push(en->n, json_number((double)left_out));
}

static void
say_unmuted(struct chat *c, const char *user, const char *subject, int64_t n)
{
	struct reply r = { .state = REPLY_INFO, .mention = user };
	struct text t = { 0 };

	text_printf(&t, "🔔 News of %s are told here again (muted by ",
	    subject);
	text_user(&t, user);
	text_printf(&t, "; %lld left out, `events` has them).", (long long)n);
	reply_send(c, "room:admin", &r, &t);
	text_release(&t);
}

/* Watches that end are only forgotten; of a mute everybody has to know. */
static void
end_them(struct chat *c, enum watch_sort sort, int64_t now)
{
	struct ended en = { .now = now, .n = json_array() };
	const struct json *n;

	watch_each(c, sort, NULL, add_ended, &en);
	n = json_first(en.n);
	for (size_t i = 0; i < en.users.n; i++, n = json_next(n)) {
		store_begin(c->store);
		watch_drop(c, sort, en.users.v[i], en.subjects.v[i]);
		if (sort == MUTED)
			say_unmuted(c, en.users.v[i], en.subjects.v[i],
			    json_value_int(n, 0));
	}
	strv_release(&en.users);
	strv_release(&en.subjects);
	json_free(en.n);
}

void
watch_tick(struct chat *c, int64_t now)
{
	struct watch_lists *w = c->watch;
	struct strv subjects = { 0 };

	/* The clock may be set back. */
	if (now >= w->looked_ms && now - w->looked_ms < LOOK_MS)
		return;
	w->looked_ms = now;
	for (size_t i = 0; i < NELEM(keys); i++)
		if (json_size(w->lists[i]) > 0)
			end_them(c, (enum watch_sort)i, now);
	watch_each(c, WATCHED, NULL, add_subject, &subjects);
	for (size_t i = 0; i < subjects.n; i++)
		look_at(c, subjects.v[i]);
	strv_release(&subjects);
}
