/*
 * The commands: one file each in commands/, which says everything people need
 * to know (words, usage, tier, help, examples) and names the handler, a row of
 * C.  The registry is data; it calls nobody.
 */
#ifndef CHAT_COMMANDS_H
#define CHAT_COMMANDS_H

#include "hiclaw/err.h"

#include "words.h"

struct command {
	char		*file;		/* "commands/get.yaml", for messages */
	char		*name;		/* may be of several words */
	struct strv	 aliases;
	char		*usage, *summary, *help, *group, *risk;
	struct strv	 examples;
	int		 tier;		/* the lowest that may: 1 admins only,
					 * 3 everybody we know */
	bool		 manifest;	/* works on a manifest */
	struct flag	*flags;
	struct strv	 flags_help;	/* parallel */
	size_t		 flags_n;
	size_t		 handler;	/* index into the list of handlers */
};

struct commands;
/* handlers: NULL-terminated names.  A file that is broken, or names a handler
 * or a word twice: ERR_BROKEN "file:line: ...". */
struct commands *commands_load(const char *dir, const char *const *handlers,
	    struct err *);
void	 commands_free(struct commands *);
size_t	 commands_n(const struct commands *);
/* By group, then name. */
const struct command *commands_at(const struct commands *, size_t);
/* By name or alias, whatever the case. */
const struct command *commands_find(const struct commands *, const char *);
/*
 * The command with the longest name that the words begin with; *used gets how
 * many words that took.  NULL: none; *near then gets the nearest name, or NULL.
 */
const struct command *commands_match(const struct commands *,
	    const struct words *, size_t *used, const char **near);
#endif
