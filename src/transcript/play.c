/*
 * One script, played.  A table says what each kind of step does; a step gives 0,
 * or -1 with the reason in p->why.  What the bot says is taken in order: nothing
 * it said in the room that a script is in may be left unread when somebody there
 * speaks again, so that a transcript shows all of it.
 */
#include "transcript-int.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hiclaw/clock.h"
#include "hiclaw/file.h"

#define GRACE_MS	1500	/* for an edit of what does not fit */
#define SETTLE_MS	1200	/* silence after which nothing more comes */
#define LOOK_MS		500

struct play {
	const struct play_options *o;
	const char	*path;
	struct script	 script;
	struct stage	 stage;
	struct map	*names;		/* captured: {n} */
	struct map	*labels;	/* -> event */
	struct map	*entered;	/* rooms where somebody spoke */
	char		*room_name, *room, *admin_room;
	const struct said *last;	/* of the bot, read last */
	const char	*refusal;	/* of the homeserver, for server< */
	struct err	 err;		/* where it stands */
	struct rewrite	*rewrite;
	int		 last_end;	/* line of the step before */
	bool		 started;
	struct buf	 why;
};

static int
trouble(struct play *p, const struct err *e)
{
	buf_reset(&p->why);
	buf_puts(&p->why, e->msg);
	return -1;
}

static int
look(struct play *p, int wait_ms)
{
	struct err e;

	return people_look(&p->stage, wait_ms, &e) == -1 ? trouble(p, &e) : 0;
}

static void
show(const struct play *p, const char *who, const char *text)
{
	size_t n;

	if (!p->o->verbose)
		return;
	printf("%s", who);
	for (; *text != '\0'; text += n + (text[n] == '\n')) {
		n = strcspn(text, "\n");
		printf(" %.*s\n", (int)n, text);
		if (text[n] == '\n' && text[n + 1] != '\0')
			printf("%*s", (int)strlen(who), "");
	}
	fflush(stdout);
}

/* --- the stage ----------------------------------------------------------- */

static int
start(struct play *p, const char *restore)
{
	struct err e;

	return stage_start(&p->stage, restore, &e) == -1 ? trouble(p, &e) : 0;
}

static bool
has_spoken(const struct play *p, const char *room)
{
	for (size_t i = 0; i < p->stage.said_n; i++)
		if (str_equal(p->stage.said[i]->room, room))
			return true;
	return false;
}

/* Everything that people see before they write their first word. */
static int
first_start(struct play *p)
{
	int64_t end = clock_mono_ms() + p->o->stage.timeout_ms;
	struct err e;

	if (p->started)
		return 0;
	p->started = true;
	if (start(p, NULL) == -1)
		return -1;
	while ((p->admin_room = people_room(&p->stage, "admin", NULL, &e)) ==
	    NULL) {
		if (clock_mono_ms() > end)
			return trouble(p, &e);
		if (look(p, 50) == -1)
			return -1;
	}
	/* A file begins when the welcome was said and the house is made, and need
	 * not say so. */
	while (!has_spoken(p, p->admin_room) || !stage_is_calm(&p->stage)) {
		if (clock_mono_ms() > end)
			return 0;
		if (look(p, 50) == -1)
			return -1;
	}
	return 0;
}

static int
enter(struct play *p, bool speaks)
{
	int64_t end = clock_mono_ms() + p->o->stage.timeout_ms;
	struct err e;

	if (first_start(p) == -1)
		return -1;
	while (p->room == NULL && (p->room = people_room(&p->stage,
	    p->room_name, NULL, &e)) == NULL) {
		if (clock_mono_ms() > end)
			return trouble(p, &e);
		if (look(p, 50) == -1)
			return -1;
	}
	if (map_find(p->entered, p->room) != NULL)
		return 0;
	map_set(p->entered, p->room, p);
	if (!speaks)
		return 0;
	if (look(p, 0) == -1)
		return -1;
	for (size_t i = 0; i < p->stage.said_n; i++)
		if (str_equal(p->stage.said[i]->room, p->room))
			p->stage.said[i]->is_read = true;
	return 0;
}

/* --- what the bot said --------------------------------------------------- */

static struct said *
next_said(struct play *p, bool thread)
{
	for (size_t i = 0; i < p->stage.said_n; i++) {
		struct said *s = p->stage.said[i];

		if (!s->is_read && (s->thread != NULL) == thread &&
		    str_equal(s->room, p->room))
			return s;
	}
	return NULL;
}

