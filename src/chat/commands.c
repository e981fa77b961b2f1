/*
 * The registry of commands, read once from commands/ when chat starts.  The
 * dispatcher (dispatch.c) checks a command's tier before it calls the handler,
 * so a handler never has to.
 */
#include "commands.h"

#include <stdlib.h>
#include <string.h>

#include "hiclaw/api.h"
#include "hiclaw/file.h"


#define COMMAND_FILE_MAX	16384	/* bytes: a page of help fits ten times */
#define COMMANDS_MAX		200	/* more nobody can choose from */
#define NAME_WORDS_MAX		4
#define MACRO			"macro"	/* the handler of those */

struct commands {
	struct command	**v;
	size_t		  n;
	struct map	 *by_word;	/* name or alias -> command */
	struct strv	  words;	/* for the nearest spelling */
};

static const char *const where_names[WHERES] = {
	[IN_NONE] = "none", [IN_ADMIN] = "admin", [IN_DM] = "dm",
	[IN_GUEST] = "guest", [IN_TEAM] = "team", [IN_LEADER] = "leader",
	[IN_WORKER] = "worker", [IN_MANAGER] = "manager", [IN_OTHER] = "other",
};
#define ROOMS_DEFAULT	(1u << IN_ADMIN | 1u << IN_DM | 1u << IN_GUEST)
/* The lowest tier that is heard there at all. */
static const int where_tiers[WHERES] = {
	[IN_ADMIN] = 1, [IN_DM] = 3, [IN_GUEST] = 1, [IN_TEAM] = 3,
	[IN_LEADER] = 3, [IN_WORKER] = 3, [IN_MANAGER] = 3,
};
static const char *const rooms[] = { "admin", "dm", "guest", "team", "leader",
	"worker", "manager", NULL };
static const char *const abouts[] = { [ABOUT_NOTHING] = "nothing",
	[ABOUT_AGENT] = "agent", [ABOUT_AGENTS] = "agents",
	[ABOUT_RESOURCE] = "resource", NULL };
static const char *const risks[] = { "none", "change", "delete", NULL };

#define WORD_PATTERN	"[a-z0-9?-]{1,24}( [a-z0-9-]{1,24}){0,3}"

static const struct field flag_rows[] = {
	{ .name = "name", .type = FIELD_STRING, .required = true,
	    .pattern = "[a-z][a-z-]{0,23}", .help = "written --name" },
	{ .name = "letter", .type = FIELD_STRING, .pattern = "[a-z]",
	    .help = "written -l" },
	{ .name = "value", .type = FIELD_BOOL, .help = "takes a value" },
	{ .name = "help", .type = FIELD_STRING, .required = true },
	{ .name = NULL }
};

static const struct field argument_rows[] = {
	{ .name = "name", .type = FIELD_STRING, .required = true,
	    .pattern = "[a-z][a-z0-9_]{0,23}",
	    .help = "what it is called in {{...}}" },
	{ .name = "type", .type = FIELD_STRING, .required = true,
	    .values = argument_types, .help = "what it may be" },
	{ .name = "required", .type = FIELD_BOOL,
	    .help = "is missed when it is not there" },
	{ .name = "many", .type = FIELD_BOOL, .help = "may be several" },
	{ .name = "values", .type = FIELD_LIST, .item = FIELD_STRING,
	    .help = "nothing but these words" },
	{ .name = "after", .type = FIELD_STRING, .pattern = "[a-z-]{1,24}",
	    .help = "the word in front of it" },
	{ .name = "help", .type = FIELD_STRING, .help = "one line" },
	{ .name = NULL }
};

static const struct field command_rows[] = {
	{ .name = "name", .type = FIELD_STRING, .required = true,
	    .pattern = WORD_PATTERN, .help = "what people type" },
	{ .name = "aliases", .type = FIELD_LIST, .item = FIELD_STRING,
	    .pattern = WORD_PATTERN, .help = "other words for it" },
	{ .name = "usage", .type = FIELD_STRING, .required = true },
	{ .name = "summary", .type = FIELD_STRING, .required = true,
	    .max = 60, .help = "one line, for the list" },
	{ .name = "group", .type = FIELD_STRING, .required = true,
	    .help = "heading in the list" },
	{ .name = "tier", .type = FIELD_INT, .required = true, .min = 1,
	    .max = 3, .help = "lowest tier that may use it" },
	{ .name = "risk", .type = FIELD_STRING, .values = risks,
	    .help = "what it can do at worst" },
	{ .name = "handler", .type = FIELD_STRING,
	    .help = "what of the program it does" },
	{ .name = "run", .type = FIELD_LIST, .item = FIELD_STRING,
	    .max = MACRO_STEPS_MAX, .help = "or: these commands, in order" },
	{ .name = "template", .type = FIELD_TEXT,
	    .help = "or: apply this manifest" },
	{ .name = "arguments", .type = FIELD_LIST, .item = FIELD_OBJECT,
	    .fields = argument_rows, .max = ARGUMENTS_MAX,
	    .help = "what follows the name, in order" },
	{ .name = "manifest", .type = FIELD_BOOL,
	    .help = "works on a manifest in the message" },
	{ .name = "reply", .type = FIELD_BOOL,
	    .help = "alone in a reply it needs no address" },
	{ .name = "rooms", .type = FIELD_LIST, .item = FIELD_STRING,
	    .values = rooms, .help = "where it may be given" },
	{ .name = "about", .type = FIELD_STRING, .values = abouts,
	    .help = "what it is about when a room says so" },
	{ .name = "help", .type = FIELD_TEXT },
	{ .name = "examples", .type = FIELD_LIST, .item = FIELD_STRING },
	{ .name = "flags", .type = FIELD_LIST, .item = FIELD_OBJECT,
	    .fields = flag_rows },
	{ .name = NULL }
};

