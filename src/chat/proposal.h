/*
 * What waits before it runs; shared by proposals.c (its life), proposal-text.c
 * (how it looks) and decide.c (what people decide).
 */
#ifndef CHAT_PROPOSAL_H
#define CHAT_PROPOSAL_H

#include "hiclaw/policy.h"

#include "chat-int.h"

/*
 * A row of the store, kept.  Its action is that of ops.h, or
 *  {"do": "command", "line": "restart bob", "hash", "title", "show"},
 * and has besides: "show" (change_show), "why", "risk", "blast", "again" (the
 * number of the one it takes the place of), "word" (to be typed), and of which
 * teams it is: "teams": [..], "only_teams".
 */
struct proposal {
	int64_t		 id, message, admin_message, asked_ms, expires_ms;
	int64_t		 closed_ms, run;
	bool		 waits;
	char		*room, *sender, *event, *hash;
	char		*closed;	/* how, or NULL */
	struct json	*action;
	struct policy_rule rule;
	struct proposal	*next;
};
void	 proposal_free(struct proposal *);
struct proposal *proposal_get(struct chat *, int64_t id);	/* or NULL */
struct proposal *proposals_open(struct chat *, int64_t due_ms); /* a list */
bool	 proposal_is_over(const struct proposal *, int64_t now_ms);

/* Who somebody is in the eyes of the rule; borrows user. */
struct voter proposal_voter(struct chat *, const struct proposal *,
	    const char *user);

/* The ledger as it is now. */
struct vote_row {
	char		*user, *way, *event, *reason;
	enum verdict	 verdict;
	bool		 override;
	int64_t		 at_ms;
};
struct ledger {
	struct vote_row	*v;
	struct vote	*votes;		/* parallel */
	size_t		 n;
	enum tally	 tally;
	int		 missing;
};
void	 ledger_read(struct chat *, const struct proposal *, struct ledger *);
void	 ledger_release(struct ledger *);

/* --- proposal-text.c --- */

/* Open: what it is, how it stands, how to decide. */
void	 proposal_text(struct chat *, const struct proposal *,
	    const struct ledger *, struct text *out);
/* Over: how it ended; is_struck: it was never carried out and is no more. */
void	 proposal_over_text(struct chat *, const struct proposal *,
	    const struct ledger *, const char *how, bool is_struck,
	    struct text *out);
/* Who could approve and has not; those who come first get *mentions. */
void	 proposal_approvers(struct chat *, const struct proposal *,
	    const struct ledger *, struct strv *out);
/* "@ann, @bob, @cat and 4 more", as pills. */
void	 put_people(const struct strv *, struct text *out);
/* How many resources go, if more than the one that was named; NULL: no such;
 * yours. */
char	*blast_radius(const struct engine *, const struct json *action,
	    const struct attempt *);

/* --- cmd-proposals.c --- */

/* May the sender know of it?  Others' questions are between them and us. */
bool	 proposal_may_see(const struct request *, const struct proposal *);
/* Number, title, who asked, risk, and what it waits for, as a line of a list. */
void	 proposal_line(struct chat *, const struct proposal *,
	    struct text *out);

/* --- proposals.c --- */

/* What the policy says of this risk for this asker; for policy_rule_release. */
void	 proposal_rule_for(struct request *, enum risk, struct policy_rule *);
/* Both messages say how it stands. */
void	 proposal_show(struct chat *, const struct proposal *);
/* Closes it, and its messages tell how; false if somebody was faster. */
bool	 proposal_close(struct chat *, const struct proposal *,
	    const char *word, const char *how);
/*
 * All who have to have approved: do it, in this transaction.  `q` is whoever was
 * the last, or the requester where time was the last.
 */
void	 proposal_start(struct request *q, struct proposal *,
	    struct attempt *);
/* Approved, and its time has not come; or that is over. */
void	 proposal_waits(struct chat *, struct proposal *, bool waits);
/* Try it against what is declared now; false: it was not the same any more, was
 * closed or replaced, and that was said. */
bool	 proposal_try(struct request *q, struct proposal *,
	    struct attempt *);
/* The request that it stands for, for whoever asked; release nothing. */
void	 proposal_request(struct chat *, const struct proposal *,
	    struct request *out);

#endif
