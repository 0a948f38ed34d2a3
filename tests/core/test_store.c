/* test_store.c - the store compared with a model: both get the same random calls, every value is compared, and rd_check
 * runs after each step. */
#include "arena/layout.h"
#include "arena/memory.h"
#include "arena_fixture.h"
#include "check.h"
#include "store/databases.h"
#include "store/expire.h"
#include "store/pause.h"
#include "store/reclaim.h"
#include "store/run.h"
#include "store/watch.h"

#define KEYS 400u
#define DBS 3u

/* The expected contents of the store. */
struct expected {
  uint8_t *data; /* NULL: absent */
  uint64_t len;
  int64_t expiry;
};
static struct expected model[DBS][KEYS];
static uint64_t dice = 88172645463325252ull;

static uint64_t roll(uint64_t n) {
  dice ^= dice << 13;
  dice ^= dice >> 7;
  dice ^= dice << 17;
  return dice % n;
}

static void forget(struct expected *e) {
  free(e->data);
  *e = (struct expected){NULL, 0, RD_NO_EXPIRY};
}

static void forget_all(void) {
  for (unsigned d = 0; d < DBS; d++) {
    for (unsigned k = 0; k < KEYS; k++) forget(&model[d][k]);
  }
}

/* Key number k: of 1 to some 5,000 bytes, so that inline, long and chunked keys occur. */
static size_t key_text(unsigned k, uint8_t *out) {
  size_t len = k % 50 == 7 ? 300 : k % 50 == 8 ? 5000 : k % 50 == 9 ? 9000 : 8;
  memset(out, 'k', len);
  memcpy(out, &k, sizeof k);
  return len;
}

static uint64_t random_len(void) {
  switch (roll(12)) {
    case 0:
      return 0;
    case 1:
      return 7000 + roll(3000);
    case 2:
      return roll(60000);
    case 3:
      return 8160 + roll(30);
    default:
      return roll(200);
  }
}

static uint8_t *random_bytes(uint64_t len) {
  uint8_t *p = malloc(len + 1);
  for (uint64_t i = 0; i < len; i++) p[i] = (uint8_t)(roll(256));
  return p;
}

static bool holds(rd_store *st, const rd_item *it, const struct expected *e) {
  if (rd_item_len(it) != e->len || rd_item_expiry(it) != e->expiry) return false;
  uint8_t *copy = malloc(e->len + 1);
  rd_item_read(st, it, 0, copy, e->len);
  bool same = memcmp(copy, e->data, e->len) == 0;
  for (uint64_t off = 0; same && off < e->len;) {
    rd_bytes piece = rd_item_piece(st, it, off);
    same = piece.len > 0 && memcmp(piece.data, e->data + off, piece.len) == 0;
    off += piece.len;
  }
  free(copy);
  return same;
}

/* Compare a key with the model. `may_be_gone`: it may have been evicted. */
static bool agrees(rd_store *st, unsigned db, unsigned k, bool may_be_gone) {
  uint8_t text[10000];
  rd_key key = key_of(st, text, key_text(k, text), db);
  struct expected *e = &model[db][k];
  if (e->data != NULL && e->expiry != RD_NO_EXPIRY && (int64_t)st->now_ms > e->expiry) forget(e);
  rd_lock_keys(st, &key, 1);
  const rd_item *it = rd_find_read(st, &key);
  bool ok = it == NULL ? e->data == NULL || may_be_gone : e->data != NULL && holds(st, it, e);
  if (it == NULL) forget(e);
  rd_unlock_all(st);
  return ok;
}

