/* running.c - the scripts that run for long. */
#include "arena/running.h"

#include "arena/layout.h"

/* The word: when the script began, above the bits. 0: no script is published. */
#define KIND 3ull
#define WROTE 4ull
#define ASKED 8ull
#define SINCE_SHIFT 8

static uint64_t word_of(const rd_store *st) { return atomic_load_explicit(&st->worker->running, memory_order_relaxed); }

void rd_running_begin(rd_store *st, rd_running_kind kind, uint64_t since_ms, bool wrote) {
  atomic_store(&st->worker->running, since_ms << SINCE_SHIFT | (uint64_t)kind | (wrote ? WROTE : 0));
}

bool rd_running_write(rd_store *st) {
  uint64_t word = word_of(st);
  if (word == 0 || word & WROTE) return true;
  return (atomic_fetch_or(&st->worker->running, WROTE) & ASKED) == 0;
}

bool rd_running_asked(const rd_store *st) { return (word_of(st) & ASKED) != 0; }

void rd_running_end(rd_store *st) {
  if (word_of(st) != 0) atomic_store(&st->worker->running, 0);
}

rd_kill rd_running_kill(rd_store *st, rd_running_kind kind) {
  bool asked = false, wrote = false, other = false;
  uint64_t used = atomic_load(&st->head->workers_used);
  for (; used != 0; used &= used - 1) {
    rd_worker *w = rd_worker_at(st, (uint32_t)__builtin_ctzll(used));
    uint64_t word = atomic_load(&w->running);
    while (word != 0) {
      if (word & WROTE) {
        wrote = true;
      } else if ((word & KIND) != (uint64_t)kind) {
        other = true;
      } else if (!atomic_compare_exchange_weak(&w->running, &word, word | ASKED)) {
        continue; /* it ended, wrote, or another began */
      } else {
        asked = true;
      }
      break;
    }
  }
  return asked ? RD_KILL_ASKED : wrote ? RD_KILL_UNKILLABLE : other ? RD_KILL_OTHER : RD_KILL_NOT_BUSY;
}

rd_running_kind rd_running_slow(const rd_store *st, uint64_t now_ms, uint64_t threshold_ms) {
  uint64_t longest = threshold_ms;
  rd_running_kind kind = RD_RUNNING_NONE;
  uint64_t used = atomic_load_explicit(&st->head->workers_used, memory_order_relaxed);
  for (; used != 0; used &= used - 1) {
    uint64_t word =
        atomic_load_explicit(&rd_worker_at(st, (uint32_t)__builtin_ctzll(used))->running, memory_order_relaxed);
    uint64_t since = word >> SINCE_SHIFT;
    if (word == 0 || since >= now_ms || now_ms - since <= longest) continue;
    longest = now_ms - since;
    kind = (rd_running_kind)(word & KIND);
  }
  return kind;
}

void rd_set_busy_threshold(rd_store *st, uint64_t milliseconds) { st->busy_threshold_ms = milliseconds; }

rd_running_kind rd_running_busy(const rd_store *st) {
  if (st->busy_threshold_ms == 0 || st->clock == NULL) return RD_RUNNING_NONE;
  return rd_running_slow(st, st->clock() / 1000000u, st->busy_threshold_ms);
}

void rd_running_beat(rd_store *st, uint64_t now_ms) {
  atomic_store_explicit(&st->worker->heartbeat, now_ms, memory_order_relaxed);
}
