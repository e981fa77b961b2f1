/*
 * Whatever has an allow list: AI routes, routes, MCP servers.
 *
 * The Console saves such a thing in steps that are no transaction: a call that
 * failed may have changed what the gateway does, and a new one may be open to
 * all after any answer, 201 included.  So nothing is believed: look at every
 * view of the list, write when they differ from what is wanted or from each
 * other, look again, a bounded number of times.  What is open in the end and
 * must not be is deleted.
 *
 * A write echoes everything that was read, and changes only what is ours to
 * say; names of others in the list stay.
 */
#include "higress-int.h"

#include <stdlib.h>
#include <string.h>

#include "hiclaw/log.h"

#define TRIES	5	/* writes; seen to settle within two */

/* --- what is wanted of a body -------------------------------------------- */

static bool
is_nothing(const struct json *v)
{
	return json_type(v) == JSON_NULL || ((json_is(v, JSON_ARRAY) ||
	    json_is(v, JSON_OBJECT)) && json_size(v) == 0);
}

static bool
covers_members(const struct json *have, const struct json *want)
{
	const struct json *v;

	for (v = json_first(want); v != NULL; v = json_next(v))
		if (!body_covers(json_get(have, json_key(v)), v))
			return false;
	return true;
}

bool
body_covers(const struct json *have, const struct json *want)
{
	const struct json *a, *b;

	if (is_nothing(want))
		return is_nothing(have);
	if (json_type(want) != json_type(have))
		return false;
	if (json_is(want, JSON_OBJECT))
		return covers_members(have, want);
	if (!json_is(want, JSON_ARRAY))
		return json_equal(want, have);
	a = json_first(want);
	b = json_first(have);
	for (; a != NULL && b != NULL; a = json_next(a), b = json_next(b))
		if (!body_covers(b, a))
			return false;
	return a == NULL && b == NULL;
}

bool
body_overlay(struct json *body, const struct json *want)
{
	bool changed = false;
	const struct json *v;
	struct json *have;

	for (v = json_first(want); v != NULL; v = json_next(v)) {
		have = json_get(body, json_key(v));
		if (body_covers(have, v))
			continue;
		changed = true;
		if (json_is(v, JSON_OBJECT) && json_is(have, JSON_OBJECT))
			body_overlay(have, v);
		else if (json_is(v, JSON_NULL))
			json_remove(body, json_key(v));
		else
			json_set(body, json_key(v), json_copy(v));
	}
	return changed;
}

/* --- views --------------------------------------------------------------- */

void
target_release(struct target *t)
{
	free(t->all);
	free(t->one);
	free(t->live);
	free(t->fallback);
	json_wipe(t->want);
	*t = (struct target){ 0 };
}

void
view_release(struct view *v)
{
	json_wipe(v->stored);
	json_wipe(v->live);
	json_wipe(v->fallback);
	*v = (struct view){ 0 };
}

static bool
has_fallback(const struct target *t, const struct view *v)
{
	return t->fallback != NULL && json_bool(json_get(v->stored,
	    "fallbackConfig"), "enabled", false);
}

int
target_look(struct hg *h, const struct target *t, struct view *v,
    struct err *e)
{
	struct view now = { 0 };

	if (hg_get(h, t->one, &now.stored, e) == -1 ||
	    (t->live != NULL && hg_get(h, t->live, &now.live, e) == -1) ||
	    (has_fallback(t, &now) &&
	    hg_get(h, t->fallback, &now.fallback, e) == -1)) {
		view_release(&now);
		return -1;
	}
	view_release(v);
	*v = now;
	return 0;
}

static const struct json *
auth_of(const struct target *t, const struct json *body)
{
	return json_get(body, t->is_mcp ? "consumerAuthInfo" : "authConfig");
}

static bool
asks_key(const struct target *t, const struct json *body)
{
	const struct json *auth = auth_of(t, body);

	return json_bool(auth, t->is_mcp ? "enable" : "enabled", false);
}

static const struct json *
names_of(const struct target *t, const struct json *body)
{
	return json_get(auth_of(t, body), "allowedConsumers");
}

/* The views that there must be; the first is `stored`. */
static size_t
views_of(const struct target *t, const struct view *v,
    const struct json *list[3])
{
	size_t n = 0;

	list[n++] = v->stored;
	if (t->live != NULL)
		list[n++] = v->live;
	if (has_fallback(t, v))
		list[n++] = v->fallback;
	return n;
}

struct json *
view_allowed(const struct target *t, const struct view *v)
{
	const struct json *views[3], *name;
	size_t n = views_of(t, v, views), i;
	struct json *all = json_array();
	const char *s;

	for (i = 0; i < n; i++)
		if (views[i] == NULL || !asks_key(t, views[i])) {
			json_free(all);
			return NULL;
		}
	for (name = json_first(names_of(t, v->stored)); name != NULL;
	    name = json_next(name)) {
		if ((s = json_value_str(name)) == NULL)
			continue;
		for (i = 1; i < n && json_has_str(names_of(t, views[i]), s); i++)
			;
		if (i == n)
			json_push_str(all, s);
	}
	return all;
}

