/* Receipts: rows of a chain that the caller links; never changed, never cut. */
#include "store-int.h"

char *
store_receipt_head(struct store *s, int64_t *seq)
{
	static const char	newest[] =
	    "SELECT seq, hash FROM receipt ORDER BY seq DESC LIMIT 1";
	struct query		*q = db_read(s, newest, "");
	char			*hash;

	*seq = 0;
	if (db_next(q)) {
		*seq = db_int(q, 0);
		hash = xstrdup(db_text(q, 1));
	} else {
		hash = xstrdup("");
	}
	db_end(q);
	return hash;
}

void
store_receipt_add(struct store *s, const struct receipt_row *r)
{
	static const char	add[] =
	    "INSERT INTO receipt (seq, prev, hash, content, outbox)"
	    " VALUES (?1, ?2, ?3, ?4, ?5)";

	db_write(s, add, "isssi", r->seq, r->prev, r->hash, r->content,
	    r->outbox);
}

#define RECEIPT	"SELECT seq, prev, hash, content, outbox FROM receipt"

static void
receipts_give(struct query *q, void (*f)(const struct receipt_row *, void *),
    void *arg)
{
	struct receipt_row	 r;

	while (db_next(q)) {
		r = (struct receipt_row){
			.seq = db_int(q, 0), .prev = db_text(q, 1),
			.hash = db_text(q, 2), .content = db_text(q, 3),
			.outbox = db_int(q, 4),
		};
		f(&r, arg);
	}
	db_end(q);
}

void
store_receipts_each(struct store *s, int64_t from_seq, int limit,
    void (*f)(const struct receipt_row *, void *), void *arg)
{
	static const char	from[] = RECEIPT
	    " WHERE seq >= ?1 ORDER BY seq LIMIT ?2";

	receipts_give(db_read(s, from, "ii", from_seq, (int64_t)limit), f,
	    arg);
}

void
store_receipts_back(struct store *s, int64_t before_seq, int limit,
    void (*f)(const struct receipt_row *, void *), void *arg)
{
	static const char	back[] = RECEIPT
	    " WHERE ?1 = 0 OR seq < ?1 ORDER BY seq DESC LIMIT ?2";

	receipts_give(db_read(s, back, "ii", before_seq, (int64_t)limit), f,
	    arg);
}
