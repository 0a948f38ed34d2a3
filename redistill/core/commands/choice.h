/* choice.h - random entries of a collection: SPOP, SRANDMEMBER and their kin. */
#ifndef RD_CHOICE_H
#define RD_CHOICE_H

#include "command/call.h"

/* A random number below n: all are equally likely. */
static inline uint64_t rd_random_rank(rd_store *st, uint64_t n) {
  return (uint64_t)((unsigned __int128)rd_random_u64(st) * n >> 64);
}

/* Choose `k` different numbers below `n`, so that all choices are equally likely (0 < k <= n). Returns them in
 * ascending order, to be freed with rd_choice_free; NULL: no memory. Calls rd_yield. */
uint64_t *rd_choose(rd_call *c, uint64_t n, uint64_t k);
void rd_choice_free(rd_store *st, uint64_t *chosen, uint64_t k);

#endif
