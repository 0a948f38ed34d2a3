/* store.c - looks up, sets, changes and deletes keys. */
#include "store/store.h"

#include "arena/heap.h"
#include "arena/lock.h"
#include "arena/longrun.h"
#include "store/evict.h"
#include "store/expire.h"
#include "store/grave.h"
#include "store/index.h"
#include "store/internal.h"
#include "store/item.h"
#include "store/pause.h"
#include "store/reclaim.h"
#include "store/recovery.h"
#include "store/tree.h"
#include "store/type.h"
#include "store/waiters.h"

/* ---- lookup ---- */

struct spot {
  uint32_t shard, slot;
  rd_index *index;
  rd_place place;
  rd_item *item; /* NULL: the key does not exist */
};

static inline struct spot spot_of(rd_store *st, const rd_key *key) {
  struct spot s;
  s.shard = rd_shard_of(st, key->hash);
  s.slot = rd_slot_of(st, key->db);
  s.index = &rd_shard_at(st, s.shard)->index[s.slot];
  s.item = NULL;
  return s;
}

/* Find the key; an expired one is deleted. `reads`: during CLIENT PAUSE an expired key is only hidden, which is not
 * enough before a change. */
static inline __attribute__((always_inline)) struct spot find_for(rd_store *st, const rd_key *key, bool reads) {
  struct spot s = spot_of(st, key);
  if (!rd_index_find(st, s.index, key, &s.place)) return s;
  s.item = rd_at(st, rd_entry_ref(s.place.bucket, s.place.entry));
  if (RD_UNLIKELY((s.item->access & RD_ITEM_TTL) != 0) && rd_expired(st, rd_item_expiry(s.item))) {
    if (!reads || !rd_paused(st)) rd_remove_at(st, s.shard, s.slot, s.place, key->hash, RD_GONE_EXPIRED);
    s.item = NULL;
  }
  return s;
}

static inline struct spot find(rd_store *st, const rd_key *key) { return find_for(st, key, false); }

rd_item *rd_find_read(rd_store *st, const rd_key *key) {
  struct spot s = find_for(st, key, true);
  if (s.item == NULL) {
    rd_count_stat(st, RD_STAT_keyspace_misses, 1);
    rd_notify(st, key, RD_EVENT_KEYMISS);
    return NULL;
  }
  rd_count_stat(st, RD_STAT_keyspace_hits, 1);
  if (RD_LIKELY(!st->no_touch)) rd_access_hit(st, s.item);
  return s.item;
}

rd_item *rd_find_write(rd_store *st, const rd_key *key) {
  struct spot s = find(st, key);
  if (s.item != NULL && RD_LIKELY(!st->no_touch)) rd_access_hit(st, s.item);
  return s.item;
}

rd_item *rd_find_quiet(rd_store *st, const rd_key *key, bool count) {
  struct spot s = find_for(st, key, true);
  if (count) rd_count_lookup(st, s.item != NULL);
  if (count && s.item == NULL) rd_notify(st, key, RD_EVENT_KEYMISS);
  return s.item;
}

void rd_count_lookup(rd_store *st, bool hit) {
  rd_count_stat(st, hit ? RD_STAT_keyspace_hits : RD_STAT_keyspace_misses, 1);
}

/* ---- removal ---- */

static const rd_key_event events_of[] = {[RD_GONE_DELETED] = RD_EVENT_DEL,
                                         [RD_GONE_EXPIRED] = RD_EVENT_EXPIRED,
                                         [RD_GONE_EVICTED] = RD_EVENT_EVICTED,
                                         [RD_GONE_FLUSHED] = RD_EVENT_NONE,
                                         [RD_GONE_MOVED] = RD_EVENT_NONE};

