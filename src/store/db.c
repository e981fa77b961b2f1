/*
 * The database itself: open and check it, take it from any older version to
 * ours, transactions, and statements for the other files of this directory.
 *
 * What always holds: one connection, used by the deciding thread alone; at
 * most one transaction, which a write opens when nobody did; every statement is
 * prepared once.  SQLite asks the disk to be sure (synchronous=FULL) at each
 * commit, and commits are few.
 */
#include "store-int.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "hiclaw/log.h"
#include "hiclaw/secure.h"

#define APPLICATION_ID	0x48434c57	/* "HCLW", in the header of the file */
#define QUERIES_MAX	256		/* a power of two; we have about 70 */
#define CHECK_MAX	(64 << 20)	/* bytes that are checked after a crash */
#define BUSY_MS		5000		/* somebody looks with sqlite3(1) */
#define MEMORY		":memory:"

#define CLEAN_KEY	"store.clean"	/* there if we were closed in peace */
#define EPOCH_KEY	"store.epoch"
#define CANARY		"store.canary"	/* a secret of known text */
#define CANARY_TEXT	"hiclaw"

struct query {
	const char	*sql;		/* the constant; NULL: free */
	sqlite3_stmt	*st;
	struct store	*store;
	bool		 in_use;
};

struct store {
	sqlite3		*db;
	char		*path;
	char		*epoch;
	int		 lock_fd;
	bool		 in_transaction;
	bool		 is_open;	/* all of store_open went well */
	unsigned char	 key[SEAL_KEY_LEN];
	struct query	 queries[QUERIES_MAX];
};

/* --- failure -------------------------------------------------------------- */

void
db_die(struct store *s, const char *what)
{
	const char	*why = sqlite3_errmsg(s->db);

	switch (sqlite3_errcode(s->db)) {
	case SQLITE_FULL:
		why = "the disk is full";
		break;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		why = "the file is corrupt; restore it from a backup";
		break;
	}
	log_error("store", "%s: %s: %s; stopping before harm is done "
	    "(what was not committed is as it was before)", s->path, what,
	    why);
	/* Not exit: other threads still use what it would tear down. */
	_exit(EX_IOERR);
}

/* For store_open, where a failure is a result and not the end. */
static int
db_err(struct store *s, struct err *e, const char *what)
{
	if (sqlite3_errcode(s->db) == SQLITE_CORRUPT ||
	    sqlite3_errcode(s->db) == SQLITE_NOTADB)
		return err_set(e, ERR_BROKEN, "%s is corrupt or no database "
		    "(%s); restore it from a backup", s->path,
		    sqlite3_errmsg(s->db));
	return err_set(e, ERR_BROKEN, "%s: %s: %s", s->path, what,
	    sqlite3_errmsg(s->db));
}

/* --- statements ----------------------------------------------------------- */

static struct query *
query_find(struct store *s, const char *sql)
{
	size_t		 i, n = ((uintptr_t)sql >> 3) % QUERIES_MAX;
	struct query	*q;

	for (i = 0; i < QUERIES_MAX; i++, n = (n + 1) % QUERIES_MAX) {
		q = &s->queries[n];
		if (q->sql == NULL || (q->sql == sql && !q->in_use))
			return q;
	}
	assert(!"more statements than QUERIES_MAX");
	abort();
}

static struct query *
query_get(struct store *s, const char *sql)
{
	struct query	*q = query_find(s, sql);

	if (q->sql == NULL) {
		if (sqlite3_prepare_v3(s->db, sql, -1,
		    SQLITE_PREPARE_PERSISTENT, &q->st, NULL) != SQLITE_OK)
			db_die(s, sql);
		q->sql = sql;
		q->store = s;
	}
	q->in_use = true;
	return q;
}

