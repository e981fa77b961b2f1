/*
 * Grants at the storage: the bucket, the policies that say which prefixes an
 * agent reads and writes, and its user there.
 *
 * A policy is an IAM document (version 2012-10-17) over one bucket.  Prefixes
 * end with "/" and "*" and never without the slash: "agents/dev*" would show
 * "agents/dev2".  One policy serves all agents: it names the user that asks.
 */
#include "world-int.h"

#include <stdlib.h>
#include <string.h>

#define USER_MIN	3	/* MinIO: an access key has three characters */
#define SELF		"${aws:username}"

static const char *const reads[] = { "s3:GetObject", NULL };
static const char *const writes[] = { "s3:AbortMultipartUpload",
    "s3:DeleteObject", "s3:GetObject", "s3:ListMultipartUploadParts",
    "s3:PutObject", NULL };
static const char *const changes[] = { "s3:DeleteObject", "s3:PutObject",
    NULL };

struct policy {
	const char	*bucket;
	struct json	*statements;
};

static struct json *
statement(struct policy *p, const char *effect, const char *const *actions)
{
	struct json *s = json_push(p->statements, json_object()), *list;

	json_set_str(s, "Effect", effect);
	list = json_set(s, "Action", json_array());
	for (; *actions != NULL; actions++)
		json_push_str(list, *actions);
	return s;
}

/* On objects below "prefix/" (or of one key, when it does not end so). */
static void
on_objects(struct policy *p, const char *effect, const char *const *actions,
    const char *const *prefixes)
{
	struct json *list = json_set(statement(p, effect, actions), "Resource",
	    json_array());

	for (; *prefixes != NULL; prefixes++)
		json_push(list, json_stringf("arn:aws:s3:::%s/%s%s", p->bucket,
		    *prefixes, str_ends(*prefixes, "/") ? "*" : ""));
}

static void
may_list(struct policy *p, const char *const *prefixes)
{
	static const char *const list_action[] = { "s3:ListBucket", NULL };
	struct json *s = statement(p, "Allow", list_action), *list;

	json_push(json_set(s, "Resource", json_array()),
	    json_stringf("arn:aws:s3:::%s", p->bucket));
	list = json_set(json_obj(json_obj(s, "Condition"), "StringLike"),
	    "s3:prefix", json_array());
	for (; *prefixes != NULL; prefixes++)
		json_push(list, json_stringf("%s*", *prefixes));
}

static void
policy_add(struct world *w, struct policy *p, const char *name,
    const char *owner)
{
	struct json *form = json_object(), *doc;

	doc = json_set(form, "document", json_object());
	json_set_str(doc, "Version", "2012-10-17");
	json_set(doc, "Statement", p->statements);
	json_set_str(form, "name", name);
	world_add(w, xasprintf("policy:%s", name), owner,
	    json_canonical(form));
	json_free(form);
	p->statements = json_array();
}

/* What every agent has: its home, but for what the controller owns there. */
static void
add_home_policy(struct world *w, struct policy *p, const char *home,
    const char *name, const char *owner)
{
	static const char *const locate[] = { "s3:GetBucketLocation", NULL };
	/* Or it could change its own secret, and make keys that outlive it. */
	static const char *const admin[] = { "admin:CreateServiceAccount",
	    "admin:CreateUser", NULL };
	char *own = xasprintf("agents/%s/", home);
	char *config = xasprintf("agents/%s/openclaw.json", home);
	char *runtime = xasprintf("agents/%s/runtime/", home);
	char *credentials = xasprintf("agents/%s/credentials/", home);
	const char *const seen[] = { own, "shared/", NULL };
	const char *const owns[] = { own, NULL };
	const char *const shared[] = { "shared/", NULL };
	const char *const ours[] = { config, runtime, credentials, NULL };

	json_push(json_set(statement(p, "Allow", locate), "Resource",
	    json_array()), json_stringf("arn:aws:s3:::%s", p->bucket));
	may_list(p, seen);
	on_objects(p, "Allow", writes, owns);
	on_objects(p, "Allow", reads, shared);
	on_objects(p, "Deny", changes, ours);
	statement(p, "Deny", admin);
	policy_add(w, p, name, owner);
	free(own);
	free(config);
	free(runtime);
	free(credentials);
}

