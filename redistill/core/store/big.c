/* big.c - the tables and chunks of large items and blobs. */
#include "store/big.h"

#include <stdlib.h>

#include "arena/longrun.h"
#include "store/tree.h"
#include "store/type.h"

#define CHUNKS 64u /* chunks that are processed before a long command may pause */

/* ---- reading ---- */

rd_bytes rd_stream_piece(const rd_store *st, const uint8_t *refs, uint64_t at) {
  uint32_t c = (uint32_t)(at / RD_CHUNK_DATA), in = (uint32_t)(at % RD_CHUNK_DATA);
  rd_ref chunk = rd_table_at(st, rd_ld64(refs + c / RD_TABLE_CHUNKS * 8))->chunk[c % RD_TABLE_CHUNKS];
  uint32_t data = rd_chunk_capacity(st, chunk); /* an odd granule may be left at the end */
  if (data > RD_CHUNK_DATA) data = RD_CHUNK_DATA;
  /* The arena is damaged, and reading on would never end. After the abort the shard is verified (recovery.h). */
  if (RD_UNLIKELY(data <= in)) abort();
  return (rd_bytes){rd_chunk_at(st, chunk)->data + in, data - in};
}

uint64_t rd_stream_bytes(const rd_store *st, const uint8_t *refs, uint32_t tables) {
  uint64_t bytes = 0;
  for (uint32_t i = 0; i < tables; i++) {
    rd_ref table = rd_ld64(refs + i * 8);
    if (table == 0) continue;
    bytes += rd_blk_bytes(rd_table_at(st, table)->blk);
    for (uint32_t c = 0; c < rd_table_capacity(st, table); c++) {
      rd_ref chunk = rd_table_at(st, table)->chunk[c];
      if (chunk != 0) bytes += rd_blk_bytes(rd_chunk_at(st, chunk)->blk);
      if (c % CHUNKS == 0) rd_yield((rd_store *)(uintptr_t)st);
    }
  }
  return bytes;
}

/* ---- making and releasing ---- */

rd_ref rd_table_new(rd_store *st, uint32_t shard, rd_ref owner, uint32_t number, uint32_t entries) {
  rd_ref ref = rd_heap_alloc(st, shard, RD_TABLE_HEAD + entries * 8, RD_TABLE);
  if (ref == 0) return 0;
  rd_table *t = rd_table_at(st, ref);
  t->number = number;
  t->owner = owner;
  memset(t->chunk, 0, rd_table_capacity(st, ref) * 8);
  return ref;
}

/* Add chunks number `have` .. `want` - 1, the last one with `tail` bytes; the tables are long enough. */
static bool add_chunks(rd_store *st, uint32_t shard, const uint8_t *refs, uint32_t have, uint32_t want, uint32_t tail) {
  for (uint32_t c = have; c < want; c++) {
    rd_ref table = rd_ld64(refs + c / RD_TABLE_CHUNKS * 8);
    uint32_t data = c + 1 < want ? RD_CHUNK_DATA : tail;
    rd_ref chunk = rd_heap_alloc(st, shard, RD_CHUNK_HEAD + data, RD_CHUNK);
    if (chunk == 0) return false;
    rd_chunk_at(st, chunk)->number = c % RD_TABLE_CHUNKS;
    rd_chunk_at(st, chunk)->table = table;
    rd_table_at(st, table)->chunk[c % RD_TABLE_CHUNKS] = chunk;
    if (c % CHUNKS == 0) rd_yield(st);
  }
  return true;
}

static inline uint32_t entries_of_table(uint32_t chunks, uint32_t table) {
  uint32_t left = chunks - table * RD_TABLE_CHUNKS;
  return left < RD_TABLE_CHUNKS ? left : RD_TABLE_CHUNKS;
}

bool rd_stream_new(rd_store *st, uint32_t shard, rd_ref owner, uint8_t *refs, uint64_t stream) {
  uint32_t chunks = rd_chunks_for(stream), tables = rd_tables_for(chunks);
  for (uint32_t i = 0; i < tables; i++) {
    rd_ref table = rd_table_new(st, shard, owner, i, entries_of_table(chunks, i));
    if (table == 0) {
      rd_stream_drop(st, shard, refs, i, 0);
      return false;
    }
    rd_st64(refs + i * 8, table);
  }
  if (add_chunks(st, shard, refs, 0, chunks, rd_tail_of(stream))) return true;
  rd_stream_drop(st, shard, refs, tables, 0);
  return false;
}

void rd_stream_drop(rd_store *st, uint32_t shard, uint8_t *refs, uint32_t tables, uint32_t keep) {
  for (uint32_t i = keep / RD_TABLE_CHUNKS; i < tables; i++) {
    rd_ref table = rd_ld64(refs + i * 8);
    if (table == 0) continue;
    uint32_t first = i == keep / RD_TABLE_CHUNKS ? keep % RD_TABLE_CHUNKS : 0, capacity = rd_table_capacity(st, table);
    for (uint32_t c = first; c < capacity; c++) {
      rd_ref chunk = rd_table_at(st, table)->chunk[c];
      if (chunk == 0) continue;
      rd_table_at(st, table)->chunk[c] = 0;
      rd_heap_release(st, shard, chunk);
      if (c % CHUNKS == 0) rd_yield(st);
    }
    if (first == 0) {
      rd_st64(refs + i * 8, 0);
      rd_heap_release(st, shard, table);
    }
  }
}

