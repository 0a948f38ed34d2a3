/* test_coll.c - collections: types of the test's own, one of each order, do what a plain array does; whatever fails,
 * moves or is undone. */
#include "faults.h"
#include "oracle.h"
#include "store/coll.h"
#include "store/evict.h"
#include "store/expire.h"
#include "store/kinds.h"
#include "store/reclaim.h"
#include "store/tree.h"
#include "types/string.h"

/* ---- the types: an entry is its length, a number of four bytes, and anything ---- */

#define HEAD 5u
#define MOST 255u

static uint32_t entry_size(const uint8_t *at, const uint8_t *end) {
  return end - at < (int64_t)HEAD || *at < HEAD || *at > end - at ? 0 : *at;
}
static uint64_t order_of_hash(const rd_store *st, const uint8_t *entry) {
  (void)st;
  return (uint64_t)(rd_ld32(entry + 1) & 0xffff) * 0x9e3779b97f4a7c15ull;
}
static uint64_t order_of_number(const rd_store *st, const uint8_t *entry) {
  (void)st;
  return rd_ld32(entry + 1) & 0xff;
}
static int compare_entries(const rd_store *st, const uint8_t *a, const uint8_t *b) {
  (void)st;
  uint32_t x = rd_ld32(a + 1), y = rd_ld32(b + 1);
  return x < y ? -1 : x > y;
}

static rd_coll_kind hashed = {.run_max = 1024, .size = entry_size, .order = order_of_hash};
static rd_coll_kind sorted = {
    .run_max = 1024, .sorted = true, .size = entry_size, .order = order_of_number, .compare = compare_entries};
static rd_coll_kind listed = {.run_max = 2048, .size = entry_size};

/* Short runs make high trees. */
static void set_runs(uint32_t bytes) {
  hashed.run_max = sorted.run_max = bytes;
  listed.run_max = bytes * 2;
}

static const char *encoding(rd_store *st, const rd_item *it) {
  (void)st;
  (void)it;
  return "toy";
}

/* In place of types/types.c. */
const rd_type_row rd_types[RD_TYPES] = {
    [RD_STRING] = {.type = RD_STRING, .name = "string", .encodings = RD_ENC_TEXT + 1, .encoding = rd_string_encoding},
    [RD_HASH] = {.type = RD_HASH, .name = "hash", RD_COLL_ROW, .encoding = encoding, .coll = {&hashed}},
    [RD_ZSET] = {.type = RD_ZSET, .name = "zset", RD_COLL_ROW, .encoding = encoding, .coll = {&sorted}},
    [RD_LIST] = {.type = RD_LIST, .name = "list", RD_COLL_ROW, .encoding = encoding, .coll = {&listed}},
};
const rd_type_row rd_hll_row = {.type = RD_STRING,
                                .name = "string",
                                .is = rd_string_is_hll,
                                .is_not = "WRONGTYPE no",
                                .encoding = rd_string_encoding};
const rd_kind_row rd_kinds[RD_KINDS] = {RD_STORE_KINDS};

/* ---- the plain array ---- */

typedef struct model {
  uint8_t (*entry)[MOST];
  size_t count, cap;
} model;

static void model_insert(model *m, size_t at, const uint8_t *entry) {
  if (m->count == m->cap) m->entry = realloc(m->entry, (m->cap = m->cap * 2 + 16) * sizeof *m->entry);
  memmove(m->entry + at + 1, m->entry + at, (m->count - at) * sizeof *m->entry);
  memcpy(m->entry + at, entry, *entry);
  m->count++;
}
static void model_remove(model *m, size_t at, size_t n) {
  memmove(m->entry + at, m->entry + at + n, (m->count - at - n) * sizeof *m->entry);
  m->count -= n;
}
static model model_copy(const model *m) {
  model copy = {malloc((m->count + 1) * sizeof *m->entry), m->count, m->count + 1};
  if (m->count > 0) memcpy(copy.entry, m->entry, m->count * sizeof *m->entry);
  return copy;
}
/* The place of an entry; by hash it may be anywhere. */
static size_t model_find(const model *m, const uint8_t *entry) {
  size_t at = 0;
  while (at < m->count && memcmp(m->entry[at], entry, *entry) != 0) at++;
  return at;
}

