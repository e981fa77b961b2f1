/*
 * How much one person may ask for: so many commands in a minute, and twice as
 * many at once.  In memory; pure but for the map.
 */
#ifndef CHAT_FLOOD_H
#define CHAT_FLOOD_H

#include <stdint.h>

struct floods;

enum flood { FLOOD_NONE, FLOOD_TELL, FLOOD_SILENT };

struct floods *floods_new(void);
void	 floods_free(struct floods *);
/*
 * One more of this person, now (monotonic).  FLOOD_TELL: it is too much, and
 * that is to be said, once; then FLOOD_SILENT until half of what may come at
 * once is free again.  rate 0: there is no limit.
 */
enum flood flood_take(struct floods *, const char *who, int64_t rate,
	    int64_t now_ms);

#endif
