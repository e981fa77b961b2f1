/*
 * get: resources as a list for people, or as YAML, JSON or names for programs.
 * A worker of a team is found as `worker NAME` too, in its Team's spec.
 */
#include "chat-int.h"

#include <stdlib.h>
#include <string.h>

#include "hiclaw/clock.h"

#include "cmd.h"
#include "container.h"

enum format { FORMAT_LIST, FORMAT_WIDE, FORMAT_YAML, FORMAT_JSON,
    FORMAT_NAME };
static const char *const format_words[] = { "list", "wide", "yaml", "json",
	"name", NULL };

/* One thing found: a resource, or a member of one. */
struct found {
	struct resource	*resource;	/* a ref */
	const struct json *member;	/* its part of the Team's spec, or NULL */
	bool		 is_leader, is_deleting;
};
struct finds { struct found *v; size_t n; };

static void
finds_add(struct finds *fs, struct resource *r, const struct json *member,
    bool is_leader)
{
	fs->v = xreallocarray(fs->v, fs->n + 1, sizeof *fs->v);
	fs->v[fs->n++] = (struct found){ resource_ref(r), member, is_leader,
	    false };
}

static void
finds_release(struct finds *fs)
{
	for (size_t i = 0; i < fs->n; i++)
		resource_unref(fs->v[i].resource);
	free(fs->v);
}

/* --- finding ------------------------------------------------------------- */

/* May the asker see it?  A list is what they may see. */
static bool
may_see(struct request *q, const struct resource *r,
    const struct json *member, bool is_leader)
{
	struct target t = { .kind = r->kind, .name = r->name, .resource = r,
	    .spec = r->spec };

	if (member != NULL)
		t = (struct target){ .kind = kind_find("Worker"),
		    .name = json_strd(member, "name", ""), .team = r,
		    .is_leader = is_leader, .resource = r, .spec = member };
	return request_may(q, VERB_GET, &t, RISK_NONE, NULL, 0) != MAY_NOT;
}

struct deleting {
	struct request	*q;
	struct finds	*out;
	const struct kind *kind;
	const char	*name;
};

/* What was deleted and still has objects is in the store only. */
static void
add_deleting(const struct resource_row *row, void *arg)
{
	struct deleting *d = arg;
	const struct kind *kind = kind_find(row->kind);
	struct resource *r;
	struct err err;

	if (!row->deleting || kind == NULL ||
	    (d->kind != NULL && d->kind != kind) ||
	    (d->name != NULL && strcmp(d->name, row->name) != 0))
		return;
	r = resource_new(kind, json_parse(row->metadata,
	    strlen(row->metadata), &err), json_parse(row->spec,
	    strlen(row->spec), &err));
	r->created_ms = row->created_ms;
	r->updated_ms = row->updated_ms;
	r->deleting = true;
	if (may_see(d->q, r, NULL, false)) {
		finds_add(d->out, r, NULL, false);
		d->out->v[d->out->n - 1].is_deleting = true;
	}
	resource_unref(r);
}

static void
add_members(struct request *q, struct resource *team, struct finds *out)
{
	const struct json *w = json_get(team->spec, "leader");

	if (may_see(q, team, w, true))
		finds_add(out, team, w, true);
	for (w = json_first(json_get(team->spec, "workers")); w != NULL;
	    w = json_next(w))
		if (may_see(q, team, w, false))
			finds_add(out, team, w, false);
}

static int
find_all(struct request *q, const struct kind *kind, const char *selector,
    struct finds *out, struct err *e)
{
	const struct resources *rs = engine_resources(q->chat->engine);
	struct deleting d = { q, out, kind, NULL };
	bool is_workers = kind != NULL && strcmp(kind->name, "Worker") == 0;

	for (size_t i = 0; i < resources_n(rs); i++) {
		struct resource *r = resources_at(rs, i);
		int match = selector == NULL ? 1 :
		    resource_matches(r, selector, e);

		if (match == -1)
			return -1;
		if (match == 0)
			continue;
		if (kind == NULL || r->kind == kind) {
			if (may_see(q, r, NULL, false))
				finds_add(out, r, NULL, false);
		} else if (is_workers && strcmp(r->kind->name, "Team") == 0)
			add_members(q, r, out);
	}
	if (selector == NULL)
		store_resources_each(q->chat->store, add_deleting, &d);
	return 0;
}

static int
find_one(struct request *q, const struct kind *kind, const char *name,
    struct finds *out, struct err *e)
{
	const struct resources *rs = engine_resources(q->chat->engine);
	struct deleting d = { q, out, kind, name };
	struct resource *r = resources_find(rs, kind, name);
	const struct json *member = NULL;
	size_t before = out->n;
	bool is_leader = false;
	char why[256];
	struct target t;