static void random_step(rd_store *st) {
  unsigned db = (unsigned)roll(DBS), k = (unsigned)roll(KEYS);
  uint8_t text[10000];
  rd_key key = key_of(st, text, key_text(k, text), db);
  struct expected *e = &model[db][k];
  rd_lock_keys(st, &key, 1);
  rd_item *it = rd_find_write(st, &key);
  if (it == NULL) forget(e);
  uint64_t what = roll(100);
  if (what < 45) {
    uint64_t len = random_len();
    uint8_t *data = random_bytes(len);
    int64_t expiry = RD_NO_EXPIRY;
    if (roll(3) == 0) expiry = (int64_t)(st->now_ms + 1 + roll(100000));
    if (roll(8) == 0) expiry = RD_KEEP_EXPIRY;
    uint64_t cut = roll(len + 1);
    rd_bytes parts[2] = {{data, cut}, {data + cut, len - cut}};
    if (rd_set_parts(st, &key, parts, 2, expiry, RD_ENC_AUTO, RD_EVENT_SET) == RD_OK) {
      if (expiry == RD_KEEP_EXPIRY) expiry = it != NULL ? e->expiry : RD_NO_EXPIRY;
      forget(e);
      *e = (struct expected){data, len, expiry};
    } else {
      free(data);
    }
  } else if (what < 55) {
    rd_delete(st, &key);
    forget(e);
  } else if (what < 75 && it != NULL) {
    uint64_t len = roll(2) == 0 ? e->len + random_len() : random_len();
    if (rd_resize(st, &key, &it, len, RD_ENC_RAW) == RD_OK) {
      e->data = realloc(e->data, len + 1);
      if (len > e->len) memset(e->data + e->len, 0, len - e->len);
      e->len = len;
      uint64_t off = roll(len + 1), n = roll(len - off + 1);
      uint8_t *data = random_bytes(n);
      rd_write(st, &key, it, off, data, n, RD_EVENT_NONE);
      memcpy(e->data + off, data, n);
      free(data);
    }
  } else if (what < 90 && it != NULL) {
    int64_t expiry = roll(3) == 0 ? RD_NO_EXPIRY : (int64_t)(st->now_ms + 1 + roll(50000));
    if (rd_set_expiry(st, &key, &it, expiry, RD_EVENT_EXPIRE) == RD_OK) e->expiry = expiry;
  } else if (what < 98 && it != NULL) {
    unsigned db2 = (unsigned)roll(DBS), k2 = (unsigned)roll(KEYS);
    uint8_t text2[10000];
    rd_key other = key_of(st, text2, key_text(k2, text2), db2);
    if (db2 != db || k2 != k) {
      rd_unlock_all(st);
      rd_key both[2] = {key, other};
      rd_lock_keys(st, both, 2);
      if (rd_copy(st, &key, &other, RD_EVENT_COPY_TO) == RD_OK && rd_find_quiet(st, &other, false) != NULL) {
        struct expected *f = &model[db2][k2];
        forget(f);
        *f = (struct expected){malloc(e->len + 1), e->len, e->expiry};
        memcpy(f->data, e->data, e->len);
      }
    }
  }
  rd_unlock_all(st);
  st->now_ms += roll(200);
}

/* Move (or evict) everything out of one of the shard's regions, if the others have room. */
static void empty_a_region(rd_store *st, uint32_t shard) {
  rd_lock_shard(st, shard);
  uint32_t region = st->shards[shard].heap.first_region;
  if (region != 0) rd_empty_region(st, shard, region - 1);
  rd_unlock_all(st);
}

static void run_model(uint64_t max_memory, uint32_t shards, rd_policy policy, int steps, bool evicts) {
  rd_store st = arena_new(max_memory, shards, policy);
  for (int i = 0; i < steps; i++) {
    random_step(&st);
    if (roll(50) == 0) rd_sweep(&st, 0, shards, 0);
    if (roll(1000) == 0) {
      unsigned db = (unsigned)roll(DBS);
      rd_flush_db(&st, db);
      for (unsigned k = 0; k < KEYS; k++) forget(&model[db][k]);
    }
    if (roll(1000) == 0) {
      rd_swap_db(&st, 0, 1);
      for (unsigned k = 0; k < KEYS; k++) {
        struct expected e = model[0][k];
        model[0][k] = model[1][k];
        model[1][k] = e;
      }
    }
    if (roll(100) == 0) empty_a_region(&st, (uint32_t)roll(shards));
    if (!arena_is_whole(&st)) {
      CHECK_FAIL("the arena is broken after step %d", i);
      break;
    }
    if (!agrees(&st, (unsigned)roll(DBS), (unsigned)roll(KEYS), evicts)) {
      CHECK_FAIL("a wrong value after step %d", i);
      break;
    }
  }
  for (unsigned d = 0; d < DBS; d++) {
    for (unsigned k = 0; k < KEYS; k++) {
      if (!agrees(&st, d, k, evicts)) CHECK_FAIL("db %u key %u is wrong at the end", d, k);
    }
  }
  forget_all();
  arena_free(&st);
}

