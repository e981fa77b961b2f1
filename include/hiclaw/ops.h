/*
 * Operations: what chat, REST and timers do alike, between them and the engine.
 * Who may do what is one pure function here, so that nothing can be done on one
 * way that is refused on the other.  Deciding thread only.
 */
#ifndef HICLAW_OPS_H
#define HICLAW_OPS_H

#include "hiclaw/engine.h"

/* What operations work with; filled by whoever has it, borrowed for ever. */
struct ops {
	struct engine	*engine;
	struct store	*store;
	/* A change was made that needed nothing outside: no run tells of it.
	 * NULL: nobody wants to know. */
	void		(*settled)(void *arg, const struct run_request *,
			    const char *plan_hash);
	/* Somebody showed the join code of an agent, from that address: and has
	 * it now, or was refused since it was used before.  Or NULL. */
	void		(*joined)(void *arg, const char *agent,
			    const char *from, bool is_again);
	void		*arg;
	const struct policy *policy;	/* chat.policy; NULL: none */
};

/* --- may.c: who may do what ---------------------------------------------- */

enum verb { VERB_NONE, VERB_VERSION, VERB_STATUS, VERB_LIST, VERB_GET,
    VERB_PLAN, VERB_CREATE, VERB_UPDATE, VERB_DELETE, VERB_WAKE, VERB_SLEEP,
    VERB_READY, VERB_RESTART, VERB_LOGS, VERB_EXEC, VERB_ADMIN };
const char *verb_name(enum verb);	/* "wake" */
enum verb verb_find(const char *word);	/* "sleep"; VERB_NONE: it is none */
/* The lowest tier (3 is low) for which a person may do this to anything. */
int	verb_tier(enum verb);

/* Who asks.  Zeroed: nobody that is known. */
struct caller {
	enum { CALLER_NONE, CALLER_PERSON, CALLER_AGENT } is;
	char		*user;		/* Matrix id */
	int		 tier;		/* of a person: 1 to 3 */
	const struct resource *human;	/* of a person, or NULL: configured */
	enum agent_role	 role;		/* of an agent */
	const char	*name;		/* of an agent: metadata.name */
	const struct resource *team;	/* of a leader or team worker */
};
/*
 * Look up who a token's subject is, "user:@ann:d" or "agent:alice", in what is
 * declared now.  False: nobody any more.  What the caller points to is borrowed
 * from engine_resources until the next change.
 */
bool	 caller_find(const struct engine *, const char *subject,
	    struct caller *);
/* A person of that tier, as chat knows one. */
void	 caller_person(struct caller *, const char *user, int tier,
	    const struct resource *human);
void	 caller_release(struct caller *);

/* What it is about.  A team member is a Worker with a team. */
struct target {
	const struct kind *kind;
	const char	*name;
	const struct resource *team;	/* that it is a member of, or NULL */
	bool		 is_leader;	/* of that team */
	const struct resource *resource; /* itself, or the Team it is in; NULL:
					 * there is none of that name */
	const struct json *spec;	/* its own part of the spec, or NULL */
	bool		 gives_rights;	/* the change of it does: see change_may */
};
/* kind Worker finds team members too; kind NULL: the agent of that name. */
void	 target_find(const struct resources *, const struct kind *,
	    const char *name, struct target *);

/*
 * MAY_ASK: after a yes, where one can be asked for; MAY_PROPOSE: only when
 * somebody else approves.  Pure; *why gets the rule in a sentence when the
 * answer is not MAY_NOW.  target NULL, or a kind without a name: is there
 * anything at all of the sort that this caller may do?
 */
enum may { MAY_NOT, MAY_PROPOSE, MAY_ASK, MAY_NOW };
enum may ops_may(const struct caller *, enum verb, const struct target *,
	    enum risk, char *why, size_t whysize);
/* The same, and which rule says so: its number and name are for people. */
struct ruling {
	enum may	 may;
	int		 number;
	const char	*rule;		/* "own-teams" */
	char		 why[256];	/* "" with MAY_NOW */
};
void	 ops_rule(const struct caller *, enum verb, const struct target *,
	    enum risk, struct ruling *);
/* The table, in its order; false: no more. */
bool	 rule_at(size_t, int *number, const char **name, enum may *says);
/* All people that are declared or configured, admins first; until fn says false. */
void	 people_each(const struct engine *,
	    bool (*fn)(const struct caller *, void *arg), void *arg);

