/*
 * One row of the registry, told to programs.  The types of arguments are ours and
 * finer than the MSC's: those that it does not have are strings, and are checked
 * when they come back.
 */
#include "invocation.h"

#include <stdlib.h>
#include <string.h>

#include "chat-int.h"
#include "hiclaw/secure.h"

#define MANIFEST_KEY	"manifest"
#define MANIFEST_HELP	"as YAML; or reply to a message that has it"

/* --- descriptions ------------------------------------------------------------ */

static void
put_text(struct json *o, const char *text)
{
	struct json *part = json_object();

	json_set_str(part, "body", text);
	json_push(json_set(json_obj(o, "description"), "m.text",
	    json_array()), part);
}

static struct json *
primitive(const char *type)
{
	struct json *o = json_object();

	json_set_str(o, "schema_type", "primitive");
	json_set_str(o, "type", type);
	return o;
}

static void
put_literal(struct json *variants, const char *word)
{
	struct json *o = json_push(variants, json_object());

	json_set_str(o, "schema_type", "literal");
	json_set_str(o, "literal_type", "string");
	json_set_str(o, "value", word);
}

static struct json *
choice(struct json **variants)
{
	struct json *o = json_object();

	json_set_str(o, "schema_type", "union");
	*variants = json_set(o, "variants", json_array());
	return o;
}

static struct json *
schema_of(const struct argument *a)
{
	struct json *o, *variants;

	if (a->values.n > 0) {
		o = choice(&variants);
		for (size_t i = 0; i < a->values.n; i++)
			put_literal(variants, a->values.v[i]);
		return o;
	}
	switch (a->type) {
	case ARG_INT:
	case ARG_NUMBER:
		return primitive("integer");
	case ARG_BOOL:
		return primitive("boolean");
	case ARG_KIND:
		o = choice(&variants);
		for (const struct kind *k = kinds; k->name != NULL; k++)
			put_literal(variants, k->singular);
		put_literal(variants, "all");
		return o;
	default:
		return primitive("string");
	}
}

static struct json *
add_parameter(struct json *list, const char *key, struct json *schema,
    const char *help, bool is_optional)
{
	struct json *o = json_push(list, json_object());

	json_set_str(o, "key", key);
	json_set(o, "schema", schema);
	if (help[0] != '\0')
		put_text(o, help);
	if (is_optional)
		json_set_bool(o, "optional", true);
	return o;
}

static void
add_argument(struct json *list, const struct argument *a)
{
	struct json *schema = schema_of(a), *array;

	if (a->many) {
		array = json_object();
		json_set_str(array, "schema_type", "array");
		json_set(array, "items", schema);
		schema = array;
	}
	add_parameter(list, a->name, schema, a->help, !a->required);
}

struct json *
command_description(const struct command *c)
{
	struct json *o = json_object();
	struct json *list = json_set(o, "parameters", json_array());

	json_set_str(o, "command", c->name);
	put_text(o, c->summary);
	for (size_t i = 0; i < c->arguments_n; i++)
		add_argument(list, &c->arguments[i]);
	if (c->manifest)
		add_parameter(list, MANIFEST_KEY, primitive("string"),
		    MANIFEST_HELP, true);
	for (size_t i = 0; i < c->flags_n; i++)
		add_parameter(list, c->flags[i].name, primitive(
		    c->flags[i].has_value ? "string" : "boolean"),
		    c->flags_help.v[i], true);
	return o;
}

char *
command_state_key(const struct command *c, const char *owner)
{
	char *whole = xasprintf("%s%s", c->name, owner), *key;

	key = sha256_base64(whole, strlen(whole));
	free(whole);
	return key;
}

struct json *
chat_descriptions(const struct chat *c)
{
	struct json *all = json_object();

	for (size_t i = 0; i < commands_n(c->commands); i++) {
		const struct command *cmd = commands_at(c->commands, i);
		char *key;

		if ((cmd->rooms & 1u << IN_ADMIN) == 0)
			continue;
		key = command_state_key(cmd, c->bot);
		json_set(all, key, command_description(cmd));
		free(key);
	}
	return all;
}

struct json *
chat_descriptions_due(const struct json *wanted, const struct json *state,
    const char *sender)
{
	struct json *due = json_copy(wanted);
	const struct json *e, *want, *have;
	const char *key;

	for (e = json_first(state); e != NULL; e = json_next(e)) {
		key = json_str(e, "state_key");
		if (key == NULL || !str_equal(json_str(e, "sender"), sender) ||
		    !str_equal(json_str(e, "type"), COMMAND_DESCRIPTION_TYPE))
			continue;
		want = json_get(wanted, key);
		have = json_get(e, "content");
		if (want != NULL && json_equal(want, have))
			json_remove(due, key);
		else if (want == NULL && json_size(have) > 0)
			json_set(due, key, json_object());
	}
	return due;
}

/* --- invocations ------------------------------------------------------------- */

/* A line on its way: flags stand in front of what is between them and arguments. */
struct line { struct buf flags, arguments; bool has_dash; };

/* A value as it would be typed; yours. */
static char *
typed(const struct json *v)
{
	if (json_value_str(v) != NULL)
		return xstrdup(json_value_str(v));
	return json_canonical(v);	/* 7, true; or what fits nowhere */
}

