/*
 * Tests of src/package: zips good and hostile, made byte by byte here; the
 * layout of an agent's package; and fetching from files, from storage, and from
 * a server that says what each test wants said.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <archive.h>
#include <archive_entry.h>
#include <cmocka.h>

#include "hiclaw/clock.h"
#include "hiclaw/json.h"
#include "hiclaw/package.h"
#include "hiclaw/secure.h"

#include "../../src/package/package-int.h"

/*
 * Zips by hand: stored entries, in which anything can be made to lie.
 */

struct entry {
	const char	*name, *data;
	unsigned	 mode;		/* 0: 0100644 */
	unsigned	 flags, method;
	unsigned	 name_len;	/* 0: that of the name */
	uint32_t	 crc_xor, size_add;	/* lies, in both places */
	uint32_t	 central_add;	/* only in the directory at the end */
	bool		 zip64;		/* sizes in an extra field */
	uint64_t	 zip64_add;
};

static void
put(struct buf *b, uint64_t v, int bytes)
{
	for (; bytes > 0; bytes--, v >>= 8)
		buf_putc(b, (char)(v & 0xff));
}

static uint32_t
crc32_of(const char *p, size_t len)
{
	uint32_t	crc = ~0U;
	int		bit;

	for (; len > 0; len--) {
		crc ^= (unsigned char)*p++;
		for (bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320U : 0);
	}
	return ~crc;
}

static unsigned
name_len(const struct entry *en)
{
	return en->name_len != 0 ? en->name_len : (unsigned)strlen(en->name);
}

/* What local and central headers share. */
static void
put_common(struct buf *b, const struct entry *en, bool central)
{
	size_t		len = strlen(en->data);
	uint32_t	size = (uint32_t)len + en->size_add;
	bool		later = (en->flags & 8) != 0 && !central;

	if (central)
		size += en->central_add;
	put(b, en->zip64 ? 45 : 20, 2);
	put(b, en->flags, 2);
	put(b, en->method, 2);
	put(b, 0, 4);
	put(b, later ? 0 : crc32_of(en->data, len) ^ en->crc_xor, 4);
	put(b, en->zip64 ? 0xffffffff : later ? 0 : len, 4);
	put(b, en->zip64 ? 0xffffffff : later ? 0 : size, 4);
	put(b, name_len(en), 2);
	put(b, en->zip64 ? 20 : 0, 2);
}

static void
put_zip64(struct buf *b, const struct entry *en)
{
	size_t	len = strlen(en->data);

	if (!en->zip64)
		return;
	put(b, 1, 2);
	put(b, 16, 2);
	put(b, len + en->zip64_add, 8);
	put(b, len, 8);
}

static void
make_zip(struct buf *b, const struct entry *v, size_t n)
{
	size_t	*at = xcalloc(n + 1, sizeof(*at)), i, start, end;

	for (i = 0; i < n; i++) {
		at[i] = b->len;
		put(b, 0x04034b50, 4);
		put_common(b, &v[i], false);
		buf_add(b, v[i].name, name_len(&v[i]));
		put_zip64(b, &v[i]);
		buf_puts(b, v[i].data);
		if (v[i].flags & 8) {
			put(b, 0x08074b50, 4);
			put(b, crc32_of(v[i].data, strlen(v[i].data)), 4);
			put(b, strlen(v[i].data), 4);
			put(b, strlen(v[i].data), 4);
		}
	}
	start = b->len;
	for (i = 0; i < n; i++) {
		put(b, 0x02014b50, 4);
		put(b, 3 << 8 | 20, 2);		/* made on Unix */
		put_common(b, &v[i], true);
		put(b, 0, 2);
		put(b, 0, 2);
		put(b, 0, 2);
		put(b, (uint64_t)(v[i].mode != 0 ? v[i].mode : 0100644) << 16,
		    4);
		put(b, at[i], 4);
		buf_add(b, v[i].name, name_len(&v[i]));
		put_zip64(b, &v[i]);
	}
	end = b->len;
	put(b, 0x06054b50, 4);
	put(b, 0, 4);
	put(b, n, 2);
	put(b, n, 2);
	put(b, end - start, 4);
	put(b, start, 4);
	put(b, 0, 2);
	free(at);
}

static const struct package_file *
find(const struct package *p, const char *path)
{
	for (size_t i = 0; i < p->n; i++)
		if (strcmp(p->files[i].path, path) == 0)
			return &p->files[i];
	return NULL;
}

/* Refused with that in the message, and nothing came out. */
static void
refuse(const struct buf *zip, const char *why)
{
	struct package	p = { .n = 77 };
	struct err	e;

	memset(&e, 0, sizeof(e));
	if (package_unpack(buf_str(zip), zip->len, &p, &e) == 0)
		fail_msg("taken, not refused for: %s", why);
	if (strstr(e.msg, why) == NULL)
		fail_msg("refused for \"%s\", not \"%s\"", e.msg, why);
	assert_int_equal(e.kind, ERR_USER);
	assert_int_equal(p.n, 77);
	assert_true(utf8_valid(e.msg, strlen(e.msg), NULL));
}

static void
unpack_good(const struct buf *zip, struct package *p)
{
	struct err	e;

	memset(p, 0, sizeof(*p));
	if (package_unpack(buf_str(zip), zip->len, p, &e) == -1)
		fail_msg("%s", e.msg);
}

/*
 * Unpacking.
 */

static void
test_good(void **state)
{
	static const struct entry	v[] = {
		{ .name = "./", .data = "", .mode = 040755 },
		{ .name = "skills/", .data = "", .mode = 040755 },
		{ .name = "skills/x/run.sh", .data = "#!/bin/sh\n",
		    .mode = 0100755 },
		{ .name = "./config/SOUL.md", .data = "soul" },
		{ .name = "config/later.md", .data = "descriptor", .flags = 8 },
		{ .name = "config/empty-later.md", .data = "", .flags = 8 },
		{ .name = "config/big.md", .data = "zip64", .zip64 = true },
		{ .name = "config/empty", .data = "" },
		/* decomposed, and said to be UTF-8 */
		{ .name = "config/u\xcc\x88.md", .data = "1", .flags = 0x800 },
		{ .name = "config/A", .data = "upper" },
		{ .name = "config/a", .data = "lower" },
	};
	static const char *const	want[] = { "config/A", "config/SOUL.md",
	    "config/a", "config/big.md", "config/empty",
	    "config/empty-later.md", "config/later.md", "config/\xc3\xbc.md",
	    "skills/x/run.sh" };
	struct buf	zip = { 0 };
	struct package	p;
	char		digest[SHA256_HEX];
	size_t		i;

	(void)state;
	make_zip(&zip, v, NELEM(v));
	unpack_good(&zip, &p);
	assert_int_equal(p.n, NELEM(want));
	for (i = 0; i < NELEM(want); i++)
		assert_string_equal(p.files[i].path, want[i]);
	assert_string_equal(find(&p, "config/SOUL.md")->data, "soul");
	assert_string_equal(find(&p, "config/later.md")->data, "descriptor");
	assert_string_equal(find(&p, "config/big.md")->data, "zip64");
	assert_int_equal(find(&p, "config/empty")->len, 0);
	assert_true(find(&p, "skills/x/run.sh")->executable);
	assert_false(find(&p, "config/SOUL.md")->executable);
	sha256_hex(buf_str(&zip), zip.len, digest);
	assert_string_equal(p.digest, digest);
	package_release(&p);
	buf_release(&zip);
}

