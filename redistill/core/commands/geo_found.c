/* geo_found.c - collects the results of a search, and sorts them: a merge sort (von Neumann, 1945) from the bottom up,
 * which keeps the order of equal ones and can pause. */
#include "commands/geo_found.h"

#include "arena/longrun.h"
#include "commands/value.h"

/* Above this number of results, those that exceed the limit are dropped while others are found. */
enum { PICKED = 1 << 14 };

enum { AT_ONCE = 2048 /* elements that are copied without a pause */ };

void rd_geo_found_init(rd_geo_found *f, rd_call *c) {
  f->call = c;
  f->at = f->few;
  f->n = 0;
  f->room = RD_GEO_FEW;
  f->limit = UINT64_MAX;
  f->sorted = f->down = f->is_full = false;
}

static rd_geo_found_one *take(rd_geo_found *f, uint64_t n) { return rd_scratch_take(f->call, n * sizeof *f->at); }

static void give(rd_geo_found *f, rd_geo_found_one *at, uint64_t n) {
  if (at != f->few) rd_scratch_give(f->call->store, at, n * sizeof *at);
}

void rd_geo_found_free(rd_geo_found *f) { give(f, f->at, f->room); }

static bool grow(rd_geo_found *f) {
  uint64_t room = f->room * 2;
  rd_geo_found_one *at = take(f, room);
  if (at == NULL) return false;
  for (uint64_t i = 0; i < f->n; i += AT_ONCE) {
    memcpy(at + i, f->at + i, (f->n - i < AT_ONCE ? f->n - i : AT_ONCE) * sizeof *at);
    rd_yield(f->call->store);
  }
  give(f, f->at, f->room);
  f->at = at;
  f->room = room;
  return true;
}

/* ---- sorting ---- */

/* True if `b` belongs before `a`, which was found before it. */
static inline bool is_before(double b, double a, bool down) { return down ? b > a : b < a; }

static void insert_runs(rd_geo_found *f, uint64_t run) {
  rd_geo_found_one *at = f->at;
  for (uint64_t start = 0; start < f->n; start += run) {
    uint64_t end = f->n - start < run ? f->n : start + run;
    for (uint64_t i = start + 1; i < end; i++) {
      rd_geo_found_one one = at[i];
      uint64_t to = i;
      for (; to > start && is_before(one.distance, at[to - 1].distance, f->down); to--) at[to] = at[to - 1];
      at[to] = one;
    }
    if ((start / run & 63) == 63) rd_yield(f->call->store);
  }
}

/* Merge the sorted runs [a, middle) and [middle, end) of `from` into `to`. */
static void merge(rd_geo_found *f, const rd_geo_found_one *from, rd_geo_found_one *to, uint64_t a, uint64_t middle,
                  uint64_t end) {
  uint64_t b = middle;
  for (uint64_t i = a; i < end; i++) {
    bool second = a == middle || (b < end && is_before(from[b].distance, from[a].distance, f->down));
    to[i] = from[second ? b++ : a++];
    if ((i & (AT_ONCE - 1)) == 0) rd_yield(f->call->store);
  }
}

static bool sort(rd_geo_found *f) {
  uint64_t run = 16;
  insert_runs(f, run);
  if (f->n <= run) return true;
  rd_geo_found_one *other = take(f, f->room);
  if (other == NULL) return false;
  for (; run < f->n; run *= 2) {
    for (uint64_t a = 0; a < f->n; a += 2 * run) {
      uint64_t left = f->n - a;
      merge(f, f->at, other, a, a + (left < run ? left : run), left < 2 * run ? f->n : a + 2 * run);
    }
    rd_geo_found_one *at = f->at;
    f->at = other;
    other = at;
  }
  give(f, other, f->room);
  return true;
}

bool rd_geo_found_arrange(rd_geo_found *f) {
  if (f->sorted && f->n > f->limit && !f->is_full && f->n < PICKED)
    rd_geo_found_pick(f);
  else if (f->sorted && !sort(f))
    return false;
  if (f->n < f->limit) return true;
  f->n = f->limit;
  f->is_full = f->sorted && f->n > 0;
  if (f->is_full) f->last = f->at[f->n - 1].distance;
  return true;
}

bool rd_geo_found_add(rd_geo_found *f, rd_geo_found_one one) {
  if (f->is_full && !is_before(one.distance, f->last, f->down)) return true;
  if (f->n == f->room) {
    bool drops = f->sorted && f->n >= PICKED && f->limit <= f->room / 2;
    if (!(drops ? rd_geo_found_arrange(f) : grow(f))) return false;
  }
  f->at[f->n++] = one;
  return true;
}
