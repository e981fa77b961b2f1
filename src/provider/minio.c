/*
 * MinIO as the storage of agents' files: all of S3, and a user for each agent
 * with just the rights of its policies.
 *
 * Everything of ours is told from others': policies are called
 * "<instance>-<name>", and a user is ours if it has one of those, if our secret
 * opens it, or if we have recorded that we made it.  What is not is never
 * touched.
 *
 * One export tells all users, secrets, policies and mappings; one import makes
 * a thousand users.  An import answers 200 whatever happens and does not say
 * why, so what it did is looked up, and policies, which it does not check,
 * never go that way.
 */
#include "minio.h"

#include <stdlib.h>
#include <string.h>

#include "hiclaw/secure.h"
#include "provider-int.h"

#define FEW		3	/* up to here one by one is as cheap */
#define USER_NAME_MIN	3

/* --- policies ------------------------------------------------------------- */

static struct json *
policy_form(const char *name, const struct json *document)
{
	struct json *form = json_object();

	json_set_str(form, "name", name);
	json_set(form, "document", json_copy(document));
	return form;
}

static int
policy_ensure(void *ctx, const struct work *w, struct outcome *out,
    struct err *e)
{
	struct s3 *s = ctx;
	const char *name = json_strd(w->desired, "name", "");
	const struct json *document = json_get(w->desired, "document");
	char *theirs = minio_policy_name(w->instance, name);
	struct json *now = NULL;
	int rv;

	rv = minio_get_policy(s, theirs, &now, e);
	if (rv == 0 && (now == NULL || !minio_policy_equal(now, document))) {
		rv = minio_put_policy(s, theirs, document, e);
		if (rv == 0)
			strv_add(&out->did, now == NULL ? "made" : "rewritten");
	}
	out->observed = rv == 0 ? policy_form(name, document) :
	    json_copy(w->observed);
	json_free(now);
	free(theirs);
	return rv;
}

static int
policy_remove(void *ctx, const struct work *w, struct outcome *out,
    struct err *e)
{
	struct s3 *s = ctx;
	const char *name = json_str(w->observed, "name");
	struct strv query = {0};
	struct s3_fault fault;
	char *theirs;
	int rv;

	if (name == NULL && strchr(w->key, ':') != NULL)
		name = strchr(w->key, ':') + 1;
	if (name == NULL)
		return 0;
	theirs = minio_policy_name(w->instance, name);
	strv_addf(&query, "name=%s", theirs);
	rv = minio_admin(s, "DELETE", "remove-canned-policy", &query, NULL, 0,
	    NULL, &fault, e);
	if (rv == -1 && e->kind == ERR_NOTFOUND)
		rv = 0;
	if (rv == 0)
		strv_add(&out->did, "removed");
	else
		out->observed = json_copy(w->observed);
	strv_release(&query);
	free(theirs);
	return rv;
}

/* --- users: what is there ------------------------------------------------- */

/* A user of theirs, as we look at it. */
struct account {
	bool		 is_there;
	const char	*status;	/* static: see minio_try_secret */
	struct strv	 policies;	/* their names */
};

static void
account_release(struct account *a)
{
	strv_release(&a->policies);
}

/* "hiclaw-1234-agent" -> "agent"; others' policies keep a name that no policy
 * of ours can have. */
static void
our_names(const struct account *a, const struct json *desired,
    const char *instance, struct json *list)
{
	const struct json *v;
	struct strv names = {0};
	char *theirs;
	size_t i;
	bool known;

	for (i = 0; i < a->policies.n; i++) {
		known = false;
		for (v = json_first(desired); !known && v != NULL;
		    v = json_next(v)) {
			theirs = minio_policy_name(instance,
			    json_value_str(v) == NULL ? "" : json_value_str(v));
			known = strcmp(theirs, a->policies.v[i]) == 0;
			free(theirs);
			if (known)
				strv_add_unique(&names, json_value_str(v));
		}
		if (!known)
			strv_addf(&names, "(%s)", a->policies.v[i]);
	}
	strv_sort(&names);
	for (i = 0; i < names.n; i++)
		json_push_str(list, names.v[i]);
	strv_release(&names);
}

/* What was observed of a user, as it is now. */
static struct json *
user_form(const struct account *a, const struct json *was,
    const char *instance)
{
	struct json *form = json_copy(was);

	our_names(a, json_get(was, "policies"), instance, json_set(form,
	    "policies", json_array()));
	json_set_str(form, "status", a->status);
	return form;
}

