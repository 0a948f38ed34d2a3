/* pool.c - takes regions from the pool, returns them, and rebuilds the pool from the region table. */
#include "arena/pool.h"

#include <errno.h>
#include <fcntl.h>

#include "arena/layout.h"
#include "arena/lock.h"

/* Rebuild the list and the counts from the region table. The table alone records each region's owner, and each entry
 * changes by one aligned store. */
static void pool_rebuild(rd_store *st) {
  rd_pool *pool = &st->head->pool;
  pool->free = 0;
  pool->in_use = 0;
  for (uint32_t i = pool->fresh; i-- > 0;) {
    if (st->regions[i].owner != 0) {
      pool->in_use++;
    } else {
      st->regions[i].next = pool->free;
      pool->free = i + 1;
    }
  }
  pool->dirty = 0;
}

void rd_pool_lock(rd_store *st) {
  rd_pool *pool = &st->head->pool;
  if (pthread_mutex_lock(&pool->lock) == EOWNERDEAD) {
    pthread_mutex_consistent(&pool->lock);
    if (pool->dirty) pool_rebuild(st);
  }
  pool->dirty = 1;
  RD_COMPILER_BARRIER();
}

void rd_pool_unlock(rd_store *st) {
  RD_COMPILER_BARRIER();
  st->head->pool.dirty = 0;
  pthread_mutex_unlock(&st->head->pool.lock);
}

void rd_pool_recover(rd_store *st) {
  rd_pool_lock(st);
  pool_rebuild(st);
  rd_pool_unlock(st);
}

/* Take a region out of the list, where `link` refers to it, or a region that was never used. */
static void take_out(rd_store *st, uint32_t shard, uint32_t region, uint32_t *link) {
  rd_pool *pool = &st->head->pool;
  if (link != NULL)
    *link = st->regions[region].next;
  else
    pool->fresh++;
  st->regions[region].used = 0;
  RD_COMPILER_BARRIER();
  st->regions[region].owner = shard + 1;
  pool->in_use++;
}

/* Reserve the system's memory for a region, and for its cache line in the table. */
static bool back_region(const rd_store *st, uint32_t region, bool fresh) {
  uint64_t line = st->head->regions_at + (uint64_t)region * sizeof(rd_region);
  if (fresh && line % RD_PAGE == 0 && !rd_back(st, line, RD_PAGE)) return false;
  return rd_back(st, st->head->body_at + (uint64_t)region * RD_REGION_SIZE, RD_REGION_SIZE);
}

#define LOOKED_AT 1024u /* free regions that are looked at to find one with memory */

/* Take a region that already has memory. The system has no more to give, but regions that got memory earlier may be
 * in the pool, mostly near the head of its list. */
static uint32_t take_backed(rd_store *st, uint32_t shard) {
  uint32_t *link = &st->head->pool.free;
  for (uint32_t i = 0; i < LOOKED_AT && *link != 0; i++, link = &st->regions[*link - 1].next) {
    uint32_t region = *link - 1;
    if (st->regions[region].prev != RD_BACKED) continue;
    take_out(st, shard, region, link);
    return region;
  }
  return UINT32_MAX;
}

/* The pool stays locked while the system is asked for memory: any region that another process took meanwhile would
 * need memory, too. */
uint32_t rd_pool_take(rd_store *st, uint32_t shard) {
  rd_pool *pool = &st->head->pool;
  assert(st->dirty == shard + 1);
  if (rd_pool_free(st) == 0) return UINT32_MAX; /* read without the lock: a full cache is mostly in this state */
  rd_pool_lock(st);
  uint32_t region = UINT32_MAX;
  if (rd_pool_free(st) == 0) {
    rd_pool_unlock(st);
    return UINT32_MAX;
  }
  if (pool->free != 0) {
    region = pool->free - 1;
    if (st->regions[region].prev == RD_BACKED || back_region(st, region, false))
      take_out(st, shard, region, &pool->free);
    else
      region = UINT32_MAX;
  } else if (pool->fresh < st->head->num_regions && back_region(st, pool->fresh, true)) {
    region = pool->fresh;
    take_out(st, shard, region, NULL);
  }
  if (RD_UNLIKELY(region == UINT32_MAX)) region = take_backed(st, shard);
  if (RD_UNLIKELY(region == UINT32_MAX)) {
    rd_count_stat(st, RD_STAT_regions_refused, 1);
    pool->system_limit = pool->in_use;
  }
  rd_pool_unlock(st);
  return region;
}

static void put_in(rd_store *st, uint32_t region, uint32_t backed) {
  rd_pool *pool = &st->head->pool;
  st->regions[region].prev = backed;
  RD_COMPILER_BARRIER();
  st->regions[region].owner = 0;
  st->regions[region].next = pool->free;
  pool->free = region + 1;
}

void rd_pool_give(rd_store *st, uint32_t region) {
  rd_pool_lock(st);
  put_in(st, region, RD_BACKED);
  st->head->pool.in_use--;
  rd_pool_unlock(st);
}

/* Reserve memory for the first `regions` regions of the list; regions that were never used extend a list that is too
 * short. */
