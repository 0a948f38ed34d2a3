/* test_build.c - new values of collections that are built aside, and then take their key's place in one step. */
#include "faults.h"
#include "oracle.h"
#include "store/coll.h"
#include "store/event.h"
#include "store/evict.h"
#include "store/expire.h"
#include "store/internal.h"
#include "store/kinds.h"
#include "store/reclaim.h"
#include "store/tree.h"
#include "store/type.h"
#include "types/string.h"

#define ENTRY 16u
#define MOST 200u /* entries */

static uint32_t entry_size(const uint8_t *at, const uint8_t *end) {
  return end - at < ENTRY || *at != ENTRY ? 0 : ENTRY;
}
static const rd_coll_kind listed = {.run_max = 2048, .size = entry_size};
static const char *encoding(rd_store *st, const rd_item *it) {
  (void)st;
  (void)it;
  return "toy";
}

/* In place of types/types.c. */
const rd_type_row rd_types[RD_TYPES] = {
    [RD_STRING] = {.type = RD_STRING, .name = "string", .encodings = RD_ENC_TEXT + 1, .encoding = rd_string_encoding},
    [RD_LIST] = {.type = RD_LIST, .name = "list", RD_COLL_ROW, .encoding = encoding, .coll = {&listed}},
};
const rd_type_row rd_hll_row = {.type = RD_STRING, .name = "string", .is = rd_string_is_hll, .is_not = "WRONGTYPE no"};
const rd_kind_row rd_kinds[RD_KINDS] = {RD_STORE_KINDS};
#define ROW (&rd_types[RD_LIST])

/* The events, one letter each. */
static char events[64];
static void hear(void *arg, rd_store *st, const rd_change *change) {
  (void)arg;
  (void)st;
  size_t n = strlen(events);
  if (n + 1 >= sizeof events || change->event == RD_EVENT_NONE) return;
  events[n] = change->event == RD_EVENT_NEW       ? 'n'
              : change->event == RD_EVENT_LPUSH   ? 'l'
              : change->event == RD_EVENT_DEL     ? 'd'
              : change->event == RD_EVENT_EXPIRED ? 'x'
                                                  : '?';
  events[n + 1] = 0;
}

typedef struct bench {
  rd_store st;
  int fd;
  rd_key key;
  rd_coll c;
} bench;

static void open_bench(bench *b, uint64_t memory, rd_policy policy) {
  b->fd = rig_open(&b->st, memory, 1, policy);
  b->key = rd_key_of(&b->st, (rd_bytes){(const uint8_t *)"the key", 7}, 0);
  rd_lock_shard(&b->st, 0);
  rd_listen(&b->st, UINT32_MAX, hear, NULL);
  events[0] = 0;
}

static void whole(rd_store *st) {
  char err[300] = "";
  CHECK_INT(rd_check(st, err, sizeof err), 0);
  if (err[0] != 0) printf("      %s\n", err);
}

static void close_bench(bench *b) {
  rd_unlock_all(&b->st);
  rig_close(&b->st, b->fd);
}

static rd_result add(rd_coll *c, uint32_t n) {
  uint8_t entry[ENTRY] = {ENTRY};
  rd_st32(entry + 1, n);
  rd_pos p;
  rd_coll_first(c, &p);
  return rd_coll_insert(c, &p, entry, ENTRY);
}

/* The key has the value that begins with entry n - 1, and has n of them. */
static void expect_list(bench *b, uint32_t n, int64_t expiry) {
  rd_item *it = rd_find_quiet(&b->st, &b->key, false);
  CHECK(it != NULL && rd_item_type(it) == RD_LIST && rd_item_expiry(it) == expiry);
  rd_coll c;
  rd_pos p;
  rd_coll_open(&c, &b->st, &b->key, it, ROW);
  CHECK_INT(rd_coll_count(&c), n);
  uint32_t i = n;
  for (bool more = rd_coll_first(&c, &p); more; more = rd_coll_next(&c, &p)) CHECK_INT(rd_ld32(p.at + 1), --i);
}

static void expect_text(bench *b, const char *text) {
  rd_item *it = rd_find_quiet(&b->st, &b->key, false);
  CHECK(it != NULL && rd_item_type(it) == RD_STRING);
  if (it != NULL) CHECK_TEXT(rd_item_flat(it), (size_t)rd_item_len(it), text);
}

static uint32_t kept(const bench *b) { return rd_shard_at(&b->st, 0)->index[RD_KEPT_SLOT].count; }

