/*
 * What the files of the simulated homeserver share:
 *
 *   homeserver.c	  life, the table of calls, who asks
 *   homeserver-account.c accounts, devices, profiles, account data, media
 *   homeserver-room.c	  making rooms, aliases, membership, state, messages
 *   homeserver-event.c	  events: made, kept, redacted, found
 *   homeserver-rule.c	  who may send what (pure, on a room's state)
 *   homeserver-sync.c	  /sync
 *   homeserver-push.c	  transactions to the controller
 *
 * Everything runs on the thread of the homeserver's loop but the calls to the
 * controller, which have a pool.  All that grows has a cap below; beyond it a
 * call is answered 429, so that a script that never ends does end.
 */
#ifndef TRANSCRIPT_HOMESERVER_INT_H
#define TRANSCRIPT_HOMESERVER_INT_H

#include <pthread.h>

#include "hiclaw/http.h"
#include "hiclaw/httpd.h"
#include "hiclaw/json.h"
#include "hiclaw/loop.h"

#include "homeserver.h"

#define EVENTS_MAX	100000	/* in all rooms */
#define ROOMS_MAX	5000
#define USERS_MAX	20000
#define MEDIA_MAX	2000	/* files */
#define MEDIA_BYTES_MAX	(64 * 1024 * 1024)
#define WAITING_MAX	256	/* syncs that wait */
#define EVENT_BYTES_MAX	65536
#define PUSH_BATCH	100	/* events of a transaction */
#define PIECES_MAX	8	/* of a path */

struct hs_user {
	char		*id, *password;	/* NULL: nobody logs in */
	struct map	*devices;	/* id -> "" */
	struct json	*profile, *data;
};
struct hs_event {
	struct json	*json;		/* as it is told */
	struct hs_room	*room;
	int64_t		 at;		/* index in the stream, from 0 */
};
struct hs_room {
	char		*id, *version, *creator;
	struct map	*state;		/* "type\x1fkey" -> struct hs_event, borrowed */
	struct hs_event	**events;	/* borrowed, in order */
	size_t		 n, cap;
	int		 served;	/* the service's users that are in or asked */
};
struct hs_media {
	char		*type, *data;
	size_t		 len;
};

/* A call that is being answered. */
struct hs_call {
	struct homeserver *hs;
	struct httpd_req *req;
	const char	*method;
	char		*piece[PIECES_MAX + 1];	/* of the path, decoded */
	size_t		 n;
	const char	*user;		/* who asks; NULL: nobody in particular */
	struct json	*body;		/* an object, or NULL */
	struct json	*answer;
	/* A sync that waits. */
	char		*who;
	int64_t		 since;
	struct json	*filter;
	struct timer	*timer;
	struct hs_call	*next;
};
/* What a handler returns: a status, or this: it answers by itself, later. */
#define HS_LATER	0

struct homeserver {
	char		*domain, *shared_secret, *prefix;
	char		*as_id, *as_token, *hs_token, *push_url, *sender, *url;
	pthread_t	 thread;
	struct loop	*loop;
	struct httpd	*httpd;
	struct pool	*pool;
	struct map	*users, *rooms;	/* by id */
	struct map	*tokens;	/* token -> user id */
	struct map	*aliases;	/* "#x:d" -> struct hs_alias */
	struct map	*media;		/* "server/id" */
	struct map	*sent;		/* transaction -> event id */
	size_t		 media_bytes;
	struct hs_event	**stream;	/* all events, in order */
	size_t		 n, cap;
	int64_t		 serial;
	struct hs_call	*waiting;
	size_t		 waiting_n;
	/* what the controller has not taken yet */
	struct hs_event	**queue;	/* borrowed */
	size_t		 queue_n, queue_cap;
	bool		 pushing;
	int64_t		 txn;
	int		 push_wait_ms;
	struct timer	*push_timer;
};
struct hs_alias {
	char		*room, *maker;
};

/* --- homeserver.c -------------------------------------------------------- */
int	hs_refuse(struct hs_call *, int status, const char *errcode,
	    const char *text);
void	hs_answer(struct hs_call *, int status);	/* and frees the call */
bool	hs_is_ours(const struct homeserver *, const char *user);
char	*hs_serial(struct homeserver *, const char *sigil);	/* an id; yours */

/* --- homeserver-account.c ------------------------------------------------ */
struct hs_user *hs_user_add(struct homeserver *, const char *id);
void	hs_user_free(void *);
void	hs_media_free(void *);
int	hs_register(struct hs_call *);
int	hs_admin_register(struct hs_call *);
int	hs_login(struct hs_call *);
int	hs_logout(struct hs_call *);
int	hs_account(struct hs_call *);
int	hs_devices(struct hs_call *);
int	hs_profile(struct hs_call *);
int	hs_user_data(struct hs_call *);
int	hs_joined_rooms(struct hs_call *);
int	hs_capabilities(struct hs_call *);
int	hs_upload(struct hs_call *);
int	hs_download(struct hs_call *);

/* --- homeserver-event.c -------------------------------------------------- */
void	hs_room_free(void *);
void	hs_event_free(struct hs_event *);
/* Takes content; state_key NULL: a message.  The event. */
struct hs_event *hs_emit(struct hs_room *, struct homeserver *,
	    const char *sender, const char *type, const char *state_key,
	    struct json *content);
struct hs_event *hs_state(const struct hs_room *, const char *type,
	    const char *state_key);		/* or NULL */
const struct json *hs_state_content(const struct hs_room *, const char *type,
	    const char *state_key);		/* or NULL */
const char *hs_membership(const struct hs_room *, const char *user); /* or "" */
struct hs_event *hs_event_find(struct homeserver *, const struct hs_room *,
	    const char *event_id);
void	hs_prune(struct hs_event *, const struct hs_event *because);
/* The few events by which somebody outside knows a room. */
struct json *hs_stripped(const struct hs_room *);
void	hs_member(struct hs_room *, struct homeserver *, const char *sender,
	    const char *user, const char *membership, const struct json *body);

/* --- homeserver-rule.c --------------------------------------------------- */
bool	rule_has_creators(const char *version);
int64_t	rule_power(const struct hs_room *, const char *user);
/* NULL: it may be; else why not. */
const char *rule_send(const struct hs_room *, const char *sender,
	    const char *type, const char *state_key,
	    const struct json *content);
const char *rule_member(const struct hs_room *, const char *sender,
	    const char *target, const char *membership);
const char *rule_redact(const struct hs_room *, const char *sender,
	    const struct hs_event *);

/* --- homeserver-room.c --------------------------------------------------- */
void	hs_alias_free(void *);
int	hs_create_room(struct hs_call *);
int	hs_directory(struct hs_call *);
int	hs_join(struct hs_call *);
int	hs_rooms(struct hs_call *);

/* --- homeserver-sync.c --------------------------------------------------- */
int	hs_sync(struct hs_call *);
void	hs_sync_wake(struct homeserver *);	/* something happened */
void	hs_sync_drop(struct homeserver *);	/* end all that wait */
/* Events of one kind that a filter lets through. */
bool	hs_filter_passes(const struct json *filter, const struct json *event);

/* --- homeserver-push.c --------------------------------------------------- */
void	hs_push(struct homeserver *, struct hs_event *);
void	hs_push_go(void *homeserver);
int	hs_ping(struct hs_call *);

#endif