static void
command_free(struct command *c)
{
	if (c == NULL)
		return;
	for (size_t i = 0; i < c->flags_n; i++)
		free(c->flags[i].name);
	free(c->flags);
	for (size_t i = 0; i < c->arguments_n; i++) {
		free(c->arguments[i].name);
		free(c->arguments[i].help);
		free(c->arguments[i].after);
		strv_release(&c->arguments[i].values);
	}
	free(c->arguments);
	strv_release(&c->run);
	free(c->template);
	free(c->text);
	strv_release(&c->flags_help);
	strv_release(&c->aliases);
	strv_release(&c->examples);
	free(c->file);
	free(c->name);
	free(c->usage);
	free(c->summary);
	free(c->help);
	free(c->group);
	free(c->risk);
	free(c);
}

void
commands_free(struct commands *cs)
{
	if (cs == NULL)
		return;
	for (size_t i = 0; i < cs->n; i++)
		command_free(cs->v[i]);
	free(cs->v);
	map_free(cs->by_word);
	strv_release(&cs->words);
	free(cs);
}

static void
read_list(struct strv *out, const struct json *list)
{
	const struct json *v;

	for (v = json_first(list); v != NULL; v = json_next(v))
		if (json_value_str(v) != NULL)
			strv_add(out, json_value_str(v));
}

static void
read_flags(struct command *c, const struct json *list)
{
	const struct json *v;
	const char *letter;
	struct flag *f;

	c->flags = xcalloc(json_size(list) + 1, sizeof *c->flags);
	for (v = json_first(list); v != NULL; v = json_next(v)) {
		f = &c->flags[c->flags_n++];
		f->name = xstrdup(json_strd(v, "name", "?"));
		letter = json_strd(v, "letter", "");
		f->letter = letter[0];
		f->has_value = json_bool(v, "value", false);
		strv_add(&c->flags_help, json_strd(v, "help", ""));
	}
}

static enum argument_type
type_of(const char *word)
{
	size_t i = 0;

	while (argument_types[i + 1] != NULL &&
	    strcmp(argument_types[i], word) != 0)
		i++;
	return (enum argument_type)i;
}

static void
read_arguments(struct command *c, const struct json *list)
{
	const struct json *v;
	struct argument *a;

	c->arguments = xcalloc(json_size(list) + 1, sizeof *c->arguments);
	for (v = json_first(list); v != NULL; v = json_next(v)) {
		a = &c->arguments[c->arguments_n++];
		a->name = xstrdup(json_strd(v, "name", "?"));
		a->help = xstrdup(json_strd(v, "help", ""));
		a->type = type_of(json_strd(v, "type", "string"));
		if (json_str(v, "after") != NULL)
			a->after = xstrdup(json_str(v, "after"));
		read_list(&a->values, json_get(v, "values"));
		a->required = json_bool(v, "required", false);
		a->many = json_bool(v, "many", false);
	}
}

static unsigned
read_rooms(const struct json *list)
{
	const struct json *v = json_first(list);
	unsigned bits = 0;

	for (; v != NULL; v = json_next(v))
		for (int w = 0; w < WHERES; w++)
			if (str_equal(json_value_str(v), where_names[w]))
				bits |= 1u << w;
	return bits != 0 ? bits : ROOMS_DEFAULT;
}

static enum about
read_about(const char *word)
{
	int i = ABOUT_RESOURCE;

	while (i > ABOUT_NOTHING && !str_equal(word, abouts[i]))
		i--;
	return (enum about)i;
}

