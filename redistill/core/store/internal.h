/* internal.h - what the files of the store share beyond store.h. */
#ifndef RD_INTERNAL_H
#define RD_INTERNAL_H

#include "arena/layout.h"
#include "store/index.h"
#include "store/store.h"

typedef enum rd_gone { RD_GONE_DELETED, RD_GONE_EXPIRED, RD_GONE_EVICTED, RD_GONE_FLUSHED } rd_gone;

/* Take an item out of the index and release it; counts, and tells watchers. The shard is locked. */
void rd_remove_at(rd_store *st, uint32_t shard, uint32_t slot, rd_place place, uint64_t hash, rd_gone why);
/* The same for an item found by itself (in a region, in a sample). false: no index has it, so the shard is damaged. */
bool rd_remove_item(rd_store *st, uint32_t shard, rd_ref item, rd_gone why);
/* A key of the shard was changed: the seam for WATCH, key events, blocked clients and tracking. */
void rd_touched(rd_store *st, uint32_t shard, uint32_t slot, uint64_t hash);
/* Has the item expired? */
static inline bool rd_expired(const rd_store *st, int64_t expiry) {
  return expiry != RD_NO_EXPIRY && (int64_t)st->now_ms > expiry;
}

#endif
