/*
 * The table of providers: the only place that knows them by name.
 */
#include "hiclaw/provider.h"

#include "provider-int.h"

const struct provider *const providers[] = {
	&provider_matrix,
	&provider_directory,
	&provider_minio,
	&provider_s3,
	&provider_envoy,
	&provider_higress,
	&provider_docker,
	&provider_remote,
	NULL
};

const struct object_kind *
object_kind_find(const char *name, const struct provider **provider)
{
	const struct object_kind *k;
	size_t i;

	for (i = 0; providers[i] != NULL; i++) {
		for (k = providers[i]->kinds; k->name != NULL; k++) {
			if (!str_equal(k->name, name))
				continue;
			if (provider != NULL)
				*provider = providers[i];
			return k;
		}
	}
	return NULL;
}
