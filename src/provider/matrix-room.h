/*
 * What the two files of the room kind share: matrix-room.c makes, claims, looks
 * and removes; matrix-room-write.c writes one difference.
 */
#ifndef HICLAW_PROVIDER_MATRIX_ROOM_H
#define HICLAW_PROVIDER_MATRIX_ROOM_H

#include "matrix-int.h"

struct room_job {
	const struct mx		*mx;
	const struct work	*w;
	struct outcome		*out;
	struct json		*obs;	/* NULL: no room yet */
	bool			 is_new;	/* made by this very job */
};

const char *room_id(const struct room_job *);	/* NULL: no room yet */
/* The directory: PUT, GET or DELETE of a full alias. */
int	 room_alias_call(const struct mx *, const char *method,
	    const char *alias, const char *room, struct mx_answer *,
	    struct err *);
/*
 * Write one difference that room_diff found.  *power_done: the power levels,
 * which are one event for many differences, were written already.
 */
int	 room_write_change(struct room_job *, const struct change *,
	    bool *power_done, struct err *);

#endif
