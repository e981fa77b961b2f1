/*
 * The pure part of users and policies on MinIO: encrypted bodies, comparing,
 * and the zips of export and import (libarchive, for writing; package_unpack
 * reads them).
 */
#include "minio.h"

#include <stdlib.h>
#include <string.h>

#include <archive.h>
#include <archive_entry.h>

#include "hiclaw/package.h"
#include "hiclaw/secure.h"

/* --- encrypted bodies ----------------------------------------------------- */

#define CIPHER_ID	0x02
#define ROUNDS		8192
#define CHUNK		16384
#define LAST		0x80
#define HEADER		(MINIO_SALT + 1 + MINIO_NONCE)

static void
set_counter(unsigned char nonce[GCM_NONCE_LEN], uint32_t i)
{
	nonce[MINIO_NONCE] = (unsigned char)i;
	nonce[MINIO_NONCE + 1] = (unsigned char)(i >> 8);
	nonce[MINIO_NONCE + 2] = (unsigned char)(i >> 16);
	nonce[MINIO_NONCE + 3] = (unsigned char)(i >> 24);
}

unsigned char *
minio_encrypt(const char *password, const unsigned char salt[MINIO_SALT],
    const unsigned char nonce8[MINIO_NONCE], const void *data, size_t len,
    size_t *outlen)
{
	unsigned char key[SEAL_KEY_LEN], nonce[GCM_NONCE_LEN];
	unsigned char aad[1 + GCM_TAG_LEN], *out, *p;
	const unsigned char *text = data;
	size_t chunks = len == 0 ? 1 : (len + CHUNK - 1) / CHUNK, n;
	uint32_t i;

	*outlen = HEADER + len + GCM_TAG_LEN * chunks;
	out = xmalloc(*outlen);
	memcpy(out, salt, MINIO_SALT);
	out[MINIO_SALT] = CIPHER_ID;
	memcpy(out + MINIO_SALT + 1, nonce8, MINIO_NONCE);
	pbkdf2_sha256(password, salt, MINIO_SALT, ROUNDS, key);
	memcpy(nonce, nonce8, MINIO_NONCE);
	set_counter(nonce, 0);
	gcm_seal(key, nonce, NULL, 0, NULL, 0, aad + 1);
	for (i = 1, p = out + HEADER; i <= chunks; i++) {
		n = len > CHUNK ? CHUNK : len;
		set_counter(nonce, i);
		aad[0] = i == chunks ? LAST : 0;
		gcm_seal(key, nonce, aad, sizeof(aad), text, n, p);
		p += n + GCM_TAG_LEN;
		text += n;
		len -= n;
	}
	secret_wipe(key, sizeof(key));
	return out;
}

/* --- policies ------------------------------------------------------------- */

char *
minio_policy_name(const char *instance, const char *name)
{
	char *s = xasprintf("%s-%s", instance, name), *p;

	for (p = s; *p != '\0'; p++)
		if (*p == '/')
			*p = '-';
	return s;
}

/* A text or a list of texts, as a list. */
static void
texts_of(const struct json *v, struct strv *out)
{
	const struct json *m;

	if (json_value_str(v) != NULL)
		strv_add_unique(out, json_value_str(v));
	else if (json_is(v, JSON_ARRAY))
		for (m = json_first(v); m != NULL; m = json_next(m))
			if (json_value_str(m) != NULL)
				strv_add_unique(out, json_value_str(m));
	strv_sort(out);
}

static char *
joined(const struct json *v, const char *sep)
{
	struct strv list = {0};
	char *text;

	texts_of(v, &list);
	text = strv_join(&list, sep);
	strv_release(&list);
	return text;
}

/* " if StringLike s3:prefix is a|b"; "" where there is none.  Yours. */
static char *
condition_text(const struct json *condition)
{
	struct strv parts = {0};
	const struct json *op, *key;
	char *values, *all, *text;

	for (op = json_first(condition); op != NULL; op = json_next(op))
		for (key = json_first(op); key != NULL; key = json_next(key)) {
			values = joined(key, "|");
			strv_addf(&parts, "%s %s is %s", json_key(op),
			    json_key(key), values);
			free(values);
		}
	strv_sort(&parts);
	all = strv_join(&parts, " and ");
	text = parts.n == 0 ? xstrdup("") : xasprintf(" if %s", all);
	free(all);
	strv_release(&parts);
	return text;
}

