/*
 * Macros: commands that operators make of others.  `run` is a list of lines,
 * `template` a manifest to apply; {{argument}} stands for what was typed.
 *
 * A macro gives nobody any right: each of its lines goes the way of one that its
 * asker typed, with all that is checked there, and `template` that of an apply.
 * What an argument says is always one value: it cannot become an option, a
 * further command or a further line of YAML.
 */
#include "chat-int.h"

#include <stdlib.h>
#include <string.h>

#include "hiclaw/api.h"

#include "cmd.h"
#include "handlers.h"

/*
 * They ask outside, and an event is begun from its start when the answer is
 * here: the lines before would be carried out twice.
 */
static const char *const asking[] = {
	"audit-verify", "cat", "doctor", "exec", "files",
	"gateway-status", "logs", "rollback", "undo",
};

bool
command_is_macro(const struct command *c)
{
	return c->run.n > 0 || c->template != NULL;
}

void
position_of(const char *text, const char *what, int *line, int *column)
{
	const char *at = strstr(text, what);

	*line = *column = 1;
	for (; at != NULL && text < at; text++) {
		*column = *text == '\n' ? 1 : *column + 1;
		*line += *text == '\n';
	}
}

static int
wrong(const struct command *c, const char *where, struct err *e,
    const char *what, const char *name)
{
	int line, column;

	position_of(c->text, where, &line, &column);
	return err_set(e, ERR_BROKEN, "%s:%d:%d: %s%.60s", c->file, line,
	    column, what, name);
}

/* --- putting in ------------------------------------------------------------ */

static const struct argument *
argument_find(const struct command *c, const char *name, size_t len,
    size_t *at)
{
	for (size_t i = 0; i < c->arguments_n; i++)
		if (strlen(c->arguments[i].name) == len &&
		    memcmp(c->arguments[i].name, name, len) == 0) {
			*at = i;
			return &c->arguments[i];
		}
	return NULL;
}

/* "worker/alice" is alice. */
static const char *
bare_name(const char *word)
{
	const char *slash = strchr(word, '/');

	return slash != NULL ? slash + 1 : word;
}

/* Agents by their name alone.  What was typed for argument i; a list of its words, for strv_release. */
static void
typed_for(const struct command *c, size_t i, const struct strv *v,
    struct strv *out)
{
	const struct argument *a = &c->arguments[i];
	size_t at = 0, n;

	for (size_t j = 0; j < i; j++)
		at += argument_words(c, j, v, at);
	n = argument_words(c, i, v, at);
	for (size_t j = at + (n > 0 && argument_is_after(a, v, at)); j < at + n;
	    j++)
		if (a->type != ARG_AGENT)
			strv_add(out, v->v[j]);
		else if (kind_find(v->v[j]) == NULL || j + 1 == at + n)
			strv_add(out, bare_name(v->v[j]));
}

/*
 * In a text, from open to close stands the name of an argument: *i gets it,
 * *begin and *len the whole.  False: there is none from `from` on.
 */
struct marks { const char *open, *close; };
static const struct marks braces = { "{{", "}}" };
/* Braces mean something in YAML; this means nothing there. */
static const struct marks plain = { "hiclaw-arg.", "." };

static bool
next_mark(const struct command *c, const struct marks *m, const char *text,
    const char **begin, size_t *len, size_t *i)
{
	const char *name, *end;

	for (; (text = strstr(text, m->open)) != NULL; text += 1) {
		name = text + strlen(m->open);
		end = strstr(name, m->close);
		if (end == NULL || argument_find(c, name,
		    (size_t)(end - name), i) == NULL)
			continue;
		*begin = text;
		*len = (size_t)(end - text) + strlen(m->close);
		return true;
	}
	return false;
}

/* Every argument in it as the text that was typed. */
static void
put_text(const struct command *c, const struct marks *m, const char *text,
    const struct strv *v, struct buf *out)
{
	const char *begin;
	size_t len, i;

	while (next_mark(c, m, text, &begin, &len, &i)) {
		struct strv own = { 0 };
		char *whole;

		typed_for(c, i, v, &own);
		whole = strv_join(&own, " ");
		buf_add(out, text, (size_t)(begin - text));
		buf_puts(out, whole != NULL ? whole : "");
		text = begin + len;
		free(whole);
		strv_release(&own);
	}
	buf_puts(out, text);
}

/* --- into a line ------------------------------------------------------------- */

/* What was typed makes no option of a word that is none. */
static int
put_typed(const char *was, const char *word, struct buf *out, struct err *e)
{
	if (dash_len(was) == 0 && dash_len(word) > 0)
		return err_set(e, ERR_USER, "\"%.40s\" cannot stand there: "
		    "it begins with a dash", word);
	words_put(word, out);
	return 0;
}

