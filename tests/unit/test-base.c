/* Tests of src/base, but for JSON, which has a file of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hiclaw/base.h"
#include "hiclaw/clock.h"
#include "hiclaw/err.h"
#include "hiclaw/fault.h"
#include "hiclaw/log.h"
#include "hiclaw/re.h"
#include "hiclaw/secure.h"

static void
test_str(void **state)
{
	char	small[4];

	(void)state;
	assert_true(str_copy(small, "abc", sizeof(small)));
	assert_string_equal(small, "abc");
	assert_false(str_copy(small, "abcd", sizeof(small)));
	assert_string_equal(small, "abc");
	assert_false(str_copy(small, "a", 0));
	assert_true(str_starts("worker/x", "worker/"));
	assert_false(str_starts("wor", "worker"));
	assert_true(str_ends("a.md", ".md"));
	assert_false(str_ends("md", ".md"));
	assert_true(str_equal(NULL, NULL));
	assert_false(str_equal(NULL, ""));
	assert_true(str_equal("a", "a"));
	assert_null(xstrdup(NULL));
}

static void
test_distance(void **state)
{
	static const struct {
		const char	*a, *b;
		int		 max, want;
	} rows[] = {
		{ "", "", 2, 0 },
		{ "", "ab", 2, 2 },
		{ "model", "model", 2, 0 },
		{ "Model", "mODEL", 2, 0 },
		{ "modle", "model", 2, 1 },	/* swapped */
		{ "modl", "model", 2, 1 },
		{ "modell", "model", 2, 1 },
		{ "mudel", "model", 2, 1 },
		{ "runtiem", "runtime", 2, 1 },
		{ "kitten", "sitting", 5, 3 },
		{ "kitten", "sitting", 2, 3 },	/* capped */
		{ "abc", "xyz", 1, 2 },
	};
	char	longer[200];
	size_t	i;

	(void)state;
	for (i = 0; i < NELEM(rows); i++) {
		if (str_distance(rows[i].a, rows[i].b, rows[i].max) !=
		    rows[i].want)
			fail_msg("%s %s: %d", rows[i].a, rows[i].b,
			    str_distance(rows[i].a, rows[i].b, rows[i].max));
		assert_int_equal(str_distance(rows[i].b, rows[i].a,
		    rows[i].max), rows[i].want);
	}
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(str_distance(longer, "x", 2), 3);
	assert_int_equal(str_distance(longer, longer, 2), 0);
}

static void
test_nearest(void **state)
{
	static const char *const words[] = { "get", "set", "describe", "delete",
	    "deleted", NULL };

	(void)state;
	assert_string_equal(str_nearest("describ", words), "describe");
	assert_string_equal(str_nearest("dleete", words), "delete");
	assert_string_equal(str_nearest("deleted", words), "deleted");
	assert_string_equal(str_nearest("gte", words), "get");
	assert_null(str_nearest("gxx", words));
	assert_null(str_nearest("apply", words));
}

static void
test_utf8(void **state)
{
	static const struct {
		const char	*s;
		size_t		 len;
		long		 bad;	/* -1: valid */
	} rows[] = {
		{ "", 0, -1 },
		{ "plain", 5, -1 },
		{ "gr\xc3\xbc\xc3\x9f", 6, -1 },
		{ "\xe2\x82\xac", 3, -1 },
		{ "\xf0\x9f\x98\x80", 4, -1 },
		{ "\xf4\x8f\xbf\xbf", 4, -1 },
		{ "a\0b", 3, 1 },
		{ "\xc3", 1, 0 },
		{ "ab\xe2\x82", 4, 2 },
		{ "\x80", 1, 0 },
		{ "\xc0\xaf", 2, 0 },		/* overlong */
		{ "\xe0\x80\x80", 3, 0 },
		{ "\xf0\x80\x80\x80", 4, 0 },
		{ "\xed\xa0\x80", 3, 0 },	/* surrogate */
		{ "\xf4\x90\x80\x80", 4, 0 },	/* beyond U+10FFFF */
		{ "\xff", 1, 0 },
	};
	size_t	i, bad;

	(void)state;
	for (i = 0; i < NELEM(rows); i++) {
		bad = 99;
		if (utf8_valid(rows[i].s, rows[i].len, &bad) !=
		    (rows[i].bad == -1))
			fail_msg("row %zu", i);
		if (rows[i].bad != -1)
			assert_int_equal(bad, rows[i].bad);
	}
	assert_false(utf8_valid("\xff", 1, NULL));
	assert_int_equal(utf8_prefix("abc", 10), 3);
	assert_int_equal(utf8_prefix("abc", 2), 2);
	assert_int_equal(utf8_prefix("a\xe2\x82\xac", 3), 1);
	assert_int_equal(utf8_prefix("a\xe2\x82\xac", 4), 4);
	assert_int_equal(utf8_prefix("\xc3\xbc", 1), 0);
}