static void
test_refused(void **state)
{
	static const char	deep[] = "1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/"
				    "16/17/x";
	static const struct { struct entry v[2]; const char *why; } rows[] = {
		{ {{ .name = "/etc/passwd" }}, "\"/etc/passwd\": an absolute" },
		{ {{ .name = "C:/x" }}, "an absolute path" },
		{ {{ .name = "c:x" }}, "an absolute path" },
		{ {{ .name = "../x" }}, "\"../x\": \"..\" in its path" },
		{ {{ .name = "a/../../x" }}, "\"..\" in its path" },
		{ {{ .name = "a/.." }}, "\"..\" in its path" },
		{ {{ .name = "../", .mode = 040755 }}, "\"..\" in its path" },
		{ {{ .name = "a//b" }}, "an empty name" },
		{ {{ .name = "a/./b" }}, "\".\" in its path" },
		{ {{ .name = "a/b\\c" }}, "a backslash" },
		{ {{ .name = "a/..\\..\\c" }}, "a backslash" },
		{ {{ .name = "a\nb" }}, "\"a\\x0ab\": control characters" },
		{ {{ .name = "a\x1b[2Jb" }}, "control characters" },
		{ {{ .name = "a\xc2\x85" }}, "control characters" },
		{ {{ .name = "a\xe2\x80\xae" "b", .flags = 0x800 }},
		    "control characters" },
		{ {{ .name = "a\xff\xfe" }}, "\"#1\"" },
		{ {{ .name = deep }}, "too many directories deep" },
		{ {{ .name = "link", .data = "/etc/passwd", .mode = 0120777 }},
		    "\"link\": a link" },
		{ {{ .name = "dev", .mode = 020644 }}, "neither a file nor" },
		{ {{ .name = "disk", .mode = 060644 }}, "neither a file nor" },
		{ {{ .name = "socket", .mode = 0140644 }},
		    "neither a file nor" },
		{ {{ .name = "x", .flags = 1 }}, "\"x\": encrypted" },
		{ {{ .name = "x", .flags = 0x41 }}, "encrypted" },
		{ {{ .name = "x", .method = 14 }}, "neither stored nor" },
		{ {{ .name = "x", .method = 98 }}, "neither stored nor" },
		{ {{ .name = "x", .crc_xor = 1 }}, "CRC" },
		{ {{ .name = "x", .size_add = 5 }}, "\"x\"" },
		{ {{ .name = "x", .size_add = -2U }}, "\"x\"" },
		{ {{ .name = "x", .central_add = 9 }}, "\"x\"" },
		{ {{ .name = "x", .size_add = 0x7fffff00 }}, "\"x\"" },
		{ {{ .name = "x", .zip64 = true, .zip64_add = 1 }}, "\"x\"" },
		{ {{ .name = "x", .zip64 = true, .zip64_add = 1ULL << 62 }},
		    "\"x\": with it, more than 256 MiB" },
		{ {{ .name = "x", .zip64 = true, .zip64_add = -9ULL }},
		    "size" },
		{ {{ .name = "a/x" }, { .name = "a/x" }}, "is there twice" },
		{ {{ .name = "a/x" }, { .name = "./a/x" }}, "is there twice" },
		{ {{ .name = "\xc3\xbc", .flags = 0x800 },
		    { .name = "u\xcc\x88", .flags = 0x800 }},
		    "is there twice" },
		{ {{ .name = "a" }, { .name = "a/b" }}, "is a file" },
		{ {{ .name = "a/b" }, { .name = "a" }}, "a file and a dir" },
		{ {{ .name = "a" }, { .name = "a/", .mode = 040755 }},
		    "a file and a dir" },
	};
	size_t	i, k, n;

	(void)state;
	for (i = 0; i < NELEM(rows); i++) {
		struct entry	v[2];
		struct buf	zip = { 0 };

		memcpy(v, rows[i].v, sizeof(v));
		n = v[1].name != NULL ? 2 : 1;
		for (k = 0; k < n; k++)
			if (v[k].data == NULL)
				v[k].data = v[k].mode == 040755 ? "" : "data";
		make_zip(&zip, v, n);
		refuse(&zip, rows[i].why);
		buf_release(&zip);
	}
}

/* libarchive knows no pipes in zips: it is a plain file of its bytes. */
static void
test_pipe(void **state)
{
	static const struct entry	v[] = {
		{ .name = "pipe", .data = "p", .mode = 010644 },
	};
	struct buf	zip = { 0 };
	struct package	p;

	(void)state;
	make_zip(&zip, v, NELEM(v));
	unpack_good(&zip, &p);
	assert_int_equal(p.n, 1);
	assert_string_equal(p.files[0].data, "p");
	package_release(&p);
	buf_release(&zip);
}

