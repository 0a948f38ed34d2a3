/* move.c - rd_move: gives a value another key (RENAME, MOVE) without copying its blocks.
 *
 * Within one shard the value stays in place. Under the same key in another database only the index changes; under
 * another key a big item gets a new head for its tables.
 *
 * For another shard its blocks must be in regions of that shard. Most chunks of a large value lie in regions that hold
 * nothing else, since eight fill one (heap.c); such a region changes its owner as a whole, and nothing is copied. The
 * head, the tables and the chunks of mixed regions are allocated there again: about 1/1000 of the value and some
 * chunks. The pool's reserve is nearly always enough for them; when it is not, the mixed chunks are first gathered in
 * regions of their own, within their shard. Nothing is evicted as long as that works.
 *
 * Steps that can fail come first, and leave the item unchanged. After them both items are marked as expired until the
 * new one is whole: if this process dies in between, lookups find neither, and their remains are removed like expired
 * items. As everywhere, one shard at a time is dirty. A region in transit has no owner, and the recovery of the pool's
 * lock gives it to the pool if its mover dies.
 *
 * The time is that of looking at each chunk's head: 512 MiB take some milliseconds. */
#include "arena/heap.h"
#include "arena/lock.h"
#include "arena/longrun.h"
#include "arena/pool.h"
#include "store/big.h"
#include "store/evict.h"
#include "store/grave.h"
#include "store/index.h"
#include "store/internal.h"
#include "store/reclaim.h"
#include "store/store.h"
#include "store/tree.h"
#include "store/type.h"

#define CHUNKS_OF_REGION (RD_REGION_SIZE / RD_MAX_BLOCK)
#define ATTEMPTS 6
#define LARGE (2ull * RD_REGION_SIZE) /* bytes from which on a value has regions of its own */

struct move {
  rd_store *st;
  uint32_t from, to; /* shards */
  rd_ref item;       /* the item in `from` */
  rd_ref fresh;      /* the new item in `to` */
  uint64_t needed;   /* bytes that the new item takes */
  uint32_t region;   /* the last region looked at, and whether it holds only this value */
  bool alone;
  uint32_t table, chunk; /* the place where gathering continues */
};

/* Make the key's entry refer to `ref`, and release the item that it referred to before. false: no memory, nothing is
 * changed. */
static bool set_entry(rd_store *st, uint32_t shard, uint32_t slot, const rd_key *key, rd_ref ref, int64_t expiry) {
  rd_place place;
  if (!rd_index_find(st, &rd_shard_at(st, shard)->index[slot], key, &place)) {
    if (!rd_index_insert(st, shard, slot, key->hash, ref, expiry)) return false;
    rd_index_balance(st, shard, slot); /* without memory a later call balances the index */
    return true;
  }
  rd_ref old = rd_entry_ref(place.bucket, place.entry);
  rd_mark_dirty(st, shard);
  rd_access_gone(st, shard, rd_at(st, old), key->hash, false);
  rd_entry_set_ref(place.bucket, place.entry, ref);
  rd_index_note_expiry(st, shard, slot, place, expiry);
  rd_bury(st, shard, old, key->hash);
  return true;
}

void rd_move_set_expiry(rd_store *st, uint32_t shard, rd_ref item, uint64_t hash, int64_t expiry) {
  rd_item *it = rd_at(st, item);
  uint32_t slot = rd_item_slot(it);
  rd_place place;
  bool found = rd_index_find_ref(st, &rd_shard_at(st, shard)->index[slot], hash, item, &place);
  assert(found);
  if (!found) return;
  rd_mark_dirty(st, shard);
  if (expiry == RD_NO_EXPIRY)
    rd_item_drop_expiry(st, shard, item);
  else
    rd_item_put_expiry(it, expiry);
  rd_index_note_expiry(st, shard, slot, place, expiry);
}

static void drop_entry(rd_store *st, uint32_t shard, uint32_t slot, uint64_t hash, rd_ref item) {
  rd_place place;
  bool found = rd_index_find_ref(st, &rd_shard_at(st, shard)->index[slot], hash, item, &place);
  assert(found);
  if (found) rd_index_remove(st, shard, slot, place);
}

static bool reserve(rd_store *st, uint32_t shard, rd_ref item, uint32_t bytes) {
  rd_mark_clean(st);
  st->pin[0] = item;
  bool room = rd_reserve(st, shard, bytes);
  st->pin[0] = 0;
  return room;
}