static const char *
newest(const struct said *s)
{
	return s->forms.v[s->forms.n - 1];
}

/* The last it said in the room is about something that is under way. */
static bool
is_running(const struct play *p)
{
	bool is = false;

	for (size_t i = 0; i < p->stage.said_n; i++)
		if (str_equal(p->stage.said[i]->room, p->room) &&
		    p->stage.said[i]->thread == NULL)
			is = str_equal(p->stage.said[i]->state, "running");
	return is;
}

/* Until the bot has nothing more to say. */
static int
settle(struct play *p)
{
	int64_t begin = clock_mono_ms(), now = begin, since;

	for (;; now = clock_mono_ms()) {
		since = p->stage.heard_ms > begin ? p->stage.heard_ms : begin;
		if (now - begin > p->o->stage.timeout_ms ||
		    (now - since > SETTLE_MS && !is_running(p)))
			return 0;
		if (look(p, 100) == -1)
			return -1;
	}
}

/* Ids are of whatever domain it is played on. */
static void
put_ids(const char *line, const char *domain, struct buf *out)
{
	size_t n = strlen(domain);
	const char *at;

	while ((at = strstr(line, domain)) != NULL && n > 0) {
		buf_add(out, line, (size_t)(at - line));
		buf_puts(out, at > line && at[-1] == ':' ? "{domain}" : domain);
		line = at + n;
	}
	buf_puts(out, line);
}

/* Has it a bar that grows? */
static bool
is_live(const struct strv *lines)
{
	for (size_t i = 0; i < lines->n; i++)
		if (str_starts(lines->v[i], "\xe2\x96\x91") ||
		    str_starts(lines->v[i], "\xe2\x96\x93"))
			return true;
	return false;
}

/* "bot< first line", the others indented; yours. */
static char *
block(const struct play *p, const char *marker, const char *label,
    const char *text)
{
	char *general = match_generalise(text), *line;
	struct strv lines = { 0 };
	struct buf out = { 0 };

	strv_split(&lines, general, '\n');
	/* How far it is is another thing each time. */
	if (is_live(&lines)) {
		while (lines.n > 1)
			free(lines.v[--lines.n]);
		strv_add(&lines, DOTS);
	}
	buf_puts(&out, marker);
	if (label != NULL)
		buf_printf(&out, "[%s]", label);
	for (size_t i = 0, n = 0; i < lines.n; i++) {
		line = lines.v[i] + strspn(lines.v[i], " \t\r");
		if (*line == '\0')
			continue;
		if (n++ > 0)
			buf_puts(&out, "    ");
		buf_putc(&out, ' ');
		put_ids(line, p->stage.domain, &out);
		buf_putc(&out, '\n');
	}
	strv_release(&lines);
	free(general);
	return buf_take(&out);
}

/* Expectations for what nobody expected, behind the step before. */
static int
write_unread(struct play *p)
{
	int line = p->last_end + 1;
	struct said *s;

	if (settle(p) == -1)
		return -1;
	while ((s = next_said(p, false)) != NULL) {
		s->is_read = true;
		p->last = s;
		show(p, "bot<", newest(s));
		rewrite_put(p->rewrite, line, line - 1,
		    block(p, "bot<", NULL, newest(s)));
	}
	return 0;
}

/* Before somebody speaks, and at the end. */
static int
all_read(struct play *p)
{
	struct said *s;

	if (p->room == NULL || map_find(p->entered, p->room) == NULL)
		return 0;
	if (p->o->update)
		return write_unread(p);
	if ((s = next_said(p, false)) == NULL)
		return 0;
	buf_puts(&p->why, "the bot said more than is written:\n");
	match_diff("", newest(s), p->names, &p->why);
	return -1;
}

static bool
fits(struct play *p, const char *pattern, const struct said *s, size_t from)
{
	for (size_t i = from; i < s->forms.n; i++)
		if (match_text(pattern, s->forms.v[i], p->names)) {
			show(p, "bot<", s->forms.v[i]);
			return true;
		}
	return false;
}

static int
not_said(struct play *p, const struct step *st, const struct said *s)
{
	if (s == NULL) {
		buf_puts(&p->why, "the bot said nothing\n");
		match_diff(st->text, "", p->names, &p->why);
	} else {
		buf_puts(&p->why, "the bot said something else\n");
		match_diff(st->text, newest(s), p->names, &p->why);
	}
	return -1;
}

