/* tree_check.c - verifies collections, in an arena that may hold anything. */
#include "store/big.h"
#include "store/blob.h"
#include "store/check.h"
#include "store/evict.h"
#include "store/tree.h"

struct checked {
  struct rd_walk *walk;
  const rd_store *st;
  rd_coll c;
  uint64_t bytes;
  bool released; /* some of its blobs are released already, or parts of them (grave.h), or they are being moved */
};

static bool expect(struct checked *x, bool so, const char *what) { return rd_walk_expect(x->walk, so, what); }

/* A reference to a blob may be 0 in a value that is being released or moved. */
static bool check_blobs(struct checked *x, const uint8_t *entry, uint32_t size, rd_ref leaf) {
  if (x->c.kind->outside == NULL) return true;
  for (uint32_t n = 0, off; (off = x->c.kind->outside(entry, n)) != 0; n++) {
    if (!expect(x, leaf != 0 && off + 8 <= size, "a packed entry with a blob")) return false;
    rd_ref blob = rd_ld64(entry + off);
    if (blob == 0) continue;
    rd_walk_blob(x->walk, blob, leaf);
    if (!rd_walk_expect(x->walk, true, "")) return false;
    x->bytes += rd_blob_memory(x->st, blob);
  }
  return true;
}

/* Verify the entries of a run: their number, and that their orders are at least `low`, at most `high`. */
static bool check_run(struct checked *x, const uint8_t *at, const uint8_t *end, uint32_t *count, uint64_t low,
                      uint64_t high, rd_ref leaf) {
  const rd_coll_kind *kind = x->c.kind;
  uint64_t before = low;
  const uint8_t *previous = NULL;
  for (*count = 0; at < end; ++*count) {
    uint32_t size = kind->size(at, end);
    if (!expect(x, size > 0 && size <= end - at, "a collection with a damaged entry")) return false;
    bool whole = kind->whole == NULL || kind->whole(at);
    if (!expect(x, whole, "a collection with a damaged entry") || !check_blobs(x, at, size, leaf)) return false;
    uint64_t order = kind->order == NULL ? low : kind->order(x->st, at);
    if (!expect(x, order >= low && order <= high, "an entry in the wrong leaf")) return false;
    if (kind->sorted) {
      bool sorted =
          order > before || previous == NULL ||
          (order == before && (x->released || kind->compare == NULL || kind->compare(x->st, previous, at) <= 0));
      if (!expect(x, sorted, "entries that are not sorted")) return false;
    }
    before = order;
    previous = at;
    at += size;
  }
  return true;
}

/* True if all entries have the length of the first. */
static bool is_even(const struct checked *x, const rd_leaf *l) {
  const uint8_t *end = l->data + rd_leaf_used(l);
  uint32_t size = x->c.kind->size(l->data, end);
  for (const uint8_t *at = l->data; at < end; at += size) {
    if (x->c.kind->size(at, end) != size) return false;
  }
  return true;
}

static bool check_leaf(struct checked *x, rd_ref ref, rd_ref parent, uint64_t low, uint64_t high, uint64_t *count) {
  if (!rd_walk_reach(x->walk, ref, RD_LEAF, RD_LEAF_HEAD)) return false;
  const rd_leaf *l = rd_leaf_at(x->st, ref);
  uint32_t n = 0;
  x->bytes += rd_blk_bytes(l->blk);
  if (!expect(x, rd_leaf_used(l) <= rd_leaf_room(l) && l->parent == parent, "a damaged leaf")) return false;
  if (!check_run(x, l->data, l->data + rd_leaf_used(l), &n, low, high, ref)) return false;
  *count = n;
  if (!expect(x, n == l->count && n > 0, "a leaf that counts wrongly")) return false;
  bool even = (l->used & RD_LEAF_EVEN) == 0 || is_even(x, l);
  return expect(x, even, "a leaf that does not know that its entries differ in length");
}

/* A node on the way: its next child, and the highest order of its entries. */
struct step {
  const rd_node *node;
  uint32_t child;
  uint64_t high;
};

