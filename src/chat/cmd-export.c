/*
 * export: all that is declared, as one file that apply takes back.  It has what
 * people declared and nothing else: no state, and no secret, since those are
 * never in a declaration.
 */
#include "chat-int.h"

#include <stdlib.h>
#include <string.h>

#include "cmd.h"

struct export {
	struct buf	 b;
	size_t		 n;
};

static bool
may_see(struct request *q, const struct resource *r)
{
	struct target t = { .kind = r->kind, .name = r->name, .resource = r,
	    .spec = r->spec };

	return request_may(q, VERB_GET, &t, RISK_NONE, NULL, 0) != MAY_NOT;
}

static void
export_add(struct export *x, const struct resource *r)
{
	char *yaml = resource_yaml(r);

	buf_printf(&x->b, "%s%s", x->n++ > 0 ? "---\n" : "", yaml);
	free(yaml);
}

static int
export_all(struct request *q, const struct kind *kind, const char *selector,
    struct export *x, struct err *e)
{
	const struct resources *rs = engine_resources(q->chat->engine);

	for (size_t i = 0; i < resources_n(rs); i++) {
		struct resource *r = resources_at(rs, i);
		int match = selector == NULL ? 1 :
		    resource_matches(r, selector, e);

		if (match == -1)
			return -1;
		if (match == 0 || r->deleting ||
		    (kind != NULL && r->kind != kind))
			continue;
		if (may_see(q, r))
			export_add(x, r);
	}
	return 0;
}

static void
export_say(struct request *q, const struct export *x)
{
	struct text t = { 0 };

	if (x->n == 0) {
		text_puts(&t, "There is nothing to export.");
		say(q, REPLY_INFO, &t);
	} else {
		text_printf(&t, "%zu resource%s in the file below, as "
		    "declared: `apply` takes it back, and pasted now it "
		    "changes nothing. State and secrets are not in it.", x->n,
		    x->n == 1 ? "" : "s");
		if (x->b.len > MANIFEST_MAX)
			text_puts(&t, " It is larger than one paste may be: "
			    "with a kind or -l there are smaller ones.");
		say_file(q, &t, "hiclaw.yaml", "application/yaml",
		    buf_str(&x->b));
	}
	text_release(&t);
}

void
cmd_export(struct request *q)
{
	const struct strv *v = &q->words.v;
	const char *selector = words_flag(&q->words, "selector");
	const struct kind *kind = NULL;
	struct export x = { .n = 0 };
	struct err err;

	if (v->n > 1) {
		say_usage(q, "one kind at a time, or none for all");
		return;
	}
	if (v->n == 1 && strcmp(v->v[0], "all") != 0 &&
	    (kind = kind_find(v->v[0])) == NULL) {
		kind_wrong(v->v[0], &err);
		say_usage(q, err.msg);
		return;
	}
	buf_init(&x.b, 0);
	if (export_all(q, kind, selector, &x, &err) == -1)
		say_wrong(q, "%s", err.msg);
	else
		export_say(q, &x);
	buf_release(&x.b);
}