/* --- change.c: something is to be different ------------------------------ */
/*
 * A change as JSON, so that a question can keep it:
 *  {"do": "apply", "docs": [resource...], "prune": "selector" or absent,
 *   "title": "apply 1 Team"}
 *  with "drop": [{"kind", "name"}...]: what goes together with what is put
 *  {"do": "delete", "names": [{"kind", "name"}...], "title": ...}
 *  {"do": "state", "names": ["alice"...], "state": "Sleeping", "title": ...}
 * With "repairs": ["line 3: ..."...], what was repaired in a manifest, the plan's
 * hash covers that too.
 */
struct attempt {
	struct resources *after;
	struct resource	**put, **gone;		/* refs */
	size_t		  put_n, gone_n;
	struct problems	  problems;
	struct plan	 *plan;
};
struct json *change_apply_action(struct resource *const *, size_t n,
	    const char *prune);			/* yours */
struct json *change_delete_action(void);	/* yours */
void	 change_delete_add(struct json *action, const struct kind *,
	    const char *name);
/* "Running", "Sleeping" or "Stopped", for agents of any kind. */
struct json *change_state_action(const char *state);	/* yours */
void	 change_state_add(struct json *action, const char *name);
/*
 * Try it on a copy of what is declared.  -1: err, or problems with errors.
 * places may be NULL, else parallel to docs.
 */
int	 change_try(struct engine *, const struct json *action,
	    const struct place *places, struct attempt *, struct err *)
	    MUST_CHECK;
void	 change_release(struct attempt *);
/* The least that ops_rule says of all it changes. */
void	 change_rule(const struct engine *, const struct caller *,
	    const struct json *action, const struct attempt *,
	    struct ruling *);
enum may change_may(const struct engine *, const struct caller *,
	    const struct json *action, const struct attempt *, char *why,
	    size_t whysize);

/*
 * What it risks, for the policy: like plan.risk, but a field that gives rights
 * counts also where it gives fewer, and deleting is always that.
 */
enum risk change_risk(const struct json *action, const struct attempt *);
/* How many resources and members it takes away. */
size_t	 change_deleted(const struct engine *, const struct json *action,
	    const struct attempt *);

/* How a change is shown: lines of a plan, of names on a line. */
#define STEPS_SHOWN	16	/* lines in a plan: one phone screen */
#define NAMES_SHOWN	8	/* on one of these lines */
/*
 * What is shown of a plan, as JSON: {"summary","risk","lines":[...],
 * "more":true if lines leaves something out, "notes":[...]}.  Notes are
 * warnings and repairs; may be NULL.  Yours.
 */
struct json *change_show(const struct engine *, const struct plan *,
	    const struct strv *notes);
/* A line with "@ann" for "@ann:domain" where it is our domain; yours. */
char	*short_ids(const struct engine *, const char *line);

/*
 * Give it to the engine, in the transaction that is open, and write down who
 * changed what.  `request` lacks `resources`, which are made here: what the
 * receipt will carry, with "show" and `answer` (the id of a yes, or NULL).
 * Returns the run, or 0 when nothing is left to do: then ops.settled was told.
 */
int64_t	 change_start(const struct ops *, const struct attempt *,
	    const struct json *show, const char *answer,
	    const struct run_request *request);

/* --- agent.c: how agents fare -------------------------------------------- */

struct agent_view {
	enum agent_role	 role;
	const char	*name, *runtime_name, *state;	/* as declared */
	const struct resource *resource;	/* its own, or its Team */
	const struct json *spec;		/* its part of the spec */
	/*
	 * In the words of the original: "Pending", "Running" (its container
	 * does), "Sleeping", "Stopped", "Updating", "Failed" (also when it ends
	 * again and again), "Deleting"; and "Ready" where nothing of ours runs
	 * agents and all else is in place.
	 */
	const char	*phase;
	char		 why[256];		/* trouble with its objects */
	size_t		 objects, settled;
	bool		 has_runner;	/* a container, or one elsewhere */
	bool		 is_elsewhere, is_running, has_failed;
	bool		 is_ready;		/* reported, and that counts */
	int64_t		 ready_until_ms;	/* wall clock, or 0 */
	int64_t		 heard_ms;	/* the report that says so; or 0 */
	char		 container[32];		/* its state as the engine of
						 * containers calls it, or "" */
	char		*user, *room;		/* observed, or NULL */
	struct json	*ports;		/* [{"port", "domain"}], or NULL */
};
struct agent_views { struct agent_view *v; size_t n; };
/*
 * The agents of a Worker, Manager (one) or Team (leader, then workers, in order
 * of the spec).  Borrows from the resource; what `out` held is not released.
 */