static void
test_buf(void **state)
{
	struct buf	 b = { 0 };
	char		*s;
	int		 i;

	(void)state;
	assert_string_equal(buf_str(&b), "");
	s = buf_take(&b);
	assert_string_equal(s, "");
	free(s);
	buf_puts(&b, "x=");
	buf_printf(&b, "%d", 42);
	buf_putc(&b, ';');
	buf_add(&b, "\0z", 2);
	assert_int_equal(b.len, 7);
	assert_memory_equal(b.data, "x=42;\0z", 8);
	buf_reset(&b);
	for (i = 0; i < 1000; i++)
		buf_printf(&b, "%0300d", i);	/* longer than its first try */
	assert_int_equal(b.len, 300000);
	assert_int_equal(strlen(b.data), 300000);
	s = buf_take(&b);
	assert_int_equal(b.len, 0);
	assert_null(b.data);
	free(s);

	buf_init(&b, 5);
	buf_puts(&b, "abc");
	buf_puts(&b, "def");		/* dropped whole */
	assert_true(b.overflow);
	assert_string_equal(buf_str(&b), "abc");
	buf_puts(&b, "de");
	assert_string_equal(buf_str(&b), "abcde");
	buf_reset(&b);
	assert_false(b.overflow);
	buf_add(&b, NULL, 0);
	assert_string_equal(buf_str(&b), "");
	buf_release(&b);
	assert_int_equal(b.max, 5);
	buf_release(NULL);
}

static void
test_strv(void **state)
{
	struct strv	 l = { 0 };
	char		*s;

	(void)state;
	s = strv_join(&l, ",");
	assert_string_equal(s, "");
	free(s);
	strv_sort(&l);
	strv_add(&l, "pear");
	strv_addf(&l, "%s-%d", "apple", 7);
	assert_true(strv_add_unique(&l, "fig"));
	assert_false(strv_add_unique(&l, "pear"));
	assert_true(strv_has(&l, "fig"));
	assert_false(strv_has(&l, "Fig"));
	strv_sort(&l);
	s = strv_join(&l, ", ");
	assert_string_equal(s, "apple-7, fig, pear");
	free(s);
	assert_true(strv_remove(&l, "fig"));
	assert_false(strv_remove(&l, "fig"));
	assert_int_equal(l.n, 2);
	assert_null(l.v[2]);
	strv_split(&l, ",,b,c,", ',');
	strv_split(&l, "", ',');
	s = strv_join(&l, "|");
	assert_string_equal(s, "apple-7|pear|b|c");
	free(s);
	strv_release(&l);
	assert_null(l.v);
	strv_release(NULL);
}

static int	freed;

static void
count_free(void *p)
{
	free(p);
	freed++;
}

