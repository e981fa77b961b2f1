/*
 * How the database fares.  It is looked at over a connection of its own: on ours
 * a page that cannot be read ends the process.
 */
#include "store-int.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#define CHECK_MAX	(64 << 20)	/* bytes that are checked meanwhile */
#define DAY_MS		INT64_C(86400000)

static int64_t
size_of(const char *path, const char *suffix)
{
	char *file = xasprintf("%s%s", path, suffix);
	struct stat st;
	int64_t size = stat(file, &st) == 0 ? st.st_size : 0;

	free(file);
	return size;
}

static void
check(const char *path, char *trouble, size_t size)
{
	sqlite3 *db = NULL;
	sqlite3_stmt *st = NULL;
	const char *says = NULL;

	if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY |
	    SQLITE_OPEN_NOMUTEX, NULL) == SQLITE_OK &&
	    sqlite3_busy_timeout(db, 1000) == SQLITE_OK &&
	    sqlite3_prepare_v2(db, "PRAGMA quick_check(1)", -1, &st, NULL) ==
	    SQLITE_OK && sqlite3_step(st) == SQLITE_ROW)
		says = (const char *)sqlite3_column_text(st, 0);
	if (says == NULL || strcmp(says, "ok") != 0)
		snprintf(trouble, size, "%s", says != NULL ? says :
		    db != NULL ? sqlite3_errmsg(db) : "no memory");
	sqlite3_finalize(st);
	sqlite3_close(db);
}

static void
count_mail(struct store *s, int64_t now, struct store_health *h)
{
	static const char inbox[] =
	    "SELECT count(*) FROM inbox WHERE json IS NOT NULL";
	static const char outbox[] =
	    "SELECT count(*) FROM outbox WHERE state < 2 AND"
	    " not_before_ms <= ?1";
	static const char oldest[] =
	    "SELECT min(max(changed_ms, not_before_ms)) FROM outbox"
	    " WHERE state < 2 AND not_before_ms <= ?1";
	static const char lost[] =
	    "SELECT count(*) FROM outbox WHERE state = 3 AND changed_ms > ?1";

	h->inbox = db_read_int(s, inbox, "");
	h->outbox = db_read_int(s, outbox, "i", now);
	h->outbox_since_ms = db_read_int(s, oldest, "i", now);
	h->outbox_lost = db_read_int(s, lost, "i", now - DAY_MS);
}

void
store_health(struct store *s, int64_t now, struct store_health *h)
{
	struct statvfs fs;

	memset(h, 0, sizeof *h);
	h->path = db_path(s);
	h->sqlite = sqlite3_libversion();
	h->schema = schema_version;
	h->bytes = size_of(h->path, "");
	h->wal_bytes = size_of(h->path, "-wal");
	h->free_bytes = -1;
	if (statvfs(h->path, &fs) == 0)
		h->free_bytes = (int64_t)fs.f_bavail * (int64_t)fs.f_frsize;
	h->is_checked = h->bytes > 0 && h->bytes < CHECK_MAX;
	if (h->is_checked)
		check(h->path, h->trouble, sizeof h->trouble);
	count_mail(s, now, h);
}
