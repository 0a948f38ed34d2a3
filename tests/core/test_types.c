/* test_types.c - the table of types: the store with a type of the test's own. A toy list is a chain of blocks; the
 * first block names the item. Whatever happens to its key, the store releases, copies, moves, evicts and verifies the
 * chain only through the type's row. */
#include "arena/heap.h"
#include "oracle.h"
#include "store/big.h"
#include "store/check.h"
#include "store/evict.h"
#include "store/expire.h"
#include "store/grave.h"
#include "store/index.h"
#include "store/internal.h"
#include "store/kinds.h"
#include "store/reclaim.h"
#include "store/type.h"
#include "types/string.h"

#define TOY ((rd_kind)20)
#define NESTED 1u /* the encoding */

typedef struct toy {
  rd_blk blk;
  uint32_t number;
  rd_ref before; /* the item's, in the first one */
  rd_ref next;
  uint32_t value[];
} toy;

static toy *toy_at(const rd_store *st, rd_ref ref) { return rd_at(st, ref); }
static rd_ref root_of(const rd_store *st, const rd_item *it) {
  rd_ref root;
  rd_item_read((rd_store *)(uintptr_t)st, it, 0, &root, sizeof root);
  return root;
}
static void set_root(rd_store *st, rd_item *it, rd_ref root) { rd_item_store(st, it, 0, &root, sizeof root); }
static uint32_t toy_words(uint32_t number) { return 2 + number * 37 % 400; }
static uint32_t toy_bytes(uint32_t number) { return (uint32_t)sizeof(toy) + toy_words(number) * 4; }

static const char *toy_encoding(rd_store *st, const rd_item *it) {
  (void)st;
  return rd_item_encoding(it) == NESTED ? "chain" : "flat";
}

static uint64_t toy_sum(const rd_store *st, const rd_item *it) {
  uint64_t bytes = 0;
  for (rd_ref at = root_of(st, it); at != 0; at = toy_at(st, at)->next) bytes += rd_blk_bytes(toy_at(st, at)->blk);
  return bytes;
}

static unsigned released; /* toys, in all releases */

static uint32_t toy_release(rd_store *st, uint32_t shard, rd_item *it, uint32_t most) {
  uint32_t n = 0;
  for (rd_ref at = root_of(st, it); at != 0 && n < most; n++) {
    rd_ref next = toy_at(st, at)->next;
    rd_heap_release(st, shard, at);
    set_root(st, it, at = next);
    if (at != 0) toy_at(st, at)->before = rd_ref_of(st, it);
  }
  released += n;
  return n;
}

/* Add blocks up to number `want` - 1, copied from `like`, or with contents made from their numbers. */
static bool toy_grow(rd_store *st, uint32_t shard, rd_item *it, uint32_t want, uint32_t seed) {
  rd_ref before = rd_ref_of(st, it);
  set_root(st, it, 0);
  for (uint32_t i = 0; i < want; i++) {
    rd_ref ref = rd_heap_alloc(st, shard, toy_bytes(i), TOY);
    if (ref == 0) {
      toy_release(st, shard, it, UINT32_MAX);
      return false;
    }
    toy *t = toy_at(st, ref);
    t->number = i;
    t->before = before;
    t->next = 0;
    for (uint32_t w = 0; w < toy_words(i); w++) t->value[w] = seed + i * 1000 + w;
    if (i == 0)
      set_root(st, it, ref);
    else
      toy_at(st, before)->next = ref;
    before = ref;
  }
  return true;
}

static uint32_t toy_length(const rd_store *st, const rd_item *it) {
  uint32_t n = 0;
  for (rd_ref at = root_of(st, it); at != 0; at = toy_at(st, at)->next) n++;
  return n;
}

static bool toy_copy(rd_store *st, uint32_t shard, rd_item *it, const rd_item *from) {
  return toy_grow(st, shard, it, toy_length(st, from), toy_at(st, root_of(st, from))->value[0]);
}

static void toy_moved(rd_store *st, rd_item *it) {
  if (root_of(st, it) != 0) toy_at(st, root_of(st, it))->before = rd_ref_of(st, it);
}