static void
test_map(void **state)
{
	struct map	*m = map_new(count_free);
	const char	*key;
	void		*it = NULL, *v;
	char		 name[16], order[8] = "";

	(void)state;
	freed = 0;
	assert_null(map_find(m, "a"));
	assert_null(map_next(m, &it, &key));
	map_set(m, "c", xstrdup("1"));
	map_set(m, "a", xstrdup("2"));
	map_set(m, "b", xstrdup("3"));
	map_set(m, "c", xstrdup("4"));
	assert_int_equal(freed, 1);
	assert_int_equal(map_size(m), 3);
	assert_string_equal(map_find(m, "c"), "4");
	str_copy(name, "c", sizeof(name));
	key = map_key(m, name);
	name[0] = 'x';
	assert_string_equal(key, "c");
	assert_null(map_key(m, name));
	for (it = NULL; (v = map_next(m, &it, &key)) != NULL;) {
		strcat(order, key);
		assert_true(map_remove(m, key));
	}
	assert_string_equal(order, "cab");
	assert_int_equal(map_size(m), 0);
	assert_false(map_remove(m, "c"));
	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "k%d", i);
		map_set(m, name, xstrdup(name));
	}
	v = map_take(m, "k500");
	assert_string_equal(v, "k500");
	free(v);
	assert_null(map_take(m, "k500"));
	freed = 0;
	map_free(m);
	assert_int_equal(freed, 999);
	map_free(NULL);
}

/* Freed by the last one: the leak checker looks on. */
static void
test_shared(void **state)
{
	char	*a = shared_new("text"), *b = shared_hold(a);

	(void)state;
	assert_ptr_equal(a, b);
	shared_drop(a);
	assert_string_equal(b, "text");
	shared_drop(b);
	assert_null(shared_hold(NULL));
	shared_drop(NULL);
}

static void
test_err(void **state)
{
	struct err	e;
	char		big[2000];
	size_t		i;

	(void)state;
	e.retry_s = 9;
	assert_int_equal(err_set(&e, ERR_RETRY, "%s: %d", "x", 3), -1);
	assert_int_equal(e.kind, ERR_RETRY);
	assert_int_equal(e.retry_s, 0);
	assert_string_equal(e.msg, "x: 3");
	err_prefix(&e, "room %s", "#ops");
	assert_string_equal(e.msg, "room #ops: x: 3");
	err_set(&e, ERR_USER, "again %s", e.msg);	/* its own text */
	assert_string_equal(e.msg, "again room #ops: x: 3");
	for (i = 0; i + 2 < sizeof(big); i += 2)
		memcpy(big + i, "\xc3\xbc", 2);
	big[i] = '\0';
	err_set(&e, ERR_USER, "%s", big);
	assert_int_equal(strlen(e.msg), 510);	/* between characters */
	err_prefix(&e, "%s", big);
	assert_true(utf8_valid(e.msg, strlen(e.msg), NULL));
	assert_int_equal(err_set(NULL, ERR_USER, "x"), -1);
	assert_string_equal(err_kind_name(ERR_USER), "user");
	assert_string_equal(err_kind_name(ERR_BROKEN), "broken");
}

#define HOUR_MS	3600000LL

static void
test_durations(void **state)
{
	static const struct { const char *text; int64_t ms; } t[] = {
		{ "12h", 12 * HOUR_MS }, { "720m", 12 * HOUR_MS }, { "90s", 90000 },
		{ "1h30m", HOUR_MS + 30 * 60000 }, { "1d", 24 * HOUR_MS },
		{ "500ms", 500 }, { "0s", 0 }, { "", -1 }, { "12", -1 },
		{ "h", -1 }, { "1x", -1 }, { "-1h", -1 }, { "1h ", -1 },
		{ "99999999999999999999d", 100LL * 365 * 24 * HOUR_MS },
	};
	static const char *const unplanned[] = { "0s", "500ms", "1s500ms",
	    "367d", "24", "soon", "" };

	for (size_t i = 0; i < NELEM(t); i++)
		if (duration_ms(t[i].text) != t[i].ms)
			fail_msg("%s: %lld", t[i].text,
			    (long long)duration_ms(t[i].text));
	assert_int_equal(duration_ms(NULL), -1);
	/* What people plan with has neither no end nor none at all. */
	assert_int_equal(duration_planned_ms("1h30m"), HOUR_MS + 30 * 60000);
	assert_int_equal(duration_planned_ms("1s"), 1000);
	assert_int_equal(duration_planned_ms("366d"), 366 * 24 * HOUR_MS);
	for (size_t i = 0; i < NELEM(unplanned); i++)
		assert_int_equal(duration_planned_ms(unplanned[i]), -1);
}