/* An argument alone is as many words as were typed; in a word it is in that. */
static int
fill_word(const struct command *c, const char *word, const struct strv *v,
    struct buf *out, struct err *e)
{
	struct strv own = { 0 };
	struct buf b = { 0 };
	const char *begin;
	size_t len, i;
	int rc = 0;

	if (next_mark(c, &braces, word, &begin, &len, &i) &&
	    len == strlen(word)) {
		typed_for(c, i, v, &own);
		for (size_t j = 0; j < own.n && rc == 0; j++)
			rc = put_typed(word, own.v[j], out, e);
		strv_release(&own);
		return rc;
	}
	put_text(c, &braces, word, v, &b);
	rc = put_typed(word, buf_str(&b), out, e);
	buf_release(&b);
	return rc;
}

char *
macro_line(const struct command *c, const char *line, const struct strv *v,
    struct err *e)
{
	struct buf b = { 0 };
	struct words w;
	int rc = 0;

	if (words_split(line, &w, e) == -1)
		return NULL;
	for (size_t i = 0; i < w.raw.n && rc == 0; i++)
		rc = fill_word(c, w.raw.v[i], v, &b, e);
	words_release(&w);
	if (rc == 0)
		return buf_take(&b);
	buf_release(&b);
	return NULL;
}

/* --- into a manifest ----------------------------------------------------------- */

/* A value that is only an argument has its type, in all others it is text. */
static struct json *
filled_value(const struct command *c, const char *text, const struct strv *v)
{
	struct buf b = { 0 };
	struct json *o;
	const char *begin;
	size_t len, i = 0;
	bool is_whole;

	is_whole = next_mark(c, &plain, text, &begin, &len, &i) &&
	    len == strlen(text);
	put_text(c, &plain, text, v, &b);
	if (is_whole && (c->arguments[i].type == ARG_INT ||
	    c->arguments[i].type == ARG_NUMBER))
		o = json_number((double)strtoll(buf_str(&b) +
		    (buf_str(&b)[0] == '#'), NULL, 10));
	else if (is_whole && c->arguments[i].type == ARG_BOOL)
		o = json_boolean(argument_bool(buf_str(&b)));
	else
		o = json_string(buf_str(&b));
	buf_release(&b);
	return o;
}

/* A copy with the arguments in it; a key is never one. */
static struct json *
filled_tree(const struct command *c, const struct json *is,
    const struct strv *v)
{
	const struct json *m;
	struct json *o;

	switch (json_type(is)) {
	case JSON_STRING:
		return filled_value(c, json_value_str(is), v);
	case JSON_ARRAY:
		o = json_array();
		for (m = json_first(is); m != NULL; m = json_next(m))
			json_push(o, filled_tree(c, m, v));
		return o;
	case JSON_OBJECT:
		o = json_object();
		for (m = json_first(is); m != NULL; m = json_next(m))
			json_set(o, json_key(m), filled_tree(c, m, v));
		return o;
	default:
		return json_copy(is);
	}
}

/* The braces of arguments become plain, so that what is left is YAML. */
static char *
plain_text(const struct command *c, const char *text, size_t n)
{
	char *doc = xstrndup(text, n);
	struct buf b = { 0 };
	const char *at = doc, *begin;
	size_t len, i;

	while (next_mark(c, &braces, at, &begin, &len, &i)) {
		buf_add(&b, at, (size_t)(begin - at));
		buf_printf(&b, "%s%s%s", plain.open, c->arguments[i].name,
		    plain.close);
		at = begin + len;
	}
	buf_puts(&b, at);
	free(doc);
	return buf_take(&b);
}

/* Up to a line "---", which ends a document. */
static size_t
document_len(const char *text)
{
	const char *p = text;

	while (*p != '\0' && !(str_starts(p, "---") &&
	    strchr(" \n", p[3]) != NULL)) {
		p += strcspn(p, "\n");
		p += *p == '\n';
	}
	return (size_t)(p - text);
}

static bool
is_blank(const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strchr(" \n", text[i]) == NULL)
			return false;
	return true;
}

/* The next document of the template that says anything, yours: 1.  0: there is none
 * more; -1: it is no YAML. */
static int
next_document(const struct command *c, const char **at, struct json **is,
    struct err *e)
{
	while (**at != '\0') {
		const char *text;
		char *doc;
		size_t n;

		if (str_starts(*at, "---"))
			*at += strcspn(*at, "\n");
		text = *at;
		n = document_len(text);
		*at += n;
		if (is_blank(text, n))
			continue;
		doc = plain_text(c, text, n);
		*is = yaml_json(doc, strlen(doc), e);
		free(doc);
		return *is != NULL ? 1 : -1;
	}
	return 0;
}

/*
 * The template is read first and filled then, value by value, so that what was
 * typed is never read as YAML.
 */
