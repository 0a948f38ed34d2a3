/* test_move.c - RENAME and MOVE of values of every size: the memory that they need, what they leave behind, and the
 * cost of a death during the move. */
#include <signal.h>
#include <sys/wait.h>

#include "arena/heap.h"
#include "arena/layout.h"
#include "arena/memory.h"
#include "arena/pool.h"
#include "arena_fixture.h"
#include "check.h"
#include "store/databases.h"
#include "store/reclaim.h"
#include "store/run.h"

static uint64_t mix(uint64_t x) {
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ x >> 27) * 0x94d049bb133111ebull;
  return x ^ x >> 31;
}

static uint64_t dice_state = 1;
static uint64_t dice(uint64_t sides) { return mix(dice_state += 0x9e3779b97f4a7c15ull) % sides; }

static uint8_t *pattern(uint64_t seed, uint64_t len) {
  uint8_t *data = malloc(len + 8);
  for (uint64_t i = 0; i < len; i += 8) rd_st64(data + i, mix(seed + i));
  return data;
}

static rd_result set(rd_store *st, rd_key key, uint64_t len, int64_t expiry) {
  uint8_t *data = pattern(len, len);
  rd_lock_keys(st, &key, 1);
  rd_result r = rd_set(st, &key, data, len, expiry, RD_ENC_AUTO, RD_EVENT_SET);
  rd_unlock_all(st);
  free(data);
  return r;
}

/* True if the key has the value of this length that `set` makes. */
static bool holds(rd_store *st, rd_key key, uint64_t len, int64_t expiry) {
  uint8_t *data = pattern(len, len);
  rd_lock_keys(st, &key, 1);
  const rd_item *it = rd_find_quiet(st, &key, false);
  bool good = it != NULL && rd_item_len(it) == len && rd_item_expiry(it) == expiry;
  for (uint64_t off = 0; good && off < len;) {
    rd_bytes piece = rd_item_piece(st, it, off);
    good = memcmp(piece.data, data + off, piece.len) == 0;
    off += piece.len;
  }
  rd_unlock_all(st);
  free(data);
  return good;
}

static bool absent(rd_store *st, rd_key key) {
  rd_lock_keys(st, &key, 1);
  bool none = rd_find_quiet(st, &key, false) == NULL;
  rd_unlock_all(st);
  return none;
}

static rd_result move(rd_store *st, rd_key src, rd_key dst) {
  rd_key both[2] = {src, dst};
  rd_lock_keys(st, both, 2);
  st->may_borrow = true; /* as RENAME */
  rd_result r = rd_move(st, &src, &dst, RD_EVENT_RENAME_FROM, RD_EVENT_RENAME_TO);
  st->may_borrow = st->borrows = false;
  rd_unlock_all(st);
  return r;
}

/* A key with this prefix in this shard, or in any other. */
static rd_key key_in(rd_store *st, char name[40], const char *prefix, uint32_t shard, bool other) {
  for (unsigned i = 0;; i++) {
    rd_key key = key_of(st, name, (size_t)sprintf(name, "%s%u", prefix, i), 0);
    if ((rd_shard_of(st, key.hash) == shard) != other) return key;
  }
}

static unsigned fill(rd_store *st, uint64_t len, int64_t expiry, unsigned keys) {
  unsigned n = 0;
  bool evicts = rd_get_policy(st) > RD_NOEVICTION && rd_get_policy(st) < RD_VOLATILE_LRU;
  for (unsigned refused = 0; refused < 200 && n < keys; n++) {
    if (evicts && rd_pool_free(st) == 0) break;
    char name[40];
    rd_key key = key_of(st, name, (size_t)sprintf(name, "fill%u", n), 0);
    refused = set(st, key, len, expiry) == RD_OK ? 0 : refused + 1;
  }
  return n;
}

/* ---- the keys after a move ---- */

