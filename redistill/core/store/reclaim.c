/* reclaim.c - makes room in a full shard.
 *
 * A full shard that needs a block first evicts a few keys by its policy, and after each looks whether the block fits:
 * with values of about one size the first eviction is enough. When the wanted blocks are larger than the evicted ones,
 * the holes do not fit, and no number of scattered evictions helps: then a range is cleared, from a victim's place
 * outwards, until it is as long as the block. Work and losses are in proportion to the block.
 *
 * A value that cannot be evicted can be moved, since every block's owner is known. So a region can be emptied: with
 * noeviction that packs a shard whose free memory is in pieces, and with the volatile policies it makes room among keys
 * that must stay.
 *
 * Shards fill evenly, since the hash spreads the keys. A shard that has less than the others (a large value took the
 * memory elsewhere) or that needs more takes a region from the shard with the most, which is emptied in the same way.
 * Only a shard whose lock is free at that moment gives a region, so two shards that want one from each other do not
 * wait. */
#include "store/reclaim.h"

#include "arena/heap.h"
#include "arena/lock.h"
#include "arena/longrun.h"
#include "arena/memory.h"
#include "arena/pool.h"
#include "store/evict.h"
#include "store/grave.h"
#include "store/index.h"
#include "store/internal.h"
#include "store/item.h"
#include "store/recovery.h"
#include "store/type.h"

#define POLICY_EVICTIONS 8
#define RANGES_TRIED 4
#define SHARDS_TRIED 6
#define DIGS 16 /* of RD_GRAVE_STEP blocks each */

static bool fits(const rd_store *st, uint32_t shard, uint32_t bytes) {
  return rd_pool_free(st) > 0 || rd_heap_has(st, shard, bytes);
}

/* The item that a block is part of; 0: it is part of none. */
static rd_ref item_of(const rd_store *st, rd_ref block) {
  const rd_kind_row *row = &rd_kinds[rd_blk_kind(*rd_blk_at(st, block))];
  return row->item != NULL ? row->item(st, block) : 0;
}

/* The block of a region that contains `at`; 0 when the shard does not own the region any more. */
static rd_ref block_around(const rd_store *st, uint32_t shard, uint32_t region, rd_ref at) {
  if (st->regions[region].owner != shard + 1) return 0;
  rd_ref block = rd_region_first(st, region);
  for (rd_ref next; (next = rd_blk_next(st, block)) != 0 && next <= at;) block = next;
  return block;
}

static bool evict_block(rd_store *st, uint32_t shard, rd_ref block) {
  rd_ref item = item_of(st, block);
  if (item == 0 || !rd_evictable(st, rd_at(st, item))) return false;
  const rd_item *it = rd_at(st, item);
  rd_gone why = RD_GONE_EVICTED;
  if (rd_expired(st, rd_item_expiry(it))) why = RD_GONE_EXPIRED;
  if (!rd_slot_is_live(st, rd_item_slot(it))) why = RD_GONE_FLUSHED;
  return rd_remove_item(st, shard, item, why);
}

/* ---- emptying a region ---- */

#define CLAIMED UINT32_MAX /* marks, in its second word, a block that was claimed only to keep it from use */

static void claim(rd_store *st, uint32_t shard, rd_ref block) {
  rd_heap_claim(st, shard, block, RD_GHOST);
  rd_st32(st->base + block + 4, CLAIMED);
}

static bool is_claimed(const rd_store *st, rd_ref block) {
  return rd_blk_kind(*rd_blk_at(st, block)) == RD_GHOST && rd_ld32(st->base + block + 4) == CLAIMED;
}

/* Move a block whose item may not be evicted. */
static bool move_block(rd_store *st, uint32_t shard, rd_ref block) {
  const rd_kind_row *row = &rd_kinds[rd_blk_kind(*rd_blk_at(st, block))];
  if (RD_LIKELY(row->move != NULL)) return row->move(st, shard, block);
  rd_suspect(st, shard);
  return false;
}

bool rd_item_move(rd_store *st, uint32_t shard, rd_ref block) {
  const rd_item *it = rd_at(st, block);
  if (rd_is_pinned(st, it)) return false;
  uint32_t slot = rd_item_slot(it);
  rd_place place;
  bool found = rd_index_find_ref(st, &rd_shard_at(st, shard)->index[slot], rd_item_hash(st, it), block, &place);
  if (!found) rd_suspect(st, shard);
  rd_ref to = found ? rd_item_move_block(st, shard, block) : 0;
  if (to == 0) return false;
  rd_entry_set_ref(place.bucket, place.entry, to);
  return true;
}

