/*
 * The input pipeline, in this order: an edit stands for its new content; the
 * quoted message of a reply goes, from the text and from the HTML; mentions in
 * the command line become the ids they stand for; our name in front goes; then
 * the manifest is looked for in a fence, in bare text, in the HTML, in an
 * attachment.  What remains in front of it is the command line.
 *
 * Manifests come from `body`, because there the indentation is as typed; only
 * when it holds none is the HTML of a code block read.
 */
#include "input.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "hiclaw/api.h"

#include "html.h"
#include "invocation.h"
#include "words.h"

static size_t
line_len(const char *s)
{
	return strcspn(s, "\n");
}

static const char *
next_line(const char *s)
{
	s += line_len(s);
	return *s == '\n' ? s + 1 : s;
}

static const char *
skip_blanks(const char *s)
{
	size_t n;

	while (*s != '\n' && (n = blank_len(s)) > 0)
		s += n;
	return s;
}

char *
input_lines(const char *text, size_t len)
{
	struct buf b = { 0 };
	size_t i = len >= 3 && str_starts(text, "\xef\xbb\xbf") ? 3 : 0;

	for (; i < len; i++) {
		if (text[i] != '\r')
			buf_putc(&b, text[i]);
		else if (i + 1 == len || text[i + 1] != '\n')
			buf_putc(&b, '\n');
	}
	return buf_take(&b);
}

/* --- reply fallback and address ------------------------------------------ */

/* The lines "> ..." that old clients put in front of a reply. */
static const char *
skip_fallback(const char *s)
{
	if (!str_starts(s, "> "))
		return s;
	while (*s == '>')
		s = next_line(s);
	while (*s == '\n')
		s++;
	return s;
}

/* What may stand between a name and the command. */
static const char *
skip_after_name(const char *s)
{
	s = skip_blanks(s);
	if (*s == ':' || *s == ',')
		s = skip_blanks(s + 1);
	return s;
}

static bool
ends_name(const char *s)
{
	return *s == '\0' || *s == ':' || *s == ',' || *s == '\n' ||
	    blank_len(s) > 0;
}

/* At p, case aside: the word, and not the beginning of a longer one? */
static const char *
after_word(const char *p, const char *word)
{
	size_t n = strlen(word);

	if (strncasecmp(p, word, n) != 0 || !ends_name(p + n))
		return NULL;
	return p + n;
}

/* Does the message mention us, by HTML or by m.mentions? */
static bool
is_mentioned(const struct json *content, const char *html, const char *user)
{
	const struct json *id;

	id = json_first(json_get(json_get(content, "m.mentions"), "user_ids"));
	for (; id != NULL; id = json_next(id))
		if (str_equal(json_value_str(id), user))
			return true;
	return html != NULL && html_mentions(html, user);
}

/* Behind our name if the text begins with it, else NULL. */
static const char *
after_address(const char *s, const struct json *content, const char *html,
    const struct input_names *names)
{
	const char *p, *colon = strchr(names->user, ':');
	char *local = xstrndup(names->user, colon != NULL ?
	    (size_t)(colon - names->user) : strlen(names->user));
	char *bang = xasprintf("!%s", names->name);

	s = skip_blanks(s);
	p = NULL;
	if (strncasecmp(s, names->user, strlen(names->user)) == 0 &&
	    ends_name(s + strlen(names->user)))
		p = s + strlen(names->user);
	if (p == NULL && ((p = after_word(s, local)) != NULL ||
	    (p = after_word(s, bang)) != NULL)) {
		/* "@hiclaw:other.org" is somebody else. */
		if (*p == ':' && isalnum((unsigned char)p[1]))
			p = NULL;
	}
	if (p == NULL && (p = after_word(s, names->name)) != NULL &&
	    *p != ':' && *p != ',' && !is_mentioned(content, html,
	    names->user))
		p = NULL;
	free(local);
	free(bang);
	return p == NULL ? NULL : skip_after_name(p);
}

/* --- finding the manifest ------------------------------------------------ */

/* A line of three or more backticks or tildes, as CommonMark has it. */
struct fence { char mark; size_t len; const char *info; };

#define FENCE_INDENT	3	/* columns; deeper it is text in a fence */

static bool
fence_at(const char *line, struct fence *f)
{
	size_t n, column = 0;

	for (; (n = blank_len(line)) > 0 && *line != '\n'; line += n)
		column += *line == '\t' ? FENCE_INDENT + 1 : 1;
	if (column > FENCE_INDENT || (*line != '`' && *line != '~'))
		return false;
	f->mark = *line;
	f->len = strspn(line, *line == '`' ? "`" : "~");
	f->info = line + f->len;
	return f->len >= 3;
}