static void
test_clock(void **state)
{
	static const struct {
		int64_t		 ms;
		const char	*want;
	} ages[] = {
		{ -5, "0s" }, { 999, "0s" }, { 42000, "42s" },
		{ 59999, "59s" }, { 60000, "1m" }, { 300000, "5m" },
		{ 3600000, "1h" }, { 11520000, "3h12m" }, { 86400000, "1d" },
		{ 187200000, "2d4h" }, { INT64_MAX, "99999d7h" },
	};
	char	iso[24], age[16];
	int64_t	mono = clock_mono_ms();
	size_t	i;

	(void)state;
	clock_set_ms(1795539785000);
	assert_int_equal(clock_ms(), 1795539785000);
	assert_string_equal(clock_iso(clock_ms(), iso), "2026-11-24T17:03:05Z");
	clock_set_ms(0);
	assert_int_not_equal(clock_ms(), 1795539785000);
	assert_true(clock_mono_ms() >= mono);
	assert_string_equal(clock_utc(1795539785000, iso), "2026-11-24 17:03 UTC");
	assert_string_equal(clock_iso(0, iso), "1970-01-01T00:00:00Z");
	assert_string_equal(clock_iso(INT64_MAX, iso), "9999-12-31T23:59:59Z");
	for (i = 0; i < NELEM(ages); i++)
		assert_string_equal(clock_age(ages[i].ms, age), ages[i].want);
}

/* What the logging in `say` writes to stderr; yours. */
static char *
capture(void (*say)(void))
{
	struct buf	out = { 0 };
	char		chunk[8192];
	ssize_t		n;
	int		fds[2], saved;

	assert_int_equal(pipe(fds), 0);
	saved = dup(STDERR_FILENO);
	dup2(fds[1], STDERR_FILENO);
	close(fds[1]);
	say();
	dup2(saved, STDERR_FILENO);
	close(saved);
	while ((n = read(fds[0], chunk, sizeof(chunk))) > 0)
		buf_add(&out, chunk, (size_t)n);
	close(fds[0]);
	return buf_take(&out);
}

static void
say_things(void)
{
	log_info("sync", "room %s: a\nb\x1b[31m \x7f\xff ok \xc3\xbc \xc2\x9b\\ \"q\"",
	    "#x");
	log_debug("sync", "not shown");
}

static void
say_much(void)
{
	char	*s = xmalloc(100000);

	memset(s, 'x', 99999);
	s[99999] = '\0';
	log_error("big", "%s", s);
	free(s);
}

static void
test_log(void **state)
{
	enum log_level	 level;
	char		*s;

	(void)state;
	clock_set_ms(1795539785000);
	s = capture(say_things);
	assert_string_equal(s, "2026-11-24T17:03:05Z info sync: room #x: "
	    "a\\x0ab\\x1b[31m \\x7f\\xff ok \xc3\xbc \\xc2\\x9b\\ \"q\"\n");
	free(s);
	log_set_json(true);
	s = capture(say_things);
	assert_string_equal(s, "{\"time\":\"2026-11-24T17:03:05Z\","
	    "\"level\":\"info\",\"subsystem\":\"sync\",\"msg\":\"room #x: "
	    "a\\\\x0ab\\\\x1b[31m \\\\x7f\\\\xff ok \xc3\xbc \\\\xc2\\\\x9b"
	    "\\\\ \\\"q\\\"\"}\n");
	free(s);
	log_set_json(false);
	s = capture(say_much);
	assert_true(strlen(s) < 4200 && strlen(s) > 4000);
	free(s);
	clock_set_ms(0);
	assert_int_equal(log_level_parse("Debug", &level), 0);
	assert_int_equal(level, LOG_LVL_DEBUG);
	assert_int_equal(log_level_parse("loud", &level), -1);
}

