/*
 * Bearer tokens of our own API.  Who shows one is told by its hash; the token
 * itself is nowhere in the file.
 */
#include "store-int.h"

#include "hiclaw/clock.h"

void
store_token_put(struct store *s, const struct token_row *t, int64_t overlap_ms)
{
	static const char	expire[] =
	    "DELETE FROM token WHERE expires_ms <= ?1";
	static const char	limit[] =
	    "UPDATE token SET expires_ms = ?2"
	    " WHERE subject = ?1 AND expires_ms > ?2";
	static const char	put[] =
	    "INSERT INTO token (sha256, subject, made_ms, expires_ms)"
	    " VALUES (?1, ?2, ?3, ?4)";
	int64_t			now = clock_ms();

	db_write(s, expire, "i", now);
	db_write(s, limit, "si", t->subject, now + overlap_ms);
	db_write(s, put, "ssii", t->sha256, t->subject, t->made_ms,
	    t->expires_ms);
}

char *
store_token_find(struct store *s, const char *sha256, int64_t now_ms)
{
	static const char	find[] =
	    "SELECT subject FROM token WHERE sha256 = ?1 AND expires_ms > ?2";

	return db_read_text(s, find, "si", sha256, now_ms);
}

bool
store_token_take(struct store *s, const char *sha256, int64_t now_ms)
{
	static const char	take[] =
	    "DELETE FROM token WHERE sha256 = ?1 AND expires_ms > ?2";

	return db_write(s, take, "si", sha256, now_ms) == 1;
}

void
store_tokens_extend(struct store *s, const char *prefix, int64_t until_ms,
    int64_t now_ms)
{
	static const char	extend[] =
	    "UPDATE token SET expires_ms = ?2"
	    " WHERE subject >= ?1 AND subject < ?1 || char(1114111)"
	    " AND expires_ms > ?3 AND expires_ms < ?2"
	    " AND made_ms = (SELECT max(n.made_ms) FROM token n"
	    " WHERE n.subject = token.subject)";

	db_write(s, extend, "sii", prefix, until_ms, now_ms);
}

void
store_tokens_remove(struct store *s, const char *subject)
{
	static const char	drop[] = "DELETE FROM token WHERE subject = ?1";

	db_write(s, drop, "s", subject);
}

void
store_tokens_each(struct store *s, const char *prefix,
    void (*cb)(const struct token_row *, void *), void *arg)
{
	static const char	all[] =
	    "SELECT sha256, subject, made_ms, expires_ms FROM token"
	    " WHERE subject >= ?1 AND subject < ?1 || char(1114111)"
	    " ORDER BY subject, made_ms";
	struct query		*q = db_read(s, all, "s", prefix);
	struct token_row	row;

	while (db_next(q)) {
		row.sha256 = db_text(q, 0);
		row.subject = db_text(q, 1);
		row.made_ms = db_int(q, 2);
		row.expires_ms = db_int(q, 3);
		cb(&row, arg);
	}
	db_end(q);
}
