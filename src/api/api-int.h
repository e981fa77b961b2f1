/*
 * What the files of src/api share and nobody else sees: rows that belong to
 * every kind, and the way a problem is written down.
 */
#ifndef HICLAW_API_INT_H
#define HICLAW_API_INT_H

#include "hiclaw/api.h"

/* A full Matrix user id, historical ones included. */
#define MXID_PATTERN	"@[!-9;-~]+:[A-Za-z0-9.:\\[\\]-]+"
#define LABEL_KEY	"([a-z0-9]([a-z0-9.-]*[a-z0-9])?/)?" \
			"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?"
#define LABEL_VALUE	"([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?"

/* Rows of metadata, the same for every kind. */
extern const struct field metadata_fields[];
/* Of a Team's members. */
extern const struct field leader_fields[], team_worker_fields[];
/* Sub-tables with a rule that a row cannot express (decode-value.c). */
extern const struct field remote_skill_item_fields[];
extern const struct field access_entry_fields[];
extern const struct field expose_fields[];

/* Keys that "kubectl get -o yaml" prints and nobody means; NULL-terminated. */
extern const char *const metadata_ignored[];

const struct field *field_find(const struct field *, const char *name);
/* The same or, as on a phone, by any case. */
const struct field *field_find_any(const struct field *, const char *name);
/* "a string", "a list of strings": for sentences. */
const char *field_type_phrase(const struct field *);
/* "string", "[]string", "map": for columns. */
const char *field_type_word(const struct field *);
/* The nearest name among the rows, or NULL. */
const char *field_nearest(const struct field *, const char *name);
const char *field_effect_phrase(enum field_effect);
/* Are the items of this list told apart by their "name"? */
bool	 field_items_named(const struct field *);

/* The position and path come from `at`, the words from the format. */
void	 problem_addf(struct problems *, const struct problem *at,
	    const char *, ...) PRINTF(3, 4);
/* What is shown of a line: at most 120 bytes around the column; yours. */
char	*problem_source(const char *line, size_t len, int column);

/* How YAML 1.2 core reads a plain scalar. */
enum scalar { SCALAR_NULL, SCALAR_BOOL, SCALAR_INT, SCALAR_FLOAT,
    SCALAR_STRING };
enum scalar scalar_resolve(const char *);

#endif
