/* tree.h - counted B+ trees of packed leaves: large collections (coll.h).
 *
 * A leaf has entries in the packed form, at least one. Its block is as long as they need, and a little longer. A node
 * has for each child a lower bound of its orders, its reference, and the number of its entries. Leaves do not refer to
 * each other: a place (rd_pos) knows the path to its leaf.
 *
 * The item's value is the tree's head, or two heads if the type has a second tree. */
#ifndef RD_TREE_H
#define RD_TREE_H

#include <stdlib.h>

#include "arena/heap.h"
#include "store/coll.h"
#include "store/item.h"
#include "store/type.h"

typedef struct rd_head {
  rd_ref root; /* 0: the tree has no entry */
  uint64_t count;
  uint64_t bytes;  /* of all its blocks and blobs */
  uint32_t height; /* levels of nodes */
} __attribute__((packed)) rd_head;

/* The bytes of the heads, and of the value. */
static inline uint32_t rd_heads_bytes(const rd_type_row *row) {
  return (uint32_t)sizeof(rd_head) * (row->coll[1] != NULL ? 2 : 1);
}
static inline uint32_t rd_tree_value_bytes(const rd_type_row *row) { return rd_heads_bytes(row) + row->extra; }

rd_head rd_big_item_head(const rd_coll *c);
static inline rd_head rd_tree_head(const rd_coll *c) {
  rd_head h;
  if (RD_UNLIKELY(rd_item_is_big(c->item))) return rd_big_item_head(c);
  memcpy(&h, rd_small_key(c->item) + c->item->key_len + c->tree * sizeof h, sizeof h);
  return h;
}
void rd_tree_set_head(rd_coll *c, const rd_head *h);
/* Add to the field of 8 bytes that is `off` bytes into the head. */
void rd_tree_add(rd_coll *c, size_t off, int64_t n);

/* ---- blocks ---- */

static inline rd_leaf *rd_leaf_at(const rd_store *st, rd_ref ref) { return rd_at(st, ref); }
static inline rd_node *rd_node_at(const rd_store *st, rd_ref ref) { return rd_at(st, ref); }
static inline uint32_t rd_leaf_used(const rd_leaf *l) { return l->used & RD_LEAF_USED; }
static inline uint32_t rd_leaf_room(const rd_leaf *l) { return rd_blk_bytes(l->blk) - RD_LEAF_HEAD; }
static inline rd_ref *rd_node_children(const rd_node *n) { return (rd_ref *)(uintptr_t)(n->order + n->cap); }
static inline uint32_t *rd_node_counts(const rd_node *n) { return (uint32_t *)(void *)(rd_node_children(n) + n->cap); }

/* The bytes of the entry at `at` of a leaf or a packed value. */
static inline uint32_t rd_entry_size(const rd_coll *c, const uint8_t *at, const uint8_t *end) {
  uint32_t size = c->kind->size(at, end);
  /* The arena is damaged, and going on would never end. After the abort the shard is verified (recovery.h). */
  if (RD_UNLIKELY(size == 0)) abort();
  return size;
}

/* ---- a run of entries: of a leaf, or of a packed value ---- */

/* Call each(blob's reference in the entry) ... see tree.c. */
bool rd_run_back(const rd_coll *c, rd_pos *p);
const uint8_t *rd_run_skip(const rd_coll *c, const rd_pos *p, uint64_t n);
uint64_t rd_run_rank(const rd_coll *c, const rd_pos *p);
bool rd_run_lower(const rd_coll *c, uint64_t order, int (*compare)(void *arg, const uint8_t *entry), void *arg,
                  rd_pos *p);

/* ---- places in a tree: as the functions of coll.h ---- */

bool rd_tree_first(const rd_coll *c, rd_pos *p);
bool rd_tree_last(const rd_coll *c, rd_pos *p);
bool rd_tree_next_leaf(const rd_coll *c, rd_pos *p);
bool rd_tree_prev_leaf(const rd_coll *c, rd_pos *p);
bool rd_tree_at(const rd_coll *c, uint64_t rank, rd_pos *p);
uint64_t rd_tree_rank(const rd_coll *c, const rd_pos *p);
bool rd_tree_run(const rd_coll *c, uint64_t order, rd_pos *p);
bool rd_tree_next_run(const rd_coll *c, rd_pos *p, uint64_t *order);
bool rd_tree_lower(const rd_coll *c, uint64_t order, int (*compare)(void *arg, const uint8_t *entry), void *arg,
                   rd_pos *p);
/* Prefetch the leaves for up to RD_FETCH_MOST orders, level by level, so that the waits for memory overlap. leaf[i] is
 * the one for order[i] afterwards. The tree is not empty. */
#define RD_FETCH_MOST 128u
void rd_tree_fetch(const rd_coll *c, const uint64_t order[], uint32_t n, rd_ref leaf[]);
/* The place of an entry in this leaf, whose path is looked up from the leaf to the root. */
void rd_tree_place(const rd_coll *c, rd_ref leaf, const uint8_t *at, rd_pos *p);

/* ---- nodes (tree_node.c) ---- */

/* Blocks that a change is going to use, all of them allocated before it begins. */
typedef struct rd_stock {
  rd_ref block[RD_COLL_DEPTH + 4];
  uint32_t n, taken;
  uint64_t wanted; /* bytes of all blocks that were asked for */
  bool failed;
} rd_stock;
/* Add a block. Nothing is allocated after a failure, but the bytes are counted. */
void rd_stock_add(rd_coll *c, rd_stock *s, uint32_t bytes, rd_kind kind);
/* True if all blocks are there. Else they are released, and c->wanted grows by what all of them need. */
bool rd_stock_is_full(rd_coll *c, rd_stock *s);
static inline rd_ref rd_stock_take(rd_stock *s) { return s->block[s->taken++]; }

