/* item.c - makes, reads, writes and releases items, large ones block by block. */
#include "store/item.h"

#include <stdlib.h>

#include "arena/heap.h"
#include "arena/lock.h"
#include "arena/longrun.h"
#include "store/big.h"
#include "store/type.h"

/* The bytes of the stream before the value. */
static inline uint32_t stream_key(uint32_t key_len) { return key_len > RD_INLINE_KEY ? key_len : 0; }

/* ---- reading ---- */

/* Bytes or blocks that are processed before a long command may pause. */
#define YIELD_BYTES 65536u
#define BLOCKS 64u

rd_type rd_item_type(const rd_item *it) { return (rd_type)(it->type & 15u); }
rd_encoding rd_item_encoding(const rd_item *it) { return (rd_encoding)(it->type >> 4); }
uint64_t rd_item_len(const rd_item *it) { return rd_item_is_big(it) ? rd_item_big(it)->len : it->len; }
uint32_t rd_item_key_len(const rd_item *it) { return rd_item_is_big(it) ? rd_item_big(it)->key_len : it->key_len; }

int64_t rd_item_expiry(const rd_item *it) {
  if ((it->access & RD_ITEM_TTL) == 0) return RD_NO_EXPIRY;
  return (int64_t)rd_ld64((const uint8_t *)it + (rd_item_is_big(it) ? RD_BIG_HEAD : RD_ITEM_HEAD));
}

void rd_item_put_expiry(rd_item *it, int64_t expiry) {
  rd_st64((uint8_t *)it + (rd_item_is_big(it) ? RD_BIG_HEAD : RD_ITEM_HEAD), (uint64_t)expiry);
}

const uint8_t *rd_item_inline_key(const rd_item *it) {
  if (!rd_item_is_big(it)) return rd_small_key(it);
  if (rd_item_big(it)->key_len > RD_INLINE_KEY) return NULL;
  return rd_table_refs(it) + rd_item_big(it)->tables * 8;
}

rd_bytes rd_item_piece(rd_store *st, const rd_item *it, uint64_t off) {
  uint64_t left = rd_item_len(it) - off;
  if (!rd_item_is_big(it)) return (rd_bytes){rd_small_key(it) + it->key_len + off, left};
  rd_bytes piece = rd_stream_piece(st, rd_table_refs(it), stream_key(rd_item_big(it)->key_len) + off);
  if (piece.len > left) piece.len = left;
  return piece;
}

const uint8_t *rd_item_flat(const rd_item *it) {
  if (!rd_item_is_big(it)) return rd_small_key(it) + it->key_len;
  return NULL;
}

static void read_stream(const rd_store *st, const rd_item *it, uint64_t at, uint8_t *dst, uint64_t len) {
  while (len > 0) {
    rd_bytes piece = rd_stream_piece(st, rd_table_refs(it), at);
    size_t n = piece.len < len ? piece.len : len;
    memcpy(dst, piece.data, n);
    dst += n;
    at += n;
    len -= n;
  }
}

void rd_item_read(rd_store *st, const rd_item *it, uint64_t off, void *dst, uint64_t len) {
  assert(off + len <= rd_item_len(it));
  if (!rd_item_is_big(it)) {
    memcpy(dst, rd_small_key(it) + it->key_len + off, len);
    return;
  }
  uint64_t at = stream_key(rd_item_big(it)->key_len) + off;
  for (uint64_t done = 0, n; done < len; done += n) {
    n = len - done < YIELD_BYTES ? len - done : YIELD_BYTES;
    read_stream(st, it, at + done, (uint8_t *)dst + done, n);
    rd_yield(st);
  }
}

void rd_item_key(rd_store *st, const rd_item *it, void *dst) {
  const uint8_t *key = rd_item_inline_key(it);
  if (key != NULL) {
    memcpy(dst, key, rd_item_key_len(it));
  } else {
    read_stream(st, it, 0, dst, rd_item_key_len(it));
  }
}

