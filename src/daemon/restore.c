/*
 * A lost database, made anew from the receipts in the admin room.  Only what
 * was declared comes back, with its history and the chain; the rooms and
 * accounts are found by the engine when the controller starts, as after any
 * doubt.  Written down here is what it could not find by itself: whose
 * accounts we once made (their passwords are known to nobody but their
 * owners), with whom the bot has a DM; and the admin room, so that nobody
 * talks to deaf ears while the rest is found.
 *
 * All is read first, then written in one transaction.
 */
#include "daemon.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "hiclaw/restore.h"

#define TRIES		6
#define WAIT_MAX_S	30
#define V3		"/_matrix/client/v3"
#define ADMIN		"room:admin"
#define DM		"room:dm/"
#define ATTACHED_MAX	((size_t)16 << 20)

/* --- reading ------------------------------------------------------------- */

/* After a failure that may pass: false when it was the last. */
static bool
again(int try, const struct err *e)
{
	unsigned wait = e->retry_s > 0 ? (unsigned)e->retry_s : 1U << try;

	if (e->kind != ERR_RETRY || try + 1 >= TRIES)
		return false;
	fprintf(stderr, "hiclaw-controller: %s; trying again\n", e->msg);
	sleep(wait < WAIT_MAX_S ? wait : WAIT_MAX_S);
	return true;
}

static int
get(const struct mx *mx, const char *path, struct mx_answer *a, struct err *e)
{
	int rc;

	for (int i = 0; (rc = mx_call(mx, "GET", path, NULL, NULL, a, e)) ==
	    -1 && again(i, e); i++)
		mx_answer_release(a);
	return rc;
}

/* The id of "#hiclaw_admin:x.org"; yours, or NULL. */
static char *
room_id(const struct mx *mx, const char *room, struct err *e)
{
	struct mx_answer a = { 0 };
	char *path, *id = NULL;

	if (room[0] == '!')
		return xstrdup(room);
	if (room[0] != '#' || mxid_domain(room) == NULL) {
		err_set(e, ERR_USER, "\"%.100s\" is no room: give its id, "
		    "!abc, or its alias, #name:%s", room, mx->domain);
		return NULL;
	}
	path = mx_path(V3 "/directory/room/%s", room);
	if (get(mx, path, &a, e) == 0 &&
	    (id = xstrdup(json_str(a.body, "room_id"))) == NULL)
		err_set(e, ERR_BROKEN, "%.100s leads to no room", room);
	mx_answer_release(&a);
	free(path);
	return id;
}

static struct json *
read_events(const struct mx *mx, const char *room, struct err *e)
{
	struct buf b = { 0 };
	struct json *events = NULL;
	int rc;

	for (int i = 0; (rc = history_read(mx, room, 0, &b, e)) == -1 &&
	    again(i, e); i++)
		buf_release(&b);
	if (rc == 0)
		events = json_parse_relayed(buf_str(&b), b.len, e);
	buf_release(&b);
	return events;
}

int
restore_attached(const struct mx *mx, struct restore *r, int tries,
    struct err *e)
{
	for (size_t i = 0; i < r->n; i++) {
		struct restore_receipt *x = &r->receipts[i];
		struct buf b = { 0 };
		int rc;

		if (json_str(x->receipt, "changed_sha256") == NULL)
			continue;
		if (x->url == NULL) {
			restore_attach(r, i, NULL, 0, "the event has none");
			continue;
		}
		for (int n = 1; (rc = mx_download(mx, x->url, ATTACHED_MAX,
		    &b, e)) == -1 && n < tries && again(n, e); n++)
			buf_release(&b);
		if (rc == -1 && e->kind == ERR_RETRY) {
			buf_release(&b);
			return -1;
		}
		restore_attach(r, i, rc == 0 ? buf_str(&b) : NULL, b.len,
		    e->msg);
		buf_release(&b);
	}
	return 0;
}

/* What there is on the server, beside the receipts. */
struct found {
	struct strv	 dms;		/* with whom */
	char		*admin;		/* observed form of the admin room */
};

/* Its observed form, if the room is by our marker what it should be. */
static int
read_admin(const struct mx *mx, const char *room, struct found *f,
    struct err *e)
{
	char *path = mx_path(V3 "/rooms/%s/state", room);
	struct mx_answer a = { 0 };
	struct json *o;
	int rc = get(mx, path, &a, e);

