/*
 * Unpacking a zip that is in memory (libarchive, used nowhere else).
 *
 * Only the reader for zips with a directory at their end is registered, and
 * only stored and deflated entries are taken: the other methods may ask for
 * gigabytes of memory before they give a byte.  An entry is read into as many
 * bytes as it says it has, after those were claimed; whatever libarchive warns
 * of (a wrong CRC, sizes that contradict each other) is a reason to refuse.
 */
#include "package-int.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <archive.h>
#include <archive_entry.h>

#include "hiclaw/secure.h"

/* A small zip may be as empty as it likes. */
#define RATIO_FREE	(1024 * 1024)
/* libarchive reads the whole directory first; entries of zips inside count
 * here too, so this is looser than what gather_claim holds to. */
#define SIGNATURES_MAX	(4 * PACKAGE_FILES_MAX)

/* Does it have at most so many entries?  Whatever its directory says. */
static bool
has_few_entries(const char *zip, size_t len)
{
	static const char	signature[] = "PK\001\002";
	const char		*p = zip, *end = zip + len;
	size_t			 n = 0;

	while ((p = memchr(p, 'P', (size_t)(end - p))) != NULL) {
		if (end - p >= 4 && memcmp(p, signature, 4) == 0 &&
		    ++n > SIGNATURES_MAX)
			return false;
		p++;
	}
	return true;
}

static size_t
bytes_max(size_t len)
{
	size_t	max = len * PACKAGE_RATIO_MAX;

	if (max < RATIO_FREE)
		max = RATIO_FREE;
	return max < PACKAGE_BYTES_MAX ? max : PACKAGE_BYTES_MAX;
}

/* What libarchive says is its own text, but may quote the entry. */
static int
refuse(struct archive *a, const char *name, struct err *e)
{
	const char	*why = archive_error_string(a);

	return err_set(e, ERR_USER, "entry \"%s\": %s", show_name(name).text,
	    show_name(why != NULL ? why : "cannot be read").text);
}

/* libarchive tells the method only as "ZIP 2.0 (deflation)". */
static bool
method_allowed(struct archive *a)
{
	const char	*format = archive_format_name(a);

	return format != NULL && (strstr(format, "(deflation)") != NULL ||
	    strstr(format, "(uncompressed)") != NULL);
}

/* Exactly size bytes and the end. */
static int
read_data(struct archive *a, const char *name, char *data, size_t size,
    struct err *e)
{
	size_t	got = 0;
	ssize_t	n;
	char	more;

	while (got < size) {
		n = archive_read_data(a, data + got, size - got);
		if (n < 0)
			return refuse(a, name, e);
		if (n == 0)
			return err_set(e, ERR_USER,
			    "entry \"%s\": smaller than it says",
			    show_name(name).text);
		got += (size_t)n;
	}
	n = archive_read_data(a, &more, 1);
	if (n < 0)
		return refuse(a, name, e);
	if (n > 0)
		return err_set(e, ERR_USER, "entry \"%s\": larger than it says",
		    show_name(name).text);
	data[size] = '\0';
	return 0;
}

static int
unpack_file(struct archive *a, struct archive_entry *ent, const char *name,
    struct gather *g, struct err *e)
{
	int64_t	 size = archive_entry_size_is_set(ent) ?
	    archive_entry_size(ent) : 0;
	char	*data;

	if (!method_allowed(a))
		return err_set(e, ERR_USER,
		    "entry \"%s\": neither stored nor deflated",
		    show_name(name).text);
	if (size < 0)
		return err_set(e, ERR_USER, "entry \"%s\": impossible size",
		    show_name(name).text);
	if (gather_claim(g, name, (uint64_t)size, e) == -1)
		return -1;
	data = xmalloc((size_t)size + 1);
	if (read_data(a, name, data, (size_t)size, e) == -1) {
		free(data);
		return -1;
	}
	gather_put(g, name, data, (size_t)size,
	    (archive_entry_perm(ent) & 0111) != 0);
	return 0;
}

