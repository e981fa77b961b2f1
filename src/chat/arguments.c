/*
 * Typed arguments: do the words behind a command fit what its file says?  Pure;
 * what is named need not exist, handlers see to that and know the nearest name.
 */
#include "commands.h"

#include <stdlib.h>
#include <string.h>

#include "hiclaw/api.h"
#include "hiclaw/clock.h"
#include "hiclaw/matrix.h"

const char *const argument_types[] = {
	[ARG_STRING] = "string", [ARG_INT] = "int", [ARG_NUMBER] = "number",
	[ARG_BOOL] = "bool", [ARG_AGENT] = "agent", [ARG_KIND] = "kind",
	[ARG_NAME] = "name", [ARG_RESOURCE] = "resource",
	[ARG_SUBJECT] = "subject", [ARG_USER] = "user", [ARG_ROOM] = "room",
	[ARG_DURATION] = "duration", [ARG_WORDS] = "words", NULL
};

static bool
is_int(const char *s)
{
	size_t n;

	s += *s == '-';
	n = strspn(s, "0123456789");
	return n > 0 && n <= 15 && s[n] == '\0';
}

static bool
is_bool(const char *s)
{
	static const char *const words[] = { "true", "false", "yes", "no",
	    "on", "off" };

	for (size_t i = 0; i < NELEM(words); i++)
		if (strcmp(s, words[i]) == 0)
			return true;
	return false;
}

bool
argument_bool(const char *s)
{
	return strcmp(s, "true") == 0 || strcmp(s, "yes") == 0 ||
	    strcmp(s, "on") == 0;
}

/* "worker/alice", "leader/web": something on both sides. */
static bool
is_prefixed(const char *word)
{
	const char *slash = strchr(word, '/');

	return slash != NULL && slash != word && slash[1] != '\0';
}

/* "worker/alice" of resources: a kind, and something behind it. */
static bool
is_kind_prefixed(const char *word)
{
	char *kind;
	bool is;

	if (!is_prefixed(word))
		return false;
	kind = xstrndup(word, strcspn(word, "/"));
	is = kind_find(kind) != NULL;
	free(kind);
	return is;
}

static const char *
expected(enum argument_type type)
{
	switch (type) {
	case ARG_INT:
		return "a whole number";
	case ARG_NUMBER:
		return "a number like 7 or #7";
	case ARG_BOOL:
		return "true or false";
	case ARG_KIND:
		return "worker, team, human or manager";
	case ARG_RESOURCE:
		return "a kind and a name, like worker alice";
	case ARG_SUBJECT:
		return "a name, or a kind and a name, like worker alice";
	case ARG_USER:
		return "a Matrix ID like @ann:example.org, or a Human's name";
	case ARG_DURATION:
		return "a time like 30s, 5m, 2h or 7d";
	case ARG_AGENT:
		return "an agent's name";
	case ARG_NAME:
		return "a name of small letters, digits and dashes";
	default:
		return "a word";
	}
}

static bool
is_name(const char *s)
{
	size_t n = strlen(s);

	return n > 0 && n <= 64 && s[0] != '-' && strspn(s,
	    "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") == n;
}

static bool
is_kind_and_name(const struct strv *v, size_t at)
{
	return kind_find(v->v[at]) != NULL && at + 1 < v->n;
}

/* How many words from `at` on are one value of this type; 0: none is. */
static size_t
take_type(enum argument_type type, const struct strv *v, size_t at)
{
	const char *word = v->v[at];

	switch (type) {
	case ARG_INT:
		return is_int(word);
	case ARG_NUMBER:
		word += *word == '#';
		return *word != '-' && is_int(word);
	case ARG_BOOL:
		return is_bool(word);
	case ARG_DURATION:
		return duration_planned_ms(word) != -1;
	case ARG_KIND:
		return kind_find(word) != NULL || strcmp(word, "all") == 0;
	case ARG_NAME:
		return is_name(word);
	case ARG_AGENT:
	case ARG_SUBJECT:
		if (is_kind_and_name(v, at))
			return 2;
		return is_prefixed(word) || is_name(word);
	case ARG_RESOURCE:
		if (is_kind_prefixed(word))
			return 1;
		return is_kind_and_name(v, at) ? 2 : 0;
	case ARG_USER:
		return word[0] == '@' ? mxid_valid(word) : is_name(word);
	case ARG_WORDS:
		return v->n - at;
	case ARG_ROOM:
		return is_kind_and_name(v, at) ? 2 : 1;
	case ARG_STRING:
		return 1;
	}
	return 0;
}