static int
expect_anew(struct play *p, const struct step *st, struct said *s,
    const char *marker)
{
	if (settle(p) == -1)
		return -1;
	if (s == NULL)
		s = next_said(p, st->kind == STEP_BOT_THREAD);
	if (s != NULL && fits(p, st->text, s, 0))
		return 0;
	if (s != NULL)
		show(p, marker, newest(s));
	rewrite_put(p->rewrite, st->line, st->end, s == NULL ? xstrdup("") :
	    block(p, marker, st->label, newest(s)));
	return 0;
}

static void
read_it(struct play *p, const struct step *st, struct said *s)
{
	if (s == NULL)
		return;
	s->is_read = true;
	p->last = s;
	if (st->label != NULL)
		map_set(p->labels, st->label, xstrdup(s->event));
}

static int
step_bot(struct play *p, const struct step *st)
{
	int64_t end = clock_mono_ms() + p->o->stage.timeout_ms, now;
	bool thread = st->kind == STEP_BOT_THREAD;
	struct said *s;

	if (enter(p, false) == -1)
		return -1;
	for (;;) {
		now = clock_mono_ms();
		s = next_said(p, thread);
		if (s != NULL && fits(p, st->text, s, 0))
			break;
		if (now > end || (s != NULL &&
		    !str_equal(s->state, "running") &&
		    now - p->stage.heard_ms > GRACE_MS)) {
			if (!p->o->update)
				return not_said(p, st, s);
			if (expect_anew(p, st, s, thread ? "bot<|" :
			    "bot<") == -1)
				return -1;
			s = next_said(p, thread);
			break;
		}
		if (look(p, LOOK_MS) == -1)
			return -1;
	}
	read_it(p, st, s);
	return 0;
}

static const struct said *
labelled(const struct play *p, const struct step *st)
{
	const char *event = st->label == NULL ? NULL :
	    map_find(p->labels, st->label);

	if (st->label == NULL)
		return p->last;
	for (size_t i = 0; i < p->stage.said_n; i++)
		if (str_equal(p->stage.said[i]->event, event))
			return p->stage.said[i];
	return NULL;
}

/* The message read last, or a labelled one, now reads ... */
static int
step_bot_edit(struct play *p, const struct step *st)
{
	int64_t end = clock_mono_ms() + p->o->stage.timeout_ms;
	const struct said *s = labelled(p, st);

	if (s == NULL) {
		buf_puts(&p->why, "there is no message to be edited");
		return -1;
	}
	while (!fits(p, st->text, s, 1)) {
		if (clock_mono_ms() > end || (p->o->update &&
		    clock_mono_ms() > end - p->o->stage.timeout_ms +
		    2 * SETTLE_MS)) {
			if (!p->o->update)
				return not_said(p, st, s);
			rewrite_put(p->rewrite, st->line, st->end,
			    block(p, "bot<~", st->label, newest(s)));
			return 0;
		}
		if (look(p, LOOK_MS) == -1)
			return -1;
	}
	return 0;
}

static int
step_quiet(struct play *p, const struct step *st)
{
	struct said *s;

	(void)st;
	if (enter(p, false) == -1 || settle(p) == -1)
		return -1;
	if ((s = next_said(p, false)) == NULL)
		return 0;
	buf_puts(&p->why, "the bot was to say nothing\n");
	match_diff("", newest(s), p->names, &p->why);
	return -1;
}

/* --- what people do ------------------------------------------------------ */

static struct json *
text_content(const char *text)
{
	struct json *c = json_object();

	json_set_str(c, "msgtype", "m.text");
	json_set_str(c, "body", text);
	return c;
}

/* The event that a step is about: labelled, or the bot's last; or NULL. */
static const char *
target_of(const struct play *p, const struct step *st)
{
	if (st->label != NULL)
		return map_find(p->labels, st->label);
	return p->last == NULL ? NULL : p->last->event;
}

static int
send_content(struct play *p, struct person *who, const struct step *st,
    const char *type, struct json *content, struct err *e)
{
	char *event = NULL;
	int rv = people_send(&p->stage, who, p->room, type, content, &event,
	    e);

	json_free(content);
	if (rv == -1)
		return -1;
	if (st->kind == STEP_TAP) {
		char *name = xasprintf("%s %s", target_of(p, st), st->text);

		map_set(who->taps, name, event);
		free(name);
		return 0;
	}
	if (st->kind == STEP_SAY && st->label != NULL)
		map_set(p->labels, st->label, xstrdup(event));
	if (st->kind != STEP_EDIT)
		map_set(who->last, p->room, event);
	else
		free(event);
	return 0;
}

