/*
 * Time.  The wall clock can be frozen for tests; the monotonic one never is,
 * because deadlines of real waits depend on it.
 */
#include "hiclaw/clock.h"

#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#define SECOND_MS	INT64_C(1000)
#define ISO_MAX_S	INT64_C(253402300799)	/* the end of year 9999 */
#define AGE_MAX_DAYS	INT64_C(99999)

static _Atomic int64_t	frozen_ms;

static int64_t
read_clock(clockid_t id)
{
	struct timespec	ts;

	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * SECOND_MS + ts.tv_nsec / 1000000;
}

int64_t
clock_ms(void)
{
	int64_t	ms = atomic_load(&frozen_ms);

	return ms != 0 ? ms : read_clock(CLOCK_REALTIME);
}

int64_t
clock_mono_ms(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

void
clock_set_ms(int64_t ms)
{
	atomic_store(&frozen_ms, ms);
}

char *
clock_iso(int64_t ms, char *dst)
{
	struct tm	tm;
	time_t		t;

	if (ms < 0)
		ms = 0;
	t = ms / SECOND_MS <= ISO_MAX_S ? ms / SECOND_MS : ISO_MAX_S;
	if (gmtime_r(&t, &tm) == NULL ||
	    strftime(dst, 24, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		str_copy(dst, "1970-01-01T00:00:00Z", 24);
	return dst;
}

char *
clock_utc(int64_t ms, char *dst)
{
	clock_iso(ms, dst);
	dst[10] = ' ';
	str_copy(dst + 16, " UTC", 24 - 16);
	return dst;
}

char *
clock_age(int64_t ms, char *dst)
{
	int64_t	s = ms > 0 ? ms / SECOND_MS : 0;
	int64_t	days = s / 86400;
	int	hours = (int)(s / 3600 % 24), minutes = (int)(s / 60 % 60);

	if (days > AGE_MAX_DAYS)
		days = AGE_MAX_DAYS;
	if (s < 60)
		snprintf(dst, 16, "%ds", (int)s);
	else if (s < 3600)
		snprintf(dst, 16, "%dm", minutes);
	else if (s < 86400 && minutes == 0)
		snprintf(dst, 16, "%dh", hours);
	else if (s < 86400)
		snprintf(dst, 16, "%dh%dm", hours, minutes);
	else if (hours == 0)
		snprintf(dst, 16, "%dd", (int)days);
	else
		snprintf(dst, 16, "%dd%dh", (int)days, hours);
	return dst;
}