	if (rc == 0) {
		o = room_from_state(a.body, mx->as_id);
		if (str_equal(json_str(o, "marker"), ADMIN) &&
		    str_equal(room_handle(o), room))
			f->admin = json_canonical(o);
		json_free(o);
	}
	mx_answer_release(&a);
	free(path);
	return rc;
}

/* Of each room of the bot: is it by our marker a DM? */
static int
read_dms(const struct mx *mx, struct strv *users, struct err *e)
{
	struct mx_answer rooms = { 0 }, a = { 0 };
	const struct json *v;
	const char *key;
	char *path;
	int rc;

	rc = get(mx, V3 "/joined_rooms", &rooms, e);
	v = json_first(json_get(rooms.body, "joined_rooms"));
	for (; rc == 0 && v != NULL; v = json_next(v)) {
		path = mx_path(V3 "/rooms/%s/state/" MARKER_TYPE "/%s",
		    json_value_str(v), mx->as_id);
		rc = get(mx, path, &a, e);
		key = json_strd(a.body, "key", "");
		if (rc == 0 && str_starts(key, DM))
			strv_add_unique(users, key + strlen(DM));
		if (rc == -1 && e->kind != ERR_RETRY)
			rc = 0;		/* not a room of ours */
		mx_answer_release(&a);
		free(path);
	}
	mx_answer_release(&rooms);
	return rc;
}

/* --- writing ------------------------------------------------------------- */

static void
write_revision(struct store *store, const struct restore_revision *v)
{
	char *metadata = json_canonical(v->metadata);
	char *spec = v->spec != NULL ? json_canonical(v->spec) : NULL;
	struct revision_row row = { .kind = v->kind->name, .name = v->name,
	    .metadata = metadata, .spec = spec, .actor = v->actor,
	    .generation = v->generation, .revision = v->revision,
	    .at_ms = v->at_ms };
	struct resource_row now = { .kind = v->kind->name, .name = v->name,
	    .metadata = metadata, .spec = spec, .generation = v->generation,
	    .revision = v->revision, .created_ms = v->created_ms,
	    .updated_ms = v->at_ms };

	if (v->revision > 0)
		store_revision_restore(store, &row);
	if (v->is_now && spec != NULL)
		store_resource_restore(store, &now);
	free(metadata);
	free(spec);
}

/* We made it once and may not make it again; what it is to be is compiled when
 * the engine starts. */
static void
write_account(struct daemon *d, const struct restore_revision *v)
{
	const char *local = json_strd(v->spec, "username", v->name);
	char *user = xasprintf("@%s:%s", local, d->mx.domain);
	char *key = xasprintf("human:%s", local);
	char *owner = xasprintf("Human/%s", v->name), *form;
	struct json *o = json_object();

	json_set_str(o, "user", user);
	json_set_str(o, "method", "create");
	json_set_bool(o, "made", true);
	form = json_canonical(o);
	store_object_put(d->store, &(struct object_row){ .key = key,
	    .owner = owner, .desired = form, .observed = form, .deps = "" });
	json_free(o);
	free(form);
	free(owner);
	free(key);
	free(user);
}

static void
write_admin(struct daemon *d, const char *form)
{
	store_object_put(d->store, &(struct object_row){ .key = ADMIN,
	    .owner = "", .desired = "{}", .observed = form, .deps = "" });
}

/* "2 Teams, 1 Worker"; yours. */
static char *
words_of(const struct restore *r)
{
	struct buf b = { 0 };

	for (size_t k = 0; k < kinds_n; k++) {
		size_t n = 0;

		for (size_t i = 0; i < r->revisions_n; i++)
			n += r->revisions[i].is_now &&
			    r->revisions[i].spec != NULL &&
			    r->revisions[i].kind == &kinds[k];
		if (n > 0)
			buf_printf(&b, "%s%zu %s%s", b.len > 0 ? ", " : "", n,
			    kinds[k].name, n == 1 ? "" : "s");
	}
	buf_printf(&b, "%s from %zu receipt%s, the last is %lld",
	    b.len > 0 ? "" : "nothing", r->n, r->n == 1 ? "" : "s",
	    (long long)r->receipts[r->n - 1].seq);
	return buf_take(&b);
}

static void
write_all(struct daemon *d, const struct restore *r, const struct found *f,
    const char *words)
{
	store_begin(d->store);
	for (size_t i = 0; i < r->n; i++)
		receipt_keep(d->store, &r->receipts[i]);
	for (size_t i = 0; i < r->revisions_n; i++) {
		const struct restore_revision *v = &r->revisions[i];

		write_revision(d->store, v);
		if (v->is_now && v->is_made)
			write_account(d, v);
	}
	if (f->admin != NULL)
		write_admin(d, f->admin);
	if (f->dms.n > 0)
		engine_dms_restore(d->store, &f->dms);
	store_kv_set(d->store, RESTORED_KEY, words);
	store_log_add(d->store, "controller", "restored", words);
	store_commit(d->store);
}

