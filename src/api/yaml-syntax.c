/*
 * What libyaml says when it stops, in words that help the one who pasted: the
 * usual slips (tabs, dashes that a keyboard made, quotes never closed) are
 * named for what they are.
 */
#include "yaml-int.h"

#include <stdlib.h>
#include <string.h>

static const struct {
	const char	*libyaml;	/* part of its message */
	const char	*ours;
} messages[] = {
	{ "could not find expected ':'",
	    "expected \"key: value\"; a text of several lines needs "
	    "\"key: |\" above it and blanks in front" },
	{ "mapping values are not allowed",
	    "a \":\" where no key can be; quote the value, or check the "
	    "indentation" },
	{ "did not find expected key",
	    "this line does not fit the lines above it; check the "
	    "indentation, or quote the value" },
	{ "did not find expected '-' indicator",
	    "expected \"- \" like the items above; check the indentation" },
	{ "block sequence entries are not allowed",
	    "a list item cannot start here; put it on a line of its own" },
	{ "block mapping is not allowed", "a \"key:\" cannot start here" },
	{ "mapping keys are not allowed", "a key cannot start here" },
	{ "did not find expected ',' or ']'",
	    "expected \",\" or \"]\"" },
	{ "did not find expected ',' or '}'",
	    "expected \",\" or \"}\"" },
	{ "did not find expected node content",
	    "expected a value here" },
	{ "found unexpected end of stream",
	    "a quote is opened and never closed" },
	{ "found unexpected document indicator",
	    "\"---\" inside a quoted value: a quote is not closed" },
	{ "found unknown escape character",
	    "unknown escape; write \\\\ for a backslash, or use single "
	    "quotes" },
	{ "did not find expected hexdecimal number",
	    "expected hexadecimal digits after \\x, \\u or \\U" },
	{ "found invalid Unicode character escape code",
	    "no such Unicode character" },
	{ "did not find expected <document start>",
	    "text behind the end of the document; begin the next one with "
	    "\"---\"" },
	{ "found undefined tag handle", "unknown tag" },
	{ "did not find URI", "a tag has a name after \"!\"" },
	{ "did not find the expected '!'", "unknown tag" },
	{ "did not find expected alphabetic or numeric character",
	    "expected a name after \"&\" or \"*\"; quote the value if it "
	    "is meant to begin so" },
	{ "found unknown directive name",
	    "unknown %directive; quote the value if it is meant to begin so" },
	{ "found incompatible YAML document", "only YAML 1.1 and 1.2" },
	{ "found duplicate", "a directive is given twice" },
	{ "did not find expected comment or line break",
	    "unexpected text at the end of this line" },
	{ "found indentation indicator equal to 0",
	    "the digit behind | or > must be 1 to 9" },
};

/* Tabs are fine between tokens inside [ ] and { }; elsewhere blame them. */
static bool
is_tab_fault(const struct yaml *y, size_t line, size_t *column)
{
	const char	*s;
	size_t		 len, i;

	if (y->parser.context != NULL &&
	    strstr(y->parser.context, "flow") != NULL)
		return false;
	s = yaml_line(y, line, &len);
	for (i = 0; i < len && (s[i] == ' ' || s[i] == '\t'); i++)
		if (s[i] == '\t') {
			*column = i;
			return true;
		}
	return strstr(y->parser.problem, "tab char") != NULL ||
	    strstr(y->parser.problem, "a tab where") != NULL;
}

/*
 * Phones turn "---" into a dash.  The line of this document, up to the fault,
 * that is nothing but dashes, one of them a long one.
 */
static bool
find_long_dash(const struct yaml *y, size_t until, size_t *at)
{
	const char	*s;
	size_t		 line, len, i;
	bool		 is_long;

	for (line = until + 1; line-- > y->doc_line && line + 8 > until;) {
		s = yaml_line(y, line, &len);
		is_long = false;
		for (i = 0; i < len; i++) {
			if (i + 2 < len && memcmp(s + i, "\xe2\x80", 2) == 0 &&
			    (unsigned char)s[i + 2] >= 0x92 &&
			    (unsigned char)s[i + 2] <= 0x95) {
				is_long = true;
				i += 2;
			} else if (s[i] != '-' && s[i] != ' ')
				break;
		}
		if (is_long && i == len) {
			*at = line;
			return true;
		}
	}
	return false;
}

static void
report_bad_start(struct yaml *y, size_t line, size_t column)
{
	const char	*s;
	size_t		 len;

	s = yaml_line(y, line, &len);
	if (column < len && s[column] == '\t')
		yaml_fault(y, line, column, "tab used for indentation; YAML "
		    "needs spaces");
	else if (column < len)
		yaml_fault(y, line, column, "a value cannot begin with \"%c\"; "
		    "quote it", s[column]);
	else
		yaml_fault(y, line, column, "a value cannot begin like this");
}

void
yaml_report_syntax(struct yaml *y)
{
	const char	*what;
	size_t		 line, column, at, i;

	if (y->parser.error == YAML_MEMORY_ERROR)
		abort();
	if (y->parser.problem == NULL)
		y->parser.problem = "not valid YAML";
	what = y->parser.problem;
	line = y->base_line + y->parser.problem_mark.line;
	column = y->parser.problem_mark.column;
	if (is_tab_fault(y, line, &column)) {
		yaml_fault(y, line, column, "tab used for indentation; YAML needs "
		    "spaces");
		return;
	}
	if (find_long_dash(y, line, &at)) {
		yaml_fault(y, at, 0, "a long dash; \"---\" separates documents "
		    "(keyboards like to change it)");
		return;
	}
	if (strstr(what, "cannot start any token") != NULL) {
		report_bad_start(y, line, column);
		return;
	}
	for (i = 0; i < NELEM(messages); i++)
		if (strstr(what, messages[i].libyaml) != NULL)
			break;
	if (y->parser.context != NULL && strstr(y->parser.context,
	    "quoted scalar") != NULL && strstr(what, "unexpected") != NULL) {
		/* Where the quote was opened says more than where it ends. */
		line = y->base_line + y->parser.context_mark.line;
		column = y->parser.context_mark.column;
	}
	if (i < NELEM(messages))
		what = messages[i].ours;
	if (y->parser.context != NULL &&
	    strstr(y->parser.context, "parsing a flow") != NULL)
		yaml_fault(y, line, column, "%s; the bracket was opened in line "
		    "%zu", what, y->base_line + y->parser.context_mark.line +
		    1);
	else
		yaml_fault(y, line, column, "%s", what);
}
