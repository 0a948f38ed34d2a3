/* ring.c - writes and reads the records of rings. Writers move the tail, under the lock; the reader moves the head.
 * A writer that changes `awake` from 0 to 1 must then signal the owner. */
#include "arena/ring.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "arena/layout.h"
#include "arena/lock.h"
#include "arena/memory.h"

enum { SPINS = 100, KEEP = 65536 }; /* KEEP: an outbox that is empty keeps at most this buffer */

_Static_assert((RD_RING_BYTES & (RD_RING_BYTES - 1)) == 0, "a byte's place is its number modulo the ring");

/* The first eight bytes of a record. It may be unaligned in memory. */
typedef struct record_head {
  uint32_t len;
  uint16_t kind, from;
} record_head;
_Static_assert(sizeof(record_head) == RD_RING_HEAD, "RD_RING_HEAD");

/* Records that wait in this process for room in one block's ring, in the ring's format. */
typedef struct rd_outbox {
  uint8_t *data;
  size_t at, len, cap; /* bytes sent; bytes in use; bytes allocated */
  uint32_t joins;      /* the number of the owner that the records are for: see rd_ring */
} rd_outbox;

/* ---- bytes ---- */

static void copy_in(rd_worker *w, uint64_t at, const void *data, size_t len) {
  size_t place = at & (RD_RING_BYTES - 1), first = RD_RING_BYTES - place < len ? RD_RING_BYTES - place : len;
  if (first != 0) memcpy(w->ring_bytes + place, data, first);
  if (len > first) memcpy(w->ring_bytes, (const uint8_t *)data + first, len - first);
}

static void copy_out(const rd_worker *w, uint64_t at, void *data, size_t len) {
  size_t place = at & (RD_RING_BYTES - 1), first = RD_RING_BYTES - place < len ? RD_RING_BYTES - place : len;
  memcpy(data, w->ring_bytes + place, first);
  memcpy((uint8_t *)data + first, w->ring_bytes, len - first);
}

/* ---- writing ---- */

/* Lock a ring, for a copy. After a wait that was in vain, the lock is only tried until it was free once. */
static bool lock_ring(rd_store *st, uint32_t place) {
  pthread_mutex_t *lock = &rd_worker_at(st, place)->ring.lock;
  int error = pthread_mutex_trylock(lock);
  bool stuck = st->rings_stuck >> place & 1;
  for (unsigned spins = 0; RD_UNLIKELY(error == EBUSY) && !stuck && spins < SPINS; spins++) {
    RD_RELAX();
    error = pthread_mutex_trylock(lock);
  }
  if (RD_UNLIKELY(error == EBUSY) && !stuck && st->clock != NULL) {
    uint64_t until = st->clock() + RD_LOCK_WAIT_NS;
    struct timespec t = {.tv_sec = (time_t)(until / 1000000000u), .tv_nsec = (long)(until % 1000000000u)};
    error = pthread_mutex_clocklock(lock, CLOCK_MONOTONIC, &t);
  }
  if (error == EOWNERDEAD) error = pthread_mutex_consistent(lock);
  st->rings_stuck &= ~(1ull << place);
  if (error != 0) st->rings_stuck |= 1ull << place;
  return error == 0;
}

static void wake(const rd_store *st, rd_ring *ring, uint32_t place) {
  if (atomic_exchange(&ring->awake, 1) != 0 || st->wakers == NULL || st->wakers[place] < 0) return;
  uint64_t one = 1;
  while (write(st->wakers[place], &one, sizeof one) < 0 && errno == EINTR) continue;
}

/* Set *joins to the number of owners that the block has had, which identifies its present owner. False: it has no
 * owner. */
static bool owner_of(const rd_store *st, uint32_t place, uint32_t *joins) {
  if (place >= RD_MAX_WORKERS || !rd_worker_used(st, place)) return false;
  rd_worker *w = rd_worker_at(st, place);
  *joins = atomic_load(&w->ring.joins);
  return atomic_load(&w->pid) != 0;
}

static bool is_there(const rd_store *st, uint32_t place, uint32_t joins) {
  uint32_t now;
  return owner_of(st, place, &now) && now == joins;
}

