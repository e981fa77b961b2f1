/*
 * Shared by the files of the storage kinds, storage*.c, and nobody else.
 */
#ifndef STORAGE_INT_H
#define STORAGE_INT_H

#include "hiclaw/package.h"
#include "storage.h"

/* Files below a tree that have been looked at: a map of path to stat. */
struct look;
/* What is there; NULL when nothing is. */
const struct storage_stat *look_find(const struct look *, const char *path);

/*
 * For the bulk look, by kind: the paths that the observed form tells of, and
 * what the form is after a look at them.  *now is left NULL when the object is
 * gone; `true` when it has changed.
 */
struct look_kind {
	const char	*name;
	void	(*paths)(const struct json *observed, struct strv *);
	int	(*judge)(struct storage *, const struct json *observed,
		    const struct look *, struct json **now, bool *is_changed,
		    struct err *);
};
extern const struct look_kind look_tree, look_file, look_skills, look_package;

/* Refuse paths that we do not write. */
int	path_check(const char *path, struct err *) MUST_CHECK;
/* "0640" as a number; 0600 for anything odd. */
int	mode_of(const char *text);
/* The mode goes into an observed form only where there is one. */
void	set_mode(struct json *form, const struct storage_stat *);
/* Remove any number, in batches. */
int	remove_all(struct storage *, const struct strv *paths, struct err *)
	    MUST_CHECK;

/* --- packages that were fetched, for a few minutes ----------------------- */

struct cached;
struct cache *cache_new(void);
void	cache_free(struct cache *);
/*
 * What `fetch` gives for key; when it is being fetched already, that is waited
 * for.  Give the hold back by cache_drop.  NULL: fetch failed.
 */
struct cached *cache_get(struct cache *, const char *key,
	    int (*fetch)(void *arg, struct package *, struct err *), void *arg,
	    struct err *);
const struct package *cached_package(const struct cached *);
void	cache_drop(struct cache *, struct cached *);

/* What packages may be fetched with; borrows the storage. */
struct package_source package_source_of(struct storage *);

#endif
