/*
 * Memory, strings and growing buffers: what C leaves out.
 *
 * Out of memory ends the process: state is in SQLite and a supervisor
 * restarts us.  That is honest only because everything that grows from
 * outside input has a cap; a struct buf carries its own.
 */
#ifndef HICLAW_BASE_H
#define HICLAW_BASE_H

#include <stdbool.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#define PRINTF(a, b)	__attribute__((format(printf, a, b)))
#define MUST_CHECK	__attribute__((warn_unused_result))
#define NELEM(a)	(sizeof(a) / sizeof((a)[0]))

void	*xmalloc(size_t);
void	*xcalloc(size_t, size_t);
void	*xreallocarray(void *, size_t, size_t);
char	*xstrdup(const char *);			/* NULL gives NULL */
char	*xstrndup(const char *, size_t);
char	*xasprintf(const char *, ...) PRINTF(1, 2);
char	*xvasprintf(const char *, va_list) PRINTF(1, 0);

/* Copy with truncation, always terminated; true if everything fitted. */
bool	 str_copy(char *dst, const char *src, size_t dstsize);
bool	 str_starts(const char *s, const char *prefix);
bool	 str_ends(const char *s, const char *suffix);
bool	 str_equal(const char *a, const char *b);	/* NULL equals NULL */
/* Damerau-Levenshtein distance, case-insensitive, capped at max + 1. */
int	 str_distance(const char *a, const char *b, int max);
/*
 * Of the NULL-terminated list, the word nearest to s, or NULL when none is
 * within distance 2 (1 for words of up to three letters).
 */
const char *str_nearest(const char *s, const char *const *words);
/* Valid UTF-8 without NUL?  len bytes at s; *bad is the offset of the fault. */
bool	 utf8_valid(const char *s, size_t len, size_t *bad);
/* Longest prefix of s of at most max bytes that ends between characters. */
size_t	 utf8_prefix(const char *s, size_t max);

/*
 * A growing, always terminated byte buffer.  max caps its length (0: 64 MiB);
 * beyond it appends are dropped and `overflow` is set for the caller to check.
 * A zeroed struct buf is an empty buffer.
 */
struct buf {
	char	*data;		/* NULL while empty; terminated otherwise */
	size_t	 len, cap, max;
	bool	 overflow;
};
void	 buf_init(struct buf *, size_t max);
void	 buf_release(struct buf *);
void	 buf_reset(struct buf *);		/* keep the memory */
void	 buf_add(struct buf *, const void *, size_t);
void	 buf_puts(struct buf *, const char *);
void	 buf_putc(struct buf *, char);
void	 buf_printf(struct buf *, const char *, ...) PRINTF(2, 3);
/* Hands over the text ("" when empty), in no more memory than it needs; the
 * buffer is empty afterwards. */
char	*buf_take(struct buf *);
const char *buf_str(const struct buf *);	/* never NULL */

/*
 * A text that several hold and nobody changes, in one thread: each hold is given
 * back by shared_drop, and the last one frees it.
 */
char	*shared_new(const char *);
char	*shared_hold(char *);			/* the same; NULL gives NULL */
void	 shared_drop(char *);			/* NULL is fine */

/* An ordered list of owned strings.  A zeroed struct is an empty list. */
struct strv {
	char	**v;		/* NULL-terminated when not NULL */
	size_t	  n, cap;
};
void	 strv_add(struct strv *, const char *);
void	 strv_addf(struct strv *, const char *, ...) PRINTF(2, 3);
bool	 strv_add_unique(struct strv *, const char *);	/* true if added */
bool	 strv_has(const struct strv *, const char *);
bool	 strv_remove(struct strv *, const char *);	/* keeps the order */
void	 strv_sort(struct strv *);
char	*strv_join(const struct strv *, const char *sep);	/* yours */
void	 strv_split(struct strv *, const char *, char sep); /* skips empty */
void	 strv_release(struct strv *);

/*
 * A map from string to pointer.  Keys are copied, values are the caller's:
 * `free_value`, when given to map_new, is called for values replaced, removed
 * or left at map_free.
 */
struct map;
struct map *map_new(void (*free_value)(void *));
void	 map_free(struct map *);
void	 map_set(struct map *, const char *key, void *value); /* not NULL */
void	*map_find(const struct map *, const char *key);	/* NULL if absent */
/* The map's own copy of a key that is in it: there as long as the entry is. */
const char *map_key(const struct map *, const char *key);	/* or NULL */
void	*map_take(struct map *, const char *key); /* removes, without freeing */
bool	 map_remove(struct map *, const char *key);
size_t	 map_size(const struct map *);
/* Insertion order.  Start with it = NULL; deleting the current one is fine. */
void	*map_next(const struct map *, void **it, const char **key);

#endif