static bool
has_our_policy(const struct account *a, const char *instance)
{
	char *prefix = xasprintf("%s-", instance);
	bool found = false;
	size_t i;

	for (i = 0; !found && i < a->policies.n; i++)
		found = str_starts(a->policies.v[i], prefix);
	free(prefix);
	return found;
}

/* Are the mapping and the desired list the same? */
static bool
has_policies(const struct account *a, const char *joined)
{
	struct strv want = {0};
	bool same;
	size_t i;

	strv_split(&want, joined, ',');
	same = want.n == a->policies.n;
	for (i = 0; same && i < want.n; i++)
		same = strv_has(&a->policies, want.v[i]);
	strv_release(&want);
	return same;
}

/* "hiclaw-1234-agent,hiclaw-1234-team-x": yours. */
static char *
joined_policies(const struct json *desired, const char *instance)
{
	struct strv all = {0};
	const struct json *v;
	char *theirs, *text;

	for (v = json_first(json_get(desired, "policies")); v != NULL;
	    v = json_next(v)) {
		theirs = minio_policy_name(instance,
		    json_value_str(v) == NULL ? "" : json_value_str(v));
		strv_add_unique(&all, theirs);
		free(theirs);
	}
	text = strv_join(&all, ",");
	strv_release(&all);
	return text;
}

static int
check_work(const struct work *w, struct err *e)
{
	const char *name = json_strd(w->desired, "name", "");

	if (strlen(name) < USER_NAME_MIN || strpbrk(name, "=,/\\ ") != NULL)
		return err_set(e, ERR_USER, "MinIO takes no user called "
		    "\"%s\": at least three characters", name);
	if (json_str(w->secrets, "secret") == NULL)
		return err_set(e, ERR_RETRY, "its secret is not made yet");
	return 0;
}

static int
check_owner(const struct work *w, const struct account *a, struct err *e)
{
	if (!a->is_there || json_str(w->observed, "name") != NULL ||
	    has_our_policy(a, w->instance) ||
	    strcmp(a->status, "enabled") == 0)	/* our secret opens it */
		return 0;
	return err_set(e, ERR_CONFLICT, "MinIO has a user %s that is not ours",
	    json_str(w->desired, "name"));
}

static struct json *
done_form(const struct work *w)
{
	struct json *form = json_object();
	char id[SECRET_ID];

	secret_id(json_str(w->secrets, "secret"), id);
	json_set_str(form, "name", json_str(w->desired, "name"));
	json_set(form, "policies",
	    json_copy(json_get(w->desired, "policies")));
	json_set_str(form, "status", "enabled");
	json_set_str(form, "secret_id", id);
	json_set(form, "serial", json_copy(json_get(w->desired, "serial")));
	return form;
}

/* --- one user ------------------------------------------------------------- */

static int
look_up(struct s3 *s, const char *user, const char *secret,
    struct account *a, struct err *e)
{
	struct json *info = NULL;

	memset(a, 0, sizeof(*a));
	a->status = "disabled";
	if (minio_user_info(s, user, &info, e) == -1)
		return -1;
	if (info == NULL)
		return 0;
	a->is_there = true;
	strv_split(&a->policies, json_strd(info, "policyName", ""), ',');
	json_free(info);
	if (secret == NULL)
		return 0;
	if (minio_try_secret(s, user, secret, &a->status, e) == 0)
		return 0;
	account_release(a);
	return -1;
}

static int
put_right(struct s3 *s, const struct work *w, const struct account *a,
    struct outcome *out, struct err *e)
{
	const char *user = json_str(w->desired, "name");
	char *policies = joined_policies(w->desired, w->instance);
	int rv = 0;

	if (!a->is_there || strcmp(a->status, "enabled") != 0) {
		rv = minio_add_user(s, user, json_str(w->secrets, "secret"), e);
		if (rv == 0)
			strv_add(&out->did, a->is_there ? "secret set" :
			    "made");
	}
	if (rv == 0 && !has_policies(a, policies)) {
		rv = minio_set_policies(s, user, policies, e);
		if (rv == 0)
			strv_add(&out->did, "policies set");
	}
	free(policies);
	return rv;
}

static int
user_ensure(void *ctx, const struct work *w, struct outcome *out,
    struct err *e)
{
	struct s3 *s = ctx;
	struct account a = {0};
	int rv = check_work(w, e);

