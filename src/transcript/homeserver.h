/*
 * A homeserver in memory, for transcripts: what a controller and the people in
 * its rooms call, with the rules that decide who may do what (membership, power
 * levels, redaction), so that a policy that passes here passes on a real one.
 * One server, nobody from elsewhere, no encryption; nothing outlives it.
 *
 * It runs in a thread of its own and is spoken to over HTTP only.
 */
#ifndef TRANSCRIPT_HOMESERVER_H
#define TRANSCRIPT_HOMESERVER_H

#include "hiclaw/err.h"

struct homeserver;
struct homeserver_config {
	const char	*domain;
	const char	*shared_secret;	/* for /_synapse/admin/v1/register */
	const char	*prefix;	/* @prefix and @prefix_... are the service's */
	const char	*sender;	/* local part of the account of the registration */
	const char	*as_id, *as_token, *hs_token;
	const char	*push_url;	/* where the controller listens */
};
/* Copies what it is given. */
struct homeserver *homeserver_start(const struct homeserver_config *,
	    struct err *);
const char *homeserver_url(const struct homeserver *);
void	homeserver_stop(struct homeserver *);	/* NULL is fine */

#endif