static int
do_say(struct play *p, struct person *who, const struct step *st,
    const char *text, struct err *e)
{
	return send_content(p, who, st, "m.room.message", text_content(text),
	    e);
}

static int
no_target(struct err *e)
{
	return err_set(e, ERR_BROKEN, "there is no such message (of that "
	    "label, or of the bot before this)");
}

static int
do_reply(struct play *p, struct person *who, const struct step *st,
    const char *text, struct err *e)
{
	const char *target = target_of(p, st);
	struct json *c, *o;

	if (target == NULL)
		return no_target(e);
	c = text_content(text);
	o = json_obj(json_obj(c, "m.relates_to"), "m.in_reply_to");
	json_set_str(o, "event_id", target);
	return send_content(p, who, st, "m.room.message", c, e);
}

static int
do_edit(struct play *p, struct person *who, const struct step *st,
    const char *text, struct err *e)
{
	const char *target = st->label != NULL ?
	    map_find(p->labels, st->label) : map_find(who->last, p->room);
	struct json *c, *o;

	if (target == NULL)
		return no_target(e);
	c = text_content(text);
	json_set(c, "m.new_content", text_content(text));
	o = json_obj(c, "m.relates_to");
	json_set_str(o, "rel_type", "m.replace");
	json_set_str(o, "event_id", target);
	return send_content(p, who, st, "m.room.message", c, e);
}

static int
do_redact(struct play *p, struct person *who, const struct step *st,
    const char *text, struct err *e)
{
	const char *target = st->label != NULL ?
	    map_find(p->labels, st->label) : map_find(who->last, p->room);

	(void)text;
	return target == NULL ? no_target(e) :
	    people_redact(&p->stage, who, p->room, target, e);
}

static int
do_tap(struct play *p, struct person *who, const struct step *st,
    const char *text, struct err *e)
{
	const char *target = target_of(p, st);
	struct json *c, *o;

	if (target == NULL)
		return no_target(e);
	c = json_object();
	o = json_obj(c, "m.relates_to");
	json_set_str(o, "rel_type", "m.annotation");
	json_set_str(o, "event_id", target);
	json_set_str(o, "key", text);
	return send_content(p, who, st, "m.reaction", c, e);
}

static int
do_untap(struct play *p, struct person *who, const struct step *st,
    const char *text, struct err *e)
{
	const char *target = target_of(p, st), *event;
	char *name;

	if (target == NULL)
		return no_target(e);
	name = xasprintf("%s %s", target, text);
	event = map_find(who->taps, name);
	free(name);
	return event == NULL ? no_target(e) :
	    people_redact(&p->stage, who, p->room, event, e);
}

/* "attach team.yaml", and the file in the lines below. */
static int
do_attach(struct play *p, struct person *who, const struct step *st,
    const char *text, struct err *e)
{
	size_t n = strcspn(text, "\n");
	char *name = xstrndup(text, n), *mxc = NULL;
	const char *data = text + n + (text[n] == '\n');
	struct json *c, *info;
	int rv;

	rv = people_attach(&p->stage, who, name, data, &mxc, e);
	if (rv == 0) {
		c = json_object();
		json_set_str(c, "msgtype", "m.file");
		json_set_str(c, "body", name);
		json_set_str(c, "filename", name);
		json_set_str(c, "url", mxc);
		info = json_obj(c, "info");
		json_set_str(info, "mimetype", "application/yaml");
		json_set_int(info, "size", (int64_t)strlen(data));
		rv = send_content(p, who, st, "m.room.message", c, e);
	}
	free(mxc);
	free(name);
	return rv;
}

static int
do_act(struct play *p, struct person *who, const struct step *st,
    const char *text, struct err *e)
{
	static const char attach[] = "attach ";

	if (str_starts(text, attach))
		return do_attach(p, who, st, text + sizeof attach - 1, e);
	return people_act(&p->stage, who, p->room, text, e);
}

static const struct doing {
	enum step_kind	 kind;
	char		 sign;
	int		(*run)(struct play *, struct person *,
			    const struct step *, const char *, struct err *);
} doings[] = {
	{ STEP_SAY, '>', do_say }, { STEP_EDIT, '~', do_edit },
	{ STEP_REPLY, '^', do_reply }, { STEP_REDACT, '!', do_redact },
	{ STEP_TAP, '+', do_tap }, { STEP_UNTAP, '-', do_untap },
	{ STEP_ACT, ':', do_act },
};

