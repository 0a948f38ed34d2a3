/* tree_node.c - adds and removes the children of nodes, and keeps counts and bounds on the way to the root. */
#include "arena/lock.h"
#include "store/tree.h"
#include "store/undo.h"

#define FIRST_CHILDREN 4u /* room of a new root */
#define FEW (RD_NODE_MAX / 4)

/* ---- the stock ---- */

void rd_stock_add(rd_coll *c, rd_stock *s, uint32_t bytes, rd_kind kind) {
  s->wanted += rd_round_up(bytes, RD_GRANULE) + RD_GRANULE;
  rd_ref ref = s->failed ? 0 : rd_heap_alloc(c->st, c->shard, bytes, kind);
  if (ref == 0)
    s->failed = true;
  else
    s->block[s->n++] = ref;
}

bool rd_stock_is_full(rd_coll *c, rd_stock *s) {
  if (RD_UNLIKELY(s->failed)) {
    while (s->n > 0) rd_heap_release(c->st, c->shard, s->block[--s->n]);
    c->wanted += s->wanted;
    return false;
  }
  uint64_t bytes = 0;
  for (uint32_t i = 0; i < s->n; i++) {
    bytes += rd_blk_bytes(*rd_blk_at(c->st, s->block[i]));
    rd_undo_made(c->undo, s->block[i]);
  }
  rd_tree_note_bytes(c, (int64_t)bytes);
  return true;
}

void rd_tree_note_bytes(rd_coll *c, int64_t bytes) { rd_tree_add(c, offsetof(rd_head, bytes), bytes); }

void rd_tree_release_block(rd_coll *c, rd_ref block) {
  rd_tree_note_bytes(c, -(int64_t)rd_blk_bytes(*rd_blk_at(c->st, block)));
  rd_undo_release(c->st, c->shard, c->undo, block);
}

void rd_tree_set_parent(rd_coll *c, rd_ref block, rd_ref parent) {
  /* The field is at the same place in leaves and nodes. */
  rd_leaf *l = rd_leaf_at(c->st, block);
  if (l->parent == parent) return;
  rd_undo_save_bytes(c->st, c->undo, block, &l->parent, sizeof l->parent);
  l->parent = parent;
}
_Static_assert(offsetof(rd_leaf, parent) == offsetof(rd_node, parent), "rd_tree_set_parent");

/* ---- nodes ---- */

static inline uint32_t node_bytes(uint32_t cap) { return RD_NODE_HEAD + cap * RD_NODE_CHILD; }

static rd_node *changed_node(const rd_coll *c, const rd_pos *p, uint32_t level) {
  rd_undo_save(c->st, c->undo, p->path[level].node);
  return rd_node_at(c->st, p->path[level].node);
}

static rd_node *init_node(rd_coll *c, rd_ref ref, uint32_t cap, uint32_t level, rd_ref parent) {
  rd_node *n = rd_node_at(c->st, ref);
  n->n = 0;
  n->cap = (uint8_t)cap;
  n->level = (uint8_t)level;
  n->spare = 0;
  n->parent = parent;
  return n;
}

/* Move the children of `from` from number `first` on to the end of `to`. */
static void move_children(rd_coll *c, rd_node *from, uint32_t first, rd_node *to) {
  uint32_t n = from->n - first;
  memcpy(to->order + to->n, from->order + first, n * sizeof *to->order);
  memcpy(rd_node_children(to) + to->n, rd_node_children(from) + first, n * sizeof(rd_ref));
  memcpy(rd_node_counts(to) + to->n, rd_node_counts(from) + first, n * sizeof(uint32_t));
  rd_ref parent = rd_ref_of(c->st, to);
  for (uint32_t i = to->n; i < to->n + n; i++) rd_tree_set_parent(c, rd_node_children(to)[i], parent);
  to->n = (uint8_t)(to->n + n);
  from->n = (uint8_t)first;
}

static void insert_child(rd_coll *c, rd_node *n, uint32_t at, rd_ref child, uint64_t order, uint32_t count) {
  uint32_t rest = n->n - at;
  rd_ref *children = rd_node_children(n);
  uint32_t *counts = rd_node_counts(n);
  memmove(n->order + at + 1, n->order + at, rest * sizeof *n->order);
  memmove(children + at + 1, children + at, rest * sizeof *children);
  memmove(counts + at + 1, counts + at, rest * sizeof *counts);
  n->order[at] = order;
  children[at] = child;
  counts[at] = count;
  n->n++;
  rd_tree_set_parent(c, child, rd_ref_of(c->st, n));
}