/* A value of more bytes is moved rather than evicted for a hole beside one of its blocks. */
#define WORTH_MOVING RD_REGION_SIZE

static bool is_large(const rd_store *st, rd_ref item) {
  return item != 0 && rd_item_value_bytes(st, rd_at(st, item)) > WORTH_MOVING;
}

/* Remove the block at the edge of a range: its item is evicted or, when it is large or must stay, moved. false: neither
 * is possible; a large value is not evicted for this. */
static bool clear_edge(rd_store *st, uint32_t shard, rd_ref block) {
  if (block == 0 || is_claimed(st, block)) return false;
  return (!is_large(st, item_of(st, block)) && evict_block(st, shard, block)) || move_block(st, shard, block);
}

/* Remove a block that is to be evicted: its item is, or, when that has begun but takes long (grave.h), it is moved. */
static bool clear_victim(rd_store *st, uint32_t shard, rd_ref block) {
  rd_ref item = item_of(st, block);
  bool buried = item != 0 && !rd_slot_is_live(st, rd_item_slot(rd_at(st, item)));
  if (buried && rd_takes_steps(rd_at(st, item)) && is_large(st, item)) return move_block(st, shard, block);
  return evict_block(st, shard, block);
}

/* Clear the block beside a free range, or another one there. The range is claimed meanwhile: so no block moves into it,
 * and its place stays known. Returns the free range, which is wider unless nothing could be cleared. */
static rd_ref widen(rd_store *st, uint32_t shard, rd_ref range, bool *cleared) {
  claim(st, shard, range);
  *cleared = clear_edge(st, shard, rd_blk_next(st, range)) || clear_edge(st, shard, rd_blk_before(st, range));
  rd_ref before = rd_blk_before(st, range);
  if (before == 0 || rd_blk_kind(*rd_blk_at(st, before)) != RD_FREE) before = range;
  rd_heap_release(st, shard, range);
  return before;
}

/* Evict around `at` until there is a free block of `bytes`, and move what may not be evicted. false: neither is
 * possible on either side. */
static bool clear_range(rd_store *st, uint32_t shard, rd_ref at, uint32_t bytes) {
  uint32_t region = rd_region_of(st, at);
  rd_ref range;
  while ((range = block_around(st, shard, region, at)) != 0 && rd_blk_kind(*rd_blk_at(st, range)) != RD_FREE) {
    if (!clear_victim(st, shard, range)) return false;
  }
  if (range == 0) return true; /* the whole region has gone to the pool */
  for (bool cleared = true; cleared && rd_blk_bytes(*rd_blk_at(st, range)) < bytes;) {
    range = widen(st, shard, range, &cleared);
    if (st->regions[region].owner != shard + 1) return true;
  }
  return rd_blk_bytes(*rd_blk_at(st, range)) >= bytes;
}

/* Make room for a block that must move although its shard is full: evict for it elsewhere. The region that is being
 * emptied has nothing left to evict, so the victim lies in another one. */
static bool clear_any_range(rd_store *st, uint32_t shard, uint32_t bytes) {
  for (int i = 0; i < RANGES_TRIED && !st->keeps_all; i++) {
    rd_ref victim = rd_victim(st, shard);
    if (victim == 0) return false;
    if (clear_range(st, shard, victim, bytes)) return true;
  }
  return false;
}

/* Evict what may be evicted, except for large values, which are not lost for a region: they move. The
 * free blocks are claimed, so that nothing moves into them. An eviction may free blocks before this one, and they are
 * joined; the claimed ones keep their places, so the search for the block that is free now begins at the last of
 * them. */
static void evict_all(rd_store *st, uint32_t shard, uint32_t region) {
  rd_ref claimed = rd_region_first(st, region);
  for (rd_ref block = claimed; block != 0;) {
    if (rd_blk_kind(*rd_blk_at(st, block)) == RD_FREE) {
      claim(st, shard, block);
      claimed = block;
    }
    rd_ref item = item_of(st, block);
    bool stays = item == 0 || st->keeps_all || (rd_takes_steps(rd_at(st, item)) && is_large(st, item));
    rd_ref at = block;
    if (stays || !evict_block(st, shard, block)) {
      block = rd_blk_next(st, block);
      continue;
    }
    if (st->regions[region].owner != shard + 1) return;
    block = claimed;
    for (rd_ref next; (next = rd_blk_next(st, block)) != 0 && next <= at;) block = next;
  }
}