static bool check_node(struct checked *x, rd_ref ref, rd_ref parent, uint32_t level, uint64_t low, uint64_t high,
                       uint64_t count) {
  if (!rd_walk_reach(x->walk, ref, RD_NODE, RD_NODE_HEAD)) return false;
  const rd_node *n = rd_node_at(x->st, ref);
  x->bytes += rd_blk_bytes(n->blk);
  bool ok = n->n > 0 && n->n <= n->cap && RD_NODE_HEAD + n->cap * RD_NODE_CHILD <= rd_blk_bytes(n->blk) &&
            n->level == level && n->parent == parent;
  if (!expect(x, ok, "a damaged node")) return false;
  bool by_hash = x->c.kind->order != NULL && !x->c.kind->sorted;
  uint64_t sum = 0;
  for (uint32_t i = 0; i < n->n; i++) {
    uint64_t before = i == 0 ? low : n->order[i - 1];
    ok = n->order[i] >= before && n->order[i] <= high && (i == 0 || !by_hash || n->order[i] > before);
    if (!expect(x, ok, "a node whose bounds are not sorted")) return false;
    sum += rd_node_counts(n)[i];
  }
  return expect(x, sum == count, "a node that counts wrongly");
}

static uint64_t high_of(const struct checked *x, const struct step *s) {
  if (s->child + 1u == s->node->n) return s->high;
  uint64_t next = s->node->order[s->child + 1];
  return x->c.kind->order != NULL && !x->c.kind->sorted ? next - 1 : next;
}

/* The leaves in the order of their entries; no level is entered but through `step`. */
static void check_tree(struct checked *x, const rd_head *h, rd_ref item) {
  struct step step[RD_COLL_DEPTH];
  uint32_t depth = 0;
  rd_ref ref = h->root, parent = item;
  uint64_t low = 0, high = UINT64_MAX, expected = h->count, count = 0;
  if (!expect(x, h->height <= RD_COLL_DEPTH, "a tree that is too high")) return;
  for (;;) {
    for (; depth < h->height; depth++) {
      if (!check_node(x, ref, parent, h->height - depth, low, high, expected)) return;
      step[depth] = (struct step){rd_node_at(x->st, ref), 0, high};
      parent = ref;
      ref = rd_node_children(step[depth].node)[0];
      low = step[depth].node->order[0];
      high = high_of(x, &step[depth]);
      expected = rd_node_counts(step[depth].node)[0];
    }
    if (!check_leaf(x, ref, parent, low, high, &count)) return;
    if (!expect(x, count == expected, "a leaf whose parent counts wrongly")) return;
    while (depth > 0 && step[depth - 1].child + 1u == step[depth - 1].node->n) depth--;
    if (depth == 0) return;
    struct step *s = &step[depth - 1];
    s->child++;
    parent = rd_ref_of(x->st, s->node);
    ref = rd_node_children(s->node)[s->child];
    low = s->node->order[s->child];
    high = high_of(x, s);
    expected = rd_node_counts(s->node)[s->child];
  }
}

void rd_coll_check(struct rd_walk *walk, const rd_item *it) {
  const rd_type_row *row = rd_type_of(it);
  const rd_store *st = rd_walk_store(walk);
  uint32_t slot = rd_item_slot(it);
  bool hidden = slot == RD_KEPT_SLOT || rd_item_expiry(it) == RD_PASSED; /* copy_tree.c */
  struct checked x = {.walk = walk, .st = st, .released = hidden || !rd_slot_is_live(st, slot)};
  x.c = (rd_coll){.st = (rd_store *)(uintptr_t)st, .row = row, .item = (rd_item *)(uintptr_t)it};
  bool is_tree = (rd_item_encoding(it) & RD_COLL_TREE) != 0;
  if (!is_tree) {
    x.c.kind = row->coll[0];
    if (!expect(&x, row->extra == 0, "a packed value of a type that has none")) return;
    if (!expect(&x, !rd_item_is_big(it), "a packed value of many blocks")) return;
    const uint8_t *value = rd_item_flat(it);
    uint32_t n = 0;
    check_run(&x, value, value + it->len, &n, 0, UINT64_MAX, 0);
    return;
  }
  if (!expect(&x, rd_item_len(it) == rd_tree_value_bytes(row), "a tree without its head")) return;
  for (unsigned i = 0; i < 2 && row->coll[i] != NULL; i++) {
    x.c.tree = i;
    x.c.kind = row->coll[i];
    rd_head h = rd_tree_head(&x.c);
    x.bytes = 0;
    if (h.root == 0) {
      if (!expect(&x, h.count == 0 && h.height == 0 && h.bytes == 0, "an empty tree that is not")) return;
      continue;
    }
    check_tree(&x, &h, rd_ref_of(st, it));
    if (!expect(&x, x.bytes == h.bytes, "a tree whose bytes are counted wrongly")) return;
  }
}