static void a_value_of_any_length_moves_with_its_expiry_and_replaces_the_target(void) {
  const uint64_t lengths[] = {0, 1, 100, 7900, 8200, 20000, 65000, 65472, 70000, 200000, 1000000, 9000000};
  rd_store st = arena_new(64 * MIB, 16, RD_NOEVICTION);
  for (unsigned i = 0; i < sizeof lengths / sizeof *lengths; i++) {
    for (unsigned how = 0; how < 16; how++) {
      char a[40], b[40];
      int64_t expiry = how & 1 ? (int64_t)START_MS + 100000 : RD_NO_EXPIRY;
      rd_key src = key_in(&st, a, "src", 3, false), dst = key_in(&st, b, "dst", 3, (how & 2) != 0);
      if (how & 4) CHECK_INT(set(&st, dst, how & 1 ? 50 : 300000, RD_NO_EXPIRY), RD_OK);
      if (how & 8) { /* the same key in another database */
        dst = src;
        dst.db = 5;
      }
      CHECK_INT(set(&st, src, lengths[i], expiry), RD_OK);
      CHECK_INT(move(&st, src, dst), RD_OK);
      CHECK(absent(&st, src));
      CHECK(holds(&st, dst, lengths[i], expiry));
      CHECK(arena_is_whole(&st));
      rd_flush_all(&st);
    }
  }
  CHECK_INT(st.head->pool.in_use, 0);
  arena_free(&st);
}

static void values_with_long_keys_are_moved(void) {
  rd_store st = arena_new(64 * MIB, 4, RD_NOEVICTION);
  const uint32_t lens[] = {3, 255, 256, 300, 4096, 4097, 5000, 100000};
  static uint8_t names[2][100000];
  memset(names[0], 'a', sizeof names[0]);
  memset(names[1], 'b', sizeof names[1]);
  for (unsigned i = 0; i < 8; i++) {
    for (unsigned k = 0; k < 8; k++) {
      rd_key src = key_of(&st, names[0], lens[i], 0), dst = key_of(&st, names[1], lens[k], 0);
      for (uint64_t len = 10; len < 10000000; len *= 40) {
        CHECK_INT(set(&st, src, len, RD_NO_EXPIRY), RD_OK);
        CHECK_INT(move(&st, src, dst), RD_OK);
        CHECK(absent(&st, src) && holds(&st, dst, len, RD_NO_EXPIRY));
      }
    }
  }
  CHECK(arena_is_whole(&st));
  arena_free(&st);
}

/* ---- the memory that a move needs ---- */

static void a_large_value_moves_in_a_full_cache_without_eviction(void) {
  const rd_policy policies[] = {RD_NOEVICTION, RD_ALLKEYS_LRU, RD_ALLKEYS_S3FIFO, RD_VOLATILE_TTL};
  const uint64_t lengths[] = {10 * MIB, 20 * MIB, 28 * MIB, 300000};
  const uint64_t small[] = {60, 300, 9000, 1000};
  for (unsigned p = 0; p < 4; p++) {
    for (unsigned l = 0; l < 4; l++) {
      for (unsigned f = 0; f < 4; f++) {
        rd_store st = arena_new(32 * MIB, 256, policies[p]);
        char a[40], b[40];
        rd_key src = key_in(&st, a, "src", 3, false), dst = key_in(&st, b, "dst", 3, true);
        bool late = f % 2 == 1; /* the cache was full before the value was added, if it may evict */
        unsigned keys = (unsigned)(100 * MIB / (small[f] + 50));
        if (late) fill(&st, small[f], RD_NO_EXPIRY, keys);
        bool evicts = policies[p] == RD_ALLKEYS_LRU || policies[p] == RD_ALLKEYS_S3FIFO;
        if (late && !evicts) rd_flush_all(&st);
        CHECK_INT(set(&st, src, lengths[l], RD_NO_EXPIRY), RD_OK);
        if (!late || !evicts) fill(&st, small[f], RD_NO_EXPIRY, keys);
        if (!absent(&st, src)) {
          uint64_t evicted = rd_counter(&st, RD_STAT_evicted_keys), most = rd_committed_memory(&st);
          for (int i = 0; i < 4; i++) {
            CHECK_INT(move(&st, i % 2 ? dst : src, i % 2 ? src : dst), RD_OK);
            if (rd_committed_memory(&st) > most) most = rd_committed_memory(&st);
          }
          CHECK(holds(&st, src, lengths[l], RD_NO_EXPIRY));
          CHECK_INT(rd_counter(&st, RD_STAT_evicted_keys) - evicted, 0);
          CHECK(most <= 32 * MIB);
          CHECK(arena_is_whole(&st));
        } else {
          CHECK_FAIL("policy %u, %llu bytes: it was evicted before", p, (unsigned long long)lengths[l]);
        }
        arena_free(&st);
      }
    }
  }
}

