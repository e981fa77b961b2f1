/*
 * Fuzz target: any JSON as what a room's history says of receipts, each with the
 * hash that it has to have, as if the bot had sent it.
 *
 * Beyond not crashing: what is made of it can be stored.  Every resource is
 * something now, once; a number belongs to one revision; names are there.  And
 * rows that say what the room says have no problem with it that is theirs alone.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hiclaw/restore.h"

#include "../../src/chat/verify.h"

#define BOT	"@b:x"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
demand(bool ok)
{
	if (!ok)
		abort();
}

static void
sign(struct json *events)
{
	char hash[SHA256_HEX];
	struct json *v, *receipt;

	for (v = json_first(events); v != NULL; v = json_next(v)) {
		receipt = json_get(v, "receipt");
		if (!json_is(receipt, JSON_OBJECT))
			continue;
		receipt_hash(receipt, hash);
		json_set_str(receipt, "hash", hash);
	}
}

static void
check_revisions(const struct restore *r)
{
	struct map *now = map_new(NULL), *numbers = map_new(NULL);
	char number[32], *key;

	for (size_t i = 0; i < r->revisions_n; i++) {
		const struct restore_revision *v = &r->revisions[i];

		demand(v->kind != NULL && v->name != NULL);
		demand(v->actor != NULL && v->metadata != NULL);
		demand(v->spec == NULL || json_is(v->spec, JSON_OBJECT));
		demand(v->generation > 0 && v->revision >= 0);
		if (v->revision > 0) {
			snprintf(number, sizeof number, "%lld",
			    (long long)v->revision);
			demand(map_find(numbers, number) == NULL);
			map_set(numbers, number, now);
		}
		if (!v->is_now)
			continue;
		demand(v->revision > 0);
		key = xasprintf("%s/%s", v->kind->name, v->name);
		demand(map_find(now, key) == NULL);
		map_set(now, key, now);
		free(key);
	}
	map_free(now);
	map_free(numbers);
}

static void
check_chain(const struct restore *r, const struct json *events)
{
	struct verify_row *rows = xcalloc(r->n + 1, sizeof *rows);
	struct chain_report report;

	for (size_t i = 0; i < r->n; i++) {
		const struct json *o = r->receipts[i].receipt;

		demand(i == 0 || r->receipts[i - 1].seq < r->receipts[i].seq);
		rows[i].seq = r->receipts[i].seq;
		rows[i].prev = xstrdup(json_strd(o, "prev", ""));
		rows[i].hash = xstrdup(json_str(o, "hash"));
		rows[i].content = json_canonical(o);
		rows[i].event = r->receipts[i].event;
	}
	verify_chain(rows, r->n, events, BOT, &report);
	demand(report.proved <= r->n);
	chain_report_release(&report);
	for (size_t i = 0; i < r->n; i++) {
		free(rows[i].prev);
		free(rows[i].hash);
		free(rows[i].content);
	}
	free(rows);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct restore_from all = { .bot = BOT, .instance = "i" };
	const struct restore_from rest = { .bot = BOT, .instance = "i",
	    .seq = 1 };
	struct json *events;
	struct restore r;
	struct err err;

	events = json_parse_relayed((const char *)data, size, &err);
	if (events == NULL)
		return 0;
	sign(events);
	restore_read(&r, events, &rest);
	demand(r.n == 0 || r.receipts[0].seq > 1);
	restore_release(&r);
	restore_read(&r, events, &all);
	for (size_t i = 0; i < r.n; i++)
		if (r.receipts[i].url != NULL)
			restore_attach(&r, i, r.receipts[i].url,
			    strlen(r.receipts[i].url), NULL);
	restore_replay(&r, &all);
	check_revisions(&r);
	check_chain(&r, events);
	restore_release(&r);
	json_free(events);
	return 0;
}
