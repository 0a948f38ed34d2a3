/* pause.c - sets and reads CLIENT PAUSE in the arena. */
#include "store/pause.h"

void rd_set_pause(rd_store *st, unsigned mode, uint64_t until_ms) {
  atomic_store_explicit(&st->head->pause_until, until_ms, memory_order_relaxed);
  atomic_store_explicit(&st->head->pause, mode, memory_order_relaxed);
}

unsigned rd_get_pause(const rd_store *st, uint64_t *until_ms) {
  *until_ms = atomic_load_explicit(&st->head->pause_until, memory_order_relaxed);
  return atomic_load_explicit(&st->head->pause, memory_order_relaxed);
}