static void without_eviction_the_store_and_the_model_agree(void) {
  run_model(256 * MIB, 4, RD_NOEVICTION, 20000, false);
}
static void a_store_of_one_shard_agrees_with_the_model(void) { run_model(256 * MIB, 1, RD_NOEVICTION, 8000, false); }
static void a_full_store_refuses_and_changes_nothing(void) { run_model(6 * MIB, 4, RD_NOEVICTION, 20000, false); }
static void under_lru_no_value_is_ever_wrong(void) { run_model(6 * MIB, 8, RD_ALLKEYS_LRU, 20000, true); }
static void under_lfu_no_value_is_ever_wrong(void) { run_model(5 * MIB, 2, RD_ALLKEYS_LFU, 10000, true); }
static void under_s3fifo_no_value_is_ever_wrong(void) { run_model(6 * MIB, 4, RD_ALLKEYS_S3FIFO, 20000, true); }
static void under_volatile_ttl_no_value_is_ever_wrong(void) { run_model(6 * MIB, 4, RD_VOLATILE_TTL, 20000, true); }
static void under_volatile_lru_only_keys_with_a_ttl_are_evicted(void) {
  run_model(6 * MIB, 4, RD_VOLATILE_LRU, 20000, true);
}

/* ---- the index ---- */

static void set_number(rd_store *st, unsigned db, uint32_t i, int64_t expiry) {
  char text[32];
  int len = snprintf(text, sizeof text, "key:%u", i);
  rd_key key = key_of(st, text, (size_t)len, db);
  rd_lock_keys(st, &key, 1);
  CHECK(rd_set(st, &key, &i, sizeof i, expiry, RD_ENC_AUTO, RD_EVENT_SET) == RD_OK);
  rd_unlock_all(st);
}

static bool has_number(rd_store *st, unsigned db, uint32_t i) {
  char text[32];
  int len = snprintf(text, sizeof text, "key:%u", i);
  rd_key key = key_of(st, text, (size_t)len, db);
  rd_lock_keys(st, &key, 1);
  const rd_item *it = rd_find_read(st, &key);
  bool ok = it != NULL && rd_item_len(it) == sizeof i && memcmp(rd_item_flat(it), &i, sizeof i) == 0;
  rd_unlock_all(st);
  return ok;
}

static void delete_number(rd_store *st, unsigned db, uint32_t i) {
  char text[32];
  int len = snprintf(text, sizeof text, "key:%u", i);
  rd_key key = key_of(st, text, (size_t)len, db);
  rd_lock_keys(st, &key, 1);
  CHECK(rd_delete(st, &key));
  rd_unlock_all(st);
}

static void the_index_grows_through_all_heights_and_back(void) {
  rd_store st = arena_new(512 * MIB, 1, RD_NOEVICTION);
  const uint32_t n = 400000; /* 53,000 buckets: two levels of directories */
  for (uint32_t i = 0; i < n; i++) {
    set_number(&st, 0, i, RD_NO_EXPIRY);
    if ((i & (i + 1)) == 0) CHECK(arena_is_whole(&st));
  }
  CHECK_INT(rd_count(&st, 0), n);
  CHECK_INT(st.shards[0].index[0].height, 2);
  CHECK(arena_is_whole(&st));
  for (uint32_t i = 0; i < n; i++) CHECK(has_number(&st, 0, i));
  for (uint32_t i = 0; i < n; i++) {
    delete_number(&st, 0, i);
    if ((i & 0xffff) == 0) CHECK(arena_is_whole(&st));
  }
  CHECK(arena_is_whole(&st));
  CHECK_INT(rd_count(&st, 0), 0);
  CHECK_INT(st.head->pool.in_use, 0);
  arena_free(&st);
}

struct seen {
  uint8_t *marks;
  uint32_t n;
};

static void mark(void *arg, rd_store *st, const rd_item *it) {
  struct seen *s = arg;
  uint32_t i = UINT32_MAX;
  if (rd_item_len(it) == sizeof i) rd_item_read(st, it, 0, &i, sizeof i);
  if (i < s->n) s->marks[i] = 1;
}

