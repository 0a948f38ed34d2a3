/* tree.c - finds places in trees. */
#include "store/tree.h"

#include "arena/lock.h"
#include "store/undo.h"

/* ---- the head ---- */

rd_head rd_big_item_head(const rd_coll *c) {
  rd_head h;
  rd_item_read(c->st, c->item, c->tree * sizeof h, &h, sizeof h);
  return h;
}

/* Write bytes of the value. */
static void write_value(rd_coll *c, uint32_t off, const void *from, uint32_t len) {
  rd_store *st = c->st;
  if (RD_LIKELY(!rd_item_is_big(c->item))) {
    rd_undo_save(st, c->undo, rd_ref_of(st, c->item));
    memcpy((uint8_t *)(uintptr_t)rd_item_flat(c->item) + off, from, len);
    return;
  }
  for (uint32_t done = 0; done < len;) {
    rd_bytes piece = rd_item_piece(st, c->item, off + done);
    uint32_t n = piece.len < len - done ? (uint32_t)piece.len : len - done;
    rd_undo_save_bytes(st, c->undo, 0, piece.data, n); /* of a chunk, which nothing saves as a whole */
    memcpy((uint8_t *)(uintptr_t)piece.data, (const uint8_t *)from + done, n);
    done += n;
  }
}

void rd_tree_set_head(rd_coll *c, const rd_head *h) { write_value(c, c->tree * (uint32_t)sizeof *h, h, sizeof *h); }

/* In place: a head of which a part was just written is slow to read as a whole. */
void rd_tree_add(rd_coll *c, size_t off, int64_t n) {
  off += c->tree * sizeof(rd_head);
  if (RD_LIKELY(!rd_item_is_big(c->item))) {
    rd_undo_save(c->st, c->undo, rd_ref_of(c->st, c->item));
    uint8_t *at = (uint8_t *)(uintptr_t)rd_item_flat(c->item) + off;
    rd_st64(at, rd_ld64(at) + (uint64_t)n);
    return;
  }
  uint64_t sum;
  rd_item_read(c->st, c->item, off, &sum, sizeof sum);
  sum += (uint64_t)n;
  write_value(c, (uint32_t)off, &sum, sizeof sum);
}

void rd_coll_read_extra(const rd_coll *c, void *to) {
  rd_item_read(c->st, c->item, rd_heads_bytes(c->row), to, c->row->extra);
}

void rd_coll_write_extra(rd_coll *c, const void *from) {
  rd_mark_dirty(c->st, c->shard);
  write_value(c, rd_heads_bytes(c->row), from, c->row->extra);
}

#define FETCHED_LEAF                                                                               \
  768u /* bytes of a leaf that are prefetched: about half of them are read until an entry is found \
        */

/* ---- runs ---- */

uint32_t rd_coll_even(const rd_coll *c, const rd_pos *p) {
  if (p->leaf == 0 || (rd_leaf_at(c->st, p->leaf)->used & RD_LEAF_EVEN) == 0 || p->begin == p->end) return 0;
  return rd_entry_size(c, p->begin, p->end);
}

bool rd_run_back(const rd_coll *c, rd_pos *p) {
  if (p->at == p->begin) return false;
  uint32_t even = rd_coll_even(c, p);
  if (even != 0) {
    if (RD_UNLIKELY(p->at - p->begin < even)) abort(); /* damage: see rd_entry_size */
    p->at -= even;
    return true;
  }
  const uint8_t *at = p->begin, *next;
  while ((next = at + rd_entry_size(c, at, p->end)) < p->at) at = next;
  p->at = at;
  return true;
}

/* Damage may make an entry longer than the run; see rd_entry_size. */
static inline const uint8_t *pass(const rd_coll *c, const uint8_t *at, const uint8_t *end, uint64_t order,
                                  uint64_t *n) {
  at = c->kind->pass(at, end, order, n);
  if (RD_UNLIKELY(at > end)) abort();
  return at;
}

const uint8_t *rd_run_skip(const rd_coll *c, const rd_pos *p, uint64_t n) {
  uint32_t even = rd_coll_even(c, p);
  if (even != 0) return n < (size_t)(p->end - p->begin) / even ? p->begin + n * even : p->end;
  if (c->kind->pass != NULL) return pass(c, p->begin, p->end, UINT64_MAX, &n);
  const uint8_t *at = p->begin;
  for (; n > 0 && at < p->end; n--) at += rd_entry_size(c, at, p->end);
  return at;
}

uint64_t rd_run_rank(const rd_coll *c, const rd_pos *p) {
  uint64_t n = UINT64_MAX;
  if (c->kind->pass != NULL) {
    pass(c, p->begin, p->at, UINT64_MAX, &n);
    return n;
  }
  n = 0;
  for (const uint8_t *at = p->begin; at < p->at; n++) at += rd_entry_size(c, at, p->end);
  return n;
}

/* True if the entry is before the sought one. */
static inline bool is_before(const rd_coll *c, const uint8_t *entry, uint64_t order,
                             int (*compare)(void *arg, const uint8_t *entry), void *arg) {
  uint64_t mine = c->kind->order(c->st, entry);
  return mine < order || (mine == order && compare != NULL && compare(arg, entry) > 0);
}

