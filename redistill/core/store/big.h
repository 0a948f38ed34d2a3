/* big.h - the blocks of a big item, or of a big blob: its head refers to tables, a table refers to chunks, and each
 * block refers back to its owner. Together the chunks hold a stream of bytes. The code that walks a value block by
 * block (item.c, blob.c, move.c) uses these functions. `refs` is the place of the references to the tables in the head.
 */
#ifndef RD_BIG_H
#define RD_BIG_H

#include "arena/heap.h"
#include "store/item.h"

#define RD_PASSED 1 /* expiry of an item that lookups must not find: it is being moved, and may lack chunks */

static inline rd_big *rd_big_of(rd_item *it) { return (rd_big *)(void *)((uint8_t *)it + RD_ITEM_HEAD); }
static inline uint8_t *rd_table_refs(const rd_item *it) {
  return (uint8_t *)(uintptr_t)it + RD_BIG_HEAD + rd_item_ttl_bytes(it);
}
static inline rd_ref rd_table_ref(const rd_item *it, uint32_t i) { return rd_ld64(rd_table_refs(it) + i * 8); }
static inline void rd_set_table_ref(rd_item *it, uint32_t i, rd_ref ref) { rd_st64(rd_table_refs(it) + i * 8, ref); }
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
/* Allocate table `number` of an item or a blob, without a chunk; the caller sets the reference to it. 0: no memory. */
rd_ref rd_table_new(rd_store *st, uint32_t shard, rd_ref owner, uint32_t number, uint32_t entries);

static inline uint32_t rd_chunks_for(uint64_t stream) {
  return (uint32_t)((stream + RD_CHUNK_DATA - 1) / RD_CHUNK_DATA);
}
static inline uint32_t rd_tables_for(uint32_t chunks) { return (chunks + RD_TABLE_CHUNKS - 1) / RD_TABLE_CHUNKS; }
/* The bytes in the last chunk. */
static inline uint32_t rd_tail_of(uint64_t stream) {
  uint32_t rest = (uint32_t)(stream % RD_CHUNK_DATA);
  return rest == 0 ? RD_CHUNK_DATA : rest;
}
/* At least the bytes of all tables and chunks of a stream. */
static inline uint64_t rd_stream_total(uint64_t stream) {
  uint32_t chunks = rd_chunks_for(stream);
  return stream + chunks * (RD_CHUNK_HEAD + 8ull + 8) + rd_tables_for(chunks) * 32ull;
}

/* The bytes from `at` to the end of their chunk; those behind the stream's end are not part of it. */
rd_bytes rd_stream_piece(const rd_store *st, const uint8_t *refs, uint64_t at);
/* Allocate all tables and chunks of a stream. false: no memory, and nothing is left. Calls rd_yield. */
bool rd_stream_new(rd_store *st, uint32_t shard, rd_ref owner, uint8_t *refs, uint64_t stream);
/* Make a stream longer; the references have room for its tables. false: no memory; tables and a chunk may be larger
 * than necessary, which is harmless. */
bool rd_stream_grow(rd_store *st, uint32_t shard, rd_ref owner, uint8_t *refs, uint64_t had, uint64_t stream);
/* Release the chunks from number `keep` on, and the tables that become empty. Calls rd_yield. */
void rd_stream_drop(rd_store *st, uint32_t shard, uint8_t *refs, uint32_t tables, uint32_t keep);
/* The bytes of the blocks. */
uint64_t rd_stream_bytes(const rd_store *st, const uint8_t *refs, uint32_t tables);

#endif