void	 agent_views_find(const struct engine *, const struct resource *,
	    int64_t now_ms, struct agent_views *out);
void	 agent_views_release(struct agent_views *);
const struct agent_view *agent_views_named(const struct agent_views *,
	    const char *name);			/* or NULL */

/* --- join.c, bundle.c: agents that somebody else runs --------------------- */
/*
 * Whoever is to run such an agent shows a one-time code and gets in return what
 * a container would get: environment, home and a token, with which it asks for
 * changes and renews the token.  The code is kept by its hash; a used one is
 * remembered for a while, so that who uses it again is told from who guesses.
 */
#define JOIN_CODE_MS	3600000			/* that a code is good for */

/*
 * A new code for the agent; the one before falls.  It is sealed as a secret of
 * the object "remote:<name>" until it was told; gives the name of the secret
 * ("code-12ab"), yours.  NULL: ERR_USER says why there is nothing to join.
 */
char	*join_offer(const struct ops *, const char *agent, struct err *);
enum join_code { JOIN_UNKNOWN, JOIN_USED, JOIN_GOOD };
/* *agent gets whose it is; yours, or NULL. */
enum join_code join_code_find(const struct ops *, const char *code,
	    char **agent);
/*
 * The code becomes a token, which is the only one from now on; for secret_free.
 * NULL: somebody was quicker.
 */
char	*join_take(const struct ops *, const char *code, const char *agent,
	    int64_t *expires_ms);
/* A new token for an agent that has one, which ends soon; for secret_free. */
char	*join_renew(const struct ops *, const char *agent,
	    int64_t *expires_ms);
/* It reports: its command runs, or does not. */
void	 join_report(const struct ops *, const char *agent, bool is_running,
	    int64_t life_ms);

/* Digests of what an agent elsewhere is to have, and of what of it takes a new
 * start of the runtime.  False: there is no such agent elsewhere. */
struct bundle_state { char digest[65], restart[65]; };
bool	 bundle_state(struct engine *, const char *agent,
	    struct bundle_state *);
/*
 * All of it: {"name", "kind", "user", "state": "running" or "stopped", "digest",
 * "restart", "env": {..}, "files":
 * [{"path", "mode", "rule", "content" or "base64", "form"?}...], "secrets": {..},
 * "left_out": [..]}.  A path is relative to the home; a rule is one of files
 * (ARCHITECTURE.md), or "skill", "package", or "own": the agent's, given only
 * with `is_first`.  A shared file has its "form" too, for file_render with
 * "secrets".  `done` is called once, with NULL and why on failure, also before
 * this returns; what it is given is wiped afterwards.  Where the storage is not a
 * directory there are no files: the agent has its own way there.
 */
int	 bundle_make(struct engine *, const char *agent, bool is_first,
	    void (*done)(void *arg, struct json *bundle, const struct err *),
	    void *arg, struct err *) MUST_CHECK;

/* --- names --------------------------------------------------------------- */

/* The team member of that name: its Team, and is it the leader? */
struct resource *member_team(const struct resources *, const char *name,
	    bool *is_leader, const struct json **spec);
/* There is none of that name; err says so, with the nearest; gives -1. */
int	 name_missing(const struct engine *, const struct kind *,
	    const char *name, struct err *);
/* The same for agents of any kind. */
int	 agent_missing(const struct engine *, const char *name, struct err *);

/* --- access.c: model providers and MCP servers of agents ------------------- */

/* The agent's own part of (a copy of) its resource's spec; borrowed. */
struct json *agent_part(struct json *spec, const struct agent *);
/* Grant or take away `name` of "providers" or "mcpServers" in such a part; an
 * entry that is left empty goes. */
void	 access_edit(const struct world_config *, struct json *part,
	    const char *list, const char *name, bool grants);

/* --- adopt.c: what others did outside, declared ---------------------------- */

