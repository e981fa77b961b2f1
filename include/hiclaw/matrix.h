/*
 * Matrix, client-server API (v1.11 to v1.19) and application service API.
 *
 * mx_* calls block: pool threads only.  They are made with the service's token
 * in the name of `user` (NULL: the bot); the bot always masquerades with its
 * device as well, because only then are its transaction ids durable over a
 * restart of the homeserver.  Errors: ERR_RETRY for no answer, 429, 5xx (with
 * retry_s from Retry-After); ERR_DENIED 401 and 403; ERR_NOTFOUND 404;
 * ERR_CONFLICT for names in use; ERR_USER other 4xx.  msg ends with the errcode.
 *
 * room_* and power_* and event_* functions are pure.
 */
#ifndef HICLAW_MATRIX_H
#define HICLAW_MATRIX_H

#include "hiclaw/err.h"
#include "hiclaw/json.h"
#include "hiclaw/object.h"

#define MARKER_TYPE	"io.hiclaw.object"	/* state key: instance id */
#define CONTROLLER_TYPE	"io.hiclaw.controller"

enum account_method { ACCOUNTS_NONE, ACCOUNTS_SHARED_SECRET, ACCOUNTS_TOKEN };

/* Where and as whom; immutable once made, shared by all threads. */
struct mx {
	char	*url;		/* no trailing slash */
	char	*domain;
	char	*as_id, *as_token;
	char	*bot;		/* "@hiclaw:domain" */
	char	*prefix;	/* "hiclaw" */
	char	*device;	/* "HICLAW_1234abcd", of the bot and of agents */
	char	*shared_secret, *registration_token;	/* or NULL */
};

struct mx_answer {
	int		 status;
	char		 errcode[64];	/* "" when there is none */
	struct json	*body;		/* object or array after success */
};
/*
 * One call.  path from /_matrix on, percent-encoded already, query allowed;
 * user NULL: the bot with its device; "": the token alone, nobody in
 * particular.  answer is filled for every HTTP answer, also when -1.
 */
int	mx_call(const struct mx *, const char *method, const char *path,
	    const char *user, const struct json *body, struct mx_answer *,
	    struct err *) MUST_CHECK;
/* The same as whoever the token belongs to; NULL: as nobody. */
int	mx_call_token(const struct mx *, const char *method, const char *path,
	    const char *token, const struct json *body, struct mx_answer *,
	    struct err *) MUST_CHECK;
void	mx_answer_release(struct mx_answer *);
/* As http_path; for the paths of this API. */
char	*mx_path(const char *, ...) PRINTF(1, 2);

/* --- start-up ----------------------------------------------------------- */
/*
 * Does the homeserver know us?  whoami with the token, the bot's account and
 * device made when absent, then the ping back to our own listener.  On failure
 * *is_config tells whether waiting cannot help (token, namespace, url wrong),
 * and msg says in plain words what to change where.
 */
int	mx_hello(const struct mx *, const char *our_url, bool *is_config,
	    struct err *) MUST_CHECK;
/* POST .../appservice/{id}/ping alone; also makes Synapse flush its queue. */
int	mx_ping(const struct mx *, struct err *) MUST_CHECK;

/* --- rooms and events --------------------------------------------------- */

int	mx_put_state(const struct mx *, const char *room, const char *type,
	    const char *state_key, const struct json *content, struct err *) MUST_CHECK;
/* Send with a durable transaction id; *event_id yours. */
int	mx_send(const struct mx *, const char *room, const char *type,
	    const char *txn, const struct json *content, char **event_id,
	    struct err *) MUST_CHECK;
int	mx_redact(const struct mx *, const char *room, const char *event,
	    const char *txn, const char *reason, char **event_id,
	    struct err *) MUST_CHECK;
/* *mxc yours. */
int	mx_upload(const struct mx *, const char *name, const char *type,
	    const void *, size_t, char **mxc, struct err *) MUST_CHECK;
/* Authenticated media (v1.11); at most max bytes. */
int	mx_download(const struct mx *, const char *mxc, size_t max,
	    struct buf *, struct err *) MUST_CHECK;
int	mx_join(const struct mx *, const char *user, const char *room,
	    struct err *) MUST_CHECK;
int	mx_leave(const struct mx *, const char *user, const char *room,
	    struct err *) MUST_CHECK;
/* Add the room to the m.direct account data of one of our own users. */
int	mx_set_direct(const struct mx *, const char *user, const char *person,
	    const char *room, struct err *) MUST_CHECK;

/*
 * One /sync as the bot, no waiting.  since NULL: full state of every room,
 * timeline empty; else what is new.  Read receipts are included.
 */
int	mx_sync(const struct mx *, const char *since, struct json **answer,
	    struct err *) MUST_CHECK;
/* Older messages: GET /rooms/{r}/messages backwards from `from` (a token), or
 * from the newest (NULL). */