void rd_remove_at(rd_store *st, uint32_t shard, uint32_t slot, rd_place place, uint64_t hash, rd_gone why) {
  rd_ref ref = rd_entry_ref(place.bucket, place.entry);
  rd_mark_dirty(st, shard);
  bool steps = rd_takes_steps(rd_at(st, ref));
  if (RD_UNLIKELY(steps) && !rd_slot_is_live(st, slot) && !rd_release_step(st, shard, ref)) return;
  rd_access_gone(st, shard, rd_at(st, ref), hash, why == RD_GONE_EVICTED);
  rd_index_remove(st, shard, slot, place);
  /* Tell the listener while the item still has a key. */
  if (RD_UNLIKELY(st->listening != 0)) rd_call_listener(st, slot, events_of[why], NULL, rd_at(st, ref));
  if (RD_UNLIKELY(rd_has_queues(st, shard))) rd_note_gone(st, slot, rd_at(st, ref), hash);
  rd_bury(st, shard, ref, hash);
  if (why == RD_GONE_EXPIRED) rd_count_stat(st, RD_STAT_expired_keys, 1);
  if (why == RD_GONE_EVICTED) rd_count_stat(st, RD_STAT_evicted_keys, 1);
  rd_count_touch(st, shard, slot, hash, NULL);
  if (why != RD_GONE_DELETED && why != RD_GONE_MOVED) st->touched--; /* the command itself did not change this key */
}

bool rd_remove_item(rd_store *st, uint32_t shard, rd_ref item, rd_gone why) {
  const rd_item *it = rd_at(st, item);
  uint64_t hash = rd_item_hash(st, it);
  uint32_t slot = rd_item_slot(it);
  rd_place place;
  bool found = rd_index_find_ref(st, &rd_shard_at(st, shard)->index[slot], hash, item, &place);
  if (found)
    rd_remove_at(st, shard, slot, place, hash, why);
  else
    rd_suspect(st, shard); /* the item's key is not the one that the index has */
  return found;
}

bool rd_delete(rd_store *st, const rd_key *key) {
  struct spot s = find(st, key);
  if (s.item == NULL) return false;
  rd_remove_at(st, s.shard, s.slot, s.place, key->hash, RD_GONE_DELETED);
  return true;
}

bool rd_discard(rd_store *st, const rd_key *key) {
  struct spot s = spot_of(st, key);
  if (!rd_index_find(st, s.index, key, &s.place)) return false;
  rd_remove_at(st, s.shard, s.slot, s.place, key->hash, RD_GONE_DELETED);
  return true;
}

/* ---- insertion and change ---- */

/* The treatment of a source value's own blocks (type.h). */
enum blocks { NO_BLOCKS, COPIED, TAKEN };

/* The source of a new value: pieces outside of the arena, or another item. */
struct source {
  const rd_bytes *parts;
  unsigned nparts;
  rd_key_event event;
  uint8_t type;   /* rd_type */
  uint8_t blocks; /* enum blocks */
  rd_ref item;    /* 0: the source is the parts */
  uint64_t len;
};

static inline struct source source_of(const rd_bytes *parts, unsigned nparts, uint64_t len, rd_key_event event) {
  return (struct source){.parts = parts, .nparts = nparts, .len = len, .event = event, .type = RD_STRING};
}

static void fill(rd_store *st, rd_item *it, const struct source *from) {
  uint64_t off = 0;
  if (RD_LIKELY(from->item == 0 && from->nparts == 1 && from->parts->data != NULL && !rd_item_is_big(it))) {
    memcpy((uint8_t *)(uintptr_t)rd_item_flat(it), from->parts->data, from->len);
    return;
  }
  if (from->item == 0) {
    for (unsigned i = 0; i < from->nparts; i++) {
      rd_item_store(st, it, off, from->parts[i].data, from->parts[i].len);
      off += from->parts[i].len;
    }
    return;
  }
  const rd_item *other = rd_at(st, from->item);
  while (off < from->len) {
    rd_bytes piece = rd_item_piece(st, other, off);
    rd_item_store(st, it, off, piece.data, piece.len);
    off += piece.len;
  }
}

