/*
 * JSON values with strict, case-sensitive getters (cJSON inside, and only in
 * src/base/json.c).  A value is owned by its parent; json_free frees a root.
 *
 * Getters borrow; they give the default when the key is absent, null or of
 * another type, and when the object itself is NULL, so that lookups chain.
 */
#ifndef HICLAW_JSON_H
#define HICLAW_JSON_H

#include "hiclaw/err.h"

struct json;

/* NULL with ERR_USER "line L column C: ..." for bad JSON, depth over 64,
 * invalid UTF-8, duplicate keys, trailing bytes, numbers that are not finite. */
struct json *json_parse(const char *, size_t, struct err *);
/*
 * What servers relay of their users: like json_parse, but valid JSON never
 * fails: \u0000 and lone surrogates become U+FFFD, what is nested deeper than
 * 60 becomes null, numbers out of any range become 0.
 */
struct json *json_parse_relayed(const char *, size_t, struct err *);
char	*json_soften(const char *, size_t);	/* the text it parses; yours */
/* For our own text, which cannot be wrong: ends the process if it is. */
struct json *json_must(const char *);
void	 json_free(struct json *);
/* The same for a tree with secrets: all its texts are wiped. */
void	 json_wipe(struct json *);
struct json *json_copy(const struct json *);		/* NULL gives NULL */
bool	 json_equal(const struct json *, const struct json *); /* deep; key order is nothing */
/*
 * Canonical JSON (Matrix appendix 3.1): keys sorted by code point, no blanks,
 * integers plain, shortest escapes, UTF-8 as is.  Yours.  NULL gives "null".
 */
char	*json_canonical(const struct json *);
char	*json_pretty(const struct json *);		/* two blanks, yours */
/* One string as canonical JSON, quotes and all. */
void	 json_quote(struct buf *, const char *);

enum json_type { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY,
    JSON_OBJECT };
enum json_type json_type(const struct json *);		/* NULL: JSON_NULL */
bool	 json_is(const struct json *, enum json_type);	/* false for NULL */

struct json *json_get(const struct json *obj, const char *key);
/* "a.b.c": json_get in steps. */
struct json *json_path(const struct json *obj, const char *dotted);
const char *json_str(const struct json *obj, const char *key); /* or NULL */
const char *json_strd(const struct json *obj, const char *key, const char *dflt);
int64_t	 json_int(const struct json *obj, const char *key, int64_t dflt);
bool	 json_bool(const struct json *obj, const char *key, bool dflt);
/* Of the value itself. */
const char *json_value_str(const struct json *);	/* or NULL */
int64_t	 json_value_int(const struct json *, int64_t dflt);
double	 json_value_num(const struct json *, double dflt);
bool	 json_value_bool(const struct json *, bool dflt);
/* Is this string one of them? */
bool	 json_has_str(const struct json *array, const char *);

/* Children of an array or object, in order.
 *	for (v = json_first(a); v != NULL; v = json_next(v)) ...	*/
struct json *json_first(const struct json *);
struct json *json_next(const struct json *);
const char *json_key(const struct json *);	/* of a member; or NULL */
size_t	 json_size(const struct json *);	/* children */

/* Building.  Values given to set and push are taken over; text is copied.
 * Setting a key that is there replaces it.  A NULL value or text sets nothing. */
struct json *json_object(void);
struct json *json_array(void);
struct json *json_string(const char *);
struct json *json_stringf(const char *, ...) PRINTF(1, 2);
struct json *json_number(double);
struct json *json_boolean(bool);
struct json *json_null(void);
struct json *json_set(struct json *obj, const char *key, struct json *); /* the value set */
/* The same without a look for the key, which must be new: for objects with
 * thousands of members. */
void	 json_add(struct json *obj, const char *key, struct json *);
void	 json_set_str(struct json *obj, const char *key, const char *);
void	 json_set_strf(struct json *obj, const char *key, const char *, ...) PRINTF(3, 4);
void	 json_set_int(struct json *obj, const char *key, int64_t);
void	 json_set_bool(struct json *obj, const char *key, bool);
struct json *json_push(struct json *arr, struct json *);
void	 json_push_str(struct json *arr, const char *);
void	 json_remove(struct json *obj, const char *key);
/* The object under key, made when absent. */
struct json *json_obj(struct json *obj, const char *key);

#endif