	if (rv == 0)
		rv = look_up(s, json_str(w->desired, "name"),
		    json_str(w->secrets, "secret"), &a, e);
	if (rv == 0)
		rv = check_owner(w, &a, e);
	if (rv == 0)
		rv = put_right(s, w, &a, out, e);
	account_release(&a);
	out->observed = rv == 0 ? done_form(w) :
	    json_copy(w->observed);
	return rv;
}

static int
user_remove(void *ctx, const struct work *w, struct outcome *out,
    struct err *e)
{
	struct s3 *s = ctx;
	const char *user = json_str(w->observed, "name");
	bool is_ours = user != NULL;
	struct account a = {0};
	struct strv query = {0};
	struct s3_fault fault;
	int rv;

	if (user == NULL && strchr(w->key, ':') != NULL)
		user = strchr(w->key, ':') + 1;
	if (user == NULL)
		return 0;
	if (!is_ours) {
		if (look_up(s, user, json_str(w->secrets, "secret"), &a, e) ==
		    -1)
			return -1;
		is_ours = has_our_policy(&a, w->instance) ||
		    strcmp(a.status, "enabled") == 0;
		account_release(&a);
		if (!is_ours)
			return 0;
	}
	strv_addf(&query, "accessKey=%s", user);
	rv = minio_admin(s, "DELETE", "remove-user", &query, NULL, 0, NULL,
	    &fault, e);
	strv_release(&query);
	if (rv == 0)
		strv_add(&out->did, "removed");
	else if (e->kind == ERR_NOTFOUND)
		rv = 0;
	if (rv == -1)
		out->observed = json_copy(w->observed);
	return rv;
}

/* --- many users ----------------------------------------------------------- */

/* What the export says of a user; secret may be NULL: not compared. */
static void
look_in(const struct json *export, const char *user, const char *secret,
    struct account *a)
{
	const struct json *u = json_get(json_get(export, "users"), user);
	const struct json *m = json_get(json_get(export, "user_mappings"),
	    user);

	memset(a, 0, sizeof(*a));
	a->status = "disabled";
	a->is_there = u != NULL;
	strv_split(&a->policies, json_strd(m, "policy", ""), ',');
	/* Enabled is "enabled", or "on" as the server stores it. */
	if (str_equal(json_str(u, "status"), "enabled") ||
	    str_equal(json_str(u, "status"), "on"))
		a->status = "enabled";
	if (u != NULL && secret != NULL &&
	    !secret_equal(json_str(u, "secretKey"), secret))
		a->status = "other secret";
}

static bool
is_right(const struct json *export, const struct work *w, struct account *a)
{
	char *policies = joined_policies(w->desired, w->instance);
	bool ok;

	look_in(export, json_str(w->desired, "name"),
	    json_str(w->secrets, "secret"), a);
	ok = a->is_there && strcmp(a->status, "enabled") == 0 &&
	    has_policies(a, policies);
	free(policies);
	return ok;
}

/* Which of them need doing?  Their number; rc of the others is final. */
static size_t
choose(const struct json *export, struct deed *deeds, size_t n, bool *todo)
{
	struct account a;
	size_t i, count = 0;

	for (i = 0; i < n; i++) {
		struct deed *d = &deeds[i];

		todo[i] = false;
		d->rc = check_work(&d->work, &d->err);
		if (d->rc == -1)
			continue;
		if (!is_right(export, &d->work, &a)) {
			d->rc = check_owner(&d->work, &a, &d->err);
			todo[i] = d->rc == 0;
			count += todo[i];
		} else
			d->out.observed = done_form(&d->work);
		account_release(&a);
	}
	return count;
}

static int
import(struct s3 *s, const struct deed *deeds, size_t n, const bool *todo,
    struct err *e)
{
	struct json *files = json_object();
	struct json *users = json_set(files, "users", json_object());
	struct json *mappings = json_set(files, "user_mappings", json_object());
	struct s3_fault fault;
	struct json *u;
	struct buf zip = {0};
	const char *name;
	char *policies;
	size_t i;
	int rv;

