/* roll.c - the tables of subscriptions, and their lock. */
#include "arena/roll.h"

#include <errno.h>
#include <fcntl.h>
#include <time.h>

#include "arena/layout.h"
#include "arena/lock.h"
#include "arena/memory.h"
#include "base/glob.h"
#include "base/hash.h"

enum { SPINS = 100, PIECE = 64 << 10, KIND_BITS = 3, PATTERN_HEAD = 8 };
/* The steps of matching a channel with all patterns, some 50 ms; and the least that a pattern gets. */
enum { GLOB_STEPS = 32 << 20, GLOB_LEAST = 1024 };
_Static_assert(RD_ROLL_KINDS <= KIND_BITS + 1, "the kind fits into a hash's low bits");
_Static_assert(sizeof(((rd_roll_tables *)NULL)->head) % RD_PAGE == 0, "each table begins with a page");

static uint32_t place_of(const rd_store *st, const rd_worker *w) { return (uint32_t)(w - rd_worker_at(st, 0)); }

/* ---- the lock ---- */

/* Count the different names anew. */
static void count_distinct(rd_store *st) {
  uint64_t found[RD_ROLL_KINDS] = {0};
  for (uint32_t i = 0; i < RD_MAX_WORKERS; i++) {
    if (!rd_worker_used(st, i)) continue;
    const rd_worker *w = rd_worker_at(st, i);
    for (uint32_t k = 0; w->roll.entries != 0 && k < w->roll.used; k++) {
      const rd_roll_entry *e = &w->roll_tables.entry[k];
      uint64_t before = 0;
      if (e->count == 0) continue;
      for (uint32_t j = 0; before == 0 && j < i; j++) before = rd_roll_count(st, j, e->hash);
      if (before == 0) found[e->hash & KIND_BITS]++;
    }
  }
  for (uint32_t k = 0; k < RD_ROLL_KINDS; k++) atomic_store(&st->head->distinct[k], found[k]);
}

/* Forget all that the roll has, and give its memory back. */
static void empty(rd_store *st, rd_worker *w) {
  rd_roll *roll = &w->roll;
  atomic_fetch_and(&st->head->subscribers, ~(1ull << place_of(st, w)));
  roll->entries = roll->used = roll->free = roll->pattern_bytes = roll->patterns = 0;
  off_t at = (off_t)rd_ref_of(st, &w->roll_tables);
  if (atomic_load(&roll->backed) != 0) {
    fallocate(st->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, (off_t)sizeof w->roll_tables);
    atomic_store(&roll->backed, 0);
  }
  roll->backed_entries = roll->backed_patterns = 0;
  atomic_store(&roll->changing, 0);
}

/* The lock's owner has died: it may have been changing its roll. */
static void mend(rd_store *st) {
  for (uint32_t i = 0; i < RD_MAX_WORKERS; i++) {
    if (!rd_worker_used(st, i)) continue;
    rd_worker *w = rd_worker_at(st, i);
    if (atomic_load(&w->roll.changing) != 0) empty(st, w);
  }
  count_distinct(st);
}

bool rd_rolls_lock(rd_store *st, bool wait) {
  pthread_mutex_t *lock = &st->head->rolls_lock;
  int error = pthread_mutex_trylock(lock);
  for (unsigned spins = 0; RD_UNLIKELY(error == EBUSY) && spins < SPINS; spins++) {
    RD_RELAX();
    error = pthread_mutex_trylock(lock);
  }
  if (RD_UNLIKELY(error == EBUSY) && wait) {
    error = pthread_mutex_lock(lock);
  } else if (RD_UNLIKELY(error == EBUSY) && st->clock != NULL) {
    uint64_t until = rd_monotonic_ns() + RD_LOCK_WAIT_NS;
    struct timespec t = {.tv_sec = (time_t)(until / 1000000000u), .tv_nsec = (long)(until % 1000000000u)};
    error = pthread_mutex_clocklock(lock, CLOCK_MONOTONIC, &t);
  }
  if (RD_UNLIKELY(error == EOWNERDEAD)) {
    mend(st);
    error = pthread_mutex_consistent(lock);
  }
  return st->rolls_locked = error == 0;
}

void rd_rolls_unlock(rd_store *st) {
  st->rolls_locked = false;
  pthread_mutex_unlock(&st->head->rolls_lock);
}

