/*
 * Words of a command line.  Phones turn quotes, dashes and blanks into others;
 * here they become again what was meant.  Pure; called by the command registry,
 * the input pipeline and the repairs.
 */
#include "words.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* A mark that people see as one of ours, and what it stands for. */
struct mark { const char *bytes; char means; };

static const struct mark quotes[] = {
	{ "\"", '"' }, { "'", '\'' },
	{ "\xe2\x80\x9c", '"' }, { "\xe2\x80\x9d", '"' },	/* “ ” */
	{ "\xe2\x80\x9e", '"' }, { "\xe2\x80\x9f", '"' },	/* „ ‟ */
	{ "\xc2\xab", '"' }, { "\xc2\xbb", '"' },		/* « » */
	{ "\xe2\x80\x98", '\'' }, { "\xe2\x80\x99", '\'' },	/* ‘ ’ */
	{ "\xe2\x80\x9a", '\'' },				/* ‚ */
};

static const char *const dashes[] = {
	"-", "\xe2\x80\x90", "\xe2\x80\x91", "\xe2\x80\x92", "\xe2\x80\x93",
	"\xe2\x80\x94", "\xe2\x80\x95", "\xe2\x88\x92",
};

static const char *const blanks[] = {
	" ", "\t", "\n", "\r", "\v", "\f", "\xc2\xa0",
	"\xe2\x80\xaf", "\xe2\x80\x8c", "\xe2\x80\x8d", "\xe2\x80\xa8",
	"\xe2\x80\xa9", "\xe2\x80\x87", "\xe2\x80\x89", "\xe3\x80\x80",
};

static const char *const ghosts[] = {
	"\xe2\x80\x8b", "\xe2\x81\xa0", "\xef\xbb\xbf", "\xc2\xad",
	"\xe2\x80\x8e", "\xe2\x80\x8f", "\xe2\x80\xaa", "\xe2\x80\xab",
	"\xe2\x80\xac", "\xe2\x80\xad", "\xe2\x80\xae", "\xe2\x81\xa6",
	"\xe2\x81\xa7", "\xe2\x81\xa8", "\xe2\x81\xa9",
};

static size_t
any_len(const char *s, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (str_starts(s, list[i]))
			return strlen(list[i]);
	return 0;
}

size_t
blank_len(const char *s)
{
	size_t n = any_len(s, blanks, NELEM(blanks));

	return n > 0 ? n : ghost_len(s);
}

size_t
ghost_len(const char *s)
{
	return any_len(s, ghosts, NELEM(ghosts));
}

size_t
dash_len(const char *s)
{
	return any_len(s, dashes, NELEM(dashes));
}

void
str_lower(char *s)
{
	for (; *s != '\0'; s++)
		if (*s >= 'A' && *s <= 'Z')
			*s += 'a' - 'A';
}

static const struct mark *
quote_at(const char *s)
{
	for (size_t i = 0; i < NELEM(quotes); i++)
		if (str_starts(s, quotes[i].bytes))
			return &quotes[i];
	return NULL;
}

/*
 * "—prune", "–-prune": the keyboard made one dash of two.  A run of dashes in
 * front of a word is "--"; in front of a single letter, or if it is one plain
 * dash, it is "-".
 */
static const char *
read_dashes(const char *s, struct buf *word)
{
	const char *p = s;
	bool plain = *s == '-' && s[1] != '-' && dash_len(s + 1) == 0;
	size_t n;

	while ((n = dash_len(p)) > 0)
		p += n;
	if (plain || (isalpha((unsigned char)p[0]) &&
	    !isalnum((unsigned char)p[1])))
		buf_puts(word, "-");
	else
		buf_puts(word, "--");
	return p;
}

size_t
quote_len(const char *s)
{
	const struct mark *m = quote_at(s);

	return m != NULL && m->means == '"' ? strlen(m->bytes) : 0;
}

/* From inside an open quote to behind its end, or to the end of the line. */
static const char *
read_quoted(const char *p, char kind, struct buf *word)
{
	const struct mark *m;

	for (; *p != '\0'; p++) {
		if ((m = quote_at(p)) != NULL && m->means == kind)
			return p + strlen(m->bytes);
		if (*p == '\\' && kind == '"') {
			size_t n = p[1] == '\\' ? 1 : quote_len(p + 1);

			/* What is escaped is itself. */
			if (n > 0) {
				buf_add(word, p + 1, n);
				p += n;
				continue;
			}
		}
		buf_putc(word, *p);
	}
	return p;
}

