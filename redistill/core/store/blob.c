/* blob.c - makes, reads, compares and releases strings outside of entries. */
#include "store/blob.h"

#include "arena/heap.h"
#include "arena/lock.h"
#include "arena/longrun.h"

static inline rd_blob *blob_at(const rd_store *st, rd_ref blob) { return rd_at(st, blob); }
static inline bool is_big(uint64_t len) { return len > RD_MAX_BLOCK - RD_BLOB_HEAD; }

rd_bytes rd_blob_piece(const rd_store *st, rd_ref blob, uint64_t off) {
  const rd_blob *b = blob_at(st, blob);
  return (rd_bytes){b->data + off, b->len - off};
}

static rd_ref make(rd_store *st, uint32_t shard, uint64_t len, uint64_t *wanted) {
  uint32_t bytes = RD_BLOB_HEAD + (uint32_t)len;
  rd_ref ref = is_big(len) ? 0 : rd_heap_alloc(st, shard, bytes, RD_BLOB);
  if (ref == 0) {
    *wanted += bytes;
    return 0;
  }
  blob_at(st, ref)->len = (uint32_t)len;
  blob_at(st, ref)->owner = 0;
  return ref;
}

rd_ref rd_blob_new(rd_store *st, uint32_t shard, rd_bytes bytes, uint64_t *wanted) {
  rd_ref ref = make(st, shard, bytes.len, wanted);
  if (ref != 0) memcpy(blob_at(st, ref)->data, bytes.data, bytes.len);
  return ref;
}

rd_ref rd_blob_copy(rd_store *st, uint32_t shard, rd_ref blob, uint64_t *wanted) {
  rd_ref ref = make(st, shard, rd_blob_len(st, blob), wanted);
  if (ref != 0) rd_blob_read(st, blob, 0, blob_at(st, ref)->data, rd_blob_len(st, blob));
  return ref;
}

void rd_blob_release(rd_store *st, uint32_t shard, rd_ref blob) { rd_heap_release(st, shard, blob); }

uint64_t rd_blob_memory(const rd_store *st, rd_ref blob) { return rd_blk_bytes(blob_at(st, blob)->blk); }

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

static inline int order_of_lengths(uint64_t a, uint64_t b) { return (a > b) - (a < b); }

int rd_blob_compare(const rd_store *st, rd_ref blob, rd_bytes bytes) {
  uint64_t len = rd_blob_len(st, blob), both = len < bytes.len ? len : bytes.len;
  for (uint64_t off = 0; off < both;) {
    rd_bytes piece = rd_blob_piece(st, blob, off);
    size_t n = piece.len < both - off ? piece.len : (size_t)(both - off);
    int order = memcmp(piece.data, bytes.data + off, n);
    if (order != 0) return order;
    off += n;
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
  }
  return order_of_lengths(mine, len);
}

void rd_blob_set_owner(rd_store *st, rd_ref blob, rd_ref leaf) { blob_at(st, blob)->owner = leaf; }
