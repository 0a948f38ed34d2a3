/* lock.c - takes and retains the shards' locks, and recovers the lock of a dead owner. */
#include "arena/lock.h"

#include <errno.h>
#include <linux/futex.h>
#include <time.h>

#include "arena/layout.h"
#include "arena/longrun.h"
#include "arena/pool.h"
#include "arena/ring.h"

/* Spinning takes about 20 microseconds: some times as long as a batch of commands in one shard. The pauses between two
 * looks at the lock become longer, since each look takes the line from its owner, who marks the shard dirty there. */
#define SPIN_PAUSES 400u
#define LONGEST_PAUSE 16u

static inline void mark_clean(rd_store *st, uint32_t shard) {
  RD_COMPILER_BARRIER();
  rd_shard_at(st, shard)->dirty = RD_SHARD_CLEAN;
  st->dirty = 0;
}

void rd_mark_dirty_first(rd_store *st, uint32_t shard) {
  assert(rd_holds_shard(st, shard));
  rd_mark_clean(st);
  st->dirty = shard + 1;
  rd_shard_at(st, shard)->dirty = RD_SHARD_DIRTY;
  RD_COMPILER_BARRIER();
}

void rd_mark_clean(rd_store *st) {
  if (st->dirty != 0) mark_clean(st, st->dirty - 1);
}

/* Recover a shard whose lock a dead process held; the next owner calls this. The dead process may have been inside
 * rd_pool_take or rd_pool_give too, so the pool is rebuilt from the region table. Verifying the shard shows whether
 * the process died of its damage. */
static void recover_shard(rd_store *st, uint32_t shard) {
  rd_shard *sh = rd_shard_at(st, shard);
  pthread_mutex_consistent(&sh->lock);
  if (sh->dirty == RD_SHARD_CLEAN || sh->dirty == RD_SHARD_PAUSED) {
    rd_suspect(st, shard);
    return;
  }
  rd_empty_shard(st, shard);
  sh->dirty = RD_SHARD_CLEAN;
  rd_count_stat(st, RD_STAT_shards_lost, 1);
}

void rd_suspect(rd_store *st, uint32_t shard) { rd_shard_at(st, shard)->checked = RD_SUSPECT; }

void rd_doubt(rd_store *st) {
  if (atomic_fetch_add(&st->head->doubt, 1) + 1 == RD_SUSPECT) atomic_store(&st->head->doubt, 0);
}

/* Wait for a lock that another process holds, after releasing the retained locks. The process spins a moment before
 * it sleeps: a shard is mostly held for less time than going to sleep takes, and waking a sleeper costs the other
 * process time as well. `patience`: nanoseconds to wait, then ETIMEDOUT; 0: no bound. */
static int wait_for(rd_store *st, pthread_mutex_t *lock, long patience) {
  if (st->retained) rd_unlock_all(st);
  int error = EBUSY;
  for (unsigned spent = 0, pauses = 1; RD_UNLIKELY(error == EBUSY) && spent < SPIN_PAUSES; spent += pauses) {
    if (pauses < LONGEST_PAUSE) pauses *= 2;
    for (unsigned i = 0; i < pauses; i++) RD_RELAX();
    if (__atomic_load_n(&lock->__data.__lock, __ATOMIC_RELAXED) == 0) error = pthread_mutex_trylock(lock);
  }
  if (error != EBUSY) return error;
  if (patience == 0 || st->clock == NULL) return pthread_mutex_lock(lock);
  if (st->in_turn && st->waited >= RD_LOCK_WAIT_NS) return ETIMEDOUT;
  uint64_t began = st->clock(), until = began + (uint64_t)patience - (st->in_turn ? st->waited : 0);
  struct timespec t = {.tv_sec = (time_t)(until / 1000000000u), .tv_nsec = (long)(until % 1000000000u)};
  error = pthread_mutex_clocklock(lock, CLOCK_MONOTONIC, &t);
  st->waited += st->clock() - began;
  return error;
}

/* Take the lock of a shard that is neither held by this process nor free. ETIMEDOUT: not in time. EALREADY: a
 * transaction that pauses between two commands lends the lock, so the shard that it protects is whole. */
static int __attribute__((noinline)) wait_for_shard(rd_store *st, uint32_t shard, long patience) {
  pthread_mutex_t *lock = &rd_shard_at(st, shard)->lock;
  if (!rd_is_lent(st, shard)) return wait_for(st, lock, patience);
  if (patience != 0) return ETIMEDOUT;
  if (!rd_reclaim_lent(st, shard)) return EALREADY;
  int error = pthread_mutex_trylock(lock);
  return error == EBUSY ? wait_for(st, lock, 0) : error;
}

int __attribute__((noinline, cold)) rd_lock_unusual(rd_store *st, uint32_t shard, int error, long patience) {
  if (error == EBUSY) error = wait_for_shard(st, shard, patience);
  if (error == ETIMEDOUT || error == EALREADY) return error;
  rd_set_held(st, shard);
  if (error == EOWNERDEAD) recover_shard(st, shard);
  if (rd_in_doubt(st, rd_shard_at(st, shard))) st->verify_shard(st, shard);
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
    do {
      if (rd_lock_within(st, shard, RD_LOCK_WAIT_NS) == 0) return true;
    } while (rd_longrun_wait(st->running));
  }
  return rd_lock_within(st, shard, 0) == 0;
}

