/* hash.h - the keyed hash of keys: SipHash-1-3 (Aumasson and Bernstein 2012; the reduced rounds that Rust and Python
 * use for their tables). The seed is the arena's. */
#ifndef RD_HASH_H
#define RD_HASH_H

#include "base/base.h"

uint64_t rd_siphash(const uint64_t seed[2], const void *data, size_t len);

#endif