static struct command *
command_read(const struct json *o, const char *file)
{
	struct command *c = xcalloc(1, sizeof *c);

	c->file = xstrdup(file);
	c->name = xstrdup(json_strd(o, "name", ""));
	c->usage = xstrdup(json_strd(o, "usage", ""));
	c->summary = xstrdup(json_strd(o, "summary", ""));
	c->help = xstrdup(json_strd(o, "help", ""));
	c->group = xstrdup(json_strd(o, "group", ""));
	c->risk = xstrdup(json_strd(o, "risk", "none"));
	c->tier = (int)json_int(o, "tier", 1);
	c->manifest = json_bool(o, "manifest", false);
	c->reply = c->manifest || json_bool(o, "reply", false);
	read_list(&c->aliases, json_get(o, "aliases"));
	read_list(&c->examples, json_get(o, "examples"));
	read_flags(c, json_get(o, "flags"));
	read_arguments(c, json_get(o, "arguments"));
	read_list(&c->run, json_get(o, "run"));
	if (json_str(o, "template") != NULL)
		c->template = xstrdup(json_str(o, "template"));
	c->rooms = read_rooms(json_get(o, "rooms"));
	c->about = read_about(json_str(o, "about"));
	return c;
}

/* "file:line:column: ..." of a key of the file. */
static int
wrong_at(const struct command *c, const char *text, const char *key,
    struct err *e, const char *what)
{
	char *start = xasprintf("\n%s:", key);
	int line, column;

	if (str_starts(text, start + 1)) {
		line = column = 1;
	} else {
		position_of(text, start, &line, &column);
		/* Found at the end of the line before. */
		line += strstr(text, start) != NULL;
		column = 1;
	}
	free(start);
	return err_set(e, ERR_BROKEN, "%s:%d:%d: %s", c->file, line, column,
	    what);
}

static int
find_handler(struct command *c, const char *handler, const char *text,
    const char *const *handlers, struct err *e)
{
	const char *near;
	char *what;
	int rc;

	for (size_t i = 0; handlers[i] != NULL; i++)
		if (strcmp(handlers[i], handler) == 0) {
			c->handler = i;
			return 0;
		}
	near = str_nearest(handler, handlers);
	what = xasprintf("no handler \"%.60s\"%s%s%s", handler,
	    near != NULL ? "; did you mean \"" : "",
	    near != NULL ? near : "", near != NULL ? "\"?" : "");
	rc = wrong_at(c, text, "handler", e, what);
	free(what);
	return rc;
}

/* One of three: a handler, lines, a manifest. */
static int
find_deed(struct command *c, const struct json *o, const char *text,
    const char *const *handlers, struct err *e)
{
	const char *handler = json_str(o, "handler");
	int n = (handler != NULL) + (c->run.n > 0) + (c->template != NULL);

	if (n == 0)
		return wrong_at(c, text, "name", e, "it does nothing: it needs "
		    "a handler, run or template");
	if (n > 1)
		return wrong_at(c, text, handler != NULL ? "handler" :
		    "template", e, "handler, run and template: only one of "
		    "these");
	if (handler != NULL && strcmp(handler, MACRO) == 0)
		return wrong_at(c, text, "handler", e, "a macro has run or "
		    "template instead");
	if (handler == NULL)
		c->text = xstrdup(text);
	return find_handler(c, handler != NULL ? handler : MACRO, text,
	    handlers, e);
}

static int
add_word(struct commands *cs, struct command *c, const char *key,
    const char *word, const char *text, struct err *e)
{
	const struct command *other = map_find(cs->by_word, word);
	char *what;
	int rc;

	if (other != NULL) {
		what = xasprintf("\"%s\" is taken by %s", word, other->file);
		rc = wrong_at(c, text, key, e, what);
		free(what);
		return rc;
	}
	map_set(cs->by_word, word, c);
	strv_add(&cs->words, word);
	return 0;
}

static int
wrong_file(const char *file, const struct problems *problems, struct err *e)
{
	const struct problem *p = NULL;

	for (size_t i = 0; i < problems->n && p == NULL; i++)
		if (!problems->v[i].is_warning)
			p = &problems->v[i];
	if (p == NULL)
		return err_set(e, ERR_BROKEN, "%s: cannot be read", file);
	return err_set(e, ERR_BROKEN, "%s:%d:%d: %s%s%s", file, p->line,
	    p->column, p->path != NULL ? p->path : "",
	    p->path != NULL ? ": " : "", p->what);
}

int
commands_add(struct commands *cs, const char *file, const char *text,
    const char *const *handlers, struct err *e)
{
	struct problems problems = { 0 };
	struct json *o;
	struct command *c;
	int rc;

	if (cs->n == COMMANDS_MAX)
		return err_set(e, ERR_BROKEN, "%s: more than %d commands",
		    file, COMMANDS_MAX);
	o = table_decode(command_rows, text, strlen(text), &problems);
	if (o == NULL) {
		wrong_file(file, &problems, e);
		problems_release(&problems);
		return -1;
	}
	c = command_read(o, file);
	cs->v = xreallocarray(cs->v, cs->n + 1, sizeof *cs->v);
	cs->v[cs->n++] = c;
	rc = find_deed(c, o, text, handlers, e);
	if (rc == 0)
		rc = add_word(cs, c, "name", c->name, text, e);
	for (size_t i = 0; rc == 0 && i < c->aliases.n; i++)
		rc = add_word(cs, c, "aliases", c->aliases.v[i], text, e);
	json_free(o);
	problems_release(&problems);
	return rc;
}

