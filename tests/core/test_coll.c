/* test_coll.c - collections: types of the test's own, one of each order, do what a plain array does; whatever fails,
 * moves or is undone. */
#include "faults.h"
#include "oracle.h"
#include "store/coll.h"
#include "store/evict.h"
#include "store/reclaim.h"
#include "store/type.h"
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

static const rd_coll_kind hashed = {.run_max = 1024, .size = entry_size, .order = order_of_hash};
static const rd_coll_kind sorted = {
    .run_max = 1024, .sorted = true, .size = entry_size, .order = order_of_number, .compare = compare_entries};
static const rd_coll_kind listed = {.run_max = 2048, .size = entry_size};

static const char *encoding(rd_store *st, const rd_item *it) {
  (void)st;
  (void)it;
  return "toy";
}

#define TREES 0xf0f0u
/* In place of types/types.c. */
const rd_type_row rd_types[RD_TYPES] = {
    [RD_STRING] = {.type = RD_STRING, .name = "string", .encodings = RD_ENC_TEXT + 1, .encoding = rd_string_encoding},
    [RD_HASH] = {.type = RD_HASH, .name = "hash", .encodings = 16, .encoding = encoding, .coll = {&hashed}},
    [RD_ZSET] = {.type = RD_ZSET, .name = "zset", .encodings = 16, .encoding = encoding, .coll = {&sorted}},
    [RD_LIST] = {.type = RD_LIST, .name = "list", .encodings = 16, .encoding = encoding, .coll = {&listed}},
};
const rd_type_row rd_hll_row = {.type = RD_STRING,
                                .name = "string",
                                .is = rd_string_is_hll,
                                .is_not = "WRONGTYPE no",
                                .encoding = rd_string_encoding};
const rd_kind_row rd_kinds[RD_KINDS] = {
    [RD_ITEM] = {rd_item_itself, rd_item_move},
    [RD_CHUNK] = {rd_chunk_item, rd_chunk_move_block},
    [RD_TABLE] = {rd_table_item, rd_table_move_block},
    [RD_SEGMENT] = {NULL, rd_index_move_block},
    [RD_DIR] = {NULL, rd_index_move_block},
    [RD_OVERFLOW] = {NULL, rd_index_move_block},
    [RD_GHOST] = {NULL, rd_ghost_drop},
};

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
  if (below(t, 4) == 0) entry[2] = entry[3] = entry[4] = 0; /* equal orders */
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
  CHECK(seek(t, t->m.entry[at], &p));
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
      if (n % 8 == 0) {
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

/* Every allocation fails in turn; then nothing has changed. */
static void a_change_without_memory_changes_nothing(void) {
  for (size_t i = 0; i < TYPES; i++) {
    rd_store st;
    int fd = rig_open(&st, 64u << 20, 4, RD_NOEVICTION);
    toy t = toy_new(&st, types[i], "key", 20, i + 77);
    unsigned failed = 0;
    for (int n = 0; n < 1500 && check_ok; n++) {
      if (t.m.count >= 40) {
        rd_coll_remove_range(&t.c, 0, t.m.count, NULL, NULL);
        t.m.count = 0;
      }
      rd_result done = RD_OOM;
      for (uint64_t at = 0; done != RD_OK && check_ok; at++) {
        uint64_t seed = t.seed;
        fault_arm(&arena_fault, at, false);
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
    CHECK(failed > 100);
    toy_free(&t);
    rig_close(&st, fd);
  }
}

/* Several changes are undone, or stay. */
static void recorded_changes_can_be_undone(void) {
  for (size_t i = 0; i < TYPES; i++) {
    rd_store st;
    int fd = rig_open(&st, 64u << 20, 4, RD_NOEVICTION);
    toy t = toy_new(&st, types[i], "key", 20, i + 99);
    for (int n = 0; n < 600 && check_ok; n++) {
      model before = model_copy(&t.m);
      bool existed = t.c.item != NULL;
      CHECK(rd_coll_begin(&t.c));
      for (uint32_t k = below(&t, 30); k > 0 && t.m.count < 45 && check_ok; k--) CHECK_INT(change(&t), RD_OK);
      if (below(&t, 3) != 0) {
        rd_coll_undo(&t.c);
        free(t.m.entry);
        t.m = before;
        CHECK((item_of(&t) != NULL) == existed);
      } else {
        rd_coll_commit(&t.c);
        free(before.entry);
        if (t.m.count > 30) {
          rd_coll_remove_range(&t.c, 3, t.m.count - 3, NULL, NULL);
          if (types[i] == RD_HASH) {
            rd_pos p;
            t.m.count = 0;
            for (bool more = rd_coll_first(&t.c, &p); more; more = rd_coll_next(&t.c, &p)) model_insert(&t.m, 0, p.at);
          }
          t.m.count = 3;
        }
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

int main(void) {
  RUN(packed_values_do_what_an_array_does);
  RUN(a_change_without_memory_changes_nothing);
  RUN(recorded_changes_can_be_undone);
  return check_end();
}
