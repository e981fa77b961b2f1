/*
 * The four kinds: Worker, Team, Human, Manager (hiclaw.io/v1beta1).
 *
 * One table per kind; a field is one row, and everything that knows fields
 * reads that row: the YAML and JSON decoder, validation, defaults, `explain`,
 * `diff`, the CRDs, the JSON Schema.  A resource is immutable once built and
 * counted; a set of resources is a cheap copy of pointers, so that a change is
 * tried on a copy and thrown away when it is refused.
 */
#ifndef HICLAW_API_H
#define HICLAW_API_H

#include "hiclaw/err.h"
#include "hiclaw/json.h"

#define API_VERSION	"hiclaw.io/v1beta1"
/* Design section 6. */
#define NAME_PATTERN	"[a-z0-9]([a-z0-9-]{0,40}[a-z0-9])?"
#define MANIFEST_MAX	(1024 * 1024)	/* bytes of one paste */

enum field_type { FIELD_STRING, FIELD_TEXT /* multi-line string */,
    FIELD_INT, FIELD_BOOL, FIELD_OBJECT, FIELD_LIST /* of item type */,
    FIELD_MAP /* string to string */, FIELD_ANY /* free object */ };

/* What a change of the field does to what is running. */
enum field_effect { EFFECT_NONE, EFFECT_FILES, EFFECT_RESTART,
    EFFECT_RECREATE, EFFECT_PERMISSION, EFFECT_ROOMS };

/* Does a manifest to start from show it?  What is required it always does. */
enum field_shown { SHOWN_NOT, SHOWN_HINT /* in a comment */, SHOWN };

/*
 * `values` and `pattern` are of the value, of each item of a list of strings,
 * or (pattern) of the keys of a map; patterns keep to what PCRE2, RE2 and
 * ECMAScript share, because they are exported.
 */
struct field {
	const char	*name;		/* last step of the path */
	enum field_type	 type;
	enum field_type	 item;		/* of FIELD_LIST */
	bool		 required;
	bool		 immutable;	/* once set */
	const char *const *values;	/* allowed words, NULL-terminated */
	const char	*pattern;	/* whole-string PCRE2, or NULL */
	int64_t		 min, max;	/* FIELD_INT; or length of strings, items of lists; max 0: none */
	const char	*dflt;		/* default as YAML text, or NULL */
	enum field_effect effect;
	const char	*help;		/* one line */
	const char	*example;	/* a value as YAML, or NULL */
	const struct field *fields;	/* of OBJECT, or of the items of LIST;
					 * ends with name == NULL */
	enum field_shown shown;
};

struct kind {
	const char	*name;		/* "Worker" */
	const char	*plural, *singular, *shortname;	/* "workers" "worker" "wk" */
	const char	*help;
	const struct field *spec;	/* rows of spec */
	const struct field *status;	/* rows of status, for CRD and explain */
	const char	*columns;	/* printer columns "Name=.path,..." */
};
extern const struct kind kinds[];	/* ends with name == NULL */
extern const size_t kinds_n;
/* "Worker", "worker", "workers", "wk", "WORKERS": any case; or NULL. */
const struct kind *kind_find(const char *word);
/* The words above, for str_nearest. */
const char *const *kind_words(void);

/* --- resources ---------------------------------------------------------- */

struct resource {
	const struct kind *kind;
	char		*name;		/* metadata.name */
	struct json	*metadata;	/* {name, labels?, annotations?} */
	struct json	*spec;		/* as given, without defaults */
	int64_t		 generation;	/* up by one with each change of spec */
	int64_t		 revision;	/* of the whole instance, when stored */
	int64_t		 created_ms, updated_ms;
	bool		 deleting;	/* deleted, objects still there */
	int		 refs;
};
/* Takes metadata and spec. */
struct resource *resource_new(const struct kind *, struct json *metadata,
	    struct json *spec);
struct resource *resource_ref(struct resource *);
void	 resource_unref(struct resource *);
/* workerName / teamName / username when set, else metadata.name. */
const char *resource_runtime_name(const struct resource *);
/* {apiVersion, kind, metadata, spec}; yours. */
struct json *resource_json(const struct resource *);
/* YAML text of the same; long strings as block scalars; yours. */
char	*resource_yaml(const struct resource *);
/* Any JSON as YAML (YAML 1.2 core, quoted where needed); yours. */
char	*json_yaml(const struct json *);
/* Does it carry all labels of "a=b,c!=d,e"?  A bad selector: -1, ERR_USER. */
int	 resource_matches(const struct resource *, const char *selector,
	    struct err *);

struct resources;			/* a set, ordered by kind, then name */
struct resources *resources_new(void);
struct resources *resources_copy(const struct resources *);
void	 resources_free(struct resources *);
/* Takes a reference of its own, yours stays yours; replaces. */
void	 resources_put(struct resources *, struct resource *);
bool	 resources_remove(struct resources *, const struct kind *, const char *name);
struct resource *resources_find(const struct resources *, const struct kind *,
	    const char *name);
size_t	 resources_n(const struct resources *);
struct resource *resources_at(const struct resources *, size_t);

/* --- decoding ----------------------------------------------------------- */

/* One thing wrong with a manifest, with the place and help to mend it. */
struct problem {
	int	 doc;		/* document, from 1; 0: none */
	int	 line, column;	/* from 1; 0: unknown */
	char	*path;		/* "spec.workers[1].model", or NULL */
	char	*what;		/* "unknown field \"modle\"; did you mean ..." */
	char	*source;	/* the line itself, at most 120 bytes, or NULL */
	bool	 is_warning;
};
struct problems {
	struct problem	*v;
	size_t		 n, cap;
	size_t		 errors;	/* that are no warnings */
};
#define PROBLEMS_MAX	50		/* then one "and more" is kept */
void	 problems_add(struct problems *, const struct problem *); /* copies */
void	 problems_release(struct problems *);
/*
 * "line 4, column 3: unknown field ..." then the line and a caret under the
 * column, for each; plain text for a <pre>; yours.
 */
