/* Secrets out of a text before people see it.  Pure. */
#ifndef CHAT_MASK_H
#define CHAT_MASK_H

#include "hiclaw/base.h"

/*
 * The text with every one of the secrets as "***", and, if by_name, also every
 * value whose name has key, token, secret or password in it ("apiKey": "x",
 * API_KEY=x, token: x).  Yours.
 */
char	*mask_secrets(const char *text, const struct strv *secrets,
	    bool by_name);

#endif