char *
macro_manifest(const struct command *c, const struct strv *v, struct err *e)
{
	const char *text = c->template;
	struct buf b = { 0 };
	struct json *is, *filled;
	char *out;
	int rc;

	while ((rc = next_document(c, &text, &is, e)) == 1) {
		filled = filled_tree(c, is, v);
		out = json_pretty(filled);
		buf_printf(&b, "%s%s\n", b.len > 0 ? "---\n" : "", out);
		free(out);
		json_free(filled);
		json_free(is);
	}
	if (rc == 0)
		return buf_take(&b);
	buf_release(&b);
	return NULL;
}

/* --- is it sound? ---------------------------------------------------------- */

static int
check_arguments(const struct command *c, struct err *e)
{
	bool is_optional = false;

	for (size_t i = 0; i < c->arguments_n; i++) {
		const struct argument *a = &c->arguments[i];

		if (is_optional && a->required)
			return wrong(c, a->name, e, "behind one that may be "
			    "missing nothing can be required: ", a->name);
		if (a->many && i + 1 < c->arguments_n)
			return wrong(c, a->name, e, "only the last may be "
			    "several: ", a->name);
		is_optional |= !a->required;
	}
	return 0;
}

/* Each {{name}} is an argument; in a manifest one that is always there. */
static int
check_names(const struct command *c, const char *text, bool is_yaml,
    struct err *e)
{
	const struct argument *a;
	const char *end;
	size_t i;

	while ((text = strstr(text, "{{")) != NULL) {
		end = strstr(text, "}}");
		if (end == NULL)
			return wrong(c, "{{", e, "{{ without }}", "");
		a = argument_find(c, text + 2, (size_t)(end - text - 2), &i);
		if (a == NULL || (is_yaml && !a->required)) {
			char *name = xstrndup(text, (size_t)(end - text) + 2);
			int rc = wrong(c, name, e, a == NULL ?
			    "no argument " : "in a manifest an argument has "
			    "to be required: ", name);

			free(name);
			return rc;
		}
		text = end + 2;
	}
	return 0;
}

static bool
has_marked_key(const struct json *is)
{
	const struct json *m;

	if (json_key(is) != NULL && strstr(json_key(is), plain.open) != NULL)
		return true;
	for (m = json_first(is); m != NULL; m = json_next(m))
		if (has_marked_key(m))
			return true;
	return false;
}

/* It has to be YAML as it is, with arguments only as values. */
static int
check_template(const struct command *c, struct err *e)
{
	const char *text = c->template;
	struct json *is;
	struct err err;
	bool bad = false;
	int rc = 0;

	if (strstr(text, plain.open) != NULL)
		return wrong(c, plain.open, e, "these letters mean an "
		    "argument inside: ", plain.open);
	while (!bad && (rc = next_document(c, &text, &is, &err)) == 1) {
		bad = has_marked_key(is);
		json_free(is);
	}
	if (rc == -1)
		return wrong(c, "template", e, "the template: ", err.msg);
	return bad ? wrong(c, "template", e, "an argument can be a value, not "
	    "a key", "") : 0;
}

/* What a line will be is known, but for its arguments. */
static int
check_line(const struct commands *cs, const struct command *c,
    const char *line, const char *const *names, struct err *e)
{
	const struct command *step;
	const char *near, *why = NULL;
	struct words w;
	struct err err;
	size_t used;

	if (words_split(line, &w, &err) == -1)
		return wrong(c, line, e, err.msg, "");
	step = commands_match(cs, &w, &used, &near);
	words_release(&w);
	if (step == NULL)
		why = "no command: ";
	else if (command_is_macro(step))
		why = "a macro cannot run another: ";
	else if (step->manifest)
		why = "this takes a manifest, which a line has not: ";
	for (size_t i = 0; why == NULL && i < NELEM(asking); i++)
		if (strcmp(names[step->handler], asking[i]) == 0)
			why = "this waits for an answer, and a macro does "
			    "not: ";
	return why == NULL ? 0 : wrong(c, line, e, why, line);
}

int
macro_check(const struct commands *cs, const struct command *c,
    const char *const *names, struct err *e)
{
	if (check_arguments(c, e) == -1)
		return -1;
	if (c->template != NULL)
		return check_names(c, c->template, true, e) == -1 ? -1 :
		    check_template(c, e);
	for (size_t i = 0; i < c->run.n; i++)
		if (check_names(c, c->run.v[i], false, e) == -1 ||
		    check_line(cs, c, c->run.v[i], names, e) == -1)
			return -1;
	return 0;
}

/* --- carrying it out --------------------------------------------------------- */

