/*
 * Shared by the files that make agents' files: one agent's home while it is
 * made, and the making of texts.
 */
#ifndef FILES_INT_H
#define FILES_INT_H

#include "world-int.h"

#define RUNTIME_OPENCLAW	1u
#define RUNTIME_COPAW		2u
#define RUNTIME_HERMES		4u

struct home {
	struct census	*census;
	const struct world_config *cfg;
	const struct map *shown;	/* Matrix id -> name that people see */
	const struct agent *agent;
	const struct resource *team;	/* or NULL */
	const char	*team_name;	/* of its rooms and storage; or NULL */
	const char	*runtime;	/* "openclaw" */
	unsigned	 runtime_bit;
	const char	*model;		/* "" when none is known */
	char		*account;	/* "account:alice" */
	char		*consumer;	/* "consumer:worker-alice"; NULL without a
					 * gateway */
	char		*base_url;	/* where its model is; or NULL */
	char		*shared;	/* "teams/x/shared/", "shared/" */
	char		*own_room;	/* "room:worker/alice" */
	struct allow	 allow;
};

/* What one file shall contain: one of text and json. */
struct made {
	const char	*rule;		/* that of the row, unless changed */
	char		*text;		/* canonical JSON: string or array */
	struct json	*json;
	const char	*origin;	/* of rule mcporter; borrowed */
	bool		 restarts;	/* read by the runtime as it starts only */
};

/*
 * A text with references in it, while it grows.  A zeroed struct is an empty
 * one; doc_done gives it as canonical JSON and releases it.
 */
struct doc { struct buf run, parts; };
void	 doc_puts(struct doc *, const char *);
void	 doc_printf(struct doc *, const char *, ...) PRINTF(2, 3);
void	 doc_ref(struct doc *, const char *object, const char *field);
void	 doc_secret(struct doc *, const char *object, const char *secret,
	    const char *id_field);
char	*doc_done(struct doc *);

struct json *json_ref(const char *object, const char *field);
struct json *json_secret(const char *object, const char *secret,
	    const char *id_field);
struct json *json_gateway_key(const struct home *);
struct json *json_names(const struct strv *);	/* an array, never null */

/* The limits of a model; of one that we do not know, careful ones. */
struct model {
	const char	*id;
	int		 context, output;	/* tokens */
	bool		 has_images;
};
struct model model_limits(const char *id);

/* Rounds that the agent makes by itself: "30m"; NULL: none are configured,
 * "": they are turned off. */
const char *home_heartbeat(const struct home *);

/* The leader of the agent's team, or NULL. */
const struct agent *home_leader(const struct home *);

/* --- memo.c: homes compiled before; a NULL memory has none ------------------ */

struct part *part_new(const struct object *, size_t n);	/* takes them over */
const struct object *part_objects(const struct part *, size_t *n);
struct part *part_ref(struct part *);
void	 part_unref(struct part *);
/* What a home says that is not in its agent's resource; yours. */
char	*memo_print(const struct home *);
struct part *memo_find(struct world_memo *, const struct agent *,
	    const char *print);
void	 memo_keep(struct world_memo *, const struct agent *,
	    const char *print, struct part *);
/* A compile of so many agents is done. */
void	 memo_turn(struct world_memo *, size_t agents);

/* Makers of files: false when the agent gets no such file. */
bool	 make_agents_md(struct home *, struct made *);
bool	 make_heartbeat_md(struct home *, struct made *);
bool	 make_identity_md(struct home *, struct made *);
bool	 make_soul_md(struct home *, struct made *);
bool	 make_soul_copy(struct home *, struct made *);
bool	 make_tools_md(struct home *, struct made *);
bool	 make_user_md(struct home *, struct made *);
bool	 make_mcporter(struct home *, struct made *);
bool	 make_openclaw(struct home *, struct made *);
bool	 make_copaw_agent(struct home *, struct made *);
bool	 make_hermes_env(struct home *, struct made *);
bool	 make_hermes_config(struct home *, struct made *);
bool	 make_runtime_yaml(struct home *, struct made *);
bool	 make_workers_registry(struct home *, struct made *);
bool	 make_teams_registry(struct home *, struct made *);
bool	 make_humans_registry(struct home *, struct made *);

/*
 * The container of the agent of this home (or what stands for one that somebody
 * else runs), after these files; a change of those of `restarts` starts it anew.
 */
void	 container_add(struct world *, const struct home *, const char *owner,
	    const struct strv *files, const struct strv *restarts);

/* Skills of an agent as the object has them: {name: {...}}. */
struct json *agent_skills(const struct world_config *, const struct agent *);

#endif
