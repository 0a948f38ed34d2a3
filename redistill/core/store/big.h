/* big.h - the blocks of a big item: its head refers to tables, a table refers to chunks, and each block refers back
 * to its owner. The code that walks a value block by block (item.c, move.c) uses these functions. */
#ifndef RD_BIG_H
#define RD_BIG_H

#include "arena/heap.h"
#include "store/item.h"

#define RD_PASSED 1 /* expiry of an item that lookups must not find: it is being moved, and may lack chunks */

static inline rd_big *rd_big_of(rd_item *it) { return (rd_big *)(void *)((uint8_t *)it + RD_ITEM_HEAD); }
static inline const uint8_t *rd_table_refs(const rd_item *it) {
  return (const uint8_t *)it + RD_BIG_HEAD + rd_item_ttl_bytes(it);
}
static inline rd_ref rd_table_ref(const rd_item *it, uint32_t i) { return rd_ld64(rd_table_refs(it) + i * 8); }
static inline void rd_set_table_ref(rd_item *it, uint32_t i, rd_ref ref) {
  rd_st64((uint8_t *)(uintptr_t)rd_table_refs(it) + i * 8, ref);
}
static inline rd_table *rd_table_at(const rd_store *st, rd_ref ref) { return rd_at(st, ref); }
static inline rd_chunk *rd_chunk_at(const rd_store *st, rd_ref ref) { return rd_at(st, ref); }
static inline uint32_t rd_table_capacity(const rd_store *st, rd_ref table) {
  return (rd_blk_bytes(*rd_blk_at(st, table)) - RD_TABLE_HEAD) / 8;
}
static inline uint32_t rd_chunk_capacity(const rd_store *st, rd_ref chunk) {
  return rd_blk_bytes(*rd_blk_at(st, chunk)) - RD_CHUNK_HEAD;
}

/* Allocate the head of a big item, without a table, with its inline key filled in, the expiry not. 0: no memory. */
rd_ref rd_big_new_head(rd_store *st, uint32_t shard, const rd_shape *s, const uint8_t *key, rd_type type,
                       rd_encoding enc);
/* Allocate table `number` of an item, without a chunk; the caller sets the item's reference to it. 0: no memory. */
rd_ref rd_table_new(rd_store *st, uint32_t shard, rd_ref item, uint32_t number, uint32_t entries);

#endif
