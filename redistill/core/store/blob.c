/* blob.c - makes, reads, compares and releases strings outside of entries. */
#include "store/blob.h"

#include "arena/heap.h"
#include "arena/lock.h"
#include "arena/longrun.h"
#include "store/big.h"
#include "store/tree.h"
#include "store/type.h"

static inline rd_blob *blob_at(const rd_store *st, rd_ref blob) { return rd_at(st, blob); }
static inline uint32_t tables_of(uint64_t len) { return rd_tables_for(rd_chunks_for(len)); }

rd_bytes rd_blob_piece(const rd_store *st, rd_ref blob, uint64_t off) {
  const rd_blob *b = blob_at(st, blob);
  uint64_t left = b->len - off;
  if (!rd_blob_is_big(b->len)) return (rd_bytes){b->data + off, left};
  rd_bytes piece = rd_stream_piece(st, b->data, off);
  if (piece.len > left) piece.len = left;
  return piece;
}

/* ---- making and releasing ---- */

static rd_ref make(rd_store *st, uint32_t shard, uint64_t len, uint64_t *wanted) {
  bool big = rd_blob_is_big(len);
  uint32_t bytes = RD_BLOB_HEAD + (big ? tables_of(len) * 8 : (uint32_t)len);
  rd_ref ref = rd_heap_alloc(st, shard, bytes, RD_BLOB);
  if (ref != 0) {
    blob_at(st, ref)->len = (uint32_t)len;
    blob_at(st, ref)->owner = 0;
    if (!big || rd_stream_new(st, shard, ref, blob_at(st, ref)->data, len)) return ref;
    rd_heap_release(st, shard, ref);
  }
  *wanted += bytes + (big ? rd_stream_total(len) : 0);
  return 0;
}

static void write_at(rd_store *st, rd_ref blob, uint64_t off, const uint8_t *from, uint64_t len) {
  while (len > 0) {
    rd_bytes piece = rd_blob_piece(st, blob, off);
    size_t n = piece.len < len ? piece.len : (size_t)len;
    memcpy((uint8_t *)(uintptr_t)piece.data, from, n);
    from += n;
    off += n;
    len -= n;
    rd_yield(st);
  }
}

rd_ref rd_blob_new(rd_store *st, uint32_t shard, rd_bytes bytes, uint64_t *wanted) {
  rd_ref ref = make(st, shard, bytes.len, wanted);
  if (ref != 0) write_at(st, ref, 0, bytes.data, bytes.len);
  return ref;
}

rd_ref rd_blob_copy(rd_store *st, uint32_t shard, rd_ref blob, uint64_t *wanted) {
  uint64_t len = rd_blob_len(st, blob);
  rd_ref ref = make(st, shard, len, wanted);
  for (uint64_t off = 0; ref != 0 && off < len;) {
    rd_bytes piece = rd_blob_piece(st, blob, off);
    write_at(st, ref, off, piece.data, piece.len);
    off += piece.len;
  }
  return ref;
}

void rd_blob_release(rd_store *st, uint32_t shard, rd_ref blob) {
  uint32_t most = UINT32_MAX;
  rd_blob_release_some(st, shard, blob, &most);
}

bool rd_blob_release_some(rd_store *st, uint32_t shard, rd_ref blob, uint32_t *most) {
  rd_blob *b = blob_at(st, blob);
  uint32_t chunks = rd_blob_is_big(b->len) ? rd_chunks_for(b->len) : 0, tables = rd_tables_for(chunks);
  uint32_t keep = chunks > *most ? chunks - *most : 0, released = chunks - keep + 1;
  if (keep < 2) keep = 0; /* a blob of one chunk's length would not have tables */
  if (chunks > 0) rd_stream_drop(st, shard, b->data, tables, keep);
  *most -= released < *most ? released : *most;
  if (keep > 0) {
    b->len = keep * RD_CHUNK_DATA;
    return false;
  }
  rd_heap_release(st, shard, blob);
  return true;
}

uint64_t rd_blob_memory(const rd_store *st, rd_ref blob) {
  const rd_blob *b = blob_at(st, blob);
  return rd_blk_bytes(b->blk) + (rd_blob_is_big(b->len) ? rd_stream_bytes(st, b->data, tables_of(b->len)) : 0);
}

/* ---- reading ---- */

void rd_blob_read(rd_store *st, rd_ref blob, uint64_t off, void *dst, uint64_t len) {
  for (uint8_t *to = dst; len > 0;) {
    rd_bytes piece = rd_blob_piece(st, blob, off);
    size_t n = piece.len < len ? piece.len : (size_t)len;
    memcpy(to, piece.data, n);
    to += n;
    off += n;
    len -= n;
    rd_yield(st);
  }
}

/* Comparing changes nothing, but a long command may pause. */
static inline void pause_if_long(const rd_store *st) { rd_yield((rd_store *)(uintptr_t)st); }

static inline int order_of_lengths(uint64_t a, uint64_t b) { return (a > b) - (a < b); }

int rd_blob_compare(const rd_store *st, rd_ref blob, rd_bytes bytes) {
  uint64_t len = rd_blob_len(st, blob), both = len < bytes.len ? len : bytes.len;
  for (uint64_t off = 0; off < both;) {
    rd_bytes piece = rd_blob_piece(st, blob, off);
    size_t n = piece.len < both - off ? piece.len : (size_t)(both - off);
    int order = memcmp(piece.data, bytes.data + off, n);
    if (order != 0) return order;
    off += n;
    pause_if_long(st);
  }
  return order_of_lengths(len, bytes.len);
}

int rd_blob_compare_blob(const rd_store *st, rd_ref a, rd_ref b) {
  uint64_t len = rd_blob_len(st, b), mine = rd_blob_len(st, a);
  for (uint64_t off = 0; off < len && off < mine;) {
    rd_bytes p = rd_blob_piece(st, a, off), q = rd_blob_piece(st, b, off);
    size_t n = p.len < q.len ? p.len : q.len;
    int order = memcmp(p.data, q.data, n);
    if (order != 0) return order;
    off += n;
    pause_if_long(st);
  }
  return order_of_lengths(mine, len);
}

void rd_blob_set_owner(rd_store *st, rd_ref blob, rd_ref leaf) { blob_at(st, blob)->owner = leaf; }

/* ---- for its row of rd_kinds ---- */

rd_ref rd_blob_item(const rd_store *st, rd_ref block) {
  rd_ref owner = blob_at(st, block)->owner;
  return owner == 0 ? 0 : rd_kinds[rd_blk_kind(*rd_blk_at(st, owner))].item(st, owner);
}

bool rd_blob_move_block(rd_store *st, uint32_t shard, rd_ref block) {
  rd_ref owner = blob_at(st, block)->owner, to = owner == 0 ? 0 : rd_block_copy(st, shard, block);
  if (to == 0) return false;
  rd_blob *b = blob_at(st, to);
  uint32_t tables = rd_blob_is_big(b->len) ? tables_of(b->len) : 0;
  for (uint32_t i = 0; i < tables; i++) rd_table_at(st, rd_ld64(b->data + i * 8))->owner = to;
  rd_leaf_blob_moved(st, owner, block, to, (int64_t)rd_blk_bytes(b->blk) - rd_blk_bytes(blob_at(st, block)->blk));
  rd_heap_release(st, shard, block);
  return true;
}
