/*
 * Regular expressions (PCRE2, used nowhere else).
 *
 * Patterns are few and ours, so each is compiled at its first use and kept for
 * the life of the process.  Subjects come from outside: the limits end a match
 * that backtracks too much, which counts as no match.
 */
#include "hiclaw/re.h"

#include <stdlib.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH	8
#include <pcre2.h>

#include "hiclaw/log.h"

#define RE_MATCH_LIMIT	100000
#define RE_DEPTH_LIMIT	10000
#define RE_HEAP_KIB	1024

static struct map		*compiled;	/* pattern to pcre2_code */
static pcre2_match_context	*limits;
static pcre2_match_data		*match_data;

static void
re_setup(void)
{
	compiled = map_new(NULL);
	limits = pcre2_match_context_create(NULL);
	match_data = pcre2_match_data_create(1, NULL);
	if (limits == NULL || match_data == NULL)
		abort();
	pcre2_set_match_limit(limits, RE_MATCH_LIMIT);
	pcre2_set_depth_limit(limits, RE_DEPTH_LIMIT);
	pcre2_set_heap_limit(limits, RE_HEAP_KIB);
}

static pcre2_code *
re_try(const char *pattern, PCRE2_SIZE *offset)
{
	int	error;

	return pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED,
	    PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_DOLLAR_ENDONLY |
	    PCRE2_UTF, &error, offset, NULL);
}

bool
re_valid(const char *pattern)
{
	PCRE2_SIZE	 offset;
	pcre2_code	*code = re_try(pattern, &offset);

	pcre2_code_free(code);
	return code != NULL;
}

static pcre2_code *
re_compile(const char *pattern)
{
	PCRE2_SIZE	 offset;
	pcre2_code	*code = re_try(pattern, &offset);

	if (code == NULL) {
		log_error("re", "pattern %s is wrong at %zu", pattern,
		    (size_t)offset);
		abort();
	}
	return code;
}

bool
re_match(const char *pattern, const char *s)
{
	pcre2_code	*code;

	if (compiled == NULL)
		re_setup();
	code = map_find(compiled, pattern);
	if (code == NULL) {
		code = re_compile(pattern);
		map_set(compiled, pattern, code);
	}
	return pcre2_match(code, (PCRE2_SPTR)s, strlen(s), 0, 0, match_data,
	    limits) >= 0;
}
