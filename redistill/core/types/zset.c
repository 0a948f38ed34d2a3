/* zset.c - finds, adds, moves and removes the members of sorted sets, in both trees. */
#include "types/zset.h"

#include "base/numbers.h"
#include "store/blob.h"
#include "store/coll_item.h"
#include "store/tree.h"
#include "store/type.h"

enum {
  RUN = 1000, /* most bytes of a packed value, and of a leaf */
  HASHED = RD_ZSET_HASHED,
  SHORTEST = 9, /* bytes of the shortest entry of the first one */
  LONGEST = 8 + RD_ELEMENT_MAX,
};

/* ---- entries ---- */

static inline uint64_t order_of(double score) {
  int64_t bits;
  score += 0.0; /* -0 becomes 0 */
  memcpy(&bits, &score, sizeof bits);
  return (uint64_t)bits ^ ((uint64_t)(bits >> 63) | 1ull << 63);
}

uint64_t rd_zset_order(double score) { return order_of(score); }

/* Most scores are short whole numbers. */
bool rd_zset_parse(rd_bytes text, double *score) {
  int64_t n;
  if (text.len > 15 || !rd_parse_i64(text, &n)) return rd_parse_double(text, score);
  *score = (double)n;
  return true;
}

static uint32_t entry_size(const uint8_t *at, const uint8_t *end) {
  if (end - at < SHORTEST) return 0;
  uint32_t member = rd_element_size(at + 8, end);
  return member != 0 ? 8 + member : 0;
}

static inline uint64_t order_at(const uint8_t *entry) { return order_of(rd_zset_score(entry)); }
static inline uint32_t entry_bytes(const uint8_t *entry) { return 8 + rd_element_skip(rd_zset_member(entry)); }

static uint64_t entry_order(const rd_store *st, const uint8_t *entry) {
  (void)st;
  return order_at(entry);
}

/* See rd_element_head_decides. */
static const uint8_t *pass(const uint8_t *at, const uint8_t *end, uint64_t order, uint64_t *n) {
  uint64_t most = *n, passed = 0;
  for (unsigned i = RD_ELEMENT_CHANGED; i == RD_ELEMENT_CHANGED && at < end;) {
    uint8_t head = at[8];
    uint32_t step = entry_bytes(at);
    if (rd_element_head_decides(head)) {
      for (; at < end && at[8] == head && passed < most && order_at(at) < order; passed++) at += step;
    }
    for (i = 0; i < RD_ELEMENT_CHANGED && at < end && passed < most && order_at(at) < order; i++, passed++)
      at += entry_bytes(at);
  }
  *n = passed;
  return at;
}

static int entry_compare(const rd_store *st, const uint8_t *a, const uint8_t *b) {
  return rd_element_compare_at(st, rd_zset_member(a), rd_zset_member(b));
}

static uint32_t entry_outside(const uint8_t *entry, uint32_t n) {
  return n == 0 && rd_element_is_outside(rd_zset_member(entry)) ? 8 + RD_ELEMENT_REF : 0;
}

static uint64_t high_half(uint64_t hash) { return hash >> 32 << 32; }

/* The entry of the second tree for one of the first. */
static uint32_t hashed_entry(const rd_store *st, const uint8_t *entry, uint8_t *to) {
  rd_st32(to, (uint32_t)(rd_element_hash_at(st, rd_zset_member(entry)) >> 32));
  memcpy(to + 4, entry, 8);
  return HASHED;
}

const rd_coll_kind rd_zset_scores = {.run_max = RUN,
                                     .sorted = true,
                                     .size = entry_size,
                                     .order = entry_order,
                                     .compare = entry_compare,
                                     .pass = pass,
                                     .outside = entry_outside,
                                     .second = hashed_entry};

static uint32_t hashed_size(const uint8_t *at, const uint8_t *end) { return end - at < HASHED ? 0 : HASHED; }

static uint64_t hashed_order(const rd_store *st, const uint8_t *entry) {
  (void)st;
  return (uint64_t)rd_ld32(entry) << 32;
}

const rd_coll_kind rd_zset_hashes = {.run_max = RUN, .size = hashed_size, .order = hashed_order};

