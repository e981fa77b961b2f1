/*
 * What was declared, told again from the receipts in a room: for a database
 * that is lost, or is a backup.  Pure; what is read and written on the way is the
 * daemon's and (a backup) chat's.
 */
#ifndef HICLAW_RESTORE_H
#define HICLAW_RESTORE_H

#include "hiclaw/api.h"

/* One receipt of the chain, as the room has it. */
struct restore_receipt {
	int64_t		 seq;
	char		*event;		/* id of its message */
	char		*url;		/* of its attachment, or NULL */
	struct json	*receipt, *attached;
	int64_t		 order;		/* of changes: see receipt.c, "base" */
	size_t		 place;		/* in the history; 0 is the newest */
};
/* What a resource became once. */
struct restore_revision {
	const struct kind *kind;
	char		*name, *actor;
	struct json	*metadata, *spec;	/* spec NULL: deleted */
	int64_t		 generation;
	int64_t		 revision;	/* 0: nobody knows the number */
	int64_t		 at_ms, created_ms;
	bool		 is_now;	/* and is still */
	bool		 is_made;	/* a Human: the account was made for it,
					 * and the run that did so was well */
};
struct restore {
	struct restore_receipt	*receipts;	/* in order of the chain */
	size_t			 n;
	struct restore_revision	*revisions;	/* oldest first */
	size_t			 revisions_n;
	struct strv		 problems;	/* sentences: what is missing,
						 * or is not what it was */
};

/* What is known of the chain before it is read. */
struct restore_from {
	const char	*bot;		/* whose receipts count */
	const char	*instance;	/* in whose name they have to be */
	int64_t		 seq;		/* read are those after this one, */
	char		*hash;		/* whose hash is that; 0, NULL: all */
	int64_t		 revision;	/* the newest that was given a number */
};
/* The chain, out of what history_read gives. */
void	 restore_read(struct restore *, const struct json *events,
	    const struct restore_from *);
/* The attachment of that receipt; NULL: it could not be had, `why` says it. */
void	 restore_attach(struct restore *, size_t at, const char *text,
	    size_t len, const char *why);
/* When all attachments are there: fills in the revisions.  What is so now has
 * numbers of its own, above all others. */
void	 restore_replay(struct restore *, const struct restore_from *);
void	 restore_release(struct restore *);
/* Into the database, as a receipt that was sent. */
struct store;
void	 receipt_keep(struct store *, const struct restore_receipt *);

/* In the kv table, until the room was told: the words of it. */
#define RESTORED_KEY	"restore.told"

#endif
