/* heap.c - finds, cuts and joins blocks in the regions of a shard. */
#include "arena/heap.h"

#include "arena/lock.h"
#include "arena/pool.h"

static void free_insert(rd_store *st, rd_heap *h, rd_ref ref, uint32_t granules) {
  uint32_t row, col;
  rd_free_class(granules, &row, &col);
  rd_ref head = h->free[row][col];
  rd_st40(st->base + ref + 4, head);
  rd_st40(st->base + ref + 9, 0);
  if (head != 0) rd_st40(st->base + head + 9, ref);
  h->free[row][col] = ref;
  h->rows |= 1u << row;
  h->cols[row] |= (uint8_t)(1u << col);
}

static void free_remove(rd_store *st, rd_heap *h, rd_ref ref, uint32_t granules) {
  uint32_t row, col;
  rd_free_class(granules, &row, &col);
  rd_ref next = rd_free_next(st, ref), prev = rd_free_prev(st, ref);
  if (next != 0) rd_st40(st->base + next + 9, prev);
  if (prev != 0) {
    rd_st40(st->base + prev + 4, next);
    return;
  }
  h->free[row][col] = next;
  if (next == 0) {
    h->cols[row] &= (uint8_t) ~(1u << col);
    if (h->cols[row] == 0) h->rows &= ~(1u << row);
  }
}

/* A free block of at least `granules`, 0 when there is none. The class of the request itself may hold smaller blocks,
 * so the search begins at the next one, where every block fits; the request's own class is tried first, one block deep.
 */
static rd_ref free_find(const rd_store *st, const rd_heap *h, uint32_t granules) {
  uint32_t row, col;
  rd_free_class(granules, &row, &col);
  rd_ref own = h->free[row][col];
  if (own != 0 && rd_blk_granules(*rd_blk_at(st, own)) >= granules) return own;
  uint32_t cols = h->cols[row] & (uint32_t)(0xfeu << col);
  if (cols == 0) {
    uint32_t rows = h->rows & (uint32_t)(~0ull << (row + 1));
    if (rows == 0) return 0;
    row = (uint32_t)__builtin_ctz(rows);
    cols = h->cols[row];
  }
  return h->free[row][__builtin_ctz(cols)];
}

static inline void set_prev_of_next(rd_store *st, rd_ref ref, uint32_t granules) {
  rd_ref next = rd_blk_next(st, ref);
  if (next == 0) return;
  rd_blk *b = rd_blk_at(st, next);
  *b = (*b & ~(8191u << 13)) | granules << 13;
}

static inline uint32_t granules_for(uint32_t bytes) {
  if (bytes < RD_MIN_BLOCK) bytes = RD_MIN_BLOCK;
  return (bytes + RD_GRANULE - 1) / RD_GRANULE;
}

/* Granules of a region that eight of the largest blocks leave over. The last of the eight, when it is a chunk, takes
 * them too: so the region holds nothing but the value, and can go to another shard with it (move.c). */
#define TAIL_GRANULES \
  (RD_REGION_GRANULES - RD_REGION_GRANULES / (RD_MAX_BLOCK / RD_GRANULE) * (RD_MAX_BLOCK / RD_GRANULE))

/* Cut `granules` off the front of a block of `size`; the rest, when it is large enough to be a block, becomes free.
 * Returns the granules that the front has in fact. */
static uint32_t split(rd_store *st, rd_heap *h, rd_ref ref, uint32_t size, uint32_t granules) {
  if (size - granules < RD_MIN_BLOCK / RD_GRANULE) return size;
  rd_ref rest = ref + (rd_ref)granules * RD_GRANULE;
  *rd_blk_at(st, rest) = RD_BLK(size - granules, granules, RD_FREE);
  set_prev_of_next(st, rest, size - granules);
  free_insert(st, h, rest, size - granules);
  return granules;
}

bool rd_heap_has(const rd_store *st, uint32_t shard, uint32_t bytes) {
  return free_find(st, &rd_shard_at(st, shard)->heap, granules_for(bytes)) != 0;
}

