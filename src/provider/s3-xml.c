/*
 * What an S3 answers, read with expat (used nowhere else).  Pure.
 *
 * An answer is hostile: no document type, so no entities of its own; depth and
 * the text of an element have caps; elements that we do not know are skipped.
 */
#include "s3.h"

#include <expat.h>
#include <stdlib.h>
#include <string.h>

#include "hiclaw/json.h"

#define DEPTH_MAX	16
#define TEXT_MAX	8192		/* a key of 1024 bytes, escaped */
#define OBJECTS_MAX	10000		/* servers send 1000 */
#define PATH_MAX_BYTES	256

/* What we want of a document: told the path of each element that ended
 * ("ListBucketResult/Contents/Key") and its text. */
struct reader {
	XML_Parser	 parser;
	char		 path[PATH_MAX_BYTES];
	int		 depth;
	struct buf	 text;
	bool		 is_bad;
	void		(*start)(struct reader *);	/* or NULL */
	void		(*end)(struct reader *, const char *text);
	void		*arg;
};

static void
refuse(struct reader *r)
{
	r->is_bad = true;
	XML_StopParser(r->parser, XML_FALSE);
}

static void
on_doctype(void *arg, const char *name, const char *sysid, const char *pubid,
    int has_internal)
{
	(void)name, (void)sysid, (void)pubid, (void)has_internal;
	refuse(arg);
}

static void
on_start(void *arg, const char *name, const char **atts)
{
	struct reader *r = arg;
	size_t len = strlen(r->path), n = strlen(name);

	(void)atts;
	if (r->depth == DEPTH_MAX || len + n + 2 > sizeof(r->path)) {
		refuse(r);
		return;
	}
	if (len > 0)
		r->path[len++] = '/';
	memcpy(r->path + len, name, n + 1);
	r->depth++;
	buf_reset(&r->text);
	if (r->start != NULL)
		r->start(r);
}

static void
on_text(void *arg, const char *s, int len)
{
	struct reader *r = arg;

	buf_add(&r->text, s, (size_t)len);
	if (r->text.overflow)
		refuse(r);
}

static void
on_end(void *arg, const char *name)
{
	struct reader *r = arg;
	char *slash = strrchr(r->path, '/');

	(void)name;
	r->end(r, buf_str(&r->text));
	buf_reset(&r->text);
	r->depth--;
	*(slash == NULL ? r->path : slash) = '\0';
}

/* True if it is a whole, plain document. */
static bool
read_xml(struct reader *r, const char *data, size_t len)
{
	bool ok;

	if (len > INT32_MAX)
		return false;
	r->parser = XML_ParserCreate(NULL);
	if (r->parser == NULL)
		abort();
	buf_init(&r->text, TEXT_MAX);
	XML_SetUserData(r->parser, r);
	XML_SetElementHandler(r->parser, on_start, on_end);
	XML_SetCharacterDataHandler(r->parser, on_text);
	XML_SetStartDoctypeDeclHandler(r->parser, on_doctype);
	ok = XML_Parse(r->parser, data, (int)len, 1) == XML_STATUS_OK &&
	    !r->is_bad;
	XML_ParserFree(r->parser);
	buf_release(&r->text);
	return ok;
}

/* --- lists ---------------------------------------------------------------- */

struct list_state {
	struct s3_list	*list;
	bool		 is_url, is_list;
};

#define LIST	"ListBucketResult"

static void
list_start(struct reader *r)
{
	struct list_state *s = r->arg;
	struct s3_list *l = s->list;

	if (strcmp(r->path, LIST) == 0)
		s->is_list = true;
	if (strcmp(r->path, LIST "/Contents") != 0)
		return;
	if (l->n == OBJECTS_MAX) {
		refuse(r);
		return;
	}
	if (l->n == l->cap) {
		l->cap = l->cap == 0 ? 64 : l->cap * 2;
		l->objects = xreallocarray(l->objects, l->cap,
		    sizeof(*l->objects));
	}
	memset(&l->objects[l->n++], 0, sizeof(*l->objects));
}

static void
set_text(char **at, const char *text)
{
	free(*at);
	*at = xstrdup(text);
}

static void
list_end(struct reader *r, const char *text)
{
	struct list_state *s = r->arg;
	struct s3_list *l = s->list;
	struct s3_object *o = l->n > 0 ? &l->objects[l->n - 1] : NULL;
	const char *p = r->path;

	if (!str_starts(p, LIST "/"))
		return;
	p += strlen(LIST "/");
	if (strcmp(p, "EncodingType") == 0)
		s->is_url = strcmp(text, "url") == 0;
	else if (strcmp(p, "IsTruncated") == 0)
		l->is_truncated = strcmp(text, "true") == 0;
	else if (strcmp(p, "NextContinuationToken") == 0)
		set_text(&l->next, text);
	else if (o == NULL)
		return;
	else if (strcmp(p, "Contents/Key") == 0)
		set_text(&o->key, text);
	else if (strcmp(p, "Contents/ETag") == 0)
		set_text(&o->etag, text);
	else if (strcmp(p, "Contents/Size") == 0)
		o->size = (size_t)strtoull(text, NULL, 10);
}

