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
		const char	*controller_url;	/* behind /api/v1 */
		const char	*console_url, *console_user, *console_password;
	} gateway;
	struct provider_containers {
		const char	*provider;	/* "docker"; or none */
		/* unix:///path, tcp://host:port, https://host:port */
		const char	*url;
		const char	*ca_file, *cert_file, *key_file; /* of TLS; NULL */
		/* [{"host","username","password"}] for pulling; or NULL */
		const struct json *registries;
	} containers;
};

/* What a provider tells while it listens; see struct provider.watch. */
struct watch {
	void	*arg;
	/* The stream is open: what came before is unknown, look at all. */
	void	(*ready)(void *arg);
	/* News of the object with this handle; takes event.  Any thread. */
	void	(*event)(void *arg, const char *handle, struct json *event);
	/* Something may have happened to the object with this key: `observe` is
	 * called for it.  A key that nobody has is passed over.  Any thread. */
	void	(*look)(void *arg, const char *key);
	/* The house closes: return soon. */
	bool	(*is_over)(void *arg);
	int	 over_fd;	/* readable from then on, for who polls */
};

struct observe_item {
	const char	*key;
	/* Canonical JSON, for json_parse: all at once as trees would be many
	 * times that.  Not NULL. */
	const char	*observed;
};

struct provider {
	const char	*name;		/* "matrix" */
	bool		 is_inside;	/* nothing outside that could be away:
					 * not shown to people */
	int		 concurrency;	/* calls in flight that still help */
	const struct object_kind *kinds;	/* ends with name == NULL */
	/* 0 and a context for the calls below; -1 with ERR_BROKEN.  A provider
	 * that the settings leave out gives 0 and a NULL context. */
	int	(*open)(const struct provider_env *, void **ctx, struct err *);
	void	(*close)(void *ctx);
	/*
	 * Look at these (all that are there, or those that `watch` named) in as
	 * few calls as the system allows and report those that are no longer as
	 * last observed (observed NULL: gone; taken over).  Calls must not grow
	 * with n.  In a pool thread.  NULL: events tell everything.
	 */
	int	(*observe)(void *ctx, const struct observe_item *, size_t n,
		    void (*changed)(void *arg, const char *key,
		    struct json *observed), void *arg, struct err *);
	/*
	 * Listen to what the system tells for as long as it does: 0 when the
	 * stream ends, -1 when there is none.  In a thread of its own; called
	 * again after a pause.  NULL: it tells nothing.
	 */
	int	(*watch)(void *ctx, const struct watch *, struct err *);
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
