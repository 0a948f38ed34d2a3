/* tree_change.c - inserts, replaces and removes entries of trees. */
#include "arena/lock.h"
#include "arena/longrun.h"
#include "store/blob.h"
#include "store/tree_leaf.h"
#include "store/undo.h"

#define BLOBS 4u   /* most blobs of an entry */
#define HASHED 64u /* most entries of a leaf by hash when it grows: all of them are compared with a sought one */

/* ---- blobs ---- */

static uint32_t blobs_of(const rd_coll *c, const uint8_t *entry, rd_ref blobs[BLOBS]) {
  uint32_t n = 0, off;
  if (c->kind->outside == NULL || entry == NULL) return 0;
  for (; n < BLOBS && (off = c->kind->outside(entry, n)) != 0; n++) blobs[n] = rd_ld64(entry + off);
  return n;
}

static bool is_among(rd_ref blob, const rd_ref *blobs, uint32_t n) {
  for (uint32_t i = 0; i < n; i++) {
    if (blobs[i] == blob) return true;
  }
  return false;
}

void rd_leaf_own_blobs(rd_coll *c, rd_ref leaf) {
  const rd_leaf *l = rd_leaf_at(c->st, leaf);
  if (RD_LIKELY((l->used & RD_LEAF_BLOBS) == 0)) return;
  const uint8_t *end = l->data + rd_leaf_used(l);
  for (const uint8_t *at = l->data; at < end; at += rd_entry_size(c, at, end)) {
    rd_ref blobs[BLOBS];
    for (uint32_t n = blobs_of(c, at, blobs); n-- > 0;) {
      rd_ref before = rd_blob_owner(c->st, blobs[n]);
      if (before == 0) continue;
      rd_undo_owner(c->undo, blobs[n], before);
      rd_blob_set_owner(c->st, blobs[n], leaf);
    }
  }
}

/* An entry is in the leaf now in place of another one; either may be missing. */
static void exchange_blobs(rd_coll *c, rd_ref leaf, const rd_ref *old, uint32_t n_old, const uint8_t *entry) {
  rd_ref blobs[BLOBS];
  uint32_t n = blobs_of(c, entry, blobs);
  if (RD_LIKELY(n == 0 && n_old == 0)) return;
  int64_t bytes = 0;
  for (uint32_t i = 0; i < n; i++) {
    if (is_among(blobs[i], old, n_old)) continue;
    bytes += (int64_t)rd_blob_memory(c->st, blobs[i]);
    rd_blob_set_owner(c->st, blobs[i], leaf);
    rd_undo_made_blob(c->undo, blobs[i]);
  }
  for (uint32_t i = 0; i < n_old; i++) {
    if (is_among(old[i], blobs, n)) continue;
    bytes -= (int64_t)rd_blob_memory(c->st, old[i]);
    rd_undo_release_blob(c->st, c->shard, c->undo, old[i]);
  }
  rd_tree_note_bytes(c, bytes);
}

/* ---- the ends ---- */

static bool is_at_end(const rd_coll *c, const rd_pos *p) {
  if (rd_is_by_hash(c) || p->at != p->end) return false;
  for (uint32_t level = 0; level < p->depth; level++) {
    if (p->path[level].child + 1u != rd_node_at(c->st, p->path[level].node)->n) return false;
  }
  return true;
}

static bool is_at_front(const rd_coll *c, const rd_pos *p) {
  if (rd_is_by_hash(c) || p->at != p->begin) return false;
  for (uint32_t level = 0; level < p->depth; level++) {
    if (p->path[level].child != 0) return false;
  }
  return true;
}

/* More room for the leaf where a list grows or shrinks at an end, so that its block is resized seldom: up to a
 * sixteenth of the list's memory. */
static uint32_t room_at_end(const rd_coll *c, const rd_pos *p, uint32_t used) {
  if (c->kind->order != NULL || (!is_at_end(c, p) && !is_at_front(c, p))) return 0;
  uint64_t most = rd_tree_head(c).bytes / 16;
  return used / 2 < most ? used / 2 : (uint32_t)most;
}

/* ---- leaves ---- */

