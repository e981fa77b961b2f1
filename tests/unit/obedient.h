/*
 * What tests with the real engine share: parts of a provider that does as it is
 * told, and waiting until something is so.
 */
#ifndef OBEDIENT_H
#define OBEDIENT_H

#include "hiclaw/engine.h"
#include "hiclaw/loop.h"
#include "hiclaw/object.h"
#include "hiclaw/provider.h"
#include "hiclaw/store.h"

/* --- a provider ------------------------------------------------------------ */

/* The only one there is: its test says what it knows. */
extern const struct provider obedient;

/* Different is what is not "is". */
void	 obedient_diff(const struct json *desired, const struct json *observed,
	    struct changes *);
/* "!room:team/web", which is the member "id" of all that is made. */
const char *obedient_handle(const struct json *observed);
/* Made as it was asked for; who is to be in a room has joined it. */
int	 obedient_ensure(void *ctx, const struct work *, struct outcome *,
	    struct err *);
int	 obedient_remove(void *ctx, const struct work *, struct outcome *,
	    struct err *);
int	 obedient_open(const struct provider_env *, void **ctx, struct err *);
void	 obedient_close(void *ctx);
#define OBEDIENT(n, differs, makes) .name = n, .label = n, .diff = differs, \
    .handle = obedient_handle, .ensure = makes, .remove = obedient_remove

/* A container: "state" and "restart" count, and it has to report. */
void	 box_diff(const struct json *desired, const struct json *observed,
	    struct changes *);
bool	 box_awaits(const struct json *desired, const struct json *observed,
	    char *why, size_t size);
/* The same as it was, or new, in the state that was asked for. */
int	 box_ensure(void *ctx, const struct work *, struct outcome *,
	    struct err *);

extern const struct object_secret obedient_password[], obedient_key[];

/* --- a house --------------------------------------------------------------- */

struct house;			/* the test's own */
struct waiting {
	struct loop	*loop;
	struct timer	*timer;
	struct house	*house;
	int64_t		 deadline;
	bool		 (*until)(struct house *);
};
void	 waiting_open(struct waiting *, struct loop *, struct house *);
void	 waiting_close(struct waiting *);
/* Runs the loop until that is so; false: it never was. */
bool	 waiting_for(struct waiting *, bool (*until)(struct house *));

/* The names of the world in all these tests. */
void	 obedient_world(struct world_config *, const struct strv *admins);
/* Nothing is left to do. */
bool	 obedient_is_quiet(const struct engine *);
/* Declare this manifest, which must be good, in a transaction. */
void	 obedient_declare(struct engine *, struct store *, const char *yaml);

#endif