/* ---- a collection and its model ---- */

typedef struct toy {
  rd_store *st;
  const rd_type_row *row;
  rd_key key;
  rd_coll c;
  model m;
  uint64_t seed;
  uint32_t longest;
  uint32_t made; /* entries */
} toy;

static uint64_t random_of(toy *t) {
  t->seed ^= t->seed << 13;
  t->seed ^= t->seed >> 7;
  return t->seed ^= t->seed << 17;
}
static uint32_t below(toy *t, uint64_t n) { return (uint32_t)((random_of(t) >> 11) % n); }

static rd_item *item_of(toy *t) { return rd_find_quiet(t->st, &t->key, false); }

static toy toy_new(rd_store *st, rd_type type, const char *name, uint32_t longest, uint64_t seed) {
  toy t = {.st = st, .row = &rd_types[type], .seed = seed * 0x9e3779b97f4a7c15ull + 1, .longest = longest};
  t.key = rd_key_of(st, (rd_bytes){(const uint8_t *)name, strlen(name)}, 0);
  rd_lock_shard(st, rd_shard_of(st, t.key.hash));
  rd_coll_open(&t.c, st, &t.key, item_of(&t), t.row);
  return t;
}

static void make_entry(toy *t, uint8_t *entry) {
  uint32_t len = HEAD + below(t, t->longest - HEAD + 1);
  for (uint32_t i = 1; i < len; i++) entry[i] = (uint8_t)random_of(t);
  /* No two are equal, but many have the same order. */
  t->made++;
  if (t->c.kind->sorted)
    rd_st32(entry + 1, t->made << 8 | below(t, 1u << below(t, 9)));
  else
    rd_st32(entry + 1, t->made << 16 | below(t, below(t, 4) == 0 ? 4 : 65536));
  entry[0] = (uint8_t)len;
}

static int compare_with(void *arg, const uint8_t *entry) { return compare_entries(NULL, arg, entry); }

/* Find the place of an equal entry. */
static bool seek(toy *t, const uint8_t *entry, rd_pos *p) {
  rd_coll *c = &t->c;
  uint64_t order = c->kind->order != NULL ? c->kind->order(t->st, entry) : 0;
  bool more;
  if (c->kind->order == NULL)
    more = rd_coll_first(c, p);
  else if (c->kind->sorted)
    more = rd_coll_lower(c, order, compare_with, (void *)(uintptr_t)entry, p);
  else
    more = rd_coll_run(c, order, p);
  for (; more && memcmp(p->at, entry, *p->at) != 0; more = rd_coll_next(c, p)) continue;
  return more;
}

static size_t place_in_model(toy *t, const uint8_t *entry) {
  const model *m = &t->m;
  size_t at = 0;
  for (; at < m->count; at++) {
    uint64_t a = order_of_number(NULL, m->entry[at]), b = order_of_number(NULL, entry);
    if (a > b || (a == b && compare_entries(NULL, m->entry[at], entry) >= 0)) break;
  }
  return at;
}