static int
add_file(struct commands *cs, const char *dir, const char *name,
    const char *const *handlers, struct err *e)
{
	char *path = xasprintf("%s/%s", dir, name);
	char *text = file_read(path, COMMAND_FILE_MAX, e);
	int rc = -1;

	if (text != NULL)
		rc = commands_add(cs, path, text, handlers, e);
	free(text);
	free(path);
	return rc;
}

/* What people look for first stands first; an operator's own groups between. */
static int
group_rank(const char *group)
{
	static const char *const first[] = { "Look", "Change" };

	for (size_t i = 0; i < NELEM(first); i++)
		if (strcmp(group, first[i]) == 0)
			return (int)i;
	return (int)NELEM(first) + (strcmp(group, "About") == 0);
}

static int
command_cmp(const void *a, const void *b)
{
	const struct command *x = *(struct command *const *)a;
	const struct command *y = *(struct command *const *)b;
	int d = group_rank(x->group) - group_rank(y->group);

	if (d == 0)
		d = strcmp(x->group, y->group);
	return d != 0 ? d : strcmp(x->name, y->name);
}

int
commands_check(struct commands *cs, const char *const *handlers,
    struct err *e)
{
	for (size_t i = 0; i < cs->n; i++)
		if (command_is_macro(cs->v[i]) &&
		    macro_check(cs, cs->v[i], handlers, e) == -1)
			return -1;
	if (cs->n > 0)
		qsort(cs->v, cs->n, sizeof *cs->v, command_cmp);
	return 0;
}

int
commands_more(struct commands *cs, const char *dir,
    const char *const *handlers, struct err *e)
{
	struct strv names = { 0 };
	int rc = dir_list(dir, ".yaml", &names, e);

	for (size_t i = 0; rc == 0 && i < names.n; i++)
		rc = add_file(cs, dir, names.v[i], handlers, e);
	strv_release(&names);
	return rc == 0 ? commands_check(cs, handlers, e) : -1;
}

struct commands *
commands_empty(void)
{
	struct commands *cs = xcalloc(1, sizeof *cs);

	cs->by_word = map_new(NULL);
	return cs;
}

struct commands *
commands_load(const char *dir, const char *const *handlers, struct err *e)
{
	struct commands *cs = commands_empty();
	int rc;

	rc = commands_more(cs, dir, handlers, e);
	if (rc == 0 && cs->n == 0)
		rc = err_set(e, ERR_BROKEN, "%s: no command in it", dir);
	if (rc == 0)
		return cs;
	commands_free(cs);
	return NULL;
}

const char *
where_name(enum where w)
{
	return where_names[w];
}

bool
command_acts(const struct command *c)
{
	return c->risk != NULL && strcmp(c->risk, "none") != 0;
}

enum gate
command_gate(const struct command *c, int needs, int tier, enum where where)
{
	if (tier == 0)
		return GATE_NOBODY;
	if (where_tiers[where] == 0 || (c->rooms & 1u << where) == 0)
		return GATE_ROOM;
	return c->tier < tier || needs < tier || where_tiers[where] < tier ?
	    GATE_TIER : GATE_OPEN;
}

size_t
commands_n(const struct commands *cs)
{
	return cs->n;
}

const struct command *
commands_at(const struct commands *cs, size_t i)
{
	return cs->v[i];
}

const struct command *
commands_find(const struct commands *cs, const char *name)
{
	char *low = xstrdup(name);
	const struct command *c;

	str_lower(low);
	c = map_find(cs->by_word, low);
	free(low);
	return c;
}

const struct command *
commands_match(const struct commands *cs, const struct words *w, size_t *used,
    const char **near)
{
	size_t n = w->raw.n < NAME_WORDS_MAX ? w->raw.n : NAME_WORDS_MAX;
	const struct command *c;

	*near = NULL;
	for (; n > 0; n--) {
		struct buf b = { 0 };

		for (size_t i = 0; i < n; i++)
			buf_printf(&b, "%s%s", i > 0 ? " " : "", w->raw.v[i]);
		c = commands_find(cs, buf_str(&b));
		buf_release(&b);
		if (c != NULL) {
			*used = n;
			return c;
		}
	}
	if (w->raw.n > 0)
		*near = str_nearest(w->raw.v[0],
		    (const char *const *)cs->words.v);
	return NULL;
}
