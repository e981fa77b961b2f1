/*
 * Shared by the files of the MinIO provider: users and policies by the admin
 * API, without any program of MinIO's.
 */
#ifndef MINIO_H
#define MINIO_H

#include "s3.h"

/* --- pure (minio-iam.c) --------------------------------------------------- */

#define MINIO_SALT	32
#define MINIO_NONCE	8
/*
 * The body of an admin call that carries secrets: id 0x02, PBKDF2 and
 * AES-256-GCM in chunks of 16 KiB, under the secret key of the caller.  Yours.
 */
unsigned char *minio_encrypt(const char *password,
	    const unsigned char salt[MINIO_SALT],
	    const unsigned char nonce[MINIO_NONCE], const void *, size_t,
	    size_t *outlen);

/* "team/x" of instance "hiclaw-1234" -> "hiclaw-1234-team-x"; yours. */
char	*minio_policy_name(const char *instance, const char *name);
/*
 * The rights in a policy document, one a line, sorted, each once: what the
 * order of statements, actions or values, or a text for a list of one, does not
 * change.  "allow s3:GetObject,s3:PutObject on bucket/agents/alice/...".
 */
void	 minio_rights(const struct json *document, struct strv *);
bool	 minio_policy_equal(const struct json *, const struct json *);
void	 minio_policy_diff(const struct json *, const struct json *,
	    struct changes *);
void	 minio_user_diff(const struct json *, const struct json *,
	    struct changes *);
/* {"users": {...}, "policies": {...}, "user_mappings": {...}} of the zip that
 * export-iam gives; holds secrets: json_wipe. */
int	 minio_export_parse(const void *zip, size_t, struct json **,
	    struct err *) MUST_CHECK;
/* The zip for import-iam-v2 of files by name; holds secrets, yours: wipe. */
int	 minio_import_zip(const struct json *files, struct buf *,
	    struct err *) MUST_CHECK;

/* --- calls (minio-admin.c) ------------------------------------------------ */

/*
 * One admin call: "PUT", "add-user", query of "name=value".  answer may be
 * NULL. Kinds of failure as s3_do.
 */
int	 minio_admin(struct s3 *, const char *method, const char *call,
	    const struct strv *query, const void *body, size_t body_len,
	    struct buf *answer, struct s3_fault *, struct err *) MUST_CHECK;
int	 minio_add_user(struct s3 *, const char *user, const char *secret,
	    struct err *) MUST_CHECK;
/* Of the whole mapping. */
int	 minio_set_policies(struct s3 *, const char *user, const char *policies,
	    struct err *) MUST_CHECK;
/* *info NULL: there is no such user. */
int	 minio_user_info(struct s3 *, const char *user, struct json **info,
	    struct err *) MUST_CHECK;
/* Does this secret open the account?  "enabled", "disabled", "other secret". */
int	 minio_try_secret(struct s3 *, const char *user, const char *secret,
	    const char **status, struct err *) MUST_CHECK;
int	 minio_put_policy(struct s3 *, const char *name,
	    const struct json *document, struct err *) MUST_CHECK;
/* *document NULL: there is none. */
int	 minio_get_policy(struct s3 *, const char *name,
	    struct json **document, struct err *) MUST_CHECK;
/* The parsed export-iam; json_wipe. */
int	 minio_export(struct s3 *, struct json **, struct err *) MUST_CHECK;

/* --- users (minio-user.c) ------------------------------------------------- */

/* A user of theirs, as we look at it. */
struct minio_account {
	bool		 is_there;
	const char	*status;	/* static: see minio_try_secret */
	struct strv	 policies;	/* their names */
};
void	 minio_account_release(struct minio_account *);
/* What the export says of a user; secret may be NULL: not compared. */
void	 minio_account_in(const struct json *export, const char *user,
	    const char *secret, struct minio_account *);
/* What was observed of a user, as it is now. */
struct json *minio_user_form(const struct minio_account *,
	    const struct json *was, const char *instance);
/* For the kind table. */
int	 minio_user_ensure(void *ctx, const struct work *, struct outcome *,
	    struct err *);
int	 minio_user_remove(void *ctx, const struct work *, struct outcome *,
	    struct err *);
void	 minio_user_ensure_many(void *ctx, struct deed *, size_t n);

#endif
