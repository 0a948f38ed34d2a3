/* xxh3.h - XXH3, the 64-bit hash of DIGEST, as its specification describes it (xxHash, doc/xxhash_spec.md), with seed
 * 0.
 */
#ifndef RD_XXH3_H
#define RD_XXH3_H

#include <stddef.h>
#include <stdint.h>

/* Copies [off, off + n) of the data to `dst`; n is at most 1,024. */
typedef void rd_xxh3_read(void *arg, uint64_t off, void *dst, size_t n);

/* The hash of `len` bytes, which `read` gets piece by piece. */
uint64_t rd_xxh3(rd_xxh3_read *read, void *arg, uint64_t len);

#endif
