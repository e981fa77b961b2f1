/*
 * What only starting needed need not stay resident.
 *
 * The libraries read some fifteen megabytes of their files while they initialise
 * themselves (symbols, TLS, Kerberos, LDAP ...), most of it for good.  Segments
 * that nobody may write to can be dropped: what is used again comes back from the
 * page cache.  Freed heap goes back to the system as well.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE		/* dl_iterate_phdr */
#endif
#include "daemon.h"

#include <link.h>
#include <malloc.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SEGMENTS_MAX	32	/* of a library; a dozen is usual */

/* A page is of one segment, so its neighbours that are written to stay. */
static int
drop_segments(struct dl_phdr_info *lib, size_t size, void *arg)
{
	uintptr_t page = *(const uintptr_t *)arg, from, to;
	/* The headers are in what is dropped, and reading them would bring it
	 * back. */
	ElfW(Phdr) h[SEGMENTS_MAX];
	size_t n = lib->dlpi_phnum < SEGMENTS_MAX ? lib->dlpi_phnum :
	    SEGMENTS_MAX;

	(void)size;
	memcpy(h, lib->dlpi_phdr, n * sizeof(h[0]));
	for (size_t i = 0; i < n; i++) {
		if (h[i].p_type != PT_LOAD || (h[i].p_flags & PF_W) != 0)
			continue;
		from = (lib->dlpi_addr + h[i].p_vaddr) / page * page;
		to = lib->dlpi_addr + h[i].p_vaddr + h[i].p_memsz;
		madvise((void *)from, to - from, MADV_DONTNEED);
	}
	return 0;
}

void
memory_settle(void)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

	malloc_trim(0);
	dl_iterate_phdr(drop_segments, &page);
}