/* One word.  An apostrophe inside a word (don't) is no quote. */
static const char *
read_word(const char *p, struct buf *word)
{
	const char *begin = p;
	const struct mark *m;

	if (dash_len(p) > 0 && p[dash_len(p)] != '\0' &&
	    blank_len(p + dash_len(p)) == 0)
		p = read_dashes(p, word);
	while (*p != '\0' && (blank_len(p) == 0 || ghost_len(p) > 0)) {
		m = quote_at(p);
		if (ghost_len(p) > 0)
			p += ghost_len(p);
		else if (m != NULL && (p == begin || p[-1] == '=')) {
			p = read_quoted(p + strlen(m->bytes), m->means, word);
		} else if (m != NULL && m->means == '"') {
			p = read_quoted(p + strlen(m->bytes), '"', word);
		} else
			buf_putc(word, *p++);
	}
	return p;
}

/* Does words_split read it as it stands? */
static bool
is_plain(const char *word)
{
	if (*word == '\0' || dash_len(word) > 0)
		return false;
	for (; *word != '\0'; word++)
		if (blank_len(word) > 0 || quote_at(word) != NULL ||
		    *word == '\\')
			return false;
	return true;
}

void
words_put(const char *word, struct buf *out)
{
	if (out->len > 0)
		buf_putc(out, ' ');
	if (is_plain(word)) {
		buf_puts(out, word);
		return;
	}
	buf_putc(out, '"');
	for (; *word != '\0'; word++) {
		if (quote_len(word) > 0 || *word == '\\')
			buf_putc(out, '\\');
		buf_putc(out, *word);
	}
	buf_putc(out, '"');
}

int
words_split(const char *line, struct words *w, struct err *e)
{
	struct buf word;
	const char *p = line;
	size_t n;
	int rc = 0;

	memset(w, 0, sizeof *w);
	if (strlen(line) > LINE_MAX_BYTES)
		return err_set(e, ERR_USER, "the command is longer than "
		    "%d bytes", LINE_MAX_BYTES);
	buf_init(&word, LINE_MAX_BYTES * 2);
	for (;;) {
		while ((n = blank_len(p)) > 0)
			p += n;
		if (*p == '\0')
			break;
		if (w->raw.n == WORDS_MAX) {
			rc = err_set(e, ERR_USER, "more than %d words",
			    WORDS_MAX);
			break;
		}
		buf_reset(&word);
		p = read_word(p, &word);
		strv_add(&w->raw, buf_str(&word));
	}
	buf_release(&word);
	if (rc == -1)
		words_release(w);
	else
		for (size_t i = 0; i < w->raw.n; i++)
			strv_add(&w->v, w->raw.v[i]);
	return rc;
}

void
words_release(struct words *w)
{
	for (size_t i = 0; i < w->flags_n; i++)
		free(w->flags[i].value);
	free(w->flags);
	strv_release(&w->v);
	strv_release(&w->raw);
	memset(w, 0, sizeof *w);
}

static bool
flag_named(const struct flag *f, const char *name, size_t len)
{
	char *low = xstrndup(name, len);
	bool is;

	str_lower(low);
	is = strcmp(f->name, low) == 0 ||
	    (len == 1 && f->letter != '\0' && name[0] == f->letter);
	free(low);
	return is;
}

static int
unknown_flag(const char *word, const struct flag *flags, size_t n,
    struct err *e)
{
	struct strv names = { 0 };
	const char *near = NULL, *name = word;

	while (*name == '-')
		name++;
	for (size_t i = 0; i < n; i++)
		strv_add(&names, flags[i].name);
	if (names.n > 0)
		near = str_nearest(name, (const char *const *)names.v);
	if (near != NULL)
		err_set(e, ERR_USER, "unknown option %.40s; did you mean --%s?",
		    word, near);
	else
		err_set(e, ERR_USER, "unknown option %.40s", word);
	strv_release(&names);
	return -1;
}

/* "-o=yaml", "--output=yaml", "-oyaml", "-o" "yaml": flag and value. */
static int
take_flag(struct words *w, size_t *at, const struct flag *flags, size_t n,
    struct err *e)
{
	const char *word = w->raw.v[*at], *name = word, *eq, *value = NULL;
	const struct flag *f = NULL;
	size_t len;

