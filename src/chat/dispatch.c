/*
 * From words to a handler.  The tier is a property of the command's row and is
 * checked here, nowhere else; so are the flags and, for commands that work on
 * a manifest, that there is one: in the message, attached, or in the message
 * that it replies to.
 */
#include "chat-int.h"

#include <stdlib.h>
#include <string.h>

#include "hiclaw/log.h"

#include "cmd.h"
#include "invocation.h"

void
request_match(struct request *q, size_t *used, const char **near)
{
	q->command = commands_match(q->chat->commands, &q->words, used, near);
}

/* --- the manifest -------------------------------------------------------- */

static void
set_text(struct request *q, const char *text)
{
	q->manifest = repair_manifest(text, &q->repairs);
	q->manifest_len = strlen(q->manifest);
}

/*
 * Typed or pasted: what the keyboard did to it is undone.  Of an edit a client
 * may have rebuilt the text from what it showed; where that can be seen, what
 * is left may still be YAML, but not what was written.
 */
static void
set_typed(struct request *q, const struct input *in)
{
	const char *advice = in->edit_of != NULL && !in->is_fenced ?
	    repair_advice(in->manifest) : NULL;

	if (advice != NULL)
		say_wrong(q, "Nothing was applied. %s", advice);
	else
		set_text(q, in->manifest);
}

/*
 * A file, which may hold any byte: what is no text is for the decoder to
 * refuse.  People write files on phones, too; but how its lines end is the
 * matter of a program, and not worth a word.
 */
static void
set_file(struct request *q, const char *data, size_t len)
{
	size_t bad;
	char *text;

	if (memchr(data, '\0', len) == NULL && utf8_valid(data, len, &bad)) {
		text = input_lines(data, len);
		set_text(q, text);
		free(text);
		return;
	}
	q->manifest = xmalloc(len + 1);
	memcpy(q->manifest, data, len);
	q->manifest[len] = '\0';
	q->manifest_len = len;
}

/* An attachment: ask for its bytes, then take them. */
static enum chat_need
from_file(struct request *q, const struct input *in,
    const struct chat_fetched *fetched, char **what)
{
	if (in->is_encrypted_file || in->file_url[0] == '\0') {
		say_wrong(q, "The file %s is encrypted, and I cannot read it. "
		    "Send it in a room without encryption.", in->file_name);
		return CHAT_DONE;
	}
	if (fetched == NULL) {
		*what = xstrdup(in->file_url);
		return CHAT_NEEDS_MEDIA;
	}
	if (fetched->error != NULL)
		say_wrong(q, "The file %s could not be fetched: %s",
		    in->file_name, fetched->error);
	else
		set_file(q, fetched->data, fetched->len);
	return CHAT_DONE;
}

/* What an edited message says now: the server sends the newest edit along. */
static const struct json *
newest_version(const struct json *event)
{
	const struct json *edit = json_get(json_get(json_get(event,
	    "unsigned"), "m.relations"), "m.replace");

	return json_is(json_get(edit, "content"), JSON_OBJECT) ? edit : event;
}

static enum chat_need
from_replied(struct request *q, const struct json *event, char **what)
{
	struct input_names names = { q->chat->bot, q->chat->name };
	enum chat_need need = CHAT_DONE;
	struct input in;

	input_read(newest_version(event), &names, &in);
	invocation_take(q->chat->commands, &in);
	if (str_equal(json_str(event, "type"), "m.room.encrypted")) {
		say_wrong(q, "The message you reply to is encrypted, and I "
		    "cannot read it. Send its text in a room without "
		    "encryption.");
	} else if (in.manifest != NULL) {
		set_typed(q, &in);
	} else if (in.file_url != NULL) {
		/* Fetched next, and then it is the second thing we got. */
		map_set(q->chat->fetching, q->event, q->chat);
		need = from_file(q, &in, NULL, what);
	}
	input_release(&in);
	return need;
}

