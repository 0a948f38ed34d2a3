#include "arena/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <time.h>

#include "arena/layout.h"
#include "arena/longrun.h"
#include "store/recovery.h"

/* Stores that a dead process has executed are in memory: what must not happen is that the compiler moves a change
 * across its mark. */
#define SPINS 100u /* some microseconds */

#define COMPILER_BARRIER() atomic_signal_fence(memory_order_seq_cst)

void rd_mark_dirty(rd_store *st, uint32_t shard) {
  if (st->dirty == shard + 1) return;
  assert(rd_holds_shard(st, shard));
  rd_mark_clean(st);
  st->dirty = shard + 1;
  rd_shard_at(st, shard)->dirty = 1;
  COMPILER_BARRIER();
}

void rd_mark_clean(rd_store *st) {
  if (st->dirty == 0) return;
  COMPILER_BARRIER();
  rd_shard_at(st, st->dirty - 1)->dirty = 0;
  st->dirty = 0;
}

/* What the next owner of a dead owner's lock does. The dead process may have been inside of rd_pool_take or _give too;
 * the pool heals by itself, from the region table. Whether the shard is what it died of is seen when it is verified. */
static void recover_shard(rd_store *st, uint32_t shard) {
  rd_shard *sh = rd_shard_at(st, shard);
  pthread_mutex_consistent(&sh->lock);
  if (sh->dirty == 0) {
    rd_suspect(st, shard);
    return;
  }
  rd_empty_shard(st, shard);
  sh->dirty = 0;
  rd_count_stat(st, RD_STAT_shards_lost, 1);
}

static inline void set_held(rd_store *st, uint32_t shard) { st->held[shard >> 6] |= 1ull << (shard & 63); }

/* For a lock that somebody else has, without those that are only retained. The processor waits a moment before the
 * process does: a shard is mostly held for less time than it takes to go to sleep, and the one that wakes somebody up
 * pays as well. `patience`: nanoseconds to wait, then ETIMEDOUT; 0: as long as it takes. */
static int wait_for(rd_store *st, pthread_mutex_t *lock, long patience) {
  if (st->retained) rd_unlock_all(st);
  int error = EBUSY;
  for (unsigned spins = 0; RD_UNLIKELY(error == EBUSY) && spins < SPINS; spins++) {
    RD_RELAX();
    if (__atomic_load_n(&lock->__data.__lock, __ATOMIC_RELAXED) == 0) error = pthread_mutex_trylock(lock);
  }
  if (error != EBUSY) return error;
  if (patience == 0 || st->clock == NULL) return pthread_mutex_lock(lock);
  uint64_t until = st->clock() + (uint64_t)patience;
  struct timespec t = {.tv_sec = (time_t)(until / 1000000000u), .tv_nsec = (long)(until % 1000000000u)};
  return pthread_mutex_clocklock(lock, CLOCK_MONOTONIC, &t);
}

/* The lock of a shard that is neither held nor free. ETIMEDOUT: not in time. EALREADY: it is lent by a transaction that
 * pauses between two commands, so that what it protects is whole. */
static int __attribute__((noinline)) wait_for_shard(rd_store *st, uint32_t shard, long patience) {
  pthread_mutex_t *lock = &rd_shard_at(st, shard)->lock;
  if (!rd_is_lent(st, shard)) return wait_for(st, lock, patience);
  if (patience != 0) return ETIMEDOUT;
  if (!rd_reclaim_lent(st, shard)) return EALREADY;
  int error = pthread_mutex_trylock(lock);
  return error == EBUSY ? wait_for(st, lock, 0) : error;
}

static int __attribute__((noinline, cold)) lock_unusual(rd_store *st, uint32_t shard, int error, long patience) {
  if (error == EBUSY) error = wait_for_shard(st, shard, patience);
  if (error == ETIMEDOUT || error == EALREADY) return error;
  set_held(st, shard);
  if (error == EOWNERDEAD) recover_shard(st, shard);
  if (rd_in_doubt(st, rd_shard_at(st, shard))) rd_verify_shard(st, shard);
  return 0;
}

static inline int lock_within(rd_store *st, uint32_t shard, long patience) {
  int error = pthread_mutex_trylock(&rd_shard_at(st, shard)->lock);
  if (RD_UNLIKELY(error != 0) || RD_UNLIKELY(rd_in_doubt(st, rd_shard_at(st, shard))))
    return lock_unusual(st, shard, error, patience);
  set_held(st, shard);
  return 0;
}

static bool holds_any(const rd_store *st) {
  for (size_t w = 0; w < RD_MAX_SHARDS / 64; w++) {
    if (st->held[w] != 0) return true;
  }
  return false;
}