static void toy_check(struct rd_walk *w, const rd_item *it) {
  const rd_store *st = rd_walk_store(w);
  if (!rd_walk_expect(w, rd_item_len(it) == sizeof(rd_ref), "a toy list without a root")) return;
  rd_ref before = rd_ref_of(st, it), at = root_of(st, it);
  for (uint32_t i = 0; at != 0; i++) {
    if (!rd_walk_reach(w, at, TOY, sizeof(toy))) return;
    if (i == 0) i = toy_at(st, at)->number; /* some may be released already */
    bool knows = toy_at(st, at)->number == i && toy_at(st, at)->before == before;
    if (!rd_walk_expect(w, knows, "a toy that does not know its place")) return;
    before = at;
    at = toy_at(st, at)->next;
  }
}

static rd_ref toy_item(const rd_store *st, rd_ref block) {
  while (rd_blk_kind(*rd_blk_at(st, block)) == TOY) block = toy_at(st, block)->before;
  return block;
}

static unsigned toys_moved;

static bool toy_move(rd_store *st, uint32_t shard, rd_ref block) {
  rd_ref to = rd_block_copy(st, shard, block);
  if (to == 0) return false;
  const toy *t = toy_at(st, to);
  if (rd_blk_kind(*rd_blk_at(st, t->before)) == RD_ITEM)
    set_root(st, rd_at(st, t->before), to);
  else
    toy_at(st, t->before)->next = to;
  if (t->next != 0) toy_at(st, t->next)->before = to;
  rd_heap_release(st, shard, block);
  toys_moved++;
  return true;
}

/* In place of types/types.c. */
const rd_type_row rd_types[RD_TYPES] = {
    [RD_STRING] = {.type = RD_STRING, .name = "string", .encodings = RD_ENC_TEXT + 1, .encoding = rd_string_encoding},
    [RD_LIST] = {.type = RD_LIST,
                 .name = "list",
                 .encodings = 2,
                 .nested = 1u << NESTED,
                 .encoding = toy_encoding,
                 .bytes = toy_sum,
                 .release = toy_release,
                 .copy = toy_copy,
                 .moved = toy_moved,
                 .check = toy_check},
};
const rd_type_row rd_hll_row = {.type = RD_STRING,
                                .name = "string",
                                .is = rd_string_is_hll,
                                .is_not = "WRONGTYPE no",
                                .encoding = rd_string_encoding};
const rd_kind_row rd_kinds[RD_KINDS] = {RD_STORE_KINDS, [TOY] = {toy_item, toy_move}};

/* ---- lists in a store ---- */

static rd_key key_named(rd_store *st, const char *name, unsigned db) {
  return rd_key_of(st, (rd_bytes){(const uint8_t *)name, strlen(name)}, db);
}

/* Make the key a list of `length` toys. false: no memory. */
static bool put_list(rd_store *st, const char *name, uint32_t length, uint32_t seed) {
  rd_key key = key_named(st, name, 0);
  uint32_t shard = rd_shard_of(st, key.hash);
  rd_lock_shard(st, shard);
  bool done = rd_set(st, &key, "12345678", 8, RD_NO_EXPIRY, RD_ENC_AUTO, RD_EVENT_SET) == RD_OK;
  if (done) {
    rd_item *it = rd_find_quiet(st, &key, false);
    done = toy_grow(st, shard, it, length, seed);
    if (done)
      rd_item_set_type(it, RD_LIST, NESTED);
    else
      rd_delete(st, &key);
  }
  rd_unlock_all(st);
  return done;
}

/* The length of the list, if it is whole; -1: there is none; -2: it is damaged. */
static int list_length(rd_store *st, const char *name, unsigned db, uint32_t seed) {
  rd_key key = key_named(st, name, db);
  rd_lock_shard(st, rd_shard_of(st, key.hash));
  const rd_item *it = rd_find_quiet(st, &key, false);
  int n = it == NULL || rd_item_type(it) != RD_LIST ? -1 : 0;
  for (rd_ref at = n == 0 ? root_of(st, it) : 0; at != 0 && n >= 0; at = toy_at(st, at)->next) {
    const toy *t = toy_at(st, at);
    bool right = t->number == (uint32_t)n;
    for (uint32_t w = 0; w < toy_words(t->number); w++) right = right && t->value[w] == seed + t->number * 1000 + w;
    n = right ? n + 1 : -2;
  }
  rd_unlock_all(st);
  return n;
}

