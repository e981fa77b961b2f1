/*
 * The Higress provider's own files:
 *
 *	higress.c		the row: opening, looking, questions
 *	higress-console.c	one call to the Console, its errors and sessions
 *	higress-target.c	whatever has an allow list, brought up to date
 *	higress-consumer.c	consumers: all keys are one list there
 *	higress-route.c		model providers and their AI routes
 *	higress-service.c	MCP servers and exposed ports
 *	higress-probe.c		does the gateway itself do what is stored?
 *
 * What always holds: one thread at a time (concurrency 1), because the Console
 * loses writes when there are two; nothing that is read from it is logged or
 * quoted, because its lists hold keys in clear.
 */
#ifndef HIGRESS_INT_H
#define HIGRESS_INT_H

#include "gateway.h"
#include "hiclaw/provider.h"

#define HG_NAME_MAX	200
#define HG_LABEL	"hiclaw.io/instance"	/* on what is ours */

struct hg {
	char	*url, *user, *password;	/* of the Console */
	char	*cookie;		/* "name=value" of a login, or NULL */
	bool	 ready;			/* initialised, and our login works */
	bool	 answered;		/* since it was last cleared */
	char	*gateway;		/* where requests go; "": no probes */
	bool	 probed;		/* key-auth was seen at work */
	struct json *providers, *mcp_servers;	/* of the settings, with keys */
	char	*instance;
};

/* --- higress-console.c --------------------------------------------------- */

/*
 * One call.  *answer (may be NULL) gets what the server said, without its
 * envelope, for json_wipe; NULL for an empty body.  -1:
 *	ERR_NOTFOUND	it is not there
 *	ERR_RETRY	no answer, 409 or most 5xx: a write MAY HAVE HAD EFFECT
 *	ERR_CONFLICT	the key is somebody else's
 *	ERR_DENIED	our login does not work
 *	ERR_BROKEN	the request is wrong, or that is no Console
 */
int	hg_call(struct hg *, const char *method, const char *path,
	    const struct json *body, struct json **answer, struct err *) MUST_CHECK;
/* GET; what is not there is NULL and no error. */
int	hg_get(struct hg *, const char *path, struct json **data, struct err *)
	    MUST_CHECK;
/* A path with each %s escaped; yours. */
char	*hg_path(const char *fmt, ...) PRINTF(1, 2);
/* Short wait between tries, longer each time. */
void	hg_nap(int try);
/* A name that the Console's paths can carry. */
bool	hg_name_ok(const char *);

/* --- higress-target.c ---------------------------------------------------- */

/* Something with an allow list: an AI route, a route, an MCP server. */
struct target {
	const char	*what;		/* for people: "AI route" */
	const char	*name;		/* there */
	char		*all, *one;	/* paths to create at, and of this one */
	char		*live;		/* another view of the same list, or NULL */
	char		*fallback;	/* and of its fallback, if it has one */
	bool		 is_mcp;	/* made by PUT; has consumerAuthInfo */
	struct json	*want;		/* members that are ours to say */
	bool		 open;		/* asks for no key */
	bool		 recorded;	/* we know to have made it */
	bool		 others;	/* not ours: only the list is touched */
};
/* What is there. */
struct view {
	struct json	*stored, *live, *fallback;
};

void	target_release(struct target *);
void	view_release(struct view *);
int	target_look(struct hg *, const struct target *, struct view *,
	    struct err *) MUST_CHECK;
/*
 * Make it so, in all views: `want`, and the list `allowed` beside the names of
 * others (`before`: see gateway_merge).  *view is what there is in the end.
 * A target that stays without a key although it must ask for one is deleted.
 */
int	target_ensure(struct hg *, const struct target *,
	    const struct json *before, const struct json *allowed,
	    struct view *, struct strv *did, struct err *) MUST_CHECK;
int	target_remove(struct hg *, const struct target *, struct strv *did,
	    struct err *) MUST_CHECK;
/* Names in every view; NULL when one of them lets everybody in. */
struct json *view_allowed(const struct target *, const struct view *);
/* "allowed" and "foreign" of the observed form o, of which `ours` are ours. */
void	view_report(const struct target *, const struct view *,
	    const struct json *ours, struct json *o);