static void scan_returns_every_key_that_stays_while_the_index_grows_and_shrinks(void) {
  rd_store st = arena_new(256 * MIB, 4, RD_NOEVICTION);
  const uint32_t stay = 500, more = 60000;
  for (uint32_t round = 0; round < 6; round++) {
    struct seen s = {calloc(stay, 1), stay};
    for (uint32_t i = 0; i < stay; i++) set_number(&st, 0, i, RD_NO_EXPIRY);
    bool growing = round % 2 == 0;
    if (!growing) {
      for (uint32_t i = stay; i < more; i++) set_number(&st, 0, i, RD_NO_EXPIRY);
    }
    uint32_t next = stay, steps = 0;
    uint64_t cursor = 0;
    do {
      rd_scan(&st, 0, &cursor, mark, &s);
      for (int k = 0; k < 400 && next < more; k++, next++) {
        if (growing)
          set_number(&st, 0, next, RD_NO_EXPIRY);
        else
          delete_number(&st, 0, next);
      }
    } while (cursor != 0 && ++steps < 1000000);
    CHECK_INT(cursor, 0);
    for (uint32_t i = 0; i < stay; i++) {
      if (!s.marks[i]) CHECK_FAIL("round %u: key %u was there throughout and was not returned", round, i);
    }
    free(s.marks);
    rd_flush_all(&st);
  }
  arena_free(&st);
}

/* Removals let the index shrink below the cursor; during CLIENT PAUSE nothing is removed. */
static void scan_removes_expired_keys_and_returns_all_others(void) {
  rd_store st = arena_new(256 * MIB, 4, RD_NOEVICTION);
  const uint32_t n = 40000;
  for (int paused = 1; paused >= 0; paused--) {
    struct seen s = {calloc(n, 1), n};
    rd_flush_all(&st);
    for (uint32_t i = 0; i < n; i++) set_number(&st, 0, i, i % 50 == 0 ? RD_NO_EXPIRY : (int64_t)st.now_ms + 5);
    st.now_ms += 6;
    rd_set_pause(&st, paused ? 1 : 0, st.now_ms + 1000);
    uint64_t cursor = 0;
    do rd_scan(&st, 0, &cursor, mark, &s);
    while (cursor != 0);
    for (uint32_t i = 0; i < n; i++) CHECK_INT(s.marks[i], i % 50 == 0);
    CHECK_INT(rd_count(&st, 0), paused ? n : n / 50);
    CHECK(arena_is_whole(&st));
    free(s.marks);
  }
  arena_free(&st);
}

static void scan_accepts_any_cursor(void) {
  rd_store st = arena_new(64 * MIB, 16, RD_NOEVICTION);
  for (uint32_t i = 0; i < 3000; i++) set_number(&st, 2, i, RD_NO_EXPIRY);
  struct seen s = {calloc(3000, 1), 3000};
  uint64_t cursor = UINT64_MAX;
  for (int i = 0; i < 20000; i++, cursor = roll(UINT64_MAX)) rd_scan(&st, (unsigned)roll(16), &cursor, mark, &s);
  free(s.marks);
  arena_free(&st);
}

/* ---- databases ---- */

static void a_flushed_database_is_empty_at_once_and_the_sweep_frees_its_memory(void) {
  rd_store st = arena_new(64 * MIB, 4, RD_NOEVICTION);
  set_number(&st, 1, 1, RD_NO_EXPIRY);
  uint64_t before = rd_used_memory(&st);
  for (int round = 0; round < 40; round++) { /* more flushes than slots */
    for (uint32_t i = 0; i < 500; i++) set_number(&st, 0, i, RD_NO_EXPIRY);
    rd_flush_db(&st, 0);
    CHECK_INT(rd_count(&st, 0), 0);
    CHECK(!has_number(&st, 0, 5));
    CHECK(has_number(&st, 1, 1));
  }
  for (int i = 0; i < 10000 && !rd_sweep(&st, 0, 4, 0); i++) continue;
  CHECK(arena_is_whole(&st));
  CHECK(rd_used_memory(&st) - before < 1024); /* the region table, which grows once */
  rd_flush_all(&st);
  CHECK_INT(st.head->pool.in_use, 0);
  arena_free(&st);
}

static void swapdb_exchanges_two_databases(void) {
  rd_store st = arena_new(64 * MIB, 4, RD_NOEVICTION);
  set_number(&st, 0, 7, RD_NO_EXPIRY);
  rd_swap_db(&st, 0, 5);
  CHECK(!has_number(&st, 0, 7));
  CHECK(has_number(&st, 5, 7));
  rd_swap_db(&st, 5, 5);
  CHECK(has_number(&st, 5, 7));
  arena_free(&st);
}

static void nothing(void *arg, rd_store *st, const rd_item *it) {
  (void)st, (void)it;
  ++*(unsigned *)arg;
}

static void a_random_key_is_found_even_among_one(void) {
  rd_store st = arena_new(64 * MIB, 256, RD_NOEVICTION);
  unsigned n = 0;
  CHECK(rd_random(&st, 3, nothing, &n));
  CHECK_INT(n, 0);
  set_number(&st, 3, 1, RD_NO_EXPIRY);
  CHECK(rd_random(&st, 3, nothing, &n));
  CHECK_INT(n, 1);
  arena_free(&st);
}

