/*
 * What the files of the engine share; nobody else includes it.
 *
 *   item    one managed object: desired, observed, where it stands
 *   system  one provider: its queue, its hands, whether it answers
 *   owner   one resource's items, for phases and clean-up
 *   run     one execution of a plan: the items it waits for
 *
 * An item is in exactly one state; item_set_state() is the only place that
 * changes it.  An item in hand (OBJECT_BUSY) is never freed, and news about it
 * wait in its `news` until the result is here.
 */
#ifndef ENGINE_INT_H
#define ENGINE_INT_H

#include <pthread.h>
#include <stdatomic.h>

#include "hiclaw/engine.h"
#include "hiclaw/loop.h"

#define SAID_MAX	64	/* bytes of how far a job is */

struct owner {
	char		*name;		/* "Team/frontend" */
	struct item	**items;
	size_t		 n, cap;
};

struct item {
	char		*key;
	struct owner	*owner;
	const struct object_kind *kind;
	struct system	*system;
	char		*desired;	/* canonical, shared with the world; NULL:
					 * to be removed */
	char		*observed;	/* canonical; NULL: not there */
	struct strv	 deps;		/* keys that must be there first */
	struct strv	 refs;		/* keys desired points to, deps or not;
					 * sorted, each once */
	size_t		 refs_came;	/* so many of them are not on their way */
	struct item	**users;	/* items that depend on or refer to us */
	size_t		 users_n, users_cap;

	enum object_state state;
	bool		 queued, urgent;
	bool		 awaits;	/* WAITING for what it is for, not for
					 * another item: nothing to be done */
	bool		 asked_for;	/* changed by the apply that goes on */
	bool		 was_tried;	/* may be there although not observed */
	bool		 unanswered;	/* the last try got no answer */
	struct item	*next;		/* in the queue of its system */
	int		 fails;		/* tries in a row that failed */
	int64_t		 retry_ms;	/* monotonic; not before; 0: any time */
	char		*error;

	char		*drift_by;	/* who changed it, "" if found by resync;
					 * NULL: no drift */
	char		*repaired;	/* what was done the last time */
	int64_t		 left_ms;	/* wall clock: until then what others do
					 * to it stays; or 0 */
	int		 repairs;	/* the same, within the window below */
	int64_t		 repairs_since;	/* monotonic */
	int		 fights;	/* times it was told to wait */
	bool		 has_paused;	/* of a kind with pauses: this one is over */
	char		*handle;	/* under which e->handles has it */
	char		*lent;		/* by engine_observed */
	struct json	*news;		/* events that came while in hand */
	char		 said[SAID_MAX];	/* how far the job is, while in hand;
					 * guarded by e->said_lock */
};

struct system {
	const struct provider *provider;
	void		*ctx;		/* NULL: left out by the settings */
	struct pool	*pool;
	struct item	*head, **tail;	/* queue */
	int		 in_hand;
	bool		 is_up, told_down;
	bool		 observing;	/* a look is under way */
	bool		 observe_again;	/* it began too early for somebody */
	struct map	*suspects;	/* keys of items to look at, when the look
					 * is over or they are no longer in hand */
	int		 failures;	/* in a row, over all items */
	int64_t		 down_since_ms;	/* wall clock */
	int64_t		 next_probe_ms;	/* monotonic */
	int64_t		 latency_ms;	/* of its jobs, smoothed; -1: none */
	uint64_t	 jobs, looks;	/* done */
	char		*last_error;	/* of any item */
	int64_t		 last_error_ms;	/* wall clock */
	char		*why;
	struct watcher	*watcher;	/* NULL: it tells nothing */
};

struct run {
	int64_t		 id;
	char		*actor, *room, *command_event, *title, *hash, *resources;
	int64_t		 live_message, started_ms, deadline_ms;
	struct map	*open;		/* key -> item not settled yet */
	struct map	*troubled;	/* key -> failed for good */
	size_t		 total, creates, updates, deletes;
	bool		 changed, over, timed_out;
	int64_t		 told_ms;	/* monotonic, last word to observer */
	struct run	*next;
};

