/*
 * The replies of templates/: markup as in text.h with {{name}} where a value
 * goes.  A line whose only value is absent is left out; a line that is nothing
 * but {{>name}} is replaced by a text made elsewhere (a list, a block).
 */
#ifndef CHAT_TEMPLATE_H
#define CHAT_TEMPLATE_H

#include "hiclaw/err.h"
#include "text.h"

struct templates;
/* Every template that the program uses must be there, with no name in it that
 * nobody fills: ERR_BROKEN "templates/x.md:3: ...". */
struct templates *templates_load(const char *dir, struct err *);
void	 templates_free(struct templates *);

struct fill {
	const char		*name;
	const char		*value;		/* or NULL */
	const struct text	*block;		/* of {{>name}} */
	bool			 is_people;	/* value: Matrix ids, ", " between */
};
/* fill ends with name == NULL, or is NULL when there is nothing to put in. */
void	 template_fill(const struct templates *, const char *name,
	    const struct fill *, struct text *out);
#define FILL(...)	((const struct fill[]){ __VA_ARGS__, { .name = NULL } })
#define V(n, v)		{ .name = (n), .value = (v) }
#define P(n, v)		{ .name = (n), .value = (v), .is_people = true }
#define B(n, b)		{ .name = (n), .block = (b) }

#endif
