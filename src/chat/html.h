/*
 * What is read of the HTML of a message: where its links lead, and the text of
 * its code.  Nothing is ever shown from it.  Pure; called by the input pipeline.
 */
#ifndef CHAT_HTML_H
#define CHAT_HTML_H

#include "hiclaw/base.h"

/* Without what it quotes of another message (<mx-reply>); yours, or NULL. */
char	*html_own(const char *html);
/* Has it a link to this user? */
bool	 html_mentions(const char *html, const char *user);
/* The text of the first block of code; yours, or NULL. */
char	*html_code(const char *html);
/*
 * If its first line shows as `line`: that line with the id in place of the
 * name of each user or room that it links to; yours, else NULL.  For a NULL
 * line whatever stands in front of a block of code, never NULL.
 */
char	*html_first_line_ids(const char *html, const char *line);

/*
 * The user or room that a link leads to: "https://matrix.to/#/@a:b", also
 * percent-encoded and with "?via=", or "matrix:u/a:b".  Yours; NULL if it leads
 * elsewhere, or to a message.
 */
char	*link_id(const char *url, size_t len);
/* At s, "[name](link)" or a link alone: its id, yours, and where it ends. */
char	*link_at(const char *s, const char **end);
/* The text with the ids of all those; yours. */
char	*link_ids(const char *text);

#endif