/* All items in order of keys, brought about when somebody asks for it. */
struct order {
	struct item	**v;
	size_t		 n, cap;
	size_t		 sorted;	/* the first so many are in order */
	bool		 is_stale;	/* empty: the items are to be put in */
};

/* An event for a handle that nobody has yet. */
struct stray { char *handle, *event; };	/* canonical JSON */
#define STRAYS_MAX	512	/* 16 rooms in the making have ~10 each */

#define OBSERVERS_MAX	2	/* chat, and the daemon itself */
/* Tell all observers who want to know. */
#define TELL(e, what, ...) do {						\
	for (size_t o_ = 0; o_ < (e)->obs_n; o_++)			\
		if ((e)->obs[o_].what != NULL)				\
			(e)->obs[o_].what((e)->obs[o_].arg, __VA_ARGS__); \
} while (0)

struct engine {
	struct loop		*loop;
	struct store		*store;
	struct engine_config	 cfg;
	struct engine_observer	 obs[OBSERVERS_MAX];
	size_t			 obs_n;
	struct resources	*resources;	/* declared now */
	struct world_memo	*memo;		/* of these, and of plans */
	uint64_t		 version;	/* of these */
	struct resources	*deleting;	/* gone, objects still there */
	struct strv		 dms;
	struct map		*items, *owners, *handles;
	struct order		*order;		/* of the items */
	uint64_t		 inputs;	/* another one when anything that is
						 * compiled beside resources is */
	struct {	/* what was compiled last in this turn, for a plan */
		struct world	 *world;	/* or NULL */
		struct resources *of;
		uint64_t	  inputs;
	} planned;
	struct system		*systems;
	size_t			 systems_n;
	struct run		*runs;
	struct stray		*strays;	/* ring */
	size_t			 strays_n, strays_at;
	struct timer		*timer;		/* retries, deadlines, progress */
	struct batch		*batches;	/* all that exist */
	struct batch		*starting;	/* selected, waiting for commit */
	size_t			 resting;	/* items in BACKOFF or FAILED */
	bool			 started, draining, ticking;
	char			*frozen;	/* why; NULL: it is not */
	struct map		*check;		/* keys to look at this turn */
	struct json		*rotations;	/* see rotate.c */
	struct timer		*rotation_timer;
	struct json		*restarts;	/* see restart.c */
	struct json		*left;		/* key -> until_ms, see drift.c */
	struct timer		*period_timer;
	pthread_mutex_t		 said_lock;
	atomic_bool		 has_said;	/* since runs were looked at */
	uint64_t		 ensures, repairs;
};

/* sync.c: compile what is declared, make it the desired form of all items. */
void	 engine_sync(struct engine *);
void	 planned_forget(struct engine *);
void	 order_add(struct order *, struct item *);
/* One of its items is about to go. */
void	 order_drop(struct order *);
/* Borrowed until an item comes or goes. */
struct item *const *items_in_order(const struct engine *, size_t *n);

/* engine.c */
/* A JSON object of the store that the compile reads as well: an empty one when
 * there is none; yours. */
struct json *kept_load(struct engine *, const char *key);
void	 kept_save(struct engine *, const char *key, const struct json *);

/* item.c */
struct item *item_find(const struct engine *, const char *key);
struct item *item_add(struct engine *, const char *key, const char *owner);
void	 item_remove(struct engine *, struct item *);
void	 item_unwanted(struct engine *, struct item *);
void	 item_free(void *);
void	 item_set_owner(struct engine *, struct item *, const char *owner);
void	 item_set_deps(struct engine *, struct item *, const char *desired,
	    const struct strv *deps);