/* ---- expiry ---- */

static void a_key_expires_after_its_millisecond_and_not_in_it(void) {
  rd_store st = arena_new(64 * MIB, 4, RD_NOEVICTION);
  set_number(&st, 0, 1, (int64_t)st.now_ms + 1000);
  st.now_ms += 1000;
  CHECK(has_number(&st, 0, 1));
  st.now_ms += 1;
  CHECK_INT(rd_count(&st, 0), 1);
  CHECK(!has_number(&st, 0, 1));
  CHECK_INT(rd_count(&st, 0), 0);
  CHECK_INT(rd_counter(&st, RD_STAT_expired_keys), 1);
  arena_free(&st);
}

static void the_sweep_frees_the_memory_of_expired_keys(void) {
  rd_store st = arena_new(128 * MIB, 8, RD_NOEVICTION);
  uint64_t empty = rd_used_memory(&st) - (uint64_t)st.head->pool.fresh * sizeof(rd_region);
  for (uint32_t i = 0; i < 100000; i++) set_number(&st, i % 3, i, (int64_t)st.now_ms + 5000 + i % 100);
  CHECK_INT(rd_count_volatile(&st, 0) + rd_count_volatile(&st, 1) + rd_count_volatile(&st, 2), 100000);
  for (int i = 0; i < 100000 && !rd_sweep(&st, 0, 8, 0); i++) continue;
  CHECK_INT(rd_count(&st, 0) + rd_count(&st, 1) + rd_count(&st, 2), 100000);
  st.now_ms += 60000;
  for (int i = 0; i < 100000 && !rd_sweep(&st, 0, 8, 0); i++) continue;
  CHECK_INT(rd_count(&st, 0) + rd_count(&st, 1) + rd_count(&st, 2), 0);
  CHECK_INT(rd_counter(&st, RD_STAT_expired_keys), 100000);
  CHECK(arena_is_whole(&st));
  uint64_t regions = (uint64_t)st.head->pool.fresh * sizeof(rd_region);
  CHECK_INT(rd_used_memory(&st), empty + regions);
  CHECK_INT(st.head->pool.in_use, 0);
  arena_free(&st);
}

static void sweep_once_around(rd_store *st) {
  for (int i = 0; i < 100000 && !rd_sweep(st, 0, 8, 0); i++) continue;
}

static void setting_the_clock_hides_no_expired_key_from_the_sweep(void) {
  static const int64_t hour = 3600000;
  /* From a step to the next; the due times go round in 74 hours, and are up to 18 hours ahead. */
  static const int64_t steps[] = {36, 56, 60, 74, 100, 10000, -1, -19, -40, -60, -74, -10000};
  for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
    rd_store st = arena_new(32 * MIB, 8, RD_NOEVICTION);
    for (uint32_t k = 0; k < 1000; k++) set_number(&st, 0, k, (int64_t)st.now_ms + (1 + k % 30) * hour);
    sweep_once_around(&st);
    st.now_ms = (uint64_t)((int64_t)st.now_ms + steps[i] * hour);
    if (steps[i] > -18 && steps[i] < 37) CHECK(arena_is_whole(&st));
    sweep_once_around(&st);
    CHECK_INT(rd_count(&st, 0), steps[i] > 0 ? 0 : 1000);
    if (steps[i] < 0) {
      st.now_ms = (uint64_t)((int64_t)st.now_ms + (31 - steps[i]) * hour);
      sweep_once_around(&st);
      CHECK_INT(rd_count(&st, 0), 0);
    }
    CHECK(arena_is_whole(&st));
    arena_free(&st);
  }
}

/* ---- memory ---- */

static rd_result set_large(rd_store *st, const char *name, uint64_t len) {
  uint8_t *data = malloc(len);
  memset(data, 'v', len);
  rd_key key = key_of(st, name, strlen(name), 0);
  rd_lock_keys(st, &key, 1);
  rd_result result = rd_set(st, &key, data, len, RD_NO_EXPIRY, RD_ENC_AUTO, RD_EVENT_SET);
  rd_unlock_all(st);
  free(data);
  return result;
}