/* "a+b%2Fc" -> "a b/c"; the encoding may be said after the keys. */
static bool
decode_key(char **key)
{
	char *p, *plain;

	for (p = *key; *p != '\0'; p++)
		if (*p == '+')
			*p = ' ';
	plain = http_unescape(*key, strlen(*key));
	if (plain == NULL)
		return false;
	free(*key);
	*key = plain;
	return true;
}

static bool
check_list(struct list_state *s)
{
	struct s3_list *l = s->list;
	size_t i;

	if (!s->is_list || (l->is_truncated && l->next == NULL))
		return false;
	for (i = 0; i < l->n; i++) {
		if (l->objects[i].key == NULL ||
		    (s->is_url && !decode_key(&l->objects[i].key)))
			return false;
		if (l->objects[i].etag == NULL)
			l->objects[i].etag = xstrdup("");
	}
	return true;
}

int
s3_list_parse(const char *data, size_t len, struct s3_list *out,
    struct err *e)
{
	struct s3_list list = {0};
	struct list_state s = { .list = &list };
	struct reader r = { .start = list_start, .end = list_end, .arg = &s };

	if (!read_xml(&r, data, len) || !check_list(&s)) {
		s3_list_release(&list);
		return err_set(e, ERR_RETRY, "the answer is not a list of "
		    "objects");
	}
	*out = list;
	return 0;
}

void
s3_list_release(struct s3_list *l)
{
	size_t i;

	for (i = 0; i < l->n; i++) {
		free(l->objects[i].key);
		free(l->objects[i].etag);
	}
	free(l->objects);
	free(l->next);
	memset(l, 0, sizeof(*l));
}

/* --- errors --------------------------------------------------------------- */

struct fault_state {
	struct s3_fault	*fault;
	const char	*at;		/* "Error/" */
	bool		 is_done;	/* only the first counts */
};

static void
fault_end(struct reader *r, const char *text)
{
	struct fault_state *s = r->arg;
	const char *p = r->path;

	if (strlen(p) + 1 == strlen(s->at) && str_starts(s->at, p))
		s->is_done = s->fault->code[0] != '\0';
	if (s->is_done || !str_starts(p, s->at))
		return;
	p += strlen(s->at);
	if (strcmp(p, "Code") == 0)
		str_copy(s->fault->code, text, sizeof(s->fault->code));
	else if (strcmp(p, "Message") == 0)
		str_copy(s->fault->message, text, sizeof(s->fault->message));
	else if (strcmp(p, "Region") == 0)
		str_copy(s->fault->region, text, sizeof(s->fault->region));
}

static bool
read_fault(const char *data, size_t len, const char *at, struct s3_fault *out)
{
	struct s3_fault fault = {0};
	struct fault_state s = { .fault = &fault, .at = at };
	struct reader r = { .end = fault_end, .arg = &s };

	if (!read_xml(&r, data, len) || fault.code[0] == '\0')
		return false;
	*out = fault;
	return true;
}

static bool
json_fault(const char *data, size_t len, struct s3_fault *out)
{
	struct err ignored;
	struct json *j = json_parse_relayed(data, len, &ignored);
	const char *code = json_strd(j, "Code", "");
	bool ok = code[0] != '\0';

	if (ok) {
		memset(out, 0, sizeof(*out));
		str_copy(out->code, code, sizeof(out->code));
		str_copy(out->message, json_strd(j, "Message", ""),
		    sizeof(out->message));
	}
	json_free(j);
	return ok;
}

bool
s3_fault_parse(const char *data, size_t len, struct s3_fault *out)
{
	if (len == 0)
		return false;
	if (data[0] == '{')
		return json_fault(data, len, out);
	return read_fault(data, len, "Error/", out);
}

bool
s3_delete_fault(const char *data, size_t len, struct s3_fault *out)
{
	return read_fault(data, len, "DeleteResult/Error/", out);
}

/* --- what we send --------------------------------------------------------- */

static void
add_escaped(struct buf *b, const char *s)
{
	for (; *s != '\0'; s++) {
		if (*s == '&' || *s == '<' || *s == '>' || *s == '"' ||
		    (unsigned char)*s < ' ')
			buf_printf(b, "&#%d;", (unsigned char)*s);
		else
			buf_putc(b, *s);
	}
}

char *
s3_delete_body(const char *const *keys, size_t n)
{
	struct buf b = {0};
	size_t i;

	buf_puts(&b, "<Delete><Quiet>true</Quiet>");
	for (i = 0; i < n; i++) {
		buf_puts(&b, "<Object><Key>");
		add_escaped(&b, keys[i]);
		buf_puts(&b, "</Key></Object>");
	}
	buf_puts(&b, "</Delete>");
	return buf_take(&b);
}
