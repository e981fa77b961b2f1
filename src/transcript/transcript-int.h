/*
 * What the files of the transcript runner share:
 *
 *   script.c	a file to steps
 *   match.c	does what the bot said fit what is written? and if not, where
 *   stage.c	directory, settings and processes: the controller, a homeserver
 *   people.c	what people do in rooms, and what the bot is heard saying
 *   play.c	one script, step by step
 *   rewrite.c	expectations written anew (--update)
 *   run.c	the command: options, files, the summary
 *   homeserver*.c  a homeserver in memory
 */
#ifndef TRANSCRIPT_INT_H
#define TRANSCRIPT_INT_H

#include <sys/types.h>

#include "hiclaw/json.h"

#define SCRIPT_BYTES_MAX	(1024 * 1024)
#define STEPS_MAX		5000
#define PEOPLE_MAX		100
#define SAID_MAX		20000
#define DOTS			"\xe2\x80\xa6"	/* the character ... */
#define V3			"/_matrix/client/v3"

/* --- script.c ------------------------------------------------------------ */

enum step_kind {
	STEP_PERSON,		/* person: @alice admin */
	STEP_SET,		/* set chat.question_ttl 20 */
	STEP_ROOM,		/* room: team/web */
	STEP_SAY,		/* @alice> text */
	STEP_EDIT,		/* @alice~ text */
	STEP_REPLY,		/* @alice^ text */
	STEP_REDACT,		/* @alice! */
	STEP_TAP,		/* @alice+ key */
	STEP_UNTAP,		/* @alice- key */
	STEP_ACT,		/* @alice: invite @bob */
	STEP_BOT,		/* bot< pattern */
	STEP_BOT_EDIT,		/* bot<~ pattern */
	STEP_BOT_THREAD,	/* bot<| pattern */
	STEP_SERVER,		/* server< pattern */
	STEP_QUIET,		/* quiet */
	STEP_WAIT,		/* wait 3 s */
	STEP_RESTART, STEP_STOP, STEP_KILL, STEP_START,
	STEP_DROP,		/* drop database */
	STEP_RESTORE		/* restore */
};
struct step {
	enum step_kind	 kind;
	int		 line, end;	/* first and last, from 1 */
	char		*who;		/* "alice"; or NULL */
	char		*label;		/* of [label], or NULL */
	char		*text;		/* "" if there is none */
};
struct script {
	struct step	*steps;
	size_t		 n, cap;
};
/* -1: ERR_USER "line N: ...". */
int	script_parse(struct script *, const char *text, struct err *)
	    MUST_CHECK;
void	script_release(struct script *);

/* --- match.c ------------------------------------------------------------- */

/*
 * Line by line; blank lines and blanks at the ends count nowhere.  A line of
 * "…" alone is any number of lines; "…" or "*" within one anything; {word} a
 * run without blanks, which is kept in `names` (a map of char *) and from then
 * on means itself.  names is changed only if it fits.
 */
bool	match_text(const char *pattern, const char *text, struct map *names);
/* What is written against what was said, lines with ' ', '-' and '+'. */
void	match_diff(const char *pattern, const char *text,
	    const struct map *names, struct buf *);
/* {word} of known names put in; others stay.  Yours. */
char	*match_fill(const char *text, const struct map *names);
/* A text as a pattern: what is another the next time becomes "…".  Yours. */
char	*match_generalise(const char *text);

/* --- stage.c ------------------------------------------------------------- */

struct homeserver;
struct stage_options {
	const char	*controller;	/* path of the binary */
	const char	*homeserver;	/* URL, or NULL: simulated */
	const char	*registration;	/* file, with homeserver */
	const char	*shared_secret;	/* of homeserver */
	const char	*domain;
	struct strv	 settings;	/* "key=value" */
	int		 timeout_ms;
	bool		 keep;
};
struct said {
	char		*room, *event, *thread;	/* thread: its root, or NULL */
	struct strv	 forms;		/* as it was first, and every edit */
	char		*state;		/* "running", "done", ... or "" */
	bool		 is_read;
};
struct person {
	char		*name, *id, *token;
	struct map	*last;		/* room id -> last event they sent */
	struct map	*taps;		/* "event key" -> reaction event */
};
struct stage {
	const struct stage_options *o;
	char		*dir, *url, *domain, *bot, *prefix, *sender, *as_token, *as_id;
	char		*hs_token, *registration, *config, *database, *secret;
	int		 port;
	pid_t		 pid;		/* of the controller; 0: none */
	struct homeserver *hs;
	struct json	*settings;
	struct strv	 admins;
	/* people.c */
	struct map	*people;	/* by name */
	struct map	*direct;	/* name -> room with the bot */
	struct said	**said;
	size_t		 said_n;
	char		*since;
	struct strv	 invites;	/* "room user", not taken yet */
	int64_t		 heard_ms;	/* when the bot last said something */
};
int	stage_open(struct stage *, const struct stage_options *, struct err *)
	    MUST_CHECK;
void	stage_close(struct stage *);
int	stage_set(struct stage *, const char *dotted, const char *value,
	    struct err *) MUST_CHECK;
int	stage_start(struct stage *, const char *restore_from, struct err *)
	    MUST_CHECK;
void	stage_stop(struct stage *, int signo);
void	stage_drop(struct stage *);
/* Everything that is declared is there. */
bool	stage_is_calm(const struct stage *);
/* The end of the controller's log; yours. */
char	*stage_log(const struct stage *);

/* --- people.c ------------------------------------------------------------ */

void	crowd_release(struct stage *);
/* Made, with an account, when first asked for.  NULL: error. */
struct person *people_get(struct stage *, const char *name, struct err *);
/* One look at what happened; waits up to wait_ms for something. */
int	people_look(struct stage *, int wait_ms, struct err *) MUST_CHECK;
/* "admin", "team/web", "dm" (of person who): its id, yours; NULL: none yet. */
char	*people_room(struct stage *, const char *name, const char *who,
	    struct err *);
/* *event: what was sent, yours. */
int	people_send(struct stage *, struct person *, const char *room,
	    const char *type, const struct json *content, char **event,
	    struct err *) MUST_CHECK;
int	people_redact(struct stage *, struct person *, const char *room,
	    const char *event, struct err *) MUST_CHECK;
int	people_attach(struct stage *, struct person *, const char *name,
	    const char *data, char **mxc, struct err *) MUST_CHECK;
int	people_act(struct stage *, struct person *, const char *room,
	    const char *what, struct err *) MUST_CHECK;

/* --- rewrite.c ----------------------------------------------------------- */

struct rewrite;
struct rewrite *rewrite_new(void);
void	rewrite_free(struct rewrite *);
/* Lines from..to (to < from: none, in front of from) become text; takes it. */
void	rewrite_put(struct rewrite *, int from, int to, char *text);
bool	rewrite_any(const struct rewrite *);
char	*rewrite_apply(const struct rewrite *, const char *file);	/* yours */

/* --- play.c -------------------------------------------------------------- */

struct play_options {
	struct stage_options stage;
	bool		 verbose, update;
};
/* 0: passed; 1: failed, said why. */
int	play_file(const char *path, const struct play_options *);

#endif