/* The array and the collection have the same entries, in the same order unless that is by hash. */
static void compare(toy *t) {
  rd_coll *c = &t->c;
  rd_pos p;
  size_t n = 0;
  bool by_hash = c->kind->order != NULL && !c->kind->sorted;
  CHECK_INT(rd_coll_count(c), t->m.count);
  bool *seen = calloc(t->m.count + 1, sizeof *seen);
  for (bool more = rd_coll_first(c, &p); more && check_ok; more = rd_coll_next(c, &p), n++) {
    size_t at = by_hash ? model_find(&t->m, p.at) : n;
    CHECK(at < t->m.count && !seen[at] && memcmp(t->m.entry[at], p.at, *p.at) == 0);
    if (at < t->m.count) seen[at] = true;
    CHECK_INT(rd_coll_rank(c, &p), n);
  }
  CHECK_INT(n, t->m.count);
  for (bool more = rd_coll_last(c, &p); more && check_ok; more = rd_coll_prev(c, &p)) n--;
  CHECK_INT(n, 0);
  for (int i = 0; i < 5 && t->m.count > 0 && check_ok; i++) {
    uint64_t rank = below(t, t->m.count);
    CHECK(rd_coll_at(c, rank, &p));
    CHECK_INT(rd_coll_rank(c, &p), rank);
  }
  CHECK(!rd_coll_at(c, t->m.count, &p));
  if (by_hash) { /* the scan by runs */
    uint64_t order = 0;
    for (bool more = rd_coll_run(c, 0, &p); more && check_ok; more = rd_coll_run(c, order, &p)) {
      for (; p.at < p.end; p.at += *p.at, n++) continue;
      uint64_t before = order;
      if (!rd_coll_next_run(c, &p, &order)) break;
      CHECK(order > before);
    }
    CHECK_INT(n, t->m.count);
  }
  free(seen);
}

static void whole(rd_store *st) {
  char err[300] = "";
  CHECK_INT(rd_check(st, err, sizeof err), 0);
  if (err[0] != 0) printf("      %s\n", err);
}

static rd_result insert(toy *t, const uint8_t *entry) {
  rd_pos p;
  size_t at = t->m.count;
  if (t->c.kind->order == NULL) {
    uint32_t where = below(t, 4);
    at = where == 0 ? 0 : where == 1 ? below(t, t->m.count + 1) : t->m.count;
    rd_coll_at(&t->c, at, &p);
  } else if (t->c.kind->sorted) {
    at = place_in_model(t, entry);
    rd_coll_lower(&t->c, order_of_number(NULL, entry), compare_with, (void *)(uintptr_t)entry, &p);
    CHECK_INT(rd_coll_rank(&t->c, &p), at);
  } else {
    rd_coll_run(&t->c, order_of_hash(NULL, entry), &p);
  }
  rd_result done = rd_coll_insert(&t->c, &p, entry, *entry);
  if (done == RD_OK) {
    CHECK(memcmp(p.at, entry, *entry) == 0);
    if (t->c.kind->order == NULL || t->c.kind->sorted) CHECK_INT(rd_coll_rank(&t->c, &p), at);
    model_insert(&t->m, at, entry);
  }
  return done;
}

/* One change at random, of the collection and of the array. */
static rd_result change(toy *t) {
  uint8_t entry[MOST];
  rd_pos p;
  size_t count = t->m.count;
  uint32_t what = below(t, 10);
  make_entry(t, entry);
  if (what < 5 || count == 0) return insert(t, entry);
  size_t at = below(t, count);
  if (what == 9) {
    size_t n = 1 + below(t, count - at < 5 ? count - at : 5);
    if (t->c.kind->order != NULL && !t->c.kind->sorted) { /* the same entries of the array */
      rd_coll_at(&t->c, at, &p);
      for (size_t i = 0; i < n; i++, rd_coll_next(&t->c, &p)) model_remove(&t->m, model_find(&t->m, p.at), 1);
    } else {
      model_remove(&t->m, at, n);
    }
    rd_coll_remove_range(&t->c, at, n, NULL, NULL);
    return RD_OK;
  }
  CHECK(t->c.kind->order == NULL ? rd_coll_at(&t->c, at, &p) : seek(t, t->m.entry[at], &p));
  if (!check_ok) return RD_OK;
  if (what < 7) {
    rd_coll_remove(&t->c, &p);
    if (!(t->c.kind->order != NULL && !t->c.kind->sorted)) CHECK_INT(rd_coll_rank(&t->c, &p), at);
    model_remove(&t->m, at, 1);
    return RD_OK;
  }
  memcpy(entry + 1, t->m.entry[at] + 1, 4); /* the same order */
  if (what == 7) {
    rd_result done = rd_coll_replace(&t->c, &p, entry, *entry);
    if (done == RD_OK) {
      CHECK(memcmp(p.at, entry, *entry) == 0);
      memcpy(t->m.entry[at], entry, *entry);
    }
    return done;
  }
  if (*t->m.entry[at] == HEAD) return RD_OK;
  rd_coll_write(&t->c, &p, HEAD, "x", 1);
  t->m.entry[at][HEAD] = 'x';
  return RD_OK;
}