	target_find(rs, kind, name, &t);
	if (request_may(q, VERB_GET, &t, RISK_NONE, why, sizeof why) ==
	    MAY_NOT)
		return err_set(e, ERR_DENIED, "I may not show that to you: "
		    "%s", why);
	if (r == NULL && strcmp(kind->name, "Worker") == 0)
		r = member_team(rs, name, &is_leader, &member);
	if (r != NULL) {
		finds_add(out, r, member, is_leader);
		return 0;
	}
	store_resources_each(q->chat->store, add_deleting, &d);
	if (out->n > before)
		return 0;
	return name_missing(q->chat->engine, kind, name, e);
}

/* --- showing ------------------------------------------------------------- */

static const char *
found_name(const struct found *f)
{
	return f->member != NULL ? json_strd(f->member, "name", "?") :
	    f->resource->name;
}

static const char *
found_phase(struct request *q, const struct found *f, char *why, size_t size)
{
	why[0] = '\0';
	if (f->is_deleting)
		return "Deleting";
	if (f->member == NULL && (strcmp(f->resource->kind->name, "Team") ==
	    0 || strcmp(f->resource->kind->name, "Human") == 0))
		return engine_phase(q->chat->engine, f->resource, why, size);
	return agent_phase(q->chat, f->resource, found_name(f), f->member !=
	    NULL ? f->member : f->resource->spec, why, size);
}

/* What tells this one from its like, in a word or two. */
static void
put_traits(const struct found *f, struct text *out)
{
	const struct resource *r = f->resource;
	const char *kind = r->kind->name;
	const struct json *spec = f->member != NULL ? f->member : r->spec;
	const char *model = json_str(spec, "model");

	if (f->member == NULL && strcmp(kind, "Team") == 0)
		text_printf(out, " · led by %s, %zu worker%s", json_strd(
		    json_get(spec, "leader"), "name", "?"),
		    json_size(json_get(spec, "workers")),
		    json_size(json_get(spec, "workers")) == 1 ? "" : "s");
	else if (strcmp(kind, "Human") == 0)
		text_printf(out, " · %s, tier %lld",
		    json_strd(spec, "displayName", "?"),
		    (long long)json_int(spec, "permissionLevel", 3));
	else if (model != NULL)
		text_printf(out, " · %s", model);
	if (f->member != NULL)
		text_printf(out, " · %s Team/%s", f->is_leader ? "leads" :
		    "in", r->name);
}

static void
put_wide(const struct found *f, struct text *out)
{
	const struct resource *r = f->resource;
	const char *runtime = f->member != NULL ?
	    json_str(f->member, "runtime") :
	    spec_str(r->kind, r->spec, "runtime");
	char age[16];

	if (runtime != NULL)
		text_printf(out, " · %s", runtime);
	text_printf(out, " · generation %lld", (long long)r->generation);
	if (r->created_ms > 0)
		text_printf(out, " · %s old",
		    clock_age(clock_ms() - r->created_ms, age));
}

static void
put_item(struct request *q, const struct found *f, bool is_wide,
    struct text *out)
{
	char why[256];
	const char *phase = found_phase(q, f, why, sizeof why);

	text_printf(out, "- **%s**", found_name(f));
	put_traits(f, out);
	text_printf(out, " · %s", phase);
	if (is_wide)
		put_wide(f, out);
	if (is_wide && why[0] != '\0')
		text_printf(out, " · %s", why);
	text_puts(out, "\n");
}

static void
show_list_of(struct request *q, const struct finds *fs, bool is_wide)
{
	struct text t = { 0 };

	for (const struct kind *k = kinds; k->name != NULL; k++) {
		bool has = false;

		for (size_t i = 0; i < fs->n; i++) {
			const struct found *f = &fs->v[i];
			const char *of = f->member != NULL ? "Worker" :
			    f->resource->kind->name;

			if (strcmp(of, k->name) != 0)
				continue;
			if (!has && !text_is_empty(&t))
				text_puts(&t, "\n");
			if (!has)
				text_printf(&t, "**%s**\n", k->plural);
			has = true;
			put_item(q, f, is_wide, &t);
		}
	}
	say(q, REPLY_INFO, &t);
	text_release(&t);
}

/* As it was declared; of a member its part, in a comment of what. */
static void
put_document(const struct found *f, enum format format, struct buf *out)
{
	struct json *o;
	char *text;

	if (f->member != NULL) {
		o = json_object();
		json_set(o, "memberOf", json_stringf("Team/%s",
		    f->resource->name));
		json_set(o, "role", json_string(f->is_leader ? "leader" :
		    "worker"));
		json_set(o, "spec", json_copy(f->member));
	} else
		o = resource_json(f->resource);
	if (format == FORMAT_JSON)
		text = json_pretty(o);
	else
		text = f->member != NULL ? json_yaml(o) :
		    resource_yaml(f->resource);
	buf_puts(out, text);
	if (out->len > 0 && out->data[out->len - 1] != '\n')
		buf_putc(out, '\n');
	free(text);
	json_free(o);
}

