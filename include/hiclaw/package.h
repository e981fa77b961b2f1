/*
 * Packages and skills from elsewhere: fetched, checked, unpacked in memory.
 * Nothing here writes a file; what comes out has only plain relative paths.
 * Blocking: pool threads only.  facts: storage-and-agents 5.
 */
#ifndef HICLAW_PACKAGE_H
#define HICLAW_PACKAGE_H

#include "hiclaw/err.h"

#define PACKAGE_ZIP_MAX		(64 * 1024 * 1024)	/* bytes fetched */
#define PACKAGE_BYTES_MAX	(256 * 1024 * 1024)	/* unpacked, all */
#define PACKAGE_FILES_MAX	10000
#define PACKAGE_DEPTH_MAX	16			/* of directories */
#define PACKAGE_RATIO_MAX	100			/* unpacked to packed */

struct package_file {
	char	*path;			/* "config/SOUL.md": as in the zip */
	char	*data;			/* terminated; any bytes */
	size_t	 len;
	bool	 executable;
};
struct package {
	struct package_file *files;	/* by path */
	size_t	 n;
	char	 digest[65];		/* SHA-256 of what was fetched, or of all
					 * files where no archive was */
};
void	 package_release(struct package *);

/*
 * Unpack a zip held in memory.  ERR_USER says what is wrong and with which
 * entry: not a zip, wrong CRC, encrypted, too many, too large, too deep, too well
 * compressed, absolute or ".." or backslash or control characters in a path,
 * a link or device, the same path twice, a file where another has a directory.
 * Names are brought to composed UTF-8 (NFC), and compared as bytes then.
 * Directories are implied.  *out is untouched on failure.
 */
int	 package_unpack(const void *zip, size_t len, struct package *out,
	    struct err *) MUST_CHECK;

struct package_source {
	const char	*imports;	/* directory of file://, and of what
					 * storage has not; NULL: refused */
	bool		 private_addresses;	/* http and nacos may go there */
	/* Reads "hiclaw-config/<path>" of the bucket, where path is always
	 * "packages/..."; ERR_NOTFOUND, ERR_RETRY.  May be NULL. */
	int		(*stored)(void *arg, const char *path, struct buf *,
			    struct err *);
	void		*arg;
	int		 timeout_ms;	/* of the whole; 0: 60 s */
};
/*
 * Fetch by spec.package: file:// (only below imports), http(s)://
 * ("#sha256=<hex>" is checked; at most 5 redirects, each to an address that is
 * allowed), nacos://[user:pass@]host[:port]/<ns>/<spec>[/<version>|/label:<l>]
 * (nacos+https too), packages/x.zip or oss://hiclaw-config/packages/x.zip from
 * storage.  known, when not NULL, is the digest of what the caller has already:
 * then *same is set when it is still that, and nothing is unpacked.  ERR_USER
 * and ERR_DENIED will not mend by themselves, ERR_NOTFOUND and ERR_RETRY may.
 */
int	 package_fetch(const char *uri, const struct package_source *,
	    const char *known, bool *same, struct package *out, struct err *)
	    MUST_CHECK;
/*
 * Where the files of an agent's package go, by the rules of the manifest:
 * config/X to X, or SOUL.md at the top when there is no config/; skills/ and
 * crons/jobs.json (a bare array is wrapped) to .openclaw/cron/jobs.json; the rest
 * is left out.  A new package; *notes gets what people should know (a Dockerfile
 * that nobody builds, a runtime that does not fit).
 */
int	 package_layout(const struct package *, const char *runtime,
	    struct package *out, struct strv *notes, struct err *) MUST_CHECK;

/* A skill of a registry: nacos://host/ns, name, version or label or neither. */
int	 package_skill(const char *source, const char *auth_type,
	    const char *name, const char *version, const char *label,
	    const struct package_source *, struct package *out, struct err *)
	    MUST_CHECK;

#endif