/* Where tasks are handed over and results handed in. */
static void
add_tasks_policy(struct world *w, struct policy *p)
{
	static const char *const where[] = { "shared/tasks/",
	    "shared/projects/", NULL };

	on_objects(p, "Allow", writes, where);
	policy_add(w, p, "tasks", "");
}

/* The manager sees what agents write, but no file that may hold a key. */
static void
add_manager_policy(struct world *w, struct policy *p)
{
	static const char *const seen[] = { "agents/", "manager/", "shared/",
	    "teams/", NULL };
	static const char *const watched[] = { "agents/*.md",
	    "agents/*/memory/", "agents/*/skills/", "teams/", NULL };
	static const char *const owned[] = { "manager/", "shared/", NULL };

	may_list(p, seen);
	on_objects(p, "Allow", writes, owned);
	on_objects(p, "Allow", reads, watched);
	policy_add(w, p, "manager", "");
}

static void
add_team_policies(struct world *w, struct policy *p, const struct resource *r)
{
	const char *team = resource_runtime_name(r);
	char *all = xasprintf("teams/%s/", team);
	char *shared = xasprintf("teams/%s/shared/", team);
	char *leader = xasprintf("leader/%s", team);
	char *member = xasprintf("team/%s", team), *owner = owner_of(r);
	const char *const led[] = { all, NULL }, *const used[] = { shared,
	    NULL };

	may_list(p, led);
	on_objects(p, "Allow", writes, led);
	policy_add(w, p, leader, owner);
	may_list(p, used);
	on_objects(p, "Allow", writes, used);
	policy_add(w, p, member, owner);
	free(all);
	free(shared);
	free(leader);
	free(member);
	free(owner);
}

/* The text with ${self.name} and ${self.team} put in; yours. */
static char *
fill_self(const char *given, const struct agent *a)
{
	const struct resource *team = agent_team(a);
	const struct { const char *mark, *value; } marks[] = {
		{ "${self.name}", a->runtime },
		{ "${self.team}", team == NULL ? NULL :
		    resource_runtime_name(team) },
	};
	struct buf b = { 0 };
	const char *p = given;
	size_t i;

	while (*p != '\0') {
		for (i = 0; i < NELEM(marks); i++)
			if (marks[i].value != NULL &&
			    str_starts(p, marks[i].mark))
				break;
		if (i < NELEM(marks)) {
			buf_puts(&b, marks[i].value);
			p += strlen(marks[i].mark);
		} else
			buf_putc(&b, *p++);
	}
	return buf_take(&b);
}

/*
 * A prefix of accessEntries as "shared/x/", given so or with a star; yours.
 * NULL for what is no plain prefix: no pattern reaches further than its text says.
 */
static char *
prefix_of(const char *given, const struct agent *a)
{
	char *text = fill_self(given, a);

	if (str_ends(text, "/*"))
		text[strlen(text) - 1] = '\0';
	if (str_ends(text, "/") && text[0] != '/' &&
	    strstr(text, "..") == NULL &&
	    text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUV"
	    "WXYZ0123456789._/-")] == '\0')
		return text;
	free(text);
	return NULL;
}

static bool
is_permitted(const struct json *permissions, const char *word)
{
	if (json_has_str(permissions, word))
		return true;
	/* What is not said is reading. */
	return json_size(permissions) == 0 && (strcmp(word, "read") == 0 ||
	    strcmp(word, "list") == 0);
}

static void
add_entry(struct policy *p, const struct json *entry, const struct agent *a)
{
	static const struct { const char *word, *action; } words[] = {
		{ "delete", "s3:DeleteObject" }, { "read", "s3:GetObject" },
		{ "write", "s3:PutObject" },
	};
	const char *actions[NELEM(words) + 1] = { NULL };
	const struct json *v, *given = json_get(entry, "permissions");
	char *prefix;
	size_t n = 0, i;

	for (i = 0; i < NELEM(words); i++)
		if (is_permitted(given, words[i].word))
			actions[n++] = words[i].action;
	for (v = json_first(json_path(entry, "scope.prefixes")); v != NULL;
	    v = json_next(v)) {
		prefix = json_value_str(v) == NULL ? NULL :
		    prefix_of(json_value_str(v), a);
		if (prefix != NULL) {
			const char *const one[] = { prefix, NULL };

			if (is_permitted(given, "list"))
				may_list(p, one);
			if (n > 0)
				on_objects(p, "Allow", actions, one);
		}
		free(prefix);
	}
}

