/*
 * The text under a manifest: where its lines begin, how a problem points into
 * it, and what no YAML may contain at all.
 */
#include "yaml-int.h"

#include <stdlib.h>
#include <string.h>

#include "api-int.h"

/* --- places -------------------------------------------------------------- */

/*
 * Where lines begin, counted as libyaml counts them: CR LF is one break, and
 * so are U+0085, U+2028 and U+2029.
 */
static void
index_lines(struct yaml *y)
{
	const unsigned char	*s = (const unsigned char *)y->text;
	size_t			 i = 0, cap = 64, step;

	y->lines = xreallocarray(NULL, cap, sizeof *y->lines);
	y->lines[y->nlines++] = 0;
	while (i < y->len) {
		step = 0;
		if (s[i] == '\r' && i + 1 < y->len && s[i + 1] == '\n')
			step = 2;
		else if (s[i] == '\n' || s[i] == '\r')
			step = 1;
		else if (s[i] == 0xc2 && i + 1 < y->len && s[i + 1] == 0x85)
			step = 2;
		else if (s[i] == 0xe2 && i + 2 < y->len && s[i + 1] == 0x80 &&
		    (s[i + 2] == 0xa8 || s[i + 2] == 0xa9))
			step = 3;
		i += step == 0 ? 1 : step;
		if (step == 0)
			continue;
		if (y->nlines == cap) {
			cap *= 2;
			y->lines = xreallocarray(y->lines, cap,
			    sizeof *y->lines);
		}
		y->lines[y->nlines++] = (uint32_t)i;
	}
}

const char *
yaml_line(const struct yaml *y, size_t line, size_t *len)
{
	size_t	from, to;

	*len = 0;
	if (line >= y->nlines)
		return "";
	from = y->lines[line];
	to = line + 1 < y->nlines ? y->lines[line + 1] : y->len;
	if (line == 0 && to - from >= 3 &&
	    memcmp(y->text, "\xef\xbb\xbf", 3) == 0)
		from += 3;
	while (to > from &&
	    (y->text[to - 1] == '\n' || y->text[to - 1] == '\r'))
		to--;
	*len = to - from;
	return y->text + from;
}

char *
yaml_source(const struct yaml *y, int line, int column)
{
	const char	*s;
	size_t		 len;

	if (line < 1)
		return NULL;
	s = yaml_line(y, (size_t)line - 1, &len);
	return problem_source(s, len, column);
}

static void
add_problem(struct yaml *y, int line, int column, const char *path,
    bool is_warning, const char *fmt, va_list ap)
{
	struct problem	p = {
		.doc = y->doc, .line = line, .column = column,
		.path = (char *)path, .is_warning = is_warning
	};

	p.what = xvasprintf(fmt, ap);
	p.source = yaml_source(y, line, column);
	problems_add(y->problems, &p);
	free(p.what);
	free(p.source);
}

void
yaml_problem(struct yaml *y, const struct ynode *at, const char *path,
    bool is_warning, const char *fmt, ...)
{
	va_list	ap;

	va_start(ap, fmt);
	add_problem(y, at->line, at->column, path, is_warning, fmt, ap);
	va_end(ap);
}

void
yaml_fault(struct yaml *y, size_t line, size_t column, const char *fmt, ...)
{
	va_list	ap;

	va_start(ap, fmt);
	add_problem(y, (int)line + 1, (int)column + 1, NULL, false, fmt, ap);
	va_end(ap);
}

/* The same for a byte of the text. */
static void PRINTF(3, 4)
fault_at_byte(struct yaml *y, size_t offset, const char *fmt, ...)
{
	size_t	lo = 0, hi = y->nlines, mid, i, column = 0;
	va_list	ap;

	while (hi - lo > 1) {
		mid = (lo + hi) / 2;
		if (y->lines[mid] <= offset)
			lo = mid;
		else
			hi = mid;
	}
	for (i = y->lines[lo]; i < offset; i++)
		if (((unsigned char)y->text[i] & 0xc0) != 0x80)
			column++;
	va_start(ap, fmt);
	add_problem(y, (int)lo + 1, (int)column + 1, NULL, false, fmt, ap);
	va_end(ap);
}

/* --- the text as a whole ------------------------------------------------- */

/* Offset of the first character that YAML does not allow, or len. */
static size_t
find_control(const char *text, size_t len)
{
	const unsigned char	*s = (const unsigned char *)text;
	size_t			 i;

	for (i = 0; i < len; i++) {
		if (s[i] >= 0x20 && s[i] < 0x7f)
			continue;
		if (s[i] < 0x20 && s[i] != '\t' && s[i] != '\n' &&
		    s[i] != '\r')
			return i;
		if (s[i] == 0x7f)
			return i;
		if (s[i] == 0xc2 && s[i + 1] < 0xa0 && s[i + 1] != 0x85)
			return i;
		if (s[i] == 0xef && s[i + 1] == 0xbf && s[i + 2] >= 0xbe)
			return i;
	}
	return len;
}

static unsigned
code_point(const char *text)
{
	const unsigned char	*s = (const unsigned char *)text;

	if (s[0] < 0x80)
		return s[0];
	if (s[0] < 0xe0)
		return (s[0] & 0x1fu) << 6 | (s[1] & 0x3fu);
	return (s[0] & 0x0fu) << 12 | (s[1] & 0x3fu) << 6 | (s[2] & 0x3fu);
}

int
yaml_check_text(struct yaml *y)
{
	struct problem	none = { 0 };
	size_t		bad;

	if (y->len > MANIFEST_MAX) {
		problem_addf(y->problems, &none, "the manifest has %zu "
		    "bytes; at most %d (1 MiB) are taken: paste it in parts",
		    y->len, MANIFEST_MAX);
		return -1;
	}
	index_lines(y);
	if (y->len >= 2 && (memcmp(y->text, "\xff\xfe", 2) == 0 ||
	    memcmp(y->text, "\xfe\xff", 2) == 0)) {
		yaml_fault(y, 0, 0, "the text is UTF-16; save it as UTF-8");
		return -1;
	}
	if (memchr(y->text, '\0', y->len) != NULL) {
		bad = (size_t)((const char *)memchr(y->text, '\0', y->len) -
		    y->text);
		fault_at_byte(y, bad, "a NUL byte; this is not text");
		return -1;
	}
	if (!utf8_valid(y->text, y->len, &bad)) {
		fault_at_byte(y, bad, "byte 0x%02x is not valid UTF-8; "
		    "save the text as UTF-8", (unsigned char)y->text[bad]);
		return -1;
	}
	if ((bad = find_control(y->text, y->len)) < y->len) {
		fault_at_byte(y, bad, "control character U+%04X; remove it",
		    code_point(y->text + bad));
		return -1;
	}
	return 0;
}