static void expect_whole(rd_store *st) {
  char err[300] = "";
  CHECK_INT(rd_check(st, err, sizeof err), 0);
  if (err[0] != 0) printf("      %s\n", err);
}

static uint64_t used_after(rd_store *st) {
  uint64_t used = 0;
  for (uint32_t i = 0; i < st->num_shards; i++) used += rd_shard_at(st, i)->heap.used;
  return used;
}

static void sweep_all(rd_store *st) {
  for (int n = 0; n < 500; n++) rd_sweep(st, 0, st->num_shards, 0);
}

static void commands_show_the_names_of_the_type(void) {
  rd_store st;
  int fd = rig_open(&st, 16u << 20, 4, RD_NOEVICTION);
  rig_client c = rig_client_new(&st, NULL);
  put_list(&st, "toys", 10, 7);
  RIG_ASK(&c, "TYPE toys\r\n", "+list\r\n");
  RIG_ASK(&c, "OBJECT ENCODING toys\r\n", "$5\r\nchain\r\n");
  RIG_ASK(&c, "GET toys\r\n", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n");
  RIG_ASK(&c, "APPEND toys x\r\n", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n");
  RIG_ASK(&c, "PFADD toys x\r\n", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n");
  RIG_ASK(&c, "SET s x\r\nPFADD s x\r\nMGET toys s\r\n", "+OK\r\n-WRONGTYPE no\r\n*2\r\n$-1\r\n$1\r\nx\r\n");
  RIG_ASK(&c, "SCAN 0 TYPE list COUNT 1000\r\n", "*2\r\n$1\r\n0\r\n*1\r\n$4\r\ntoys\r\n");
  RIG_ASK(&c, "SCAN 0 TYPE zset COUNT 1000\r\n", "*2\r\n$1\r\n0\r\n*0\r\n");
  rd_key key = key_named(&st, "toys", 0);
  const rd_item *it = rd_find_quiet(&st, &key, false);
  CHECK(rd_item_memory(&st, it) > toy_sum(&st, it) + rd_blk_bytes(it->blk));
  rig_client_free(&c);
  rig_close(&st, fd);
}

static const char *long_name(void) {
  static char name[6000];
  memset(name, 'k', sizeof name - 1);
  return name;
}

/* Each way of removing a value releases its blocks; rd_check would find a remaining block. */
static void all_blocks_of_a_deleted_value_are_released(void) {
  static const char *const ends[] = {"DEL %s\r\n",
                                     "UNLINK %s\r\n",
                                     "SET %s x\r\n",
                                     "SET %s x EX 50\r\n",
                                     "MSET %s x other y\r\n",
                                     "FLUSHALL\r\n",
                                     "FLUSHDB\r\n",
                                     "EXPIRE %s -1\r\n",
                                     "SET x y\r\nRENAME x %s\r\n",
                                     "SET x y\r\nCOPY x %s REPLACE\r\n",
                                     "BITOP NOT %s none\r\n"};
  static char ask[16000];
  for (size_t i = 0; i < 2 * sizeof ends / sizeof *ends; i++) {
    rd_store st;
    int fd = rig_open(&st, 16u << 20, 4, RD_NOEVICTION);
    rig_client c = rig_client_new(&st, NULL);
    const char *name = i % 2 == 0 ? "toys" : long_name();
    CHECK(put_list(&st, name, 300, 7));
    uint64_t used = used_after(&st);
    expect_whole(&st);
    snprintf(ask, sizeof ask, ends[i / 2], name);
    rig_say(&c, ask);
    sweep_all(&st);
    CHECK_INT(list_length(&st, name, 0, 7), -1);
    CHECK(used_after(&st) + 100000 < used);
    rig_client_free(&c);
    rig_close(&st, fd);
    if (!check_ok) printf("      after %.40s\n", ask);
  }
}

static void rename_and_move_take_the_value_along(void) {
  for (int n = 0; n < 24; n++) {
    char ask[200], name[20];
    rd_store st;
    int fd = rig_open(&st, 16u << 20, 4, RD_NOEVICTION);
    rig_client c = rig_client_new(&st, NULL);
    snprintf(name, sizeof name, "to:%d", n);
    CHECK(put_list(&st, "toys", 200, 5));
    uint64_t used = used_after(&st);
    snprintf(ask, sizeof ask, "RENAME toys %s\r\nPERSIST %s\r\nCOPY %s copy\r\n", name, name, name);
    RIG_ASK(&c, "EXPIRE toys 100\r\n", ":1\r\n");
    expect_whole(&st);
    RIG_ASK(&c, ask, "+OK\r\n:1\r\n:1\r\n");
    CHECK_INT(list_length(&st, "toys", 0, 5), -1);
    CHECK_INT(list_length(&st, name, 0, 5), 200);
    CHECK_INT(list_length(&st, "copy", 0, 5), 200);
    expect_whole(&st);
    snprintf(ask, sizeof ask, "MOVE %s 1\r\nRENAME copy %s\r\n", name, name);
    RIG_ASK(&c, ask, ":1\r\n+OK\r\n");
    CHECK_INT(list_length(&st, name, 0, 5), 200);
    CHECK_INT(list_length(&st, name, 1, 5), 200);
    snprintf(ask, sizeof ask, "SELECT 1\r\nDEL %s\r\nSELECT 0\r\nRENAME %s toys\r\n", name, name);
    RIG_ASK(&c, ask, "+OK\r\n:1\r\n+OK\r\n+OK\r\n");
    sweep_all(&st);
    CHECK(used_after(&st) < used + 20000);
    rig_client_free(&c);
    rig_close(&st, fd);
  }
}

/* Values that an MSET without memory had replaced are restored. */
static void a_restored_value_has_its_blocks(void) {
  rd_store st;
  int fd = rig_open(&st, 16u << 20, 4, RD_NOEVICTION);
  CHECK(put_list(&st, "toys", 200, 5));
  rd_key key = key_named(&st, "toys", 0);
  rd_lock_shard(&st, rd_shard_of(&st, key.hash));
  rd_kept kept;
  rd_keep_begin(&st);
  CHECK_INT(rd_set_keeping(&st, &key, "x", 1, RD_NO_EXPIRY, &kept), RD_OK);
  CHECK_INT(kept, RD_KEPT_VALUE);
  rd_restore_kept(&st, &key, kept);
  rd_unlock_all(&st);
  CHECK_INT(list_length(&st, "toys", 0, 5), 200);
  expect_whole(&st);
  rd_lock_shard(&st, rd_shard_of(&st, key.hash));
  uint64_t used = used_after(&st);
  rd_keep_begin(&st);
  CHECK_INT(rd_set_keeping(&st, &key, "x", 1, RD_NO_EXPIRY, &kept), RD_OK);
  rd_forget_kept(&st, &key, kept);
  rd_unlock_all(&st);
  sweep_all(&st);
  CHECK(used_after(&st) + 100000 < used);
  rig_close(&st, fd);
}

/* In a store that is full lists are evicted whole, or moved block by block; others stay whole. */
static void full_stores_keep_lists_whole(void) {
  static const rd_policy policies[] = {RD_ALLKEYS_LRU, RD_ALLKEYS_S3FIFO, RD_VOLATILE_LRU, RD_NOEVICTION};
  for (size_t p = 0; p < sizeof policies / sizeof *policies; p++) {
    rd_store st;
    int fd = rig_open(&st, 4u << 20, 2, policies[p]);
    rig_client c = rig_client_new(&st, NULL);
    static char ask[9000];
    toys_moved = 0;
    for (unsigned n = 0; n < 400; n++) {
      char name[20];
      snprintf(name, sizeof name, "list:%u", n);
      if (n % 4 == 0) put_list(&st, name, 1 + n % 60, n);
      snprintf(ask, sizeof ask, "SET s:%u %0*u%s\r\n", n, (int)(n * 97 % 8000) + 1, n, n % 3 == 0 ? " EX 100" : "");
      rig_say(&c, ask);
      if (n % 5 == 0) snprintf(ask, sizeof ask, "COPY list:%u again:%u\r\n", n / 8 * 4, n), rig_say(&c, ask);
      if (n % 7 == 0) snprintf(ask, sizeof ask, "RENAME again:%u more:%u\r\n", n - 7, n), rig_say(&c, ask);
      if (n % 9 == 0) snprintf(ask, sizeof ask, "DEL s:%u\r\n", n / 2), rig_say(&c, ask);
    }
    expect_whole(&st);
    for (uint32_t r = 0; r < st.head->pool.fresh; r++) {
      uint32_t owner = st.regions[r].owner;
      if (owner == 0) continue;
      rd_lock_shard(&st, owner - 1);
      st.keeps_all = true;
      rd_empty_region(&st, owner - 1, r);
      st.keeps_all = false;
      rd_unlock_all(&st);
    }
    CHECK(toys_moved > 20);
    rd_set_max_memory(&st, 3u << 20);
    for (int n = 0; n < 100; n++) rd_shrink_step(&st, 4);
    expect_whole(&st);
    unsigned there = 0;
    for (unsigned n = 0; n < 400; n += 4) {
      char name[20];
      snprintf(name, sizeof name, "list:%u", n);
      int length = list_length(&st, name, 0, n), whole = (int)(1 + n % 60);
      CHECK(length == -1 || length == whole);
      there += length > 0;
    }
    CHECK(there > 0);
    rig_client_free(&c);
    rig_close(&st, fd);
  }
}

/* A hole of one block does not justify evicting a value of a thousand: a large value at its edge is moved. */
static void no_large_value_is_evicted_for_a_small_hole(void) {
  unsigned lost = 0;
  for (unsigned round = 0; round < 8; round++) {
    rd_store st;
    int fd = rig_open(&st, 4u << 20, 1, RD_ALLKEYS_LRU);
    rig_client c = rig_client_new(&st, NULL);
    static char ask[9000];
    for (unsigned n = 0; n < 9000; n++) {
      if (n == 500) put_list(&st, "toys", 300 + round, 1);
      if (n == 700) rig_say(&c, "SETRANGE large 400000 x\r\n");
      snprintf(ask, sizeof ask, "SET s:%u %0*u\r\n", n, n < 6000 ? 100 : (int)(n * 97 % 7000) + 1, n);
      rig_say(&c, ask);
      st.now_ms += 200;
      if (n % 4 == 0) rig_say(&c, "TOUCH toys large\r\n");
    }
    c.len = 0;
    rig_say(&c, "EXISTS toys large\r\n");
    lost += c.out[1] != '2';
    expect_whole(&st);
    rig_client_free(&c);
    rig_close(&st, fd);
  }
  CHECK_INT(lost, 0);
}

/* A copy for which there is no memory leaves nothing behind. */
static void a_copy_without_memory_leaves_nothing_behind(void) {
  rd_store st;
  int fd = rig_open(&st, 3u << 20, 2, RD_NOEVICTION);
  rig_client c = rig_client_new(&st, NULL);
  CHECK(put_list(&st, "toys", 600, 5));
  unsigned refused = 0;
  for (int n = 0; n < 12; n++) {
    char ask[100];
    snprintf(ask, sizeof ask, "COPY toys copy:%d\r\n", n);
    c.len = 0;
    rig_say(&c, ask);
    refused += c.len > 0 && c.out[0] == '-';
    snprintf(ask, sizeof ask, "copy:%d", n);
    int length = list_length(&st, ask, 0, 5);
    CHECK(length == 600 || length == -1);
    expect_whole(&st);
  }
  CHECK(refused > 2);
  rig_client_free(&c);
  rig_close(&st, fd);
}

static void a_release_may_take_several_steps(void) {
  rd_store st;
  int fd = rig_open(&st, 16u << 20, 1, RD_NOEVICTION);
  CHECK(put_list(&st, "toys", 100, 5));
  rd_key key = key_named(&st, "toys", 0);
  rd_lock_shard(&st, 0);
  rd_item *it = rd_find_quiet(&st, &key, false);
  CHECK_INT(rd_types[RD_LIST].release(&st, 0, it, 64), 64);
  CHECK_INT(rd_types[RD_LIST].release(&st, 0, it, 64), 36);
  rd_delete(&st, &key);
  rd_unlock_all(&st);
  rig_close(&st, fd);
}

/* ---- graves ---- */

static uint32_t graves(const rd_store *st) {
  uint32_t n = 0;
  for (uint32_t i = 0; i < st->num_shards; i++) n += rd_shard_at(st, i)->index[RD_GRAVE_SLOT].count;
  return n;
}

/* Each way to lose a large value releases one step's blocks; the sweep releases the others, in steps. */
static void a_large_value_is_released_in_steps(void) {
  static const char *const ends[] = {"DEL toys\r\n",
                                     "SET toys x\r\n",
                                     "MSET toys x other y\r\n",
                                     "SET x y\r\nRENAME x toys\r\n",
                                     "COPY other toys REPLACE\r\n",
                                     "PEXPIRE toys -1\r\n",
                                     "FLUSHDB\r\n",
                                     "PEXPIRE toys 1\r\n"};
  for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
    rd_store st;
    int fd = rig_open(&st, 64u << 20, 4, RD_NOEVICTION);
    rig_client c = rig_client_new(&st, NULL);
    rig_say(&c, "SET other x\r\nSELECT 1\r\nSET other x\r\nSELECT 0\r\n");
    CHECK(put_list(&st, "toys", 3000, 7));
    released = 0;
    rig_say(&c, ends[i]);
    st.now_ms += 10;
    CHECK(released <= RD_GRAVE_STEP);
    expect_whole(&st);
    unsigned steps = 0;
    for (unsigned before = 0; steps < 500 && released < 3000; steps++, before = released) {
      rd_sweep(&st, 0, 4, 0);
      if (steps == 20) expect_whole(&st);
      CHECK(released - before <= 5 * RD_GRAVE_STEP);
    }
    CHECK(steps > 3000 / (5 * RD_GRAVE_STEP));
    CHECK_INT(released, 3000);
    sweep_all(&st);
    CHECK_INT(graves(&st), 0);
    CHECK_INT(list_length(&st, "toys", 0, 7), -1);
    rig_client_free(&c);
    rig_close(&st, fd);
    if (!check_ok) printf("      after %s", ends[i]);
  }
}

/* The same key many times; in a store that is emptied, or opened again meanwhile; their blocks can be moved. */
static void graves_are_part_of_the_arena(void) {
  for (int what = 0; what < 5; what++) {
    rd_store st;
    char err[200] = "";
    int fd = rig_open(&st, 64u << 20, 2, RD_NOEVICTION);
    rig_client c = rig_client_new(&st, NULL);
    rig_say(&c, "SET kept x\r\n");
    uint64_t used = used_after(&st);
    for (int n = 0; n < 40; n++) {
      const char *name = n % 4 == 3 ? "more" : "toys";
      CHECK(put_list(&st, name, 100 + (uint32_t)n, 7));
      rig_say(&c, "DEL toys more\r\n");
    }
    CHECK_INT(graves(&st), 40);
    expect_whole(&st);
    c.len = 0;
    rig_say(&c, "DBSIZE\r\n");
    CHECK_TEXT(c.out, c.len, ":1\r\n");
    if (what == 1) rig_say(&c, "FLUSHALL\r\n");
    if (what == 2) rig_say(&c, "FLUSHDB\r\n");
    if (what == 1 || what == 2) CHECK_INT(graves(&st), 0);
    if (what == 3) {
      rig_client_free(&c);
      rd_worker_leave(&st);
      rd_detach(&st);
      CHECK_INT(rd_attach_alone(&st, fd, err, sizeof err), 0);
      CHECK(rd_worker_join(&st, 0) == 0);
      st.now_ms = 1700000000000;
      c = rig_client_new(&st, NULL);
      CHECK_INT(graves(&st), 40);
    }
    if (what == 4) {
      toys_moved = 0;
      for (uint32_t r = 0; r < st.head->pool.fresh; r++) {
        uint32_t owner = st.regions[r].owner;
        if (owner == 0) continue;
        rd_lock_shard(&st, owner - 1);
        st.keeps_all = true;
        rd_empty_region(&st, owner - 1, r);
        st.keeps_all = false;
        rd_unlock_all(&st);
        expect_whole(&st);
      }
      CHECK(toys_moved > 100);
    }
    expect_whole(&st);
    sweep_all(&st);
    CHECK_INT(graves(&st), 0);
    CHECK(used_after(&st) <= used);
    rig_client_free(&c);
    rig_close(&st, fd);
  }
}

/* As long as there is a grave anywhere, making room takes from it, and evicts nothing. */
static void room_is_made_from_graves_first(void) {
  static const rd_policy policies[] = {RD_NOEVICTION, RD_ALLKEYS_LRU, RD_ALLKEYS_S3FIFO, RD_VOLATILE_TTL};
  for (size_t p = 0; p < sizeof policies / sizeof *policies; p++) {
    for (uint32_t size = 100; size <= 200000; size = size * 11 + 17) {
      rd_store st;
      int fd = rig_open(&st, 8u << 20, 4, policies[p]);
      rig_client c = rig_client_new(&st, NULL);
      CHECK(put_list(&st, "toys", 4000, 7));
      static char ask[300];
      bool full = false;
      for (unsigned n = 0; !full && n < 100000; n++) {
        snprintf(ask, sizeof ask, "SET s:%u %0*u\r\n", n, 200, n);
        uint64_t evicted = rd_counter(&st, RD_STAT_evicted_keys);
        c.len = 0;
        rig_say(&c, ask);
        full = c.out[0] == '-' || rd_counter(&st, RD_STAT_evicted_keys) > evicted;
      }
      uint64_t evicted = rd_counter(&st, RD_STAT_evicted_keys);
      if (list_length(&st, "toys", 0, 7) != 4000) { /* evicted itself, so there is a grave */
        CHECK(graves(&st) > 0);
      } else {
        rig_say(&c, "DEL toys\r\n");
      }
      uint64_t most = 0;
      unsigned done = 0;
      while (graves(&st) > 0 && done < 100000) {
        released = 0;
        snprintf(ask, sizeof ask, "SETRANGE t:%u %u x\r\n", done++, size - 1);
        c.len = 0;
        rig_say(&c, ask);
        if (released > most) most = released;
        if (graves(&st) > 0) CHECK(c.out[0] == ':' && rd_counter(&st, RD_STAT_evicted_keys) == evicted);
        if (done % 16 == 0) expect_whole(&st);
      }
      CHECK(done > 2);
      CHECK(size > 20000 || most <= 33 * RD_GRAVE_STEP);
      rig_client_free(&c);
      rig_close(&st, fd);
    }
  }
}

/* A type without a row, an unknown encoding, a wrong link. */
static void damage_in_a_value_is_detected(void) {
  for (int what = 0; what < 5; what++) {
    rd_store st;
    int fd = rig_open(&st, 16u << 20, 1, RD_NOEVICTION);
    CHECK(put_list(&st, "toys", 100, 5));
    rd_key key = key_named(&st, "toys", 0);
    rd_item *it = rd_find_quiet(&st, &key, false);
    toy *second = toy_at(&st, toy_at(&st, root_of(&st, it))->next);
    if (what == 0) rd_item_set_type(it, RD_SET, RD_ENC_AUTO);
    if (what == 1) rd_item_set_type(it, RD_LIST, (rd_encoding)2);
    if (what == 2) second->next = second->before;
    if (what == 3) second->next += RD_GRANULE;
    if (what == 4) second->next = 0xdeadbeef00;
    char err[300] = "";
    CHECK(!rd_shard_is_whole(&st, 0, err, sizeof err));
    rd_doubt(&st);
    rd_lock_shard(&st, 0);
    rd_unlock_all(&st);
    CHECK_INT(rd_counter(&st, RD_STAT_shards_lost), 1);
    rig_close(&st, fd);
  }
}

int main(void) {
  RUN(commands_show_the_names_of_the_type);
  RUN(all_blocks_of_a_deleted_value_are_released);
  RUN(rename_and_move_take_the_value_along);
  RUN(a_restored_value_has_its_blocks);
  RUN(full_stores_keep_lists_whole);
  RUN(no_large_value_is_evicted_for_a_small_hole);
  RUN(a_copy_without_memory_leaves_nothing_behind);
  RUN(a_release_may_take_several_steps);
  RUN(a_large_value_is_released_in_steps);
  RUN(graves_are_part_of_the_arena);
  RUN(room_is_made_from_graves_first);
  RUN(damage_in_a_value_is_detected);
  return check_end();
}
