/* coll_item.c - makes, resizes and removes the item of a collection. */
#include "store/coll_item.h"

#include "arena/heap.h"
#include "arena/lock.h"
#include "store/evict.h"
#include "store/index.h"
#include "store/item.h"
#include "store/type.h"
#include "store/undo.h"

static rd_shape shape_of(const rd_coll *c, uint64_t len) {
  bool ttl = c->item != NULL && rd_item_ttl_bytes(c->item) != 0;
  return (rd_shape){c->slot, c->key.len, len, ttl};
}

static bool find_entry(const rd_coll *c, rd_place *place) {
  uint32_t slot = rd_item_slot(c->item);
  const rd_index *ix = &rd_shard_at(c->st, c->shard)->index[slot];
  return rd_index_find_ref(c->st, ix, c->key.hash, rd_ref_of(c->st, c->item), place);
}

bool rd_coll_may_pack(const rd_coll *c, uint64_t len) {
  rd_shape shape = shape_of(c, len);
  return len <= c->kind->run_max && c->row->extra == 0 && !rd_shape_is_big(&shape);
}

bool rd_coll_make(rd_coll *c, unsigned encoding, uint64_t len) {
  rd_store *st = c->st;
  rd_shape shape = shape_of(c, len);
  rd_ref ref = rd_item_new(st, c->shard, &shape, c->key.data, c->row->type, (rd_encoding)encoding);
  if (ref == 0) {
    c->wanted += rd_shape_total_bytes(&shape);
    return false;
  }
  if (!rd_index_insert(st, c->shard, shape.slot, c->key.hash, ref, RD_NO_EXPIRY)) {
    rd_item_release_own(st, c->shard, ref);
    c->wanted += rd_shape_total_bytes(&shape) + RD_MIN_BLOCK + sizeof(rd_index_block) + sizeof(rd_bucket);
    return false;
  }
  c->item = rd_at(st, ref);
  c->is_new = true;
  if (c->undo != NULL) {
    c->made = true;
    c->before = ref;
  }
  if (c->slot == RD_KEPT_SLOT)
    c->item->access |= RD_ITEM_MAIN; /* it is in no queue of S3-FIFO until it is the key's */
  else
    rd_access_new(st, c->shard, c->item, c->key.hash);
  rd_index_balance(st, c->shard, shape.slot); /* without memory a later call balances the index */
  return true;
}

void rd_coll_set_item(rd_coll *c, rd_ref item) {
  rd_place place;
  bool found = find_entry(c, &place);
  assert(found);
  rd_mark_dirty(c->st, c->shard);
  if (found) rd_entry_set_ref(place.bucket, place.entry, item);
  c->item = rd_at(c->st, item);
}

bool rd_coll_resize(rd_coll *c, uint32_t len) {
  rd_store *st = c->st;
  rd_item *it = c->item;
  rd_ref old = rd_ref_of(st, it);
  rd_shape shape = shape_of(c, len);
  uint32_t bytes = rd_shape_head_bytes(&shape), had = it->len;
  rd_mark_dirty(st, c->shard);
  if (bytes <= rd_blk_bytes(it->blk)) {
    rd_undo_save(st, c->undo, old);
    it->len = (uint16_t)len;
    uint32_t rest = rd_blk_bytes(it->blk) - bytes; /* up to a quarter stays: the next entry often comes soon */
    if (len <= had && c->undo == NULL && rest > bytes / 4) rd_heap_shrink(st, c->shard, old, bytes);
    return true;
  }
  rd_ref ref = rd_heap_alloc(st, c->shard, bytes, RD_ITEM);
  if (ref == 0) {
    c->wanted += bytes;
    return false;
  }
  rd_undo_made(c->undo, ref);
  rd_item *fresh = rd_at(st, ref);
  memcpy((uint8_t *)fresh + sizeof(rd_blk), (uint8_t *)it + sizeof(rd_blk), bytes - len + had - sizeof(rd_blk));
  fresh->len = (uint16_t)len;
  rd_coll_set_item(c, ref);
  rd_undo_release(st, c->shard, c->undo, old);
  return true;
}

void rd_coll_unmake(rd_coll *c) {
  rd_place place;
  bool found = find_entry(c, &place);
  assert(found);
  rd_mark_dirty(c->st, c->shard);
  rd_access_gone(c->st, c->shard, c->item, c->key.hash, false);
  if (found) rd_index_remove(c->st, c->shard, rd_item_slot(c->item), place);
  rd_item_release_own(c->st, c->shard, rd_ref_of(c->st, c->item));
  c->item = NULL;
  c->is_new = false;
}
