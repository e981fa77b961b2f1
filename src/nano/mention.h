/*
 * Full Matrix ids in a text: found, made into mentions, made into pills.  Pure.
 *
 * A model addresses somebody by writing the full id, @name:domain.  For clients
 * and agents that counts only with m.mentions, and for some only with a link.
 */
#ifndef NANO_MENTION_H
#define NANO_MENTION_H

#include "hiclaw/json.h"

#define ID_MAX	255	/* of a Matrix id, by its specification */

/* The next full id in *text: its start, with its length; *text moves behind it.
 * NULL: no more. */
const char *mention_next(const char **text, size_t *len);
/* Is somebody mentioned in text by the full id, or as @localpart? */
bool	 mention_of(const char *text, const char *id);
/* Same homeserver? */
bool	 id_same_domain(const char *a, const char *b);
/*
 * Is `id` another agent of our house: the same homeserver, and a name that
 * begins as ours does up to the first '_' (@hiclaw_bob for @hiclaw_alice)?
 */
bool	 id_is_agent(const char *me, const char *id);
/* The bot that makes the rooms: @hiclaw for @hiclaw_alice. */
bool	 id_is_bot(const char *me, const char *id);

/* {"user_ids": [...]} of all of our homeserver but ourselves, or {}. */
struct json *mention_list(const char *me, const char *text);
/* The text as HTML, with a link for each that mention_list() finds; yours.
 * NULL when there is none: the text then needs no HTML. */
char	*mention_html(const char *me, const char *text);
/*
 * Where the first line begins that mentions another agent; len of text if none.
 */
size_t	 mention_agent_line(const char *me, const char *text, size_t len);

#endif
