/* grave.c - releases large values in steps. */
#include "store/grave.h"

#include "arena/lock.h"
#include "store/big.h"
#include "store/evict.h"
#include "store/index.h"
#include "store/internal.h"
#include "store/item.h"
#include "store/type.h"

#define GRAVE_BYTES ((uint64_t)RD_GRAVE_STEP * RD_CHUNK_DATA)

static inline const rd_index *graves_of(const rd_store *st, uint32_t shard) {
  return &rd_shard_at(st, shard)->index[RD_GRAVE_SLOT];
}

/* One that is being moved may lack chunks: it is released at once. */
bool rd_big_takes_steps(const rd_item *it) {
  return rd_item_big(it)->len > GRAVE_BYTES && rd_item_expiry(it) != RD_PASSED;
}

/* A big item is cut, so it stays sound. */
static bool cut(rd_store *st, uint32_t shard, rd_ref item) {
  uint64_t len = rd_item_big(rd_at(st, item))->len;
  return len <= GRAVE_BYTES || !rd_big_resize(st, shard, item, len - GRAVE_BYTES);
}

bool rd_release_step(rd_store *st, uint32_t shard, rd_ref item) {
  rd_item *it = rd_at(st, item);
  if (!rd_item_is_nested(it)) return cut(st, shard, item);
  return rd_type_of(it)->release(st, shard, it, RD_GRAVE_STEP) < RD_GRAVE_STEP;
}

void rd_bury(rd_store *st, uint32_t shard, rd_ref item, uint64_t hash) {
  rd_item *it = rd_at(st, item);
  if (RD_UNLIKELY(rd_takes_steps(it)) && !rd_release_step(st, shard, item)) {
    it->access = (it->access & ~((RD_SLOTS - 1) << RD_ITEM_SLOT_SHIFT)) | RD_GRAVE_SLOT << RD_ITEM_SLOT_SHIFT;
    it->access |= RD_ITEM_MAIN; /* it is not in S3-FIFO's small queue */
    if (rd_index_insert(st, shard, RD_GRAVE_SLOT, hash, item, rd_item_expiry(it))) {
      rd_index_balance(st, shard, RD_GRAVE_SLOT);
      atomic_fetch_or_explicit(&st->head->graves[shard >> 6], 1ull << (shard & 63), memory_order_relaxed);
      return;
    }
    /* Some blocks have just been released, so there is room for the entry, unless they were too small. */
  }
  rd_item_release(st, shard, item);
}

static rd_ref any_grave(const rd_store *st, uint32_t shard) {
  const rd_index *ix = graves_of(st, shard);
  for (uint32_t n = ix->count == 0 ? 0 : ix->buckets; n-- > 0;) {
    const rd_bucket *b = rd_index_bucket(st, ix, n);
    uint32_t entries = rd_bucket_entries(b);
    if (entries != 0) return rd_entry_ref(b, (uint32_t)__builtin_ctz(entries));
  }
  return 0;
}

bool rd_dig(rd_store *st, uint32_t shard) {
  rd_ref item = any_grave(st, shard);
  if (item != 0 && rd_remove_item(st, shard, item, RD_GONE_FLUSHED)) return true;
  atomic_fetch_and_explicit(&st->head->graves[shard >> 6], ~(1ull << (shard & 63)), memory_order_relaxed);
  return false;
}

bool rd_dig_anywhere(rd_store *st, uint32_t shard) {
  if (shard < st->num_shards && RD_UNLIKELY(graves_of(st, shard)->count > 0) && rd_dig(st, shard)) {
    rd_mark_clean(st);
    return true;
  }
  for (uint32_t w = 0; w < (st->num_shards + 63) / 64; w++) {
    uint64_t bits = atomic_load_explicit(&st->head->graves[w], memory_order_relaxed);
    for (; RD_UNLIKELY(bits != 0); bits &= bits - 1) {
      uint32_t other = w * 64 + (uint32_t)__builtin_ctzll(bits);
      if (other == shard || other >= st->num_shards || rd_needs_shard(st, other)) continue;
      bool retained = rd_holds_shard(st, other);
      if (!retained && rd_trylock_shard(st, other) < 0) continue;
      bool dug = rd_dig(st, other);
      rd_mark_clean(st);
      if (!retained) rd_unlock_shard(st, other);
      if (dug) return true;
    }
  }
  return false;
}
