/*
 * What was declared, told again from the receipts in a room: for a database
 * that is lost.  Pure; what is read and written on the way is the daemon's.
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

/*
 * The chain, out of what history_read gives.  bot: whose receipts count;
 * instance: in whose name they have to be.
 */
void	 restore_read(struct restore *, const struct json *events,
	    const char *bot, const char *instance);
/* The attachment of that receipt; NULL: it could not be had, `why` says it. */
void	 restore_attach(struct restore *, size_t at, const char *text,
	    size_t len, const char *why);
/* When all attachments are there: fills in the revisions. */
void	 restore_replay(struct restore *);
void	 restore_release(struct restore *);

/* In the kv table, until the room was told: the words of it. */
#define RESTORED_KEY	"restore.told"

#endif