/* The same at the end of a line of words: "apply ```yaml". */
static const char *
fence_behind(const char *line, struct fence *f)
{
	const char *end = line + line_len(line), *p;

	while (end > line && (isspace((unsigned char)end[-1]) ||
	    isalpha((unsigned char)end[-1])))
		end--;
	for (p = end; p > line && p[-1] == '`'; p--)
		;
	if (end - p < 3 || p == line || memchr(line, '`',
	    (size_t)(p - line)) != NULL)
		return NULL;
	*f = (struct fence){ .mark = '`', .len = (size_t)(end - p),
	    .info = end };
	return p;
}

static bool
closes(const char *line, const struct fence *open)
{
	struct fence f;

	if (!fence_at(line, &f) || f.mark != open->mark || f.len < open->len)
		return false;
	f.info = skip_blanks(f.info);
	return *f.info == '\n' || *f.info == '\0';
}

/* The lines of one block, up to its end or that of the text. */
static const char *
take_block(const char *line, const struct fence *open, struct buf *b)
{
	for (; *line != '\0'; line = next_line(line)) {
		if (closes(line, open))
			return next_line(line);
		buf_add(b, line, line_len(line));
		buf_putc(b, '\n');
	}
	return line;
}

/*
 * The fenced blocks of the text; several are documents of one manifest.  An
 * open fence ends with the text.  *before, *after get where the first begins
 * and what follows the last.
 */
static char *
fenced(const char *s, const char **before, const char **after)
{
	struct buf b = { 0 };
	const char *line = s, *begin;
	struct fence f;
	size_t blocks = 0;

	*before = *after = NULL;
	while (*line != '\0') {
		begin = fence_at(line, &f) ? line : NULL;
		if (begin == NULL && blocks == 0)
			begin = fence_behind(line, &f);
		if (begin == NULL) {
			line = next_line(line);
			continue;
		}
		if (blocks++ == 0)
			*before = begin;
		else if (b.len > 0 && !str_starts(skip_blanks(
		    next_line(line)), "---"))
			buf_puts(&b, "---\n");
		*after = line = take_block(next_line(line), &f, &b);
	}
	if (blocks == 0)
		return NULL;
	return buf_take(&b);
}

/* How a line of YAML or JSON begins, but no command. */
static const char *const yaml_starts[] = {
	"---", "#", "{", "%", "\"apiversion\"", "\"kind\"", "- ",
};
static const char *const yaml_keys[] = {
	"apiversion", "kind", "metadata", "spec",
};

static bool
is_yaml_line(const char *line)
{
	const char *p = skip_blanks(line);

	for (size_t i = 0; i < NELEM(yaml_starts); i++)
		if (strncasecmp(p, yaml_starts[i],
		    strlen(yaml_starts[i])) == 0)
			return true;
	for (size_t i = 0; i < NELEM(yaml_keys); i++)
		if (strncasecmp(p, yaml_keys[i], strlen(yaml_keys[i])) == 0 &&
		    *skip_blanks(p + strlen(yaml_keys[i])) == ':')
			return true;
	/* A document separator that a keyboard changed. */
	return dash_len(p) > 0 && p + dash_len(p) < p + line_len(p) &&
	    dash_len(p + dash_len(p)) > 0 && ends_name(skip_blanks(p +
	    dash_len(p) + dash_len(p + dash_len(p))));
}

bool
input_looks(const char *text)
{
	for (const char *p = text; *p != '\0'; p = next_line(p)) {
		const char *q = skip_blanks(p);

		while (*q == '"' || *q == '\'' || *q == '{' || *q == ' ' ||
		    str_starts(q, "\xe2\x80\x9c"))
			q += *q == '\xe2' ? 3 : 1;
		if (strncasecmp(q, "apiversion", 10) == 0)
			q += 10;
		else if (strncasecmp(q, "kind", 4) == 0)
			q += 4;
		else
			continue;
		if (*q == '"' || *q == '\'')
			q++;
		else if (str_starts(q, "\xe2\x80\x9d"))
			q += 3;
		q = skip_blanks(q);
		if (*q == ':')
			return true;
	}
	return manifest_looks(text, strlen(text));
}

/* The first line that is not empty, trimmed; yours. */
static char *
first_line(const char *s, size_t n)
{
	char *text = xstrndup(s, n), *line;
	const char *p = text;
	size_t len;

	while (*p == '\n' || (*p != '\0' && *skip_blanks(p) == '\n'))
		p = next_line(p);
	p = skip_blanks(p);
	len = line_len(p);
	while (len > 0 && isspace((unsigned char)p[len - 1]))
		len--;
	line = xstrndup(p, len);
	free(text);
	return line;
}