/* Overwrite a small item within its own block. */
static void overwrite_small(rd_store *st, const rd_key *key, struct spot *s, const rd_shape *shape,
                            const struct source *from, int64_t expiry, rd_encoding enc) {
  rd_item *it = s->item;
  rd_mark_dirty(st, s->shard);
  it->access = (it->access & ~RD_ITEM_TTL) | (shape->ttl ? RD_ITEM_TTL : 0);
  it->len = (uint16_t)shape->len;
  rd_item_set_type(it, from->type, enc);
  memcpy((uint8_t *)(uintptr_t)rd_small_key(it), key->data, key->len);
  if (shape->ttl) rd_item_put_expiry(it, expiry);
  fill(st, it, from);
  rd_access_hit(st, it);
  rd_index_note_expiry(st, s->shard, s->slot, s->place, expiry);
  rd_heap_shrink(st, s->shard, rd_ref_of(st, it), rd_shape_head_bytes(shape));
}

/* Make the entry refer to the new item, which takes over the old one's access data, and release the old one unless
 * it is `kept`. */
static void replace(rd_store *st, struct spot *s, uint64_t hash, rd_ref fresh, int64_t expiry, bool kept) {
  rd_item *it = rd_at(st, fresh);
  rd_ref old = rd_ref_of(st, s->item);
  uint32_t history = RD_ACCESS_MASK | RD_ITEM_MAIN;
  it->access = (it->access & ~history) | (s->item->access & history);
  rd_access_hit(st, it);
  rd_entry_set_ref(s->place.bucket, s->place.entry, fresh);
  rd_index_note_expiry(st, s->shard, s->slot, s->place, expiry);
  if (old != fresh && !kept) rd_bury(st, s->shard, old, hash);
}

/* Twice the number of keys in a bucket from which on a segment for the index is worth an eviction. */
#define INDEX_OVERFULL 22u

static inline bool is_overfull(const rd_index *ix) {
  return (uint64_t)ix->count * 2 > (uint64_t)ix->buckets * INDEX_OVERFULL;
}

/* Let the index grow although the memory is full. This comes before a change and not after it: making room declares
 * the shard whole, and a command that is going to write more must not be split by that. */
static void make_index_grow(rd_store *st, const struct spot *s, rd_ref pinned) {
  rd_mark_clean(st);
  st->pin[1] = pinned;
  if (rd_reserve(st, s->shard, RD_MAX_BLOCK / 2 + 256)) rd_index_balance(st, s->shard, s->slot);
  st->pin[1] = 0;
}

static inline void set_slot(rd_item *it, uint32_t slot) {
  it->access = (it->access & ~((RD_SLOTS - 1) << RD_ITEM_SLOT_SHIFT)) | slot << RD_ITEM_SLOT_SHIFT;
}

/* Put an item, which is about to lose its own entry, into the slot of kept items. false: no memory, nothing is
 * changed. */
static bool keep(rd_store *st, const struct spot *s, const rd_key *key) {
  rd_ref ref = rd_ref_of(st, s->item);
  if (!rd_index_insert(st, s->shard, RD_KEPT_SLOT, key->hash, ref, rd_item_expiry(s->item))) return false;
  set_slot(s->item, RD_KEPT_SLOT);
  if ((s->item->access & RD_ITEM_MAIN) == 0) rd_shard_at(st, s->shard)->small++;
  rd_index_balance(st, s->shard, RD_KEPT_SLOT); /* without memory a later call balances the index */
  return true;
}

static bool find_kept(rd_store *st, uint32_t shard, const rd_key *key, rd_place *place) {
  return rd_index_find(st, &rd_shard_at(st, shard)->index[RD_KEPT_SLOT], key, place);
}

