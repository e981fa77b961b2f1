/*
 * The digest of a plan: what a question or an approval is bound to.  It covers
 * the resources as they will be, the generation and revision of what they are
 * now, and the steps that the request causes, not the
 * steps that were under way already: those finish by themselves, and a question
 * must not lapse because they did.
 */
#include "plan-int.h"

#include <stdlib.h>
#include <string.h>

static const char *
verb_name(enum step_verb verb)
{
	static const char *const names[] = {
		[STEP_CREATE] = "create", [STEP_UPDATE] = "update",
		[STEP_DELETE] = "delete",
	};

	return names[verb];
}

/* One entry on a line of its own; the digest is of these lines. */
static void
put_line(struct buf *b, struct json *entry)
{
	char *text = json_canonical(entry);

	buf_puts(b, text);
	buf_putc(b, '\n');
	free(text);
	json_free(entry);
}

static void
put_resource(struct buf *b, const struct plan_resource *pr,
    const struct resources *before, const struct resources *after)
{
	const struct resource *r = resources_find(after, pr->kind, pr->name);
	const struct resource *was = resources_find(before, pr->kind, pr->name);
	struct json *entry = r != NULL ? resource_json(r) : json_object();

	json_set_str(entry, "kind", pr->kind->name);
	json_set_str(entry, "name", pr->name);
	json_set_str(entry, "verb", verb_name(pr->verb));
	if (was != NULL) {
		json_set_int(entry, "generation", was->generation);
		json_set_int(entry, "revision", was->revision);
	}
	put_line(b, entry);
}

static void
put_step(struct buf *b, const struct step *s)
{
	struct json *entry = json_object(), *list, *c;
	size_t i;

	json_set_str(entry, "key", s->key);
	json_set_str(entry, "verb", verb_name(s->verb));
	if (s->changes.n > 0) {
		list = json_set(entry, "changes", json_array());
		for (i = 0; i < s->changes.n; i++) {
			c = json_push(list, json_object());
			json_set_str(c, "what", s->changes.v[i].what);
			json_set_str(c, "from", s->changes.v[i].from);
			json_set_str(c, "to", s->changes.v[i].to);
		}
	}
	put_line(b, entry);
}

void
plan_hash(const struct plan *p, const bool *is_caused,
    const struct resources *before, const struct resources *after,
    char out[SHA256_HEX])
{
	struct buf b = { 0 };
	size_t i;

	buf_init(&b, (size_t)1 << 30);	/* ours; no outside text decides */
	for (i = 0; i < p->resources_n; i++)
		put_resource(&b, &p->resources[i], before, after);
	for (i = 0; i < p->steps_n; i++)
		if (is_caused[i])
			put_step(&b, &p->steps[i]);
	sha256_hex(buf_str(&b), b.len, out);
	buf_release(&b);
}