/* The order in which children come: it decides how a full node is split. */
typedef enum rd_trend { RD_ANYWHERE, RD_AT_END, RD_AT_FRONT } rd_trend;
/* Add to the stock what rd_tree_link needs. */
void rd_tree_stock_link(rd_coll *c, const rd_pos *p, rd_trend trend, rd_stock *s);
/* Add a child after the one at the place: it takes `count` of that one's entries. The path is void afterwards. */
void rd_tree_link(rd_coll *c, const rd_pos *p, rd_trend trend, rd_stock *s, rd_ref child, uint64_t order,
                  uint32_t count);
/* The leaf at the place is now another block. */
void rd_tree_set_leaf(rd_coll *c, const rd_pos *p, rd_ref leaf);
/* `n` entries more, or fewer, are in the leaf at the place. */
void rd_tree_count(rd_coll *c, const rd_pos *p, int64_t n);
/* An entry of this order is in the leaf at the place. */
void rd_tree_lower_bounds(rd_coll *c, const rd_pos *p, uint64_t order);
/* Remove the leaf at the place, whose entries are not counted any more, from its node, and release it. */
void rd_tree_unlink(rd_coll *c, const rd_pos *p);
/* Release a block of the tree. */
void rd_tree_release_block(rd_coll *c, rd_ref block);
/* Make `parent` the parent of a block. */
void rd_tree_set_parent(rd_coll *c, rd_ref block, rd_ref parent);
/* Add to the head's sum. */
void rd_tree_note_bytes(rd_coll *c, int64_t bytes);

/* ---- changes of a tree: as the functions of coll.h ---- */

rd_result rd_tree_insert(rd_coll *c, rd_pos *p, const uint8_t *entry, uint32_t len);
rd_result rd_tree_replace(rd_coll *c, rd_pos *p, const uint8_t *entry, uint32_t len);
void rd_tree_remove(rd_coll *c, rd_pos *p);
void rd_tree_remove_range(rd_coll *c, uint64_t rank, uint64_t n,
                          void (*each)(void *arg, rd_coll *c, const uint8_t *entry), void *arg);
/* Make the packed value, or a key that does not exist, a tree. RD_OOM: nothing has changed. */
rd_result rd_tree_from_packed(rd_coll *c);

/* ---- whole values (tree_value.c): functions for rows of types ---- */

uint64_t rd_coll_bytes(const rd_store *st, const rd_item *it);
uint32_t rd_coll_release(rd_store *st, uint32_t shard, rd_item *it, uint32_t most);
bool rd_coll_copy(rd_store *st, uint32_t shard, rd_item *it, const rd_item *from);
void rd_coll_moved(rd_store *st, rd_item *it);
void rd_coll_check(struct rd_walk *walk, const rd_item *it);
#define RD_COLL_FUNCTIONS                                                                                       \
  .encodings = 16, .nested = 0xf0f0u, .bytes = rd_coll_bytes, .release = rd_coll_release, .copy = rd_coll_copy, \
  .moved = rd_coll_moved
#define RD_COLL_ROW RD_COLL_FUNCTIONS, .check = rd_coll_check
/* True if the value is a tree, or two, and nothing besides: it can be copied and moved by its leaves. */
static inline bool rd_item_is_tree(const rd_item *it) {
  return rd_item_is_nested(it) && rd_type_of(it)->check == rd_coll_check;
}

static inline unsigned rd_trees_of(const rd_item *it) { return rd_type_of(it)->coll[1] != NULL ? 2 : 1; }
/* One of an item's trees, without its key. */
rd_coll rd_tree_open(const rd_store *st, uint32_t shard, const rd_item *it, unsigned tree);
/* The lower bound of the orders in the leaf at the place. */
uint64_t rd_tree_bound(const rd_coll *c, const rd_pos *p);
/* Add a copy of a leaf of another tree at the end (RD_AT_END) or at the front (RD_AT_FRONT); `order` is its bound. Its
 * references to blobs are 0: until they have theirs, the value must not be read. false: no memory; c->wanted grows by
 * what it needed, and nothing is changed. */
bool rd_tree_copy_leaf(rd_coll *c, rd_trend trend, const rd_leaf *from, uint64_t order);
/* Give the copy of a leaf copies of those blobs that it lacks and its source has. `takes`: each is removed from there
 * once it is copied. false: no memory for one of them, as above; it can be called again. Calls rd_yield. */
bool rd_tree_copy_blobs(rd_coll *c, rd_ref leaf, rd_coll *from, rd_ref source, bool takes);
/* Remove the leaf at the place, with its blobs. */
void rd_tree_drop_leaf(rd_coll *c, rd_pos *p);

/* For rows of rd_kinds. */
rd_ref rd_tree_item(const rd_store *st, rd_ref block);
bool rd_leaf_move_block(rd_store *st, uint32_t shard, rd_ref block);
bool rd_node_move_block(rd_store *st, uint32_t shard, rd_ref block);
/* A blob of this leaf was moved: correct the entry. The blob, or chunks of it, may take more bytes than before. */
void rd_leaf_blob_moved(rd_store *st, rd_ref leaf, rd_ref from, rd_ref to, int64_t more_bytes);

#endif
