/*
 * The commands: one file each in commands/, which says everything people need
 * to know (words, usage, tier, help, examples) and what it does: a handler, which
 * is a row of C, or a macro: lines of other commands, or a manifest, with
 * {{argument}} in them (macro.c).  Operators have files of their own.  The registry is data; it calls nobody.
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

enum argument_type { ARG_STRING, ARG_INT, ARG_NUMBER, ARG_BOOL, ARG_AGENT,
    ARG_KIND, ARG_NAME, ARG_RESOURCE, ARG_SUBJECT, ARG_USER, ARG_ROOM,
    ARG_DURATION, ARG_WORDS };
#define ARGUMENTS_MAX	8	/* more nobody types in order */
struct argument {
	char		*name, *help;	/* help may be "" */
	char		*after;		/* the word in front of it, "for", or
					 * NULL; people may leave it out */
	struct strv	 values;	/* nothing but these, if there are any */
	enum argument_type type;
	bool		 required;
	bool		 many;		/* one or more, if any */
};

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
	bool		 reply;		/* alone in a reply it needs no
					 * address */
	struct argument	*arguments;
	size_t		 arguments_n;
	/* A macro has one of these, and its file's text for messages. */
	struct strv	 run;		/* lines */
	char		*template, *text;
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

/* Its file says that it changes something. */
bool	 command_acts(const struct command *);

struct commands;
/* handlers: NULL-terminated names.  A file that is broken, or names a handler
 * or a word twice: ERR_BROKEN "file:line: ...". */
struct commands *commands_load(const char *dir, const char *const *handlers,
	    struct err *);
/*
 * The files of another directory in addition.  A broken one is ERR_BROKEN
 * "file:line:column: ...", and then the set is of no use.
 */
int	 commands_more(struct commands *, const char *dir,
	    const char *const *handlers, struct err *) MUST_CHECK;
/* One file's text, as commands_more takes it, and a set to begin with; for
 * tests. */
struct commands *commands_empty(void);
int	 commands_add(struct commands *, const char *file, const char *text,
	    const char *const *handlers, struct err *) MUST_CHECK;
/* Do macros name commands and arguments that there are? */
int	 commands_check(struct commands *, const char *const *handlers,
	    struct err *) MUST_CHECK;
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

/* --- arguments.c: typed arguments, pure ----------------------------------- */

extern const char *const argument_types[];	/* words for the enum; NULL */
/*
 * Do these words (flags are gone) fit what the command takes?  ERR_USER says
 * what is missing, too much, or not of its type.
 */
int	 arguments_check(const struct command *, const struct strv *,
	    struct err *) MUST_CHECK;
/* How many of the words from `at` on are argument i, the one in front of it (see
 * `after`) among them. */
size_t	 argument_words(const struct command *, size_t i, const struct strv *,
	    size_t at);

/* Is the word at `at` the one that stands in front of it? */
bool	 argument_is_after(const struct argument *, const struct strv *,
	    size_t at);
/* It should be a kind, and is none: ERR_USER with the nearest; -1. */
int	 kind_wrong(const char *word, struct err *);

bool	 argument_bool(const char *);	/* is that a yes? */

/* --- macro.c --------------------------------------------------------------- */

#define MACRO_STEPS_MAX	10	/* as many as one can still read the answers of */
bool	 command_is_macro(const struct command *);
/* ERR_BROKEN: what it names is not there, or not for macros. */
int	 macro_check(const struct commands *, const struct command *,
	    const char *const *handlers, struct err *) MUST_CHECK;
/*
 * A line with what the words say for each {{argument}}; yours.  NULL: ERR_USER,
 * such words cannot stand there.
 */
char	*macro_line(const struct command *, const char *line,
	    const struct strv *words, struct err *);
/* The template likewise, as documents of JSON; yours. */
char	*macro_manifest(const struct command *, const struct strv *words,
	    struct err *);
/* Where in a text that stands, from 1; else 1, 1. */
void	 position_of(const char *text, const char *what, int *line,
	    int *column);
#endif