bool rd_item_has_big_key(const rd_store *st, const rd_item *it, const rd_key *key) {
  const rd_big *big = rd_item_big(it);
  if (big->key_len != key->len) return false;
  const uint8_t *mine = rd_item_inline_key(it);
  if (mine != NULL) return memcmp(mine, key->data, key->len) == 0;
  for (uint32_t at = 0; at < key->len;) {
    rd_bytes piece = rd_stream_piece(st, rd_table_refs(it), at);
    size_t n = piece.len < key->len - at ? piece.len : key->len - at;
    if (memcmp(piece.data, key->data + at, n) != 0) return false;
    at += (uint32_t)n;
  }
  return true;
}

uint64_t rd_item_blocks_bytes(const rd_store *st, const rd_item *it) {
  uint64_t bytes = rd_blk_bytes(it->blk);
  if (rd_item_is_nested(it)) bytes += rd_type_of(it)->bytes(st, it);
  if (!rd_item_is_big(it)) return bytes;
  return bytes + rd_stream_bytes(st, rd_table_refs(it), rd_item_big(it)->tables);
}

/* ---- making and releasing ---- */

uint32_t rd_shape_big_head_bytes(const rd_shape *s) {
  uint32_t tables = rd_tables_for(rd_chunks_for(stream_key(s->key_len) + s->len));
  return RD_BIG_HEAD + (s->ttl ? 8 : 0) + tables * 8 + (s->key_len - stream_key(s->key_len));
}

uint64_t rd_shape_total_bytes(const rd_shape *s) {
  uint64_t head = rd_shape_head_bytes(s);
  if (!rd_shape_is_big(s)) return head;
  return head + rd_stream_total(stream_key(s->key_len) + s->len);
}

rd_ref rd_big_new_head(rd_store *st, uint32_t shard, const rd_shape *s, const uint8_t *key, rd_type type,
                       rd_encoding enc) {
  rd_ref ref = rd_heap_alloc(st, shard, rd_shape_head_bytes(s), RD_ITEM);
  if (ref == 0) return 0;
  rd_item *it = rd_at(st, ref);
  uint32_t tables = rd_tables_for(rd_chunks_for(stream_key(s->key_len) + s->len));
  it->access = s->slot << RD_ITEM_SLOT_SHIFT | (s->ttl ? RD_ITEM_TTL : 0) | RD_ITEM_BIG;
  it->key_len = 0;
  it->len = 0;
  rd_item_set_type(it, type, enc);
  *rd_big_of(it) = (rd_big){s->key_len, tables, s->len};
  for (uint32_t i = 0; i < tables; i++) rd_set_table_ref(it, i, 0);
  if (stream_key(s->key_len) == 0) memcpy((uint8_t *)(uintptr_t)rd_item_inline_key(it), key, s->key_len);
  return ref;
}

rd_ref rd_item_new(rd_store *st, uint32_t shard, const rd_shape *s, const uint8_t *key, rd_type type, rd_encoding enc) {
  if (!rd_shape_is_big(s)) {
    rd_ref ref = rd_heap_alloc(st, shard, rd_shape_head_bytes(s), RD_ITEM);
    if (ref == 0) return 0;
    rd_item *it = rd_at(st, ref);
    it->access = s->slot << RD_ITEM_SLOT_SHIFT | (s->ttl ? RD_ITEM_TTL : 0);
    rd_item_set_type(it, type, enc);
    it->key_len = (uint8_t)s->key_len;
    it->len = (uint16_t)s->len;
    memcpy((uint8_t *)(uintptr_t)rd_small_key(it), key, s->key_len);
    return ref;
  }
  rd_ref ref = rd_big_new_head(st, shard, s, key, type, enc);
  if (ref == 0) return 0;
  rd_item *it = rd_at(st, ref);
  uint32_t in_stream = stream_key(s->key_len);
  if (!rd_stream_new(st, shard, ref, rd_table_refs(it), in_stream + s->len)) {
    rd_heap_release(st, shard, ref);
    return 0;
  }
  for (uint32_t at = 0; at < in_stream;) {
    rd_bytes piece = rd_stream_piece(st, rd_table_refs(it), at);
    size_t n = piece.len < in_stream - at ? piece.len : in_stream - at;
    memcpy((uint8_t *)(uintptr_t)piece.data, key + at, n);
    at += (uint32_t)n;
  }
  return ref;
}

