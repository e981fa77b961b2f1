/*
 * What the gateway providers share: how desired and observed forms of gateway
 * objects are compared (ARCHITECTURE.md, Objects), and how an allow list is
 * brought up to date beside what others put into it.  Pure.
 */
#ifndef GATEWAY_H
#define GATEWAY_H

#include "hiclaw/provider.h"

void	gateway_consumer_diff(const struct json *, const struct json *,
	    struct changes *);
/* Of providers, routes, MCP servers and exposed ports: every member of desired
 * counts, allow lists as sets. */
void	gateway_diff(const struct json *, const struct json *,
	    struct changes *);

/*
 * The three-way merge of an allow list.  before: what we wrote last (NULL: not
 * known), desired: what shall be ours, live: what is there now.  Names that are
 * live, were not ours and are not desired belong to somebody else and stay.
 * *list is what to write (sorted, ours and others'), *foreign the others'; both
 * are for json_free.  True if live is not that already.
 */
bool	gateway_merge(const struct json *before, const struct json *desired,
	    const struct json *live, struct json **list,
	    struct json **foreign);

/* The entry of the settings' list (struct provider_gateway) with that name. */
const struct json *gateway_setting(const struct json *list, const char *name);

#endif