int	mx_messages(const struct mx *, const char *room, const char *from,
	    int limit, struct json **answer, struct err *) MUST_CHECK;

/*
 * The events of a /sync answer in order, each with room_id put in, those of
 * `state` before those of the timeline: cb(event, is_state_block).  Invites of
 * the bot come as m.room.member events with invite_room_state.  Pure.
 */
void	sync_events(const struct json *answer,
	    void (*cb)(void *, struct json *event), void *arg);
/* Rooms whose timeline was cut: cb(room, prev_batch). */
void	sync_gaps(const struct json *answer,
	    void (*cb)(void *, const char *room, const char *prev_batch),
	    void *arg);
/* People and agents whose devices changed: cb(user). */
void	sync_devices(const struct json *answer,
	    void (*cb)(void *, const char *user), void *arg);
/* m.read receipts: cb(room, event, user). */
void	sync_receipts(const struct json *answer,
	    void (*cb)(void *, const char *room, const char *event,
	    const char *user), void *arg);

/*
 * The body of PUT /transactions: an object with an `events` array of at most
 * 10 000; each event an object with event_id, type, sender, room_id strings of
 * sane length (others are skipped and counted).  Calls back in order.  Pure.
 */
int	transaction_events(const struct json *body,
	    void (*cb)(void *, struct json *event), void *arg,
	    size_t *skipped, struct err *) MUST_CHECK;

/* Is it a full, well-formed user id / room id / alias? */
bool	mxid_valid(const char *);
const char *mxid_domain(const char *);	/* after the first ':', or NULL */

/* --- the room object ---------------------------------------------------- */
/*
 * Desired (room:...), written by world/:
 *  {"alias":"hiclaw_team_x"		local part; absent: none
 *   "name","topic"			topic may be absent
 *   "avatar":{"$ref":"media:avatar/team","field":"mxc"}	may be absent
 *   "space":true			type m.space
 *   "direct":"@person:d"		is_direct, m.direct of the bot
 *   "parent":{"$ref":"room:space","field":"room_id"}	may be absent
 *   "version":"12", "federate":false, "join_rule":"invite",
 *   "history":"shared"
 *   "members":{"@a:d":"agent"|"person"}	without the bot; null: has no
 *					account yet, neither asked in nor out;
 *					any other text counts as person
 *   "names":{"@a:d":"alice"}		display names agents join with
 *   "power":{"@a:d":100}}		users only; without the bot
 * Observed:
 *  {"room_id","version","creator","alias" (full),"name","topic","avatar",
 *   "join_rule","history","guest","power": whole content,
 *   "members":{"@a:d":"join"|"invite"|"leave"|"ban"...}, also the bot,
 *   "left":{"@a:d":true}		people who left by themselves
 *   "parent": room id whose space child we are, "marker": object key,
 *   "tampered":true			somebody wrote another key over it
 *   "instance", "direct"}		whose marker counts; in m.direct for whom
 *  `members` holds nobody who is out.
 *
 * A person is settled when joined or invited, or has left by themselves: they
 * come back only when asked for (room_reinvite).  An agent is settled when
 * joined.  Anybody else who is joined or invited is a difference.
 */
void	room_diff(const struct json *desired, const struct json *observed,
	    struct changes *);
bool	room_absorb(struct json *observed, const struct json *event);
const char *room_handle(const struct json *observed);	/* room_id */
/* An m.space.child event concerns the child: the room id to look up instead
 * of event.room_id; else event.room_id. */
const char *event_handle(const struct json *event);
/* Forget that the person left, so that the next ensure invites again. */
bool	room_reinvite(struct json *observed, const char *user);
/* The content of m.room.power_levels: constants of design section 7 plus the
 * users; the bot only where it must be listed (version < 12: 150); yours. */
struct json *room_power(const struct json *desired, const char *bot);
/* The whole body of createRoom; yours. */
struct json *room_create_body(const struct json *desired, const char *bot,
	    const char *key, const char *instance);
/* Observed form from an array of state events; yours. */
struct json *room_from_state(const struct json *events, const char *instance);

/* --- lockout.c: nobody is locked out by what we send ---------------------- */

/* One write that takes power or membership away; forms as above. */
struct room_write {
	const char	*bot;
	const struct json *desired, *observed;
	const struct json *power;	/* the content to be sent, or NULL */
	const char	*kick;		/* who is to be put out, or NULL */
	bool		 joined;	/* an invitation is not enough */
};
/*
 * After it the controller is above everybody in the room, and if somebody runs
 * the room now (a person, joined, at 75 or more) and somebody is to, one who is
 * to is in.  0, or -1: ERR_CONFLICT with the reason.  Pure.
 */
int	room_may_write(const struct room_write *, struct err *) MUST_CHECK;
/* The person is in the room, or has been and left by their own will. */
bool	room_has_been_in(const struct json *observed, const char *user);

#endif