void	 item_set_state(struct engine *, struct item *, enum object_state);
void	 item_set_observed(struct engine *, struct item *, const struct json *);
void	 item_set_error(struct item *, const char *);
/* Look at the item again before this turn ends. */
void	 item_touch(struct engine *, struct item *);
/* Is there something to do for it now?  It may have changed in the queue. */
bool	 item_is_due(const struct item *);
void	 items_check(struct engine *);
struct json *item_resolved(struct engine *, struct item *);
void	 item_view(const struct item *, struct object_view *);
/* Take an outside event into what is observed; kept while in hand. */
void	 item_absorb(struct engine *, struct item *, const struct json *event);

/* queue.c */
int	 systems_open(struct engine *, struct err *);
void	 systems_close(struct engine *);
/* The row of a kind, of the provider that is open; if none is, of any. */
const struct object_kind *system_kind(struct engine *, const char *name,
	    struct system **);
void	 queue_push(struct engine *, struct item *);
void	 queue_drop(struct item *);
void	 queue_select(struct engine *);	/* before the commit */
void	 queue_submit(struct engine *);	/* after it */
void	 batches_free(struct engine *);
void	 queue_tick(struct engine *);
/* "agent:alice" for "container:alice"; yours. */
char	*token_subject(const char *key);
/* The last error, for people. */
void	 system_failed(struct system *, const char *why);
/* since_ms: wall clock when the call that failed began. */
void	 system_answer(struct engine *, struct system *, bool is_up,
	    int64_t since_ms, const char *why);

/* drift.c */
void	 drift_found(struct engine *, struct item *, const char *sender);
/* Nothing is to be put right any more, or somebody asked for something else. */
void	 drift_forget(struct item *);
/* The count of repairs begins anew. */
void	 drift_begin_anew(struct item *);
/* After a repair: reports it. */
void	 drift_repaired(struct engine *, struct item *, const struct deed *);
/* Of a kind with pauses: a repair that its system answered has failed.  The ms to
 * wait before the next one. */
int64_t	 drift_failed(struct engine *, struct item *);
/* The ms to wait before the next one, if this is a fight. */
int64_t	 drift_hold(struct engine *, struct item *);
void	 left_load(struct engine *);
void	 left_end(struct engine *, struct item *);
/* So long it is left as others made it; 0: it is not. */
int64_t	 left_for(struct engine *, struct item *);
void	 stray_keep(struct engine *, const char *handle, const struct json *);
void	 strays_replay(struct engine *, struct item *);
void	 observe_start(struct engine *);
/* One system; after the look that is under way, if one is. */
void	 observe_system(struct engine *, struct system *);
/* Somebody may have changed the item with this key, if there is one. */
void	 suspect(struct system *, const char *key);
/* Look at those that can be looked at now. */
void	 observe_suspects(struct engine *, struct system *);

/* rotate.c */
void	 rotations_load(struct engine *);
void	 rotations_arm(struct engine *);
void	 rotation_forget(struct engine *, const char *key);

/* restart.c: starting anew, and the period that tokens are renewed in */
void	 restarts_load(struct engine *);
void	 restart_forget(struct engine *, const char *key);
void	 period_begin(struct engine *);
#define TOKEN_LIFE_MS	(36 * 3600000LL)	/* three periods */

/* watch.c: what outside systems tell by themselves */
void	 watches_start(struct engine *);
void	 watches_close(struct engine *);

/* runs.c */
void	 runs_load(struct engine *);
int64_t	 run_start(struct engine *, const struct plan *,
	    const struct run_request *);
/* A run for what the compile says differently from now on, no resource having
 * changed; *plan, when not NULL, gets its plan, for plan_free. */
int64_t	 run_now(struct engine *, const struct run_request *,
	    struct plan **plan);
void	 runs_item(struct engine *, struct item *);	/* changed state */
void	 runs_item_gone(struct engine *, const char *key);
void	 runs_tick(struct engine *);
/* The time of a freeze is not theirs. */
void	 runs_extend(struct engine *);
void	 runs_free(struct engine *);

#endif