static void a_large_value_fits_into_a_full_cache_under_every_allkeys_policy(void) {
  const rd_policy policies[] = {RD_ALLKEYS_LRU, RD_ALLKEYS_LFU, RD_ALLKEYS_RANDOM, RD_ALLKEYS_S3FIFO};
  for (unsigned p = 0; p < 4; p++) {
    rd_store st = arena_new(64 * MIB, 256, policies[p]);
    for (uint32_t i = 0; i < 1500000; i++) set_number(&st, 0, i, RD_NO_EXPIRY);
    CHECK(rd_counter(&st, RD_STAT_evicted_keys) > 0);
    CHECK(rd_committed_memory(&st) <= 64 * MIB);
    CHECK_INT(set_large(&st, "large", 10 * MIB), RD_OK);
    CHECK_INT(set_large(&st, "large", 12 * MIB), RD_OK);
    CHECK_INT(set_large(&st, "other", 20 * MIB), RD_OK);
    CHECK(rd_committed_memory(&st) <= 64 * MIB);
    CHECK(arena_is_whole(&st));
    arena_free(&st);
  }
}

static void a_value_larger_than_the_memory_is_refused(void) {
  rd_store st = arena_new(64 * MIB, 256, RD_ALLKEYS_LRU);
  set_number(&st, 0, 1, RD_NO_EXPIRY);
  CHECK_INT(set_large(&st, "large", 70 * MIB), RD_OOM);
  CHECK(has_number(&st, 0, 1));
  CHECK(arena_is_whole(&st));
  arena_free(&st);
}

static void max_memory_may_be_lowered_and_raised_in_use(void) {
  rd_store st = arena_new(128 * MIB, 16, RD_ALLKEYS_LRU);
  for (uint32_t i = 0; i < 3000000; i++) set_number(&st, 0, i, RD_NO_EXPIRY);
  CHECK(rd_committed_memory(&st) > 120 * MIB);
  CHECK(rd_set_max_memory(&st, 32 * MIB) == NULL);
  CHECK(rd_is_over(&st));
  for (int i = 0; i < 10000 && rd_shrink_step(&st, 8); i++) continue;
  CHECK(!rd_is_over(&st));
  CHECK(rd_committed_memory(&st) <= 32 * MIB);
  CHECK(arena_is_whole(&st));
  for (uint32_t i = 0; i < 100000; i++) set_number(&st, 0, i, RD_NO_EXPIRY);
  CHECK(rd_committed_memory(&st) <= 32 * MIB);
  CHECK(rd_set_max_memory(&st, 64 * MIB) == NULL);
  for (uint32_t i = 0; i < 3000000; i++) set_number(&st, 0, i, RD_NO_EXPIRY);
  CHECK(rd_committed_memory(&st) > 60 * MIB && rd_committed_memory(&st) <= 64 * MIB);
  CHECK(rd_most_memory(&st) >= 128 * MIB && rd_most_memory(&st) < 129 * MIB);
  CHECK(rd_set_max_memory(&st, rd_most_memory(&st) + 1) != NULL);
  CHECK(rd_set_max_memory(&st, 0) == NULL);
  CHECK_INT(rd_max_memory(&st), rd_most_memory(&st));
  CHECK(arena_is_whole(&st));
  arena_free(&st);
}

static void a_change_of_size_classes_keeps_the_memory_usable(void) {
  rd_store st = arena_new(32 * MIB, 16, RD_ALLKEYS_LRU);
  uint8_t data[1000] = {1};
  uint64_t held[3];
  uint32_t next = 0;
  for (int phase = 0; phase < 3; phase++) {
    for (uint32_t i = 0; i < 600000; i++, next++) {
      char text[32];
      int len = snprintf(text, sizeof text, "key:%010u", next);
      rd_key key = key_of(&st, text, (size_t)len, 0);
      rd_lock_keys(&st, &key, 1);
      CHECK(rd_set(&st, &key, data, phase == 1 ? 1000 : 100, RD_NO_EXPIRY, RD_ENC_AUTO, RD_EVENT_SET) == RD_OK);
      rd_unlock_all(&st);
      st.now_ms += 10; /* LRU works by the clock */
    }
    held[phase] = rd_count(&st, 0);
    CHECK(arena_is_whole(&st));
  }
  if (held[2] < held[0] * 9 / 10)
    CHECK_FAIL("%llu keys at first, %llu at last", (unsigned long long)held[0], (unsigned long long)held[2]);
  CHECK(held[1] > 20 * MIB / 1100);
  arena_free(&st);
}