static void
test_no_zip(void **state)
{
	static const struct entry	v[] = {
		{ .name = "a", .data = "text of a" },
		{ .name = "b", .data = "text of b" },
	};
	struct buf	zip = { 0 }, part = { 0 };
	size_t		cut;

	(void)state;
	refuse(&part, "it is empty");
	buf_puts(&part, "#!/bin/sh\nnot a zip at all, but a script");
	refuse(&part, "not a zip");
	buf_reset(&part);
	buf_add(&part, "PK\5\6\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 22);
	refuse(&part, "no");		/* files in it, or zip */
	make_zip(&zip, v, NELEM(v));
	for (cut = 1; cut < zip.len; cut++) {
		buf_reset(&part);
		buf_add(&part, zip.data, cut);
		refuse(&part, "");
	}
	/* its head is missing */
	buf_reset(&part);
	buf_add(&part, zip.data + 20, zip.len - 20);
	refuse(&part, "");
	buf_release(&part);
	buf_release(&zip);
}

/* A file of zeros, deflated, once or many times. */
static void
make_bomb(struct buf *zip, size_t files, size_t megabytes)
{
	static char		 zeros[1024 * 1024];
	struct archive		*a = archive_write_new();
	struct archive_entry	*ent;
	size_t			 size = 4096 + megabytes * 1024 * 32, used;
	char			*mem = xmalloc(size * files), name[40];
	size_t			 i, k;

	assert_int_equal(archive_write_set_format_zip(a), ARCHIVE_OK);
	assert_int_equal(archive_write_set_options(a,
	    "zip:compression=deflate"), ARCHIVE_OK);
	assert_int_equal(archive_write_open_memory(a, mem, size * files,
	    &used), ARCHIVE_OK);
	for (i = 0; i < files; i++) {
		ent = archive_entry_new();
		snprintf(name, sizeof(name), "config/%zu", i);
		archive_entry_set_pathname(ent, name);
		archive_entry_set_filetype(ent, AE_IFREG);
		archive_entry_set_perm(ent, 0644);
		archive_entry_set_size(ent,
		    (int64_t)(megabytes * sizeof(zeros)));
		assert_int_equal(archive_write_header(a, ent), ARCHIVE_OK);
		for (k = 0; k < megabytes; k++)
			assert_int_equal(archive_write_data(a, zeros,
			    sizeof(zeros)), sizeof(zeros));
		archive_entry_free(ent);
	}
	assert_int_equal(archive_write_close(a), ARCHIVE_OK);
	archive_write_free(a);
	buf_add(zip, mem, used);
	free(mem);
}

static long
peak_kb(void)
{
	struct rusage	ru;

	getrusage(RUSAGE_SELF, &ru);
	return ru.ru_maxrss;
}

static void
test_bombs(void **state)
{
	struct buf	zip = { 0 };
	struct package	p;
	char		lie[4], *at;
	long		before;

	(void)state;
	/* one that is well compressed, but small: fine */
	make_bomb(&zip, 1, 1);
	unpack_good(&zip, &p);
	assert_int_equal(p.files[0].len, 1024 * 1024);
	package_release(&p);
	buf_reset(&zip);
	/* 40 MiB in 40 kB, said openly */
	make_bomb(&zip, 1, 40);
	assert_true(zip.len < 100000);
	refuse(&zip, "more than 100 times as large");
	/* the same, but it says that it is small */
	memcpy(lie, "\x00\x00\x10\x00", 4);		/* 1 MiB */
	for (at = zip.data; (at = memmem(at, zip.len - (size_t)(at - zip.data),
	    "\x00\x00\x80\x02", 4)) != NULL; at += 4)
		memcpy(at, lie, 4);
	before = peak_kb();
	refuse(&zip, "config/0");
	assert_true(peak_kb() - before < 16 * 1024);
	buf_reset(&zip);
	/* spread over many files */
	make_bomb(&zip, 40, 1);
	refuse(&zip, "more than 100 times as large");
	buf_release(&zip);
}

/* 257 MiB stored in pieces would need a fetch over its cap; here the sum of a
 * zip below it is over the other. */
static void
test_too_large(void **state)
{
	struct buf	 zip = { 0 };
	struct package	 p = { 0 };
	struct err	 e;
	char		*large = xcalloc(1, PACKAGE_ZIP_MAX + 1);

	(void)state;
	assert_int_equal(package_unpack(large, PACKAGE_ZIP_MAX + 1, &p, &e),
	    -1);
	assert_non_null(strstr(e.msg, "64 MiB"));
	free(large);
	make_bomb(&zip, 3, 100);
	/* padded in front, as a self-extracting one is: the ratio is fine */
	struct buf	 padded = { .max = PACKAGE_ZIP_MAX };
	char		*pad = xcalloc(1, 8 * 1024 * 1024);

	buf_add(&padded, pad, 8 * 1024 * 1024);
	buf_add(&padded, zip.data, zip.len);
	refuse(&padded, "more than 256 MiB unpacked");
	free(pad);
	buf_release(&padded);
	buf_release(&zip);
}

static void
make_many(struct buf *zip, size_t n)
{
	struct entry	*v = xcalloc(n, sizeof(*v));
	char		*names = xmalloc(n * 16);
	size_t		 i;

	zip->max = 64 * 1024 * 1024;
	for (i = 0; i < n; i++) {
		snprintf(names + i * 16, 16, "d%u/%u", (unsigned)i % 100,
		    (unsigned)i);
		v[i] = (struct entry){ .name = names + i * 16, .data = "" };
	}
	make_zip(zip, v, n);
	free(names);
	free(v);
}

static void
test_many(void **state)
{
	struct buf	zip = { 0 };
	struct package	p;
	int64_t		start;

	(void)state;
	make_many(&zip, PACKAGE_FILES_MAX);
	unpack_good(&zip, &p);
	assert_int_equal(p.n, PACKAGE_FILES_MAX);
	package_release(&p);
	buf_reset(&zip);
	make_many(&zip, PACKAGE_FILES_MAX + 1);
	refuse(&zip, "more than 10000 entries");
	buf_reset(&zip);
	make_many(&zip, 100000);
	start = clock_mono_ms();
	refuse(&zip, "more than 10000 entries");
	assert_true(clock_mono_ms() - start < 5000);
	buf_release(&zip);
}

/*
 * Layout.
 */

static int
layout(const struct entry *v, size_t n, struct package *out,
    struct strv *notes, struct err *e)
{
	struct buf	zip = { 0 };
	struct package	p;
	int		rc;

	make_zip(&zip, v, n);
	unpack_good(&zip, &p);
	buf_release(&zip);
	memset(out, 0, sizeof(*out));
	rc = package_layout(&p, "copaw", out, notes, e);
	if (rc == 0)
		assert_string_equal(out->digest, p.digest);
	package_release(&p);
	return rc;
}

static void
test_layout(void **state)
{
	static const struct entry	v[] = {
		{ .name = "manifest.json", .data = "{\"type\":\"worker\","
		    "\"worker\":{\"runtime\":\"openclaw\","
		    "\"apt_packages\":[\"jq\"],\"pip_packages\":[]}}" },
		{ .name = "SOUL.md", .data = "not this" },
		{ .name = "config/SOUL.md", .data = "soul" },
		{ .name = "config/memory/day.md", .data = "day" },
		{ .name = "skills/x/SKILL.md", .data = "skill" },
		{ .name = "skills/x/run", .data = "run", .mode = 0100755 },
		{ .name = "crons/jobs.json", .data = "[{\"id\":1}]" },
		{ .name = "crons/other.json", .data = "[]" },
		{ .name = "Dockerfile", .data = "FROM x" },
		{ .name = "tool-analysis.json", .data = "{}" },
		{ .name = "__MACOSX/._x", .data = "junk" },
	};
	static const char *const	want[] = { ".openclaw/cron/jobs.json",
	    "SOUL.md", "memory/day.md", "skills/x/SKILL.md", "skills/x/run" };
	struct package	p;
	struct strv	notes = { 0 };
	struct json	*jobs, *ref;
	struct err	e;
	char		*said;
	size_t		i;

	(void)state;
	assert_int_equal(layout(v, NELEM(v), &p, &notes, &e), 0);
	assert_int_equal(p.n, NELEM(want));
	for (i = 0; i < NELEM(want); i++)
		assert_string_equal(p.files[i].path, want[i]);
	assert_string_equal(find(&p, "SOUL.md")->data, "soul");
	assert_true(find(&p, "skills/x/run")->executable);
	jobs = json_parse(p.files[0].data, p.files[0].len, &e);
	ref = json_must("{\"version\":1,\"jobs\":[{\"id\":1}]}");
	assert_true(json_equal(jobs, ref));
	json_free(jobs);
	json_free(ref);
	said = strv_join(&notes, "|");
	assert_string_equal(said, "made for the runtime openclaw, not copaw|"
	    "apt_packages of its manifest are not installed|"
	    "its Dockerfile is not used|its tool-analysis.json is not used");
	free(said);
	strv_release(&notes);
	package_release(&p);

	/* no config/: the one at the top; an object of jobs stays as it is */
	{
		static const struct entry	top[] = {
			{ .name = "SOUL.md", .data = "top" },
			{ .name = "AGENTS.md", .data = "left out" },
			{ .name = "crons/jobs.json", .data = "{ \"jobs\":[]}" },
		};

		assert_int_equal(layout(top, 3, &p, &notes, &e), 0);
		assert_int_equal(p.n, 2);
		assert_string_equal(find(&p, "SOUL.md")->data, "top");
		assert_string_equal(p.files[0].data, "{ \"jobs\":[]}");
		assert_int_equal(notes.n, 0);
		package_release(&p);
	}
}

static void
test_layout_refused(void **state)
{
	static const struct { struct entry v[2]; const char *why; } rows[] = {
		{ {{ .name = "alice/config/SOUL.md", .data = "" },
		    { .name = "README", .data = "" }}, "is at its top" },
		{ {{ .name = "manifest.json", .data = "{\"type\":\"team\"}" },
		    { .name = "SOUL.md", .data = "" }}, "type is \"team\"" },
		{ {{ .name = "manifest.json", .data = "[]" },
		    { .name = "SOUL.md", .data = "" }}, "not an object" },
		{ {{ .name = "manifest.json", .data = "{" },
		    { .name = "SOUL.md", .data = "" }}, "manifest.json: line" },
		{ {{ .name = "crons/jobs.json", .data = "{" },
		    { .name = "SOUL.md", .data = "" }}, "crons/jobs.json: " },
		{ {{ .name = "crons/jobs.json", .data = "7" },
		    { .name = "SOUL.md", .data = "" }}, "neither a list" },
		{ {{ .name = "config/skills/x/SKILL.md", .data = "1" },
		    { .name = "skills/x/SKILL.md", .data = "2" }},
		    "skills/x/SKILL.md: entry \"skills/x/SKILL.md\": is there "
		    "twice" },
		{ {{ .name = "config/.openclaw/cron", .data = "1" },
		    { .name = "crons/jobs.json", .data = "[]" }},
		    "is a file" },
	};
	struct strv	notes = { 0 };
	struct package	p;
	struct err	e;
	size_t		i;

	(void)state;
	for (i = 0; i < NELEM(rows); i++) {
		if (layout(rows[i].v, 2, &p, &notes, &e) == 0)
			fail_msg("taken, not refused for: %s", rows[i].why);
		if (strstr(e.msg, rows[i].why) == NULL)
			fail_msg("\"%s\", not \"%s\"", e.msg, rows[i].why);
		assert_int_equal(e.kind, ERR_USER);
		assert_null(p.files);
		assert_int_equal(notes.n, 0);
	}
}

/*
 * A server on a thread of its own: the answer of the first route whose text
 * begins the request, after its delay, on a connection for one request.
 */

struct route {
	const char	*request;	/* "GET /x" */
	const char	*head;		/* status and header lines */
	const char	*body;
	size_t		 len;		/* 0: that of the body */
	size_t		 repeat;	/* 0: once */
	int		 delay_ms;	/* before the body */
};

static struct {
	pthread_t		 thread;
	int			 fd, port, stop[2];
	pthread_mutex_t		 lock;
	const struct route	*routes;
	size_t			 n;
	struct buf		 seen;		/* all requests */
} web = { .lock = PTHREAD_MUTEX_INITIALIZER };

static bool
wait_ms(int ms)
{
	struct pollfd	p = { .fd = web.stop[0], .events = POLLIN };

	return poll(&p, 1, ms) == 0;
}

static void
send_all(int fd, const char *p, size_t len)
{
	ssize_t	n;

	for (; len > 0; p += n, len -= (size_t)n) {
		n = send(fd, p, len, MSG_NOSIGNAL);
		if (n <= 0)
			return;
	}
}

/* Head, and as much body as it announces. */
static void
read_request(int fd, struct buf *req)
{
	char		chunk[4096];
	const char	*end, *length;
	ssize_t		n;

	for (;;) {
		end = strstr(buf_str(req), "\r\n\r\n");
		length = strcasestr(buf_str(req), "content-length: ");
		if (end != NULL && (length == NULL || req->len >=
		    (size_t)(end + 4 - req->data) + strtoul(length + 16, NULL,
		    10)))
			return;
		n = recv(fd, chunk, sizeof(chunk), 0);
		if (n <= 0)
			return;
		buf_add(req, chunk, (size_t)n);
	}
}

static void
answer(int fd, const char *request)
{
	static const struct route none = { .head = "404 Not Found",
	    .body = "" };
	const struct route *r = &none;
	size_t		 i, len, times;
	char		*head;

	for (i = 0; i < web.n; i++)
		if (str_starts(request, web.routes[i].request)) {
			r = &web.routes[i];
			break;
		}
	len = r->len != 0 ? r->len : strlen(r->body);
	times = r->repeat != 0 ? r->repeat : 1;
	head = xasprintf("HTTP/1.1 %s\r\nContent-Length: %zu\r\n"
	    "Connection: close\r\n\r\n", r->head, len * times);
	send_all(fd, head, strlen(head));
	free(head);
	if (r->delay_ms != 0 && !wait_ms(r->delay_ms))
		return;
	for (; times > 0; times--)
		send_all(fd, r->body, len);
}

static void *
web_thread(void *arg)
{
	struct pollfd	p[2] = { { .fd = web.fd, .events = POLLIN },
			    { .fd = web.stop[0], .events = POLLIN } };
	struct buf	req = { 0 };
	int		fd;

	(void)arg;
	while (poll(p, 2, -1) > 0 && p[1].revents == 0) {
		fd = accept(web.fd, NULL, NULL);
		if (fd == -1)
			continue;
		read_request(fd, &req);
		pthread_mutex_lock(&web.lock);
		buf_add(&web.seen, buf_str(&req), req.len);
		answer(fd, buf_str(&req));
		pthread_mutex_unlock(&web.lock);
		close(fd);
		buf_reset(&req);
	}
	buf_release(&req);
	return NULL;
}

static int
web_start(void **state)
{
	struct sockaddr_in	sin = { .sin_family = AF_INET };
	socklen_t		len = sizeof(sin);

	(void)state;
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	web.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(web.fd, (struct sockaddr *)&sin, len) == -1 ||
	    listen(web.fd, 16) == -1 || pipe(web.stop) == -1 ||
	    getsockname(web.fd, (struct sockaddr *)&sin, &len) == -1)
		return -1;
	web.port = ntohs(sin.sin_port);
	return pthread_create(&web.thread, NULL, web_thread, NULL);
}