static void
test_random(void **state)
{
	char	*a = rand_hex(16), *b = rand_hex(16), *p = rand_password(200);
	double	 x;
	int	 i;

	(void)state;
	assert_int_equal(strlen(a), 32);
	assert_string_not_equal(a, b);
	assert_int_equal(strlen(p), 200);
	assert_int_equal(strspn(p, "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"), 200);
	assert_null(strpbrk(p, "0Oo1lI"));
	for (i = 0; i < 1000; i++) {
		x = rand_unit();
		assert_true(x >= 0 && x < 1);
	}
	free(a);
	free(b);
	secret_free(p);
	secret_free(NULL);
}

static void
test_digests(void **state)
{
	char	 hex[SHA256_HEX], *mac;

	(void)state;
	sha256_hex("abc", 3, hex);
	assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223"
	    "b00361a396177a9cb410ff61f20015ad");
	sha256_hex("", 0, hex);
	assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb924"
	    "27ae41e4649b934ca495991b7852b855");
	/* RFC 2202, case 2 */
	mac = hmac_sha1_hex("Jefe", "what do ya want for nothing?", 28);
	assert_string_equal(mac, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
	free(mac);
	assert_true(secret_equal("same", "same"));
	assert_false(secret_equal("same", "sane"));
	assert_false(secret_equal("same", "same "));
	assert_false(secret_equal(NULL, NULL));
}

static void
test_seal(void **state)
{
	unsigned char	 key[SEAL_KEY_LEN], other[SEAL_KEY_LEN], *sealed, *again;
	struct err	 e;
	char		*s;
	size_t		 n, m, i;

	(void)state;
	rand_bytes(key, sizeof(key));
	rand_bytes(other, sizeof(other));
	sealed = seal(key, "token:dev", "syt_secret", &n);
	again = seal(key, "token:dev", "syt_secret", &m);
	assert_int_equal(n, m);
	assert_memory_not_equal(sealed, again, n);	/* another nonce */
	s = unseal(key, "token:dev", sealed, n, &e);
	assert_string_equal(s, "syt_secret");
	secret_free(s);
	assert_null(unseal(key, "token:qa", sealed, n, &e));
	assert_int_equal(e.kind, ERR_BROKEN);
	assert_null(strstr(e.msg, "syt_"));
	assert_null(unseal(other, "token:dev", sealed, n, &e));
	assert_null(unseal(key, "token:dev", sealed, n - 1, &e));
	assert_null(unseal(key, "token:dev", sealed, 5, &e));
	for (i = 0; i < n; i++) {
		sealed[i] ^= 1;
		assert_null(unseal(key, "token:dev", sealed, n, &e));
		sealed[i] ^= 1;
	}
	free(sealed);
	free(again);
	sealed = seal(key, "empty", "", &n);
	s = unseal(key, "empty", sealed, n, &e);
	assert_string_equal(s, "");
	secret_free(s);
	free(sealed);
}

static void
put_file(const char *path, const char *text, mode_t mode)
{
	int	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_int_not_equal(fd, -1);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	fchmod(fd, mode);
	close(fd);
}