/* Add the field for an expiry to an item without one. It holds RD_NO_EXPIRY, so the item still has none. */
bool rd_move_place_expiry(rd_store *st, uint32_t shard, rd_ref *item, uint64_t hash) {
  if (rd_item_ttl_bytes(rd_at(st, *item)) != 0) return true;
  for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
    rd_place place;
    uint32_t slot = rd_item_slot(rd_at(st, *item));
    bool found = rd_index_find_ref(st, &rd_shard_at(st, shard)->index[slot], hash, *item, &place);
    assert(found);
    if (!found) return false;
    uint32_t bytes = rd_blk_bytes(*rd_blk_at(st, *item)) + 8;
    if (rd_item_add_expiry(st, shard, item)) {
      rd_item_put_expiry(rd_at(st, *item), RD_NO_EXPIRY);
      rd_entry_set_ref(place.bucket, place.entry, *item);
      return true;
    }
    if (!reserve(st, shard, *item, bytes)) return false;
  }
  return false;
}

/* ---- within a shard ---- */

static rd_result move_within(rd_store *st, uint32_t shard, rd_ref item, const rd_key *src, const rd_key *dst) {
  rd_item *it = rd_at(st, item);
  uint32_t from = rd_item_slot(it), to = rd_slot_of(st, dst->db), bytes = RD_MIN_BLOCK + sizeof(rd_bucket) + 8;
  bool same_key = src->len == dst->len && memcmp(src->data, dst->data, src->len) == 0;
  int64_t expiry = rd_item_expiry(it);
  for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
    rd_ref head = item;
    if (!same_key) {
      rd_shape shape = {to, dst->len, rd_item_len(it), expiry != RD_NO_EXPIRY};
      head = rd_big_new_head(st, shard, &shape, dst->data, rd_item_type(it), rd_item_encoding(it));
      bytes = rd_shape_head_bytes(&shape);
    }
    if (head != 0 && set_entry(st, shard, to, dst, head, expiry)) {
      drop_entry(st, shard, from, src->hash, item);
      rd_item *fresh = rd_at(st, head);
      fresh->access = (it->access & ~((RD_SLOTS - 1) << RD_ITEM_SLOT_SHIFT)) | to << RD_ITEM_SLOT_SHIFT;
      if (head != item) {
        if (expiry != RD_NO_EXPIRY) rd_item_put_expiry(fresh, expiry);
        for (uint32_t i = 0; i < rd_item_big(fresh)->tables; i++) {
          rd_ref table = rd_table_ref(it, i);
          rd_set_table_ref(fresh, i, table);
          rd_table_at(st, table)->owner = head;
        }
        if (rd_item_is_nested(fresh)) rd_type_of(fresh)->moved(st, fresh);
        rd_heap_release(st, shard, item);
      }
      rd_count_touch(st, shard, from, src->hash, src);
      rd_count_touch(st, shard, to, dst->hash, dst);
      rd_notify(st, dst, RD_EVENT_NEW);
      return RD_OK;
    }
    if (head != 0 && head != item) rd_heap_release(st, shard, head);
    if (!reserve(st, shard, item, bytes)) break;
    if (bytes < RD_MAX_BLOCK / 2) bytes += RD_MIN_BLOCK + (uint32_t)(sizeof(rd_index_block) + sizeof(rd_bucket));
  }
  return RD_OOM;
}

/* ---- into another shard: what may fail ---- */

static bool is_alone(struct move *m, rd_ref chunk) {
  rd_store *st = m->st;
  uint32_t region = rd_region_of(st, chunk);
  if (region == m->region) return m->alone;
  m->region = region;
  m->alone = true;
  for (rd_ref ref = rd_region_first(st, region); ref != 0 && m->alone; ref = rd_blk_next(st, ref)) {
    rd_kind kind = rd_blk_kind(*rd_blk_at(st, ref));
    m->alone = kind == RD_FREE || (kind == RD_CHUNK && rd_chunk_item(st, ref) == m->item);
  }
  return m->alone;
}

static inline uint32_t bytes_of_chunk(const rd_store *st, rd_ref chunk) {
  uint32_t bytes = rd_blk_bytes(*rd_blk_at(st, chunk));
  return bytes < RD_MAX_BLOCK ? bytes : RD_MAX_BLOCK;
}

