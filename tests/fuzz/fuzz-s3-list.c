/*
 * What an S3 server answers: lists, errors, results of deletes.  Whatever comes,
 * a list that is taken has a key in each object and a token when there is more.
 */
#include <stdint.h>
#include <stdlib.h>

#include "../../src/provider/s3.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const char *text = (const char *)data;
	struct s3_list list = {0};
	struct s3_fault fault;
	struct err e;
	size_t i;

	if (s3_list_parse(text, len, &list, &e) == 0) {
		for (i = 0; i < list.n; i++)
			if (list.objects[i].key == NULL ||
			    list.objects[i].etag == NULL)
				abort();
		if (list.is_truncated && list.next == NULL)
			abort();
		s3_list_release(&list);
	}
	if (s3_fault_parse(text, len, &fault) && fault.code[0] == '\0')
		abort();
	if (s3_delete_fault(text, len, &fault) && fault.code[0] == '\0')
		abort();
	return 0;
}