static void release_nested(rd_store *st, uint32_t shard, rd_item *it) {
  while (rd_type_of(it)->release(st, shard, it, BLOCKS) == BLOCKS) rd_yield(st);
}

void rd_item_release(rd_store *st, uint32_t shard, rd_ref ref) {
  rd_item *it = rd_at(st, ref);
  if (rd_item_is_nested(it)) release_nested(st, shard, it);
  rd_item_release_own(st, shard, ref);
}

void rd_item_release_own(rd_store *st, uint32_t shard, rd_ref ref) {
  rd_item *it = rd_at(st, ref);
  if (rd_item_is_big(it)) rd_stream_drop(st, shard, rd_table_refs(it), rd_item_big(it)->tables, 0);
  rd_heap_release(st, shard, ref);
}

void rd_item_store(rd_store *st, rd_item *it, uint64_t off, const void *src, uint64_t len) {
  assert(off + len <= rd_item_len(it));
  const uint8_t *from = src;
  while (len > 0) {
    rd_bytes piece = rd_item_piece(st, it, off);
    size_t n = piece.len < len ? piece.len : len;
    uint8_t *to = (uint8_t *)(uintptr_t)piece.data;
    if (from == NULL) {
      memset(to, 0, n);
    } else {
      memcpy(to, from, n);
      from += n;
    }
    off += n;
    len -= n;
    rd_yield(st);
  }
}

/* ---- growing a big item ---- */

/* Replace the head by one with room for `tables` references and with or without an expiry (0 at first). */
static rd_ref renew_head(rd_store *st, uint32_t shard, rd_ref ref, uint32_t tables, bool ttl) {
  rd_item *it = rd_at(st, ref);
  bool is_big = rd_item_is_big(it);
  const rd_big *big = rd_item_big(it);
  uint32_t fixed = is_big ? RD_BIG_HEAD : RD_ITEM_HEAD;
  uint32_t payload = is_big ? big->key_len - stream_key(big->key_len) : (uint32_t)it->key_len + it->len;
  rd_ref to = rd_heap_alloc(st, shard, fixed + (ttl ? 8 : 0) + tables * 8 + payload, RD_ITEM);
  if (to == 0) return 0;
  rd_item *fresh = rd_at(st, to);
  memcpy((uint8_t *)fresh + sizeof(rd_blk), (uint8_t *)it + sizeof(rd_blk), fixed - sizeof(rd_blk));
  fresh->access = (it->access & ~RD_ITEM_TTL) | (ttl ? RD_ITEM_TTL : 0);
  if (ttl) rd_item_put_expiry(fresh, rd_item_ttl_bytes(it) != 0 ? rd_item_expiry(it) : 0);
  if (is_big) {
    rd_big_of(fresh)->tables = tables;
    for (uint32_t i = 0; i < tables; i++) {
      rd_ref table = i < big->tables ? rd_table_ref(it, i) : 0;
      rd_set_table_ref(fresh, i, table);
      if (table != 0) rd_table_at(st, table)->owner = to;
    }
  }
  const uint8_t *from = (const uint8_t *)it + fixed + rd_item_ttl_bytes(it) + (is_big ? big->tables * 8 : 0);
  memcpy((uint8_t *)fresh + fixed + (ttl ? 8 : 0) + tables * 8, from, payload);
  if (rd_item_is_nested(fresh)) rd_type_of(fresh)->moved(st, fresh);
  rd_heap_release(st, shard, ref);
  return to;
}

bool rd_item_add_expiry(rd_store *st, uint32_t shard, rd_ref *item) {
  rd_item *it = rd_at(st, *item);
  rd_ref to = renew_head(st, shard, *item, rd_item_is_big(it) ? rd_item_big(it)->tables : 0, true);
  if (to == 0) return false;
  *item = to;
  return true;
}

