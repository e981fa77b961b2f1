/*
 * Finds the lines for problems of cross checks, which know only a document and
 * a path.  Reads the text once more, and only when there is something to show:
 * keeping every node of every accepted paste would cost more.
 */
#include "hiclaw/api.h"

#include <stdlib.h>
#include <string.h>

#include "yaml-tree.h"

static const struct ynode *
item_at(const struct ynode *seq, size_t i)
{
	const struct yitem	*it = seq->first;

	while (it != NULL && i-- > 0)
		it = it->next;
	return it == NULL ? NULL : it->value;
}

/* The node of "spec.workers[1].name", or the last one on the way to it. */
static const struct ynode *
walk(const struct ynode *n, const char *path)
{
	const struct ynode	*next;
	char			 step[128], *end;
	size_t			 len;

	while (*path != '\0') {
		if (*path == '.')
			path++;
		if (*path == '[') {
			next = n->type != YNODE_SEQ ? NULL :
			    item_at(n, strtoul(path + 1, &end, 10));
			path = strchr(path, ']');
			path = path == NULL ? "" : path + 1;
		} else {
			len = strcspn(path, ".[");
			if (len >= sizeof step)
				return n;
			memcpy(step, path, len);
			step[len] = '\0';
			next = ynode_get(n, step);
			path += len;
		}
		if (next == NULL)
			return n;
		n = next;
	}
	return n;
}

/* The resource that begins in the line: the root, or an item of a List. */
static const struct ynode *
resource_in_line(const struct ynode *root, int line)
{
	const struct ynode	*items = ynode_get(root, "items");
	const struct yitem	*it;

	if (root->line == line || items == NULL)
		return root;
	for (it = items->first; it != NULL; it = it->next)
		if (it->value->line == line)
			return it->value;
	return root;
}

static void
locate(struct yaml *y, const struct ynode *root, struct problem *p)
{
	const struct ynode	*n;

	n = walk(resource_in_line(root, p->line), p->path);
	p->line = n->line;
	p->column = n->column;
	p->source = yaml_source(y, p->line, p->column);
}

void
problems_locate(struct problems *problems, const char *text, size_t len)
{
	struct problems		 scratch = { 0 };
	struct problem		*p;
	const struct ynode	*root;
	struct yaml		*y;
	size_t			 i;

	y = yaml_open(text, len, &scratch);
	while (yaml_next(y, &root)) {
		for (i = 0; root != NULL && i < problems->n; i++) {
			p = &problems->v[i];
			if (p->doc == yaml_doc(y) && p->path != NULL &&
			    p->source == NULL)
				locate(y, root, p);
		}
	}
	yaml_close(y);
	problems_release(&scratch);
}
