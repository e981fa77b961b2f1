/*
 * The engine brings the world to its desired state and keeps it there.  It owns
 * the resources and the objects in memory (SQLite is their durable twin), knows
 * kinds of object only by their table row, and tells its observer what happens.
 * Deciding thread only.
 *
 * Everything it writes goes into the store's open transaction; before the loop
 * waits the batch is committed, and only then do jobs start, messages leave and
 * requests get their answer.
 */
#ifndef HICLAW_ENGINE_H
#define HICLAW_ENGINE_H

#include "hiclaw/api.h"
#include "hiclaw/object.h"
#include "hiclaw/plan.h"
#include "hiclaw/provider.h"
#include "hiclaw/store.h"
#include "hiclaw/world.h"

struct engine;
struct loop;

/* One execution of a plan, as seen while it goes on. */
struct run_view {
	int64_t		 id;
	const char	*actor, *room, *command_event, *title, *plan_hash;
	const char	*resources;	/* JSON given to engine_apply */
	int64_t		 live_message;	/* outbox id of the live message, or 0 */
	int64_t		 started_ms;
	size_t		 total, settled, failed;	/* objects */
	size_t		 creates, updates, deletes;
	const char	*current;	/* key of an object in hand, or of one
					 * that is waited for; or NULL */
	char		 progress[96];	/* how far that one is, or why it waits */
	bool		 over, timed_out;
	/* of failed or unfinished objects, at most max: cb(key, error) */
	const struct engine *engine;
};
void	run_troubles(const struct run_view *, size_t max,
	    void (*)(void *, const char *key, const char *error), void *);

struct engine_observer {
	void	*arg;
	/* A run moved on, at most every live_interval; over: its last word. */
	void	(*run)(void *arg, const struct run_view *);
	/*
	 * Somebody changed an object outside and it was put right. `did` says
	 * what was done, `sender` who had done it (or NULL: found by resync).
	 * `was` is how it differed, as the kind's diff says it ("from" is what
	 * was found), and the provider's `found`: {"changes": [{"what", "from"?,
	 * "to"?}...], "found"?}; NULL where that is not known.
	 */
	void	(*drift)(void *arg, const char *key, const char *sender,
		    const struct strv *did, const struct json *was);
	/* The same object was put right too often: wait_s until the next try. */
	void	(*fight)(void *arg, const char *key, const char *sender,
		    int wait_s);
	/* An outside system does not answer (since_ms), or does again. */
	void	(*system)(void *arg, const char *provider, bool is_up,
		    int64_t since_ms, const char *why);
	/* The initial password of a Human's account was made. */
	void	(*account_made)(void *arg, const char *key, const char *user);
	/* All is ready for an agent that somebody else runs: "remote:alice". */
	void	(*elsewhere)(void *arg, const char *key);
	/* Nothing is left of a deleted resource. */
	void	(*resource_gone)(void *arg, const char *kind, const char *name);
};

struct engine_config {
	struct world_config	 world;		/* borrowed strings stay alive */
	struct provider_env	 env;
	int			 threads;
	int64_t			 resync_ms, run_limit_ms, live_interval_ms;
};

/* Loads resources and objects from the store; opens the providers. */
struct engine *engine_new(struct loop *, struct store *,
	    const struct engine_config *, struct err *);
/* Called back from now on; at most two observers, members may be NULL. */
void	engine_observe(struct engine *, const struct engine_observer *);
/* Begin to work.  Before that nothing leaves the house. */
void	engine_start(struct engine *);
/* Take no new objects in hand; the current ones finish.  Then free. */
void	engine_drain(struct engine *);
bool	engine_is_idle(const struct engine *);	/* nothing in hand */
void	engine_free(struct engine *);

/*
 * The turn of the loop: before the commit the engine decides what to start and
 * writes it down, after the commit it starts it.
 */
void	engine_before_commit(struct engine *);
void	engine_after_commit(struct engine *);

/*
 * Frozen, it goes on observing and deciding and does nothing: no ensure, no
 * remove, no repair; what is in hand finishes.  `why` is a sentence for whoever
 * asks; NULL: it works again, first of all on what it found meanwhile.
 */
void	engine_freeze(struct engine *, const char *why);
const char *engine_frozen(const struct engine *);	/* that why, or NULL */

/*
 * What others do to this object is left so until then (wall clock), over restarts
 * too, or until something else is asked of it; in the past: that ends now.  False:
 * there is no such object, or there was nothing to end.
 */
bool	engine_leave(struct engine *, const char *key, int64_t until_ms);

/* --- deciding ----------------------------------------------------------- */

const struct resources *engine_resources(const struct engine *);
/* Another number whenever what is declared has changed. */
uint64_t engine_version(const struct engine *);
const struct world_config *engine_world_config(const struct engine *);
/* What would `after` change?  Pure but for reading the engine's memory. */
struct plan *engine_plan(struct engine *, const struct resources *after);
/* Differences that exist now, without any change asked for. */
struct plan *engine_plan_now(struct engine *);

/* Who asks, and where to report. */
struct run_request {
	const char	*actor;		/* Matrix id */
	const char	*room;		/* room id, or NULL: no report */
	const char	*command_event;	/* event id of the command, or NULL */
	const char	*title;		/* "apply 1 Team, 3 Humans" */
	const char	*resources;	/* JSON for the receipt, or NULL */
	/* of change_start: members that come into `resources` as well, such as
	 * {"proposal": 7, "approved": ["@ann:d"], "override": true}; or NULL */
	const struct json *ledger;
};
/*
 * Make `after` the desired state, durably, in the transaction that is open, and
 * start a run.  The resources that differ get a new generation; those that are
 * gone are marked deleting until their last object is gone.  Returns the id of
 * the run, also when nothing is left to do (it then ends at once, without a
 * report to the observer: total == 0 and 0 is returned).
 */