/* Claim the free blocks and move the others. All before `block` are claimed, so an eviction leaves a block at its
 * place. */
static bool move_all(rd_store *st, uint32_t shard, uint32_t region) {
  for (rd_ref block = rd_region_first(st, region); block != 0;) {
    rd_blk b = *rd_blk_at(st, block);
    if (rd_blk_kind(b) == RD_FREE) {
      claim(st, shard, block);
    } else if (!is_claimed(st, block) && !move_block(st, shard, block)) {
      if (!clear_any_range(st, shard, rd_blk_bytes(b))) return false;
      if (st->regions[region].owner != shard + 1) return true;
      b = *rd_blk_at(st, block); /* an eviction may have changed anything */
      if (rd_blk_kind(b) != RD_FREE && !move_block(st, shard, block)) return false;
    }
    if (st->regions[region].owner != shard + 1) return true;
    if (is_claimed(st, block)) block = rd_blk_next(st, block); /* else its place is free now */
  }
  return true;
}

/* Release the claimed blocks, which are joined with the free ones. */
static void release_claimed(rd_store *st, uint32_t shard, uint32_t region) {
  for (rd_ref block = rd_region_first(st, region), next; block != 0; block = next) {
    next = rd_blk_next(st, block);
    if (!is_claimed(st, block)) continue;
    if (next != 0 && rd_blk_kind(*rd_blk_at(st, next)) == RD_FREE) next = rd_blk_next(st, next);
    rd_heap_release(st, shard, block);
  }
}

bool rd_empty_region(rd_store *st, uint32_t shard, uint32_t region) {
  rd_mark_dirty(st, shard);
  st->no_growth = true;
  evict_all(st, shard, region);
  bool owned = st->regions[region].owner == shard + 1;
  if (owned) move_all(st, shard, region);
  st->no_growth = false;
  if (owned && st->regions[region].owner == shard + 1) release_claimed(st, shard, region);
  rd_mark_clean(st);
  if (st->regions[region].owner == shard + 1) return false;
  rd_count_stat(st, RD_STAT_evicted_regions, 1);
  return true;
}

#define REGIONS_LOOKED_AT 4096u
#define REGIONS_TRIED 4

/* True if the shard has keys that may be evicted. */
static bool has_evictable(const rd_store *st, uint32_t shard) {
  const rd_shard *sh = rd_shard_at(st, shard);
  rd_policy policy = rd_get_policy(st);
  for (uint32_t slot = 0; slot < RD_SLOTS; slot++) {
    const rd_index *ix = &sh->index[slot];
    if (ix->count == 0 || rd_slot_stays(slot)) continue;
    if (ix->with_ttl > 0 && policy >= RD_VOLATILE_LRU) return true;
    if ((policy > RD_NOEVICTION && policy < RD_VOLATILE_LRU) || !rd_slot_is_live(st, slot)) return true;
  }
  return false;
}

bool rd_may_evict(const rd_store *st) {
  for (uint32_t i = 0; i < st->num_shards; i++) {
    if (has_evictable(st, i)) return true;
  }
  return false;
}

/* True if it is worth trying to empty a region. This must be cheap, since a cache full of keys that must stay
 * decides it for every new key: without anything to evict, a region can be emptied only when its blocks fit into the
 * holes of the others, and not when that failed before and hardly anything was released since. */
static bool may_empty_region(const rd_store *st, uint32_t shard) {
  if (has_evictable(st, shard)) return true;
  const rd_shard *sh = rd_shard_at(st, shard);
  uint64_t bytes = (uint64_t)sh->heap.regions * RD_REGION_GRANULES * RD_GRANULE;
  if (bytes - sh->heap.used < RD_REGION_GRANULES * RD_GRANULE) return false;
  return sh->packed == 0 || sh->heap.used + RD_MAX_BLOCK < sh->packed;
}