struct adoption {
	struct json	*docs;		/* resources as they would be, for a
					 * change; empty: there is nothing to
					 * declare, or it is declared already */
	struct strv	 fields;	/* "spec.soul of Worker/alice": of those */
	struct strv	 cannot;	/* what cannot be declared, and why */
};
/*
 * How the object with this key and owner (of struct object_view) differed: `was`
 * as engine_observer.drift tells it, kept by adoption_keep.  Pure.
 */
void	 adoption_make(struct origins *, const char *key, const char *owner,
	    const struct json *was, struct adoption *);
void	 adoption_release(struct adoption *);
/* A copy to be kept: what has one of the secrets in it, or one by its form, is not
 * in it, and is marked "secret".  Pure; yours. */
struct json *adoption_keep(const struct json *was, const struct strv *secrets);

/* --- freeze.c: nothing is to be done --------------------------------------- */

/* Times of the wall clock.  is_broken: nobody knows what it says. */
struct freeze {
	char		*by, *why;	/* Matrix id; "" when not said */
	int64_t		 since_ms, until_ms;	/* 0: until somebody ends it */
	int64_t		 told_ms, extended_ms;
	bool		 is_broken;
};
/* What is kept, NULL: nothing.  False: there is no freeze.  Pure. */
bool	 freeze_parse(const char *text, struct freeze *);
bool	 freeze_get(struct store *, struct freeze *);
void	 freeze_release(struct freeze *);
/* Who, since when, until when, why, and how it ends; yours. */
char	*freeze_words(const struct freeze *);
/* At the start, before the engine begins: it stands still if it stood still. */
void	 freeze_load(const struct ops *);
/* Another one takes the place of what there is; until_ms 0: without an end. */
void	 freeze_begin(const struct ops *, const char *by, const char *why,
	    int64_t until_ms);
bool	 freeze_end(const struct ops *);	/* false: there was none */
/* Each second: is its time over, or is it to be told of again? */
enum freeze_due { FREEZE_NOTHING, FREEZE_OVER, FREEZE_REMIND };
enum freeze_due freeze_tick(const struct ops *, int64_t now_ms);

/* --- lockout.c: the last admin stays --------------------------------------- */

/*
 * The Human of tier 1 after whom none would be left of those whose Matrix ids
 * are in `seen`; NULL: one is, or none was before.  Pure.
 */
const struct resource *lockout_last(const struct world_config *,
	    const struct resources *before, const struct resources *after,
	    const struct strv *seen);
/* 0, or -1: ERR_CONFLICT and who that is.  change_try asks. */
int	 lockout_check(struct engine *, const struct attempt *, struct err *)
	    MUST_CHECK;

/* --- sealed.c: secrets that people paste ----------------------------------- */

#define SEALED_MARK	"$sealed."	/* of a reference; an id follows */
/*
 * The first secret at or after `from`: one with a known beginning, a private
 * key, a web token, or a random value of a field whose name means a secret.
 * False: there is none.  Pure.
 */
bool	 secret_find(const char *text, size_t from, size_t *at, size_t *len);
/* The text with a reference for each of the *n secrets, which are sealed; yours,
 * or NULL when there is none. */
char	*secrets_seal(struct store *, const char *text, size_t *n);
/* The id in a reference that is a whole value, or NULL. */
const char *sealed_id(const char *value);
/* References in what is put: problems where they mean nothing. */
void	 sealed_check(struct engine *, struct attempt *);
/* They belong to what is put from now on. */
void	 sealed_bind(struct store *, const struct attempt *);

/* --- mask.c: secrets out of a text before people see it ------------------- */

/*
 * The text with every one of the secrets as "***", also one that its end cuts
 * off, and what is one by its form wherever it stands: "Bearer x", a password in
 * an address, a private key.  If by_name, also every value whose name has key,
 * token, secret, password or the like in it ("apiKey": "x", API_KEY=x, token: x).
 * It hides too much rather than too little.  Pure; yours.
 */
char	*mask_secrets(const char *text, const struct strv *secrets,
	    bool by_name);
/* All secrets we know that an agent holds, to mask them; for secrets_wipe. */
void	 agent_secrets(struct engine *, const char *name, struct strv *out);
/* Those of all agents: so many that they are worth asking for only when there is a
 * text to look at. */
void	 agents_secrets(struct engine *, struct strv *out);
void	 secrets_wipe(struct strv *);

#endif