/* `len` bytes are going to be in place of `old` ones. Behind the leaf's entries nothing has to be kept. */
static void save_before_splice(rd_coll *c, const rd_pos *p, rd_leaf *l, uint32_t old, uint32_t len) {
  if (RD_LIKELY(c->undo == NULL)) return;
  if (len != old && p->at + old != p->end) {
    rd_undo_save(c->st, c->undo, p->leaf);
    return;
  }
  rd_undo_save_bytes(c->st, c->undo, p->leaf, &l->used, sizeof l->used + sizeof l->count);
  if (old > 0) rd_undo_save_bytes(c->st, c->undo, p->leaf, p->at, old);
}
_Static_assert(offsetof(rd_leaf, count) == offsetof(rd_leaf, used) + sizeof(uint16_t), "save_before_splice");

/* Put `len` bytes in place of `old` ones, within the leaf's block. */
static void splice(rd_coll *c, rd_pos *p, uint32_t old, const uint8_t *bytes, uint32_t len) {
  rd_leaf *l = rd_leaf_at(c->st, p->leaf);
  rd_mark_dirty(c->st, c->shard);
  save_before_splice(c, p, l, old, len);
  uint8_t *at = (uint8_t *)(uintptr_t)p->at;
  memmove(at + len, at + old, (size_t)(p->end - p->at) - old);
  if (len > 0) memcpy(at, bytes, len);
  l->used = (uint16_t)(l->used + len - old);
  p->end = p->end + len - old;
}

/* Move the leaf to a longer block. false: no memory. */
static bool regrow(rd_coll *c, rd_pos *p, uint32_t used) {
  rd_stock s = {.n = 0};
  rd_stock_add(c, &s, rd_leaf_bytes(c, used, room_at_end(c, p, used)), RD_LEAF);
  if (!rd_stock_is_full(c, &s)) return false;
  rd_ref fresh = rd_stock_take(&s), before = p->leaf;
  const rd_leaf *old = rd_leaf_at(c->st, before);
  rd_leaf *l = rd_leaf_at(c->st, fresh);
  memcpy(&l->used, &old->used, RD_LEAF_HEAD - sizeof(rd_blk) + rd_leaf_used(old));
  rd_tree_set_leaf(c, p, fresh);
  rd_leaf_own_blobs(c, fresh);
  p->at = l->data + (p->at - p->begin);
  p->begin = l->data;
  p->end = l->data + rd_leaf_used(l);
  p->leaf = fresh;
  rd_tree_release_block(c, before);
  return true;
}

/* Shorten the leaf's block to its entries and `slack` bytes, unless the change may be undone. */
static void trim(rd_coll *c, rd_ref leaf, uint32_t slack) {
  const rd_leaf *l = rd_leaf_at(c->st, leaf);
  uint32_t used = rd_leaf_used(l), had = rd_blk_bytes(l->blk);
  if (c->undo != NULL) return;
  rd_heap_shrink(c->st, c->shard, leaf, RD_LEAF_HEAD + used + slack);
  rd_tree_note_bytes(c, (int64_t)rd_blk_bytes(l->blk) - had);
}

static rd_result first_leaf(rd_coll *c, rd_pos *p, const uint8_t *entry, uint32_t len) {
  rd_stock s = {.n = 0};
  rd_stock_add(c, &s, rd_leaf_bytes(c, len, 0), RD_LEAF);
  if (!rd_stock_is_full(c, &s)) return RD_OOM;
  rd_ref leaf = rd_stock_take(&s);
  rd_leaf_init(c->st, leaf, rd_ref_of(c->st, c->item), rd_leaf_flags_of(c, entry));
  rd_leaf_append(rd_leaf_at(c->st, leaf), entry, len, 1);
  p->depth = 0;
  rd_tree_set_leaf(c, p, leaf);
  rd_tree_count(c, p, 1);
  exchange_blobs(c, leaf, NULL, 0, entry);
  rd_tree_place(c, leaf, rd_leaf_at(c->st, leaf)->data, p);
  return RD_OK;
}

/* ---- growing at an end ---- */

