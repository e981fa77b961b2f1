/* Regular expressions (PCRE2, only in src/base/re.c) with match limits. */
#ifndef HICLAW_RE_H
#define HICLAW_RE_H

#include "hiclaw/base.h"

/*
 * Does the whole of s match?  Patterns are ours (field tables) or were found
 * valid (namespaces): compiled once and kept; a bad one ends the process.
 * Deciding thread only.
 */
bool	re_match(const char *pattern, const char *s);
/* For patterns that people write. */
bool	re_valid(const char *pattern);

#endif