static void link_region(rd_store *st, rd_heap *h, uint32_t region) {
  rd_region *r = &st->regions[region];
  r->next = h->first_region;
  r->prev = 0;
  if (h->first_region != 0) st->regions[h->first_region - 1].prev = region + 1;
  h->first_region = region + 1;
  h->regions++;
}

static void unlink_region(rd_store *st, rd_heap *h, uint32_t region) {
  rd_region *r = &st->regions[region];
  if (r->prev != 0) {
    st->regions[r->prev - 1].next = r->next;
  } else {
    h->first_region = r->next;
  }
  if (r->next != 0) st->regions[r->next - 1].prev = r->prev;
  h->regions--;
}

static bool heap_add_region(rd_store *st, uint32_t shard) {
  rd_heap *h = &rd_shard_at(st, shard)->heap;
  uint32_t region = rd_pool_take(st, shard);
  if (region == UINT32_MAX) return false;
  link_region(st, h, region);
  rd_ref first = rd_region_first(st, region);
  *rd_blk_at(st, first) = RD_BLK(RD_REGION_GRANULES, 0, RD_FREE);
  free_insert(st, h, first, RD_REGION_GRANULES);
  return true;
}

static void heap_drop_region(rd_store *st, rd_heap *h, uint32_t region) {
  unlink_region(st, h, region);
  rd_pool_give(st, region);
}

rd_ref rd_heap_carve(rd_store *st, uint32_t shard, rd_ref ref, uint32_t bytes, rd_kind kind) {
  rd_heap *h = &rd_shard_at(st, shard)->heap;
  rd_mark_dirty(st, shard);
  rd_blk *b = rd_blk_at(st, ref);
  uint32_t size = rd_blk_granules(*b), granules = granules_for(bytes);
  free_remove(st, h, ref, size);
  if (kind == RD_CHUNK && size - granules <= TAIL_GRANULES && rd_blk_next(st, ref) == 0) {
    granules = size;
  } else {
    granules = split(st, h, ref, size, granules);
  }
  *b = RD_BLK(granules, rd_blk_prev(*b), kind);
  h->used += granules * RD_GRANULE;
  st->regions[rd_region_of(st, ref)].used += granules;
  return ref;
}

rd_ref rd_heap_alloc(rd_store *st, uint32_t shard, uint32_t bytes, rd_kind kind) {
  assert(bytes <= RD_REGION_SIZE / 2);
  rd_heap *h = &rd_shard_at(st, shard)->heap;
  uint32_t granules = granules_for(bytes);
  rd_ref ref = free_find(st, h, granules);
  if (RD_UNLIKELY(ref == 0)) {
    if (st->no_growth || rd_pool_free(st) == 0) return 0;
    rd_mark_dirty(st, shard);
    if (!heap_add_region(st, shard)) return 0;
    ref = free_find(st, h, granules);
  }
  return rd_heap_carve(st, shard, ref, bytes, kind);
}

rd_ref rd_heap_new_region(rd_store *st, uint32_t shard) {
  if (rd_pool_free(st) == 0) return 0;
  rd_mark_dirty(st, shard);
  if (!heap_add_region(st, shard)) return 0;
  return rd_region_first(st, rd_shard_at(st, shard)->heap.first_region - 1);
}

void rd_heap_return_region(rd_store *st, uint32_t shard, rd_ref first) {
  rd_heap *h = &rd_shard_at(st, shard)->heap;
  rd_mark_dirty(st, shard);
  free_remove(st, h, first, RD_REGION_GRANULES);
  heap_drop_region(st, h, rd_region_of(st, first));
}

void rd_heap_detach_region(rd_store *st, uint32_t shard, uint32_t region) {
  rd_heap *h = &rd_shard_at(st, shard)->heap;
  rd_mark_dirty(st, shard);
  for (rd_ref ref = rd_region_first(st, region); ref != 0; ref = rd_blk_next(st, ref)) {
    rd_blk b = *rd_blk_at(st, ref);
    if (rd_blk_kind(b) == RD_FREE) free_remove(st, h, ref, rd_blk_granules(b));
  }
  h->used -= (uint64_t)st->regions[region].used * RD_GRANULE;
  unlink_region(st, h, region);
  st->regions[region].prev = RD_BACKED;
  atomic_signal_fence(memory_order_seq_cst);
  st->regions[region].owner = 0; /* the region goes to the pool if this process dies now */
}

