/*
 * What all storages share: the kinds "tree", "file", "skills" and "package" are
 * written once, in storage*.c, on the few calls below, which directory.c, s3.c
 * and minio.c fill in.  A path is relative to the bucket:
 * "agents/alice/SOUL.md".
 */
#ifndef STORAGE_H
#define STORAGE_H

#include "hiclaw/provider.h"

#define STORAGE_FILE_MAX (64 * 1024 * 1024)	/* of one file */
#define STORAGE_BATCH	 1000			/* paths removed by one call */

/* What is known of one stored file without reading it. */
struct storage_stat {
	size_t	 size;
	int	 mode;			/* 0600; 0 where there is none */
	bool	 is_tree;		/* look only: a directory */
	/* Changes whenever the content does: ETag, or inode, size and time. */
	char	 version[96];
};

/* What a look is to find out of one path. */
struct storage_seen {
	char		*path;
	bool		 is_there;
	struct storage_stat st;		/* when it is */
};

enum storage_if { STORAGE_ANY, STORAGE_ABSENT, STORAGE_MATCH };

struct storage_ops {
	/* The whole file; 1 when it is over STORAGE_FILE_MAX; ERR_NOTFOUND only
	 * when it is surely not there. */
	int	(*get)(void *ctx, const char *path, struct buf *data,
		    struct storage_stat *, struct err *);
	/*
	 * Whole or not at all.  1 when there is something in spite of
	 * STORAGE_ABSENT, or not (any more) that version in spite of
	 * STORAGE_MATCH.
	 */
	int	(*put)(void *ctx, const char *path, const void *data,
		    size_t len, int mode, enum storage_if, const char *version,
		    struct storage_stat *, struct err *);
	/* Up to STORAGE_BATCH; what is not there is fine. */
	int	(*remove)(void *ctx, const char *const *paths, size_t n,
		    struct err *);
	/*
	 * All files below the prefix (ends with "/"); cb other than 0 ends it,
	 * and is what is returned.  ERR_NOTFOUND: the storage as a whole is not
	 * there.  Where there is no look they come in order of bytes, and only
	 * those after `after`, when it is not NULL.
	 */
	int	(*list)(void *ctx, const char *prefix, const char *after,
		    int (*cb)(void *arg, const char *path,
		    const struct storage_stat *), void *arg, struct err *);
	/* Says of each of these, in order of bytes, whether it is there, where
	 * that is cheaper than a list; or NULL. */
	int	(*look)(void *ctx, struct storage_seen *, size_t n,
		    struct err *);
	/* From now on what others do to this file is heard of, and struct
	 * provider.watch tells; or NULL. */
	void	(*listen)(void *ctx, const char *path);
	/* A directory to live in, where there are such things; or NULL.  1 when
	 * it was made. */
	int	(*make_tree)(void *ctx, const char *path, int mode,
		    struct err *);
	/* With all that is in it, files counted, where that is more than a list
	 * shows; or NULL. */
	int	(*drop_tree)(void *ctx, const char *path, size_t *removed,
		    struct err *);
};

struct cache;

/* What a storage provider's ctx begins with. */
struct storage {
	const struct storage_ops *ops;
	char		*templates_dir;	/* skills come from there */
	char		*imports;	/* or NULL */
	bool		 private_packages;
	struct cache	*cache;		/* of packages fetched */
};
void	storage_init(struct storage *, const struct storage_ops *,
	    const struct provider_env *);
void	storage_release(struct storage *);

/* "a/b/c" into its parts; false unless it is relative, plain and short: then
 * it is nothing that we read or write. */
bool	 storage_split(const char *path, struct strv *parts);
/* Pure.  Added: keys of all objects that this file may be a part of, whether or
 * not there are such. */
void	 storage_keys(const char *path, struct strv *keys);

/* Rows for the kind tables of providers.  In a batch only removal is one call;
 * several files are written by as many threads. */
#define STORAGE_KINDS							\
	{ .name = "tree", .label = "tree", .diff = storage_tree_diff,	\
	    .ensure = storage_tree_ensure, .remove = storage_tree_remove }, \
	{ .name = "file", .label = "file", .diff = storage_file_diff,	\
	    .note = storage_file_note, .detail = storage_file_detail,	\
	    .removal = storage_file_removal,				\
	    .ensure = storage_file_ensure, .remove = storage_file_remove, \
	    .batch = STORAGE_BATCH,					\
	    .remove_many = storage_file_remove_many },			\
	{ .name = "skills", .label = "skills",				\
	    .diff = storage_skills_diff,				\
	    .ensure = storage_skills_ensure,				\
	    .remove = storage_skills_remove },				\
	{ .name = "package", .label = "package",			\
	    .diff = storage_package_diff,				\
	    .ensure = storage_package_ensure,				\
	    .remove = storage_package_remove }

#define STORAGE_KIND(name)						\
	void	storage_##name##_diff(const struct json *desired,	\
		    const struct json *observed, struct changes *);	\
	int	storage_##name##_ensure(void *ctx, const struct work *,	\
		    struct outcome *, struct err *);			\
	int	storage_##name##_remove(void *ctx, const struct work *,	\
		    struct outcome *, struct err *)
STORAGE_KIND(tree);
STORAGE_KIND(file);
STORAGE_KIND(skills);
STORAGE_KIND(package);
#undef STORAGE_KIND
const char *storage_file_note(const struct json *desired);
enum risk storage_file_removal(const struct json *desired);
char	*storage_file_detail(const struct json *before,
	    const struct json *after);
void	storage_file_remove_many(void *ctx, struct deed *, size_t n);

/*
 * For these rows (others are passed over): one list of what lies between the
 * first and the last path in each top directory, or a look at each path, where
 * there is one.  What changed is read, when it matters.
 */
int	storage_observe(void *ctx, const struct observe_item *, size_t n,
	    void (*changed)(void *arg, const char *key, struct json *observed),
	    void *arg, struct err *);
/*
 * {"op": "list", "path": "agents/alice"}
 *	{"files": [{"path","size"}...]} by path, "cut": true when there is more
 * {"op": "get", "path": ..., "max": bytes}
 *	{"text": ...}, "cut" likewise, or {"binary": size}
 * {"op": "tree", "path": ..., "first": [paths, or trees with "/" at the end],
 *  "only": true}
 *	{"files": [{"path", "mode"?, "content" or "base64"}...], "left_out":
 *	[paths]}: what is in it, first those of "first", only these with "only";
 *	what would be too much is left out
 * {"op": "ping"}
 *	{}
 */
int	storage_query(void *ctx, const struct json *question,
	    struct json **answer, struct err *);

#endif
