/* tree_build.c - makes trees of packed values. */
#include "arena/lock.h"
#include "store/coll_item.h"
#include "store/tree.h"
#include "store/undo.h"

#define PACKED_MAX 2048u /* bytes of the longest packed value */

/* The place of a new entry. */
struct sought {
  const rd_coll *c;
  const uint8_t *entry;
};

static int compare(void *arg, const uint8_t *entry) {
  const struct sought *s = arg;
  return s->c->kind->compare == NULL ? 0 : s->c->kind->compare(s->c->st, s->entry, entry);
}

static rd_result add(rd_coll *c, const uint8_t *entry, uint32_t len) {
  rd_pos p;
  struct sought s = {c, entry};
  if (c->kind->order == NULL)
    rd_tree_at(c, UINT64_MAX, &p);
  else if (c->kind->sorted)
    rd_tree_lower(c, c->kind->order(c->st, entry), compare, &s, &p);
  else
    rd_tree_run(c, c->kind->order(c->st, entry), &p);
  return rd_tree_insert(c, &p, entry, len);
}

static rd_result add_all(rd_coll *c, const uint8_t *packed, uint32_t len) {
  rd_coll second = rd_coll_second(c);
  second.wanted = 0;
  uint8_t twin[RD_ENTRY_MAX];
  rd_result done = RD_OK;
  for (const uint8_t *at = packed, *end = packed + len; at < end && done == RD_OK;) {
    uint32_t size = rd_entry_size(c, at, end);
    uint32_t n = c->kind->second != NULL ? c->kind->second(c->st, at, twin) : 0;
    done = rd_undo_ready(c->undo) ? add(c, at, size) : RD_OOM;
    if (done == RD_OK && n > 0) done = rd_undo_ready(c->undo) ? add(&second, twin, n) : RD_OOM;
    if (done != RD_OK) c->wanted += second.wanted;
    at += size;
  }
  return done;
}

/* Release the blocks of the trees that are being built. */
static void drop_all(rd_coll *c) {
  rd_coll tree = *c;
  for (unsigned i = 0; i < 2 && c->row->coll[i] != NULL; i++) {
    tree.tree = i;
    tree.kind = c->row->coll[i];
    rd_pos p;
    while (rd_tree_first(&tree, &p)) {
      rd_tree_count(&tree, &p, -(int64_t)rd_leaf_at(c->st, p.leaf)->count);
      rd_tree_unlink(&tree, &p);
    }
  }
}

/* Make the value `len` bytes. The block stays as long as it is, so that the packed value can be put back. */
static bool set_length(rd_coll *c, uint32_t len) {
  if (len > c->item->len) return rd_coll_resize(c, len);
  rd_mark_dirty(c->st, c->shard);
  rd_undo_save(c->st, c->undo, rd_ref_of(c->st, c->item));
  c->item->len = (uint16_t)len;
  return true;
}

static void set_form(rd_coll *c, unsigned form) {
  unsigned encoding = (unsigned)rd_item_encoding(c->item) & ~RD_COLL_TREE;
  rd_item_set_type(c->item, rd_item_type(c->item), (rd_encoding)(encoding | form));
}

static void clear_value(rd_coll *c) { rd_item_store(c->st, c->item, 0, NULL, rd_tree_value_bytes(c->row)); }

rd_result rd_tree_from_packed(rd_coll *c) {
  uint32_t heads = rd_tree_value_bytes(c->row);
  if (c->item == NULL) {
    if (!rd_coll_make(c, RD_COLL_TREE, heads)) return RD_OOM;
    clear_value(c);
    return RD_OK;
  }
  uint8_t packed[PACKED_MAX];
  uint32_t len = c->item->len;
  assert(len <= sizeof packed);
  memcpy(packed, rd_item_flat(c->item), len);
  if (!set_length(c, heads)) return RD_OOM;
  set_form(c, RD_COLL_TREE);
  clear_value(c);
  if (add_all(c, packed, len) != RD_OK) {
    drop_all(c);
    set_form(c, 0);
    c->item->len = (uint16_t)len;
    memcpy((uint8_t *)(uintptr_t)rd_item_flat(c->item), packed, len);
    c->wanted += 2ull * len;
    return RD_OOM;
  }
  if (c->undo == NULL) rd_coll_resize(c, heads);
  return RD_OK;
}