static bool
is_one_line(const char *s)
{
	char *line = first_line(s, strlen(s));
	const char *at = strstr(s, line);
	bool is = at != NULL &&
	    strspn(at + strlen(line), " \t\n") == strlen(at + strlen(line));

	free(line);
	return is;
}

/* A command may be set in `code`. */
static void
strip_ticks(char *line)
{
	size_t n = strlen(line);

	if (n >= 2 && line[0] == '`' && line[n - 1] == '`' &&
	    strchr(line + 1, '`') == line + n - 1) {
		memmove(line, line + 1, n - 2);
		line[n - 2] = '\0';
	}
}

/* What is in front of a fence, or else the one line behind it. */
static char *
line_beside(const char *s, const char *before, const char *after)
{
	char *line = first_line(s, (size_t)(before - s));

	if (*line == '\0' && is_one_line(after)) {
		free(line);
		line = first_line(after, strlen(after));
	}
	return line;
}

/* Without a fence: the manifest is what follows the command line. */
static void
read_bare(const char *s, struct input *in)
{
	while (*s == '\n' || (*s != '\0' && *skip_blanks(s) == '\n'))
		s = next_line(s);
	in->looks = input_looks(s);
	if (!in->looks || !is_yaml_line(s)) {
		in->line = first_line(s, line_len(s));
		s = next_line(s);
	} else
		in->line = xstrdup("");
	/* The last line ends, too: else the text of a block would differ from
	 * the same in a fence or a file. */
	if (*(s + strspn(s, " \t\n")) != '\0')
		in->manifest = xasprintf("%s%s", s, s[strlen(s) - 1] == '\n' ?
		    "" : "\n");
}

/* Text that is a manifest itself may have a fence in it: words of an agent. */
static bool
is_bare(const char *s, const char *before)
{
	char *text = xstrndup(s, (size_t)(before - s));
	bool is = input_looks(text);

	free(text);
	return is;
}

static void
read_text(const char *s, struct input *in)
{
	const char *before, *after;
	char *block = fenced(s, &before, &after);

	if (block != NULL && !input_looks(block) && is_bare(s, before)) {
		free(block);
		block = NULL;
	}
	if (block != NULL) {
		in->manifest = block;
		in->looks = input_looks(block);
		in->is_fenced = true;
		in->line = line_beside(s, before, after);
	} else
		read_bare(s, in);
}

/* --- attachments --------------------------------------------------------- */

int
input_file_kind(const char *name)
{
	const char *dot = name != NULL ? strrchr(name, '.') : NULL;

	if (dot == NULL)
		return 0;
	if (strcasecmp(dot, ".yaml") == 0 || strcasecmp(dot, ".yml") == 0)
		return 2;
	return strcasecmp(dot, ".json") == 0 || strcasecmp(dot, ".txt") == 0;
}

/* By its name; a phone that shares one may give it none, but a type. */
static int
file_kind(const struct json *content, const char *name)
{
	static const char *const types[] = { "application/yaml",
		"application/x-yaml", "text/yaml", "text/x-yaml" };
	const char *type = json_str(json_get(content, "info"), "mimetype");

	for (size_t i = 0; type != NULL && i < NELEM(types); i++)
		if (strncasecmp(type, types[i], strlen(types[i])) == 0)
			return 2;
	return input_file_kind(name);
}

/* A caption, if there is one, is the command line. */
static const char *
read_file(const struct json *content, struct input *in)
{
	const char *name = json_str(content, "filename");
	const char *body = json_strd(content, "body", "");
	const char *caption = "";

	if (name == NULL)
		name = body;
	else if (strcmp(name, body) != 0)
		caption = body;
	if (file_kind(content, name) > 0) {
		in->file_name = xstrdup(name);
		in->is_yaml_file = file_kind(content, name) == 2;
		in->is_encrypted_file = json_get(content, "file") != NULL;
		in->file_url = xstrdup(json_strd(content, "url", ""));
	}
	return caption;
}

/* --- all of it ----------------------------------------------------------- */

/* The content that counts: of an edit, what it puts in place. */
static const struct json *
read_relation(const struct json *content, struct input *in, bool *has_quote)
{
	const struct json *rel = json_get(content, "m.relates_to");
	const struct json *fresh = json_get(content, "m.new_content");
	const char *id;

	if (str_equal(json_str(rel, "rel_type"), "m.replace") &&
	    json_str(rel, "event_id") != NULL) {
		in->edit_of = xstrdup(json_str(rel, "event_id"));
		if (json_is(fresh, JSON_OBJECT))
			content = fresh;
	}
	/* A thread's fallback points to its last message: that is no reply. */
	id = json_str(json_get(rel, "m.in_reply_to"), "event_id");
	*has_quote = id != NULL;
	if (!json_bool(rel, "is_falling_back", false))
		in->reply_to = xstrdup(id);
	return content;
}

