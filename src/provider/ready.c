/* What all who run agents share: reports of agents, and how long they count. */
#include "provider-int.h"

/*
 * An agent reports often; each report that is written down costs a commit.  It is
 * taken when the last one that was has lost half of its time: of three reports in
 * a life, every second.
 */
bool
ready_absorb(struct json *observed, const struct json *event)
{
	int64_t until = json_int(event, "until_ms", 0);
	int64_t life = json_int(event, "life_ms", 0);
	int64_t was = json_int(observed, "ready_until", 0);

	/* Who says now when the next one is due did not before. */
	if (life == json_int(observed, "ready_life", 0) && (until <= was ||
	    (was > 0 && until - was < life / 2)))
		return false;
	json_set_int(observed, "ready_until", until);
	json_set_int(observed, "ready_life", life);
	return true;
}