static void the_new_value_replaces_the_old_one_in_one_step(void) {
  for (int before = 0; before < 4; before++) {
    for (int timed = 0; timed < 2; timed++) {
      bench b;
      open_bench(&b, 8u << 20, RD_ALLKEYS_S3FIFO);
      int64_t expiry = before == 2   ? (int64_t)b.st.now_ms + 5000
                       : before == 3 ? (int64_t)b.st.now_ms + 1
                                     : RD_NO_EXPIRY;
      if (before > 0) rd_set(&b.st, &b.key, "old", 3, expiry, RD_ENC_AUTO, RD_EVENT_NONE);
      events[0] = 0;
      rd_coll_build(&b.c, &b.st, &b.key, ROW);
      for (uint32_t n = 0; n < MOST; n++) {
        CHECK_INT(add(&b.c, n), RD_OK);
        if (before > 0)
          expect_text(&b, "old");
        else
          CHECK(rd_find_quiet(&b.st, &b.key, false) == NULL);
      }
      rd_mark_clean(&b.st);
      whole(&b.st);
      CHECK_TEXT(events, strlen(events), "");
      if (before == 3) b.st.now_ms += 2;
      int64_t wanted = timed ? (int64_t)b.st.now_ms + 100 : RD_NO_EXPIRY;
      CHECK_INT(rd_coll_hook(&b.c, wanted, RD_EVENT_LPUSH), RD_OK);
      CHECK_TEXT(events, strlen(events), before == 0 ? "nl" : before == 3 ? "xnl" : "l");
      CHECK_INT(kept(&b), 0);
      expect_list(&b, MOST, wanted);
      CHECK_INT(add(&b.c, MOST), RD_OK); /* it is open as the key's value */
      expect_list(&b, MOST + 1, wanted);
      close_bench(&b);
    }
  }
}

static void an_abandoned_or_empty_value_leaves_nothing(void) {
  for (int what = 0; what < 6; what++) {
    bench b;
    open_bench(&b, 8u << 20, RD_NOEVICTION);
    rd_set(&b.st, &b.key, "old", 3, RD_NO_EXPIRY, RD_ENC_AUTO, RD_EVENT_NONE);
    uint64_t used = rd_shard_at(&b.st, 0)->heap.used;
    events[0] = 0;
    rd_coll_build(&b.c, &b.st, &b.key, ROW);
    for (uint32_t n = 0; what % 3 > 0 && n < 10; n++) CHECK_INT(add(&b.c, n), RD_OK);
    if (what % 3 == 2) rd_coll_remove_range(&b.c, 0, 10, NULL, NULL);
    if (what < 3) {
      rd_coll_abandon(&b.c);
      expect_text(&b, "old");
      CHECK_INT(rd_shard_at(&b.st, 0)->heap.used, used);
      CHECK_TEXT(events, strlen(events), "");
    } else if (what != 4) {
      CHECK_INT(rd_coll_hook(&b.c, RD_NO_EXPIRY, RD_EVENT_LPUSH), RD_OK);
      CHECK(rd_find_quiet(&b.st, &b.key, false) == NULL);
      CHECK_TEXT(events, strlen(events), "d");
    } else {
      rd_coll_abandon(&b.c);
    }
    CHECK_INT(kept(&b), 0);
    CHECK(!b.st.builds);
    close_bench(&b);
  }
}