int rd_lock_shard_for_command(rd_store *st, uint32_t shard) {
  if (rd_holds_shard(st, shard)) return 0;
  if (RD_UNLIKELY(st->running != NULL)) return rd_lock_shard(st, shard);
  return rd_lock_shard_soon(st, shard) ? 1 : -1;
}

int rd_trylock_shard(rd_store *st, uint32_t shard) {
  if (rd_holds_shard(st, shard)) return st->retained;
  int error = pthread_mutex_trylock(&rd_shard_at(st, shard)->lock);
  if (error != 0 && error != EOWNERDEAD) return -1;
  rd_set_held(st, shard);
  if (error == EOWNERDEAD) recover_shard(st, shard);
  if (RD_UNLIKELY(rd_in_doubt(st, rd_shard_at(st, shard)))) st->verify_shard(st, shard);
  return 1;
}

void rd_mutex_init(pthread_mutex_t *m) {
  pthread_mutexattr_t attr;
  pthread_mutexattr_init(&attr);
  pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
  pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
  pthread_mutex_init(m, &attr);
  pthread_mutexattr_destroy(&attr);
}

void rd_renew_locks(rd_store *st) {
  for (uint32_t i = 0; i < st->num_shards; i++) rd_mutex_init(&st->shards[i].lock);
  rd_mutex_init(&st->head->pool.lock);
  rd_mutex_init(&st->head->admission.lock);
  rd_mutex_init(&st->head->rolls_lock);
  rd_ring_init(rd_worker_at(st, 0)); /* rd_worker_join initializes the other blocks' rings when they are first used */
}

void rd_recover_lock(rd_store *st, uint32_t shard) {
  pthread_mutex_t *lock = &rd_shard_at(st, shard)->lock;
  int error = pthread_mutex_trylock(lock);
  if (error == EOWNERDEAD) recover_shard(st, shard);
  if (error == 0 || error == EOWNERDEAD) pthread_mutex_unlock(lock);
}

static inline void release(rd_store *st, uint32_t shard) {
  st->held[shard >> 6] &= ~(1ull << (shard & 63));
  pthread_mutex_unlock(&rd_shard_at(st, shard)->lock);
}

static void __attribute__((noinline, cold)) publish_and_release(rd_store *st, uint32_t shard) {
  st->before_release(st);
  release(st, shard);
}

void rd_unlock_shard(rd_store *st, uint32_t shard) {
  if (st->dirty == shard + 1) mark_clean(st, shard);
  if (RD_LIKELY(st->before_release == NULL))
    release(st, shard);
  else
    publish_and_release(st, shard);
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
    do {
      if (rd_lock_set_soon(st, wanted)) return;
    } while (rd_longrun_wait(st->running));
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

bool rd_lock_set_for_command(rd_store *st, const uint64_t wanted[RD_MAX_SHARDS / 64]) {
  if (RD_LIKELY(st->running == NULL)) return rd_lock_set_soon(st, wanted);
  rd_lock_set(st, wanted);
  return true;
}

static void all_shards(const rd_store *st, uint64_t all[RD_MAX_SHARDS / 64]) {
  memset(all, 0, words_of(st) * sizeof *all);
  for (uint32_t i = 0; i < st->num_shards; i++) all[i >> 6] |= 1ull << (i & 63);
}

void rd_lock_all(rd_store *st) {
  uint64_t all[RD_MAX_SHARDS / 64];
  all_shards(st, all);
  rd_lock_set(st, all);
}

bool rd_lock_all_for_command(rd_store *st) {
  uint64_t all[RD_MAX_SHARDS / 64];
  all_shards(st, all);
  return rd_lock_set_for_command(st, all);
}

void rd_unlock_all(rd_store *st) {
  rd_mark_clean(st);
  st->retained = false;
  for (size_t w = 0; w < words_of(st); w++) {
    while (st->held[w] != 0) rd_unlock_shard(st, (uint32_t)(w * 64) + (uint32_t)__builtin_ctzll(st->held[w]));
  }
}

void rd_retain_begin(rd_store *st, bool alone) {
  st->retains = alone;
  st->in_turn = true;
  st->waited = 0;
}

void rd_retain_end(rd_store *st) {
  st->retains = st->in_turn = false;
  if (st->retained) rd_unlock_all(st);
}

/* ---- the thread that blocks other processes ---- */

/* The owner of a lock that another thread waits for. A robust mutex of glibc begins with the futex word that the
 * kernel knows, too: the owner's thread id, and a bit that says whether any thread waits. */
uint32_t rd_mutex_contended_by(const pthread_mutex_t *lock) {
  uint32_t word = (uint32_t)__atomic_load_n(&lock->__data.__lock, __ATOMIC_RELAXED);
  return (word & FUTEX_WAITERS) != 0 && (word & FUTEX_OWNER_DIED) == 0 ? word & FUTEX_TID_MASK : 0;
}

/* Locks are taken in one order: the shards' in ascending order, then the pool's, admission's, that of the rolls and a
 * ring's. So the holder of the contended lock that is last in this order cannot itself be waiting,
 * because it would wait for a later one. */
uint32_t rd_lock_owner(const rd_store *st) {
  uint32_t owner = rd_ring_owner(st);
  if (owner == 0) owner = rd_mutex_contended_by(&st->head->rolls_lock);
  if (owner == 0) owner = rd_mutex_contended_by(&st->head->admission.lock);
  if (owner == 0) owner = rd_mutex_contended_by(&st->head->pool.lock);
  for (uint32_t i = st->num_shards; owner == 0 && i-- > 0;) owner = rd_mutex_contended_by(&st->shards[i].lock);
  return owner;
}
