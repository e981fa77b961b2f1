/*
 * The calls of MinIO's admin API that we use, each once.  All are signed as S3
 * calls; only the body that makes a user is encrypted.
 */
#include "minio.h"

#include <stdlib.h>
#include <string.h>

#include "hiclaw/secure.h"

#define ADMIN		"/minio/admin/v3/"
#define TIMEOUT_MS	120000	/* an import of a thousand takes a while */

int
minio_admin(struct s3 *s, const char *method, const char *call,
    const struct strv *query, const void *body, size_t body_len,
    struct buf *answer, struct s3_fault *fault, struct err *e)
{
	char *path = xasprintf(ADMIN "%s", call);
	struct s3_call c = { .method = method, .path = path, .body = body,
	    .body_len = body_len, .timeout_ms = TIMEOUT_MS };
	struct http_res res;
	size_t i;
	int rv;

	for (i = 0; query != NULL && i < query->n; i++)
		strv_add(&c.query, query->v[i]);
	rv = s3_do(s, &c, &res, fault, e);
	free(path);
	if (rv == -1)
		return err_prefix(e, "%s", call);
	if (answer != NULL)
		buf_add(answer, buf_str(&res.body), res.body.len);
	if (res.body.data != NULL)
		secret_wipe(res.body.data, res.body.len);
	http_res_release(&res);
	return 0;
}

int
minio_add_user(struct s3 *s, const char *user, const char *secret,
    struct err *e)
{
	unsigned char salt[MINIO_SALT], nonce[MINIO_NONCE], *body;
	struct json *form = json_object();
	struct strv query = {0};
	struct s3_fault fault;
	char *text;
	size_t len;
	int rv;

	json_set_str(form, "secretKey", secret);
	/* Without exactly this the user is disabled, and nobody says so. */
	json_set_str(form, "status", "enabled");
	text = json_canonical(form);
	json_wipe(form);
	rand_bytes(salt, sizeof(salt));
	rand_bytes(nonce, sizeof(nonce));
	body = minio_encrypt(s->secret_key, salt, nonce, text, strlen(text),
	    &len);
	secret_free(text);
	strv_addf(&query, "accessKey=%s", user);
	rv = minio_admin(s, "PUT", "add-user", &query, body, len, NULL, &fault,
	    e);
	strv_release(&query);
	free(body);
	return rv;
}

int
minio_set_policies(struct s3 *s, const char *user, const char *policies,
    struct err *e)
{
	struct strv query = {0};
	struct s3_fault fault;
	int rv;

	strv_addf(&query, "policyName=%s", policies);
	strv_addf(&query, "userOrGroup=%s", user);
	strv_add(&query, "isGroup=false");
	rv = minio_admin(s, "PUT", "set-user-or-group-policy", &query, NULL, 0,
	    NULL, &fault, e);
	strv_release(&query);
	/* Both come: somebody was quicker, or they are on their way. */
	if (rv == -1 && e->kind == ERR_NOTFOUND)
		e->kind = ERR_RETRY;
	return rv;
}

/* GET call?query as JSON; *out NULL when there is no such thing. */
static int
get_json(struct s3 *s, const char *call, const char *param,
    const char *param2, struct json **out, struct err *e)
{
	struct strv query = {0};
	struct buf answer = {0};
	struct s3_fault fault;
	struct json *j;
	int rv;

	strv_add(&query, param);
	if (param2 != NULL)
		strv_add(&query, param2);
	rv = minio_admin(s, "GET", call, &query, NULL, 0, &answer, &fault, e);
	strv_release(&query);
	if (rv == -1 && e->kind == ERR_NOTFOUND) {
		*out = NULL;
		rv = 0;
	} else if (rv == 0) {
		j = json_parse_relayed(buf_str(&answer), answer.len, e);
		if (j == NULL)
			rv = err_set(e, ERR_RETRY, "%s: the answer is no JSON",
			    call);
		else
			*out = j;
	}
	buf_release(&answer);
	return rv;
}

int
minio_user_info(struct s3 *s, const char *user, struct json **info,
    struct err *e)
{
	char *param = xasprintf("accessKey=%s", user);
	int rv = get_json(s, "user-info", param, NULL, info, e);

	free(param);
	return rv;
}

int
minio_try_secret(struct s3 *s, const char *user, const char *secret,
    const char **status, struct err *e)
{
	struct s3_call c = { .method = "GET", .path = ADMIN "accountinfo",
	    .access_key = user, .secret_key = secret };
	struct http_res res;
	struct s3_fault fault;

	if (s3_do(s, &c, &res, &fault, e) == 0) {
		http_res_release(&res);
		*status = "enabled";
	} else if (strcmp(fault.code, "SignatureDoesNotMatch") == 0)
		*status = "other secret";
	else if (strcmp(fault.code, "InvalidAccessKeyId") == 0)
		*status = "disabled";
	else
		return err_prefix(e, "accountinfo");
	return 0;
}

int
minio_put_policy(struct s3 *s, const char *name, const struct json *document,
    struct err *e)
{
	char *text = json_canonical(document);
	struct strv query = {0};
	struct s3_fault fault;
	int rv;

	strv_addf(&query, "name=%s", name);
	rv = minio_admin(s, "PUT", "add-canned-policy", &query, text,
	    strlen(text), NULL, &fault, e);
	strv_release(&query);
	free(text);
	return rv;
}

int
minio_get_policy(struct s3 *s, const char *name, struct json **document,
    struct err *e)
{
	char *param = xasprintf("name=%s", name);
	struct json *j = NULL;
	int rv = get_json(s, "info-canned-policy", param, "v=2", &j, e);

	if (rv == 0)
		*document = json_copy(json_get(j, "Policy"));
	json_free(j);
	free(param);
	return rv;
}

int
minio_export(struct s3 *s, struct json **out, struct err *e)
{
	struct buf zip = {0};
	struct s3_fault fault;
	int rv;

	buf_init(&zip, STORAGE_FILE_MAX);
	rv = minio_admin(s, "GET", "export-iam", NULL, NULL, 0, &zip, &fault,
	    e);
	if (rv == 0)
		rv = minio_export_parse(buf_str(&zip), zip.len, out, e);
	if (zip.data != NULL)
		secret_wipe(zip.data, zip.len);
	buf_release(&zip);
	return rv;
}
