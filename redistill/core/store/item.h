/* item.h - a key with its value in the arena.
 *
 * A small item is one block: head, expiry if any, key, value. A big item (a value above one block, or a key above
 * 255 bytes) keeps its value in chunks, reached through tables: see rd_big in blocks.h. */
#ifndef RD_ITEM_H
#define RD_ITEM_H

#include "arena/layout.h"
#include "store/store.h"

static inline uint32_t rd_item_slot(const rd_item *it) { return it->access >> RD_ITEM_SLOT_SHIFT & (RD_SLOTS - 1); }
static inline bool rd_item_is_big(const rd_item *it) { return (it->access & RD_ITEM_BIG) != 0; }
static inline const rd_big *rd_item_big(const rd_item *it) {
  return (const rd_big *)(const void *)((const uint8_t *)it + RD_ITEM_HEAD);
}
static inline uint32_t rd_item_ttl_bytes(const rd_item *it) { return (it->access & RD_ITEM_TTL) != 0 ? 8 : 0; }
static inline const uint8_t *rd_small_key(const rd_item *it) {
  return (const uint8_t *)it + RD_ITEM_HEAD + rd_item_ttl_bytes(it);
}
/* The key, if it is in the item's own block; else NULL. */
const uint8_t *rd_item_inline_key(const rd_item *it);
bool rd_item_has_big_key(const rd_store *st, const rd_item *it, const rd_key *key);

static inline bool rd_item_has_key(const rd_store *st, const rd_item *it, const rd_key *key) {
  if (RD_UNLIKELY(rd_item_is_big(it))) return rd_item_has_big_key(st, it, key);
  return it->key_len == key->len && rd_same(rd_small_key(it), key->data, key->len);
}

/* The parts of a new item. */
typedef struct rd_shape {
  uint32_t slot;
  uint32_t key_len;
  uint64_t len;
  bool ttl;
} rd_shape;

static inline bool rd_shape_is_big(const rd_shape *s) {
  return s->key_len > 255 || s->len > RD_MAX_BLOCK || RD_ITEM_HEAD + 8 + s->key_len + s->len > RD_MAX_BLOCK;
}
/* The bytes of the item's own block, and of all its blocks together. */
uint32_t rd_shape_big_head_bytes(const rd_shape *s);
static inline uint32_t rd_shape_head_bytes(const rd_shape *s) {
  if (RD_UNLIKELY(rd_shape_is_big(s))) return rd_shape_big_head_bytes(s);
  return RD_ITEM_HEAD + (s->ttl ? 8 : 0) + s->key_len + (uint32_t)s->len;
}
uint64_t rd_shape_total_bytes(const rd_shape *s);

/* The bytes of all blocks of an item. */
uint64_t rd_item_blocks_bytes(const rd_store *st, const rd_item *it);

/* Allocate an item's blocks and fill in the key, but not the value and the expiry. 0: no memory, nothing is changed. */
rd_ref rd_item_new(rd_store *st, uint32_t shard, const rd_shape *s, const uint8_t *key, rd_type type, rd_encoding enc);
/* Release all blocks of an item that no index refers to. */
void rd_item_release(rd_store *st, uint32_t shard, rd_ref item);
/* Release an item's own blocks, but not those of a nested value (type.h), which another item has now, or which do not
 * exist yet. */
void rd_item_release_own(rd_store *st, uint32_t shard, rd_ref item);
void rd_item_store(rd_store *st, rd_item *it, uint64_t off, const void *src, uint64_t len);
void rd_item_put_expiry(rd_item *it, int64_t expiry); /* requires RD_ITEM_TTL */
static inline void rd_item_set_type(rd_item *it, rd_type type, rd_encoding enc) {
  it->type = (uint8_t)((unsigned)type | (unsigned)enc << 4);
}

/* Give a big item's head room for a value of `len` bytes. *item is its place afterwards, of which the caller informs
 * the index at once. false: no memory, nothing is changed. */
bool rd_big_widen(rd_store *st, uint32_t shard, rd_ref *item, uint64_t len);
/* Make a big item's value, for which its head has room, `len` bytes long; added bytes are not initialized. Calls
 * rd_yield. false: no memory, and the value is unchanged. */
bool rd_big_resize(rd_store *st, uint32_t shard, rd_ref item, uint64_t len);

/* Add the field for an expiry to an item without one; *item moves. false: no memory, nothing is changed. */
bool rd_item_add_expiry(rd_store *st, uint32_t shard, rd_ref *item);
void rd_item_drop_expiry(rd_store *st, uint32_t shard, rd_ref item);

/* For rows of rd_kinds (type.h): the item that a block belongs to, and moving a block. The caller corrects the
 * index's reference to an item. Returns the new place; 0: no memory. */
rd_ref rd_item_itself(const rd_store *st, rd_ref block);
rd_ref rd_table_item(const rd_store *st, rd_ref block);
rd_ref rd_chunk_item(const rd_store *st, rd_ref block);
rd_ref rd_item_move_block(rd_store *st, uint32_t shard, rd_ref block);
bool rd_table_move_block(rd_store *st, uint32_t shard, rd_ref block);
bool rd_chunk_move_block(rd_store *st, uint32_t shard, rd_ref block);

#endif
