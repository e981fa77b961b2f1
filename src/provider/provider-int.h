/*
 * Shared by the files of src/provider: the rows of the table.
 */
#ifndef HICLAW_PROVIDER_INT_H
#define HICLAW_PROVIDER_INT_H

#include "hiclaw/provider.h"

extern const struct provider provider_directory, provider_envoy,
    provider_higress, provider_matrix, provider_minio, provider_s3;

#endif
