/*
 * Events and identifiers as they come from outside.  Pure; nothing here trusts
 * a type, a length or an order.
 */
#include "hiclaw/matrix.h"

#include <string.h>

#include "matrix-int.h"

#define EVENTS_MAX	10000

const char *
mxid_domain(const char *id)
{
	const char *colon = id == NULL ? NULL : strchr(id, ':');

	return colon == NULL || colon[1] == '\0' ? NULL : colon + 1;
}

/* A server name: host, [v6] or either with a port. */
static bool
domain_valid(const char *d)
{
	size_t n = strspn(d, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "0123456789.-:[]");

	return n > 0 && d[n] == '\0';
}

/*
 * "@local:domain", "#local:domain", "!opaque" or "!opaque:domain".  Historical
 * local parts may hold any printable ASCII but ':'; newer room ids have no
 * domain.
 */
bool
mxid_valid(const char *id)
{
	const char *p, *domain;

	if (id == NULL || id[0] == '\0' || strchr("@!#", id[0]) == NULL ||
	    strlen(id) > MX_ID_MAX)
		return false;
	for (p = id + 1; *p != '\0' && *p != ':'; p++) {
		/* Aliases may be in any script; the text is UTF-8 already. */
		if ((unsigned char)*p <= ' ' || *p == 0x7f ||
		    (id[0] != '#' && (unsigned char)*p > 0x7f))
			return false;
	}
	if (p == id + 1)
		return false;
	domain = mxid_domain(id);
	if (*p == '\0')
		return id[0] == '!';
	return domain != NULL && domain_valid(domain);
}

const char *
event_handle(const struct json *event)
{
	if (str_equal(json_str(event, "type"), "m.space.child") &&
	    json_str(event, "state_key") != NULL)
		return json_str(event, "state_key");
	return json_str(event, "room_id");
}

static bool
id_sane(const struct json *event, const char *key)
{
	const char *s = json_str(event, key);

	return s != NULL && s[0] != '\0' && strlen(s) <= MX_ID_MAX;
}

static bool
event_sane(const struct json *ev)
{
	const char *state_key = json_str(ev, "state_key");

	return json_is(ev, JSON_OBJECT) && id_sane(ev, "event_id") &&
	    id_sane(ev, "type") && id_sane(ev, "sender") &&
	    id_sane(ev, "room_id") &&
	    (state_key == NULL || strlen(state_key) <= MX_ID_MAX);
}

int
transaction_events(const struct json *body,
    void (*cb)(void *, struct json *event), void *arg, size_t *skipped,
    struct err *e)
{
	const struct json *events = json_get(body, "events");
	struct json *ev;

	if (!json_is(body, JSON_OBJECT))
		return err_set(e, ERR_USER, "a transaction must be an object");
	if (events != NULL && !json_is(events, JSON_ARRAY))
		return err_set(e, ERR_USER, "\"events\" must be an array");
	if (json_size(events) > EVENTS_MAX)
		return err_set(e, ERR_USER, "more than %d events in one "
		    "transaction", EVENTS_MAX);
	if (skipped != NULL)
		*skipped = 0;
	/*
	 * No array at all is an empty one: refusing it would make the server
	 * send the same transaction for ever and nothing after it.
	 */
	for (ev = json_first(events); ev != NULL; ev = json_next(ev)) {
		if (event_sane(ev))
			cb(arg, ev);
		else if (skipped != NULL)
			(*skipped)++;
	}
	return 0;
}
