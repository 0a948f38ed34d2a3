/* tree_value.c - trees as whole values: their memory, release, copies, and the moves of their blocks. */
#include "arena/lock.h"
#include "arena/longrun.h"
#include "store/blob.h"
#include "store/tree.h"

/* The trees of an item, without its key. */
static rd_coll open_tree(const rd_store *st, uint32_t shard, const rd_item *it, unsigned tree) {
  const rd_type_row *row = rd_type_of(it);
  return (rd_coll){.st = (rd_store *)(uintptr_t)st,
                   .shard = shard,
                   .row = row,
                   .kind = row->coll[tree],
                   .tree = tree,
                   .item = (rd_item *)(uintptr_t)it};
}
static inline unsigned trees_of(const rd_item *it) { return rd_type_of(it)->coll[1] != NULL ? 2 : 1; }

uint64_t rd_coll_bytes(const rd_store *st, const rd_item *it) {
  uint64_t bytes = 0;
  for (unsigned i = 0; i < trees_of(it); i++) {
    rd_coll c = open_tree(st, 0, it, i);
    bytes += rd_tree_head(&c).bytes;
  }
  return bytes;
}

void rd_coll_moved(rd_store *st, rd_item *it) {
  for (unsigned i = 0; i < trees_of(it); i++) {
    rd_coll c = open_tree(st, 0, it, i);
    rd_ref root = rd_tree_head(&c).root;
    if (root != 0) rd_tree_set_parent(&c, root, rd_ref_of(st, it));
  }
}

/* ---- releasing ---- */

static uint32_t offset_of_blob(const rd_coll *c, const uint8_t *entry, uint32_t n) {
  return c->kind->outside == NULL ? 0 : c->kind->outside(entry, n);
}

/* Release blobs of the leaf's last entries, about `*most` blocks, and those entries. true: none has any more. */
static bool release_blobs(rd_coll *c, rd_pos *p, uint32_t *most) {
  rd_leaf *l = rd_leaf_at(c->st, p->leaf);
  if ((l->used & RD_LEAF_BLOBS) == 0) return true;
  for (p->at = p->begin; p->at<p->end && * most> 0; p->at += rd_entry_size(c, p->at, p->end)) {
    for (uint32_t n = 0, off; (off = offset_of_blob(c, p->at, n)) != 0 && *most > 0; n++) {
      rd_ref blob = rd_ld64(p->at + off);
      if (blob == 0) continue;
      const rd_heap *heap = &rd_shard_at(c->st, c->shard)->heap;
      uint64_t had = heap->used;
      bool gone = rd_blob_release_some(c->st, c->shard, blob, most);
      rd_tree_note_bytes(c, (int64_t)heap->used - (int64_t)had);
      if (gone) rd_st64((uint8_t *)(uintptr_t)p->at + off, 0);
    }
  }
  return *most > 0;
}

uint32_t rd_coll_release(rd_store *st, uint32_t shard, rd_item *it, uint32_t most) {
  uint32_t left = most;
  for (unsigned i = 0; i < trees_of(it) && left > 0; i++) {
    rd_coll c = open_tree(st, shard, it, i);
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

/* Give the copy of a leaf copies of its blobs. false: no memory; then the leaf has those that were made, and no other
 * entries with blobs. */
static bool copy_blobs(rd_coll *c, rd_ref leaf) {
  rd_leaf *l = rd_leaf_at(c->st, leaf);
  if ((l->used & RD_LEAF_BLOBS) == 0) return true;
  uint64_t wanted = 0;
  bool done = true;
  const uint8_t *end = l->data + rd_leaf_used(l);
  for (uint8_t *at = l->data; at < end; at += rd_entry_size(c, at, end)) {
    for (uint32_t n = 0, off; (off = offset_of_blob(c, at, n)) != 0; n++) {
      rd_ref blob = done ? rd_blob_copy(c->st, c->shard, rd_ld64(at + off), &wanted) : 0;
      rd_st64(at + off, blob);
      done = blob != 0;
      if (!done) continue;
      rd_blob_set_owner(c->st, blob, leaf);
      rd_tree_note_bytes(c, (int64_t)rd_blob_memory(c->st, blob));
    }
  }
  return done;
}

static bool copy_leaf(rd_coll *c, const rd_leaf *from, uint64_t order) {
  rd_store *st = c->st;
  rd_pos p;
  rd_stock s = {.n = 0};
  bool first = !rd_tree_at(c, UINT64_MAX, &p) && p.leaf == 0;
  rd_stock_add(c, &s, RD_LEAF_HEAD + rd_leaf_used(from), RD_LEAF);
  if (!first) rd_tree_stock_link(c, &p, RD_AT_END, &s);
  if (!rd_stock_is_full(c, &s)) return false;
  rd_ref leaf = rd_stock_take(&s);
  memcpy(&rd_leaf_at(st, leaf)->used, &from->used, RD_LEAF_HEAD - sizeof(rd_blk) + rd_leaf_used(from));
  rd_leaf_at(st, leaf)->parent = 0;
  rd_tree_count(c, &p, from->count);
  if (first)
    rd_tree_set_leaf(c, &p, leaf);
  else
    rd_tree_link(c, &p, RD_AT_END, &s, leaf, order, from->count);
  return copy_blobs(c, leaf);
}

static uint64_t bound_of(const rd_coll *c, const rd_pos *p) {
  return p->depth == 0 ? 0 : rd_node_at(c->st, p->path[p->depth - 1].node)->order[p->path[p->depth - 1].child];
}

bool rd_coll_copy(rd_store *st, uint32_t shard, rd_item *it, const rd_item *from) {
  bool done = true;
  rd_item_store(st, it, 0, NULL, rd_heads_bytes(rd_type_of(it)));
  for (unsigned i = 0; i < trees_of(it) && done; i++) {
    rd_coll to = open_tree(st, shard, it, i), source = open_tree(st, 0, from, i);
    rd_pos p;
    for (bool more = rd_tree_first(&source, &p); more && done; more = rd_tree_next_leaf(&source, &p)) {
      done = copy_leaf(&to, rd_leaf_at(st, p.leaf), bound_of(&source, &p));
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
  rd_coll c = open_tree(st, shard, it, 0);
  return rd_tree_head(&c).root == top ? c : open_tree(st, shard, it, 1);
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