static void toy_free(toy *t) {
  free(t->m.entry);
  rd_unlock_all(t->st);
}

static const rd_type types[] = {RD_HASH, RD_ZSET, RD_LIST};
#define TYPES (sizeof types / sizeof *types)

/* Move all blocks of the shard that fit elsewhere. */
static void move_blocks(toy *t) {
  rd_store *st = t->st;
  rd_mark_clean(st);
  st->keeps_all = true;
  for (uint32_t r = 0; r < st->head->pool.fresh; r++) {
    if (st->regions[r].owner == t->c.shard + 1 && below(t, 2) == 0) rd_empty_region(st, t->c.shard, r);
  }
  st->keeps_all = false;
  t->c.item = item_of(t);
}

static void random_changes(uint32_t longest, int rounds, size_t most, const char *name) {
  for (size_t i = 0; i < TYPES; i++) {
    rd_store st;
    int fd = rig_open(&st, 64u << 20, 4, RD_NOEVICTION);
    toy t = toy_new(&st, types[i], name, longest, i + 1);
    for (int n = 0; n < rounds && check_ok; n++) {
      if (t.m.count >= most) {
        rd_coll_remove_range(&t.c, 0, t.m.count, NULL, NULL);
        t.m.count = 0;
      }
      rd_result done = change(&t);
      CHECK_INT(done, RD_OK);
      if (n % 100 == 99) move_blocks(&t);
      if (n % (most < 100 ? 8 : 64) == 0) {
        rd_coll_changed(&t.c, RD_EVENT_NONE);
        if (t.m.count == 0) CHECK(item_of(&t) == NULL);
        compare(&t);
        whole(&st);
      }
    }
    rd_coll_changed(&t.c, RD_EVENT_NONE);
    toy_free(&t);
    rig_close(&st, fd);
  }
}

static void packed_values_do_what_an_array_does(void) { random_changes(20, 4000, 40, "packed"); }

static void trees_do_what_an_array_does(void) {
  random_changes(20, 10000, 2000, "tree");
  random_changes(255, 10000, 2000, "tree of long entries");
  set_runs(64);
  random_changes(20, 10000, 2000, "high tree");
  random_changes(255, 10000, 2000, "high tree of long entries");
  set_runs(1024);
}

static void keys_of_any_length_have_collections(void) {
  static char name[9000];
  memset(name, 'k', 300);
  random_changes(60, 2000, 300, name);
  memset(name, 'k', 8190);
  random_changes(60, 2000, 300, name);
}

/* Every allocation fails in turn; then nothing has changed. */
static void failing_changes(int rounds, size_t least, size_t most, bool once) {
  for (size_t i = 0; i < TYPES; i++) {
    rd_store st;
    int fd = rig_open(&st, 64u << 20, 4, RD_NOEVICTION);
    toy t = toy_new(&st, types[i], "key", 20, i + 77);
    unsigned failed = 0;
    while (t.m.count < least) CHECK_INT(change(&t), RD_OK);
    for (int n = 0; n < rounds && check_ok; n++) {
      if (t.m.count >= most) {
        rd_coll_remove_range(&t.c, 0, t.m.count, NULL, NULL);
        t.m.count = 0;
      }
      rd_result done = RD_OOM;
      for (uint64_t at = 0; done != RD_OK && check_ok; at++) {
        uint64_t seed = t.seed;
        fault_arm(&arena_fault, at, once);
        done = change(&t);
        fault_disarm(&arena_fault);
        if (done == RD_OK) break;
        failed++;
        CHECK(t.c.wanted > 0);
        t.seed = seed;
        rd_coll_open(&t.c, &st, &t.key, item_of(&t), t.row);
        compare(&t);
        whole(&st);
        rd_coll_reserve(&t.c);
        CHECK(t.c.item == item_of(&t));
      }
    }
    CHECK(failed > 20);
    toy_free(&t);
    rig_close(&st, fd);
  }
}