/* ---- growing ---- */

static bool widen_table(rd_store *st, uint32_t shard, rd_ref owner, uint8_t *refs, uint32_t number, uint32_t entries) {
  rd_ref old = rd_ld64(refs + number * 8);
  if (old != 0 && rd_table_capacity(st, old) >= entries) return true;
  rd_ref ref = rd_table_new(st, shard, owner, number, entries);
  if (ref == 0) return false;
  rd_st64(refs + number * 8, ref);
  if (old == 0) return true;
  rd_table *t = rd_table_at(st, ref);
  memcpy(t->chunk, rd_table_at(st, old)->chunk, rd_table_capacity(st, old) * 8);
  for (uint32_t c = 0; c < rd_table_capacity(st, old); c++) {
    if (t->chunk[c] != 0) rd_chunk_at(st, t->chunk[c])->table = ref;
  }
  rd_heap_release(st, shard, old);
  return true;
}

static bool widen_chunk(rd_store *st, uint32_t shard, const uint8_t *refs, uint32_t c, uint32_t data) {
  rd_table *t = rd_table_at(st, rd_ld64(refs + c / RD_TABLE_CHUNKS * 8));
  rd_ref old = t->chunk[c % RD_TABLE_CHUNKS];
  uint32_t had = rd_chunk_capacity(st, old);
  if (had >= data) return true;
  rd_ref ref = rd_heap_alloc(st, shard, RD_CHUNK_HEAD + data, RD_CHUNK);
  if (ref == 0) return false;
  memcpy(&rd_chunk_at(st, ref)->number, &rd_chunk_at(st, old)->number, RD_CHUNK_HEAD - sizeof(rd_blk) + had);
  t->chunk[c % RD_TABLE_CHUNKS] = ref;
  rd_heap_release(st, shard, old);
  return true;
}

bool rd_stream_grow(rd_store *st, uint32_t shard, rd_ref owner, uint8_t *refs, uint64_t had, uint64_t stream) {
  uint32_t have = rd_chunks_for(had), want = rd_chunks_for(stream), tables = rd_tables_for(want);
  for (uint32_t i = have / RD_TABLE_CHUNKS; i < tables; i++) {
    if (!widen_table(st, shard, owner, refs, i, entries_of_table(want, i))) return false;
  }
  uint32_t last = want > have ? RD_CHUNK_DATA : rd_tail_of(stream);
  if (have > 0 && !widen_chunk(st, shard, refs, have - 1, last)) return false;
  if (add_chunks(st, shard, refs, have, want, rd_tail_of(stream))) return true;
  rd_stream_drop(st, shard, refs, tables, have);
  return false;
}

/* ---- for rows of rd_kinds ---- */

static uint8_t *refs_in(const rd_store *st, rd_ref owner) {
  if (rd_blk_kind(*rd_blk_at(st, owner)) == RD_BLOB) return ((rd_blob *)rd_at(st, owner))->data;
  return rd_table_refs(rd_at(st, owner));
}

rd_ref rd_table_item(const rd_store *st, rd_ref block) {
  rd_ref owner = rd_table_at(st, block)->owner;
  return rd_kinds[rd_blk_kind(*rd_blk_at(st, owner))].item(st, owner);
}

rd_ref rd_chunk_item(const rd_store *st, rd_ref block) { return rd_table_item(st, rd_chunk_at(st, block)->table); }

/* A block of a stream has moved, and perhaps is longer: a blob's leaf knows the sum. */
static void note_move(rd_store *st, rd_ref owner, rd_ref from, rd_ref to) {
  int64_t more = (int64_t)rd_blk_bytes(*rd_blk_at(st, to)) - rd_blk_bytes(*rd_blk_at(st, from));
  if (rd_blk_kind(*rd_blk_at(st, owner)) != RD_BLOB || more == 0) return;
  rd_leaf_blob_moved(st, ((rd_blob *)rd_at(st, owner))->owner, owner, owner, more);
}

bool rd_table_move_block(rd_store *st, uint32_t shard, rd_ref block) {
  rd_ref to = rd_block_copy(st, shard, block);
  if (to == 0) return false;
  const rd_table *t = rd_table_at(st, to);
  rd_st64(refs_in(st, t->owner) + t->number * 8, to);
  for (uint32_t c = 0; c < rd_table_capacity(st, block); c++) {
    if (t->chunk[c] != 0) rd_chunk_at(st, t->chunk[c])->table = to;
  }
  note_move(st, t->owner, block, to);
  rd_heap_release(st, shard, block);
  return true;
}

bool rd_chunk_move_block(rd_store *st, uint32_t shard, rd_ref block) {
  rd_ref to = rd_block_copy(st, shard, block);
  if (to == 0) return false;
  const rd_chunk *c = rd_chunk_at(st, to);
  rd_table_at(st, c->table)->chunk[c->number] = to;
  note_move(st, rd_table_at(st, c->table)->owner, block, to);
  rd_heap_release(st, shard, block);
  return true;
}