const char *rd_zset_encoding(rd_store *st, const rd_item *it) {
  (void)st;
  return (it->type >> 4 & RD_COLL_NAME) == RD_ZSET_LISTPACK ? "listpack" : "skiplist";
}

/* ---- finding ---- */

typedef struct sought {
  const rd_store *st;
  rd_ref blob;
  rd_bytes text; /* unless it is a blob */
} sought;

static int compare_sought(void *arg, const uint8_t *entry) {
  const sought *s = arg;
  const uint8_t *member = rd_zset_member(entry);
  if (RD_LIKELY(s->blob == 0)) {
    int order = rd_element_compare(s->st, member, s->text);
    return order < 0 ? 1 : -(order > 0);
  }
  if (rd_element_is_outside(member)) return rd_blob_compare_blob(s->st, s->blob, rd_element_blob(member));
  char buf[RD_ELEMENT_TEXT];
  return rd_blob_compare(s->st, s->blob, rd_element_text(member, buf));
}

bool rd_zset_lower(const rd_coll *c, uint64_t order, const rd_element *member, rd_pos *p) {
  if (member == NULL) return rd_coll_lower(c, order, NULL, NULL, p);
  char buf[RD_I64_TEXT];
  sought s = {c->st, member->blob, member->text};
  if (member->is_integer) s.text = (rd_bytes){(const uint8_t *)buf, rd_format_i64(buf, member->integer)};
  return rd_coll_lower(c, order, compare_sought, &s, p);
}

/* Find it in the first tree, by its score. */
static bool find_entry(const rd_coll *c, const rd_element *member, double score, rd_pos *p) {
  uint64_t order = rd_zset_order(score);
  return rd_zset_lower(c, order, member, p) && rd_zset_order(rd_zset_score(p->at)) == order &&
         rd_element_is(c->st, member, rd_zset_member(p->at));
}

static bool find_packed(const rd_coll *c, const rd_element *member, rd_pos *p) {
  rd_coll_first(c, p);
  for (; p->at < p->end; p->at += entry_bytes(p->at)) {
    if (rd_element_is(c->st, member, rd_zset_member(p->at))) return true;
  }
  return false;
}

bool rd_zset_find(const rd_coll *c, rd_element *member, rd_zset_place *p) {
  if (rd_coll_is_packed(c)) return find_packed(c, member, &p->at);
  rd_coll second = rd_coll_second(c);
  uint64_t hash = rd_element_hash(c->st, member);
  uint32_t half = (uint32_t)(hash >> 32);
  rd_pos *h = &p->hashed;
  rd_coll_run(&second, high_half(hash), h);
  for (const uint8_t *at = h->at, *end = h->end; at < end; at += HASHED) {
    if (RD_LIKELY(rd_ld32(at) != half) || !find_entry(c, member, rd_zset_score(at + 4), &p->at)) continue;
    h->at = at;
    return true;
  }
  return false;
}

void rd_zset_fetch(const rd_coll *c, const rd_sought each[], uint32_t n) {
  rd_coll second = rd_coll_second(c);
  uint64_t order[RD_FETCH_MOST];
  rd_ref leaf[RD_FETCH_MOST];
  rd_element_orders(c->st, each, n, high_half, order);
  rd_tree_fetch(&second, order, n, leaf);
  uint64_t scores[RD_FETCH_MOST];
  uint32_t found = 0;
  for (uint32_t i = 0; i < n; i++) {
    const rd_leaf *l = rd_leaf_at(c->st, leaf[i]);
    const uint8_t *at = l->data, *end = at + rd_leaf_used(l);
    while (at < end && rd_ld32(at) != (uint32_t)(order[i] >> 32)) at += HASHED;
    if (at < end) scores[found++] = rd_zset_order(rd_zset_score(at + 4));
    double score;
    if (each[i].score.data != NULL && rd_zset_parse(each[i].score, &score)) scores[found++] = rd_zset_order(score);
  }
  rd_tree_fetch(c, scores, found, leaf);
}
_Static_assert(2 * RD_SOUGHT_MOST <= RD_FETCH_MOST, "a member has two scores");

/* ---- changing ---- */