static void
put_word(const char *word, struct line *l)
{
	l->has_dash |= dash_len(word) > 0;
	words_put(word, &l->arguments);
}

/* Values of these types may be of several words. */
static bool
is_of_words(enum argument_type type)
{
	return type == ARG_AGENT || type == ARG_RESOURCE ||
	    type == ARG_SUBJECT || type == ARG_ROOM || type == ARG_WORDS;
}

/* Its words are its own: a quote that is open ends with it. */
static void
put_value(const struct argument *a, const struct json *v, struct line *l)
{
	char *text = typed(v);
	struct words w;
	struct err err;

	if (is_of_words(a->type) && words_split(text, &w, &err) == 0) {
		for (size_t i = 0; i < w.raw.n; i++)
			put_word(w.raw.v[i], l);
		words_release(&w);
	} else
		put_word(text, l);
	free(text);
}

static void
put_argument(const struct argument *a, const struct json *v, struct line *l)
{
	const struct json *item;

	if (v == NULL || json_is(v, JSON_NULL) ||
	    str_equal(json_value_str(v), ""))
		return;
	if (a->after != NULL)
		put_word(a->after, l);
	if (!a->many || !json_is(v, JSON_ARRAY)) {
		put_value(a, v, l);
		return;
	}
	for (item = json_first(v); item != NULL; item = json_next(item))
		put_value(a, item, l);
}

static bool
is_argument(const struct command *c, const char *key)
{
	for (size_t i = 0; i < c->arguments_n; i++)
		if (strcmp(c->arguments[i].name, key) == 0)
			return true;
	return false;
}

static bool
is_flag(const struct command *c, const char *key)
{
	for (size_t i = 0; i < c->flags_n; i++)
		if (strcmp(c->flags[i].name, key) == 0)
			return true;
	return false;
}

/* True and false say whether it is given; else it is its value.  What is none of
 * ours is given in any case. */
static void
put_flag(const struct command *c, const struct json *v, struct line *l)
{
	const char *key = json_key(v);
	bool is_ours = is_flag(c, key);
	struct buf value = { 0 };
	char *text;

	if (is_ours && (json_is(v, JSON_NULL) || (json_is(v, JSON_BOOL) &&
	    !json_value_bool(v, false))))
		return;
	if (is_ours && json_is(v, JSON_BOOL)) {
		buf_printf(&l->flags, " --%s", key);
		return;
	}
	text = typed(v);
	if (is_ours) {
		words_put(text, &value);
		buf_printf(&l->flags, " --%s=%s", key, buf_str(&value));
	} else {
		buf_printf(&value, "--%s=%s", key, text);
		buf_puts(&l->flags, " ");
		words_put(buf_str(&value), &l->flags);
	}
	buf_release(&value);
	free(text);
}

static void
put_all(const struct command *c, const struct json *arguments, struct line *l)
{
	const struct json *v = json_first(arguments);

	for (; v != NULL; v = json_next(v))
		if (!is_argument(c, json_key(v)) && !(c->manifest &&
		    strcmp(json_key(v), MANIFEST_KEY) == 0 &&
		    json_is(v, JSON_STRING)))
			put_flag(c, v, l);
	for (size_t i = 0; i < c->arguments_n; i++)
		put_argument(&c->arguments[i], json_get(arguments,
		    c->arguments[i].name), l);
}

char *
invocation_line(const struct commands *cs, const struct json *invocation,
    const char **manifest)
{
	const char *name = json_strd(invocation, "command", "");
	const struct json *arguments = json_get(invocation, "arguments");
	const struct command *c = commands_find(cs, name);
	struct line l = { .has_dash = false };
	char *line;

	*manifest = NULL;
	if (c != NULL && json_is(arguments, JSON_OBJECT)) {
		put_all(c, arguments, &l);
		if (c->manifest)
			*manifest = json_str(arguments, MANIFEST_KEY);
	}
	/* One that we do not have is one word, and no answer like "yes". */
	line = xasprintf(c != NULL ? "%s%s%s%s%s" : "\"%s\"%s%s%s%s", name,
	    buf_str(&l.flags), l.has_dash ? " --" : "", l.arguments.len > 0 ? " " : "",
	    buf_str(&l.arguments));
	for (char *p = line; *p != '\0'; p++)
		if ((unsigned char)*p < ' ')
			*p = ' ';
	buf_release(&l.flags);
	buf_release(&l.arguments);
	return line;
}

void
invocation_take(const struct commands *cs, struct input *in)
{
	const char *manifest;
	char *text;

	if (in->invocation == NULL)
		return;
	in->is_addressed = true;
	free(in->line);
	in->line = invocation_line(cs, in->invocation, &manifest);
	free(in->manifest);
	in->manifest = NULL;
	in->is_fenced = in->looks = false;
	if (manifest == NULL)
		return;
	/* As it would be in a block. */
	text = input_lines(manifest, strlen(manifest));
	in->manifest = xasprintf("%s%s", text, str_ends(text, "\n") ? "" :
	    "\n");
	in->is_fenced = true;
	in->looks = input_looks(in->manifest);
	free(text);
}
