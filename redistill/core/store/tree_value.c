/* tree_value.c - trees as whole values: their memory, release, copies, and the moves of their blocks. */
#include "arena/lock.h"
#include "arena/longrun.h"
#include "store/blob.h"
#include "store/tree.h"

rd_coll rd_tree_open(const rd_store *st, uint32_t shard, const rd_item *it, unsigned tree) {
  const rd_type_row *row = rd_type_of(it);
  return (rd_coll){.st = (rd_store *)(uintptr_t)st,
                   .shard = shard,
                   .row = row,
                   .kind = row->coll[tree],
                   .tree = tree,
                   .item = (rd_item *)(uintptr_t)it};
}
uint64_t rd_coll_bytes(const rd_store *st, const rd_item *it) {
  uint64_t bytes = 0;
  for (unsigned i = 0; i < rd_trees_of(it); i++) {
    rd_coll c = rd_tree_open(st, 0, it, i);
    bytes += rd_tree_head(&c).bytes;
  }
  return bytes;
}

void rd_coll_moved(rd_store *st, rd_item *it) {
  for (unsigned i = 0; i < rd_trees_of(it); i++) {
    rd_coll c = rd_tree_open(st, 0, it, i);
    rd_ref root = rd_tree_head(&c).root;
    if (root != 0) rd_tree_set_parent(&c, root, rd_ref_of(st, it));
  }
}

/* ---- releasing ---- */

static uint32_t offset_of_blob(const rd_coll *c, const uint8_t *entry, uint32_t n) {
  return c->kind->outside == NULL ? 0 : c->kind->outside(entry, n);
}

/* Release about `*most` blocks of the blob that an entry has at `at`. false: it has more. */
static bool release_blob(rd_coll *c, uint8_t *at, uint32_t *most) {
  const rd_heap *heap = &rd_shard_at(c->st, c->shard)->heap;
  uint64_t had = heap->used;
  bool gone = rd_blob_release_some(c->st, c->shard, rd_ld64(at), most);
  rd_tree_note_bytes(c, (int64_t)heap->used - (int64_t)had);
  if (gone) rd_st64(at, 0);
  return gone;
}

static void drop_blob(rd_coll *c, uint8_t *at) {
  uint32_t all = UINT32_MAX;
  rd_mark_dirty(c->st, c->shard);
  release_blob(c, at, &all);
}

/* Release blobs of the leaf's last entries, about `*most` blocks, and those entries. true: none has any more. */
static bool release_blobs(rd_coll *c, rd_pos *p, uint32_t *most) {
  rd_leaf *l = rd_leaf_at(c->st, p->leaf);
  if ((l->used & RD_LEAF_BLOBS) == 0) return true;
  for (p->at = p->begin; p->at<p->end && * most> 0; p->at += rd_entry_size(c, p->at, p->end)) {
    for (uint32_t n = 0, off; (off = offset_of_blob(c, p->at, n)) != 0 && *most > 0; n++) {
      if (rd_ld64(p->at + off) != 0) release_blob(c, (uint8_t *)(uintptr_t)p->at + off, most);
    }
  }
  return *most > 0;
}

void rd_tree_drop_leaf(rd_coll *c, rd_pos *p) {
  uint32_t all = UINT32_MAX;
  rd_mark_dirty(c->st, c->shard);
  release_blobs(c, p, &all);
  rd_tree_count(c, p, -(int64_t)rd_leaf_at(c->st, p->leaf)->count);
  rd_tree_unlink(c, p);
}

uint32_t rd_coll_release(rd_store *st, uint32_t shard, rd_item *it, uint32_t most) {
  uint32_t left = most;
  for (unsigned i = 0; i < rd_trees_of(it) && left > 0; i++) {
    rd_coll c = rd_tree_open(st, shard, it, i);
    rd_pos p;
    while (left > 0 && rd_tree_last(&c, &p)) {
      rd_mark_dirty(st, shard);
      if (!release_blobs(&c, &p, &left)) break;
      rd_tree_count(&c, &p, -(int64_t)rd_leaf_at(st, p.leaf)->count);
      rd_tree_unlink(&c, &p);
      left--;
    }
  }
  return most - left;
}

/* ---- copying ---- */

/* Give an entry of a copy, at `to`, the blob that the original has at `from`. */
static bool copy_blob(rd_coll *c, rd_ref leaf, uint8_t *to, const uint8_t *from) {
  rd_ref blob = rd_blob_copy(c->st, c->shard, rd_ld64(from), &c->wanted);
  if (blob == 0) return false;
  rd_mark_dirty(c->st, c->shard);
  rd_st64(to, blob);
  rd_blob_set_owner(c->st, blob, leaf);
  rd_tree_note_bytes(c, (int64_t)rd_blob_memory(c->st, blob));
  return true;
}