/* Allocate an item with the key and the value. 0: no memory, nothing is changed. */
static inline rd_ref make(rd_store *st, uint32_t shard, const rd_shape *shape, const rd_key *key,
                          const struct source *from, rd_encoding enc) {
  rd_ref ref = rd_item_new(st, shard, shape, key->data, from->type, enc);
  if (ref == 0) return 0;
  fill(st, rd_at(st, ref), from);
  if (RD_LIKELY(from->blocks != COPIED) || rd_types[from->type].copy(st, shard, rd_at(st, ref), rd_at(st, from->item)))
    return ref;
  rd_item_release_own(st, shard, ref);
  return 0;
}

/* Give the blocks of the value of `from` to `it`. */
static void take_blocks(rd_store *st, rd_item *it, const struct source *from) {
  rd_types[from->type].moved(st, it);
  rd_item_set_type(rd_at(st, from->item), RD_STRING, RD_ENC_RAW); /* the source has no blocks any more */
}

static inline uint64_t nested_bytes(const rd_store *st, const struct source *from) {
  return from->blocks == COPIED ? rd_types[from->type].bytes(st, rd_at(st, from->item)) : 0;
}

static inline bool is_one_block(const rd_item *it) { return !rd_item_is_big(it) && !rd_item_is_nested(it); }

static void __attribute__((noinline))
notify_put(rd_store *st, const struct spot *s, const rd_key *key, const struct source *from, bool new) {
  if (new || from->item != 0) rd_call_listener(st, s->slot, RD_EVENT_NEW, key, NULL);
  rd_call_listener(st, s->slot, from->event, key, NULL);
}

static inline void was_put(rd_store *st, const struct spot *s, const rd_key *key, const struct source *from, bool new) {
  rd_count_touch(st, s->shard, s->slot, key->hash, key);
  if (RD_UNLIKELY(st->listening != 0)) notify_put(st, s, key, from, new);
}

#define ATTEMPTS 6

/* With `kept` not NULL the old value is kept, and *kept says what was kept. */
static rd_result put(rd_store *st, const rd_key *key, const struct source *from, int64_t expiry, rd_encoding enc,
                     rd_kept *kept) {
  for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
    struct spot s = find(st, key);
    rd_note_changing(st, s.slot, key->hash);
    if (RD_UNLIKELY(s.item == NULL && attempt == 0 && is_overfull(s.index))) {
      make_index_grow(st, &s, from->item);
      s = find(st, key);
    }
    int64_t when = expiry;
    if (when == RD_KEEP_EXPIRY) when = s.item != NULL ? rd_item_expiry(s.item) : RD_NO_EXPIRY;
    rd_shape shape = {s.slot, key->len, from->len, when != RD_NO_EXPIRY};
    bool big = rd_shape_is_big(&shape);
    uint32_t head = rd_shape_head_bytes(&shape);
    bool keeping = false;
    if (RD_UNLIKELY(kept != NULL)) {
      rd_place place;
      keeping = s.item != NULL && !find_kept(st, s.shard, key, &place);
      *kept = keeping ? RD_KEPT_VALUE : s.item != NULL ? RD_KEPT_BEFORE : RD_KEPT_ABSENCE;
    }
    if (s.item != NULL && !keeping && !big && from->blocks == NO_BLOCKS && is_one_block(s.item) &&
        head <= rd_blk_bytes(s.item->blk)) {
      overwrite_small(st, key, &s, &shape, from, when, enc);
      was_put(st, &s, key, from, false);
      return RD_OK;
    }
    rd_ref fresh = make(st, s.shard, &shape, key, from, enc);
    if (fresh != 0) {
      rd_item *it = rd_at(st, fresh);
      if (shape.ttl) rd_item_put_expiry(it, when);
      if (s.item != NULL) {
        if (!keeping || keep(st, &s, key)) {
          replace(st, &s, key->hash, fresh, when, keeping);
          if (RD_UNLIKELY(from->blocks == TAKEN)) take_blocks(st, it, from);
          was_put(st, &s, key, from, false);
          return RD_OK;
        }
      } else if (rd_index_insert(st, s.shard, s.slot, key->hash, fresh, when)) {
        rd_access_new(st, s.shard, it, key->hash);
        if (RD_UNLIKELY(from->blocks == TAKEN)) take_blocks(st, it, from);
        was_put(st, &s, key, from, kept == NULL);
        rd_index_balance(st, s.shard, s.slot); /* without memory a later call balances the index */
        return RD_OK;
      }
      if (from->blocks == TAKEN)
        rd_item_release_own(st, s.shard, fresh);
      else
        rd_item_release(st, s.shard, fresh);
      /* One block for the item and one for an overflow bucket of the index. */
      head = (big ? 0 : head) + RD_MIN_BLOCK + (uint32_t)(sizeof(rd_index_block) + sizeof(rd_bucket));
      big = false;
    }
    rd_mark_clean(st);
    st->pin[0] = s.item != NULL ? rd_ref_of(st, s.item) : 0;
    st->pin[1] = from->item;
    bool room = big || from->blocks == COPIED
                    ? rd_reserve_many(st, s.shard, rd_shape_total_bytes(&shape) + nested_bytes(st, from))
                    : rd_reserve(st, s.shard, head);
    st->pin[0] = st->pin[1] = 0;
    if (!room) break;
  }
  return RD_OOM;
}