static void
query_bind(struct query *q, const char *types, va_list ap)
{
	const char	*text;
	size_t		 len;
	int		 i, rc = SQLITE_OK;

	for (i = 0; types[i] != '\0' && rc == SQLITE_OK; i++) {
		switch (types[i]) {
		case 's':
			rc = sqlite3_bind_text(q->st, i + 1,
			    va_arg(ap, const char *), -1, SQLITE_STATIC);
			break;
		case 'i':
			rc = sqlite3_bind_int64(q->st, i + 1,
			    va_arg(ap, int64_t));
			break;
		case 'b':
			text = va_arg(ap, const char *);
			len = va_arg(ap, size_t);
			rc = sqlite3_bind_blob64(q->st, i + 1, text, len,
			    SQLITE_STATIC);
			break;
		default:
			assert(!"no such type of value");
		}
	}
	if (rc != SQLITE_OK)
		db_die(q->store, q->sql);
	assert(i == sqlite3_bind_parameter_count(q->st));
}

bool
db_next(struct query *q)
{
	int	rc = sqlite3_step(q->st);

	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		db_die(q->store, q->sql);
	return rc == SQLITE_ROW;
}

void
db_end(struct query *q)
{
	sqlite3_reset(q->st);
	/* Texts were borrowed for the call: leave no pointer behind. */
	sqlite3_clear_bindings(q->st);
	q->in_use = false;
}

int
db_write(struct store *s, const char *sql, const char *types, ...)
{
	struct query	*q;
	va_list		 ap;

	store_begin(s);
	q = query_get(s, sql);
	va_start(ap, types);
	query_bind(q, types, ap);
	va_end(ap);
	while (db_next(q))
		;
	db_end(q);
	return sqlite3_changes(s->db);
}

int64_t
db_last_id(struct store *s)
{
	return sqlite3_last_insert_rowid(s->db);
}

struct query *
db_read(struct store *s, const char *sql, const char *types, ...)
{
	struct query	*q = query_get(s, sql);
	va_list		 ap;

	va_start(ap, types);
	query_bind(q, types, ap);
	va_end(ap);
	return q;
}

const char *
db_text(struct query *q, int column)
{
	return (const char *)sqlite3_column_text(q->st, column);
}

int64_t
db_int(struct query *q, int column)
{
	return sqlite3_column_int64(q->st, column);
}

const void *
db_blob(struct query *q, int column, size_t *len)
{
	const void	*p = sqlite3_column_blob(q->st, column);

	*len = (size_t)sqlite3_column_bytes(q->st, column);
	return p;
}

int64_t
db_read_int(struct store *s, const char *sql, const char *types, ...)
{
	struct query	*q = query_get(s, sql);
	int64_t		 v = 0;
	va_list		 ap;

	va_start(ap, types);
	query_bind(q, types, ap);
	va_end(ap);
	if (db_next(q))
		v = db_int(q, 0);
	db_end(q);
	return v;
}

char *
db_read_text(struct store *s, const char *sql, const char *types, ...)
{
	struct query	*q = query_get(s, sql);
	char		*v = NULL;
	va_list		 ap;

	va_start(ap, types);
	query_bind(q, types, ap);
	va_end(ap);
	if (db_next(q))
		v = xstrdup(db_text(q, 0));
	db_end(q);
	return v;
}

const unsigned char *
db_key(struct store *s)
{
	return s->key;
}

const char *
db_path(struct store *s)
{
	return s->path;
}

/* --- transactions --------------------------------------------------------- */

void
store_begin(struct store *s)
{
	static const char	begin[] = "BEGIN IMMEDIATE";
	struct query		*q;

	if (s->in_transaction)
		return;
	q = db_read(s, begin, "");
	db_next(q);
	db_end(q);
	s->in_transaction = true;
}

bool
store_in_transaction(struct store *s)
{
	return s->in_transaction;
}

void
store_commit(struct store *s)
{
	static const char	commit[] = "COMMIT";
	struct query		*q;

	if (!s->in_transaction)
		return;
	q = db_read(s, commit, "");
	db_next(q);
	db_end(q);
	s->in_transaction = false;
}

void
store_rollback(struct store *s)
{
	static const char	rollback[] = "ROLLBACK";
	struct query		*q;

	if (!s->in_transaction)
		return;
	q = db_read(s, rollback, "");
	db_next(q);
	db_end(q);
	s->in_transaction = false;
}

/* --- opening -------------------------------------------------------------- */

static bool
is_memory(const char *path)
{
	return strcmp(path, MEMORY) == 0;
}