static inline uint32_t entries_of(const rd_store *st, rd_ref table) {
  uint32_t entries = rd_table_capacity(st, table);
  return entries < RD_TABLE_CHUNKS ? entries : RD_TABLE_CHUNKS;
}

/* Make a table of the new item like an old one, with copies of the chunks that do not move along with their regions. */
static bool prepare_table(struct move *m, uint32_t number) {
  rd_store *st = m->st;
  rd_ref old = rd_table_ref(rd_at(st, m->item), number);
  uint32_t entries = entries_of(st, old);
  rd_ref ref = rd_table_new(st, m->to, m->fresh, number, entries);
  m->needed += RD_TABLE_HEAD + entries * 8;
  if (ref == 0) return false;
  rd_set_table_ref(rd_at(st, m->fresh), number, ref);
  for (uint32_t c = 0; c < entries; c++) {
    rd_ref chunk = rd_table_at(st, old)->chunk[c];
    if (chunk == 0 || is_alone(m, chunk)) continue;
    m->needed += bytes_of_chunk(st, chunk);
    rd_ref copy = rd_heap_alloc(st, m->to, bytes_of_chunk(st, chunk), RD_CHUNK);
    if (copy == 0) return false;
    rd_chunk_at(st, copy)->number = c;
    rd_chunk_at(st, copy)->table = ref;
    rd_table_at(st, ref)->chunk[c] = copy;
  }
  return true;
}

/* Put the new item, which is expired, in place of the item that the key has. false: no memory, nothing is changed. */
static bool prepare(struct move *m, const rd_key *dst) {
  rd_store *st = m->st;
  const rd_item *it = rd_at(st, m->item);
  rd_shape shape = {rd_slot_of(st, dst->db), dst->len, rd_item_len(it), true};
  m->region = UINT32_MAX;
  m->needed = rd_shape_head_bytes(&shape) + RD_MAX_BLOCK;
  m->fresh = rd_big_new_head(st, m->to, &shape, dst->data, rd_item_type(it), rd_item_encoding(it));
  if (m->fresh == 0) return false;
  rd_item_put_expiry(rd_at(st, m->fresh), RD_PASSED);
  bool done = true;
  for (uint32_t i = 0; i < rd_item_big(rd_at(st, m->fresh))->tables && done; i++) done = prepare_table(m, i);
  if (done && set_entry(st, m->to, shape.slot, dst, m->fresh, RD_PASSED)) {
    rd_access_new(st, m->to, rd_at(st, m->fresh), dst->hash);
    return true;
  }
  rd_item_release(st, m->to, m->fresh);
  return false;
}

/* The next chunk of full length that shares its region with others; 0: there is none. */
static rd_ref next_mixed(struct move *m) {
  rd_store *st = m->st;
  const rd_item *it = rd_at(st, m->item);
  for (; m->table < rd_item_big(it)->tables; m->table++, m->chunk = 0) {
    rd_ref table = rd_table_ref(it, m->table);
    if (table == 0) continue;
    while (m->chunk < entries_of(st, table)) {
      rd_ref chunk = rd_table_at(st, table)->chunk[m->chunk++];
      if (chunk != 0 && rd_blk_bytes(*rd_blk_at(st, chunk)) >= RD_MAX_BLOCK && !is_alone(m, chunk)) return chunk;
    }
  }
  return 0;
}

/* Move chunks that share their regions with others to regions of their own, in their shard. The shard then has as
 * many holes, and is packed to free the next region. Returns whether any chunk was moved. */
