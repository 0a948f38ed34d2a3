/* databases.c - counts, flushes and swaps whole databases. */
#include "store/databases.h"

#include "arena/lock.h"
#include "arena/longrun.h"
#include "arena/pool.h"
#include "store/evict.h"
#include "store/expire.h"
#include "store/index.h"
#include "store/internal.h"
#include "store/item.h"
#include "store/waiters.h"

/* ---- counting: sums of counters that other processes change meanwhile; each counter is read whole ---- */

uint64_t rd_count(rd_store *st, unsigned db) {
  uint32_t slot = rd_slot_of(st, db);
  uint64_t n = 0;
  for (uint32_t i = 0; i < st->num_shards; i++) n += rd_shard_at(st, i)->index[slot].count;
  return n;
}

uint64_t rd_count_volatile(rd_store *st, unsigned db) {
  uint32_t slot = rd_slot_of(st, db);
  uint64_t n = 0;
  for (uint32_t i = 0; i < st->num_shards; i++) n += rd_shard_at(st, i)->index[slot].with_ttl;
  return n;
}

int64_t rd_average_ttl(rd_store *st, unsigned db) {
  int64_t sum = 0, seen = 0;
  for (uint32_t round = 0; round < 64; round++) {
    uint32_t shard = rd_random_below(st, st->num_shards), slot = rd_slot_of(st, db);
    if (rd_shard_at(st, shard)->index[slot].with_ttl == 0) continue;
    int mine =
        /* a sample is not worth waiting for, least of all for a process that hangs */
        rd_trylock_shard(st, shard);
    if (mine < 0) continue;
    const rd_index *ix = &rd_shard_at(st, shard)->index[slot];
    if (ix->buckets > 0) {
      const rd_bucket *b = rd_index_bucket(st, ix, rd_random_below(st, ix->buckets));
      for (uint32_t m = rd_bucket_entries(b) & b->bits; m != 0; m &= m - 1) {
        int64_t left = rd_item_expiry(rd_at(st, rd_entry_ref(b, (uint32_t)__builtin_ctz(m)))) - (int64_t)st->now_ms;
        if (left <= 0) continue;
        sum += left / 64; /* up to ten entries of 64 buckets: the sum stays in range */
        seen++;
      }
    }
    if (mine) rd_unlock_shard(st, shard);
  }
  return seen == 0 ? 0 : sum / seen * 64;
}

/* ---- flushing and swapping ---- */

static void unlock_all_but(rd_store *st, const uint64_t *held_before) {
  rd_mark_clean(st);
  for (uint32_t i = 0; i < st->num_shards; i++) {
    if ((held_before[i >> 6] >> (i & 63) & 1) == 0) rd_unlock_shard(st, i);
  }
}

/* Assign index slots to the databases, by one store that all processes see at once. All shards are locked. */
static void set_map(rd_store *st, const uint8_t slot_of_db[RD_DATABASES]) {
  uint32_t map = atomic_load_explicit(&st->head->map, memory_order_relaxed);
  memcpy(st->head->slot_of_db[(map + 1) & 1], slot_of_db, RD_DATABASES);
  atomic_store_explicit(&st->head->map, map + 1, memory_order_release);
}

static bool slot_is_empty(const rd_store *st, uint32_t slot) {
  for (uint32_t i = 0; i < st->num_shards; i++) {
    if (st->shards[i].index[slot].count != 0) return false;
  }
  return true;
}

static void flush_shards(rd_store *st) {
  for (uint32_t i = 0; i < st->num_shards; i++) {
    rd_flush_shard(st, i);
    rd_yield(st);
  }
  rd_pool_trim_begin(st);
}

void rd_flush_all(rd_store *st) {
  uint64_t before[RD_MAX_SHARDS / 64];
  memcpy(before, st->held, sizeof before);
  rd_lock_all(st);
  bool stays = false; /* those who wait, and scripts */
  for (uint32_t slot = RD_STAYING_SLOT; slot <= RD_WAIT_SLOT; slot++) stays |= !slot_is_empty(st, slot);
  if (stays) {
    for (unsigned db = 0; db < RD_DATABASES; db++) rd_flush_db(st, db);
    unlock_all_but(st, before);
    return;
  }
  flush_shards(st);
  for (uint32_t slot = 0; slot < RD_SLOTS; slot++) st->head->flushes[slot]++;
  rd_notify_flush(st);
  unlock_all_but(st, before);
}

void rd_flush_db(rd_store *st, unsigned db) {
  uint64_t before[RD_MAX_SHARDS / 64];
  memcpy(before, st->held, sizeof before);
  rd_lock_all(st);
  if (!slot_is_empty(st, RD_WAIT_SLOT)) rd_note_all_waited(st);
  uint32_t slot = rd_slot_of(st, db), unused = RD_SLOTS;
  bool alone = true;
  for (uint32_t i = 0; i < RD_SLOTS; i++) {
    if (i == slot || i == RD_GRAVE_SLOT) continue;
    if (!slot_is_empty(st, i)) {
      alone = false;
    } else if (!rd_slot_is_live(st, i)) {
      unused = i;
    }
  }
  if (alone) {
    flush_shards(st);
    st->head->flushes[slot]++;
  } else if (!slot_is_empty(st, slot)) {
    /* The database gets an empty slot at once; the sweep and evictions empty the old slot. */
    uint8_t map[RD_DATABASES];
    for (unsigned i = 0; i < RD_DATABASES; i++) map[i] = (uint8_t)rd_slot_of(st, i);
    while (unused == RD_SLOTS) {
      for (uint32_t i = 0; i < RD_SLOTS && unused == RD_SLOTS; i++) {
        if (rd_slot_is_live(st, i) || i == RD_GRAVE_SLOT) continue;
        rd_drain_slot(st, i); /* all slots are still being emptied: this call empties an earlier one itself */
        unused = i;
      }
    }
    map[db] = (uint8_t)unused;
    set_map(st, map);
  }
  rd_notify_flush(st);
  unlock_all_but(st, before);
}

void rd_swap_db(rd_store *st, unsigned a, unsigned b) {
  uint64_t before[RD_MAX_SHARDS / 64];
  memcpy(before, st->held, sizeof before);
  rd_lock_all(st);
  uint8_t map[RD_DATABASES];
  for (unsigned i = 0; i < RD_DATABASES; i++) map[i] = (uint8_t)rd_slot_of(st, i);
  uint8_t slot = map[a];
  map[a] = map[b];
  map[b] = slot;
  set_map(st, map);
  rd_note_all_waited(st);
  rd_notify_flush(st);
  unlock_all_but(st, before);
}