/* A new leaf for the entry alone, beside the full one. */
static rd_result extend(rd_coll *c, rd_pos *p, rd_trend trend, const uint8_t *entry, uint32_t len) {
  rd_store *st = c->st;
  rd_stock s = {.n = 0};
  rd_stock_add(c, &s, rd_leaf_bytes(c, len, 0), RD_LEAF);
  rd_tree_stock_link(c, p, trend, &s);
  if (!rd_stock_is_full(c, &s)) return RD_OOM;
  rd_ref fresh = rd_stock_take(&s), full = p->leaf;
  rd_leaf_init(st, fresh, 0, rd_leaf_flags_of(c, entry));
  rd_leaf_append(rd_leaf_at(st, fresh), entry, len, 1);
  rd_tree_count(c, p, 1);
  if (trend == RD_AT_END) {
    rd_tree_link(c, p, trend, &s, fresh, rd_entry_order(c, entry), 1);
    trim(c, full, 0);
  } else {
    const rd_leaf *old = rd_leaf_at(st, full);
    if (c->kind->order != NULL) rd_tree_lower_bounds(c, p, rd_entry_order(c, entry));
    rd_tree_set_leaf(c, p, fresh);
    rd_tree_link(c, p, trend, &s, full, rd_entry_order(c, old->data), old->count);
  }
  rd_tree_place(c, fresh, rd_leaf_at(st, fresh)->data, p);
  return RD_OK;
}

/* ---- changes ---- */

/* Put the entry in place of `old` bytes at the place: 0, or one entry. */
static rd_result put(rd_coll *c, rd_pos *p, uint32_t old, const uint8_t *entry, uint32_t len) {
  rd_store *st = c->st;
  const rd_leaf *l = rd_leaf_at(st, p->leaf);
  uint32_t used = rd_leaf_used(l) - old + len, entries = l->count + (old == 0 ? 1u : 0);
  if (used > rd_leaf_room(l)) {
    bool divides = (used > c->kind->run_max && entries > 1) || (rd_is_by_hash(c) && entries > HASHED);
    if (divides && old == 0 && is_at_end(c, p)) return extend(c, p, RD_AT_END, entry, len);
    if (divides && old == 0 && is_at_front(c, p)) return extend(c, p, RD_AT_FRONT, entry, len);
    if (divides) {
      rd_result result;
      if (rd_leaf_split(c, p, old, entry, len, &result)) return result;
    }
    if (used > RD_LEAF_MAX_USED) { /* too many entries of the same hash */
      c->wanted += RD_MAX_BLOCK;
      return RD_OOM;
    }
    if (!regrow(c, p, used)) return RD_OOM;
  }
  bool even = old == 0 ? rd_leaf_used(rd_leaf_at(st, p->leaf)) == len * (entries - 1) : old == len;
  splice(c, p, old, entry, len);
  rd_leaf *now = rd_leaf_at(st, p->leaf);
  now->used |= (uint16_t)rd_leaf_flags_of(c, entry);
  if (!even) now->used &= (uint16_t)~RD_LEAF_EVEN;
  if (old != 0) return RD_OK;
  now->count++;
  rd_tree_count(c, p, 1);
  if (c->kind->order != NULL) rd_tree_lower_bounds(c, p, rd_entry_order(c, entry));
  return RD_OK;
}

rd_result rd_tree_insert(rd_coll *c, rd_pos *p, const uint8_t *entry, uint32_t len) {
  if (RD_UNLIKELY(rd_tree_head(c).root == 0)) return first_leaf(c, p, entry, len);
  if (rd_is_by_hash(c)) p->at = p->end;
  if (put(c, p, 0, entry, len) != RD_OK) return RD_OOM;
  exchange_blobs(c, p->leaf, NULL, 0, entry);
  return RD_OK;
}

rd_result rd_tree_replace(rd_coll *c, rd_pos *p, const uint8_t *entry, uint32_t len) {
  rd_ref blobs[BLOBS];
  uint32_t n = blobs_of(c, p->at, blobs);
  if (put(c, p, rd_entry_size(c, p->at, p->end), entry, len) != RD_OK) return RD_OOM;
  exchange_blobs(c, p->leaf, blobs, n, entry);
  return RD_OK;
}

/* ---- removing ---- */