rd_result rd_set_parts(rd_store *st, const rd_key *key, const rd_bytes *parts, unsigned nparts, int64_t expiry,
                       rd_encoding enc, rd_key_event event) {
  struct source from = source_of(parts, nparts, 0, event);
  for (unsigned i = 0; i < nparts; i++) from.len += parts[i].len;
  return put(st, key, &from, expiry, enc, NULL);
}

rd_result rd_set(rd_store *st, const rd_key *key, const void *data, uint64_t len, int64_t expiry, rd_encoding enc,
                 rd_key_event event) {
  rd_bytes part = {data, len};
  struct source from = source_of(&part, 1, len, event);
  return put(st, key, &from, expiry, enc, NULL);
}

/* True if the value is a packed collection, which the item of the other key cannot hold, as that key is too long. */
static bool must_unpack(const rd_item *it, const rd_key *dst) {
  rd_shape shape = {0, dst->len, rd_item_len(it), true};
  return RD_UNLIKELY(it->type != 0) && rd_type_of(it)->coll[0] != NULL && !rd_item_is_nested(it) &&
         rd_shape_is_big(&shape);
}

/* Make a packed collection a tree, in its place. false: no memory. */
static bool unpack(rd_store *st, const rd_key *key, struct spot *s) {
  rd_coll c;
  rd_coll_open(&c, st, key, s->item, rd_type_of(s->item));
  for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
    if (rd_tree_from_packed(&c) == RD_OK) {
      s->item = c.item;
      return true;
    }
    if (!rd_coll_reserve(&c)) return false;
  }
  return false;
}

static rd_result copy(rd_store *st, const rd_key *src, const rd_key *dst, rd_key_event event, bool takes) {
  struct spot s = find(st, src);
  if (s.item == NULL) return RD_OK;
  if (must_unpack(s.item, dst) && !unpack(st, src, &s)) return RD_OOM;
  if (!takes && rd_item_is_tree(s.item)) return rd_copy_tree(st, s.item, src, dst, event);
  struct source from = {.event = event,
                        .item = rd_ref_of(st, s.item),
                        .len = rd_item_len(s.item),
                        .type = (uint8_t)rd_item_type(s.item),
                        .blocks = takes                       ? TAKEN
                                  : rd_item_is_nested(s.item) ? COPIED
                                                              : NO_BLOCKS};
  return put(st, dst, &from, rd_item_expiry(s.item), rd_item_encoding(s.item), NULL);
}

rd_result rd_copy(rd_store *st, const rd_key *src, const rd_key *dst, rd_key_event event) {
  return copy(st, src, dst, event, false);
}