static enum chat_need
from_reply(struct request *q, const struct chat_fetched *fetched, char **what)
{
	struct json *event;
	enum chat_need need = CHAT_DONE;
	struct err err;

	if (fetched == NULL) {
		/* From the beginning, perhaps after a failure half-way. */
		map_remove(q->chat->fetching, q->event);
		*what = xstrdup(q->in.reply_to);
		return CHAT_NEEDS_EVENT;
	}
	if (map_remove(q->chat->fetching, q->event)) {
		if (fetched->error != NULL)
			say_wrong(q, "The file could not be fetched: %s",
			    fetched->error);
		else
			set_file(q, fetched->data, fetched->len);
		return CHAT_DONE;
	}
	if (fetched->error != NULL) {
		say_wrong(q, "The message you reply to could not be fetched: "
		    "%s", fetched->error);
		return CHAT_DONE;
	}
	event = json_parse(fetched->data, fetched->len, &err);
	if (event != NULL)
		need = from_replied(q, event, what);
	json_free(event);
	return need;
}

/* --- names of things ----------------------------------------------------- */

static int
read_kind(const char *word, size_t len, const struct kind **kind,
    struct err *e)
{
	char *name = xstrndup(word, len);
	int rc = 0;

	*kind = kind_find(name);
	if (*kind == NULL)
		rc = kind_wrong(name, e);
	free(name);
	return rc;
}

/* "delete bob": the kind is missing, and there is a bob. */
static void
kind_forgotten(struct chat *c, const char *name, struct err *e)
{
	const struct resources *rs = engine_resources(c->engine);
	const struct json *member;
	bool is_leader;

	for (const struct kind *k = kinds; k->name != NULL; k++)
		if (resources_find(rs, k, name) != NULL) {
			err_set(e, ERR_USER, "the kind is missing: \"%s "
			    "%.64s\"?", k->singular, name);
			return;
		}
	if (member_team(rs, name, &is_leader, &member) != NULL)
		err_set(e, ERR_USER, "the kind is missing: \"worker %.64s\"?",
		    name);
}

int
read_name(struct request *q, const struct strv *v, size_t *at,
    const struct kind **kind, const char **name, struct err *e)
{
	const char *slash;

	if (*at >= v->n)
		return err_set(e, ERR_USER, "a kind and a name are missing, "
		    "like worker alice");
	slash = strchr(v->v[*at], '/');
	if (slash != NULL) {
		if (read_kind(v->v[*at], (size_t)(slash - v->v[*at]), kind,
		    e) == -1)
			return -1;
		*name = slash + 1;
		(*at)++;
		return 0;
	}
	if (read_kind(v->v[*at], strlen(v->v[*at]), kind, e) == -1) {
		kind_forgotten(q->chat, v->v[*at], e);
		return -1;
	}
	if (*at + 1 >= v->n)
		return err_set(e, ERR_USER, "which %s? The name is missing",
		    (*kind)->singular);
	*name = v->v[*at + 1];
	*at += 2;
	return 0;
}

/* --- running a command --------------------------------------------------- */

struct json *
request_query(struct request *q, const char *kind, struct json *question)
{
	struct json *o, *answer = NULL;
	struct err err;

	if (q->fetched == NULL) {
		o = json_object();
		json_set_str(o, "kind", kind);
		json_set(o, "question", question);
		*q->what = json_canonical(o);
		q->need = CHAT_NEEDS_QUERY;
		json_free(o);
		return NULL;
	}
	json_free(question);
	if (q->fetched->error == NULL)
		answer = json_parse(q->fetched->data, q->fetched->len, &err);
	if (answer == NULL)
		say_wrong(q, "No answer: %s.", q->fetched->error != NULL ?
		    q->fetched->error : err.msg);
	return answer;
}

/* The command that a manifest without a command is for. */
static const struct command *
paste_command(struct request *q)
{
	return commands_find(q->chat->commands, "apply");
}

/*
 * Do the words fit what the command's file says?  What is named need not exist:
 * that is for the handler.  The words beside a manifest are for its handler too.
 */
