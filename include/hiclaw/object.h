/*
 * A managed object: one thing in one outside system, with a key, a desired and
 * an observed form, both plain JSON.  The engine moves observed towards desired
 * and knows nothing else about it; what the forms mean is between world/, which
 * writes the desired one, and the provider, which fills the table row below.
 *
 * A value inside a desired form may point to what another object turned out to
 * be: {"$ref": "room:space", "field": "room_id"} stands for that member of the
 * observed form of that object.  The engine puts the value in before anybody
 * else looks; while it is not known it is null.
 *
 * A secret never stands in a form.  {"$secret": "consumer:worker-alice/key",
 * "id": {"$ref": "consumer:worker-alice", "field": "key_id"}} stands for the
 * secret of that name: who ensures the object finds it in work.secrets under
 * the whole name.  The id, a digest that its owner reports, makes the form
 * differ when the secret does.
 */
#ifndef HICLAW_OBJECT_H
#define HICLAW_OBJECT_H

#include "hiclaw/err.h"
#include "hiclaw/json.h"

/* Ordered: the risk of a plan is that of its riskiest step. */
enum risk { RISK_NONE, RISK_CREATE, RISK_UPDATE, RISK_RESTART,
    RISK_PERMISSION, RISK_CREDENTIAL, RISK_DELETE };
const char *risk_name(enum risk);

/* One difference between desired and observed, in words people know. */
struct change {
	char		*what;		/* "name", "member @bob:x", "power @a:x" */
	char		*from, *to;	/* NULL: absent */
	enum risk	 risk;
};
struct changes { struct change *v; size_t n, cap; };
void	 changes_add(struct changes *, enum risk, const char *what,
	    const char *from, const char *to);		/* copies */
void	 changes_release(struct changes *);

/* What a provider is told to do.  All of it is borrowed and immutable. */
struct work {
	const char		*key;
	const struct json	*desired;	/* resolved; NULL for remove */
	const struct json	*observed;	/* last known, or NULL */
	/* {"password": "..."}: those of the kind by name, those that desired
	 * points to by their whole name */
	const struct json	*secrets;
	const char		*instance;	/* "hiclaw-1234abcd" */
	/* An earlier try ended without an answer (or we died in it): something
	 * of it may be there although nothing was observed. */
	bool			 may_exist;
	/* How far a long job is, for people: "45 %".  Any thread; or NULL. */
	void			(*progress)(void *arg, const char *text);
	void			*progress_arg;
};
/* What came of it.  Filled also on failure with what is known to be true. */
struct outcome {
	struct json	*observed;	/* NULL: not there (or not known) */
	struct json	*secrets;	/* to be sealed under the object */
	bool		 has_answer;	/* the system answered, so that even a
					 * failure with ERR_RETRY is no outage */
	struct strv	 did;		/* what was written: "renamed", ...;
					 * empty when nothing was */
	struct json	*found;		/* what others had made of it, where an
					 * observed form does not say that: see
					 * file_found; or NULL */
};
void	 outcome_release(struct outcome *);
/* One of many: the same work, and what came of it. */
struct deed {
	struct work	 work;
	struct outcome	 out;
	struct err	 err;
	int		 rc;
};

/* A secret that the engine makes at random before the first ensure. */
struct object_secret {
	const char	*name;		/* "key" */
	size_t		 bytes;		/* of randomness, as hex; 0: a password
					 * that people can type */
	bool		 rotates;	/* engine_rotate makes it anew; the one
					 * before is given as "old_key" while
					 * both are to work */
	bool		 is_kept;	/* not made by the engine: what ensure gave
					 * as a secret is given back to it */
	bool		 is_token;	/* a bearer token of the agent for our own
					 * API: made anew for each ensure; only
					 * its hash is kept (store_token_put),
					 * for "agent:" and the name in the key */
};

