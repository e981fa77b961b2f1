/* Managed objects, desired and observed: what a restart takes up again. */
#include "store-int.h"

void
store_object_put(struct store *s, const struct object_row *r)
{
	static const char	put[] =
	    "INSERT INTO object (key, owner, desired, observed, deps)"
	    " VALUES (?1, ?2, ?3, ?4, ?5)"
	    " ON CONFLICT (key) DO UPDATE SET owner = excluded.owner,"
	    " desired = excluded.desired, observed = excluded.observed,"
	    " deps = excluded.deps";

	db_write(s, put, "sssss", r->key, r->owner, r->desired, r->observed,
	    r->deps);
}

void
store_object_observed(struct store *s, const char *key, const char *observed)
{
	static const char	set[] =
	    "UPDATE object SET observed = ?2 WHERE key = ?1";

	db_write(s, set, "ss", key, observed);
}

void
store_object_remove(struct store *s, const char *key)
{
	static const char	drop[] = "DELETE FROM object WHERE key = ?1";

	db_write(s, drop, "s", key);
}

void
store_objects_each(struct store *s,
    void (*f)(const struct object_row *, void *), void *arg)
{
	static const char	all[] =
	    "SELECT key, owner, desired, observed, deps"
	    " FROM object ORDER BY key";
	struct query		*q = db_read(s, all, "");
	struct object_row	 r;

	while (db_next(q)) {
		r = (struct object_row){
			.key = db_text(q, 0), .owner = db_text(q, 1),
			.desired = db_text(q, 2), .observed = db_text(q, 3),
			.deps = db_text(q, 4),
		};
		f(&r, arg);
	}
	db_end(q);
}