void
view_report(const struct target *t, const struct view *v,
    const struct json *ours, struct json *o)
{
	struct json *now = view_allowed(t, v), *list, *foreign;
	struct json *mine = json_array();
	const struct json *name;

	gateway_merge(ours, NULL, now, &list, &foreign);
	for (name = json_first(ours); name != NULL; name = json_next(name))
		if (json_has_str(now, json_value_str(name)))
			json_push_str(mine, json_value_str(name));
	json_set(o, "allowed", mine);
	if (json_size(foreign) > 0)
		json_set(o, "foreign", foreign);
	else {
		json_remove(o, "foreign");
		json_free(foreign);
	}
	json_free(list);
	json_free(now);
}

/* Every name that stands in any view: nobody's is lost over a half write. */
static struct json *
names_anywhere(const struct target *t, const struct view *v)
{
	const struct json *views[3], *name;
	size_t n = views_of(t, v, views), i;
	struct json *all = json_array();
	struct map *seen = map_new(NULL);

	for (i = 0; i < n; i++)
		for (name = json_first(names_of(t, views[i])); name != NULL;
		    name = json_next(name)) {
			if (json_value_str(name) == NULL ||
			    map_find(seen, json_value_str(name)) != NULL)
				continue;
			map_set(seen, json_value_str(name), seen);
			json_push_str(all, json_value_str(name));
		}
	map_free(seen);
	return all;
}

static bool
same_names(const struct json *a, const struct json *b)
{
	struct json *list, *foreign;
	bool differs = gateway_merge(b, a, b, &list, &foreign);

	json_free(list);
	json_free(foreign);
	return !differs;
}

/* Do all views say this list, and the same about a key? */
static bool
views_agree(const struct target *t, const struct view *v,
    const struct json *list, bool open)
{
	const struct json *views[3];
	size_t n = views_of(t, v, views), i;

	for (i = 0; i < n; i++)
		if (views[i] == NULL || asks_key(t, views[i]) == open ||
		    !same_names(list, names_of(t, views[i])))
			return false;
	return true;
}

static bool
lets_all_in(const struct target *t, const struct view *v)
{
	const struct json *views[3];
	size_t n = views_of(t, v, views), i;

	for (i = 0; i < n; i++)
		if (views[i] != NULL && !asks_key(t, views[i]))
			return true;
	return false;
}

/* --- whose is it? -------------------------------------------------------- */

/* Labels are kept on routes, raw settings on providers; an MCP server has only
 * its description. */
int
hg_mark(const struct json *o, const char *instance)
{
	const char *mark = json_str(json_get(o, "customLabels"), HG_LABEL);
	const char *text = json_str(o, "description");

	if (mark == NULL)
		mark = json_str(json_get(o, "rawConfigs"), HG_RAW_MARK);
	if (mark != NULL)
		return strcmp(mark, instance) == 0 ? 1 : -1;
	return text != NULL && strstr(text, instance) != NULL;
}

static int
check_ours(const struct hg *h, const char *what, const char *name,
    bool recorded, const struct json *there, struct err *e)
{
	int mark = hg_mark(there, h->instance);

	if (there == NULL || mark == 1 || (mark == 0 && recorded))
		return 0;
	return err_set(e, ERR_CONFLICT, "%s %s is there already and not ours",
	    what, name);
}

static int
check_target(const struct hg *h, const struct target *t,
    const struct json *stored, struct err *e)
{
	return t->others ? 0 : check_ours(h, t->what, t->name, t->recorded,
	    stored, e);
}

/* --- writing ------------------------------------------------------------- */

/* The body to write; NULL when there is nothing to change. */
static struct json *
make_body(const struct target *t, const struct view *v,
    const struct json *before, const struct json *allowed)
{
	struct json *there = names_anywhere(t, v), *list, *foreign, *auth;
	struct json *body = v->stored != NULL ? json_copy(v->stored) :
	    json_object();
	bool open = t->open, changed;

	if (t->others)
		open = !asks_key(t, v->stored);
	gateway_merge(before, allowed, there, &list, &foreign);
	changed = body_overlay(body, t->want);
	if (!changed && v->stored != NULL && views_agree(t, v, list, open)) {
		json_free(list);
		json_wipe(body);
		body = NULL;
		goto out;
	}
	auth = json_obj(body, t->is_mcp ? "consumerAuthInfo" : "authConfig");
	json_set_bool(auth, t->is_mcp ? "enable" : "enabled", !open);
	if (t->is_mcp)
		json_set_str(auth, "type", "key-auth");
	else if (json_size(json_get(auth, "allowedCredentialTypes")) == 0)
		json_push_str(json_set(auth, "allowedCredentialTypes",
		    json_array()), "key-auth");
	json_set(auth, "allowedConsumers", list);
out:
	json_free(there);
	json_free(foreign);
	return body;
}