static bool regroup_chunks(struct move *m) {
  rd_store *st = m->st;
  bool any = false;
  m->table = m->chunk = 0;
  st->pin[0] = m->item;
  for (bool more = true; more;) {
    rd_ref first = rd_heap_new_region(st, m->from);
    if (first == 0) {
      rd_mark_clean(st);
      if (!rd_pack(st, m->from)) break;
      continue;
    }
    rd_ref at = first;
    m->region = UINT32_MAX;
    for (uint32_t n = 0; n < CHUNKS_OF_REGION; n++) {
      rd_ref chunk = next_mixed(m);
      if (chunk == 0) {
        more = false;
        break;
      }
      rd_chunk *to = rd_chunk_at(st, rd_heap_carve(st, m->from, at, RD_MAX_BLOCK, RD_CHUNK));
      const rd_chunk *old = rd_chunk_at(st, chunk);
      memcpy(&to->number, &old->number, RD_MAX_BLOCK - sizeof(rd_blk));
      rd_table_at(st, old->table)->chunk[old->number] = at;
      at = rd_blk_next(st, at);
      rd_heap_release(st, m->from, chunk);
      m->region = UINT32_MAX;
      any = true;
    }
    if (at == first) rd_heap_return_region(st, m->from, first);
  }
  rd_mark_clean(st);
  /* regions for the large chunks, the tables, the head and the remaining chunks */
  uint64_t regions = rd_item_big(rd_at(st, m->item))->tables / CHUNKS_OF_REGION + 2;
  while (rd_pool_free(st) < regions && rd_pack(st, m->from)) continue;
  st->pin[0] = 0;
  return any;
}

/* Make room for another attempt. `step` counts the attempts. */
static bool make_room(struct move *m, int step, bool large) {
  rd_store *st = m->st;
  rd_mark_clean(st);
  if (large && step == 0) {
    st->borrows = true;
    return true;
  }
  if (large && step == 1 && regroup_chunks(m)) return true;
  if (step >= ATTEMPTS) return false;
  st->pin[0] = m->item;
  bool room = rd_make_room(st, m->needed / (RD_REGION_SIZE - RD_MAX_BLOCK) + 1);
  st->pin[0] = 0;
  if (!room && !st->borrows && rd_pool_free(st) + st->head->pool.reserve > 0) room = st->borrows = true;
  return room;
}

/* ---- steps that cannot fail ---- */

static void copy_chunks(struct move *m) {
  rd_store *st = m->st;
  const rd_item *it = rd_at(st, m->item), *fresh = rd_at(st, m->fresh);
  rd_mark_dirty(st, m->to);
  for (uint32_t i = 0; i < rd_item_big(fresh)->tables; i++) {
    const rd_table *old = rd_table_at(st, rd_table_ref(it, i)), *new = rd_table_at(st, rd_table_ref(fresh, i));
    for (uint32_t c = 0; c < entries_of(st, rd_table_ref(it, i)); c++) {
      if (new->chunk[c] == 0) continue;
      memcpy(rd_chunk_at(st, new->chunk[c])->data, rd_chunk_at(st, old->chunk[c])->data,
             bytes_of_chunk(st, old->chunk[c]) - RD_CHUNK_HEAD);
    }
  }
}

static void hand_over(struct move *m, uint32_t region) {
  rd_store *st = m->st;
  const rd_item *fresh = rd_at(st, m->fresh);
  rd_pool_lock(st);
  rd_mark_dirty(st, m->from);
  for (rd_ref ref = rd_region_first(st, region); ref != 0; ref = rd_blk_next(st, ref)) {
    if (rd_blk_kind(*rd_blk_at(st, ref)) == RD_FREE) continue;
    const rd_chunk *chunk = rd_chunk_at(st, ref);
    rd_table_at(st, chunk->table)->chunk[chunk->number] = 0;
  }
  rd_heap_detach_region(st, m->from, region);
  rd_heap_attach_region(st, m->to, region); /* this marks the other shard dirty */
  for (rd_ref ref = rd_region_first(st, region); ref != 0; ref = rd_blk_next(st, ref)) {
    if (rd_blk_kind(*rd_blk_at(st, ref)) == RD_FREE) continue;
    rd_chunk *chunk = rd_chunk_at(st, ref);
    chunk->table = rd_table_ref(fresh, rd_table_at(st, chunk->table)->number);
    rd_table_at(st, chunk->table)->chunk[chunk->number] = ref;
  }
  rd_mark_clean(st);
  rd_pool_unlock(st);
}

static void hand_over_regions(struct move *m) {
  rd_store *st = m->st;
  const rd_item *it = rd_at(st, m->item), *fresh = rd_at(st, m->fresh);
  for (uint32_t i = 0; i < rd_item_big(fresh)->tables; i++) {
    const rd_table *old = rd_table_at(st, rd_table_ref(it, i)), *new = rd_table_at(st, rd_table_ref(fresh, i));
    for (uint32_t c = 0; c < entries_of(st, rd_table_ref(it, i)); c++) {
      if (new->chunk[c] == 0 && old->chunk[c] != 0) hand_over(m, rd_region_of(st, old->chunk[c]));
    }
  }
}

