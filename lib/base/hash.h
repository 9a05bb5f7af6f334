/* The content hash of an image: XXH64, after the published specification of xxHash. */
#ifndef INFER_BASE_HASH_H
#define INFER_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

uint64_t infer_hash64(const void *data, size_t size, uint64_t seed);

#endif
