/* clock.c - reads the system's clocks, in the units that the core uses. */
#include "base/clock.h"

#include <time.h>

uint64_t rd_monotonic_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t rd_wall_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

uint64_t rd_wall_ms(void) { return rd_wall_us() / 1000u; }