int64_t	engine_apply(struct engine *, const struct plan *,
	    const struct resources *after, const struct run_request *);
/* The live message of a run, as soon as chat has queued it. */
void	engine_run_live(struct engine *, int64_t run, int64_t outbox_id);

/*
 * Make the rotating secret of this object anew, in a run of its own.  The one
 * before works for overlap_ms longer.  ERR_NOTFOUND: no such object; ERR_USER:
 * it has nothing to rotate, or the last rotation is still under way.  Returns
 * the run, or -1; *plan, when not NULL, gets its plan, for plan_free.
 */
int64_t	engine_rotate(struct engine *, const char *key, int64_t overlap_ms,
	    const struct run_request *, struct plan **plan, struct err *);
/*
 * Start the container with this key anew, in a run of its own: "container:alice".
 * ERR_NOTFOUND: no such object, or it is not to run.  As engine_rotate.
 */
int64_t	engine_restart(struct engine *, const char *key,
	    const struct run_request *, struct plan **plan, struct err *);
/*
 * Ask the provider that has this kind of object ("file", "route"); the answer
 * comes to `done` on the loop's thread, *answer NULL on failure.  ERR_USER at
 * once, without a call of done, when there is no such provider.
 */
int	 engine_query(struct engine *, const char *kind,
	    const struct json *question,
	    void (*done)(void *arg, const struct json *answer,
	    const struct err *), void *arg, struct err *) MUST_CHECK;

/* The bot keeps a DM with this person from now on; gives the object's key
 * ("room:dm/@x:d"), usable as the room of an outbox row. */
const char *engine_dm(struct engine *, const char *user);
/* A database made anew: with these people it has DMs already. */
void	engine_dms_restore(struct store *, const struct strv *users);

/* --- news from outside -------------------------------------------------- */

/*
 * An outside event that concerns the object with this handle; unknown handles
 * are kept for a while, for objects whose creation is still in flight.
 */
void	engine_event(struct engine *, const char *handle,
	    const struct json *event);
/* Let a pure function edit the observed form of an object (say, to forget that
 * somebody left); if it returns true the object is looked at again. */
bool	engine_edit(struct engine *, const char *key,
	    bool (*edit)(struct json *observed, void *arg), void *arg);
/* Look at everything again, now; observed in bulk where events do not tell. */
void	engine_resync(struct engine *);
/* The provider answered or did not, seen by somebody else (outbox, sync). */
void	engine_system(struct engine *, const char *provider, bool is_up,
	    const char *why);

/* --- reading ------------------------------------------------------------ */

struct engine_counts {
	size_t	 objects, settled, busy, waiting, backoff, failed, removing;
	size_t	 runs;
	uint64_t ensures, repairs;
};
void	engine_counts(const struct engine *, struct engine_counts *);
bool	engine_object(const struct engine *, const char *key,
	    struct object_view *);
/* All with this owner ("Team/frontend"), or all (NULL), in order of key. */
void	engine_objects(const struct engine *, const char *owner,
	    void (*)(void *, const struct object_view *), void *);
/* Observed member of an object: engine_observed(e, "room:admin", "room_id").
 * Borrowed until the next change; NULL if unknown. */
const char *engine_observed(const struct engine *, const char *key,
	    const char *field);
/* The object with this handle, or NULL. */
const char *engine_find(const struct engine *, const char *handle);
/*
 * One word for a resource, and in a sentence why; from the state of its objects,
 * never from what is wished: "Ready" (all in place; what runs there has
 * reported), "Starting" (it runs and has not), "Sleeping", "Stopped",
 * "CrashLoop" (it ends again and again), "Waiting" (for somebody else to run
 * it), "Pending", "Updating", "Degraded", "Failed", "Deleting".  A Team is ready
 * also when members sleep.
 */
const char *engine_phase(const struct engine *, const struct resource *,
	    char *why, size_t whysize);
/* The same of one agent, that may be a member of the resource; spec is its own
 * part. */
const char *engine_agent_phase(const struct engine *, const struct resource *,
	    const char *agent, const struct json *spec, char *why,
	    size_t whysize);
/* What runs the agent: its container, or what stands for one elsewhere. */
bool	engine_runner(const struct engine *, const char *agent,
	    struct object_view *);
struct system_view {
	const char	*name;
	bool		 is_up;
	int64_t		 since_ms;	/* down since; wall clock */
	const char	*why;		/* of the outage, or NULL */
	int		 in_flight;
	int64_t		 latency_ms;	/* of a job, smoothed; -1: none yet */
	uint64_t	 jobs, looks;	/* done so far; a job may be of many
					 * objects, a look is of all */
	const char	*last_error;	/* of any object, or NULL */
	int64_t		 last_error_ms;	/* wall clock */
};
void	engine_systems(const struct engine *,
	    void (*)(void *, const struct system_view *), void *);
/* A secret of an object ("human:john", "password"); for secret_free, or NULL. */
char	*engine_secret(struct engine *, const char *key, const char *name);
/* Seen and passed on: the secret is wiped from the store. */
void	engine_secret_forget(struct engine *, const char *key, const char *name);

#endif
