/*
 * Inside the store: how its files speak SQL.
 *
 * A statement is a string constant; it is prepared at its first use and kept
 * under the address of the string, so every use must name the same constant.
 * Values are given by a letter each: s text (NULL gives NULL), i int64_t,
 * b bytes (pointer, then size_t; a NULL pointer gives NULL).
 *
 * Reads and writes have no result to check: a database that does not answer
 * ends the process (see db_die).
 */
#ifndef STORE_INT_H
#define STORE_INT_H

#include "hiclaw/store.h"

/* A prepared statement, or a free place for one. */
struct query;

/* Opens a transaction when none is open; returns how many rows changed. */
int	 db_write(struct store *, const char *sql, const char *types, ...);
int64_t	 db_last_id(struct store *);

/*
 *	q = db_read(s, sql, "s", key);
 *	while (db_next(q)) ... db_text(q, 0) ...
 *	db_end(q);
 *
 * The same statement may be read again while it is being read.
 */
struct query *db_read(struct store *, const char *sql, const char *types, ...);
bool	 db_next(struct query *);
void	 db_end(struct query *);
const char *db_text(struct query *, int column);	/* borrowed, or NULL */
int64_t	 db_int(struct query *, int column);
const void *db_blob(struct query *, int column, size_t *len);
/* The first column of the first row, 0 when there is none; yours, or NULL. */
int64_t	 db_read_int(struct store *, const char *sql, const char *types, ...);
char	*db_read_text(struct store *, const char *sql, const char *types, ...);

const unsigned char *db_key(struct store *);
const char *db_path(struct store *);
/* Log why and exit with EX_IOERR, before harm is done. */
void	 db_die(struct store *, const char *what) __attribute__((noreturn));

/* schema.c: steps[n] leads from version n to n + 1. */
extern const char *const schema_steps[];
extern const int schema_version;		/* number of steps */

/* secrets.c: 1 with *out for secret_free, 0 if there is none, -1. */
int	 secret_read(struct store *, const char *name, char **out,
	    struct err *) MUST_CHECK;

/* lock.c: the lock file of the database at path; its descriptor, or -1. */
int	 lock_take(const char *path, struct err *) MUST_CHECK;

#endif