bool rd_tree_copy_blobs(rd_coll *c, rd_ref leaf, rd_coll *from, rd_ref source, bool takes) {
  rd_leaf *l = rd_leaf_at(c->st, leaf);
  if ((l->used & RD_LEAF_BLOBS) == 0) return true;
  const uint8_t *end = l->data + rd_leaf_used(l);
  uint8_t *theirs = rd_leaf_at(c->st, source)->data;
  for (uint8_t *at = l->data; at < end;) {
    uint32_t size = rd_entry_size(c, at, end);
    for (uint32_t n = 0, off; (off = offset_of_blob(c, at, n)) != 0; n++) {
      if (rd_ld64(theirs + off) == 0) continue;
      if (rd_ld64(at + off) == 0 && !copy_blob(c, leaf, at + off, theirs + off)) return false;
      if (takes) drop_blob(from, theirs + off);
    }
    at += size;
    theirs += size;
  }
  return true;
}

static void forget_blobs(rd_coll *c, rd_ref leaf) {
  rd_leaf *l = rd_leaf_at(c->st, leaf);
  const uint8_t *end = l->data + rd_leaf_used(l);
  for (uint8_t *at = l->data; (l->used & RD_LEAF_BLOBS) != 0 && at < end; at += rd_entry_size(c, at, end)) {
    for (uint32_t n = 0, off; (off = offset_of_blob(c, at, n)) != 0; n++) rd_st64(at + off, 0);
  }
}

/* The lowest order in a leaf. */
static uint64_t lowest_in(const rd_coll *c, const rd_leaf *l) {
  uint64_t lowest = c->kind->order == NULL ? 0 : UINT64_MAX;
  const uint8_t *end = l->data + rd_leaf_used(l);
  for (const uint8_t *at = l->data; lowest > 0 && at < end; at += rd_entry_size(c, at, end)) {
    uint64_t order = c->kind->order(c->st, at);
    if (order < lowest) lowest = order;
  }
  return lowest;
}

uint64_t rd_tree_bound(const rd_coll *c, const rd_pos *p) {
  if (p->depth == 0) return lowest_in(c, rd_leaf_at(c->st, p->leaf)); /* a leaf without a node has no bound */
  return rd_node_at(c->st, p->path[p->depth - 1].node)->order[p->path[p->depth - 1].child];
}

bool rd_tree_copy_leaf(rd_coll *c, rd_trend trend, const rd_leaf *from, uint64_t order) {
  rd_store *st = c->st;
  rd_pos p;
  rd_stock s = {.n = 0};
  bool front = trend == RD_AT_FRONT;
  bool first = !(front ? rd_tree_first(c, &p) : rd_tree_at(c, UINT64_MAX, &p)) && p.leaf == 0;
  rd_stock_add(c, &s, RD_LEAF_HEAD + rd_leaf_used(from), RD_LEAF);
  if (!first) rd_tree_stock_link(c, &p, trend, &s);
  if (!rd_stock_is_full(c, &s)) return false;
  rd_ref leaf = rd_stock_take(&s);
  memcpy(&rd_leaf_at(st, leaf)->used, &from->used, RD_LEAF_HEAD - sizeof(rd_blk) + rd_leaf_used(from));
  rd_leaf_at(st, leaf)->parent = 0;
  forget_blobs(c, leaf);
  rd_tree_count(c, &p, from->count);
  if (first) {
    rd_tree_set_leaf(c, &p, leaf);
  } else if (front) { /* the leaf takes the place of the first one, which comes after it */
    const rd_leaf *next = rd_leaf_at(st, p.leaf);
    rd_tree_set_leaf(c, &p, leaf);
    rd_tree_lower_bounds(c, &p, order);
    rd_tree_link(c, &p, trend, &s, p.leaf, lowest_in(c, next), next->count);
  } else {
    rd_tree_link(c, &p, trend, &s, leaf, order, from->count);
  }
  return true;
}

