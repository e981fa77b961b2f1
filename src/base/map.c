/*
 * A map from string to pointer in order of insertion (uthash inside).
 *
 * A walk keeps the entry that comes next, not the one it gave, so that the
 * current one may be removed; `walk_end` tells a finished walk from a new one.
 */
#include "hiclaw/base.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define uthash_fatal(msg)	abort()
#include <uthash.h>

struct entry {
	UT_hash_handle	 hh;
	void		*value;
	char		 key[];
};

struct map {
	struct entry	*entries;
	void		(*free_value)(void *);
};

static struct entry	walk_end;

struct map *
map_new(void (*free_value)(void *))
{
	struct map	*m = xcalloc(1, sizeof(*m));

	m->free_value = free_value;
	return m;
}

static struct entry *
map_entry(const struct map *m, const char *key)
{
	struct entry	*e = NULL;

	HASH_FIND(hh, m->entries, key, strlen(key), e);
	return e;
}

/* Takes the entry out; its value is left to the caller. */
static void *
map_unlink(struct map *m, struct entry *e)
{
	void	*value = e->value;

	HASH_DELETE(hh, m->entries, e);
	free(e);
	return value;
}

void
map_free(struct map *m)
{
	struct entry	*e, *next;
	void		*value;

	if (m == NULL)
		return;
	HASH_ITER(hh, m->entries, e, next) {
		value = map_unlink(m, e);
		if (m->free_value != NULL)
			m->free_value(value);
	}
	free(m);
}

void
map_set(struct map *m, const char *key, void *value)
{
	struct entry	*e = map_entry(m, key);
	void		*old;
	size_t		 len;

	assert(value != NULL);
	if (e != NULL) {
		old = e->value;
		e->value = value;
		if (m->free_value != NULL && old != value)
			m->free_value(old);
		return;
	}
	len = strlen(key);
	e = xcalloc(1, sizeof(*e) + len + 1);
	memcpy(e->key, key, len);
	e->value = value;
	HASH_ADD_KEYPTR(hh, m->entries, e->key, len, e);
}

void *
map_find(const struct map *m, const char *key)
{
	struct entry	*e = map_entry(m, key);

	return e != NULL ? e->value : NULL;
}

const char *
map_key(const struct map *m, const char *key)
{
	const struct entry	*e = map_entry(m, key);

	return e != NULL ? e->key : NULL;
}

void *
map_take(struct map *m, const char *key)
{
	struct entry	*e = map_entry(m, key);

	return e != NULL ? map_unlink(m, e) : NULL;
}

bool
map_remove(struct map *m, const char *key)
{
	void	*value = map_take(m, key);

	if (value == NULL)
		return false;
	if (m->free_value != NULL)
		m->free_value(value);
	return true;
}

size_t
map_size(const struct map *m)
{
	return HASH_COUNT(m->entries);
}

void *
map_next(const struct map *m, void **it, const char **key)
{
	struct entry	*e = *it == NULL ? m->entries : *it;

	if (e == NULL || e == &walk_end) {
		*it = NULL;	/* ready for another walk */
		return NULL;
	}
	*it = e->hh.next != NULL ? e->hh.next : &walk_end;
	if (key != NULL)
		*key = e->key;
	return e->value;
}