static void a_change_without_memory_changes_nothing(void) {
  failing_changes(700, 0, 40, false);
  set_runs(64);
  failing_changes(700, 0, 40, false);
  failing_changes(700, 0, 40, true);
  failing_changes(300, 200, 400, false);
  set_runs(1024);
}

/* Several changes are undone, or stay. */
static void undoing(int rounds, size_t least, size_t most, uint32_t changes) {
  for (size_t i = 0; i < TYPES; i++) {
    rd_store st;
    int fd = rig_open(&st, 64u << 20, 4, RD_NOEVICTION);
    toy t = toy_new(&st, types[i], "key", 20, i + 99);
    while (t.m.count < least) CHECK_INT(change(&t), RD_OK);
    for (int n = 0; n < rounds && check_ok; n++) {
      model before = model_copy(&t.m);
      bool existed = t.c.item != NULL;
      uint64_t used = rd_shard_at(&st, t.c.shard)->heap.used;
      CHECK(rd_coll_begin(&t.c));
      for (uint32_t k = below(&t, changes); k > 0 && check_ok; k--) CHECK_INT(change(&t), RD_OK);
      if (below(&t, 3) != 0) {
        rd_coll_undo(&t.c);
        free(t.m.entry);
        t.m = before;
        CHECK((item_of(&t) != NULL) == existed);
        if (existed) CHECK_INT(rd_shard_at(&st, t.c.shard)->heap.used, used);
      } else {
        rd_coll_commit(&t.c);
        free(before.entry);
        if (t.m.count > most) {
          rd_coll_remove_range(&t.c, 0, t.m.count, NULL, NULL);
          t.m.count = 0;
        }
        while (t.m.count < least && check_ok) CHECK_INT(change(&t), RD_OK);
      }
      CHECK(t.c.item == item_of(&t));
      compare(&t);
      whole(&st);
      if (n % 16 == 0) rd_coll_changed(&t.c, RD_EVENT_NONE);
    }
    toy_free(&t);
    rig_close(&st, fd);
  }
}

static void recorded_changes_can_be_undone(void) {
  undoing(300, 0, 30, 30);
  set_runs(64);
  undoing(300, 0, 30, 30);
  undoing(60, 400, 800, 200);
  set_runs(1024);
  undoing(60, 400, 800, 200);
}

/* A short record stays for the next change; a long one, and one that ends while another is kept, is freed. */
static void short_records_are_used_again(void) {
  rd_store st;
  int fd = rig_open(&st, 64u << 20, 4, RD_NOEVICTION);
  toy t = toy_new(&st, RD_LIST, "key", 20, 55), other = toy_new(&st, RD_HASH, "other", 20, 56);
  CHECK(st.spare_undo == NULL);
  CHECK(rd_coll_begin(&t.c));
  const struct rd_undo *first = t.c.undo;
  CHECK_INT(change(&t), RD_OK);
  rd_coll_commit(&t.c);
  CHECK(st.spare_undo == first);
  CHECK(rd_coll_begin(&t.c) && rd_coll_begin(&other.c));
  CHECK(t.c.undo == first && other.c.undo != first && st.spare_undo == NULL);
  const struct rd_undo *second = other.c.undo;
  CHECK_INT(change(&other), RD_OK);
  rd_coll_commit(&other.c);
  rd_coll_undo(&t.c);
  CHECK(st.spare_undo == second);
  CHECK(rd_coll_begin(&t.c) && st.spare_undo == NULL);
  for (int i = 0; i < 20000 && check_ok; i++) CHECK_INT(change(&t), RD_OK);
  rd_coll_commit(&t.c);
  CHECK(st.spare_undo == NULL);
  compare(&t);
  compare(&other);
  toy_free(&t);
  toy_free(&other);
  rig_close(&st, fd);
}