struct object_kind {
	const char	*name;		/* "room": keys are "room:..." */
	const char	*label;		/* for people: "room" */
	/*
	 * Secrets that must exist, sealed, before the first ensure.  Ends with
	 * name == NULL; or NULL.
	 */
	const struct object_secret *secrets;
	/* Pure.  Differences; none means settled.  A null where a reference is
	 * not known yet counts as no difference.  observed may be NULL. */
	void	(*diff)(const struct json *desired, const struct json *observed,
		    struct changes *);
	/*
	 * Pure.  It is as it should be, but what it is for has not happened yet
	 * (an agent that has not reported): true, and why in words.  The object
	 * then waits, and a run with it, without being ensured again.  NULL:
	 * settled is settled.
	 */
	bool	(*awaits)(const struct json *desired,
		    const struct json *observed, char *why, size_t whysize);
	/*
	 * Seconds to wait before it is put right, the first time and each time
	 * more, the last one for all that follow; ends with -1.  The count begins
	 * anew when nothing had to be put right for some minutes, or when
	 * something else is asked for.  NULL: at once, and see drift.c.
	 */
	const int *pauses_s;
	bool	 is_elsewhere;	/* somebody else makes that happen, some day: a
				 * run does not wait for it */
	/*
	 * For people, and pure; NULL where there is nothing to say.  note: in a
	 * few words whose the object is ("shared").  detail: the lines that
	 * differ between two desired forms, secrets as "***"; yours, or NULL.
	 */
	const char *(*note)(const struct json *desired);
	/* Pure.  What taking it away risks; NULL: RISK_DELETE, nothing of it
	 * comes back. */
	enum risk (*removal)(const struct json *desired);
	char	*(*detail)(const struct json *before, const struct json *after);
	/* Pure.  Take an outside event into the observed form; true if that
	 * changed it.  NULL: no events. */
	bool	(*absorb)(struct json *observed, const struct json *event);
	/* Pure.  The outside id by which events find the object, or NULL. */
	const char *(*handle)(const struct json *observed);
	/*
	 * Make it so.  Safe twice: looks before it creates, adopts what is
	 * provably ours, refuses with ERR_CONFLICT what is not.  In a thread of
	 * the pool.  0, or -1.
	 */
	int	(*ensure)(void *ctx, const struct work *, struct outcome *,
		    struct err *);
	/* Take it away; 0 also when it is gone already. */
	int	(*remove)(void *ctx, const struct work *, struct outcome *,
		    struct err *);
	/*
	 * The same for up to `batch` at once, for systems where one call does
	 * for many; they fill out, err and rc of each.  batch 0: one by one, and
	 * these may be NULL; NULL of one: that one is done one by one.
	 */
	size_t	 batch;
	void	(*ensure_many)(void *ctx, struct deed *, size_t n);
	void	(*remove_many)(void *ctx, struct deed *, size_t n);
};

/* "room:team/x" -> "room"; dst of at least 32 bytes. */
const char *object_kind_name(const char *key, char *dst, size_t dstsize);

/*
 * A copy of desired with every $ref replaced by what `lookup` gives for it (a
 * borrowed value, or NULL when not known).  *missing, when not NULL, gets the
 * keys that were not known.
 */
struct json *object_resolve(const struct json *desired,
	    const struct json *(*lookup)(void *, const char *key,
	    const char *field), void *arg, struct strv *missing);

/* The first 16 digits of the SHA-256 of a secret: enough to tell it from
 * another, nothing to find it by.  For the "..._id" members of observed forms. */
#define SECRET_ID	17
void	 secret_id(const char *secret, char dst[SECRET_ID]);

/* What the controller holds of one object, for plan, status and describe. */
enum object_state { OBJECT_SETTLED, OBJECT_WAITING /* for others */,
    OBJECT_DIRTY, OBJECT_BUSY /* in hand */, OBJECT_BACKOFF, OBJECT_FAILED
    /* cannot be mended by retrying */, OBJECT_REMOVING };
struct object_view {
	const char	*key, *owner;
	const char	*desired;	/* canonical JSON; NULL: being removed */
	const char	*observed;	/* canonical JSON, or NULL */
	enum object_state state;
	const char	*error;		/* of the last try, or NULL */
	int64_t		 retry_ms;	/* wall clock of the next try, or 0 */
	int64_t		 left_ms;	/* likewise: until then it is left as
					 * others make it (engine_leave), or 0 */
};
const char *object_state_name(enum object_state);

#endif
