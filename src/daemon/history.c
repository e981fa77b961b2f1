/*
 * The history of a room, as far as it bears on the chain of receipts: backwards in
 * pages, in a pool thread.
 */
#include "daemon.h"

#include <stdlib.h>
#include <string.h>

#define PAGE		250
#define PAGES_MAX	4000		/* a million events */
#define BYTES_MAX	((size_t)64 << 20)

/* {"id", "sender", "at"} and what of these there is: "receipt", "url" (of its
 * attachment), "replaces" (an event id), "redacted_by" (a Matrix id).  NULL: it says nothing of receipts. */
static struct json *
digest(const struct json *event)
{
	const struct json *content = json_get(event, "content"), *because;
	const struct json *rel = json_get(content, "m.relates_to");
	const struct json *receipt = json_get(content, "io.hiclaw.receipt");
	const char *replaces = NULL;
	struct json *o;

	if (!str_equal(json_str(event, "type"), "m.room.message"))
		return NULL;
	because = json_get(json_get(event, "unsigned"), "redacted_because");
	if (str_equal(json_str(rel, "rel_type"), "m.replace"))
		replaces = json_str(rel, "event_id");
	if (receipt == NULL && replaces == NULL && because == NULL)
		return NULL;
	o = json_object();
	json_set_str(o, "id", json_str(event, "event_id"));
	json_set_str(o, "sender", json_str(event, "sender"));
	json_set_int(o, "at", json_int(event, "origin_server_ts", 0));
	json_set(o, "receipt", json_copy(receipt));
	if (receipt != NULL)
		json_set_str(o, "url", json_str(content, "url"));
	json_set_str(o, "replaces", replaces);
	json_set_str(o, "redacted_by", json_str(because, "sender"));
	return o;
}

/* True: the receipt down to which it is to be read is in it. */
static bool
add_page(const struct json *chunk, const char *bot, int64_t down_to,
    struct buf *out)
{
	const struct json *v, *receipt;
	struct json *o;
	bool is_there = false;
	char *text;

	for (v = json_first(chunk); v != NULL; v = json_next(v)) {
		if ((o = digest(v)) == NULL)
			continue;
		receipt = json_get(o, "receipt");
		is_there |= str_equal(json_str(o, "sender"), bot) &&
		    json_int(receipt, "seq", 0) > 0 &&
		    json_int(receipt, "seq", 0) <= down_to;
		text = json_canonical(o);
		buf_printf(out, "%s%s", out->len > 1 ? "," : "", text);
		free(text);
		json_free(o);
	}
	return is_there;
}

int
history_read(const struct mx *mx, const char *room, int64_t down_to,
    struct buf *out, struct err *e)
{
	struct json *page = NULL;
	bool is_there = false;
	char *from = NULL;
	int rc = 0;

	buf_init(out, BYTES_MAX);
	buf_putc(out, '[');
	for (int i = 0; i < PAGES_MAX; i++) {
		if ((rc = mx_messages(mx, room, from, PAGE, &page, e)) == -1)
			break;
		is_there = add_page(json_get(page, "chunk"), mx->bot, down_to,
		    out);
		free(from);
		from = xstrdup(json_str(page, "end"));
		if (is_there || json_size(json_get(page, "chunk")) == 0) {
			free(from);
			from = NULL;
		}
		json_free(page);
		if (from == NULL || out->overflow)
			break;
	}
	buf_putc(out, ']');
	if (rc == 0 && (from != NULL || out->overflow))
		rc = err_set(e, ERR_BROKEN, "the room has more history than "
		    "can be read at once");
	free(from);
	return rc;
}
