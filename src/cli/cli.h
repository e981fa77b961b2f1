/*
 * The hiclaw command: what its files share.
 *
 *   main.c     the table of verbs, options, help
 *   client.c   calls of the controller, and its refusals in words
 *   show.c     tables, details, colours, the progress line
 *   get.c apply.c agent.c system.c   the verbs, one file per group
 *   join.c keep.c home.c   agents that run here for a controller elsewhere, and
 *              their files (in the library, for tests)
 */
#ifndef CLI_H
#define CLI_H

#include "hiclaw/api.h"
#include "hiclaw/base.h"
#include "hiclaw/err.h"
#include "hiclaw/json.h"

/* Exit status. */
enum { DONE = 0, FAILED = 1, USAGE = 2 /* or a question was answered no */ };

#define WAIT_S		180	/* as long as the original waits */
#define CALL_MS		30000	/* one call, as the original */

/* What was said on the command line; strings are those of argv. */
struct cli {
	const struct verb *verb;
	const char	**args;		/* what is no option */
	size_t		  args_n;
	const char	**files;	/* -f, in order */
	size_t		  files_n;
	const char	*output, *team, *name, *selector;
	int64_t		 tail, timeout_s, interval_s;
	bool		 dry_run, no_wait, yes, prune, heartbeat;
	bool		 wait;
	/* where the controller is, and who we are */
	char		*url, *token;
	bool		 colors;	/* on standard output */
	bool		 progress;	/* standard error is a terminal */
};

struct verb {
	const char	*name;		/* "get", "worker wake" */
	const char	*usage;		/* what follows the name */
	const char	*help;		/* one line */
	const char	*more;		/* paragraphs for --help, or NULL */
	const char	*examples;	/* lines, each "command" */
	const char	*options;	/* letters that it takes: see main.c */
	size_t		 args_min, args_max;
	int		(*run)(struct cli *);
	/* Instead, for those that read their own words and need no token. */
	int		(*main)(int argc, char **argv);
};
extern const struct verb verbs[];	/* ends with name NULL */

int	cmd_apply(struct cli *);
int	cmd_plan(struct cli *);
int	cmd_get(struct cli *);
int	cmd_describe(struct cli *);
int	cmd_delete(struct cli *);
int	cmd_status(struct cli *);
int	cmd_version(struct cli *);
int	cmd_wake(struct cli *);
int	cmd_sleep(struct cli *);
int	cmd_ensure_ready(struct cli *);
int	cmd_restart(struct cli *);
int	cmd_logs(struct cli *);
int	cmd_worker_status(struct cli *);
int	cmd_report_ready(struct cli *);

/* --- main.c -------------------------------------------------------------- */

/* "hiclaw: ..." on standard error, and how the verb is used; gives USAGE. */
int	usage_error(struct cli *, const char *, ...) PRINTF(2, 3);
/* "hiclaw: ..."; gives FAILED. */
int	fail(const char *, ...) PRINTF(1, 2);
/* The kind that a word names, or NULL after a usage error. */
const struct kind *need_kind(struct cli *, const char *word);
/* y or n on a terminal; true without one, or with -y. */
bool	confirm(struct cli *, const char *, ...) PRINTF(2, 3);

/* --- client.c ------------------------------------------------------------ */

struct answer {
	int		 status;	/* 0: none came */
	struct json	*json;		/* of the body, or NULL */
	struct err	 err;		/* why none came */
};
/* Reads address and token from the environment; -1: said. */
int	 client_open(struct cli *);
/* "workers/alice/wake" below /api/v1; body NULL: none.  Takes body. */
void	 call(struct cli *, const char *method, const char *path,
	    struct json *body, struct answer *);
void	 answer_release(struct answer *);
bool	 answer_ok(const struct answer *);		/* 2xx */
/* Say what is wrong and what to do; gives FAILED. */
int	 answer_fail(struct cli *, const struct answer *);
/* "workers/al%20ice", "workers/alice/status"; yours. */
char	*path_of(const struct kind *, const char *name, const char *action);

/* --- show.c -------------------------------------------------------------- */

struct table;
struct table *table_new(const char *const *heads);	/* ends with NULL */
/* As many cells as heads; NULL and "" are shown as "-". */
void	 table_row(struct table *, const char *const *cells);
void	 table_free(struct table *);
/* Prints and frees; the column "PHASE" has colours. */
void	 table_print(struct cli *, struct table *);
/* Lines "Key:  value", keys padded to the longest; empty values left out. */
struct details;
struct details *details_new(void);
void	 details_add(struct details *, const char *key, const char *value);
void	 details_addf(struct details *, const char *key, const char *, ...)
	    PRINTF(3, 4);
void	 details_print(struct cli *, struct details *);
/* The line of a terminal that is written over; text NULL: away with it. */
void	 progress(struct cli *, const char *, ...) PRINTF(2, 3);
void	 progress_end(struct cli *);
/* A word with the colour of its phase; in a static buffer. */
const char *phase_colored(const struct cli *, const char *phase);

/* --- get.c --------------------------------------------------------------- */

void	 show_detail(struct cli *, const struct kind *, const struct json *);
void	 print_json(const struct json *);

#endif
