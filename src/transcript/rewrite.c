/*
 * A file with some lines put anew: what --update makes of expectations.  Changes
 * are noted in the order of the file and applied at the end.
 */
#include "transcript-int.h"

#include <stdlib.h>
#include <string.h>

struct change {
	int	 from, to;
	char	*text;
};
struct rewrite {
	struct change	*changes;
	size_t		 n, cap;
};

struct rewrite *
rewrite_new(void)
{
	return xcalloc(1, sizeof(struct rewrite));
}

void
rewrite_free(struct rewrite *rw)
{
	if (rw == NULL)
		return;
	for (size_t i = 0; i < rw->n; i++)
		free(rw->changes[i].text);
	free(rw->changes);
	free(rw);
}

void
rewrite_put(struct rewrite *rw, int from, int to, char *text)
{
	if (rw->n == rw->cap) {
		rw->cap = rw->cap == 0 ? 16 : rw->cap * 2;
		rw->changes = xreallocarray(rw->changes, rw->cap,
		    sizeof(struct change));
	}
	rw->changes[rw->n++] = (struct change){ from, to, text };
}

bool
rewrite_any(const struct rewrite *rw)
{
	return rw->n > 0;
}

char *
rewrite_apply(const struct rewrite *rw, const char *file)
{
	struct buf out = { 0 };
	size_t at = 0;
	int line = 1;

	for (;; line++) {
		size_t n = strcspn(file, "\n");

		for (; at < rw->n && rw->changes[at].from == line &&
		    rw->changes[at].to < line; at++)
			buf_puts(&out, rw->changes[at].text);
		if (at < rw->n && rw->changes[at].from == line)
			buf_puts(&out, rw->changes[at].text);
		if (*file == '\0')
			break;
		if (at >= rw->n || line < rw->changes[at].from)
			buf_add(&out, file, n + (file[n] == '\n'));
		else if (line == rw->changes[at].to)
			at++;
		file += n + (file[n] == '\n');
	}
	for (; at < rw->n; at++)
		if (rw->changes[at].from > line)
			buf_puts(&out, rw->changes[at].text);
	return buf_take(&out);
}
