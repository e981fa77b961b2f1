/*
 * Users of MinIO: one for each agent, with the secret that the engine made and
 * the policies of its grants.
 *
 * Few are put right one by one.  Many go by one import, which answers 200
 * whatever happens and does not say why: so what it did is looked up in one
 * export.
 */
#include "minio.h"

#include <stdlib.h>
#include <string.h>

#include "hiclaw/secure.h"

#define FEW		3	/* up to here one by one is as cheap */
#define USER_NAME_MIN	3

/* --- what is there ------------------------------------------------- */

void
minio_account_release(struct minio_account *a)
{
	strv_release(&a->policies);
}

/* "hiclaw-1234-agent" -> "agent"; others' policies keep a name that no policy
 * of ours can have. */
static void
our_names(const struct minio_account *a, const struct json *desired,
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

struct json *
minio_user_form(const struct minio_account *a, const struct json *was,
    const char *instance)
{
	struct json *form = json_copy(was);

	our_names(a, json_get(was, "policies"), instance, json_set(form,
	    "policies", json_array()));
	json_set_str(form, "status", a->status);
	return form;
}

static bool
has_our_policy(const struct minio_account *a, const char *instance)
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
has_policies(const struct minio_account *a, const char *joined)
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
check_owner(const struct work *w, const struct minio_account *a, struct err *e)
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
    struct minio_account *a, struct err *e)
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
	minio_account_release(a);
	return -1;
}

static int
put_right(struct s3 *s, const struct work *w, const struct minio_account *a,
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

int
minio_user_ensure(void *ctx, const struct work *w, struct outcome *out,
    struct err *e)
{
	struct s3 *s = ctx;
	struct minio_account a = {0};
	int rv = check_work(w, e);

	if (rv == 0)
		rv = look_up(s, json_str(w->desired, "name"),
		    json_str(w->secrets, "secret"), &a, e);
	if (rv == 0)
		rv = check_owner(w, &a, e);
	if (rv == 0)
		rv = put_right(s, w, &a, out, e);
	minio_account_release(&a);
	out->observed = rv == 0 ? done_form(w) :
	    json_copy(w->observed);
	return rv;
}

int
minio_user_remove(void *ctx, const struct work *w, struct outcome *out,
    struct err *e)
{
	struct s3 *s = ctx;
	const char *user = json_str(w->observed, "name");
	bool is_ours = user != NULL;
	struct minio_account a = {0};
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
		minio_account_release(&a);
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

void
minio_account_in(const struct json *export, const char *user,
    const char *secret, struct minio_account *a)
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
is_right(const struct json *export, const struct work *w,
    struct minio_account *a)
{
	char *policies = joined_policies(w->desired, w->instance);
	bool ok;

	minio_account_in(export, json_str(w->desired, "name"),
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
	struct minio_account a;
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
		minio_account_release(&a);
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
	struct minio_account a;
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
		minio_account_release(&a);
	}
}

static void
one_by_one(void *ctx, struct deed *deeds, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		deeds[i].rc = minio_user_ensure(ctx, &deeds[i].work,
		    &deeds[i].out, &deeds[i].err);
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

void
minio_user_ensure_many(void *ctx, struct deed *deeds, size_t n)
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