bool rd_lock_shard(rd_store *st, uint32_t shard) {
  if (rd_holds_shard(st, shard)) return false;
  if (RD_UNLIKELY(st->running != NULL) && !holds_any(st)) {
    while (lock_within(st, shard, RD_PATIENCE_NS) != 0) rd_longrun_pause(st->running);
    return true;
  }
  return lock_within(st, shard, 0) == 0;
}

bool rd_lock_shard_soon(rd_store *st, uint32_t shard) {
  return rd_holds_shard(st, shard) || lock_within(st, shard, RD_PATIENCE_NS) == 0;
}

int rd_trylock_shard(rd_store *st, uint32_t shard) {
  if (rd_holds_shard(st, shard)) return st->retained;
  int error = pthread_mutex_trylock(&rd_shard_at(st, shard)->lock);
  if (error != 0 && error != EOWNERDEAD) return -1;
  set_held(st, shard);
  if (error == EOWNERDEAD) recover_shard(st, shard);
  if (RD_UNLIKELY(rd_in_doubt(st, rd_shard_at(st, shard)))) rd_verify_shard(st, shard);
  return 1;
}

void rd_heal_lock(rd_store *st, uint32_t shard) {
  pthread_mutex_t *lock = &rd_shard_at(st, shard)->lock;
  int error = pthread_mutex_trylock(lock);
  if (error == EOWNERDEAD) recover_shard(st, shard);
  if (error == 0 || error == EOWNERDEAD) pthread_mutex_unlock(lock);
}

void rd_unlock_shard(rd_store *st, uint32_t shard) {
  if (st->dirty == shard + 1) rd_mark_clean(st);
  st->held[shard >> 6] &= ~(1ull << (shard & 63));
  pthread_mutex_unlock(&rd_shard_at(st, shard)->lock);
}

static inline size_t words_of(const rd_store *st) { return (st->num_shards + 63) / 64; }

void rd_shards_of(const rd_store *st, const rd_key *keys, size_t n, uint64_t wanted[RD_MAX_SHARDS / 64]) {
  memset(wanted, 0, words_of(st) * sizeof *wanted);
  for (size_t i = 0; i < n; i++) {
    uint32_t shard = rd_shard_of(st, keys[i].hash);
    wanted[shard >> 6] |= 1ull << (shard & 63);
  }
}

bool rd_lock_set_soon(rd_store *st, const uint64_t wanted[RD_MAX_SHARDS / 64]) {
  if (st->retained) rd_unlock_all(st);
  for (size_t w = 0; w < words_of(st); w++) {
    for (uint64_t bits = wanted[w]; bits != 0; bits &= bits - 1) {
      if (RD_LIKELY(rd_lock_shard_soon(st, (uint32_t)(w * 64) + (uint32_t)__builtin_ctzll(bits)))) continue;
      rd_unlock_all(st);
      return false;
    }
  }
  return true;
}

void rd_lock_set(rd_store *st, const uint64_t wanted[RD_MAX_SHARDS / 64]) {
  if (st->retained) rd_unlock_all(st);
  if (RD_UNLIKELY(st->running != NULL) && !holds_any(st)) {
    while (!rd_lock_set_soon(st, wanted)) rd_longrun_pause(st->running);
    return;
  }
  for (size_t w = 0; w < words_of(st); w++) {
    for (uint64_t bits = wanted[w]; bits != 0; bits &= bits - 1) {
      rd_lock_shard(st, (uint32_t)(w * 64) + (uint32_t)__builtin_ctzll(bits));
    }
  }
}

void rd_lock_keys(rd_store *st, const rd_key *keys, size_t n) {
  uint64_t wanted[RD_MAX_SHARDS / 64] = {0};
  rd_shards_of(st, keys, n, wanted);
  rd_lock_set(st, wanted);
}

void rd_lock_all(rd_store *st) {
  uint64_t all[RD_MAX_SHARDS / 64] = {0};
  for (uint32_t i = 0; i < st->num_shards; i++) all[i >> 6] |= 1ull << (i & 63);
  rd_lock_set(st, all);
}

void rd_unlock_all(rd_store *st) {
  rd_mark_clean(st);
  st->retained = false;
  for (size_t w = 0; w < words_of(st); w++) {
    while (st->held[w] != 0) rd_unlock_shard(st, (uint32_t)(w * 64) + (uint32_t)__builtin_ctzll(st->held[w]));
  }
}

void rd_retain_begin(rd_store *st, bool alone) { st->retains = alone; }

void rd_retain_end(rd_store *st) {
  st->retains = false;
  if (st->retained) rd_unlock_all(st);
}

/* ---- who holds up the others ---- */

/* The owner of a lock that others wait for. A robust mutex of glibc begins with the futex word that the kernel knows,
 * too: the owner's thread id, and a bit that says whether anybody waits. */
