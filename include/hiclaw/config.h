/*
 * Settings of the controller: one row each in settings[] (src/daemon/config.c),
 * read from YAML, overridden by HICLAW_CFG_<SECTION>[_<KEY>], printed by
 * --print-config, described in hiclaw-controller.conf(5).
 */
#ifndef HICLAW_CONFIG_H
#define HICLAW_CONFIG_H

#include "hiclaw/json.h"

struct config {
	struct {
		char	*url;		/* client-server API base, no slash */
		char	*domain;	/* server name */
		char	*registration;	/* path of the registration file */
		char	*registration_shared_secret;	/* Synapse; secret */
		char	*registration_token;		/* secret */
		bool	 federate;
		char	*room_version;	/* "12" */
	} homeserver;
	char	*listen;		/* "127.0.0.1:29301" */
	char	*database;
	char	*backups;		/* default: <database>.backups */
	char	*secrets_key;		/* default: <database>.key */
	struct strv admins;		/* full Matrix ids */
	struct {
		char	*provider;	/* "directory", "minio", "s3"; after
					 * config_load never NULL, "": none */
		char	*url;		/* file:///absolute/path, or of S3 */
		char	*agents_url;	/* as agents reach it; default: url */
		char	*bucket, *region, *access_key;
		char	*secret_key, *session_token;	/* secret */
		char	*imports;	/* directory of file:// packages */
		bool	 private_packages;
	} storage;
	struct {
		char	*provider;	/* "envoy", "higress", "": none */
		char	*url;		/* requests; no slash */
		char	*agents_url;	/* as agents reach it; default: url */
		char	*directory;	/* Envoy's watched files */
		struct strv listen;	/* Envoy's "address:port" */
		char	*console_url, *console_user;
		char	*console_password;	/* secret */
		struct json *providers;	/* NULL or [{name,url,key?,models?}] */
		struct json *mcp_servers; /* NULL or [{name,url,transport?,
					   * key?}]; keys are secret */
		char	*expose_domain;
		bool	 expose_open;
		int64_t	 rotation_overlap_s;
	} gateway;
	struct {
		char	*provider;	/* "docker", "": nobody runs agents */
		char	*url;		/* unix:///path, tcp://, https:// */
		char	*ca_file, *cert_file, *key_file;	/* or NULL */
		char	*network;	/* default: the instance's id; "host" */
		char	*subnet;
		char	*pull;		/* "missing", "always", "never" */
		struct json *registries; /* NULL or [{host,username,password}];
					  * secret */
		int64_t	 memory_mb, cpu_m, pids, stop_s;
		bool	 read_only;
		char	*user;		/* "0:0"; NULL: see outside.c */
		char	*homes;		/* as the engine sees them; or NULL */
	} containers;
	struct {
		char	*homeserver_url;	/* default: homeserver.url */
		char	*controller_url;	/* or NULL: no API for agents */
		char	*runtime, *model;
		struct json *images;	/* {"openclaw": "ref", ...} or NULL */
		char	*idle_timeout;	/* "12h" */
	} agents;
	struct { char *admin_token; } api;	/* secret; or NULL */
	struct {
		char	*commands;	/* directories; default: installed */
		char	*commands_extra;	/* or NULL */
		char	*templates;
		int64_t	 question_ttl_s;
		int64_t	 password_ttl_s;	/* one-time password shown */
		int64_t	 live_interval_ms;	/* edits of a live message */
		int64_t	 rate;			/* commands per person, minute */
		struct json *policy;	/* see policy.h; or NULL */
	} chat;
	struct {
		int64_t	 resync_s;	/* 30 */
		int64_t	 threads;	/* 16 */
		int64_t	 run_limit_s;	/* 240 */
	} engine;
	struct { char *level; bool json; } log;
	/* from the registration */
	char	*as_id, *as_token, *hs_token, *sender, *prefix; /* "hiclaw" */
	struct strv user_regex, alias_regex;
};
/* path NULL: defaults and environment only.  Problems have file, line, key. */
int	 config_load(struct config *, const char *path, struct err *) MUST_CHECK;
/* Everything that can be checked without the network: required settings,
 * registration readable (it is loaded) and fitting domain and prefix, ids well
 * formed. */
int	 config_check(struct config *, struct err *) MUST_CHECK;
/* As YAML with secrets masked; yours. */
char	*config_print(const struct config *);
void	 config_release(struct config *);

/*
 * A registration for the homeserver (YAML text, yours): id hiclaw-<8 hex>,
 * random tokens, sender _hiclaw_as, exclusive ^@hiclaw(_…)?:domain$ and
 * ^#hiclaw_.*:domain$, rate_limited false, url.  facts: matrix 7.1.
 */
char	*registration_generate(const char *domain, const char *url,
	    const char *prefix);
int	 registration_load(struct config *, const char *path, struct err *) MUST_CHECK;

#endif
