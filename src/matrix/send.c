/*
 * What we say in rooms: state, messages, redactions, joins and leaves, and the
 * list of direct chats.  One function is one call, but for mx_set_direct.
 */
#include "hiclaw/matrix.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "matrix-int.h"

#define V3	"/_matrix/client/v3"

int
mx_put_state(const struct mx *mx, const char *room, const char *type,
    const char *state_key, const struct json *content, struct err *e)
{
	struct mx_answer a = {0};
	char *path;
	int rv;

	path = mx_path(V3 "/rooms/%s/state/%s/%s", room, type, state_key);
	rv = mx_call(mx, "PUT", path, NULL, content, &a, e);
	mx_answer_release(&a);
	free(path);
	return rv;
}

/* A PUT that answers with the id of an event. */
static int
put_event(const struct mx *mx, const char *path, const struct json *content,
    char **event_id, struct err *e)
{
	struct mx_answer a = {0};
	const char *id;
	int rv;

	rv = mx_call(mx, "PUT", path, NULL, content, &a, e);
	if (rv == -1)
		goto out;
	id = json_str(a.body, "event_id");
	if (id == NULL || id[0] == '\0' || strlen(id) > MX_ID_MAX) {
		rv = err_set(e, ERR_RETRY, "the homeserver took an event and "
		    "gave no id for it");
		goto out;
	}
	if (event_id != NULL)
		*event_id = xstrdup(id);
out:
	mx_answer_release(&a);
	return rv;
}

int
mx_send(const struct mx *mx, const char *room, const char *type,
    const char *txn, const struct json *content, char **event_id,
    struct err *e)
{
	char *path = mx_path(V3 "/rooms/%s/send/%s/%s", room, type, txn);
	int rv;

	rv = put_event(mx, path, content, event_id, e);
	free(path);
	return rv;
}

int
mx_redact(const struct mx *mx, const char *room, const char *event,
    const char *txn, const char *reason, char **event_id, struct err *e)
{
	struct json *body = json_object();
	char *path = mx_path(V3 "/rooms/%s/redact/%s/%s", room, event, txn);
	int rv;

	json_set_str(body, "reason", reason);
	rv = put_event(mx, path, body, event_id, e);
	json_free(body);
	free(path);
	return rv;
}

static int
membership_call(const struct mx *mx, const char *user, const char *room,
    const char *verb, struct err *e)
{
	struct mx_answer a = {0};
	char *path = mx_path(V3 "/rooms/%s/%s", room, verb);
	int rv;

	rv = mx_call(mx, "POST", path, user, NULL, &a, e);
	mx_answer_release(&a);
	free(path);
	return rv;
}

int
mx_join(const struct mx *mx, const char *user, const char *room,
    struct err *e)
{
	return membership_call(mx, user, room, "join", e);
}

int
mx_leave(const struct mx *mx, const char *user, const char *room,
    struct err *e)
{
	return membership_call(mx, user, room, "leave", e);
}

/* --- direct chats ------------------------------------------------------- */

static int
add_direct(const struct mx *mx, const char *path, const char *user,
    const char *person, const char *room, struct err *e)
{
	struct mx_answer old = {0}, a = {0};
	struct json *all, *rooms;
	int rv = -1;

	if (mx_call(mx, "GET", path, user, NULL, &old, e) == -1 &&
	    old.status != 404)
		goto out;
	all = old.status == 404 ? NULL : old.body;
	if (json_has_str(json_get(all, person), room)) {
		rv = 0;
		goto out;
	}
	all = all == NULL ? json_object() : json_copy(all);
	rooms = json_get(all, person);
	if (!json_is(rooms, JSON_ARRAY))
		rooms = json_set(all, person, json_array());
	json_push_str(rooms, room);
	rv = mx_call(mx, "PUT", path, user, all, &a, e);
	json_free(all);
out:
	mx_answer_release(&old);
	mx_answer_release(&a);
	return rv;
}

int
mx_set_direct(const struct mx *mx, const char *user, const char *person,
    const char *room, struct err *e)
{
	/* Read, change, write: two threads at it would lose one's room. */
	static pthread_mutex_t one = PTHREAD_MUTEX_INITIALIZER;
	char *path;
	int rv;

	path = mx_path(V3 "/user/%s/account_data/m.direct",
	    user != NULL ? user : mx->bot);
	pthread_mutex_lock(&one);
	rv = add_direct(mx, path, user, person, room, e);
	pthread_mutex_unlock(&one);
	free(path);
	return rv;
}
