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
	const char	*templates_dir;
	const char	*instance;
	struct provider_storage {
		const char	*provider;	/* "directory", "minio", "s3";
						 * NULL or "": none */
		const char	*url;		/* file:///path or http(s)://host */
		const char	*bucket, *region;
		const char	*access_key, *secret_key;	/* ours */
		const char	*session_token;	/* of temporary keys, or NULL */
		const char	*imports;	/* file:// packages come from
						 * this directory; or NULL */
		bool		 private_packages;	/* http(s) packages may
						 * come from private addresses */
	} storage;
	struct provider_gateway {
		const char	*provider;	/* "envoy", "higress"; or none */
		const char	*url;		/* where requests go, to probe */
		/* [{"name","url","key"?,"models"?:[...]}], the first is the
		 * default; and [{"name","url","transport"?,"key"?}] */
		const struct json *providers, *mcp_servers;
		/* envoy */
		const char	*directory;	/* of the watched files */
		const struct strv *listen;	/* "127.0.0.1:29302", ... */
		const char	*homeserver_url;	/* behind /_matrix */
		const char	*console_url, *console_user, *console_password;
	} gateway;
};

struct observe_item {
	const char	*key;
	/* Canonical JSON, for json_parse: all at once as trees would be many
	 * times that.  Not NULL. */
	const char	*observed;
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
	 * Look at all that are there in as few calls as the system allows
	 * and report those that are no longer as last observed (observed NULL:
	 * gone; taken over).  Calls must not grow with n.  In a pool thread.  NULL: events tell everything.
	 */
	int	(*observe)(void *ctx, const struct observe_item *, size_t n,
		    void (*changed)(void *arg, const char *key,
		    struct json *observed), void *arg, struct err *);
	/*
	 * Answer a question of a person: {"op": "list", "path": "agents/alice"}.
	 * What can be asked is in the provider's file; ERR_USER for anything
	 * else.  *answer is the caller's.  In a pool thread; NULL: nothing can.
	 */
	int	(*query)(void *ctx, const struct json *question,
		    struct json **answer, struct err *);
};

extern const struct provider *const providers[];	/* NULL-terminated */
/*
 * The first row of a kind name ("room"), and its provider; NULL if unknown.
 * Several providers may have a kind (all storages have "file"): their rows share
 * the pure functions, so that any of them will do for those.
 */
const struct object_kind *object_kind_find(const char *name,
	    const struct provider **);

#endif