static void
test_key_file(void **state)
{
	char		 dir[] = "/tmp/hiclaw-test-XXXXXX", *path, *cmd;
	unsigned char	 a[SEAL_KEY_LEN], b[SEAL_KEY_LEN];
	struct stat	 st;
	struct err	 e;

	(void)state;
	assert_non_null(mkdtemp(dir));
	path = xasprintf("%s/key", dir);
	log_set_level(LOG_LVL_WARN);
	assert_int_equal(seal_key_load(path, false, a, &e), -1);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(seal_key_load(path, true, a, &e), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_nlink, 1);	/* nothing left beside it */
	assert_int_equal(seal_key_load(path, true, b, &e), 0);
	assert_memory_equal(a, b, sizeof(a));
	chmod(path, 0644);
	assert_int_equal(seal_key_load(path, true, b, &e), -1);
	assert_non_null(strstr(e.msg, "0644"));
	put_file(path, "abcd\n", 0600);
	assert_int_equal(seal_key_load(path, true, b, &e), -1);
	put_file(path, "0123456789abcdef0123456789abcdef"
	    "0123456789abcdef0123456789abcdeg", 0600);
	assert_int_equal(seal_key_load(path, true, b, &e), -1);
	put_file(path, "0123456789abcdef0123456789abcdef"
	    "0123456789ABCDEF0123456789abcdef", 0600);
	assert_int_equal(seal_key_load(path, true, b, &e), 0);
	assert_int_equal(b[0], 0x01);
	assert_int_equal(b[31], 0xef);
	put_file(path, "0123456789abcdef0123456789abcdef"
	    "0123456789abcdef0123456789abcdef\nmore", 0600);
	assert_int_equal(seal_key_load(path, true, b, &e), -1);
	assert_int_equal(seal_key_load(dir, true, b, &e), -1);
	cmd = xasprintf("%s/no/such", dir);
	assert_int_equal(seal_key_load(cmd, true, b, &e), -1);
	free(cmd);
	log_set_level(LOG_LVL_INFO);
	unlink(path);
	rmdir(dir);
	free(path);
}

static void
test_re(void **state)
{
	static const char	name[] = "[a-z0-9]([a-z0-9-]{0,40}[a-z0-9])?";
	char			hostile[64];

	(void)state;
	assert_true(re_match(name, "frontend-dev"));
	assert_true(re_match(name, "a"));
	assert_false(re_match(name, "-a"));
	assert_false(re_match(name, "dev\n"));
	assert_false(re_match(name, "x dev y"));
	assert_true(re_match("^a|b$", "b"));
	assert_false(re_match("^a|b$", "ab"));
	assert_false(re_match("a$", "a\n"));
	assert_false(re_match(".", "\xff"));
	assert_true(re_match(".", "\xc3\xbc"));
	/* would take for ever without a limit */
	memset(hostile, 'a', sizeof(hostile) - 1);
	hostile[sizeof(hostile) - 2] = '!';
	hostile[sizeof(hostile) - 1] = '\0';
	assert_false(re_match("(a+)+b?c*", hostile));
}

/* Exit status of a child with HICLAW_FAULT=spec, or minus its signal. */
static int
fault_child(const char *spec)
{
	pid_t	pid = fork();
	int	status, fd;

	if (pid == 0) {
		fd = open("/dev/null", O_WRONLY);
		dup2(fd, STDERR_FILENO);
		setenv("HICLAW_FAULT", spec, 1);
		fault_init();
		fault("outbox.after-send");
		fault("inbox.stored");
		fault("inbox.stored");
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static void
test_fault(void **state)
{
	(void)state;
	unsetenv("HICLAW_FAULT");
	fault_init();
	fault("inbox.stored");
	assert_int_equal(fault_child(""), 0);
	assert_int_equal(fault_child("inbox.stored"), -9);
	assert_int_equal(fault_child("inbox.stored:2"), -9);
	assert_int_equal(fault_child("inbox.stored:3"), 0);
	assert_int_equal(fault_child("engine.after-ensure"), 0);
	assert_int_equal(fault_child("inbox.stolen"), 78);
	assert_int_equal(fault_child("inbox.stored:0"), 78);
	assert_int_equal(fault_child("inbox.stored:2x"), 78);
	assert_int_equal(fault_child("inbox.stored:"), 78);
}

int
main(void)
{
	const struct CMUnitTest	tests[] = {
		cmocka_unit_test(test_str),
		cmocka_unit_test(test_distance),
		cmocka_unit_test(test_nearest),
		cmocka_unit_test(test_utf8),
		cmocka_unit_test(test_buf),
		cmocka_unit_test(test_strv),
		cmocka_unit_test(test_map),
		cmocka_unit_test(test_shared),
		cmocka_unit_test(test_err),
		cmocka_unit_test(test_clock),
		cmocka_unit_test(test_durations),
		cmocka_unit_test(test_log),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_digests),
		cmocka_unit_test(test_seal),
		cmocka_unit_test(test_key_file),
		cmocka_unit_test(test_re),
		cmocka_unit_test(test_fault),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