void rd_heap_attach_region(rd_store *st, uint32_t shard, uint32_t region) {
  rd_heap *h = &rd_shard_at(st, shard)->heap;
  rd_mark_dirty(st, shard);
  st->regions[region].owner = shard + 1;
  link_region(st, h, region);
  h->used += (uint64_t)st->regions[region].used * RD_GRANULE;
  for (rd_ref ref = rd_region_first(st, region); ref != 0; ref = rd_blk_next(st, ref)) {
    rd_blk b = *rd_blk_at(st, ref);
    if (rd_blk_kind(b) == RD_FREE) free_insert(st, h, ref, rd_blk_granules(b));
  }
}

void rd_heap_claim(rd_store *st, uint32_t shard, rd_ref ref, rd_kind kind) {
  rd_heap *h = &rd_shard_at(st, shard)->heap;
  rd_blk *b = rd_blk_at(st, ref);
  uint32_t granules = rd_blk_granules(*b);
  assert(rd_blk_kind(*b) == RD_FREE);
  rd_mark_dirty(st, shard);
  free_remove(st, h, ref, granules);
  *b = RD_BLK(granules, rd_blk_prev(*b), kind);
  h->used += granules * RD_GRANULE;
  st->regions[rd_region_of(st, ref)].used += granules;
}

void rd_heap_release(rd_store *st, uint32_t shard, rd_ref ref) {
  rd_heap *h = &rd_shard_at(st, shard)->heap;
  rd_mark_dirty(st, shard);
  rd_blk b = *rd_blk_at(st, ref);
  assert(rd_blk_kind(b) != RD_FREE);
  uint32_t granules = rd_blk_granules(b), prev_granules = rd_blk_prev(b);
  uint32_t region = rd_region_of(st, ref);
  h->used -= granules * RD_GRANULE;
  st->regions[region].used -= granules;
  rd_ref next = rd_blk_next(st, ref);
  if (next != 0 && rd_blk_kind(*rd_blk_at(st, next)) == RD_FREE) {
    uint32_t n = rd_blk_granules(*rd_blk_at(st, next));
    free_remove(st, h, next, n);
    granules += n;
  }
  rd_ref prev = ref - (rd_ref)prev_granules * RD_GRANULE;
  if (prev_granules != 0 && rd_same_region(ref, prev)) {
    rd_blk pb = *rd_blk_at(st, prev);
    if (rd_blk_kind(pb) == RD_FREE) {
      free_remove(st, h, prev, prev_granules);
      granules += prev_granules;
      prev_granules = rd_blk_prev(pb);
      ref = prev;
    }
  }
  if (granules == RD_REGION_GRANULES) {
    heap_drop_region(st, h, region);
    return;
  }
  if (RD_UNLIKELY(granules > RD_REGION_GRANULES)) { /* more granules than the region has */
    rd_suspect(st, shard);
    return;
  }
  *rd_blk_at(st, ref) = RD_BLK(granules, prev_granules, RD_FREE);
  set_prev_of_next(st, ref, granules);
  free_insert(st, h, ref, granules);
}

void rd_heap_shrink(rd_store *st, uint32_t shard, rd_ref ref, uint32_t bytes) {
  rd_blk b = *rd_blk_at(st, ref);
  uint32_t granules = granules_for(bytes), size = rd_blk_granules(b);
  if (size - granules < RD_MIN_BLOCK / RD_GRANULE) return;
  rd_mark_dirty(st, shard);
  /* The rest becomes a block of its own. Releasing it joins it with the free block behind it. */
  rd_ref rest = ref + (rd_ref)granules * RD_GRANULE;
  *rd_blk_at(st, ref) = RD_BLK(granules, rd_blk_prev(b), rd_blk_kind(b));
  *rd_blk_at(st, rest) = RD_BLK(size - granules, granules, RD_GHOST);
  set_prev_of_next(st, rest, size - granules);
  rd_heap_release(st, shard, rest);
}