static void remove_child(rd_node *n, uint32_t at) {
  uint32_t rest = n->n - at - 1u;
  rd_ref *children = rd_node_children(n);
  uint32_t *counts = rd_node_counts(n);
  memmove(n->order + at, n->order + at + 1, rest * sizeof *n->order);
  memmove(children + at, children + at + 1, rest * sizeof *children);
  memmove(counts + at, counts + at + 1, rest * sizeof *counts);
  n->n--;
}

static uint32_t sum_of(const rd_node *n) {
  uint32_t sum = 0;
  for (uint32_t i = 0; i < n->n; i++) sum += rd_node_counts(n)[i];
  return sum;
}

/* Make `block` the child, or the root, that the place passes at `level`. */
static void set_child(rd_coll *c, const rd_pos *p, uint32_t level, rd_ref block) {
  if (level == 0) {
    rd_head h = rd_tree_head(c);
    h.root = block;
    rd_tree_set_head(c, &h);
    rd_tree_set_parent(c, block, rd_ref_of(c->st, c->item));
    return;
  }
  rd_node *n = changed_node(c, p, level - 1);
  rd_node_children(n)[p->path[level - 1].child] = block;
  rd_tree_set_parent(c, block, p->path[level - 1].node);
}

void rd_tree_set_leaf(rd_coll *c, const rd_pos *p, rd_ref leaf) { set_child(c, p, p->depth, leaf); }

/* ---- adding a child ---- */

static uint32_t wider(const rd_node *n) { return n->cap * 2u < RD_NODE_MAX ? n->cap * 2u : RD_NODE_MAX; }

void rd_tree_stock_link(rd_coll *c, const rd_pos *p, rd_trend trend, rd_stock *s) {
  for (uint32_t level = p->depth; level-- > 0;) {
    const rd_node *n = rd_node_at(c->st, p->path[level].node);
    if (n->n < n->cap) return;
    if (n->cap < RD_NODE_MAX) {
      rd_stock_add(c, s, node_bytes(wider(n)), RD_NODE);
      return;
    }
    rd_stock_add(c, s, node_bytes(trend == RD_AT_END ? FEW : RD_NODE_MAX), RD_NODE);
  }
  rd_stock_add(c, s, node_bytes(FIRST_CHILDREN), RD_NODE);
  if (p->depth == RD_COLL_DEPTH) s->failed = true; /* 32^8 leaves */
}

static void widen(rd_coll *c, const rd_pos *p, uint32_t level, rd_ref fresh) {
  rd_node *old = changed_node(c, p, level);
  rd_node *n = init_node(c, fresh, wider(old), old->level, old->parent);
  move_children(c, old, 0, n);
  set_child(c, p, level, fresh);
  rd_tree_release_block(c, p->path[level].node);
}

/* Move the later children of a full node to a new one, and insert the child. Returns the new node. */
static rd_node *split(rd_coll *c, rd_node *n, rd_trend trend, rd_ref fresh, uint32_t at, rd_ref child, uint64_t order,
                      uint32_t count) {
  uint32_t keep = trend == RD_AT_END ? n->n : trend == RD_AT_FRONT ? 1 : n->n / 2u;
  rd_node *right = init_node(c, fresh, trend == RD_AT_END ? FEW : RD_NODE_MAX, n->level, 0);
  move_children(c, n, keep, right);
  if (at < keep || (at == keep && trend == RD_ANYWHERE))
    insert_child(c, n, at, child, order, count);
  else
    insert_child(c, right, at - keep, child, order, count);
  return right;
}

static void grow_root(rd_coll *c, rd_ref fresh, rd_ref child, uint64_t order, uint32_t count) {
  rd_head h = rd_tree_head(c);
  rd_node *n = init_node(c, fresh, FIRST_CHILDREN, h.height + 1, rd_ref_of(c->st, c->item));
  insert_child(c, n, 0, h.root, 0, (uint32_t)h.count - count);
  insert_child(c, n, 1, child, order, count);
  h.root = fresh;
  h.height++;
  rd_tree_set_head(c, &h);
}

