/*
 * What a file of an agent shall contain, given what it contains now: the rules
 * of the desired form of "file" objects (ARCHITECTURE.md, Objects).  Pure; called
 * by the storage providers, tested by tables.
 */
#ifndef HICLAW_FILE_RULE_H
#define HICLAW_FILE_RULE_H

#include "hiclaw/json.h"

#define BUILTIN_START	"<!-- hiclaw-builtin-start -->"
#define BUILTIN_END	"<!-- hiclaw-builtin-end -->"
#define SPEC_START	"<!-- hiclaw-spec-start -->"
#define SPEC_END	"<!-- hiclaw-spec-end -->"
#define TEAM_START	"<!-- hiclaw-team-context-start -->"
#define TEAM_END	"<!-- hiclaw-team-context-end -->"

/*
 * The whole text of the file by its rule.  desired is resolved; secrets are those
 * of struct work; current is what is there (terminated, any bytes), NULL when
 * there is no file.  Rendering what was rendered gives the same bytes.  A NUL in
 * text that is kept reads U+FFFD.  A seed where a file is gives that file's text.
 * NULL: ERR_USER for a form that makes no sense, ERR_RETRY for a secret that is
 * not there yet.  Yours; secret_free if the form has secrets.
 */
char	*file_render(const struct json *desired, const struct json *secrets,
	    const char *current, size_t current_len, struct err *);
/* Digest of what a resolved desired form asks for: rule, mode and contents.
 * 64 hex digits; dst as of sha256_hex. */
void	 file_source(const struct json *desired, char *dst);
/*
 * What somebody made of the contents, as far as a resource might say it: {"text"}
 * of a text, {"json"} of a tree, of which only those strings, numbers and truths
 * that we write there as well.  NULL where we write a secret into the text, or
 * what is there is none or too long.  Pure; yours.
 */
struct json *file_found(const struct json *desired, const char *current,
	    size_t current_len);
/* The inside of our section that begins with this marker: yours, or NULL. */
char	*file_section(const char *text, const char *start);
/*
 * The lines that differ between the contents of two desired forms, either of
 * which may be NULL, as "-old" and "+new" lines with up to two lines of context
 * and "@@ line 12" between parts; at most max lines.  Secrets read "***",
 * references that are not resolved "(new)".  Yours; "" when nothing differs.
 */
char	*file_difference(const struct json *before, const struct json *after,
	    size_t max);

#endif
