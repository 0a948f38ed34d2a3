/* sample.c - selects random entries of a collection. */
#include "commands/sample.h"

#include "arena/longrun.h"
#include "commands/sorting.h"
#include "commands/value.h"

bool rd_parse_sample(rd_call *c, const char *word, int64_t *count, bool *pairs) {
  *pairs = c->argc > 3;
  if (!rd_arg_signed(c, c->argv[2], count)) return false;
  if (c->argc > 4 || (*pairs && !rd_arg_is(c->argv[3], word)))
    rd_reply_syntax(c->out);
  else if (*pairs && (*count < -(INT64_MAX / 2) || *count > INT64_MAX / 2))
    rd_reply_error(c->out, "ERR value is out of range");
  else
    return true;
  return false;
}

#define LEAST 6u                /* bytes of an entry in a reply: the empty string */
#define MOST_BYTES (1ull << 36) /* of a reply that has no limit */

bool rd_repeats_fit(rd_call *c, uint64_t n) {
  uint64_t bytes = c->out->limit != 0 ? c->out->limit : MOST_BYTES;
  if (n <= bytes / LEAST) return true;
  rd_reply_error(c->out, "ERR value is out of range");
  return false;
}

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

/* ---- numbers ---- */

/* Below this many candidates for a chosen one each candidate is looked at; above it numbers are drawn. */
#define CANDIDATES 64u

/* Selection sampling: each candidate is chosen with the probability that the rest of the choice needs (Fan, Muller and
 * Rezucha 1962). */
static void select_some(rd_store *st, uint64_t *to, uint64_t n, uint64_t k) {
  uint64_t have = 0;
  for (uint64_t i = 0; have < k; i++) {
    if (rd_random_rank(st, n - i) < k - have) to[have++] = i;
    if ((i & 1023) == 1023) rd_yield(st);
  }
}

static int by_number(void *arg, const void *a, const void *b) {
  (void)arg;
  uint64_t x, y;
  memcpy(&x, a, sizeof x);
  memcpy(&y, b, sizeof y);
  return (x > y) - (x < y);
}

/* Drop duplicates of sorted numbers; returns how many are left. */
static uint64_t unique(rd_store *st, uint64_t *numbers, uint64_t n) {
  uint64_t left = 0;
  for (uint64_t i = 0; i < n; i++) {
    if (left == 0 || numbers[left - 1] != numbers[i]) numbers[left++] = numbers[i];
    if ((i & 4095) == 4095) rd_yield(st);
  }
  return left;
}

/* Draw numbers until `k` different ones are there. Each round draws as many as are missing, never more, so no number
 * is preferred. */
static void draw_numbers(rd_store *st, uint64_t *to, uint64_t n, uint64_t k) {
  for (uint64_t have = 0; have < k; have = unique(st, to, k)) {
    for (uint64_t i = have; i < k; i++) {
      to[i] = rd_random_rank(st, n);
      if ((i & 1023) == 1023) rd_yield(st);
    }
    rd_sort(st, to, k, sizeof *to, by_number, NULL);
  }
}

uint64_t *rd_choose(rd_call *c, uint64_t n, uint64_t k) {
  uint64_t *chosen = rd_scratch_take(c, k * sizeof *chosen);
  if (chosen == NULL) return NULL;
  if (k >= n / CANDIDATES)
    select_some(c->store, chosen, n, k);
  else
    draw_numbers(c->store, chosen, n, k);
  return chosen;
}

void rd_choice_free(rd_store *st, uint64_t *chosen, uint64_t k) { rd_scratch_give(st, chosen, k * sizeof *chosen); }
