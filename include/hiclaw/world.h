/*
 * The world: all managed objects that the resources imply, computed by one
 * pure function.  No network, no clock, no globals: the same input gives the
 * same text, byte by byte.
 */
#ifndef HICLAW_WORLD_H
#define HICLAW_WORLD_H

#include "hiclaw/api.h"
#include "hiclaw/object.h"

struct world_config {
	const char	*domain;	/* "example.org" */
	const char	*prefix;	/* "hiclaw" */
	const char	*instance;	/* "hiclaw-1234abcd" */
	const char	*device;	/* "HICLAW_1234abcd" */
	const char	*room_version;	/* "12" */
	bool		 federate;
	const struct strv *admins;	/* full Matrix ids */
	const struct strv *dms;		/* people the bot keeps a DM with */
	const struct library *library;	/* texts for agents' files; or NULL */
	struct world_storage {
		const char	*provider;	/* "directory", "minio", "s3";
						 * NULL: no files at all */
		const char	*bucket;
		const char	*agents_url;	/* as agents reach it */
	} storage;
	struct world_gateway {
		const char	*provider;	/* "envoy", "higress"; NULL: none */
		const char	*agents_url;	/* as agents reach it; no slash */
		const char	*expose_domain;	/* "local.hiclaw.io" */
		bool		 expose_open;	/* exposed ports ask for no key */
		/* As in struct provider_gateway, with "key_id" for "key". */
		const struct json *providers, *mcp_servers;
		/* {"consumer:worker-alice": {"serial": 2, "overlap":
		 * true}}: see engine_rotate; or NULL */
		const struct json *rotations;
	} gateway;
	struct world_containers {
		const char	*provider;	/* "docker"; NULL: nobody runs
						 * agents */
		const char	*network;	/* its name; "host": that of the
						 * machine */
		const char	*subnet;	/* "10.89.64.0/24" */
		const struct json *images;	/* {"openclaw": "ref", ...,
						 * "manager": "ref"} */
		const char	*pull;		/* "missing", "always", "never" */
		int64_t		 memory, cpus, pids; /* bytes, thousandths, n;
						 * 0: no limit */
		int64_t		 stop_s;
		bool		 read_only;	/* the root file system */
		const char	*user;		/* "0:0"; NULL: the image's */
		const char	*homes;		/* directory that has agents/ and
						 * shared/, mounted from there;
						 * NULL: volumes */
		/* {"container:alice": 2} and the number of the period that
		 * tokens are renewed in: see restart.c of the engine */
		const struct json *restarts;
		int64_t		 token_period;
	} containers;
	struct world_agents {
		const char	*homeserver_url;	/* as agents reach it */
		const char	*controller_url;	/* our API, likewise; no
							 * /api/v1; or NULL */
		const char	*runtime;	/* of agents that name none */
		const char	*model;		/* of agents that name none */
	} agents;
};

/* --- the library: texts that files of agents are made from ---------------- */
/*
 * What is under templates/agents and templates/skills, read once.  Texts are
 * found by their path there ("agents/SOUL.md"); a skill is a directory below
 * templates/skills/<set>/, known by the digest of all its files.
 */
struct library;
/* ERR_BROKEN for what cannot be read; yours. */
struct library *library_load(const char *templates_dir, struct err *);
void	 library_free(struct library *);
/* Piece by piece, for tests. */
struct library *library_new(void);
void	 library_add(struct library *, const char *path, const char *text);
void	 library_add_skill(struct library *, const char *set, const char *name,
	    const char *digest);
const char *library_text(const struct library *, const char *path); /* or NULL */
/* The digest of skill `name` of the set ("worker", "leader", "manager",
 * "extra"), or NULL. */
const char *library_skill(const struct library *, const char *set,
	    const char *name);
/* Names of the skills of a set, sorted; borrowed; never NULL. */
const struct strv *library_skills(const struct library *, const char *set);

struct object {
	char		*key;		/* "room:team/frontend" */
	char		*owner;		/* "Team/frontend"; "" for the house */
	char		*desired;	/* canonical JSON with $refs; shared_hold
					 * it to keep it */
	struct strv	 deps;		/* keys that must be there first */
	bool		 is_shared;	/* with other worlds */
};
struct world;
struct world *world_compile(const struct world_config *,
	    const struct resources *);
/*
 * The same world, sooner: what was compiled before and would not differ is taken
 * from there.  A memory is of one configuration, of which only the restarts, the
 * rotations, the direct chats and the period may have changed since.
 */
struct world_memo;
struct world_memo *world_memo_new(void);
void	 world_memo_free(struct world_memo *);
struct world *world_compile_again(const struct world_config *,
	    const struct resources *, struct world_memo *);
