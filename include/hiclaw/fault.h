/*
 * Points where tests kill us.  HICLAW_FAULT="engine.before-ensure:3" raises
 * SIGKILL the third time that point is reached; unset, a point costs one
 * comparison.  The list of points is fault_points[] in src/base/fault.c, and a
 * name that is not on it ends the process at start-up.
 */
#ifndef HICLAW_FAULT_H
#define HICLAW_FAULT_H

void	fault_init(void);		/* reads the environment */
void	fault(const char *point);
extern const char *const fault_points[];	/* NULL-terminated */

#endif
