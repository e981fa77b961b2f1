/*
 * A freeze: somebody has said that nothing is to be done.  It is kept in the
 * store, so that it outlives us, and told to the engine, which stands still:
 *
 *  "ops.freeze": {"by": "@ann:d", "why": "moving house", "since_ms", "until_ms"
 *   (0: until somebody ends it), "told_ms"}
 *
 * It fails closed: what is there and cannot be read is a freeze.
 */
#include "hiclaw/ops.h"

#include <stdlib.h>
#include <string.h>

#include "hiclaw/clock.h"

#define FREEZE_KEY	"ops.freeze"
#define REMIND_MS	86400000LL	/* a freeze is not to be forgotten */
#define LIFE_MS		(36 * 3600000LL)	/* of tokens: they are renewed by
						 * what stands still */
#define EXTEND_MS	3600000LL	/* so often they are made to last */

/* Is it one?  Everything it must say has its type. */
static bool
is_whole(const struct json *o)
{
	return json_is(o, JSON_OBJECT) && json_str(o, "by") != NULL &&
	    json_str(o, "why") != NULL && json_int(o, "since_ms", 0) > 0 &&
	    json_int(o, "until_ms", -1) >= 0;
}

bool
freeze_parse(const char *text, struct freeze *f)
{
	struct json *o;
	struct err err;

	memset(f, 0, sizeof *f);
	if (text == NULL)
		return false;
	o = json_parse(text, strlen(text), &err);
	if (!(f->is_broken = !is_whole(o))) {
		f->by = xstrdup(json_str(o, "by"));
		f->why = xstrdup(json_str(o, "why"));
		f->since_ms = json_int(o, "since_ms", 0);
		f->until_ms = json_int(o, "until_ms", 0);
		f->told_ms = json_int(o, "told_ms", 0);
		f->extended_ms = json_int(o, "extended_ms", 0);
	}
	json_free(o);
	return true;
}

bool
freeze_get(struct store *store, struct freeze *f)
{
	char *text = store_kv_get(store, FREEZE_KEY);
	bool is = freeze_parse(text, f);

	free(text);
	return is;
}

void
freeze_release(struct freeze *f)
{
	free(f->by);
	free(f->why);
	memset(f, 0, sizeof *f);
}

static void
put(struct store *store, const struct freeze *f)
{
	struct json *o = json_object();
	char *text;

	json_set_str(o, "by", f->by);
	json_set_str(o, "why", f->why);
	json_set_int(o, "since_ms", f->since_ms);
	json_set_int(o, "until_ms", f->until_ms);
	json_set_int(o, "told_ms", f->told_ms);
	json_set_int(o, "extended_ms", f->extended_ms);
	text = json_canonical(o);
	store_begin(store);
	store_kv_set(store, FREEZE_KEY, text);
	free(text);
	json_free(o);
}

char *
freeze_words(const struct freeze *f)
{
	char since[24], until[24];
	struct buf b = { 0 };

	if (f->is_broken)
		return xstrdup("Frozen: what the database says of a freeze "
		    "cannot be read, so nothing is done. `thaw` ends it.");
	buf_printf(&b, "Frozen by %s since %s", f->by,
	    clock_utc(f->since_ms, since));
	if (f->until_ms > 0)
		buf_printf(&b, " until %s", clock_utc(f->until_ms, until));
	if (f->why[0] != '\0')
		buf_printf(&b, " (%s)", f->why);
	buf_puts(&b, ": nothing is changed or put right. `thaw` ends it.");
	return buf_take(&b);
}

/* Agents' tokens are renewed by what stands still: they last longer instead. */
static void
extend(struct store *store, int64_t now)
{
	store_begin(store);
	store_tokens_extend(store, "agent:", now + LIFE_MS, now);
}

void
freeze_load(const struct ops *ops)
{
	struct freeze f;
	char *words;

	if (!freeze_get(ops->store, &f))
		return;
	words = freeze_words(&f);
	engine_freeze(ops->engine, words);
	free(words);
	freeze_release(&f);
}

void
freeze_begin(const struct ops *ops, const char *by, const char *why,
    int64_t until_ms)
{
	int64_t now = clock_ms();
	struct freeze f = { .by = (char *)by, .why = (char *)why,
	    .since_ms = now, .until_ms = until_ms, .told_ms = now,
	    .extended_ms = now };

	put(ops->store, &f);
	extend(ops->store, now);
	freeze_load(ops);
}

bool
freeze_end(const struct ops *ops)
{
	char *text = store_kv_get(ops->store, FREEZE_KEY);
	bool was = text != NULL || engine_frozen(ops->engine) != NULL;

	free(text);
	if (!was)
		return false;
	store_begin(ops->store);
	store_kv_set(ops->store, FREEZE_KEY, NULL);
	engine_freeze(ops->engine, NULL);
	return true;
}

enum freeze_due
freeze_tick(const struct ops *ops, int64_t now)
{
	enum freeze_due due = FREEZE_NOTHING;
	struct freeze f;

	/* Cheap each second; what is frozen is looked at. */
	if (engine_frozen(ops->engine) == NULL ||
	    !freeze_get(ops->store, &f))
		return FREEZE_NOTHING;
	if (f.is_broken) {
		freeze_release(&f);
		return FREEZE_NOTHING;
	}
	if (f.until_ms > 0 && now >= f.until_ms)
		due = FREEZE_OVER;
	else if (now - f.told_ms >= REMIND_MS) {
		due = FREEZE_REMIND;
		f.told_ms = now;
		put(ops->store, &f);
	}
	if (due != FREEZE_OVER && now - f.extended_ms >= EXTEND_MS) {
		f.extended_ms = now;
		put(ops->store, &f);
		extend(ops->store, now);
	}
	freeze_release(&f);
	return due;
}
