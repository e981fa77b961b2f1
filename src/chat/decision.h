/*
 * Decisions as people write and tap them.  Pure.
 */
#ifndef CHAT_DECISION_H
#define CHAT_DECISION_H

#include "hiclaw/policy.h"

#define DECISION_MAX	512	/* bytes of a line that may be one */

/*
 * A reaction's key, or a word, without variation selectors, skin tones, blanks
 * around it and trailing punctuation, in lower case; dst is "" when it is too
 * long for that.
 */
void	 key_normalise(const char *key, char *dst, size_t size);
/*
 * "yes", "Approve!", a thumb: VERDICT_APPROVE; "no", "deny", a cross:
 * VERDICT_DENY; "hold", "wait", a raised hand: VERDICT_HOLD; "release".
 */
enum verdict verdict_read(const char *text);
/*
 * "approve 7", "deny #7 not on a Friday": a decision that names its number.
 * *rest gets what follows, borrowed from the line.
 */
enum verdict verdict_read_numbered(const char *line, int64_t *number,
	    const char **rest);

#endif
