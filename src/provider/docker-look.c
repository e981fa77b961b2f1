/*
 * One look at all: a list of our containers, one of our networks, volumes and
 * images, and an inspect only of what differs.
 *
 * Containers with our label that nobody wants (a resource was deleted in a
 * database that was put back, say) are removed, but not before two looks have
 * found them and they are old enough that nobody can be making them just now.
 */
#include "docker-int.h"

#include <stdlib.h>
#include <string.h>

#include "hiclaw/clock.h"
#include "hiclaw/log.h"

#define LIST_MS		30000
#define ORPHAN_MS	600000
#define HEARTBEAT_MS	300000

struct looking {
	struct docker	*d;
	void		(*changed)(void *, const char *, struct json *);
	void		*arg;
	struct json	*containers, *networks, *volumes, *images;
	struct map	*by_id;		/* container's id -> its row */
	struct map	*known;		/* names and ids of items */
};

/* --- containers ----------------------------------------------------------- */

static int
see_changed(struct looking *l, const char *key, struct json *was,
    struct err *e)
{
	struct json *inspect, *seen, *event;

	if (docker_inspect(l->d, json_str(was, "id"), &inspect, NULL, e) == -1)
		return -1;
	if (inspect == NULL) {
		l->changed(l->arg, key, NULL);
		return 0;
	}
	seen = docker_seen(inspect);
	event = json_copy(was);
	if (docker_container_absorb(event, seen))
		l->changed(l->arg, key, event);
	else
		json_free(event);
	json_free(seen);
	json_free(inspect);
	return 0;
}

static int
see_container(struct looking *l, const char *key, struct json *was,
    struct err *e)
{
	const char *id = json_str(was, "id");
	const struct json *row = id != NULL ? map_find(l->by_id, id) : NULL;

	if (id == NULL)
		return 0;	/* none is there, and none is to be */
	if (row == NULL) {
		l->changed(l->arg, key, NULL);
		return 0;
	}
	if (str_equal(docker_state(json_str(row, "State")),
	    json_str(was, "state")))
		return 0;
	return see_changed(l, key, was, e);
}

static const char *
row_name(const struct json *row)
{
	const char *name = json_value_str(json_first(json_get(row, "Names")));

	return name == NULL ? "" : name + (*name == '/');
}

/* --- orphans -------------------------------------------------------------- */

static bool
is_wanted(struct looking *l, const struct json *row)
{
	bool wanted;

	pthread_mutex_lock(&l->d->lock);
	wanted = map_find(l->d->wanted, row_name(row)) != NULL;
	pthread_mutex_unlock(&l->d->lock);
	return wanted || map_find(l->known, row_name(row)) != NULL ||
	    map_find(l->known, json_strd(row, "Id", "")) != NULL;
}

/* Found by a look that is long ago? */
static bool
was_seen(struct looking *l, const struct json *row)
{
	const char *id = json_strd(row, "Id", "");
	int64_t now = clock_mono_ms(), *first;
	bool seen;

	pthread_mutex_lock(&l->d->lock);
	first = map_find(l->d->orphans, id);
	if (first == NULL) {
		first = xcalloc(1, sizeof(*first));
		*first = now;
		map_set(l->d->orphans, id, first);
	}
	seen = now - *first > ORPHAN_MS / 10;
	pthread_mutex_unlock(&l->d->lock);
	return seen;
}

static void
forget_orphan(struct looking *l, const char *id)
{
	pthread_mutex_lock(&l->d->lock);
	map_remove(l->d->orphans, id);
	pthread_mutex_unlock(&l->d->lock);
}

static void
see_orphan(struct looking *l, const struct json *row)
{
	const char *id = json_strd(row, "Id", "");
	int64_t age = clock_ms() - 1000 * json_int(row, "Created", 0);
	struct err e;

	if (is_wanted(l, row)) {
		forget_orphan(l, id);
		return;
	}
	if (!was_seen(l, row) || age < ORPHAN_MS ||
	    !str_equal(json_str(json_get(row, "Labels"), LABEL_INSTANCE),
	    l->d->instance))
		return;
	log_warn("docker", "%s: nobody wants this container of ours any more: "
	    "removed", row_name(row));
	if (docker_end(l->d, id, 10, &e) == -1 ||
	    docker_delete(l->d, id, 10, &e) == -1)
		log_warn("docker", "%s: %s", row_name(row), e.msg);
	else
		forget_orphan(l, id);
}

/* --- the others ----------------------------------------------------------- */

static void
report(struct looking *l, const char *key, const struct json *was,
    struct json *now)
{
	if (now == NULL || !json_equal(was, now))
		l->changed(l->arg, key, now);
	else
		json_free(now);
}

static const struct json *
row_named(const struct json *rows, const char *name)
{
	const struct json *v;

	for (v = json_first(rows); v != NULL; v = json_next(v))
		if (str_equal(json_str(v, "Name"), name))
			return v;
	return NULL;
}

static void
see_network(struct looking *l, const char *key, const struct json *was)
{
	const char *name = json_strd(was, "name", "");
	const struct json *row = row_named(l->networks, name);

	report(l, key, was, row != NULL ? docker_network_form(name, row) :
	    NULL);
}

static void
see_volume(struct looking *l, const char *key, const struct json *was)
{
	if (row_named(l->volumes, json_strd(was, "name", "")) == NULL)
		l->changed(l->arg, key, NULL);
}

