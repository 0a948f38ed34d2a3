/* deadlines.c - the heap of deadlines. */
#include "net/deadlines.h"

#include <stdlib.h>

static void put(rd_deadlines *d, uint32_t at, rd_conn *c) {
  d->heap[at] = c;
  c->heap_at = at + 1;
}

/* Move `c` from the place `at`, which is free, to where it belongs. */
static void place(rd_deadlines *d, uint32_t at, rd_conn *c) {
  for (uint32_t up; at != 0 && d->heap[up = (at - 1) / 2]->deadline_ns > c->deadline_ns; at = up)
    put(d, at, d->heap[up]);
  for (uint32_t down; (down = 2 * at + 1) < d->count; at = down) {
    if (down + 1 < d->count && d->heap[down + 1]->deadline_ns < d->heap[down]->deadline_ns) down++;
    if (d->heap[down]->deadline_ns >= c->deadline_ns) break;
    put(d, at, d->heap[down]);
  }
  put(d, at, c);
}

static void take_out(rd_deadlines *d, rd_conn *c) {
  uint32_t at = c->heap_at - 1;
  c->heap_at = 0;
  rd_conn *last = d->heap[--d->count];
  if (last != c) place(d, at, last);
}

bool rd_deadlines_reserve(rd_deadlines *d, uint32_t count) {
  if (count <= d->cap) return true;
  rd_conn **heap = realloc(d->heap, count * sizeof *heap);
  if (heap == NULL) return false;
  d->heap = heap;
  d->cap = count;
  return true;
}

void rd_deadlines_free(rd_deadlines *d) { free(d->heap); }

void rd_deadline_set(rd_deadlines *d, rd_conn *c, uint64_t deadline_ns) {
  if (deadline_ns == 0) {
    if (c->heap_at != 0) take_out(d, c);
    return;
  }
  c->deadline_ns = deadline_ns;
  place(d, c->heap_at != 0 ? c->heap_at - 1 : d->count++, c);
}

rd_conn *rd_deadline_due(rd_deadlines *d, uint64_t now_ns) {
  if (rd_deadline_first(d) > now_ns) return NULL;
  rd_conn *c = d->heap[0];
  take_out(d, c);
  return c;
}