static rd_result move_across(rd_store *st, rd_ref item, const rd_key *src, const rd_key *dst) {
  struct move m = {.st = st, .from = rd_shard_of(st, src->hash), .to = rd_shard_of(st, dst->hash), .item = item};
  int64_t expiry = rd_item_expiry(rd_at(st, item));
  bool large = rd_item_len(rd_at(st, item)) >= LARGE, borrowed = st->borrows;
  bool placed = rd_item_ttl_bytes(rd_at(st, item)) == 0;
  if (!rd_move_place_expiry(st, m.from, &m.item, src->hash)) return RD_OOM;
  bool done = prepare(&m, dst);
  for (int step = 0; !done && make_room(&m, step, large); step++) done = prepare(&m, dst);
  if (done) {
    rd_move_set_expiry(st, m.from, m.item, src->hash, RD_PASSED);
    copy_chunks(&m);
    hand_over_regions(&m);
    if (rd_get_policy(st) != RD_ALLKEYS_S3FIFO) { /* S3-FIFO's stamps belong to the shard */
      const rd_item *it = rd_at(st, m.item);
      rd_item *fresh = rd_at(st, m.fresh);
      rd_mark_dirty(st, m.to);
      fresh->access = (fresh->access & ~RD_ACCESS_MASK) | (it->access & RD_ACCESS_MASK);
    }
    rd_move_set_expiry(st, m.to, m.fresh, dst->hash, expiry);
    rd_count_touch(st, m.to, rd_slot_of(st, dst->db), dst->hash, dst);
    rd_notify(st, dst, RD_EVENT_NEW);
    rd_remove_item(st, m.from, m.item, RD_GONE_MOVED);
    rd_mark_clean(st);
    /* Regions whose blocks fit into the old shard's holes go back to the pool. */
    for (uint32_t i = 0; i < RD_LARGEST_RESERVE && st->head->pool.in_use > st->head->pool.limit; i++) {
      if (!rd_pack(st, m.from)) break;
    }
  } else if (placed) {
    rd_move_set_expiry(st, m.from, m.item, src->hash, RD_NO_EXPIRY);
  }
  st->borrows = borrowed;
  return done ? RD_OK : RD_OOM;
}

static rd_result move_item(rd_store *st, rd_item *it, const rd_key *src, const rd_key *dst) {
  uint32_t from = rd_shard_of(st, src->hash), to = rd_shard_of(st, dst->hash);
  rd_shape shape = {0, dst->len, rd_item_len(it), true};
  bool same_key = src->len == dst->len && memcmp(src->data, dst->data, src->len) == 0;
  rd_note_changing(st, rd_slot_of(st, dst->db), dst->hash);
  bool keeps_blocks = rd_item_is_big(it) && rd_shape_is_big(&shape) && src->len <= RD_INLINE_KEY;
  if (from == to && (same_key || (keeps_blocks && dst->len <= RD_INLINE_KEY)))
    return move_within(st, from, rd_ref_of(st, it), src, dst);
  if (keeps_blocks && dst->len <= RD_INLINE_KEY && !rd_item_is_nested(it))
    return move_across(st, rd_ref_of(st, it), src, dst);
  if (from != to && rd_item_is_tree(it)) return rd_move_tree(st, it, src, dst);
  /* For one block, or a key that is stored in chunks, the copy comes first, so that a lack of memory leaves both
   * keys unchanged. */
  bool takes = from == to && rd_item_is_nested(it);
  if ((takes ? rd_take_over(st, src, dst) : rd_copy(st, src, dst, RD_EVENT_NONE)) != RD_OK) return RD_OOM;
  it = rd_find_quiet(st, src, false);
  if (it != NULL) rd_remove_item(st, from, rd_ref_of(st, it), RD_GONE_MOVED);
  return RD_OK;
}

rd_result rd_move(rd_store *st, const rd_key *src, const rd_key *dst, rd_key_event from, rd_key_event to) {
  rd_item *it = rd_find_quiet(st, src, false);
  if (it == NULL) return RD_OK;
  if (move_item(st, it, src, dst) != RD_OK) return RD_OOM;
  rd_notify(st, src, from);
  rd_notify(st, dst, to);
  return RD_OK;
}
