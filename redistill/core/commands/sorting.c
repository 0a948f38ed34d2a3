/* sorting.c - heapsort (Williams, "Algorithm 232", 1964), which can pause between any two steps. */
#include "commands/sorting.h"

#include "arena/longrun.h"

typedef struct heap {
  uint8_t *base;
  size_t size;
  rd_compare_fn *compare;
  void *arg;
} heap;

/* Put `one` at `i`, or at the place below it where it belongs, in a heap of `n` elements. */
static void sift(const heap *h, size_t i, size_t n, const uint8_t *one) {
  for (;;) {
    size_t child = 2 * i + 1;
    if (child >= n) break;
    if (child + 1 < n && h->compare(h->arg, h->base + child * h->size, h->base + (child + 1) * h->size) < 0) child++;
    if (h->compare(h->arg, one, h->base + child * h->size) >= 0) break;
    memcpy(h->base + i * h->size, h->base + child * h->size, h->size);
    i = child;
  }
  memcpy(h->base + i * h->size, one, h->size);
}

void rd_sort(rd_store *st, void *base, size_t n, size_t size, rd_compare_fn *compare, void *arg) {
  assert(size <= RD_SORT_SIZE);
  heap h = {base, size, compare, arg};
  uint8_t one[RD_SORT_SIZE];
  for (size_t i = n / 2; i-- > 0;) {
    memcpy(one, h.base + i * size, size);
    sift(&h, i, n, one);
    if ((i & 63) == 0) rd_yield(st);
  }
  for (size_t i = n; i-- > 1;) {
    memcpy(one, h.base + i * size, size);
    memcpy(h.base + i * size, h.base, size);
    sift(&h, 0, i, one);
    if ((i & 63) == 0) rd_yield(st);
  }
}