#define ARN	"arn:aws:s3:::"

static void
statement_rights(const struct json *st, struct strv *out)
{
	const char *effect = json_strd(st, "Effect", "");
	char *actions = joined(json_get(st, "Action"), ",");
	char *not_actions = joined(json_get(st, "NotAction"), ",");
	char *not_resources = joined(json_get(st, "NotResource"), ",");
	char *principal = json_canonical(json_get(st, "Principal"));
	char *condition = condition_text(json_get(st, "Condition")), *base;
	struct strv resources = {0};
	const char *r;
	size_t i;

	base = xasprintf("%s %s%s%s%s%s%s%s",
	    strcmp(effect, "Allow") == 0 ? "allow" :
	    strcmp(effect, "Deny") == 0 ? "deny" : effect, actions,
	    not_actions[0] == '\0' ? "" : " all but ", not_actions,
	    not_resources[0] == '\0' ? "" : " not on ", not_resources,
	    strcmp(principal, "null") == 0 ? "" : " for ",
	    strcmp(principal, "null") == 0 ? "" : principal);
	texts_of(json_get(st, "Resource"), &resources);
	for (i = 0; i < resources.n; i++) {
		r = resources.v[i];
		if (str_starts(r, ARN))
			r += strlen(ARN);
		strv_addf(out, "%s on %s%s", base, r, condition);
	}
	if (resources.n == 0)
		strv_addf(out, "%s%s", base, condition);
	strv_release(&resources);
	free(actions);
	free(not_actions);
	free(not_resources);
	free(principal);
	free(condition);
	free(base);
}

void
minio_rights(const struct json *document, struct strv *out)
{
	const struct json *statements = json_get(document, "Statement"), *st;
	struct strv all = {0};
	size_t i;

	if (json_is(statements, JSON_OBJECT))
		statement_rights(statements, &all);
	else
		for (st = json_first(statements); st != NULL;
		    st = json_next(st))
			statement_rights(st, &all);
	for (i = 0; i < all.n; i++)
		strv_add_unique(out, all.v[i]);
	strv_sort(out);
	strv_release(&all);
}

bool
minio_policy_equal(const struct json *a, const struct json *b)
{
	struct strv ra = {0}, rb = {0};
	bool same;
	size_t i;

	minio_rights(a, &ra);
	minio_rights(b, &rb);
	same = ra.n == rb.n;
	for (i = 0; same && i < ra.n; i++)
		same = strcmp(ra.v[i], rb.v[i]) == 0;
	strv_release(&ra);
	strv_release(&rb);
	return same;
}

void
minio_policy_diff(const struct json *desired, const struct json *observed,
    struct changes *out)
{
	struct strv want = {0}, have = {0};
	size_t i;

	if (json_str(observed, "name") == NULL) {
		changes_add(out, RISK_CREATE, "policy", NULL,
		    json_str(desired, "name"));
		return;
	}
	minio_rights(json_get(desired, "document"), &want);
	minio_rights(json_get(observed, "document"), &have);
	for (i = 0; i < have.n; i++)
		if (!strv_has(&want, have.v[i]))
			changes_add(out, RISK_PERMISSION, "right", have.v[i],
			    NULL);
	for (i = 0; i < want.n; i++)
		if (!strv_has(&have, want.v[i]))
			changes_add(out, RISK_PERMISSION, "right", NULL,
			    want.v[i]);
	strv_release(&want);
	strv_release(&have);
}

/* --- users ---------------------------------------------------------------- */

void
minio_user_diff(const struct json *desired, const struct json *observed,
    struct changes *out)
{
	struct strv want = {0}, have = {0};
	const char *status = json_strd(observed, "status", "");
	size_t i;