static const struct doing *
doing_of(enum step_kind kind)
{
	for (size_t i = 0; i < NELEM(doings); i++)
		if (doings[i].kind == kind)
			return &doings[i];
	return NULL;
}

static int
step_person(struct play *p, const struct step *st)
{
	const struct doing *d = doing_of(st->kind);
	struct person *who;
	char *text, *name;
	int rv;

	if ((who = people_get(&p->stage, st->who, &p->err)) == NULL)
		return trouble(p, &p->err);
	if (enter(p, true) == -1 || all_read(p) == -1)
		return -1;
	text = match_fill(st->text, p->names);
	name = xasprintf("@%s%c", st->who, d->sign);
	show(p, name, text);
	rv = d->run(p, who, st, text, &p->err);
	free(name);
	free(text);
	if (rv == 0)
		return 0;
	/* What the homeserver says about it may be what is expected. */
	if (st + 1 < p->script.steps + p->script.n &&
	    st[1].kind == STEP_SERVER && p->err.kind != ERR_RETRY) {
		p->refusal = p->err.msg;
		return 0;
	}
	return trouble(p, &p->err);
}

static int
step_server(struct play *p, const struct step *st)
{
	const char *said = p->refusal != NULL ? p->refusal :
	    "it did as it was told";

	p->refusal = NULL;
	if (match_text(st->text, said, p->names))
		return 0;
	if (p->o->update) {
		rewrite_put(p->rewrite, st->line, st->end,
		    block(p, "server<", NULL, said));
		return 0;
	}
	buf_puts(&p->why, "the homeserver said something else\n");
	match_diff(st->text, said, p->names, &p->why);
	return -1;
}

/* --- everything else ----------------------------------------------------- */

static int
head_person(struct play *p, const struct step *st)
{
	struct strv words = { 0 };
	struct err e;
	int rv = 0;

	strv_split(&words, st->text, ' ');
	for (size_t i = 0; i < words.n && words.v[i][0] == '@'; i++)
		if (strv_has(&words, "admin"))
			strv_add_unique(&p->stage.admins, words.v[i] + 1);
	for (size_t i = 0; rv == 0 && i < words.n && words.v[i][0] == '@'; i++)
		if (people_get(&p->stage, words.v[i] + 1, &e) == NULL)
			rv = trouble(p, &e);
	strv_release(&words);
	return rv;
}

static int
step_set(struct play *p, const struct step *st)
{
	size_t n = strcspn(st->text, " \n");
	char *key = xstrndup(st->text, n);
	char *value = match_fill(st->text + n, p->names);
	struct err e;
	int rv = stage_set(&p->stage, key, value, &e);

	free(key);
	free(value);
	return rv == -1 ? trouble(p, &e) : 0;
}

static int
step_room(struct play *p, const struct step *st)
{
	if (p->started && all_read(p) == -1)
		return -1;
	free(p->room);
	p->room = NULL;
	free(p->room_name);
	p->room_name = xstrdup(st->text);
	show(p, "room:", st->text);
	return 0;
}

static int
step_wait(struct play *p, const struct step *st)
{
	char *rest;
	double s = strtod(st->text, &rest);
	int64_t end;

	rest += strspn(rest, " ");
	if (str_equal(rest, "ms"))
		s /= 1000;
	if (rest == st->text || !(s >= 0) || s > 3600 ||
	    (*rest != '\0' && strcmp(rest, "s") != 0 &&
	    strcmp(rest, "ms") != 0)) {
		buf_puts(&p->why, "write it like this: wait 3 s");
		return -1;
	}
	if (first_start(p) == -1)
		return -1;
	end = clock_mono_ms() + (int64_t)(s * 1000);
	while (clock_mono_ms() < end)
		if (look(p, (int)(end - clock_mono_ms()) % 1000 + 1) == -1)
			return -1;
	return 0;
}

/* Until all is as declared again; who wants to see it on the way waits less. */
static int
calm_down(struct play *p)
{
	int64_t end = clock_mono_ms() + p->o->stage.timeout_ms;

	while (clock_mono_ms() < end && !stage_is_calm(&p->stage))
		if (look(p, 50) == -1)
			return -1;
	return 0;
}