static void
show_documents(struct request *q, const struct finds *fs, enum format format)
{
	const char *lang = format == FORMAT_JSON ? "json" : "yaml";
	struct buf b = { 0 };
	struct text t = { 0 };

	if (format == FORMAT_JSON && fs->n > 1)
		buf_puts(&b, "[\n");
	for (size_t i = 0; i < fs->n; i++) {
		if (i > 0)
			buf_puts(&b, format == FORMAT_JSON ? ",\n" : "---\n");
		put_document(&fs->v[i], format, &b);
	}
	if (format == FORMAT_JSON && fs->n > 1)
		buf_puts(&b, "]\n");
	if (b.len <= REPLY_MAX) {
		text_pre(&t, lang, buf_str(&b));
		say(q, REPLY_INFO, &t);
	} else {
		text_printf(&t, "%zu documents, in the file below.", fs->n);
		say_file(q, &t, format == FORMAT_JSON ? "resources.json" :
		    "resources.yaml", format == FORMAT_JSON ?
		    "application/json" : "application/yaml", buf_str(&b));
	}
	text_release(&t);
	buf_release(&b);
}

static void
show_names(struct request *q, const struct finds *fs)
{
	struct text t = { 0 };

	for (size_t i = 0; i < fs->n; i++)
		text_printf(&t, "%s/%s\n", fs->v[i].member != NULL ?
		    "worker" : fs->v[i].resource->kind->singular,
		    found_name(&fs->v[i]));
	say(q, REPLY_INFO, &t);
	text_release(&t);
}

/* --- the command --------------------------------------------------------- */

static int
read_format(struct request *q, enum format *format, struct err *e)
{
	const char *word = words_flag(&q->words, "output"), *near;

	*format = FORMAT_LIST;
	if (word == NULL)
		return 0;
	for (size_t i = 0; format_words[i] != NULL; i++)
		if (strcmp(format_words[i], word) == 0) {
			*format = (enum format)i;
			return 0;
		}
	near = str_nearest(word, format_words);
	if (near != NULL)
		return err_set(e, ERR_USER, "-o %.40s is not known; did you "
		    "mean %s?", word, near);
	return err_set(e, ERR_USER, "-o %.40s is not known; it is wide, yaml, "
	    "json or name", word);
}

/* "get", "get all", "get workers", "get worker a b", "get team/x". */
static int
find(struct request *q, struct finds *out, struct err *e)
{
	const struct strv *v = &q->words.v;
	const char *selector = words_flag(&q->words, "selector"), *name;
	const struct kind *kind = NULL;

	if (v->n == 0 || (v->n == 1 && strcmp(v->v[0], "all") == 0))
		return find_all(q, NULL, selector, out, e);
	if (v->n == 1 && strchr(v->v[0], '/') == NULL &&
	    (kind = kind_find(v->v[0])) != NULL)
		return find_all(q, kind, selector, out, e);
	if (v->n == 1 && strchr(v->v[0], '/') != NULL &&
	    v->v[0][strlen(v->v[0]) - 1] == '/')
		return err_set(e, ERR_USER, "the name is missing");
	for (size_t at = 0; at < v->n;) {
		if (kind != NULL && strchr(v->v[at], '/') == NULL)
			name = v->v[at++];
		else if (read_name(q, v, &at, &kind, &name, e) == -1)
			return -1;
		if (find_one(q, kind, name, out, e) == -1)
			return -1;
	}
	return 0;
}

void
cmd_get(struct request *q)
{
	struct finds fs = { 0 };
	enum format format;
	struct text t = { 0 };
	struct err err;

	if (read_format(q, &format, &err) == -1)
		say_usage(q, err.msg);
	else if (find(q, &fs, &err) == -1)
		say_wrong(q, "%s", err.msg);
	else if (fs.n == 0) {
		if (words_flag(&q->words, "selector") != NULL)
			text_printf(&t, "Nothing has the label %s.",
			    words_flag(&q->words, "selector"));
		else
			text_puts(&t, "There are none. Paste a manifest to "
			    "make one; `explain worker` tells what it may "
			    "say.");
		say(q, REPLY_INFO, &t);
	} else if (format == FORMAT_NAME)
		show_names(q, &fs);
	else if (format == FORMAT_YAML || format == FORMAT_JSON)
		show_documents(q, &fs, format);
	else
		show_list_of(q, &fs, format == FORMAT_WIDE);
	finds_release(&fs);
	text_release(&t);
}
