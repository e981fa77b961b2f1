/*
 * Envoy's configuration as text, and back: the pure half of the envoy provider.
 *
 * All that Envoy reads after its bootstrap are four kinds of watched files, each
 * a DiscoveryResponse in JSON (YAML would be YAML 1.1, where "n" is false):
 *
 *   keys.json       ECDS: the api_key_auth filter with the keys of all consumers
 *   routes.json     RDS: routes, each with the consumers it lets in
 *   clusters.json   CDS: where they lead
 *   key-NAME.json   SDS: the key that an upstream asks for, put in by Envoy
 *
 * The files are the state: what the objects are is read back from them, so that
 * nothing has to be kept elsewhere, and an edit by hand is seen.  Each object's
 * form stands in the metadata of its route or cluster.
 */
#ifndef ENVOY_H
#define ENVOY_H

#include "hiclaw/provider.h"

#define ENVOY_KEYS	"keys.json"
#define ENVOY_ROUTES	"routes.json"
#define ENVOY_CLUSTERS	"clusters.json"
#define ENVOY_CONSUMER	"x-hiclaw-consumer"	/* header for upstreams */
#define ENVOY_PROBE	"/.hiclaw/"	/* keys, routes, clusters below it */
#define ENVOY_PROBER	".probe"	/* who may ask there */

struct envoy_settings {
	const char	*directory;	/* absolute */
	const char	*instance;
	const struct strv *listen;	/* "127.0.0.1:29302" */
	const char	*homeserver_url;	/* or NULL */
	const char	*controller_url;	/* or NULL */
	const char	*url;		/* of the gateway */
	const char	*ca_file;	/* PEM bundle for upstreams */
};

/* What the files say.  Objects by name; all members are owned. */
struct envoy_model {
	struct json	*consumers;	/* {name: [key, ...]} */
	struct json	*providers;	/* {name: form} */
	struct json	*routes;	/* {name: form with "foreign"} */
	struct json	*mcps;
	struct json	*exposes;	/* {"alice-3000": form} */
	char		*probe_key;	/* new with each change of keys.json */
};
void	 envoy_model_init(struct envoy_model *);	/* empty */
void	 envoy_model_release(struct envoy_model *);

/*
 * Read the files back; a NULL or unreadable text leaves its part empty.  Names
 * on an allow list that its form does not have are its "foreign".
 */
void	 envoy_parse(struct envoy_model *, const char *keys,
	    const char *routes, const char *clusters);

/* The files, as text; yours, the first with secrets.  An upstream whose URL
 * cannot be read is left out, with its routes: see envoy_check_url. */
char	*envoy_keys(const struct envoy_model *);
char	*envoy_routes(const struct envoy_model *, const struct envoy_settings *);
char	*envoy_clusters(const struct envoy_model *,
	    const struct envoy_settings *);
char	*envoy_key(const char *name, const char *key);
char	*envoy_bootstrap(const struct envoy_settings *);
/*
 * Do two texts of routes.json or clusters.json make Envoy do the same?  Versions
 * and forms do not count, nor the order of names: who edits a list by hand does
 * not keep those.
 */
bool	 envoy_same(const char *, const char *);
/* "version_info" of such a text; yours. */
char	*envoy_version(const char *text);

/* ERR_USER with a sentence if no upstream can have this URL. */
int	 envoy_check_url(const char *url, struct err *) MUST_CHECK;
/* Where an exposed port is reached: "http://worker-alice-3000-x.org:29302". */
char	*envoy_exposed_url(const char *gateway_url, const char *host);	/* yours */

#endif
