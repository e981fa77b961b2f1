/*
 * Plain scalars as YAML 1.2's core schema reads them.  The decoder asks what
 * a word means, the writer asks whether a string needs quotes; both must give
 * the same answer, so it is given once.
 */
#include "api-int.h"

#include <string.h>

static bool
is_word(const char *s, const char *const *words)
{
	for (; *words != NULL; words++)
		if (strcmp(s, *words) == 0)
			return true;
	return false;
}

static size_t
digits(const char *s)
{
	return strspn(s, "0123456789");
}

/* [-+]? (\. [0-9]+ | [0-9]+ (\. [0-9]*)?) ([eE] [-+]? [0-9]+)? */
static bool
is_number(const char *s, bool *is_int)
{
	size_t	n;

	*is_int = true;
	if (*s == '-' || *s == '+')
		s++;
	n = digits(s);
	s += n;
	if (*s == '.') {
		*is_int = false;
		s++;
		if (n == 0 && digits(s) == 0)
			return false;
		s += digits(s);
	} else if (n == 0)
		return false;
	if (*s == 'e' || *s == 'E') {
		*is_int = false;
		s++;
		if (*s == '-' || *s == '+')
			s++;
		if (digits(s) == 0)
			return false;
		s += digits(s);
	}
	return *s == '\0';
}

enum scalar
scalar_resolve(const char *s)
{
	static const char *const nulls[] = {
		"", "~", "null", "Null", "NULL", NULL
	};
	static const char *const bools[] = {
		"true", "True", "TRUE", "false", "False", "FALSE", NULL
	};
	static const char *const floats[] = {
		".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF",
		"-.inf", "-.Inf", "-.INF", ".nan", ".NaN", ".NAN", NULL
	};
	bool	is_int;

	if (is_word(s, nulls))
		return SCALAR_NULL;
	if (is_word(s, bools))
		return SCALAR_BOOL;
	if (is_word(s, floats))
		return SCALAR_FLOAT;
	if (s[0] == '0' && s[1] == 'o' && s[2] != '\0' &&
	    s[2 + strspn(s + 2, "01234567")] == '\0')
		return SCALAR_INT;
	if (s[0] == '0' && s[1] == 'x' && s[2] != '\0' &&
	    s[2 + strspn(s + 2, "0123456789abcdefABCDEF")] == '\0')
		return SCALAR_INT;
	if (is_number(s, &is_int))
		return is_int ? SCALAR_INT : SCALAR_FLOAT;
	return SCALAR_STRING;
}
