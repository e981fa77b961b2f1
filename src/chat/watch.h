/*
 * Who wants to hear of what, and who does not.  Watching is a message in the
 * direct chat of one person; muting keeps news of something out of the admin
 * room for a time.  Both survive restarts.
 */
#ifndef CHAT_WATCH_H
#define CHAT_WATCH_H

#include "chat-int.h"

#define WATCHES_MAX	50	/* of one person, of each sort */

/* In chat.watch, kept in the store. */
struct watch_lists;
struct watch_lists *watch_load(struct store *);
void	 watch_free(struct watch_lists *);

enum watch_sort { WATCHED, MUTED };
/* "Worker/bob" from now on; until_ms 0: until it is taken back.  ERR_USER: the
 * list is full. */
int	 watch_set(struct chat *, enum watch_sort, const char *user,
	    const char *subject, int64_t until_ms, struct err *) MUST_CHECK;
/* user NULL: of everybody.  True if there was one. */
bool	 watch_drop(struct chat *, enum watch_sort, const char *user,
	    const char *subject);
/* cb(user, subject, until_ms, news left out so far); user NULL: of all. */
void	 watch_each(struct chat *, enum watch_sort, const char *user,
	    void (*)(void *, const char *user, const char *subject,
	    int64_t until_ms, int64_t left_out), void *arg);

/* What an object belongs to: "Team/web", and "Worker/wim" if it is of one. */
void	 watch_subjects(struct chat *, const char *key, struct strv *out);
/* An agent and the Team it is in. */
void	 watch_subjects_of_agent(struct chat *, const char *name,
	    struct strv *out);
/*
 * One line of news about these: to who watches one of them (as `told` has it), and
 * to the admin room unless it is muted there; gives the outbox id of that, or 0.
 */
int64_t	 say_news_of(struct chat *, const struct strv *subjects,
	    const char *template_name, const char *told, const struct fill *);
/* Only the first half of that. */
void	 watch_tell(struct chat *, const struct strv *subjects,
	    const char *template_name, const struct fill *);
/* A run is over: to who watches what it changed, but for who asked for it. */
void	 watch_run(struct chat *, const struct ending *);
/* Nothing is left of it. */
void	 watch_gone(struct chat *, const char *subject);
/* Phases of what is watched; mutes that end. */
void	 watch_tick(struct chat *, int64_t now);

/* cmd-watch.c: "Worker/wim", of the next word or two that name what the sender may
 * see; yours. */
int	 subject_take(struct request *, size_t *at, char **subject,
	    struct err *) MUST_CHECK;

#endif