void rd_item_drop_expiry(rd_store *st, uint32_t shard, rd_ref item) {
  rd_item *it = rd_at(st, item);
  rd_mark_dirty(st, shard);
  bool is_big = rd_item_is_big(it);
  uint8_t *at = (uint8_t *)it + (is_big ? RD_BIG_HEAD : RD_ITEM_HEAD);
  uint32_t rest = is_big ? rd_item_big(it)->tables * 8 + rd_item_big(it)->key_len - stream_key(rd_item_big(it)->key_len)
                         : (uint32_t)it->key_len + it->len;
  memmove(at, at + 8, rest);
  it->access &= ~RD_ITEM_TTL;
  rd_heap_shrink(st, shard, item, (uint32_t)(at - (uint8_t *)it) + rest);
}

bool rd_big_widen(rd_store *st, uint32_t shard, rd_ref *item, uint64_t len) {
  const rd_item *it = rd_at(st, *item);
  uint32_t tables = rd_tables_for(rd_chunks_for(stream_key(rd_item_big(it)->key_len) + len));
  if (tables <= rd_item_big(it)->tables) return true;
  rd_mark_dirty(st, shard);
  rd_ref wide = renew_head(st, shard, *item, tables, rd_item_ttl_bytes(it) != 0);
  if (wide != 0) *item = wide;
  return wide != 0;
}

bool rd_big_resize(rd_store *st, uint32_t shard, rd_ref item, uint64_t len) {
  rd_item *it = rd_at(st, item);
  uint32_t in_stream = stream_key(rd_item_big(it)->key_len);
  uint64_t old_stream = in_stream + rd_item_big(it)->len, new_stream = in_stream + len;
  uint32_t want = rd_chunks_for(new_stream);
  rd_mark_dirty(st, shard);
  if (len <= rd_item_big(it)->len) {
    rd_stream_drop(st, shard, rd_table_refs(it), rd_item_big(it)->tables, want);
    rd_big_of(it)->len = len;
    if (want > 0) {
      rd_ref last =
          rd_table_at(st, rd_table_ref(it, (want - 1) / RD_TABLE_CHUNKS))->chunk[(want - 1) % RD_TABLE_CHUNKS];
      rd_heap_shrink(st, shard, last, RD_CHUNK_HEAD + rd_tail_of(new_stream));
    }
    return true;
  }
  assert(rd_tables_for(want) <= rd_item_big(it)->tables);
  if (!rd_stream_grow(st, shard, item, rd_table_refs(it), old_stream, new_stream)) return false;
  rd_big_of(it)->len = len;
  return true;
}

/* ---- moving blocks ---- */

rd_ref rd_block_copy(rd_store *st, uint32_t shard, rd_ref block) {
  rd_blk blk = *rd_blk_at(st, block);
  uint32_t bytes = rd_blk_bytes(blk);
  if (bytes > RD_MAX_BLOCK && rd_blk_kind(blk) == RD_CHUNK) /* the chunk had its region's tail as well */
    bytes = RD_MAX_BLOCK;
  rd_ref to = rd_heap_alloc(st, shard, bytes, rd_blk_kind(blk));
  if (to == 0) return 0;
  memcpy(st->base + to + sizeof blk, st->base + block + sizeof blk, bytes - sizeof blk);
  /* The new block may be longer, and a table's length is its block's. */
  memset(st->base + to + bytes, 0, rd_blk_bytes(*rd_blk_at(st, to)) - bytes);
  return to;
}

rd_ref rd_item_itself(const rd_store *st, rd_ref block) {
  (void)st;
  return block;
}

rd_ref rd_item_move_block(rd_store *st, uint32_t shard, rd_ref block) {
  rd_ref to = rd_block_copy(st, shard, block);
  if (to == 0) return 0;
  const rd_item *it = rd_at(st, to);
  for (uint32_t i = 0; rd_item_is_big(it) && i < rd_item_big(it)->tables; i++) {
    if (rd_table_ref(it, i) != 0) rd_table_at(st, rd_table_ref(it, i))->owner = to;
  }
  if (rd_item_is_nested(it)) rd_type_of(it)->moved(st, rd_at(st, to));
  rd_heap_release(st, shard, block);
  return to;
}