static int
exec(struct store *s, const char *sql, struct err *e)
{
	if (sqlite3_exec(s->db, sql, NULL, NULL, NULL) != SQLITE_OK)
		return db_err(s, e, sql);
	return 0;
}

/* The one value of a PRAGMA or SELECT, as text; yours. */
static int
ask(struct store *s, const char *sql, char **answer, struct err *e)
{
	sqlite3_stmt	*st = NULL;
	int		 rc;

	*answer = NULL;
	rc = sqlite3_prepare_v2(s->db, sql, -1, &st, NULL);
	if (rc == SQLITE_OK && (rc = sqlite3_step(st)) == SQLITE_ROW)
		*answer = xstrdup((const char *)sqlite3_column_text(st, 0));
	if (rc != SQLITE_OK && rc != SQLITE_ROW && rc != SQLITE_DONE) {
		db_err(s, e, sql);
		sqlite3_finalize(st);
		return -1;
	}
	sqlite3_finalize(st);
	if (*answer == NULL)
		*answer = xstrdup("");
	return 0;
}

static int
ask_int(struct store *s, const char *sql, int64_t *answer, struct err *e)
{
	char	*text;

	if (ask(s, sql, &text, e) == -1)
		return -1;
	*answer = strtoll(text, NULL, 10);
	free(text);
	return 0;
}

/* Made by us, so that it and its -wal and -shm are for our eyes only. */
static int
make_file(const char *path, struct err *e)
{
	int	fd;

	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd == -1)
		return err_set(e, ERR_USER, "%s: %s", path, strerror(errno));
	close(fd);
	return 0;
}

