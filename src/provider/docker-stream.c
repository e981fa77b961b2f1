/*
 * What an engine sends bit by bit, all of it pure: lines, frames of output,
 * events, the progress of a pull; and tars, which files go in and out by.
 */
#include "docker-int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hiclaw/clock.h"

#define LINE_MAX_BYTES	(256U << 10)	/* an event has all labels in it */
#define LAYERS_MAX	256
#define TAR_BLOCK	512

/* --- lines ---------------------------------------------------------------- */

/* Bytes up to here, or to the end of a line: what of it is taken. */
static void
line_add(struct docker_lines *l, const char *p, size_t n)
{
	if (l->line.max == 0)
		buf_init(&l->line, LINE_MAX_BYTES);
	if (!l->skip)
		buf_add(&l->line, p, n);
	if (l->line.overflow)
		l->skip = true;
}

int
docker_lines(struct docker_lines *l, const char *p, size_t n,
    int (*line)(void *arg, const char *line, size_t), void *arg)
{
	const char *end;
	int rv = 0;

	while (n > 0 && rv == 0) {
		end = memchr(p, '\n', n);
		if (end == NULL) {
			line_add(l, p, n);
			return 0;
		}
		line_add(l, p, (size_t)(end - p));
		if (!l->skip && l->line.len > 0)
			rv = line(arg, buf_str(&l->line), l->line.len);
		buf_reset(&l->line);
		l->line.overflow = false;
		l->skip = false;
		n -= (size_t)(end + 1 - p);
		p = end + 1;
	}
	return rv;
}

void
docker_lines_release(struct docker_lines *l)
{
	buf_release(&l->line);
	memset(l, 0, sizeof(*l));
}

/* --- frames --------------------------------------------------------------- */

static int
head_done(struct docker_frames *f)
{
	if (f->head[0] > 2 || f->head[1] != 0 || f->head[2] != 0 ||
	    f->head[3] != 0)
		return -1;
	f->stream = f->head[0] == 2 ? 2 : 1;
	f->left = (size_t)f->head[4] << 24 | (size_t)f->head[5] << 16 |
	    (size_t)f->head[6] << 8 | f->head[7];
	f->have = 0;
	return 0;
}

int
docker_frames(struct docker_frames *f, const char *p, size_t n,
    int (*out)(void *arg, int stream, const char *, size_t), void *arg)
{
	size_t part;

	while (n > 0) {
		if (f->left == 0) {
			f->head[f->have++] = (unsigned char)*p++;
			n--;
			if (f->have == sizeof(f->head) && head_done(f) == -1)
				return -1;
			continue;
		}
		part = n < f->left ? n : f->left;
		if (out(arg, f->stream, p, part) == -1)
			return -1;
		f->left -= part;
		p += part;
		n -= part;
	}
	return 0;
}

/* --- texts ---------------------------------------------------------------- */

/* The end of "\e[31m" or "\e]0;title\a" that begins here. */
static size_t
escape_len(const char *p, size_t n)
{
	size_t i = 2;

	if (n < 2)
		return n;
	if (p[1] == '[') {
		while (i < n && ((unsigned char)p[i] < 0x40 || p[i] == 0x7f))
			i++;
		return i < n ? i + 1 : n;
	}
	if (p[1] == ']') {
		while (i < n && p[i] != '\a' && p[i] != '\033' && p[i] != '\n')
			i++;
		return i < n && p[i] == '\a' ? i + 1 : i;
	}
	return 2;
}

/* Of the UTF-8 character that begins with this byte. */
static size_t
sequence_len(unsigned char c)
{
	return c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
}

char *
docker_clean(const char *s, size_t n, size_t max)
{
	struct buf out;
	size_t i = 0, len, bad;

	buf_init(&out, max + 4);
	while (i < n && out.len < max) {
		if (s[i] == '\033') {
			i += escape_len(s + i, n - i);
			continue;
		}
		if (s[i] != '\t' && ((unsigned char)s[i] < ' ' ||
		    s[i] == 0x7f)) {
			if (s[i] != '\r' || i + 1 < n)
				buf_putc(&out, ' ');
			i++;
			continue;
		}
		if ((unsigned char)s[i] < 0x80) {
			buf_putc(&out, s[i++]);
			continue;
		}
		len = sequence_len((unsigned char)s[i]);
		if (i + len <= n && utf8_valid(s + i, len, &bad)) {
			buf_add(&out, s + i, len);
			i += len;
		} else {
			buf_puts(&out, "\xef\xbf\xbd");
			i++;
		}
	}
	if (out.len > max) {
		out.len = utf8_prefix(out.data, max);
		out.data[out.len] = '\0';
	}
	return buf_take(&out);
}