static bool has_room(const rd_ring *ring, size_t len) {
  uint64_t head = atomic_load_explicit(&ring->head, memory_order_acquire);
  uint64_t used = atomic_load_explicit(&ring->tail, memory_order_relaxed) - head;
  return used <= RD_RING_BYTES && len <= RD_RING_BYTES - used;
}

/* Reserve the ring's memory. The caller holds the lock. */
static bool back_ring(const rd_store *st, rd_worker *w) {
  if (atomic_load_explicit(&w->ring.backed, memory_order_relaxed) != 0) return true;
  if (!rd_back(st, rd_ref_of(st, w->ring_bytes), RD_RING_BYTES)) return false;
  atomic_store(&w->ring.backed, 1);
  return true;
}

static rd_sent put(rd_store *st, uint32_t place, const record_head *head, const void *data, uint32_t joins) {
  rd_worker *w = rd_worker_at(st, place);
  rd_ring *ring = &w->ring;
  size_t len = RD_RING_HEAD + (size_t)head->len;
  if (!is_there(st, place, joins)) return RD_SENT_GONE;
  if (!has_room(ring, len) || !lock_ring(st, place)) return RD_SENT_FULL;
  bool fresh = atomic_load_explicit(&ring->backed, memory_order_relaxed) == 0;
  rd_sent sent = RD_SENT;
  if (!is_there(st, place, joins)) {
    sent = RD_SENT_GONE;
  } else if (!has_room(ring, len) || !back_ring(st, w)) {
    sent = RD_SENT_FULL;
  } else {
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    copy_in(w, tail, head, RD_RING_HEAD);
    copy_in(w, tail + RD_RING_HEAD, data, head->len);
    atomic_store_explicit(&ring->tail, tail + len, memory_order_release);
  }
  pthread_mutex_unlock(&ring->lock);
  if (sent != RD_SENT) return sent;
  wake(st, ring, place);
  if (RD_UNLIKELY(fresh)) rd_fit_pool(st);
  return RD_SENT;
}

static record_head head_of(const rd_store *st, rd_record_kind kind, size_t len) {
  return (record_head){(uint32_t)len, (uint16_t)kind, (uint16_t)(st->worker - rd_worker_at(st, 0))};
}

rd_sent rd_ring_put(rd_store *st, uint32_t place, rd_record_kind kind, const void *data, size_t len) {
  uint32_t joins;
  if (!owner_of(st, place, &joins)) return RD_SENT_GONE;
  if (len > RD_RING_LARGEST) return RD_SENT_LOST;
  record_head head = head_of(st, kind, len);
  return put(st, place, &head, data, joins);
}

void rd_ring_set_wakers(rd_store *st, const int *wakers) { st->wakers = wakers; }

/* ---- kept records ---- */

/* Mark, here and at the ring, whether records are kept for it. */
static void mark_behind(rd_store *st, uint32_t place, bool behind) {
  uint64_t there = 1ull << place, own = 1ull << (st->worker - rd_worker_at(st, 0));
  if ((st->rings_behind & there) == (behind ? there : 0)) return;
  st->rings_behind ^= there;
  if (!st->joined) return; /* rd_ring_end has removed the marks */
  _Atomic uint64_t *mark = &rd_worker_at(st, place)->ring.behind;
  if (behind)
    atomic_fetch_or(mark, own);
  else
    atomic_fetch_and(mark, ~own);
}

static void forget_outbox(rd_store *st, uint32_t place) {
  rd_scratch_count(st, -(uint64_t)st->outboxes[place].cap);
  free(st->outboxes[place].data);
  st->outboxes[place] = (rd_outbox){0};
  mark_behind(st, place, false);
}

static bool keep(rd_store *st, uint32_t place, const record_head *head, const void *data, size_t bound,
                 uint32_t joins) {
  if (st->outboxes == NULL) st->outboxes = calloc(RD_MAX_WORKERS, sizeof *st->outboxes);
  if (st->outboxes == NULL) return false;
  rd_outbox *box = &st->outboxes[place];
  size_t len = RD_RING_HEAD + (size_t)head->len, waits = box->len - box->at;
  if (len > bound || waits > bound - len) return false;
  if (box->cap - box->len < len && box->at != 0) {
    memmove(box->data, box->data + box->at, waits);
    box->at = 0;
    box->len = waits;
  }
  if (box->cap - box->len < len) {
    size_t cap = box->cap < KEEP / 2 ? KEEP : 2 * box->cap;
    if (cap - box->len < len) cap = box->len + len;
    uint8_t *data_then = rd_scratch_fits(st, cap - box->cap) ? realloc(box->data, cap) : NULL;
    if (data_then == NULL) return false;
    rd_scratch_count(st, cap - box->cap);
    box->data = data_then;
    box->cap = cap;
  }
  memcpy(box->data + box->len, head, RD_RING_HEAD);
  if (head->len != 0) memcpy(box->data + box->len + RD_RING_HEAD, data, head->len);
  box->len += len;
  box->joins = joins;
  mark_behind(st, place, true);
  return true;
}