/* A value that grew in small steps among others, so that no region holds only this value. */
static void a_value_in_shared_regions_gets_regions_of_its_own_first(void) {
  rd_store st = arena_new(32 * MIB, 2, RD_NOEVICTION);
  char a[40], b[40], name[40];
  rd_key src = key_in(&st, a, "src", 0, false), dst = key_in(&st, b, "dst", 0, true);
  uint64_t len = 8 * MIB;
  uint8_t *data = pattern(len, len);
  CHECK_INT(set(&st, src, 8168, RD_NO_EXPIRY), RD_OK);
  rd_item *it;
  for (uint64_t had = 8168, i = 0; had < len; i++) {
    uint64_t more = had + 8168 < len ? had + 8168 : len;
    rd_lock_keys(&st, &src, 1);
    it = rd_find_write(&st, &src);
    CHECK_INT(rd_resize(&st, &src, &it, more, RD_ENC_RAW), RD_OK);
    rd_write(&st, &src, it, 0, data, more, RD_EVENT_NONE);
    rd_unlock_all(&st);
    had = more;
    for (unsigned k = 0; k < 2; k++) {
      rd_key other = key_of(&st, name, (size_t)sprintf(name, "other%u", (unsigned)(i * 2 + k)), 0);
      set(&st, other, 8000 - 100 * (i % 3), RD_NO_EXPIRY);
    }
  }
  free(data);
  unsigned others = fill(&st, 7000, RD_NO_EXPIRY, UINT32_MAX);
  CHECK(others > 100);
  uint64_t keys = rd_count(&st, 0);
  CHECK_INT(move(&st, src, dst), RD_OK);
  CHECK(absent(&st, src) && holds(&st, dst, len, RD_NO_EXPIRY));
  CHECK_INT(rd_count(&st, 0), keys);
  CHECK(arena_is_whole(&st));
  CHECK_INT(move(&st, dst, src), RD_OK);
  CHECK(holds(&st, src, len, RD_NO_EXPIRY));
  CHECK(arena_is_whole(&st));
  arena_free(&st);
}

/* The bytes of all blocks that were allocated: what is copied needs as many. */
static uint64_t allocated;
rd_ref __real_rd_heap_alloc(rd_store *st, uint32_t shard, uint32_t bytes, rd_kind kind);
rd_ref __wrap_rd_heap_alloc(rd_store *st, uint32_t shard, uint32_t bytes, rd_kind kind) {
  allocated += bytes;
  return __real_rd_heap_alloc(st, shard, bytes, kind);
}
rd_ref __real_rd_heap_carve(rd_store *st, uint32_t shard, rd_ref block, uint32_t bytes, rd_kind kind);
rd_ref __wrap_rd_heap_carve(rd_store *st, uint32_t shard, rd_ref block, uint32_t bytes, rd_kind kind) {
  allocated += bytes;
  return __real_rd_heap_carve(st, shard, block, bytes, kind);
}