void rd_tree_link(rd_coll *c, const rd_pos *p, rd_trend trend, rd_stock *s, rd_ref child, uint64_t order,
                  uint32_t count) {
  for (uint32_t level = p->depth; level-- > 0;) {
    uint32_t at = p->path[level].child + 1;
    rd_node *n = changed_node(c, p, level);
    rd_node_counts(n)[at - 1] -= count;
    if (n->n == n->cap && n->cap < RD_NODE_MAX) {
      rd_ref fresh = rd_stock_take(s);
      widen(c, p, level, fresh);
      n = rd_node_at(c->st, fresh);
    }
    if (n->n < n->cap) {
      insert_child(c, n, at, child, order, count);
      return;
    }
    rd_ref fresh = rd_stock_take(s);
    const rd_node *right = split(c, n, trend, fresh, at, child, order, count);
    child = fresh;
    order = right->order[0];
    count = sum_of(right);
  }
  grow_root(c, rd_stock_take(s), child, order, count);
}

void rd_tree_count(rd_coll *c, const rd_pos *p, int64_t n) {
  for (uint32_t level = 0; level < p->depth; level++) {
    uint32_t *count = &rd_node_counts(changed_node(c, p, level))[p->path[level].child];
    *count = (uint32_t)(*count + n);
  }
  rd_tree_add(c, offsetof(rd_head, count), n);
}

void rd_tree_lower_bounds(rd_coll *c, const rd_pos *p, uint64_t order) {
  for (uint32_t level = p->depth; level-- > 0;) {
    uint32_t child = p->path[level].child;
    if (rd_node_at(c->st, p->path[level].node)->order[child] <= order) return;
    changed_node(c, p, level)->order[child] = order;
  }
}

/* ---- removing a child ---- */

/* The root has one child: that becomes the root. */
static void lower_root(rd_coll *c) {
  rd_head h = rd_tree_head(c);
  while (h.height > 0 && rd_node_at(c->st, h.root)->n == 1) {
    rd_ref old = h.root;
    h.root = rd_node_children(rd_node_at(c->st, old))[0];
    h.height--;
    rd_tree_set_head(c, &h);
    rd_tree_set_parent(c, h.root, rd_ref_of(c->st, c->item));
    rd_tree_release_block(c, old);
    h = rd_tree_head(c);
  }
}

/* A node of few children joins a neighbour that has room for them. Returns the child that the parent loses, plus one;
 * 0: none. */
static uint32_t join(rd_coll *c, const rd_pos *p, uint32_t level) {
  const rd_node *parent = rd_node_at(c->st, p->path[level - 1].node);
  uint32_t child = p->path[level - 1].child, right = child > 0 ? child : 1;
  if (parent->n < 2) return 0;
  rd_ref a = rd_node_children(parent)[right - 1], b = rd_node_children(parent)[right];
  rd_node *left = rd_node_at(c->st, a);
  if (left->n + (uint32_t)rd_node_at(c->st, b)->n > left->cap) return 0;
  rd_node *top = changed_node(c, p, level - 1);
  rd_undo_save(c->st, c->undo, a);
  rd_undo_save(c->st, c->undo, b);
  move_children(c, rd_node_at(c->st, b), 0, left);
  rd_node_counts(top)[right - 1] += rd_node_counts(top)[right];
  rd_tree_release_block(c, b);
  return right + 1;
}

void rd_tree_unlink(rd_coll *c, const rd_pos *p) {
  rd_tree_release_block(c, p->leaf);
  uint32_t child = p->depth > 0 ? p->path[p->depth - 1].child : 0;
  for (uint32_t level = p->depth; level-- > 0;) {
    rd_node *n = changed_node(c, p, level);
    remove_child(n, child);
    uint32_t lost = 0; /* 1 + the child that the parent loses; 0: none */
    if (n->n == 0) {
      lost = level > 0 ? p->path[level - 1].child + 1 : 1;
      rd_tree_release_block(c, p->path[level].node);
    } else if (level > 0 && n->n <= FEW) {
      lost = join(c, p, level);
    }
    if (lost == 0) {
      lower_root(c);
      return;
    }
    child = lost - 1;
  }
  rd_head h = rd_tree_head(c);
  h.root = 0;
  h.height = 0;
  rd_tree_set_head(c, &h);
}
