/* heap.h - a shard's allocator: two-level segregated fit (Masmano, Ripoll, Crespo and Real 2004) inside of 64 KiB
 * regions.
 *
 * Allocation and release cost O(1); a released block joins its free neighbours at once, so no size class can starve
 * another. A block's head is one 4-byte word; a free block holds its list links too, hence the least size of 16 bytes.
 * A region that is empty goes back to the pool.
 *
 * The shard is locked. Every call that changes it marks it dirty. */
#ifndef RD_HEAP_H
#define RD_HEAP_H

#include "arena/layout.h"

/* Allocate a block of at least `bytes` (head included, at most RD_MAX_BLOCK), from the heap or else from a new region
 * of the pool. 0: neither has room; nothing is changed. Never evicts (reclaim.h does). */
rd_ref rd_heap_alloc(rd_store *st, uint32_t shard, uint32_t bytes, rd_kind kind);
void rd_heap_release(rd_store *st, uint32_t shard, rd_ref block);
/* Allocate the front of the given free block, which is large enough. Returns the block. */
rd_ref rd_heap_carve(rd_store *st, uint32_t shard, rd_ref block, uint32_t bytes, rd_kind kind);
/* Take a region from the pool. Returns its one free block, which the caller carves or returns. 0: the pool has no
 * region. */
rd_ref rd_heap_new_region(rd_store *st, uint32_t shard);
void rd_heap_return_region(rd_store *st, uint32_t shard, rd_ref first);
/* Move a region and its contents from one shard to another: detach it from the first, which must have no reference to
 * its blocks left, then attach it to the second. Call both between rd_pool_lock and rd_pool_unlock, so that the pool
 * gets the region if the process dies in between. */
void rd_heap_detach_region(rd_store *st, uint32_t shard, uint32_t region);
void rd_heap_attach_region(rd_store *st, uint32_t shard, uint32_t region);
/* Release the part of an allocated block after its first `bytes`. */
void rd_heap_shrink(rd_store *st, uint32_t shard, rd_ref block, uint32_t bytes);
/* Take the given free block, whole, off the free lists (a region is being emptied). */
void rd_heap_claim(rd_store *st, uint32_t shard, rd_ref block, rd_kind kind);
/* True if rd_heap_alloc would find room without the pool. */
bool rd_heap_has(const rd_store *st, uint32_t shard, uint32_t bytes);

static inline uint32_t rd_region_of(const rd_store *st, rd_ref ref) {
  return (uint32_t)((ref - st->head->body_at) >> RD_REGION_SHIFT);
}
static inline rd_ref rd_region_first(const rd_store *st, uint32_t region) {
  return st->head->body_at + ((rd_ref)region << RD_REGION_SHIFT) + RD_GRANULE;
}
static inline rd_blk *rd_blk_at(const rd_store *st, rd_ref ref) { return (rd_blk *)(st->base + ref); }
/* True if both references are in the same region. body_at is a multiple of the region size. */
static inline bool rd_same_region(rd_ref a, rd_ref b) { return (a ^ b) < RD_REGION_SIZE; }
/* The next block in the region; 0 after the last block. Also 0 after an invalid length, so that no walk leaves its
 * region or loops. */
static inline rd_ref rd_blk_next(const rd_store *st, rd_ref ref) {
  rd_ref next = ref + rd_blk_bytes(*rd_blk_at(st, ref));
  return rd_same_region(ref, next) && next != ref ? next : 0;
}
static inline rd_ref rd_blk_before(const rd_store *st, rd_ref ref) {
  uint32_t prev = rd_blk_prev(*rd_blk_at(st, ref));
  return prev == 0 ? 0 : ref - (rd_ref)prev * RD_GRANULE;
}

/* Load and store 40-bit references, in granules. */
static inline void rd_st40(uint8_t *p, rd_ref ref) {
  uint64_t g = ref / RD_GRANULE;
  rd_st32(p, (uint32_t)g);
  p[4] = (uint8_t)(g >> 32);
}
static inline rd_ref rd_ld40(const uint8_t *p) { return (rd_ld32(p) | (rd_ref)p[4] << 32) * RD_GRANULE; }
static inline rd_ref rd_free_next(const rd_store *st, rd_ref ref) { return rd_ld40(st->base + ref + 4); }
static inline rd_ref rd_free_prev(const rd_store *st, rd_ref ref) { return rd_ld40(st->base + ref + 9); }

/* The free list for blocks of this size. */
static inline void rd_free_class(uint32_t granules, uint32_t *row, uint32_t *col) {
  if (granules < RD_FREE_COLS) {
    *row = 0;
    *col = granules;
    return;
  }
  uint32_t log = 31u - (uint32_t)__builtin_clz(granules);
  *row = log - 2;
  *col = granules >> (log - 3) & (RD_FREE_COLS - 1);
}

#endif
