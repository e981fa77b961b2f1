/* What must survive a kill.  See state.h. */
#include "state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "hiclaw/clock.h"
#include "hiclaw/file.h"
#include "hiclaw/log.h"

#define STATE_MAX	(256 * 1024)	/* bytes of the file */
#define SEEN_MAX	128
#define LOCK_MS		15000	/* that the one before us takes to end */

static void
settle(struct state *s)
{
	if (!json_is(s->root, JSON_OBJECT)) {
		json_free(s->root);
		s->root = json_object();
	}
	json_obj(s->root, "invites");
	if (!json_is(json_get(s->root, "queue"), JSON_ARRAY))
		json_set(s->root, "queue", json_array());
	if (!json_is(json_get(s->root, "seen"), JSON_ARRAY))
		json_set(s->root, "seen", json_array());
}

/* A broken one is put aside: then we begin anew, with what is young only. */
static void
load(struct state *s)
{
	struct err	 e;
	char		*text, *aside;

	if (access(s->path, F_OK) == 0) {
		text = file_read(s->path, STATE_MAX, &e);
		if (text != NULL)
			s->root = json_parse(text, strlen(text), &e);
		free(text);
		if (s->root == NULL) {
			aside = xasprintf("%s.broken", s->path);
			log_error("state", "%s; put aside", e.msg);
			rename(s->path, aside);
			free(aside);
		}
	}
	settle(s);
}

static int
take_lock(const char *path, struct err *e)
{
	int	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	int64_t	end = clock_mono_ms() + LOCK_MS;

	if (fd < 0)
		return err_set(e, ERR_BROKEN, "%s: %s", path, strerror(errno));
	while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		if (errno != EWOULDBLOCK || clock_mono_ms() > end) {
			close(fd);
			return err_set(e, ERR_CONFLICT, "%s: another one lives "
			    "here", path);
		}
		nanosleep(&(struct timespec){ .tv_nsec = 100000000 }, NULL);
	}
	return fd;
}

static int
write_whole(const char *path, const char *text)
{
	int	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	size_t	len = strlen(text), off = 0;
	ssize_t	n;

	if (fd < 0)
		return -1;
	while (off < len) {
		n = write(fd, text + off, len - off);
		if (n <= 0)
			break;
		off += (size_t)n;
	}
	if (off < len || fsync(fd) != 0) {
		close(fd);
		return -1;
	}
	return close(fd);
}

static int
try_save(const struct state *s)
{
	char	*text = json_canonical(s->root);
	int	 rc = write_whole(s->temporary, text);

	free(text);
	return rc == 0 ? rename(s->temporary, s->path) : rc;
}

void
state_save(struct state *s)
{
	if (try_save(s) == 0)
		return;
	log_error("state", "%s: %s", s->path, strerror(errno));
	_exit(EX_IOERR);
}

struct state *
state_open(const char *home, struct err *e)
{
	struct state	*s = xcalloc(1, sizeof(*s));
	char		*dir = xasprintf("%s/.hiclaw-nano", home);
	char		*lock = xasprintf("%s/lock", dir);

	s->path = xasprintf("%s/state.json", dir);
	s->temporary = xasprintf("%s.new", s->path);
	s->lock = -1;
	if (mkdir(dir, 0700) != 0 && errno != EEXIST)
		err_set(e, ERR_BROKEN, "%s: %s", dir, strerror(errno));
	else if ((s->lock = take_lock(lock, e)) >= 0) {
		load(s);
		if (try_save(s) != 0) {
			err_set(e, ERR_BROKEN, "%s: %s", s->path,
			    strerror(errno));
			close(s->lock);
			s->lock = -1;
		}
	}
	free(dir);
	free(lock);
	if (s->lock >= 0)
		return s;
	state_close(s);
	return NULL;
}

void
state_close(struct state *s)
{
	if (s == NULL)
		return;
	if (s->lock >= 0)
		close(s->lock);
	json_free(s->root);
	free(s->path);
	free(s->temporary);
	free(s);
}

const char *
state_since(const struct state *s)
{
	return json_str(s->root, "since");
}

int64_t
state_at_ms(const struct state *s)
{
	return json_int(s->root, "at", 0);
}

void
state_set_since(struct state *s, const char *since, int64_t at_ms)
{
	if (since == NULL)
		json_remove(s->root, "since");
	json_set_str(s->root, "since", since);
	json_set_int(s->root, "at", at_ms);
}

bool
state_has_seen(const struct state *s, const char *event)
{
	const struct json *v = json_first(json_get(s->root, "seen"));

	for (; v != NULL; v = json_next(v))
		if (str_equal(json_value_str(v), event))
			return true;
	return false;
}

/* What of an array is kept; json.h takes nothing out of one. */
static void
keep(struct state *s, const char *key, bool (*is_kept)(const struct json *,
    size_t left, const void *), const void *arg)
{
	const struct json *old = json_get(s->root, key), *v;
	struct json *new = json_array();
	size_t left = json_size(old);

	for (v = json_first(old); v != NULL; v = json_next(v), left--)
		if (is_kept(v, left, arg))
			json_push(new, json_copy(v));
	json_set(s->root, key, new);
}

static bool
is_recent(const struct json *v, size_t left, const void *max)
{
	return left <= *(const size_t *)max;
}

static bool
is_other_event(const struct json *v, size_t left, const void *event)
{
	return !str_equal(json_str(v, "event"), event);
}

static bool
is_other_room(const struct json *v, size_t left, const void *room)
{
	return !str_equal(json_str(v, "room"), room);
}

void
state_mark_seen(struct state *s, const char *event)
{
	static const size_t max = SEEN_MAX;
	struct json *seen = json_get(s->root, "seen");

	json_push_str(seen, event);
	if (json_size(seen) > 2 * max)
		keep(s, "seen", is_recent, &max);
}

bool
state_ask(struct state *s, const struct heard *h)
{
	struct json *queue = json_get(s->root, "queue"), *q;

	state_mark_seen(s, h->id);
	if (json_size(queue) >= QUEUE_MAX)
		return false;
	q = json_push(queue, json_object());
	json_set_str(q, "room", h->room);
	json_set_str(q, "event", h->id);
	json_set_str(q, "sender", h->sender);
	json_set_str(q, "thread", h->thread);
	json_set_int(q, "hops", h->hops);
	json_set_int(q, "tries", 0);
	return true;
}

struct json *
state_queue(const struct state *s)
{
	return json_get(s->root, "queue");
}

struct json *
state_find(const struct state *s, const char *event)
{
	struct json *q = json_first(state_queue(s));

	while (q != NULL && !str_equal(json_str(q, "event"), event))
		q = json_next(q);
	return q;
}

void
state_done(struct state *s, const char *event)
{
	keep(s, "queue", is_other_event, event);
}

void
state_forget_room(struct state *s, const char *room)
{
	json_remove(json_get(s->root, "invites"), room);
	keep(s, "queue", is_other_room, room);
}

struct json *
state_invites(const struct state *s)
{
	return json_get(s->root, "invites");
}