static int
step_process(struct play *p, const struct step *st)
{
	if (first_start(p) == -1)
		return -1;
	if (p->o->update && p->room != NULL && all_read(p) == -1)
		return -1;
	if (st->kind == STEP_DROP) {
		stage_drop(&p->stage);
		return 0;
	}
	if (st->kind != STEP_START && st->kind != STEP_RESTORE)
		stage_stop(&p->stage, st->kind == STEP_KILL ? SIGKILL :
		    SIGTERM);
	if (st->kind == STEP_STOP || st->kind == STEP_KILL)
		return 0;
	return start(p, st->kind == STEP_RESTORE ? p->admin_room : NULL) ==
	    -1 ? -1 : calm_down(p);
}

static const struct play_row {
	enum step_kind	 kind;
	int		(*run)(struct play *, const struct step *);
} rows[] = {
	{ STEP_PERSON, head_person }, { STEP_SET, step_set },
	{ STEP_ROOM, step_room }, { STEP_BOT, step_bot },
	{ STEP_BOT_EDIT, step_bot_edit }, { STEP_BOT_THREAD, step_bot },
	{ STEP_SERVER, step_server }, { STEP_QUIET, step_quiet },
	{ STEP_WAIT, step_wait }, { STEP_RESTART, step_process },
	{ STEP_STOP, step_process }, { STEP_KILL, step_process },
	{ STEP_START, step_process }, { STEP_DROP, step_process },
	{ STEP_RESTORE, step_process },
};

static int
play_step(struct play *p, const struct step *st)
{
	for (size_t i = 0; i < NELEM(rows); i++)
		if (rows[i].kind == st->kind)
			return rows[i].run(p, st);
	return step_person(p, st);
}

/* The line that failed, or 0. */
static int
play_steps(struct play *p)
{
	for (size_t i = 0; i < p->script.n; i++) {
		const struct step *st = &p->script.steps[i];

		if (play_step(p, st) == -1)
			return st->line;
		p->last_end = st->end;
	}
	if (first_start(p) == -1 || all_read(p) == -1)
		return p->last_end + 1;
	return 0;
}

/* --- a file -------------------------------------------------------------- */

static int
write_back(const struct play *p, const char *text)
{
	char *anew = rewrite_apply(p->rewrite, text);
	char *beside = xasprintf("%s.new", p->path);
	FILE *f = fopen(beside, "w");
	bool ok = f != NULL && fputs(anew, f) != EOF;

	/* All of it or nothing: the file is somebody's work. */
	ok = (f == NULL || fclose(f) == 0) && ok;
	if (!ok || rename(beside, p->path) == -1) {
		fprintf(stderr, "%s: cannot be written\n", p->path);
		(void)remove(beside);
		ok = false;
	}
	free(beside);
	free(anew);
	return ok ? 0 : 1;
}

static void
complain(struct play *p, int line)
{
	char *log;

	buf_putc(&p->why, '\0');
	fprintf(stderr, "%s:%d: %s\n", p->path, line, buf_str(&p->why));
	if (!p->started || p->stage.dir == NULL)
		return;
	if (p->stage.pid == 0 || p->o->stage.keep) {
		log = stage_log(&p->stage);
		fprintf(stderr, "  the controller's log ends:\n%s\n", log);
		free(log);
	}
}

static void
play_release(struct play *p)
{
	stage_close(&p->stage);
	script_release(&p->script);
	map_free(p->names);
	map_free(p->labels);
	map_free(p->entered);
	free(p->room_name);
	free(p->room);
	free(p->admin_room);
	rewrite_free(p->rewrite);
	buf_release(&p->why);
}

int
play_file(const char *path, const struct play_options *o)
{
	struct play p = { .o = o, .path = path };
	struct err e;
	char *text = file_read(path, SCRIPT_BYTES_MAX, &e);
	int rc = 1, line;

	if (text == NULL || script_parse(&p.script, text, &e) == -1) {
		fprintf(stderr, "%s%s%s\n", text == NULL ? "" : path,
		    text == NULL ? "" : ": ", e.msg);
		free(text);
		return 1;
	}
	p.names = map_new(free);
	p.labels = map_new(free);
	p.entered = map_new(NULL);
	p.rewrite = rewrite_new();
	p.room_name = xstrdup("admin");
	if (stage_open(&p.stage, &o->stage, &e) == -1) {
		trouble(&p, &e);
		complain(&p, 1);
	} else {
		map_set(p.names, "domain", xstrdup(p.stage.domain));
		if ((line = play_steps(&p)) != 0)
			complain(&p, line);
		else
			rc = 0;
		if (o->update && rewrite_any(p.rewrite))
			rc |= write_back(&p, text);
	}
	play_release(&p);
	free(text);
	return rc;
}
