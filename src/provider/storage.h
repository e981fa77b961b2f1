/*
 * What all storages share: the kinds "tree", "file", "skills" and "package" are
 * written once, in storage.c, on the few calls below, which directory.c, s3.c
 * and minio.c fill in.  A path is relative to the bucket: "agents/alice/SOUL.md".
 */
#ifndef STORAGE_H
#define STORAGE_H

#include "hiclaw/provider.h"

#define STORAGE_FILE_MAX (64 * 1024 * 1024)	/* of one file, read or written */

/* What is known of one stored file without reading it. */
struct storage_stat {
	size_t	 size;
	int	 mode;			/* 0600; 0 where there is none */
	/* Changes whenever the content does: ETag, or inode, size and time. */
	char	 version[96];
	char	 md5[33];		/* where the listing tells it, else "" */
};

enum storage_if { STORAGE_ANY, STORAGE_ABSENT, STORAGE_MATCH };

struct storage_ops {
	/* The whole file; ERR_NOTFOUND only when it is surely not there. */
	int	(*get)(void *ctx, const char *path, struct buf *data,
		    struct storage_stat *, struct err *);
	/*
	 * Whole or not at all.  STORAGE_ABSENT, and STORAGE_MATCH with a version
	 * of before: ERR_CONFLICT when that does not hold (any more).
	 */
	int	(*put)(void *ctx, const char *path, const void *data, size_t len,
		    int mode, enum storage_if, const char *version,
		    struct storage_stat *, struct err *);
	/* Many; what is not there is fine. */
	int	(*remove)(void *ctx, const char *const *paths, size_t n,
		    struct err *);
	/* All files below the prefix (ends with "/", or is ""), in any order;
	 * cb other than 0 ends it, and is what is returned. */
	int	(*list)(void *ctx, const char *prefix,
		    int (*cb)(void *arg, const char *path,
		    const struct storage_stat *), void *arg, struct err *);
	/* A directory to live in, where there are such things; or NULL. */
	int	(*make_tree)(void *ctx, const char *path, int mode,
		    struct err *);
	/* The same for what it leaves empty; or NULL. */
	int	(*drop_tree)(void *ctx, const char *path, struct err *);
};

/* What a storage provider's ctx begins with. */
struct storage {
	const struct storage_ops *ops;
	char		*templates_dir;	/* skills come from there */
	char		*imports;	/* or NULL */
	bool		 private_packages;
};
void	storage_init(struct storage *, const struct storage_ops *,
	    const struct provider_env *);
void	storage_release(struct storage *);

/* Rows for the kind tables of providers. */
extern const struct object_kind storage_tree, storage_file, storage_skills,
    storage_package;
/* For their rows: by one list per tree that has anything of ours. */
int	storage_observe(void *ctx, const struct observe_item *, size_t n,
	    void (*changed)(void *arg, const char *key, struct json *observed),
	    void *arg, struct err *);
/*
 * {"op": "list", "path": "agents/alice"}: {"files": [{"path","size"}...]} by path;
 * {"op": "get", "path": ..., "max": bytes}: {"text": ...} or {"binary": size},
 * with "cut": true when there is more; {"op": "ping"}: {}.
 */
int	storage_query(void *ctx, const struct json *question,
	    struct json **answer, struct err *);

#endif
