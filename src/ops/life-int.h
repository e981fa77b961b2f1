/* What the files of life share; nobody else includes it. */
#ifndef LIFE_INT_H
#define LIFE_INT_H

#include "hiclaw/life.h"

/* Figures, each with its reason. */
#define SAVE_MS		300000	/* between writes of who was active: so much of it
				 * may be lost */
#define SAVE_PART	4	/* ... or this part of the shortest timeout */
#define GRACE_MS	150000	/* after a start: agents report every minute, and
				 * could not while we were away */
#define SKEW_MS		5000	/* between the homeserver's clock and ours */
#define AGAIN_MS	600000	/* until what could not be done is tried again */
#define GATHER_MS	3000	/* from the first that falls silent to the news */
#define NEWS_MS		60000	/* between such news: so often agents report */
#define COALESCE_MS	1000	/* what is due so soon after is done along */

/* --- pure (life-rule.c) --------------------------------------------------- */

/* One agent, as far as its sleep is concerned. */
struct idle {
	enum agent_role	 role;
	bool		 is_running;	/* is to run, and by us */
	int64_t		 last_ms;	/* wall clock of its last activity */
	int64_t		 timeout_ms;	/* 0: never */
};
/* When it is to be put to sleep, on the wall clock; 0: never. */
int64_t	 idle_due(const struct idle *);
/* The last activity to assume at a start, of what was written down. */
int64_t	 idle_recall(int64_t was_ms, int64_t timeout_ms, int64_t now_ms);
/* After which time workers of this team, or standalone ones (manager, may be
 * NULL) fall asleep. */
int64_t	 idle_timeout(const struct resource *team,
	    const struct resource *manager, int64_t otherwise_ms);
/* How often to write, with this shortest timeout (0: none). */
int64_t	 idle_save_ms(int64_t shortest_ms);

/*
 * Full ids of our domain that a message mentions: in m.mentions, as links in its
 * HTML, or in its text, whole or without the domain; each once.
 */
void	 mentions_of(const struct json *content, const char *domain,
	    struct strv *ids);
/* May this message wake one that fell asleep then? */
bool	 is_fresh(const struct json *event, int64_t slept_ms);

#endif
