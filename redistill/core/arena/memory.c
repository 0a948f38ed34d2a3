/* memory.c - computes the memory that max_memory leaves for regions, and the memory in use. */
#include "arena/memory.h"

#include "arena/layout.h"
#include "arena/pool.h"

uint64_t rd_regions_at(uint32_t num_shards) {
  return rd_round_up(sizeof(rd_header), RD_PAGE) + RD_VERSIONS * sizeof(uint32_t) +
         rd_round_up((uint64_t)num_shards * sizeof(rd_shard), RD_PAGE) +
         rd_round_up((uint64_t)RD_MAX_WORKERS * sizeof(rd_worker), RD_PAGE);
}

/* The memory in use besides the regions: the pages that were touched. */
uint64_t rd_fixed_memory(const rd_store *st) {
  uint64_t bytes = st->head->regions_at - RD_MAX_WORKERS * sizeof(rd_worker);
  for (uint32_t i = 0; i < RD_MAX_WORKERS; i++) {
    if (!rd_worker_used(st, i)) continue;
    const rd_worker *w = rd_worker_at(st, i);
    bytes += RD_WORKER_HEAD;
    for (size_t k = 0; k < sizeof w->address_pages / sizeof w->address_pages[0]; k++) {
      bytes += RD_PAGE * (uint64_t)__builtin_popcountll(atomic_load(&w->address_pages[k]));
    }
    if (atomic_load(&w->ring.backed) != 0) bytes += RD_RING_BYTES;
    bytes += atomic_load(&w->roll.backed) + atomic_load(&w->tickets_backed);
    if (atomic_load(&w->tracked.backed) != 0) bytes += sizeof w->tracked_bits;
  }
  return bytes;
}

static uint32_t regions_for(const rd_store *st, uint64_t max_memory) {
  uint64_t fixed = rd_fixed_memory(st);
  uint64_t n = max_memory <= fixed ? 0 : (max_memory - fixed) / (RD_REGION_SIZE + sizeof(rd_region));
  return n < st->head->num_regions ? (uint32_t)n : st->head->num_regions;
}

/* Every shard needs a region, and some regions are in transit from one shard to another. */
static inline uint32_t least_regions(uint32_t num_shards) { return num_shards + 16; }

void rd_fit_pool(rd_store *st) {
  uint32_t regions = regions_for(st, st->head->max_memory), least = least_regions(st->num_shards);
  bool tight = regions < least;
  if (tight) regions = least;
  uint32_t reserve = regions / 128, small = regions < 64 ? regions / 16 : 4;
  if (reserve < small) reserve = small;
  if (reserve > RD_LARGEST_RESERVE) reserve = RD_LARGEST_RESERVE;
  rd_pool_set_limit(st, regions - reserve, reserve, tight ? 0 : regions + 1);
}

bool rd_is_over(const rd_store *st) {
  return RD_UNLIKELY(rd_may_be_over(st)) && rd_used_memory(st) > st->head->max_memory;
}

uint64_t rd_min_memory(uint32_t num_shards, uint32_t workers) {
  uint64_t regions = least_regions(num_shards);
  uint64_t as_needed = RD_RING_BYTES + sizeof(rd_roll_tables) + RD_TICKETS * sizeof(uint64_t) + RD_TRACKED_BITS / 8;
  uint64_t unused = (RD_MAX_WORKERS - (uint64_t)workers) * sizeof(rd_worker) + workers * as_needed;
  return rd_regions_at(num_shards) - unused + regions * (RD_REGION_SIZE + sizeof(rd_region));
}

uint64_t rd_most_memory(const rd_store *st) {
  return st->size - (RD_MAX_WORKERS * sizeof(rd_worker) - RD_WORKER_HEAD); /* as in rd_arena_make */
}

const char *rd_set_max_memory(rd_store *st, uint64_t bytes) {
  if (bytes == 0) bytes = rd_most_memory(st);
  if (bytes > rd_most_memory(st)) return "more than the arena was made for";
  st->head->max_memory = bytes;
  rd_fit_pool(st);
  return NULL;
}

uint64_t rd_max_memory(const rd_store *st) { return st->head->max_memory; }

uint64_t rd_used_memory(const rd_store *st) {
  uint64_t used = rd_fixed_memory(st) + (uint64_t)st->head->pool.fresh * sizeof(rd_region);
  for (uint32_t i = 0; i < st->num_shards; i++) {
    const rd_heap *h = &st->shards[i].heap;
    used += h->used + (uint64_t)h->regions * 8;
  }
  return used;
}

uint64_t rd_committed_memory(const rd_store *st) {
  return rd_fixed_memory(st) + (uint64_t)st->head->pool.fresh * sizeof(rd_region) +
         (uint64_t)st->head->pool.in_use * RD_REGION_SIZE;
}
