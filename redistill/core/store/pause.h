/* pause.h - CLIENT PAUSE, which holds the sessions of all workers. Mode 0: no pause, 1: writes, 2: all commands.
 *
 * A pause lasts until rd_pause_now reaches `until_ms`. It uses the store's clock, so that no pause lasts longer when
 * the wall clock is set back. A store whose time is the owner's (`wall` is NULL) uses now_ms. */
#ifndef RD_PAUSE_H
#define RD_PAUSE_H

#include "arena/layout.h"

static inline uint64_t rd_pause_now(const rd_store *st) {
  return st->wall != NULL && st->clock != NULL ? st->clock() / 1000000u : st->now_ms;
}
/* The mode of the CLIENT PAUSE that is in force; 0: none. During a pause expired keys are hidden but not removed. */
static inline unsigned rd_paused(const rd_store *st) {
  uint32_t mode = atomic_load_explicit(&st->head->pause, memory_order_relaxed);
  if (RD_LIKELY(mode == 0)) return 0;
  return rd_pause_now(st) < atomic_load_explicit(&st->head->pause_until, memory_order_relaxed) ? mode : 0;
}

/* python: begin */
void rd_set_pause(rd_store *st, unsigned mode, uint64_t until_ms);
/* The mode and the end of the pause that was set last, which may be over. */
unsigned rd_get_pause(const rd_store *st, uint64_t *until_ms);
/* python: end */

#endif