/* Empty one of the shard's least used regions. */
static bool empty_least_used(rd_store *st, uint32_t shard) {
  uint32_t above = 0; /* regions up to this use have been tried */
  for (int i = 0; i < REGIONS_TRIED; i++) {
    uint32_t best = UINT32_MAX, left = REGIONS_LOOKED_AT;
    for (uint32_t r = rd_shard_at(st, shard)->heap.first_region; r != 0 && left > 0;
         r = st->regions[r - 1].next, left--) {
      uint32_t used = st->regions[r - 1].used;
      if (used > above && (best == UINT32_MAX || used < st->regions[best].used)) best = r - 1;
    }
    if (best == UINT32_MAX) break;
    above = st->regions[best].used;
    if (rd_empty_region(st, shard, best)) {
      rd_shard_at(st, shard)->packed = 0;
      return true;
    }
  }
  rd_shard_at(st, shard)->packed = rd_shard_at(st, shard)->heap.used;
  return false;
}

static bool try_least_used(rd_store *st, uint32_t shard) {
  return may_empty_region(st, shard) && empty_least_used(st, shard);
}

bool rd_pack(rd_store *st, uint32_t shard) {
  const rd_heap *heap = &rd_shard_at(st, shard)->heap;
  uint64_t room = (uint64_t)RD_REGION_GRANULES * RD_GRANULE;
  if (heap->regions * room - heap->used < room) return false;
  st->keeps_all = true;
  bool emptied = empty_least_used(st, shard);
  st->keeps_all = false;
  return emptied;
}

/* The shards that may be asked for a region, besides those that this process holds incidentally. */
enum sources { OTHERS, OTHERS_AND_OWN, ALL };

/* Empty a region of the shard that has the most regions. `own` is locked. */
static bool take_from_largest(rd_store *st, uint32_t own, enum sources sources) {
  uint64_t seen[RD_MAX_SHARDS / 64] = {0};
  for (unsigned n = 0; n < SHARDS_TRIED;) {
    uint32_t source = UINT32_MAX, most = 0;
    for (uint32_t i = 0; i < st->num_shards; i++) {
      uint32_t regions = rd_shard_at(st, i)->heap.regions;
      if (regions <= most) continue;
      if (sources != ALL && (i == own ? sources == OTHERS : rd_needs_shard(st, i))) continue;
      if (!may_empty_region(st, i)) continue; /* looked at without the lock, and again under it */
      if ((seen[i >> 6] >> (i & 63) & 1) != 0) continue;
      source = i;
      most = regions;
    }
    if (source == UINT32_MAX) return false;
    seen[source >> 6] |= 1ull << (source & 63);
    bool held = rd_holds_shard(st, source); /* by the command, or retained */
    if (!held && rd_trylock_shard(st, source) < 0) continue;
    n++;
    bool emptied = try_least_used(st, source);
    rd_mark_clean(st);
    if (!held) rd_unlock_shard(st, source);
    if (emptied) return true;
  }
  return false;
}

/* The last resort of a command that must not end in the middle: borrow from the pool's reserve until the command
 * ends. */
static bool borrow(rd_store *st, uint64_t regions) {
  if (!st->may_borrow || st->borrows) return false;
  st->borrows = true;
  if (rd_pool_free(st) >= regions) return true;
  st->borrows = false;
  return false;
}

/* The attempts above may have evicted large values, whose blocks are released in steps. Take from these graves until
 * the block fits or none is left. False: there were none. */
static bool dig_for(rd_store *st, uint32_t shard, uint32_t bytes) {
  bool dug = false;
  while (!(dug && fits(st, shard, bytes)) && rd_dig_anywhere(st, shard)) dug = true;
  return dug;
}

bool rd_reserve(rd_store *st, uint32_t shard, uint32_t bytes) {
  assert(st->dirty == 0);
  if (fits(st, shard, bytes)) return true;
  for (int i = 0; i < DIGS && rd_dig_anywhere(st, shard); i++) {
    if (fits(st, shard, bytes)) return true;
  }
  const rd_heap *heap = &rd_shard_at(st, shard)->heap;
  uint32_t fair = st->head->pool.in_use / st->num_shards;
  if (heap->regions * 2 < fair && take_from_largest(st, shard, OTHERS)) return true;
  uint32_t ghost = rd_ghost_wanted(st, shard);
  if (ghost != 0) {
    rd_ref victim = rd_victim(st, shard);
    if (victim != 0 && clear_range(st, shard, victim, ghost)) rd_ghost_add(st, shard);
    rd_mark_clean(st);
    if (fits(st, shard, bytes)) return true;
  }
  for (int i = 0; i < POLICY_EVICTIONS + RANGES_TRIED; i++) {
    rd_ref victim = rd_victim(st, shard);
    if (victim == 0) break;
    if (i < POLICY_EVICTIONS) {
      evict_block(st, shard, victim);
    } else {
      clear_range(st, shard, victim, bytes);
    }
    rd_mark_clean(st);
    if (fits(st, shard, bytes)) return true;
  }
  do {
    /* Pack: move the blocks of the emptiest region into the holes of the others. */
    if (try_least_used(st, shard) || take_from_largest(st, shard, OTHERS) || fits(st, shard, bytes)) return true;
  } while (dig_for(st, shard, bytes));
  return borrow(st, 1);
}