static bool
has_ref(const struct json *row, const char *member, const char *ref)
{
	const struct json *v;

	for (v = json_first(json_get(row, member)); v != NULL;
	    v = json_next(v))
		if (json_value_str(v) != NULL &&
		    docker_ref_is(ref, json_value_str(v)))
			return true;
	return false;
}

static void
see_image(struct looking *l, const char *key, const struct json *was)
{
	const char *ref = json_strd(was, "ref", "");
	const struct json *v;
	struct json *now = NULL;
	char *id;

	for (v = json_first(l->images); v != NULL && now == NULL;
	    v = json_next(v)) {
		id = docker_image_id(json_strd(v, "Id", ""));
		/* Asked for by its id, it has no name to be found by. */
		if (has_ref(v, "RepoTags", ref) ||
		    has_ref(v, "RepoDigests", ref) ||
		    (str_equal(id, json_str(was, "id")) &&
		    strchr(ref, '@') != NULL)) {
			now = json_copy(was);
			json_set_str(now, "id", id);
		}
		free(id);
	}
	report(l, key, was, now);
}

/* --- all ------------------------------------------------------------------ */

static int
list(struct docker *d, struct json **into, char *path, const char *member,
    struct err *e)
{
	struct json *all = NULL, *part;

	if (*into != NULL) {
		free(path);
		return 0;
	}
	if (docker_get(d, path, LIST_MS, &all, NULL, e) == -1)
		return -1;
	if (member != NULL) {
		part = json_get(all, member);
		*into = json_is(part, JSON_ARRAY) ? json_copy(part) :
		    json_array();
		json_free(all);
	} else
		*into = all != NULL ? all : json_array();
	return 0;
}

/* What this item needs to have been listed. */
static int
list_for(struct looking *l, const char *key, const char *filter,
    struct err *e)
{
	struct docker *d = l->d;

	if (str_starts(key, "network:"))
		return list(d, &l->networks,
		    xasprintf("/networks?filters=%s", filter), NULL, e);
	if (str_starts(key, "volume:"))
		return list(d, &l->volumes,
		    xasprintf("/volumes?filters=%s", filter), "Volumes", e);
	if (str_starts(key, "image:"))
		return list(d, &l->images, xstrdup("/images/json"), NULL, e);
	return 0;
}

static void
index_all(struct looking *l, const struct observe_item *items, size_t n)
{
	const struct json *v;
	struct json *was;

	for (v = json_first(l->containers); v != NULL; v = json_next(v))
		if (json_str(v, "Id") != NULL)
			map_set(l->by_id, json_str(v, "Id"), (void *)v);
	for (size_t i = 0; i < n; i++) {
		if (!str_starts(items[i].key, "container:"))
			continue;
		was = json_must(items[i].observed);
		map_set(l->known, json_strd(was, "name", "-"), l);
		map_set(l->known, json_strd(was, "id", "-"), l);
		json_free(was);
	}
}

static int
see(struct looking *l, const struct observe_item *it, struct err *e)
{
	struct json *was = json_must(it->observed);
	int rv = 0;

	if (str_starts(it->key, "container:"))
		rv = see_container(l, it->key, was, e);
	else if (str_starts(it->key, "network:"))
		see_network(l, it->key, was);
	else if (str_starts(it->key, "volume:"))
		see_volume(l, it->key, was);
	else if (str_starts(it->key, "image:"))
		see_image(l, it->key, was);
	json_free(was);
	return rv;
}

/*
 * While the engine tells, a look at all is only a heartbeat: it costs a Podman with
 * a hundred containers a second and a half.  Nothing tells of images.
 */
static bool
is_due(struct docker *d, int64_t now)
{
	bool due;

	pthread_mutex_lock(&d->lock);
	due = !d->is_told || d->looked_ms == 0 ||
	    now - d->looked_ms >= HEARTBEAT_MS;
	if (due)
		d->looked_ms = now;
	pthread_mutex_unlock(&d->lock);
	return due;
}

static void
look_failed(struct docker *d)
{
	pthread_mutex_lock(&d->lock);
	d->looked_ms = 0;
	pthread_mutex_unlock(&d->lock);
}

int
docker_observe(void *ctx, const struct observe_item *items, size_t n,
    void (*changed)(void *, const char *, struct json *), void *arg,
    struct err *e)
{
	struct docker *d = ctx;
	struct looking l = { .d = d, .changed = changed, .arg = arg,
	    .by_id = map_new(NULL), .known = map_new(NULL) };
	char *filter = docker_label_filter(d->instance);
	bool all = is_due(d, clock_mono_ms());
	const struct json *v;
	int rv = 0;

	if (all)
		rv = list(d, &l.containers, xasprintf("/containers/json?all=1"
		    "&filters=%s", filter), NULL, e);
	for (size_t i = 0; i < n && rv == 0; i++)
		if (all || str_starts(items[i].key, "image:"))
			rv = list_for(&l, items[i].key, filter, e);
	if (rv == 0)
		index_all(&l, items, n);
	for (size_t i = 0; i < n && rv == 0; i++)
		if (all || str_starts(items[i].key, "image:"))
			rv = see(&l, &items[i], e);
	if (rv == -1)
		look_failed(d);
	for (v = json_first(l.containers); v != NULL && rv == 0;
	    v = json_next(v))
		see_orphan(&l, v);
	map_free(l.by_id);
	map_free(l.known);
	json_free(l.containers);
	json_free(l.networks);
	json_free(l.volumes);
	json_free(l.images);
	free(filter);
	return rv;
}