static void without_eviction_scattered_free_memory_is_packed_for_larger_values(void) {
  rd_store st = arena_new(24 * MIB, 4, RD_NOEVICTION);
  uint32_t n = 0;
  uint8_t data[5000] = {1};
  for (;; n++) {
    rd_key key = key_of(&st, &n, sizeof n, 0);
    rd_lock_keys(&st, &key, 1);
    rd_result r = rd_set(&st, &key, data, 50, RD_NO_EXPIRY, RD_ENC_AUTO, RD_EVENT_SET);
    rd_unlock_all(&st);
    if (r == RD_OOM) break;
  }
  for (uint32_t i = 0; i < n; i += 2) {
    rd_key key = key_of(&st, &i, sizeof i, 0);
    rd_lock_keys(&st, &key, 1);
    CHECK(rd_delete(&st, &key));
    rd_unlock_all(&st);
  }
  uint32_t fitted = 0;
  for (uint32_t i = 0; i < 1000; i++) {
    uint32_t name = 1000000000u + i;
    rd_key key = key_of(&st, &name, sizeof name, 0);
    rd_lock_keys(&st, &key, 1);
    fitted += rd_set(&st, &key, data, 5000, RD_NO_EXPIRY, RD_ENC_AUTO, RD_EVENT_SET) == RD_OK;
    rd_unlock_all(&st);
  }
  CHECK_INT(fitted, 1000);
  for (uint32_t i = 1; i < n; i += 2) {
    rd_key key = key_of(&st, &i, sizeof i, 0);
    rd_lock_keys(&st, &key, 1);
    CHECK(rd_find_read(&st, &key) != NULL);
    rd_unlock_all(&st);
  }
  CHECK(arena_is_whole(&st));
  arena_free(&st);
}

/* ---- WATCH ---- */

static void a_watch_sees_changes_of_its_key_and_of_no_other(void) {
  rd_store st = arena_new(64 * MIB, 1, RD_NOEVICTION);
  rd_key key = key_of(&st, "key:1", 5, 0);
  rd_watch w;
  rd_watch_begin(&st, &key, &w);
  CHECK(!rd_watch_changed(&st, &w));
  set_number(&st, 0, 2, RD_NO_EXPIRY);
  set_number(&st, 1, 1, RD_NO_EXPIRY);
  CHECK(!rd_watch_changed(&st, &w));
  rd_flush_all(&st); /* the key did not exist */
  CHECK(!rd_watch_changed(&st, &w));
  set_number(&st, 0, 1, (int64_t)st.now_ms + 10);
  CHECK(rd_watch_changed(&st, &w));
  rd_watch_end(&st, &w);
  rd_watch_begin(&st, &key, &w);
  CHECK(!rd_watch_changed(&st, &w));
  st.now_ms += 11;
  CHECK(rd_watch_changed(&st, &w));
  rd_watch_end(&st, &w);
  set_number(&st, 0, 1, RD_NO_EXPIRY);
  rd_watch_begin(&st, &key, &w);
  rd_flush_db(&st, 0);
  CHECK(rd_watch_changed(&st, &w));
  rd_watch_end(&st, &w);
  rd_watch_begin(&st, &key, &w);
  set_number(&st, 9, 1, RD_NO_EXPIRY);
  rd_watch_end(&st, &w);
  rd_watch_begin(&st, &key, &w);
  rd_swap_db(&st, 0, 9);
  CHECK(rd_watch_changed(&st, &w));
  rd_watch_end(&st, &w);
  CHECK_INT(st.shards[0].watchers, 0);
  arena_free(&st);
}

/* ---- attaching ---- */

static void an_arena_is_attached_again_with_its_contents(void) {
  rd_store st = arena_new(64 * MIB, 8, RD_ALLKEYS_LRU), again;
  char err[200];
  for (uint32_t i = 0; i < 1000; i++) set_number(&st, 0, i, RD_NO_EXPIRY);
  int fd = st.fd;
  rd_worker_leave(&st);
  rd_detach(&st);
  CHECK_INT(rd_attach(&again, fd, err, sizeof err), 0);
  again.now_ms = START_MS;
  for (uint32_t i = 0; i < 1000; i++) CHECK(has_number(&again, 0, i));
  CHECK(arena_is_whole(&again));
  rd_detach(&again);
  CHECK(ftruncate(fd, 1 << 20) == 0);
  CHECK_INT(rd_attach(&again, fd, err, sizeof err), -1);
  CHECK(strstr(err, "torn") != NULL);
  CHECK(ftruncate(fd, 0) == 0);
  CHECK_INT(rd_attach(&again, fd, err, sizeof err), -1);
  CHECK(strstr(err, "too short") != NULL);
  CHECK(ftruncate(fd, 1 << 20) == 0);
  CHECK_INT(rd_attach(&again, fd, err, sizeof err), -1);
  CHECK(strstr(err, "not an arena") != NULL);
  close(fd);
}

