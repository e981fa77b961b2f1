/*
 * Resources and their history.  The id of a history row is the revision of the
 * whole instance; the row of the resource repeats its newest one.
 */
#include "store-int.h"

#include "hiclaw/clock.h"

static void
put(struct store *s, const struct resource_row *r, int64_t revision)
{
	static const char	row[] =
	    "INSERT OR REPLACE INTO resource (kind, name, metadata, spec,"
	    " generation, revision, created_ms, updated_ms, deleting)"
	    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";

	db_write(s, row, "ssssiiiii", r->kind, r->name, r->metadata, r->spec,
	    r->generation, revision, r->created_ms, r->updated_ms,
	    (int64_t)r->deleting);
}

int64_t
store_resource_put(struct store *s, const struct resource_row *r,
    const char *actor)
{
	static const char	history[] =
	    "INSERT INTO revision (kind, name, metadata, spec, generation,"
	    " actor, at_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
	int64_t			revision;

	db_write(s, history, "ssssisi", r->kind, r->name, r->metadata,
	    r->spec, r->generation, actor, clock_ms());
	revision = db_last_id(s);
	put(s, r, revision);
	return revision;
}

void
store_resource_remove(struct store *s, const char *kind, const char *name,
    const char *actor)
{
	static const char	history[] =
	    "INSERT INTO revision (kind, name, metadata, spec, generation,"
	    " actor, at_ms)"
	    " SELECT kind, name, metadata, NULL, generation, ?3, ?4"
	    " FROM resource WHERE kind = ?1 AND name = ?2";
	static const char	drop[] =
	    "DELETE FROM resource WHERE kind = ?1 AND name = ?2";

	db_write(s, history, "sssi", kind, name, actor, clock_ms());
	db_write(s, drop, "ss", kind, name);
}

void
store_resources_each(struct store *s,
    void (*f)(const struct resource_row *, void *), void *arg)
{
	static const char	all[] =
	    "SELECT kind, name, metadata, spec, generation, revision,"
	    " created_ms, updated_ms, deleting"
	    " FROM resource ORDER BY kind, name";
	struct query		*q = db_read(s, all, "");
	struct resource_row	 r;

	while (db_next(q)) {
		r = (struct resource_row){
			.kind = db_text(q, 0), .name = db_text(q, 1),
			.metadata = db_text(q, 2), .spec = db_text(q, 3),
			.generation = db_int(q, 4), .revision = db_int(q, 5),
			.created_ms = db_int(q, 6),
			.updated_ms = db_int(q, 7),
			.deleting = db_int(q, 8) != 0,
		};
		f(&r, arg);
	}
	db_end(q);
}

#define REVISION	\
	"SELECT kind, name, metadata, spec, actor, generation, revision,"	\
	" at_ms FROM revision"

static void
revision_give(struct query *q, void (*f)(const struct revision_row *, void *),
    void *arg)
{
	struct revision_row	r = {
		.kind = db_text(q, 0), .name = db_text(q, 1),
		.metadata = db_text(q, 2), .spec = db_text(q, 3),
		.actor = db_text(q, 4), .generation = db_int(q, 5),
		.revision = db_int(q, 6), .at_ms = db_int(q, 7),
	};

	f(&r, arg);
}

int
store_revision_get(struct store *s, int64_t revision,
    void (*f)(const struct revision_row *, void *), void *arg)
{
	static const char	get[] = REVISION " WHERE revision = ?1";
	struct query		*q = db_read(s, get, "i", revision);
	int			 found = 0;

	if (db_next(q)) {
		revision_give(q, f, arg);
		found = 1;
	}
	db_end(q);
	return found;
}

void
store_revisions_each(struct store *s, const char *kind, const char *name,
    int limit, void (*f)(const struct revision_row *, void *), void *arg)
{
	static const char	of_one[] = REVISION
	    " WHERE kind = ?1 AND name = ?2 ORDER BY revision DESC LIMIT ?3";
	static const char	of_many[] = REVISION
	    " WHERE (?1 IS NULL OR kind = ?1) AND (?2 IS NULL OR name = ?2)"
	    " ORDER BY revision DESC LIMIT ?3";
	struct query		*q;

	q = db_read(s, kind != NULL && name != NULL ? of_one : of_many,
	    "ssi", kind, name, (int64_t)limit);
	while (db_next(q))
		revision_give(q, f, arg);
	db_end(q);
}

int64_t
store_revision_newest(struct store *s)
{
	static const char	newest[] =
	    "SELECT coalesce(max(revision), 0) FROM revision";

	return db_read_int(s, newest, "");
}

void
store_revision_restore(struct store *s, const struct revision_row *r)
{
	static const char	add[] =
	    "INSERT INTO revision (revision, kind, name, metadata, spec,"
	    " generation, actor, at_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7,"
	    " ?8)";

	db_write(s, add, "issssisi", r->revision, r->kind, r->name,
	    r->metadata, r->spec, r->generation, r->actor, r->at_ms);
}

void
store_resource_restore(struct store *s, const struct resource_row *r)
{
	put(s, r, r->revision);
}
