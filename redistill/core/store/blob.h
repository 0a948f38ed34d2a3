/* blob.h - a string that is too long for an entry of a collection, and lies outside of it: up to 512 MiB.
 *
 * A blob is like an item's value: in one block, or in chunks (big.h). It has an owner instead of a key: the leaf whose
 * entry refers to it, so that it can be moved, and evicted with the whole collection. */
#ifndef RD_BLOB_H
#define RD_BLOB_H

#include "arena/arena.h"

/* Make a blob of these bytes, without an owner. 0: no memory; *wanted grows by the bytes that it needed. */
rd_ref rd_blob_new(rd_store *st, uint32_t shard, rd_bytes bytes, uint64_t *wanted);
void rd_blob_release(rd_store *st, uint32_t shard, rd_ref blob);
uint64_t rd_blob_len(const rd_store *st, rd_ref blob);
uint64_t rd_blob_memory(const rd_store *st, rd_ref blob); /* bytes of its blocks */
/* The longest piece of it that starts at `off` (off < len). */
rd_bytes rd_blob_piece(const rd_store *st, rd_ref blob, uint64_t off);
void rd_blob_read(rd_store *st, rd_ref blob, uint64_t off, void *dst, uint64_t len);
void rd_blob_set_owner(rd_store *st, rd_ref blob, rd_ref leaf);

#endif