/* Send the records kept for this block. True: none is kept any more. */
static bool flush_outbox(rd_store *st, uint32_t place) {
  rd_outbox *box = &st->outboxes[place];
  while (box->at < box->len) {
    record_head head;
    memcpy(&head, box->data + box->at, RD_RING_HEAD);
    rd_sent sent = put(st, place, &head, box->data + box->at + RD_RING_HEAD, box->joins);
    if (sent == RD_SENT_FULL) return false;
    if (sent == RD_SENT_GONE) box->at = box->len;
    if (sent == RD_SENT) box->at += RD_RING_HEAD + (size_t)head.len;
  }
  box->at = box->len = 0;
  if (box->cap > KEEP) forget_outbox(st, place);
  mark_behind(st, place, false);
  return true;
}

rd_sent rd_ring_send(rd_store *st, uint32_t place, rd_record_kind kind, const void *data, size_t len, size_t bound) {
  uint32_t joins;
  if (!owner_of(st, place, &joins)) return RD_SENT_GONE;
  if (len > RD_RING_LARGEST) return RD_SENT_LOST;
  record_head head = head_of(st, kind, len);
  if (st->rings_behind >> place & 1 && st->outboxes[place].joins != joins) forget_outbox(st, place);
  if ((st->rings_behind >> place & 1) == 0 || flush_outbox(st, place)) {
    rd_sent sent = put(st, place, &head, data, joins);
    if (sent != RD_SENT_FULL) return sent;
  }
  return keep(st, place, &head, data, bound, joins) ? RD_SENT_KEPT : RD_SENT_LOST;
}

bool rd_ring_flush(rd_store *st) {
  for (uint64_t behind = st->rings_behind; behind != 0; behind &= behind - 1) {
    flush_outbox(st, (uint32_t)__builtin_ctzll(behind));
  }
  return st->rings_behind == 0;
}

bool rd_ring_has_owner(const rd_store *st, uint32_t place, uint32_t joins) { return is_there(st, place, joins); }

bool rd_ring_is_complete(const rd_store *st, uint32_t place) {
  return atomic_load(&rd_worker_at(st, place)->ring.behind) == 0;
}

void rd_ring_forget(rd_store *st) {
  for (uint32_t i = 0; st->outboxes != NULL && i < RD_MAX_WORKERS; i++) forget_outbox(st, i);
  free(st->outboxes);
  st->outboxes = NULL;
}

/* ---- reading ---- */

bool rd_ring_waits(const rd_store *st) {
  const rd_ring *ring = &st->worker->ring;
  return atomic_load_explicit(&ring->tail, memory_order_acquire) !=
         atomic_load_explicit(&ring->head, memory_order_relaxed);
}

bool rd_ring_read(rd_store *st, rd_record *r) {
  rd_worker *w = st->worker;
  rd_ring *ring = &w->ring;
  uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
  uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed), used = tail - head;
  if (used == 0) return false;
  record_head record = {0};
  bool sound = used >= RD_RING_HEAD && used <= RD_RING_BYTES && atomic_load(&ring->backed) == 1;
  if (sound) {
    copy_out(w, head, &record, RD_RING_HEAD);
    sound = record.len <= used - RD_RING_HEAD;
  }
  if (!sound) { /* the record cannot be trusted, and the start of the next one is unknown */
    atomic_store_explicit(&ring->head, tail, memory_order_release);
    st->rings_reset++;
    return false;
  }
  uint64_t at = head + RD_RING_HEAD;
  size_t place = at & (RD_RING_BYTES - 1);
  size_t first = RD_RING_BYTES - place < record.len ? RD_RING_BYTES - place : record.len;
  *r = (rd_record){.kind = record.kind,
                   .from = record.from,
                   .part = {{w->ring_bytes + place, first}, {w->ring_bytes, record.len - first}},
                   .end = at + record.len};
  if (atomic_load_explicit(&ring->awake, memory_order_relaxed) == 0) atomic_store(&ring->awake, 1);
  return true;
}