void	 world_free(struct world *);
size_t	 world_n(const struct world *);
const struct object *world_at(const struct world *, size_t);	/* by key */
const struct object *world_find(const struct world *, const char *key);

/* --- identity ----------------------------------------------------------- */

enum agent_role { AGENT_MANAGER, AGENT_STANDALONE, AGENT_LEADER, AGENT_WORKER };
const char *agent_role_name(enum agent_role);
struct agent {
	enum agent_role	 role;
	const char	*name;		/* metadata.name, or the member's name */
	const char	*runtime;	/* keys account, home, alias */
	char		*user;		/* "@hiclaw_alice:domain" */
	char		*consumer;	/* at the gateway: "worker-alice" */
	const struct resource *resource;	/* the owning one */
	const struct json *spec;	/* its own part of the spec */
};
struct agents { struct agent *v; size_t n, cap; struct map *by_name; };
/* What spec.state wants of it. */
enum agent_state { AGENT_RUNNING, AGENT_SLEEPING, AGENT_STOPPED };
enum agent_state agent_state(const struct agent *);
/* Somebody else runs it: spec.containerManaged is false. */
bool	 agent_is_remote(const struct agent *);
/* All agents of all resources, in order of kind and name. */
void	 agents_list(const struct world_config *, const struct resources *,
	    struct agents *);
const struct agent *agents_find(const struct agents *, const char *name);
/* Its runtime and model: its own, its kind's, the house's; the model without
 * hiclaw-gateway/. */
const char *agent_runtime(const struct world_config *, const struct agent *);
const char *world_model(const struct world_config *, const struct agent *);
/* Does the text fit a pattern with "*", such as models have?  Case counts. */
bool	 world_fits(const char *pattern, const char *text);
/* The provider of the gateway that serves the agent's model; yours, or NULL. */
char	*world_provider_name(const struct world_config *,
	    const struct agent *);
void	 agents_release(struct agents *);
/* The Matrix id of a Human (its matrixUserId, else @username:domain); yours. */
char	*human_user(const struct world_config *, const struct resource *);
/*
 * What may this person do: 1 (configured admin or Human of tier 1), 2, 3, or
 * 0 for somebody we do not know.  *human gets the resource, or NULL.
 */
int	 person_tier(const struct world_config *, const struct resources *,
	    const char *user, const struct resource **human);
/* The bot's own id; yours. */
char	*bot_user(const struct world_config *);
/* Is it the bot, the sender or an agent of ours (inside our namespace)? */
bool	 is_our_user(const struct world_config *, const char *user);

/* --- policy: who may address whom --------------------------------------- */

/* The compiled lists of one agent, sorted Matrix ids. */
struct allow { struct strv group, dm; };
void	 policy_allow(const struct world_config *, const struct resources *,
	    const struct agent *, struct allow *);
void	 allow_release(struct allow *);
/*
 * May `sender` address `agent` (in a group, in a DM)?  *why gets the rule that
 * decided, in one sentence; yours.
 */
bool	 policy_may(const struct world_config *, const struct resources *,
	    const struct agent *, const char *sender, bool is_dm, char **why);

/* --- origins: where everything comes from, for people who ask ------------- */

/* Borrows both until it is freed; nothing of it outlives a change. */
struct origins;
struct origins *origins_new(const struct world_config *,
	    const struct resources *);
void	 origins_free(struct origins *);
const struct world_config *origins_config(const struct origins *);
const struct resources *origins_resources(const struct origins *);
/* "spec.workers[wim].soul", "spec.leader" for ""; yours. */
char	*agent_path(const struct agent *, const char *field);
struct origin {
	const struct agent *agent;	/* whose it is, or NULL */
	struct strv	 fields;	/* that are given and say it: of the
					 * agent or the owner "spec.soul", of the
					 * settings "gateway.providers" */
	const char	*otherwise;	/* where it comes from when there are
					 * none: "the template"; or NULL */
	const char	*words;		/* what it is there for */
};
/* owner as of struct object.  False: of that nothing is known. */
bool	 origin_find(const struct origins *, const char *key,
	    const char *owner, struct origin *);
void	 origin_release(struct origin *);
/* One reason why somebody is in a room. */
struct member_origin {
	const char	*user;
	const struct agent *agent;	/* or NULL: a person */
	const struct resource *owner;	/* whose field it is; NULL: a setting */
	const char	*field;		/* "spec.accessibleTeams"; or NULL */
	const char	*words;		/* "works with the team" */
};
/* All reasons of all members, in no order; for spaces nothing is told. */
void	 origin_members(struct origins *, const char *key, const char *owner,
	    void (*)(void *, const struct member_origin *), void *);

#endif
