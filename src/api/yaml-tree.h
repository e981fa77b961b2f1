/*
 * YAML text as trees of nodes that know where they stand (libyaml inside, and
 * only in yaml*.c).
 *
 * One document at a time: its nodes live in an arena that the next document
 * reuses.  A fault of the text is a problem; reading then goes on with the next
 * document, so that a paste shows all its faults at once.  Aliases are shared
 * nodes, counted as if they were written out.
 */
#ifndef HICLAW_API_YAML_TREE_H
#define HICLAW_API_YAML_TREE_H

#include "hiclaw/api.h"

#define YAML_DEPTH_MAX	64
#define YAML_ALIAS_NODES_MAX	200000		/* of one manifest, by aliases */
#define YAML_ALIAS_BYTES_MAX	(4 * 1024 * 1024)

enum ynode_type { YNODE_SCALAR, YNODE_MAP, YNODE_SEQ,
    YNODE_BAD /* a problem was reported: say nothing more */ };

struct yitem {
	struct ynode	*key;		/* a scalar; NULL in a sequence */
	struct ynode	*value;
	struct yitem	*next;
	bool		 drop;		/* a duplicate; gone when you see it */
};

struct ynode {
	enum ynode_type	 type;
	bool		 plain;		/* scalar that the core schema reads */
	bool		 open;		/* not closed yet: an alias is a cycle */
	int		 height;	/* levels below */
	int		 line, column;	/* from 1 */
	uint32_t	 nodes, bytes;	/* written out, aliases and all */
	const char	*text;		/* scalar: terminated, no NUL inside */
	struct yitem	*first, *last;	/* map, sequence */
	size_t		 n;
};

struct yaml;
/* Never NULL: what is wrong with the whole text is a problem. */
struct yaml *yaml_open(const char *text, size_t len, struct problems *);
void	 yaml_close(struct yaml *);
/*
 * The next document: true and its root, NULL for an empty one.  The tree lasts
 * until the next call.  False at the end.
 */
bool	 yaml_next(struct yaml *, const struct ynode **root);
int	 yaml_doc(const struct yaml *);	/* number of that document, from 1 */
bool	 yaml_doc_is_good(const struct yaml *);	/* no errors in it so far */
/* A problem at the node; path may be NULL. */
void	 yaml_problem(struct yaml *, const struct ynode *at, const char *path,
	    bool is_warning, const char *, ...) PRINTF(5, 6);
/* The line as problems show it; yours. */
char	*yaml_source(const struct yaml *, int line, int column);

/* The value under the key, or NULL. */
const struct ynode *ynode_get(const struct ynode *map, const char *key);
bool	 ynode_is_null(const struct ynode *);	/* also for NULL */

#endif