/* --- events --------------------------------------------------------------- */

/* What may change what we know of a container.  Others (exec_start, attach,
 * health_status: ...) come often and do not. */
static const char *const telling[] = { "start", "die", "died", "stop", "oom",
    "kill", "pause", "unpause", "restart", "cleanup", "destroy", "remove",
    "rename", "update", NULL };

bool
docker_event(const char *line, size_t n, struct json **event, const char **id,
    const char **action, int64_t *nanos)
{
	struct err e;

	*event = json_parse_relayed(line, n, &e);
	*action = json_str(*event, "Action");
	if (*action == NULL)
		*action = json_strd(*event, "status", "");
	*id = json_str(json_get(*event, "Actor"), "ID");
	if (*id == NULL)
		*id = json_str(*event, "id");
	*nanos = json_int(*event, "timeNano", 0);
	if (*id == NULL || **id == '\0' ||
	    !str_equal(json_strd(*event, "Type", "container"), "container"))
		return false;
	for (size_t i = 0; telling[i] != NULL; i++)
		if (strcmp(telling[i], *action) == 0)
			return true;
	return false;
}

/* --- pulls ---------------------------------------------------------------- */

struct layer { int64_t done, size; };

void
docker_pull_init(struct docker_pull *p)
{
	memset(p, 0, sizeof(*p));
	p->layers = map_new(free);
}

void
docker_pull_release(struct docker_pull *p)
{
	map_free(p->layers);
	memset(p, 0, sizeof(*p));
}

static void
pull_sum(struct docker_pull *p)
{
	const struct layer *l;
	double done = 0, size = 0;
	void *at;

	for (at = NULL; (l = map_next(p->layers, &at, NULL)) != NULL;) {
		done += (double)l->done;
		size += (double)l->size;
	}
	if (size > 0)
		snprintf(p->said, sizeof(p->said), "%d %%",
		    (int)(100 * done / size));
}

/* Layers are loaded first and unpacked then; only the first is counted. */
static void
pull_layer(struct docker_pull *p, const struct json *line)
{
	const struct json *detail = json_get(line, "progressDetail");
	const char *id = json_str(line, "id");
	const char *status = json_strd(line, "status", "");
	int64_t size = json_int(detail, "total", 0);
	int64_t done = json_int(detail, "current", 0);
	struct layer *l = id != NULL ? map_find(p->layers, id) : NULL;

	if (id == NULL)
		return;
	if (strcmp(status, "Downloading") == 0 && size > 0 && done >= 0) {
		if (l == NULL && map_size(p->layers) < LAYERS_MAX)
			map_set(p->layers, id, l = xcalloc(1, sizeof(*l)));
		if (l != NULL)
			*l = (struct layer){ done < size ? done : size, size };
	} else if (l != NULL && (strcmp(status, "Download complete") == 0 ||
	    strcmp(status, "Pull complete") == 0))
		l->done = l->size;
	pull_sum(p);
}

void
docker_pull_line(struct docker_pull *p, const char *line, size_t n)
{
	struct err e;
	struct json *v = json_parse_relayed(line, n, &e);
	const char *error = json_str(json_get(v, "errorDetail"), "message");
	char *clean;

	if (error == NULL)
		error = json_str(v, "error");
	if (error != NULL) {
		clean = docker_clean(error, strlen(error),
		    sizeof(p->error) - 1);
		str_copy(p->error, *clean != '\0' ? clean : "no reason given",
		    sizeof(p->error));
		free(clean);
	} else
		pull_layer(p, v);
	json_free(v);
}

static bool
has_word(const char *text, const char *const *words)
{
	for (; *words != NULL; words++)
		if (strstr(text, *words) != NULL)
			return true;
	return false;
}

enum err_kind
docker_pull_kind(const char *text)
{
	static const char *const denied[] = { "denied", "unauthorized",
	    "authentication required", "no basic auth", "invalid username",
	    "forbidden", NULL };
	static const char *const missing[] = { "manifest unknown",
	    "not found", "name unknown", "does not exist", "no such image",
	    NULL };
	static const char *const wrong[] = { "invalid reference",
	    "no matching manifest", "exec format", NULL };
	/* "no such host" and "dial tcp: lookup x: ... not found" */
	static const char *const away[] = { "dial tcp", "no such host",
	    "timeout", "connection re", NULL };

	if (has_word(text, away))
		return ERR_RETRY;
	if (has_word(text, denied))
		return ERR_DENIED;
	if (has_word(text, missing))
		return ERR_NOTFOUND;
	return has_word(text, wrong) ? ERR_USER : ERR_RETRY;
}

/* --- names of images ------------------------------------------------------ */

