/*
 * The store: what is kept comes back, what must not happen twice does not, and
 * a database that is not ours to use is refused with its reason.
 */
#include "hiclaw/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>
#include <cmocka.h>
#include <sqlite3.h>

#include "hiclaw/clock.h"
#include "hiclaw/log.h"
#include "hiclaw/secure.h"

#define NOW	INT64_C(1700000000000)
#define DAY	INT64_C(86400000)

/* --- a database of its own for each test ---------------------------------- */

struct fix {
	char		*dir, *path, *key;
	struct store	*s;
	struct strv	 seen;		/* what callbacks wrote down */
};

static struct store *
reopen(struct fix *f)
{
	struct err	err = { 0 };

	store_close(f->s);
	f->s = store_open(f->path, f->key, &err);
	if (f->s == NULL)
		fail_msg("%s", err.msg);
	return f->s;
}

static int
setup(void **state)
{
	struct fix	*f = xcalloc(1, sizeof *f);
	const char	*tmp = getenv("TMPDIR");

	log_set_level(LOG_LVL_ERROR);
	clock_set_ms(NOW);
	f->dir = xasprintf("%s/hiclaw-store-XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(f->dir));
	f->path = xasprintf("%s/hiclaw.db", f->dir);
	f->key = xasprintf("%s/hiclaw.key", f->dir);
	*state = f;
	reopen(f);
	return 0;
}

static void
remove_file(const char *path, const char *suffix)
{
	char	*file = xasprintf("%s%s", path, suffix);

	unlink(file);
	free(file);
}

static int
teardown(void **state)
{
	struct fix	*f = *state;

	store_close(f->s);
	remove_file(f->path, "");
	remove_file(f->path, "-wal");
	remove_file(f->path, "-shm");
	remove_file(f->path, ".lock");
	remove_file(f->path, ".copy");
	remove_file(f->key, "");
	remove_file(f->key, ".other");
	assert_int_equal(rmdir(f->dir), 0);
	strv_release(&f->seen);
	free(f->dir);
	free(f->path);
	free(f->key);
	free(f);
	clock_set_ms(0);
	return 0;
}

/* What was seen since the last look, joined by blanks. */
static void
expect_seen(struct fix *f, const char *want)
{
	char	*got = strv_join(&f->seen, " ");

	assert_string_equal(got, want);
	free(got);
	strv_release(&f->seen);
	memset(&f->seen, 0, sizeof f->seen);
}

/* SQL from outside, as another program would. */
static void
outside(struct fix *f, const char *sql)
{
	sqlite3	*db = NULL;

	assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

static int64_t
outside_int(struct fix *f, const char *sql)
{
	sqlite3_stmt	*st = NULL;
	sqlite3		*db = NULL;
	int64_t		 v;

	assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &st, NULL),
	    SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	v = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	sqlite3_close(db);
	return v;
}

static void
expect_refused(struct fix *f, enum err_kind kind, const char *part)
{
	struct err	 err = { 0 };
	struct store	*s = store_open(f->path, f->key, &err);

	assert_null(s);
	if (strstr(err.msg, part) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", err.msg, part);
	assert_int_equal(err.kind, kind);
}

static void
close_store(struct fix *f)
{
	store_close(f->s);
	f->s = NULL;
}

/* --- a copy ------------------------------------------------------------- */

static void
take_kv(struct store *s, const char *key, const char *want)
{
	char	*got = store_kv_get(s, key);

	if (want == NULL)
		assert_null(got);
	else
		assert_string_equal(got, want);
	free(got);
}

static void
count_row(const struct inbox_row *row, void *arg)
{
	(void)row;
	++*(int *)arg;
}

static void
count_out(const struct outbox_row *row, void *arg)
{
	(void)row;
	++*(int *)arg;
}

/* Begun, written to in the middle, finished; then that file is opened. */
static void
test_backup(void **state)
{
	struct fix		*f = *state;
	char			*path = xasprintf("%s/copy.db", f->dir);
	char			*epoch = xstrdup(store_epoch(f->s)), *secret;
	char			 text[40];
	struct err		 err = { 0 };
	struct store_backup	*b;
	struct stat		 st;
	int			 n = 0, steps = 0, rc;

	store_kv_set(f->s, "a", "before");
	store_kv_set(f->s, "feed.token", "s1");
	store_secret_put(f->s, "s", "sealed");
	store_inbox_add(f->s, "$waits", "!r", "{}");
	store_outbox_add(f->s, &(struct outbox_row){ .room = "!r",
	    .op = OUTBOX_SEND, .content = "{}" });
	for (int i = 0; i < 2000; i++) {
		snprintf(text, sizeof text, "fill %d", i);
		store_log_add(f->s, text, "fill", "some more bytes");
	}
	store_commit(f->s);
	store_kv_set(f->s, "a", "not committed");
	b = store_backup_begin(f->s, path, &err);
	if (b == NULL)
		fail_msg("%s", err.msg);
	while ((rc = store_backup_step(b, 10, &err)) == 1) {
		assert_in_range(store_backup_percent(b), 0, 99);
		snprintf(text, sizeof text, "meanwhile %d", steps++);
		store_kv_set(f->s, "a", text);
		store_commit(f->s);
	}
	if (rc == -1)
		fail_msg("%s", err.msg);
	assert_true(steps > 3);
	store_backup_free(b);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	/* Not over another file, and nothing is left of one given up. */
	assert_null(store_backup_begin(f->s, path, &err));
	assert_non_null(strstr(err.msg, "is there already"));
	free(path);
	path = xasprintf("%s/other.db", f->dir);
	b = store_backup_begin(f->s, path, &err);
	assert_non_null(b);
	assert_int_equal(store_backup_step(b, 1, &err), 1);
	store_backup_free(b);
	assert_int_equal(access(path, F_OK), -1);
	remove_file(path, ".part");
	free(path);
	/* As the manual says: in the place of the database. */
	close_store(f);
	remove_file(f->path, "-wal");
	remove_file(f->path, "-shm");
	path = xasprintf("%s/copy.db", f->dir);
	assert_int_equal(rename(path, f->path), 0);
	reopen(f);
	take_kv(f->s, "a", "before");
	take_kv(f->s, "feed.token", NULL);
	secret = store_secret_get(f->s, "s");
	assert_string_equal(secret, "sealed");
	secret_free(secret);
	assert_string_not_equal(store_epoch(f->s), epoch);
	store_inbox_each(f->s, 10, count_row, &n);
	store_outbox_each(f->s, NOW, 10, count_out, &n);
	assert_int_equal(n, 0);
	/* ... but what was seen stays seen. */
	assert_false(store_inbox_add(f->s, "$waits", "!r", "{}"));
	free(path);
	free(epoch);
}

/* --- opening -------------------------------------------------------------- */

static void
test_fresh(void **state)
{
	struct fix	*f = *state;
	struct stat	 st;
	char		*epoch = xstrdup(store_epoch(f->s)), *wal;

	assert_int_equal(strlen(epoch), 12);
	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(stat(f->key, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	wal = xasprintf("%s-wal", f->path);
	assert_int_equal(stat(wal, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	free(wal);

	/* The epoch belongs to the database, not to the process. */
	reopen(f);
	assert_string_equal(store_epoch(f->s), epoch);
	assert_false(store_in_transaction(f->s));
	free(epoch);
}

static void
test_memory(void **state)
{
	struct err	 err;
	struct store	*a = store_open(":memory:", NULL, &err);
	struct store	*b = store_open(":memory:", NULL, &err);
	char		*v;

	(void)state;
	assert_non_null(a);
	assert_non_null(b);
	assert_string_not_equal(store_epoch(a), store_epoch(b));
	store_kv_set(a, "k", "1");
	assert_null(store_kv_get(b, "k"));
	store_secret_put(a, "s", "text");
	v = store_secret_get(a, "s");
	assert_string_equal(v, "text");
	secret_free(v);
	store_close(a);
	store_close(b);
}

static void
test_newer_refused(void **state)
{
	struct fix	*f = *state;

	close_store(f);
	outside(f, "PRAGMA user_version = 4711");
	expect_refused(f, ERR_BROKEN, "version 4711");
	expect_refused(f, ERR_BROKEN, "versions up to ");
	/* Refusing it changed nothing. */
	assert_int_equal(outside_int(f, "PRAGMA user_version"), 4711);
}

static void
test_foreign_refused(void **state)
{
	struct fix	*f = *state;

	close_store(f);
	remove_file(f->path, "");
	outside(f, "CREATE TABLE recipe (cake TEXT)");
	expect_refused(f, ERR_BROKEN, "another program");
}

static void
write_file(const char *path, long at, const char *bytes, size_t len)
{
	FILE	*fp = fopen(path, at == 0 ? "we" : "r+e");

	assert_non_null(fp);
	assert_int_equal(fseek(fp, at, SEEK_SET), 0);
	assert_int_equal(fwrite(bytes, 1, len, fp), len);
	assert_int_equal(fclose(fp), 0);
}

static void
test_garbage_refused(void **state)
{
	struct fix	*f = *state;
	char		 junk[8192];

	close_store(f);
	memset(junk, 'x', sizeof junk);
	write_file(f->path, 0, junk, sizeof junk);
	expect_refused(f, ERR_BROKEN, "corrupt");
}

/* A page in the middle is overwritten while we are down after a crash. */
static void
test_corrupt_refused(void **state)
{
	struct fix	*f = *state;
	char		 junk[4096];
	int		 i;

	for (i = 0; i < 500; i++)
		store_log_add(f->s, "Worker/a", "failed",
		    "0123456789012345678901234567890123");
	store_commit(f->s);
	close_store(f);
	outside(f, "DELETE FROM kv WHERE key = 'store.clean';"
	    "PRAGMA wal_checkpoint(TRUNCATE)");
	memset(junk, 0x5a, sizeof junk);
	/* After the roots come leaves of log, which opening does not read. */
	i = (int)outside_int(f, "SELECT max(pgno) FROM"
	    " (SELECT rootpage AS pgno FROM sqlite_schema)");
	write_file(f->path, 4096L * (i + 1), junk, sizeof junk);
	expect_refused(f, ERR_BROKEN, "corrupt");
}

static void
test_unclean_checked(void **state)
{
	struct fix	*f = *state;

	close_store(f);
	outside(f, "DELETE FROM kv WHERE key = 'store.clean'");
	assert_non_null(reopen(f));
}

static void
test_wrong_key(void **state)
{
	struct fix	*f = *state;
	char		*other = xasprintf("%s.other", f->key);

	store_secret_put(f->s, "a", "sealed");
	store_commit(f->s);
	close_store(f);
	assert_int_equal(rename(f->key, other), 0);

	/* A missing key is not made anew: it would open nothing. */
	expect_refused(f, ERR_BROKEN, f->key);
	assert_int_equal(access(f->key, F_OK), -1);

	write_file(f->key, 0, "00000000000000000000000000000000"
	    "00000000000000000000000000000000\n", 65);
	assert_int_equal(chmod(f->key, 0600), 0);
	expect_refused(f, ERR_BROKEN, "does not open the secrets");

	assert_int_equal(rename(other, f->key), 0);
	reopen(f);
	other[0] = '\0';
	free(other);
	other = store_secret_get(f->s, "a");
	assert_string_equal(other, "sealed");
	secret_free(other);
}

/* The key outlives a lost database. */
static void
test_key_kept(void **state)
{
	struct fix	*f = *state;
	char		 before[80] = "", after[80] = "";
	FILE		*fp;

	assert_non_null(fp = fopen(f->key, "re"));
	assert_non_null(fgets(before, sizeof before, fp));
	fclose(fp);
	close_store(f);
	remove_file(f->path, "");
	reopen(f);
	assert_non_null(fp = fopen(f->key, "re"));
	assert_non_null(fgets(after, sizeof after, fp));
	fclose(fp);
	assert_string_equal(before, after);
}

static void
test_locked(void **state)
{
	struct fix	*f = *state;
	char		 pid[32];
	int		 status;
	pid_t		 child;

	snprintf(pid, sizeof pid, "process %ld", (long)getpid());
	child = fork();
	assert_int_not_equal(child, -1);
	if (child == 0) {
		struct err	 err = { 0 };
		struct store	*s = store_open(f->path, f->key, &err);

		_exit(s == NULL && err.kind == ERR_CONFLICT &&
		    strstr(err.msg, pid) != NULL ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	/* Nor twice in one process; free again once closed. */
	expect_refused(f, ERR_CONFLICT, pid);
	close_store(f);
	reopen(f);
}

static void
test_no_directory(void **state)
{
	struct err	err = { 0 };

	(void)state;
	assert_null(store_open("/nonexistent/dir/x.db", "/nonexistent/k",
	    &err));
	assert_int_equal(err.kind, ERR_USER);
	assert_non_null(strstr(err.msg, "/nonexistent/dir/x.db"));
	assert_non_null(strstr(err.msg, "`database`"));
}

/* --- transactions --------------------------------------------------------- */

static void
expect_kv(struct store *s, const char *key, const char *want)
{
	char	*v = store_kv_get(s, key);

	if (want == NULL)
		assert_null(v);
	else
		assert_string_equal(v, want);
	free(v);
}

static void
test_transactions(void **state)
{
	struct fix	*f = *state;
	struct store	*s = f->s;

	store_commit(s);		/* without one: nothing */
	store_rollback(s);
	store_kv_set(s, "a", "1");	/* opens one by itself */
	assert_true(store_in_transaction(s));
	store_begin(s);			/* no effect */
	store_kv_set(s, "b", "2");
	expect_kv(s, "b", "2");
	assert_int_equal(outside_int(f,
	    "SELECT count(*) FROM kv WHERE key IN ('a', 'b')"), 0);
	store_commit(s);
	assert_false(store_in_transaction(s));
	assert_int_equal(outside_int(f,
	    "SELECT count(*) FROM kv WHERE key IN ('a', 'b')"), 2);

	store_begin(s);
	store_kv_set(s, "a", "changed");
	store_kv_set(s, "b", NULL);
	expect_kv(s, "b", NULL);
	store_rollback(s);
	assert_false(store_in_transaction(s));
	expect_kv(s, "a", "1");
	expect_kv(s, "b", "2");

	/* What was not committed when we go is gone. */
	store_kv_set(s, "c", "3");
	s = reopen(f);
	expect_kv(s, "a", "1");
	expect_kv(s, "c", NULL);
}

static void
test_killed(void **state)
{
	struct fix	*f = *state;
	int		 status;
	pid_t		 child;

	close_store(f);
	child = fork();
	assert_int_not_equal(child, -1);
	if (child == 0) {
		struct err	 err;
		struct store	*s = store_open(f->path, f->key, &err);

		if (s == NULL)
			_exit(1);
		store_kv_set(s, "kept", "1");
		store_commit(s);
		store_kv_set(s, "lost", "1");
		raise(SIGKILL);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	reopen(f);
	expect_kv(f->s, "kept", "1");
	expect_kv(f->s, "lost", NULL);
}

/* A full disk, as a limit on the size of files. */
static void
test_full_disk_ends(void **state)
{
	struct fix	*f = *state;
	int		 status;
	pid_t		 child;

	close_store(f);
	child = fork();
	assert_int_not_equal(child, -1);
	if (child == 0) {
		struct rlimit	 limit = { 400000, 400000 };
		struct err	 err;
		struct store	*s = store_open(f->path, f->key, &err);
		char		*big = xmalloc(1000001);

		if (s == NULL || freopen("/dev/null", "w", stderr) == NULL)
			_exit(1);
		memset(big, 'x', 1000000);
		big[1000000] = '\0';
		signal(SIGXFSZ, SIG_IGN);
		setrlimit(RLIMIT_FSIZE, &limit);
		store_kv_set(s, "big", big);
		store_commit(s);
		_exit(2);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), EX_IOERR);
	reopen(f);
	expect_kv(f->s, "big", NULL);
}

/* --- resources and objects ------------------------------------------------ */

static void
see_resource(const struct resource_row *r, void *arg)
{
	struct fix	*f = arg;

	strv_addf(&f->seen, "%s/%s:%s:%s:g%lld:r%lld:%lld:%lld%s", r->kind,
	    r->name, r->metadata, r->spec, (long long)r->generation,
	    (long long)r->revision, (long long)r->created_ms,
	    (long long)r->updated_ms, r->deleting ? ":deleting" : "");
}

static void
see_revision(const struct revision_row *r, void *arg)
{
	struct fix	*f = arg;

	strv_addf(&f->seen, "r%lld:%s/%s:%s:g%lld:%s", (long long)r->revision,
	    r->kind, r->name, r->spec != NULL ? r->spec : "gone",
	    (long long)r->generation, r->actor);
	assert_int_equal(r->at_ms, NOW);
}

static void
test_resources(void **state)
{
	struct fix		*f = *state;
	struct resource_row	 r = {
		.kind = "Worker", .name = "bob", .metadata = "{\"name\":\"bob\"}",
		.spec = "{\"a\":1}", .generation = 1, .created_ms = 10,
		.updated_ms = 11,
	};

	assert_int_equal(store_resource_put(f->s, &r, "@a:x"), 1);
	r.spec = "{\"a\":2}";
	r.generation = 2;
	r.updated_ms = 12;
	assert_int_equal(store_resource_put(f->s, &r, "@b:x"), 2);
	r.kind = "Team";
	r.name = "t";
	r.metadata = "{}";
	r.deleting = true;
	assert_int_equal(store_resource_put(f->s, &r, "@a:x"), 3);

	store_commit(f->s);
	reopen(f);
	store_resources_each(f->s, see_resource, f);
	expect_seen(f, "Team/t:{}:{\"a\":2}:g2:r3:10:12:deleting "
	    "Worker/bob:{\"name\":\"bob\"}:{\"a\":2}:g2:r2:10:12");

	store_resource_remove(f->s, "Worker", "bob", "@c:x");
	store_resource_remove(f->s, "Worker", "nobody", "@c:x");
	store_resources_each(f->s, see_resource, f);
	expect_seen(f, "Team/t:{}:{\"a\":2}:g2:r3:10:12:deleting");

	store_revisions_each(f->s, "Worker", "bob", 10, see_revision, f);
	expect_seen(f, "r4:Worker/bob:gone:g2:@c:x "
	    "r2:Worker/bob:{\"a\":2}:g2:@b:x r1:Worker/bob:{\"a\":1}:g1:@a:x");
	store_revisions_each(f->s, NULL, NULL, 2, see_revision, f);
	expect_seen(f, "r4:Worker/bob:gone:g2:@c:x r3:Team/t:{\"a\":2}:g2:@a:x");
	store_revisions_each(f->s, "Team", NULL, 10, see_revision, f);
	expect_seen(f, "r3:Team/t:{\"a\":2}:g2:@a:x");
}

static void
see_object(const struct object_row *r, void *arg)
{
	struct fix	*f = arg;

	strv_addf(&f->seen, "%s:%s:%s:%s:%s", r->key, r->owner,
	    r->desired != NULL ? r->desired : "-",
	    r->observed != NULL ? r->observed : "-", r->deps);
}

static void
test_objects(void **state)
{
	struct fix		*f = *state;
	struct object_row	 r = {
		.key = "room:b", .owner = "Team/b", .desired = "{\"d\":1}",
		.deps = "agent:x",
	};

	store_object_put(f->s, &r);
	r.key = "agent:a";
	r.owner = r.deps = "";
	store_object_put(f->s, &r);
	store_object_observed(f->s, "agent:a", "{\"o\":1}");
	store_object_observed(f->s, "agent:none", "{}");
	store_commit(f->s);
	reopen(f);
	store_objects_each(f->s, see_object, f);
	expect_seen(f, "agent:a::{\"d\":1}:{\"o\":1}: "
	    "room:b:Team/b:{\"d\":1}:-:agent:x");

	/* Putting a row again replaces all of it. */
	r.desired = NULL;
	r.observed = "{}";
	store_object_put(f->s, &r);
	store_object_observed(f->s, "room:b", NULL);
	store_objects_each(f->s, see_object, f);
	expect_seen(f, "agent:a::-:{}: room:b:Team/b:{\"d\":1}:-:agent:x");
	store_object_remove(f->s, "room:b");
	store_objects_each(f->s, see_object, f);
	expect_seen(f, "agent:a::-:{}:");
}

/* --- secrets -------------------------------------------------------------- */

static void
expect_secret(struct store *s, const char *name, const char *want)
{
	char	*v = store_secret_get(s, name);

	if (want == NULL)
		assert_null(v);
	else
		assert_string_equal(v, want);
	secret_free(v);
}

static void
test_secrets(void **state)
{
	struct fix	*f = *state;
	struct store	*s = f->s;

	expect_secret(s, "human:jo/password", NULL);
	store_secret_put(s, "human:jo/password", "one");
	store_secret_put(s, "human:jo/password", "two");
	store_secret_put(s, "human:joe/password", "joe");
	store_secret_put(s, "human:jo/\xf0\x9f\x94\x91", "key");
	store_commit(s);
	s = reopen(f);
	expect_secret(s, "human:jo/password", "two");
	assert_int_equal(outside_int(f, "SELECT count(*) FROM secret"
	    " WHERE instr(sealed, CAST('two' AS BLOB)) > 0"), 0);
	store_secrets_remove(s, "human:jo/");
	expect_secret(s, "human:jo/password", NULL);
	expect_secret(s, "human:jo/\xf0\x9f\x94\x91", NULL);
	expect_secret(s, "human:joe/password", "joe");
	store_secret_remove(s, "human:joe/password");
	expect_secret(s, "human:joe/password", NULL);
}

/* --- inbox ---------------------------------------------------------------- */

static void
see_inbox(const struct inbox_row *r, void *arg)
{
	struct fix	*f = arg;

	strv_addf(&f->seen, "%lld:%s:%s:%s", (long long)r->id, r->event_id,
	    r->room_id, r->json);
}

static void
test_txns(void **state)
{
	struct fix	*f = *state;
	char		 id[32];
	int		 i;

	assert_false(store_txn_seen(f->s, "1", "aaaa"));
	assert_true(store_txn_seen(f->s, "1", "aaaa"));
	/* A homeserver with a new database counts from 1 again. */
	assert_false(store_txn_seen(f->s, "1", "bbbb"));
	store_commit(f->s);
	reopen(f);
	assert_true(store_txn_seen(f->s, "1", "bbbb"));
	for (i = 2; i < 1001; i++) {
		snprintf(id, sizeof id, "%d", i);
		assert_false(store_txn_seen(f->s, id, "cccc"));
	}
	assert_true(store_txn_seen(f->s, "1", "bbbb"));
	assert_true(store_txn_seen(f->s, "2", "cccc"));
	assert_false(store_txn_seen(f->s, "1", "aaaa"));	/* 1001 ago */
}

static void
test_inbox(void **state)
{
	struct fix	*f = *state;
	struct store	*s = f->s;

	assert_true(store_inbox_add(s, "$1", "!r", "{\"n\":1}"));
	assert_false(store_inbox_add(s, "$1", "!r", "{\"n\":\"other\"}"));
	assert_true(store_inbox_add(s, "$2", "!r", "{\"n\":2}"));
	assert_true(store_inbox_add(s, "$3", "!r", "{\"n\":3}"));
	assert_int_equal(store_inbox_each(s, 2, see_inbox, f), 2);
	expect_seen(f, "1:$1:!r:{\"n\":1} 2:$2:!r:{\"n\":2}");
	store_inbox_done(s, 1);
	store_commit(s);
	s = reopen(f);
	assert_false(store_inbox_add(s, "$1", "!r", "{}"));
	assert_int_equal(store_inbox_each(s, 10, see_inbox, f), 2);
	expect_seen(f, "2:$2:!r:{\"n\":2} 3:$3:!r:{\"n\":3}");
}

/* What is noted of an event lives as long as its id. */
static void
test_inbox_note(void **state)
{
	struct fix	*f = *state;
	char		*note;

	/* As version 3 left it. */
	assert_true(store_inbox_add(f->s, "$1", "!r", "{}"));
	store_commit(f->s);
	close_store(f);
	outside(f, "ALTER TABLE inbox DROP COLUMN note;"
	    "PRAGMA user_version = 3");
	reopen(f);
	assert_null(store_inbox_noted(f->s, "$1"));
	store_inbox_note(f->s, "$1", "{\"by\":\"@ann:x.org\"}");
	store_inbox_note(f->s, "$never", "{}");
	store_inbox_done(f->s, 1);
	store_commit(f->s);
	reopen(f);
	note = store_inbox_noted(f->s, "$1");
	assert_string_equal(note, "{\"by\":\"@ann:x.org\"}");
	free(note);
	assert_null(store_inbox_noted(f->s, "$never"));
}

static void
test_inbox_trimmed(void **state)
{
	struct fix	*f = *state;
	struct store	*s = f->s;
	char		 id[32];
	int		 i;

	for (i = 1; i <= 102000; i++) {
		snprintf(id, sizeof id, "$%d", i);
		assert_true(store_inbox_add(s, id, "!r", "{}"));
		if (i != 7)
			store_inbox_done(s, i);
	}
	/* The newest are remembered, the oldest not, what waits always. */
	assert_false(store_inbox_add(s, "$2001", "!r", "{}"));
	assert_true(store_inbox_add(s, "$2000", "!r", "{}"));
	assert_false(store_inbox_add(s, "$7", "!r", "{}"));
	assert_int_equal(store_inbox_each(s, 10, see_inbox, f), 2);
	expect_seen(f, "7:$7:!r:{} 102001:$2000:!r:{}");
}

/* --- outbox --------------------------------------------------------------- */

static const char *const op_names[] = { "send", "edit", "redact", "react" };

static void
see_outbox(const struct outbox_row *r, void *arg)
{
	struct fix	*f = arg;
	char		 txn[64];

	snprintf(txn, sizeof txn, "%s.%lld", store_epoch(f->s),
	    (long long)r->id);
	assert_string_equal(r->txn_id, txn);
	assert_null(r->event_id);
	strv_addf(&f->seen, "%lld%s%s%s", (long long)r->id,
	    r->state == OUTBOX_SENDING ? "*" : "",
	    r->op == OUTBOX_SEND ? "=" : op_names[r->op],
	    r->content != NULL ? r->content : "-");
}

static void
expect_due(struct fix *f, int64_t now, const char *want)
{
	store_outbox_each(f->s, now, 64, see_outbox, f);
	expect_seen(f, want);
}

static int64_t
add(struct fix *f, const char *room, const char *content)
{
	struct outbox_row	r = { .room = room, .content = content };

	return store_outbox_add(f->s, &r);
}

static int64_t
add_to(struct fix *f, enum outbox_op op, int64_t target, int64_t not_before)
{
	struct outbox_row	r = {
		.room = "!a", .op = op, .content = "", .target = target,
		.not_before_ms = not_before,
	};

	return store_outbox_add(f->s, &r);
}

static int64_t
add_reply(struct fix *f, int64_t thread)
{
	struct outbox_row	r = {
		.room = "!a", .content = "reply", .thread = thread,
	};

	return store_outbox_add(f->s, &r);
}

static void
expect_event(struct fix *f, int64_t id, const char *want)
{
	char	*v = store_outbox_event(f->s, id);

	if (want == NULL)
		assert_null(v);
	else
		assert_string_equal(v, want);
	free(v);
}

static void
test_outbox_road(void **state)
{
	struct fix	*f = *state;

	assert_int_equal(add(f, "!a", "one"), 1);
	assert_int_equal(add(f, "room:admin", "two"), 2);
	assert_int_equal(add(f, "!a", "three"), 3);
	expect_due(f, NOW, "1=one 2=two 3=three");
	assert_int_equal(store_outbox_each(f->s, NOW, 1, see_outbox, f), 1);
	expect_seen(f, "1=one");
	store_outbox_sending(f->s, 1);
	expect_due(f, NOW, "1*=one 2=two 3=three");
	expect_event(f, 1, NULL);

	/* Killed on the way: it may have left, and is given again. */
	store_commit(f->s);
	reopen(f);
	expect_due(f, NOW, "1*=one 2=two 3=three");
	store_outbox_sent(f->s, 1, "$one");
	expect_due(f, NOW, "2=two 3=three");
	expect_event(f, 1, "$one");
	assert_int_equal(store_outbox_find(f->s, "$one"), 1);
	assert_int_equal(store_outbox_find(f->s, "$two"), 0);
	store_commit(f->s);
	assert_int_equal(outside_int(f,
	    "SELECT count(*) FROM outbox WHERE content IS NOT NULL"), 2);

	store_outbox_failed(f->s, 2, "forbidden");
	store_outbox_sending(f->s, 3);
	store_outbox_retry(f->s, 3, NOW + 500);
	expect_due(f, NOW, "");
	assert_int_equal(store_outbox_next_due(f->s, NOW), NOW + 500);
	expect_due(f, NOW + 500, "3=three");
	assert_int_equal(store_outbox_next_due(f->s, NOW + 500), 0);
	/* What is over stays over. */
	store_outbox_sending(f->s, 2);
	store_outbox_retry(f->s, 1, 0);
	expect_due(f, NOW + 500, "3=three");
}

static void
test_outbox_waits(void **state)
{
	struct fix		*f = *state;
	struct outbox_row	 by_event = {
		.room = "!a", .op = OUTBOX_REACT, .content = "",
		.target_event = "$theirs",
	};

	add(f, "!a", "one");				/* 1 */
	add_to(f, OUTBOX_EDIT, 1, 0);			/* 2 */
	add_to(f, OUTBOX_REDACT, 1, NOW + 1000);	/* 3 */
	add_to(f, OUTBOX_REACT, 1, 0);			/* 4 */
	add_reply(f, 1);				/* 5 */
	add(f, "!a", "six");				/* 6 */
	store_outbox_add(f->s, &by_event);		/* 7 */
	expect_due(f, NOW, "1=one 6=six 7react");
	store_outbox_sending(f->s, 1);
	expect_due(f, NOW, "1*=one 6=six 7react");
	store_outbox_sent(f->s, 1, "$1");
	expect_due(f, NOW, "2edit 4react 5=reply 6=six 7react");
	/* The delayed redaction holds nobody back. */
	store_outbox_sent(f->s, 2, "$2");
	expect_due(f, NOW + 999, "4react 5=reply 6=six 7react");
	expect_due(f, NOW + 1000, "3redact 4react 5=reply 6=six 7react");
	assert_int_equal(store_outbox_next_due(f->s, NOW), NOW + 1000);
}

static void
test_outbox_lost_target(void **state)
{
	struct fix	*f = *state;

	add(f, "!a", "one");			/* 1 */
	add_to(f, OUTBOX_EDIT, 1, 0);		/* 2 */
	add_reply(f, 1);			/* 3 */
	store_outbox_failed(f->s, 1, "forbidden");
	/* The edit goes with it, the reply goes alone. */
	expect_due(f, NOW, "3=reply");
	add_to(f, OUTBOX_REACT, 1, 0);
	add_to(f, OUTBOX_REDACT, 99, 0);
	store_outbox_update(f->s, 1, "again", 0);
	store_outbox_update(f->s, 99, "again", 0);
	expect_due(f, NOW, "3=reply");
	store_commit(f->s);
	assert_int_equal(outside_int(f,
	    "SELECT count(*) FROM outbox WHERE state = 3 AND why <> ''"), 4);
}

/* Ids are never given twice, whatever became of the row. */
static void
test_outbox_ids(void **state)
{
	struct fix	*f = *state;

	add(f, "!a", "one");
	add(f, "!a", "two");
	store_commit(f->s);
	close_store(f);
	outside(f, "DELETE FROM outbox");
	reopen(f);
	assert_int_equal(add(f, "!a", "three"), 3);
}

static void
test_outbox_update(void **state)
{
	struct fix	*f = *state;

	/* PENDING: says the new text at once. */
	add(f, "!a", "v1");
	store_outbox_update(f->s, 1, "v2", NOW + 1000);
	expect_due(f, NOW, "1=v2");

	/* SENDING: may have left; an edit that waits for it. */
	store_outbox_sending(f->s, 1);
	store_outbox_update(f->s, 1, "v3", NOW + 1000);
	expect_due(f, NOW + 1000, "1*=v2");
	store_outbox_update(f->s, 1, "v4", NOW + 9000);
	expect_due(f, NOW + 1000, "1*=v2");

	/* Tried and back to PENDING: still may have left. */
	store_outbox_retry(f->s, 1, 0);
	store_outbox_update(f->s, 1, "v5", NOW + 9000);
	expect_due(f, NOW + 1000, "1=v2");
	store_outbox_sending(f->s, 1);

	/* SENT: the edit is due at the time first given to it. */
	store_outbox_sent(f->s, 1, "$1");
	expect_due(f, NOW + 999, "");
	expect_due(f, NOW + 1000, "2editv5");

	/* The edit leaves: the next text is a new one, behind it. */
	store_outbox_sending(f->s, 2);
	store_outbox_update(f->s, 1, "v6", 0);
	expect_due(f, NOW + 1000, "2*editv5");
	store_outbox_retry(f->s, 2, NOW + 5000);
	expect_due(f, NOW + 1000, "");
	store_outbox_update(f->s, 1, "v7", 0);
	store_outbox_sent(f->s, 2, "$2");
	expect_due(f, NOW + 1000, "3editv7");

	/* A failed edit does not end it. */
	store_outbox_failed(f->s, 3, "no");
	store_outbox_update(f->s, 1, "v8", 0);
	expect_due(f, NOW, "4editv8");
	/* Edits are of the message, not of its edits. */
	store_outbox_update(f->s, 4, "wrong", 0);
	expect_due(f, NOW, "4editv8");
}

static void
see_file(const struct outbox_row *r, void *arg)
{
	struct fix	*f = arg;

	if (r->file == NULL)
		strv_addf(&f->seen, "%s", r->content);
	else
		strv_addf(&f->seen, "%s:%s:%s:%zu:%02x", r->content,
		    r->file_name, r->file_type, r->file_len,
		    ((const unsigned char *)r->file)[1]);
}

static void
test_outbox_file(void **state)
{
	struct fix		*f = *state;
	struct outbox_row	 r = {
		.room = "!a", .content = "{}", .file_name = "n",
		.file_type = "t/t", .file = "a\0b\xff", .file_len = 4,
	};

	store_outbox_add(f->s, &r);
	store_commit(f->s);
	reopen(f);
	store_outbox_each(f->s, NOW, 1, see_file, f);
	expect_seen(f, "{}:n:t/t:4:00");
	store_outbox_sending(f->s, 1);
	store_outbox_uploaded(f->s, 1, "{\"url\":\"mxc\"}");
	store_outbox_each(f->s, NOW, 1, see_file, f);
	expect_seen(f, "{\"url\":\"mxc\"}");
}

/* A room that cannot be written to does not starve the others. */
static void
test_outbox_share(void **state)
{
	struct fix	*f = *state;
	int		 i;

	for (i = 0; i < 100; i++)
		add(f, "room:admin", "a");
	add(f, "!dm", "b");			/* 101 */
	add(f, "!dm", "c");			/* 102 */
	assert_int_equal(store_outbox_each(f->s, NOW, 4, see_outbox, f), 4);
	expect_seen(f, "1=a 2=a 101=b 102=c");
	assert_int_equal(store_outbox_each(f->s, NOW, 0, see_outbox, f), 0);
}

static void
test_outbox_trimmed(void **state)
{
	struct fix		*f = *state;
	struct proposal_row	 q = {
		.room = "!a", .sender = "@a:x", .action = "{}", .rule = "{}",
		.plan_hash = "", .message = 1,
		.expires_ms = NOW + 100 * DAY,
	};
	struct run_row		 run = { .live_message = 2 };
	struct receipt_row	 receipt = { 1, "", "h", "{}", 3 };
	char			 event[32];
	int			 i;

	for (i = 1; i <= 999; i++) {
		if (i == 5)
			add_to(f, OUTBOX_REDACT, 4, NOW + 99 * DAY);
		else if (i == 6)
			add_reply(f, 9);
		else
			add(f, "!a", "x");
		if (i >= 5 && i <= 7)
			continue;	/* unfinished */
		snprintf(event, sizeof event, "$%d", i);
		clock_set_ms(i == 8 ? NOW + 2 * DAY : NOW);
		store_outbox_sent(f->s, i, event);
	}
	store_proposal_add(f->s, &q);
	store_run_add(f->s, &run);
	store_receipt_add(f->s, &receipt);
	clock_set_ms(NOW + 31 * DAY);
	assert_int_equal(add(f, "!a", "last"), 1000);
	expect_event(f, 1, "$1");	/* an open proposal */
	expect_event(f, 2, "$2");	/* a running run */
	expect_event(f, 3, "$3");	/* a receipt */
	expect_event(f, 4, "$4");	/* target of a row to be sent */
	expect_event(f, 8, "$8");	/* not yet old */
	expect_event(f, 9, "$9");	/* thread of a row to be sent */
	expect_event(f, 10, NULL);
	store_commit(f->s);
	/* ... and 5, 6, 7 and 1000, which are unfinished. */
	assert_int_equal(outside_int(f, "SELECT count(*) FROM outbox"), 10);
}

/* --- runs, proposals, receipts, log --------------------------------------- */

static void
see_run(const struct run_row *r, void *arg)
{
	struct fix	*f = arg;

	strv_addf(&f->seen, "%lld:%s:%s:%s:%s:%s:%s:%s:%lld:%s:%lld:%lld",
	    (long long)r->id, r->actor, r->room,
	    r->command_event != NULL ? r->command_event : "-", r->title,
	    r->plan_hash, r->resources, r->objects,
	    (long long)r->live_message, r->state, (long long)r->started_ms,
	    (long long)r->ended_ms);
}

static void
test_runs(void **state)
{
	struct fix	*f = *state;
	struct run_row	 r = {
		.actor = "@a:x", .room = "!a", .command_event = "$c",
		.title = "t", .plan_hash = "h", .resources = "{}",
		.objects = "[]", .state = "running", .started_ms = 5,
	};

	assert_int_equal(store_run_add(f->s, &r), 1);
	r.command_event = NULL;
	assert_int_equal(store_run_add(f->s, &r), 2);
	assert_int_equal(store_run_add(f->s, &r), 3);
	store_run_live(f->s, 1, 17);
	store_run_end(f->s, 2, "done");
	store_commit(f->s);
	reopen(f);
	store_runs_each(f->s, true, 0, see_run, f);
	expect_seen(f, "1:@a:x:!a:$c:t:h:{}:[]:17:running:5:0 "
	    "3:@a:x:!a:-:t:h:{}:[]:0:running:5:0");
	store_run_end(f->s, 1, "failed");
	store_runs_each(f->s, false, 2, see_run, f);
	expect_seen(f, "3:@a:x:!a:-:t:h:{}:[]:0:running:5:0 "
	    "2:@a:x:!a:-:t:h:{}:[]:0:done:5:1700000000000");
}

static void
see_proposal(const struct proposal_row *r, void *arg)
{
	struct fix	*f = arg;

	strv_addf(&f->seen, "%lld:%s:%s:%s:%s:%s:%s:%lld/%lld:%lld-%lld:%d:%s:"
	    "%lld", (long long)r->id, r->room, r->sender,
	    r->command_event != NULL ? r->command_event : "-", r->action,
	    r->rule, r->plan_hash, (long long)r->message,
	    (long long)r->admin_message, (long long)r->asked_ms,
	    (long long)r->expires_ms, r->waits,
	    r->closed != NULL ? r->closed : "-", (long long)r->run);
}

static void
close_proposal(const struct proposal_row *r, void *arg)
{
	struct fix	*f = arg;

	strv_addf(&f->seen, "%lld", (long long)r->id);
	assert_true(store_proposal_close(f->s, r->id, "expired"));
}

static void
test_proposals(void **state)
{
	struct fix		*f = *state;
	struct proposal_row	 p = {
		.room = "!a", .sender = "@a:x", .command_event = "$c",
		.action = "{}", .rule = "[]", .plan_hash = "h", .asked_ms = 1,
		.expires_ms = 100,
	};

	assert_int_equal(store_proposal_add(f->s, &p), 1);
	p.expires_ms = 200;
	p.room = "!b";
	p.command_event = "$d";
	assert_int_equal(store_proposal_add(f->s, &p), 2);
	p.sender = "@b:x";
	assert_int_equal(store_proposal_add(f->s, &p), 3);
	store_proposal_messages(f->s, 2, 9, 10);
	store_commit(f->s);
	reopen(f);

	assert_int_equal(store_proposal_get(f->s, 2, see_proposal, f), 1);
	expect_seen(f, "2:!b:@a:x:$d:{}:[]:h:9/10:1-200:0:-:0");
	assert_int_equal(store_proposal_get(f->s, 77, see_proposal, f), 0);
	assert_int_equal(store_proposal_of_message(f->s, 9), 2);
	assert_int_equal(store_proposal_of_message(f->s, 10), 2);
	assert_int_equal(store_proposal_of_message(f->s, 11), 0);
	assert_int_equal(store_proposal_of_message(f->s, 0), 0);

	/* The newest of this person: in any room, in this one, of a command. */
	assert_int_equal(store_proposal_of(f->s, "@a:x", NULL, NULL, 50), 2);
	assert_int_equal(store_proposal_of(f->s, "@a:x", "!a", NULL, 50), 1);
	assert_int_equal(store_proposal_of(f->s, "@a:x", NULL, "$c", 50), 1);
	assert_int_equal(store_proposal_of(f->s, "@a:x", "!a", NULL, 100), 0);
	assert_int_equal(store_proposal_of(f->s, "@c:x", NULL, NULL, 50), 0);
	assert_int_equal(store_proposal_of(f->s, "@b:x", NULL, "$c", 50), 0);

	/* Closed by one, and only one. */
	assert_true(store_proposal_close(f->s, 2, "approved"));
	assert_false(store_proposal_close(f->s, 2, "denied"));
	assert_false(store_proposal_close(f->s, 77, "denied"));
	store_proposal_run(f->s, 2, 12);
	assert_int_equal(store_proposal_get(f->s, 2, see_proposal, f), 1);
	expect_seen(f, "2:!b:@a:x:$d:{}:[]:h:9/10:1-200:0:approved:12");
	assert_int_equal(store_proposal_of(f->s, "@a:x", "!b", NULL, 50), 0);

	/* What waits for its time is open longer than it could be decided. */
	store_proposals_open(f->s, 99, close_proposal, f);
	expect_seen(f, "");
	store_proposal_waits(f->s, 3, true);
	assert_int_equal(store_proposal_of(f->s, "@b:x", NULL, NULL, 999), 3);
	store_proposals_open(f->s, 100, close_proposal, f);
	expect_seen(f, "1 3");
	store_proposals_open(f->s, 0, close_proposal, f);
	expect_seen(f, "");
}

static void
see_decision(const struct decision_row *r, void *arg)
{
	struct fix	*f = arg;

	strv_addf(&f->seen, "%lld:%s:%s:%s:%s:%s:%d", (long long)r->proposal,
	    r->user, r->verdict, r->way, r->event,
	    r->reason != NULL ? r->reason : "-", r->override);
}

static void
test_decisions(void **state)
{
	struct fix		*f = *state;
	struct decision_row	 d = {
		.proposal = 1, .user = "@b:x", .verdict = "approve",
		.way = "tap", .event = "$1", .plan_hash = "h", .at_ms = 5,
	};

	store_decision_put(f->s, &d);
	d.user = "@a:x";
	d.event = "$2";
	d.at_ms = 4;
	store_decision_put(f->s, &d);
	/* A later one takes the place of the earlier. */
	d.verdict = "hold";
	d.way = "command";
	d.event = "$3";
	d.reason = "lunch";
	d.override = true;
	d.at_ms = 6;
	store_decision_put(f->s, &d);
	assert_false(store_decision_first(f->s, &d));
	d.proposal = 2;
	assert_true(store_decision_first(f->s, &d));
	store_commit(f->s);
	reopen(f);
	store_decisions_each(f->s, 1, see_decision, f);
	expect_seen(f, "1:@b:x:approve:tap:$1:-:0 "
	    "1:@a:x:hold:command:$3:lunch:1");
	assert_int_equal(store_decision_of(f->s, "$2", see_decision, f), 0);
	assert_int_equal(store_decision_of(f->s, "$1", see_decision, f), 1);
	expect_seen(f, "1:@b:x:approve:tap:$1:-:0");
	assert_true(store_decision_remove(f->s, 1, "@b:x"));
	assert_false(store_decision_remove(f->s, 1, "@b:x"));
}

static void
see_receipt(const struct receipt_row *r, void *arg)
{
	struct fix	*f = arg;

	strv_addf(&f->seen, "%lld:%s:%s:%s:%lld", (long long)r->seq, r->prev,
	    r->hash, r->content, (long long)r->outbox);
}

static void
test_receipts(void **state)
{
	struct fix		*f = *state;
	struct receipt_row	 r = { 1, "", "h1", "{}", 4 };
	int64_t			 seq = 99;
	char			*hash;

	hash = store_receipt_head(f->s, &seq);
	assert_string_equal(hash, "");
	assert_int_equal(seq, 0);
	free(hash);
	store_receipt_add(f->s, &r);
	r = (struct receipt_row){ 2, "h1", "h2", "{}", 5 };
	store_receipt_add(f->s, &r);
	r = (struct receipt_row){ 3, "h2", "h3", "{}", 6 };
	store_receipt_add(f->s, &r);
	store_commit(f->s);
	reopen(f);
	hash = store_receipt_head(f->s, &seq);
	assert_string_equal(hash, "h3");
	assert_int_equal(seq, 3);
	free(hash);
	store_receipts_each(f->s, 1, 2, see_receipt, f);
	expect_seen(f, "1::h1:{}:4 2:h1:h2:{}:5");
	store_receipts_each(f->s, 3, 10, see_receipt, f);
	expect_seen(f, "3:h2:h3:{}:6");
}

static void
see_log(const struct log_row *r, void *arg)
{
	struct fix	*f = arg;

	strv_addf(&f->seen, "%lld:%s:%s:%s", (long long)r->id, r->subject,
	    r->kind, r->text);
	assert_int_equal(r->at_ms, NOW);
}

static void
test_log(void **state)
{
	struct fix	*f = *state;
	int		 i;

	store_log_add(f->s, "Worker/a", "failed", "one");
	store_log_add(f->s, "Worker/b", "failed", "two");
	store_log_add(f->s, "Worker/a", "drift", "three");
	store_log_each(f->s, "Worker/a", 10, see_log, f);
	expect_seen(f, "3:Worker/a:drift:three 1:Worker/a:failed:one");
	store_log_each(f->s, NULL, 2, see_log, f);
	expect_seen(f, "3:Worker/a:drift:three 2:Worker/b:failed:two");
	for (i = 4; i <= 10100; i++)
		store_log_add(f->s, "x", "y", "z");
	store_log_each(f->s, "Worker/a", 10, see_log, f);
	expect_seen(f, "");
	store_commit(f->s);
	assert_int_equal(outside_int(f, "SELECT count(*) FROM log"), 10000);
}

/* A callback may ask for the same thing while it is given it. */
static void
count_again(const struct log_row *r, void *arg)
{
	struct fix	*f = arg;

	store_log_each(f->s, r->subject, 10, see_log, f);
}

static void
test_nested_reads(void **state)
{
	struct fix	*f = *state;

	store_log_add(f->s, "a", "k", "1");
	store_log_add(f->s, "a", "k", "2");
	store_log_each(f->s, "a", 10, count_again, f);
	expect_seen(f, "2:a:k:2 1:a:k:1 2:a:k:2 1:a:k:1");
}

int
main(void)
{
#define T(name)	cmocka_unit_test_setup_teardown(test_##name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(fresh), T(memory), T(newer_refused), T(foreign_refused),
		T(garbage_refused), T(corrupt_refused), T(unclean_checked),
		T(wrong_key), T(key_kept), T(locked), T(no_directory),
		T(transactions), T(backup), T(killed), T(full_disk_ends),
		T(resources), T(objects), T(secrets),
		T(txns), T(inbox), T(inbox_note), T(inbox_trimmed),
		T(outbox_road), T(outbox_waits), T(outbox_lost_target),
		T(outbox_ids), T(outbox_update), T(outbox_file),
		T(outbox_share), T(outbox_trimmed),
		T(runs), T(proposals), T(decisions), T(receipts), T(log), T(nested_reads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