static int
web_stop(void **state)
{
	(void)state;
	close(web.stop[1]);
	pthread_join(web.thread, NULL);
	close(web.stop[0]);
	close(web.fd);
	buf_release(&web.seen);
	return 0;
}

static void
web_serve(const struct route *routes, size_t n)
{
	pthread_mutex_lock(&web.lock);
	web.routes = routes;
	web.n = n;
	buf_reset(&web.seen);
	pthread_mutex_unlock(&web.lock);
}

static int
seen(const char *text)
{
	const char	*p;
	int		 n = 0;

	pthread_mutex_lock(&web.lock);
	for (p = buf_str(&web.seen); (p = strstr(p, text)) != NULL; p++)
		n++;
	pthread_mutex_unlock(&web.lock);
	return n;
}

/* format has one %d: the port. */
static int
fetch_from(const char *format, struct package *p, struct err *e)
{
	struct package_source	source = { .private_addresses = true,
				    .timeout_ms = 3000 };
	char			uri[1024];

	memset(p, 0, sizeof(*p));
	memset(e, 0, sizeof(*e));
	str_copy(uri, format, sizeof(uri));
	if (strstr(format, "%d") != NULL)
		snprintf(uri, sizeof(uri), "%.*s%d%s",
		    (int)(strstr(format, "%d") - format), format, web.port,
		    strstr(format, "%d") + 2);
	return package_fetch(uri, &source, NULL, NULL, p, e);
}