static bool
are_arguments_good(struct request *q, struct err *e)
{
	const struct command *c = q->command;
	const struct strv *v = &q->words.v;

	if ((c->manifest && !command_is_macro(c)) ||
	    arguments_check(c, v, e) == 0)
		return true;
	if (v->n > 0 && c->arguments_n > 0 &&
	    c->arguments[0].type == ARG_RESOURCE)
		kind_forgotten(q->chat, v->v[0], e);
	return false;
}

static void
run_handler(struct request *q, size_t used)
{
	const struct command *c = q->command;
	struct err err;

	/* The command's file may ask for more than the rule, never for less. */
	if (q->tier == 0 || c->tier < q->tier ||
	    request_may(q, handlers[c->handler].verb, NULL, RISK_NONE, NULL,
	    0) == MAY_NOT) {
		people_refuse(q);
		return;
	}
	if (words_flags(&q->words, used, c->flags, c->flags_n, &err) == -1) {
		say_usage(q, err.msg);
		return;
	}
	request_about(q);
	if (!are_arguments_good(q, &err)) {
		say_usage(q, err.msg);
		return;
	}
	log_info("chat", "%s: %s: %s", q->room, q->sender, c->name);
	q->is_begun = true;
	handlers[c->handler].exec(q);
}

/* Its words did not begin with a command. */
static bool
no_command(struct request *q, const char *near)
{
	if (q->words.raw.n == 0 && (q->in.looks || q->in.file_url != NULL)) {
		q->command = paste_command(q);
		return false;
	}
	if (q->words.raw.n == 0 && q->in.is_addressed) {
		q->command = commands_find(q->chat->commands, "help");
		return q->command == NULL;
	}
	if (q->words.raw.n == 0 && q->in.line[0] == '\0')
		return true;
	/* Some words of explanation around a manifest: ask before applying. */
	if (q->words.raw.n > 1 && near == NULL &&
	    (q->in.looks || q->in.is_yaml_file)) {
		q->doubt = "The words beside the manifest are no command of "
		    "mine, so I ask.";
		q->command = paste_command(q);
		return false;
	}
	say_unknown(q, q->words.raw.n > 0 ? q->words.raw.v[0] : "...");
	return true;
}

/* True when the manifest is there, or it turned out that there is none. */
static bool
have_manifest(struct request *q, const struct chat_fetched *fetched,
    char **what, enum chat_need *need)
{
	const struct input *in = &q->in;

	*need = CHAT_DONE;
	if (in->manifest != NULL)
		set_typed(q, in);
	else if (in->file_url != NULL)
		*need = from_file(q, in, fetched, what);
	else if (in->reply_to != NULL)
		*need = from_reply(q, fetched, what);
	else
		return true;
	if (*need != CHAT_DONE)
		return false;
	/* If fetching failed, that was said. */
	return q->manifest != NULL || !q->is_answered;
}

/* A .txt or .json file that nobody spoke to us about is only a file. */
static bool
is_just_a_file(const struct request *q)
{
	return q->in.file_url != NULL && !q->in.is_yaml_file &&
	    !q->in.is_addressed && q->words.raw.n == 0 &&
	    !input_looks(q->manifest);
}

enum chat_need
dispatch(struct request *q, const struct chat_fetched *fetched, char **what)
{
	enum chat_need need;
	const char *near = NULL;
	size_t used = 0;

	if (q->words.raw.n == 0 && strlen(q->in.line) > LINE_MAX_BYTES) {
		say_wrong(q, "That line is too long for a command, and I see "
		    "no manifest in it.");
		return CHAT_DONE;
	}
	request_match(q, &used, &near);
	if (q->command == NULL && no_command(q, near))
		return CHAT_DONE;
	if (used == 0)
		used = q->words.raw.n;
	if (q->command->manifest) {
		if (!have_manifest(q, fetched, what, &need))
			return need;
		if (q->manifest != NULL && is_just_a_file(q))
			return CHAT_DONE;
		pasted_manifest(q);
	} else
		q->fetched = fetched;
	q->what = what;
	run_handler(q, used);
	return q->need;
}