	while (*name == '-')
		name++;
	eq = strchr(name, '=');
	len = eq != NULL ? (size_t)(eq - name) : strlen(name);
	if (eq != NULL)
		value = eq + 1;
	for (size_t i = 0; i < n && f == NULL; i++)
		if (flag_named(&flags[i], name, len))
			f = &flags[i];
	/* "-oyaml" */
	for (size_t i = 0; i < n && f == NULL && word[1] != '-'; i++)
		if (flags[i].has_value && flags[i].letter == name[0]) {
			f = &flags[i];
			value = name + 1;
		}
	if (f == NULL)
		return unknown_flag(word, flags, n, e);
	if (f->has_value && value == NULL) {
		if (*at + 1 >= w->raw.n)
			return err_set(e, ERR_USER, "--%s needs a value",
			    f->name);
		value = w->raw.v[++*at];
	}
	if (!f->has_value && value != NULL)
		return err_set(e, ERR_USER, "--%s takes no value", f->name);
	w->flags = xreallocarray(w->flags, w->flags_n + 1, sizeof *w->flags);
	w->flags[w->flags_n].flag = f;
	w->flags[w->flags_n++].value = xstrdup(value != NULL ? value : "");
	return 0;
}

/* "--", or the one dash that a keyboard made of it. */
static bool
is_end_mark(const char *word)
{
	size_t n = dash_len(word);

	return strcmp(word, "--") == 0 || (n > 1 && word[n] == '\0');
}

int
words_flags(struct words *w, size_t from, const struct flag *flags, size_t n,
    struct err *e)
{
	strv_release(&w->v);
	for (size_t i = from; i < w->raw.n; i++) {
		const char *word = w->raw.v[i];

		/* Behind it nothing is for us. */
		if (is_end_mark(word)) {
			while (++i < w->raw.n)
				strv_add(&w->v, w->raw.v[i]);
			break;
		}
		if (word[0] != '-' || word[1] == '\0')
			strv_add(&w->v, word);
		else if (take_flag(w, &i, flags, n, e) == -1)
			return -1;
	}
	return 0;
}

const char *
words_flag(const struct words *w, const char *name)
{
	for (size_t i = 0; i < w->flags_n; i++)
		if (strcmp(w->flags[i].flag->name, name) == 0)
			return w->flags[i].value;
	return NULL;
}

/* --- answers ------------------------------------------------------------- */

static const char *const yes_words[] = {
	"yes", "y", "ok", "okay", "yep", "yeah", "sure", "confirm",
	"approve", "+1", "do it", "go", "go ahead",
	"\xe2\x9c\x85",			/* white heavy check mark */
	"\xe2\x9c\x94",			/* heavy check mark */
	"\xf0\x9f\x91\x8d",		/* thumbs up */
	"\xf0\x9f\x86\x97",		/* OK button */
	"\xf0\x9f\x91\x8c",		/* OK hand */
};
static const char *const no_words[] = {
	"no", "n", "nope", "cancel", "stop", "abort", "reject", "-1",
	"\xe2\x9d\x8c",			/* cross mark */
	"\xf0\x9f\x91\x8e",		/* thumbs down */
	"\xe2\x9b\x94",			/* no entry */
	"\xf0\x9f\x9a\xab",		/* prohibited */
};

#define ANSWER_MAX	32	/* bytes: no answer is longer */

size_t
emoji_decoration(const char *s)
{
	const unsigned char *u = (const unsigned char *)s;

	if (u[0] == 0xef && u[1] == 0xb8 && (u[2] == 0x8e || u[2] == 0x8f))
		return 3;			/* U+FE0E, U+FE0F */
	if (u[0] == 0xf0 && u[1] == 0x9f && u[2] == 0x8f &&
	    u[3] >= 0xbb && u[3] <= 0xbf)
		return 4;			/* U+1F3FB .. U+1F3FF */
	return 0;
}

int
answer_read(const char *text)
{
	struct buf b;
	size_t n;
	int rc = -1;

	buf_init(&b, ANSWER_MAX);
	for (; *text != '\0' && !b.overflow; text++) {
		if ((n = blank_len(text)) > 0 || (n = emoji_decoration(text))) {
			if (blank_len(text) > 0 && b.len > 0 &&
			    b.data[b.len - 1] != ' ')
				buf_putc(&b, ' ');
			text += n - 1;
			continue;
		}
		buf_putc(&b, *text);
	}
	while (b.len > 0 && strchr(" .!,;", b.data[b.len - 1]) != NULL)
		b.data[--b.len] = '\0';
	if (b.overflow || b.len == 0)
		goto out;
	str_lower(b.data);
	for (size_t i = 0; i < NELEM(yes_words); i++)
		if (strcmp(b.data, yes_words[i]) == 0)
			rc = 1;
	for (size_t i = 0; i < NELEM(no_words); i++)
		if (strcmp(b.data, no_words[i]) == 0)
			rc = 0;
out:
	buf_release(&b);
	return rc;
}
