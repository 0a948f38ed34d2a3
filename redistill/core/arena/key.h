/* key.h - a key as commands name it, and the shard that it belongs to. */
#ifndef RD_KEY_H
#define RD_KEY_H

#include "arena/arena.h"

/* A key of a command: its bytes, its hash and its logical database. The hash does not depend on the database, so a key
 * lies in the same shard in all of them. */
typedef struct rd_key {
  const uint8_t *data;
  uint32_t len;
  uint32_t db;
  uint64_t hash;
} rd_key;

/* Prepare the key `bytes` of logical database `db`. Never fails; the length was checked by the parser. */
rd_key rd_key_of(const rd_store *st, rd_bytes bytes, unsigned db);

static inline uint32_t rd_shard_of(const rd_store *st, uint64_t hash) {
  return st->shard_shift == 64 ? 0 : (uint32_t)(hash >> st->shard_shift);
}

#endif
