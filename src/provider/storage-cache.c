/*
 * Packages that were fetched, kept for a few minutes: a hundred workers of one
 * package fetch it once, also when they ask at the same time.
 *
 * An entry in the list is being loaded or loaded; a failed one is taken out,
 * and those who waited for it share the failure.  Whoever drops the last
 * reference frees it.
 */
#include "storage-int.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "hiclaw/clock.h"

#define CACHE_MS	(5 * 60 * 1000)
#define CACHE_ENTRIES	16
#define CACHE_BYTES	(64 * 1024 * 1024)	/* of all together */

struct cached {
	char		*key;
	struct package	 package;
	struct err	 err;
	enum { CACHED_LOADING, CACHED_READY, CACHED_FAILED } state;
	size_t		 bytes;
	int64_t		 since_ms;
	int		 refs;		/* the list's is one of them */
	struct cached	*next;
};

struct cache {
	pthread_mutex_t	 lock;
	pthread_cond_t	 loaded;
	struct cached	*head;		/* the newest first */
};

struct cache *
cache_new(void)
{
	struct cache *c = xcalloc(1, sizeof(*c));

	if (pthread_mutex_init(&c->lock, NULL) != 0 ||
	    pthread_cond_init(&c->loaded, NULL) != 0)
		abort();
	return c;
}

static void
unref(struct cached *p)
{
	if (--p->refs > 0)
		return;
	free(p->key);
	package_release(&p->package);
	free(p);
}

static void
take_out(struct cache *c, struct cached *p)
{
	struct cached **at;

	for (at = &c->head; *at != NULL; at = &(*at)->next) {
		if (*at != p)
			continue;
		*at = p->next;
		unref(p);
		return;
	}
}

void
cache_free(struct cache *c)
{
	if (c == NULL)
		return;
	while (c->head != NULL)
		take_out(c, c->head);
	pthread_mutex_destroy(&c->lock);
	pthread_cond_destroy(&c->loaded);
	free(c);
}

/* Old ones, and more than we keep; what is being loaded is new. */
static void
sweep(struct cache *c)
{
	int64_t now = clock_mono_ms();
	size_t bytes = 0, n = 0;
	struct cached *p, *next;

	for (p = c->head; p != NULL; p = next) {
		next = p->next;
		bytes += p->bytes;
		if (p->state != CACHED_LOADING && (++n > CACHE_ENTRIES ||
		    bytes > CACHE_BYTES || now - p->since_ms > CACHE_MS))
			take_out(c, p);
	}
}

static struct cached *
find(struct cache *c, const char *key)
{
	struct cached *p;

	for (p = c->head; p != NULL; p = p->next)
		if (strcmp(p->key, key) == 0)
			return p;
	return NULL;
}

static size_t
package_bytes(const struct package *p)
{
	size_t i, bytes = 0;

	for (i = 0; i < p->n; i++)
		bytes += p->files[i].len;
	return bytes;
}

static void
load(struct cache *c, struct cached *p,
    int (*fetch)(void *arg, struct package *, struct err *), void *arg)
{
	struct package got = {0};
	struct err e = {0};
	int rv;

	pthread_mutex_unlock(&c->lock);
	rv = fetch(arg, &got, &e);
	pthread_mutex_lock(&c->lock);
	p->since_ms = clock_mono_ms();
	if (rv == 0) {
		p->package = got;
		p->bytes = package_bytes(&got);
		p->state = CACHED_READY;
	} else {
		p->err = e;
		p->state = CACHED_FAILED;
		take_out(c, p);
	}
	pthread_cond_broadcast(&c->loaded);
	sweep(c);
}

struct cached *
cache_get(struct cache *c, const char *key,
    int (*fetch)(void *arg, struct package *, struct err *), void *arg,
    struct err *e)
{
	struct cached *p;

	pthread_mutex_lock(&c->lock);
	sweep(c);
	p = find(c, key);
	if (p == NULL) {
		p = xcalloc(1, sizeof(*p));
		p->key = xstrdup(key);
		p->refs = 2;	/* the list's and the caller's */
		p->next = c->head;
		c->head = p;
		load(c, p, fetch, arg);
	} else {
		p->refs++;
		while (p->state == CACHED_LOADING)
			pthread_cond_wait(&c->loaded, &c->lock);
	}
	if (p->state == CACHED_FAILED) {
		*e = p->err;
		unref(p);
		p = NULL;
	}
	pthread_mutex_unlock(&c->lock);
	return p;
}

const struct package *
cached_package(const struct cached *p)
{
	return &p->package;
}

void
cache_drop(struct cache *c, struct cached *p)
{
	if (p == NULL)
		return;
	pthread_mutex_lock(&c->lock);
	unref(p);
	pthread_mutex_unlock(&c->lock);
}