/* The name of the value with another member of `len` bytes: a skiplist, for ever, once it is too large for a listpack
 * in Redis. `p` is in the run where the member will be. */
static unsigned name_with(const rd_coll *c, const rd_pos *p, uint64_t len) {
  const rd_type_limits *limits = &c->st->type_limits;
  if (rd_coll_name(c) != RD_ZSET_LISTPACK || len > limits->zset_value) return RD_ZSET_SKIPLIST;
  bool few = rd_coll_is_packed(c) && (size_t)(p->end - p->begin) / SHORTEST < limits->zset_entries;
  return few || rd_coll_count(c) < limits->zset_entries ? RD_ZSET_LISTPACK : RD_ZSET_SKIPLIST;
}

/* As Redis does in a listpack, store -0 as 0. */
static double stored(unsigned name, double score) { return score == 0 && name == RD_ZSET_LISTPACK ? 0 : score; }

/* Insert the entry of the second tree, for the member whose entry is at p->at. */
static rd_result add_hashed(rd_coll *c, rd_zset_place *p, rd_element *member, bool was_packed) {
  rd_coll second = rd_coll_second(c);
  uint8_t hashed[HASHED];
  uint64_t hash = rd_element_hash(c->st, member);
  rd_st32(hashed, (uint32_t)(hash >> 32));
  memcpy(hashed + 4, p->at.at, 8);
  if (RD_UNLIKELY(was_packed)) rd_coll_run(&second, high_half(hash), &p->hashed);
  rd_result r = rd_coll_insert(&second, &p->hashed, hashed, HASHED);
  c->wanted = second.wanted;
  return r;
}

/* Add an entry that makes a packed value two trees, which only an undo takes back. */
static rd_result add_first_tree(rd_coll *c, rd_zset_place *p, rd_element *member, const uint8_t *entry, uint32_t len) {
  bool begun = c->undo == NULL;
  rd_result r = RD_OOM;
  if (!begun || rd_coll_begin(c)) r = rd_coll_insert(c, &p->at, entry, len);
  if (r != RD_OK && member->is_outside) rd_blob_release(c->st, c->shard, rd_element_blob(entry + 8));
  if (r == RD_OK) r = add_hashed(c, p, member, true);
  if (!begun || c->undo == NULL) return r;
  if (r == RD_OK)
    rd_coll_commit(c);
  else
    rd_coll_undo(c);
  return r;
}

static rd_result add_entry(rd_coll *c, rd_zset_place *p, rd_element *member, const uint8_t *entry, uint32_t len) {
  bool packed = rd_coll_is_packed(c);
  if (packed && (member->is_outside || !rd_coll_may_pack(c, (uint64_t)(p->at.end - p->at.begin) + len)))
    return add_first_tree(c, p, member, entry, len);
  if (rd_coll_insert(c, &p->at, entry, len) != RD_OK) {
    if (member->is_outside) rd_blob_release(c->st, c->shard, rd_element_blob(entry + 8));
    return RD_OOM;
  }
  if (packed || add_hashed(c, p, member, false) == RD_OK) return RD_OK;
  rd_coll_remove(c, &p->at);
  return RD_OOM;
}

rd_result rd_zset_add(rd_coll *c, rd_zset_place *p, rd_element *member, double score) {
  uint8_t entry[LONGEST];
  uint8_t *end = rd_element_put(c, member, entry + 8);
  if (end == NULL) return RD_OOM;
  rd_zset_lower(c, rd_zset_order(score), member, &p->at);
  unsigned name = name_with(c, &p->at, member->is_integer ? rd_element_len(c->st, entry + 8) : member->text.len);
  score = stored(name, score);
  memcpy(entry, &score, 8);
  if (add_entry(c, p, member, entry, (uint32_t)(end - entry)) != RD_OK) return RD_OOM;
  if (RD_UNLIKELY(name != rd_coll_name(c))) rd_coll_set_name(c, name);
  return RD_OK;
}

/* The place in the member's run that a changed entry belongs to: the first entry that is not before it. NULL: it may
 * belong to another run, or would be the first of this one, whose order the nodes above know. */