static uint32_t contended_by(const pthread_mutex_t *lock) {
  uint32_t word = (uint32_t)__atomic_load_n(&lock->__data.__lock, __ATOMIC_RELAXED);
  return (word & FUTEX_WAITERS) != 0 && (word & FUTEX_OWNER_DIED) == 0 ? word & FUTEX_TID_MASK : 0;
}

/* Locks are taken in one order, the shards' ascending, then the pool's, and admission's alone or last. So who holds the
 * last one in this order that somebody waits for cannot be waiting itself: it would be for a later one. */
uint32_t rd_lock_owner(const rd_store *st) {
  uint32_t owner = contended_by(&st->head->admission.lock);
  if (owner == 0) owner = contended_by(&st->head->pool.lock);
  for (uint32_t i = st->num_shards; owner == 0 && i-- > 0;) owner = contended_by(&st->shards[i].lock);
  return owner;
}

/* ---- the region pool ---- */

/* The region table alone says who owns what, in one aligned store each; the list and the counts are made again from it.
 */
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
  COMPILER_BARRIER();
}

void rd_pool_unlock(rd_store *st) {
  COMPILER_BARRIER();
  st->head->pool.dirty = 0;
  pthread_mutex_unlock(&st->head->pool.lock);
}

void rd_pool_heal(rd_store *st) {
  rd_pool_lock(st);
  pool_rebuild(st);
  rd_pool_unlock(st);
}

/* Take the region out of the list, where `link` refers to it, or a fresh one. */
static void take_out(rd_store *st, uint32_t shard, uint32_t region, uint32_t *link) {
  rd_pool *pool = &st->head->pool;
  if (link != NULL)
    *link = st->regions[region].next;
  else
    pool->fresh++;
  st->regions[region].used = 0;
  COMPILER_BARRIER();
  st->regions[region].owner = shard + 1;
  pool->in_use++;
}

/* The system's memory for a region, and for its line in the table. */
static bool back_region(const rd_store *st, uint32_t region, bool fresh) {
  uint64_t line = st->head->regions_at + (uint64_t)region * sizeof(rd_region);
  if (fresh && line % RD_PAGE == 0 && !rd_back(st, line, RD_PAGE)) return false;
  return rd_back(st, st->head->body_at + (uint64_t)region * RD_REGION_SIZE, RD_REGION_SIZE);
}

#define LOOKED_AT 1024u /* free regions, for one that is backed */

/* The system has given all it has. Regions that it gave before may be in the pool, mostly near its list's head. */
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

/* The system is asked while the pool is locked: what another process takes meanwhile it would have to ask for, too. */
uint32_t rd_pool_take(rd_store *st, uint32_t shard) {
  rd_pool *pool = &st->head->pool;
  assert(st->dirty == shard + 1);
  if (rd_pool_free(st) == 0) return UINT32_MAX; /* unlocked look: the usual state of a full cache */
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
    pool->ceiling = pool->in_use;
  }
  rd_pool_unlock(st);
  return region;
}

static void put_in(rd_store *st, uint32_t region, uint32_t backed) {
  rd_pool *pool = &st->head->pool;
  st->regions[region].prev = backed;
  COMPILER_BARRIER();
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

/* Have the first `regions` of the list backed; it grows by fresh ones if it is too short. */
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
  if (st->head->pool.ceiling == UINT32_MAX) return;
  rd_pool_lock(st);
  st->head->pool.ceiling = UINT32_MAX;
  rd_pool_unlock(st);
}

uint32_t rd_pool_free(const rd_store *st) {
  const rd_pool *pool = &st->head->pool;
  uint32_t limit = pool->limit + (st->borrows ? pool->reserve : 0);
  if (st->borrows && limit < st->let_in) limit = st->let_in; /* the limit has fallen since */
  if (limit > pool->ceiling) limit = pool->ceiling;
  return limit > pool->in_use ? limit - pool->in_use : 0;
}

void rd_pool_set_limit(rd_store *st, uint32_t regions, uint32_t reserve, uint32_t alarm) {
  rd_pool_lock(st);
  st->head->pool.limit = regions;
  st->head->pool.reserve = reserve;
  st->head->pool.alarm = alarm;
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
      COMPILER_BARRIER();
      /* A file system that cannot punch holes keeps the pages: nothing is wrong but that they stay resident. */
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
  /* Lost in the middle of anything, so nothing of the shard is believed: the region table says what was its own. */
  rd_pool_lock(st);
  for (uint32_t i = 0; i < st->head->pool.fresh; i++) {
    if (st->regions[i].owner != shard + 1) continue;
    st->regions[i].prev = 0; /* not believed either */
    COMPILER_BARRIER();
    st->regions[i].owner = 0;
  }
  pool_rebuild(st);
  rd_pool_unlock(st);
  forget_contents(sh);
  sh->epoch++;
  sh->checked = atomic_load(&st->head->doubt);
}