bool rd_coll_copy(rd_store *st, uint32_t shard, rd_item *it, const rd_item *from) {
  bool done = true;
  rd_item_store(st, it, 0, NULL, rd_heads_bytes(rd_type_of(it)));
  for (unsigned i = 0; i < rd_trees_of(it) && done; i++) {
    rd_coll to = rd_tree_open(st, shard, it, i), source = rd_tree_open(st, 0, from, i);
    rd_pos p, last;
    for (bool more = rd_tree_first(&source, &p); more && done; more = rd_tree_next_leaf(&source, &p)) {
      done = rd_tree_copy_leaf(&to, RD_AT_END, rd_leaf_at(st, p.leaf), rd_tree_bound(&source, &p)) &&
             rd_tree_last(&to, &last) && rd_tree_copy_blobs(&to, last.leaf, &source, p.leaf, false);
      rd_yield(st);
    }
  }
  while (!done && rd_coll_release(st, shard, it, 64) == 64) rd_yield(st);
  return done;
}

/* ---- blocks ---- */

rd_ref rd_tree_item(const rd_store *st, rd_ref block) {
  for (uint32_t level = 0; level <= RD_COLL_DEPTH + 1; level++) {
    rd_kind kind = rd_blk_kind(*rd_blk_at(st, block));
    if (kind == RD_ITEM) return block;
    if (kind != RD_LEAF && kind != RD_NODE) return 0;
    block = rd_leaf_at(st, block)->parent;
  }
  return 0;
}

/* Open the tree that a block is in. */
static rd_coll tree_of(rd_store *st, uint32_t shard, rd_ref block) {
  rd_ref top = block, parent = rd_leaf_at(st, block)->parent;
  while (rd_blk_kind(*rd_blk_at(st, parent)) != RD_ITEM) {
    top = parent;
    parent = rd_leaf_at(st, parent)->parent;
  }
  rd_item *it = rd_at(st, parent);
  rd_coll c = rd_tree_open(st, shard, it, 0);
  return rd_tree_head(&c).root == top ? c : rd_tree_open(st, shard, it, 1);
}

/* Copy the block, and make its parent refer to the copy. Returns that; 0: no memory. */
static rd_ref move(rd_coll *c, rd_ref block) {
  rd_store *st = c->st;
  rd_ref to = rd_block_copy(st, c->shard, block), parent = rd_leaf_at(st, block)->parent;
  if (to == 0) return 0;
  if (rd_blk_kind(*rd_blk_at(st, parent)) == RD_ITEM) {
    rd_head h = rd_tree_head(c);
    h.root = to;
    rd_tree_set_head(c, &h);
  } else {
    rd_node *n = rd_node_at(st, parent);
    for (uint32_t i = 0; i < n->n; i++) {
      if (rd_node_children(n)[i] == block) rd_node_children(n)[i] = to;
    }
  }
  rd_tree_note_bytes(c, (int64_t)rd_blk_bytes(*rd_blk_at(st, to)) - rd_blk_bytes(*rd_blk_at(st, block)));
  return to;
}

bool rd_leaf_move_block(rd_store *st, uint32_t shard, rd_ref block) {
  rd_coll c = tree_of(st, shard, block);
  rd_ref to = move(&c, block);
  if (to == 0) return false;
  rd_leaf *l = rd_leaf_at(st, to);
  const uint8_t *end = l->data + rd_leaf_used(l);
  for (uint8_t *at = l->data; (l->used & RD_LEAF_BLOBS) != 0 && at < end; at += rd_entry_size(&c, at, end)) {
    for (uint32_t n = 0, off; (off = offset_of_blob(&c, at, n)) != 0; n++) {
      if (rd_ld64(at + off) != 0) rd_blob_set_owner(st, rd_ld64(at + off), to);
    }
  }
  rd_heap_release(st, shard, block);
  return true;
}

bool rd_node_move_block(rd_store *st, uint32_t shard, rd_ref block) {
  rd_coll c = tree_of(st, shard, block);
  rd_ref to = move(&c, block);
  if (to == 0) return false;
  const rd_node *n = rd_node_at(st, to);
  for (uint32_t i = 0; i < n->n; i++) rd_tree_set_parent(&c, rd_node_children(n)[i], to);
  rd_heap_release(st, shard, block);
  return true;
}

void rd_leaf_blob_moved(rd_store *st, rd_ref leaf, rd_ref from, rd_ref to, int64_t more_bytes) {
  rd_coll c = tree_of(st, 0, leaf);
  rd_leaf *l = rd_leaf_at(st, leaf);
  const uint8_t *end = l->data + rd_leaf_used(l);
  for (uint8_t *at = l->data; at < end && from != to; at += rd_entry_size(&c, at, end)) {
    for (uint32_t n = 0, off; (off = offset_of_blob(&c, at, n)) != 0; n++) {
      if (rd_ld64(at + off) == from) rd_st64(at + off, to);
    }
  }
  rd_tree_note_bytes(&c, more_bytes);
}
