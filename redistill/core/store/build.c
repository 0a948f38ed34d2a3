/* build.c - values that are built aside, and then take their key's place: rd_coll_build in coll.h.
 *
 * The value is an item of the key in an index slot that no database has, the one of kept items. There its blocks can be
 * moved to make room like any others, and the arena is whole if this process dies. The item itself stays while
 * st->builds is set. */
#include "arena/lock.h"
#include "arena/longrun.h"
#include "store/coll_item.h"
#include "store/evict.h"
#include "store/expire.h"
#include "store/grave.h"
#include "store/index.h"
#include "store/internal.h"
#include "store/item.h"
#include "store/type.h"

void rd_coll_build(rd_coll *c, rd_store *st, const rd_key *key, const struct rd_type_row *row) {
  assert(!st->builds);
  rd_coll_open(c, st, key, NULL, row);
  c->slot = RD_KEPT_SLOT;
  rd_drain_slot_of(st, c->shard, RD_KEPT_SLOT);
  rd_note_changing(st, RD_KEPT_SLOT, key->hash); /* no value that a client can read */
  st->builds = true;
}

void rd_coll_abandon(rd_coll *c) {
  assert(c->st->builds && c->undo == NULL);
  c->st->builds = false;
  if (c->item != NULL) rd_remove_item(c->st, c->shard, rd_ref_of(c->st, c->item), RD_GONE_FLUSHED);
  c->item = NULL;
}

/* Give the item the expiry. false: no memory for its field. */
static bool set_expiry(rd_coll *c, rd_place *kept, int64_t expiry) {
  rd_store *st = c->st;
  if (expiry == RD_NO_EXPIRY) return true;
  rd_mark_dirty(st, c->shard);
  if (rd_item_ttl_bytes(c->item) == 0) {
    rd_ref ref = rd_ref_of(st, c->item);
    if (!rd_item_add_expiry(st, c->shard, &ref)) {
      c->wanted += rd_blk_bytes(c->item->blk) + 8;
      return false;
    }
    rd_entry_set_ref(kept->bucket, kept->entry, ref);
    c->item = rd_at(st, ref);
  }
  rd_item_put_expiry(c->item, expiry);
  rd_index_note_expiry(st, c->shard, RD_KEPT_SLOT, *kept, expiry);
  return true;
}

/* The key has no value, or none that stays: add an entry. Or make the entry that it has refer to the new item. */
static bool set_entry(rd_coll *c, uint32_t slot, int64_t expiry) {
  rd_store *st = c->st;
  rd_ref ref = rd_ref_of(st, c->item);
  rd_place place;
  if (!rd_index_find(st, &rd_shard_at(st, c->shard)->index[slot], &c->key, &place)) {
    c->is_new = rd_index_insert(st, c->shard, slot, c->key.hash, ref, expiry);
    if (!c->is_new) c->wanted += RD_MIN_BLOCK + sizeof(rd_index_block) + sizeof(rd_bucket);
    return c->is_new;
  }
  rd_ref old = rd_entry_ref(place.bucket, place.entry);
  rd_mark_dirty(st, c->shard);
  rd_access_gone(st, c->shard, rd_at(st, old), c->key.hash, false);
  rd_entry_set_ref(place.bucket, place.entry, ref);
  rd_index_note_expiry(st, c->shard, slot, place, expiry);
  rd_bury(st, c->shard, old, c->key.hash);
  c->is_new = false;
  return true;
}

static rd_result hook(rd_coll *c, int64_t expiry) {
  rd_store *st = c->st;
  uint32_t slot = rd_slot_of(st, c->key.db);
  rd_place kept;
  const rd_index *aside = &rd_shard_at(st, c->shard)->index[RD_KEPT_SLOT];
  bool found = rd_index_find_ref(st, aside, c->key.hash, rd_ref_of(st, c->item), &kept);
  assert(found);
  if (!found || !set_expiry(c, &kept, expiry) || !set_entry(c, slot, expiry)) return RD_OOM;
  found = rd_index_find_ref(st, aside, c->key.hash, rd_ref_of(st, c->item), &kept);
  assert(found);
  rd_index_remove(st, c->shard, RD_KEPT_SLOT, kept);
  c->item->access = (c->item->access & ~((RD_SLOTS - 1) << RD_ITEM_SLOT_SHIFT)) | slot << RD_ITEM_SLOT_SHIFT;
  rd_access_new(st, c->shard, c->item, c->key.hash);
  c->slot = slot;
  rd_index_balance(st, c->shard, slot); /* without memory a later call balances the index */
  return RD_OK;
}

rd_result rd_coll_hook(rd_coll *c, int64_t expiry, rd_key_event event) {
  rd_store *st = c->st;
  rd_pos p;
  assert(st->builds && c->undo == NULL);
  if (c->item == NULL || (c->row->extra == 0 && !rd_coll_first(c, &p))) {
    rd_coll_abandon(c);
    c->slot = rd_slot_of(st, c->key.db);
    rd_discard(st, &c->key);
    return RD_OK;
  }
  rd_find_quiet(st, &c->key, false); /* an expired value goes as such */
  if (hook(c, expiry) != RD_OK) return RD_OOM;
  st->builds = false;
  if (c->is_new) rd_notify(st, &c->key, RD_EVENT_NEW);
  c->is_new = false;
  rd_touched(st, c->shard, c->slot, &c->key, event);
  return RD_OK;
}

bool rd_coll_finish(rd_coll *c, int64_t expiry, rd_key_event event) {
  for (int attempt = 0; attempt < RD_COLL_ATTEMPTS; attempt++) {
    if (rd_coll_hook(c, expiry, event) == RD_OK) return true;
    if (!rd_coll_reserve(c)) break;
  }
  rd_coll_abandon(c);
  return false;
}
