/*
 * The policy of changes: what of a change runs at once, what its asker has to
 * confirm, and what others have to approve; how many, who, until when, and in
 * which times nothing that was approved may start.  Pure: no clock, no store, no
 * rooms.  It is the setting chat.policy over the built-in default:
 *
 *   asker    create  update  restart  permission  credential  delete
 *   tier 1   run     run     run      run         run         confirm
 *   tier 2   run     run     run      approve     approve     approve
 *   tier 3   run     run     run      approve     approve     approve
 *   agents   approve approve approve  approve     approve     approve
 *
 * What somebody may not have done at all (ops_may) no policy allows.  "approve"
 * is by default: one person of tier 1 who did not ask, within a day.
 */
#ifndef HICLAW_POLICY_H
#define HICLAW_POLICY_H

#include "hiclaw/json.h"
#include "hiclaw/object.h"

enum policy_asker { ASKER_TIER1, ASKER_TIER2, ASKER_TIER3, ASKER_AGENT };
#define ASKERS	4
/* Ordered: what is more, is stricter. */
enum policy_mode { POLICY_RUN, POLICY_CONFIRM, POLICY_APPROVE };

struct policy_rule {
	enum policy_mode mode;
	/* of POLICY_APPROVE: who may, any of these */
	bool		 by_tier1;
	bool		 by_team;	/* tier 2 of all teams it touches */
	struct strv	 users;		/* Matrix ids */
	int		 count;		/* of distinct people */
	bool		 requester;	/* the asker may be one of them */
	int64_t		 ttl_ms;
};
struct policy;
/*
 * From the setting: {"rules": [{"asker", "risk": [..], "mode", "approvers",
 * "approvals", "requester", "expires"}...], "freeze_windows": [..],
 * "delete_type_name_above": n}, or NULL.  A later rule wins over an earlier one
 * for the same asker and risk.  confirm_ms: how long a question waits that says
 * nothing else.  NULL: ERR_USER says what is wrong.
 */
struct policy *policy_read(const struct json *, int64_t confirm_ms,
	    struct err *);
void	 policy_free(struct policy *);
const struct policy_rule *policy_rule(const struct policy *,
	    enum policy_asker, enum risk);
/* Does a change that takes so many resources away ask for a word typed? */
bool	 policy_asks_word(const struct policy *, size_t deleted);
/*
 * Is this a time in which nothing approved may start?  *until_ms gets its end
 * (of all windows that follow on each other), *name the window as it is written.
 * Windows are in UTC: "Fri 17:00-Mon 08:00" each week, "22:00-06:00" each day.
 */
bool	 policy_is_frozen(const struct policy *, int64_t now_ms,
	    int64_t *until_ms, const char **name);

/* A rule as it is kept with what waits for it; and back.  Yours. */
struct json *policy_rule_json(const struct policy_rule *);
void	 policy_rule_read(const struct json *, struct policy_rule *);
void	 policy_rule_release(struct policy_rule *);

/* --- decisions ------------------------------------------------------------ */

/* Somebody, in the eyes of a rule. */
struct voter {
	const char	*user;
	int		 tier;		/* 0: nobody we know */
	bool		 is_in_team;	/* tier 2 of all teams it touches */
	bool		 is_requester;
};
enum entitled { NOT_ENTITLED, NOT_THE_REQUESTER, IS_ENTITLED };
/* May this person approve under the rule?  To confirm is for the asker only. */
enum entitled policy_entitled(const struct policy_rule *,
	    const struct voter *);

enum verdict { VERDICT_NONE, VERDICT_APPROVE, VERDICT_DENY, VERDICT_HOLD,
    VERDICT_RELEASE };
const char *verdict_name(enum verdict);			/* "approve" */
enum verdict verdict_find(const char *name);
/* The newest decision of one person, and who that is by now. */
struct vote { struct voter voter; enum verdict verdict; };
enum tally { TALLY_OPEN, TALLY_HELD, TALLY_DENIED, TALLY_READY };
/* One vote for each person.  *missing gets how many more have to approve. */
enum tally policy_tally(const struct policy_rule *, const struct vote *,
	    size_t n, int *missing);

#endif