static void moving_the_largest_value_copies_none_of_it(void) {
  rd_store st = arena_new(1200 * MIB, 256, RD_NOEVICTION);
  char a[40], b[40];
  rd_key src = key_in(&st, a, "src", 3, false), dst = key_in(&st, b, "dst", 3, true);
  CHECK_INT(set(&st, src, 512 * MIB, RD_NO_EXPIRY), RD_OK);
  rd_key both[2] = {src, dst};
  rd_lock_keys(&st, both, 2);
  allocated = 0;
  CHECK_INT(rd_copy(&st, &src, &dst, RD_EVENT_COPY_TO), RD_OK);
  CHECK(allocated > 512 * MIB);
  rd_delete(&st, &src);
  rd_unlock_all(&st);
  for (int i = 0; i < 4; i++) {
    allocated = 0;
    CHECK_INT(move(&st, i % 2 ? src : dst, i % 2 ? dst : src), RD_OK);
    /* tables of 8 bytes a chunk, and the chunks that share a region with others */
    if (allocated > MIB) CHECK_FAIL("move %d: %llu bytes", i, (unsigned long long)allocated);
  }
  CHECK(holds(&st, dst, 512 * MIB, RD_NO_EXPIRY));
  CHECK(arena_is_whole(&st));
  arena_free(&st);
}

/* ---- a death in the middle ---- */

static void a_death_during_a_move_tears_no_value_and_loses_no_region(void) {
  rd_store st = arena_new(24 * MIB, 4, RD_NOEVICTION);
  char a[40], b[40], name[40];
  rd_key keys[2] = {key_in(&st, a, "src", 1, false), key_in(&st, b, "dst", 2, false)};
  unsigned lost = 0, shards = 0;
  const uint64_t len = 3 * MIB + 12345;
  for (unsigned round = 0; round < 300; round++) {
    unsigned at = absent(&st, keys[0]) ? 1 : 0;
    if (absent(&st, keys[at])) {
      CHECK_INT(set(&st, keys[0], len, RD_NO_EXPIRY), RD_OK);
      at = 0;
    }
    for (unsigned i = 0; i < 50; i++) {
      rd_key key = key_of(&st, name, (size_t)sprintf(name, "k%u", i), 0);
      if (absent(&st, key)) set(&st, key, 1000 + i, RD_NO_EXPIRY);
    }
    pid_t pid = fork();
    if (pid == 0) {
      rd_store mine;
      char err[200];
      if (rd_attach(&mine, st.fd, err, sizeof err) != 0 || rd_worker_join(&mine, 1) < 0) _exit(1);
      mine.now_ms = START_MS;
      for (;; at ^= 1) {
        if (move(&mine, keys[at], keys[at ^ 1]) != RD_OK) _exit(2);
      }
    }
    struct timespec nap = {0, (long)(200000 + dice(3000000))};
    nanosleep(&nap, NULL);
    kill(pid, SIGKILL);
    int status;
    waitpid(pid, &status, 0);
    CHECK(WIFSIGNALED(status));
    for (uint32_t i = 0; i < 4; i++) {
      rd_lock_shard(&st, i);
      rd_unlock_shard(&st, i);
    }
    rd_pool_lock(&st);
    rd_pool_unlock(&st);
    for (uint32_t i = 0; i < RD_MAX_WORKERS; i++) rd_worker_reap(&st, i);
    bool first = !absent(&st, keys[0]), second = !absent(&st, keys[1]);
    CHECK(!(first && second));
    if (first) CHECK(holds(&st, keys[0], len, RD_NO_EXPIRY));
    if (second) CHECK(holds(&st, keys[1], len, RD_NO_EXPIRY));
    lost += !first && !second;
    CHECK(arena_is_whole(&st));
    uint64_t emptied = rd_counter(&st, RD_STAT_shards_lost);
    CHECK(emptied - shards <= 1);
    shards = (unsigned)emptied;
    if (!check_ok) break;
  }
  printf("    of 300 deaths %u cost the value, and %u a shard\n", lost, shards);
  rd_flush_all(&st);
  CHECK_INT(st.head->pool.in_use, 0);
  arena_free(&st);
}

int main(void) {
  RUN(a_value_of_any_length_moves_with_its_expiry_and_replaces_the_target);
  RUN(values_with_long_keys_are_moved);
  RUN(a_large_value_moves_in_a_full_cache_without_eviction);
  RUN(a_value_in_shared_regions_gets_regions_of_its_own_first);
  RUN(moving_the_largest_value_copies_none_of_it);
  RUN(a_death_during_a_move_tears_no_value_and_loses_no_region);
  return check_end();
}