/* Each allocation fails in turn, alone or with all that follow. */
static void without_memory_the_old_value_stays(void) {
  for (int scene = 0; scene < 8; scene++) {
    bool once = scene & 1, timed = scene & 2, old = scene & 4;
    uint64_t refused = 0;
    for (uint64_t at = 0;; at++) {
      bench b;
      open_bench(&b, 8u << 20, RD_NOEVICTION);
      if (old) rd_set(&b.st, &b.key, "old", 3, RD_NO_EXPIRY, RD_ENC_AUTO, RD_EVENT_NONE);
      uint64_t used = rd_shard_at(&b.st, 0)->heap.used;
      int64_t expiry = timed ? (int64_t)b.st.now_ms + 100 : RD_NO_EXPIRY;
      fault_arm(&arena_fault, at, once);
      rd_coll_build(&b.c, &b.st, &b.key, ROW);
      rd_result done = RD_OK;
      for (uint32_t n = 0; done == RD_OK && n < MOST; n++) done = add(&b.c, n);
      if (done == RD_OK) done = rd_coll_hook(&b.c, expiry, RD_EVENT_LPUSH);
      fault_disarm(&arena_fault);
      bool again = done != RD_OK && b.c.item != NULL && rd_coll_count(&b.c) == MOST;
      if (done != RD_OK) {
        CHECK(b.c.wanted > 0);
        if (old) expect_text(&b, "old");
        rd_mark_clean(&b.st);
        whole(&b.st);
        refused++;
      }
      if (again && at % 2 == 0) { /* hooked again */
        CHECK(rd_coll_reserve(&b.c) && rd_coll_hook(&b.c, expiry, RD_EVENT_LPUSH) == RD_OK);
        done = RD_OK;
        expect_list(&b, MOST, expiry);
      } else if (done != RD_OK) {
        rd_coll_abandon(&b.c);
        if (old) CHECK_INT(rd_shard_at(&b.st, 0)->heap.used, used);
      } else {
        expect_list(&b, MOST, expiry);
      }
      uint64_t hits = arena_fault.hits;
      close_bench(&b);
      if (hits == 0 || !check_ok) break;
    }
    CHECK(refused > 3 || once);
  }
}

/* Making room meanwhile evicts and moves others, but not the value that is built. */
static void making_room_leaves_the_value_alone(void) {
  static const rd_policy policies[] = {RD_ALLKEYS_LRU, RD_ALLKEYS_S3FIFO, RD_ALLKEYS_RANDOM, RD_ALLKEYS_LFU};
  for (size_t i = 0; i < sizeof policies / sizeof *policies; i++) {
    bench b;
    open_bench(&b, 2u << 20, policies[i]);
    rd_coll_build(&b.c, &b.st, &b.key, ROW);
    for (uint32_t n = 0; n < 3000; n++) {
      if (n < MOST) CHECK_INT(add(&b.c, n), RD_OK);
      char name[20];
      rd_key key = rd_key_of(&b.st, (rd_bytes){(const uint8_t *)name, (size_t)sprintf(name, "%u", n)}, 0);
      CHECK_INT(rd_set(&b.st, &key, NULL, n * 37 % 5000, RD_NO_EXPIRY, RD_ENC_AUTO, RD_EVENT_NONE), RD_OK);
      CHECK_INT(kept(&b), 1);
    }
    for (uint32_t r = 0; r < b.st.head->pool.fresh; r++) {
      if (b.st.regions[r].owner == 0) continue;
      rd_mark_clean(&b.st);
      rd_empty_region(&b.st, 0, r);
    }
    CHECK(rd_counter(&b.st, RD_STAT_evicted_keys) > 1000);
    b.c.wanted = 100000;
    rd_coll_reserve(&b.c);
    CHECK_INT(rd_coll_hook(&b.c, RD_NO_EXPIRY, RD_EVENT_LPUSH), RD_OK);
    expect_list(&b, MOST, RD_NO_EXPIRY);
    close_bench(&b);
  }
}

/* A process dies between two changes: the sweep, or the next command that builds, removes what it left. */
static void what_a_dead_process_built_is_removed(void) {
  for (int what = 0; what < 2; what++) {
    bench b;
    open_bench(&b, 8u << 20, RD_NOEVICTION);
    rd_coll_build(&b.c, &b.st, &b.key, ROW);
    for (uint32_t n = 0; n < MOST; n++) CHECK_INT(add(&b.c, n), RD_OK);
    rd_mark_clean(&b.st);
    b.st.builds = false;
    rd_unlock_all(&b.st);
    if (what == 0) {
      for (int n = 0; n < 100; n++) rd_sweep(&b.st, 0, 1, 0);
    } else {
      rd_lock_shard(&b.st, 0);
      rd_coll_build(&b.c, &b.st, &b.key, ROW);
      CHECK_INT(kept(&b), 0);
      rd_coll_abandon(&b.c);
    }
    CHECK_INT(kept(&b), 0);
    rd_lock_shard(&b.st, 0);
    CHECK(rd_find_quiet(&b.st, &b.key, false) == NULL);
    close_bench(&b);
  }
}

int main(void) {
  RUN(the_new_value_replaces_the_old_one_in_one_step);
  RUN(an_abandoned_or_empty_value_leaves_nothing);
  RUN(without_memory_the_old_value_stays);
  RUN(making_room_leaves_the_value_alone);
  RUN(what_a_dead_process_built_is_removed);
  return check_end();
}