static bool
has_value(const struct argument *a, const char *word)
{
	return a->values.n == 0 || strv_has(&a->values, word);
}

static size_t
take(const struct argument *a, const struct strv *v, size_t at)
{
	return has_value(a, v->v[at]) ? take_type(a->type, v, at) : 0;
}

bool
argument_is_after(const struct argument *a, const struct strv *v, size_t at)
{
	return a->after != NULL && at + 1 < v->n &&
	    strcmp(v->v[at], a->after) == 0;
}

static size_t
required_behind(const struct command *c, size_t i)
{
	size_t n = 0;

	while (++i < c->arguments_n)
		n += c->arguments[i].required;
	return n;
}

/* Somebody may be called like a kind: "cat manager SOUL.md". */
static size_t
take_fitting(const struct command *c, size_t i, const struct strv *v,
    size_t at)
{
	const struct argument *a = &c->arguments[i];
	size_t n = take(a, v, at);

	if (n == 2 && (a->type == ARG_AGENT || a->type == ARG_SUBJECT) &&
	    v->n - at - n < required_behind(c, i))
		n = 1;
	return n;
}

/*
 * The words of one argument.  After a "KIND NAME" more names may follow that
 * are of that kind: "worker alice bob".
 */
size_t
argument_words(const struct command *c, size_t i, const struct strv *v,
    size_t at)
{
	const struct argument *a = &c->arguments[i];
	size_t n, total = 0;

	if (argument_is_after(a, v, at)) {
		n = take(a, v, at + 1);
		return n > 0 ? n + 1 : 0;
	}
	while (at + total < v->n) {
		n = take_fitting(c, i, v, at + total);
		if (n == 0 && total > 0 && a->type == ARG_RESOURCE)
			n = is_name(v->v[at + total]);
		if (n == 0)
			break;
		total += n;
		if (!a->many)
			break;
	}
	return total;
}

int
kind_wrong(const char *word, struct err *e)
{
	const char *near = str_nearest(word, kind_words());

	return near != NULL ? err_set(e, ERR_USER, "\"%.40s\" is no kind; "
	    "did you mean %s?", word, near) :
	    err_set(e, ERR_USER, "\"%.40s\" is no kind; the kinds are "
	    "worker, team, human and manager", word);
}

static int
wrong_type(const struct command *c, const struct argument *a,
    const char *word, struct err *e)
{
	char *list;
	int rc;

	if (a->type == ARG_RESOURCE && kind_find(word) != NULL)
		return err_set(e, ERR_USER, "which %s? The name is missing",
		    kind_find(word)->singular);
	if (a->type == ARG_RESOURCE || a->type == ARG_KIND)
		return kind_wrong(word, e);
	if (str_equal(word, a->after))
		return err_set(e, ERR_USER, "%s what? It takes %s", a->after,
		    expected(a->type));
	list = strv_join(&a->values, ", ");
	rc = err_set(e, ERR_USER, "\"%.40s\" is no %s for %s: it takes %s",
	    word, a->name, c->name, a->values.n > 0 ? list :
	    expected(a->type));
	free(list);
	return rc;
}

int
arguments_check(const struct command *c, const struct strv *v, struct err *e)
{
	size_t at = 0, n;

	for (size_t i = 0; i < c->arguments_n; i++) {
		const struct argument *a = &c->arguments[i];

		n = argument_words(c, i, v, at);
		if (n == 0 && at < v->n && (a->required ||
		    i + 1 == c->arguments_n))
			return wrong_type(c, a, v->v[at], e);
		if (n == 0 && a->required)
			return err_set(e, ERR_USER, "no %s given%s%s",
			    a->name, a->help[0] != '\0' ? ": " : "", a->help);
		at += n;
	}
	if (at < v->n)
		return err_set(e, ERR_USER, "%s takes no more than that: "
		    "\"%.40s\" is too much", c->name, v->v[at]);
	return 0;
}
