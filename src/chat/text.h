/*
 * What we say, once: the same text becomes the plain `body` and the HTML of a
 * message, so that the two can never differ.
 *
 * Our own words may use **bold**, ~~struck~~, `code`, "- " for an item at the start of a
 * line, an empty line between paragraphs and ``` around blocks.  Whatever comes
 * from outside is put in as a value: it stays text, whatever it contains.
 */
#ifndef CHAT_TEXT_H
#define CHAT_TEXT_H

#include "hiclaw/base.h"

/* A zeroed struct is an empty text. */
struct text {
	struct buf	 b;		/* with marks for markup, see text.c */
	bool		 in_pre;
};
void	 text_release(struct text *);
bool	 text_is_empty(const struct text *);
/* Markup of ours, no values. */
void	 text_puts(struct text *, const char *markup);
void	 text_putn(struct text *, const char *markup, size_t);
/*
 * Markup with values: %s is taken as a value; %d, %zu, %lld and %% are all
 * else that is known.
 */
void	 text_printf(struct text *, const char *, ...) PRINTF(2, 3);
/* A value alone.  Line breaks in it become blanks, but not inside a block. */
void	 text_value(struct text *, const char *);
/* A block on lines of its own; lang like "yaml", or NULL. */
void	 text_pre(struct text *, const char *lang, const char *value);
/* url is one of ours. */
void	 text_link(struct text *, const char *url, const char *label);
/* A person, as a link that clients show as a pill. */
void	 text_user(struct text *, const char *user);
/* "@ann:x.org, @bob:x.org", each as a link; what is no Matrix id stays text. */
void	 text_people(struct text *, const char *list);
void	 text_append(struct text *, const struct text *);

char	*text_body(const struct text *);	/* plain, yours */
/* Only p br b del code pre ul li a; yours. */
char	*text_html(const struct text *);
void	 html_escape(struct buf *, const char *, size_t);
/* Percent-encode for a matrix.to link; yours. */
char	*matrix_to(const char *id);

#endif