rd_result rd_take_over(rd_store *st, const rd_key *src, const rd_key *dst) {
  return copy(st, src, dst, RD_EVENT_NONE, true);
}

/* ---- several keys, all of them or none ----
 *
 * A replaced item moves, unchanged, to an index slot that no database uses. There it is safe from eviction if its
 * policy protects it, it can be moved to make room like any other item, and the arena is whole if this process dies.
 * Giving it back makes the key's entry refer to it again. */

void rd_keep_begin(rd_store *st) {
  for (uint32_t w = 0; w < RD_MAX_SHARDS / 64; w++) {
    for (uint64_t bits = st->held[w]; bits != 0; bits &= bits - 1) {
      rd_drain_slot_of(st, w * 64 + (uint32_t)__builtin_ctzll(bits), RD_KEPT_SLOT);
    }
  }
}

rd_result rd_set_keeping(rd_store *st, const rd_key *key, const void *data, uint64_t len, int64_t expiry,
                         rd_kept *kept) {
  rd_bytes part = {data, len};
  struct source from = source_of(&part, 1, len, RD_EVENT_NONE);
  return put(st, key, &from, expiry, RD_ENC_AUTO, kept);
}

void rd_forget_kept(rd_store *st, const rd_key *key, rd_kept kept) {
  uint32_t shard = rd_shard_of(st, key->hash);
  rd_place place;
  if (kept != RD_KEPT_VALUE || !find_kept(st, shard, key, &place)) return;
  rd_remove_at(st, shard, RD_KEPT_SLOT, place, key->hash, RD_GONE_DELETED);
}

void rd_restore_kept(rd_store *st, const rd_key *key, rd_kept kept) {
  struct spot s = find(st, key);
  rd_place place;
  if (kept == RD_KEPT_BEFORE) return;
  if (s.item == NULL) { /* evicted, as the old value would have been */
    rd_forget_kept(st, key, kept);
    return;
  }
  if (kept != RD_KEPT_VALUE || !find_kept(st, s.shard, key, &place)) {
    rd_remove_at(st, s.shard, s.slot, s.place, key->hash, RD_GONE_MOVED);
    return;
  }
  rd_ref old = rd_entry_ref(place.bucket, place.entry), fresh = rd_ref_of(st, s.item);
  rd_index_remove(st, s.shard, RD_KEPT_SLOT, place);
  set_slot(rd_at(st, old), s.slot);
  rd_entry_set_ref(s.place.bucket, s.place.entry, old);
  rd_index_note_expiry(st, s.shard, s.slot, s.place, rd_item_expiry(rd_at(st, old)));
  rd_access_gone(st, s.shard, s.item, key->hash, false);
  rd_bury(st, s.shard, fresh, key->hash);
  rd_touched(st, s.shard, s.slot, key, RD_EVENT_NONE);
}

/* The item has moved to `now`: correct the index. */
static void moved(rd_store *st, struct spot *s, rd_ref now) {
  rd_mark_dirty(st, s->shard);
  rd_entry_set_ref(s->place.bucket, s->place.entry, now);
  s->item = rd_at(st, now);
}

static bool reserve_for(rd_store *st, const struct spot *s, uint64_t bytes) {
  rd_mark_clean(st);
  st->pin[0] = rd_ref_of(st, s->item);
  bool room = bytes > RD_MAX_BLOCK ? rd_reserve_many(st, s->shard, bytes) : rd_reserve(st, s->shard, (uint32_t)bytes);
  st->pin[0] = 0;
  return room;
}

