/*
 * Shared by the files of src/world and nobody else: who there is (the census),
 * the world while it grows, and the writing of canonical JSON.
 */
#ifndef HICLAW_WORLD_INT_H
#define HICLAW_WORLD_INT_H

#include "hiclaw/world.h"

/* --- census: everybody, looked up once for one compile ------------------- */

struct person {
	char		*user;		/* Matrix id */
	char		*account;	/* "human:john" when the account is
					 * ours to make; else NULL */
	bool		 is_admin;	/* configured */
	int		 tier;		/* as person_tier; 0: only known as a
					 * coordinator or from a DM */
};
/* Borrowed persons.  A zeroed struct is an empty list. */
struct people {
	struct person	**v;
	size_t		  n, cap;
};
void	 people_add(struct people *, struct person *);
/* Sort by Matrix id and drop who is there twice. */
void	 people_settle(struct people *);
void	 people_release(struct people *);

struct census {
	const struct world_config *cfg;
	const struct resources	*resources;
	struct agents		 agents;
	const struct agent	*manager;	/* or NULL */
	struct people		 everybody;	/* owns them */
	struct people		 admins;	/* configured */
	struct people		 tier1;		/* Humans of tier 1 */
	struct map		*by_user;	/* -> struct person */
	struct map		*by_human;	/* Human's name -> person */
	struct map		*of_team;	/* Team's name -> people of tier
						 * 2 who have it */
	struct map		*of_worker;	/* agent's name -> people of tier
						 * 2 or 3 who name it */
};
void	 census_take(struct census *, const struct world_config *,
	    const struct resources *);
void	 census_release(struct census *);
/* The person with this Matrix id; a stranger is added. */
struct person *census_person(struct census *, const char *user);
/* spec.admin of a Team, or NULL. */
struct person *census_team_admin(struct census *, const struct resource *team);
/* humanMembers of a Team who are coordinators, in order of the list. */
void	 census_coordinators(struct census *, const struct resource *team,
	    struct people *);
/* policy_allow of an agent of this census. */
void	 census_allow(struct census *, const struct agent *, struct allow *);
/* From a map of the census; an empty list if there is none. */
const struct people *census_named(const struct map *, const char *name);
/* "frontend" of the Team that the agent is in, or NULL. */
const struct resource *agent_team(const struct agent *);

/* --- the world while it grows -------------------------------------------- */

/* A new object; key and desired are taken over.  Borrowed until the next. */
struct object *world_add(struct world *, char *key, const char *owner,
	    char *desired);
void	 object_release(struct object *);
/* The objects from this one on are shared from now on; the world's hold of them,
 * borrowed.  And those of a part that is there already. */
struct part *world_share(struct world *, size_t from);
void	 world_take(struct world *, struct part *);
/* "Team/frontend"; yours. */
char	*owner_of(const struct resource *);
void	 topology_add(struct world *, struct census *);
/*
 * Why everybody is in one room: each person and agent with each reason, some
 * more than once.  Spaces are not asked about what is below them.
 */
enum room_why { WHY_ADMIN, WHY_TIER_1, WHY_TEAM_ADMIN, WHY_COORDINATOR,
    WHY_TEAMS /* accessibleTeams */, WHY_WORKERS /* accessibleWorkers */,
    WHY_SPOKE, WHY_BELOW };
struct room_ask {
	const char	*key;
	void		(*person)(void *arg, const struct person *,
			    enum room_why);
	void		(*agent)(void *arg, const struct agent *);
	void		*arg;
};
void	 topology_ask(struct census *, const struct room_ask *);
void	 files_add(struct world *, struct census *, struct world_memo *);
void	 grants_add(struct world *, const struct census *);
void	 storage_add(struct world *, const struct census *);
void	 containers_add(struct world *, const struct census *);

/* --- grants.c: what files have to say as well ----------------------------- */

/* The provider of the settings that serves the model: the first with a pattern
 * that fits, else the default; NULL when there is none at all. */
const struct json *world_provider(const struct world_config *,
	    const char *model);
/* Its path at the gateway: "/v1", "/providers/qwen/v1"; yours. */
char	*world_provider_path(const struct world_config *, const struct json *);
/* "github" of the URL of an MCP server behind the gateway, else NULL; yours. */
char	*world_mcp_name(const struct world_config *, const char *url);
/* The key of the bucket that files are in: what trees depend on; yours.  NULL
 * where there is none. */
char	*world_bucket(const struct world_config *);

/* What the agent is called as a user of the storage; yours. */
char	*world_storage_user(const struct agent *);

/* --- canonical JSON, written in order of its keys ------------------------- */
/*
 * Ten thousand rooms go through here: text is written straight down, because
 * a tree of nodes for each would cost more than all the rest of the compile.
 * The caller writes keys in order; a test compares with json_canonical.
 */
void	 jw_open(struct buf *);			/* { */
void	 jw_close(struct buf *);		/* } */
void	 jw_key(struct buf *, const char *key);	/* "key": */
void	 jw_str(struct buf *, const char *key, const char *value);
void	 jw_int(struct buf *, const char *key, int64_t);
void	 jw_bool(struct buf *, const char *key, bool);
void	 jw_raw(struct buf *, const char *key, const char *json); /* canonical */
void	 jw_item(struct buf *, const char *value);	/* of an array: a text */
/* An array of the names, sorted, each once; NULL: an empty one. */
void	 jw_names(struct buf *, const char *key, struct strv *names);
/* "key":{"$ref":object,"field":field} */
void	 jw_ref(struct buf *, const char *key, const char *object,
	    const char *field);
/* A copy of exact size; the buffer is empty afterwards but keeps its memory. */
char	*jw_done(struct buf *);

#endif