	for (i = 0; i < n; i++) {
		if (!todo[i])
			continue;
		name = json_str(deeds[i].work.desired, "name");
		u = json_set(users, name, json_object());
		json_set_str(u, "secretKey",
		    json_str(deeds[i].work.secrets, "secret"));
		json_set_str(u, "status", "enabled");
		policies = joined_policies(deeds[i].work.desired,
		    deeds[i].work.instance);
		u = json_set(mappings, name, json_object());
		json_set_int(u, "version", 1);
		json_set_str(u, "policy", policies);
		free(policies);
	}
	rv = minio_import_zip(files, &zip, e);
	json_wipe(files);
	if (rv == 0)
		rv = minio_admin(s, "PUT", "import-iam-v2", NULL, zip.data,
		    zip.len, NULL, &fault, e);
	if (zip.data != NULL)
		secret_wipe(zip.data, zip.len);
	buf_release(&zip);
	return rv;
}

/* Nothing that an import says is believed: what is there counts. */
static void
verify(const struct json *export, struct deed *deeds, size_t n,
    const bool *todo)
{
	struct account a;
	size_t i;

	for (i = 0; i < n; i++) {
		struct deed *d = &deeds[i];

		if (!todo[i])
			continue;
		if (is_right(export, &d->work, &a)) {
			d->rc = 0;
			d->out.observed = done_form(&d->work);
			strv_add(&d->out.did, "made");
		} else
			d->rc = err_set(&d->err, ERR_RETRY,
			    "MinIO did not take it");
		account_release(&a);
	}
}

static void
one_by_one(void *ctx, struct deed *deeds, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		deeds[i].rc = user_ensure(ctx, &deeds[i].work, &deeds[i].out,
		    &deeds[i].err);
}

static void
fail_all(struct deed *deeds, size_t n, const bool *todo, const struct err *e)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (todo != NULL && !todo[i])
			continue;
		deeds[i].rc = -1;
		deeds[i].err = *e;
	}
}

static void
user_ensure_many(void *ctx, struct deed *deeds, size_t n)
{
	struct s3 *s = ctx;
	struct json *before = NULL, *after = NULL;
	bool *todo = NULL;
	struct err e = {0};
	size_t i;

	if (n <= FEW) {
		one_by_one(ctx, deeds, n);
		return;
	}
	if (minio_export(s, &before, &e) == -1) {
		if (e.kind != ERR_RETRY)	/* not allowed, or not known */
			one_by_one(ctx, deeds, n);
		else
			fail_all(deeds, n, NULL, &e);
		goto out;
	}
	todo = xcalloc(n, sizeof(*todo));
	if (choose(before, deeds, n, todo) == 0)
		goto out;
	if (import(s, deeds, n, todo, &e) == -1 ||
	    minio_export(s, &after, &e) == -1)
		fail_all(deeds, n, todo, &e);
	else
		verify(after, deeds, n, todo);
out:
	json_wipe(before);
	json_wipe(after);
	free(todo);
	for (i = 0; i < n; i++)
		if (deeds[i].rc == -1 && deeds[i].out.observed == NULL)
			deeds[i].out.observed =
			    json_copy(deeds[i].work.observed);
}

/* --- looking -------------------------------------------------------------- */

struct watch {
	const char	*instance;
	void		(*changed)(void *arg, const char *key,
			    struct json *observed);
	void		*arg;
};

static void
report(const struct watch *w, const char *key, const struct json *was,
    struct json *now)
{
	if (json_equal(was, now))
		json_free(now);
	else
		w->changed(w->arg, key, now);
}

static void
see_policy(const struct watch *w, const char *key, const struct json *was,
    const struct json *document)
{
	const char *name = json_str(was, "name");

	if (document == NULL)
		w->changed(w->arg, key, NULL);
	else if (!minio_policy_equal(document, json_get(was, "document")))
		report(w, key, was, policy_form(name, document));
}

static void
see_user(const struct watch *w, const char *key, const struct json *was,
    const struct account *a)
{
	if (!a->is_there)
		w->changed(w->arg, key, NULL);
	else
		report(w, key, was, user_form(a, was, w->instance));
}

static void
see_in_export(const struct watch *w, const struct observe_item *it,
    const struct json *export)
{
	struct json *was = json_must(it->observed);
	const char *name = json_str(was, "name"), *secret;
	struct account a;
	char id[SECRET_ID], *theirs;

	if (name != NULL && str_starts(it->key, "policy:")) {
		theirs = minio_policy_name(w->instance, name);
		see_policy(w, it->key, was,
		    json_get(json_get(export, "policies"), theirs));
		free(theirs);
	} else if (name != NULL && str_starts(it->key, "user:")) {
		look_in(export, name, NULL, &a);
		secret = json_str(json_get(json_get(export, "users"), name),
		    "secretKey");
		if (secret != NULL) {
			secret_id(secret, id);
			if (!str_equal(id, json_str(was, "secret_id")))
				a.status = "other secret";
		}
		see_user(w, it->key, was, &a);
		account_release(&a);
	}
	json_free(was);
}

