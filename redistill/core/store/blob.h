/* blob.h - a string that is too long for an entry of a collection, and lies outside of it: up to 512 MiB.
 *
 * A blob is like an item's value: in one block, or in chunks (big.h). It has an owner instead of a key: the leaf whose
 * entry refers to it, so that it can be moved, and evicted with the whole collection. */
#ifndef RD_BLOB_H
#define RD_BLOB_H

#include "arena/layout.h"

/* Make a blob of these bytes, without an owner. 0: no memory; *wanted grows by the bytes that it needed. Calls
 * rd_yield. */
rd_ref rd_blob_new(rd_store *st, uint32_t shard, rd_bytes bytes, uint64_t *wanted);
/* The same with the bytes of another blob, which may be in another shard. */
rd_ref rd_blob_copy(rd_store *st, uint32_t shard, rd_ref blob, uint64_t *wanted);
void rd_blob_release(rd_store *st, uint32_t shard, rd_ref blob);
/* Release some of its blocks: about `*most`, which is reduced by their number, to 0 at least. true: all of it is gone.
 * false: what remains is a shorter blob. */
bool rd_blob_release_some(rd_store *st, uint32_t shard, rd_ref blob, uint32_t *most);
static inline bool rd_blob_is_big(uint64_t len) { return len > RD_MAX_BLOCK - RD_BLOB_HEAD; }
static inline uint64_t rd_blob_len(const rd_store *st, rd_ref blob) { return ((const rd_blob *)rd_at(st, blob))->len; }
uint64_t rd_blob_memory(const rd_store *st, rd_ref blob); /* bytes of its blocks */
/* The longest piece of it that starts at `off` (off < len). */
rd_bytes rd_blob_piece(const rd_store *st, rd_ref blob, uint64_t off);
/* Copy [off, off + len) of it. Calls rd_yield. */
void rd_blob_read(rd_store *st, rd_ref blob, uint64_t off, void *dst, uint64_t len);
/* < 0, 0, > 0: compared with other bytes, or with another blob, as memcmp does; a shorter one is before a longer one.
 */
int rd_blob_compare(const rd_store *st, rd_ref blob, rd_bytes bytes);
int rd_blob_compare_blob(const rd_store *st, rd_ref a, rd_ref b);
static inline rd_ref rd_blob_owner(const rd_store *st, rd_ref blob) {
  return ((const rd_blob *)rd_at(st, blob))->owner;
}
/* True if it has no owner yet. */
static inline bool rd_blob_is_new(const rd_store *st, rd_ref blob) {
  return ((const rd_blob *)rd_at(st, blob))->owner == 0;
}
void rd_blob_set_owner(rd_store *st, rd_ref blob, rd_ref leaf);

/* For its row of rd_kinds (type.h). */
rd_ref rd_blob_item(const rd_store *st, rd_ref block);
bool rd_blob_move_block(rd_store *st, uint32_t shard, rd_ref block);

#endif
