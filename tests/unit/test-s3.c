/*
 * The pure parts of the S3 and MinIO providers, against published and measured
 * values: signatures, encrypted bodies, answers, policies as sets of rights.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hiclaw/json.h"
#include "hiclaw/secure.h"
#include "../../src/provider/minio.h"

#define EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

/* --- signatures ----------------------------------------------------------- */

struct signing {
	const char	*method, *host, *path, *query, *headers, *payload;
	const char	*signature;
};

static const struct s3_key example = {
	.access_key = "AKIAIOSFODNN7EXAMPLE",
	.secret_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
	.region = "us-east-1"
};

/* The worked examples of Amazon's description of signature version 4 for S3;
 * lists are separated by "|". */
static void
test_published(void **state)
{
	static const char host[] = "examplebucket.s3.amazonaws.com";
	static const struct signing table[] = {
		{ "GET", host, "/test.txt", "", "range: bytes=0-9", EMPTY,
		    "f0e8bdb87c964420e857bd35b5d6ed31"
		    "0bd44f0170aba48dd91039c6036bdb41" },
		{ "PUT", host, "/test$file.text", "",
		    "date: Fri, 24 May 2013 00:00:00 GMT|"
		    "x-amz-storage-class: REDUCED_REDUNDANCY",
		    "44ce7dd67c959e0d3524ffac1771dfbb"
		    "a87d2b6b4b4e99e42034a8b803f8b072",
		    "98ad721746da40c64f1a55b78f14c238"
		    "d841ea1380cd77a1b5971af0ece108bd" },
		{ "GET", host, "/", "lifecycle", "", EMPTY,
		    "fea454ca298b7da1c68078a5d1bdbfbb"
		    "e0d65c699e0f91ac7a200a0136783543" },
		{ "GET", host, "/", "prefix=J|max-keys=2", "", EMPTY,
		    "34b48302e7b5fa45bde8084f4b7868a8"
		    "6f0a534bc59db6670ed5711ef69dc6f7" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < NELEM(table); i++) {
		struct strv query = {0}, headers = {0}, out = {0};
		struct s3_request r = { .method = table[i].method,
		    .host = table[i].host, .path = table[i].path,
		    .query = &query, .headers = &headers,
		    .payload_sha256 = table[i].payload };
		const char *last;

		strv_split(&query, table[i].query, '|');
		strv_split(&headers, table[i].headers, '|');
		s3_sign(&r, &example, "20130524T000000Z", &out);
		last = out.v[out.n - 1];
		assert_true(str_starts(last, "Authorization: AWS4-HMAC-SHA256 "
		    "Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/"
		    "aws4_request, SignedHeaders="));
		assert_string_equal(strstr(last, "Signature=") + 10,
		    table[i].signature);
		strv_release(&query);
		strv_release(&headers);
		strv_release(&out);
	}
}

/* Checked against a MinIO and its own signer. */
static void
test_admin_call(void **state)
{
	static const struct s3_key key = { "minioadmin", "minioadmin", NULL,
	    "us-east-1" };
	struct strv query = {0}, out = {0};
	struct s3_request r = { .method = "PUT", .host = "127.0.0.1:9000",
	    .path = "/minio/admin/v3/set-user-or-group-policy",
	    .query = &query, .payload_sha256 = EMPTY };
	char *text, hash[SHA256_HEX];

	(void)state;
	strv_add(&query, "userOrGroup=alice");
	strv_add(&query, "isGroup=false");
	strv_add(&query, "policyName=worker-alice");
	text = s3_canonical_query(&query);
	assert_string_equal(text,
	    "isGroup=false&policyName=worker-alice&userOrGroup=alice");
	free(text);
	text = s3_canonical_request(&r, &key, "20260101T000000Z");
	sha256_hex(text, strlen(text), hash);
	assert_string_equal(hash, "b7428e50c9d5929bfabb94753874c5cb"
	    "985480a8c786259e484bd963040baa9c");
	free(text);
	s3_sign(&r, &key, "20260101T000000Z", &out);
	assert_true(str_ends(out.v[out.n - 1], "SignedHeaders=host;"
	    "x-amz-content-sha256;x-amz-date, Signature="
	    "5e4a22e85820677b64175771f689ab61"
	    "73b6d782cb844ae32490dc7a920811e9"));
	strv_release(&query);
	strv_release(&out);
}

static void
test_escapes(void **state)
{
	static const struct s3_key key = { "a", "b", "tok en", "r" };
	static const struct { const char *in, *out; } paths[] = {
		{ "/b/k", "/b/k" }, { "/b/a b+c", "/b/a%20b%2Bc" },
		{ "/b/a/../c", "/b/a/../c" }, { "/b/\xc3\xa9~_-.", "/b/%C3%A9~_-." },
		{ "/b/%41", "/b/%2541" }, { "/b/x//", "/b/x//" },
	};
	struct strv query = {0}, headers = {0};
	struct s3_request r = { .method = "GET", .host = "h", .path = "/",
	    .headers = &headers, .payload_sha256 = EMPTY };
	char *text, date[S3_DATE];
	size_t i;

	(void)state;
	for (i = 0; i < NELEM(paths); i++) {
		text = s3_escape_path(paths[i].in);
		assert_string_equal(text, paths[i].out);
		free(text);
	}
	/* By name, then by value; a bare name gets "="; "a" before "a-b". */
	strv_add(&query, "a-b=1");
	strv_add(&query, "a=2 /+");
	strv_add(&query, "a=10");
	strv_add(&query, "delete");
	strv_add(&query, "B=");
	text = s3_canonical_query(&query);
	assert_string_equal(text, "B=&a=10&a=2%20%2F%2B&a-b=1&delete=");
	free(text);
	/* Values trimmed and closed up, a session's token signed too. */
	strv_add(&headers, "x-amz-meta-a:   1   2\t3  ");
	strv_add(&headers, "x-amz-meta-a-b: 4");
	text = s3_canonical_request(&r, &key, "20260101T000000Z");
	assert_non_null(strstr(text, "\nx-amz-meta-a:1 2 3\n"));
	assert_non_null(strstr(text, "\nx-amz-security-token:tok en\n"));
	assert_non_null(strstr(text, "\nhost;x-amz-content-sha256;x-amz-date;"
	    "x-amz-meta-a;x-amz-meta-a-b;x-amz-security-token\n"));
	free(text);
	s3_date(1767225600000, date);
	assert_string_equal(date, "20260101T000000Z");
	strv_release(&query);
	strv_release(&headers);
}

/* --- encrypted bodies ----------------------------------------------------- */

static void
test_encrypted(void **state)
{
	static const char text[] =
	    "{\"secretKey\":\"worker-secret-0123\",\"status\":\"enabled\"}";
	static const char wanted[] =
	    "4a723102714fbccc1a169c37bc1263d98dcacbaae9dcbd155f3bca38ea38b026"
	    "df002bb0442014c48c0468cc93c20a00d4c7a77f077513fb53594e76a175f932"
	    "659f921198";
	static const struct { size_t n, len; const char *sha256; } table[] = {
		{ 0, 57, "6cbfeb7ec4e1ef7bf4fbab95182c212d"
		    "5738782f2401a5f54fe54c358a8a2ec6" },
		{ 1, 58, "a9a9dde6c011f167ab4a0635367cf950"
		    "88012e6155807448f66664784640d0bf" },
		{ 16384, 16441, "fcf18c7a17e0777f10ae7eb3ced08d14"
		    "3fe5a94ac600697a70a2e1aa7745cb26" },
		{ 16385, 16458, "0a3168679d8c315049a6016104b82c74"
		    "c802c6d8478db1bd78ae1565d67d7a37" },
		{ 50000, 50105, "3ffbab7c924a79febbb557432a0cd7d8"
		    "52acbadd29349326c65ebdfce18be447" },
	};
	unsigned char salt[MINIO_SALT], nonce[MINIO_NONCE], *out, key[32];
	char hash[SHA256_HEX], *hex, *many;
	size_t i, len;

	(void)state;
	for (i = 0; i < sizeof(salt); i++)
		salt[i] = (unsigned char)i;
	for (i = 0; i < sizeof(nonce); i++)
		nonce[i] = (unsigned char)(0xa0 + i);
	pbkdf2_sha256("minioadmin", salt, sizeof(salt), 8192, key);
	hex = hex_encode(key, sizeof(key));
	assert_string_equal(hex, "d91935347c5209c45d5649877ec300f8"
	    "cb54cc6c49265db10b91ba98beead02d");
	free(hex);
	out = minio_encrypt("minioadmin", salt, nonce, text, strlen(text), &len);
	assert_int_equal(len, 41 + strlen(text) + 16);
	assert_memory_equal(out, salt, 32);
	assert_int_equal(out[32], 2);
	assert_memory_equal(out + 33, nonce, 8);
	hex = hex_encode(out + 41, len - 41);
	assert_string_equal(hex, wanted);
	free(hex);
	free(out);
	many = xmalloc(50000);
	memset(many, 'x', 50000);
	for (i = 0; i < NELEM(table); i++) {
		out = minio_encrypt("minioadmin", salt, nonce, many, table[i].n,
		    &len);
		assert_int_equal(len, table[i].len);
		sha256_hex(out, len, hash);
		if (strcmp(hash, table[i].sha256) != 0)
			fail_msg("%zu bytes: %s", table[i].n, hash);
		free(out);
	}
	free(many);
}

/* --- answers -------------------------------------------------------------- */

static int
parse(const char *text, struct s3_list *l)
{
	struct err e;
	int rv = s3_list_parse(text, strlen(text), l, &e);

	if (rv == -1)
		assert_int_equal(e.kind, ERR_RETRY);
	return rv;
}

static void
test_list(void **state)
{
	struct s3_list l = {0};

	(void)state;
	assert_int_equal(parse("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
	    "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/"
	    "2006-03-01/\"><Name>b</Name><Prefix>agents%2F</Prefix>"
	    "<KeyCount>2</KeyCount><IsTruncated>true</IsTruncated>"
	    "<NextContinuationToken>t&amp;k=</NextContinuationToken>"
	    "<Contents><Key>agents/a+b/%E2%9C%93.md</Key>"
	    "<LastModified>2026-01-01T00:00:00.000Z</LastModified>"
	    "<ETag>&#34;d41d8&#34;</ETag><Size>12</Size><Owner><ID>x</ID>"
	    "<Key>no</Key></Owner></Contents>"
	    "<Contents><Key>agents/%2B</Key><Size>0</Size></Contents>"
	    "<EncodingType>url</EncodingType></ListBucketResult>", &l), 0);
	assert_int_equal(l.n, 2);
	assert_string_equal(l.objects[0].key, "agents/a b/\xe2\x9c\x93.md");
	assert_string_equal(l.objects[0].etag, "\"d41d8\"");
	assert_int_equal(l.objects[0].size, 12);
	assert_string_equal(l.objects[1].key, "agents/+");
	assert_string_equal(l.objects[1].etag, "");
	assert_true(l.is_truncated);
	assert_string_equal(l.next, "t&k=");
	s3_list_release(&l);
	/* Where the server does not say that it encodes, it does not. */
	assert_int_equal(parse("<ListBucketResult><Contents><Key>a+%41</Key>"
	    "</Contents><EncodingType/></ListBucketResult>", &l), 0);
	assert_string_equal(l.objects[0].key, "a+%41");
	assert_false(l.is_truncated);
	s3_list_release(&l);
	assert_int_equal(parse("<ListBucketResult/>", &l), 0);
	assert_int_equal(l.n, 0);
	s3_list_release(&l);
}

static void
test_list_refused(void **state)
{
	static const char *const bad[] = { "", "<", "no XML", "<html/>",
	    "<ListBucketResult>", "<ListBucketResult></a>",
	    "<!DOCTYPE x [<!ENTITY a \"b\">]><ListBucketResult/>",
	    "<ListBucketResult><Contents/></ListBucketResult>",
	    "<ListBucketResult><IsTruncated>true</IsTruncated>"
	    "</ListBucketResult>",
	    "<ListBucketResult><EncodingType>url</EncodingType><Contents>"
	    "<Key>a%0</Key></Contents></ListBucketResult>",
	    "<ListBucketResult><EncodingType>url</EncodingType><Contents>"
	    "<Key>a%00b</Key></Contents></ListBucketResult>" };
	struct s3_list l = {0};
	struct buf b = {0};
	size_t i;

	(void)state;
	for (i = 0; i < NELEM(bad); i++)
		if (parse(bad[i], &l) != -1)
			fail_msg("taken: %s", bad[i]);
	for (i = 0; i < 100; i++)	/* too deep */
		buf_puts(&b, "<a>");
	assert_int_equal(parse(buf_str(&b), &l), -1);
	buf_reset(&b);
	buf_puts(&b, "<ListBucketResult><Contents><Key>");
	for (i = 0; i < 20000; i++)	/* too long */
		buf_putc(&b, 'x');
	buf_puts(&b, "</Key></Contents></ListBucketResult>");
	assert_int_equal(parse(buf_str(&b), &l), -1);
	buf_release(&b);
	assert_null(l.objects);
}

static bool
fault_of(const char *text, struct s3_fault *f)
{
	return s3_fault_parse(text, strlen(text), f);
}

/* Found by fuzz-s3-list: "" is the code of no answer at all (s3.h). */
static void
test_fault_without_code(void **state)
{
	struct s3_fault f = { .code = "untouched" };

	(void)state;
	assert_false(fault_of("{\"Code\":\"\",\"Message\":\"m\"}", &f));
	assert_false(fault_of("{\"Code\":null,\"Message\":\"m\"}", &f));
	assert_false(fault_of("{\"Message\":\"m\"}", &f));
	assert_false(fault_of("<Error><Code/><Message>m</Message></Error>",
	    &f));
	assert_string_equal(f.code, "untouched");
}

static void
test_faults(void **state)
{
	static const char deleted[] = "<DeleteResult><Deleted><Key>a</Key>"
	    "</Deleted><Error><Key>b</Key><Code>AccessDenied</Code>"
	    "<Message>no</Message></Error><Error><Code>Other</Code></Error>"
	    "</DeleteResult>";
	static const char *const keys[] = { "a<b>&\"c\"", "x\ny" };
	struct s3_fault f;
	char *text;

	(void)state;
	assert_true(fault_of("<?xml version=\"1.0\"?><Error><Code>NoSuchKey"
	    "</Code><Message>The key</Message><Region>eu-1</Region></Error>",
	    &f));
	assert_string_equal(f.code, "NoSuchKey");
	assert_string_equal(f.message, "The key");
	assert_string_equal(f.region, "eu-1");
	assert_true(fault_of("{\"Code\":\"XMinioAdminNoSuchUser\","
	    "\"Message\":\"m\",\"Resource\":\"r\"}", &f));
	assert_string_equal(f.code, "XMinioAdminNoSuchUser");
	assert_string_equal(f.region, "");
	assert_false(fault_of("", &f));
	assert_false(fault_of("<html><Code>x</Code></html>", &f));
	assert_false(fault_of("{\"Code\":7}", &f));
	assert_false(fault_of("<Error><Message>m</Message></Error>", &f));
	assert_true(s3_delete_fault(deleted, strlen(deleted), &f));
	assert_string_equal(f.code, "AccessDenied");
	assert_false(s3_delete_fault("<DeleteResult/>", 15, &f));
	text = s3_delete_body(keys, 2);
	assert_string_equal(text, "<Delete><Quiet>true</Quiet><Object><Key>"
	    "a&#60;b&#62;&#38;&#34;c&#34;</Key></Object><Object><Key>x&#10;y"
	    "</Key></Object></Delete>");
	free(text);
	text = md5_base64("", 0);
	assert_string_equal(text, "1B2M2Y8AsgTpgAmY7PhCfg==");
	free(text);
}

/* --- policies and users --------------------------------------------------- */

static const char policy_ours[] = "{\"Version\":\"2012-10-17\",\"Statement\":["
    "{\"Effect\":\"Allow\",\"Action\":[\"s3:GetObject\",\"s3:PutObject\"],"
    "\"Resource\":[\"arn:aws:s3:::b/agents/a/*\",\"arn:aws:s3:::b/shared/*\"]},"
    "{\"Effect\":\"Allow\",\"Action\":[\"s3:ListBucket\"],"
    "\"Resource\":[\"arn:aws:s3:::b\"],\"Condition\":{\"StringLike\":"
    "{\"s3:prefix\":[\"agents/a/*\",\"shared/*\"]}}},"
    "{\"Effect\":\"Deny\",\"Action\":[\"admin:CreateUser\"]}]}";
/* The same, as the server may give it back. */
static const char policy_theirs[] = "{\"Version\":\"2012-10-17\",\"Statement\":["
    "{\"Effect\":\"Deny\",\"Action\":\"admin:CreateUser\",\"Resource\":[]},"
    "{\"Effect\":\"Allow\",\"Action\":[\"s3:PutObject\",\"s3:GetObject\"],"
    "\"Resource\":[\"arn:aws:s3:::b/shared/*\",\"arn:aws:s3:::b/agents/a/*\"]},"
    "{\"Effect\":\"Allow\",\"Action\":[\"s3:PutObject\",\"s3:GetObject\"],"
    "\"Resource\":[\"arn:aws:s3:::b/shared/*\"]},"
    "{\"Effect\":\"Allow\",\"Action\":\"s3:ListBucket\","
    "\"Resource\":\"arn:aws:s3:::b\",\"Condition\":{\"StringLike\":"
    "{\"s3:prefix\":[\"shared/*\",\"agents/a/*\"]}}}]}";

static size_t
count(void (*diff)(const struct json *, const struct json *, struct changes *),
    const char *desired, const char *observed, enum risk risk)
{
	struct json *d = json_must(desired);
	struct json *o = observed == NULL ? NULL : json_must(observed);
	struct changes c = {0};
	size_t i, n;

	diff(d, o, &c);
	for (i = 0; i < c.n; i++)
		assert_int_equal(c.v[i].risk, risk);
	n = c.n;
	changes_release(&c);
	json_free(d);
	json_free(o);
	return n;
}

static void
test_policies(void **state)
{
	static const char *const others[] = { "s3:DeleteObject", "Deny",
	    "agents/b/*", "s3:delimiter", "StringEquals" };
	static const char *const ours[] = { "s3:PutObject", "Allow",
	    "agents/a/*", "s3:prefix", "StringLike" };
	struct json *a = json_must(policy_ours), *b = json_must(policy_theirs);
	struct strv rights = {0};
	char *text, *at, *d, *o;
	size_t i;

	(void)state;
	assert_true(minio_policy_equal(a, b));
	minio_rights(a, &rights);
	assert_int_equal(rights.n, 4);
	assert_string_equal(rights.v[0],
	    "allow s3:GetObject,s3:PutObject on b/agents/a/*");
	assert_string_equal(rights.v[2], "allow s3:ListBucket on b if "
	    "StringLike s3:prefix is agents/a/*|shared/*");
	assert_string_equal(rights.v[3], "deny admin:CreateUser");
	strv_release(&rights);
	json_free(b);
	/* Any part that is another makes another policy. */
	for (i = 0; i < NELEM(others); i++) {
		at = strstr(policy_ours, ours[i]);
		text = xasprintf("%.*s%s%s", (int)(at - policy_ours),
		    policy_ours, others[i], at + strlen(ours[i]));
		b = json_must(text);
		if (minio_policy_equal(a, b))
			fail_msg("%s is not seen", others[i]);
		json_free(b);
		free(text);
	}
	d = xasprintf("{\"name\":\"agent\",\"document\":%s}", policy_ours);
	o = xasprintf("{\"name\":\"agent\",\"document\":%s}", policy_theirs);
	assert_int_equal(count(minio_policy_diff, d, o, RISK_NONE), 0);
	assert_int_equal(count(minio_policy_diff, d, NULL, RISK_CREATE), 1);
	assert_int_equal(count(minio_policy_diff, d, "{\"name\":\"agent\","
	    "\"document\":{\"Statement\":[]}}", RISK_PERMISSION), 4);
	free(d);
	free(o);
	text = minio_policy_name("hiclaw-12", "team/x");
	assert_string_equal(text, "hiclaw-12-team-x");
	free(text);
	json_free(a);
}

static void
test_users(void **state)
{
	static const char d[] = "{\"name\":\"alice\",\"policies\":"
	    "[\"agent\",\"team/x\"]}";

	(void)state;
	assert_int_equal(count(minio_user_diff, d, NULL, RISK_CREATE), 1);
	assert_int_equal(count(minio_user_diff, d, "{\"name\":\"alice\","
	    "\"policies\":[\"team/x\",\"agent\"],\"status\":\"enabled\"}",
	    RISK_NONE), 0);
	assert_int_equal(count(minio_user_diff, d, "{\"name\":\"alice\","
	    "\"policies\":[\"agent\",\"(readwrite)\"],\"status\":\"enabled\"}",
	    RISK_PERMISSION), 2);
	assert_int_equal(count(minio_user_diff, d, "{\"name\":\"alice\","
	    "\"policies\":[\"agent\",\"team/x\"],\"status\":\"disabled\"}",
	    RISK_PERMISSION), 1);
	assert_int_equal(count(minio_user_diff, d, "{\"name\":\"alice\","
	    "\"policies\":[\"agent\",\"team/x\"],\"status\":\"other secret\"}",
	    RISK_CREDENTIAL), 1);
	assert_int_equal(count(minio_user_diff, "{\"name\":\"alice\","
	    "\"policies\":[],\"serial\":2}", "{\"name\":\"alice\","
	    "\"policies\":[],\"serial\":1,\"status\":\"enabled\"}",
	    RISK_CREDENTIAL), 1);
}

static void
test_zips(void **state)
{
	struct json *files = json_must("{\"users\":{\"alice\":{\"secretKey\":"
	    "\"s3cr3t\",\"status\":\"enabled\"}},\"user_mappings\":{}}");
	struct json *back = NULL;
	struct buf zip = {0};
	struct err e = {0};

	(void)state;
	assert_int_equal(minio_import_zip(files, &zip, &e), 0);
	assert_memory_equal(zip.data, "PK\3\4", 4);
	/* Stored, so that nothing has to be inflated. */
	assert_non_null(memmem(zip.data, zip.len, "\"secretKey\":\"s3cr3t\"",
	    20));
	assert_int_equal(minio_export_parse(zip.data, zip.len, &back, &e), 0);
	assert_true(json_equal(files, back));
	json_free(back);
	back = NULL;
	assert_int_equal(minio_export_parse("nonsense", 8, &back, &e), -1);
	assert_int_equal(e.kind, ERR_RETRY);
	assert_null(back);
	buf_release(&zip);
	json_free(files);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_published),
		cmocka_unit_test(test_admin_call),
		cmocka_unit_test(test_escapes),
		cmocka_unit_test(test_encrypted),
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_list_refused),
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_fault_without_code),
		cmocka_unit_test(test_policies),
		cmocka_unit_test(test_users),
		cmocka_unit_test(test_zips),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