rd_result rd_resize(rd_store *st, const rd_key *key, rd_item **item, uint64_t len, rd_encoding enc) {
  for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
    struct spot s = find(st, key);
    assert(s.item != NULL);
    uint64_t had = rd_item_len(s.item), need;
    rd_shape shape = {s.slot, key->len, len, rd_item_ttl_bytes(s.item) != 0};
    uint32_t head = rd_shape_head_bytes(&shape);
    bool done = false;
    rd_note_changing(st, s.slot, key->hash);
    rd_mark_dirty(st, s.shard);
    if (rd_item_is_big(s.item)) {
      rd_ref ref = rd_ref_of(st, s.item), before = ref;
      done = rd_big_widen(st, s.shard, &ref, len);
      if (ref != before) moved(st, &s, ref);
      done = done && rd_big_resize(st, s.shard, ref, len);
      need = len > had ? len - had + 4 * RD_MAX_BLOCK : 0;
    } else if (!rd_shape_is_big(&shape) && head <= rd_blk_bytes(s.item->blk)) {
      s.item->len = (uint16_t)len;
      rd_heap_shrink(st, s.shard, rd_ref_of(st, s.item), head);
      done = true;
      need = 0;
    } else {
      rd_ref fresh = rd_item_new(st, s.shard, &shape, key->data, rd_item_type(s.item), enc);
      need = rd_shape_total_bytes(&shape);
      if (fresh != 0) {
        rd_item *it = rd_at(st, fresh);
        rd_item_store(st, it, 0, rd_item_flat(s.item), had);
        if (shape.ttl) rd_item_put_expiry(it, rd_item_expiry(s.item));
        replace(st, &s, key->hash, fresh, rd_item_expiry(s.item), false);
        s.item = it;
        done = true;
      }
    }
    if (done) {
      if (len > had) rd_item_store(st, s.item, had, NULL, len - had);
      rd_item_set_type(s.item, rd_item_type(s.item), enc);
      if (len != had) rd_touched(st, s.shard, s.slot, key, RD_EVENT_NONE);
      *item = s.item;
      return RD_OK;
    }
    *item = s.item;
    if (!reserve_for(st, &s, need)) break;
  }
  return RD_OOM;
}

void rd_write(rd_store *st, const rd_key *key, rd_item *it, uint64_t off, const void *src, uint64_t len,
              rd_key_event event) {
  uint32_t shard = rd_shard_of(st, key->hash);
  rd_note_changing(st, rd_item_slot(it), key->hash);
  rd_mark_dirty(st, shard);
  rd_item_store(st, it, off, src, len);
  rd_touched(st, shard, rd_item_slot(it), key, event);
}

rd_result rd_set_expiry(rd_store *st, const rd_key *key, rd_item **item, int64_t expiry, rd_key_event event) {
  for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
    struct spot s = find(st, key);
    assert(s.item != NULL);
    bool has = rd_item_ttl_bytes(s.item) != 0, wanted = expiry != RD_NO_EXPIRY;
    bool done = true;
    rd_mark_dirty(st, s.shard);
    if (has && !wanted) {
      rd_item_drop_expiry(st, s.shard, rd_ref_of(st, s.item));
    } else if (!has && wanted) {
      rd_ref ref = rd_ref_of(st, s.item);
      done = rd_item_add_expiry(st, s.shard, &ref);
      if (done) moved(st, &s, ref);
    }
    *item = s.item;
    if (done) {
      if (wanted) rd_item_put_expiry(s.item, expiry);
      rd_index_note_expiry(st, s.shard, s.slot, s.place, expiry);
      rd_touched(st, s.shard, s.slot, key, event);
      return RD_OK;
    }
    if (!reserve_for(st, &s, rd_blk_bytes(s.item->blk) + 8)) break;
  }
  return RD_OOM;
}

/* ---- the memory of an item ---- */

uint64_t rd_item_memory(rd_store *st, const rd_item *it) {
  uint64_t bytes = rd_item_blocks_bytes(st, it);
  const rd_index *ix = &rd_shard_at(st, rd_shard_of(st, rd_item_hash(st, it)))->index[rd_item_slot(it)];
  return bytes + (ix->count == 0 ? 0 : (uint64_t)ix->buckets * sizeof(rd_bucket) / ix->count);
}