void
docker_ref_split(const char *ref, char **host, char **name, char **tag)
{
	const char *slash = strchr(ref, '/'), *at = strchr(ref, '@');
	const char *last = strrchr(ref, '/');
	const char *colon = strrchr(last != NULL ? last : ref, ':');
	size_t first = slash != NULL ? (size_t)(slash - ref) : 0;
	char *head = xstrndup(ref, first);

	if (first > 0 && (strpbrk(head, ".:") != NULL ||
	    strcmp(head, "localhost") == 0))
		*host = head;
	else {
		free(head);
		*host = xstrdup("docker.io");
	}
	if (at != NULL) {
		*name = xstrndup(ref, (size_t)(at - ref));
		*tag = xstrdup(at + 1);
	} else if (colon != NULL) {
		*name = xstrndup(ref, (size_t)(colon - ref));
		*tag = xstrdup(colon + 1);
	} else {
		*name = xstrdup(ref);
		*tag = xstrdup("latest");
	}
}

bool
docker_ref_is(const char *ref, const char *theirs)
{
	static const char *const before[] = { "", "localhost/",
	    "docker.io/library/", "docker.io/", NULL };
	char *host, *name, *tag, *full;
	bool found = false;

	docker_ref_split(ref, &host, &name, &tag);
	for (size_t i = 0; before[i] != NULL && !found; i++) {
		full = xasprintf("%s%s%s%s", before[i], name,
		    strchr(ref, '@') != NULL ? "@" : ":", tag);
		found = strcmp(full, theirs) == 0;
		free(full);
	}
	free(host);
	free(name);
	free(tag);
	return found;
}

/* --- tar ------------------------------------------------------------------ */

void
docker_tar(struct buf *out, const char *name, const char *text, unsigned mode,
    unsigned uid, unsigned gid)
{
	unsigned char head[TAR_BLOCK] = {0};
	static const char zeros[TAR_BLOCK];
	size_t len = strlen(text), pad = (TAR_BLOCK - len % TAR_BLOCK) %
	    TAR_BLOCK;
	unsigned sum = 0;
	char *h = (char *)head;

	str_copy(h, name, 100);
	snprintf(h + 100, 8, "%07o", mode & 07777);
	snprintf(h + 108, 8, "%07o", uid & 07777777);
	snprintf(h + 116, 8, "%07o", gid & 07777777);
	snprintf(h + 124, 12, "%011o", (unsigned)len & 0777777777);
	snprintf(h + 136, 12, "%011llo",
	    (unsigned long long)(clock_ms() / 1000) & 077777777777);
	memset(h + 148, ' ', 8);
	h[156] = '0';
	memcpy(h + 257, "ustar\00000", 8);
	for (size_t i = 0; i < sizeof(head); i++)
		sum += head[i];
	snprintf(h + 148, 8, "%06o", sum & 0777777);
	buf_add(out, head, sizeof(head));
	buf_add(out, text, len);
	buf_add(out, zeros, pad);
	buf_add(out, zeros, sizeof(zeros));
	buf_add(out, zeros, sizeof(zeros));
}

/* The first file in a tar; false if there is none, or not all of it. */
static bool
tar_first(const char *tar, size_t n, const char **text, size_t *len)
{
	char digits[13] = "";
	size_t size;

	while (n >= TAR_BLOCK && tar[0] != '\0') {
		memcpy(digits, tar + 124, 12);
		size = (size_t)strtoul(digits, NULL, 8);
		if (size > n - TAR_BLOCK)
			return false;
		if (tar[156] == '0' || tar[156] == '\0') {
			*text = tar + TAR_BLOCK;
			*len = size;
			return true;
		}
		/* a header of another kind, and what it says */
		size = (size + 2 * TAR_BLOCK - 1) / TAR_BLOCK * TAR_BLOCK;
		if (size > n)
			return false;
		tar += size;
		n -= size;
	}
	return false;
}

bool
docker_user_in(const char *tar, size_t n, const char *user, unsigned *uid,
    unsigned *gid)
{
	const char *text;
	struct strv lines = {0};
	size_t len, name = strcspn(user, ":");
	char *copy;
	bool found = false;

	if (name == 0 || !tar_first(tar, n, &text, &len))
		return false;
	copy = xstrndup(text, len);
	strv_split(&lines, copy, '\n');
	for (size_t i = 0; i < lines.n && !found; i++) {
		const char *l = lines.v[i], *at;

		if (strncmp(l, user, name) != 0 || l[name] != ':' ||
		    (at = strchr(l + name + 1, ':')) == NULL)
			continue;
		found = sscanf(at + 1, "%9u:%9u", uid, gid) == 2;
	}
	strv_release(&lines);
	free(copy);
	return found;
}
