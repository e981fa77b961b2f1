/*
 * A copy of the database while it is used.  It is made page by page over a second
 * connection, which only reads and keeps to what was committed when it began; so
 * writing goes on, and the copy is of one moment.
 *
 * Who starts from a copy must not live once more what was done since.  So what it
 * holds of work that is over by then is closed in it: commands that waited, and
 * messages that were not sent.  The place where /sync goes on is forgotten, or
 * every command since would be done again: without one it brings the state of all
 * rooms, and no messages.  And the copy gets an epoch of its own, because a
 * transaction id that the homeserver knows would swallow a new message.
 */
#include "store-int.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hiclaw/secure.h"

struct store_backup {
	char		*path, *part;	/* part: until it is whole */
	sqlite3		*from, *to;
	sqlite3_backup	*copy;
	int		 total, left;	/* pages */
	bool		 is_done;
};

static int
failed(struct store_backup *b, sqlite3 *db, const char *what, struct err *e)
{
	int rc = db != NULL ? sqlite3_errcode(db) : SQLITE_NOMEM;

	return err_set(e, rc == SQLITE_FULL ? ERR_USER : ERR_BROKEN,
	    "%s: %s: %s", b->part, what, rc == SQLITE_FULL ?
	    "the disk is full" : sqlite3_errstr(rc));
}

/* For our eyes only, and nobody's file is written over. */
static int
make_part(struct store_backup *b, struct err *e)
{
	int fd;

	if (access(b->path, F_OK) == 0)
		return err_set(e, ERR_USER, "%s is there already", b->path);
	unlink(b->part);
	fd = open(b->part, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd == -1)
		return err_set(e, ERR_USER, "%s: %s", b->part,
		    strerror(errno));
	close(fd);
	return 0;
}

/* The first read fixes the moment. */
static int
open_both(struct store_backup *b, const char *database, struct err *e)
{
	if (sqlite3_open_v2(database, &b->from, SQLITE_OPEN_READONLY |
	    SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK ||
	    sqlite3_busy_timeout(b->from, 1000) != SQLITE_OK ||
	    sqlite3_exec(b->from, "BEGIN; SELECT count(*) FROM sqlite_schema",
	    NULL, NULL, NULL) != SQLITE_OK)
		return failed(b, b->from, "cannot read the database", e);
	if (sqlite3_open_v2(b->part, &b->to, SQLITE_OPEN_READWRITE |
	    SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
		return failed(b, b->to, "cannot open", e);
	b->copy = sqlite3_backup_init(b->to, "main", b->from, "main");
	return b->copy != NULL ? 0 : failed(b, b->to, "cannot copy", e);
}

struct store_backup *
store_backup_begin(struct store *s, const char *path, struct err *e)
{
	struct store_backup *b = xcalloc(1, sizeof *b);

	b->path = xstrdup(path);
	b->part = xasprintf("%s.part", path);
	if (strcmp(db_path(s), ":memory:") == 0)
		err_set(e, ERR_USER, "there is no file to copy");
	else if (make_part(b, e) == 0 && open_both(b, db_path(s), e) == 0)
		return b;
	store_backup_free(b);
	return NULL;
}

/* --- the end of it ------------------------------------------------------------ */

static int
exec(struct store_backup *b, const char *sql, struct err *e)
{
	if (sqlite3_exec(b->to, sql, NULL, NULL, NULL) != SQLITE_OK)
		return failed(b, b->to, "cannot finish the copy", e);
	return 0;
}

static int
close_open_work(struct store_backup *b, struct err *e)
{
	char *epoch = rand_hex(6);
	char *sql = xasprintf("PRAGMA journal_mode = DELETE; BEGIN;"
	    "UPDATE kv SET value = '%s' WHERE key = 'store.epoch';"
	    "DELETE FROM kv WHERE key = 'feed.token';"
	    "UPDATE inbox SET json = NULL, room_id = NULL"
	    " WHERE json IS NOT NULL;"
	    "UPDATE outbox SET state = %d, file = NULL,"
	    " why = 'not sent when this copy was made'"
	    " WHERE state < 2; COMMIT", epoch, OUTBOX_FAILED);
	int rc = exec(b, sql, e);

	free(epoch);
	free(sql);
	return rc;
}

/* A copy that cannot be read is none. */
static int
check(struct store_backup *b, struct err *e)
{
	sqlite3_stmt *st = NULL;
	const char *says = "no answer";
	int rc = -1;

	if (sqlite3_prepare_v2(b->to, "PRAGMA quick_check(1)", -1, &st,
	    NULL) == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW)
		says = (const char *)sqlite3_column_text(st, 0);
	if (strcmp(says, "ok") == 0)
		rc = 0;
	else
		err_set(e, ERR_BROKEN, "%s: the copy is not sound: %.200s",
		    b->part, says);
	sqlite3_finalize(st);
	return rc;
}

/* Its name is durable as well. */
static int
sync_directory(const char *path, struct err *e)
{
	const char *slash = strrchr(path, '/');
	char *dir = slash == NULL ? xstrdup(".") : slash == path ?
	    xstrdup("/") : xstrndup(path, (size_t)(slash - path));
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = 0;

	if (fd == -1 || fsync(fd) == -1)
		rc = err_set(e, ERR_BROKEN, "%s: %s", dir, strerror(errno));
	if (fd != -1)
		close(fd);
	free(dir);
	return rc;
}

static int
finish(struct store_backup *b, struct err *e)
{
	int rc = sqlite3_backup_finish(b->copy);

	b->copy = NULL;
	if (rc != SQLITE_OK)
		return failed(b, b->to, "cannot copy", e);
	sqlite3_close(b->from);
	b->from = NULL;
	if (close_open_work(b, e) == -1 || check(b, e) == -1)
		return -1;
	sqlite3_close(b->to);
	b->to = NULL;
	if (rename(b->part, b->path) == -1)
		return err_set(e, ERR_BROKEN, "%s: %s", b->path,
		    strerror(errno));
	b->is_done = true;
	return sync_directory(b->path, e);
}

int
store_backup_step(struct store_backup *b, int pages, struct err *e)
{
	int rc = sqlite3_backup_step(b->copy, pages);

	b->total = sqlite3_backup_pagecount(b->copy);
	b->left = sqlite3_backup_remaining(b->copy);
	if (rc == SQLITE_DONE)
		return finish(b, e);
	if (rc == SQLITE_OK || rc == SQLITE_BUSY || rc == SQLITE_LOCKED)
		return 1;
	sqlite3_backup_finish(b->copy);
	b->copy = NULL;
	return failed(b, b->to, "cannot copy", e);
}

int
store_backup_percent(const struct store_backup *b)
{
	return b->total <= 0 ? 0 :
	    (int)((int64_t)(b->total - b->left) * 100 / b->total);
}

void
store_backup_free(struct store_backup *b)
{
	if (b == NULL)
		return;
	if (b->copy != NULL)
		sqlite3_backup_finish(b->copy);
	sqlite3_close(b->from);
	sqlite3_close(b->to);
	if (!b->is_done)
		unlink(b->part);
	free(b->path);
	free(b->part);
	free(b);
}
