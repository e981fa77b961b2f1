/*
 * Points where tests kill us, to prove that a death anywhere is survived.
 * Any thread may reach a point; `left` counts down the visits that are let by.
 */
#include "hiclaw/fault.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "hiclaw/base.h"
#include "hiclaw/log.h"

const char *const fault_points[] = {
	"inbox.stored",
	"inbox.before-commit",
	"inbox.after-commit",
	"engine.before-ensure",
	"engine.after-ensure",
	"engine.before-observed",
	"engine.after-observed",
	"run.before-start",
	"run.after-start",
	"run.before-finish",
	"run.after-finish",
	"outbox.before-send",
	"outbox.after-send",
	"outbox.before-sent",
	"outbox.after-sent",
	"resync.before-store",
	"resync.after-store",
	"matrix.after-register",
	"matrix.after-create-room",
	"matrix.after-join",
	"docker.created",
	"docker.uploaded",
	"docker.started",
	"docker.removed",
	NULL
};

static const char	*armed;		/* of fault_points, or NULL */
static atomic_long	 left;

static const char *
fault_find(const char *name)
{
	const char *const	*p;

	for (p = fault_points; *p != NULL; p++)
		if (strcmp(*p, name) == 0)
			return *p;
	return NULL;
}

/* Before any thread is started. */
void
fault_init(void)
{
	const char	*spec = getenv("HICLAW_FAULT"), *colon;
	char		*name, *end = NULL;
	long		 count = 1;

	armed = NULL;
	if (spec == NULL || *spec == '\0')
		return;
	colon = strchr(spec, ':');
	name = xstrndup(spec, colon != NULL ? (size_t)(colon - spec) :
	    strlen(spec));
	if (colon != NULL)
		count = strtol(colon + 1, &end, 10);
	armed = fault_find(name);
	free(name);
	if (armed == NULL || count < 1 || (end != NULL && *end != '\0')) {
		log_error("fault", "HICLAW_FAULT: no such point: %s", spec);
		exit(EX_CONFIG);
	}
	atomic_store(&left, count);
}

void
fault(const char *point)
{
	if (armed == NULL || strcmp(armed, point) != 0)
		return;
	if (atomic_fetch_sub(&left, 1) != 1)
		return;
	kill(getpid(), SIGKILL);
	for (;;)
		pause();	/* nothing more happens on this thread */
}