static void
fetch_refused(const char *format, enum err_kind kind, const char *why)
{
	struct package	p;
	struct err	e;

	if (fetch_from(format, &p, &e) == 0)
		fail_msg("%s was taken", format);
	if (e.kind != kind || strstr(e.msg, why) == NULL)
		fail_msg("%s: %s: %s, not %s: %s", format,
		    err_kind_name(e.kind), e.msg, err_kind_name(kind), why);
	assert_null(p.files);
	assert_null(strstr(e.msg, "s3cret"));
}

static const struct entry	one_soul[] = {
	{ .name = "SOUL.md", .data = "soul" },
};

static void
test_http(void **state)
{
	struct buf	zip = { 0 };
	char		digest[SHA256_HEX], *uri, *away;
	struct package	p;
	struct err	e;
	struct route	routes[12] = { { 0 } };
	static char	block[1024 * 1024];

	(void)state;
	make_zip(&zip, one_soul, 1);
	sha256_hex(zip.data, zip.len, digest);
	away = xasprintf("302 Found\r\nLocation: http://localhost:%d/d/a.zip#x",
	    web.port);
	routes[0] = (struct route){ "GET /d/a.zip", "200 OK", zip.data,
	    zip.len, 0, 0 };
	routes[1] = (struct route){ "GET /rel", "302 Found\r\nLocation: a.zip?",
	    "", 0, 0, 0 };
	routes[2] = (struct route){ "GET /d/rel",
	    "301 Moved\r\nLocation: a.zip?x=1", "", 0, 0, 0 };
	routes[3] = (struct route){ "GET /abs",
	    "307 Temporary\r\nLocation: /d/rel", "", 0, 0, 0 };
	routes[4] = (struct route){ "GET /away", away, "", 0, 0, 0 };
	routes[5] = (struct route){ "GET /loop",
	    "302 Found\r\nLocation: /loop", "", 0, 0, 0 };
	routes[6] = (struct route){ "GET /scheme",
	    "302 Found\r\nLocation: file:///etc/passwd", "", 0, 0, 0 };
	routes[7] = (struct route){ "GET /down",
	    "503 Busy\r\nRetry-After: 9", "", 0, 0, 0 };
	routes[8] = (struct route){ "GET /no ", "403 Forbidden", "", 0, 0, 0 };
	routes[9] = (struct route){ "GET /big", "200 OK", block,
	    sizeof(block), 65, 0 };
	routes[10] = (struct route){ "GET /text", "200 OK", "<html>", 0, 0, 0 };
	routes[11] = (struct route){ "GET /where", "302 Found", "", 0, 0, 0 };
	web_serve(routes, NELEM(routes));

	if (fetch_from("http://127.0.0.1:%d/d/a.zip", &p, &e) == -1)
		fail_msg("%s", e.msg);
	assert_string_equal(p.files[0].data, "soul");
	assert_string_equal(p.digest, digest);
	package_release(&p);

	uri = xasprintf("http://127.0.0.1:%%d/d/a.zip#sha256=%s", digest);
	assert_int_equal(fetch_from(uri, &p, &e), 0);
	package_release(&p);
	uri[strlen(uri) - 1] ^= 1;
	fetch_refused(uri, ERR_USER, "not the one asked for");
	free(uri);
	fetch_refused("http://127.0.0.1:%d/d/a.zip#md5=1", ERR_USER, "sha256=");
	assert_int_equal(seen("md5"), 0);

	assert_int_equal(fetch_from("http://127.0.0.1:%d/d/rel", &p, &e), 0);
	package_release(&p);
	assert_int_equal(seen("GET /d/a.zip?x=1 "), 1);
	assert_int_equal(fetch_from("http://127.0.0.1:%d/abs", &p, &e), 0);
	package_release(&p);
	fetch_refused("http://127.0.0.1:%d/rel", ERR_NOTFOUND, "HTTP 404");
	assert_int_equal(seen("GET /a.zip? "), 1);
	assert_int_equal(fetch_from("http://u:s3cret@127.0.0.1:%d/away", &p,
	    &e), 0);
	package_release(&p);
	/* the password was for the first host only */
	assert_int_equal(seen("Authorization: Basic"), 1);

	fetch_refused("http://127.0.0.1:%d/loop", ERR_USER,
	    "more than 5 redirects");
	assert_int_equal(seen("GET /loop"), 6);
	fetch_refused("http://127.0.0.1:%d/scheme", ERR_DENIED,
	    "neither http nor https");
	fetch_refused("http://127.0.0.1:%d/where", ERR_USER, "to nowhere");
	fetch_refused("http://127.0.0.1:%d/none?key=s3cret", ERR_NOTFOUND,
	    "/none: the answer is HTTP 404");
	fetch_refused("http://127.0.0.1:%d/no", ERR_DENIED, "HTTP 403");
	fetch_refused("http://127.0.0.1:%d/text", ERR_USER, "not a zip");
	fetch_refused("http://127.0.0.1:%d/big", ERR_USER, "is over");
	fetch_refused("http://127.0.0.1:1/x", ERR_RETRY, "127.0.0.1:1");
	fetch_refused("http://u:s3cret@127.0.0.1:%d/down", ERR_RETRY,
	    "HTTP 503");
	assert_int_equal(fetch_from("http://127.0.0.1:%d/down", &p, &e), -1);
	assert_int_equal(e.retry_s, 9);
	fetch_refused("http://u:s3cr/s3cret@127.0.0.1:%d/x", ERR_USER, "");
	fetch_refused("http://u:s3cret?x@127.0.0.1:%d/x", ERR_USER, "");
	free(away);
	buf_release(&zip);
}

static void
test_http_private(void **state)
{
	static const char *const	hosts[] = { "127.0.0.1", "localhost",
	    "[::1]", "[::ffff:127.0.0.1]", "10.0.0.1", "169.254.169.254" };
	struct package_source	source = { .timeout_ms = 3000 };
	struct package		p = { 0 };
	struct err		e;
	char			uri[128];
	size_t			i;

	(void)state;
	web_serve(NULL, 0);
	for (i = 0; i < NELEM(hosts); i++) {
		snprintf(uri, sizeof(uri), "http://%s:%d/x", hosts[i],
		    web.port);
		assert_int_equal(package_fetch(uri, &source, NULL, NULL, &p,
		    &e), -1);
		if (e.kind != ERR_DENIED)
			fail_msg("%s", e.msg);
		snprintf(uri, sizeof(uri), "nacos://%s:%d/n/x", hosts[i],
		    web.port);
		assert_int_equal(package_fetch(uri, &source, NULL, NULL, &p,
		    &e), -1);
		if (e.kind != ERR_DENIED)
			fail_msg("%s", e.msg);
	}
	assert_int_equal(seen("GET"), 0);
}

