/* check.h - verifies the arena, block by block. */
#ifndef RD_STORE_CHECK_H
#define RD_STORE_CHECK_H

#include "arena/layout.h"

/* python: begin */
/* Walk the whole arena and verify every invariant. Returns 0, or the number of violations with the first in `err`. */
int rd_check(rd_store *st, char *err, size_t errlen);
/* python: end */
/* True if all invariants of a locked shard hold; otherwise `err` gets the first that does not. */
bool rd_shard_is_whole(rd_store *st, uint32_t shard, char *err, size_t errlen);

/* The same for a shard that is marked as paused (layout.h), of which it removes what may be torn: the noted key, and
 * all items that are in no database (kept ones, graves). Releases every block to which nothing refers. */
bool rd_shard_mend(rd_store *st, uint32_t shard);

/* ---- for the rows of types (type.h), to verify a value in an arena that may hold anything ---- */

struct rd_walk;
/* True if `ref` is a block of this kind, in this shard, of at least so many bytes with its head, that nothing else
 * refers to. Only then may the block be read. */
bool rd_walk_reach(struct rd_walk *walk, rd_ref ref, rd_kind kind, uint64_t bytes);
/* Record a violation unless `so` is true; `what` describes it. Returns `so`; after false the walk ends. */
bool rd_walk_expect(struct rd_walk *walk, bool so, const char *what);
/* Verify a blob (blob.h), of which `owner` is the owner. */
void rd_walk_blob(struct rd_walk *walk, rd_ref blob, rd_ref owner);
const rd_store *rd_walk_store(const struct rd_walk *walk);

#endif