/* "@[A Name]", how some write a name with blanks, is "@A Name". */
static char *
without_brackets(const char *s, size_t len)
{
	struct buf b = { 0 };
	bool is_open = false;

	for (size_t i = 0; i < len; i++) {
		if (s[i] == '[' && i > 0 && s[i - 1] == '@')
			is_open = true;
		else if (s[i] == ']' && is_open)
			is_open = false;
		else
			buf_putc(&b, s[i]);
	}
	return buf_take(&b);
}

/*
 * The first line with every mention as the id it stands for: as a Markdown
 * link, as an address, or, if the HTML shows the same line, by its links.
 */
static char *
with_ids(const char *s, const char *html)
{
	const char *line, *end;
	char *text, *ids, *whole;

	for (line = s; *line != '\0'; line = next_line(line)) {
		line = skip_blanks(line);
		if (*line != '\n')
			break;
	}
	end = line + line_len(line);
	text = without_brackets(line, (size_t)(end - line));
	ids = html != NULL ? html_first_line_ids(html, text) : NULL;
	if (ids == NULL)
		ids = link_ids(text);
	whole = xasprintf("%.*s%s%s", (int)(line - s), s, ids, end);
	free(ids);
	free(text);
	return whole;
}

/*
 * The message as its HTML has it, if there is a manifest in a block of code and
 * none in the body, or one whose lines a client gave up; yours, else NULL.
 */
static char *
from_html(const char *body, const char *html)
{
	char *code = html != NULL ? html_code(html) : NULL, *line, *text = NULL;

	if (code != NULL && input_looks(code) && (!input_looks(body) ||
	    (is_one_line(body) && !is_one_line(code)))) {
		line = html_first_line_ids(html, NULL);
		/* Longer than any fence in it. */
		text = xasprintf("%s\n%s\n%s%s\n", line, "~~~~~~~~", code,
		    "~~~~~~~~");
		free(line);
	}
	free(code);
	return text;
}

/* What is written in a message, whoever wrote it. */
static void
read_body(const char *body, const struct json *content,
    const struct input_names *names, struct input *in, bool has_quote)
{
	char *plain = input_lines(body, strlen(body)), *html, *text;
	const char *s = plain, *p;

	html = html_own(json_str(content, "formatted_body"));
	if (has_quote)
		s = skip_fallback(s);
	text = from_html(s, html);
	if (text == NULL)
		text = with_ids(s, html);
	s = text;
	if ((p = after_address(s, content, html, names)) != NULL) {
		in->is_addressed = true;
		s = p;
	}
	if (in->file_url != NULL)
		in->line = first_line(s, strlen(s));
	else
		read_text(s, in);
	strip_ticks(in->line);
	free(text);
	free(html);
	free(plain);
}

/* It says by the mention whose command it is. */
static void
read_invocation(const struct json *content, const struct input_names *names,
    struct input *in)
{
	const struct json *is = json_get(content, INVOCATION_KEY);

	if (json_str(is, "command") != NULL &&
	    is_mentioned(content, NULL, names->user))
		in->invocation = json_copy(is);
}

void
input_read(const struct json *event, const struct input_names *names,
    struct input *in)
{
	const struct json *content = json_get(event, "content");
	const char *type, *body;
	bool has_quote;

	memset(in, 0, sizeof *in);
	content = read_relation(content, in, &has_quote);
	type = json_strd(content, "msgtype", "");
	if (strcmp(type, "m.file") == 0)
		body = read_file(content, in);
	else
		body = json_strd(content, "body", "");
	in->is_message = strcmp(type, "m.text") == 0 ||
	    in->file_url != NULL;
	if (in->is_message)
		read_invocation(content, names, in);
	/* What a program or an agent said is no command, but may be replied
	 * to: "apply". */
	if (in->is_message || strcmp(type, "m.notice") == 0)
		read_body(body, content, names, in, has_quote);
	else
		in->line = xstrdup("");
}

void
input_release(struct input *in)
{
	free(in->edit_of);
	free(in->reply_to);
	free(in->line);
	free(in->manifest);
	free(in->file_url);
	free(in->file_name);
	json_free(in->invocation);
	memset(in, 0, sizeof *in);
}