static void
test_redirect(void **state)
{
	static const struct {
		const char	*url, *to, *want;	/* NULL: refused */
	} rows[] = {
		{ "http://h/a/b?q#f", "c", "http://h/a/c" },
		{ "http://h/a/b", "c#x", "http://h/a/c" },
		{ "http://h/a/b/", "?y", "http://h/a/b/?y" },
		{ "http://h", "c", "http://h/c" },
		{ "http://h?q", "c", "http://h/c" },
		{ "http://h/a", "/c", "http://h/c" },
		{ "http://u:p@h:1/a", "/c", "http://u:p@h:1/c" },
		{ "http://h/a", "//g/c", "http://g/c" },
		{ "https://h/a", "//g/c", "https://g/c" },
		{ "http://h/a", "https://g/c", "https://g/c" },
		{ "https://h/a", "HTTPS://g/c", "HTTPS://g/c" },
		{ "https://h/a", "http://h/a", NULL },
		{ "HTTPS://h/a", "HTTP://h/a", NULL },
		{ "http://h/a", "ftp://h/a", NULL },
		{ "http://h/a", "file:/etc/passwd", NULL },
		{ "http://h/a", "gopher:x", NULL },
		{ "http://h/a", "", NULL },
		{ "http://h/a", NULL, NULL },
	};
	struct err	e;
	size_t		i;

	(void)state;
	for (i = 0; i < NELEM(rows); i++) {
		char	*url = xstrdup(rows[i].url);
		int	 rc = fetch_redirect(&url, rows[i].to, &e);

		assert_int_equal(rc, rows[i].want != NULL ? 0 : -1);
		assert_string_equal(url, rc == 0 ? rows[i].want : rows[i].url);
		free(url);
	}
}

/* Each redirect is fast, the last answer is not: the deadline is for all. */
static void
test_http_slow(void **state)
{
	static const struct route	routes[] = {
		{ "GET /1", "302 Found\r\nLocation: /2", "a", 0, 0, 450 },
		{ "GET /2", "302 Found\r\nLocation: /3", "a", 0, 0, 450 },
		{ "GET /3", "200 OK", "a", 0, 0, 60000 },
	};
	struct package_source	source = { .private_addresses = true,
				    .timeout_ms = 1000 };
	struct package		p = { 0 };
	struct err		e;
	char			uri[64];
	int64_t			start = clock_mono_ms();

	(void)state;
	web_serve(routes, NELEM(routes));
	snprintf(uri, sizeof(uri), "http://127.0.0.1:%d/1", web.port);
	assert_int_equal(package_fetch(uri, &source, NULL, NULL, &p, &e), -1);
	assert_int_equal(e.kind, ERR_RETRY);
	assert_in_range(clock_mono_ms() - start, 950, 1700);
}

/*
 * Nacos.
 */

static const char	spec_answer[] = "{\"code\":0,\"message\":\"success\","
    "\"data\":{\"namespaceId\":\"public\",\"name\":\"coder\","
    "\"content\":\"{\\\"type\\\":\\\"worker\\\"}\",\"resource\":{"
    "\"a\":{\"name\":\"SOUL.md\",\"type\":\"config\",\"content\":\"soul\"},"
    "\"b\":{\"name\":\"skills/x/SKILL.md\",\"type\":\"skills\","
    "\"content\":\"skill\"},"
    "\"c\":{\"name\":\"config/b.bin\",\"type\":\"\","
    "\"content\":\"AAEC/w==\",\"metadata\":{\"encoding\":\"base64\"}}}}}";

static void
test_nacos(void **state)
{
	static const struct route	open_routes[] = {
		{ "GET /nacos/v3/client/ai/agentspecs?", "200 OK",
		    spec_answer, 0, 0, 0 },
	};
	static const struct route	v3[] = {
		{ "POST /nacos/v3/auth/user/login", "200 OK",
		    "{\"accessToken\":\"tok-s3cret\",\"tokenTtl\":18000}",
		    0, 0, 0 },
		{ "GET /nacos/v3/client/ai/agentspecs?", "200 OK",
		    spec_answer, 0, 0, 0 },
	};
	static const struct route	v1[] = {
		{ "POST /nacos/v1/auth/login", "200 OK",
		    "{\"data\":{\"accessToken\":\"tok1\"}}", 0, 0, 0 },
		{ "GET /nacos/v3/client/ai/agentspecs?", "200 OK",
		    spec_answer, 0, 0, 0 },
	};
	struct package	p, q;
	struct err	e;

	(void)state;
	web_serve(open_routes, 1);
	if (fetch_from("nacos://127.0.0.1:%d/public/co%2Bder/label:la%26st",
	    &p, &e) == -1)
		fail_msg("%s", e.msg);
	assert_int_equal(seen("agentspecs?namespaceId=public&name=co%2Bder&"
	    "label=la%26st "), 1);
	assert_int_equal(seen("Authorization"), 0);
	assert_int_equal(p.n, 4);
	assert_string_equal(p.files[0].path, "config/SOUL.md");
	assert_string_equal(p.files[1].path, "config/b.bin");
	assert_int_equal(p.files[1].len, 4);
	assert_memory_equal(p.files[1].data, "\0\1\2\xff", 4);
	assert_string_equal(p.files[2].path, "manifest.json");
	assert_string_equal(p.files[3].path, "skills/x/SKILL.md");
	assert_int_equal(strlen(p.digest), 64);

	web_serve(v3, 2);
	assert_int_equal(fetch_from("nacos://us%40er:p%3A%26s3cret@"
	    "127.0.0.1:%d/public/coder/1.2", &q, &e), 0);
	assert_string_equal(p.digest, q.digest);
	assert_int_equal(seen("username=us%40er&password=p%3A%26s3cret"), 1);
	assert_int_equal(seen("name=coder&version=1.2 "), 1);
	assert_int_equal(seen("Authorization: Bearer tok-s3cret"), 1);
	package_release(&q);

	web_serve(v1, 2);
	assert_int_equal(fetch_from("nacos://u:s3cret@127.0.0.1:%d/public/coder",
	    &q, &e), 0);
	assert_int_equal(seen("Authorization: Bearer tok1"), 1);
	package_release(&q);
	/* told not to log in, it does not */
	web_serve(v1, 2);
	assert_int_equal(fetch_from("nacos://u:s3cret@127.0.0.1:%d/public/coder"
	    "?authType=none", &q, &e), 0);
	assert_int_equal(seen("login"), 0);
	package_release(&q);
	package_release(&p);
}

#define SPEC(resource) "{\"code\":0,\"data\":{\"resource\":{" resource "}}}"