static const uint8_t *place_in_run(const rd_coll *c, const rd_pos *p, uint64_t order) {
  bool up = order > order_at(p->at), packed = rd_coll_is_packed(c);
  if (!packed && p->at == p->begin) return NULL;
  const uint8_t *at = up ? p->at + entry_bytes(p->at) : p->begin;
  for (; at < p->end && at != p->at; at += entry_bytes(at)) {
    uint64_t there = order_at(at);
    if (there > order) break;
    if (there == order && rd_element_compare_at(c->st, rd_zset_member(at), rd_zset_member(p->at)) > 0) break;
  }
  return packed || (at < p->end && at > p->begin) ? at : NULL;
}

/* Move it to another leaf: the new entry is inserted first, which is all that may fail. */
static rd_result move_far(rd_coll *c, rd_zset_place *p, double score) {
  uint8_t entry[LONGEST];
  uint64_t old = order_at(p->at.at);
  rd_element member;
  rd_element_like(&member, c->st, rd_zset_member(p->at.at));
  memcpy(entry, &score, 8);
  uint8_t *end = rd_element_put(c, &member, entry + 8);
  if (end == NULL) return RD_OOM;
  rd_pos to;
  rd_element_like(&member, c->st, entry + 8); /* the entry in the tree is going to move */
  rd_zset_lower(c, rd_zset_order(score), &member, &to);
  if (rd_coll_insert(c, &to, entry, (uint32_t)(end - entry)) != RD_OK) {
    if (member.is_outside) rd_blob_release(c->st, c->shard, member.blob);
    return RD_OOM;
  }
  rd_zset_lower(c, old, &member, &p->at);
  rd_coll_remove(c, &p->at);
  return RD_OK;
}

rd_result rd_zset_move(rd_coll *c, rd_zset_place *p, double score) {
  score = stored(rd_coll_name(c), score);
  const uint8_t *to = place_in_run(c, &p->at, rd_zset_order(score));
  if (to != NULL) {
    rd_coll_write(c, &p->at, 0, &score, 8);
    rd_coll_shift(c, &p->at, to);
  } else if (move_far(c, p, score) != RD_OK) {
    return RD_OOM;
  }
  if (rd_coll_is_packed(c)) return RD_OK;
  rd_coll second = rd_coll_second(c);
  rd_coll_write(&second, &p->hashed, 4, &score, 8);
  return RD_OK;
}

void rd_zset_remove(rd_coll *c, rd_zset_place *p) {
  if (!rd_coll_is_packed(c)) {
    rd_coll second = rd_coll_second(c);
    rd_coll_remove(&second, &p->hashed);
  }
  rd_coll_remove(c, &p->at);
}

rd_result rd_zset_put(rd_coll *c, rd_element *member, double score) {
  rd_zset_place p;
  if (!rd_zset_find(c, member, &p)) return rd_zset_add(c, &p, member, score);
  return rd_zset_score(p.at.at) == score ? RD_OK : rd_zset_move(c, &p, score);
}

/* ---- ranges ---- */

uint64_t rd_zset_count_below(const rd_coll *c, const rd_pos *p, uint64_t order, uint64_t most) {
  uint64_t n = most;
  if (pass(p->at, p->end, order, &n) < p->end || n == most || p->leaf == 0) return n;
  rd_pos next = *p;
  for (bool more = rd_tree_next_leaf(c, &next); more && n < most && order_at(next.at) < order; n++)
    more = rd_zset_next(c, &next);
  return n;
}

/* Remove the entry of the second tree that belongs to one of the first. */
static void remove_hashed(void *arg, rd_coll *c, const uint8_t *entry) {
  rd_coll *second = arg;
  uint8_t hashed[HASHED];
  rd_pos h;
  hashed_entry(c->st, entry, hashed);
  rd_coll_run(second, hashed_order(c->st, hashed), &h);
  while (h.at < h.end && memcmp(h.at, hashed, HASHED) != 0) h.at += HASHED;
  if (h.at < h.end) rd_coll_remove(second, &h);
}

void rd_zset_remove_range(rd_coll *c, uint64_t rank, uint64_t n) {
  rd_coll second = rd_coll_second(c);
  rd_coll_remove_range(c, rank, n, rd_coll_is_packed(c) ? NULL : remove_hashed, &second);
}
