/*
 * Shared by the files of src/matrix and nobody else.
 */
#ifndef HICLAW_MATRIX_INT_H
#define HICLAW_MATRIX_INT_H

#include "hiclaw/http.h"
#include "hiclaw/matrix.h"

#define MX_ID_MAX	255	/* bytes of a user, room, event id, alias */

/*
 * path with ?user_id= and device_id= put in, behind the homeserver's URL.  user
 * as in mx_call.  Yours.
 */
char	*mx_url(const struct mx *, const char *path, const char *user);
/*
 * Judge an HTTP answer: 0 for 2xx, else -1 with the kind that the header of
 * matrix.h promises.  errcode and text are those of the body, which may be
 * anything.
 */
int	 mx_judge(const char *method, const char *path, int status,
	    int retry_after_s, const char *errcode, const struct json *body,
	    struct err *);
/* Copy text of a stranger for an error message: one line, at most max bytes. */
void	 mx_plain(char *dst, size_t dstsize, const char *text);

/* Is the level of this room version's creator infinite (12 and later)? */
bool	 version_has_creators(const char *version);
/* room_power for a room that has another version than desired. */
struct json *power_make(const struct json *desired, const char *version,
	    const char *bot);
/* The differences of two contents of m.room.power_levels. */
void	 power_diff(const struct json *want, const struct json *have,
	    struct changes *);

#endif
