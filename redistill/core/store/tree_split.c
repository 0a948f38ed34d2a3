/* tree_split.c - divides a full leaf of a tree into two.
 *
 * By position or score, the leaf is cut in the middle of its bytes. By hash, its entries are in no order: those below
 * some hash go to the left, and that hash is searched. */
#include "store/tree_leaf.h"

#define SAMPLE 512u /* entries whose orders decide where a leaf is split */

/* The entries of a leaf after a change: `fresh` bytes are in place of `old` ones at `off`. */
struct content {
  const uint8_t *data, *end, *entry;
  uint32_t off, old, fresh;
  uint32_t entries, bytes;
};

/* Walks over them. */
struct cursor {
  uint32_t at;
  bool given; /* the fresh entry */
};

static const uint8_t *take(const rd_coll *c, const struct content *x, struct cursor *i, uint32_t *size) {
  const uint8_t *at = x->data + i->at;
  if (i->at == x->off && !i->given) {
    i->given = true;
    i->at += x->old;
    *size = x->fresh;
    return x->entry;
  }
  *size = rd_entry_size(c, at, x->end);
  i->at += *size;
  return at;
}

/* Where to divide: the first `entries` go to the left; by hash, those whose order is below `order`. */
struct division {
  uint32_t entries;
  uint64_t order;
  uint32_t left; /* bytes */
};

static struct division divide_by_bytes(const rd_coll *c, const struct content *x) {
  struct division d = {0};
  struct cursor i = {0};
  while (d.entries + 1 < x->entries) {
    uint32_t size;
    take(c, x, &i, &size);
    if (d.entries > 0 && d.left + size / 2 > x->bytes / 2) break;
    d.left += size;
    d.entries++;
  }
  return d;
}

/* Search the order that divides the entries best, by halving the interval. false: all have the same order. */
static bool divide_by_hash(const rd_coll *c, const struct content *x, struct division *d) {
  uint64_t orders[SAMPLE], low = UINT64_MAX, high = 0;
  uint16_t sizes[SAMPLE];
  uint32_t n = x->entries < SAMPLE ? x->entries : SAMPLE, all = 0, best = UINT32_MAX;
  struct cursor i = {0};
  for (uint32_t k = 0; k < n; k++) {
    uint32_t size;
    orders[k] = rd_entry_order(c, take(c, x, &i, &size));
    sizes[k] = (uint16_t)size;
    all += size;
    if (orders[k] < low) low = orders[k];
    if (orders[k] > high) high = orders[k];
  }
  while (low < high) { /* the order is above `low`, and at most `high` */
    uint64_t middle = low + (high - low) / 2 + 1;
    uint32_t left = 0;
    for (uint32_t k = 0; k < n; k++) left += orders[k] < middle ? sizes[k] : 0;
    uint32_t off = left * 2 > all ? left * 2 - all : all - left * 2;
    if (off < best) {
      best = off;
      d->order = middle;
    }
    if (off <= all / 4) break;
    if (left * 2 > all)
      high = middle - 1;
    else
      low = middle;
  }
  if (best == UINT32_MAX) return false;
  d->left = 0;
  i = (struct cursor){0};
  for (uint32_t k = 0; k < x->entries; k++) {
    uint32_t size;
    const uint8_t *entry = take(c, x, &i, &size);
    if ((k < n ? orders[k] : rd_entry_order(c, entry)) < d->order) d->left += size;
  }
  return true;
}

/* Distribute the entries; returns the place of the fresh one. */
static const uint8_t *distribute(const rd_coll *c, const struct content *x, const struct division *d, rd_leaf *left,
                                 rd_leaf *right) {
  const uint8_t *place = NULL;
  struct cursor i = {0};
  for (uint32_t k = 0; k < x->entries; k++) {
    uint32_t size;
    const uint8_t *entry = take(c, x, &i, &size);
    bool to_left = rd_is_by_hash(c) ? rd_entry_order(c, entry) < d->order : k < d->entries;
    const uint8_t *at = rd_leaf_append(to_left ? left : right, entry, size, 1);
    if (entry == x->entry) place = at;
  }
  return place;
}

static rd_result split(rd_coll *c, rd_pos *p, const struct content *x, const struct division *d) {
  rd_store *st = c->st;
  uint32_t right_bytes = x->bytes - d->left;
  rd_stock s = {.n = 0};
  s.failed = d->left > RD_LEAF_MAX_USED || right_bytes > RD_LEAF_MAX_USED; /* too many of the same hash */
  rd_stock_add(c, &s, rd_leaf_bytes(c, d->left, 0), RD_LEAF);
  rd_stock_add(c, &s, rd_leaf_bytes(c, right_bytes, 0), RD_LEAF);
  rd_tree_stock_link(c, p, RD_ANYWHERE, &s);
  if (!rd_stock_is_full(c, &s)) return RD_OOM;
  rd_ref a = rd_stock_take(&s), b = rd_stock_take(&s), before = p->leaf;
  const rd_leaf *old = rd_leaf_at(st, before);
  rd_leaf *left = rd_leaf_at(st, a), *right = rd_leaf_at(st, b);
  uint32_t flags = (old->used & RD_LEAF_BLOBS) | rd_leaf_flags_of(c, x->entry);
  rd_leaf_init(st, a, 0, flags);
  rd_leaf_init(st, b, 0, flags);
  const uint8_t *place = distribute(c, x, d, left, right);
  if (x->old == 0) rd_tree_count(c, p, 1);
  if (c->kind->order != NULL) rd_tree_lower_bounds(c, p, rd_entry_order(c, x->entry));
  rd_tree_set_leaf(c, p, a);
  rd_tree_link(c, p, RD_ANYWHERE, &s, b, rd_is_by_hash(c) ? d->order : rd_entry_order(c, right->data), right->count);
  rd_leaf_own_blobs(c, a);
  rd_leaf_own_blobs(c, b);
  rd_tree_place(c, place >= left->data && place < left->data + rd_leaf_used(left) ? a : b, place, p);
  rd_tree_release_block(c, before);
  return RD_OK;
}

bool rd_leaf_split(rd_coll *c, rd_pos *p, uint32_t old, const uint8_t *entry, uint32_t len, rd_result *result) {
  const rd_leaf *l = rd_leaf_at(c->st, p->leaf);
  struct content x = {.data = l->data, .end = p->end, .entry = entry, .off = (uint32_t)(p->at - p->begin), .old = old};
  x.fresh = len;
  x.entries = l->count + (old == 0 ? 1u : 0);
  x.bytes = rd_leaf_used(l) - old + len;
  struct division d = {0};
  if (!rd_is_by_hash(c))
    d = divide_by_bytes(c, &x);
  else if (!divide_by_hash(c, &x, &d))
    return false;
  *result = split(c, p, &x, &d);
  return true;
}