uint64_t rd_rolls_used(const rd_store *st) {
  return atomic_load_explicit(&st->head->subscribers, memory_order_relaxed);
}

/* ---- reading ---- */

uint64_t rd_roll_hash(const rd_store *st, rd_roll_kind kind, rd_bytes name) {
  return (rd_siphash(st->seed, name.data, name.len) & ~(uint64_t)KIND_BITS) | kind;
}

static uint32_t bucket_of(uint64_t hash) { return (uint32_t)(hash >> 16) & (RD_ROLL_HEADS - 1); }

/* The entry behind `link`, which is 1 + its number; NULL: none. Another process wrote it, so it is verified. */
static const rd_roll_entry *entry_at(const rd_worker *w, uint32_t link) {
  return link != 0 && link <= w->roll.used && link <= RD_ROLL_ENTRIES ? &w->roll_tables.entry[link - 1] : NULL;
}

uint64_t rd_roll_count(const rd_store *st, uint32_t place, uint64_t hash) {
  if (!rd_worker_used(st, place)) return 0;
  const rd_worker *w = rd_worker_at(st, place);
  if (w->roll.entries == 0) return 0;
  uint64_t n = 0;
  uint32_t left = RD_ROLL_ENTRIES; /* a damaged chain may be a circle */
  const rd_roll_entry *e = entry_at(w, w->roll_tables.head[bucket_of(hash)]);
  for (; e != NULL && left != 0; e = entry_at(w, e->next), left--) {
    if (e->hash == hash) n += e->count;
  }
  return n;
}

bool rd_roll_glob(const rd_store *st, rd_bytes pattern, rd_bytes channel) {
  uint64_t steps = GLOB_STEPS / (rd_roll_distinct(st, RD_PATTERN) + 1);
  if (steps > RD_GLOB_STEPS) steps = RD_GLOB_STEPS;
  if (steps < GLOB_LEAST) steps = GLOB_LEAST;
  return rd_glob_within(pattern, channel, false, &steps);
}

uint64_t rd_roll_matches(const rd_store *st, uint32_t place, rd_bytes channel) {
  if (!rd_worker_used(st, place)) return 0;
  const rd_worker *w = rd_worker_at(st, place);
  uint64_t n = 0;
  uint32_t end = w->roll.pattern_bytes <= RD_ROLL_PATTERNS ? w->roll.pattern_bytes : 0;
  for (uint32_t at = 0; w->roll.patterns != 0 && end - at >= PATTERN_HEAD;) {
    const uint8_t *p = w->roll_tables.pattern + at;
    uint32_t len = rd_ld32(p), count = rd_ld32(p + 4);
    if (len > end - at - PATTERN_HEAD) break;
    if (count != 0 && rd_roll_glob(st, (rd_bytes){p + PATTERN_HEAD, len}, channel)) n += count;
    at += PATTERN_HEAD + ((len + 3) & ~3u);
    if (at > end) break;
  }
  return n;
}

uint64_t rd_roll_distinct(const rd_store *st, rd_roll_kind kind) {
  return atomic_load_explicit(&st->head->distinct[kind], memory_order_relaxed);
}

/* ---- the owner's changes ---- */

static void begin_change(rd_store *st) {
  atomic_store_explicit(&st->worker->roll.changing, 1, memory_order_relaxed);
  RD_COMPILER_BARRIER();
}

static void end_change(rd_store *st) {
  RD_COMPILER_BARRIER();
  atomic_store_explicit(&st->worker->roll.changing, 0, memory_order_relaxed);
}

/* Have the system give the bytes from `table` + `from` on. */
static bool back(rd_store *st, const void *table, uint64_t from, uint64_t len) {
  if (!rd_back(st, rd_ref_of(st, table) + from, len)) return false;
  atomic_fetch_add(&st->worker->roll.backed, len);
  rd_fit_pool(st);
  return true;
}

static bool back_heads(rd_store *st) {
  rd_roll_tables *tables = &st->worker->roll_tables;
  if (RD_LIKELY(atomic_load_explicit(&st->worker->roll.backed, memory_order_relaxed) != 0)) return true;
  if (!back(st, tables->head, 0, sizeof tables->head)) return false;
  memset(tables->head, 0, sizeof tables->head); /* a file system without holes keeps what was there */
  return true;
}

