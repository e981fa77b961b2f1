/*
 * The commands: one file each in commands/, which says everything people need
 * to know (words, usage, tier, help, examples) and names the handler, a row of
 * C.  The registry is data; it calls nobody.
 */
#ifndef CHAT_COMMANDS_H
#define CHAT_COMMANDS_H

#include "hiclaw/err.h"

#include "words.h"

/*
 * The kinds of room.  A command's file says in which it may be given: `rooms`.
 * The rooms of teams and agents have a subject, and there nothing else is talked
 * about.
 */
enum where {
	IN_NONE,		/* a room that is not ours: silence */
	IN_ADMIN,
	IN_DM,			/* with the sender */
	IN_GUEST,		/* a room that an admin invited the bot to */
	IN_TEAM, IN_LEADER,	/* the subject is a Team */
	IN_WORKER, IN_MANAGER,	/* ... an agent */
	IN_OTHER,		/* of ours, or of others with the bot */
	WHERES
};
const char *where_name(enum where);		/* "team" */

/* What a command without a name is about, in a room that has a subject. */
enum about { ABOUT_NOTHING, ABOUT_AGENT, ABOUT_AGENTS, ABOUT_RESOURCE };

struct command {
	char		*file;		/* "commands/get.yaml", for messages */
	char		*name;		/* may be of several words */
	struct strv	 aliases;
	char		*usage, *summary, *help, *group, *risk;
	struct strv	 examples;
	int		 tier;		/* the lowest that may: 1 admins only,
					 * 3 everybody we know */
	bool		 manifest;	/* works on a manifest */
	bool		 reply;		/* alone in a reply it needs no
					 * address */
	struct flag	*flags;
	struct strv	 flags_help;	/* parallel */
	size_t		 flags_n;
	size_t		 handler;	/* index into the list of handlers */
	unsigned	 rooms;		/* bits: 1 << enum where */
	enum about	 about;
};

/*
 * May somebody of this tier (0: nobody we know) give the command there?  needs:
 * the lowest tier that its verb takes.  Pure, and the first of two gates: what
 * it may be given about is for ops_may.  Denies win, in this order.
 */
enum gate {
	GATE_OPEN,
	GATE_NOBODY,		/* we do not know them */
	GATE_ROOM,		/* not in this room */
	GATE_TIER		/* not this tier, or not this tier here */
};
enum gate command_gate(const struct command *, int needs, int tier,
	    enum where);

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
