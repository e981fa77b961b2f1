/* Time is an argument or comes from here; tests set it. */
#ifndef HICLAW_CLOCK_H
#define HICLAW_CLOCK_H

#include "hiclaw/base.h"

int64_t	clock_ms(void);		/* wall clock, ms since 1970 UTC */
int64_t	clock_mono_ms(void);	/* monotonic */
void	clock_set_ms(int64_t);	/* tests: freeze the wall clock; 0 thaws */
/* "2026-11-24T17:03:05Z"; dst of at least 24 bytes; returns dst. */
char	*clock_iso(int64_t ms, char *dst);
/* For people: "2026-11-24 17:03 UTC"; dst of at least 24 bytes; returns dst. */
char	*clock_utc(int64_t ms, char *dst);
/* "42s", "5m", "3h12m", "2d4h"; dst of at least 16 bytes; returns dst. */
char	*clock_age(int64_t ms, char *dst);
/* "12h", "1h30m", "90s", "1d", "500ms"; -1: is none. */
int64_t	duration_ms(const char *);
/* The same, of whole seconds, from one to a year; -1: is none. */
int64_t	duration_planned_ms(const char *);

#endif
