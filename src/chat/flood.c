#include "flood.h"

#include <stdlib.h>

#include "hiclaw/base.h"

#define PEOPLE_MAX	4096	/* remembered at a time */
#define MINUTE_MS	60000

struct person {
	double	 free;		/* so many more may come now */
	int64_t	 at_ms;		/* when that was */
	bool	 is_told;	/* it was too much, and is not over */
};

struct floods { struct map *people; };

struct floods *
floods_new(void)
{
	struct floods *f = xcalloc(1, sizeof *f);

	f->people = map_new(free);
	return f;
}

void
floods_free(struct floods *f)
{
	if (f == NULL)
		return;
	map_free(f->people);
	free(f);
}

/* Room for one more: whoever has been quiet longest is forgotten. */
static void
forget_one(struct floods *f)
{
	const char *key, *oldest = NULL;
	const struct person *p;
	int64_t at_ms = 0;
	char *copy;
	void *at;

	for (at = NULL; (p = map_next(f->people, &at, &key)) != NULL;)
		if (oldest == NULL || p->at_ms < at_ms) {
			oldest = key;
			at_ms = p->at_ms;
		}
	copy = xstrdup(oldest);
	map_remove(f->people, copy);
	free(copy);
}

static struct person *
person_of(struct floods *f, const char *who, double burst, int64_t now_ms)
{
	struct person *p = map_find(f->people, who);

	if (p != NULL)
		return p;
	if (map_size(f->people) >= PEOPLE_MAX)
		forget_one(f);
	p = xcalloc(1, sizeof *p);
	p->free = burst;
	p->at_ms = now_ms;
	map_set(f->people, who, p);
	return p;
}

enum flood
flood_take(struct floods *f, const char *who, int64_t rate, int64_t now_ms)
{
	double burst = 2.0 * (double)rate;
	struct person *p;

	if (rate <= 0)
		return FLOOD_NONE;
	p = person_of(f, who, burst, now_ms);
	if (now_ms > p->at_ms) {
		p->free += (double)(now_ms - p->at_ms) * (double)rate /
		    MINUTE_MS;
		p->at_ms = now_ms;
	}
	if (p->free > burst)
		p->free = burst;
	if (p->is_told && p->free < burst / 2)
		return FLOOD_SILENT;
	p->is_told = p->free < 1;
	if (p->is_told)
		return FLOOD_TELL;
	p->free--;
	return FLOOD_NONE;
}