/*
 * Has body all that is wanted?  null wants nothing to be there; and [] and {}
 * are nothing as well.
 */
bool	body_covers(const struct json *body, const struct json *want);
/* Sets in body what is not as wanted, and nothing else; true if any was. */
bool	body_overlay(struct json *body, const struct json *want);
/*
 * Something without an allow list: a provider, a service source, a domain.
 * recorded: we know to have made it; otherwise what is there without our mark
 * is refused.
 */
struct thing {
	const char	*what, *name;
	const char	*all, *one;	/* paths, as in struct target */
	const struct json *want;
	bool		 recorded;
};
int	thing_ensure(struct hg *, const struct thing *, struct strv *did,
	    struct err *) MUST_CHECK;

/* --- the kinds ----------------------------------------------------------- */

extern const struct object_secret hg_consumer_secrets[];
void	hg_consumer_ensure(void *, struct deed *, size_t);
void	hg_consumer_remove(void *, struct deed *, size_t);
int	hg_provider_ensure(void *, const struct work *, struct outcome *,
	    struct err *);
int	hg_provider_remove(void *, const struct work *, struct outcome *,
	    struct err *);
int	hg_route_ensure(void *, const struct work *, struct outcome *,
	    struct err *);
int	hg_route_remove(void *, const struct work *, struct outcome *,
	    struct err *);
int	hg_mcp_ensure(void *, const struct work *, struct outcome *,
	    struct err *);
int	hg_mcp_remove(void *, const struct work *, struct outcome *,
	    struct err *);
int	hg_expose_ensure(void *, const struct work *, struct outcome *,
	    struct err *);
int	hg_expose_remove(void *, const struct work *, struct outcome *,
	    struct err *);

/* What a bulk look has read; lists of the Console as they came. */
struct census {
	struct json	*consumers, *ai_providers, *ai_routes, *routes, *sources;
};
/* The observed form as it is now, NULL when gone; yours. */
struct json *hg_consumer_now(const struct census *, const struct json *was);
struct json *hg_provider_now(const struct hg *, const struct census *,
	    const struct json *was);
struct json *hg_route_now(const struct hg *, const struct census *,
	    const struct json *was);
struct json *hg_mcp_now(const struct hg *, const struct census *,
	    const struct json *was);
struct json *hg_expose_now(const struct hg *, const struct census *,
	    const struct json *was);
/* The member of a list with that "name", or NULL. */
const struct json *hg_named(const struct json *list, const char *name);
/* Is it marked as ours?  -1: as another instance's; 0: not marked. */
int	hg_mark(const struct json *object, const char *instance);
#define HG_RAW_MARK	"hiclawInstance"	/* in a provider's rawConfigs */
int	hg_check_name(const char *, struct err *);

/* --- addresses (higress-service.c) --------------------------------------- */

struct hg_url {
	bool	 tls, is_ip;
	int	 port;
	char	 host[256], path[1024];		/* path: "/..." */
};
int	hg_url_split(const char *url, struct hg_url *, struct err *) MUST_CHECK;
/* The gateway reaches IPv4 addresses and names with a dot, nothing else. */
int	hg_url_check_host(const struct hg_url *, struct err *) MUST_CHECK;

/* --- higress-probe.c ----------------------------------------------------- */

/* A request that a key opens. */
struct probe {
	const char	*host;		/* header Host, or NULL */
	const char	*path;		/* below it nothing real is called */
	const char	*model;		/* in the body, or NULL */
};
/*
 * Is a made-up key refused, and does the key (NULL: none is known) pass?
 * Waits for it.  0 also when there is no gateway to ask.
 */
int	hg_probe(struct hg *, const struct probe *, const char *key,
	    struct err *) MUST_CHECK;
/* The same with the key of a consumer that is on the list and there. */
int	hg_probe_list(struct hg *, const struct probe *,
	    const struct json *allowed, struct err *) MUST_CHECK;
/* The other way round: is this key refused? */
int	hg_probe_gone(struct hg *, const struct probe *, const char *key,
	    struct err *) MUST_CHECK;

#endif