/* Attaching reports what is wrong with a header. */
static void an_impossible_header_is_refused(void) {
  rd_store st = arena_new(64 * MIB, 8, RD_ALLKEYS_LRU), again;
  char err[200];
  int fd = st.fd;
  rd_worker_leave(&st);
  struct {
    void *word;
    size_t size;
    const char *said;
  } words[] = {
      {&st.head->seed[1], 8, "damaged"},
      {&st.head->num_shards, 4, "torn"},
      {&st.head->body_at, 8, "torn"},
      {&st.head->spare, 4, "damaged"},
      {&st.head->pool.fresh, 4, "more regions"},
      {&st.head->slot_of_db[0][3], 1, "map of databases"},
  };
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
    uint64_t was = 0;
    memcpy(&was, words[i].word, words[i].size);
    memset(words[i].word, 0xee, words[i].size);
    CHECK_INT(rd_attach(&again, fd, err, sizeof err), -1);
    if (strstr(err, words[i].said) == NULL) CHECK_FAIL("said: %s", err);
    memcpy(words[i].word, &was, words[i].size);
  }
  st.head->slot_of_db[0][3] = 4; /* two databases in one slot */
  CHECK_INT(rd_attach(&again, fd, err, sizeof err), -1);
  st.head->slot_of_db[0][3] = 3;
  CHECK_INT(rd_attach(&again, fd, err, sizeof err), 0);
  rd_detach(&again);
  arena_free(&st);
}

static void impossible_geometries_are_refused_with_the_reason(void) {
  rd_store st;
  char err[200];
  int fd = memfd_create("redistill-test", MFD_CLOEXEC);
  rd_options o = {.max_memory = 64 * MIB, .num_shards = 3, .policy = RD_NOEVICTION, .sample_size = 5};
  CHECK_INT(rd_create(&st, fd, &o, err, sizeof err), -1);
  CHECK(strstr(err, "power of two") != NULL);
  o.num_shards = 4096;
  CHECK_INT(rd_create(&st, fd, &o, err, sizeof err), -1);
  CHECK(strstr(err, "lower num_shards") != NULL);
  close(fd);
}

int main(void) {
  RUN(without_eviction_the_store_and_the_model_agree);
  RUN(a_store_of_one_shard_agrees_with_the_model);
  RUN(a_full_store_refuses_and_changes_nothing);
  RUN(under_lru_no_value_is_ever_wrong);
  RUN(under_lfu_no_value_is_ever_wrong);
  RUN(under_s3fifo_no_value_is_ever_wrong);
  RUN(under_volatile_ttl_no_value_is_ever_wrong);
  RUN(under_volatile_lru_only_keys_with_a_ttl_are_evicted);
  RUN(the_index_grows_through_all_heights_and_back);
  RUN(scan_returns_every_key_that_stays_while_the_index_grows_and_shrinks);
  RUN(scan_removes_expired_keys_and_returns_all_others);
  RUN(scan_accepts_any_cursor);
  RUN(a_flushed_database_is_empty_at_once_and_the_sweep_frees_its_memory);
  RUN(swapdb_exchanges_two_databases);
  RUN(a_random_key_is_found_even_among_one);
  RUN(a_key_expires_after_its_millisecond_and_not_in_it);
  RUN(the_sweep_frees_the_memory_of_expired_keys);
  RUN(setting_the_clock_hides_no_expired_key_from_the_sweep);
  RUN(a_large_value_fits_into_a_full_cache_under_every_allkeys_policy);
  RUN(a_value_larger_than_the_memory_is_refused);
  RUN(max_memory_may_be_lowered_and_raised_in_use);
  RUN(a_change_of_size_classes_keeps_the_memory_usable);
  RUN(without_eviction_scattered_free_memory_is_packed_for_larger_values);
  RUN(a_watch_sees_changes_of_its_key_and_of_no_other);
  RUN(an_arena_is_attached_again_with_its_contents);
  RUN(an_impossible_header_is_refused);
  RUN(impossible_geometries_are_refused_with_the_reason);
  return check_end();
}
