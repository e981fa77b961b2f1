/*
 * Time.  The wall clock can be frozen for tests; the monotonic one never is,
 * because deadlines of real waits depend on it.
 */
#include "hiclaw/clock.h"

#include <ctype.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define SECOND_MS	INT64_C(1000)
#define ISO_MAX_S	INT64_C(253402300799)	/* the end of year 9999 */
#define AGE_MAX_DAYS	INT64_C(99999)
#define DAY_MS		INT64_C(86400000)
#define DURATION_MAX	(100 * 365 * DAY_MS)	/* long enough */
#define PLANNED_MAX	(366 * DAY_MS)		/* nobody plans for more */

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

/* --- durations as people write them ---------------------------------------- */

static const struct { const char *name; int64_t ms; } units[] = {
	{ "ms", 1 }, { "s", SECOND_MS }, { "m", 60 * SECOND_MS },
	{ "h", 3600 * SECOND_MS }, { "d", DAY_MS },
};

/* One number with its unit; behind it, or NULL. */
static const char *
take_part(const char *p, int64_t *ms)
{
	int64_t	n = 0;
	size_t	len;

	if (!isdigit((unsigned char)*p))
		return NULL;
	for (; isdigit((unsigned char)*p); p++)
		n = n > DURATION_MAX ? n : n * 10 + (*p - '0');
	len = strcspn(p, "0123456789");
	for (size_t i = 0; i < NELEM(units); i++) {
		if (strlen(units[i].name) != len ||
		    strncmp(units[i].name, p, len) != 0)
			continue;
		n = n > DURATION_MAX / units[i].ms ? DURATION_MAX :
		    n * units[i].ms;
		*ms = *ms + n > DURATION_MAX ? DURATION_MAX : *ms + n;
		return p + len;
	}
	return NULL;
}

int64_t
duration_ms(const char *text)
{
	int64_t	ms = 0;

	if (text == NULL || *text == '\0')
		return -1;
	while (*text != '\0')
		if ((text = take_part(text, &ms)) == NULL)
			return -1;
	return ms;
}

int64_t
duration_planned_ms(const char *text)
{
	int64_t	ms = duration_ms(text);

	return ms <= 0 || ms % SECOND_MS != 0 || ms > PLANNED_MAX ? -1 : ms;
}
