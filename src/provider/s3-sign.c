/*
 * AWS signature version 4, in the header.  Pure.
 *
 * What is signed is built from the same escaped strings as what is sent, so
 * that the two cannot differ: s3_escape_path and s3_canonical_query give both.
 */
#include "s3.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "hiclaw/secure.h"

char *
s3_escape_path(const char *path)
{
	struct buf b = {0};
	const char *p, *end;
	char *part, *escaped;

	for (p = path; ; p = end + 1) {
		end = p + strcspn(p, "/");
		part = xstrndup(p, (size_t)(end - p));
		escaped = http_escape(part);
		buf_puts(&b, escaped);
		free(escaped);
		free(part);
		if (*end == '\0')
			return buf_take(&b);
		buf_putc(&b, '/');
	}
}

char *
s3_canonical_query(const struct strv *query)
{
	struct strv pairs = {0};
	const char *eq;
	char *name, *value, *text;
	size_t i;

	for (i = 0; query != NULL && i < query->n; i++) {
		eq = strchr(query->v[i], '=');
		text = eq == NULL ? xstrdup(query->v[i]) :
		    xstrndup(query->v[i], (size_t)(eq - query->v[i]));
		name = http_escape(text);
		value = http_escape(eq == NULL ? "" : eq + 1);
		/* "!" sorts before all that an escaped name may hold, so that
		 * "a" comes before "a-b". */
		strv_addf(&pairs, "%s!%s", name, value);
		free(name);
		free(value);
		free(text);
	}
	strv_sort(&pairs);
	for (i = 0; i < pairs.n; i++)
		*strchr(pairs.v[i], '!') = '=';
	text = strv_join(&pairs, "&");
	strv_release(&pairs);
	return text;
}

void
s3_date(int64_t ms, char dst[S3_DATE])
{
	time_t t = (time_t)(ms / 1000);
	struct tm tm;

	gmtime_r(&t, &tm);
	if (strftime(dst, S3_DATE, "%Y%m%dT%H%M%SZ", &tm) == 0)
		abort();
}

/* By name: "!" sorts before all that a name of ours may hold, ":" does not. */
static void
sort_headers(struct strv *headers)
{
	size_t i;

	for (i = 0; i < headers->n; i++)
		*strchr(headers->v[i], ':') = '!';
	strv_sort(headers);
	for (i = 0; i < headers->n; i++)
		*strchr(headers->v[i], '!') = ':';
}

/* "name: value" of all headers to be signed, sorted. */
static struct strv
signed_headers(const struct s3_request *r, const struct s3_key *k,
    const char *date)
{
	struct strv all = {0};
	size_t i;

	strv_addf(&all, "host: %s", r->host);
	strv_addf(&all, "x-amz-content-sha256: %s", r->payload_sha256);
	strv_addf(&all, "x-amz-date: %s", date);
	if (k->token != NULL)
		strv_addf(&all, "x-amz-security-token: %s", k->token);
	for (i = 0; r->headers != NULL && i < r->headers->n; i++)
		strv_add(&all, r->headers->v[i]);
	sort_headers(&all);
	return all;
}

/* Blanks around it go, those inside become one. */
static void
add_value(struct buf *b, const char *value)
{
	bool blank = false;

	for (value += strspn(value, " \t"); *value != '\0'; value++) {
		if (*value == ' ' || *value == '\t') {
			blank = true;
			continue;
		}
		if (blank)
			buf_putc(b, ' ');
		blank = false;
		buf_putc(b, *value);
	}
}

static char *
header_names(const struct strv *headers)
{
	struct buf b = {0};
	size_t i;

	for (i = 0; i < headers->n; i++)
		buf_printf(&b, "%s%.*s", i == 0 ? "" : ";",
		    (int)strcspn(headers->v[i], ":"), headers->v[i]);
	return buf_take(&b);
}

char *
s3_canonical_request(const struct s3_request *r, const struct s3_key *k,
    const char *date)
{
	struct strv headers = signed_headers(r, k, date);
	char *path = s3_escape_path(r->path);
	char *query = s3_canonical_query(r->query);
	char *names = header_names(&headers);
	struct buf b = {0};
	size_t i, n;

	buf_printf(&b, "%s\n%s\n%s\n", r->method, path, query);
	for (i = 0; i < headers.n; i++) {
		n = strcspn(headers.v[i], ":");
		buf_printf(&b, "%.*s:", (int)n, headers.v[i]);
		add_value(&b, headers.v[i] + n + 1);
		buf_putc(&b, '\n');
	}
	buf_printf(&b, "\n%s\n%s", names, r->payload_sha256);
	strv_release(&headers);
	free(path);
	free(query);
	free(names);
	return buf_take(&b);
}

static void
step(unsigned char key[SHA256_LEN], const char *text)
{
	unsigned char next[SHA256_LEN];

	hmac_sha256(key, SHA256_LEN, text, strlen(text), next);
	memcpy(key, next, SHA256_LEN);
	secret_wipe(next, sizeof(next));
}

static char *
signature(const struct s3_key *k, const char *date, const char *text)
{
	char *first = xasprintf("AWS4%s", k->secret_key), day[9], *hex;
	unsigned char key[SHA256_LEN];

	str_copy(day, date, sizeof(day));
	hmac_sha256(first, strlen(first), day, strlen(day), key);
	step(key, k->region);
	step(key, "s3");
	step(key, "aws4_request");
	step(key, text);
	hex = hex_encode(key, sizeof(key));
	secret_wipe(key, sizeof(key));
	secret_free(first);
	return hex;
}

void
s3_sign(const struct s3_request *r, const struct s3_key *k, const char *date,
    struct strv *out)
{
	struct strv headers = signed_headers(r, k, date);
	char *names = header_names(&headers), *scope, *text, *hex, *request;
	char hash[SHA256_HEX];
	size_t i;

	request = s3_canonical_request(r, k, date);
	sha256_hex(request, strlen(request), hash);
	scope = xasprintf("%.8s/%s/s3/aws4_request", date, k->region);
	text = xasprintf("AWS4-HMAC-SHA256\n%s\n%s\n%s", date, scope, hash);
	hex = signature(k, date, text);
	for (i = 0; i < headers.n; i++)
		strv_add(out, headers.v[i]);
	strv_addf(out, "Authorization: AWS4-HMAC-SHA256 Credential=%s/%s, "
	    "SignedHeaders=%s, Signature=%s", k->access_key, scope, names, hex);
	strv_release(&headers);
	free(names);
	free(scope);
	free(text);
	free(hex);
	free(request);
}