void rd_ring_done(rd_store *st, const rd_record *r) {
  atomic_store_explicit(&st->worker->ring.head, r->end, memory_order_release);
}

bool rd_ring_may_sleep(rd_store *st) {
  rd_ring *ring = &st->worker->ring;
  if (atomic_load_explicit(&ring->awake, memory_order_relaxed) != 0) {
    atomic_store(&ring->awake, 0);
    atomic_thread_fence(memory_order_seq_cst); /* a writer sees that we sleep, or we see its record */
  }
  return !rd_ring_waits(st);
}

/* ---- owners join and leave ---- */

void rd_ring_init(rd_worker *w) { rd_mutex_init(&w->ring.lock); }

void rd_ring_begin(rd_worker *w) {
  atomic_fetch_add(&w->ring.joins, 1);
  atomic_store(&w->ring.awake, 0);
  atomic_store(&w->ring.head, atomic_load(&w->ring.tail));
}

/* Give the memory of a ring back, unless a process writes to it now. The ring's records are lost; with `empty`
 * false, a ring that has records keeps its memory. */
static void release(const rd_store *st, rd_worker *w, bool empty) {
  rd_ring *ring = &w->ring;
  if (atomic_load(&ring->backed) == 0) return;
  int error = pthread_mutex_trylock(&ring->lock);
  if (error == EOWNERDEAD) error = pthread_mutex_consistent(&ring->lock);
  if (error != 0) return;
  uint64_t tail = atomic_load(&ring->tail);
  if (!empty) atomic_store(&ring->head, tail);
  off_t at = (off_t)rd_ref_of(st, w->ring_bytes);
  if (atomic_load(&ring->head) == tail &&
      fallocate(st->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, RD_RING_BYTES) == 0)
    atomic_store(&ring->backed, 0);
  pthread_mutex_unlock(&ring->lock);
}

void rd_ring_end(rd_store *st, rd_worker *w) {
  release(st, w, false);
  atomic_store(&w->ring.behind, 0);
  uint64_t own = 1ull << (w - rd_worker_at(st, 0));
  for (uint32_t i = 0; i < RD_MAX_WORKERS; i++) {
    if (rd_worker_used(st, i)) atomic_fetch_and(&rd_worker_at(st, i)->ring.behind, ~own);
  }
}

void rd_ring_rest(rd_store *st, uint64_t now_ms) {
  if (!st->joined || RD_LIKELY(atomic_load_explicit(&st->worker->ring.backed, memory_order_relaxed) == 0)) return;
  uint64_t tail = atomic_load_explicit(&st->worker->ring.tail, memory_order_relaxed);
  if (tail != st->ring_seen || rd_ring_waits(st)) {
    st->ring_seen = tail;
    st->ring_since = now_ms;
  } else if (now_ms - st->ring_since >= RD_RING_REST_MS) {
    release(st, st->worker, true);
    rd_fit_pool(st);
  }
}

uint32_t rd_ring_owner(const rd_store *st) {
  uint32_t owner = 0;
  for (uint32_t i = 0; owner == 0 && i < RD_MAX_WORKERS; i++) {
    if (rd_worker_used(st, i)) owner = rd_mutex_contended_by(&rd_worker_at(st, i)->ring.lock);
  }
  return owner;
}

const char *rd_ring_check(rd_worker *w) {
  rd_ring *ring = &w->ring;
  int error = pthread_mutex_trylock(&ring->lock);
  if (error == EOWNERDEAD) error = pthread_mutex_consistent(&ring->lock);
  if (error == EBUSY) return NULL; /* a writer has it */
  if (error != 0) return "the lock of its ring is none";
  uint64_t tail = atomic_load(&ring->tail), used = tail - atomic_load(&ring->head);
  bool backed = atomic_load(&ring->backed) != 0;
  pthread_mutex_unlock(&ring->lock);
  if (used > RD_RING_BYTES) return "its ring holds more than it can";
  return used != 0 && !backed ? "its ring holds something and has no memory" : NULL;
}
