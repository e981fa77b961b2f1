/*
 * Shared by the files of src/provider: the rows of the table.
 */
#ifndef HICLAW_PROVIDER_INT_H
#define HICLAW_PROVIDER_INT_H

#include "hiclaw/provider.h"

extern const struct provider provider_directory, provider_docker,
    provider_envoy, provider_higress, provider_matrix, provider_minio, provider_remote,
    provider_s3;

/*
 * ready.c: take {"type": "ready", "until_ms", "life_ms"}, an agent's report, into
 * "ready_until" and "ready_life"; false if that changes nothing worth writing.
 */
bool	 ready_absorb(struct json *observed, const struct json *event);

#endif