bool rd_run_lower(const rd_coll *c, uint64_t order, int (*compare)(void *arg, const uint8_t *entry), void *arg,
                  rd_pos *p) {
  uint64_t n = UINT64_MAX;
  if (c->kind->pass != NULL) p->at = pass(c, p->at, p->end, order, &n);
  while (p->at < p->end && is_before(c, p->at, order, compare, arg)) p->at += rd_entry_size(c, p->at, p->end);
  return p->at < p->end;
}

/* ---- nodes ---- */

/* The last child whose orders may begin at or below this one; the first child if there is none. */
static inline uint32_t search(const rd_node *n, uint64_t order) {
  uint32_t base = 0;
  for (uint32_t len = n->n; len > 1;) {
    uint32_t half = len / 2;
    base = n->order[base + half] <= order ? base + half : base;
    len -= half;
  }
  return base;
}

/* The same for hashes, which are uniform: the child is near the place that its order suggests, and only the one or two
 * cache lines there are read. `high` is the lowest order after the node's; 0: it is not known. */
static inline uint32_t search_hash(const rd_node *n, uint64_t order, uint64_t high) {
  uint32_t last = n->n - 1u, parts = last + 1;
  uint64_t low = n->order[0];
  if (order <= low) return 0;
  if (high <= low) {
    parts = last;
    high = n->order[last];
  }
  double guess = (double)(order - low) * parts / (double)(high - low);
  uint32_t i = guess < last ? (uint32_t)guess : last;
  RD_PREFETCH(&rd_node_children(n)[i]);
  while (n->order[i] > order) i--;
  while (i < last && n->order[i + 1] <= order) i++;
  return i;
}

static inline void enter(const rd_coll *c, rd_pos *p, rd_ref node, uint32_t child) {
  (void)c;
  p->path[p->depth].node = node;
  p->path[p->depth].child = child;
  p->depth++;
}

static inline bool enter_leaf(const rd_coll *c, rd_pos *p, rd_ref leaf) {
  const rd_leaf *l = rd_leaf_at(c->st, leaf);
  RD_PREFETCH((const uint8_t *)l + 64);
  RD_PREFETCH((const uint8_t *)l + 128);
  p->leaf = leaf;
  p->at = p->begin = l->data;
  p->end = l->data + rd_leaf_used(l);
  return true;
}

static bool nowhere(rd_pos *p) {
  p->at = p->begin = p->end = NULL;
  p->leaf = 0;
  p->depth = 0;
  return false;
}

/* From this block, `height` levels above the leaves, to its first or last leaf. */
static bool descend(const rd_coll *c, rd_pos *p, rd_ref ref, uint32_t height, bool last) {
  for (; height > 0; height--) {
    const rd_node *n = rd_node_at(c->st, ref);
    uint32_t child = last ? n->n - 1u : 0;
    enter(c, p, ref, child);
    ref = rd_node_children(n)[child];
  }
  enter_leaf(c, p, ref);
  if (last) p->at = p->end;
  return true;
}

bool rd_tree_first(const rd_coll *c, rd_pos *p) {
  rd_head h = rd_tree_head(c);
  nowhere(p);
  return h.root != 0 && descend(c, p, h.root, h.height, false);
}

bool rd_tree_last(const rd_coll *c, rd_pos *p) {
  rd_head h = rd_tree_head(c);
  nowhere(p);
  return h.root != 0 && descend(c, p, h.root, h.height, true) && rd_run_back(c, p);
}

bool rd_tree_next_leaf(const rd_coll *c, rd_pos *p) {
  uint32_t height = p->depth;
  for (uint32_t level = p->depth; level-- > 0;) {
    const rd_node *n = rd_node_at(c->st, p->path[level].node);
    if (p->path[level].child + 1 == n->n) continue;
    rd_ref ref = rd_node_children(n)[++p->path[level].child];
    p->depth = level + 1;
    return descend(c, p, ref, height - level - 1, false);
  }
  return false;
}

bool rd_tree_prev_leaf(const rd_coll *c, rd_pos *p) {
  uint32_t height = p->depth;
  for (uint32_t level = p->depth; level-- > 0;) {
    if (p->path[level].child == 0) continue;
    rd_ref ref = rd_node_children(rd_node_at(c->st, p->path[level].node))[--p->path[level].child];
    p->depth = level + 1;
    return descend(c, p, ref, height - level - 1, true) && rd_run_back(c, p);
  }
  return false;
}

bool rd_tree_at(const rd_coll *c, uint64_t rank, rd_pos *p) {
  rd_head h = rd_tree_head(c);
  nowhere(p);
  if (rank >= h.count) {
    if (h.root != 0) descend(c, p, h.root, h.height, true);
    return false;
  }
  rd_ref ref = h.root;
  for (uint32_t height = h.height; height > 0; height--) {
    const rd_node *n = rd_node_at(c->st, ref);
    const uint32_t *counts = rd_node_counts(n);
    uint32_t child = 0;
    for (; child + 1u < n->n && rank >= counts[child]; child++) rank -= counts[child];
    enter(c, p, ref, child);
    ref = rd_node_children(n)[child];
  }
  enter_leaf(c, p, ref);
  p->at = rd_run_skip(c, p, rank);
  return true;
}

