/* key.c - hashes keys with the seed of the arena. */
#include "arena/key.h"

#include "base/hash.h"

rd_key rd_key_of(const rd_store *st, rd_bytes bytes, unsigned db) {
  return (rd_key){bytes.data, (uint32_t)bytes.len, db, rd_siphash(st->seed, bytes.data, bytes.len)};
}
