/*
 * What is true of objects of every kind: names of states and risks, lists of
 * differences, and the references between desired forms.  Pure, but for the
 * memory it makes; called by the plan, the engine and every provider.
 */
#include "hiclaw/object.h"

#include <stdlib.h>
#include <string.h>

#include "hiclaw/secure.h"

const char *
risk_name(enum risk r)
{
	static const char *const names[] = {
		[RISK_NONE] = "none", [RISK_CREATE] = "create",
		[RISK_UPDATE] = "update", [RISK_RESTART] = "restart",
		[RISK_PERMISSION] = "permission",
		[RISK_CREDENTIAL] = "credential", [RISK_DELETE] = "delete",
	};

	return (size_t)r < NELEM(names) ? names[r] : "?";
}

const char *
object_state_name(enum object_state s)
{
	static const char *const names[] = {
		[OBJECT_SETTLED] = "settled", [OBJECT_WAITING] = "waiting",
		[OBJECT_DIRTY] = "dirty", [OBJECT_BUSY] = "busy",
		[OBJECT_BACKOFF] = "backoff", [OBJECT_FAILED] = "failed",
		[OBJECT_REMOVING] = "removing",
	};

	return (size_t)s < NELEM(names) ? names[s] : "?";
}

const char *
object_kind_name(const char *key, char *dst, size_t dstsize)
{
	size_t n = strcspn(key, ":");

	if (n >= dstsize)
		n = dstsize - 1;
	memcpy(dst, key, n);
	dst[n] = '\0';
	return dst;
}

void
secret_id(const char *secret, char dst[SECRET_ID])
{
	char hex[SHA256_HEX];

	sha256_hex(secret, strlen(secret), hex);
	str_copy(dst, hex, SECRET_ID);
}

/* --- differences -------------------------------------------------------- */

void
changes_add(struct changes *c, enum risk risk, const char *what,
    const char *from, const char *to)
{
	if (c->n == c->cap) {
		c->cap = c->cap == 0 ? 8 : c->cap * 2;
		c->v = xreallocarray(c->v, c->cap, sizeof(c->v[0]));
	}
	c->v[c->n++] = (struct change){
		.what = xstrdup(what), .from = xstrdup(from),
		.to = xstrdup(to), .risk = risk,
	};
}

void
changes_release(struct changes *c)
{
	size_t i;

	for (i = 0; i < c->n; i++) {
		free(c->v[i].what);
		free(c->v[i].from);
		free(c->v[i].to);
	}
	free(c->v);
	*c = (struct changes){0};
}

/* --- results ------------------------------------------------------------ */

void
outcome_release(struct outcome *o)
{
	json_wipe(o->secrets);
	json_free(o->observed);
	json_free(o->found);
	strv_release(&o->did);
	*o = (struct outcome){0};
}

/* --- references --------------------------------------------------------- */

struct resolver {
	const struct json *(*lookup)(void *, const char *, const char *);
	void		*arg;
	struct strv	*missing;
};

static struct json *
resolve_ref(const struct resolver *r, const char *key, const char *field)
{
	const struct json *v = r->lookup(r->arg, key, field);

	if (v != NULL && !json_is(v, JSON_NULL))
		return json_copy(v);
	if (r->missing != NULL)
		strv_add_unique(r->missing, key);
	return json_null();
}

static struct json *
resolve(const struct resolver *r, const struct json *v)
{
	const char *key;
	struct json *out, *c;

	if (json_is(v, JSON_OBJECT)) {
		key = json_str(v, "$ref");
		if (key != NULL)
			return resolve_ref(r, key, json_strd(v, "field", ""));
		out = json_object();
		for (c = json_first(v); c != NULL; c = json_next(c))
			json_set(out, json_key(c), resolve(r, c));
		return out;
	}
	if (json_is(v, JSON_ARRAY)) {
		out = json_array();
		for (c = json_first(v); c != NULL; c = json_next(c))
			json_push(out, resolve(r, c));
		return out;
	}
	return json_copy(v);
}

struct json *
object_resolve(const struct json *desired,
    const struct json *(*lookup)(void *, const char *key, const char *field),
    void *arg, struct strv *missing)
{
	struct resolver r = { lookup, arg, missing };

	return desired == NULL ? NULL : resolve(&r, desired);
}