static int
write_body(struct hg *h, const struct target *t, const struct json *body,
    bool is_new, struct err *e)
{
	if (t->is_mcp)
		return hg_call(h, "PUT", t->all, body, NULL, e);
	return hg_call(h, is_new ? "POST" : "PUT", is_new ? t->all : t->one,
	    body, NULL, e);
}

/* Written over and over and still wrong: at least nobody gets in. */
static int
give_up(struct hg *h, const struct target *t, const struct view *v,
    const struct err *last, struct err *e)
{
	struct err other = { 0 };
	bool is_wide = !t->open && !t->others && lets_all_in(t, v);

	if (is_wide) {
		log_warn("higress", "%s %s stays open to all: deleting it",
		    t->what, t->name);
		if (hg_call(h, "DELETE", t->one, NULL, NULL, &other) == -1)
			return err_set(e, ERR_RETRY, "%s %s is OPEN TO ALL "
			    "and could not be deleted: %.200s", t->what,
			    t->name, other.msg);
	}
	if (last->msg[0] != '\0' && last->kind != ERR_RETRY) {
		*e = *last;
		return -1;
	}
	return err_set(e, ERR_RETRY, "%s %s does not stay as it was "
	    "written%s%s%.200s", t->what, t->name, is_wide ?
	    ", without a key it was deleted" : "", last->msg[0] != '\0' ?
	    ": " : "", last->msg);
}

int
target_ensure(struct hg *h, const struct target *t, const struct json *before,
    const struct json *allowed, struct view *v, struct strv *did,
    struct err *e)
{
	struct err last = { 0 };
	struct json *body;
	bool is_new, was_new = false;
	int try;

	for (try = 0;; try++) {
		if (target_look(h, t, v, e) == -1)
			return -1;
		is_new = v->stored == NULL;
		if (is_new && t->others)
			return 0;	/* gone meanwhile */
		if (check_target(h, t, v->stored, e) == -1)
			return -1;
		body = make_body(t, v, before, allowed);
		if (body == NULL) {
			if (try > 0)
				strv_add_unique(did, was_new ? "made" :
				    "changed");
			return 0;
		}
		if (try == TRIES || (last.msg[0] != '\0' &&
		    last.kind != ERR_RETRY)) {
			json_wipe(body);
			return give_up(h, t, v, &last, e);
		}
		if (try > 0)
			hg_nap(try);
		last = (struct err){ 0 };
		was_new |= is_new;
		/* Whatever it says, the next look shows what came of it. */
		(void)!write_body(h, t, body, is_new, &last);
		json_wipe(body);
	}
}

int
target_remove(struct hg *h, const struct target *t, struct strv *did,
    struct err *e)
{
	struct err ignored, last = { 0 };
	struct view v = { 0 };
	int try, rv = -1;

	for (try = 0; try <= TRIES; try++) {
		if (try > 1)
			hg_nap(try);
		if (target_look(h, t, &v, e) == -1)
			goto out;
		/* A live one without a stored one is half deleted. */
		if ((v.stored == NULL && v.live == NULL) ||
		    check_target(h, t, v.stored, &ignored) == -1) {
			rv = 0;
			goto out;
		}
		last = (struct err){ 0 };
		if (hg_call(h, "DELETE", t->one, NULL, NULL, &last) == 0)
			strv_add_unique(did, "removed");
		else if (last.kind != ERR_RETRY)
			break;
	}
	if (last.msg[0] != '\0')
		*e = last;
	else
		err_set(e, ERR_RETRY, "%s %s does not go away", t->what,
		    t->name);
out:
	view_release(&v);
	return rv;
}

/* --- without a list ------------------------------------------------------ */

static int
thing_write(struct hg *h, const struct thing *t, const struct json *there,
    struct err *e)
{
	struct json *body = there != NULL ? json_copy(there) : json_object();
	int rv;

	body_overlay(body, t->want);
	rv = hg_call(h, there == NULL ? "POST" : "PUT", there == NULL ?
	    t->all : t->one, body, NULL, e);
	json_wipe(body);
	return rv;
}

int
thing_ensure(struct hg *h, const struct thing *t, struct strv *did,
    struct err *e)
{
	struct json *there = NULL;
	struct err last = { 0 };
	int try, rv = -1;

	for (try = 0;; try++) {
		json_wipe(there);
		if (hg_get(h, t->one, &there, e) == -1 || check_ours(h,
		    t->what, t->name, t->recorded, there, e) == -1)
			break;
		if (there != NULL && body_covers(there, t->want)) {
			rv = 0;
			break;
		}
		if (try == TRIES || (last.msg[0] != '\0' &&
		    last.kind != ERR_RETRY)) {
			if (last.msg[0] == '\0')
				err_set(&last, ERR_RETRY, "%s %s does not stay "
				    "as it was written", t->what, t->name);
			*e = last;
			break;
		}
		if (try > 0)
			hg_nap(try);
		else
			strv_addf(did, "%s %s", t->what, there == NULL ?
			    "made" : "changed");
		last = (struct err){ 0 };
		(void)!thing_write(h, t, there, &last);
	}
	json_wipe(there);
	return rv;
}
