/* sample.c - selects random entries of a collection. */
#include "commands/sample.h"

#include "arena/longrun.h"
#include "commands/value.h"

uint64_t rd_random_rank(rd_store *st, uint64_t n) { return (uint64_t)((unsigned __int128)rd_random_u64(st) * n >> 64); }

/* A small part of many: draw ranks, and draw again what was drawn before. The drawn ones are in a table that is at most
 * half full, each as the rank plus 1. */
static bool draw(rd_call *call, const rd_coll *c, uint64_t count, uint64_t wanted, rd_show_fn *show, void *arg) {
  uint64_t few[64], *table = few, size = 64;
  while (size < 2 * wanted) size *= 2;
  if (size > 64 && (table = rd_scratch_take(call, size * sizeof *table)) == NULL) return false;
  memset(table, 0, size * sizeof *table);
  for (uint64_t n = 0; n < wanted;) {
    uint64_t rank = rd_random_rank(call->store, count), at = (rank * 0x9e3779b97f4a7c15ull >> 20) & (size - 1);
    while (table[at] != 0 && table[at] != rank + 1) at = (at + 1) & (size - 1);
    if (table[at] != 0) continue;
    table[at] = rank + 1;
    rd_pos p;
    if (!rd_coll_at(c, rank, &p) || !show(arg, p.at)) break;
    if ((++n & 63) == 0) rd_yield(call->store);
  }
  if (table != few) rd_scratch_give(call->store, table, size * sizeof *table);
  return true;
}

/* A large part: go through all of them, and take each with the probability that gives the rest (Knuth, "The Art of
 * Computer Programming", volume 2, 3.4.2, algorithm S). */
static void select_in_order(rd_call *call, const rd_coll *c, uint64_t count, uint64_t wanted, rd_show_fn *show,
                            void *arg) {
  rd_pos p;
  for (bool more = rd_coll_first(c, &p); more && wanted > 0; more = rd_coll_next(c, &p)) {
    if (rd_random_rank(call->store, count) < wanted) {
      if (!show(arg, p.at)) return;
      wanted--;
    }
    if ((--count & 63) == 0) rd_yield(call->store);
  }
}

bool rd_sample(rd_call *call, const rd_coll *c, uint64_t count, uint64_t wanted, rd_show_fn *show, void *arg) {
  if (wanted < count / 4) return draw(call, c, count, wanted, show, arg);
  select_in_order(call, c, count, wanted, show, arg);
  return true;
}