uint64_t rd_tree_rank(const rd_coll *c, const rd_pos *p) {
  uint64_t rank = 0;
  for (uint32_t level = 0; level < p->depth; level++) {
    const uint32_t *counts = rd_node_counts(rd_node_at(c->st, p->path[level].node));
    for (uint32_t i = 0; i < p->path[level].child; i++) rank += counts[i];
  }
  return rank + rd_run_rank(c, p);
}

bool rd_tree_run(const rd_coll *c, uint64_t order, rd_pos *p) {
  rd_head h = rd_tree_head(c);
  nowhere(p);
  if (RD_UNLIKELY(h.root == 0)) return false;
  rd_ref ref = h.root;
  uint64_t high = 0;
  for (uint32_t height = h.height; height > 0; height--) {
    const rd_node *n = rd_node_at(c->st, ref);
    uint32_t child = search_hash(n, order, high);
    if (child + 1u < n->n) high = n->order[child + 1];
    enter(c, p, ref, child);
    ref = rd_node_children(n)[child];
  }
  return enter_leaf(c, p, ref);
}

bool rd_tree_next_run(const rd_coll *c, rd_pos *p, uint64_t *order) {
  for (uint32_t level = p->depth; level-- > 0;) {
    const rd_node *n = rd_node_at(c->st, p->path[level].node);
    uint32_t next = p->path[level].child + 1;
    if (next == n->n) continue;
    *order = n->order[next];
    return true;
  }
  return false;
}

/* The first entry under this block. */
static const uint8_t *first_entry(const rd_coll *c, rd_ref ref, uint32_t height) {
  for (; height > 0; height--) ref = rd_node_children(rd_node_at(c->st, ref))[0];
  return rd_leaf_at(c->st, ref)->data;
}

bool rd_tree_lower(const rd_coll *c, uint64_t order, int (*compare)(void *arg, const uint8_t *entry), void *arg,
                   rd_pos *p) {
  rd_head h = rd_tree_head(c);
  nowhere(p);
  if (h.root == 0) return false;
  rd_ref ref = h.root;
  for (uint32_t height = h.height; height > 0; height--) {
    const rd_node *n = rd_node_at(c->st, ref);
    uint32_t low = order == 0 ? 0 : search(n, order - 1), high = low;
    /* The children after `low`, up to `high`, begin with this order or have none: their first entries decide. */
    if (compare != NULL && low + 1u < n->n && n->order[low + 1] <= order) high = search(n, order);
    while (low < high) {
      uint32_t middle = low + (high - low + 1) / 2;
      if (is_before(c, first_entry(c, rd_node_children(n)[middle], height - 1), order, compare, arg))
        low = middle;
      else
        high = middle - 1;
    }
    enter(c, p, ref, low);
    ref = rd_node_children(n)[low];
  }
  enter_leaf(c, p, ref);
  return rd_run_lower(c, order, compare, arg, p) || rd_tree_next_leaf(c, p);
}

static inline void fetch_lines(const void *at, uint32_t bytes) {
  for (uint32_t off = 0; off < bytes; off += 64) RD_PREFETCH((const uint8_t *)at + off);
}

void rd_tree_fetch(const rd_coll *c, const uint64_t order[], uint32_t n, rd_ref leaf[]) {
  rd_head h = rd_tree_head(c);
  uint64_t high[RD_FETCH_MOST];
  for (uint32_t i = 0; i < n; i++) {
    leaf[i] = h.root;
    high[i] = 0;
  }
  for (uint32_t height = h.height; height > 0; height--) {
    for (uint32_t i = 0; i < n; i++) {
      const rd_node *node = rd_node_at(c->st, leaf[i]);
      uint32_t child = c->kind->sorted ? search(node, order[i]) : search_hash(node, order[i], high[i]);
      if (child + 1u < node->n) high[i] = node->order[child + 1];
      leaf[i] = rd_node_children(node)[child];
      fetch_lines(c->st->base + leaf[i], height > 1 ? RD_NODE_HEAD + RD_NODE_MAX * 8 : FETCHED_LEAF);
    }
  }
}

void rd_tree_place(const rd_coll *c, rd_ref leaf, const uint8_t *at, rd_pos *p) {
  nowhere(p);
  enter_leaf(c, p, leaf);
  p->at = at;
  p->depth = rd_tree_head(c).height;
  rd_ref child = leaf, parent = rd_leaf_at(c->st, leaf)->parent;
  for (uint32_t level = p->depth; level-- > 0;) {
    const rd_node *n = rd_node_at(c->st, parent);
    uint32_t i = 0;
    while (rd_node_children(n)[i] != child) i++;
    p->path[level].node = parent;
    p->path[level].child = i;
    child = parent;
    parent = n->parent;
  }
}
