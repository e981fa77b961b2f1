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
	const struct json	*secrets;	/* {"password": "..."}: see kind */
	const char		*instance;	/* "hiclaw-1234abcd" */
	/* An earlier try ended without an answer (or we died in it): something
	 * of it may be there although nothing was observed. */
	bool			 may_exist;
};
/* What came of it.  Filled also on failure with what is known to be true. */
struct outcome {
	struct json	*observed;	/* NULL: not there (or not known) */
	struct json	*secrets;	/* to be sealed under the object */
	bool		 has_answer;	/* the system answered, so that even a
					 * failure with ERR_RETRY is no outage */
	struct strv	 did;		/* what was written: "renamed", ...;
					 * empty when nothing was */
};
void	 outcome_release(struct outcome *);

struct object_kind {
	const char	*name;		/* "room": keys are "room:..." */
	const char	*label;		/* for people: "room" */
	/*
	 * Secrets that must exist, sealed, before the first ensure; made at
	 * random by the engine.  NULL-terminated, or NULL.
	 */
	const char *const *secrets;
	/* Pure.  Differences; none means settled.  A null where a reference is
	 * not known yet counts as no difference.  observed may be NULL. */
	void	(*diff)(const struct json *desired, const struct json *observed,
		    struct changes *);
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
};
const char *object_state_name(enum object_state);

#endif