/* As if its asker had typed that; false: it was refused, or waits. */
static bool
give(struct request *q, const char *line, const char *manifest)
{
	struct request as = { .chat = q->chat, .room = q->room,
	    .sender = q->sender, .event = q->event, .source = q->source,
	    .answer = q->answer, .where = q->where, .tier = q->tier,
	    .human = q->human };
	char *what = NULL;
	struct err err;
	bool goes_on;

	if (q->subject != NULL)
		as.subject = xstrdup(q->subject);
	as.in.is_message = as.in.is_addressed = true;
	as.in.line = xstrdup(line);
	if (manifest != NULL) {
		as.in.manifest = xstrdup(manifest);
		as.in.looks = as.in.is_fenced = true;
	}
	if (words_split(line, &as.words, &err) == -1)
		say_wrong(&as, "%s", err.msg);
	else if (dispatch(&as, NULL, &what) != CHAT_DONE)
		say_wrong(&as, "That needs an answer from outside first.");
	goes_on = !as.is_refused && !as.is_waiting;
	q->is_answered |= as.is_answered;
	q->is_done |= request_acted(&as);
	free(what);
	request_release(&as);
	return goes_on;
}

/* All lines, before the first is carried out: are they for this one, here? */
static bool
are_all_open(struct request *q, const struct strv *lines)
{
	const struct command *step;
	const char *near;
	struct words w;
	struct err err;
	size_t used;

	for (size_t i = 0; i < lines->n; i++) {
		if (words_split(lines->v[i], &w, &err) == -1) {
			say_wrong(q, "%s", err.msg);
			return false;
		}
		step = commands_match(q->chat->commands, &w, &used, &near);
		words_release(&w);
		if (step == NULL || request_gate(q, step) != GATE_OPEN) {
			say_wrong(q, "Nothing was done: line %zu, \"%s\", is "
			    "not for you here, or not for this room.", i + 1,
			    lines->v[i]);
			return false;
		}
	}
	return true;
}

static void
run_lines(struct request *q, const struct strv *lines)
{
	size_t i;

	if (!are_all_open(q, lines))
		return;
	for (i = 0; i < lines->n; i++)
		if (!give(q, lines->v[i], NULL))
			break;
	if (i + 1 < lines->n)
		say_wrong(q, "I stopped at line %zu of %zu, \"%s\"; the rest "
		    "was not done.", i + 1, lines->n, lines->v[i]);
}

static void
run_template(struct request *q)
{
	const struct command *apply = commands_find(q->chat->commands,
	    "apply");
	struct err err;
	char *text;

	text = macro_manifest(q->command, &q->words.v, &err);
	if (text == NULL)
		say_wrong(q, "%s", err.msg);
	else if (apply == NULL || request_gate(q, apply) != GATE_OPEN)
		say_wrong(q, "Nothing was done: it applies a manifest, and "
		    "apply is not for you here, or not for this room.");
	else
		give(q, "apply", text);
	free(text);
}

void
cmd_macro(struct request *q)
{
	const struct command *c = q->command;
	struct strv lines = { 0 };
	struct err err;
	bool is_good = true;

	if (c->template != NULL) {
		run_template(q);
		return;
	}
	for (size_t i = 0; i < c->run.n && is_good; i++) {
		char *line = macro_line(c, c->run.v[i], &q->words.v, &err);

		is_good = line != NULL;
		if (is_good)
			strv_add(&lines, line);
		else
			say_wrong(q, "%s", err.msg);
		free(line);
	}
	if (is_good)
		run_lines(q, &lines);
	strv_release(&lines);
}

/* --- reload -------------------------------------------------------------------- */

struct commands *
chat_commands(const struct chat_config *cfg, struct err *e)
{
	struct commands *cs = commands_load(cfg->commands_dir,
	    handler_names(), e);

	if (cs == NULL || cfg->commands_extra == NULL ||
	    commands_more(cs, cfg->commands_extra, handler_names(), e) == 0)
		return cs;
	commands_free(cs);
	return NULL;
}

void
cmd_reload(struct request *q)
{
	struct chat *c = q->chat;
	struct commands *cs;
	struct text t = { 0 };
	struct err err;
	size_t macros = 0;

	if ((cs = chat_commands(&c->cfg, &err)) == NULL) {
		text_printf(&t, "Nothing was taken, the commands are as they "
		    "were. What is wrong:");
		text_pre(&t, NULL, err.msg);
		say(q, REPLY_REFUSED, &t);
		text_release(&t);
		return;
	}
	/* What this request points to goes with the next set but one. */
	commands_free(c->commands_before);
	c->commands_before = c->commands;
	c->commands = cs;
	if (c->cfg.reloaded != NULL)
		c->cfg.reloaded(c->cfg.arg);
	for (size_t i = 0; i < commands_n(cs); i++)
		macros += command_is_macro(commands_at(cs, i));
	text_printf(&t, "%zu commands, %zu of them macros.", commands_n(cs),
	    macros);
	say(q, REPLY_DONE, &t);
	text_release(&t);
}