static int
connect_db(struct store *s, struct err *e)
{
	char	*mode = NULL;
	int	 rc;

	if (!is_memory(s->path) && make_file(s->path, e) == -1)
		return -1;
	rc = sqlite3_open_v2(s->path, &s->db, SQLITE_OPEN_READWRITE |
	    SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
	if (rc != SQLITE_OK)
		return db_err(s, e, "cannot open");
	sqlite3_extended_result_codes(s->db, 0);
	sqlite3_busy_timeout(s->db, BUSY_MS);
	sqlite3_limit(s->db, SQLITE_LIMIT_ATTACHED, 0);
	if (exec(s, "PRAGMA trusted_schema = OFF; PRAGMA mmap_size = 0;"
	    "PRAGMA cache_size = -1024; PRAGMA temp_store = MEMORY;"
	    "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;"
	    "PRAGMA journal_size_limit = 4194304", e) == -1 ||
	    ask(s, "PRAGMA journal_mode = WAL", &mode, e) == -1)
		return -1;
	rc = strcmp(mode, "wal") == 0 || is_memory(s->path) ? 0 :
	    err_set(e, ERR_BROKEN, "%s: no write-ahead log on this file "
	    "system; put the database on a local disk", s->path);
	free(mode);
	return rc;
}

static int
check_owner(struct store *s, int64_t version, struct err *e)
{
	int64_t	id, tables;

	if (version > schema_version)
		return err_set(e, ERR_BROKEN, "%s is of version %lld, this "
		    "program knows versions up to %d; start a newer program, "
		    "or restore a backup made before the upgrade", s->path,
		    (long long)version, schema_version);
	if (ask_int(s, "PRAGMA application_id", &id, e) == -1 ||
	    ask_int(s, "SELECT count(*) FROM sqlite_schema", &tables, e) == -1)
		return -1;
	if (id != APPLICATION_ID && (tables > 0 || version > 0))
		return err_set(e, ERR_BROKEN, "%s is the database of another "
		    "program; `database` must name a file of our own",
		    s->path);
	return 0;
}

static int
migrate(struct store *s, struct err *e)
{
	int64_t	 version;
	char	*sql;
	int	 rc = 0;

	if (ask_int(s, "PRAGMA user_version", &version, e) == -1 ||
	    check_owner(s, version, e) == -1)
		return -1;
	for (; version < schema_version && rc == 0; version++) {
		sql = xasprintf("BEGIN IMMEDIATE; %s;"
		    "PRAGMA application_id = %d; PRAGMA user_version = %d;"
		    "COMMIT", schema_steps[version], APPLICATION_ID,
		    (int)version + 1);
		rc = exec(s, sql, e);
		free(sql);
		if (rc == -1)
			err_prefix(e, "upgrade to version %d",
			    (int)version + 1);
		else
			log_info("store", "%s is of version %d now", s->path,
			    (int)version + 1);
	}
	return rc;
}

/* After a crash: is every page where it should be? */
static int
check_pages(struct store *s, struct err *e)
{
	struct stat	 st;
	char		*answer;
	int		 rc = 0;

	if (is_memory(s->path) || stat(s->path, &st) == -1 ||
	    st.st_size == 0 || st.st_size >= CHECK_MAX)
		return 0;
	if (ask(s, "PRAGMA quick_check(1)", &answer, e) == -1)
		return -1;
	if (strcmp(answer, "ok") != 0)
		rc = err_set(e, ERR_BROKEN, "%s is corrupt: %.200s; restore "
		    "it from a backup", s->path, answer);
	free(answer);
	return rc;
}

/* Was it closed in peace?  The mark goes until it is closed again. */
static int
check_shutdown(struct store *s, struct err *e)
{
	int64_t	used, clean;

	if (ask_int(s, "SELECT count(*) FROM kv", &used, e) == -1 ||
	    ask_int(s, "SELECT count(*) FROM kv WHERE key = '" CLEAN_KEY "'",
	    &clean, e) == -1)
		return -1;
	if (used > 0 && clean == 0)
		return check_pages(s, e);
	if (clean != 0)
		store_kv_set(s, CLEAN_KEY, NULL);
	return 0;
}

/*
 * The key must open what was sealed before.  A new one is made only with a new
 * database: with an old one it could open nothing.
 */
static int
check_key(struct store *s, const char *key_path, struct err *e)
{
	bool	 is_new = s->epoch == NULL;
	char	*text = NULL;
	int	 rc;

	if (key_path == NULL && is_memory(s->path))
		rand_bytes(s->key, sizeof s->key);
	else if (seal_key_load(key_path, is_new, s->key, e) == -1)
		return err_prefix(e, "secrets key");
	if (is_new) {
		store_secret_put(s, CANARY, CANARY_TEXT);
		return 0;
	}
	rc = secret_read(s, CANARY, &text, e);
	secret_free(text);
	if (rc == 1)
		return 0;
	return err_set(e, ERR_BROKEN, "the key in %s does not open the secrets "
	    "in %s; `secrets_key` must name the key that this database was "
	    "made with", key_path, s->path);
}

static int
open_all(struct store *s, const char *key_path, struct err *e)
{
	if (!is_memory(s->path) &&
	    (s->lock_fd = lock_take(s->path, e)) == -1)
		return -1;
	if (connect_db(s, e) == -1 || migrate(s, e) == -1 ||
	    check_shutdown(s, e) == -1)
		return -1;
	s->epoch = store_kv_get(s, EPOCH_KEY);
	if (check_key(s, key_path, e) == -1)
		return -1;
	if (s->epoch == NULL) {
		s->epoch = rand_hex(6);
		store_kv_set(s, EPOCH_KEY, s->epoch);
	}
	store_commit(s);
	s->is_open = true;
	return 0;
}

struct store *
store_open(const char *path, const char *key_path, struct err *e)
{
	struct store	*s = xcalloc(1, sizeof *s);

	s->path = xstrdup(path);
	s->lock_fd = -1;
	if (open_all(s, key_path, e) == -1) {
		store_rollback(s);
		store_close(s);
		return NULL;
	}
	return s;
}

void
store_close(struct store *s)
{
	size_t	i;

	if (s == NULL)
		return;
	store_rollback(s);
	if (s->is_open) {
		store_kv_set(s, CLEAN_KEY, "1");
		store_commit(s);
	}
	for (i = 0; i < QUERIES_MAX; i++)
		sqlite3_finalize(s->queries[i].st);
	sqlite3_close(s->db);
	if (s->lock_fd != -1)
		close(s->lock_fd);
	secret_wipe(s->key, sizeof s->key);
	free(s->epoch);
	free(s->path);
	free(s);
}

const char *
store_epoch(struct store *s)
{
	return s->epoch;
}
