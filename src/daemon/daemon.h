/*
 * The daemon: wires the modules together.  One turn of the loop handles what is
 * ready, then commits once, then lets things leave: jobs start, messages are
 * sent, requests are answered.
 *
 *   boot.c    hello to the homeserver, first sync, start
 *   behind.c  between these, when it was started from a backup
 *   intake.c  what the homeserver tells us: transactions, queries
 *   inbox.c   stored events, one after the other, to engine and chat
 *   outbox.c  messages of ours, in order per room
 *   feed.c    /sync as the bot: catch-up and resync
 *   publish.c the commands, as state of the admin room
 */
#ifndef DAEMON_H
#define DAEMON_H

#include "hiclaw/chat.h"
#include "hiclaw/config.h"
#include "hiclaw/engine.h"
#include "hiclaw/httpd.h"
#include "hiclaw/life.h"
#include "hiclaw/loop.h"
#include "hiclaw/matrix.h"
#include "hiclaw/ops.h"
#include "hiclaw/rest.h"

struct mail;

struct daemon {
	struct config	 cfg;
	struct mx	 mx;
	struct library	*library;
	struct json	*providers;	/* of the gateway, without keys */
	struct json	*mcp_servers;
	char		*agent_user;	/* "0:0", or NULL */
	char		*own_url;	/* "http://127.0.0.1:29301" */
	struct loop	*loop;
	struct store	*store;
	struct engine	*engine;
	struct chat	*chat;
	struct ops	 ops;
	struct life	*life;
	struct rest	*rest;
	struct httpd	*httpd;
	struct pool	*errands;	/* sync, fetching, joining */
	struct timer	*boot_timer, *feed_timer, *tick_timer, *drain_timer;
	bool		 is_up;		/* boot is over */
	int		 exit_code;
	int		 signals;
	int64_t		 drain_until_ms;

	/* boot.c */
	int		 boot_tries;
	int64_t		 away_ms;	/* since we last saw the homeserver */
	bool		 is_first;	/* first start with this database */
	/* intake.c */
	struct reply	*replies;	/* to give after the commit */
	/* inbox.c */
	struct map	*fetching;	/* inbox ids that wait for an errand */
	struct map	*asking;	/* of those, what providers are asked */
	bool		 inbox_posted;
	bool		 inbox_again;	/* an errand failed: the tick wakes us */
	/* outbox.c */
	struct pool	*postmen;
	struct mail	*leaving;	/* selected, waiting for commit */
	struct map	*rooms_busy;	/* one send in flight per room */
	struct map	*rooms_held;	/* room -> struct hold */
	struct timer	*mail_timer;
	int		 mail_in_flight;
	/* feed.c */
	bool		 feed_busy, feed_again;
	void		(*feed_first_done)(struct daemon *);
	uint64_t	 resyncs;
	/* publish.c */
	struct timer	*publish_timer;
	bool		 is_publishing;
};

void	boot_start(struct daemon *);
void	boot_again_soon(struct daemon *);
void	daemon_stop(struct daemon *, int exit_code);

/* outside.c: what the settings say to the compile and to the providers. */
void	world_config_fill(struct daemon *, struct world_config *);
void	provider_env_fill(struct daemon *, struct provider_env *);
/* A list of the gateway's settings with "key_id" in place of "key"; yours. */
struct json *without_keys(const struct json *list);

/* intake.c: requests of the homeserver, from the loop's thread. */
void	intake_request(struct httpd_req *, void *daemon);
void	intake_after_commit(struct daemon *);

/* inbox.c: keep an event if anybody here could care; true if it is new. */
bool	inbox_take(struct daemon *, struct json *event);
void	inbox_wake(struct daemon *);
void	asking_free(void *);

/*
 * history.c: all of a room's history that bears on receipts, newest first, as a
 * JSON array of {"id", "sender", "at"} with "receipt", "url", "replaces" (an event
 * id) and "redacted_by" where there are such.  In a pool thread.  down_to not 0:
 * only back to where a receipt of the bot has that number or a smaller one.
 */
int	history_read(const struct mx *, const char *room, int64_t down_to,
	    struct buf *out, struct err *);

/*
 * restore.c: make a lost database anew from the receipts in the room (an id or an
 * alias), and say so on standard output; an exit status.  Neither loop nor engine.
 * is_forced: also when some of them are missing or do not fit.
 */
int	restore_from_room(struct daemon *, const char *room, bool is_forced);

/* publish.c: tell what commands there are, when nothing else goes on; the daemon's
 * own timer calls publish_now. */
void	publish_soon(void *daemon);
void	publish_now(void *daemon);

/*
 * The attachments of receipts.  One that is gone is a problem like a receipt that
 * is; a homeserver that does not answer `tries` times is an error.
 */
struct restore;
int	restore_attached(const struct mx *, struct restore *, int tries,
	    struct err *);

/*
 * behind.c: a database that may be a backup learns from the admin room what came
 * after it; then (at once, if it is none) `next` runs.  On a homeserver that does
 * not answer, boot begins again.
 */
void	behind_catch_up(struct daemon *, void (*next)(struct daemon *));

/* memory.c: give back what only starting needed. */
void	memory_settle(void);

void	outbox_before_commit(struct daemon *);
void	outbox_after_commit(struct daemon *);
void	outbox_free(struct daemon *);

/* feed.c: is there no place to go on from?  Sync soon; `first` runs when the first
 * one is through. */
bool	feed_is_anew(struct daemon *);
void	feed_now(struct daemon *);
void	feed_first(struct daemon *, void (*first)(struct daemon *));

#endif
