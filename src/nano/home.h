/*
 * What an agent is told about itself: openclaw.json of its home, the Markdown
 * files beside it, and the environment.
 *
 * The environment wins for addresses (HICLAW_MATRIX_URL, HICLAW_AI_GATEWAY_URL:
 * scheme, host and port; the path stays the file's) and names.  Tokens, lists
 * and the model are the file's, because it is rewritten while we run.
 *
 * home_parse() is pure.  home_refresh() looks whether the file has changed and
 * takes the new one only if it can be used; what was there stays otherwise.
 */
#ifndef NANO_HOME_H
#define NANO_HOME_H

#include <sys/stat.h>

#include "hiclaw/json.h"

#define OPENCLAW_MAX	(256 * 1024)	/* bytes of openclaw.json */

enum rule { RULE_LISTED, RULE_OPEN, RULE_NOBODY };

struct home {
	char		*dir;
	/* from openclaw.json */
	char		*homeserver;	/* no slash at its end */
	char		*user, *token;
	enum rule	 group_rule, dm_rule;
	struct strv	 group, dm;	/* who is heard; "*" is everybody */
	struct json	*groups;	/* rules by room id, or "*"; or NULL */
	char		*model;		/* these three: NULL without a model */
	char		*base_url;	/* no slash at its end */
	char		*key;
	int		 answer_s;	/* that an answer may take */
	/* from the environment */
	char		*name;		/* of the resource; or NULL */
	bool		 is_manager;
	char		*controller;	/* NULL: nobody is told */
	char		*api_token, *api_token_file;
	/* of the file that this comes from */
	struct stat	 st;
	bool		 is_loaded;
	char		 complaint[256];	/* said last, to say it once */
};

/* dir NULL: $HOME. */
struct home *home_new(const char *dir);
void	 home_free(struct home *);

/* Is there a usable configuration?  Reads the file again when it has changed,
 * or when told to; logs what changed.  Cheap: one stat(2). */
bool	 home_refresh(struct home *, bool anyway);
/* Fill in from openclaw.json.  Pure; outputs untouched on failure. */
int	 home_parse(struct home *, const char *, size_t, struct err *)
	    MUST_CHECK;
/* The path of a URL on another origin, without a slash at its end; yours, or
 * NULL.  Pure. */
char	*url_on(const char *origin, const char *url);

/* The bearer for the controller, read anew; for secret_free.  NULL: none. */
char	*home_api_token(const struct home *);
/* A Markdown file of the home, at most max bytes, cut between characters;
 * yours, NULL when it is not there or no text. */
char	*home_text(const struct home *, const char *name, size_t max);

#endif