uint32_t rd_roll_find(const rd_store *st, uint64_t hash, uint32_t after) {
  const rd_worker *w = st->worker;
  if (w->roll.entries == 0) return RD_NO_ENTRY;
  uint32_t link = after == RD_NO_ENTRY ? w->roll_tables.head[bucket_of(hash)] : w->roll_tables.entry[after].next;
  while (link != 0 && w->roll_tables.entry[link - 1].hash != hash) link = w->roll_tables.entry[link - 1].next;
  return link - 1;
}

/* Count over all workers. */
static uint64_t count_all(const rd_store *st, uint64_t hash) {
  uint64_t n = 0;
  for (uint64_t mask = rd_rolls_used(st); mask != 0; mask &= mask - 1) {
    n += rd_roll_count(st, (uint32_t)__builtin_ctzll(mask), hash);
  }
  return n;
}

uint32_t rd_roll_add(rd_store *st, uint64_t hash) {
  rd_roll *roll = &st->worker->roll;
  rd_roll_tables *tables = &st->worker->roll_tables;
  if (!back_heads(st)) return RD_NO_ENTRY;
  bool fresh = roll->free == 0;
  if (fresh && roll->used == roll->backed_entries) {
    if (roll->used == RD_ROLL_ENTRIES || !back(st, tables->entry, (uint64_t)roll->used * sizeof(rd_roll_entry), PIECE))
      return RD_NO_ENTRY;
    roll->backed_entries += PIECE / sizeof(rd_roll_entry);
  }
  if (count_all(st, hash) == 0) atomic_fetch_add(&st->head->distinct[hash & KIND_BITS], 1);
  uint32_t at = fresh ? roll->used : roll->free - 1, *head = &tables->head[bucket_of(hash)];
  begin_change(st);
  if (fresh)
    roll->used++;
  else
    roll->free = tables->entry[at].next;
  tables->entry[at] = (rd_roll_entry){hash, 1, *head};
  *head = at + 1;
  roll->entries++;
  if ((hash & KIND_BITS) == RD_PATTERN) roll->patterns++;
  end_change(st);
  atomic_fetch_or(&st->head->subscribers, 1ull << place_of(st, st->worker));
  return at;
}

static void remove_entry(rd_store *st, uint32_t at) {
  uint64_t hash = st->worker->roll_tables.entry[at].hash;
  rd_roll *roll = &st->worker->roll;
  rd_roll_tables *tables = &st->worker->roll_tables;
  rd_roll_entry *e = &tables->entry[at];
  uint32_t *link = &tables->head[bucket_of(e->hash)];
  while (*link != at + 1) link = &tables->entry[*link - 1].next;
  *link = e->next;
  *e = (rd_roll_entry){0, 0, roll->free};
  roll->free = at + 1;
  roll->entries--;
  if ((hash & KIND_BITS) == RD_PATTERN) roll->patterns--;
}

void rd_roll_set(rd_store *st, uint32_t entry, uint32_t count) {
  rd_roll_entry *e = &st->worker->roll_tables.entry[entry];
  uint64_t hash = e->hash;
  begin_change(st);
  bool counted = e->count != 0; /* another worker may have taken the last client */
  if (!counted && count != 0 && count_all(st, hash) == 0) atomic_fetch_add(&st->head->distinct[hash & KIND_BITS], 1);
  e->count = count;
  if (count == 0) remove_entry(st, entry);
  if (counted && count == 0 && count_all(st, hash) == 0) atomic_fetch_sub(&st->head->distinct[hash & KIND_BITS], 1);
  bool none = st->worker->roll.entries == 0;
  if (none) atomic_fetch_and(&st->head->subscribers, ~(1ull << place_of(st, st->worker)));
  end_change(st);
  if (none && atomic_load(&st->worker->roll.backed) > sizeof st->worker->roll_tables.head + PIECE) {
    empty(st, st->worker);
    rd_fit_pool(st);
  }
}