/* A leaf of few entries and a neighbour become one, if there is memory for it. */
static void merge(rd_coll *c, rd_pos *p) {
  rd_store *st = c->st;
  uint32_t used = (uint32_t)(p->end - p->begin);
  if (c->undo != NULL || p->depth == 0 || used * 4 > c->kind->run_max) return;
  rd_node *n = rd_node_at(st, p->path[p->depth - 1].node);
  uint32_t child = p->path[p->depth - 1].child, right = child + 1u < n->n ? child + 1 : child;
  if (right == 0) return;
  rd_ref a = rd_node_children(n)[right - 1], b = rd_node_children(n)[right];
  const rd_leaf *first = rd_leaf_at(st, a), *second = rd_leaf_at(st, b);
  uint32_t all = rd_leaf_used(first) + rd_leaf_used(second);
  if (all * 4 > c->kind->run_max * 3 || (rd_is_by_hash(c) && (uint32_t)(first->count + second->count) * 4 > HASHED * 3))
    return;
  rd_ref fresh = rd_heap_alloc(st, c->shard, rd_leaf_bytes(c, all, 0), RD_LEAF);
  if (fresh == 0) return;
  rd_leaf *l = rd_leaf_at(st, fresh);
  rd_tree_note_bytes(c, rd_blk_bytes(l->blk));
  rd_leaf_init(st, fresh, 0, (first->used | second->used) & RD_LEAF_BLOBS);
  if ((first->used & second->used & RD_LEAF_EVEN) == 0) l->used &= (uint16_t)~RD_LEAF_EVEN;
  rd_leaf_append(l, first->data, rd_leaf_used(first), first->count);
  rd_leaf_append(l, second->data, rd_leaf_used(second), second->count);
  const uint8_t *place = l->data + (p->at - p->begin) + (child == right ? rd_leaf_used(first) : 0);
  rd_node_counts(n)[right - 1] += rd_node_counts(n)[right];
  p->path[p->depth - 1].child = right - 1;
  rd_tree_set_leaf(c, p, fresh);
  rd_leaf_own_blobs(c, fresh);
  rd_tree_release_block(c, a);
  p->path[p->depth - 1].child = right;
  p->leaf = b;
  rd_tree_unlink(c, p);
  rd_tree_place(c, fresh, place, p);
}

/* Remove the bytes of `n` entries from the place on, whose blobs are gone, but not all of the leaf. */
static void cut(rd_coll *c, rd_pos *p, uint32_t bytes, uint32_t n) {
  splice(c, p, bytes, NULL, 0);
  rd_leaf *l = rd_leaf_at(c->st, p->leaf);
  l->count = (uint16_t)(l->count - n);
  rd_tree_count(c, p, -(int64_t)n);
  uint32_t used = rd_leaf_used(l);
  if (rd_leaf_room(l) >= used + 2 * RD_LEAF_SLACK + room_at_end(c, p, used)) trim(c, p->leaf, RD_LEAF_SLACK / 2);
  merge(c, p);
}

static void remove_leaf(rd_coll *c, const rd_pos *p) {
  rd_mark_dirty(c->st, c->shard);
  rd_tree_count(c, p, -(int64_t)rd_leaf_at(c->st, p->leaf)->count);
  rd_tree_unlink(c, p);
}

static void release_blobs(rd_coll *c, const rd_pos *p, const uint8_t *entry) {
  rd_ref blobs[BLOBS];
  exchange_blobs(c, p->leaf, blobs, blobs_of(c, entry, blobs), NULL);
}

void rd_tree_remove(rd_coll *c, rd_pos *p) {
  release_blobs(c, p, p->at);
  if (rd_leaf_at(c->st, p->leaf)->count == 1) {
    uint64_t rank = rd_tree_rank(c, p);
    remove_leaf(c, p);
    rd_tree_at(c, rank, p);
    return;
  }
  cut(c, p, rd_entry_size(c, p->at, p->end), 1);
  if (p->at == p->end) rd_tree_next_leaf(c, p);
}

void rd_tree_remove_range(rd_coll *c, uint64_t rank, uint64_t n,
                          void (*each)(void *arg, rd_coll *c, const uint8_t *entry), void *arg) {
  rd_pos p;
  while (n > 0 && rd_tree_at(c, rank, &p)) {
    const uint8_t *stop = p.at;
    uint32_t entries = 0;
    for (; stop < p.end && entries < n; entries++) {
      if (each != NULL) each(arg, c, stop);
      release_blobs(c, &p, stop);
      stop += rd_entry_size(c, stop, p.end);
    }
    if (entries == rd_leaf_at(c->st, p.leaf)->count)
      remove_leaf(c, &p);
    else
      cut(c, &p, (uint32_t)(stop - p.at), entries);
    n -= entries;
    if (n > 0 && c->undo == NULL)
      rd_yield_whole(c->st);
    else
      rd_yield(c->st); /* the value may be empty now, and goes when the command ends */
  }
}
