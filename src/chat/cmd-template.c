/*
 * template: a manifest to start from.  What it prints can be pasted as it is:
 * names that are taken are not used, and of a team all that is declared stays.
 */
#include "chat-int.h"

#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "pairs.h"

static bool
is_used(struct request *q, const struct kind *kind, const char *name)
{
	const struct resources *rs = engine_resources(q->chat->engine);
	struct target t;

	if (resources_find(rs, kind, name) != NULL)
		return true;
	target_find(rs, NULL, name, &t);
	return t.resource != NULL;
}

/* "my-worker", or the next that is free; of a Manager there is one. */
static char *
free_name(struct request *q, const struct kind *kind)
{
	const struct resources *rs = engine_resources(q->chat->engine);
	char *name;

	if (strcmp(kind->name, "Manager") == 0) {
		for (size_t i = 0; i < resources_n(rs); i++)
			if (resources_at(rs, i)->kind == kind)
				return xstrdup(resources_at(rs, i)->name);
		return xstrdup("default");
	}
	name = xasprintf("my-%s", kind->singular);
	for (int i = 2; is_used(q, kind, name); i++) {
		free(name);
		name = xasprintf("my-%s-%d", kind->singular, i);
	}
	return name;
}

static const char *
model_of(struct request *q)
{
	return engine_world_config(q->chat->engine)->agents.model;
}

static void
show(struct request *q, const char *yaml, const struct kind *kind,
    const char *name)
{
	struct text t = { 0 };

	text_puts(&t, "Copy, change and paste it. What stands behind # is "
	    "optional.");
	text_pre(&t, "yaml", yaml);
	if (resources_find(engine_resources(q->chat->engine), kind, name) !=
	    NULL)
		text_printf(&t, "There is a %s %s: pasting this changes it.",
		    kind->singular, name);
	else
		text_printf(&t, "All fields: `explain %s`. Nothing is applied "
		    "by `lint`, it only says what is wrong.", kind->singular);
	say(q, REPLY_INFO, &t);
	text_release(&t);
}

static void
show_kind(struct request *q, const struct kind *kind, const char *name)
{
	char *free_one = name == NULL ? free_name(q, kind) : NULL;
	char *yaml = api_skeleton(kind, name != NULL ? name : free_one,
	    model_of(q));

	show(q, yaml, kind, name != NULL ? name : free_one);
	free(yaml);
	free(free_one);
}

/* --- a member of a team ----------------------------------------------------- */

/* The Team as it is, its workers last, so that one more can stand behind. */
static char *
team_yaml(const struct resource *team, const char *name, const char *model)
{
	struct json *doc = resource_json(team), *spec = json_get(doc, "spec");
	struct json *workers = json_copy(json_get(spec, "workers"));
	char *head, *member, *yaml;
	bool has_some = json_size(workers) > 0;

	json_remove(spec, "workers");
	if (has_some)
		json_set(spec, "workers", workers);
	else
		json_free(workers);
	head = json_yaml(doc);
	member = api_skeleton_member(name, model, 2);
	yaml = xasprintf("%s%s%s", head, has_some ? "" : "  workers:\n",
	    member);
	json_free(doc);
	free(head);
	free(member);
	return yaml;
}

static void
show_member(struct request *q, const char *team, const char *name)
{
	const struct kind *kind = kind_find("Team");
	char *yaml, *free_one = NULL;
	struct target t;
	char why[256];
	struct err err;

	target_find(engine_resources(q->chat->engine), kind, team, &t);
	if (request_may(q, VERB_GET, &t, RISK_NONE, why, sizeof why) ==
	    MAY_NOT) {
		say_may_not(q, why);
		return;
	}
	if (t.resource == NULL) {
		name_missing(q->chat->engine, kind, team, &err);
		say_wrong(q, "%s", err.msg);
		return;
	}
	if (name == NULL)
		name = free_one = free_name(q, kind_find("Worker"));
	else if (is_used(q, kind_find("Worker"), name)) {
		say_wrong(q, "There is an agent %s already.", name);
		return;
	}
	yaml = team_yaml(t.resource, name, model_of(q));
	show(q, yaml, kind, team);
	free(yaml);
	free(free_one);
}

/* --- the command ------------------------------------------------------------ */

/* "member" is a word for what is no kind of its own. */
static bool
is_member_word(const char *word)
{
	static const char *const words[] = { "member", "members",
		"team-worker" };

	for (size_t i = 0; i < NELEM(words); i++)
		if (str_distance(words[i], word, 0) == 0)
			return true;
	return false;
}

/* What is no pair is the name. */
static int
read_name_and_team(struct request *q, size_t at, const char **name,
    char **team, struct err *e)
{
	const struct strv *v = &q->words.v;
	struct pairs ps;

	*name = NULL;
	*team = NULL;
	if (at < v->n && strchr(v->v[at], '=') == NULL &&
	    (at + 1 >= v->n || v->v[at + 1][0] != '='))
		*name = v->v[at++];
	if (pairs_read(v, at, &ps, e) == -1)
		return -1;
	*team = pairs_take(&ps, "team");
	if (ps.n > 0) {
		err_set(e, ERR_USER, "a template takes a name and team=NAME; "
		    "`create` takes %.60s", ps.v[0].key);
		free(*team);
		pairs_release(&ps);
		return -1;
	}
	return 0;
}

static const struct kind *
read_word(const char *word, bool *is_member, struct err *e)
{
	const struct kind *kind = kind_find(word);
	const char *near;

	*is_member = is_member_word(word);
	if (*is_member)
		return kind_find("Worker");
	if (kind == NULL) {
		near = str_nearest(word, kind_words());
		err_set(e, ERR_USER, "\"%.40s\" is no kind%s%s; the kinds are "
		    "worker, team, human, manager, and member of a team",
		    word, near != NULL ? "; did you mean " : "",
		    near != NULL ? kind_find(near)->singular : "");
	}
	return kind;
}

void
cmd_template(struct request *q)
{
	const struct strv *v = &q->words.v;
	const struct kind *kind;
	const char *name;
	char *word, *slash, *team = NULL;
	bool is_member;
	struct err err;

	if (v->n == 0) {
		say_usage(q, "of what? The kinds are worker, team, human, "
		    "manager, and member of a team");
		return;
	}
	/* "worker/bob" is "worker bob". */
	word = xstrdup(v->v[0]);
	if ((slash = strchr(word, '/')) != NULL)
		*slash++ = '\0';
	kind = read_word(word, &is_member, &err);
	if (kind == NULL ||
	    read_name_and_team(q, 1, &name, &team, &err) == -1)
		say_usage(q, err.msg);
	else if (is_member && team == NULL)
		say_usage(q, "a member of which team? team=NAME says it");
	else if (team != NULL && strcmp(kind->name, "Worker") != 0)
		say_usage(q, "only a worker can be in a team");
	else if (team != NULL)
		show_member(q, team, name != NULL ? name : slash);
	else
		show_kind(q, kind, name != NULL ? name : slash);
	free(team);
	free(word);
}
