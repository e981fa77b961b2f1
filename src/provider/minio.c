/*
 * MinIO as the storage of agents' files: all of S3, and a user for each agent
 * with just the rights of its policies.  Here are the policies and the look at
 * all; users are in minio-user.c.
 *
 * Everything of ours is told from others': policies are called
 * "<instance>-<name>", and a user is ours if it has one of those, if our secret
 * opens it, or if we have recorded that we made it.  What is not is never
 * touched.
 *
 * One export tells all users, secrets, policies and mappings.  Policies are put
 * one by one: an import does not check them.
 */
#include "minio.h"

#include <stdlib.h>
#include <string.h>

#include "hiclaw/secure.h"
#include "provider-int.h"

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

/* --- looking -------------------------------------------------------------- */

struct looking {
	const char	*instance;
	void		(*changed)(void *arg, const char *key,
			    struct json *observed);
	void		*arg;
};

static void
report(const struct looking *w, const char *key, const struct json *was,
    struct json *now)
{
	if (json_equal(was, now))
		json_free(now);
	else
		w->changed(w->arg, key, now);
}

static void
see_policy(const struct looking *w, const char *key, const struct json *was,
    const struct json *document)
{
	const char *name = json_str(was, "name");

	if (document == NULL)
		w->changed(w->arg, key, NULL);
	else if (!minio_policy_equal(document, json_get(was, "document")))
		report(w, key, was, policy_form(name, document));
}

static void
see_user(const struct looking *w, const char *key, const struct json *was,
    const struct minio_account *a)
{
	if (!a->is_there)
		w->changed(w->arg, key, NULL);
	else
		report(w, key, was, minio_user_form(a, was, w->instance));
}

static void
see_in_export(const struct looking *w, const struct observe_item *it,
    const struct json *export)
{
	struct json *was = json_must(it->observed);
	const char *name = json_str(was, "name"), *secret;
	struct minio_account a;
	char id[SECRET_ID], *theirs;

	if (name != NULL && str_starts(it->key, "policy:")) {
		theirs = minio_policy_name(w->instance, name);
		see_policy(w, it->key, was,
		    json_get(json_get(export, "policies"), theirs));
		free(theirs);
	} else if (name != NULL && str_starts(it->key, "user:")) {
		minio_account_in(export, name, NULL, &a);
		secret = json_str(json_get(json_get(export, "users"), name),
		    "secretKey");
		if (secret != NULL) {
			secret_id(secret, id);
			if (!str_equal(id, json_str(was, "secret_id")))
				a.status = "other secret";
		}
		see_user(w, it->key, was, &a);
		minio_account_release(&a);
	}
	json_free(was);
}

/* Where an export is refused: each on its own, and no secret is seen. */
static int
see_alone(struct s3 *s, const struct looking *w, const struct observe_item *it,
    struct err *e)
{
	struct json *was = json_must(it->observed), *info = NULL;
	const char *name = json_str(was, "name");
	struct minio_account a = {0};
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
		minio_account_release(&a);
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
	struct looking w = { m->instance, changed, arg };
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
	    .diff = minio_user_diff, .ensure = minio_user_ensure,
	    .remove = minio_user_remove, .batch = 1000,
	    .ensure_many = minio_user_ensure_many },
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