static int
unpack_dir(char *name, struct gather *g, struct err *e)
{
	size_t	len = strlen(name);

	if (len > 1 && name[len - 1] == '/')
		name[len - 1] = '\0';
	/* "./", the top itself */
	return *name == '\0' || strcmp(name, ".") == 0 ? 0 :
	    gather_dir(g, name, e);
}

static int
unpack_entry(struct archive *a, struct archive_entry *ent, struct gather *g,
    struct err *e)
{
	const char	*path = archive_entry_pathname(ent);
	char		*name;
	int		 rc;

	if (path == NULL)
		return err_set(e, ERR_USER, "an entry without a name");
	while (str_starts(path, "./"))
		path += 2;
	name = xstrdup(path);
	if (archive_entry_is_encrypted(ent))
		rc = err_set(e, ERR_USER, "entry \"%s\": encrypted",
		    show_name(name).text);
	else if (archive_entry_filetype(ent) == AE_IFLNK ||
	    archive_entry_hardlink(ent) != NULL)
		rc = err_set(e, ERR_USER, "entry \"%s\": a link",
		    show_name(name).text);
	else if (archive_entry_filetype(ent) == AE_IFDIR)
		rc = unpack_dir(name, g, e);
	else if (archive_entry_filetype(ent) == AE_IFREG)
		rc = unpack_file(a, ent, name, g, e);
	else
		rc = err_set(e, ERR_USER, "entry \"%s\": neither a file nor a "
		    "directory", show_name(name).text);
	free(name);
	return rc;
}

static int
unpack_all(struct archive *a, struct gather *g, struct err *e)
{
	struct archive_entry	*ent;
	const char		*name;
	char			 number[16];
	int			 rc, n;

	for (n = 1;; n++) {
		rc = archive_read_next_header(a, &ent);
		if (rc == ARCHIVE_EOF)
			break;
		if (rc != ARCHIVE_OK) {
			/* A name that is not UTF-8 is not told. */
			snprintf(number, sizeof(number), "#%d", n);
			name = rc == ARCHIVE_FATAL ? NULL :
			    archive_entry_pathname(ent);
			return refuse(a, name != NULL ? name : number, e);
		}
		if (unpack_entry(a, ent, g, e) == -1)
			return -1;
	}
	if (g->n == 0)
		return err_set(e, ERR_USER, "no files in it");
	return 0;
}

static int
unpack(const void *zip, size_t len, struct gather *g, struct err *e)
{
	struct archive	*a = archive_read_new();
	int		 rc;

	if (a == NULL)
		abort();
	/* Names become UTF-8 in composed form, so that one does not come in
	 * two spellings. */
	if (archive_read_support_format_zip_seekable(a) != ARCHIVE_OK ||
	    archive_read_set_options(a, "zip:hdrcharset=UTF-8") != ARCHIVE_OK)
		rc = err_set(e, ERR_BROKEN, "libarchive: %s",
		    archive_error_string(a));
	else if (archive_read_open_memory(a, zip, len) != ARCHIVE_OK)
		rc = err_set(e, ERR_USER, "not a zip, or cut short");
	else
		rc = unpack_all(a, g, e);
	archive_read_free(a);
	return rc;
}

int
package_unpack(const void *zip, size_t len, struct package *out,
    struct err *e)
{
	struct gather	g;
	locale_t	utf8, before;
	int		rc;

	if (len > PACKAGE_ZIP_MAX)
		return err_set(e, ERR_USER, "a zip of more than %d MiB",
		    PACKAGE_ZIP_MAX / 1024 / 1024);
	if (len == 0)
		return err_set(e, ERR_USER, "not a zip: it is empty");
	if (!has_few_entries(zip, len))
		return err_set(e, ERR_USER, "more than %d entries",
		    PACKAGE_FILES_MAX);
	/* libarchive converts names to the charset of the thread's locale. */
	utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
	if (utf8 == (locale_t)0)
		return err_set(e, ERR_BROKEN, "the system has no C.UTF-8");
	before = uselocale(utf8);
	gather_init(&g, bytes_max(len));
	rc = unpack(zip, len, &g, e);
	uselocale(before);
	freelocale(utf8);
	if (rc == 0) {
		gather_take(&g, out);
		sha256_hex(zip, len, out->digest);
	}
	gather_release(&g);
	return rc;
}