static uint64_t used_by_values(rd_store *st) {
  uint64_t used = 0;
  for (uint32_t i = 0; i < st->num_shards; i++) used += rd_shard_at(st, i)->heap.used;
  for (uint32_t i = 0; i < st->num_shards; i++) {
    for (uint32_t slot = 0; slot < RD_SLOTS; slot++) used -= rd_shard_at(st, i)->index[slot].count;
  }
  return used;
}

/* Private memory for the record may be missing: then a change fails, and those before it can still be undone. */
static void changes_that_cannot_be_recorded_fail(void) {
  set_runs(64);
  unsigned failed = 0;
  for (size_t i = 0; i < TYPES; i++) {
    rd_store st;
    int fd = rig_open(&st, 64u << 20, 4, RD_NOEVICTION);
    toy t = toy_new(&st, types[i], "key", 20, i + 33);
    while (t.m.count < 400) CHECK_INT(change(&t), RD_OK);
    for (uint64_t at = 0; at < 12 && check_ok; at++) {
      model before = model_copy(&t.m);
      fault_arm(&process_fault, at, false);
      if (rd_coll_begin(&t.c)) {
        uint8_t entry[MOST];
        for (uint32_t k = 0; k < 2000; k++) {
          make_entry(&t, entry);
          rd_pos p;
          if (t.c.kind->order == NULL)
            rd_coll_at(&t.c, below(&t, 400), &p);
          else if (t.c.kind->sorted)
            rd_coll_lower(&t.c, order_of_number(NULL, entry), compare_with, entry, &p);
          else
            rd_coll_run(&t.c, order_of_hash(NULL, entry), &p);
          if (rd_coll_insert(&t.c, &p, entry, *entry) == RD_OK) continue;
          failed++;
          break;
        }
        rd_coll_undo(&t.c);
      }
      fault_disarm(&process_fault);
      free(t.m.entry);
      t.m = before;
      compare(&t);
      whole(&st);
    }
    toy_free(&t);
    rig_close(&st, fd);
  }
  CHECK(failed > 3);
  set_runs(1024);
}

/* COPY, RENAME, DEL and their kin. */
static void values_are_copied_moved_and_released(void) {
  set_runs(64);
  for (size_t i = 0; i < TYPES; i++) {
    rd_store st;
    int fd = rig_open(&st, 64u << 20, 4, RD_NOEVICTION);
    rig_client c = rig_client_new(&st, NULL);
    for (size_t most = 2; most < 3000; most *= 5) {
      toy t = toy_new(&st, types[i], "key", 20, i + most);
      while (t.m.count < most) CHECK_INT(change(&t), RD_OK);
      rd_unlock_all(&st);
      static const char *const names[] = {"a", "b", "c", "d", "e"};
      for (size_t k = 0; k < 5; k++) {
        char ask[200];
        snprintf(ask, sizeof ask, "COPY key %s\r\nCOPY %s x%s\r\nRENAME x%s y%s\r\n", names[k], names[k], names[k],
                 names[k], names[k]);
        RIG_ASK(&c, ask, ":1\r\n:1\r\n+OK\r\n");
        whole(&st);
        snprintf(ask, sizeof ask, "y%s", names[k]);
        toy copy = toy_new(&st, types[i], ask, 20, 1);
        copy.m = t.m;
        compare(&copy);
        rd_unlock_all(&st);
        snprintf(ask, sizeof ask, "DEL y%s %s\r\n", names[k], names[k]);
        RIG_ASK(&c, ask, ":2\r\n");
      }
      RIG_ASK(&c, "EXPIRE key 100\r\nPERSIST key\r\nDEL key\r\n", ":1\r\n:1\r\n:1\r\n");
      for (int n = 0; n < 3000; n++) rd_sweep(&st, 0, 4, 0);
      whole(&st);
      CHECK_INT(used_by_values(&st), 0);
      free(t.m.entry);
    }
    rig_client_free(&c);
    rig_close(&st, fd);
  }
  set_runs(1024);
}