/* Beyond the usual; false: nothing. */
static bool
add_extra_policy(struct world *w, struct policy *p, const struct agent *a,
    const char *owner)
{
	const struct json *v;
	char *name;

	for (v = json_first(json_get(a->spec, "accessEntries")); v != NULL;
	    v = json_next(v))
		if (str_equal(json_str(v, "service"), "object-storage"))
			add_entry(p, v, a);
	if (json_size(p->statements) == 0)
		return false;
	name = xasprintf("extra/%s", a->runtime);
	policy_add(w, p, name, owner);
	free(name);
	return true;
}

/* --- the storage's users --------------------------------------------------- */

/* The policies of an agent by name; those of its own are added. */
static void
name_policies(struct world *w, struct policy *p, const struct agent *a,
    const char *owner, struct strv *names)
{
	const struct resource *team = agent_team(a);

	/* The user of a short name has another: see add_user. */
	if (strlen(a->runtime) < USER_MIN) {
		strv_addf(names, "agent/%s", a->runtime);
		add_home_policy(w, p, a->runtime, names->v[0], owner);
	} else
		strv_add(names, "agent");
	if (a->role == AGENT_MANAGER)
		strv_add(names, "manager");
	else if (a->role != AGENT_WORKER)
		strv_add(names, "tasks");
	if (team != NULL)
		strv_addf(names, "%s/%s", a->role == AGENT_LEADER ? "leader" :
		    "team", resource_runtime_name(team));
	if (add_extra_policy(w, p, a, owner))
		strv_addf(names, "extra/%s", a->runtime);
}

char *
world_storage_user(const struct agent *a)
{
	size_t len = strlen(a->runtime);

	/* No agent's name has "_", so that no other one is called like that. */
	return xasprintf("%s%.*s", a->runtime,
	    len < USER_MIN ? USER_MIN - (int)len : 0, "___");
}

static void
add_user(struct world *w, struct policy *p, const struct world_config *cfg,
    const struct agent *a)
{
	char *key = xasprintf("user:%s", a->runtime), *owner;
	char *user = world_storage_user(a);
	struct strv names = { 0 };
	struct object *o;
	struct buf b = { 0 };
	size_t i;

	owner = owner_of(a->resource);
	name_policies(w, p, a, owner, &names);
	jw_open(&b);
	jw_str(&b, "name", user);
	jw_names(&b, "policies", &names);
	jw_int(&b, "serial", json_int(json_get(cfg->gateway.rotations, key),
	    "serial", 1));
	jw_close(&b);
	o = world_add(w, key, owner, jw_done(&b));
	for (i = 0; i < names.n; i++)
		strv_addf(&o->deps, "policy:%s", names.v[i]);
	strv_release(&names);
	free(owner);
	free(user);
	buf_release(&b);
}

static void
add_users(struct world *w, const struct census *c)
{
	const struct kind *team = kind_find("team");
	struct policy p = { .bucket = c->cfg->storage.bucket };
	const struct resources *rs = c->resources;
	size_t i;

	p.statements = json_array();
	add_home_policy(w, &p, SELF, "agent", "");
	add_tasks_policy(w, &p);
	add_manager_policy(w, &p);
	for (i = 0; i < resources_n(rs); i++)
		if (resources_at(rs, i)->kind == team)
			add_team_policies(w, &p, resources_at(rs, i));
	for (i = 0; i < c->agents.n; i++)
		add_user(w, &p, c->cfg, &c->agents.v[i]);
	json_free(p.statements);
}

/* --- all of it --------------------------------------------------------------- */

char *
world_bucket(const struct world_config *cfg)
{
	if (cfg->storage.provider == NULL || cfg->storage.bucket == NULL ||
	    strcmp(cfg->storage.provider, "directory") == 0)
		return NULL;
	return xasprintf("bucket:%s", cfg->storage.bucket);
}

void
storage_add(struct world *w, const struct census *c)
{
	char *bucket = world_bucket(c->cfg);
	struct buf b = { 0 };

	if (bucket != NULL) {
		jw_open(&b);
		jw_str(&b, "name", c->cfg->storage.bucket);
		jw_close(&b);
		world_add(w, bucket, "", jw_done(&b));
	}
	if (str_equal(c->cfg->storage.provider, "minio"))
		add_users(w, c);
	buf_release(&b);
}