/* --- what it says -------------------------------------------------------- */

static void
tell_sealed(const struct restore_revision *v, const struct json *in)
{
	const struct json *x;
	const char *text;

	for (x = json_first(in); x != NULL; x = json_next(x)) {
		text = json_value_str(x);
		if (text != NULL && sealed_id(text) != NULL)
			printf("%s/%s: %s was a sealed secret, which is lost: "
			    "give it again\n", v->kind->name, v->name,
			    json_key(x) != NULL ? json_key(x) : "a value");
		else if (text == NULL)
			tell_sealed(v, x);
	}
}

static void
tell(const struct restore *r, const char *words)
{
	for (size_t i = 0; i < r->revisions_n; i++)
		if (r->revisions[i].is_now)
			tell_sealed(&r->revisions[i], r->revisions[i].spec);
	printf("restored %s\nstart the controller now: it finds its rooms and "
	    "accounts again\n", words);
}

static void
count_row(const struct resource_row *row, void *arg)
{
	(void)row;
	++*(size_t *)arg;
}

static int
check_empty(struct daemon *d, struct err *e)
{
	int64_t seq;
	size_t n = 0;

	free(store_receipt_head(d->store, &seq));
	store_resources_each(d->store, count_row, &n);
	if (seq > 0 || n > 0)
		return err_set(e, ERR_CONFLICT, "%s is not lost: it has %zu "
		    "resource%s and %lld receipt%s. If it is to be made anew, "
		    "move it away first", d->cfg.database, n,
		    n == 1 ? "" : "s", (long long)seq, seq == 1 ? "" : "s");
	return 0;
}

static int
check_chain(const struct restore *r, const char *room, bool is_forced,
    struct err *e)
{
	for (size_t i = 0; i < r->problems.n; i++)
		fprintf(stderr, "hiclaw-controller: %s\n", r->problems.v[i]);
	if (r->n == 0)
		return err_set(e, ERR_NOTFOUND, "there are no receipts of ours "
		    "in %.100s; is it the admin room?", room);
	if (r->problems.n > 0 && !is_forced)
		return err_set(e, ERR_BROKEN, "nothing was restored: the "
		    "receipts are not whole. With --force they are taken as "
		    "they are; look then at what was changed by those that are "
		    "missing");
	return 0;
}

static int
restore_all(struct daemon *d, const char *room, bool is_forced,
    struct restore *r, struct err *e)
{
	struct json *events = NULL;
	struct found f = { .admin = NULL };
	const struct restore_from from = { .bot = d->mx.bot,
	    .instance = d->mx.as_id };
	char *id, *words;
	int rc = -1;

	if (check_empty(d, e) == -1 ||
	    (id = room_id(&d->mx, room, e)) == NULL)
		return -1;
	if ((events = read_events(&d->mx, id, e)) == NULL)
		goto out;
	restore_read(r, events, &from);
	if (restore_attached(&d->mx, r, TRIES, e) == -1 ||
	    read_admin(&d->mx, id, &f, e) == -1 ||
	    read_dms(&d->mx, &f.dms, e) == -1)
		goto out;
	restore_replay(r, &from);
	if ((rc = check_chain(r, room, is_forced, e)) == -1)
		goto out;
	words = words_of(r);
	write_all(d, r, &f, words);
	tell(r, words);
	free(words);
out:
	strv_release(&f.dms);
	free(f.admin);
	json_free(events);
	free(id);
	return rc;
}

int
restore_from_room(struct daemon *d, const char *room, bool is_forced)
{
	struct restore r = { 0 };
	struct err err;
	int rc = EX_OK;

	d->store = store_open(d->cfg.database, d->cfg.secrets_key, &err);
	if (d->store == NULL ||
	    restore_all(d, room, is_forced, &r, &err) == -1) {
		fprintf(stderr, "hiclaw-controller: %s\n", err.msg);
		rc = err.kind == ERR_RETRY || (err.kind == ERR_CONFLICT &&
		    d->store == NULL) ? EX_TEMPFAIL : EX_DATAERR;
	}
	restore_release(&r);
	if (d->store != NULL)
		store_close(d->store);
	d->store = NULL;
	return rc;
}
