/* Secrets out of a text before people see it.  Pure. */
#ifndef CHAT_MASK_H
#define CHAT_MASK_H

#include "hiclaw/base.h"

/*
 * The text with every one of the secrets as "***", also one that its end cuts
 * off, and what is one by its form wherever it stands: "Bearer x", a password in
 * an address, a private key.  If by_name, also every value whose name has key,
 * token, secret, password or the like in it ("apiKey": "x", API_KEY=x, token: x).
 * It hides too much rather than too little.  Yours.
 */
char	*mask_secrets(const char *text, const struct strv *secrets,
	    bool by_name);

#endif
