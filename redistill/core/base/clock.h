/* clock.h - the system's clocks. The core proper gets the time as a parameter (rd_store.clock, `now_ms`): only loop.c,
 * host.c and the daemon call these. */
#ifndef RD_CLOCK_H
#define RD_CLOCK_H

#include "base/base.h"

/* python: begin */

/* A clock that the owner of a store provides. */
typedef uint64_t rd_clock(void);

/* CLOCK_MONOTONIC, in nanoseconds. */
uint64_t rd_monotonic_ns(void);
/* The time since the epoch, in microseconds and in milliseconds. */
uint64_t rd_wall_us(void);
uint64_t rd_wall_ms(void);

/* python: end */

#endif
