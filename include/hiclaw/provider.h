/*
 * A provider is the code for one outside system: one file in src/provider/ that
 * fills a struct, and one line in the table of src/provider/table.c.  Providers
 * know net, matrix and the object type; nobody knows them but that table.
 */
#ifndef HICLAW_PROVIDER_H
#define HICLAW_PROVIDER_H

#include "hiclaw/object.h"

struct mx;

/* What providers are opened with; borrowed for as long as they are open. */
struct provider_env {
	const struct mx	*matrix;	/* NULL in tests without one */
	const char	*storage_url;	/* file:///path, or "" */
	const char	*templates_dir;
	const char	*instance;
};

struct observe_item {
	const char		*key;
	const struct json	*observed;
};

struct provider {
	const char	*name;		/* "matrix" */
	int		 concurrency;	/* calls in flight that still help */
	const struct object_kind *kinds;	/* ends with name == NULL */
	/* 0 and a context for the calls below; -1 with ERR_BROKEN.  A provider
	 * that the settings leave out gives 0 and a NULL context. */
	int	(*open)(const struct provider_env *, void **ctx, struct err *);
	void	(*close)(void *ctx);
	/*
	 * Look at many in as few calls as the system allows and report those
	 * that are no longer as last observed (observed NULL: gone; taken
	 * over).  In a pool thread.  NULL: events tell everything.
	 */
	int	(*observe)(void *ctx, const struct observe_item *, size_t n,
		    void (*changed)(void *arg, const char *key,
		    struct json *observed), void *arg, struct err *);
};

extern const struct provider *const providers[];	/* NULL-terminated */
/* The row of a kind name ("room"), and its provider; NULL if unknown. */
const struct object_kind *object_kind_find(const char *name,
	    const struct provider **);

#endif