/* Where an export is refused: each on its own, and no secret is seen. */
static int
see_alone(struct s3 *s, const struct watch *w, const struct observe_item *it,
    struct err *e)
{
	struct json *was = json_must(it->observed), *info = NULL;
	const char *name = json_str(was, "name");
	struct account a = {0};
	char *theirs;
	int rv = 0;

	if (name != NULL && str_starts(it->key, "policy:")) {
		theirs = minio_policy_name(w->instance, name);
		rv = minio_get_policy(s, theirs, &info, e);
		if (rv == 0)
			see_policy(w, it->key, was, info);
		free(theirs);
	} else if (name != NULL && str_starts(it->key, "user:")) {
		rv = minio_user_info(s, name, &info, e);
		a.is_there = info != NULL;
		a.status = str_equal(json_str(info, "status"), "enabled") ?
		    "enabled" : "disabled";
		strv_split(&a.policies, json_strd(info, "policyName", ""), ',');
		if (rv == 0)
			see_user(w, it->key, was, &a);
		account_release(&a);
	}
	json_free(info);
	json_free(was);
	return rv;
}

static bool
is_iam(const char *key)
{
	return str_starts(key, "user:") || str_starts(key, "policy:");
}

struct minio {
	struct s3	 s3;		/* first */
	char		*instance;
};

static int
minio_observe(void *ctx, const struct observe_item *items, size_t n,
    void (*changed)(void *arg, const char *key, struct json *observed),
    void *arg, struct err *e)
{
	struct minio *m = ctx;
	struct watch w = { m->instance, changed, arg };
	struct json *export = NULL;
	size_t i, iam = 0;
	int rv = 0;

	for (i = 0; i < n; i++)
		iam += is_iam(items[i].key);
	if (iam > 0 && minio_export(&m->s3, &export, e) == -1 &&
	    e->kind == ERR_RETRY)
		return -1;
	for (i = 0; rv == 0 && i < n; i++) {
		if (!is_iam(items[i].key))
			continue;
		if (export != NULL)
			see_in_export(&w, &items[i], export);
		else
			rv = see_alone(&m->s3, &w, &items[i], e);
	}
	json_wipe(export);
	return rv == -1 ? -1 : s3_observe(ctx, items, n, changed, arg, e);
}

/* --- opening -------------------------------------------------------------- */

static void
minio_close(void *ctx)
{
	struct minio *m = ctx;

	if (m == NULL)
		return;
	storage_release(&m->s3.storage);
	s3_release(&m->s3);
	free(m->instance);
	free(m);
}

static int
minio_open(const struct provider_env *env, void **ctx, struct err *e)
{
	struct minio *m;

	*ctx = NULL;
	if (!str_equal(env->storage.provider, "minio"))
		return 0;
	m = xcalloc(1, sizeof(*m));
	storage_init(&m->s3.storage, &s3_ops, env);
	m->instance = xstrdup(env->instance);
	if (s3_init(&m->s3, env, e) == -1) {
		minio_close(m);
		return -1;
	}
	*ctx = m;
	return 0;
}

static const struct object_secret user_secrets[] = {
	{ .name = "secret", .bytes = 24, .rotates = true },
	{ .name = NULL }
};

static const struct object_kind kinds[] = {
	S3_KINDS,
	{ .name = "policy", .label = "storage policy",
	    .diff = minio_policy_diff, .ensure = policy_ensure,
	    .remove = policy_remove },
	{ .name = "user", .label = "storage user", .secrets = user_secrets,
	    .diff = minio_user_diff, .ensure = user_ensure,
	    .remove = user_remove, .batch = 1000,
	    .ensure_many = user_ensure_many },
	STORAGE_KINDS,
	{ .name = NULL }
};

const struct provider provider_minio = {
	.name = "minio",
	.concurrency = 8,
	.kinds = kinds,
	.open = minio_open,
	.close = minio_close,
	.observe = minio_observe,
	.query = storage_query,
};