/* Take from graves until the pool has so many regions, or no grave is left. Returns whether there was any. */
static bool dig_regions(rd_store *st, uint32_t shard, uint64_t regions) {
  bool dug = false;
  for (; rd_pool_free(st) < regions && rd_dig_anywhere(st, shard); rd_yield(st)) dug = true;
  return dug;
}

#define ROUNDS 8u /* for each region: other processes take some of those that become free */

/* Free regions until the pool has so many. `own` is locked. A region that cannot be emptied may still cost a large
 * value, and then that value's blocks go first. */
static bool make_free(rd_store *st, uint32_t own, enum sources sources, uint64_t regions) {
  dig_regions(st, own, regions);
  for (uint64_t i = 0; rd_pool_free(st) < regions; i++) {
    if (i > ROUNDS * (regions + 2)) return false;
    if (!take_from_largest(st, own, sources) && !dig_regions(st, own, regions)) return false;
    rd_yield(st);
  }
  return true;
}

bool rd_reserve_many(rd_store *st, uint32_t shard, uint64_t bytes) {
  assert(st->dirty == 0);
  uint64_t regions = bytes / (RD_REGION_SIZE - RD_MAX_BLOCK / 4) + 2;
  if (regions >= st->head->pool.limit) return borrow(st, regions);
  return make_free(st, shard, OTHERS_AND_OWN, regions) || borrow(st, regions);
}

bool rd_make_room(rd_store *st, uint64_t regions) { return make_free(st, UINT32_MAX, ALL, regions); }

/* ---- shrinking to max_memory ---- */

/* The bytes of the shard, as rd_used_memory counts them. */
static uint64_t used_by(const rd_store *st, uint32_t shard) {
  const rd_heap *heap = &rd_shard_at(st, shard)->heap;
  return heap->used + (uint64_t)heap->regions * RD_GRANULE;
}

/* Evict keys from the shard that has the most bytes: as many bytes as the store is over its limit, and a region's at
 * most. */
static bool evict_excess(rd_store *st) {
  uint64_t used = rd_used_memory(st), limit = st->head->max_memory, most = 0;
  uint32_t shard = UINT32_MAX;
  for (uint32_t i = 0; i < st->num_shards; i++) {
    uint64_t bytes = rd_shard_at(st, i)->heap.used;
    if (bytes <= most || rd_needs_shard(st, i) || !has_evictable(st, i)) continue;
    shard = i;
    most = bytes;
  }
  if (used <= limit || shard == UINT32_MAX || rd_trylock_shard(st, shard) != 1) return false;
  uint64_t excess = used - limit < RD_REGION_SIZE ? used - limit : RD_REGION_SIZE, before = used_by(st, shard);
  while (before - used_by(st, shard) < excess) {
    rd_ref victim = rd_victim(st, shard);
    if (victim == 0 || !evict_block(st, shard, victim)) break;
    rd_mark_clean(st);
  }
  bool gone = used_by(st, shard) < before;
  rd_unlock_shard(st, shard);
  return gone;
}

bool rd_shrink_step(rd_store *st, uint32_t budget) {
  rd_pool *pool = &st->head->pool;
  bool gone = false;
  for (; budget > 0 && pool->in_use > pool->limit && rd_dig_anywhere(st, UINT32_MAX); budget--) gone = true;
  while (budget > 0 && pool->in_use > pool->limit && take_from_largest(st, UINT32_MAX, OTHERS)) {
    budget--;
    gone = true;
    if (pool->in_use <= pool->limit) rd_pool_trim_begin(st);
  }
  while (budget > 0 && rd_is_over(st) && evict_excess(st)) {
    budget--;
    gone = true;
  }
  return gone;
}
