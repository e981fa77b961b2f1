/*
 * The words of a command line as people and phones write them.  Pure.
 */
#ifndef CHAT_WORDS_H
#define CHAT_WORDS_H

#include "hiclaw/err.h"

#define LINE_MAX_BYTES	4096	/* a longer command line is no command */
#define WORDS_MAX	64	/* more words than any command takes */

/* One option a command understands: "-o yaml", "--output=yaml", "--prune". */
struct flag {
	char	*name;		/* "output" */
	char	 letter;	/* 'o', or 0 */
	bool	 has_value;
};
struct flag_value { const struct flag *flag; char *value; };

struct words {
	struct strv	   v;		/* without flags, once those are taken */
	struct strv	   raw;		/* before: flags as they were written */
	struct flag_value *flags;
	size_t		   flags_n;
};
/*
 * Split at blanks of all kinds (NBSP too).  Quotes, straight or curly, hold
 * words together; dashes that a keyboard made of "--" become "--" again, but
 * not inside quotes.  An open quote ends with the line.
 */
int	words_split(const char *line, struct words *, struct err *) MUST_CHECK;
void	words_release(struct words *);
/* Behind what is in out, one that words_split reads as just that. */
void	words_put(const char *word, struct buf *out);
/*
 * Take the flags out of raw[from..], what remains is v; behind a "--" all is.
 * An unknown flag, or one whose value is missing: ERR_USER with the nearest
 * spelling.
 */
int	words_flags(struct words *, size_t from, const struct flag *, size_t n,
	    struct err *) MUST_CHECK;
/* The value of a flag, "" when it takes none; NULL when it was not given. */
const char *words_flag(const struct words *, const char *name);

/* A-Z to a-z, in place; bytes of other letters stay. */
void	str_lower(char *);
/* Bytes of the blank at s (space, tab, NBSP, ZWSP, BOM, ...), or 0. */
size_t	blank_len(const char *s);
/* Bytes of a mark at s that has no width and no meaning here (zero-width space,
 * BOM, soft hyphen, directions), or 0.  Joiners are none: emoji have them. */
size_t	ghost_len(const char *s);
/* Bytes of the double quote at s, straight or curly; or 0. */
size_t	quote_len(const char *s);
/* Bytes of the variation selector or skin tone at s; or 0. */
size_t	emoji_decoration(const char *s);
/* Bytes of the dash at s: -, en, em, minus, figure, horizontal bar; or 0. */
size_t	dash_len(const char *s);

/*
 * An answer in words or as a reaction's key: 1 yes, 0 no, -1 neither.  Letters
 * of any case, trailing punctuation, variation selectors and skin tones do not
 * matter.
 */
int	answer_read(const char *text);

#endif
