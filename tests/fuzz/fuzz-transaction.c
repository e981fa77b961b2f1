/*
 * Fuzz target: any bytes as the body of a transaction, and as a /sync answer.
 *
 * Beyond not crashing: each event that is let through has its ids, taking it
 * into the observed form of a room twice changes nothing the second time, and
 * the form stays one that can be stored and compared.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "hiclaw/matrix.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static const char desired_text[] = "{\"alias\":\"hiclaw_t\",\"name\":\"T\","
    "\"version\":\"12\",\"parent\":\"!space\",\"direct\":\"@p:d\","
    "\"members\":{\"@hiclaw_a:d\":\"agent\",\"@p:d\":\"person\","
    "\"@q:d\":null},\"power\":{\"@p:d\":100}}";
static const char observed_text[] = "{\"room_id\":\"!r\",\"version\":\"12\","
    "\"creator\":\"@hiclaw:d\",\"instance\":\"hiclaw-1234abcd\","
    "\"marker\":\"room:t\",\"alias\":\"#hiclaw_t:d\",\"name\":\"T\","
    "\"parent\":\"!space\",\"power\":{\"users\":{\"@p:d\":100}},"
    "\"members\":{\"@hiclaw:d\":\"join\",\"@p:d\":\"invite\"},\"left\":{}}";

struct room { struct json *desired, *observed; };

static void
demand(bool ok)
{
	if (!ok)
		abort();
}

static void
take(void *arg, struct json *event)
{
	struct room *r = arg;
	struct changes ch = {0};
	const char *handle = event_handle(event);

	demand(json_str(event, "type") != NULL);
	demand(json_str(event, "room_id") != NULL);
	demand(handle != NULL);
	room_absorb(r->observed, event);
	demand(!room_absorb(r->observed, event));
	demand(room_handle(r->observed) != NULL);
	room_diff(r->desired, r->observed, &ch);
	changes_release(&ch);
}

static void
two(void *arg, const char *room, const char *prev)
{
	demand(room[0] == '!' && prev != NULL);
}

static void
three(void *arg, const char *room, const char *event, const char *user)
{
	demand(room[0] == '!' && event != NULL && mxid_valid(user));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct room r = { json_must(desired_text), json_must(observed_text) };
	struct err e = {0};
	struct json *body, *state;
	size_t skipped = 0;
	char *text;

	body = json_parse((const char *)data, len, &e);
	if (body == NULL)
		goto out;
	if (transaction_events(body, take, &r, &skipped, &e) == -1)
		demand(e.msg[0] != '\0');
	sync_events(body, take, &r);
	sync_gaps(body, two, NULL);
	sync_receipts(body, three, NULL);
	state = room_from_state(json_get(body, "events"), "hiclaw-1234abcd");
	text = json_canonical(state);
	free(text);
	json_free(state);
	text = json_canonical(r.observed);
	json_free(r.observed);
	r.observed = json_parse(text, strlen(text), &e);
	demand(r.observed != NULL);
	free(text);
out:
	json_free(body);
	json_free(r.desired);
	json_free(r.observed);
	return 0;
}