char	*problems_text(const struct problems *);
/*
 * Gives line, column and source line to those problems of resources_check that
 * stand in this text, which was decoded to what they are about.
 */
void	 problems_locate(struct problems *, const char *text, size_t len);

/*
 * Decode a manifest: one or many YAML documents (or JSON, which is YAML).
 * YAML 1.2 core schema; anchors, aliases and merge-free expansion bounded
 * (nodes 200 000, depth 64); duplicate keys, unknown fields, tabs in
 * indentation, documents without apiVersion, kind or name, wrong types,
 * patterns and ranges are problems with line and column.  Also checks within a
 * document what the table says.  Resources are appended to `out` (each yours
 * to unref) only when no error was found.  Returns 0, or -1 with problems.
 */
int	 manifest_decode(const char *text, size_t len, struct resource ***out,
	    size_t *n, struct problems *) MUST_CHECK;

/*
 * Decode one document by any field table, with the same checks and the same
 * messages: the configuration file, the registration, commands/ files.  The
 * object as given, without defaults, yours; NULL with problems.
 */
struct json *table_decode(const struct field *rows, const char *text,
	    size_t len, struct problems *);
/* Any one YAML document as JSON; NULL with "line L, column C: ...". */
struct json *yaml_json(const char *text, size_t len, struct err *);
/* Check a value (say, an override from the environment) against its row. */
int	 field_check(const struct field *, const struct json *, struct err *);

/* Does the text look like a manifest at all (apiVersion: or kind: at the
 * start of a line, or a JSON object with them)?  Pure, cheap. */
bool	 manifest_looks(const char *text, size_t len);

/* Where in the decoded text a resource began, for cross checks. */
struct place { int doc, line, column; };

/*
 * Checks across all resources once `changed` (n of them, places may be NULL)
 * are put into `all`: names unique over Workers, team members and Managers,
 * CR and runtime names alike; reserved names; one Manager; references of
 * Team.admin, humanMembers, accessibleTeams, accessibleWorkers exist; one team
 * per member; immutable fields against `before`; usernames unique.
 * `domain` and `prefix` (e.g. "hiclaw_") serve checks of Matrix ids.
 */
void	 resources_check(const struct resources *before,
	    const struct resources *after, struct resource *const *changed,
	    const struct place *places, size_t n, const char *domain,
	    const char *prefix, struct problems *);
/*
 * The same for deletions, `after` being without what is gone.  A Team that
 * names a Human who goes is an error; a Human who lists a Team or worker that
 * goes is a warning, since nothing follows from it any more.
 */
void	 resources_check_delete(const struct resources *after,
	    struct resource *const *gone, size_t n, struct problems *);
/* Places of the resources of the manifest, parallel to manifest_decode's. */
int	 manifest_decode_places(const char *text, size_t len,
	    struct resource ***out, struct place **places, size_t *n,
	    struct problems *) MUST_CHECK;

/* --- differences, help, export ------------------------------------------ */

struct field_change {
	char	*path;		/* "spec.workers[bob].model": list items that
				 * have a name are told apart by it */
	char	*from, *to;	/* compact text, or NULL for absent */
	enum field_effect effect;
};
struct field_changes { struct field_change *v; size_t n, cap; };
/* Of metadata.labels, annotations and spec; either side may be NULL. */
void	 resource_diff(const struct resource *from, const struct resource *to,
	    struct field_changes *);
void	 field_changes_release(struct field_changes *);

/*
 * "worker", "worker.spec", "team.spec.leader.heartbeat": kind, type, default,
 * allowed values, whether immutable, what a change does, example, and the
 * fields below.  Plain text; yours.  ERR_USER with the nearest spelling.
 */
char	*api_explain(const char *path, struct err *);
/*
 * A manifest to start from, as YAML: what is required and what is commonly said,
 * with its help in a comment; what is less common stands in comments altogether.
 * Names of members follow from the name.  model NULL: the row's example.  Yours.
 */
char	*api_skeleton(const struct kind *, const char *name,
	    const char *model);
/* The same of one worker in spec.workers of a Team, with that many blanks in
 * front of its dash. */
char	*api_skeleton_member(const char *name, const char *model, int blanks);
char	*api_crd_yaml(const struct kind *);	/* CustomResourceDefinition; yours */
char	*api_json_schema(void);			/* all kinds, draft 2020-12; yours */
/* Rows of metadata, and of a Team's leader or workers. */
const struct field *rows_of_metadata(void);
const struct field *rows_of_member(bool is_leader);
/*
 * Let one field of an object be a value, as people write it on one line, by the
 * type that its row says: "model", "workers.bob.skills", "workers[bob].env.TZ".
 * A list of strings is parted by commas, a whole value may be YAML on one line
 * ("[a, b]", "{a: b}"), a word in place of an object is its name.  value NULL
 * takes the field away, or the item of a list.  is_more: the path came before in
 * the same breath, a list grows.  `what` is the object in messages.  ERR_USER
 * with the nearest spelling; whether the value fits its row is for who decodes
 * the whole.
 */
int	 field_assign(const struct field *rows, struct json *obj,
	    const char *what, const char *path, const char *value,
	    bool is_more, struct err *) MUST_CHECK;
/* A value of the spec with the table's default when absent. */
const char *spec_str(const struct kind *, const struct json *obj,
	    const char *dotted);

#endif