static void
test_nacos_refused(void **state)
{
	static const struct {
		const char	*uri, *head, *body;
		enum err_kind	 kind;
		const char	*why;
	} rows[] = {
#define N	"nacos://127.0.0.1:%d/public/coder"
#define U	"nacos://u:s3cret@127.0.0.1:%d/public/coder"
		{ N, "404 Not Found", "", ERR_NOTFOUND, "HTTP 404" },
		{ N, "403 Forbidden", "", ERR_DENIED, "HTTP 403" },
		{ N, "503 Down", "", ERR_RETRY, "HTTP 503" },
		{ N, "302 Found\r\nLocation: /x", "", ERR_USER, "HTTP 302" },
		{ N, "200 OK", "{\"code\":20004,\"message\":\"gone\"}",
		    ERR_NOTFOUND, "code 20004: gone" },
		{ N, "200 OK", "{\"code\":403}", ERR_DENIED, "code 403" },
		{ N, "200 OK", "{\"code\":30000}", ERR_RETRY, "code 30000" },
		{ N, "200 OK", "nonsense", ERR_USER, "the answer: line" },
		{ N, "200 OK", "{}", ERR_USER, "code -1" },
		{ N, "200 OK", SPEC(""), ERR_USER, "no files" },
		{ N, "200 OK", SPEC("\"a\":{\"name\":\"../x\",\"content\":\"\"}"),
		    ERR_USER, "\"..\" in its path" },
		{ N, "200 OK", SPEC("\"a\":{\"type\":\"/etc\","
		    "\"name\":\"x\",\"content\":\"\"}"), ERR_USER, "absolute" },
		{ N, "200 OK", SPEC("\"a\":{\"name\":\"x\",\"content\":\"\"},"
		    "\"b\":{\"name\":\"x\",\"content\":\"\"}"), ERR_USER,
		    "is there twice" },
		{ N, "200 OK", SPEC("\"a\":{\"content\":\"\"}"), ERR_USER,
		    "has no name" },
		{ N, "200 OK", SPEC("\"a\":{\"name\":\"x\"}"), ERR_USER,
		    "no content" },
		{ N, "200 OK", SPEC("\"a\":{\"name\":\"x\",\"content\":\"A\","
		    "\"metadata\":{\"encoding\":\"base64\"}}"), ERR_USER,
		    "not base64" },
		{ U, "403 s3cret", "s3cret", ERR_DENIED, "login: " },
		{ U, "500 s3cret", "s3cret", ERR_RETRY, "login: " },
		{ U, "200 OK", "{\"accessToken\":\"\"}", ERR_DENIED,
		    "no token" },
		{ "nacos://u:@127.0.0.1:%d/public/x", "200 OK", "", ERR_USER,
		    "or neither" },
		{ "nacos://s3cret@127.0.0.1:%d/public/x", "200 OK", "",
		    ERR_USER, "or neither" },
		{ N "?authType=nacos", "200 OK", "", ERR_USER, "needs user" },
		{ N "?authType=sts-hiclaw", "200 OK", "", ERR_USER, "Alibaba" },
		{ N "?authType=x", "200 OK", "", ERR_USER, "no authType" },
		{ N "?user=s3cret", "200 OK", "", ERR_USER, "?authType=" },
		{ N "/1/2", "200 OK", "", ERR_USER, "too many" },
		{ N "/a%2Fb", "200 OK", "", ERR_USER, "\"/\" in a name" },
		{ N "/%0a", "200 OK", "", ERR_USER, "control" },
		{ N "/%zz", "200 OK", "", ERR_USER, "badly escaped" },
		{ "nacos://127.0.0.1:%d/public", "200 OK", "", ERR_USER,
		    "a namespace and a name" },
		{ "nacos:///public/x", "200 OK", "", ERR_USER, "not a host" },
		{ "nacos://h:99999999/n/x", "200 OK", "", ERR_USER,
		    "not a host" },
		{ "nacos://[::1/n/x", "200 OK", "", ERR_USER, "not a host" },
		{ "nacos://u:a/s3cret@h/n/x", "200 OK", "", ERR_USER, "" },
	};
	size_t	i;

	(void)state;
	for (i = 0; i < NELEM(rows); i++) {
		struct route	r = { "", rows[i].head, rows[i].body, 0, 0, 0 };

		web_serve(&r, 1);
		fetch_refused(rows[i].uri, rows[i].kind, rows[i].why);
		web_serve(NULL, 0);
	}
}

static void
test_skill(void **state)
{
	static const struct entry	wrapped[] = {
		{ .name = "pdf/SKILL.md", .data = "how" },
		{ .name = "pdf/scripts/run", .data = "x", .mode = 0100755 },
	};
	static const struct entry	none[] = {
		{ .name = "a/README", .data = "" },
	};
	struct package_source	source = { .private_addresses = true };
	struct buf		zip = { 0 }, bad = { 0 };
	struct route		r = { 0 };
	struct package		p = { 0 };
	struct err		e;
	char			where[64];

	(void)state;
	snprintf(where, sizeof(where), "nacos://127.0.0.1:%d/public", web.port);
	make_zip(&zip, wrapped, NELEM(wrapped));
	r = (struct route){ "GET /nacos/v3/client/ai/skills?", "200 OK",
	    zip.data, zip.len, 0, 0 };
	web_serve(&r, 1);
	if (package_skill(where, "", "pdf", "1", NULL, &source, &p, &e) == -1)
		fail_msg("%s", e.msg);
	assert_int_equal(seen("skills?namespaceId=public&name=pdf&version=1 "),
	    1);
	assert_int_equal(p.n, 2);
	assert_string_equal(p.files[0].path, "SKILL.md");
	assert_string_equal(p.files[1].path, "scripts/run");
	package_release(&p);
	assert_int_equal(package_skill(where, NULL, "pdf", "1", "l", &source,
	    &p, &e), -1);
	assert_int_equal(package_skill(where, NULL, "../pdf", NULL, NULL,
	    &source, &p, &e), -1);
	assert_int_equal(package_skill(where, NULL, "..", NULL, NULL,
	    &source, &p, &e), -1);
	assert_int_equal(package_skill(where, "nacos", "pdf", NULL, NULL,
	    &source, &p, &e), -1);
	assert_non_null(strstr(e.msg, "skill pdf: authType nacos needs"));
	make_zip(&bad, none, 1);
	r.body = bad.data;
	r.len = bad.len;
	web_serve(&r, 1);
	assert_int_equal(package_skill(where, NULL, "pdf", NULL, NULL, &source,
	    &p, &e), -1);
	assert_non_null(strstr(e.msg, "no SKILL.md"));
	web_serve(NULL, 0);
	buf_release(&bad);
	buf_release(&zip);
}

/*
 * Files and storage.
 */

static char	imports[] = "/tmp/hiclaw-test-package-XXXXXX";

static void
write_file(const char *path, const char *data, size_t len, mode_t mode)
{
	int	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, mode);

	assert_int_not_equal(fd, -1);
	assert_int_equal(write(fd, data, len), len);
	close(fd);
}

static int
setup_imports(void **state)
{
	struct buf	zip = { 0 };

	(void)state;
	if (mkdtemp(imports) == NULL || chdir(imports) == -1)
		return -1;
	make_zip(&zip, one_soul, 1);
	mkdir("in", 0755);
	write_file("in/a.zip", zip.data, zip.len, 0644);
	write_file("out.zip", zip.data, zip.len, 0644);
	mkdir("in/dir", 0755);
	mkdir("in/dir/config", 0755);
	write_file("in/dir/config/SOUL.md", "soul", 4, 0644);
	mkdir("in/dir/skills", 0755);
	write_file("in/dir/skills/run", "run", 3, 0755);
	mkdir("in/links", 0755);
	mkdir("in/empty", 0755);
	mkdir("in/pipe", 0755);
	mkdir("in/packages", 0755);
	write_file("in/packages/b.zip", zip.data, zip.len, 0644);
	buf_release(&zip);
	return symlink("../out.zip", "in/link.zip") == -1 ||
	    symlink("..", "in/up") == -1 ||
	    symlink("/etc/passwd", "in/links/x") == -1 ||
	    mkfifo("in/pipe/x", 0644) == -1;
}

