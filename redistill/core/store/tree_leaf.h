/* tree_leaf.h - leaves of trees: declarations that tree_change.c and tree_split.c share. */
#ifndef RD_TREE_LEAF_H
#define RD_TREE_LEAF_H

#include "store/tree.h"

#define RD_LEAF_SLACK 64u /* bytes that a leaf is longer than its entries when it grows */
#define RD_LEAF_MAX_USED (RD_MAX_BLOCK - RD_LEAF_HEAD)

static inline bool rd_is_by_hash(const rd_coll *c) { return c->kind->order != NULL && !c->kind->sorted; }
static inline uint64_t rd_entry_order(const rd_coll *c, const uint8_t *entry) {
  return c->kind->order != NULL ? c->kind->order(c->st, entry) : 0;
}

/* The bytes of a new leaf for entries of `used` bytes, and `more` than the usual slack. */
static inline uint32_t rd_leaf_bytes(const rd_coll *c, uint32_t used, uint32_t more) {
  uint32_t most = used > c->kind->run_max ? used : c->kind->run_max;
  return RD_LEAF_HEAD + (used + RD_LEAF_SLACK + more < most ? used + RD_LEAF_SLACK + more : most);
}

/* RD_LEAF_BLOBS if the entry has a blob. */
static inline uint32_t rd_leaf_flags_of(const rd_coll *c, const uint8_t *entry) {
  return c->kind->outside != NULL && c->kind->outside(entry, 0) != 0 ? RD_LEAF_BLOBS : 0;
}

static inline void rd_leaf_init(rd_store *st, rd_ref ref, rd_ref parent, uint32_t flags) {
  rd_leaf *l = rd_leaf_at(st, ref);
  l->used = (uint16_t)(flags | RD_LEAF_EVEN);
  l->count = 0;
  l->parent = parent;
}

/* Append `count` entries of `len` bytes in all, which are equally long unless the leaf says otherwise; returns their
 * place. */
static inline const uint8_t *rd_leaf_append(rd_leaf *l, const uint8_t *bytes, uint32_t len, uint32_t count) {
  uint8_t *to = l->data + rd_leaf_used(l);
  if (rd_leaf_used(l) * count != len * l->count) l->used &= (uint16_t)~RD_LEAF_EVEN;
  memcpy(to, bytes, len);
  l->used = (uint16_t)(l->used + len);
  l->count = (uint16_t)(l->count + count);
  return to;
}

/* Make `leaf` the owner of its blobs; not of those that have none yet. */
void rd_leaf_own_blobs(rd_coll *c, rd_ref leaf);

/* Put the entry in place of `old` bytes at the place (0, or one entry), and the leaf's entries into two leaves. False:
 * all of them have the same hash. *result: RD_OOM, or RD_OK with the place of the entry. */
bool rd_leaf_split(rd_coll *c, rd_pos *p, uint32_t old, const uint8_t *entry, uint32_t len, rd_result *result);

#endif
