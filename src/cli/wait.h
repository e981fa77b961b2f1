/* Waiting until what was asked for is so.  See wait.c. */
#ifndef CLI_WAIT_H
#define CLI_WAIT_H

#include "cli.h"

struct awaited {
	const struct kind *kind;
	char		*name;
	char		 phase[32];
	char		 why[256];
	int		 failures;	/* looks in a row at which it had failed */
	bool		 is_done;
};
struct waiting { struct awaited *v; size_t n; };
void	waiting_add(struct waiting *, const struct kind *, const char *name);
void	waiting_release(struct waiting *);
/* DONE when all are ready, FAILED when one failed or the time was over: said. */
int	wait_for_all(struct cli *, struct waiting *);

#endif
