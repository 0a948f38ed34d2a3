/* choice.c - chooses different numbers at random. */
#include "commands/choice.h"

#include "arena/longrun.h"
#include "commands/sorting.h"
#include "commands/value.h"

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
static void draw(rd_store *st, uint64_t *to, uint64_t n, uint64_t k) {
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
    draw(c->store, chosen, n, k);
  return chosen;
}

void rd_choice_free(rd_store *st, uint64_t *chosen, uint64_t k) { rd_scratch_give(st, chosen, k * sizeof *chosen); }
