/* Packages that lie below the directory of imports. */
#ifndef HICLAW_PACKAGE_DIRECTORY_H
#define HICLAW_PACKAGE_DIRECTORY_H

#include "hiclaw/package.h"

/*
 * path below root: a file goes to zip, up to its cap; a directory's files to
 * *files, with their digest.  No symbolic link is followed on the way.
 */
int	directory_read(const char *root, const char *path, struct buf *zip,
	    struct package *files, struct err *) MUST_CHECK;

#endif
