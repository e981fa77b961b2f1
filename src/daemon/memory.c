/*
 * What only starting needed need not stay resident.
 *
 * The libraries map some nine megabytes of their files while they initialise
 * themselves (TLS, Kerberos, LDAP ...), most of it for good.  Program text is
 * never written to, so the pages can be dropped: what is used again comes back
 * from the page cache.  Freed heap goes back to the system as well.
 */
#include "daemon.h"

#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

void
memory_settle(void)
{
	unsigned long from, to;
	char line[512], perms[8];
	FILE *f = fopen("/proc/self/maps", "re");

	malloc_trim(0);
	if (f == NULL)
		return;
	while (fgets(line, sizeof line, f) != NULL)
		if (sscanf(line, "%lx-%lx %7s", &from, &to, perms) == 3 &&
		    strcmp(perms, "r-xp") == 0 && strchr(line, '/') != NULL)
			madvise((void *)from, to - from, MADV_DONTNEED);
	fclose(f);
}