/* Whatever a block holds, verifying it neither crashes nor ends late; what leads astray is found. */
static void damage_is_found(void) {
  for (size_t i = 0; i < TYPES; i++) {
    rd_store st;
    int fd = rig_open(&st, 64u << 20, 1, RD_NOEVICTION);
    set_runs(64);
    toy t = toy_new(&st, types[i], "key", 20, i + 5);
    while (t.m.count < 300) CHECK_INT(change(&t), RD_OK);
    set_runs(1024);
    toy packed = toy_new(&st, types[i], "packed", 20, i + 6);
    while (packed.m.count < 20) CHECK_INT(change(&packed), RD_OK);
    rd_mark_clean(&st);
    char err[300] = "";
    unsigned found = 0, tried = 0;
    for (uint32_t r = 0; r < st.head->pool.fresh; r++) {
      for (rd_ref ref = rd_region_first(&st, r); ref != 0; ref = rd_blk_next(&st, ref)) {
        rd_kind kind = rd_blk_kind(*rd_blk_at(&st, ref));
        if (kind != RD_LEAF && kind != RD_NODE && kind != RD_ITEM) continue;
        uint32_t len = rd_blk_bytes(*rd_blk_at(&st, ref)) - 4;
        for (int k = 0; k < 60; k++) {
          uint8_t *at = st.base + ref + 4 + below(&t, kind == RD_NODE && k % 2 == 0 ? 12 : len), was = *at;
          *at = k % 3 == 0 ? 0xff : k % 3 == 1 ? 0 : (uint8_t)random_of(&t);
          tried += *at != was;
          found += !rd_shard_is_whole(&st, 0, err, sizeof err);
          *at = was;
        }
      }
    }
    CHECK(tried > 1000);
    CHECK(found > tried / 20);
    CHECK(rd_shard_is_whole(&st, 0, err, sizeof err));
    free(packed.m.entry);
    toy_free(&t);
    rig_close(&st, fd);
  }
}

static void large_values_stay_quick(void) {
  for (size_t i = 0; i < TYPES; i++) {
    rd_store st;
    int fd = rig_open(&st, 256u << 20, 4, RD_NOEVICTION);
    toy t = toy_new(&st, types[i], "large", 20, i + 5);
    uint8_t entry[MOST];
    rd_pos p;
    for (uint32_t n = 0; n < 1000000; n++) {
      make_entry(&t, entry);
      if (t.c.kind == &hashed) rd_st32(entry + 1, n);
      if (t.c.kind->order == NULL)
        rd_coll_at(&t.c, n % 3 == 0 ? 0 : UINT64_MAX, &p);
      else if (t.c.kind->sorted)
        rd_coll_lower(&t.c, order_of_number(NULL, entry), compare_with, entry, &p);
      else
        rd_coll_run(&t.c, order_of_hash(NULL, entry), &p);
      rd_result done = rd_coll_insert(&t.c, &p, entry, *entry);
      if (done != RD_OK) {
        CHECK_INT(done, RD_OK);
        break;
      }
    }
    whole(&st);
    CHECK_INT(rd_coll_count(&t.c), 1000000);
    rd_coll_remove_range(&t.c, 1000, 998000, NULL, NULL);
    CHECK_INT(rd_coll_count(&t.c), 2000);
    whole(&st);
    rd_coll_remove_range(&t.c, 0, 2000, NULL, NULL);
    rd_coll_changed(&t.c, RD_EVENT_NONE);
    CHECK(t.c.item == NULL);
    toy_free(&t);
    rig_close(&st, fd);
  }
}

int main(void) {
  RUN(packed_values_do_what_an_array_does);
  RUN(trees_do_what_an_array_does);
  RUN(keys_of_any_length_have_collections);
  RUN(a_change_without_memory_changes_nothing);
  RUN(recorded_changes_can_be_undone);
  RUN(short_records_are_used_again);
  RUN(changes_that_cannot_be_recorded_fail);
  RUN(values_are_copied_moved_and_released);
  RUN(damage_is_found);
  RUN(large_values_stay_quick);
  return check_end();
}