	if (json_str(observed, "name") == NULL) {
		changes_add(out, RISK_CREATE, "storage user", NULL,
		    json_str(desired, "name"));
		return;
	}
	if (strcmp(status, "enabled") != 0)
		changes_add(out, strcmp(status, "other secret") == 0 ?
		    RISK_CREDENTIAL : RISK_PERMISSION, "storage user", status,
		    "enabled");
	if (json_int(desired, "serial", 1) != json_int(observed, "serial", 1))
		changes_add(out, RISK_CREDENTIAL, "secret", "old", "new");
	texts_of(json_get(desired, "policies"), &want);
	texts_of(json_get(observed, "policies"), &have);
	for (i = 0; i < have.n; i++)
		if (!strv_has(&want, have.v[i]))
			changes_add(out, RISK_PERMISSION, "policy", have.v[i],
			    NULL);
	for (i = 0; i < want.n; i++)
		if (!strv_has(&have, want.v[i]))
			changes_add(out, RISK_PERMISSION, "policy", NULL,
			    want.v[i]);
	strv_release(&want);
	strv_release(&have);
}

/* --- zips ----------------------------------------------------------------- */

#define FOLDER		"iam-assets/"

int
minio_export_parse(const void *zip, size_t len, struct json **out,
    struct err *e)
{
	static const char *const names[] = { "users", "policies",
	    "user_mappings" };
	struct package p = {0};
	struct json *all, *j;
	char *path;
	size_t i, k;
	int rv = 0;

	if (package_unpack(zip, len, &p, e) == -1) {
		e->kind = ERR_RETRY;
		return err_prefix(e, "export-iam");
	}
	all = json_object();
	for (k = 0; rv == 0 && k < NELEM(names); k++) {
		path = xasprintf(FOLDER "%s.json", names[k]);
		for (i = 0; rv == 0 && i < p.n; i++) {
			if (strcmp(p.files[i].path, path) != 0)
				continue;
			j = json_parse(p.files[i].data, p.files[i].len, e);
			if (j == NULL)
				rv = err_set(e, ERR_RETRY, "export-iam: %s is "
				    "no JSON", path);
			else
				json_set(all, names[k], j);
		}
		free(path);
	}
	for (i = 0; i < p.n; i++)
		secret_wipe(p.files[i].data, p.files[i].len);
	package_release(&p);
	if (rv == 0)
		*out = all;
	else
		json_wipe(all);
	return rv;
}

static la_ssize_t
on_bytes(struct archive *a, void *arg, const void *data, size_t n)
{
	(void)a;
	buf_add(arg, data, n);
	return (la_ssize_t)n;
}

static bool
add_entry(struct archive *a, const char *name, const char *text)
{
	struct archive_entry *entry = archive_entry_new();
	size_t len = strlen(text);
	bool ok;

	archive_entry_set_pathname(entry, name);
	archive_entry_set_filetype(entry, AE_IFREG);
	archive_entry_set_perm(entry, 0600);
	archive_entry_set_size(entry, (la_int64_t)len);
	ok = archive_write_header(a, entry) == ARCHIVE_OK &&
	    archive_write_data(a, text, len) == (la_ssize_t)len;
	archive_entry_free(entry);
	return ok;
}

int
minio_import_zip(const struct json *files, struct buf *out, struct err *e)
{
	struct archive *a = archive_write_new();
	const struct json *v;
	char *name, *text;
	bool ok;

	ok = a != NULL && archive_write_set_format_zip(a) == ARCHIVE_OK &&
	    archive_write_set_options(a, "zip:compression=store") ==
	    ARCHIVE_OK && archive_write_set_bytes_in_last_block(a, 1) ==
	    ARCHIVE_OK && archive_write_open(a, out, NULL, on_bytes, NULL) ==
	    ARCHIVE_OK;
	for (v = json_first(files); ok && v != NULL; v = json_next(v)) {
		name = xasprintf(FOLDER "%s.json", json_key(v));
		text = json_canonical(v);
		ok = add_entry(a, name, text);
		secret_free(text);
		free(name);
	}
	if (a != NULL && archive_write_close(a) != ARCHIVE_OK)
		ok = false;
	archive_write_free(a);
	if (ok && !out->overflow)
		return 0;
	return err_set(e, ERR_BROKEN, "no zip could be written");
}