static bool back_list(rd_store *st, uint64_t regions) {
  rd_pool *pool = &st->head->pool;
  for (uint32_t i = pool->free; i != 0 && regions > 0; i = st->regions[i - 1].next, regions--) {
    if (st->regions[i - 1].prev == RD_BACKED) continue;
    if (!back_region(st, i - 1, false)) return false;
    st->regions[i - 1].prev = RD_BACKED;
  }
  for (; regions > 0 && pool->fresh < st->head->num_regions; regions--) {
    if (!back_region(st, pool->fresh, true)) return false;
    put_in(st, pool->fresh++, RD_BACKED);
  }
  return regions == 0;
}

bool rd_pool_prepare(rd_store *st, uint64_t regions, bool lent) {
  bool borrowed = st->borrows;
  if (regions == 0) return true;
  st->borrows |= lent;
  rd_pool_lock(st);
  bool ready = regions <= rd_pool_free(st) && back_list(st, regions);
  rd_pool_unlock(st);
  st->borrows = borrowed;
  return ready;
}

void rd_pool_retry(rd_store *st) {
  if (st->head->pool.system_limit == UINT32_MAX) return;
  rd_pool_lock(st);
  st->head->pool.system_limit = UINT32_MAX;
  rd_pool_unlock(st);
}

uint32_t rd_pool_free(const rd_store *st) {
  const rd_pool *pool = &st->head->pool;
  uint32_t limit = pool->limit + (st->borrows ? pool->reserve : 0);
  if (st->borrows && limit < st->admitted_limit) limit = st->admitted_limit; /* the limit has fallen since then */
  if (limit > pool->system_limit) limit = pool->system_limit;
  return limit > pool->in_use ? limit - pool->in_use : 0;
}

void rd_pool_set_limit(rd_store *st, uint32_t regions, uint32_t reserve, uint32_t over_from) {
  rd_pool_lock(st);
  st->head->pool.limit = regions;
  st->head->pool.reserve = reserve;
  st->head->pool.over_from = over_from;
  rd_pool_unlock(st);
}

void rd_pool_trim_begin(rd_store *st) {
  rd_pool_lock(st);
  st->head->pool.trim = 0;
  rd_pool_unlock(st);
}

bool rd_pool_trim_step(rd_store *st, uint32_t regions) {
  rd_pool *pool = &st->head->pool;
  if (pool->trim >= pool->fresh) return false;
  rd_pool_lock(st);
  uint32_t first = pool->trim, end = pool->fresh - first < regions ? pool->fresh : first + regions, start = first;
  for (uint32_t i = first; i <= end; i++) {
    if (i < end && st->regions[i].owner == 0) continue;
    if (i > start) {
      off_t at = (off_t)(st->head->body_at + (uint64_t)start * RD_REGION_SIZE);
      off_t len = (off_t)((uint64_t)(i - start) * RD_REGION_SIZE);
      for (uint32_t k = start; k < i; k++) st->regions[k].prev = 0;
      RD_COMPILER_BARRIER();
      /* A file system that cannot punch holes keeps the pages. They only stay resident. */
      (void)fallocate(st->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, len);
    }
    start = i + 1;
  }
  pool->trim = end;
  bool more = end < pool->fresh;
  rd_pool_unlock(st);
  return more;
}

/* ---- emptying a shard ---- */

static void forget_contents(rd_shard *sh) {
  memset(sh->index, 0, sizeof sh->index);
  memset(&sh->heap, 0, sizeof sh->heap);
  memset(sh->ghost, 0, sizeof sh->ghost);
  sh->ghosts = 0;
  sh->packed = 0;
  sh->small = 0;
  sh->script_bytes = 0;
  sh->scripts_loaded = 0;
  sh->sweep_slot = sh->sweep_bucket = 0;
}

void rd_flush_shard(rd_store *st, uint32_t shard) {
  rd_shard *sh = rd_shard_at(st, shard);
  rd_mark_dirty(st, shard);
  for (uint32_t r = sh->heap.first_region; r != 0;) {
    uint32_t next = st->regions[r - 1].next;
    rd_pool_give(st, r - 1);
    r = next;
  }
  forget_contents(sh);
  rd_mark_clean(st);
}

void rd_empty_shard(rd_store *st, uint32_t shard) {
  rd_shard *sh = rd_shard_at(st, shard);
  /* The owner died at an unknown point, so nothing in the shard is trusted: the region table says which regions it
   * owned. */
  rd_pool_lock(st);
  for (uint32_t i = 0; i < st->head->pool.fresh; i++) {
    if (st->regions[i].owner != shard + 1) continue;
    st->regions[i].prev = 0; /* not trusted either */
    RD_COMPILER_BARRIER();
    st->regions[i].owner = 0;
  }
  pool_rebuild(st);
  rd_pool_unlock(st);
  forget_contents(sh);
  sh->epoch++;
  atomic_fetch_add(&st->head->scripts_gone, 1);
  atomic_fetch_add(&st->head->libraries_changed, 1);
  sh->checked = atomic_load(&st->head->doubt);
  rd_tracked_forget_all(st);
}