static int
teardown_imports(void **state)
{
	char	*cmd = xasprintf("rm -rf '%s'", imports);
	int	 rc = chdir("/") == -1 || system(cmd) != 0;

	(void)state;
	free(cmd);
	return rc;
}

static int
fetch_import(const char *uri, const char *known, bool *same,
    struct package *p, struct err *e)
{
	char			*root = xasprintf("%s/in/", imports);
	struct package_source	 source = { .imports = root };
	int			 rc;

	memset(p, 0, sizeof(*p));
	rc = package_fetch(uri, &source, known, same, p, e);
	free(root);
	return rc;
}

static void
test_files(void **state)
{
	static const struct {
		const char	*uri;
		enum err_kind	 kind;
		const char	*why;
	} rows[] = {
		{ "file:///etc/passwd", ERR_DENIED, "not below" },
		{ "file://../out.zip", ERR_USER, "\"..\"" },
		{ "file://x/../../out.zip", ERR_USER, "\"..\"" },
		{ "file://%2e%2e/out.zip", ERR_USER, "\"..\"" },
		{ "file://link.zip", ERR_DENIED, "is a link" },
		{ "file://up/out.zip", ERR_DENIED, "is a link" },
		{ "file://links", ERR_DENIED, "is a link" },
		{ "file://none.zip", ERR_NOTFOUND, "none.zip" },
		{ "file://a.zip/x", ERR_NOTFOUND, "a.zip/x" },
		{ "file://empty", ERR_USER, "no files" },
		{ "file://pipe", ERR_USER, "neither a file nor" },
		{ "file://pipe/x", ERR_USER, "neither a zip nor" },
		{ "file://", ERR_USER, "no name" },
		{ "packages/none.zip", ERR_NOTFOUND, "none.zip" },
		{ "packages/../../out.zip", ERR_USER, "\"..\"" },
		{ "oss://agents/bob/secret", ERR_DENIED, "not below" },
		{ "oss://hiclaw-config/packages/../x", ERR_USER, "\"..\"" },
		{ "ftp://x/y", ERR_USER, "none of" },
		{ "coder", ERR_USER, "none of" },
	};
	struct package	p, q;
	struct err	e;
	char		*uri, known[SHA256_HEX];
	bool		 same = true;
	size_t		 i;

	(void)state;
	if (fetch_import("file://./a.zip", NULL, &same, &p, &e) == -1)
		fail_msg("%s", e.msg);
	assert_false(same);
	assert_string_equal(p.files[0].data, "soul");
	str_copy(known, p.digest, sizeof(known));
	package_release(&p);
	assert_int_equal(fetch_import("file://a.zip", known, &same, &p, &e), 0);
	assert_true(same);
	assert_null(p.files);
	uri = xasprintf("file://%s/in/a.zip", imports);
	assert_int_equal(fetch_import(uri, "x", &same, &p, &e), 0);
	assert_false(same);
	package_release(&p);
	free(uri);
	assert_int_equal(fetch_import("packages/b.zip", NULL, &same, &p, &e),
	    0);
	package_release(&p);

	/* a directory: its digest follows what is in it */
	assert_int_equal(fetch_import("file://dir/", NULL, &same, &p, &e), 0);
	assert_int_equal(p.n, 2);
	assert_string_equal(p.files[0].path, "config/SOUL.md");
	assert_true(p.files[1].executable);
	str_copy(known, p.digest, sizeof(known));
	package_release(&p);
	assert_int_equal(fetch_import("file://dir", known, &same, &p, &e), 0);
	assert_true(same);
	write_file("in/dir/config/SOUL.md", "SOUL", 4, 0644);
	assert_int_equal(fetch_import("file://dir", known, &same, &q, &e), 0);
	assert_false(same);
	assert_string_not_equal(q.digest, known);
	package_release(&q);

	for (i = 0; i < NELEM(rows); i++) {
		if (fetch_import(rows[i].uri, NULL, &same, &p, &e) == 0)
			fail_msg("%s was taken", rows[i].uri);
		if (e.kind != rows[i].kind || strstr(e.msg, rows[i].why) == NULL)
			fail_msg("%s: %s: %s", rows[i].uri,
			    err_kind_name(e.kind), e.msg);
		assert_null(p.files);
	}
}

struct shelf { const char *path, *data; size_t len; struct err fails; };

static int
shelf_read(void *arg, const char *path, struct buf *out, struct err *e)
{
	struct shelf	*s = arg;

	if (s->fails.msg[0] != '\0') {
		*e = s->fails;
		return -1;
	}
	if (strcmp(path, s->path) != 0)
		return err_set(e, ERR_NOTFOUND, "no %s", path);
	buf_add(out, s->data, s->len);
	return 0;
}

static void
test_stored(void **state)
{
	struct buf		zip = { 0 };
	struct shelf		shelf = { .path = "packages/a.zip" };
	struct package_source	source = { .stored = shelf_read,
				    .arg = &shelf };
	struct package		p = { 0 };
	struct err		e;

	(void)state;
	make_zip(&zip, one_soul, 1);
	shelf.data = zip.data;
	shelf.len = zip.len;
	assert_int_equal(package_fetch("packages/a.zip", &source, NULL, NULL,
	    &p, &e), 0);
	package_release(&p);
	assert_int_equal(package_fetch("oss://hiclaw-config/packages/a.zip",
	    &source, NULL, NULL, &p, &e), 0);
	package_release(&p);
	assert_int_equal(package_fetch("packages/b.zip", &source, NULL, NULL,
	    &p, &e), -1);
	assert_int_equal(e.kind, ERR_NOTFOUND);
	err_set(&shelf.fails, ERR_RETRY, "storage is away");
	assert_int_equal(package_fetch("packages/a.zip", &source, NULL, NULL,
	    &p, &e), -1);
	assert_int_equal(e.kind, ERR_RETRY);
	assert_string_equal(e.msg, "packages/a.zip: storage is away");
	source.stored = NULL;
	assert_int_equal(package_fetch("packages/a.zip", &source, NULL, NULL,
	    &p, &e), -1);
	assert_int_equal(e.kind, ERR_DENIED);
	assert_int_equal(package_fetch("file://a.zip", &source, NULL, NULL, &p,
	    &e), -1);
	assert_int_equal(e.kind, ERR_DENIED);
	buf_release(&zip);
}

#define WEB_TEST(f)	\
	cmocka_unit_test_setup_teardown(f, web_start, web_stop)

int
main(void)
{
	const struct CMUnitTest	tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_pipe),
		cmocka_unit_test(test_no_zip),
		cmocka_unit_test(test_bombs),
		cmocka_unit_test(test_too_large),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_layout),
		cmocka_unit_test(test_layout_refused),
		cmocka_unit_test(test_redirect),
		WEB_TEST(test_http),
		WEB_TEST(test_http_private),
		WEB_TEST(test_http_slow),
		WEB_TEST(test_nacos),
		WEB_TEST(test_nacos_refused),
		WEB_TEST(test_skill),
		cmocka_unit_test_setup_teardown(test_files, setup_imports,
		    teardown_imports),
		cmocka_unit_test(test_stored),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
