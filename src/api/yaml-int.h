/*
 * The reader of YAML from inside: what yaml.c (trees), yaml-text.c (lines and
 * bytes) and yaml-syntax.c (libyaml's complaints) share.
 */
#ifndef HICLAW_API_YAML_INT_H
#define HICLAW_API_YAML_INT_H

#include <yaml.h>

#include "yaml-tree.h"

struct chunk;

/* A map or sequence under construction. */
struct frame {
	struct ynode	*node;
	struct ynode	*key;		/* waiting for its value */
};

struct yaml {
	const char	*text;
	size_t		 len;
	uint32_t	*lines;		/* where each begins */
	size_t		 nlines;
	struct problems	*problems;

	yaml_parser_t	 parser;
	bool		 parsing;	/* parser is initialised */
	bool		 done;
	size_t		 base_line;	/* line that the parser began with, from 0 */
	size_t		 doc_line;	/* line that the document began with */
	bool		 in_doc;
	int		 doc;
	size_t		 errors_before;	/* when the document began */

	struct chunk	*arena;		/* newest first */
	struct map	*anchors;	/* of this document; NULL: none yet */
	struct frame	 stack[YAML_DEPTH_MAX];
	size_t		 depth;
	struct ynode	*root;
	size_t		 alias_nodes, alias_bytes;	/* of the manifest */
};

/* The line (from 0) without its break; not terminated. */
const char *yaml_line(const struct yaml *, size_t line, size_t *len);
/*
 * Size, encoding, control characters: 0, or -1 with a problem.  Also notes
 * where lines begin, so it comes before any other problem.
 */
int	 yaml_check_text(struct yaml *);
/* A problem; line and column from 0, as libyaml's marks. */
void	 yaml_fault(struct yaml *, size_t line, size_t column,
	    const char *, ...) PRINTF(4, 5);
/* What the parser stopped at, in words that help. */
void	 yaml_report_syntax(struct yaml *);

#endif
