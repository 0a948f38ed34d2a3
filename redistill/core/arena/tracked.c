/* tracked.c - the filters of workers, and the words that say whose are in use. */
#include "arena/tracked.h"

#include <fcntl.h>

#include "arena/layout.h"
#include "arena/memory.h"

static uint64_t bit_of(const rd_store *st, const rd_worker *w) { return 1ull << (w - rd_worker_at(st, 0)); }

uint64_t rd_trackers(const rd_store *st) { return atomic_load_explicit(&st->head->trackers, memory_order_relaxed); }

static bool back(rd_store *st) {
  rd_worker *w = st->worker;
  if (atomic_load(&w->tracked.backed) != 0) return true;
  if (!rd_back(st, rd_ref_of(st, w->tracked_bits), sizeof w->tracked_bits)) return false;
  memset((void *)(uintptr_t)w->tracked_bits, 0, sizeof w->tracked_bits); /* a file system without holes keeps bytes */
  atomic_store(&w->tracked.backed, 1);
  rd_fit_pool(st);
  return true;
}

static void give_back(const rd_store *st, rd_worker *w) {
  if (atomic_exchange(&w->tracked.backed, 0) == 0) return;
  fallocate(st->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)rd_ref_of(st, w->tracked_bits),
            (off_t)sizeof w->tracked_bits);
}

/* Remove a worker from those that track. The caller has the rolls' lock. */
static void remove_one(rd_store *st, rd_worker *w) {
  uint64_t own = bit_of(st, w);
  if (atomic_fetch_and(&st->head->trackers, ~own) == own) atomic_fetch_and(&st->head->notify, ~RD_NOTIFY_TRACKED);
}

bool rd_tracked_begin(rd_store *st) {
  if (!back(st)) return false;
  bool locked = rd_rolls_lock(st, true);
  atomic_fetch_or(&st->head->trackers, bit_of(st, st->worker));
  atomic_fetch_or(&st->head->notify, RD_NOTIFY_TRACKED);
  if (locked) rd_rolls_unlock(st);
  return true;
}

void rd_tracked_stop(rd_store *st) {
  bool locked = rd_rolls_lock(st, true);
  remove_one(st, st->worker);
  give_back(st, st->worker);
  if (locked) rd_rolls_unlock(st);
  rd_fit_pool(st);
}

/* ---- the filters ---- */

void rd_tracked_set(rd_store *st, uint64_t hash, bool on) {
  uint32_t bit = rd_tracked_bit(hash);
  _Atomic uint8_t *byte = &st->worker->tracked_bits[bit >> 3];
  uint8_t was = atomic_load_explicit(byte, memory_order_relaxed), one = (uint8_t)(1u << (bit & 7));
  atomic_store_explicit(byte, on ? was | one : was & (uint8_t)~one, memory_order_relaxed);
}

void rd_tracked_clear(rd_store *st) {
  memset((void *)(uintptr_t)st->worker->tracked_bits, 0, sizeof st->worker->tracked_bits);
}

void rd_tracked_set_first(rd_store *st, const uint64_t first[4]) {
  for (int i = 0; i < 4; i++) atomic_store_explicit(&st->worker->tracked.first[i], first[i], memory_order_relaxed);
}

/* The empty key has only the empty prefix, which has all first bytes, 0 among them. */
bool rd_tracked_has(const rd_store *st, uint32_t place, uint64_t hash, const uint8_t *key, size_t len) {
  const rd_worker *w = rd_worker_at(st, place);
  uint8_t first = len != 0 ? key[0] : 0;
  if (atomic_load_explicit(&w->tracked.first[first >> 6], memory_order_relaxed) >> (first & 63) & 1) return true;
  uint32_t bit = rd_tracked_bit(hash);
  return atomic_load_explicit(&w->tracked_bits[bit >> 3], memory_order_relaxed) >> (bit & 7) & 1;
}

/* ---- everything ---- */

void rd_tracked_forget(rd_store *st, uint32_t place) { atomic_store(&rd_worker_at(st, place)->tracked.everything, 1); }

void rd_tracked_forget_all(rd_store *st) {
  for (uint64_t all = rd_trackers(st); all != 0; all &= all - 1) {
    rd_tracked_forget(st, (uint32_t)__builtin_ctzll(all));
  }
}

bool rd_tracked_forgotten(rd_store *st) {
  _Atomic uint32_t *everything = &st->worker->tracked.everything;
  return RD_UNLIKELY(atomic_load_explicit(everything, memory_order_relaxed) != 0) &&
         atomic_exchange(everything, 0) != 0;
}

void rd_tracked_end(rd_store *st, rd_worker *w, bool died) {
  remove_one(st, w);
  give_back(st, w);
  for (int i = 0; i < 4; i++) atomic_store(&w->tracked.first[i], 0);
  atomic_store(&w->tracked.everything, 0);
  if (died) rd_tracked_forget_all(st);
}
