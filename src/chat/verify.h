/*
 * The chain of receipts, in the database and in the room's real history: are they
 * one and the same?  Pure.
 */
#ifndef CHAT_VERIFY_H
#define CHAT_VERIFY_H

#include "hiclaw/json.h"
#include "hiclaw/secure.h"

/* The hash that a receipt has to have: of all of it but that. */
void	 receipt_hash(const struct json *receipt, char out[SHA256_HEX]);

/* A receipt as the database has it. */
struct verify_row {
	int64_t	 seq;
	char	*prev, *hash, *content;
	char	*event;		/* of its message; NULL: not sent yet */
};
struct chain_report {
	struct strv	 problems;	/* sentences, by number of receipt */
	size_t		 proved;	/* the same in both, with nothing wrong */
	size_t		 unsent;
};
/*
 * rows by seq; events newest first, as history_read gives them (any JSON is borne:
 * what is no event is passed over); bot: whose receipts count.
 */
void	 verify_chain(const struct verify_row *rows, size_t n,
	    const struct json *events, const char *bot, struct chain_report *);
void	 chain_report_release(struct chain_report *);

#endif
