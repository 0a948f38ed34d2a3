/* geo_pick.c - sorts the first results of a search, without sorting the rest: quicksort with a split into less, equal
 * and greater (Bentley and McIlroy, "Engineering a Sort Function", 1993), which goes on only in the parts that are
 * wanted.
 *
 * It is not stable, and a limit may cut through members of the same distance. Which of them are returned is up to this
 * order, and Redis uses the same one. Arguments of a client could make it quadratic, so after DEPTH splits a heapsort
 * does the rest. */
#include "arena/longrun.h"
#include "commands/geo_found.h"
#include "commands/sorting.h"

typedef rd_geo_found_one one;

enum { DEPTH = 100, FEW = 7, MANY = 40 };

typedef struct pick {
  rd_store *st;
  const one *end; /* behind the last wanted place */
  int sign;       /* -1: the farthest ones first */
  uint32_t steps;
} pick;

/* < 0, 0, > 0: the order of two results. */
static inline int order(pick *k, const one *a, const one *b) {
  if ((++k->steps & 4095) == 0) rd_yield(k->st);
  return a->distance == b->distance ? 0 : a->distance < b->distance ? -k->sign : k->sign;
}

static int order_of_heap(void *arg, const void *a, const void *b) { return order(arg, a, b); }

static inline void swap(one *a, one *b) {
  one was = *a;
  *a = *b;
  *b = was;
}

static void swap_runs(one *a, one *b, size_t n) {
  for (; n > 0; n--) swap(a++, b++);
}

static one *middle_of(pick *k, one *a, one *b, one *c) {
  if (order(k, a, b) < 0) return order(k, b, c) < 0 ? b : order(k, a, c) < 0 ? c : a;
  return order(k, b, c) > 0 ? b : order(k, a, c) < 0 ? a : c;
}

static one *pivot_of(pick *k, one *at, size_t n) {
  one *low = at, *middle = at + n / 2, *high = at + n - 1;
  if (n == FEW) return middle;
  if (n > MANY) {
    size_t d = n / 8;
    low = middle_of(k, low, low + d, low + 2 * d);
    middle = middle_of(k, middle - d, middle, middle + d);
    high = middle_of(k, high - 2 * d, high - d, high);
  }
  return middle_of(k, low, middle, high);
}

static void insert_each(pick *k, one *at, size_t n) {
  for (one *next = at + 1; next < at + n; next++) {
    for (one *to = next; to > at && order(k, to - 1, to) > 0; to--) swap(to, to - 1);
  }
}

/* Split around the pivot: the lesser ones first, the greater ones last. */
static void split(pick *k, one *at, size_t n, size_t *lesser, size_t *greater) {
  swap(at, pivot_of(k, at, n));
  one *end = at + n, *equal = at + 1, *up = at + 1, *down = end - 1, *equal_down = end - 1;
  for (;;) {
    int r;
    for (; up <= down && (r = order(k, up, at)) <= 0; up++) {
      if (r == 0) swap(equal++, up);
    }
    for (; up <= down && (r = order(k, down, at)) >= 0; down--) {
      if (r == 0) swap(down, equal_down--);
    }
    if (up > down) break;
    swap(up++, down--);
  }
  *lesser = (size_t)(up - equal);
  *greater = (size_t)(equal_down - down);
  size_t before = (size_t)(equal - at), after = (size_t)(end - 1 - equal_down);
  size_t run = before < *lesser ? before : *lesser;
  swap_runs(at, up - run, run);
  run = after < *greater ? after : *greater;
  swap_runs(up, end - run, run);
}

static void sort(pick *k, one *at, size_t n, unsigned depth) {
  while (n >= FEW) {
    size_t lesser, greater;
    if (depth++ == DEPTH) {
      rd_sort(k->st, at, n, sizeof *at, order_of_heap, k);
      return;
    }
    split(k, at, n, &lesser, &greater);
    if (lesser > 1) sort(k, at, lesser, depth);
    if (greater <= 1 || at + n - greater >= k->end) return;
    at += n - greater;
    n = greater;
  }
  insert_each(k, at, n);
}

void rd_geo_found_pick(rd_geo_found *f) {
  pick k = {.st = f->call->store, .end = f->at + f->limit, .sign = f->down ? -1 : 1};
  sort(&k, f->at, f->n, 0);
}