bool rd_roll_add_pattern(rd_store *st, rd_bytes text, uint32_t count, uint32_t *at) {
  rd_roll *roll = &st->worker->roll;
  uint8_t *pattern = st->worker->roll_tables.pattern;
  if (text.len > RD_ROLL_PATTERNS) return false;
  uint32_t len = PATTERN_HEAD + (((uint32_t)text.len + 3) & ~3u);
  if (len > RD_ROLL_PATTERNS - roll->pattern_bytes) return false;
  uint32_t need = (uint32_t)rd_round_up(roll->pattern_bytes + len, PIECE);
  if (need > roll->backed_patterns) {
    if (!back_heads(st) || !back(st, pattern, roll->backed_patterns, need - roll->backed_patterns)) return false;
    roll->backed_patterns = need;
  }
  *at = roll->pattern_bytes;
  uint32_t bytes = (uint32_t)text.len;
  memcpy(pattern + *at, &bytes, sizeof bytes);
  memcpy(pattern + *at + 4, &count, sizeof count);
  if (bytes != 0) memcpy(pattern + *at + PATTERN_HEAD, text.data, bytes);
  roll->pattern_bytes += len;
  return true;
}

void rd_roll_set_pattern(rd_store *st, uint32_t at, uint32_t count) {
  memcpy(st->worker->roll_tables.pattern + at + 4, &count, sizeof count);
}

void rd_roll_clear_patterns(rd_store *st) { st->worker->roll.pattern_bytes = 0; }

/* ---- the change of another worker's roll ---- */

bool rd_roll_has(const rd_store *st, uint32_t place, uint32_t entry, uint64_t hash) {
  const rd_roll_entry *e = entry < RD_ROLL_ENTRIES ? entry_at(rd_worker_at(st, place), entry + 1) : NULL;
  return e != NULL && e->hash == hash && e->count != 0;
}

bool rd_roll_has_pattern(const rd_store *st, uint32_t place, uint32_t text, rd_bytes pattern) {
  const rd_worker *w = rd_worker_at(st, place);
  uint32_t end = w->roll.pattern_bytes <= RD_ROLL_PATTERNS ? w->roll.pattern_bytes : 0;
  if (text % 4 != 0 || text > end || end - text < PATTERN_HEAD) return false;
  const uint8_t *p = w->roll_tables.pattern + text;
  return pattern.len <= end - text - PATTERN_HEAD && rd_ld32(p) == pattern.len && rd_ld32(p + 4) != 0 &&
         (pattern.len == 0 || memcmp(p + PATTERN_HEAD, pattern.data, pattern.len) == 0);
}

void rd_roll_take(rd_store *st, uint32_t place, uint32_t entry, uint32_t text) {
  rd_roll_tables *tables = &rd_worker_at(st, place)->roll_tables;
  rd_roll_entry *e = &tables->entry[entry];
  e->count--;
  if ((e->hash & KIND_BITS) != RD_PATTERN) return;
  uint32_t count = rd_ld32(tables->pattern + text + 4) - 1;
  memcpy(tables->pattern + text + 4, &count, sizeof count);
}

void rd_roll_lose(rd_store *st, rd_worker *w) {
  atomic_store(&w->roll.lost, 1);
  rd_count_stat(st, RD_STAT_messages_lost, 1);
}

/* ---- owners that have ended ---- */

void rd_roll_end(rd_store *st, rd_worker *w) {
  atomic_store(&w->roll.lost, 0);
  for (uint32_t i = 0; i < RD_MOVES; i++) atomic_store(&w->roll.moving[i], 0);
  if (w->roll.entries == 0 && atomic_load(&w->roll.backed) == 0) return;
  empty(st, w);
  count_distinct(st);
}

const char *rd_roll_check(const rd_store *st, const rd_worker *w) {
  const rd_roll *roll = &w->roll;
  if (roll->entries > roll->used || roll->used > RD_ROLL_ENTRIES || roll->pattern_bytes > RD_ROLL_PATTERNS)
    return "its roll has more than it can";
  bool marked = rd_rolls_used(st) >> place_of(st, w) & 1;
  if (marked != (roll->entries != 0)) return "its roll and the header disagree";
  uint32_t found = 0;
  for (uint32_t i = 0; roll->entries != 0 && i < roll->used; i++) found += w->roll_tables.entry[i].count != 0;
  return found > roll->entries ? "its roll counts wrong" : NULL; /* fewer: rd_roll_take */
}
